//! The manager comes and goes, and may be older.

use std::time::Duration;

use bpm_api::{Change, Code, Error, Hello, Request};

use super::world::{World, hello};
use crate::tui::message::{Ask, Command, Message};
use crate::tui::model::{Level, Link, Overlay};

fn connect(world: &mut World, hello: Option<Hello>, pid: u32) {
    world.tell(Message::Connected { label: "here".to_owned(), hello, manager_pid: Some(pid) });
}

#[test]
fn a_manager_that_is_there_is_asked_for_everything_at_once() {
    let world = World::new();
    assert_eq!(world.notes()[0], "connected to here");
    assert!(world.model.status.is_some());
    assert_eq!(world.ends().1, "line 100");
    let watch = Command::Watch { logs: vec!["api".to_owned()], builds: Vec::new() };
    assert!(world.done.contains(&watch), "{:?}", world.done);
}

#[test]
fn one_that_went_leaves_what_was_known_and_one_note_however_often_it_is_tried() {
    let mut world = World::new();
    let notes = world.model.notes.len();
    for _ in 0..5 {
        world.disconnect();
        world.pass(1000);
    }
    assert_eq!(world.model.notes.len(), notes + 1);
    assert_eq!(world.note().0, Level::Bad);
    assert_eq!(world.ends().1, "line 100");
    assert!(matches!(world.model.link, Link::Down { tries: 5, .. }));
    assert!(world.pending.is_empty());
    world.keys("r");
    assert_eq!(world.note().1, "there is no manager to ask at the moment");
    world.keys("g");
    assert_eq!(world.ends().0, "line 51", "what is there can be scrolled");
}

#[test]
fn one_that_is_back_says_whether_it_is_another() {
    let mut world = World::new();
    world.disconnect();
    world.manager.log("api", false, 1).lines.push("meanwhile".to_owned());
    world.done.clear();
    connect(&mut world, Some(hello()), 2);
    assert!(world.notes().contains(&"the manager is back: pid 2, before it 1"));
    assert_eq!(world.ends().1, "meanwhile");
    assert!(matches!(world.done[..], [Command::Watch { .. }]), "the watch ended with the other");
    world.disconnect();
    connect(&mut world, Some(hello()), 2);
    assert_eq!(world.note().1, "the manager is back");
}

#[test]
fn answers_of_a_manager_that_went_are_thrown_away() {
    let mut world = World::new();
    world.say(Message::Change(Change::Log("api".to_owned())));
    world.say(Message::Tick);
    let late: Vec<(Ask, Request)> = world.pending.drain(..).collect();
    assert!(late.len() >= 2, "{late:?}");
    world.disconnect();
    let before = format!("{:?}", world.model);
    for (ask, request) in late {
        let outcome = world.manager.answer(&request);
        world.say(Message::Answered { ask, outcome });
    }
    assert_eq!(format!("{:?}", world.model), before);
}

#[test]
fn deeds_under_way_are_said_to_be_unknown_when_the_manager_goes() {
    let mut world = World::new();
    world.say(Message::Key(crossterm::event::KeyCode::Char('r').into()));
    assert_eq!(world.model.deeds.len(), 1);
    world.disconnect();
    assert!(world.model.deeds.is_empty());
    assert_eq!(world.note().1, "restart api: the manager went, so what came of it is not known");
}

#[test]
fn an_older_manager_is_told_apart_and_what_it_lacks_is_not_asked_for() {
    let mut world = World::new();
    world.disconnect();
    let mut older = hello();
    older.version = "0.0.1".to_owned();
    older.operations.retain(|name| !["read_log", "get_runs", "send_signal"].contains(&name.as_str()));
    world.manager.asked.clear();
    connect(&mut world, Some(older), 2);
    let (level, note) = world.note();
    assert_eq!(level, Level::Warning);
    assert!(note.contains("0.0.1") && note.contains("read_log, get_runs, send_signal"), "{note}");
    for key in ["R", "X"] {
        world.keys(key);
        assert!(world.note().1.contains("(0.0.1) is older and has no"), "{key}");
    }
    world.keys("j");
    assert!(world.model.log.error.is_some());
    assert!(!world.manager.asked.iter().any(|what| what.contains("lines") || what == "get_runs"));
    assert!(world.model.overlay.is_none());
}

#[test]
fn a_manager_that_does_not_say_what_it_can_do_lacks_what_is_new() {
    let mut world = World::new();
    world.disconnect();
    connect(&mut world, None, 2);
    let (level, note) = world.note();
    assert!(level == Level::Warning && note.contains("read_log"), "{note}");
    world.keys("a");
    assert!(world.note().1.contains("has no `output`"));
    world.say(Message::Key(crossterm::event::KeyCode::Char('r').into()));
    assert!(matches!(world.deed(), Some(Request::Restart(_))));
}

#[test]
fn an_overlay_that_waits_is_answered_by_the_manager_that_comes_back() {
    let mut world = World::new();
    world.say(Message::Key(crossterm::event::KeyCode::Char('R').into()));
    world.disconnect();
    connect(&mut world, Some(hello()), 2);
    assert!(matches!(world.model.overlay, Some(Overlay::Runs { answer: Some(Ok(_)), .. })));
}

#[test]
fn a_manager_that_was_told_to_end_is_told_from_one_that_died() {
    let mut world = World::new();
    world.disconnect();
    assert!(matches!(world.model.link, Link::Down { orderly: false, .. }));
    let again = |orderly| Message::Disconnected {
        error: Error::new(Code::NoManager, "no manager runs"),
        again: Duration::from_secs(1),
        orderly,
    };
    world.say(again(true));
    assert!(world.note().1.contains("everything is stopped"));
    world.say(again(false));
    assert!(
        matches!(world.model.link, Link::Down { orderly: true, .. }),
        "it stays so until the next one is there"
    );
}

#[test]
fn a_manager_that_does_not_answer_is_said_to_be_silent_until_it_does() {
    let mut world = World::new();
    let tick = |world: &mut World| {
        world.now.mono_ms += 1000;
        world.say(Message::Tick);
    };
    (0..5).for_each(|_| tick(&mut world));
    assert_eq!(world.model.silent_ms(), None, "a few seconds are nothing");
    let age = world.model.status_age_seconds();
    tick(&mut world);
    assert_eq!(world.model.silent_ms(), Some(5000));
    assert!(world.model.status_age_seconds() < age, "nobody knows whether anything goes on");
    let (ask, _) = world.pending.pop_front().expect("the status");
    let outcome = Err(Error::new(Code::TimedOut, "the manager did not answer in 30 seconds"));
    world.say(Message::Answered { ask, outcome });
    assert_eq!(world.model.silent_ms(), Some(5000), "that was no answer");
    tick(&mut world);
    world.answer();
    assert_eq!((world.model.silent_ms(), world.note().1), (None, "the manager answers again"));
}
