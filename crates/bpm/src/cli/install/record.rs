//! Remembers what came into a client's file with an entry, so that taking it out leaves the file as it was:
//! places and a checksum, nothing of the content. Knows no formats.

use std::fs;
use std::io;
use std::ops::Range;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::edit::Made;
use crate::store::{lock, paths, write_atomically};

/// Kept from the writing of an entry to its removal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Record {
    pub(super) made: Made,
    /// Of the file as it was then.
    checksum: String,
    /// What was put in, in bytes of that file.
    pieces: Vec<Range<usize>>,
}

impl Record {
    pub(super) fn new(made: Made, after: &str, pieces: Vec<Range<usize>>) -> Record {
        Record { made, checksum: checksum(after), pieces }
    }

    /// The one of that file.
    pub(super) fn load(file: &Path) -> Option<Record> {
        serde_json::from_slice(&fs::read(place(file)).ok()?).ok()
    }

    pub(super) fn save(&self, file: &Path) -> io::Result<()> {
        let place = place(file);
        lock::make_private_dir(&directory()).map_err(|error| io::Error::other(error.to_string()))?;
        write_atomically(&place, &serde_json::to_vec(self)?)
    }

    /// None is needed any more.
    pub(super) fn forget(file: &Path) {
        let _ = fs::remove_file(place(file));
    }

    /// The text before that edit, if nobody has changed it since.
    pub(super) fn undo(&self, text: &str) -> Option<String> {
        if self.checksum != checksum(text) {
            return None;
        }
        let mut out = String::with_capacity(text.len());
        let mut at = 0;
        for piece in &self.pieces {
            out.push_str(text.get(at..piece.start)?);
            at = piece.end;
        }
        out.push_str(text.get(at..)?);
        Some(out)
    }
}

fn directory() -> PathBuf {
    paths::state_home().join("v1/installed")
}

fn place(file: &Path) -> PathBuf {
    let hash = Sha256::digest(file.as_os_str().as_bytes());
    let name: String = hash[..8].iter().map(|byte| format!("{byte:02x}")).collect();
    directory().join(format!("{name}.json"))
}

fn checksum(text: &str) -> String {
    Sha256::digest(text.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
}
