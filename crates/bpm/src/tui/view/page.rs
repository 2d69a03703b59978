//! A page of labelled facts, wrapped to its width. Must not know whose facts these are.

use bpm_api::{BuildStatus, ProcessStatus};
use ratatui::text::{Line, Span};

use super::spark::bar;
use super::style::{Ink, Theme};
use super::text::{brief, line, safe, wrap};
use crate::render;

/// Columns of what a value is called, where there is room for it.
const LABEL: usize = 10;
/// Columns that a panel has to have for labels in a column of their own.
const LABELLED: usize = 40;
/// Columns of a bar, at most.
const BAR: usize = 24;

/// Lines of a page that is being written.
pub(super) struct Page {
    pub(super) theme: Theme,
    pub(super) columns: usize,
    pub(super) lines: Vec<Line<'static>>,
}

impl Page {
    pub(super) fn new(theme: Theme, columns: usize) -> Page {
        Page { theme, columns, lines: Vec::new() }
    }

    /// One more fact in a row of them.
    pub(super) fn fact(&self, text: &str) -> Span<'static> {
        self.theme.span(Ink::Faint, format!(" · {text}"))
    }

    pub(super) fn label(&self, name: &str) -> (Span<'static>, usize) {
        let text = if self.columns >= LABELLED { format!("{name:<LABEL$} ") } else { format!("{name} ") };
        let wide = text.len();
        (self.theme.span(Ink::Faint, text), wide)
    }

    /// A value, on as many rows as it takes.
    pub(super) fn wrapped(&mut self, name: &str, ink: Ink, value: &str) {
        if value.is_empty() {
            return;
        }
        let (label, wide) = self.label(name);
        let value = safe(value, self.theme.ascii);
        let rows = wrap(&value, self.columns.saturating_sub(wide));
        let indent = if self.columns >= LABELLED { wide } else { 2 };
        for (number, text) in rows.into_iter().enumerate() {
            let before = if number == 0 { label.clone() } else { Span::raw(" ".repeat(indent)) };
            self.lines.push(line([before, self.theme.span(ink, text)]));
        }
    }

    /// A build that is under way, with how far it is.
    pub(super) fn building(&mut self, build: &BuildStatus) {
        let theme = self.theme;
        let (label, wide) = self.label("building");
        let number = build.build;
        let took = build.took_seconds.map(|took| format!(" for {}", render::seconds(took)));
        let mut spans = vec![label];
        match &build.progress {
            Some(progress) => {
                let steps = format!("{}/{} ", progress.done, progress.total);
                let columns = self.columns.saturating_sub(wide + steps.len()) / 3;
                let [done, rest] = bar(progress.done, progress.total, columns.min(BAR));
                spans.push(theme.span(Ink::Strong, steps));
                spans.push(theme.span(Ink::Good, done));
                spans.push(theme.span(Ink::Faint, rest));
                spans.push(theme.span(Ink::Text, format!(" {}", progress.what)));
            }
            None => spans.push(theme.span(Ink::Text, format!("build {number}{}", took.unwrap_or_default()))),
        }
        self.lines.push(Line::from(spans));
        if let Some(note) = &build.note {
            self.wrapped("", Ink::Text, note);
        }
    }

    /// A build that has ended.
    pub(super) fn built(&mut self, build: &BuildStatus) {
        let (ink, how) = match build.ok {
            Some(true) => (Ink::Text, "succeeded"),
            Some(false) => (Ink::Bad, "failed"),
            None => (Ink::Text, "is under way"),
        };
        let ago = build.ago_seconds.map(|ago| format!(" {} ago", brief(ago))).unwrap_or_default();
        let took = build.took_seconds.map(|took| format!(", took {}", render::seconds(took)));
        let note = build.note.as_ref().map(|note| format!(": {note}")).unwrap_or_default();
        let (number, recipe, took) = (build.build, build.recipe.as_str(), took.unwrap_or_default());
        self.wrapped("build", ink, &format!("{number} ({recipe}) {how}{ago}{took}{note}"));
    }

    /// How often it was started again, and crashed.
    pub(super) fn restarts(&mut self, process: &ProcessStatus) {
        let (restarts, crashes) = (process.restarts, process.crashes);
        let (ink, crashes) = match crashes {
            0 if restarts == 0 => return,
            0 => (Ink::Text, String::new()),
            1 => (Ink::Waiting, ", 1 crash".to_owned()),
            _ => (Ink::Waiting, format!(", {crashes} crashes in a row")),
        };
        self.wrapped("restarts", ink, &format!("{restarts}{crashes}"));
    }
}
