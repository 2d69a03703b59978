//! Starts a puppet under a shim, waits for what it says, reads what it wrote, and ends all of it afterwards.

use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use bpm_shim::client::Connection;
use bpm_shim::exit_record::{self, ExitRecord, Recorded};
use bpm_shim::launch::{Launched, launch};
use bpm_shim::plan::Plan;
use bpm_shim::protocol::{Exit, InputOutcome, InputStatus, Report, Request, Status, Welcome};
use bpm_shim::tree::kill_tagged;
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

pub(crate) fn puppet() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_bpm-puppet"))
}

/// A run in a directory of its own.
pub(crate) struct Run {
    pub(crate) home: TempDir,
    pub(crate) dir: PathBuf,
    pub(crate) tag: String,
    pub(crate) launched: Option<Launched>,
    pub(crate) connection: Connection,
    pub(crate) welcome: Welcome,
}

/// A plan for the puppet: `steps` are split at blanks. Its processes write their pids to `pids` beside the run directory.
pub(crate) fn plan(home: &Path, steps: &str) -> Plan {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let number = COUNT.fetch_add(1, Ordering::Relaxed);
    let mut args: Vec<OsString> = vec!["--pids".into(), home.join("pids").into()];
    args.extend(steps.split(' ').map(OsString::from));
    Plan { args, ..Plan::new(format!("test/{}/{number}", std::process::id()), puppet(), home) }
}

impl Run {
    pub(crate) fn start(steps: &str) -> Self {
        Self::start_with(steps, |_| {})
    }

    pub(crate) fn start_with(steps: &str, change: impl FnOnce(&mut Plan)) -> Self {
        Self::start_in(tempfile::tempdir().unwrap(), "run", steps, change)
    }

    /// `change` has the last word on the plan.
    pub(crate) fn start_in(home: TempDir, dir: &str, steps: &str, change: impl FnOnce(&mut Plan)) -> Self {
        let dir = home.path().join(dir);
        fs::create_dir_all(&dir).unwrap();
        let mut plan = plan(home.path(), steps);
        change(&mut plan);
        let mut launched = launch(puppet(), &dir, &plan).unwrap();
        let mut connection = Connection::new(launched.control.try_clone().unwrap());
        let Ok(Some(Report::Welcome(welcome))) = connection.next(PATIENCE) else {
            let _ = launched.child.kill();
            panic!("no welcome");
        };
        Self { home, dir, tag: plan.run_tag, launched: Some(launched), connection, welcome }
    }

    pub(crate) fn next(&mut self) -> Option<Report> {
        self.connection.next(PATIENCE).unwrap()
    }

    /// The first report that `pick` takes something from.
    pub(crate) fn until<T>(&mut self, pick: impl Fn(&Report) -> Option<T>) -> T {
        let deadline = Instant::now() + PATIENCE;
        let mut seen = Vec::new();
        while let Some(report) = self.next() {
            if let Some(picked) = pick(&report) {
                return picked;
            }
            seen.push(report);
            assert!(Instant::now() < deadline, "not reported, but: {seen:?}");
        }
        panic!("the shim has gone without reporting it, but: {seen:?}");
    }

    pub(crate) fn leader(&mut self) -> u32 {
        self.until(|report| match report {
            Report::Started { leader, .. } => Some(leader.pid),
            _ => None,
        })
    }

    pub(crate) fn exited(&mut self) -> Exit {
        self.until(|report| if let Report::Exited(exit) = report { Some(*exit) } else { None })
    }

    pub(crate) fn status(&mut self) -> Status {
        self.exited().status
    }

    /// Waits until the tree is empty (true) or let go (false) and the shim has gone.
    pub(crate) fn over(&mut self) -> bool {
        let empty = self
            .until(|report| if let Report::TreeEmpty { empty, .. } = report { Some(*empty) } else { None });
        assert_eq!(self.next(), None);
        empty
    }

    pub(crate) fn send(&mut self, request: &Request) {
        self.connection.send(request).unwrap();
    }

    pub(crate) fn record(&self) -> ExitRecord {
        match exit_record::read(&self.dir).unwrap() {
            Recorded::Ended(record) => *record,
            other => panic!("no exit record: {other:?}"),
        }
    }

    /// What is in the log now.
    pub(crate) fn log(&self) -> String {
        String::from_utf8(self.log_bytes()).unwrap()
    }

    pub(crate) fn log_bytes(&self) -> Vec<u8> {
        log_of(&self.dir)
    }

    /// Sends input and waits for what became of it.
    pub(crate) fn input(&mut self, bytes: &[u8], end: bool) -> InputOutcome {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let sent = COUNT.fetch_add(1, Ordering::Relaxed);
        self.send(&Request::Input { id: sent, bytes: bytes.to_vec(), end });
        self.until(|report| match report {
            Report::Input { id, outcome } if *id == sent => Some(*outcome),
            _ => None,
        })
    }

    pub(crate) fn input_status(&mut self) -> InputStatus {
        self.send(&Request::Status);
        self.until(|report| if let Report::State(state) = report { Some(state.input) } else { None })
    }

    /// The pids of the processes with these names, once all of them have said theirs.
    pub(crate) fn pids<const N: usize>(&self, names: [&str; N]) -> [u32; N] {
        let path = self.home.path().join("pids");
        let find = |name: &str| {
            let text = fs::read_to_string(&path).unwrap_or_default();
            text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')?.parse().ok())
        };
        wait_for(&format!("the pids of {names:?}"), || names.iter().all(|name| find(name).is_some()));
        names.map(|name| find(name).unwrap())
    }

    pub(crate) fn shim(&self) -> u32 {
        self.welcome.shim_pid
    }

    /// SIGKILL to the shim; returns when it is gone.
    pub(crate) fn kill_shim(&mut self) {
        let mut launched = self.launched.take().unwrap();
        launched.child.kill().unwrap();
        launched.child.wait().unwrap();
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        if let Some(mut launched) = self.launched.take() {
            let _ = launched.child.kill();
            let _ = launched.child.wait();
        }
        let left = kill_tagged(&self.tag, None, PATIENCE);
        if !std::thread::panicking() {
            assert_eq!(left, []);
        }
    }
}

/// What is in the log of a run directory.
pub(crate) fn log_of(dir: &Path) -> Vec<u8> {
    let entries = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    let mut segments: Vec<PathBuf> =
        entries.filter(|path| path.file_name().unwrap().to_str().unwrap().starts_with("out.")).collect();
    segments.sort();
    segments.into_iter().flat_map(|path| fs::read(path).unwrap()).collect()
}

/// Nothing wakes the shim. Another run from start to end is the clock: a shim that wakes up by itself would have been seen
/// in that time. One more before it is for what has just happened to settle.
pub(crate) fn assert_quiet(run: &Run) {
    let awake = || {
        let of = |field| proc_status(run.shim(), field).unwrap().parse::<u64>().unwrap();
        of("voluntary_ctxt_switches") + of("nonvoluntary_ctxt_switches")
    };
    let clock = || assert!(Run::start("sleep --ms 600 exit 0").over());
    clock();
    let before = awake();
    clock();
    assert_eq!(awake() - before, 0, "the shim was woken");
}

/// Waits for a condition that nothing announces.
pub(crate) fn wait_for(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !condition() {
        assert!(Instant::now() < deadline, "waited in vain for {what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// A field of `/proc/PID/status`; `None` when there is no such process.
pub(crate) fn proc_status(pid: u32, field: &str) -> Option<String> {
    let text = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    text.lines().find_map(|line| Some(line.strip_prefix(field)?.strip_prefix(':')?.trim().to_owned()))
}

pub(crate) fn is_alive(pid: u32) -> bool {
    proc_status(pid, "State").is_some_and(|state| !state.starts_with(['Z', 'X']))
}

pub(crate) fn kill(pid: u32, signal: Signal) {
    kill_process(Pid::from_raw(i32::try_from(pid).unwrap()).unwrap(), signal).unwrap();
}

/// A fifo that a puppet's `gate` waits at.
pub(crate) fn gate(home: &Path) -> PathBuf {
    let path = home.join("gate");
    rustix::fs::mknodat(rustix::fs::CWD, &path, rustix::fs::FileType::Fifo, 0o600.into(), 0).unwrap();
    path
}

/// Lets whoever waits at the gate pass; waits until somebody does.
pub(crate) fn open_gate(gate: &Path) {
    let flags = rustix::fs::OFlags::NONBLOCK.bits().cast_signed();
    // Without a reader a fifo cannot be opened for writing this way.
    wait_for("somebody at the gate", || {
        fs::OpenOptions::new().write(true).custom_flags(flags).open(gate).is_ok()
    });
}
