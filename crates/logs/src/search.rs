//! Owns queries over one run: which lines are selected, in which order the conditions apply, and
//! the answer. Must not know how bytes are scanned or how an answer is printed.

use std::collections::VecDeque;
use std::io;

use grep_regex::{RegexMatcher, RegexMatcherBuilder};
use regex_syntax::ParserBuilder;
use thiserror::Error;

use crate::lines::Lines;
use crate::log::{ReadError, RunLog};
use crate::scan::{Hit, Hits, Keep, Scan};
use crate::types::Stream;
use crate::view::{Bytes, Locator, View};

const REGEX_BYTES: usize = 10 << 20;
/// The longest pattern in bytes. Parsing takes some hundred times that of memory.
pub const MAX_PATTERN_BYTES: usize = 16 << 10;

/// What to look for in one run. Conditions apply in this order: range (`after_line`, `since_ns`,
/// `until_ns`, `stream`), pattern, context, then `head` or `tail`; `tail` wins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Query {
    /// A regular expression (Rust syntax) that is matched against each line without its line feed.
    /// The bytes are matched as the program wrote them, colour codes included. A line of more than
    /// 16 MiB is matched in pieces.
    pub pattern: Option<String>,
    /// Lines before and after each match; lines of another stream than `stream` do not count.
    pub context_lines: usize,
    /// Only the first so many of the resulting lines.
    pub head: Option<usize>,
    /// Only the last so many of the resulting lines.
    pub tail: Option<usize>,
    /// Only lines that began at or after this time (ns since 1970).
    pub since_ns: Option<u64>,
    /// Only lines that began at or before this time (ns since 1970).
    pub until_ns: Option<u64>,
    /// Only this stream.
    pub stream: Option<Stream>,
    /// Only lines with a greater number; see [`Found::cursor`].
    pub after_line: Option<u64>,
    /// Longer lines are clipped to this many bytes.
    pub max_line_bytes: usize,
    /// At most this many lines are collected: the last ones with `tail`, else the first ones.
    pub max_lines: usize,
}

impl Default for Query {
    fn default() -> Query {
        Query {
            pattern: None,
            context_lines: 0,
            head: None,
            tail: None,
            since_ns: None,
            until_ns: None,
            stream: None,
            after_line: None,
            max_line_bytes: 64 << 10,
            max_lines: 10_000,
        }
    }
}

/// One line of an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// 1-based, in the order of the file, unchanged by eviction.
    pub number: u64,
    /// When its first byte was read (ns since 1970).
    pub time_ns: u64,
    pub stream: Stream,
    /// It matches the pattern (false where there is none).
    pub is_match: bool,
    /// Lines were left out between this one and the one before it.
    pub starts_group: bool,
    /// Without the line feed; clipped to `max_line_bytes`.
    pub text: Vec<u8>,
    /// Length (bytes) without the line feed, before clipping.
    pub full_len: u64,
    /// No line feed yet: the line is the last one, and may go on.
    pub unterminated: bool,
}

/// The answer to a query.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Found {
    pub lines: Vec<Line>,
    /// Lines in the selected range that match, shown or not; all of them without a pattern.
    pub matches: u64,
    /// Resulting lines (matches and context) before those in `lines`.
    pub omitted_before: u64,
    /// Resulting lines after those in `lines`.
    pub omitted_after: u64,
    /// The first line that was not looked at, or is still unterminated, or was left out after
    /// `lines`.
    pub next_line: u64,
}

impl Found {
    /// What to pass as [`Query::after_line`] to go on.
    pub fn cursor(&self) -> u64 {
        self.next_line.saturating_sub(1)
    }
}

/// Why a search failed.
#[derive(Debug, Error)]
pub enum SearchError {
    /// The pattern is not a regular expression; the message explains where and why.
    #[error("{message}")]
    Pattern { message: String },
    #[error(transparent)]
    Read(#[from] ReadError),
}

/// A checked pattern, to be used on several runs.
#[derive(Debug, Clone)]
pub struct Pattern(pub(crate) RegexMatcher);

impl Pattern {
    /// # Errors
    /// [`SearchError::Pattern`] with the regex crate's explanation.
    pub fn new(pattern: &str) -> Result<Pattern, SearchError> {
        if pattern.len() > MAX_PATTERN_BYTES {
            let message = format!("it has {} bytes, expected at most {MAX_PATTERN_BYTES}", pattern.len());
            return Err(SearchError::Pattern { message });
        }
        // The matcher puts a group around the pattern before it looks at it. That would mend `a)|(b`,
        // show errors in a text that nobody wrote, and lose its end in a comment of `(?x)`.
        let parsed = ParserBuilder::new()
            .multi_line(true)
            .utf8(false)
            .build()
            .parse(pattern)
            .map_err(|e| SearchError::Pattern { message: e.to_string() })?;
        let mut builder = RegexMatcherBuilder::new();
        builder
            .line_terminator(Some(b'\n'))
            .multi_line(true)
            .size_limit(REGEX_BYTES)
            .dfa_size_limit(REGEX_BYTES);
        let built = builder.build(pattern).or_else(|e| builder.build(&parsed.to_string()).map_err(|_| e));
        built.map(Pattern).map_err(|e| SearchError::Pattern { message: e.to_string() })
    }
}

impl RunLog {
    /// Answers `query`. Without a pattern only the lines that are returned are read; `head` does
    /// not shorten a search for a pattern, because all matches are counted.
    ///
    /// # Errors
    /// A bad pattern, or a disk that cannot be read.
    pub fn search(&self, query: &Query) -> Result<Found, SearchError> {
        let pattern = query.pattern.as_deref().map(Pattern::new).transpose()?;
        Ok(self.search_with(pattern.as_ref(), query)?)
    }

    /// As [`search`](Self::search), with a pattern that was checked before; `query.pattern` is not
    /// looked at.
    ///
    /// # Errors
    /// A disk that cannot be read.
    pub fn search_with(&self, pattern: Option<&Pattern>, query: &Query) -> Result<Found, ReadError> {
        let answer = || {
            let view = self.view();
            let (first, end) = range(view, query)?;
            let lines = Lines::new(view, first, end, query.stream)?;
            let (keep, limit) = keep(query);
            let chosen = match pattern {
                None => Chosen::all(&lines),
                Some(pattern) => {
                    let scan = Scan {
                        lines: &lines,
                        matcher: &pattern.0,
                        context: query.context_lines as u64,
                        keep,
                    };
                    Chosen::matching(scan, scan.run()?)
                }
            };
            let chosen = chosen.cut(keep, limit);
            let mut found = chosen.collect(&lines, query)?;
            found.next_line = next_line(view, (first, end), &found);
            Ok(found)
        };
        answer().map_err(|source: io::Error| self.error(source))
    }
}

/// The line numbers of the range: from, up to but without.
pub(crate) fn range(view: &View, query: &Query) -> io::Result<(u64, u64)> {
    let mut first = view.first_line();
    let mut end = view.end_line();
    if let Some(after) = query.after_line {
        first = first.max(after.saturating_add(1));
    }
    if let Some(since) = query.since_ns {
        first = first.max(view.line_by_time(|t| t < since)?);
    }
    if let Some(until) = query.until_ns {
        end = end.min(view.line_by_time(|t| t <= until)?);
    }
    Ok((first.min(end), end))
}

fn keep(query: &Query) -> (Keep, u64) {
    let most = query.max_lines;
    let keep = match (query.tail, query.head) {
        (Some(tail), _) => Keep::Last(tail.min(most)),
        (None, Some(head)) => Keep::First(head.min(most)),
        (None, None) => Keep::First(most),
    };
    let (Keep::First(limit) | Keep::Last(limit)) = keep;
    (keep, limit as u64)
}

fn next_line(view: &View, (first, end): (u64, u64), found: &Found) -> u64 {
    let after = match found.lines.last() {
        Some(last) if found.omitted_after > 0 => last.number + 1,
        None if found.omitted_after > 0 => first,
        Some(_) | None => end,
    };
    after.min(view.open_line())
}

/// Ranks to show, as ranges, before the text is fetched.
#[derive(Debug)]
struct Chosen {
    ranges: Vec<(u64, u64)>,
    hits: VecDeque<Hit>,
    matches: u64,
    total: u64,
    omitted_before: u64,
    omitted_after: u64,
}

impl Chosen {
    fn all(lines: &Lines<'_>) -> Chosen {
        Chosen {
            ranges: vec![(0, lines.total)],
            hits: VecDeque::new(),
            matches: lines.total,
            total: lines.total,
            omitted_before: 0,
            omitted_after: 0,
        }
    }

    fn matching(scan: Scan<'_, '_>, hits: Hits) -> Chosen {
        let mut ranges: Vec<(u64, u64)> = Vec::new();
        for hit in &hits.kept {
            let (from, to) = scan.around(hit.rank);
            match ranges.last_mut() {
                Some(last) if from <= last.1 => last.1 = to,
                Some(_) | None => ranges.push((from, to)),
            }
        }
        Chosen {
            ranges,
            hits: hits.kept,
            matches: hits.count,
            total: hits.covered,
            omitted_before: 0,
            omitted_after: 0,
        }
    }

    /// Leaves `limit` lines at the wanted end.
    fn cut(mut self, keep: Keep, limit: u64) -> Chosen {
        let mut left = limit;
        let mut kept = Vec::new();
        let first = matches!(keep, Keep::First(_));
        if !first {
            self.ranges.reverse();
        }
        for (from, to) in self.ranges {
            let n = left.min(to.saturating_sub(from));
            if n > 0 {
                kept.push(if first { (from, from + n) } else { (to - n, to) });
            }
            left -= n;
        }
        let omitted = self.total.saturating_sub(limit - left);
        if first {
            self.omitted_after = omitted;
        } else {
            kept.reverse();
            self.omitted_before = omitted;
        }
        self.ranges = kept;
        self
    }

    fn collect(self, lines: &Lines<'_>, query: &Query) -> io::Result<Found> {
        let mut fetch = Fetch {
            lines,
            bytes: Bytes::new(lines.view),
            locator: Locator::new(lines.view),
            max_line_bytes: query.max_line_bytes,
        };
        let mut out = Vec::new();
        let mut hits = self.hits.iter().peekable();
        for (from, to) in self.ranges {
            while hits.next_if(|h| h.rank < from).is_some() {}
            let known = hits.peek().filter(|h| h.rank == from).map(|h| h.at);
            let mut at = known.map_or_else(|| lines.start(from), Ok)?;
            // From here on lines are counted: they follow one another.
            let mut number = None;
            for rank in from..to {
                let Some((mut line, end)) = fetch.line(at, number)? else { break };
                line.is_match = hits.next_if(|h| h.rank == rank).is_some();
                line.starts_group = rank == from;
                number = lines.stream.is_none().then_some(line.number + 1);
                out.push(line);
                at = lines.next_start(end, &mut fetch.locator)?;
            }
        }
        Ok(Found {
            lines: out,
            matches: self.matches,
            omitted_before: self.omitted_before,
            omitted_after: self.omitted_after,
            next_line: 0,
        })
    }
}

/// Reads the text of lines.
#[derive(Debug)]
struct Fetch<'l, 'a> {
    lines: &'l Lines<'a>,
    bytes: Bytes<'a>,
    locator: Locator<'a>,
    max_line_bytes: usize,
}

impl Fetch<'_, '_> {
    /// The line at `at`, and the position after it.
    fn line(&mut self, at: u64, number: Option<u64>) -> io::Result<Option<(Line, u64)>> {
        let Some(chunk) = self.locator.chunk(at)? else {
            return Ok(None);
        };
        let number = match number {
            Some(number) => number,
            None => chunk.entry.first_line + self.bytes.count(chunk.start, at)?,
        };
        let mut text = Vec::new();
        let mut end = at;
        let mut unterminated = true;
        loop {
            let piece = self.bytes.upto(end, self.lines.view.len())?;
            let lf = memchr::memchr(b'\n', piece);
            let piece = &piece[..lf.unwrap_or(piece.len())];
            let room = self.max_line_bytes.saturating_sub(text.len());
            text.extend_from_slice(&piece[..piece.len().min(room)]);
            end += piece.len() as u64;
            if lf.is_some() {
                unterminated = false;
                break;
            }
            if piece.is_empty() {
                break;
            }
        }
        let line = Line {
            number,
            time_ns: chunk.entry.time_ns,
            stream: chunk.entry.stream,
            is_match: false,
            starts_group: false,
            text,
            full_len: end - at,
            unterminated,
        };
        Ok(Some((line, end + u64::from(!unterminated))))
    }
}
