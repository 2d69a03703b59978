//! What is in front of everything else, in the middle of the screen: keys, reasons, runs, long texts.

mod help;
mod runs;
mod why;

use ratatui::layout::Rect;
use ratatui::text::Line;

use super::paint::{Painter, Titles, row};
use super::style::{Ink, Theme};
use super::text::{grouped, line};
use crate::tui::layout::inside;
use crate::tui::model::{Model, Overlay};
use crate::tui::rows;

/// Columns that are kept free at either side, where the screen has them.
const MARGIN: u16 = 3;

pub(super) fn draw(model: &Model, painter: &mut Painter<'_>) {
    match &model.overlay {
        None => {}
        Some(Overlay::Runs { target, answer, selected, top }) => {
            runs::draw(model, painter, target, answer.as_ref(), (*selected, *top));
        }
        Some(Overlay::Help { top }) => page(model, painter, "Keys", *top),
        Some(Overlay::Why { target, top, .. }) => {
            page(model, painter, &format!("Why: {}", target.name()), *top);
        }
        Some(Overlay::Text { title, top, .. }) => page(model, painter, title, *top),
    }
}

/// The first line that is shown when the last one is.
pub(super) fn last_top(model: &Model) -> usize {
    let (lines, widest) = lines(model);
    lines.len().saturating_sub(usize::from(inside(area(model, &lines, widest)).height))
}

/// What is scrolled, and how wide it is at most.
fn lines(model: &Model) -> (Vec<Line<'static>>, u16) {
    let theme = Theme::of(&model.look);
    match &model.overlay {
        Some(Overlay::Help { .. }) => (help::lines(columns(model, help::WIDEST), theme), help::WIDEST),
        Some(Overlay::Why { answer, .. }) => {
            (why::lines(model, answer.as_deref(), columns(model, why::WIDEST), theme), why::WIDEST)
        }
        Some(Overlay::Text { text, .. }) => {
            (text_lines(text, columns(model, why::WIDEST), theme), why::WIDEST)
        }
        None | Some(Overlay::Runs { .. }) => (Vec::new(), 0),
    }
}

fn area(model: &Model, lines: &[Line<'_>], widest: u16) -> Rect {
    middle(model, widest, u16::try_from(lines.len() + 2).unwrap_or(u16::MAX))
}

/// Columns inside an overlay that takes at most so many.
fn columns(model: &Model, widest: u16) -> usize {
    usize::from(inside(middle(model, widest, u16::MAX)).width)
}

/// So much of the middle of the screen, foot and margins left alone where there is room for them.
fn middle(model: &Model, columns: u16, rows: u16) -> Rect {
    let margin = if model.columns > 60 { MARGIN } else { 0 };
    let foot = u16::from(model.rows > 3);
    let width = columns.min(model.columns - 2 * margin);
    let height = rows.min(model.rows - foot);
    Rect { x: (model.columns - width) / 2, y: (model.rows - foot - height) / 2, width, height }
}

/// An empty box that has its place, with its titles; what is inside it.
fn open(painter: &mut Painter<'_>, area: Rect, title: &str, hint: &str, place: String) -> Rect {
    let theme = painter.theme;
    let titles = Titles {
        top: line([theme.span(Ink::Accent, title.to_owned())]),
        bottom: line([theme.span(Ink::Faint, hint.to_owned())]),
        bottom_right: line([theme.span(Ink::Faint, place)]),
        ..Titles::default()
    };
    painter.clear(area);
    painter.border(area, true, &titles);
    inside(area)
}

/// Lines that are scrolled.
fn page(model: &Model, painter: &mut Painter<'_>, title: &str, top: usize) {
    let (lines, widest) = lines(model);
    let area = area(model, &lines, widest);
    let height = usize::from(inside(area).height);
    let top = top.min(lines.len().saturating_sub(height));
    let end = (top + height).min(lines.len());
    let all = lines.len();
    let place =
        if all > height { format!("{}-{end} of {}", top + 1, grouped(all as u64)) } else { String::new() };
    let room = open(painter, area, title, "Esc closes", place);
    for (number, line) in lines[top..end].iter().enumerate() {
        painter.line(row(room, number), line);
    }
    painter.thumb(area, all as u64, top as u64, height as u64);
}

/// A text with its line feeds, and colours where it has some.
fn text_lines(text: &str, columns: usize, theme: Theme) -> Vec<Line<'static>> {
    let mut lines = Vec::new();
    for line in text.lines() {
        let styled = rows::styled(line);
        for range in rows::wrap(&styled.text, columns.max(1)) {
            let mut row = Line::default();
            let mut from = range.start;
            for (to, style) in &styled.styles {
                let to = (*to).min(range.end);
                if to > from {
                    let text = styled.text[from..to].to_owned();
                    row.push_span(ratatui::text::Span::styled(text, theme.program(*style)));
                    from = to;
                }
            }
            lines.push(row);
        }
    }
    lines
}
