//! Start, and another configuration.

use bpm_core::config::Process;
use bpm_core::fleet::{Boot, Event};
use bpm_core::service::{Intent, State};

use crate::support::rig::{Rig, does, outcome};
use crate::support::{command, config, rust};

#[test]
fn a_start_of_what_runs_is_left_alone() {
    let mut rig = Rig::up(&config(vec![rust("web")]));
    let (_, actions) = rig.start("web");
    assert_eq!(does(&actions), [""; 0]);
    assert_eq!(outcome(&actions), "already up as run 1");
}

#[test]
fn a_start_of_what_is_on_its_way_joins_it() {
    let (mut rig, _) = Rig::booted(&config(vec![rust("web")]));
    assert_eq!(does(&rig.start("web").1), [""; 0]);
    rig.built("web", 1);
    assert_eq!(does(&rig.start("web").1), [""; 0]);
    let actions = rig.spawned("web", 1);
    assert_eq!(crate::support::rig::finished(&actions).len(), 2);
}

#[test]
fn a_start_after_a_stop_uses_the_recipe_of_the_mode_in_force() {
    let mut rig = Rig::up(&config(vec![rust("web")]));
    let (_, actions) = rig.stop("web");
    rig.cooperate(actions);
    assert_eq!(does(&rig.start("web").1), ["build web#b2 release"]);
}

#[test]
fn a_start_whose_build_fails_while_the_old_run_is_being_stopped_leaves_the_reason() {
    let mut rig = Rig::up(&config(vec![rust("web")]));
    rig.stop("web");
    rig.start("web");
    let actions = rig.build_failed("web", 2);
    assert_eq!(outcome(&actions), "build 2 failed, nothing up");
    assert_eq!(does(&rig.exits("web", 1, 0)), [""; 0]);
    assert_eq!(rig.why("web").state, State::BuildFailed);
}

#[test]
fn what_is_not_started_with_the_project_waits_for_a_start() {
    let (mut rig, actions) = Rig::booted(&config(vec![Process { autostart: false, ..command("web") }]));
    assert_eq!(does(&actions), [""; 0]);
    let why = rig.why("web");
    assert_eq!(why.state, State::Idle);
    assert_eq!(why.unblocks.as_deref(), Some("`bpm start web`"));
    assert_eq!(does(&rig.start("web").1), ["spawn web#1 release"]);
}

#[test]
fn a_name_that_is_not_configured_is_refused_with_those_that_are() {
    let mut rig = Rig::up(&config(vec![command("api"), command("web")]));
    let (_, actions) = rig.restart("wbe");
    assert_eq!(does(&actions), [""; 0]);
    assert_eq!(outcome(&actions), "no such process (known: api web)");
}

#[test]
fn apply_starts_what_was_added_and_ends_what_was_removed() {
    let mut rig = Rig::up(&config(vec![command("old"), command("web")]));
    let (_, actions) = rig.apply(config(vec![command("web"), command("new")]));
    assert_eq!(does(&actions), ["spawn new#1 release", "TERM old#1"]);
    assert_eq!(outcome(&actions), "applied +new -old ~");
    assert_eq!(outcome(&rig.start("old").1), "no such process (known: web new)");
    rig.exits("old", 1, 0);
    assert!(rig.fleet.service("old").is_none());
    assert_eq!(rig.ready("web"), Some(1));
}

#[test]
fn apply_names_what_changed_and_leaves_its_run_alone() {
    let mut rig = Rig::up(&config(vec![command("api"), command("web")]));
    let other = Process { args: vec!["--verbose".to_owned()], ..command("web") };
    let (_, actions) = rig.apply(config(vec![command("api"), other]));
    assert_eq!(does(&actions), [""; 0]);
    assert_eq!(outcome(&actions), "applied + - ~web");
    assert_eq!(rig.ready("web"), Some(1));
}

#[test]
fn rules_that_changed_are_in_force_for_the_run_that_is_up() {
    use bpm_core::config::RestartPolicy;
    let mut rig = Rig::up(&config(vec![command("web")]));
    rig.apply(config(vec![Process { restart: RestartPolicy::Never, ..command("web") }]));
    rig.exits("web", 1, 1);
    assert_eq!(rig.why("web").state, State::Ended);
}

#[test]
fn what_is_removed_while_it_builds_answers_its_callers_and_goes() {
    let mut rig = Rig::up(&config(vec![rust("web")]));
    rig.restart("web");
    let (_, actions) = rig.apply(config(vec![]));
    assert_eq!(does(&actions), ["cancel web#b2", "TERM web#1"]);
    rig.exits("web", 1, 0);
    assert!(rig.fleet.service("web").is_some(), "its build has not ended");
    rig.build_done("web", 2, bpm_core::fleet::BuildOutcome::Cancelled);
    assert!(rig.fleet.service("web").is_none());
}

#[test]
fn what_comes_back_into_the_configuration_never_uses_a_number_twice() {
    let mut rig = Rig::up(&config(vec![rust("web")]));
    let (_, actions) = rig.apply(config(vec![]));
    rig.cooperate(actions);
    let (_, actions) = rig.apply(config(vec![rust("web")]));
    assert_eq!(does(&actions), ["build web#b2 release"]);
    assert_eq!(does(&rig.built("web", 2)), ["spawn web#2 release from build 2"]);
}

#[test]
fn numbers_of_what_was_removed_outlive_the_manager() {
    let mut rig = Rig::up(&config(vec![rust("web")]));
    let (_, actions) = rig.apply(config(vec![]));
    rig.cooperate(actions);
    rig.die_and_restore(&config(vec![]));
    rig.boot();
    rig.die_and_restore(&config(vec![rust("web")]));
    assert_eq!(does(&rig.boot()), ["build web#b2 release"]);
    assert_eq!(does(&rig.built("web", 2)), ["spawn web#2 release from build 2"]);
}

#[test]
fn what_comes_back_while_its_old_run_is_still_ending_is_started_after_it() {
    let mut rig = Rig::up(&config(vec![command("web")]));
    rig.apply(config(vec![]));
    let (_, actions) = rig.apply(config(vec![command("web")]));
    assert_eq!(outcome(&actions), "applied +web - ~");
    assert_eq!(does(&rig.exits("web", 1, 0)), ["spawn web#2 release"]);
}

#[test]
fn an_operation_that_comes_before_the_start_of_the_project_is_not_forgotten() {
    let mut rig = Rig::new(&config(vec![command("web")]));
    let (_, actions) = rig.start("web");
    assert_eq!(does(&actions), [""; 0]);
    assert_eq!(does(&rig.boot()), ["spawn web#1 release"]);
    assert_eq!(outcome(&rig.spawned("web", 1)), "up as run 1 (release)");
}

#[test]
fn a_second_boot_is_ignored() {
    let mut rig = Rig::up(&config(vec![command("web")]));
    rig.stop("web");
    rig.exits("web", 1, 0);
    assert_eq!(rig.step(Event::Boot(Boot { dev: true, fresh: true })), []);
    assert_eq!(rig.service("web").intent(), Intent::Down);
}
