//! Background tasks among the services, requests that are sent again, and input.

use super::{Action, Actions, Change, Fleet, Note, Outcome, Typed};
use crate::ids::{Key, Name, OpId, RunId, task_number};
use crate::service::{Service, TaskRules};
use crate::time::Time;

/// Tasks that may run at the same time.
pub const MAX_TASKS: usize = 256;
/// Keys that are remembered: far more than requests can be under way.
const MAX_KEYS: usize = 256;

impl Fleet {
    /// The number of the next task. Numbers are never used twice.
    pub fn next_task(&self) -> u64 {
        self.next_task
    }

    pub(super) fn run_task(&mut self, op: OpId, task: &Name, rules: TaskRules, now: Time, out: &mut Actions) {
        let running = self.services.iter().filter(|service| service.rules.task.is_some()).count();
        if running >= MAX_TASKS {
            return out.push(Action::Finish { op, outcome: Outcome::TooManyTasks { limit: MAX_TASKS } });
        }
        // a name that is there already cannot come from `next_task`
        let Some(number) = task_number(task).filter(|_| self.service(task).is_none()) else {
            return out.push(Action::Finish { op, outcome: Outcome::NoSuchProcess { known: Vec::new() } });
        };
        self.next_task = self.next_task.max(number.saturating_add(1));
        self.services.push(Service::new_task(task.clone(), rules));
        self.renumber();
        self.with(task, now, out, |service, around, out| service.run_once(op, around, out));
    }

    /// Whether this key was used before for this process; remembers it.
    pub(super) fn is_known(&mut self, key: Option<Key>, process: &Name) -> bool {
        let Some(key) = key else { return false };
        if self.keys.iter().any(|(known, of)| *known == key && of == process) {
            return true;
        }
        if self.keys.len() >= MAX_KEYS {
            self.keys.pop_front();
        }
        self.keys.push_back((key, process.clone()));
        false
    }

    /// What was typed once is not typed again. Into a run that is on its way, or not yet found again, it is
    /// typed once that is up.
    pub(super) fn input(&mut self, op: OpId, process: &Name, key: Option<Key>, out: &mut Actions) {
        let Some(run) = self.service(process).and_then(Service::live) else {
            return out.push(Action::Finish { op, outcome: Outcome::Typed(Typed::Closed) });
        };
        let (number, up) = (run.number, run.pid.is_some());
        let change = Change::Requested { op, what: "input" };
        if up {
            if self.is_known(key, process) {
                return out.push(Action::Finish { op, outcome: Outcome::Typed(Typed::Taken) });
            }
            out.push(Action::Note(Note { process: Some(process.clone()), change }));
            self.typing.insert(op);
            out.push(Action::Input { run: RunId { process: process.clone(), number }, op });
        } else if run.is_on_its_way() {
            self.early_input.push((op, process.clone(), key));
        } else {
            out.push(Action::Finish { op, outcome: Outcome::Typed(Typed::Closed) });
        }
    }

    /// Types what was to be typed into runs that were not up yet.
    pub(super) fn type_early_input(&mut self, out: &mut Actions) {
        for (op, process, key) in std::mem::take(&mut self.early_input) {
            self.input(op, &process, key, out);
        }
    }

    pub(super) fn input_done(&mut self, op: OpId, outcome: Typed, out: &mut Actions) {
        if self.typing.remove(&op) {
            out.push(Action::Finish { op, outcome: Outcome::Typed(outcome) });
        }
    }
}
