//! Top left: the connection, the mode, how many of what, what needs attention, and what happened.

use bpm_api::{Error, Hello, Mode, ProcessStatus, State, Status, TaskState};
use ratatui::layout::Rect;
use ratatui::text::Line;

use super::paint::{Painter, Titles, row};
use super::style::{CHANGES, FAILED, IDLE, Ink, RUNS, STOPPED, Theme};
use super::text::{Clock, brief_left, line, line_width, path_end, safe, tilde, wrap};
use super::{focused, title};
use crate::render;
use crate::tui::layout::{Areas, inside};
use crate::tui::model::{Link, Model, Note, Panel};

/// What this program asks a manager for, and an older one may not know.
const NEEDED: [&str; 4] = ["read_log", "get_runs", "send_signal", "resize_terminal"];

/// What somebody fears who sees that the manager has gone.
const GO_ON: &str = "programs go on";
/// Columns that the place and the mode have to have beside each other.
const WITH_MODE: u16 = 12;

pub(super) fn draw(model: &Model, painter: &mut Painter<'_>, area: Rect) {
    let theme = painter.theme;
    let titles = Titles { top: title(model, Panel::Server, "Server Status"), ..Titles::default() };
    painter.border(area, focused(model, Panel::Server), &titles);
    let room = inside(area);
    let mut head = row(room, 0);
    if let Some(status) = model.status.as_ref().filter(|_| room.width >= WITH_MODE) {
        head = painter.right(head, &mode(status, theme));
    }
    let columns = usize::from(head.width).saturating_sub(2);
    painter.line(head, &place(model, columns, theme));
    let facts = facts(model, usize::from(room.width), theme);
    for (number, fact) in facts.iter().enumerate() {
        painter.line(row(room, number + 1), fact);
    }
    let used = facts.len() + 1;
    let left = usize::from(room.height).saturating_sub(used);
    let top = model.notes_top.min(model.notes.len().saturating_sub(left));
    let clock = Clock { offset_seconds: model.look.offset_seconds, now_ms: model.now.wall_ms };
    for (number, note) in model.notes.iter().rev().skip(top).take(left).enumerate() {
        painter.line(row(room, used + number), &told(note, clock, theme));
    }
    if left > 0 {
        painter.thumb(area, model.notes.len() as u64, top as u64, left as u64);
    }
}

/// The first note, from the newest, that is shown when the oldest is.
pub(super) fn last_top(model: &Model) -> usize {
    let room = inside(Areas::of(model).server);
    let used = facts(model, usize::from(room.width), Theme::of(&model.look)).len() + 1;
    model.notes.len().saturating_sub(usize::from(room.height).saturating_sub(used))
}

/// A note with its time.
fn told(note: &Note, clock: Clock, theme: Theme) -> Line<'static> {
    let time = theme.span(Ink::Faint, clock.at(note.at.wall_ms) + " ");
    line([time, theme.span(Theme::level(note.level), note.text.clone())])
}

fn mode(status: &Status, theme: Theme) -> Line<'static> {
    let ink = match status.mode {
        Mode::Dev => Ink::Strong,
        Mode::Release => Ink::Good,
    };
    line([theme.span(ink, status.mode.as_str())])
}

/// Whether the manager is there, and whose it is.
fn place(model: &Model, columns: usize, theme: Theme) -> Line<'static> {
    let (mark, ink, label) = match &model.link {
        Link::Up { label, .. } if model.silent_ms().is_some() => (CHANGES, Ink::Waiting, label),
        Link::Up { label, .. } => ("●", Ink::Good, label),
        Link::Connecting { label } => (IDLE, Ink::Waiting, label),
        Link::Down { label, .. } => (FAILED, Ink::Bad, label),
    };
    let label = tilde(label, model.look.home.as_deref());
    let label = format!(" {}", path_end(&label, columns));
    line([theme.span(ink, mark), theme.span(Ink::Strong, label)])
}

fn facts(model: &Model, columns: usize, theme: Theme) -> Vec<Line<'static>> {
    let mut facts = Vec::new();
    let wrapped = |ink: Ink, text: &str| {
        let text = safe(text, theme.ascii);
        let rows = wrap(&text, columns).into_iter();
        rows.map(|row| line([theme.span(ink, row)])).collect::<Vec<_>>()
    };
    match &model.link {
        Link::Connecting { .. } => facts.extend(wrapped(Ink::Waiting, "connecting …")),
        Link::Down { .. } => facts.extend(wrapped(Ink::Bad, &gone(model).unwrap_or_default())),
        Link::Up { .. } => {
            facts.extend(silent(model).iter().flat_map(|silent| wrapped(Ink::Waiting, silent)));
        }
    }
    let status = model.status.as_ref();
    let counted = status.filter(|_| !model.is_shut_down());
    facts.extend(counted.map(|status| counts(status, columns, theme)));
    for alarm in status.iter().flat_map(|status| &status.alarms) {
        let of = alarm.process.as_deref().map(|name| format!("{name}: ")).unwrap_or_default();
        facts.extend(wrapped(Ink::Bad, &format!("! {of}{}", alarm.message)));
    }
    if let Link::Up { hello, .. } = &model.link {
        facts.extend(missing(hello.as_ref()).iter().flat_map(|missing| wrapped(Ink::Waiting, missing)));
    }
    if let (Link::Up { label, .. } | Link::Down { label, .. }, Some(status)) = (&model.link, status)
        && label.contains("://")
    {
        // an address does not say whose manager is there
        let project = tilde(&status.manager.paths.project, model.look.home.as_deref());
        facts.push(line([theme.span(Ink::Text, path_end(&project, columns).into_owned())]));
    }
    facts.extend(counted.iter().flat_map(|status| manager(model, status, theme)));
    facts
}

fn manager(model: &Model, status: &Status, theme: Theme) -> Vec<Line<'static>> {
    let mut facts = Vec::new();
    if let Some(left) = status.release_switch_in_seconds.filter(|_| status.mode == Mode::Dev) {
        let left = brief_left(left - model.status_age_seconds());
        facts.push(format!("release mode in {left} if unused"));
    }
    let manager = &status.manager;
    let up = render::seconds(manager.uptime_seconds + model.status_age_seconds());
    let ending = if manager.closing { ", ending" } else { "" };
    facts.push(format!("bpm {}, pid {}, up {up}{ending}", manager.version, manager.pid));
    facts.push(manager.mcp_url.clone().unwrap_or_else(|| "no MCP port".to_owned()));
    facts.into_iter().map(|fact| line([theme.span(Ink::Faint, fact)])).collect()
}

/// What the manager on the other side does not know.
fn missing(hello: Option<&Hello>) -> Option<String> {
    let Some(Hello { version, operations, .. }) = hello else {
        return Some("an older manager: some keys do nothing".to_owned());
    };
    let unknown = |name: &&&str| !operations.iter().any(|known| known == **name);
    let missing: Vec<&str> = NEEDED.iter().filter(unknown).copied().collect();
    (!missing.is_empty()).then(|| format!("an older manager ({version}): no {}", missing.join(", ")))
}

/// For how long there has been no answer, if that is too long.
pub(super) fn silent(model: &Model) -> Option<String> {
    let silent = render::seconds((model.silent_ms()? / 1000) as f64);
    Some(format!("no answer for {silent}: the manager is busy, stopped, or out of reach; {GO_ON}"))
}

/// Since when and why there is no manager, and what comes next.
pub(super) fn gone(model: &Model) -> Option<String> {
    let Link::Down { error: Error { message, hint, .. }, since, next_try, .. } = &model.link else {
        return None;
    };
    if model.is_shut_down() {
        return Some("stopped by `bpm down`; nothing runs; `bpm up -d` starts it again".to_owned());
    }
    let ms = |later: u64, earlier: u64| (later.saturating_sub(earlier) / 1000 * 1000) as f64 / 1000.0;
    let gone = render::seconds(ms(model.now.mono_ms, since.mono_ms));
    let next = match ms(next_try.mono_ms.saturating_add(999), model.now.mono_ms) {
        left if left > 0.0 => format!("next try in {}", render::seconds(left)),
        _ => "trying now".to_owned(),
    };
    let hint = hint.as_deref().unwrap_or("`bpm up -d` starts one");
    let programs = if hint.contains(GO_ON) { String::new() } else { format!("{GO_ON}; ") };
    Some(format!("no manager for {gone}: {message}; {programs}{next}; {hint}"))
}

/// How many processes are in which state, and how many tasks run.
fn counts(status: &Status, columns: usize, theme: Theme) -> Line<'static> {
    let of = |states: &[State]| status.processes.iter().filter(|it| states.contains(&it.state)).count();
    let first = |it: &&ProcessStatus| it.state == State::Starting && it.building.is_some();
    let builds = status.processes.iter().filter(first).count();
    // what runs is older than what is written: its build has failed
    let failed = |it: &ProcessStatus| it.last_build.as_ref().is_some_and(|build| build.ok == Some(false));
    let stale = |it: &&ProcessStatus| it.state == State::Running && it.building.is_none() && failed(it);
    let outdated = status.processes.iter().filter(stale).count();
    let kinds = [
        (of(&[State::Running]), "running", RUNS, Ink::Good),
        (builds, "building", CHANGES, Ink::Waiting),
        (of(&[State::Starting]) - builds, "starting", CHANGES, Ink::Waiting),
        (of(&[State::Stopping]), "stopping", CHANGES, Ink::Waiting),
        (of(&[State::BackingOff, State::CrashLooping]), "crashed", FAILED, Ink::Bad),
        (of(&[State::BuildFailed]) + outdated, "build failed", FAILED, Ink::Bad),
        (of(&[State::CannotStart, State::Stuck]), "failed", FAILED, Ink::Bad),
        (of(&[State::Stopped]), "stopped", STOPPED, Ink::Waiting),
        (of(&[State::Ended]), "ended", STOPPED, Ink::Text),
        (of(&[State::Idle]), "idle", IDLE, Ink::Text),
    ];
    let tasks = status.tasks.iter().filter(|task| task.state == TaskState::Running).count();
    let (mut words, mut marks) = (Vec::new(), Vec::new());
    for (number, word, mark, ink) in kinds.into_iter().filter(|(number, ..)| *number > 0) {
        let gap = if words.is_empty() { "" } else { ", " };
        words.push(theme.span(Ink::Text, gap));
        words.push(theme.span(ink, format!("{number} {word}")));
        match marks.last_mut() {
            Some((last, _, sum)) if *last == mark => *sum += number,
            Some(_) | None => marks.push((mark, ink, number)),
        }
    }
    let marks = marks.into_iter().map(|(mark, ink, number)| theme.span(ink, format!("{mark}{number} ")));
    let mut marks: Vec<_> = marks.collect();
    if words.is_empty() {
        words.push(theme.span(Ink::Faint, "no process"));
        marks.push(theme.span(Ink::Faint, "no process"));
    }
    if tasks > 0 {
        let plural = if tasks == 1 { "" } else { "s" };
        words.push(theme.span(Ink::Text, format!("; {tasks} task{plural}")));
        marks.push(theme.span(Ink::Text, format!("+{tasks} task{plural}")));
    }
    let words = Line::from(words);
    if line_width(&words, theme.ascii) <= columns { words } else { Line::from(marks) }
}
