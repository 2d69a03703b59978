//! Makes text that programs wrote harmless: on a terminal it may neither move the cursor nor change colours
//! nor turn the direction of writing. Knows characters only.

use std::borrow::Cow;

use unicode_width::{UnicodeWidthChar as _, UnicodeWidthStr as _};

/// One line: what a terminal would obey is shown in escaped form. Tabs stay.
#[must_use]
pub fn safe_line(text: &str) -> Cow<'_, str> {
    escape(text, |c| c == '\t')
}

/// Several lines, the same way.
#[must_use]
pub fn safe_text(text: &str) -> Cow<'_, str> {
    escape(text, |c| c == '\t' || c == '\n')
}

/// One safe line, no wider than `width` columns; `…` where something is missing.
#[must_use]
pub fn fit(text: &str, width: usize) -> String {
    let text = safe_line(text).replace('\t', " ");
    if text.width() <= width {
        return text;
    }
    let mut out = String::new();
    let mut used = 1;
    for c in text.chars() {
        used += c.width().unwrap_or(0);
        if used > width {
            break;
        }
        out.push(c);
    }
    out.push('…');
    out
}

fn escape(text: &str, harmless: impl Fn(char) -> bool) -> Cow<'_, str> {
    let obeyed = |c: char| !harmless(c) && is_obeyed(c);
    if !text.contains(obeyed) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        if obeyed(c) {
            out.extend(c.escape_default());
        } else {
            out.push(c);
        }
    }
    Cow::Owned(out)
}

fn is_obeyed(c: char) -> bool {
    c.is_control() || matches!(c, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::{fit, safe_line, safe_text};

    #[test]
    fn nothing_that_a_terminal_obeys_gets_through() {
        assert_eq!(safe_line("a\x1b[2Jb\x07\u{9b}1m"), "a\\u{1b}[2Jb\\u{7}\\u{9b}1m");
        assert_eq!(safe_line("rtl \u{202e}gpj"), "rtl \\u{202e}gpj");
        assert_eq!(safe_line("one\ntwo\rthree"), "one\\ntwo\\rthree");
        assert_eq!(safe_text("one\n\ttwo\r"), "one\n\ttwo\\r");
    }

    #[test]
    fn a_line_is_cut_to_the_columns_there_are() {
        assert_eq!(fit("short", 5), "short");
        assert_eq!(fit("longer", 5), "long…");
        assert_eq!(fit("漢字漢字", 5), "漢字…");
        assert_eq!(fit("漢字漢字", 4), "漢…");
        assert_eq!(fit("x", 0), "…");
    }

    #[test]
    fn ordinary_text_is_left_alone() {
        for text in ["", "plain", "größer → 漢字 👩‍👩‍👧", "\ttab"] {
            assert_eq!(safe_line(text), text);
        }
    }
}
