//! A table without lines: columns as wide as their contents, the least important left out where they
//! do not fit. Must not know what stands in it.

use unicode_width::UnicodeWidthStr as _;

use super::style::{Ink, Style};

const GAP: usize = 2;

/// A column; `keep` says how important it is (the lowest go first).
#[derive(Debug, Clone, Copy)]
pub(super) struct Column {
    pub(super) title: &'static str,
    pub(super) keep: u8,
    /// Numbers stand to the right.
    pub(super) right: bool,
}

/// A cell and its colour.
#[derive(Debug, Clone)]
pub(super) struct Cell {
    pub(super) text: String,
    pub(super) ink: Option<Ink>,
}

impl Cell {
    pub(super) fn plain(text: impl Into<String>) -> Cell {
        Cell { text: text.into(), ink: None }
    }

    pub(super) fn inked(ink: Ink, text: impl Into<String>) -> Cell {
        Cell { text: text.into(), ink: Some(ink) }
    }
}

/// The title line and one line per row, none with a line feed. `indent` columns are kept free.
pub(super) fn lines(columns: &[Column], rows: &[Vec<Cell>], indent: usize, style: Style) -> Vec<String> {
    let widths: Vec<usize> = (columns.iter().enumerate())
        .map(|(at, column)| {
            let cells = rows.iter().filter_map(|row| row.get(at)).map(|cell| cell.text.width());
            cells.chain([column.title.width()]).max().unwrap_or(0)
        })
        .collect();
    let shown = fitting(columns, &widths, rows, style.width.map(|width| width.saturating_sub(indent)));
    let title: Vec<Cell> = columns.iter().map(|column| Cell::inked(Ink::Faint, column.title)).collect();
    let line = |row: &Vec<Cell>| {
        let cells = shown.iter().filter_map(|&at| Some((row.get(at)?, columns[at], widths[at])));
        let padded: Vec<String> =
            cells.map(|(cell, column, width)| pad(cell, column, width, style)).collect();
        padded.join(&" ".repeat(GAP)).trim_end().to_owned()
    };
    std::iter::once(&title).chain(rows).map(line).collect()
}

/// Which columns are shown: never one that is empty, and as many as fit.
fn fitting(columns: &[Column], widths: &[usize], rows: &[Vec<Cell>], room: Option<usize>) -> Vec<usize> {
    let filled = |at: usize| rows.iter().any(|row| row.get(at).is_some_and(|cell| !cell.text.is_empty()));
    let mut shown: Vec<usize> = (0..columns.len()).filter(|&at| filled(at)).collect();
    let Some(room) = room else { return shown };
    while shown.iter().map(|&at| widths[at] + GAP).sum::<usize>() > room + GAP {
        let least = shown.iter().enumerate().min_by_key(|(_, at)| columns[**at].keep);
        match least {
            Some((position, _)) if shown.len() > 1 => shown.remove(position),
            _ => break,
        };
    }
    shown
}

fn pad(cell: &Cell, column: Column, width: usize, style: Style) -> String {
    let text = match cell.ink {
        Some(ink) => style.paint(ink, &cell.text),
        None => cell.text.as_str().into(),
    };
    let fill = " ".repeat(width.saturating_sub(cell.text.width()));
    if column.right { format!("{fill}{text}") } else { format!("{text}{fill}") }
}
