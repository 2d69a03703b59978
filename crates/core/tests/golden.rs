//! Every phase that a process can be in × every event, as text that a person can read and review:
//! a change of the machine shows up as a change of `snapshots/golden__table.snap` and `golden__tasks.snap`.

#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used, reason = "helpers of tests")]

mod support;

use std::fmt::Write;
use std::sync::Arc;

use bpm_core::config::{Config, GiveUp, Process, RestartPolicy};
use bpm_core::fleet::{
    Boot, BuildFailure, BuildOutcome, Ending, Event, Fleet, Request, Signalled, SpawnError, Typed,
};
use bpm_core::ids::{BuildId, Mode, Name, OpId};
use bpm_core::service::TaskRules;
use support::rig::{Rig, pid, run};
use support::{config, rust, secs, words};

const P: &str = "web";

/// The first task's name.
const T: &str = "t1";

type Path = fn(&mut Rig);

/// A name for each reachable phase, and a way to get there.
const STATES: &[(&str, Path)] = &[
    ("not booted, never ran", |_| {}),
    ("first build", first_build),
    ("first build again, behind a cancelled one", |rig| {
        first_build(rig);
        rig.restart(P);
    }),
    ("first build was cancelled and killed", |rig| {
        first_build(rig);
        rig.restart(P);
        rig.wait_secs(2.0);
    }),
    ("spawning", spawning),
    ("spawning, next building", |rig| {
        spawning(rig);
        rig.restart(P);
    }),
    ("spawning, told to stop", |rig| {
        spawning(rig);
        rig.stop(P);
    }),
    ("ready", ready),
    ("ready, next building", |rig| {
        ready(rig);
        rig.restart(P);
    }),
    ("ready, next queued behind a cancelled build", |rig| {
        ready(rig);
        rig.restart(P);
        rig.restart(P);
    }),
    ("ready in dev mode", ready_in_dev),
    ("ready in dev mode, release switch building", |rig| {
        ready_in_dev(rig);
        rig.wait_secs(3.0 * 3600.0);
    }),
    ("swap: waiting for the old run", swapping),
    ("swap: waiting, the old run's leader has ended", |rig| {
        swapping(rig);
        rig.exited(P, 1, 0, false);
    }),
    ("swap: waiting, next building", |rig| {
        swapping(rig);
        rig.restart(P);
    }),
    ("swap: waiting, the old run killed", |rig| {
        swapping(rig);
        rig.wait_secs(5.0);
    }),
    ("swap: waiting, the old run stuck", |rig| {
        swapping(rig);
        rig.wait_secs(10.0);
    }),
    ("stopping", stopping),
    ("stopping, then started: next building", |rig| {
        stopping(rig);
        rig.start(P);
    }),
    ("stopping: killed", |rig| {
        stopping(rig);
        rig.wait_secs(5.0);
    }),
    ("stopping: stuck", |rig| {
        stopping(rig);
        rig.wait_secs(10.0);
    }),
    ("stopped by hand", |rig| {
        stopping(rig);
        rig.exits(P, 1, 0);
    }),
    ("crashed, leftovers stopping", leftovers),
    ("crashed, leftovers killed", |rig| {
        leftovers(rig);
        rig.wait_secs(5.0);
    }),
    ("crashed, leftovers stuck", |rig| {
        leftovers(rig);
        rig.wait_secs(10.0);
    }),
    ("crashed, restart due", |rig| {
        ready(rig);
        rig.exits(P, 1, 1);
    }),
    ("crashed, restart due, next building", |rig| {
        ready(rig);
        rig.restart(P);
        rig.exits(P, 1, 1);
    }),
    ("crash restart spawning", |rig| {
        ready(rig);
        rig.exits(P, 1, 1);
        rig.wait_secs(1.0);
    }),
    ("crash restart ready, next building", |rig| {
        ready(rig);
        rig.restart(P);
        rig.exits(P, 1, 1);
        rig.wait_secs(120.0);
        rig.spawned(P, 2);
    }),
    ("parked: first build failed", |rig| {
        first_build(rig);
        rig.build_failed(P, 1);
    }),
    ("parked: first build failed, next building", |rig| {
        first_build(rig);
        rig.build_failed(P, 1);
        rig.restart(P);
    }),
    ("parked: cannot be started", |rig| {
        spawning(rig);
        rig.spawn_failed(P, 1, true);
    }),
    ("parked: crash-looping", |rig| {
        rig.apply(giving_up());
        ready(rig);
        rig.exits(P, 1, 1);
    }),
    ("ended, and the policy leaves it", |rig| {
        rig.apply(never_restarting());
        ready(rig);
        rig.exits(P, 1, 0);
    }),
    ("idle", |rig| {
        let idle = config(vec![Process { autostart: false, ..rust(P) }]);
        *rig = Rig::booted(&idle).0;
    }),
    ("not booted, a run may be there", |rig| {
        ready(rig);
        rig.die_and_restore(&plain());
    }),
    ("not booted, a run that was being swapped may be there", |rig| {
        swapping(rig);
        rig.die_and_restore(&plain());
    }),
    ("not booted, a run that was being stopped may be there", |rig| {
        stopping(rig);
        rig.die_and_restore(&plain());
    }),
    ("not booted, a build may be there", |rig| {
        first_build(rig);
        rig.die_and_restore(&plain());
    }),
    ("booted, what became of a run is still unknown", |rig| {
        ready(rig);
        rig.die_and_restore(&plain());
        rig.boot();
    }),
    ("removed from the configuration", |rig| {
        ready(rig);
        rig.apply(config(vec![]));
    }),
    ("shutting down", |rig| {
        ready(rig);
        rig.shutdown();
    }),
    ("shutting down: killed", |rig| {
        ready(rig);
        rig.shutdown();
        rig.shutdown();
    }),
    ("shut down", |rig| {
        ready(rig);
        rig.shutdown();
        rig.exits(P, 1, 0);
    }),
];

/// The same for a background task.
const TASK_STATES: &[(&str, Path)] = &[
    ("accepted before the boot", |rig| {
        *rig = Rig::new(&config(vec![]));
        rig.run_task(TaskRules::default());
    }),
    ("spawning", |rig| {
        rig.run_task(TaskRules::default());
    }),
    ("spawning, told to stop", |rig| {
        rig.run_task(TaskRules::default());
        rig.stop(T);
    }),
    ("running", |rig| running(rig, TaskRules::default())),
    ("running, time limit near", |rig| {
        running(rig, TaskRules { kill_after: Some(secs(30.0)) });
        rig.wait_secs(29.0);
    }),
    ("leaderless", leaderless),
    ("leaderless, time limit near", |rig| {
        running(rig, TaskRules { kill_after: Some(secs(30.0)) });
        rig.exited(T, 1, 0, false);
        rig.wait_secs(29.0);
    }),
    ("time limit: stopping", |rig| {
        running(rig, TaskRules { kill_after: Some(secs(30.0)) });
        rig.wait_secs(30.0);
    }),
    ("stopping", |rig| {
        running(rig, TaskRules::default());
        rig.stop(T);
    }),
    ("stopping, its leader has ended", |rig| {
        running(rig, TaskRules::default());
        rig.stop(T);
        rig.exited(T, 1, 0, false);
    }),
    ("stopping: killed", |rig| {
        running(rig, TaskRules::default());
        rig.stop(T);
        rig.wait_secs(5.0);
    }),
    ("stopping: stuck", |rig| {
        running(rig, TaskRules::default());
        rig.stop(T);
        rig.wait_secs(10.0);
    }),
    ("not booted, it may be there", |rig| {
        running(rig, TaskRules::default());
        rig.die_and_restore(&config(vec![]));
    }),
    ("not booted, it was leaderless", |rig| {
        leaderless(rig);
        rig.die_and_restore(&config(vec![]));
    }),
    ("not booted, it was being stopped", |rig| {
        running(rig, TaskRules::default());
        rig.stop(T);
        rig.die_and_restore(&config(vec![]));
    }),
    ("booted, what became of it is still unknown", |rig| {
        running(rig, TaskRules::default());
        rig.die_and_restore(&config(vec![]));
        rig.boot();
    }),
    ("shutting down", |rig| {
        running(rig, TaskRules::default());
        rig.shutdown();
    }),
    ("over", |rig| {
        running(rig, TaskRules::default());
        rig.exits(T, 1, 0);
    }),
];

fn running(rig: &mut Rig, rules: TaskRules) {
    rig.run_task(rules);
    rig.spawned(T, 1);
}

fn leaderless(rig: &mut Rig) {
    running(rig, TaskRules::default());
    rig.exited(T, 1, 0, false);
}

fn plain() -> Config {
    config(vec![rust(P)])
}

fn giving_up() -> Config {
    config(vec![Process { give_up: Some(GiveUp { crashes: 1, within: secs(60.0) }), ..rust(P) }])
}

fn never_restarting() -> Config {
    config(vec![Process { restart: RestartPolicy::Never, ..rust(P) }])
}

fn first_build(rig: &mut Rig) {
    rig.boot();
}

fn spawning(rig: &mut Rig) {
    first_build(rig);
    rig.built(P, 1);
}

fn ready(rig: &mut Rig) {
    spawning(rig);
    rig.spawned(P, 1);
}

fn ready_in_dev(rig: &mut Rig) {
    ready(rig);
    let (_, actions) = rig.restart(P);
    rig.cooperate(actions);
}

fn swapping(rig: &mut Rig) {
    ready(rig);
    rig.restart(P);
    rig.built(P, 2);
}

fn stopping(rig: &mut Rig) {
    ready(rig);
    rig.stop(P);
}

fn leftovers(rig: &mut Rig) {
    ready(rig);
    rig.exited(P, 1, 1, false);
}

fn requests(of: &str) -> Vec<(String, Event)> {
    let process = Name::from(of);
    let op = OpId(99);
    let applied = if of == P { plain() } else { config(vec![]) };
    let asked = |what| Event::Asked { op, key: None, what };
    vec![
        ("boot".into(), Event::Boot(Boot { dev: false, fresh: false })),
        ("boot --dev".into(), Event::Boot(Boot { dev: true, fresh: false })),
        ("boot --fresh".into(), Event::Boot(Boot { dev: false, fresh: true })),
        ("start".into(), asked(Request::Start { process: process.clone() })),
        ("stop".into(), asked(Request::Stop { process: process.clone() })),
        ("restart".into(), asked(Request::Restart { process: process.clone(), recipe: None })),
        (
            "restart --release".into(),
            asked(Request::Restart { process: process.clone(), recipe: Some(Mode::Release) }),
        ),
        ("start of another".into(), asked(Request::Start { process: Name::from("other") })),
        ("apply the same".into(), asked(Request::Apply { config: Arc::new(applied) })),
        ("apply nothing".into(), asked(Request::Apply { config: Arc::new(config(vec![])) })),
        ("shutdown".into(), asked(Request::Shutdown)),
        ("activity".into(), Event::Activity),
        ("tick, too early".into(), Event::Tick),
    ]
}

/// What only concerns tasks and input; apart, so that the first table stays as long as it is.
fn requests_about_tasks() -> Vec<(String, Event)> {
    let asked = |what| Event::Asked { op: OpId(99), key: None, what };
    let rules = TaskRules::default();
    vec![
        ("run under the same number".into(), asked(Request::RunTask { task: Name::from(T), rules })),
        ("input".into(), asked(Request::Input { process: Name::from(T) })),
        ("signal".into(), asked(Request::Signal { process: Name::from(T), signal: 1 })),
        (
            "signal done that nobody sent".into(),
            Event::SignalDone { op: OpId(98), outcome: Signalled::NotRunning },
        ),
        ("input done that nobody sent".into(), Event::InputDone { op: OpId(98), outcome: Typed::Taken }),
    ]
}

fn build_reports(number: u64) -> Vec<(String, Event)> {
    let outcomes = [
        ("good", BuildOutcome::Built { artefact: true }),
        ("failed", BuildOutcome::Failed(BuildFailure { reason: "error".into() })),
        ("cancelled", BuildOutcome::Cancelled),
        ("lost", BuildOutcome::Lost),
        ("never began", BuildOutcome::NeverStarted),
    ];
    let report = |(word, outcome)| {
        let build = BuildId { process: Name::from(P), number };
        (format!("build {number}: {word}"), Event::BuildDone { build, outcome })
    };
    outcomes.into_iter().map(report).collect()
}

fn run_reports(rig: &Rig, of: &str, number: u64) -> Vec<(String, Event)> {
    let at = rig.now;
    let exited = |code, tree_empty| {
        let ending = Ending::Code(code);
        Event::Exited { run: run(of, number), ending, at, tree_empty }
    };
    let failed = |permanent| {
        let error = SpawnError { message: "error".into(), permanent };
        Event::SpawnFailed { run: run(of, number), error }
    };
    let reports = [
        ("spawned", Event::Spawned { run: run(of, number), pid: pid(number) }),
        ("not started", failed(false)),
        ("can never start", failed(true)),
        ("exits 0", exited(0, true)),
        ("exits 1", exited(1, true)),
        ("exits 1, leaving some", exited(1, false)),
        ("tree empty", Event::TreeEmpty { run: run(of, number) }),
        ("lost", Event::Lost { run: run(of, number), at }),
        ("found alive", Event::Adopted { run: run(of, number), pid: pid(number), started: at }),
        ("found not started", Event::NeverStarted { run: run(of, number) }),
    ];
    reports.into_iter().map(|(word, event)| (format!("run {number}: {word}"), event)).collect()
}

fn events(rig: &Rig, of: &str) -> Vec<(String, Event)> {
    let mut events = requests(of);
    if of == T {
        events.extend(requests_about_tasks());
    }
    let Some(service) = rig.fleet.service(of) else { return events };
    if of == P {
        events.extend([1, 2, 99].into_iter().flat_map(build_reports));
    }
    let runs = service.live().into_iter().chain(service.retiring()).map(|run| run.number);
    events.extend(runs.chain([99]).flat_map(|number| run_reports(rig, of, number)));
    events
}

fn table(of: &str, states: &[(&str, Path)], start: impl Fn() -> Rig) -> String {
    let mut text = String::new();
    for (name, path) in states {
        let mut rig = start();
        path(&mut rig);
        let before = words::fleet(&rig.fleet, rig.now);
        writeln!(text, "\n== {name}\n   {before}").unwrap();
        let mut ignored = Vec::new();
        for (word, event) in events(&rig, of) {
            let (after, done) = take(&rig.fleet, event, &rig);
            if done == "-" && after == before {
                ignored.push(word);
                continue;
            }
            let state = if after == before { "=".to_owned() } else { after };
            writeln!(text, "   × {word} → {state}; {done}").unwrap();
        }
        if let Some(at) = rig.fleet.next_deadline() {
            let wait = at.after(rig.now);
            rig.now = rig.now + wait;
            let (after, done) = take(&rig.fleet, Event::Tick, &rig);
            writeln!(text, "   × {:.1} s later → {after}; {done}", wait.as_secs_f64()).unwrap();
        }
        writeln!(text, "   ignored: {}", shortened(&ignored)).unwrap();
    }
    text
}

/// `run 1: a, b` instead of `run 1: a, run 1: b`; the reports about runs and builds that never were
/// are all ignored, always, or the table would show them.
fn shortened(words: &[String]) -> String {
    let mut groups: Vec<(&str, Vec<&str>)> = Vec::new();
    for (group, word) in words.iter().map(|word| word.split_once(": ").unwrap_or(("", word))) {
        match groups.last_mut().filter(|(last, _)| *last == group) {
            Some((_, of)) => of.push(word),
            None => groups.push((group, vec![word])),
        }
    }
    let known = groups.iter().filter(|(group, _)| !group.ends_with("99"));
    let line = |(group, of): &(&str, Vec<&str>)| match *group {
        "" => of.join(", "),
        _ => format!("{group} {}", of.join(", ")),
    };
    known.map(line).collect::<Vec<_>>().join("; ")
}

fn take(fleet: &Fleet, event: Event, rig: &Rig) -> (String, String) {
    let mut fleet = fleet.clone();
    let actions = fleet.step(event, rig.now);
    fleet.check().unwrap_or_else(|broken| panic!("{}: {broken}", words::fleet(&fleet, rig.now)));
    (words::fleet(&fleet, rig.now), words::actions(&actions))
}

#[test]
fn every_phase_answers_every_event_as_reviewed() {
    insta::assert_snapshot!("table", table(P, STATES, || Rig::new(&plain())));
}

#[test]
fn every_phase_of_a_task_answers_every_event_as_reviewed() {
    insta::assert_snapshot!("tasks", table(T, TASK_STATES, || Rig::booted(&config(vec![])).0));
}
