//! What happens is told if somebody should see it.

use bpm_api::{Change, EventKind, EventLine, State};

use super::manager::{build, process};
use super::world::{World, event};
use crate::tui::message::Message;
use crate::tui::model::Level;

#[test]
fn what_somebody_should_see_becomes_a_note_and_the_rest_does_not() {
    let ended = "run 1 ended by itself: exit code 1";
    for (kind, text, expected) in [
        (EventKind::Crashed, ended, Some(Level::Bad)),
        (EventKind::BuildFailed, "build 2 failed: 3 errors", Some(Level::Bad)),
        (EventKind::Down, "gave up after 5 crashes", Some(Level::Bad)),
        (EventKind::Ready, "is ready", Some(Level::Good)),
        (EventKind::Mode, "the project is in release mode now", Some(Level::Info)),
        (EventKind::TaskEnded, "run 1 ended by itself: exit code 0", Some(Level::Good)),
        (EventKind::TaskEnded, ended, Some(Level::Bad)),
        (EventKind::TaskEnded, "run 1 ended: signal TERM", Some(Level::Info)),
        (EventKind::Configuration, "configuration applied", Some(Level::Info)),
        (EventKind::Configuration, "the configuration has an error", Some(Level::Bad)),
        (EventKind::Started, "run 2 started, pid 5 (dev)", None),
        (EventKind::BuildStarted, "dev build 2 begins (asked)", None),
        (EventKind::Stopped, "run 1 ended: exit code 0", None),
    ] {
        let mut world = World::new();
        let before = world.model.notes.len();
        world.happens(event("web", kind, text));
        let told = world.model.notes.get(before).map(|note| note.level);
        assert_eq!(told, expected, "{kind:?} {text}");
        if expected.is_some() {
            assert_eq!(world.note().1, format!("web: {text}"));
        }
    }
}

#[test]
fn a_start_after_a_crash_is_good_news() {
    let mut world = World::new();
    let mut web = process("web", State::BackingOff);
    web.crashes = 1;
    world.manager.status.processes[1] = web;
    world.pass(1000);
    world.happens(event("web", EventKind::Started, "run 2 started, pid 5 (dev)"));
    assert_eq!(world.note().0, Level::Good);
}

#[test]
fn what_others_ask_for_is_told_with_who_it_was() {
    let mut world = World::new();
    world.model.by = Some("tui me on pts/1".to_owned());
    let others = [("tui me on pts/2", true), ("mcp claude", true)];
    for (by, told) in [("tui me on pts/1", false), ("rule: crash", false)].into_iter().chain(others) {
        let before = world.model.notes.len();
        let mut asked = event("web", EventKind::Requested, "restart requested");
        asked.by = Some(by.to_owned());
        world.happens(asked);
        assert_eq!(world.model.notes.len() > before, told, "{by}");
    }
    assert_eq!(world.note().1, "web: restart requested by mcp claude");
}

#[test]
fn events_that_were_not_heard_are_asked_for_and_put_in_their_place() {
    let mut world = World::new();
    let line = |second: u32, text: &str| EventLine {
        time: format!("2025-01-01T00:00:0{second}Z"),
        text: text.to_owned(),
        by: None,
    };
    world.manager.status.processes[1].events = vec![line(1, "one"), line(2, "two")];
    world.happens(event("web", EventKind::Other, "three"));
    world.keys("j");
    let texts: Vec<&str> = world.model.events["web"].iter().map(|event| event.text.as_str()).collect();
    assert_eq!(texts, ["one", "two", "three"]);
    world.keys("\n");
    assert_eq!(world.model.events["web"].len(), 3, "none is there twice");
    let unheard = EventLine { time: "2027-01-01T00:00:00Z".to_owned(), text: "four".to_owned(), by: None };
    world.manager.status.processes[1].events.push(unheard);
    world.disconnect();
    world.connect();
    assert_eq!(world.model.events["web"].back().map(|event| event.text.as_str()), Some("four"));
}

#[test]
fn a_step_of_a_build_is_shown_without_another_question() {
    let mut world = World::new();
    world.manager.status.processes[0].building = Some(build(3, None));
    world.pass(1000);
    world.manager.asked.clear();
    let mut step = event("api", EventKind::BuildProgress, "build 3 7/40 serde, tokio");
    step.steps = Some((7, 40));
    world.happens(step);
    assert!(world.manager.asked.is_empty(), "{:?}", world.manager.asked);
    let building = world.model.process().and_then(|process| process.building.clone());
    let progress = building.and_then(|building| building.progress).expect("progress");
    assert_eq!((progress.done, progress.total, progress.what.as_str()), (7, 40, "serde, tokio"));
}

#[test]
fn missed_events_are_said_and_everything_is_asked_for() {
    let mut world = World::new();
    world.pass(1000);
    world.manager.asked.clear();
    world.manager.log("api", false, 1).lines.push("unheard".to_owned());
    world.tell(Message::Change(Change::Missed(12)));
    assert!(world.note().1.starts_with("12 events came too fast"));
    assert_eq!(world.ends().1, "unheard");
    assert_eq!(
        world.manager.asked.iter().filter(|what| *what == "get_status").count(),
        2,
        "status and events"
    );
}

#[test]
fn what_happens_again_and_again_is_one_note() {
    let mut world = World::new();
    let before = world.model.notes.len();
    for run in 1..50 {
        world.happens(event("web", EventKind::Crashed, &format!("run {run} ended by itself: exit code 3")));
        world.happens(event("api", EventKind::Crashed, &format!("run {run} ended by itself: exit code 3")));
    }
    assert_eq!(world.model.notes.len(), before + 2);
    assert_eq!(world.note().1, "api: run 49 ended by itself: exit code 3");
}

#[test]
fn notes_are_bounded_and_without_control_characters() {
    let mut world = World::new();
    for number in 0..500 {
        let word = "y".repeat(number + 1);
        world.happens(event("web", EventKind::Crashed, &format!("\u{1b}[31m{word}\n{}", "x".repeat(5000))));
    }
    assert_eq!(world.model.notes.len(), crate::tui::model::MOST_NOTES);
    let note = world.note().1;
    assert!(note.len() < 500 && !note.contains(char::is_control), "{note}");
}
