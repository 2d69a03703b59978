//! Looking for lines: by a pattern, for errors, and through a filter. The manager looks; what is here says from where,
//! and goes on where it broke off. Must not know how patterns are typed.

use bpm_api::{LogWindow, ReadFrom, ReadLog, ReadOnly};
use regex_automata::meta::Regex;
use regex_automata::util::syntax;
use unicode_width::UnicodeWidthStr as _;

use super::super::message::LogPurpose;
use super::super::model::Model;
use super::super::model::log::{Anchor, Growing, Heading, Jump, LogView, Looking, Search};
use super::super::rows;
use super::{log, notes, select};

/// Bytes that a compiled pattern may take.
const REGEX_BYTES: usize = 1 << 20;
/// Lines that are asked for where a filter may not let the first one through.
const CANDIDATES: usize = 200;

/// Reads a pattern. Without a capital letter in it, capitals do not matter.
pub(super) fn regex(pattern: &str) -> Result<Regex, String> {
    let config = Regex::config().nfa_size_limit(Some(REGEX_BYTES)).hybrid_cache_capacity(REGEX_BYTES);
    let syntax = syntax::Config::new().case_insensitive(is_lower(pattern));
    Regex::builder().configure(config).syntax(syntax).build(pattern).map_err(|error| {
        let Some(fault) = error.syntax_error() else { return "this pattern is too large".to_owned() };
        let text = fault.to_string();
        let last = text.lines().last().unwrap_or("no regular expression");
        last.strip_prefix("error: ").unwrap_or(last).to_owned()
    })
}

/// Whether no letter of it is a capital, classes such as `\W` apart.
fn is_lower(pattern: &str) -> bool {
    let mut escaped = false;
    !pattern.chars().any(|c| {
        let counts = !escaped && c.is_uppercase();
        escaped = c == '\\' && !escaped;
        counts
    })
}

/// A pattern as the manager is to read it.
pub(super) fn sent(only: &ReadOnly) -> ReadOnly {
    match only {
        ReadOnly::Matching(pattern) if is_lower(pattern) => ReadOnly::Matching(format!("(?i){pattern}")),
        only => only.clone(),
    }
}

/// A line's text without its colours.
pub(super) fn plain(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("\u{1b}[") {
        plain.push_str(before);
        let end = after.find(|c: char| !(c.is_ascii_digit() || c == ';' || c == ':'));
        rest = end.map_or("", |end| after[end..].strip_prefix('m').unwrap_or(&after[end..]));
    }
    plain + rest
}

/// The question that a search under way leads to.
pub(super) fn ask(log: &LogView) -> Option<(LogPurpose, ReadLog)> {
    let (only, looking) = under_way(log)?;
    let from = if looking.backward { ReadFrom::Before(looking.at) } else { ReadFrom::After(looking.at) };
    let lines = if log.filter.is_some() { CANDIDATES } else { 1 };
    let purpose = LogPurpose::Find { backward: looking.backward };
    Some((purpose, ReadLog { only, ..log::pinned(log, from, lines) }))
}

fn under_way(log: &LogView) -> Option<(ReadOnly, Looking)> {
    if let Some(search) = &log.search
        && let Some(looking) = search.looking
    {
        // with a filter both must hold: they are asked for by turns, since the rarer one gets farther
        let by_filter = log.filter.is_some() && looking.pieces % 2 == 1;
        let only = if by_filter { log.only.clone() } else { ReadOnly::Matching(search.pattern.clone()) };
        return Some((sent(&only), looking));
    }
    log.looking.filter(|looking| looking.errors).map(|looking| (ReadOnly::Errors, looking))
}

/// What came of it.
pub(super) fn found(model: &mut Model, request: &ReadLog, window: &LogWindow, backward: bool) {
    let (width, height) = log::size(model);
    let log = &mut model.log;
    log.take_numbers(window);
    let Some((only, looking)) = under_way(log) else { return };
    let from = if backward { ReadFrom::Before(looking.at) } else { ReadFrom::After(looking.at) };
    if only != request.only || from != request.from {
        return;
    }
    let is_beyond = |number: u64| if backward { number < looking.at } else { number > looking.at };
    let numbers = window.lines.iter().map(|line| line.number).filter(|number| is_beyond(*number));
    let farthest = if backward { numbers.min() } else { numbers.max() };
    let sought = log.search.as_ref().filter(|_| !looking.errors).map(|search| &search.regex);
    let lets_through = |text: &str| {
        let text = plain(text);
        log.filter.iter().chain(sought).all(|regex| regex.is_match(&text))
    };
    let hits = window.lines.iter().filter(|line| is_beyond(line.number) && lets_through(&line.text));
    let hits = hits.map(|line| line.number);
    let hit = if backward { hits.max() } else { hits.min() };
    match (hit, window.broke_off.filter(|at| is_beyond(*at)).or(farthest)) {
        (Some(line), _) => {
            set(log, looking.errors, None);
            if looking.errors {
                log.error_at = Some(line);
            } else if let Some(search) = &mut log.search {
                search.found = Some(line);
            }
            log.first_error = false;
            land(log, line, width, height);
        }
        (None, Some(at)) => {
            set(log, looking.errors, Some(Looking { at, pieces: looking.pieces.wrapping_add(1), ..looking }));
        }
        (None, None) => {
            set(log, looking.errors, None);
            if !std::mem::take(&mut log.first_error) {
                let what = if looking.errors { ("error", "e", "E") } else { ("match", "n", "N") };
                let text = nothing(what, backward, looking.whole);
                notes::info(model, text);
            }
        }
    }
}

fn nothing((what, next, previous): (&str, &str, &str), backward: bool, whole: bool) -> String {
    match backward {
        _ if whole => format!("no {what} in this log"),
        true => format!("no {what} above; `G`, then `{previous}` begins at the end"),
        false => format!("no {what} below; `g`, then `{next}` begins at the top"),
    }
}

fn set(log: &mut LogView, errors: bool, looking: Option<Looking>) {
    if errors {
        log.looking = looking;
    } else if let Some(search) = &mut log.search {
        search.looking = looking;
    }
}

/// Shows a line that was found: at once where the window has it.
fn land(log: &mut LogView, line: u64, width: usize, height: usize) {
    log.jump = None;
    if log.lines.binary_search_by_key(&line, |line| line.number).is_ok() {
        log::show_line(log, line, width, height);
    } else {
        log.jump = Some(Jump::Around(line));
        if log.is_following()
            && let Some(top) = rows::top(log, width, height)
        {
            log::anchor(log, top);
        }
    }
}

/// Scrolls a line that was found sideways to what was found in it.
pub(super) fn show_column(log: &mut LogView, number: u64, width: usize) {
    let Ok(at) = log.lines.binary_search_by_key(&number, |line| line.number) else { return };
    let text = rows::styled(&log.lines[at].text).text;
    let found = log.search.as_ref().filter(|search| search.found == Some(number));
    let found = found.and_then(|search| search.regex.find(&text)).map_or(0..0, |found| found.range());
    let columns = |bytes: &str| bytes.width();
    let (from, to) = (columns(&text[..found.start]), columns(&text[..found.end]));
    if to < width {
        log.column = 0;
    } else if from < log.column || to >= log.column.saturating_add(width) {
        log.column = from.saturating_sub(width / 3);
    }
}

/// A search that filled the window has broken off, or has not. It goes on unless it was ended meanwhile.
pub(super) fn went_on(log: &mut LogView, heading: Heading, broke_off: Option<u64>) {
    let is_filtered = !log.only.is_all();
    let left = log::left(log, heading);
    let is_wanted = *left > 0;
    *left = left.saturating_sub(1);
    match broke_off {
        Some(at) if is_filtered && is_wanted => {
            log::grow_to(log, heading);
            if !log.looking.is_some_and(|looking| looking.errors) {
                log.looking = Some(Looking {
                    backward: heading == Heading::Up,
                    errors: false,
                    at,
                    whole: false,
                    pieces: 0,
                });
            }
        }
        _ if log.looking.is_some_and(|looking| !looking.errors) => log.looking = None,
        _ => {}
    }
}

/// The next search begins with what is shown then, not with what was found last.
pub(super) fn from_here(log: &mut LogView) {
    log.error_at = None;
    if let Some(search) = &mut log.search {
        search.found = None;
    }
}

/// No search goes on.
pub(super) fn gave_up(log: &mut LogView) {
    (log.looking, log.first_error, log.growing) = (None, false, Growing::default());
    if let Some(search) = &mut log.search {
        search.looking = None;
    }
}

pub(super) fn is_under_way(log: &LogView) -> bool {
    log.looking.is_some() || log.search.as_ref().is_some_and(|search| search.looking.is_some())
}

/// A pattern was typed.
pub(super) fn begin(model: &mut Model, pattern: String, regex: Regex) {
    gave_up(&mut model.log);
    let backward = model.log.is_following();
    model.log.search = Some(Search { pattern, regex, found: None, looking: None });
    go(model, backward, false);
}

/// The next match, or the one before; or error.
pub(super) fn go(model: &mut Model, backward: bool, errors: bool) {
    if !errors && model.log.search.is_none() {
        return notes::info(model, "nothing is looked for; `/` asks for a pattern");
    }
    if model.log.run == 0 {
        return notes::info(model, "nothing has been printed yet");
    }
    select::touched(model);
    // below the end there is nothing: who asks for an error there means the newest
    let backward = backward || errors && model.log.is_following() && !is_at_error(model);
    let at = from(model, backward, errors);
    gave_up(&mut model.log);
    let log = &mut model.log;
    let whole = if backward { at >= log.next_line } else { at < log.first_line };
    set(log, errors, Some(Looking { backward, errors, at, whole, pieces: 0 }));
}

/// Whether the error that was found last is on the screen.
fn is_at_error(model: &Model) -> bool {
    let (width, height) = log::size(model);
    let log = &model.log;
    let places = rows::places(log, width, height);
    let mut shown = places.iter().filter_map(|place| log.lines.get(place.line)).map(|line| line.number);
    log.error_at.is_some_and(|error| shown.any(|number| number == error))
}

/// From the line that was found last if it is on the screen, or else from what is: all of it counts.
fn from(model: &Model, backward: bool, errors: bool) -> u64 {
    let (width, height) = log::size(model);
    let log = &model.log;
    let places = rows::places(log, width, height.max(1));
    let number =
        |place: Option<&rows::Place>| place.and_then(|at| log.lines.get(at.line)).map(|line| line.number);
    let last = if errors { log.error_at } else { log.search.as_ref().and_then(|search| search.found) };
    match (number(places.first()), number(places.last()), last) {
        (Some(top), Some(bottom), Some(last)) if (top..=bottom).contains(&last) => last,
        (_, Some(bottom), _) if backward => bottom.saturating_add(1),
        (Some(top), ..) => top.saturating_sub(1),
        _ if backward => log.next_line.saturating_add(1),
        _ => 0,
    }
}

/// Shows only what matches, or everything again: the same place of the log.
pub(super) fn filter(model: &mut Model, filter: Option<(String, Regex)>) {
    select::touched(model);
    let log = &mut model.log;
    gave_up(log);
    let (only, regex) = match filter {
        Some((pattern, regex)) => (ReadOnly::Matching(pattern), Some(regex)),
        None => (ReadOnly::All, None),
    };
    if log.source.is_none() || (only.is_all() && log.only.is_all()) {
        return;
    }
    (log.only, log.filter) = (only, regex);
    log.lines.clear();
    (log.bytes, log.low, log.high, log.jump) = (0, 0, 0, None);
    match log.anchor {
        Anchor::Line { number, .. } if log.run != 0 => log.jump = Some(Jump::Around(number)),
        _ => log.fresh = true,
    }
    log.void = log.asked.is_some();
}
