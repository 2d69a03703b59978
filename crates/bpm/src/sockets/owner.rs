//! Which process has a socket open, as far as this user may see. Knows nothing of ports.

use std::fs;
use std::path::Path;

/// A command line is clipped to so many characters.
const COMMAND_CHARS: usize = 80;

/// Sees only processes whose descriptors this user may read. If several have it (a server and its workers), the
/// one with the smallest pid: the one that most likely opened it.
pub fn pid_of(inode: u64) -> Option<u32> {
    let wanted = format!("socket:[{inode}]");
    let pids =
        fs::read_dir("/proc").ok()?.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    pids.filter(|pid: &u32| has_descriptor(*pid, &wanted)).min()
}

fn has_descriptor(pid: u32, wanted: &str) -> bool {
    let Ok(descriptors) = fs::read_dir(format!("/proc/{pid}/fd")) else { return false };
    descriptors
        .flatten()
        .any(|entry| fs::read_link(entry.path()).is_ok_and(|target| target == Path::new(wanted)))
}

/// Its command line, clipped, in one line and harmless; its name where there is none.
pub fn command_of(pid: u32) -> String {
    let read = |file: &str| fs::read(format!("/proc/{pid}/{file}")).unwrap_or_default();
    let mut bytes = read("cmdline");
    if bytes.is_empty() {
        bytes = read("comm");
    }
    let text = String::from_utf8_lossy(&bytes).replace(|c: char| c.is_control(), " ");
    let text = text.trim();
    match text.char_indices().nth(COMMAND_CHARS) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None if text.is_empty() => "unknown".to_owned(),
        None => text.to_owned(),
    }
}
