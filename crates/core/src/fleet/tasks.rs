//! Background tasks among the services.

use super::{Action, Actions, Fleet, Outcome};
use crate::ids::{Name, OpId, task_number};
use crate::service::{Service, TaskRules};
use crate::time::Time;

/// Tasks that may run at the same time.
pub const MAX_TASKS: usize = 256;

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
}
