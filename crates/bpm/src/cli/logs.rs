//! `bpm logs`

use std::io;
use std::process::ExitCode;

use bpm_api::{Code, Error};
use bpm_logs::Stream;
use clap::{Args, ValueEnum};

use super::context::Context;
use super::failure::Failure;
use super::known;
use super::output::Output;
use crate::client::Readable;
use crate::logbook::{self, Begin, Follow, Selection, What};
use crate::store::paths::Project;

/// Print what processes and tasks have printed
///
/// The whole log of the newest run, of all processes (not tasks) by time where none is named; several are told apart by
/// `[NAME] ` in front. On a terminal control sequences are taken out; a pipe or file gets the programs'
/// bytes exactly (`--raw`: a terminal too). Works with the manager down.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  bpm logs api                   the newest run, whole
  bpm logs api -n 100 -f         the last 100 lines, then what comes, through restarts
  bpm logs api --run -2          the run before
  bpm logs t3 -f                 a task
  bpm logs --since 10m           everything of the last ten minutes
  bpm logs api | rg -c error")]
pub(super) struct LogsArgs {
    /// Whose (default: everybody's)
    #[arg(value_name = "NAME")]
    names: Vec<String>,
    #[command(flatten)]
    reading: Reading,
}

/// Which lines, and how they are printed.
#[derive(Debug, Args)]
pub(super) struct Reading {
    /// Only the last N lines (of each process)
    #[arg(short = 'n', long = "lines", value_name = "N")]
    lines: Option<u32>,
    /// Go on as more is printed, through crashes and restarts
    #[arg(short, long)]
    follow: bool,
    /// A run by its number; -1 is the newest, -2 the one before, 0 the oldest kept
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    run: Option<i64>,
    /// Only what went to one of the two
    #[arg(long, value_enum, value_name = "STREAM")]
    stream: Option<StreamArg>,
    /// Only newer lines: `30s`, `10m`, `2h`, `1d`, or an RFC 3339 time
    #[arg(long, value_name = "TIME")]
    since: Option<String>,
    /// The programs' bytes as they are, on a terminal too
    #[arg(long)]
    raw: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(super) enum StreamArg {
    Stdout,
    Stderr,
}

pub(super) async fn run(args: LogsArgs, cx: &Context) -> Result<ExitCode, Failure> {
    let project = cx.project()?;
    print(cx, &project, What::Runs, args.names, &args.reading).await
}

/// Prints logs of runs or builds; with `--follow` until the reader has enough.
pub(super) async fn print(
    cx: &Context,
    project: &Project,
    what: What,
    names: Vec<String>,
    reading: &Reading,
) -> Result<ExitCode, Failure> {
    let names = known::resolved(project, names)?;
    let labelled = names.len() > 1 || (names.is_empty() && known::all(project)?.len() > 1);
    let begin = reading.begin()?;
    let stream = reading.stream.map(StreamArg::stream);
    let mut follow =
        Follow::open(project, Selection { what, processes: names, stream }, begin, reading.follow)?;
    let mut output = Output::new(&cx.printer, reading.raw, labelled);
    output.all(&mut follow)?;
    if follow.found_nothing() && !cx.printer.json() {
        cx.printer.note(&format!("no {} yet", what.noun()));
    }
    let Some(wakeups) = follow.wakeups() else {
        output.end()?;
        return Ok(ExitCode::SUCCESS);
    };
    let unwatched = |error: io::Error| Error::new(Code::System, format!("cannot watch the logs: {error}"));
    let wakeups = Readable::new(wakeups).map_err(unwatched)?;
    loop {
        wakeups.wait().await.map_err(unwatched)?;
        follow.look_again()?;
        output.all(&mut follow)?;
    }
}

impl StreamArg {
    fn stream(self) -> Stream {
        match self {
            StreamArg::Stdout => Stream::Stdout,
            StreamArg::Stderr => Stream::Stderr,
        }
    }

    pub(super) fn in_api(self) -> bpm_api::Stream {
        match self {
            StreamArg::Stdout => bpm_api::Stream::Stdout,
            StreamArg::Stderr => bpm_api::Stream::Stderr,
        }
    }
}

impl Reading {
    /// Follows what is printed from now on.
    pub(super) fn from_now_on() -> Reading {
        Reading { lines: Some(0), follow: true, run: None, stream: None, since: None, raw: false }
    }

    fn begin(&self) -> Result<Begin, Error> {
        let (run, index) = run_or_index(self.run);
        Ok(Begin {
            run,
            index,
            tail: self.lines.map(|lines| usize::try_from(lines).unwrap_or(usize::MAX)),
            since_ns: self.since.as_deref().map(logbook::since).transpose()?,
            only_new: false,
        })
    }
}

/// `--run`: numbers begin at 1, what is below counts from an end.
pub(super) fn run_or_index(run: Option<i64>) -> (Option<u64>, Option<i64>) {
    match run {
        None => (None, None),
        Some(number @ 1..) => (Some(number.unsigned_abs()), None),
        Some(index) => (None, Some(index)),
    }
}
