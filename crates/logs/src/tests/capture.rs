//! Owns the tests of the writer's promises. Must not test faults or queries.

use std::fs;
use std::os::fd::AsFd;
use std::os::unix::fs::PermissionsExt;

use proptest::prelude::{ProptestConfig, prop_assert, prop_assert_eq, proptest};
use tempfile::tempdir;

use super::{STREAMS, WIDE, at_ms, on_disk, play, steps, stream_of, told};
use crate::{Drained, Limits, Query, RunLog, Stream, Writer};

fn limits(max_bytes: u64, segment_bytes: u64) -> Limits {
    Limits { max_bytes, segment_bytes }
}

proptest! {
    #[test]
    fn each_stream_is_byte_exact_whatever_happens(script in steps(), segment_bytes in 1_u64..200) {
        let dir = tempdir().unwrap();
        let sent = play(dir.path(), limits(u64::MAX, segment_bytes), &script);
        let log = RunLog::open(dir.path()).unwrap();
        for (stream, sent) in STREAMS.into_iter().zip(sent) {
            prop_assert_eq!(stream_of(&log, stream), sent);
        }
        let disk = on_disk(dir.path());
        let summary = log.summary().unwrap();
        prop_assert_eq!(summary.bytes, disk.len() as u64);
        let feeds = disk.iter().filter(|b| **b == b'\n').count() as u64;
        prop_assert_eq!(summary.next_line, feeds + 1);
        prop_assert_eq!(summary.unterminated, disk.last().is_some_and(|b| *b != b'\n'));
    }
}

proptest! {
    // Each case makes hundreds of files.
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn eviction_keeps_numbers_and_the_newest(script in steps(), segment in 1_u64..60, max in 1_u64..300) {
        let (all, some) = (tempdir().unwrap(), tempdir().unwrap());
        play(all.path(), limits(u64::MAX, segment), &script);
        play(some.path(), limits(max, segment), &script);
        let (whole, kept) = (on_disk(all.path()), on_disk(some.path()));
        prop_assert!(whole.ends_with(&kept));
        let summary = RunLog::open(some.path()).unwrap().summary().unwrap();
        prop_assert_eq!(summary.evicted_bytes as usize + kept.len(), whole.len());
        let gone = &whole[..whole.len() - kept.len()];
        let feeds = gone.iter().filter(|b| **b == b'\n').count() as u64;
        prop_assert_eq!(summary.evicted_lines, feeds);
        prop_assert_eq!(summary.first_line, feeds + 1);
        prop_assert!(kept.len() as u64 <= max.max(segment + 41));
        let numbers = |lines: &[super::Told]| lines.iter().map(|l| l.number).collect::<Vec<_>>();
        let (every, left) = (told(all.path()), told(some.path()));
        prop_assert!(numbers(&every).ends_with(&numbers(&left)));
    }
}

#[test]
fn lines_that_end_in_time_stay_whole() {
    let dir = tempdir().unwrap();
    let mut writer = Writer::open(dir.path(), WIDE).unwrap();
    writer.append(Stream::Stdout, b"one ", at_ms(0));
    writer.append(Stream::Stderr, b"err ", at_ms(1));
    writer.append(Stream::Stdout, b"line\ntwo", at_ms(100));
    writer.append(Stream::Stderr, b"line\n", at_ms(240));
    assert_eq!(on_disk(dir.path()), b"one line\nerr line\n");
    // The clock of a held line starts with its first byte.
    assert_eq!(writer.flush_due(), Some(at_ms(350).mono_ns));
    writer.flush_tails(at_ms(349));
    assert_eq!(on_disk(dir.path()), b"one line\nerr line\n");
    writer.flush_tails(at_ms(350));
    assert_eq!(on_disk(dir.path()), b"one line\nerr line\ntwo");
    assert_eq!(writer.flush_due(), None);
    // The same stream goes on: nothing is inserted. The other one: a line feed.
    writer.append(Stream::Stdout, b"!", at_ms(360));
    writer.flush_tails(at_ms(700));
    writer.append(Stream::Stderr, b"x\n", at_ms(701));
    assert_eq!(on_disk(dir.path()), b"one line\nerr line\ntwo!\nx\n");
    writer.append(Stream::Stdout, b" more\n", at_ms(702));
    writer.finish(at_ms(703));
    let log = RunLog::open(dir.path()).unwrap();
    assert_eq!(stream_of(&log, Stream::Stdout), b"one line\ntwo! more\n");
    assert_eq!(stream_of(&log, Stream::Stderr), b"err line\nx\n");
    assert_eq!(writer.status().lines, 5);
}

#[test]
fn a_line_of_64_kib_is_held_and_a_longer_one_is_not() {
    let dir = tempdir().unwrap();
    let mut writer = Writer::open(dir.path(), WIDE).unwrap();
    let longest = vec![b'x'; 64 << 10];
    writer.append(Stream::Stdout, &longest, at_ms(0));
    assert_eq!(on_disk(dir.path()).len(), 0);
    writer.append(Stream::Stdout, b"x", at_ms(1));
    assert_eq!(on_disk(dir.path()).len(), longest.len() + 1);
}

#[test]
fn a_line_of_5_mb_passes_through_small_segments() {
    let dir = tempdir().unwrap();
    let mut writer = Writer::open(dir.path(), Limits::for_max_bytes(64 << 20)).unwrap();
    let mut line: Vec<u8> = (0..5 << 20).map(|i: u32| b'a' + (i % 23) as u8).collect();
    line.push(b'\n');
    writer.append(Stream::Stdout, &line, at_ms(0));
    writer.append(Stream::Stdout, b"next\n", at_ms(1));
    writer.finish(at_ms(2));
    let log = RunLog::open(dir.path()).unwrap();
    let query = Query { max_line_bytes: 10, ..Query::default() };
    let found = log.search(&query).unwrap();
    assert_eq!(found.lines.len(), 2);
    assert_eq!(found.lines[0].text, b"abcdefghij");
    assert_eq!(found.lines[0].full_len, 5 << 20);
    assert_eq!(found.lines[1].number, 2);
    let mut bytes = Vec::new();
    std::io::Read::read_to_end(&mut log.stream_bytes(Stream::Stdout), &mut bytes).unwrap();
    assert!(bytes.starts_with(&line));
}

#[test]
fn segments_end_at_line_ends_where_there_are_any() {
    let dir = tempdir().unwrap();
    let mut writer = Writer::open(dir.path(), limits(u64::MAX, 10)).unwrap();
    writer.append(Stream::Stdout, b"aaaa\nbbbb\ncccc\ndddddddddddddd\ne\n", at_ms(0));
    writer.finish(at_ms(1));
    let segment = |n: u32| fs::read(dir.path().join(format!("out.{n:03}.log"))).unwrap();
    assert_eq!(segment(1), b"aaaa\nbbbb\n");
    assert_eq!(segment(2), b"cccc\n");
    assert_eq!(segment(3), b"dddddddddddddd\n");
    assert_eq!(segment(4), b"e\n");
}

#[test]
fn files_are_private_and_an_empty_log_is_a_log() {
    let dir = tempdir().unwrap();
    let empty = RunLog::open(dir.path()).unwrap();
    assert_eq!(empty.summary().unwrap().next_line, 1);
    assert_eq!(empty.search(&Query::default()).unwrap().lines, []);
    Writer::open(dir.path(), WIDE).unwrap().finish(at_ms(0));
    for name in ["out.001.log", "idx.001"] {
        let mode = fs::metadata(dir.path().join(name)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
    let log = RunLog::open(dir.path()).unwrap();
    assert_eq!(log.summary().unwrap().bytes, 0);
    let tail = Query { tail: Some(5), stream: Some(Stream::Stderr), ..Query::default() };
    assert_eq!(log.search(&tail).unwrap().next_line, 1);
    let missing = RunLog::open(&dir.path().join("none")).unwrap_err();
    assert!(missing.to_string().starts_with("no log in `"), "{missing}");
}

#[test]
fn a_pipe_is_drained_to_its_end() {
    let dir = tempdir().unwrap();
    let mut writer = Writer::open(dir.path(), WIDE).unwrap();
    let (reader, pipe) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::NONBLOCK).unwrap();
    let mut read = || writer.read_from(Stream::Stderr, reader.as_fd(), at_ms(0));
    assert_eq!(read(), Drained::Empty);
    rustix::io::write(&pipe, b"one\ntwo").unwrap();
    assert_eq!(read(), Drained::More);
    assert_eq!(read(), Drained::Empty);
    drop(pipe);
    assert_eq!(read(), Drained::End);
    writer.finish(at_ms(1));
    let log = RunLog::open(dir.path()).unwrap();
    assert_eq!(stream_of(&log, Stream::Stderr), b"one\ntwo");
    assert!(log.summary().unwrap().unterminated);
}

#[test]
fn a_reader_beside_the_writer_always_sees_a_beginning_of_the_whole() {
    let dir = tempdir().unwrap();
    let limits = limits(u64::MAX, 4096);
    let mut writer = Writer::open(dir.path(), limits).unwrap();
    let line = |i: u64| format!("line {i} {}\n", "x".repeat((i % 50) as usize));
    let path = dir.path().to_path_buf();
    let done = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut seen = 0;
            loop {
                let last = done.load(std::sync::atomic::Ordering::Acquire);
                let log = RunLog::open(&path).unwrap();
                let summary = log.summary().unwrap();
                let query = Query { tail: Some(3), ..Query::default() };
                for found in log.search(&query).unwrap().lines {
                    let text = String::from_utf8(found.text).unwrap() + "\n";
                    assert_eq!(text, line(found.number));
                }
                assert!(summary.next_line >= seen);
                seen = summary.next_line;
                if last {
                    break;
                }
            }
            assert_eq!(seen, 5001);
        });
        for i in 1..=5000 {
            writer.append(Stream::Stdout, line(i).as_bytes(), at_ms(i));
            if i % 7 == 0 {
                writer.settle();
            }
        }
        writer.finish(at_ms(5000));
        done.store(true, std::sync::atomic::Ordering::Release);
    });
}

#[test]
fn a_reader_and_a_follower_survive_eviction_under_them() {
    let dir = tempdir().unwrap();
    let limits = limits(400, 100);
    let mut writer = Writer::open(dir.path(), limits).unwrap();
    let path = dir.path().to_path_buf();
    let done = std::sync::atomic::AtomicBool::new(false);
    let total = std::thread::scope(|scope| {
        let reader = scope.spawn(|| {
            let mut follower = crate::Follower::new(&path, None);
            let mut counted = 0;
            loop {
                let last = done.load(std::sync::atomic::Ordering::Acquire);
                let found = RunLog::open(&path).unwrap().search(&Query::default()).unwrap();
                for line in &found.lines {
                    assert_eq!(line.text, format!("line {}", line.number).as_bytes());
                }
                loop {
                    let chunk = follower.poll(64).unwrap();
                    counted += chunk.skipped.map_or(0, |s| s.bytes);
                    counted += chunk.pieces.iter().map(|p| p.bytes.len() as u64).sum::<u64>();
                    if !chunk.more {
                        break;
                    }
                }
                if last {
                    break counted;
                }
            }
        });
        for i in 1..=20_000 {
            writer.append(Stream::Stdout, format!("line {i}\n").as_bytes(), at_ms(i));
        }
        writer.finish(at_ms(20_000));
        done.store(true, std::sync::atomic::Ordering::Release);
        reader.join().unwrap()
    });
    assert_eq!(total, writer.status().bytes);
}
