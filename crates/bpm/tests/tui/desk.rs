//! Somebody who sits in front of a project: presses keys and looks at the output. Must not know what any key does but
//! those that select.

use crate::lab::Lab;
use crate::shown::{Output, output};
use crate::tmux::Screen;

pub struct Desk {
    // the screen goes first, as long as there is a manager
    pub screen: Screen,
    pub lab: Lab,
    pub columns: u16,
    first: &'static str,
}

impl Desk {
    /// `first` is what the list begins with.
    pub fn new(lab: Lab, first: &'static str, columns: u16, rows: u16) -> Desk {
        let screen = Screen::tui(&lab, columns, rows, &[]);
        Desk { screen, lab, columns, first }
    }

    pub fn press(&self, key: &str) {
        self.screen.press(&[key]);
    }

    pub fn type_line(&self, text: &str) {
        self.screen.type_text(text);
        self.press("Enter");
    }

    pub fn output(&self) -> Output {
        self.screen.wait("an output panel", |screen| output(&screen.text()))
    }

    pub fn until(&self, what: &str, holds: impl Fn(&Output) -> bool) -> Output {
        self.screen.wait(what, |screen| output(&screen.text()).filter(&holds))
    }

    /// Selects it, wherever one is.
    pub fn select(&self, name: &str) {
        for _ in 0..8 {
            self.press("Up");
        }
        self.until("the first one is selected", |output| output.is_of(self.first));
        for _ in 0..8 {
            let before = self.output();
            if before.is_of(name) {
                return;
            }
            self.press("Down");
            self.until("another one is selected", |output| output.name() != before.name());
        }
        panic!("there is no {name}\n{}", self.screen.text());
    }
}
