//! What a program finds when it starts, and what is said when it cannot.

use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use bpm_shim::exit_record::Outcome;
use bpm_shim::plan::Plan;
use bpm_shim::protocol::Report::{Exited, Started, State, TreeEmpty};
use bpm_shim::protocol::{Phase, Report, SpawnFailure, Step};
use rustix::io::Errno;

use crate::support::{Run, proc_status, wait_for};

fn program(name: impl Into<OsString>) -> impl FnOnce(&mut Plan) {
    let name = name.into();
    move |plan| {
        plan.program = name;
        plan.args = Vec::new();
    }
}

/// Starts what must fail; the report and the record agree.
fn failure(change: impl FnOnce(&mut Plan)) -> SpawnFailure {
    let mut run = Run::start_with("", change);
    let failure = run.until(|report| match report {
        Report::SpawnFailed(failure) => Some(failure.clone()),
        Started { .. } => panic!("started"),
        _ => None,
    });
    while run.next().is_some() {}
    assert_eq!(run.record().outcome, Outcome::SpawnFailed(failure.clone()));
    failure
}

fn file(mode: u32, content: &[u8]) -> (tempfile::TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("program");
    fs::write(&path, content).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
    (dir, path)
}

/// However fast the program is and however late the shim looks.
#[test]
fn the_launcher_hears_everything_in_order() {
    for _ in 0..30 {
        let mut run = Run::start_with("", program("true"));
        let heard: Vec<Report> = std::iter::from_fn(|| run.next()).collect();
        let [State(state), Started { leader, .. }, Exited(_), TreeEmpty { empty: true, .. }] = heard[..]
        else {
            panic!("{heard:?}");
        };
        assert_eq!((state.phase, state.leader), (Phase::Starting, None));
        assert!(leader.start_ticks > 0);
    }
}

#[test]
fn a_name_that_is_not_in_path() {
    let found = failure(|plan| {
        program("no-such-program")(plan);
        plan.env = vec![("PATH".into(), "/nowhere:/bin".into())];
    });
    let message = "program `no-such-program` is not in PATH".to_owned();
    assert_eq!(found, SpawnFailure { step: Step::Exec, errno: Errno::NOENT.raw_os_error(), message });
}

#[test]
fn a_path_that_is_not_there() {
    let found = failure(program("./gone"));
    assert_eq!((found.step, found.message.as_str()), (Step::Exec, "program `./gone` does not exist"));
}

#[test]
fn a_working_directory_that_is_not_there_or_is_none() {
    let found = failure(|plan| plan.cwd = "/nowhere/at/all".into());
    let expected =
        (Step::Cwd, Errno::NOENT.raw_os_error(), "working directory `/nowhere/at/all` does not exist");
    assert_eq!((found.step, found.errno, found.message.as_str()), expected);
    let found = failure(|plan| plan.cwd = "/dev/null".into());
    let expected =
        (Step::Cwd, Errno::NOTDIR.raw_os_error(), "working directory `/dev/null` is not a directory");
    assert_eq!((found.step, found.errno, found.message.as_str()), expected);
}

#[test]
fn a_file_that_may_not_be_executed() {
    let (_dir, path) = file(0o644, b"#!/bin/sh\n");
    let found = failure(program(path));
    assert_eq!((found.step, found.errno), (Step::Exec, Errno::ACCESS.raw_os_error()));
    assert!(found.message.ends_with("may not be executed: permission denied"), "{}", found.message);
    assert!(failure(program("/etc/")).message.ends_with("is a directory"));
}

#[test]
fn a_file_that_is_no_program() {
    let (_dir, path) = file(0o755, b"echo nobody should run this\n");
    let found = failure(program(path));
    assert_eq!((found.step, found.errno), (Step::Exec, Errno::NOEXEC.raw_os_error()));
    assert!(found.message.contains("neither a binary of this machine nor a script"), "{}", found.message);
}

#[test]
fn a_script_whose_interpreter_is_not_there() {
    let (_dir, path) = file(0o755, b"#!/no/such/interpreter\n");
    assert!(failure(program(path)).message.contains("interpreter"));
}

#[test]
fn arguments_that_are_too_long() {
    let found = failure(|plan| plan.args = vec!["x".repeat(1 << 20).into(); 4]);
    assert_eq!((found.step, found.errno), (Step::Exec, Errno::TOOBIG.raw_os_error()));
}

#[test]
fn a_nul_byte() {
    let found = failure(|plan| plan.args = vec!["a\0b".into()]);
    assert_eq!(found.errno, Errno::INVAL.raw_os_error());
}

#[test]
fn a_run_directory_that_is_not_fresh_is_refused_by_the_shim_too() {
    let home = tempfile::tempdir().unwrap();
    fs::create_dir(home.path().join("run")).unwrap();
    fs::write(home.path().join("run/exit"), "of somebody else").unwrap();
    let mut run = Run::start_in(home, "run", "exit 0", |_| {});
    let failure = run
        .until(|report| if let Report::SpawnFailed(failure) = report { Some(failure.clone()) } else { None });
    assert_eq!((failure.step, failure.errno), (Step::Prepare, Errno::EXIST.raw_os_error()));
    assert_eq!(run.next(), None);
}

#[test]
fn the_environment_is_the_plans_and_the_tag() {
    let mut run = Run::start_with("", |plan| {
        plan.program = "env".into();
        plan.args = Vec::new();
        plan.env =
            vec![("B".into(), "2".into()), ("BPM_RUN".into(), "forged".into()), ("A".into(), "1 1".into())];
    });
    assert!(run.over());
    assert_eq!(run.log(), format!("B=2\nA=1 1\nBPM_RUN={}\n", run.tag));
}

#[test]
fn names_are_looked_up_in_the_plans_path_relative_to_its_directory() {
    let home = tempfile::tempdir().unwrap();
    let bin = home.path().join("bin");
    fs::create_dir(&bin).unwrap();
    fs::write(bin.join("tool"), "#!/bin/sh\necho mine\n").unwrap();
    fs::set_permissions(bin.join("tool"), fs::Permissions::from_mode(0o755)).unwrap();
    let mut run = Run::start_in(home, "run", "", |plan| {
        program("tool")(plan);
        plan.env = vec![("PATH".into(), "/nowhere:bin".into())];
    });
    assert!(run.over());
    assert_eq!(run.log(), "mine\n");
}

#[test]
fn directory_mask_and_argv0_are_the_plans() {
    let home = tempfile::tempdir().unwrap();
    let cwd = fs::canonicalize(home.path()).unwrap();
    let mut run = Run::start_in(home, "run", "", |plan| {
        program("/bin/sh")(plan);
        plan.args = vec!["-c".into(), "pwd; umask; echo $0; cat /proc/$$/cmdline | tr '\\0' ' '".into()];
        plan.argv0 = Some("-renamed".into());
        plan.umask = Some(0o027);
    });
    assert!(run.over());
    let log = run.log();
    let head = format!("{}\n0027\n-renamed\n-renamed -c ", cwd.display());
    assert!(log.starts_with(&head), "{log}");
}

/// `sleep` changes none of this itself.
#[test]
fn nothing_of_the_shim_is_inherited() {
    let mut run = Run::start_with("", |plan| {
        program("sleep")(plan);
        plan.args = vec!["60".into()];
    });
    let (leader, shim) = (run.leader(), run.shim());
    for field in ["SigIgn", "SigBlk", "SigCgt"] {
        assert_eq!(proc_status(leader, field).unwrap(), "0000000000000000", "{field}");
    }
    // the loader opens libraries and closes them again, so the list is looked at until it is short
    wait_for("nothing but null and two pipes to be open", || {
        let fds = open_files(leader);
        let targets: Vec<&str> = fds.iter().map(|target| target.to_str().unwrap_or("")).collect();
        matches!(&targets[..], ["/dev/null", out, err] if out.starts_with("pipe:") && err.starts_with("pipe:"))
    });
    let session = |pid: u32| {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
        stat.rsplit_once(')').unwrap().1.split_whitespace().nth(3).unwrap().parse::<u32>().unwrap()
    };
    assert_eq!((session(leader), session(shim)), (leader, shim));
    assert_eq!(proc_status(shim, "Name").unwrap(), "bpm-shim");
    let kept = fs::read(format!("/proc/{shim}/environ")).unwrap();
    for variable in kept.split(|byte| *byte == 0).filter(|variable| !variable.is_empty()) {
        let says_where = variable.starts_with(b"XDG_STATE_HOME=") || variable.starts_with(b"BPM_STATE_DIR=");
        assert!(says_where, "{}", String::from_utf8_lossy(variable));
    }
}

/// What a process has open, by number. One that is closed in between is left out.
fn open_files(pid: u32) -> Vec<PathBuf> {
    let entries = fs::read_dir(format!("/proc/{pid}/fd")).unwrap().flatten();
    let mut fds: Vec<(u32, PathBuf)> = entries
        .filter_map(|entry| {
            Some((entry.file_name().to_str()?.parse().ok()?, fs::read_link(entry.path()).ok()?))
        })
        .collect();
    fds.sort();
    fds.into_iter().map(|(_, target)| target).collect()
}
