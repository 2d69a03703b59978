//! The rules of `update`, each told as what somebody does and sees, against a manager made of data.

mod builds;
mod deeds;
mod events;
mod link;
mod logs;
mod manager;
mod mouse;
mod overlays;
mod prompts;
mod random;
mod scrolling;
mod searching;
mod selection;
mod steps;
mod world;

/// So many cases of a property, or as many as `PROPTEST_CASES` says.
fn cases(number: u32) -> proptest::test_runner::Config {
    let usual = proptest::test_runner::Config::default();
    match std::env::var_os("PROPTEST_CASES") {
        Some(_) => usual,
        None => proptest::test_runner::Config { cases: number, ..usual },
    }
}
