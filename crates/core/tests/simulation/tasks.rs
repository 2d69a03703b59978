//! What must hold of background tasks over the lives of many managers, judged from outside: none is begun
//! twice, the end of each is told once, and nothing is typed or sent as a signal twice under one key.

use std::collections::{BTreeMap, BTreeSet};

use bpm_core::fleet::{Action, Actions, Change, Event, Fleet, Request, Snapshot};
use bpm_core::ids::{Key, Name, OpId, RunId, task_number};
use bpm_core::service::{Service, ServiceSnapshot};

type Checked = Result<(), String>;

#[derive(Debug, Default)]
pub(crate) struct Ledger {
    accepted: BTreeSet<Name>,
    /// Whose end was told, by any manager.
    told: BTreeSet<Name>,
    /// How often the manager that lives now told it.
    told_now: BTreeMap<Name, u32>,
    /// Tasks that the manager has now.
    there: BTreeSet<Name>,
    /// Under which key an operation types or signals, and what was sent under keys.
    typing: BTreeMap<OpId, (Key, Name)>,
    typed: BTreeSet<(Key, Name)>,
}

impl Ledger {
    /// All tasks that were ever accepted.
    pub(crate) fn accepted(&self) -> Vec<Name> {
        self.accepted.iter().cloned().collect()
    }

    /// The next manager begins with what the one before wrote down.
    pub(crate) fn reborn(&mut self, snapshot: &Snapshot, fleet: &Fleet) -> Checked {
        self.told_now.clear();
        // who asked was answered, or went with the machine: nobody sends anything again
        if snapshot.ended {
            self.typed.clear();
        }
        self.there = tasks(fleet);
        // of one of which nothing was left it is on disk how it ended
        let may_live =
            |task: &&ServiceSnapshot| task.live.is_some() || !task.retiring.is_empty() || task.next.is_some();
        let written = snapshot.services.iter().filter(|service| service.task.is_some()).filter(may_live);
        let forgotten = |name: &&Name| !self.there.contains(*name) && !self.told.contains(*name);
        match written.map(|service| &service.name).find(forgotten) {
            Some(name) => Err(format!("{name} was written down, and the next manager forgets it")),
            None => Ok(()),
        }
    }

    /// Everything ended with the machine, and everybody knows.
    pub(crate) fn rebooted(&mut self) {
        self.told.extend(self.accepted.iter().cloned());
    }

    pub(crate) fn judge(&mut self, fleet: &Fleet, event: &Event, actions: &Actions) -> Checked {
        self.judge_request(fleet, event)?;
        for action in actions {
            self.judge_action(action)?;
        }
        let there = tasks(fleet);
        let gone: Vec<Name> = self.there.difference(&there).cloned().collect();
        for name in gone {
            if !self.told_now.contains_key(&name) {
                return Err(format!("{name} is gone, and nobody was told how it ended"));
            }
        }
        self.there = there;
        Ok(())
    }

    fn judge_request(&mut self, fleet: &Fleet, event: &Event) -> Checked {
        let Event::Asked { op, key, what } = event else { return Ok(()) };
        match (what, key) {
            (Request::RunTask { task, .. }, _) if fleet.service(task).is_some() => {
                match self.accepted.insert(task.clone()) {
                    true => Ok(()),
                    false => Err(format!("the number of {task} is used twice")),
                }
            }
            (Request::Input { process } | Request::Signal { process, .. }, Some(key)) => {
                self.typing.insert(*op, (key.clone(), process.clone()));
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn judge_action(&mut self, action: &Action) -> Checked {
        match action {
            Action::Note(note) => match (&note.process, &note.change) {
                (Some(name), Change::Ended { .. } | Change::SpawnFailed { .. })
                    if task_number(name).is_some() =>
                {
                    self.told.insert(name.clone());
                    let times = self.told_now.entry(name.clone()).or_default();
                    *times += 1;
                    match *times {
                        1 => Ok(()),
                        _ => Err(format!("the end of {name} is told twice")),
                    }
                }
                _ => Ok(()),
            },
            Action::Input { run: RunId { process, .. }, op }
            | Action::Signal { run: RunId { process, .. }, op, .. } => match self.typing.get(op) {
                Some((key, _)) if !self.typed.insert((key.clone(), process.clone())) => {
                    Err(format!("what {key} says is sent twice to {process}"))
                }
                _ => Ok(()),
            },
            _ => Ok(()),
        }
    }
}

fn tasks(fleet: &Fleet) -> BTreeSet<Name> {
    let is_task = |service: &&Service| service.rules().task.is_some();
    fleet.services().iter().filter(is_task).map(|service| service.name().clone()).collect()
}
