//! Rows: colours, tabs, wide characters, wrapping, and places counted up and down.

use bpm_api::{Stream, WindowLine};
use proptest::prelude::{any, prop, prop_assert, prop_assert_eq, proptest};
use ratatui::style::Color;
use unicode_width::UnicodeWidthStr;

use super::{Place, count, down, places, styled, top, up, wrap};
use crate::tui::model::log::{Anchor, LogView};

fn log(texts: &[String]) -> LogView {
    let line = |(number, text): (u64, &String)| WindowLine {
        number,
        time: String::new(),
        stream: Stream::Stdout,
        text: text.clone(),
        clipped_bytes: 0,
        open: false,
    };
    LogView { lines: (1..).zip(texts).map(line).collect(), run: 1, ..LogView::default() }
}

fn texts(of: &[&str]) -> Vec<String> {
    of.iter().map(|&text| text.to_owned()).collect()
}

#[test]
fn colours_are_styles_and_no_text() {
    let line = styled("a \u{1b}[31mred\u{1b}[0m b");
    assert_eq!(line.text, "a red b");
    let red = line.styles.iter().find(|(end, _)| *end == 5).expect("the red part ends there");
    assert_eq!(red.1.fg, Some(Color::Red));
    assert_eq!(line.styles.last().map(|(end, _)| *end), Some(line.text.len()));
}

#[test]
fn tabs_go_to_the_next_eighth_column_after_wide_characters_too() {
    assert_eq!(styled("a\tb").text, "a       b");
    assert_eq!(styled("漢\tb").text, "漢      b");
}

#[test]
fn a_row_is_never_wider_than_the_panel_unless_one_character_is() {
    assert_eq!(wrap("abcdef", 4), [0..4, 4..6]);
    assert_eq!(wrap("a漢b", 2), [0..1, 1..4, 4..5]);
    assert_eq!(wrap("漢", 1), vec![0..3]);
    assert_eq!(wrap("", 0), vec![0..0]);
}

#[test]
fn a_panel_that_follows_ends_with_the_last_row() {
    let mut log = log(&texts(&["one", "abcdef", "x"]));
    log.wrap = true;
    let shown = places(&log, 4, 2);
    assert_eq!(shown, [Place { line: 1, row: 1 }, Place { line: 2, row: 0 }]);
    assert_eq!(places(&log, 4, 9).len(), 4);
}

#[test]
fn an_anchor_is_a_line_whatever_comes_before_it() {
    let mut log = log(&texts(&["a", "b", "c", "d"]));
    log.anchor = Anchor::Line { number: 3, skip: 0 };
    assert_eq!(top(&log, 9, 2), Some(Place { line: 2, row: 0 }));
    log.lines.pop_front();
    assert_eq!(top(&log, 9, 2), Some(Place { line: 1, row: 0 }));
}

#[test]
fn what_was_cleared_away_is_not_shown() {
    let mut log = log(&texts(&["a", "b", "c"]));
    log.cleared = Some((1, 2));
    assert_eq!(places(&log, 9, 9), [Place { line: 2, row: 0 }]);
    log.cleared = Some((1, 3));
    assert_eq!(places(&log, 9, 9), []);
}

proptest! {
    #[test]
    fn any_text_is_wrapped_into_rows_that_follow_one_another(text in ".{0,60}", width in 0usize..20) {
        let line = styled(&text);
        prop_assert!(!line.text.contains(char::is_control));
        let rows = wrap(&line.text, width);
        prop_assert_eq!(rows.first().map(|row| row.start), Some(0));
        prop_assert_eq!(rows.last().map(|row| row.end), Some(line.text.len()));
        for pair in rows.windows(2) {
            prop_assert_eq!(pair[0].end, pair[1].start);
            prop_assert!(pair[0].end > pair[0].start);
        }
        for row in rows {
            let text = &line.text[row];
            prop_assert!(text.width() <= width || count(text, usize::MAX, true) == 1);
        }
    }

    #[test]
    fn plain_text_is_read_and_wrapped_as_any_other(text in "[ -~]{0,60}", width in 1usize..20) {
        let as_any = wrap(&format!("{text}é"), width);
        let plain = wrap(&text, width);
        prop_assert_eq!(&styled(&text).text, &text);
        prop_assert_eq!(&plain[..plain.len() - 1], &as_any[..plain.len() - 1]);
        prop_assert_eq!(plain.last().map(|row| row.end), Some(text.len()));
    }

    #[test]
    fn so_many_rows_down_and_up_again_is_the_same_place(
        texts in prop::collection::vec("[a-z漢\t]{0,12}", 1..12),
        width in 1usize..8,
        rows in 0usize..40,
        wrapped in any::<bool>(),
    ) {
        let mut log = log(&texts);
        log.wrap = wrapped;
        let start = Place { line: 0, row: 0 };
        let total: usize = texts.iter().map(|text| count(text, width, wrapped)).sum();
        let below = down(&log, width, start, rows);
        prop_assert_eq!(up(&log, width, below, rows.min(total - 1)), start);
        let all = places(&LogView { anchor: Anchor::Line { number: 1, skip: 0 }, ..log.clone() }, width, usize::MAX);
        prop_assert_eq!(all.len(), total);
        prop_assert_eq!(all[rows.min(total - 1)], below);
        let end = places(&log, width, 3);
        prop_assert_eq!(&all[total - end.len()..], &end[..]);
    }
}
