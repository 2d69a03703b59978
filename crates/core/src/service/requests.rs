//! What people, agents and the project itself ask of a process. Requests edit intent and candidate;
//! nothing here touches a live run except `stop`.

use super::{Around, Intent, LastBuild, Phase, Rules, Service, StopReason};
use crate::fleet::{Action, Change, Outcome};
use crate::ids::{Mode, OpId};

/// Why a candidate is being prepared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// The project starts up.
    Boot,
    /// Somebody asked for a restart.
    Restart,
    /// Somebody asked for a start.
    Start,
    /// Nobody used a tool for `dev_timeout_hours`.
    ReleaseSwitch,
}

impl Cause {
    /// Restarts that somebody asked for never count as crashes and forgive the ones before.
    pub(super) fn is_asked_for(self) -> bool {
        match self {
            Cause::Restart | Cause::Start => true,
            Cause::Boot | Cause::ReleaseSwitch => false,
        }
    }

    pub fn as_str(self) -> &'static str {
        match self {
            Cause::Boot => "start-up",
            Cause::Restart => "restart",
            Cause::Start => "start",
            Cause::ReleaseSwitch => "release switch",
        }
    }
}

impl Service {
    /// Wanted, yet nothing is up, on its way or due, and there is no reason to rest: that is how a
    /// project starts up, and how it goes on after a stop or build that was not meant to last.
    pub(crate) fn start_if_wanted(&mut self, around: Around<'_>, out: &mut Vec<Action>) {
        let wanted = self.intent == Intent::Up && !self.leaving && !around.closing;
        if wanted && self.is_quiet() && self.backoff.due.is_none() && self.rest.is_none() {
            self.begin_candidate(around.mode, Cause::Boot, None, around, out);
        }
    }

    /// Build first, then swap.
    pub(crate) fn restart(&mut self, recipe: Mode, op: OpId, around: Around<'_>, out: &mut Vec<Action>) {
        self.note(out, Change::Requested { op, what: "restart" });
        self.want_up(out);
        self.begin_candidate(recipe, Cause::Restart, Some(op), around, out);
    }

    /// The same request again, perhaps sent to the manager before: it gets the outcome of the first one.
    pub(crate) fn join_restart(&mut self, op: OpId, out: &mut Vec<Action>) {
        if let Some(candidate) = &mut self.next {
            return candidate.ops.push(op);
        }
        let newer = |build: &&LastBuild| self.live.as_ref().is_none_or(|run| run.build < Some(build.number));
        let failed = self.last_build.as_ref().filter(newer);
        let failed = failed.and_then(|last| last.failure.clone().map(|failure| (last.number, failure)));
        let outcome = match (&mut self.live, failed) {
            (Some(run), None) if run.pid.is_none() => return run.ops.push(op),
            (live, Some((build, failure))) => {
                Outcome::BuildFailed { build, failure, still_up: live.as_ref().map(|run| run.number) }
            }
            (Some(run), None) => {
                let (pid, run, build, recipe) = (run.pid.unwrap_or(0), run.number, run.build, run.recipe);
                Outcome::Up { run, pid, build, recipe }
            }
            (None, None) => Outcome::Overtaken { by: "what happened since" },
        };
        out.push(Action::Finish { op, outcome });
    }

    /// Idempotent: what runs is left alone, what is on its way is joined.
    pub(crate) fn start(&mut self, op: OpId, around: Around<'_>, out: &mut Vec<Action>) {
        self.note(out, Change::Requested { op, what: "start" });
        self.want_up(out);
        if let Some(candidate) = &mut self.next {
            return candidate.ops.push(op);
        }
        if let Some(run) = &mut self.live {
            match run.phase {
                Phase::Ready { .. } => {
                    let (recipe, pid, run) = (run.recipe, run.pid.unwrap_or(0), run.number);
                    return out.push(Action::Finish { op, outcome: Outcome::AlreadyUp { run, pid, recipe } });
                }
                Phase::Waiting | Phase::Spawning | Phase::Adopting => return run.ops.push(op),
                Phase::Leaderless { .. }
                | Phase::Stopping { .. }
                | Phase::Killed { .. }
                | Phase::Stuck { .. } => {}
            }
        }
        self.begin_candidate(around.mode, Cause::Start, Some(op), around, out);
    }

    /// Nothing of the process shall be left, and it stays so until somebody starts it.
    pub(crate) fn stop(&mut self, op: OpId, around: Around<'_>, out: &mut Vec<Action>) {
        self.note(out, Change::Requested { op, what: "stop" });
        self.intent = Intent::Down;
        let was_running = self.live.is_some() || !self.retiring.is_empty();
        self.wind_down(StopReason::Asked, "stop", around, out);
        let stuck =
            self.retiring.iter().chain(&self.live).find(|run| matches!(run.phase, Phase::Stuck { .. }));
        match stuck {
            Some(run) => out.push(Action::Finish { op, outcome: Outcome::Stuck { run: run.number } }),
            None if was_running => self.stop_ops.push(op),
            None => out.push(Action::Finish { op, outcome: Outcome::Down { was_running } }),
        }
    }

    /// The manager ends. Not a stop by hand: the intent stays.
    pub(crate) fn shut_down(&mut self, around: Around<'_>, out: &mut Vec<Action>) {
        self.wind_down(StopReason::Shutdown, "shutdown", around, out);
    }

    /// It is no longer configured.
    pub(crate) fn leave(&mut self, around: Around<'_>, out: &mut Vec<Action>) {
        self.leaving = true;
        self.wind_down(StopReason::Asked, "its removal from the configuration", around, out);
    }

    pub(crate) fn configure(&mut self, rules: Rules, around: Around<'_>, out: &mut Vec<Action>) {
        let newly_auto = rules.autostart && !self.rules.autostart;
        self.rules = rules;
        self.leaving = false;
        if newly_auto && self.intent == Intent::Idle {
            self.intent = Intent::Up;
            self.start_if_wanted(around, out);
        }
    }

    /// Nobody works on the project: back to the release recipe, where it differs.
    pub(crate) fn switch_to_release(&mut self, around: Around<'_>, out: &mut Vec<Action>) {
        let recipe_in_force =
            self.live.as_ref().map(|run| run.recipe).or(self.last_live.map(|last| last.recipe));
        let runs_dev = self.rest.is_none() && recipe_in_force == Some(Mode::Dev);
        let dev = runs_dev || self.next.as_ref().is_some_and(|c| c.recipe == Mode::Dev);
        if self.intent == Intent::Up && self.rules.recipes_differ && dev && !self.leaving {
            self.begin_candidate(Mode::Release, Cause::ReleaseSwitch, None, around, out);
        }
    }

    /// Somebody works on the project again before the switch was through.
    pub(crate) fn abandon_release_switch(&mut self, around: Around<'_>, out: &mut Vec<Action>) {
        if self.next.as_ref().is_some_and(|candidate| candidate.cause == Cause::ReleaseSwitch) {
            let mut ops = self.drop_candidate(around.now, out);
            Self::finish(&mut ops, &Outcome::Overtaken { by: "a restart" }, out);
        }
    }

    fn want_up(&mut self, out: &mut Vec<Action>) {
        self.intent = Intent::Up;
        let mut ops = std::mem::take(&mut self.stop_ops);
        Self::finish(&mut ops, &Outcome::Overtaken { by: "a start" }, out);
    }

    fn wind_down(&mut self, reason: StopReason, by: &'static str, around: Around<'_>, out: &mut Vec<Action>) {
        let mut ops = self.drop_candidate(around.now, out);
        self.backoff.due = None;
        if reason == StopReason::Asked {
            self.rest = None;
        }
        if let Some(run) = &mut self.live {
            ops.append(&mut run.ops);
            let (number, waiting) = (run.number, !run.phase.may_be_alive());
            if waiting {
                self.live = None;
            } else {
                self.begin_stop(number, reason, around.now, out);
            }
        }
        Self::finish(&mut ops, &Outcome::Overtaken { by }, out);
    }
}
