//! What happens at the manager: kept for the process that it happened to, and told if somebody should see it. Must not
//! know what a status is made of, but for a build's progress.

use bpm_api::{BuildProgress, Change, Event, EventKind, State};

use super::super::model::log::Source;
use super::super::model::{Level, MOST_EVENTS, Model};
use super::{deeds, notes, status};

/// Processes and tasks that the status does not have yet and that something may have happened to.
const MOST_UNKNOWN: usize = 32;

pub(super) fn changed(model: &mut Model, change: Change) {
    match change {
        Change::Event(event) => happened(model, event),
        Change::Log(name) => grown(model, &name, false),
        Change::Build(name) => grown(model, &name, true),
        Change::Missed(number) => {
            let number = usize::try_from(number).unwrap_or(usize::MAX);
            let text = format!(
                "{} came too fast and were missed; everything is asked for anew",
                notes::count(number, "event")
            );
            notes::note(model, Level::Warning, text);
            (model.status_again, model.details_wanted, model.log.grown) = (true, true, true);
        }
    }
}

fn grown(model: &mut Model, name: &str, builds: bool) {
    let log = &mut model.log;
    log.grown |= matches!(&log.source, Some(Source { target, builds: of, .. }) if *of == builds && target.name() == name);
}

fn happened(model: &mut Model, event: Event) {
    if event.kind == EventKind::BuildProgress {
        progress(model, &event);
    } else {
        tell(model, &event);
        model.status_again = true;
    }
    keep(model, event);
}

/// A step of a build is put into the status that is there: no need to ask for another.
fn progress(model: &mut Model, event: &Event) {
    let (Some(name), Some((done, total)), Some(status)) = (&event.process, event.steps, &mut model.status)
    else {
        return;
    };
    let process = status.processes.iter_mut().find(|process| process.name == *name);
    match process.and_then(|process| process.building.as_mut()) {
        Some(building) => {
            let before = format!("build {} {done}/{total}", building.build);
            let what = event.text.strip_prefix(&before).unwrap_or_default().trim().to_owned();
            building.progress = Some(BuildProgress { done, total, what });
        }
        None => model.status_again = true,
    }
}

fn keep(model: &mut Model, event: Event) {
    let Some(name) = event.process.clone() else { return };
    if !model.events.contains_key(&name) && model.events.len() >= model.targets.len() + MOST_UNKNOWN {
        return;
    }
    let events = model.events.entry(name).or_default();
    if event.kind == EventKind::BuildProgress
        && let Some(last) = events.back_mut()
        && last.kind == EventKind::BuildProgress
    {
        *last = event;
        return;
    }
    while events.len() >= MOST_EVENTS {
        events.pop_front();
    }
    events.push_back(event);
}

fn tell(model: &mut Model, event: &Event) {
    let (is_others, was_bad) = (is_others(model, event), was_bad(model, event));
    let level = match event.kind {
        EventKind::Crashed | EventKind::BuildFailed | EventKind::Down => Level::Bad,
        EventKind::Ready => Level::Good,
        EventKind::Started if was_bad => Level::Good,
        EventKind::Requested | EventKind::Input if is_others => Level::Info,
        EventKind::Started if is_others => Level::Info,
        EventKind::Mode => Level::Info,
        EventKind::Configuration => of_configuration(&event.text),
        EventKind::TaskEnded => of_end(&event.text),
        EventKind::Requested
        | EventKind::Input
        | EventKind::Started
        | EventKind::BuildStarted
        | EventKind::BuildProgress
        | EventKind::BuildSucceeded
        | EventKind::Stopping
        | EventKind::Stopped
        | EventKind::Other => return,
    };
    // what the answer to our own request says better
    let is_answered = matches!(event.kind, EventKind::BuildFailed | EventKind::Started | EventKind::Ready);
    if is_answered && event.process.as_ref().is_some_and(|name| deeds::is_ours(model, name)) {
        return;
    }
    let of = event.process.as_ref().map(|name| format!("{name}: ")).unwrap_or_default();
    let by = event.by.as_ref().filter(|_| is_others).map(|by| format!(" by {by}")).unwrap_or_default();
    notes::note(model, level, format!("{of}{}{by}", event.text));
}

/// Whether somebody else asked for it.
fn is_others(model: &Model, event: &Event) -> bool {
    let Some(by) = &event.by else { return false };
    // a rule of the manager's own asked for it
    if by.starts_with("rule:") {
        return false;
    }
    match &model.by {
        Some(ours) => by != ours,
        None => !by.starts_with("tui "),
    }
}

fn was_bad(model: &Model, event: &Event) -> bool {
    let Some(status) = &model.status else { return false };
    let process =
        event.process.as_ref().and_then(|name| status.processes.iter().find(|one| one.name == *name));
    process.is_some_and(|process| {
        status::is_bad(process.state) || (process.state == State::Starting && process.crashes > 0)
    })
}

fn of_configuration(text: &str) -> Level {
    let bad = ["error", "fault", "cannot", "invalid", "not approved"];
    if bad.iter().any(|word| text.contains(word)) { Level::Bad } else { Level::Info }
}

/// By its words: `run 1 ended by itself: exit code 1`.
fn of_end(text: &str) -> Level {
    match text {
        text if text.ends_with("exit code 0") => Level::Good,
        text if text.contains(" ended: ") => Level::Info,
        _ => Level::Bad,
    }
}
