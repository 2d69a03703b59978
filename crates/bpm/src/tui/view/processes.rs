//! Bottom left: what runs, may run or ran, a row for each.

use bpm_api::{BuildProgress, ProcessStatus, State, TaskState, TaskStatus};
use ratatui::layout::Rect;
use ratatui::text::Line;

use super::paint::{Painter, Titles, row};
use super::style::{CHANGES, DONE, FAILED, IDLE, Ink, RUNS, STOPPED};
use super::text::{brief, brief_left, line, safe, width};
use super::{focused, title};
use crate::render;
use crate::tui::layout::{inside, is_bordered};
use crate::tui::lists::{self, ListRow};
use crate::tui::model::{Link, Model, Panel, Target};

/// Columns of the mark and the blank after it.
const MARK: usize = 2;
/// Columns of ` 100%`.
const CPU: u16 = 5;
/// Columns that a row has to have for it.
const WITH_CPU: usize = 28;
/// Columns that a name keeps beside the rest, if it is as long.
const LEAST_NAME: usize = 8;
/// The same of one that has come to grief.
const LEAST_NAME_OF_BAD: usize = 4;

/// What a row says.
struct Entry {
    mark: &'static str,
    ink: Ink,
    name: String,
    /// Beside the name, in faint.
    what: String,
    /// The longest first: the first one that there is room for is shown.
    short: Vec<String>,
    cpu: Option<f64>,
}

pub(super) fn draw(model: &Model, painter: &mut Painter<'_>, area: Rect) {
    let titles = Titles { top: title(model, Panel::Processes, "Processes"), ..Titles::default() };
    painter.border(area, focused(model, Panel::Processes), &titles);
    let room = inside(area);
    let rows = lists::rows(model);
    if rows.is_empty() {
        return empty(model, painter, room);
    }
    let height = usize::from(room.height);
    let top = lists::top(model, &rows, height);
    let age = model.status_age_seconds();
    let entries: Vec<Option<Entry>> =
        rows.iter().skip(top).take(height).map(|row| entry(model, *row, age)).collect();
    let with_cpu = usize::from(room.width) >= WITH_CPU;
    for (number, (place, entry)) in rows.iter().skip(top).zip(&entries).enumerate() {
        let line = row(room, number);
        match entry {
            Some(entry) => {
                draw_entry(painter, line, entry, with_cpu);
                if is_selected(model, *place) {
                    selected(model, painter, area, line);
                }
            }
            None => {
                let rule = format!("─ tasks {}", "─".repeat(usize::from(room.width)));
                painter.put(line, &rule, painter.theme.style(Ink::Faint));
            }
        }
    }
    more(model, painter, room, rows.len());
    painter.thumb(area, rows.len() as u64, top as u64, height as u64);
}

/// Reversed where the keyboard goes to the list; else bold, with a mark beside it.
fn selected(model: &Model, painter: &mut Painter<'_>, area: Rect, line: Rect) {
    let theme = painter.theme;
    if focused(model, Panel::Processes) {
        return painter.style(line, theme.style(Ink::Selected));
    }
    painter.style(line, theme.style(Ink::Strong));
    let gutter = if is_bordered(area) { area.x } else { line.x };
    painter.put(Rect { x: gutter, width: 1.min(line.width), ..line }, "❯", theme.style(Ink::Strong));
}

fn draw_entry(painter: &mut Painter<'_>, room: Rect, entry: &Entry, with_cpu: bool) {
    let theme = painter.theme;
    let mut room = room;
    if with_cpu {
        let cell = Rect { x: room.right() - CPU, width: CPU, ..room };
        let percent = entry.cpu.map(|percent| format!("{percent:.0}%")).unwrap_or_default();
        painter.right(cell, &line([theme.span(Ink::Text, percent)]));
        room.width -= CPU;
    }
    let of_name = width(&safe(&entry.name, theme.ascii));
    let fits = |short: &&String, least: usize| {
        let of_short = width(&safe(short, theme.ascii));
        MARK + of_name.min(least) + 1 + of_short <= usize::from(room.width)
    };
    let mut short = entry.short.iter().find(|short| fits(short, LEAST_NAME));
    if entry.ink == Ink::Bad {
        // that something is wrong is worth more than the end of a name
        short = short.or_else(|| entry.short.iter().find(|short| fits(short, LEAST_NAME_OF_BAD)));
    }
    if let Some(short) = short {
        let ink = if entry.ink == Ink::Good { Ink::Text } else { entry.ink };
        room = painter.right(room, &line([theme.span(ink, short.clone())]));
    }
    let left = painter.put(room, entry.mark, theme.style(entry.ink));
    let left = painter.put(left, " ", theme.style(Ink::Text));
    let what = if entry.what.is_empty() { String::new() } else { format!(" {}", entry.what) };
    let name = theme.span(Ink::Strong, entry.name.clone());
    painter.line(left, &Line::from(vec![name, theme.span(Ink::Faint, what)]));
}

fn is_selected(model: &Model, row: ListRow) -> bool {
    let ListRow::Target(place) = row else { return false };
    model.selected.is_some() && model.targets.get(place) == model.selected.as_ref()
}

fn entry(model: &Model, row: ListRow, age: f64) -> Option<Entry> {
    let ListRow::Target(place) = row else { return None };
    let status = model.status.as_ref();
    let known = match model.targets.get(place)? {
        Target::Process(name) => {
            let found = status.and_then(|status| status.processes.iter().find(|it| it.name == *name));
            found.map(|process| of_process(process, age))
        }
        Target::Task(id) => {
            let found = status.and_then(|status| status.tasks.iter().find(|it| it.task_id == *id));
            found.map(|task| of_task(task, age))
        }
    };
    if model.is_shut_down() {
        let is_process = matches!(model.targets.get(place)?, Target::Process(_));
        return known.map(|entry| ended(entry, is_process));
    }
    // one that the status does not have: it is going
    let name = || model.targets.get(place).map(|target| target.name().to_owned()).unwrap_or_default();
    Some(known.unwrap_or_else(|| Entry {
        mark: IDLE,
        ink: Ink::Faint,
        name: name(),
        what: String::new(),
        short: Vec::new(),
        cpu: None,
    }))
}

/// The same now that its manager was told to end: what ran or was to run has ended.
fn ended(entry: Entry, is_process: bool) -> Entry {
    match entry.mark {
        IDLE | STOPPED | DONE => entry,
        FAILED if !is_process => entry,
        _ => Entry { mark: STOPPED, ink: Ink::Text, short: vec!["ended".to_owned()], cpu: None, ..entry },
    }
}

/// A mark that tells a process's state without colour.
pub(super) fn mark(process: &ProcessStatus) -> (&'static str, Ink) {
    match process.state {
        State::Running => (RUNS, Ink::Good),
        State::Starting | State::Stopping => (CHANGES, Ink::Waiting),
        State::Stopped => (STOPPED, Ink::Waiting),
        State::Ended => (STOPPED, Ink::Text),
        State::Idle => (IDLE, Ink::Text),
        State::BackingOff | State::CrashLooping | State::BuildFailed | State::CannotStart | State::Stuck => {
            (FAILED, Ink::Bad)
        }
    }
}

/// The same for a task.
pub(super) fn task_mark(task: &TaskStatus) -> (&'static str, Ink) {
    match task.state {
        TaskState::Running if task.kill_requested.is_some() => (CHANGES, Ink::Waiting),
        TaskState::Running => (RUNS, Ink::Good),
        TaskState::Completed => (DONE, Ink::Good),
        TaskState::Killed => (STOPPED, Ink::Waiting),
        TaskState::Failed | TaskState::Lost => (FAILED, Ink::Bad),
    }
}

fn of_process(process: &ProcessStatus, age: f64) -> Entry {
    let (mark, ink) = mark(process);
    let steps = |progress: &BuildProgress| format!("{}/{}", progress.done, progress.total);
    let building = process.building.as_ref();
    let building = building.map(|build| build.progress.as_ref().map_or_else(|| "building".to_owned(), steps));
    let failed = process.last_build.as_ref().is_some_and(|build| build.ok == Some(false));
    let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
    let short: Vec<String> = match (process.state, building) {
        (_, Some(building)) => vec![building],
        (State::BuildFailed, None) => words(&["build failed", "no build"]),
        (State::Running, None) if failed => words(&["build failed", "no build"]),
        (State::Running, None) => {
            vec![process.uptime_seconds.map_or_else(|| "running".to_owned(), |uptime| brief(uptime + age))]
        }
        (State::BackingOff, None) => match process.restart_in_seconds.map(|left| left - age) {
            Some(left) if left > 0.0 => {
                let exact = render::seconds(left.ceil());
                vec![format!("in {exact}"), format!("in {}", brief_left(left))]
            }
            Some(_) | None => words(&["crashed"]),
        },
        (State::CrashLooping, None) => words(&["crash loop", "crashed"]),
        (State::CannotStart, None) => words(&["no start"]),
        (state, None) => words(&[state.as_str()]),
    };
    let ink = if process.state == State::Running && failed { Ink::Waiting } else { ink };
    let cpu = process.sample.as_ref().map(|sample| sample.cpu_percent);
    Entry { mark, ink, name: process.name.clone(), what: String::new(), short, cpu }
}

fn of_task(task: &TaskStatus, age: f64) -> Entry {
    let (mark, ink) = task_mark(task);
    let ended = task.ended_ago_seconds.map(|ago| format!("{} ago", brief(ago + age)));
    let short = match (task.state, task.exit_code, &task.signal) {
        (TaskState::Running, ..) => brief(task.seconds + age),
        (TaskState::Failed, Some(code), _) => format!("exit {code}"),
        (TaskState::Failed, None, Some(signal)) => signal.clone(),
        (TaskState::Completed, ..) => ended.unwrap_or_else(|| "done".to_owned()),
        (state, ..) => state.as_str().to_owned(),
    };
    let name = task.name.clone().unwrap_or_else(|| task.task_id.clone());
    let cpu = task.sample.as_ref().filter(|_| task.state == TaskState::Running);
    let cpu = cpu.map(|sample| sample.cpu_percent);
    Entry { mark, ink, name, what: task.command.clone(), short: vec![short], cpu }
}

/// What is not listed for want of room in the status.
fn more(model: &Model, painter: &mut Painter<'_>, room: Rect, used: usize) {
    let more = model.status.as_ref().map_or(0, |status| status.more_tasks);
    if more > 0 {
        let text = line([painter.theme.span(Ink::Faint, format!("… {more} more that have ended"))]);
        painter.line(row(room, used), &text);
    }
}

fn empty(model: &Model, painter: &mut Painter<'_>, room: Rect) {
    let text = match (&model.link, &model.status) {
        (Link::Connecting { .. }, _) => "connecting …",
        (_, None) => "nothing is known yet",
        (_, Some(_)) => "no process is configured in .mcp-run; press : to run a command",
    };
    super::say(painter, room, Ink::Faint, text);
}
