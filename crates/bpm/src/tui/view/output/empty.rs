//! What the output says where it has no lines: why not, and what to do.

use bpm_api::{ReadOnly, State};
use ratatui::layout::Rect;

use crate::tui::model::{Link, Model, Target};
use crate::tui::view::paint::Painter;
use crate::tui::view::say;
use crate::tui::view::style::Ink;

pub(super) fn draw(model: &Model, painter: &mut Painter<'_>, room: Rect) {
    let log = &model.log;
    if let Some(error) = &log.error {
        let hint = error.hint.as_deref().map(|hint| format!("; {hint}")).unwrap_or_default();
        return say(painter, room, Ink::Bad, &format!("{}{hint}", error.message));
    }
    say(painter, room, Ink::Faint, &why(model));
}

fn why(model: &Model) -> String {
    let log = &model.log;
    let Some(source) = &log.source else {
        return match (&model.link, model.targets.is_empty()) {
            (Link::Connecting { .. } | Link::Down { .. }, true) => String::new(),
            (_, true) => "what programs print is shown here; press : to run a command".to_owned(),
            (_, false) => "select a process or a task with ↑ and ↓".to_owned(),
        };
    };
    if log.fresh || log.asked.is_some() && log.run == 0 {
        return String::new();
    }
    if log.run == 0 {
        return never(model, &source.target, source.builds);
    }
    if log.cleared_to() > 0 && log.only.is_all() {
        return "cleared; new lines are shown here, g brings back the others".to_owned();
    }
    match &log.only {
        ReadOnly::All if log.ended => "nothing was printed".to_owned(),
        ReadOnly::All => "nothing printed yet".to_owned(),
        ReadOnly::Matching(pattern) => format!("no line matches `{pattern}`; Esc shows all"),
        ReadOnly::Errors => "no line is an error; Esc shows all".to_owned(),
    }
}

/// Why there is no log.
fn never(model: &Model, target: &Target, builds: bool) -> String {
    if builds {
        return "not built yet; r builds and restarts it".to_owned();
    }
    let state = model.process().filter(|process| process.name == target.name()).map(|process| process.state);
    match state {
        Some(State::Starting) => "it has not run yet; b shows its build".to_owned(),
        Some(State::BuildFailed) => "it has not run: the build failed; b shows it".to_owned(),
        Some(State::CannotStart) => "it could not be started; W says why".to_owned(),
        Some(_) => "it has not run yet; s starts it".to_owned(),
        None => "nothing printed yet".to_owned(),
    }
}
