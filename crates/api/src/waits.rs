//! Waiting: one question over many targets and conditions.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::LogPage;

/// What can be waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Condition {
    /// A process runs and is ready; a task's `ready` condition has held.
    Ready,
    /// The run or task has ended, or cannot be started.
    Exit,
    /// It prints a line that matches `pattern`.
    Pattern,
    /// It prints what looks like an error.
    Error,
    /// A build has ended.
    Build,
    /// Its tree listens on `port`, or on any where none is given.
    Port,
    /// It has printed nothing for `quiet_seconds`.
    Quiet,
}

impl Condition {
    pub fn as_str(self) -> &'static str {
        match self {
            Condition::Ready => "ready",
            Condition::Exit => "exit",
            Condition::Pattern => "pattern",
            Condition::Error => "error",
            Condition::Build => "build",
            Condition::Port => "port",
            Condition::Quiet => "quiet",
        }
    }
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WaitFor {
    /// Processes and task ids.
    pub targets: Vec<String>,
    /// Default: ready, exit.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub until: Option<Vec<Condition>>,
    /// Regex; implies `pattern`.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub pattern: Option<String>,
    /// Implies `port`.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub port: Option<u16>,
    /// Implies `quiet` (2).
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub quiet_seconds: Option<f64>,
    /// Longest wait (30), at most 50.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub timeout_seconds: Option<f64>,
    /// Of an earlier answer: only what came after counts.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub cursor: Option<String>,
}

/// How a wait ended. Running out of time is a normal answer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct WaitAnswer {
    /// Absent: the time was over before anything held.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub met: Option<Met>,
    pub waited_seconds: f64,
    /// Where each target stands now.
    pub targets: Vec<TargetState>,
    /// The deciding lines; on a timeout the last ones.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub lines: Option<LogPage>,
    /// Goes on from here, in `wait_for` and in `search_logs`.
    pub cursor: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Met {
    pub condition: Condition,
    pub target: String,
    /// In words: `exited with 101 after 3.2 s`, `listens on port 3000`, `build 4 failed`.
    pub what: String,
    /// What the condition means for whoever waited for success: an error, a failed exit, a failed build.
    pub bad: bool,
    /// Who has the port that could not be had: pid, command, and whether bpm runs it.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub port_holder: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TargetState {
    pub target: String,
    /// Of a process or of a task, as in their status.
    pub state: String,
    pub why: String,
}
