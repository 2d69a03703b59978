//! The program's standard input, and what waits for it. Never waits for the program. Knows no processes and no connections.

use std::collections::VecDeque;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::io::Errno;

use crate::protocol::{InputKind, InputOutcome, InputStatus, MAX_WAITING_BYTES};
use crate::terminal::Terminal;

/// The writing side of a program's standard input.
#[derive(Debug)]
pub(crate) struct Input {
    target: Target,
    waiting: VecDeque<u8>,
    /// The pipe is to be closed when nothing waits any more.
    ending: bool,
}

#[derive(Debug)]
enum Target {
    Null,
    /// `None`: ended, or closed by the program.
    Pipe(Option<OwnedFd>),
    Terminal(Terminal),
}

impl Input {
    /// No input at all.
    pub(crate) fn null() -> Self {
        Self::to(Target::Null)
    }

    /// Into a pipe, whose writing end does not block.
    pub(crate) fn pipe(end: OwnedFd) -> Self {
        Self::to(Target::Pipe(Some(end)))
    }

    /// At a terminal.
    pub(crate) fn terminal(terminal: Terminal) -> Self {
        Self::to(Target::Terminal(terminal))
    }

    fn to(target: Target) -> Self {
        Self { target, waiting: VecDeque::new(), ending: false }
    }

    /// Takes all of these bytes, or none. With `end` no more are to come.
    pub(crate) fn take(&mut self, bytes: &[u8], end: bool) -> InputOutcome {
        if self.flush().is_err() {
            return InputOutcome::Closed;
        }
        let last = match &self.target {
            Target::Null => return InputOutcome::NoInput,
            Target::Pipe(None) => return InputOutcome::Closed,
            Target::Pipe(Some(_)) if self.ending => return InputOutcome::Closed,
            Target::Pipe(Some(_)) => None,
            Target::Terminal(terminal) => end.then(|| terminal.end_of_file()).flatten(),
        };
        let room = MAX_WAITING_BYTES - self.waiting.len();
        if bytes.len() + usize::from(last.is_some()) > room {
            return InputOutcome::Full { room: u32::try_from(room).unwrap_or(u32::MAX) };
        }
        self.waiting.extend(bytes);
        self.waiting.extend(last);
        self.ending = end && matches!(self.target, Target::Pipe(_));
        match self.flush() {
            Ok(()) => InputOutcome::Taken,
            Err(_) => InputOutcome::Closed,
        }
    }

    /// Writes what waits, as far as the program has made room. An error means that it reads no more: then nothing waits.
    pub(crate) fn flush(&mut self) -> rustix::io::Result<()> {
        while let Some(fd) = self.fd() {
            match rustix::io::write(fd, self.waiting.as_slices().0) {
                Ok(0) | Err(Errno::AGAIN) => return Ok(()),
                Ok(written) => drop(self.waiting.drain(..written)),
                Err(Errno::INTR) => {}
                Err(error) => {
                    self.close();
                    return Err(error);
                }
            }
        }
        // Its memory, too: most programs are spoken to once.
        self.waiting = VecDeque::new();
        if self.ending {
            self.close();
        }
        Ok(())
    }

    fn close(&mut self) {
        self.waiting = VecDeque::new();
        if let Target::Pipe(end) = &mut self.target {
            *end = None;
        }
    }

    fn is_open(&self) -> bool {
        matches!(self.target, Target::Pipe(Some(_)) | Target::Terminal(_))
    }

    /// To be written to as soon as there is room; `None` when nothing waits.
    pub(crate) fn fd(&self) -> Option<BorrowedFd<'_>> {
        match &self.target {
            _ if self.waiting.is_empty() => None,
            Target::Null => None,
            Target::Pipe(end) => end.as_ref().map(AsFd::as_fd),
            Target::Terminal(terminal) => Some(terminal.master()),
        }
    }

    /// Gives the terminal another size, if there is one.
    pub(crate) fn resize(&self, rows: u16, columns: u16) {
        if let Target::Terminal(terminal) = &self.target {
            // A terminal that is there has no reason to refuse.
            let _ = terminal.resize(rows, columns);
        }
    }

    pub(crate) fn is_terminal(&self) -> bool {
        matches!(self.target, Target::Terminal(_))
    }

    pub(crate) fn status(&self) -> InputStatus {
        InputStatus {
            kind: match self.target {
                Target::Null => InputKind::Null,
                Target::Pipe(_) => InputKind::Pipe,
                Target::Terminal(_) => InputKind::Terminal,
            },
            open: self.is_open() && !self.ending,
            waiting_bytes: u32::try_from(self.waiting.len()).unwrap_or(u32::MAX),
        }
    }
}
