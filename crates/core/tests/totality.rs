//! Whatever comes, whenever it comes: any sequence of events about any run and build, also ones
//! that no honest shell would report. No panic, and what holds always still holds.

#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used, reason = "helpers of tests")]

mod support;

use std::sync::Arc;
use std::time::Duration;

use bpm_core::config::{Config, GiveUp, Process, RestartPolicy};
use bpm_core::fleet::{
    Action, Boot, BuildFailure, BuildOutcome, Ending, Event, Fleet, Request, Signalled, SpawnError, Typed,
};
use bpm_core::ids::{BuildId, Key, Mode, Name, OpId, RunId, task_name};
use bpm_core::service::TaskRules;
use bpm_core::time::Time;
use proptest::collection::vec;
use proptest::prelude::{Just, Strategy, any, prop, prop_oneof, proptest};
use support::{command, config, rust, secs, words};

const NAMES: [&str; 6] = ["api", "web", "unknown", "t1", "t2", "t3"];

#[derive(Clone, Debug)]
enum Move {
    Take(Event),
    Ask(Request, Option<Key>),
    Wait(Duration),
    /// Jumps to the next deadline.
    Due,
    Die,
    Reboot,
}

fn configs() -> Vec<Config> {
    let give_up = Some(GiveUp { crashes: 2, within: secs(60.0) });
    let mut hasty = config(vec![rust("web"), Process { restart: RestartPolicy::OnFailure, ..rust("api") }]);
    hasty.timing.dev_timeout = secs(30.0);
    hasty.timing.backoff_initial = Duration::ZERO;
    hasty.processes[0].stop.grace = Duration::ZERO;
    vec![
        config(vec![rust("web"), command("api")]),
        config(vec![Process { give_up, ..rust("web") }]),
        config(vec![Process { autostart: false, ..command("api") }]),
        hasty,
        config(vec![]),
    ]
}

fn run_id() -> impl Strategy<Value = RunId> {
    (prop::sample::select(&NAMES), 0..6_u64)
        .prop_map(|(process, number)| RunId { process: Name::from(process), number })
}

fn time() -> impl Strategy<Value = Time> {
    prop_oneof![Just(Time::ZERO), Just(Time::from_nanos(u64::MAX)), any::<u64>().prop_map(Time::from_nanos)]
}

fn build_outcome() -> impl Strategy<Value = BuildOutcome> {
    prop_oneof![
        any::<bool>().prop_map(|artefact| BuildOutcome::Built { artefact }),
        Just(BuildOutcome::Failed(BuildFailure { reason: "error".to_owned() })),
        Just(BuildOutcome::Cancelled),
        Just(BuildOutcome::Lost),
        Just(BuildOutcome::NeverStarted),
    ]
}

fn typed() -> impl Strategy<Value = Typed> {
    prop_oneof![
        Just(Typed::Taken),
        any::<u32>().prop_map(|room| Typed::Full { room }),
        Just(Typed::NoInput),
        Just(Typed::Closed),
        Just(Typed::Unanswered),
    ]
}

fn signalled() -> impl Strategy<Value = Signalled> {
    prop_oneof![
        (0..6_u64).prop_map(|run| Signalled::Sent { run }),
        Just(Signalled::NotRunning),
        Just(Signalled::Unanswered),
    ]
}

/// Most are the next ones, or the first.
fn task() -> impl Strategy<Value = Request> {
    let numbers = prop_oneof![8 => Just(None), 2 => (0..4_u64).prop_map(Some), 1 => Just(Some(u64::MAX))];
    let limits = prop_oneof![
        Just(None),
        Just(Some(Duration::ZERO)),
        Just(Some(Duration::MAX)),
        (0..100_000_u64).prop_map(|ms| Some(Duration::from_millis(ms)))
    ];
    (numbers, limits).prop_map(|(number, kill_after)| Request::RunTask {
        task: number.map_or_else(|| Name::from("next"), task_name),
        rules: TaskRules { kill_after },
    })
}

fn report() -> impl Strategy<Value = Event> {
    let ending = prop_oneof![(0..2).prop_map(Ending::Code), Just(Ending::Signal(9)), Just(Ending::Lost)];
    let error = any::<bool>().prop_map(|permanent| SpawnError { message: "error".to_owned(), permanent });
    let build = (prop::sample::select(&NAMES), 0..6_u64)
        .prop_map(|(process, number)| BuildId { process: Name::from(process), number });
    prop_oneof![
        (build, build_outcome()).prop_map(|(build, outcome)| Event::BuildDone { build, outcome }),
        (run_id(), any::<u32>()).prop_map(|(run, pid)| Event::Spawned { run, pid }),
        (run_id(), error).prop_map(|(run, error)| Event::SpawnFailed { run, error }),
        (run_id(), ending, time(), any::<bool>()).prop_map(|(run, ending, at, tree_empty)| Event::Exited {
            run,
            ending,
            at,
            tree_empty
        }),
        run_id().prop_map(|run| Event::TreeEmpty { run }),
        (run_id(), time()).prop_map(|(run, at)| Event::Lost { run, at }),
        (run_id(), any::<u32>(), time()).prop_map(|(run, pid, started)| Event::Adopted { run, pid, started }),
        run_id().prop_map(|run| Event::NeverStarted { run }),
        (0..40_u64, typed()).prop_map(|(op, outcome)| Event::InputDone { op: OpId(op), outcome }),
        (0..40_u64, signalled()).prop_map(|(op, outcome)| Event::SignalDone { op: OpId(op), outcome }),
        (0..3_u32).prop_map(|connected| Event::Clients { connected }),
    ]
}

fn request() -> impl Strategy<Value = Request> {
    let name = || prop::sample::select(&NAMES).prop_map(Name::from);
    let recipe = prop_oneof![Just(None), Just(Some(Mode::Dev)), Just(Some(Mode::Release))];
    prop_oneof![
        4 => name().prop_map(|process| Request::Start { process }),
        4 => name().prop_map(|process| Request::Stop { process }),
        6 => (name(), recipe).prop_map(|(process, recipe)| Request::Restart { process, recipe }),
        3 => prop::sample::select(configs()).prop_map(|config| Request::Apply { config: Arc::new(config) }),
        1 => Just(Request::Shutdown),
        6 => task(),
        3 => name().prop_map(|process| Request::Input { process }),
        3 => (name(), any::<i32>()).prop_map(|(process, signal)| Request::Signal { process, signal }),
    ]
}

fn key() -> impl Strategy<Value = Option<Key>> {
    prop_oneof![3 => Just(None), 1 => (0..3).prop_map(|key| Some(format!("{key}").into()))]
}

fn one_move() -> impl Strategy<Value = Move> {
    let boot = (any::<bool>(), any::<bool>()).prop_map(|(dev, fresh)| Event::Boot(Boot { dev, fresh }));
    prop_oneof![
        20 => report().prop_map(Move::Take),
        8 => (request(), key()).prop_map(|(what, key)| Move::Ask(what, key)),
        2 => boot.prop_map(Move::Take),
        1 => Just(Move::Take(Event::Activity)),
        2 => Just(Move::Take(Event::Tick)),
        3 => (0..200_000_u64).prop_map(|ms| Move::Wait(Duration::from_millis(ms))),
        6 => Just(Move::Due),
        1 => Just(Move::Die),
        1 => Just(Move::Reboot),
    ]
}

struct Subject {
    config: Config,
    fleet: Fleet,
    now: Time,
    ops: u64,
    open: Vec<OpId>,
}

impl Subject {
    fn make(&mut self, one: Move) {
        match one {
            Move::Take(event) => self.step(event),
            Move::Ask(mut what, key) => {
                if let Request::RunTask { task, .. } = &mut what
                    && &**task == "next"
                {
                    *task = task_name(self.fleet.next_task());
                }
                self.ops += 1;
                let op = OpId(self.ops);
                self.open.push(op);
                if let Request::Apply { config } = &what
                    && !self.fleet.is_closing()
                {
                    self.config = Config::clone(config);
                }
                self.step(Event::Asked { op, key, what });
            }
            Move::Wait(wait) => self.now = self.now + wait,
            Move::Due => {
                self.now = self.fleet.next_deadline().map_or(self.now, |at| self.now.max(at));
                self.step(Event::Tick);
                let left = self.fleet.next_deadline();
                // deadlines stand still at the end of time, 584 years after boot
                let over = self.now == Time::from_nanos(u64::MAX);
                assert!(
                    over || left.is_none_or(|at| at > self.now),
                    "a tick at {:?} left {left:?}",
                    self.now
                );
            }
            Move::Die => {
                let snapshot = self.fleet.snapshot();
                self.fleet = Fleet::restore(&self.config, snapshot.clone(), self.now);
                self.open.clear();
                self.fleet.check().unwrap();
            }
            Move::Reboot => {
                let snapshot = self.fleet.snapshot().at_rest(self.now);
                self.fleet = Fleet::restore(&self.config, snapshot, self.now);
                self.open.clear();
            }
        }
    }

    fn step(&mut self, event: Event) {
        let text = words::event(&event);
        let actions = self.fleet.step(event, self.now);
        if let Err(broken) = self.fleet.check() {
            panic!("after {text}: {broken}");
        }
        for action in &actions {
            if let Action::Finish { op, .. } = action {
                let place = self.open.iter().position(|open| open == op);
                let place = place.unwrap_or_else(|| panic!("after {text}: {op:?} finished twice"));
                self.open.swap_remove(place);
            }
        }
        for service in self.fleet.services() {
            let why = self.fleet.explain(service.name(), self.now).unwrap();
            assert!(!why.reason.is_empty(), "{}", service.name());
        }
    }
}

proptest! {
    #![proptest_config(proptest::test_runner::Config { cases: 1500, failure_persistence: None, ..Default::default() })]

    #[test]
    fn any_event_may_come_at_any_time(first in 0..5_usize, moves in vec(one_move(), 1..60)) {
        let config = configs().swap_remove(first);
        let now = Time::from_nanos(1_000_000_000_000);
        let fleet = Fleet::new(&config, now);
        let mut subject = Subject { config, fleet, now, ops: 0, open: Vec::new() };
        for one in moves {
            subject.make(one);
        }
    }
}
