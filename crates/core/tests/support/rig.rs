//! Drives a [`Fleet`] by hand in virtual time. Every step is followed by the checks that hold always.

use std::sync::Arc;
use std::time::Duration;

use bpm_core::config::Config;
use bpm_core::fleet::{
    Action, Actions, Boot, BuildFailure, BuildOutcome, Ending, Event, Fleet, Outcome, Request, Signalled,
    Snapshot, SpawnError, Typed,
};
use bpm_core::ids::{BuildId, Mode, Name, OpId, RunId, task_name};
use bpm_core::service::{Service, TaskRules, Why};
use bpm_core::time::Time;

use super::{secs, words};

/// Programs have this process id plus their run number.
pub(crate) const PIDS: u32 = 1000;

#[derive(Debug)]
pub(crate) struct Rig {
    pub(crate) fleet: Fleet,
    pub(crate) now: Time,
    ops: u64,
}

impl Rig {
    /// A project that never ran, before `Boot`.
    pub(crate) fn new(config: &Config) -> Rig {
        let now = Time::from_nanos(1_000_000_000_000);
        Rig { fleet: Fleet::new(config, now), now, ops: 0 }
    }

    pub(crate) fn booted(config: &Config) -> (Rig, Actions) {
        let mut rig = Rig::new(config);
        let actions = rig.boot();
        (rig, actions)
    }

    /// Booted, and everything that is wanted is up.
    pub(crate) fn up(config: &Config) -> Rig {
        let (mut rig, actions) = Rig::booted(config);
        rig.cooperate(actions);
        rig
    }

    /// `kill -9` of the manager, and the next one before it heard anything.
    pub(crate) fn die_and_restore(&mut self, config: &Config) {
        self.die_and_restore_from(config, |snapshot| snapshot);
    }

    /// The same from what has become of the snapshot.
    pub(crate) fn die_and_restore_from(&mut self, config: &Config, f: impl FnOnce(Snapshot) -> Snapshot) {
        self.fleet = Fleet::restore(config, f(self.fleet.snapshot()), self.now);
    }

    pub(crate) fn step(&mut self, event: Event) -> Actions {
        let text = words::event(&event);
        let ticked = matches!(event, Event::Tick);
        let actions = self.fleet.step(event, self.now);
        if let Err(broken) = self.fleet.check() {
            panic!("after {text}: {broken}");
        }
        let deadline = self.fleet.next_deadline();
        assert!(
            !ticked || deadline.is_none_or(|at| at > self.now),
            "a tick at {:?} left {deadline:?}",
            self.now
        );
        actions
    }

    pub(crate) fn boot(&mut self) -> Actions {
        self.step(Event::Boot(Boot { dev: false, fresh: false }))
    }

    /// Lets time pass, with a tick at every deadline on the way.
    pub(crate) fn wait(&mut self, wait: Duration) -> Actions {
        let until = self.now + wait;
        let mut all = Actions::new();
        while let Some(at) = self.fleet.next_deadline().filter(|at| *at <= until) {
            self.now = self.now.max(at);
            all.extend(self.step(Event::Tick));
        }
        self.now = until;
        all
    }

    /// Nothing happens for so long, and then exactly that.
    pub(crate) fn wait_secs(&mut self, seconds: f64) -> Actions {
        self.wait(secs(seconds))
    }

    /// Jumps to the next deadline and ticks; says how long that was.
    pub(crate) fn next_tick(&mut self) -> (Duration, Actions) {
        let at = self.fleet.next_deadline().expect("a deadline");
        let wait = at.after(self.now);
        self.now = self.now.max(at);
        (wait, self.step(Event::Tick))
    }

    pub(crate) fn ask(&mut self, what: Request) -> (OpId, Actions) {
        self.ops += 1;
        let op = OpId(self.ops);
        (op, self.step(Event::Asked { op, key: None, what }))
    }

    /// The same as [`Rig::ask`], under an idempotency key.
    pub(crate) fn ask_with_key(&mut self, key: &str, what: Request) -> (OpId, Actions) {
        self.ops += 1;
        let op = OpId(self.ops);
        (op, self.step(Event::Asked { op, key: Some(key.into()), what }))
    }

    /// Asks for the next task; its name, too.
    pub(crate) fn run_task(&mut self, rules: TaskRules) -> (Name, OpId, Actions) {
        let task = task_name(self.fleet.next_task());
        let (op, actions) = self.ask(Request::RunTask { task: task.clone(), rules });
        (task, op, actions)
    }

    pub(crate) fn start(&mut self, process: &str) -> (OpId, Actions) {
        self.ask(Request::Start { process: Name::from(process) })
    }

    pub(crate) fn stop(&mut self, process: &str) -> (OpId, Actions) {
        self.ask(Request::Stop { process: Name::from(process) })
    }

    pub(crate) fn restart(&mut self, process: &str) -> (OpId, Actions) {
        self.ask(Request::Restart { process: Name::from(process), recipe: None })
    }

    pub(crate) fn apply(&mut self, config: Config) -> (OpId, Actions) {
        self.ask(Request::Apply { config: Arc::new(config) })
    }

    pub(crate) fn shutdown(&mut self) -> (OpId, Actions) {
        self.ask(Request::Shutdown)
    }

    pub(crate) fn built(&mut self, process: &str, number: u64) -> Actions {
        let artefact = self.service(process).rules().keeps_artefact;
        self.build_done(process, number, BuildOutcome::Built { artefact })
    }

    pub(crate) fn build_failed(&mut self, process: &str, number: u64) -> Actions {
        let failure = BuildFailure { reason: format!("error in build {number}") };
        self.build_done(process, number, BuildOutcome::Failed(failure))
    }

    pub(crate) fn build_done(&mut self, process: &str, number: u64, outcome: BuildOutcome) -> Actions {
        self.step(Event::BuildDone { build: BuildId { process: Name::from(process), number }, outcome })
    }

    pub(crate) fn spawned(&mut self, process: &str, number: u64) -> Actions {
        self.step(Event::Spawned { run: run(process, number), pid: pid(number) })
    }

    pub(crate) fn spawn_failed(&mut self, process: &str, number: u64, permanent: bool) -> Actions {
        let message = if permanent { "no such program" } else { "out of processes" }.to_owned();
        let error = SpawnError { message, permanent };
        self.step(Event::SpawnFailed { run: run(process, number), error })
    }

    /// The leader ends and leaves nothing behind.
    pub(crate) fn exits(&mut self, process: &str, number: u64, code: i32) -> Actions {
        self.exited(process, number, code, true)
    }

    pub(crate) fn exited(&mut self, process: &str, number: u64, code: i32, tree_empty: bool) -> Actions {
        let (run, ending, at) = (run(process, number), Ending::Code(code), self.now);
        self.step(Event::Exited { run, ending, at, tree_empty })
    }

    pub(crate) fn tree_empty(&mut self, process: &str, number: u64) -> Actions {
        self.step(Event::TreeEmpty { run: run(process, number) })
    }

    pub(crate) fn lost(&mut self, process: &str, number: u64) -> Actions {
        self.step(Event::Lost { run: run(process, number), at: self.now })
    }

    pub(crate) fn adopted(&mut self, process: &str, number: u64, started: Time) -> Actions {
        self.step(Event::Adopted { run: run(process, number), pid: pid(number), started })
    }

    pub(crate) fn never_started(&mut self, process: &str, number: u64) -> Actions {
        self.step(Event::NeverStarted { run: run(process, number) })
    }

    /// Performs what is asked with success and without delay, until nothing more is asked.
    pub(crate) fn cooperate(&mut self, actions: Actions) -> Actions {
        let mut seen = actions.clone();
        let mut todo = actions;
        for _ in 0..1000 {
            let mut next = Actions::new();
            for action in todo {
                next.extend(self.perform(&action));
            }
            if next.is_empty() {
                return seen;
            }
            seen.extend(next.clone());
            todo = next;
        }
        panic!("it never comes to rest: {}", words::fleet(&self.fleet, self.now));
    }

    fn perform(&mut self, action: &Action) -> Actions {
        match action {
            Action::Build { build, .. } => self.built(&build.process, build.number),
            Action::CancelBuild { build } | Action::KillBuild { build } => {
                self.build_done(&build.process, build.number, BuildOutcome::Cancelled)
            }
            Action::Spawn { run, .. } => self.spawned(&run.process, run.number),
            Action::Terminate { run, .. } | Action::Kill { run } => self.exits(&run.process, run.number, 0),
            Action::Input { op, .. } => self.step(Event::InputDone { op: *op, outcome: Typed::Taken }),
            Action::Signal { run, op, .. } => {
                self.step(Event::SignalDone { op: *op, outcome: Signalled::Sent { run: run.number } })
            }
            Action::Finish { .. } | Action::Note(_) | Action::Quit => Actions::new(),
        }
    }

    pub(crate) fn service(&self, process: &str) -> &Service {
        self.fleet.service(process).unwrap_or_else(|| panic!("no process `{process}`"))
    }

    /// The number of the live run if it is ready.
    pub(crate) fn ready(&self, process: &str) -> Option<u64> {
        self.service(process).live().filter(|run| run.is_ready()).map(|run| run.number)
    }

    pub(crate) fn why(&self, process: &str) -> Why {
        self.fleet.explain(process, self.now).expect("a known process")
    }

    pub(crate) fn mode(&self) -> Mode {
        self.fleet.mode()
    }
}

pub(crate) fn run(process: &str, number: u64) -> RunId {
    RunId { process: Name::from(process), number }
}

pub(crate) fn pid(number: u64) -> u32 {
    PIDS + u32::try_from(number).expect("small numbers")
}

/// What is to be performed, in words, without notes and outcomes.
pub(crate) fn does(actions: &[Action]) -> Vec<String> {
    actions
        .iter()
        .filter(|action| !matches!(action, Action::Note(_) | Action::Finish { .. }))
        .map(words::action)
        .collect()
}

/// The outcomes of the operations that finished.
pub(crate) fn finished(actions: &[Action]) -> Vec<(OpId, Outcome)> {
    actions
        .iter()
        .filter_map(|action| match action {
            Action::Finish { op, outcome } => Some((*op, outcome.clone())),
            _ => None,
        })
        .collect()
}

/// The only outcome among the actions, in words.
pub(crate) fn outcome(actions: &[Action]) -> String {
    match finished(actions).as_slice() {
        [(_, outcome)] => words::outcome(outcome),
        other => panic!("expected one outcome, found {other:?}"),
    }
}
