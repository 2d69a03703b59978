//! What a configuration says once it has been read: plain data with every default filled in.
//! Owns the types that the rest of bpm sees. Must not know TOML, positions or files.

use core::net::IpAddr;
use std::collections::BTreeMap;
use std::fmt;
use std::ops::Deref;
use std::time::Duration;

use crate::ids::Mode;

/// A project's configuration, as the main file and its local override together say it.
///
/// Two configurations are equal when nothing that bpm does would differ, so a reload can compare
/// whole configurations or single processes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// Port of the MCP endpoint; `None`: no TCP listener.
    pub mcp_port: Option<McpPort>,
    /// Where it listens; `None`: on both loopback addresses.
    pub bind: Option<IpAddr>,
    pub timing: Timing,
    /// Retention for the whole project; each process carries its own resolved copy.
    pub logs: LogLimits,
    /// In the order of the main file, then those that only the local override has.
    pub processes: Vec<Process>,
    /// Remarks that are worth a line but stop nothing.
    pub notes: Vec<Note>,
}

impl Config {
    /// The process of that name.
    #[must_use]
    pub fn process(&self, name: &str) -> Option<&Process> {
        self.processes.iter().find(|process| process.name == name)
    }
}

/// Something in the configuration that is valid but probably not meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    /// Dotted key, for example `process.web.give_up`; empty for the whole file.
    pub key: String,
    pub message: String,
}

/// Where the MCP endpoint listens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum McpPort {
    /// This port, 1 to 65535.
    Fixed(u16),
    /// A free one, leased, the same for the worktree every time.
    Auto,
}

/// Waits that hold for all processes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timing {
    /// Without a tool call for this long, the project goes back to release mode.
    pub dev_timeout: Duration,
    /// With nothing configured, no task and no client for this long, the manager ends itself.
    pub idle_exit: Duration,
    /// Wait before the restart after a crash in dev mode.
    pub dev_crash_wait: Duration,
    /// First wait after a crash in release mode; never longer than `backoff_max`.
    pub backoff_initial: Duration,
    /// Longest wait in release mode.
    pub backoff_max: Duration,
}

/// How much of a process's output is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LogLimits {
    /// Runs (and builds) whose logs are kept, at least 1.
    pub keep_runs: u32,
    /// Bytes kept on disk for one process, at least 64 KiB.
    pub max_bytes: u64,
}

/// One `[process.NAME]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Process {
    pub name: String,
    pub kind: Kind,
    /// Appended to the program, whatever it is.
    pub args: Vec<String>,
    /// What to run in both modes. For `rust` it replaces the built executable (which is still
    /// built), for `npm` it replaces `PM run dev`.
    pub command: Option<CommandLine>,
    /// Working directory; relative to the project.
    pub cwd: Option<String>,
    pub env: Env,
    /// Dotenv file; relative to the project.
    pub env_file: Option<String>,
    /// Build command per mode; `None`: what the kind does by default.
    pub build: PerMode<Option<CommandLine>>,
    /// What to run per mode; wins over `command`.
    pub run: PerMode<Option<CommandLine>>,
    pub restart: RestartPolicy,
    /// `None`: bpm keeps trying.
    pub give_up: Option<GiveUp>,
    pub stop: StopRule,
    pub logs: LogLimits,
    pub errors: ErrorRules,
    /// Started with the project.
    pub autostart: bool,
    /// It runs on a pseudo-terminal of its own.
    pub pty: bool,
}

impl Process {
    /// The command line that was configured for a mode, if any: `run` first, then `command`.
    #[must_use]
    pub fn command_line(&self, mode: Mode) -> Option<&CommandLine> {
        self.run.get(mode).as_ref().or(self.command.as_ref())
    }
}

/// What in the output of a process is an error, apart from what is known to be one in any. Regular expressions whose
/// syntax and size are checked.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ErrorRules {
    pub matches: Vec<String>,
    /// They win.
    pub ignore: Vec<String>,
}

/// How a process is built and found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    Rust(RustTarget),
    Npm,
    Command,
}

/// Which cargo package and binary; what is `None` is found with `cargo metadata`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RustTarget {
    pub package: Option<String>,
    pub bin: Option<String>,
    pub features: Vec<String>,
    pub profile: PerMode<String>,
}

/// A command as it was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CommandLine {
    /// Program and arguments; at least the program.
    Argv(Vec<String>),
    /// A line for `sh -c`.
    Shell(String),
}

/// A value for each mode.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PerMode<T> {
    pub dev: T,
    pub release: T,
}

impl<T> PerMode<T> {
    #[must_use]
    pub fn get(&self, mode: Mode) -> &T {
        match mode {
            Mode::Dev => &self.dev,
            Mode::Release => &self.release,
        }
    }
}

/// Variables for a process. `Debug` shows the names only: the values may be secrets.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Env(pub BTreeMap<String, String>);

impl Deref for Env {
    type Target = BTreeMap<String, String>;

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

impl fmt::Debug for Env {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let hidden = self.0.keys().map(|name| (name, format_args!("…")));
        let mut map = f.debug_map();
        for (name, dots) in hidden {
            map.entry(name, &dots);
        }
        map.finish()
    }
}

/// When a process that ended is started again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RestartPolicy {
    Always,
    OnFailure,
    Never,
}

/// After `crashes` crashes `within` this time bpm stops trying.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GiveUp {
    pub crashes: u32,
    pub within: Duration,
}

/// How a process is stopped: the signal to its whole tree, then KILL after `grace`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StopRule {
    pub signal: Signal,
    pub grace: Duration,
}

/// A signal that can ask a program to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Signal {
    name: &'static str,
    number: i32,
}

impl Signal {
    pub const TERM: Self = Self::new("TERM", 15);

    /// Those that a program may take as "end now", with their Linux numbers. STOP and CONT are
    /// absent on purpose: a stopped program never ends.
    pub const ALL: &'static [Self] = &[
        Self::TERM,
        Self::new("INT", 2),
        Self::new("HUP", 1),
        Self::new("QUIT", 3),
        Self::new("ABRT", 6),
        Self::new("KILL", 9),
        Self::new("USR1", 10),
        Self::new("USR2", 12),
        Self::new("ALRM", 14),
        Self::new("WINCH", 28),
    ];

    const fn new(name: &'static str, number: i32) -> Self {
        Self { name, number }
    }

    /// With or without `SIG`, in any case.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        let upper = name.to_ascii_uppercase();
        let short = upper.strip_prefix("SIG").unwrap_or(&upper);
        Self::ALL.iter().copied().find(|known| known.name == short)
    }

    #[must_use]
    pub fn from_number(number: i128) -> Option<Self> {
        Self::ALL.iter().copied().find(|known| i128::from(known.number) == number)
    }

    /// Without `SIG`, for example `TERM`.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.name
    }

    /// The number on Linux.
    #[must_use]
    pub fn number(self) -> i32 {
        self.number
    }
}
