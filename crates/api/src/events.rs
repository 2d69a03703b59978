//! What happens, as it happens: for followers, for news, and for the journal.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What sort of thing happened; the text says the rest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum EventKind {
    /// Somebody asked for something.
    Requested,
    BuildStarted,
    /// A step of a build: `n/m`.
    BuildProgress,
    BuildSucceeded,
    BuildFailed,
    Started,
    Ready,
    Stopping,
    /// It ended because somebody asked.
    Stopped,
    /// It ended by itself, or was lost: a process.
    Crashed,
    /// A task ended, however it did.
    TaskEnded,
    /// Nobody asked, and nothing brings it back: gave up, cannot be started, ended for good, stuck.
    Down,
    Input,
    Mode,
    Configuration,
    /// Anything else.
    Other,
}

/// One thing that happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Event {
    /// Ascending within one manager's life.
    pub seq: u64,
    /// RFC 3339, UTC.
    pub time: String,
    /// Process, or task id.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub process: Option<String>,
    pub kind: EventKind,
    pub text: String,
    /// Who asked for it, where somebody did.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub by: Option<String>,
    /// `done` and `total` steps, of a build's progress.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub steps: Option<(u32, u32)>,
}

/// What to be told about from now on.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Watch {
    /// Everything that happens.
    #[serde(default)]
    pub events: bool,
    /// That the logs of these processes and tasks have grown.
    #[serde(default)]
    pub logs: Vec<String>,
    /// That the builds' logs of these processes have grown.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub builds: Vec<String>,
}

/// Something that a watcher is told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Change {
    Event(Event),
    /// This process's or task's log has grown since it was last said. At most ten times a second.
    Log(String),
    /// This process's newest build has printed more, or has ended, or a new one has begun. At most ten times a second.
    Build(String),
    /// So many events were not taken in time.
    Missed(u64),
}

/// What happened since this caller's last call, not by itself, in one line.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct GetNews {}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct News {
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub line: Option<String>,
}
