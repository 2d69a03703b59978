//! Owns the public face of reading one run's log: opening it, its totals, one stream's bytes. Must
//! not know queries.

use std::io::{self, Read};
use std::path::{Path, PathBuf};

use thiserror::Error;

use crate::format::{AFTER_GAP, GAP, GAP_MORE};
use crate::types::Stream;
use crate::view::{Chunk, Entries, View};

/// A snapshot of one run's log: what is there when it is opened. Safe beside the writer, and
/// keeps what it saw although the writer may evict it.
#[derive(Debug)]
pub struct RunLog {
    dir: PathBuf,
    view: View,
}

/// Why a log could not be read.
#[derive(Debug, Error)]
pub enum ReadError {
    #[error("no log in `{}`", dir.display())]
    Missing { dir: PathBuf },
    #[error("cannot read the log in `{}`: {source}", dir.display())]
    Io { dir: PathBuf, source: io::Error },
}

impl ReadError {
    pub(crate) fn new(dir: &Path, source: io::Error) -> ReadError {
        let dir = dir.to_path_buf();
        match source.kind() {
            io::ErrorKind::NotFound => ReadError::Missing { dir },
            _ => ReadError::Io { dir, source },
        }
    }
}

/// Bytes that a full disk refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Gap {
    /// The line before which they are missing.
    pub before_line: u64,
    pub bytes: u64,
    /// Line feeds among them.
    pub lines: u64,
    /// First and last time of loss (ns since 1970).
    pub from_ns: u64,
    pub to_ns: u64,
}

/// Totals of a log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Summary {
    /// Number of the first line that is kept (lines are numbered from 1).
    pub first_line: u64,
    /// Number of the line that comes next; of the last line while it is unterminated.
    pub next_line: u64,
    /// The last line has no line feed.
    pub unterminated: bool,
    /// Bytes that are kept.
    pub bytes: u64,
    /// Bytes and lines that were deleted to stay within the limit.
    pub evicted_bytes: u64,
    pub evicted_lines: u64,
    /// Bytes and lines that a full disk refused in the evicted part.
    pub evicted_lost_bytes: u64,
    pub evicted_lost_lines: u64,
    /// What a full disk refused in the kept part.
    pub gaps: Vec<Gap>,
    /// When the first and the last kept byte were read (ns since 1970).
    pub first_time_ns: Option<u64>,
    pub last_time_ns: Option<u64>,
}

impl RunLog {
    /// # Errors
    /// [`ReadError::Missing`] where there is no such directory. An empty one is an empty log.
    pub fn open(dir: &Path) -> Result<RunLog, ReadError> {
        let view = View::open(dir).map_err(|e| ReadError::new(dir, e))?;
        Ok(RunLog { dir: dir.to_path_buf(), view })
    }

    pub(crate) fn view(&self) -> &View {
        &self.view
    }

    pub(crate) fn error(&self, source: io::Error) -> ReadError {
        ReadError::new(&self.dir, source)
    }

    /// Totals. Costs a few reads of the index, more only where there are gaps.
    ///
    /// # Errors
    /// A disk that cannot be read.
    pub fn summary(&self) -> Result<Summary, ReadError> {
        self.totals().map_err(|e| self.error(e))
    }

    fn totals(&self) -> io::Result<Summary> {
        let view = &self.view;
        let first = view.segments.first().map(|p| p.segment.header);
        let mut times = (None, None);
        for placed in &view.segments {
            let segment = &placed.segment;
            if let Some(last) = segment.last_entry()? {
                times.0 = times.0.or(Some(segment.entry(0)?.time_ns));
                times.1 = Some(last.time_ns);
            }
        }
        Ok(Summary {
            first_line: view.first_line(),
            next_line: view.open_line(),
            unterminated: view.end_line() > view.open_line(),
            bytes: view.len(),
            evicted_bytes: first.map_or(0, |h| h.base_offset),
            evicted_lines: first.map_or(0, |h| h.base_line.saturating_sub(1)),
            evicted_lost_bytes: first.map_or(0, |h| h.lost_bytes),
            evicted_lost_lines: first.map_or(0, |h| h.lost_lines),
            gaps: self.gaps_from(0)?,
            first_time_ns: times.0,
            last_time_ns: times.1,
        })
    }

    /// Those in this segment (an index into the view) and later ones.
    pub(crate) fn gaps_from(&self, first: usize) -> io::Result<Vec<Gap>> {
        let mut gaps: Vec<Gap> = Vec::new();
        for (i, placed) in self.view.segments.iter().enumerate().skip(first) {
            let last = placed.segment.last_entry()?;
            if !last.is_some_and(|e| e.is(AFTER_GAP)) {
                continue;
            }
            let before = placed.segment.partition(|e| !e.is(AFTER_GAP))?;
            let mut entries = Entries::at(&self.view, i, before);
            while let Some(Chunk { entry, .. }) = entries.next()? {
                if entries.place().0 != i {
                    break;
                }
                if entry.is(GAP) {
                    gaps.push(Gap {
                        before_line: entry.first_line,
                        bytes: entry.lost,
                        lines: 0,
                        from_ns: entry.time_ns,
                        to_ns: entry.time_ns,
                    });
                } else if let (true, Some(gap)) = (entry.is(GAP_MORE), gaps.last_mut()) {
                    gap.lines = entry.lost;
                    gap.to_ns = entry.time_ns;
                }
            }
        }
        Ok(gaps)
    }

    /// The bytes that the program wrote to one stream, as far as they are kept, without the line
    /// feeds that the writer inserted.
    pub fn stream_bytes(&self, stream: Stream) -> StreamBytes<'_> {
        StreamBytes { view: &self.view, entries: Entries::new(&self.view), stream, at: 0, end: 0 }
    }
}

/// Reads one stream; see [`RunLog::stream_bytes`].
#[derive(Debug)]
pub struct StreamBytes<'a> {
    view: &'a View,
    entries: Entries<'a>,
    stream: Stream,
    at: u64,
    end: u64,
}

impl Read for StreamBytes<'_> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        while self.at >= self.end {
            let Some(chunk) = self.entries.next()? else {
                return Ok(0);
            };
            if chunk.of(self.stream) && !chunk.inserted() {
                (self.at, self.end) = (chunk.start, chunk.end);
            }
        }
        let left = usize::try_from(self.end - self.at).unwrap_or(usize::MAX);
        let want = buf.len().min(left);
        let got = self.view.read_at(&mut buf[..want], self.at)?;
        self.at += got as u64;
        Ok(got)
    }
}
