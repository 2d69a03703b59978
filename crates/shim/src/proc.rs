//! What `/proc` says of processes: parents, children, states, environments. Reads only; every answer may be stale at once.

use std::collections::HashSet;
use std::fs::{self, File};
use std::io::Read;

use crate::protocol::Survivor;

const MAX_ENVIRON_BYTES: u64 = 8 << 20;

/// The fields of `/proc/PID/stat` that matter here.
#[derive(Clone, Debug)]
pub(crate) struct Stat {
    pub(crate) name: String,
    pub(crate) state: char,
    pub(crate) parent: u32,
    pub(crate) threads: u32,
    pub(crate) start_ticks: u64,
}

impl Stat {
    pub(crate) fn read(pid: u32) -> Option<Self> {
        let bytes = fs::read(format!("/proc/{pid}/stat")).ok()?;
        Self::parse(&String::from_utf8_lossy(&bytes))
    }

    /// The name is in parentheses and may itself hold spaces and parentheses: the last one ends it.
    fn parse(line: &str) -> Option<Self> {
        let (head, tail) = line.rsplit_once(')')?;
        let name = head.split_once('(')?.1.to_owned();
        let fields: Vec<&str> = tail.split_ascii_whitespace().collect();
        Some(Self {
            name,
            state: fields.first()?.chars().next()?,
            parent: fields.get(1)?.parse().ok()?,
            threads: fields.get(17)?.parse().ok()?,
            start_ticks: fields.get(19)?.parse().ok()?,
        })
    }

    /// A zombie is dead, unless only its first thread is.
    pub(crate) fn is_alive(&self) -> bool {
        !matches!(self.state, 'Z' | 'X' | 'x') || self.threads > 1
    }
}

/// The process as one that is still there, if it is.
pub(crate) fn survivor(pid: u32) -> Option<Survivor> {
    let stat = Stat::read(pid).filter(Stat::is_alive)?;
    Some(Survivor { pid, name: stat.name, state: stat.state })
}

/// Every process there is.
pub(crate) fn all() -> impl Iterator<Item = u32> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok())
}

/// Everything below these processes, without them.
pub(crate) fn descendants(roots: &[u32]) -> Vec<u32> {
    let children_of = if has_children_files() { children } else { children_by_scan };
    let mut seen: HashSet<u32> = roots.iter().copied().collect();
    let mut from = roots.to_vec();
    let mut found = Vec::new();
    while let Some(parent) = from.pop() {
        let new: Vec<u32> = children_of(parent).into_iter().filter(|child| seen.insert(*child)).collect();
        from.extend(&new);
        found.extend(new);
    }
    found
}

/// `CONFIG_PROC_CHILDREN` is an option of the kernel's.
fn has_children_files() -> bool {
    fs::exists("/proc/thread-self/children").unwrap_or(false)
}

/// The children of every thread of a process.
fn children(parent: u32) -> Vec<u32> {
    let mut pids = Vec::new();
    let mut text = String::new();
    for thread in fs::read_dir(format!("/proc/{parent}/task")).into_iter().flatten().flatten() {
        text.clear();
        let read =
            File::open(thread.path().join("children")).and_then(|mut file| file.read_to_string(&mut text));
        if read.is_ok() {
            pids.extend(text.split_ascii_whitespace().filter_map(|pid| pid.parse::<u32>().ok()));
        }
    }
    pids
}

fn children_by_scan(parent: u32) -> Vec<u32> {
    all().filter(|pid| Stat::read(*pid).is_some_and(|stat| stat.parent == parent)).collect()
}

/// Whether a process was started with exactly this `NAME=value` in its environment. False where that may not be read.
pub(crate) fn has_variable(pid: u32, entry: &[u8]) -> bool {
    let mut bytes = Vec::new();
    let read = File::open(format!("/proc/{pid}/environ"))
        .and_then(|file| file.take(MAX_ENVIRON_BYTES).read_to_end(&mut bytes));
    read.is_ok() && bytes.split(|byte| *byte == 0).any(|found| found == entry)
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::{Stat, children, children_by_scan, has_variable};

    #[test]
    fn a_name_may_hold_anything() {
        let line = "42 (a) R (b) S 7 1 1 0 -1 4194304 1 2 3 4 5 6 7 8 20 0 3 0 9876 0 0";
        let stat = Stat::parse(line).unwrap();
        assert_eq!((stat.name.as_str(), stat.state, stat.parent), ("a) R (b", 'S', 7));
        assert_eq!((stat.threads, stat.start_ticks), (3, 9876));
        assert!(Stat::parse("").is_none());
        assert!(Stat::parse("1 (x) S").is_none());
    }

    #[test]
    fn both_ways_of_finding_children_agree() {
        let mut child = std::process::Command::new("sleep").arg("60").env("TAGGED", "yes").spawn().unwrap();
        let me = std::process::id();
        let seen = (children(me).contains(&child.id()), children_by_scan(me).contains(&child.id()));
        // For an instant after its exec a process shows no environment.
        let deadline = Instant::now() + Duration::from_secs(10);
        while !has_variable(child.id(), b"TAGGED=yes") && Instant::now() < deadline {
            std::thread::yield_now();
        }
        let tagged = (has_variable(child.id(), b"TAGGED=yes"), has_variable(child.id(), b"TAGGED=ye"));
        child.kill().unwrap();
        child.wait().unwrap();
        assert_eq!(seen, (true, true));
        assert_eq!(tagged, (true, false));
    }
}
