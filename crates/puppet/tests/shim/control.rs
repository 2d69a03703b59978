//! The control socket against clients that misbehave.

use std::fs;
use std::io::{ErrorKind, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;

use bpm_shim::client::Connection;
use bpm_shim::launch;
use bpm_shim::protocol::{Message, Phase, Report, Request, VERSION};

use crate::support::{PATIENCE, Run};

fn connect(run: &Run) -> UnixStream {
    let socket = launch::connect(&run.dir).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    socket.set_write_timeout(Some(PATIENCE)).unwrap();
    socket
}

/// The shim closes a connection it does not like; with bytes unread the kernel says so by a reset.
fn assert_closed(socket: &mut UnixStream) {
    match socket.read_to_end(&mut Vec::new()) {
        Ok(_) => {}
        Err(error) => assert_eq!(error.kind(), ErrorKind::ConnectionReset),
    }
}

fn assert_well(run: &mut Run) {
    run.send(&Request::Status);
    let phase = run.until(|report| if let Report::State(state) = report { Some(state.phase) } else { None });
    assert_eq!(phase, Phase::Running);
}

#[test]
fn the_socket_is_the_owners_only() {
    let run = Run::start("sleep");
    let metadata = fs::metadata(run.dir.join("s")).unwrap();
    assert_eq!(metadata.permissions().mode() & 0o777, 0o600);
    for name in ["plan", "exit", "run.lock"] {
        assert_eq!(fs::metadata(run.dir.join(name)).unwrap().permissions().mode() & 0o777, 0o600, "{name}");
    }
}

#[test]
fn garbage_closes_that_connection_and_no_other() {
    let mut run = Run::start("sleep");
    run.leader();
    for garbage in [&[0xff; 64][..], &[0, 0, 0, 0], b"GET / HTTP/1.1\r\n\r\n", &[1, 0, 0, 0, 1]] {
        let mut socket = connect(&run);
        socket.write_all(garbage).unwrap();
        assert_closed(&mut socket);
    }
    assert_well(&mut run);
}

#[test]
fn a_frame_in_single_bytes_and_an_unknown_one_are_understood() {
    let run = Run::start("sleep");
    let mut socket = connect(&run);
    let unknown = [3, 0, 0, 0, 99, 1, 2];
    for byte in unknown.into_iter().chain(Request::Hello { version: VERSION + 9 }.frame()) {
        socket.write_all(&[byte]).unwrap();
    }
    let mut connection = Connection::new(socket);
    assert!(matches!(connection.next(PATIENCE), Ok(Some(Report::Welcome(_)))));
}

#[test]
fn a_client_that_never_reads_is_dropped_and_holds_nobody_up() {
    let mut run = Run::start("sleep");
    run.leader();
    let mut deaf = connect(&run);
    deaf.write_all(&Request::Hello { version: VERSION }.frame()).unwrap();
    let many = Request::Status.frame().repeat(1000);
    let dropped = (0..10_000).find_map(|_| deaf.write_all(&many).err());
    assert!(matches!(dropped.unwrap().kind(), ErrorKind::BrokenPipe | ErrorKind::ConnectionReset));
    assert_well(&mut run);
}

#[test]
fn connections_are_bounded_and_room_comes_back() {
    let mut run = Run::start("sleep");
    run.leader();
    let hello = Request::Hello { version: VERSION }.frame();
    let mut held = Vec::new();
    for _ in 0..7 {
        let mut connection = Connection::open(&run.dir).unwrap();
        assert!(matches!(connection.next(PATIENCE), Ok(Some(Report::Welcome(_)))));
        held.push(connection);
    }
    let mut one_too_many = connect(&run);
    let _ = one_too_many.write_all(&hello);
    assert_closed(&mut one_too_many);
    drop(held);
    assert_well(&mut run);
    let mut connection = Connection::open(&run.dir).unwrap();
    assert!(matches!(connection.next(PATIENCE), Ok(Some(Report::Welcome(_)))));
}

#[test]
fn everybody_who_said_hello_hears_of_the_end() {
    let mut run = Run::start("sleep");
    run.leader();
    let mut other = Connection::open(&run.dir).unwrap();
    let silent = connect(&run);
    assert!(matches!(other.next(PATIENCE), Ok(Some(Report::Welcome(_)))));
    assert!(matches!(other.next(PATIENCE), Ok(Some(Report::State(_)))));
    run.send(&Request::Kill);
    assert!(run.over());
    assert!(matches!(other.next(PATIENCE), Ok(Some(Report::Exited(_)))));
    assert!(matches!(other.next(PATIENCE), Ok(Some(Report::TreeEmpty { empty: true, .. }))));
    assert_eq!(other.next(PATIENCE).unwrap(), None);
    let mut silent = silent;
    let mut heard = Vec::new();
    assert!(silent.read_to_end(&mut heard).is_ok() && heard.is_empty());
    assert!(!run.dir.join("s").exists());
}
