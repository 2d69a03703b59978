//! What the terminal sends: keys, the mouse, what is pasted. Read on the loop's own thread, so that nothing that was
//! typed waits for anything else. Must not know what a key does.

use std::io;
use std::time::Duration;

use crossterm::event as drawn;
use memchr::memmem;
use rustix::io::Errno;
use termina::event as sent;
use termina::{Event, Parser};
use tokio::time::{Instant, timeout_at};

use super::super::message::Message;
use crate::terminal::Input;

const READ_BYTES: usize = 4096;
/// Esc is also how the sequences of other keys begin, and a slow line may cut one in two: it is waited for the rest.
const REST_OF_KEY: Duration = Duration::from_millis(25);
const REST_OF_PASTE: Duration = Duration::from_secs(2);
const ESC: u8 = 0x1b;
const PASTE: &[u8] = b"\x1b[200~";
/// More than this is not pasted, in bytes.
const MOST_HELD: usize = 4 << 20;

pub(super) struct Keyboard {
    input: Input,
    decoder: Decoder,
    /// When what has begun is taken for all of it.
    due: Option<Instant>,
}

impl Keyboard {
    /// The terminal should be raw already.
    pub(super) fn open() -> io::Result<Keyboard> {
        Ok(Keyboard { input: Input::open()?, decoder: Decoder::default(), due: None })
    }

    /// What was typed, all of it that is there; `None`: the terminal has gone. Dropping the future loses nothing.
    pub(super) async fn next(&mut self) -> io::Result<Option<Vec<Message>>> {
        let mut buffer = [0; READ_BYTES];
        loop {
            let read = self.input.read(&mut buffer);
            let read = match self.due {
                Some(due) => timeout_at(due, read).await.ok(),
                None => Some(read.await),
            };
            let messages = match read {
                Some(Ok(0)) => return Ok(None),
                Some(Ok(count)) => self.decoder.decode(&buffer[..count]),
                Some(Err(error)) if error.raw_os_error() == Some(Errno::IO.raw_os_error()) => {
                    return Ok(None);
                }
                Some(Err(error)) => return Err(error),
                None => self.decoder.give_up(),
            };
            self.due = self.decoder.patience().map(|patience| Instant::now() + patience);
            if !messages.is_empty() {
                return Ok(Some(messages));
            }
        }
    }
}

/// Bytes in, messages out.
#[derive(Default)]
struct Decoder {
    parser: Parser,
    /// What no message has come of: the beginning of one, or what means nothing.
    held: Vec<u8>,
}

impl Decoder {
    fn decode(&mut self, bytes: &[u8]) -> Vec<Message> {
        let mut messages = Vec::new();
        for byte in bytes {
            if self.held.len() >= MOST_HELD {
                *self = Decoder::default();
            }
            // Esc, and then another key that begins with it
            if *byte == ESC && self.held == [ESC] {
                messages.extend(self.give_up());
            }
            self.held.push(*byte);
            self.parser.parse(&[*byte], true);
            self.take(&mut messages);
        }
        messages
    }

    /// Nothing more comes of it: Esc was Esc, and what is unfinished shall not swallow the keys after it.
    fn give_up(&mut self) -> Vec<Message> {
        let mut messages = Vec::new();
        self.parser.parse(&[], false);
        self.take(&mut messages);
        *self = Decoder::default();
        messages
    }

    fn take(&mut self, messages: &mut Vec<Message>) {
        while let Some(event) = self.parser.pop() {
            self.held.clear();
            messages.extend(message(event));
        }
    }

    /// How long the rest may take, if there is one.
    fn patience(&self) -> Option<Duration> {
        match memmem::find(&self.held, PASTE) {
            Some(_) => Some(REST_OF_PASTE),
            None if self.held.is_empty() => None,
            None => Some(REST_OF_KEY),
        }
    }
}

/// `None`: nothing that somebody did.
fn message(event: Event) -> Option<Message> {
    match event {
        Event::Key(key) if key.kind == sent::KeyEventKind::Release => None,
        Event::Key(key) => {
            let modifiers = modifiers(key.modifiers);
            Some(Message::Key(drawn::KeyEvent::new(code(key.code)?, modifiers)))
        }
        Event::Mouse(mouse) => Some(Message::Mouse(drawn::MouseEvent {
            kind: mouse_kind(mouse.kind),
            column: mouse.column,
            row: mouse.row,
            modifiers: modifiers(mouse.modifiers),
        })),
        Event::Paste(text) => Some(Message::Paste(text)),
        Event::WindowResized(_)
        | Event::FocusIn
        | Event::FocusOut
        | Event::Csi(_)
        | Event::Osc(_)
        | Event::Dcs(_) => None,
    }
}

fn code(code: sent::KeyCode) -> Option<drawn::KeyCode> {
    Some(match code {
        sent::KeyCode::Char(c) => drawn::KeyCode::Char(c),
        sent::KeyCode::Enter => drawn::KeyCode::Enter,
        sent::KeyCode::Backspace => drawn::KeyCode::Backspace,
        sent::KeyCode::Tab => drawn::KeyCode::Tab,
        sent::KeyCode::BackTab => drawn::KeyCode::BackTab,
        sent::KeyCode::Escape => drawn::KeyCode::Esc,
        sent::KeyCode::Left => drawn::KeyCode::Left,
        sent::KeyCode::Right => drawn::KeyCode::Right,
        sent::KeyCode::Up => drawn::KeyCode::Up,
        sent::KeyCode::Down => drawn::KeyCode::Down,
        sent::KeyCode::Home => drawn::KeyCode::Home,
        sent::KeyCode::End => drawn::KeyCode::End,
        sent::KeyCode::PageUp => drawn::KeyCode::PageUp,
        sent::KeyCode::PageDown => drawn::KeyCode::PageDown,
        sent::KeyCode::Insert => drawn::KeyCode::Insert,
        sent::KeyCode::Delete => drawn::KeyCode::Delete,
        sent::KeyCode::Function(number) => drawn::KeyCode::F(number),
        sent::KeyCode::KeypadBegin
        | sent::KeyCode::CapsLock
        | sent::KeyCode::ScrollLock
        | sent::KeyCode::NumLock
        | sent::KeyCode::PrintScreen
        | sent::KeyCode::Pause
        | sent::KeyCode::Menu
        | sent::KeyCode::Null
        | sent::KeyCode::Modifier(_)
        | sent::KeyCode::Media(_) => return None,
    })
}

fn modifiers(held: sent::Modifiers) -> drawn::KeyModifiers {
    let pairs = [
        (sent::Modifiers::SHIFT, drawn::KeyModifiers::SHIFT),
        (sent::Modifiers::CONTROL, drawn::KeyModifiers::CONTROL),
        (sent::Modifiers::ALT, drawn::KeyModifiers::ALT),
        (sent::Modifiers::SUPER, drawn::KeyModifiers::SUPER),
        (sent::Modifiers::HYPER, drawn::KeyModifiers::HYPER),
        (sent::Modifiers::META, drawn::KeyModifiers::META),
    ];
    pairs.into_iter().filter(|(sent, _)| held.contains(*sent)).map(|(_, drawn)| drawn).collect()
}

fn mouse_kind(kind: sent::MouseEventKind) -> drawn::MouseEventKind {
    match kind {
        sent::MouseEventKind::Down(which) => drawn::MouseEventKind::Down(button(which)),
        sent::MouseEventKind::Up(which) => drawn::MouseEventKind::Up(button(which)),
        sent::MouseEventKind::Drag(which) => drawn::MouseEventKind::Drag(button(which)),
        sent::MouseEventKind::Moved => drawn::MouseEventKind::Moved,
        sent::MouseEventKind::ScrollDown => drawn::MouseEventKind::ScrollDown,
        sent::MouseEventKind::ScrollUp => drawn::MouseEventKind::ScrollUp,
        sent::MouseEventKind::ScrollLeft => drawn::MouseEventKind::ScrollLeft,
        sent::MouseEventKind::ScrollRight => drawn::MouseEventKind::ScrollRight,
    }
}

fn button(which: sent::MouseButton) -> drawn::MouseButton {
    match which {
        sent::MouseButton::Left => drawn::MouseButton::Left,
        sent::MouseButton::Right => drawn::MouseButton::Right,
        sent::MouseButton::Middle => drawn::MouseButton::Middle,
    }
}

#[cfg(test)]
mod tests;
