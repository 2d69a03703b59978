//! The crash rule: an exit that nobody asked for.

use bpm_core::config::{Config, GiveUp, Process, RestartPolicy, Timing};
use bpm_core::fleet::Actions;
use bpm_core::service::State;

use crate::support::rig::{Rig, does, finished, outcome};
use crate::support::{command, config, rust, secs, words};

/// Crashes the live run right after it came up and says how long the restart takes.
fn crash_again(rig: &mut Rig) -> f64 {
    let live = rig.ready("web").expect("a ready run");
    rig.exits("web", live, 1);
    let (wait, actions) = rig.next_tick();
    rig.cooperate(actions);
    wait.as_secs_f64()
}

fn stay_up(rig: &mut Rig, seconds: f64) {
    assert_eq!(does(&rig.wait_secs(seconds)), [""; 0]);
}

fn timed(timing: impl FnOnce(&mut Timing)) -> Config {
    let mut config = config(vec![command("web")]);
    timing(&mut config.timing);
    config
}

/// A project in dev mode whose process is up.
fn in_dev(config: &Config) -> Rig {
    let mut rig = Rig::up(config);
    let (_, actions) = rig.restart("web");
    rig.cooperate(actions);
    rig
}

fn tenths(seconds: f64) -> f64 {
    (seconds * 10.0).round() / 10.0
}

#[test]
fn in_release_mode_the_waits_grow_by_half_up_to_the_maximum() {
    let mut rig = Rig::up(&config(vec![command("web")]));
    let waits: Vec<f64> = (0..17).map(|_| tenths(crash_again(&mut rig))).collect();
    let expected =
        [1.0, 1.5, 2.3, 3.4, 5.1, 7.6, 11.4, 17.1, 25.6, 38.4, 57.7, 86.5, 129.7, 194.6, 291.9, 300.0, 300.0];
    assert_eq!(waits, expected);
}

#[test]
fn in_dev_mode_every_wait_is_the_same() {
    let mut rig = in_dev(&config(vec![command("web")]));
    let waits: Vec<f64> = (0..5).map(|_| crash_again(&mut rig)).collect();
    assert_eq!(waits, [120.0; 5]);
}

#[test]
fn waits_may_be_fractions_of_a_second() {
    let mut rig = in_dev(&timed(|timing| timing.dev_crash_wait = secs(0.25)));
    assert_eq!(crash_again(&mut rig), 0.25);
    let mut rig = Rig::up(&timed(|timing| timing.backoff_initial = secs(0.1)));
    assert_eq!([crash_again(&mut rig), crash_again(&mut rig)], [0.1, 0.15]);
}

#[test]
fn a_wait_of_zero_restarts_at_once() {
    let config = timed(|timing| timing.backoff_initial = secs(0.0));
    let mut rig = Rig::up(&config);
    assert_eq!(does(&rig.exits("web", 1, 1)), ["spawn web#2 release"]);
}

#[test]
fn a_restart_is_not_early() {
    let mut rig = Rig::up(&config(vec![command("web")]));
    rig.exits("web", 1, 1);
    assert_eq!(does(&rig.wait_secs(0.999)), [""; 0]);
    assert_eq!(does(&rig.wait_secs(0.001)), ["spawn web#2 release"]);
}

#[test]
fn crashes_are_forgotten_after_a_run_that_was_ready_for_ten_seconds() {
    let mut rig = Rig::up(&config(vec![command("web")]));
    assert_eq!([crash_again(&mut rig), crash_again(&mut rig)], [1.0, 1.5]);
    stay_up(&mut rig, 10.0);
    assert_eq!(crash_again(&mut rig), 1.0);
}

#[test]
fn a_run_that_was_ready_for_less_than_ten_seconds_forgives_nothing() {
    let mut rig = Rig::up(&config(vec![command("web")]));
    assert_eq!([crash_again(&mut rig), crash_again(&mut rig)], [1.0, 1.5]);
    stay_up(&mut rig, 9.9);
    assert_eq!(crash_again(&mut rig), 2.25);
}

#[test]
fn after_a_long_wait_a_run_must_be_ready_for_twice_as_long_to_be_forgiven() {
    let mut rig = Rig::up(&config(vec![command("web")]));
    let wait = (0..7).map(|_| crash_again(&mut rig)).last().expect("seven waits");
    assert_eq!(tenths(wait), 11.4);
    stay_up(&mut rig, wait * 2.0 - 0.1);
    let wait = crash_again(&mut rig);
    assert_eq!(tenths(wait), 17.1);
    stay_up(&mut rig, wait * 2.0);
    assert_eq!(crash_again(&mut rig), 1.0);
}

#[test]
fn a_report_that_comes_twice_does_not_shorten_how_long_a_run_was_ready() {
    let mut rig = Rig::up(&config(vec![command("web")]));
    assert_eq!([crash_again(&mut rig), crash_again(&mut rig)], [1.0, 1.5]);
    stay_up(&mut rig, 9.0);
    rig.spawned("web", 3);
    stay_up(&mut rig, 1.0);
    assert_eq!(crash_again(&mut rig), 1.0);
}

#[test]
fn how_long_a_run_was_ready_is_judged_by_when_it_ended_not_by_when_that_was_reported() {
    use bpm_core::fleet::{Ending, Event};
    let mut rig = Rig::up(&config(vec![command("web")]));
    assert_eq!([crash_again(&mut rig), crash_again(&mut rig)], [1.0, 1.5]);
    let at = rig.now + secs(1.0);
    rig.now = rig.now + secs(30.0);
    let run = crate::support::rig::run("web", 3);
    let actions = rig.step(Event::Exited { run, ending: Ending::Code(1), at, tree_empty: true });
    assert_eq!(does(&actions), ["spawn web#4 release"], "2.25 s after its end have long passed");
    assert_eq!(rig.service("web").backoff().crashes, 3);
}

#[test]
fn a_requested_restart_never_counts_as_a_crash_and_forgives_those_before() {
    let mut rig = Rig::up(&timed(|timing| timing.dev_crash_wait = secs(1.0)));
    for _ in 0..4 {
        crash_again(&mut rig);
    }
    let (_, actions) = rig.restart("web");
    rig.cooperate(actions);
    assert_eq!(rig.service("web").backoff().crashes, 0);
    crash_again(&mut rig);
    assert_eq!(rig.service("web").backoff().crashes, 1);
}

#[test]
fn a_requested_restart_does_not_wait_for_the_back_off() {
    let mut rig = Rig::up(&config(vec![command("web")]));
    rig.exits("web", 1, 1);
    assert_eq!(does(&rig.restart("web").1), ["spawn web#2 dev"]);
    rig.spawned("web", 2);
    stay_up(&mut rig, 3600.0);
}

#[test]
fn a_clean_exit_that_nobody_asked_for_is_a_crash_too() {
    let mut rig = Rig::up(&config(vec![command("web")]));
    rig.exits("web", 1, 0);
    assert_eq!(does(&rig.wait_secs(1.0)), ["spawn web#2 release"]);
}

#[test]
fn a_crash_restart_runs_the_last_live_artefact_and_goes_on_while_a_build_is_under_way() {
    let mut rig = Rig::up(&config(vec![rust("web")]));
    rig.restart("web");
    rig.exits("web", 1, 1);
    assert_eq!(does(&rig.wait_secs(120.0)), ["spawn web#2 release from run 1"]);
    rig.spawned("web", 2);
    assert_eq!(does(&rig.built("web", 2)), ["TERM web#2"]);
    assert_eq!(does(&rig.exits("web", 2, 0)), ["spawn web#3 dev from build 2"]);
}

#[test]
fn crash_restarts_run_what_the_run_before_ran_over_and_over() {
    let mut rig = Rig::up(&config(vec![rust("web")]));
    for number in 1..4 {
        rig.exits("web", number, 1);
        let (_, actions) = rig.next_tick();
        assert_eq!(does(&actions), [format!("spawn web#{} release from run {number}", number + 1)]);
        rig.cooperate(actions);
    }
}

#[test]
fn a_first_run_that_could_not_be_started_is_tried_again_with_what_was_built() {
    let (mut rig, _) = Rig::booted(&config(vec![rust("web")]));
    rig.built("web", 1);
    rig.spawn_failed("web", 1, false);
    assert_eq!(does(&rig.wait_secs(1.0)), ["spawn web#2 release from build 1"]);
}

#[test]
fn what_a_crashed_leader_leaves_behind_is_ended_before_the_restart() {
    let mut rig = Rig::up(&config(vec![command("web")]));
    assert_eq!(does(&rig.exited("web", 1, 1, false)), ["TERM web#1"]);
    assert_eq!(does(&rig.wait_secs(4.0)), [""; 0], "the back-off of 1 s is over, but the tree is not empty");
    assert_eq!(does(&rig.tree_empty("web", 1)), ["spawn web#2 release"]);
}

#[test]
fn leftovers_that_ignore_the_stop_signal_are_killed() {
    let mut rig = Rig::up(&config(vec![command("web")]));
    rig.exited("web", 1, 1, false);
    assert_eq!(does(&rig.wait_secs(5.0)), ["KILL web#1"]);
    assert_eq!(does(&rig.tree_empty("web", 1)), ["spawn web#2 release"]);
}

#[test]
fn nothing_is_started_beside_leftovers_that_cannot_be_killed() {
    let mut rig = Rig::up(&config(vec![command("web")]));
    rig.exited("web", 1, 1, false);
    assert_eq!(does(&rig.wait_secs(3600.0)), ["KILL web#1"]);
    assert_eq!(rig.why("web").state, State::Stuck);
    assert_eq!(does(&rig.tree_empty("web", 1)), ["spawn web#2 release"]);
}

#[test]
fn a_lost_run_is_restarted_by_the_crash_rule() {
    let mut rig = Rig::up(&config(vec![command("web")]));
    rig.lost("web", 1);
    assert_eq!(rig.why("web").state, State::BackingOff);
    let reason = rig.why("web").reason;
    assert!(
        reason.starts_with("crashed: run 1 ended with ") && reason.contains(", 0.0 s ago (crash 1 in"),
        "{reason}"
    );
    assert_eq!(does(&rig.wait_secs(1.0)), ["spawn web#2 release"]);
}

fn crash_until_parked(rig: &mut Rig) -> Actions {
    for _ in 0..2 {
        crash_again(rig);
    }
    let live = rig.ready("web").expect("a ready run");
    rig.exits("web", live, 1)
}

fn giving_up() -> Config {
    config(vec![Process { give_up: Some(GiveUp { crashes: 3, within: secs(60.0) }), ..command("web") }])
}

#[test]
fn give_up_parks_the_process_with_its_reason_and_a_restart_revives_it() {
    let mut rig = Rig::up(&giving_up());
    crash_until_parked(&mut rig);
    assert_eq!(does(&rig.wait_secs(100_000.0)), [""; 0]);
    let why = rig.why("web");
    assert_eq!(why.state, State::CrashLooping);
    assert!(why.reason.contains("3 crashes within 60 s"), "{why:?}");
    let (_, actions) = rig.restart("web");
    rig.cooperate(actions);
    assert_eq!(rig.ready("web"), Some(4));
    assert_eq!(rig.service("web").backoff().crashes, 0);
}

#[test]
fn a_start_revives_a_parked_process_too() {
    let mut rig = Rig::up(&giving_up());
    crash_until_parked(&mut rig);
    assert_eq!(does(&rig.start("web").1), ["spawn web#4 release"]);
}

#[test]
fn crashes_outside_the_window_do_not_count_towards_giving_up() {
    let mut rig = Rig::up(&giving_up());
    for _ in 0..20 {
        crash_again(&mut rig);
        stay_up(&mut rig, 31.0);
    }
    assert!(rig.ready("web").is_some());
}

#[test]
fn without_give_up_it_keeps_trying() {
    let mut rig = Rig::up(&config(vec![command("web")]));
    for _ in 0..2000 {
        crash_again(&mut rig);
    }
    assert_eq!(rig.ready("web"), Some(2001));
}

#[test]
fn errors_that_cannot_heal_park_at_once() {
    let (mut rig, _) = Rig::booted(&config(vec![command("web")]));
    rig.spawn_failed("web", 1, true);
    assert_eq!(rig.fleet.next_deadline(), None);
    let why = rig.why("web");
    assert_eq!(why.state, State::CannotStart);
    assert!(why.reason.contains("no such program"), "{why:?}");
    assert_eq!(does(&rig.restart("web").1), ["spawn web#2 dev"]);
}

#[test]
fn errors_that_may_heal_are_tried_again_by_the_crash_rule() {
    let (mut rig, _) = Rig::booted(&config(vec![command("web")]));
    rig.spawn_failed("web", 1, false);
    assert_eq!(does(&rig.wait_secs(1.0)), ["spawn web#2 release"]);
    rig.spawn_failed("web", 2, false);
    let (wait, _) = rig.next_tick();
    assert_eq!(wait, secs(1.5));
}

fn with_policy(restart: RestartPolicy) -> Rig {
    Rig::up(&config(vec![Process { restart, ..command("web") }]))
}

#[test]
fn on_failure_restarts_after_a_failure_and_leaves_a_success() {
    let mut rig = with_policy(RestartPolicy::OnFailure);
    assert_eq!(crash_again(&mut rig), 1.0);
    rig.exits("web", 2, 0);
    assert_eq!((rig.fleet.next_deadline(), rig.why("web").state), (None, State::Ended));
}

#[test]
fn on_failure_restarts_what_was_lost() {
    let mut rig = with_policy(RestartPolicy::OnFailure);
    rig.lost("web", 1);
    assert_eq!(does(&rig.wait_secs(1.0)), ["spawn web#2 release"]);
}

#[test]
fn never_leaves_what_ended_and_start_runs_it_again() {
    let mut rig = with_policy(RestartPolicy::Never);
    rig.exits("web", 1, 1);
    assert_eq!((rig.fleet.next_deadline(), rig.why("web").state), (None, State::Ended));
    assert_eq!(does(&rig.start("web").1), ["spawn web#2 release"]);
}

#[test]
fn a_run_that_ends_before_its_start_was_reported_is_a_crash_and_answers_its_caller() {
    let (mut rig, _) = Rig::booted(&config(vec![Process { autostart: false, ..command("web") }]));
    let (op, _) = rig.start("web");
    let actions = rig.exits("web", 1, 1);
    assert_eq!(finished(&actions).len(), 1, "{}", words::actions(&actions));
    assert_eq!(finished(&actions)[0].0, op);
    assert_eq!(does(&rig.wait_secs(1.0)), ["spawn web#2 release"]);
}

#[test]
fn a_crash_while_it_is_stopping_is_no_crash() {
    let mut rig = Rig::up(&config(vec![command("web")]));
    rig.stop("web");
    let actions = rig.exits("web", 1, 1);
    assert_eq!(outcome(&actions), "down");
    assert_eq!((rig.service("web").backoff().crashes, rig.fleet.next_deadline()), (0, None));
}
