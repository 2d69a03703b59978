//! The status: when it is asked for, and what becomes of what it says. Must not know what is done with it.

use std::collections::{HashMap, VecDeque};

use bpm_api::{
    Code, Error, Event, EventKind, GetStatus, ProcessStatus, Reply, Request, Sample, State, Status, TaskState,
};

use super::super::message::{Ask, Command};
use super::super::model::history::{MOST_SAMPLES, Point};
use super::super::model::{Level, MOST_EVENTS, Model, Target};
use super::{notes, overlays, select};

/// A question costs so much of what has been saved up, so that a few are asked at once, and ten in a second.
const COST_MS: u64 = 100;
const MOST_CREDIT_MS: u64 = 500;
/// Tasks that have ended and are listed.
const ENDED_TASKS: u32 = 50;
/// With more targets than this the status is asked for less often while nothing happens.
const MANY: usize = 200;
const SELDOM_MS: u64 = 5000;
/// Between two samples: statuses come more often while something happens.
const SAMPLE_MS: u64 = 900;

pub(super) fn tick(model: &mut Model) {
    let age = model.now.mono_ms.saturating_sub(model.status_asked_at.mono_ms);
    if model.targets.len() <= MANY || age >= SELDOM_MS {
        model.status_again = true;
    }
}

/// Asks for the status, and for the selected process's events.
pub(super) fn settle(model: &mut Model, commands: &mut Vec<Command>) {
    if model.status_again && model.status_asked.is_none() {
        let passed = model.now.mono_ms.saturating_sub(model.status_asked_at.mono_ms);
        let credit = model.status_credit_ms.saturating_add(passed).min(MOST_CREDIT_MS);
        if credit >= COST_MS {
            model.status_credit_ms = credit - COST_MS;
            model.status_asked_at = model.now;
            model.status_asked = Some(model.now);
            model.unanswered.get_or_insert(model.now);
            model.status_again = false;
            let request =
                Request::GetStatus(GetStatus { process: None, brief: true, ended_tasks: Some(ENDED_TASKS) });
            commands.push(Command::Ask { ask: Ask::Status, request });
        }
    }
    if model.details_wanted && model.details_asked.is_none() {
        model.details_wanted = false;
        if let Some(Target::Process(name)) = &model.selected {
            model.details_asked = Some(name.clone());
            let request =
                Request::GetStatus(GetStatus { process: Some(name.clone()), ..GetStatus::default() });
            commands.push(Command::Ask { ask: Ask::Details, request });
        }
    }
}

pub(super) fn answered(model: &mut Model, outcome: Result<Reply, Error>) {
    // what comes late is of a manager that has gone
    if model.status_asked.take().is_none() {
        return;
    }
    match outcome {
        Ok(Reply::Status(status)) => {
            if model.silent_ms().is_some() {
                notes::note(model, Level::Good, "the manager answers again");
            }
            model.unanswered = None;
            take(model, *status);
        }
        Ok(_) => complain(model, &wrong_reply("get_status")),
        Err(error) => complain(model, &error),
    }
}

/// Once, not each second.
fn complain(model: &mut Model, error: &Error) {
    let text = format!("status: {}", error.message);
    if model.notes.back().is_none_or(|last| last.text != text) {
        notes::note(model, Level::Bad, text);
    }
}

pub(super) fn wrong_reply(name: &str) -> Error {
    Error::new(Code::Internal, format!("the manager answered `{name}` with another operation's reply"))
}

fn take(model: &mut Model, status: Status) {
    let first = model.status.is_none();
    let before = std::mem::replace(&mut model.targets, targets(&status));
    model.status = Some(status);
    model.status_at = model.now;
    let there = |target: &Target| model.targets.contains(target);
    model.history.points.retain(|target, _| there(target));
    model.events.retain(|name, _| model.targets.iter().any(|target| target.name() == name));
    sample(model);
    select::keep(model, &before, first);
    overlays::keep(model);
}

/// Processes, then tasks that run, then those that have ended, the newest first.
fn targets(status: &Status) -> Vec<Target> {
    let mut ended: Vec<_> = status.tasks.iter().filter(|task| task.state != TaskState::Running).collect();
    ended.sort_by(|one, other| {
        let ago = |task: &bpm_api::TaskStatus| task.ended_ago_seconds.unwrap_or(f64::INFINITY);
        ago(one).total_cmp(&ago(other))
    });
    let running = status.tasks.iter().filter(|task| task.state == TaskState::Running);
    let processes = status.processes.iter().map(|process| Target::Process(process.name.clone()));
    let tasks = running.chain(ended).map(|task| Target::Task(task.task_id.clone()));
    let mut seen = std::collections::HashSet::new();
    processes.chain(tasks).filter(|target| seen.insert(target.clone())).collect()
}

/// The state of something that somebody should look at.
pub(super) fn is_bad(state: State) -> bool {
    match state {
        State::BackingOff | State::CrashLooping | State::BuildFailed | State::CannotStart | State::Stuck => {
            true
        }
        State::Starting | State::Running | State::Stopping | State::Stopped | State::Idle | State::Ended => {
            false
        }
    }
}

fn sample(model: &mut Model) {
    let due = |at: super::Now| model.now.mono_ms.saturating_sub(at.mono_ms) >= SAMPLE_MS;
    if !model.sampled_at.is_none_or(due) {
        return;
    }
    model.sampled_at = Some(model.now);
    let Some(status) = &model.status else { return };
    let processes = status.processes.iter().map(|it| (Target::Process(it.name.clone()), &it.sample));
    let tasks = status.tasks.iter().map(|it| (Target::Task(it.task_id.clone()), &it.sample));
    for (target, sample) in processes.chain(tasks) {
        put_down(&mut model.history.points, target, sample.as_ref());
    }
}

/// What does not run uses nothing, and had no samples if it never ran.
fn put_down(points: &mut HashMap<Target, VecDeque<Point>>, target: Target, sample: Option<&Sample>) {
    if sample.is_none() && !points.contains_key(&target) {
        return;
    }
    let points = points.entry(target).or_default();
    while points.len() >= MOST_SAMPLES {
        points.pop_front();
    }
    points.push_back(sample.map_or(Point::default(), |sample| Point {
        cpu_percent: if sample.cpu_percent.is_finite() { sample.cpu_percent.max(0.0) } else { 0.0 },
        memory_bytes: sample.memory_bytes,
    }));
}

pub(super) fn details(model: &mut Model, outcome: Result<Reply, Error>) {
    let Some(name) = model.details_asked.take() else { return };
    let known = model.targets.iter().any(|target| *target == Target::Process(name.clone()));
    if let Ok(Reply::Status(status)) = outcome
        && known
        && let Some(process) = status.processes.into_iter().find(|process| process.name == name)
    {
        seed(model, process);
    }
}

/// What happened before this program began, or while it did not listen, among what it has heard itself.
fn seed(model: &mut Model, process: ProcessStatus) {
    let name = process.name;
    let heard = model.events.entry(name.clone()).or_default();
    let too_many = process.events.len().saturating_sub(MOST_EVENTS);
    for line in process.events.into_iter().skip(too_many) {
        if heard.iter().any(|event| event.time == line.time && event.text == line.text) {
            continue;
        }
        let at = heard.partition_point(|event| event.time <= line.time);
        let event = Event {
            seq: 0,
            time: line.time,
            process: Some(name.clone()),
            kind: EventKind::Other,
            text: line.text,
            by: line.by,
            steps: None,
        };
        heard.insert(at, event);
    }
    while heard.len() > MOST_EVENTS {
        heard.pop_front();
    }
}
