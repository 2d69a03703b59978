//! The candidate: built while the live run serves, then promoted. The only way to a new live run.

use std::time::Duration;

use super::{
    Around, Artefact, Cancelling, Cause, Intent, LastBuild, LastLive, Phase, Rest, Run, Service, StopReason,
};
use crate::fleet::{Action, BuildFailure, BuildOutcome, Change, Outcome};
use crate::ids::{Mode, OpId};
use crate::time::Time;

/// How long a build that was told to end may take before it is killed.
const CANCEL_GRACE: Duration = Duration::from_secs(2);

/// What is being prepared to take the live run's place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    pub recipe: Mode,
    pub cause: Cause,
    pub step: Step,
    /// Its build was lost once and begun again; a second loss is a failure.
    pub(crate) rebuilt: bool,
    pub(crate) ops: Vec<OpId>,
}

/// How far the candidate is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Behind a build that was told to end and has not yet.
    Queued,
    Building {
        build: u64,
        /// `None`: before this manager, and nobody wrote down when.
        since: Option<Time>,
    },
}

impl Candidate {
    /// How long its build has been going on.
    fn took(&self, now: Time) -> Option<Duration> {
        match self.step {
            Step::Building { since, .. } => since.map(|since| now.since(since)),
            Step::Queued => None,
        }
    }
}

impl Service {
    /// Prepares a new live run. A candidate under way is dropped, its callers get this one's outcome.
    pub(super) fn begin_candidate(
        &mut self,
        recipe: Mode,
        cause: Cause,
        op: Option<OpId>,
        around: Around<'_>,
        out: &mut Vec<Action>,
    ) {
        let mut ops = self.drop_candidate(around.now, out);
        ops.extend(op);
        self.next = Some(Candidate { recipe, cause, step: Step::Queued, rebuilt: false, ops });
    }

    /// Ends the candidate's build, if any, and returns who waits for it.
    pub(super) fn drop_candidate(&mut self, now: Time, out: &mut Vec<Action>) -> Vec<OpId> {
        let Some(candidate) = self.next.take() else { return Vec::new() };
        if let Step::Building { build, .. } = candidate.step {
            self.cancelling = Some(Cancelling { build, kill_at: Some(now + CANCEL_GRACE) });
            self.note(out, Change::BuildCancelled { build });
            out.push(Action::CancelBuild { build: self.build_id(build) });
        }
        candidate.ops
    }

    pub(super) fn kill_cancelled_build(&mut self, now: Time, out: &mut Vec<Action>) {
        let Some(cancelling) = &mut self.cancelling else { return };
        if cancelling.kill_at.is_some_and(|at| at <= now) {
            cancelling.kill_at = None;
            let build = cancelling.build;
            out.push(Action::KillBuild { build: self.build_id(build) });
        }
    }

    /// A candidate whose turn has come is built, or promoted at once where its recipe has no build.
    pub(super) fn start_queued_build(&mut self, around: Around<'_>, out: &mut Vec<Action>) {
        if around.closing || self.cancelling.is_some() {
            return;
        }
        let builds_dev = self.rules.builds_dev;
        let builds_release = self.rules.builds_release;
        let number = self.next_build;
        let Some(candidate) = self.next.as_mut().filter(|candidate| candidate.step == Step::Queued) else {
            return;
        };
        let (recipe, cause) = (candidate.recipe, candidate.cause);
        let builds = match recipe {
            Mode::Dev => builds_dev,
            Mode::Release => builds_release,
        };
        if !builds {
            return self.promote(None, around, out);
        }
        candidate.step = Step::Building { build: number, since: Some(around.now) };
        self.next_build += 1;
        self.note(out, Change::BuildStarted { build: number, recipe, cause });
        out.push(Action::Build { build: self.build_id(number), recipe });
    }

    pub(crate) fn build_done(
        &mut self,
        number: u64,
        outcome: BuildOutcome,
        around: Around<'_>,
        out: &mut Vec<Action>,
    ) {
        if self.cancelling.is_some_and(|cancelling| cancelling.build == number) {
            self.cancelling = None;
            return;
        }
        let current = |step: Step| matches!(step, Step::Building { build, .. } if build == number);
        let Some(candidate) = self.next.as_mut().filter(|c| current(c.step)) else { return };
        let took = candidate.took(around.now);
        let recipe = candidate.recipe;
        let again = match outcome {
            BuildOutcome::NeverStarted => true,
            BuildOutcome::Lost => !std::mem::replace(&mut candidate.rebuilt, true),
            BuildOutcome::Built { .. } | BuildOutcome::Failed(_) | BuildOutcome::Cancelled => false,
        };
        if again {
            candidate.step = Step::Queued;
            return;
        }
        let failure = match outcome {
            BuildOutcome::Built { artefact } => {
                self.last_build = Some(LastBuild { number, recipe, failure: None, at: around.now, took });
                self.note(out, Change::BuildSucceeded { build: number, recipe });
                return self.promote(Some((number, artefact)), around, out);
            }
            BuildOutcome::Failed(failure) => failure,
            BuildOutcome::Cancelled => BuildFailure { reason: "the build was ended from outside".to_owned() },
            BuildOutcome::Lost | BuildOutcome::NeverStarted => {
                BuildFailure { reason: "the build was lost: its shim was killed".to_owned() }
            }
        };
        self.build_failed(number, recipe, failure, around, out);
    }

    /// A failed build changes nothing that runs.
    fn build_failed(
        &mut self,
        build: u64,
        recipe: Mode,
        failure: BuildFailure,
        around: Around<'_>,
        out: &mut Vec<Action>,
    ) {
        let candidate = self.next.take();
        let took = candidate.as_ref().and_then(|candidate| candidate.took(around.now));
        let mut ops = candidate.map(|candidate| candidate.ops).unwrap_or_default();
        self.last_build =
            Some(LastBuild { number: build, recipe, failure: Some(failure.clone()), at: around.now, took });
        let still_up =
            self.live.as_ref().filter(|run| run.phase.stop_reason().is_none()).map(|run| run.number);
        self.note(out, Change::BuildFailed { build, failure: failure.clone(), still_up });
        Self::finish(&mut ops, &Outcome::BuildFailed { build, failure: failure.clone(), still_up }, out);
        let gone = self.live.as_ref().is_none_or(Run::is_asked_to_end);
        let unexplained = matches!(self.rest, None | Some(Rest::BuildFailed { .. }));
        if gone && self.backoff.due.is_none() && unexplained && self.intent == Intent::Up {
            self.park(Rest::BuildFailed { build, failure }, out);
        }
    }

    /// The candidate becomes the live run. `built`: the build and whether it left an executable.
    fn promote(&mut self, built: Option<(u64, bool)>, around: Around<'_>, out: &mut Vec<Action>) {
        let Some(mut candidate) = self.next.take() else { return };
        if candidate.cause.is_asked_for() {
            self.backoff.forgive();
        }
        self.backoff.due = None;
        self.rest = None;
        let number = self.next_run;
        self.next_run += 1;
        let artefact = built.filter(|(_, kept)| *kept).map(|(build, _)| Artefact::Build(build));
        let mut run = Run::new(number, candidate.recipe, artefact, Phase::Waiting);
        run.build = built.map(|(build, _)| build);
        run.ops.append(&mut candidate.ops);
        // until it was up itself, it is what is tried again only where nothing was up before
        self.last_live.get_or_insert(LastLive { run: number, recipe: run.recipe, artefact });
        let over = self.retire_live(&mut run);
        self.live = Some(run);
        self.note(out, Change::Promoted { run: number, over, cause: candidate.cause });
        if let Some(old) = over {
            self.begin_stop(old, StopReason::Swap, around.now, out);
        }
    }

    /// Takes the live run out of its place. One that never started hands over its callers and is gone.
    fn retire_live(&mut self, successor: &mut Run) -> Option<u64> {
        let mut old = self.live.take()?;
        successor.ops.append(&mut old.ops);
        if !old.phase.may_be_alive() {
            return None;
        }
        let number = old.number;
        self.retiring.push(old);
        Some(number)
    }
}
