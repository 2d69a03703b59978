//! `bpm build-log`

use std::process::ExitCode;

use clap::Args;

use super::context::Context;
use super::failure::Failure;
use super::logs::{self, Reading};
use crate::logbook::What;

/// Print what a build printed, as a person would have seen it
///
/// Works with the manager down.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  bpm build-log api              the newest build
  bpm build-log api --run -2     the one before
  bpm build-log api -f           as it goes")]
pub(super) struct BuildLogArgs {
    /// Whose; may be left out where there is only one
    name: Option<String>,
    #[command(flatten)]
    reading: Reading,
}

pub(super) async fn run(args: BuildLogArgs, cx: &Context) -> Result<ExitCode, Failure> {
    let project = cx.project()?;
    let process = cx.process(&project, args.name)?;
    logs::print(cx, &project, What::Builds, vec![process], &args.reading).await
}
