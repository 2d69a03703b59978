//! The status as text: one line per process, more only where something is not plainly running.

use std::fmt::Write;

use bpm_api::{BuildProgress, BuildStatus, EventLine, ExitStatus, ProcessStatus, Sample, State, Status};

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
    text
}

/// Events are for a closer look at one process.
pub(super) fn drop_what_is_not_shown(status: &mut Status) {
    if !shows_events(status) {
        for process in &mut status.processes {
            process.events.clear();
        }
    }
}

fn shows_events(status: &Status) -> bool {
    status.processes.len() == 1
}

fn heading(status: &Status) -> String {
    let mut text = format!("{} mode", status.mode.as_str());
    if let Some(seconds) = status.release_switch_in_seconds {
        let _ = write!(text, ", release mode in {} unless tools are used", duration(seconds));
    }
    let manager = &status.manager;
    let _ = write!(
        text,
        "; manager {} pid {} up {} ({})",
        manager.version,
        manager.pid,
        duration(manager.uptime_seconds),
        manager.containment
    );
    if manager.closing {
        text.push_str(", closing");
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

/// What went before is left out of a line where all is well.
fn facts(process: &ProcessStatus, past: bool) -> Vec<String> {
    let mut facts = Vec::new();
    if let Some(run) = process.run {
        let recipe = process.recipe.map(|recipe| format!(" ({})", recipe.as_str())).unwrap_or_default();
        facts.push(format!("run {run}{recipe}"));
    }
    facts.extend(process.pid.map(|pid| format!("pid {pid}")));
    facts.extend(process.uptime_seconds.map(|seconds| format!("up {}", duration(seconds))));
    facts.extend(process.sample.iter().flat_map(sample));
    if process.restarts > 0 {
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

fn sample(sample: &Sample) -> Vec<String> {
    let ports: Vec<String> = sample.ports.iter().map(u16::to_string).collect();
    let ports = match ports.len() {
        0 => None,
        1 => Some(format!("port {}", ports[0])),
        _ => Some(format!("ports {}", ports.join(" "))),
    };
    let mut facts: Vec<String> = ports.into_iter().collect();
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
