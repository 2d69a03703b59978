//! Which configuration a manager starts with that no `bpm up` started: what was approved, and nothing else.

use std::fs;
use std::path::Path;

use bpm_api::{Code, Error};
use bpm_core::config::{self, Config, Source};
use bpm_shim::launch::{self, Presence};

use crate::store::config::{last_approved, load};
use crate::store::paths::{CONFIG, Project};
use crate::store::trust;

/// A configuration, and what to say of it in the status.
#[derive(Debug)]
pub struct Trusted {
    pub config: Config,
    pub notice: Option<String>,
}

/// The configuration if it is approved as it is. Otherwise no process is configured but those that run already by
/// what was approved before, which go on by that.
///
/// # Errors
/// The approved part cannot be told apart, which is a fault of bpm.
pub fn trusted(project: &Project) -> Result<Trusted, Error> {
    let notice = match load(project) {
        Ok(loaded) if trust::is_approved(project, &loaded.content) => {
            return Ok(Trusted { config: loaded.config, notice: None });
        }
        // nothing in it could be run, nor let anybody in from elsewhere
        Ok(loaded) if loaded.config.processes.is_empty() && loaded.config.bind.is_none() => {
            let processes = what_runs(project)?.processes;
            return Ok(Trusted { config: Config { processes, ..loaded.config }, notice: None });
        }
        Ok(_) => Some(format!(
            "`{CONFIG}` is not approved as it is: `bpm allow` (or `bpm up`) starts its processes"
        )),
        Err(_) if !project.config().exists() => None,
        Err(error) => Some(format!(
            "`{CONFIG}` cannot be used, so its processes are not started: {}; `bpm check` shows all",
            first_fault(&error)
        )),
    };
    Ok(Trusted { config: what_runs(project)?, notice })
}

/// What was approved last, of the processes that are alive.
fn what_runs(project: &Project) -> Result<Config, Error> {
    let mut config = match last_approved(project) {
        Some(config) => config,
        None => empty()?,
    };
    config.processes.retain(|process| {
        is_any_alive(&project.runs(&process.name)) || is_any_alive(&project.builds(&process.name))
    });
    Ok(config)
}

fn empty() -> Result<Config, Error> {
    config::parse(Source { path: "", text: "" }, None)
        .map_err(|_| Error::new(Code::Internal, "an empty configuration is faulty"))
}

fn is_any_alive(runs: &Path) -> bool {
    let runs = fs::read_dir(runs).into_iter().flatten().flatten();
    runs.into_iter().any(|run| matches!(launch::presence(&run.path()), Ok(Presence::Alive)))
}

/// The first of the faults in one line, or what the error says.
fn first_fault(error: &Error) -> String {
    let first = error.detail.as_deref().and_then(|detail| detail.lines().next());
    let first = first.map(|line| line.trim_start_matches("error: "));
    match first {
        Some(first) => format!("{} ({first})", error.message),
        None => error.message.clone(),
    }
}
