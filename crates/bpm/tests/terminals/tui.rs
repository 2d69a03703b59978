//! `bpm tui` on a terminal that is slow, deaf or talks nonsense. What is on the screen is the business of the tests with tmux.

use std::io::Write;

use rustix::process::Signal;

use crate::lab::{Lab, alive, process, puppet, send};
use crate::seat::Seat;

/// What the help's frame says.
const HELP: &str = "Keys";
const NORMAL_SCREEN: &str = "\x1b[?1049l";

fn project() -> Lab {
    Lab::up(&process("app", &[&puppet(), "sleep", "600"], ""))
}

fn shown(lab: &Lab) -> Seat {
    let mut command = lab.command();
    command.arg("tui").env("TERM", "xterm-256color").env("LC_ALL", "C.UTF-8");
    let seat = Seat::of(command);
    seat.sees("running");
    seat.until("keys come as they are typed", Seat::is_raw);
    seat
}

#[test]
fn reports_of_places_that_no_screen_has_are_nothing() {
    let lab = project();
    let mut seat = shown(&lab);
    seat.keys(b"\x1b[<0;0;0M\x1b[M   \x1b[<35;1;0M\x1b[32;0;0M\x1b[<0;65535;65535M");
    seat.keys(b"?");
    seat.sees(HELP);
    // the first one closes the help
    seat.keys(b"qq");
    assert_eq!(seat.ends(), Some(0));
}

#[test]
fn keys_that_come_all_at_once_are_all_answered() {
    let lab = project();
    let mut seat = shown(&lab);
    // more than is read at once
    seat.keys("j".repeat(3000).as_bytes());
    seat.keys(b"?");
    seat.sees(HELP);
    // the first one closes the help
    seat.keys(b"qq");
    assert_eq!(seat.ends(), Some(0));
}

#[test]
fn a_signal_ends_it_and_is_its_exit_code() {
    let lab = project();
    for signal in [Signal::TERM, Signal::HUP, Signal::INT, Signal::QUIT] {
        let mut seat = shown(&lab);
        seat.signal(signal);
        assert_eq!(seat.ends(), Some(128 + signal.as_raw()));
        assert!(seat.shown().contains(NORMAL_SCREEN));
    }
}

#[test]
fn a_terminal_that_takes_nothing_is_left_all_the_same() {
    let lab = project();
    let mut seat = shown(&lab);
    seat.resize(200, 60);
    let pid = seat.while_it_takes_nothing(|keyboard, pid| {
        // far more is drawn than a terminal holds
        for _ in 0..40 {
            keyboard.write_all(b"?").unwrap();
            keyboard.write_all(b"\x0c").unwrap();
        }
        send(pid, Signal::TERM);
        lab.wait_for("it ends", |_| (!alive(pid)).then_some(()));
        pid
    });
    assert!(!alive(pid));
    assert_eq!(seat.ends(), Some(128 + Signal::TERM.as_raw()));
    assert!(seat.shown().contains(NORMAL_SCREEN));
}
