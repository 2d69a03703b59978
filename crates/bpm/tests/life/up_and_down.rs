//! Start-up, stop, shutdown, and who may manage a project.

use bpm_api::{Code, Mode, State};
use rustix::process::Signal;

use crate::lab::{Lab, alive, process, shell, text};

#[test]
fn boots_in_release_mode_and_shows_what_runs() {
    let lab = Lab::up(&shell("web", "echo hello; exec sleep 1000", ""));
    let status = lab.status();
    assert_eq!(status.mode, Mode::Release);
    let web = lab.running("web");
    assert_eq!((web.run, web.recipe, web.restarts), (Some(1), Some(Mode::Release), 0));
    lab.wait_for("its line is in the log", |lab| {
        lab.lines("web").contains(&"hello".to_owned()).then_some(())
    });
}

#[test]
fn what_programs_print_is_passed_through_with_their_names() {
    let lab = Lab::up(&shell("web", "echo out; echo err >&2; printf unfinished; exec sleep 1000", ""));
    lab.wait_for("both lines are on the terminal", |lab| {
        let seen = lab.terminal();
        (seen.contains("[web] out\n") && seen.contains("[web] err\n") && seen.contains("[web] unfinished"))
            .then_some(())
    });
}

#[test]
fn builds_are_passed_through_and_named_when_two_run_at_once() {
    let build = "build = \"echo out of $BPM_PROCESS; until test -e go; do sleep 0.01; done; echo built\"\n";
    let lab = Lab::up(&(shell("a", "exec sleep 1000", build) + &shell("b", "exec sleep 1000", build)));
    lab.wait_for("both builds speak", |lab| {
        let seen = lab.terminal();
        (seen.contains("out of a\n") && seen.contains("out of b\n")).then_some(())
    });
    lab.write("go", "");
    lab.running("a");
    lab.running("b");
    let seen = lab.wait_for("all is passed through", |lab| {
        Some(lab.terminal()).filter(|seen| seen.matches("built\n").count() == 2)
    });
    assert!(seen.contains("[build a] ") || seen.contains("[build b] "), "{seen}");
}

#[test]
fn what_becomes_of_a_program_is_told_once_and_after_its_last_line() {
    let waits = "release_crash_backoff_initial_seconds = 250\n";
    let app = shell("app", "echo last words; exit 3", "");
    let mut lab = Lab::up(&(waits.to_owned() + &app + &process("gone", &["./nowhere"], "")));
    let told = lab.wait_for("both are told", |lab| {
        let told = lab.terminal();
        (told.contains("(restart in") && told.contains("./nowhere")).then_some(told)
    });
    let of_app: Vec<&str> = told.lines().filter(|line| line.starts_with("[app] ")).collect();
    assert_eq!(
        of_app,
        [
            "[app] last words",
            "[app] (run 1 ended by itself: exit code 3)",
            "[app] (restart in 250 s, crash 1 in a row)"
        ]
    );
    lab.signal_manager(Signal::INT);
    assert!(lab.manager_ends());
    let told = lab.terminal();
    assert_eq!(told.matches("./nowhere").count(), 1, "{told}");
    assert!(told.contains("bpm: shutting down; a second Ctrl-C ends all at once\n"), "{told}");
}

#[test]
fn a_removed_project_is_told_of() {
    let mut lab = Lab::up(&shell("app", "exec sleep 1000", ""));
    lab.running("app");
    std::fs::remove_dir_all(lab.project()).unwrap();
    assert!(lab.manager_ends());
    assert!(
        lab.terminal().contains("/project` was removed: its programs are stopped\n"),
        "{}",
        lab.terminal()
    );
}

#[test]
fn down_ends_everything_and_the_manager() {
    let mut lab =
        Lab::up(&(shell("a", "sleep 1000 & echo $! > a.pid; wait", "") + &shell("b", "exec sleep 1000", "")));
    let pids = [lab.running("a").pid.unwrap(), lab.running("b").pid.unwrap(), lab.pids("a.pid", 1)[0]];
    let output = lab.bpm(&["down"]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert!(lab.manager_ends());
    assert!(pids.iter().all(|pid| !alive(*pid)));
    assert_eq!(lab.refused(&["status"]).code, Code::NoManager);
}

#[test]
fn a_signal_ends_everything_in_order_and_a_second_one_at_once() {
    let mut lab = Lab::up(&shell(
        "deaf",
        "trap '' TERM; echo ready; while :; do sleep 0.05; done",
        "stop = { grace_seconds = 3000 }",
    ));
    let pid = lab.running("deaf").pid.unwrap();
    lab.wait_for("the trap is set", |lab| lab.lines("deaf").contains(&"ready".to_owned()).then_some(()));
    lab.signal_manager(Signal::TERM);
    lab.wait_for("it is being stopped", |lab| (lab.process("deaf").state == State::Stopping).then_some(()));
    assert!(alive(pid));
    lab.signal_manager(Signal::INT);
    assert!(lab.manager_ends());
    assert!(!alive(pid));
}

#[test]
fn stopped_by_hand_stays_stopped_until_started_or_fresh() {
    let mut lab = Lab::up(&(shell("a", "exec sleep 1000", "") + &shell("b", "exec sleep 1000", "")));
    lab.running("a");
    lab.bpm(&["stop", "a"]);
    assert_eq!(lab.process("a").state, State::Stopped);
    lab.bpm(&["down"]);
    lab.manager_ends();
    lab.start();
    lab.running("b");
    assert_eq!(lab.process("a").state, State::Stopped);
    lab.bpm(&["down"]);
    lab.manager_ends();
    lab.start_with(&["--fresh"]);
    lab.running("a");
}

#[test]
fn start_is_idempotent_and_stop_of_what_is_stopped_is_done_at_once() {
    let lab = Lab::up(&shell("a", "exec sleep 1000", ""));
    let before = lab.running("a");
    assert!(lab.bpm(&["start", "a"]).status.success());
    assert_eq!(lab.process("a").pid, before.pid);
    assert!(lab.bpm(&["stop", "a"]).status.success());
    assert!(lab.bpm(&["stop", "a"]).status.success());
    assert!(!alive(before.pid.unwrap()));
}

#[test]
fn a_second_manager_is_refused_with_the_first_ones_pid() {
    let lab = Lab::up(&shell("a", "exec sleep 1000", ""));
    let output = lab.bpm(&["--json", "up", "--refuse-if-managed"]);
    let said = text(&output.stderr);
    assert!(!output.status.success() && said.contains(&lab.manager_pid().to_string()), "{said}");
    // what the old name always means
    let set = lab.command();
    let set = set.get_envs().filter_map(|(name, value)| Some((name, value?)));
    let mut old = std::process::Command::new(env!("CARGO_BIN_EXE_background-process-manager"));
    let old = old.arg(lab.project()).envs(set).env_remove("BPM_STATE_DIR").output().unwrap();
    let said = text(&old.stderr);
    assert!(!old.status.success() && said.contains(&lab.manager_pid().to_string()), "{said}");
}

#[test]
fn up_where_a_manager_runs_applies_the_configuration() {
    let lab = Lab::up(&shell("a", "exec sleep 1000", ""));
    let before = lab.running("a").pid;
    lab.configure(&(shell("a", "exec sleep 1000", "") + &shell("b", "exec sleep 1000", "")));
    assert!(lab.bpm(&["up", "-d"]).status.success());
    let gone = lab.running("b").pid.unwrap();
    assert_eq!(lab.process("a").pid, before);
    lab.configure(&shell("a", "exec sleep 1000", ""));
    assert!(lab.bpm(&["up", "-d"]).status.success());
    lab.wait_for("b has left", |lab| lab.status().processes.iter().all(|p| p.name != "b").then_some(()));
    assert!(!alive(gone));
}

#[test]
fn a_port_that_must_wait_for_another_manager_is_said_to() {
    let lab = Lab::up(&shell("a", "exec sleep 1000", ""));
    let said = |lab: &Lab| text(&lab.bpm(&["up", "-d"]).stderr);
    assert_eq!(said(&lab), "the configuration is in force; no process changed\n");
    lab.configure(&("mcp_port = 'auto'\n".to_owned() + &shell("a", "exec sleep 1000", "")));
    assert!(said(&lab).contains("\n`mcp_port` or `bind` is another now: "), "{}", said(&lab));
}

#[test]
fn a_broken_configuration_changes_nothing_that_runs() {
    let lab = Lab::up(&shell("a", "exec sleep 1000", ""));
    let before = lab.running("a").pid;
    lab.configure("[process.a]\ncomand = 'sleep 1'\n");
    let error = lab.refused(&["up", "-d"]);
    assert_eq!(error.code, Code::InvalidConfig);
    assert!(error.detail.unwrap().contains("command"));
    assert_eq!(lab.process("a").pid, before);
}

#[test]
fn a_detached_manager_is_ready_when_up_returns() {
    let lab = Lab::new(&shell("a", "exec sleep 1000", ""));
    let output = lab.bpm(&["up", "-d"]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    let pid = lab.running("a").pid.unwrap();
    assert!(lab.bpm(&["down"]).status.success());
    assert!(!alive(pid));
}

#[test]
fn unknown_names_are_answered_with_the_known_ones() {
    let lab = Lab::up(&process("backend", &["sleep", "1000"], ""));
    let error = lab.refused(&["restart", "backnd"]);
    assert_eq!(error.code, Code::UnknownProcess);
    assert!(error.message.contains("`backend`"), "{}", error.message);
}

#[test]
fn a_missing_program_parks_at_once_and_says_which() {
    let lab = Lab::up(&process("a", &["no-such-program-here"], ""));
    let parked = lab.in_state("a", State::CannotStart);
    assert!(parked.why.contains("no-such-program-here"), "{}", parked.why);
    assert_eq!(parked.restart_in_seconds, None);
}

#[test]
fn many_that_bring_it_up_or_down_at_once_all_succeed() {
    let lab = Lab::new(&shell("app", "echo $$ >> pids; exec sleep 1000", ""));
    let codes = |args: &[&str]| {
        let begin = |_| lab.command().args(args).spawn().unwrap();
        let children: Vec<_> = (0..6).map(begin).collect();
        children.into_iter().map(|mut child| child.wait().unwrap().code()).collect::<Vec<_>>()
    };
    assert_eq!(codes(&["up", "-d"]), [Some(0); 6]);
    lab.running("app");
    assert_eq!(lab.pids("pids", 1).len(), 1);
    // 3: the manager had gone before it was asked
    let downs = codes(&["down"]);
    assert!(downs.contains(&Some(0)) && downs.iter().all(|code| matches!(code, Some(0 | 3))), "{downs:?}");
}

#[test]
fn a_configuration_that_is_not_in_force_is_told_until_it_is() {
    let lab = Lab::up(&shell("web", "exec sleep 1000", ""));
    let told = |lab: &Lab, what: &str| {
        lab.wait_for(what, |lab| {
            let alarms = lab.status().alarms;
            let said = alarms.first().map_or("", |alarm| &alarm.message);
            (said.contains(what) && (!what.is_empty() || said.is_empty())).then_some(())
        });
    };
    told(&lab, "");
    lab.configure(&shell("web", "exec sleep 2000", ""));
    told(&lab, "has changed: `bpm up -d` puts it into force");
    lab.configure("[process.web]\ncommand = 3\n");
    told(&lab, "1 fault in");
    assert_eq!(lab.bpm(&["up", "-d"]).status.code(), Some(2), "it is not put into force");
    told(&lab, "`bpm check` shows it");
    lab.configure(&shell("web", "exec sleep 2000", ""));
    told(&lab, "has changed");
    assert!(lab.bpm(&["up", "-d"]).status.success());
    told(&lab, "");
}
