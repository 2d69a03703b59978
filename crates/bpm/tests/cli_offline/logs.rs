//! `bpm logs` and `bpm build-log` on logs that nobody manages.

use std::io::Read;
use std::process::Stdio;

use bpm_api::{LogLine, Stream as ApiStream};
use bpm_logs::Stream;

use crate::support::{Bench, write};

#[test]
fn a_pipe_gets_the_programs_bytes_exactly() {
    let bench = Bench::with(&["api"]);
    let bytes = b"plain\n\x1b[31mred\x1b[0m\r 50%\r100%\nnot utf-8: \xff\xfe\0\n\nno end";
    write(&bench.run_dir("api", 1), &[(Stream::Stdout, 0, bytes)]);
    let ran = bench.run(&["logs", "api"]).code(0);
    assert_eq!(ran.bytes, bytes);
    assert_eq!(ran.err, "");
    assert_eq!(bench.run(&["logs"]).bytes, bytes, "one process needs no label");
}

#[test]
fn that_nothing_has_run_yet_is_said() {
    let bench = Bench::with(&["api", "web"]);
    assert_eq!(bench.run(&["logs"]).code(0).err, "no run yet\n");
    bench.write_run("api", 1, &["one"]);
    assert_eq!(bench.run(&["logs"]).code(0).err, "");
    let no_build = bench.run(&["build-log", "api"]).code(4).err;
    assert!(no_build.contains("only type \"rust\" and processes with `build` are built"), "{no_build}");
}

#[test]
fn a_long_log_comes_whole() {
    let bench = Bench::with(&["api"]);
    let text: String = (0..100_000).map(|n| format!("line number {n}\n")).collect();
    let long = format!("{}\n", "x".repeat(300_000));
    let chunks = [(Stream::Stdout, 0, text.as_bytes()), (Stream::Stdout, 1, long.as_bytes())];
    write(&bench.run_dir("api", 1), &chunks);
    let ran = bench.run(&["logs", "api"]).code(0);
    assert_eq!(ran.bytes.len(), text.len() + long.len());
    assert!(ran.bytes == [text.as_bytes(), long.as_bytes()].concat());
}

#[test]
fn the_newest_run_is_meant_unless_another_is_named() {
    let bench = Bench::with(&["api"]);
    for run in [3, 9, 10] {
        bench.write_run("api", run, &[&format!("run {run}")]);
    }
    let printed = |args: &[&str]| bench.run(&[&["logs", "api"], args].concat()).code(0).out;
    assert_eq!(printed(&[]), "run 10\n");
    assert_eq!(printed(&["--run", "-1"]), "run 10\n");
    assert_eq!(printed(&["--run", "-2"]), "run 9\n");
    assert_eq!(printed(&["--run", "0"]), "run 3\n");
    assert_eq!(printed(&["--run", "9"]), "run 9\n");
    let ran = bench.run(&["logs", "api", "--run", "4"]).code(4);
    assert!(
        ran.err.starts_with("error: `api` has no run 4: runs 3, 9 to 10 are kept\n  hint: "),
        "{}",
        ran.err
    );
    bench.run(&["logs", "api", "--run", "-4"]).code(4);
    for run in ["4", "-4"] {
        let ran = bench.run(&["logs", "--run", run]).code(4);
        assert!(ran.err.starts_with("error: `api` has no run "), "{}", ran.err);
    }
}

#[test]
fn the_last_lines_can_be_asked_for() {
    let bench = Bench::with(&["api"]);
    bench.write_run("api", 1, &["one", "two", "three", "four"]);
    let printed = |args: &[&str]| bench.run(&[&["logs", "api"], args].concat()).code(0).out;
    assert_eq!(printed(&["-n", "2"]), "three\nfour\n");
    assert_eq!(printed(&["-n", "0"]), "");
    assert_eq!(printed(&["-n", "99"]), "one\ntwo\nthree\nfour\n");
    assert_eq!(printed(&["--since", "2026-03-01T09:30:02Z"]), "three\nfour\n");
    assert_eq!(printed(&["--since", "2026-03-01T09:30:02Z", "-n", "1"]), "four\n");
    assert_eq!(printed(&["--since", "10s"]), "", "all of it is older");
    let ran = bench.run(&["logs", "api", "--since", "yesterday"]).code(2);
    assert!(ran.err.contains("`since` is `yesterday`, expected "), "{}", ran.err);
}

#[test]
fn streams_can_be_told_apart() {
    let bench = Bench::with(&["api"]);
    let chunks: [(Stream, u64, &[u8]); 4] = [
        (Stream::Stdout, 0, b"out 1\n"),
        (Stream::Stderr, 1, b"err 1\n"),
        (Stream::Stdout, 2, b"out 2\n"),
        (Stream::Stderr, 3, b"err 2\n"),
    ];
    write(&bench.run_dir("api", 1), &chunks);
    let printed = |args: &[&str]| bench.run(&[&["logs", "api"], args].concat()).code(0).out;
    assert_eq!(printed(&["--stream", "stdout"]), "out 1\nout 2\n");
    assert_eq!(printed(&["--stream", "stderr"]), "err 1\nerr 2\n");
    assert_eq!(printed(&["--stream", "stderr", "-n", "1"]), "err 2\n");
    assert_eq!(printed(&[]), "out 1\nerr 1\nout 2\nerr 2\n");
}

#[test]
fn several_processes_are_merged_by_time_and_labelled() {
    let bench = Bench::with(&["api", "web", "db"]);
    write(&bench.run_dir("api", 1), &[(Stream::Stdout, 1, b"a1\n"), (Stream::Stdout, 4, b"a2\n")]);
    write(&bench.run_dir("web", 7), &[(Stream::Stdout, 2, b"w1\n"), (Stream::Stdout, 3, b"w2\n")]);
    let all = "[api] a1\n[web] w1\n[web] w2\n[api] a2\n";
    assert_eq!(bench.run(&["logs"]).code(0).out, all);
    assert_eq!(bench.run(&["logs", "web", "api"]).code(0).out, all);
    assert_eq!(bench.run(&["logs", "-n", "1"]).code(0).out, "[web] w2\n[api] a2\n");
    assert_eq!(bench.run(&["logs", "web"]).code(0).out, "w1\nw2\n");
}

#[test]
fn an_unknown_process_is_answered_with_the_known_ones() {
    let bench = Bench::with(&["api", "web"]);
    bench.write_run("removed", 1, &["from an earlier configuration"]);
    let ran = bench.run(&["logs", "wbe"]).code(4);
    assert_eq!(
        ran.err,
        "error: there is no process `wbe`, known: `api`, `web`, `removed`\n  hint: did you mean `web`?\n"
    );
    bench.run(&["logs", "../api"]).code(4);
    bench.run(&["logs", ""]).code(4);
    let ran = bench.run(&["logs", "removed"]).code(0);
    assert_eq!(ran.out, "from an earlier configuration\n");
    let ran = bench.run(&["logs", "web"]).code(4);
    assert!(ran.err.starts_with("error: `web` has no run yet\n"), "{}", ran.err);
}

#[test]
fn a_faulty_configuration_does_not_hide_the_logs() {
    let bench = Bench::new("nonsense = [");
    bench.write_run("api", 1, &["still here"]);
    assert_eq!(bench.run(&["logs", "api"]).code(0).out, "still here\n");
}

#[test]
fn json_is_one_line_for_each_line() {
    let bench = Bench::with(&["api"]);
    let chunks: [(Stream, u64, &[u8]); 2] =
        [(Stream::Stdout, 0, b"\x1b[1mhi\xff\n"), (Stream::Stderr, 1, b"oh\n")];
    write(&bench.run_dir("api", 6), &chunks);
    let ran = bench.run(&["logs", "api", "--json"]).code(0);
    let lines: Vec<LogLine> = ran.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), 2);
    assert_eq!((lines[0].run, lines[0].number, lines[1].number), (6, 1, 2));
    assert_eq!(lines[0].text, "\u{1b}[1mhi\u{fffd}");
    assert_eq!(lines[0].time, "2026-03-01T09:30:00.000Z");
    assert_eq!(lines[1].stream, ApiStream::Stderr);
}

#[test]
fn builds_have_logs_of_their_own() {
    let bench = Bench::with(&["api"]);
    bench.write_run("api", 1, &["a run"]);
    for build in [1, 2] {
        let text = format!("   Compiling shop, build {build}\n");
        write(&bench.build_dir("api", build), &[(Stream::Stderr, 0, text.as_bytes())]);
    }
    assert_eq!(bench.run(&["build-log", "api"]).code(0).out, "   Compiling shop, build 2\n");
    assert_eq!(bench.run(&["build-log"]).code(0).out, "   Compiling shop, build 2\n");
    assert_eq!(bench.run(&["build-log", "--run", "-2"]).code(0).out, "   Compiling shop, build 1\n");
    let ran = bench.run(&["build-log", "--run", "3"]).code(4);
    assert!(ran.err.contains("`api` has no build 3: builds 1 to 2 are kept"), "{}", ran.err);
}

#[test]
fn which_build_log_must_be_said_where_there_are_several_processes() {
    let bench = Bench::with(&["api", "web"]);
    let ran = bench.run(&["build-log"]).code(2);
    assert!(ran.err.contains("there is more than one: `api`, `web`"), "{}", ran.err);
}

#[test]
fn a_reader_that_has_seen_enough_is_no_failure() {
    let bench = Bench::with(&["api"]);
    let text: String = (0..200_000).map(|n| format!("line number {n}\n")).collect();
    write(&bench.run_dir("api", 1), &[(Stream::Stdout, 0, text.as_bytes())]);
    let args: [&[&str]; 2] = [&["logs", "api"], &["search", "line", "api"]];
    for args in args {
        let mut child = bench.bpm(args).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut first = [0; 16];
        child.stdout.take().unwrap().read_exact(&mut first).unwrap();
        let ended = bench.ran(child.wait_with_output().unwrap()).code(0);
        assert_eq!(ended.err, "", "{args:?}");
    }
}
