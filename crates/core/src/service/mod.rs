//! One process: what is wanted of it, which runs it has, and what comes next.
//!
//! ```text
//!  intent   Up | Down                       what people and agents want; only requests change it
//!  next     Queued -> Building              the candidate; its failure touches nothing else
//!  live     Waiting -> Spawning -> Ready -> Stopping -> Killed -> Stuck
//!  retiring the runs that were live and are being stopped
//!  due      when the crash rule starts the last live artefact again
//!  rest     why nothing runs and nothing is due although it is wanted
//! ```
//!
//! Requests edit `intent` and `next`; reports move runs from phase to phase; [`Service::reconcile`]
//! then takes the one step that is possible. There is one way to a new live run, [`Service::promote`],
//! for a person's request, the release switch, start-up and every other cause; a crash restart
//! spawns the same recipe and artefact again.

mod crash;
mod explain;
mod requests;
mod runs;
mod snapshot;
mod swap;
mod task;

pub use crash::{Backoff, Rest};
pub use explain::{State, Why};
pub use requests::Cause;
pub use runs::{Phase, Run, StopReason};
pub use snapshot::{ServiceSnapshot, SnapshotPhase, SnapshotRun};
pub use swap::{Candidate, Step};

use std::time::Duration;

use crate::config::{GiveUp, Kind, Process, RestartPolicy, Signal, StopRule, Timing};
use crate::fleet::{Action, BuildFailure, Change, Ending, Note, Outcome};
use crate::ids::{BuildId, Mode, Name, OpId, RunId};
use crate::time::Time;

/// What people and agents want.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Intent {
    Up,
    /// Never asked for: `autostart = false`.
    Idle,
    /// Stopped by hand; outlives the manager.
    Down,
}

/// What of the configuration decisions depend on. The recipes themselves are the shell's business.
#[derive(Clone, Debug, PartialEq)]
pub struct Rules {
    pub restart: RestartPolicy,
    pub give_up: Option<GiveUp>,
    pub stop: StopRule,
    pub autostart: bool,
    /// Whether a build comes before a run, per mode.
    pub builds_dev: bool,
    pub builds_release: bool,
    /// Whether dev and release differ at all; if not, the release switch leaves the process alone.
    pub recipes_differ: bool,
    /// Whether a build leaves an executable that a crash restart runs again.
    pub keeps_artefact: bool,
    /// It is a background task: run once, and what it leaves behind is kept until somebody ends it.
    pub task: Option<TaskRules>,
}

/// What is particular to a background task.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TaskRules {
    /// Its tree is ended when it has run for this long.
    pub kill_after: Option<Duration>,
}

impl Rules {
    pub fn of(process: &Process) -> Rules {
        let (rust, profiles_differ) = match &process.kind {
            Kind::Rust(target) => (true, target.profile.dev != target.profile.release),
            Kind::Npm | Kind::Command => (false, false),
        };
        let builds_itself = |command: &Option<_>| rust || command.is_some();
        Rules {
            restart: process.restart,
            give_up: process.give_up,
            stop: process.stop,
            autostart: process.autostart,
            builds_dev: builds_itself(&process.build.dev),
            builds_release: builds_itself(&process.build.release),
            recipes_differ: profiles_differ
                || process.build.dev != process.build.release
                || process.run.dev != process.run.release,
            keeps_artefact: rust,
            task: None,
        }
    }

    pub(crate) fn of_task(task: TaskRules) -> Rules {
        Rules { task: Some(task), ..Rules::unconfigured() }
    }

    /// For what still runs but is no longer configured: it is only to be ended.
    pub(crate) fn unconfigured() -> Rules {
        Rules {
            restart: RestartPolicy::Never,
            give_up: None,
            stop: StopRule { signal: Signal::TERM, grace: Duration::from_secs(5) },
            autostart: false,
            builds_dev: false,
            builds_release: false,
            recipes_differ: false,
            keeps_artefact: false,
            task: None,
        }
    }
}

/// What a step sees of the world around the service.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Around<'a> {
    pub(crate) now: Time,
    pub(crate) mode: Mode,
    pub(crate) timing: &'a Timing,
    pub(crate) closing: bool,
}

/// The state of one configured process.
#[derive(Clone, Debug)]
pub struct Service {
    pub(crate) name: Name,
    pub(crate) rules: Rules,
    pub(crate) intent: Intent,
    pub(crate) live: Option<Run>,
    pub(crate) next: Option<Candidate>,
    pub(crate) retiring: Vec<Run>,
    /// A build that was told to end and has not yet.
    pub(crate) cancelling: Option<Cancelling>,
    pub(crate) backoff: Backoff,
    pub(crate) rest: Option<Rest>,
    /// The last run that was live and can be run again: its recipe and, for `rust`, its artefact.
    pub(crate) last_live: Option<LastLive>,
    pub(crate) last_exit: Option<LastExit>,
    pub(crate) last_build: Option<LastBuild>,
    pub(crate) stop_ops: Vec<OpId>,
    pub(crate) next_run: u64,
    pub(crate) next_build: u64,
    pub(crate) starts: u64,
    /// Removed from the configuration: goes away once nothing of it is left.
    pub(crate) leaving: bool,
    /// A task: it was told how it ended.
    pub(crate) end_told: bool,
}

/// A build that was told to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cancelling {
    pub build: u64,
    pub(crate) kill_at: Option<Time>,
}

/// What a crash restart starts again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LastLive {
    pub run: u64,
    pub recipe: Mode,
    pub artefact: Option<Artefact>,
}

/// Where the executable of a run is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Artefact {
    /// Beside the build that made it.
    Build(u64),
    /// Beside the run that last used it.
    Run(u64),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LastExit {
    pub run: u64,
    pub ending: Ending,
    pub at: Time,
    /// Whether somebody asked for it.
    pub asked: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LastBuild {
    pub number: u64,
    pub recipe: Mode,
    /// `None` when it succeeded.
    pub failure: Option<BuildFailure>,
    pub at: Time,
    /// `None`: nobody wrote down when it began.
    pub took: Option<Duration>,
}

impl Service {
    pub(crate) fn new(name: Name, rules: Rules) -> Service {
        let intent = if rules.autostart { Intent::Up } else { Intent::Idle };
        Service {
            name,
            rules,
            intent,
            live: None,
            next: None,
            retiring: Vec::new(),
            cancelling: None,
            backoff: Backoff::default(),
            rest: None,
            last_live: None,
            last_exit: None,
            last_build: None,
            stop_ops: Vec::new(),
            next_run: 1,
            next_build: 1,
            starts: 0,
            leaving: false,
            end_told: false,
        }
    }

    /// The earliest time at which something is to be done without a further report.
    pub(crate) fn next_deadline(&self) -> Option<Time> {
        let runs = self.live.iter().chain(&self.retiring).filter_map(|run| run.phase.deadline());
        let kill_build = self.cancelling.and_then(|c| c.kill_at);
        let due = self.backoff.due.filter(|_| self.may_spawn_crash_restart());
        runs.chain(kill_build).chain(due).chain(self.time_limit()).min()
    }

    /// True when no process of this service can be alive and nothing is under way.
    pub(crate) fn is_quiet(&self) -> bool {
        self.live.is_none() && self.retiring.is_empty() && self.next.is_none() && self.cancelling.is_none()
    }

    /// A task that has run: nothing more will come of it.
    pub(crate) fn is_finished_task(&self) -> bool {
        self.rules.task.is_some() && self.is_quiet()
    }

    /// True when the only things left are runs that KILL did not end.
    pub(crate) fn is_quiet_or_stuck(&self) -> bool {
        let stuck = |run: &Run| matches!(run.phase, Phase::Stuck { .. });
        self.live.iter().chain(&self.retiring).all(stuck) && self.next.is_none() && self.cancelling.is_none()
    }

    pub(crate) fn run_id(&self, number: u64) -> RunId {
        RunId { process: self.name.clone(), number }
    }

    pub(crate) fn build_id(&self, number: u64) -> BuildId {
        BuildId { process: self.name.clone(), number }
    }

    pub(crate) fn note(&self, out: &mut Vec<Action>, change: Change) {
        out.push(Action::Note(Note { process: Some(self.name.clone()), change }));
    }

    fn finish(ops: &mut Vec<OpId>, outcome: &Outcome, out: &mut Vec<Action>) {
        out.extend(ops.drain(..).map(|op| Action::Finish { op, outcome: outcome.clone() }));
    }

    /// Takes the one step that is possible now, after every event.
    pub(crate) fn reconcile(&mut self, around: Around<'_>, out: &mut Vec<Action>) {
        self.start_if_wanted(around, out);
        self.start_queued_build(around, out);
        self.spawn_waiting(around, out);
        self.restart_when_due(around, out);
        self.finish_stops(out);
    }

    /// Time has passed: escalates stops and looks at what is due.
    pub(crate) fn tick(&mut self, around: Around<'_>, out: &mut Vec<Action>) {
        self.end_overdue_task(around, out);
        self.escalate(around, out);
        self.kill_cancelled_build(around.now, out);
    }
}

/// Read-only views for [`crate::fleet::Fleet`]'s users.
impl Service {
    pub fn name(&self) -> &Name {
        &self.name
    }
    pub fn intent(&self) -> Intent {
        self.intent
    }
    pub fn live(&self) -> Option<&Run> {
        self.live.as_ref()
    }
    pub fn candidate(&self) -> Option<&Candidate> {
        self.next.as_ref()
    }
    /// The build that was told to end and has not yet.
    pub fn cancelled_build(&self) -> Option<u64> {
        self.cancelling.map(|cancelling| cancelling.build)
    }
    pub fn retiring(&self) -> &[Run] {
        &self.retiring
    }
    pub fn rules(&self) -> &Rules {
        &self.rules
    }
    pub fn backoff(&self) -> &Backoff {
        &self.backoff
    }
    pub fn last_exit(&self) -> Option<&LastExit> {
        self.last_exit.as_ref()
    }
    pub fn last_build(&self) -> Option<&LastBuild> {
        self.last_build.as_ref()
    }
    pub fn last_live(&self) -> Option<LastLive> {
        self.last_live
    }
    pub fn rest(&self) -> Option<&Rest> {
        self.rest.as_ref()
    }
    /// How often a run of this process was started, crash restarts included.
    pub fn starts(&self) -> u64 {
        self.starts
    }
}

impl Service {
    /// What must hold after every step, as a sentence when it does not.
    pub(crate) fn check(&self) -> Result<(), String> {
        let name = &self.name;
        let mut numbers: Vec<u64> = self.live.iter().chain(&self.retiring).map(|run| run.number).collect();
        numbers.sort_unstable();
        if numbers.windows(2).any(|pair| pair[0] == pair[1]) {
            return Err(format!("{name}: a run number stands twice: {numbers:?}"));
        }
        if numbers.iter().any(|number| *number >= self.next_run) {
            return Err(format!(
                "{name}: a run number is ahead of the next one {}: {numbers:?}",
                self.next_run
            ));
        }
        let unstopped = |run: &&Run| run.phase.stop_reason().is_none() && run.phase != Phase::Adopting;
        if let Some(run) = self.retiring.iter().find(unstopped) {
            return Err(format!("{name}: run {} is retiring in phase {:?}", run.number, run.phase));
        }
        let up =
            |run: &Run| matches!(run.phase, Phase::Spawning | Phase::Ready { .. } | Phase::Leaderless { .. });
        let spawning_beside = self.live.as_ref().is_some_and(up);
        if spawning_beside && !self.retiring.is_empty() {
            return Err(format!("{name}: a run was started beside one that is being stopped"));
        }
        if self.rules.task.is_some() && (self.backoff.due.is_some() || self.rest.is_some()) {
            return Err(format!("{name}: a task, yet it is to be started again or at rest"));
        }
        if self.intent == Intent::Down && self.backoff.due.is_some() {
            return Err(format!("{name}: stopped by hand, yet a restart is due"));
        }
        if self.live.as_ref().is_some_and(|run| !run.is_asked_to_end()) && self.rest.is_some() {
            return Err(format!("{name}: at rest, yet a run is live"));
        }
        Ok(())
    }
}
