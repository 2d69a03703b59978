//! Which run or build is shown. Must not know how its lines are read.

use bpm_api::{ProcessKind, ProcessStatus};

use super::super::model::log::Source;
use super::super::model::{Model, Target};
use super::{notes, select};

/// The run before or after the one that is shown; after the newest there is none.
pub(super) fn step(model: &mut Model, older: bool) {
    let Some(source) = model.log.source.clone() else { return };
    let newest = model.log.newest;
    // while nothing of it has come, the newest one is known by its number alone
    let shown = source.run.unwrap_or(if model.log.run == 0 { newest } else { model.log.run });
    let what = if source.builds { "build" } else { "run" };
    let run = if older { shown.checked_sub(1) } else { shown.checked_add(1) };
    match run {
        Some(run) if run > 0 && run <= newest => show(model, source, run, newest),
        _ if older => notes::info(model, format!("there is no older {what}")),
        _ => notes::info(model, format!("this is the newest {what}")),
    }
}

/// Shows a run or build by its number: the newest as such, so that the one after it is shown when it begins.
pub(super) fn show(model: &mut Model, source: Source, run: u64, newest: u64) {
    let run = Some(run).filter(|run| *run != newest);
    let before = model.log.source.clone();
    select::show(model, Some(Source { run, by_itself: false, ..source }));
    (model.log.back, model.log.newest) = (before, newest);
}

/// The log of the newest build instead of the newest run's, or the other way round.
pub(super) fn toggle_builds(model: &mut Model) {
    match model.log.source.clone() {
        Some(Source { target: Target::Task(id), .. }) => {
            notes::info(model, format!("`{id}` is a task: it has no builds"));
        }
        Some(source) if !source.builds && is_never_built(model) => {
            notes::info(model, format!("`{}` has no build", source.target.name()));
        }
        Some(source) => {
            let builds = !source.builds;
            select::show(model, Some(Source { builds, run: None, by_itself: false, ..source }));
        }
        None => {}
    }
}

/// It needs no build, as far as anybody knows.
fn is_never_built(model: &Model) -> bool {
    let unbuilt = |it: &ProcessStatus| it.building.is_none() && it.last_build.is_none();
    model.process().is_some_and(|process| process.kind != ProcessKind::Rust && unbuilt(process))
}
