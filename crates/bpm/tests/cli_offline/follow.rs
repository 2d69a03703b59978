//! `bpm logs -f`: what comes, as it comes, through the runs that follow.

use std::process::Stdio;

use bpm_logs::Stream;

use crate::support::{Bench, Lines, Running, at, print, writer};

fn follow(bench: &Bench, args: &[&str]) -> (Running, Lines) {
    let mut child = bench.bpm(args).stdout(Stdio::piped()).spawn().unwrap();
    let lines = Lines::of(child.stdout.take().unwrap());
    (Running(child), lines)
}

#[test]
fn lines_come_as_they_are_written_and_go_on_in_the_next_run() {
    let bench = Bench::with(&["api"]);
    let mut first = writer(&bench.run_dir("api", 1));
    print(&mut first, Stream::Stdout, b"one\n", 0);
    let (_child, lines) = follow(&bench, &["logs", "api", "-f"]);
    assert_eq!(lines.next(), "one");
    print(&mut first, Stream::Stdout, b"two\n", 1);
    assert_eq!(lines.next(), "two");
    print(&mut first, Stream::Stdout, b"three\n", 2);
    first.finish(at(2));
    assert_eq!(lines.next(), "three");
    for run in 2..5 {
        let mut next = writer(&bench.run_dir("api", run));
        print(&mut next, Stream::Stdout, format!("run {run}\n").as_bytes(), run + 2);
        assert_eq!(lines.next(), format!("run {run}"));
        print(&mut next, Stream::Stderr, b"more\n", run + 2);
        assert_eq!(lines.next(), "more");
        next.finish(at(run + 2));
    }
}

#[test]
fn a_process_that_never_ran_is_waited_for() {
    let bench = Bench::with(&["api", "web"]);
    bench.write_run("web", 1, &["web is up"]);
    let (_child, lines) = follow(&bench, &["logs", "-f"]);
    assert_eq!(lines.next(), "[web] web is up");
    bench.write_run("api", 1, &["api is up"]);
    assert_eq!(lines.next(), "[api] api is up");
}

#[test]
fn following_can_begin_with_the_last_lines_or_with_an_older_run() {
    let bench = Bench::with(&["api"]);
    bench.write_run("api", 1, &["one", "two"]);
    bench.write_run("api", 2, &["three", "four"]);
    let (_child, lines) = follow(&bench, &["logs", "api", "-f", "-n", "1"]);
    assert_eq!(lines.next(), "four");
    let (_child, older) = follow(&bench, &["logs", "api", "-f", "--run", "1"]);
    for expected in ["one", "two", "three", "four"] {
        assert_eq!(older.next(), expected);
    }
    bench.write_run("api", 3, &["five"]);
    assert_eq!(lines.next(), "five");
    assert_eq!(older.next(), "five");
}

#[test]
fn several_processes_begin_with_their_newest_runs() {
    let bench = Bench::with(&["api", "db", "web"]);
    for (process, run) in ["api", "db", "web"].into_iter().flat_map(|p| [(p, 1), (p, 2), (p, 3)]) {
        bench.write_run(process, run, &[&format!("{process} {run}")]);
    }
    let (_child, whole) = follow(&bench, &["logs", "-f"]);
    let mut newest = [whole.next(), whole.next(), whole.next()];
    newest.sort_unstable();
    assert_eq!(newest, ["[api] api 3", "[db] db 3", "[web] web 3"]);
    let (_child, older) = follow(&bench, &["logs", "-f", "-n", "1", "--run", "-2", "api", "web"]);
    let mut both = [older.next(), older.next(), older.next(), older.next()];
    both.sort_unstable();
    assert_eq!(both, ["[api] api 2", "[api] api 3", "[web] web 2", "[web] web 3"]);
    bench.write_run("web", 4, &["web 4"]);
    assert_eq!(whole.next(), "[web] web 4");
    assert_eq!(older.next(), "[web] web 4");
}

#[test]
fn a_follower_whose_reader_has_gone_ends_with_the_next_line() {
    let bench = Bench::with(&["api"]);
    let mut log = writer(&bench.run_dir("api", 1));
    print(&mut log, Stream::Stdout, b"one\n", 0);
    let mut child =
        bench.bpm(&["logs", "api", "-f"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut first = [0; 4];
    let mut out = child.stdout.take().unwrap();
    std::io::Read::read_exact(&mut out, &mut first).unwrap();
    drop(out);
    print(&mut log, Stream::Stdout, b"two\n", 1);
    let ended = bench.ran(child.wait_with_output().unwrap()).code(0);
    assert_eq!(ended.err, "");
}

#[test]
fn the_output_ends_when_the_follower_is_killed() {
    let bench = Bench::with(&["api"]);
    bench.write_run("api", 1, &["one"]);
    let (child, lines) = follow(&bench, &["logs", "api", "-f"]);
    assert_eq!(lines.next(), "one");
    drop(child);
    assert!(lines.rest().is_empty());
}
