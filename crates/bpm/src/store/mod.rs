//! What is on disk beside the logs: where things are, who holds the project, what must survive.
//! Knows core types; knows no decisions.

pub mod asked;
pub mod build_progress;
pub mod calls;
pub mod config;
pub mod intent;
pub mod journal;
pub mod lock;
pub mod paths;
pub mod place;
pub mod tasks;
pub mod token;
pub mod trust;

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::OnceLock;

/// Replaces a file as a whole: readers see the old content or the new one. Not synced: it survives
/// the death of any process, and a power cut may lose the last seconds.
pub(crate) fn write_atomically(path: &Path, content: &[u8]) -> io::Result<()> {
    let mut unfinished = path.as_os_str().to_owned();
    unfinished.push(".new");
    let mut file =
        OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&unfinished)?;
    file.write_all(content)?;
    fs::rename(&unfinished, path)
}

/// The kernel's name of this boot.
pub fn boot_id() -> String {
    let read = fs::read_to_string("/proc/sys/kernel/random/boot_id");
    read.map(|id| id.trim().to_owned()).unwrap_or_default()
}

/// What must be equal for pids and monotonic times to mean the same: boot, machine, pid namespace. None of it
/// changes while this process lives.
pub fn world_id() -> &'static str {
    static ID: OnceLock<String> = OnceLock::new();
    ID.get_or_init(read_world_id)
}

fn read_world_id() -> String {
    let machine = fs::read_to_string("/etc/machine-id").unwrap_or_default();
    let namespace =
        fs::read_link("/proc/self/ns/pid").map(|link| link.display().to_string()).unwrap_or_default();
    format!("{} {} {namespace}", boot_id(), machine.trim())
}
