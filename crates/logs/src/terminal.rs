//! Owns what a line of output looks like once a terminal has obeyed it: one row, overwritten by
//! carriage returns, backspaces and the sequences that move in a row or erase it. Must not know
//! logs.

mod style;

use std::str::Chars;

use style::Styles;

/// Further to the right nothing is moved to.
const MOST_COLUMNS: usize = 1024;

const ESC: char = '\u{1b}';
const CSI: char = '\u{9b}';

/// A sequence of more parameters (in bytes) sets no colours.
const MOST_PARAMETERS: usize = 256;

/// Appends the final text of `line`, which holds no line feed.
pub(crate) fn settle_line(line: &str, out: &mut String) {
    let row: Row<()> = settle(line);
    out.extend(row.cells.iter().map(|(c, ())| c));
}

/// As [`settle_line`], with the colours and the like that the text was written with, in as few sequences as they
/// need. They end with the line.
pub(crate) fn settle_styled(line: &str, out: &mut String) {
    let row: Row<Styles> = settle(line);
    row.pen.write(&row.cells, out);
}

/// What the cells of a row are written with.
trait Pen: Default {
    /// What a cell remembers of it.
    type Ink: Copy + Default;
    fn ink(&self) -> Self::Ink;
    /// Obeys "select graphic rendition" with these parameters.
    fn change(&mut self, parameters: &str);
}

/// Remembers nothing.
impl Pen for () {
    type Ink = ();
    fn ink(&self) {}
    fn change(&mut self, _: &str) {}
}

fn settle<P: Pen>(line: &str) -> Row<P> {
    let mut row = Row::default();
    let mut chars = line.chars();
    while let Some(c) = chars.next() {
        match c {
            '\r' => row.column = 0,
            '\u{8}' => row.column = row.column.saturating_sub(1),
            ESC => escape(&mut chars, &mut row),
            CSI => control_sequence(&mut chars, &mut row),
            '\u{90}' | '\u{98}' | '\u{9d}'..='\u{9f}' => skip_string(&mut chars),
            '\t' => row.put(c),
            c if c.is_control() => {}
            c => row.put(c),
        }
    }
    row.cells.truncate(row.shown());
    row
}

/// Appends the text of `line` if nothing is in it but text, colours and what is as harmless; says
/// whether that is so. Most lines are like that, and this is much cheaper.
pub(crate) fn strip_colours(line: &[u8], out: &mut Vec<u8>) -> bool {
    let mut rest = line.strip_suffix(b"\r").unwrap_or(line);
    let mut erased = false;
    loop {
        let at = memchr::memchr(0x1b, rest).unwrap_or(rest.len());
        let (text, escape) = rest.split_at(at);
        if !is_text(text) {
            return false;
        }
        out.extend_from_slice(text);
        if escape.is_empty() {
            while erased && out.last() == Some(&b' ') {
                out.pop();
            }
            return true;
        }
        let Some(parameters) = escape.strip_prefix(b"\x1b[") else { return false };
        let end = parameters.iter().position(|b| !matches!(b, b'0'..=b';'));
        match end.map(|end| (&parameters[..end], parameters[end], &parameters[end + 1..])) {
            Some((_, b'm', after)) => rest = after,
            // Erases to the right of the end: nothing.
            Some((b"" | b"0", b'K', after)) => (rest, erased) = (after, true),
            Some(_) | None => return false,
        }
    }
}

/// Nothing in it can be a control character but tabs.
pub(crate) fn is_text(bytes: &[u8]) -> bool {
    // 0xc2 begins the second set of control characters, and a few others.
    bytes.iter().all(|b| (*b >= b' ' && *b != 0x7f && *b != 0xc2) || *b == b'\t')
}

#[derive(Debug, Default)]
struct Row<P: Pen> {
    cells: Vec<(char, P::Ink)>,
    pen: P,
    column: usize,
    /// Something was erased or moved over: blanks at the end mean nothing.
    edited: bool,
}

impl<P: Pen> Row<P> {
    fn put(&mut self, c: char) {
        if self.column > self.cells.len() {
            self.cells.resize(self.column, (' ', P::Ink::default()));
        }
        let new = (c, self.pen.ink());
        match self.cells.get_mut(self.column) {
            Some(cell) => {
                self.edited = true;
                *cell = new;
            }
            None => self.cells.push(new),
        }
        self.column += 1;
    }

    fn shown(&self) -> usize {
        if !self.edited {
            return self.cells.len();
        }
        let last = self.cells.iter().rposition(|(c, _)| *c != ' ');
        last.map_or(0, |last| last + 1)
    }

    fn erase(&mut self, how: usize) {
        self.edited = true;
        match how {
            0 => self.cells.truncate(self.column),
            1 => {
                let upto = self.column.saturating_add(1).min(self.cells.len());
                self.cells[..upto].fill((' ', P::Ink::default()));
            }
            2 => self.cells.clear(),
            _ => {}
        }
    }

    /// To a column, but no further right than a terminal could be wide (or than the text is).
    fn go(&mut self, column: usize) {
        self.column = column.min(MOST_COLUMNS.max(self.cells.len()));
    }
}

/// After ESC.
fn escape<P: Pen>(chars: &mut Chars<'_>, row: &mut Row<P>) {
    match chars.next() {
        Some('[') => control_sequence(chars, row),
        Some(']' | 'P' | 'X' | '^' | '_') => skip_string(chars),
        // Intermediate characters, then one final one.
        Some(' '..='/') => while chars.next().is_some_and(|c| (' '..='/').contains(&c)) {},
        Some(_) | None => {}
    }
}

/// After ESC `[`: parameters, then one final character that says what to do.
fn control_sequence<P: Pen>(chars: &mut Chars<'_>, row: &mut Row<P>) {
    let text = chars.as_str();
    let (mut first, mut private, mut counting, mut plain): (Option<usize>, _, _, _) =
        (None, false, true, true);
    for c in chars.by_ref() {
        match c {
            '0'..='9' if counting => {
                let digit = c.to_digit(10).map_or(0, |d| d as usize);
                first = Some(first.unwrap_or(0).saturating_mul(10).saturating_add(digit));
            }
            '0'..=';' => counting = false,
            '<'..='?' => private = true,
            ' '..='/' => (counting, plain) = (false, false),
            'm' if plain && !private => {
                let end = text.bytes().position(|b| b == b'm').unwrap_or(0);
                if end <= MOST_PARAMETERS {
                    row.pen.change(&text[..end]);
                }
                return;
            }
            '@'..='~' => {
                if !private {
                    obey(c, first, row);
                }
                return;
            }
            // Not part of any sequence: it was cut off.
            _ => return,
        }
    }
}

fn obey<P: Pen>(c: char, parameter: Option<usize>, row: &mut Row<P>) {
    let count = parameter.unwrap_or(1).max(1);
    match c {
        'C' => row.go(row.column.saturating_add(count)),
        'D' => row.go(row.column.saturating_sub(count)),
        'G' => row.go(count - 1),
        'K' => row.erase(parameter.unwrap_or(0)),
        _ => {}
    }
}

/// Skips the text of a title, a link and the like, up to BEL or ESC `\`.
fn skip_string(chars: &mut Chars<'_>) {
    while let Some(c) = chars.next() {
        match c {
            '\u{7}' | '\u{9c}' => return,
            ESC => {
                let mut ahead = chars.clone();
                if ahead.next() == Some('\\') {
                    *chars = ahead;
                }
                return;
            }
            _ => {}
        }
    }
}
