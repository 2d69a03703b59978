//! The typed API, the same at the Unix socket and on loopback.

use std::collections::BTreeSet;

use bpm::server::{Access, Endpoint, bind, serve_tcp, serve_unix};
use bpm_api::{Hello, Op, Request, for_each_op};
use hyper::{Method, StatusCode};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::net::{TcpStream, UnixListener, UnixStream};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::support::{Client, DEADLINE, Pretended, Server, reaches};

const JSON: [(&str, &str); 1] = [("content-type", "application/json")];

/// Two doors to one control.
struct Doors {
    control: Pretended,
    directory: TempDir,
    port: u16,
}

impl Doors {
    fn open() -> Doors {
        let directory = tempfile::tempdir().unwrap();
        let listener = UnixListener::bind(directory.path().join("s")).unwrap();
        let Endpoint { listeners, port, .. } = bind(None, 0).unwrap();
        let (control, shutdown) = (Pretended::new(), CancellationToken::new());
        tokio::spawn(serve_unix(listener, control.clone(), shutdown.clone()));
        tokio::spawn(serve_tcp(listeners, control.clone(), Access::own_user(), shutdown));
        Doors { control, directory, port }
    }

    async fn clients(&self) -> [Client; 2] {
        let socket = UnixStream::connect(self.directory.path().join("s")).await.unwrap();
        let stream = TcpStream::connect(("127.0.0.1", self.port)).await.unwrap();
        let host = format!("127.0.0.1:{}", self.port);
        [Client::over(socket, "bpm".to_owned()).await, Client::over(stream, host).await]
    }
}

fn call(op: &str, with: &Value) -> String {
    json!({"origin": {"face": "tui", "who": "ann", "session": "curious"}, "request": {"op": op, "with": with}})
        .to_string()
}

#[tokio::test]
async fn each_door_says_what_the_manager_can_do() {
    macro_rules! names {
        ($($op:ident),*) => { [$(<bpm_api::$op as Op>::NAME),*] };
    }
    let all: BTreeSet<&str> = for_each_op!(names).into();
    let doors = Doors::open();
    for mut client in doors.clients().await {
        let answer = client.send(Method::GET, "/v1", &[], "").await;
        assert_eq!((answer.status, answer.header("content-type")), (StatusCode::OK, "application/json"));
        let hello: Hello = serde_json::from_str(&answer.text).unwrap();
        assert_eq!(hello.operations.iter().map(String::as_str).collect::<BTreeSet<_>>(), all);
        assert_eq!(hello.version, env!("CARGO_PKG_VERSION"));
        assert!(hello.streams.contains(&"watch".to_owned()));
        let posted = client.send(Method::POST, "/v1", &JSON, "{}").await;
        assert_eq!((posted.status, posted.header("allow")), (StatusCode::METHOD_NOT_ALLOWED, "GET, HEAD"));
    }
    assert!(doors.control.seen().is_empty());
}

#[tokio::test]
async fn a_call_means_the_same_at_both_doors() {
    let doors = Doors::open();
    let bodies = [
        call("get_status", &json!({})),
        call("restart", &json!({"process": "api"})),
        call("restart", &json!({"process": "broken"})),
        call("why", &json!({"process": "nope"})),
        call("shutdown", &json!({})),
        call("fly", &json!({})),
        "nonsense".to_owned(),
    ];
    let mut answers = Vec::new();
    for mut client in doors.clients().await {
        for body in &bodies {
            let answer = client.send(Method::POST, "/v1/call", &JSON, body.clone()).await;
            answers.push((answer.status, answer.header("bpm-news").to_owned(), answer.text));
        }
    }
    let (socket, loopback) = answers.split_at(bodies.len());
    assert_eq!(socket, loopback);
    assert_eq!(socket[0].1, "1", "the news of a session that has some");
    let seen = doors.control.seen();
    assert_eq!(seen[..5], seen[5..]);
    assert!(seen.iter().any(|(request, _)| matches!(request, Request::Shutdown(_))));
}

#[tokio::test]
async fn what_a_form_can_send_is_no_request() {
    let server = Server::start();
    let body = call("shutdown", &json!({}));
    for kind in [
        None,
        Some("text/plain"),
        Some("application/x-www-form-urlencoded"),
        Some("multipart/form-data; boundary=application/json"),
        Some("application/json-seq"),
        Some("text/plain; application/json"),
    ] {
        let headers: Vec<(&str, &str)> = kind.into_iter().map(|kind| ("content-type", kind)).collect();
        for path in ["/v1/call", "/v1/watch", "/v1/output"] {
            let answer = server.client().await.send(Method::POST, path, &headers, body.clone()).await;
            assert_eq!(answer.status, StatusCode::UNSUPPORTED_MEDIA_TYPE, "{kind:?}");
            assert_eq!(answer.json()["code"], "invalid_parameter");
        }
    }
    assert!(server.control.seen().is_empty());
    for kind in ["application/json", "Application/JSON; charset=utf-8"] {
        let headers = [("content-type", kind)];
        let answer = server.client().await.send(Method::POST, "/v1/call", &headers, body.clone()).await;
        assert_eq!(answer.status, StatusCode::OK, "{kind}");
    }
    let nowhere = server.client().await.send(Method::POST, "/nowhere", &JSON, "{}").await;
    assert_eq!(nowhere.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_watch_on_loopback_is_a_client_for_as_long_as_it_is_open() {
    let doors = Doors::open();
    let [_, mut client] = doors.clients().await;
    let response = client.open(Method::POST, "/v1/watch", &JSON, r#"{"events": true}"#).await;
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(*doors.control.present.borrow(), 1);
    client.connection.abort();
    drop(response);
    let mut present = doors.control.present.subscribe();
    timeout(DEADLINE, present.wait_for(|count| *count == 0)).await.expect("it is still counted").unwrap();
}

#[tokio::test]
async fn a_watch_on_loopback_ends_with_the_manager() {
    let server = Server::start();
    let mut client = server.client().await;
    let response = client.open(Method::POST, "/v1/watch", &JSON, r#"{"events": true}"#).await;
    reaches(&server.control.watched, 1).await;
    server.shutdown.cancel();
    timeout(DEADLINE, server.task).await.expect("the watch held it").unwrap();
    drop(response);
    assert_eq!(*server.control.present.borrow(), 0);
}
