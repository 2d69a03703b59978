//! Errors as data: what happened, to which thing, what was expected, what to do next.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A failed operation. `message` is a lowercase fragment without a final period.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Error {
    pub code: Code,
    pub message: String,
    /// The next command to run, or the next thing to do.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub hint: Option<String>,
    /// What belongs to it and is too long for one line, such as a compiler's own text.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub detail: Option<String>,
}

/// Stable, closed set. Faces match on it; people read the message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Code {
    /// A parameter is missing or malformed; the message names it.
    InvalidParameter,
    /// No such process; the message names the known ones.
    UnknownProcess,
    /// No such task; the message names near ones.
    UnknownTask,
    /// No such call, or its outcome is no longer kept.
    UnknownCall,
    /// No such run or build in the log.
    UnknownRun,
    /// The name is in use by something else; the message says what differs.
    NameTaken,
    /// It takes no input: it has ended, or was started without.
    NoInput,
    /// The run has no terminal.
    NoTerminal,
    BuildFailed,
    /// The program could not be started.
    SpawnFailed,
    /// The run ended, or did not come up.
    NotReady,
    /// Some of the tree outlived KILL.
    Stuck,
    /// A later request took this one's place.
    Overtaken,
    /// The wait is over; the work goes on.
    TimedOut,
    /// The configuration is faulty; the detail lists every fault.
    InvalidConfig,
    /// There is no manager for this project.
    NoManager,
    /// Another manager has the project.
    AlreadyManaged,
    /// The manager is ending.
    Closing,
    /// Somebody who may not.
    Forbidden,
    /// Over a limit; the message names it.
    LimitReached,
    /// The machine refused: disk, permission, address in use.
    System,
    /// A fault of bpm itself.
    Internal,
}

impl Error {
    pub fn new(code: Code, message: impl Into<String>) -> Error {
        Error { code, message: message.into(), hint: None, detail: None }
    }

    #[must_use]
    pub fn hint(self, hint: impl Into<String>) -> Error {
        Error { hint: Some(hint.into()), ..self }
    }

    #[must_use]
    pub fn detail(self, detail: impl Into<String>) -> Error {
        Error { detail: Some(detail.into()), ..self }
    }
}

impl Code {
    pub fn as_str(self) -> &'static str {
        match self {
            Code::InvalidParameter => "invalid_parameter",
            Code::UnknownProcess => "unknown_process",
            Code::UnknownTask => "unknown_task",
            Code::UnknownCall => "unknown_call",
            Code::UnknownRun => "unknown_run",
            Code::NameTaken => "name_taken",
            Code::NoInput => "no_input",
            Code::NoTerminal => "no_terminal",
            Code::BuildFailed => "build_failed",
            Code::SpawnFailed => "spawn_failed",
            Code::NotReady => "not_ready",
            Code::Stuck => "stuck",
            Code::Overtaken => "overtaken",
            Code::TimedOut => "timed_out",
            Code::InvalidConfig => "invalid_config",
            Code::NoManager => "no_manager",
            Code::AlreadyManaged => "already_managed",
            Code::Closing => "closing",
            Code::Forbidden => "forbidden",
            Code::LimitReached => "limit_reached",
            Code::System => "system",
            Code::Internal => "internal",
        }
    }

    /// The exit code of a command that ends with this error (SPEC: 0 done, 1 the operation failed,
    /// 2 usage or configuration, 3 no manager, 4 not found, 5 timed out while still running).
    pub fn exit_code(self) -> u8 {
        match self {
            Code::InvalidParameter | Code::InvalidConfig => 2,
            Code::NoManager => 3,
            Code::UnknownProcess | Code::UnknownTask | Code::UnknownCall | Code::UnknownRun => 4,
            Code::TimedOut => 5,
            Code::BuildFailed
            | Code::SpawnFailed
            | Code::NotReady
            | Code::Stuck
            | Code::Overtaken
            | Code::AlreadyManaged
            | Code::NameTaken
            | Code::NoInput
            | Code::NoTerminal
            | Code::Closing
            | Code::Forbidden
            | Code::LimitReached
            | Code::System
            | Code::Internal => 1,
        }
    }

    pub fn http_status(self) -> u16 {
        match self {
            Code::InvalidParameter | Code::InvalidConfig => 400,
            Code::Forbidden => 403,
            Code::UnknownProcess | Code::UnknownTask | Code::UnknownCall | Code::UnknownRun => 404,
            Code::AlreadyManaged | Code::Overtaken | Code::NameTaken | Code::NoInput | Code::NoTerminal => {
                409
            }
            Code::BuildFailed | Code::SpawnFailed | Code::NotReady | Code::Stuck => 422,
            Code::LimitReached => 429,
            Code::NoManager | Code::Closing => 503,
            Code::TimedOut => 504,
            Code::System | Code::Internal => 500,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Error {}
