//! Background tasks: one in words, many as a table, and what came of typing into one.

use std::fmt::Write as _;

use bpm_api::{InputSent, KillRequest, LogPage, TaskList, TaskReport, TaskState, TaskStatus};

use super::log_page::{footer, log_lines};
use super::safe::{fit, safe_line};
use super::style::{Ink, Style};
use super::table::{Cell, Column, lines};
use super::time::{bytes, count, seconds};

const MARK_WIDTH: usize = 2;
/// Columns of a command in a table.
const COMMAND_WIDTH: usize = 60;

#[rustfmt::skip]
const COLUMNS: [Column; 8] = [
    Column { title: "TASK", keep: 9, right: false },
    Column { title: "NAME", keep: 7, right: false },
    Column { title: "STATE", keep: 8, right: false },
    Column { title: "PID", keep: 4, right: true },
    Column { title: "TIME", keep: 5, right: true },
    Column { title: "PORTS", keep: 3, right: false },
    Column { title: "MEMORY", keep: 1, right: true },
    Column { title: "COMMAND", keep: 6, right: false },
];

/// A task, and what it printed, ending in a line feed.
#[must_use]
pub fn task(report: &TaskReport, style: Style) -> String {
    let mut out = one(&report.task, report.already, style);
    out.push_str(&output(report.output.as_ref(), style));
    out
}

/// One task with its output, or a table of many; `more` says that some are left out.
#[must_use]
pub fn tasks(list: &TaskList, more: u64, style: Style) -> String {
    if let (Some(page), [task]) = (&list.output, list.tasks.as_slice()) {
        return format!("{}{}", one(task, false, style), output(Some(page), style));
    }
    if list.tasks.is_empty() {
        return "there are no tasks\n".to_owned();
    }
    let mut out = table(&list.tasks, style);
    if more > 0 {
        let _ = writeln!(out, "{} ended before these: `bpm tasks --all`", count(more, "task"));
    }
    out
}

/// The table with its titles, each line with a line feed.
pub(super) fn table(tasks: &[TaskStatus], style: Style) -> String {
    let rows: Vec<Vec<Cell>> = tasks.iter().map(row).collect();
    let mut drawn = lines(&COLUMNS, &rows, MARK_WIDTH, style).into_iter();
    let mut out = String::new();
    if let Some(titles) = drawn.next() {
        let _ = writeln!(out, "{}{titles}", " ".repeat(MARK_WIDTH));
    }
    for (task, line) in tasks.iter().zip(drawn) {
        let (sign, ink) = mark(task.state);
        let _ = writeln!(out, "{} {line}", style.paint(ink, sign));
    }
    out
}

fn row(task: &TaskStatus) -> Vec<Cell> {
    let sample = task.sample.as_ref();
    let ports: Vec<String> = sample.iter().flat_map(|sample| &sample.ports).map(u16::to_string).collect();
    let time = match task.ended_ago_seconds {
        Some(ago) => format!("{} ago", seconds(ago)),
        None => seconds(task.seconds),
    };
    vec![
        Cell::inked(Ink::Strong, safe_line(&task.task_id)),
        Cell::plain(task.name.as_deref().map(|name| safe_line(name).into_owned()).unwrap_or_default()),
        Cell::inked(mark(task.state).1, task_state(task)),
        Cell::plain(task.pid.filter(|_| runs(task)).map(|pid| pid.to_string()).unwrap_or_default()),
        Cell::plain(time),
        Cell::plain(ports.join(",")),
        Cell::plain(sample.map(|sample| bytes(sample.memory_bytes)).unwrap_or_default()),
        Cell::plain(fit(&task.command, COMMAND_WIDTH)),
    ]
}

fn mark(state: TaskState) -> (&'static str, Ink) {
    match state {
        TaskState::Running => ("▶", Ink::Good),
        TaskState::Completed => ("■", Ink::Good),
        TaskState::Killed => ("■", Ink::Faint),
        TaskState::Failed | TaskState::Lost => ("✗", Ink::Bad),
    }
}

fn runs(task: &TaskStatus) -> bool {
    task.state == TaskState::Running
}

/// The state, with what belongs to it: `running, ready`, `failed (101)`, `killed (TERM)`.
#[must_use]
pub fn task_state(task: &TaskStatus) -> String {
    let word = task.state.as_str();
    match (task.state, task.exit_code, &task.signal, task.ready) {
        (TaskState::Running, _, _, Some(true)) => format!("{word}, ready"),
        (TaskState::Running, _, _, Some(false)) => format!("{word}, not ready"),
        (TaskState::Failed | TaskState::Killed, Some(code), _, _) => format!("{word} ({code})"),
        (TaskState::Failed | TaskState::Killed, None, Some(signal), _) => {
            format!("{word} ({})", safe_line(signal))
        }
        _ => word.to_owned(),
    }
}

fn one(task: &TaskStatus, already: bool, style: Style) -> String {
    let (sign, ink) = mark(task.state);
    let id = safe_line(&task.task_id);
    let name = task.name.as_deref().map(|name| format!(" {}", safe_line(name))).unwrap_or_default();
    let pid = task.pid.filter(|_| runs(task)).map(|pid| format!(", pid {pid}")).unwrap_or_default();
    let time = match (task.ended_ago_seconds, runs(task)) {
        (Some(ago), _) => format!(" after {}, {} ago", seconds(task.seconds), seconds(ago)),
        (None, true) => format!(", for {}", seconds(task.seconds)),
        (None, false) => format!(" after {}", seconds(task.seconds)),
    };
    let already = if already { " (it ran already)" } else { "" };
    let mut out = format!(
        "{} {}{name}: {}{pid}{time}{already}\n  {}\n",
        style.paint(ink, sign),
        style.paint(Ink::Strong, &id),
        task_state(task),
        style.paint(Ink::Faint, &format!("{}  (in {})", safe_line(&task.command), safe_line(&task.cwd)))
    );
    if let Some(note) = &task.note {
        let _ = writeln!(out, "  {}", safe_line(note));
    }
    if let Some(KillRequest { by, ago_seconds }) = &task.kill_requested {
        let _ = writeln!(out, "  asked to end by {}, {} ago", safe_line(by), seconds(*ago_seconds));
    }
    if let Some(left) = task.kill_in_seconds.filter(|_| runs(task)) {
        let _ = writeln!(out, "  is ended in {}", seconds(left));
    }
    for survivor in &task.survivors {
        let _ = writeln!(out, "  alive: {}", safe_line(survivor));
    }
    out
}

fn output(page: Option<&LogPage>, style: Style) -> String {
    let Some(page) = page.filter(|page| !page.lines.is_empty()) else { return String::new() };
    let lines = log_lines(&page.lines, false, style);
    format!("{lines}{}\n", style.paint(Ink::Faint, &footer(page, false)))
}

/// What was typed, and what was printed then.
#[must_use]
pub fn input(sent: &InputSent, style: Style) -> String {
    let seen = match sent.seen {
        None => "",
        Some(true) => "; seen",
        Some(false) => "; not seen",
    };
    let typed = count(sent.bytes, "byte");
    let (target, output) = (safe_line(&sent.target), output(sent.output.as_ref(), style));
    if sent.unsure {
        return format!(
            "{typed} for {target} were sent before; they may not have been typed{seen}\n{output}"
        );
    }
    format!("{typed} typed into {target}{seen}\n{output}")
}
