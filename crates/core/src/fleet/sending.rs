//! What goes to a live run as it is, input and signals, and requests that are sent again.

use super::{Action, Actions, Change, Fleet, Note, Outcome, Request, Signalled, Typed};
use crate::ids::{Key, Name, OpId, RunId};
use crate::service::Service;

/// Keys that are remembered: far more than requests can be under way.
const MAX_KEYS: usize = 256;

/// Whether a request was here before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Seen {
    New,
    Again,
    /// The manager before had it, and may have died over it.
    Before,
}

/// What is to be sent.
#[derive(Clone, Copy, Debug)]
pub(super) enum Sending {
    Input,
    Signal(i32),
}

impl Sending {
    pub(super) fn of(request: &Request) -> Option<Sending> {
        match request {
            Request::Input { .. } => Some(Sending::Input),
            Request::Signal { signal, .. } => Some(Sending::Signal(*signal)),
            _ => None,
        }
    }

    fn not_running(self) -> Outcome {
        match self {
            Sending::Input => Outcome::Typed(Typed::Closed),
            Sending::Signal(_) => Outcome::Signalled(Signalled::NotRunning),
        }
    }

    /// What the same request is answered when it is sent again.
    fn again(self, seen: Seen) -> Outcome {
        match self {
            Sending::Input if seen == Seen::Before => Outcome::Typed(Typed::Before),
            Sending::Input => Outcome::Typed(Typed::Taken),
            Sending::Signal(_) => Outcome::Signalled(Signalled::Before),
        }
    }

    fn change(self, op: OpId, run: u64) -> Change {
        match self {
            Sending::Input => Change::Requested { op, what: "input" },
            Sending::Signal(signal) => Change::Signalled { op, run, signal },
        }
    }
}

/// Something for a run that is not up yet.
#[derive(Clone, Debug)]
pub(super) struct Early {
    op: OpId,
    process: Name,
    key: Option<Key>,
    what: Sending,
}

impl Fleet {
    /// Whether this key was used before for this process; remembers it.
    pub(super) fn seen(&mut self, key: Option<Key>, process: &Name) -> Seen {
        let Some(key) = key else { return Seen::New };
        if let Some(place) = self.keys.iter().position(|(known, of)| *known == key && of == process) {
            return if place < self.keys_before { Seen::Before } else { Seen::Again };
        }
        if self.keys.len() >= MAX_KEYS {
            self.keys.pop_front();
            self.keys_before = self.keys_before.saturating_sub(1);
        }
        self.keys.push_back((key, process.clone()));
        Seen::New
    }

    /// What was sent once is not sent again. To a run that is on its way, or not yet found again, it is sent once
    /// that is up.
    pub(super) fn send(
        &mut self,
        op: OpId,
        process: &Name,
        key: Option<Key>,
        what: Sending,
        out: &mut Actions,
    ) {
        let finish = |outcome| Action::Finish { op, outcome };
        let Some(run) = self.service(process).and_then(Service::live) else {
            return out.push(finish(what.not_running()));
        };
        let (number, up) = (run.number, run.pid.is_some());
        if up {
            let seen = self.seen(key, process);
            if seen != Seen::New {
                return out.push(finish(what.again(seen)));
            }
            let change = what.change(op, number);
            out.push(Action::Note(Note { process: Some(process.clone()), change }));
            self.sending.insert(op);
            let run = RunId { process: process.clone(), number };
            out.push(match what {
                Sending::Input => Action::Input { run, op },
                Sending::Signal(signal) => Action::Signal { run, op, signal },
            });
        } else if run.is_on_its_way() {
            self.early.push(Early { op, process: process.clone(), key, what });
        } else {
            out.push(finish(what.not_running()));
        }
    }

    /// Sends what was meant for runs that were not up yet.
    pub(super) fn send_early(&mut self, out: &mut Actions) {
        for Early { op, process, key, what } in std::mem::take(&mut self.early) {
            self.send(op, &process, key, what, out);
        }
    }

    pub(super) fn sent(&mut self, op: OpId, outcome: Outcome, out: &mut Actions) {
        if self.sending.remove(&op) {
            out.push(Action::Finish { op, outcome });
        }
    }
}
