//! What is written into the border of the output: which log, whether it is followed, what is looked for, and where in it
//! one is.

use bpm_api::{ProcessStatus, ReadOnly};
use ratatui::text::{Line, Span};

use super::Seen;
use crate::tui::model::log::{LogView, Looking, Source};
use crate::tui::model::{Link, Model, Panel, Target};
use crate::tui::view::style::{Ink, Theme};
use crate::tui::view::text::{grouped, line};
use crate::tui::view::{focused, title};

pub(super) use crate::tui::view::paint::Titles;

/// Columns that a border has to have for more than the most necessary.
const WIDE: u16 = 40;

pub(super) fn of(model: &Model, columns: u16, seen: Seen) -> Titles {
    let theme = Theme::of(&model.look);
    let log = &model.log;
    let mut top = title(model, Panel::Output, "Output");
    if let Some(source) = &log.source {
        if columns < WIDE && !focused(model, Panel::Output) {
            top.spans.clear();
        }
        which(model, source, theme, &mut top);
    }
    let (following, looked_for) = (following(model, seen, theme), looked_for(log, theme));
    if columns >= WIDE {
        let bottom_right = position(log, seen, theme);
        return Titles { top, top_right: following, bottom: looked_for, bottom_right };
    }
    let bottom = if looked_for.spans.is_empty() && !log.is_following() { following } else { looked_for };
    Titles { top, bottom, ..Titles::default() }
}

/// Number of the newest line that is known.
pub(super) fn last_number(log: &LogView) -> u64 {
    let newest = log.lines.back().map_or(0, |line| line.number);
    log.next_line.saturating_sub(1).max(newest)
}

fn which(model: &Model, source: &Source, theme: Theme, title: &mut Line<'static>) {
    let log = &model.log;
    let status = model.status.as_ref();
    let gap = if title.spans.is_empty() { "" } else { " " };
    match &source.target {
        Target::Process(name) => {
            title.push_span(theme.span(Ink::Strong, format!("{gap}{name}")));
            let back = log.newest.saturating_sub(log.run).saturating_add(1);
            let sort = match (source.builds, log.run) {
                (true, 0) => " build".to_owned(),
                (false, 0) => String::new(),
                (builds, run) => format!(" {} {run}", if builds { "build" } else { "run" }),
            };
            let back = if log.run > 0 && back > 1 { format!(" (-{back})") } else { String::new() };
            title.push_span(theme.span(Ink::Text, sort + &back));
            let process = status.and_then(|status| status.processes.iter().find(|it| it.name == *name));
            match (source.builds, process) {
                (true, Some(process)) => {
                    let how = how(process, log.run).map(|(ink, how)| theme.span(ink, format!(" {how}")));
                    title.spans.extend(how);
                }
                (false, Some(process)) => title.spans.extend(meanwhile(process, theme)),
                (_, None) => {}
            }
        }
        Target::Task(id) => {
            let task = status.and_then(|status| status.tasks.iter().find(|it| it.task_id == *id));
            let name = task.and_then(|task| task.name.as_ref()).unwrap_or(id);
            title.push_span(theme.span(Ink::Strong, format!("{gap}{name}")));
            let command = task.map(|task| format!(" {}", task.command)).unwrap_or_default();
            title.push_span(theme.span(Ink::Faint, command));
        }
    }
}

/// What came of a build, if it is one that the status knows.
fn how(process: &ProcessStatus, build: u64) -> Option<(Ink, String)> {
    if let Some(building) = process.building.as_ref().filter(|building| building.build == build) {
        let steps = building.progress.as_ref().map(|steps| format!("{}/{}", steps.done, steps.total));
        return Some((Ink::Waiting, steps.unwrap_or_else(|| "under way".to_owned())));
    }
    let last = process.last_build.as_ref().filter(|last| last.build == build)?;
    match last.ok {
        Some(true) => Some((Ink::Good, "succeeded".to_owned())),
        Some(false) => Some((Ink::Bad, "failed".to_owned())),
        None => None,
    }
}

/// The build that is under way while a run is shown.
fn meanwhile(process: &ProcessStatus, theme: Theme) -> Option<Span<'static>> {
    let building = process.building.as_ref()?;
    let steps = building.progress.as_ref().map(|steps| format!(" {}/{}", steps.done, steps.total));
    let text = format!(" · building{}, b shows it", steps.unwrap_or_default());
    Some(theme.span(Ink::Waiting, text))
}

fn following(model: &Model, seen: Seen, theme: Theme) -> Line<'static> {
    let log = &model.log;
    if let Link::Down { .. } = model.link {
        return line([theme.span(Ink::Bad, "not connected")]);
    }
    if log.source.is_none() || log.run == 0 {
        return Line::default();
    }
    if log.is_following() {
        let how =
            if log.ended { theme.span(Ink::Faint, "ended") } else { theme.span(Ink::Good, "following") };
        return line([how]);
    }
    let below = last_number(log).saturating_sub(seen.map_or(0, |(_, last)| last));
    match below {
        // only some of them are let through: how many, nobody has counted
        _ if !log.only.is_all() => line([theme.span(Ink::Waiting, "paused")]),
        0 => line([theme.span(Ink::Waiting, "paused")]),
        1 => line([theme.span(Ink::Waiting, "paused, 1 line below")]),
        _ => line([theme.span(Ink::Waiting, format!("paused, {} lines below", grouped(below)))]),
    }
}

fn looked_for(log: &LogView, theme: Theme) -> Line<'static> {
    let mut parts: Vec<(Ink, String)> = Vec::new();
    let known = !log.more_before && !log.more_after && !log.fresh;
    let lines = log.shown().count() as u64;
    let many = if known { format!(" ({})", grouped(lines)) } else { String::new() };
    match &log.only {
        ReadOnly::All => {}
        ReadOnly::Matching(pattern) => parts.push((Ink::Waiting, format!("&{pattern}{many}"))),
        ReadOnly::Errors => parts.push((Ink::Waiting, format!("errors only{many}"))),
    }
    if let Some(search) = &log.search {
        let place = match (&search.looking, search.found) {
            (Some(looking), _) => progress(log, looking),
            (None, Some(found)) => format!(" at {}", grouped(found)),
            (None, None) => String::new(),
        };
        parts.push((Ink::Accent, format!("/{}{place}", search.pattern)));
    }
    match (&log.looking, log.error_at) {
        (Some(looking), _) => parts.push((Ink::Bad, format!("errors{}", progress(log, looking)))),
        (None, Some(at)) => parts.push((Ink::Bad, format!("error at {}", grouped(at)))),
        (None, None) => {}
    }
    if log.lost_lines > 0 {
        parts.push((Ink::Faint, format!("{} lines lost", grouped(log.lost_lines))));
    }
    let mut line = Line::default();
    for (ink, part) in parts {
        if !line.spans.is_empty() {
            line.push_span(theme.span(Ink::Faint, " · "));
        }
        line.push_span(theme.span(ink, part));
    }
    line
}

/// How much of the log has been looked at.
fn progress(log: &LogView, looking: &Looking) -> String {
    let (first, last) = (log.first_line, last_number(log));
    let done = match looking.backward {
        true => last.saturating_sub(looking.at),
        false => looking.at.saturating_sub(first),
    };
    match last.saturating_sub(first) {
        0 => " looking …".to_owned(),
        all => format!(" looking … {:.0}%", (done as f64 / all as f64 * 100.0).min(100.0)),
    }
}

fn position(log: &LogView, seen: Seen, theme: Theme) -> Line<'static> {
    let mut text = match seen {
        Some((_, last)) => format!("line {} of {}", grouped(last), grouped(last_number(log))),
        None => String::new(),
    };
    if log.column > 0 && !log.wrap {
        text = format!("column {} · {text}", grouped((log.column as u64).saturating_add(1)));
    }
    line([theme.span(Ink::Faint, text)])
}
