//! The promises about the life of a process, one test per sentence, in virtual time. Nothing here
//! looks into the machine: what counts is what it wants done and what it answers.

#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used, reason = "helpers of tests")]

mod support;

#[path = "rules/crash.rs"]
mod crash;
#[path = "rules/mode.rs"]
mod mode;
#[path = "rules/requests.rs"]
mod requests;
#[path = "rules/stop.rs"]
mod stop;
#[path = "rules/survival.rs"]
mod survival;
#[path = "rules/swap.rs"]
mod swap;
#[path = "rules/tasks.rs"]
mod tasks;
