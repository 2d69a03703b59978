//! A whole project in a seeded world of faults, in virtual time, thousands of times.
//!
//! `BPM_SIM_SEEDS=100000` runs a campaign; `BPM_SIM_SEED=7` replays one seed and prints what
//! happened. A failure prints its seed and the shortest list of deeds that still fails.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "helpers of tests"
)]

mod support;

#[path = "simulation/draw.rs"]
mod draw;
#[path = "simulation/oracle.rs"]
mod oracle;
#[path = "simulation/plan.rs"]
mod plan;
#[path = "simulation/play.rs"]
mod play;
#[path = "simulation/tasks.rs"]
mod tasks;
#[path = "simulation/world.rs"]
mod world;

use plan::Plan;

const SEEDS: u64 = 5000;

fn number(variable: &str) -> Option<u64> {
    let text = std::env::var(variable).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("`{variable}` must be a number, found `{text}`")))
}

fn fail(plan: &Plan, why: &str) -> ! {
    let kind = |why: &str| why.replace(|one: char| one.is_ascii_digit(), "");
    let same = |plan: &Plan| play::play(plan, false).is_err_and(|failure| kind(&failure.why) == kind(why));
    let shortest = plan.shrink(same);
    let (log, last) = match play::play(&shortest, true) {
        Ok(log) => (log, why.to_owned()),
        Err(failure) => (failure.log, failure.why),
    };
    let deeds: Vec<String> = shortest.deeds.iter().map(|deed| format!("  {deed:?}")).collect();
    let tail = log.len().saturating_sub(80);
    panic!(
        "seed {}: {why}\nshortest list of deeds, which ends with: {last}\n{}\nwhat happened last:\n{}",
        plan.seed,
        deeds.join("\n"),
        log[tail..].join("\n"),
    );
}

fn run(seed: u64) {
    let plan = Plan::new(seed);
    if let Err(failure) = play::play(&plan, false) {
        fail(&plan, &failure.why);
    }
}

/// Two halves, so that two cores share the work.
fn half(which: u64) {
    if let Some(seed) = number("BPM_SIM_SEED") {
        if which == 0 {
            match play::play(&Plan::new(seed), true) {
                Ok(log) => println!("{}", log.join("\n")),
                Err(failure) => fail(&Plan::new(seed), &failure.why),
            }
        }
        return;
    }
    let seeds = number("BPM_SIM_SEEDS").unwrap_or(SEEDS);
    (0..seeds).filter(|seed| seed % 2 == which).for_each(run);
}

#[test]
fn even_seeds_keep_every_promise() {
    half(0);
}

#[test]
fn odd_seeds_keep_every_promise() {
    half(1);
}

#[test]
fn the_same_seed_tells_the_same_story() {
    let story = || play::play(&Plan::new(42), true).unwrap_or_else(|failure| failure.log);
    let (one, two) = (story(), story());
    assert!(one.len() > 50, "hardly anything happened: {} lines", one.len());
    assert_eq!(one, two);
}
