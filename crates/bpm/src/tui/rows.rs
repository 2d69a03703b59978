//! From a line of a log to rows of cells: colours read, tabs expanded, cut at the panel's width. What scrolls and what
//! draws both count rows by it.

use std::ops::Range;

use ansi_to_tui::IntoText;
use ratatui::style::Style;
use unicode_segmentation::UnicodeSegmentation;
use unicode_width::UnicodeWidthStr;

const TAB: usize = 8;

/// A line's text and what it was printed in.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Styled {
    /// Without control characters.
    pub text: String,
    /// Where each style ends, in bytes of `text`; ascending, the last one is its length.
    pub styles: Vec<(usize, Style)>,
}

/// Reads `ESC [ … m`; whatever else a server may send that is no text is left out.
pub fn styled(line: &str) -> Styled {
    let mut styled = Styled::default();
    let mut column = 0;
    match line.contains('\u{1b}').then(|| line.into_text()) {
        Some(Ok(text)) => {
            for span in text.lines.iter().flat_map(|line| &line.spans) {
                styled.push(&span.content, span.style, &mut column);
            }
        }
        Some(Err(_)) | None => styled.push(line, Style::default(), &mut column),
    }
    styled
}

impl Styled {
    fn push(&mut self, text: &str, style: Style, column: &mut usize) {
        for grapheme in text.graphemes(true) {
            if grapheme == "\t" {
                let blanks = TAB - *column % TAB;
                self.text.extend(std::iter::repeat_n(' ', blanks));
                *column += blanks;
            } else if !grapheme.contains(char::is_control) {
                self.text.push_str(grapheme);
                *column += grapheme.width();
            }
        }
        match self.styles.last_mut() {
            Some((end, last)) if *last == style => *end = self.text.len(),
            Some(_) | None => self.styles.push((self.text.len(), style)),
        }
    }
}

/// Where a text is cut so that no row is wider than `width` cells: at least one row, at least one grapheme in each
/// (one that is wider than the row has it alone, and is not drawn).
pub fn wrap(text: &str, width: usize) -> Vec<Range<usize>> {
    let mut rows = Vec::new();
    let (mut start, mut used) = (0, 0);
    for (at, grapheme) in text.grapheme_indices(true) {
        let wide = grapheme.width();
        if used + wide > width && at > start {
            rows.push(start..at);
            (start, used) = (at, 0);
        }
        used += wide;
    }
    rows.push(start..text.len());
    rows
}

/// Rows that a line has in a panel of this width.
pub fn count(line: &str, width: usize, wrapped: bool) -> usize {
    if wrapped { wrap(&styled(line).text, width).len() } else { 1 }
}
