//! Builds show themselves while they are what matters, and give way again.

use bpm_api::{Change, Code, Error, ProcessKind, Request, State};
use crossterm::event::KeyCode;

use super::manager::{Manager, build, process, status};
use super::world::World;
use crate::tui::message::{Ask, Command, Message};
use crate::tui::model::log::Source;

fn source(world: &World) -> &Source {
    world.model.log.source.as_ref().expect("something is shown")
}

/// `api` is being built for the first time.
fn building() -> World {
    let mut api = process("api", State::Starting);
    api.building = Some(build(1, None));
    let mut manager = Manager::new(status(vec![api], Vec::new()));
    manager.log("api", true, 1).lines = vec!["Compiling api".to_owned()];
    let mut world = World::with(manager);
    world.connect();
    world
}

fn becomes(world: &mut World, state: State, building: Option<u64>, last: Option<(u64, bool)>) {
    let mut api = process("api", state);
    api.building = building.map(|number| build(number, None));
    api.last_build = last.map(|(number, ok)| build(number, Some(ok)));
    world.manager.status.processes[0] = api;
    world.pass(1000);
}

#[test]
fn a_first_build_is_shown_while_it_builds_and_then_the_run() {
    let mut world = building();
    assert_eq!(world.screen(), ["Compiling api"]);
    let watch = Command::Watch { logs: Vec::new(), builds: vec!["api".to_owned()] };
    assert_eq!(world.done.last(), Some(&watch));
    world.manager.log("api", true, 1).lines.push("Finished".to_owned());
    world.tell(Message::Change(Change::Build("api".to_owned())));
    assert_eq!(world.ends().1, "Finished");
    world.manager.log("api", false, 1).lines = vec!["listening".to_owned()];
    becomes(&mut world, State::Running, None, Some((1, true)));
    assert_eq!(world.screen(), ["listening"]);
    assert!(!source(&world).builds);
}

#[test]
fn one_that_failed_stays_at_its_first_error_until_the_next_one_builds() {
    let mut world = building();
    let log = world.manager.log("api", true, 1);
    log.lines.extend((0..100).map(|number| format!("warning {number}")));
    log.lines.push("error: first".to_owned());
    log.lines.extend((0..100).map(|number| format!("note {number}")));
    log.lines.push("error: second".to_owned());
    log.ended = true;
    becomes(&mut world, State::BuildFailed, None, Some((1, false)));
    let third = world.height() / 3;
    assert_eq!(world.screen()[third], "error: first");
    assert_eq!(world.model.log.error_at, Some(102));
    world.pass(1000);
    assert_eq!(world.screen()[third], "error: first", "it is shown once");
    world.manager.log("api", true, 2).lines = vec!["Compiling again".to_owned()];
    becomes(&mut world, State::Starting, Some(2), Some((1, false)));
    assert_eq!(world.screen(), ["Compiling again"]);
    world.manager.log("api", false, 1).lines = vec!["listening".to_owned()];
    becomes(&mut world, State::Running, None, Some((2, true)));
    assert_eq!(world.screen(), ["listening"]);
}

#[test]
fn a_build_that_failed_before_is_what_is_shown_of_a_process_that_does_not_run() {
    let mut api = process("api", State::BuildFailed);
    api.last_build = Some(build(3, Some(false)));
    let mut manager = Manager::new(status(vec![api], Vec::new()));
    manager.log("api", true, 3).lines = vec!["error: here".to_owned()];
    manager.log("api", false, 2).lines = vec!["an old run".to_owned()];
    let mut world = World::with(manager);
    world.connect();
    assert_eq!(world.screen(), ["error: here"]);
    assert_eq!(world.model.log.error_at, Some(1));
}

#[test]
fn a_failed_build_without_a_line_that_is_an_error_says_nothing_of_it() {
    let mut world = building();
    let notes = world.model.notes.len();
    becomes(&mut world, State::BuildFailed, None, Some((1, false)));
    assert_eq!(world.model.notes.len(), notes);
    assert_eq!(world.screen(), ["Compiling api"]);
}

#[test]
fn while_the_old_run_serves_its_log_stays_unless_the_build_was_asked_for_here() {
    let mut world = World::new();
    world.manager.log("api", true, 2).lines = vec!["Compiling".to_owned()];
    becomes(&mut world, State::Running, Some(2), None);
    assert_eq!(world.ends().1, "line 100");
    becomes(&mut world, State::Running, None, None);
    let restart = restart(&mut world);
    becomes(&mut world, State::Running, Some(2), None);
    assert_eq!(world.screen(), ["Compiling"]);
    becomes(&mut world, State::Running, None, Some((2, true)));
    assert_eq!(world.ends().1, "line 100");
    world.pending.push_back(restart);
    world.answer();
}

/// `r` is pressed and not answered.
fn restart(world: &mut World) -> (Ask, Request) {
    world.say(Message::Key(KeyCode::Char('r').into()));
    let at = world.pending.iter().position(|(ask, _)| matches!(ask, Ask::Deed(_))).expect("a restart");
    let restart = world.pending.remove(at).expect("it is there");
    world.answer();
    restart
}

#[test]
fn who_reads_a_failed_build_and_asks_for_another_sees_that_one() {
    let mut world = World::new();
    world.manager.log("api", true, 2).lines = vec!["error: one".to_owned(), "error: two".to_owned()];
    world.keys("bgee");
    assert!(!source(&world).by_itself && !world.model.log.is_following());
    let restart = restart(&mut world);
    assert_eq!(world.screen()[0], "error: one");
    world.manager.log("api", true, 3).lines = vec!["Compiling".to_owned()];
    becomes(&mut world, State::Running, Some(3), Some((2, false)));
    assert_eq!(world.screen(), ["Compiling"]);
    becomes(&mut world, State::Running, None, Some((3, true)));
    assert_eq!(world.ends().1, "line 100");
    world.pending.push_back(restart);
    world.answer();
}

#[test]
fn a_build_that_failed_too_fast_to_be_seen_is_shown_when_that_is_answered() {
    let mut world = World::new();
    let (ask, _) = restart(&mut world);
    world.manager.log("api", true, 3).lines = vec!["error: no".to_owned()];
    becomes(&mut world, State::Running, None, Some((3, false)));
    assert_eq!(world.ends().1, "line 100");
    let outcome = Err(Error::new(Code::BuildFailed, "build 3 of `api` failed"));
    world.tell(Message::Answered { ask, outcome });
    world.pass(1000);
    assert_eq!((world.screen(), world.model.log.error_at), (vec!["error: no"], Some(1)));
}

#[test]
fn what_somebody_looks_at_is_not_taken_away() {
    for key in ["f", "&line\n", "[", "b"] {
        let mut world = World::new();
        world.manager.log("api", false, 2).lines = vec!["line 1".to_owned()];
        world.tell(Message::Change(Change::Log("api".to_owned())));
        world.keys(key);
        let before = source(&world).clone();
        becomes(&mut world, State::Starting, Some(2), None);
        assert_eq!(*source(&world), before, "{key}");
    }
}

#[test]
fn b_shows_the_builds_and_the_run_again() {
    let mut world = World::new();
    world.manager.log("api", true, 4).lines = vec!["Compiling".to_owned()];
    world.keys("b");
    assert_eq!(world.screen(), ["Compiling"]);
    world.pass(1000);
    assert_eq!(world.screen(), ["Compiling"], "it does not give way by itself");
    world.keys("b");
    assert_eq!(world.ends().1, "line 100");
    world.keys("jjb");
    assert_eq!(world.note().1, "`t1` is a task: it has no builds");
}

#[test]
fn what_is_never_built_has_no_build_to_show() {
    let mut world = World::new();
    world.manager.status.processes[0].kind = ProcessKind::Command;
    world.manager.status.processes[0].last_build = None;
    world.pass(1000);
    world.keys("b");
    assert_eq!((world.note().1, world.ends().1), ("`api` has no build", "line 100"));
}
