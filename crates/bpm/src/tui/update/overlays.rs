//! What is in front of everything else: the keys, a process's runs, why it is as it is. Must not know how it is drawn.

use bpm_api::{Error, GetRuns, Reply, Request, TaskStatus, Why};

use super::super::keys::Action;
use super::super::message::{Ask, Command};
use super::super::model::log::Source;
use super::super::model::{Model, Overlay, Target, picks};
use super::super::view::Scrolled;
use super::{deeds, link, log, notes, runs, status};

/// Whether the key was for what is in front. Some keys are for the screen whatever it shows.
pub(super) fn pressed(model: &mut Model, action: Action) -> bool {
    let (_, height) = log::size(model);
    let page = isize::try_from(height.max(2) - 1).unwrap_or(1);
    match action {
        Action::Quit | Action::Redraw | Action::Suspend | Action::Mouse => return false,
        Action::Back => model.overlay = None,
        Action::Up => scroll(model, -1),
        Action::Down => scroll(model, 1),
        Action::PageUp => scroll(model, -page),
        Action::PageDown | Action::Follow => scroll(model, page),
        Action::HalfUp => scroll(model, -(page / 2).max(1)),
        Action::HalfDown => scroll(model, (page / 2).max(1)),
        Action::Top => scroll(model, isize::MIN),
        Action::Bottom => scroll(model, isize::MAX),
        Action::Refresh => enter(model),
        Action::Help if matches!(model.overlay, Some(Overlay::Help { .. })) => model.overlay = None,
        Action::Why if matches!(model.overlay, Some(Overlay::Why { .. } | Overlay::Text { .. })) => {
            model.overlay = None;
        }
        Action::Runs if matches!(model.overlay, Some(Overlay::Runs { .. })) => model.overlay = None,
        Action::Help => model.overlay = Some(Overlay::Help { top: 0 }),
        _ => {}
    }
    true
}

pub(super) fn scroll(model: &mut Model, by: isize) {
    let last = match &model.overlay {
        Some(Overlay::Runs { answer: Some(Ok(runs)), .. }) => picks(runs).count().saturating_sub(1),
        Some(Overlay::Runs { .. }) | None => 0,
        Some(Overlay::Help { .. } | Overlay::Why { .. } | Overlay::Text { .. }) => {
            Scrolled::Overlay.last_top(model)
        }
    };
    // what was there may have become shorter
    let moved = |top: usize| top.min(last).saturating_add_signed(by).min(last);
    match &mut model.overlay {
        None => {}
        Some(Overlay::Help { top } | Overlay::Why { top, .. } | Overlay::Text { top, .. }) => {
            *top = moved(*top);
        }
        Some(Overlay::Runs { selected, .. }) => *selected = moved(*selected),
    }
}

fn enter(model: &mut Model) {
    match &mut model.overlay {
        Some(Overlay::Help { .. } | Overlay::Text { .. }) | None => model.overlay = None,
        Some(Overlay::Why { answer, .. }) => *answer = None,
        Some(Overlay::Runs { target, answer: Some(Ok(runs)), selected, .. }) => {
            let newest =
                |builds: bool| picks(runs).find(|(of, _)| *of == builds).map_or(0, |(_, run)| run.number);
            let picked = picks(runs).nth(*selected).map(|(builds, run)| (builds, run.number, newest(builds)));
            let target = target.clone();
            model.overlay = None;
            if let Some((builds, number, newest)) = picked
                && model.selected.as_ref() == Some(&target)
            {
                let source = Source { target, builds, run: None, by_itself: false };
                runs::show(model, source, number, newest);
            }
        }
        Some(Overlay::Runs { answer, .. }) => *answer = None,
    }
}

pub(super) fn open_runs(model: &mut Model) {
    let Some(target) = model.selected.clone() else { return deeds::say_nothing_selected(model) };
    if !model.link.is_up() {
        return deeds::say_down(model);
    }
    if link::lacks(model, "get_runs") {
        return deeds::say_lacking(model, "get_runs");
    }
    model.overlay = Some(Overlay::Runs { target, answer: None, selected: 0, top: 0 });
}

pub(super) fn open_why(model: &mut Model) {
    let Some(target) = model.selected.clone() else { return deeds::say_nothing_selected(model) };
    if let Some(task) = model.task() {
        model.overlay = Some(Overlay::Text { title: target.name().to_owned(), text: about(task), top: 0 });
    } else if !model.link.is_up() {
        deeds::say_down(model);
    } else if link::lacks(model, "why") {
        deeds::say_lacking(model, "why");
    } else {
        model.overlay = Some(Overlay::Why { target, answer: None, top: 0 });
    }
}

/// Why a task is as it is, as far as its status says.
fn about(task: &TaskStatus) -> String {
    let mut lines = vec![task.command.clone(), format!("in {}", task.cwd), format!("started by {}", task.by)];
    lines.push(task.state.as_str().to_owned());
    lines.extend(task.exit_code.map(|code| format!("exit code {code}")));
    lines.extend(task.signal.as_ref().map(|signal| format!("signal {signal}")));
    lines.extend(
        task.kill_requested.as_ref().map(|request| format!("its end was asked for by {}", request.by)),
    );
    lines.extend(task.note.clone());
    if !task.survivors.is_empty() {
        lines.push(format!("still there: {}", task.survivors.join(", ")));
    }
    lines.join("\n")
}

/// Asks for what an overlay waits for.
pub(super) fn settle(model: &mut Model, commands: &mut Vec<Command>) {
    match &model.overlay {
        Some(Overlay::Runs { target, answer: None, .. }) if model.runs_asked.is_none() => {
            let request = Request::GetRuns(GetRuns { target: target.name().to_owned() });
            model.runs_asked = Some(target.clone());
            commands.push(Command::Ask { ask: Ask::Runs, request });
        }
        Some(Overlay::Why { target, answer: None, .. }) if model.why_asked.is_none() => {
            let request = Request::Why(Why { process: target.name().to_owned() });
            model.why_asked = Some(target.clone());
            commands.push(Command::Ask { ask: Ask::Why, request });
        }
        _ => {}
    }
}

pub(super) fn runs(model: &mut Model, outcome: Result<Reply, Error>) {
    let Some(asked) = model.runs_asked.take() else { return };
    let taken = match outcome {
        Ok(Reply::Runs(runs)) => Ok(runs),
        Ok(_) => Err(status::wrong_reply("get_runs")),
        Err(error) => Err(error),
    };
    // begins with the one that is shown
    let (shown, builds) = (model.log.run, model.log.source.as_ref().is_some_and(|source| source.builds));
    if let Some(Overlay::Runs { target, answer: answer @ None, selected, .. }) = &mut model.overlay
        && *target == asked
    {
        *selected = taken
            .as_ref()
            .ok()
            .and_then(|runs| picks(runs).position(|(of, run)| of == builds && run.number == shown))
            .unwrap_or(0);
        *answer = Some(taken);
    }
}

pub(super) fn why(model: &mut Model, outcome: Result<Reply, Error>) {
    let Some(asked) = model.why_asked.take() else { return };
    let taken = match outcome {
        Ok(Reply::Why(why)) => Ok(*why),
        Ok(_) => Err(status::wrong_reply("why")),
        Err(error) => Err(error),
    };
    if let Some(Overlay::Why { target, answer: answer @ None, .. }) = &mut model.overlay
        && *target == asked
    {
        *answer = Some(Box::new(taken));
    }
}

/// An overlay about something that is there no more says nothing.
pub(super) fn keep(model: &mut Model) {
    let about: Option<&Target> = match &model.overlay {
        Some(Overlay::Runs { target, .. } | Overlay::Why { target, .. }) => Some(target),
        Some(Overlay::Help { .. } | Overlay::Text { .. }) | None => None,
    };
    if let Some(target) = about
        && !model.targets.contains(target)
    {
        let name = target.name().to_owned();
        model.overlay = None;
        notes::info(model, format!("`{name}` is not there any more"));
    }
}
