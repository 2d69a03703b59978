//! Which processes a project has, as far as its files tell. For names only: what runs is a manager's to say.

use bpm_api::Error;

use crate::logbook;
use crate::store::config;
use crate::store::paths::Project;

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
