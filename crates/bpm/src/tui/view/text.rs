//! Text that may be drawn: made harmless, measured, wrapped; times and numbers as people write them.
//! Must not know where on the screen it goes.

use std::borrow::Cow;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use ratatui::text::{Line, Span};
use unicode_segmentation::UnicodeSegmentation;
use unicode_width::UnicodeWidthStr;

use super::style::ascii;
use crate::render;

const SECOND_MS: i64 = 1000;
const MINUTE_MS: i64 = 60 * SECOND_MS;
const HOUR_MS: i64 = 60 * MINUTE_MS;
const DAY_MS: i64 = 24 * HOUR_MS;

/// Nothing that a terminal would obey, nothing that turns the direction of writing, and where it has to be nothing but
/// ASCII. All text that is no line of a log goes through it.
pub(super) fn safe(text: &str, only_ascii: bool) -> Cow<'_, str> {
    if text.bytes().all(|byte| matches!(byte, b' '..=b'~')) {
        return Cow::Borrowed(text);
    }
    let text = render::safe_line(text);
    if !only_ascii {
        return if text.contains('\t') { Cow::Owned(text.replace('\t', " ")) } else { text };
    }
    let mut out = String::with_capacity(text.len());
    for grapheme in text.graphemes(true) {
        push_ascii(&mut out, grapheme);
    }
    Cow::Owned(out)
}

fn push_ascii(out: &mut String, grapheme: &str) {
    let mut chars = grapheme.chars();
    let stands_for = chars.next().filter(|_| chars.next().is_none()).and_then(ascii);
    match stands_for {
        _ if grapheme == "\t" => out.push(' '),
        _ if grapheme.is_ascii() => out.push_str(grapheme),
        Some(text) => out.push_str(text),
        None => out.extend(std::iter::repeat_n('?', width(grapheme))),
    }
}

/// A program's text where it has to be nothing but ASCII, in the same columns.
pub(super) fn masked(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for grapheme in text.graphemes(true) {
        match grapheme.is_ascii() {
            true => out.push_str(grapheme),
            false => out.extend(std::iter::repeat_n('?', grapheme.width())),
        }
    }
    out
}

/// Columns of a text that is safe.
pub(super) fn width(text: &str) -> usize {
    if text.is_ascii() {
        return text.len();
    }
    text.graphemes(true).map(UnicodeWidthStr::width).sum()
}

/// A path as people write it, with `~` for the home directory.
pub(super) fn tilde<'p>(path: &'p str, home: Option<&str>) -> Cow<'p, str> {
    let home = home.map(|home| home.trim_end_matches('/')).filter(|home| !home.is_empty());
    match home.and_then(|home| path.strip_prefix(home)) {
        Some("") => Cow::Borrowed("~"),
        Some(rest) if rest.starts_with('/') => Cow::Owned(format!("~{rest}")),
        Some(_) | None => Cow::Borrowed(path),
    }
}

/// The end of a path where there is no room for all of it: `…/code/shop`, or the last name alone. An address is left
/// alone: its beginning says more.
pub(super) fn path_end(path: &str, columns: usize) -> Cow<'_, str> {
    if width(path) <= columns || path.contains("://") {
        return Cow::Borrowed(path);
    }
    let mut ends = path.match_indices('/').map(|(at, _)| &path[at..]);
    match ends.find(|end| end.len() > 1 && width(end) < columns) {
        Some(end) => Cow::Owned(format!("…{end}")),
        None => Cow::Borrowed(path.trim_end_matches('/').rsplit('/').next().unwrap_or(path)),
    }
}

/// A text cut into rows at blanks, none wider than `columns`; a word that is wider is cut. At least one row.
pub(super) fn wrap(text: &str, columns: usize) -> Vec<String> {
    let columns = columns.max(1);
    let mut rows = vec![String::new()];
    let mut used = 0;
    for word in text.split(' ').filter(|word| !word.is_empty()) {
        let wide = width(word);
        let gap = usize::from(used > 0);
        if used + gap + wide > columns && used > 0 {
            rows.push(String::new());
            used = 0;
        } else if gap > 0 {
            push(&mut rows, " ");
            used += 1;
        }
        if wide <= columns {
            push(&mut rows, word);
            used += wide;
            continue;
        }
        for grapheme in word.graphemes(true) {
            let wide = grapheme.width();
            if used + wide > columns && used > 0 {
                rows.push(String::new());
                used = 0;
            }
            push(&mut rows, grapheme);
            used += wide;
        }
    }
    rows
}

fn push(rows: &mut [String], text: &str) {
    if let Some(row) = rows.last_mut() {
        row.push_str(text);
    }
}

/// Columns of spans once they are drawn.
pub(super) fn line_width(line: &Line<'_>, only_ascii: bool) -> usize {
    line.spans.iter().map(|span| width(&safe(&span.content, only_ascii))).sum()
}

/// A line of spans that outlives what they were made of.
pub(super) fn line<const N: usize>(spans: [Span<'static>; N]) -> Line<'static> {
    Line::from(Vec::from(spans))
}

/// A span in one unit, for places where there is little room: `42 s`, `3 min`, `2 h`, `4 d`.
pub(super) fn brief(seconds: f64) -> String {
    // saturates, and is 0 for what is no number
    match seconds as u64 {
        whole @ 0..60 => format!("{whole} s"),
        whole @ 60..3600 => format!("{} min", whole / 60),
        whole @ 3600..86_400 => format!("{} h", whole / 3600),
        whole => format!("{} d", whole / 86_400),
    }
}

/// The same of what is left: not less than it is.
pub(super) fn brief_left(seconds: f64) -> String {
    let unit = match seconds.ceil() {
        0.0..60.0 => 1.0,
        60.0..3600.0 => 60.0,
        3600.0..86_400.0 => 3600.0,
        _ => 86_400.0,
    };
    brief((seconds / unit).ceil() * unit)
}

/// `1,048,576`
pub(super) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// Where times are told: the offset, and when it is now.
#[derive(Clone, Copy, Debug)]
pub(super) struct Clock {
    pub(super) offset_seconds: i32,
    pub(super) now_ms: i64,
}

impl Clock {
    /// When something was: `14:05:31`, with its day where that is another than today.
    pub(super) fn at(self, wall_ms: i64) -> String {
        let (local, now) = (self.local(wall_ms), self.local(self.now_ms));
        let time = local.rem_euclid(DAY_MS);
        let (hour, minute) = (time / HOUR_MS, time % HOUR_MS / MINUTE_MS);
        if local.div_euclid(DAY_MS) == now.div_euclid(DAY_MS) {
            return format!("{hour:02}:{minute:02}:{:02}", time % MINUTE_MS / SECOND_MS);
        }
        match Timestamp::from_millisecond(local) {
            Ok(at) => {
                let day = at.to_zoned(TimeZone::UTC).date();
                format!("{:02}-{:02} {hour:02}:{minute:02}", day.month(), day.day())
            }
            Err(_) => format!("{hour:02}:{minute:02}"),
        }
    }

    /// The same of a time as the API tells it.
    pub(super) fn told(self, time: &str) -> String {
        time.parse::<Timestamp>().map_or_else(|_| time.to_owned(), |at| self.at(at.as_millisecond()))
    }

    /// The time of day of a line: `14:05:31.123`. Blank where there is none.
    pub(super) fn exact(self, time: &str) -> String {
        let Ok(at) = time.parse::<Timestamp>() else { return String::new() };
        let time = self.local(at.as_millisecond()).rem_euclid(DAY_MS);
        let (hour, minute, second) =
            (time / HOUR_MS, time % HOUR_MS / MINUTE_MS, time % MINUTE_MS / SECOND_MS);
        format!("{hour:02}:{minute:02}:{second:02}.{:03}", time % SECOND_MS)
    }

    fn local(self, wall_ms: i64) -> i64 {
        wall_ms.saturating_add(i64::from(self.offset_seconds) * SECOND_MS)
    }
}

#[cfg(test)]
mod tests {
    use super::{Clock, brief, brief_left, grouped, path_end, safe, tilde, width, wrap};

    #[test]
    fn nothing_is_drawn_that_a_terminal_obeys() {
        assert_eq!(safe("a\x1b[2J\u{202e}b\tc", false), "a\\u{1b}[2J\\u{202e}b c");
        assert_eq!(safe("größer … ▶ 漢", true), "gr??er ... > ??");
        assert_eq!(safe("e\u{301} 👩‍👩‍👧 \u{200b}|", true), "? ?? |");
    }

    #[test]
    fn texts_are_wrapped_at_blanks_and_long_words_anywhere() {
        assert_eq!(wrap("one two three", 7), ["one two", "three"]);
        assert_eq!(wrap("  one   two ", 20), ["one two"]);
        assert_eq!(wrap("abcdefgh ij", 3), ["abc", "def", "gh", "ij"]);
        assert_eq!(wrap("漢字漢字 x", 5), ["漢字", "漢字", "x"]);
        assert_eq!(wrap("漢", 1), ["漢"]);
        assert_eq!(wrap("", 0), [""]);
        assert_eq!(width("漢e\u{301}"), 3);
    }

    #[test]
    fn paths_are_shortened_at_the_front() {
        let home = Some("/home/ada/");
        let paths = ["/home/ada/shop", "/home/ada", "/home/adam", "http://x/home/ada/y", ""];
        assert_eq!(paths.map(|path| tilde(path, home)).join(" "), "~/shop ~ /home/adam http://x/home/ada/y ");
        assert_eq!([Some(""), Some("/"), None].map(|home| tilde("/srv", home)).join(" "), "/srv /srv /srv");
        assert_eq!(path_end("~/code/shop", 11), "~/code/shop");
        assert_eq!(path_end("~/code/shop", 10), "…/shop");
        assert_eq!(path_end("~/very/long/code/shop", 12), "…/code/shop");
        assert_eq!(path_end("/srv/a-long-name", 4), "a-long-name");
        assert_eq!(path_end("http://build:3001/mcp", 9), "http://build:3001/mcp");
        assert_eq!(path_end("no path", 4), "no path");
    }

    #[test]
    fn times_and_numbers_are_short() {
        let clock = Clock { offset_seconds: 3600, now_ms: 1_795_255_531_000 };
        assert_eq!(clock.told("2026-11-21T09:05:31.999Z"), "10:05:31");
        assert_eq!(clock.told("2026-11-20T23:05:31Z"), "00:05:31");
        assert_eq!(clock.told("2026-11-20T22:59:59Z"), "11-20 23:59");
        assert_eq!(clock.told("soon"), "soon");
        assert_eq!(clock.exact("2026-11-20T22:59:59.0421Z"), "23:59:59.042");
        assert_eq!(clock.exact(""), "");
        let wild = Clock { offset_seconds: i32::MAX, now_ms: i64::MAX };
        let _ = (wild.at(i64::MIN), wild.at(i64::MAX), wild.at(0));
        assert_eq!(
            [0.9, 60.0, 7199.0, 1e6, f64::NAN, -1.0].map(brief).join(" "),
            "0 s 1 min 1 h 11 d 0 s 0 s"
        );
        let left = [0.2, 59.0, 60.0, 61.0, 3541.0, 86_399.0, f64::NAN, -3.0].map(brief_left);
        assert_eq!(left.join(", "), "1 s, 59 s, 1 min, 2 min, 1 h, 1 d, 0 s, 0 s");
        assert_eq!([0, 999, 1000, 1_048_576].map(grouped).join(" "), "0 999 1,000 1,048,576");
    }
}
