//! Owns the way from lines to folds that are remembered by number alone. Must not know what is shown.

use std::borrow::Cow;

use super::fold::{Fold, Folder, Item};
use super::plain_line;
use super::template::{combine, fingerprint, template};
use super::units::{Unit, Units};
use crate::types::Stream;
use crate::walk::Passed;

/// What a line costs beside its text, in bytes.
pub const LINE_COST: usize = 8;

/// Lines that belong together, by number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    /// Number of the first line.
    pub first: u64,
    pub lines: u64,
    /// What they cost in an answer, each clipped and equal neighbours once, in bytes.
    pub cost: usize,
    pub(super) wrong: bool,
}

/// Puts lines together and folds them.
#[derive(Debug)]
pub struct Gather {
    units: Units<Seen>,
    folder: Folder<Span>,
    line_bytes: usize,
    stream: Option<Stream>,
    scratch: Vec<u8>,
    ended: Vec<Unit<Seen>>,
}

#[derive(Debug)]
struct Seen {
    number: u64,
    key: u64,
    exact: u64,
    cost: usize,
    wrong: bool,
}

impl Gather {
    /// `line_bytes` is what a line is clipped to in the answer. `by_turns`: those that take turns are folded, too.
    pub fn new(line_bytes: usize, by_turns: bool) -> Gather {
        Gather {
            units: Units::default(),
            folder: Folder::new(true, by_turns),
            line_bytes,
            stream: None,
            scratch: Vec::new(),
            ended: Vec::new(),
        }
    }

    /// Takes the next line; appends what is finished to `done`.
    pub fn line(&mut self, line: &Passed<'_>, done: &mut Vec<Fold<Span>>) {
        self.line_with(line, |_, _| false, &mut Vec::new(), done);
    }

    /// As [`line`](Self::line); `wrong` is asked with key and text, what goes into the folds is in `items`, too.
    pub(super) fn line_with(
        &mut self,
        line: &Passed<'_>,
        wrong: impl FnOnce(u64, &str) -> bool,
        items: &mut Vec<Item<Span>>,
        done: &mut Vec<Fold<Span>>,
    ) {
        if self.stream.replace(line.stream).is_some_and(|before| before != line.stream) {
            self.units.finish(&mut self.ended);
        }
        let text: Cow<'_, str> = plain_line(line.text, &mut self.scratch);
        let salt = match line.stream {
            Stream::Stdout => 1,
            Stream::Stderr => 2,
        };
        let (key, exact) = (combine(template(&text), salt), combine(fingerprint(text.as_bytes()), salt));
        let seen = Seen {
            number: line.number,
            key,
            exact,
            cost: LINE_COST + text.len().min(self.line_bytes),
            wrong: wrong(key, &text),
        };
        self.units.push(&text, seen, &mut self.ended);
        self.fold(items, done);
    }

    /// Appends all that is left.
    pub fn finish(&mut self, done: &mut Vec<Fold<Span>>) {
        self.finish_with(&mut Vec::new(), done);
    }

    pub(super) fn finish_with(&mut self, items: &mut Vec<Item<Span>>, done: &mut Vec<Fold<Span>>) {
        self.units.finish(&mut self.ended);
        self.fold(items, done);
        self.folder.finish(done);
    }

    fn fold(&mut self, items: &mut Vec<Item<Span>>, done: &mut Vec<Fold<Span>>) {
        for unit in self.ended.drain(..) {
            let item = item(&unit);
            items.push(item);
            self.folder.push(item, done);
        }
    }
}

/// What is whole counts as alike only where it is the same.
fn item(unit: &Unit<Seen>) -> Item<Span> {
    let first = &unit.first;
    let mut item = Item {
        what: Span { first: first.number, lines: 1, cost: first.cost, wrong: first.wrong },
        key: first.key,
        exact: first.exact,
        reach: first.number,
    };
    let mut before = first.exact;
    for line in &unit.rest {
        item.exact = combine(item.exact, line.exact);
        item.key = item.exact;
        item.reach = line.number;
        item.what.lines += 1;
        item.what.cost += if line.exact == before { 0 } else { line.cost };
        item.what.wrong |= line.wrong;
        before = line.exact;
    }
    item
}
