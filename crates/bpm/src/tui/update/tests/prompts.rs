//! Lines that are typed.

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use super::world::World;
use crate::tui::message::{Command, Message};
use crate::tui::model::{MOST_TYPED, PromptKind};

fn chord(world: &mut World, modifiers: KeyModifiers, c: char) {
    world.tell(Message::Key(KeyEvent::new(KeyCode::Char(c), modifiers)));
}

fn text(world: &World) -> &str {
    world.prompt().map_or("", |(_, text)| text)
}

#[test]
fn a_line_is_edited_as_in_a_shell() {
    let mut world = World::new();
    world.keys(":cargo test -p api");
    chord(&mut world, KeyModifiers::CONTROL, 'w');
    assert_eq!(text(&world), "cargo test -p ");
    chord(&mut world, KeyModifiers::CONTROL, 'a');
    world.keys("x");
    world.press(KeyCode::End);
    world.keys("é");
    chord(&mut world, KeyModifiers::ALT, 'b');
    chord(&mut world, KeyModifiers::ALT, 'b');
    chord(&mut world, KeyModifiers::CONTROL, 'k');
    assert_eq!(text(&world), "xcargo test -");
    chord(&mut world, KeyModifiers::CONTROL, 'u');
    assert_eq!(text(&world), "");
}

#[test]
fn q_is_a_letter_in_a_line_and_ctrl_c_and_esc_close_it() {
    let mut world = World::new();
    world.keys(":q");
    assert_eq!(text(&world), "q");
    chord(&mut world, KeyModifiers::CONTROL, 'c');
    assert!(world.prompt().is_none());
    world.keys(":q");
    world.press(KeyCode::Esc);
    assert!(world.prompt().is_none());
    assert!(!world.done.contains(&Command::Quit));
}

#[test]
fn lines_typed_before_come_back_and_so_does_what_was_being_typed() {
    let mut world = World::new();
    world.keys(":one\n:two\n:two\n/three\n:dra");
    for (key, expected) in [
        (KeyCode::Up, "two"),
        (KeyCode::Up, "one"),
        (KeyCode::Up, "one"),
        (KeyCode::Down, "two"),
        (KeyCode::Down, "dra"),
        (KeyCode::Down, "dra"),
    ] {
        world.press(key);
        assert_eq!(text(&world), expected);
    }
    for number in 0..300 {
        world.press(KeyCode::Esc);
        world.keys(&format!("/line {number}\n:"));
    }
    assert_eq!(world.model.typed[&PromptKind::Search].len(), MOST_TYPED);
}

#[test]
fn what_is_pasted_is_one_line_without_control_characters() {
    let mut world = World::new();
    world.keys(":ab");
    world.press(KeyCode::Left);
    world.tell(Message::Paste("x\ty\u{1b}[31m\nrm -rf /\n".to_owned()));
    assert_eq!(text(&world), "ax y [31mb");
    assert_eq!(world.note().1, "only the first line of what was pasted is taken");
    world.keys("!");
    assert_eq!(text(&world), "ax y [31m!b", "the cursor is after what was pasted");
    assert!(world.pending.is_empty(), "nothing is run by pasting");
}

#[test]
fn a_line_is_bounded() {
    let mut world = World::new();
    world.keys(":");
    for _ in 0..3 {
        world.tell(Message::Paste("é".repeat(10_000)));
        world.keys("xyz");
        assert!(text(&world).len() <= 16 << 10);
    }
    chord(&mut world, KeyModifiers::CONTROL, 'u');
    for _ in 0..3 {
        chord(&mut world, KeyModifiers::CONTROL, 'y');
    }
    assert!(text(&world).len() <= 16 << 10);
}

#[test]
fn a_paste_where_no_line_is_typed_says_where_it_could_go() {
    let mut world = World::new();
    world.tell(Message::Paste("qx".to_owned()));
    assert!(world.done.iter().all(|command| *command != Command::Quit));
    assert!(world.note().1.contains("can be pasted into a line"));
}

#[test]
fn a_pattern_that_is_none_is_said_while_it_is_typed() {
    let mut world = World::new();
    world.keys("/a(b\n");
    let error = world.model.prompt.as_ref().and_then(|prompt| prompt.error.clone()).expect("an error");
    assert_eq!(error, "unclosed group");
    world.keys(")");
    assert!(world.model.prompt.as_ref().is_some_and(|prompt| prompt.error.is_none()));
    world.keys("\n");
    assert!(world.prompt().is_none() && world.model.log.search.is_some());
    world.keys(r"/(\w{500}){500}");
    world.keys("\n");
    let error = world.model.prompt.as_ref().and_then(|prompt| prompt.error.clone()).expect("an error");
    assert_eq!(error, "this pattern is too large");
}

#[test]
fn the_screen_is_drawn_anew_also_while_a_line_is_typed() {
    let mut world = World::new();
    world.keys(":ls");
    chord(&mut world, KeyModifiers::CONTROL, 'l');
    assert_eq!((text(&world), world.done.last()), ("ls", Some(&Command::Redraw)));
}
