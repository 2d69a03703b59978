//! `bpm attach`

use std::process::ExitCode;

use bpm_api::{Code, Error};
use clap::Args;

use super::context::Context;
use super::failure::Failure;
use crate::attach::{self, How};
use crate::client::{self, Client};

/// Sit down at the terminal of a process or task
///
/// It shows what the program last printed, then what it prints, and takes every key; the program has the size of this terminal from
/// then on. `ctrl-]` leaves, and the program runs on. For those that run on a terminal: `pty = true` in the configuration, or
/// `bpm run --pty`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  bpm run --pty --name repl -- python3
  bpm attach repl               type; ctrl-] leaves it, and `bpm attach repl` comes back

Exit codes: 0 left, or the run has ended; 1 it has no terminal, or does not run; 2 this is no terminal; 3 the manager went away")]
pub(super) struct AttachArgs {
    /// Process or task
    target: String,
}

pub(super) async fn run(args: AttachArgs, cx: &Context) -> Result<ExitCode, Failure> {
    if cx.printer.json() {
        return Err(Error::new(
            Code::InvalidParameter,
            "`bpm attach` shows a terminal, which has no form in JSON",
        )
        .hint("`bpm logs -f NAME --json` follows what is printed")
        .into());
    }
    let client = Client::connect(&cx.project()?).await?;
    let left = attach::attach(&client, &args.target, client::origin()).await?;
    // a terminal that takes no more would hold it up
    if !matches!(left.how, How::Told(_) | How::HungUp) {
        cx.printer.note(&left.to_string());
    }
    Ok(match left.how {
        How::Asked | How::Ended(_) => ExitCode::SUCCESS,
        How::ManagerGone => ExitCode::from(Code::NoManager.exit_code()),
        How::Told(signal) => ExitCode::from(128 + u8::try_from(signal).unwrap_or(0)),
        How::HungUp => ExitCode::FAILURE,
    })
}
