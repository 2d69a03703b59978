//! Owns one segment as a reader sees it: its bytes, its index, and the bytes that a crash left
//! without index entries. Must not write, and must not know other segments.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::time::UNIX_EPOCH;

use crate::format::{
    BadHeader, ENTRY_BYTES, Entry, GAP, HEADER_BYTES, Header, PARTIAL, idx_path, out_number, out_path,
};
use crate::types::Stream;

/// Unindexed bytes are described by entries of at most this many bytes.
const TAIL_CHUNK: usize = if cfg!(test) { 64 } else { 256 << 10 };
/// Entries fetched by one read while walking.
pub(crate) const ENTRY_BLOCK: u64 = if cfg!(test) { 5 } else { 256 };

/// A snapshot of one segment; later growth is not seen.
#[derive(Debug)]
pub(crate) struct Segment {
    pub(crate) number: u32,
    pub(crate) header: Header,
    /// The index file has a usable header.
    pub(crate) header_on_disk: bool,
    /// Entries on disk that can be trusted.
    pub(crate) good: u64,
    /// Entries made up for bytes beyond the index.
    pub(crate) tail: Vec<Entry>,
    /// Bytes in the segment.
    pub(crate) len: u64,
    /// The line that is open at the end.
    pub(crate) end_line: u64,
    /// Whose unterminated line ends the segment.
    pub(crate) open: Option<Stream>,
    out: File,
    idx: Option<File>,
}

impl Segment {
    /// Opens segment `number`; `before` is the one before it, from which a lost header is
    /// rebuilt. `NotFound` means that it has been evicted.
    pub(crate) fn open(dir: &Path, number: u32, before: Option<&Segment>) -> io::Result<Segment> {
        let out = File::open(out_path(dir, number))?;
        let idx = match File::open(idx_path(dir, number)) {
            Ok(file) => Some(file),
            // Eviction deletes the bytes first: an index that is missing beside bytes that are there was lost.
            Err(e) if e.kind() == io::ErrorKind::NotFound => {
                fs::metadata(out_path(dir, number))?;
                None
            }
            Err(e) => return Err(e),
        };
        let header = idx.as_ref().map_or(Ok(None), read_header)?;
        let header_on_disk = header.is_some();
        let header = header.unwrap_or_else(|| Header::after(before));
        let carried = before.and_then(|b| b.open).unwrap_or(Stream::Stdout);
        let mut segment = Segment {
            number,
            header,
            header_on_disk,
            good: 0,
            tail: Vec::new(),
            len: 0,
            end_line: 0,
            open: header.continues.then_some(carried),
            out,
            idx,
        };
        segment.load()?;
        Ok(segment)
    }

    fn load(&mut self) -> io::Result<()> {
        // The index is measured first: bytes are written before their entry.
        let indexed = match &self.idx {
            Some(idx) if self.header_on_disk => idx.metadata()?.len(),
            Some(_) | None => 0,
        };
        let meta = self.out.metadata()?;
        self.len = meta.len().min(u64::from(u32::MAX));
        self.good = indexed.saturating_sub(HEADER_BYTES as u64) / ENTRY_BYTES as u64;
        let last = self.last_good()?;
        self.end_line = last.map_or(self.header.base_line, |e| e.end_line());
        let start = last.map_or(0, |e| e.end());
        if let Some(last) = self.last_data(last)? {
            self.open = last.is(PARTIAL).then_some(last.stream);
        }
        if start < self.len {
            let modified = meta.modified().ok().and_then(|t| t.duration_since(UNIX_EPOCH).ok());
            let time = modified.map_or(0, |d| u64::try_from(d.as_nanos()).unwrap_or(u64::MAX));
            self.make_up_tail(start, last, time)?;
        }
        Ok(())
    }

    /// Steps back over entries that were torn, or whose bytes are not there.
    fn last_good(&mut self) -> io::Result<Option<Entry>> {
        while self.good > 0 {
            let entry = self.raw_entry(self.good - 1)?;
            match entry {
                Some(entry) if entry.end() <= self.len && !entry.is(GAP) => {
                    return Ok(Some(entry));
                }
                Some(_) | None => self.good -= 1,
            }
        }
        Ok(None)
    }

    /// The last entry with bytes, given the last one.
    fn last_data(&self, mut last: Option<Entry>) -> io::Result<Option<Entry>> {
        let mut i = self.good;
        while last.is_some_and(|e| e.len == 0) && i > 0 {
            i -= 1;
            last = self.raw_entry(i)?;
        }
        Ok(last.filter(|e| e.len > 0))
    }

    /// Describes the bytes from `start`. What goes on an open line belongs to its stream (a change
    /// of stream would have begun with a line feed); the rest counts as stdout.
    fn make_up_tail(&mut self, start: u64, last: Option<Entry>, time: u64) -> io::Result<()> {
        let time_ns = last.map_or(time, |e| e.time_ns.max(time));
        let flags = last.map_or(0, |e| e.flags & crate::format::AFTER_GAP);
        let longest = usize::try_from(self.len - start).map_or(TAIL_CHUNK, |n| n.min(TAIL_CHUNK));
        let mut buf = vec![0; longest];
        let mut at = start;
        while at < self.len {
            let want = usize::try_from(self.len - at).map_or(longest, |n| n.min(longest));
            let got = read_full(&self.out, &mut buf[..want], at)?;
            if got == 0 {
                self.len = at;
                break;
            }
            let mut chunk = &buf[..got];
            let stream = self.open.unwrap_or(Stream::Stdout);
            if let (Some(_), Some(lf)) = (self.open, memchr::memchr(b'\n', chunk)) {
                chunk = &chunk[..=lf];
            }
            let ends = chunk.last() == Some(&b'\n');
            let entry = Entry {
                time_ns,
                first_line: self.end_line,
                offset: at,
                len: chunk.len() as u64,
                lines: memchr::memchr_iter(b'\n', chunk).count() as u64,
                lost: 0,
                stream,
                flags: flags | if ends { 0 } else { PARTIAL },
            };
            self.end_line = entry.end_line();
            self.open = (!ends).then_some(stream);
            at = entry.end();
            self.tail.push(entry);
        }
        Ok(())
    }

    /// Number of entries, made-up ones included.
    pub(crate) fn entries(&self) -> u64 {
        self.good + self.tail.len() as u64
    }

    /// Entry `i`. One that cannot be read any more reads as the end of the segment.
    pub(crate) fn entry(&self, i: u64) -> io::Result<Entry> {
        if i >= self.good {
            let made_up = usize::try_from(i - self.good).ok().and_then(|i| self.tail.get(i));
            return Ok(made_up.copied().unwrap_or_else(|| self.nothing()));
        }
        Ok(self.raw_entry(i)?.unwrap_or_else(|| self.nothing()))
    }

    /// Up to [`ENTRY_BLOCK`] entries from `i` on, in one read where they are on disk.
    pub(crate) fn block(&self, i: u64, into: &mut Vec<Entry>) -> io::Result<()> {
        into.clear();
        let on_disk = self.good.saturating_sub(i).min(ENTRY_BLOCK);
        if let (Some(idx), true) = (&self.idx, on_disk > 0) {
            let mut raw = [0; ENTRY_BYTES * ENTRY_BLOCK as usize];
            let want = ENTRY_BYTES * usize::try_from(on_disk).unwrap_or(0);
            let got = read_full(idx, &mut raw[..want], entry_at(i))?;
            let decoded = raw[..got].chunks_exact(ENTRY_BYTES).map(Entry::decode);
            into.extend(decoded.map(|e| e.unwrap_or_else(|| self.nothing())));
            return Ok(());
        }
        let skip = usize::try_from(i - self.good.min(i)).unwrap_or(usize::MAX);
        let rest = self.tail.iter().skip(skip).take(ENTRY_BLOCK as usize);
        into.extend(rest.copied());
        Ok(())
    }

    /// The first entry for which `before` does not hold (as `slice::partition_point`).
    pub(crate) fn partition(&self, before: impl Fn(&Entry) -> bool) -> io::Result<u64> {
        let (mut low, mut high) = (0, self.entries());
        while low < high {
            let middle = low + (high - low) / 2;
            if before(&self.entry(middle)?) {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        Ok(low)
    }

    pub(crate) fn last_entry(&self) -> io::Result<Option<Entry>> {
        let n = self.entries();
        if n == 0 { Ok(None) } else { self.entry(n - 1).map(Some) }
    }

    /// Reads bytes of the snapshot at `offset`; short only at its end.
    pub(crate) fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        let left = self.len.saturating_sub(offset);
        let want = usize::try_from(left).map_or(buf.len(), |n| n.min(buf.len()));
        read_full(&self.out, &mut buf[..want], offset)
    }

    fn raw_entry(&self, i: u64) -> io::Result<Option<Entry>> {
        let Some(idx) = &self.idx else { return Ok(None) };
        let mut raw = [0; ENTRY_BYTES];
        let got = read_full(idx, &mut raw, entry_at(i))?;
        Ok(Entry::decode(&raw[..got]))
    }

    fn nothing(&self) -> Entry {
        Entry {
            time_ns: u64::MAX,
            first_line: self.end_line,
            offset: self.len,
            len: 0,
            lines: 0,
            lost: 0,
            stream: Stream::Stdout,
            flags: 0,
        }
    }
}

impl Header {
    /// A header for a segment whose own is lost.
    pub(crate) fn after(before: Option<&Segment>) -> Header {
        let Some(before) = before else {
            return Header {
                base_offset: 0,
                base_line: 1,
                created_ns: 0,
                lost_bytes: 0,
                lost_lines: 0,
                continues: false,
            };
        };
        let last = before.last_entry().ok().flatten();
        Header {
            base_offset: before.header.base_offset + before.len,
            base_line: before.end_line,
            created_ns: last.map_or(before.header.created_ns, |e| e.time_ns),
            lost_bytes: before.header.lost_bytes,
            lost_lines: before.header.lost_lines,
            continues: before.open.is_some(),
        }
    }
}

/// The numbers of the segments in `dir`, ascending.
pub(crate) fn list(dir: &Path) -> io::Result<Vec<u32>> {
    let mut numbers = Vec::new();
    for entry in fs::read_dir(dir)? {
        numbers.extend(entry?.file_name().to_str().and_then(out_number));
    }
    numbers.sort_unstable();
    Ok(numbers)
}

/// `None` for a header that a crash left unusable.
pub(crate) fn read_header(idx: &File) -> io::Result<Option<Header>> {
    let mut raw = [0; HEADER_BYTES];
    let got = read_full(idx, &mut raw, 0)?;
    match Header::decode(&raw[..got]) {
        Ok(header) => Ok(Some(header)),
        Err(BadHeader::Damaged) => Ok(None),
        Err(BadHeader::Version(found)) => Err(io::Error::new(
            io::ErrorKind::Unsupported,
            format!("log index has version {found}, this program reads version 1"),
        )),
    }
}

/// Offset of entry `i` in the index file.
pub(crate) fn entry_at(i: u64) -> u64 {
    HEADER_BYTES as u64 + i.saturating_mul(ENTRY_BYTES as u64)
}

/// Fills `buf` from `offset`; short only at the end of the file.
pub(crate) fn read_full(file: &File, buf: &mut [u8], offset: u64) -> io::Result<usize> {
    let mut done = 0;
    while done < buf.len() {
        match file.read_at(&mut buf[done..], offset + done as u64) {
            Ok(0) => break,
            Ok(n) => done += n,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
    Ok(done)
}
