//! Reads `errors`: patterns for what is an error in a program's output. Owns which of them are too large to be
//! matched against every line. Must not know how they are matched.

use regex_syntax::hir::{Class, Hir, HirKind};

use super::fault::{FaultKind, tick};
use super::model::ErrorRules;
use super::reader::{Field, Reader};

/// Patterns of one list.
const MAX_PATTERNS: usize = 32;
/// Bytes of one pattern.
const MAX_BYTES: usize = 1_000;
/// What one pattern may weigh; see [`weight`].
const MAX_WEIGHT: usize = 5_000;
/// A class weighs this much, and one for each range of characters in it.
const CLASS_WEIGHT: usize = 10;

pub(super) fn read(reader: &mut Reader<'_>, field: &Field<'_>) -> Option<ErrorRules> {
    let fields = reader.table("process.NAME.errors", field)?;
    let matches = reader.optional(&fields, "match", patterns);
    let ignore = reader.optional(&fields, "ignore", patterns);
    Some(ErrorRules { matches: matches.unwrap_or_default(), ignore: ignore.unwrap_or_default() })
}

fn patterns(reader: &mut Reader<'_>, field: &Field<'_>) -> Option<Vec<String>> {
    let patterns = reader.array(field, pattern)?;
    if patterns.len() > MAX_PATTERNS {
        let message = format!(
            "{} has {} patterns, expected at most {MAX_PATTERNS}",
            tick(&field.label),
            patterns.len()
        );
        let help = Some("join some of them with `|`".to_owned());
        reader.about(field, FaultKind::BadValue, message, help);
        return None;
    }
    Some(patterns)
}

fn pattern(reader: &mut Reader<'_>, field: &Field<'_>) -> Option<String> {
    let text = reader.string(field)?;
    let (wrong, help) = if text.is_empty() {
        ("it is empty and would match every line".to_owned(), "leave it out")
    } else if text.len() > MAX_BYTES {
        (format!("it is longer than {MAX_BYTES} bytes"), "make several of it")
    } else {
        match regex_syntax::parse(text) {
            Ok(hir) if weight(&hir) > MAX_WEIGHT => {
                ("it repeats too much".to_owned(), "repeat less, or without a number: `*`, `+`")
            }
            Ok(_) => return Some(text.to_owned()),
            Err(error) => (why(&error), "the syntax is that of Rust's `regex`"),
        }
    };
    let message = format!("{} is no pattern that can be used: {wrong}", tick(&field.label));
    reader.about(field, FaultKind::BadValue, message, Some(help.to_owned()));
    None
}

/// In one line: what, and at which character.
fn why(error: &regex_syntax::Error) -> String {
    match error {
        regex_syntax::Error::Parse(error) => {
            format!("{} at character {}", error.kind(), error.span().start.column)
        }
        regex_syntax::Error::Translate(error) => {
            format!("{} at character {}", error.kind(), error.span().start.column)
        }
        _ => "it is not one".to_owned(),
    }
}

/// About how many states an automaton for it has. The depth of a pattern is bounded by its parser.
fn weight(hir: &Hir) -> usize {
    let sum = |parts: &[Hir]| parts.iter().map(weight).fold(0, usize::saturating_add);
    match hir.kind() {
        HirKind::Empty | HirKind::Look(_) => 1,
        HirKind::Literal(literal) => literal.0.len(),
        HirKind::Class(Class::Unicode(class)) => class.ranges().len() + CLASS_WEIGHT,
        HirKind::Class(Class::Bytes(class)) => class.ranges().len() + CLASS_WEIGHT,
        HirKind::Repetition(repetition) => {
            let times = repetition.max.unwrap_or(repetition.min).max(1);
            weight(&repetition.sub).saturating_mul(usize::try_from(times).unwrap_or(usize::MAX))
        }
        HirKind::Capture(capture) => weight(&capture.sub),
        HirKind::Concat(parts) | HirKind::Alternation(parts) => sum(parts),
    }
}
