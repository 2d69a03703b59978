//! Owns the writer of one run's log: reading the pipes and keeping lines whole. Must not know the
//! files, which are `store`'s, nor where the pipes come from.

use std::io;
use std::os::fd::BorrowedFd;
use std::path::Path;

use crate::disk::{Disk, RealDisk};
use crate::store::Store;
use crate::types::{Drained, Limits, Now, Stream};

/// An unterminated line is held back up to this many bytes ...
const HOLD_BYTES: usize = 64 << 10;
/// ... and this long,
const HOLD_NS: u64 = 250_000_000;
/// or, in a hurry, this long: each piece that is written by itself takes room in the index.
const HURRY_NS: u64 = 1_000_000;
const READ_BYTES: usize = 192 << 10;
/// A buffer of which more than this was used is given back when its stream is quiet.
const KEEP_BYTES: usize = 24 << 10;
const QUIET_NS: u64 = 1_000_000_000;

/// The one writer of a run's log directory.
///
/// Never blocks on a reader and never fails after `open`: what the disk refuses is counted, and
/// recorded as a gap once the disk takes bytes again. A caller with a limit on file sizes must
/// ignore `SIGXFSZ`. There is no clean-up on drop: whoever ends calls [`finish`](Self::finish);
/// what is lost otherwise is what `kill -9` loses, a held line and unpublished index entries.
#[derive(Debug)]
pub struct Writer {
    store: Store,
    held: [Held; 2],
    hold_ns: u64,
}

/// Totals of a run's log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct WriterStatus {
    /// Bytes in the log, evicted ones included; inserted line feeds count.
    pub bytes: u64,
    /// Line feeds in the log, evicted ones included.
    pub lines: u64,
    /// Bytes that the disk refused, over the run's life.
    pub lost_bytes: u64,
    /// Line feeds among them.
    pub lost_lines: u64,
    /// The `errno` of the last write, if it failed.
    pub disk_error: Option<i32>,
}

/// The unterminated end of one stream, with room behind it for the next read.
#[derive(Debug, Default)]
struct Held {
    /// Empty until the first read: zeroed pages are not touched before they are read into.
    buf: Vec<u8>,
    len: usize,
    /// When the first held byte came.
    since: Now,
    /// When a much used buffer is to be given back.
    trim_mono_ns: Option<u64>,
}

impl Writer {
    /// Creates the log in `dir`, which must exist, or goes on with the one that is there.
    ///
    /// # Errors
    /// Where the directory or its files cannot be read or created. A full disk is not an error.
    pub fn open(dir: &Path, limits: Limits) -> io::Result<Writer> {
        Writer::open_on(Box::new(RealDisk), dir, limits)
    }

    pub(crate) fn open_on(disk: Box<dyn Disk>, dir: &Path, limits: Limits) -> io::Result<Writer> {
        let held = [Held::default(), Held::default()];
        Ok(Writer { store: Store::open(disk, dir, limits)?, held, hold_ns: HOLD_NS })
    }

    /// Takes what one `read(2)` of a non-blocking descriptor gives.
    pub fn read_from(&mut self, stream: Stream, fd: BorrowedFd<'_>, now: Now) -> Drained {
        let held = &mut self.held[slot(stream)];
        let room = held.room();
        match rustix::io::read(fd, room) {
            Ok(0) => Drained::End,
            Ok(n) => {
                self.take(stream, n, now);
                Drained::More
            }
            Err(rustix::io::Errno::INTR) => Drained::More,
            Err(rustix::io::Errno::AGAIN) => Drained::Empty,
            // A terminal whose other side is gone gives EIO.
            Err(_) => Drained::End,
        }
    }

    /// Takes bytes that were read elsewhere.
    pub fn append(&mut self, stream: Stream, bytes: &[u8], now: Now) {
        for piece in bytes.chunks(READ_BYTES) {
            self.held[slot(stream)].room()[..piece.len()].copy_from_slice(piece);
            self.take(stream, piece.len(), now);
        }
    }

    /// The monotonic time (ns) at which [`flush_tails`](Self::flush_tails) has something to do.
    pub fn flush_due(&self) -> Option<u64> {
        self.held.iter().filter_map(|held| held.due(self.hold_ns)).min()
    }

    /// In a hurry an unterminated line is held back for no more than 1 ms; one that has been longer is written now.
    /// For a log with one stream: lines of two would cut each other to pieces.
    pub fn hurry(&mut self, hurry: bool, now: Now) {
        self.hold_ns = if hurry { HURRY_NS } else { HOLD_NS };
        if hurry {
            self.flush_tails(now);
        }
    }

    /// Makes held lines visible that have waited 250 ms, and gives back idle memory.
    pub fn flush_tails(&mut self, now: Now) {
        for stream in self.oldest_first() {
            let held = &mut self.held[slot(stream)];
            if held.len > 0 && held.line_due(self.hold_ns) <= now.mono_ns {
                self.flush(stream);
            }
            let held = &mut self.held[slot(stream)];
            if held.len == 0 && held.trim_mono_ns.is_some_and(|at| at <= now.mono_ns) {
                *held = Held::default();
            }
        }
    }

    /// Publishes what was written. To be called before blocking.
    pub fn settle(&mut self) {
        self.store.commit();
    }

    /// Writes everything that is held. More may still be appended.
    pub fn finish(&mut self, now: Now) {
        self.flush_tails(now);
        for stream in self.oldest_first() {
            self.flush(stream);
            self.held[slot(stream)] = Held::default();
        }
        self.store.finish();
    }

    /// Totals so far; held bytes do not count yet.
    pub fn status(&self) -> WriterStatus {
        let (lost_bytes, lost_lines) = self.store.lost();
        WriterStatus {
            bytes: self.store.bytes(),
            lines: self.store.lines(),
            lost_bytes,
            lost_lines,
            disk_error: self.store.error(),
        }
    }

    /// `n` new bytes are in the room behind the held ones.
    fn take(&mut self, stream: Stream, n: usize, now: Now) {
        let held = &mut self.held[slot(stream)];
        let end = held.len + n;
        if end > KEEP_BYTES {
            held.trim_mono_ns = Some(now.mono_ns.saturating_add(QUIET_NS));
        }
        let lf = memchr::memrchr(b'\n', &held.buf[held.len..end]);
        let cut = lf.map_or(0, |lf| held.len + lf + 1);
        if end - cut > HOLD_BYTES {
            self.store.put(stream, &held.buf[..end], now.wall_ns);
            held.len = 0;
            return;
        }
        if held.len == 0 || cut > 0 {
            held.since = now;
        }
        if cut > 0 {
            self.store.put(stream, &held.buf[..cut], now.wall_ns);
            held.buf.copy_within(cut..end, 0);
        }
        held.len = end - cut;
    }

    fn flush(&mut self, stream: Stream) {
        let held = &mut self.held[slot(stream)];
        if held.len > 0 {
            self.store.put(stream, &held.buf[..held.len], held.since.wall_ns);
            held.len = 0;
        }
    }

    fn oldest_first(&self) -> [Stream; 2] {
        let [out, err] = &self.held;
        if err.len > 0 && (out.len == 0 || err.since.mono_ns < out.since.mono_ns) {
            [Stream::Stderr, Stream::Stdout]
        } else {
            [Stream::Stdout, Stream::Stderr]
        }
    }
}

impl Held {
    fn room(&mut self) -> &mut [u8] {
        if self.buf.is_empty() {
            self.buf = vec![0; HOLD_BYTES + READ_BYTES];
        }
        &mut self.buf[self.len..self.len + READ_BYTES]
    }

    fn line_due(&self, hold_ns: u64) -> u64 {
        self.since.mono_ns.saturating_add(hold_ns)
    }

    fn due(&self, hold_ns: u64) -> Option<u64> {
        if self.len > 0 { Some(self.line_due(hold_ns)) } else { self.trim_mono_ns }
    }
}

fn slot(stream: Stream) -> usize {
    match stream {
        Stream::Stdout => 0,
        Stream::Stderr => 1,
    }
}

/// Indexes what a dead writer left unindexed in `dir`.
///
/// # Errors
/// As [`Writer::open`].
pub fn recover(dir: &Path, limits: Limits) -> io::Result<()> {
    let mut writer = Writer::open(dir, limits)?;
    writer.finish(Now::read());
    Ok(())
}
