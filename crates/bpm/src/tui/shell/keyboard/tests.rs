//! What comes of the bytes that terminals send, whole, cut in two, and broken.

use std::time::Duration;

use proptest::prelude::{Strategy, any, prop, prop_assert_eq, proptest};

use super::{Decoder, MOST_PASTED, Message, REST_OF_PASTE};

const AT_ONCE: Duration = Duration::ZERO;

/// A message as people write it.
fn told(messages: Vec<Message>) -> Vec<String> {
    let word = |message| match message {
        Message::Key(key) if key.modifiers.is_empty() => format!("{:?}", key.code),
        Message::Key(key) => format!("{:?} {:?}", key.modifiers, key.code),
        Message::Mouse(mouse) => format!("{:?} {},{}", mouse.kind, mouse.column, mouse.row),
        Message::Paste(text) => format!("paste {text:?}"),
        other => panic!("no key: {other:?}"),
    };
    messages.into_iter().map(word).collect()
}

/// What comes at once, and what comes when nothing more does.
fn typed(bytes: &[u8]) -> (Vec<String>, Vec<String>) {
    let mut decoder = Decoder::default();
    (told(decoder.decode(bytes, AT_ONCE)), told(decoder.give_up()))
}

fn keys(bytes: &[u8]) -> Vec<String> {
    let (keys, later) = typed(bytes);
    assert_eq!(later, [""; 0]);
    keys
}

#[test]
fn keys_are_what_terminals_send_for_them() {
    assert_eq!(keys(b"jG?"), ["Char('j')", "KeyModifiers(SHIFT) Char('G')", "Char('?')"]);
    assert_eq!(keys(b"\r\t\x7f"), ["Enter", "Tab", "Backspace"]);
    assert_eq!(keys(b"\x03\x1a"), ["KeyModifiers(CONTROL) Char('c')", "KeyModifiers(CONTROL) Char('z')"]);
    assert_eq!(keys(b"\x1b[A\x1bOB\x1b[5~\x1b[H\x1bOP"), ["Up", "Down", "PageUp", "Home", "F(1)"]);
    assert_eq!(keys(b"\x1b[Z"), ["KeyModifiers(SHIFT) BackTab"]);
    assert_eq!(keys(b"\x1b[1;5C\x1bb"), ["KeyModifiers(CONTROL) Right", "KeyModifiers(ALT) Char('b')"]);
    assert_eq!(keys("é€".as_bytes()), ["Char('é')", "Char('€')"]);
    assert_eq!(keys(b"\x1b[<0;5;7M\x1b[<65;1;1M"), ["Down(Left) 4,6", "ScrollDown 0,0"]);
    assert_eq!(keys(b"\x1b[200~two\nlines\x1b[A\x1b[201~x"), ["paste \"two\\nlines\\u{1b}[A\"", "Char('x')"]);
}

#[test]
fn a_key_that_is_cut_in_two_is_one_and_esc_alone_is_esc() {
    assert_eq!(keys(b"\x1b\x1b[A\x1b\x1b[<64;1;1M"), ["Esc", "Up", "Esc", "ScrollUp 0,0"]);
    let mut decoder = Decoder::default();
    assert_eq!(told(decoder.decode(b"k\x1b", AT_ONCE)), ["Char('k')"]);
    assert!(decoder.is_unfinished(), "it is waited for the rest");
    assert_eq!(told(decoder.decode(b"[", AT_ONCE)), [""; 0]);
    assert_eq!(told(decoder.decode(b"B", AT_ONCE)), ["Down"]);
    assert!(!decoder.is_unfinished());
    assert_eq!(typed(b"\x1b"), (vec![], vec!["Esc".to_owned()]));
}

#[test]
fn nothing_of_a_paste_is_a_key_however_long_and_slow_it_is() {
    let mut decoder = Decoder::default();
    let slow = Duration::from_secs(60);
    assert_eq!(told(decoder.decode(b"\x1b[200~first part \x1b", AT_ONCE)), [""; 0]);
    assert!(!decoder.is_unfinished());
    assert_eq!(
        told(decoder.decode(b"[201\r:touch /tmp/a\r\x1b[201~", slow)),
        ["paste \"first part \\u{1b}[201\\r:touch /tmp/a\\r\""]
    );
    let long = "\r:touch /tmp/a\r".repeat(MOST_PASTED);
    decoder.decode(b"\x1b[200~", AT_ONCE);
    for piece in long.as_bytes().chunks(4096) {
        assert_eq!(told(decoder.decode(piece, AT_ONCE)), [""; 0]);
    }
    assert!(decoder.paste.as_ref().is_some_and(|paste| paste.text.len() == MOST_PASTED), "it is bounded");
    let end = told(decoder.decode(b"\x1b[201~q", slow));
    assert_eq!((end.len(), end.last().map(String::as_str)), (2, Some("Char('q')")));
}

#[test]
fn a_paste_without_an_end_is_left_by_a_key_after_a_while_and_by_ctrl_c_at_once() {
    let mut decoder = Decoder::default();
    decoder.decode(b"\x1b[200~never ended", AT_ONCE);
    assert_eq!(told(decoder.decode(b"j", REST_OF_PASTE / 2)), [""; 0]);
    assert_eq!(told(decoder.decode(b"j", REST_OF_PASTE)), ["Char('j')"]);
    decoder.decode(b"\x1b[200~never ended", AT_ONCE);
    assert_eq!(told(decoder.decode(b"\x03", AT_ONCE)), ["KeyModifiers(CONTROL) Char('c')"]);
    decoder.decode(b"\x1b[<0;1\x1b[200~a paste within a key\x1b[201~", AT_ONCE);
    assert_eq!(told(decoder.decode(b"q", AT_ONCE)), ["Char('q')"]);
}

#[test]
fn what_has_no_end_does_not_swallow_the_keys_after_it() {
    // alt-], alt-P and alt-[ begin as answers of terminals do
    for begun in [&b"\x1b]"[..], b"\x1bP", b"\x1b[", b"\xc3", b"\x1b[<1;1"] {
        let mut decoder = Decoder::default();
        assert_eq!(told(decoder.decode(begun, AT_ONCE)), [""; 0], "{begun:?}");
        assert!(decoder.is_unfinished());
        assert_eq!(told(decoder.give_up()), [""; 0], "{begun:?}");
        assert_eq!(told(decoder.decode(b"q", AT_ONCE)), ["Char('q')"], "{begun:?}");
    }
    // what a terminal reports unasked is nobody's key, also at column 0
    assert_eq!(keys(b"\x1b[0;0R\x1b[I\x1b[?1;2c\x1b]11;rgb:0/0/0\x07x"), ["Char('x')"]);
}

proptest! {
    #[test]
    fn whatever_comes_in_whatever_pieces_is_harmless(
        pieces in prop::collection::vec(
            (prop::collection::vec(any::<u8>().prop_filter("a key wherever it comes alone", |byte| *byte != 3), 0..12), prop::sample::select(vec!["", "\x1b[", "\x1b[<", "\x1b[200~", "\x1b]", "\x1bP", ";1", "M", "~"])),
            0..12,
        ),
    ) {
        let all: Vec<u8> = pieces.iter().flat_map(|(bytes, begun)| begun.bytes().chain(bytes.iter().copied())).collect();
        let (mut whole, mut cut) = (Decoder::default(), Decoder::default());
        let at_once = told(whole.decode(&all, AT_ONCE));
        let in_pieces: Vec<String> = all.iter().flat_map(|byte| told(cut.decode(&[*byte], AT_ONCE))).collect();
        prop_assert_eq!(at_once, in_pieces);
        whole.decode(b"\x1b[201~", AT_ONCE);
        whole.give_up();
        prop_assert_eq!(told(whole.decode(b"q", AT_ONCE)), ["Char('q')"]);
    }
}
