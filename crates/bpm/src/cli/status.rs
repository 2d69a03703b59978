//! `bpm status`

use std::process::ExitCode;

use bpm_api::GetStatus;
use clap::Args;

use super::context::Context;
use super::failure::Failure;
use crate::render;

/// Show what runs, since when, and why what does not run does not
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  bpm status
  bpm status api --json | jq .processes[0].pid")]
pub(super) struct StatusArgs {
    /// Only this process or task
    name: Option<String>,
}

pub(super) async fn run(args: StatusArgs, cx: &Context) -> Result<ExitCode, Failure> {
    let status = cx.ask(GetStatus { process: args.name, ..GetStatus::default() }).await?;
    cx.printer.show(&status, render::status)
}
