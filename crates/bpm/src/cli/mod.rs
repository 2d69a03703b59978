//! The command line: one file for each verb. A verb asks a manager (or reads the logs on disk), has the
//! answer rendered, and returns an exit code. Must not decide anything that a manager decides.

mod allow;
mod attach;
mod build_log;
mod check;
mod context;
mod down;
mod failure;
mod install;
mod known;
mod load;
mod logs;
mod mcp;
mod old_name;
mod output;
mod printer;
mod progress;
mod restart;
mod run;
mod search;
mod send;
mod signal;
mod standard;
mod start;
mod status;
mod stop;
mod tasks;
mod tui;
mod up;
mod wait;
mod why;

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};

use context::Context;
use failure::Failure;
use printer::Printer;

/// Keeps a project's programs running, rebuilds and swaps them, keeps every line they print, and answers
/// questions about all of it.
#[derive(Debug, Parser)]
#[command(name = "bpm", version, arg_required_else_help = true, max_term_width = 100, after_help = EXAMPLES)]
struct Cli {
    #[command(flatten)]
    everywhere: Everywhere,
    #[command(subcommand)]
    verb: Verb,
}

// no comment for the documentation: clap would take it for the program's
#[derive(Debug, Args)]
struct Everywhere {
    /// The project's directory (default: the nearest one upwards with `.mcp-run`, else the git worktree)
    #[arg(long, global = true, value_name = "DIR", help_heading = "Everywhere")]
    project: Option<PathBuf>,
    /// Print the answer as JSON; errors too, on stderr
    #[arg(long, global = true, help_heading = "Everywhere")]
    json: bool,
}

const EXAMPLES: &str = "\
Examples:
  bpm up                       run this project in the foreground
  bpm up -d                    the same in the background
  bpm restart api              build `api`, and swap it if that succeeds
  bpm logs -f                  what all programs print, as they print it
  bpm search 'panicked at'     look for it in the newest run of each
  bpm why api                  why it is or is not running
  bpm run -- npm run dev       any command, in the background
  bpm wait t1 --until exit     until that has ended
  bpm tui                      all of it on one screen

Exit codes: 0 done, 1 the operation failed, 2 usage or configuration, 3 no manager,
4 not found, 5 timed out while still running";

#[derive(Debug, Subcommand)]
enum Verb {
    Up(up::UpArgs),
    Allow(allow::AllowArgs),
    Down(down::DownArgs),
    #[command(visible_alias = "ps")]
    Status(status::StatusArgs),
    Start(start::StartArgs),
    Stop(stop::StopArgs),
    Restart(restart::RestartArgs),
    Logs(logs::LogsArgs),
    Search(search::SearchArgs),
    BuildLog(build_log::BuildLogArgs),
    Run(run::RunArgs),
    Tasks(tasks::TasksArgs),
    Wait(wait::WaitArgs),
    Send(send::SendArgs),
    Attach(attach::AttachArgs),
    Signal(signal::SignalArgs),
    Why(why::WhyArgs),
    Check(check::CheckArgs),
    Tui(tui::TuiArgs),
    Mcp(mcp::McpArgs),
    Install(install::InstallArgs),
}

/// Carries out a command line; `args` begin with the program's name. To be called in a tokio runtime.
pub async fn main(args: Vec<OsString>) -> ExitCode {
    let parsed = match args.first() {
        Some(argv0) if old_name::is_meant(argv0) => old_name::parse(args),
        Some(_) | None => Cli::try_parse_from(args),
    };
    let Cli { everywhere, verb } = match parsed {
        Ok(cli) => cli,
        Err(error) => return usage(&error),
    };
    let cx = Context::new(everywhere.project, Printer::for_process(everywhere.json));
    match run(verb, &cx).await {
        Ok(code) => code,
        Err(failure) => failure.report(&cx.printer),
    }
}

async fn run(verb: Verb, cx: &Context) -> Result<ExitCode, Failure> {
    match verb {
        Verb::Up(args) => up::run(args, cx).await,
        Verb::Allow(args) => allow::run(&args, cx).await,
        Verb::Down(args) => down::run(&args, cx).await,
        Verb::Status(args) => status::run(args, cx).await,
        Verb::Start(args) => start::run(args, cx).await,
        Verb::Stop(args) => stop::run(args, cx).await,
        Verb::Restart(args) => restart::run(args, cx).await,
        Verb::Logs(args) => logs::run(args, cx).await,
        Verb::Search(args) => search::run(args, cx),
        Verb::BuildLog(args) => build_log::run(args, cx).await,
        Verb::Run(args) => run::run(args, cx).await,
        Verb::Tasks(args) => tasks::run(args, cx).await,
        Verb::Wait(args) => wait::run(args, cx).await,
        Verb::Send(args) => send::run(args, cx).await,
        Verb::Attach(args) => attach::run(args, cx).await,
        Verb::Signal(args) => signal::run(args, cx).await,
        Verb::Why(args) => why::run(args, cx).await,
        Verb::Check(args) => check::run(&args, cx),
        Verb::Tui(args) => tui::run(args, cx).await,
        Verb::Mcp(args) => mcp::run(args, cx).await,
        Verb::Install(args) => install::run(&args, cx),
    }
}

/// A wait in seconds, as an option.
fn seconds(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(seconds) if (0.0..=86_400.0).contains(&seconds) => Ok(seconds),
        Ok(_) | Err(_) => Err("expected a number of seconds from 0 to 86400".to_owned()),
    }
}

/// Help, version and wrong usage, as clap words them.
fn usage(error: &clap::Error) -> ExitCode {
    // A closed pipe is no reason to complain about the help text.
    let _ = error.print();
    u8::try_from(error.exit_code()).map_or(ExitCode::FAILURE, ExitCode::from)
}
