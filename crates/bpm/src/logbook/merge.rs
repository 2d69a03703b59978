//! What several logs hold in the order of time, as far as all of them have been read. Must not know
//! directories or runs; a source is whatever gives pieces in their order.

use std::collections::VecDeque;
use std::sync::Arc;

use bpm_api::Error;
use bpm_logs::Piece;

/// Bytes that are handed out at once, and pieces.
const BATCH_BYTES: usize = 256 << 10;
const BATCH_PIECES: usize = 4096;

/// Bytes that a program printed, and where they come from.
#[derive(Clone, Debug)]
pub struct Printed {
    pub process: Arc<str>,
    /// Of the run or build.
    pub run: u64,
    pub piece: Piece,
}

/// Something that is read forwards.
pub(super) trait Source {
    /// The next pieces; none for now: empty.
    fn read(&mut self) -> Result<Vec<Piece>, Error>;
    fn label(&self) -> (Arc<str>, u64);
}

/// A source with what has been read of it.
#[derive(Debug)]
pub(super) struct Buffered<S> {
    pub(super) source: S,
    ahead: VecDeque<Piece>,
    /// It had nothing more when it was last read.
    dry: bool,
}

impl<S: Source> Buffered<S> {
    pub(super) fn new(source: S) -> Buffered<S> {
        Buffered { source, ahead: VecDeque::new(), dry: false }
    }

    /// Something was written to it.
    pub(super) fn wet(&mut self) {
        self.dry = false;
    }

    /// All that was there has been handed out.
    pub(super) fn is_drained(&self) -> bool {
        self.dry && self.ahead.is_empty()
    }

    fn fill(&mut self) -> Result<(), Error> {
        while !self.dry && self.ahead.is_empty() {
            let pieces = self.source.read()?;
            self.dry = pieces.is_empty();
            self.ahead.extend(pieces);
        }
        Ok(())
    }
}

/// The next pieces of all sources by time; those of one source stay in their order. None: all are drained.
pub(super) fn next_pieces<S: Source>(sources: &mut [Buffered<S>]) -> Result<Vec<Printed>, Error> {
    for source in sources.iter_mut() {
        source.fill()?;
    }
    let (mut out, mut bytes) = (Vec::new(), 0);
    while out.len() < BATCH_PIECES && bytes < BATCH_BYTES {
        let heads = sources.iter().enumerate();
        let heads = heads.filter_map(|(at, source)| Some((source.ahead.front()?.time_ns, at)));
        let Some((_, at)) = heads.min() else { break };
        let source = &mut sources[at];
        if let Some(piece) = source.ahead.pop_front() {
            bytes += piece.bytes.len();
            let (process, run) = source.source.label();
            out.push(Printed { process, run, piece });
        }
        source.fill()?;
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use bpm_api::Error;
    use bpm_logs::{Piece, Stream};

    use super::{Buffered, Source, next_pieces};

    struct Fake {
        name: &'static str,
        /// What each read gives.
        reads: Vec<Vec<u64>>,
    }

    impl Source for Fake {
        fn read(&mut self) -> Result<Vec<Piece>, Error> {
            let times = if self.reads.is_empty() { Vec::new() } else { self.reads.remove(0) };
            let piece = |time_ns| Piece {
                stream: Stream::Stdout,
                time_ns,
                line: 1,
                bytes: b"x".to_vec(),
                inserted: false,
            };
            Ok(times.into_iter().map(piece).collect())
        }

        fn label(&self) -> (Arc<str>, u64) {
            (self.name.into(), 1)
        }
    }

    fn sources(reads: [Vec<Vec<u64>>; 2]) -> Vec<Buffered<Fake>> {
        let names = ["a", "b"].into_iter();
        names.zip(reads).map(|(name, reads)| Buffered::new(Fake { name, reads })).collect()
    }

    fn order(sources: &mut [Buffered<Fake>]) -> String {
        let pieces = next_pieces(sources).unwrap();
        pieces.iter().map(|printed| format!("{}{} ", printed.process, printed.piece.time_ns)).collect()
    }

    #[test]
    fn pieces_come_by_time_across_reads() {
        let mut sources = sources([vec![vec![1, 4], vec![9]], vec![vec![2], vec![3, 5], vec![7]]]);
        assert_eq!(order(&mut sources), "a1 b2 b3 a4 b5 b7 a9 ");
        assert!(sources.iter().all(Buffered::is_drained));
        assert_eq!(order(&mut sources), "");
    }

    #[test]
    fn a_clock_that_went_back_does_not_reorder_one_log() {
        let mut sources = sources([vec![vec![5, 2, 6]], vec![vec![3, 4]]]);
        assert_eq!(order(&mut sources), "b3 b4 a5 a2 a6 ");
    }

    #[test]
    fn what_is_written_later_comes_later() {
        let mut sources = sources([vec![vec![1], vec![], vec![3]], vec![vec![2]]]);
        assert_eq!(order(&mut sources), "a1 b2 ");
        sources[0].wet();
        assert_eq!(order(&mut sources), "a3 ");
    }
}
