//! What comes of the bytes that terminals send, whole, cut in two, and broken.

use proptest::prelude::{any, prop, prop_assert_eq, proptest};

use super::{Decoder, Message, REST_OF_KEY, REST_OF_PASTE};

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
    (told(decoder.decode(bytes)), told(decoder.give_up()))
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
    assert_eq!(told(decoder.decode(b"k\x1b")), ["Char('k')"]);
    assert_eq!(decoder.patience(), Some(REST_OF_KEY));
    assert_eq!(told(decoder.decode(b"[")), [""; 0]);
    assert_eq!(told(decoder.decode(b"B")), ["Down"]);
    assert_eq!(decoder.patience(), None, "nothing is waited for");
    assert_eq!(typed(b"\x1b"), (vec![], vec!["Esc".to_owned()]));
    assert_eq!(told(decoder.decode(b"\x1b[200~slow")), [""; 0]);
    assert_eq!(decoder.patience(), Some(REST_OF_PASTE));
    assert_eq!(told(decoder.decode(b"ly\x1b[201~")), ["paste \"slowly\""]);
}

#[test]
fn what_has_no_end_does_not_swallow_the_keys_after_it() {
    // alt-], alt-P and alt-[ begin as answers of terminals do
    for begun in [&b"\x1b]"[..], b"\x1bP", b"\x1b[", b"\x1b[200~never ended", b"\xc3", b"\x1b[<1;1"] {
        let mut decoder = Decoder::default();
        assert_eq!(told(decoder.decode(begun)), [""; 0], "{begun:?}");
        assert!(decoder.patience().is_some());
        assert_eq!(told(decoder.give_up()), [""; 0], "{begun:?}");
        assert_eq!(told(decoder.decode(b"q")), ["Char('q')"], "{begun:?}");
    }
    // what a terminal reports unasked is nobody's key, also at column 0
    assert_eq!(keys(b"\x1b[0;0R\x1b[I\x1b[?1;2c\x1b]11;rgb:0/0/0\x07x"), ["Char('x')"]);
}

proptest! {
    #[test]
    fn whatever_comes_in_whatever_pieces_is_harmless(
        pieces in prop::collection::vec(
            (prop::collection::vec(any::<u8>(), 0..12), prop::sample::select(vec!["", "\x1b[", "\x1b[<", "\x1b[200~", "\x1b]", "\x1bP", ";1", "M", "~"])),
            0..12,
        ),
    ) {
        let all: Vec<u8> = pieces.iter().flat_map(|(bytes, begun)| begun.bytes().chain(bytes.iter().copied())).collect();
        let (mut whole, mut cut) = (Decoder::default(), Decoder::default());
        let at_once = told(whole.decode(&all));
        let in_pieces: Vec<String> = all.iter().flat_map(|byte| told(cut.decode(&[*byte]))).collect();
        prop_assert_eq!(at_once, in_pieces);
        whole.give_up();
        prop_assert_eq!(told(whole.decode(b"q")), ["Char('q')"]);
    }
}
