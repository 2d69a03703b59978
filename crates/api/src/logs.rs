//! Questions to the logs and their answers.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Stream {
    Stdout,
    Stderr,
}

/// Which lines. The order is: pattern, then context, then head or tail (tail wins if both are given).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LogQuery {
    /// Process or task; all processes when left out.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub process: Option<String>,
    /// Regex (Rust syntax); all lines when left out.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub pattern: Option<String>,
    /// Lines around each match.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub context_lines: Option<u32>,
    /// First N lines.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub head: Option<u32>,
    /// Last N lines.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub tail: Option<u32>,
    /// Which kept log: -1 newest (default), -2 the one before, 0 oldest.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub index: Option<i64>,
    /// Its number, instead of `index`.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub run: Option<u64>,
    /// Of an earlier answer: what came after.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub cursor: Option<String>,
    /// Newer lines only: `30s`, `10m`, `2h`, or RFC 3339.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub since: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub stream: Option<Stream>,
    /// Size of the answer (8192).
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub max_bytes: Option<u64>,
}

/// Lines, reduced to what a reader needs: control sequences gone, equal lines folded, long ones clipped.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct LogPage {
    /// What was searched, for example `api run 3 (running)`.
    pub source: String,
    pub lines: Vec<LogLine>,
    /// Lines that match, shown or not.
    pub matches: u64,
    /// Lines of the result that are not shown: before, between and after those that are.
    pub omitted_before: u64,
    #[serde(skip_serializing_if = "is_zero", default)]
    pub omitted_between: u64,
    pub omitted_after: u64,
    /// Lines lost to retention or a full disk, and their bytes.
    pub lost_lines: u64,
    pub lost_bytes: u64,
    /// Gives what comes after this answer.
    pub cursor: String,
    /// The answer goes on after an earlier one.
    #[serde(skip_serializing_if = "is_false", default)]
    pub resumed: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct LogLine {
    /// Only where several processes were searched.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub process: Option<String>,
    pub run: u64,
    pub number: u64,
    /// RFC 3339, UTC.
    pub time: String,
    pub stream: Stream,
    /// False for a line of context.
    pub is_match: bool,
    pub text: String,
    /// How many lines this stands for: itself and those that follow and are equal.
    pub times: u64,
    /// They differ in numbers, times and the like; `text` is that of the first.
    #[serde(skip_serializing_if = "is_false", default)]
    pub alike: bool,
    /// They do not follow one another: they take turns with the lines after this one.
    #[serde(skip_serializing_if = "is_false", default)]
    pub by_turns: bool,
    /// Number of the last line that this stands for, where it is another.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub last_number: Option<u64>,
    /// What of the same log comes before this line and is not shown.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub skipped: Option<SkippedLines>,
}

/// Lines that are not shown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SkippedLines {
    pub lines: u64,
    /// Shows them, given as `cursor` to a question about this process.
    pub cursor: String,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "as serde calls it")]
fn is_zero(number: &u64) -> bool {
    *number == 0
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "as serde calls it")]
fn is_false(value: &bool) -> bool {
    !*value
}
