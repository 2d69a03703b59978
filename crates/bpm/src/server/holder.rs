//! Who holds a TCP port: for the message when it cannot be had. Knows nothing of HTTP.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;

use super::sockets::{self, LISTEN, Row};

const COMMAND_CHARS: usize = 80;

/// In words, for the end of a sentence: "by pid 42 (`node server.js`)". `None` where it cannot be seen.
pub(super) fn of_port(address: SocketAddr) -> Option<String> {
    let row = row_of_port(address)?;
    let holder = match process_with_socket(row.inode) {
        Some(pid) => format!("by pid {pid} (`{}`)", command_of(pid)),
        None => format!("by a process of uid {}", row.uid),
    };
    Some(holder)
}

/// A listener if there is one; else whoever has the port as its own end of a connection.
fn row_of_port(address: SocketAddr) -> Option<Row> {
    let clashes = |row: &Row| {
        let ip = row.local.ip();
        row.inode != 0 && row.local.port() == address.port() && (ip == address.ip() || ip.is_unspecified())
    };
    let listening = sockets::find(|row| row.state == LISTEN && clashes(row)).ok()?;
    listening.or_else(|| sockets::find(clashes).ok().flatten())
}

/// Sees only processes whose descriptors this user may read.
fn process_with_socket(inode: u64) -> Option<u32> {
    let wanted = format!("socket:[{inode}]");
    let pids =
        fs::read_dir("/proc").ok()?.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    pids.into_iter().find(|pid: &u32| has_descriptor(*pid, &wanted))
}

fn has_descriptor(pid: u32, wanted: &str) -> bool {
    let Ok(descriptors) = fs::read_dir(format!("/proc/{pid}/fd")) else { return false };
    descriptors
        .flatten()
        .any(|entry| fs::read_link(entry.path()).is_ok_and(|target| target == Path::new(wanted)))
}

fn command_of(pid: u32) -> String {
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
