//! Restart, build and swap: the new run takes over, or nothing changes.

use bpm_core::fleet::{BuildOutcome, Outcome};
use bpm_core::ids::Mode;
use bpm_core::service::State;

use crate::support::rig::{Rig, does, finished, outcome, pid};
use crate::support::{command, config, rust};

#[test]
fn start_up_builds_and_starts_in_release_mode() {
    let (mut rig, actions) = Rig::booted(&config(vec![rust("web")]));
    assert_eq!(does(&actions), ["build web#b1 release"]);
    assert_eq!(does(&rig.built("web", 1)), ["spawn web#1 release from build 1"]);
    assert_eq!(does(&rig.spawned("web", 1)), [""; 0]);
    assert_eq!((rig.ready("web"), rig.mode()), (Some(1), Mode::Release));
}

#[test]
fn what_has_no_build_is_started_at_once() {
    let (_, actions) = Rig::booted(&config(vec![command("db"), command("web")]));
    assert_eq!(does(&actions), ["spawn db#1 release", "spawn web#1 release"]);
}

#[test]
fn restart_switches_to_dev_mode_and_builds_the_named_process_only_while_its_run_serves() {
    let mut rig = Rig::up(&config(vec![rust("api"), rust("web")]));
    let (_, actions) = rig.restart("web");
    assert_eq!(rig.mode(), Mode::Dev);
    assert_eq!(does(&actions), ["build web#b2 dev"]);
    assert_eq!((rig.ready("web"), rig.ready("api")), (Some(1), Some(1)));
}

#[test]
fn restart_answers_when_the_new_run_is_up() {
    let mut rig = Rig::up(&config(vec![rust("web")]));
    let (op, actions) = rig.restart("web");
    assert_eq!(finished(&actions), []);
    assert_eq!(finished(&rig.built("web", 2)), []);
    assert_eq!(finished(&rig.exits("web", 1, 0)), []);
    let up = Outcome::Up { run: 2, pid: pid(2), build: Some(2), recipe: Mode::Dev };
    assert_eq!(finished(&rig.spawned("web", 2)), [(op, up)]);
}

#[test]
fn a_failed_build_changes_nothing_that_runs_and_the_reply_says_so() {
    let mut rig = Rig::up(&config(vec![rust("web")]));
    rig.restart("web");
    let actions = rig.build_failed("web", 2);
    assert_eq!(does(&actions), [""; 0]);
    assert_eq!(outcome(&actions), "build 2 failed, run 1 still up");
    assert_eq!(rig.ready("web"), Some(1));
}

#[test]
fn after_a_failed_build_crash_recovery_still_runs_the_last_live_artefact() {
    let mut rig = Rig::up(&config(vec![rust("web")]));
    rig.restart("web");
    rig.build_failed("web", 2);
    rig.exits("web", 1, 1);
    assert_eq!(does(&rig.wait_secs(120.0)), ["spawn web#2 release from run 1"]);
}

#[test]
fn a_build_that_was_ended_from_outside_counts_as_failed() {
    let mut rig = Rig::up(&config(vec![rust("web")]));
    rig.restart("web");
    let actions = rig.build_done("web", 2, BuildOutcome::Cancelled);
    assert_eq!(outcome(&actions), "build 2 failed, run 1 still up");
}

#[test]
fn a_build_that_is_lost_with_its_shim_is_made_once_more_and_then_counts_as_failed() {
    let mut rig = Rig::up(&config(vec![rust("web")]));
    rig.restart("web");
    assert_eq!(does(&rig.build_done("web", 2, BuildOutcome::Lost)), ["build web#b3 dev"]);
    let actions = rig.build_done("web", 3, BuildOutcome::Lost);
    assert_eq!(outcome(&actions), "build 3 failed, run 1 still up");
}

#[test]
fn a_first_build_that_fails_is_shown_with_its_reason_until_somebody_restarts() {
    let (mut rig, _) = Rig::booted(&config(vec![rust("web")]));
    rig.build_failed("web", 1);
    assert_eq!(rig.fleet.next_deadline(), None);
    let why = rig.why("web");
    assert_eq!(why.state, State::BuildFailed);
    assert!(why.reason.contains("error in build 1"), "{why:?}");
    assert!(why.unblocks.is_some());
    let (_, actions) = rig.restart("web");
    rig.cooperate(actions);
    assert_eq!(rig.ready("web"), Some(1));
}

#[test]
fn the_reason_shown_is_that_of_the_newest_failed_build() {
    let (mut rig, _) = Rig::booted(&config(vec![rust("web")]));
    rig.build_failed("web", 1);
    rig.restart("web");
    rig.build_failed("web", 2);
    let why = rig.why("web");
    assert!(why.reason.contains("error in build 2"), "{why:?}");
}

#[test]
fn stop_first_terminates_the_old_tree_and_starts_the_new_run_at_once_when_it_is_empty() {
    let mut rig = Rig::up(&config(vec![rust("web")]));
    rig.restart("web");
    assert_eq!(does(&rig.built("web", 2)), ["TERM web#1"]);
    assert_eq!(does(&rig.exited("web", 1, 0, false)), [""; 0]);
    assert_eq!(does(&rig.tree_empty("web", 1)), ["spawn web#2 dev from build 2"]);
}

#[test]
fn a_tree_that_ignores_the_stop_signal_is_killed_after_the_grace_and_not_before() {
    let mut rig = Rig::up(&config(vec![rust("web")]));
    rig.restart("web");
    rig.built("web", 2);
    assert_eq!(does(&rig.wait_secs(4.999)), [""; 0]);
    assert_eq!(does(&rig.wait_secs(0.001)), ["KILL web#1"]);
    assert_eq!(does(&rig.exits("web", 1, 137)), ["spawn web#2 dev from build 2"]);
}

#[test]
fn the_grace_and_the_signal_are_those_of_the_configuration() {
    use bpm_core::config::{Process, Signal, StopRule};
    let int = Signal::from_name("INT").expect("a known signal");
    let stop = StopRule { signal: int, grace: crate::support::secs(0.5) };
    let mut rig = Rig::up(&config(vec![Process { stop, ..command("web") }]));
    assert_eq!(does(&rig.stop("web").1), ["INT web#1"]);
    assert_eq!(does(&rig.wait_secs(0.499)), [""; 0]);
    assert_eq!(does(&rig.wait_secs(0.001)), ["KILL web#1"]);
}

#[test]
fn a_second_restart_during_a_build_cancels_it_and_both_callers_get_the_outcome_of_the_newest() {
    let mut rig = Rig::up(&config(vec![rust("web")]));
    let (first, _) = rig.restart("web");
    let (second, actions) = rig.restart("web");
    assert_eq!(does(&actions), ["cancel web#b2"]);
    assert_eq!(does(&rig.build_done("web", 2, BuildOutcome::Cancelled)), ["build web#b3 dev"]);
    rig.built("web", 3);
    rig.exits("web", 1, 0);
    let up = Outcome::Up { run: 2, pid: pid(2), build: Some(3), recipe: Mode::Dev };
    assert_eq!(finished(&rig.spawned("web", 2)), [(first, up.clone()), (second, up)]);
}

#[test]
fn the_success_of_a_cancelled_build_is_ignored() {
    let mut rig = Rig::up(&config(vec![rust("web")]));
    rig.restart("web");
    rig.restart("web");
    assert_eq!(does(&rig.built("web", 2)), ["build web#b3 dev"]);
}

#[test]
fn a_cancelled_build_that_does_not_end_is_killed_and_two_never_run_at_once() {
    let mut rig = Rig::up(&config(vec![rust("web")]));
    rig.restart("web");
    rig.restart("web");
    assert_eq!(does(&rig.wait_secs(1.9)), [""; 0]);
    assert_eq!(does(&rig.wait_secs(60.0)), ["kill web#b2"]);
    assert_eq!(does(&rig.build_done("web", 2, BuildOutcome::Cancelled)), ["build web#b3 dev"]);
}

#[test]
fn a_restart_while_the_swap_waits_keeps_both_callers() {
    let mut rig = Rig::up(&config(vec![rust("web")]));
    let (first, _) = rig.restart("web");
    rig.built("web", 2);
    let (second, _) = rig.restart("web");
    rig.built("web", 3);
    assert_eq!(does(&rig.exits("web", 1, 0)), ["spawn web#3 dev from build 3"]);
    let actions = rig.spawned("web", 3);
    let mut ops: Vec<_> = finished(&actions).into_iter().map(|(op, _)| op).collect();
    ops.sort();
    assert_eq!(ops, [first, second]);
}

#[test]
fn a_restart_while_the_new_run_is_being_started_waits_for_its_end() {
    let mut rig = Rig::up(&config(vec![rust("web")]));
    rig.restart("web");
    rig.built("web", 2);
    rig.exits("web", 1, 0);
    rig.restart("web");
    assert_eq!(does(&rig.built("web", 3)), ["TERM web#2"]);
    assert_eq!(does(&rig.spawned("web", 2)), [""; 0]);
    assert_eq!(does(&rig.exits("web", 2, 0)), ["spawn web#3 dev from build 3"]);
}

#[test]
fn nothing_is_started_beside_a_stuck_tree_and_the_caller_is_told() {
    let mut rig = Rig::up(&config(vec![rust("web")]));
    rig.restart("web");
    rig.built("web", 2);
    let actions = rig.wait_secs(3600.0);
    assert_eq!(does(&actions), ["KILL web#1"]);
    assert_eq!(outcome(&actions), "run 1 stuck");
    let why = rig.why("web");
    assert_eq!(why.state, State::Stuck);
    assert!(why.unblocks.is_some());
    assert_eq!(does(&rig.exits("web", 1, 137)), ["spawn web#2 dev from build 2"]);
}

#[test]
fn a_restart_of_a_stuck_process_is_answered_once_built_instead_of_waiting_for_ever() {
    let mut rig = Rig::up(&config(vec![rust("web")]));
    rig.stop("web");
    rig.wait_secs(60.0);
    rig.restart("web");
    let actions = rig.built("web", 2);
    assert_eq!(does(&actions), [""; 0]);
    assert_eq!(outcome(&actions), "run 1 stuck");
    let (_, actions) = rig.start("web");
    assert_eq!(outcome(&actions), "run 1 stuck");
    assert_eq!(does(&rig.exits("web", 1, 137)), ["spawn web#2 dev from build 2"]);
}

#[test]
fn a_new_run_that_cannot_be_started_is_reported_and_tried_again_later() {
    let mut rig = Rig::up(&config(vec![rust("web")]));
    rig.restart("web");
    rig.built("web", 2);
    rig.exits("web", 1, 0);
    let actions = rig.spawn_failed("web", 2, false);
    assert_eq!(outcome(&actions), "run 2 not started: out of processes");
    assert_eq!(does(&rig.wait_secs(120.0)), ["spawn web#3 release from run 1"]);
}
