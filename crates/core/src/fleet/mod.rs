//! All processes of one project: its mode, start-up, release switch and shutdown.
//!
//! The surface is [`Fleet::step`], [`Fleet::next_deadline`] and [`Fleet::explain`]. Every pair of
//! state and event has an answer; a report about a run that is gone is ignored, by its number, in
//! [`Service::run_mut`](crate::service::Service) and nowhere else.

mod event;
mod idle;
mod sending;
mod snapshot;
mod tasks;

pub use crate::signals::signal_name;
pub use event::{
    Action, Applied, Boot, BuildFailure, BuildOutcome, Change, Ending, Event, Note, Outcome, Request,
    Signalled, SpawnError, Typed,
};
pub use snapshot::{Found, Snapshot};
pub use tasks::MAX_TASKS;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use crate::config::Config;
use crate::ids::{Key, Mode, Name, OpId};
use crate::service::{Around, Intent, Rules, Service, ServiceSnapshot, Why};
use crate::time::Time;

use sending::{Early, Seen, Sending};

/// What a step wants done, in order.
pub type Actions = Vec<Action>;

/// The state of a whole project.
#[derive(Clone, Debug)]
pub struct Fleet {
    services: Vec<Service>,
    places: BTreeMap<Name, usize>,
    /// The numbers of names that were configured once.
    departed: BTreeMap<Name, ServiceSnapshot>,
    config: Config,
    mode: Mode,
    mode_since: Time,
    last_activity: Time,
    /// Begun: reports before that only fill in what is found alive.
    booted: bool,
    closing: Option<Closing>,
    shutdown_ops: Vec<OpId>,
    /// The number of the next task.
    next_task: u64,
    /// Keys of the last requests, and what they were about.
    keys: VecDeque<(Key, Name)>,
    /// So many of them, the first, are of the manager before.
    keys_before: usize,
    /// Input and signals that are on their way.
    sending: BTreeSet<OpId>,
    early: Vec<Early>,
    clients: u32,
    /// Since when there has been nothing to do and nobody to do it for.
    idle_since: Option<Time>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Closing {
    Ending,
    Ended,
}

impl Fleet {
    pub fn new(config: &Config, now: Time) -> Fleet {
        Fleet::restore(config, Snapshot::empty(now), now)
    }

    /// Goes on from what the manager before wrote down. Feed `Adopted`, `Exited`, `Lost`, `NeverStarted`
    /// and `BuildDone` for what became of its runs and builds, then `Boot`.
    pub fn restore(config: &Config, snapshot: Snapshot, now: Time) -> Fleet {
        let mut known: BTreeMap<Name, _> =
            snapshot.services.into_iter().map(|service| (service.name.clone(), service)).collect();
        let mut services: Vec<Service> = Vec::with_capacity(config.processes.len());
        for process in &config.processes {
            let (name, rules) = (Name::from(process.name.as_str()), Rules::of(process));
            services.push(match known.remove(&name) {
                Some(before) => Service::restore(rules, before, now),
                None => Service::new(name, rules),
            });
        }
        // what is no longer configured but may still run is ended at boot, with the rules of a default process
        let mut departed = BTreeMap::new();
        for before in known.into_values() {
            if let Some(task) = before.task {
                // one that was accepted and not yet begun is begun; how the others ended is on disk
                let lives = before.may_live() || before.next.is_some();
                services.extend(lives.then(|| Service::restore(Rules::of_task(task), before, now)));
                continue;
            }
            if !before.may_live() {
                departed.insert(before.name.clone(), before.departed());
                continue;
            }
            let mut service = Service::restore(Rules::unconfigured(), before, now);
            service.leaving = true;
            services.push(service);
        }
        let mut fleet = Fleet {
            services,
            places: BTreeMap::new(),
            departed,
            config: config.clone(),
            mode: snapshot.mode,
            mode_since: snapshot.mode_since,
            last_activity: snapshot.last_activity,
            booted: false,
            closing: None,
            shutdown_ops: Vec::new(),
            next_task: snapshot.next_task,
            keys_before: snapshot.keys.len(),
            keys: snapshot.keys.into(),
            sending: BTreeSet::new(),
            early: Vec::new(),
            clients: 0,
            idle_since: None,
        };
        fleet.renumber();
        fleet
    }

    /// The only way in. Total: whatever comes, whenever it comes.
    #[must_use = "actions that are not performed are lost"]
    pub fn step(&mut self, event: Event, now: Time) -> Actions {
        let mut out = Vec::new();
        match event {
            Event::Boot(boot) => self.boot(boot, now, &mut out),
            Event::Asked { op, key, what } => self.asked(op, key, what, now, &mut out),
            Event::InputDone { op, outcome } => self.sent(op, Outcome::Typed(outcome), &mut out),
            Event::SignalDone { op, outcome } => self.sent(op, Outcome::Signalled(outcome), &mut out),
            Event::Clients { connected } => self.clients = connected,
            Event::Activity => self.activity(now),
            Event::Tick => self.tick(now, &mut out),
            Event::BuildDone { build, outcome } => {
                self.with(&build.process, now, &mut out, |service, around, out| {
                    service.build_done(build.number, outcome, around, out);
                });
            }
            report => self.run_report(report, now, &mut out),
        }
        self.after_step(now, &mut out);
        out
    }

    fn run_report(&mut self, report: Event, now: Time, out: &mut Actions) {
        match report {
            Event::Spawned { run, pid } => {
                self.with(&run.process, now, out, |s, around, out| s.spawned(run.number, pid, around, out));
            }
            Event::SpawnFailed { run, error } => {
                self.with(&run.process, now, out, |s, around, out| {
                    s.spawn_failed(run.number, error, around, out);
                });
            }
            Event::Exited { run, ending, at, tree_empty } => {
                self.with(&run.process, now, out, |service, around, out| {
                    service.exited(run.number, ending, at, around, out);
                    match tree_empty {
                        true => service.tree_empty(run.number, around, out),
                        false => service.end_leftovers(run.number, out),
                    }
                });
            }
            Event::TreeEmpty { run } => {
                self.with(&run.process, now, out, |s, around, out| s.tree_empty(run.number, around, out));
            }
            Event::Lost { run, at } => {
                self.with(&run.process, now, out, |service, around, out| {
                    service.exited(run.number, Ending::Lost, at, around, out);
                    service.tree_empty(run.number, around, out);
                });
            }
            Event::Adopted { run, pid, started } => {
                self.with(&run.process, now, out, |s, around, out| {
                    s.adopted(run.number, pid, started, around, out);
                });
            }
            Event::NeverStarted { run } => {
                self.with(&run.process, now, out, |service, _, _| service.never_started(run.number));
            }
            Event::Boot(_)
            | Event::Asked { .. }
            | Event::BuildDone { .. }
            | Event::InputDone { .. }
            | Event::SignalDone { .. }
            | Event::Activity
            | Event::Clients { .. }
            | Event::Tick => {}
        }
    }

    /// When to send [`Event::Tick`], if nothing else happens before.
    pub fn next_deadline(&self) -> Option<Time> {
        if !self.booted {
            return None;
        }
        self.services
            .iter()
            .filter_map(Service::next_deadline)
            .chain(self.release_switch_at())
            .chain(self.idle_exit_at())
            .min()
    }

    /// Why a process is or is not running.
    pub fn explain(&self, process: &str, now: Time) -> Option<Why> {
        self.service(process).map(|service| service.explain(self.mode, now))
    }

    pub fn service(&self, process: &str) -> Option<&Service> {
        self.places.get(process).map(|place| &self.services[*place])
    }

    /// In the order of the configuration.
    pub fn services(&self) -> &[Service] {
        &self.services
    }

    pub fn mode(&self) -> Mode {
        self.mode
    }

    pub fn mode_since(&self) -> Time {
        self.mode_since
    }

    pub fn is_closing(&self) -> bool {
        self.closing.is_some()
    }

    /// When the project goes back to release mode if nobody uses a tool until then.
    pub fn release_switch_at(&self) -> Option<Time> {
        let dev = self.mode == Mode::Dev && self.closing.is_none();
        dev.then(|| self.last_activity + self.config.timing.dev_timeout)
    }

    pub fn snapshot(&self) -> Snapshot {
        Snapshot {
            mode: self.mode,
            mode_since: self.mode_since,
            last_activity: self.last_activity,
            // what outlived KILL must be looked for, so that nothing is started beside it
            ended: self.closing == Some(Closing::Ended) && self.services.iter().all(Service::is_quiet),
            services: self
                .services
                .iter()
                .map(Service::snapshot)
                .chain(self.departed.values().cloned())
                .collect(),
            next_task: self.next_task,
            keys: self.keys.iter().cloned().collect(),
        }
    }

    fn renumber(&mut self) {
        self.places = self.services.iter().enumerate().map(|(place, s)| (s.name().clone(), place)).collect();
    }

    /// Runs `f` on one service and lets it take the step that follows.
    fn with(
        &mut self,
        name: &Name,
        now: Time,
        out: &mut Actions,
        f: impl FnOnce(&mut Service, Around<'_>, &mut Actions),
    ) {
        let Some(place) = self.places.get(name).copied() else { return };
        let around =
            Around { now, mode: self.mode, timing: &self.config.timing, closing: self.closing.is_some() };
        let service = &mut self.services[place];
        f(service, around, out);
        if self.booted {
            service.reconcile(around, out);
        }
    }

    fn with_all(&mut self, now: Time, out: &mut Actions, f: impl Fn(&mut Service, Around<'_>, &mut Actions)) {
        for place in 0..self.services.len() {
            let name = self.services[place].name().clone();
            self.with(&name, now, out, &f);
        }
    }

    fn boot(&mut self, boot: Boot, now: Time, out: &mut Actions) {
        if self.booted {
            return;
        }
        self.booted = true;
        if boot.fresh {
            // what somebody has only just stopped stays so
            let old = |service: &&mut Service| service.intent == Intent::Down && service.stop_ops.is_empty();
            for service in self.services.iter_mut().filter(old) {
                service.intent = if service.rules.autostart { Intent::Up } else { Intent::Idle };
            }
        }
        if boot.dev {
            self.enter(Mode::Dev, now, out);
            self.last_activity = now;
        }
        self.with_all(now, out, |service, around, out| {
            if service.leaving {
                service.leave(around, out);
            }
        });
    }

    fn asked(&mut self, op: OpId, key: Option<Key>, what: Request, now: Time, out: &mut Actions) {
        self.last_activity = now;
        if self.closing.is_some() && !matches!(what, Request::Shutdown) {
            return out.push(Action::Finish { op, outcome: Outcome::Closing });
        }
        let process = match what {
            Request::Shutdown => return self.shut_down(op, now, out),
            Request::Apply { config } => return self.apply(op, &config, now, out),
            Request::RunTask { task, rules } => return self.run_task(op, &task, rules, now, out),
            Request::Start { ref process }
            | Request::Stop { ref process }
            | Request::Input { ref process }
            | Request::Signal { ref process, .. }
            | Request::Restart { ref process, .. } => process.clone(),
        };
        let Some(service) = self.service(&process).filter(|service| !service.leaving) else {
            let known = self.services.iter().filter(|s| !s.leaving && s.rules.task.is_none());
            let known = known.map(|s| s.name().clone()).collect();
            return out.push(Action::Finish { op, outcome: Outcome::NoSuchProcess { known } });
        };
        let is_task = service.rules.task.is_some();
        if let Some(what) = Sending::of(&what) {
            return self.send(op, &process, key, what, out);
        }
        let again = self.seen(key, &process) != Seen::New;
        match what {
            Request::Start { .. } | Request::Restart { .. } if is_task => {
                out.push(Action::Finish { op, outcome: Outcome::IsTask });
            }
            Request::Restart { .. } if again => {
                self.with(&process, now, out, |service, _, out| service.join_restart(op, out));
            }
            Request::Restart { recipe, .. } => self.restart(op, &process, recipe, now, out),
            Request::Start { .. } => {
                self.with(&process, now, out, |service, around, out| service.start(op, around, out));
            }
            Request::Stop { .. } => {
                self.with(&process, now, out, |service, around, out| service.stop(op, around, out));
            }
            Request::Apply { .. }
            | Request::Shutdown
            | Request::RunTask { .. }
            | Request::Input { .. }
            | Request::Signal { .. } => {}
        }
    }

    fn restart(&mut self, op: OpId, process: &Name, recipe: Option<Mode>, now: Time, out: &mut Actions) {
        self.enter(Mode::Dev, now, out);
        self.with_all(now, out, |service, around, out| {
            if *service.name() != *process {
                service.abandon_release_switch(around, out);
            }
        });
        self.with(process, now, out, |service, around, out| {
            service.restart(recipe.unwrap_or(Mode::Dev), op, around, out);
        });
    }

    fn activity(&mut self, now: Time) {
        self.last_activity = self.last_activity.max(now);
    }

    fn tick(&mut self, now: Time, out: &mut Actions) {
        if !self.booted {
            return;
        }
        if self.release_switch_at().is_some_and(|at| at <= now) {
            self.enter(Mode::Release, now, out);
            self.with_all(now, out, Service::switch_to_release);
        }
        if self.idle_exit_at().is_some_and(|at| at <= now) {
            return self.close(now, out);
        }
        self.with_all(now, out, Service::tick);
    }

    fn enter(&mut self, mode: Mode, now: Time, out: &mut Actions) {
        if self.mode != mode {
            self.mode = mode;
            self.mode_since = now;
            out.push(Action::Note(Note { process: None, change: Change::ModeChanged { to: mode } }));
        }
    }

    /// Ends everything, the last configured first. A second request does not wait for anybody.
    fn shut_down(&mut self, op: OpId, now: Time, out: &mut Actions) {
        self.shutdown_ops.push(op);
        self.close(now, out);
    }

    fn close(&mut self, now: Time, out: &mut Actions) {
        self.booted = true;
        let again = self.closing.is_some();
        self.closing.get_or_insert(Closing::Ending);
        if !again {
            out.push(Action::Note(Note { process: None, change: Change::Closing }));
        }
        for place in (0..self.services.len()).rev() {
            let name = self.services[place].name().clone();
            self.with(&name, now, out, |service, around, out| match again {
                true => service.kill_all(now, out),
                false => service.shut_down(around, out),
            });
        }
    }

    fn apply(&mut self, op: OpId, config: &Arc<Config>, now: Time, out: &mut Actions) {
        let mut applied = Applied::default();
        let before = std::mem::replace(&mut self.config, Config::clone(config));
        for process in &config.processes {
            let (name, rules) = (Name::from(process.name.as_str()), Rules::of(process));
            match self.service(&name).map(|service| service.leaving) {
                None => self.add(name.clone(), rules, now),
                Some(_) => {
                    self.with(&name, now, out, |service, around, out| service.configure(rules, around, out));
                }
            }
            match before.process(&name) {
                None => applied.added.push(name.clone()),
                Some(old) if old != process => applied.changed.push(name.clone()),
                Some(_) => {}
            }
            self.with(&name, now, out, |_, _, _| {}); // lets it take its first step
        }
        let configured = |name: &str| config.process(name).is_some();
        let gone = |service: &&Service| {
            !configured(service.name()) && !service.leaving && service.rules.task.is_none()
        };
        applied.removed = self.services.iter().filter(gone).map(|service| service.name().clone()).collect();
        for name in &applied.removed {
            self.with(name, now, out, Service::leave);
        }
        out.push(Action::Finish { op, outcome: Outcome::Applied(applied) });
    }

    fn add(&mut self, name: Name, rules: Rules, now: Time) {
        self.services.push(match self.departed.remove(&name) {
            Some(before) => Service::restore(rules, before, now),
            None => Service::new(name, rules),
        });
        self.renumber();
    }

    /// Services that left are dropped once nothing of them is left; a shutdown ends when all is quiet.
    fn after_step(&mut self, now: Time, out: &mut Actions) {
        self.send_early(out);
        if self.booted {
            self.drop_departed(out);
        }
        self.note_idleness(now);
        let all_ended = self.services.iter().all(Service::is_quiet_or_stuck);
        let Some(closing) = self.closing.filter(|_| all_ended) else { return };
        let stuck: Vec<Name> =
            self.services.iter().filter(|s| !s.is_quiet()).map(|s| s.name().clone()).collect();
        let ended = |op| Action::Finish { op, outcome: Outcome::Ended { stuck: stuck.clone() } };
        out.extend(self.shutdown_ops.drain(..).map(ended));
        if closing == Closing::Ending {
            self.closing = Some(Closing::Ended);
            out.push(Action::Quit);
        }
    }

    fn drop_departed(&mut self, out: &mut Actions) {
        let gone = |s: &Service| (s.leaving && s.is_quiet()) || s.is_finished_task();
        if !self.services.iter().any(gone) {
            return;
        }
        for mut service in self.services.extract_if(.., |service| gone(service)) {
            if service.rules.task.is_some() {
                service.tell_end(out);
            } else {
                self.departed.insert(service.name().clone(), service.snapshot().departed());
            }
        }
        self.renumber();
    }

    /// What must hold after every step; for simulation and fuzzing.
    pub fn check(&self) -> Result<(), String> {
        self.services.iter().try_for_each(Service::check)
    }
}
