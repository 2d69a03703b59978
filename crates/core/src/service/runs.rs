//! Runs: how one is spawned, stopped, escalated, and let go. Nothing here decides about restarts.

use std::time::Duration;

use super::{Around, LastExit, LastLive, Rest, Service};
use crate::fleet::{Action, Change, Ending, Outcome, SpawnError};
use crate::ids::{Mode, OpId};
use crate::service::Artefact;
use crate::time::Time;

/// How long a tree may take to vanish after KILL before it counts as stuck.
const KILL_GRACE: Duration = Duration::from_secs(5);

/// Where a run stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Promoted, and waits until the runs before it are gone.
    Waiting,
    /// Its shim has been asked to start it.
    Spawning,
    /// Found in the records of the manager before; what became of it is being looked up.
    Adopting,
    /// It runs. Without a readiness probe a run is ready when spawned.
    Ready { since: Time },
    /// A task whose leader has ended by itself, and what it left behind: kept until somebody ends it.
    Leaderless { since: Time },
    /// Its tree was asked to end, or its leader ended and the rest of the tree was asked to.
    Stopping { kill_at: Time, reason: StopReason },
    /// Its tree was sent KILL.
    Killed { give_up_at: Time, reason: StopReason },
    /// It outlived KILL.
    Stuck { reason: StopReason },
}

/// Why a run's tree is being ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StopReason {
    /// A new run takes its place.
    Swap,
    /// Somebody asked.
    Asked,
    /// A task has run for as long as it may.
    TimeLimit,
    /// The manager shuts down.
    Shutdown,
    /// Its leader ended by itself; this is what it left behind.
    Leftovers,
}

impl Phase {
    pub(super) fn deadline(self) -> Option<Time> {
        match self {
            Phase::Stopping { kill_at, .. } => Some(kill_at),
            Phase::Killed { give_up_at, .. } => Some(give_up_at),
            Phase::Waiting
            | Phase::Spawning
            | Phase::Adopting
            | Phase::Ready { .. }
            | Phase::Leaderless { .. }
            | Phase::Stuck { .. } => None,
        }
    }

    pub(super) fn stop_reason(self) -> Option<StopReason> {
        match self {
            Phase::Stopping { reason, .. } | Phase::Killed { reason, .. } | Phase::Stuck { reason } => {
                Some(reason)
            }
            Phase::Waiting
            | Phase::Spawning
            | Phase::Adopting
            | Phase::Ready { .. }
            | Phase::Leaderless { .. } => None,
        }
    }

    /// True once a program may exist.
    pub(super) fn may_be_alive(self) -> bool {
        !matches!(self, Phase::Waiting)
    }
}

/// One execution of the process.
#[derive(Clone, Debug)]
pub struct Run {
    pub number: u64,
    pub recipe: Mode,
    pub artefact: Option<Artefact>,
    pub build: Option<u64>,
    pub phase: Phase,
    pub pid: Option<u32>,
    /// When the leader was started.
    pub started: Option<Time>,
    /// How and when the leader ended, while the tree is not yet empty.
    pub ended: Option<(Ending, Time)>,
    pub(crate) ops: Vec<OpId>,
}

impl Run {
    pub(super) fn new(number: u64, recipe: Mode, artefact: Option<Artefact>, phase: Phase) -> Run {
        Run {
            number,
            recipe,
            artefact,
            build: None,
            phase,
            pid: None,
            started: None,
            ended: None,
            ops: Vec::new(),
        }
    }

    pub fn is_ready(&self) -> bool {
        matches!(self.phase, Phase::Ready { .. })
    }

    /// True when it is yet to come up, or to be found again.
    pub(crate) fn is_on_its_way(&self) -> bool {
        matches!(self.phase, Phase::Waiting | Phase::Spawning | Phase::Adopting)
    }

    /// True when its end leaves nothing to the crash rule.
    pub(super) fn is_asked_to_end(&self) -> bool {
        self.phase.stop_reason().is_some_and(|reason| reason != StopReason::Leftovers)
    }

    /// True when nothing was heard of a program of this run: it may still turn out never to have started.
    fn is_unheard_of(&self) -> bool {
        self.phase.may_be_alive() && self.pid.is_none() && self.ended.is_none()
    }
}

impl Service {
    /// Finds a run by number. Reports about runs that are gone end here, in one place.
    pub(crate) fn run_mut(&mut self, number: u64) -> Option<&mut Run> {
        self.live.iter_mut().chain(&mut self.retiring).find(|run| run.number == number)
    }

    /// Starts a run that waited for its predecessors, once they are gone.
    pub(super) fn spawn_waiting(&mut self, around: Around<'_>, out: &mut Vec<Action>) {
        if around.closing {
            return;
        }
        if !self.retiring.is_empty() {
            return self.tell_who_waits_for_a_stuck_run(out);
        }
        let id = match &mut self.live {
            Some(run) if run.phase == Phase::Waiting => {
                run.phase = Phase::Spawning;
                run.number
            }
            _ => return,
        };
        self.rest = None;
        let (recipe, artefact) =
            self.live.as_ref().map_or((around.mode, None), |run| (run.recipe, run.artefact));
        out.push(Action::Spawn { run: self.run_id(id), recipe, artefact });
    }

    /// Nothing is started beside a stuck run, and it may stay for ever: callers are not kept waiting.
    fn tell_who_waits_for_a_stuck_run(&mut self, out: &mut Vec<Action>) {
        let stuck = self.retiring.iter().find(|run| matches!(run.phase, Phase::Stuck { .. }));
        if let (Some(stuck), Some(live)) = (stuck, &mut self.live) {
            Self::finish(&mut live.ops, &Outcome::Stuck { run: stuck.number }, out);
        }
    }

    pub(crate) fn spawned(&mut self, number: u64, pid: u32, around: Around<'_>, out: &mut Vec<Action>) {
        if self.run_mut(number).is_some_and(|run| run.phase == Phase::Adopting) {
            return self.adopted(number, pid, around.now, around, out); // its shim was found still at it
        }
        let Some(run) = self.run_mut(number) else { return };
        if !run.is_unheard_of() {
            return;
        }
        run.pid = Some(pid);
        run.started = Some(around.now);
        if run.phase != Phase::Spawning {
            return; // told to stop while it was being started; its end will be reported
        }
        run.phase = Phase::Ready { since: around.now };
        let (recipe, build) = (run.recipe, run.build);
        let mut ops = std::mem::take(&mut run.ops);
        self.starts += 1;
        self.remember_as_live(number);
        self.note(out, Change::Started { run: number, pid, recipe });
        Self::finish(&mut ops, &Outcome::Up { run: number, pid, build, recipe }, out);
    }

    pub(crate) fn spawn_failed(
        &mut self,
        number: u64,
        error: SpawnError,
        around: Around<'_>,
        out: &mut Vec<Action>,
    ) {
        let Some(run) = self.run_mut(number) else { return };
        if !run.is_unheard_of() {
            return;
        }
        let asked = run.phase.stop_reason().is_some();
        let mut ops = std::mem::take(&mut run.ops);
        let asked = asked || self.live.as_ref().is_none_or(|live| live.number != number);
        self.note(out, Change::SpawnFailed { run: number, error: error.clone() });
        self.end_told = true;
        let outcome = match asked {
            true => Outcome::Overtaken { by: "stop" },
            false => Outcome::SpawnFailed { run: number, error: error.clone() },
        };
        Self::finish(&mut ops, &outcome, out);
        self.forget(number);
        if asked || self.rules.task.is_some() {
            return;
        }
        if error.permanent {
            self.park(Rest::CannotStart { error }, out);
        } else {
            self.schedule_restart(around.now, Duration::ZERO, around, out);
        }
    }

    pub(crate) fn adopted(
        &mut self,
        number: u64,
        pid: u32,
        started: Time,
        around: Around<'_>,
        out: &mut Vec<Action>,
    ) {
        let Some(run) = self.run_mut(number) else { return };
        if run.phase != Phase::Adopting {
            return;
        }
        run.pid = Some(pid);
        run.started = Some(started);
        run.phase = Phase::Ready { since: started };
        let recipe = run.recipe;
        let mut ops = std::mem::take(&mut run.ops);
        let retiring = self.live.as_ref().is_none_or(|live| live.number != number);
        self.remember_as_live(number);
        self.note(out, Change::Adopted { run: number, pid });
        Self::finish(&mut ops, &Outcome::AlreadyUp { run: number, pid, recipe }, out);
        if retiring || self.intent == super::Intent::Down {
            let reason = if retiring { StopReason::Swap } else { StopReason::Asked };
            self.begin_stop(number, reason, around.now, out);
        }
    }

    /// A run that was to be started by the manager before and never was: it is started now, under a new
    /// number, since its directory may exist.
    pub(crate) fn never_started(&mut self, number: u64) {
        let fresh = self.next_run;
        if let Some(run) = &mut self.live
            && run.number == number
            && run.phase == Phase::Adopting
        {
            run.number = fresh;
            run.phase = Phase::Waiting;
            self.next_run += 1;
            return;
        }
        let gone = |run: &mut Run| run.is_unheard_of() && run.phase != Phase::Spawning;
        if self.run_mut(number).is_some_and(gone) {
            self.forget(number);
        }
    }

    /// A live run has been up: it is what a crash restart runs again, with the executable kept beside it.
    fn remember_as_live(&mut self, number: u64) {
        let Some(run) = self.live.as_mut().filter(|run| run.number == number) else { return };
        run.artefact = run.artefact.map(|_| Artefact::Run(number));
        self.last_live = Some(LastLive { run: number, recipe: run.recipe, artefact: run.artefact });
    }

    /// Asks a run's tree to end. Does nothing to one that is being ended already.
    pub(super) fn begin_stop(&mut self, number: u64, reason: StopReason, now: Time, out: &mut Vec<Action>) {
        let (signal, kill_at) = (self.rules.stop.signal, now + self.rules.stop.grace);
        let Some(run) = self.run_mut(number) else { return };
        if run.phase.stop_reason().is_some() || !run.phase.may_be_alive() {
            return;
        }
        run.phase = Phase::Stopping { kill_at, reason };
        self.note(out, Change::Stopping { run: number, reason });
        out.push(Action::Terminate { run: self.run_id(number), signal });
    }

    /// Sends KILL where the grace is over, and gives up where KILL did not help.
    pub(super) fn escalate(&mut self, around: Around<'_>, out: &mut Vec<Action>) {
        let now = around.now;
        let due = |run: &&Run| run.phase.deadline().is_some_and(|at| at <= now);
        let numbers: Vec<u64> =
            self.live.iter().chain(&self.retiring).filter(due).map(|run| run.number).collect();
        for number in numbers {
            self.escalate_run(number, now, out);
        }
    }

    /// A second shutdown request: no more grace.
    pub(crate) fn kill_all(&mut self, now: Time, out: &mut Vec<Action>) {
        let stopping = |run: &&Run| matches!(run.phase, Phase::Stopping { .. });
        let numbers: Vec<u64> =
            self.live.iter().chain(&self.retiring).filter(stopping).map(|run| run.number).collect();
        for number in numbers {
            self.escalate_run(number, now, out);
        }
        if let Some(cancelling) = &mut self.cancelling {
            cancelling.kill_at = Some(now);
        }
        self.kill_cancelled_build(now, out);
    }

    fn escalate_run(&mut self, number: u64, now: Time, out: &mut Vec<Action>) {
        let Some(run) = self.run_mut(number) else { return };
        match run.phase {
            Phase::Stopping { reason, .. } => {
                run.phase = Phase::Killed { give_up_at: now + KILL_GRACE, reason };
                self.note(out, Change::Killing { run: number });
                out.push(Action::Kill { run: self.run_id(number) });
            }
            Phase::Killed { reason, .. } => {
                run.phase = Phase::Stuck { reason };
                self.note(out, Change::Stuck { run: number });
                let mut ops = std::mem::take(&mut self.stop_ops);
                if let Some(live) = &mut self.live {
                    ops.append(&mut live.ops);
                }
                Self::finish(&mut ops, &Outcome::Stuck { run: number }, out);
            }
            Phase::Waiting
            | Phase::Spawning
            | Phase::Adopting
            | Phase::Ready { .. }
            | Phase::Leaderless { .. }
            | Phase::Stuck { .. } => {}
        }
    }

    /// The leader ended. If nobody asked for it, what it left behind is ended too.
    pub(crate) fn exited(
        &mut self,
        number: u64,
        ending: Ending,
        at: Time,
        around: Around<'_>,
        out: &mut Vec<Action>,
    ) {
        let Some(run) = self.run_mut(number) else { return };
        if run.ended.is_some() || run.phase == Phase::Waiting {
            return;
        }
        let was_up_unnoticed = run.is_unheard_of() && ending != Ending::Lost;
        run.ended = Some((ending, at));
        let asked = run.phase.stop_reason().is_some();
        if was_up_unnoticed {
            self.remember_as_live(number);
        }
        self.last_exit = Some(LastExit { run: number, ending, at, asked });
        self.note(out, Change::Ended { run: number, ending, asked });
        self.end_told = true;
        self.tell_that_it_ran(number, out);
        if asked {
            return;
        }
        let kill_at = around.now + self.rules.stop.grace;
        // one that the manager before was ending is ended to the last of it
        let is_live = self.live.as_ref().is_some_and(|live| live.number == number);
        let phase = match self.rules.task {
            Some(_) if is_live => Phase::Leaderless { since: at },
            _ => Phase::Stopping { kill_at, reason: StopReason::Leftovers },
        };
        if let Some(run) = self.run_mut(number) {
            run.phase = phase;
        }
    }

    /// What is left of a tree whose leader ended by itself is asked to end.
    pub(crate) fn end_leftovers(&mut self, number: u64, out: &mut Vec<Action>) {
        let signal = self.rules.stop.signal;
        let leftovers =
            self.run_mut(number).is_some_and(|run| run.phase.stop_reason() == Some(StopReason::Leftovers));
        if leftovers {
            out.push(Action::Terminate { run: self.run_id(number), signal });
        }
    }

    /// Nothing of the run is left: the crash rule applies if nobody asked for its end.
    pub(crate) fn tree_empty(&mut self, number: u64, around: Around<'_>, out: &mut Vec<Action>) {
        let Some(run) = self.run_mut(number) else { return };
        let (ended, phase, started) = (run.ended, run.phase, run.started);
        if !phase.may_be_alive() || ended.is_none() {
            return;
        }
        let mut ops = std::mem::take(&mut run.ops);
        let was_live = self.live.as_ref().is_some_and(|live| live.number == number);
        self.forget(number);
        Self::finish(&mut ops, &Outcome::SpawnFailed { run: number, error: ended_at_once(ended) }, out);
        if let (true, Some(StopReason::Leftovers), Some((ending, at))) =
            (was_live, phase.stop_reason(), ended)
        {
            let ready_for = started.map_or(Duration::ZERO, |since| at.since(since));
            self.crashed(ending, at, ready_for, around, out);
        }
    }

    pub(super) fn forget(&mut self, number: u64) {
        if self.live.as_ref().is_some_and(|live| live.number == number) {
            self.live = None;
        }
        self.retiring.retain(|run| run.number != number);
    }

    /// `stop` is done when nothing of the process is left.
    pub(super) fn finish_stops(&mut self, out: &mut Vec<Action>) {
        if self.live.is_none() && self.retiring.is_empty() && !self.stop_ops.is_empty() {
            let mut ops = std::mem::take(&mut self.stop_ops);
            Self::finish(&mut ops, &Outcome::Down { was_running: true }, out);
        }
    }
}

/// What a caller is told who waited for a run that ended before it was seen to be up.
fn ended_at_once(ended: Option<(Ending, Time)>) -> SpawnError {
    let ending = ended.map_or(Ending::Lost, |(ending, _)| ending);
    SpawnError { message: format!("it ended at once: {ending}"), permanent: false }
}
