//! What is typed: where in it `ctrl-]` is. Knows bytes only.

/// `ctrl-]` as terminals send it: as a control character; where the program has asked for keys that can be told apart, in one of two
/// other forms.
const CONTROL: u8 = 0x1d;
const KITTY: &[u8] = b"\x1b[93;5";
const OTHER_KEYS: &[u8] = b"\x1b[27;5;93~";

/// The place of the first `ctrl-]`.
pub(super) fn leave_at(typed: &[u8]) -> Option<usize> {
    (0..typed.len()).find(|place| {
        let rest = &typed[*place..];
        let kitty = || rest.strip_prefix(KITTY).is_some_and(|rest| matches!(rest.first(), Some(b'u' | b':')));
        rest[0] == CONTROL || kitty() || rest.starts_with(OTHER_KEYS)
    })
}

#[cfg(test)]
mod tests {
    use super::leave_at;

    #[test]
    fn the_key_is_found_in_each_of_its_forms() {
        for form in [&b"\x1d"[..], b"\x1b[93;5u", b"\x1b[93;5:1u", b"\x1b[27;5;93~"] {
            assert_eq!(leave_at(form), Some(0), "{form:?}");
            assert_eq!(leave_at(&[b"ab", form, b"c\x1d"].concat()), Some(2), "{form:?}");
        }
        for other in [&b""[..], b"]", b"\x1b]", b"\x1b[93;5", b"\x1b[93;55u", b"\x1b[93;3u", b"\x1b[27;5;94~"]
        {
            assert_eq!(leave_at(other), None, "{other:?}");
        }
    }
}
