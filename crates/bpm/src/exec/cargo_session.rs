//! Sorts what cargo prints while it builds: into the build's log, the file of raw messages, and the files that say
//! how far it is and what it waits for. Knows no process.

use std::{
    fs::{self, File},
    io::{BufWriter, Write},
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use super::{
    cargo_helper::{MESSAGES_FILE, WAITING_FILE, Waiting, private_file, say, show, write_json},
    cargo_lock::{self, Held},
    cargo_output::{Line, Reader},
    cargo_progress::{self, Passing},
    lines::Sink,
};
use crate::store::build_progress::Progress;

/// Raw messages beyond this are not kept; the diagnostics are taken from all of them.
const MAX_MESSAGES_BYTES: usize = 64 * 1024 * 1024;
/// Progress is not written more often.
const PROGRESS_PAUSE: Duration = Duration::from_millis(100);

/// One cargo, from its first word to its last.
#[derive(Debug)]
pub struct Session {
    reader: Reader,
    raw: Raw,
    steps: Steps,
    waiting_file: PathBuf,
    is_waiting: bool,
    cargo: u32,
}

impl Session {
    /// What the process `cargo` prints goes into `build_dir`.
    #[must_use]
    pub fn new(reader: Reader, build_dir: &Path, cargo: u32) -> Self {
        Self {
            reader,
            raw: Raw::create(&build_dir.join(MESSAGES_FILE)),
            steps: Steps { dir: build_dir.to_owned(), unwritten: None, written: None },
            waiting_file: build_dir.join(WAITING_FILE),
            is_waiting: false,
            cargo,
        }
    }

    /// Cargo has ended.
    #[must_use]
    pub fn end(mut self) -> Reader {
        self.not_waiting();
        let _ = Progress::remove(&self.steps.dir); // stale at worst, in the directory of a build that is over
        self.reader
    }

    fn waits_for(&mut self, what: String) {
        let held = cargo_lock::holder(self.cargo);
        if let Some(Held { path, pid, command }) = &held {
            let by = command
                .as_ref()
                .map_or("which has ended; a child of it holds on".to_owned(), |c| format!("`{c}`"));
            say(&format!(
                "cargo waits for the lock on {what} (`{}`), held by pid {pid} ({by})",
                path.display()
            ));
        }
        self.is_waiting = write_json(&self.waiting_file, &Waiting { what, held }).is_ok();
    }

    fn not_waiting(&mut self) {
        if std::mem::take(&mut self.is_waiting) {
            let _ = fs::remove_file(&self.waiting_file);
        }
    }
}

impl Sink for Session {
    fn line(&mut self, line: &[u8]) {
        self.not_waiting();
        match self.reader.line(line) {
            Line::Json(seen) => {
                self.raw.line(line);
                show(seen.unwrap_or_default().as_bytes());
            }
            Line::Text => show(&[line, b"\n"].concat()),
            Line::Blocking(what) => {
                show(&[line, b"\n"].concat());
                self.waits_for(what);
            }
        }
    }

    fn overwritten(&mut self, text: &[u8]) -> bool {
        let Some(passing) = cargo_progress::passing(text) else { return false };
        self.not_waiting();
        if let Passing::Steps(progress) = passing {
            self.steps.tell(progress);
        }
        true
    }

    fn due(&self) -> Option<Instant> {
        self.steps.due()
    }

    fn at_due(&mut self) {
        self.steps.write();
    }
}

/// The newest progress goes to its file: the first at once, later ones at most every [`PROGRESS_PAUSE`].
#[derive(Debug)]
struct Steps {
    dir: PathBuf,
    unwritten: Option<Progress>,
    written: Option<Instant>,
}

impl Steps {
    fn tell(&mut self, progress: Progress) {
        self.unwritten = Some(progress);
        if self.due().is_some_and(|due| due <= Instant::now()) {
            self.write();
        }
    }

    fn due(&self) -> Option<Instant> {
        self.unwritten.as_ref()?;
        Some(self.written.map_or_else(Instant::now, |written| written + PROGRESS_PAUSE))
    }

    /// A line of progress that is lost is followed by the next.
    fn write(&mut self) {
        if let Some(progress) = self.unwritten.take() {
            let _ = progress.save(&self.dir);
            self.written = Some(Instant::now());
        }
    }
}

/// The file of raw messages. Losing it is no reason to fail a build: a fault ends it.
#[derive(Debug)]
struct Raw {
    file: Option<BufWriter<File>>,
    room: usize,
}

impl Raw {
    fn create(path: &Path) -> Self {
        Self { file: private_file(path).map(BufWriter::new).ok(), room: MAX_MESSAGES_BYTES }
    }

    fn line(&mut self, line: &[u8]) {
        let Some(room) = self.room.checked_sub(line.len() + 1) else {
            self.room = 0;
            return;
        };
        self.room = room;
        let written =
            self.file.as_mut().map(|file| file.write_all(line).and_then(|()| file.write_all(b"\n")));
        if matches!(written, Some(Err(_))) {
            self.file = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn step(done: u32) -> Progress {
        Progress { done, total: 9, what: String::new() }
    }

    #[test]
    fn the_first_step_is_written_at_once_and_of_many_the_newest_when_it_is_due() {
        let dir = tempfile::tempdir().unwrap();
        let mut steps = Steps { dir: dir.path().to_owned(), unwritten: None, written: None };
        assert_eq!(steps.due(), None);
        steps.tell(step(1));
        assert_eq!((Progress::load(dir.path()), steps.due()), (Some(step(1)), None));
        // as if it had been written this very moment, however slow the test is
        steps.written = Some(Instant::now() + Duration::from_secs(60));
        (2..9).for_each(|done| steps.tell(step(done)));
        assert_eq!(Progress::load(dir.path()), Some(step(1)));
        assert_eq!(steps.due(), steps.written.map(|written| written + PROGRESS_PAUSE));
        steps.write();
        assert_eq!((Progress::load(dir.path()), steps.due()), (Some(step(8)), None));
    }
}
