//! Reads one process's or task's log as it grows, through the runs that follow, and looks in it for what is
//! waited for. Blocking; wakes up for nobody.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bpm_api::{Code, Error};
use bpm_core::config::ErrorRules;
use bpm_core::ids::Name;
use bpm_logs::errors::{Detector, Extra, Finding};
use bpm_logs::{Follower, ReadError, economy};
use regex_automata::meta::Regex;

use super::cursor::Place;
use crate::logbook::{self, Assembler, Printed, TextLine};
use crate::store::paths::Project;

/// Bytes that are read before others have their turn.
const READ_BYTES: usize = 1 << 20;
/// How long one look may judge lines. Some patterns take a second for a long line, and whoever waits may have
/// gone or run out of time.
const LOOK: Duration = Duration::from_millis(200);

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
    from: Option<Place>,
    /// A later run may be there. While only lines come, none is looked for.
    looks_for_later_runs: bool,
}

#[derive(Debug)]
struct At {
    run: u64,
    dir: PathBuf,
    follower: Follower,
    assembler: Assembler,
    /// Lines that have ended and are not judged yet.
    ended: VecDeque<TextLine>,
    /// There is more to read.
    more: bool,
    /// The last line that has ended, and bytes that were met of the one after it.
    line: u64,
    begun: u64,
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
    /// `from`: only what comes after this.
    pub(super) fn new(
        project: &Project,
        name: &Name,
        hunt: &Hunt,
        errors: ErrorRules,
        from: Option<Place>,
    ) -> Tail {
        let own = Extra { matches: errors.matches, ignore: errors.ignore };
        // Their syntax and size were checked with the configuration.
        let detector = || Detector::new(&own).or_else(|_| Detector::new(&Extra::default())).ok();
        let detector = hunt.errors.then(detector).flatten();
        let pattern = hunt.pattern.clone();
        Tail {
            project: project.clone(),
            name: name.clone(),
            pattern,
            detector,
            at: None,
            from,
            looks_for_later_runs: true,
        }
    }

    /// The directory that is read, if there is one.
    pub(super) fn dir(&self) -> Option<&PathBuf> {
        self.at.as_ref().map(|at| &at.dir)
    }

    /// Up to where it has been read.
    pub(super) fn place(&self) -> Option<Place> {
        let Some(at) = &self.at else { return self.from };
        // an error that is not whole yet is still to be found
        let open = self.detector.as_ref().and_then(Detector::open_since);
        match open.and_then(|first| first.checked_sub(1)).filter(|line| *line < at.line) {
            Some(line) => Some(Place { run: at.run, line, begun: 0 }),
            None => Some(Place { run: at.run, line: at.line, begun: at.begun }),
        }
    }

    /// When something was printed last, in nanoseconds since 1970.
    pub(super) fn printed_ns(&self) -> Option<u64> {
        self.at.as_ref().and_then(|at| at.printed_ns)
    }

    pub(super) fn looks_for_later_runs(&self) -> bool {
        self.looks_for_later_runs
    }

    /// Something has happened to what prints it.
    pub(super) fn look_for_later_runs(&mut self) {
        self.looks_for_later_runs = true;
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
        if self.at.is_some() && !self.looks_for_later_runs {
            return self.read();
        }
        // before the read, so that nothing of a run is left when a later one is gone over to
        let newest = logbook::newest_run(&self.project, &self.name)?;
        if self.at.is_none() {
            let Some(newest) = newest else { return Ok(Look { hit: None, more: false }) };
            self.open(self.from.map_or(newest, |from| from.run.min(newest)));
        }
        let look = self.read()?;
        let (Some(run), Some(newest)) = (self.at.as_ref().map(|at| at.run), newest) else { return Ok(look) };
        if look.hit.is_some() || look.more {
            return Ok(look);
        }
        self.looks_for_later_runs = run < newest;
        if run < newest {
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
        let from = self.from.filter(|from| from.run == run);
        let after = from.map(|from| from.line).filter(|line| *line > 0);
        self.at = Some(At {
            run,
            follower: Follower::new(&dir, after),
            dir,
            assembler: Assembler::default(),
            ended: VecDeque::new(),
            more: false,
            line: after.unwrap_or(0),
            begun: from.map_or(0, |from| from.begun),
            printed_ns: None,
        });
    }

    fn read(&mut self) -> Result<Look, Error> {
        let Tail { at: Some(at), name, pattern, detector, .. } = self else {
            return Ok(Look { hit: None, more: false });
        };
        if at.ended.is_empty() {
            at.read(name)?;
        }
        let began = Instant::now();
        while let Some(line) = at.ended.pop_front() {
            let met = if line.number == at.line + 1 { at.begun } else { 0 };
            (at.line, at.begun) = (line.number, 0);
            let more = at.more || !at.ended.is_empty();
            if let Some(hit) = judge(&line, met, pattern.as_deref(), detector.as_mut()) {
                if let Hit::Error { finding, .. } = &hit {
                    at.line = at.line.min(finding.last); // the line that ended it may begin another
                }
                return Ok(Look { hit: Some(hit), more });
            }
            if !at.ended.is_empty() && began.elapsed() >= LOOK {
                return Ok(Look { hit: None, more });
            }
        }
        let open = at.assembler.open();
        let met = |line: &TextLine| if line.number == at.line + 1 { at.begun } else { 0 };
        let prompt = open.into_iter().find(|line| matches(pattern.as_deref(), line, met(line)));
        let hit =
            prompt.map(|line| (Hit::Pattern { run: line.run, line: line.number }, line.text.len() as u64));
        if let Some((_, length)) = &hit {
            at.begun = *length;
        }
        Ok(Look { hit: hit.map(|(hit, _)| hit), more: at.more })
    }
}

impl At {
    fn read(&mut self, name: &Name) -> Result<(), Error> {
        self.more = false;
        let chunk = match self.follower.poll(READ_BYTES) {
            Ok(chunk) => chunk,
            // retention took it
            Err(ReadError::Missing { .. }) => return Ok(()),
            Err(error) => {
                let message = format!("cannot read the log of `{name}` run {}: {error}", self.run);
                return Err(Error::new(Code::System, message));
            }
        };
        self.more = chunk.more;
        let mut ended = Vec::new();
        for piece in chunk.pieces {
            self.printed_ns = Some(piece.time_ns);
            self.assembler.push(&Printed { process: name.clone(), run: self.run, piece }, &mut ended);
        }
        self.ended.extend(ended);
        Ok(())
    }
}

/// `met`: bytes of the line that were met before.
fn judge(line: &TextLine, met: u64, pattern: Option<&Regex>, detector: Option<&mut Detector>) -> Option<Hit> {
    if matches(pattern, line, met) {
        return Some(Hit::Pattern { run: line.run, line: line.number });
    }
    let text = economy::plain_text(&line.text);
    let finding = detector?.feed(line.number, &text).into_iter().next()?;
    Some(Hit::Error { run: line.run, finding: Box::new(finding) })
}

fn matches(pattern: Option<&Regex>, line: &TextLine, met: u64) -> bool {
    let Some(pattern) = pattern else { return false };
    let rest = usize::try_from(met).ok().and_then(|met| line.text.get(met..)).unwrap_or_default();
    // a prompt that was met whole is not met again as an empty line
    (met == 0 || !rest.is_empty()) && pattern.is_match(economy::plain_text(rest).as_bytes())
}

#[cfg(test)]
mod tests {
    use bpm_core::config::{Source, parse};

    use bpm_logs::{Limits, Now, Stream, Writer};

    use super::*;

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

    #[test]
    fn an_error_ends_where_it_ends_and_one_that_is_not_whole_is_still_to_come() {
        let dir = tempfile::tempdir().unwrap();
        let project =
            Project { root: dir.path().to_owned(), id: "test".to_owned(), state: dir.path().to_owned() };
        let run = project.runs("api").join("1");
        std::fs::create_dir_all(&run).unwrap();
        let mut writer = Writer::open(&run, Limits::for_max_bytes(1 << 20)).unwrap();
        let both = b"error[E0308]: one\n --> src/a.rs:1:1\nerror[E0999]: two\n --> src/b.rs:2:2\n";
        writer.append(Stream::Stdout, both, Now::read());
        writer.finish(Now::read());
        let hunt = Hunt { pattern: None, errors: true };
        let tail = |from| Tail::new(&project, &Name::from("api"), &hunt, ErrorRules::default(), from);
        let place = |line| Some(Place { run: 1, line, begun: 0 });
        let mut first = tail(None);
        let hit = first.look().unwrap().hit;
        assert!(matches!(hit, Some(Hit::Error { finding, .. }) if finding.first == 1));
        assert_eq!(first.place(), place(2), "the third line begins the next one");
        let mut second = tail(first.place());
        assert!(second.look().unwrap().hit.is_none(), "more of it may follow");
        assert_eq!(second.place(), place(2), "whoever gives up now is to find it all");
        assert!(matches!(second.rest_of_error(), Some(Hit::Error { finding, .. }) if finding.first == 3));
        assert_eq!(second.place(), place(4));
    }

    #[test]
    fn later_runs_are_looked_for_when_something_has_happened() {
        let dir = tempfile::tempdir().unwrap();
        let project =
            Project { root: dir.path().to_owned(), id: "test".to_owned(), state: dir.path().to_owned() };
        let mut tail = Tail::new(&project, &Name::from("api"), &Hunt::default(), ErrorRules::default(), None);
        tail.look().unwrap();
        assert!(tail.looks_for_later_runs(), "there is none yet");
        let run = |number: &str| std::fs::create_dir_all(project.runs("api").join(number)).unwrap();
        run("1");
        tail.look().unwrap();
        run("2");
        assert!(!tail.look().unwrap().more && tail.place().unwrap().run == 1);
        tail.look_for_later_runs();
        assert!(tail.look().unwrap().more && tail.looks_for_later_runs());
        assert!(!tail.look().unwrap().more && !tail.looks_for_later_runs());
        assert_eq!(tail.place().unwrap().run, 2);
    }
}
