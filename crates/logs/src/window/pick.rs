//! Owns which lines of a block count: all, those that match, those that decide an error. Must not know what an answer
//! may cost.

use std::collections::{BTreeSet, VecDeque};
use std::io;

use grep_searcher::{BinaryDetection, Searcher, SearcherBuilder, Sink, SinkMatch};

use super::Only;
use crate::blocks::{Block, Blocks};
use crate::economy::plain_line;
use crate::errors::Detector;
use crate::search::Pattern;
use crate::types::Stream;
use crate::view::{Locator, View};

const LF: u8 = b'\n';
/// What a report that begins before a block, or goes on after it, may have there, in bytes.
const REACH_BYTES: usize = 64 << 10;
/// Lines that no report begins in are gone over in pieces of this many bytes.
const SKIP_BYTES: usize = 4 << 10;

/// A line of a block that counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Pick {
    pub(super) number: u64,
    /// Its place in the block's bytes.
    pub(super) offset: usize,
}

/// Of the lines that count those that come first, or last.
#[derive(Debug, Clone, Copy)]
pub(super) enum Keep {
    First(usize),
    Last(usize),
}

#[derive(Debug)]
pub(super) struct Picker<'q, 'a> {
    view: &'a View,
    only: Only<'q>,
    searcher: Searcher,
    /// The text of a block that is not shown as it was written.
    shown: Vec<u8>,
}

impl<'q, 'a> Picker<'q, 'a> {
    pub(super) fn new(view: &'a View, only: Only<'q>) -> Picker<'q, 'a> {
        let searcher = SearcherBuilder::new()
            .binary_detection(BinaryDetection::none())
            .bom_sniffing(false)
            .line_number(false)
            .build();
        Picker { view, only, searcher, shown: Vec::new() }
    }

    /// The lines of `block` that count, ascending.
    pub(super) fn pick(&mut self, block: &Block<'_>, keep: Keep) -> io::Result<Vec<Pick>> {
        Ok(match self.only {
            Only::All => keep.of(lines(block)),
            Only::Matching(pattern) => self.matching(pattern, block, keep)?,
            Only::Errors(detector) => {
                let deciding = Errors::new(self.view, detector).in_block(block)?;
                keep.of(lines(block).filter(|pick| deciding.contains(&pick.number)))
            }
        })
    }

    fn matching(&mut self, pattern: &Pattern, block: &Block<'_>, keep: Keep) -> io::Result<Vec<Pick>> {
        let text = if is_shown_as_written(block.bytes) {
            block.bytes
        } else {
            settle(block.bytes, &mut self.shown);
            &self.shown
        };
        let mut starts = Starts { keep, last: None, starts: VecDeque::new() };
        self.searcher.search_slice(&pattern.0, text, &mut starts)?;
        // A line has the same place among the lines in the text as in the block.
        let (mut pick, mut at) = (Pick { number: block.first, offset: 0 }, 0);
        let picks = starts.starts.into_iter().map(|start| {
            let before = memchr::memchr_iter(LF, &text[at..start]).count();
            at = start;
            pick.number = pick.number.saturating_add(before as u64);
            if let Some(last) = before.checked_sub(1) {
                pick.offset +=
                    memchr::memchr_iter(LF, &block.bytes[pick.offset..]).nth(last).map_or(0, |lf| lf + 1);
            }
            pick
        });
        Ok(picks.collect())
    }
}

impl Keep {
    fn of(self, picks: impl Iterator<Item = Pick>) -> Vec<Pick> {
        match self {
            Keep::First(most) => picks.take(most).collect(),
            Keep::Last(most) => {
                let mut last = VecDeque::new();
                picks.for_each(|pick| push(&mut last, pick, most));
                last.into()
            }
        }
    }
}

fn push<T>(last: &mut VecDeque<T>, new: T, most: usize) {
    if last.len() >= most {
        last.pop_front();
    }
    last.push_back(new);
}

fn lines(block: &Block<'_>) -> impl Iterator<Item = Pick> {
    let after = memchr::memchr_iter(LF, block.bytes).map(|lf| lf + 1);
    let starts = std::iter::once(0).chain(after).filter(|start| *start < block.bytes.len());
    (0..).zip(starts).map(|(place, offset)| Pick { number: block.first.saturating_add(place), offset })
}

// --- what matches ----------------------------------------------------------------------------------

/// Where the lines begin that match.
#[derive(Debug)]
struct Starts {
    keep: Keep,
    last: Option<usize>,
    starts: VecDeque<usize>,
}

impl Sink for Starts {
    type Error = io::Error;

    fn matched(&mut self, _: &Searcher, found: &SinkMatch<'_>) -> io::Result<bool> {
        let start = usize::try_from(found.absolute_byte_offset()).unwrap_or(usize::MAX);
        if self.last == Some(start) {
            return Ok(true);
        }
        self.last = Some(start);
        match self.keep {
            Keep::First(most) => {
                self.starts.push_back(start);
                Ok(self.starts.len() < most)
            }
            Keep::Last(most) => {
                push(&mut self.starts, start, most);
                Ok(true)
            }
        }
    }
}

/// Nothing in it can be a control character but tabs and line feeds, and it is UTF-8.
fn is_shown_as_written(bytes: &[u8]) -> bool {
    // 0xc2 begins the second set of control characters, and a few others.
    let shown = |b: u8| (b >= b' ' && b != 0x7f && b != 0xc2) || b == b'\t' || b == LF;
    bytes.chunks(256).all(|bytes| bytes.iter().fold(true, |all, b| all & shown(*b)))
        && std::str::from_utf8(bytes).is_ok()
}

/// The lines as they are shown, as many as there are: the last one is ended here, since a line without an end of which
/// nothing is shown would be none.
fn settle(bytes: &[u8], out: &mut Vec<u8>) {
    out.clear();
    let mut scratch = Vec::new();
    for line in bytes.split_inclusive(|b| *b == LF) {
        let text = line.strip_suffix(b"\n").unwrap_or(line);
        out.extend_from_slice(plain_line(text, &mut scratch).as_bytes());
        out.push(LF);
    }
}

// --- what decides an error ---------------------------------------------------------------------------

struct Errors<'a> {
    view: &'a View,
    /// One for each stream.
    detectors: [Detector; 2],
    locator: Locator<'a>,
    deciding: BTreeSet<u64>,
}

impl<'a> Errors<'a> {
    fn new(view: &'a View, detector: &Detector) -> Errors<'a> {
        let detectors = [detector.clone(), detector.clone()];
        Errors { view, detectors, locator: Locator::new(view), deciding: BTreeSet::new() }
    }

    /// The numbers of the lines that decide an error; those of the block are all there.
    fn in_block(mut self, block: &Block<'_>) -> io::Result<BTreeSet<u64>> {
        let blocks = |at, number| Blocks::at(self.view, at, number, REACH_BYTES).of_size(REACH_BYTES);
        let (mut before, mut after) = (
            blocks(block.at, block.first),
            blocks(block.at + block.bytes.len() as u64 + block.cut, block.last().saturating_add(1)),
        );
        if let Some(before) = before.backward()? {
            self.feed(&before)?;
        }
        self.feed(block)?;
        if self.detectors.iter().any(Detector::is_open)
            && let Some(after) = after.forward()?
        {
            self.feed(&after)?;
        }
        let rest = self.detectors.iter_mut().filter_map(Detector::flush);
        self.deciding.extend(rest.map(|finding| finding.deciding));
        Ok(self.deciding)
    }

    fn feed(&mut self, block: &Block<'_>) -> io::Result<()> {
        let (mut from, mut number) = (0, block.first);
        while from < block.bytes.len() {
            let least = (from + SKIP_BYTES).min(block.bytes.len());
            let end = memchr::memchr(LF, &block.bytes[least - 1..]);
            let piece = &block.bytes[from..end.map_or(block.bytes.len(), |lf| least + lf)];
            if self.detectors.iter().all(|detector| detector.can_skip(piece)) {
                number = number.saturating_add(memchr::memchr_iter(LF, piece).count() as u64);
            } else {
                let mut at = block.at + from as u64;
                for line in piece.split_inclusive(|b| *b == LF) {
                    self.line(number, at, line.strip_suffix(b"\n").unwrap_or(line))?;
                    number = number.saturating_add(1);
                    at += line.len() as u64;
                }
            }
            from += piece.len();
        }
        Ok(())
    }

    fn line(&mut self, number: u64, at: u64, line: &[u8]) -> io::Result<()> {
        if self.detectors.iter().all(|detector| detector.can_skip(line)) {
            return Ok(());
        }
        let stream = self.locator.chunk(at)?.map_or(Stream::Stdout, |chunk| chunk.entry.stream);
        let detector = &mut self.detectors[usize::from(stream == Stream::Stderr)];
        let mut scratch = Vec::new();
        let found = detector.feed(number, &plain_line(line, &mut scratch));
        self.deciding.extend(found.into_iter().map(|finding| finding.deciding));
        Ok(())
    }
}
