//! The help texts, as they are printed.

use insta::assert_snapshot;

use crate::support::Bench;

#[test]
fn bpm_alone_shows_its_help_and_is_wrong_usage() {
    let bench = Bench::new("");
    let ran = bench.run(&[]).code(2);
    assert_eq!(ran.err, bench.run(&["--help"]).code(0).out);
    assert_snapshot!("help", ran.err);
}

#[test]
fn every_verb_has_help_with_examples() {
    let bench = Bench::new("");
    let verbs = [
        "down",
        "status",
        "start",
        "stop",
        "restart",
        "logs",
        "search",
        "build-log",
        "why",
        "check",
        "mcp",
        "run",
        "tasks",
        "wait",
        "send",
        "signal",
        "attach",
        "install",
        "up",
        "allow",
    ];
    for verb in verbs {
        let help = bench.run(&[verb, "--help"]).code(0).out;
        assert!(help.contains("\nExample"), "{help}");
        assert!(help.contains("--json") && help.contains("--project <DIR>"), "{help}");
        if !["up", "allow"].contains(&verb) {
            assert_snapshot!(format!("help_{verb}"), help);
        }
    }
}

#[test]
fn ps_is_status() {
    let bench = Bench::new("");
    assert_eq!(bench.run(&["ps", "--help"]).code(0).out, bench.run(&["status", "--help"]).code(0).out);
}

#[test]
fn the_old_name_is_up() {
    let bench = Bench::new("");
    let mut old = bench.command(env!("CARGO_BIN_EXE_background-process-manager"));
    let ran = bench.ran(old.arg("--help").output().unwrap()).code(0);
    assert_snapshot!("help_old_name", ran.out);
    let mut old = bench.command(env!("CARGO_BIN_EXE_background-process-manager"));
    let wrong = bench.ran(old.args([".", "--nope"]).output().unwrap()).code(2);
    assert!(wrong.err.contains("Usage: background-process-manager "), "{}", wrong.err);
}

#[test]
fn the_old_name_without_bpm_says_what_is_missing() {
    let bench = Bench::new("");
    let alone = bench.root().join("background-process-manager");
    std::fs::copy(env!("CARGO_BIN_EXE_background-process-manager"), &alone).unwrap();
    let mut old = bench.command(alone.to_str().unwrap());
    let ran = bench.ran(old.env("PATH", bench.root()).output().unwrap()).code(1);
    assert!(ran.err.starts_with("error: cannot start `bpm`: "), "{}", ran.err);
    assert!(ran.err.contains("hint: install `bpm` beside"), "{}", ran.err);
}
