//! Who holds the file lock that a cargo waits for. Reads `/proc` only; knows nothing of builds.

use std::{
    fs,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

/// A command line is shown up to this many characters.
const COMMAND_CHARS: usize = 160;

/// The lock that is waited for, and by whom it is held.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Held {
    /// The lock file.
    pub path: PathBuf,
    /// The process that took the lock.
    pub pid: u32,
    /// Its command line, clipped; `None` when it has ended and a child holds the lock on.
    pub command: Option<String>,
}

/// One line of `/proc/locks` about a lock that is held.
#[derive(Debug, PartialEq, Eq)]
struct Lock {
    pid: u32,
    dev: (u64, u64),
    inode: u64,
}

/// The lock that process `waiter` has open and another one holds. `None` where `/proc` does not tell:
/// no such lock any more, a holder in another pid namespace, another system.
#[must_use]
pub fn holder(waiter: u32) -> Option<Held> {
    let locks = held_locks(&fs::read_to_string("/proc/locks").ok()?);
    let open_files = fs::read_dir(format!("/proc/{waiter}/fd")).ok()?;
    open_files.flatten().find_map(|fd| held_by_another(&fd.path(), waiter, &locks))
}

fn held_by_another(fd: &Path, waiter: u32, locks: &[Lock]) -> Option<Held> {
    let meta = fs::metadata(fd).ok().filter(fs::Metadata::is_file)?;
    let path = fs::read_link(fd).ok()?;
    let dev = (u64::from(rustix::fs::major(meta.dev())), u64::from(rustix::fs::minor(meta.dev())));
    let same_inode = || locks.iter().filter(|lock| lock.inode == meta.ino());
    // Some file systems (overlay, btrfs) show another device here than `stat` does. Inode and the
    // name of a lock file are then as good.
    let exact = same_inode().any(|lock| lock.dev == dev);
    let of_this_file = || same_inode().filter(|lock| lock.dev == dev || (!exact && looks_like_lock(&path)));
    if of_this_file().any(|lock| lock.pid == waiter) {
        return None;
    }
    let pid = of_this_file().map(|lock| lock.pid).find(|pid| *pid != 0)?;
    Some(Held { path, pid, command: command_line(pid) })
}

fn looks_like_lock(path: &Path) -> bool {
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    name == ".cargo-lock" || name == ".cargo-build-lock" || name.starts_with(".package-cache")
}

fn held_locks(text: &str) -> Vec<Lock> {
    text.lines().filter_map(parse_lock).collect()
}

/// `1: FLOCK  ADVISORY  WRITE 123 08:01:4711 0 EOF`; a waiter has `->` after the number.
fn parse_lock(line: &str) -> Option<Lock> {
    let mut words = line.split_ascii_whitespace().skip(1);
    if words.next()? != "FLOCK" {
        return None;
    }
    let pid = words.nth(2)?.parse().ok()?;
    let mut file = words.next()?.split(':');
    let major = u64::from_str_radix(file.next()?, 16).ok()?;
    let minor = u64::from_str_radix(file.next()?, 16).ok()?;
    Some(Lock { pid, dev: (major, minor), inode: file.next()?.parse().ok()? })
}

fn command_line(pid: u32) -> Option<String> {
    let bytes = fs::read(format!("/proc/{pid}/cmdline")).ok().filter(|bytes| !bytes.is_empty())?;
    let text = String::from_utf8_lossy(&bytes);
    let mut words = text.trim_end_matches('\0').split('\0');
    let program = words.next()?.rsplit('/').next()?.to_owned();
    let line = words.fold(program, |line, word| line + " " + word);
    let mut clean = line.chars().map(|c| if c.is_control() { ' ' } else { c });
    let mut shown: String = clean.by_ref().take(COMMAND_CHARS).collect();
    if clean.next().is_some() {
        shown.push('…');
    }
    Some(shown)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_held_flocks_are_read() {
        let text = "1: FLOCK  ADVISORY  WRITE 8724 fe:00:10018910 0 EOF\n\
                    1: -> FLOCK  ADVISORY  WRITE 8728 fe:00:10018910 0 EOF\n\
                    2: POSIX  ADVISORY  WRITE 12 00:1a:77 0 EOF\n\
                    3: FLOCK  ADVISORY\n\
                    garbage\n";
        assert_eq!(held_locks(text), [Lock { pid: 8724, dev: (0xfe, 0), inode: 10_018_910 }]);
    }

    #[test]
    fn a_command_line_is_clipped_and_shows_the_program_without_its_directory() {
        let own = command_line(std::process::id()).unwrap();
        assert!(!own.starts_with('/') && own.chars().count() <= COMMAND_CHARS + 1, "{own}");
        assert_eq!(command_line(u32::MAX), None);
    }
}
