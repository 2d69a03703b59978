//! The line that is being typed: editing, what was typed before, and what Enter does with it. Must not know where it
//! is drawn.

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use tui_input::{Input, InputRequest};

use super::super::message::Command;
use super::super::model::{MOST_TYPED, Model, Prompt, PromptKind, Question, Target};
use super::{deeds, notes, search};

/// Bytes of a line.
const MOST_BYTES: usize = 16 << 10;

pub(super) fn open(model: &mut Model, kind: PromptKind, target: Option<Target>, text: &str) {
    model.overlay = None;
    model.drag = None;
    model.draft = String::new();
    let input = Input::new(fitting(text, MOST_BYTES).to_owned());
    model.prompt = Some(Prompt { kind, target, input, error: None, recalled: None });
}

fn fitting(text: &str, most: usize) -> &str {
    let end = (0..=most.min(text.len())).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
    text.get(..end).unwrap_or_default()
}

pub(super) fn pressed(model: &mut Model, key: KeyEvent, commands: &mut Vec<Command>) {
    let Some(prompt) = &mut model.prompt else { return };
    let control = key.modifiers.contains(KeyModifiers::CONTROL);
    match key.code {
        KeyCode::Char('c' | 'g') if control => abandon(model),
        KeyCode::Esc => abandon(model),
        KeyCode::Char('l') if control => commands.push(Command::Redraw),
        code if let PromptKind::Confirm(question) = prompt.kind => confirm(model, question, code, commands),
        KeyCode::Enter => enter(model, commands),
        KeyCode::Up => recall(model, true),
        KeyCode::Down => recall(model, false),
        KeyCode::Char('p') if control => recall(model, true),
        KeyCode::Char('n') if control => recall(model, false),
        KeyCode::Backspace if prompt.input.value().is_empty() => model.prompt = None,
        _ => {
            if let Some(request) = edit(key) {
                apply(prompt, request);
            }
        }
    }
}

fn abandon(model: &mut Model) {
    if let Some(Prompt { kind: PromptKind::Confirm(question), .. }) = model.prompt.take() {
        deeds::leave_it(model, question);
    }
}

fn apply(prompt: &mut Prompt, request: InputRequest) {
    if let InputRequest::InsertChar(c) = request
        && (c.is_control() || prompt.input.value().len() + c.len_utf8() > MOST_BYTES)
    {
        return;
    }
    if prompt.input.handle(request).is_some_and(|changed| changed.value) {
        prompt.error = None;
    }
    // what was cut is put back by ctrl-y, and may be longer than there is room
    if prompt.input.value().len() > MOST_BYTES {
        prompt.input = Input::new(fitting(prompt.input.value(), MOST_BYTES).to_owned());
    }
}

/// As line editors have it.
fn edit(key: KeyEvent) -> Option<InputRequest> {
    let held = key.modifiers - KeyModifiers::SHIFT;
    let (plain, control, alt) = (KeyModifiers::NONE, KeyModifiers::CONTROL, KeyModifiers::ALT);
    Some(match (key.code, held) {
        (KeyCode::Char(c), held) if held == plain => InputRequest::InsertChar(c),
        (KeyCode::Left, held) if held == plain => InputRequest::GoToPrevChar,
        (KeyCode::Right, held) if held == plain => InputRequest::GoToNextChar,
        (KeyCode::Left, _) => InputRequest::GoToPrevWord,
        (KeyCode::Right, _) => InputRequest::GoToNextWord,
        (KeyCode::Home, _) => InputRequest::GoToStart,
        (KeyCode::End, _) => InputRequest::GoToEnd,
        (KeyCode::Backspace, held) if held == alt || held == control => InputRequest::DeletePrevWord,
        (KeyCode::Backspace, _) => InputRequest::DeletePrevChar,
        (KeyCode::Delete, held) if held == alt || held == control => InputRequest::DeleteNextWord,
        (KeyCode::Delete, _) => InputRequest::DeleteNextChar,
        (KeyCode::Char(c), held) if held == control => match c {
            'a' => InputRequest::GoToStart,
            'e' => InputRequest::GoToEnd,
            'b' => InputRequest::GoToPrevChar,
            'f' => InputRequest::GoToNextChar,
            'h' => InputRequest::DeletePrevChar,
            'd' => InputRequest::DeleteNextChar,
            'w' => InputRequest::DeletePrevWord,
            'u' => InputRequest::DeleteFromStart,
            'k' => InputRequest::DeleteTillEnd,
            'y' => InputRequest::Yank,
            _ => return None,
        },
        (KeyCode::Char(c), held) if held == alt => match c {
            'b' => InputRequest::GoToPrevWord,
            'f' => InputRequest::GoToNextWord,
            'd' => InputRequest::DeleteNextWord,
            _ => return None,
        },
        // AltGr on some keyboards
        (KeyCode::Char(c), held) if held == control | alt => InputRequest::InsertChar(c),
        _ => return None,
    })
}

/// One line of it is inserted where the cursor is.
pub(super) fn paste(model: &mut Model, text: &str) {
    let Some(prompt) = &mut model.prompt else {
        return notes::info(model, "text can be pasted into a line: `:` runs it, `i` types it");
    };
    if matches!(prompt.kind, PromptKind::Confirm(_)) {
        return;
    }
    let text = text.trim_matches(['\r', '\n']);
    let (line, rest) = text.split_once(['\r', '\n']).map_or((text, ""), |(line, rest)| (line, rest));
    let room = MOST_BYTES.saturating_sub(prompt.input.value().len());
    let taken: String = fitting(line, room).chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    let (value, at) = (prompt.input.value(), prompt.input.cursor());
    let byte = value.char_indices().nth(at).map_or(value.len(), |(byte, _)| byte);
    let (before, after) = value.split_at(byte);
    let cursor = at + taken.chars().count();
    let input = Input::new(format!("{before}{taken}{after}")).with_cursor(cursor);
    (prompt.input, prompt.error) = (input, None);
    if !rest.trim().is_empty() {
        notes::info(model, "only the first line of what was pasted is taken");
    } else if taken.len() < line.len() {
        notes::info(model, format!("a line has at most {MOST_BYTES} bytes: the rest was left out"));
    }
}

fn recall(model: &mut Model, older: bool) {
    let Some(prompt) = &mut model.prompt else { return };
    let Some(typed) = model.typed.get(&prompt.kind).filter(|typed| !typed.is_empty()) else { return };
    let next = match (prompt.recalled, older) {
        (None, true) => Some(0),
        (None, false) => return,
        (Some(at), true) => Some((at + 1).min(typed.len() - 1)),
        (Some(at), false) => at.checked_sub(1),
    };
    if prompt.recalled.is_none() {
        prompt.input.value().clone_into(&mut model.draft);
    }
    let text = match next {
        Some(at) => typed.iter().rev().nth(at).cloned().unwrap_or_default(),
        None => std::mem::take(&mut model.draft),
    };
    (prompt.recalled, prompt.input, prompt.error) = (next, Input::new(text), None);
}

fn remember(model: &mut Model, kind: PromptKind, line: &str) {
    if line.is_empty() {
        return;
    }
    let typed = model.typed.entry(kind).or_default();
    typed.retain(|before| before != line);
    while typed.len() >= MOST_TYPED {
        typed.pop_front();
    }
    typed.push_back(line.to_owned());
}

fn confirm(model: &mut Model, question: Question, code: KeyCode, commands: &mut Vec<Command>) {
    let target = model.prompt.take().and_then(|prompt| prompt.target);
    match (target, code) {
        (Some(target), KeyCode::Char('y' | 'Y')) => deeds::do_it(model, question, target, commands),
        _ => deeds::leave_it(model, question),
    }
}

fn enter(model: &mut Model, commands: &mut Vec<Command>) {
    let Some(prompt) = &mut model.prompt else { return };
    let (kind, target, line) = (prompt.kind, prompt.target.clone(), prompt.input.value().to_owned());
    let is_pattern = matches!(kind, PromptKind::Search | PromptKind::Filter);
    let pattern = match is_pattern && !line.is_empty() {
        true => match search::regex(&line) {
            Ok(regex) => Some(regex),
            Err(error) => {
                prompt.error = Some(error);
                return;
            }
        },
        false => None,
    };
    model.prompt = None;
    remember(model, kind, &line);
    let is_blank = line.trim().is_empty();
    match (kind, target, pattern) {
        (PromptKind::Search, _, Some(regex)) => search::begin(model, line, regex),
        (PromptKind::Search, _, None) => model.log.search = None,
        (PromptKind::Filter, _, pattern) => search::filter(model, pattern.map(|regex| (line, regex))),
        (PromptKind::Run, like, _) if !is_blank => deeds::run(model, like.as_ref(), &line, commands),
        (PromptKind::Input, Some(target), _) => deeds::send_input(model, target, &line, commands),
        (PromptKind::Signal, Some(target), _) if !is_blank => {
            deeds::send_signal(model, target, line.trim(), commands);
        }
        (PromptKind::Run | PromptKind::Signal | PromptKind::Input | PromptKind::Confirm(_), ..) => {}
    }
}
