//! What a program may have set in the terminal that it was shown on, and what undoes it. Knows bytes only.

/// Harmless where none of it was set. The cursor stays where it is: the full scroll region would take it away.
const ALWAYS: &str = concat!(
    "\x1b[?2026l",                                               // what was drawn is shown
    "\x1b7\x1b[r\x1b8",                                          // the whole screen scrolls
    "\x1b[?9l\x1b[?1000l\x1b[?1001l\x1b[?1002l\x1b[?1003l",      // no mouse
    "\x1b[?1005l\x1b[?1006l\x1b[?1015l\x1b[?1016l\x1b[?1004l",   // nor its encodings, nor focus
    "\x1b[?2004l\x1b[?1l\x1b>\x1b[4l\x1b[20l\x1b[?7h\x1b(B\x0f", // plain paste, keys, lines, letters
    "\x1b[0 q\x1b[?25h\x1b[0m",                                  // cursor and colours
);
/// Parameters of a sequence that are looked at.
const LONGEST: usize = 32;

/// Follows what is printed, for what must not be undone where it was not done.
#[derive(Debug, Default)]
pub(super) struct Modes {
    state: State,
    sequence: Vec<u8>,
    /// The other screen, by the mode that showed it.
    other_screen: Option<u16>,
    /// Keys are sent in a form that tells them apart: kitty's, xterm's.
    kitty: bool,
    other_keys: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    #[default]
    Text,
    Escape,
    Sequence,
}

impl Modes {
    pub(super) fn printed(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.state = match (self.state, *byte) {
                (_, 0x1b) => State::Escape,
                (State::Escape, b'[') => {
                    self.sequence.clear();
                    State::Sequence
                }
                (State::Sequence, last @ 0x40..=0x7e) => {
                    self.sequence_ended(last);
                    State::Text
                }
                (State::Sequence, part) => {
                    if self.sequence.len() < LONGEST {
                        self.sequence.push(part);
                    }
                    State::Sequence
                }
                (State::Text | State::Escape, _) => State::Text,
            };
        }
    }

    fn sequence_ended(&mut self, last: u8) {
        let Some((kind, parameters)) = self.sequence.split_first() else { return };
        match (kind, last) {
            (b'?', b'h' | b'l') => {
                let numbers = parameters.split(|byte| *byte == b';');
                let numbers = numbers.filter_map(|number| str::from_utf8(number).ok()?.parse::<u16>().ok());
                for screen in numbers.filter(|number| [47, 1047, 1049].contains(number)) {
                    self.other_screen = (last == b'h').then_some(screen);
                }
            }
            (b'>' | b'=', b'u') => self.kitty = true,
            (b'>', b'm') => self.other_keys = true,
            _ => {}
        }
    }

    /// What undoes it all, and leaves the cursor at the beginning of a line.
    pub(super) fn undone(&self) -> String {
        // what ends a sequence that was cut short, before anything else
        let mut undo = String::from("\x18");
        if self.kitty {
            undo.push_str("\x1b[=0;1u");
        }
        if self.other_keys {
            undo.push_str("\x1b[>4m");
        }
        if let Some(screen) = self.other_screen {
            undo.push_str(&format!("\x1b[?{screen}l"));
            if self.kitty {
                undo.push_str("\x1b[=0;1u"); // each screen has its own
            }
        }
        undo.push_str(ALWAYS);
        undo.push_str("\r\n");
        undo
    }
}

#[cfg(test)]
mod tests {
    use super::Modes;

    fn after(pieces: &[&[u8]]) -> String {
        let mut modes = Modes::default();
        pieces.iter().for_each(|piece| modes.printed(piece));
        modes.undone()
    }

    #[test]
    fn the_other_screen_is_left_if_it_is_shown_and_only_then() {
        assert!(after(&[b"\x1b[?1049h"]).contains("\x1b[?1049l"));
        assert!(after(&[b"\x1b[?25;1049", b"h text"]).contains("\x1b[?1049l"));
        assert!(after(&[b"\x1b", b"[", b"?4", b"7h"]).contains("\x1b[?47l"));
        for none in [&b"\x1b[?1049h\x1b[?1049l"[..], b"", b"[?1049h", b"\x1b[1049h", b"\x1b[?11049h"] {
            let undone = after(&[none]);
            assert!(!undone.contains("49l") && !undone.contains("47l"), "{none:?}: {undone:?}");
        }
    }

    #[test]
    fn other_forms_of_keys_are_taken_back_where_they_were_asked_for() {
        assert!(after(&[b"\x1b[>1u"]).contains("\x1b[=0;1u"));
        assert!(after(&[b"\x1b[>4;2m"]).contains("\x1b[>4m"));
        let plain = after(&[b"\x1b[1m\x1b[u"]);
        assert!(!plain.contains("\x1b[=") && !plain.contains("\x1b[>4"), "{plain:?}");
    }

    #[test]
    fn any_bytes_are_followed_in_bounded_memory() {
        let mut modes = Modes::default();
        modes.printed(b"\x1b[?");
        modes.printed(&[b'1'; 100_000]);
        assert!(modes.sequence.capacity() < 100);
        modes.printed(&(0..=255).cycle().take(10_000).collect::<Vec<u8>>());
        assert!(modes.undone().ends_with("\r\n"));
    }
}
