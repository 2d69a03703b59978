//! Bottom right: the lines of one log, as the program printed and coloured them. Only what is seen is read.

mod empty;
mod titles;

use bpm_api::{Stream, WindowLine};
use ratatui::layout::Rect;
use ratatui::style::{Modifier, Style};
use unicode_segmentation::UnicodeSegmentation;
use unicode_width::{UnicodeWidthChar as _, UnicodeWidthStr as _};

use super::focused;
use super::paint::{Painter, row};
use super::style::{FAILED, Ink, RUNS, Theme};
use super::text::{Clock, masked, width};
use crate::render;
use crate::tui::layout::{is_bordered, log_rows};
use crate::tui::model::log::LogView;
use crate::tui::model::{Model, Panel};
use crate::tui::rows::{self, Styled};

/// What counts as a column where a line is measured roughly: so many characters that have no width, or the fourth of it
/// that have one and are joined to each other, as a family of emoji is.
const COLUMN: usize = 16;
const MOST_JOINED: usize = 4;

/// The numbers of the first and the last line that are seen.
type Seen = Option<(u64, u64)>;

pub(super) fn draw(model: &Model, painter: &mut Painter<'_>, area: Rect) {
    if area.is_empty() {
        return;
    }
    let (times, text) = log_rows(model);
    let log = &model.log;
    painter.border(area, focused(model, Panel::Output), &titles::Titles::default());
    let seen = lines(model, painter, area, times, text);
    if seen.is_none() {
        let whole = Rect { x: text.x - times, width: text.width + times, ..text };
        empty::draw(model, painter, whole);
    }
    painter.titles_of(area, &titles::of(model, area.width, seen));
    if let (Some((first, last)), Some(kept)) = (seen, titles::last_number(log).checked_sub(log.first_line)) {
        let shown = last.saturating_sub(first).saturating_add(1);
        painter.thumb(area, kept.saturating_add(1), first.saturating_sub(log.first_line), shown);
    }
    if let Some((from, to)) = model.drag {
        for number in from.min(to)..=from.max(to).min(text.height.saturating_sub(1)) {
            painter.style(row(text, usize::from(number)), painter.theme.style(Ink::Selected));
        }
    }
}

/// Draws what there is room for.
fn lines(model: &Model, painter: &mut Painter<'_>, area: Rect, times: u16, text: Rect) -> Seen {
    let log = &model.log;
    let (columns, height) = (usize::from(text.width), usize::from(text.height));
    let top = rows::top(log, columns, height)?;
    let clock = Clock { offset_seconds: model.look.offset_seconds, now_ms: model.now.wall_ms };
    let (mut used, mut skip) = (0, top.row);
    let mut before = top.line.checked_sub(1).and_then(|before| log.lines.get(before)).map(|line| line.number);
    let mut seen: Seen = None;
    // where there is nothing else, it says nothing
    let is_mixed = log.lines.iter().any(|line| line.stream != Stream::Stderr);
    for line in log.lines.iter().skip(top.line) {
        if used >= height {
            break;
        }
        let place = row(text, used);
        if times > 0 {
            let time = Rect { x: text.x - times, width: times, ..place };
            painter.put(time, &clock.exact(&line.time), painter.theme.style(Ink::Faint));
        }
        let drawn = match log.wrap {
            true => wrapped(log, painter, text, used, line, std::mem::take(&mut skip)),
            false => cut(log, painter, place, line),
        };
        if is_bordered(area) {
            let is_gap =
                log.only.is_all() && before.is_some_and(|before| before.saturating_add(1) < line.number);
            let gutter = Rect { x: area.x, y: place.y, width: 1, height: drawn as u16 };
            let is_apart = is_mixed && line.stream == Stream::Stderr;
            mark(log, painter, gutter, line, (is_apart, is_gap));
        }
        used += drawn;
        before = Some(line.number);
        seen = Some((seen.map_or(line.number, |(first, _)| first), line.number));
    }
    seen
}

/// What is said about a line beside it, in the border.
fn mark(
    log: &LogView,
    painter: &mut Painter<'_>,
    gutter: Rect,
    line: &WindowLine,
    (is_apart, is_gap): (bool, bool),
) {
    let theme = painter.theme;
    if is_apart {
        for number in 0..usize::from(gutter.height) {
            let style = theme.style(Ink::Waiting).add_modifier(Modifier::DIM);
            painter.put(row(gutter, number), "┃", style);
        }
    }
    let found = log.search.as_ref().and_then(|search| search.found) == Some(line.number);
    let (sign, ink) = match (found, log.error_at == Some(line.number), is_gap) {
        (true, ..) => (RUNS, Ink::Accent),
        (false, true, _) => (FAILED, Ink::Bad),
        (false, false, true) => ("┆", Ink::Waiting),
        (false, false, false) => return,
    };
    painter.put(row(gutter, 0), sign, theme.style(ink));
}

/// A line on as many rows as it takes and there are, from its row `skip` on; how many.
fn wrapped(
    log: &LogView,
    painter: &mut Painter<'_>,
    area: Rect,
    used: usize,
    line: &WindowLine,
    skip: usize,
) -> usize {
    let styled = rows::styled(&line.text);
    let ranges = rows::wrap(&styled.text, usize::from(area.width));
    let marks = matches(log, &styled.text);
    let left = usize::from(area.height) - used;
    let last = ranges.len().saturating_sub(1);
    let mut drawn = 0;
    for (number, range) in ranges.into_iter().enumerate().skip(skip).take(left) {
        let place = row(area, used + drawn);
        piece(painter, place, &styled, range.start, range.end, &marks);
        if number == last && line.clipped_bytes > 0 {
            clipped(painter, place, width(&styled.text[range]), line.clipped_bytes);
        }
        drawn += 1;
    }
    drawn.max(1)
}

/// The part of a line that is seen, in one row.
fn cut(log: &LogView, painter: &mut Painter<'_>, place: Rect, line: &WindowLine) -> usize {
    let columns = usize::from(place.width);
    let raw = enough(&line.text, log.column.saturating_add(columns).saturating_add(1));
    let styled = rows::styled(raw);
    let marks = matches(log, &styled.text);
    let (start, gap) = after(&styled.text, log.column);
    let gap = gap.min(columns);
    let left = Rect { x: place.x + gap as u16, width: place.width - gap as u16, ..place };
    let end = styled.text.len();
    piece(painter, left, &styled, start, end, &marks);
    let faint = painter.theme.style(Ink::Accent);
    if log.column > 0 && !line.text.is_empty() {
        painter.put(Rect { width: 1.min(place.width), ..place }, "‹", faint);
    }
    let rest = gap + up_to(&styled.text[start..], columns + 1);
    if line.clipped_bytes > 0 {
        clipped(painter, place, rest.min(columns), line.clipped_bytes);
    } else if raw.len() < line.text.len() || rest > columns {
        let edge = Rect { x: place.right().saturating_sub(1), width: 1.min(place.width), ..place };
        painter.put(edge, "›", faint);
    }
    1
}

/// Says after a line's end, or over it, how much of it is missing.
fn clipped(painter: &mut Painter<'_>, place: Rect, used: usize, bytes: u64) {
    let text = format!("… +{}", render::bytes(bytes));
    let wide = if painter.theme.ascii { text.len() } else { width(&text) };
    let at = used.min(usize::from(place.width).saturating_sub(wide)) as u16;
    let room = Rect { x: place.x + at, width: place.width - at, ..place };
    painter.put(room, &text, painter.theme.style(Ink::Accent));
}

/// Draws bytes `start..end` of a line's text into a row.
fn piece(
    painter: &mut Painter<'_>,
    place: Rect,
    styled: &Styled,
    start: usize,
    end: usize,
    marks: &[(usize, usize)],
) {
    let (mut from, mut left) = (start, place);
    for (to, style) in &styled.styles {
        let to = (*to).min(end);
        if to > from {
            left = draw_text(painter, left, &styled.text[from..to], *style);
            from = to;
        }
    }
    for (first, last) in marks {
        let (first, last) = ((*first).max(start), (*last).min(end));
        if first < last {
            let before =
                (up_to(&styled.text[start..first], usize::from(place.width)) as u16).min(place.width);
            let wide = up_to(&styled.text[first..last], usize::from(place.width - before)) as u16;
            let area = Rect { x: place.x + before, width: wide.min(place.width - before), ..place };
            painter.style(area, painter.theme.style(Ink::Match));
        }
    }
}

fn draw_text(painter: &mut Painter<'_>, place: Rect, text: &str, style: Style) -> Rect {
    let style = painter.theme.program(style);
    match painter.theme {
        Theme { ascii: true, .. } if !text.is_ascii() => painter.put_safe(place, &masked(text), style),
        Theme { .. } => painter.put_safe(place, text, style),
    }
}

/// Where the search matches, in bytes.
fn matches(log: &LogView, text: &str) -> Vec<(usize, usize)> {
    let Some(search) = &log.search else { return Vec::new() };
    let found = search.regex.find_iter(text).filter(|found| !found.is_empty());
    found.map(|found| (found.start(), found.end())).collect()
}

/// The beginning of a line as it came, colours included, that is certain to fill so many columns, if all of it does.
/// What is far beyond the edge of the screen is not worth reading.
fn enough(raw: &str, columns: usize) -> &str {
    let all = columns.saturating_mul(COLUMN);
    let (mut seen, mut in_sequence) = (0, false);
    for (at, c) in raw.char_indices() {
        if seen > all {
            return &raw[..at];
        }
        match c {
            '\u{1b}' => in_sequence = true,
            _ if in_sequence => in_sequence = !c.is_ascii_alphabetic(),
            ' '..='~' | '\t' => seen += COLUMN,
            _ if c.width().unwrap_or(0) > 0 => seen += COLUMN / MOST_JOINED,
            _ => seen += 1,
        }
    }
    raw
}

/// Where a text goes on after so many columns, and how many more a wide character took that is cut by that.
fn after(text: &str, columns: usize) -> (usize, usize) {
    if rows::is_plain(text) {
        return (text.len().min(columns), 0);
    }
    let mut used = 0;
    for (at, grapheme) in text.grapheme_indices(true) {
        if used >= columns {
            return (at, used - columns);
        }
        used += grapheme.width();
    }
    (text.len(), used.saturating_sub(columns))
}

/// Columns of a text, counted no further than `most`.
fn up_to(text: &str, most: usize) -> usize {
    if rows::is_plain(text) {
        return text.len().min(most);
    }
    let mut used = 0;
    for grapheme in text.graphemes(true) {
        if used >= most {
            break;
        }
        used += grapheme.width();
    }
    used
}
