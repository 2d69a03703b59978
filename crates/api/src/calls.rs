//! Calls that go on without their caller, and over the manager's death: what MCP's tasks extension needs.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{Error, Reply, Request};

/// Carry out a request in the background and keep its outcome.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SubmitCall {
    #[schemars(with = "serde_json::Value")]
    pub request: Box<Request>,
    /// How long the outcome is kept (300), at most a day.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub keep_seconds: Option<f64>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct GetCall {
    pub call_id: String,
}

/// Stop waiting for it. What it began goes on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CancelCall {
    pub call_id: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum CallState {
    Working,
    Done,
    Cancelled,
}

/// Where such a call stands.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CallStatus {
    /// Cannot be guessed.
    pub call_id: String,
    pub state: CallState,
    /// RFC 3339, UTC.
    pub created: String,
    pub updated: String,
    pub keep_seconds: f64,
    /// What it is at, in words.
    pub message: String,
    /// Once it is done.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub answer: Option<Box<Answer>>,
}

/// An outcome, as it travels.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    Reply(Reply),
    Error(Error),
}
