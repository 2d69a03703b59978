//! What may come, at random: keys of all kinds, the mouse anywhere, any size, events, answers as they should be and not.

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers, MouseButton, MouseEvent, MouseEventKind};
use proptest::prelude::{Just, Strategy, any, prop_oneof};

use crate::tui::keys::KEYS;

/// What comes next. Numbers choose among what there is.
#[derive(Clone, Debug)]
pub(super) enum Step {
    Key(KeyEvent),
    Mouse(MouseEvent),
    Paste(String),
    Resize(u16, u16),
    Pass(u64),
    Connect(u8),
    Disconnect,
    Event(u8, u8),
    Grown(u8, bool),
    Missed(u64),
    /// The real state of things changes.
    Becomes(Vec<(u8, u8)>, Vec<(u8, u8)>),
    Prints(u8, u16),
    /// One of the questions under way is answered: as it should be, or by something else.
    Answer(u8, Odd),
    /// An answer that nobody asked for.
    Late(u64, u8),
    Detached,
}

#[derive(Clone, Debug)]
pub(super) enum Odd {
    Honest,
    Wrong,
    Error(u8),
    Window(Vec<(u64, u16, bool)>, [u64; 4], Option<u64>),
}

fn key() -> impl Strategy<Value = KeyEvent> {
    let chord = (0..KEYS.len(), any::<u8>()).prop_map(|(at, which)| {
        let chords = KEYS[at].chords;
        let chord = chords[usize::from(which) % chords.len()];
        KeyEvent::new(chord.1, chord.0)
    });
    let typed = prop_oneof![
        Just(KeyCode::Char('y')),
        Just(KeyCode::Enter),
        Just(KeyCode::Backspace),
        Just(KeyCode::Up),
        Just(KeyCode::Left),
        any::<char>().prop_map(KeyCode::Char),
    ];
    let held = prop_oneof![Just(KeyModifiers::NONE), Just(KeyModifiers::CONTROL), Just(KeyModifiers::ALT)];
    prop_oneof![4 => chord, 2 => (typed, held).prop_map(|(code, held)| KeyEvent::new(code, held))]
}

fn mouse() -> impl Strategy<Value = MouseEvent> {
    let kinds = [
        MouseEventKind::Down(MouseButton::Left),
        MouseEventKind::Drag(MouseButton::Left),
        MouseEventKind::Up(MouseButton::Left),
        MouseEventKind::ScrollUp,
        MouseEventKind::ScrollDown,
        MouseEventKind::Moved,
    ];
    let place = prop_oneof![0u16..100, any::<u16>()];
    (0..kinds.len(), place.clone(), place).prop_map(move |(kind, column, row)| MouseEvent {
        kind: kinds[kind],
        column,
        row,
        modifiers: KeyModifiers::NONE,
    })
}

fn odd() -> impl Strategy<Value = Odd> {
    let number = prop_oneof![0u64..200, any::<u64>()];
    let length = prop_oneof![20 => 0u16..40, 1 => 0u16..4000];
    let lines = proptest::collection::vec((number.clone(), length, any::<bool>()), 0..20);
    let numbers = [number.clone(), number.clone(), number.clone(), number.clone()];
    let window = (lines, numbers, proptest::option::of(number))
        .prop_map(|(lines, numbers, broke_off)| Odd::Window(lines, numbers, broke_off));
    prop_oneof![8 => Just(Odd::Honest), 1 => Just(Odd::Wrong), 1 => any::<u8>().prop_map(Odd::Error), 2 => window]
}

pub(super) fn step() -> impl Strategy<Value = Step> {
    let size = prop_oneof![Just(0u16), Just(1), Just(40), Just(80), Just(200), Just(u16::MAX), any::<u16>()];
    let names = proptest::collection::vec((0u8..6, any::<u8>()), 0..5);
    prop_oneof![
        12 => key().prop_map(Step::Key),
        2 => mouse().prop_map(Step::Mouse),
        1 => "\\PC{0,20}|.{0,10}".prop_map(Step::Paste),
        2 => (size.clone(), size).prop_map(|(columns, rows)| Step::Resize(columns, rows)),
        3 => prop_oneof![0u64..3000, any::<u64>()].prop_map(Step::Pass),
        2 => any::<u8>().prop_map(Step::Connect),
        1 => Just(Step::Disconnect),
        3 => (0u8..8, any::<u8>()).prop_map(|(of, kind)| Step::Event(of, kind)),
        3 => (0u8..6, any::<bool>()).prop_map(|(of, builds)| Step::Grown(of, builds)),
        1 => any::<u64>().prop_map(Step::Missed),
        2 => (names.clone(), names).prop_map(|(processes, tasks)| Step::Becomes(processes, tasks)),
        2 => (0u8..6, 0u16..600).prop_map(|(of, lines)| Step::Prints(of, lines)),
        14 => (any::<u8>(), odd()).prop_map(|(at, odd)| Step::Answer(at, odd)),
        1 => (any::<u64>(), any::<u8>()).prop_map(|(number, kind)| Step::Late(number, kind)),
        1 => Just(Step::Detached),
    ]
}
