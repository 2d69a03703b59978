//! Our ends of a program's outputs and their way into the log. Knows no processes.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use bpm_logs::{Drained, Now, Stream, Writer};
use rustix::io::ioctl_fionbio;
use rustix::pipe::{PipeFlags, fcntl_setpipe_size, pipe_with};

/// Reads in a row from one pipe before everybody else gets a turn.
const READS_PER_TURN: usize = 16;
/// A read that brought this much was worth another without asking `poll`.
const BUSY_READ_BYTES: u64 = 32 << 10;
/// The same of a terminal, which gives 4 KiB at most.
const BUSY_TERMINAL_READ_BYTES: u64 = 2 << 10;
/// A turn that brought this much filled a pipe of the usual size.
const FULL_TURN_BYTES: u64 = 64 << 10;
/// Turns of that kind in a row after which a pipe is made large. (Each user has some 64 MiB for large pipes: not for everybody.)
const FULL_TURNS: u32 = 2;
const LARGE_PIPE_BYTES: usize = 1 << 20;
/// Enough for a large pipe at one KiB a read.
const DRAIN_READS: usize = 1024;

/// One output of the program.
#[derive(Debug)]
pub(crate) struct Output {
    pipe: OwnedFd,
    stream: Stream,
    busy_read_bytes: u64,
    full_turns: u32,
}

impl Output {
    /// A pipe: our end, which does not block, and the program's, which does.
    pub(crate) fn pipe(stream: Stream) -> rustix::io::Result<(Self, OwnedFd)> {
        let (ours, theirs) = pipe_with(PipeFlags::CLOEXEC)?;
        ioctl_fionbio(&ours, true)?;
        let busy_read_bytes = BUSY_READ_BYTES;
        Ok((Self { pipe: ours, stream, busy_read_bytes, full_turns: 0 }, theirs))
    }

    /// All that is printed at a terminal, read from its master, which does not block.
    pub(crate) fn terminal(master: OwnedFd) -> Self {
        let busy_read_bytes = BUSY_TERMINAL_READ_BYTES;
        Self { pipe: master, stream: Stream::Stdout, busy_read_bytes, full_turns: 0 }
    }

    pub(crate) fn fd(&self) -> BorrowedFd<'_> {
        self.pipe.as_fd()
    }

    /// Takes what is there, up to a turn's worth. Whether the output goes on, and whether the turn was a full one.
    pub(crate) fn turn(&mut self, log: &mut Writer, now: Now) -> Turn {
        let before = log.status().bytes;
        let mut last = before;
        for _ in 0..READS_PER_TURN {
            match log.read_from(self.stream, self.pipe.as_fd(), now) {
                Drained::More => {}
                Drained::Empty => break,
                Drained::End => return Turn::Ended,
            }
            let total = log.status().bytes;
            if total - last < self.busy_read_bytes {
                break;
            }
            last = total;
        }
        if log.status().bytes - before < FULL_TURN_BYTES {
            self.full_turns = 0;
            return Turn::Calm;
        }
        self.full_turns = self.full_turns.saturating_add(1);
        if self.full_turns == FULL_TURNS {
            // May be refused (the user's allowance is used up): then it stays as it is.
            let _ = fcntl_setpipe_size(&self.pipe, LARGE_PIPE_BYTES);
        }
        Turn::Busy
    }

    /// Takes all that is in the pipe. A process that floods it meanwhile does not keep this from coming to an end:
    /// what was there at the beginning has been taken long before the last read.
    pub(crate) fn drain(&mut self, log: &mut Writer, now: Now) {
        for _ in 0..DRAIN_READS {
            if log.read_from(self.stream, self.pipe.as_fd(), now) != Drained::More {
                break;
            }
        }
    }
}

/// How a turn went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Turn {
    Calm,
    /// There is probably more already.
    Busy,
    /// End of the output.
    Ended,
}
