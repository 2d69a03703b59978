//! The server's doors with real sockets and real HTTP, before a control that only pretends.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod access;
mod client;
mod lasting;
mod legacy;
mod modern;
mod pretended;
mod progress;
mod resources;
mod robust;
mod speed;
mod stdio;
mod subscriptions;
mod support;
mod tokens;
mod typed;
mod unix;
mod urls;
