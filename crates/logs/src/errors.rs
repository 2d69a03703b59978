//! Owns knowing an error when a program prints one: line by line, with the lines that belong to it. Pure;
//! must not know logs on disk, processes or who asks.
//!
//! What counts is a program's or a tool's own report that something failed: a panic, a traceback, a
//! diagnostic of a compiler, a record of level error, a failed test. A mention of an error does not
//! count: `0 errors`, `error.rs`, `retrying after error`, and whatever a record says that calls itself a warning or
//! less. What is not known to be a report is none.

use std::fmt;
use std::sync::Arc;

use regex_automata::meta::Regex;
use thiserror::Error;

use level::{Level, level_of};
use rules::Rules;
use shape::{Shape, Step};

mod level;
mod port;
mod rules;
mod shape;

pub use port::port_in_use;

/// Of a line that may begin a report, so much (bytes) is looked at and kept.
const LINE_BYTES: usize = 4 << 10;
/// A finding keeps so many lines: the first ones and the last ones of a longer report.
const MOST_LINES: usize = 48;
const FIRST_LINES: usize = 16;
/// A report that goes on for longer is cut here.
const LONGEST_REPORT: u64 = 2_000;

/// What is an error in this program's output, and what is not, apart from the rules that hold for all.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Extra {
    /// Regular expressions (Rust syntax): a line that matches is an error.
    pub matches: Vec<String>,
    /// Regular expressions: a line that matches is none, nor is a report that such a line belongs to. They win.
    pub ignore: Vec<String>,
}

/// A pattern of [`Extra`] that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{message}")]
pub struct BadPattern {
    /// `match` or `ignore`; empty if the built-in rules are at fault.
    pub list: &'static str,
    /// Its place in the list, from 0.
    pub index: usize,
    /// Where and why, over several lines, as the regex crates say it.
    pub message: String,
}

/// What was reported.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    /// Rust's or Go's.
    Panic,
    /// Python's.
    Traceback,
    /// One that nobody caught, or that was printed: JavaScript, Java, Ruby, PHP, Lua.
    Exception,
    /// A diagnostic of a compiler, linker, bundler or linter, or their count of errors.
    Compiler,
    /// A log record that says `error` or worse of itself.
    Level,
    /// npm, pnpm or yarn.
    PackageManager,
    /// Somebody else has the address; see [`Finding::port`].
    AddressInUse,
    /// A fatal signal, an abort, memory gone wrong or gone.
    Crash,
    TestFailure,
    /// Another tool's word that it could not: `fatal:`, `make: ***`, `command not found`.
    Failure,
    /// The configuration calls it an error.
    Configured,
}

impl Kind {
    /// In `snake_case`, for answers.
    pub fn as_str(self) -> &'static str {
        match self {
            Kind::Panic => "panic",
            Kind::Traceback => "traceback",
            Kind::Exception => "exception",
            Kind::Compiler => "compiler",
            Kind::Level => "level",
            Kind::PackageManager => "package_manager",
            Kind::AddressInUse => "address_in_use",
            Kind::Crash => "crash",
            Kind::TestFailure => "test_failure",
            Kind::Failure => "failure",
            Kind::Configured => "configured",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// One report.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    pub kind: Kind,
    /// Numbers of its first and last line, as they were fed.
    pub first: u64,
    pub last: u64,
    /// Its lines, never empty, each clipped to 4 KiB; the middle of a long report is left out.
    pub lines: Vec<String>,
    /// Lines of the middle that are not in `lines`.
    pub left_out: u64,
    /// Number of the line that names the error: `ValueError: …`, a panic's message, else the first line.
    pub deciding: u64,
    deciding_at: usize,
}

impl Finding {
    /// The line that names the error.
    pub fn deciding_line(&self) -> &str {
        self.lines.get(self.deciding_at).map_or("", String::as_str)
    }

    /// The TCP port of an address that is in use, if the report says it.
    pub fn port(&self) -> Option<u16> {
        if self.kind != Kind::AddressInUse {
            return None;
        }
        self.lines.iter().find_map(|line| port_in_use(line))
    }
}

/// Reads one stream of output. Lines of several streams need a detector each, or reports come apart.
#[derive(Debug, Clone)]
pub struct Detector {
    rules: &'static Rules,
    own: Arc<Own>,
    open: Option<Open>,
}

#[derive(Debug)]
struct Own {
    matches: Option<Regex>,
    ignore: Option<Regex>,
}

impl Detector {
    /// # Errors
    /// A pattern that is no regular expression, or is too large.
    pub fn new(extra: &Extra) -> Result<Detector, BadPattern> {
        let rules = rules::built_in()?;
        let own = Own {
            matches: rules::compile("match", &extra.matches)?,
            ignore: rules::compile("ignore", &extra.ignore)?,
        };
        Ok(Detector { rules, own: Arc::new(own), open: None })
    }

    /// Takes the next line, without its line feed and as [`plain_text`](crate::economy::plain_text) has it.
    /// Returns the reports that are whole now: most are with their first line; a traceback is with the
    /// line that names the exception, a compiler's diagnostic with the first line that is no longer part of it.
    pub fn feed(&mut self, number: u64, line: &str) -> Vec<Finding> {
        let line = floor(line, LINE_BYTES);
        let mut found = Vec::new();
        match self.open.as_mut().map(|open| open.take(number, line)) {
            Some(Step::More) => return found,
            Some(Step::Last) => {
                self.close(&mut found);
                return found;
            }
            Some(Step::Ended) => self.close(&mut found),
            None => {}
        }
        if let Some((kind, shape)) = self.judge(line) {
            self.open = Some(Open::new(number, line, kind, shape));
            if shape == Shape::Line {
                self.close(&mut found);
            }
        }
        found
    }

    /// The report that was still open. To be called when nothing more comes, or when nothing has come for a while.
    pub fn flush(&mut self) -> Option<Finding> {
        let mut found = Vec::new();
        self.close(&mut found);
        found.pop()
    }

    /// A report has begun, and the next lines may belong to it.
    pub fn is_open(&self) -> bool {
        self.open.is_some()
    }

    /// The first line of a report that has begun and is not whole.
    pub fn open_since(&self) -> Option<u64> {
        self.open.as_ref().map(|open| open.finding.first)
    }

    /// True if no line of `chunk` needs to be fed: for floods, before lines are taken apart and colours
    /// taken out. `chunk` is whole lines as the program wrote them.
    pub fn can_skip(&self, chunk: &[u8]) -> bool {
        self.open.is_none() && self.own.matches.is_none() && !self.rules.may_begin(chunk)
    }

    fn judge(&self, line: &str) -> Option<(Kind, Shape)> {
        let is = |regex: &Option<Regex>| regex.as_ref().is_some_and(|r| r.is_match(line));
        let own = is(&self.own.matches);
        if !own && !self.rules.may_begin(line.as_bytes()) {
            return None;
        }
        if is(&self.own.ignore) {
            return None;
        }
        if own {
            return Some((Kind::Configured, Shape::Line));
        }
        let ruled = self.rules.judge(line);
        match level_of(line) {
            // Some servers say it as a warning, and one as a plain message, before they give up.
            Some(Level::Low) => ruled.filter(|(kind, _)| *kind == Kind::AddressInUse),
            Some(Level::High) => ruled.or(Some((Kind::Level, Shape::Line))),
            None => ruled,
        }
    }

    fn close(&mut self, found: &mut Vec<Finding>) {
        let Some(open) = self.open.take() else { return };
        let mut finding = open.finding;
        let ignored = |line: &String| self.own.ignore.as_ref().is_some_and(|r| r.is_match(line));
        if finding.lines.iter().any(ignored) {
            return;
        }
        if finding.kind != Kind::Configured && self.rules.is_address_in_use(finding.deciding_line()) {
            finding.kind = Kind::AddressInUse;
        }
        found.push(finding);
    }
}

/// A report that may go on.
#[derive(Debug, Clone)]
struct Open {
    finding: Finding,
    shape: Shape,
}

impl Open {
    fn new(number: u64, line: &str, kind: Kind, shape: Shape) -> Open {
        let finding = Finding {
            kind,
            first: number,
            last: number,
            lines: vec![line.to_owned()],
            left_out: 0,
            deciding: number,
            deciding_at: 0,
        };
        Open { finding, shape }
    }

    fn take(&mut self, number: u64, line: &str) -> Step {
        let seen = self.finding.lines.len() as u64 + self.finding.left_out;
        let (step, decides) = self.shape.step(&self.finding.lines, seen, line);
        if step == Step::Ended {
            return Step::Ended;
        }
        let finding = &mut self.finding;
        finding.last = number;
        finding.lines.push(line.to_owned());
        if decides {
            finding.deciding = number;
            finding.deciding_at = finding.lines.len() - 1;
        }
        if finding.lines.len() > MOST_LINES {
            finding.lines.remove(FIRST_LINES);
            finding.left_out += 1;
            if finding.deciding_at > FIRST_LINES {
                finding.deciding_at -= 1;
            }
        }
        if seen >= LONGEST_REPORT { Step::Last } else { step }
    }
}

fn floor(line: &str, max: usize) -> &str {
    let mut end = max.min(line.len());
    while !line.is_char_boundary(end) {
        end -= 1;
    }
    &line[..end]
}

#[cfg(test)]
mod tests;
