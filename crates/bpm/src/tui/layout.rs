//! Where the panels are. What draws, what scrolls and what finds the panel under the mouse all go by it.

use ratatui::layout::Rect;

use super::model::{Model, Panel};

/// The panels with their borders, and the last row. A panel that has no room is empty.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Areas {
    pub server: Rect,
    pub details: Rect,
    pub processes: Rect,
    pub output: Rect,
    /// Prompt, note, or the most important keys.
    pub foot: Rect,
}

impl Areas {
    pub fn of(model: &Model) -> Areas {
        let (columns, rows) = (model.columns, model.rows);
        // on one row the panels would have no row left
        let foot = u16::from(rows > 3);
        let body = Rect { x: 0, y: 0, width: columns, height: rows - foot };
        let mut areas =
            Areas { foot: Rect { x: 0, y: body.height, width: columns, height: foot }, ..Areas::default() };
        if model.zoomed {
            *areas.panel_mut(model.panel) = body;
            return areas;
        }
        let top = match body.height {
            0..=5 => 0,
            6..=11 => 3,
            12..=17 => 5,
            18..=29 => 8,
            height => (height / 4).min(12),
        };
        let left = match columns {
            0..=19 => columns,
            20..=59 => columns * 2 / 5,
            _ => (columns / 3).min(48),
        };
        let upper = Rect { height: top, ..body };
        let lower = Rect { y: top, height: body.height - top, ..body };
        (areas.server, areas.details) = split(upper, left);
        (areas.processes, areas.output) = split(lower, left);
        areas
    }

    pub fn panel(&self, panel: Panel) -> Rect {
        match panel {
            Panel::Server => self.server,
            Panel::Details => self.details,
            Panel::Processes => self.processes,
            Panel::Output => self.output,
        }
    }

    fn panel_mut(&mut self, panel: Panel) -> &mut Rect {
        match panel {
            Panel::Server => &mut self.server,
            Panel::Details => &mut self.details,
            Panel::Processes => &mut self.processes,
            Panel::Output => &mut self.output,
        }
    }
}

/// Whether a panel has a border: one that would have nothing inside has none.
pub fn is_bordered(panel: Rect) -> bool {
    panel.width > 2 && panel.height > 2
}

/// Columns of a line's time and the blank after it: `12:34:56.789 `.
const TIME_COLUMNS: u16 = 13;

/// Where the log's rows are, and how many columns at the left of them are for times: 0 where they are not shown, or
/// there is no room for both.
pub fn log_rows(model: &Model) -> (u16, Rect) {
    let area = inside(Areas::of(model).output);
    let times = if model.log.times && area.width >= 2 * TIME_COLUMNS { TIME_COLUMNS } else { 0 };
    (times, Rect { x: area.x.saturating_add(times), width: area.width - times, ..area })
}

/// What is inside a panel's border.
pub fn inside(panel: Rect) -> Rect {
    if !is_bordered(panel) {
        return panel;
    }
    Rect {
        x: panel.x.saturating_add(1),
        y: panel.y.saturating_add(1),
        width: panel.width - 2,
        height: panel.height - 2,
    }
}

fn split(area: Rect, left: u16) -> (Rect, Rect) {
    let left = left.min(area.width);
    (Rect { width: left, ..area }, Rect { x: area.x + left, width: area.width - left, ..area })
}
