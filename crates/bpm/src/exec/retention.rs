//! Which runs and builds of a process are kept on disk: the newest, by number and by bytes. What may
//! still be alive is never touched. Blocking work in a task of its own.

use std::fs;
use std::path::{Path, PathBuf};

use bpm_core::config::Process;
use bpm_core::service::Artefact;
use bpm_shim::launch::{self, Presence};

use crate::store::paths::Project;

/// Drops what is over the limits, in the background. `needed`: where executables are kept that a run may yet
/// be started from.
pub fn prune_later(project: &Project, process: &Process, needed: &[Artefact]) {
    let builds = needed.iter().filter_map(|needed| match needed {
        Artefact::Build(number) => Some(*number),
        Artefact::Run(_) => None,
    });
    let runs = needed.iter().filter_map(|needed| match needed {
        Artefact::Run(number) => Some(*number),
        Artefact::Build(_) => None,
    });
    let dirs: [(PathBuf, Vec<u64>); 2] =
        [(project.runs(&process.name), runs.collect()), (project.builds(&process.name), builds.collect())];
    let (keep, max_bytes) = (process.logs.keep_runs, process.logs.max_bytes);
    tokio::task::spawn_blocking(move || {
        for (dir, needed) in dirs {
            prune(&dir, keep, max_bytes, &needed);
        }
    });
}

/// The newest `keep` directories stay as long as all of them together hold no more than `max_bytes`
/// of log; the newest one always stays, and so does each one that is needed or whose shim is alive.
fn prune(dir: &Path, keep: u32, max_bytes: u64, needed: &[u64]) {
    let mut bytes = 0;
    for (place, (number, run)) in newest_first(dir).into_iter().enumerate() {
        bytes += log_bytes(&run);
        let over = place >= keep as usize || bytes > max_bytes;
        if place == 0 || !over || needed.contains(&number) {
            continue;
        }
        if matches!(launch::presence(&run), Ok(Presence::Ended(_) | Presence::Lost | Presence::NeverStarted))
            && let Err(error) = fs::remove_dir_all(&run)
        {
            tracing::warn!("cannot drop the old log {}: {error}", run.display());
        }
    }
}

/// Bytes of log in all runs of a `runs` directory.
pub fn bytes_of(runs: &Path) -> u64 {
    newest_first(runs).iter().map(|(_, run)| log_bytes(run)).sum()
}

fn newest_first(dir: &Path) -> Vec<(u64, PathBuf)> {
    let Ok(entries) = fs::read_dir(dir) else { return Vec::new() };
    let numbered =
        |entry: fs::DirEntry| Some((entry.file_name().to_str()?.parse::<u64>().ok()?, entry.path()));
    let mut found: Vec<_> = entries.flatten().filter_map(numbered).collect();
    found.sort_unstable_by_key(|(number, _)| std::cmp::Reverse(*number));
    found
}

fn log_bytes(run: &Path) -> u64 {
    let Ok(entries) = fs::read_dir(run) else { return 0 };
    let is_log = |entry: &fs::DirEntry| entry.file_name().to_string_lossy().starts_with("out.");
    entries.flatten().filter(is_log).filter_map(|entry| entry.metadata().ok()).map(|meta| meta.len()).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run_with_log(dir: &Path, number: u64, bytes: usize) {
        let run = dir.join(number.to_string());
        fs::create_dir_all(&run).unwrap();
        fs::write(run.join("out.000.log"), vec![b'x'; bytes]).unwrap();
    }

    fn kept(dir: &Path) -> Vec<u64> {
        newest_first(dir).into_iter().map(|(number, _)| number).collect()
    }

    #[test]
    fn the_newest_stay_by_number() {
        let dir = tempfile::tempdir().unwrap();
        (1..=12).for_each(|number| run_with_log(dir.path(), number, 10));
        prune(dir.path(), 10, 1 << 20, &[]);
        assert_eq!(kept(dir.path()), (3..=12).rev().collect::<Vec<_>>());
    }

    #[test]
    fn the_oldest_go_when_all_together_are_too_large_and_the_newest_never_does() {
        let dir = tempfile::tempdir().unwrap();
        (1..=3).for_each(|number| run_with_log(dir.path(), number, 1000));
        prune(dir.path(), 10, 2500, &[]);
        assert_eq!(kept(dir.path()), vec![3, 2]);
        prune(dir.path(), 10, 10, &[]);
        assert_eq!(kept(dir.path()), vec![3]);
    }

    #[test]
    fn what_a_run_may_yet_be_started_from_stays() {
        let dir = tempfile::tempdir().unwrap();
        (1..=5).for_each(|number| run_with_log(dir.path(), number, 10));
        prune(dir.path(), 1, 1 << 20, &[2]);
        assert_eq!(kept(dir.path()), vec![5, 2]);
    }

    #[test]
    fn what_is_alive_stays() {
        let dir = tempfile::tempdir().unwrap();
        (1..=3).for_each(|number| run_with_log(dir.path(), number, 10));
        let lock = fs::File::create(dir.path().join("1/run.lock")).unwrap();
        rustix::fs::flock(&lock, rustix::fs::FlockOperation::LockExclusive).unwrap();
        prune(dir.path(), 1, 1 << 20, &[]);
        assert_eq!(kept(dir.path()), vec![3, 1]);
        drop(lock);
        prune(dir.path(), 1, 1 << 20, &[]);
        assert_eq!(kept(dir.path()), vec![3]);
    }
}
