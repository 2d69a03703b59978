//! A full disk costs output, which is counted and told, and nothing else.

use std::fs;
use std::path::Path;
use std::process::Command;

use bpm_shim::exit_record::Outcome;
use bpm_shim::protocol::{Report, Status};
use rustix::process::{Pid, Resource, Rlimit, prlimit};

use crate::support::{Run, gate, open_gate};

fn alarm(report: &Report) -> Option<i32> {
    if let Report::Alarm { errno } = report { Some(*errno) } else { None }
}

#[test]
fn a_file_that_may_not_grow_ends_no_program() {
    let home = tempfile::tempdir().unwrap();
    let gate = gate(home.path());
    let steps = format!("gate {} lines 20000 exit 7", gate.display());
    let mut run = Run::start_in(home, "run", &steps, |_| {});
    run.leader();
    let limit = Rlimit { current: Some(4096), maximum: Some(4096) };
    prlimit(Pid::from_raw(i32::try_from(run.shim()).unwrap()), Resource::Fsize, limit).unwrap();
    open_gate(&gate);
    assert_eq!(run.until(alarm), rustix::io::Errno::FBIG.raw_os_error());
    assert_eq!(run.status(), Status::Code(7));
    assert!(run.over());
    let record = run.record();
    assert_eq!(record.outcome, Outcome::Exited(Status::Code(7)));
    let kept = run.log_bytes().len() as u64;
    assert!(record.lost_bytes > 0 && record.lost_bytes + kept >= record.log_bytes, "{record:?} {kept}");
}

/// A small file system of its own.
struct SmallDisk(tempfile::TempDir);

impl SmallDisk {
    fn mount() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", "size=512k", "bpm-test"])
            .arg(dir.path())
            .status()
            .unwrap();
        assert!(mounted.success(), "no file system can be mounted here: is this root, with CAP_SYS_ADMIN?");
        Self(dir)
    }

    fn fill(&self) {
        let filler = self.0.path().join("filler");
        let _ = fs::write(filler, vec![1; 1 << 20]);
        assert!(fs::write(self.0.path().join("more"), [1; 8192]).is_err());
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").args(["--lazy", "--"]).arg(self.0.path()).status();
    }
}

fn run_on(disk: &Path, gate: &Path) -> Run {
    let steps = format!("gate {} lines 20000 exit 7", gate.display());
    let home = tempfile::tempdir_in(disk).unwrap();
    Run::start_in(home, "run", &steps, |_| {})
}

#[test]
#[ignore = "needs root to mount a small file system; the test above shows the same by a limit"]
fn needs_root_the_exit_record_is_written_on_a_full_disk() {
    let disk = SmallDisk::mount();
    let elsewhere = tempfile::tempdir().unwrap();
    let gate = gate(elsewhere.path());
    let mut run = run_on(disk.0.path(), &gate);
    // It has written what it writes itself.
    run.pids(["leader"]);
    disk.fill();
    open_gate(&gate);
    assert_eq!(run.until(alarm), rustix::io::Errno::NOSPC.raw_os_error());
    assert_eq!(run.status(), Status::Code(7));
    assert!(run.over());
    let record = run.record();
    assert_eq!(record.outcome, Outcome::Exited(Status::Code(7)));
    assert!(record.lost_bytes > 0 && record.lost_lines > 0, "{record:?}");
}
