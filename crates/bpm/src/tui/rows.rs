//! From a line of a log to rows of cells: colours read, tabs expanded, cut at the panel's width. What scrolls and what
//! draws both count rows by it.

use std::ops::Range;

use ansi_to_tui::IntoText;
use ratatui::style::Style;
use unicode_segmentation::UnicodeSegmentation;
use unicode_width::UnicodeWidthStr;

use super::model::log::{Anchor, LogView};

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
        if is_plain(text) {
            self.text.push_str(text);
            *column += text.len();
        } else {
            self.push_any(text, column);
        }
        match self.styles.last_mut() {
            Some((end, last)) if *last == style => *end = self.text.len(),
            Some(_) | None => self.styles.push((self.text.len(), style)),
        }
    }

    fn push_any(&mut self, text: &str, column: &mut usize) {
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
    }
}

/// One byte, one column: what most lines are.
pub fn is_plain(text: &str) -> bool {
    text.bytes().all(|byte| matches!(byte, b' '..=b'~'))
}

/// Where a text is cut so that no row is wider than `width` cells: at least one row, at least one grapheme in each
/// (one that is wider than the row has it alone, and is not drawn).
pub fn wrap(text: &str, width: usize) -> Vec<Range<usize>> {
    if is_plain(text) && width > 0 {
        let starts = (0..text.len().max(1)).step_by(width);
        return starts.map(|start| start..text.len().min(start.saturating_add(width))).collect();
    }
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

/// One row of the output panel. Those further down are greater.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// Into [`LogView::lines`].
    pub line: usize,
    /// Which of the line's rows; 0 where lines are not wrapped.
    pub row: usize,
}

/// The first row that a panel of this size shows; `None` where nothing is shown.
pub fn top(log: &LogView, width: usize, height: usize) -> Option<Place> {
    let first = log.first_shown();
    let anchored = match log.anchor {
        Anchor::End => None,
        Anchor::Line { number, skip } => {
            let line = log.lines.partition_point(|line| line.number < number).max(first);
            log.lines.get(line).map(|found| {
                let rows = if found.number == number { count(&found.text, width, log.wrap) } else { 1 };
                Place { line, row: skip.min(rows.saturating_sub(1)) }
            })
        }
    };
    if anchored.is_some() {
        return anchored;
    }
    let last = log.lines.len().checked_sub(1).filter(|last| *last >= first)?;
    let row = count(&log.lines.get(last)?.text, width, log.wrap).saturating_sub(1);
    Some(up(log, width, Place { line: last, row }, height.saturating_sub(1)))
}

/// So many rows above a place, or the first row that there is.
pub fn up(log: &LogView, width: usize, mut place: Place, mut rows: usize) -> Place {
    let first = log.first_shown();
    while rows > place.row && place.line > first {
        rows -= place.row + 1;
        place.line -= 1;
        let text = log.lines.get(place.line).map_or("", |line| &line.text);
        place.row = count(text, width, log.wrap).saturating_sub(1);
    }
    Place { row: place.row.saturating_sub(rows), ..place }
}

/// So many rows below a place, or the last row that there is.
pub fn down(log: &LogView, width: usize, mut place: Place, mut rows: usize) -> Place {
    loop {
        let last = log.lines.get(place.line).map_or(0, |line| count(&line.text, width, log.wrap) - 1);
        let left = last.saturating_sub(place.row);
        if rows <= left || place.line + 1 >= log.lines.len() {
            return Place { row: place.row + rows.min(left), ..place };
        }
        rows -= left + 1;
        place = Place { line: place.line + 1, row: 0 };
    }
}

/// What each row of a panel of this size shows, from the top; fewer than its height where there is no more.
pub fn places(log: &LogView, width: usize, height: usize) -> Vec<Place> {
    let Some(top) = top(log, width, height) else { return Vec::new() };
    let mut places = Vec::new();
    let mut row = top.row;
    for (line, shown) in log.lines.iter().enumerate().skip(top.line) {
        let rows = count(&shown.text, width, log.wrap);
        while row < rows && places.len() < height {
            places.push(Place { line, row });
            row += 1;
        }
        if places.len() >= height {
            break;
        }
        row = 0;
    }
    places
}

#[cfg(test)]
mod tests;
