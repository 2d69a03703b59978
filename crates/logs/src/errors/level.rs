//! Owns where a log record says its level, and which levels are errors. Must not know other shapes of errors.

/// What a record says of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Level {
    /// A warning or less, or text that explains another record.
    Low,
    /// An error or worse.
    High,
}

const HIGH: [&str; 14] = [
    "error",
    "err",
    "erro",
    "fatal",
    "fata",
    "ftl",
    "critical",
    "crit",
    "severe",
    "emerg",
    "emergency",
    "alert",
    "dpanic",
    "panic",
];
const LOW: [&str; 27] = [
    "trace",
    "trc",
    "debug",
    "dbg",
    "debu",
    "info",
    "inf",
    "information",
    "notice",
    "note",
    "verbose",
    "fine",
    "finer",
    "finest",
    "config",
    "warn",
    "wrn",
    "warning",
    "hint",
    "help",
    "log",
    "detail",
    "statement",
    "context",
    "dbug",
    "remark",
    "silly",
];
/// Text before the level that is looked at, in words.
const MOST_WORDS: usize = 8;
/// The shortest text that is taken for a time or a date: `7:46:57`.
const TIME_BYTES: usize = 7;
/// pino's and bunyan's number for `error`.
const NUMBERED_ERROR: u32 = 50;

/// The level where the record has one in a usual place: `[error]`, `ERROR`, `level=error`, `"level":"error"`.
pub(super) fn level_of(line: &str) -> Option<Level> {
    let indented = line.starts_with([' ', '\t']);
    let line = line.trim_start();
    if line.starts_with('{') {
        return keyed(line, "\":", '"');
    }
    if let Some(level) = letter(line) {
        return Some(level);
    }
    keyed(line, "=", ' ').or_else(|| worded(line, indented))
}

/// A value under `level` or `severity`: `before` is what its name begins after, `after` what follows it.
fn keyed(line: &str, after: &str, before: char) -> Option<Level> {
    ["level", "severity", "lvl", "levelname"].iter().find_map(|name| {
        let key = format!("{name}{after}");
        line.match_indices(&key).find_map(|(at, _)| {
            let begins = line[..at].chars().next_back().is_none_or(|c| c == before);
            begins.then(|| value(&line[at + key.len()..])).flatten()
        })
    })
}

fn value(text: &str) -> Option<Level> {
    let text = text.trim_start().trim_start_matches('"');
    let end = text.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(text.len());
    let word = &text[..end];
    match word.parse::<u32>() {
        Ok(number) if number >= 10 && number % 10 == 0 => {
            Some(if number >= NUMBERED_ERROR { Level::High } else { Level::Low })
        }
        Ok(_) => None,
        Err(_) => named(word),
    }
}

/// `E1121 07:00:00.000` as glog has it, `E, [2026-11-21T07:00:00` as Ruby does.
fn letter(line: &str) -> Option<Level> {
    let bytes = line.as_bytes();
    let glog =
        bytes.len() > 8 && bytes[1..5].iter().all(u8::is_ascii_digit) && bytes[5] == b' ' && bytes[8] == b':';
    if !glog && !line.get(1..).is_some_and(|rest| rest.starts_with(", [")) {
        return None;
    }
    match bytes[0] {
        b'E' | b'F' => Some(Level::High),
        b'I' | b'W' | b'D' | b'T' | b'V' => Some(Level::Low),
        _ => None,
    }
}

/// The level as a word, behind times, tags in brackets, names of services and loggers.
fn worded(line: &str, indented: bool) -> Option<Level> {
    let mut stamped = false;
    let mut plain_words = 0;
    for (nth, word) in line.split_ascii_whitespace().take(MOST_WORDS).enumerate() {
        let bare = word.trim_matches(|c| "[]()<>|:,-".contains(c));
        let marked = bare.len() < word.len();
        // `ERRO[0000]`, `[web:error]`.
        let bare = bare.split_once('[').map_or(bare, |(head, _)| head);
        let bare = if word.starts_with('[') { bare.rsplit(':').next().unwrap_or(bare) } else { bare };
        let bare =
            if word.starts_with('[') { bare } else { bare.split_once(':').map_or(bare, |(head, _)| head) };
        if let Some(level) = named(bare) {
            let shouted = bare.chars().all(|c| c.is_ascii_uppercase());
            // In small letters it is a word like any other, unless something marks it; `  error: ''` is a field.
            if shouted || (marked && (!indented || word.starts_with('['))) || (nth == 1 && stamped) {
                return Some(level);
            }
        }
        let time = bare.starts_with(|c: char| c.is_ascii_digit());
        // A number alone is none, nor a line and a column.
        stamped |= time && bare.len() >= TIME_BYTES && bare.contains([':', '-', '/']);
        let tag = word.starts_with(['[', '('])
            || word.ends_with([']', ')', '|'])
            || word == "-"
            || word == "|"
            || word == "---";
        let name =
            bare.contains(['.', '/', '_', '-', '#', '@', '=']) || bare.chars().any(|c| c.is_ascii_digit());
        if time || tag || bare.is_empty() || (stamped && name) {
            continue;
        }
        plain_words += 1;
        // `12:00:00 shop ERROR`, `21 Nov 2026`: one name, or a month and a zone.
        if !stamped || plain_words > 2 || word.ends_with(':') {
            return None;
        }
    }
    None
}

fn named(word: &str) -> Option<Level> {
    let is = |names: &[&str]| names.iter().any(|name| word.eq_ignore_ascii_case(name));
    if is(&HIGH) {
        Some(Level::High)
    } else if is(&LOW) {
        Some(Level::Low)
    } else {
        None
    }
}
