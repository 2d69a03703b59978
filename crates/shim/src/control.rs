//! The control connections of a shim: accept, decode, answer, push. Never waits for anybody. Knows no processes.

use std::collections::VecDeque;
use std::fs;
use std::io::{self, IoSlice};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener;

use rustix::event::{PollFd, PollFlags};
use rustix::io::Errno;
use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, sendmsg, sockopt};
use rustix::process::geteuid;

use crate::launch::SOCKET_FILE;
use crate::protocol::{Decoder, Message, Report, Request};

const MAX_CONNECTIONS: usize = 8;
/// A client that leaves this much unread is dropped.
const MAX_QUEUED_BYTES: usize = 64 << 10;

/// All connections, and the socket where new ones come in.
#[derive(Debug, Default)]
pub(crate) struct Control {
    listener: Option<UnixListener>,
    connections: Vec<Connection>,
}

#[derive(Debug)]
struct Connection {
    socket: OwnedFd,
    decoder: Decoder<Request>,
    queue: VecDeque<Outgoing>,
    queued_bytes: usize,
    greeted: bool,
    /// Somebody looks at the terminal by way of it.
    live: bool,
    broken: bool,
}

/// A frame on its way. Descriptors travel with its first byte.
#[derive(Debug)]
struct Outgoing {
    bytes: Vec<u8>,
    sent: usize,
    fds: Vec<OwnedFd>,
}

impl Control {
    pub(crate) fn new(first: OwnedFd) -> Self {
        let mut control = Self::default();
        control.add(first);
        control
    }

    /// Opens the socket in the current directory, for the owner only.
    pub(crate) fn listen(&mut self) -> io::Result<()> {
        let listener = UnixListener::bind(SOCKET_FILE)?;
        fs::set_permissions(SOCKET_FILE, fs::Permissions::from_mode(0o600))?;
        listener.set_nonblocking(true)?;
        self.listener = Some(listener);
        Ok(())
    }

    pub(crate) fn listener(&self) -> Option<BorrowedFd<'_>> {
        self.listener.as_ref().map(AsFd::as_fd)
    }

    /// What to poll for, connection by connection, in the order of [`Self::receive`]'s index.
    pub(crate) fn poll_fds(&self) -> impl Iterator<Item = PollFd<'_>> {
        self.connections.iter().map(|connection| {
            let out = if connection.queue.is_empty() { PollFlags::empty() } else { PollFlags::OUT };
            PollFd::from_borrowed_fd(connection.socket.as_fd(), PollFlags::IN | out)
        })
    }

    /// Takes one waiting client in, if it is the same user or root and there is room; else it sees its connection closed.
    pub(crate) fn accept(&mut self) {
        let Some(Ok((socket, _))) = self.listener.as_ref().map(UnixListener::accept) else { return };
        let known =
            sockopt::socket_peercred(&socket).is_ok_and(|peer| peer.uid == geteuid() || peer.uid.is_root());
        if known && self.connections.len() < MAX_CONNECTIONS {
            self.add(socket.into());
        }
    }

    fn add(&mut self, socket: OwnedFd) {
        if rustix::io::ioctl_fionbio(&socket, true).is_ok() {
            self.connections.push(Connection {
                socket,
                decoder: Decoder::default(),
                queue: VecDeque::new(),
                queued_bytes: 0,
                greeted: false,
                live: false,
                broken: false,
            });
        }
    }

    /// The requests that one readable connection holds now. Also sends what waits.
    pub(crate) fn receive(&mut self, index: usize) -> Vec<Request> {
        let Some(connection) = self.connections.get_mut(index) else { return Vec::new() };
        connection.flush();
        connection.receive()
    }

    /// Answers one connection.
    pub(crate) fn send(&mut self, index: usize, report: &Report) {
        if let Some(connection) = self.connections.get_mut(index) {
            connection.send(report.frame(), Vec::new());
        }
    }

    /// Greets a connection, once: from now on it gets what is pushed. Descriptors that cannot be duplicated do not travel.
    pub(crate) fn greet(
        &mut self,
        index: usize,
        welcome: impl FnOnce(&[OwnedFd]) -> Report,
        fds: &[BorrowedFd<'_>],
    ) {
        let Some(connection) = self.connections.get_mut(index).filter(|connection| !connection.greeted)
        else {
            return;
        };
        connection.greeted = true;
        let copies: io::Result<Vec<OwnedFd>> = fds.iter().map(BorrowedFd::try_clone_to_owned).collect();
        let copies = copies.unwrap_or_default();
        connection.send(welcome(&copies).frame(), copies);
    }

    /// Tells everybody who was greeted.
    pub(crate) fn push(&mut self, report: &Report) {
        for connection in self.connections.iter_mut().filter(|connection| connection.greeted) {
            connection.send(report.frame(), Vec::new());
        }
    }

    /// Whether somebody looks at the terminal by way of connection `index`.
    pub(crate) fn set_live(&mut self, index: usize, on: bool) {
        if let Some(connection) = self.connections.get_mut(index) {
            connection.live = on;
        }
    }

    /// Whether anybody looks at the terminal.
    pub(crate) fn is_live(&self) -> bool {
        self.connections.iter().any(|connection| connection.live)
    }

    /// Lets go of the connections that are of no further use. Whether by way of one of them somebody looked at the terminal.
    pub(crate) fn sweep(&mut self) -> bool {
        let looked = self.connections.iter().any(|connection| connection.broken && connection.live);
        self.connections.retain(|connection| !connection.broken);
        looked
    }
}

impl Connection {
    /// One read: more of it is seen by the next poll, so one client cannot keep the others waiting.
    fn receive(&mut self) -> Vec<Request> {
        let mut buffer = [0; 1024];
        match rustix::io::read(&self.socket, &mut buffer) {
            Ok(0) => self.broken = true,
            Ok(len) => self.decoder.push(&buffer[..len]),
            Err(Errno::AGAIN | Errno::INTR) => {}
            Err(_) => self.broken = true,
        }
        let mut requests = Vec::new();
        loop {
            match self.decoder.next() {
                Ok(Some(request)) => requests.push(request),
                Ok(None) => return requests,
                Err(_) => {
                    self.broken = true;
                    return requests;
                }
            }
        }
    }

    fn send(&mut self, bytes: Vec<u8>, fds: Vec<OwnedFd>) {
        self.queued_bytes += bytes.len();
        self.queue.push_back(Outgoing { bytes, sent: 0, fds });
        self.flush();
        if self.queued_bytes > MAX_QUEUED_BYTES {
            self.broken = true;
        }
    }

    fn flush(&mut self) {
        while let Some(next) = self.queue.front_mut() {
            match next.send(&self.socket) {
                Ok(()) if next.sent < next.bytes.len() => {}
                Ok(()) => {
                    self.queued_bytes -= next.bytes.len();
                    self.queue.pop_front();
                }
                Err(Errno::AGAIN) => return,
                Err(_) => {
                    self.broken = true;
                    return;
                }
            }
        }
    }
}

impl Outgoing {
    fn send(&mut self, socket: &OwnedFd) -> rustix::io::Result<()> {
        let fds: Vec<BorrowedFd<'_>> = self.fds.iter().map(AsFd::as_fd).collect();
        let mut space = [std::mem::MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(2))];
        let mut ancillary = SendAncillaryBuffer::new(&mut space);
        if !fds.is_empty() {
            ancillary.push(SendAncillaryMessage::ScmRights(&fds));
        }
        let rest = [IoSlice::new(&self.bytes[self.sent..])];
        let flags = SendFlags::NOSIGNAL | SendFlags::DONTWAIT;
        let sent = rustix::io::retry_on_intr(|| sendmsg(socket, &rest, &mut ancillary, flags))?;
        self.sent += sent;
        self.fds.clear();
        Ok(())
    }
}
