//! What a plain question shows of a log, how one goes on from there, and what folds. Written as a shim
//! writes it.

use bpm_api::{LogPage, LogQuery};
use bpm_logs::{Now, Stream, Writer};
use proptest::prelude::{any, prop, prop_assert, prop_assert_eq, proptest};

use super::{Bench, append, of, stands, texts};
use crate::logbook::What;

fn write(bench: &Bench, run: u64, lines: impl IntoIterator<Item = String>) -> Writer {
    let mut writer = bench.writer(What::Runs, "api", run);
    for (at, line) in (1..).zip(lines) {
        let now = Now { wall_ns: at * 1_000_000, mono_ns: at };
        writer.append(Stream::Stdout, format!("{line}\n").as_bytes(), now);
    }
    writer.settle();
    writer
}

fn size(page: &LogPage) -> usize {
    page.lines.iter().map(|line| line.text.len() + 4).sum()
}

/// Every line is shown, or counted where it is left out.
fn assert_complete(page: &LogPage, lines: u64) {
    let omitted = page.omitted_before + page.omitted_between + page.omitted_after;
    assert_eq!(stands(page) + omitted, lines, "{page:#?}");
    assert!(page.lines.is_sorted_by_key(|line| line.number), "{:#?}", page.lines);
    let skipped: u64 = page.lines.iter().filter_map(|line| line.skipped.as_ref()).map(|s| s.lines).sum();
    assert_eq!(skipped, page.omitted_before + page.omitted_between, "{page:#?}");
}

/// All pages from `cursor` on; lines that they stand for.
fn go_on(bench: &Bench, cursor: &str, max_bytes: Option<u64>) -> (Vec<LogPage>, u64) {
    let (mut pages, mut lines) = (Vec::new(), 0);
    let mut query = LogQuery { cursor: Some(cursor.to_owned()), max_bytes, ..of("api") };
    loop {
        let page = bench.page(query.clone());
        assert_eq!(page.omitted_before, 0);
        lines += stands(&page) + page.omitted_between;
        let left = page.omitted_after;
        query.cursor = Some(page.cursor.clone());
        pages.push(page);
        if left == 0 {
            return (pages, lines);
        }
        let before = pages.iter().rev().nth(1).map_or(u64::MAX, |page| page.omitted_after);
        assert!(left < before, "no end: {left} left after {} pages of {max_bytes:?}", pages.len());
    }
}

#[test]
fn a_short_log_is_shown_as_it_is() {
    let bench = Bench::new();
    bench.numbered("api", 1, 0..50);
    let page = bench.page(of("api"));
    assert_eq!(page.lines.len(), 50);
    assert_eq!(page.cursor, "api:1:50");
    assert_complete(&page, 50);
}

#[test]
fn a_flood_is_told_in_few_bytes_with_its_odd_line() {
    for (run, shapes) in [(1, 1), (2, 3), (3, 20)] {
        let bench = Bench::new();
        let line = |i: usize| match i {
            3_333 => "\x1b[31mlost the database\x1b[0m".to_owned(),
            _ => format!(
                "\x1b[32mINFO\x1b[0m worker {} of {} took {}ms",
                i % 7,
                ["a", "b", "c", "d", "e"][i * i % shapes % 5],
                i % 900
            ),
        };
        write(&bench, run, (0..30_000).map(line));
        let page = bench.page(of("api"));
        assert!(texts(&page).contains(&"lost the database"), "{page:#?}");
        assert!(size(&page) < 1_500, "{}", size(&page));
        assert_complete(&page, 30_000);
        assert_eq!(page.lines.last().unwrap().number, 30_000);
        assert_eq!(page.cursor, format!("api:{run}:30000"));
    }
}

#[test]
fn what_a_digest_leaves_out_is_reached_by_its_cursor() {
    let bench = Bench::new();
    let word = |i: usize| format!("{}-{}", "w".repeat(i % 97), "v".repeat(i % 89));
    write(&bench, 1, (0..2000).map(word));
    let page = bench.page(of("api"));
    assert_complete(&page, 2000);
    assert!((1_000..8_192).contains(&size(&page)), "{}", size(&page));
    let at = page.lines.iter().position(|line| line.skipped.is_some()).unwrap();
    let (gap, before) = (page.lines[at].skipped.clone().unwrap(), page.lines[at - 1].number);
    assert_eq!(gap.cursor, format!("api:1:{before}"));
    let next = bench.page(LogQuery { cursor: Some(gap.cursor), ..of("api") });
    assert_eq!(next.lines[0].number, before + 1);
    // The last lines are there, without a hole.
    assert!(page.lines[at..].len() > 5);
    assert!(
        page.lines[at..].iter().zip(before + 1 + gap.lines..).all(|(line, number)| line.number == number)
    );
}

#[test]
fn a_cursor_into_a_flood_goes_on_to_its_end() {
    let bench = Bench::new();
    write(&bench, 1, (0..20_000).map(|i| format!("{} {i}", ["tick", "tock"][i % 2])));
    let (pages, lines) = go_on(&bench, "api:1:100", None);
    assert_eq!((pages.len(), lines), (1, 19_900));
    assert!(pages[0].lines.len() < 5, "{:#?}", pages[0].lines);
    assert_eq!(pages[0].cursor, "api:1:20000");
}

#[test]
fn a_cursor_at_or_beyond_the_end_gives_what_is_new() {
    let bench = Bench::new();
    let mut writer = bench.numbered("api", 1, 0..5);
    for cursor in ["api:1:5", "api:1:99"] {
        let page = bench.page(LogQuery { cursor: Some(cursor.into()), ..of("api") });
        assert!(page.resumed && page.lines.is_empty());
        assert_eq!(page.cursor, "api:1:5");
        let found =
            bench.page(LogQuery { pattern: Some("x".into()), cursor: Some(cursor.into()), ..of("api") });
        assert_eq!(found.cursor, "api:1:5");
    }
    append(&mut writer, 5..7);
    let page = bench.page(LogQuery { cursor: Some("api:1:5".into()), ..of("api") });
    assert_eq!(texts(&page), ["line 5", "line 6"]);
}

#[test]
fn head_and_tail_count_lines_before_they_are_folded() {
    let bench = Bench::new();
    bench.numbered("api", 1, 0..1000);
    let head = bench.page(LogQuery { head: Some(100), ..of("api") });
    assert_eq!(texts(&head), ["line 0", "line 99"]);
    assert_eq!((head.lines[0].times, head.lines[0].alike, head.omitted_after), (99, true, 900));
    assert_eq!(head.cursor, "api:1:100");
    let tail = bench.page(LogQuery { tail: Some(100), ..of("api") });
    assert_eq!(texts(&tail), ["line 900", "line 999"]);
    assert_eq!(tail.omitted_before, 900);
    assert_complete(&tail, 1000);
}

#[test]
fn what_matches_folds_too() {
    let bench = Bench::new();
    write(&bench, 1, (0..900).map(|i| format!("{} {i}", ["get", "put", "delete"][i % 3])));
    let page = bench.page(LogQuery { pattern: Some("^put".into()), ..of("api") });
    assert_eq!(texts(&page), ["put 1", "put 898"]);
    assert_eq!((page.matches, stands(&page), page.omitted_after), (300, 300, 0));
    let around = bench.page(LogQuery { pattern: Some("^put".into()), context_lines: Some(1), ..of("api") });
    assert_eq!(
        around.lines.iter().map(|line| line.is_match).collect::<Vec<_>>(),
        [false, true, false, false]
    );
    assert_eq!((around.matches, stands(&around)), (300, 900));
}

const FRAMES: usize = 12;

fn trace(of: usize) -> Vec<String> {
    let frames = (0..FRAMES).map(|i| format!("  File \"app.py\", line {i}, in step{of}"));
    let begin = "Traceback (most recent call last):".to_owned();
    std::iter::once(begin).chain(frames).chain([format!("ValueError: number {of}")]).collect()
}

#[test]
fn traces_are_shown_whole_or_not_at_all() {
    let bench = Bench::new();
    write(&bench, 1, (0..200).flat_map(trace));
    for query in [
        of("api"),
        LogQuery { tail: Some(1000), ..of("api") },
        LogQuery { head: Some(1000), ..of("api") },
        LogQuery { cursor: Some("api:1:0".into()), ..of("api") },
        LogQuery { max_bytes: Some(3_000), ..of("api") },
    ] {
        let page = bench.page(query.clone());
        let starts = page.lines.iter().filter(|line| line.text.starts_with("Traceback")).count();
        let ends = page.lines.iter().filter(|line| line.text.starts_with("ValueError")).count();
        assert!(starts >= 2, "{query:?}: {:#?}", page.lines);
        assert_eq!((page.lines.len(), ends), (starts * (FRAMES + 2), starts), "{query:?}: {:#?}", page.lines);
    }
}

#[test]
fn a_trace_that_comes_again_and_again_is_shown_once() {
    let bench = Bench::new();
    write(&bench, 1, (0..200).flat_map(|_| trace(7)));
    let page = bench.page(of("api"));
    assert_eq!(page.lines.len(), FRAMES + 2);
    assert!(page.lines.iter().all(|line| line.times == 200 && line.by_turns && !line.alike));
    assert_complete(&page, 200 * (FRAMES as u64 + 2));
}

#[test]
fn a_trace_larger_than_the_page_keeps_its_ends() {
    let bench = Bench::new();
    let frame = |i: usize| format!("  File \"app.py\", line {i}, in f{}", "x".repeat(i % 60));
    let lines: Vec<String> = std::iter::once("Traceback (most recent call last):".to_owned())
        .chain((0..900).map(frame))
        .chain(["RecursionError: too deep".to_owned()])
        .collect();
    write(&bench, 1, lines);
    for query in
        [of("api"), LogQuery { tail: Some(1000), ..of("api") }, LogQuery { head: Some(1000), ..of("api") }]
    {
        let page = bench.page(query);
        assert_eq!(page.lines[0].text, "Traceback (most recent call last):");
        assert_eq!(page.lines.last().unwrap().text, "RecursionError: too deep");
        assert!(page.omitted_between > 500);
        assert_complete(&page, 902);
    }
}

#[test]
fn several_logs_are_digested_each() {
    let bench = Bench::new();
    for process in ["api", "web"] {
        let mut writer = bench.writer(What::Runs, process, 1);
        for at in 0..3000_u64 {
            let line =
                if at == 1234 { format!("{process} is odd\n") } else { format!("{process} tick {at}\n") };
            writer.append(Stream::Stdout, line.as_bytes(), Now { wall_ns: at * 1_000, mono_ns: at });
        }
        writer.settle();
    }
    let page = bench.page(LogQuery::default());
    let shown = texts(&page);
    assert!(shown.contains(&"api is odd") && shown.contains(&"web is odd"), "{shown:?}");
    assert_eq!((stands(&page) + page.omitted_between + page.omitted_before, page.matches), (6000, 6000));
    assert_eq!(page.cursor, "api:1:3000,web:1:3000");
}

proptest! {
    // Each case writes a log.
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(48))]

    #[test]
    fn no_line_is_lost_and_no_page_too_large(
        picks in prop::collection::vec((0_usize..24, 0_usize..200), 1..700),
        max_bytes in prop::option::of(256_u64..5000),
        tail in prop::option::of(1_u32..800),
        runs in any::<bool>(),
    ) {
        let bench = Bench::new();
        let line = |(kind, size): &(usize, usize)| match if runs { kind / 6 } else { *kind } {
            0 => "Traceback (most recent call last):".to_owned(),
            1 => "ValueError: x".to_owned(),
            2 => format!("  File {size}"),
            3 => String::new(),
            kind @ 4..=9 => format!("{} {size}", "k".repeat(kind)),
            kind => format!("{} {}", "k".repeat(kind), "w".repeat(size % (kind * kind))),
        };
        let lines: Vec<String> = picks.iter().map(line).collect();
        let total = lines.len() as u64;
        write(&bench, 1, lines);
        let most = usize::try_from(max_bytes.unwrap_or(8192)).unwrap();
        let plain = bench.page(LogQuery { max_bytes, ..of("api") });
        assert_complete(&plain, total);
        prop_assert!(size(&plain) <= most, "{} of {most}", size(&plain));
        let last = bench.page(LogQuery { max_bytes, tail, ..of("api") });
        assert_complete(&last, total);
        prop_assert!(size(&last) <= most);
        let (pages, lines) = go_on(&bench, "api:1:0", max_bytes);
        prop_assert_eq!(lines, total);
        prop_assert!(pages.iter().all(|page| size(page) <= most && page.lines.is_sorted_by_key(|l| l.number)));
    }
}
