//! The engine without processes: what is written down and when, what is asked of shims, and what its facts are
//! called outside. Real programs under a real engine are in `tests/life`.

use std::sync::Arc;
use std::time::Duration;

use bpm_api::{Code, GetStatus, Origin, State, Why};
use bpm_core::config::{Config, Source, parse};
use bpm_core::fleet::{BuildFailure, BuildOutcome, Change, Ending, Outcome, SpawnError};
use bpm_core::ids::{Mode, Name};
use bpm_core::service::{Cause, StopReason};
use bpm_shim::protocol::Status as Ended;
use tokio::time::timeout;

use super::*;
use crate::control::Control;
use crate::exec::refusal;
use crate::exec::watch::Command;
use crate::store::paths::Project;

const DEADLINE: Duration = Duration::from_secs(20);
const CALM: Boot = Boot { dev: false, fresh: false };

struct Bench {
    _dir: tempfile::TempDir,
    project: Project,
    config: Arc<Config>,
}

impl Bench {
    fn new(processes: &[&str]) -> Bench {
        let dir = tempfile::tempdir().unwrap();
        let (root, state) = (dir.path().join("project"), dir.path().join("state"));
        std::fs::create_dir_all(&root).unwrap();
        std::fs::create_dir_all(&state).unwrap();
        let text: String = processes
            .iter()
            .map(|name| format!("[process.{name}]\ncommand = 'serve'\nautostart = false\n"))
            .collect();
        let config = parse(Source { path: "test", text: &text }, None).unwrap();
        Bench { _dir: dir, project: Project { root, id: "test".to_owned(), state }, config: Arc::new(config) }
    }

    fn engine(&self, boot: Boot) -> (Engine, Handle) {
        let mut world = World::new(self.project.clone(), None, None);
        world.tidy_up();
        world.cgroup_base = None;
        let (mut engine, handle) = Engine::new(Arc::new(world), &self.config, boot);
        engine.boot_when_adopted();
        (engine, handle)
    }

    fn written(&self) -> Option<Snapshot> {
        store::intent::load(&self.project, clock::now())
    }
}

fn run(process: &str, number: u64) -> RunId {
    RunId { process: Name::from(process), number }
}

fn origin(face: &str) -> Origin {
    Origin::new(face, "somebody")
}

/// Brings a process up without starting anything, at `now`.
fn bring_up(engine: &mut Engine, process: &str, now: Time) {
    let what = Request::Start { process: Name::from(process) };
    let actions = engine.fleet.step(Event::Asked { op: OpId(1000), key: None, what }, now);
    assert!(actions.iter().any(|action| matches!(action, Action::Spawn { .. })), "{actions:?}");
    drop(engine.fleet.step(Event::Spawned { run: run(process, 1), pid: 77 }, now));
}

/// Stops it and lets its grace and KILL pass in vain. Returns when that is.
fn stick(engine: &mut Engine, process: &str, now: Time) -> Time {
    let what = Request::Stop { process: Name::from(process) };
    drop(engine.fleet.step(Event::Asked { op: OpId(1001), key: None, what }, now));
    let mut now = now;
    while let Some(at) = engine.fleet.next_deadline() {
        now = at;
        drop(engine.fleet.step(Event::Tick, now));
    }
    now
}

// the clock of the runtime stands still and jumps to whatever is waited for; the core's own goes on
#[tokio::test(start_paused = true)]
async fn a_tool_call_is_remembered_although_it_changes_nothing_else() {
    let bench = Bench::new(&["web"]);
    let (engine, handle) = bench.engine(Boot { dev: true, fresh: false });
    let engine = tokio::spawn(engine.run());
    handle.ask(GetStatus::default(), origin("cli")).await.unwrap();
    tokio::time::sleep(ACTIVITY_SAVE * 2).await;
    let before = bench.written().unwrap().last_activity;
    handle.ask(GetStatus::default(), origin("mcp")).await.unwrap();
    tokio::time::sleep(ACTIVITY_SAVE * 2).await;
    assert!(bench.written().unwrap().last_activity > before);
    engine.abort();
}

#[tokio::test]
async fn a_disk_alarm_ends_with_the_log_it_is_about() {
    let bench = Bench::new(&["web"]);
    let (mut engine, _handle) = bench.engine(CALM);
    let tell = |engine: &mut Engine, told| {
        engine.turn(&mut vec![Message::Run { run: run("web", 1), told }]);
        engine.status(&GetStatus::default(), clock::now()).unwrap().alarms
    };
    let alarms = tell(&mut engine, Told::Alarm { errno: Some(28) });
    assert_eq!(alarms[0].process.as_deref(), Some("web"));
    assert!(alarms[0].message.contains("No space left"), "{alarms:?}");
    assert_eq!(tell(&mut engine, Told::Alarm { errno: None }), []);
    tell(&mut engine, Told::Alarm { errno: Some(28) });
    let exit = Told::Exited { status: Ended::Code(0), at_mono_ns: 1, tree_empty: false };
    assert_eq!(tell(&mut engine, exit).len(), 1, "its tree may print on");
    assert_eq!(tell(&mut engine, Told::TreeEmpty), []);
}

#[tokio::test]
async fn a_full_disk_is_not_word_of_a_run_that_is_looked_for() {
    let bench = Bench::new(&["web"]);
    let (mut engine, _handle) = bench.engine(CALM);
    engine.adopting.insert(run("web", 1));
    let take = |engine: &mut Engine, told| {
        engine.turn(&mut vec![Message::Run { run: run("web", 1), told }]);
        engine.adopting.len()
    };
    assert_eq!(take(&mut engine, Told::Alarm { errno: Some(28) }), 1);
    assert_eq!(take(&mut engine, Told::NeverStarted), 0);
}

#[tokio::test]
async fn a_build_under_way_shows_how_far_it_is_and_a_finished_one_how_long_it_took() {
    let mut bench = Bench::new(&[]);
    let text = "[process.web]\ncommand = 'serve'\nautostart = false\nbuild = ['make']\n";
    bench.config = Arc::new(parse(Source { path: "test", text }, None).unwrap());
    let (mut engine, _handle) = bench.engine(CALM);
    let now = clock::now();
    let what = Request::Start { process: Name::from("web") };
    drop(engine.fleet.step(Event::Asked { op: OpId(1000), key: None, what }, now));
    let tell = |engine: &mut Engine, number, done| {
        let build = BuildId { process: Name::from("web"), number };
        let progress = Progress { done, total: 40, what: "foo".to_owned() };
        engine.turn(&mut vec![Message::Progress { build, progress }]);
        engine.status(&GetStatus::default(), clock::now()).unwrap().processes.remove(0)
    };
    let steps = |status: &bpm_api::ProcessStatus| {
        let progress = status.building.as_ref()?.progress.as_ref()?;
        Some((progress.done, progress.total, progress.what.clone()))
    };
    assert_eq!(steps(&tell(&mut engine, 7, 1)), None, "of another build");
    for done in [12, 13] {
        assert_eq!(steps(&tell(&mut engine, 1, done)), Some((done, 40, "foo".to_owned())));
    }
    let build = BuildId { process: Name::from("web"), number: 1 };
    let outcome = BuildOutcome::Failed(BuildFailure { reason: "exit code 2".to_owned() });
    engine.take(Message::Core(Event::BuildDone { build, outcome }), now + secs(90), &mut Vec::new());
    let status = engine.status(&GetStatus::default(), now + secs(100)).unwrap().processes.remove(0);
    assert_eq!((status.building, engine.progress.len()), (None, 1), "that of the other");
    let last = status.last_build.unwrap();
    assert_eq!((last.took_seconds, last.ago_seconds, last.progress), (Some(90.0), Some(10.0), None));
}

const fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

#[tokio::test]
async fn why_names_what_outlived_kill() {
    let bench = Bench::new(&["web"]);
    let (mut engine, handle) = bench.engine(CALM);
    let now = clock::now();
    bring_up(&mut engine, "web", now);
    stick(&mut engine, "web", now);
    let mut shim = engine.performer.pretend(run("web", 1));
    let engine = tokio::spawn(engine.run());
    let answer = tokio::spawn(async move {
        while let Some(command) = shim.recv().await {
            if let Command::Survivors(answer) = command {
                let list = [(9, "nfsd", 'D'), (10, "sh", 'S')];
                let list = list.map(|(pid, name, state)| Survivor { pid, name: name.to_owned(), state });
                return answer.send(list.to_vec()).unwrap();
            }
        }
    });
    let why = handle.ask(Why { process: "web".to_owned() }, origin("cli")).await.unwrap();
    assert_eq!(why.status.state, State::Stuck);
    assert_eq!(why.survivors, ["pid 9 (nfsd), in uninterruptible sleep", "pid 10 (sh)"]);
    timeout(DEADLINE, answer).await.unwrap().unwrap();
    engine.abort();
}

#[tokio::test]
async fn why_waits_for_no_shim_that_is_gone() {
    let bench = Bench::new(&["web"]);
    let (mut engine, handle) = bench.engine(CALM);
    let now = clock::now();
    bring_up(&mut engine, "web", now);
    stick(&mut engine, "web", now);
    let engine = tokio::spawn(engine.run());
    let why = timeout(DEADLINE, handle.ask(Why { process: "web".to_owned() }, origin("cli")));
    assert_eq!(why.await.unwrap().unwrap().survivors, [""; 0]);
    engine.abort();
}

#[tokio::test]
async fn unknown_names_are_answered_alike_by_every_operation() {
    let bench = Bench::new(&["backend"]);
    let (engine, handle) = bench.engine(CALM);
    let engine = tokio::spawn(engine.run());
    let name = || "backnd".to_owned();
    let status = GetStatus { process: Some(name()), ..GetStatus::default() };
    let stop = bpm_api::Stop { process: name(), timeout_seconds: None };
    let errors = [
        handle.ask(status, origin("cli")).await.unwrap_err(),
        handle.ask(stop, origin("cli")).await.unwrap_err(),
        handle.ask(Why { process: name() }, origin("cli")).await.unwrap_err(),
    ];
    for error in &errors {
        assert_eq!(error, &errors[0]);
    }
    assert_eq!(errors[0].code, Code::UnknownProcess);
    assert_eq!(errors[0].hint.as_deref(), Some("did you mean `backend`?"));
    engine.abort();
}

#[tokio::test]
async fn facts_have_their_names_in_the_status() {
    let bench = Bench::new(&["web"]);
    let (mut engine, _handle) = bench.engine(CALM);
    let now = clock::now();
    let web = |engine: &Engine, now| {
        engine
            .status(&GetStatus { process: Some("web".to_owned()), ..GetStatus::default() }, now)
            .unwrap()
            .processes
            .remove(0)
    };
    assert_eq!(web(&engine, now).state, State::Idle);
    bring_up(&mut engine, "web", now);
    let up = web(&engine, now + Duration::from_secs(90));
    assert_eq!((up.state, up.pid, up.run, up.restarts), (State::Running, Some(77), Some(1), 0));
    assert_eq!((up.recipe, up.uptime_seconds), (Some(bpm_api::Mode::Release), Some(90.0)));
    let exit = Event::Exited { run: run("web", 1), ending: Ending::Signal(11), at: now, tree_empty: true };
    drop(engine.fleet.step(exit, now));
    let crashed = web(&engine, now);
    let last = crashed.last_exit.unwrap();
    assert_eq!((crashed.state, crashed.crashes), (State::BackingOff, 1));
    assert_eq!((last.signal.as_deref(), last.code, last.asked), (Some("SEGV"), None, false));
    assert!(crashed.restart_in_seconds.unwrap() <= 1.0);
}

#[test]
fn what_a_watch_tells_becomes_an_event_of_that_run() {
    let of = |told| adopt::event_of(run("web", 3), told).map(|event| format!("{event:?}"));
    let started = |adopted| Told::Started {
        pid: 7,
        at_mono_ns: 2_000_000_000,
        adopted,
        cgroup: false,
        terminal: false,
    };
    assert_eq!(of(started(false)).unwrap(), "Spawned { run: web#3, pid: 7 }");
    assert_eq!(of(started(true)).unwrap(), "Adopted { run: web#3, pid: 7, started: 2.0s }");
    let exited = Told::Exited {
        status: Ended::Signal { signal: 9, core: false },
        at_mono_ns: 1_000_000_000,
        tree_empty: true,
    };
    assert_eq!(of(exited).unwrap(), "Exited { run: web#3, ending: Signal(9), at: 1.0s, tree_empty: true }");
    assert_eq!(of(Told::TreeEmpty).unwrap(), "TreeEmpty { run: web#3 }");
    assert!(of(Told::Lost).unwrap().starts_with("Lost { run: web#3"));
    assert_eq!(of(Told::NeverStarted).unwrap(), "NeverStarted { run: web#3 }");
    assert!(of(Told::SpawnFailed(refusal::lasting("no `x`"))).unwrap().contains("permanent: true"));
    assert_eq!(of(Told::Alarm { errno: None }), None);
}

#[test]
fn every_change_has_its_words() {
    let failure = BuildFailure { reason: "2 errors".to_owned() };
    let error = SpawnError { message: "no `x`".to_owned(), permanent: true };
    let (recipe, cause) = (Mode::Dev, Cause::Restart);
    let changes = [
        (Change::Requested { op: OpId(1), what: "stop" }, "stop requested"),
        (Change::BuildStarted { build: 2, recipe, cause }, "dev build 2 begins (restart)"),
        (Change::BuildSucceeded { build: 2, recipe }, "build 2 succeeded"),
        (
            Change::BuildFailed { build: 2, failure: failure.clone(), still_up: Some(1) },
            "build 2 failed, run 1 goes on: 2 errors",
        ),
        (Change::BuildFailed { build: 2, failure, still_up: None }, "build 2 failed: 2 errors"),
        (Change::BuildCancelled { build: 2 }, "build 2 is cancelled"),
        (Change::Promoted { run: 2, over: Some(1), cause }, "run 2 takes the place of run 1 (restart)"),
        (Change::Promoted { run: 2, over: None, cause }, "run 2 is next (restart)"),
        (Change::Started { run: 2, pid: 7, recipe }, "run 2 started, pid 7 (dev)"),
        (Change::Adopted { run: 2, pid: 7 }, "run 2 adopted, pid 7"),
        (Change::Adopted { run: 2, pid: 0 }, "run 2 ended while no manager ran"),
        (Change::Stopping { run: 2, reason: StopReason::Swap }, "run 2 is being stopped"),
        (Change::Killing { run: 2 }, "run 2 still lives: it gets KILL"),
        (Change::Stuck { run: 2 }, "run 2 outlived KILL"),
        (Change::Ended { run: 2, ending: Ending::Code(0), asked: true }, "run 2 ended: exit code 0"),
        (
            Change::Ended { run: 2, ending: Ending::Signal(6), asked: false },
            "run 2 ended by itself: signal ABRT",
        ),
        (Change::CrashRestart { run: 3, of: 2 }, "run 3 restarts run 2 after its crash"),
        (Change::Parked { why: "gave up".to_owned() }, "gave up"),
        (Change::SpawnFailed { run: 2, error }, "run 2 could not be started: no `x`"),
        (Change::ModeChanged { to: Mode::Dev }, "the project is in dev mode now"),
        (Change::Closing, "shutting down"),
    ];
    for (change, words) in changes {
        assert_eq!(in_words(&change), words);
    }
    let waits = in_words(&Change::RestartIn { crash: 3, wait_ms: 2250 });
    assert!(waits.starts_with("restart in 2.2 s") && waits.contains("crash 3 in a row"), "{waits}");
}

#[test]
fn outcomes_become_replies_and_errors_with_a_next_step() {
    let code = |outcome| view::reply("web", outcome).unwrap_err();
    let failure = BuildFailure { reason: "2 errors".to_owned() };
    let error = SpawnError { message: "no `x`".to_owned(), permanent: true };
    let failures = [
        (Outcome::BuildFailed { build: 2, failure, still_up: Some(1) }, Code::BuildFailed),
        (Outcome::SpawnFailed { run: 2, error }, Code::SpawnFailed),
        (Outcome::Stuck { run: 2 }, Code::Stuck),
        (Outcome::Overtaken { by: "stop" }, Code::Overtaken),
        (Outcome::Closing, Code::Closing),
        (Outcome::NoSuchProcess { known: Vec::new() }, Code::UnknownProcess),
    ];
    for (outcome, expected) in failures {
        let error = code(outcome);
        assert_eq!(error.code, expected);
        assert!(error.hint.is_some() && !error.message.ends_with('.'), "{error:?}");
    }
    assert!(code(Outcome::Ended { stuck: vec![Name::from("web")] }).message.contains("`web`"));
    let up = view::reply("web", Outcome::AlreadyUp { run: 2, pid: 7, recipe: Mode::Dev }).unwrap();
    assert!(matches!(up, bpm_api::Reply::Began(began) if began.already && began.run == 2));
    let down = view::reply("web", Outcome::Down { was_running: true }).unwrap();
    assert!(matches!(down, bpm_api::Reply::Done(done) if done.message.contains("nothing of its tree")));
}

#[tokio::test]
async fn a_task_that_was_written_down_and_never_begun_is_run_when_the_request_is_sent_again() {
    let bench = Bench::new(&[]);
    let dir = bench.project.process("t1");
    std::fs::create_dir_all(&dir).unwrap();
    let record = r#"{"number":1,"command":"serve","cwd":"/","key":"k","by":"cli ann","created_ms":1}"#;
    std::fs::write(dir.join("task.json"), record).unwrap();
    let (mut engine, _handle) = bench.engine(CALM);
    let first = engine.task_statuses(Some("t1"), clock::now()).unwrap().remove(0);
    assert_eq!(first.state, bpm_api::TaskState::Failed);
    assert!(first.note.is_some_and(|note| note.contains("before it had started")));
    let ask: bpm_api::RunTask = serde_json::from_str(r#"{"command":"serve"}"#).unwrap();
    let again = Origin { key: Some("k".to_owned()), ..origin("mcp") };
    let mut actions = Vec::new();
    let begun = engine.run_task(ask, "/".to_owned(), again, clock::now(), &mut actions).unwrap();
    assert_eq!(&*begun.id, "t2");
    assert!(actions.iter().any(|action| matches!(action, Action::Spawn { .. })), "{actions:?}");
}
