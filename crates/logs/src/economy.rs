//! Owns making log text short and harmless for people and models. Pure functions; must not know
//! where the text comes from.

pub mod digest;
pub mod fold;
pub mod gather;
pub mod template;
pub mod units;

use std::borrow::Cow;
use std::fmt::Write as _;

use crate::terminal::{is_text, settle_line, settle_styled, strip_colours};

/// What an answer may cost when nobody says otherwise, in bytes.
pub const DEFAULT_MAX_BYTES: usize = 8 << 10;
/// A line of an answer is clipped to this many bytes when nobody says otherwise.
pub const DEFAULT_MAX_LINE_BYTES: usize = 1 << 10;
/// Room for the line that says what was left out.
const NOTE_BYTES: usize = 80;

/// Which part of a text that is too long stays.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// The start and the end, in equal shares.
    Ends,
    Start,
    End,
}

/// How an answer is shaped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shape {
    pub max_bytes: usize,
    pub max_line_bytes: usize,
    pub part: Part,
}

impl Default for Shape {
    fn default() -> Shape {
        Shape { max_bytes: DEFAULT_MAX_BYTES, max_line_bytes: DEFAULT_MAX_LINE_BYTES, part: Part::Ends }
    }
}

/// One line to be shaped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RawLine<'a> {
    /// Put before the text as it is. Only lines with the same prefix fold.
    pub prefix: &'a str,
    /// The program's bytes without the line feed, perhaps clipped already.
    pub text: &'a [u8],
    /// Length (bytes) before any clipping.
    pub full_len: u64,
}

/// Text that fits.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Shaped {
    /// At most `max_bytes`; every line ends in a line feed.
    pub text: String,
    /// Lines that were left out to fit (also told in the text). Folded ones are not.
    pub lines_left_out: u64,
    /// Their bytes.
    pub bytes_left_out: u64,
}

/// Reduces, folds, clips and fits lines.
pub fn shape<'a>(lines: impl IntoIterator<Item = RawLine<'a>>, shape: &Shape) -> Shaped {
    let mut folded: Vec<Folded> = Vec::new();
    for line in lines {
        let text = plain_text(line.text);
        let cut = line.full_len.saturating_sub(line.text.len() as u64);
        let text = format!("{}{}", line.prefix, clip(&text, shape.max_line_bytes, cut));
        match folded.last_mut() {
            Some(last) if last.text == text => last.times += 1,
            Some(_) | None => folded.push(Folded { text, times: 1 }),
        }
    }
    fit(&folded, shape.max_bytes, shape.part)
}

/// A line, or a run of equal ones.
#[derive(Debug)]
struct Folded {
    text: String,
    times: u64,
}

impl Folded {
    fn render(&self) -> String {
        if self.times == 1 {
            format!("{}\n", self.text)
        } else {
            format!("{} (×{})\n", self.text, digits(self.times))
        }
    }
}

/// As [`plain_text`] for one line, without a copy where none is needed. `scratch` is overwritten.
pub fn plain_line<'a>(line: &'a [u8], scratch: &'a mut Vec<u8>) -> Cow<'a, str> {
    if is_text(line) {
        return String::from_utf8_lossy(line);
    }
    scratch.clear();
    if strip_colours(line, scratch) {
        return String::from_utf8_lossy(scratch);
    }
    Cow::Owned(plain_text(line))
}

/// As [`plain_line`], but colours and the like stay: of all control characters only tabs and whole sequences
/// `ESC [ … m` are left, as few as the text needs, and what they set ends with the line.
pub fn styled_line(line: &[u8]) -> Cow<'_, str> {
    let end = line.iter().rposition(|b| *b != b'\r').map_or(0, |last| last + 1);
    let text = String::from_utf8_lossy(&line[..end]);
    if is_text(&line[..end]) || !text.chars().any(|c| c.is_control() && c != '\t') {
        return text;
    }
    let mut out = String::with_capacity(text.len());
    settle_styled(&text, &mut out);
    Cow::Owned(out)
}

/// Clips what [`styled_line`] gave to `max_bytes`: at a character, between sequences, and nothing is left switched on.
/// Says how many bytes are missing.
pub fn clip_styled(text: &mut String, max_bytes: usize) -> u64 {
    const RESET: &str = "\x1b[0m";
    if text.len() <= max_bytes {
        return 0;
    }
    let coloured = text.contains('\x1b');
    let mut end = floor(text, if coloured { max_bytes.saturating_sub(RESET.len()) } else { max_bytes });
    if let Some(begun) = text[..end].rfind('\x1b').filter(|begun| !text[*begun..end].contains('m')) {
        end = begun;
    }
    let missing = (text.len() - end) as u64;
    text.truncate(end);
    if text.rfind('\x1b').is_some_and(|last| !text[last..].starts_with(RESET)) {
        text.push_str(RESET);
    }
    missing
}

/// The text that a terminal would show at last: colours and other control sequences are gone,
/// carriage returns and backspaces have taken effect, invalid UTF-8 is U+FFFD. Line feeds and tabs
/// stay.
pub fn plain_text(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    if !text.chars().any(|c| c.is_control() && c != '\t' && c != '\n') {
        return text.into_owned();
    }
    let mut out = String::with_capacity(text.len());
    for (i, line) in text.split('\n').enumerate() {
        if i > 0 {
            out.push('\n');
        }
        settle_line(line, &mut out);
    }
    out
}

/// Clips a line to `max_bytes` (at a character) and says how much is missing; `cut` bytes were cut
/// before.
pub fn clip(line: &str, max_bytes: usize, cut: u64) -> String {
    let end = floor(line, max_bytes);
    let missing = cut.saturating_add((line.len() - end) as u64);
    if missing == 0 {
        return line.to_owned();
    }
    format!("{}… (+{} bytes)", &line[..end], digits(missing))
}

/// A number with its thousands apart: `1,234`.
pub fn digits(n: u64) -> String {
    let plain = n.to_string();
    let mut out = String::with_capacity(plain.len() + plain.len() / 3);
    for (i, c) in plain.chars().enumerate() {
        if i > 0 && (plain.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(c);
    }
    out
}

/// Makes text harmless on a terminal and loses nothing: control characters are shown as `\x1b`,
/// `\r`, `\u{9b}`, invalid UTF-8 as `\xff`. Line feeds and tabs stay.
pub fn escape_for_terminal(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        for c in chunk.valid().chars() {
            escape_char(c, &mut out);
        }
        for byte in chunk.invalid() {
            // Writing to a string cannot fail.
            _ = write!(out, "\\x{byte:02x}");
        }
    }
    out
}

fn escape_char(c: char, out: &mut String) {
    match c {
        '\n' | '\t' => out.push(c),
        '\r' => out.push_str("\\r"),
        c if c.is_ascii_control() => _ = write!(out, "\\x{:02x}", u32::from(c)),
        // Text that reorders or hides text can forge what a person reads.
        c if c.is_control() || reorders(c) => _ = write!(out, "\\u{{{:x}}}", u32::from(c)),
        c => out.push(c),
    }
}

fn reorders(c: char) -> bool {
    matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

fn fit(lines: &[Folded], max_bytes: usize, part: Part) -> Shaped {
    let rendered: Vec<String> = lines.iter().map(Folded::render).collect();
    let total: usize = rendered.iter().map(String::len).sum();
    if total <= max_bytes {
        return Shaped { text: rendered.concat(), ..Shaped::default() };
    }
    let budget = max_bytes.saturating_sub(NOTE_BYTES);
    let share = match part {
        Part::Ends => budget / 2,
        Part::Start => budget,
        Part::End => 0,
    };
    let start = fitting(rendered.iter(), share);
    let used: usize = rendered[..start].iter().map(String::len).sum();
    let left = if part == Part::Start { 0 } else { budget - used };
    let end = fitting(rendered[start..].iter().rev(), left);
    let out = start..rendered.len() - end;
    let lines_left_out = lines[out.clone()].iter().map(|l| l.times).sum();
    let bytes_left_out = rendered[out.clone()].iter().map(|l| l.len() as u64).sum();
    let mut text = rendered[..out.start].concat();
    let note = format!("… {} lines left out ({} bytes) …", digits(lines_left_out), digits(bytes_left_out));
    let rest = rendered[out.end..].concat();
    if text.len() + note.len() + rest.len() < max_bytes {
        text.push_str(&note);
        text.push('\n');
    }
    text.push_str(&rest);
    Shaped { text, lines_left_out, bytes_left_out }
}

/// How many of `lines` fit into `budget` bytes.
fn fitting<'a>(lines: impl Iterator<Item = &'a String>, budget: usize) -> usize {
    let fits = |used: &mut usize, line: &'a String| {
        *used += line.len();
        (*used <= budget).then_some(())
    };
    lines.scan(0, fits).count()
}

/// The largest character border not beyond `max`.
fn floor(text: &str, max: usize) -> usize {
    let mut end = max.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    end
}

#[cfg(test)]
mod tests;
