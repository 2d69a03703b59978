//! `kill -9` of the manager and of shims, in every phase, while programs print.

use std::fs;

use bpm_api::State;
use rustix::process::Signal;

use crate::lab::{Lab, alive, process, puppet, send, shell};

/// Prints numbered lines until it is told to stop.
fn counter() -> String {
    shell("app", "i=0; while :; do i=$((i+1)); echo line $i; done", "logs = { max_bytes = '2G' }")
}

/// The shim of a program.
fn parent_of(pid: u32) -> u32 {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    stat[stat.rfind(')').unwrap() + 2..].split(' ').nth(1).unwrap().parse().unwrap()
}

fn assert_in_order(lines: &[String]) {
    assert!(!lines.is_empty());
    for (place, line) in lines.iter().enumerate() {
        assert_eq!(*line, format!("line {}", place + 1));
    }
}

#[test]
fn a_killed_manager_is_followed_by_one_that_adopts() {
    let mut lab = Lab::up(&counter());
    let before = lab.running("app");
    for _ in 0..3 {
        let seen = lab.lines("app").len();
        lab.kill_manager();
        assert!(alive(before.pid.unwrap()));
        lab.wait_for("it prints on without a manager", |lab| {
            (lab.lines("app").len() > seen + 1000).then_some(())
        });
        lab.start();
        let after = lab.running("app");
        assert_eq!((after.pid, after.run, after.restarts), (before.pid, before.run, 0));
    }
    lab.bpm(&["stop", "app"]);
    let mut lines = lab.lines("app");
    lines.pop(); // the last one may be cut by the signal
    assert_in_order(&lines);
}

#[test]
fn what_ended_while_nobody_looked_is_known_with_its_status() {
    let mut lab = Lab::new(&shell(
        "app",
        "until test -e end; do sleep 0.01; done; echo last words; exit 42",
        "restart = 'never'",
    ));
    lab.start();
    let pid = lab.running("app").pid.unwrap();
    lab.kill_manager();
    lab.write("end", "");
    lab.wait_for("it has ended", |_| (!alive(pid)).then_some(()));
    lab.start();
    let ended = lab.in_state("app", State::Ended);
    assert_eq!(ended.last_exit.unwrap().code, Some(42));
    assert_eq!(lab.lines("app"), ["last words"]);
}

#[test]
fn mode_count_and_due_time_go_on() {
    let mut lab = Lab::new(&("dev_crash_wait_seconds = 200\n".to_owned() + &shell("app", "exit 1", "")));
    lab.start_with(&["--dev"]);
    let before = lab.in_state("app", State::BackingOff);
    lab.kill_manager();
    lab.start();
    let after = lab.process("app");
    assert_eq!((after.state, after.crashes), (State::BackingOff, before.crashes));
    let (was, is) = (before.restart_in_seconds.unwrap(), after.restart_in_seconds.unwrap());
    assert!(is <= was && is > was - 60.0, "{was} {is}");
    assert_eq!(lab.status().mode, bpm_api::Mode::Dev);
}

#[test]
fn a_build_goes_on_without_its_manager_and_is_swapped_in_by_the_next() {
    let config = r#"
[process.app]
build = "echo begun >> builds; until test -e go; do sleep 0.01; done; echo done >> builds"
command = "exec sleep 1000"
"#;
    let mut lab = Lab::new(config);
    lab.write("go", "");
    lab.start();
    let first = lab.running("app");
    fs::remove_file(lab.file("go")).unwrap();
    let mut restart = lab.command().args(["restart", "app"]).spawn().unwrap();
    lab.wait_for("the second build runs", |lab| lab.process("app").building);
    lab.kill_manager();
    restart.wait().unwrap();
    assert!(alive(first.pid.unwrap()));
    lab.start();
    assert_eq!(lab.running("app").pid, first.pid);
    lab.write("go", "");
    let second = lab.running_other_than("app", first.run.unwrap());
    assert_eq!(second.run, Some(2));
    assert!(!alive(first.pid.unwrap()));
    assert_eq!(fs::read_to_string(lab.file("builds")).unwrap(), "begun\ndone\nbegun\ndone\n");
}

#[test]
fn a_stop_is_finished_by_the_next_manager() {
    let mut lab =
        Lab::up(&shell("app", "trap '' TERM; while :; do sleep 0.05; done", "stop = { grace_seconds = 1 }"));
    let pid = lab.running("app").pid.unwrap();
    let mut stop = lab.command().args(["stop", "app"]).spawn().unwrap();
    lab.in_state("app", State::Stopping);
    lab.kill_manager();
    stop.wait().unwrap();
    lab.start();
    lab.in_state("app", State::Stopped);
    assert!(!alive(pid));
}

#[test]
fn killed_at_random_moments_it_never_loses_or_doubles_a_run() {
    let config = "release_crash_backoff_initial_seconds = 0\nrelease_crash_backoff_max_seconds = 0\n";
    let line = "echo $$ >> pids; test $(wc -l < pids) -gt 500 && exec sleep 1000; exit 1";
    let mut lab = Lab::new(&(config.to_owned() + &shell("app", line, "")));
    lab.start();
    let mut rounds = 0;
    while fs::read_to_string(lab.file("pids")).unwrap_or_default().lines().count() < 400 && rounds < 40 {
        let target =
            fs::read_to_string(lab.file("pids")).unwrap_or_default().lines().count() + 7 + rounds % 5;
        lab.wait_for("some more crashes", |lab| {
            (fs::read_to_string(lab.file("pids")).unwrap_or_default().lines().count() >= target).then_some(())
        });
        lab.kill_manager();
        lab.start();
        rounds += 1;
    }
    let alive_now = |lab: &Lab| {
        let pids = fs::read_to_string(lab.file("pids")).unwrap();
        pids.lines().filter(|pid| alive(pid.parse().unwrap())).count()
    };
    assert!(alive_now(&lab) <= 1, "two runs at once");
}

/// What is left for a moment of a manager that was killed while it started a program: the child has copies of
/// its descriptors until it executes.
#[test]
fn locks_and_a_socket_without_a_manager_are_waited_for() {
    let mut lab = Lab::up(&shell("app", "exec sleep 1000", ""));
    let before = lab.running("app");
    lab.kill_manager();
    let locks = [lab.state().join("lock"), lab.project()].map(|path| fs::File::open(path).unwrap());
    for lock in &locks {
        rustix::fs::flock(lock, rustix::fs::FlockOperation::LockExclusive).unwrap();
    }
    fs::remove_file(lab.state().join("s")).unwrap();
    let listener = std::os::unix::net::UnixListener::bind(lab.state().join("s")).unwrap();
    let child = std::thread::spawn(move || {
        drop(listener.accept().unwrap());
        drop((listener, locks));
    });
    lab.start();
    child.join().unwrap();
    assert_eq!(lab.running("app").pid, before.pid);
}

#[test]
fn a_killed_shim_takes_its_run_with_it_and_the_crash_rule_applies() {
    let config = "release_crash_backoff_initial_seconds = 0.2\n";
    let lab = Lab::up(
        &(config.to_owned()
            + &shell("app", "setsid sleep 1000 & echo $! >> strays; echo hello; exec sleep 1000", "")),
    );
    let before = lab.running("app");
    let stray = lab.pids("strays", 1)[0];
    send(parent_of(before.pid.unwrap()), Signal::KILL);
    let after = lab.running_other_than("app", before.run.unwrap());
    assert!(after.last_exit.unwrap().lost);
    assert!(!alive(before.pid.unwrap()) && !alive(stray));
    assert_eq!(lab.logs(&["app", "--run", "-2"]).lines[0].text, "hello");
}

#[test]
fn a_program_on_a_pty_free_pipe_never_blocks_on_a_dead_manager() {
    let puppet = puppet();
    let mut lab = Lab::up(&process("app", &[&puppet, "lines", "200000"], "restart = 'never'"));
    lab.kill_manager();
    lab.start();
    lab.in_state("app", State::Ended);
    assert_eq!(lab.lines("app").len(), 200_000);
}

#[test]
fn what_is_alive_is_taken_over_even_if_the_intent_is_damaged_or_stale() {
    let mut lab = Lab::up(&(shell("a", "exec sleep 1000", "") + &shell("b", "exec sleep 1000", "")));
    let (a, b) = (lab.running("a"), lab.running("b"));
    lab.kill_manager();
    fs::write(lab.state().join("intent"), b"{\"version\":1,garbage").unwrap();
    lab.start();
    assert_eq!((lab.running("a").pid, lab.running("b").pid), (a.pid, b.pid));
    // from now on nothing can be written down, as on a full disk
    let unfinished = ["intent.new", "project.json.new", "allowed.new"].map(|name| lab.state().join(name));
    unfinished.iter().for_each(|path| fs::create_dir(path).unwrap());
    let again: bpm_api::Began = lab.ask(&["restart", "a"]);
    lab.kill_manager();
    lab.start();
    let (a, after) = (lab.running("a"), lab.running("b"));
    assert_eq!((a.pid, a.run, after.pid), (Some(again.pid), Some(2), b.pid));
    unfinished.iter().for_each(|path| fs::remove_dir(path).unwrap());
}

#[test]
fn a_shim_that_does_not_answer_keeps_nobody_else_waiting() {
    let mut lab = Lab::up(&(shell("mute", "exec sleep 1000", "") + &shell("app", "exec sleep 1000", "")));
    let (mute, app) = (lab.running("mute"), lab.running("app"));
    let shim = parent_of(mute.pid.unwrap());
    lab.kill_manager();
    send(shim, Signal::STOP);
    send(app.pid.unwrap(), Signal::KILL);
    lab.start();
    lab.running_other_than("app", app.run.unwrap());
    send(shim, Signal::CONT);
    assert_eq!(lab.running("mute").pid, mute.pid);
}

#[test]
fn a_run_whose_directory_was_removed_is_not_doubled() {
    let mut lab = Lab::up(&shell("app", "echo $$ >> pids; exec sleep 1000", ""));
    let before = lab.running("app").pid.unwrap();
    fs::remove_dir_all(lab.state().join("processes/app/runs/1")).unwrap();
    assert_eq!(lab.running("app").pid, Some(before));
    lab.kill_manager();
    lab.start();
    let after = lab.running("app");
    assert_eq!((after.run, alive(before)), (Some(2), false));
}
