//! What a subscriber is told, and when: one change or a thousand within a quarter of a second are one notice, and
//! the last change is always told.

use std::collections::{HashMap, HashSet};
use std::future::pending;
use std::time::Duration;

use bpm_api::{Change, Event, EventKind, Watch};
use tokio::time::{Instant, sleep_until};

use super::uris::Uri;
use crate::control::{Changes, Control};

/// At most one notice of the same thing in this time.
const SPACING: Duration = Duration::from_millis(250);

/// What can be told.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Notice {
    /// What can be read there has changed.
    Updated(Uri),
    /// There is something new to read, or less.
    ListChanged,
}

/// What somebody wants to be told, and the changes that make it up.
pub(super) struct Updates {
    changes: Changes,
    wanted: HashSet<Uri>,
    list: Option<Known>,
    pace: Pace,
}

/// Names that were in the list when last looked at.
pub(super) type Known = HashSet<String>;

impl Updates {
    /// `list`: the names that are known to the subscriber, if it wants to know of others.
    ///
    /// # Errors
    ///
    /// As those of `Control::watch`.
    pub(super) async fn open<C: Control>(
        control: &C,
        wanted: HashSet<Uri>,
        list: Option<Known>,
    ) -> Result<Updates, bpm_api::Error> {
        let logs = wanted.iter().filter_map(|uri| uri.target().map(str::to_owned)).collect();
        let events = list.is_some() || wanted.contains(&Uri::Status);
        let changes = control.watch(Watch { events, logs, builds: Vec::new() }).await?;
        Ok(Updates { changes, wanted, list, pace: Pace::default() })
    }

    /// From now on something else. Nothing that has changed until now is forgotten.
    ///
    /// # Errors
    ///
    /// As those of `Control::watch`; then everything is as it was.
    pub(super) async fn want<C: Control>(
        &mut self,
        control: &C,
        wanted: HashSet<Uri>,
    ) -> Result<(), bpm_api::Error> {
        let next = Updates::open(control, wanted, self.list.clone()).await?;
        while let Ok(change) = self.changes.0.try_recv() {
            self.note(&change);
        }
        (self.changes, self.wanted) = (next.changes, next.wanted);
        self.pace.keep(&self.wanted);
        Ok(())
    }

    /// What is to be told next. `None`: there will be no more. May be dropped while it waits.
    pub(super) async fn next(&mut self) -> Option<Notice> {
        loop {
            let due = self.pace.next();
            tokio::select! {
                biased;
                () = until(due) => {
                    if let Some(notice) = self.pace.take(Instant::now()) {
                        return Some(notice);
                    }
                }
                change = self.changes.next() => self.note(&change?),
            }
        }
    }

    fn note(&mut self, change: &Change) {
        let now = Instant::now();
        match change {
            Change::Log(target) => {
                for uri in self.wanted.iter().filter(|uri| uri.target() == Some(target)) {
                    self.pace.changed(Notice::Updated(uri.clone()), now);
                }
            }
            Change::Event(event) => {
                if self.wanted.contains(&Uri::Status) {
                    self.pace.changed(Notice::Updated(Uri::Status), now);
                }
                if self.list.as_mut().is_some_and(|known| is_new(event, known)) {
                    self.pace.changed(Notice::ListChanged, now);
                }
            }
            Change::Missed(_) => self.missed(),
            // nobody here asked for builds
            Change::Build(_) => {}
        }
    }

    /// Anything may have changed.
    pub(super) fn missed(&mut self) {
        let now = Instant::now();
        for uri in &self.wanted {
            self.pace.changed(Notice::Updated(uri.clone()), now);
        }
        if self.list.is_some() {
            self.pace.changed(Notice::ListChanged, now);
        }
    }
}

fn is_new(event: &Event, known: &mut Known) -> bool {
    let is_new = event.process.as_ref().is_some_and(|name| known.insert(name.clone()));
    is_new || event.kind == EventKind::Configuration
}

async fn until(due: Option<Instant>) {
    match due {
        Some(due) => sleep_until(due).await,
        None => pending().await,
    }
}

/// When each notice may go out.
#[derive(Default)]
struct Pace {
    due: HashMap<Notice, Instant>,
    told: HashMap<Notice, Instant>,
}

impl Pace {
    fn changed(&mut self, notice: Notice, now: Instant) {
        let earliest = self.told.get(&notice).map_or(now, |told| now.max(*told + SPACING));
        self.due.entry(notice).or_insert(earliest);
    }

    fn keep(&mut self, wanted: &HashSet<Uri>) {
        let is_wanted = |notice: &Notice| match notice {
            Notice::Updated(uri) => wanted.contains(uri),
            Notice::ListChanged => true,
        };
        self.due.retain(|notice, _| is_wanted(notice));
        self.told.retain(|notice, _| is_wanted(notice));
    }

    fn next(&self) -> Option<Instant> {
        self.due.values().min().copied()
    }

    fn take(&mut self, now: Instant) -> Option<Notice> {
        let (notice, _) = self.due.iter().filter(|(_, due)| **due <= now).min_by_key(|(_, due)| **due)?;
        let notice = notice.clone();
        self.due.remove(&notice);
        self.told.insert(notice.clone(), now);
        Some(notice)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;
    use std::time::Duration;

    use bpm_api::{Change, Event, EventKind};
    use tokio::sync::mpsc;
    use tokio::time::{Instant, timeout};

    use super::{Notice, Pace, Updates};
    use crate::control::Changes;
    use crate::server::mcp::uris::Uri;

    fn updates(wanted: &[Uri], known: &[&str]) -> (mpsc::Sender<Change>, Updates) {
        let (sender, changes) = mpsc::channel(100);
        let list = Some(known.iter().map(|name| (*name).to_owned()).collect());
        let wanted = wanted.iter().cloned().collect::<HashSet<_>>();
        (sender, Updates { changes: Changes(changes), wanted, list, pace: Pace::default() })
    }

    fn event(process: &str, kind: EventKind) -> Change {
        let (time, text) = ("2026-01-02T03:04:05Z".to_owned(), "it".to_owned());
        Change::Event(Event {
            seq: 1,
            time,
            process: Some(process.to_owned()),
            kind,
            text,
            by: None,
            steps: None,
        })
    }

    #[tokio::test(start_paused = true)]
    async fn a_flood_is_a_few_notices_and_the_last_change_is_told() {
        let logs = Uri::ProcessLogs("api".to_owned());
        let (sender, mut updates) = updates(&[logs.clone(), Uri::Status], &["api"]);
        let began = Instant::now();
        let flood = tokio::spawn(async move {
            for _ in 0..100 {
                sender.send(Change::Log("api".to_owned())).await.unwrap();
                sender.send(Change::Log("other".to_owned())).await.unwrap();
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
            (Instant::now(), sender)
        });
        let mut told = Vec::new();
        while let Ok(Some(notice)) = timeout(Duration::from_secs(2), updates.next()).await {
            assert_eq!(notice, Notice::Updated(logs.clone()));
            told.push(Instant::now() - began);
        }
        let (last_change, _sender) = flood.await.unwrap();
        assert!((4..=6).contains(&told.len()), "{told:?}");
        assert!(told.windows(2).all(|pair| pair[1] - pair[0] >= super::SPACING), "{told:?}");
        assert!(*told.last().unwrap() >= last_change - began - Duration::from_millis(10), "{told:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn each_kind_of_change_is_told_to_whom_it_concerns() {
        let (sender, mut updates) = updates(&[Uri::Status], &["api"]);
        sender.send(event("api", EventKind::Started)).await.unwrap();
        assert_eq!(updates.next().await, Some(Notice::Updated(Uri::Status)));
        sender.send(event("t1", EventKind::Started)).await.unwrap();
        let both = [updates.next().await.unwrap(), updates.next().await.unwrap()];
        assert!(both.contains(&Notice::ListChanged) && both.contains(&Notice::Updated(Uri::Status)));
        sender.send(event("t1", EventKind::TaskEnded)).await.unwrap();
        assert_eq!(updates.next().await, Some(Notice::Updated(Uri::Status)));
        assert!(timeout(Duration::from_secs(1), updates.next()).await.is_err());
        sender.send(Change::Missed(3)).await.unwrap();
        let both = [updates.next().await.unwrap(), updates.next().await.unwrap()];
        assert!(both.contains(&Notice::ListChanged) && both.contains(&Notice::Updated(Uri::Status)));
        drop(sender);
        assert_eq!(updates.next().await, None);
    }
}
