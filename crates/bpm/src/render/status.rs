//! The status of a project as a table, with a line of reason below each process that is not simply running.

use bpm_api::{BuildProgress, BuildStatus, ExitStatus, ManagerStatus, Mode, ProcessStatus, State, Status};

use super::safe::safe_line;
use super::style::{Ink, Style};
use super::table::{Cell, Column, lines};
use super::task;
use super::time::{bytes, count, counted, seconds};

const MARK_WIDTH: usize = 2;

#[rustfmt::skip]
const COLUMNS: [Column; 9] = [
    Column { title: "NAME", keep: 9, right: false },
    Column { title: "STATE", keep: 8, right: false },
    Column { title: "PID", keep: 7, right: true },
    Column { title: "RUN", keep: 6, right: true },
    Column { title: "UPTIME", keep: 4, right: true },
    Column { title: "RESTARTS", keep: 2, right: true },
    Column { title: "PORTS", keep: 5, right: false },
    Column { title: "CPU", keep: 1, right: true },
    Column { title: "MEMORY", keep: 3, right: true },
];

/// The whole status, ending in a line feed.
#[must_use]
pub fn status(status: &Status, style: Style) -> String {
    let mut out = header(status, style);
    for alarm in &status.alarms {
        let of = alarm.process.as_deref().map(|name| format!("{name}: ")).unwrap_or_default();
        let line = format!("! {of}{}", safe_line(&alarm.message));
        out.push_str(&style.paint(Ink::Bad, &line));
        out.push('\n');
    }
    if status.processes.is_empty() && status.tasks.is_empty() {
        out.push_str("no process is configured\n");
        return out;
    }
    out.push_str(&processes(&status.processes, style));
    if !status.tasks.is_empty() {
        let gap = if status.processes.is_empty() { "" } else { "\n" };
        out.push_str(&format!("{gap}{}", task::table(&status.tasks, style)));
    }
    if status.more_tasks > 0 {
        out.push_str(&format!("{} ended before these: `bpm tasks`\n", count(status.more_tasks, "task")));
    }
    out
}

fn processes(processes: &[ProcessStatus], style: Style) -> String {
    let mut out = String::new();
    if processes.is_empty() {
        return out;
    }
    let rows: Vec<Vec<Cell>> = processes.iter().map(row).collect();
    let mut drawn = lines(&COLUMNS, &rows, MARK_WIDTH, style).into_iter();
    if let Some(titles) = drawn.next() {
        out.push_str(&format!("{}{titles}\n", " ".repeat(MARK_WIDTH)));
    }
    for (process, line) in processes.iter().zip(drawn) {
        let (mark, ink) = mark(process);
        out.push_str(&format!("{} {line}\n", style.paint(ink, mark)));
        for remark in remarks(process) {
            out.push_str(&format!("    {remark}\n"));
        }
    }
    out
}

fn header(status: &Status, style: Style) -> String {
    let ManagerStatus { pid, uptime_seconds, mcp_url, bind, containment, closing, paths, .. } =
        &status.manager;
    let mode = match (status.mode, status.release_switch_in_seconds) {
        (Mode::Release, _) => "release mode".to_owned(),
        (Mode::Dev, None) => "dev mode".to_owned(),
        (Mode::Dev, Some(left)) => format!("dev mode, release mode in {} if nothing is asked", seconds(left)),
    };
    let project = safe_line(&paths.project);
    let mut out = format!("{}: {mode}\n", style.paint(Ink::Strong, &project));
    let url = mcp_url.as_ref().map(|url| format!(", {url}")).unwrap_or_default();
    let bound =
        bind.as_ref().map(|address| format!(" (bound to {})", safe_line(address))).unwrap_or_default();
    let closing = if *closing { ", ending" } else { "" };
    let manager = format!(
        "manager {pid}, up {}{closing}, trees by {containment}{url}{bound}",
        seconds(*uptime_seconds)
    );
    out.push_str(&style.paint(Ink::Faint, &manager));
    out.push('\n');
    out
}

/// A mark that tells the state without colour.
pub(super) fn mark(process: &ProcessStatus) -> (&'static str, Ink) {
    match process.state {
        State::Running => ("▶", Ink::Good),
        State::Starting | State::Stopping => ("…", Ink::Waiting),
        State::Stopped | State::Idle | State::Ended => ("■", Ink::Faint),
        State::BackingOff => ("✗", Ink::Waiting),
        State::CrashLooping | State::BuildFailed | State::CannotStart | State::Stuck => ("✗", Ink::Bad),
    }
}

/// The state in words.
#[must_use]
pub fn state(process: &ProcessStatus) -> String {
    let words = process.state.as_str().replace('_', " ");
    match (&process.building, process.state) {
        (Some(_), State::Starting) => "building".to_owned(),
        (Some(_), _) => format!("{words}, building"),
        (None, _) => words,
    }
}

fn row(process: &ProcessStatus) -> Vec<Cell> {
    let number = |number: Option<u64>| number.map(|n| n.to_string()).unwrap_or_default();
    let sample = process.sample.as_ref();
    let ports = sample.map(|sample| {
        let ports: Vec<String> = sample.ports.iter().map(u16::to_string).collect();
        ports.join(",")
    });
    let (_, ink) = mark(process);
    vec![
        Cell::inked(Ink::Strong, safe_line(&process.name)),
        Cell::inked(ink, state(process)),
        Cell::plain(number(process.pid.map(u64::from))),
        Cell::plain(number(process.run)),
        Cell::plain(process.uptime_seconds.map(seconds).unwrap_or_default()),
        Cell::plain(process.restarts.to_string()),
        Cell::plain(ports.unwrap_or_default()),
        Cell::plain(sample.map(|sample| format!("{:.0}%", sample.cpu_percent)).unwrap_or_default()),
        Cell::plain(sample.map(|sample| bytes(sample.memory_bytes)).unwrap_or_default()),
    ]
}

/// What a reader of the table needs to know beside it.
fn remarks(process: &ProcessStatus) -> Vec<String> {
    let mut remarks = Vec::new();
    let calm = matches!(process.state, State::Running | State::Stopped | State::Idle);
    if !calm && !process.why.is_empty() {
        remarks.push(safe_line(&process.why).into_owned());
    }
    if let (false, Some(next)) = (calm, &process.next) {
        remarks.push(format!("next: {}", safe_line(next)));
    }
    if let Some(build) = &process.building {
        remarks.push(one_build(build));
    }
    // where that is the reason of all, it has been said
    let failed = process.last_build.as_ref().filter(|build| build.ok == Some(false));
    if let Some(failed) = failed.filter(|_| process.state != State::BuildFailed) {
        remarks.push(one_build(failed));
    }
    remarks
}

/// One build in words.
pub(super) fn one_build(build: &BuildStatus) -> String {
    let BuildStatus { build: number, recipe, ok, ago_seconds, took_seconds, progress, note } = build;
    let recipe = recipe.as_str();
    let ago = ago_seconds.map(|ago| format!(" {} ago", seconds(ago))).unwrap_or_default();
    let took = took_seconds.map(|took| format!(" (took {})", seconds(took))).unwrap_or_default();
    let note = note.as_ref().map(|note| format!(": {}", safe_line(note))).unwrap_or_default();
    match ok {
        None => {
            let steps =
                progress.as_ref().map(|progress| format!(", {}", steps(progress))).unwrap_or_default();
            let so_far = took_seconds.map(|took| format!(" for {}", seconds(took))).unwrap_or_default();
            format!("build {number} ({recipe}) is under way{so_far}{steps}{note}")
        }
        Some(true) => format!("build {number} ({recipe}) succeeded{ago}{took}{note}"),
        Some(false) => format!("build {number} ({recipe}) failed{ago}{took}{note}"),
    }
}

/// `12/40 (foo, bar)`
fn steps(progress: &BuildProgress) -> String {
    let BuildProgress { done, total, what } = progress;
    let what = if what.is_empty() { String::new() } else { format!(" ({})", safe_line(what)) };
    format!("{done}/{total}{what}")
}

/// One exit in words.
#[must_use]
pub fn exit(exit: &ExitStatus) -> String {
    let ExitStatus { run, code, signal, lost, asked, ago_seconds } = exit;
    let how = match (code, signal) {
        _ if *lost => "was lost with its shim, nobody knows how it ended".to_owned(),
        (Some(code), _) => format!("exited with code {code}"),
        (None, Some(signal)) => format!("was ended by signal {}", safe_line(signal)),
        (None, None) => "ended".to_owned(),
    };
    let asked = if *asked { " as asked" } else { "" };
    format!("run {run} {how}{asked}, {} ago", seconds(*ago_seconds))
}

/// Restarts and crashes in words.
pub(super) fn restarts(process: &ProcessStatus) -> String {
    let restarts = count(process.restarts, "restart");
    match process.crashes {
        0 => restarts,
        crashes => format!("{restarts}, {} in a row", counted(u64::from(crashes), "crash", "crashes")),
    }
}
