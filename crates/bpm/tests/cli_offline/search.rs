//! `bpm search` on logs that nobody manages.

use bpm_api::LogPage;
use bpm_logs::Stream;
use insta::assert_snapshot;

use crate::support::{Bench, write};

fn bench() -> Bench {
    let bench = Bench::with(&["api", "web"]);
    bench.write_run("api", 1, &["old error"]);
    bench.write_run(
        "api",
        2,
        &[
            "start",
            "error: one",
            "retry",
            "ok",
            "ok",
            "ok",
            "error: two",
            "error: two",
            "error: two",
            "\x1b[31mend\x1b[0m",
        ],
    );
    bench.write_run("web", 1, &["GET /", "GET /error"]);
    bench
}

#[test]
fn matches_are_marked_and_context_is_indented() {
    let bench = bench();
    let ran = bench.run(&["search", "error: one", "api", "-C", "1"]).code(0);
    assert_snapshot!(ran.out);
    assert_snapshot!(ran.err, @"api run 2: 1 match; cursor api:2:10");
}

#[test]
fn all_processes_are_searched_where_none_is_named() {
    let ran = bench().run(&["search", "error"]).code(0);
    assert_snapshot!(ran.out);
}

#[test]
fn head_and_tail_cut_the_result() {
    let bench = bench();
    assert_eq!(bench.run(&["search", "error", "api", "--head", "1"]).code(0).out, " * error: one\n");
    assert_eq!(bench.run(&["search", "error", "api", "--tail", "1"]).code(0).out, " * error: two\n");
    let ran = bench.run(&["search", "error", "api", "--head", "1"]);
    assert_snapshot!(ran.err, @"api run 2: 4 matches, 3 after these not shown; cursor api:2:2");
    let ran = bench.run(&["search", "error", "api", "--cursor", "api:2:2"]).code(0);
    assert_eq!(ran.out, " * error: two (×3)\n");
}

#[test]
fn runs_streams_times_and_builds_can_be_chosen() {
    let bench = bench();
    assert_eq!(bench.run(&["search", "error", "api", "--run", "1"]).code(0).out, " * old error\n");
    assert_eq!(bench.run(&["search", "error", "api", "--run", "-2"]).code(0).out, " * old error\n");
    assert_eq!(bench.run(&["search", "error", "api", "--stream", "stderr"]).code(0).out, "");
    let ran = bench.run(&["search", "error", "api", "--since", "2026-03-01T09:31:48Z"]).code(0);
    assert_eq!(ran.out, " * error: two\n");
    write(&bench.build_dir("api", 5), &[(Stream::Stderr, 0, b"warning: unused\nerror[E0308]\n")]);
    let ran = bench.run(&["search", "^error", "api", "--builds"]).code(0);
    assert_eq!(ran.out, " * error[E0308]\n");
    assert_snapshot!(ran.err, @"api build 5: 1 match; cursor api:b5:2");
}

#[test]
fn nothing_found_is_no_failure() {
    let ran = bench().run(&["search", "no such text", "web"]).code(0);
    assert_eq!(ran.out, "");
    assert_snapshot!(ran.err, @"web run 1: no line matches; cursor web:1:2");
}

#[test]
fn a_bad_pattern_is_named_as_the_parameter_and_explained() {
    let ran = bench().run(&["search", "err(or", "api"]).code(2);
    assert!(ran.err.starts_with("error: `pattern` is not a regular expression: "), "{}", ran.err);
    assert!(ran.err.contains("unclosed group"), "{}", ran.err);
}

#[test]
fn other_bad_parameters_are_named_too() {
    let bench = bench();
    let cursor = bench.run(&["search", "x", "api", "--cursor", "junk"]).code(2);
    assert!(cursor.err.starts_with("error: `cursor` is `junk`, expected "), "{}", cursor.err);
    let foreign = bench.run(&["search", "x", "api", "--cursor", "web:1:1"]).code(2);
    assert!(foreign.err.contains("another process or run"), "{}", foreign.err);
    bench.run(&["search", "x", "ap"]).code(4);
    bench.run(&["search", "x", "api", "--run", "77"]).code(4);
}

#[test]
fn json_is_one_page() {
    let bench = bench();
    let page: LogPage = serde_json::from_str(&bench.run(&["search", "error", "--json"]).code(0).out).unwrap();
    assert_eq!(page.matches, 5);
    assert_eq!(page.source, "api run 2, web run 1");
    assert_eq!(page.cursor, "api:2:10,web:1:2");
    assert_eq!(page.lines.iter().map(|line| line.times).sum::<u64>(), 5);
    let next = bench.run(&["search", "error", "--json", "--cursor", &page.cursor]).code(0);
    let next: LogPage = serde_json::from_str(&next.out).unwrap();
    assert!(next.lines.is_empty());
    assert_eq!(next.cursor, page.cursor);
}

#[test]
fn more_than_a_page_of_matches_comes_whole() {
    let bench = Bench::with(&["api"]);
    let text: String =
        (0..60_000).map(|n| format!("a match with number {n}, long enough to fill pages\n")).collect();
    write(&bench.run_dir("api", 1), &[(Stream::Stdout, 0, text.as_bytes())]);
    let ran = bench.run(&["search", "match", "api"]).code(0);
    assert_eq!(ran.out.lines().count(), 60_000);
    assert!(ran.out.lines().enumerate().all(|(n, line)| line.contains(&format!("number {n},"))));
}
