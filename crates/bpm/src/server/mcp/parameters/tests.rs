//! The checks of arguments: every message names the parameter, what was found and what was expected.

use bpm_api::{GetStatus, Op, Request, Restart, SearchLogs, Start};
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
