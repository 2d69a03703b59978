//! Which target is selected, and which of its logs is shown. Must not know how a log is read.

use bpm_api::{BuildStatus, ProcessStatus, State};

use super::super::message::Command;
use super::super::model::log::{LogView, Looking, Source};
use super::super::model::{Model, Target};
use super::status::is_bad;
use super::{deeds, link, log};

/// Keeps the selection on one of the targets: on the same one, or else on the one that was nearest to it.
pub(super) fn keep(model: &mut Model, before: &[Target], first: bool) {
    if let Some(wish) = model.wish.clone()
        && model.targets.contains(&wish)
    {
        return select(model, Some(wish));
    }
    let selected = model.selected.clone();
    if selected.as_ref().is_some_and(|selected| model.targets.contains(selected)) {
        return builds_by_itself(model);
    }
    let next = match selected {
        Some(gone) => nearest(model, before, &gone),
        None if first => worst(model),
        None => None,
    };
    select(model, next.or_else(|| model.targets.first().cloned()));
}

fn worst(model: &Model) -> Option<Target> {
    let processes = &model.status.as_ref()?.processes;
    processes.iter().find(|process| is_bad(process.state)).map(|it| Target::Process(it.name.clone()))
}

/// The next one below it that is still there, or else above it.
fn nearest(model: &Model, before: &[Target], gone: &Target) -> Option<Target> {
    let place = before.iter().position(|target| target == gone)?;
    let (above, below) = before.split_at(place);
    below.iter().chain(above.iter().rev()).find(|target| model.targets.contains(target)).cloned()
}

/// Selects one of the targets, or nothing.
pub(super) fn select(model: &mut Model, target: Option<Target>) {
    model.wish = None;
    if model.selected == target {
        return builds_by_itself(model);
    }
    model.selected = target.clone();
    model.details_top = 0;
    model.details_wanted = true;
    show(model, target.map(|target| Source { target, builds: false, run: None, by_itself: false }));
    builds_by_itself(model);
}

/// So many places down the list, or up.
pub(super) fn step(model: &mut Model, by: isize) {
    let last = model.targets.len().saturating_sub(1);
    let at = model.targets.iter().position(|target| Some(target) == model.selected.as_ref()).unwrap_or(0);
    let next = at.saturating_add_signed(by).min(last);
    if let Some(target) = model.targets.get(next).cloned() {
        select(model, Some(target));
    }
}

/// Shows a log from its end, as others were shown.
pub(super) fn show(model: &mut Model, source: Option<Source>) {
    model.drag = None;
    let old = std::mem::take(&mut model.log);
    let search = old.search.map(|mut search| {
        (search.found, search.looking) = (None, None);
        search
    });
    model.log = LogView {
        fresh: source.is_some(),
        source,
        wrap: old.wrap,
        times: old.times,
        void: old.asked.is_some(),
        asked: old.asked,
        search,
        length_at: old.length_at,
        ..LogView::default()
    };
    log::check_ability(model);
}

fn show_by_itself(model: &mut Model) {
    if let Some(source) = &mut model.log.source {
        source.by_itself = true;
    }
}

/// Somebody has done something in the output panel: it is theirs now.
pub(super) fn touched(model: &mut Model) {
    if let Some(source) = &mut model.log.source {
        source.by_itself = false;
    }
}

/// What decides which log is of interest.
enum Interest {
    Building { number: u64, alone: bool },
    Failed { number: u64, alone: bool },
    Run,
}

fn interest(process: &ProcessStatus) -> Interest {
    let alone = process.run.is_none();
    match (&process.building, &process.last_build) {
        (Some(BuildStatus { build, .. }), _) => Interest::Building { number: *build, alone },
        (None, Some(BuildStatus { build, ok: Some(false), .. })) => {
            let alone = alone && process.state == State::BuildFailed;
            Interest::Failed { number: *build, alone }
        }
        (None, _) => Interest::Run,
    }
}

/// Where a build is what matters, its log is shown while it does.
pub(super) fn builds_by_itself(model: &mut Model) {
    let Some(source) = model.log.source.clone() else { return };
    let Some(process) = model.process() else { return };
    let interest = interest(process);
    let untouched = is_untouched(model);
    let asked_here = deeds::brings_up(model, &source.target);
    match interest {
        Interest::Building { alone, .. } if !source.builds && untouched && (alone || asked_here) => {
            show(model, Some(Source { builds: true, by_itself: true, ..source }));
        }
        Interest::Failed { alone: true, number } if !source.builds && untouched && model.log.fresh => {
            show(model, Some(Source { builds: true, by_itself: true, ..source }));
            first_error(model, number);
        }
        // who asks for a build while looking at builds wants to see that one
        Interest::Building { number, .. }
            if source.builds && source.run.is_none() && (asked_here || source.by_itself) =>
        {
            if model.log.run != 0 && model.log.run < number && !model.log.is_following() {
                show(model, Some(Source { by_itself: true, ..source }));
            } else if asked_here && untouched {
                show_by_itself(model);
            }
        }
        Interest::Failed { number, .. } if source.by_itself => first_error(model, number),
        Interest::Run if source.by_itself => {
            show(model, Some(Source { builds: false, by_itself: false, ..source }));
        }
        Interest::Building { .. } | Interest::Failed { .. } | Interest::Run => {}
    }
}

/// A build that was asked for here has failed, perhaps before a status said that it is under way.
pub(super) fn show_failed_build(model: &mut Model) {
    let Some(source) = model.log.source.clone() else { return };
    if !source.builds && is_untouched(model) {
        show(model, Some(Source { builds: true, by_itself: true, ..source }));
    }
}

/// Nobody has picked a run, scrolled or filtered.
fn is_untouched(model: &Model) -> bool {
    let newest = model.log.source.as_ref().is_some_and(|source| source.run.is_none());
    newest && model.log.is_following() && model.log.only.is_all()
}

/// Shows a failed build's first error, once.
fn first_error(model: &mut Model, build: u64) {
    if model.log.errors_of == Some(build) || link::lacks(model, "read_log") {
        return;
    }
    model.log.errors_of = Some(build);
    model.log.first_error = true;
    model.log.looking = Some(Looking { backward: false, errors: true, at: 0, whole: true, pieces: 0 });
}

/// Says which logs are to be watched, if these are others than before.
pub(super) fn watch(model: &mut Model, commands: &mut Vec<Command>) {
    let wanted = match &model.log.source {
        Some(Source { target, builds: false, .. }) => (vec![target.name().to_owned()], Vec::new()),
        Some(Source { target, builds: true, .. }) => (Vec::new(), vec![target.name().to_owned()]),
        None => (Vec::new(), Vec::new()),
    };
    if model.watched.as_ref() == Some(&wanted) || link::lacks(model, "watch") {
        return;
    }
    let (logs, builds) = wanted.clone();
    model.watched = Some(wanted);
    // what is printed before the watch has begun is not told
    model.log.unwatched = true;
    commands.push(Command::Watch { logs, builds });
}
