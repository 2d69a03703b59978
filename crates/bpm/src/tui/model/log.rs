//! The output panel: a bounded window on one log, wherever in it that is. A log of a million lines costs what a
//! screen costs. Must not know how it is drawn.

use std::collections::VecDeque;

use bpm_api::{Error, ReadLog, ReadOnly, WindowLine};
use regex_automata::meta::Regex;

use super::Target;
use crate::tui::message::{LogPurpose, Now};

/// Lines of the window, at most: it is cut at the end that is farther from what is shown.
pub const MOST_LINES: usize = 2000;
/// Bytes of their texts, at most.
pub const MOST_BYTES: usize = 4 << 20;
/// What a line is clipped to, in bytes.
pub const LINE_BYTES: u32 = 16 << 10;

/// Which log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    pub target: Target,
    pub builds: bool,
    /// By its number; the newest where there is none, also when a newer one comes.
    pub run: Option<u64>,
    /// The builds were shown by themselves, because one is under way or has failed, and give way to the run by
    /// themselves.
    pub by_itself: bool,
}

/// Where the panel's rows begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Anchor {
    /// The last line is in the last row: follows the log as it grows.
    End,
    /// This line is the first one, without so many of its rows (where it is wrapped).
    Line { number: u64, skip: usize },
}

/// Something that is looked for.
#[derive(Clone, Debug)]
pub struct Search {
    pub pattern: String,
    /// For marking it in what is shown.
    pub regex: Regex,
    /// The line that was found last.
    pub found: Option<u64>,
    /// How far a search that is under way has looked, and in which direction.
    pub looking: Option<Looking>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Looking {
    pub backward: bool,
    pub errors: bool,
    pub at: u64,
    /// It began at an end of the log.
    pub whole: bool,
    /// Questions that it took so far.
    pub pieces: u32,
}

#[derive(Clone, Debug)]
pub struct LogView {
    /// `None` while nothing is selected.
    pub source: Option<Source>,
    /// The run or build that the lines are of, and what is known of it: as in `LogWindow`.
    pub run: u64,
    pub newest: u64,
    pub ended: bool,
    pub first_line: u64,
    pub next_line: u64,
    pub lost_lines: u64,
    /// Ascending. Without a filter they follow one another; with one they are those that it lets through.
    pub lines: VecDeque<WindowLine>,
    /// Bytes of their texts.
    pub bytes: usize,
    /// There are more before the first, or after the last.
    pub more_before: bool,
    pub more_after: bool,
    pub anchor: Anchor,
    /// Columns that are scrolled to the right, where lines are not wrapped.
    pub column: usize,
    pub wrap: bool,
    pub times: bool,
    /// What is let through.
    pub only: ReadOnly,
    pub search: Option<Search>,
    /// The line that an error was found at, when errors were looked for.
    pub error_at: Option<u64>,
    /// A search for errors that is under way.
    pub looking: Option<Looking>,
    /// Lines up to this one, of this run, were cleared away by the user.
    pub cleared: Option<(u64, u64)>,
    /// The question that is under way: its number. Answers to others are thrown away.
    pub asked: Option<u64>,
    /// The log has grown since the last question was asked.
    pub grown: bool,
    /// Why it cannot be read.
    pub error: Option<Error>,
    /// What was asked last, and what for.
    pub asking: Option<(LogPurpose, ReadLog)>,
    /// The answer that is under way is of no use any more: something else is shown since.
    pub void: bool,
    /// Nothing of the source has been read yet, or everything is to be read anew.
    pub fresh: bool,
    /// All lines that are let through from this one on are in the window: what comes before is before this number.
    pub low: u64,
    /// All lines up to this one are: what comes after is after this number.
    pub high: u64,
    /// A place outside the window that is to be shown.
    pub jump: Option<Jump>,
    /// How many more times the window may grow towards what is shown.
    pub growing: Growing,
    /// More is printed than is shown: what is between two looks at the end is skipped.
    pub surge: bool,
    /// When the length was asked for last, while paused.
    pub length_at: Now,
    /// `only`'s, to be looked for among lines that were found by something else.
    pub filter: Option<Regex>,
    /// The first error is to be shown once it is known; nothing is said where there is none.
    pub first_error: bool,
    /// The build whose first error was looked for by itself.
    pub errors_of: Option<u64>,
    /// The watch has just begun: what was printed in that moment is looked for once.
    pub unwatched: bool,
    /// What was shown before, to go back to if the run that was picked is not kept.
    pub back: Option<Source>,
}

/// A place in a log that is not in the window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Jump {
    Top,
    End,
    Around(u64),
}

/// By the direction.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Growing {
    pub up: u8,
    pub down: u8,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Heading {
    Up,
    Down,
}

impl Default for LogView {
    fn default() -> LogView {
        LogView {
            source: None,
            run: 0,
            newest: 0,
            ended: false,
            first_line: 1,
            next_line: 1,
            lost_lines: 0,
            lines: VecDeque::new(),
            bytes: 0,
            more_before: false,
            more_after: false,
            anchor: Anchor::End,
            column: 0,
            wrap: false,
            times: false,
            only: ReadOnly::All,
            search: None,
            error_at: None,
            looking: None,
            cleared: None,
            asked: None,
            grown: false,
            error: None,
            asking: None,
            void: false,
            fresh: false,
            low: 0,
            high: 0,
            jump: None,
            growing: Growing::default(),
            surge: false,
            length_at: Now::default(),
            filter: None,
            first_error: false,
            errors_of: None,
            unwatched: false,
            back: None,
        }
    }
}

impl LogView {
    /// The lines that were not cleared away.
    pub fn shown(&self) -> impl DoubleEndedIterator<Item = &WindowLine> {
        self.lines.iter().skip(self.first_shown())
    }

    /// Index of the first of them.
    pub fn first_shown(&self) -> usize {
        let after = self.cleared_to();
        self.lines.partition_point(|line| line.number <= after)
    }

    /// Number of the last line that was cleared away; 0 where none was.
    pub fn cleared_to(&self) -> u64 {
        self.cleared.filter(|(run, _)| *run == self.run).map_or(0, |(_, line)| line)
    }

    pub fn is_following(&self) -> bool {
        self.anchor == Anchor::End
    }
}
