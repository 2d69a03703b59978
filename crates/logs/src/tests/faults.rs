//! Owns the tests of a disk that refuses. Must not test crashes.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use proptest::prelude::{any, prop, prop_assert, prop_assert_eq, proptest};
use rustix::io::Errno;
use tempfile::tempdir;

use super::{WIDE, at_ms, on_disk, stream_of};
use crate::disk::{Disk, RealDisk};
use crate::{Limits, RunLog, Stream, Writer};

/// A disk with room for so many bytes; writes are short at the border.
#[derive(Debug, Clone, Default)]
struct SmallDisk(Arc<AtomicU64>);

impl SmallDisk {
    fn with(room: u64) -> SmallDisk {
        SmallDisk(Arc::new(AtomicU64::new(room)))
    }

    fn set(&self, room: u64) {
        self.0.store(room, Ordering::Relaxed);
    }
}

impl Disk for SmallDisk {
    fn create(&self, path: &Path) -> io::Result<File> {
        RealDisk.create(path)
    }

    fn write_at(&self, file: &File, bytes: &[u8], offset: u64) -> io::Result<usize> {
        let room = self.0.load(Ordering::Relaxed);
        if room == 0 {
            return Err(Errno::NOSPC.into());
        }
        let n = bytes.len().min(room as usize);
        let written = file.write_at(&bytes[..n], offset)?;
        self.set(room - written as u64);
        Ok(written)
    }
}

#[test]
fn a_full_disk_leaves_a_counted_gap_and_whole_lines_after_it() {
    let dir = tempdir().unwrap();
    let disk = SmallDisk::with(u64::MAX);
    let mut writer = Writer::open_on(Box::new(disk.clone()), dir.path(), WIDE).unwrap();
    writer.append(Stream::Stdout, b"before\n", at_ms(0));
    writer.settle();
    disk.set(4);
    writer.append(Stream::Stdout, b"cut here\nlost\n", at_ms(10));
    writer.append(Stream::Stderr, b"lost too\n", at_ms(20));
    let status = writer.status();
    assert_eq!(status.disk_error, Some(Errno::NOSPC.raw_os_error()));
    assert_eq!((status.lost_bytes, status.lost_lines), (10 + 9, 3));
    disk.set(u64::MAX);
    writer.append(Stream::Stdout, b"after\n", at_ms(30));
    writer.finish(at_ms(40));
    let status = writer.status();
    assert_eq!((status.lost_bytes, status.disk_error), (19, None));
    assert_eq!(on_disk(dir.path()), b"before\ncut \nafter\n");
    let log = RunLog::open(dir.path()).unwrap();
    let gaps = log.summary().unwrap().gaps;
    assert_eq!(gaps.len(), 1);
    assert_eq!((gaps[0].before_line, gaps[0].bytes, gaps[0].lines), (3, 19, 3));
    assert_eq!(gaps[0].from_ns, at_ms(10).wall_ns);
    assert_eq!(gaps[0].to_ns, at_ms(20).wall_ns);
    assert_eq!(stream_of(&log, Stream::Stdout), b"before\ncut after\n");
    // A later writer knows of it.
    let again = Writer::open(dir.path(), WIDE).unwrap().status();
    assert_eq!((again.lost_bytes, again.lost_lines), (19, 3));
    let chunk = crate::Follower::new(dir.path(), None).poll(1 << 20).unwrap();
    assert_eq!(chunk.gaps, gaps);
}

#[test]
fn a_disk_that_is_full_from_the_start_is_no_error() {
    let dir = tempdir().unwrap();
    let disk = SmallDisk::with(0);
    let mut writer = Writer::open_on(Box::new(disk.clone()), dir.path(), WIDE).unwrap();
    assert!(writer.status().disk_error.is_some());
    writer.append(Stream::Stdout, b"lost\n", at_ms(0));
    writer.finish(at_ms(1));
    assert_eq!(writer.status().lost_bytes, 5);
    disk.set(1000);
    writer.append(Stream::Stdout, b"kept\n", at_ms(2));
    writer.finish(at_ms(3));
    assert_eq!(writer.status().disk_error, None);
    assert_eq!(on_disk(dir.path()), b"kept\n");
    assert_eq!(RunLog::open(dir.path()).unwrap().summary().unwrap().gaps[0].bytes, 5);
}

#[test]
fn a_gap_that_lasts_to_the_end_is_recorded_if_the_index_has_room() {
    let dir = tempdir().unwrap();
    let disk = SmallDisk::with(u64::MAX);
    let mut writer = Writer::open_on(Box::new(disk.clone()), dir.path(), WIDE).unwrap();
    disk.set(0);
    writer.append(Stream::Stdout, b"lost\n", at_ms(0));
    disk.set(u64::MAX);
    writer.finish(at_ms(1));
    let gaps = RunLog::open(dir.path()).unwrap().summary().unwrap().gaps;
    assert_eq!((gaps.len(), gaps[0].lines), (1, 1));
}

#[test]
fn a_directory_that_cannot_be_used_is_an_error() {
    let dir = tempdir().unwrap();
    assert!(Writer::open(&dir.path().join("none"), WIDE).is_err());
}

proptest! {
    #[test]
    fn every_byte_is_kept_or_counted(
        script in prop::collection::vec((any::<bool>(), prop::collection::vec(prop::sample::select(b"ab\n".to_vec()), 1..60), 0_u64..200), 1..60),
        segment_bytes in 10_u64..300,
    ) {
        let dir = tempdir().unwrap();
        let disk = SmallDisk::with(1000);
        let limits = Limits { max_bytes: u64::MAX, segment_bytes };
        let mut writer = Writer::open_on(Box::new(disk.clone()), dir.path(), limits).unwrap();
        let (mut bytes, mut lines) = (0, 0);
        for (i, (err, text, room)) in script.iter().enumerate() {
            disk.set(*room);
            let stream = if *err { Stream::Stderr } else { Stream::Stdout };
            writer.append(stream, text, at_ms(i as u64 * 100));
            writer.flush_tails(at_ms(i as u64 * 100));
            if i % 3 == 0 {
                writer.settle();
            }
            bytes += text.len() as u64;
            lines += text.iter().filter(|b| **b == b'\n').count() as u64;
        }
        writer.finish(at_ms(100_000));
        disk.set(u64::MAX);
        writer.finish(at_ms(100_001));
        let log = RunLog::open(dir.path()).unwrap();
        let (out, err) = (stream_of(&log, Stream::Stdout), stream_of(&log, Stream::Stderr));
        let kept = (out.len() + err.len()) as u64;
        let status = writer.status();
        prop_assert_eq!(kept + status.lost_bytes, bytes);
        let feeds = |b: &[u8]| b.iter().filter(|b| **b == b'\n').count() as u64;
        prop_assert_eq!(feeds(&out) + feeds(&err) + status.lost_lines, lines);
        let gaps = log.summary().unwrap().gaps;
        prop_assert_eq!(gaps.iter().map(|g| g.bytes).sum::<u64>(), status.lost_bytes);
        prop_assert_eq!(gaps.iter().map(|g| g.lines).sum::<u64>(), status.lost_lines);
        prop_assert!(gaps.iter().all(|g| g.from_ns <= g.to_ns));
        let extent = log.extent().unwrap();
        prop_assert_eq!((extent.lost_bytes, extent.lost_lines), (status.lost_bytes, status.lost_lines));
        prop_assert_eq!(status.bytes, on_disk(dir.path()).len() as u64);
        let again = Writer::open(dir.path(), limits).unwrap().status();
        prop_assert_eq!((again.bytes, again.lines, again.lost_bytes, again.lost_lines),
            (status.bytes, status.lines, status.lost_bytes, status.lost_lines));
    }
}
