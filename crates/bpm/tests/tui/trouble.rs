//! Managers that die, come back, or are none; sizes that no screen has; programs that print without end.

use rustix::process::Signal;

use crate::lab::{Lab, process, puppet, shell};
use crate::shown::{assert_intact, fault, last_line};
use crate::tmux::Screen;

#[test]
#[ignore = "needs tmux"]
fn needs_tmux_a_manager_is_killed_and_started_again_under_it() {
    let mut lab = Lab::up(&shell("app", "while :; do echo alive; sleep 0.1; done", ""));
    let before = lab.running("app").pid;
    let screen = Screen::tui(&lab, 100, 30, &[]);
    screen.wait_for("alive");
    for _ in 0..2 {
        lab.kill_manager();
        // it says so, and goes on showing what was known
        let shown = screen.wait_for("no manager for");
        assert!(shown.contains("app") && shown.contains("alive"), "{shown}");
        assert_intact(&shown, 100, 30);
        // keys are answered all the same
        screen.press(&["?"]);
        screen.wait_for("ctrl-");
        screen.press(&["?"]);
        screen.wait_without("ctrl-");
        let printed = last_line(&screen.text());
        lab.start();
        screen.wait_without("no manager for");
        assert_eq!(lab.running("app").pid, before);
        screen.wait("what was printed since", |screen| (last_line(&screen.text()) > printed).then_some(()));
    }
}

#[test]
#[ignore = "needs tmux"]
fn needs_tmux_a_manager_that_does_not_answer_holds_nothing_up() {
    let lab = Lab::up(&shell("app", "echo by myself; exec sleep 1000", ""));
    let screen = Screen::tui(&lab, 100, 30, &[]);
    screen.wait_for("by myself");
    lab.signal_manager(Signal::STOP);
    for key in ["r", "Enter", "j", "b", "R", "R", "W", "W"] {
        screen.press(&[key]);
    }
    screen.press(&["?"]);
    screen.wait_for("ctrl-");
    screen.press(&["?"]);
    screen.wait_without("ctrl-");
    lab.signal_manager(Signal::CONT);
    screen.press(&["q"]);
    assert_eq!(screen.ended(), 0);
}

#[test]
#[ignore = "needs tmux"]
fn needs_tmux_keys_are_answered_while_a_program_prints_without_end() {
    let flood = process("flood", &[&puppet(), "spam"], "logs = { max_bytes = '50M' }");
    let lab = Lab::up(&(flood + &shell("quiet", "echo by myself; exec sleep 1000", "")));
    let screen = Screen::tui(&lab, 100, 30, &[]);
    screen.wait_for("baked beans");
    for _ in 0..5 {
        screen.press(&["?"]);
        screen.wait_for("ctrl-");
        screen.press(&["?"]);
        screen.wait_without("ctrl-");
        screen.press(&["j"]);
        screen.wait_for("by myself");
        screen.press(&["k"]);
        screen.wait_for("baked beans");
    }
    assert_intact(&screen.text(), 100, 30);
    screen.press(&["q"]);
    assert_eq!(screen.ended(), 0);
}

#[test]
#[ignore = "needs tmux"]
fn needs_tmux_a_storm_of_sizes_ends_in_the_last_one() {
    let lab = Lab::up(&shell("app", "while :; do echo alive; sleep 0.01; done", ""));
    let screen = Screen::tui(&lab, 80, 24, &[]);
    screen.wait_for("alive");
    for (columns, rows) in [(120, 40), (80, 24), (40, 10)] {
        // a walk over all sorts of sizes, the same each time
        let sizes = (0..300u32).map(|step| {
            let spread = |factor: u32, most: u32| u16::try_from(1 + step * factor % most).unwrap();
            (spread(37, 150), spread(23, 60))
        });
        screen.resize_often(sizes.chain([(columns, rows)]));
        screen.wait("an intact screen", |screen| {
            let shown = screen.text();
            (shown.contains("app") && fault(&shown, columns.into(), rows.into()).is_none()).then_some(())
        });
    }
    screen.press(&["q"]);
    assert_eq!(screen.ended(), 0);
}

#[test]
#[ignore = "needs tmux"]
fn needs_tmux_the_smallest_terminals_are_survived() {
    let lab = Lab::up(&shell("app", "while :; do echo alive; sleep 0.01; done", ""));
    let screen = Screen::tui(&lab, 1, 1, &[]);
    for (columns, rows) in [(1, 1), (2, 1), (1, 2), (3, 3), (5, 2), (2, 9), (500, 1), (1, 200)] {
        screen.resize(columns, rows);
        for key in ["?", "?", "W", "W", "R", "R", "/", "a", "Enter", "z", "z", "Tab", "G", "g", "w", "t"] {
            screen.press(&[key]);
        }
    }
    screen.resize(80, 24);
    screen.wait_for("app");
    assert!(!screen.has_ended());
    screen.press(&["q"]);
    assert_eq!(screen.ended(), 0);
}
