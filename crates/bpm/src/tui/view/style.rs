//! The house theme: what each kind of text looks like, with and without colours, and what stands for each sign where
//! there is nothing but ASCII. Everything that is drawn gets its looks here.
//!
//! Only the sixteen colours that the terminal's own theme defines, as text on its own background, so that light and
//! dark ones both work; no black, white or blue text, which one of them hides. Meaning never rests on colour alone.

use std::borrow::Cow;

use ratatui::style::{Color, Modifier, Style};
use ratatui::text::Span;

use crate::tui::model::{Level, Look};

/// What a piece of text is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ink {
    Text,
    Strong,
    Faint,
    Good,
    Waiting,
    Bad,
    /// What the keyboard goes to.
    Accent,
    /// Bars and curves.
    Picture,
    /// The row that is selected.
    Selected,
    /// What a search matches.
    Match,
}

/// How it is to look.
#[derive(Clone, Copy, Debug)]
pub(super) struct Theme {
    pub(super) ascii: bool,
    pub(super) plain: bool,
}

impl Theme {
    pub(super) fn of(look: &Look) -> Theme {
        Theme { ascii: look.ascii, plain: look.plain }
    }

    pub(super) fn style(self, ink: Ink) -> Style {
        let style = Style::new();
        let colored = |color: Color| if self.plain { style } else { style.fg(color) };
        match ink {
            Ink::Text => style,
            Ink::Strong => style.add_modifier(Modifier::BOLD),
            Ink::Faint => style.add_modifier(Modifier::DIM),
            Ink::Good => colored(Color::Green),
            Ink::Waiting => colored(Color::Yellow),
            Ink::Bad => colored(Color::Red).add_modifier(Modifier::BOLD),
            Ink::Accent => colored(Color::Cyan).add_modifier(Modifier::BOLD),
            Ink::Picture => colored(Color::Cyan),
            // whatever is below it
            Ink::Selected => Style::reset().add_modifier(Modifier::REVERSED),
            Ink::Match => Style::reset().add_modifier(Modifier::REVERSED | Modifier::BOLD),
        }
    }

    pub(super) fn span<'t>(self, ink: Ink, text: impl Into<Cow<'t, str>>) -> Span<'t> {
        Span::styled(text, self.style(ink))
    }

    /// A program's own colours, or what is left of them.
    pub(super) fn program(self, style: Style) -> Style {
        if self.plain {
            return Style { fg: None, bg: None, underline_color: None, ..style };
        }
        style
    }

    /// How serious it looks.
    pub(super) fn level(level: Level) -> Ink {
        match level {
            Level::Info => Ink::Text,
            Level::Good => Ink::Good,
            Level::Warning => Ink::Waiting,
            Level::Bad => Ink::Bad,
        }
    }

    /// What stands where something is cut off.
    pub(super) fn ellipsis(self, room: usize) -> &'static str {
        match (self.ascii, room) {
            (false, _) => "…",
            (true, 0..8) => ".",
            (true, _) => "...",
        }
    }
}

/// Marks of states.
pub(super) const RUNS: &str = "▶";
pub(super) const CHANGES: &str = "◐";
pub(super) const IDLE: &str = "○";
pub(super) const STOPPED: &str = "■";
pub(super) const DONE: &str = "✓";
pub(super) const FAILED: &str = "✗";
/// From nothing to full.
pub(super) const LEVELS: [&str; 8] = ["▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"];
pub(super) const BAR: [&str; 2] = ["━", "─"];
pub(super) const SPINNER: [&str; 10] = ["⠋", "⠙", "⠹", "⠸", "⠼", "⠴", "⠦", "⠧", "⠇", "⠏"];
pub(super) const SPINNER_ASCII: [&str; 4] = ["|", "/", "-", "\\"];

/// What stands for a character where there is nothing but ASCII.
pub(super) fn ascii(c: char) -> Option<&'static str> {
    Some(match c {
        '▶' | '›' | '❯' => ">",
        '‹' => "<",
        '█' | '━' => "#",
        '■' => "=",
        '┃' => "!",
        '✗' | '×' => "x",
        '✓' => "v",
        '◐' => "~",
        '●' => "*",
        '○' => "o",
        '…' => "...",
        '→' => "->",
        '←' => "<-",
        '↑' => "^",
        '↓' => "v",
        '·' | '─' | '–' | '—' | '−' => "-",
        '│' | '┆' => "|",
        '╭' | '╮' | '╰' | '╯' | '├' | '┤' => "+",
        '▁' => "_",
        '▂' => ".",
        '▃' => "-",
        '▄' => "~",
        '▅' => "=",
        '▆' => "+",
        '▇' => "*",
        '‘' | '’' => "'",
        '“' | '”' => "\"",
        '\u{a0}' => " ",
        _ => return None,
    })
}
