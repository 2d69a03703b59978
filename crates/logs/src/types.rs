//! Owns the small values that writer and reader share. Must not know files.

use std::time::{SystemTime, UNIX_EPOCH};

/// Which of a program's two outputs a byte came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Stream {
    Stdout,
    Stderr,
}

impl Stream {
    /// The name used in text and JSON: `stdout` or `stderr`.
    pub fn as_str(self) -> &'static str {
        match self {
            Stream::Stdout => "stdout",
            Stream::Stderr => "stderr",
        }
    }
}

/// How much of one run is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Oldest segments are deleted while the run's log holds more bytes than this. The segment
    /// being written always stays.
    pub max_bytes: u64,
    /// A segment is closed at about this size (bytes).
    pub segment_bytes: u64,
}

const SMALLEST_SEGMENT: u64 = 64 << 10;
const USUAL_LARGEST_SEGMENT: u64 = 64 << 20;
/// Offsets in a segment are 32 bits in the index; a segment may overshoot by one chunk.
pub(crate) const LARGEST_SEGMENT: u64 = 1 << 30;
/// A reader holds two files open for each segment.
const MOST_SEGMENTS: u64 = 256;

impl Limits {
    /// Picks a segment size for a total of `max_bytes`: an eighth, between 64 KiB and 64 MiB
    /// (larger only where there would be more than 256 segments).
    pub fn for_max_bytes(max_bytes: u64) -> Limits {
        let eighth = (max_bytes / 8).clamp(SMALLEST_SEGMENT, USUAL_LARGEST_SEGMENT);
        let segment_bytes = eighth.max(max_bytes / MOST_SEGMENTS).min(LARGEST_SEGMENT);
        Limits { max_bytes, segment_bytes }
    }
}

/// What [`Writer::read_from`](crate::Writer::read_from) found in the pipe.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Drained {
    /// Bytes were taken; more may be there.
    More,
    /// Nothing there now: the read would block.
    Empty,
    /// End of file, or the pipe or terminal is gone.
    End,
}

/// A moment on both clocks, in nanoseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Now {
    /// Since 1970-01-01 UTC; recorded with the bytes.
    pub wall_ns: u64,
    /// Monotonic, from an arbitrary start; drives the 250 ms rule.
    pub mono_ns: u64,
}

impl Now {
    /// Reads both clocks.
    pub fn read() -> Now {
        let wall = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let mono = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
        let mono_ns = u64::try_from(mono.tv_sec).unwrap_or(0).saturating_mul(1_000_000_000);
        Now {
            wall_ns: u64::try_from(wall.as_nanos()).unwrap_or(u64::MAX),
            mono_ns: mono_ns.saturating_add(u64::try_from(mono.tv_nsec).unwrap_or(0)),
        }
    }
}
