//! A page of log: matches marked ` * `, context indented, and in one last line what is not shown.
//! The same text for people and for models.

use std::fmt::Write as _;

use bpm_api::{LogLine, LogPage, SkippedLines};

use super::safe::safe_line;
use super::style::{Ink, Style};
use super::time::count;

/// Lines and footer. `marked` says whether the lines were looked for by a pattern.
#[must_use]
pub fn log_page(page: &LogPage, marked: bool, style: Style) -> String {
    let mut out = log_lines(&page.lines, marked, style);
    out.push_str(&style.paint(Ink::Faint, &footer(page, marked)));
    out.push('\n');
    out
}

/// The lines alone, each ending in a line feed.
#[must_use]
pub fn log_lines(lines: &[LogLine], marked: bool, style: Style) -> String {
    let mut out = String::new();
    let mut labels: Vec<&str> = Vec::new();
    let contextual = lines.iter().any(|line| !line.is_match);
    let mut before: Option<&LogLine> = None;
    for line in lines {
        if let Some(SkippedLines { lines, cursor }) = &line.skipped {
            let skipped = format!("… {} not shown: cursor {}", count(*lines, "line"), safe_line(cursor));
            out.push_str(&style.paint(Ink::Faint, &skipped));
            out.push('\n');
        } else if contextual && before.is_some_and(|before| !follows(before, line)) {
            out.push_str("--\n");
        }
        before = Some(line);
        if marked {
            out.push_str(if line.is_match { " * " } else { "   " });
        }
        if let Some(process) = line.process.as_deref() {
            let number = labels.iter().position(|known| *known == process).unwrap_or_else(|| {
                labels.push(process);
                labels.len() - 1
            });
            let label = format!("[{}]", safe_line(process));
            let _ = write!(out, "{} ", style.paint(Ink::Label(number), &label));
        }
        out.push_str(&safe_line(&line.text));
        if line.times > 1 {
            let alike = if line.alike { " alike" } else { "" };
            let by_turns = if line.by_turns { " by turns" } else { "" };
            let times = format!(" (×{}{alike}{by_turns})", line.times);
            out.push_str(&style.paint(Ink::Faint, &times));
        }
        out.push('\n');
    }
    out
}

/// Whether nothing lies between the two in their log.
fn follows(before: &LogLine, line: &LogLine) -> bool {
    before.process != line.process
        || before.run == line.run
            && line.number <= before.last_number.map_or(before.number + before.times.max(1), |last| last + 1)
}

/// What was searched, what was found, what is not shown, and how to go on.
#[must_use]
pub fn footer(page: &LogPage, marked: bool) -> String {
    let LogPage { source, matches, omitted_before, omitted_between, omitted_after, .. } = page;
    let LogPage { lost_lines, lost_bytes, .. } = page;
    let mut out = format!("{}: ", safe_line(source));
    out.push_str(&if marked { matched(*matches) } else { count(*matches, "line") });
    if *omitted_before > 0 {
        let _ = write!(out, ", {omitted_before} before these not shown");
    }
    if *omitted_between > 0 {
        let _ = write!(out, ", {omitted_between} between these not shown");
    }
    if *omitted_after > 0 {
        let _ = write!(out, ", {omitted_after} after these not shown");
    }
    if *lost_lines > 0 || *lost_bytes > 0 {
        let lost = count(*lost_lines, "line");
        let _ = write!(out, ", {lost} ({lost_bytes} bytes) no longer kept");
    }
    let _ = write!(out, "; cursor {}", safe_line(&page.cursor));
    out
}

fn matched(matches: u64) -> String {
    match matches {
        0 => "no line matches".to_owned(),
        1 => "1 match".to_owned(),
        _ => format!("{matches} matches"),
    }
}
