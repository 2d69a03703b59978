//! Targets, and which one is selected.

use bpm_api::{EventKind, State, TaskState};
use crossterm::event::KeyCode;

use super::manager::{Manager, process, status, task};
use super::world::{World, event};
use crate::tui::model::{Panel, Target};

fn names(world: &World) -> Vec<&str> {
    world.model.targets.iter().map(Target::name).collect()
}

#[test]
fn processes_come_first_then_running_tasks_then_those_that_ended_last() {
    let tasks = vec![
        task("t1", TaskState::Completed, Some(90.0)),
        task("t2", TaskState::Running, None),
        task("t3", TaskState::Failed, Some(5.0)),
    ];
    let mut world = World::with(Manager::new(status(vec![process("api", State::Running)], tasks)));
    world.connect();
    assert_eq!(names(&world), ["api", "t2", "t3", "t1"]);
}

#[test]
fn the_first_one_in_a_bad_state_is_selected_at_first_or_else_the_first() {
    assert_eq!(World::new().selected(), "api");
    let processes = vec![process("api", State::Running), process("web", State::CrashLooping)];
    let mut world = World::with(Manager::new(status(processes, Vec::new())));
    world.connect();
    assert_eq!(world.selected(), "web");
}

#[test]
fn the_selection_moves_within_the_list() {
    let mut world = World::new();
    world.keys("k");
    assert_eq!(world.selected(), "api");
    world.keys("jj");
    assert_eq!(world.selected(), "t1");
    world.press(KeyCode::Down);
    assert_eq!(world.selected(), "t1");
    world.press(KeyCode::Up);
    assert_eq!(world.selected(), "web");
}

#[test]
fn the_selection_stays_when_the_list_is_reordered_and_goes_to_a_neighbour_when_it_vanishes() {
    let mut world = World::new();
    world.keys("j");
    world.manager.status.processes.reverse();
    world.pass(1000);
    assert_eq!((world.selected(), names(&world)), ("web", vec!["web", "api", "t1"]));
    world.manager.status.processes.remove(0);
    world.pass(1000);
    assert_eq!(world.selected(), "api");
    world.manager.status.processes.clear();
    world.manager.status.tasks.clear();
    world.pass(1000);
    assert_eq!(world.model.selected, None);
    assert!(world.screen().is_empty());
}

#[test]
fn events_are_kept_for_the_targets_that_there_are() {
    let mut world = World::new();
    world.happens(event("api", EventKind::Stopping, "run 1 is being stopped"));
    for step in 0..200 {
        let mut step_of = event("api", EventKind::BuildProgress, "build 2 …");
        step_of.steps = Some((step, 200));
        world.happens(step_of);
    }
    let events = &world.model.events["api"];
    assert_eq!(events.len(), 2, "steps of a build take one another's place");
    for number in 0..200 {
        world.happens(event("api", EventKind::Other, &number.to_string()));
        world.happens(event(&format!("t{number}"), EventKind::Other, ""));
    }
    assert_eq!(world.model.events["api"].len(), crate::tui::model::MOST_EVENTS);
    assert!(world.model.events.len() < 50);
    world.pass(1000);
    assert_eq!(world.model.events.len(), 2, "api and t1 are there");
}

#[test]
fn tab_goes_through_the_panels_and_the_arrows_act_on_the_one_it_is_on() {
    let mut world = World::new();
    for panel in [Panel::Output, Panel::Server, Panel::Details, Panel::Processes] {
        world.press(KeyCode::Tab);
        assert_eq!(world.model.panel, panel);
    }
    world.press(KeyCode::BackTab);
    assert_eq!(world.model.panel, Panel::Details);
    for number in 0..40 {
        world.happens(event("api", EventKind::Other, &format!("event {number}")));
    }
    world.keys("jj");
    assert_eq!((world.selected(), world.model.details_top), ("api", 2));
    world.keys("k");
    assert_eq!(world.model.details_top, 1);
    // who has come to the end need not come back from beyond it
    world.keys(&"j".repeat(99));
    let last = world.model.details_top;
    assert!((30..99).contains(&last), "{last}");
    world.keys("k");
    assert_eq!(world.model.details_top, last - 1);
}

#[test]
fn the_status_is_asked_for_after_events_one_question_at_a_time_and_ten_times_a_second_at_most() {
    let mut world = World::new();
    world.pass(1000);
    world.manager.asked.clear();
    for _ in 0..300 {
        world.now.mono_ms += 10;
        world.happens(event("api", EventKind::Other, "something"));
    }
    let asked = world.manager.asked.iter().filter(|what| *what == "get_status").count();
    assert!((28..=36).contains(&asked), "{asked} in three seconds");
    world.say(crate::tui::message::Message::Tick);
    world.happens(event("api", EventKind::Other, "something"));
    assert!(world.pending.len() <= 1);
}
