//! The shim: the small parent of one run. It owns the program's pipes or terminal, its log, its process tree and its exit
//! status, and outlives the manager. It must not know any policy (restarts, readiness, configuration).
//!
//! A run directory, in the order in which things appear in it:
//!
//! 1. `plan`: what to start, written whole (temporary file, then rename) by [`launch::launch`].
//! 2. `run.lock`: appears already locked (locked under a temporary name, then renamed). Locked means that a shim is
//!    alive, or is about to be: the open file description is the shim's from the instant it is spawned.
//! 3. `exit`: the exit record's space, allocated before the program exists, so that a full disk cannot lose it.
//! 4. `s`: the control socket. Between 2 and 4 (about a millisecond) [`launch::connect`] fails with `NotFound` or
//!    `ConnectionRefused` although [`launch::presence`] says `Alive`: retry.
//! 5. the log segments; then the program is started.
//!
//! At the end: output drained and on disk, exit record, `s` removed, lock released, connections closed. So whoever sees
//! end-of-file on a connection finds the lock free and the record complete.

mod cgroup;
mod clock;
mod control;
mod input;
mod output;
mod proc;
mod run;
mod spawn;
mod stdio;
mod sys;
mod terminal;
mod wire;

pub mod client;
pub mod exit_record;
pub mod launch;
pub mod plan;
pub mod protocol;
pub mod tree;

pub use run::main;

use std::ffi::OsStr;

/// The name a shim is started under (`argv[0]`).
pub const ARGV0: &str = "bpm-shim";

/// The variable that carries [`plan::Plan::run_tag`] in the environment of every program.
pub const RUN_TAG_VARIABLE: &str = "BPM_RUN";

/// Whether a process started with this `argv[0]` is to become a shim: call [`main`] then, before anything else.
#[must_use]
pub fn is_shim(argv0: &OsStr) -> bool {
    argv0 == ARGV0
}
