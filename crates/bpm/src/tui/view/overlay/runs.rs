//! The runs and builds that are kept, to pick one.

use bpm_api::{Error, KeptRun, Runs};
use ratatui::text::Line;

use super::{middle, open, why};
use crate::render;
use crate::tui::layout::inside;
use crate::tui::lists::scrolled;
use crate::tui::model::{Model, Target, picks};
use crate::tui::view::page::Page;
use crate::tui::view::paint::{Painter, row};
use crate::tui::view::style::{FAILED, Ink, Theme};
use crate::tui::view::text::{Clock, grouped, safe, width};

const WIDEST: u16 = 90;
/// Columns below which only what tells them apart is shown.
const WHOLE: usize = 56;
/// Columns of the marks before it.
const MARKS: usize = 4;
/// Which cell says how it ended, and what it has at least.
const HOW: usize = 3;
const LEAST_HOW: usize = 8;
const HINT: &str = "Enter shows it, Esc closes";

pub(super) fn draw(
    model: &Model,
    painter: &mut Painter<'_>,
    target: &Target,
    answer: Option<&Result<Runs, Error>>,
    (selected, top): (usize, usize),
) {
    let theme = painter.theme;
    let title = format!("Runs and builds: {}", target.name());
    let area = middle(model, WIDEST, u16::MAX);
    let mut page = Page::new(theme, usize::from(inside(area).width));
    match answer {
        None => page.lines.push(Line::from(theme.span(Ink::Faint, "asking …"))),
        Some(Err(error)) => why::failed(&mut page, error),
        Some(Ok(runs)) if runs.runs.is_empty() && runs.builds.is_empty() => {
            page.lines.push(Line::from(theme.span(Ink::Faint, "nothing has run yet, and nothing was built")));
        }
        Some(Ok(runs)) => list(&mut page, model, target, runs),
    }
    let rows = u16::try_from(page.lines.len() + 2).unwrap_or(u16::MAX);
    let area = middle(model, WIDEST, rows);
    let height = usize::from(inside(area).height);
    let is_list = matches!(answer, Some(Ok(runs)) if !runs.runs.is_empty() || !runs.builds.is_empty());
    let selected = is_list.then(|| selected.min(page.lines.len().saturating_sub(1)));
    let top = scrolled(top, selected, height, page.lines.len());
    let place = selected.map(|at| format!("{} of {}", at + 1, page.lines.len())).unwrap_or_default();
    let room = open(painter, area, &title, HINT, place);
    for (number, line) in page.lines.iter().enumerate().skip(top).take(height) {
        let place = row(room, number - top);
        painter.line(place, line);
        if selected == Some(number) {
            painter.style(place, theme.style(Ink::Selected));
        }
    }
    painter.thumb(area, page.lines.len() as u64, top as u64, height as u64);
}

fn list(page: &mut Page, model: &Model, target: &Target, runs: &Runs) {
    let clock = Clock { offset_seconds: model.look.offset_seconds, now_ms: model.now.wall_ms };
    let mut back = [0_u64; 2];
    let mut rows: Vec<[String; 6]> = picks(runs)
        .map(|(builds, run)| {
            let back = &mut back[usize::from(builds)];
            *back += 1;
            cells(builds, *back, run, clock, page.theme)
        })
        .collect();
    let widest = |cell: usize| rows.iter().map(|row| width(&row[cell])).max().unwrap_or(0);
    let mut widths: [usize; 6] = std::array::from_fn(widest);
    let all = MARKS + widths.iter().map(|cell| cell + 2).sum::<usize>();
    let room = widths[HOW].saturating_sub(all.saturating_sub(page.columns)).max(LEAST_HOW);
    if page.columns >= WHOLE && room < widths[HOW] {
        // what stands behind it stays
        for row in &mut rows {
            row[HOW] = render::fit(&row[HOW], room);
        }
        widths[HOW] = room;
    }
    let shown = model.log.source.as_ref().filter(|source| source.target == *target);
    for ((builds, run), cells) in picks(runs).zip(rows) {
        let is_shown = shown.is_some_and(|source| source.builds == builds && model.log.run == run.number);
        page.lines.push(of(page, run, is_shown, cells, widths));
    }
}

/// Index, number, start, end, lines, bytes.
fn cells(builds: bool, back: u64, run: &KeptRun, clock: Clock, theme: Theme) -> [String; 6] {
    let sort = if builds { "build" } else { "run" };
    let started = run.started.as_deref().map(|time| clock.told(time)).unwrap_or_default();
    let lines = format!("{} {}", grouped(run.lines), if run.lines == 1 { "line" } else { "lines" });
    let all = [
        format!("-{back}"),
        format!("{sort} {}", run.number),
        started,
        run.how.clone(),
        lines,
        render::bytes(run.bytes),
    ];
    all.map(|cell| safe(&cell, theme.ascii).into_owned())
}

fn of(page: &Page, run: &KeptRun, is_shown: bool, cells: [String; 6], widths: [usize; 6]) -> Line<'static> {
    let theme = page.theme;
    let how = if run.bad { Ink::Bad } else { Ink::Text };
    let inks = [Ink::Faint, Ink::Strong, Ink::Faint, how, Ink::Faint, Ink::Faint];
    let mut line = Line::default();
    let bad = if run.bad { FAILED } else { " " };
    line.push_span(theme.span(Ink::Accent, if is_shown { "❯ " } else { "  " }));
    line.push_span(theme.span(Ink::Bad, format!("{bad} ")));
    for (number, (cell, ink)) in cells.into_iter().zip(inks).enumerate() {
        // numbers at the right, words at the left
        let at_right = matches!(number, 0 | 4 | 5);
        if page.columns < WHOLE && matches!(number, 4 | 5) {
            continue;
        }
        let blank = " ".repeat(widths[number].saturating_sub(width(&cell)));
        let cell = if at_right { format!("{blank}{cell}  ") } else { format!("{cell}{blank}  ") };
        line.push_span(theme.span(ink, cell));
    }
    line
}
