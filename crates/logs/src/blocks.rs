//! Owns reading whole lines in blocks, forward from one line or backward from another, without looking at the rest.
//! Must not know what is looked for in them.

use std::io;
use std::ops::Range;

use crate::view::View;

const LF: u8 = b'\n';
/// The first block, so that a few lines cost little; every later one is twice as large, up to the largest. (Small
/// numbers in tests, so that short logs meet every border.)
const FIRST_BYTES: usize = if cfg!(test) { 8 } else { 16 << 10 };
const LARGEST_BYTES: usize = if cfg!(test) { 64 } else { 1 << 20 };

/// Whole lines that follow one another, or the beginning of a long one.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Block<'b> {
    /// Position of the first byte.
    pub(crate) at: u64,
    /// Number of the first line, and how many there are.
    pub(crate) first: u64,
    pub(crate) lines: u64,
    /// Each line with its line feed, but for the last line of the log and one that is cut.
    pub(crate) bytes: &'b [u8],
    /// What is missing of a single line that is too long, without its line feed.
    pub(crate) cut: u64,
    /// The last line has no end yet.
    pub(crate) open: bool,
}

impl Block<'_> {
    /// Number of the last line.
    pub(crate) fn last(&self) -> u64 {
        self.first.saturating_add(self.lines.saturating_sub(1))
    }
}

/// Goes from block to block in one direction.
#[derive(Debug)]
pub(crate) struct Blocks<'a> {
    view: &'a View,
    /// Of a longer line only so much is read.
    longest: usize,
    size: usize,
    buf: Vec<u8>,
    /// A line begins here, or the log ends. Forward: the next one; backward: the one after the next.
    at: u64,
    number: u64,
}

impl<'a> Blocks<'a> {
    /// From the line `number` on, or back from it.
    pub(crate) fn new(view: &'a View, number: u64, longest: usize) -> io::Result<Blocks<'a>> {
        // A damaged index may have its end before its beginning.
        let number = number.max(view.first_line()).min(view.end_line());
        let at = if number == view.end_line() { view.len() } else { view.line_start(number)? };
        Ok(Blocks::at(view, at, number, longest))
    }

    /// The same where the line's position is known.
    pub(crate) fn at(view: &'a View, at: u64, number: u64, longest: usize) -> Blocks<'a> {
        Blocks { view, longest: longest.max(1), size: FIRST_BYTES, buf: Vec::new(), at, number }
    }

    /// The first block is of this many bytes.
    pub(crate) fn of_size(self, size: usize) -> Blocks<'a> {
        Blocks { size, ..self }
    }

    /// The lines from here on; `None` at the end of the log.
    pub(crate) fn forward(&mut self) -> io::Result<Option<Block<'_>>> {
        let (at, first) = (self.at, self.number);
        let left = self.view.len().saturating_sub(at);
        let mut want = self.size;
        let (len, end) = loop {
            let got = self.read(at, at.saturating_add(want as u64))?;
            let all = got as u64 == left || got < want;
            match memchr::memrchr(LF, &self.buf[..got]) {
                _ if got == 0 => return Ok(None),
                Some(lf) => break (lf + 1, None),
                None if all => break (got, None),
                None if got >= self.longest => {
                    break (got, Some(self.view.line_start(first.saturating_add(1))?));
                }
                None => want = got.saturating_mul(2),
            }
        };
        self.grow();
        let lines = self.lines(0..len);
        (self.at, self.number) = (end.unwrap_or(0).max(at + len as u64), first.saturating_add(lines));
        Ok(Some(self.span(at, 0..len, (first, lines), end)))
    }

    /// The lines before; `None` at the beginning.
    pub(crate) fn backward(&mut self) -> io::Result<Option<Block<'_>>> {
        let (end, after) = (self.at, self.number);
        let mut want = self.size as u64;
        let (at, bytes) = loop {
            let at = end.saturating_sub(want);
            let got = self.read(at, end)?;
            if got == 0 || at + (got as u64) < end {
                return Ok(None);
            }
            let border = memchr::memchr(LF, &self.buf[..got - 1]).map(|lf| lf + 1);
            match border {
                _ if at == 0 => break (0, 0..got),
                Some(start) => break (at + start as u64, start..got),
                None if got >= self.longest => {
                    let at = self.view.line_start(after.saturating_sub(1))?.min(at);
                    let got = self.read(at, end.min(at.saturating_add(self.longest as u64)))?;
                    break (at, 0..got);
                }
                None => want = want.saturating_mul(2),
            }
        };
        self.grow();
        let cut = at + (bytes.len() as u64) < end;
        let lines = self.lines(bytes.clone());
        let first = after.saturating_sub(lines);
        (self.at, self.number) = (at, first);
        Ok(Some(self.span(at, bytes, (first, lines), cut.then_some(end))))
    }

    /// Reads what is between two positions; how many bytes that was.
    fn read(&mut self, from: u64, to: u64) -> io::Result<usize> {
        let want = to.min(self.view.len()).saturating_sub(from);
        self.buf.resize(usize::try_from(want).unwrap_or(usize::MAX), 0);
        self.view.read_at(&mut self.buf, from)
    }

    fn grow(&mut self) {
        self.size = (self.size * 2).min(LARGEST_BYTES);
    }

    fn lines(&self, bytes: Range<usize>) -> u64 {
        let bytes = &self.buf[bytes];
        memchr::memchr_iter(LF, bytes).count() as u64 + u64::from(bytes.last() != Some(&LF))
    }

    /// `end`: where the only line ends that `bytes` are the beginning of.
    fn span(&self, at: u64, bytes: Range<usize>, (first, lines): (u64, u64), end: Option<u64>) -> Block<'_> {
        let bytes = &self.buf[bytes];
        let open = match end {
            Some(_) => first == self.view.open_line(),
            None => bytes.last() != Some(&LF),
        };
        let beyond = end.map_or(0, |end| end.saturating_sub(at + bytes.len() as u64));
        Block { at, first, lines, bytes, cut: beyond.saturating_sub(u64::from(end.is_some() && !open)), open }
    }
}
