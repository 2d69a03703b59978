//! From what the logs hold to one page: merged by time, cleaned, folded, clipped, cut to size, and what is
//! left out counted. Must not know how a question was written.

use std::collections::VecDeque;

use bpm_api::{Error, LogLine, LogPage, Stream};
use bpm_logs::{Gap, Line, Query, RunLog, economy};

use super::cursor::{Cursor, Place};
use super::fail::{log_unreadable, search_failed};
use super::since::rfc3339;
use super::sources::{Question, Source};

/// What a line costs beside its text, in bytes.
const LINE_COST: usize = 8;
/// Bytes of a line that are looked at, so that a long line of progress is reduced to its end; more only counts.
const READ_LINE_BYTES: usize = 16 << 10;

/// What one log holds for the question.
#[derive(Debug)]
struct Found {
    lines: VecDeque<Line>,
    matches: u64,
    omitted_before: u64,
    omitted_after: u64,
    /// The last line that was looked at.
    end: u64,
    lost_lines: u64,
    lost_bytes: u64,
}

/// Equal lines in a row.
#[derive(Debug)]
struct Fold {
    source: usize,
    /// Number of its last line.
    last: u64,
    line: LogLine,
}

/// Which end of the result is shown where not all of it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Keep {
    First(Option<usize>),
    Last(usize),
}

/// A page in the making.
struct Draft<'q> {
    question: &'q Question<'q>,
    folds: VecDeque<Fold>,
    omitted_before: u64,
    omitted_after: u64,
    /// By source: something at its end is left out.
    unfinished: Vec<bool>,
}

/// Reads the logs and makes the page.
pub(super) fn answer(question: &Question<'_>) -> Result<LogPage, Error> {
    let keep = keep(question);
    let mut found = Vec::new();
    for source in &question.sources {
        found.push(look(question, source, keep)?);
    }
    let sum = |part: fn(&Found) -> u64| found.iter().map(part).fold(0, u64::saturating_add);
    let matches = sum(|found| found.matches);
    let (lost_lines, lost_bytes) = (sum(|found| found.lost_lines), sum(|found| found.lost_bytes));
    let ends: Vec<u64> = found.iter().map(|found| found.end).collect();
    let mut draft = Draft {
        question,
        folds: VecDeque::new(),
        omitted_before: sum(|found| found.omitted_before),
        omitted_after: sum(|found| found.omitted_after),
        unfinished: found.iter().map(|found| found.omitted_after > 0).collect(),
    };
    draft.take(merge(&mut found), keep);
    draft.cut(keep);
    let cursor = draft.cursor(&ends).to_string();
    Ok(LogPage {
        source: question.source(),
        matches,
        omitted_before: draft.omitted_before,
        omitted_after: draft.omitted_after,
        lost_lines,
        lost_bytes,
        cursor,
        lines: draft.folds.into_iter().map(|fold| fold.line).collect(),
    })
}

fn keep(question: &Question<'_>) -> Keep {
    let query = question.query;
    let lines = |number: u32| usize::try_from(number).unwrap_or(usize::MAX);
    let plain = query.pattern.is_none() && query.cursor.is_none();
    match (query.tail, query.head, question.shape.usual_tail) {
        (Some(tail), _, _) => Keep::Last(lines(tail)),
        (None, Some(head), _) => Keep::First(Some(lines(head))),
        // who says how much he wants gets that much
        (None, None, Some(_)) if plain && query.max_bytes.is_some() => Keep::Last(lines(u32::MAX)),
        (None, None, Some(usual)) if plain => Keep::Last(lines(usual)),
        (None, None, _) => Keep::First(None),
    }
}

fn look(question: &Question<'_>, source: &Source, keep: Keep) -> Result<Found, Error> {
    let name = format!("`{}` {} {}", source.process, question.what.noun(), source.number);
    let query = question.query;
    let (head, tail) = match keep {
        Keep::First(head) => (head, None),
        Keep::Last(tail) => (None, Some(tail)),
    };
    let asked = Query {
        pattern: query.pattern.clone(),
        context_lines: query.context_lines.and_then(|lines| usize::try_from(lines).ok()).unwrap_or(0),
        head,
        tail,
        since_ns: question.since_ns,
        until_ns: None,
        stream: query.stream.map(stream_in),
        after_line: Some(source.after),
        max_line_bytes: READ_LINE_BYTES,
        max_lines: (question.page_bytes / LINE_COST).min(question.shape.max_lines),
    };
    let log = RunLog::open(&source.dir).map_err(|error| log_unreadable(&name, &error))?;
    let summary = log.summary().map_err(|error| log_unreadable(&name, &error))?;
    let found = log.search(&asked).map_err(|error| search_failed(&name, &error))?;
    let gaps = |part: fn(&Gap) -> u64| summary.gaps.iter().map(part).fold(0, u64::saturating_add);
    Ok(Found {
        end: found.cursor(),
        matches: found.matches,
        omitted_before: found.omitted_before,
        omitted_after: found.omitted_after,
        lines: found.lines.into(),
        lost_lines: summary.evicted_lines + summary.evicted_lost_lines + gaps(|gap| gap.lines),
        lost_bytes: summary.evicted_bytes + summary.evicted_lost_bytes + gaps(|gap| gap.bytes),
    })
}

/// All lines by time; those of one log stay in their order, whatever the clock did.
fn merge(found: &mut [Found]) -> Vec<(usize, Line)> {
    let mut merged = Vec::with_capacity(found.iter().map(|found| found.lines.len()).sum());
    loop {
        let heads =
            found.iter().enumerate().filter_map(|(at, found)| Some((found.lines.front()?.time_ns, at)));
        let Some((_, at)) = heads.min() else { return merged };
        merged.extend(found[at].lines.pop_front().map(|line| (at, line)));
    }
}

impl Draft<'_> {
    /// Takes over the lines that head or tail leave, folded.
    fn take(&mut self, mut lines: Vec<(usize, Line)>, keep: Keep) {
        match keep {
            Keep::First(Some(head)) if lines.len() > head => {
                for (source, _) in lines.drain(head..) {
                    self.unfinished[source] = true;
                    self.omitted_after += 1;
                }
            }
            Keep::Last(tail) if lines.len() > tail => {
                self.omitted_before += lines.drain(..lines.len() - tail).count() as u64;
            }
            Keep::First(_) | Keep::Last(_) => {}
        }
        for (source, line) in lines {
            let number = line.number;
            let shown = self.shown(source, &line);
            match self.folds.back_mut() {
                Some(fold)
                    if fold.source == source && fold.last + 1 == number && same(&fold.line, &shown) =>
                {
                    fold.last = number;
                    fold.line.times += 1;
                }
                Some(_) | None => self.folds.push_back(Fold { source, last: number, line: shown }),
            }
        }
    }

    fn shown(&self, source: usize, line: &Line) -> LogLine {
        let Question { shape, page_bytes, labelled, sources, .. } = self.question;
        let from = &sources[source];
        let clean = economy::plain_text(&line.text);
        let unread = line.full_len.saturating_sub(line.text.len() as u64);
        LogLine {
            process: labelled.then(|| from.process.clone()),
            run: from.number,
            number: line.number,
            time: rfc3339(line.time_ns),
            stream: stream_out(line.stream),
            is_match: line.is_match || self.question.query.pattern.is_none(),
            text: economy::clip(&clean, shape.line_bytes.min(*page_bytes), unread),
            times: 1,
        }
    }

    /// Leaves out what does not fit, at the end that was not asked for. One line always stays.
    fn cut(&mut self, keep: Keep) {
        let mut size: usize = self.folds.iter().map(cost).sum();
        while size > self.question.page_bytes && self.folds.len() > 1 {
            let dropped = match keep {
                Keep::First(_) => self.folds.pop_back(),
                Keep::Last(_) => self.folds.pop_front(),
            };
            let Some(dropped) = dropped else { return };
            size -= cost(&dropped);
            match keep {
                Keep::First(_) => {
                    self.omitted_after += dropped.line.times;
                    self.unfinished[dropped.source] = true;
                }
                Keep::Last(_) => self.omitted_before += dropped.line.times,
            }
        }
    }

    /// Where to go on: after the last line shown where something is left, else after the last one there is.
    fn cursor(&self, ends: &[u64]) -> Cursor {
        let question = self.question;
        let last_shown =
            |at: usize| self.folds.iter().rev().find(|fold| fold.source == at).map(|fold| fold.last);
        let places = question.sources.iter().enumerate().map(|(at, source)| Place {
            process: source.process.clone(),
            number: source.number,
            line: match self.unfinished[at] {
                true => last_shown(at).unwrap_or(source.after),
                false => ends[at].max(source.after),
            },
        });
        Cursor { what: question.what, places: places.collect() }
    }
}

fn same(a: &LogLine, b: &LogLine) -> bool {
    a.text == b.text && a.stream == b.stream && a.is_match == b.is_match
}

fn cost(fold: &Fold) -> usize {
    LINE_COST + fold.line.text.len() + fold.line.process.as_ref().map_or(0, |process| process.len() + 3)
}

fn stream_in(stream: Stream) -> bpm_logs::Stream {
    match stream {
        Stream::Stdout => bpm_logs::Stream::Stdout,
        Stream::Stderr => bpm_logs::Stream::Stderr,
    }
}

fn stream_out(stream: bpm_logs::Stream) -> Stream {
    match stream {
        bpm_logs::Stream::Stdout => Stream::Stdout,
        bpm_logs::Stream::Stderr => Stream::Stderr,
    }
}
