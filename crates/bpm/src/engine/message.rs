//! What the engine is told, and how soon what that changes is written down.

use std::time::Duration;

use bpm_api::{Error, GetStatus, Origin, RunTask, Status, TaskReady, TaskStatus};
use bpm_core::fleet::{Event, Outcome, Request};
use bpm_core::ids::{BuildId, Name, RunId};
use bpm_shim::protocol::Survivor;
use tokio::sync::oneshot;

use super::asking::{Begun, Keystrokes};
use super::facts::{Facts, Known, LiveRun};
use super::{ACTIVITY_SAVE, LAZY_SAVE};
use crate::exec::watch::Told;
use crate::store::build_progress::Progress;

/// What the engine is told. The inbox is unbounded, and what can be in it is bounded by the number of
/// runs and of API connections.
#[derive(Debug)]
pub(super) enum Message {
    Core(Event),
    Run {
        run: RunId,
        told: Told,
    },
    Ask {
        what: Request,
        origin: Origin,
        reply: oneshot::Sender<Outcome>,
    },
    Status {
        what: GetStatus,
        reply: oneshot::Sender<Result<Status, Error>>,
    },
    /// Who is left of the runs that were sent KILL: an answer to come from each of their shims.
    Survivors {
        process: String,
        reply: oneshot::Sender<Vec<oneshot::Receiver<Vec<Survivor>>>>,
    },
    /// How far a build under way is: at most ten times a second from each.
    Progress {
        build: BuildId,
        progress: Progress,
    },
    RunTask {
        ask: Box<RunTask>,
        /// The directory, absolute.
        cwd: String,
        origin: Origin,
        reply: oneshot::Sender<Result<Begun, Error>>,
    },
    /// All tasks, or one.
    Tasks {
        of: Option<String>,
        reply: oneshot::Sender<Result<Vec<TaskStatus>, Error>>,
    },
    ClearTasks {
        of: Option<String>,
        reply: oneshot::Sender<Result<usize, Error>>,
    },
    /// What a task waits for to be ready.
    Readiness {
        task: Name,
        reply: oneshot::Sender<Option<TaskReady>>,
    },
    /// A task's `ready` condition has held.
    TaskReady(Name),
    Input {
        process: Name,
        keys: Keystrokes,
        origin: Origin,
        reply: oneshot::Sender<Outcome>,
    },
    /// What names mean.
    Resolve {
        names: Vec<String>,
        reply: oneshot::Sender<Result<Vec<Known>, Error>>,
    },
    /// The run of a process or task that is up; one that is on its way is waited for.
    LiveRun {
        process: Name,
        reply: oneshot::Sender<Option<LiveRun>>,
    },
    Facts {
        names: Vec<Name>,
        reply: oneshot::Sender<Vec<Option<Facts>>>,
    },
    /// So many clients are connected now.
    Clients(u32),
    /// The terminal or systemd wants the manager to end.
    Shutdown,
}

/// How long what a message changes may wait to be written down, if nothing is performed for it.
pub(super) fn saved_after(message: &Message) -> Option<Duration> {
    match message {
        Message::Core(Event::Activity) => Some(ACTIVITY_SAVE),
        Message::Core(_) | Message::Run { .. } | Message::Ask { .. } | Message::Shutdown => Some(LAZY_SAVE),
        Message::RunTask { .. } | Message::Input { .. } => Some(LAZY_SAVE),
        Message::Status { .. }
        | Message::Progress { .. }
        | Message::Survivors { .. }
        | Message::Tasks { .. }
        | Message::ClearTasks { .. }
        | Message::TaskReady(_)
        | Message::Clients(_)
        | Message::Readiness { .. }
        | Message::Resolve { .. }
        | Message::LiveRun { .. }
        | Message::Facts { .. } => None,
    }
}
