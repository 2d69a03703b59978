//! Owns the pass of a pattern over the bytes: fast, on several threads, keeping only what the
//! answer can need. Must not know the text of an answer.

use std::collections::VecDeque;
use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;

use grep_regex::RegexMatcher;
use grep_searcher::{BinaryDetection, Searcher, SearcherBuilder, Sink, SinkMatch};

use crate::lines::{Lines, Ranker};
use crate::view::{Bytes, View};

const LF: u8 = b'\n';
const BLOCK_BYTES: usize = if cfg!(test) { 32 } else { 256 << 10 };
/// (Small numbers in tests, so that short logs meet every border.)
/// A longer line is searched in pieces of this size.
const LONGEST_LINE: usize = if cfg!(test) { 256 } else { 16 << 20 };
/// What one thread takes at a time.
const PIECE_BYTES: u64 = if cfg!(test) { 64 } else { 16 << 20 };
const MOST_THREADS: usize = 8;

/// Which of the matches to keep; the others are counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Keep {
    First(usize),
    Last(usize),
}

/// A matching line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Hit {
    pub(crate) at: u64,
    pub(crate) rank: u64,
}

/// What a pass found.
#[derive(Debug, Default)]
pub(crate) struct Hits {
    pub(crate) count: u64,
    /// Matching lines and their context, each line once.
    pub(crate) covered: u64,
    pub(crate) kept: VecDeque<Hit>,
    ends: Option<(u64, u64)>,
}

/// What is looked for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Scan<'s, 'a> {
    pub(crate) lines: &'s Lines<'a>,
    pub(crate) matcher: &'s RegexMatcher,
    pub(crate) context: u64,
    pub(crate) keep: Keep,
}

impl Scan<'_, '_> {
    pub(crate) fn run(self) -> io::Result<Hits> {
        let length = self.lines.hi - self.lines.lo;
        let pieces = usize::try_from(length.div_ceil(PIECE_BYTES)).unwrap_or(usize::MAX);
        let cores = thread::available_parallelism().map_or(1, usize::from);
        let threads = cores.min(MOST_THREADS).min(pieces);
        if threads < 2 {
            return self.piece(self.lines.lo, self.lines.hi);
        }
        let next = AtomicUsize::new(0);
        let done = Mutex::new(Vec::new());
        thread::scope(|scope| {
            for _ in 1..threads {
                // Where no thread can be had, this one does the work.
                let work = || self.work(&next, pieces, &done);
                _ = thread::Builder::new().name("log-search".into()).spawn_scoped(scope, work);
            }
            self.work(&next, pieces, &done);
        });
        let mut done = done.into_inner().unwrap_or_else(PoisonError::into_inner);
        done.sort_unstable_by_key(|(i, _)| *i);
        let mut all = Hits::default();
        for (_, hits) in done {
            all.join(hits?, &self);
        }
        self.rank_kept(&mut all)?;
        Ok(all)
    }

    fn work(&self, next: &AtomicUsize, pieces: usize, done: &Mutex<Vec<(usize, io::Result<Hits>)>>) {
        loop {
            let i = next.fetch_add(1, Ordering::Relaxed);
            if i >= pieces {
                return;
            }
            let hits = self
                .border(i)
                .and_then(|from| Ok((from, self.border(i + 1)?)))
                .and_then(|(from, to)| self.pass(from, to));
            done.lock().unwrap_or_else(PoisonError::into_inner).push((i, hits));
        }
    }

    /// Where piece `i` begins: at the first line start not before its share.
    fn border(&self, i: usize) -> io::Result<u64> {
        let at = self.lines.lo.saturating_add(PIECE_BYTES.saturating_mul(i as u64));
        if i == 0 || at >= self.lines.hi {
            return Ok(at.min(self.lines.hi));
        }
        Ok(Bytes::new(self.lines.view).after_line(at - 1)?.min(self.lines.hi))
    }

    fn piece(&self, from: u64, to: u64) -> io::Result<Hits> {
        let mut hits = self.pass(from, to)?;
        self.rank_kept(&mut hits)?;
        Ok(hits)
    }

    /// Ranks are needed while scanning only to leave out or to merge lines.
    fn ranks_early(&self) -> bool {
        self.context > 0 || self.lines.stream.is_some()
    }

    fn rank_kept(&self, hits: &mut Hits) -> io::Result<()> {
        if self.ranks_early() {
            return Ok(());
        }
        let mut ranker = Ranker::new(self.lines);
        for hit in &mut hits.kept {
            hit.rank = ranker.rank(hit.at)?.unwrap_or(0);
        }
        Ok(())
    }

    fn pass(&self, from: u64, to: u64) -> io::Result<Hits> {
        let mut searcher = SearcherBuilder::new()
            .binary_detection(BinaryDetection::none())
            .bom_sniffing(false)
            .line_number(false)
            .build();
        let mut sink = Collect {
            scan: self,
            ranker: Ranker::new(self.lines),
            hits: Hits::default(),
            block: from,
            line: from,
            last: None,
        };
        let mut blocks = Blocks::new(self.lines.view, from, to);
        while let Some(whole) = blocks.fill()? {
            (sink.block, sink.line) = (blocks.at, blocks.line);
            searcher.search_slice(self.matcher, &blocks.buf[..whole], &mut sink)?;
            blocks.consume(whole);
        }
        Ok(sink.hits)
    }
}

/// Cuts a range into blocks of whole lines.
#[derive(Debug)]
struct Blocks<'a> {
    view: &'a View,
    buf: Vec<u8>,
    filled: usize,
    /// Position of the block.
    at: u64,
    /// Where the block's first line begins; earlier than the block for pieces of a huge line.
    line: u64,
    to: u64,
}

impl<'a> Blocks<'a> {
    fn new(view: &'a View, from: u64, to: u64) -> Blocks<'a> {
        let length = usize::try_from(to.saturating_sub(from)).unwrap_or(usize::MAX);
        Blocks { view, buf: vec![0; length.clamp(1, BLOCK_BYTES)], filled: 0, at: from, line: from, to }
    }

    /// Reads on; how many bytes of the buffer are ready to be searched.
    fn fill(&mut self) -> io::Result<Option<usize>> {
        loop {
            let from = self.at + self.filled as u64;
            let left = usize::try_from(self.to.saturating_sub(from)).unwrap_or(usize::MAX);
            let room = self.buf.len() - self.filled;
            let want = &mut self.buf[self.filled..][..room.min(left)];
            let got = self.view.read_at(want, from)?;
            let at_end = got == left || got < room;
            let new = &self.buf[self.filled..self.filled + got];
            let lf = memchr::memrchr(LF, new).map(|lf| self.filled + lf + 1);
            self.filled += got;
            if self.filled == 0 {
                return Ok(None);
            }
            if at_end || lf.is_some() {
                return Ok(Some(if at_end { self.filled } else { lf.unwrap_or(0) }));
            }
            if self.buf.len() >= LONGEST_LINE {
                return Ok(Some(self.filled));
            }
            self.buf.resize(self.buf.len() * 2, 0);
        }
    }

    fn consume(&mut self, whole: usize) {
        self.at += whole as u64;
        if self.buf[whole - 1] == LF {
            self.line = self.at;
        }
        self.buf.copy_within(whole..self.filled, 0);
        self.filled -= whole;
    }
}

#[derive(Debug)]
struct Collect<'c, 's, 'a> {
    scan: &'c Scan<'s, 'a>,
    ranker: Ranker<'s, 'a>,
    hits: Hits,
    block: u64,
    line: u64,
    last: Option<u64>,
}

impl Sink for Collect<'_, '_, '_> {
    type Error = io::Error;

    fn matched(&mut self, _: &Searcher, found: &SinkMatch<'_>) -> io::Result<bool> {
        let offset = found.absolute_byte_offset();
        let at = if offset == 0 { self.line } else { self.block + offset };
        if self.last == Some(at) {
            return Ok(true);
        }
        self.last = Some(at);
        let rank = if self.scan.ranks_early() {
            match self.ranker.rank(at)? {
                Some(rank) => rank,
                None => return Ok(true),
            }
        } else {
            0
        };
        self.hits.add(Hit { at, rank }, self.scan);
        Ok(true)
    }
}

impl Hits {
    fn add(&mut self, hit: Hit, scan: &Scan<'_, '_>) {
        self.keep(hit, scan.keep);
        let one = Hits {
            count: 1,
            covered: scan.around(hit.rank).1 - scan.around(hit.rank).0,
            kept: VecDeque::new(),
            ends: Some((hit.rank, hit.rank)),
        };
        self.sum(&one, scan);
    }

    fn join(&mut self, later: Hits, scan: &Scan<'_, '_>) {
        self.sum(&later, scan);
        for hit in later.kept {
            self.keep(hit, scan.keep);
        }
    }

    /// Adds up the counts; lines between the two that both cover count once.
    fn sum(&mut self, later: &Hits, scan: &Scan<'_, '_>) {
        self.count += later.count;
        self.covered += later.covered;
        self.ends = match (self.ends, later.ends) {
            (Some((first, last)), Some((next, end))) => {
                if scan.context > 0 {
                    let twice = scan.around(last).1.saturating_sub(scan.around(next).0);
                    self.covered -= twice.min(self.covered);
                }
                Some((first, end))
            }
            (ends, None) | (None, ends) => ends,
        };
    }

    fn keep(&mut self, hit: Hit, keep: Keep) {
        match keep {
            Keep::First(most) => {
                if self.kept.len() < most {
                    self.kept.push_back(hit);
                }
            }
            Keep::Last(most) => {
                self.kept.push_back(hit);
                if self.kept.len() > most {
                    self.kept.pop_front();
                }
            }
        }
    }
}

impl Scan<'_, '_> {
    /// The ranks that a match at `rank` shows: from, up to but without.
    pub(crate) fn around(&self, rank: u64) -> (u64, u64) {
        let end = rank.saturating_add(self.context).saturating_add(1);
        (rank.saturating_sub(self.context), end.min(self.lines.total).max(rank + 1))
    }
}
