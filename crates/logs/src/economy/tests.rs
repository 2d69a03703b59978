//! Owns the examples and invariants of shaping. Must not know files.

use proptest::prelude::{any, prop, prop_assert, prop_assert_eq, proptest};

use super::{Part, RawLine, Shape, clip, digits, escape_for_terminal, plain_line, plain_text, shape};

fn raw<'a>(texts: &[&'a str]) -> Vec<RawLine<'a>> {
    let line = |text: &&'a str| RawLine { prefix: "   ", text: text.as_bytes(), full_len: text.len() as u64 };
    texts.iter().map(line).collect()
}

#[test]
fn control_sequences_are_gone_and_their_text_stays() {
    for (bytes, text) in [
        (&b"\x1b[1;31merror\x1b[0m: x"[..], "error: x"),
        (b"\x1b]0;title\x07hello", "hello"),
        (b"\x1b]8;;http://x\x1b\\link\x1b]8;;\x1b\\", "link"),
        (b"\x1bPq payload\x1b\\after", "after"),
        (b"\x1b(Bcharset", "charset"),
        (b"a\tb", "a\tb"),
        (b"bell\x07\x00", "bell"),
        (b"cut \x1b[31", "cut "),
        (b"bad \xff\xfe", "bad \u{fffd}\u{fffd}"),
        ("c1 \u{9b}31mred".as_bytes(), "c1 red"),
        (b"one\ntwo\x1b[0m\n", "one\ntwo\n"),
    ] {
        assert_eq!(plain_text(bytes), text, "{bytes:?}");
    }
}

#[test]
fn progress_is_reduced_to_what_stands_at_last() {
    for (bytes, text) in [
        (&b"10%\r20%\r100%"[..], "100%"),
        (b"windows\r", "windows"),
        (b"loading...\r\x1b[Kdone", "done"),
        (b"loading...\x1b[2K\rdone", "done"),
        (b"abcdef\rXY", "XYcdef"),
        (b"spin |\x08/\x08-", "spin -"),
        (b"abcdef\x1b[3Dxyz", "abcxyz"),
        (b"a\x1b[9999999999Cb", "a b"),
        (b"abc\x1b[1GX", "Xbc"),
    ] {
        let plain = plain_text(bytes);
        let squeezed = plain.split(' ').filter(|w| !w.is_empty()).collect::<Vec<_>>();
        assert_eq!(squeezed.join(" "), text, "{bytes:?}");
        assert!(plain.len() < 4096);
    }
}

#[test]
fn equal_lines_fold_and_long_ones_are_clipped_with_a_count() {
    let mut texts = vec!["same"; 1234];
    texts.push("other");
    let shaped = shape(raw(&texts), &Shape::default());
    assert_eq!(shaped.text, "   same (×1,234)\n   other\n");
    assert_eq!(shaped.lines_left_out, 0);
    assert_eq!(clip("grüße", 3, 1000), "gr… (+1,005 bytes)");
    assert_eq!(clip("short", 5, 0), "short");
    assert_eq!(digits(0), "0");
    assert_eq!(digits(999), "999");
    assert_eq!(digits(1_000_000), "1,000,000");
}

#[test]
fn what_does_not_fit_is_counted() {
    let texts: Vec<String> = (0..1000).map(|i| format!("line {i}")).collect();
    let lines = raw(&texts.iter().map(String::as_str).collect::<Vec<_>>());
    let mut how = Shape { max_bytes: 500, ..Shape::default() };
    let ends = shape(lines.clone(), &how);
    assert!(ends.text.starts_with("   line 0\n"), "{}", ends.text);
    assert!(ends.text.ends_with("   line 999\n"));
    let shown = ends.text.lines().filter(|l| l.starts_with("   ")).count() as u64;
    assert_eq!(shown + ends.lines_left_out, 1000);
    assert!(ends.text.contains(&format!("… {} lines left out", ends.lines_left_out)));
    how.part = Part::End;
    let end = shape(lines.clone(), &how);
    assert!(end.text.starts_with("… 9"), "{}", end.text);
    assert!(end.text.ends_with("   line 999\n"));
    how.part = Part::Start;
    let start = shape(lines, &how);
    assert!(start.text.starts_with("   line 0\n"));
    assert!(start.text.ends_with(" …\n"), "{}", start.text);
}

#[test]
fn nothing_that_a_terminal_obeys_survives_escaping() {
    assert_eq!(escape_for_terminal(b"\x1b[2Jx\r\n\ty\xff"), "\\x1b[2Jx\\r\n\ty\\xff");
    assert_eq!(escape_for_terminal("\u{9b}31m\u{202e}é".as_bytes()), "\\u{9b}31m\\u{202e}é");
}

proptest! {
    #[test]
    fn the_short_way_to_plain_text_gives_the_same(
        parts in prop::collection::vec(prop::sample::select(vec![
            "a", " ", "é", "\t", "\x1b[31m", "\x1b[0m", "\x1b[1;38;5;9m", "\x1b[K", "\x1b[", "\x1b", "\r", "\u{9b}1m", "\u{a0}", "m", "\x07",
        ]), 0..12),
        noise in prop::collection::vec(any::<u8>(), 0..12),
    ) {
        for line in [parts.concat().into_bytes(), [parts.concat().as_bytes(), &noise].concat()] {
            let line: Vec<u8> = line.into_iter().filter(|b| *b != b'\n').collect();
            let mut scratch = vec![1, 2, 3];
            prop_assert_eq!(plain_line(&line, &mut scratch).into_owned(), plain_text(&line));
        }
    }

    #[test]
    fn shaped_text_is_clean_and_within_its_limit(
        lines in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..200), 0..60),
        max_bytes in 0_usize..4000,
        max_line_bytes in 0_usize..300,
        part in prop::sample::select(vec![Part::Ends, Part::Start, Part::End]),
    ) {
        let raw = lines.iter().map(|text| RawLine { prefix: "", text, full_len: text.len() as u64 });
        let shaped = shape(raw, &Shape { max_bytes, max_line_bytes, part });
        prop_assert!(shaped.text.len() <= max_bytes);
        prop_assert!(!shaped.text.chars().any(|c| c.is_control() && c != '\n' && c != '\t'));
        let escaped = escape_for_terminal(&lines.concat());
        prop_assert!(!escaped.chars().any(|c| c.is_control() && c != '\n' && c != '\t'));
    }
}
