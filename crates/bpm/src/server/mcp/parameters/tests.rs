//! The checks of arguments: every message names the parameter, what was found and what was expected.

use bpm_api::{GetStatus, Op, Request, Restart, RunTask, SearchLogs, Start, TaskCommand, TaskReady, WaitFor};
use serde_json::{Value, json};

use super::{check, of};

fn message<O: Op>(arguments: Value) -> String {
    let Value::Object(arguments) = arguments else { panic!("not an object") };
    match check(&of::<O>(), arguments) {
        Ok(checked) => format!("ok: {checked}"),
        Err(error) => match error.hint {
            Some(hint) => format!("{}: {} / {hint}", error.code.as_str(), error.message),
            None => format!("{}: {}", error.code.as_str(), error.message),
        },
    }
}

#[test]
fn wrong_arguments_are_named() {
    let messages = [
        message::<Start>(json!({})),
        message::<Start>(json!({"process": null})),
        message::<Start>(json!({"process": 7})),
        message::<Start>(json!({"process": ["api"]})),
        message::<Start>(json!({"name": "api"})),
        message::<Start>(json!({"proces": "api"})),
        message::<Restart>(json!({"mode": "debug"})),
        message::<Restart>(json!({"timeout_seconds": "50"})),
        message::<Restart>(json!({"timeout_seconds": -1})),
        message::<SearchLogs>(json!({"tail": -3})),
        message::<SearchLogs>(json!({"tail": 5_000_000_000_u64})),
        message::<SearchLogs>(json!({"tail": 2.5})),
        message::<SearchLogs>(json!({"index": "newest"})),
        message::<SearchLogs>(json!({"run": -1})),
        message::<SearchLogs>(json!({"run": u64::MAX})),
        message::<SearchLogs>(json!({"stream": true})),
        message::<SearchLogs>(json!({"pattern": {"regex": "x".repeat(200)}})),
        message::<RunTask>(json!({"command": 7})),
        message::<RunTask>(json!({"command": ["ls", 7]})),
        message::<RunTask>(json!({"command": "ls", "ready": 70_000})),
        message::<RunTask>(json!({"command": "ls", "ready": [1]})),
        message::<RunTask>(json!({"command": "ls", "env": {"A": 1}})),
        message::<RunTask>(json!({"command": "ls", "pty": "yes"})),
        message::<RunTask>(json!({"command": "ls", "base_env": []})),
        message::<WaitFor>(json!({})),
        message::<WaitFor>(json!({"targets": [3]})),
        message::<WaitFor>(json!({"targets": "api", "until": ["healthy"]})),
        message::<WaitFor>(json!({"targets": "api", "port": 0})),
    ];
    insta::assert_snapshot!(messages.join("\n"));
}

#[test]
fn right_arguments_pass() {
    assert_eq!(message::<GetStatus>(json!({})), "ok: {}");
    assert_eq!(message::<GetStatus>(json!({"process": null})), "ok: {}");
    assert_eq!(
        message::<Restart>(json!({"process": "api", "mode": "release", "timeout_seconds": 0.5})),
        r#"ok: {"mode":"release","process":"api","timeout_seconds":0.5}"#
    );
    assert_eq!(message::<SearchLogs>(json!({"tail": 5.0, "index": -2.0})), r#"ok: {"index":-2,"tail":5}"#);
}

#[test]
fn one_may_stand_for_a_list_of_one() {
    assert_eq!(
        message::<WaitFor>(json!({"targets": "api", "until": "exit"})),
        r#"ok: {"targets":["api"],"until":["exit"]}"#
    );
}

#[test]
fn a_command_and_what_makes_it_ready_come_in_two_forms() {
    let read = |arguments: Value| {
        let Value::Object(arguments) = arguments else { panic!("not an object") };
        serde_json::from_value::<RunTask>(check(&of::<RunTask>(), arguments).unwrap()).unwrap()
    };
    let line = read(json!({"command": "ls -l", "ready": 8080, "env": {"A": "1"}, "pty": true}));
    assert_eq!(
        (line.command, line.ready),
        (TaskCommand::Shell("ls -l".to_owned()), Some(TaskReady::Port(8080)))
    );
    let argv = read(json!({"command": ["ls", "-l"], "ready": "listening"}));
    assert_eq!(argv.command, TaskCommand::Argv(vec!["ls".to_owned(), "-l".to_owned()]));
    assert_eq!(argv.ready, Some(TaskReady::Pattern("listening".to_owned())));
}

#[test]
fn what_passes_is_what_the_request_reads() {
    let arguments = json!({
        "process": "api", "pattern": "panic", "context_lines": 2, "head": 1, "tail": 4, "index": 0, "run": 3,
        "cursor": "c", "since": "10m", "stream": "stderr", "max_bytes": 100,
    });
    let Value::Object(map) = arguments.clone() else { panic!("not an object") };
    let checked = check(&of::<SearchLogs>(), map).unwrap();
    let request = serde_json::from_value::<SearchLogs>(checked).unwrap().into_request();
    let Request::SearchLogs(SearchLogs(query)) = request else { panic!("another request") };
    assert_eq!(serde_json::to_value(query).unwrap(), arguments);
}
