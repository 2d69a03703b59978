//! Reads one process's or task's log as it grows, through the runs that follow, and looks in it for what is
//! waited for. Blocking; wakes up for nobody.

use std::path::PathBuf;
use std::sync::Arc;

use bpm_api::{Code, Error};
use bpm_core::config::ErrorRules;
use bpm_core::ids::Name;
use bpm_logs::errors::{Detector, Extra, Finding};
use bpm_logs::{Follower, ReadError, economy};
use regex_automata::meta::Regex;

use crate::logbook::{self, Assembler, Printed, TextLine};
use crate::store::paths::Project;

/// Bytes that are read before others have their turn.
const READ_BYTES: usize = 1 << 20;

/// What is looked for.
#[derive(Clone, Debug, Default)]
pub(super) struct Hunt {
    pub(super) pattern: Option<Arc<Regex>>,
    pub(super) errors: bool,
}

/// What was found, in the order in which it was printed.
#[derive(Debug)]
pub(super) enum Hit {
    Pattern { run: u64, line: u64 },
    Error { run: u64, finding: Box<Finding> },
}

#[derive(Debug)]
pub(super) struct Tail {
    project: Project,
    name: Name,
    pattern: Option<Arc<Regex>>,
    detector: Option<Detector>,
    at: Option<At>,
    /// Where to begin in the first log.
    from: Option<(u64, u64)>,
}

#[derive(Debug)]
struct At {
    run: u64,
    dir: PathBuf,
    follower: Follower,
    assembler: Assembler,
    /// The last line that has ended.
    line: u64,
    /// When something was printed last, in nanoseconds since 1970.
    printed_ns: Option<u64>,
}

/// What one look came to.
#[derive(Debug)]
pub(super) struct Look {
    pub(super) hit: Option<Hit>,
    /// There is more to read now.
    pub(super) more: bool,
}

impl Tail {
    /// `from`: only what comes after this run and line.
    pub(super) fn new(
        project: &Project,
        name: &Name,
        hunt: &Hunt,
        errors: ErrorRules,
        from: Option<(u64, u64)>,
    ) -> Tail {
        let own = Extra { matches: errors.matches, ignore: errors.ignore };
        // Their syntax and size were checked with the configuration.
        let detector = || Detector::new(&own).or_else(|_| Detector::new(&Extra::default())).ok();
        let detector = hunt.errors.then(detector).flatten();
        let pattern = hunt.pattern.clone();
        Tail { project: project.clone(), name: name.clone(), pattern, detector, at: None, from }
    }

    /// The directory that is read, if there is one.
    pub(super) fn dir(&self) -> Option<&PathBuf> {
        self.at.as_ref().map(|at| &at.dir)
    }

    /// Up to where it has been read: run and line.
    pub(super) fn place(&self) -> Option<(u64, u64)> {
        self.at.as_ref().map(|at| (at.run, at.line)).or(self.from)
    }

    /// When something was printed last, in nanoseconds since 1970.
    pub(super) fn printed_ns(&self) -> Option<u64> {
        self.at.as_ref().and_then(|at| at.printed_ns)
    }

    /// Part of an error has been seen, and the rest may follow.
    pub(super) fn is_in_an_error(&self) -> bool {
        self.detector.as_ref().is_some_and(Detector::is_open)
    }

    /// Nothing has followed.
    pub(super) fn rest_of_error(&mut self) -> Option<Hit> {
        let run = self.at.as_ref()?.run;
        let finding = self.detector.as_mut()?.flush()?;
        Some(Hit::Error { run, finding: Box::new(finding) })
    }

    /// Reads what is new, up to the first hit. What comes after it is left for the next look.
    ///
    /// # Errors
    /// A log that cannot be read.
    pub(super) fn look(&mut self) -> Result<Look, Error> {
        let newest = logbook::newest_run(&self.project, &self.name)?;
        if self.at.is_none() {
            let Some(newest) = newest else { return Ok(Look { hit: None, more: false }) };
            self.open(self.from.map_or(newest, |(run, _)| run.min(newest)));
        }
        let look = self.read()?;
        let (Some(run), Some(newest)) = (self.at.as_ref().map(|at| at.run), newest) else { return Ok(look) };
        if look.hit.is_none() && !look.more && run < newest {
            // what was open there is over with it
            if let Some(hit) = self.rest_of_error() {
                return Ok(Look { hit: Some(hit), more: true });
            }
            let next = logbook::run_after(&self.project, &self.name, run)?.unwrap_or(newest);
            self.open(next);
            return Ok(Look { hit: None, more: true });
        }
        Ok(look)
    }

    fn open(&mut self, run: u64) {
        let dir = self.project.runs(&self.name).join(run.to_string());
        let after = self.from.filter(|(from, _)| *from == run).map(|(_, line)| line).filter(|line| *line > 0);
        self.at = Some(At {
            run,
            follower: Follower::new(&dir, after),
            dir,
            assembler: Assembler::default(),
            line: after.unwrap_or(0),
            printed_ns: None,
        });
    }

    fn read(&mut self) -> Result<Look, Error> {
        let Tail { at: Some(at), name, pattern, detector, .. } = self else {
            return Ok(Look { hit: None, more: false });
        };
        let chunk = match at.follower.poll(READ_BYTES) {
            Ok(chunk) => chunk,
            // retention took it
            Err(ReadError::Missing { .. }) => return Ok(Look { hit: None, more: false }),
            Err(error) => {
                return Err(Error::new(
                    Code::System,
                    format!("cannot read the log of `{name}` run {}: {error}", at.run),
                ));
            }
        };
        let mut ended = Vec::new();
        for piece in chunk.pieces {
            at.printed_ns = Some(piece.time_ns);
            at.assembler.push(&Printed { process: name.clone(), run: at.run, piece }, &mut ended);
        }
        for line in &ended {
            at.line = line.number;
            if let Some(hit) = judge(line, pattern.as_deref(), detector.as_mut()) {
                return Ok(Look { hit: Some(hit), more: chunk.more });
            }
        }
        let open = at.assembler.open();
        let prompt = open.iter().find(|line| matches(pattern.as_deref(), line));
        let hit = prompt.map(|line| Hit::Pattern { run: line.run, line: line.number });
        Ok(Look { hit, more: chunk.more })
    }
}

fn judge(line: &TextLine, pattern: Option<&Regex>, detector: Option<&mut Detector>) -> Option<Hit> {
    if pattern.is_none() && detector.is_none() {
        return None;
    }
    let text = economy::plain_text(&line.text);
    if pattern.is_some_and(|pattern| pattern.is_match(text.as_bytes())) {
        return Some(Hit::Pattern { run: line.run, line: line.number });
    }
    let finding = detector?.feed(line.number, &text).into_iter().next()?;
    Some(Hit::Error { run: line.run, finding: Box::new(finding) })
}

fn matches(pattern: Option<&Regex>, line: &TextLine) -> bool {
    pattern.is_some_and(|pattern| pattern.is_match(economy::plain_text(&line.text).as_bytes()))
}

#[cfg(test)]
mod tests {
    use bpm_core::config::{Source, parse};

    use super::{Detector, Extra};

    /// What the configuration accepts must not be too large for the detector.
    #[test]
    fn the_heaviest_patterns_that_are_accepted_can_be_used() {
        for pattern in [r"\w{6}", ".{400}", "(?i)[a-z]{350}", r"(?:\d+\s){45}", &"x".repeat(1_000), r"\pL{7}"]
        {
            let list = vec![format!("'{pattern}'"); 32].join(", ");
            let text =
                format!("[process.a]\ncommand = 'x'\nerrors = {{ match = [{list}], ignore = [{list}] }}");
            let config = parse(Source { path: ".mcp-run", text: &text }, None)
                .unwrap_or_else(|faults| panic!("{}", faults.render(false)));
            let errors = config.processes[0].errors.clone();
            assert_eq!(errors.matches.len(), 32);
            let own = Extra { matches: errors.matches, ignore: errors.ignore };
            assert!(Detector::new(&own).is_ok(), "{pattern}");
        }
    }
}
