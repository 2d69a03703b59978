//! Every key of the one table, pressed at three sizes, with what it does. A key that is new to the table has no case
//! here, and this does not compile.

use std::fs::OpenOptions;
use std::io::Write;

use bpm::tui::keys::{Action, Chord, KEYS};
use bpm_api::State;
use crossterm::event::{KeyCode, KeyModifiers};

use crate::desk::Desk;
use crate::lab::{Lab, process, puppet};
use crate::shown::{Output, output};
use crate::tmux::Screen;

/// What `app` prints; long lines, things to look for and errors are far apart.
const APP: &str = "\
for n in $(seq 40); do echo early $n; done; echo needle one; echo BROKEN one
for n in $(seq 60); do echo middle $n; done; echo needle two; echo BROKEN two
for n in $(seq 60); do echo late $n; done
echo wide $(seq 100); echo last line
exec sleep 100000
";

/// A project with a process of every sort, and somebody who sits in front of it.
fn project(columns: u16, rows: u16) -> Desk {
    let more = "build = 'echo compiled it'\nerrors = { match = ['^BROKEN'] }\n";
    let mut config = "dev_crash_wait_seconds = 0.05\n".to_owned();
    config += &process("app", &["sh", "app.sh"], more);
    config += &process("idle", &["sleep", "1000"], "autostart = false");
    config += &process("term", &[&puppet(), "size", "echo"], "pty = true");
    let mut lab = Lab::new(&config);
    lab.write("app.sh", APP);
    lab.start_with(&["--dev"]);
    lab.running("app");
    let _: bpm_api::Began = lab.ask(&["restart", "app"]);
    let desk = Desk::new(lab, "app", columns, rows);
    desk.until("the newest run of app", |output| output.title.contains("run 2") && output.has("last line"));
    desk
}

/// What follows an escape at once is not taken for a key of its own.
fn ends_search(desk: &Desk) {
    desk.press("Escape");
    desk.until("no search", |output| output.found.is_none());
}

fn shows_end(desk: &Desk) {
    desk.press("G");
    desk.until("the end", |output| output.has("last line") && !output.is_paused());
}

/// A key as tmux calls it.
fn named(chord: Chord) -> String {
    let name = match chord.1 {
        KeyCode::Up => "Up",
        KeyCode::Down => "Down",
        KeyCode::Left => "Left",
        KeyCode::Right => "Right",
        KeyCode::Enter => "Enter",
        KeyCode::Esc => "Escape",
        KeyCode::Tab => "Tab",
        KeyCode::BackTab => "BTab",
        KeyCode::PageUp => "PPage",
        KeyCode::PageDown => "NPage",
        KeyCode::Home => "Home",
        KeyCode::End => "End",
        KeyCode::Char(' ') => "Space",
        KeyCode::F(number) => return format!("F{number}"),
        KeyCode::Char(c) if chord.0 == KeyModifiers::CONTROL => return format!("C-{c}"),
        KeyCode::Char(c) => return c.to_string(),
        other => panic!("how is {other} pressed?"),
    };
    name.to_owned()
}

fn every_key(columns: u16, rows: u16) {
    let desk = project(columns, rows);
    for binding in KEYS {
        for chord in binding.chords {
            let key = named(*chord);
            effect(&desk, binding.action, &key);
            // nothing is left open, and the next one begins where this one did
            desk.until(&format!("all is as before {key}"), |output| {
                output.title.contains(" run ")
                    && !output.title.contains("(-")
                    && output.is_of("app")
                    && output.has("last line")
                    && output.text().contains("wide 1")
                    && !output.is_paused()
            });
        }
    }
}

#[test]
#[ignore = "needs tmux"]
fn needs_tmux_every_key_at_80_by_24() {
    every_key(80, 24);
}

#[test]
#[ignore = "needs tmux"]
fn needs_tmux_every_key_at_120_by_40() {
    every_key(120, 40);
}

#[test]
#[ignore = "needs tmux"]
fn needs_tmux_every_key_at_40_by_10() {
    every_key(40, 10);
}

/// Presses it where it has an effect, and sees that.
fn effect(desk: &Desk, action: Action, key: &str) {
    match action {
        Action::Up | Action::Down | Action::NextPanel | Action::PreviousPanel => moves(desk, action, key),
        Action::Restart
        | Action::Start
        | Action::Stop
        | Action::Signal
        | Action::Input
        | Action::Attach
        | Action::Run
        | Action::Forget => steers(desk, action, key),
        Action::PageUp
        | Action::PageDown
        | Action::HalfUp
        | Action::HalfDown
        | Action::Top
        | Action::Bottom
        | Action::Left
        | Action::Right
        | Action::Follow => scrolls(desk, action, key),
        Action::Search
        | Action::Next
        | Action::Previous
        | Action::Filter
        | Action::NextError
        | Action::PreviousError => looks(desk, action, key),
        Action::OlderRun
        | Action::NewerRun
        | Action::Runs
        | Action::Builds
        | Action::Wrap
        | Action::Times
        | Action::Copy
        | Action::Clear => reads(desk, action, key),
        Action::Refresh
        | Action::Why
        | Action::Zoom
        | Action::Mouse
        | Action::Redraw
        | Action::Suspend
        | Action::Help
        | Action::Back
        | Action::Quit => screen(desk, action, key),
    }
}

fn moves(desk: &Desk, action: Action, key: &str) {
    match action {
        Action::Up => {
            desk.select("idle");
            desk.press(key);
        }
        Action::Down => {
            desk.press(key);
            desk.until("idle is selected", |output| output.is_of("idle"));
            desk.select("app");
        }
        Action::NextPanel => {
            desk.press(key);
            // it goes to the output now
            desk.press("Up");
            desk.until("the output is scrolled", |output| output.is_of("app") && output.is_paused());
            shows_end(desk);
            desk.press("BTab");
        }
        _ => {
            desk.press(key);
            // to the details, in which nothing is selected
            desk.press("Down");
            desk.press("Tab");
            desk.press("Down");
            desk.until("idle is selected", |output| output.is_of("idle"));
            desk.select("app");
        }
    }
}

fn steers(desk: &Desk, action: Action, key: &str) {
    let (lab, screen) = (&desk.lab, &desk.screen);
    let run = lab.running("app").run.unwrap();
    match action {
        Action::Restart => {
            desk.press(key);
            let run = lab.running_other_than("app", run).run.unwrap();
            desk.until("the new run", |output| output.title.contains(&format!("run {run}")));
        }
        Action::Start | Action::Stop => {
            desk.select("idle");
            if action == Action::Start {
                desk.press(key);
                lab.running("idle");
            } else {
                assert!(lab.bpm(&["start", "idle"]).status.success());
                screen.wait_for("▶ idle");
                desk.press(key);
                screen.wait_for("stop idle?");
                desk.press("y");
                lab.in_state("idle", State::Stopped);
            }
            assert!(lab.bpm(&["stop", "idle"]).status.success());
            desk.select("app");
        }
        Action::Signal => {
            desk.press(key);
            screen.wait_for("signal to app");
            desk.type_line("HUP");
            let run = lab.running_other_than("app", run).run.unwrap();
            desk.until("the new run", |output| output.title.contains(&format!("run {run}")));
        }
        Action::Input => {
            desk.select("term");
            desk.press(key);
            screen.wait_for("type into term");
            desk.type_line("some words");
            desk.until("what it answers", |output| output.has("echo some words"));
            desk.select("app");
        }
        Action::Run | Action::Forget => tasks(desk, action, key),
        _ => {
            assert_eq!(action, Action::Attach);
            desk.select("term");
            desk.press(key);
            screen.wait_for("ctrl-] leaves");
            desk.type_line("from nearby");
            screen.wait_for("echo from nearby");
            desk.press("C-]");
            desk.until("the panels are back", |output| {
                output.is_of("term") && output.has("echo from nearby")
            });
            desk.select("app");
        }
    }
}

/// A task is run and forgotten.
fn tasks(desk: &Desk, action: Action, key: &str) {
    let (lab, screen) = (&desk.lab, &desk.screen);
    match action {
        Action::Run => {
            desk.press(key);
            screen.wait_for("run:");
            desk.type_line("exit 4");
            lab.wait_for("a task", |lab| {
                lab.status().tasks.iter().any(|task| task.exit_code == Some(4)).then_some(())
            });
            desk.until("it is selected", |output| !output.is_of("app"));
            assert!(lab.bpm(&["tasks", "--clear"]).status.success());
            desk.until("it is gone", |output| !output.title.contains("exit 4"));
            desk.select("app");
        }
        _ => {
            assert!(lab.bpm(&["run", "--wait", "--name", "job", "--", "true"]).status.success());
            desk.select("job");
            desk.press(key);
            screen.wait_for("forget t");
            desk.press("y");
            lab.wait_for("it is forgotten", |lab| lab.status().tasks.is_empty().then_some(()));
            desk.until("it is gone", |output| !output.is_of("job"));
            desk.select("app");
        }
    }
}

fn scrolls(desk: &Desk, action: Action, key: &str) {
    let is_cut = |output: &Output| output.rows.iter().any(|row| row.starts_with('‹'));
    match action {
        Action::Follow => {
            desk.press(key);
            desk.until("it is paused", Output::is_paused);
            desk.press(key);
        }
        Action::PageUp | Action::HalfUp => {
            let before = desk.output().rows;
            desk.press(key);
            desk.until("other lines", |output| output.is_paused() && output.rows[0] != before[0]);
            desk.press("G");
        }
        Action::PageDown | Action::HalfDown => {
            desk.press(if action == Action::PageDown { "PPage" } else { "C-u" });
            desk.until("other lines", Output::is_paused);
            desk.press(key);
        }
        Action::Top => {
            desk.press(key);
            desk.until("the first line", |output| output.rows[0] == "early 1");
            desk.press("G");
        }
        Action::Bottom => {
            desk.press("g");
            desk.until("the first line", |output| output.rows[0] == "early 1");
            desk.press(key);
        }
        Action::Right => {
            desk.press(key);
            desk.until("the columns at the right", is_cut);
            desk.press("Left");
        }
        _ => {
            desk.press("Right");
            desk.until("the columns at the right", is_cut);
            desk.press(key);
        }
    }
}

fn looks(desk: &Desk, action: Action, key: &str) {
    let found = |output: &Output, words: &str| output.found.as_deref() == Some(words);
    match action {
        Action::Search => {
            desk.press(key);
            desk.type_line("NEEDLE|needle [a-z]wo");
            desk.until("the line", |output| found(output, "needle two"));
            ends_search(desk);
        }
        Action::Next | Action::Previous => {
            desk.press("g");
            desk.until("the first line", |output| output.rows[0] == "early 1");
            desk.press("/");
            desk.type_line("needle");
            desk.until("the first of them", |output| found(output, "needle one"));
            if action == Action::Next {
                desk.press(key);
                desk.until("the next one", |output| found(output, "needle two"));
            } else {
                desk.press("n");
                desk.until("the next one", |output| found(output, "needle two"));
                desk.press(key);
                desk.until("the one before", |output| found(output, "needle one"));
            }
            ends_search(desk);
        }
        Action::NextError | Action::PreviousError => {
            desk.press("g");
            desk.until("the first line", |output| output.rows[0] == "early 1");
            desk.press("e");
            desk.until("the first error", |output| found(output, "BROKEN one"));
            if action == Action::NextError {
                desk.press(key);
                desk.until("the next one", |output| found(output, "BROKEN two"));
            } else {
                desk.press("e");
                desk.until("the next one", |output| found(output, "BROKEN two"));
                desk.press(key);
                desk.until("the one before", |output| found(output, "BROKEN one"));
            }
        }
        _ => {
            desk.press(key);
            desk.type_line("needle");
            desk.until("these lines alone", |output| output.text() == "needle one\nneedle two");
            desk.press("Escape");
            desk.until("all lines", |output| output.has("late 60") || output.has("last line"));
        }
    }
    shows_end(desk);
}

fn reads(desk: &Desk, action: Action, key: &str) {
    match action {
        Action::OlderRun => {
            desk.press(key);
            desk.until("the run before", |output| output.title.contains("(-2)"));
            desk.press("]");
        }
        Action::NewerRun => {
            desk.press("[");
            desk.until("the run before", |output| output.title.contains("(-2)"));
            desk.press(key);
        }
        Action::Runs => {
            desk.press(key);
            desk.screen.wait_for("Runs and builds: app");
            desk.screen.wait_for("run 1");
            desk.press(key);
        }
        Action::Builds => {
            desk.press(key);
            desk.until("the build", |output| output.title.contains("build ") && output.has("compiled it"));
            desk.press(key);
        }
        Action::Wrap => {
            desk.until("a long line", |output| output.rows.iter().any(|row| row.ends_with('›')));
            desk.press(key);
            desk.until("all of it", |output| {
                !output.text().contains('›') && output.text().contains("99 100")
            });
            desk.press(key);
        }
        Action::Times => {
            let is_timed = |output: &Output| output.rows[0].split(':').count() == 3;
            desk.press(key);
            // where there is no room for times, there are none
            desk.until("times", |output| is_timed(output) == (desk.columns > 40));
            desk.press(key);
            desk.until("no times", |output| !is_timed(output));
        }
        Action::Copy => {
            desk.press(key);
            let shown = desk.output().text();
            let (last, _) = shown.rsplit_once("wide").unwrap();
            desk.screen.wait("a copy", |screen| screen.copied().filter(|copy| copy.starts_with(last)));
        }
        _ => {
            desk.press(key);
            desk.until("an empty panel", |output| {
                output.text().starts_with("cleared") && !output.has("last line")
            });
            desk.press("g");
            desk.until("the first line", |output| output.rows[0] == "early 1");
            shows_end(desk);
        }
    }
}

fn screen(desk: &Desk, action: Action, key: &str) {
    let screen = &desk.screen;
    match action {
        Action::Refresh => desk.press(key),
        Action::Why => {
            desk.press(key);
            screen.wait_for("Why: app");
            desk.press(key);
        }
        Action::Zoom => {
            desk.press(key);
            screen.wait("one panel alone", |screen| output(&screen.text()).is_none().then_some(()));
            desk.press(key);
        }
        Action::Mouse => {
            desk.press(key);
            screen.wait("no mouse", |screen| (screen.asked("#{mouse_any_flag}") == "0").then_some(()));
            desk.press(key);
            screen.wait("the mouse", |screen| (screen.asked("#{mouse_any_flag}") == "1").then_some(()));
        }
        Action::Redraw => {
            let mut terminal = OpenOptions::new().write(true).open(screen.asked("#{pane_tty}")).unwrap();
            terminal.write_all(b"\x1b[2;2HGARBAGE\x1b[8;2HGARBAGE").unwrap();
            screen.wait_for("GARBAGE");
            desk.press(key);
            screen.wait_without("GARBAGE");
        }
        Action::Help => {
            desk.press(key);
            screen.wait_for("Keys");
            desk.press(key);
            screen.wait_without("Keys");
        }
        Action::Back => {
            desk.press("?");
            screen.wait_for("Keys");
            desk.press(key);
            screen.wait_without("Keys");
        }
        // there is no shell that it could go back to
        Action::Suspend => desk.press(key),
        _ => {
            let other = Screen::tui(&desk.lab, desk.columns, 24, &[]);
            other.wait_for("app");
            other.press(&[key]);
            assert_eq!(other.ended(), 0);
        }
    }
}
