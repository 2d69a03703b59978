//! Protocols up to 2025-11-25: `initialize`, then a session.

use http_body_util::BodyExt;
use hyper::{Method, StatusCode};
use serde_json::{Value, json};
use tokio::time::timeout;

use crate::support::{Answer, Client, DEADLINE, Server};

const VERSIONS: [&str; 4] = ["2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25"];

async fn initialize(client: &mut Client, version: &str) -> Answer {
    let params = json!({"protocolVersion": version, "capabilities": {}, "clientInfo": {"name": "elder", "version": version}});
    client.post(&[], &json!({"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": params})).await
}

/// A session, begun as a client does it.
pub(crate) async fn begin(client: &mut Client, version: &str) -> String {
    let answer = initialize(client, version).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
    let session = answer.header("mcp-session-id").to_owned();
    let initialized = json!({"jsonrpc": "2.0", "method": "notifications/initialized"});
    let accepted = client.post(&[("mcp-session-id", &session)], &initialized).await;
    assert_eq!(accepted.status, StatusCode::ACCEPTED);
    session
}

pub(crate) async fn ask(client: &mut Client, session: &str, method: &str, params: Value) -> Value {
    let message = json!({"jsonrpc": "2.0", "id": "a", "method": method, "params": params});
    let answer = client.post(&[("mcp-session-id", session)], &message).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
    assert_eq!(answer.header("content-type"), "text/event-stream");
    answer.json()
}

#[tokio::test]
async fn every_older_revision_is_served() {
    let server = Server::start();
    for version in VERSIONS {
        let mut client = server.client().await;
        let answer = initialize(&mut client, version).await.json();
        assert_eq!(answer["result"]["protocolVersion"], version);
        assert_eq!(answer["result"]["serverInfo"]["name"], "bpm");
        assert_eq!(
            answer["result"]["capabilities"]["resources"],
            json!({"listChanged": true, "subscribe": true})
        );
        let session = begin(&mut client, version).await;
        let tools = ask(&mut client, &session, "tools/list", json!({})).await;
        assert_eq!(tools["result"]["tools"].as_array().unwrap().len(), 11);
        let status =
            ask(&mut client, &session, "tools/call", json!({"name": "get_status", "arguments": {}})).await;
        assert!(status["result"]["content"][0]["text"].as_str().unwrap().starts_with("release mode"));
        assert!(status["result"].get("resultType").is_none());
        let pong = ask(&mut client, &session, "ping", json!({})).await;
        assert_eq!(pong["result"], json!({}));
        assert_eq!(server.control.seen().pop().unwrap().1.who, format!("elder {version}"));
    }
}

#[tokio::test]
async fn a_version_of_the_future_gets_the_newest_that_initializes() {
    let server = Server::start();
    let answer = initialize(&mut server.client().await, "2099-01-01").await.json();
    assert_eq!(answer["result"]["protocolVersion"], "2025-11-25");
}

#[tokio::test]
async fn no_event_without_data_confuses_an_old_client() {
    let server = Server::start();
    let mut client = server.client().await;
    let answer = initialize(&mut client, "2025-03-26").await;
    let data: Vec<&str> = answer.text.lines().filter_map(|line| line.strip_prefix("data:")).collect();
    assert_eq!(data.len(), 1, "{}", answer.text);
    assert!(!data[0].trim().is_empty());
}

#[tokio::test]
async fn a_session_ends_when_its_client_says_so() {
    let server = Server::start();
    let mut client = server.client().await;
    let session = begin(&mut client, "2025-06-18").await;
    let header = [("mcp-session-id", session.as_str())];
    let ended = client.send(Method::DELETE, "/mcp", &header, "").await;
    assert_eq!(ended.status, StatusCode::NO_CONTENT);
    let message = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/list"});
    assert_eq!(client.post(&header, &message).await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn without_a_session_the_answer_says_what_is_missing() {
    let server = Server::start();
    let mut client = server.client().await;
    let message = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/list"});
    let answer = client.post(&[], &message).await;
    assert_eq!(answer.status, StatusCode::BAD_REQUEST);
    assert!(answer.text.contains("Session ID"), "{}", answer.text);
    let stream = client.send(Method::GET, "/mcp", &[("accept", "text/event-stream")], "").await;
    assert_eq!(stream.status, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn what_is_not_declared_is_not_answered() {
    let server = Server::start();
    let mut client = server.client().await;
    let session = begin(&mut client, "2025-11-25").await;
    for (method, params) in [
        ("subscriptions/listen", json!({"notifications": {}})),
        ("logging/setLevel", json!({"level": "info"})),
        ("no/such/method", json!({})),
    ] {
        let answer = ask(&mut client, &session, method, params).await;
        assert_eq!(answer["error"]["code"], -32601, "{method}: {answer}");
    }
    let unknown = ask(&mut client, &session, "tools/call", json!({"name": "nope"})).await;
    assert_eq!(unknown["error"]["code"], -32602);
    let malformed = ask(&mut client, &session, "tools/call", json!({"arguments": {}})).await;
    assert_eq!(malformed["error"]["code"], -32602);
}

#[tokio::test]
async fn too_many_sessions_end_the_ones_that_nobody_uses() {
    let server = Server::start();
    let mut client = server.client().await;
    let first = begin(&mut client, "2025-06-18").await;
    let second = begin(&mut client, "2025-06-18").await;
    for _ in 0..255 {
        ask(&mut client, &first, "ping", json!({})).await;
        begin(&mut client, "2025-06-18").await;
    }
    ask(&mut client, &first, "ping", json!({})).await;
    let message = json!({"jsonrpc": "2.0", "id": 1, "method": "ping"});
    let evicted = client.post(&[("mcp-session-id", &second)], &message).await;
    assert_eq!(evicted.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn the_end_closes_an_open_stream_and_comes_soon() {
    let server = Server::start();
    let mut client = server.client().await;
    let session = begin(&mut client, "2025-06-18").await;
    let mut listener = server.client().await;
    let headers = [("accept", "text/event-stream"), ("mcp-session-id", session.as_str())];
    let stream = listener.open(Method::GET, "/mcp", &headers, "").await;
    assert_eq!(stream.status(), StatusCode::OK);
    server.shutdown.cancel();
    timeout(DEADLINE, server.task).await.expect("the server did not end").unwrap();
    let rest = timeout(DEADLINE, stream.into_body().collect()).await.expect("the stream did not end");
    assert_eq!(rest.unwrap().to_bytes().as_ref(), b"");
}
