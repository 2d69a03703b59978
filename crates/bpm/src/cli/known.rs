//! Which processes and tasks a project has, as far as its files tell. For names only: what runs is a manager's to say.

use bpm_api::Error;

use crate::logbook;
use crate::store::paths::Project;
use crate::store::{config, tasks};

/// The configured processes in the configuration's order; none where it is absent or faulty.
pub(super) fn configured(project: &Project) -> Vec<String> {
    match config::load(project) {
        Ok(loaded) => loaded.config.processes.into_iter().map(|process| process.name).collect(),
        Err(_) => Vec::new(),
    }
}

/// Those that a command without a name may mean: the configured ones, else those that have logs.
///
/// # Errors
/// The state directory cannot be read.
pub(super) fn meant(project: &Project) -> Result<Vec<String>, Error> {
    let configured = configured(project);
    if configured.is_empty() { logbook::on_disk(project) } else { Ok(configured) }
}

/// Every name that may be asked for: the configured ones, and those that have logs.
///
/// # Errors
/// The state directory cannot be read.
pub(super) fn all(project: &Project) -> Result<Vec<String>, Error> {
    logbook::all_names(project, &configured(project))
}

/// The names as the logs have them: a task's id in place of its name.
///
/// # Errors
/// `UnknownProcess` for a name that is neither a process's nor a task's; the state directory cannot be read.
pub(super) fn resolved(project: &Project, names: Vec<String>) -> Result<Vec<String>, Error> {
    if names.is_empty() {
        return Ok(names);
    }
    let known = all(project)?;
    let resolve = |name: String| match known.contains(&name) {
        true => Ok(name),
        false => tasks::find(project, &name).ok_or_else(|| unknown(project, &name, &known)),
    };
    names.into_iter().map(resolve).collect()
}

fn unknown(project: &Project, name: &str, processes: &[String]) -> Error {
    let mut known = processes.to_vec();
    for task in tasks::load(project) {
        known.extend(task.name.clone());
        known.push(task.id().to_string());
    }
    logbook::unknown_process(name, &known)
}
