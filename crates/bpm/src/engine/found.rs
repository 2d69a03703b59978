//! What the run directories tell that the `intent` file does not: it may be stale (the disk was full), damaged or gone,
//! and what is alive must be neither lost nor doubled.

use std::collections::HashMap;
use std::fs;
use std::path::Path;

use bpm_core::fleet::{Found, Snapshot};
use bpm_core::ids::task_number;
use bpm_core::service::{ServiceSnapshot, TaskRules};
use bpm_shim::launch::{self, Presence};

use crate::exec::recipe::Recipe;
use crate::store::paths::Project;

/// Looks for runs and builds that are not in `written`. Where that is `None`, all numbers are unknown; else those
/// below its next ones are not looked at.
pub(super) fn beside(project: &Project, written: Option<&Snapshot>) -> Vec<Found> {
    let services = written.iter().flat_map(|snapshot| &snapshot.services);
    let known: HashMap<&str, &ServiceSnapshot> = services.map(|service| (&*service.name, service)).collect();
    let dirs = [project.state.join("processes"), project.tasks()];
    let names = dirs.into_iter().flat_map(|dir| fs::read_dir(dir).into_iter().flatten().flatten());
    let names = names.filter_map(|entry| entry.file_name().into_string().ok());
    names.filter_map(|name| beside_one(project, &name, known.get(&*name).copied())).collect()
}

fn beside_one(project: &Project, name: &str, written: Option<&ServiceSnapshot>) -> Option<Found> {
    let (runs, builds) = (project.runs(name), project.builds(name));
    let (next_run, next_build) = written.map_or((1, 1), |written| (written.next_run, written.next_build));
    let (new_runs, new_builds) = (numbers(&runs, next_run), numbers(&builds, next_build));
    let alive = |dir: &Path| matches!(launch::presence(dir), Ok(Presence::Alive | Presence::Lost));
    let found = Found {
        process: name.into(),
        // its time limit went with the record; what runs beside it is ended by hand
        task: task_number(name).map(|_| TaskRules::default()),
        runs: new_runs
            .iter()
            .map(|number| (*number, runs.join(number.to_string())))
            .filter(|(_, dir)| alive(dir))
            .map(|(number, dir)| (number, Recipe::read(&dir).is_ok()))
            .collect(),
        build: new_builds.iter().copied().find(|number| alive(&builds.join(number.to_string()))),
        last_run: new_runs.last().copied().unwrap_or(0),
        last_build: new_builds.last().copied().unwrap_or(0),
    };
    for (number, _) in &found.runs {
        tracing::warn!("run {number} of {name} is not in the intent file, and is taken over");
    }
    let over = found.task.is_some() && found.runs.is_empty();
    ((found.last_run > 0 || found.last_build > 0) && !over).then_some(found)
}

/// The numbers from `first` on that have a directory, ascending.
fn numbers(dir: &Path, first: u64) -> Vec<u64> {
    let entries = fs::read_dir(dir).into_iter().flatten().flatten();
    let number = |entry: fs::DirEntry| entry.file_name().to_str()?.parse::<u64>().ok();
    let mut numbers: Vec<u64> = entries.filter_map(number).filter(|number| *number >= first).collect();
    numbers.sort_unstable();
    numbers
}
