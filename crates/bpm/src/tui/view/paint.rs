//! The one way to the screen: bounded, harmless, in columns. Must not know what is drawn.

use std::num::NonZeroU16;

use ratatui::buffer::{Buffer, Cell, CellDiffOption, CellWidth};
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::{Line, Span};
use unicode_segmentation::UnicodeSegmentation;
use unicode_width::UnicodeWidthStr;

use super::style::{Ink, Theme, ascii};
use super::text::{line_width, safe};
use crate::tui::layout::is_bordered;

/// Bytes of one cell's text; what has more is no text that somebody reads.
const MOST_SYMBOL_BYTES: usize = 64;

/// Draws into a buffer, and never outside of it.
#[derive(Debug)]
pub(super) struct Painter<'b> {
    pub(super) theme: Theme,
    buffer: &'b mut Buffer,
}

/// What is written into a panel's border.
#[derive(Debug, Default)]
pub(super) struct Titles {
    pub(super) top: Line<'static>,
    pub(super) top_right: Line<'static>,
    pub(super) bottom: Line<'static>,
    pub(super) bottom_right: Line<'static>,
}

/// One row of an area; an empty one where it has none.
pub(super) fn row(area: Rect, number: usize) -> Rect {
    match u16::try_from(number) {
        Ok(number) if number < area.height => Rect { y: area.y + number, height: 1, ..area },
        Ok(_) | Err(_) => Rect { height: 0, ..area },
    }
}

impl<'b> Painter<'b> {
    pub(super) fn new(theme: Theme, buffer: &'b mut Buffer) -> Painter<'b> {
        Painter { theme, buffer }
    }

    /// Draws a text from the left end of a row, and returns what is left of the row.
    pub(super) fn put(&mut self, row: Rect, text: &str, style: Style) -> Rect {
        let text = safe(text, self.theme.ascii);
        self.put_safe(row, &text, style)
    }

    /// The same for a text that is known to be harmless.
    pub(super) fn put_safe(&mut self, row: Rect, text: &str, style: Style) -> Rect {
        let row = row.intersection(self.buffer.area);
        let mut x = row.x;
        if row.is_empty() || text.is_empty() {
            return row;
        }
        self.cut(row.x, row.y);
        if text.is_ascii() {
            return self.put_ascii(row, text, style);
        }
        for grapheme in text.graphemes(true) {
            let wide = usize::min(UnicodeWidthStr::width(grapheme), usize::from(u16::MAX)) as u16;
            if wide == 0 || grapheme.contains(char::is_control) {
                continue;
            }
            if wide > row.right() - x {
                break;
            }
            self.set(x, row.y, grapheme, wide, style);
            x += wide;
        }
        Rect { x, width: row.right() - x, ..row }
    }

    /// Something else begins here: a wide character that reaches into it goes.
    fn cut(&mut self, x: u16, y: u16) {
        let before = x.checked_sub(1).and_then(|x| self.buffer.cell_mut((x, y)));
        if let Some(cell) = before.filter(|cell| cell.cell_width() > 1) {
            cell.set_symbol(" ").set_diff_option(CellDiffOption::None);
        }
    }

    /// One byte, one cell: what most text is.
    fn put_ascii(&mut self, row: Rect, text: &str, style: Style) -> Rect {
        let mut x = row.x;
        for at in 0..text.len() {
            let symbol = &text[at..=at];
            if x >= row.right() {
                break;
            }
            if symbol.contains(char::is_control) {
                continue;
            }
            if let Some(cell) = self.buffer.cell_mut((x, row.y)) {
                fill(cell, symbol, style);
            }
            x += 1;
        }
        Rect { x, width: row.right() - x, ..row }
    }

    fn set(&mut self, x: u16, y: u16, grapheme: &str, wide: u16, style: Style) {
        let symbol = match grapheme {
            // what some terminals take for the end of a line
            "\u{2028}" | "\u{2029}" => "?",
            _ if grapheme.len() > MOST_SYMBOL_BYTES => "?",
            _ => grapheme,
        };
        if let Some(cell) = self.buffer.cell_mut((x, y)) {
            fill(cell, symbol, style);
            // where the two ways to measure differ, the drawing goes by ours
            if symbol.cell_width() != wide {
                cell.set_diff_option(
                    NonZeroU16::new(wide).map_or(CellDiffOption::None, CellDiffOption::ForcedWidth),
                );
            }
        }
        for behind in x + 1..x + wide {
            if let Some(cell) = self.buffer.cell_mut((behind, y)) {
                fill(cell, " ", style);
            }
        }
    }

    /// Draws spans into a row, cut where they do not fit, and returns what is left of the row.
    pub(super) fn line(&mut self, row: Rect, line: &Line<'_>) -> Rect {
        let room = usize::from(row.width);
        let fits = line_width(line, self.theme.ascii) <= room;
        let ellipsis = if fits { "" } else { self.theme.ellipsis(room) };
        let reserved = (ellipsis.chars().count() as u16).min(row.width);
        let mut left = Rect { width: row.width - reserved, ..row };
        let end = row.right();
        for span in &line.spans {
            left = self.put(left, &span.content, line.style.patch(span.style));
        }
        left.width = end.saturating_sub(left.x);
        if !fits {
            left = self.put_safe(left, ellipsis, self.theme.style(Ink::Faint));
        }
        left
    }

    /// Draws spans at the right end of a row, if they fit; returns what is left of the row, a blank apart.
    pub(super) fn right(&mut self, row: Rect, line: &Line<'_>) -> Rect {
        let wide = line_width(line, self.theme.ascii);
        let room = usize::from(row.width);
        if wide == 0 || wide > room {
            return row;
        }
        let wide = wide as u16;
        self.line(Rect { x: row.right() - wide, width: wide, ..row }, line);
        Rect { width: (row.width - wide).saturating_sub(1), ..row }
    }

    pub(super) fn style(&mut self, area: Rect, style: Style) {
        self.buffer.set_style(area, style);
    }

    /// Makes an area blank. A wide character that reaches into it goes, too.
    pub(super) fn clear(&mut self, area: Rect) {
        let area = area.intersection(self.buffer.area);
        for y in area.top()..area.bottom() {
            self.cut(area.x, y);
            for x in area.left()..area.right() {
                if let Some(cell) = self.buffer.cell_mut((x, y)) {
                    cell.reset();
                }
            }
        }
    }

    /// A panel's border with what is written into it, if it has one.
    pub(super) fn border(&mut self, area: Rect, focused: bool, titles: &Titles) {
        if !is_bordered(area) {
            return;
        }
        let style = self.theme.style(if focused { Ink::Accent } else { Ink::Faint });
        let (left, right, top, bottom) = (area.x, area.right() - 1, area.y, area.bottom() - 1);
        for x in left + 1..right {
            self.sign(x, top, '─', style);
            self.sign(x, bottom, '─', style);
        }
        for y in top + 1..bottom {
            self.sign(left, y, '│', style);
            self.sign(right, y, '│', style);
        }
        for (x, y, corner) in [(left, top, '╭'), (right, top, '╮'), (left, bottom, '╰'), (right, bottom, '╯')]
        {
            self.sign(x, y, corner, style);
        }
        self.titles_of(area, titles);
    }

    /// One of our own characters, a column wide.
    fn sign(&mut self, x: u16, y: u16, sign: char, style: Style) {
        self.cut(x, y);
        let mut bytes = [0; 4];
        let symbol = match self.theme.ascii {
            true => ascii(sign).unwrap_or("?"),
            false => sign.encode_utf8(&mut bytes),
        };
        if let Some(cell) = self.buffer.cell_mut((x, y)) {
            fill(cell, symbol, style);
        }
    }

    /// What is written into a border that is there.
    pub(super) fn titles_of(&mut self, area: Rect, titles: &Titles) {
        if !is_bordered(area) {
            return;
        }
        let bottom = row(area, usize::from(area.height - 1));
        self.titles(row(area, 0), &titles.top, &titles.top_right);
        self.titles(bottom, &titles.bottom, &titles.bottom_right);
    }

    /// Two texts in a row of a border: the left one is cut where it has to be, the right one has to fit beside it.
    fn titles(&mut self, border: Rect, left: &Line<'_>, right: &Line<'_>) {
        let room = Rect { x: border.x + 1, width: border.width.saturating_sub(2), ..border };
        let (wide, beside) = (line_width(left, self.theme.ascii), line_width(right, self.theme.ascii));
        let mut room = room;
        if beside > 0 && wide.min(16) + beside + 4 < usize::from(room.width) {
            let right = Line { spans: padded(right), ..Line::default() };
            room = self.right(room, &right);
        }
        if wide > 0 && room.width > 2 {
            let fitting = Line { spans: padded(left), ..Line::default() };
            self.line(room, &fitting);
        }
    }

    /// Marks the right border with how much of something is shown, and where.
    pub(super) fn thumb(&mut self, panel: Rect, total: u64, top: u64, shown: u64) {
        let track = f64::from(panel.height.saturating_sub(2));
        if !is_bordered(panel) || total <= shown {
            return;
        }
        let size = (track * shown as f64 / total as f64).ceil().clamp(1.0, track);
        let hidden = total - shown;
        let at = (track - size) * (top.min(hidden) as f64 / hidden as f64);
        let style = self.theme.style(Ink::Text);
        let sign = if self.theme.ascii { "#" } else { "┃" };
        for number in at.round() as usize..(at + size).round() as usize {
            let line = row(panel, number + 1);
            self.put(Rect { x: panel.right() - 1, width: 1, ..line }, sign, style);
        }
    }
}

/// Nothing of what was there before shines through.
fn fill(cell: &mut Cell, symbol: &str, style: Style) {
    cell.reset();
    cell.set_symbol(symbol).set_style(style);
}

fn padded<'l>(line: &'l Line<'_>) -> Vec<Span<'l>> {
    let blank = || Span::raw(" ");
    let spans = line.spans.iter().map(|span| Span::styled(&*span.content, span.style));
    std::iter::once(blank()).chain(spans).chain(std::iter::once(blank())).collect()
}
