//! The two sides of the caller's own terminal, read and written without ever blocking. Must not know what travels over
//! it, nor in which mode it is.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{Mode, OFlags, open};
use rustix::io::{Errno, fcntl_dupfd_cloexec, retry_on_intr};
use rustix::stdio::{stdin, stdout};

use crate::readable::{Readable, Writable};

/// A write that may block is no longer than what a writable terminal takes, in bytes.
pub const CAREFUL_BYTES: usize = 256;

/// Standard input.
#[derive(Debug)]
pub struct Input {
    side: Side,
    readable: Readable,
}

/// Standard output.
#[derive(Debug)]
pub struct Output {
    side: Side,
    writable: Writable,
}

#[derive(Debug)]
struct Side {
    fd: Arc<OwnedFd>,
    /// It could not be opened anew, and not to block would be so for everybody who has the same descriptor.
    may_block: bool,
}

impl Side {
    fn open(of: BorrowedFd<'_>, number: u8, access: OFlags) -> io::Result<Side> {
        let flags = access | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
        match open(format!("/proc/self/fd/{number}"), flags, Mode::empty()) {
            Ok(fd) => Ok(Side { fd: Arc::new(fd), may_block: false }),
            // another user's, perhaps
            Err(_) => Ok(Side { fd: Arc::new(fcntl_dupfd_cloexec(of, 3)?), may_block: true }),
        }
    }

    fn is_ready(&self, flags: PollFlags) -> bool {
        let now = Timespec::default();
        let mut fds = [PollFd::new(&*self.fd, flags)];
        !self.may_block || retry_on_intr(|| poll(&mut fds, Some(&now))).is_ok_and(|ready| ready > 0)
    }
}

impl Input {
    /// To be called in a tokio runtime.
    ///
    /// # Errors
    /// Standard input cannot be waited for: a file, perhaps.
    pub fn open() -> io::Result<Input> {
        let side = Side::open(stdin(), 0, OFlags::RDONLY)?;
        let readable = Readable::new(Arc::clone(&side.fd))?;
        Ok(Input { side, readable })
    }

    /// What was typed, at least a byte; 0 at its end. Dropping the future loses nothing.
    ///
    /// # Errors
    /// `EIO` where the terminal has gone, and what the system says otherwise.
    pub async fn read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        let look = || match self.side.is_ready(PollFlags::IN) {
            true => some(retry_on_intr(|| rustix::io::read(&*self.side.fd, &mut *buffer))),
            false => None,
        };
        self.readable.find(look).await?
    }
}

impl Output {
    /// To be called in a tokio runtime.
    ///
    /// # Errors
    /// Standard output cannot be waited for: a file, perhaps.
    pub fn open() -> io::Result<Output> {
        let side = Side::open(stdout(), 1, OFlags::WRONLY)?;
        let writable = Writable::new(Arc::clone(&side.fd))?;
        Ok(Output { side, writable })
    }

    /// Writes what there is room for, and says how much. Dropping the future before its end writes nothing.
    ///
    /// # Errors
    /// `EIO` where the terminal has gone, and what the system says otherwise.
    pub async fn write(&self, bytes: &[u8]) -> io::Result<usize> {
        let side = &self.side;
        let piece = &bytes[..if side.may_block { bytes.len().min(CAREFUL_BYTES) } else { bytes.len() }];
        let look = || match side.is_ready(PollFlags::OUT) {
            true => some(retry_on_intr(|| rustix::io::write(&*side.fd, piece))),
            false => None,
        };
        self.writable.find(look).await?
    }
}

impl AsFd for Input {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.side.fd.as_fd()
    }
}

impl AsFd for Output {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.side.fd.as_fd()
    }
}

/// `None`: nothing could be done without waiting.
fn some(done: rustix::io::Result<usize>) -> Option<io::Result<usize>> {
    match done {
        Err(Errno::AGAIN) => None,
        done => Some(done.map_err(Into::into)),
    }
}
