//! What a terminal gets: colours unless `NO_COLOR` says otherwise, and never what a program wrote to control it.

use std::fs::File;
use std::io::Read;
use std::os::fd::OwnedFd;
use std::process::Stdio;

use bpm_logs::Stream;
use rustix::fs::{Mode, OFlags, open};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};

use crate::support::{Bench, Running, at, print, write, writer};

/// Runs with stdout and stderr on a terminal of 80 columns; gives what it showed.
fn on_terminal(bench: &Bench, args: &[&str], no_color: bool) -> (Option<i32>, String) {
    let (mut master, terminal) = terminal();
    let mut command = bench.bpm(args);
    if no_color {
        command.env("NO_COLOR", "1");
    }
    command.stdin(Stdio::null()).stdout(terminal.try_clone().unwrap()).stderr(terminal);
    let mut child = command.spawn().unwrap();
    drop(command);
    let mut shown = Vec::new();
    let mut buffer = [0; 4096];
    // A terminal that nobody holds any more reads as an error.
    while let Ok(count @ 1..) = master.read(&mut buffer) {
        shown.extend_from_slice(&buffer[..count]);
    }
    let code = child.wait().unwrap().code();
    (code, String::from_utf8(shown).unwrap().replace("\r\n", "\n"))
}

/// A terminal of 80 columns: what is shown on it, and the side that a program gets.
fn terminal() -> (File, OwnedFd) {
    let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).unwrap();
    grantpt(&master).unwrap();
    unlockpt(&master).unwrap();
    tcsetwinsize(&master, Winsize { ws_row: 24, ws_col: 80, ws_xpixel: 0, ws_ypixel: 0 }).unwrap();
    let name = ptsname(&master, Vec::new()).unwrap();
    let slave = open(&name, OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC, Mode::empty()).unwrap();
    (File::from(master), slave)
}

/// Reads until the text is there.
fn read_until(master: &mut File, shown: &mut String, wanted: &str) {
    let mut buffer = [0; 4096];
    while !shown.contains(wanted) {
        let count = master.read(&mut buffer).unwrap();
        shown.push_str(&String::from_utf8_lossy(&buffer[..count]).replace("\r\n", "\n"));
    }
}

fn bench() -> Bench {
    let bench = Bench::with(&["api", "web"]);
    let bytes = b"\x1b[2J\x1b[31mred\x1b[0m\n10%\r100%\n\x07bell \x9b31m\n";
    write(&bench.run_dir("api", 1), &[(Stream::Stdout, 0, bytes)]);
    bench.write_run("web", 1, &["up"]);
    bench
}

#[test]
fn a_program_cannot_control_the_terminal() {
    let (code, shown) = on_terminal(&bench(), &["logs", "api"], false);
    assert_eq!(code, Some(0));
    assert!(!shown.contains(['\x1b', '\x07', '\r', '\u{9b}']), "{shown:?}");
    assert!(shown.starts_with("red\n100%\n"), "{shown:?}");
}

#[test]
fn a_line_without_end_is_shown_and_goes_on_in_place() {
    let bench = Bench::with(&["api"]);
    let mut log = writer(&bench.run_dir("api", 1));
    print(&mut log, Stream::Stdout, b"\x1b[1mcontinue?\x1b[0m ", 0);
    log.flush_tails(at(1));
    log.settle();
    let (_, whole) = on_terminal(&bench, &["logs", "api"], true);
    assert_eq!(whole, "continue? \n");

    let (mut master, slave) = terminal();
    let mut command = bench.bpm(&["logs", "api", "-f"]);
    command.stdin(Stdio::null()).stdout(slave.try_clone().unwrap()).stderr(slave);
    let _follower = Running(command.spawn().unwrap());
    let mut shown = String::new();
    read_until(&mut master, &mut shown, "continue?");
    print(&mut log, Stream::Stdout, b"yes\nnext\n", 2);
    read_until(&mut master, &mut shown, "next\n");
    assert_eq!(shown, "continue? yes\nnext\n");
}

#[test]
fn raw_is_raw() {
    let bench = bench();
    let (_, shown) = on_terminal(&bench, &["search", "red", "api"], true);
    assert!(!shown.contains('\x1b'), "{shown:?}");
    let raw = bench.run(&["logs", "api", "--raw"]).code(0);
    assert!(raw.bytes.starts_with(b"\x1b[2J"));
}

#[test]
fn colour_is_for_terminals_that_want_it() {
    let bench = bench();
    let (_, colored) = on_terminal(&bench, &["logs"], false);
    assert!(colored.contains("\x1b[36m[api]\x1b[0m red\n"), "{colored:?}");
    let (_, plain) = on_terminal(&bench, &["logs"], true);
    assert!(plain.contains("[api] red\n") && !plain.contains('\x1b'), "{plain:?}");
    assert!(!bench.run(&["logs", "web"]).out.contains('\x1b'));
    let (code, error) = on_terminal(&bench, &["status"], false);
    assert_eq!(code, Some(3));
    assert!(error.starts_with("\x1b[1;31merror\x1b[0m: no manager runs"), "{error:?}");
}
