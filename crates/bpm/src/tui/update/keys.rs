//! What each key does where no line is being typed. Must not know how it was pressed.

use crossterm::event::{KeyCode, KeyEvent, KeyEventKind};

use super::super::keys::{Action, action};
use super::super::message::Command;
use super::super::model::log::{Anchor, Growing, Heading, Jump, LINE_BYTES};
use super::super::model::{Model, Overlay, Panel, PromptKind};
use super::super::rows;
use super::super::view::Scrolled;
use super::{deeds, log, mouse, notes, overlays, prompt, runs, search, select};

/// Within so many milliseconds after something was ended by Esc, another one does not quit.
const TWICE_MS: u64 = 800;
/// Columns that a long line is scrolled by.
const COLUMNS: usize = 8;

pub(super) fn pressed(model: &mut Model, key: KeyEvent, commands: &mut Vec<Command>) {
    if key.kind == KeyEventKind::Release {
        return;
    }
    let was_answered = model.note_shown().is_some_and(|note| note.is_answer);
    model.pressed_at = model.now;
    let was_open = model.prompt.is_some() || model.overlay.is_some();
    if model.prompt.is_some() {
        prompt::pressed(model, key, commands);
    } else if let Some(action) = action(key) {
        // `q` closes what is in front, as Esc does; ctrl-c quits whatever there is
        let closes = model.overlay.is_some() && action == Action::Quit && key.code == KeyCode::Char('q');
        let action = if closes { Action::Back } else { action };
        if model.overlay.is_none() || !overlays::pressed(model, action) {
            act(model, action, was_answered, commands);
        }
    }
    if key.code == KeyCode::Esc && was_open {
        model.escaped_at = Some(model.now);
    }
}

fn act(model: &mut Model, action: Action, was_answered: bool, commands: &mut Vec<Command>) {
    match action {
        Action::Up => move_in(model, model.panel, -1),
        Action::Down => move_in(model, model.panel, 1),
        Action::Refresh => refresh(model),
        Action::Restart => deeds::restart(model, commands),
        Action::Start => deeds::start(model, commands),
        Action::Stop => deeds::stop(model, commands),
        Action::Signal => deeds::signal(model),
        Action::Input => deeds::input(model),
        Action::Attach => deeds::attach(model, commands),
        Action::Forget => deeds::forget(model),
        Action::Why => overlays::open_why(model),
        Action::Run => prompt::open(model, PromptKind::Run, None, ""),
        Action::Follow => follow(model),
        Action::PageUp => scroll(model, -page(model)),
        Action::PageDown => scroll(model, page(model)),
        Action::HalfUp => scroll(model, -(page(model) / 2).max(1)),
        Action::HalfDown => scroll(model, (page(model) / 2).max(1)),
        Action::Top => top(model),
        Action::Bottom => bottom(model),
        Action::Left => sideways(model, false),
        Action::Right => sideways(model, true),
        Action::Search => prompt::open(model, PromptKind::Search, None, ""),
        Action::Filter => prompt::open(model, PromptKind::Filter, None, ""),
        Action::Next => search::go(model, false, false),
        Action::Previous => search::go(model, true, false),
        Action::NextError => search::go(model, false, true),
        Action::PreviousError => search::go(model, true, true),
        Action::OlderRun => runs::step(model, true),
        Action::NewerRun => runs::step(model, false),
        Action::Runs => overlays::open_runs(model),
        Action::Builds => runs::toggle_builds(model),
        Action::Wrap => wrap(model),
        Action::Times => model.log.times = !model.log.times,
        Action::Copy => mouse::copy_shown(model, commands),
        Action::Clear => clear(model),
        Action::NextPanel => model.panel = neighbour(model.panel, 1),
        Action::PreviousPanel => model.panel = neighbour(model.panel, Panel::ALL.len() - 1),
        Action::Zoom => {
            model.zoomed = !model.zoomed;
            log::resized(model);
        }
        Action::Mouse => {
            (model.mouse, model.drag) = (!model.mouse, None);
            commands.push(Command::CaptureMouse(model.mouse));
            notes::info(
                model,
                if model.mouse { "the mouse is used here" } else { "the mouse is left to the terminal" },
            );
        }
        Action::Redraw => commands.push(Command::Redraw),
        Action::Suspend => commands.push(Command::Suspend),
        Action::Help => model.overlay = Some(Overlay::Help { top: 0 }),
        Action::Back => {
            let just_now = |at: super::Now| model.now.mono_ms.saturating_sub(at.mono_ms) < TWICE_MS;
            let is_twice = model.escaped_at.is_some_and(just_now);
            if back(model) {
                model.escaped_at = Some(model.now);
            } else if !is_twice && !was_answered {
                commands.push(Command::Quit);
            }
        }
        Action::Quit => commands.push(Command::Quit),
    }
}

fn neighbour(panel: Panel, by: usize) -> Panel {
    let at = Panel::ALL.iter().position(|one| *one == panel).unwrap_or(0);
    Panel::ALL.into_iter().cycle().nth(at + by).unwrap_or_default()
}

/// So many rows up or down in a panel; in the list one target.
pub(super) fn move_in(model: &mut Model, panel: Panel, by: isize) {
    let moved = |top: usize, last: usize| top.min(last).saturating_add_signed(by).min(last);
    match panel {
        Panel::Processes => select::step(model, by.signum()),
        Panel::Output => scroll(model, by),
        Panel::Server => {
            model.notes_top = moved(model.notes_top, Scrolled::Notes.last_top(model));
        }
        Panel::Details => {
            model.details_top = moved(model.details_top, Scrolled::Details.last_top(model));
        }
    }
}

fn page(model: &Model) -> isize {
    let (_, height) = log::size(model);
    isize::try_from(height).unwrap_or(isize::MAX).max(1)
}

/// Scrolls the log. Who comes to its end follows it again.
pub(super) fn scroll(model: &mut Model, by: isize) {
    let (width, height) = log::size(model);
    let Some(top) = rows::top(&model.log, width, height) else {
        if by > 0 {
            bottom(model);
        }
        return;
    };
    select::touched(model);
    let log = &mut model.log;
    log.jump = None;
    if by < 0 {
        let place = rows::up(log, width, top, by.unsigned_abs());
        if place != top || log.more_before {
            log::anchor(log, place);
            log::grow_to(log, Heading::Up);
        }
    } else if !log.is_following() {
        let place = rows::down(log, width, top, by.unsigned_abs());
        let before = std::mem::replace(&mut log.anchor, Anchor::End);
        let end = rows::top(log, width, height).unwrap_or(top);
        let is_newest =
            log.source.as_ref().is_some_and(|source| source.run.is_some()) || log.newest <= log.run;
        // what has come since is not skipped, unless one goes on at the end
        let is_end = place >= end && !log.more_after && (!log.grown || top >= end);
        if is_end && is_newest {
            log::grow_to(log, Heading::Up);
        } else {
            log.anchor = before;
            log::anchor(log, if place >= end { end.max(top) } else { place });
            log::grow_to(log, Heading::Down);
        }
    }
}

fn follow(model: &mut Model) {
    if !model.log.is_following() {
        return bottom(model);
    }
    let (width, height) = log::size(model);
    select::touched(model);
    let log = &mut model.log;
    match rows::top(log, width, height) {
        Some(top) => log::anchor(log, top),
        None => log.anchor = Anchor::Line { number: log.next_line, skip: 0 },
    }
}

fn top(model: &mut Model) {
    select::touched(model);
    let is_up = model.link.is_up();
    let log = &mut model.log;
    log.cleared = None;
    (log.jump, log.growing) = (None, Growing::default());
    search::from_here(log);
    if log.more_before && is_up {
        log.jump = Some(Jump::Top);
        return;
    }
    let number = log.lines.front().map_or(log.first_line, |line| line.number);
    log.anchor = Anchor::Line { number, skip: 0 };
    log::grow_to(log, Heading::Down);
}

fn bottom(model: &mut Model) {
    let is_up = model.link.is_up();
    let log = &mut model.log;
    (log.jump, log.growing) = (None, Growing::default());
    search::from_here(log);
    let newest = log.source.as_ref().is_some_and(|source| source.run.is_none()) && log.newest > log.run;
    if (log.more_after || newest) && is_up {
        log.jump = Some(Jump::End);
    } else {
        log.anchor = Anchor::End;
        log::grow_to(log, Heading::Up);
    }
}

fn sideways(model: &mut Model, right: bool) {
    let log = &mut model.log;
    if log.wrap {
        return notes::info(model, "long lines are wrapped; `w` cuts them");
    }
    log.column = match right {
        true => log.column.saturating_add(COLUMNS).min(LINE_BYTES as usize),
        false => log.column.saturating_sub(COLUMNS),
    };
}

fn wrap(model: &mut Model) {
    let log = &mut model.log;
    (log.wrap, log.column) = (!log.wrap, 0);
    if let Anchor::Line { skip, .. } = &mut log.anchor {
        *skip = 0;
    }
    log::resized(model);
}

fn clear(model: &mut Model) {
    match model.panel {
        Panel::Processes | Panel::Output => {
            let log = &mut model.log;
            let last = log.lines.back().map_or(0, |line| line.number).max(log.next_line.saturating_sub(1));
            (log.cleared, log.anchor) = (Some((log.run, last)), Anchor::End);
            (log.jump, log.growing) = (None, Growing::default());
            search::from_here(log);
            model.drag = None;
        }
        Panel::Details => {
            if let Some(selected) = &model.selected {
                model.events.remove(selected.name());
            }
            model.details_top = 0;
        }
        Panel::Server => {
            model.notes.clear();
            model.notes_top = 0;
        }
    }
}

fn refresh(model: &mut Model) {
    if !model.link.is_up() {
        return deeds::say_down(model);
    }
    (model.status_again, model.details_wanted) = (true, true);
    let log = &mut model.log;
    if log.source.is_some() {
        log.fresh = log.is_following() || log.lines.is_empty();
        log.grown = true;
        log.length_at = super::Now::default();
    }
    notes::info(model, "asked for everything anew");
}

/// Ends what is open, one after the other; false: nothing is.
fn back(model: &mut Model) -> bool {
    let log = &mut model.log;
    if search::is_under_way(log) {
        search::gave_up(log);
        notes::info(model, "the search has ended");
    } else if log.search.take().is_some() {
        log.error_at = None;
    } else if !log.only.is_all() {
        search::filter(model, None);
    } else if model.zoomed {
        model.zoomed = false;
        log::resized(model);
    } else if model.panel != Panel::Processes {
        model.panel = Panel::Processes;
    } else {
        return false;
    }
    true
}
