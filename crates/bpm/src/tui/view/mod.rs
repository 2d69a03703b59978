//! What the screen shows, as a function of the model alone. Must not change anything, nor ask anybody.

mod details;
mod foot;
mod output;
mod overlay;
mod page;
mod paint;
mod processes;
mod server;
mod spark;
mod style;
mod text;

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::{Color, Modifier};
use ratatui::text::Line;

use self::paint::{Painter, row};
use self::style::{Ink, Theme};
use super::layout::{Areas, inside};
use super::model::{Link, Model, Panel};

/// Draws everything, whatever the size.
pub fn view(model: &Model, frame: &mut Frame<'_>) {
    let areas = Areas::of(model);
    let mut painter = Painter::new(Theme::of(&model.look), frame.buffer_mut());
    server::draw(model, &mut painter, areas.server);
    details::draw(model, &mut painter, areas.details);
    processes::draw(model, &mut painter, areas.processes);
    output::draw(model, &mut painter, areas.output);
    if matches!(model.link, Link::Down { .. }) || model.silent_ms().is_some() {
        // what was known last; what was green is so no longer
        let style = painter.theme.style(Ink::Faint).remove_modifier(Modifier::BOLD);
        let style = style.fg(Color::Reset).bg(Color::Reset);
        for panel in [Panel::Details, Panel::Processes, Panel::Output] {
            let area = areas.panel(panel);
            painter.style(if focused(model, panel) { inside(area) } else { area }, style);
        }
    }
    let cursor = foot::draw(model, &mut painter, areas.foot);
    overlay::draw(model, &mut painter);
    if let Some(cursor) = cursor {
        frame.set_cursor_position(cursor);
    }
}

/// What scrolls by rows that only drawing knows: wrapped, folded into columns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scrolled {
    /// `Model::notes_top`
    Notes,
    /// `Model::details_top`
    Details,
    /// What is in front, but for the list of runs, where the selection moves.
    Overlay,
}

impl Scrolled {
    /// The greatest number that makes a difference.
    pub fn last_top(self, model: &Model) -> usize {
        match self {
            Scrolled::Notes => server::last_top(model),
            Scrolled::Details => details::last_top(model),
            Scrolled::Overlay => overlay::last_top(model),
        }
    }
}

/// Whether the keyboard goes to a panel.
fn focused(model: &Model, panel: Panel) -> bool {
    model.panel == panel && model.overlay.is_none()
}

/// A panel's name in its border.
fn title(model: &Model, panel: Panel, name: &'static str) -> Line<'static> {
    let theme = Theme::of(&model.look);
    match (focused(model, panel), theme.plain) {
        (true, false) => Line::from(theme.span(Ink::Accent, name)),
        (true, true) => Line::from(theme.span(Ink::Selected, name)),
        (false, _) => Line::from(theme.span(Ink::Text, name)),
    }
}

/// Says something where there is nothing to show.
fn say(painter: &mut Painter<'_>, room: Rect, ink: Ink, what: &str) {
    let theme = painter.theme;
    let what = text::safe(what, theme.ascii);
    for (number, line) in text::wrap(&what, usize::from(room.width)).into_iter().enumerate() {
        painter.line(row(room, number), &text::line([theme.span(ink, line)]));
    }
}

#[cfg(test)]
mod tests;
