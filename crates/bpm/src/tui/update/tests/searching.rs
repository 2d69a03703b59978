//! Looking for lines, errors and through filters.

use bpm_api::{Code, Error, ReadOnly};
use crossterm::event::KeyCode;

use super::world::World;
use crate::tui::message::{Command, Message};
use crate::tui::model::Level;
use crate::tui::update::log;
use crate::tui::update::search::{plain, regex};

/// `line 1` to `line 2000`, with `Needle` at 500, 1000 and 1500 and errors at 700 and 1400.
fn world() -> World {
    let mut world = World::new();
    let text = |number: u64| match number {
        500 | 1000 | 1500 => format!("Needle {number}"),
        700 | 1400 => format!("error {number}"),
        _ => format!("line {number}"),
    };
    world.manager.log("api", false, 1).lines = (1..=2000).map(text).collect();
    world.keys("\n");
    world
}

fn found(world: &World) -> Option<u64> {
    world.model.log.search.as_ref().and_then(|search| search.found)
}

#[test]
fn who_follows_looks_back_for_the_newest_match_and_who_reads_looks_on() {
    let mut world = world();
    world.keys("/needle\n");
    assert_eq!(found(&world), Some(1500));
    let third = world.height() / 3;
    assert_eq!(world.screen()[third], "Needle 1500");
    assert_eq!(world.screen().len(), world.height(), "what comes after it is read too");
    world.keys("g/needle\n");
    assert_eq!(found(&world), Some(500));
}

#[test]
fn n_goes_on_and_back_and_says_where_there_is_no_more() {
    let mut world = world();
    world.keys("g/needle\n");
    for (key, line) in [("n", 1000), ("n", 1500), ("N", 1000), ("N", 500)] {
        world.keys(key);
        assert_eq!(found(&world), Some(line));
        assert!(world.screen().contains(&format!("Needle {line}").as_str()));
    }
    world.keys("N");
    assert_eq!(world.note().1, "no match above; `G`, then `N` begins at the end");
    world.keys("nnn");
    assert_eq!(
        (found(&world), world.note().1),
        (Some(1500), "no match below; `g`, then `n` begins at the top")
    );
    world.keys("GN");
    assert_eq!(found(&world), Some(1500));
    world.keys("gn");
    assert_eq!(found(&world), Some(500));
}

#[test]
fn a_search_begins_with_what_is_on_the_screen() {
    let mut world = world();
    world.keys("g/needle\nn");
    for _ in 0..10 {
        world.press(KeyCode::PageDown);
    }
    world.keys("n");
    assert_eq!(found(&world), Some(1500));
    world.keys("gn");
    assert_eq!(found(&world), Some(500), "and not with what was found last");
}

#[test]
fn capitals_matter_where_there_is_one() {
    let mut world = world();
    world.keys("/NEEDLE\n");
    assert_eq!(found(&world), None);
    assert_eq!(world.note().1, "no match in this log");
    assert!(regex(r"\Wx").is_ok_and(|regex| regex.is_match("-X")), "a class is no capital");
    assert!(regex(r"\\Wx").is_ok_and(|regex| !regex.is_match("\\wx")));
}

#[test]
fn a_search_that_breaks_off_goes_on_until_esc() {
    let mut world = world();
    world.manager.patience = 100;
    world.keys("g/needle\n");
    assert_eq!(found(&world), Some(500));
    world.say(Message::Key(KeyCode::Char('n').into()));
    let (ask, request) = world.pending.pop_front().expect("the first step");
    let outcome = world.manager.answer(&request);
    world.say(Message::Answered { ask, outcome });
    assert!(world.model.log.search.as_ref().is_some_and(|search| search.looking.is_some()));
    world.press(KeyCode::Esc);
    assert!(world.model.log.search.as_ref().is_some_and(|search| search.looking.is_none()));
    assert_eq!(found(&world), Some(500));
    assert!(!world.done.contains(&Command::Quit));
}

#[test]
fn errors_are_jumped_to() {
    let mut world = world();
    world.keys("E");
    assert_eq!(world.model.log.error_at, Some(1400));
    world.keys("E");
    assert_eq!(world.model.log.error_at, Some(700));
    world.keys("eee");
    assert_eq!(world.model.log.error_at, Some(1400));
    assert_eq!(world.note().1, "no error below; `g`, then `e` begins at the top");
}

#[test]
fn from_the_end_the_next_error_is_the_last_one() {
    let mut world = world();
    assert!(world.model.log.is_following());
    world.keys("e");
    assert_eq!(world.model.log.error_at, Some(1400));
    world.keys("e");
    assert_eq!(world.note().1, "no error below; `g`, then `e` begins at the top");
    let mut world = World::new();
    world.keys("e");
    assert_eq!(world.note().1, "no error in this log");
    world.print("api", 1, &["error: one", "fine"]);
    world.keys("e");
    assert_eq!(world.model.log.error_at, Some(101));
    world.keys("e");
    assert_eq!(world.note().1, "no error below; `g`, then `e` begins at the top", "it is on the screen");
}

#[test]
fn a_filter_shows_what_matches_and_esc_everything_at_the_same_place() {
    let mut world = world();
    world.keys("&needle\n");
    assert_eq!(world.screen(), ["Needle 500", "Needle 1000", "Needle 1500"]);
    world.print("api", 1, &["no", "needle again", "no"]);
    assert_eq!(world.ends().1, "needle again");
    world.keys("f");
    world.press(KeyCode::Esc);
    assert!(world.screen().contains(&"Needle 500"));
    assert!(world.screen().contains(&"line 501"));
    assert_eq!(world.model.log.only, ReadOnly::All);
    world.keys("&needle\n&\n");
    assert_eq!(world.model.log.only, ReadOnly::All, "an empty one ends it too");
}

#[test]
fn a_filter_over_a_long_log_breaks_off_and_goes_on() {
    let mut world = world();
    world.manager.patience = 150;
    world.keys("&needle\n");
    assert_eq!(world.screen(), ["Needle 500", "Needle 1000", "Needle 1500"]);
    assert!(world.model.log.looking.is_none() && !world.model.log.more_before);
    world.keys("g");
    assert_eq!(world.ends().0, "Needle 500");
}

#[test]
fn within_a_filter_only_what_it_lets_through_is_found() {
    let mut world = world();
    world.keys("&0\n/error\n");
    assert_eq!(found(&world), Some(1400));
    world.keys("&line\n/0 *$\n");
    let shown = world.screen().iter().all(|line| line.starts_with("line"));
    assert!(shown && found(&world).is_some_and(|line| line % 500 != 0 && line % 10 == 0));
    world.keys("E");
    assert!(world.note().1.starts_with("no error above"), "{:?}", world.note());
}

#[test]
fn a_pattern_that_the_manager_refuses_is_said_and_dropped() {
    let mut world = world();
    let refuse = |world: &mut World| {
        let at =
            world.pending.iter().position(|(_, request)| request.name() == "read_log").expect("a question");
        let (ask, _) = world.pending.remove(at).expect("it is there");
        let outcome = Err(Error::new(Code::InvalidParameter, "`only` is no pattern"));
        world.say(Message::Answered { ask, outcome });
        world.answer();
    };
    for c in "&needle".chars() {
        world.keys(&c.to_string());
    }
    world.say(Message::Key(KeyCode::Enter.into()));
    refuse(&mut world);
    assert_eq!(world.note(), (Level::Bad, "search: `only` is no pattern"));
    assert_eq!((&world.model.log.only, world.ends().1), (&ReadOnly::All, "line 2000"));
    world.keys("/needle");
    world.say(Message::Key(KeyCode::Enter.into()));
    refuse(&mut world);
    assert!(world.model.log.search.is_none());
}

#[test]
fn esc_ends_the_search_then_the_filter_then_the_program() {
    let mut world = world();
    world.keys("&needle\n/1\n");
    world.press(KeyCode::Esc);
    assert!(world.model.log.search.is_none() && !world.model.log.only.is_all());
    world.press(KeyCode::Esc);
    assert!(world.model.log.only.is_all() && !world.done.contains(&Command::Quit));
    world.pass(9000);
    world.press(KeyCode::Esc);
    assert_eq!(world.done.last(), Some(&Command::Quit));
}

#[test]
fn with_a_filter_and_a_search_the_rarer_one_is_looked_for_too() {
    let mut world = World::new();
    let text = |number: u64| if number == 3 { "rare line".to_owned() } else { format!("line {number}") };
    world.manager.log("api", false, 1).lines = (1..=50_000).map(text).collect();
    world.keys("\n&rare\n");
    let before = world.manager.asked.len();
    world.keys("/line\n");
    assert_eq!(found(&world), Some(3));
    let asked = world.manager.asked.len() - before;
    assert!(asked < 10, "{asked} questions");
}

#[test]
fn a_filter_that_lets_a_flood_through_is_read_from_the_end() {
    let mut world = World::new();
    world.keys("&line\n");
    let flood: Vec<String> = (0..2_000).map(|number| format!("line of a flood {number}")).collect();
    let flood: Vec<&str> = flood.iter().map(String::as_str).collect();
    let before = world.manager.asked.len();
    world.print("api", 1, &flood);
    assert_eq!(world.ends().1, "line of a flood 1999");
    let asked = world.manager.asked.len() - before;
    assert!(asked <= 3, "{asked} questions");
    world.print("api", 1, &["no", "line at last"]);
    assert_eq!(world.ends().1, "line at last");
}

#[test]
fn from_the_top_a_search_begins_at_the_top_whatever_was_found_last() {
    let mut world = World::new();
    world.manager.log("api", false, 1).lines = ["a", "error 2", "error 3", "b"].map(str::to_owned).to_vec();
    world.keys("\ngee");
    assert_eq!(world.model.log.error_at, Some(3), "all of it is on the screen");
    world.keys("ge");
    assert_eq!(world.model.log.error_at, Some(2));
    world.keys("/a|b\nn");
    assert_eq!(found(&world), Some(4));
    world.keys("gn");
    assert_eq!(found(&world), Some(1));
    world.keys("/nowhere\n");
    assert_eq!(world.note().1, "no match in this log");
}

#[test]
fn what_is_found_far_to_the_right_is_scrolled_to() {
    let mut world = World::new();
    let far = format!("{}the end", "-".repeat(500));
    world.manager.log("api", false, 1).lines = vec!["error: near".to_owned(), far, "last".to_owned()];
    world.keys("\n/the end\n");
    let width = log::size(&world.model).0;
    let columns = world.model.log.column..world.model.log.column + width;
    assert!(columns.contains(&500) && columns.contains(&506), "{columns:?}");
    world.keys("ge");
    assert_eq!((world.model.log.error_at, world.model.log.column), (Some(1), 0));
}

#[test]
fn colours_are_no_text() {
    assert_eq!(plain("a\u{1b}[1;31mb\u{1b}[0m"), "ab");
    assert_eq!(plain("a\u{1b}[1;3"), "a");
    assert_eq!(plain("\u{1b}[\u{1b}[mx"), "x");
    assert_eq!(plain("no"), "no");
}
