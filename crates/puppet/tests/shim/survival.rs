//! Deaths: of the manager, of the shim.

use std::fs;
use std::io::Read;

use bpm_shim::client::Connection;
use bpm_shim::launch::{self, Presence};
use bpm_shim::protocol::{Phase, Report, Request, Status};
use bpm_shim::tree::kill_tagged;
use rustix::process::Signal;

use crate::support::{PATIENCE, Run, gate, is_alive, kill, open_gate, wait_for};

#[test]
fn a_run_outlives_every_connection_and_is_found_again() {
    let home = tempfile::tempdir().unwrap();
    let gate = gate(home.path());
    let steps = format!("lines 3 gate {} lines 1000 exit 21", gate.display());
    let mut run = Run::start_in(home, "run", &steps, |_| {});
    let leader = run.leader();
    drop(run.launched.as_mut().unwrap().control.shutdown(std::net::Shutdown::Both));
    assert_eq!(run.next(), None);

    let mut again = Connection::open(&run.dir).unwrap();
    let Ok(Some(Report::Welcome(welcome))) = again.next(PATIENCE) else { panic!("no welcome") };
    assert_eq!((welcome.shim_pid, &welcome.run_tag), (run.shim(), &run.tag));
    let Ok(Some(Report::State(state))) = again.next(PATIENCE) else { panic!("no state") };
    assert_eq!((state.phase, state.leader.unwrap().pid, state.exit), (Phase::Running, leader, None));
    let stat = fs::read_to_string(format!("/proc/{leader}/stat")).unwrap();
    let ticks = stat.rsplit_once(')').unwrap().1.split_whitespace().nth(19).unwrap().to_owned();
    assert_eq!(state.leader.unwrap().start_ticks.to_string(), ticks);
    drop(again);

    open_gate(&gate);
    wait_for("the end", || launch::presence(&run.dir).unwrap() != Presence::Alive);
    let expected: Vec<String> = (1..=3).chain(1..=1000).map(|number| format!("line {number}\n")).collect();
    assert_eq!(run.log(), expected.concat());
    assert_eq!(run.record().outcome, bpm_shim::exit_record::Outcome::Exited(Status::Code(21)));
}

#[test]
fn signals_that_end_a_session_or_a_service_do_not_end_the_shim() {
    let mut run = Run::start("sleep");
    run.leader();
    let shim = run.shim();
    for signal in
        [Signal::TERM, Signal::INT, Signal::HUP, Signal::QUIT, Signal::PIPE, Signal::USR1, Signal::TSTP]
    {
        kill(shim, signal);
    }
    run.send(&Request::Status);
    let phase = run.until(|report| if let Report::State(state) = report { Some(state.phase) } else { None });
    assert_eq!(phase, Phase::Running);
}

#[test]
fn a_killed_shim_takes_its_leader_along_and_its_strays_are_found_by_tag() {
    let mut run = Run::start("fork-grandchild setsid-child daemon sleep");
    let [leader, grandchild, session, daemon] = run.pids(["leader", "grandchild", "session", "daemon"]);
    run.kill_shim();
    wait_for("the leader's death", || !is_alive(leader));
    assert_eq!([grandchild, session, daemon].map(is_alive), [true; 3]);
    // The strays hold everything that they inherited, and the lock is not among it.
    assert_eq!(launch::presence(&run.dir).unwrap(), Presence::Lost);
    assert_eq!(kill_tagged(&run.tag, None, PATIENCE), []);
    assert_eq!([grandchild, session, daemon].map(is_alive), [false; 3]);
}

#[test]
fn only_the_tagged_are_killed_by_tag() {
    let mut run = Run::start("sleep");
    let leader = run.leader();
    assert_eq!(kill_tagged("", None, PATIENCE), []);
    assert_eq!(kill_tagged(&run.tag[..run.tag.len() - 1], None, PATIENCE), []);
    assert_eq!(kill_tagged(&format!("{}0", run.tag), None, PATIENCE), []);
    assert!(is_alive(leader));
}

#[test]
fn what_a_killed_shim_left_in_the_pipe_can_be_read_from_the_duplicate() {
    let home = tempfile::tempdir().unwrap();
    let gate = gate(home.path());
    let steps = format!("gate {} lines 3 lines 1 --stderr --prefix error sleep", gate.display());
    let mut run = Run::start_in(home, "run", &steps, |_| {});
    let leader = run.leader();
    assert_eq!((run.welcome.stdout, run.welcome.stderr), (true, true));
    let [stdout, stderr] = run.connection.take_fds().try_into().unwrap();
    kill(run.shim(), Signal::STOP);
    open_gate(&gate);
    wait_for("the lines in the pipe", || rustix::io::ioctl_fionread(&stderr).unwrap() == 7);
    run.kill_shim();
    wait_for("the leader's death", || !is_alive(leader));
    let rest = |fd| {
        let mut text = String::new();
        fs::File::from(fd).read_to_string(&mut text).unwrap();
        text
    };
    assert_eq!((rest(stdout).as_str(), rest(stderr).as_str()), ("line 1\nline 2\nline 3\n", "error1\n"));
    assert_eq!(run.log(), "");
}
