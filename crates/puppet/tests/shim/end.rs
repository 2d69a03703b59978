//! How a run ends, and that everything about it is on disk by the time anybody hears of it.

use std::fs;

use bpm_shim::exit_record::{Outcome, Rest};
use bpm_shim::protocol::{Report, Request, Status};

use crate::support::{Run, gate, is_alive, open_gate, wait_for};

#[test]
fn an_exit_code_is_reported_and_recorded() {
    let mut run = Run::start("exit 37");
    let exit = run.exited();
    assert_eq!(exit.status, Status::Code(37));
    assert!(exit.usage.max_rss_kib > 100, "{exit:?}");
    assert!(run.over());
    let record = run.record();
    assert_eq!((&record.outcome, record.rest), (&Outcome::Exited(Status::Code(37)), Rest::Empty));
    assert_eq!((record.ended, record.usage), (exit.at, exit.usage));
    assert!(record.started.mono_ns < record.ended.mono_ns && record.started.wall_ns < record.ended.wall_ns);
    assert_eq!(record.boot_id, fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap().trim());
}

#[test]
fn a_death_by_signal_is_told_from_an_exit() {
    for signal in [6, 9, 11, 15] {
        let mut run = Run::start(&format!("crash-signal {signal}"));
        let status = run.status();
        assert!(matches!(status, Status::Signal { signal: found, .. } if found == signal), "{status:?}");
        assert!(run.over());
        assert_eq!(run.record().outcome, Outcome::Exited(status));
    }
}

#[test]
fn all_a_short_program_printed_is_on_disk_when_its_exit_is_reported() {
    for _ in 0..20 {
        let mut run = Run::start(
            "lines 1 --prefix first lines 400 lines 1 --stderr --prefix error partial the-end exit 0",
        );
        run.exited();
        let log = run.log();
        assert!(log.contains("first1\nline 1\n") && log.contains("error1\n"), "{log}");
        assert!(log.contains("line 400\n") && log.contains("the-end"), "{log}");
    }
}

#[test]
fn bytes_are_kept_as_they_are() {
    let mut run = Run::start("binary exit 0");
    assert!(run.over());
    let all: Vec<u8> = (0..=255).collect();
    assert_eq!(run.log_bytes(), all);
    assert_eq!(run.record().log_bytes, 256);
}

#[test]
fn output_after_the_leaders_exit_is_kept_too() {
    let home = tempfile::tempdir().unwrap();
    let gate = gate(home.path());
    let sh = format!("(read x < {}; echo late) & echo early", gate.display());
    let mut run = Run::start_in(home, "run", "", |plan| {
        plan.program = "sh".into();
        plan.args = vec!["-c".into(), sh.into()];
    });
    assert_eq!(run.status(), Status::Code(0));
    assert_eq!(run.record().rest, Rest::Running);
    assert_eq!(run.log(), "early\n");
    open_gate(&gate);
    assert!(run.over());
    assert_eq!(run.log(), "early\nlate\n");
    assert_eq!(run.record().rest, Rest::Empty);
}

/// Both of what the log holds back and of what is still in the pipe.
#[test]
fn half_a_line_is_on_disk_when_the_exit_is_reported_and_others_live_on() {
    for bytes in [1, 60_000, 200_000] {
        let sh = format!("sleep 60 & head -c {bytes} /dev/zero | tr '\\0' x; printf y");
        let mut run = Run::start_with("", |plan| {
            plan.program = "sh".into();
            plan.args = vec!["-c".into(), sh.into()];
        });
        run.exited();
        let log = run.log();
        assert!(log.len() == bytes + 1 && log.ends_with("xy"), "{} of {bytes}", log.len());
    }
}

#[test]
fn the_leaders_exit_and_the_trees_end_are_two_things() {
    let mut run = Run::start("setsid-child fork-grandchild exit 3");
    assert_eq!(run.status(), Status::Code(3));
    let [session, grandchild] = run.pids(["session", "grandchild"]);
    assert!(is_alive(session) && is_alive(grandchild));
    run.send(&Request::Kill);
    assert!(run.over());
    assert!(!is_alive(session) && !is_alive(grandchild));
    assert_eq!(run.record().outcome, Outcome::Exited(Status::Code(3)));
}

#[test]
fn what_a_build_leaves_behind_is_let_go() {
    let mut run = Run::start_with("setsid-child lines 2 exit 0", |plan| plan.leave_behind = true);
    assert_eq!(run.status(), Status::Code(0));
    assert!(!run.over());
    assert_eq!((run.record().rest, run.log().as_str()), (Rest::Released, "line 1\nline 2\n"));
    let [session] = run.pids(["session"]);
    assert!(is_alive(session));
}

#[test]
fn a_rest_can_be_let_go_on_request() {
    let mut run = Run::start("setsid-child exit 0");
    run.exited();
    run.send(&Request::Release);
    assert!(!run.over());
    let [session] = run.pids(["session"]);
    assert!(is_alive(session));
}

#[test]
fn stdout_can_go_to_a_file_beside_the_log() {
    let mut run = Run::start_with("lines 2 lines 1 --stderr --prefix error exit 0", |plan| {
        plan.stdout_file = Some("messages.json".to_owned());
    });
    assert_eq!((run.welcome.stdout, run.welcome.stderr), (false, true));
    assert!(run.over());
    assert_eq!(run.log(), "error1\n");
    assert_eq!(fs::read_to_string(run.dir.join("messages.json")).unwrap(), "line 1\nline 2\n");
}

#[test]
fn an_unfinished_line_is_seen_while_the_program_waits() {
    let mut run = Run::start("partial prompt> sleep");
    run.leader();
    wait_for("the prompt in the log", || run.log() == "prompt>");
}

#[test]
fn a_flood_is_kept_whole_and_its_pipe_is_made_large() {
    let mut run = Run::start("spam");
    let state = |report: &Report| if let Report::State(state) = report { Some(*state) } else { None };
    wait_for("some megabytes", || {
        run.send(&Request::Status);
        run.until(state).log.bytes > 8 << 20
    });
    let pipe = run.connection.take_fds().remove(0);
    wait_for("a large pipe", || rustix::pipe::fcntl_getpipe_size(&pipe).unwrap() == 1 << 20);
    run.send(&Request::Kill);
    assert!(run.over());
    let record = run.record();
    assert_eq!((record.lost_bytes, record.lost_lines), (0, 0));
}
