//! What goes to a shim, and who waits for its answer. Knows frames, and no connection.

use std::collections::HashMap;

use bpm_shim::protocol::{InputOutcome, Message, Request, Survivor};
use tokio::sync::oneshot;

/// The version of shims that tell a program of the size it has, too.
const RESIZE_ALWAYS_TELLS: u16 = 3;

/// What a run can be told.
#[derive(Debug)]
pub enum Command {
    Signal(i32),
    Kill,
    /// The size of its terminal. The program draws itself anew, also where that is the present one.
    Resize {
        rows: u16,
        columns: u16,
    },
    /// Somebody looks at its terminal, or does no longer: as often on as off.
    Live(bool),
    Survivors(oneshot::Sender<Vec<Survivor>>),
    /// `end`: of the input, after these bytes. No answer comes where there is no shim any more.
    Input {
        bytes: Vec<u8>,
        end: bool,
        answer: oneshot::Sender<InputOutcome>,
    },
}

/// Requests on their way.
#[derive(Debug, Default)]
pub(super) struct Requests {
    asking: Vec<oneshot::Sender<Vec<Survivor>>>,
    /// Input that is on its way, by number.
    typing: HashMap<u64, oneshot::Sender<InputOutcome>>,
    typed: u64,
    /// So many look at its terminal.
    live: usize,
    /// What the shim speaks; 0 until it is known.
    version: u16,
    /// What a broken connection did not take.
    unsent: Vec<u8>,
}

impl Requests {
    pub(super) fn add(&mut self, command: Command) {
        let frame = self.frame_of(command);
        self.unsent.extend(frame);
    }

    /// The answers went down with the connection before.
    pub(super) fn reconnected(&mut self) {
        self.asking.clear();
        self.typing.clear();
        if self.live > 0 {
            self.unsent.extend(Request::Live { on: true }.frame());
        }
    }

    pub(super) fn greeted(&mut self, version: u16) {
        self.version = version;
    }

    pub(super) fn unsent(&self) -> &[u8] {
        &self.unsent
    }

    pub(super) fn sent(&mut self) {
        self.unsent.clear();
    }

    pub(super) fn survivors(&mut self, list: &[Survivor]) {
        for answer in self.asking.drain(..) {
            let _ = answer.send(list.to_vec());
        }
    }

    pub(super) fn typed(&mut self, id: u64, outcome: InputOutcome) {
        if let Some(answer) = self.typing.remove(&id) {
            let _ = answer.send(outcome);
        }
    }

    fn frame_of(&mut self, command: Command) -> Vec<u8> {
        match command {
            Command::Signal(signal) => Request::Signal { signal }.frame(),
            Command::Kill => Request::Kill.frame(),
            Command::Resize { rows, columns } => self.resize(rows, columns),
            Command::Live(on) => self.live(on),
            Command::Survivors(answer) => {
                self.asking.push(answer);
                Request::Survivors.frame()
            }
            Command::Input { bytes, end, answer } => {
                self.typed += 1;
                self.typing.insert(self.typed, answer);
                Request::Input { id: self.typed, bytes, end }.frame()
            }
        }
    }

    fn live(&mut self, on: bool) -> Vec<u8> {
        let before = self.live;
        self.live = if on { before + 1 } else { before.saturating_sub(1) };
        match (before > 0) == (self.live > 0) {
            true => Vec::new(),
            false => Request::Live { on }.frame(),
        }
    }

    /// Before version 3 a program is told of another size only, so there it gets one on the way.
    fn resize(&self, rows: u16, columns: u16) -> Vec<u8> {
        let mut frames = Vec::new();
        if self.version < RESIZE_ALWAYS_TELLS {
            frames = Request::Resize { rows, columns: columns.saturating_add(1) }.frame();
        }
        frames.extend(Request::Resize { rows, columns }.frame());
        frames
    }
}

#[cfg(test)]
mod tests {
    use bpm_shim::protocol::Decoder;

    use super::*;

    fn asked(requests: &mut Requests) -> Vec<Request> {
        let mut decoder = Decoder::default();
        decoder.push(requests.unsent());
        requests.sent();
        std::iter::from_fn(|| decoder.next().unwrap()).collect()
    }

    #[test]
    fn a_shim_is_told_when_the_first_one_looks_and_the_last_one_does_no_longer() {
        let mut requests = Requests::default();
        let after = |requests: &mut Requests, commands: &[bool]| {
            commands.iter().for_each(|on| requests.add(Command::Live(*on)));
            asked(requests)
        };
        assert_eq!(after(&mut requests, &[true]), [Request::Live { on: true }]);
        assert_eq!(after(&mut requests, &[true, false]), []);
        requests.reconnected();
        assert_eq!(asked(&mut requests), [Request::Live { on: true }], "the next connection knows of nobody");
        assert_eq!(after(&mut requests, &[false]), [Request::Live { on: false }]);
        requests.reconnected();
        assert_eq!(asked(&mut requests), []);
    }

    #[test]
    fn a_shim_that_tells_of_changes_only_is_given_one() {
        let (size, other) = ((24, 80), (24, 81));
        for (version, sizes) in
            [(0, vec![other, size]), (2, vec![other, size]), (3, vec![size]), (4, vec![size])]
        {
            let mut requests = Requests::default();
            requests.greeted(version);
            requests.add(Command::Resize { rows: 24, columns: 80 });
            let sizes: Vec<_> =
                sizes.into_iter().map(|(rows, columns)| Request::Resize { rows, columns }).collect();
            assert_eq!(asked(&mut requests), sizes, "version {version}");
        }
    }
}
