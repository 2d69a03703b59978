//! The real `bpm` without a manager: help, usage, `check`, and the logs on disk.

#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test may fail loudly")]

mod check;
mod follow;
mod help;
mod install;
mod logs;
mod search;
mod support;
mod terminal;
mod usage;
