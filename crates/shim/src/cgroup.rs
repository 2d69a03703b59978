//! A cgroup v2 directory that holds one run's processes: make, list, kill, remove. Plain files; knows no processes.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use crate::sys::GroupFds;

const MAX_DEPTH: usize = 16;

/// A run's own cgroup.
#[derive(Debug)]
pub(crate) struct Cgroup {
    dir: PathBuf,
    place: OwnedFd,
    procs: OwnedFd,
}

impl Cgroup {
    /// Makes the group (or takes an empty one that is there) and opens the file through which a process joins it.
    pub(crate) fn create(dir: &Path) -> io::Result<Self> {
        match DirBuilder::new().mode(0o755).create(dir) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
            _ => {}
        }
        if !procs(dir).is_empty() {
            return Err(io::Error::from_raw_os_error(libc::EBUSY));
        }
        let open = || -> io::Result<Self> {
            let procs = OpenOptions::new().write(true).open(dir.join("cgroup.procs"))?.into();
            Ok(Self { dir: dir.to_owned(), place: File::open(dir)?.into(), procs })
        };
        open().inspect_err(|_| remove(dir))
    }

    /// For a process to be born into it, or to join it.
    pub(crate) fn fds(&self) -> GroupFds<'_> {
        GroupFds { dir: self.place.as_fd(), procs: self.procs.as_fd() }
    }

    pub(crate) fn dir(&self) -> &Path {
        &self.dir
    }
}

/// Every process in the group and the groups below it. An unreadable group has none.
pub(crate) fn procs(dir: &Path) -> Vec<u32> {
    let mut pids = Vec::new();
    collect(dir, MAX_DEPTH, &mut pids);
    pids
}

fn collect(dir: &Path, depth: usize, pids: &mut Vec<u32>) {
    let mut text = String::new();
    if File::open(dir.join("cgroup.procs")).and_then(|mut file| file.read_to_string(&mut text)).is_ok() {
        pids.extend(text.lines().filter_map(|line| line.parse::<u32>().ok()));
    }
    if depth > 0 {
        below(dir).for_each(|child| collect(&child, depth - 1, pids));
    }
}

fn below(dir: &Path) -> impl Iterator<Item = PathBuf> {
    let entries = fs::read_dir(dir).into_iter().flatten().flatten();
    entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir())).map(|entry| entry.path())
}

/// KILL to everything in the group and below, atomically against fork. False where the kernel cannot (before 5.14).
pub(crate) fn kill(dir: &Path) -> bool {
    let file = OpenOptions::new().write(true).open(dir.join("cgroup.kill"));
    file.and_then(|mut file| file.write_all(b"1")).is_ok()
}

/// Removes the group and the empty groups below it; what is not empty stays.
pub(crate) fn remove(dir: &Path) {
    remove_below(dir, MAX_DEPTH);
}

fn remove_below(dir: &Path, depth: usize) {
    if depth > 0 {
        below(dir).for_each(|child| remove_below(&child, depth - 1));
    }
    let _ = fs::remove_dir(dir);
}
