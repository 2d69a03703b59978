//! The control protocol between a shim and whoever watches it: messages, frames, an incremental decoder.
//! Knows bytes only: no sockets, no processes.
//!
//! A frame is a little-endian `u32` length (of what follows, at most 64 KiB), a `u8` kind and a body. The protocol is frozen:
//! kinds are only ever added, bodies only ever grow at their end; unknown kinds and bytes beyond the known fields are ignored.

use std::fmt;
use std::marker::PhantomData;

use crate::wire::Sink;

/// What this program speaks. Grows when kinds or fields are added; older and newer sides still understand each other.
/// 2: input and terminals ([`Request::Resize`], [`Request::Input`], [`State::input`]). 3: [`Request::Live`], and a size that is the
/// present one is told, too.
pub const VERSION: u16 = 3;
/// Longest `kind + body` of a frame, in bytes.
pub const MAX_FRAME_BYTES: usize = 64 << 10;
/// Most bytes of input that one [`Request::Input`] carries: what a frame has room for.
pub const MAX_INPUT_BYTES: usize = MAX_FRAME_BYTES - 14;
/// Most bytes of input that a shim holds for a program that does not read.
pub const MAX_WAITING_BYTES: usize = 64 << 10;
/// Most processes that one [`Report::Survivors`] lists.
pub const MAX_SURVIVORS: usize = 256;

/// What a client asks of a shim.
#[derive(Clone, PartialEq, Eq)]
pub enum Request {
    /// First on every connection: answered by `Welcome` and `State`; from then on events are pushed.
    Hello {
        /// The client's [`VERSION`].
        version: u16,
    },
    /// Answered by `State`.
    Status,
    /// Send this signal to every process of the tree, once.
    Signal {
        /// The signal's number on this machine.
        signal: i32,
    },
    /// End the whole tree with KILL, again and again until nothing is left.
    Kill,
    /// Answered by `Survivors`.
    Survivors,
    /// As soon as the leader has exited, stop waiting for the rest of its tree.
    Release,
    /// The terminal has this size from now on; the program hears SIGWINCH (before version 3: if it changed). Without a terminal:
    /// nothing.
    Resize {
        /// Lines.
        rows: u16,
        /// Characters in a line.
        columns: u16,
    },
    /// Input for the program, all of it or none: answered by `Input`. A shim of version 1 does not answer.
    Input {
        /// The client's own number for it, for the answer.
        id: u64,
        /// What to write, at most [`MAX_INPUT_BYTES`]: a shim closes a connection that sends a longer frame.
        bytes: Vec<u8>,
        /// End of input after these bytes: a pipe is closed; at a terminal its end-of-file character (usually ctrl-d) is typed,
        /// which ends one reading and leaves the terminal open.
        end: bool,
    },
    /// Whether somebody looks at the terminal by way of this connection: then what is printed at it is readable at once, also what has
    /// no line feed yet. Without a terminal: nothing.
    Live {
        /// Somebody does.
        on: bool,
    },
}

/// Input may be a password: only its length is shown.
impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Hello { version } => f.debug_struct("Hello").field("version", version).finish(),
            Self::Status => f.write_str("Status"),
            Self::Signal { signal } => f.debug_struct("Signal").field("signal", signal).finish(),
            Self::Kill => f.write_str("Kill"),
            Self::Survivors => f.write_str("Survivors"),
            Self::Release => f.write_str("Release"),
            Self::Resize { rows, columns } => {
                f.debug_struct("Resize").field("rows", rows).field("columns", columns).finish()
            }
            Self::Input { id, bytes, end } => f
                .debug_struct("Input")
                .field("id", id)
                .field("bytes", &bytes.len())
                .field("end", end)
                .finish(),
            Self::Live { on } => f.debug_struct("Live").field("on", on).finish(),
        }
    }
}

/// What a shim says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Report {
    /// Answer to `Hello`. Carries (`SCM_RIGHTS`) duplicates of the read ends of the pipes named by the flags, stdout first: to read
    /// what is left when the shim has been killed, never before. A terminal's master comes as stdout; whoever holds it keeps the
    /// terminal from hanging up, so it is to be closed with the run.
    Welcome(Welcome),
    /// Everything known now.
    State(State),
    /// The program was executed. The launcher always hears it; who says `Hello` later finds it in `State`.
    Started {
        /// Which process it is.
        leader: Leader,
        /// When it was forked.
        at: Stamp,
        /// What holds its tree together.
        tier: Tier,
    },
    /// The program could not be executed; the exit record says the same, and the shim leaves.
    SpawnFailed(SpawnFailure),
    /// The leader exited, and all it wrote is on disk. The rest of its tree may live on.
    Exited(Exit),
    /// The last process of the tree is gone, all output and the final exit record are on disk; the shim leaves.
    TreeEmpty {
        /// When that was seen.
        at: Stamp,
        /// False when the rest was let go (`leave_behind`, `Release`) and not ended.
        empty: bool,
    },
    /// The log cannot be written: output is being dropped and counted.
    Alarm {
        /// Why, as the system said it.
        errno: i32,
    },
    /// The log is being written again.
    AlarmCleared,
    /// Who is left of the tree now (zombies do not count).
    Survivors {
        /// How many there are; the list is cut at [`MAX_SURVIVORS`].
        total: u32,
        /// Who they are.
        list: Vec<Survivor>,
    },
    /// What became of a [`Request::Input`].
    Input {
        /// The request's number.
        id: u64,
        /// What became of it.
        outcome: InputOutcome,
    },
}

/// What became of some input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InputOutcome {
    /// All of it has been written, or is held by the shim and written as the program reads.
    Taken,
    /// Nothing was taken: the program does not read, and the shim holds as much as it may.
    Full {
        /// How many bytes it would take now.
        room: u32,
    },
    /// The program's standard input is `/dev/null`.
    NoInput,
    /// The input has been ended, or the program has closed it.
    Closed,
}

/// The first thing a shim says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Welcome {
    /// The shim's [`VERSION`].
    pub version: u16,
    /// The shim's own process id.
    pub shim_pid: u32,
    /// The plan's run tag.
    pub run_tag: String,
    /// A descriptor for stdout's pipe, or for the terminal, came along.
    pub stdout: bool,
    /// A descriptor for stderr's pipe came along (after stdout's).
    pub stderr: bool,
}

/// A point in time on two clocks, in nanoseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stamp {
    /// Since the Unix epoch.
    pub wall_ns: u64,
    /// `CLOCK_MONOTONIC` of this boot.
    pub mono_ns: u64,
}

/// The program's first process, so named that a recycled pid is not mistaken for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Leader {
    /// Process id.
    pub pid: u32,
    /// Field 22 of `/proc/PID/stat`: clock ticks since boot; 0 when it could not be read.
    pub start_ticks: u64,
}

/// Where a run is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Forked, not yet executed.
    Starting,
    /// The leader runs.
    Running,
    /// The leader has exited, processes of its tree remain.
    Leaderless,
    /// Nothing is left; the shim is leaving.
    Done,
}

/// What holds the tree together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tier {
    /// The shim is its subreaper, and it is in a cgroup of its own.
    Cgroup,
    /// The shim is its subreaper.
    Tree {
        /// Why the cgroup that the plan asked for could not be had.
        cgroup_errno: Option<i32>,
    },
}

/// How a process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// It exited with this code.
    Code(i32),
    /// A signal ended it.
    Signal {
        /// The signal's number.
        signal: i32,
        /// A core was dumped.
        core: bool,
    },
}

/// What the leader and the descendants that it waited for used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// CPU time in user mode, microseconds.
    pub user_us: u64,
    /// CPU time in the kernel, microseconds.
    pub system_us: u64,
    /// Largest resident set, KiB.
    pub max_rss_kib: u64,
}

/// The leader's end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exit {
    /// How it ended.
    pub status: Status,
    /// When that was seen.
    pub at: Stamp,
    /// What it used.
    pub usage: Usage,
}

/// At which step a start failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// In the shim, before the program: plan, run directory, log, pipes.
    Prepare,
    /// The process could not be made.
    Fork,
    /// The working directory.
    Cwd,
    /// The program could not be executed.
    Exec,
}

/// Why a program could not be started.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SpawnFailure {
    /// Where it failed.
    pub step: Step,
    /// What the system said; 0 where it said nothing.
    pub errno: i32,
    /// For people: a lowercase fragment that names the path and what was wrong with it. At most 1 KiB.
    pub message: String,
}

/// What became of the output.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LogStatus {
    /// Bytes read from the program.
    pub bytes: u64,
    /// Line feeds among them.
    pub lines: u64,
    /// Bytes that could not be written.
    pub lost_bytes: u64,
    /// Line feeds among those.
    pub lost_lines: u64,
    /// Why the log cannot be written at the moment.
    pub disk_errno: Option<i32>,
}

/// Everything a shim knows of its run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct State {
    /// Where the run is in its life.
    pub phase: Phase,
    /// The program's first process, from its execution on.
    pub leader: Option<Leader>,
    /// When it was forked.
    pub started: Stamp,
    /// How the leader ended.
    pub exit: Option<Exit>,
    /// What holds the tree together.
    pub tier: Tier,
    /// A `Kill` is being carried out.
    pub killing: bool,
    /// What became of the output so far.
    pub log: LogStatus,
    /// What the standard input is, and what waits for it. A shim of version 1 does not say: then it is `/dev/null`, as it was.
    pub input: InputStatus,
}

/// What a program's standard input is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum InputKind {
    /// `/dev/null`.
    #[default]
    Null,
    /// A pipe from the shim.
    Pipe,
    /// A terminal, which is also its stdout and stderr.
    Terminal,
}

/// What became of the input.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct InputStatus {
    /// What it is.
    pub kind: InputKind,
    /// It takes more. False for `/dev/null`, after the end of a pipe, and once the program was found to have closed its end.
    pub open: bool,
    /// Bytes that were taken and that the program has made no room for yet, at most [`MAX_WAITING_BYTES`].
    pub waiting_bytes: u32,
}

/// One process that is still there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Survivor {
    /// Process id.
    pub pid: u32,
    /// The kernel's name of it, at most 15 bytes.
    pub name: String,
    /// State letter of `/proc/PID/stat` (`D`: uninterruptible, KILL has to wait).
    pub state: char,
}

/// A frame that cannot be. The connection that sent it is of no further use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// No message is that long, or it has no kind.
    #[error("frame of {0} bytes, expected 1 to {MAX_FRAME_BYTES}")]
    Length(usize),
    /// A known kind with fields missing or impossible.
    #[error("malformed frame of kind {0}")]
    Malformed(u8),
}

mod sealed {
    pub trait Body: Sized {
        /// Kind and body.
        fn encode(&self) -> (u8, Vec<u8>);
        /// Outer `None`: malformed. Inner `None`: a kind that is not known.
        fn decode(kind: u8, body: &[u8]) -> Option<Option<Self>>;
    }
}
use sealed::Body;

/// What an idle [`Decoder`] keeps.
const KEPT_BYTES: usize = 4 << 10;

/// [`Request`] or [`Report`].
pub trait Message: Body {
    /// The whole frame.
    fn frame(&self) -> Vec<u8> {
        let (kind, body) = self.encode();
        let mut out = Sink::default();
        out.u32(u32::try_from(body.len() + 1).unwrap_or(u32::MAX));
        out.u8(kind);
        out.0.extend(body);
        out.0
    }
}

impl Message for Request {}
impl Message for Report {}

/// Takes bytes as they come, gives messages. Total: any input gives messages or an error, never a panic; memory is bounded
/// by one frame plus what was pushed last.
#[derive(Debug)]
pub struct Decoder<M> {
    buffer: Vec<u8>,
    start: usize,
    message: PhantomData<fn() -> M>,
}

impl<M> Default for Decoder<M> {
    fn default() -> Self {
        Self { buffer: Vec::new(), start: 0, message: PhantomData }
    }
}

impl<M: Message> Decoder<M> {
    /// Adds bytes. Take all messages out (`next` until `None`) before adding more.
    pub fn push(&mut self, bytes: &[u8]) {
        self.buffer.drain(..self.start);
        self.start = 0;
        self.buffer.extend_from_slice(bytes);
    }

    /// After a long frame the room that it took.
    fn give_back(&mut self) {
        if self.start == self.buffer.len() && self.buffer.capacity() > KEPT_BYTES {
            *self = Self::default();
        }
    }

    /// The next whole message, if there is one. Unknown kinds are passed over.
    ///
    /// # Errors
    /// [`FrameError`]: drop the connection; every further call gives the same error.
    #[expect(
        clippy::should_implement_trait,
        reason = "it is `Result<Option<_>>`: more may be pushed after `None`"
    )]
    pub fn next(&mut self) -> Result<Option<M>, FrameError> {
        loop {
            let rest = &self.buffer[self.start..];
            let Some((head, body)) = rest.split_first_chunk::<4>() else {
                self.give_back();
                return Ok(None);
            };
            let len = u32::from_le_bytes(*head) as usize;
            if !(1..=MAX_FRAME_BYTES).contains(&len) {
                return Err(FrameError::Length(len));
            }
            let Some(frame) = body.get(..len) else { return Ok(None) };
            let kind = frame[0];
            let message = M::decode(kind, &frame[1..]).ok_or(FrameError::Malformed(kind))?;
            self.start += 4 + len;
            if message.is_some() {
                return Ok(message);
            }
        }
    }
}

mod encoding;
#[cfg(test)]
mod tests;
