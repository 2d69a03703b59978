//! From text to tree, with every syntax error and as much of the rest as can be saved: each broken
//! statement is reported once, blanked, and what is left is parsed again, so that one missing
//! bracket neither hides the faults below it nor breeds new ones. Must not know which keys exist.

use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue, Error};

use super::fault::tick;
use super::text::Text;
use super::tree::Table;

/// Broken statements that are recovered from, one parse each; fewer in a big file.
const MAX_PASSES: usize = 50;
/// Bytes and errors of all parses together, after which the rest is taken as it is.
const MAX_PARSED: usize = 4 * 1024 * 1024;
const MAX_ERRORS: usize = 4000;

#[derive(Debug)]
pub(super) struct Parsed {
    pub(super) table: Table,
    /// Not empty: some of the file is not in the table.
    pub(super) errors: Vec<SyntaxError>,
}

#[derive(Debug)]
pub(super) struct SyntaxError {
    pub(super) span: Range<usize>,
    pub(super) message: String,
    pub(super) suggestion: Option<String>,
}

pub(super) fn parse(index: usize, file: &Text<'_>) -> Parsed {
    let mut rest = file.text.to_owned();
    let mut errors = Vec::new();
    let passes = (MAX_PARSED / rest.len().max(1)).min(MAX_PASSES);
    let mut seen = 0;
    for _ in 0..passes {
        let (root, found) = DeTable::parse_recoverable(&rest);
        seen += found.len();
        let Some(first) = first_of_grammar(&found) else {
            errors.extend(found.iter().map(|error| describe(file, error)));
            return Parsed { table: Table::new(index, root.get_ref()), errors };
        };
        let broken = Statement::around(file, &rest, root.get_ref(), start(first), &found);
        errors.push(broken.error.unwrap_or_else(|| describe(file, first)));
        match blanked(&rest, &broken.extent) {
            Some(blanked) if seen < MAX_ERRORS => rest = blanked,
            _ => break,
        }
    }
    give_up(index, file, &rest, errors)
}

/// Takes what the parser makes of the rest, with one error for each line.
fn give_up(index: usize, file: &Text<'_>, rest: &str, mut errors: Vec<SyntaxError>) -> Parsed {
    let (root, mut found) = DeTable::parse_recoverable(rest);
    found.sort_by_key(start);
    found.dedup_by_key(|error| file.line_index(start(error)));
    errors.extend(found.iter().map(|error| describe(file, error)));
    errors.sort_by_key(|error| error.span.start);
    errors.dedup_by_key(|error| file.line_index(error.span.start));
    Parsed { table: Table::new(index, root.get_ref()), errors }
}

/// The first error of form; errors of meaning (a key twice) do not spoil what follows.
fn first_of_grammar(found: &[Error]) -> Option<&Error> {
    let of_meaning = |error: &&Error| {
        let message = error.message();
        message.starts_with("duplicate key") || message.starts_with("cannot extend")
    };
    found.iter().filter(|error| !of_meaning(error)).min_by_key(|error| start(error))
}

fn start(error: &Error) -> usize {
    error.span().map_or(0, |span| span.start)
}

/// The lines that an error spoils.
#[derive(Debug)]
struct Statement {
    extent: Range<usize>,
    /// Instead of the parser's own, where that points to a consequence.
    error: Option<SyntaxError>,
}

impl Statement {
    fn around(file: &Text<'_>, rest: &str, root: &DeTable<'_>, at: usize, found: &[Error]) -> Self {
        let Some((key, value)) = entry_around(root, at) else {
            return Self::of_line(file, rest, at);
        };
        let unclosed = found.iter().any(|error| {
            let inside = (value.start..=value.end).contains(&start(error));
            inside && is_unclosed(error)
        });
        let first = file.line_index(key);
        let last = file.line_span(file.line_index(value.end)).end;
        let opening = &file.text[file.clamp(value.start..value.end)];
        let goes_on = |line: &str| match opening.as_bytes().first() {
            Some(b'[') => !is_header(line) && !is_assignment(line),
            Some(b'{') => !is_header(line),
            _ => true,
        };
        let (what, width, closing) = match opening.as_bytes().first() {
            Some(b'[') => ("array", 1, "]"),
            Some(b'{') => ("table", 1, "}"),
            _ => ("string", 3, opening.get(..3).unwrap_or("a quote")),
        };
        let end = end_of_block(file, first, goes_on);
        // Without its bracket a value swallows other keys and may even end at another's bracket.
        let error = (unclosed || end < last).then(|| SyntaxError {
            span: file.clamp(value.start..value.start + width),
            message: format!("{what} is not closed, expected `{closing}`"),
            suggestion: None,
        });
        let end = if error.is_some() { end } else { last };
        Self { extent: file.line_span(first).start..end, error }
    }

    /// Outside of any value: the line, and for a header all that it would have headed.
    fn of_line(file: &Text<'_>, rest: &str, at: usize) -> Self {
        let mut line = file.line_index(at.min(rest.len()));
        while line > 0 && rest[file.line_span(line)].trim().is_empty() {
            line -= 1;
        }
        let span = file.line_span(line);
        let end = if file.text[span.clone()].trim_start().starts_with('[') {
            end_of_block(file, line, |line| !is_header(line))
        } else {
            span.end
        };
        Self { extent: span.start..end, error: None }
    }
}

/// An array, inline table or multi-line string that ran to the end of the file.
fn is_unclosed(error: &Error) -> bool {
    let message = error.message();
    message.starts_with("unclosed") || message.starts_with("invalid multi-line")
}

/// End of the last line after `first` for which `goes_on` holds.
fn end_of_block(file: &Text<'_>, first: usize, goes_on: impl Fn(&str) -> bool) -> usize {
    let after = first + 1..file.line_count();
    let next = after.into_iter().find(|line| !goes_on(&file.text[file.line_span(*line)]));
    let last = next.unwrap_or(file.line_count()) - 1;
    file.line_span(last).end
}

/// Key start and value of the outermost entry that covers the place.
fn entry_around(table: &DeTable<'_>, at: usize) -> Option<(usize, Range<usize>)> {
    table
        .iter()
        .find_map(|(key, value)| {
            let (start, span) = (key.span().start, value.span());
            (start <= at && at <= span.end && span.start > start).then_some((start, span))
        })
        .or_else(|| table.values().find_map(|value| entry_inside(value, at)))
}

fn entry_inside(value: &Spanned<DeValue<'_>>, at: usize) -> Option<(usize, Range<usize>)> {
    match value.get_ref() {
        DeValue::Table(table) => entry_around(table, at),
        DeValue::Array(items) => items.iter().find_map(|item| entry_inside(item, at)),
        _ => None,
    }
}

/// `[name]` or `[[name]]`, perhaps with a comment; not an array within an array.
fn is_header(line: &str) -> bool {
    let line = line.trim();
    let inner = line.trim_start_matches('[');
    let Some((name, after)) = inner.split_once(']') else {
        return false;
    };
    let after = after.trim_start_matches(']').trim_start();
    inner.len() < line.len()
        && name.trim().starts_with(|c: char| c.is_ascii_alphabetic())
        && name.chars().all(|c| is_bare(c) || "\"' ".contains(c))
        && (after.is_empty() || after.starts_with('#'))
}

/// `key = …` with a bare key.
fn is_assignment(line: &str) -> bool {
    let line = line.trim_start();
    let rest = line.trim_start_matches(is_bare);
    rest.len() < line.len() && rest.trim_start().starts_with('=')
}

fn is_bare(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.')
}

/// The text with spaces in the extent, all offsets kept; `None` if nothing was left to blank.
fn blanked(text: &str, extent: &Range<usize>) -> Option<String> {
    let old = &text[extent.clone()];
    if old.trim().is_empty() {
        return None;
    }
    let mut new = String::with_capacity(text.len());
    new.push_str(&text[..extent.start]);
    for c in old.chars() {
        match c {
            '\n' | '\r' => new.push(c),
            c => new.extend(std::iter::repeat_n(' ', c.len_utf8())),
        }
    }
    new.push_str(&text[extent.end..]);
    Some(new)
}

/// The parser's error, in other words where its own mislead.
fn describe(file: &Text<'_>, error: &Error) -> SyntaxError {
    let span = file.clamp(error.span().unwrap_or(0..0));
    let line = &file.text[file.line_span(file.line_index(span.start))];
    let found = &file.text[span.clone()];
    let message = error.message();
    let (message, suggestion) = if is_yaml(line) {
        let help = "in TOML a value is written `key = value`";
        ("`:` after a key, expected `=`".to_owned(), Some(help))
    } else if line.trim_start().starts_with('{') {
        let help = "this looks like JSON, the file is TOML";
        (message.to_owned(), Some(help))
    } else if message == "duplicate key" {
        (format!("key {} is there twice", tick(found)), None)
    } else if is_bare_word(found, message) {
        let help = match found.to_ascii_lowercase().as_str() {
            "true" => "write `true`",
            "false" => "write `false`",
            _ => "if it is a string, put it in quotes",
        };
        (format!("{} is no TOML value", tick(found)), Some(help))
    } else if is_value_missing(line, message) {
        ("key without a value".to_owned(), None)
    } else if found.is_empty() && is_string_open(message) {
        ("string is not closed, expected a quote".to_owned(), None)
    } else {
        let message = message.strip_suffix(", expected nothing").unwrap_or(message);
        (message.to_owned(), None)
    };
    SyntaxError { span, message, suggestion: suggestion.map(str::to_owned) }
}

/// The parser takes a word for what its first letter could have been.
fn is_bare_word(found: &str, message: &str) -> bool {
    found.starts_with(|c: char| c.is_ascii_alphabetic())
        && (message.starts_with("string values must be quoted")
            || message.starts_with("invalid boolean")
            || message.starts_with("invalid float"))
}

/// The parser expects a literal string where it finds no value at all.
fn is_value_missing(line: &str, message: &str) -> bool {
    message.starts_with("string values must be quoted")
        || message.starts_with("invalid literal string") && !line.contains('\'')
}

fn is_string_open(message: &str) -> bool {
    ["invalid basic string", "invalid literal string"].iter().any(|start| message.starts_with(start))
}

/// `key: value`, with or without quotes.
fn is_yaml(line: &str) -> bool {
    let key = line.trim_start().trim_start_matches(['"', '\'']);
    let rest = key.trim_start_matches(is_bare);
    let after = rest.trim_start_matches(['"', '\'', ' ']);
    rest.len() < key.len() && after.starts_with(':')
}

#[cfg(test)]
mod tests {
    use super::{is_assignment, is_header};

    #[test]
    fn headers_are_told_from_nested_arrays() {
        for header in ["[a]", " [process.web] # x", "[[a.b]]", "[process.\"a b\"]"] {
            assert!(is_header(header), "{header}");
        }
        for other in ["[\"a\"],", "[1, 2]", "[", "a]", "", "[a] b", "x = [a]", "[]"] {
            assert!(!is_header(other), "{other}");
        }
    }

    #[test]
    fn assignments_are_told_from_strings() {
        for assignment in ["a=1", "  env_file = \"x\"", "a.b = {"] {
            assert!(is_assignment(assignment), "{assignment}");
        }
        for other in ["\"a=b\",", "= 1", "a", "", "a b = 1"] {
            assert!(!is_assignment(other), "{other}");
        }
    }
}
