//! Colours and width, or neither. Meaning never rests on colour alone.

use std::borrow::Cow;

/// How text is dressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Style {
    pub color: bool,
    /// Terminal columns; `None`: as wide as it gets.
    pub width: Option<usize>,
}

/// What a piece of text is, as far as colour goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ink {
    Good,
    Bad,
    Waiting,
    Faint,
    Strong,
    /// A label that tells whose line it is; the number picks the colour.
    Label(usize),
}

const LABELS: [&str; 6] = ["36", "33", "35", "32", "34", "31"];

impl Style {
    /// No colour, any width.
    pub const PLAIN: Style = Style { color: false, width: None };

    /// The text in that colour, if there are colours.
    #[must_use]
    pub fn paint<'t>(&self, ink: Ink, text: &'t str) -> Cow<'t, str> {
        if !self.color || text.is_empty() {
            return Cow::Borrowed(text);
        }
        let code = match ink {
            Ink::Good => "32",
            Ink::Bad => "1;31",
            Ink::Waiting => "33",
            Ink::Faint => "2",
            Ink::Strong => "1",
            Ink::Label(number) => LABELS[number % LABELS.len()],
        };
        Cow::Owned(format!("\x1b[{code}m{text}\x1b[0m"))
    }
}
