//! Owns folding: neighbours that are equal or alike become one, and so do a few that take turns. Must
//! not know what is folded, nor how it is shown.

use std::collections::VecDeque;

/// Alike neighbours are left as they are up to this many.
const MOST_PLAIN: usize = 4;
/// Different things that may take turns.
const MOST_MEMBERS: usize = 8;
/// Changes from one to another before turns are seen as such; each of them comes three times at least.
const LEAST_TURNS: usize = 12;
/// Runs that are looked back over.
const WINDOW: usize = 3 * MOST_MEMBERS;

/// Something to fold.
#[derive(Debug, Clone, Copy)]
pub struct Item<U> {
    pub what: U,
    /// Equal for those that are alike.
    pub key: u64,
    /// Equal for those that are the same.
    pub exact: u64,
    /// Number of its last line.
    pub reach: u64,
}

/// One of several, and how many it stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fold<U> {
    /// The first of them.
    pub what: U,
    pub key: u64,
    pub times: u64,
    /// They are not all the same.
    pub alike: bool,
    /// They do not follow one another, but take turns with others of the same `group`.
    pub by_turns: bool,
    /// Folds of one group stand for one stretch; its parts make no sense alone.
    pub group: u64,
    /// Number of the last line that it stands for.
    pub reach: u64,
}

/// Folds what it is given, in order, with memory for a few dozen items.
#[derive(Debug)]
pub struct Folder<U> {
    turns: Option<Turns<U>>,
    /// Comes after `turns`; one of them is always empty.
    recent: VecDeque<Run<U>>,
    groups: u64,
    /// Whether turns are folded.
    pub by_turns: bool,
    /// Whether alike neighbours are folded, not only equal ones.
    pub alike: bool,
}

/// Items in a row.
#[derive(Debug)]
struct Part<U> {
    item: Item<U>,
    times: u64,
    alike: bool,
    reach: u64,
}

/// Neighbours of one key.
#[derive(Debug)]
struct Run<U> {
    key: u64,
    /// Each of them equal ones. Once there are too many: the first, which stands for all but the last, and the last.
    parts: Vec<Part<U>>,
    folded: bool,
}

/// A few that take turns, in the order in which they came first.
#[derive(Debug)]
struct Turns<U> {
    members: Vec<Part<U>>,
    /// Who came last, and what it was.
    latest: Option<(usize, Item<U>)>,
}

impl<U> Folder<U> {
    pub fn new(alike: bool, by_turns: bool) -> Folder<U> {
        Folder { turns: None, recent: VecDeque::new(), groups: 0, by_turns, alike }
    }

    /// Takes one more; appends what is finished to `done`.
    pub fn push(&mut self, item: Item<U>, done: &mut Vec<Fold<U>>) {
        let item = if self.alike { item } else { Item { key: item.exact, ..item } };
        if let Some(turns) = &mut self.turns {
            if let Some(at) = turns.members.iter().position(|member| member.item.key == item.key) {
                turns.take(at, item);
                return;
            }
            self.close_turns(done);
        }
        match self.recent.back_mut() {
            Some(run) if run.key == item.key => run.push(item),
            Some(_) | None => {
                let seen = self.by_turns && self.recent.iter().any(|run| run.key == item.key);
                self.recent.push_back(Run::new(item));
                if seen && let Some(first) = self.turns_from() {
                    self.begin_turns(first, done);
                } else if self.recent.len() > WINDOW
                    && let Some(run) = self.recent.pop_front()
                {
                    self.close_run(run, done);
                }
            }
        }
    }

    /// Appends all that is left.
    pub fn finish(&mut self, done: &mut Vec<Fold<U>>) {
        // What came last is worth seeing as it was.
        let latest = self.turns.as_mut().and_then(Turns::split_latest);
        self.close_turns(done);
        while let Some(run) = self.recent.pop_front() {
            self.close_run(run, done);
        }
        if let Some(item) = latest {
            self.close_run(Run::new(item), done);
        }
    }

    /// Where the shortest stretch at the end begins in which a few take turns.
    fn turns_from(&self) -> Option<usize> {
        let mut keys: Vec<u64> = Vec::new();
        let mut found = None;
        for (runs, (at, run)) in self.recent.iter().enumerate().rev().enumerate() {
            if !keys.contains(&run.key) {
                if found.is_some() || keys.len() == MOST_MEMBERS {
                    break;
                }
                keys.push(run.key);
            }
            if found.is_some() || runs + 1 >= LEAST_TURNS.max(3 * keys.len()) {
                found = Some(at);
            }
        }
        found
    }

    fn begin_turns(&mut self, first: usize, done: &mut Vec<Fold<U>>) {
        let taking_turns = self.recent.split_off(first);
        while let Some(run) = self.recent.pop_front() {
            self.close_run(run, done);
        }
        let mut turns = Turns { members: Vec::new(), latest: None };
        for part in taking_turns.into_iter().flat_map(|run| run.parts) {
            turns.join(part);
        }
        self.turns = Some(turns);
    }

    fn close_turns(&mut self, done: &mut Vec<Fold<U>>) {
        let Some(turns) = self.turns.take() else { return };
        self.groups += 1;
        for member in turns.members {
            done.push(member.fold(true, self.groups));
        }
    }

    fn close_run(&mut self, run: Run<U>, done: &mut Vec<Fold<U>>) {
        for part in run.parts {
            self.groups += 1;
            done.push(part.fold(false, self.groups));
        }
    }
}

impl<U> Run<U> {
    fn new(item: Item<U>) -> Run<U> {
        Run { key: item.key, parts: vec![Part::new(item)], folded: false }
    }

    fn push(&mut self, item: Item<U>) {
        match self.parts.last_mut() {
            Some(last) if last.item.exact == item.exact => {
                last.times += 1;
                last.reach = item.reach;
            }
            Some(_) | None => self.parts.push(Part::new(item)),
        }
        if self.parts.len() > if self.folded { 2 } else { MOST_PLAIN } {
            self.folded = true;
            let last = self.parts.pop();
            let before: Vec<Part<U>> = self.parts.drain(1..).collect();
            if let Some(first) = self.parts.first_mut() {
                before.iter().for_each(|part| first.absorb(part));
            }
            self.parts.extend(last);
        }
    }
}

impl<U> Turns<U> {
    fn take(&mut self, at: usize, item: Item<U>) {
        if let Some(member) = self.members.get_mut(at) {
            member.times += 1;
            member.alike |= member.item.exact != item.exact;
            member.reach = item.reach;
            self.latest = Some((at, item));
        }
    }

    fn join(&mut self, part: Part<U>) {
        match self.members.iter_mut().find(|member| member.item.key == part.item.key) {
            Some(member) => member.absorb(&part),
            None => self.members.push(part),
        }
    }

    /// Takes out what came last, where it is not the same as what is shown for it.
    fn split_latest(&mut self) -> Option<Item<U>> {
        let (at, item) = self.latest.take()?;
        let member = self.members.get_mut(at).filter(|member| member.item.exact != item.exact)?;
        member.times -= 1;
        // Only lone lines differ within a member: the one before is the number before.
        member.reach = item.reach.saturating_sub(1);
        Some(item)
    }
}

impl<U> Part<U> {
    fn new(item: Item<U>) -> Part<U> {
        Part { reach: item.reach, item, times: 1, alike: false }
    }

    fn absorb(&mut self, later: &Part<U>) {
        self.times += later.times;
        self.alike |= later.alike || later.item.exact != self.item.exact;
        self.reach = later.reach;
    }

    fn fold(self, by_turns: bool, group: u64) -> Fold<U> {
        Fold {
            what: self.item.what,
            key: self.item.key,
            times: self.times,
            alike: self.alike,
            by_turns: by_turns && self.times > 1,
            group,
            reach: self.reach,
        }
    }
}

#[cfg(test)]
mod tests;
