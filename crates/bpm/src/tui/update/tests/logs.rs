//! The output panel: following, pausing, scrolling, runs.

use bpm_api::Change;
use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use super::world::World;
use crate::tui::message::Message;
use crate::tui::model::log::Anchor;

#[test]
fn what_is_printed_is_shown_as_it_comes() {
    let mut world = World::new();
    world.print("api", 1, &["new"]);
    assert_eq!(world.ends().1, "new");
    world.print("web", 1, &["not shown"]);
    assert_eq!(world.ends().1, "new");
}

#[test]
fn a_quiet_log_costs_a_question_for_the_new_lines_alone() {
    let mut world = World::new();
    world.pass(1000);
    world.manager.asked.clear();
    world.print("api", 1, &["new"]);
    assert_eq!(world.manager.asked, ["After(100) of Some(1): 50 lines"]);
}

#[test]
fn a_flood_is_followed_at_its_end_and_can_be_scrolled_back() {
    let mut world = World::new();
    for flood in 0..20 {
        let lines: Vec<String> = (0..10_000).map(|number| format!("flood {flood} {number}")).collect();
        let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
        world.manager.asked.clear();
        world.print("api", 1, &lines);
        assert_eq!(world.ends().1, format!("flood {flood} 9999"));
        assert!(world.manager.asked.len() <= 3, "{:?}", world.manager.asked);
    }
    assert!(world.model.log.lines.len() < 500);
    let before = world.ends().0.to_owned();
    for _ in 0..3 {
        world.press(KeyCode::PageUp);
    }
    assert_ne!(world.ends().0, before);
    assert!(world.model.log.lines.len() > 300, "more is read in front");
}

#[test]
fn one_question_about_lines_at_a_time() {
    let mut world = World::new();
    for _ in 0..50 {
        world.say(Message::Change(Change::Log("api".to_owned())));
        world.say(Message::Key(KeyCode::PageUp.into()));
        world.say(Message::Key(KeyCode::Char('j').into()));
    }
    let reads = world.pending.iter().filter(|(_, request)| request.name() == "read_log").count();
    assert_eq!(reads, 1);
    world.answer();
    assert_eq!(world.selected(), "t1");
}

#[test]
fn scrolling_up_pauses_and_the_end_follows_again() {
    let mut world = World::new();
    world.press(KeyCode::PageUp);
    let before: Vec<String> = world.screen().into_iter().map(str::to_owned).collect();
    assert!(!world.model.log.is_following());
    world.print("api", 1, &["new"]);
    assert_eq!(world.screen(), before);
    world.press(KeyCode::PageDown);
    assert_eq!(world.ends().1, "line 100", "the new one comes after it");
    world.press(KeyCode::PageDown);
    assert!(world.model.log.is_following());
    assert_eq!(world.ends().1, "new");
    world.keys("f");
    assert!(!world.model.log.is_following());
    world.print("api", 1, &["newer"]);
    assert_eq!(world.ends().1, "new");
    world.keys("G");
    assert_eq!(world.ends().1, "newer");
    assert!(world.model.log.is_following());
}

#[test]
fn what_was_printed_while_somebody_read_is_not_skipped_by_paging_to_the_end() {
    let mut world = World::new();
    world.press(KeyCode::PageUp);
    let lines: Vec<String> = (101..=400).map(|number| format!("line {number}")).collect();
    world.manager.log("api", false, 1).lines.extend(lines);
    world.say(Message::Change(Change::Log("api".to_owned())));
    world.pending.clear();
    world.model.log.asked = None;
    world.model.log.grown = true;
    world.press(KeyCode::PageDown);
    assert_eq!((world.ends().1, world.model.log.is_following()), ("line 100", false));
    world.press(KeyCode::PageDown);
    assert_eq!(world.ends().0, "line 101");
}

#[test]
fn while_paused_the_length_is_known_but_asked_for_seldom() {
    let mut world = World::new();
    world.keys("f");
    world.pass(1000);
    world.manager.asked.clear();
    for _ in 0..100 {
        world.now.mono_ms += 10;
        world.print("api", 1, &["new"]);
    }
    let asked = &world.manager.asked;
    assert!((2..=3).contains(&asked.len()), "in a second: {asked:?}");
    assert!(asked.iter().any(|what| what.ends_with(": 0 lines")), "{asked:?}");
    world.pass(1000);
    assert_eq!(world.model.log.next_line, 201);
    assert!(world.model.log.more_after);
}

#[test]
fn the_begin_is_the_first_line() {
    let mut world = World::new();
    world.manager.log("api", false, 1).lines = (1..=5000).map(|number| format!("line {number}")).collect();
    world.tell(Message::Change(Change::Log("api".to_owned())));
    world.keys("g");
    assert_eq!(world.ends().0, "line 1");
    world.keys("G");
    assert_eq!(world.ends().1, "line 5000");
}

#[test]
fn a_line_that_is_wrapped_is_scrolled_row_by_row() {
    let mut world = World::new();
    world.print("api", 1, &[&"x".repeat(1000)]);
    world.keys("w");
    let rows = world.screen().iter().filter(|row| row.starts_with('x')).count();
    assert_eq!(rows, world.height(), "it fills the panel");
    world.press(KeyCode::Tab);
    world.press(KeyCode::Up);
    assert!(matches!(world.model.log.anchor, Anchor::Line { number: 101, skip } if skip > 0));
}

#[test]
fn a_new_run_takes_the_place_of_the_one_that_was_followed() {
    let mut world = World::new();
    world.print("api", 2, &["run 2 begins"]);
    assert_eq!(world.screen(), ["run 2 begins"]);
    world.keys("[");
    assert_eq!(world.ends().1, "line 100");
    world.print("api", 3, &["run 3 begins"]);
    assert_eq!(world.ends().1, "line 100", "a run that was picked stays");
    world.keys("]");
    assert_eq!(world.screen(), ["run 2 begins"]);
    world.keys("[[[");
    assert_eq!(world.note().1, "there is no older run");
}

#[test]
fn runs_are_changed_faster_than_they_are_read() {
    let mut world = World::new();
    for run in 2..=4 {
        world.print("api", run, &["it begins"]);
    }
    for key in "[[]]]][".chars() {
        world.say(Message::Key(KeyEvent::new(KeyCode::Char(key), KeyModifiers::NONE)));
    }
    world.answer();
    assert_eq!(world.model.log.run, 3);
}

#[test]
fn a_run_that_is_not_kept_is_said_and_not_shown() {
    let mut world = World::new();
    let kept = std::mem::take(world.manager.log("api", false, 1));
    *world.manager.log("api", false, 7) = kept;
    world.manager.logs.get_mut(&("api".to_owned(), false)).expect("its logs").remove(&1);
    world.tell(Message::Change(Change::Log("api".to_owned())));
    world.keys("\n[");
    assert_eq!(world.note().1, "run 6 is not kept; `R` shows what is");
    assert_eq!((world.model.log.run, world.ends().1), (7, "line 100"));
}

#[test]
fn clearing_hides_what_is_there_and_the_begin_shows_it_again() {
    let mut world = World::new();
    world.keys("c");
    assert!(world.screen().is_empty());
    world.print("api", 1, &["new"]);
    assert_eq!(world.screen(), ["new"]);
    world.keys("g");
    assert_eq!(world.ends().0, "line 1");
}
