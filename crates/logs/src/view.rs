//! Owns the reader's picture of a whole run: its segments end to end, and the way between bytes,
//! lines, times and streams. Must not know queries.
//!
//! A position is an offset from the first byte that is still kept.

use std::io;
use std::path::Path;

use crate::format::{Entry, INSERTED_LF};
use crate::segment::{ENTRY_BLOCK, Segment, list};
use crate::types::Stream;

const LF: u8 = b'\n';
const BUFFER_BYTES: usize = if cfg!(test) { 16 } else { 64 << 10 };
/// Times that a listing is taken again because all that it named vanished meanwhile.
const TRIES: usize = 16;

#[derive(Debug)]
pub(crate) struct View {
    pub(crate) segments: Vec<Placed>,
}

#[derive(Debug)]
pub(crate) struct Placed {
    /// Position of the segment's first byte.
    pub(crate) start: u64,
    pub(crate) segment: Segment,
}

impl View {
    pub(crate) fn open(dir: &Path) -> io::Result<View> {
        let mut tries = TRIES;
        loop {
            tries -= 1;
            match View::snapshot(dir) {
                Err(e) if e.kind() == io::ErrorKind::NotFound && tries > 0 && dir.exists() => {}
                other => return other,
            }
        }
    }

    fn snapshot(dir: &Path) -> io::Result<View> {
        let mut segments: Vec<Placed> = Vec::new();
        let mut start = 0;
        let numbers = list(dir)?;
        for &number in &numbers {
            let before = segments.last().map(|p| &p.segment);
            match Segment::open(dir, number, before) {
                Ok(segment) => {
                    let len = segment.len;
                    segments.push(Placed { start, segment });
                    start += len;
                }
                // Evicted since it was listed, and so were all before it.
                Err(e) if e.kind() == io::ErrorKind::NotFound => {
                    segments.clear();
                    start = 0;
                }
                Err(e) => return Err(e),
            }
        }
        if segments.is_empty() && !numbers.is_empty() {
            return Err(io::ErrorKind::NotFound.into());
        }
        Ok(View { segments })
    }

    pub(crate) fn len(&self) -> u64 {
        self.segments.last().map_or(0, |p| p.start + p.segment.len)
    }

    /// The number of the first line that is kept.
    pub(crate) fn first_line(&self) -> u64 {
        self.segments.first().map_or(1, |p| p.segment.header.base_line)
    }

    /// The line that is open at the end: unterminated, or not begun.
    pub(crate) fn open_line(&self) -> u64 {
        self.segments.last().map_or(1, |p| p.segment.end_line)
    }

    /// One more than the last line that has a byte.
    pub(crate) fn end_line(&self) -> u64 {
        let unterminated = self.segments.last().is_some_and(|p| p.segment.open.is_some());
        self.open_line().saturating_add(u64::from(unterminated))
    }

    /// Reads from position `at`; short only at the end.
    pub(crate) fn read_at(&self, mut buf: &mut [u8], mut at: u64) -> io::Result<usize> {
        let mut done = 0;
        for placed in &self.segments[self.segment_of(at)..] {
            let got = placed.segment.read_at(buf, at - placed.start)?;
            done += got;
            at += got as u64;
            buf = &mut buf[got..];
            if buf.is_empty() || at < placed.start + placed.segment.len {
                break;
            }
        }
        Ok(done)
    }

    /// The segment that holds position `at`; the last one for the end.
    pub(crate) fn segment_of(&self, at: u64) -> usize {
        self.segments.partition_point(|p| p.start <= at).saturating_sub(1)
    }

    /// The number of the line that holds the byte at `at`.
    pub(crate) fn line_at(&self, at: u64) -> io::Result<u64> {
        let Some(placed) = self.segments.get(self.segment_of(at)) else {
            return Ok(1);
        };
        let local = at - placed.start;
        let i = placed.segment.partition(|e| e.offset <= local)?;
        if i == 0 {
            return Ok(placed.segment.header.base_line);
        }
        let entry = placed.segment.entry(i - 1)?;
        let from = placed.start + entry.offset;
        Ok(entry.first_line.saturating_add(self.count(from, at)?))
    }

    /// The position of the first byte of `line`; the end for a line that does not exist yet.
    pub(crate) fn line_start(&self, line: u64) -> io::Result<u64> {
        if line <= self.first_line() {
            return Ok(0);
        }
        let s = self.segments.partition_point(|p| p.segment.end_line < line);
        let Some(placed) = self.segments.get(s) else {
            return Ok(self.len());
        };
        if placed.segment.header.base_line >= line {
            return Ok(placed.start);
        }
        let i = placed.segment.partition(|e| e.end_line() < line)?;
        let entry = placed.segment.entry(i)?;
        let from = placed.start + entry.offset;
        let nth = line.saturating_sub(entry.first_line);
        self.after_lf(from, placed.start + entry.end(), nth)
    }

    /// The position after the `nth` (1-based) line feed in `from..to`.
    pub(crate) fn after_lf(&self, from: u64, to: u64, nth: u64) -> io::Result<u64> {
        let (mut at, mut left) = (from, nth);
        let mut bytes = Bytes::new(self);
        while left > 0 && at < to {
            let piece = bytes.upto(at, to)?;
            if piece.is_empty() {
                break;
            }
            let found = memchr::memchr_iter(LF, piece).count() as u64;
            if found >= left {
                let nth = usize::try_from(left - 1).unwrap_or(usize::MAX);
                let lf = memchr::memchr_iter(LF, piece).nth(nth).unwrap_or(piece.len() - 1);
                return Ok(at + lf as u64 + 1);
            }
            left -= found;
            at += piece.len() as u64;
        }
        Ok(at.min(to))
    }

    /// Line feeds in `from..to`.
    pub(crate) fn count(&self, from: u64, to: u64) -> io::Result<u64> {
        let mut bytes = Bytes::new(self);
        bytes.count(from, to)
    }

    /// The first line that begins at or after the first chunk for which `before` does not hold. Of a line whose beginning was
    /// deleted, the rest counts from when its first byte that is left was read.
    pub(crate) fn line_by_time(&self, before: impl Fn(u64) -> bool) -> io::Result<u64> {
        for placed in &self.segments {
            let Some(last) = placed.segment.last_entry()? else { continue };
            if before(last.time_ns) {
                continue;
            }
            let i = placed.segment.partition(|e| before(e.time_ns))?;
            let entry = placed.segment.entry(i)?;
            let at = placed.start + entry.offset;
            let is_begun = at > 0 && !self.begins_line(at)?;
            return Ok(entry.first_line + u64::from(is_begun));
        }
        Ok(self.end_line())
    }

    /// Whether the byte at `at` is the first of a line.
    pub(crate) fn begins_line(&self, at: u64) -> io::Result<bool> {
        if at == 0 {
            return Ok(self.segments.first().is_none_or(|p| !p.segment.header.continues));
        }
        let mut byte = [0];
        let got = self.read_at(&mut byte, at - 1)?;
        Ok(got == 0 || byte[0] == LF)
    }
}

/// A window on the bytes of a run, for reading on.
#[derive(Debug)]
pub(crate) struct Bytes<'a> {
    view: &'a View,
    buf: Vec<u8>,
    at: u64,
}

impl<'a> Bytes<'a> {
    pub(crate) fn new(view: &'a View) -> Bytes<'a> {
        Bytes { view, buf: Vec::new(), at: 0 }
    }

    /// Some bytes from `at` on, at least one unless it is the end.
    pub(crate) fn from(&mut self, at: u64) -> io::Result<&[u8]> {
        let inside = at >= self.at && at < self.at + self.buf.len() as u64;
        if !inside {
            self.buf.resize(BUFFER_BYTES, 0);
            let got = self.view.read_at(&mut self.buf, at)?;
            self.buf.truncate(got);
            self.at = at;
        }
        let skip = usize::try_from(at - self.at).unwrap_or(usize::MAX);
        Ok(self.buf.get(skip..).unwrap_or_default())
    }

    /// As [`from`](Self::from), not beyond `to`.
    pub(crate) fn upto(&mut self, at: u64, to: u64) -> io::Result<&[u8]> {
        let left = usize::try_from(to.saturating_sub(at)).unwrap_or(usize::MAX);
        if left == 0 {
            return Ok(&[]);
        }
        let piece = self.from(at)?;
        Ok(&piece[..piece.len().min(left)])
    }

    /// Line feeds in `at..to`.
    pub(crate) fn count(&mut self, mut at: u64, to: u64) -> io::Result<u64> {
        let mut lines = 0;
        loop {
            let piece = self.upto(at, to)?;
            if piece.is_empty() {
                return Ok(lines);
            }
            lines += memchr::memchr_iter(LF, piece).count() as u64;
            at += piece.len() as u64;
        }
    }

    /// The position after the line that holds `at`.
    pub(crate) fn after_line(&mut self, mut at: u64) -> io::Result<u64> {
        loop {
            let piece = self.from(at)?;
            if piece.is_empty() {
                return Ok(at);
            }
            if let Some(lf) = memchr::memchr(LF, piece) {
                return Ok(at + lf as u64 + 1);
            }
            at += piece.len() as u64;
        }
    }
}

/// Walks the index entries in order. Can be put at any position.
#[derive(Debug)]
pub(crate) struct Entries<'a> {
    view: &'a View,
    segment: usize,
    /// Number in the segment of the block's first entry.
    first: u64,
    block: Vec<Entry>,
    next: usize,
}

/// An entry and the position of its first byte.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Chunk {
    pub(crate) start: u64,
    pub(crate) end: u64,
    pub(crate) entry: Entry,
}

impl Chunk {
    pub(crate) fn holds(&self, at: u64) -> bool {
        self.start <= at && at < self.end
    }

    pub(crate) fn inserted(&self) -> bool {
        self.entry.is(INSERTED_LF)
    }

    pub(crate) fn of(&self, stream: Stream) -> bool {
        self.entry.stream == stream && self.entry.len > 0
    }
}

impl<'a> Entries<'a> {
    pub(crate) fn new(view: &'a View) -> Entries<'a> {
        Entries::at(view, 0, 0)
    }

    /// From entry `first` of segment `segment` (an index into the view) on.
    pub(crate) fn at(view: &'a View, segment: usize, first: u64) -> Entries<'a> {
        Entries { view, segment, first, block: Vec::new(), next: 0 }
    }

    /// From the entry that holds position `at` on.
    pub(crate) fn seek(view: &'a View, at: u64) -> io::Result<Entries<'a>> {
        let segment = view.segment_of(at);
        let Some(placed) = view.segments.get(segment) else {
            return Ok(Entries::at(view, segment, 0));
        };
        let local = at - placed.start;
        let i = placed.segment.partition(|e| e.offset <= local)?;
        Ok(Entries::at(view, segment, i.saturating_sub(1)))
    }

    /// Segment (index into the view) and entry number of what [`next`](Self::next) gives.
    pub(crate) fn place(&self) -> (usize, u64) {
        (self.segment, self.first + self.next as u64)
    }

    pub(crate) fn next(&mut self) -> io::Result<Option<Chunk>> {
        loop {
            let Some(placed) = self.view.segments.get(self.segment) else {
                return Ok(None);
            };
            if let Some(&entry) = self.block.get(self.next) {
                self.next += 1;
                let start = placed.start + entry.offset;
                let end = start + entry.len;
                return Ok(Some(Chunk { start, end, entry }));
            }
            self.first += self.next as u64;
            self.next = 0;
            placed.segment.block(self.first, &mut self.block)?;
            if self.block.is_empty() {
                self.segment += 1;
                self.first = 0;
            }
        }
    }
}

/// Finds the chunk of ascending positions without a search for each.
#[derive(Debug)]
pub(crate) struct Locator<'a> {
    view: &'a View,
    entries: Entries<'a>,
    current: Option<Chunk>,
}

impl<'a> Locator<'a> {
    pub(crate) fn new(view: &'a View) -> Locator<'a> {
        Locator { view, entries: Entries::new(view), current: None }
    }

    /// The chunk that holds the byte at `at`; `None` at the end.
    pub(crate) fn chunk(&mut self, at: u64) -> io::Result<Option<Chunk>> {
        if self.current.is_some_and(|c| c.holds(at)) {
            return Ok(self.current);
        }
        let near = self.current.is_some_and(|c| c.start <= at);
        for _ in 0..if near { ENTRY_BLOCK } else { 0 } {
            self.current = self.entries.next()?;
            match self.current {
                Some(c) if c.holds(at) => return Ok(self.current),
                Some(c) if c.start <= at => {}
                Some(_) | None => break,
            }
        }
        self.entries = Entries::seek(self.view, at)?;
        loop {
            self.current = self.entries.next()?;
            match self.current {
                Some(c) if c.holds(at) => return Ok(self.current),
                Some(c) if c.start <= at => {}
                Some(_) | None => return Ok(None),
            }
        }
    }

    /// The first position from `at` on whose byte belongs to `stream`.
    pub(crate) fn next_of(&mut self, stream: Stream, at: u64) -> io::Result<Option<u64>> {
        let mut chunk = self.chunk(at)?;
        while let Some(c) = chunk {
            if c.of(stream) {
                return Ok(Some(c.start.max(at)));
            }
            self.current = self.entries.next()?;
            chunk = self.current;
        }
        Ok(None)
    }
}
