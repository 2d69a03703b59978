//! Exit codes and messages where there is no manager, or the command line is wrong.

use bpm_api::{Code, Error};

use crate::support::Bench;

#[test]
fn what_needs_a_manager_says_how_to_start_one() {
    let bench = Bench::with(&["api"]);
    let verbs: [&[&str]; 11] = [
        &["status"],
        &["down"],
        &["start", "api"],
        &["stop", "api"],
        &["restart"],
        &["why"],
        &["why", "nobody"],
        &["tasks"],
        &["wait", "t1"],
        &["send", "t1", "text"],
        &["signal", "api", "HUP"],
    ];
    for verb in verbs {
        let ran = bench.run(verb).code(3);
        assert_eq!(ran.out, "");
        assert_eq!(
            ran.err, "error: no manager runs for `[DIR]/shop`\n  hint: `bpm up` or `bpm up -d` starts one\n",
            "{verb:?}"
        );
    }
}

#[test]
fn errors_are_json_where_json_is_asked_for() {
    let bench = Bench::with(&["api"]);
    let ran = bench.run(&["status", "--json"]).code(3);
    assert_eq!(ran.out, "");
    let error: Error = serde_json::from_str(&ran.err).unwrap();
    assert_eq!(error.code, Code::NoManager);
    let ran = bench.run(&["--json", "logs", "nobody"]).code(4);
    let error: Error = serde_json::from_str(&ran.err).unwrap();
    assert_eq!(error.code, Code::UnknownProcess);
}

#[test]
fn a_socket_that_nobody_listens_on_is_no_manager() {
    let bench = Bench::with(&["api"]);
    let socket = bench.run_dir("api", 1).ancestors().nth(4).unwrap().join("s");
    std::fs::create_dir_all(socket.parent().unwrap()).unwrap();
    drop(std::os::unix::net::UnixListener::bind(socket).unwrap());
    bench.run(&["status"]).code(3);
}

#[test]
fn wrong_usage_is_told_from_failure() {
    let bench = Bench::with(&["api"]);
    let wrong: [&[&str]; 14] = [
        &["fly"],
        &["status", "--nope"],
        &["start"],
        &["run"],
        &["run", "-s", "true", "--", "true"],
        &["run", "--env", "=x", "--", "true"],
        &["wait"],
        &["wait", "t1", "--until", "never"],
        &["send", "t1"],
        &["restart", "api", "--timeout-seconds", "soon"],
        &["restart", "api", "--timeout-seconds", "-1"],
        &["logs", "-n", "many"],
        &["logs", "--stream", "stdin"],
        &["search"],
    ];
    for args in wrong {
        let ran = bench.run(args).code(2);
        assert_eq!(ran.out, "", "{args:?}");
        assert!(ran.err.starts_with("error: "), "{args:?}: {}", ran.err);
    }
}

#[test]
fn a_project_that_cannot_be_one_is_wrong_usage() {
    let bench = Bench::with(&["api"]);
    let ran = bench.run(&["--project", "/nowhere/at/all", "status"]).code(2);
    assert!(ran.err.starts_with("error: there is no directory `/nowhere/at/all`"), "{}", ran.err);
    let ran = bench.run(&["--project", ".mcp-run", "logs"]).code(2);
    assert!(ran.err.contains("is not a directory"), "{}", ran.err);
    let gone = bench.bpm(&["status"]).current_dir("/").output().unwrap();
    let ran = bench.ran(gone).code(2);
    assert!(ran.err.contains("--project"), "{}", ran.err);
}

#[test]
fn a_directory_below_the_project_belongs_to_it() {
    let bench = Bench::with(&["api"]);
    bench.write_run("api", 1, &["hello"]);
    let below = bench.root().join("src/deep");
    std::fs::create_dir_all(&below).unwrap();
    let ran = bench.ran(bench.bpm(&["logs", "api"]).current_dir(below).output().unwrap()).code(0);
    assert_eq!(ran.out, "hello\n");
}

#[test]
fn an_output_that_takes_nothing_is_a_failure() {
    let bench = Bench::with(&["api"]);
    bench.write_run("api", 1, &["hello"]);
    let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let ran = bench.ran(bench.bpm(&["logs", "api"]).stdout(full).output().unwrap()).code(1);
    assert!(ran.err.starts_with("error: cannot write the output: "), "{}", ran.err);
}
