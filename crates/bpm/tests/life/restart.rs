//! Build first, then swap: what a failed build leaves alone, whose log is where, newest wins.

use std::fs;

use bpm_api::{Code, Mode, State};

use crate::lab::{Lab, alive, shell};

/// A process with a build step: the "compiler" copies a script, or fails if it holds `BROKEN`.
const BUILT: &str = r#"
dev_crash_wait_seconds = 0.3
release_crash_backoff_initial_seconds = 0.1
[process.app]
build = "grep -q BROKEN source && { echo 'error: it is BROKEN' >&2; exit 3; }; cp source built; echo compiled"
command = "exec sh ./built"
"#;

fn built_lab() -> Lab {
    let mut lab = Lab::new(BUILT);
    lab.write("source", "echo version one\nexec sleep 1000\n");
    lab.start();
    lab.running("app");
    lab
}

#[test]
fn a_restart_builds_switches_to_dev_mode_and_swaps() {
    let lab = built_lab();
    let old = lab.process("app");
    lab.write("source", "echo version two\nexec sleep 1000\n");
    let began: bpm_api::Began = lab.ask(&["restart", "app"]);
    assert_eq!((began.run, began.build, began.recipe), (2, Some(2), Mode::Dev));
    assert!(!alive(old.pid.unwrap()));
    let status = lab.status();
    assert_eq!(status.mode, Mode::Dev);
    assert!(status.release_switch_in_seconds.unwrap() > 3.0 * 3600.0 - 60.0);
    lab.wait_for("the new code speaks", |lab| (lab.lines("app") == ["version two"]).then_some(()));
    let before = lab.logs(&["app", "--run", "-2"]);
    assert_eq!(before.lines[0].text, "version one");
}

#[test]
fn a_failed_build_leaves_everything_as_it_was() {
    let lab = built_lab();
    let old = lab.process("app");
    lab.write("source", "BROKEN");
    let error = lab.refused(&["restart", "app"]);
    assert_eq!(error.code, Code::BuildFailed);
    assert!(error.detail.as_ref().unwrap().contains("error: it is BROKEN"), "{error:?}");
    let now = lab.process("app");
    assert_eq!((now.pid, now.run, now.state), (old.pid, Some(1), State::Running));
    assert_eq!(now.last_build.unwrap().ok, Some(false));
    let log = lab.bpm(&["build-log", "app"]);
    assert!(crate::lab::text(&log.stdout).contains("it is BROKEN"));
}

#[test]
fn crash_recovery_still_works_after_a_failed_build() {
    let lab = built_lab();
    lab.write("source", "BROKEN");
    lab.refused(&["restart", "app"]);
    let pid = lab.process("app").pid.unwrap();
    crate::lab::send(pid, rustix::process::Signal::KILL);
    let again = lab.running_other_than("app", 1);
    assert_eq!(again.last_exit.unwrap().signal.as_deref(), Some("KILL"));
}

#[test]
fn the_newest_restart_wins_and_both_callers_get_its_outcome() {
    let config = r#"
[process.app]
build = "echo begun >> builds; test -e go || sleep 1000; echo done >> builds"
command = "exec sleep 1000"
"#;
    let mut lab = Lab::new(config);
    lab.write("go", "");
    lab.start();
    lab.running("app");
    fs::remove_file(lab.file("go")).unwrap();
    let first = lab
        .command()
        .args(["--json", "restart", "app"])
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    lab.wait_for("the first build runs", |lab| {
        (fs::read_to_string(lab.file("builds")).unwrap().lines().count() == 3).then_some(())
    });
    lab.write("go", "");
    let second: bpm_api::Began = lab.ask(&["restart", "app"]);
    let first: bpm_api::Began = serde_json::from_slice(&first.wait_with_output().unwrap().stdout).unwrap();
    assert_eq!(first, second);
    assert_eq!(second.build, Some(3));
}

#[test]
fn a_status_is_answered_at_once_during_a_build_a_wait_and_a_stop() {
    let config = r#"
dev_crash_wait_seconds = 300
[process.building]
build = "test -e go || sleep 1000"
command = "exec sleep 1000"
[process.crashed]
command = "exit 7"
restart = "always"
[process.stubborn]
command = "trap '' TERM; while :; do sleep 0.05; done"
stop = { grace_seconds = 300 }
"#;
    let mut lab = Lab::new(config);
    lab.start_with(&["--dev"]);
    lab.in_state("crashed", State::BackingOff);
    lab.running("stubborn");
    let mut stop = lab.command().args(["stop", "stubborn"]).spawn().unwrap();
    lab.in_state("stubborn", State::Stopping);
    assert_eq!(lab.process("building").state, State::Starting);
    assert!(lab.process("crashed").restart_in_seconds.unwrap() > 200.0);
    stop.kill().unwrap();
    stop.wait().unwrap();
}

#[test]
fn back_in_release_mode_when_nobody_works() {
    let config = r#"
dev_timeout_hours = 0.0003
[process.app]
build = { dev = "true", release = "true" }
run = { dev = "echo dev; exec sleep 1000", release = "echo release; exec sleep 1000" }
[process.same]
command = "exec sleep 1000"
"#;
    let lab = Lab::up(config);
    let same = lab.running("same").pid;
    lab.running("app");
    let began: bpm_api::Began = lab.ask(&["restart", "app"]);
    assert_eq!(began.recipe, Mode::Dev);
    let back = lab.running_other_than("app", began.run);
    assert_eq!((lab.status().mode, back.recipe), (Mode::Release, Some(Mode::Release)));
    assert_eq!(lab.process("same").pid, same);
    lab.wait_for("the release code speaks", |lab| (lab.lines("app") == ["release"]).then_some(()));
}

#[test]
fn ten_runs_are_kept_and_indexes_count_from_both_ends() {
    let lab = Lab::up(&shell("app", "echo run; exec sleep 1000", "logs = { keep_runs = 3 }"));
    lab.running("app");
    for _ in 0..4 {
        let _: bpm_api::Began = lab.ask(&["restart", "app"]);
    }
    let error = lab.wait_for("the oldest are dropped", |lab| {
        let output = lab.command().args(["--json", "search", "run", "app", "--run", "2"]).output().unwrap();
        serde_json::from_slice::<bpm_api::Error>(&output.stderr).ok()
    });
    assert_eq!(error.code, Code::UnknownRun);
    assert!(error.message.contains('3') && error.message.contains('5'), "{}", error.message);
    assert_eq!(lab.logs(&["app", "--run", "-1"]).lines[0].run, 5);
    assert_eq!(lab.logs(&["app", "--run", "0"]).lines[0].run, 3);
}
