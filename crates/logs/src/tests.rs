//! Owns what the tests of this crate share: a clock that is set by hand, a log written from a
//! script, and its lines by another path than the reader's. Must not hold tests.

mod capture;
mod crash;
mod faults;
mod follow;
mod search;
mod window;

use std::fs;
use std::io::Read;
use std::path::Path;

use proptest::prelude::{Strategy, any, prop, prop_oneof};

use crate::{Follower, Limits, Now, RunLog, Stream, Writer};

pub(crate) const STREAMS: [Stream; 2] = [Stream::Stdout, Stream::Stderr];
pub(crate) const WIDE: Limits = Limits { max_bytes: u64::MAX, segment_bytes: 1 << 20 };

pub(crate) fn at_ms(ms: u64) -> Now {
    Now { wall_ns: 1_700_000_000_000_000_000 + ms * 1_000_000, mono_ns: 5_000_000_000 + ms * 1_000_000 }
}

/// One thing that happens to a writer.
#[derive(Debug, Clone)]
pub(crate) enum Step {
    Bytes(Stream, Vec<u8>),
    /// Time goes on (ms), and what is due is flushed.
    Wait(u64),
    Settle,
    /// The writer ends well, and another one takes over.
    Reopen,
}

pub(crate) fn steps() -> impl Strategy<Value = Vec<Step>> {
    let stream = any::<bool>().prop_map(|b| STREAMS[usize::from(b)]);
    let byte = prop_oneof![
        4 => prop::sample::select(b"abc".to_vec()),
        2 => prop::strategy::Just(b'\n'),
        1 => any::<u8>(),
    ];
    let bytes = prop::collection::vec(byte, 1..40);
    let step = prop_oneof![
        8 => (stream, bytes).prop_map(|(s, b)| Step::Bytes(s, b)),
        2 => (1_u64..400).prop_map(Step::Wait),
        1 => prop::strategy::Just(Step::Settle),
        1 => prop::strategy::Just(Step::Reopen),
    ];
    prop::collection::vec(step, 0..40)
}

/// Plays `steps` and gives what each stream wrote.
pub(crate) fn play(dir: &Path, limits: Limits, steps: &[Step]) -> [Vec<u8>; 2] {
    let mut writer = Writer::open(dir, limits).unwrap();
    let mut sent = [Vec::new(), Vec::new()];
    let mut ms = 0;
    for step in steps {
        match step {
            Step::Bytes(stream, bytes) => {
                ms += 1;
                writer.append(*stream, bytes, at_ms(ms));
                sent[usize::from(*stream == Stream::Stderr)].extend_from_slice(bytes);
            }
            Step::Wait(more) => {
                ms += more;
                writer.flush_tails(at_ms(ms));
            }
            Step::Settle => writer.settle(),
            Step::Reopen => {
                writer.finish(at_ms(ms));
                writer = Writer::open(dir, limits).unwrap();
            }
        }
    }
    writer.finish(at_ms(ms));
    assert_eq!(writer.flush_due(), None);
    sent
}

pub(crate) fn stream_of(log: &RunLog, stream: Stream) -> Vec<u8> {
    let mut bytes = Vec::new();
    log.stream_bytes(stream).read_to_end(&mut bytes).unwrap();
    bytes
}

/// A line as the follower tells it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Told {
    pub(crate) number: u64,
    pub(crate) time_ns: u64,
    pub(crate) stream: Stream,
    pub(crate) text: Vec<u8>,
    pub(crate) ended: bool,
}

/// All kept lines.
pub(crate) fn told(dir: &Path) -> Vec<Told> {
    let mut follower = Follower::new(dir, None);
    let mut lines: Vec<Told> = Vec::new();
    loop {
        let chunk = follower.poll(7).unwrap();
        for piece in &chunk.pieces {
            let parts = piece.bytes.split_inclusive(|b| *b == b'\n');
            for (number, part) in (piece.line..).zip(parts) {
                if lines.last().is_none_or(|l| l.ended) {
                    lines.push(Told {
                        number,
                        time_ns: piece.time_ns,
                        stream: piece.stream,
                        text: Vec::new(),
                        ended: false,
                    });
                }
                let line = lines.last_mut().unwrap();
                assert_eq!((line.number, line.stream), (number, piece.stream));
                line.ended = part.ends_with(b"\n");
                line.text.extend_from_slice(part.strip_suffix(b"\n").unwrap_or(part));
            }
        }
        if !chunk.more {
            return lines;
        }
    }
}

/// The bytes of all segments in `dir`, in order.
pub(crate) fn on_disk(dir: &Path) -> Vec<u8> {
    let mut names: Vec<_> = fs::read_dir(dir)
        .unwrap()
        .map(|e| e.unwrap().path())
        .filter(|p| p.to_string_lossy().ends_with(".log"))
        .collect();
    names.sort();
    names.iter().flat_map(|p| fs::read(p).unwrap()).collect()
}
