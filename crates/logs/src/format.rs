//! Owns the bytes of the index: its header, its entries and the file names. Must not do I/O.
//!
//! All numbers are little-endian. `out.NNN.log` holds the program's bytes and nothing else.
//! `idx.NNN` is a 64-byte header and then 32-byte entries, one per chunk written, in order. An
//! entry is written after its bytes: bytes beyond the last entry are not yet published.
//!
//! | header | | entry | |
//! |---|---|---|---|
//! | 0 | magic `bpm-idx\n` | 0 | wall time, ns since 1970 |
//! | 8 | version (u32) | 8 | number of the line that holds the first byte (1-based, in the run) |
//! | 12 | flags (u32) | 16 | offset in the segment (u32) |
//! | 16 | run bytes before this segment | 20 | length (u32) |
//! | 24 | number of the first line | 24 | line feeds in the chunk (u32) |
//! | 32 | creation, ns since 1970 | 28 | stream (u8: 1 stdout, 2 stderr) |
//! | 40 | bytes lost before this segment | 29 | flags (u8) |
//! | 48 | lines lost before this segment | 30 | checksum (u16) |
//! | 56 | checksum | | |
//!
//! Bytes lost to a full disk are two entries without data, `GAP` (time: first loss; offset 20..28:
//! bytes lost) and `GAP_MORE` (time: last loss; offset 20..28: lines lost).

use std::path::{Path, PathBuf};

use crate::types::Stream;

pub(crate) const HEADER_BYTES: usize = 64;
pub(crate) const ENTRY_BYTES: usize = 32;

const MAGIC: &[u8; 8] = b"bpm-idx\n";
const VERSION: u32 = 1;
const CONTINUES: u32 = 1;

/// The chunk does not end in a line feed.
pub(crate) const PARTIAL: u8 = 1;
/// The chunk is one line feed that the program did not write.
pub(crate) const INSERTED_LF: u8 = 2;
pub(crate) const GAP: u8 = 4;
pub(crate) const GAP_MORE: u8 = 8;
/// This segment holds a gap at or before this entry.
pub(crate) const AFTER_GAP: u8 = 16;

/// The start of an index file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) base_offset: u64,
    pub(crate) base_line: u64,
    pub(crate) created_ns: u64,
    pub(crate) lost_bytes: u64,
    pub(crate) lost_lines: u64,
    /// The first line began in the segment before.
    pub(crate) continues: bool,
}

/// Why a header was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BadHeader {
    /// Written by a version that this one does not know.
    Version(u32),
    Damaged,
}

impl Header {
    pub(crate) fn encode(&self) -> [u8; HEADER_BYTES] {
        let mut out = [0; HEADER_BYTES];
        out[..8].copy_from_slice(MAGIC);
        out[8..12].copy_from_slice(&VERSION.to_le_bytes());
        let flags = if self.continues { CONTINUES } else { 0 };
        out[12..16].copy_from_slice(&flags.to_le_bytes());
        let words = [self.base_offset, self.base_line, self.created_ns, self.lost_bytes, self.lost_lines];
        for (at, word) in (16..).step_by(8).zip(words) {
            out[at..at + 8].copy_from_slice(&word.to_le_bytes());
        }
        let check = mix(&out[..56]);
        out[56..].copy_from_slice(&check.to_le_bytes());
        out
    }

    pub(crate) fn decode(raw: &[u8]) -> Result<Header, BadHeader> {
        if raw.len() < HEADER_BYTES || &raw[..8] != MAGIC {
            return Err(BadHeader::Damaged);
        }
        let version = u32_at(raw, 8);
        if version != VERSION {
            return Err(BadHeader::Version(version));
        }
        if mix(&raw[..56]) != u64_at(raw, 56) {
            return Err(BadHeader::Damaged);
        }
        Ok(Header {
            base_offset: u64_at(raw, 16),
            base_line: u64_at(raw, 24),
            created_ns: u64_at(raw, 32),
            lost_bytes: u64_at(raw, 40),
            lost_lines: u64_at(raw, 48),
            continues: u32_at(raw, 12) & CONTINUES != 0,
        })
    }
}

/// One index entry. In a gap entry `len` and `lines` are 0 and `lost` is the number it carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) time_ns: u64,
    pub(crate) first_line: u64,
    pub(crate) offset: u64,
    pub(crate) len: u64,
    pub(crate) lines: u64,
    pub(crate) lost: u64,
    pub(crate) stream: Stream,
    pub(crate) flags: u8,
}

impl Entry {
    pub(crate) fn is(&self, flag: u8) -> bool {
        self.flags & flag != 0
    }

    pub(crate) fn end(&self) -> u64 {
        self.offset + self.len
    }

    /// The line that is open after this chunk.
    pub(crate) fn end_line(&self) -> u64 {
        self.first_line.saturating_add(self.lines)
    }

    pub(crate) fn encode(&self) -> [u8; ENTRY_BYTES] {
        let mut out = [0; ENTRY_BYTES];
        out[..8].copy_from_slice(&self.time_ns.to_le_bytes());
        out[8..16].copy_from_slice(&self.first_line.to_le_bytes());
        out[16..20].copy_from_slice(&low(self.offset));
        if self.is(GAP | GAP_MORE) {
            out[20..28].copy_from_slice(&self.lost.to_le_bytes());
        } else {
            out[20..24].copy_from_slice(&low(self.len));
            out[24..28].copy_from_slice(&low(self.lines));
        }
        out[28] = match self.stream {
            Stream::Stdout => 1,
            Stream::Stderr => 2,
        };
        out[29] = self.flags;
        let check = entry_check(&out);
        out[30..].copy_from_slice(&check);
        out
    }

    /// `None` for an entry that was never completely written.
    pub(crate) fn decode(raw: &[u8]) -> Option<Entry> {
        if raw.len() < ENTRY_BYTES || raw[30..32] != entry_check(raw) {
            return None;
        }
        let stream = match raw[28] {
            1 => Stream::Stdout,
            2 => Stream::Stderr,
            _ => return None,
        };
        let flags = raw[29];
        let gap = flags & (GAP | GAP_MORE) != 0;
        let (len, lines, lost) = if gap {
            (0, 0, u64_at(raw, 20))
        } else {
            (u64::from(u32_at(raw, 20)), u64::from(u32_at(raw, 24)), 0)
        };
        Some(Entry {
            time_ns: u64_at(raw, 0),
            first_line: u64_at(raw, 8),
            offset: u64::from(u32_at(raw, 16)),
            len,
            lines,
            lost,
            stream,
            flags,
        })
    }
}

pub(crate) fn out_path(dir: &Path, number: u32) -> PathBuf {
    dir.join(format!("out.{number:03}.log"))
}

pub(crate) fn idx_path(dir: &Path, number: u32) -> PathBuf {
    dir.join(format!("idx.{number:03}"))
}

/// The number in a segment's file name.
pub(crate) fn out_number(name: &str) -> Option<u32> {
    number(name.strip_prefix("out.")?.strip_suffix(".log")?)
}

pub(crate) fn idx_number(name: &str) -> Option<u32> {
    number(name.strip_prefix("idx.")?)
}

fn number(digits: &str) -> Option<u32> {
    let plain = digits.len() >= 3 && digits.bytes().all(|b| b.is_ascii_digit());
    plain.then(|| digits.parse().ok()).flatten()
}

fn low(value: u64) -> [u8; 4] {
    u32::try_from(value).unwrap_or(u32::MAX).to_le_bytes()
}

fn u32_at(raw: &[u8], at: usize) -> u32 {
    let mut bytes = [0; 4];
    bytes.copy_from_slice(&raw[at..at + 4]);
    u32::from_le_bytes(bytes)
}

fn u64_at(raw: &[u8], at: usize) -> u64 {
    let mut bytes = [0; 8];
    bytes.copy_from_slice(&raw[at..at + 8]);
    u64::from_le_bytes(bytes)
}

fn entry_check(raw: &[u8]) -> [u8; 2] {
    let mut words = [0; ENTRY_BYTES];
    words[..30].copy_from_slice(&raw[..30]);
    let sum = mix(&words).to_le_bytes();
    [sum[0], sum[7]]
}

/// Tells a torn or empty record from a written one; no defence against anybody.
fn mix(raw: &[u8]) -> u64 {
    let mut sum = 0x9e37_79b9_7f4a_7c15_u64;
    for word in raw.chunks_exact(8) {
        sum = (sum ^ u64_at(word, 0)).wrapping_mul(0xff51_afd7_ed55_8ccd).rotate_left(31);
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(flags: u8) -> Entry {
        Entry {
            time_ns: 1,
            first_line: 2,
            offset: 3,
            len: 4,
            lines: 1,
            lost: 0,
            stream: Stream::Stderr,
            flags,
        }
    }

    #[test]
    fn records_survive_the_round_trip_and_nothing_else_does() {
        let written = entry(PARTIAL);
        let raw = written.encode();
        assert_eq!(Entry::decode(&raw), Some(written));
        for at in 0..ENTRY_BYTES {
            let mut torn = raw;
            torn[at] ^= 0x55;
            assert_ne!(Entry::decode(&torn), Some(written));
        }
        assert_eq!(Entry::decode(&[0; ENTRY_BYTES]), None);
        let gap = Entry { len: 0, lines: 0, lost: u64::MAX - 7, ..entry(GAP) };
        assert_eq!(Entry::decode(&gap.encode()), Some(gap));
    }

    #[test]
    fn a_header_of_another_version_is_told_from_damage() {
        let header = Header {
            base_offset: 5,
            base_line: 6,
            created_ns: 7,
            lost_bytes: 8,
            lost_lines: 9,
            continues: true,
        };
        let mut raw = header.encode();
        assert_eq!(Header::decode(&raw), Ok(header));
        raw[20] ^= 1;
        assert_eq!(Header::decode(&raw), Err(BadHeader::Damaged));
        raw[8] = 9;
        assert_eq!(Header::decode(&raw), Err(BadHeader::Version(9)));
        assert_eq!(Header::decode(&raw[..63]), Err(BadHeader::Damaged));
    }

    #[test]
    fn only_our_names_are_segments() {
        assert_eq!(out_number("out.001.log"), Some(1));
        assert_eq!(out_number("out.1234.log"), Some(1234));
        for other in ["out.1.log", "out..log", "out.+01.log", "out.001.log.gz", "x"] {
            assert_eq!(out_number(other), None, "{other}");
        }
        assert_eq!(idx_number("idx.010"), Some(10));
    }
}
