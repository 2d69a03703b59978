//! Owns the tests of queries, most of them against a naive reading of the same log. Must not test
//! the writer.

use std::ops::ControlFlow;

use proptest::prelude::{Strategy, any, prop, prop_assert, prop_assert_eq, proptest};
use tempfile::tempdir;

use super::{STREAMS, Told, WIDE, at_ms, play, steps, told};
use crate::{Limits, MAX_PATTERN_BYTES, Pattern, Query, RunLog, SearchError, Stream, Writer};

type Matches = fn(&[u8]) -> bool;

const PATTERNS: [(&str, Matches); 8] = [
    ("a", |t| t.contains(&b'a')),
    ("(?x) a # one", |t| t.contains(&b'a')),
    ("^b", |t| t.starts_with(b"b")),
    ("c$", |t| t.ends_with(b"c")),
    ("^$", |t| t.is_empty()),
    ("x*", |_| true),
    (r"\Aab|bc\z", |t| t.starts_with(b"ab") || t.ends_with(b"bc")),
    ("(?-u)[\\x80-\\xff]", |t| t.iter().any(|b| *b >= 0x80)),
];

/// The lines of the answer (number, is a match) and all the counts, by reading everything.
fn naive(lines: &[Told], query: &Query, matches: Option<Matches>) -> (Vec<(u64, bool)>, u64, u64, u64) {
    let wanted: Vec<&Told> = lines
        .iter()
        .filter(|l| query.after_line.is_none_or(|after| l.number > after))
        .filter(|l| query.since_ns.is_none_or(|since| l.time_ns >= since))
        .filter(|l| query.until_ns.is_none_or(|until| l.time_ns <= until))
        .filter(|l| query.stream.is_none_or(|stream| l.stream == stream))
        .collect();
    let hit: Vec<bool> = wanted.iter().map(|l| matches.is_some_and(|m| m(&l.text))).collect();
    let context = if matches.is_some() { query.context_lines } else { usize::MAX };
    let shown = |i: usize| {
        let (from, to) = (i.saturating_sub(context), i.saturating_add(context).min(hit.len() - 1));
        matches.is_none() || hit[from..=to].contains(&true)
    };
    let mut result: Vec<(u64, bool)> =
        (0..wanted.len()).filter(|i| shown(*i)).map(|i| (wanted[i].number, hit[i])).collect();
    let count = if matches.is_some() { hit.iter().filter(|h| **h).count() } else { wanted.len() };
    let all = result.len();
    let (mut before, mut after) = (0, 0);
    match (query.tail, query.head) {
        (Some(tail), _) => {
            before = all.saturating_sub(tail.min(query.max_lines));
            result.drain(..before);
        }
        (None, head) => {
            let n = head.unwrap_or(usize::MAX).min(query.max_lines);
            after = all.saturating_sub(n);
            result.truncate(n);
        }
    }
    (result, count as u64, before as u64, after as u64)
}

fn queries() -> impl Strategy<Value = (Query, Option<Matches>)> {
    let ends = (prop::option::of(0_usize..12), prop::option::of(0_usize..12));
    let time = || prop::option::of(0_u64..2000);
    let range = (time(), time(), prop::option::of(0_u64..60));
    let stream = prop::option::of(prop::sample::select(STREAMS.to_vec()));
    let pattern = prop::option::of(0..PATTERNS.len());
    (pattern, 0_usize..4, ends, range, stream, 0_usize..40).prop_map(
        |(pattern, context_lines, (head, tail), (since, until, after_line), stream, max_lines)| {
            let query = Query {
                pattern: pattern.map(|p| PATTERNS[p].0.to_owned()),
                context_lines,
                head,
                tail,
                since_ns: since.map(|ms| at_ms(ms).wall_ns),
                until_ns: until.map(|ms| at_ms(ms).wall_ns),
                stream,
                after_line,
                max_line_bytes: 1 << 20,
                max_lines,
            };
            (query, pattern.map(|p| PATTERNS[p].1))
        },
    )
}

proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(400))]

    #[test]
    fn answers_are_those_of_a_naive_reading(
        script in steps(),
        segment in 1_u64..120,
        max in prop::option::of(50_u64..600),
        asked in prop::collection::vec(queries(), 1..8),
    ) {
        let dir = tempdir().unwrap();
        let limits = Limits { max_bytes: max.unwrap_or(u64::MAX), segment_bytes: segment };
        play(dir.path(), limits, &script);
        let lines = told(dir.path());
        let log = RunLog::open(dir.path()).unwrap();
        for (query, matches) in asked {
            let found = log.search(&query).unwrap();
            let (expected, count, before, after) = naive(&lines, &query, matches);
            let got: Vec<_> = found.lines.iter().map(|l| (l.number, l.is_match)).collect();
            prop_assert_eq!(got, expected, "{:?}", query);
            prop_assert_eq!(found.matches, count);
            prop_assert_eq!((found.omitted_before, found.omitted_after), (before, after), "{:?}", query);
            for line in &found.lines {
                let same = lines.iter().find(|l| l.number == line.number).unwrap();
                prop_assert_eq!(&line.text, &same.text);
                prop_assert_eq!((line.stream, line.time_ns), (same.stream, same.time_ns));
                prop_assert_eq!(line.unterminated, !same.ended);
                prop_assert_eq!(line.full_len, same.text.len() as u64);
            }
        }
    }

    #[test]
    fn a_cursor_goes_through_everything_once(script in steps(), step in 1_usize..7, pattern: bool) {
        let dir = tempdir().unwrap();
        play(dir.path(), WIDE, &script);
        let log = RunLog::open(dir.path()).unwrap();
        let mut query = Query {
            pattern: pattern.then(|| "a".to_owned()),
            head: Some(step),
            ..Query::default()
        };
        let mut numbers = Vec::new();
        loop {
            let found = log.search(&query).unwrap();
            numbers.extend(found.lines.iter().map(|l| l.number));
            query.after_line = Some(found.cursor());
            if found.omitted_after == 0 {
                break;
            }
        }
        let expected = told(dir.path()).into_iter().filter(|l| !pattern || l.text.contains(&b'a'));
        prop_assert_eq!(numbers, expected.map(|l| l.number).collect::<Vec<_>>());
        // Nothing is left but an unterminated line.
        query.pattern = None;
        let rest = log.search(&query).unwrap();
        prop_assert!(rest.lines.iter().all(|l| l.unterminated));
    }

    #[test]
    fn no_pattern_panics(pattern in ".{0,20}", context_lines: usize, after_line in prop::option::of(any::<u64>())) {
        let dir = tempdir().unwrap();
        let mut writer = Writer::open(dir.path(), WIDE).unwrap();
        writer.append(Stream::Stdout, b"some text\nwith \xff bytes\n\nend", at_ms(0));
        writer.finish(at_ms(0));
        let query = Query { pattern: Some(pattern), context_lines, after_line, ..Query::default() };
        match RunLog::open(dir.path()).unwrap().search(&query) {
            Ok(_) => {}
            Err(SearchError::Pattern { message }) => prop_assert!(!message.is_empty()),
            Err(SearchError::Read(e)) => prop_assert!(false, "{}", e),
        }
    }
}

#[test]
fn a_pattern_that_would_cost_much_memory_is_refused_by_its_length() {
    assert!(Pattern::new(&"x".repeat(MAX_PATTERN_BYTES)).is_ok());
    let error = Pattern::new(&"x".repeat(MAX_PATTERN_BYTES + 1)).unwrap_err().to_string();
    assert!(error.contains("16385 bytes, expected at most 16384"), "{error}");
}

#[test]
fn a_bad_pattern_is_explained() {
    let dir = tempdir().unwrap();
    let query = Query { pattern: Some("a(b".into()), ..Query::default() };
    let error = RunLog::open(dir.path()).unwrap().search(&query).unwrap_err();
    assert!(matches!(error, SearchError::Pattern { .. }));
    // its own text and nothing around it, which could also mend what is wrong
    assert!(error.to_string().contains("\n    a(b\n"), "{error}");
    for (pattern, why) in [("a)|(b", "unopened group"), ("\\", "incomplete escape sequence")] {
        let error = Pattern::new(pattern).unwrap_err().to_string();
        assert!(error.contains(why), "{error}");
    }
    assert!(error.to_string().contains("unclosed group"), "{error}");
}

#[test]
fn groups_are_marked_and_long_lines_clipped() {
    let dir = tempdir().unwrap();
    let mut writer = Writer::open(dir.path(), WIDE).unwrap();
    let long = format!("hit {}\n", "y".repeat(1000));
    let text = ["1\n", &long, "3\n", "4\n", "5\n", "hit\n", "7\n"].concat();
    writer.append(Stream::Stdout, text.as_bytes(), at_ms(0));
    writer.finish(at_ms(0));
    let query =
        Query { pattern: Some("hit".into()), context_lines: 1, max_line_bytes: 6, ..Query::default() };
    let found = RunLog::open(dir.path()).unwrap().search(&query).unwrap();
    let shape: Vec<_> =
        found.lines.iter().map(|l| (l.number, l.starts_group, l.is_match, l.full_len)).collect();
    assert_eq!(
        shape,
        [
            (1, true, false, 1),
            (2, false, true, 1004),
            (3, false, false, 1),
            (5, true, false, 1),
            (6, false, true, 3),
            (7, false, false, 1)
        ]
    );
    assert_eq!(found.lines[1].text, b"hit yy");
}

#[test]
fn a_line_longer_than_the_search_buffer_counts_once() {
    let dir = tempdir().unwrap();
    let mut writer = Writer::open(dir.path(), WIDE).unwrap();
    let long = "a".repeat(5000) + "\n";
    writer.append(Stream::Stdout, format!("b\n{long}c\na\n").as_bytes(), at_ms(0));
    writer.finish(at_ms(0));
    let query = Query { pattern: Some("a".into()), ..Query::default() };
    let found = RunLog::open(dir.path()).unwrap().search(&query).unwrap();
    assert_eq!(found.matches, 2);
    assert_eq!(found.lines.iter().map(|l| l.number).collect::<Vec<_>>(), [2, 4]);
    assert_eq!(found.lines[0].full_len, 5000);
}

#[test]
fn the_last_lines_are_found_without_reading_the_rest() {
    let dir = tempdir().unwrap();
    let mut writer = Writer::open(dir.path(), WIDE).unwrap();
    for i in 0..10_000 {
        writer.append(Stream::Stdout, format!("line {i}\n").as_bytes(), at_ms(i));
    }
    writer.finish(at_ms(10_000));
    let log = RunLog::open(dir.path()).unwrap();
    let read_before = bytes_read();
    let query = Query { tail: Some(3), ..Query::default() };
    let found = log.search(&query).unwrap();
    assert_eq!(found.lines[0].text, b"line 9997");
    assert_eq!(found.omitted_before, 9997);
    assert!(bytes_read() - read_before < 20_000);
}

/// Bytes that this thread has read from files.
fn bytes_read() -> u64 {
    let io = std::fs::read_to_string("/proc/thread-self/io").unwrap();
    let line = io.lines().find_map(|l| l.strip_prefix("rchar: ")).unwrap();
    line.parse().unwrap()
}

proptest! {
    #[test]
    fn a_walk_passes_what_a_search_finds(
        script in steps(),
        segment in 20_u64..400,
        (query, _) in queries(),
        last_bytes in 0_u64..300,
        most in 1_usize..40,
    ) {
        let dir = tempdir().unwrap();
        play(dir.path(), Limits { max_bytes: u64::MAX, segment_bytes: segment }, &script);
        let log = RunLog::open(dir.path()).unwrap();
        let query = Query { pattern: None, head: None, tail: None, max_lines: usize::MAX, ..query };
        let found = log.search(&query).unwrap();
        let expected: Vec<_> =
            found.lines.iter().map(|l| (l.number, l.time_ns, l.stream, l.text.clone(), l.full_len)).collect();
        let walk = |last_bytes, most| {
            let mut passed = Vec::new();
            let walked = log
                .walk(&query, last_bytes, |l| {
                    passed.push((l.number, l.time_ns, l.stream, l.text.to_vec(), l.full_len));
                    if passed.len() < most { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
                })
                .unwrap();
            (walked, passed)
        };
        let (walked, passed) = walk(u64::MAX, usize::MAX);
        prop_assert_eq!(&passed, &expected);
        prop_assert_eq!((walked.lines, walked.before, walked.passed), (found.matches, 0, found.matches));
        prop_assert_eq!(walked.cursor, found.cursor());
        // Only the end of it.
        let (walked, passed) = walk(last_bytes, usize::MAX);
        prop_assert_eq!(walked.before + walked.passed, found.matches);
        prop_assert_eq!(&passed[..], &expected[usize::try_from(walked.before).unwrap()..]);
        // Only the start of it.
        let (_, passed) = walk(u64::MAX, most);
        prop_assert_eq!(&passed[..], &expected[..most.min(expected.len())]);
    }
}

#[test]
fn the_rest_of_a_line_whose_beginning_was_deleted_has_a_time() {
    let dir = tempdir().unwrap();
    let mut writer = Writer::open(dir.path(), Limits { max_bytes: 50, segment_bytes: 1 }).unwrap();
    for second in 1..=6 {
        writer.append(Stream::Stdout, "a".repeat(20).as_bytes(), at_ms(second * 1000));
        writer.flush_tails(at_ms(second * 1000 + 500));
    }
    writer.finish(at_ms(7000));
    let log = RunLog::open(dir.path()).unwrap();
    assert!(log.summary().unwrap().evicted_bytes > 0);
    let count = |since: Option<u64>, until: Option<u64>| {
        let [since_ns, until_ns] = [since, until].map(|ms| ms.map(|ms| at_ms(ms).wall_ns));
        log.search(&Query { since_ns, until_ns, ..Query::default() }).unwrap().matches
    };
    assert_eq!((count(None, None), count(Some(0), None), count(None, Some(6000))), (1, 1, 1));
    assert_eq!((count(Some(7000), None), count(None, Some(1000))), (0, 0));
}
