//! Background tasks: ad-hoc commands on the same shims and logs as processes.

use std::collections::BTreeMap;
use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{LogPage, OsText, Sample};

/// A shell line, or a program and its arguments.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum TaskCommand {
    Shell(String),
    Argv(Vec<String>),
}

/// When a task counts as ready: a TCP port that its tree listens on, or a line that it prints (regex).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum TaskReady {
    Port(u16),
    Pattern(String),
}

/// Start a task. `Debug` shows no value of the environment.
#[derive(Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RunTask {
    /// Shell line, or argv.
    pub command: TaskCommand,
    /// If one runs under this name, that one is returned.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub name: Option<String>,
    /// Default: the project.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub cwd: Option<String>,
    /// Added variables.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub env: Option<BTreeMap<String, String>>,
    /// Port, or regex of a line, that shows it is ready.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub ready: Option<TaskReady>,
    /// Run on a terminal.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub pty: Option<bool>,
    /// Longest wait for ready or exit (1).
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub timeout_seconds: Option<f64>,
    /// End it after this long.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub kill_after_seconds: Option<f64>,
    /// The caller's whole environment; the manager's where left out. Not a tool's parameter.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    #[schemars(skip)]
    pub base_env: Option<Vec<(OsText, OsText)>>,
}

impl fmt::Debug for RunTask {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&String> = self.env.iter().flat_map(BTreeMap::keys).collect();
        f.debug_struct("RunTask")
            .field("command", &self.command)
            .field("name", &self.name)
            .field("cwd", &self.cwd)
            .field("env_names", &names)
            .field("ready", &self.ready)
            .field("pty", &self.pty)
            .field("timeout_seconds", &self.timeout_seconds)
            .field("kill_after_seconds", &self.kill_after_seconds)
            .field("base_variables", &self.base_env.as_ref().map(Vec::len))
            .finish()
    }
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct GetTask {
    /// Id or name; all tasks when left out.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub task_id: Option<String>,
    /// Lines of recent output (50).
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub lines: Option<u32>,
    /// Of an earlier answer: what came after.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub cursor: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EndTask {
    /// Id or name.
    pub task_id: String,
    /// Longest wait (50).
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub timeout_seconds: Option<f64>,
}

/// Forget tasks that have ended, with their logs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ClearTasks {
    /// Id or name; all that have ended when left out.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub task_id: Option<String>,
}

/// Type into a program. `Debug` does not show what.
#[derive(Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SendInput {
    /// Task id or name.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub task_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub process: Option<String>,
    /// Sent as it is; `key: enter` ends the line.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub text: Option<String>,
    /// The same where it is no text, in its place. Not a tool's parameter.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    #[schemars(skip)]
    pub bytes: Option<Vec<u8>>,
    /// Sent after `text`: enter, tab, escape, up, ctrl-c, ctrl-d …
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub key: Option<String>,
    /// Regex of a line that it prints then.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub wait_for: Option<String>,
    /// Longest wait (10).
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub timeout_seconds: Option<f64>,
}

/// What is typed may be a password.
impl fmt::Debug for SendInput {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SendInput")
            .field("task_id", &self.task_id)
            .field("process", &self.process)
            .field("text_bytes", &self.text.as_ref().map(String::len).or(self.bytes.as_ref().map(Vec::len)))
            .field("wait_for", &self.wait_for)
            .finish_non_exhaustive()
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum TaskState {
    Running,
    /// Exit code 0.
    Completed,
    /// Another exit code, a signal of its own, or it could not be started.
    Failed,
    /// Ended because somebody asked, or by its time limit.
    Killed,
    /// Its shim died, so nobody knows how it ended.
    Lost,
}

impl TaskState {
    pub fn as_str(self) -> &'static str {
        match self {
            TaskState::Running => "running",
            TaskState::Completed => "completed",
            TaskState::Failed => "failed",
            TaskState::Killed => "killed",
            TaskState::Lost => "lost",
        }
    }
}

/// One task.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct TaskStatus {
    pub task_id: String,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub name: Option<String>,
    /// As it was given; an argv with its words joined by spaces, quoted where needed.
    pub command: String,
    pub cwd: String,
    pub state: TaskState,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub exit_code: Option<i32>,
    /// By name, for example `SEGV`.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub signal: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub pid: Option<u32>,
    /// Whether its `ready` condition has held; absent where it has none.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub ready: Option<bool>,
    #[serde(skip_serializing_if = "std::ops::Not::not", default)]
    pub pty: bool,
    /// RFC 3339, UTC.
    pub started: String,
    /// How long it has run, or ran.
    pub seconds: f64,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub ended_ago_seconds: Option<f64>,
    /// When and by whom its end was requested.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub kill_requested: Option<KillRequest>,
    /// Until `kill_after_seconds` is over.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub kill_in_seconds: Option<f64>,
    /// What is left of its tree although its leader has ended, by pid and name.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub survivors: Vec<String>,
    /// Why it could not be started.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub note: Option<String>,
    /// Who started it.
    pub by: String,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub sample: Option<Sample>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct KillRequest {
    pub by: String,
    pub ago_seconds: f64,
}

/// A task and what it printed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct TaskReport {
    pub task: TaskStatus,
    /// It ran already under that name.
    #[serde(skip_serializing_if = "std::ops::Not::not", default)]
    pub already: bool,
    /// Absent where nothing can be read.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub output: Option<LogPage>,
}

/// Tasks; with what it printed where one was asked for.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct TaskList {
    pub tasks: Vec<TaskStatus>,
    /// Tasks that are not in `tasks`, for want of room.
    #[serde(skip_serializing_if = "crate::is_zero", default)]
    pub more: u64,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub output: Option<LogPage>,
}

/// What was typed, and what came of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct InputSent {
    /// Process or task id.
    pub target: String,
    pub bytes: u64,
    /// The same request had come to a manager that is gone since: it may not have been typed, and was not typed now.
    #[serde(skip_serializing_if = "std::ops::Not::not", default)]
    pub unsure: bool,
    /// Whether `wait_for` was seen; absent where nothing was waited for.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub seen: Option<bool>,
    /// What it printed after the input, up to what was waited for.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub output: Option<LogPage>,
}
