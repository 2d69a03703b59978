//! What the screen shows, of models made by hand, at sizes great and small.

mod fixtures;
mod property;
mod screens;
mod ways;

use std::fmt::Write as _;

use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::buffer::{Buffer, CellWidth};
use ratatui::style::{Color, Modifier};

use super::view;
use crate::tui::model::Model;

/// The screen and the cursor.
fn draw(model: &Model) -> (Buffer, Option<(u16, u16)>) {
    let mut terminal = Terminal::new(TestBackend::new(model.columns, model.rows)).unwrap();
    terminal.draw(|frame| view(model, frame)).unwrap();
    let backend = terminal.backend();
    let cursor = backend.cursor_visible().then(|| (backend.cursor_position().x, backend.cursor_position().y));
    (backend.buffer().clone(), cursor)
}

/// As text, row by row, with `⎕` where the cursor is.
fn text(model: &Model) -> String {
    let (buffer, cursor) = draw(model);
    let mut out = String::new();
    for y in 0..buffer.area.height {
        let mut x = 0;
        while x < buffer.area.width {
            let cell = &buffer[(x, y)];
            out.push_str(if cursor == Some((x, y)) { "⎕" } else { cell.symbol() });
            x += cell.cell_width().max(1);
        }
        out.truncate(out.trim_end().len().max(out.rfind('\n').map_or(0, |at| at + 1)));
        out.push('\n');
    }
    out
}

/// What is drawn in another way than plainly: `row: column text [how]`.
fn styles(model: &Model) -> String {
    let (buffer, _) = draw(model);
    let mut out = String::new();
    for y in 0..buffer.area.height {
        let mut runs: Vec<(u16, String, String)> = Vec::new();
        for x in 0..buffer.area.width {
            let cell = &buffer[(x, y)];
            let how = how(cell.fg, cell.bg, cell.modifier);
            match runs.last_mut() {
                Some((_, text, last)) if *last == how => text.push_str(cell.symbol()),
                Some(_) | None => runs.push((x, cell.symbol().to_owned(), how)),
            }
        }
        for (x, text, how) in runs
            .iter()
            .filter(|(_, text, how)| !how.is_empty() && (!text.trim().is_empty() || how.contains("REVERSED")))
        {
            let _ = writeln!(out, "{y}:{x} {:?} [{how}]", text.trim_end());
        }
    }
    out
}

fn how(fg: Color, bg: Color, modifier: Modifier) -> String {
    let mut how = Vec::new();
    if fg != Color::Reset {
        how.push(format!("{fg}"));
    }
    if bg != Color::Reset {
        how.push(format!("on {bg}"));
    }
    how.extend(modifier.iter_names().map(|(name, _)| name.to_owned()));
    how.join(" ")
}
