//! Tasks as text: how one stands comes first, in words, then what it printed.

use std::fmt::Write;

use bpm_api::{Alarm, InputSent, Status, TaskList, TaskReport, TaskState, TaskStatus};
use serde_json::{Map, Value, json};

use super::units::{bytes, clip, count, duration};
use super::{logs, status};

const COMMAND_CHARS: usize = 100;
/// Tasks in one answer: as many as fit into it with commands of some length.
pub(super) const MOST_SHOWN: usize = 30;

pub(super) fn report(report: &TaskReport) -> String {
    let mut text = standing(&report.task);
    if report.already {
        text.push_str("; it ran already under that name");
    }
    text.push_str(&details(&report.task));
    if report.task.state == TaskState::Running && report.task.ready != Some(true) {
        let _ = write!(text, "\nnext: {}", next(&report.task));
    }
    if let Some(output) = &report.output {
        text.push('\n');
        text.push_str(&logs::page(output));
    }
    text
}

/// One task closely, or a line for each.
pub(super) fn list(list: &TaskList) -> String {
    let mut text = match &list.tasks[..] {
        [] => "no task is running or kept; `run_background_task` starts one".to_owned(),
        [task] if list.output.is_some() => {
            let place = format!("\n  $ {} (in {})", clip(&task.command, COMMAND_CHARS), task.cwd);
            format!("{}{place}, started by {}{}", standing(task), task.by, details(task))
        }
        tasks => tasks.iter().map(line).collect::<Vec<_>>().join("\n"),
    };
    if list.more > 0 {
        let _ = write!(text, "\n{} more; name one as `task_id`", count(list.more, "task"));
    }
    if let Some(output) = &list.output {
        text.push('\n');
        text.push_str(&logs::page(output));
    }
    text
}

/// A status is for an overview: of very many tasks that run it shows some.
pub(super) fn leave_some_out(status: &mut Status) {
    let over = status.tasks.len().saturating_sub(MOST_SHOWN);
    status.tasks.truncate(MOST_SHOWN);
    if over > 0 {
        let message =
            format!("{} more: `get_task_status` with a `task_id` shows one", count(over as u64, "task"));
        status.alarms.push(Alarm { process: None, message });
    }
}

/// One line: how it stands, and its command.
pub(super) fn line(task: &TaskStatus) -> String {
    format!("{}: $ {}", standing(task), clip(&task.command, COMMAND_CHARS))
}

pub(super) fn input(sent: &InputSent) -> String {
    let mut text = format!("sent {} to {}", bytes(sent.bytes), sent.target);
    if sent.unsure {
        text.push_str(
            " before, to a manager that died; it may not have been typed, look before you type it again",
        );
    }
    match sent.seen {
        Some(true) => text.push_str("; what was waited for has come"),
        Some(false) => text.push_str("; what was waited for has not come yet"),
        None => {}
    }
    if let Some(output) = &sent.output {
        text.push('\n');
        text.push_str(&logs::page(output));
    }
    text
}

fn next(task: &TaskStatus) -> String {
    let when = if task.ready.is_some() { "is ready or ends" } else { "ends" };
    format!("`wait_for` {} tells when it {when}", task.task_id)
}

/// `t3 (web) failed: exited with 101 after 0.4s`.
fn standing(task: &TaskStatus) -> String {
    let mut text = task.task_id.clone();
    if let Some(name) = &task.name {
        let _ = write!(text, " ({name})");
    }
    let took = duration(task.seconds);
    if task.state == TaskState::Running {
        text.push_str(match task.ready {
            Some(true) => " runs and is ready",
            Some(false) => " runs, not ready yet",
            None => " runs",
        });
        if let Some(pid) = task.pid {
            let _ = write!(text, ", pid {pid}");
        }
        let _ = write!(text, ", up {took}");
        for fact in task.sample.iter().flat_map(status::sample) {
            let _ = write!(text, ", {fact}");
        }
        return text;
    }
    let _ = write!(text, " {}", task.state.as_str());
    match (&task.note, &task.signal, task.exit_code, task.state) {
        (Some(note), None, None, _) => {
            let _ = write!(text, ": {note}");
        }
        (_, Some(signal), ..) => {
            let _ = write!(text, ": ended by {signal} after {took}");
        }
        (_, _, Some(code), state) if state != TaskState::Completed => {
            let _ = write!(text, ": exited with {code} after {took}");
        }
        (_, _, _, TaskState::Lost) => text.push_str(": nobody knows how it ended"),
        _ => {
            let _ = write!(text, " after {took}");
        }
    }
    if let Some(ago) = task.ended_ago_seconds.filter(|ago| *ago >= 1.0) {
        let _ = write!(text, ", {} ago", duration(ago));
    }
    text
}

fn details(task: &TaskStatus) -> String {
    let mut text = String::new();
    if let Some(kill) = &task.kill_requested {
        let _ = write!(text, "\n  its end was requested by {} {} ago", kill.by, duration(kill.ago_seconds));
    }
    if let Some(seconds) = task.kill_in_seconds {
        let _ = write!(text, "\n  its time limit ends it in {}", duration(seconds));
    }
    if !task.survivors.is_empty() {
        let count = count(task.survivors.len() as u64, "process");
        let _ = write!(text, "\n  {count} of its tree left: {}", task.survivors.join(", "));
    }
    text
}

/// What a program decides by, and what the task printed, for clients that show a model nothing else.
pub(super) fn structured_report(report: &TaskReport) -> Value {
    let mut facts = facts(&report.task);
    if report.already {
        facts.insert("already".to_owned(), Value::Bool(true));
    }
    if report.task.state == TaskState::Running && report.task.ready != Some(true) {
        facts.insert("next".to_owned(), Value::String(next(&report.task)));
    }
    if let Some(output) = &report.output {
        facts.insert("output".to_owned(), Value::String(logs::page(output)));
    }
    Value::Object(facts)
}

pub(super) fn structured_list(list: &TaskList) -> Value {
    match (&list.tasks[..], &list.output) {
        ([task], Some(output)) => {
            let mut facts = facts(task);
            facts.insert("output".to_owned(), Value::String(logs::page(output)));
            Value::Object(facts)
        }
        (tasks, _) => json!({"tasks": tasks.iter().map(facts).collect::<Vec<_>>()}),
    }
}

pub(super) fn structured_input(sent: &InputSent) -> Value {
    let mut facts = json!({"target": sent.target, "bytes": sent.bytes});
    if sent.unsure {
        facts["unsure"] = Value::Bool(true);
    }
    if let Some(seen) = sent.seen {
        facts["seen"] = Value::Bool(seen);
    }
    if let Some(output) = &sent.output {
        facts["output"] = Value::String(logs::page(output));
    }
    facts
}

/// All that is known but for measurements, of which a model needs the ports.
pub(super) fn facts(task: &TaskStatus) -> Map<String, Value> {
    let mut task = task.clone();
    task.command = clip(&task.command, 4 * COMMAND_CHARS);
    task.seconds = (task.seconds * 10.0).round() / 10.0;
    let ports = task.sample.take().map(|sample| sample.ports).unwrap_or_default();
    let mut facts = match serde_json::to_value(task) {
        Ok(Value::Object(facts)) => facts,
        _ => Map::new(),
    };
    if !ports.is_empty() {
        facts.insert("ports".to_owned(), json!(ports));
    }
    facts
}
