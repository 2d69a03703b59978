//! Logs as somebody reads them who scrolls: line by line, as they were printed, from any place. Nothing is folded and
//! nothing is left out but for what the question leaves out.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::Stream;

/// Some lines of one log. To follow one, ask for what comes after `next_line - 1` of the last answer when a watch says
/// that it has grown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ReadLog {
    /// Process, or task by its id or name.
    pub target: String,
    /// Of its builds instead of its runs.
    #[serde(skip_serializing_if = "std::ops::Not::not", default)]
    pub builds: bool,
    /// Number of the run or build; the newest when left out.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub run: Option<u64>,
    pub from: ReadFrom,
    /// Lines of the answer, at most 10,000; 0 asks for the numbers alone.
    pub lines: u32,
    #[serde(skip_serializing_if = "ReadOnly::is_all", default)]
    pub only: ReadOnly,
    /// Bytes of text in the answer, at most and by default 1 MiB. One line is always given, clipped to it.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub max_bytes: Option<u64>,
    /// Longer lines are clipped to this many bytes (65,536), sequences included.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub max_line_bytes: Option<u32>,
}

/// Where to begin, and in which direction to look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ReadFrom {
    /// The last lines that there are.
    #[default]
    End,
    /// The first lines of higher numbers: 0 begins at the beginning.
    After(u64),
    /// The last lines of lower numbers.
    Before(u64),
}

/// Which lines count.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ReadOnly {
    #[default]
    All,
    /// Those that match (regex, Rust syntax), as they are shown: colours are no part of it, nor what was overwritten.
    Matching(String),
    /// Those that decide an error: the line of a compiler's error, a panic, an exception. What the process's `errors`
    /// says counts. A report of more than 64 KiB may be taken for several.
    Errors,
}

impl ReadOnly {
    pub fn is_all(&self) -> bool {
        *self == ReadOnly::All
    }
}

/// Lines, ascending.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct LogWindow {
    /// Number of the run or build that was read; 0 where there is none yet, and then no lines.
    pub run: u64,
    /// Number of the newest one.
    pub newest: u64,
    /// Nothing more will be printed, and all that was is counted in this answer.
    pub ended: bool,
    /// Number of the first line that is kept; 1 where there is none yet.
    pub first_line: u64,
    /// Number of the first line that has no end yet, whether it has begun (then it is the `open` one) or not. Those
    /// before it change no more. `first_line` where there is none.
    pub next_line: u64,
    pub lines: Vec<WindowLine>,
    /// The answer ended before it had all its lines and before the log did: its text has reached `max_bytes`, or it has
    /// looked at a great deal (some 64 MiB, or half a second). It goes on from here, in the same direction
    /// (`after` or `before` this number). Absent: there is nothing more there, or it has as many lines as it may.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub broke_off: Option<u64>,
    /// Lines and bytes of the log that are lost to retention or a full disk.
    #[serde(skip_serializing_if = "crate::is_zero", default)]
    pub lost_lines: u64,
    #[serde(skip_serializing_if = "crate::is_zero", default)]
    pub lost_bytes: u64,
}

/// One line as a terminal would have left it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct WindowLine {
    pub number: u64,
    /// When its first byte was read; RFC 3339, UTC.
    pub time: String,
    pub stream: Stream,
    /// Text and colours: of all control sequences only `ESC [ … m` is left. No line feed, no other control character
    /// but tabs. What a line switches on it switches off.
    pub text: String,
    /// Bytes that `text` was clipped by.
    #[serde(skip_serializing_if = "crate::is_zero", default)]
    pub clipped_bytes: u64,
    /// It has no end yet, and may go on.
    #[serde(skip_serializing_if = "std::ops::Not::not", default)]
    pub open: bool,
}

/// Which runs and builds are kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct GetRuns {
    /// Process, or task by its id or name.
    pub target: String,
}

/// The newest last, at most 1,000 of each.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Runs {
    pub runs: Vec<KeptRun>,
    pub builds: Vec<KeptRun>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct KeptRun {
    pub number: u64,
    /// When it was started; RFC 3339, UTC. Absent where nothing was written about it.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub started: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub ended: Option<String>,
    /// In words: `running`, `exited with 101`, `killed by SEGV`, `could not be started: …`, `lost`, `not started`. A
    /// build's: `building`, `succeeded`, `failed: …`, `cancelled`, `lost`, `not started`.
    pub how: String,
    /// It ended as nobody wants it to: not with 0, not because somebody asked.
    #[serde(skip_serializing_if = "std::ops::Not::not", default)]
    pub bad: bool,
    /// Lines of output that are kept, and their bytes.
    pub lines: u64,
    pub bytes: u64,
}
