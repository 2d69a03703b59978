//! Owns reading the lines of a run one after another, once, without holding them. Must not know patterns.

use std::io;
use std::ops::ControlFlow;

use crate::lines::Lines;
use crate::log::{ReadError, RunLog};
use crate::search::{Query, range};
use crate::types::Stream;
use crate::view::{Bytes, Locator};

const BLOCK_BYTES: usize = if cfg!(test) { 32 } else { 256 << 10 };

/// A line that is walked over.
#[derive(Debug, Clone, Copy)]
pub struct Passed<'a> {
    pub number: u64,
    /// When its first byte was read (ns since 1970).
    pub time_ns: u64,
    pub stream: Stream,
    /// Without the line feed; clipped to `max_line_bytes`.
    pub text: &'a [u8],
    /// Length (bytes) without the line feed, before clipping.
    pub full_len: u64,
}

/// How far a walk went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Walked {
    /// Lines of the range that were there in all.
    pub lines: u64,
    /// Those before the first one that was walked over.
    pub before: u64,
    /// Those that were walked over.
    pub passed: u64,
    /// What to pass as [`Query::after_line`] to find what comes after the whole range.
    pub cursor: u64,
}

impl RunLog {
    /// Gives the lines that `query` selects by range and stream (pattern, context, head, tail and
    /// `max_lines` count for nothing) to `each`, until it breaks off. Where the range has more than `last_bytes`
    /// bytes, the walk begins that far from its end.
    ///
    /// # Errors
    /// A disk that cannot be read.
    pub fn walk(
        &self,
        query: &Query,
        last_bytes: u64,
        each: impl FnMut(Passed<'_>) -> ControlFlow<()>,
    ) -> Result<Walked, ReadError> {
        self.walk_over(query, last_bytes, each).map_err(|source| self.error(source))
    }

    fn walk_over(
        &self,
        query: &Query,
        last_bytes: u64,
        each: impl FnMut(Passed<'_>) -> ControlFlow<()>,
    ) -> io::Result<Walked> {
        let view = self.view();
        let (first, end) = range(view, query)?;
        let all = Lines::new(view, first, end, query.stream)?;
        let (mut start, mut number) = (all.lo, first);
        let mut before = 0;
        if all.hi - all.lo > last_bytes {
            start = Bytes::new(view).after_line(all.hi - last_bytes)?.min(all.hi);
            number = if start < all.hi { view.line_at(start)? } else { end };
            before = Lines::new(view, first, number, query.stream)?.total;
        }
        let mut walk = Walk {
            locator: Locator::new(view),
            number,
            start,
            text: Vec::new(),
            full_len: 0,
            stream: query.stream,
            max_line_bytes: query.max_line_bytes,
            passed: 0,
            each,
        };
        let length = usize::try_from(all.hi - start).unwrap_or(usize::MAX);
        let mut block = vec![0; length.clamp(1, BLOCK_BYTES)];
        let mut at = start;
        while at < all.hi {
            let want = usize::try_from(all.hi - at).map_or(block.len(), |left| left.min(block.len()));
            let got = view.read_at(&mut block[..want], at)?;
            at += got as u64;
            if got == 0 || walk.block(&block[..got])?.is_break() {
                break;
            }
        }
        if at >= all.hi && walk.full_len > 0 {
            // The last line may have no end yet.
            let _ = walk.end_line(&[])?;
        }
        let cursor = end.min(view.open_line()).saturating_sub(1);
        Ok(Walked { lines: all.total, before, passed: walk.passed, cursor })
    }
}

struct Walk<'a, F> {
    locator: Locator<'a>,
    /// Of the line that is being read, and where it begins.
    number: u64,
    start: u64,
    /// What earlier blocks hold of it.
    text: Vec<u8>,
    full_len: u64,
    stream: Option<Stream>,
    max_line_bytes: usize,
    passed: u64,
    each: F,
}

impl<F: FnMut(Passed<'_>) -> ControlFlow<()>> Walk<'_, F> {
    fn block(&mut self, block: &[u8]) -> io::Result<ControlFlow<()>> {
        let mut from = 0;
        for lf in memchr::memchr_iter(b'\n', block) {
            if self.end_line(&block[from..lf])?.is_break() {
                return Ok(ControlFlow::Break(()));
            }
            from = lf + 1;
        }
        let rest = &block[from..];
        let room = self.max_line_bytes.saturating_sub(self.text.len());
        self.text.extend_from_slice(&rest[..rest.len().min(room)]);
        self.full_len += rest.len() as u64;
        Ok(ControlFlow::Continue(()))
    }

    /// The line ends with `rest`.
    fn end_line(&mut self, rest: &[u8]) -> io::Result<ControlFlow<()>> {
        let (start, number) = (self.start, self.number);
        let full_len = self.full_len + rest.len() as u64;
        self.start += full_len + 1;
        self.number += 1;
        self.full_len = 0;
        let Some(chunk) = self.locator.chunk(start)? else { return Ok(ControlFlow::Break(())) };
        let mut flow = ControlFlow::Continue(());
        if self.stream.is_none_or(|stream| chunk.entry.stream == stream) {
            let room = self.max_line_bytes.saturating_sub(self.text.len());
            let rest = &rest[..rest.len().min(room)];
            let text = if self.text.is_empty() {
                rest
            } else {
                self.text.extend_from_slice(rest);
                &self.text
            };
            let (time_ns, stream) = (chunk.entry.time_ns, chunk.entry.stream);
            self.passed += 1;
            flow = (self.each)(Passed { number, time_ns, stream, text, full_len });
        }
        self.text.clear();
        Ok(flow)
    }
}
