//! The background tasks that are known, running and ended: what was asked for, how each ended, and for how long
//! that is kept. Lives and deaths are decided by the core; this writes down what it says.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bpm_api::{Code, Error, KillRequest, Origin, RunTask, TaskState, TaskStatus};
use bpm_core::config::LogLimits;
use bpm_core::fleet::{Change, Ending, signal_name};
use bpm_core::ids::{Name, task_number};
use bpm_core::service::{Service, StopReason};
use bpm_core::time::Time;
use bpm_shim::exit_record::Outcome;
use bpm_shim::launch::{self, Presence};
use bpm_shim::protocol::Status;

use super::notes;
use crate::exec::retention;
use crate::store::paths::Project;
use crate::store::tasks::{self, TaskEnd, TaskEnding, TaskRecord};

/// For each run that is kept of a process, so many ended tasks are.
const TASKS_PER_KEPT_RUN: usize = 10;

/// By number.
#[derive(Debug)]
pub(super) struct Tasks {
    project: Project,
    records: BTreeMap<u64, TaskRecord>,
    /// Bytes of log of those of which nothing is left: they change no more.
    bytes: HashMap<u64, u64>,
    last_number: u64,
}

/// What a request for a task comes to.
pub(super) enum Wanted {
    /// A task of that name runs, or the request was sent before.
    Already(Name),
    New(Box<TaskRecord>),
}

impl Tasks {
    /// Those on disk. `lives`: what the core goes on with.
    pub(super) fn open(project: &Project, lives: impl Fn(&str) -> bool) -> Tasks {
        let mut records: BTreeMap<u64, TaskRecord> = BTreeMap::new();
        for mut record in tasks::load(project) {
            if record.end.is_none() && !lives(&record.id()) {
                let end = end_on_disk(project, &record);
                if matches!(end.how, TaskEnding::NotStarted(_)) {
                    record.key = None; // whoever sends the request again means to run it
                }
                record.end = Some(end);
                save(project, &record);
            }
            records.insert(record.number, record);
        }
        Tasks {
            project: project.clone(),
            records,
            bytes: HashMap::new(),
            last_number: tasks::last_number(project),
        }
    }

    pub(super) fn last_number(&self) -> u64 {
        self.last_number
    }

    pub(super) fn get(&self, id: &str) -> Option<&TaskRecord> {
        self.records.get(&task_number(id)?)
    }

    /// The newest first.
    pub(super) fn all(&self) -> impl Iterator<Item = &TaskRecord> {
        self.records.values().rev()
    }

    /// The task of that id, or the newest of that name.
    pub(super) fn find(&self, name: &str) -> Option<&TaskRecord> {
        self.get(name).or_else(|| self.all().find(|record| record.name.as_deref() == Some(name)))
    }

    /// Ids and names, for messages: the newest first.
    pub(super) fn names(&self) -> Vec<String> {
        self.all()
            .flat_map(|record| record.name.clone().into_iter().chain([record.id().to_string()]))
            .collect()
    }

    /// Whether the request is for something new.
    ///
    /// # Errors
    /// `NameTaken`: a task of that name runs, and it is another one.
    pub(super) fn wanted(
        &self,
        ask: RunTask,
        cwd: String,
        origin: &Origin,
        number: u64,
    ) -> Result<Wanted, Error> {
        if let Some(key) = &origin.key
            && let Some(again) = self.all().find(|record| record.key.as_ref() == Some(key))
        {
            return Ok(Wanted::Already(again.id()));
        }
        let running = |record: &&TaskRecord| record.end.is_none() && record.name == ask.name;
        if ask.name.is_some()
            && let Some(same) = self.all().find(running)
        {
            return match difference(same, &ask, &cwd) {
                None => Ok(Wanted::Already(same.id())),
                Some(what) => Err(name_taken(same, &what)),
            };
        }
        Ok(Wanted::New(Box::new(TaskRecord {
            number,
            name: ask.name,
            command: ask.command,
            cwd,
            env: ask.env.unwrap_or_default(),
            base_env: ask.base_env,
            ready: ask.ready,
            pty: ask.pty.unwrap_or(false),
            kill_after_seconds: ask.kill_after_seconds,
            key: origin.key.clone(),
            by: notes::who(origin),
            created_ms: now_ms(),
            ready_ms: None,
            kill: None,
            end: None,
        })))
    }

    /// Writes a new one down.
    ///
    /// # Errors
    /// The state directory cannot be written.
    pub(super) fn add(&mut self, record: TaskRecord) -> Result<(), Error> {
        record.save(&self.project).map_err(|error| {
            let dir = self.project.process(&record.id());
            Error::new(Code::System, format!("cannot write into `{}`: {error}", dir.display()))
                .hint("make room or make it writable; nothing was started")
        })?;
        self.last_number = self.last_number.max(record.number);
        self.records.insert(record.number, record);
        Ok(())
    }

    /// Its `ready` condition has held. Whether that is new.
    pub(super) fn ready(&mut self, id: &str) -> bool {
        self.change(id, |record| {
            let new = record.ready_ms.is_none() && record.end.is_none();
            record.ready_ms.get_or_insert_with(now_ms);
            new
        })
    }

    /// Takes note of what the core says of it. `by`: who asked last. Whether it has ended now.
    pub(super) fn note(&mut self, id: &str, change: &Change, by: Option<&str>) -> bool {
        let end = |how| Some(TaskEnd { how, at_ms: now_ms() });
        match change {
            Change::Started { .. } => self.change(id, |record| record.base_env.take().is_some()),
            Change::Stopping { reason, .. } => {
                let by = match reason {
                    StopReason::TimeLimit => "kill_after_seconds",
                    StopReason::Shutdown => "the manager's shutdown",
                    StopReason::Asked | StopReason::Swap | StopReason::Leftovers => by.unwrap_or("unknown"),
                };
                self.change(id, |record| {
                    let new = record.kill.is_none() && record.end.is_none();
                    if new {
                        record.kill = Some((by.to_owned(), now_ms()));
                    }
                    new
                })
            }
            Change::Ended { ending, .. } => {
                let how = match ending {
                    Ending::Code(code) => TaskEnding::Code(*code),
                    Ending::Signal(signal) => TaskEnding::Signal(*signal),
                    Ending::Lost => TaskEnding::Lost,
                };
                return self.end(id, end(how));
            }
            Change::SpawnFailed { error, .. } => {
                return self.end(id, end(TaskEnding::NotStarted(error.message.clone())));
            }
            _ => false,
        };
        false
    }

    fn end(&mut self, id: &str, end: Option<TaskEnd>) -> bool {
        self.change(id, |record| {
            let new = record.end.is_none();
            if new {
                record.end = end;
                record.base_env = None;
            }
            new
        })
    }

    /// Writes down what `f` says it has changed.
    fn change(&mut self, id: &str, f: impl FnOnce(&mut TaskRecord) -> bool) -> bool {
        let record = task_number(id).and_then(|number| self.records.get_mut(&number));
        let Some(record) = record else { return false };
        let changed = f(record);
        if changed {
            save(&self.project, record);
        }
        changed
    }

    /// Forgets ended tasks and removes their files: this one, or all. `lives`: something of it is left, which could
    /// not be ended any more if nobody knew of it.
    pub(super) fn clear(&mut self, of: Option<u64>, lives: impl Fn(&str) -> bool) -> usize {
        let ended = |record: &TaskRecord| record.end.is_some() && !lives(&record.id());
        let gone = |record: &TaskRecord| of.is_none_or(|of| of == record.number) && ended(record);
        let numbers: Vec<u64> = self.records.values().filter(|r| gone(r)).map(|r| r.number).collect();
        self.forget(&numbers);
        numbers.len()
    }

    /// Forgets the oldest of those that have ended, by number and by bytes of log. `lives`: something of it is left.
    pub(super) fn retire(&mut self, limits: LogLimits, lives: impl Fn(&str) -> bool) {
        let most = usize::try_from(limits.keep_runs).unwrap_or(usize::MAX).saturating_mul(TASKS_PER_KEPT_RUN);
        let mut bytes = 0_u64;
        let mut over = Vec::new();
        let Tasks { project, records, bytes: known, .. } = self;
        let ended = records.values().rev().filter(|record| record.end.is_some());
        for (place, record) in ended.enumerate() {
            let id = record.id();
            let lives = lives(&id);
            let size = || retention::bytes_of(&project.runs(&id));
            bytes = bytes.saturating_add(match lives {
                true => size(),
                false => *known.entry(record.number).or_insert_with(size),
            });
            let beyond = place > 0 && (place >= most || bytes > limits.max_bytes);
            if beyond && !lives {
                over.push(record.number);
            }
        }
        self.forget(&over);
    }

    fn forget(&mut self, numbers: &[u64]) {
        let mut dirs = Vec::new();
        for number in numbers {
            self.bytes.remove(number);
            dirs.extend(self.records.remove(number).map(|record| self.project.process(&record.id())));
        }
        if dirs.is_empty() {
            return;
        }
        let remove = move || dirs.iter().for_each(|dir| drop(fs::remove_dir_all(dir)));
        match tokio::runtime::Handle::try_current() {
            Ok(runtime) => drop(runtime.spawn_blocking(remove)),
            Err(_) => remove(),
        }
    }
}

/// What of a running task is not as it is asked for now.
fn difference(running: &TaskRecord, ask: &RunTask, cwd: &str) -> Option<String> {
    let mut differs = Vec::new();
    if running.command != ask.command {
        differs.push(format!("its command is `{}`", clip(&running.command_text())));
    }
    if running.cwd != cwd {
        differs.push(format!("its directory is `{}`", running.cwd));
    }
    let env = ask.env.clone().unwrap_or_default();
    if running.env != env {
        let names = running.env.keys().chain(env.keys());
        let mut names: Vec<&str> =
            names.filter(|name| running.env.get(*name) != env.get(*name)).map(String::as_str).collect();
        names.sort_unstable();
        names.dedup();
        differs.push(format!("its environment differs in {}", names.join(", ")));
    }
    if running.pty != ask.pty.unwrap_or(false) {
        differs.push(if running.pty { "it has a terminal" } else { "it has no terminal" }.to_owned());
    }
    (!differs.is_empty()).then(|| differs.join("; "))
}

fn name_taken(running: &TaskRecord, what: &str) -> Error {
    let (name, id) = (running.name.as_deref().unwrap_or_default(), running.id());
    Error::new(Code::NameTaken, format!("`{name}` runs already as {id}, and it is another: {what}"))
        .hint(format!("`bpm stop {id}` ends it, or use another name"))
}

fn clip(text: &str) -> String {
    const LONGEST: usize = 200;
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

fn save(project: &Project, record: &TaskRecord) {
    if let Err(error) = record.save(project) {
        tracing::warn!("cannot write down task {}: {error}", record.id());
    }
}

/// How a task ended that no manager saw end.
fn end_on_disk(project: &Project, record: &TaskRecord) -> TaskEnd {
    let runs = project.runs(&record.id());
    let numbers = fs::read_dir(&runs).into_iter().flatten().flatten();
    let newest = numbers.filter_map(|entry| entry.file_name().to_str()?.parse::<u64>().ok()).max();
    let found = newest.and_then(|number| launch::presence(&runs.join(number.to_string())).ok());
    match found {
        Some(Presence::Ended(record)) => TaskEnd {
            at_ms: record.ended.wall_ns / 1_000_000,
            how: match record.outcome {
                Outcome::Exited(Status::Code(code)) => TaskEnding::Code(code),
                Outcome::Exited(Status::Signal { signal, .. }) => TaskEnding::Signal(signal),
                Outcome::SpawnFailed(failure) => TaskEnding::NotStarted(failure.message),
            },
        },
        // accepted, and its manager died before it began
        None | Some(Presence::NeverStarted) => TaskEnd {
            at_ms: now_ms(),
            how: TaskEnding::NotStarted("the manager died before it had started it".to_owned()),
        },
        _ => TaskEnd { at_ms: now_ms(), how: TaskEnding::Lost },
    }
}

/// The status of one task. `service`: what the core has of it, while something of it is left.
pub(super) fn status(record: &TaskRecord, service: Option<&Service>, now: Time) -> TaskStatus {
    let (state, exit_code, signal, note) = standing(record);
    let wall = now_ms();
    let until = record.end.as_ref().map_or(wall, |end| end.at_ms);
    let live = service.and_then(Service::live);
    let limit = record.kill_after_seconds.filter(|_| record.end.is_none());
    let ran = live.and_then(|run| run.started).map(|started| now.since(started).as_secs_f64());
    TaskStatus {
        task_id: record.id().to_string(),
        name: record.name.clone(),
        command: clip(&record.command_text()),
        cwd: record.cwd.clone(),
        state,
        exit_code,
        signal,
        pid: live.filter(|_| record.end.is_none()).and_then(|run| run.pid),
        ready: record.ready.as_ref().map(|_| record.ready_ms.is_some()),
        pty: record.pty,
        started: rfc3339(record.created_ms),
        seconds: tenths(until.saturating_sub(record.created_ms)),
        ended_ago_seconds: record.end.as_ref().map(|end| tenths(wall.saturating_sub(end.at_ms))),
        kill_requested: record
            .kill
            .as_ref()
            .map(|(by, at)| KillRequest { by: by.clone(), ago_seconds: tenths(wall.saturating_sub(*at)) }),
        kill_in_seconds: limit.zip(ran).map(|(limit, ran)| ((limit - ran).max(0.0) * 10.0).round() / 10.0),
        survivors: Vec::new(),
        note,
        by: record.by.clone(),
        sample: None,
    }
}

type Standing = (TaskState, Option<i32>, Option<String>, Option<String>);

fn standing(record: &TaskRecord) -> Standing {
    let Some(end) = &record.end else { return (TaskState::Running, None, None, None) };
    let killed = record.kill.is_some();
    match &end.how {
        TaskEnding::Lost => (TaskState::Lost, None, None, None),
        TaskEnding::NotStarted(why) => {
            (if killed { TaskState::Killed } else { TaskState::Failed }, None, None, Some(why.clone()))
        }
        TaskEnding::Code(code) => {
            let by_itself = if *code == 0 { TaskState::Completed } else { TaskState::Failed };
            (if killed { TaskState::Killed } else { by_itself }, Some(*code), None, None)
        }
        TaskEnding::Signal(number) => {
            let name = signal_name(*number).map_or_else(|| number.to_string(), str::to_owned);
            (if killed { TaskState::Killed } else { TaskState::Failed }, None, Some(name), None)
        }
    }
}

pub(super) fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

fn rfc3339(ms: u64) -> String {
    crate::logbook::rfc3339(ms.saturating_mul(1_000_000))
}

#[expect(clippy::cast_precision_loss, reason = "shown with one digit")]
fn tenths(ms: u64) -> f64 {
    (ms as f64 / 100.0).round() / 10.0
}
