//! The last row: what is being typed, else the newest note, else what is under way, else that the manager has gone, else
//! the keys that make sense now.

use bpm_api::{State, TaskState};
use ratatui::layout::{Position, Rect};
use ratatui::text::{Line, Span};
use unicode_segmentation::UnicodeSegmentation;

use super::paint::Painter;
use super::server::{gone, silent};
use super::style::{Ink, SPINNER, SPINNER_ASCII, Theme};
use super::text::{line, line_width, safe, width};
use crate::render;
use crate::tui::keys::{Action, KEYS, shown};
use crate::tui::model::{Deed, Model, Overlay, Panel, Prompt, PromptKind, Question};

/// How long a picture of the spinner stays.
const SPIN_MS: u64 = 300;
/// Columns below which the keys that are always there are not at the right end.
const NARROW: u16 = 40;
/// Columns that what is typed has beside an error, at least.
const LEAST_INPUT: u16 = 12;
/// Columns between what is said and the keys that are offered beside it.
const GAP: u16 = 3;

/// Draws it, and returns where the cursor is while something is being typed.
pub(super) fn draw(model: &Model, painter: &mut Painter<'_>, area: Rect) -> Option<Position> {
    if let Some(prompt) = &model.prompt {
        // without a row of its own, it takes the last one that there is
        let last =
            Rect { x: 0, y: model.rows.saturating_sub(1), width: model.columns, height: 1.min(model.rows) };
        let area = if area.is_empty() { last } else { area };
        painter.clear(area);
        return typing(prompt, painter, area);
    }
    let theme = painter.theme;
    let is_wide = area.width > NARROW;
    let room = if is_wide { painter.right(area, &always(theme)) } else { area };
    if let Some(note) = model.note_shown() {
        let ink = Theme::level(note.level);
        let text = line([theme.span(ink, note.text.clone())]);
        beside(model, painter, room, &text);
    } else if !model.deeds.is_empty() {
        beside(model, painter, room, &under_way(model, theme));
    } else if let Some(gone) = gone(model) {
        beside(model, painter, room, &line([theme.span(Ink::Bad, gone)]));
    } else if let Some(silent) = silent(model) {
        beside(model, painter, room, &line([theme.span(Ink::Waiting, silent)]));
    } else {
        offered(model, painter, room, is_wide);
    }
    None
}

/// Says something, and offers keys in what is left of the row.
fn beside(model: &Model, painter: &mut Painter<'_>, room: Rect, text: &Line<'static>) {
    let left = painter.line(room, text);
    if let Some(width) = left.width.checked_sub(GAP) {
        offered(model, painter, Rect { x: left.x + GAP, width, ..left }, true);
    }
}

fn typing(prompt: &Prompt, painter: &mut Painter<'_>, area: Rect) -> Option<Position> {
    let theme = painter.theme;
    let label = theme.span(Ink::Accent, label(prompt));
    let mut room = area;
    if let Some(error) = &prompt.error {
        let most = usize::from(area.width.saturating_sub(LEAST_INPUT)) / 2;
        let error = safe(error, theme.ascii);
        let error = line([theme.span(Ink::Bad, render::fit(&error, most))]);
        if most > 0 {
            room = painter.right(room, &error);
        }
    }
    let wide = line_width(&Line::from(label.clone()), theme.ascii);
    let label_room = Rect { width: room.width.min(wide as u16), ..room };
    painter.line(label_room, &Line::from(label));
    let room = Rect { x: room.x + label_room.width, width: room.width - label_room.width, ..room };
    if room.is_empty() {
        return None;
    }
    let (value, at) = (prompt.input.value(), prompt.input.cursor());
    let split = value.char_indices().nth(at).map_or(value.len(), |(split, _)| split);
    let before = safe(&value[..split], theme.ascii);
    let text = safe(value, theme.ascii);
    // the cursor has a cell of its own at the end
    let most = usize::from(room.width) - 1;
    let hidden = width(&before).saturating_sub(most);
    let (mut skipped, mut start) = (0, 0);
    for grapheme in text.graphemes(true).take_while(|_| hidden > 0) {
        if skipped >= hidden {
            break;
        }
        skipped += width(grapheme);
        start += grapheme.len();
    }
    painter.put_safe(room, &text[start..], theme.style(Ink::Text));
    let column = width(&before).saturating_sub(skipped).min(most);
    Some(Position { x: room.x + column as u16, y: room.y })
}

fn label(prompt: &Prompt) -> String {
    let of = prompt.target.as_ref().map(|target| format!(" {}", target.name())).unwrap_or_default();
    match prompt.kind {
        PromptKind::Search => "/".to_owned(),
        PromptKind::Filter => "&".to_owned(),
        PromptKind::Input => format!("type into{of}: "),
        PromptKind::Signal => format!("signal to{of}: "),
        PromptKind::Run => "run: ".to_owned(),
        PromptKind::Confirm(Question::Stop) => format!("stop{of}? y or n "),
        PromptKind::Confirm(Question::End) => format!("end{of} and its whole tree? y or n "),
        PromptKind::Confirm(Question::Forget) => format!("forget{of} and delete its log? y or n "),
    }
}

/// What was asked for and has not come about.
fn under_way(model: &Model, theme: Theme) -> Line<'static> {
    let mut deeds: Vec<(&u64, &Deed)> = model.deeds.iter().collect();
    deeds.sort_by_key(|(number, _)| **number);
    let pictures: &[&str] = if theme.ascii { &SPINNER_ASCII } else { &SPINNER };
    let step = (model.now.mono_ms / SPIN_MS) as usize % pictures.len();
    let mut line = Line::default();
    for (_, deed) in deeds {
        if !line.spans.is_empty() {
            line.push_span(Span::raw("  "));
        }
        let seconds = model.now.mono_ms.saturating_sub(deed.since.mono_ms) / 1000;
        line.push_span(theme.span(Ink::Accent, format!("{} ", pictures[step])));
        line.push_span(theme.span(Ink::Text, deed.what.clone()));
        line.push_span(theme.span(Ink::Faint, format!(" {}", render::seconds(seconds as f64))));
    }
    line
}

/// The keys that are always there.
fn always(theme: Theme) -> Line<'static> {
    let mut line = Line::default();
    for action in [Action::Help, Action::Quit] {
        offer(&mut line, action, None, theme);
    }
    line
}

/// As many keys as there is room for, the most useful first.
fn offered(model: &Model, painter: &mut Painter<'_>, room: Rect, is_wide: bool) {
    let theme = painter.theme;
    let mut line = Line::default();
    if !is_wide {
        offer(&mut line, Action::Help, None, theme);
    }
    for (action, word) in wanted(model) {
        let mut longer = line.clone();
        offer(&mut longer, action, word, theme);
        if line_width(&longer, theme.ascii) > usize::from(room.width) {
            break;
        }
        line = longer;
    }
    painter.line(room, &line);
}

fn offer(line: &mut Line<'static>, action: Action, word: Option<&'static str>, theme: Theme) {
    let Some(binding) = KEYS.iter().find(|binding| binding.action == action) else { return };
    let Some(chord) = binding.chords.first() else { return };
    if !line.spans.is_empty() {
        line.push_span(Span::raw("  "));
    }
    let keys = match (action, theme.ascii) {
        (Action::Down, false) => "↑↓".to_owned(),
        (Action::Down, true) => "Up/Down".to_owned(),
        _ => shown(*chord, theme.ascii),
    };
    line.push_span(theme.span(Ink::Strong, keys));
    line.push_span(theme.span(Ink::Faint, format!(" {}", word.unwrap_or(binding.word))));
}

/// What can be done here, and how it is called where that is not what the table calls it.
fn wanted(model: &Model) -> Vec<(Action, Option<&'static str>)> {
    let plain = |action: Action| (action, None);
    match &model.overlay {
        Some(Overlay::Runs { .. }) => {
            return vec![(Action::Refresh, Some("show")), (Action::Back, Some("close"))];
        }
        Some(Overlay::Help { .. } | Overlay::Why { .. } | Overlay::Text { .. }) => {
            return vec![(Action::Back, Some("close")), (Action::Down, Some("scroll"))];
        }
        None => {}
    }
    let mut keys = Vec::new();
    let in_builds = model.log.source.as_ref().is_some_and(|source| source.builds);
    let can_start = |action: &Action| *action == Action::Start;
    match model.panel {
        Panel::Processes => keys.extend(steering(model).into_iter().map(plain)),
        Panel::Output | Panel::Server | Panel::Details => {
            keys.extend(steering(model).into_iter().filter(can_start).map(plain));
            keys.push((Action::Down, Some("scroll")));
        }
    }
    if in_builds && model.link.is_up() {
        keys.extend([(Action::NextError, None), (Action::Builds, Some("its run"))]);
    }
    keys.extend(back(model).map(|word| (Action::Back, Some(word))));
    keys.extend(out_of_the_ordinary(model));
    let grows = model.log.is_following() && !model.log.ended;
    let follow = grows.then_some((Action::Follow, Some("pause")));
    if model.panel == Panel::Output {
        keys.extend(model.log.search.as_ref().map(|_| plain(Action::Next)));
        keys.push(plain(Action::Search));
        keys.extend(follow);
        let others = [Action::NextError, Action::Filter, Action::Wrap, Action::Times, Action::Runs];
        keys.extend(others.map(plain));
    } else {
        keys.push(plain(Action::Search));
        keys.extend(follow);
        keys.extend(model.link.is_up().then_some(plain(Action::Run)));
    }
    keys.extend([Action::NextPanel, Action::Zoom].map(plain));
    keys
}

/// What Esc does, but for quitting.
fn back(model: &Model) -> Option<&'static str> {
    if model.log.search.is_some() {
        return Some("ends search");
    }
    if !model.log.only.is_all() {
        return Some("shows all");
    }
    if model.zoomed {
        return Some("unzooms");
    }
    (model.panel != Panel::Processes).then_some("to Processes")
}

/// The way out of what is shown to the newest lines of the newest run.
fn out_of_the_ordinary(model: &Model) -> Vec<(Action, Option<&'static str>)> {
    let log = &model.log;
    let mut keys = Vec::new();
    if log.run > 0 && log.run < log.newest {
        keys.push((Action::NewerRun, Some("newer")));
    }
    if log.source.is_some() && !log.is_following() {
        keys.push((Action::Follow, None));
    }
    keys
}

/// What can be done to the one that is selected.
fn steering(model: &Model) -> Vec<Action> {
    if !model.link.is_up() {
        return Vec::new();
    }
    let in_builds = model.log.source.as_ref().is_some_and(|source| source.builds);
    if let Some(process) = model.process() {
        let attach = process.pty.then_some(Action::Attach);
        return match process.state {
            State::Running => [Action::Restart, Action::Stop].into_iter().chain(attach).collect(),
            State::Starting | State::Stopping if in_builds => vec![Action::Stop],
            State::Starting | State::Stopping => vec![Action::Stop, Action::Builds],
            State::Stopped | State::Idle | State::Ended => vec![Action::Start, Action::Restart],
            State::BackingOff | State::CrashLooping => vec![Action::Why, Action::Restart, Action::Stop],
            State::BuildFailed if in_builds => vec![Action::Restart],
            State::BuildFailed => vec![Action::Builds, Action::Restart],
            State::CannotStart | State::Stuck => vec![Action::Why, Action::Restart],
        };
    }
    match model.task() {
        Some(task) if task.state == TaskState::Running => {
            let attach = task.pty.then_some(Action::Attach);
            [Action::Stop, Action::Input].into_iter().chain(attach).collect()
        }
        Some(_) => vec![Action::Forget],
        None => Vec::new(),
    }
}
