//! A program's own terminal in the place of the screen: what is typed reaches it, it has the size of the window, and
//! whatever ends it, the screen or the shell comes back.

use rustix::process::Signal;

use crate::desk::Desk;
use crate::lab::{Lab, alive, process, puppet, send};
use crate::shown::output;
use crate::tmux::Screen;

/// A program that says its size whenever it changes, and one that repeats what is typed.
fn project() -> Lab {
    let at_terminal = |name: &str, step: &str| process(name, &[&puppet(), step], "pty = true");
    Lab::up(&(at_terminal("echo", "echo") + &at_terminal("sizes", "sizes")))
}

fn attached(screen: &Screen) {
    // before that there is nothing to attach to
    screen.wait_for("running for");
    screen.press(&["a"]);
    screen.wait_for("ctrl-] leaves");
}

#[test]
#[ignore = "needs tmux"]
fn needs_tmux_the_program_has_the_size_of_the_window() {
    let desk = Desk::new(project(), "echo", 90, 25);
    desk.until("echo", |output| output.is_of("echo"));
    desk.select("sizes");
    attached(&desk.screen);
    desk.screen.wait_for("size 25 90");
    desk.screen.resize(70, 20);
    desk.screen.wait_for("size 20 70");
    desk.press("C-]");
    desk.until("the panels at the new size", |output| output.is_of("sizes") && output.has("size 20 70"));
    assert_eq!(desk.screen.text().lines().count(), 20);
}

#[test]
#[ignore = "needs tmux"]
fn needs_tmux_what_is_typed_at_once_is_not_lost_on_the_way() {
    let desk = Desk::new(project(), "echo", 90, 25);
    desk.until("echo", |output| output.is_of("echo"));
    for turn in 0..5 {
        attached(&desk.screen);
        // `q` is for the program as long as it has the terminal, and `?` for the screen after it
        desk.screen.type_text(&format!("q{turn}\r\x1d"));
        desk.until("the panels", |output| output.has(&format!("echo q{turn}")));
        desk.press("?");
        desk.screen.wait_for("Keys");
        desk.press("?");
        desk.screen.wait_without("Keys");
    }
}

#[test]
#[ignore = "needs tmux"]
fn needs_tmux_a_manager_that_dies_gives_the_screen_back() {
    let mut desk = Desk::new(project(), "echo", 90, 25);
    desk.until("echo", |output| output.is_of("echo"));
    attached(&desk.screen);
    let before = desk.lab.process("echo").pid;
    desk.lab.kill_manager();
    desk.screen.wait_for("no manager for");
    desk.lab.start();
    desk.screen.wait_without("no manager for");
    attached(&desk.screen);
    desk.type_line("still here");
    desk.screen.wait_for("echo still here");
    assert_eq!(desk.lab.process("echo").pid, before);
}

#[test]
#[ignore = "needs tmux"]
fn needs_tmux_a_program_that_ends_gives_the_screen_back() {
    let desk = Desk::new(project(), "echo", 90, 25);
    desk.until("echo", |output| output.is_of("echo"));
    attached(&desk.screen);
    // the end of its input is its end
    desk.press("C-d");
    desk.until("the panels", |output| output.is_of("echo"));
    desk.lab.running_other_than("echo", 1);
}

#[test]
#[ignore = "needs tmux"]
fn needs_tmux_the_end_of_the_interface_gives_the_shell_back() {
    let lab = project();
    for signal in [Signal::TERM, Signal::HUP] {
        let screen = Screen::shell(&lab, 90, 25);
        let bpm = lab.command();
        let program = bpm.get_program().to_str().unwrap().to_owned();
        screen.press(&[
            &format!("stty -a > before; {program} tui & echo $! > pid; fg; stty -a > after"),
            "Enter",
        ]);
        screen
            .wait("what is selected", |screen| output(&screen.text()).filter(|output| output.is_of("echo")));
        let pid = lab.pids("pid", 1)[0];
        attached(&screen);
        send(pid, signal);
        lab.wait_for("the program ends", |_| (!alive(pid)).then_some(()));
        let read = |name: &str| std::fs::read_to_string(lab.file(name)).ok().filter(|text| !text.is_empty());
        let after = lab.wait_for("the shell is back", |_| read("after"));
        assert_eq!(read("before").unwrap(), after);
        assert_eq!(screen.asked("#{alternate_on} #{cursor_flag} #{mouse_any_flag}"), "0 1 0");
        std::fs::remove_file(lab.file("after")).unwrap();
        std::fs::remove_file(lab.file("pid")).unwrap();
    }
}

#[test]
#[ignore = "needs tmux"]
fn needs_tmux_who_types_on_after_the_programs_end_presses_no_keys() {
    let desk = Desk::new(project(), "echo", 90, 25);
    desk.until("echo", |output| output.is_of("echo"));
    attached(&desk.screen);
    let pid = desk.lab.process("echo").pid.unwrap();
    send(pid, Signal::KILL);
    desk.screen.wait_for("Processes");
    // would ask whether to stop it
    desk.screen.type_text("x :");
    desk.press("C-c");
    assert_eq!(
        desk.screen.ended(),
        0,
        "ctrl-c is heard at any time, and there is no line that it would close"
    );
}

#[test]
#[ignore = "needs tmux"]
fn needs_tmux_what_is_pasted_slowly_runs_nothing() {
    let desk = Desk::new(project(), "echo", 90, 25);
    desk.until("echo", |output| output.is_of("echo"));
    desk.screen.type_text("\x1b[200~first");
    desk.screen.type_text("\r:exit 7\r\x1b[201~");
    desk.screen.wait_for("text can be pasted");
    assert!(desk.lab.status().tasks.is_empty());
}
