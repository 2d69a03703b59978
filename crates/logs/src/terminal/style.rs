//! Owns colours and the like ("select graphic rendition"): reading them from sequences, and writing them with few.
//! Must not know what else a terminal obeys.

use std::fmt::Write as _;

use super::Pen;

const RESET: &str = "\x1b[0m";

/// Attributes that are on or off, each with the parameters that switch it on and off.
const SWITCHES: [(u16, u16); 9] =
    [(1, 22), (2, 22), (3, 23), (5, 25), (6, 25), (7, 27), (8, 28), (9, 29), (53, 55)];

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Colour {
    #[default]
    Usual,
    /// One of 16: the parameter for a foreground.
    Named(u8),
    Indexed(u8),
    Rgb(u8, u8, u8),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Style {
    /// A bit for each of [`SWITCHES`].
    switches: u16,
    /// 0: none, 1: one line, and further kinds.
    underline: u8,
    foreground: Colour,
    background: Colour,
    underline_colour: Colour,
}

/// The styles that a line has had, in order. Cells name them by their places.
#[derive(Debug)]
pub(super) struct Styles {
    had: Vec<Style>,
}

impl Default for Styles {
    fn default() -> Styles {
        Styles { had: vec![Style::default()] }
    }
}

impl Pen for Styles {
    type Ink = u32;

    fn ink(&self) -> u32 {
        u32::try_from(self.had.len() - 1).unwrap_or(u32::MAX)
    }

    fn change(&mut self, parameters: &str) {
        let before = self.style(self.ink());
        let mut style = before;
        style.change(parameters);
        if style != before {
            self.had.push(style);
        }
    }
}

impl Styles {
    /// Appends the cells with the sequences between them.
    pub(super) fn write(&self, cells: &[(char, u32)], out: &mut String) {
        let mut style = Style::default();
        for (c, ink) in cells {
            let next = self.style(*ink);
            if next != style {
                next.write_after(&style, out);
                style = next;
            }
            out.push(*c);
        }
        if style != Style::default() {
            out.push_str(RESET);
        }
    }

    fn style(&self, ink: u32) -> Style {
        usize::try_from(ink).ok().and_then(|ink| self.had.get(ink)).copied().unwrap_or_default()
    }
}

impl Style {
    fn change(&mut self, parameters: &str) {
        let mut items = parameters.split(';');
        while let Some(item) = items.next() {
            let mut parts = item.split(':');
            let code = parts.next().map_or(Some(0), number);
            let parts: Vec<&str> = parts.collect();
            match code {
                Some(code @ (38 | 48 | 58)) => {
                    let colour = if parts.is_empty() { colour(&mut items) } else { colour_of_parts(&parts) };
                    // Where it cannot be read nobody knows what the rest belongs to.
                    let Some(colour) = colour else { return };
                    match code {
                        38 => self.foreground = colour,
                        48 => self.background = colour,
                        _ => self.underline_colour = colour,
                    }
                }
                Some(4) => self.underline = parts.first().map_or(Some(1), |kind| number(kind)).map_or(1, low),
                Some(code) => self.set(code),
                None => {}
            }
        }
    }

    fn set(&mut self, code: u16) {
        for (bit, (on, off)) in SWITCHES.iter().enumerate() {
            if code == *on {
                self.switches |= 1 << bit;
            } else if code == *off {
                self.switches &= !(1 << bit);
            }
        }
        match code {
            0 => *self = Style::default(),
            21 => self.underline = 2,
            24 => self.underline = 0,
            30..=37 | 90..=97 => self.foreground = Colour::Named(low(code)),
            39 => self.foreground = Colour::Usual,
            40..=47 | 100..=107 => self.background = Colour::Named(low(code - 10)),
            49 => self.background = Colour::Usual,
            59 => self.underline_colour = Colour::Usual,
            _ => {}
        }
    }

    /// The sequences that lead from `before` to this.
    fn write_after(&self, before: &Style, out: &mut String) {
        if *self == Style::default() {
            return out.push_str(RESET);
        }
        let adds = self.adds_to(before);
        let from = if adds { *before } else { Style::default() };
        let mut codes = String::new();
        if !adds {
            codes.push('0');
        }
        for (bit, (on, _)) in SWITCHES.iter().enumerate() {
            if (self.switches & !from.switches) & (1 << bit) != 0 {
                add(&mut codes, format_args!("{on}"));
            }
        }
        if self.underline == 1 && from.underline != 1 {
            add(&mut codes, format_args!("4"));
        }
        if self.foreground != from.foreground {
            self.foreground.add_to(&mut codes, 0);
        }
        if self.background != from.background {
            self.background.add_to(&mut codes, 10);
        }
        if !codes.is_empty() {
            _ = write!(out, "\x1b[{codes}m");
        }
        // These stand alone: who does not know them loses nothing else.
        if self.underline > 1 && self.underline != from.underline {
            _ = write!(out, "\x1b[4:{}m", self.underline);
        }
        if self.underline_colour != from.underline_colour {
            self.underline_colour.write_underline(out);
        }
    }

    /// Nothing of `before` has to be taken back.
    fn adds_to(&self, before: &Style) -> bool {
        let kept = |now: Colour, then: Colour| then == Colour::Usual || now != Colour::Usual;
        before.switches & !self.switches == 0
            && (before.underline == 0 || self.underline != 0)
            && kept(self.foreground, before.foreground)
            && kept(self.background, before.background)
            && kept(self.underline_colour, before.underline_colour)
    }
}

impl Colour {
    /// `shift`: 10 for a background.
    fn add_to(self, codes: &mut String, shift: u8) {
        match self {
            Colour::Usual => add(codes, format_args!("{}", 39 + shift)),
            Colour::Named(code) => add(codes, format_args!("{}", code + shift)),
            Colour::Indexed(index) => add(codes, format_args!("{};5;{index}", 38 + shift)),
            Colour::Rgb(r, g, b) => add(codes, format_args!("{};2;{r};{g};{b}", 38 + shift)),
        }
    }

    fn write_underline(self, out: &mut String) {
        _ = match self {
            Colour::Indexed(index) => write!(out, "\x1b[58:5:{index}m"),
            Colour::Rgb(r, g, b) => write!(out, "\x1b[58:2::{r}:{g}:{b}m"),
            // Named ones cannot be said.
            Colour::Usual | Colour::Named(_) => write!(out, "\x1b[59m"),
        };
    }
}

fn add(codes: &mut String, code: std::fmt::Arguments<'_>) {
    if !codes.is_empty() {
        codes.push(';');
    }
    // Writing to a string cannot fail.
    _ = codes.write_fmt(code);
}

/// What follows 38, 48 or 58 between semicolons: `5;N` or `2;R;G;B`.
fn colour<'a>(items: &mut impl Iterator<Item = &'a str>) -> Option<Colour> {
    let mut next = || byte(items.next()?);
    match next()? {
        5 => Some(Colour::Indexed(next()?)),
        2 => Some(Colour::Rgb(next()?, next()?, next()?)),
        _ => None,
    }
}

/// The same between colons, where a colour space may stand before the three.
fn colour_of_parts(parts: &[&str]) -> Option<Colour> {
    match parts {
        ["5", index, ..] => Some(Colour::Indexed(byte(index)?)),
        ["2", r, g, b] | ["2", _, r, g, b, ..] => Some(Colour::Rgb(byte(r)?, byte(g)?, byte(b)?)),
        _ => None,
    }
}

/// One that is left out is 0.
fn number(text: &str) -> Option<u16> {
    if text.is_empty() { Some(0) } else { text.parse().ok() }
}

fn byte(text: &str) -> Option<u8> {
    number(text).and_then(|n| u8::try_from(n).ok())
}

fn low(code: u16) -> u8 {
    u8::try_from(code).unwrap_or(1)
}

#[cfg(test)]
mod tests;
