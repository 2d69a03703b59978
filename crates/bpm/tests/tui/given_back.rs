//! The terminal is given back as it was, however the program ends or is stopped; and where there is none, that is said.

use std::process::Stdio;

use rustix::process::Signal;

use crate::lab::{Lab, alive, send, shell, text};
use crate::tmux::{Screen, child_of};

fn project() -> Lab {
    Lab::up(&shell("app", "echo the program is up; exec sleep 1000", ""))
}

/// What `stty` says, and which of a terminal's modes are on.
struct Modes {
    stty: String,
    flags: String,
}

fn modes(screen: &Screen) -> Modes {
    screen.press(&["stty -a; echo the modes are $((20 + 3))", "Enter"]);
    let shown = screen.wait_for("the modes are 23");
    screen.press(&["clear", "Enter"]);
    screen.wait_without("the modes are");
    let stty = shown.split_once("speed").unwrap().1.split_once("the modes").unwrap().0.to_owned();
    let flags = screen.asked(
        "#{alternate_on} #{cursor_flag} #{mouse_any_flag} #{mouse_button_flag} #{mouse_standard_flag} \
         #{mouse_sgr_flag} #{keypad_flag} #{keypad_cursor_flag} #{wrap_flag} #{origin_flag}",
    );
    Modes { stty, flags }
}

fn assert_same(screen: &Screen, before: &Modes) {
    let after = modes(screen);
    assert_eq!(before.stty, after.stty);
    assert_eq!(before.flags, after.flags);
    // without the marks of a paste, which a mode that is left on would add
    screen.paste("echo pa'st'ed");
    screen.press(&["Enter"]);
    screen.wait_for("pasted");
}

/// A shell in which `bpm tui` is on the screen, how the terminal was before, and the program's pid.
fn shown(lab: &Lab) -> (Screen, Modes, u32) {
    let screen = Screen::shell(lab, 100, 30);
    let before = modes(&screen);
    assert!(before.flags.starts_with("0 1 0"), "{}", before.flags);
    let bpm = lab.command();
    screen.press(&[&format!("{} tui; echo it ended with $?", bpm.get_program().display()), "Enter"]);
    screen.wait("the alternate screen", |screen| (screen.asked("#{alternate_on}") == "1").then_some(()));
    screen.wait_for("app");
    let pid = screen.wait("the program", |screen| child_of(screen.pid()));
    (screen, before, pid)
}

#[test]
#[ignore = "needs tmux"]
fn needs_tmux_quitting_gives_the_terminal_back() {
    let lab = project();
    let (screen, before, _) = shown(&lab);
    screen.press(&["q"]);
    screen.wait_for("it ended with 0");
    assert_same(&screen, &before);
}

#[test]
#[ignore = "needs tmux"]
fn needs_tmux_signals_give_the_terminal_back() {
    let lab = project();
    for signal in [Signal::TERM, Signal::HUP, Signal::INT] {
        let (screen, before, pid) = shown(&lab);
        send(pid, signal);
        screen.wait_for("it ended with ");
        assert_same(&screen, &before);
    }
}

#[test]
#[ignore = "needs tmux"]
fn needs_tmux_the_shell_and_the_program_take_turns() {
    let lab = project();
    let (screen, before, _) = shown(&lab);
    for _ in 0..3 {
        screen.press(&["C-z"]);
        screen.wait_for("Stopped");
        assert_same(&screen, &before);
        screen.press(&["fg", "Enter"]);
        screen.wait("the alternate screen", |screen| (screen.asked("#{alternate_on}") == "1").then_some(()));
        screen.wait_for("app");
    }
    screen.press(&["q"]);
    screen.wait("the screen of before", |screen| (screen.asked("#{alternate_on}") == "0").then_some(()));
    assert_same(&screen, &before);
}

#[test]
#[ignore = "needs tmux"]
fn needs_tmux_it_is_stopped_from_outside_and_comes_back() {
    let lab = project();
    let (screen, before, pid) = shown(&lab);
    for signal in [Signal::TSTP, Signal::TSTP] {
        send(pid, signal);
        lab.wait_for("it is stopped", |_| stopped(pid).then_some(()));
        // by the shell that has the terminal now, wherever its cursor is
        screen.wait_for("Stopped");
        screen.press(&["fg", "Enter"]);
        lab.wait_for("it goes on", |_| (!stopped(pid)).then_some(()));
        screen.wait("the alternate screen", |screen| (screen.asked("#{alternate_on}") == "1").then_some(()));
        screen.press(&["?"]);
        screen.wait_for("Processes and tasks");
        screen.press(&["Escape"]);
        screen.wait_without("Processes and tasks");
    }
    screen.press(&["q"]);
    screen.wait("the screen of before", |screen| (screen.asked("#{alternate_on}") == "0").then_some(()));
    assert_same(&screen, &before);
}

fn stopped(pid: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(") ").is_some_and(|(_, rest)| rest.starts_with('T'))
}

#[test]
#[ignore = "needs tmux"]
fn needs_tmux_a_manager_that_died_is_no_reason_to_keep_the_terminal() {
    let mut lab = project();
    let (screen, before, _) = shown(&lab);
    lab.kill_manager();
    screen.press(&["q"]);
    screen.wait_for("it ended with 0");
    assert_same(&screen, &before);
}

#[test]
#[ignore = "needs tmux"]
fn needs_tmux_a_terminal_that_goes_takes_the_program_with_it() {
    let lab = project();
    let screen = Screen::tui(&lab, 80, 24, &[]);
    screen.wait_for("app");
    let pid = screen.pid();
    drop(screen);
    lab.wait_for("the program ends", |_| (!alive(pid)).then_some(()));
}

#[test]
fn where_there_is_no_terminal_that_is_said() {
    let lab = Lab::new("");
    let output = lab.command().arg("tui").stdin(Stdio::null()).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert_eq!(text(&output.stdout), "");
    let said = text(&output.stderr);
    assert!(said.contains("standard input is no terminal") && said.contains("bpm status"), "{said}");
    assert!(!said.contains('\x1b'), "{said:?}");
}
