//! Background tasks, waits, news and lasting calls under real managers, asked over the Unix socket as every face asks.
//! Each test has directories of its own and ends what it started.

#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used, reason = "helpers of tests")]
#![allow(
    unreachable_pub,
    dead_code,
    reason = "a test binary has no outside; the lab is made for another one"
)]
#![allow(clippy::needless_pass_by_value, reason = "`json!` reads better by value")]
#![allow(clippy::print_stdout, reason = "figures that are not asserted are shown")]

mod agent;
#[path = "../life/lab.rs"]
mod lab;
#[path = "../stdio/session.rs"]
mod session;

mod kept;
mod many;
mod reading;
mod runs;
mod servers;
mod survival;
mod told;
mod waits;
