//! Background tasks from the command line: run, looked at, waited for, typed into, ended.

use std::process::{Output, Stdio};
use std::time::{Duration, Instant};

use bpm_api::{Code, InputSent, TaskList, TaskReport, TaskState, TaskStatus, WaitAnswer};

use crate::lab::{Lab, alive, idle_twin_ends, process, puppet, text};

/// A project without a manager and without a configuration.
fn bare() -> Lab {
    let lab = Lab::new("");
    std::fs::remove_file(lab.file(".mcp-run")).unwrap();
    lab
}

fn code(output: &Output) -> i32 {
    output.status.code().unwrap()
}

fn task(lab: &Lab, id: &str) -> TaskStatus {
    lab.ask::<TaskList>(&["tasks", id]).tasks.remove(0)
}

#[test]
fn a_task_starts_a_manager_and_outlives_its_command() {
    let lab = bare();
    let report: TaskReport = lab.ask(&["run", "--name", "nap", "--", &puppet(), "sleep", "600"]);
    assert_eq!((report.task.state, report.task.name.as_deref()), (TaskState::Running, Some("nap")));
    let pid = report.task.pid.unwrap();
    assert!(alive(pid));
    let again: TaskReport = lab.ask(&["run", "--name", "nap", "--", &puppet(), "sleep", "600"]);
    assert!(again.already && again.task.pid == Some(pid), "{again:?}");
    let shown = text(&lab.bpm(&["status"]).stdout);
    assert!(shown.contains("nap") && shown.contains("running"), "{shown}");
    assert!(text(&lab.bpm(&["why", "nap"]).stdout).contains("running"));
    let stopped = lab.bpm(&["stop", "nap"]);
    assert!(stopped.status.success(), "{}", text(&stopped.stderr));
    assert!(!alive(pid));
    let ended = task(&lab, "nap");
    assert_eq!(ended.state, TaskState::Killed);
    assert!(ended.kill_requested.is_some());
    assert!(lab.bpm(&["tasks", "--clear"]).status.success());
    assert!(lab.ask::<TaskList>(&["tasks"]).tasks.is_empty());
    assert_eq!(lab.refused(&["tasks", "nap"]).code, Code::UnknownTask);
}

#[test]
fn run_with_wait_passes_output_and_exit_code_on() {
    let lab = bare();
    let line = "printf out; printf err >&2; printf 'last\\n'; exit 7";
    let ran = lab.bpm(&["run", "--wait", "-s", line]);
    assert_eq!((text(&ran.stdout).as_str(), text(&ran.stderr).as_str()), ("outlast\n", "err"));
    assert_eq!(code(&ran), 7);
    assert_eq!(code(&lab.bpm(&["run", "--wait", "--", "true"])), 0);
    assert_eq!(code(&lab.bpm(&["run", "--wait", "-s", "kill -KILL $$"])), 137);
    let began = Instant::now();
    let late =
        lab.bpm(&["run", "--wait", "--timeout", "0.2", "--name", "late", "--", &puppet(), "sleep", "600"]);
    assert_eq!(code(&late), 5, "{}", text(&late.stderr));
    // its last words are waited for only if it has ended, for 2 s
    assert!(began.elapsed() < Duration::from_millis(1500), "{:?}", began.elapsed());
    assert_eq!(task(&lab, "late").state, TaskState::Running);
    let many = lab.bpm(&["run", "--wait", "-s", "seq 1 20000"]);
    assert_eq!(text(&many.stdout).lines().count(), 20_000);
}

#[test]
fn a_task_has_the_environment_and_directory_of_its_command() {
    let lab = bare();
    std::fs::create_dir(lab.file("below")).unwrap();
    let mut command = lab.command();
    command.args(["run", "--wait", "--env", "ADDED=a=b", "-s", "echo $OWN $ADDED; pwd"]);
    let ran = command.env("OWN", "mine").current_dir(lab.file("below")).output().unwrap();
    let below = lab.file("below").canonicalize().unwrap();
    // without a configuration or a work tree above it the directory is a project, with a manager of its own
    let down = lab.command().arg("down").current_dir(&below).status().unwrap();
    assert!(down.success());
    assert_eq!(text(&ran.stdout), format!("mine a=b\n{}\n", below.display()), "{}", text(&ran.stderr));
    let missing = lab.refused(&["run", "--cwd", "nowhere", "--", "true"]);
    assert_eq!(missing.code, Code::InvalidParameter);
    assert!(missing.message.contains("`nowhere`"), "{missing}");
    let absent = lab.refused(&["run", "--", "no-such-program-anywhere"]);
    assert_eq!(absent.code, Code::SpawnFailed, "{absent}");
}

#[test]
fn waits_end_with_what_they_met() {
    let lab = bare();
    lab.bpm(&["run", "--name", "ready", "--ready", "^up$", "-s", "echo up; exec sleep 600"]);
    assert_eq!(task(&lab, "ready").ready, Some(true));
    let met: WaitAnswer = lab.ask(&["wait", "ready"]);
    assert_eq!(met.met.unwrap().condition, bpm_api::Condition::Ready);
    lab.bpm(&["run", "--name", "fails", "-s", "exit 3"]);
    assert_eq!(code(&lab.bpm(&["wait", "fails", "--until", "exit"])), 1);
    assert_eq!(code(&lab.bpm(&["wait", "ready", "--until", "exit", "--timeout", "0.1"])), 5);
    assert_eq!(lab.refused(&["wait", "nobody"]).code.exit_code(), 4);
    let mut waiting = lab.command();
    waiting.args(["wait", "fails", "ready", "--pattern", "never", "--timeout", "600"]);
    let mut waiting = waiting.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    // A wait that nobody is left to hear.
    waiting.kill().unwrap();
    waiting.wait().unwrap();
    assert!(lab.bpm(&["status"]).status.success());
}

#[test]
fn what_is_typed_arrives_and_the_answer_is_waited_for() {
    let lab = bare();
    lab.bpm(&["run", "--name", "echo", "-s", "while read -r line; do echo \"got $line\"; done"]);
    let sent: InputSent = lab.ask(&["send", "echo", "hello", "--key", "enter", "--wait-for", "^got hello$"]);
    assert_eq!(sent.seen, Some(true), "{sent:?}");
    let vain = lab.bpm(&["send", "echo", "x", "--key", "enter", "--wait-for", "never", "--timeout", "0.2"]);
    assert_eq!(code(&vain), 5, "{}", text(&vain.stderr));
    assert!(lab.bpm(&["stop", "echo"]).status.success());
    assert_eq!(lab.refused(&["send", "echo", "x"]).code, Code::NoInput);
}

#[test]
fn logs_of_tasks_are_found_by_name_and_id_with_the_manager_down() {
    let lab = Lab::up(&process("web", &[&puppet(), "sleep", "600"], ""));
    let report: TaskReport = lab.ask(&["run", "--name", "talk", "-s", "echo one; echo two >&2"]);
    let id = report.task.task_id;
    assert!(lab.bpm(&["wait", "talk", "--until", "exit"]).status.success());
    for manager in ["up", "down"] {
        for name in ["talk", &id] {
            assert_eq!(lab.lines(name), ["one", "two"], "{name}, {manager}");
            let found = text(&lab.bpm(&["search", "tw.", name]).stdout);
            assert!(found.contains("two"), "{found}");
        }
        assert_eq!(lab.refused(&["logs", "tolk"]).code.exit_code(), 4);
        lab.bpm(&["down"]);
    }
}

#[test]
fn a_manager_with_nothing_to_do_ends_itself_and_one_with_a_task_stays() {
    let lab = Lab::new("idle_exit_minutes = 0.005\n");
    let report: TaskReport = lab.ask(&["run", "--", &puppet(), "sleep", "600"]);
    let manager = lab.status().manager.pid;
    idle_twin_ends("idle_exit_minutes = 0.005\n");
    assert!(alive(manager));
    assert!(lab.bpm(&["stop", &report.task.task_id]).status.success());
    lab.wait_for("the manager ends", |_| (!alive(manager)).then_some(()));
}

#[test]
fn a_manager_in_the_foreground_stays_for_whoever_looks_on() {
    let mut lab = Lab::up("idle_exit_minutes = 0.003\n");
    idle_twin_ends("idle_exit_minutes = 0.003\n");
    assert!(alive(lab.manager_pid()));
    assert!(lab.bpm(&["down"]).status.success());
    assert!(lab.manager_ends());
}

#[test]
fn what_a_task_left_running_is_not_forgotten_with_it() {
    let lab = bare();
    let line = format!("{} sleep 600 & exit 0", puppet());
    let report: TaskReport = lab.ask(&["run", "--timeout", "20", "-s", &line]);
    let id = report.task.task_id;
    let left = task(&lab, &id);
    assert_eq!((left.state, left.survivors.len()), (TaskState::Completed, 1), "{left:?}");
    assert!(lab.bpm(&["tasks", "--clear"]).status.success());
    assert_eq!(task(&lab, &id).survivors, left.survivors, "it can still be seen and ended");
    assert!(lab.bpm(&["stop", &id]).status.success());
    assert!(task(&lab, &id).survivors.is_empty());
    assert!(lab.bpm(&["tasks", "--clear"]).status.success());
    assert_eq!(lab.refused(&["tasks", &id]).code, Code::UnknownTask);
}
