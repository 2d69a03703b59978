//! Faults in a configuration: what, where, and what to write instead.
//! Owns the fault types and their bounds. Must not know how faults are found or drawn.

use std::fmt;
use std::ops::Range;

use super::render;
use super::text::Text;

/// Faults that are kept; what lies beyond is only counted.
pub const MAX_KEPT: usize = 1000;
/// Characters of the offending text that a fault carries.
const MAX_TEXT: usize = 120;

/// What sort of fault; also its name in JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FaultKind {
    /// Not TOML.
    Syntax,
    /// A key that bpm does not have, or not there.
    UnknownKey,
    /// A key that a later version brings.
    NotYet,
    /// For example a number where a string is expected.
    WrongType,
    /// The right type, but an impossible value.
    BadValue,
    /// A key that must be there is not.
    Missing,
    /// Two keys that do not go together.
    Conflict,
}

impl FaultKind {
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Syntax => "syntax",
            Self::UnknownKey => "unknown_key",
            Self::NotYet => "not_yet",
            Self::WrongType => "wrong_type",
            Self::BadValue => "bad_value",
            Self::Missing => "missing",
            Self::Conflict => "conflict",
        }
    }
}

/// One fault. Every field is bounded in size.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    pub kind: FaultKind,
    /// File in which the offending text stands.
    pub path: String,
    /// From 1.
    pub line: usize,
    /// From 1, in characters.
    pub column: usize,
    /// In bytes of the file's text, on character boundaries.
    pub span: Range<usize>,
    /// The offending text, clipped.
    pub text: String,
    /// Dotted key, for example `process.web.args`; empty where there is none.
    pub key: String,
    /// What was found and what was expected.
    pub message: String,
    /// The nearest name, or what to write instead.
    pub suggestion: Option<String>,
    pub(super) excerpt: render::Excerpt,
}

/// What a fault says, apart from where.
#[derive(Debug)]
pub(super) struct What {
    pub(super) kind: FaultKind,
    pub(super) key: String,
    pub(super) message: String,
    pub(super) suggestion: Option<String>,
}

impl Fault {
    pub(super) fn new(file: &Text<'_>, span: Range<usize>, what: What) -> Self {
        let span = file.clamp(span);
        let (line, column) = file.position(span.start);
        Self {
            kind: what.kind,
            path: file.path.to_owned(),
            line,
            column,
            text: clip(&file.text[span.clone()], MAX_TEXT),
            key: what.key,
            message: what.message,
            suggestion: what.suggestion,
            excerpt: render::Excerpt::new(file, &span),
            span,
        }
    }
}

impl fmt::Display for Fault {
    /// One line, without the source text.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { path, line, column, .. } = self;
        write!(f, "{path}:{line}:{column}: {}", self.message)?;
        match &self.suggestion {
            Some(suggestion) => write!(f, " ({suggestion})"),
            None => Ok(()),
        }
    }
}

/// All faults of a configuration, by file and position; never empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Faults {
    kept: Vec<Fault>,
    more: usize,
}

impl Faults {
    pub(super) fn new(kept: Vec<Fault>, more: usize) -> Self {
        Self { kept, more }
    }

    /// How many there are, those beyond [`MAX_KEPT`] included.
    #[must_use]
    pub fn count(&self) -> usize {
        self.kept.len() + self.more
    }

    /// Those that were kept, at most [`MAX_KEPT`].
    pub fn iter(&self) -> std::slice::Iter<'_, Fault> {
        self.kept.iter()
    }

    /// The files that have faults, as one would name them in a sentence: `a` and `b`.
    #[must_use]
    pub fn files(&self) -> String {
        let mut files: Vec<String> = self.kept.iter().map(|fault| format!("`{}`", fault.path)).collect();
        files.dedup();
        files.join(" and ")
    }

    /// For a terminal: each with its source line and a caret, at most
    /// [`render::MAX_SHOWN`] of them and then a count. Ends with a newline.
    #[must_use]
    pub fn render(&self, color: bool) -> String {
        render::faults(&self.kept, self.count(), color)
    }
}

impl<'a> IntoIterator for &'a Faults {
    type Item = &'a Fault;
    type IntoIter = std::slice::Iter<'a, Fault>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl fmt::Display for Faults {
    /// One line each.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, fault) in self.kept.iter().enumerate() {
            if index > 0 {
                writeln!(f)?;
            }
            write!(f, "{fault}")?;
        }
        if self.more > 0 {
            write!(f, "\nand {} more", self.more)?;
        }
        Ok(())
    }
}

impl std::error::Error for Faults {}

/// The first `max` characters, with `…` where something is missing.
pub(super) fn clip(text: &str, max: usize) -> String {
    match text.char_indices().nth(max) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

/// A name or value of the user's in backticks, clipped, with control characters escaped.
pub(super) fn tick(text: &str) -> String {
    let escaped: String = clip(text, 60)
        .chars()
        .flat_map(|c| if c.is_control() { c.escape_default().collect::<Vec<_>>() } else { vec![c] })
        .collect();
    format!("`{escaped}`")
}
