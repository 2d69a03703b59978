//! The manager comes and goes, and may be of another version. Must not know how it is reached.

use std::time::Duration;

use bpm_api::{Error, Hello};

use super::super::model::{Level, Link, Model, Overlay};
use super::{log, notes};

/// Operations and streams that came with this interface: a manager that does not say what it can do lacks them.
const NEW: [&str; 5] = ["read_log", "get_runs", "send_signal", "resize_terminal", "output"];
/// What a manager must have for everything to work.
const NEEDED: [&str; 6] = ["read_log", "get_runs", "send_signal", "resize_terminal", "watch", "output"];

/// Whether the manager that is there cannot do this: an operation's or a stream's name.
pub(super) fn lacks(model: &Model, what: &str) -> bool {
    match &model.link {
        Link::Up { hello: Some(hello), .. } => !has(hello, what),
        Link::Up { hello: None, .. } => NEW.contains(&what),
        Link::Connecting { .. } | Link::Down { .. } => false,
    }
}

fn has(hello: &Hello, what: &str) -> bool {
    hello.operations.iter().chain(&hello.streams).any(|name| name == what)
}

/// The manager's version, where it is there and says so.
pub(super) fn version(model: &Model) -> Option<&str> {
    match &model.link {
        Link::Up { hello: Some(hello), .. } => Some(&hello.version),
        _ => None,
    }
}

pub(super) fn connected(model: &mut Model, label: String, hello: Option<Hello>, pid: Option<u32>) {
    let before = model.manager_pid;
    let (level, text) = match (&model.link, before, pid) {
        (Link::Connecting { .. }, ..) => (Level::Info, format!("connected to {label}")),
        (_, Some(before), Some(pid)) if before != pid => {
            (Level::Good, format!("the manager is back: pid {pid}, before it {before}"))
        }
        _ => (Level::Good, "the manager is back".to_owned()),
    };
    model.manager_pid = pid.or(before);
    model.link = Link::Up { label, hello, manager_pid: pid, since: model.now };
    forget_questions(model);
    lose_deeds(model);
    notes::note(model, level, text);
    warn_of_version(model);
    model.status_again = true;
    model.details_wanted = true;
    model.status_credit_ms = u64::MAX;
    log::connected(model);
}

fn warn_of_version(model: &mut Model) {
    let ours = env!("CARGO_PKG_VERSION");
    let Link::Up { hello, .. } = &model.link else { return };
    let missing: Vec<&str> = NEEDED.into_iter().filter(|what| lacks(model, what)).collect();
    let other = match hello {
        Some(hello) if hello.version == ours && missing.is_empty() => return,
        Some(hello) => format!("the manager has version {}, this program {ours}", hello.version),
        None => format!("the manager is older than this program ({ours}) and does not say its version"),
    };
    let missing = match missing.is_empty() {
        true => String::new(),
        false => format!("; it lacks {}: `bpm down` and `bpm up -d` replace it", missing.join(", ")),
    };
    notes::note(model, Level::Warning, other + &missing);
}

pub(super) fn disconnected(model: &mut Model, error: Error, again: Duration, orderly: bool) {
    let again_ms = u64::try_from(again.as_millis()).unwrap_or(u64::MAX);
    let next_try = super::Now {
        mono_ms: model.now.mono_ms.saturating_add(again_ms),
        wall_ms: model.now.wall_ms.saturating_add_unsigned(again_ms),
    };
    let closing = model.status.as_ref().is_some_and(|status| status.manager.closing);
    let (label, since, tries, known) = match &model.link {
        Link::Connecting { label } | Link::Up { label, .. } => (label.clone(), model.now, 1, false),
        Link::Down { label, since, tries, orderly, .. } => {
            (label.clone(), *since, tries.saturating_add(1), *orderly)
        }
    };
    let orderly = orderly || closing;
    if tries == 1 {
        notes::failed(model, "manager", &error);
    }
    if orderly && !known {
        notes::note(model, Level::Info, "the manager was told to end: everything is stopped");
    }
    model.link = Link::Down { label, error, since, next_try, tries, orderly: orderly || known };
    forget_questions(model);
    lose_deeds(model);
}

/// No answer comes from a manager that has gone; one that comes all the same is of no use.
fn forget_questions(model: &mut Model) {
    model.status_asked = None;
    model.unanswered = None;
    model.details_asked = None;
    model.runs_asked = None;
    model.why_asked = None;
    model.watched = None;
    log::disconnected(model);
    match &mut model.overlay {
        Some(Overlay::Runs { answer, .. }) if matches!(answer, Some(Err(_))) => *answer = None,
        Some(Overlay::Why { answer, .. }) if matches!(answer.as_deref(), Some(Err(_))) => *answer = None,
        _ => {}
    }
}

fn lose_deeds(model: &mut Model) {
    if model.deeds.is_empty() {
        return;
    }
    let mut what: Vec<String> = model.deeds.drain().map(|(_, deed)| deed.what).collect();
    what.sort();
    let text = format!("{}: the manager went, so what came of it is not known", what.join(", "));
    notes::note(model, Level::Warning, text);
}
