//! A follower of what happens: events as they come, and which logs have grown, at most ten times a second.

use std::collections::{BTreeSet, HashMap};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bpm_api::{Change, Error, Watch};
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};

use super::{Events, Handle};
use crate::control::Changes;
use crate::engine::log_hub::Ear;
use crate::logbook;

/// Changes that wait for a follower. Beyond it the events behind them are counted, not kept.
const BACKLOG: usize = 256;
const BETWEEN_LOGS: Duration = Duration::from_millis(100);

impl Handle {
    pub(super) async fn watch_changes(&self, what: Watch) -> Result<Changes, Error> {
        let events = self.follow_events();
        let names: Vec<String> = what.logs.clone();
        let known = self.resolve(names.clone()).await?;
        let (sender, changes) = mpsc::channel(BACKLOG);
        let mut follower = Follower {
            handle: self.clone(),
            events: what.events,
            logs: names.into_iter().zip(known.into_iter().map(|known| known.id.to_string())).collect(),
            dirs: HashMap::new(),
            ear: Arc::default(),
            sender,
        };
        // before the answer: what is printed from then on is told
        let _ = follower.listen().await;
        tokio::spawn(follower.run(events));
        Ok(Changes(changes))
    }
}

struct Follower {
    handle: Handle,
    events: bool,
    /// As they were asked for, and their ids.
    logs: Vec<(String, String)>,
    dirs: HashMap<PathBuf, String>,
    ear: Arc<Ear>,
    sender: mpsc::Sender<Change>,
}

impl Follower {
    async fn run(mut self, mut events: Events) {
        let mut grown = BTreeSet::new();
        // when what has grown is told, whatever else happens meanwhile
        let mut due = Instant::now();
        loop {
            let pausing = !grown.is_empty();
            tokio::select! {
                biased;
                () = self.sender.closed() => return,
                event = events.recv() => {
                    let change = match event {
                        Ok(noted) => {
                            // a new run has a new log
                            if self.logs.iter().any(|(_, id)| Some(id) == noted.event.process.as_ref()) {
                                // what it printed before that was not heard
                                let new = self.listen().await;
                                if !new.is_empty() && !pausing {
                                    due = Instant::now() + BETWEEN_LOGS;
                                }
                                grown.extend(new);
                            }
                            Change::Event(noted.event.clone())
                        }
                        Err(RecvError::Lagged(missed)) => Change::Missed(missed),
                        Err(RecvError::Closed) => return,
                    };
                    if self.events && self.sender.send(change).await.is_err() {
                        return;
                    }
                }
                () = self.ear.heard(), if !pausing => {
                    let dirs = self.ear.take();
                    grown.extend(dirs.iter().filter_map(|dir| self.dirs.get(dir).cloned()));
                    due = Instant::now() + BETWEEN_LOGS;
                }
                () = sleep_until(due), if pausing => {
                    for name in std::mem::take(&mut grown) {
                        if self.sender.send(Change::Log(name)).await.is_err() {
                            return;
                        }
                    }
                }
            }
        }
    }

    /// Listens to the newest log of each; says whose is a new one.
    async fn listen(&mut self) -> Vec<String> {
        let project = self.handle.project().clone();
        let logs = self.logs.clone();
        let found = tokio::task::spawn_blocking(move || {
            let newest = |(name, id): &(String, String)| {
                let run = logbook::newest_run(&project, id).ok()??;
                Some((project.runs(id).join(run.to_string()), name.clone()))
            };
            logs.iter().filter_map(newest).collect::<Vec<_>>()
        });
        let mut new = Vec::new();
        for (dir, name) in found.await.unwrap_or_default() {
            if self.dirs.contains_key(&dir) {
                continue;
            }
            // only the newest: a program that crashes again and again leaves many
            let logs = self.handle.log_hub();
            let before = self.dirs.extract_if(|_, of| *of == name);
            before.for_each(|(dir, _)| logs.leave(&dir, &self.ear));
            match logs.listen(&dir, &self.ear) {
                Ok(()) => {
                    new.push(name.clone());
                    self.dirs.insert(dir, name);
                }
                Err(error) => tracing::warn!("cannot watch `{}`: {error}", dir.display()),
            }
        }
        new
    }
}
