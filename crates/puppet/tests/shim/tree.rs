//! The whole tree hears signals and is ended, whatever its processes do to get away.

use std::fs;
use std::os::unix::fs::chown;
use std::path::PathBuf;
use std::process::Command;

use bpm_shim::plan::Plan;
use bpm_shim::protocol::{Report, Request, Status, Tier};

use crate::support::{Run, is_alive, proc_status, wait_for};

const NOBODY: u32 = 65534;
const TERM: i32 = 15;
const STOP: i32 = 19;

fn survivors(run: &mut Run) -> Vec<u32> {
    run.send(&Request::Survivors);
    let (total, mut pids) = run.until(|report| match report {
        Report::Survivors { total, list } => {
            Some((*total, list.iter().map(|one| one.pid).collect::<Vec<_>>()))
        }
        _ => None,
    });
    assert_eq!(total as usize, pids.len());
    pids.sort_unstable();
    pids
}

fn tier(run: &mut Run) -> Tier {
    run.until(|report| if let Report::Started { tier, .. } = report { Some(*tier) } else { None })
}

/// A child, a child in another session, and a daemon that is deaf to TERM, under a leader that is too.
fn stop_ends_everything(change: impl FnOnce(&mut Plan)) -> Run {
    let mut run =
        Run::start_with("ignore-term fork-grandchild setsid-child daemon lines 1 --prefix up sleep", change);
    let [leader, grandchild, session, daemon] = run.pids(["leader", "grandchild", "session", "daemon"]);
    wait_for("the steps before", || run.log() == "up1\n");
    wait_for("the daemon to be deaf", || proc_status(daemon, "SigCgt").unwrap() != "0000000000000000");
    wait_for("the daemon's own session", || {
        proc_status(daemon, "NSsid").is_none_or(|sid| sid == daemon.to_string())
    });
    let mut all = [leader, grandchild, session, daemon];
    all.sort_unstable();
    wait_for("the daemon's parent to be gone", || survivors(&mut run) == all);
    run.send(&Request::Signal { signal: TERM });
    let mut deaf = [leader, daemon];
    deaf.sort_unstable();
    wait_for("the others to be gone", || survivors(&mut run) == deaf);
    run.send(&Request::Kill);
    assert!(run.over());
    assert_eq!(all.map(is_alive), [false; 4]);
    assert_eq!(
        run.record().outcome,
        bpm_shim::exit_record::Outcome::Exited(Status::Signal { signal: 9, core: false })
    );
    run
}

#[test]
fn a_tree_is_signalled_and_ended() {
    stop_ends_everything(|_| {});
}

#[test]
#[ignore = "needs root to become an ordinary user"]
fn needs_root_a_tree_is_signalled_and_ended_as_an_ordinary_user() {
    let tmp = tempfile::tempdir().unwrap();
    chown(tmp.path(), Some(NOBODY), Some(NOBODY)).unwrap();
    let exe = std::env::current_exe().unwrap();
    let id = NOBODY.to_string();
    let as_nobody = |program: &std::path::Path| {
        let mut command = Command::new("setpriv");
        command
            .args(["--reuid", &id, "--regid", &id, "--clear-groups"])
            .arg(program)
            .env("TMPDIR", tmp.path());
        command
    };
    let listed = as_nobody(&exe).arg("--list").output().unwrap();
    assert!(
        listed.status.success(),
        "an ordinary user cannot execute this test, such as in a private target directory: {}",
        String::from_utf8_lossy(&listed.stderr)
    );
    let output = as_nobody(&exe)
        .args(["--exact", "tree::a_tree_is_signalled_and_ended", "--nocapture"])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success() && said.contains("1 passed"),
        "{said}{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

/// A group of this test's own.
fn cgroup(name: &str) -> PathBuf {
    let mounts = fs::read_to_string("/proc/self/mounts").unwrap();
    let mount = mounts.lines().find_map(|line| {
        let fields: Vec<&str> = line.split(' ').collect();
        (fields[2] == "cgroup2").then(|| PathBuf::from(fields[1]))
    });
    let mount = mount.unwrap_or_else(|| panic!("no cgroup2 is mounted"));
    let own = fs::read_to_string("/proc/self/cgroup").unwrap();
    let own = own.lines().find_map(|line| line.strip_prefix("0::/")).unwrap_or_default().to_owned();
    let parents = [mount.join(own), mount];
    let made = parents.iter().find_map(|parent| {
        let dir = parent.join(format!("bpm-test-{}-{name}", std::process::id()));
        fs::create_dir(&dir).ok()?;
        fs::remove_dir(&dir).unwrap();
        Some(dir)
    });
    made.unwrap_or_else(|| panic!("no group can be made in {parents:?}"))
}

#[test]
#[ignore = "needs a cgroup that groups can be made in"]
fn needs_cgroup_a_tree_in_a_cgroup_is_signalled_and_ended_and_the_group_removed() {
    let dir = cgroup("stop");
    let run = stop_ends_everything(|plan| plan.cgroup = Some(dir.clone()));
    assert!(run.record().lost_bytes == 0 && !dir.exists());
}

#[test]
#[ignore = "needs a cgroup that groups can be made in"]
fn needs_cgroup_a_program_in_a_cgroup_is_in_it_from_its_first_instruction() {
    let dir = cgroup("first");
    let mut run = Run::start_with("", |plan| {
        plan.program = "cat".into();
        plan.args = vec!["/proc/self/cgroup".into()];
        plan.cgroup = Some(dir.clone());
    });
    assert_eq!(tier(&mut run), Tier::Cgroup);
    assert!(run.over());
    let name = dir.file_name().unwrap().to_str().unwrap();
    assert!(run.log().lines().any(|line| line.starts_with("0::") && line.ends_with(name)), "{}", run.log());
}

#[test]
#[ignore = "needs a cgroup that groups can be made in"]
fn needs_cgroup_a_cgroup_is_removed_after_a_build_unless_somebody_lives_on_in_it() {
    for (steps, stays) in [("lines 1 exit 0", false), ("setsid-child exit 0", true)] {
        let dir = cgroup("build");
        let mut run = Run::start_with(steps, |plan| {
            plan.cgroup = Some(dir.clone());
            plan.leave_behind = true;
        });
        assert_eq!((run.over(), dir.exists()), (!stays, stays));
        assert_eq!(bpm_shim::tree::kill_tagged(&run.tag, Some(&dir), std::time::Duration::from_secs(5)), []);
        assert!(!dir.exists());
    }
}

#[test]
fn without_the_cgroup_it_asked_for_a_run_goes_on_and_says_so() {
    let mut run = Run::start_with("exit 5", |plan| plan.cgroup = Some("/nowhere/group".into()));
    assert_eq!(tier(&mut run), Tier::Tree { cgroup_errno: Some(2) });
    assert_eq!(run.status(), Status::Code(5));
}

#[test]
fn what_forks_while_it_is_killed_is_ended_too() {
    let mut run = Run::start("ignore-term fork-storm lines 1 sleep");
    wait_for("the storm", || run.log().contains("line 1\n"));
    run.send(&Request::Kill);
    assert!(run.over());
    assert_eq!(bpm_shim::tree::kill_tagged(&run.tag, None, std::time::Duration::ZERO), []);
}

#[test]
#[ignore = "needs a cgroup that groups can be made in"]
fn needs_cgroup_a_storm_in_a_cgroup_is_ended_too() {
    let dir = cgroup("storm");
    let mut run = Run::start_with("fork-storm lines 1 sleep", |plan| plan.cgroup = Some(dir.clone()));
    wait_for("the storm", || run.log().contains("line 1\n"));
    run.send(&Request::Kill);
    assert!(run.over());
    assert!(!dir.exists());
}

#[test]
fn a_stopped_process_hears_term() {
    let mut run = Run::start("sleep");
    let leader = run.leader();
    run.send(&Request::Signal { signal: STOP });
    wait_for("the stop", || proc_status(leader, "State").unwrap().starts_with('T'));
    run.send(&Request::Signal { signal: TERM });
    assert_eq!(run.status(), Status::Signal { signal: TERM, core: false });
}

#[test]
fn signals_that_do_not_exist_do_nothing() {
    let mut run = Run::start("sleep");
    let leader = run.leader();
    for signal in [0, -1, 65, i32::MAX] {
        run.send(&Request::Signal { signal });
    }
    assert_eq!(survivors(&mut run), [leader]);
}
