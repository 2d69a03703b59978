//! Why a process is or is not running, with what shows it.

use std::fmt::Write as _;

use bpm_api::{EventLine, WhyAnswer};

use super::log_page::{footer, log_lines};
use super::safe::safe_line;
use super::status::{exit, mark, one_build, restarts, state};
use super::style::{Ink, Style};

/// Ends in a line feed.
#[must_use]
pub fn why(answer: &WhyAnswer, style: Style) -> String {
    let process = &answer.status;
    let (sign, ink) = mark(process);
    let mut out = format!(
        "{} {} {}: {}\n",
        style.paint(ink, sign),
        style.paint(Ink::Strong, &safe_line(&process.name)),
        state(process),
        safe_line(&process.why)
    );
    let mut point = |title: &str, text: &str| {
        let title = format!("{title}:");
        let _ = writeln!(out, "  {} {text}", style.paint(Ink::Faint, &format!("{title:<11}")));
    };
    if let Some(next) = &process.next {
        point("next", &safe_line(next));
    }
    if let Some(last) = &process.last_exit {
        point("last exit", &exit(last));
    }
    if let Some(current) = &process.building {
        point("build", &one_build(current));
    }
    if let Some(last) = &process.last_build {
        point("last build", &one_build(last));
    }
    if process.restarts > 0 || process.crashes > 0 {
        point("restarts", &restarts(process));
    }
    for survivor in &answer.survivors {
        point("alive", &safe_line(survivor));
    }
    out.push_str(&events(&process.events, style));
    if let Some(page) = &answer.evidence {
        out.push('\n');
        out.push_str(&log_lines(&page.lines, false, style));
        let _ = writeln!(out, "{}", style.paint(Ink::Faint, &footer(page, false)));
    }
    out
}

fn events(events: &[EventLine], style: Style) -> String {
    let mut out = String::new();
    for EventLine { time, text, by } in events {
        let by = by.as_ref().map(|by| format!(" ({})", safe_line(by))).unwrap_or_default();
        let time = safe_line(time);
        let _ = writeln!(out, "  {} {}{by}", style.paint(Ink::Faint, &time), safe_line(text));
    }
    out
}
