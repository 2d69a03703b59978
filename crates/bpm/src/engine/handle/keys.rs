//! Keys by name, as a terminal sends them (xterm's sequences, which nearly every program understands).

use bpm_api::{Code, Error};

/// What a key comes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Key {
    Bytes(Vec<u8>),
    /// A terminal's is a carriage return, a pipe's a line feed.
    Enter,
    /// A terminal makes a signal of it; without one it is that signal to the whole tree.
    Interrupt {
        byte: u8,
        signal: i32,
    },
    /// The end of the input: a pipe is closed, a terminal gets its end-of-file character.
    End,
}

const NAMED: [(&str, &[u8]); 18] = [
    ("tab", b"\t"),
    ("escape", b"\x1b"),
    ("space", b" "),
    ("backspace", b"\x7f"),
    ("delete", b"\x1b[3~"),
    ("insert", b"\x1b[2~"),
    ("up", b"\x1b[A"),
    ("down", b"\x1b[B"),
    ("right", b"\x1b[C"),
    ("left", b"\x1b[D"),
    ("home", b"\x1b[H"),
    ("end", b"\x1b[F"),
    ("pageup", b"\x1b[5~"),
    ("pagedown", b"\x1b[6~"),
    ("shift-tab", b"\x1b[Z"),
    ("f1", b"\x1bOP"),
    ("f2", b"\x1bOQ"),
    ("f5", b"\x1b[15~"),
];

/// # Errors
/// `invalid_parameter`, naming the keys that there are.
pub(super) fn find(name: &str) -> Result<Key, Error> {
    let lower = name.trim().to_ascii_lowercase().replace(['+', '_'], "-");
    let lower = match lower.as_str() {
        "esc" => "escape",
        "page-up" => "pageup",
        "page-down" => "pagedown",
        "eof" => "ctrl-d",
        other => other,
    };
    match lower {
        "enter" | "return" => return Ok(Key::Enter),
        "ctrl-d" => return Ok(Key::End),
        "ctrl-c" => return Ok(Key::Interrupt { byte: 3, signal: 2 }),
        "ctrl-\\" => return Ok(Key::Interrupt { byte: 28, signal: 3 }),
        _ => {}
    }
    if let Some((_, bytes)) = NAMED.iter().find(|(known, _)| *known == lower) {
        return Ok(Key::Bytes(bytes.to_vec()));
    }
    if let Some(letter) = lower.strip_prefix("ctrl-").and_then(only_byte)
        && (letter.is_ascii_lowercase() || b"[\\]^_".contains(&letter))
    {
        return Ok(Key::Bytes(vec![letter.to_ascii_uppercase() & 0x1f]));
    }
    if let Some(letter) = lower.strip_prefix("alt-").and_then(only_byte) {
        return Ok(Key::Bytes(vec![0x1b, letter]));
    }
    let names: Vec<&str> = NAMED.iter().map(|(name, _)| *name).collect();
    let shown: String = name.chars().filter(|c| !c.is_control()).take(40).collect();
    Err(Error::new(
        Code::InvalidParameter,
        format!("`key` is `{shown}`, expected enter, {}, ctrl-LETTER or alt-LETTER", names.join(", ")),
    )
    .hint("what is to be typed as it is goes into `text`"))
}

fn only_byte(text: &str) -> Option<u8> {
    match text.as_bytes() {
        [byte] => Some(*byte),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(name: &str) -> Vec<u8> {
        match find(name).unwrap() {
            Key::Bytes(bytes) => bytes,
            other => panic!("{name} is {other:?}"),
        }
    }

    #[test]
    fn keys_are_what_a_terminal_sends() {
        assert_eq!(find("Enter").unwrap(), Key::Enter);
        assert_eq!(find("Ctrl-C").unwrap(), Key::Interrupt { byte: 3, signal: 2 });
        assert_eq!(bytes("ctrl+z"), [26]);
        assert_eq!(bytes("ctrl-["), [27]);
        assert_eq!(bytes("UP"), b"\x1b[A");
        assert_eq!(bytes("alt-b"), b"\x1bb");
        assert_eq!(find("ctrl-d").unwrap(), Key::End);
        for wrong in ["", "x", "ctrl-", "ctrl-ab", "ctrl-1", "hyper-x", "\u{1b}"] {
            assert_eq!(find(wrong).unwrap_err().code, Code::InvalidParameter, "{wrong:?}");
        }
    }
}
