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

    /// What was typed once is not typed again.
    pub(super) fn input(&mut self, op: OpId, process: &Name, again: bool, out: &mut Actions) {
        if again {
            return out.push(Action::Finish { op, outcome: Outcome::Typed(Typed::Taken) });
        }
        let live = self.service(process).and_then(Service::live).filter(|run| run.pid.is_some());
        let Some(number) = live.map(|run| run.number) else {
            return out.push(Action::Finish { op, outcome: Outcome::Typed(Typed::Closed) });
        };
        let change = Change::Requested { op, what: "input" };
        out.push(Action::Note(Note { process: Some(process.clone()), change }));
        self.typing.insert(op);
        out.push(Action::Input { run: RunId { process: process.clone(), number }, op });
    }

    pub(super) fn input_done(&mut self, op: OpId, outcome: Typed, out: &mut Actions) {
        if self.typing.remove(&op) {
            out.push(Action::Finish { op, outcome: Outcome::Typed(outcome) });
        }
    }
}
