//! A page in the making: blocks of lines that belong together, cut to size, and what is left out
//! counted. Must not read logs.

use std::collections::VecDeque;

use bpm_api::{LogLine, SkippedLines};
use bpm_logs::economy;
use bpm_logs::economy::digest::{FOLD_COST, GAP_COST};
use bpm_logs::economy::gather::LINE_COST;

use super::cursor::{Cursor, Place};
use super::sources::Question;

/// What it costs to say that a line is clipped, in bytes.
const CLIP_COST: usize = 24;

/// Lines that are shown together, or not.
#[derive(Clone, Debug)]
pub(super) struct Block {
    pub(super) source: usize,
    /// When it began, in nanoseconds since 1970.
    pub(super) time_ns: u64,
    pub(super) lines: Vec<LogLine>,
    /// Lines of the log that it stands for.
    pub(super) stands: u64,
    /// Number of the last of them.
    pub(super) reach: u64,
    /// Blocks of one group are parts of one stretch.
    pub(super) group: u64,
    /// Lines of the log before it, if a digest is made.
    pub(super) before: u64,
}

/// Which end of the result is shown where not all of it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Keep {
    First(Option<usize>),
    Last(usize),
}

/// Blocks in their order, and what is not among them.
#[derive(Debug)]
pub(super) struct Draft<'q> {
    pub(super) question: &'q Question<'q>,
    pub(super) blocks: VecDeque<Block>,
    pub(super) omitted_before: u64,
    pub(super) omitted_between: u64,
    pub(super) omitted_after: u64,
    /// By source: something at its end is left out.
    pub(super) unfinished: Vec<bool>,
}

impl<'q> Draft<'q> {
    pub(super) fn new(question: &'q Question<'q>) -> Draft<'q> {
        Draft {
            question,
            blocks: VecDeque::new(),
            omitted_before: 0,
            omitted_between: 0,
            omitted_after: 0,
            unfinished: vec![false; question.sources.len()],
        }
    }

    /// The group that would be shown first does not fit as a whole, but its parts may.
    pub(super) fn must_part(&self) -> bool {
        let Some(first) = self.blocks.front() else { return false };
        let group = self.blocks.iter().take_while(|block| block.group == first.group);
        group.clone().count() > 1 && group.map(Block::cost).sum::<usize>() > self.question.room()
    }

    /// Leaves out what does not fit, at the end that was not asked for. Something always stays.
    pub(super) fn cut(&mut self, keep: Keep) {
        let room = self.question.room();
        let mut blocks = std::mem::take(&mut self.blocks);
        let mut left = room;
        while let Some(mut block) = match keep {
            Keep::First(_) => blocks.pop_front(),
            Keep::Last(_) => blocks.pop_back(),
        } {
            // Stretches that are shown by their parts are shown by all of them.
            let begins = keep_first(keep) && self.blocks.back().is_none_or(|last| last.group != block.group);
            let others = blocks.iter().take_while(|other| begins && other.group == block.group);
            let cost = block.cost() + others.map(Block::cost).sum::<usize>();
            if cost > left {
                let may_shorten = self.blocks.is_empty() || block.cost() > room && left > room / 2;
                if !may_shorten {
                    self.leave(&block, keep);
                    break;
                }
                self.shorten(&mut block, left);
            }
            left = left.saturating_sub(block.cost());
            match keep {
                Keep::First(_) => self.blocks.push_back(block),
                Keep::Last(_) => self.blocks.push_front(block),
            }
        }
        for block in &blocks {
            self.leave(block, keep);
        }
    }

    fn leave(&mut self, block: &Block, keep: Keep) {
        match keep {
            Keep::First(_) => {
                self.omitted_after += block.stands;
                self.unfinished[block.source] = true;
            }
            Keep::Last(_) => self.omitted_before += block.stands,
        }
    }

    /// Makes a block fit into `room` bytes: its beginning and its end stay.
    pub(super) fn shorten(&mut self, block: &mut Block, room: usize) {
        let several = block.lines.len() > 1;
        let half = if several { room.saturating_sub(GAP_COST) / 2 } else { room };
        let fitting = |lines: &mut dyn Iterator<Item = &LogLine>| {
            let mut used = 0;
            let fits = |line: &&LogLine| {
                used += cost(line);
                used <= half
            };
            lines.take_while(fits).count().max(1)
        };
        if several {
            let head = fitting(&mut block.lines.iter()).min(block.lines.len() - 1);
            let tail = fitting(&mut block.lines[head..].iter().rev());
            let gone: Vec<LogLine> = block.lines.drain(head..block.lines.len() - tail).collect();
            self.tell_gone(block, head, &gone);
        }
        for line in &mut block.lines {
            let other = cost(line) - line.text.len() + CLIP_COST;
            if cost(line) > half {
                line.text = economy::clip(&line.text, half.saturating_sub(other), 0);
            }
        }
    }

    /// `gone` was in `block` before its line `at`.
    fn tell_gone(&mut self, block: &mut Block, at: usize, gone: &[LogLine]) {
        let Some(first) = gone.first() else { return };
        let hidden = |line: &LogLine| line.times + line.skipped.as_ref().map_or(0, |skipped| skipped.lines);
        let lines: u64 = gone.iter().map(hidden).sum();
        let cursor = self.cursor_at(block.source, first.number.saturating_sub(1));
        if let Some(line) = block.lines.get_mut(at) {
            // It may tell already of what a shorter cut took.
            let before = line.skipped.as_ref().map_or(0, |skipped| skipped.lines);
            line.skipped = Some(SkippedLines { lines: lines + before, cursor });
            self.omitted_between += lines;
        }
    }

    /// Tells before block `at` what of its log is left out there.
    pub(super) fn tell_gap(&mut self, at: usize, lines: u64, after: u64) {
        let Some(block) = self.blocks.get(at) else { return };
        let skipped = SkippedLines { lines, cursor: self.cursor_at(block.source, after) };
        if let Some(line) = self.blocks.get_mut(at).and_then(|block| block.lines.first_mut()) {
            line.skipped = (lines > 0).then_some(skipped);
        }
    }

    /// Tells and counts what is left out around the blocks of a digest; `lines` are those of each log.
    pub(super) fn tell_gaps(&mut self, lines: &[u64]) {
        (self.omitted_before, self.omitted_between, self.omitted_after) = (0, 0, 0);
        let mut ends: Vec<Option<(u64, u64)>> = vec![None; lines.len()];
        for at in 0..self.blocks.len() {
            let block = &self.blocks[at];
            let (source, end) = (block.source, block.before + block.stands);
            // What takes turns reaches beyond what comes next.
            let turns = block.lines.first().filter(|line| line.by_turns).map(|line| line.number);
            let reach = turns.unwrap_or(block.reach);
            let within = block.lines.iter().skip(1).filter_map(|line| line.skipped.as_ref());
            self.omitted_between += within.map(|skipped| skipped.lines).sum::<u64>();
            let (shown, after) = ends[source].unwrap_or((0, self.question.sources[source].after));
            let gap = block.before.saturating_sub(shown);
            match ends[source] {
                None => self.omitted_before += gap,
                Some(_) => self.omitted_between += gap,
            }
            self.tell_gap(at, gap, after);
            ends[source] = Some((end, reach));
        }
        for (lines, end) in lines.iter().zip(ends) {
            match end {
                None => self.omitted_before += lines,
                Some((end, _)) => self.omitted_after += lines.saturating_sub(end),
            }
        }
    }

    /// Reads on in one log after `line`.
    fn cursor_at(&self, source: usize, line: u64) -> String {
        let from = &self.question.sources[source];
        let place = Place { process: from.process.clone(), number: from.number, line };
        Cursor { what: self.question.what, places: vec![place] }.to_string()
    }

    /// Where to go on: after the last line shown where something is left, else after the last one there is.
    pub(super) fn cursor(&self, ends: &[u64]) -> Cursor {
        let question = self.question;
        let reach =
            |at: usize| self.blocks.iter().filter(|block| block.source == at).map(|block| block.reach).max();
        let places = question.sources.iter().enumerate().map(|(at, source)| Place {
            process: source.process.clone(),
            number: source.number,
            line: match self.unfinished[at] {
                true => reach(at).unwrap_or(source.after),
                // Not beyond the end, even if that was asked for: lines may still come there.
                false => ends[at],
            },
        });
        Cursor { what: question.what, places: places.collect() }
    }
}

fn keep_first(keep: Keep) -> bool {
    matches!(keep, Keep::First(_))
}

impl Block {
    pub(super) fn cost(&self) -> usize {
        self.lines.iter().map(cost).sum()
    }
}

fn cost(line: &LogLine) -> usize {
    LINE_COST
        + line.text.len()
        + line.process.as_ref().map_or(0, |process| process.len() + 3)
        + if line.times > 1 { FOLD_COST } else { 0 }
        + if line.skipped.is_some() { GAP_COST } else { 0 }
}
