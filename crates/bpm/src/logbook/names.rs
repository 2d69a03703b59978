//! Which processes have logs, and what to say to a name that is none of theirs.

use std::fs;
use std::io;
use std::path::PathBuf;

use bpm_api::{Code, Error};

use crate::store::paths::Project;

/// Names shown in one message.
const MAX_NAMED: usize = 20;
const NEAR_ENOUGH: f64 = 0.8;

/// Processes that have a directory in the project's state, in order of name.
///
/// # Errors
/// The state directory is there and cannot be read.
pub fn on_disk(project: &Project) -> Result<Vec<String>, Error> {
    let dir = dir(project);
    let entries = match fs::read_dir(&dir) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(super::unreadable(&dir, &error)),
    };
    let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    let mut names: Vec<String> = names.filter(|name| !name.starts_with('.')).collect();
    names.sort_unstable();
    Ok(names)
}

/// Where the processes' directories are.
pub(super) fn dir(project: &Project) -> PathBuf {
    project.state.join("processes")
}

/// The given names and those on disk, each once; the given ones first.
///
/// # Errors
/// The state directory is there and cannot be read.
pub fn all(project: &Project, known: &[String]) -> Result<Vec<String>, Error> {
    let mut names = known.to_vec();
    for name in on_disk(project)? {
        if !names.contains(&name) {
            names.push(name);
        }
    }
    Ok(names)
}

/// The error for a name that is none of `known`.
#[must_use]
pub fn unknown_process(name: &str, known: &[String]) -> Error {
    let shown = clip(name);
    if known.is_empty() {
        return Error::new(
            Code::UnknownProcess,
            format!("there is no process `{shown}`, and no other is configured"),
        )
        .hint("`bpm check` shows what the configuration says");
    }
    let error =
        Error::new(Code::UnknownProcess, format!("there is no process `{shown}`, known: {}", list(known)));
    match nearest(name, known) {
        Some(near) => error.hint(format!("did you mean `{near}`?")),
        None => error.hint("name one of the known processes"),
    }
}

/// The one process that a command without a name means.
///
/// # Errors
/// [`Code::InvalidParameter`] where there is more than one, or none.
pub fn only_one(known: &[String]) -> Result<&str, Error> {
    match known {
        [only] => Ok(only),
        [] => Err(Error::new(Code::UnknownProcess, "no process is configured")
            .hint("write a `[process.NAME]` table into `.mcp-run`")),
        [first, ..] => Err(Error::new(
            Code::InvalidParameter,
            format!("`process` is missing and there is more than one: {}", list(known)),
        )
        .hint(format!("name one, for example `{first}`"))),
    }
}

/// `api`, `web` and 3 more.
fn list(names: &[String]) -> String {
    let shown: Vec<String> = names.iter().take(MAX_NAMED).map(|name| format!("`{}`", clip(name))).collect();
    match names.len().saturating_sub(MAX_NAMED) {
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}

fn nearest<'n>(name: &str, known: &'n [String]) -> Option<&'n str> {
    let name = clip(name).to_lowercase();
    // One slip in a short name, such as `wbe`, counts for little with the other measure.
    let likeness = |other: &str| match strsim::osa_distance(&name, other) {
        0..=1 => 1.0,
        _ => strsim::jaro_winkler(&name, other),
    };
    let rated = known.iter().map(|known| (likeness(&clip(known).to_lowercase()), known.as_str()));
    let best = rated.max_by(|a, b| a.0.total_cmp(&b.0));
    best.filter(|(likeness, _)| *likeness >= NEAR_ENOUGH).map(|(_, name)| name)
}

/// What somebody wrote, short enough for a message.
pub(super) fn clip(text: &str) -> String {
    const LONGEST: usize = 60;
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}
