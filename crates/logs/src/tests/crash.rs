//! Owns the tests of what a killed writer leaves. Must not test a full disk.

use std::fs::{self, OpenOptions};

use proptest::prelude::{prop_assert, prop_assert_eq, proptest};
use tempfile::tempdir;

use super::{STREAMS, WIDE, at_ms, on_disk, play, steps, stream_of, told};
use crate::{Limits, Query, RunLog, Stream, Writer, recover};

proptest! {
    #[test]
    fn an_index_cut_anywhere_loses_no_byte(script in steps(), cut in 0_u64..2000, segment in 20_u64..400) {
        let dir = tempdir().unwrap();
        let limits = Limits { max_bytes: u64::MAX, segment_bytes: segment };
        play(dir.path(), limits, &script);
        let disk = on_disk(dir.path());
        let before = RunLog::open(dir.path()).unwrap().summary().unwrap();
        let newest = crate::segment::list(dir.path()).unwrap().pop().unwrap();
        let idx = dir.path().join(format!("idx.{newest:03}"));
        let len = fs::metadata(&idx).unwrap().len();
        OpenOptions::new().write(true).open(&idx).unwrap().set_len(cut.min(len)).unwrap();

        let broken = RunLog::open(dir.path()).unwrap();
        let seen = broken.search(&Query::default()).unwrap();
        recover(dir.path(), limits).unwrap();
        let log = RunLog::open(dir.path()).unwrap();
        let after = log.summary().unwrap();
        prop_assert_eq!(on_disk(dir.path()), disk);
        prop_assert_eq!((before.bytes, before.next_line), (after.bytes, after.next_line));
        // A reader sees the same before and after recovery; all but the times, which are new.
        let again = log.search(&Query::default()).unwrap();
        let facts = |f: &crate::Found| {
            f.lines.iter().map(|l| (l.number, l.stream, l.text.clone())).collect::<Vec<_>>()
        };
        prop_assert_eq!(facts(&seen), facts(&again));
        let lines = told(dir.path());
        let told: Vec<_> = lines.iter().map(|l| (l.number, l.stream, l.text.clone())).collect();
        prop_assert_eq!(told, facts(&again));
    }

    #[test]
    fn a_segment_cut_anywhere_can_be_read_and_gone_on_with(script in steps(), cut in 0_u64..600) {
        let dir = tempdir().unwrap();
        play(dir.path(), WIDE, &script);
        let out = dir.path().join("out.001.log");
        let left = cut.min(fs::metadata(&out).unwrap().len());
        OpenOptions::new().write(true).open(&out).unwrap().set_len(left).unwrap();
        let kept = fs::read(&out).unwrap();
        let found = RunLog::open(dir.path()).unwrap().search(&Query::default()).unwrap();
        let mut text: Vec<u8> = found.lines.iter().flat_map(|l| [&l.text[..], b"\n"].concat()).collect();
        if found.lines.last().is_some_and(|l| l.unterminated) {
            text.pop();
        }
        prop_assert_eq!(&text, &kept);
        let mut writer = Writer::open(dir.path(), WIDE).unwrap();
        writer.append(Stream::Stderr, b"more\n", at_ms(100_000));
        writer.finish(at_ms(100_000));
        prop_assert!(on_disk(dir.path()).starts_with(&kept));
        let log = RunLog::open(dir.path()).unwrap();
        prop_assert!(stream_of(&log, Stream::Stderr).ends_with(b"more\n"));
    }

    #[test]
    fn garbage_is_read_without_panic(
        idx in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..300),
        out in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..300),
        keep_header: bool,
    ) {
        let dir = tempdir().unwrap();
        Writer::open(dir.path(), WIDE).unwrap().finish(at_ms(0));
        let path = dir.path().join("idx.001");
        let mut bytes = if keep_header { fs::read(&path).unwrap() } else { Vec::new() };
        bytes.extend(idx);
        fs::write(&path, bytes).unwrap();
        fs::write(dir.path().join("out.001.log"), &out).unwrap();
        if let Ok(log) = RunLog::open(dir.path()) {
            prop_assert_eq!(log.summary().unwrap().bytes, out.len() as u64);
            for stream in STREAMS {
                let query = Query { stream: Some(stream), pattern: Some("a".into()), context_lines: 2, ..Query::default() };
                log.search(&query).unwrap();
            }
            recover(dir.path(), WIDE).unwrap();
        }
    }
}

#[test]
fn what_the_killed_writer_had_not_published_is_there() {
    let dir = tempdir().unwrap();
    let mut writer = Writer::open(dir.path(), WIDE).unwrap();
    writer.append(Stream::Stderr, b"published\n", at_ms(0));
    writer.settle();
    writer.append(Stream::Stdout, b"not published\n", at_ms(1));
    drop(writer);
    let found = RunLog::open(dir.path()).unwrap().search(&Query::default()).unwrap();
    let texts: Vec<_> = found.lines.iter().map(|l| (l.stream, &l.text[..])).collect();
    let expected: [(Stream, &[u8]); 2] = [(Stream::Stderr, b"published"), (Stream::Stdout, b"not published")];
    assert_eq!(texts, expected);
    assert!(found.lines[1].time_ns > found.lines[0].time_ns);
}

#[test]
fn half_a_roll_and_half_an_eviction_are_cleaned_up() {
    let dir = tempdir().unwrap();
    let mut writer = Writer::open(dir.path(), WIDE).unwrap();
    writer.append(Stream::Stdout, b"kept\n", at_ms(0));
    writer.finish(at_ms(0));
    // The next segment's index was made, its file was not.
    fs::copy(dir.path().join("idx.001"), dir.path().join("idx.002")).unwrap();
    assert_eq!(told(dir.path()).len(), 1);
    let mut writer = Writer::open(dir.path(), WIDE).unwrap();
    assert!(!dir.path().join("idx.002").exists());
    writer.append(Stream::Stdout, b"more\n", at_ms(1));
    writer.finish(at_ms(1));
    assert_eq!(told(dir.path()).len(), 2);
}

#[test]
fn an_index_of_a_later_version_is_refused_and_left_alone() {
    let dir = tempdir().unwrap();
    Writer::open(dir.path(), WIDE).unwrap().finish(at_ms(0));
    let idx = dir.path().join("idx.001");
    let mut bytes = fs::read(&idx).unwrap();
    bytes[8] = 7;
    fs::write(&idx, &bytes).unwrap();
    let error = RunLog::open(dir.path()).unwrap_err().to_string();
    assert!(error.contains("version 7"), "{error}");
    assert!(Writer::open(dir.path(), WIDE).is_err());
    assert_eq!(fs::read(&idx).unwrap(), bytes);
}
