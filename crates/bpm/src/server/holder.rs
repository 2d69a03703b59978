//! Who holds a TCP port: for the message when it cannot be had. Knows nothing of HTTP.

use std::net::SocketAddr;

use crate::sockets::{self, LISTEN, Row, owner};

/// In words, for the end of a sentence: "by pid 42 (`node server.js`)". `None` where it cannot be seen.
pub(super) fn of_port(address: SocketAddr) -> Option<String> {
    let row = row_of_port(address)?;
    let holder = match owner::pid_of(row.inode) {
        Some(pid) => format!("by pid {pid} (`{}`)", owner::command_of(pid)),
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
