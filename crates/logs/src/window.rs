//! Owns reading some lines of a run from any place, in either direction, at the cost of the answer: which lines it
//! has, when it is full, and where it goes on. Must not know how lines are found that match.

use std::io;
use std::time::{Duration, Instant};

use crate::blocks::{Block, Blocks};
use crate::economy::{clip_styled, styled_line};
use crate::errors::Detector;
use crate::log::{ReadError, RunLog};
use crate::search::Pattern;
use crate::types::Stream;
use crate::view::{Locator, View};

mod pick;

use pick::{Keep, Pick, Picker};

/// Of a line that is shown, so many bytes are looked at: its first ones, or its last ones where it is overwritten
/// again and again.
const SHOWN_BYTES: usize = if cfg!(test) { 128 } else { 64 << 10 };
/// Of a line that is searched, so many.
const SEARCHED_BYTES: usize = if cfg!(test) { 512 } else { 16 << 20 };

/// Where to begin, and in which direction to look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// The last lines.
    End,
    /// The first lines of higher numbers.
    After(u64),
    /// The last lines of lower numbers.
    Before(u64),
}

/// Which lines count.
#[derive(Debug, Clone, Copy)]
pub enum Only<'q> {
    All,
    /// Those whose text matches, as it is shown: control sequences are gone, and what was overwritten.
    Matching(&'q Pattern),
    /// Those that decide an error. A report of more than 64 KiB may be taken for several.
    Errors(&'q Detector),
}

/// What to read.
#[derive(Debug, Clone, Copy)]
pub struct Ask<'q> {
    pub place: Place,
    pub only: Only<'q>,
    /// At most so many lines.
    pub lines: usize,
    /// Text of all lines together, in bytes; the first one is clipped to it.
    pub max_bytes: usize,
    /// Longer lines are clipped to this many bytes.
    pub max_line_bytes: usize,
    /// A search breaks off when it has looked at about so many bytes of the log,
    pub look_at_bytes: u64,
    /// or for so long.
    pub look_for: Duration,
}

/// One line as a terminal would have left it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    pub number: u64,
    /// When its first byte was read (ns since 1970).
    pub time_ns: u64,
    pub stream: Stream,
    /// As [`styled_line`](crate::economy::styled_line) gives it.
    pub text: String,
    /// Bytes that it was clipped by.
    pub clipped_bytes: u64,
    /// No line feed yet.
    pub open: bool,
}

/// The answer, ascending.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Window {
    pub lines: Vec<Seen>,
    /// The answer ended before it had all its lines, and before the log did: its text was as long as it may be, or
    /// the search had looked at much. It goes on after (or before) this line, in the same direction.
    pub broke_off: Option<u64>,
}

/// Which lines a log holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Extent {
    /// Number of the first line that is kept.
    pub first_line: u64,
    /// Number of the first line that has no end: those before it change no more.
    pub next_line: u64,
    /// Lines and bytes that were deleted to stay within the limit, or that a full disk refused.
    pub lost_lines: u64,
    pub lost_bytes: u64,
}

impl RunLog {
    /// Some lines from any place.
    ///
    /// # Errors
    /// A disk that cannot be read.
    pub fn window(&self, ask: &Ask<'_>) -> Result<Window, ReadError> {
        read(self.view(), ask).map_err(|error| self.error(error))
    }

    /// Which lines there are. Costs nothing, unless a full disk refused some of the newest.
    ///
    /// # Errors
    /// A disk that cannot be read.
    pub fn extent(&self) -> Result<Extent, ReadError> {
        let view = self.view();
        let (first, last) = match (view.segments.first(), view.segments.last()) {
            (Some(first), Some(last)) => (first.segment.header, last.segment.header),
            _ => return Ok(Extent { first_line: 1, next_line: 1, ..Extent::default() }),
        };
        let newest = view.segments.len() - 1;
        let gaps = self.gaps_from(newest).map_err(|error| self.error(error))?;
        let (lines, bytes) = gaps.iter().fold((last.lost_lines, last.lost_bytes), |(lines, bytes), gap| {
            (lines.saturating_add(gap.lines), bytes.saturating_add(gap.bytes))
        });
        Ok(Extent {
            first_line: view.first_line(),
            next_line: view.open_line(),
            lost_lines: first.base_line.saturating_sub(1).saturating_add(lines),
            lost_bytes: first.base_offset.saturating_add(bytes),
        })
    }
}

/// A line, and where it begins.
type Placed = (u64, Seen);

fn read(view: &View, ask: &Ask<'_>) -> io::Result<Window> {
    let mut answer = Answer {
        view,
        lines: Vec::new(),
        room: ask.max_bytes,
        longest: ask.max_line_bytes.min(ask.max_bytes),
        shown: SHOWN_BYTES.max(ask.max_line_bytes),
    };
    if ask.lines == 0 {
        return Ok(Window::default());
    }
    let longest = match ask.only {
        Only::All => answer.shown,
        Only::Matching(_) => SEARCHED_BYTES,
        Only::Errors(_) => SHOWN_BYTES,
    };
    let (forward, from) = match ask.place {
        Place::End => (false, u64::MAX),
        Place::Before(line) => (false, line),
        Place::After(line) => (true, line.saturating_add(1)),
    };
    let mut blocks = Blocks::new(view, from, longest)?;
    let mut picker = Picker::new(view, ask.only);
    let (began, mut looked_at) = (Instant::now(), 0);
    let mut broke_off = None;
    while let Some(block) = if forward { blocks.forward()? } else { blocks.backward()? } {
        let left = ask.lines - answer.lines.len();
        let mut picks = picker.pick(&block, if forward { Keep::First(left) } else { Keep::Last(left) })?;
        if !forward {
            picks.reverse();
        }
        if !answer.take(&block, &picks)? {
            broke_off = answer.lines.last().map(|(_, line)| line.number);
            break;
        }
        if answer.lines.len() >= ask.lines {
            break;
        }
        looked_at += block.bytes.len() as u64;
        if looked_at >= ask.look_at_bytes || began.elapsed() >= ask.look_for {
            let last = block.last();
            let more = if forward { last.saturating_add(1) < view.end_line() } else { block.at > 0 };
            broke_off = more.then_some(if forward { last } else { block.first });
            break;
        }
    }
    let mut lines = answer.lines;
    if !forward {
        lines.reverse();
    }
    // Nobody is sent in circles, whatever a damaged index says.
    let broke_off = broke_off.filter(|from| match ask.place {
        Place::End => true,
        Place::Before(line) => *from < line,
        Place::After(line) => *from > line,
    });
    Ok(Window { lines: locate(view, lines)?, broke_off })
}

/// Looks up whose lines they are, and of when.
fn locate(view: &View, lines: Vec<Placed>) -> io::Result<Vec<Seen>> {
    let mut locator = Locator::new(view);
    let mut out = Vec::with_capacity(lines.len());
    for (at, mut line) in lines {
        if let Some(chunk) = locator.chunk(at)? {
            (line.time_ns, line.stream) = (chunk.entry.time_ns, chunk.entry.stream);
        }
        out.push(line);
    }
    Ok(out)
}

struct Answer<'a> {
    view: &'a View,
    lines: Vec<Placed>,
    /// Bytes that are left for text.
    room: usize,
    /// What a line is clipped to, in bytes.
    longest: usize,
    /// Bytes of a line that are looked at.
    shown: usize,
}

impl Answer<'_> {
    /// Takes lines of a block in this order; false: one has no room any more.
    fn take(&mut self, block: &Block<'_>, picks: &[Pick]) -> io::Result<bool> {
        for pick in picks {
            let line = self.line(block, pick)?;
            match self.room.checked_sub(line.text.len()) {
                Some(left) => self.room = left,
                None if self.lines.is_empty() => self.room = 0,
                None => return Ok(false),
            }
            self.lines.push((block.at + pick.offset as u64, line));
        }
        Ok(true)
    }

    fn line(&self, block: &Block<'_>, pick: &Pick) -> io::Result<Seen> {
        let rest = &block.bytes[pick.offset..];
        let end = memchr::memchr(b'\n', rest);
        let raw = &rest[..end.unwrap_or(rest.len())];
        let (text, clipped_bytes) = self.text(raw, block.at + pick.offset as u64, block.cut)?;
        Ok(Seen {
            number: pick.number,
            time_ns: 0,
            stream: Stream::Stdout,
            text,
            clipped_bytes,
            open: end.is_none() && block.open,
        })
    }

    /// What is shown of the line at `at`, of which `cut` bytes are not in `raw`.
    fn text(&self, raw: &[u8], at: u64, cut: u64) -> io::Result<(String, u64)> {
        let full = raw.len() as u64 + cut;
        let (mut head, mut missing) = (raw, 0);
        let mut tail = Vec::new();
        if full > self.shown as u64 {
            head = whole_characters(&raw[..raw.len().min(self.shown)]);
            missing = full - head.len() as u64;
            if head.contains(&b'\r') {
                tail.resize(self.shown, 0);
                let got = self.view.read_at(&mut tail, at + full - self.shown as u64)?;
                tail.truncate(got);
                // What stood there before is overwritten, or would be if it were shorter.
                if let Some(start) = memchr::memchr(b'\r', &tail).filter(|start| start + 1 < tail.len()) {
                    (head, missing) = (&tail[start + 1..], 0);
                }
            }
        }
        let mut text = styled_line(head).into_owned();
        let clipped = clip_styled(&mut text, self.longest);
        Ok((text, missing + clipped))
    }
}

/// Without the beginning of a character at the end.
fn whole_characters(bytes: &[u8]) -> &[u8] {
    match bytes.utf8_chunks().last() {
        Some(last) if last.invalid().len() < 4 && is_begun(last.invalid()) => {
            &bytes[..bytes.len() - last.invalid().len()]
        }
        Some(_) | None => bytes,
    }
}

/// Whether more bytes could make a character of it.
fn is_begun(bytes: &[u8]) -> bool {
    matches!(std::str::from_utf8(bytes), Err(error) if error.error_len().is_none())
}
