//! What of a process must survive the manager: enough to go on as if nothing had happened. Plain
//! data; the shell writes it down before it performs a step's actions.

use std::time::Duration;

use super::{
    Artefact, Backoff, Cancelling, Candidate, Cause, Intent, LastLive, Phase, Rest, Rules, Run, Service,
    Step, TaskRules,
};
use super::{LastBuild, LastExit, StopReason};
use crate::fleet::Found;
use crate::ids::{Mode, Name};
use crate::time::Time;

/// One process in [`crate::fleet::Snapshot`].
#[derive(Clone, Debug, PartialEq)]
pub struct ServiceSnapshot {
    pub name: Name,
    /// It is a background task.
    pub task: Option<TaskRules>,
    pub intent: Intent,
    pub live: Option<SnapshotRun>,
    pub retiring: Vec<SnapshotRun>,
    /// The candidate's recipe, cause, and its build if that has begun.
    pub next: Option<(Mode, Cause, Option<u64>)>,
    /// When that build began.
    pub build_since: Option<Time>,
    pub cancelling: Option<u64>,
    pub crashes: u32,
    pub last_wait: Duration,
    pub due: Option<Time>,
    pub crash_times: Vec<Time>,
    pub rest: Option<Rest>,
    pub last_live: Option<LastLive>,
    pub last_exit: Option<LastExit>,
    pub last_build: Option<LastBuild>,
    pub next_run: u64,
    pub next_build: u64,
    pub starts: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SnapshotRun {
    pub number: u64,
    pub recipe: Mode,
    pub artefact: Option<Artefact>,
    pub build: Option<u64>,
    pub phase: SnapshotPhase,
}

/// The phases that matter to the next manager: whether a program may be there, and why it is ending.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SnapshotPhase {
    Waiting,
    Started,
    Stopping(StopReason),
}

impl SnapshotRun {
    fn of(run: &Run) -> SnapshotRun {
        let phase = match (run.phase, run.phase.stop_reason()) {
            (_, Some(reason)) => SnapshotPhase::Stopping(reason),
            (Phase::Waiting, None) => SnapshotPhase::Waiting,
            (_, None) => SnapshotPhase::Started,
        };
        SnapshotRun {
            number: run.number,
            recipe: run.recipe,
            artefact: run.artefact,
            build: run.build,
            phase,
        }
    }

    fn restore(self) -> Run {
        let phase = match self.phase {
            SnapshotPhase::Waiting => Phase::Waiting,
            SnapshotPhase::Started | SnapshotPhase::Stopping(_) => Phase::Adopting,
        };
        let mut run = Run::new(self.number, self.recipe, self.artefact, phase);
        run.build = self.build;
        run
    }
}

impl Service {
    pub(crate) fn snapshot(&self) -> ServiceSnapshot {
        let next = self.next.as_ref().map(|candidate| {
            let build = match candidate.step {
                Step::Queued => None,
                Step::Building { build, .. } => Some(build),
            };
            (candidate.recipe, candidate.cause, build)
        });
        let build_since = self.next.as_ref().and_then(|candidate| match candidate.step {
            Step::Building { since, .. } => since,
            Step::Queued => None,
        });
        ServiceSnapshot {
            build_since,
            name: self.name.clone(),
            task: self.rules.task,
            intent: self.intent,
            live: self.live.as_ref().map(SnapshotRun::of),
            retiring: self.retiring.iter().map(SnapshotRun::of).collect(),
            next,
            cancelling: self.cancelling.map(|cancelling| cancelling.build),
            crashes: self.backoff.crashes,
            last_wait: self.backoff.last_wait,
            due: self.backoff.due,
            crash_times: self.backoff.times.iter().copied().collect(),
            rest: self.rest.clone(),
            last_live: self.last_live,
            last_exit: self.last_exit.clone(),
            last_build: self.last_build.clone(),
            next_run: self.next_run,
            next_build: self.next_build,
            starts: self.starts,
        }
    }

    /// Goes on where the manager before was. Every run that may exist is `Adopting` until it is reported.
    pub(crate) fn restore(rules: Rules, snapshot: ServiceSnapshot, now: Time) -> Service {
        let fresh = Service::new(snapshot.name, rules);
        let build_since = snapshot.build_since.map(|since| since.min(now));
        let next = snapshot.next.map(|(recipe, cause, build)| {
            let step = build.map_or(Step::Queued, |build| Step::Building { build, since: build_since });
            Candidate { recipe, cause, step, rebuilt: false, ops: Vec::new() }
        });
        let mut retiring: Vec<Run> = snapshot.retiring.into_iter().map(SnapshotRun::restore).collect();
        // a live run that was being stopped by request, or for a swap, is ended by the next manager
        let stopping = |run: &SnapshotRun| {
            matches!(
                run.phase,
                SnapshotPhase::Stopping(
                    StopReason::Asked | StopReason::TimeLimit | StopReason::Swap | StopReason::Shutdown
                )
            )
        };
        let live = match snapshot.live {
            Some(run) if stopping(&run) => {
                retiring.push(run.restore());
                None
            }
            other => other.map(SnapshotRun::restore),
        };
        let intent = match snapshot.intent {
            Intent::Idle => fresh.intent, // `autostart` may have changed
            asked_for => asked_for,
        };
        Service {
            intent,
            live,
            next,
            retiring,
            cancelling: snapshot.cancelling.map(|build| Cancelling { build, kill_at: Some(now) }),
            backoff: Backoff {
                crashes: snapshot.crashes,
                last_wait: snapshot.last_wait,
                due: snapshot.due,
                times: snapshot.crash_times.into(),
            },
            rest: snapshot.rest,
            last_live: snapshot.last_live,
            last_exit: snapshot.last_exit,
            last_build: snapshot.last_build,
            next_run: snapshot.next_run,
            next_build: snapshot.next_build,
            starts: snapshot.starts,
            ..fresh
        }
    }
}

impl ServiceSnapshot {
    /// Another boot, or an orderly end: nothing of it is alive, but what was stopped by hand stays
    /// stopped, numbers go on, and the last executable is still there.
    pub fn at_rest(self) -> ServiceSnapshot {
        ServiceSnapshot {
            live: None,
            retiring: Vec::new(),
            next: None,
            build_since: None,
            cancelling: None,
            crashes: 0,
            last_wait: Duration::ZERO,
            due: None,
            crash_times: Vec::new(),
            rest: None,
            last_exit: None,
            last_build: None,
            starts: 0,
            ..self
        }
    }

    /// Nothing is known of it.
    pub(crate) fn unknown(name: Name) -> ServiceSnapshot {
        ServiceSnapshot {
            intent: Intent::Idle,
            last_live: None,
            next_run: 1,
            next_build: 1,
            ..Service::new(name, Rules::unconfigured()).snapshot()
        }
    }

    /// The newest run is the live one, since none is started before those before it are gone; it is wanted, since
    /// it was started after what is written down. A build that nobody remembers is ended.
    pub(crate) fn find(&mut self, found: &Found, mode: Mode) {
        self.task = self.task.or(found.task);
        self.next_run = self.next_run.max(found.last_run.saturating_add(1));
        self.next_build = self.next_build.max(found.last_build.saturating_add(1));
        self.cancelling = self.cancelling.or(found.build);
        let known: Vec<u64> = self.live.iter().chain(&self.retiring).map(|run| run.number).collect();
        let mut runs: Vec<_> = found.runs.iter().filter(|(number, _)| !known.contains(number)).collect();
        runs.sort_unstable();
        for (number, keeps) in runs {
            let artefact = keeps.then_some(Artefact::Run(*number));
            let phase = SnapshotPhase::Started;
            self.succeed(SnapshotRun { number: *number, recipe: mode, artefact, build: None, phase });
        }
    }

    fn succeed(&mut self, run: SnapshotRun) {
        if self.live.is_some_and(|live| live.number > run.number) {
            return self.retiring.push(run);
        }
        let before = self.live.replace(run).filter(|before| before.phase != SnapshotPhase::Waiting);
        self.retiring.extend(before);
        if self.task.is_none() {
            self.intent = Intent::Up;
        }
        self.due = None;
        self.rest = None;
    }

    /// No longer configured and nothing of it left: only its numbers are kept, since they are never
    /// used twice, should the name come back.
    pub(crate) fn departed(self) -> ServiceSnapshot {
        ServiceSnapshot { intent: Intent::Idle, last_live: None, ..self.at_rest() }
    }

    /// Whether a program or a build of it may be alive.
    pub(crate) fn may_live(&self) -> bool {
        let builds = self.next.is_some_and(|(_, _, build)| build.is_some()) || self.cancelling.is_some();
        builds || self.live.is_some() || !self.retiring.is_empty()
    }
}
