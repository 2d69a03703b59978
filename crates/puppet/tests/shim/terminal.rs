//! Programs at a terminal: that it is one, what is typed at it, and that nothing printed at it is lost.

use std::fs;
use std::io::Read;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use bpm_shim::client::Connection;
use bpm_shim::exit_record::Outcome;
use bpm_shim::launch::{self, Presence};
use bpm_shim::plan::{Plan, Stdin};
use bpm_shim::protocol::InputOutcome::{Full, Taken};
use bpm_shim::protocol::{InputKind, InputStatus, Report, Request, Status, Step};
use rustix::process::Signal;

use crate::support::{
    PATIENCE, Run, assert_quiet, gate, is_alive, kill, log_of, open_gate, puppet, wait_for,
};

const INTERRUPT: &[u8] = b"\x03";
const END_OF_FILE: &[u8] = b"\x04";

fn terminal(plan: &mut Plan) {
    plan.stdin = Stdin::Terminal { rows: 24, columns: 80 };
}

fn shell(script: &str) -> impl FnOnce(&mut Plan) {
    let script = script.to_owned();
    move |plan| {
        terminal(plan);
        plan.program = "sh".into();
        plan.args = vec!["-c".into(), script.into()];
    }
}

#[test]
fn all_three_are_one_terminal_and_it_is_the_controlling_one() {
    let mut run =
        Run::start_with("terminal controlling size lines 1 --stderr --prefix error exit 0", terminal);
    assert_eq!((run.welcome.stdout, run.welcome.stderr), (true, false));
    assert!(run.over());
    let expected = "terminal [true, true, true]\r\nby way of /dev/tty\r\nsize 24 80\r\nerror1\r\n";
    assert_eq!(run.log(), expected);
    // The reader of the index sees one stream.
    let log = bpm_logs::RunLog::open(&run.dir).unwrap();
    let mut stdout = Vec::new();
    log.stream_bytes(bpm_logs::Stream::Stdout).read_to_end(&mut stdout).unwrap();
    assert_eq!(String::from_utf8(stdout).unwrap(), expected);
}

#[test]
fn its_type_is_set_where_the_plan_has_none() {
    for (given, expected) in [(None, "xterm-256color\r\n"), (Some("dumb"), "dumb\r\n"), (Some(""), "\r\n")] {
        let mut run = Run::start_with("env TERM exit 0", |plan| {
            terminal(plan);
            plan.env = given.map(|value| ("TERM".into(), value.into())).into_iter().collect();
        });
        assert!(run.over());
        assert_eq!(run.log(), expected);
    }
    let mut without = Run::start("env TERM exit 0");
    assert!(without.over());
    assert_eq!(without.log(), "\n");
}

#[test]
fn the_program_has_nothing_but_the_terminal() {
    let mut run = Run::start_with("", shell("exec sleep 60"));
    let leader = run.leader();
    wait_for("three times the terminal and nothing else", || {
        let fds = fs::read_dir(format!("/proc/{leader}/fd")).unwrap().flatten();
        let targets: Vec<_> = fds.filter_map(|fd| fs::read_link(fd.path()).ok()).collect();
        targets.len() == 3 && targets.iter().all(|target| target.starts_with("/dev/pts/"))
    });
}

#[test]
fn what_is_typed_is_echoed_and_read() {
    let mut run = Run::start_with("echo exit 0", terminal);
    assert_eq!(run.input("grüß dich\n".as_bytes(), false), Taken);
    wait_for("the answer", || run.log() == "grüß dich\r\necho grüß dich\r\n");
    let status = InputStatus { kind: InputKind::Terminal, open: true, waiting_bytes: 0 };
    assert_eq!(run.input_status(), status);
    // One erase takes a whole character away.
    assert_eq!(run.input("xü\x7fy\n".as_bytes(), false), Taken);
    wait_for("the answer", || run.log().ends_with("echo xy\r\n"));
    assert_eq!(run.input(END_OF_FILE, false), Taken);
    assert_eq!(run.status(), Status::Code(0));
    assert!(run.log().ends_with("end of input\r\n"), "{}", run.log());
}

#[test]
fn the_end_of_input_is_typed_as_whatever_means_it() {
    let mut run = Run::start_with("", shell("stty eof ^X; echo ready; cat; echo first; cat; echo second"));
    wait_for("the setting", || run.log() == "ready\r\n");
    assert_eq!(run.input(b"", true), Taken);
    wait_for("one end", || run.log().ends_with("first\r\n"));
    // A terminal stays open.
    assert_eq!(run.input(b"more\n", true), Taken);
    assert_eq!(run.status(), Status::Code(0));
    assert!(run.log().ends_with("more\r\nmore\r\nsecond\r\n"), "{}", run.log());
}

#[test]
fn ctrl_c_interrupts_the_foreground_program() {
    let mut run = Run::start_with("sleep", terminal);
    run.leader();
    assert_eq!(run.input(INTERRUPT, false), Taken);
    assert_eq!(run.status(), Status::Signal { signal: Signal::INT.as_raw(), core: false });
    assert!(run.over());
}

/// With job control the interrupted one is the job, not the shell.
#[test]
fn ctrl_c_in_an_interactive_shell_leaves_the_shell() {
    let mut run = Run::start_with("", |plan| {
        terminal(plan);
        plan.program = "sh".into();
        plan.args = vec!["-i".into()];
        plan.env = vec![("PATH".into(), "/usr/bin:/bin".into()), ("PS1".into(), "ready> ".into())];
    });
    let leader = run.leader();
    wait_for("the prompt", || run.log().ends_with("ready> "));
    assert_eq!(run.input(b"echo job; sleep 60\n", false), Taken);
    wait_for("the job", || run.log().lines().any(|line| line == "job"));
    wait_for("the job in the foreground", || foreground_group(leader) != leader);
    assert_eq!(run.input(INTERRUPT, false), Taken);
    wait_for("the shell in the foreground", || foreground_group(leader) == leader);
    assert_eq!(run.input(b"exit 9\n", false), Taken);
    assert_eq!(run.status(), Status::Code(9));
}

fn foreground_group(leader: u32) -> u32 {
    let stat = fs::read_to_string(format!("/proc/{leader}/stat")).unwrap();
    stat.rsplit_once(')').unwrap().1.split_whitespace().nth(5).unwrap().parse().unwrap()
}

#[test]
fn the_program_is_told_of_a_new_size() {
    let mut run = Run::start_with("sizes", terminal);
    wait_for("the first size", || run.log() == "size 24 80\r\n");
    run.send(&Request::Resize { rows: 50, columns: 132 });
    wait_for("the second", || run.log() == "size 24 80\r\nsize 50 132\r\n");
    run.send(&Request::Resize { rows: 1, columns: 65535 });
    wait_for("the third", || run.log() == "size 24 80\r\nsize 50 132\r\nsize 1 65535\r\n");
}

#[test]
fn the_program_is_told_of_the_present_size_so_that_it_draws_itself_anew() {
    let mut run = Run::start_with("sizes", terminal);
    wait_for("the first size", || run.log() == "size 24 80\r\n");
    run.send(&Request::Resize { rows: 24, columns: 80 });
    wait_for("the same once more", || run.log() == "size 24 80\r\nsize 24 80\r\n");
}

/// What is typed in a shell that has a job in the foreground.
#[test]
fn the_foreground_job_is_told_of_the_present_size_and_nobody_else() {
    let mut run = Run::start_with("", |plan| {
        terminal(plan);
        plan.program = "sh".into();
        plan.args = vec!["-i".into()];
        plan.env = vec![("PATH".into(), "/usr/bin:/bin".into()), ("PS1".into(), "ready> ".into())];
    });
    let leader = run.leader();
    wait_for("the prompt", || run.log().ends_with("ready> "));
    let job = "trap 'echo told the shell' WINCH; sh -c 'trap \"echo told the job\" WINCH; while :; do sleep 0.01; done'\n";
    assert_eq!(run.input(job.as_bytes(), false), Taken);
    wait_for("the job in the foreground", || foreground_group(leader) != leader);
    wait_for("the job", || {
        run.send(&Request::Resize { rows: 24, columns: 80 });
        run.log().lines().any(|line| line == "told the job")
    });
    assert!(!run.log().lines().any(|line| line == "told the shell"), "{}", run.log());
}

/// Without anybody who looks, a line that has not ended is held back for 250 ms.
#[test]
fn what_is_typed_is_seen_at_once_by_who_looks_and_only_then() {
    let mut run = Run::start_with("sleep", terminal);
    let mut typed = String::new();
    let mut echo = |run: &mut Run| {
        typed.push('x');
        let began = Instant::now();
        assert_eq!(run.input(b"x", false), Taken);
        wait_for("the echo", || run.log() == typed);
        began.elapsed()
    };
    assert!(echo(&mut run) >= Duration::from_millis(200), "nobody looks");
    run.send(&Request::Live { on: true });
    let quickest = (0..20).map(|_| echo(&mut run)).min().unwrap();
    assert!(quickest < Duration::from_millis(100), "{quickest:?}");
    run.send(&Request::Live { on: false });
    assert!(echo(&mut run) >= Duration::from_millis(200), "nobody looks any more");
    let mut other = Connection::open(&run.dir).unwrap();
    other.send(&Request::Live { on: true }).unwrap();
    other.send(&Request::Survivors).unwrap();
    while !matches!(other.next(PATIENCE), Ok(Some(Report::Survivors { .. }))) {}
    assert!((0..20).map(|_| echo(&mut run)).min().unwrap() < Duration::from_millis(100));
    drop(other);
    wait_for("nobody looks when its connection has gone", || echo(&mut run) >= Duration::from_millis(200));
}

#[test]
fn a_size_without_a_terminal_is_nobodys() {
    let mut run = Run::start("sleep");
    run.leader();
    run.send(&Request::Resize { rows: 50, columns: 132 });
    assert_eq!(run.input_status(), InputStatus::default());
}

#[test]
fn a_secret_is_read_and_not_logged() {
    let mut run = Run::start_with("secret exit 0", terminal);
    wait_for("the prompt", || run.log() == "password: ");
    assert_eq!(run.input(b"hunter2\n", false), Taken);
    assert_eq!(run.status(), Status::Code(0));
    assert_eq!(run.log(), "password: 7 bytes\r\n");
}

#[test]
fn single_keys_reach_a_program_that_wants_them() {
    let mut run = Run::start_with("raw exit 0", terminal);
    wait_for("raw mode", || run.log() == "raw\n");
    let mut typed = String::from("raw\n");
    for key in [&b"\x1b[A"[..], INTERRUPT, END_OF_FILE, b"\r", b"q"] {
        assert_eq!(run.input(key, false), Taken);
        typed += &format!("typed {key:?}\n");
        wait_for("the key", || run.log() == typed);
    }
    assert_eq!(run.status(), Status::Code(0));
}

#[test]
fn lines_for_a_program_that_does_not_read_are_bounded_and_go_on_when_it_reads() {
    let home = tempfile::tempdir().unwrap();
    let gate = gate(home.path());
    let script = format!("stty -echo; echo ready; read x < {}; exec cat", gate.display());
    let mut run = Run::start_in(home, "run", "", shell(&script));
    wait_for("no echo", || run.log() == "ready\r\n");
    let line = |number: usize| format!("{number:099}\n");
    let mut lines = 0;
    let refused = loop {
        match run.input(line(lines).as_bytes(), false) {
            Taken => lines += 1,
            other => break other,
        }
    };
    assert!(matches!(refused, Full { room } if room < 100), "{refused:?}");
    assert!(lines > 640, "{lines}");
    assert_quiet(&run);
    open_gate(&gate);
    wait_for("room", || run.input_status().waiting_bytes == 0);
    assert_eq!(run.input(b"", true), Taken);
    assert_eq!(run.status(), Status::Code(0));
    let seen = run.log();
    let seen: Vec<&str> = seen.lines().skip(1).collect();
    assert_eq!(seen.len(), lines);
    assert!(seen.iter().enumerate().all(|(number, seen)| *seen == line(number).trim_end()));
}

#[test]
fn the_first_and_the_last_line_of_a_short_program_are_there_by_terminal() {
    for _ in 0..200 {
        let mut run = Run::start_with("lines 1 --prefix first lines 1 --prefix last exit 0", terminal);
        run.exited();
        assert_eq!(run.log(), "first1\r\nlast1\r\n");
        assert!(run.over());
    }
}

/// More than the terminal holds, so some of it is read after the program has ended.
#[test]
fn all_that_was_printed_at_a_terminal_is_on_disk_when_the_exit_is_reported() {
    let numbers: String = (1..=3000).map(|number| format!("{number}\r\n")).collect();
    for _ in 0..20 {
        let mut run = Run::start_with("", shell("seq 3000; printf end"));
        run.exited();
        assert!(run.log() == format!("{numbers}end"));
        assert!(run.over());
    }
}

#[test]
fn a_flood_at_a_terminal_is_kept_whole() {
    let mut run = Run::start_with("", shell("stty -opost; seq -f %07.0f 500000"));
    assert_eq!(run.status(), Status::Code(0));
    let log = run.log_bytes();
    assert_eq!(log.len(), 4_000_000);
    assert!(log.chunks(8).enumerate().all(|(n, line)| line == format!("{:07}\n", n + 1).as_bytes()));
    assert_eq!(run.record().outcome, Outcome::Exited(Status::Code(0)));
}

#[test]
fn a_daemon_that_keeps_the_terminal_holds_up_no_exit_and_can_still_print() {
    let home = tempfile::tempdir().unwrap();
    let gate = gate(home.path());
    let daemon = format!("setsid sh -c 'echo daemon; read x < {}; echo late' &", gate.display());
    let mut run = Run::start_in(home, "run", "", shell(&format!("{daemon} read x; echo early")));
    // In the session of the leader it would be hung up with it.
    wait_for("the daemon", || run.log() == "daemon\r\n");
    assert_eq!(run.input(b"go\n", false), Taken);
    assert_eq!(run.status(), Status::Code(0));
    assert_eq!(run.log(), "daemon\r\ngo\r\nearly\r\n");
    open_gate(&gate);
    assert!(run.over());
    assert_eq!(run.log(), "daemon\r\ngo\r\nearly\r\nlate\r\n");
}

/// The kernel reports a hang-up only when nobody has a terminal open; here that would be for good, and the program would be ended.
#[test]
fn a_program_may_close_the_terminal_and_open_it_again() {
    let home = tempfile::tempdir().unwrap();
    let gate = gate(home.path());
    let script = format!(
        "echo before; exec <&- >&- 2>&-; read x < {}; exec </dev/tty >/dev/tty; read x; echo got $x",
        gate.display()
    );
    let mut run = Run::start_in(home, "run", "", shell(&script));
    let leader = run.leader();
    wait_for("the first line", || run.log() == "before\r\n");
    let open = |pid: u32| {
        let fds = fs::read_dir(format!("/proc/{pid}/fd")).unwrap().flatten();
        fds.filter_map(|fd| fs::read_link(fd.path()).ok()).any(|target| target.starts_with("/dev/pts"))
    };
    wait_for("nobody at the terminal", || !open(leader));
    assert_quiet(&run);
    open_gate(&gate);
    assert_eq!(run.input(b"it\n", false), Taken);
    assert_eq!(run.status(), Status::Code(0));
    assert!(run.log().ends_with("got it\r\n"), "{}", run.log());
}

#[test]
fn a_terminal_and_a_file_for_stdout_do_not_go_together() {
    let mut run = Run::start_with("exit 0", |plan| {
        terminal(plan);
        plan.stdout_file = Some("messages.json".to_owned());
    });
    let failure = run
        .until(|report| if let Report::SpawnFailed(failure) = report { Some(failure.clone()) } else { None });
    assert_eq!((failure.step, failure.errno), (Step::Prepare, 0));
    assert_eq!(run.next(), None);
}

#[test]
fn what_a_killed_shim_left_in_the_terminal_can_be_read_from_the_duplicate() {
    let home = tempfile::tempdir().unwrap();
    let gate = gate(home.path());
    let mut run = Run::start_in(home, "run", &format!("gate {} lines 3 sleep", gate.display()), terminal);
    let leader = run.leader();
    let [master] = run.connection.take_fds().try_into().unwrap();
    kill(run.shim(), Signal::STOP);
    open_gate(&gate);
    wait_for("the lines in the terminal", || rustix::io::ioctl_fionread(&master).unwrap() == 24);
    run.kill_shim();
    wait_for("the leader's death", || !is_alive(leader));
    let mut rest = Vec::new();
    // With nobody left the end is an error here, where it would be no bytes of a pipe.
    let end = fs::File::from(master).read_to_end(&mut rest).unwrap_err();
    assert_eq!(end.raw_os_error(), Some(rustix::io::Errno::IO.raw_os_error()));
    assert_eq!(String::from_utf8(rest).unwrap(), "line 1\r\nline 2\r\nline 3\r\n");
    assert_eq!(run.log(), "");
}

#[test]
fn a_program_at_a_terminal_outlives_its_launcher_and_takes_input_from_the_next() {
    let home = tempfile::tempdir().unwrap();
    let dir = home.path().join("run");
    fs::create_dir(&dir).unwrap();
    let tag = format!("test/{}/launcher", std::process::id());
    let mut launcher = Command::new(puppet())
        .arg("launch")
        .args([dir.as_os_str(), tag.as_ref()])
        .args(["echo", "exit", "6"])
        .stdin(Stdio::null())
        .spawn()
        .unwrap();
    let mut first = None;
    wait_for("the shim", || {
        first = Connection::open(&dir).ok();
        first.is_some()
    });
    let mut first = first.unwrap();
    let say = |connection: &mut Connection, bytes: &[u8], end| {
        connection.send(&Request::Input { id: 1, bytes: bytes.to_vec(), end }).unwrap();
        loop {
            match connection.next(PATIENCE).unwrap() {
                Some(Report::Input { id: 1, outcome }) => return outcome,
                Some(_) => {}
                None => panic!("the shim has gone"),
            }
        }
    };
    assert_eq!(say(&mut first, b"one\n", false), Taken);
    // With it goes the duplicate of the terminal that it was given.
    drop(first);
    launcher.kill().unwrap();
    launcher.wait().unwrap();
    let mut next = Connection::open(&dir).unwrap();
    assert_eq!(say(&mut next, b"two\n", true), Taken);
    while next.next(PATIENCE).unwrap().is_some() {}
    let Presence::Ended(record) = launch::presence(&dir).unwrap() else { panic!("no record") };
    assert_eq!(record.outcome, Outcome::Exited(Status::Code(6)));
    let log = String::from_utf8(log_of(&dir)).unwrap();
    assert!(log.contains("echo one\r\n") && log.contains("echo two\r\nend of input\r\n"), "{log}");
}

#[test]
fn an_idle_terminal_wakes_nobody() {
    let mut idle = Run::start_with("lines 1 sleep", terminal);
    idle.leader();
    assert_eq!(idle.input(b"typed ahead\n", false), Taken);
    assert_quiet(&idle);
}
