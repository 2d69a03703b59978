//! What a digest shows of floods, of diverse logs and of traces. Must not know files.

use proptest::prelude::{any, prop, prop_assert, prop_assert_eq, proptest};

use super::{Budget, Digest, FOLD_COST, GAP_COST, Part};
use crate::types::Stream;
use crate::walk::Passed;

const BUDGET: Budget = Budget { flood: 1600, usual: 4000 };

fn digest_of(lines: &[String], budget: Budget, wrong: fn(&str) -> bool) -> Vec<Part> {
    let mut digest = Digest::new(240, wrong);
    for (number, line) in (1..).zip(lines) {
        let (text, full_len) = (line.as_bytes(), line.len() as u64);
        digest.line(&Passed { number, time_ns: number, stream: Stream::Stdout, text, full_len });
    }
    digest.finish(budget)
}

fn digest(lines: &[String]) -> Vec<Part> {
    digest_of(lines, BUDGET, |_| false)
}

fn shown<'l>(lines: &'l [String], parts: &[Part]) -> Vec<&'l str> {
    let first = |part: &Part| usize::try_from(part.fold.what.first - 1).unwrap();
    parts.iter().map(|part| lines[first(part)].as_str()).collect()
}

/// Regular or not, coloured, of `shapes` shapes.
fn flood(count: usize, shapes: usize, regular: bool, seed: u64) -> Vec<String> {
    let mut state = seed | 1;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        usize::try_from(state >> 40).unwrap()
    };
    let line = |i| {
        let shape = if regular { i % shapes } else { next() % shapes };
        let name = char::from(b'a' + u8::try_from(shape).unwrap());
        format!("\x1b[32mINFO\x1b[0m worker {} of {name} took {}ms", next() % 100, next() % 1000)
    };
    (0..count).map(line).collect()
}

#[test]
fn the_odd_line_of_a_flood_is_shown_wherever_it_is() {
    for shapes in [1, 3, 20] {
        for at in [0, 1, 2, 5, 15, 150, 9_990, 19_998, 19_999] {
            let mut lines = flood(20_000, shapes, shapes == 3, 7);
            lines[at] = "something else happened".to_owned();
            let parts = digest(&lines);
            assert!(shown(&lines, &parts).contains(&"something else happened"), "{shapes} {at}");
            assert_eq!(
                shown(&lines, &parts).last(),
                lines.last().map(String::as_str).as_ref(),
                "{shapes} {at}"
            );
        }
    }
}

#[test]
fn the_odd_line_is_shown_also_where_the_flood_begins_and_ends_with_news() {
    let news = |what: &str| (0..100).map(|i| format!("{what} {}", "x".repeat(i))).collect::<Vec<_>>();
    let mut middle = flood(20_000, 3, true, 3);
    middle[11_111] = "something else happened".to_owned();
    let lines = [news("begin"), middle, news("end")].concat();
    let parts = digest(&lines);
    let shown = shown(&lines, &parts);
    assert!(shown.contains(&"something else happened"), "{shown:?}");
    assert_eq!((shown[0], *shown.last().unwrap()), ("begin ", lines.last().unwrap().as_str()));
}

#[test]
fn what_looks_wrong_comes_before_what_is_rare() {
    let mut lines: Vec<String> =
        (0..5000).map(|i| format!("{} {}", "y".repeat(i % 90), "z".repeat(i % 77))).collect();
    lines[2500] = "ERROR no space left".to_owned();
    let without = digest(&lines);
    assert!(!shown(&lines, &without).contains(&"ERROR no space left"));
    let with = digest_of(&lines, BUDGET, |text| text.starts_with("ERROR"));
    assert!(shown(&lines, &with).contains(&"ERROR no space left"));
}

#[test]
fn a_trace_in_a_flood_is_shown_whole() {
    let mut lines = flood(10_000, 2, false, 9);
    let trace =
        ["Traceback (most recent call last):", "  File \"a.py\", line 1, in f", "    g()", "ValueError: no"];
    lines.splice(4000..4000, trace.map(str::to_owned));
    let parts = digest(&lines);
    let part = parts.iter().find(|part| part.fold.what.first == 4001).unwrap();
    assert_eq!((part.fold.what.lines, part.room), (4, None));
}

#[test]
fn a_trace_that_is_too_long_is_to_be_shortened() {
    let frame = |i: usize| format!("  File \"a.py\", line {i}, in f{}", "f".repeat(i % 50));
    let lines: Vec<String> = ["Traceback (most recent call last):".to_owned()]
        .into_iter()
        .chain((0..1500).map(frame))
        .chain(["RecursionError: too deep".to_owned()])
        .collect();
    let parts = digest(&lines);
    assert_eq!(parts.len(), 1);
    assert!(parts[0].room.is_some_and(|room| room >= 500), "{parts:?}");
}

proptest! {
    #[test]
    fn an_odd_line_is_always_there(
        shapes in 1_usize..12, regular: bool, seed in any::<u64>(), at in 0_usize..3000, count in 2000_usize..3000,
    ) {
        let mut lines = flood(count, shapes, regular, seed);
        let at = at % count;
        lines[at] = "odd".to_owned();
        let parts = digest(&lines);
        prop_assert!(shown(&lines, &parts).contains(&"odd"));
    }

    #[test]
    fn parts_are_in_order_and_within_the_budget(
        picks in prop::collection::vec((0_usize..40, 0_usize..300), 0..1500),
        bytes in 200_usize..6000,
    ) {
        let lines: Vec<String> = picks
            .iter()
            .map(|(kind, size)| match kind {
                0 => "Traceback (most recent call last):".to_owned(),
                1 => "ValueError: x".to_owned(),
                2..=8 => format!("  File {size}"),
                _ => format!("{} {size} {}", "k".repeat(*kind), "w".repeat(size / kind)),
            })
            .collect();
        let parts = digest_of(&lines, Budget { flood: bytes, usual: bytes }, |_| false);
        let mut end = 0;
        for part in &parts {
            prop_assert!(part.before >= end);
            end = part.before + part.lines();
        }
        prop_assert!(end <= lines.len() as u64);
        // The last line is always there, whatever it costs.
        prop_assert_eq!(end, lines.len() as u64);
        let cost = |part: &Part| part.room.unwrap_or_else(|| part.cost());
        let cost: usize = parts.iter().map(cost).sum();
        prop_assert!(cost <= bytes + 2 * (240 + FOLD_COST + GAP_COST), "{cost} of {bytes}");
    }
}
