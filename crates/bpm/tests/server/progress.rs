//! Progress of calls that wait, over each transport and of both eras.

use bpm::server::StdioOptions;
use bpm_api::EventKind;
use hyper::Method;
use serde_json::{Value, json};

use crate::legacy::begin;
use crate::stdio::Session;
use crate::support::{Pretended, Server, Stream, reaches};

fn slow() -> Value {
    json!({"name": "restart", "arguments": {"process": "slow"}, "_meta": {"progressToken": "p1"}})
}

/// A build, as the engine tells it, to a call that waits.
async fn build(control: &Pretended) {
    reaches(&control.watched, 1).await;
    reaches(&control.waiting, 1).await;
    control.event("slow", EventKind::BuildStarted, None).await;
    control.event("other", EventKind::BuildProgress, Some((30, 40))).await;
    control.event("slow", EventKind::BuildProgress, Some((12, 40))).await;
    control.event("slow", EventKind::BuildProgress, Some((40, 40))).await;
    control.event("slow", EventKind::Ready, None).await;
}

/// `(progress, total, message)` of a notification.
fn read(message: &Value) -> (f64, Option<f64>, String) {
    assert_eq!(message["method"], "notifications/progress", "{message}");
    let params = &message["params"];
    assert_eq!(params["progressToken"], "p1");
    let text = params["message"].as_str().unwrap().to_owned();
    (params["progress"].as_f64().unwrap(), params["total"].as_f64(), text)
}

fn expected() -> [(f64, Option<f64>, String); 4] {
    [
        (0.0, None, "slow: BuildStarted".to_owned()),
        (12.0, Some(40.0), "slow: BuildProgress".to_owned()),
        (40.0, Some(40.0), "slow: BuildProgress".to_owned()),
        (41.0, None, "slow: Ready".to_owned()),
    ]
}

async fn tells(mut stream: Stream, control: &Pretended) {
    build(control).await;
    for expected in expected() {
        assert_eq!(read(&stream.next().await.unwrap()), expected);
    }
    control.let_go();
    let answer = stream.next().await.unwrap();
    assert_eq!(answer["result"]["structuredContent"]["process"], "slow", "{answer}");
    assert_eq!(stream.next().await, None);
}

#[tokio::test]
async fn a_modern_call_with_a_token_becomes_a_stream() {
    let server = Server::start();
    let control = server.control.clone();
    // The head of the answer comes with the first notice.
    let builds = tokio::spawn(async move { build(&control).await });
    let mut stream = server.client().await.modern_stream("tools/call", slow()).await;
    builds.await.unwrap();
    for expected in expected() {
        assert_eq!(read(&stream.next().await.unwrap()), expected);
    }
    server.control.let_go();
    let answer = stream.next().await.unwrap();
    assert_eq!(answer["result"]["structuredContent"]["process"], "slow", "{answer}");
    assert_eq!(stream.next().await, None);
}

#[tokio::test]
async fn an_older_session_gets_it_in_its_stream() {
    let server = Server::start();
    let mut client = server.client().await;
    let session = begin(&mut client, "2025-06-18").await;
    let headers = [
        ("content-type", "application/json"),
        ("accept", "application/json, text/event-stream"),
        ("mcp-session-id", session.as_str()),
    ];
    let message = json!({"jsonrpc": "2.0", "id": 4, "method": "tools/call", "params": slow()});
    let stream = client.open(Method::POST, "/mcp", &headers, message.to_string()).await;
    tells(Stream::of(stream), &server.control).await;
}

#[tokio::test]
async fn a_pipe_gets_it_between_its_lines() {
    let mut session = Session::start(StdioOptions::default());
    session.initialize().await;
    session.say(&json!({"jsonrpc": "2.0", "id": 4, "method": "tools/call", "params": slow()})).await;
    build(&session.control).await;
    for expected in expected() {
        assert_eq!(read(&session.hear().await), expected);
    }
    session.control.let_go();
    assert_eq!(session.hear().await["result"]["structuredContent"]["process"], "slow");
}

#[tokio::test]
async fn a_call_without_a_token_is_plain_json_and_watches_nothing() {
    let server = Server::start();
    let params = json!({"name": "restart", "arguments": {"process": "api"}});
    let answer = server.client().await.modern("tools/call", params).await;
    assert_eq!(answer.header("content-type"), "application/json");
    assert_eq!(*server.control.watched.borrow(), 0);
    let quick = json!({"name": "get_status", "_meta": {"progressToken": 1}});
    let answer = server.client().await.modern("tools/call", quick).await;
    assert_eq!(answer.header("content-type"), "application/json");
    assert_eq!(*server.control.watched.borrow(), 0);
}

#[tokio::test]
async fn a_client_that_goes_away_ends_the_wait_and_nothing_else() {
    let server = Server::start();
    let mut client = server.client().await;
    let connection = client.connection.abort_handle();
    let waits = tokio::spawn(async move { client.modern("tools/call", slow()).await });
    reaches(&server.control.waiting, 1).await;
    connection.abort();
    waits.abort();
    reaches(&server.control.dropped, 1).await;
}
