//! What is asked of the engine about tasks, input and names. Each is answered within the turn that takes it.

use bpm_api::{Code, Error, EventKind, Origin, RunTask, TaskStatus};
use bpm_core::config::ErrorRules;
use bpm_core::fleet::{Action, Event, MAX_TASKS, Outcome, Request};
use bpm_core::ids::{Name, task_name, task_number};
use bpm_core::service::TaskRules;
use bpm_core::time::Time;
use tokio::sync::oneshot;

use super::facts::Known;
use super::tasks::{self, Wanted};
use super::{Engine, view};
use crate::logbook;

/// A task that was accepted, or that ran already.
#[derive(Debug)]
pub(super) struct Begun {
    pub(super) id: Name,
    /// `None`: it ran already.
    pub(super) outcome: Option<oneshot::Receiver<Outcome>>,
}

/// Bytes to be typed, and whether the input ends after them.
#[derive(Debug, Default)]
pub(super) struct Keystrokes {
    pub(super) bytes: Vec<u8>,
    pub(super) end: bool,
    /// Sent to the whole tree after them.
    pub(super) signal: Option<i32>,
}

impl Engine {
    /// Accepts a task: written down first, so that it is known to whoever comes after this manager.
    pub(super) fn run_task(
        &mut self,
        ask: RunTask,
        cwd: String,
        origin: Origin,
        now: Time,
        actions: &mut Vec<Action>,
    ) -> Result<Begun, Error> {
        if let Some(name) = &ask.name
            && self.fleet.service(name).is_some_and(|service| service.rules().task.is_none())
        {
            return Err(Error::new(
                Code::NameTaken,
                format!("`{name}` is a configured process, not a name for a task"),
            )
            .hint(format!("`bpm start {name}` starts it, `bpm restart {name}` loads new code")));
        }
        let running = self.fleet.services().iter().filter(|service| service.rules().task.is_some()).count();
        let number = self.fleet.next_task().max(self.tasks.last_number().saturating_add(1));
        let record = match self.tasks.wanted(ask, cwd, &origin, number)? {
            Wanted::Already(id) => return Ok(Begun { id, outcome: None }),
            Wanted::New(_) if running >= MAX_TASKS => return Err(view::too_many_tasks(MAX_TASKS)),
            Wanted::New(_) if self.fleet.is_closing() => {
                return Err(Error::new(Code::Closing, "the manager is shutting down"));
            }
            Wanted::New(record) => record,
        };
        let rules = TaskRules { kill_after: record.kill_after_seconds.and_then(seconds) };
        self.tasks.add(*record)?;
        let (reply, outcome) = oneshot::channel();
        let key = origin.key.as_deref().map(Into::into);
        let op = self.accept(origin, Some(reply));
        let task = task_name(number);
        let what = Request::RunTask { task: task.clone(), rules };
        actions.append(&mut self.fleet.step(Event::Asked { op, key, what }, now));
        Ok(Begun { id: task, outcome: Some(outcome) })
    }

    /// All tasks, the newest first, or one.
    pub(super) fn task_statuses(&self, of: Option<&str>, now: Time) -> Result<Vec<TaskStatus>, Error> {
        let status = |record| tasks::status(record, self.fleet.service(&task_of(record)), now);
        match of {
            None => Ok(self.tasks.all().map(status).collect()),
            Some(name) => match self.tasks.find(name) {
                Some(record) => Ok(vec![status(record)]),
                None => Err(self.unknown_task(name)),
            },
        }
    }

    /// The process or task that is meant.
    pub(super) fn resolve(&self, name: &str) -> Result<Known, Error> {
        let configured = self.fleet.services().iter().filter(|service| service.rules().task.is_none());
        if let Some(service) = configured.clone().find(|service| **service.name() == *name) {
            let config = self.performer.config().process(name);
            let pty = match self.live_run(service.name()) {
                Some(run) => run.pty, // it may have been started with another configuration
                None => config.is_some_and(|process| process.pty),
            };
            let errors = config.map(|process| process.errors.clone()).unwrap_or_default();
            return Ok(Known { id: service.name().clone(), pty, errors });
        }
        if let Some(record) = self.tasks.find(name) {
            return Ok(Known { id: record.id(), pty: record.pty, errors: ErrorRules::default() });
        }
        if task_number(name).is_some() {
            return Err(self.unknown_task(name));
        }
        let mut known: Vec<String> = configured.map(|service| service.name().to_string()).collect();
        known.extend(self.tasks.names());
        Err(logbook::unknown_process(name, &known))
    }

    fn unknown_task(&self, name: &str) -> Error {
        let known = self.tasks.names();
        let mut error = logbook::unknown_process(name, &known);
        error.code = Code::UnknownTask;
        error.message = match known.is_empty() {
            true => format!("there is no task `{}`, and none is kept", clip(name)),
            false => error.message.replacen("process", "task", 1),
        };
        error.hint = error.hint.map(|hint| match hint.starts_with("did you mean") {
            true => hint,
            false => "`bpm tasks` lists them; ended ones are kept for a while".to_owned(),
        });
        error
    }

    pub(super) fn clear_tasks(&mut self, of: Option<&str>) -> Result<usize, Error> {
        let lives = |id: &str| self.fleet.service(id).is_some();
        let Some(name) = of else { return Ok(self.tasks.clear(None, lives)) };
        let Some(record) = self.tasks.find(name) else { return Err(self.unknown_task(name)) };
        if record.end.is_none() {
            let id = record.id();
            return Err(Error::new(Code::InvalidParameter, format!("task {id} has not ended"))
                .hint(format!("`bpm stop {id}` ends it")));
        }
        if lives(&record.id()) {
            let id = record.id();
            return Err(Error::new(
                Code::InvalidParameter,
                format!("task {id} has ended, and has left processes that run on"),
            )
            .hint(format!("`bpm stop {id}` ends them")));
        }
        let number = record.number;
        Ok(self.tasks.clear(Some(number), lives))
    }

    /// Its condition has held: told to whoever waits.
    pub(super) fn task_is_ready(&mut self, id: &Name) {
        if self.tasks.ready(id) {
            self.notes.say(Some(id), EventKind::Ready, "is ready".to_owned(), None, None, None);
        }
    }

    pub(super) fn input(
        &mut self,
        process: &Name,
        keys: Keystrokes,
        origin: Origin,
        reply: oneshot::Sender<Outcome>,
        now: Time,
        actions: &mut Vec<Action>,
    ) {
        let key = origin.key.as_deref().map(Into::into);
        let op = self.accept(origin, Some(reply));
        self.typing.insert(op, keys);
        let what = Request::Input { process: process.clone() };
        actions.append(&mut self.fleet.step(Event::Asked { op, key, what }, now));
    }
}

fn task_of(record: &crate::store::tasks::TaskRecord) -> Name {
    record.id()
}

fn seconds(seconds: f64) -> Option<std::time::Duration> {
    std::time::Duration::try_from_secs_f64(seconds).ok()
}

fn clip(text: &str) -> String {
    text.chars().take(60).collect()
}
