//! Owns the two calls by which the writer touches the disk, so that tests can make them fail. Must
//! not know formats.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;

pub(crate) trait Disk: std::fmt::Debug + Send {
    /// Creates (or empties) a file that only its owner may read.
    fn create(&self, path: &Path) -> io::Result<File> {
        OpenOptions::new().read(true).write(true).create(true).truncate(true).mode(0o600).open(path)
    }

    /// One `pwrite`; may be short.
    fn write_at(&self, file: &File, bytes: &[u8], offset: u64) -> io::Result<usize> {
        file.write_at(bytes, offset)
    }
}

/// The real disk.
#[derive(Debug)]
pub(crate) struct RealDisk;

impl Disk for RealDisk {}

/// Writes all of `bytes`; on failure says how many were written, and why no more.
pub(crate) fn write_all_at(
    disk: &dyn Disk,
    file: &File,
    bytes: &[u8],
    offset: u64,
) -> (usize, io::Result<()>) {
    let mut done = 0;
    while done < bytes.len() {
        match disk.write_at(file, &bytes[done..], offset + done as u64) {
            Ok(0) => return (done, Err(io::ErrorKind::WriteZero.into())),
            Ok(n) => done += n,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return (done, Err(e)),
        }
    }
    (done, Ok(()))
}
