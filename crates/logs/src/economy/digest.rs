//! Owns what of a whole log is worth showing: how it begins, what is rare in it or looks wrong, how it
//! ends. Remembers numbers, not texts, and a bounded number of them. Must not read files.

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, HashMap, VecDeque};

use super::fold::{Fold, Item};
use super::gather::{Gather, Span};
use crate::walk::Passed;

/// Folds of the beginning and of the end that are remembered.
const HEAD_FOLDS: usize = 48;
const TAIL_FOLDS: usize = 160;
/// Kinds of lines that are counted.
const MOST_KINDS: usize = if cfg!(test) { 64 } else { 16_384 };
/// A log with so many lines of each kind is a flood.
const FLOOD: u64 = 20;
/// What is rare in a log that is no flood is told only where it stands so far from other news, in lines.
const LONELY: u64 = 20;
/// Kinds of lines that look wrong and come before anything else.
const FIRST_WRONG: usize = 6;
/// What it costs to say what is not shown, and how many a line stands for, in bytes.
pub const GAP_COST: usize = 56;
pub const FOLD_COST: usize = 26;
/// Less of several lines that belong together says nothing, in bytes.
const LEAST_SHORTENED: usize = 240;

/// Reads the lines of a log once.
pub struct Digest<W> {
    gather: Gather,
    wrong: W,
    notes: Notes,
    items: Vec<Item<Span>>,
    done: Vec<Fold<Span>>,
}

struct Notes {
    kinds: HashMap<u64, Seldom>,
    /// Where the last line of a new kind was.
    last_new: u64,
    head: Vec<Part>,
    tail: VecDeque<Part>,
    folds: usize,
    lines: u64,
}

/// A kind of line.
#[derive(Debug, Clone, Default)]
struct Seldom {
    count: u64,
    /// Lines since the last one of a new kind.
    alone: u64,
    wrong: bool,
    first: Option<Part>,
}

/// Something of the log that is shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    pub fold: Fold<Span>,
    /// Lines of the log that come before it.
    pub before: u64,
    /// Where it has to be shortened: to so many bytes.
    pub room: Option<usize>,
}

impl Part {
    /// Lines that it stands for.
    pub fn lines(&self) -> u64 {
        self.fold.times.saturating_mul(self.fold.what.lines)
    }

    fn cost(&self) -> usize {
        self.fold.what.cost + if self.fold.times > 1 { FOLD_COST } else { 0 }
    }
}

/// What an answer may cost, in bytes.
#[derive(Debug, Clone, Copy)]
pub struct Budget {
    /// Where many lines are of few kinds.
    pub flood: usize,
    /// Otherwise.
    pub usual: usize,
}

impl<W> std::fmt::Debug for Digest<W> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Digest").field("lines", &self.notes.lines).finish_non_exhaustive()
    }
}

impl<W: FnMut(&str) -> bool> Digest<W> {
    /// `wrong` says of a line's clean text whether it looks like an error; it is asked for new kinds only.
    /// `line_bytes` is what a line is clipped to in the answer.
    pub fn new(line_bytes: usize, wrong: W) -> Digest<W> {
        let notes = Notes {
            kinds: HashMap::new(),
            last_new: 0,
            head: Vec::new(),
            tail: VecDeque::new(),
            folds: 0,
            lines: 0,
        };
        Digest { gather: Gather::new(line_bytes, true), wrong, notes, items: Vec::new(), done: Vec::new() }
    }

    pub fn line(&mut self, line: &Passed<'_>) {
        let Digest { gather, wrong, notes, items, done } = self;
        let kinds = &notes.kinds;
        gather.line_with(line, |key, text| !kinds.contains_key(&key) && wrong(text), items, done);
        self.take_in();
    }

    fn take_in(&mut self) {
        self.items.drain(..).for_each(|item| self.notes.count(&item));
        self.done.drain(..).for_each(|fold| self.notes.note(fold));
    }

    /// What fits, in the order of the log. What begins, what ends, and what is rare has each its share.
    pub fn finish(mut self, budget: Budget) -> Vec<Part> {
        self.gather.finish_with(&mut self.items, &mut self.done);
        self.take_in();
        self.notes.choose(budget)
    }
}

impl Notes {
    fn count(&mut self, item: &Item<Span>) {
        if self.kinds.len() >= MOST_KINDS && !self.kinds.contains_key(&item.key) {
            self.forget();
        }
        let full = self.kinds.len() >= MOST_KINDS;
        match self.kinds.entry(item.key) {
            Entry::Occupied(known) => known.into_mut().count += 1,
            Entry::Vacant(_) if full => {}
            Entry::Vacant(new) => {
                let alone = item.what.first.saturating_sub(self.last_new);
                new.insert(Seldom { count: 1, alone, wrong: item.what.wrong, first: None });
                self.last_new = item.what.first;
            }
        }
    }

    /// In a log where everything is new, being new says nothing.
    fn forget(&mut self) {
        self.kinds.retain(|_, kind| kind.count > 1 || kind.wrong || kind.alone >= LONELY);
        if self.kinds.len() >= MOST_KINDS - MOST_KINDS / 4 {
            self.kinds.retain(|_, kind| kind.wrong || kind.alone >= LONELY);
        }
    }

    fn note(&mut self, fold: Fold<Span>) {
        let part = Part { fold, before: self.lines, room: None };
        self.lines += part.lines();
        self.folds += 1;
        if let Some(kind) = self.kinds.get_mut(&part.fold.key) {
            kind.first.get_or_insert_with(|| part.clone());
        }
        if self.head.len() < HEAD_FOLDS {
            self.head.push(part.clone());
        }
        if self.tail.len() == TAIL_FOLDS {
            self.tail.pop_front();
        }
        self.tail.push_back(part);
    }

    fn choose(self, budget: Budget) -> Vec<Part> {
        let flood = self.lines >= FLOOD.saturating_mul(self.kinds.len() as u64);
        let rare = rare(self.kinds, flood);
        // A trace among equal lines is worth its room.
        let plain = rare.iter().all(|part| part.fold.what.lines == 1);
        let bytes = if flood && plain { budget.flood } else { budget.usual };
        let mut all: BTreeMap<u64, Part> = BTreeMap::new();
        if self.folds <= HEAD_FOLDS + TAIL_FOLDS {
            all.extend(self.head.iter().chain(&self.tail).map(|part| (part.before, part.clone())));
            if all.values().map(Part::cost).sum::<usize>() <= bytes {
                return all.into_values().collect();
            }
        }
        let mut choice = Choice { parts: BTreeMap::new(), left: bytes };
        if let Some(last) = self.tail.back() {
            choice.take(last, bytes * 3 / 4, true);
        }
        if let Some(first) = self.head.first() {
            choice.take(first, bytes / 4, first.fold.what.lines == 1);
        }
        let (mut share, longest) = ((bytes * 3 / 5).min(choice.left), bytes * 2 / 5);
        for part in rare {
            let too_long = part.cost() + GAP_COST > longest;
            let room = if too_long { share.min(longest) } else { share };
            let shorten = too_long && part.fold.what.lines > 1 && room >= LEAST_SHORTENED;
            share -= choice.take(&part, room, shorten).min(share);
        }
        let begin = (bytes / 5).min(choice.left);
        let end = choice.left - begin;
        let unused = choice.fill(self.tail.iter().rev(), end);
        choice.fill(self.head.iter(), begin + unused);
        choice.parts.into_values().collect()
    }
}

/// The first of each kind that is rare, those that are worth most first.
fn rare(kinds: HashMap<u64, Seldom>, flood: bool) -> Vec<Part> {
    let score =
        |kind: &Seldom| kind.alone.saturating_mul(if kind.wrong { 1000 } else { 10 }) / kind.count.max(1);
    let mut rare: Vec<(Seldom, Part)> = kinds
        .into_values()
        .filter(|kind| kind.wrong || kind.alone >= if flood { 1 } else { LONELY })
        .filter_map(|mut kind| kind.first.take().map(|first| (kind, first)))
        .collect();
    rare.sort_by_key(|(kind, first)| (!kind.wrong, first.before));
    let wrong = rare.iter().take(FIRST_WRONG).take_while(|(kind, _)| kind.wrong).count();
    rare[wrong..].sort_by_key(|(kind, first)| (std::cmp::Reverse(score(kind)), first.before));
    rare.into_iter().map(|(_, first)| first).collect()
}

struct Choice {
    /// By the number of lines before.
    parts: BTreeMap<u64, Part>,
    left: usize,
}

impl Choice {
    /// Takes `part` if it fits into `room`, or `anyway`, to be shortened; what it costs.
    fn take(&mut self, part: &Part, room: usize, anyway: bool) -> usize {
        let room = room.min(self.left);
        let cost = part.cost() + GAP_COST;
        if self.parts.contains_key(&part.before) || (cost > room && !anyway) {
            return 0;
        }
        let cut = (cost > room).then(|| room.saturating_sub(GAP_COST));
        self.parts.insert(part.before, Part { room: cut, ..part.clone() });
        let cost = cost.min(room);
        self.left -= cost;
        cost
    }

    /// Takes neighbours until one does not fit; what is left of `room`.
    fn fill<'p>(&mut self, parts: impl Iterator<Item = &'p Part>, room: usize) -> usize {
        let mut room = room.min(self.left);
        for part in parts {
            if self.parts.contains_key(&part.before) {
                continue;
            }
            // The next one adjoins: no gap has to be told.
            let cost = part.cost();
            if cost > room {
                break;
            }
            self.parts.insert(part.before, part.clone());
            room -= cost;
            self.left -= cost.min(self.left);
        }
        room
    }
}

#[cfg(test)]
mod tests;
