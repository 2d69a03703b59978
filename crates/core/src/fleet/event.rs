//! What can happen, what is to be done about it, and what is told afterwards. Plain data.

use std::fmt;
use std::sync::Arc;

use crate::config::{Config, Signal};
use crate::ids::{BuildId, Key, Mode, Name, OpId, RunId};
use crate::service::{Artefact, Cause, StopReason, TaskRules};
use crate::signals::signal_name;
use crate::time::Time;

/// Something that happened. Whatever concerns a run or a build says which one.
#[derive(Clone, Debug)]
pub enum Event {
    /// Everything that was found alive has been reported: begin.
    Boot(Boot),
    /// Somebody wants something; the operation finishes exactly once. With a `key` that was used before,
    /// it is the same request again.
    Asked { op: OpId, key: Option<Key>, what: Request },
    /// A build ended.
    BuildDone { build: BuildId, outcome: BuildOutcome },
    /// A run's program has been started.
    Spawned { run: RunId, pid: u32 },
    /// A run's program could not be started.
    SpawnFailed { run: RunId, error: SpawnError },
    /// A run's leader has ended. `tree_empty`: and nothing of its tree is left.
    Exited { run: RunId, ending: Ending, at: Time, tree_empty: bool },
    /// Nothing of a run's tree is left.
    TreeEmpty { run: RunId },
    /// A run's shim died; its tree has been ended. `at`: when that was seen.
    Lost { run: RunId, at: Time },
    /// A run of the manager before was found alive.
    Adopted { run: RunId, pid: u32, started: Time },
    /// A run that the manager before was about to start never started.
    NeverStarted { run: RunId },
    /// Input has reached a program, or has not.
    InputDone { op: OpId, outcome: Typed },
    /// A signal has been sent, or has not.
    SignalDone { op: OpId, outcome: Signalled },
    /// Somebody used a tool.
    Activity,
    /// So many clients are connected now.
    Clients { connected: u32 },
    /// The deadline that [`crate::fleet::Fleet::next_deadline`] named has come.
    Tick,
}

/// How the manager begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Boot {
    /// `up --dev`: a start-up builds with the dev recipes.
    pub dev: bool,
    /// `up --fresh`: what was stopped by hand starts again.
    pub fresh: bool,
}

/// What a person or an agent can ask for.
#[derive(Clone, Debug)]
pub enum Request {
    Start {
        process: Name,
    },
    Stop {
        process: Name,
    },
    /// Build first, then swap. `recipe`: `None` is the dev recipe.
    Restart {
        process: Name,
        recipe: Option<Mode>,
    },
    /// Run a task, once. Its name is from [`Fleet::next_task`](crate::fleet::Fleet::next_task).
    RunTask {
        task: Name,
        rules: TaskRules,
    },
    /// Type into the live run of a process or task.
    Input {
        process: Name,
    },
    /// Send a signal to the whole tree of the live run of a process or task. That is no stop: an end that follows is
    /// one that nobody asked for.
    Signal {
        process: Name,
        /// Its number on Linux.
        signal: i32,
    },
    /// Put another configuration into force. Finishes with [`Outcome::Applied`].
    Apply {
        config: Arc<Config>,
    },
    /// End everything in order; a second one kills at once.
    Shutdown,
}

/// What became of input.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Typed {
    Taken,
    /// The program does not read, and so many bytes more would fit.
    Full {
        room: u32,
    },
    /// It was started without an input.
    NoInput,
    /// Its input was closed, or it has ended.
    Closed,
    /// Nothing was heard of its shim in time: it may yet be typed.
    Unanswered,
    /// The manager before was asked for it, and nobody knows whether it got round to it.
    Before,
}

/// What became of a signal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Signalled {
    Sent {
        run: u64,
    },
    NotRunning,
    /// Nothing was heard of its shim in time: it may yet be sent.
    Unanswered,
    /// It was asked for before under the same key, and is not sent again.
    Before,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BuildOutcome {
    /// `artefact`: whether an executable was kept.
    Built {
        artefact: bool,
    },
    Failed(BuildFailure),
    /// It was told to end and did.
    Cancelled,
    /// Its shim died; it is begun again once.
    Lost,
    /// The manager before meant to begin it and did not.
    NeverStarted,
}

/// Why a build failed, in words that the shell found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BuildFailure {
    pub reason: String,
}

/// How a run's leader ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Ending {
    Code(i32),
    Signal(i32),
    /// Its shim died, so nobody knows.
    Lost,
}

impl Ending {
    pub fn is_success(self) -> bool {
        self == Ending::Code(0)
    }
}

impl fmt::Display for Ending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Ending::Code(code) => write!(f, "exit code {code}"),
            Ending::Signal(number) => match signal_name(*number) {
                Some(name) => write!(f, "signal {name}"),
                None => write!(f, "signal {number}"),
            },
            Ending::Lost => f.write_str("lost with its shim"),
        }
    }
}

/// Why a program could not be started.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SpawnError {
    pub message: String,
    /// Trying again cannot help: no such program, no permission, not executable, a blocked `.envrc`.
    pub permanent: bool,
}

/// Something to do. Performing never waits; what comes of it returns as an event.
#[derive(Clone, Debug, PartialEq)]
pub enum Action {
    Build {
        build: BuildId,
        recipe: Mode,
    },
    /// Ask a build's tree to end; then, after [`Action::KillBuild`], by force.
    CancelBuild {
        build: BuildId,
    },
    KillBuild {
        build: BuildId,
    },
    /// `artefact`: the kept executable to run, where the process has one.
    Spawn {
        run: RunId,
        recipe: Mode,
        artefact: Option<Artefact>,
    },
    /// Send the process's stop signal to the run's whole tree.
    Terminate {
        run: RunId,
        signal: Signal,
    },
    /// Send KILL to the run's whole tree until it is empty.
    Kill {
        run: RunId,
    },
    /// Send what `op` carries to the run's input; [`Event::InputDone`] tells what became of it.
    Input {
        run: RunId,
        op: OpId,
    },
    /// Send this signal to the run's whole tree; [`Event::SignalDone`] tells what became of it.
    Signal {
        run: RunId,
        op: OpId,
        signal: i32,
    },
    /// The operation is done; each accepted operation gets exactly one of these.
    Finish {
        op: OpId,
        outcome: Outcome,
    },
    /// For the journal, the terminal and everybody who follows.
    Note(Note),
    /// Everything has ended: the manager may leave.
    Quit,
}

/// What became of an operation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The process runs anew.
    Up {
        run: u64,
        pid: u32,
        build: Option<u64>,
        recipe: Mode,
    },
    /// `start`: it ran already.
    AlreadyUp {
        run: u64,
        pid: u32,
        recipe: Mode,
    },
    /// `stop`: nothing of it is left.
    Down {
        was_running: bool,
    },
    BuildFailed {
        build: u64,
        failure: BuildFailure,
        still_up: Option<u64>,
    },
    SpawnFailed {
        run: u64,
        error: SpawnError,
    },
    /// Some of the old run outlived KILL.
    Stuck {
        run: u64,
    },
    /// A later request of another kind took its place.
    Overtaken {
        by: &'static str,
    },
    Applied(Applied),
    /// The manager is ending.
    Closing,
    NoSuchProcess {
        known: Vec<Name>,
    },
    /// A task cannot be started again or restarted.
    IsTask,
    /// So many tasks run already.
    TooManyTasks {
        limit: usize,
    },
    /// `Input`: what became of it.
    Typed(Typed),
    /// `Signal`: what became of it.
    Signalled(Signalled),
    /// `shutdown`: everything has ended; these outlived KILL.
    Ended {
        stuck: Vec<Name>,
    },
}

/// What another configuration changed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Applied {
    pub added: Vec<Name>,
    pub removed: Vec<Name>,
    /// Take effect when the process is next started.
    pub changed: Vec<Name>,
}

/// One thing that happened, for people.
#[derive(Clone, Debug, PartialEq)]
pub struct Note {
    pub process: Option<Name>,
    pub change: Change,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Change {
    Requested {
        op: OpId,
        what: &'static str,
    },
    /// Somebody has this signal sent to the run's tree.
    Signalled {
        op: OpId,
        run: u64,
        signal: i32,
    },
    BuildStarted {
        build: u64,
        recipe: Mode,
        cause: Cause,
    },
    BuildSucceeded {
        build: u64,
        recipe: Mode,
    },
    BuildFailed {
        build: u64,
        failure: BuildFailure,
        still_up: Option<u64>,
    },
    BuildCancelled {
        build: u64,
    },
    /// The new run takes the place of the old one; written down before the old one is signalled.
    Promoted {
        run: u64,
        over: Option<u64>,
        cause: Cause,
    },
    Started {
        run: u64,
        pid: u32,
        recipe: Mode,
    },
    Adopted {
        run: u64,
        pid: u32,
    },
    Stopping {
        run: u64,
        reason: StopReason,
    },
    Killing {
        run: u64,
    },
    Stuck {
        run: u64,
    },
    Ended {
        run: u64,
        ending: Ending,
        asked: bool,
    },
    RestartIn {
        crash: u32,
        wait_ms: u64,
    },
    CrashRestart {
        run: u64,
        of: u64,
    },
    Parked {
        why: String,
    },
    SpawnFailed {
        run: u64,
        error: SpawnError,
    },
    ModeChanged {
        to: Mode,
    },
    Closing,
}

impl fmt::Display for BuildFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.reason)
    }
}

impl fmt::Display for SpawnError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}
