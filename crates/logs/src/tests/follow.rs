//! Owns the tests of following a log while it grows. Must not test queries.

use proptest::prelude::{ProptestConfig, prop_assert, prop_assert_eq, proptest};
use tempfile::tempdir;

use super::{Step, WIDE, at_ms, on_disk, steps};
use crate::{Follower, Limits, Stream, Writer};

/// Polls until nothing is new; the bytes, and what was skipped (bytes, lines).
fn drain(follower: &mut Follower, max_bytes: usize) -> (Vec<u8>, u64, u64) {
    let (mut bytes, mut skipped) = (Vec::new(), (0, 0));
    loop {
        let chunk = follower.poll(max_bytes).unwrap();
        if let Some(s) = chunk.skipped {
            skipped = (skipped.0 + s.bytes, skipped.1 + s.lines);
        }
        let got: usize = chunk.pieces.iter().map(|p| p.bytes.len()).sum();
        assert!(got <= max_bytes);
        bytes.extend(chunk.pieces.into_iter().flat_map(|p| p.bytes));
        if !chunk.more {
            return (bytes, skipped.0, skipped.1);
        }
    }
}

proptest! {
    // Each case makes hundreds of files.
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_follower_beside_the_writer_gets_all_or_counts_it(
        script in steps(),
        segment in 1_u64..80,
        max in 1_u64..400,
        every in 1_usize..6,
        max_bytes in 1_usize..50,
    ) {
        let dir = tempdir().unwrap();
        let limits = Limits { max_bytes: max, segment_bytes: segment };
        let mut writer = Writer::open(dir.path(), limits).unwrap();
        let mut follower = Follower::new(dir.path(), None);
        let (mut seen, mut skipped, mut lines) = (Vec::new(), 0, 0);
        for (i, step) in script.iter().enumerate() {
            let now = at_ms(i as u64);
            match step {
                Step::Bytes(stream, bytes) => writer.append(*stream, bytes, now),
                Step::Wait(_) => writer.flush_tails(at_ms(i as u64 + 300)),
                Step::Settle | Step::Reopen => writer.settle(),
            }
            if i % every == 0 {
                let (bytes, s, l) = drain(&mut follower, max_bytes);
                seen.extend(bytes);
                (skipped, lines) = (skipped + s, lines + l);
            }
        }
        writer.finish(at_ms(100_000));
        let (bytes, s, l) = drain(&mut follower, max_bytes);
        seen.extend(bytes);
        (skipped, lines) = (skipped + s, lines + l);
        let status = writer.status();
        prop_assert_eq!(seen.len() as u64 + skipped, status.bytes);
        prop_assert_eq!(follower.offset(), status.bytes);
        let feeds = seen.iter().filter(|b| **b == b'\n').count() as u64;
        prop_assert_eq!(feeds + lines, status.lines);
        prop_assert!(seen.ends_with(&on_disk(dir.path())) || skipped == 0);
        // Starting again in the middle gives the rest.
        let disk = on_disk(dir.path());
        let evicted = status.bytes - disk.len() as u64;
        for from in (evicted..=status.bytes).step_by(5) {
            let (rest, s, _) = drain(&mut Follower::from_offset(dir.path(), from), max_bytes);
            prop_assert_eq!(&rest[..], &disk[(from - evicted) as usize..]);
            prop_assert_eq!(s, 0);
        }
    }
}

#[test]
fn following_starts_after_a_line_and_says_what_is_gone() {
    let dir = tempdir().unwrap();
    let limits = Limits { max_bytes: 20, segment_bytes: 10 };
    let mut writer = Writer::open(dir.path(), limits).unwrap();
    for i in 1..=8 {
        writer.append(Stream::Stdout, format!("line{i}\n").as_bytes(), at_ms(i));
    }
    writer.finish(at_ms(9));
    let from = |after| drain(&mut Follower::new(dir.path(), after), 100);
    assert_eq!(from(Some(7)), (b"line8\n".to_vec(), 0, 0));
    assert_eq!(from(Some(8)).0, b"");
    assert_eq!(from(Some(800)).0, b"");
    let kept = on_disk(dir.path());
    let gone = 8 - kept.len() as u64 / 6;
    assert_eq!(from(None), (kept.clone(), gone * 6, gone));
    assert_eq!(from(Some(1)), (kept, 0, gone - 1));
}

#[test]
fn only_what_is_published_is_told_and_a_late_start_is_fine() {
    let dir = tempdir().unwrap();
    let mut follower = Follower::new(dir.path(), None);
    assert_eq!(follower.poll(10).unwrap().pieces, []);
    let mut writer = Writer::open(dir.path(), WIDE).unwrap();
    assert_eq!(follower.poll(10).unwrap().pieces, []);
    writer.append(Stream::Stderr, b"x\n", at_ms(3));
    assert_eq!(follower.poll(10).unwrap().pieces, []);
    writer.settle();
    let pieces = follower.poll(10).unwrap().pieces;
    assert_eq!((pieces[0].stream, &pieces[0].bytes[..], pieces[0].line), (Stream::Stderr, &b"x\n"[..], 1));
    assert_eq!(pieces[0].time_ns, at_ms(3).wall_ns);
    assert_eq!(follower.poll(10).unwrap(), crate::Chunk::default());
}

/// Three segments, each with three entries of six bytes.
fn three_segments(dir: &std::path::Path) {
    let limits = Limits { max_bytes: u64::MAX, segment_bytes: 18 };
    let mut writer = Writer::open(dir, limits).unwrap();
    for i in 1..=9 {
        writer.append(Stream::Stdout, format!("line{i}\n").as_bytes(), at_ms(i));
        writer.settle();
    }
    writer.finish(at_ms(10));
    assert_eq!(crate::segment::list(dir).unwrap(), [1, 2, 3]);
}

fn damage(dir: &std::path::Path, segment: u32, at: usize) {
    let path = dir.join(format!("idx.{segment:03}"));
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[at] ^= 0x55;
    std::fs::write(&path, bytes).unwrap();
}

#[test]
fn a_damaged_entry_costs_its_own_bytes_and_no_more() {
    for (segment, entry) in [(1, 0), (1, 1), (1, 2), (2, 0), (2, 1), (2, 2), (3, 0), (3, 1)] {
        let dir = tempdir().unwrap();
        three_segments(dir.path());
        damage(dir.path(), segment, 64 + 32 * entry + 9);
        let gone = usize::try_from(segment - 1).unwrap() * 3 + entry + 1;
        let expected: String = (1..=9).filter(|i| *i != gone).map(|i| format!("line{i}\n")).collect();
        for max_bytes in [1, 7, 1000] {
            let mut follower = Follower::new(dir.path(), None);
            let (bytes, lost, lines) = drain(&mut follower, max_bytes);
            assert_eq!(String::from_utf8(bytes).unwrap(), expected, "{segment} {entry}");
            assert_eq!((lost, lines, follower.offset()), (6, 1, 54), "{segment} {entry}");
        }
    }
}

#[test]
fn a_damaged_header_costs_nothing_and_a_lost_index_its_segment() {
    for segment in 1..=3 {
        let dir = tempdir().unwrap();
        three_segments(dir.path());
        damage(dir.path(), segment, 20);
        let all: String = (1..=9).map(|i| format!("line{i}\n")).collect();
        assert_eq!(drain(&mut Follower::new(dir.path(), None), 7), (all.into_bytes(), 0, 0), "{segment}");
        let from = drain(&mut Follower::new(dir.path(), Some(7)), 7);
        assert_eq!(from, (b"line8\nline9\n".to_vec(), 0, 0), "{segment}");
    }
    for segment in 1..=2_u32 {
        let dir = tempdir().unwrap();
        three_segments(dir.path());
        std::fs::remove_file(dir.path().join(format!("idx.{segment:03}"))).unwrap();
        let gone = usize::try_from(segment).unwrap() * 3;
        let rest: String =
            (1..=9).filter(|i| !(gone - 2..=gone).contains(i)).map(|i| format!("line{i}\n")).collect();
        assert_eq!(drain(&mut Follower::new(dir.path(), None), 7), (rest.into_bytes(), 18, 3), "{segment}");
    }
}

#[test]
fn what_comes_after_a_damaged_end_is_told_when_it_comes() {
    let dir = tempdir().unwrap();
    let mut writer = Writer::open(dir.path(), WIDE).unwrap();
    for i in 1..=2 {
        writer.append(Stream::Stdout, format!("line{i}\n").as_bytes(), at_ms(i));
        writer.settle();
    }
    damage(dir.path(), 1, 64 + 32 + 9);
    let mut follower = Follower::new(dir.path(), None);
    assert_eq!(drain(&mut follower, 100), (b"line1\n".to_vec(), 0, 0));
    writer.append(Stream::Stdout, b"line3\n", at_ms(3));
    writer.settle();
    assert_eq!(drain(&mut follower, 100), (b"line3\n".to_vec(), 6, 1));
}
