//! The status of a project and its processes.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::TaskStatus;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    Dev,
    Release,
}

impl Mode {
    pub fn as_str(self) -> &'static str {
        match self {
            Mode::Dev => "dev",
            Mode::Release => "release",
        }
    }
}

/// One word for where a process stands; `why` says the rest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Nothing runs yet: it is being built or started.
    Starting,
    Running,
    Stopping,
    Stopped,
    /// `autostart = false` and never asked for.
    Idle,
    BackingOff,
    CrashLooping,
    BuildFailed,
    CannotStart,
    Ended,
    Stuck,
}

impl State {
    pub fn as_str(self) -> &'static str {
        match self {
            State::Starting => "starting",
            State::Running => "running",
            State::Stopping => "stopping",
            State::Stopped => "stopped",
            State::Idle => "idle",
            State::BackingOff => "backing_off",
            State::CrashLooping => "crash_looping",
            State::BuildFailed => "build_failed",
            State::CannotStart => "cannot_start",
            State::Ended => "ended",
            State::Stuck => "stuck",
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ProcessKind {
    Rust,
    Npm,
    Command,
}

/// The answer to `get_status`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Status {
    pub mode: Mode,
    /// Seconds until the project goes back to release mode, if nobody uses a tool until then.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub release_switch_in_seconds: Option<f64>,
    pub manager: ManagerStatus,
    pub processes: Vec<ProcessStatus>,
    /// Tasks that run, and those that ended last.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub tasks: Vec<TaskStatus>,
    /// Ended tasks that are not in `tasks`.
    #[serde(skip_serializing_if = "crate::is_zero", default)]
    pub more_tasks: u64,
    /// What needs somebody's attention: a full disk, a broken configuration, lost log bytes.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub alarms: Vec<Alarm>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ManagerStatus {
    pub pid: u32,
    pub version: String,
    pub uptime_seconds: f64,
    /// The MCP endpoint, if there is a TCP listener.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub mcp_url: Option<String>,
    /// The address it is bound to, where that is not both of loopback's.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub bind: Option<String>,
    /// How whole trees are found: `cgroup`, or `process tree` (subreaper and /proc).
    pub containment: String,
    pub closing: bool,
    pub paths: Paths,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Paths {
    pub project: String,
    pub config: String,
    pub state: String,
    pub socket: String,
    /// Where there is a TCP listener: the file with what programs of others show it.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub token: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Alarm {
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub process: Option<String>,
    pub message: String,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ProcessStatus {
    pub name: String,
    pub kind: ProcessKind,
    pub state: State,
    /// Why it is in that state.
    pub why: String,
    /// What changes that: a time, or something to do.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub next: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub pid: Option<u32>,
    /// Number of the live run.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub run: Option<u64>,
    /// The recipe the live run was made with.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub recipe: Option<Mode>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub uptime_seconds: Option<f64>,
    /// How often it was started again since its first start.
    pub restarts: u64,
    /// Crashes in a row.
    pub crashes: u32,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub restart_in_seconds: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub last_exit: Option<ExitStatus>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub last_build: Option<BuildStatus>,
    /// The build that is under way.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub building: Option<BuildStatus>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub sample: Option<Sample>,
    /// The live run has a terminal.
    #[serde(skip_serializing_if = "std::ops::Not::not", default)]
    pub pty: bool,
    /// A crash restart runs the executable of the last live run. False: it has none (`npm`, `command`),
    /// so it runs what is in the tree then.
    pub keeps_artefact: bool,
    /// The newest last.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub events: Vec<EventLine>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ExitStatus {
    pub run: u64,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub code: Option<i32>,
    /// By name, for example `SEGV`.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub signal: Option<String>,
    /// Its shim was killed, so nobody knows how it ended.
    #[serde(skip_serializing_if = "std::ops::Not::not", default)]
    pub lost: bool,
    pub asked: bool,
    pub ago_seconds: f64,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct BuildStatus {
    pub build: u64,
    pub recipe: Mode,
    /// `None` while it is under way.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub ok: Option<bool>,
    /// Since it ended; `None` while it is under way.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub ago_seconds: Option<f64>,
    /// From its beginning to its end, or until now; `None` where nobody wrote down when it began.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub took_seconds: Option<f64>,
    /// How far it is, where its build tool says so; only while it is under way.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub progress: Option<BuildProgress>,
    /// Why it failed, or what it waits for.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub note: Option<String>,
}

/// So many steps of so many are done.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct BuildProgress {
    pub done: u32,
    pub total: u32,
    /// What is being worked on, in one line; may be empty.
    #[serde(skip_serializing_if = "String::is_empty", default)]
    pub what: String,
}

/// CPU, memory and ports of a live run's whole tree, taken when asked for, at most once a second.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Sample {
    /// Of one core, since the sample before (or since the start).
    pub cpu_percent: f64,
    pub memory_bytes: u64,
    pub processes: u32,
    /// TCP ports that the tree listens on.
    pub ports: Vec<u16>,
    pub age_ms: u64,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct EventLine {
    /// RFC 3339, UTC.
    pub time: String,
    pub text: String,
    /// Who asked for it, where somebody did.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub by: Option<String>,
}
