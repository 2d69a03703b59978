//! The Tasks extension: only for clients that declare it, and with the very result of the direct call.

use bpm_api::{Answer, Code, Error, Request};
use serde_json::{Value, json};

use crate::support::{Client, Server};

fn declared() -> Value {
    let capabilities = json!({"extensions": {"io.modelcontextprotocol/tasks": {}}});
    json!({"io.modelcontextprotocol/clientCapabilities": capabilities})
}

async fn ask(client: &mut Client, method: &str, mut params: Value) -> Value {
    params["_meta"] = declared();
    client.modern(method, params).await.json()
}

fn wait(target: &str) -> Value {
    json!({"name": "wait_for", "arguments": {"targets": [target], "timeout_seconds": 7_200}})
}

#[tokio::test]
async fn a_wait_of_hours_is_a_task_with_the_result_of_the_call() {
    let server = Server::start();
    let mut client = server.client().await;
    let begun = ask(&mut client, "tools/call", wait("api")).await["result"].clone();
    assert_eq!((&begun["resultType"], &begun["status"]), (&json!("task"), &json!("working")), "{begun}");
    assert_eq!((&begun["pollIntervalMs"], &begun["statusMessage"]), (&json!(5000), &json!("is waiting")));
    let Some((Request::SubmitCall(submitted), origin)) = server.control.seen().pop() else {
        panic!("not handed over")
    };
    assert_eq!(origin.face, "mcp");
    let Request::WaitFor(handed) = *submitted.request else { panic!("another request") };
    assert_eq!(handed.timeout_seconds, Some(7_200.0), "not bounded: nobody holds it");
    let id = begun["taskId"].as_str().unwrap().to_owned();
    let working = ask(&mut client, "tasks/get", json!({"taskId": id})).await["result"].clone();
    assert_eq!((&working["status"], working.get("result")), (&json!("working"), None));
    let broken = Error::new(Code::BuildFailed, "`api` does not build").detail("error[E0308]");
    server.control.finish(&id, Answer::Error(broken));
    let done = ask(&mut client, "tasks/get", json!({"taskId": id})).await["result"].clone();
    assert_eq!(done["status"], "completed");
    assert_eq!(done["result"]["isError"], true);
    assert_eq!(done["result"]["content"][0]["text"], "build_failed: `api` does not build\n\nerror[E0308]");
    // 10 seconds of work, then it is kept.
    assert_eq!(done["ttlMs"], 310_000);
}

#[tokio::test]
async fn what_is_done_at_once_is_no_task() {
    let server = Server::start();
    let answer = ask(&mut server.client().await, "tools/call", wait("soon")).await;
    assert_eq!(answer["result"]["structuredContent"]["process"], "soon", "{answer}");
}

#[tokio::test]
async fn cancelling_ends_the_wait() {
    let server = Server::start();
    let mut client = server.client().await;
    let begun = ask(&mut client, "tools/call", wait("api")).await;
    let id = begun["result"]["taskId"].clone();
    let acknowledged = ask(&mut client, "tasks/cancel", json!({"taskId": id})).await;
    assert_eq!(acknowledged["result"]["resultType"], "complete");
    let got = ask(&mut client, "tasks/get", json!({"taskId": id})).await;
    assert_eq!(got["result"]["status"], "cancelled");
    let ended = |request: &Request| matches!(request, Request::Stop(_) | Request::EndTask(_));
    assert!(!server.control.seen().iter().any(|(request, _)| ended(request)));
    let update = ask(&mut client, "tasks/update", json!({"taskId": id, "inputResponses": {}})).await;
    assert_eq!(update["result"]["resultType"], "complete", "{update}");
}

#[tokio::test]
async fn a_task_that_nobody_knows_is_the_callers_fault() {
    let server = Server::start();
    let mut client = server.client().await;
    for method in ["tasks/get", "tasks/cancel", "tasks/update"] {
        let params = json!({"taskId": "nope", "inputResponses": {}});
        let answer = ask(&mut client, method, params).await;
        assert_eq!(answer["error"]["code"], -32602, "{method}: {answer}");
    }
}

#[tokio::test]
async fn only_what_may_last_becomes_a_task() {
    let server = Server::start();
    let mut client = server.client().await;
    let run = |seconds: Value| json!({"name": "run_background_task", "arguments": {"command": "make", "timeout_seconds": seconds}});
    for (params, lasts) in [
        (json!({"name": "restart", "arguments": {}}), true),
        (json!({"name": "start", "arguments": {"process": "api"}}), true),
        (run(json!(600)), true),
        (run(Value::Null), false),
        (json!({"name": "get_status"}), false),
        (json!({"name": "stop", "arguments": {"process": "api"}}), false),
    ] {
        let answer = ask(&mut client, "tools/call", params).await;
        assert_eq!(answer["result"]["resultType"] == "task", lasts, "{answer}");
    }
}

#[tokio::test]
async fn who_does_not_declare_it_gets_the_result_and_is_refused_the_methods() {
    let server = Server::start();
    let mut client = server.client().await;
    let result = client.call("restart", json!({})).await;
    assert_eq!(result["structuredContent"]["process"], "api");
    let refused = client.modern("tasks/get", json!({"taskId": "x"})).await.json();
    assert_eq!(refused["error"]["code"], -32021, "{refused}");
}
