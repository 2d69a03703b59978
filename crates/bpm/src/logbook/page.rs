//! From what the logs hold to one page: merged by time, put together, folded, cut to size, and what is
//! left out counted. Must not know how a question was written.

use std::collections::VecDeque;

use bpm_api::{Error, LogPage, Stream};
use bpm_logs::{Gap, Line, Query, RunLog};

use super::digest::{self, Opened, SHORT_LINES};
use super::draft::{Block, Draft, Keep};
use super::fail::{log_unreadable, search_failed};
use super::shown;
use super::sources::{Question, Source};

/// Bytes of a line that are looked at, so that a long line of progress is reduced to its end; more only counts.
pub(super) const READ_LINE_BYTES: usize = 16 << 10;
/// What a line costs at least, in bytes.
const LEAST_COST: usize = 8;

/// What one log holds for the question.
#[derive(Debug)]
struct Found {
    lines: VecDeque<Line>,
    matches: u64,
    omitted_before: u64,
    omitted_after: u64,
    /// The last line that was looked at.
    end: u64,
}

/// What the page says of the logs, apart from lines.
#[derive(Debug, Default)]
struct Totals {
    matches: u64,
    lost_lines: u64,
    lost_bytes: u64,
    /// By source: the last line that there is.
    ends: Vec<u64>,
}

/// Reads the logs and makes the page.
pub(super) fn answer(question: &Question<'_>) -> Result<LogPage, Error> {
    let mut draft = Draft::new(question);
    let mut totals = Totals::default();
    let mut opened = Vec::new();
    for source in &question.sources {
        opened.push(open(question, source, &mut totals)?);
    }
    let query = question.query;
    let plain = query.pattern.is_none() && query.head.is_none() && query.tail.is_none();
    match (question.shape.digest && plain, query.cursor.is_some(), &opened[..]) {
        (true, false, _) => digest_all(&mut draft, &opened, &mut totals)?,
        (true, true, [only]) => {
            let walked =
                digest::go_on(&mut draft, only).map_err(|error| log_unreadable(&only.name, &error))?;
            totals.matches = walked.lines;
            totals.ends.push(walked.cursor);
        }
        _ => search(&mut draft, &opened, &mut totals)?,
    }
    Ok(LogPage {
        source: question.source(),
        matches: totals.matches,
        omitted_before: draft.omitted_before,
        omitted_between: draft.omitted_between,
        omitted_after: draft.omitted_after,
        lost_lines: totals.lost_lines,
        lost_bytes: totals.lost_bytes,
        cursor: draft.cursor(&totals.ends).to_string(),
        resumed: query.cursor.is_some(),
        lines: draft.blocks.into_iter().flat_map(|block| block.lines).collect(),
    })
}

fn open(question: &Question<'_>, source: &Source, totals: &mut Totals) -> Result<Opened, Error> {
    let name = format!("`{}` {} {}", source.process, question.what.noun(), source.number);
    let query = question.query;
    let most = question.shape.max_lines;
    let asked = Query {
        pattern: query.pattern.clone(),
        context_lines: query.context_lines.and_then(|lines| usize::try_from(lines).ok()).unwrap_or(0),
        since_ns: question.since_ns,
        stream: query.stream.map(stream_in),
        after_line: Some(source.after),
        max_line_bytes: READ_LINE_BYTES,
        // Where lines fold, many of them may fit.
        max_lines: if question.shape.digest { most } else { most.min(question.page_bytes / LEAST_COST) },
        ..Query::default()
    };
    let log = RunLog::open(&source.dir).map_err(|error| log_unreadable(&name, &error))?;
    let summary = log.summary().map_err(|error| log_unreadable(&name, &error))?;
    let gaps = |part: fn(&Gap) -> u64| summary.gaps.iter().map(part).fold(0, u64::saturating_add);
    totals.lost_lines += summary.evicted_lines + summary.evicted_lost_lines + gaps(|gap| gap.lines);
    totals.lost_bytes += summary.evicted_bytes + summary.evicted_lost_bytes + gaps(|gap| gap.bytes);
    Ok(Opened { name, log, query: asked })
}

// --- what was searched for -----------------------------------------------------------------------

/// The lines of all logs, as far as they were asked for.
fn search(draft: &mut Draft<'_>, opened: &[Opened], totals: &mut Totals) -> Result<(), Error> {
    let question = draft.question;
    let keep = keep(question);
    let mut found = Vec::new();
    for one in opened {
        found.push(look(one, keep)?);
    }
    for (at, found) in found.iter().enumerate() {
        totals.matches = totals.matches.saturating_add(found.matches);
        totals.ends.push(found.end);
        draft.omitted_before += found.omitted_before;
        draft.omitted_after += found.omitted_after;
        draft.unfinished[at] = found.omitted_after > 0;
    }
    let mut lines = merge(&mut found);
    bound(draft, &mut lines, keep);
    let alike = question.shape.digest;
    draft.blocks = shown::blocks(question, &lines, alike, alike).into();
    if alike && matches!(keep, Keep::First(_)) && draft.must_part() {
        draft.blocks = shown::blocks(question, &lines, alike, false).into();
    }
    draft.cut(keep);
    if let (true, true, [only]) = (alike, draft.omitted_before > 0, &question.sources[..]) {
        draft.tell_gap(0, draft.omitted_before, only.after);
    }
    Ok(())
}

fn keep(question: &Question<'_>) -> Keep {
    let lines = |number: u32| usize::try_from(number).unwrap_or(usize::MAX);
    match (question.query.tail, question.query.head) {
        (Some(tail), _) => Keep::Last(lines(tail)),
        (None, head) => Keep::First(head.map(lines)),
    }
}

fn look(opened: &Opened, keep: Keep) -> Result<Found, Error> {
    let (head, tail) = match keep {
        Keep::First(head) => (head, None),
        Keep::Last(tail) => (None, Some(tail)),
    };
    let asked = Query { head, tail, ..opened.query.clone() };
    let found = opened.log.search(&asked).map_err(|error| search_failed(&opened.name, &error))?;
    Ok(Found {
        end: found.cursor(),
        matches: found.matches,
        omitted_before: found.omitted_before,
        omitted_after: found.omitted_after,
        lines: found.lines.into(),
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

/// Head and tail hold for the lines of all logs together.
fn bound(draft: &mut Draft<'_>, lines: &mut Vec<(usize, Line)>, keep: Keep) {
    match keep {
        Keep::First(Some(head)) if lines.len() > head => {
            for (source, _) in lines.drain(head..) {
                draft.unfinished[source] = true;
                draft.omitted_after += 1;
            }
        }
        Keep::Last(tail) if lines.len() > tail => {
            draft.omitted_before += lines.drain(..lines.len() - tail).count() as u64;
        }
        Keep::First(_) | Keep::Last(_) => {}
    }
}

// --- digests ---------------------------------------------------------------------------------------

/// What one log gives to a digest.
pub(super) struct Digested {
    pub(super) blocks: Vec<Block>,
    /// Lines of the log.
    pub(super) lines: u64,
    /// The last one.
    pub(super) end: u64,
}

/// Each log as it is, if it is short, or else its digest.
fn digest_all(draft: &mut Draft<'_>, opened: &[Opened], totals: &mut Totals) -> Result<(), Error> {
    let mut lines = Vec::new();
    for (source, one) in opened.iter().enumerate() {
        let digested = match short(draft.question, source, one, opened.len())? {
            Some(short) => short,
            None => digest::digest(draft, source, one).map_err(|error| log_unreadable(&one.name, &error))?,
        };
        totals.matches += digested.lines;
        totals.ends.push(digested.end);
        lines.push(digested.lines);
        draft.blocks.extend(digested.blocks);
    }
    // Stable: those of one log stay in their order, whatever the clock did.
    let mut latest = vec![0; opened.len()];
    for block in &mut draft.blocks {
        block.time_ns = block.time_ns.max(latest[block.source]);
        latest[block.source] = block.time_ns;
    }
    draft.blocks.make_contiguous().sort_by_key(|block| block.time_ns);
    // Once to know what it costs to tell them.
    draft.tell_gaps(&lines);
    draft.cut(Keep::Last(usize::MAX));
    draft.tell_gaps(&lines);
    Ok(())
}

/// All of a log that has few lines and fits.
fn short(
    question: &Question<'_>,
    source: usize,
    one: &Opened,
    logs: usize,
) -> Result<Option<Digested>, Error> {
    let asked = Query { max_lines: SHORT_LINES, ..one.query.clone() };
    let found = one.log.search(&asked).map_err(|error| search_failed(&one.name, &error))?;
    let (end, lines) = (found.cursor(), found.matches);
    if found.omitted_after > 0 {
        return Ok(None);
    }
    let found: Vec<(usize, Line)> = found.lines.into_iter().map(|line| (source, line)).collect();
    let mut blocks = shown::blocks(question, &found, false, false);
    if blocks.iter().map(Block::cost).sum::<usize>() > question.room() / logs {
        return Ok(None);
    }
    let mut before = 0;
    for block in &mut blocks {
        block.before = before;
        before += block.stands;
    }
    Ok(Some(Digested { blocks, lines, end }))
}

fn stream_in(stream: Stream) -> bpm_logs::Stream {
    match stream {
        Stream::Stdout => bpm_logs::Stream::Stdout,
        Stream::Stderr => bpm_logs::Stream::Stderr,
    }
}
