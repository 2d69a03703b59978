//! The window on a log: how an answer's lines become part of it, and where it is cut. Whatever the answer says, the
//! window's lines ascend and stay within their bounds. Must not know who asks, nor why.

use bpm_api::{LogWindow, ReadFrom, ReadLog, WindowLine};

use super::super::model::log::{Anchor, Heading, LINE_BYTES, LogView, MOST_BYTES, MOST_LINES};

impl LogView {
    /// What an answer says of the log as a whole.
    pub(super) fn take_numbers(&mut self, window: &LogWindow) {
        self.run = window.run;
        self.newest = window.newest.max(window.run);
        self.ended = window.ended;
        self.first_line = window.first_line;
        self.next_line = window.next_line;
        self.lost_lines = window.lost_lines;
        self.error = None;
        self.set_more();
    }

    pub(super) fn set_more(&mut self) {
        self.more_before = self.low > self.first_line;
        self.more_after = self.high.saturating_add(1) < self.next_line;
    }

    /// Nothing is known any more but what the answer says.
    pub(super) fn replace(&mut self, request: &ReadLog, mut window: LogWindow) {
        if window.run == 0 {
            window.lines.clear();
        }
        let cut = sanitize(&mut window.lines, request);
        self.lines.clear();
        self.bytes = 0;
        self.take_numbers(&window);
        let last = window.lines.last().map(|line| line.number);
        match request.from {
            ReadFrom::After(after) => {
                self.low = after.saturating_add(1);
                self.high = high(after, &window, request, cut);
            }
            ReadFrom::Before(before) => {
                self.low = low(before, &window, request, cut);
                self.high = before.saturating_sub(1).max(last.unwrap_or(0));
            }
            ReadFrom::End => {
                let end = window.next_line.max(last.map_or(0, |last| last.saturating_add(1)));
                self.low = low(end, &window, request, cut);
                self.high = end_of(&window);
            }
        }
        self.push_back(window.lines);
        self.bound(None);
    }

    /// What comes before the window, of the log that it is of.
    pub(super) fn prepend(&mut self, request: &ReadLog, mut window: LogWindow) {
        let ReadFrom::Before(before) = request.from else { return };
        let cut = sanitize(&mut window.lines, request);
        if before != self.low {
            return self.take_numbers(&window);
        }
        self.low = low(before, &window, request, cut);
        self.take_numbers(&window);
        for line in window.lines.into_iter().rev() {
            self.bytes += line.text.len();
            self.lines.push_front(line);
        }
        self.bound(Some(Heading::Up));
    }

    /// What comes after the window, of the log that it is of.
    pub(super) fn append(&mut self, request: &ReadLog, mut window: LogWindow) {
        let ReadFrom::After(after) = request.from else { return };
        let cut = sanitize(&mut window.lines, request);
        if after != self.high {
            return self.take_numbers(&window);
        }
        self.drop_after(after);
        self.high = high(after, &window, request, cut);
        self.take_numbers(&window);
        self.push_back(window.lines);
        self.bound(Some(Heading::Down));
    }

    /// The end of the log that the window is of. Whether it goes on where the window ends: if not, what is between is
    /// skipped.
    pub(super) fn append_end(&mut self, request: &ReadLog, mut window: LogWindow) -> bool {
        sanitize(&mut window.lines, request);
        let Some(first) = window.lines.first().map(|line| line.number) else {
            self.take_numbers(&window);
            self.high = self.high.max(window.next_line.saturating_sub(1));
            self.set_more();
            return true;
        };
        let goes_on = match request.only.is_all() {
            true => first <= self.high.saturating_add(1) && first >= self.low,
            false => self.lines.back().is_some_and(|last| first <= last.number) && first >= self.low,
        };
        if !goes_on || self.lines.is_empty() {
            self.replace(request, window);
            return false;
        }
        self.drop_after(first.saturating_sub(1));
        self.high = end_of(&window);
        self.take_numbers(&window);
        self.push_back(window.lines);
        self.bound(Some(Heading::Down));
        true
    }

    fn push_back(&mut self, lines: Vec<WindowLine>) {
        self.bytes += lines.iter().map(|line| line.text.len()).sum::<usize>();
        self.lines.extend(lines);
    }

    fn drop_after(&mut self, number: u64) {
        let kept = self.lines.partition_point(|line| line.number <= number);
        self.bytes -= self.lines.drain(kept..).map(|line| line.text.len()).sum::<usize>();
    }

    /// Cuts what is too much: at the end that is opposite to the one that has grown, but not what is shown, unless
    /// everything is.
    fn bound(&mut self, grown: Option<Heading>) {
        let front_first = match (grown, self.anchor) {
            (_, Anchor::End) | (Some(Heading::Down), _) => true,
            (Some(Heading::Up) | None, Anchor::Line { .. }) => false,
        };
        while self.lines.len() > MOST_LINES || self.bytes > MOST_BYTES {
            let front = front_first && !self.is_anchor(self.lines.front());
            let cut = if front { self.lines.pop_front() } else { self.lines.pop_back() };
            let Some(cut) = cut else { break };
            self.bytes -= cut.text.len();
            if front {
                self.low = cut.number.saturating_add(1);
            } else {
                self.high = cut.number.saturating_sub(1);
            }
        }
        self.set_more();
    }

    fn is_anchor(&self, line: Option<&WindowLine>) -> bool {
        match (self.anchor, line) {
            (Anchor::Line { number, .. }, Some(line)) => number <= line.number,
            _ => false,
        }
    }
}

/// The last line that changes no more.
fn seen(lines: &[WindowLine]) -> Option<u64> {
    lines.last().map(|last| if last.open { last.number.saturating_sub(1) } else { last.number })
}

/// Up to where everything is known, having looked at the end. A line without an end is read again.
fn end_of(window: &LogWindow) -> u64 {
    let end = window.next_line.saturating_sub(1);
    match seen(&window.lines) {
        Some(seen) if window.lines.last().is_some_and(|line| line.open) => seen,
        Some(seen) => seen.max(end),
        None => end,
    }
}

/// From where on everything is known, having looked back from `before`.
fn low(before: u64, window: &LogWindow, request: &ReadLog, cut: bool) -> u64 {
    let full = window.lines.len() >= request.lines as usize;
    let first = window.lines.first().map(|line| line.number);
    let broke_off =
        window.broke_off.filter(|at| *at < before && first.is_none_or(|first| *at <= first) && !cut);
    match (broke_off, first) {
        (Some(at), _) => at,
        // a search that did not fill its answer has been to the beginning
        (None, Some(first)) if !full && !cut && !request.only.is_all() => first.min(window.first_line),
        (None, Some(first)) => first,
        (None, None) => window.first_line.min(before),
    }
}

/// Up to where everything is known, having looked on from `after`.
fn high(after: u64, window: &LogWindow, request: &ReadLog, cut: bool) -> u64 {
    let seen = seen(&window.lines).map(|seen| seen.max(after));
    let broke_off = window.broke_off.filter(|at| *at > after && seen.is_none_or(|seen| *at >= seen) && !cut);
    let full = window.lines.len() >= request.lines as usize;
    let end = window.next_line.saturating_sub(1);
    match (broke_off, seen) {
        (Some(at), _) => at,
        // a search that did not fill its answer has been to the end
        (None, Some(seen)) if !full && !cut && !request.only.is_all() => seen.max(end),
        (None, Some(seen)) => seen,
        (None, None) => end.max(after),
    }
}

/// Makes lines ascend, within what was asked for and what is kept. Whether some were left out for that.
fn sanitize(lines: &mut Vec<WindowLine>, request: &ReadLog) -> bool {
    let before = lines.len();
    let mut last = None;
    lines.retain(|line| {
        let asked = match request.from {
            ReadFrom::End => true,
            ReadFrom::After(after) => line.number > after,
            ReadFrom::Before(before) => line.number < before,
        };
        let ascends = asked && last.is_none_or(|last| line.number > last);
        if ascends {
            last = Some(line.number);
        }
        ascends
    });
    for line in lines.iter_mut() {
        clip(line);
    }
    let most = (request.lines as usize).min(MOST_LINES);
    if lines.len() > most {
        match request.from {
            ReadFrom::After(_) => lines.truncate(most),
            ReadFrom::End | ReadFrom::Before(_) => drop(lines.drain(..lines.len() - most)),
        }
    }
    lines.len() != before
}

/// A manager that does not keep to what was asked costs no more than one that does.
fn clip(line: &mut WindowLine) {
    let most = LINE_BYTES as usize;
    if line.text.len() > most {
        let end = (0..=most).rev().find(|at| line.text.is_char_boundary(*at)).unwrap_or(0);
        line.clipped_bytes = line.clipped_bytes.saturating_add((line.text.len() - end) as u64);
        line.text.truncate(end);
        line.text.shrink_to_fit();
    }
}
