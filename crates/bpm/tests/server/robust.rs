//! Garbage, limits, impatience and crowds.

use std::time::Duration;

use hyper::{Method, StatusCode};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::support::{Client, DEADLINE, Server, reaches};

async fn post_text(client: &mut Client, body: impl Into<bytes::Bytes>) -> crate::support::Answer {
    let headers = [("content-type", "application/json"), ("accept", "application/json, text/event-stream")];
    client.send(Method::POST, "/mcp", &headers, body).await
}

#[tokio::test]
async fn unreadable_bodies_get_json_rpcs_own_errors() {
    let server = Server::start();
    let mut client = server.client().await;
    for (body, code) in [
        ("", -32700),
        ("not json", -32700),
        (r#"{"jsonrpc":"2.0","id":1,"method":"tools/"#, -32700),
        ("\u{0}\u{1}\u{2}", -32700),
        ("[]", -32600),
        (r#" [{"jsonrpc":"2.0","id":1,"method":"ping"}]"#, -32600),
        ("42", -32600),
        ("{}", -32600),
        (r#"{"jsonrpc":"1.0","id":1,"method":"ping"}"#, -32600),
    ] {
        let answer = post_text(&mut client, body).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{body}: {}", answer.text);
        assert_eq!(answer.json()["error"]["code"], code, "{body}");
    }
    let deep = "[".repeat(200_000);
    assert_eq!(post_text(&mut client, deep).await.json()["error"]["code"], -32700);
    assert_eq!(post_text(&mut client, &b"\xff\xfe{}"[..]).await.json()["error"]["code"], -32700);
    client.call("get_status", json!({})).await;
}

#[tokio::test]
async fn the_wrong_media_type_stays_one() {
    let server = Server::start();
    let mut client = server.client().await;
    let headers = [("content-type", "text/plain"), ("accept", "application/json, text/event-stream")];
    let answer = client.send(Method::POST, "/mcp", &headers, "{}").await;
    assert_eq!(answer.status, StatusCode::UNSUPPORTED_MEDIA_TYPE);
    let headers = [("content-type", "application/json"), ("accept", "text/html")];
    assert_eq!(client.send(Method::POST, "/mcp", &headers, "{}").await.status, StatusCode::NOT_ACCEPTABLE);
}

#[tokio::test]
async fn an_oversized_body_is_refused() {
    let server = Server::start();
    let mut stream = TcpStream::connect(server.address()).await.unwrap();
    let head = format!(
        "POST /mcp HTTP/1.1\r\nhost: localhost:{}\r\ncontent-type: application/json\r\naccept: application/json, text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n",
        server.port
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    let chunk = format!("10000\r\n{}\r\n", "x".repeat(0x10000));
    for _ in 0..17 {
        // The server may close before it has read all of it.
        if stream.write_all(chunk.as_bytes()).await.is_err() {
            break;
        }
    }
    let mut start = [0; 12];
    timeout(DEADLINE, stream.read_exact(&mut start)).await.expect("no answer").unwrap();
    assert_eq!(&start, b"HTTP/1.1 413");
    server.client().await.call("get_status", json!({})).await;
}

#[tokio::test]
async fn other_paths_are_plainly_not_there() {
    let server = Server::start();
    let mut client = server.client().await;
    for path in [
        "/",
        "/mcp/",
        "/sse",
        "/messages",
        "/.well-known/oauth-protected-resource",
        "/.well-known/oauth-authorization-server",
        "/.well-known/oauth-protected-resource/mcp",
        "/register",
        "/v2",
    ] {
        let answer = client.send(Method::GET, path, &[], "").await;
        assert_eq!((answer.status, answer.text.as_str()), (StatusCode::NOT_FOUND, "not found\n"), "{path}");
        assert!(answer.header("content-type").starts_with("text/plain"));
        assert!(answer.headers.get("www-authenticate").is_none());
    }
    let health = client.send(Method::GET, "/healthz", &[], "").await;
    assert_eq!((health.status, health.text.as_str()), (StatusCode::OK, "ok\n"));
    assert_eq!(client.send(Method::POST, "/healthz", &[], "").await.status, StatusCode::METHOD_NOT_ALLOWED);
    assert_eq!(client.send(Method::PUT, "/mcp", &[], "").await.status, StatusCode::METHOD_NOT_ALLOWED);
}

#[tokio::test]
async fn fifty_clients_are_served_while_one_waits() {
    let server = Server::start();
    let mut patient = server.client().await;
    let slow = tokio::spawn(async move { patient.call("restart", json!({"process": "slow"})).await });
    reaches(&server.control.waiting, 1).await;
    let mut clients = JoinSet::new();
    for _ in 0..50 {
        let mut client = server.client().await;
        clients.spawn(async move {
            for _ in 0..20 {
                assert_eq!(client.call("get_status", json!({})).await["isError"], false);
            }
        });
    }
    while let Some(ended) = clients.join_next().await {
        ended.unwrap();
    }
    assert_eq!(server.control.seen().len(), 50 * 20 + 1);
    server.control.let_go();
    assert_eq!(slow.await.unwrap()["structuredContent"]["process"], "slow");
}

#[tokio::test]
async fn a_client_that_goes_away_takes_only_its_wait_along() {
    let server = Server::start();
    let mut client = server.client().await;
    let connection = client.connection.abort_handle();
    let call = tokio::spawn(async move { client.call("restart", json!({"process": "slow"})).await });
    reaches(&server.control.waiting, 1).await;
    connection.abort();
    call.abort();
    reaches(&server.control.dropped, 1).await;
    server.client().await.call("get_status", json!({})).await;
}

#[tokio::test]
async fn a_client_that_never_reads_hurts_nobody() {
    let server = Server::start();
    let mut deaf = TcpStream::connect(server.address()).await.unwrap();
    let request = format!("GET /healthz HTTP/1.1\r\nhost: localhost:{}\r\n\r\n", server.port).repeat(100);
    // Sends until the server will take no more, since it cannot get rid of its answers.
    let mut sent = 0_usize;
    while let Ok(written) = timeout(Duration::from_millis(500), deaf.write_all(request.as_bytes())).await {
        written.unwrap();
        sent += request.len();
        assert!(sent < 256 * 1024 * 1024, "the server took everything without being read");
    }
    server.client().await.call("get_status", json!({})).await;
    server.shutdown.cancel();
    timeout(DEADLINE, server.task).await.expect("the server did not end").unwrap();
}

#[tokio::test]
async fn half_a_request_hurts_nobody() {
    let server = Server::start();
    let mut halves = Vec::new();
    for half in ["", "POST", "POST /mcp HTTP/1.1\r\nhost: ", "\u{16}\u{3}\u{1}\u{2}"] {
        let mut stream = TcpStream::connect(server.address()).await.unwrap();
        stream.write_all(half.as_bytes()).await.unwrap();
        halves.push(stream);
    }
    let head =
        format!("POST /mcp HTTP/1.1\r\nhost: localhost:{}\r\ncontent-length: 100\r\n\r\n{{", server.port);
    let mut stream = TcpStream::connect(server.address()).await.unwrap();
    stream.write_all(head.as_bytes()).await.unwrap();
    halves.push(stream);
    server.client().await.call("get_status", json!({})).await;
    server.shutdown.cancel();
    timeout(DEADLINE, server.task).await.expect("the server did not end").unwrap();
}

#[tokio::test]
async fn too_many_connections_are_told_so() {
    let server = Server::start();
    let mut open = Vec::new();
    for _ in 0..512 {
        let mut client = server.client().await;
        client.send(Method::GET, "/healthz", &[], "").await;
        open.push(client);
    }
    let refused = server.client().await.send(Method::GET, "/healthz", &[], "").await;
    assert_eq!(refused.status, StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(refused.json()["message"], "512 connections are open already");
    drop(open);
    let freed = async {
        while server.client().await.send(Method::GET, "/healthz", &[], "").await.status != StatusCode::OK {
            tokio::task::yield_now().await;
        }
    };
    timeout(DEADLINE, freed).await.expect("no place became free");
}
