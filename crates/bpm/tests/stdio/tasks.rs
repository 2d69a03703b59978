//! Background tasks through sessions that end and managers that die.

use std::fs;
use std::time::{Duration, Instant};

use bpm_api::{TaskList, TaskState};
use rustix::process::Signal;
use serde_json::json;

use crate::lab::{Lab, alive, idle_twin_ends, puppet, send};
use crate::session::Session;

fn bare() -> Lab {
    let lab = Lab::new("");
    fs::remove_file(lab.file(".mcp-run")).unwrap();
    lab
}

#[test]
fn two_sessions_see_one_anothers_tasks_and_one_leaves() {
    let lab = bare();
    let (mut first, mut second) = (Session::of(&lab), Session::of(&lab));
    first.done("run_background_task", json!({"command": [puppet(), "sleep", "600"], "name": "nap"}));
    let seen = second.done("get_task_status", json!({"task_id": "nap"}));
    assert!(seen.contains("running"), "{seen}");
    assert!(first.end().0.success());
    let task = lab.ask::<TaskList>(&["tasks", "nap"]).tasks.remove(0);
    assert_eq!(task.state, TaskState::Running);
    assert!(alive(task.pid.unwrap()));
    second.done("end_background_task", json!({"task_id": "nap"}));
    assert!(!alive(task.pid.unwrap()));
}

#[test]
fn a_task_whose_call_met_the_managers_death_is_started_once() {
    let lab = bare();
    let mut session = Session::of(&lab);
    let line = "echo started >> starts; exec sleep 600";
    let id = session.begin_call(
        "run_background_task",
        json!({"command": line, "ready": "never printed", "timeout_seconds": 3}),
    );
    lab.wait_for("it runs", |lab| lab.file("starts").exists().then_some(()));
    let before = lab.status().manager.pid;
    send(before, Signal::KILL);
    let answer = session.answer(id);
    assert_ne!(answer["result"]["isError"], true, "{answer}");
    assert_ne!(lab.status().manager.pid, before);
    assert_eq!(fs::read_to_string(lab.file("starts")).unwrap(), "started\n");
    let tasks = lab.ask::<TaskList>(&["tasks", "--all"]).tasks;
    assert_eq!(tasks.len(), 1, "{tasks:?}");
    assert!(alive(tasks[0].pid.unwrap()));
}

#[test]
fn a_slow_pattern_makes_nobody_wait_for_longer_than_he_asked() {
    let lab = bare();
    let mut session = Session::of(&lab);
    // each line takes such a pattern some milliseconds, all of them a minute
    let bits = "head -c 6000000 /dev/urandom | od -An -v -tu1 | tr -cd 01 | fold -w 6000; echo; sleep 600";
    let (pattern, until) = ("[01]*1[01]{1000}2", json!(["pattern"]));
    session.done("run_background_task", json!({"command": bits, "name": "bits", "timeout_seconds": 0}));
    session.done("wait_for", json!({"targets": ["bits"], "until": ["quiet"], "quiet_seconds": 1}));
    let began = Instant::now();
    let ask = json!({"targets": ["bits"], "until": until, "pattern": pattern, "timeout_seconds": 0.5});
    let answer = session.done("wait_for", ask);
    assert!(began.elapsed() < Duration::from_secs(12), "{:?}", began.elapsed());
    assert!(answer.contains("nothing of it"), "{answer}");
    let (manager, began) = (lab.status().manager.pid, Instant::now());
    lab.bpm(&["down"]);
    assert!(!alive(manager) && began.elapsed() < Duration::from_secs(12), "{:?}", began.elapsed());
    let too_long = json!({"targets": ["bits"], "pattern": "x".repeat(20_000)});
    let refused = session.refused("wait_for", too_long);
    assert!(refused.contains("20000 bytes, expected at most 16384"), "{refused}");
}

#[test]
fn a_manager_that_dies_while_nobody_calls_is_started_again() {
    let lab = bare();
    let mut session = Session::of(&lab);
    session.done("run_background_task", json!({"command": [puppet(), "sleep", "600"], "name": "nap"}));
    let task = lab.ask::<TaskList>(&["tasks", "nap"]).tasks.remove(0);
    let before = lab.status().manager.pid;
    send(before, Signal::KILL);
    lab.wait_for("another manager", |lab| {
        let output = lab.bpm(&["--json", "status"]);
        let status: bpm_api::Status = serde_json::from_slice(&output.stdout).ok()?;
        (status.manager.pid != before).then_some(())
    });
    // its shim has to be heard of first
    let again =
        lab.wait_for("the task is adopted", |lab| lab.ask::<TaskList>(&["tasks", "nap"]).tasks[0].pid);
    assert_eq!(Some(again), task.pid);
    assert!(session.done("get_task_status", json!({"task_id": "nap"})).contains("running"));
}

#[test]
fn tasks_have_the_environment_of_the_session_that_starts_them() {
    let lab = bare();
    let mut sessions = ["one", "two"].map(|whose| {
        let mut command = lab.command();
        command.arg("mcp").env("WHOSE", whose);
        let mut session = Session::start(command);
        session.initialize();
        (session, whose)
    });
    for (session, whose) in &mut sessions {
        let printed = session.done("run_background_task", json!({"command": "echo I am $WHOSE"}));
        assert!(printed.contains(&format!("I am {whose}")), "{printed}");
    }
}

#[test]
fn a_session_keeps_an_idle_manager_from_ending() {
    let lab = Lab::new("idle_exit_minutes = 0.003\n");
    let mut session = Session::of(&lab);
    session.done("get_status", json!({}));
    let manager = lab.status().manager.pid;
    idle_twin_ends("idle_exit_minutes = 0.003\n");
    assert!(alive(manager));
    session.end();
    lab.wait_for("the manager ends", |_| (!alive(manager)).then_some(()));
}

#[test]
fn ten_megabytes_are_refused_and_everybody_goes_on() {
    let lab = bare();
    let (mut session, mut other) = (Session::of(&lab), Session::of(&lab));
    let huge = "x".repeat(10_000_000);
    let id = session.begin_call("run_background_task", json!({"command": huge}));
    let refused = session.answer(id);
    assert_eq!(refused["error"]["code"], -32600, "{refused}");
    session.done("get_status", json!({}));
    other.done("get_status", json!({}));
}

#[test]
fn what_an_answer_has_told_is_no_news_and_tasks_have_their_names() {
    let lab = bare();
    let (mut mine, mut other) = (Session::of(&lab), Session::of(&lab));
    other.done("get_status", json!({}));
    mine.done(
        "run_background_task",
        json!({"command": "sleep 0.3; exit 3", "name": "tests", "timeout_seconds": 0}),
    );
    let ended = mine.done("wait_for", json!({"targets": ["tests"], "until": ["exit"]}));
    assert!(ended.contains("exited with 3"), "{ended}");
    let after = mine.done("get_status", json!({}));
    assert!(!after.contains("since your last call"), "{after}");
    let news = other.done("get_status", json!({}));
    assert!(news.contains("t1 (tests) run by mcp tester 7; t1 (tests) failed: exited with 3"), "{news}");
}

#[test]
fn a_wait_that_goes_on_shows_only_what_is_new_and_a_failure_shows_its_cause() {
    let lab = bare();
    let mut session = Session::of(&lab);
    let line = "echo 'src/a.c:12: error: no'; seq 1 40; read go; echo second; exit 2";
    session.done(
        "run_background_task",
        json!({"command": line, "name": "build", "ready": "^40$", "timeout_seconds": 30}),
    );
    let args = json!({"targets": ["build"], "until": ["exit"], "timeout_seconds": 0});
    let first = session.call("wait_for", args);
    let cursor = first["structuredContent"]["cursor"].clone();
    let again = json!({"targets": ["build"], "until": ["exit"], "timeout_seconds": 0, "cursor": cursor});
    let again = session.done("wait_for", again);
    assert!(!again.contains(" * 40"), "{again}");
    session.done("send_input", json!({"task_id": "build", "key": "enter"}));
    let rest = session.done("wait_for", json!({"targets": ["build"], "until": ["exit"], "cursor": cursor}));
    assert!(rest.contains(" * second") && !rest.contains(" * 40"), "{rest}");
    let whole = session.done("wait_for", json!({"targets": ["build"], "until": ["exit"]}));
    assert!(whole.contains("src/a.c:12: error: no") && whole.contains(" * second"), "{whole}");
    let known =
        session.done("wait_for", json!({"targets": ["build"], "pattern": "never", "until": ["pattern"]}));
    assert!(known.contains("exited with 2"), "{known}");
    let ended = session.call("wait_for", json!({"targets": ["build"], "until": ["exit"]}));
    let told = ended["structuredContent"]["cursor"].clone();
    let told = session.done("wait_for", json!({"targets": ["build"], "pattern": "never", "cursor": told}));
    assert!(told.contains("nothing more will come"), "{told}");
}

#[test]
fn a_wait_for_what_never_comes_says_so() {
    let lab = bare();
    let mut session = Session::of(&lab);
    session.done("run_background_task", json!({"command": [puppet(), "sleep", "600"], "name": "nap"}));
    let text = session.refused("wait_for", json!({"targets": ["nap"], "until": ["ready", "build"]}));
    assert!(text.starts_with("invalid_parameter"), "{text}");
    assert!(text.contains("never holds for `nap`") && text.contains("`pattern`"), "{text}");
    let vain = session.done("wait_for", json!({"targets": ["nap"], "timeout_seconds": 0}));
    assert!(vain.contains("started without `ready`"), "{vain}");
    let text = session.refused("start", json!({"process": "nap"}));
    assert!(text.starts_with("invalid_parameter") && text.contains("is a task"), "{text}");
    session.done("end_background_task", json!({"task_id": "nap"}));
    let text = session.refused("restart", json!({"process": "nap"}));
    assert!(text.starts_with("invalid_parameter") && text.contains("is a task"), "{text}");
}
