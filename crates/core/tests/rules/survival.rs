//! The manager dies at any instant; the next one goes on.

use bpm_core::fleet::{Boot, BuildOutcome, Ending, Event, Found, Snapshot};
use bpm_core::ids::Mode;
use bpm_core::service::{Intent, State};

use crate::support::rig::{Rig, does, outcome, run};
use crate::support::{command, config, rust, secs};

#[test]
fn adoption_keeps_the_run_its_mode_and_its_activity() {
    let config = config(vec![rust("web")]);
    let mut rig = Rig::up(&config);
    let (_, actions) = rig.restart("web");
    rig.cooperate(actions);
    let (started, switch) = (rig.now, rig.fleet.release_switch_at());
    rig.wait_secs(100.0);
    rig.die_and_restore(&config);
    assert_eq!(does(&rig.adopted("web", 2, started)), [""; 0]);
    assert_eq!(does(&rig.boot()), [""; 0]);
    assert_eq!((rig.ready("web"), rig.mode()), (Some(2), Mode::Dev));
    assert_eq!(rig.fleet.release_switch_at(), switch);
}

#[test]
fn adoption_keeps_the_back_off_count() {
    let config = config(vec![command("web")]);
    let mut rig = Rig::up(&config);
    rig.exits("web", 1, 1);
    let (_, actions) = rig.next_tick();
    rig.cooperate(actions);
    let started = rig.now;
    rig.die_and_restore(&config);
    rig.adopted("web", 2, started);
    rig.boot();
    rig.exits("web", 2, 1);
    let (wait, _) = rig.next_tick();
    assert_eq!(wait, secs(1.5));
}

#[test]
fn adoption_keeps_the_time_of_a_restart_that_is_due() {
    let config = config(vec![command("web")]);
    let mut rig = Rig::up(&config);
    rig.restart("web");
    rig.exits("web", 1, 0);
    rig.spawned("web", 2);
    rig.exits("web", 2, 1);
    rig.wait_secs(100.0);
    rig.die_and_restore(&config);
    assert_eq!(does(&rig.boot()), [""; 0]);
    assert_eq!(rig.next_tick().0, secs(20.0));
}

#[test]
fn a_restart_that_came_due_while_no_manager_lived_happens_at_once() {
    let config = config(vec![command("web")]);
    let mut rig = Rig::up(&config);
    rig.exits("web", 1, 1);
    let snapshot = rig.fleet.snapshot();
    rig.now = rig.now + secs(60.0);
    rig.fleet = bpm_core::fleet::Fleet::restore(&config, snapshot, rig.now);
    assert_eq!(does(&rig.boot()), ["spawn web#2 release"]);
}

#[test]
fn adoption_goes_on_with_the_run_numbers() {
    let config = config(vec![rust("web")]);
    let mut rig = Rig::up(&config);
    let started = rig.now;
    rig.die_and_restore(&config);
    rig.adopted("web", 1, started);
    rig.boot();
    assert_eq!(does(&rig.restart("web").1), ["build web#b2 dev"]);
    rig.built("web", 2);
    assert_eq!(does(&rig.exits("web", 1, 0)), ["spawn web#2 dev from build 2"]);
}

#[test]
fn a_run_that_crashed_while_no_manager_lived_is_restarted_by_the_crash_rule() {
    let config = config(vec![rust("web")]);
    let mut rig = Rig::up(&config);
    rig.die_and_restore(&config);
    rig.exits("web", 1, 1);
    assert_eq!(does(&rig.boot()), [""; 0]);
    assert_eq!(does(&rig.wait_secs(1.0)), ["spawn web#2 release from run 1"]);
}

#[test]
fn a_lost_run_is_restarted_by_the_crash_rule() {
    let config = config(vec![rust("web")]);
    let mut rig = Rig::up(&config);
    rig.die_and_restore(&config);
    rig.lost("web", 1);
    rig.boot();
    assert_eq!(does(&rig.wait_secs(1.0)), ["spawn web#2 release from run 1"]);
}

#[test]
fn leftovers_of_a_leader_that_ended_while_no_manager_lived_are_ended_first() {
    let config = config(vec![command("web")]);
    let mut rig = Rig::up(&config);
    rig.die_and_restore(&config);
    assert_eq!(does(&rig.exited("web", 1, 1, false)), ["TERM web#1"]);
    assert_eq!(does(&rig.boot()), [""; 0]);
    assert_eq!(does(&rig.wait_secs(5.0)), ["KILL web#1"]);
    assert_eq!(does(&rig.tree_empty("web", 1)), ["spawn web#2 release"]);
}

#[test]
fn a_run_that_was_found_and_then_seen_to_have_ended_counts_how_long_it_was_ready() {
    let config = config(vec![command("web")]);
    let mut rig = Rig::up(&config);
    for number in 1..4 {
        rig.exits("web", number, 1);
        let (_, actions) = rig.next_tick();
        rig.cooperate(actions);
    }
    let started = rig.now;
    rig.wait_secs(600.0);
    let at = rig.now;
    rig.die_and_restore(&config);
    rig.adopted("web", 4, started);
    rig.step(Event::Exited { run: run("web", 4), ending: Ending::Code(1), at, tree_empty: true });
    rig.boot();
    assert_eq!(rig.next_tick().0, secs(1.0));
}

#[test]
fn a_run_that_was_to_be_started_and_never_was_is_started_under_a_new_number() {
    let config = config(vec![rust("web")]);
    let (mut rig, _) = Rig::booted(&config);
    rig.built("web", 1);
    rig.die_and_restore(&config);
    rig.never_started("web", 1);
    assert_eq!(does(&rig.boot()), ["spawn web#2 release from build 1"]);
}

#[test]
fn a_run_that_was_being_started_is_what_a_crash_restart_runs_once_it_was_up() {
    let config = config(vec![rust("web")]);
    let mut rig = Rig::up(&config);
    rig.restart("web");
    rig.built("web", 2);
    rig.exits("web", 1, 0);
    rig.die_and_restore(&config);
    rig.exits("web", 2, 1);
    rig.boot();
    assert_eq!(does(&rig.wait_secs(120.0)), ["spawn web#3 dev from run 2"]);
}

#[test]
fn a_build_that_went_on_without_a_manager_is_promoted_by_the_next() {
    let config = config(vec![rust("web")]);
    let mut rig = Rig::up(&config);
    let started = rig.now;
    rig.restart("web");
    rig.die_and_restore(&config);
    rig.adopted("web", 1, started);
    assert_eq!(does(&rig.boot()), [""; 0]);
    assert_eq!(does(&rig.built("web", 2)), ["TERM web#1"]);
}

#[test]
fn a_build_that_ended_while_no_manager_lived_is_promoted_at_boot() {
    let config = config(vec![rust("web")]);
    let mut rig = Rig::up(&config);
    let started = rig.now;
    rig.restart("web");
    rig.die_and_restore(&config);
    rig.adopted("web", 1, started);
    assert_eq!(does(&rig.built("web", 2)), ["TERM web#1"]);
    rig.boot();
    assert_eq!(does(&rig.exits("web", 1, 0)), ["spawn web#2 dev from build 2"]);
}

#[test]
fn a_build_that_was_to_begin_and_never_did_begins_under_a_new_number() {
    let config = config(vec![rust("web")]);
    let (mut rig, _) = Rig::booted(&config);
    rig.die_and_restore(&config);
    rig.build_done("web", 1, BuildOutcome::NeverStarted);
    assert_eq!(does(&rig.boot()), ["build web#b2 release"]);
}

#[test]
fn a_cancelled_build_that_outlived_the_manager_is_killed_by_the_next() {
    let config = config(vec![rust("web")]);
    let mut rig = Rig::up(&config);
    let started = rig.now;
    rig.restart("web");
    rig.restart("web");
    rig.die_and_restore(&config);
    rig.adopted("web", 1, started);
    rig.boot();
    assert_eq!(does(&rig.wait_secs(0.0)), ["kill web#b2"]);
    assert_eq!(does(&rig.build_done("web", 2, BuildOutcome::Cancelled)), ["build web#b3 dev"]);
}

#[test]
fn a_swap_goes_on_where_it_was_and_no_two_runs_are_up_at_once() {
    let config = config(vec![rust("web")]);
    let mut rig = Rig::up(&config);
    let started = rig.now;
    rig.restart("web");
    rig.built("web", 2);
    rig.die_and_restore(&config);
    assert_eq!(does(&rig.adopted("web", 1, started)), ["TERM web#1"], "it may never have been sent");
    assert_eq!(does(&rig.boot()), [""; 0]);
    assert_eq!(does(&rig.wait_secs(5.0)), ["KILL web#1"]);
    assert_eq!(does(&rig.exits("web", 1, 137)), ["spawn web#2 dev from build 2"]);
}

#[test]
fn a_stop_goes_on_where_it_was() {
    let config = config(vec![command("web")]);
    let mut rig = Rig::up(&config);
    let started = rig.now;
    rig.stop("web");
    rig.die_and_restore(&config);
    assert_eq!(does(&rig.adopted("web", 1, started)), ["TERM web#1"]);
    rig.boot();
    rig.exits("web", 1, 0);
    assert_eq!((rig.service("web").intent(), rig.fleet.next_deadline()), (Intent::Down, None));
}

#[test]
fn the_end_of_a_run_that_was_being_replaced_is_never_a_crash() {
    let config = config(vec![rust("web")]);
    for failed in [false, true] {
        let mut rig = Rig::up(&config);
        rig.restart("web");
        rig.built("web", 2);
        rig.die_and_restore(&config);
        match failed {
            true => rig.spawn_failed("web", 1, true),
            false => rig.exits("web", 1, 1),
        };
        assert_eq!(does(&rig.boot()), ["spawn web#2 dev from build 2"]);
        assert_eq!(rig.service("web").backoff().crashes, 0);
    }
}

#[test]
fn a_run_removed_from_the_configuration_while_no_manager_lived_is_ended() {
    let mut rig = Rig::up(&config(vec![command("old"), command("web")]));
    let started = rig.now;
    rig.die_and_restore(&config(vec![command("web")]));
    rig.adopted("old", 1, started);
    rig.adopted("web", 1, started);
    assert_eq!(does(&rig.boot()), ["TERM old#1"]);
    assert_eq!(does(&rig.wait_secs(5.0)), ["KILL old#1"]);
    rig.exits("old", 1, 137);
    assert!(rig.fleet.service("old").is_none());
}

#[test]
fn a_build_of_a_process_that_was_removed_while_no_manager_lived_is_ended() {
    let (mut rig, _) = Rig::booted(&config(vec![rust("old")]));
    rig.die_and_restore(&config(vec![]));
    assert_eq!(does(&rig.boot()), ["cancel old#b1"]);
    assert_eq!(does(&rig.wait_secs(60.0)), ["kill old#b1"]);
    rig.build_done("old", 1, BuildOutcome::Cancelled);
    assert!(rig.fleet.service("old").is_none());
}

#[test]
fn what_was_parked_stays_parked() {
    let config = config(vec![command("web")]);
    let (mut rig, _) = Rig::booted(&config);
    rig.spawn_failed("web", 1, true);
    rig.die_and_restore(&config);
    assert_eq!(does(&rig.boot()), [""; 0]);
    assert_eq!(rig.why("web").state, State::CannotStart);
}

#[test]
fn fresh_leaves_alone_what_runs() {
    let config = config(vec![command("web")]);
    let mut rig = Rig::up(&config);
    let started = rig.now;
    rig.die_and_restore(&config);
    rig.adopted("web", 1, started);
    assert_eq!(does(&rig.step(Event::Boot(Boot { dev: false, fresh: true }))), [""; 0]);
    assert_eq!(rig.ready("web"), Some(1));
}

#[test]
fn a_run_told_to_stop_before_it_was_known_to_have_never_started_is_gone() {
    let config = config(vec![command("web")]);
    let (mut rig, _) = Rig::booted(&config);
    rig.die_and_restore(&config);
    rig.boot();
    rig.stop("web");
    assert_eq!(outcome(&rig.never_started("web", 1)), "down");
    assert_eq!(rig.fleet.next_deadline(), None);
}

#[test]
fn a_build_took_as_long_as_it_took_whichever_managers_saw_it() {
    let config = config(vec![rust("web")]);
    let (mut rig, _) = Rig::booted(&config);
    rig.wait_secs(20.0);
    rig.die_and_restore(&config);
    rig.boot();
    rig.wait_secs(30.0);
    rig.build_failed("web", 1);
    let took = |rig: &Rig| rig.service("web").last_build().expect("a last build").took;
    assert_eq!(took(&rig), Some(secs(50.0)));
    rig.die_and_restore(&config);
    assert_eq!(took(&rig), Some(secs(50.0)));
}

#[test]
fn how_long_a_build_took_that_was_not_written_down_is_not_made_up() {
    let config = config(vec![rust("web")]);
    let (mut rig, _) = Rig::booted(&config);
    rig.die_and_restore_from(&config, |mut snapshot| {
        snapshot.services.iter_mut().for_each(|service| service.build_since = None);
        snapshot
    });
    rig.boot();
    rig.build_failed("web", 1);
    assert_eq!(rig.service("web").last_build().expect("a last build").took, None);
}

#[test]
fn a_run_that_comes_up_while_the_next_manager_looks_for_it_is_adopted() {
    let config = config(vec![command("web")]);
    let (mut rig, _) = Rig::booted(&config);
    rig.die_and_restore(&config);
    rig.boot();
    rig.spawned("web", 1);
    assert_eq!(rig.ready("web"), Some(1));
}

#[test]
fn a_start_of_what_is_still_being_looked_for_is_answered_when_it_is_found() {
    let config = config(vec![command("web")]);
    let mut rig = Rig::up(&config);
    let started = rig.now;
    rig.die_and_restore(&config);
    rig.boot();
    rig.start("web");
    assert_eq!(outcome(&rig.adopted("web", 1, started)), "already up as run 1");
}

#[test]
fn a_run_that_is_alive_and_not_written_down_is_taken_over() {
    let config = config(vec![command("web"), command("db")]);
    let mut rig = Rig::up(&config);
    let started = rig.now;
    let found = |process: &str, run: u64| Found {
        task: None,
        process: process.into(),
        runs: vec![(run, false)],
        build: None,
        last_run: run,
        last_build: 0,
    };
    rig.die_and_restore_from(&config, |snapshot| {
        // the record of one is stale, that of the other is lost
        let services = snapshot.services.into_iter().filter(|service| &*service.name == "web").collect();
        Snapshot { services, ..snapshot }.and_found(vec![found("web", 2), found("db", 7)])
    });
    rig.step(Event::Exited { run: run("web", 1), ending: Ending::Code(0), at: started, tree_empty: true });
    rig.adopted("web", 2, started);
    rig.adopted("db", 7, started);
    assert_eq!(does(&rig.boot()), [""; 0]);
    assert_eq!((rig.ready("web"), rig.ready("db")), (Some(2), Some(7)));
    rig.exits("db", 7, 1);
    let (_, actions) = rig.next_tick();
    assert_eq!(does(&actions), ["spawn db#8 release"]);
}
