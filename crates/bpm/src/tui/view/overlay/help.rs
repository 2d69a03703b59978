//! All keys, from the one table of them.

use ratatui::text::{Line, Span};

use crate::tui::keys::{Binding, Group, KEYS, shown};
use crate::tui::view::style::{Ink, Theme};
use crate::tui::view::text::{line_width, safe, width, wrap};

pub(super) const WIDEST: u16 = 124;
/// Columns of a key's name, at most, where they are less than a third.
const KEY: usize = 12;
/// Columns that two lists beside each other have to have.
const ABREAST: usize = 96;
/// Columns between them.
const GAP: usize = 3;

pub(super) fn lines(columns: usize, theme: Theme) -> Vec<Line<'static>> {
    if columns < ABREAST {
        let mut lines = Vec::new();
        for group in Group::ALL {
            lines.extend(of(group, columns, theme));
            lines.push(Line::default());
        }
        lines.pop();
        return lines;
    }
    let half = (columns - GAP) / 2;
    let mut left = of(Group::Processes, half, theme);
    left.push(Line::default());
    left.extend(of(Group::Screen, half, theme));
    let right = of(Group::Output, half, theme);
    let rows = left.len().max(right.len());
    left.resize(rows, Line::default());
    let mut right = right.into_iter();
    for line in &mut left {
        let blank = (half + GAP).saturating_sub(line_width(line, theme.ascii));
        line.push_span(Span::raw(" ".repeat(blank)));
        line.spans.extend(right.next().into_iter().flatten());
    }
    left
}

fn of(group: Group, columns: usize, theme: Theme) -> Vec<Line<'static>> {
    let mut lines = vec![Line::from(theme.span(Ink::Accent, group.title()))];
    for binding in KEYS.iter().filter(|binding| binding.group == group) {
        lines.extend(of_key(binding, columns, theme));
    }
    lines
}

fn of_key(binding: &Binding, columns: usize, theme: Theme) -> Vec<Line<'static>> {
    let names: Vec<String> = binding.chords.iter().map(|chord| shown(*chord, theme.ascii)).collect();
    let names = names.join(" ");
    let names = safe(&names, theme.ascii);
    let does = safe(binding.does, theme.ascii);
    let key = KEY.min(columns / 3);
    let mut lines = Vec::new();
    for (number, row) in wrap(&does, columns.saturating_sub(key + 1)).into_iter().enumerate() {
        let name = if number == 0 { &*names } else { "" };
        let name = format!("{name}{} ", " ".repeat(key.saturating_sub(width(name))));
        lines.push(Line::from(vec![theme.span(Ink::Strong, name), theme.span(Ink::Text, row)]));
    }
    lines
}
