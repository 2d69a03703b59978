//! The kernel's table of TCP sockets, read line by line, and the processes that have them open (`owner`).
//! Knows nothing of access, HTTP or bpm's own processes.

mod listening;
pub mod owner;

use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::AsFd;
use std::time::Duration;

use rustix::net::sockopt::{set_socket_keepalive, set_tcp_keepcnt, set_tcp_keepidle, set_tcp_keepintvl};

pub use self::listening::{Listening, listening};

pub const ESTABLISHED: u8 = 0x01;
pub const CLOSE_WAIT: u8 = 0x08;
pub const LISTEN: u8 = 0x0A;

/// One socket. IPv4-mapped addresses are given as IPv4.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    pub local: SocketAddr,
    pub remote: SocketAddr,
    pub state: u8,
    pub uid: u32,
    /// 0: no process has it open any more (and `uid` says nothing).
    pub inode: u64,
}

/// The kernel asks whether the other side of a silent connection is still there, first after this time,
const SILENCE: Duration = Duration::from_secs(30);
/// then as often,
const BETWEEN: Duration = Duration::from_secs(10);
/// and gives up after so many questions without an answer.
const QUESTIONS: u32 = 3;

/// Lets a connection end about a minute after the machine at its other side has gone without a word.
///
/// # Errors
/// The kernel does not take the options.
pub fn keep_alive(stream: impl AsFd) -> io::Result<()> {
    set_tcp_keepidle(&stream, SILENCE)?;
    set_tcp_keepintvl(&stream, BETWEEN)?;
    set_tcp_keepcnt(&stream, QUESTIONS)?;
    Ok(set_socket_keepalive(&stream, true)?)
}

/// Looks through the sockets of this network namespace, IPv4 and IPv6, until `wanted` says yes.
///
/// # Errors
/// A table that cannot be read; one that is missing is empty.
pub fn find(mut wanted: impl FnMut(&Row) -> bool) -> io::Result<Option<Row>> {
    for path in ["/proc/self/net/tcp", "/proc/self/net/tcp6"] {
        let table = match File::open(path) {
            Ok(table) => table,
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => return Err(error),
        };
        if let Some(row) = find_in(BufReader::with_capacity(16 * 1024, table), &mut wanted)? {
            return Ok(Some(row));
        }
    }
    Ok(None)
}

/// The same in one table; lines that are not rows are passed over.
///
/// # Errors
/// As [`find`].
pub fn find_in(mut table: impl BufRead, mut wanted: impl FnMut(&Row) -> bool) -> io::Result<Option<Row>> {
    let mut line = String::new();
    while table.read_line(&mut line)? > 0 {
        if let Some(row) = parse(&line).filter(&mut wanted) {
            return Ok(Some(row));
        }
        line.clear();
    }
    Ok(None)
}

fn parse(line: &str) -> Option<Row> {
    let mut fields = line.split_ascii_whitespace();
    let local = address(fields.nth(1)?)?;
    let remote = address(fields.next()?)?;
    let state = u8::from_str_radix(fields.next()?, 16).ok()?;
    let uid = fields.nth(3)?.parse().ok()?;
    let inode = fields.nth(1)?.parse().ok()?;
    Some(Row { local, remote, state, uid, inode })
}

/// `0100007F:0BB9`: the address in words of the machine's byte order, the port as a number.
fn address(text: &str) -> Option<SocketAddr> {
    let (ip, port) = text.split_once(':')?;
    let port = u16::from_str_radix(port, 16).ok()?;
    let word = |at: usize| u32::from_str_radix(ip.get(at..at + 8)?, 16).ok().map(u32::to_ne_bytes);
    let ip = match ip.len() {
        8 => IpAddr::V4(Ipv4Addr::from(word(0)?)),
        32 => {
            let mut octets = [0; 16];
            for (index, chunk) in octets.chunks_exact_mut(4).enumerate() {
                chunk.copy_from_slice(&word(index * 8)?);
            }
            IpAddr::V6(Ipv6Addr::from(octets)).to_canonical()
        }
        _ => return None,
    };
    Some(SocketAddr::new(ip, port))
}

#[cfg(test)]
mod tests {
    use super::{CLOSE_WAIT, ESTABLISHED, LISTEN, Row, find, find_in};
    use std::net::{SocketAddr, TcpListener};

    const TABLE: &str = "\
  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:0BB9 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 4711 1 0000000000000000 100 0 0 10 0
   1: 0100007F:9C40 0100007F:0BB9 01 00000000:00000000 00:00000000 00000000 65534        0 4712 1 0000000000000000 20 4 30 10 -1
garbage
   2: 0100007F:9C41 0100007F:0BB9 06 00000000:00000000 03:00001774 00000000     0        0 0 3 0000000000000000
";
    const TABLE6: &str = "\
  sl  local_address                         remote_address                        st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0000000000000000FFFF00000100007F:9C42 0000000000000000FFFF00000100007F:0BB9 08 00000000:00000000 00:00000000 00000000  1000        0 4713 1 0000000000000000 20 4 30 10 -1
   1: 00000000000000000000000001000000:9C43 00000000000000000000000001000000:0BB9 01 00000000:00000000 00:00000000 00000000     0        0 4714 1 0000000000000000 20 4 30 10 -1
";

    fn address(text: &str) -> SocketAddr {
        text.parse().unwrap()
    }

    fn all(table: &str) -> Vec<Row> {
        let mut rows = Vec::new();
        find_in(table.as_bytes(), |row| {
            rows.push(row.clone());
            false
        })
        .unwrap();
        rows
    }

    #[test]
    #[cfg(target_endian = "little")]
    fn rows_are_read_from_both_tables() {
        let rows = all(TABLE);
        assert_eq!(rows.len(), 3);
        assert_eq!((rows[0].local, rows[0].state), (address("127.0.0.1:3001"), LISTEN));
        assert_eq!((rows[1].state, rows[1].uid, rows[1].inode), (ESTABLISHED, 65534, 4712));
        assert_eq!((rows[1].local, rows[1].remote), (address("127.0.0.1:40000"), address("127.0.0.1:3001")));
        assert_eq!(rows[2].inode, 0);
        let rows = all(TABLE6);
        assert_eq!((rows[0].local, rows[0].state), (address("127.0.0.1:40002"), CLOSE_WAIT));
        assert_eq!(rows[1].remote, address("[::1]:3001"));
    }

    #[test]
    fn a_real_listener_is_in_the_kernels_table() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let own = listener.local_addr().unwrap();
        let row = find(|row| row.local == own && row.state == LISTEN).unwrap().unwrap();
        assert_eq!(row.uid, rustix::process::geteuid().as_raw());
        assert_ne!(row.inode, 0);
    }

    #[test]
    fn a_silent_peer_is_asked_after() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let stream = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        super::keep_alive(&stream).unwrap();
        assert!(rustix::net::sockopt::socket_keepalive(&stream).unwrap());
        assert_eq!(rustix::net::sockopt::tcp_keepidle(&stream).unwrap(), super::SILENCE);
    }

    #[test]
    fn no_text_makes_it_panic() {
        for line in
            ["", ":", "0: :", "0: 0:0 0:0 0 0 0 0 0 0 0", "0: é0100007:0BB9 00000000:0000 01 a b c 1 0 2"]
        {
            all(line);
        }
    }
}
