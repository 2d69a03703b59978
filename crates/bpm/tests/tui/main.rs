//! `bpm tui` as somebody uses it: in a terminal (tmux), under a real manager, with keys, mouse, other sizes and
//! everything that goes wrong. Each test has directories of its own and ends what it started.

#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used, reason = "helpers of tests")]
#![allow(
    unreachable_pub,
    dead_code,
    reason = "a test binary has no outside; the lab is made for another one"
)]

#[path = "../life/lab.rs"]
mod lab;

mod desk;
mod shown;
mod tmux;

mod attached;
mod elsewhere;
mod given_back;
mod hostile;
mod keys;
mod mouse;
mod picture;
mod plain;
mod screens;
mod trouble;
