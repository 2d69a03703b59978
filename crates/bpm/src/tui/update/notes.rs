//! What the user is told. Must not know who reads it, nor where.

use bpm_api::{Code, Error};

use super::super::model::{Level, MOST_NOTES, Model, Note};

/// Characters of a note.
const MOST_CHARACTERS: usize = 400;

/// Of the newest notes, one that differs in numbers only gives way: a program that crashes again and again is one note.
const ALIKE: usize = 8;

pub(super) fn note(model: &mut Model, level: Level, text: impl AsRef<str>) {
    let text = one_line(text.as_ref());
    let newest = model.notes.len().saturating_sub(ALIKE)..model.notes.len();
    let alike = |note: &Note| note.level == level && is_alike(&note.text, &text);
    if let Some(at) = newest.rev().find(|at| model.notes.get(*at).is_some_and(alike)) {
        model.notes.remove(at);
    }
    while model.notes.len() >= MOST_NOTES {
        model.notes.pop_front();
    }
    model.notes.push_back(Note { at: model.now, level, text, is_answer: model.answering });
}

pub(super) fn info(model: &mut Model, text: impl AsRef<str>) {
    note(model, Level::Info, text);
}

/// Something that was asked for did not come to be.
pub(super) fn failed(model: &mut Model, what: &str, error: &Error) {
    let level = if error.code == Code::Overtaken { Level::Info } else { Level::Bad };
    let hint = match error.code {
        Code::BuildFailed => Some("`b` shows the build's log"),
        Code::NotReady | Code::SpawnFailed | Code::Stuck => Some("`W` shows why"),
        _ => error.hint.as_deref(),
    };
    let hint = hint.map(|hint| format!("; {hint}")).unwrap_or_default();
    note(model, level, format!("{what}: {}{hint}", error.message));
}

/// `1 line`, `2 lines`.
pub(super) fn count(number: usize, what: &str) -> String {
    format!("{number} {what}{}", if number == 1 { "" } else { "s" })
}

fn is_alike(one: &str, other: &str) -> bool {
    fn words(text: &str) -> impl Iterator<Item = &str> {
        text.split(|c: char| c.is_ascii_digit()).filter(|word| !word.is_empty())
    }
    words(one).eq(words(other))
}

/// What a manager says may be anything.
fn one_line(text: &str) -> String {
    let mut line: String =
        text.chars().take(MOST_CHARACTERS).map(|c| if c.is_control() { ' ' } else { c }).collect();
    if text.chars().nth(MOST_CHARACTERS).is_some() {
        line.push('…');
    }
    line
}
