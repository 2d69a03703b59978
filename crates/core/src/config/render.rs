//! Draws faults for a terminal: message, place, source line, caret, help.
//! Owns the bounds of what is shown. Must not know what a fault means.

use std::fmt::Write as _;
use std::ops::Range;

use unicode_width::UnicodeWidthChar as _;

use super::fault::Fault;
use super::text::{BYTE_ORDER_MARK, Text};

/// Faults that are drawn; what lies beyond is only counted.
pub const MAX_SHOWN: usize = 50;
/// Characters of a source line that are drawn.
const MAX_LINE: usize = 120;
/// Characters kept before the caret when a line is clipped.
const LEAD: usize = 40;

/// The part of a source line around a fault, safe for a terminal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Excerpt {
    line: String,
    /// In terminal columns.
    caret: Range<usize>,
}

impl Excerpt {
    /// `span` is within the file and on character boundaries; only its first line is drawn.
    pub(super) fn new(file: &Text<'_>, span: &Range<usize>) -> Self {
        let bounds = file.line_span(file.line_index(span.start));
        let line = &file.text[bounds.clone()];
        let start = (span.start - bounds.start).min(line.len());
        let end = (span.end - bounds.start).clamp(start, line.len());
        let first = line[..start].chars().count();
        let marked = line[start..end].chars().count();
        let hidden = match line.chars().nth(MAX_LINE) {
            Some(_) => first.saturating_sub(LEAD),
            None => 0,
        };
        let mut excerpt = Self { line: String::new(), caret: 0..0 };
        let mut column = 0;
        if hidden > 0 {
            excerpt.push('…', &mut column);
        }
        excerpt.caret = column..column;
        for (index, c) in line.chars().enumerate().skip(hidden) {
            if index == first {
                excerpt.caret = column..column;
            }
            if index >= hidden + MAX_LINE {
                excerpt.push('…', &mut column);
                break;
            }
            excerpt.push(c, &mut column);
            if index < first + marked {
                excerpt.caret.end = column;
            }
        }
        if first >= line.chars().count() {
            excerpt.caret = column..column;
        }
        excerpt
    }

    fn push(&mut self, c: char, column: &mut usize) {
        match c {
            '\t' => self.line.push_str("    "),
            BYTE_ORDER_MARK => {}
            c if is_disruptive(c) => self.line.push('\u{fffd}'),
            c => self.line.push(c),
        }
        *column += match c {
            '\t' => 4,
            BYTE_ORDER_MARK => 0,
            c if is_disruptive(c) => 1,
            c => c.width().unwrap_or(0),
        };
    }
}

/// Would move the cursor, change colours or turn the direction of writing.
fn is_disruptive(c: char) -> bool {
    c.is_control() || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Terminal styles, or nothing.
#[derive(Debug, Clone, Copy)]
struct Style {
    error: &'static str,
    frame: &'static str,
    bold: &'static str,
    off: &'static str,
}

const PLAIN: Style = Style { error: "", frame: "", bold: "", off: "" };
const COLOR: Style = Style { error: "\x1b[1;31m", frame: "\x1b[1;34m", bold: "\x1b[1m", off: "\x1b[0m" };

/// The first [`MAX_SHOWN`] faults, then how many more there are of `count`.
pub(super) fn faults(faults: &[Fault], count: usize, color: bool) -> String {
    let style = if color { COLOR } else { PLAIN };
    let mut out = String::new();
    for fault in faults.iter().take(MAX_SHOWN) {
        one(&mut out, fault, style);
        out.push('\n');
    }
    match count.saturating_sub(MAX_SHOWN) {
        0 => {
            out.pop();
        }
        1 => out.push_str("and 1 more fault\n"),
        more => {
            let _ = writeln!(out, "and {more} more faults");
        }
    }
    out
}

fn one(out: &mut String, fault: &Fault, style: Style) {
    let Style { error, frame, bold, off } = style;
    let number = fault.line.to_string();
    let gutter = " ".repeat(number.len());
    let excerpt = &fault.excerpt;
    let indent = " ".repeat(excerpt.caret.start);
    let caret = "^".repeat(excerpt.caret.len().max(1));
    // Writing to a string cannot fail.
    let _ = writeln!(out, "{error}error{off}{bold}: {}{off}", fault.message);
    let place = format!("{}:{}:{}", fault.path, fault.line, fault.column);
    let _ = writeln!(out, "{gutter}{frame}-->{off} {place}");
    let _ = writeln!(out, "{gutter} {frame}|{off}");
    let _ = match excerpt.line.is_empty() {
        true => writeln!(out, "{frame}{number} |{off}"),
        false => writeln!(out, "{frame}{number} |{off} {}", excerpt.line),
    };
    let _ = writeln!(out, "{gutter} {frame}|{off} {indent}{error}{caret}{off}");
    if let Some(suggestion) = &fault.suggestion {
        let _ = writeln!(out, "{gutter} {frame}={off} {bold}help{off}: {suggestion}");
    }
}
