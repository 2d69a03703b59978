//! The status as text: one line per process, more only where something is not plainly running.

use std::fmt::Write;

use bpm_api::{
    BuildProgress, BuildStatus, EventLine, ExitStatus, ProcessStatus, Sample, State, Status, TaskState,
};
use serde_json::{Map, Value, json};

use super::tasks;
use super::units::{bytes, count, duration};

const SHOWN_EVENTS: usize = 10;

pub(super) fn status(status: &Status) -> String {
    let mut text = heading(status);
    for alarm in &status.alarms {
        let of = alarm.process.as_ref().map(|name| format!("{name}: ")).unwrap_or_default();
        let _ = write!(text, "\n! {of}{}", alarm.message);
    }
    let closely = shows_events(status);
    for one in &status.processes {
        text.push('\n');
        text.push_str(&process(one, closely));
    }
    if status.processes.is_empty() {
        text.push_str("\nno processes are configured");
    }
    for task in status.tasks.iter().filter(|task| task.state == TaskState::Running) {
        let _ = write!(text, "\ntask {}", tasks::line(task));
    }
    let ended = ended_tasks(status);
    if ended > 0 {
        let _ = write!(text, "\n{} ended; `get_task_status` lists them", count(ended, "task"));
    }
    text
}

fn ended_tasks(status: &Status) -> u64 {
    let ended = status.tasks.iter().filter(|task| task.state != TaskState::Running).count();
    status.more_tasks + ended as u64
}

/// One process with all that is known of it; of several what a decision needs.
pub(super) fn structured(mut status: Status) -> serde_json::Result<Value> {
    let closely = shows_events(&status);
    let ended = ended_tasks(&status);
    let mut facts = json!({"mode": status.mode});
    if let Some(seconds) = status.release_switch_in_seconds {
        #[expect(clippy::cast_possible_truncation, reason = "a float is clipped to what fits")]
        let seconds = seconds.round() as i64;
        facts["release_switch_in_seconds"] = json!(seconds);
    }
    if status.manager.closing {
        facts["closing"] = Value::Bool(true);
    }
    if !status.alarms.is_empty() {
        facts["alarms"] = json!(status.alarms);
    }
    let processes = status.processes.drain(..);
    let processes: Result<Vec<Value>, _> =
        processes.map(|one| if closely { serde_json::to_value(one) } else { brief(&one) }).collect();
    facts["processes"] = Value::Array(processes?);
    let running = status.tasks.iter().filter(|task| task.state == TaskState::Running);
    let running: Vec<_> = running.map(tasks::facts).collect();
    if !running.is_empty() {
        facts["tasks"] = json!(running);
    }
    if ended > 0 {
        facts["ended_tasks"] = json!(ended);
    }
    Ok(facts)
}

fn brief(process: &ProcessStatus) -> serde_json::Result<Value> {
    let mut facts = Map::new();
    facts.insert("name".to_owned(), json!(process.name));
    facts.insert("state".to_owned(), json!(process.state));
    let known = serde_json::to_value(process)?;
    let mut keep = |names: &[&str]| {
        for name in names {
            if let Some(value) = known.get(name) {
                facts.insert((*name).to_owned(), value.clone());
            }
        }
    };
    keep(&["pid", "run"]);
    if !runs_plainly(process) {
        keep(&["why", "next", "restart_in_seconds", "last_exit", "last_build", "building"]);
    } else if has_crashed(process) {
        keep(&["restarts", "last_exit"]);
    }
    if let Some(ports) = process.sample.as_ref().map(|sample| &sample.ports).filter(|ports| !ports.is_empty())
    {
        facts.insert("ports".to_owned(), json!(ports));
    }
    Ok(Value::Object(facts))
}

/// Events are for a closer look at one process.
fn shows_events(status: &Status) -> bool {
    status.processes.len() == 1
}

fn heading(status: &Status) -> String {
    let mut text = format!("{} mode", status.mode.as_str());
    if let Some(seconds) = status.release_switch_in_seconds {
        let _ = write!(text, ", release mode in {} unless tools are used", duration(seconds));
    }
    if status.manager.closing {
        text.push_str("; the manager is ending");
    }
    text
}

/// One process; `closely`: with why and events even if it plainly runs.
pub(super) fn process(process: &ProcessStatus, closely: bool) -> String {
    let mut text = format!("{}: {}", process.name, process.state.as_str());
    for fact in facts(process, closely || !runs_plainly(process)) {
        text.push_str(", ");
        text.push_str(&fact);
    }
    if closely || !runs_plainly(process) {
        if !process.why.is_empty() {
            let _ = write!(text, "\n  why: {}", process.why);
        }
        if let Some(next) = &process.next {
            let _ = write!(text, "\n  next: {next}");
        }
    }
    if closely {
        if !process.keeps_artefact {
            text.push_str("\n  a crash restart runs what is in the tree then");
        }
        events(&process.events, &mut text);
    }
    text
}

fn runs_plainly(process: &ProcessStatus) -> bool {
    let build_failed = process.last_build.as_ref().is_some_and(|build| build.ok == Some(false));
    process.state == State::Running && process.building.is_none() && !build_failed
}

/// It came back after it had ended by itself.
fn has_crashed(process: &ProcessStatus) -> bool {
    process.crashes > 0 || process.last_exit.as_ref().is_some_and(|exit| !exit.asked)
}

/// What went before is left out of a line where all is well.
fn facts(process: &ProcessStatus, past: bool) -> Vec<String> {
    let mut facts = Vec::new();
    if let Some(run) = process.run {
        let recipe = process.recipe.filter(|_| past);
        let recipe = recipe.map(|recipe| format!(" ({})", recipe.as_str())).unwrap_or_default();
        facts.push(format!("run {run}{recipe}"));
    }
    facts.extend(process.pid.map(|pid| format!("pid {pid}")));
    facts.extend(process.uptime_seconds.map(|seconds| format!("up {}", duration(seconds))));
    facts
        .extend(process.sample.iter().flat_map(|taken| if past { sample(taken) } else { remarkable(taken) }));
    if process.restarts > 0 && (past || has_crashed(process)) {
        facts.push(count(process.restarts, "restart"));
    }
    if process.crashes > 0 {
        facts.push(format!("{} in a row", count(process.crashes.into(), "crash")));
    }
    facts.extend(process.restart_in_seconds.map(|seconds| format!("restart in {}", duration(seconds))));
    facts.extend(process.last_exit.as_ref().filter(|exit| past || !exit.asked).map(last_exit));
    facts.extend(process.last_build.as_ref().filter(|_| past).map(last_build));
    facts.extend(process.building.as_ref().map(building));
    facts
}

/// Ports, and how busy it is where it is busy.
fn remarkable(sample: &Sample) -> Vec<String> {
    let mut facts: Vec<String> = ports(sample).into_iter().collect();
    if sample.cpu_percent >= 10.0 {
        facts.push(format!("cpu {:.0}%", sample.cpu_percent));
    }
    facts.push(bytes(sample.memory_bytes));
    facts
}

fn ports(sample: &Sample) -> Option<String> {
    let ports: Vec<String> = sample.ports.iter().map(u16::to_string).collect();
    match ports.len() {
        0 => None,
        1 => Some(format!("port {}", ports[0])),
        _ => Some(format!("ports {}", ports.join(" "))),
    }
}

pub(super) fn sample(sample: &Sample) -> Vec<String> {
    let mut facts: Vec<String> = ports(sample).into_iter().collect();
    facts.push(format!("cpu {:.0}%", sample.cpu_percent));
    facts.push(bytes(sample.memory_bytes));
    if sample.processes > 1 {
        facts.push(format!("{} processes", sample.processes));
    }
    if sample.age_ms >= 1_000 {
        #[expect(clippy::cast_precision_loss, reason = "shown with two digits")]
        facts.push(format!("measured {} ago", duration(sample.age_ms as f64 / 1_000.0)));
    }
    facts
}

fn last_exit(exit: &ExitStatus) -> String {
    let how = match (&exit.signal, exit.code) {
        _ if exit.lost => "ended unseen".to_owned(),
        (Some(signal), _) => format!("killed by {signal}"),
        (None, Some(code)) => format!("exited with {code}"),
        (None, None) => "ended".to_owned(),
    };
    let asked = if exit.asked { " as asked" } else { "" };
    format!("run {} {how}{asked} {} ago", exit.run, duration(exit.ago_seconds))
}

fn last_build(build: &BuildStatus) -> String {
    let how = if build.ok == Some(false) { "failed" } else { "ok" };
    let note = build.note.as_ref().map(|note| format!(": {note}")).unwrap_or_default();
    let ago = build.ago_seconds.map(|ago| format!(" {} ago", duration(ago))).unwrap_or_default();
    let took = build.took_seconds.map(|took| format!(" (took {})", duration(took))).unwrap_or_default();
    format!("build {} {how}{ago}{took}{note}", build.build)
}

fn building(build: &BuildStatus) -> String {
    let note = build.note.as_ref().map(|note| format!(", {note}")).unwrap_or_default();
    let so_far = build.took_seconds.map(|took| format!(" for {}", duration(took))).unwrap_or_default();
    let steps = build.progress.as_ref().map(steps).unwrap_or_default();
    format!("building {} ({}){steps}{so_far}{note}", build.build, build.recipe.as_str())
}

/// ` 12/40 (foo, bar)`
fn steps(progress: &BuildProgress) -> String {
    let BuildProgress { done, total, what } = progress;
    let what = if what.is_empty() { String::new() } else { format!(" ({what})") };
    format!(" {done}/{total}{what}")
}

fn events(events: &[EventLine], text: &mut String) {
    let hidden = events.len().saturating_sub(SHOWN_EVENTS);
    if !events.is_empty() {
        text.push_str("\n  events:");
    }
    if hidden > 0 {
        let _ = write!(text, " ({hidden} earlier)");
    }
    for event in &events[hidden..] {
        let by = event.by.as_ref().map(|by| format!(" (by {by})")).unwrap_or_default();
        let _ = write!(text, "\n  {} {}{by}", event.time, event.text);
    }
}
