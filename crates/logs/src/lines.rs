//! Owns the numbering of the lines that a query selects: all of a range, or one stream's. Must not
//! know patterns.
//!
//! A rank is a line's place among the selected ones, from 0. Between two changes of stream there is
//! always a line feed, so a line belongs to one stream, and ranks follow from counting line feeds.

use std::io;

use crate::types::Stream;
use crate::view::{Bytes, Chunk, Entries, Locator, View};

/// Entries between two marks; bounds the walk to any line.
const MARK_EVERY: u64 = if cfg!(test) { 3 } else { 256 };
/// Line feeds over a shorter distance are counted, over a longer one looked up.
const NEAR_BYTES: u64 = if cfg!(test) { 16 } else { 256 << 10 };

/// The selected lines: those in `lo..hi` (positions of line starts), of one stream or both.
#[derive(Debug)]
pub(crate) struct Lines<'a> {
    pub(crate) view: &'a View,
    pub(crate) lo: u64,
    pub(crate) hi: u64,
    /// How many there are.
    pub(crate) total: u64,
    pub(crate) stream: Option<Stream>,
    /// Number of the first line of the range.
    first: u64,
    /// For one stream: its line feeds before places along the index.
    marks: Vec<Mark>,
    /// Its line feeds between the first mark and `lo`.
    skipped: u64,
}

#[derive(Debug, Clone, Copy)]
struct Mark {
    at: u64,
    place: (usize, u64),
    feeds: u64,
}

impl<'a> Lines<'a> {
    /// Lines with numbers in `first..end`.
    pub(crate) fn new(view: &'a View, first: u64, end: u64, stream: Option<Stream>) -> io::Result<Lines<'a>> {
        let lo = view.line_start(first)?;
        let mut lines = Lines {
            view,
            lo,
            hi: view.line_start(end)?.max(lo),
            total: end.saturating_sub(first),
            stream,
            first,
            marks: Vec::new(),
            skipped: 0,
        };
        if let Some(stream) = stream {
            lines.mark(stream)?;
        }
        Ok(lines)
    }

    fn mark(&mut self, stream: Stream) -> io::Result<()> {
        let (lo, hi) = (self.lo, self.hi);
        self.total = 0;
        if lo >= hi {
            return Ok(());
        }
        let mut entries = Entries::seek(self.view, lo)?;
        let (mut feeds, mut since_mark) = (0, 0);
        loop {
            let place = entries.place();
            let Some(chunk) = entries.next()? else { break };
            if chunk.start >= hi {
                break;
            }
            if since_mark % MARK_EVERY == 0 {
                self.marks.push(Mark { at: chunk.start, place, feeds });
            }
            since_mark += 1;
            if !chunk.of(stream) {
                continue;
            }
            if chunk.holds(lo) {
                self.skipped = feeds + self.view.count(chunk.start, lo)?;
            }
            feeds += if chunk.end > hi { self.view.count(chunk.start, hi)? } else { chunk.entry.lines };
        }
        let last = self.view.segments.last();
        let open = hi == self.view.len() && last.and_then(|p| p.segment.open) == Some(stream);
        self.total = (feeds + u64::from(open)).saturating_sub(self.skipped);
        Ok(())
    }

    /// Position of the line with `rank`.
    pub(crate) fn start(&self, rank: u64) -> io::Result<u64> {
        let Some(stream) = self.stream else {
            return self.view.line_start(self.first.saturating_add(rank));
        };
        let at = self.after_feed(stream, self.skipped + rank)?;
        let next = Locator::new(self.view).next_of(stream, at.max(self.lo))?;
        Ok(next.unwrap_or(self.hi))
    }

    /// Position after line feed number `nth` of the stream, counted from the first mark.
    fn after_feed(&self, stream: Stream, nth: u64) -> io::Result<u64> {
        let m = self.marks.partition_point(|m| m.feeds < nth);
        let Some(mark) = m.checked_sub(1).and_then(|m| self.marks.get(m)) else {
            return Ok(self.lo);
        };
        let mut entries = Entries::at(self.view, mark.place.0, mark.place.1);
        let mut feeds = mark.feeds;
        while let Some(chunk) = entries.next()? {
            if !chunk.of(stream) {
                continue;
            }
            if feeds + chunk.entry.lines >= nth {
                return self.view.after_lf(chunk.start, chunk.end, nth - feeds);
            }
            feeds += chunk.entry.lines;
        }
        Ok(self.hi)
    }

    /// From the end of one selected line (position) to the start of the next.
    pub(crate) fn next_start(&self, end: u64, locator: &mut Locator<'_>) -> io::Result<u64> {
        match self.stream {
            None => Ok(end),
            Some(stream) => Ok(locator.next_of(stream, end)?.unwrap_or(self.hi)),
        }
    }
}

/// Turns ascending positions of line starts into ranks.
#[derive(Debug)]
pub(crate) struct Ranker<'l, 'a> {
    lines: &'l Lines<'a>,
    bytes: Bytes<'a>,
    /// A position and the line feeds before it (or its line number).
    last: Option<(u64, u64)>,
    walk: Option<Walk<'a>>,
}

/// A place in the index, with the stream's line feeds before it.
#[derive(Debug)]
struct Walk<'a> {
    entries: Entries<'a>,
    mark: usize,
    chunk: Chunk,
    feeds: u64,
}

impl<'l, 'a> Ranker<'l, 'a> {
    pub(crate) fn new(lines: &'l Lines<'a>) -> Ranker<'l, 'a> {
        Ranker { lines, bytes: Bytes::new(lines.view), last: None, walk: None }
    }

    /// The rank of the line that begins at `at`; `None` if it is not selected.
    pub(crate) fn rank(&mut self, at: u64) -> io::Result<Option<u64>> {
        match self.lines.stream {
            None => self.line(at).map(|n| n.checked_sub(self.lines.first)),
            Some(stream) => self.among(stream, at),
        }
    }

    fn line(&mut self, at: u64) -> io::Result<u64> {
        let number = match self.last {
            Some((from, number)) if from <= at && at - from < NEAR_BYTES => {
                number + self.bytes.count(from, at)?
            }
            Some(_) | None => self.lines.view.line_at(at)?,
        };
        self.last = Some((at, number));
        Ok(number)
    }

    fn among(&mut self, stream: Stream, at: u64) -> io::Result<Option<u64>> {
        let mark = self.lines.marks.partition_point(|m| m.at <= at);
        let Some(mark) = mark.checked_sub(1) else { return Ok(None) };
        let near = |w: &Walk<'_>| w.chunk.start <= at && mark <= w.mark + 1;
        let walk = match self.walk.take().filter(near) {
            Some(walk) => Some(walk),
            None => self.walk_from(mark)?,
        };
        let Some(mut walk) = walk else { return Ok(None) };
        walk.mark = walk.mark.max(mark);
        while !walk.chunk.holds(at) {
            if walk.chunk.of(stream) {
                walk.feeds += walk.chunk.entry.lines;
            }
            match walk.entries.next()? {
                Some(chunk) => walk.chunk = chunk,
                None => return Ok(None),
            }
        }
        let (chunk, feeds) = (walk.chunk, walk.feeds);
        self.walk = Some(walk);
        if !chunk.of(stream) {
            return Ok(None);
        }
        let (from, before) = match self.last {
            Some((from, before)) if chunk.start <= from && from <= at => (from, before),
            Some(_) | None => (chunk.start, feeds),
        };
        let before = before + self.bytes.count(from, at)?;
        self.last = Some((at, before));
        Ok(before.checked_sub(self.lines.skipped))
    }

    fn walk_from(&self, mark: usize) -> io::Result<Option<Walk<'a>>> {
        let Some(m) = self.lines.marks.get(mark) else { return Ok(None) };
        let mut entries = Entries::at(self.lines.view, m.place.0, m.place.1);
        let chunk = entries.next()?;
        Ok(chunk.map(|chunk| Walk { entries, mark, chunk, feeds: m.feeds }))
    }
}
