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
/// Who types does not pause for so long between two keys.
const PAUSE: Duration = Duration::from_millis(700);
/// A paste that has stopped for so long, and then goes on with no more than a key, has no end.
const REST_OF_PASTE: Duration = Duration::from_secs(2);
const KEY_BYTES: usize = 8;
const ESC: u8 = 0x1b;
/// Alone it is a key, whatever has begun.
const CTRL_C: u8 = 0x03;
const PASTE: &[u8] = b"\x1b[200~";
const END_OF_PASTE: &[u8] = b"\x1b[201~";
/// More than this of a paste is left out, in bytes.
const MOST_PASTED: usize = 64 << 10;
/// No key is longer than this, in bytes.
const MOST_HELD: usize = 4 << 10;

pub(super) struct Keyboard {
    input: Input,
    decoder: Decoder,
    /// When what has begun is taken for all of it.
    due: Option<Instant>,
    read_at: Instant,
    /// Keys are for nobody until then: they were meant for a program that has just ended.
    deaf_until: Option<Instant>,
}

impl Keyboard {
    /// The terminal should be raw already.
    pub(super) fn open() -> io::Result<Keyboard> {
        let (decoder, read_at) = (Decoder::default(), Instant::now());
        Ok(Keyboard { input: Input::open()?, decoder, due: None, read_at, deaf_until: None })
    }

    /// What somebody types on without a pause was not meant for us.
    pub(super) fn ignore_what_goes_on(&mut self) {
        self.deaf_until = Some(Instant::now() + PAUSE);
    }

    /// What of these bytes is for us.
    fn heard<'b>(&mut self, bytes: &'b [u8]) -> &'b [u8] {
        if self.deaf_until.is_none_or(|until| Instant::now() >= until) {
            self.deaf_until = None;
            return bytes;
        }
        self.ignore_what_goes_on();
        match bytes {
            [.., CTRL_C] => &bytes[bytes.len() - 1..],
            _ => &[],
        }
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
                Some(Ok(count)) => {
                    let silent = std::mem::replace(&mut self.read_at, Instant::now()).elapsed();
                    let bytes = self.heard(&buffer[..count]);
                    self.decoder.decode(bytes, silent)
                }
                Some(Err(error)) if error.raw_os_error() == Some(Errno::IO.raw_os_error()) => {
                    return Ok(None);
                }
                Some(Err(error)) => return Err(error),
                None => self.decoder.give_up(),
            };
            self.due = self.decoder.is_unfinished().then(|| Instant::now() + REST_OF_KEY);
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
    paste: Option<Paste>,
}

/// Text that is being pasted: none of it is a key, however much comes and however slowly.
#[derive(Default)]
struct Paste {
    text: Vec<u8>,
    /// Bytes of the end that have come.
    ended: usize,
}

impl Decoder {
    /// `silent`: for how long nothing had come.
    fn decode(&mut self, bytes: &[u8], silent: Duration) -> Vec<Message> {
        let mut messages = Vec::new();
        let has_end = memmem::find(bytes, END_OF_PASTE).is_some();
        let is_key = bytes == [CTRL_C] || (silent >= REST_OF_PASTE && bytes.len() <= KEY_BYTES && !has_end);
        if self.paste.is_some() && is_key {
            self.paste = None;
        }
        for byte in bytes {
            match &mut self.paste {
                Some(paste) => {
                    if paste.push(*byte) {
                        let text = self.paste.take().map(|paste| paste.text).unwrap_or_default();
                        messages.push(Message::Paste(String::from_utf8_lossy(&text).into_owned()));
                    }
                }
                None => self.key(*byte, &mut messages),
            }
        }
        messages
    }

    fn key(&mut self, byte: u8, messages: &mut Vec<Message>) {
        // Esc, and then another key that begins with it
        if byte == ESC && self.held == [ESC] || self.held.len() >= MOST_HELD {
            messages.extend(self.give_up());
        }
        self.held.push(byte);
        if self.held.ends_with(PASTE) {
            *self = Decoder { paste: Some(Paste::default()), ..Decoder::default() };
            return;
        }
        self.parser.parse(&[byte], true);
        self.take(messages);
    }

    /// Nothing more comes of it: Esc was Esc, and what is unfinished shall not swallow the keys after it.
    fn give_up(&mut self) -> Vec<Message> {
        let mut messages = Vec::new();
        self.parser.parse(&[], false);
        self.take(&mut messages);
        (self.parser, self.held) = (Parser::default(), Vec::new());
        messages
    }

    fn take(&mut self, messages: &mut Vec<Message>) {
        while let Some(event) = self.parser.pop() {
            self.held.clear();
            messages.extend(message(&event));
        }
    }

    /// Whether a key has begun.
    fn is_unfinished(&self) -> bool {
        !self.held.is_empty()
    }
}

impl Paste {
    /// Whether that was its end.
    fn push(&mut self, byte: u8) -> bool {
        if END_OF_PASTE.get(self.ended) == Some(&byte) {
            self.ended += 1;
            return self.ended == END_OF_PASTE.len();
        }
        // what looked like the end was text
        let begun = std::mem::take(&mut self.ended);
        self.add(&END_OF_PASTE[..begun]);
        match byte {
            ESC => self.ended = 1,
            byte => self.add(&[byte]),
        }
        false
    }

    fn add(&mut self, bytes: &[u8]) {
        let room = MOST_PASTED.saturating_sub(self.text.len());
        self.text.extend(bytes.iter().take(room));
    }
}

/// `None`: nothing that somebody did.
fn message(event: &Event) -> Option<Message> {
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
        // a paste is told apart before
        Event::Paste(_)
        | Event::WindowResized(_)
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
