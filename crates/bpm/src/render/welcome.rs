//! What somebody sees who has just brought a project up: what runs, where it can be asked, what to try next.

use std::fmt::Write as _;

use bpm_api::{ProcessStatus, State, Status};

use super::safe::safe_line;
use super::status::state;

/// Ends in a line feed.
#[must_use]
pub fn welcome(status: &Status) -> String {
    let manager = &status.manager;
    let mut out = format!(
        "bpm {} keeps `{}` up in {} mode (manager {})\n",
        safe_line(&manager.version),
        safe_line(&manager.paths.project),
        status.mode.as_str(),
        manager.pid
    );
    let names: Vec<String> = status.processes.iter().map(one).collect();
    let _ = match names.is_empty() {
        true => writeln!(out, "  processes  none configured"),
        false => writeln!(out, "  processes  {}", names.join(", ")),
    };
    let bound = |address| format!(" (bound to {})", safe_line(address));
    let bound = manager.bind.as_deref().map(bound).unwrap_or_default();
    let _ = match &manager.mcp_url {
        Some(url) => writeln!(out, "  MCP        {}{bound}", safe_line(url)),
        None => writeln!(out, "  MCP        no TCP port (set `mcp_port` for one)"),
    };
    for alarm in &status.alarms {
        let _ = writeln!(out, "  alarm      {}", safe_line(&alarm.message));
    }
    let example = status.processes.first().map_or("NAME", |process| process.name.as_str());
    let example = safe_line(example);
    let _ = writeln!(
        out,
        "  next       `bpm status`, `bpm logs -f`, `bpm restart {example}` after an edit, `bpm down`"
    );
    out
}

fn one(process: &ProcessStatus) -> String {
    let name = safe_line(&process.name);
    match process.state {
        State::Running => name.into_owned(),
        State::Starting
        | State::Stopping
        | State::Stopped
        | State::Idle
        | State::BackingOff
        | State::CrashLooping
        | State::BuildFailed
        | State::CannotStart
        | State::Ended
        | State::Stuck => format!("{name} ({})", state(process)),
    }
}
