//! Tells whoever waits that something was printed: one inotify for all of them, and nothing wakes up while
//! nothing is written. Knows directories of runs, not what is in them.

use std::collections::{HashMap, HashSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use tokio::sync::{Notify, Semaphore, SemaphorePermit};

use crate::logbook::DirWatch;
use crate::readable::Readable;

/// A flood wakes its readers no more often than this,
const PAUSE: Duration = Duration::from_millis(5);
/// and the more of them there are, the less often.
const PAUSE_FOR_EACH: Duration = Duration::from_micros(100);

/// Logs that are read at the same time for those who wait: a thousand of them need no thousand threads, and a few whose
/// patterns are slow leave the others their turns.
const READERS: usize = 16;

/// What one waiter listens with.
#[derive(Debug, Default)]
pub(super) struct Ear {
    written: Mutex<HashSet<PathBuf>>,
    wake: Notify,
}

impl Ear {
    /// Resolves when something was written since the last time.
    pub(super) async fn heard(&self) {
        self.wake.notified().await;
    }

    /// Where something was written since this was last asked.
    pub(super) fn take(&self) -> HashSet<PathBuf> {
        std::mem::take(&mut *lock(&self.written))
    }

    fn tell(&self, dir: &Path) {
        lock(&self.written).insert(dir.to_owned());
        self.wake.notify_one();
    }
}

#[derive(Debug)]
pub(super) struct LogHub {
    state: Mutex<State>,
    turns: Semaphore,
}

impl Default for LogHub {
    fn default() -> LogHub {
        LogHub { state: Mutex::default(), turns: Semaphore::new(READERS) }
    }
}

#[derive(Debug, Default)]
struct State {
    watch: Option<DirWatch>,
    ears: HashMap<PathBuf, Vec<Weak<Ear>>>,
}

impl LogHub {
    /// Tells `ear` from now on when a file in `dir` is written. It is forgotten when it is dropped.
    ///
    /// # Errors
    /// The kernel watches no more.
    pub(super) fn listen(self: &Arc<Self>, dir: &Path, ear: &Arc<Ear>) -> io::Result<()> {
        let mut state = lock(&self.state);
        state.forget_the_dead();
        let State { watch, ears } = &mut *state;
        let watch = match watch {
            Some(watch) => watch,
            None => {
                let new = DirWatch::new()?;
                tokio::spawn(run(Arc::downgrade(self), Readable::new(new.descriptor())?));
                watch.insert(new)
            }
        };
        watch.add(dir, true)?;
        let listening = ears.entry(dir.to_owned()).or_default();
        if !listening.iter().any(|known| std::ptr::eq(known.as_ptr(), Arc::as_ptr(ear))) {
            listening.push(Arc::downgrade(ear));
        }
        Ok(())
    }

    /// Held while a log is read.
    pub(super) async fn turn(&self) -> Option<SemaphorePermit<'_>> {
        self.turns.acquire().await.ok()
    }

    /// `ear` has heard enough of `dir`.
    pub(super) fn leave(&self, dir: &Path, ear: &Arc<Ear>) {
        let mut state = lock(&self.state);
        let State { watch, ears } = &mut *state;
        let Some(listening) = ears.get_mut(dir) else { return };
        listening.retain(|known| !std::ptr::eq(known.as_ptr(), Arc::as_ptr(ear)));
        if listening.is_empty() {
            ears.remove(dir);
            watch.iter_mut().for_each(|watch| watch.remove(dir));
        }
    }

    /// Takes the kernel's events and passes them on. Returns how many were told.
    fn dispatch(&self) -> u32 {
        let mut state = lock(&self.state);
        let State { watch: Some(watch), ears } = &mut *state else { return 0 };
        let written = match watch.changes() {
            Ok(changes) => changes.written,
            Err(error) => {
                tracing::warn!("cannot tell which logs grow: {error}");
                None
            }
        };
        let mut told = 0;
        let dirs: Vec<&PathBuf> = match &written {
            Some(written) => written.iter().collect(),
            None => ears.keys().collect(),
        };
        for dir in dirs {
            for ear in ears.get(dir).into_iter().flatten().filter_map(Weak::upgrade) {
                ear.tell(dir);
                told += 1;
            }
        }
        told
    }
}

impl State {
    fn forget_the_dead(&mut self) {
        let State { watch, ears } = self;
        ears.retain(|dir, listening| {
            listening.retain(|ear| ear.strong_count() > 0);
            if let (true, Some(watch)) = (listening.is_empty(), watch.as_mut()) {
                watch.remove(dir);
            }
            !listening.is_empty()
        });
    }
}

/// Ends with the hub.
async fn run(hub: Weak<LogHub>, readable: Readable) {
    while readable.wait().await.is_ok() {
        let Some(hub) = hub.upgrade() else { return };
        let told = hub.dispatch();
        drop(hub);
        tokio::time::sleep(PAUSE.max(PAUSE_FOR_EACH * told)).await;
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[tokio::test]
    async fn who_listens_hears_what_is_written_where_he_listens() {
        let dir = tempfile::tempdir().unwrap();
        let (one, other) = (dir.path().join("1"), dir.path().join("2"));
        fs::create_dir(&one).unwrap();
        fs::create_dir(&other).unwrap();
        let hub = Arc::<LogHub>::default();
        let (ear, deaf) = (Arc::<Ear>::default(), Arc::<Ear>::default());
        hub.listen(&one, &ear).unwrap();
        hub.listen(&one, &ear).unwrap();
        hub.listen(&other, &deaf).unwrap();
        for round in 0..3 {
            fs::write(one.join("out"), round.to_string()).unwrap();
            tokio::time::timeout(Duration::from_secs(20), ear.heard()).await.unwrap();
            assert_eq!(ear.take(), HashSet::from([one.clone()]));
        }
        assert!(deaf.take().is_empty());
        drop(deaf);
        hub.listen(&one, &ear).unwrap();
        assert_eq!(lock(&hub.state).ears.len(), 1, "who is gone is forgotten");
        hub.listen(&other, &ear).unwrap();
        hub.leave(&one, &ear);
        fs::write(one.join("out"), "unheard").unwrap();
        fs::write(other.join("out"), "heard").unwrap();
        tokio::time::timeout(Duration::from_secs(20), ear.heard()).await.unwrap();
        assert_eq!(ear.take(), HashSet::from([other]));
    }
}
