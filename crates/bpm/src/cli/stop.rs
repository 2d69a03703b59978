//! `bpm stop`

use std::process::ExitCode;

use bpm_api::{Done, Stop};
use clap::Args;

use super::context::Context;
use super::failure::Failure;
use crate::client::{self, Client};
use crate::control::Control;
use crate::render;

/// Stop processes and tasks, each with its whole tree
///
/// Processes stay stopped until started, also over `bpm down` and `bpm up`. Returns when nothing of them is left;
/// what could not be killed is named. Not needed before `bpm restart`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  bpm stop worker
  bpm stop api web
  bpm stop t3               a task, which has ended then")]
pub(super) struct StopArgs {
    /// Which
    #[arg(required = true, value_name = "NAME")]
    names: Vec<String>,
    /// How long to wait for each; the work goes on after it
    #[arg(long, value_name = "SECONDS", default_value_t = 50.0, value_parser = super::seconds)]
    timeout_seconds: f64,
}

pub(super) async fn run(args: StopArgs, cx: &Context) -> Result<ExitCode, Failure> {
    let client = Client::connect(&cx.project()?).await?;
    let mut failed = None;
    for process in args.names {
        let stop = Stop { process, timeout_seconds: Some(args.timeout_seconds) };
        match client.ask(stop, client::origin()).await {
            Ok(done) => {
                let text = |Done { message }: &Done, _| format!("{}\n", render::safe_line(message));
                cx.printer.show(&done, text)?;
            }
            Err(error) => {
                cx.printer.fail(&error);
                failed = failed.or(Some(error.code.exit_code()));
            }
        }
    }
    Ok(failed.map_or(ExitCode::SUCCESS, ExitCode::from))
}
