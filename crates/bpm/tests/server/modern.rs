//! Protocol 2026-07-28: no session, every request stands alone.

use bpm_api::{GetStatus, LogQuery, Request, Restart, SearchLogs};
use hyper::StatusCode;
use serde_json::json;

use crate::support::Server;

#[tokio::test]
async fn discover_says_who_answers() {
    let server = Server::start();
    let answer = server.client().await.modern("server/discover", json!({})).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
    let result = &answer.json()["result"];
    let expected = json!({
        "completions": {}, "prompts": {}, "resources": {"listChanged": true, "subscribe": true}, "tools": {},
        "extensions": {"io.modelcontextprotocol/tasks": {}},
    });
    assert_eq!(result["capabilities"], expected);
    assert!(result["instructions"].as_str().unwrap().contains("restart"));
    let versions: Vec<&str> =
        result["supportedVersions"].as_array().unwrap().iter().filter_map(|v| v.as_str()).collect();
    for version in ["2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25", "2026-07-28"] {
        assert!(versions.contains(&version), "{versions:?}");
    }
    assert!(answer.text.contains(r#""name":"bpm""#), "{}", answer.text);
}

#[tokio::test]
async fn tools_are_listed_in_a_stable_order_and_cheaply() {
    let server = Server::start();
    let mut client = server.client().await;
    let first = client.modern("tools/list", json!({})).await;
    let names: Vec<String> = first.json()["result"]["tools"]
        .as_array()
        .unwrap()
        .iter()
        .map(|tool| tool["name"].as_str().unwrap().to_owned())
        .collect();
    let expected = "get_status restart start stop search_logs search_build_log run_background_task \
        get_task_status end_background_task send_input wait_for";
    assert_eq!(names.join(" "), expected);
    // 2,000 tokens, with all that is around it.
    assert!(first.text.len() <= 8_000, "{} bytes", first.text.len());
    assert_eq!(first.text, server.client().await.modern("tools/list", json!({})).await.text);
}

#[tokio::test]
async fn calls_reach_the_control_with_the_clients_name() {
    let server = Server::start();
    let mut client = server.client().await;
    client.call("get_status", json!({"process": "api"})).await;
    client.call("restart", json!({})).await;
    client.call("search_logs", json!({"pattern": "panic", "tail": 3})).await;
    let seen = server.control.seen();
    let requests: Vec<Request> = seen.iter().map(|(request, _)| request.clone()).collect();
    let query = LogQuery { pattern: Some("panic".to_owned()), tail: Some(3), ..LogQuery::default() };
    let expected = [
        Request::GetStatus(GetStatus {
            process: Some("api".to_owned()),
            brief: true,
            ..GetStatus::default()
        }),
        Request::Restart(Restart::default()),
        Request::SearchLogs(SearchLogs(query)),
    ];
    assert_eq!(requests, expected);
    for (_, origin) in seen {
        assert_eq!((origin.face.as_str(), origin.who.as_str()), ("mcp", "tester 1.2"));
    }
}

#[tokio::test]
async fn answers_are_text_and_facts() {
    let server = Server::start();
    let mut client = server.client().await;
    let status = client.call("get_status", json!({})).await;
    assert!(status["content"][0]["text"].as_str().unwrap().starts_with("release mode"), "{status}");
    assert_eq!(status["structuredContent"]["mode"], "release");
    assert_eq!(status["isError"], false);
    let logs = client.call("search_logs", json!({"pattern": "panic"})).await;
    let text = logs["content"][0]["text"].as_str().unwrap();
    assert!(text.ends_with("\n   listening\n * panic"), "{text}");
    assert!(logs.get("structuredContent").is_none());
}

#[tokio::test]
async fn a_failure_is_a_result_with_code_fact_and_next_step() {
    let server = Server::start();
    let mut client = server.client().await;
    let broken = client.call("restart", json!({"process": "broken"})).await;
    assert_eq!(broken["isError"], true);
    assert_eq!(
        broken["content"][0]["text"],
        "build_failed: `broken` does not build: 1 error\nnext: `search_build_log broken` shows all of it\n\nerror[E0308]: mismatched types"
    );
    assert_eq!(broken["structuredContent"]["code"], "build_failed");
    let unknown = client.call("start", json!({"process": "nope"})).await;
    assert_eq!(unknown["structuredContent"]["code"], "unknown_process");
    assert_eq!(unknown["isError"], true);
}

#[tokio::test]
async fn a_wait_that_is_over_is_no_failure() {
    let server = Server::start();
    let late = server.client().await.call("restart", json!({"process": "late"})).await;
    assert_eq!(late["isError"], false);
    assert_eq!(late["content"][0]["text"], "timed_out: `late` is still building");
    assert_eq!(late["structuredContent"]["code"], "timed_out");
}

#[tokio::test]
async fn bad_arguments_are_named_in_a_result() {
    let server = Server::start();
    let mut client = server.client().await;
    for (tool, arguments, message) in [
        ("start", json!({}), "invalid_parameter: `process` is missing, expected a string"),
        ("stop", json!({"process": 5}), "invalid_parameter: `process` is the number 5, expected a string"),
        (
            "restart",
            json!({"mode": "debug"}),
            "invalid_parameter: `mode` is the string \"debug\", expected `dev` or `release`",
        ),
        (
            "get_status",
            json!({"verbose": true}),
            "invalid_parameter: `verbose` is not a parameter, expected `process`",
        ),
    ] {
        let result = client.call(tool, arguments).await;
        assert_eq!(result["isError"], true);
        assert_eq!(result["content"][0]["text"], message);
    }
    assert!(server.control.seen().is_empty());
}

#[tokio::test]
async fn protocol_faults_are_protocol_errors() {
    let server = Server::start();
    let mut client = server.client().await;
    let unknown = client.modern("tools/call", json!({"name": "delete_disk", "arguments": {}})).await.json();
    assert_eq!(unknown["error"]["code"], -32602);
    assert!(
        unknown["error"]["message"]
            .as_str()
            .unwrap()
            .starts_with("unknown tool `delete_disk`, expected one of get_status,")
    );
    for params in [
        json!({"name": "get_status", "arguments": "x"}),
        json!({"name": "get_status", "arguments": [1]}),
        json!({}),
    ] {
        let malformed = client.modern("tools/call", params).await.json();
        assert_eq!(malformed["error"]["code"], -32602, "{malformed}");
    }
}

#[tokio::test]
async fn malformed_parameters_are_the_callers_fault() {
    let server = Server::start();
    let mut client = server.client().await;
    for (method, params) in [
        ("resources/read", json!({"uri": ["x"]})),
        ("prompts/get", json!({"name": 3})),
        ("completion/complete", json!({"ref": {"type": "ref/nothing"}})),
        ("subscriptions/listen", json!({"notifications": 5})),
        ("tasks/get", json!({})),
        ("tools/list", json!({"cursor": "more"})),
        ("prompts/list", json!({"cursor": "more"})),
        ("resources/list", json!({"cursor": "more"})),
        ("resources/templates/list", json!({"cursor": "more"})),
    ] {
        let answer = client.modern(method, params).await;
        assert_eq!(answer.json()["error"]["code"], -32602, "{method}: {}", answer.text);
    }
}

#[tokio::test]
async fn every_tool_has_its_answer_in_both_forms() {
    let server = Server::start();
    let mut client = server.client().await;
    for (tool, arguments, text, fact) in [
        ("run_background_task", json!({"command": "sleep 60"}), "t9 runs", "task_id"),
        ("get_task_status", json!({}), "no task is running", "tasks"),
        ("end_background_task", json!({"task_id": "t9"}), "t9 killed", "state"),
        ("send_input", json!({"task_id": "t9", "text": "ls", "key": "enter"}), "sent 3 B to t9", "bytes"),
        ("wait_for", json!({"targets": ["api"]}), "api is ready (ready)", "met"),
    ] {
        let result = client.call(tool, arguments).await;
        assert_eq!(result["isError"], false, "{result}");
        assert!(result["content"][0]["text"].as_str().unwrap().starts_with(text), "{result}");
        assert!(result["structuredContent"].get(fact).is_some(), "{result}");
    }
}

#[tokio::test]
async fn a_direct_wait_is_bounded() {
    let server = Server::start();
    server.client().await.call("wait_for", json!({"targets": ["api"], "timeout_seconds": 7_200})).await;
    let Some((Request::WaitFor(wait), _)) = server.control.seen().pop() else { panic!("no wait") };
    assert_eq!(wait.timeout_seconds, Some(50.0));
}

#[tokio::test]
async fn news_lead_the_next_result_once() {
    let server = Server::start();
    let mut client = server.client().await;
    server.control.with_news("api crashed twice");
    let first = client.call("get_status", json!({})).await;
    let text = first["content"][0]["text"].as_str().unwrap();
    assert!(text.starts_with("since your last call: api crashed twice\nrelease mode"), "{text}");
    assert_eq!(first["structuredContent"]["since_your_last_call"], "api crashed twice");
    let second = client.call("get_status", json!({})).await;
    assert!(!second.to_string().contains("crashed"), "{second}");
    let origins: Vec<_> = server.control.seen().into_iter().map(|(_, origin)| origin.session).collect();
    assert!(origins.iter().all(|session| session.as_deref() == Some("http:tester 1.2")), "{origins:?}");
}

#[tokio::test]
async fn what_is_not_declared_is_not_answered() {
    let server = Server::start();
    let mut client = server.client().await;
    for method in [
        "logging/setLevel",
        "ping",
        "initialize",
        "resources/subscribe",
        "resources/unsubscribe",
        "skills/list",
        "no/such/method",
    ] {
        let params = json!({
            "name": "x", "uri": "x", "level": "info", "taskId": "x", "notifications": {},
            "ref": {"type": "ref/prompt", "name": "x"}, "argument": {"name": "a", "value": "b"},
        });
        let answer = client.modern(method, params).await;
        assert_eq!(answer.json()["error"]["code"], -32601, "{method}: {}", answer.text);
        assert_eq!(answer.status, StatusCode::NOT_FOUND, "{method}: {}", answer.text);
    }
}

#[tokio::test]
async fn an_unknown_version_is_refused_by_its_name() {
    let server = Server::start();
    let headers = [("mcp-protocol-version", "2031-01-01"), ("mcp-method", "tools/list")];
    let meta = json!({"io.modelcontextprotocol/protocolVersion": "2031-01-01", "io.modelcontextprotocol/clientCapabilities": {}});
    let message = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": {"_meta": meta}});
    let answer = server.client().await.post(&headers, &message).await;
    assert_eq!(answer.status, StatusCode::BAD_REQUEST);
    assert_eq!(answer.json()["error"]["code"], -32022);
}
