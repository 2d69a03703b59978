//! `bpm why`

use std::process::ExitCode;

use bpm_api::{Code, GetTask, Why};
use clap::Args;

use super::context::Context;
use super::failure::Failure;
use crate::render;

/// Say why a process or task is or is not running, with evidence
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  bpm why api
  bpm why              where there is only one process")]
pub(super) struct WhyArgs {
    /// Which; may be left out where there is only one
    name: Option<String>,
}

/// Lines of a task's output that show how it stands.
const EVIDENCE: u32 = 20;

pub(super) async fn run(args: WhyArgs, cx: &Context) -> Result<ExitCode, Failure> {
    let process = cx.process(&cx.project()?, args.name)?;
    match cx.ask(Why { process: process.clone() }).await {
        Err(error) if matches!(error.code, Code::UnknownProcess | Code::UnknownTask) => {
            let ask = GetTask { task_id: Some(process), lines: Some(EVIDENCE), cursor: None };
            // if it is no task either, the first answer is the better one
            let task = cx.ask(ask).await.map_err(|_| error)?;
            cx.printer.show(&task, |task, style| render::tasks(task, 0, style))
        }
        answer => cx.printer.show(&answer?, render::why),
    }
}
