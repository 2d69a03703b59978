//! `bpm attach` on a terminal of its own: keys there, output here, and the terminal as it was before, however it is left.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use bpm_api::{Code, RunTask, TaskState};
use rustix::process::Signal;

use crate::agent::{Agent, named, pattern, shell};
use crate::lab::Lab;
use crate::seat::Seat;

const LEAVE: &[u8] = b"\x1d";

/// A manager with a task that runs on a terminal; it is up when it has printed `ready`.
fn with_task(line: &str) -> (Lab, tokio::runtime::Runtime, Agent) {
    let lab = Lab::up("");
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let agent = runtime.block_on(Agent::of(&lab));
    let ask = RunTask { pty: Some(true), ..named("talk", shell(line)) };
    runtime.block_on(async {
        agent.ask(ask).await;
        agent.wait(pattern(&["talk"], "ready")).await;
    });
    (lab, runtime, agent)
}

fn attached(lab: &Lab, target: &str) -> Seat {
    let mut command = lab.command();
    command.args(["attach", target]);
    let seat = Seat::of(command);
    seat.sees("ctrl-] leaves");
    seat.until("keys come as they are typed", Seat::is_raw);
    seat
}

#[test]
fn keys_go_there_and_output_comes_here_until_it_is_left_and_it_runs_on() {
    let (_lab, runtime, agent) = with_task("printf 'one\\n\\033[31mred\\033[0m ready\\nprompt> '; exec cat");
    let mut seat = attached(&_lab, "talk");
    assert!(seat.shown().starts_with("attached to `t1`, run 1; ctrl-] leaves\r\n"), "{:?}", seat.shown());
    // what was printed before, with its colours, and the prompt without an end
    seat.sees("red");
    seat.until("the prompt", |seat| seat.shown().ends_with("prompt> \x1b[0m\x1b[0m"));
    assert!(seat.shown().contains("one\x1b[0m\r\n\x1b[31mred\x1b[0m ready"), "{:?}", seat.shown());
    seat.keys(b"hello\r");
    seat.sees("hello\r\nhello\r\n");
    // what is no text, and what is part of a character
    seat.keys(b"\xff\xc3\r");
    seat.until("raw bytes", |seat| seat.raw().windows(2).filter(|pair| *pair == b"\xff\xc3").count() == 2);
    seat.keys(&[b"last\r", LEAVE, b"lost"].concat());
    assert_eq!(seat.ends(), Some(0));
    assert!(seat.shown().ends_with("\x1b[0m\r\nleft `t1`, which runs on\r\n"), "{:?}", seat.shown());
    runtime.block_on(agent.wait(pattern(&["talk"], "^last$")));
    assert_eq!(runtime.block_on(agent.task("talk")).state, TaskState::Running);
    assert!(!runtime.block_on(agent.lines("talk")).iter().any(|line| line.contains("lost")));
    // and again
    let mut again = attached(&_lab, "t1");
    again.sees("last");
    again.keys(LEAVE);
    assert_eq!(again.ends(), Some(0));
}

#[test]
fn a_shell_can_be_worked_in_and_how_it_ends_is_said() {
    let (lab, _runtime, _agent) = with_task("PS1='ready> ' exec sh -i");
    let mut seat = attached(&lab, "talk");
    seat.keys(b"echo $((6 * 7)); sleep 600\r");
    seat.sees("42\r\n");
    seat.keys(b"\x03");
    seat.keys(b"exit 3\r");
    assert_eq!(seat.ends(), Some(0));
    assert!(seat.shown().ends_with("run 1 of `t1` has ended: exited with 3\r\n"), "{:?}", seat.shown());
}

#[test]
fn the_program_has_the_size_of_the_terminal_that_it_is_shown_on() {
    let line = "trap 'stty size' WINCH; echo ready; while :; do sleep 0.02; done";
    let (lab, _runtime, _agent) = with_task(line);
    let mut seat = attached(&lab, "talk");
    seat.sees("24 80\r\n");
    seat.resize(132, 50);
    seat.sees("50 132\r\n");
    seat.keys(LEAVE);
    assert_eq!(seat.ends(), Some(0));
    // the same size as before: told all the same, so that it draws itself anew
    let mut again = attached(&lab, "talk");
    again.sees("24 80\r\n");
    again.resize(80, 24);
    again.until("the size again", |seat| seat.shown().matches("24 80\r\n").count() == 2);
    again.keys(LEAVE);
    assert_eq!(again.ends(), Some(0));
}

#[test]
fn what_a_program_has_set_in_the_terminal_is_undone() {
    let set = "\\033[?1049h\\033[?1000h\\033[?1006h\\033[?2004h\\033[?1h\\033[?25l\\033[31mdrawn";
    let (lab, _runtime, _agent) = with_task(&format!("echo ready; read key; printf '{set}'; exec sleep 600"));
    let mut seat = attached(&lab, "talk");
    seat.keys(b"\r");
    seat.sees("drawn");
    seat.keys(LEAVE);
    assert_eq!(seat.ends(), Some(0));
    let shown = seat.shown();
    let (_, after) = shown.split_once("drawn").unwrap();
    for undone in
        ["\x1b[?1049l", "\x1b[?1000l", "\x1b[?1006l", "\x1b[?2004l", "\x1b[?1l", "\x1b[?25h", "\x1b[0m"]
    {
        assert!(after.contains(undone), "{undone:?}: {after:?}");
    }
}

/// Its modes were set long ago, and it draws itself anew for a change of size only.
#[test]
fn a_program_with_a_screen_of_its_own_is_shown_as_on_its_own_terminal() {
    let set = "\\033[?1049h\\033[?1h\\033=\\033[?1002h\\033[?25l";
    let line = format!("printf '{set}'; trap 'stty size' WINCH; echo ready; while :; do sleep 0.005; done");
    let (lab, _runtime, _agent) = with_task(&line);
    for _ in 0..2 {
        let mut seat = attached(&lab, "talk");
        seat.sees("24 80\r\n");
        let shown = seat.shown();
        assert!(shown.contains("\x1b[?1049h\x1b[?1h\x1b[?25l\x1b[?1002h\x1b="), "{shown:?}");
        assert!(!shown.contains("ready"), "what was printed there makes no lines: {shown:?}");
        assert!(shown.ends_with("23 80\r\n24 80\r\n"), "{shown:?}");
        seat.keys(LEAVE);
        assert_eq!(seat.ends(), Some(0));
        assert!(seat.shown().contains("\x1b[?1049l"));
    }
}

#[test]
fn a_flood_leaves_room_for_keys() {
    let (lab, _runtime, _agent) = with_task("echo ready; read go; while :; do seq 1000000; done");
    let mut seat = attached(&lab, "talk");
    seat.keys(b"\r");
    seat.until("a flood", |seat| seat.raw().len() > 1_000_000);
    let began = Instant::now();
    seat.keys(LEAVE);
    assert_eq!(seat.ends(), Some(0));
    assert!(began.elapsed() < Duration::from_secs(3), "{:?}", began.elapsed());
}

#[test]
fn a_program_that_does_not_read_can_be_left() {
    let (lab, _runtime, _agent) = with_task("stty raw -echo; echo ready; exec sleep 600");
    let mut seat = attached(&lab, "talk");
    // more than the program's terminal, its shim and the client hold together
    seat.keys(&[b'x'; 300_000]);
    seat.keys(LEAVE);
    assert_eq!(seat.ends(), Some(0));
    assert!(seat.shown().contains('\x07'), "who types is told that it gets nowhere");
}

#[test]
fn a_manager_that_goes_away_is_said_to_and_what_ran_runs_on() {
    let (mut lab, _runtime, _agent) = with_task("echo ready; exec cat");
    let mut seat = attached(&lab, "talk");
    seat.keys(b"hello\r");
    seat.sees("hello\r\nhello");
    lab.kill_manager();
    assert_eq!(seat.ends(), Some(3));
    assert!(seat.shown().contains("the manager of `t1` went away"), "{:?}", seat.shown());
    lab.start();
    let mut again = attached(&lab, "talk");
    again.keys(b"back\r");
    again.sees("back\r\nback");
    again.keys(LEAVE);
    assert_eq!(again.ends(), Some(0));
}

#[test]
fn a_signal_leaves_the_terminal_as_it_was() {
    let (lab, _runtime, agent) = with_task("echo ready; exec cat");
    for (signal, number) in [(Signal::TERM, 15), (Signal::HUP, 1), (Signal::INT, 2)] {
        let mut seat = attached(&lab, "talk");
        seat.signal(signal);
        assert_eq!(seat.ends(), Some(128 + number));
    }
    assert_eq!(_runtime.block_on(agent.task("talk")).state, TaskState::Running);
}

#[test]
fn a_process_that_is_swapped_ends_the_session_with_its_run() {
    let mut lab = Lab::up("[process.api]\npty = true\ncommand = 'echo ready; exec cat'\n");
    lab.wait_for("it is up", |lab| lab.lines("api").contains(&"ready".to_owned()).then_some(()));
    let mut seat = attached(&lab, "api");
    let began: bpm_api::Began = lab.ask(&["restart", "api"]);
    assert_eq!(seat.ends(), Some(0));
    let shown = seat.shown();
    let said = format!("run {} of `api` has ended: ", began.run - 1);
    assert!(shown.contains(&said) && shown.contains("killed by TERM"), "{shown:?}");
    let mut next = attached(&lab, "api");
    lab.signal_manager(Signal::TERM);
    assert!(lab.manager_ends());
    assert!(matches!(next.ends(), Some(0 | 3)), "{:?}", next.shown());
}

/// What is typed after the end is the next reader's.
#[test]
fn no_key_is_eaten_that_comes_later() {
    let (lab, _runtime, _agent) = with_task("echo ready; exec cat");
    let mut command = lab.in_project(Command::new("sh"));
    let bpm = env!("CARGO_BIN_EXE_bpm");
    command.args(["-c", &format!("{bpm} attach talk; echo now; read line; echo got $line")]);
    let mut seat = Seat::of(command);
    seat.sees("ctrl-] leaves");
    seat.until("keys come as they are typed", Seat::is_raw);
    seat.keys(LEAVE);
    seat.sees("now\r\n");
    seat.keys(b"later\r");
    seat.sees("got later\r\n");
    assert_eq!(seat.ends(), Some(0));
}

#[test]
fn what_cannot_be_attached_to_is_refused_with_another_way() {
    let lab = Lab::up(
        "[process.plain]\ncommand = 'exec sleep 600'\n[process.idle]\npty = true\ncommand = 'cat'\nautostart = false\n",
    );
    lab.running("plain");
    let refused = |args: &[&str]| {
        let mut command = lab.command();
        command.args(args);
        let mut seat = Seat::of(command);
        let code = seat.ends();
        (code, seat.shown())
    };
    for (args, expected, said) in [
        (&["attach", "plain"][..], 1, ["`plain` has no terminal", "`bpm logs -f plain`"]),
        (&["attach", "idle"], 1, ["`idle` is not running", "`bpm why idle`"]),
        (&["attach", "nobody"], 4, ["`nobody`", "plain"]),
        (&["--json", "attach", "plain"], 2, ["invalid_parameter", "JSON"]),
    ] {
        let (code, shown) = refused(args);
        assert_eq!(code, Some(expected), "{shown}");
        assert!(said.iter().all(|part| shown.contains(part)), "{shown}");
    }
    for (input, output) in [(false, true), (true, false)] {
        let mut seat_command = lab.command();
        seat_command.args(["attach", "plain"]);
        // one of the two is a terminal, the other is not
        let mut seat = Seat::of(Command::new("cat"));
        let side = |there: bool| if there { Stdio::from(seat.side()) } else { Stdio::null() };
        let ran =
            seat_command.stdin(side(input)).stdout(side(output)).stderr(Stdio::piped()).output().unwrap();
        assert_eq!(ran.status.code(), Some(2));
        let said = String::from_utf8(ran.stderr).unwrap();
        assert!(said.contains(if input { "standard output" } else { "standard input" }), "{said}");
        assert!(said.contains("`bpm logs -f NAME`"), "{said}");
        seat.keys(b"\x04");
        assert_eq!(seat.ends(), Some(0));
    }
    assert_eq!(lab.refused(&["attach", "plain"]).code, Code::InvalidParameter);
}
