//! A project in a temporary directory, its manager, and ways to look at both. Waits on conditions, with
//! a deadline; never sleeps for a fixed time.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use bpm_api::{LogPage, ProcessStatus, Status};
use rustix::process::{Pid, Signal};
use serde::de::DeserializeOwned;

/// Far beyond what anything here takes; a test that reaches it has failed.
const PATIENCE: Duration = Duration::from_secs(40);

pub struct Lab {
    dir: tempfile::TempDir,
    program: PathBuf,
    manager: Option<Child>,
    /// The manager was killed, so programs may live without one.
    orphaned: bool,
}

impl Lab {
    /// A project with this configuration. Its manager is not started yet.
    pub fn new(config: &str) -> Lab {
        let dir = tempfile::tempdir().unwrap();
        for name in ["project", "state", "run"] {
            fs::create_dir(dir.path().join(name)).unwrap();
        }
        let program = PathBuf::from(env!("CARGO_BIN_EXE_bpm"));
        let lab = Lab { dir, program, manager: None, orphaned: false };
        lab.configure(config);
        lab
    }

    /// Another build of the program takes its place, one that is an example.
    pub fn program(mut self, name: &str) -> Lab {
        self.program = self.program.with_file_name("examples").join(name);
        assert!(self.program.exists(), "{} is missing; `scripts/test` builds it", self.program.display());
        self
    }

    /// The same, with its manager running.
    pub fn up(config: &str) -> Lab {
        let mut lab = Lab::new(config);
        lab.start();
        lab
    }

    pub fn configure(&self, config: &str) {
        fs::write(self.project().join(".mcp-run"), config).unwrap();
    }

    pub fn project(&self) -> PathBuf {
        self.dir.path().join("project")
    }

    pub fn file(&self, name: &str) -> PathBuf {
        self.project().join(name)
    }

    /// The project's state directory.
    pub fn state(&self) -> PathBuf {
        let all = self.dir.path().join("state/bpm/v1");
        fs::read_dir(all).unwrap().map(|entry| entry.unwrap().path()).next().unwrap()
    }

    pub fn write(&self, name: &str, text: &str) {
        fs::write(self.file(name), text).unwrap();
    }

    pub fn command(&self) -> Command {
        self.in_project(Command::new(&self.program))
    }

    /// Any command, in the project and with the directories of this lab: a `bpm` that it starts finds the
    /// manager.
    pub fn in_project(&self, mut command: Command) -> Command {
        command
            .current_dir(self.project())
            .env("XDG_STATE_HOME", self.dir.path().join("state"))
            .env("XDG_RUNTIME_DIR", self.dir.path().join("run"))
            .env_remove("BPM_STATE_DIR")
            .env_remove("BPM_LOG")
            .env_remove("CARGO_TARGET_DIR")
            .env_remove("CARGO_BUILD_TARGET_DIR")
            .env_remove("RUSTFLAGS")
            .env("CARGO_NET_OFFLINE", "true")
            .stdin(Stdio::null());
        command
    }

    /// Starts a manager in the foreground, as a child of the test, and waits until it answers.
    pub fn start(&mut self) {
        self.start_with(&[]);
    }

    pub fn start_with(&mut self, flags: &[&str]) {
        let out =
            fs::OpenOptions::new().create(true).append(true).open(self.dir.path().join("terminal")).unwrap();
        let errors = out.try_clone().unwrap();
        let mut command = self.command();
        command.arg("up").args(flags).stdout(out).stderr(errors);
        self.manager = Some(command.spawn().unwrap());
        self.orphaned = false;
        self.wait_for("the manager answers", Lab::try_status);
    }

    /// What the manager printed.
    pub fn terminal(&self) -> String {
        fs::read_to_string(self.dir.path().join("terminal")).unwrap_or_default()
    }

    pub fn bpm(&self, args: &[&str]) -> Output {
        self.command().args(args).output().unwrap()
    }

    /// Runs a command that must succeed and returns its answer.
    pub fn ask<T: DeserializeOwned>(&self, args: &[&str]) -> T {
        let output = self.command().arg("--json").args(args).output().unwrap();
        assert!(output.status.success(), "bpm {args:?}: {}\n{}", text(&output.stdout), text(&output.stderr));
        serde_json::from_slice(&output.stdout)
            .unwrap_or_else(|error| panic!("bpm {args:?}: {error}: {}", text(&output.stdout)))
    }

    /// Runs a command that must fail and returns its error.
    pub fn refused(&self, args: &[&str]) -> bpm_api::Error {
        let output = self.command().arg("--json").args(args).output().unwrap();
        assert!(!output.status.success(), "bpm {args:?} succeeded: {}", text(&output.stdout));
        serde_json::from_slice(&output.stderr)
            .unwrap_or_else(|error| panic!("bpm {args:?}: {error}: {}", text(&output.stderr)))
    }

    fn try_status(&self) -> Option<Status> {
        let output = self.command().args(["--json", "status"]).output().unwrap();
        output.status.success().then(|| serde_json::from_slice(&output.stdout).unwrap())
    }

    pub fn status(&self) -> Status {
        self.ask(&["status"])
    }

    pub fn process(&self, name: &str) -> ProcessStatus {
        self.status().processes.into_iter().find(|process| process.name == name).unwrap()
    }

    pub fn logs(&self, args: &[&str]) -> LogPage {
        self.ask(&[&["search", "", "--tail", "100"], args].concat())
    }

    /// The lines of the newest run's log, exactly.
    pub fn lines(&self, name: &str) -> Vec<String> {
        let output = self.bpm(&["logs", name, "--raw"]);
        text(&output.stdout).lines().map(str::to_owned).collect()
    }

    /// Waits until `look` sees something.
    pub fn wait_for<T>(&self, what: &str, look: impl Fn(&Lab) -> Option<T>) -> T {
        let deadline = Instant::now() + PATIENCE;
        let mut pause = Duration::from_millis(2);
        loop {
            if let Some(seen) = look(self) {
                return seen;
            }
            if Instant::now() > deadline {
                let status = self.bpm(&["status"]);
                panic!(
                    "waited in vain: {what}\nstatus: {}{}\nterminal: {}",
                    text(&status.stdout),
                    text(&status.stderr),
                    self.terminal()
                );
            }
            std::thread::sleep(pause);
            pause = (pause * 2).min(Duration::from_millis(50));
        }
    }

    /// Waits until the process runs and returns its status.
    pub fn running(&self, name: &str) -> ProcessStatus {
        self.wait_for(&format!("{name} runs"), |lab| {
            Some(lab.process(name)).filter(|process| process.state == bpm_api::State::Running)
        })
    }

    pub fn in_state(&self, name: &str, state: bpm_api::State) -> ProcessStatus {
        self.wait_for(&format!("{name} is {state:?}"), |lab| {
            Some(lab.process(name)).filter(|process| process.state == state)
        })
    }

    /// Waits until a run other than `run` runs.
    pub fn running_other_than(&self, name: &str, run: u64) -> ProcessStatus {
        self.wait_for(&format!("{name} runs anew"), |lab| {
            Some(lab.process(name)).filter(|p| p.state == bpm_api::State::Running && p.run != Some(run))
        })
    }

    pub fn manager_pid(&self) -> u32 {
        self.manager.as_ref().unwrap().id()
    }

    /// `kill -9` of the manager.
    pub fn kill_manager(&mut self) {
        let mut manager = self.manager.take().unwrap();
        self.orphaned = true;
        manager.kill().unwrap();
        manager.wait().unwrap();
    }

    /// Waits until the manager has ended by itself and returns whether it ended well.
    pub fn manager_ends(&mut self) -> bool {
        let mut manager = self.manager.take().unwrap();
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = manager.try_wait().unwrap() {
                return status.success();
            }
            assert!(Instant::now() < deadline, "the manager does not end: {}", self.terminal());
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    pub fn signal_manager(&self, signal: Signal) {
        send(self.manager_pid(), signal);
    }

    /// Pids in a file that a program wrote, once there are `count`.
    pub fn pids(&self, file: &str, count: usize) -> Vec<u32> {
        self.wait_for(&format!("{count} pids in {file}"), |lab| {
            let text = fs::read_to_string(lab.file(file)).ok()?;
            let pids: Vec<u32> = text.split_ascii_whitespace().filter_map(|word| word.parse().ok()).collect();
            (pids.len() >= count).then_some(pids)
        })
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        if self.orphaned {
            self.start();
        }
        match self.manager.take() {
            // a second signal does not wait for anybody's grace
            Some(manager) if manager.id() > 0 => end(manager),
            _ if !self.project().exists() => {}
            _ => drop(self.bpm(&["down"])),
        }
    }
}

fn end(mut manager: Child) {
    for signal in [Signal::TERM, Signal::INT, Signal::HUP] {
        let pid = Pid::from_raw(i32::try_from(manager.id()).unwrap()).unwrap();
        let _ = rustix::process::kill_process(pid, signal);
        let deadline = Instant::now() + Duration::from_millis(500);
        while Instant::now() < deadline {
            if matches!(manager.try_wait(), Ok(Some(_))) {
                return;
            }
            std::thread::sleep(Duration::from_millis(2));
        }
    }
    let _ = manager.kill();
    let _ = manager.wait();
}

pub fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

pub fn send(pid: u32, signal: Signal) {
    let pid = Pid::from_raw(i32::try_from(pid).unwrap()).unwrap();
    rustix::process::kill_process(pid, signal).unwrap();
}

/// Waits until a manager of the same configuration, begun now and with nothing to hold it, has ended by itself. One
/// that was idle before it began has had its time, too.
pub fn idle_twin_ends(config: &str) {
    let twin = Lab::new(config);
    assert!(twin.bpm(&["run", "--wait", "--", "true"]).status.success());
    // asked once only: whoever asks is a client
    let Some(manager) = twin.try_status().map(|status| status.manager.pid) else { return };
    twin.wait_for("the twin ends", |_| (!alive(manager)).then_some(()));
}

/// Zombies do not live.
pub fn alive(pid: u32) -> bool {
    let Ok(stat) = fs::read_to_string(format!("/proc/{pid}/stat")) else { return false };
    !matches!(stat[stat.rfind(')').unwrap() + 2..].chars().next(), Some('Z' | 'X'))
}

/// The program that tests supervise; built with the workspace.
pub fn puppet() -> String {
    let path = Path::new(env!("CARGO_BIN_EXE_bpm")).with_file_name("bpm-puppet");
    assert!(path.exists(), "{} is missing: `cargo build -p bpm-puppet` makes it", path.display());
    path.display().to_string()
}

/// `[process.NAME]` of an argv.
pub fn process(name: &str, argv: &[&str], more: &str) -> String {
    format!("[process.{name}]\ncommand = {}\n{more}\n", serde_json::to_string(argv).unwrap())
}

pub fn shell(name: &str, line: &str, more: &str) -> String {
    process(name, &["sh", "-c", line], more)
}
