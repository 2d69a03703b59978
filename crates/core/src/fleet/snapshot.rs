//! What of the project must survive the manager. Plain data; the shell stores it.

use crate::ids::{Key, Mode, Name, task_number};
use crate::service::{ServiceSnapshot, TaskRules};
use crate::time::Time;

/// Written before the actions of a step are performed.
#[derive(Clone, Debug, PartialEq)]
pub struct Snapshot {
    pub mode: Mode,
    pub mode_since: Time,
    pub last_activity: Time,
    /// The manager ended in order: the next one starts up anew.
    pub ended: bool,
    pub services: Vec<ServiceSnapshot>,
    /// The number of the next task.
    pub next_task: u64,
    /// Keys of the last requests, the newest last, and what they were about.
    pub keys: Vec<(Key, Name)>,
}

impl Snapshot {
    /// A project that never ran: release mode, nothing alive.
    pub fn empty(now: Time) -> Snapshot {
        Snapshot {
            mode: Mode::Release,
            mode_since: now,
            last_activity: now,
            ended: true,
            services: Vec::new(),
            next_task: 1,
            keys: Vec::new(),
        }
    }

    /// Another boot, or an orderly end: a start-up in release mode, but what was stopped by hand
    /// stays stopped and numbers go on.
    pub fn at_rest(self, now: Time) -> Snapshot {
        let services = self.services.into_iter().map(ServiceSnapshot::at_rest).collect();
        Snapshot { services, next_task: self.next_task, ..Snapshot::empty(now) }
    }

    /// Adds what was found and is not written down: the last words of a manager may have been lost, by a disk
    /// that was full or a file that was damaged.
    #[must_use]
    pub fn and_found(mut self, found: Vec<Found>) -> Snapshot {
        for found in found {
            let place = self.services.iter().position(|service| service.name == found.process);
            let place = place.unwrap_or_else(|| {
                self.services.push(ServiceSnapshot::unknown(found.process.clone()));
                self.services.len() - 1
            });
            self.services[place].find(&found, self.mode);
            let after = task_number(&found.process).map_or(1, |number| number.saturating_add(1));
            self.next_task = self.next_task.max(after);
        }
        self
    }
}

/// What there is of a process beside what was written down.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    pub process: Name,
    /// It is a background task.
    pub task: Option<TaskRules>,
    /// Runs that may be alive, and whether an executable is kept beside them.
    pub runs: Vec<(u64, bool)>,
    /// A build that may be alive.
    pub build: Option<u64>,
    /// The highest numbers that were ever used.
    pub last_run: u64,
    pub last_build: u64,
}
