//! What becomes of each line, and that neither direction grows without bound.

use std::time::Duration;

use rmcp::model::{ClientJsonRpcMessage, JsonRpcMessage, RequestId, ServerJsonRpcMessage, ServerResult};
use rmcp::transport::Transport;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, DuplexStream};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::{Lines, MAX_LINE_BYTES, MAX_REQUESTS};

const DEADLINE: Duration = Duration::from_secs(20);

struct Other {
    input: DuplexStream,
    output: BufReader<DuplexStream>,
    ended: CancellationToken,
}

fn pair() -> (Lines<DuplexStream>, Other) {
    let (input, our_input) = tokio::io::duplex(64 * 1024);
    let (our_output, output) = tokio::io::duplex(64 * 1024);
    let ended = CancellationToken::new();
    let lines = Lines::new(our_input, our_output, ended.clone());
    (lines, Other { input, output: BufReader::new(output), ended })
}

impl Other {
    async fn says(&mut self) -> Value {
        let mut line = String::new();
        timeout(DEADLINE, self.output.read_line(&mut line)).await.unwrap().unwrap();
        serde_json::from_str(&line).unwrap_or_else(|fault| panic!("{fault}: {line:?}"))
    }
}

fn initialize(id: usize) -> String {
    let params = json!({"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}});
    json!({"jsonrpc": "2.0", "id": id, "method": "initialize", "params": params}).to_string() + "\n"
}

fn ping(id: usize) -> String {
    json!({"jsonrpc": "2.0", "id": id, "method": "ping"}).to_string() + "\n"
}

async fn received(lines: &mut Lines<DuplexStream>) -> Option<ClientJsonRpcMessage> {
    timeout(DEADLINE, lines.receive()).await.expect("nothing was received")
}

#[tokio::test]
async fn what_is_no_message_is_answered_and_the_next_one_gets_through() {
    let cases: [(&[u8], i64, Value); 9] = [
        (b"nonsense", -32700, Value::Null),
        (b"{\"jsonrpc\":\"2.0\",\"id\":1,", -32700, json!(1)),
        (b"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"a\xff\xfe\"}", -32700, json!(1)),
        (b"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"a\0b\"}", -32700, json!(1)),
        (b"\0\0\0", -32700, Value::Null),
        (b"[{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\"}]", -32600, Value::Null),
        (b"17", -32600, Value::Null),
        (b"{\"id\":5,\"method\":\"ping\"}", -32600, json!(5)),
        (b"{\"jsonrpc\":\"2.0\",\"id\":\"x\"}", -32600, json!("x")),
    ];
    for (bytes, code, id) in cases {
        let (mut lines, mut other) = pair();
        other.input.write_all(bytes).await.unwrap();
        other.input.write_all(b"\n\r\n  \n").await.unwrap();
        other.input.write_all(initialize(7).as_bytes()).await.unwrap();
        let message = received(&mut lines).await.unwrap();
        assert!(matches!(message, JsonRpcMessage::Request(request) if request.id == RequestId::Number(7)));
        let error = other.says().await;
        assert_eq!((&error["error"]["code"], &error["id"]), (&json!(code), &id), "{error}");
    }
}

#[tokio::test]
async fn a_line_without_end_is_skipped_and_not_kept() {
    let (mut lines, mut other) = pair();
    let writes = tokio::spawn(async move {
        let piece = vec![b'x'; 1024 * 1024];
        other.input.write_all(b"{\"params\":\"").await.unwrap();
        for _ in 0..MAX_LINE_BYTES / piece.len() + 2 {
            other.input.write_all(&piece).await.unwrap();
        }
        other.input.write_all(b"\",\"id\":\"mine\"}\n").await.unwrap();
        other.input.write_all(initialize(1).as_bytes()).await.unwrap();
        other
    });
    assert!(matches!(received(&mut lines).await, Some(JsonRpcMessage::Request(_))));
    assert!(lines.line.capacity() <= super::KEPT_BYTES, "{}", lines.line.capacity());
    let error = writes.await.unwrap().says().await;
    assert_eq!(
        (&error["error"]["code"], &error["id"]),
        (&json!(-32600), &json!("mine")),
        "who waits must hear"
    );
    assert!(error["error"]["message"].as_str().unwrap().contains("8 MB"), "{error}");
}

#[tokio::test]
async fn unknown_notifications_and_stray_answers_are_ignored() {
    let (mut lines, mut other) = pair();
    for message in [
        json!({"jsonrpc": "2.0", "method": "notifications/initialized"}),
        json!({"jsonrpc": "2.0", "method": "$/progress", "params": [1]}),
        json!({"jsonrpc": "2.0", "id": 9, "result": {}}),
    ] {
        other.input.write_all(format!("{message}\n").as_bytes()).await.unwrap();
    }
    other.input.write_all(initialize(1).trim_end().as_bytes()).await.unwrap();
    drop(other.input);
    assert!(matches!(received(&mut lines).await, Some(JsonRpcMessage::Request(_))));
    assert!(!other.ended.is_cancelled());
    assert!(received(&mut lines).await.is_none());
    assert!(other.ended.is_cancelled());
}

#[tokio::test]
async fn requests_without_end_are_refused_and_their_ids_are_free_again() {
    let (mut lines, mut other) = pair();
    other.input.write_all(initialize(0).as_bytes()).await.unwrap();
    received(&mut lines).await.unwrap();
    for id in 1..MAX_REQUESTS {
        other.input.write_all(ping(id).as_bytes()).await.unwrap();
        received(&mut lines).await.unwrap();
    }
    let cancelled =
        json!({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 4}});
    other.input.write_all(format!("{}{cancelled}\n", ping(5_000)).as_bytes()).await.unwrap();
    assert!(matches!(received(&mut lines).await, Some(JsonRpcMessage::Notification(_))));
    let busy = other.says().await;
    assert_eq!((&busy["error"]["code"], &busy["id"]), (&json!(-32000), &json!(5_000)));
    // There is room again, but not for another of the same name.
    other.input.write_all((ping(1) + &ping(4)).as_bytes()).await.unwrap();
    assert!(matches!(received(&mut lines).await, Some(JsonRpcMessage::Request(_))));
    let twice = other.says().await;
    assert_eq!((&twice["error"]["code"], &twice["id"]), (&json!(-32600), &json!(1)));
    lines.send(ServerJsonRpcMessage::response(ServerResult::empty(()), RequestId::Number(3))).await.unwrap();
    other.input.write_all(ping(3).as_bytes()).await.unwrap();
    assert!(matches!(received(&mut lines).await, Some(JsonRpcMessage::Request(_))));
}

#[tokio::test]
async fn a_client_that_never_reads_is_read_no_more() {
    let (mut lines, mut other) = pair();
    other.input.write_all(initialize(0).as_bytes()).await.unwrap();
    received(&mut lines).await.unwrap();
    let garbage = tokio::spawn(async move {
        let mut written = 0;
        let line = vec![b'x'; 1023].into_iter().chain([b'\n']).collect::<Vec<u8>>();
        while timeout(Duration::from_millis(300), other.input.write_all(&line)).await.is_ok() {
            written += line.len();
        }
        (written, other)
    });
    let stalls = timeout(DEADLINE, async {
        tokio::select! {
            _ = lines.receive() => panic!("garbage was received"),
            garbage = garbage => garbage.unwrap(),
        }
    });
    let (written, other) = stalls.await.unwrap();
    assert!(written < 4 * 1024 * 1024, "{written}");
    // Once it has gone altogether, so have we.
    drop(other.output);
    assert!(received(&mut lines).await.is_none());
}
