//! `bpm start`

use std::process::ExitCode;

use bpm_api::Start;
use clap::Args;

use super::context::Context;
use super::failure::Failure;
use super::progress;
use crate::client::{self, Client};
use crate::control::Control;
use crate::render;

/// Start processes that are stopped or wait after a crash
///
/// One that runs is left alone. To load new code use `bpm restart`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  bpm start worker
  bpm start api web --timeout-seconds 120")]
pub(super) struct StartArgs {
    /// Which
    #[arg(required = true, value_name = "NAME")]
    names: Vec<String>,
    /// How long to wait for each; the work goes on after it
    #[arg(long, value_name = "SECONDS", default_value_t = 50.0, value_parser = super::seconds)]
    timeout_seconds: f64,
}

pub(super) async fn run(args: StartArgs, cx: &Context) -> Result<ExitCode, Failure> {
    let project = cx.project()?;
    let client = Client::connect(&project).await?;
    let mut failed = None;
    for process in args.names {
        let progress = progress::of_builds(&project, &process, &cx.printer);
        let start = Start { process, timeout_seconds: Some(args.timeout_seconds) };
        let outcome = client.ask(start, client::origin());
        let outcome = match progress {
            Some(progress) => progress.during(outcome).await,
            None => outcome.await,
        };
        match outcome {
            Ok(began) => drop(cx.printer.show(&began, render::started)?),
            Err(error) => {
                cx.printer.fail(&error);
                failed = failed.or(Some(error.code.exit_code()));
            }
        }
    }
    Ok(failed.map_or(ExitCode::SUCCESS, ExitCode::from))
}
