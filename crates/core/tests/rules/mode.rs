//! Dev mode and the release switch.

use bpm_core::config::{CommandLine, Config, PerMode, Process};
use bpm_core::fleet::{Boot, Event};
use bpm_core::ids::Mode;

use crate::support::rig::{Rig, does, outcome};
use crate::support::{command, config, rust, secs};

const TIMEOUT: f64 = 3.0 * 3600.0;

fn in_dev(config: &Config) -> Rig {
    let mut rig = Rig::up(config);
    let (_, actions) = rig.restart("web");
    rig.cooperate(actions);
    assert_eq!(rig.mode(), Mode::Dev);
    rig
}

#[test]
fn up_with_dev_starts_in_dev_mode() {
    let mut rig = Rig::new(&config(vec![rust("web")]));
    let actions = rig.step(Event::Boot(Boot { dev: true, fresh: false }));
    assert_eq!((does(&actions), rig.mode()), (vec!["build web#b1 dev".to_owned()], Mode::Dev));
}

#[test]
fn after_the_timeout_without_activity_the_release_recipe_is_built_while_the_dev_run_serves() {
    let mut rig = in_dev(&config(vec![rust("web")]));
    assert_eq!(does(&rig.wait_secs(TIMEOUT - 0.1)), [""; 0]);
    assert_eq!(does(&rig.wait_secs(0.1)), ["build web#b3 release"]);
    assert_eq!((rig.mode(), rig.ready("web")), (Mode::Release, Some(2)));
    assert_eq!(does(&rig.built("web", 3)), ["TERM web#2"]);
    assert_eq!(does(&rig.exits("web", 2, 0)), ["spawn web#3 release from build 3"]);
}

#[test]
fn the_timeout_may_be_a_fraction_of_an_hour() {
    let mut config = config(vec![rust("web")]);
    config.timing.dev_timeout = secs(0.5);
    let mut rig = in_dev(&config);
    assert_eq!(does(&rig.wait_secs(0.5)), ["build web#b3 release"]);
}

#[test]
fn only_processes_whose_recipes_differ_are_swapped() {
    let build = PerMode { dev: None, release: Some(CommandLine::Shell("make".to_owned())) };
    let differs = Process { build, ..command("web") };
    let mut rig = Rig::new(&config(vec![command("same"), differs]));
    let actions = rig.step(Event::Boot(Boot { dev: true, fresh: false }));
    rig.cooperate(actions);
    assert_eq!(does(&rig.wait_secs(TIMEOUT)), ["build web#b1 release"]);
}

#[test]
fn a_process_that_was_never_restarted_in_dev_mode_has_its_release_run_already() {
    let mut rig = in_dev(&config(vec![rust("api"), rust("web")]));
    assert_eq!(does(&rig.wait_secs(TIMEOUT)), ["build web#b3 release"]);
    assert_eq!(rig.ready("api"), Some(1));
}

#[test]
fn what_is_stopped_is_not_started_by_the_release_switch() {
    let mut rig = in_dev(&config(vec![rust("web")]));
    let (_, actions) = rig.stop("web");
    rig.cooperate(actions);
    assert_eq!(does(&rig.wait_secs(TIMEOUT)), [""; 0]);
}

#[test]
fn what_ended_and_is_left_by_its_policy_is_not_started_by_the_release_switch() {
    use bpm_core::config::RestartPolicy;
    let mut rig = in_dev(&config(vec![Process { restart: RestartPolicy::Never, ..rust("web") }]));
    rig.exits("web", 2, 0);
    assert_eq!(does(&rig.wait_secs(TIMEOUT)), [""; 0]);
}

#[test]
fn a_failed_release_build_leaves_the_dev_run_and_is_reported() {
    let mut rig = in_dev(&config(vec![rust("web")]));
    rig.wait_secs(TIMEOUT);
    assert_eq!(does(&rig.build_failed("web", 3)), [""; 0]);
    assert_eq!(rig.ready("web"), Some(2));
    let failed = rig.service("web").last_build().expect("a last build");
    assert_eq!((failed.number, failed.failure.is_some()), (3, true));
    assert_eq!(does(&rig.wait_secs(2.0 * TIMEOUT)), [""; 0], "it is not tried again and again");
}

#[test]
fn activity_postpones_the_release_switch() {
    let mut rig = in_dev(&config(vec![rust("web")]));
    rig.wait_secs(TIMEOUT - 1.0);
    rig.step(Event::Activity);
    assert_eq!(does(&rig.wait_secs(TIMEOUT - 1.0)), [""; 0]);
    assert_eq!(does(&rig.wait_secs(1.0)), ["build web#b3 release"]);
}

#[test]
fn every_request_is_activity() {
    let mut rig = in_dev(&config(vec![rust("web")]));
    rig.wait_secs(TIMEOUT - 1.0);
    rig.start("web");
    assert_eq!(does(&rig.wait_secs(TIMEOUT - 1.0)), [""; 0]);
}

#[test]
fn a_crash_is_not_activity() {
    let mut rig = in_dev(&config(vec![rust("web")]));
    rig.wait_secs(TIMEOUT - 200.0);
    rig.exits("web", 2, 1);
    let actions = rig.wait_secs(200.0);
    assert_eq!(does(&actions), ["spawn web#3 dev from run 2", "build web#b3 release"]);
}

#[test]
fn a_restart_during_the_release_switch_takes_its_place() {
    let mut rig = in_dev(&config(vec![rust("web")]));
    rig.wait_secs(TIMEOUT);
    let (_, actions) = rig.restart("web");
    assert_eq!((does(&actions), rig.mode()), (vec!["cancel web#b3".to_owned()], Mode::Dev));
    let actions = rig.build_done("web", 3, bpm_core::fleet::BuildOutcome::Cancelled);
    assert_eq!(does(&actions), ["build web#b4 dev"]);
}

#[test]
fn a_restart_of_another_process_ends_the_release_switch() {
    let mut rig = in_dev(&config(vec![rust("api"), rust("web")]));
    rig.wait_secs(TIMEOUT);
    assert_eq!(does(&rig.restart("api").1), ["cancel web#b3", "build api#b2 dev"]);
    assert_eq!(rig.ready("web"), Some(2));
}

#[test]
fn ending_the_release_switch_leaves_nothing_unstarted() {
    let mut config = config(vec![rust("api"), rust("web")]);
    config.timing.dev_timeout = secs(10.0);
    let mut rig = Rig::new(&config);
    rig.step(Event::Boot(Boot { dev: true, fresh: false }));
    rig.wait_secs(10.0);
    rig.build_done("web", 1, bpm_core::fleet::BuildOutcome::Cancelled);
    rig.restart("api");
    let actions = rig.build_done("web", 2, bpm_core::fleet::BuildOutcome::Cancelled);
    assert_eq!(does(&actions), ["build web#b3 dev"], "the first build of `web` is still owed");
}

#[test]
fn the_release_switch_forgives_no_crashes() {
    let mut config = config(vec![rust("web")]);
    config.timing.dev_timeout = secs(60.0);
    let mut rig = in_dev(&config);
    rig.exits("web", 2, 1);
    let actions = rig.wait_secs(60.0);
    rig.cooperate(actions);
    assert_eq!(rig.service("web").backoff().crashes, 1);
}

#[test]
fn a_restart_may_ask_for_the_release_recipe() {
    use bpm_core::fleet::Request;
    let mut rig = Rig::up(&config(vec![rust("web")]));
    let what = Request::Restart { process: "web".into(), recipe: Some(Mode::Release) };
    let (_, actions) = rig.ask(what);
    assert_eq!(does(&actions), ["build web#b2 release"]);
    let rest = rig.cooperate(actions);
    assert_eq!(outcome(&rest), "up as run 2 (release)");
}

#[test]
fn the_release_switch_takes_back_a_crash_restart_that_was_due() {
    use bpm_core::config::RestartPolicy;
    let mut rig = in_dev(&config(vec![Process { restart: RestartPolicy::OnFailure, ..rust("web") }]));
    rig.wait_secs(TIMEOUT - 60.0);
    rig.exits("web", 2, 1);
    let actions = rig.wait_secs(60.0);
    assert_eq!(does(&actions), ["build web#b3 release"]);
    rig.cooperate(actions);
    rig.exits("web", 3, 0);
    assert_eq!(rig.fleet.next_deadline(), None, "it ended well, and nothing is owed from before");
}
