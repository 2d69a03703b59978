//! Exits that nobody asked for, and whole trees.

use bpm_api::State;

use crate::lab::{Lab, alive, process, puppet, shell};

#[test]
fn a_crash_restart_waits_as_configured_and_counts() {
    let config = "release_crash_backoff_initial_seconds = 0.1\nrelease_crash_backoff_max_seconds = 0.15\n";
    let lab = Lab::up(&(config.to_owned() + &shell("app", "echo x >> starts; exit 3", "")));
    lab.wait_for("five starts", |lab| {
        (std::fs::read_to_string(lab.file("starts")).ok()?.lines().count() >= 5).then_some(())
    });
    let app = lab.process("app");
    assert!(app.crashes >= 4, "{app:?}");
    assert_eq!(app.last_exit.unwrap().code, Some(3));
}

#[test]
fn dev_mode_waits_its_own_time_and_a_restart_does_not() {
    let mut lab = Lab::new(
        &("dev_crash_wait_seconds = 250.5\n".to_owned() + &shell("app", "echo up; sleep 0.5; exit 1", "")),
    );
    lab.start_with(&["--dev"]);
    let waiting = lab.in_state("app", State::BackingOff);
    let wait = waiting.restart_in_seconds.unwrap();
    assert!(wait > 240.0 && wait <= 250.5, "{wait}");
    let began: bpm_api::Began = lab.ask(&["restart", "app"]);
    assert_eq!(began.run, 2);
}

#[test]
fn giving_up_parks_and_a_restart_revives() {
    let config = "release_crash_backoff_initial_seconds = 0\nrelease_crash_backoff_max_seconds = 0\n";
    let give_up = "give_up = { crashes = 3, within_seconds = 60 }";
    let lab =
        Lab::up(&(config.to_owned() + &shell("app", "test -e mended && exec sleep 1000; exit 1", give_up)));
    let parked = lab.in_state("app", State::CrashLooping);
    assert!(parked.why.contains('3') && parked.next.unwrap().contains("bpm restart app"));
    lab.write("mended", "");
    let _: bpm_api::Began = lab.ask(&["restart", "app"]);
    lab.running("app");
}

#[test]
fn restart_policies_leave_what_they_say() {
    let never = shell("never", "exit 1", "restart = 'never'");
    let on_failure = shell("once", "exit 0", "restart = 'on-failure'");
    let lab = Lab::up(&(never + &on_failure));
    assert_eq!(lab.in_state("never", State::Ended).last_exit.unwrap().code, Some(1));
    assert_eq!(lab.in_state("once", State::Ended).last_exit.unwrap().code, Some(0));
}

#[test]
fn stop_means_the_whole_tree_however_it_hides() {
    let line = "setsid sh -c \"trap '' TERM HUP; echo \\$\\$ >> pids; while :; do sleep 0.1; done\" & \
                (setsid sh -c \"(trap '' TERM; echo \\$BASHPID \\$\\$ >> pids; exec sleep 1000) &\" &) ; \
                echo $$ >> pids; wait";
    let lab = Lab::up(&shell("tree", line, "stop = { grace_seconds = 0.3 }"));
    let pids = lab.pids("pids", 3);
    assert!(pids.iter().any(|pid| alive(*pid)));
    let done: bpm_api::Done = lab.ask(&["stop", "tree"]);
    assert!(done.message.contains("nothing of its tree"));
    assert_eq!(pids.iter().filter(|pid| alive(**pid)).count(), 0);
}

#[test]
fn what_a_crashed_leader_leaves_behind_is_ended_before_the_restart() {
    let config = "release_crash_backoff_initial_seconds = 0\nrelease_crash_backoff_max_seconds = 0\n";
    let line = "test -e once && exec sleep 1000; touch once; setsid sleep 1000 & echo $! > left; exit 1";
    let lab = Lab::up(&(config.to_owned() + &shell("app", line, "")));
    let left = lab.pids("left", 1)[0];
    lab.running_other_than("app", 1);
    assert!(!alive(left));
}

#[test]
fn the_first_and_last_line_of_a_short_life_are_kept() {
    let puppet = puppet();
    let lab = Lab::up(&process("app", &[&puppet, "lines", "1000"], "restart = 'never'"));
    lab.in_state("app", State::Ended);
    assert_eq!(lab.lines("app").len(), 1000);
}

#[test]
fn why_shows_a_panic_above_its_trace() {
    let line = "seq 100; echo \"thread 'main' panicked at src/main.rs:4:5:\" >&2; echo 'oh no' >&2; \
                echo 'stack backtrace:' >&2; seq -f '  %g: some::function' 0 70 >&2; exit 101";
    let lab =
        Lab::up(&("release_crash_backoff_initial_seconds = 300\n".to_owned() + &shell("app", line, "")));
    lab.in_state("app", State::BackingOff);
    let why: bpm_api::WhyAnswer = lab.ask(&["why", "app"]);
    let lines: Vec<String> = why.evidence.unwrap().lines.into_iter().map(|line| line.text).collect();
    assert_eq!(&lines[..2], ["thread 'main' panicked at src/main.rs:4:5:", "oh no"], "{lines:?}");
    assert!(lines.last().unwrap().contains("70: some::function"), "{lines:?}");
    assert!(lines.len() <= 20, "{lines:?}");
}
