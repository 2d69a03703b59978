//! Owns the files of one run while they are written: chunks, index entries, rolling, eviction and
//! what happens when the disk refuses. Must not know pipes, time limits or held lines.

use std::collections::VecDeque;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use crate::disk::{Disk, write_all_at};
use crate::format::{
    AFTER_GAP, ENTRY_BYTES, Entry, GAP, GAP_MORE, Header, INSERTED_LF, PARTIAL, idx_path, out_path,
};
use crate::segment::{entry_at, list};
use crate::types::{LARGEST_SEGMENT, Limits, Stream};

mod open;

const LF: u8 = b'\n';
/// Index entries wait in memory up to this many, or until this many bytes wait for them.
const PENDING_ENTRIES: usize = 64;
const PENDING_BYTES: u64 = 256 << 10;
/// The wall clock may be set back a little without disturbing the order of recorded times; a
/// larger step is recorded as it is.
const CLOCK_SLACK_NS: u64 = 2_000_000_000;
/// What an error without a number counts as.
const EIO: i32 = rustix::io::Errno::IO.raw_os_error();

/// The segment being written.
#[derive(Debug)]
struct Current {
    number: u32,
    out: File,
    idx: File,
    /// Bytes written.
    len: u64,
    /// Entries on disk.
    entries: u64,
    has_gap: bool,
}

/// Bytes being lost, until a write succeeds again.
#[derive(Debug, Clone, Copy)]
struct Losing {
    bytes: u64,
    lines: u64,
    from_ns: u64,
    to_ns: u64,
}

#[derive(Debug)]
pub(crate) struct Store {
    disk: Box<dyn Disk>,
    dir: PathBuf,
    limits: Limits,
    current: Option<Current>,
    /// Closed segments, oldest first, with their lengths.
    closed: VecDeque<(u32, u64)>,
    closed_bytes: u64,
    /// Bytes of the run before the current segment.
    base_offset: u64,
    /// The line that is open at the end (1-based).
    line: u64,
    /// The stream of an open line, that is, of last bytes that do not end in a line feed.
    open: Option<Stream>,
    last_time_ns: u64,
    lost_bytes: u64,
    lost_lines: u64,
    losing: Option<Losing>,
    error: Option<i32>,
    /// Encoded entries not yet on disk, and the bytes that they publish.
    pending: Vec<u8>,
    pending_bytes: u64,
}

impl Store {
    pub(crate) fn open(disk: Box<dyn Disk>, dir: &Path, limits: Limits) -> io::Result<Store> {
        let limits = Limits {
            max_bytes: limits.max_bytes,
            segment_bytes: limits.segment_bytes.clamp(1, LARGEST_SEGMENT),
        };
        let mut store = Store {
            disk,
            dir: dir.to_path_buf(),
            limits,
            current: None,
            closed: VecDeque::new(),
            closed_bytes: 0,
            base_offset: 0,
            line: 1,
            open: None,
            last_time_ns: 0,
            lost_bytes: 0,
            lost_lines: 0,
            losing: None,
            error: None,
            pending: Vec::new(),
            pending_bytes: 0,
        };
        let numbers = list(dir)?;
        store.drop_stray_indexes(&numbers)?;
        if numbers.is_empty() {
            store.start()?;
        } else {
            store.go_on(&numbers)?;
        }
        Ok(store)
    }

    /// Bytes in the log, evicted ones included.
    pub(crate) fn bytes(&self) -> u64 {
        self.base_offset + self.current.as_ref().map_or(0, |c| c.len)
    }

    /// Line feeds in the log, evicted ones included.
    pub(crate) fn lines(&self) -> u64 {
        self.line.saturating_sub(1)
    }

    pub(crate) fn lost(&self) -> (u64, u64) {
        let losing = self.losing.map_or((0, 0), |l| (l.bytes, l.lines));
        (self.lost_bytes.saturating_add(losing.0), self.lost_lines.saturating_add(losing.1))
    }

    pub(crate) fn error(&self) -> Option<i32> {
        self.error
    }

    /// Writes one chunk of one stream. What the disk refuses is counted as lost.
    pub(crate) fn put(&mut self, stream: Stream, mut bytes: &[u8], wall_ns: u64) {
        let time = self.in_order(wall_ns);
        let other = self.open.is_some_and(|open| open != stream);
        if (other || self.losing.is_some()) && !self.close_line(time) {
            return self.lose(bytes, time);
        }
        while !bytes.is_empty() {
            let fits = self.fitting(bytes);
            if fits == 0 {
                if let Err(e) = self.roll(time) {
                    self.error = Some(errno(&e));
                    return self.lose(bytes, time);
                }
                continue;
            }
            let done = self.put_piece(stream, &bytes[..fits], time);
            bytes = &bytes[done..];
            if done < fits {
                return self.lose(bytes, time);
            }
        }
    }

    /// How many of `bytes` go into the current segment; 0: start another one first.
    fn fitting(&self, bytes: &[u8]) -> usize {
        let Some(current) = &self.current else { return 0 };
        let room = self.limits.segment_bytes.saturating_sub(current.len);
        let room = usize::try_from(room).unwrap_or(usize::MAX);
        if bytes.len() <= room {
            return bytes.len();
        }
        if let Some(lf) = memchr::memrchr(LF, &bytes[..room]) {
            return lf + 1;
        }
        if self.open.is_none() && current.len > 0 {
            return 0;
        }
        memchr::memchr(LF, &bytes[room..]).map_or(room, |lf| room + lf + 1)
    }

    /// Ends an open line by a line feed of our own. False if the disk refuses.
    fn close_line(&mut self, time: u64) -> bool {
        let Some(stream) = self.open else { return true };
        if self.current.is_none() {
            // Cannot happen: an open line is in a segment.
            self.open = None;
            return true;
        }
        if self.write(&[LF]) == 0 {
            return false;
        }
        self.publish(stream, &[LF], INSERTED_LF, time);
        true
    }

    fn put_piece(&mut self, stream: Stream, bytes: &[u8], time: u64) -> usize {
        let done = self.write(bytes);
        if done > 0 {
            self.record_gap();
            self.publish(stream, &bytes[..done], 0, time);
        }
        done
    }

    /// Writes behind the last chunk and returns how many bytes went through.
    fn write(&mut self, bytes: &[u8]) -> usize {
        // While the index cannot be written, bytes would pile up unpublished.
        if self.pending.len() >= PENDING_ENTRIES * ENTRY_BYTES || self.pending_bytes >= PENDING_BYTES {
            self.commit();
            if !self.pending.is_empty() {
                return 0;
            }
        }
        let Some(current) = &self.current else { return 0 };
        let (done, result) = write_all_at(&*self.disk, &current.out, bytes, current.len);
        self.error = result.err().as_ref().map(errno);
        done
    }

    /// Adds the entry of bytes that were just written.
    fn publish(&mut self, stream: Stream, bytes: &[u8], flags: u8, time: u64) {
        let Some(current) = &mut self.current else { return };
        let partial = bytes.last() != Some(&LF);
        let lines = memchr::memchr_iter(LF, bytes).count() as u64;
        let entry = Entry {
            time_ns: time,
            first_line: self.line,
            offset: current.len,
            len: bytes.len() as u64,
            lines,
            lost: 0,
            stream,
            flags: flags | if partial { PARTIAL } else { 0 } | if current.has_gap { AFTER_GAP } else { 0 },
        };
        self.pending.extend_from_slice(&entry.encode());
        self.pending_bytes += entry.len;
        current.len += entry.len;
        self.line += lines;
        self.open = partial.then_some(stream);
        self.evict();
    }

    fn lose(&mut self, bytes: &[u8], time: u64) {
        let losing = self.losing.get_or_insert(Losing { bytes: 0, lines: 0, from_ns: time, to_ns: time });
        losing.bytes = losing.bytes.saturating_add(bytes.len() as u64);
        let lines = memchr::memchr_iter(LF, bytes).count() as u64;
        losing.lines = losing.lines.saturating_add(lines);
        losing.to_ns = time;
    }

    /// Adds the record of a loss that is over.
    fn record_gap(&mut self) {
        let (Some(current), Some(losing)) = (&mut self.current, self.losing.take()) else {
            return;
        };
        current.has_gap = true;
        let first = Entry {
            time_ns: losing.from_ns,
            first_line: self.line,
            offset: current.len,
            len: 0,
            lines: 0,
            lost: losing.bytes,
            stream: Stream::Stdout,
            flags: GAP | AFTER_GAP,
        };
        let more = Entry { time_ns: losing.to_ns, lost: losing.lines, flags: GAP_MORE | AFTER_GAP, ..first };
        self.pending.extend_from_slice(&first.encode());
        self.pending.extend_from_slice(&more.encode());
        self.lost_bytes = self.lost_bytes.saturating_add(losing.bytes);
        self.lost_lines = self.lost_lines.saturating_add(losing.lines);
    }

    /// Writes the waiting entries; those that the disk refuses keep waiting.
    pub(crate) fn commit(&mut self) {
        let Some(current) = &mut self.current else { return };
        if self.pending.is_empty() {
            return;
        }
        let at = entry_at(current.entries);
        let (done, result) = write_all_at(&*self.disk, &current.idx, &self.pending, at);
        // A torn entry is written again, over its first part.
        let whole = done / ENTRY_BYTES;
        current.entries += whole as u64;
        self.pending.drain(..whole * ENTRY_BYTES);
        match result {
            Ok(()) => {
                self.pending_bytes = 0;
                if self.losing.is_none() {
                    self.error = None;
                }
            }
            Err(e) => self.error = Some(errno(&e)),
        }
    }

    /// Entries out, and the record of a loss that has not ended.
    pub(crate) fn finish(&mut self) {
        self.commit();
        if self.losing.is_some() && self.pending.is_empty() && self.current.is_some() {
            self.record_gap();
        }
        self.commit();
    }

    /// Closes the current segment and starts the next one.
    fn roll(&mut self, time: u64) -> io::Result<()> {
        self.commit();
        if !self.pending.is_empty() {
            return Err(io::Error::from_raw_os_error(self.error.unwrap_or(EIO)));
        }
        let number = self.current.as_ref().map_or(0, |c| c.number) + 1;
        let header = Header {
            base_offset: self.bytes(),
            base_line: self.line,
            created_ns: time,
            lost_bytes: self.lost_bytes,
            lost_lines: self.lost_lines,
            continues: self.open.is_some(),
        };
        // The index comes first, so that a segment never lacks one.
        let idx_path = idx_path(&self.dir, number);
        let idx = self.disk.create(&idx_path)?;
        let (_, written) = write_all_at(&*self.disk, &idx, &header.encode(), 0);
        let out = written.and_then(|()| self.disk.create(&out_path(&self.dir, number)));
        let out = out.inspect_err(|_| _ = fs::remove_file(&idx_path))?;
        let next = Current { number, out, idx, len: 0, entries: 0, has_gap: false };
        self.base_offset = header.base_offset;
        if let Some(full) = self.current.replace(next) {
            self.closed.push_back((full.number, full.len));
            self.closed_bytes += full.len;
        }
        Ok(())
    }

    /// Deletes the oldest segments while the run holds too much.
    fn evict(&mut self) {
        let len = self.current.as_ref().map_or(0, |c| c.len);
        while self.closed_bytes + len > self.limits.max_bytes {
            let Some((number, bytes)) = self.closed.pop_front() else { return };
            // One that cannot be deleted (already gone, say) is no longer counted.
            _ = fs::remove_file(out_path(&self.dir, number));
            _ = fs::remove_file(idx_path(&self.dir, number));
            self.closed_bytes -= bytes;
        }
    }

    /// Recorded times do not run backward when the clock is set back a little.
    fn in_order(&mut self, wall_ns: u64) -> u64 {
        if wall_ns < self.last_time_ns && self.last_time_ns - wall_ns < CLOCK_SLACK_NS {
            return self.last_time_ns;
        }
        self.last_time_ns = wall_ns;
        wall_ns
    }
}

fn errno(e: &io::Error) -> i32 {
    e.raw_os_error().unwrap_or(EIO)
}

/// Errors that pass when somebody makes room.
fn is_full(e: &io::Error) -> bool {
    use rustix::io::Errno;
    let full = [Errno::NOSPC, Errno::DQUOT, Errno::FBIG, Errno::IO];
    full.iter().any(|f| e.raw_os_error() == Some(f.raw_os_error()))
}
