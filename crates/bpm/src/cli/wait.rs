//! `bpm wait`

use std::process::ExitCode;

use bpm_api::{Condition, WaitFor};
use clap::{Args, ValueEnum};

use super::context::Context;
use super::failure::Failure;
use crate::render;

/// Still running when the time was over.
const TIMED_OUT: u8 = 5;

/// Wait until the first of several things happens to processes and tasks
///
/// What holds already ends the wait at once. Without a condition: until one is ready or has ended.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  bpm wait api --timeout 120
  bpm wait t3 --until exit
  bpm wait api web --until error --pattern 'migrations done'
  bpm wait t3 --port 5432

Exit codes: 0 it held, 1 it held and is bad (a failed exit, an error, a failed build), 5 timed out")]
pub(super) struct WaitArgs {
    /// Processes and tasks
    #[arg(required = true, value_name = "TARGET")]
    targets: Vec<String>,
    /// What to wait for; several times, or with commas
    #[arg(long, value_enum, value_delimiter = ',', value_name = "CONDITION")]
    until: Vec<Until>,
    /// Until it prints a line that matches (regex)
    #[arg(long, value_name = "REGEX")]
    pattern: Option<String>,
    /// Until it listens on this port
    #[arg(long)]
    port: Option<u16>,
    /// Until it has printed nothing for so long
    #[arg(long, value_name = "SECONDS", value_parser = super::seconds)]
    quiet: Option<f64>,
    /// How long to wait
    #[arg(long, value_name = "SECONDS", default_value_t = 30.0, value_parser = super::seconds)]
    timeout: f64,
    /// Only what came after an earlier answer
    #[arg(long)]
    cursor: Option<String>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Until {
    Ready,
    Exit,
    Pattern,
    Error,
    Build,
    Port,
    Quiet,
}

pub(super) async fn run(args: WaitArgs, cx: &Context) -> Result<ExitCode, Failure> {
    let until: Vec<Condition> = args.until.into_iter().map(Until::condition).collect();
    let ask = WaitFor {
        targets: args.targets,
        until: Some(until).filter(|until| !until.is_empty()),
        pattern: args.pattern,
        port: args.port,
        quiet_seconds: args.quiet,
        timeout_seconds: Some(args.timeout),
        cursor: args.cursor,
    };
    let answer = cx.ask(ask).await?;
    cx.printer.show(&answer, render::waited)?;
    Ok(match answer.met {
        Some(met) if met.bad => ExitCode::FAILURE,
        Some(_) => ExitCode::SUCCESS,
        None => ExitCode::from(TIMED_OUT),
    })
}

impl Until {
    fn condition(self) -> Condition {
        match self {
            Until::Ready => Condition::Ready,
            Until::Exit => Condition::Exit,
            Until::Pattern => Condition::Pattern,
            Until::Error => Condition::Error,
            Until::Build => Condition::Build,
            Until::Port => Condition::Port,
            Until::Quiet => Condition::Quiet,
        }
    }
}
