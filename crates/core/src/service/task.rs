//! What a background task does otherwise than a process: it is run once, and it may have a time limit.

use super::{Around, Cause, Rules, Run, Service, StopReason, TaskRules};
use crate::fleet::{Action, Change, Outcome, SpawnError};
use crate::ids::{Name, OpId};
use crate::time::Time;

impl Service {
    pub(crate) fn new_task(name: Name, rules: TaskRules) -> Service {
        Service::new(name, Rules::of_task(rules))
    }

    /// Its one start.
    pub(crate) fn run_once(&mut self, op: OpId, around: Around<'_>, out: &mut Vec<Action>) {
        self.note(out, Change::Requested { op, what: "run" });
        self.begin_candidate(around.mode, Cause::Start, Some(op), around, out);
    }

    /// When the live run has had its time. Awake time since it was started, also by a manager before.
    pub(super) fn time_limit(&self) -> Option<Time> {
        let limit = self.rules.task?.kill_after?;
        let run = self.live.as_ref().filter(|run| run.phase.stop_reason().is_none())?;
        run.started.map(|started| started + limit)
    }

    /// It is dropped: whoever waits is told of its end, also where it never ran.
    pub(crate) fn tell_end(&mut self, out: &mut Vec<Action>) {
        if !std::mem::replace(&mut self.end_told, true) {
            let error =
                SpawnError { message: "it was ended before it was started".to_owned(), permanent: true };
            self.note(out, Change::SpawnFailed { run: self.next_run.saturating_sub(1).max(1), error });
        }
    }

    /// A task that has ended before it was seen to be up did what it was run for.
    pub(super) fn tell_that_it_ran(&mut self, number: u64, out: &mut Vec<Action>) {
        if self.rules.task.is_none() {
            return;
        }
        let Some(run) = self.run_mut(number) else { return };
        let (pid, build, recipe) = (run.pid.unwrap_or(0), run.build, run.recipe);
        let mut ops = std::mem::take(&mut run.ops);
        Self::finish(&mut ops, &Outcome::Up { run: number, pid, build, recipe }, out);
    }

    pub(super) fn end_overdue_task(&mut self, around: Around<'_>, out: &mut Vec<Action>) {
        if self.time_limit().is_none_or(|at| at > around.now) {
            return;
        }
        if let Some(number) = self.live.as_ref().map(|run: &Run| run.number) {
            self.begin_stop(number, StopReason::TimeLimit, around.now, out);
        }
    }
}
