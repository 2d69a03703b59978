//! What a run directory says of its shim, at every moment of its life, wherever it lies.

use std::fs;
use std::io::ErrorKind;
use std::sync::atomic::{AtomicBool, Ordering};

use bpm_shim::client::Connection;
use bpm_shim::launch::{self, Presence, launch};
use bpm_shim::protocol::{Report, Request};

use crate::support::{PATIENCE, Run, plan, puppet};

#[test]
fn a_directory_tells_the_life_of_its_run() {
    let home = tempfile::tempdir().unwrap();
    let never = home.path().join("never");
    fs::create_dir(&never).unwrap();
    assert_eq!(launch::presence(&never).unwrap(), Presence::NeverStarted);

    let mut run = Run::start("sleep");
    assert_eq!(launch::presence(&run.dir).unwrap(), Presence::Alive);
    run.leader();
    assert_eq!(launch::presence(&run.dir).unwrap(), Presence::Alive);
    run.send(&Request::Kill);
    assert!(run.over());
    // End-of-file is enough: no waiting for the process itself.
    assert_eq!(launch::presence(&run.dir).unwrap(), Presence::Ended(Box::new(run.record())));
}

#[test]
fn a_shim_that_was_killed_is_lost() {
    let mut run = Run::start("sleep");
    run.leader();
    run.kill_shim();
    assert_eq!(launch::presence(&run.dir).unwrap(), Presence::Lost);
    let refused = launch::connect(&run.dir).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
}

#[test]
fn asking_is_never_in_the_way() {
    let home = tempfile::tempdir().unwrap();
    let dir = home.path().join("run");
    let done = AtomicBool::new(false);
    let _run = std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while !done.load(Ordering::Relaxed) {
                    let presence = launch::presence(&dir).unwrap();
                    assert!(matches!(presence, Presence::NeverStarted | Presence::Alive), "{presence:?}");
                }
            });
        }
        let mut run = Run::start_in(home, "run", "sleep", |_| {});
        run.leader();
        done.store(true, Ordering::Relaxed);
        run
    });
}

#[test]
fn a_directory_is_used_once() {
    let mut run = Run::start("exit 0");
    assert!(run.over());
    let again = launch(puppet(), &run.dir, &plan(run.home.path(), "exit 0"));
    assert_eq!(again.unwrap_err().kind(), ErrorKind::AlreadyExists);
}

#[test]
fn a_launch_that_failed_never_happened() {
    let home = tempfile::tempdir().unwrap();
    let failed = launch("/no/such/shim".as_ref(), home.path(), &plan(home.path(), "exit 0"));
    assert_eq!(failed.unwrap_err().kind(), ErrorKind::NotFound);
    assert_eq!(launch::presence(home.path()).unwrap(), Presence::NeverStarted);
}

#[test]
fn a_path_longer_than_a_sockets_address_will_do() {
    let long = format!("{0}/{0}/{0}", "d".repeat(100));
    let mut run = Run::start_in(tempfile::tempdir().unwrap(), &long, "sleep", |_| {});
    run.leader();
    let mut connection = Connection::open(&run.dir).unwrap();
    assert!(matches!(connection.next(PATIENCE), Ok(Some(Report::Welcome(_)))));
    connection.send(&Request::Kill).unwrap();
    assert!(run.over());
}

#[test]
fn a_shim_that_nobody_launched_says_so() {
    use std::os::unix::process::CommandExt;
    let output = std::process::Command::new(puppet()).arg0(bpm_shim::ARGV0).output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(
        (output.status.code(), said.starts_with("bpm-shim: not started by bpm")),
        (Some(2), true),
        "{said}"
    );
}
