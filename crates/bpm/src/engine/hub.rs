//! What happens, numbered, kept for a while, and told to whoever follows. Knows no core.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bpm_api::{Event, EventKind};
use tokio::sync::broadcast;

/// Events that are kept for the news of those who were away.
const KEPT: usize = 1024;
/// Events that a follower may be behind before it misses some.
const BACKLOG: usize = 1024;

/// An event, and what of it is not for everybody.
#[derive(Debug)]
pub(super) struct Noted {
    pub(super) event: Event,
    /// The session of who asked for it.
    pub(super) session: Option<String>,
    /// The run or task run that it is about.
    pub(super) run: Option<u64>,
}

/// What is not yet numbered.
#[derive(Debug)]
pub(super) struct Draft {
    pub(super) process: Option<String>,
    pub(super) kind: EventKind,
    pub(super) text: String,
    pub(super) time: String,
    pub(super) by: Option<String>,
    pub(super) session: Option<String>,
    pub(super) run: Option<u64>,
    pub(super) steps: Option<(u32, u32)>,
}

#[derive(Debug)]
pub(super) struct Hub {
    kept: Mutex<Kept>,
    sender: broadcast::Sender<Arc<Noted>>,
}

#[derive(Debug, Default)]
struct Kept {
    last: u64,
    events: VecDeque<Arc<Noted>>,
}

impl Hub {
    pub(super) fn new() -> Arc<Hub> {
        Arc::new(Hub { kept: Mutex::default(), sender: broadcast::Sender::new(BACKLOG) })
    }

    pub(super) fn publish(&self, draft: Draft) {
        let Draft { process, kind, text, time, by, session, run, steps } = draft;
        let mut kept = self.kept();
        kept.last += 1;
        let event = Event { seq: kept.last, time, process, kind, text, by, steps };
        let noted = Arc::new(Noted { event, session, run });
        // steps of a build are worth nothing once it is over
        if kind != EventKind::BuildProgress {
            if kept.events.len() == KEPT {
                kept.events.pop_front();
            }
            kept.events.push_back(Arc::clone(&noted));
        }
        // within the lock, so that followers get them in order; nobody has to listen
        let _ = self.sender.send(noted);
    }

    /// What happens from now on.
    pub(super) fn follow(&self) -> broadcast::Receiver<Arc<Noted>> {
        self.sender.subscribe()
    }

    /// The number of the last event.
    pub(super) fn last(&self) -> u64 {
        self.kept().last
    }

    /// What is kept of the events after this one, and the number of the last one.
    pub(super) fn since(&self, seq: u64) -> (Vec<Arc<Noted>>, u64) {
        let kept = self.kept();
        let new = kept.events.iter().rev().take_while(|noted| noted.event.seq > seq);
        let mut new: Vec<_> = new.cloned().collect();
        new.reverse();
        (new, kept.last)
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn draft(kind: EventKind) -> Draft {
        Draft {
            process: None,
            kind,
            text: String::new(),
            time: String::new(),
            by: None,
            session: None,
            run: None,
            steps: None,
        }
    }

    #[test]
    fn events_are_numbered_kept_for_a_while_and_told_in_order() {
        let hub = Hub::new();
        let mut follower = hub.follow();
        for _ in 0..KEPT + 2 {
            hub.publish(draft(EventKind::Other));
        }
        let (all, last) = hub.since(0);
        assert_eq!((all.len(), last), (KEPT, KEPT as u64 + 2));
        assert_eq!(hub.since(last - 2).0.len(), 2);
        assert!(matches!(follower.try_recv(), Err(broadcast::error::TryRecvError::Lagged(2))));
        assert_eq!(follower.try_recv().unwrap().event.seq, 3);
    }

    #[test]
    fn steps_are_told_and_not_kept() {
        let hub = Hub::new();
        let mut follower = hub.follow();
        hub.publish(draft(EventKind::BuildProgress));
        assert_eq!(follower.try_recv().unwrap().event.seq, 1);
        assert!(hub.since(0).0.is_empty());
    }
}
