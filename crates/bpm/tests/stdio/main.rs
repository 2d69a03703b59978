//! `bpm mcp` as a client starts it: the built program, pipes, one JSON-RPC message a line, and real managers behind it.

#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used, reason = "helpers of tests")]
#![allow(
    unreachable_pub,
    dead_code,
    reason = "a test binary has no outside; the lab is made for another one"
)]
#![allow(clippy::needless_pass_by_value, reason = "`json!` reads better by value")]

#[path = "../life/lab.rs"]
mod lab;
mod session;

mod life;
mod tasks;
mod trust;
