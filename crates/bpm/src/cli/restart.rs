//! `bpm restart`

use std::process::ExitCode;

use bpm_api::{Mode, Restart};
use clap::Args;

use super::context::Context;
use super::failure::Failure;
use super::progress;
use crate::client::{self, Client};
use crate::control::Control;
use crate::render;

/// Build a process anew, and swap it if that succeeds
///
/// The old run serves until the build has succeeded, and stays if it fails. Switches the project to dev mode.
/// On a terminal the build is shown as it goes; if it fails, the compiler's errors are.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  bpm restart api
  bpm restart                        where there is only one process
  bpm restart api --release          try the release recipe
  bpm restart api --timeout-seconds 600")]
pub(super) struct RestartArgs {
    /// Which; may be left out where there is only one
    name: Option<String>,
    /// With the release recipe instead of the dev recipe
    #[arg(long)]
    release: bool,
    /// How long to wait for the outcome; the work goes on after it
    #[arg(long, value_name = "SECONDS", default_value_t = 50.0, value_parser = super::seconds)]
    timeout_seconds: f64,
}

pub(super) async fn run(args: RestartArgs, cx: &Context) -> Result<ExitCode, Failure> {
    let project = cx.project()?;
    let client = Client::connect(&project).await?;
    let watched = args.name.clone().or_else(|| cx.process(&project, None).ok());
    let restart = Restart {
        process: args.name,
        mode: args.release.then_some(Mode::Release),
        timeout_seconds: Some(args.timeout_seconds),
    };
    let outcome = client.ask(restart, client::origin());
    let outcome = match watched.and_then(|process| progress::of_builds(&project, &process, &cx.printer)) {
        Some(progress) => progress.during(outcome).await,
        None => outcome.await,
    };
    cx.printer.show(&outcome?, render::restarted)
}
