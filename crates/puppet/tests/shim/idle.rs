//! A shim with nothing to do does nothing.

use std::fs;

use bpm_shim::plan::Stdin;
use bpm_shim::protocol::InputOutcome::Taken;
use bpm_shim::protocol::MAX_INPUT_BYTES;

use crate::support::{Run, assert_quiet, wait_for};

#[test]
fn an_idle_shim_is_never_woken() {
    let mut idle = Run::start("lines 1 sleep");
    idle.leader();
    assert_quiet(&idle);
}

/// What the shim's memory holds that is its own: the heap and what was allocated beside it, in KiB.
fn allocated(run: &Run) -> u64 {
    let maps = fs::read_to_string(format!("/proc/{}/smaps", run.shim())).unwrap();
    let (mut kib, mut counts) = (0, false);
    for line in maps.lines() {
        let fields: Vec<&str> = line.split_whitespace().collect();
        match fields[..] {
            // A mapping: nameless, or the heap.
            [range, _, _, _, _] if range.contains('-') => counts = true,
            [range, _, _, _, _, name, ..] if range.contains('-') => counts = name == "[heap]",
            ["Private_Dirty:", dirty, "kB"] if counts => kib += dirty.parse::<u64>().unwrap(),
            _ => {}
        }
    }
    kib
}

/// An environment of direnv's or nix's may well have a hundred thousand bytes; a hundred shims must not keep them all.
#[test]
fn neither_a_large_environment_nor_long_input_stays_in_memory() {
    let mut run = Run::start_with("echo", |plan| {
        plan.stdin = Stdin::Pipe;
        let small = (0..300).map(|n| (format!("V{n}"), "x".repeat(n * 37 % 200)));
        let large = (0..2).map(|n| (format!("LARGE{n}"), "x".repeat(60_000)));
        plan.env = small.chain(large).map(|(name, value)| (name.into(), value.into())).collect();
    });
    run.leader();
    wait_for("the environment to go", || allocated(&run) < 150);
    for _ in 0..4 {
        wait_for("room", || run.input(&[b'\n'; MAX_INPUT_BYTES], false) == Taken);
    }
    wait_for("all input to be read", || run.input_status().waiting_bytes == 0);
    wait_for("the buffers to go", || allocated(&run) < 150);
}
