//! Events, actions and states in few words, for snapshots and failures.

use bpm_core::config::Signal;
use bpm_core::fleet::{Action, Change, Event, Fleet, Outcome, Request};
use bpm_core::ids::Mode;
use bpm_core::service::{Artefact, Intent, Phase, Rest, Run, Service, Step, StopReason};
use bpm_core::time::Time;

/// One line for what a step does; `-` when it does nothing.
pub(crate) fn actions(actions: &[Action]) -> String {
    match actions {
        [] => "-".to_owned(),
        _ => actions.iter().map(action).collect::<Vec<_>>().join(", "),
    }
}

pub(crate) fn action(action: &Action) -> String {
    match action {
        Action::Build { build, recipe } => format!("build {build:?} {recipe}"),
        Action::CancelBuild { build } => format!("cancel {build:?}"),
        Action::KillBuild { build } => format!("kill {build:?}"),
        Action::Spawn { run, recipe, artefact } => match artefact {
            Some(Artefact::Build(build)) => format!("spawn {run:?} {recipe} from build {build}"),
            Some(Artefact::Run(of)) => format!("spawn {run:?} {recipe} from run {of}"),
            None => format!("spawn {run:?} {recipe}"),
        },
        Action::Terminate { run, signal } if *signal == Signal::TERM => format!("TERM {run:?}"),
        Action::Terminate { run, signal } => format!("{} {run:?}", signal.name()),
        Action::Kill { run } => format!("KILL {run:?}"),
        Action::Input { run, op } => format!("input of op {} to {run:?}", op.0),
        Action::Signal { run, op, signal } => format!("signal {signal} of op {} to {run:?}", op.0),
        Action::Finish { op, outcome: o } => format!("op {} {}", op.0, outcome(o)),
        Action::Note(note) => format!("({})", change(&note.change)),
        Action::Quit => "quit".to_owned(),
    }
}

pub(crate) fn outcome(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Up { run, recipe, .. } => format!("up as run {run} ({recipe})"),
        Outcome::AlreadyUp { run, .. } => format!("already up as run {run}"),
        Outcome::Down { was_running: true } => "down".to_owned(),
        Outcome::Down { was_running: false } => "was down".to_owned(),
        Outcome::BuildFailed { build, still_up, .. } => match still_up {
            Some(run) => format!("build {build} failed, run {run} still up"),
            None => format!("build {build} failed, nothing up"),
        },
        Outcome::SpawnFailed { run, error } => format!("run {run} not started: {error}"),
        Outcome::Stuck { run } => format!("run {run} stuck"),
        Outcome::Overtaken { by } => format!("overtaken by {by}"),
        Outcome::Applied(a) => {
            format!("applied +{} -{} ~{}", a.added.join(" "), a.removed.join(" "), a.changed.join(" "))
        }
        Outcome::Closing => "closing".to_owned(),
        Outcome::NoSuchProcess { known } => format!("no such process (known: {})", known.join(" ")),
        Outcome::IsTask => "a task".to_owned(),
        Outcome::TooManyTasks { limit } => format!("{limit} tasks run already"),
        Outcome::Typed(typed) => format!("typed: {typed:?}"),
        Outcome::Signalled(signalled) => format!("signalled: {signalled:?}"),
        Outcome::Ended { stuck } if stuck.is_empty() => "ended".to_owned(),
        Outcome::Ended { stuck } => format!("ended, stuck: {}", stuck.join(" ")),
    }
}

fn change(change: &Change) -> String {
    match change {
        Change::Signalled { run, signal, .. } => format!("signal {signal} to run {run}"),
        Change::Requested { what, .. } => format!("asked: {what}"),
        Change::BuildStarted { build, cause, .. } => format!("build {build} for {}", cause.as_str()),
        Change::BuildSucceeded { build, .. } => format!("build {build} good"),
        Change::BuildFailed { build, .. } => format!("build {build} failed"),
        Change::BuildCancelled { build } => format!("build {build} cancelled"),
        Change::Promoted { run, over, .. } => match over {
            Some(old) => format!("promote {run} over {old}"),
            None => format!("promote {run}"),
        },
        Change::Started { run, .. } => format!("{run} started"),
        Change::Adopted { run, .. } => format!("{run} adopted"),
        Change::Stopping { run, reason } => format!("stop {run}: {}", stop_reason(*reason)),
        Change::Killing { run } => format!("kill {run}"),
        Change::Stuck { run } => format!("{run} stuck"),
        Change::Ended { run, ending, asked } => {
            format!("{run} ended: {ending}{}", if *asked { ", asked" } else { "" })
        }
        Change::RestartIn { crash, wait_ms } => format!("crash {crash}, restart in {wait_ms} ms"),
        Change::CrashRestart { run, of } => format!("restart of {of} as {run}"),
        Change::Parked { why } => format!("parked: {why}"),
        Change::SpawnFailed { run, .. } => format!("{run} not started"),
        Change::ModeChanged { to } => format!("mode {to}"),
        Change::Closing => "closing".to_owned(),
    }
}

fn stop_reason(reason: StopReason) -> &'static str {
    match reason {
        StopReason::Swap => "swap",
        StopReason::Asked => "asked",
        StopReason::TimeLimit => "time limit",
        StopReason::Shutdown => "shutdown",
        StopReason::Leftovers => "leftovers",
    }
}

fn run(run: &Run) -> String {
    let phase = match run.phase {
        Phase::Waiting => "waiting".to_owned(),
        Phase::Spawning => "spawning".to_owned(),
        Phase::Adopting => "adopting".to_owned(),
        Phase::Ready { .. } => "ready".to_owned(),
        Phase::Leaderless { .. } => "leaderless".to_owned(),
        Phase::Stopping { reason, .. } => format!("stopping({})", stop_reason(reason)),
        Phase::Killed { reason, .. } => format!("killed({})", stop_reason(reason)),
        Phase::Stuck { reason } => format!("stuck({})", stop_reason(reason)),
    };
    let recipe = if run.recipe == Mode::Dev { " dev" } else { "" };
    let ended = if run.ended.is_some() { " ended" } else { "" };
    format!("{}{recipe} {phase}{ended}", run.number)
}

/// Where a process stands, on one line.
pub(crate) fn service(service: &Service, now: Time) -> String {
    let mut parts = vec![match service.intent() {
        Intent::Up => "up:".to_owned(),
        Intent::Idle => "idle:".to_owned(),
        Intent::Down => "down:".to_owned(),
    }];
    parts.extend(service.live().map(|live| format!("live {}", run(live))));
    parts.extend(service.retiring().iter().map(|old| format!("retiring {}", run(old))));
    parts.extend(service.candidate().map(|next| match next.step {
        Step::Queued => format!("next {} queued", next.recipe),
        Step::Building { build, .. } => format!("next {} build {build}", next.recipe),
    }));
    parts.extend(service.backoff().due.map(|due| format!("due in {:.1} s", due.after(now).as_secs_f64())));
    parts.extend(service.rest().map(|rest| {
        match rest {
            Rest::CrashLooping { .. } => "crash-looping",
            Rest::CannotStart { .. } => "cannot-start",
            Rest::BuildFailed { .. } => "build-failed",
            Rest::Ended { .. } => "ended",
        }
        .to_owned()
    }));
    if parts.len() == 1 {
        parts.push("nothing".to_owned());
    }
    parts.join(" ")
}

/// The whole project, on one line.
pub(crate) fn fleet(fleet: &Fleet, now: Time) -> String {
    let mut text = fleet.mode().to_string();
    if fleet.is_closing() {
        text.push_str(" closing");
    }
    for one in fleet.services() {
        text.push_str(&format!("; {} {}", one.name(), service(one, now)));
    }
    text
}

/// What happened, without the text of a configuration.
pub(crate) fn event(event: &Event) -> String {
    match event {
        Event::Asked { op, key: _, what } => match what {
            Request::Start { process } => format!("op {}: start {process}", op.0),
            Request::Stop { process } => format!("op {}: stop {process}", op.0),
            Request::Restart { process, recipe } => format!("op {}: restart {process} {recipe:?}", op.0),
            Request::Apply { config } => {
                let names: Vec<&str> = config.processes.iter().map(|p| p.name.as_str()).collect();
                format!("op {}: apply {names:?}", op.0)
            }
            Request::Shutdown => format!("op {}: shutdown", op.0),
            Request::RunTask { task, .. } => format!("op {}: run {task}", op.0),
            Request::Input { process } => format!("op {}: type to {process}", op.0),
            Request::Signal { process, signal } => format!("op {}: signal {signal} to {process}", op.0),
        },
        other => format!("{other:?}"),
    }
}
