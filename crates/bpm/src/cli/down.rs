//! `bpm down`

use std::process::ExitCode;
use std::time::Duration;

use bpm_api::{Code, Done, Shutdown};
use clap::Args;

use super::context::Context;
use super::failure::Failure;
use crate::client::{self, Client};
use crate::control::Control;
use crate::render;

/// How long the manager's process may take to end after all else has.
const LEAVE: Duration = Duration::from_secs(30);

/// Stop everything in order, then the manager
///
/// Returns when the manager's process has ended. Processes are stopped in reverse order of dependency; what
/// could not be killed is named. They start again with the next `bpm up`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  bpm down
  bpm --project ~/dev/shop down")]
pub(super) struct DownArgs {}

pub(super) async fn run(_args: &DownArgs, cx: &Context) -> Result<ExitCode, Failure> {
    let client = Client::connect(&cx.project()?).await?;
    let done = client.ask(Shutdown {}, client::origin()).await;
    let gone = client.manager_gone(LEAVE).await;
    let done = match (done, &gone) {
        // it was leaving already, and now it has left: what this asked for
        (Err(error), Ok(())) if error.code == Code::Closing => {
            Done { message: "everything is stopped".to_owned() }
        }
        // What could not be killed matters more than that the manager takes its time.
        (done, _) => done?,
    };
    gone?;
    cx.printer.show(&done, |Done { message }, _| format!("{}\n", render::safe_line(message)))
}
