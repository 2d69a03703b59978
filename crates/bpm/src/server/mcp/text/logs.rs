//! A page of log lines as text: what was searched and found, then the lines, matches marked.

use std::fmt::Write;

use bpm_api::{LogLine, LogPage};

use super::units::{bytes, count};

pub(super) fn page(page: &LogPage) -> String {
    let mut text = heading(page);
    let mut before: Option<&LogLine> = None;
    for line in &page.lines {
        if before.is_some_and(|before| !adjoins(before, line)) {
            text.push_str("\n--");
        }
        text.push_str(if line.is_match { "\n * " } else { "\n   " });
        if let Some(process) = &line.process {
            let _ = write!(text, "[{process}] ");
        }
        text.push_str(&line.text);
        if line.times > 1 {
            let _ = write!(text, " (×{})", line.times);
        }
        before = Some(line);
    }
    text
}

fn heading(page: &LogPage) -> String {
    let mut text = format!("{}: ", page.source);
    match page.matches {
        0 => text.push_str("no line found"),
        matches => text.push_str(&format!("{} found", count(matches, "line"))),
    }
    if let (Some(first), Some(last)) = (page.lines.first(), page.lines.last()) {
        let _ = write!(text, ", {}", first.time);
        if last.time != first.time {
            let _ = write!(text, " to {}", last.time);
        }
    }
    if page.omitted_before > 0 || page.omitted_after > 0 {
        let parts: Vec<String> = [(page.omitted_before, "before"), (page.omitted_after, "after")]
            .iter()
            .filter(|(lines, _)| *lines > 0)
            .map(|(lines, side)| format!("{lines} {side}"))
            .collect();
        let _ = write!(text, "; not shown: {}", parts.join(", "));
    }
    if page.lost_lines > 0 || page.lost_bytes > 0 {
        let _ = write!(text, "; lost: {} ({})", count(page.lost_lines, "line"), bytes(page.lost_bytes));
    }
    let _ = write!(text, "; cursor {}", page.cursor);
    text
}

/// Nothing lies between two lines of one run.
fn adjoins(before: &LogLine, line: &LogLine) -> bool {
    before.process == line.process
        && before.run == line.run
        && line.number <= before.number.saturating_add(before.times.max(1))
}
