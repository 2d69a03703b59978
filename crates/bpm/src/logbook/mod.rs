//! The logs of a project, read from disk: no manager is needed, and one that runs is not asked. Serves the
//! engine (`search_logs`) and the command line alike. Blocking. Must not know who asks, nor how it is shown.

mod assemble;
mod cursor;
mod digest;
mod draft;
mod fail;
mod filters;
mod follow;
mod kept;
mod merge;
mod names;
mod page;
mod runs;
mod shown;
mod since;
mod sources;
mod standing;
mod watch;
mod window;

use std::path::PathBuf;

use bpm_api::{Error, LogPage, LogQuery};
use bpm_logs::{Now, economy};

use crate::store::paths::Project;

pub use assemble::{Assembler, TextLine};
pub use filters::Filters;
pub use follow::{Begin, Follow, Lost, Selection};
pub use merge::Printed;
pub use names::{all as all_names, on_disk, only_one, unknown_process};
pub use runs::runs;
pub use since::rfc3339;
pub use watch::Watch as DirWatch;
pub use window::{Whose, window};

use fail::unreadable;

/// The largest page that can be asked for, in bytes.
pub const MAX_PAGE_BYTES: u64 = 1 << 20;
/// Bytes of the smallest page.
const MIN_PAGE_BYTES: u64 = 256;

/// Which of a process's logs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    Runs,
    Builds,
}

impl What {
    /// `run` or `build`.
    pub fn noun(self) -> &'static str {
        match self {
            What::Runs => "run",
            What::Builds => "build",
        }
    }

    /// The directory that holds them.
    pub fn dir(self, project: &Project, process: &str) -> PathBuf {
        match self {
            What::Runs => project.runs(process),
            What::Builds => project.builds(process),
        }
    }
}

/// How much of what was found is given out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    /// Longer lines are clipped, in bytes.
    pub line_bytes: usize,
    /// Lines of one log that a page is made of, at most. What is beyond is the next page's.
    pub max_lines: usize,
    /// Bytes of a page where the question names no size.
    pub page_bytes: usize,
    /// A question without pattern, head and tail means a digest, and lines that are alike are folded.
    pub digest: bool,
}

impl Shape {
    /// For readers who pay for every word.
    pub const BRIEF: Shape = Shape { line_bytes: 500, max_lines: 2048, page_bytes: 8192, digest: true };
    /// For people and their pipes. A page is as large as memory may bear, since every one costs a search.
    pub const WIDE: Shape =
        Shape { line_bytes: 16 << 10, max_lines: 65_536, page_bytes: 64 << 20, digest: false };
}

/// Answers a question to the logs of the processes in `named` and the query (none at all: of every process).
/// `known` are the configured processes; others that have logs on disk may be asked for as well.
///
/// # Errors
/// `UnknownProcess`, `UnknownRun`, `InvalidParameter` naming the parameter, `System` where a log cannot be read.
pub fn search(
    project: &Project,
    what: What,
    named: &[String],
    query: &LogQuery,
    known: &[String],
    shape: Shape,
) -> Result<LogPage, Error> {
    let question = sources::Question::new(project, what, named, query, known, shape)?;
    page::answer(&question)
}

/// The moment that a user means by `30s`, `10m`, `2h`, `1d` or an RFC 3339 time, in nanoseconds since 1970.
///
/// # Errors
/// `InvalidParameter` naming `since`.
pub fn since(text: &str) -> Result<u64, Error> {
    since::parse(text, Now::read().wall_ns)
}

/// The number of the newest run or build of a process or task.
///
/// # Errors
/// The state directory cannot be read.
pub fn newest(project: &Project, what: What, process: &str) -> Result<Option<u64>, Error> {
    Ok(kept::Kept::read(&what.dir(project, process))?.newest())
}

/// The number of the newest run of a process or task.
///
/// # Errors
/// The state directory cannot be read.
pub fn newest_run(project: &Project, process: &str) -> Result<Option<u64>, Error> {
    newest(project, What::Runs, process)
}

/// The first run after this one that is kept.
///
/// # Errors
/// The state directory cannot be read.
pub fn run_after(project: &Project, process: &str, run: u64) -> Result<Option<u64>, Error> {
    let kept = kept::Kept::read(&project.runs(process))?;
    Ok(kept.numbers.into_iter().find(|number| *number > run))
}

/// The line that says what went wrong at the end of a run, if it printed one.
#[must_use]
pub fn last_error(project: &Project, process: &str, run: u64) -> Option<String> {
    const LINES: usize = 200;
    const LONGEST: usize = 160;
    let log = bpm_logs::RunLog::open(&project.runs(process).join(run.to_string())).ok()?;
    let query = bpm_logs::Query {
        tail: Some(LINES),
        max_line_bytes: 4096,
        max_lines: LINES,
        ..bpm_logs::Query::default()
    };
    let mut detector = bpm_logs::errors::Detector::new(&bpm_logs::errors::Extra::default()).ok()?;
    let mut last = None;
    for line in log.search(&query).ok()?.lines {
        last = detector.feed(line.number, &economy::plain_text(&line.text)).pop().or(last);
    }
    let found = detector.flush().or(last)?;
    Some(economy::clip(found.deciding_line().trim(), LONGEST, 0))
}

/// The newest run of a process or task, and its last line.
#[must_use]
pub fn end_of(project: &Project, process: &str) -> Option<(u64, u64)> {
    let run = newest_run(project, process).ok()??;
    let log = bpm_logs::RunLog::open(&project.runs(process).join(run.to_string())).ok()?;
    let query =
        bpm_logs::Query { tail: Some(1), max_line_bytes: 1, max_lines: 1, ..bpm_logs::Query::default() };
    Some((run, log.search(&query).ok()?.cursor()))
}

#[cfg(test)]
mod tests;
