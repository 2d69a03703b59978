//! What travels between the manager and its faces: requests, responses, errors. Plain data.
//!
//! Each request is an [`Op`]: its type names its answer, its name and its documentation, in one list
//! ([`for_each_op!`]). The wire, the dispatcher, the client, the MCP tools and the reference page come
//! from that list. Nothing here knows how an operation is carried out, nor how it is shown.

mod calls;
mod error;
mod events;
mod logs;
mod ops;
mod reading;
mod status;
mod tasks;
mod terminals;
mod waits;

pub use calls::{Answer, CallState, CallStatus, CancelCall, GetCall, SubmitCall};
pub use error::{Code, Error};
pub use events::{Change, Event, EventKind, GetNews, News, Watch};
pub use logs::{LogLine, LogPage, LogQuery, SkippedLines, Stream};
pub use ops::{
    Applied, Apply, Began, Diagnostic, Done, GetStatus, Op, Origin, OsText, Reply, Request, Restart,
    SearchBuildLog, SearchLogs, Shutdown, Start, Stop, Why, WhyAnswer,
};
pub use reading::{GetRuns, KeptRun, LogWindow, ReadFrom, ReadLog, ReadOnly, Runs, WindowLine};
pub use status::{
    Alarm, BuildProgress, BuildStatus, EventLine, ExitStatus, ManagerStatus, Mode, Paths, ProcessKind,
    ProcessStatus, Sample, State, Status,
};
pub use tasks::{
    ClearTasks, EndTask, GetTask, InputSent, KillRequest, RunTask, SendInput, TaskCommand, TaskList,
    TaskReady, TaskReport, TaskState, TaskStatus,
};
pub use terminals::{Hello, Output, ResizeTerminal, SendSignal};
pub use waits::{Condition, Met, TargetState, WaitAnswer, WaitFor};

/// Calls a macro with every operation: `variant, request type`.
#[macro_export]
macro_rules! for_each_op {
    ($callback:ident) => {
        $callback! {
            GetStatus, Restart, Start, Stop, SearchLogs, SearchBuildLog, Why, Apply, Shutdown, RunTask, GetTask,
            EndTask, ClearTasks, SendInput, WaitFor, GetNews, SubmitCall, GetCall, CancelCall, ReadLog, GetRuns,
            SendSignal, ResizeTerminal
        }
    };
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the shape that serde calls")]
pub(crate) fn is_zero(number: &u64) -> bool {
    *number == 0
}
