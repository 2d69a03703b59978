//! What is left of a line's control sequences.

use proptest::prelude::{any, prop, prop_assert, prop_assert_eq, proptest};

use crate::economy::{clip_styled, plain_line, styled_line};

fn styled(line: &[u8]) -> String {
    styled_line(line).into_owned()
}

#[test]
fn colours_stay_and_everything_else_takes_effect() {
    for (line, text) in [
        (&b"plain text\ttab"[..], "plain text\ttab"),
        (b"ends in CR\r", "ends in CR"),
        (b"\x1b[32mok\x1b[0m done", "\x1b[32mok\x1b[0m done"),
        // As few sequences as it needs.
        (b"\x1b[1m\x1b[31mred\x1b[m\x1b[0m", "\x1b[1;31mred\x1b[0m"),
        (b"\x1b[31ma\x1b[31mb\x1b[39;32mc", "\x1b[31mab\x1b[32mc\x1b[0m"),
        (b"\x1b[31ma\x1b[1mb\x1b[22mc\x1b[39md", "\x1b[31ma\x1b[1mb\x1b[0;31mc\x1b[0md"),
        (b"\x1b[31m\x1b[0mnothing", "nothing"),
        // What is overwritten takes its colour with it.
        (b"\x1b[31mred\x1b[0m\rgr", "gr\x1b[31md\x1b[0m"),
        (b"\x1b[33m 10%\x1b[0m\r\x1b[32m100%\x1b[0m", "\x1b[32m100%\x1b[0m"),
        (b"\x1b[31mgone\x1b[2K\r\x1b[0mleft", "left"),
        // Wide colours, in both ways of writing.
        (b"\x1b[38;5;208mx", "\x1b[38;5;208mx\x1b[0m"),
        (b"\x1b[38;2;1;2;3;48;5;9mx", "\x1b[38;2;1;2;3;48;5;9mx\x1b[0m"),
        (b"\x1b[38:2::1:2:3mx", "\x1b[38;2;1;2;3mx\x1b[0m"),
        (b"\x1b[97;101mx", "\x1b[97;101mx\x1b[0m"),
        (b"\x1b[1;4:3;58:5:9mx", "\x1b[1m\x1b[4:3m\x1b[58:5:9mx\x1b[0m"),
        (b"\x1b[4:3mx\x1b[4my\x1b[24mz", "\x1b[4:3mx\x1b[4my\x1b[0mz"),
        // No colours are set by what only looks like it.
        (b"\x1b[>4;2mx\x1b[?1my\x1b[1 mz", "xyz"),
        (b"\x1b[38;9;1mx", "x"),
        (b"\x1b[999;1mx", "\x1b[1mx\x1b[0m"),
        (b"\x1b]0;title\x07a\x1b]8;;u\x1b\\b\x07\x00\x1b[2Jc\x1b[5;5Hd", "abcd"),
        (b"cut \x1b[31", "cut "),
        ("\u{9b}31mc1".as_bytes(), "\x1b[31mc1\x1b[0m"),
        (b"bad \xff", "bad \u{fffd}"),
    ] {
        assert_eq!(styled(line), text, "{}", line.escape_ascii());
    }
    assert_eq!(styled(format!("\x1b[{}mx", "1;".repeat(200)).as_bytes()), "x", "far too long");
}

#[test]
fn clipping_leaves_no_half_sequence_and_nothing_switched_on() {
    let whole = "\x1b[31mred\x1b[0m grün";
    let clipped = |most| {
        let mut text = whole.to_owned();
        let missing = clip_styled(&mut text, most);
        (text, missing)
    };
    assert_eq!(clipped(100), (whole.to_owned(), 0));
    assert_eq!(clipped(whole.len()), (whole.to_owned(), 0));
    assert_eq!(clipped(17), ("\x1b[31mred\x1b[0m ".to_owned(), 5));
    assert_eq!(clipped(11), ("\x1b[31mre\x1b[0m".to_owned(), 11));
    assert_eq!(clipped(6), (String::new(), 18));
    assert_eq!(clipped(0), (String::new(), 18));
    let mut plain = "grün".to_owned();
    assert_eq!((clip_styled(&mut plain, 3), plain.as_str()), (3, "gr"));
}

/// The text without the sequences; panics where one is not well formed.
fn stripped(text: &str) -> String {
    let mut parts = text.split("\x1b[");
    let mut out = parts.next().unwrap().to_owned();
    for part in parts {
        let (parameters, rest) = part.split_once('m').unwrap();
        assert!(parameters.bytes().all(|b| b.is_ascii_digit() || b == b';' || b == b':'), "{part:?}");
        out.push_str(rest);
    }
    out
}

proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(2000))]

    #[test]
    fn whatever_is_printed_only_colours_are_left(
        parts in prop::collection::vec(prop::sample::select(vec![
            "a", "bc", " ", "é", "\t", "\x1b[31m", "\x1b[0m", "\x1b[1;38;5;9m", "\x1b[48;2;1;2;3m", "\x1b[4:3m", "\x1b[22m",
            "\x1b[K", "\x1b[1K", "\x1b[2K", "\x1b[3C", "\x1b[2D", "\x1b[4G", "\x1b[", "\x1b", "\r", "\x08", "\u{9b}1m", "m", "\x07",
            "\x1b]0;t\x07", "\x1b[58;5;1m", "\x1b[59;53m", ":", ";", "38",
        ]), 0..24),
        noise in prop::collection::vec(any::<u8>(), 0..24),
        most in 0_usize..40,
    ) {
        for line in [parts.concat().into_bytes(), [parts.concat().as_bytes(), &noise].concat(), noise.clone()] {
            let line: Vec<u8> = line.into_iter().filter(|b| *b != b'\n').collect();
            let mut text = styled(&line);
            prop_assert!(!text.chars().any(|c| c.is_control() && c != '\t' && c != '\x1b'), "{:?}", text);
            let mut scratch = Vec::new();
            prop_assert_eq!(stripped(&text), plain_line(&line, &mut scratch).into_owned());
            prop_assert!(!text.contains('\x1b') || text.rfind("\x1b[0m") == text.rfind('\x1b'), "{:?}", text);
            // What is written once needs nothing done to it.
            prop_assert_eq!(styled(text.as_bytes()), text.clone());
            let (before, missing) = (text.len() as u64, clip_styled(&mut text, most));
            prop_assert!(text.len() <= most && before - missing <= text.len() as u64);
            stripped(&text);
        }
    }
}
