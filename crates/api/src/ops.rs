//! The operations: one request type each, with its answer.

use std::ffi::OsString;
use std::fmt;
use std::os::unix::ffi::OsStringExt;

use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::{
    CallStatus, CancelCall, ClearTasks, EndTask, GetCall, GetNews, GetRuns, GetTask, InputSent, LogPage,
    LogQuery, LogWindow, Mode, News, ReadLog, ResizeTerminal, RunTask, Runs, SendInput, SendSignal, Status,
    SubmitCall, TaskList, TaskReport, WaitAnswer, WaitFor,
};

/// A request type that knows its answer.
pub trait Op: Serialize + DeserializeOwned + JsonSchema + Send + 'static {
    type Out: Serialize + DeserializeOwned + Send + 'static;
    /// The name on the wire and of the MCP tool.
    const NAME: &'static str;
    /// When to use it and when not, in one or two sentences.
    const DOC: &'static str;

    fn into_request(self) -> Request;
    /// Takes this operation's answer out of the common one.
    fn from_reply(reply: Reply) -> Option<Self::Out>;
}

/// Who asks, and which of its requests it is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Origin {
    /// `cli`, `mcp`, `http`.
    pub face: String,
    /// A client's name and version, or a user's name.
    pub who: String,
    /// Tells one client from another of the same name, for its news; who has none gets none.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub session: Option<String>,
    /// Idempotency key: a request that is sent again under the same key joins the first one. It outlives
    /// the manager.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub key: Option<String>,
}

impl Origin {
    pub fn new(face: impl Into<String>, who: impl Into<String>) -> Origin {
        Origin { face: face.into(), who: who.into(), session: None, key: None }
    }
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct GetStatus {
    /// Only this process.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub process: Option<String>,
    /// Without the events of several processes, which nobody reads there. Not a tool's parameter.
    #[serde(skip_serializing_if = "std::ops::Not::not", default)]
    #[schemars(skip)]
    pub brief: bool,
    /// At most so many tasks that have ended (3). Not a tool's parameter.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    #[schemars(skip)]
    pub ended_tasks: Option<u32>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Restart {
    /// May be left out where there is one.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub process: Option<String>,
    /// `dev` (default), or `release` to try it.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub mode: Option<Mode>,
    /// Longest wait (50); the work goes on after it.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub timeout_seconds: Option<f64>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Start {
    pub process: String,
    /// Longest wait (50); the work goes on after it.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub timeout_seconds: Option<f64>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Stop {
    pub process: String,
    /// Longest wait (50); the work goes on after it.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub timeout_seconds: Option<f64>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct SearchLogs(pub LogQuery);

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct SearchBuildLog(pub LogQuery);

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Why {
    pub process: String,
}

/// A name or a value of an environment: text, or its bytes where it is none.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum OsText {
    Text(String),
    Bytes(Vec<u8>),
}

impl From<OsString> for OsText {
    fn from(text: OsString) -> OsText {
        text.into_string().map_or_else(|raw| OsText::Bytes(raw.into_vec()), OsText::Text)
    }
}

impl From<OsText> for OsString {
    fn from(text: OsText) -> OsString {
        match text {
            OsText::Text(text) => text.into(),
            OsText::Bytes(bytes) => OsString::from_vec(bytes),
        }
    }
}

/// What it says may be a secret.
impl fmt::Debug for OsText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("…")
    }
}

/// Read the configuration again and put it into force. `Debug` does not show the environment's values.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Apply {
    /// Start what was stopped by hand.
    #[serde(default)]
    pub fresh: bool,
    /// The environment that programs started from now on get; the manager's own when left out.
    /// Values never appear in logs.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub env: Option<Vec<(OsText, OsText)>>,
}

impl fmt::Debug for Apply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let variables = self.env.as_ref().map(Vec::len);
        f.debug_struct("Apply").field("fresh", &self.fresh).field("variables", &variables).finish()
    }
}

/// End everything in order, then the manager.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Shutdown {}

/// A run came up.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Began {
    pub process: String,
    pub run: u64,
    pub pid: u32,
    pub recipe: Mode,
    /// It ran already (`start`).
    pub already: bool,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub build: Option<u64>,
    /// Warnings that the build gave.
    pub warnings: u64,
}

/// Something is done; nothing more to say than that.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Done {
    pub message: String,
}

/// What a new configuration changed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Applied {
    pub added: Vec<String>,
    pub removed: Vec<String>,
    /// Takes effect when the process is next started.
    pub changed: Vec<String>,
}

/// Why a process is or is not running, with evidence.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct WhyAnswer {
    pub status: crate::ProcessStatus,
    /// The last lines of the run or build that decided it.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub evidence: Option<LogPage>,
    /// What outlived KILL, by pid and name.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub survivors: Vec<String>,
}

/// One finding of a compiler.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Diagnostic {
    pub level: String,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub file: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub line: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub column: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub code: Option<String>,
    pub message: String,
    /// The compiler's own text.
    pub rendered: String,
}

/// Any request, as it travels.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "op", content = "with", rename_all = "snake_case")]
pub enum Request {
    GetStatus(GetStatus),
    Restart(Restart),
    Start(Start),
    Stop(Stop),
    SearchLogs(SearchLogs),
    SearchBuildLog(SearchBuildLog),
    Why(Why),
    Apply(Apply),
    Shutdown(Shutdown),
    RunTask(RunTask),
    GetTask(GetTask),
    EndTask(EndTask),
    ClearTasks(ClearTasks),
    SendInput(SendInput),
    WaitFor(WaitFor),
    GetNews(GetNews),
    SubmitCall(SubmitCall),
    GetCall(GetCall),
    CancelCall(CancelCall),
    ReadLog(ReadLog),
    GetRuns(GetRuns),
    SendSignal(SendSignal),
    ResizeTerminal(ResizeTerminal),
}

/// Any answer, as it travels.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "is", content = "out", rename_all = "snake_case")]
pub enum Reply {
    Status(Box<Status>),
    Began(Began),
    Done(Done),
    LogPage(LogPage),
    Why(Box<WhyAnswer>),
    Applied(Applied),
    Task(Box<TaskReport>),
    Tasks(TaskList),
    Input(InputSent),
    Wait(WaitAnswer),
    News(News),
    Call(CallStatus),
    Window(LogWindow),
    Runs(Runs),
}

macro_rules! op {
    ($request:ident => $reply:ident($out:ty), $name:literal, $doc:literal) => {
        op!($request => $reply($out), $name, $doc, |out| out);
    };
    ($request:ident => $reply:ident($out:ty), $name:literal, $doc:literal, |$it:ident| $take:expr) => {
        impl Op for $request {
            type Out = $out;
            const NAME: &'static str = $name;
            const DOC: &'static str = $doc;

            fn into_request(self) -> Request {
                Request::$request(self)
            }

            fn from_reply(reply: Reply) -> Option<$out> {
                match reply {
                    Reply::$reply($it) => Some($take),
                    _ => None,
                }
            }
        }
    };
}

op!(GetStatus => Status(Status), "get_status",
    "What runs, and why something does not: state, pid, ports, last exit, last build, tasks. With `process` also its recent events.",
    |out| *out);
op!(Restart => Began(Began), "restart",
    "Build, then swap: the old run serves until the build has succeeded, and stays if it fails (the errors are returned). Use after editing code.");
op!(Start => Began(Began), "start",
    "Start a process that is stopped or waits after a crash; one that runs is left alone. To load new code use `restart`.");
op!(Stop => Done(Done), "stop",
    "Stop a process and its whole tree; it stays stopped until started. Not needed before `restart`.");
op!(SearchLogs => LogPage(LogPage), "search_logs",
    "Lines that a process or task printed, by regex, time or position; also after it ended. Without parameters: the newest log, condensed. To wait for a line use `wait_for`.");
op!(SearchBuildLog => LogPage(LogPage), "search_build_log",
    "`search_logs`, with the same parameters, over builds. `restart` already returns a build's first errors.");
op!(Why => Why(WhyAnswer), "why", "Why a process is or is not running, with evidence.", |out| *out);
op!(Apply => Applied(Applied), "apply", "Read the configuration again and put it into force.");
op!(Shutdown => Done(Done), "shutdown", "Stop everything in order, then end the manager.");
op!(RunTask => Task(TaskReport), "run_background_task",
    "Run any command in the background: dev servers, test suites, watchers, REPLs. It outlives this session. Returns at ready, exit or timeout with its first output. Use instead of `&` or `nohup`.",
    |out| *out);
op!(GetTask => Tasks(TaskList), "get_task_status",
    "A task's state, exit code and recent output; without `task_id` all tasks. To wait for it use `wait_for`, do not poll.");
op!(EndTask => Task(TaskReport), "end_background_task",
    "End a task and its whole tree (TERM, grace, KILL). Use instead of `kill` or `pkill`.",
    |out| *out);
op!(ClearTasks => Done(Done), "clear_tasks", "Forget tasks that have ended, with their logs.");
op!(SendInput => Input(InputSent), "send_input",
    "Type into a task or process: `text`, then `key`. With `wait_for` returns what it prints then.");
op!(WaitFor => Wait(WaitAnswer), "wait_for",
    "Wait until the first condition holds for any target; returns the deciding lines. Use instead of polling or sleeping. A timeout is no error: call again with `cursor`.");
op!(GetNews => News(News), "get_news", "What happened since the caller's last call.");
op!(SubmitCall => Call(CallStatus), "submit_call", "Carry out a request in the background and keep its outcome.");
op!(GetCall => Call(CallStatus), "get_call", "Where a submitted call stands.");
op!(CancelCall => Call(CallStatus), "cancel_call", "Stop waiting for a submitted call; what it began goes on.");
op!(ReadLog => Window(LogWindow), "read_log", "Lines of one log as they were printed, from any place.");
op!(GetRuns => Runs(Runs), "get_runs", "Which runs and builds of a process or task are kept.");
op!(SendSignal => Done(Done), "send_signal", "Send a signal to a live run's whole tree.");
op!(ResizeTerminal => Done(Done), "resize_terminal", "Tell a run's terminal its size.");

impl Request {
    pub fn name(&self) -> &'static str {
        macro_rules! names {
            ($($op:ident),*) => {
                match self { $(Request::$op(_) => <$op as Op>::NAME),* }
            };
        }
        crate::for_each_op!(names)
    }
}

#[cfg(test)]
mod tests {
    use std::ffi::OsString;
    use std::os::unix::ffi::OsStringExt;

    use super::{Apply, OsText, Request};

    #[test]
    fn debug_never_shows_the_environment() {
        let env = Some(vec![(OsText::Text("TOKEN".to_owned()), OsText::Text("s3cret".to_owned()))]);
        let shown = format!("{:?}", Request::Apply(Apply { fresh: false, env }));
        assert!(!shown.contains("s3cret") && shown.contains('1'), "{shown}");
    }

    #[test]
    fn an_environment_travels_byte_by_byte() {
        for bytes in [b"plain".to_vec(), "é".into(), vec![b'/', 0xff, 0xfe], Vec::new()] {
            let raw = OsString::from_vec(bytes);
            let sent = serde_json::to_string(&OsText::from(raw.clone())).unwrap();
            let received: OsText = serde_json::from_str(&sent).unwrap();
            assert_eq!(OsString::from(received), raw, "{sent}");
        }
    }
}
