//! `bpm signal`

use std::process::ExitCode;

use bpm_api::{Done, SendSignal};
use clap::Args;

use super::context::Context;
use super::failure::Failure;
use crate::render;

/// Send a signal to a process or task, and to its whole tree
///
/// That is no stop: a program that ends by it has crashed, and is restarted as after any crash. To end it, use
/// `bpm stop`; to have new code, `bpm restart`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  bpm signal api HUP            have it read its configuration again
  bpm signal t3 USR1
  bpm signal api STOP           pause it, until `bpm signal api CONT`

Exit codes: 0 sent, 1 it does not run, 5 its shim did not answer in time")]
pub(super) struct SignalArgs {
    /// Process or task
    target: String,
    /// HUP, SIGHUP or 1
    signal: String,
}

pub(super) async fn run(args: SignalArgs, cx: &Context) -> Result<ExitCode, Failure> {
    let sent = cx.ask(SendSignal { target: args.target, signal: args.signal }).await?;
    cx.printer.show(&sent, |Done { message }, _| format!("{}\n", render::safe_line(message)))
}
