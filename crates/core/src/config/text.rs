//! A file's text and the way from byte offsets to lines and columns.
//! Must not know TOML.

use std::ops::Range;

/// Some editors put it first; nobody counts it as a column.
pub(super) const BYTE_ORDER_MARK: char = '\u{feff}';

/// One of the files that are read together.
#[derive(Debug)]
pub(super) struct Text<'a> {
    pub(super) path: &'a str,
    pub(super) text: &'a str,
    /// Byte offset at which each line starts; never empty.
    line_starts: Vec<usize>,
}

impl<'a> Text<'a> {
    pub(super) fn new(path: &'a str, text: &'a str) -> Self {
        let starts = text.match_indices('\n').map(|(at, _)| at + 1);
        let line_starts = std::iter::once(0).chain(starts).collect();
        Self { path, text, line_starts }
    }

    /// The span moved inwards onto character boundaries of this text.
    pub(super) fn clamp(&self, span: Range<usize>) -> Range<usize> {
        let end = self.boundary(span.end);
        self.boundary(span.start).min(end)..end
    }

    fn boundary(&self, at: usize) -> usize {
        let mut at = at.min(self.text.len());
        while !self.text.is_char_boundary(at) {
            at -= 1;
        }
        at
    }

    /// Index of the line that contains the byte offset.
    pub(super) fn line_index(&self, at: usize) -> usize {
        self.line_starts.partition_point(|start| *start <= at) - 1
    }

    /// Where a line starts and ends, its line break not included.
    pub(super) fn line_span(&self, index: usize) -> Range<usize> {
        let start = self.line_starts[index];
        let next = self.line_starts.get(index + 1);
        let end = next.map_or(self.text.len(), |next| next - 1);
        let line = &self.text[start..end];
        start..start + line.strip_suffix('\r').unwrap_or(line).len()
    }

    pub(super) fn line_count(&self) -> usize {
        self.line_starts.len()
    }

    /// Line and column (in characters), both from 1. `at` is on a character boundary.
    pub(super) fn position(&self, at: usize) -> (usize, usize) {
        let line = self.line_index(at);
        let before = &self.text[self.line_starts[line]..at];
        let before = before.strip_prefix(BYTE_ORDER_MARK).unwrap_or(before);
        (line + 1, before.chars().count() + 1)
    }
}
