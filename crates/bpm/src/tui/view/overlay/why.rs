//! Why a process is or is not running, with what shows it.

use bpm_api::{Error, WhyAnswer};
use ratatui::text::{Line, Span};

use super::text_lines;
use crate::render;
use crate::tui::model::Model;
use crate::tui::view::page::Page;
use crate::tui::view::processes::mark;
use crate::tui::view::style::{Ink, Theme};
use crate::tui::view::text::Clock;

pub(super) const WIDEST: u16 = 110;
/// Events that are shown, the newest ones.
const EVENTS: usize = 5;

pub(super) fn lines(
    model: &Model,
    answer: Option<&Result<WhyAnswer, Error>>,
    columns: usize,
    theme: Theme,
) -> Vec<Line<'static>> {
    let mut page = Page::new(theme, columns);
    match answer {
        None => page.lines.push(Line::from(theme.span(Ink::Faint, "asking …"))),
        Some(Err(error)) => failed(&mut page, error),
        Some(Ok(answer)) => reasons(&mut page, model, answer),
    }
    page.lines
}

pub(super) fn failed(page: &mut Page, error: &Error) {
    page.wrapped("error", Ink::Bad, &error.message);
    if let Some(hint) = &error.hint {
        page.wrapped("next", Ink::Text, hint);
    }
}

fn reasons(page: &mut Page, model: &Model, answer: &WhyAnswer) {
    let theme = page.theme;
    let process = &answer.status;
    let (sign, ink) = mark(process);
    let head = format!("{sign} {} {}", process.name, render::state(process));
    page.lines.push(Line::from(theme.span(ink, head)));
    page.wrapped("why", Ink::Strong, &process.why);
    if let Some(next) = &process.next {
        page.wrapped("next", Ink::Strong, next);
    }
    if let Some(last) = &process.last_exit {
        page.wrapped("last exit", Ink::Text, &render::exit(last));
    }
    if let Some(build) = &process.building {
        page.building(build);
    }
    if let Some(build) = &process.last_build {
        page.built(build);
    }
    page.restarts(process);
    for survivor in &answer.survivors {
        page.wrapped("alive", Ink::Bad, survivor);
    }
    if let Some(evidence) = answer.evidence.as_ref().filter(|evidence| !evidence.lines.is_empty()) {
        page.lines.push(Line::default());
        page.lines.push(Line::from(theme.span(Ink::Faint, evidence.source.clone())));
        let mut before: Option<u64> = None;
        for line in &evidence.lines {
            if before.is_some_and(|before| before.saturating_add(1) < line.number) {
                page.lines.push(Line::from(theme.span(Ink::Faint, "…")));
            }
            before =
                Some(line.last_number.unwrap_or(line.number.saturating_add(line.times.saturating_sub(1))));
            page.lines.extend(text_lines(&line.text, page.columns, theme));
            if line.times > 1 {
                let alike = if line.alike { " alike" } else { "" };
                let times = Span::styled(format!(" (×{}{alike})", line.times), theme.style(Ink::Faint));
                if let Some(last) = page.lines.last_mut() {
                    last.push_span(times);
                }
            }
        }
    }
    events(page, model, answer);
}

fn events(page: &mut Page, model: &Model, answer: &WhyAnswer) {
    let theme = page.theme;
    let clock = Clock { offset_seconds: model.look.offset_seconds, now_ms: model.now.wall_ms };
    if !answer.status.events.is_empty() {
        page.lines.push(Line::default());
    }
    let mut events: Vec<_> = answer.status.events.iter().rev().collect();
    events.dedup_by(|one, other| (&one.time, &one.text) == (&other.time, &other.text));
    for event in events.into_iter().take(EVENTS) {
        let by = event.by.as_ref().map(|by| format!(" ({by})")).unwrap_or_default();
        page.lines.push(Line::from(vec![
            theme.span(Ink::Faint, clock.told(&event.time) + " "),
            theme.span(Ink::Text, event.text.clone()),
            theme.span(Ink::Faint, by),
        ]));
    }
}
