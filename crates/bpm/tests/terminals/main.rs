//! Signals, terminals and what is shown on them, under real managers and with real programs; `bpm attach` on a terminal of its own.
//! Each test has directories of its own and ends what it started.

#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used, reason = "helpers of tests")]
#![allow(
    unreachable_pub,
    dead_code,
    reason = "a test binary has no outside; the lab and its agent are made for others"
)]
#![allow(clippy::print_stdout, reason = "figures that are not asserted are shown")]

#[path = "../tasks/agent.rs"]
mod agent;
#[path = "../life/lab.rs"]
mod lab;

mod attach;
mod late;
mod output;
mod seat;
mod signals;
mod tui;
