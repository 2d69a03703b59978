//! What a program has set in its terminal, by what it has printed: what sets another one so, and what undoes it. Knows bytes only.

use std::fmt::Write as _;

/// Harmless where none of it was set. The cursor stays where it is, which the full scroll region would take to a corner.
const PLAIN: &str = concat!(
    "\x1b[?2026l",                                               // what was drawn is shown
    "\x1b[?6l\x1b[?69l\x1b7\x1b[r\x1b8",                         // the whole screen scrolls, and is counted
    "\x1b[?5l\x1b[?1007l\x1b[?1036l\x1b[?2031l\x1b[?2048l",      // not reversed, no reports
    "\x1b[?9l\x1b[?1000l\x1b[?1001l\x1b[?1002l\x1b[?1003l",      // no mouse
    "\x1b[?1005l\x1b[?1006l\x1b[?1015l\x1b[?1016l\x1b[?1004l",   // nor its encodings, nor focus
    "\x1b[?2004l\x1b[?1l\x1b>\x1b[4l\x1b[20l\x1b[?7h\x1b(B\x0f", // plain paste, keys, lines, letters
    "\x1b[0 q\x1b[?25h\x1b[0m",                                  // cursor and colours
);
/// The colours of the terminal's own theme: of its palette, its text, its background and its cursor.
const OWN_COLOURS: &str = "\x1b]104\x1b\\\x1b]110\x1b\\\x1b]111\x1b\\\x1b]112\x1b\\";
/// The other screen that is left for the place where it was entered.
const WITH_CURSOR: u16 = 1049;
/// The modes that are followed: keys, lines, cursor, mouse, focus, paste; and whether each is on to begin with.
const FOLLOWED: [(u16, bool); 14] = [
    (1, false),
    (7, true),
    (9, false),
    (25, true),
    (1000, false),
    (1001, false),
    (1002, false),
    (1003, false),
    (1004, false),
    (1005, false),
    (1006, false),
    (1015, false),
    (1016, false),
    (2004, false),
];
/// Parameters of a sequence that are looked at, in bytes.
const LONGEST: usize = 32;
/// Forms of keys that a program has asked for and may go back from.
const MOST_FORMS: usize = 16;
const ESCAPE: u8 = 0x1b;

/// Follows what is printed.
#[derive(Clone, Debug, Default)]
pub struct Modes {
    state: State,
    sequence: Vec<u8>,
    /// The other screen, by the mode that showed it.
    other_screen: Option<u16>,
    /// Those of [`FOLLOWED`] that are not as they were to begin with.
    changed: [bool; FOLLOWED.len()],
    keypad: bool,
    /// Keys are sent in a form that tells them apart: kitty's, one upon the other, and xterm's.
    kitty: Vec<u16>,
    other_keys: u16,
    /// They once were.
    had_kitty: bool,
    had_other_keys: bool,
    /// The terminal was told something by a command with a text: a title, perhaps colours.
    had_commands: bool,
    /// Letters may be read in another way than UTF-8.
    had_other_letters: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    #[default]
    Text,
    Escape,
    Sequence,
}

impl Modes {
    /// The program has printed this. May be given in pieces.
    pub fn printed(&mut self, mut bytes: &[u8]) {
        while let Some((byte, rest)) = bytes.split_first() {
            if self.state == State::Text && *byte != ESCAPE {
                let Some(next) = memchr::memchr(ESCAPE, rest) else { return };
                bytes = &rest[next..];
                continue;
            }
            self.state = self.follow(*byte);
            bytes = rest;
        }
    }

    fn follow(&mut self, byte: u8) -> State {
        match (self.state, byte) {
            (_, ESCAPE) => State::Escape,
            (State::Escape, b'[') => {
                self.sequence.clear();
                State::Sequence
            }
            (State::Escape, b'=' | b'>') => {
                self.keypad = byte == b'=';
                State::Text
            }
            (State::Escape, b']') => {
                self.had_commands = true;
                State::Text
            }
            (State::Escape, b'%') => {
                self.had_other_letters = true;
                State::Text
            }
            (State::Escape, b'c') => {
                let Modes { had_kitty, had_other_keys, had_commands, had_other_letters, .. } = *self;
                *self =
                    Modes { had_kitty, had_other_keys, had_commands, had_other_letters, ..Modes::default() };
                State::Text
            }
            (State::Sequence, 0x40..=0x7e) => {
                self.sequence_ended(byte);
                State::Text
            }
            (State::Sequence, _) => {
                if self.sequence.len() < LONGEST {
                    self.sequence.push(byte);
                }
                State::Sequence
            }
            (State::Text | State::Escape, _) => State::Text,
        }
    }

    fn sequence_ended(&mut self, last: u8) {
        let Some((kind, parameters)) = self.sequence.split_first() else { return };
        let number = |text: &[u8]| str::from_utf8(text).ok()?.parse::<u16>().ok();
        let mut numbers = parameters.split(|byte| *byte == b';').map(number);
        match (kind, last) {
            (b'?', b'h' | b'l') => {
                let numbers: Vec<u16> = numbers.flatten().collect();
                numbers.into_iter().for_each(|number| self.set(number, last == b'h'));
            }
            (b'!', b'p') => {
                self.keypad = false;
                [(1, false), (25, true), (7, true)].into_iter().for_each(|(mode, on)| self.set(mode, on));
            }
            (b'>', b'u') => {
                if self.kitty.len() < MOST_FORMS {
                    self.kitty.push(numbers.next().flatten().unwrap_or(0));
                }
                self.had_kitty = true;
            }
            (b'<', b'u') => {
                let count = usize::from(numbers.next().flatten().unwrap_or(1));
                self.kitty.truncate(self.kitty.len().saturating_sub(count));
            }
            (b'=', b'u') => {
                self.kitty.pop();
                self.kitty.push(numbers.next().flatten().unwrap_or(0));
                self.had_kitty = true;
            }
            (b'>', b'm') if numbers.next() == Some(Some(4)) => {
                self.other_keys = numbers.next().flatten().unwrap_or(0);
                self.had_other_keys = true;
            }
            _ => {}
        }
    }

    fn set(&mut self, mode: u16, on: bool) {
        if [47, 1047, 1049].contains(&mode) {
            self.other_screen = on.then_some(mode);
        }
        for ((followed, at_first), changed) in FOLLOWED.iter().zip(&mut self.changed) {
            if *followed == mode {
                *changed = on != *at_first;
            }
        }
    }

    /// A screen of its own is shown, not what was printed line by line.
    #[must_use]
    pub fn is_on_other_screen(&self) -> bool {
        self.other_screen.is_some()
    }

    /// What sets a terminal so that is as it was to begin with. Never empty.
    #[must_use]
    pub fn as_set(&self) -> String {
        let mut set = String::from("\x1b[0m");
        if let Some(screen) = self.other_screen {
            let _ = write!(set, "\x1b[?{screen}h");
        }
        for ((mode, at_first), _) in FOLLOWED.iter().zip(&self.changed).filter(|(_, changed)| **changed) {
            let _ = write!(set, "\x1b[?{mode}{}", if *at_first { 'l' } else { 'h' });
        }
        if self.keypad {
            set.push_str("\x1b=");
        }
        if self.other_keys > 0 {
            let _ = write!(set, "\x1b[>4;{}m", self.other_keys);
        }
        if let Some(form) = self.kitty.last().filter(|form| **form > 0) {
            let _ = write!(set, "\x1b[>{form}u");
        }
        set
    }

    /// What undoes it all, and leaves the cursor at the beginning of a line.
    #[must_use]
    pub fn undone(&self) -> String {
        // what ends a sequence that was cut short, before anything else
        let mut undo = String::from("\x18");
        let plain_keys = || if self.had_kitty { "\x1b[=0;1u" } else { "" };
        undo.push_str(plain_keys());
        if self.had_other_keys {
            undo.push_str("\x1b[>4m");
        }
        if let Some(screen) = self.other_screen {
            // each screen has its own form of keys
            let _ = write!(undo, "\x1b[?{screen}l{}", plain_keys());
        }
        if self.had_other_letters {
            undo.push_str("\x1b%G");
        }
        if self.had_commands {
            undo.push_str(OWN_COLOURS);
        }
        undo.push_str(PLAIN);
        undo.push_str(if self.other_screen == Some(WITH_CURSOR) { "\r" } else { "\r\n" });
        undo
    }
}

#[cfg(test)]
mod tests {
    use super::Modes;

    fn after(pieces: &[&[u8]]) -> Modes {
        let mut modes = Modes::default();
        pieces.iter().for_each(|piece| modes.printed(piece));
        modes
    }

    fn undone(pieces: &[&[u8]]) -> String {
        after(pieces).undone()
    }

    #[test]
    fn the_other_screen_is_left_if_it_is_shown_and_only_then() {
        assert!(undone(&[b"\x1b[?1049h"]).contains("\x1b[?1049l"));
        assert!(undone(&[b"text\x1b[?25;1049", b"h text"]).contains("\x1b[?1049l"));
        assert!(undone(&[b"\x1b", b"[", b"?4", b"7h"]).contains("\x1b[?47l"));
        for none in [&b"\x1b[?1049h\x1b[?1049l"[..], b"", b"[?1049h", b"\x1b[1049h", b"\x1b[?11049h"] {
            let undone = undone(&[none]);
            assert!(!undone.contains("49l") && !undone.contains("47l"), "{none:?}: {undone:?}");
        }
    }

    #[test]
    fn other_forms_of_keys_are_taken_back_where_they_were_asked_for() {
        assert!(undone(&[b"\x1b[>1u"]).contains("\x1b[=0;1u"));
        assert!(undone(&[b"\x1b[>1u\x1b[<u"]).contains("\x1b[=0;1u"));
        assert!(undone(&[b"\x1b[>4;2m"]).contains("\x1b[>4m"));
        let plain = undone(&[b"\x1b[1m\x1b[u"]);
        assert!(!plain.contains("\x1b[=") && !plain.contains("\x1b[>4"), "{plain:?}");
    }

    #[test]
    fn colours_and_letters_are_those_of_the_terminal_again() {
        let other = undone(&[b"\x1b]11;#ff0000\x07 \x1b%@"]);
        assert!(
            other.contains("\x1b]104\x1b\\") && other.contains("\x1b]111\x1b\\") && other.contains("\x1b%G")
        );
        let plain = undone(&[b"\x1b[31mtext]11;100%"]);
        assert!(!plain.contains("\x1b]") && !plain.contains("\x1b%"), "{plain:?}");
    }

    #[test]
    fn another_terminal_is_set_as_the_programs_own_is() {
        for (printed, set) in [
            (&b"plain \x1b[31mtext\x1b[m"[..], ""),
            (b"\x1b[?1049h\x1b[22;0;0t\x1b[?1h\x1b=\x1b[?25l", "\x1b[?1049h\x1b[?1h\x1b[?25l\x1b="),
            (b"\x1b[?1h\x1b=\x1b[?25l\x1b[!p", ""),
            (b"\x1b[?1000;1006h\x1b[?2004h\x1b[?1000l", "\x1b[?1006h\x1b[?2004h"),
            (b"\x1b[?7l\x1b[?7h\x1b[?7l", "\x1b[?7l"),
            (b"\x1b[?1049h\x1b[?1h\x1b[?1049l\x1b[?1l", ""),
            (b"\x1b[>1u\x1b[>5u\x1b[<u", "\x1b[>1u"),
            (b"\x1b[=3;1u", "\x1b[>3u"),
            (b"\x1b[>4;2m", "\x1b[>4;2m"),
            (b"\x1b[>4;2m\x1b[>4m", ""),
            (b"\x1b[?1049h\x1b[?1h\x1b=\x1bc", ""),
        ] {
            let modes = after(&[printed]);
            assert_eq!(modes.as_set(), format!("\x1b[0m{set}"), "{:?}", String::from_utf8_lossy(printed));
            // and what is set so, sets another one the same
            assert_eq!(after(&[modes.as_set().as_bytes()]).as_set(), modes.as_set());
        }
    }

    #[test]
    fn any_bytes_are_followed_in_bounded_memory() {
        let mut modes = Modes::default();
        modes.printed(b"\x1b[?");
        modes.printed(&[b'1'; 100_000]);
        assert!(modes.sequence.capacity() < 100);
        (0..1000).for_each(|_| modes.printed(b"\x1b[>1u"));
        assert!(modes.kitty.len() < 100);
        modes.printed(&(0..=255).cycle().take(10_000).collect::<Vec<u8>>());
        assert!(modes.undone().ends_with("\x1b[0m\r\n"));
    }
}
