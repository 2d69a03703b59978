//! The event journal: one JSON line per event, for people and audit. Never read back into decisions.
//! Written by a thread of its own, so that a slow disk delays nobody.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;

use bpm_api::EventLine;
use serde::Serialize;

const FILE_BYTES: u64 = 4 << 20;
const KEPT_FILES: u64 = 4;
/// Lines that may wait for the disk; what is beyond is dropped and counted.
const BACKLOG: usize = 4096;

/// One line of the journal.
#[derive(Debug, Serialize)]
pub struct Entry {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub process: Option<String>,
    #[serde(flatten)]
    pub line: EventLine,
}

/// The writing end. Dropping it writes what is left and ends the thread.
#[derive(Debug)]
pub struct Journal {
    lines: Option<SyncSender<Vec<u8>>>,
    writer: Option<JoinHandle<()>>,
    dropped: Arc<AtomicU64>,
}

impl Journal {
    /// `dir` is made when the first line is written.
    pub fn open(dir: PathBuf) -> Journal {
        let (lines, waiting) = sync_channel(BACKLOG);
        let dropped = Arc::<AtomicU64>::default();
        let lost = Arc::clone(&dropped);
        let writer = std::thread::Builder::new().name("journal".into());
        let writer = writer.spawn(move || write_all(&dir, &waiting, &lost)).ok();
        Journal { lines: Some(lines), writer, dropped }
    }

    pub fn note(&mut self, entry: &Entry) {
        let Ok(mut line) = serde_json::to_vec(entry) else { return };
        line.push(b'\n');
        if self.lines.as_ref().is_some_and(|lines| lines.try_send(line).is_err()) {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Lines that did not get onto the disk.
    pub fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }
}

impl Drop for Journal {
    fn drop(&mut self) {
        self.lines = None;
        if let Some(writer) = self.writer.take() {
            let _ = writer.join();
        }
    }
}

fn write_all(dir: &Path, lines: &Receiver<Vec<u8>>, lost: &AtomicU64) {
    let mut current: Option<(File, u64)> = None;
    for line in lines {
        let written = match &mut current {
            Some((file, written)) if *written <= FILE_BYTES => append(file, written, &line),
            _ => next_file(dir).and_then(|(file, written)| {
                let (file, written) = current.insert((file, written));
                append(file, written, &line)
            }),
        };
        if let Err(error) = written {
            tracing::warn!("cannot write the event journal: {error}");
            lost.fetch_add(1, Ordering::Relaxed);
            current = None;
        }
    }
}

fn append(file: &mut File, written: &mut u64, line: &[u8]) -> io::Result<()> {
    file.write_all(line)?;
    *written += line.len() as u64;
    Ok(())
}

/// Goes on in the newest file while it is small, else begins the next one and drops the oldest.
fn next_file(dir: &Path) -> io::Result<(File, u64)> {
    DirBuilder::new().recursive(true).mode(0o700).create(dir)?;
    let number =
        |entry: fs::DirEntry| entry.file_name().to_str()?.strip_suffix(".jsonl")?.parse::<u64>().ok();
    let newest = fs::read_dir(dir)?.flatten().filter_map(number).max().unwrap_or(0);
    let path = |number: u64| dir.join(format!("{number:06}.jsonl"));
    let size = fs::metadata(path(newest)).map_or(0, |meta| meta.len());
    let number = if size > FILE_BYTES { newest + 1 } else { newest };
    if number >= KEPT_FILES {
        let _ = fs::remove_file(path(number - KEPT_FILES));
    }
    let mut file = OpenOptions::new().read(true).append(true).create(true).mode(0o600).open(path(number))?;
    let mut written = if number == newest { size } else { 0 };
    end_torn_line(&mut file, &mut written)?;
    Ok((file, written))
}

/// A line of which a full disk took only the beginning shall not spoil the next one.
fn end_torn_line(file: &mut File, written: &mut u64) -> io::Result<()> {
    let mut last = [b'\n'];
    if *written > 0 {
        file.read_exact_at(&mut last, *written - 1)?;
    }
    if last != [b'\n'] { append(file, written, b"\n") } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn entry(text: &str) -> Entry {
        let line = EventLine { time: "2026-01-01T00:00:00.000Z".into(), text: text.into(), by: None };
        Entry { process: Some("web".into()), line }
    }

    fn written(dir: &Path, file: &str) -> String {
        fs::read_to_string(dir.join(file)).unwrap()
    }

    #[test]
    fn every_note_is_on_disk_when_the_journal_is_closed() {
        let dir = tempfile::tempdir().unwrap();
        let events = dir.path().join("events");
        for round in 0..2 {
            let mut journal = Journal::open(events.clone());
            journal.note(&entry(&format!("round {round}")));
            drop(journal);
        }
        let line = |round| {
            format!(r#"{{"process":"web","time":"2026-01-01T00:00:00.000Z","text":"round {round}"}}"#) + "\n"
        };
        assert_eq!(written(&events, "000000.jsonl"), line(0) + &line(1));
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&events), mode(&events.join("000000.jsonl"))), (0o700, 0o600));
    }

    #[test]
    fn what_cannot_be_written_is_counted_and_goes_on_later() {
        let dir = tempfile::tempdir().unwrap();
        let events = dir.path().join("events");
        fs::write(&events, "in the way").unwrap();
        let mut journal = Journal::open(events.clone());
        journal.note(&entry("lost"));
        let deadline = std::time::Instant::now() + std::time::Duration::from_secs(20);
        while journal.dropped() == 0 {
            assert!(std::time::Instant::now() < deadline, "a lost line is not counted");
            std::thread::yield_now();
        }
        fs::remove_file(&events).unwrap();
        journal.note(&entry("kept"));
        assert_eq!(journal.dropped(), 1);
        drop(journal);
        assert!(written(&events, "000000.jsonl").contains("kept"));
    }

    #[test]
    fn a_torn_line_is_ended_before_the_next() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("000003.jsonl"), "{\"torn").unwrap();
        drop({
            let mut journal = Journal::open(dir.path().to_owned());
            journal.note(&entry("next"));
            journal
        });
        let text = written(dir.path(), "000003.jsonl");
        let (torn, next) = text.split_once('\n').unwrap();
        assert_eq!(torn, "{\"torn");
        assert!(serde_json::from_str::<serde_json::Value>(next).is_ok(), "{next}");
    }

    #[test]
    fn a_full_file_is_followed_by_another_and_the_oldest_goes() {
        let dir = tempfile::tempdir().unwrap();
        for number in 0..KEPT_FILES {
            let file = File::create(dir.path().join(format!("{number:06}.jsonl"))).unwrap();
            file.set_len(FILE_BYTES + 1).unwrap();
        }
        drop({
            let mut journal = Journal::open(dir.path().to_owned());
            journal.note(&entry("next"));
            journal
        });
        let mut names: Vec<_> =
            fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        names.sort();
        assert_eq!(names, ["000001.jsonl", "000002.jsonl", "000003.jsonl", "000004.jsonl"]);
    }
}
