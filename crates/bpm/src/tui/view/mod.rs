//! What the screen shows, as a function of the model alone. Must not change anything, nor ask anybody.

use ratatui::Frame;
use ratatui::widgets::Block;

use super::layout::Areas;
use super::model::{Model, Panel};

/// Draws everything, whatever the size.
pub fn view(model: &Model, frame: &mut Frame<'_>) {
    let areas = Areas::of(model);
    for panel in Panel::ALL {
        frame.render_widget(Block::bordered(), areas.panel(panel).intersection(frame.area()));
    }
}
