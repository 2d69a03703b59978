//! Owns reading a log as it grows. Must not wait: the caller watches the directory (inotify) and
//! polls when something changed.

use std::fs::File;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::format::{
    ENTRY_BYTES, Entry, GAP, GAP_MORE, HEADER_BYTES, Header, INSERTED_LF, idx_path, out_path,
};
use crate::log::{Gap, ReadError};
use crate::segment::{ENTRY_BLOCK, entry_at, list, read_full, read_header};
use crate::types::Stream;
use crate::view::View;

/// What a poll found; empty if nothing is new.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Chunk {
    /// Evicted before it could be read, or without a usable index; comes before `pieces`.
    pub skipped: Option<Skipped>,
    pub pieces: Vec<Piece>,
    /// Bytes that a full disk refused.
    pub gaps: Vec<Gap>,
    /// `max_bytes` was reached: poll again without waiting.
    pub more: bool,
}

/// Part of the log that was deleted before it was read, or whose index is damaged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Skipped {
    /// 0 where unknown: the start was given as a line.
    pub bytes: u64,
    pub lines: u64,
}

/// Bytes of one stream that were written together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Piece {
    pub stream: Stream,
    /// When they were read from the program (ns since 1970).
    pub time_ns: u64,
    /// Number of the line that holds the first byte.
    pub line: u64,
    pub bytes: Vec<u8>,
    /// A line feed that the program did not write.
    pub inserted: bool,
}

/// A reader that goes on where it stopped, over segments, whatever is evicted meanwhile.
#[derive(Debug)]
pub struct Follower {
    dir: PathBuf,
    at: Option<Place>,
    /// Bytes of the run before what comes next; lines likewise.
    offset: u64,
    line: u64,
    want: Want,
    gap: Option<Gap>,
}

/// Where to begin, until there is a segment to begin in.
#[derive(Debug, Clone, Copy)]
enum Want {
    AfterLine(Option<u64>),
    Offset(u64),
}

#[derive(Debug)]
struct Place {
    number: u32,
    out: File,
    idx: File,
    header: Header,
    /// The next entry.
    entry: u64,
    /// Bytes from there on that are not to be given.
    skip: u64,
    /// Entries just before it that cannot be read.
    damaged: u64,
}

impl Follower {
    /// From the line after `after_line` on; `None`: from the oldest line that is kept. A line that
    /// does not exist yet means the first new one (with the unterminated one that it may end).
    pub fn new(dir: &Path, after_line: Option<u64>) -> Follower {
        Follower::start(dir, Want::AfterLine(after_line))
    }

    /// From byte `offset` of the run on, as told by [`offset`](Self::offset).
    pub fn from_offset(dir: &Path, offset: u64) -> Follower {
        Follower::start(dir, Want::Offset(offset))
    }

    fn start(dir: &Path, want: Want) -> Follower {
        Follower { dir: dir.to_path_buf(), at: None, offset: 0, line: 1, want, gap: None }
    }

    /// Bytes of the run up to what the next poll gives. A follower can be started again from here.
    pub fn offset(&self) -> u64 {
        match (&self.at, self.want) {
            (None, Want::Offset(offset)) => offset,
            _ => self.offset,
        }
    }

    /// The published bytes that are new, about `max_bytes` at most. Costs a few system calls if
    /// there are none.
    ///
    /// # Errors
    /// A disk that cannot be read, or no such directory.
    pub fn poll(&mut self, max_bytes: usize) -> Result<Chunk, ReadError> {
        let mut chunk = Chunk::default();
        self.fill(&mut chunk, max_bytes.max(1)).map_err(|e| ReadError::new(&self.dir, e))?;
        Ok(chunk)
    }

    fn fill(&mut self, chunk: &mut Chunk, max_bytes: usize) -> io::Result<()> {
        let mut left = max_bytes;
        if self.at.is_none() {
            let Some(first) = self.find_start()? else {
                return Ok(());
            };
            self.enter(first, chunk);
        }
        loop {
            self.read_entries(chunk, &mut left)?;
            // The index of a segment is complete before the next one exists: look for that first,
            // and once more at the index before going over.
            let next = if left > 0 { self.next_segment()? } else { None };
            if next.is_some() {
                self.read_entries(chunk, &mut left)?;
            }
            if left == 0 {
                chunk.more = true;
                return Ok(());
            }
            let Some(next) = next else { return Ok(()) };
            if next.header.base_offset > self.offset && !chunk.pieces.is_empty() {
                // What was skipped is told before what follows it.
                chunk.more = true;
                return Ok(());
            }
            self.enter(next, chunk);
        }
    }

    fn enter(&mut self, next: Place, chunk: &mut Chunk) {
        self.go_to(next.header.base_offset, next.header.base_line, chunk);
        self.at = Some(next);
    }

    fn read_entries(&mut self, chunk: &mut Chunk, left: &mut usize) -> io::Result<()> {
        let mut raw = [0; ENTRY_BYTES * ENTRY_BLOCK as usize];
        while *left > 0 {
            let Some(place) = &self.at else { return Ok(()) };
            let got = place.unread(&mut raw)?;
            if got == 0 {
                return Ok(());
            }
            let whole = got == raw.len();
            let mut damaged = 0;
            for entry in raw[..got].chunks_exact(ENTRY_BYTES).map(Entry::decode) {
                let Some(entry) = entry else {
                    damaged += 1;
                    continue;
                };
                if *left == 0 || !self.skip_damaged(damaged, &entry, chunk) {
                    return Ok(());
                }
                damaged = 0;
                self.note_gap(&entry, chunk);
                self.take(&entry, chunk, left)?;
            }
            if damaged > 0 {
                // The last ones may be half written, and whole at the next poll, unless more follow them.
                let Some(place) = self.at.as_mut().filter(|_| whole) else { return Ok(()) };
                place.entry += damaged;
                place.damaged += damaged;
            }
        }
        Ok(())
    }

    /// Goes over damaged entries to `entry`, which follows them, and counts what they had. False: what was read
    /// has to be given first.
    fn skip_damaged(&mut self, damaged: u64, entry: &Entry, chunk: &mut Chunk) -> bool {
        let Some(place) = &mut self.at else { return true };
        if damaged + place.damaged == 0 {
            return true;
        }
        if !chunk.pieces.is_empty() {
            chunk.more = true;
            return false;
        }
        place.entry += damaged;
        (place.damaged, place.skip) = (0, 0);
        let offset = place.header.base_offset + entry.offset;
        self.go_to(offset, entry.first_line, chunk);
        true
    }

    /// Goes on at `offset` and `line`; what lies before is counted.
    fn go_to(&mut self, offset: u64, line: u64, chunk: &mut Chunk) {
        if offset > self.offset || line > self.line {
            let before = chunk.skipped.map_or((0, 0), |skipped| (skipped.bytes, skipped.lines));
            chunk.skipped = Some(Skipped {
                bytes: before.0 + offset.saturating_sub(self.offset),
                lines: before.1 + line.saturating_sub(self.line),
            });
            (self.offset, self.line) = (offset, line);
        }
    }

    /// Gives what was not given yet of the bytes of `entry`.
    fn take(&mut self, entry: &Entry, chunk: &mut Chunk, left: &mut usize) -> io::Result<()> {
        let Some(place) = &mut self.at else { return Ok(()) };
        if place.skip >= entry.len {
            place.skip -= entry.len;
            place.entry += 1;
            return Ok(());
        }
        let rest = usize::try_from(entry.len - place.skip).unwrap_or(usize::MAX);
        let mut bytes = vec![0; rest.min(*left)];
        let got = read_full(&place.out, &mut bytes, entry.offset + place.skip)?;
        bytes.truncate(got);
        let line = if place.skip == 0 { entry.first_line } else { self.line };
        self.line = line + memchr::memchr_iter(b'\n', &bytes).count() as u64;
        *left -= got;
        place.skip += got as u64;
        self.offset = place.header.base_offset + entry.offset + place.skip;
        if got == 0 || got == rest {
            place.skip = 0;
            place.entry += 1;
        }
        chunk.pieces.push(Piece {
            stream: entry.stream,
            time_ns: entry.time_ns,
            line,
            bytes,
            inserted: entry.is(INSERTED_LF),
        });
        Ok(())
    }

    fn note_gap(&mut self, entry: &Entry, chunk: &mut Chunk) {
        if entry.is(GAP) {
            self.gap = Some(Gap {
                before_line: entry.first_line,
                bytes: entry.lost,
                lines: 0,
                from_ns: entry.time_ns,
                to_ns: entry.time_ns,
            });
        } else if let (true, Some(gap)) = (entry.is(GAP_MORE), self.gap.take()) {
            chunk.gaps.push(Gap { lines: entry.lost, to_ns: entry.time_ns, ..gap });
        }
    }

    /// The segment after this one, if it exists; the oldest one if this was evicted.
    fn next_segment(&self) -> io::Result<Option<Place>> {
        let Some(place) = &self.at else { return Ok(None) };
        let number = place.number.saturating_add(1);
        let ends_at = place.header.base_offset + place.out.metadata()?.len();
        let next = Place::open(&self.dir, number, Some((ends_at, self.line)))?;
        if next.is_some() {
            return Ok(next);
        }
        // One that has a successor will not be completed any more.
        let evicted = place.out.metadata()?.nlink() == 0;
        if !evicted && !out_path(&self.dir, number.saturating_add(1)).exists() {
            return Ok(None);
        }
        self.later_than(place.number)
    }

    /// The first segment after `before` that can be read.
    fn later_than(&self, before: u32) -> io::Result<Option<Place>> {
        for number in list(&self.dir)? {
            if number > before
                && let Some(next) = Place::open(&self.dir, number, None)?
            {
                return Ok(Some(next));
            }
        }
        Ok(None)
    }

    fn find_start(&mut self) -> io::Result<Option<Place>> {
        let view = View::open(&self.dir)?;
        let Some(oldest) = view.segments.first() else { return Ok(None) };
        let header = oldest.segment.header;
        let at = match self.want {
            Want::AfterLine(None) => 0,
            Want::AfterLine(Some(after)) => {
                self.line = after.saturating_add(1).min(view.open_line());
                view.line_start(self.line)?
            }
            Want::Offset(offset) => offset.saturating_sub(header.base_offset),
        };
        let Some(placed) = view.segments.get(view.segment_of(at)) else { return Ok(None) };
        let rebuilt = (placed.segment.header.base_offset, placed.segment.header.base_line);
        let Some(mut place) = Place::open(&self.dir, placed.segment.number, Some(rebuilt))? else {
            self.offset = header.base_offset + at;
            return self.later_than(placed.segment.number);
        };
        let local = at - placed.start;
        let given = |e: &Entry| e.end() < local || (e.end() == local && e.len > 0);
        let entry = placed.segment.partition(given)?.min(placed.segment.good);
        let before = match entry.checked_sub(1) {
            Some(last) => placed.segment.entry(last)?.end(),
            None => 0,
        };
        (place.entry, place.skip) = (entry, local.saturating_sub(before));
        match self.want {
            Want::AfterLine(None) => return Ok(Some(place)),
            Want::AfterLine(Some(_)) => self.offset = header.base_offset + at,
            Want::Offset(offset) => {
                self.offset = offset;
                self.line = view.line_at(at.min(view.len()))?;
            }
        }
        // Later segments must not look skipped.
        self.line = self.line.max(if at > 0 { place.header.base_line } else { 0 });
        Ok(Some(place))
    }
}

impl Place {
    /// `None` while the segment does not exist, or not yet completely. One whose header is damaged begins
    /// at `rebuilt` (byte of the run, line), if that is known.
    fn open(dir: &Path, number: u32, rebuilt: Option<(u64, u64)>) -> io::Result<Option<Place>> {
        let found = |file: io::Result<File>| match file {
            Ok(file) => Ok(Some(file)),
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(e) => Err(e),
        };
        let Some(idx) = found(File::open(idx_path(dir, number)))? else { return Ok(None) };
        let Some(out) = found(File::open(out_path(dir, number)))? else { return Ok(None) };
        let mut header = read_header(&idx)?;
        if let (None, Some((base_offset, base_line))) = (header, rebuilt)
            && idx.metadata()?.len() >= HEADER_BYTES as u64
        {
            header = Some(Header { base_offset, base_line, ..Header::after(None) });
        }
        Ok(header.map(|header| Place { number, out, idx, header, entry: 0, skip: 0, damaged: 0 }))
    }

    /// Reads published entries that were not taken yet; how many bytes of them.
    fn unread(&self, raw: &mut [u8]) -> io::Result<usize> {
        let published = self.idx.metadata()?.len();
        let new = published.saturating_sub(entry_at(self.entry));
        let want = usize::try_from(new).map_or(raw.len(), |n| n.min(raw.len()));
        if want < ENTRY_BYTES {
            return Ok(0);
        }
        let got = read_full(&self.idx, &mut raw[..want], entry_at(self.entry))?;
        Ok(got - got % ENTRY_BYTES)
    }
}
