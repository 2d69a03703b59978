//! The caller's own terminal: read and written without ever blocking, made raw, and given back as it was. Must not know what
//! travels over it.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;

use bpm_api::{Code, Error};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{Mode, OFlags, open};
use rustix::io::{Errno, fcntl_dupfd_cloexec, retry_on_intr};
use rustix::stdio::{stdin, stdout};
use rustix::termios::{OptionalActions, Termios, isatty, tcgetattr, tcgetwinsize, tcsetattr};

use crate::modes::Modes;
use crate::readable::{Readable, Writable};

/// A write that may block is no longer than what a writable terminal takes.
const CAREFUL_BYTES: usize = 256;
/// How long a terminal that takes no output is waited for when it is given back.
const GIVING_BACK: Timespec = Timespec { tv_sec: 0, tv_nsec: 300_000_000 };
/// What is told where a terminal does not know its size.
const USUAL_SIZE: (u16, u16) = (80, 24);
const LARGEST: u16 = 4096;

/// One side of it. `Some`: opened anew, so that it need not block, which would be so for everybody who has the same descriptor.
#[derive(Debug)]
struct Side {
    fd: Arc<OwnedFd>,
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

#[derive(Debug)]
pub(super) struct Own {
    input: Side,
    readable: Readable,
    output: Side,
    writable: Writable,
}

impl Own {
    /// # Errors
    /// Standard input or output is no terminal.
    pub(super) fn open() -> Result<Own, Error> {
        for (there, name) in [(isatty(stdin()), "input"), (isatty(stdout()), "output")] {
            if !there {
                let message = format!("standard {name} is no terminal, and attaching needs one");
                return Err(Error::new(Code::InvalidParameter, message)
                    .hint("without one: `bpm logs -f NAME` shows what is printed, `bpm send NAME` types"));
            }
        }
        let open = || {
            let input = Side::open(stdin(), 0, OFlags::RDONLY)?;
            let output = Side::open(stdout(), 1, OFlags::WRONLY)?;
            let readable = Readable::new(Arc::clone(&input.fd))?;
            let writable = Writable::new(Arc::clone(&output.fd))?;
            Ok(Own { input, readable, output, writable })
        };
        open().map_err(|error| unusable(&error))
    }

    /// Columns and rows.
    pub(super) fn size(&self) -> (u16, u16) {
        match tcgetwinsize(&*self.output.fd) {
            Ok(size) if size.ws_col > 0 && size.ws_row > 0 => {
                (size.ws_col.min(LARGEST), size.ws_row.min(LARGEST))
            }
            Ok(_) | Err(_) => USUAL_SIZE,
        }
    }

    /// Every key comes as it is typed from now on, until the answer is dropped.
    pub(super) fn raw(self) -> io::Result<Raw> {
        let before = tcgetattr(&*self.input.fd)?;
        let raw = Raw { own: self, before, modes: Modes::default() };
        raw.make_raw()?;
        Ok(raw)
    }
}

/// The terminal while it is raw. Dropped, it is as it was, and what the program has set in it is undone.
pub(super) struct Raw {
    own: Own,
    before: Termios,
    modes: Modes,
}

impl Raw {
    /// Also when somebody else has changed it meanwhile.
    pub(super) fn make_raw(&self) -> io::Result<()> {
        let mut raw = self.before.clone();
        raw.make_raw();
        Ok(tcsetattr(&*self.own.input.fd, OptionalActions::Now, &raw)?)
    }

    pub(super) fn size(&self) -> (u16, u16) {
        self.own.size()
    }

    /// What was typed; 0 at its end. Dropping the future loses nothing.
    pub(super) async fn read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        let side = &self.own.input;
        let look = || match side.is_ready(PollFlags::IN) {
            true => some(retry_on_intr(|| rustix::io::read(&*side.fd, &mut *buffer))),
            false => None,
        };
        self.own.readable.find(look).await?
    }

    /// Writes what there is room for, and says how much: that is then to be told by [`Raw::shown`]. Dropping the future before its
    /// end writes nothing.
    pub(super) async fn write(&self, bytes: &[u8]) -> io::Result<usize> {
        let side = &self.own.output;
        let piece = &bytes[..if side.may_block { bytes.len().min(CAREFUL_BYTES) } else { bytes.len() }];
        let look = || match side.is_ready(PollFlags::OUT) {
            true => some(retry_on_intr(|| rustix::io::write(&*side.fd, piece))),
            false => None,
        };
        self.own.writable.find(look).await?
    }

    /// These bytes of the program's are on the terminal.
    pub(super) fn shown(&mut self, bytes: &[u8]) {
        self.modes.printed(bytes);
    }

    fn write_at_last(&self, mut bytes: &[u8]) {
        let fd = self.own.output.fd.as_fd();
        while !bytes.is_empty() {
            let mut fds = [PollFd::from_borrowed_fd(fd, PollFlags::OUT)];
            if !retry_on_intr(|| poll(&mut fds, Some(&GIVING_BACK))).is_ok_and(|ready| ready > 0) {
                return;
            }
            match rustix::io::write(fd, &bytes[..bytes.len().min(CAREFUL_BYTES)]) {
                Ok(written) => bytes = &bytes[written..],
                Err(Errno::AGAIN | Errno::INTR) => {}
                Err(_) => return,
            }
        }
    }
}

impl Drop for Raw {
    fn drop(&mut self) {
        self.write_at_last(self.modes.undone().as_bytes());
        // one that has gone needs nothing
        let _ = tcsetattr(&*self.own.input.fd, OptionalActions::Now, &self.before);
    }
}

/// `None`: nothing could be done without waiting.
fn some(done: rustix::io::Result<usize>) -> Option<io::Result<usize>> {
    match done {
        Err(Errno::AGAIN) => None,
        done => Some(done.map_err(Into::into)),
    }
}

pub(super) fn unusable(error: &io::Error) -> Error {
    Error::new(Code::System, format!("the terminal cannot be used: {error}"))
}
