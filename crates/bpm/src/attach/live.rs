//! The run that is attached to: which it is, what it printed last, and how it ended.

use std::fmt::Write as _;
use std::time::Duration;

use bpm_api::{
    Code, Error, GetStatus, Origin, ProcessStatus, ReadFrom, ReadLog, ReadOnly, Status, TaskState, TaskStatus,
};
use tokio::time::timeout;

use super::How;
use crate::control::Control;

/// How long a manager may take to say how a run ended.
const PATIENCE: Duration = Duration::from_secs(5);
/// Bytes of the last lines, and of one of them.
const MAX_BYTES: u64 = 64 << 10;
const MAX_LINE_BYTES: u32 = 4 << 10;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Live {
    pub(super) id: String,
    pub(super) run: u64,
}

impl Live {
    /// The live run of a process or task, if it has a terminal.
    pub(super) async fn find<C: Control>(control: &C, target: &str, origin: &Origin) -> Result<Live, Error> {
        let status = ask(control, target, origin).await?;
        let (id, run, pty) = match (status.processes.first(), status.tasks.first()) {
            (Some(process), _) => (&process.name, process.run.filter(|_| process.pid.is_some()), process.pty),
            (None, Some(task)) => (&task.task_id, runs(task).then_some(1), task.pty),
            (None, None) => {
                return Err(Error::new(Code::UnknownProcess, format!("there is nothing called `{target}`")));
            }
        };
        let Some(run) = run else {
            return Err(Error::new(Code::NotReady, format!("`{id}` is not running")).hint(format!(
                "`bpm logs {id}` shows what it printed; `bpm why {id}` says why it does not run"
            )));
        };
        match pty {
            true => Ok(Live { id: id.clone(), run }),
            false => Err(no_terminal(id, status.processes.is_empty())),
        }
    }

    /// What it printed last, as many lines as there are rows, with nothing but their colours.
    pub(super) async fn last_lines<C: Control>(&self, control: &C, rows: u16, origin: &Origin) -> String {
        let read = ReadLog {
            target: self.id.clone(),
            builds: false,
            run: Some(self.run),
            from: ReadFrom::End,
            // one is for the notice
            lines: u32::from(rows.saturating_sub(1)),
            only: ReadOnly::All,
            max_bytes: Some(MAX_BYTES),
            max_line_bytes: Some(MAX_LINE_BYTES),
        };
        let mut text = String::new();
        // what cannot be had is no reason not to attach
        for line in control.ask(read, origin.clone()).await.map(|window| window.lines).unwrap_or_default() {
            let end = if line.open { "" } else { "\r\n" };
            let _ = write!(text, "{}\x1b[0m{end}", line.text);
        }
        text
    }

    /// What became of it, when nothing more comes from it.
    pub(super) async fn end<C: Control>(&self, control: &C, origin: &Origin) -> How {
        let Ok(Ok(status)) = timeout(PATIENCE, ask(control, &self.id, origin)).await else {
            return How::ManagerGone;
        };
        match (status.processes.first(), status.tasks.first()) {
            // another manager has it now, or this one is ending
            (Some(process), _) if process.run == Some(self.run) => How::ManagerGone,
            (None, Some(task)) if runs(task) => How::ManagerGone,
            (Some(process), _) => How::Ended(self.of_process(process)),
            (None, Some(task)) => How::Ended(Some(of_task(task))),
            (None, None) => How::Ended(None),
        }
    }

    fn of_process(&self, process: &ProcessStatus) -> Option<String> {
        let exit = process.last_exit.as_ref().filter(|exit| exit.run == self.run)?;
        let how = match (exit.code, &exit.signal) {
            (Some(code), _) => format!("exited with {code}"),
            (None, Some(signal)) => format!("killed by {signal}"),
            (None, None) => "lost with its shim".to_owned(),
        };
        Some(match process.run {
            Some(next) => format!("{how}; run {next} has taken its place"),
            None => how,
        })
    }
}

fn runs(task: &TaskStatus) -> bool {
    task.state == TaskState::Running && task.pid.is_some()
}

fn of_task(task: &TaskStatus) -> String {
    match (task.exit_code, &task.signal) {
        (Some(code), _) => format!("exited with {code}"),
        (None, Some(signal)) => format!("killed by {signal}"),
        (None, None) => task.state.as_str().to_owned(),
    }
}

async fn ask<C: Control>(control: &C, target: &str, origin: &Origin) -> Result<Status, Error> {
    control
        .ask(
            GetStatus { process: Some(target.to_owned()), brief: true, ..GetStatus::default() },
            origin.clone(),
        )
        .await
}

fn no_terminal(id: &str, is_task: bool) -> Error {
    let way = match is_task {
        true => "`bpm run --pty` runs a command on one",
        false => "`pty = true` in its configuration gives it one, from its next start on",
    };
    Error::new(Code::NoTerminal, format!("`{id}` has no terminal to attach to"))
        .hint(format!("{way}; without one: `bpm logs -f {id}`, `bpm send {id}`"))
}
