//! Windows on logs against a naive reading of the same logs.

use std::time::Duration;

use proptest::prelude::{Strategy, any, prop, prop_assert, prop_assert_eq, prop_oneof, proptest};
use tempfile::tempdir;

use super::{STREAMS, Told, at_ms, play, steps, told};
use crate::economy::{plain_line, styled_line};
use crate::errors::{Detector, Extra};
use crate::format::{Entry, Header};
use crate::window::{Ask, Only, Place, Seen, Window};
use crate::{Limits, Pattern, RunLog, Stream, Writer};

const WIDE: Limits = super::WIDE;

fn ask(place: Place, lines: usize) -> Ask<'static> {
    Ask {
        place,
        only: Only::All,
        lines,
        max_bytes: usize::MAX,
        max_line_bytes: 1 << 20,
        look_at_bytes: u64::MAX,
        look_for: Duration::MAX,
    }
}

/// The lines that a place means, ascending.
fn chosen<'t>(lines: &[&'t Told], place: Place, most: usize) -> Vec<&'t Told> {
    let meant = |line: &&&Told| match place {
        Place::End => true,
        Place::After(number) => line.number > number,
        Place::Before(number) => line.number < number,
    };
    let meant: Vec<_> = lines.iter().filter(meant).copied().collect();
    match place {
        Place::After(_) => meant.into_iter().take(most).collect(),
        Place::End | Place::Before(_) => meant[meant.len().saturating_sub(most)..].to_vec(),
    }
}

fn shown(line: &Told) -> Seen {
    Seen {
        number: line.number,
        time_ns: line.time_ns,
        stream: line.stream,
        text: styled_line(&line.text).into_owned(),
        clipped_bytes: 0,
        open: !line.ended,
    }
}

fn plain(line: &Told) -> String {
    plain_line(&line.text, &mut Vec::new()).into_owned()
}

fn places() -> impl Strategy<Value = Place> {
    prop_oneof![
        prop::strategy::Just(Place::End),
        (0_u64..60).prop_map(Place::After),
        (0_u64..60).prop_map(Place::Before),
        any::<u64>().prop_map(Place::After),
        any::<u64>().prop_map(Place::Before),
    ]
}

/// What a pattern means, said without it.
type Matches = fn(&str) -> bool;

const PATTERNS: [(&str, Matches); 7] = [
    ("a", |t| t.contains('a')),
    ("^b", |t| t.starts_with('b')),
    ("c$", |t| t.ends_with('c')),
    ("^$", str::is_empty),
    (r"\x{fffd}", |t| t.contains('\u{fffd}')),
    ("", |_| true),
    (r"\x1b|\r|zz", |_| false),
];

/// Searches on where it breaks off, and gives all pieces together.
fn to_the_end(log: &RunLog, first: Ask<'_>) -> Vec<Seen> {
    let mut all: Vec<Seen> = Vec::new();
    let mut ask = first;
    loop {
        let Window { lines, broke_off } = log.window(&ask).unwrap();
        ask.lines -= lines.len();
        let Some(from) = broke_off else {
            return join(first.place, all, lines);
        };
        assert!(ask.lines > 0, "it had enough, and did not break off");
        let next = match first.place {
            Place::After(_) => Place::After(from),
            Place::End | Place::Before(_) => Place::Before(from),
        };
        assert_ne!(next, ask.place, "it goes on");
        ask.place = next;
        all = join(first.place, all, lines);
    }
}

fn join(place: Place, mut all: Vec<Seen>, mut lines: Vec<Seen>) -> Vec<Seen> {
    match place {
        Place::After(_) => all.append(&mut lines),
        Place::End | Place::Before(_) => {
            lines.append(&mut all);
            all = lines;
        }
    }
    all
}

proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(200))]

    #[test]
    fn windows_are_those_of_a_naive_reading(
        script in steps(),
        segment in 1_u64..120,
        max in prop::option::of(50_u64..600),
        asked in prop::collection::vec((places(), 0_usize..20, prop::option::of(0..PATTERNS.len())), 1..12),
        look_at in 1_u64..200,
        bytes in 1_usize..60,
    ) {
        let dir = tempdir().unwrap();
        play(dir.path(), Limits { max_bytes: max.unwrap_or(u64::MAX), segment_bytes: segment }, &script);
        let lines = told(dir.path());
        let log = RunLog::open(dir.path()).unwrap();
        let (extent, summary) = (log.extent().unwrap(), log.summary().unwrap());
        prop_assert_eq!((extent.first_line, extent.next_line), (summary.first_line, summary.next_line));
        prop_assert_eq!((extent.lost_lines, extent.lost_bytes), (summary.evicted_lines, summary.evicted_bytes));
        for (place, most, pattern) in asked {
            let checked = pattern.map(|p| Pattern::new(PATTERNS[p].0).unwrap());
            let only = checked.as_ref().map_or(Only::All, Only::Matching);
            let meant: Vec<&Told> =
                lines.iter().filter(|line| pattern.is_none_or(|p| PATTERNS[p].1(&plain(line)))).collect();
            let expected: Vec<Seen> = chosen(&meant, place, most).into_iter().map(shown).collect();
            let whole = Ask { only, ..ask(place, most) };
            let window = log.window(&whole).unwrap();
            prop_assert_eq!(window.broke_off, None);
            prop_assert_eq!(&window.lines, &expected, "{:?} {:?}", whole, pattern.map(|p| PATTERNS[p].0));
            if most > 0 {
                // In pieces it comes to the same.
                prop_assert_eq!(&to_the_end(&log, Ask { look_at_bytes: look_at, ..whole }), &expected);
                prop_assert_eq!(&to_the_end(&log, Ask { look_for: Duration::ZERO, ..whole }), &expected);
                let narrow = Ask { max_bytes: bytes, ..whole };
                let texts: usize = log.window(&narrow).unwrap().lines.iter().map(|line| line.text.len()).sum();
                prop_assert!(texts <= bytes);
                let numbers = |lines: &[Seen]| lines.iter().map(|line| line.number).collect::<Vec<_>>();
                prop_assert_eq!(numbers(&to_the_end(&log, narrow)), numbers(&expected));
            }
        }
    }

    #[test]
    fn errors_are_found_from_any_place(
        script in prop::collection::vec((any::<bool>(), 0..REPORTS.len(), 0_usize..6), 0..25),
        place in places(),
        most in 1_usize..12,
        look_at in 1_u64..200,
    ) {
        let dir = tempdir().unwrap();
        let mut writer = Writer::open(dir.path(), WIDE).unwrap();
        for (ms, (err, report, quiet)) in script.iter().enumerate() {
            writer.append(STREAMS[usize::from(*err)], REPORTS[*report].as_bytes(), at_ms(ms as u64));
            for _ in 0..*quiet {
                writer.append(Stream::Stdout, b"GET / 200\n", at_ms(ms as u64));
            }
        }
        writer.finish(at_ms(100));
        let lines = told(dir.path());
        let detector = Detector::new(&Extra { ignore: vec!["ignored".to_owned()], ..Extra::default() }).unwrap();
        let deciding = naive_errors(&detector, &lines);
        let meant: Vec<&Told> = lines.iter().filter(|line| deciding.contains(&line.number)).collect();
        let expected: Vec<Seen> = chosen(&meant, place, most).into_iter().map(shown).collect();
        let log = RunLog::open(dir.path()).unwrap();
        let asked = Ask { only: Only::Errors(&detector), ..ask(place, most) };
        prop_assert_eq!(&log.window(&asked).unwrap().lines, &expected);
        prop_assert_eq!(&to_the_end(&log, Ask { look_at_bytes: look_at, ..asked }), &expected);
    }
}

/// Anything that can stand in an index with a good checksum.
fn entries() -> impl Strategy<Value = Vec<Entry>> {
    let number = || prop_oneof![4 => 0_u64..80, 1 => any::<u64>()];
    let small = || prop_oneof![8 => 0_u64..60, 1 => 0..u64::from(u32::MAX)];
    let stream = any::<bool>().prop_map(|err| STREAMS[usize::from(err)]);
    let entry = (number(), number(), small(), small(), small(), stream, any::<u8>()).prop_map(
        |(time_ns, first_line, offset, len, lines, stream, flags)| Entry {
            time_ns,
            first_line,
            offset,
            len,
            lines,
            lost: time_ns,
            stream,
            flags,
        },
    );
    prop::collection::vec(entry, 0..8)
}

proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(500))]

    #[test]
    fn an_index_that_lies_is_read_to_an_end(
        base_line in prop_oneof![4 => 0_u64..40, 1 => any::<u64>()],
        index in entries(),
        out in prop::collection::vec(prop::sample::select(b"ab\nERROR \r\x1b[m".to_vec()), 0..200),
        place in places(),
    ) {
        let dir = tempdir().unwrap();
        let header = Header { base_line, base_offset: base_line, lost_lines: base_line, ..Header::after(None) };
        let mut bytes = header.encode().to_vec();
        index.iter().for_each(|entry| bytes.extend(entry.encode()));
        std::fs::write(dir.path().join("idx.001"), bytes).unwrap();
        std::fs::write(dir.path().join("out.001.log"), &out).unwrap();
        let log = RunLog::open(dir.path()).unwrap();
        log.extent().unwrap();
        let (pattern, detector) = (Pattern::new("a").unwrap(), Detector::new(&Extra::default()).unwrap());
        for only in [Only::All, Only::Matching(&pattern), Only::Errors(&detector)] {
            let window = log.window(&Ask { only, ..ask(place, 1_000) }).unwrap();
            prop_assert!(window.lines.len() <= out.len() + 1);
            // Where it breaks off is further on than where it began.
            let short = log.window(&Ask { only, look_at_bytes: 1, ..ask(place, 1_000) }).unwrap();
            let on = short.broke_off.is_none_or(|from| match place {
                Place::After(number) => from > number,
                Place::Before(number) => from < number,
                Place::End => true,
            });
            prop_assert!(on, "{:?}", short);
        }
    }
}

const REPORTS: [&str; 8] = [
    "error[E0308]: mismatched types\n --> src/main.rs:1:1\n  |\n1 | x\n  | ^ no\n\n",
    "Traceback (most recent call last):\n  File \"a.py\", line 1, in <module>\n    f()\nValueError: no\n",
    "thread 'main' panicked at src/main.rs:1:1:\nboom\nnote: run with `RUST_BACKTRACE=1`\n",
    "\x1b[31mERROR\x1b[0m it failed\n",
    "ERROR ignored\n",
    "info: nothing\n",
    "0 errors\n",
    "TypeError: x is not a function\n    at f (/a.js:1:2)\n    at g (/a.js:2:3)\n",
];

fn naive_errors(detector: &Detector, lines: &[Told]) -> Vec<u64> {
    let mut all = Vec::new();
    for stream in STREAMS {
        let mut detector = detector.clone();
        for line in lines.iter().filter(|line| line.stream == stream) {
            all.extend(detector.feed(line.number, &plain(line)).into_iter().map(|finding| finding.deciding));
        }
        all.extend(detector.flush().map(|finding| finding.deciding));
    }
    all
}

fn write(texts: &[&str]) -> (tempfile::TempDir, RunLog) {
    let dir = tempdir().unwrap();
    let mut writer = Writer::open(dir.path(), WIDE).unwrap();
    for text in texts {
        writer.append(Stream::Stdout, text.as_bytes(), at_ms(0));
    }
    writer.finish(at_ms(0));
    let log = RunLog::open(dir.path()).unwrap();
    (dir, log)
}

#[test]
fn a_long_line_is_clipped_and_hardly_read() {
    let dir = tempdir().unwrap();
    let mut writer =
        Writer::open(dir.path(), Limits { max_bytes: u64::MAX, segment_bytes: 1 << 30 }).unwrap();
    let long = "x".repeat(5 << 20);
    writer.append(Stream::Stdout, format!("before\n{long}\nafter\n{long}").as_bytes(), at_ms(0));
    writer.finish(at_ms(0));
    let log = RunLog::open(dir.path()).unwrap();
    for place in [Place::After(0), Place::End, Place::Before(5)] {
        let before = bytes_read();
        let window = log.window(&Ask { max_line_bytes: 10, ..ask(place, 10) }).unwrap();
        let read = bytes_read() - before;
        assert!(read < 2 << 20, "{read} bytes");
        let short: Vec<_> =
            window.lines.iter().map(|l| (l.number, l.text.as_str(), l.clipped_bytes, l.open)).collect();
        let missing = (5 << 20) - 10;
        assert_eq!(
            short,
            [
                (1, "before", 0, false),
                (2, "xxxxxxxxxx", missing, false),
                (3, "after", 0, false),
                (4, "xxxxxxxxxx", missing, true)
            ]
        );
    }
}

/// Bytes that this thread has read from files.
fn bytes_read() -> u64 {
    let io = std::fs::read_to_string("/proc/thread-self/io").unwrap();
    io.lines().find_map(|l| l.strip_prefix("rchar: ")).unwrap().parse().unwrap()
}

#[test]
fn a_long_line_of_progress_is_shown_as_its_end() {
    let progress: String = (0..=100).map(|percent| format!("\r{percent:3}% of it")).collect();
    let (_dir, log) = write(&[&format!("{progress}\n{progress}\r\nshort\rS\n")]);
    let window = log.window(&Ask { max_line_bytes: 100, ..ask(Place::End, 3) }).unwrap();
    let texts: Vec<_> = window.lines.iter().map(|l| (l.text.as_str(), l.clipped_bytes)).collect();
    assert_eq!(texts, [("100% of it", 0), ("100% of it", 0), ("Short", 0)]);
}

#[test]
fn a_character_is_not_cut_where_a_long_line_is() {
    let (_dir, log) = write(&[&format!("{}\n", "é".repeat(500)), &format!("x{}\n", "é".repeat(500))]);
    let window = log.window(&Ask { max_line_bytes: 11, ..ask(Place::End, 2) }).unwrap();
    assert_eq!((window.lines[0].text.as_str(), window.lines[0].clipped_bytes), ("ééééé", 990));
    assert_eq!((window.lines[1].text.as_str(), window.lines[1].clipped_bytes), ("xééééé", 990));
    let whole = log.window(&ask(Place::End, 2)).unwrap();
    assert!(whole.lines.iter().all(|line| line.clipped_bytes == 0 && !line.text.contains('\u{fffd}')));
    // Of a line that is longer than what is looked at, the rest is counted.
    let window = log.window(&Ask { max_line_bytes: 129, ..ask(Place::End, 2) }).unwrap();
    let cut: Vec<_> = window.lines.iter().map(|l| (l.text.len(), l.clipped_bytes)).collect();
    assert_eq!(cut, [(128, 872), (129, 872)]);
}

#[test]
fn the_first_line_is_given_however_little_room_there_is() {
    let (_dir, log) = write(&["one\ntwo\n", "three\n"]);
    let narrow = |place| log.window(&Ask { max_bytes: 2, ..ask(place, 10) }).unwrap();
    let end = narrow(Place::End);
    assert_eq!((end.lines.len(), end.lines[0].text.as_str(), end.lines[0].clipped_bytes), (1, "th", 3));
    assert_eq!(end.broke_off, Some(3));
    let start = narrow(Place::After(0));
    assert_eq!((start.lines[0].text.as_str(), start.broke_off), ("on", Some(1)));
}

#[test]
fn a_line_without_end_that_shows_nothing_matches_as_an_empty_one() {
    for (texts, numbers) in [(&["\0"][..], &[1][..]), (&["\n", "a\n", "\x1b[m"][..], &[1, 3][..])] {
        let (_dir, log) = write(texts);
        let empty = Pattern::new("^$").unwrap();
        for place in [Place::End, Place::After(0)] {
            let window = log.window(&Ask { only: Only::Matching(&empty), ..ask(place, 9) }).unwrap();
            let found: Vec<_> = window.lines.iter().map(|line| line.number).collect();
            assert_eq!(found, numbers, "{texts:?} {place:?}");
        }
    }
}

#[test]
fn what_a_search_looks_at_is_bounded() {
    let many: String = (0..5_000).map(|i| format!("line {i}\n")).collect();
    let (_dir, log) = write(&[&many, "needle\n"]);
    let (needle, first) = (Pattern::new("needle").unwrap(), Pattern::new("line 0$").unwrap());
    let asked = |pattern, place| Ask { only: Only::Matching(pattern), look_at_bytes: 1_000, ..ask(place, 1) };
    let back = log.window(&asked(&first, Place::End)).unwrap();
    assert!(back.lines.is_empty() && back.broke_off.unwrap() > 4_800, "{back:?}");
    let on = log.window(&asked(&needle, Place::After(0))).unwrap();
    assert!(on.lines.is_empty() && on.broke_off.unwrap() < 200, "{on:?}");
    assert_eq!(log.window(&asked(&needle, Place::End)).unwrap().lines[0].number, 5_001);
}
