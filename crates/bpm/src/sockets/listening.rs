//! Which TCP sockets listen, asked of the kernel by netlink (`sock_diag(7)`): the table in `/proc` costs milliseconds,
//! since it has the connections too, and their part is walked through even where it is empty. Must not know whose they are.

use std::io;
use std::time::Duration;

use rustix::net::netlink::{SOCK_DIAG, SocketAddrNetlink};
use rustix::net::{
    AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, recv, sendto, socket_with, sockopt,
};

use super::{LISTEN, find};

/// A message's own head, and the one of what it is about, in bytes.
const HEAD: usize = 16;
const REQUEST: usize = 56;
const ANSWER: usize = 72;
/// Type and flags of a request for all sockets of a family.
const SOCK_DIAG_BY_FAMILY: u16 = 20;
const REQUEST_DUMP: u16 = 0x001 | 0x300;
/// Types of the messages that end an answer.
const ERROR: u16 = 2;
const DONE: u16 = 3;
const TCP: u8 = 6;
const BUFFER: usize = 64 << 10;
/// The kernel answers at once.
const PATIENCE: Duration = Duration::from_secs(1);

/// A listening socket: its port, and its inode.
pub type Listening = (u16, u64);

/// All of this network namespace, IPv4 and IPv6.
///
/// # Errors
/// The kernel tells neither this way nor in `/proc`.
pub fn listening() -> io::Result<Vec<Listening>> {
    by_netlink().or_else(|error| {
        tracing::debug!("sockets are looked for in /proc: {error}");
        let mut all = Vec::new();
        find(|row| {
            if row.state == LISTEN {
                all.push((row.local.port(), row.inode));
            }
            false
        })?;
        Ok(all)
    })
}

fn by_netlink() -> io::Result<Vec<Listening>> {
    let socket =
        socket_with(AddressFamily::NETLINK, SocketType::DGRAM, SocketFlags::CLOEXEC, Some(SOCK_DIAG))?;
    sockopt::set_socket_timeout(&socket, sockopt::Timeout::Recv, Some(PATIENCE))?;
    let mut all = Vec::new();
    let mut buffer = vec![0; BUFFER];
    for family in [AddressFamily::INET, AddressFamily::INET6] {
        let request = request(family.as_raw() as u8);
        sendto(&socket, &request, SendFlags::empty(), &SocketAddrNetlink::new(0, 0))?;
        loop {
            let (_, count) = recv(&socket, &mut buffer[..], RecvFlags::empty())?;
            if count == 0 || count > buffer.len() {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            if !take(&buffer[..count], &mut all)? {
                break;
            }
        }
    }
    Ok(all)
}

/// Asks for every socket of a family that listens.
fn request(family: u8) -> [u8; HEAD + REQUEST] {
    let mut bytes = [0; HEAD + REQUEST];
    bytes[..4].copy_from_slice(&((HEAD + REQUEST) as u32).to_ne_bytes());
    bytes[4..6].copy_from_slice(&SOCK_DIAG_BY_FAMILY.to_ne_bytes());
    bytes[6..8].copy_from_slice(&REQUEST_DUMP.to_ne_bytes());
    (bytes[HEAD], bytes[HEAD + 1]) = (family, TCP);
    bytes[HEAD + 4..HEAD + 8].copy_from_slice(&(1_u32 << LISTEN).to_ne_bytes());
    bytes
}

/// Takes what is in a piece of an answer; false: that was the last one.
fn take(mut bytes: &[u8], all: &mut Vec<Listening>) -> io::Result<bool> {
    while let Some((length, kind)) = head(bytes) {
        let Some(body) = bytes.get(HEAD..length) else { return Err(io::ErrorKind::InvalidData.into()) };
        match kind {
            DONE => return Ok(false),
            ERROR => {
                let code = body.first_chunk().map_or(0, |code| i32::from_ne_bytes(*code));
                return Err(io::Error::from_raw_os_error(code.saturating_neg()));
            }
            SOCK_DIAG_BY_FAMILY => all.extend(socket(body)),
            _ => {}
        }
        // each begins at a multiple of four
        bytes = bytes.get(length.next_multiple_of(4)..).unwrap_or_default();
    }
    Ok(true)
}

/// A message's length and type.
fn head(bytes: &[u8]) -> Option<(usize, u16)> {
    let length = u32::from_ne_bytes(*bytes.first_chunk()?) as usize;
    let kind = u16::from_ne_bytes(*bytes.get(4..)?.first_chunk()?);
    (bytes.len() >= HEAD && length >= HEAD).then_some((length, kind))
}

/// `struct inet_diag_msg`: the local port is in the network's byte order, the inode is its last word.
fn socket(body: &[u8]) -> Option<Listening> {
    let body = body.get(..ANSWER)?;
    let port = u16::from_be_bytes(*body.get(4..)?.first_chunk()?);
    let inode = u32::from_ne_bytes(*body.last_chunk()?);
    Some((port, u64::from(inode)))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::net::TcpListener;

    use super::super::{LISTEN, find};
    use super::{by_netlink, request, take};

    #[test]
    fn the_kernel_tells_the_same_both_ways() {
        let listeners: Vec<TcpListener> =
            ["127.0.0.1:0", "[::1]:0"].iter().filter_map(|address| TcpListener::bind(address).ok()).collect();
        assert!(!listeners.is_empty());
        let told = by_netlink().unwrap();
        for listener in listeners {
            let port = listener.local_addr().unwrap().port();
            let row = find(|row| row.state == LISTEN && row.local.port() == port).unwrap().unwrap();
            assert!(told.contains(&(port, row.inode)), "{port} {told:?}");
        }
    }

    #[test]
    fn many_sockets_take_several_pieces() {
        let many: Vec<TcpListener> = (0..700).map(|_| TcpListener::bind("127.0.0.1:0").unwrap()).collect();
        let ports: BTreeSet<u16> = many.iter().map(|one| one.local_addr().unwrap().port()).collect();
        let told: BTreeSet<u16> = by_netlink().unwrap().into_iter().map(|(port, _)| port).collect();
        assert!(ports.is_subset(&told));
    }

    #[test]
    fn an_answer_that_is_cut_or_lies_is_an_error_or_nothing() {
        let whole = request(2);
        let mut all = Vec::new();
        for length in 0..whole.len() {
            let _ = take(&whole[..length], &mut all);
        }
        let mut lies = whole;
        lies[..4].copy_from_slice(&u32::MAX.to_ne_bytes());
        assert!(take(&lies, &mut all).is_err());
        assert_eq!(all, []);
    }
}
