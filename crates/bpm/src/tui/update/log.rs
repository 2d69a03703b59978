//! Reading the log that is shown: which lines are asked for, at most one question at a time, and what becomes of the
//! answer. Must not know what a key is.

use bpm_api::{Code, Error, LogWindow, ReadFrom, ReadLog, ReadOnly, Reply, Request};

use super::super::layout::log_rows;
use super::super::message::{Ask, Command, LogPurpose};
use super::super::model::log::{Anchor, Growing, Heading, Jump, LINE_BYTES, LogView};
use super::super::model::{Level, Model};
use super::super::rows;
use super::{link, notes, search, select, status};

/// Lines that are read in front of the window or behind it, at least.
const LOAD: usize = 300;
/// Lines that are read at the end, at least.
const TAIL: usize = 50;
/// Rows of the panel that are counted with. No screen has more; one that says so gets no more lines than the others.
const MOST_ROWS: usize = 500;
/// How often the window grows because of one key.
const LOADS: u8 = 4;
/// While paused, the length is asked for this often.
const LENGTH_MS: u64 = 500;
/// With a filter, lines that are looked through for what is new; if there are more, the look is from the end.
const BEHIND: u64 = 50_000;
/// Text of an answer.
const ANSWER_BYTES: u64 = 1 << 20;

/// Columns for text, and rows.
pub(super) fn size(model: &Model) -> (usize, usize) {
    let (_, area) = log_rows(model);
    (area.width.into(), usize::from(area.height).min(MOST_ROWS))
}

pub(super) fn resized(model: &mut Model) {
    // a panel that has become higher may have room for more
    model.log.growing = Growing { up: LOADS, down: LOADS };
}

pub(super) fn tick(model: &mut Model) {
    let log = &mut model.log;
    if std::mem::take(&mut log.unwatched) {
        log.grown = true;
    }
    // what could not be read may be there by now
    if log.error.is_some() {
        log.fresh |= log.lines.is_empty();
        log.grown = true;
    }
}

pub(super) fn connected(model: &mut Model) {
    if model.log.source.is_none() {
        return;
    }
    model.log.fresh = model.log.is_following() || model.log.lines.is_empty();
    model.log.grown = true;
    model.log.error = None;
    check_ability(model);
}

/// What was asked is not answered any more.
pub(super) fn disconnected(model: &mut Model) {
    let log = &mut model.log;
    (log.asked, log.asking, log.void) = (None, None, false);
    (log.jump, log.looking, log.first_error) = (None, None, false);
    log.growing = Growing::default();
    if let Some(search) = &mut log.search {
        search.looking = None;
    }
}

/// Says that the manager is too old to be read from, where it is.
pub(super) fn check_ability(model: &mut Model) {
    if model.log.source.is_some() && link::lacks(model, "read_log") {
        let version = link::version(model).unwrap_or("without a version");
        let error =
            Error::new(Code::Internal, format!("the manager ({version}) is older and has no `read_log`"))
                .hint("`bpm down` and `bpm up -d` replace it; `bpm logs` shows the log");
        model.log.error = Some(error);
    }
}

/// The next question, if none is under way.
pub(super) fn settle(model: &mut Model, commands: &mut Vec<Command>) {
    if model.log.asked.is_some() || model.log.source.is_none() || link::lacks(model, "read_log") {
        return;
    }
    let Some((purpose, request)) = need(model) else { return };
    let number = model.next_ask;
    model.next_ask = number.wrapping_add(1);
    model.log.asked = Some(number);
    model.log.asking = Some((purpose, request.clone()));
    commands.push(Command::Ask { ask: Ask::Log { number, purpose }, request: Request::ReadLog(request) });
}

fn need(model: &mut Model) -> Option<(LogPurpose, ReadLog)> {
    let (width, height) = size(model);
    let now = model.now;
    let log = &mut model.log;
    let tail = (height * 2).max(TAIL);
    if log.fresh || log.jump == Some(Jump::End) {
        return Some(end(log, tail));
    }
    if log.run == 0 {
        // nothing has run: there is nothing to look at, nor to look through
        search::gave_up(log);
        log.jump = None;
        log.fresh = log.grown;
        return log.grown.then(|| end(log, tail));
    }
    match log.jump {
        Some(Jump::Top) => {
            let ask = pinned(log, ReadFrom::After(0), LOAD.max(tail));
            return Some((LogPurpose::Around { line: 0 }, ask));
        }
        Some(Jump::Around(line)) => {
            let (lines, half) = (LOAD.max(tail), (LOAD.max(tail) / 2) as u64);
            let from = match log.only {
                ReadOnly::All => ReadFrom::After(line.saturating_sub(half)),
                ReadOnly::Matching(_) | ReadOnly::Errors => ReadFrom::Before(line.saturating_add(1)),
            };
            return Some((LogPurpose::Around { line }, pinned(log, from, lines)));
        }
        Some(Jump::End) | None => {}
    }
    let follows = log.grown && log.is_following();
    let just_looked = matches!(log.asking, Some((LogPurpose::Find { .. }, _)));
    if !(follows && just_looked)
        && let Some(ask) = search::ask(log)
    {
        return Some(ask);
    }
    if follows {
        return Some(follow(log, tail));
    }
    // there is room for it, though nothing is followed
    if log.grown && !log.is_following() && rows::places(log, width, height).len() < height {
        grow_to(log, Heading::Down);
    }
    if let Some(ask) = grow(log, width, height) {
        return Some(ask);
    }
    let passed = now.mono_ms.saturating_sub(log.length_at.mono_ms);
    if log.grown && passed >= LENGTH_MS {
        (log.grown, log.length_at) = (false, now);
        if lines_below(log, width, height) < height.max(1) {
            return Some((LogPurpose::After, pinned(log, ReadFrom::After(log.high), LOAD.max(tail))));
        }
        return Some((LogPurpose::Length, pinned(log, ReadFrom::End, 0)));
    }
    None
}

/// The end of the log that the source names: of the newest run where it names none.
fn end(log: &mut LogView, lines: usize) -> (LogPurpose, ReadLog) {
    log.grown = false;
    let run = log.source.as_ref().and_then(|source| source.run);
    (LogPurpose::End, ReadLog { run, ..pinned(log, ReadFrom::End, lines) })
}

/// Lines of the run that the window is of.
pub(super) fn pinned(log: &LogView, from: ReadFrom, lines: usize) -> ReadLog {
    let (target, builds) = match &log.source {
        Some(source) => (source.target.name().to_owned(), source.builds),
        None => (String::new(), false),
    };
    ReadLog {
        target,
        builds,
        run: Some(log.run),
        from,
        lines: u32::try_from(lines).unwrap_or(u32::MAX),
        only: search::sent(&log.only),
        max_bytes: Some(ANSWER_BYTES),
        max_line_bytes: Some(LINE_BYTES),
    }
}

/// What was printed since, or the end if that is more than a panel shows.
fn follow(log: &mut LogView, tail: usize) -> (LogPurpose, ReadLog) {
    let filtered = !log.only.is_all();
    let newest = log.source.as_ref().is_some_and(|source| source.run.is_none()) && log.newest > log.run;
    let behind = log.next_line.saturating_sub(log.high) > BEHIND;
    let from_end = log.surge || if filtered { behind } else { log.lines.is_empty() };
    if newest || from_end {
        return end(log, tail);
    }
    log.grown = false;
    let lines = if filtered { LOAD } else { tail };
    (LogPurpose::After, pinned(log, ReadFrom::After(log.high), lines))
}

/// Lines before or after the window, where the panel has come near its end.
fn grow(log: &mut LogView, width: usize, height: usize) -> Option<(LogPurpose, ReadLog)> {
    let lines = LOAD.max(height * 2);
    let margin = height.max(1);
    if log.growing.up > 0 {
        let above = rows::top(log, width, height).map_or(0, |top| top.line - log.first_shown());
        if above < margin && log.more_before && log.low > log.cleared_to().saturating_add(1) {
            return Some((LogPurpose::Before, pinned(log, ReadFrom::Before(log.low), lines)));
        }
        log.growing.up = 0;
    }
    let may_grow = log.growing.down > 0 && !log.is_following() && (log.more_after || log.grown);
    if may_grow && lines_below(log, width, height) < margin {
        log.grown = false;
        return Some((LogPurpose::After, pinned(log, ReadFrom::After(log.high), lines)));
    }
    log.growing.down = 0;
    if log.looking.is_some_and(|looking| !looking.errors) {
        log.looking = None;
    }
    None
}

/// Lines of the window that are below what is shown.
fn lines_below(log: &LogView, width: usize, height: usize) -> usize {
    let last = rows::places(log, width, height).last().map_or(0, |place| place.line + 1);
    log.lines.len().saturating_sub(last)
}

/// Lets the window grow in this direction, if what is shown is near its end.
pub(super) fn grow_to(log: &mut LogView, heading: Heading) {
    *left(log, heading) = LOADS;
}

/// How many more times it may grow in this direction.
pub(super) fn left(log: &mut LogView, heading: Heading) -> &mut u8 {
    match heading {
        Heading::Up => &mut log.growing.up,
        Heading::Down => &mut log.growing.down,
    }
}

pub(super) fn answered(model: &mut Model, number: u64, purpose: LogPurpose, outcome: Result<Reply, Error>) {
    if model.log.asked != Some(number) {
        return;
    }
    model.log.asked = None;
    if std::mem::take(&mut model.log.void) {
        return;
    }
    let asked = model.log.asking.as_ref().filter(|(for_it, _)| *for_it == purpose);
    let Some(request) = asked.map(|(_, request)| request.clone()) else { return };
    match outcome {
        Ok(Reply::Window(window)) => take(model, purpose, &request, window),
        Ok(_) => refused(model, purpose, &request, status::wrong_reply("read_log")),
        Err(error) => refused(model, purpose, &request, error),
    }
}

fn take(model: &mut Model, purpose: LogPurpose, request: &ReadLog, window: LogWindow) {
    let (width, height) = size(model);
    // another run than was asked for: of no use, and not asked for again
    if request.run.is_some_and(|run| run != window.run) {
        let text = format!("asked for run {}, answered run {}", request.run.unwrap_or(0), window.run);
        return refused(model, purpose, request, Error::new(Code::Internal, text));
    }
    let (run_before, newest_before) = (model.log.run, model.log.newest);
    match purpose {
        LogPurpose::End => take_end(model, request, window),
        LogPurpose::Before => {
            let at = window.broke_off;
            model.log.prepend(request, window);
            search::went_on(&mut model.log, Heading::Up, at);
        }
        LogPurpose::After if model.log.is_following() => {
            model.log.append(request, window);
            if model.log.more_after {
                // too much for one look: what is between is skipped
                model.log.surge = true;
                model.log.grown = true;
            }
        }
        LogPurpose::After => {
            let at = window.broke_off;
            model.log.append(request, window);
            search::went_on(&mut model.log, Heading::Down, at);
        }
        LogPurpose::Around { line } => {
            let wanted = if line == 0 { Jump::Top } else { Jump::Around(line) };
            if model.log.jump != Some(wanted) {
                return;
            }
            model.log.jump = None;
            model.log.replace(request, window);
            show_line(&mut model.log, line, width, height);
        }
        LogPurpose::Find { backward } => search::found(model, request, &window, backward),
        LogPurpose::Length => model.log.take_numbers(&window),
    }
    tell_of_runs(model, run_before, newest_before);
}

fn take_end(model: &mut Model, request: &ReadLog, window: LogWindow) {
    let log = &mut model.log;
    let wanted = log.fresh || log.jump == Some(Jump::End) || log.is_following();
    if !wanted {
        return;
    }
    if log.fresh || log.jump.is_some() {
        log.anchor = Anchor::End;
    }
    log.back = None;
    (log.fresh, log.jump) = (false, None);
    let broke_off = window.broke_off;
    if log.run == window.run && !log.lines.is_empty() {
        log.surge = !log.append_end(request, window);
    } else {
        log.replace(request, window);
        log.surge = false;
    }
    if !log.only.is_all() {
        grow_to(log, Heading::Up);
        search::went_on(log, Heading::Up, broke_off);
    }
}

/// A run that began since is said, if it is not shown.
fn tell_of_runs(model: &mut Model, run: u64, newest: u64) {
    let log = &model.log;
    let Some(source) = &log.source else { return };
    let what = if source.builds { "build" } else { "run" };
    let name = source.target.name();
    let is_shown = run != 0 && source.run.is_none() && log.run > run;
    if !is_shown && newest != 0 && log.newest > newest && log.run < log.newest {
        notes::info(model, format!("{name}: {what} {} has begun; `f` follows it", log.newest));
    }
    let log = &mut model.log;
    let follows = log.is_following() && log.source.as_ref().is_some_and(|source| source.run.is_none());
    if follows && log.newest > log.run {
        log.grown = true;
    }
}

fn refused(model: &mut Model, purpose: LogPurpose, request: &ReadLog, error: Error) {
    let log = &mut model.log;
    log.fresh = false;
    log.grown = false;
    log.jump = None;
    search::gave_up(log);
    if error.code == Code::UnknownRun
        && let Some(back) = log.back.take()
    {
        let (number, what) = (request.run.unwrap_or(0), if request.builds { "build" } else { "run" });
        select::show(model, Some(back));
        return notes::note(model, Level::Warning, format!("{what} {number} is not kept; `R` shows what is"));
    }
    let names_run = log.source.as_ref().is_some_and(|source| source.run.is_some());
    if error.code == Code::UnknownRun && request.run.is_some() && !names_run && log.is_following() {
        // the one that was shown is not kept any more: whichever is the newest now
        log.fresh = true;
        return;
    }
    if error.code == Code::InvalidParameter && !request.only.is_all() {
        if matches!(purpose, LogPurpose::Find { .. }) {
            log.search = None;
        } else {
            (log.only, log.filter, log.fresh) = (ReadOnly::All, None, true);
        }
        return notes::failed(model, "search", &error);
    }
    log.error = Some(error);
}

/// Shows this line in the upper third of the panel, or the nearest one after it, without leaving room below the end.
pub(super) fn show_line(log: &mut LogView, number: u64, width: usize, height: usize) {
    if number <= log.cleared_to() {
        log.cleared = None;
    }
    let line = log.lines.partition_point(|line| line.number < number);
    let line = line.min(log.lines.len().saturating_sub(1));
    let mut place = rows::up(log, width, rows::Place { line, row: 0 }, height / 3);
    log.anchor = Anchor::End;
    if let Some(end) = rows::top(log, width, height)
        && !log.more_after
        && (end.line, end.row) < (place.line, place.row)
    {
        place = end;
    }
    anchor(log, place);
    grow_to(log, Heading::Down);
    if !log.wrap {
        search::show_column(log, number, width);
    }
}

/// The panel begins with this row.
pub(super) fn anchor(log: &mut LogView, place: rows::Place) {
    let number = log.lines.get(place.line).map_or(log.next_line, |line| line.number);
    log.anchor = Anchor::Line { number, skip: place.row };
}
