//! The life of real processes under a real manager: the built `bpm` as a user starts it, puppets as
//! programs, kills at every phase. Each test has directories of its own and ends what it started.

#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used, reason = "helpers of tests")]
#![expect(unreachable_pub, reason = "a test binary has no outside")]

mod lab;

mod agents;
mod browser;
mod clients;
mod conformance;
mod crash;
mod errors;
mod network;
mod progress;
mod python_client;
mod restart;
mod rust_project;
mod survival;
mod tasks;
mod up_and_down;
