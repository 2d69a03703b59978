//! Some lines of one log from any place, for whoever scrolls. Costs what the answer costs, not what the log does.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bpm_api::{Error, LogWindow, ReadFrom, ReadLog, Stream, WindowLine};
use bpm_core::config::ErrorRules;
use bpm_logs::RunLog;
use bpm_logs::window::{Ask, Place, Seen};
use bpm_shim::launch::Presence;

use super::fail::{invalid, log_unreadable};
use super::filters::{Filter, Filters};
use super::kept::Kept;
use super::since::rfc3339;
use super::standing::presence;
use super::{MAX_PAGE_BYTES, What};
use crate::store::paths::Project;

/// Lines of one answer.
const MAX_LINES: u32 = 10_000;
const USUAL_LINE_BYTES: u32 = 64 << 10;
/// A search looks at so much of a log (bytes), and for so long, before it breaks off.
const LOOK_AT_BYTES: u64 = 64 << 20;
const LOOK_FOR: Duration = Duration::from_millis(500);

/// A log of a process or task, and how whoever asks calls it.
#[derive(Clone, Debug)]
pub struct Whose {
    /// A process's name, or a task's id.
    pub id: String,
    pub label: String,
    /// What is an error there, beyond what everywhere is.
    pub errors: ErrorRules,
}

/// Lines of one log. Where there is none yet, an answer without lines.
///
/// # Errors
/// `InvalidParameter` naming the parameter, `UnknownRun`, `System` where the log cannot be read.
pub fn window(
    project: &Project,
    whose: &Whose,
    ask: &ReadLog,
    filters: &Filters,
) -> Result<LogWindow, Error> {
    let question = Question::new(ask, filters.of(&ask.only, &whose.errors)?)?;
    let what = if ask.builds { What::Builds } else { What::Runs };
    let dir = what.dir(project, &whose.id);
    let kept = Kept::read(&dir)?;
    let (number, newest) = match (ask.run, kept.newest()) {
        (Some(number), newest) => (kept.by_number(number, &whose.label, what)?, newest.unwrap_or(number)),
        (None, Some(newest)) => (newest, newest),
        (None, None) => return Ok(LogWindow { first_line: 1, next_line: 1, ..LogWindow::default() }),
    };
    let dir = dir.join(number.to_string());
    // Before the log is opened: what has ended by now is all in it.
    let ended = has_ended(&dir, number < newest);
    let log = RunLog::open(&dir).and_then(|log| Ok((log.extent()?, log.window(&question.ask())?)));
    let (extent, found) =
        log.map_err(|error| log_unreadable(&format!("`{}` {} {number}", whose.label, what.noun()), &error))?;
    Ok(LogWindow {
        run: number,
        newest,
        ended,
        first_line: extent.first_line,
        next_line: extent.next_line,
        lines: found.lines.into_iter().map(line).collect(),
        broke_off: found.broke_off,
        lost_lines: extent.lost_lines,
        lost_bytes: extent.lost_bytes,
    })
}

/// Whether nothing more can be printed. One that no shim was started for may still get one, unless it is `old`.
fn has_ended(dir: &Path, old: bool) -> bool {
    match presence(dir) {
        Ok(Presence::Ended(_) | Presence::Lost) => true,
        Ok(Presence::NeverStarted) => old,
        Ok(Presence::Alive) | Err(_) => false,
    }
}

/// A question whose parameters are checked.
struct Question {
    filter: Arc<Filter>,
    place: Place,
    lines: usize,
    max_bytes: usize,
    max_line_bytes: usize,
}

impl Question {
    fn new(ask: &ReadLog, filter: Arc<Filter>) -> Result<Question, Error> {
        if ask.lines > MAX_LINES {
            return Err(invalid(format!("`lines` is {}, expected at most {MAX_LINES}", ask.lines))
                .hint("ask again `after` or `before` the last line of the answer"));
        }
        let max_bytes = ask.max_bytes.unwrap_or(MAX_PAGE_BYTES);
        if max_bytes > MAX_PAGE_BYTES {
            return Err(invalid(format!("`max_bytes` is {max_bytes}, expected at most {MAX_PAGE_BYTES}"))
                .hint("ask again from where the answer broke off"));
        }
        let place = match ask.from {
            ReadFrom::End => Place::End,
            ReadFrom::After(line) => Place::After(line),
            ReadFrom::Before(line) => Place::Before(line),
        };
        let bytes = |bytes: u64| usize::try_from(bytes).unwrap_or(usize::MAX);
        let max_line_bytes = bytes(ask.max_line_bytes.unwrap_or(USUAL_LINE_BYTES).into());
        Ok(Question {
            filter,
            place,
            lines: usize::try_from(ask.lines).unwrap_or(usize::MAX),
            max_bytes: bytes(max_bytes),
            max_line_bytes: max_line_bytes.min(bytes(max_bytes)),
        })
    }

    fn ask(&self) -> Ask<'_> {
        Ask {
            place: self.place,
            only: self.filter.only(),
            lines: self.lines,
            max_bytes: self.max_bytes,
            max_line_bytes: self.max_line_bytes,
            look_at_bytes: LOOK_AT_BYTES,
            look_for: LOOK_FOR,
        }
    }
}

fn line(seen: Seen) -> WindowLine {
    WindowLine {
        number: seen.number,
        time: rfc3339(seen.time_ns),
        stream: match seen.stream {
            bpm_logs::Stream::Stdout => Stream::Stdout,
            bpm_logs::Stream::Stderr => Stream::Stderr,
        },
        text: seen.text,
        clipped_bytes: seen.clipped_bytes,
        open: seen.open,
    }
}
