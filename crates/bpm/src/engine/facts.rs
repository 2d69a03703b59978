//! What whoever waits must know of a process or task: plain facts, taken from the core and the task's record.

use bpm_core::config::ErrorRules;
use bpm_core::fleet::Ending;
use bpm_core::ids::{Name, RunId, task_number};
use bpm_core::service::{Phase, Rest, Service};
use bpm_core::time::Time;

use tokio::sync::mpsc;

use super::Engine;
use super::tasks::{self};
use crate::exec::watch::Command;
use crate::store::tasks::{TaskEnding, TaskRecord};

/// One process or task, as it stands.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Facts {
    /// In one word, as in the status.
    pub(super) state: String,
    pub(super) why: String,
    pub(super) is_task: bool,
    /// A task that was started without a `ready` condition.
    pub(super) never_ready: bool,
    /// The run that is up: its number, its leader, and since when it is ready.
    pub(super) up: Option<Up>,
    /// Something that is wanted is being built, started or waited for.
    pub(super) under_way: bool,
    pub(super) exit: Option<Exit>,
    pub(super) build: Option<Build>,
    /// Nothing runs, nothing is due, and why.
    pub(super) resting: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Up {
    pub(super) run: u64,
    pub(super) pid: u32,
    pub(super) build: Option<u64>,
    /// `None`: it has a `ready` condition, which has not held yet, or none at all (a task).
    pub(super) ready: Option<Time>,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) struct Exit {
    pub(super) run: u64,
    /// `exited with 101`, `killed by SEGV`.
    pub(super) how: String,
    pub(super) good: bool,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) struct Build {
    pub(super) number: u64,
    pub(super) failure: Option<String>,
}

impl Engine {
    /// Answers who wants the live run of a process. One that is on its way, or not yet found again, is waited for.
    pub(super) fn answer_for_runs(&mut self) {
        for (process, reply) in std::mem::take(&mut self.wanted_runs) {
            let phase = self.fleet.service(&process).and_then(Service::live).map(|run| run.phase);
            match phase {
                Some(Phase::Waiting | Phase::Spawning | Phase::Adopting) if !reply.is_closed() => {
                    self.wanted_runs.push((process, reply));
                }
                _ => drop(reply.send(self.live_run(&process))),
            }
        }
    }

    pub(super) fn live_run(&self, process: &Name) -> Option<LiveRun> {
        let run = self.fleet.service(process)?.live().filter(|run| run.pid.is_some())?;
        let id = RunId { process: process.clone(), number: run.number };
        Some(LiveRun { number: run.number, pty: self.terminals.contains(&id), ear: self.performer.ear(&id)? })
    }

    /// `None`: there is no such process or task.
    pub(super) fn facts(&self, name: &str, now: Time) -> Option<Facts> {
        let service = self.fleet.service(name);
        match task_number(name) {
            Some(_) => self.tasks.get(name).map(|record| of_task(record, service, now)),
            None => service.map(|service| self.of_process(service, now)),
        }
    }

    fn of_process(&self, service: &Service, now: Time) -> Facts {
        let why = service.explain(self.fleet.mode(), now);
        let live = service.live();
        let up = live.and_then(|run| {
            let ready = run.is_ready().then_some(run.started).flatten();
            Some(Up { run: run.number, pid: run.pid?, build: run.build, ready: Some(ready?) })
        });
        let settled = service.candidate().is_none() && live.is_none() && service.backoff().due.is_none();
        Facts {
            state: super::view::state(why.state).as_str().to_owned(),
            why: why.reason.clone(),
            is_task: false,
            never_ready: false,
            under_way: service.candidate().is_some() || (live.is_some() && up.is_none()),
            up,
            exit: service.last_exit().map(|exit| Exit {
                run: exit.run,
                how: ending(exit.ending),
                good: exit.asked || exit.ending.is_success(),
            }),
            build: service.last_build().map(|build| Build {
                number: build.number,
                failure: build.failure.as_ref().map(ToString::to_string),
            }),
            resting: match service.rest() {
                Some(Rest::Ended { .. }) | None => None,
                Some(_) => settled.then_some(why.reason),
            },
        }
    }
}

fn of_task(record: &TaskRecord, service: Option<&Service>, now: Time) -> Facts {
    let live = service.and_then(Service::live).filter(|_| record.end.is_none());
    let up = live.and_then(|run| {
        let ready = record.ready_ms.map(|ms| before(now, ms));
        Some(Up { run: run.number, pid: run.pid?, build: None, ready })
    });
    let status = tasks::status(record, service, now);
    let exit = record.end.as_ref().map(|end| Exit {
        run: 1,
        how: match &end.how {
            TaskEnding::Code(code) => ending(Ending::Code(*code)),
            TaskEnding::Signal(signal) => ending(Ending::Signal(*signal)),
            TaskEnding::Lost => ending(Ending::Lost),
            TaskEnding::NotStarted(why) => format!("could not be started: {why}"),
        },
        good: end.how == TaskEnding::Code(0),
    });
    let how = exit.as_ref().map(|exit| format!(", {}", exit.how)).unwrap_or_default();
    Facts {
        state: status.state.as_str().to_owned(),
        why: format!("`{}`{how}", status.command),
        is_task: true,
        never_ready: record.ready.is_none(),
        under_way: record.end.is_none() && up.is_none(),
        up,
        exit,
        build: None,
        resting: None,
    }
}

/// The awake time of a moment of the wall clock, as far as it can be told.
fn before(now: Time, wall_ms: u64) -> Time {
    let ago = tasks::now_ms().saturating_sub(wall_ms).saturating_mul(1_000_000);
    Time::from_nanos(now.as_nanos().saturating_sub(ago))
}

fn ending(ending: Ending) -> String {
    match ending {
        Ending::Code(code) => format!("exited with {code}"),
        Ending::Signal(_) => format!("killed by {}", ending.to_string().trim_start_matches("signal ")),
        Ending::Lost => "lost with its shim, nobody knows how it ended".to_owned(),
    }
}

/// A run that is up.
#[derive(Debug)]
pub(super) struct LiveRun {
    pub(super) number: u64,
    /// It has a terminal.
    pub(super) pty: bool,
    /// The way to its shim. Closed when the run is over and all that it printed is on disk.
    pub(super) ear: mpsc::UnboundedSender<Command>,
}

/// What a name means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Known {
    /// A process's name, or a task's id.
    pub(super) id: Name,
    /// It has a terminal.
    pub(super) pty: bool,
    /// What in its output is an error.
    pub(super) errors: ErrorRules,
}
