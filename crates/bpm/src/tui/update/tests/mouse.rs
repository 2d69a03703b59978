//! The mouse.

use bpm_api::EventKind;
use crossterm::event::{KeyModifiers, MouseButton, MouseEvent, MouseEventKind};

use super::world::{World, event};
use crate::tui::layout::{Areas, inside};
use crate::tui::message::{Command, Message};
use crate::tui::model::Panel;

fn mouse(world: &mut World, kind: MouseEventKind, panel: Panel, row: u16) {
    let area = inside(Areas::of(&world.model).panel(panel));
    let (column, row) = (area.x + 1, area.y + row);
    world.tell(Message::Mouse(MouseEvent { kind, column, row, modifiers: KeyModifiers::NONE }));
}

const PRESS: MouseEventKind = MouseEventKind::Down(MouseButton::Left);
const DRAG: MouseEventKind = MouseEventKind::Drag(MouseButton::Left);
const RELEASE: MouseEventKind = MouseEventKind::Up(MouseButton::Left);

#[test]
fn a_click_selects_what_is_under_it() {
    let mut world = World::new();
    mouse(&mut world, PRESS, Panel::Processes, 1);
    assert_eq!(world.selected(), "web");
    mouse(&mut world, PRESS, Panel::Processes, 2);
    assert_eq!(world.selected(), "web", "between processes and tasks is nothing");
    mouse(&mut world, PRESS, Panel::Processes, 3);
    assert_eq!(world.selected(), "t1");
    mouse(&mut world, PRESS, Panel::Processes, 9);
    assert_eq!(world.selected(), "t1");
    mouse(&mut world, PRESS, Panel::Details, 0);
    assert_eq!(world.model.panel, Panel::Details);
}

#[test]
fn the_wheel_scrolls_what_is_under_it() {
    let mut world = World::new();
    mouse(&mut world, MouseEventKind::ScrollUp, Panel::Output, 0);
    assert_eq!(world.ends().1, "line 97");
    assert_eq!(world.model.panel, Panel::Processes, "and does not go there");
    mouse(&mut world, MouseEventKind::ScrollDown, Panel::Output, 0);
    assert!(world.model.log.is_following());
    mouse(&mut world, MouseEventKind::ScrollDown, Panel::Processes, 0);
    assert_eq!(world.selected(), "web");
    for number in 1..30 {
        world.happens(event("web", EventKind::Crashed, &"y".repeat(number)));
    }
    mouse(&mut world, MouseEventKind::ScrollDown, Panel::Server, 0);
    assert_eq!(world.model.notes_top, 3);
}

#[test]
fn dragging_copies_whole_rows_at_its_end() {
    let mut world = World::new();
    world.print("api", 1, &["\u{1b}[31mred\u{1b}[0m", "漢字"]);
    let last = u16::try_from(world.height()).expect("a small screen") - 1;
    mouse(&mut world, PRESS, Panel::Output, last);
    mouse(&mut world, DRAG, Panel::Output, last - 1);
    assert_eq!(world.model.drag, Some((last, last - 1)));
    mouse(&mut world, RELEASE, Panel::Output, last - 1);
    let copied = Command::Copy { text: "red\n漢字\n".to_owned(), lines: 2 };
    assert_eq!(world.done.last(), Some(&copied));
    assert_eq!(world.model.drag, None);
    world.tell(Message::Copied { lines: 2 });
    assert_eq!(world.note().1, "2 lines copied");
    let before = world.done.len();
    mouse(&mut world, PRESS, Panel::Output, 3);
    mouse(&mut world, RELEASE, Panel::Output, 3);
    assert_eq!(world.done.len(), before, "a click copies nothing");
}

#[test]
fn y_copies_the_lines_that_are_shown_and_rows_of_one_line_are_one_line() {
    let mut world = World::new();
    let long = "x".repeat(100);
    world.print("api", 1, &[&long]);
    world.keys("wy");
    let Some(Command::Copy { text, lines }) = world.done.last() else { panic!("{:?}", world.done) };
    assert_eq!(text.lines().count(), *lines);
    assert_eq!(text.lines().last(), Some(long.as_str()));
    assert_eq!(text.lines().next(), Some(world.ends().0));
}

#[test]
fn the_mouse_can_be_left_to_the_terminal() {
    let mut world = World::new();
    world.keys("M");
    assert_eq!(world.done.last(), Some(&Command::CaptureMouse(false)));
    mouse(&mut world, PRESS, Panel::Processes, 1);
    assert_eq!(world.selected(), "api");
    world.keys("M");
    assert_eq!(world.done.last(), Some(&Command::CaptureMouse(true)));
}
