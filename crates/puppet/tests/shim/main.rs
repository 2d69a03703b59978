//! The shim, with real processes. One file per behaviour; everything that a test starts it also ends, by pid.
#![expect(clippy::unwrap_used, clippy::panic, reason = "tests: helpers too fail by panicking")]

mod control;
mod disk;
mod end;
mod idle;
mod input;
mod presence;
mod start;
mod support;
mod survival;
mod terminal;
mod tree;
