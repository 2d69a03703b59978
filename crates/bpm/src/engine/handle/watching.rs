//! A follower of what happens: events as they come, and which logs have grown, at most ten times a second.

use std::collections::{BTreeSet, HashSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bpm_api::{Change, Error, Event, EventKind, Watch};
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};

use super::{Events, Handle};
use crate::control::Changes;
use crate::engine::log_hub::Ear;
use crate::logbook::{self, What};
use crate::store::paths::Project;

/// Changes that wait for a follower. Beyond it the events behind them are counted, not kept.
const BACKLOG: usize = 256;
const BETWEEN_LOGS: Duration = Duration::from_millis(100);

impl Handle {
    pub(super) async fn watch_changes(&self, what: Watch) -> Result<Changes, Error> {
        let events = self.follow_events();
        let mut followed = self.followed(What::Runs, what.logs).await?;
        followed.extend(self.followed(What::Builds, what.builds).await?);
        let (sender, changes) = mpsc::channel(BACKLOG);
        let mut follower =
            Follower { handle: self.clone(), events: what.events, followed, ear: Arc::default(), sender };
        // before the answer: what is printed from then on is told
        follower.listen().await;
        tokio::spawn(follower.run(events));
        Ok(Changes(changes))
    }

    async fn followed(&self, what: What, names: Vec<String>) -> Result<Vec<Followed>, Error> {
        let known = self.resolve(names.clone()).await?;
        let followed = names.into_iter().zip(known).map(|(name, known)| Followed {
            name,
            id: known.id.to_string(),
            what,
            log: None,
            birthplace: None,
        });
        Ok(followed.collect())
    }
}

/// The newest log of a process or task, whichever that is.
struct Followed {
    /// As it was asked for.
    name: String,
    id: String,
    what: What,
    /// Its directory, which is listened to.
    log: Option<PathBuf>,
    /// So is the place where a later one appears, where no event says when it is there.
    birthplace: Option<PathBuf>,
}

impl Followed {
    fn grown(&self) -> Grown {
        (self.what == What::Builds, self.name.clone())
    }

    /// A later log may be there.
    fn is_to_be_looked_for(&self, event: &Event) -> bool {
        event.process.as_ref() == Some(&self.id)
            && !matches!(event.kind, EventKind::BuildProgress | EventKind::Input)
    }

    /// Its build may have ended.
    fn may_end(&self, event: &Event) -> bool {
        self.what == What::Builds
            && event.process.as_ref() == Some(&self.id)
            && matches!(event.kind, EventKind::BuildSucceeded | EventKind::BuildFailed | EventKind::Other)
    }
}

/// Whether it is a build's log, and whose.
type Grown = (bool, String);

struct Follower {
    handle: Handle,
    events: bool,
    followed: Vec<Followed>,
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
                            grown.extend(self.news_of(&noted.event).await);
                            Change::Event(noted.event.clone())
                        }
                        Err(RecvError::Lagged(missed)) => {
                            grown.extend(self.listen().await);
                            Change::Missed(missed)
                        }
                        Err(RecvError::Closed) => return,
                    };
                    if self.events && self.sender.send(change).await.is_err() {
                        return;
                    }
                }
                () = self.ear.heard(), if !pausing => grown.extend(self.heard().await),
                () = sleep_until(due), if pausing => {
                    for (build, name) in std::mem::take(&mut grown) {
                        let change = if build { Change::Build(name) } else { Change::Log(name) };
                        if self.sender.send(change).await.is_err() {
                            return;
                        }
                    }
                }
            }
            if !pausing && !grown.is_empty() {
                due = Instant::now() + BETWEEN_LOGS;
            }
        }
    }

    /// What an event says of logs.
    async fn news_of(&mut self, event: &Event) -> Vec<Grown> {
        let mut grown: Vec<Grown> = Vec::new();
        if self.followed.iter().any(|followed| followed.is_to_be_looked_for(event)) {
            grown = self.listen().await;
        }
        grown.extend(self.followed.iter().filter(|followed| followed.may_end(event)).map(Followed::grown));
        grown
    }

    async fn heard(&mut self) -> Vec<Grown> {
        let written = self.ear.take();
        let is_written = |dir: &Option<PathBuf>| dir.as_ref().is_some_and(|dir| written.contains(dir));
        let grown = self.followed.iter().filter(|followed| is_written(&followed.log));
        let mut grown: Vec<Grown> = grown.map(Followed::grown).collect();
        if self.followed.iter().any(|followed| is_written(&followed.birthplace)) {
            grown.extend(self.listen().await);
        }
        grown
    }

    /// Listens to the newest log of each; says whose is a new one, and may have been printed to before it was
    /// listened to.
    async fn listen(&mut self) -> Vec<Grown> {
        let mut new = Vec::new();
        // a directory that appears where nobody listened yet is met in the next round
        let deepest = 5;
        for _ in 0..deepest {
            let wanted: Vec<_> =
                self.followed.iter().map(|followed| (followed.what, followed.id.clone())).collect();
            let project = self.handle.project().clone();
            let look =
                move || wanted.iter().map(|(what, id)| places(&project, *what, id)).collect::<Vec<_>>();
            let found = tokio::task::spawn_blocking(look).await.unwrap_or_default();
            let before = self.dirs();
            let mut moved = false;
            for (followed, (log, birthplace)) in self.followed.iter_mut().zip(found) {
                // only the newest: a program that crashes again and again leaves many
                if log.is_some() && followed.log != log {
                    followed.log = log;
                    new.push(followed.grown());
                }
                if followed.birthplace != birthplace {
                    followed.birthplace = birthplace;
                    moved = true;
                }
            }
            if !self.listen_instead_of(&before) || !moved {
                break;
            }
        }
        new
    }

    fn dirs(&self) -> HashSet<PathBuf> {
        self.followed
            .iter()
            .flat_map(|followed| [&followed.log, &followed.birthplace])
            .flatten()
            .cloned()
            .collect()
    }

    /// False: not everything can be listened to.
    fn listen_instead_of(&mut self, before: &HashSet<PathBuf>) -> bool {
        let (now, logs) = (self.dirs(), self.handle.log_hub());
        let mut all = true;
        before.difference(&now).for_each(|dir| logs.leave(dir, &self.ear));
        for dir in now.difference(before) {
            if let Err(error) = logs.listen(dir, &self.ear) {
                tracing::warn!("cannot watch `{}`: {error}", dir.display());
                // tried again with the next event
                all = false;
                let forget = |place: &mut Option<PathBuf>| place.take_if(|place| place == dir);
                self.followed.iter_mut().for_each(|followed| {
                    _ = forget(&mut followed.log);
                    _ = forget(&mut followed.birthplace);
                });
            }
        }
        all
    }
}

/// The directory of the newest log, and where a later one appears that no event tells of: a build is announced
/// before its directory is made.
fn places(project: &Project, what: What, id: &str) -> (Option<PathBuf>, Option<PathBuf>) {
    let newest = logbook::newest(project, what, id).ok().flatten();
    let dir = what.dir(project, id);
    let log = newest.map(|number| dir.join(number.to_string()));
    let nearest = |dir: &Path| dir.ancestors().find(|dir| dir.is_dir()).map(Path::to_owned);
    let birthplace = (what == What::Builds).then(|| nearest(&dir)).flatten();
    (log, birthplace)
}
