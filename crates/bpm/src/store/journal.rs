//! The event journal: one JSON line per event, for people and audit. Never read back into decisions.
//! Written by a thread of its own, so that a slow disk delays nobody.

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
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
    dropped: u64,
}

impl Journal {
    /// `dir` is made when the first line is written.
    pub fn open(dir: PathBuf) -> Journal {
        let (lines, waiting) = sync_channel(BACKLOG);
        let writer =
            std::thread::Builder::new().name("journal".into()).spawn(move || write_all(&dir, &waiting)).ok();
        Journal { lines: Some(lines), writer, dropped: 0 }
    }

    pub fn note(&mut self, entry: &Entry) {
        let Ok(mut line) = serde_json::to_vec(entry) else { return };
        line.push(b'\n');
        match self.lines.as_ref().map(|lines| lines.try_send(line)) {
            Some(Err(TrySendError::Full(_) | TrySendError::Disconnected(_))) => self.dropped += 1,
            Some(Ok(())) | None => {}
        }
    }

    /// Lines that did not get onto the disk.
    pub fn dropped(&self) -> u64 {
        self.dropped
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

fn write_all(dir: &Path, lines: &Receiver<Vec<u8>>) {
    let mut current: Option<(File, u64)> = None;
    for line in lines {
        if current.as_ref().is_none_or(|(_, written)| *written > FILE_BYTES) {
            current = next_file(dir);
        }
        if let Some((file, written)) = &mut current {
            match file.write_all(&line) {
                Ok(()) => *written += line.len() as u64,
                Err(error) => {
                    tracing::warn!("cannot write the event journal: {error}");
                    current = None;
                }
            }
        }
    }
}

/// Goes on in the newest file while it is small, else begins the next one and drops the oldest.
fn next_file(dir: &Path) -> Option<(File, u64)> {
    let _ = fs::create_dir_all(dir);
    let number =
        |entry: fs::DirEntry| entry.file_name().to_str()?.strip_suffix(".jsonl")?.parse::<u64>().ok();
    let newest = fs::read_dir(dir).ok()?.flatten().filter_map(number).max().unwrap_or(0);
    let path = |number: u64| dir.join(format!("{number:06}.jsonl"));
    let size = fs::metadata(path(newest)).map_or(0, |meta| meta.len());
    let number = if size > FILE_BYTES { newest + 1 } else { newest };
    if number >= KEPT_FILES {
        let _ = fs::remove_file(path(number - KEPT_FILES));
    }
    let file = OpenOptions::new().append(true).create(true).mode(0o600).open(path(number));
    file.map(|file| (file, if number == newest { size } else { 0 })).ok()
}
