//! What an edit of a configuration file is, whatever its format: pieces of text put in, taken out or changed,
//! and everything else left byte for byte. Knows neither JSON nor TOML, nor files.

use std::ops::Range;

/// What a client is told about a server, in the order in which it is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Entry(pub(super) Vec<(&'static str, Field)>);

/// The value of a field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Field {
    Text(String),
    List(Vec<String>),
}

/// Where an entry is kept: the name of the table or object, and its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Slot {
    pub(super) container: &'static str,
    pub(super) name: &'static str,
}

/// How much of what is around an entry came with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Made {
    Entry,
    /// Also the object that it is in.
    Container,
    /// Also the file.
    File,
}

/// What was found for an entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Found {
    Nothing,
    /// All fields are as wanted; there may be more.
    Same,
    Different(Vec<Difference>),
}

/// A field that is not as wanted. What it says may be shown: values of variables and headers are not in it.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub(super) struct Difference {
    pub(super) key: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) before: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) after: Option<String>,
}

impl Difference {
    /// `before`: as it is written.
    pub(super) fn new(key: &str, before: Option<&str>, after: Option<String>) -> Difference {
        const SECRET: [&str; 4] = ["env", "environment", "headers", "http_headers"];
        let shown =
            |text: &str| if SECRET.contains(&key) { "(not shown)".to_owned() } else { text.to_owned() };
        Difference { key: key.to_owned(), before: before.map(shown), after }
    }
}

/// What is wrong with a file, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Fault {
    /// From 1; 0: nowhere in particular.
    pub(super) line: usize,
    /// From 1, in characters.
    pub(super) column: usize,
    pub(super) message: String,
}

impl Fault {
    /// At a byte of the text.
    pub(super) fn at(text: &str, byte: usize, message: impl Into<String>) -> Fault {
        let before = text.get(..byte).unwrap_or(text);
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().map_or(0, |last| last.chars().count()) + 1;
        Fault { line, column, message: message.into() }
    }
}

/// A piece of the text that is replaced by another; an empty range puts in, an empty text takes out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Splice {
    pub(super) range: Range<usize>,
    pub(super) text: String,
}

impl Splice {
    pub(super) fn put(at: usize, text: impl Into<String>) -> Splice {
        Splice { range: at..at, text: text.into() }
    }

    pub(super) fn take(range: Range<usize>) -> Splice {
        Splice { range, text: String::new() }
    }
}

/// Carries splices out; several at one place in the order in which they come.
pub(super) fn apply(text: &str, splices: &[Splice]) -> String {
    let mut sorted: Vec<&Splice> = splices.iter().collect();
    sorted.sort_by_key(|splice| splice.range.start);
    let mut out = String::with_capacity(text.len() + 256);
    let mut at = 0;
    for Splice { range, text: new } in sorted {
        out.push_str(text.get(at..range.start).unwrap_or_default());
        out.push_str(new);
        at = range.end.max(at);
    }
    out.push_str(text.get(at..).unwrap_or_default());
    out
}

/// Where in the new text the pieces are that splices put in.
pub(super) fn inserted(splices: &[Splice]) -> Vec<Range<usize>> {
    let mut sorted: Vec<&Splice> = splices.iter().collect();
    sorted.sort_by_key(|splice| splice.range.start);
    let (mut grown, mut shrunk) = (0, 0);
    let mut pieces = Vec::new();
    for splice in sorted {
        let start = splice.range.start + grown - shrunk;
        pieces.push(start..start + splice.text.len());
        grown += splice.text.len();
        shrunk += splice.range.len();
    }
    pieces
}

/// The line ending that a text uses.
pub(super) fn newline(text: &str) -> &'static str {
    match text.find('\n') {
        Some(at) if text[..at].ends_with('\r') => "\r\n",
        Some(_) | None => "\n",
    }
}

/// Where the line begins that a byte is on.
pub(super) fn line_start(text: &str, at: usize) -> usize {
    text[..at].rfind('\n').map_or(0, |newline| newline + 1)
}

/// The white space at the beginning of that line.
pub(super) fn indent(text: &str, at: usize) -> &str {
    let line = &text[line_start(text, at)..];
    &line[..line.len() - line.trim_start_matches([' ', '\t']).len()]
}
