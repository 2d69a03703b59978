//! The mouse: the wheel scrolls what is under it, a click selects, dragging in the output copies. Must not know how
//! anything is drawn, only where.

use crossterm::event::{MouseButton, MouseEvent, MouseEventKind};
use ratatui::layout::{Position, Rect};

use super::super::layout::{Areas, inside, log_rows};
use super::super::lists::{self, ListRow};
use super::super::message::Command;
use super::super::model::{Model, Panel};
use super::super::rows;
use super::{keys, log, notes, overlays, search, select};

/// Rows of one step of the wheel.
const WHEEL: isize = 3;
/// Bytes that are copied; terminals take no more.
const MOST_COPIED: usize = 1 << 20;

pub(super) fn moved(model: &mut Model, mouse: MouseEvent, commands: &mut Vec<Command>) {
    if !model.mouse {
        return;
    }
    match mouse.kind {
        MouseEventKind::ScrollUp => wheel(model, mouse, -WHEEL),
        MouseEventKind::ScrollDown => wheel(model, mouse, WHEEL),
        MouseEventKind::Down(MouseButton::Left) if model.overlay.is_none() => down(model, mouse),
        MouseEventKind::Drag(MouseButton::Left) => {
            let row = row_in(log_rows(model).1, mouse);
            if let Some((_, now)) = &mut model.drag {
                *now = row;
            }
        }
        MouseEventKind::Up(MouseButton::Left) => {
            if let Some((from, to)) = model.drag.take()
                && from != to
            {
                copy(model, from.min(to).into(), from.max(to).into(), commands);
            }
        }
        _ => {}
    }
}

fn panel_at(model: &Model, mouse: MouseEvent) -> Option<Panel> {
    let (areas, at) = (Areas::of(model), Position { x: mouse.column, y: mouse.row });
    Panel::ALL.into_iter().find(|panel| areas.panel(*panel).contains(at))
}

fn wheel(model: &mut Model, mouse: MouseEvent, by: isize) {
    if model.overlay.is_some() {
        overlays::scroll(model, by);
    } else if let Some(panel) = panel_at(model, mouse) {
        keys::move_in(model, panel, by);
    }
}

fn down(model: &mut Model, mouse: MouseEvent) {
    model.drag = None;
    let Some(panel) = panel_at(model, mouse) else { return };
    model.panel = panel;
    let at = Position { x: mouse.column, y: mouse.row };
    match panel {
        Panel::Processes => {
            let area = inside(Areas::of(model).processes);
            let all = lists::rows(model);
            let top = lists::top(model, &all, area.height.into());
            let row = all.get(top.saturating_add(row_in(area, mouse).into()));
            if area.contains(at)
                && let Some(ListRow::Target(place)) = row
                && let Some(target) = model.targets.get(*place).cloned()
            {
                select::select(model, Some(target));
            }
        }
        Panel::Output => {
            let area = log_rows(model).1;
            let inside = inside(Areas::of(model).output).contains(at);
            model.drag = inside.then(|| row_in(area, mouse)).map(|row| (row, row));
        }
        Panel::Server | Panel::Details => {}
    }
}

/// The row within an area; the nearest one for a mouse outside it.
fn row_in(area: Rect, mouse: MouseEvent) -> u16 {
    mouse.row.saturating_sub(area.y).min(area.height.saturating_sub(1))
}

/// Copies what the output panel shows.
pub(super) fn copy_shown(model: &mut Model, commands: &mut Vec<Command>) {
    copy(model, 0, usize::MAX, commands);
}

/// Copies rows of the output panel, without colours; the rows of one line are one line again.
fn copy(model: &mut Model, from: usize, to: usize, commands: &mut Vec<Command>) {
    let (width, height) = log::size(model);
    let log = &model.log;
    let places = rows::places(log, width, height);
    let mut text = String::new();
    let (mut lines, mut last) = (0, None);
    for place in places.iter().take(to.saturating_add(1)).skip(from) {
        let Some(line) = log.lines.get(place.line) else { continue };
        if text.len().saturating_add(line.text.len()) > MOST_COPIED {
            break;
        }
        if last != Some(place.line) {
            lines += 1;
            last = Some(place.line);
            if lines > 1 {
                text.push('\n');
            }
        }
        if log.wrap {
            let styled = rows::styled(&line.text).text;
            let range = rows::wrap(&styled, width).into_iter().nth(place.row).unwrap_or_default();
            text.push_str(styled.get(range).unwrap_or_default());
        } else {
            text.push_str(&search::plain(&line.text));
        }
    }
    if lines == 0 {
        return notes::info(model, "there is nothing to copy");
    }
    text.push('\n');
    commands.push(Command::Copy { text, lines });
}
