//! Sessions and managers: who starts whom, who dies, and what goes on.

use std::fs;
use std::process::Command;
use std::time::Duration;

use bpm_api::Status;
use rustix::process::Signal;
use serde_json::json;

use crate::lab::{Lab, alive, process, puppet, send, shell};
use crate::session::Session;

fn stays(name: &str) -> String {
    process(name, &[&puppet(), "sleep", "600"], "")
}

/// The status of a manager that somebody else started; `None` while there is none.
fn status(lab: &Lab) -> Option<Status> {
    let output = lab.bpm(&["--json", "status"]);
    output.status.success().then(|| serde_json::from_slice(&output.stdout).unwrap())
}

#[test]
fn the_first_answers_need_no_manager_and_a_tool_starts_one_without_any_configuration() {
    let lab = Lab::new("");
    fs::remove_file(lab.file(".mcp-run")).unwrap();
    // A state directory that cannot be made: no manager can ever be there.
    let mut command = lab.command();
    command.arg("mcp").env("BPM_STATE_DIR", "/proc/nowhere");
    let mut hopeless = Session::start(command);
    assert_eq!(hopeless.initialize()["serverInfo"]["name"], "bpm");
    assert!(!hopeless.ask("tools/list", json!({}))["tools"].as_array().unwrap().is_empty());
    assert!(hopeless.refused("get_status", json!({})).contains("/proc/nowhere"));
    assert_eq!(hopeless.ask("ping", json!({})), json!({}));

    let mut session = Session::of(&lab);
    session.done("get_status", json!({}));
    let status = status(&lab).unwrap();
    assert!(status.processes.is_empty() && status.alarms.is_empty(), "{status:?}");
}

#[test]
fn the_end_of_input_ends_it_and_the_manager_and_its_programs_go_on() {
    let lab = Lab::new(&stays("web"));
    lab.bpm(&["allow"]);
    let mut session = Session::of(&lab);
    session.done("get_status", json!({}));
    let web = lab.running("web");
    let before = status(&lab).unwrap().manager.pid;
    let (ended, took) = session.end();
    assert!(ended.success(), "{ended:?}");
    assert!(took < Duration::from_secs(5), "{took:?}");
    assert_eq!(lab.status().manager.pid, before);
    assert!(alive(web.pid.unwrap()));
}

#[test]
fn a_manager_that_is_killed_is_started_again_and_the_session_goes_on() {
    let lab = Lab::new(&stays("web"));
    lab.bpm(&["allow"]);
    let mut session = Session::of(&lab);
    session.done("get_status", json!({}));
    let web = lab.running("web");
    for _ in 0..3 {
        let before = lab.status().manager.pid;
        send(before, Signal::KILL);
        session.done("get_status", json!({}));
        assert_ne!(lab.status().manager.pid, before);
        let after = lab.running("web");
        assert_eq!((after.pid, after.run), (web.pid, web.run));
    }
}

#[test]
fn a_call_that_is_under_way_when_the_manager_is_killed_is_answered_by_the_next() {
    let lab =
        Lab::new(&shell("slow", "exec sleep 600", "build = 'touch building; sleep 3; echo built >> builds'"));
    lab.bpm(&["allow"]);
    let mut session = Session::of(&lab);
    let id = session.begin_call("restart", json!({"process": "slow"}));
    lab.wait_for("it builds", |lab| lab.file("building").exists().then_some(()));
    send(lab.status().manager.pid, Signal::KILL);
    let answer = session.answer(id);
    assert_ne!(answer["result"]["isError"], true, "{answer}");
    assert!(lab.running("slow").pid.is_some());
}

#[test]
fn many_calls_at_once_and_two_sessions_start_one_manager() {
    let lab = Lab::new("");
    let mut sessions = [Session::of(&lab), Session::of(&lab)];
    let ids: Vec<[u64; 2]> = (0..20)
        .map(|_| sessions.each_mut().map(|session| session.begin_call("get_status", json!({}))))
        .collect();
    for [first, second] in ids {
        for (session, id) in sessions.iter_mut().zip([first, second]) {
            let answer = session.answer(id);
            assert_ne!(answer["result"]["isError"], true, "{answer}");
        }
    }
    // one that lost the race ends by itself
    let manager = lab.status().manager.pid;
    lab.wait_for("only one manager", |lab| (managers(lab) == [manager]).then_some(()));
}

/// Every process that is the manager of the lab's project, or wants to be.
fn managers(lab: &Lab) -> Vec<u32> {
    let project = lab.project().canonicalize().unwrap().display().to_string();
    let is_manager = |pid: &u32| {
        let command = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        let words: Vec<&[u8]> = command.split(|byte| *byte == 0).collect();
        words.contains(&&b"--detached-child"[..]) && words.contains(&project.as_bytes())
    };
    let pids = fs::read_dir("/proc").unwrap().flatten();
    pids.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).filter(is_manager).collect()
}

#[test]
fn what_somebody_ended_stays_ended_until_the_next_call() {
    let lab = Lab::new(&stays("web"));
    lab.bpm(&["allow"]);
    let mut session = Session::of(&lab);
    session.done("get_status", json!({}));
    let before = lab.running("web");
    assert!(lab.bpm(&["down"]).status.success());
    assert!(!alive(before.pid.unwrap()));
    // An answer that needs no manager, so that the session has had its turn.
    session.ask("ping", json!({}));
    assert!(status(&lab).is_none());
    session.done("get_status", json!({}));
    assert_ne!(lab.running("web").pid, before.pid);
}

#[test]
fn nonsense_is_answered_and_the_session_goes_on() {
    let lab = Lab::new("");
    let mut session = Session::of(&lab);
    for nonsense in [&b"\xff\0{\n"[..], b"{\"jsonrpc\":\n", b"[]\n", b"17\n"] {
        session.say_bytes(nonsense);
        assert!(session.hear()["error"]["code"].is_i64());
    }
    session.done("get_status", json!({}));
}

#[test]
fn the_root_directory_must_be_named_and_the_session_says_so() {
    let lab = Lab::new("");
    let mut command = lab.command();
    command.arg("mcp").current_dir("/");
    let mut session = Session::start(command);
    session.initialize();
    for _ in 0..2 {
        let refused = session.refused("get_status", json!({}));
        assert!(refused.contains("--project /"), "{refused}");
    }
    let mut named = lab.command();
    named.args(["mcp", "--project"]).arg(lab.project()).current_dir("/");
    let mut session = Session::start(named);
    session.initialize();
    session.done("get_status", json!({}));
}

#[test]
fn the_old_name_is_the_same() {
    let lab = Lab::new("");
    let mut command = Command::new(env!("CARGO_BIN_EXE_mcp_backgroundr"));
    for (name, value) in lab.command().get_envs() {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    command.current_dir(lab.project());
    let mut session = Session::start(command);
    assert_eq!(session.initialize()["serverInfo"]["name"], "bpm");
    session.done("get_status", json!({}));
    assert!(session.end().0.success());
}
