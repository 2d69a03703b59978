//! Makes lines of the pieces in which several runs print. Must not know where they come from.

use std::collections::HashMap;
use std::sync::Arc;

use bpm_logs::Stream;

use super::merge::Printed;

/// Bytes of a line that are collected; what is longer comes as several.
const MAX_LINE_BYTES: usize = 64 << 10;

/// A line of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TextLine {
    pub process: Arc<str>,
    pub run: u64,
    pub number: u64,
    /// When it began, in nanoseconds since 1970.
    pub time_ns: u64,
    pub stream: Stream,
    /// Without its line feed.
    pub text: Vec<u8>,
}

/// The lines that have begun.
#[derive(Debug, Default)]
pub struct Assembler {
    open: HashMap<(Arc<str>, u64), TextLine>,
}

impl Assembler {
    /// Appends the lines that `printed` ends.
    pub fn push(&mut self, printed: &Printed, ended: &mut Vec<TextLine>) {
        let Printed { process, run, piece } = printed;
        let mut number = piece.line;
        let begin = |number, text: &[u8]| TextLine {
            process: Arc::clone(process),
            run: *run,
            number,
            time_ns: piece.time_ns,
            stream: piece.stream,
            text: text.to_vec(),
        };
        for part in piece.bytes.split_inclusive(|byte| *byte == b'\n') {
            let (text, whole) = match part.strip_suffix(b"\n") {
                Some(text) => (text, true),
                None => (part, false),
            };
            for text in chunks(text) {
                let key = (Arc::clone(process), *run);
                let line = self.open.entry(key.clone()).or_insert_with(|| begin(number, &[]));
                if line.text.len() + text.len() > MAX_LINE_BYTES {
                    ended.push(std::mem::replace(line, begin(number, &[])));
                }
                line.text.extend_from_slice(text);
            }
            if whole {
                ended.extend(self.open.remove(&(Arc::clone(process), *run)));
                number += 1;
            }
        }
    }

    /// The lines that have begun and not ended, by time.
    pub fn open(&self) -> Vec<&TextLine> {
        let mut open: Vec<_> = self.open.values().collect();
        open.sort_by_key(|line| (line.time_ns, Arc::clone(&line.process), line.run));
        open
    }
}

/// Parts of bounded size, one at least.
fn chunks(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    let empty = text.is_empty().then_some(text);
    empty.into_iter().chain(text.chunks(MAX_LINE_BYTES))
}

#[cfg(test)]
mod tests {
    use bpm_logs::{Piece, Stream};

    use super::{Assembler, MAX_LINE_BYTES, Printed, TextLine};

    fn printed(process: &str, line: u64, bytes: &[u8]) -> Printed {
        let piece =
            Piece { stream: Stream::Stdout, time_ns: line, line, bytes: bytes.to_vec(), inserted: false };
        Printed { process: process.into(), run: 1, piece }
    }

    fn lines(ended: &[TextLine]) -> Vec<(u64, String)> {
        ended.iter().map(|line| (line.number, String::from_utf8_lossy(&line.text).into_owned())).collect()
    }

    #[test]
    fn a_line_may_come_in_pieces_and_a_piece_may_hold_many_lines() {
        let (mut assembler, mut ended) = (Assembler::default(), Vec::new());
        assembler.push(&printed("api", 1, b"one\n\nthr"), &mut ended);
        assembler.push(&printed("web", 1, b"else\n"), &mut ended);
        assembler.push(&printed("api", 3, b"ee\nfo"), &mut ended);
        let expected = [(1, "one"), (2, ""), (1, "else"), (3, "three")].map(|(n, text)| (n, text.to_owned()));
        assert_eq!(lines(&ended), expected);
        let open: Vec<_> = assembler.open().into_iter().cloned().collect();
        assert_eq!(lines(&open), [(4, "fo".to_owned())]);
    }

    #[test]
    fn a_line_without_end_comes_in_bounded_parts_and_whole() {
        let (mut assembler, mut ended) = (Assembler::default(), Vec::new());
        for _ in 0..5 {
            assembler.push(&printed("api", 1, &[b'x'; 50_000]), &mut ended);
        }
        assembler.push(&printed("api", 1, b"\n"), &mut ended);
        assert!(ended.iter().all(|line| line.text.len() <= MAX_LINE_BYTES && line.number == 1));
        assert_eq!(ended.iter().map(|line| line.text.len()).sum::<usize>(), 250_000);
        assert!(assembler.open().is_empty());
    }
}
