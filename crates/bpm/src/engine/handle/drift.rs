//! Whether the configuration on disk is the one that is in force: somebody who edits it forgets easily to say so. Looked
//! at when somebody asks for the status, at most once a second. Must not put anything into force.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bpm_api::Code;
use bpm_core::config::Config;
use tokio::time::Instant;

use crate::store::config;
use crate::store::paths::Project;

/// Between two looks at the files.
const BETWEEN: Duration = Duration::from_secs(1);

#[derive(Debug)]
pub(super) struct Drift(Mutex<State>);

#[derive(Debug)]
struct State {
    in_force: Arc<Config>,
    looked_at: Option<Instant>,
    /// The files as they were read, and what is to be said of them.
    seen: Option<(Stamps, Option<String>)>,
}

/// What tells one content of the two files from another without reading them.
type Stamps = [Option<(u64, u64, i64, i64)>; 2];

impl Drift {
    pub(super) fn new(in_force: Arc<Config>) -> Drift {
        Drift(Mutex::new(State { in_force, looked_at: None, seen: None }))
    }

    pub(super) fn applied(&self, config: Arc<Config>) {
        *self.lock() = State { in_force: config, looked_at: None, seen: None };
    }

    /// What the status is to say, if anything.
    pub(super) async fn notice(self: &Arc<Self>, project: &Project) -> Option<String> {
        {
            let mut state = self.lock();
            if state.looked_at.is_some_and(|at| at.elapsed() < BETWEEN) {
                return state.said();
            }
            state.looked_at = Some(Instant::now());
        }
        let (this, project) = (Arc::clone(self), project.clone());
        tokio::task::spawn_blocking(move || this.look(&project)).await.ok().flatten()
    }

    fn look(&self, project: &Project) -> Option<String> {
        let stamps = [project.config(), project.local_config()].map(|path| stamp(&path));
        let in_force = {
            let state = self.lock();
            if state.seen.as_ref().is_some_and(|(seen, _)| *seen == stamps) {
                return state.said();
            }
            Arc::clone(&state.in_force)
        };
        let said = compare(project, &in_force, stamps[0].is_some());
        let mut state = self.lock();
        if Arc::ptr_eq(&state.in_force, &in_force) {
            state.seen = Some((stamps, said));
        }
        state.said()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn said(&self) -> Option<String> {
        self.seen.as_ref().and_then(|(_, said)| said.clone())
    }
}

fn stamp(path: &Path) -> Option<(u64, u64, i64, i64)> {
    fs::metadata(path).ok().map(|meta| (meta.ino(), meta.size(), meta.mtime(), meta.mtime_nsec()))
}

fn compare(project: &Project, in_force: &Config, is_there: bool) -> Option<String> {
    if !is_there {
        let had = !in_force.processes.is_empty();
        return had.then(|| "`.mcp-run` is gone; what was read before is in force".to_owned());
    }
    match config::load(project) {
        Ok(loaded) if loaded.config == *in_force => None,
        Ok(_) => Some("`.mcp-run` has changed: `bpm up -d` puts it into force".to_owned()),
        Err(error) if error.code == Code::InvalidConfig => {
            Some(format!("{}: `bpm check` shows it; what was read before is in force", error.message))
        }
        Err(error) => Some(error.message),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::sync::Arc;

    use super::{BETWEEN, Drift};
    use crate::store::config;
    use crate::store::paths::Project;

    #[tokio::test(start_paused = true)]
    async fn a_file_that_has_changed_is_told_of_until_it_is_in_force() {
        let dir = tempfile::tempdir().unwrap();
        let project =
            Project { root: dir.path().to_owned(), id: "test".to_owned(), state: dir.path().join("state") };
        let write = |text: &str| fs::write(project.config(), text).unwrap();
        let load = || Arc::new(config::load(&project).unwrap().config);
        write("[process.a]\ncommand = 'a'\n");
        let drift = Arc::new(Drift::new(load()));
        let look = async || {
            tokio::time::advance(BETWEEN).await;
            drift.notice(&project).await.unwrap_or_default()
        };
        assert_eq!(look().await, "");
        write("[process.a]\ncommand = 'a'\n# a remark\n");
        assert_eq!(look().await, "", "which changes nothing");
        write("[process.a]\ncommand = 'another'\n");
        assert_eq!(drift.notice(&project).await, None, "not looked at again in the same second");
        assert!(look().await.contains("`bpm up -d` puts it into force"));
        drift.applied(load());
        assert_eq!(look().await, "");
        write("[process.a]\ncommand = 3\n");
        assert!(look().await.contains("1 fault in"), "{}", look().await);
        assert!(look().await.contains("`bpm check`"));
        fs::remove_file(project.config()).unwrap();
        assert!(look().await.contains("is gone"));
        write("");
        drift.applied(load());
        fs::remove_file(project.config()).unwrap();
        assert_eq!(look().await, "", "nothing was configured");
    }
}
