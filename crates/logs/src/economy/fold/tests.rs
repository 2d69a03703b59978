//! Examples and invariants of folding. Must not know logs.

use proptest::prelude::{any, prop, prop_assert, prop_assert_eq, proptest};

use super::{Fold, Folder, Item};
use crate::economy::template::{fingerprint, template};

fn fold(lines: &[&str], by_turns: bool) -> Vec<Fold<String>> {
    let (mut folder, mut done) = (Folder::new(true, by_turns), Vec::new());
    for (reach, line) in (1..).zip(lines) {
        let item = Item {
            what: (*line).to_owned(),
            key: template(line),
            exact: fingerprint(line.as_bytes()),
            reach,
        };
        folder.push(item, &mut done);
    }
    folder.finish(&mut done);
    done
}

/// As in `tick 1 (×3 alike by turns)`.
fn shown(lines: &[&str]) -> Vec<String> {
    let word = |yes: bool, word: &'static str| if yes { word } else { "" };
    let show = |fold: &Fold<String>| match fold.times {
        1 => fold.what.clone(),
        n => {
            format!("{} (×{n}{}{})", fold.what, word(fold.alike, " alike"), word(fold.by_turns, " by turns"))
        }
    };
    fold(lines, true).iter().map(show).collect()
}

fn many(count: usize, line: impl Fn(usize) -> String) -> Vec<String> {
    (0..count).map(line).collect()
}

fn strs(lines: &[String]) -> Vec<&str> {
    lines.iter().map(String::as_str).collect()
}

#[test]
fn equal_neighbours_are_one_and_alike_ones_show_the_first_and_the_last() {
    assert_eq!(shown(&["a", "a", "b", "a"]), ["a (×2)", "b", "a"]);
    assert_eq!(shown(&["n 1", "n 2", "n 2", "n 3"]), ["n 1", "n 2 (×2)", "n 3"]);
    let ticks = many(100, |i| format!("tick {i}"));
    assert_eq!(shown(&strs(&ticks)), ["tick 0 (×99 alike)", "tick 99"]);
}

#[test]
fn an_odd_line_parts_what_is_alike() {
    let mut ticks = many(100, |i| format!("tick {i}"));
    ticks[40] = "boom".to_owned();
    assert_eq!(
        shown(&strs(&ticks)),
        ["tick 0 (×39 alike)", "tick 39", "boom", "tick 41 (×58 alike)", "tick 99"]
    );
}

#[test]
fn a_few_that_take_turns_are_shown_once_each() {
    let mut lines = many(300, |i| format!("{} {i}", ["a", "b", "c"][i % 3]));
    assert_eq!(
        shown(&strs(&lines)),
        ["a 0 (×100 alike by turns)", "b 1 (×100 alike by turns)", "c 2 (×99 alike by turns)", "c 299"]
    );
    lines[150] = "boom".to_owned();
    assert_eq!(
        shown(&strs(&lines)),
        [
            "a 0 (×50 alike by turns)",
            "b 1 (×50 alike by turns)",
            "c 2 (×50 alike by turns)",
            "boom",
            "b 151 (×50 alike by turns)",
            "c 152 (×49 alike by turns)",
            "a 153 (×49 alike by turns)",
            "c 299"
        ]
    );
    let equal = many(40, |i| ["ping", "pong"][i % 2].to_owned());
    assert_eq!(shown(&strs(&equal)), ["ping (×20 by turns)", "pong (×20 by turns)"]);
}

#[test]
fn few_turns_stay_as_they_are() {
    let lines = ["start 1", "end 1", "start 2", "end 2", "start 3", "end 3"];
    assert_eq!(shown(&lines), lines);
}

#[test]
fn without_alikeness_only_equal_neighbours_are_one() {
    let (mut folder, mut done) = (Folder::new(false, false), Vec::new());
    for (reach, line) in (1..).zip(["a 1", "a 2", "a 2", "a 3", "a 4", "a 5", "a 6"]) {
        let item = Item { what: line, key: template(line), exact: fingerprint(line.as_bytes()), reach };
        folder.push(item, &mut done);
    }
    folder.finish(&mut done);
    assert_eq!(done.iter().map(|fold| fold.times).collect::<Vec<_>>(), [1, 2, 1, 1, 1, 1]);
}

proptest! {
    #[test]
    fn no_line_is_lost_and_the_order_is_kept(
        shapes in 1_usize..12,
        picks in prop::collection::vec((0_usize..12, 0_u8..4), 0..400),
        regular: bool,
        by_turns: bool,
    ) {
        let name = |i: usize| char::from(b'a' + u8::try_from(i).unwrap());
        let line = |(i, (pick, number)): (usize, &(usize, u8))| {
            format!("{} {number}", name(if regular { i % shapes } else { pick % shapes }))
        };
        let lines: Vec<String> = picks.iter().enumerate().map(line).collect();
        let folds = fold(&strs(&lines), by_turns);
        prop_assert_eq!(folds.iter().map(|fold| fold.times).sum::<u64>(), lines.len() as u64);
        prop_assert!(by_turns || folds.iter().all(|fold| !fold.by_turns));
        // Whole groups cover the lines one after another: the longest reach so far is all that was taken.
        let (mut taken, mut reach) = (0, 0);
        for (i, fold) in folds.iter().enumerate() {
            prop_assert!(fold.alike || fold.times == 1 || !fold.what.is_empty());
            taken += fold.times;
            reach = reach.max(fold.reach);
            if folds.get(i + 1).is_none_or(|next| next.group != fold.group) {
                prop_assert_eq!(taken, reach);
            }
        }
    }

    #[test]
    fn what_comes_once_is_shown(at in 0_usize..2000, shapes in 1_usize..9, random: bool, seed in any::<u64>()) {
        let mut state = seed | 1;
        let mut next = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            usize::try_from(state >> 40).unwrap()
        };
        let mut lines = many(2000, |i| format!("{}", i % shapes));
        for (i, line) in lines.iter_mut().enumerate() {
            let shape = if random { next() % shapes } else { i % shapes };
            *line = format!("{} took {}ms", ["a", "b", "c", "d", "e", "f", "g", "h"][shape], next() % 1000);
        }
        lines[at] = "this is odd".to_owned();
        let folds = fold(&strs(&lines), true);
        let odd: Vec<u64> = folds.iter().filter(|f| f.what == "this is odd").map(|f| f.times).collect();
        prop_assert_eq!(odd, [1]);
    }
}
