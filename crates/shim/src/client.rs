//! A blocking control connection, for tests and tools. (The manager has its own, on the same [`Decoder`].)

use std::io::{self, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, recvmsg};

use crate::launch;
use crate::protocol::{self, Decoder, MAX_INPUT_BYTES, Message, Report, Request};

/// Most descriptors one message carries.
const MAX_FDS: usize = 4;

/// One read from a control socket: bytes into `buffer`, descriptors that came along (closed on exec) onto `fds`.
/// For non-blocking sockets too.
///
/// # Errors
/// What `recvmsg` says; `WouldBlock` on a non-blocking socket that has nothing.
pub fn receive(socket: BorrowedFd<'_>, buffer: &mut [u8], fds: &mut Vec<OwnedFd>) -> io::Result<usize> {
    let mut space = [std::mem::MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MAX_FDS))];
    let mut ancillary = RecvAncillaryBuffer::new(&mut space);
    let mut parts = [io::IoSliceMut::new(buffer)];
    let read =
        rustix::io::retry_on_intr(|| recvmsg(socket, &mut parts, &mut ancillary, RecvFlags::CMSG_CLOEXEC))?;
    for message in ancillary.drain() {
        if let RecvAncillaryMessage::ScmRights(received) = message {
            fds.extend(received);
        }
    }
    Ok(read.bytes)
}

/// A control connection that waits.
#[derive(Debug)]
pub struct Connection {
    socket: UnixStream,
    decoder: Decoder<Report>,
    fds: Vec<OwnedFd>,
}

impl Connection {
    /// Wraps a connected socket. `Hello` is the caller's to send (that of [`launch::Launched`] has had it).
    #[must_use]
    pub fn new(socket: UnixStream) -> Self {
        Self { socket, decoder: Decoder::default(), fds: Vec::new() }
    }

    /// Connects to the shim of a run directory and says `Hello`.
    ///
    /// # Errors
    /// As [`launch::connect`], or the socket is closed at once.
    pub fn open(run_dir: &Path) -> io::Result<Self> {
        let mut this = Self::new(launch::connect(run_dir)?);
        this.send(&Request::Hello { version: protocol::VERSION })?;
        Ok(this)
    }

    /// Sends a request.
    ///
    /// # Errors
    /// The socket is closed, or `InvalidInput`: more input than a frame holds, of which nothing was sent.
    pub fn send(&mut self, request: &Request) -> io::Result<()> {
        if let Request::Input { bytes, .. } = request
            && bytes.len() > MAX_INPUT_BYTES
        {
            let message =
                format!("{} bytes of input, at most {MAX_INPUT_BYTES} go into one frame", bytes.len());
            return Err(io::Error::new(io::ErrorKind::InvalidInput, message));
        }
        self.socket.write_all(&request.frame())
    }

    /// Waits for the next report; `None` when the shim has closed the connection.
    ///
    /// # Errors
    /// `WouldBlock` or `TimedOut` after `timeout` without a report, `InvalidData` for a malformed one, or what the socket says.
    pub fn next(&mut self, timeout: Duration) -> io::Result<Option<Report>> {
        self.socket.set_read_timeout(Some(timeout))?;
        let mut buffer = [0; 4096];
        loop {
            match self.decoder.next() {
                Ok(Some(report)) => return Ok(Some(report)),
                Ok(None) => {}
                Err(error) => return Err(io::Error::new(io::ErrorKind::InvalidData, error)),
            }
            match receive(self.socket.as_fd(), &mut buffer, &mut self.fds) {
                Ok(0) => return Ok(None),
                Ok(len) => self.decoder.push(&buffer[..len]),
                // A shim that is killed with unread requests resets the connection: gone all the same.
                Err(error) if error.kind() == io::ErrorKind::ConnectionReset => return Ok(None),
                Err(error) => return Err(error),
            }
        }
    }

    /// The descriptors that came with `Welcome`: the pipes' read ends, or the terminal's master.
    pub fn take_fds(&mut self) -> Vec<OwnedFd> {
        std::mem::take(&mut self.fds)
    }

    /// The socket itself.
    #[must_use]
    pub fn socket(&self) -> &UnixStream {
        &self.socket
    }
}
