//! Pages that are made from what a log is as a whole: a digest of it, or what comes after a cursor, folded
//! as far as it goes. Reads each log once, from its end where it is huge. Must not know how a question was written.

use std::ops::ControlFlow;

use bpm_logs::economy::digest::{Budget, Digest, Part};
use bpm_logs::economy::fold::Fold;
use bpm_logs::economy::gather::{Gather, Span};
use bpm_logs::errors::{Detector, Extra};
use bpm_logs::{Line, Query, ReadError, RunLog, Walked};

use super::draft::{Block, Draft, Keep};
use super::page::{Digested, READ_LINE_BYTES};
use super::shown::{self, Folded};
use super::sources::Question;

/// The end of a log that a digest is made of, in bytes. What is before it is counted as left out.
const DIGEST_BYTES: u64 = 64 << 20;
/// What a page may cost that nobody gave a size for: where many lines are of few kinds, and otherwise.
const FLOOD_BYTES: usize = 1_500;
const USUAL_BYTES: usize = 4_000;
/// A log of so many lines is shown as it is, if it fits.
pub(super) const SHORT_LINES: usize = 60;
/// A line of a digest is clipped to this many bytes, as long as nobody asked for more.
const DIGEST_LINE_BYTES: usize = 240;
/// The least that each of many logs gets, in bytes.
const LEAST_BYTES: usize = 300;

/// One log, opened.
pub(super) struct Opened {
    pub(super) name: String,
    pub(super) log: RunLog,
    pub(super) query: Query,
}

/// The digest of one log.
pub(super) fn digest(draft: &mut Draft<'_>, source: usize, opened: &Opened) -> Result<Digested, ReadError> {
    let question = draft.question;
    let sources = question.sources.len().max(1);
    let share = |bytes: usize| (bytes.min(question.room()) / sources).max(LEAST_BYTES);
    let (budget, line_bytes) = match question.query.max_bytes {
        Some(_) => (Budget { flood: share(usize::MAX), usual: share(usize::MAX) }, question.line_bytes()),
        None => {
            let usual = if sources == 1 { USUAL_BYTES } else { usize::MAX };
            (Budget { flood: share(FLOOD_BYTES), usual: share(usual) }, DIGEST_LINE_BYTES)
        }
    };
    let mut digest = Digest::new(line_bytes, looks_wrong());
    let walked = opened.log.walk(&opened.query, DIGEST_BYTES, |line| {
        digest.line(&line);
        ControlFlow::Continue(())
    })?;
    let parts = digest.finish(budget);
    let spans: Vec<Fold<Span>> = parts.iter().map(|part| part.fold.clone()).collect();
    let mut blocks = blocks(question, source, opened, &spans, line_bytes)?;
    for (Part { before, room, .. }, block) in parts.into_iter().zip(&mut blocks) {
        block.before = walked.before + before;
        if let Some(room) = room {
            draft.shorten(block, room);
        }
    }
    Ok(Digested { blocks, lines: walked.lines, end: walked.cursor })
}

/// What comes after a cursor in the only log there is, up to where the page is full.
pub(super) fn go_on(draft: &mut Draft<'_>, opened: &Opened) -> Result<Walked, ReadError> {
    let question = draft.question;
    let mut walked = Walked::default();
    for by_turns in [true, false] {
        let (mut gather, mut folds) = (Gather::new(question.line_bytes(), by_turns), Vec::new());
        let (mut spent, mut counted, mut read) = (0, 0, 0);
        walked = opened.log.walk(&opened.query, u64::MAX, |line| {
            gather.line(&line, &mut folds);
            read += line.full_len;
            spent += folds[counted..].iter().map(|fold| fold.what.cost).sum::<usize>();
            counted = folds.len();
            if spent > question.room() || read > DIGEST_BYTES {
                ControlFlow::Break(())
            } else {
                ControlFlow::Continue(())
            }
        })?;
        gather.finish(&mut folds);
        draft.blocks = blocks(question, 0, opened, &folds, question.line_bytes())?.into();
        if !draft.must_part() {
            break;
        }
    }
    draft.omitted_after = walked.lines - walked.passed;
    draft.unfinished[0] = draft.omitted_after > 0;
    draft.cut(Keep::First(None));
    Ok(walked)
}

/// Asked about lines of a new kind only.
fn looks_wrong() -> impl FnMut(&str) -> bool {
    let detector = Detector::new(&Extra::default()).ok();
    move |text| {
        let Some(detector) = &detector else { return false };
        if detector.can_skip(text.as_bytes()) {
            return false;
        }
        let mut detector = detector.clone();
        !detector.feed(1, text).is_empty() || detector.flush().is_some()
    }
}

/// The lines of `folds`, as they are shown.
fn blocks(
    question: &Question<'_>,
    source: usize,
    opened: &Opened,
    folds: &[Fold<Span>],
    line_bytes: usize,
) -> Result<Vec<Block>, ReadError> {
    let mut blocks = Vec::new();
    let mut rest = folds;
    while let Some(first) = rest.first() {
        // Neighbours are fetched at once.
        let adjoin = |pair: &&[Fold<Span>]| pair[0].what.first + pair[0].what.lines == pair[1].what.first;
        let several = 1 + rest.windows(2).take_while(adjoin).count();
        let (now, later) = rest.split_at(if opened.query.stream.is_none() { several } else { 1 });
        let mut lines =
            fetch(opened, first.what.first, now.iter().map(|fold| fold.what.lines).sum())?.into_iter();
        for fold in now {
            let unit: Vec<Line> =
                lines.by_ref().take(usize::try_from(fold.what.lines).unwrap_or(usize::MAX)).collect();
            blocks.push(block(question, source, fold, &unit, line_bytes));
        }
        rest = later;
    }
    Ok(blocks)
}

fn block(
    question: &Question<'_>,
    source: usize,
    fold: &Fold<Span>,
    unit: &[Line],
    line_bytes: usize,
) -> Block {
    let how = Folded { times: fold.times, alike: fold.alike, by_turns: fold.by_turns, reach: fold.reach };
    Block {
        source,
        time_ns: unit.first().map_or(0, |line| line.time_ns),
        lines: how.apply(unit.iter().map(|line| shown::line(question, source, line, line_bytes)).collect()),
        stands: fold.times * fold.what.lines,
        reach: fold.reach,
        group: fold.group,
        before: 0,
    }
}

fn fetch(opened: &Opened, first: u64, lines: u64) -> Result<Vec<Line>, ReadError> {
    let lines = usize::try_from(lines).unwrap_or(usize::MAX);
    let query = Query {
        after_line: Some(first.saturating_sub(1)),
        // A line of this number is of the stream that was asked for.
        stream: opened.query.stream.filter(|_| lines > 1),
        max_line_bytes: READ_LINE_BYTES,
        max_lines: lines,
        ..Query::default()
    };
    Ok(opened.log.search_with(None, &query)?.lines)
}
