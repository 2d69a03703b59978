//! From lines of logs to blocks of lines as they are shown: cleaned, clipped, put together, folded.
//! Must not know what fits.

use bpm_api::{LogLine, Stream};
use bpm_logs::economy::fold::{Fold, Folder, Item};
use bpm_logs::economy::template::{combine, fingerprint, template};
use bpm_logs::economy::units::{Unit, Units};
use bpm_logs::{Line, economy};

use super::draft::Block;
use super::since::rfc3339;
use super::sources::Question;

/// One line of a source, cleaned.
#[derive(Clone, Debug)]
struct Clean {
    source: usize,
    time_ns: u64,
    line: LogLine,
    key: u64,
    exact: u64,
}

/// All lines, folded: equal ones, and where the reader wants it so those that are alike or take turns.
pub(super) fn blocks(
    question: &Question<'_>,
    lines: &[(usize, Line)],
    alike: bool,
    by_turns: bool,
) -> Vec<Block> {
    let (mut units, mut ended) = (Units::default(), Vec::new());
    let mut apart: u64 = 0;
    let mut before: Option<&(usize, Line)> = None;
    for new in lines {
        let (source, line) = new;
        let adjoins = |(other, last): &(usize, Line)| {
            other == source
                && last.stream == line.stream
                && last.is_match == line.is_match
                && !line.starts_group
        };
        if !before.is_some_and(adjoins) {
            units.finish(&mut ended);
            apart += 1;
        }
        before = Some(new);
        let text = economy::plain_text(&line.text);
        let of_whom = source * 4
            + usize::from(line.is_match) * 2
            + usize::from(line.stream == bpm_logs::Stream::Stderr);
        // Who reads everything is told where equal lines do not follow one another.
        let salt = combine(of_whom as u64, if alike { 0 } else { apart });
        let clean = Clean {
            source: *source,
            time_ns: line.time_ns,
            key: combine(template(&text), salt),
            exact: combine(fingerprint(text.as_bytes()), salt),
            line: with_text(question, *source, line, &text, question.line_bytes()),
        };
        units.push(&text, clean, &mut ended);
    }
    units.finish(&mut ended);
    let (mut folder, mut folds) = (Folder::new(alike, by_turns), Vec::new());
    for unit in ended {
        folder.push(item(unit), &mut folds);
    }
    folder.finish(&mut folds);
    folds.iter().map(block).collect()
}

/// What is whole counts as alike only where it is the same.
fn item(unit: Unit<Clean>) -> Item<Vec<Clean>> {
    let (key, exact) = (unit.first.key, unit.first.exact);
    let mut item = Item { key, exact, reach: unit.first.line.number, what: vec![unit.first] };
    for line in unit.rest {
        item.exact = combine(item.exact, line.exact);
        item.key = item.exact;
        item.reach = line.line.number;
        item.what.push(line);
    }
    item
}

fn block(fold: &Fold<Vec<Clean>>) -> Block {
    let first = fold.what.first();
    let (source, time_ns) = first.map_or((0, 0), |line| (line.source, line.time_ns));
    let lines = fold.what.iter().map(|clean| clean.line.clone()).collect();
    let how = Folded { times: fold.times, alike: fold.alike, by_turns: fold.by_turns, reach: fold.reach };
    let stands = fold.times * fold.what.len() as u64;
    Block {
        source,
        time_ns,
        lines: how.apply(lines),
        stands,
        reach: fold.reach,
        group: fold.group,
        before: 0,
    }
}

/// How many a unit of lines stands for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Folded {
    pub(super) times: u64,
    pub(super) alike: bool,
    pub(super) by_turns: bool,
    pub(super) reach: u64,
}

impl Folded {
    /// The lines of a unit as they are shown: equal neighbours among them once.
    pub(super) fn apply(self, lines: Vec<LogLine>) -> Vec<LogLine> {
        let several = lines.len() > 1;
        let mut out: Vec<LogLine> = Vec::new();
        for line in lines {
            match out.last_mut() {
                Some(last) if last.text == line.text => {
                    last.times += 1;
                    last.last_number = Some(line.number);
                }
                Some(_) | None => out.push(line),
            }
        }
        for line in &mut out {
            line.times *= self.times;
            line.alike = self.alike;
            line.by_turns = self.by_turns || (self.times > 1 && several);
        }
        if let Some(last) = out.last_mut().filter(|last| last.number < self.reach) {
            last.last_number = Some(self.reach);
        }
        out
    }
}

/// One line, cleaned and clipped to `line_bytes`.
pub(super) fn line(question: &Question<'_>, source: usize, line: &Line, line_bytes: usize) -> LogLine {
    with_text(question, source, line, &economy::plain_text(&line.text), line_bytes)
}

fn with_text(question: &Question<'_>, source: usize, line: &Line, clean: &str, line_bytes: usize) -> LogLine {
    let from = &question.sources[source];
    let unread = line.full_len.saturating_sub(line.text.len() as u64);
    LogLine {
        process: question.labelled.then(|| from.process.clone()),
        run: from.number,
        number: line.number,
        time: rfc3339(line.time_ns),
        stream: match line.stream {
            bpm_logs::Stream::Stdout => Stream::Stdout,
            bpm_logs::Stream::Stderr => Stream::Stderr,
        },
        is_match: line.is_match || question.query.pattern.is_none(),
        text: economy::clip(clean, line_bytes, unread),
        times: 1,
        alike: false,
        by_turns: false,
        last_number: None,
        skipped: None,
    }
}
