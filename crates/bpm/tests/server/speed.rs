//! What a call costs on its way through each transport. The bounds are far above the figures, and far below what Nagle's
//! algorithm, a poll or a lock across a wait would make of them.

use std::time::{Duration, Instant};

use bpm::server::StdioOptions;
use serde_json::json;

use crate::legacy::{ask, begin};
use crate::stdio::{Session, modern};
use crate::support::Server;

const CALLS: usize = 1_000;
const BOUND: Duration = Duration::from_millis(10);

#[expect(clippy::print_stdout, reason = "the figures are what one runs it for")]
fn judge(path: &str, mut times: Vec<Duration>) {
    times.sort();
    let (p50, p99) = (times[times.len() / 2], times[times.len() * 99 / 100]);
    println!("{path}: p50 {p50:?}, p99 {p99:?} of {}", times.len());
    assert!(p50 < BOUND, "{path}: {p50:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_costs_no_round_of_waiting() {
    let server = Server::start();
    let mut client = server.client().await;
    let mut times = Vec::new();
    for _ in 0..CALLS {
        let from = Instant::now();
        client.call("get_status", json!({})).await;
        times.push(from.elapsed());
    }
    judge("HTTP, 2026-07-28", times);

    let session = begin(&mut client, "2025-06-18").await;
    let mut times = Vec::new();
    for _ in 0..CALLS {
        let from = Instant::now();
        ask(&mut client, &session, "tools/call", json!({"name": "get_status", "arguments": {}})).await;
        times.push(from.elapsed());
    }
    judge("HTTP, 2025-06-18", times);

    let mut session = Session::start(StdioOptions::default());
    let mut times = Vec::new();
    for _ in 0..CALLS {
        let call = modern(json!({"name": "get_status", "arguments": {}}), &json!({}));
        let from = Instant::now();
        session.ask("tools/call", call).await;
        times.push(from.elapsed());
    }
    judge("lines, 2026-07-28", times);
}
