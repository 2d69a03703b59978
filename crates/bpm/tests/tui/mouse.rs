//! The mouse: what is clicked is selected, the wheel scrolls what is under it, what is dragged over is copied; and text
//! that is pasted.

use crate::desk::Desk;
use crate::lab::{Lab, shell};
use crate::tmux::Screen;

fn project() -> Desk {
    let numbered =
        |name: &str| shell(name, "for n in $(seq 200); do echo $0 line $n; done; exec sleep 1000", "");
    let lab = Lab::up(&(numbered("app") + &numbered("web")));
    let desk = Desk::new(lab, "app", 100, 30);
    desk.until("the end", |output| output.text().ends_with("line 200"));
    desk
}

#[test]
#[ignore = "needs tmux"]
fn needs_tmux_the_mouse_selects_scrolls_and_copies() {
    let desk = project();
    let screen = &desk.screen;
    let (column, row) = screen.wait("web", |screen| screen.find("web"));
    screen.click(column, row);
    desk.until("web is selected", |output| output.is_of("web"));

    let (column, last) = screen.wait("the end", |screen| screen.find("line 200"));
    for _ in 0..3 {
        screen.mouse(64, column, last, true);
    }
    desk.until("nine lines up", |output| output.is_paused() && output.text().ends_with("line 191"));
    for _ in 0..3 {
        screen.mouse(65, column, last, true);
    }
    desk.until("the end again", |output| !output.is_paused() && output.text().ends_with("line 200"));

    // from the bottom to the top, and a little out of it
    screen.mouse(0, column, last, true);
    screen.mouse(32, column + 3, last - 1, true);
    screen.mouse(32, 0, last - 2, true);
    screen.mouse(0, 0, last - 2, false);
    let copied = screen.wait("a copy", Screen::copied);
    let lines: Vec<&str> = copied.lines().map(|line| line.split_once(' ').unwrap().1).collect();
    assert_eq!(lines, ["line 198", "line 199", "line 200"]);

    // a click alone copies nothing
    screen.click(column, last);
    screen.press(&["Tab"]);
    assert_eq!(screen.copied().unwrap(), copied);
}

#[test]
#[ignore = "needs tmux"]
fn needs_tmux_what_is_pasted_is_typed_and_not_pressed() {
    let desk = project();
    // `q` would quit, `x` would stop it
    desk.screen.paste("x\nq\n");
    desk.screen.wait_for("pasted into a line");
    desk.press("/");
    desk.screen.paste("line 1[0-9]$\nq");
    desk.press("Enter");
    desk.until("a line that was found", |output| {
        output.found.as_ref().is_some_and(|line| line.contains("line 1"))
    });
    assert_eq!(desk.lab.process("app").state, bpm_api::State::Running);
    assert!(!desk.screen.has_ended());
}
