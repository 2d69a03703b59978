//! A client by URL: against the loopback door, and against all that may answer in a manager's place.

use std::time::Duration;

use bpm::client::{Client, Url};
use bpm::control::Control;
use bpm_api::{Change, Code, Error, EventKind, GetStatus, Origin, Restart, Watch};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::time::{Instant, timeout};

use crate::support::{DEADLINE, Server, reaches};

fn url(port: u16) -> Url {
    format!("http://localhost:{port}/mcp").parse().unwrap()
}

fn origin() -> Origin {
    Origin::new("tui", "ann")
}

async fn refused(port: u16) -> Error {
    timeout(DEADLINE, Client::connect_url(&url(port), None)).await.expect("no end").unwrap_err()
}

#[tokio::test]
async fn a_manager_is_asked_and_watched_by_its_url() {
    let server = Server::start();
    let client = Client::connect_url(&url(server.port), None).await.unwrap();
    assert_eq!(client.label(), format!("http://localhost:{}/mcp", server.port));
    assert_eq!(client.manager_pid(), None);
    assert_eq!(client.hello().unwrap().version, env!("CARGO_PKG_VERSION"));
    assert_eq!(client.missing(&["get_status", "read_log", "watch", "fly"]), ["fly"]);
    assert_eq!(client.ask(GetStatus::default(), origin()).await.unwrap().manager.version, "0.1.0");
    let broken = Restart { process: Some("broken".to_owned()), ..Restart::default() };
    let error = client.ask(broken, origin()).await.unwrap_err();
    assert_eq!(error.detail.as_deref(), Some("error[E0308]: mismatched types"));
    let curious = Origin { session: Some("curious".to_owned()), ..origin() };
    client.ask(GetStatus::default(), curious.clone()).await.unwrap();
    assert!(client.has_news(&curious) && !client.has_news(&origin()));

    let mut watch = client.watch(Watch { events: true, ..Watch::default() }).await.unwrap();
    server.control.event("api", EventKind::Crashed, None).await;
    let change = timeout(DEADLINE, watch.next()).await.expect("it is told");
    assert!(matches!(change, Some(Change::Event(event)) if event.kind == EventKind::Crashed));
    assert_eq!(*server.control.present.borrow(), 1);
    let nothing = client.watch(Watch::default()).await.unwrap_err();
    assert_eq!((nothing.code, nothing.message.as_str()), (Code::InvalidParameter, "nothing to watch"));
    drop(watch);
    let mut present = server.control.present.subscribe();
    timeout(DEADLINE, present.wait_for(|count| *count == 0)).await.expect("it is still there").unwrap();
}

#[tokio::test]
async fn a_manager_that_goes_away_is_named_by_its_url() {
    let server = Server::start();
    let client = Client::connect_url(&url(server.port), None).await.unwrap();
    let mut watch = client.watch(Watch { events: true, ..Watch::default() }).await.unwrap();
    let slow = Restart { process: Some("slow".to_owned()), ..Restart::default() };
    let waits = tokio::spawn({
        let client = client.clone();
        async move { client.ask(slow, origin()).await }
    });
    reaches(&server.control.waiting, 1).await;
    server.shutdown.cancel();
    timeout(DEADLINE, server.task).await.expect("it ends").unwrap();
    let error = waits.await.unwrap().unwrap_err();
    assert_eq!(error.code, Code::NoManager);
    let said = format!("the manager at `{}` went away before it had answered `restart`", url(server.port));
    assert_eq!(error.message, said);
    assert_eq!(timeout(DEADLINE, watch.next()).await.expect("the watch goes on"), None);
    let gone = client.ask(GetStatus::default(), origin()).await.unwrap_err();
    assert_eq!(gone.code, Code::NoManager);
    assert!(gone.message.contains("nothing listens on port"), "{gone}");
}

#[tokio::test]
async fn a_port_where_nobody_listens_is_said_to_be_one() {
    let port = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port();
    let error = refused(port).await;
    assert_eq!(error.code, Code::NoManager);
    let said = format!("`http://localhost:{port}/mcp` does not answer: nothing listens on port {port}");
    assert_eq!(error.message, said);
}

/// Its queue is full, so the kernel drops what would be next.
#[tokio::test]
async fn a_way_that_leads_nowhere_is_given_up_in_seconds() {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind(([127, 0, 0, 1], 0).into()).unwrap();
    let listener = socket.listen(0).unwrap();
    let address = listener.local_addr().unwrap();
    let mut queued = Vec::new();
    while let Ok(Ok(stream)) = timeout(Duration::from_millis(300), TcpStream::connect(address)).await {
        queued.push(stream);
    }
    let nowhere: Url = format!("http://127.0.0.1:{}", address.port()).parse().unwrap();
    let error = timeout(DEADLINE, Client::connect_url(&nowhere, None)).await.expect("no end").unwrap_err();
    assert_eq!(error.code, Code::NoManager);
    assert!(error.message.ends_with("does not answer: no connection within 5 s"), "{error}");
}

#[tokio::test]
async fn a_host_that_nobody_knows_is_named() {
    let unknown: Url = "http://no-such-host.invalid:3001".parse().unwrap();
    let error = timeout(DEADLINE, Client::connect_url(&unknown, None)).await.expect("no end").unwrap_err();
    assert_eq!(error.code, Code::NoManager);
    assert!(error.message.starts_with("`http://no-such-host.invalid:3001/mcp` does not answer"), "{error}");
}

/// What a listener does with each connection: reads the head of a request, then says something, or nothing.
async fn pretender(answer: impl Fn(&str) -> Option<String> + Send + Sync + 'static) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let answer = std::sync::Arc::new(answer);
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            tokio::spawn(talk(stream, answer.clone()));
        }
    });
    port
}

async fn talk(mut stream: TcpStream, answer: std::sync::Arc<impl Fn(&str) -> Option<String>>) {
    let mut request = Vec::new();
    while stream.read_buf(&mut request).await.is_ok_and(|length| length > 0) {
        let text = String::from_utf8_lossy(&request).into_owned();
        if !text.contains("\r\n\r\n") {
            continue;
        }
        request.clear();
        match answer(&text) {
            Some(answer) if answer.is_empty() => return,
            Some(answer) => stream.write_all(answer.as_bytes()).await.unwrap(),
            None => {} // and goes on listening
        }
    }
}

fn http(status: &str, kind: &str, body: &str) -> Option<String> {
    let length = body.len();
    Some(format!("HTTP/1.1 {status}\r\ncontent-type: {kind}\r\ncontent-length: {length}\r\n\r\n{body}"))
}

#[tokio::test]
async fn one_that_is_silent_is_given_up_in_seconds() {
    let port = pretender(|_| None).await;
    let begun = Instant::now();
    let error = refused(port).await;
    assert_eq!(error.code, Code::NoManager);
    assert!(error.message.ends_with("does not answer: connected, but silent for 5 s"), "{error}");
    assert!(begun.elapsed().as_secs() >= 5);
}

#[tokio::test]
async fn one_that_hangs_up_is_said_to_do_so() {
    let port = pretender(|_| Some(String::new())).await;
    let error = refused(port).await;
    assert_eq!(error.code, Code::NoManager);
    assert!(error.message.ends_with("does not answer: it closed the connection"), "{error}");
}

#[tokio::test]
async fn what_does_not_speak_http_is_said_not_to() {
    for garbage in ["SSH-2.0-OpenSSH_9.9\r\n", "\u{0}\u{1}\u{2}\u{3} garbage\r\n\r\n", "220 mail ESMTP\r\n"] {
        let port = pretender(move |_| Some(garbage.to_owned())).await;
        let error = refused(port).await;
        assert_eq!(error.code, Code::InvalidParameter, "{garbage:?}: {error}");
        assert_eq!(error.message, format!("`http://localhost:{port}/mcp` does not speak HTTP"));
    }
}

#[tokio::test]
async fn a_web_server_is_neither_bpm_nor_mcp() {
    let long = format!("<p>{}</p>", "x".repeat(1_000_000));
    for (status, kind, body) in [
        ("404 Not Found", "text/html", "<h1>no</h1>"),
        ("200 OK", "text/html", "<h1>an app that answers everything</h1>"),
        ("200 OK", "application/json", "{}"),
        ("200 OK", "text/event-stream", "data: {}\n\n"),
        ("200 OK", "text/html", &long),
        ("401 Unauthorized", "text/plain", "who are you?"),
        ("302 Found", "text/plain", ""),
    ] {
        let body = body.to_owned();
        let port = pretender(move |_| http(status, kind, &body)).await;
        let error = refused(port).await;
        assert_eq!(error.code, Code::InvalidParameter, "{error}");
        let number = &status[..3];
        assert_eq!(
            error.message,
            format!(
                "`http://localhost:{port}/mcp` answers (status {number}), but is neither bpm nor an MCP server"
            )
        );
    }
}

const INITIALIZED: &str = r#"{"jsonrpc":"2.0","id":1,"result":{"protocolVersion":"2025-03-26","capabilities":{"tools":{}},"serverInfo":{"name":"mcp-backgroundr","version":"0.3.1"}}}"#;

/// A server of the old kind: MCP at `/mcp`, nothing else.
async fn old_server(answer: impl Fn() -> Option<String> + Send + Sync + 'static) -> u16 {
    pretender(move |request| {
        if request.starts_with("POST /mcp ") {
            let head = request.to_lowercase();
            assert!(head.contains("content-type: application/json\r\n"), "{request}");
            assert!(head.contains("accept: application/json, text/event-stream\r\n"), "{request}");
            return answer();
        }
        http("404 Not Found", "text/plain", "not found")
    })
    .await
}

async fn is_told_apart(port: u16) {
    let error = refused(port).await;
    assert_eq!(error.code, Code::InvalidParameter, "{error}");
    assert_eq!(
        error.message,
        format!(
            "`http://localhost:{port}/mcp` is mcp-backgroundr 0.3.1, an MCP server without bpm's API: status, logs \
             and events as data are missing, so it cannot be shown"
        )
    );
    assert_eq!(error.hint.as_deref(), Some("run a newer bpm there, or use its MCP tools"));
}

#[tokio::test]
async fn an_mcp_server_without_our_api_is_told_apart_with_what_it_lacks() {
    is_told_apart(old_server(|| http("200 OK", "application/json", INITIALIZED)).await).await;
    let event = format!("id: 0\ndata:\n\nevent: message\r\nid: 1\r\ndata: {INITIALIZED}\r\n\r\n");
    is_told_apart(old_server(move || http("200 OK", "text/event-stream", &event)).await).await;
    // a stream that goes on, in pieces of its own, with data over two lines
    let (first, second) = INITIALIZED.split_at(40);
    let event = format!(": hello\n\ndata: {first}\ndata: {second}\n\n");
    let chunk = format!("{:x}\r\n{event}\r\n", event.len());
    let head = "HTTP/1.1 200 OK\r\ncontent-type: Text/Event-Stream; charset=utf-8\r\ntransfer-encoding: chunked\r\n\r\n";
    is_told_apart(old_server(move || Some(format!("{head}{chunk}"))).await).await;
}

#[tokio::test]
async fn an_answer_that_never_ends_is_given_up() {
    let port =
        old_server(|| Some("HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n".to_owned())).await;
    assert!(refused(port).await.message.contains("neither bpm nor an MCP server"));
}
