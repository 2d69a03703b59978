//! What a program's own terminal takes and gives, and signals.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Send a signal to a live run's whole tree. An end that it causes is one that nobody asked for: a crash. Who wants a
/// stop asks for [`Stop`](crate::Stop) or [`EndTask`](crate::EndTask).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SendSignal {
    /// Process, or task by its id or name.
    pub target: String,
    /// `HUP`, `SIGHUP` or `1`.
    pub signal: String,
}

/// Tell a run's terminal its size. A size that is the present one is told to the program all the same, so that it draws
/// itself anew.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ResizeTerminal {
    /// Process, or task by its id or name.
    pub target: String,
    /// From 1 to 4096.
    pub columns: u16,
    pub rows: u16,
}

/// What a live run prints from now on, byte for byte, as fast as it comes: what an attached terminal shows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Output {
    /// Process, or task by its id or name.
    pub target: String,
    /// Begin with what sets a terminal as the program has set its own, by what it has printed: keys, mouse, screen. There is always
    /// something then, if only the plain colours.
    #[serde(skip_serializing_if = "std::ops::Not::not", default)]
    pub modes: bool,
}

/// What a manager can do, for a client that may be newer or older.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hello {
    pub version: String,
    /// Names of its operations.
    pub operations: Vec<String>,
    /// Names of its streams: `watch`, `output`.
    pub streams: Vec<String>,
}
