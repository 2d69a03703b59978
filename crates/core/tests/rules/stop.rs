//! Stop and shutdown.

use bpm_core::fleet::{Action, Boot, BuildOutcome, Event};
use bpm_core::service::State;

use crate::support::rig::{Rig, does, finished, outcome};
use crate::support::{command, config, rust};

#[test]
fn stop_means_that_the_tree_is_empty_not_that_the_leader_exited() {
    let mut rig = Rig::up(&config(vec![command("web")]));
    assert_eq!(does(&rig.stop("web").1), ["TERM web#1"]);
    assert_eq!(finished(&rig.exited("web", 1, 0, false)), []);
    assert_eq!(rig.why("web").state, State::Stopping);
    assert_eq!(outcome(&rig.tree_empty("web", 1)), "down");
    assert_eq!(rig.why("web").state, State::Stopped);
}

#[test]
fn what_the_leader_left_behind_is_killed_when_the_grace_is_over() {
    let mut rig = Rig::up(&config(vec![command("web")]));
    rig.stop("web");
    rig.exited("web", 1, 0, false);
    assert_eq!(does(&rig.wait_secs(5.0)), ["KILL web#1"]);
    assert_eq!(outcome(&rig.tree_empty("web", 1)), "down");
}

#[test]
fn the_reply_to_stop_names_what_could_not_be_killed() {
    let mut rig = Rig::up(&config(vec![command("web")]));
    rig.stop("web");
    let actions = rig.wait_secs(60.0);
    assert_eq!(does(&actions), ["KILL web#1"]);
    assert_eq!(outcome(&actions), "run 1 stuck");
    assert_eq!(outcome(&rig.stop("web").1), "run 1 stuck");
    assert_eq!(rig.why("web").state, State::Stuck);
}

#[test]
fn a_stop_of_what_does_not_run_is_done_at_once() {
    let mut rig = Rig::up(&config(vec![command("web")]));
    let (_, actions) = rig.stop("web");
    rig.cooperate(actions);
    assert_eq!(outcome(&rig.stop("web").1), "was down");
}

#[test]
fn a_stop_during_a_build_cancels_it_and_tells_who_waited() {
    let mut rig = Rig::up(&config(vec![rust("web")]));
    rig.restart("web");
    let (_, actions) = rig.stop("web");
    assert_eq!(does(&actions), ["cancel web#b2", "TERM web#1"]);
    assert_eq!(outcome(&actions), "overtaken by stop");
    assert_eq!(outcome(&rig.exits("web", 1, 0)), "down");
    rig.build_done("web", 2, BuildOutcome::Cancelled);
    assert_eq!(does(&rig.wait_secs(1000.0)), [""; 0]);
}

#[test]
fn a_stop_while_it_backs_off_takes_the_restart_back() {
    let mut rig = Rig::up(&config(vec![command("web")]));
    rig.exits("web", 1, 1);
    rig.stop("web");
    assert_eq!(rig.fleet.next_deadline(), None);
    assert_eq!(rig.why("web").state, State::Stopped);
}

#[test]
fn a_stop_while_leftovers_of_a_crash_are_ended_leaves_it_stopped() {
    let mut rig = Rig::up(&config(vec![command("web")]));
    rig.exited("web", 1, 1, false);
    rig.stop("web");
    assert_eq!(outcome(&rig.tree_empty("web", 1)), "down");
    assert_eq!(rig.fleet.next_deadline(), None);
}

#[test]
fn a_stop_while_it_is_being_started_ends_it_and_answers_both() {
    let (mut rig, _) = Rig::booted(&config(vec![command("web")]));
    rig.start("web");
    let (_, actions) = rig.stop("web");
    assert_eq!(outcome(&actions), "overtaken by stop");
    assert_eq!(does(&rig.spawned("web", 1)), [""; 0]);
    assert_eq!(outcome(&rig.exits("web", 1, 0)), "down");
}

#[test]
fn a_stop_of_a_run_that_could_not_be_started_is_done() {
    let (mut rig, _) = Rig::booted(&config(vec![command("web")]));
    rig.stop("web");
    assert_eq!(outcome(&rig.spawn_failed("web", 1, false)), "down");
    assert_eq!(rig.fleet.next_deadline(), None);
}

#[test]
fn a_restart_overtakes_a_stop_that_is_under_way() {
    let mut rig = Rig::up(&config(vec![command("web")]));
    rig.stop("web");
    let (_, actions) = rig.restart("web");
    assert_eq!(outcome(&actions), "overtaken by a start");
    assert_eq!(does(&rig.exits("web", 1, 0)), ["spawn web#2 dev"]);
}

#[test]
fn down_and_all_gone_means_quiet() {
    let mut rig = Rig::up(&config(vec![command("api"), command("web")]));
    for name in ["api", "web"] {
        let (_, actions) = rig.stop(name);
        rig.cooperate(actions);
    }
    assert_eq!(rig.fleet.next_deadline(), None);
    assert_eq!(rig.step(Event::Tick), []);
}

#[test]
fn what_was_stopped_by_hand_stays_stopped_after_a_manager_restart_until_started() {
    let mut rig = Rig::up(&config(vec![command("web")]));
    let (_, actions) = rig.stop("web");
    rig.cooperate(actions);
    rig.die_and_restore(&config(vec![command("web")]));
    assert_eq!(does(&rig.boot()), [""; 0]);
    assert_eq!(rig.why("web").state, State::Stopped);
    assert_eq!(does(&rig.start("web").1), ["spawn web#2 release"]);
}

#[test]
fn what_was_stopped_by_hand_starts_with_fresh() {
    let mut rig = Rig::up(&config(vec![command("web")]));
    let (_, actions) = rig.stop("web");
    rig.cooperate(actions);
    rig.die_and_restore(&config(vec![command("web")]));
    let actions = rig.step(Event::Boot(Boot { dev: false, fresh: true }));
    assert_eq!(does(&actions), ["spawn web#2 release"]);
}

#[test]
fn what_was_stopped_by_hand_stays_stopped_after_a_reboot_too() {
    use bpm_core::fleet::Fleet;
    let config = config(vec![command("api"), command("web")]);
    let mut rig = Rig::up(&config);
    let (_, actions) = rig.stop("web");
    rig.cooperate(actions);
    rig.fleet = Fleet::restore(&config, rig.fleet.snapshot().at_rest(rig.now), rig.now);
    assert_eq!(does(&rig.boot()), ["spawn api#2 release"]);
}

#[test]
fn shutdown_stops_in_reverse_order_and_ends_when_all_trees_are_empty() {
    let mut rig = Rig::up(&config(vec![command("db"), command("api"), command("web")]));
    let (_, actions) = rig.shutdown();
    assert_eq!(does(&actions), ["TERM web#1", "TERM api#1", "TERM db#1"]);
    rig.exits("web", 1, 0);
    rig.exits("api", 1, 0);
    assert_eq!(finished(&rig.exited("db", 1, 0, false)), []);
    let actions = rig.tree_empty("db", 1);
    assert_eq!(outcome(&actions), "ended");
    assert_eq!(actions.last(), Some(&Action::Quit));
}

#[test]
fn shutdown_refuses_new_starts() {
    let mut rig = Rig::up(&config(vec![command("web")]));
    rig.shutdown();
    for (_, actions) in [rig.start("web"), rig.restart("web"), rig.apply(config(vec![command("new")]))] {
        assert_eq!((outcome(&actions).as_str(), does(&actions).len()), ("closing", 0));
    }
}

#[test]
fn shutdown_starts_nothing_that_was_due_or_being_built() {
    let mut rig = Rig::up(&config(vec![command("api"), rust("web")]));
    rig.exits("api", 1, 1);
    rig.restart("web");
    let (_, actions) = rig.shutdown();
    assert_eq!(does(&actions), ["cancel web#b2", "TERM web#1"]);
    rig.exits("web", 1, 0);
    let actions = rig.build_done("web", 2, BuildOutcome::Built { artefact: true });
    assert_eq!(does(&actions), ["quit"]);
    assert_eq!(does(&rig.wait_secs(1000.0)), [""; 0]);
}

#[test]
fn a_second_shutdown_kills_at_once() {
    let mut rig = Rig::up(&config(vec![command("api"), command("web")]));
    rig.shutdown();
    rig.exits("web", 1, 0);
    assert_eq!(does(&rig.shutdown().1), ["KILL api#1"]);
    assert_eq!(finished(&rig.exits("api", 1, 137)).len(), 2, "both callers are answered");
}

#[test]
fn shutdown_does_not_wait_for_what_outlives_kill_and_names_it() {
    let mut rig = Rig::up(&config(vec![command("api"), command("web")]));
    rig.shutdown();
    rig.exits("web", 1, 0);
    let actions = rig.wait_secs(60.0);
    assert_eq!(does(&actions), ["KILL api#1", "quit"]);
    assert_eq!(outcome(&actions), "ended, stuck: api");
}

#[test]
fn a_shutdown_after_the_end_is_answered_too() {
    let mut rig = Rig::up(&config(vec![command("web")]));
    rig.shutdown();
    rig.exits("web", 1, 0);
    let (_, actions) = rig.shutdown();
    assert_eq!(outcome(&actions), "ended");
    assert_eq!(does(&actions), [""; 0], "to quit is said once");
}

#[test]
fn being_shut_down_is_not_being_stopped_by_hand() {
    use bpm_core::fleet::Fleet;
    let config = config(vec![command("web")]);
    let mut rig = Rig::up(&config);
    let (_, actions) = rig.shutdown();
    rig.cooperate(actions);
    let snapshot = rig.fleet.snapshot();
    assert!(snapshot.ended);
    rig.fleet = Fleet::restore(&config, snapshot.at_rest(rig.now), rig.now);
    assert_eq!(does(&rig.boot()), ["spawn web#2 release"]);
}

#[test]
fn a_manager_that_died_in_the_middle_of_its_shutdown_leaves_nothing_stopped_by_hand() {
    let config = config(vec![command("web")]);
    let mut rig = Rig::up(&config);
    let started = rig.now;
    rig.shutdown();
    rig.die_and_restore(&config);
    rig.adopted("web", 1, started);
    rig.boot();
    assert_eq!(does(&rig.exits("web", 1, 0)), ["spawn web#2 release"]);
}

#[test]
fn the_next_manager_starts_nothing_beside_what_outlived_the_shutdown() {
    let config = config(vec![command("web")]);
    let mut rig = Rig::up(&config);
    let started = rig.now;
    rig.shutdown();
    rig.wait_secs(60.0);
    assert!(!rig.fleet.snapshot().ended, "not all has ended, so it must be looked for");
    rig.die_and_restore(&config);
    assert_eq!(does(&rig.adopted("web", 1, started)), ["TERM web#1"]);
    assert_eq!(does(&rig.boot()), [""; 0]);
    assert_eq!(does(&rig.exits("web", 1, 137)), ["spawn web#2 release"]);
}
