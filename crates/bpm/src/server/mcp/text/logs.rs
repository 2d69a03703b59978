//! A page of log lines as text: what was searched and found, then the lines, matches marked.

use std::fmt::Write;

use bpm_api::{LogLine, LogPage, SkippedLines};

use super::units::{bytes, count};

pub(super) fn page(page: &LogPage) -> String {
    let mut text = heading(page);
    let contextual = page.lines.iter().any(|line| !line.is_match);
    let mut before: Option<Place<'_>> = None;
    for line in &page.lines {
        if let Some(SkippedLines { lines, cursor }) = &line.skipped {
            let _ = write!(text, "\n   … {} not shown: cursor {cursor}", count(*lines, "line"));
        } else if contextual && before.as_ref().is_some_and(|before| !before.adjoins(line)) {
            text.push_str("\n--");
        }
        text.push_str(if line.is_match { "\n * " } else { "\n   " });
        if let Some(process) = &line.process {
            let _ = write!(text, "[{process}] ");
        }
        text.push_str(&line.text);
        text.push_str(&fold(line));
        before = Some(Place::after(line, before));
    }
    text
}

/// How many lines this one stands for.
fn fold(line: &LogLine) -> String {
    match (line.times, line.alike, line.by_turns) {
        (..=1, _, _) => String::new(),
        (times, false, false) => format!(" (×{times})"),
        (times, true, false) => format!(" (×{times} alike)"),
        (times, false, true) => format!(" (×{times} by turns)"),
        (times, true, true) => format!(" (×{times} alike by turns)"),
    }
}

fn heading(page: &LogPage) -> String {
    let mut text = format!("{}: ", page.source);
    match page.matches {
        0 if page.resumed => text.push_str("nothing new since the cursor"),
        0 => text.push_str("no line found"),
        matches => text.push_str(&format!("{} found", count(matches, "line"))),
    }
    if let (Some(first), Some(last)) = (page.lines.first(), page.lines.last()) {
        let _ = write!(text, ", {}", first.time);
        if last.time != first.time {
            let _ = write!(text, " to {}", last.time);
        }
    }
    let sides =
        [(page.omitted_before, "before"), (page.omitted_between, "between"), (page.omitted_after, "after")];
    if sides.iter().any(|(lines, _)| *lines > 0) {
        let parts: Vec<String> = sides
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

/// How far the lines went that were shown.
struct Place<'p> {
    process: Option<&'p str>,
    run: u64,
    number: u64,
}

impl<'p> Place<'p> {
    fn after(line: &'p LogLine, before: Option<Place<'p>>) -> Place<'p> {
        let number = line.last_number.unwrap_or(line.number + line.times.saturating_sub(1));
        let same = before.filter(|before| before.is_of(line));
        // What takes turns goes beyond the first of the next one.
        let number = same.map_or(number, |before| before.number.max(number));
        Place { process: line.process.as_deref(), run: line.run, number }
    }

    fn is_of(&self, line: &LogLine) -> bool {
        self.process == line.process.as_deref() && self.run == line.run
    }

    /// Nothing lies between.
    fn adjoins(&self, line: &LogLine) -> bool {
        self.is_of(line) && line.number <= self.number.saturating_add(1)
    }
}
