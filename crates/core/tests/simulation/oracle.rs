//! What must hold after every step, judged from outside.

use std::collections::{BTreeMap, BTreeSet};

use bpm_core::fleet::{Action, Actions, Change, Event, Fleet};
use bpm_core::ids::{Mode, Name, OpId};
use bpm_core::service::{Intent, Phase, Service, State};
use bpm_core::time::Time;

/// Watches one manager's life.
#[derive(Debug, Default)]
pub(crate) struct Oracle {
    open: BTreeSet<OpId>,
    /// The live run of each process and whether it was ready.
    live: BTreeMap<Name, (u64, bool)>,
    quit: bool,
    booted: bool,
}

type Checked = Result<(), String>;

impl Oracle {
    pub(crate) fn new(fleet: &Fleet) -> Oracle {
        Oracle { live: live_runs(fleet), ..Oracle::default() }
    }

    pub(crate) fn asked(&mut self, op: OpId) {
        self.open.insert(op);
    }

    pub(crate) fn open(&self) -> Option<OpId> {
        self.open.first().copied()
    }

    pub(crate) fn judge(&mut self, fleet: &Fleet, event: &Event, actions: &Actions, now: Time) -> Checked {
        fleet.check()?;
        self.booted |= matches!(event, Event::Boot(_));
        for action in actions {
            self.judge_action(action)?;
        }
        for service in fleet.services() {
            self.judge_live(service, event, actions)?;
            if self.booted {
                explained(fleet, service, now)?;
            }
        }
        self.live = live_runs(fleet);
        if let (Event::Tick, Some(at)) = (event, fleet.next_deadline())
            && at <= now
        {
            return Err(format!("after a tick at {now:?} the next deadline is {at:?}"));
        }
        quiet(fleet)
    }

    fn judge_action(&mut self, action: &Action) -> Checked {
        match action {
            Action::Finish { op, .. } if !self.open.remove(op) => Err(format!("{op:?} finishes twice")),
            Action::Quit if std::mem::replace(&mut self.quit, true) => Err("it quits twice".to_owned()),
            Action::Spawn { .. } | Action::Build { .. } if self.quit => {
                Err(format!("after the end: {action:?}"))
            }
            _ => Ok(()),
        }
    }

    /// A live run is replaced by promotion or by a crash restart in its empty place, and one that is
    /// ready goes only when somebody asked for it or its end was reported.
    fn judge_live(&self, service: &Service, event: &Event, actions: &Actions) -> Checked {
        let (name, now) = (service.name(), service.live().map(|run| run.number));
        let before = self.live.get(name).copied();
        if now == before.map(|(number, _)| number) {
            return Ok(());
        }
        let changes = || {
            actions.iter().filter_map(|action| match action {
                Action::Note(note) if note.process.as_ref() == Some(name) => Some(&note.change),
                _ => None,
            })
        };
        let made = |change: &Change| match change {
            Change::Promoted { run, .. } | Change::CrashRestart { run, .. } => Some(*run) == now,
            _ => false,
        };
        let renumbered = matches!(event, Event::NeverStarted { run } if run.process == *name);
        if now.is_some() && !renumbered && !changes().any(made) {
            return Err(format!("{name}: run {now:?} took the place of {before:?} without being promoted"));
        }
        let Some((old, true)) = before else { return Ok(()) };
        let replaced =
            |change: &Change| matches!(change, Change::Promoted { over: Some(it), .. } if *it == old);
        let ended = matches!(event, Event::Exited { run, .. } | Event::Lost { run, .. }
            if run.process == *name && run.number == old);
        match ended || changes().any(replaced) {
            true => Ok(()),
            false => Err(format!("{name}: run {old} was ready and is forgotten")),
        }
    }
}

fn live_runs(fleet: &Fleet) -> BTreeMap<Name, (u64, bool)> {
    let live = |service: &Service| {
        let run = service.live()?;
        Some((service.name().clone(), (run.number, run.is_ready())))
    };
    fleet.services().iter().filter_map(live).collect()
}

/// Where what is wanted and what is the case differ, there is a reason; and where nothing is under
/// way, also what would help.
fn explained(fleet: &Fleet, service: &Service, now: Time) -> Checked {
    let name = service.name();
    let why = fleet.explain(name, now).ok_or_else(|| format!("{name}: no explanation"))?;
    let under_way = matches!(why.state, State::Running | State::Starting | State::Stopping);
    let helped = under_way || why.unblocks.as_ref().is_some_and(|help| !help.is_empty());
    // what a task left behind runs
    let ready =
        service.live().is_some_and(|run| run.is_ready() || matches!(run.phase, Phase::Leaderless { .. }));
    if why.reason.is_empty() || !helped || ready != (why.state == State::Running) && why.state != State::Stuck
    {
        return Err(format!("{name}: explained as {why:?}"));
    }
    let wanted_and_forgotten = service.intent() == Intent::Up && why.state == State::Stopped;
    // where its last build is still ending, it goes or is built anew after that
    match wanted_and_forgotten && !fleet.is_closing() && service.cancelled_build().is_none() {
        true => Err(format!("{name}: it is wanted, and nothing is done about it: {why:?}")),
        false => Ok(()),
    }
}

/// Down and all gone means quiet.
fn quiet(fleet: &Fleet) -> Checked {
    let idle = |service: &Service| {
        let nothing =
            service.live().is_none() && service.retiring().is_empty() && service.candidate().is_none();
        service.intent() != Intent::Up && nothing && service.cancelled_build().is_none()
    };
    let at_rest = fleet.mode() == Mode::Release && fleet.services().iter().all(idle);
    match fleet.next_deadline() {
        Some(at) if at_rest => Err(format!("all is down and gone, yet something is due at {at:?}")),
        _ => Ok(()),
    }
}
