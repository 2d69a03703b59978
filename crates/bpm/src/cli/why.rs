//! `bpm why`

use std::process::ExitCode;

use bpm_api::Why;
use clap::Args;

use super::context::Context;
use super::failure::Failure;
use crate::render;

/// Say why a process is or is not running, with evidence
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  bpm why api
  bpm why              where there is only one process")]
pub(super) struct WhyArgs {
    /// Which; may be left out where there is only one
    name: Option<String>,
}

pub(super) async fn run(args: WhyArgs, cx: &Context) -> Result<ExitCode, Failure> {
    let process = cx.process(&cx.project()?, args.name)?;
    let answer = cx.ask(Why { process }).await?;
    cx.printer.show(&answer, render::why)
}
