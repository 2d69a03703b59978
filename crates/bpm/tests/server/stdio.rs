//! MCP as lines of a byte stream: what `bpm mcp` serves.

use std::time::{Duration, Instant};

use bpm::server::{StdioOptions, serve_stdio};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, DuplexStream};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::support::{DEADLINE, Pretended, reaches};

pub(crate) struct Session {
    pub(crate) control: Pretended,
    input: DuplexStream,
    output: BufReader<DuplexStream>,
    task: JoinHandle<()>,
}

impl Session {
    pub(crate) fn start(options: StdioOptions) -> Session {
        let control = Pretended::new();
        let (input, reader) = tokio::io::duplex(64 * 1024);
        let (writer, output) = tokio::io::duplex(64 * 1024);
        let task = tokio::spawn(serve_stdio(control.clone(), reader, writer, options));
        Session { control, input, output: BufReader::new(output), task }
    }

    pub(crate) async fn say(&mut self, message: &Value) {
        self.input.write_all(format!("{message}\n").as_bytes()).await.unwrap();
    }

    /// The next message, whatever it is.
    pub(crate) async fn hear(&mut self) -> Value {
        let mut line = String::new();
        timeout(DEADLINE, self.output.read_line(&mut line)).await.expect("silence").unwrap();
        serde_json::from_str(&line).unwrap_or_else(|fault| panic!("{fault}: {line:?}"))
    }

    pub(crate) async fn ask(&mut self, method: &str, params: Value) -> Value {
        self.say(&json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params})).await;
        self.hear().await
    }

    pub(crate) async fn initialize(&mut self) -> Value {
        let params = json!({"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "piped", "version": "3"}});
        let answer = self.ask("initialize", params).await;
        self.say(&json!({"jsonrpc": "2.0", "method": "notifications/initialized"})).await;
        answer
    }
}

fn options() -> StdioOptions {
    StdioOptions { session: "s-1".to_owned(), channel: false }
}

pub(crate) fn modern(mut params: Value, capabilities: &Value) -> Value {
    params["_meta"] = json!({
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientCapabilities": capabilities,
        "io.modelcontextprotocol/clientInfo": {"name": "tester", "version": "1.2"},
    });
    params
}

#[tokio::test]
async fn both_eras_are_served_and_the_session_names_the_client() {
    let call = json!({"name": "get_status", "arguments": {}});
    for (era, who) in [("old", "piped 3"), ("new", "tester 1.2")] {
        let mut session = Session::start(options());
        let answer = if era == "old" {
            assert_eq!(session.initialize().await["result"]["serverInfo"]["name"], "bpm");
            session.ask("tools/call", call.clone()).await
        } else {
            session.ask("tools/call", modern(call.clone(), &json!({}))).await
        };
        assert_eq!(answer["result"]["isError"], false, "{answer}");
        let (_, origin) = session.control.seen().pop().unwrap();
        assert_eq!((origin.face.as_str(), origin.who.as_str()), ("mcp", who));
        assert_eq!(origin.session.as_deref(), Some("s-1"));
    }
}

#[tokio::test]
async fn nonsense_ends_no_session() {
    let mut session = Session::start(options());
    session.input.write_all(b"\xff\0{\n{\"jsonrpc\":\"2.0\",\"method\":\"x\"}\n").await.unwrap();
    assert_eq!(session.hear().await["error"]["code"], -32700);
    session.initialize().await;
    session.input.write_all(b"{\"jsonrpc\":\n").await.unwrap();
    assert_eq!(session.hear().await["error"]["code"], -32700);
    assert_eq!(session.ask("ping", json!({})).await["result"], json!({}));
}

#[tokio::test]
async fn the_end_of_input_ends_it_at_once_whatever_is_under_way() {
    let mut session = Session::start(options());
    session.initialize().await;
    let slow = json!({"name": "restart", "arguments": {"process": "slow"}});
    session.say(&json!({"jsonrpc": "2.0", "id": 5, "method": "tools/call", "params": slow})).await;
    reaches(&session.control.waiting, 1).await;
    drop(session.input);
    let from = Instant::now();
    timeout(DEADLINE, session.task).await.expect("it did not end").unwrap();
    assert!(from.elapsed() < Duration::from_secs(1), "{:?}", from.elapsed());
    reaches(&session.control.dropped, 1).await;
}

#[tokio::test]
async fn answers_that_are_ready_still_come_after_the_end_of_input() {
    let mut session = Session::start(options());
    let call = modern(json!({"name": "get_status", "arguments": {}}), &json!({}));
    let message = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": call}).to_string();
    session.input.write_all(message.as_bytes()).await.unwrap();
    drop(session.input);
    let mut line = String::new();
    timeout(DEADLINE, session.output.read_line(&mut line)).await.unwrap().unwrap();
    assert!(line.contains("release mode"), "{line}");
    timeout(DEADLINE, session.task).await.expect("it did not end").unwrap();
}

#[tokio::test]
async fn a_client_that_never_reads_holds_nothing_but_itself() {
    let mut deaf = Session::start(options());
    deaf.initialize().await;
    let call = json!({"name": "get_status", "arguments": {}});
    let mut sent = 0;
    for id in 10..100_000 {
        let message = json!({"jsonrpc": "2.0", "id": id, "method": "tools/call", "params": call});
        let line = format!("{message}\n");
        if timeout(Duration::from_millis(500), deaf.input.write_all(line.as_bytes())).await.is_err() {
            break;
        }
        sent += 1;
    }
    // What the pipes hold, then 64 answers and 256 requests of ours.
    assert!(sent < 3_000, "{sent} requests were taken");
    let mut other = Session::start(options());
    assert!(other.initialize().await.get("result").is_some());
    drop(deaf.output);
    timeout(DEADLINE, deaf.task).await.expect("it did not end").unwrap();
}
