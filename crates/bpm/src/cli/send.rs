//! `bpm send`

use std::process::ExitCode;

use bpm_api::SendInput;
use clap::Args;

use super::context::Context;
use super::failure::Failure;
use crate::render;

/// What was waited for was not printed in time.
const TIMED_OUT: u8 = 5;

/// Type into a task or process: text, then a key
///
/// The text is sent as it is; `--key enter` ends the line. A task takes input always, a process where its
/// configuration says so.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  bpm send t3 'select 1;' --key enter
  bpm send repl '2 + 2' --key enter --wait-for '^4'
  bpm send t3 --key ctrl-c

Exit codes: 0 sent (and seen), 1 it takes no input, 5 sent, but what was waited for did not come")]
pub(super) struct SendArgs {
    /// Task or process
    target: String,
    /// What to type
    #[arg(required_unless_present = "key", allow_hyphen_values = true)]
    text: Option<String>,
    /// A key after it: enter, tab, escape, up, ctrl-c, ctrl-d …
    #[arg(short, long)]
    key: Option<String>,
    /// Wait until it prints a line that matches after that (regex)
    #[arg(long, value_name = "REGEX")]
    wait_for: Option<String>,
    /// How long to wait for that
    #[arg(long, value_name = "SECONDS", default_value_t = 10.0, value_parser = super::seconds)]
    timeout: f64,
}

pub(super) async fn run(args: SendArgs, cx: &Context) -> Result<ExitCode, Failure> {
    let ask = SendInput {
        task_id: Some(args.target),
        process: None,
        text: args.text,
        bytes: None,
        key: args.key,
        wait_for: args.wait_for,
        timeout_seconds: Some(args.timeout),
    };
    let sent = cx.ask(ask).await?;
    cx.printer.show(&sent, render::input)?;
    Ok(match sent.seen {
        Some(false) => ExitCode::from(TIMED_OUT),
        Some(true) | None => ExitCode::SUCCESS,
    })
}
