//! Reads logs from a point on, through the runs that follow: whole, and as they grow. Wakes up by inotify
//! only, so it costs nothing while nothing is printed, and works with the manager down.

use std::collections::HashMap;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bpm_api::{Code, Error};
use bpm_logs::{Chunk, Follower, Piece, Query, ReadError, RunLog, Stream};
use bpm_shim::launch::{Presence, presence};

use super::fail::{log_unreadable, search_failed, unwatchable};
use super::kept::Kept;
use super::merge::{Buffered, Printed, Source, next_pieces};
use super::watch::Watch;
use super::{What, names};
use crate::store::paths::Project;

/// Bytes of a log that are read at once.
const READ_BYTES: usize = 256 << 10;

/// What is read.
#[derive(Clone, Debug)]
pub struct Selection {
    pub what: What,
    /// Empty: every process, also those that come later.
    pub processes: Vec<String>,
    pub stream: Option<Stream>,
}

/// Where reading begins.
#[derive(Clone, Copy, Debug, Default)]
pub struct Begin {
    /// This run; the newest (-1) where there is neither.
    pub run: Option<u64>,
    pub index: Option<i64>,
    /// With the last N lines of each process.
    pub tail: Option<usize>,
    /// With the lines since then, in nanoseconds since 1970.
    pub since_ns: Option<u64>,
    /// With what comes after everything that is there now.
    pub only_new: bool,
}

impl Begin {
    /// Asks for a certain run, not for whatever is the newest.
    fn names_a_run(&self) -> bool {
        self.run.is_some() || self.index.is_some()
    }
}

/// Logs that are being read.
#[derive(Debug)]
pub struct Follow {
    project: Project,
    selection: Selection,
    runs: Vec<Buffered<Run>>,
    /// By process: the highest number that was opened or skipped.
    seen: HashMap<Arc<str>, u64>,
    watch: Option<Watch>,
}

/// One run's log.
#[derive(Debug)]
struct Run {
    process: Arc<str>,
    number: u64,
    dir: PathBuf,
    stream: Option<Stream>,
    follower: Follower,
    lost: Lost,
}

/// What was not there any more when it was to be read, or never reached the disk.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Lost {
    pub bytes: u64,
    pub lines: u64,
}

impl Follow {
    /// Opens the logs. With `live` their growth and new runs are watched.
    ///
    /// # Errors
    /// `UnknownRun`, or `System` where a log cannot be read or watched.
    pub fn open(project: &Project, selection: Selection, begin: Begin, live: bool) -> Result<Follow, Error> {
        let watch = match live {
            true => Some(Watch::new().map_err(|error| unwatchable(&error))?),
            false => None,
        };
        let mut follow =
            Follow { project: project.clone(), selection, runs: Vec::new(), seen: HashMap::new(), watch };
        // Watched first: what appears in between is found twice rather than never.
        follow.watch_parents()?;
        let mut absent = None;
        for process in follow.processes()? {
            match follow.open_first(&process, begin) {
                // Of several processes one may have no such run.
                Err(error) if error.code == Code::UnknownRun => absent = Some(error),
                opened => opened?,
            }
        }
        let one = follow.selection.processes.len() == 1;
        match absent {
            Some(error) if one || (begin.names_a_run() && follow.runs.is_empty()) => return Err(error),
            Some(_) | None => {}
        }
        if live {
            // Only now that each process has its first: what comes before that is not asked for.
            follow.open_later()?;
        }
        Ok(follow)
    }
}

impl Follow {
    /// What comes next, by time; nothing: that is all for now.
    ///
    /// # Errors
    /// A log cannot be read.
    pub fn next_pieces(&mut self) -> Result<Vec<Printed>, Error> {
        next_pieces(&mut self.runs)
    }

    /// There is no run of any process that was asked for.
    #[must_use]
    pub fn found_nothing(&self) -> bool {
        self.seen.values().all(|number| *number == 0)
    }

    /// Whether nothing more can come of what is read: what is there then is all.
    #[must_use]
    pub fn has_ended(&self) -> bool {
        !self.runs.iter().any(|run| matches!(presence(&run.source.dir), Ok(Presence::Alive)))
    }

    /// What was lost of each run since this was last asked.
    pub fn take_lost(&mut self) -> Vec<(Arc<str>, u64, Lost)> {
        let runs = self.runs.iter_mut().map(|run| &mut run.source);
        let lost = runs.map(|run| (Arc::clone(&run.process), run.number, std::mem::take(&mut run.lost)));
        lost.filter(|(_, _, lost)| *lost != Lost::default()).collect()
    }

    /// Readable when [`Follow::look_again`] should be called; `None` where nothing is watched.
    pub fn wakeups(&self) -> Option<Arc<OwnedFd>> {
        self.watch.as_ref().map(Watch::descriptor)
    }

    /// Takes note of what has changed on disk since the last time.
    ///
    /// # Errors
    /// The state directory cannot be read or watched.
    pub fn look_again(&mut self) -> Result<(), Error> {
        let Some(watch) = &mut self.watch else { return Ok(()) };
        let changed = watch.changes().map_err(|error| unwatchable(&error))?;
        let written = |dir: &Path| match &changed.written {
            Some(dirs) => dirs.contains(dir),
            None => true,
        };
        for run in self.runs.iter_mut().filter(|run| written(&run.source.dir)) {
            run.wet();
        }
        if changed.appeared { self.open_later() } else { Ok(()) }
    }

    fn processes(&self) -> Result<Vec<String>, Error> {
        match self.selection.processes.is_empty() {
            true => names::on_disk(&self.project),
            false => Ok(self.selection.processes.clone()),
        }
    }

    /// Opens what `begin` means of one process.
    fn open_first(&mut self, process: &str, begin: Begin) -> Result<(), Error> {
        let what = self.selection.what;
        let kept = Kept::read(&what.dir(&self.project, process))?;
        self.seen.insert(process.into(), kept.newest().unwrap_or(0));
        if begin.only_new || (kept.newest().is_none() && self.watch.is_some() && !begin.names_a_run()) {
            return Ok(());
        }
        let number = match begin.run {
            Some(number) => kept.by_number(number, process, what)?,
            None => kept.by_index(begin.index.unwrap_or(-1), process, what)?,
        };
        let dir = self.dir(process, number);
        let after = self.first_line(process, number, &dir, begin)?;
        self.seen.insert(process.into(), number);
        self.open_run(process, number, after)
    }

    /// The line after which reading begins; `None`: with the oldest that is kept.
    fn first_line(&self, process: &str, number: u64, dir: &Path, begin: Begin) -> Result<Option<u64>, Error> {
        if begin.tail.is_none() && begin.since_ns.is_none() {
            return Ok(None);
        }
        let name = format!("`{process}` {} {number}", self.selection.what.noun());
        let log = RunLog::open(dir).map_err(|error| log_unreadable(&name, &error))?;
        let query = Query {
            head: begin.tail.is_none().then_some(1),
            tail: begin.tail,
            since_ns: begin.since_ns,
            stream: self.selection.stream,
            max_line_bytes: 1,
            max_lines: begin.tail.unwrap_or(1),
            ..Query::default()
        };
        let found = log.search(&query).map_err(|error| search_failed(&name, &error))?;
        Ok(Some(match found.lines.first() {
            Some(line) => line.number.saturating_sub(1),
            None => found.cursor(),
        }))
    }

    /// Opens the runs that have appeared, and lets go of those that are over and read.
    fn open_later(&mut self) -> Result<(), Error> {
        self.watch_parents()?;
        for process in self.processes()? {
            let kept = Kept::read(&self.selection.what.dir(&self.project, &process))?;
            let seen = self.seen.get(process.as_str()).copied().unwrap_or(0);
            for &number in kept.numbers.iter().filter(|number| **number > seen) {
                self.open_run(&process, number, None)?;
            }
        }
        self.let_go();
        Ok(())
    }

    fn open_run(&mut self, process: &str, number: u64, after: Option<u64>) -> Result<(), Error> {
        let process: Arc<str> = process.into();
        let dir = self.dir(&process, number);
        if let Some(watch) = &mut self.watch {
            watch.add(&dir, true).map_err(|error| unwatchable(&error))?;
        }
        let run = Run {
            process: Arc::clone(&process),
            number,
            stream: self.selection.stream,
            follower: Follower::new(&dir, after),
            lost: Lost::default(),
            dir,
        };
        self.runs.push(Buffered::new(run));
        let seen = self.seen.entry(process).or_insert(0);
        *seen = number.max(*seen);
        Ok(())
    }

    fn let_go(&mut self) {
        let Follow { runs, seen, watch, .. } = self;
        runs.retain(|run| {
            let Run { process, number, dir, .. } = &run.source;
            let newest = seen.get(process).is_none_or(|seen| seen <= number);
            let over = run.is_drained() && !newest && !matches!(presence(dir), Ok(Presence::Alive));
            if let (true, Some(watch)) = (over, watch.as_mut()) {
                watch.remove(dir);
            }
            !over
        });
    }

    fn watch_parents(&mut self) -> Result<(), Error> {
        let processes = self.processes()?;
        let Follow { project, selection, watch, .. } = self;
        let Some(watch) = watch else { return Ok(()) };
        let mut dirs = vec![project.state.clone(), names::dir(project)];
        for process in processes {
            dirs.extend([project.process(&process), selection.what.dir(project, &process)]);
        }
        for dir in dirs {
            watch.add(&dir, false).map_err(|error| unwatchable(&error))?;
        }
        Ok(())
    }

    fn dir(&self, process: &str, number: u64) -> PathBuf {
        self.selection.what.dir(&self.project, process).join(number.to_string())
    }
}

impl Source for Run {
    fn read(&mut self) -> Result<Vec<Piece>, Error> {
        loop {
            let chunk = match self.follower.poll(READ_BYTES) {
                Ok(chunk) => chunk,
                // Retention took it.
                Err(ReadError::Missing { .. }) => return Ok(Vec::new()),
                Err(error) => {
                    return Err(log_unreadable(&format!("`{}` {}", self.process, self.number), &error));
                }
            };
            self.note_lost(&chunk);
            let mut wanted = chunk.pieces;
            if let Some(stream) = self.stream {
                // One stream alone is as the program wrote it.
                wanted.retain(|piece| piece.stream == stream && !piece.inserted);
            }
            if !wanted.is_empty() || !chunk.more {
                return Ok(wanted);
            }
        }
    }

    fn label(&self) -> (Arc<str>, u64) {
        (Arc::clone(&self.process), self.number)
    }
}

impl Run {
    fn note_lost(&mut self, chunk: &Chunk) {
        let gaps = chunk.gaps.iter().map(|gap| (gap.bytes, gap.lines));
        for (bytes, lines) in gaps.chain(chunk.skipped.map(|skipped| (skipped.bytes, skipped.lines))) {
            self.lost.bytes = self.lost.bytes.saturating_add(bytes);
            self.lost.lines = self.lost.lines.saturating_add(lines);
        }
    }
}
