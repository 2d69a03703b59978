//! The caller's own terminal: made raw, and given back as it was. Must not know what travels over it.

use std::io;
use std::os::fd::AsFd;

use bpm_api::{Code, Error};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::{Errno, retry_on_intr};
use rustix::stdio::{stdin, stdout};
use rustix::termios::{OptionalActions, Termios, isatty, tcgetattr, tcgetwinsize, tcsetattr};

use crate::modes::Modes;
use crate::terminal::{CAREFUL_BYTES, Input, Output};

/// How long a terminal that takes no output is waited for when it is given back.
const GIVING_BACK: Timespec = Timespec { tv_sec: 0, tv_nsec: 300_000_000 };
/// What is told where a terminal does not know its size.
const USUAL_SIZE: (u16, u16) = (80, 24);
const LARGEST: u16 = 4096;

#[derive(Debug)]
pub(super) struct Own {
    input: Input,
    output: Output,
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
        let own = Input::open().and_then(|input| Ok(Own { input, output: Output::open()? }));
        own.map_err(|error| unusable(&error))
    }

    /// Columns and rows.
    pub(super) fn size(&self) -> (u16, u16) {
        match tcgetwinsize(&self.output) {
            Ok(size) if size.ws_col > 0 && size.ws_row > 0 => {
                (size.ws_col.min(LARGEST), size.ws_row.min(LARGEST))
            }
            Ok(_) | Err(_) => USUAL_SIZE,
        }
    }

    /// Every key comes as it is typed from now on, until the answer is dropped.
    pub(super) fn raw(self) -> io::Result<Raw> {
        let before = tcgetattr(&self.input)?;
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
        Ok(tcsetattr(&self.own.input, OptionalActions::Now, &raw)?)
    }

    pub(super) fn size(&self) -> (u16, u16) {
        self.own.size()
    }

    /// What was typed; 0 at its end. Dropping the future loses nothing.
    pub(super) async fn read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        self.own.input.read(buffer).await
    }

    /// Writes what there is room for, and says how much: that is then to be told by [`Raw::shown`]. Dropping the future before its
    /// end writes nothing.
    pub(super) async fn write(&self, bytes: &[u8]) -> io::Result<usize> {
        self.own.output.write(bytes).await
    }

    /// These bytes of the program's are on the terminal.
    pub(super) fn shown(&mut self, bytes: &[u8]) {
        self.modes.printed(bytes);
    }

    fn write_at_last(&self, mut bytes: &[u8]) {
        let fd = self.own.output.as_fd();
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
        let _ = tcsetattr(&self.own.input, OptionalActions::Now, &self.before);
    }
}

pub(super) fn unusable(error: &io::Error) -> Error {
    Error::new(Code::System, format!("the terminal cannot be used: {error}"))
}
