//! From a question to the logs that answer it: which process, which run, from which line on.

use std::path::PathBuf;

use bpm_api::{Code, Error, LogQuery};
use bpm_core::fleet::signal_name;
use bpm_logs::Now;
use bpm_shim::exit_record::Outcome;
use bpm_shim::launch::Presence;
use bpm_shim::protocol::Status;

use super::cursor::{Cursor, Place};
use super::fail::invalid;
use super::kept::Kept;
use super::standing::presence;
use super::{MAX_PAGE_BYTES, MIN_PAGE_BYTES, Shape, What, names, since};
use crate::store::paths::Project;

/// Sources that a page names; the others are counted.
const MAX_NAMED: usize = 8;

/// Bytes of a page that are not for its lines.
const HEADING_BYTES: usize = 320;

/// A question whose parameters are checked.
#[derive(Debug)]
pub(super) struct Question<'q> {
    pub(super) query: &'q LogQuery,
    pub(super) what: What,
    pub(super) shape: Shape,
    pub(super) since_ns: Option<u64>,
    pub(super) page_bytes: usize,
    pub(super) sources: Vec<Source>,
    /// Lines say whose they are.
    pub(super) labelled: bool,
}

/// One log that is searched.
#[derive(Debug)]
pub(super) struct Source {
    pub(super) process: String,
    pub(super) number: u64,
    pub(super) dir: PathBuf,
    /// Only lines after this one.
    pub(super) after: u64,
    /// There is one of a higher number, although the newest may be meant.
    pub(super) newer: Option<u64>,
}

impl<'q> Question<'q> {
    pub(super) fn new(
        project: &Project,
        what: What,
        named: &[String],
        query: &'q LogQuery,
        known: &[String],
        shape: Shape,
    ) -> Result<Question<'q>, Error> {
        if query.run.is_some() && query.index.is_some() {
            return Err(invalid(format!(
                "`run` and `index` both say which {}, expected one of them",
                what.noun()
            )));
        }
        let since_ns = match &query.since {
            Some(text) => Some(since::parse(text, Now::read().wall_ns)?),
            None => None,
        };
        let page_bytes = match query.max_bytes {
            None => shape.page_bytes,
            Some(bytes @ ..=MAX_PAGE_BYTES) => {
                usize::try_from(bytes.max(MIN_PAGE_BYTES)).unwrap_or(usize::MAX)
            }
            Some(bytes) => {
                return Err(invalid(format!("`max_bytes` is {bytes}, expected at most {MAX_PAGE_BYTES}"))
                    .hint("go on with `cursor` after the first page"));
            }
        };
        let names = names::all(project, known)?;
        let asked = named.iter().chain(&query.process).cloned().collect::<Vec<_>>();
        if let Some(process) = asked.iter().find(|process| !names.contains(process)) {
            return Err(names::unknown_process(process, &names));
        }
        let search = Search { project, what, query, asked: &asked };
        let sources = match &query.cursor {
            Some(cursor) => search.go_on(&Cursor::parse(cursor, what)?, &names)?,
            None => search.begin(&names)?,
        };
        Ok(Question {
            query,
            what,
            shape,
            since_ns,
            page_bytes,
            sources,
            labelled: asked.len() != 1 && names.len() > 1,
        })
    }

    /// What the lines may cost, in bytes: the heading comes on top.
    pub(super) fn room(&self) -> usize {
        self.page_bytes - HEADING_BYTES.min(self.page_bytes / 4)
    }

    /// What a line is clipped to, in bytes.
    pub(super) fn line_bytes(&self) -> usize {
        self.shape.line_bytes.min(self.room())
    }

    /// What was searched, in words: `api run 3 (running)`.
    pub(super) fn source(&self) -> String {
        let named: Vec<String> =
            self.sources.iter().take(MAX_NAMED).map(|source| self.name(source)).collect();
        match (named.len(), self.sources.len().saturating_sub(MAX_NAMED)) {
            (0, _) => format!("no {} yet", self.what.noun()),
            (_, 0) => named.join(", "),
            (_, more) => format!("{} and {more} more", named.join(", ")),
        }
    }

    fn name(&self, source: &Source) -> String {
        let noun = self.what.noun();
        let mut remarks: Vec<String> = standing(source, self.what).into_iter().collect();
        remarks.extend(source.newer.map(|newer| format!("{noun} {newer} is newer")));
        let Source { process, number, .. } = source;
        match remarks.is_empty() {
            true => format!("{process} {noun} {number}"),
            false => format!("{process} {noun} {number} ({})", remarks.join("; ")),
        }
    }
}

struct Search<'s> {
    project: &'s Project,
    what: What,
    query: &'s LogQuery,
    /// Empty: all.
    asked: &'s [String],
}

impl Search<'_> {
    /// The logs that a question without cursor means.
    fn begin(&self, names: &[String]) -> Result<Vec<Source>, Error> {
        if let [process] = self.asked {
            return Ok(vec![self.pick(process)?]);
        }
        let mut found = Vec::new();
        let mut absent = None;
        for process in names.iter().filter(|name| self.is_asked(name)) {
            match self.pick(process) {
                Ok(source) => found.push(source),
                Err(error) if error.code == Code::UnknownRun => absent = Some(error),
                Err(error) => return Err(error),
            }
        }
        let asked = self.query.run.is_some() || self.query.index.is_some();
        match absent {
            Some(error) if found.is_empty() && asked => Err(error),
            Some(_) | None => Ok(found),
        }
    }

    fn pick(&self, process: &str) -> Result<Source, Error> {
        let kept = Kept::read(&self.what.dir(self.project, process))?;
        let number = match (self.query.run, self.query.index) {
            (Some(number), _) => kept.by_number(number, process, self.what)?,
            (None, index) => kept.by_index(index.unwrap_or(-1), process, self.what)?,
        };
        Ok(self.source(process, number, 0))
    }

    /// The logs that an earlier answer ended in, and those of processes that came since.
    fn go_on(&self, cursor: &Cursor, names: &[String]) -> Result<Vec<Source>, Error> {
        let mut found = Vec::new();
        for place in &cursor.places {
            found.push(self.resume(place, names)?);
        }
        let in_cursor = |name: &String| cursor.places.iter().any(|place| place.process == *name);
        for process in names.iter().filter(|name| self.is_asked(name) && !in_cursor(name)) {
            let kept = Kept::read(&self.what.dir(self.project, process))?;
            found.extend(kept.newest().map(|number| self.source(process, number, 0)));
        }
        Ok(found)
    }

    fn is_asked(&self, name: &String) -> bool {
        self.asked.is_empty() || self.asked.contains(name)
    }

    fn resume(&self, place: &Place, names: &[String]) -> Result<Source, Error> {
        let Place { process, number, line } = place;
        if !names.contains(process) {
            return Err(names::unknown_process(process, names));
        }
        if !self.is_asked(process) {
            return Err(self.foreign_cursor());
        }
        let kept = Kept::read(&self.what.dir(self.project, process))?;
        // A question may name another run than the one that the cursor ended in.
        let wanted = match (self.query.run, self.query.index) {
            (None, None) => *number,
            (Some(number), _) => kept.by_number(number, process, self.what)?,
            (None, Some(index)) => kept.by_index(index, process, self.what)?,
        };
        if wanted != *number {
            return Err(self.foreign_cursor());
        }
        kept.by_number(*number, process, self.what)
            .map_err(|error| error.hint("leave `cursor` out to begin with the newest"))?;
        let newer = kept.newest().filter(|newest| newest > number);
        Ok(Source { newer, ..self.source(process, *number, *line) })
    }

    fn foreign_cursor(&self) -> Error {
        invalid(format!("`cursor` comes from an answer about another process or {}", self.what.noun()))
            .hint("leave `cursor` out to begin anew, or repeat the earlier question with it")
    }

    fn source(&self, process: &str, number: u64, after: u64) -> Source {
        let dir = self.what.dir(self.project, process).join(number.to_string());
        Source { process: process.to_owned(), number, dir, after, newer: None }
    }
}

/// What became of a run, as far as its directory says.
fn standing(source: &Source, what: What) -> Option<String> {
    match presence(&source.dir).ok()? {
        Presence::Alive => Some(match what {
            What::Runs => "running".to_owned(),
            What::Builds => "under way".to_owned(),
        }),
        Presence::Lost => Some("lost".to_owned()),
        Presence::NeverStarted => None,
        Presence::Ended(record) => Some(match &record.outcome {
            Outcome::Exited(Status::Code(code)) => format!("exited with code {code}"),
            Outcome::Exited(Status::Signal { signal, .. }) => match signal_name(*signal) {
                Some(name) => format!("ended by signal {name}"),
                None => format!("ended by signal {signal}"),
            },
            Outcome::SpawnFailed(_) => "could not be started".to_owned(),
        }),
    }
}
