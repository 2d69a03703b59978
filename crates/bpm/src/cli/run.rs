//! `bpm run`

mod follow;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use bpm_api::{
    Code, Condition, Error, GetTask, RunTask, TaskCommand, TaskReady, TaskState, TaskStatus, WaitFor,
};
use bpm_core::fleet::signal_name;
use clap::Args;

use super::context::Context;
use super::failure::Failure;
use crate::client::{self, Persistent};
use crate::control::Control;
use crate::render;

/// Run a command in the background, as a task
///
/// It outlives this command, the terminal and the manager; its output is kept. Starts a manager where none runs.
/// Without `--wait` this returns once the task is ready, has ended, or the timeout is over, with what it has printed;
/// with `--wait` its output is passed on to the end, and its exit code is this one's (128 + n for signal n).
/// Ctrl-C leaves a task that is waited for running.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  bpm run -- npm run dev
  bpm run --name db --ready 5432 -- postgres -D ./data
  bpm run --ready 'listening on' -s 'PORT=3000 node server.js | tee log'
  bpm run --wait -- cargo test          exits as cargo does
  bpm stop t3                           ends it")]
pub(super) struct RunArgs {
    /// Its name: one that runs under it with the same command is left alone
    #[arg(long)]
    name: Option<String>,
    /// Working directory (default: this one; with --project the project)
    #[arg(long, value_name = "DIR")]
    cwd: Option<PathBuf>,
    /// A variable, added to the environment of this command
    #[arg(long, value_name = "K=V", value_parser = variable)]
    env: Vec<(String, String)>,
    /// When it counts as ready: a port that it listens on, or a line that it prints (regex)
    #[arg(long, value_name = "REGEX|PORT")]
    ready: Option<String>,
    /// Run it at a terminal
    #[arg(long)]
    pty: bool,
    /// End it after this long
    #[arg(long, value_name = "SECONDS", value_parser = super::seconds)]
    kill_after: Option<f64>,
    /// Pass its output on until it ends, then exit with its exit code
    #[arg(short, long)]
    wait: bool,
    /// How long to wait: with --wait for its end (default: for ever), else for ready (30) or a first look (1)
    #[arg(long, value_name = "SECONDS", value_parser = super::seconds)]
    timeout: Option<f64>,
    /// A line for `sh -c` instead of a program and its arguments
    #[arg(short, long, value_name = "LINE", conflicts_with = "command")]
    shell: Option<String>,
    /// Program and arguments
    #[arg(trailing_var_arg = true, required_unless_present = "shell", value_name = "CMD")]
    command: Vec<String>,
}

/// Without `--ready` a first look shows whether it fails at once.
const FIRST_LOOK: f64 = 1.0;
const UNTIL_READY: f64 = 30.0;
/// One question of a wait that may last for ever.
const ONE_WAIT: f64 = 3600.0;

pub(super) async fn run(args: RunArgs, cx: &Context) -> Result<ExitCode, Failure> {
    let manager = cx.persistent();
    let patience = match (args.wait, &args.ready) {
        (true, _) => 0.0,
        (false, Some(_)) => args.timeout.unwrap_or(UNTIL_READY),
        (false, None) => args.timeout.unwrap_or(FIRST_LOOK),
    };
    let cwd = directory(args.cwd.as_deref(), cx)?;
    let (wait, timeout) = (args.wait, args.timeout);
    let ask = RunTask {
        command: args.shell.map_or(TaskCommand::Argv(args.command), TaskCommand::Shell),
        name: args.name,
        cwd: Some(cwd),
        env: (!args.env.is_empty()).then(|| args.env.into_iter().collect::<BTreeMap<_, _>>()),
        ready: args.ready.map(|ready| ready.parse().map_or(TaskReady::Pattern(ready), TaskReady::Port)),
        pty: args.pty.then_some(true),
        timeout_seconds: Some(patience),
        kill_after_seconds: args.kill_after,
        base_env: None,
    };
    let report = manager.ask(ask, client::origin()).await?;
    if wait {
        return wait_for_end(&report.task.task_id, timeout, &manager, cx).await;
    }
    cx.printer.show(&report, render::task)?;
    Ok(match report.task.state {
        TaskState::Running | TaskState::Completed => ExitCode::SUCCESS,
        TaskState::Failed | TaskState::Killed | TaskState::Lost => ExitCode::FAILURE,
    })
}

/// Passes its output on, and then its exit code.
async fn wait_for_end(
    id: &str,
    timeout: Option<f64>,
    manager: &Persistent,
    cx: &Context,
) -> Result<ExitCode, Failure> {
    let ended = end_of(id, timeout, manager);
    let ended = match cx.printer.json() {
        true => ended.await,
        false => follow::during(&cx.project()?, id, &cx.printer, ended).await?,
    };
    if !ended? {
        return Err(Error::new(Code::TimedOut, format!("task {id} has not ended, and goes on"))
            .hint(format!("`bpm wait {id}` waits on, `bpm stop {id}` ends it"))
            .into());
    }
    let ask = GetTask { task_id: Some(id.to_owned()), lines: Some(0), cursor: None };
    let task = manager.ask(ask, client::origin()).await?.tasks.pop();
    let task = task.ok_or_else(|| Error::new(Code::UnknownTask, format!("task {id} is no longer known")))?;
    if cx.printer.json() {
        cx.printer.json_line(&task)?;
    }
    if let (None, None) = (task.exit_code, &task.signal) {
        let note = task.note.as_deref().unwrap_or("nobody knows how it ended");
        cx.printer.note(&format!("task {id}: {}: {}", task.state.as_str(), render::safe_line(note)));
    }
    Ok(exit_code(&task))
}

/// Whether it has ended before the time was over.
async fn end_of(id: &str, timeout: Option<f64>, manager: &Persistent) -> Result<bool, Error> {
    let deadline =
        timeout.map(|seconds| std::time::Instant::now() + std::time::Duration::from_secs_f64(seconds));
    loop {
        let left = deadline.map(|at| at.saturating_duration_since(std::time::Instant::now()).as_secs_f64());
        let ask = WaitFor {
            targets: vec![id.to_owned()],
            until: Some(vec![Condition::Exit]),
            timeout_seconds: Some(left.unwrap_or(ONE_WAIT).min(ONE_WAIT)),
            ..WaitFor::default()
        };
        let answer = manager.ask(ask, client::origin()).await?;
        if answer.met.is_some() {
            return Ok(true);
        }
        if left.is_some_and(|left| left <= ONE_WAIT) {
            return Ok(false);
        }
    }
}

/// As a shell has it.
fn exit_code(task: &TaskStatus) -> ExitCode {
    let code = task.exit_code.and_then(|code| u8::try_from(code).ok());
    let number = |signal: &String| {
        (1..=64_u8).find(|number| match signal_name(i32::from(*number)) {
            Some(name) => name == signal,
            None => signal.parse() == Ok(*number),
        })
    };
    let signal = task.signal.as_ref().and_then(number).map(|number| 128 + number);
    ExitCode::from(code.or(signal).unwrap_or(1))
}

fn directory(named: Option<&Path>, cx: &Context) -> Result<String, Error> {
    let unusable = |error: std::io::Error| {
        let shown = named.unwrap_or(Path::new(".")).display();
        Error::new(Code::InvalidParameter, format!("`{shown}` cannot be the working directory: {error}"))
            .hint("name a directory that exists with `--cwd DIR`")
    };
    let directory = match (named, cx.is_elsewhere()) {
        (Some(named), _) => named.canonicalize().map_err(unusable)?,
        (None, true) => cx.project()?.root,
        (None, false) => std::env::current_dir().map_err(unusable)?,
    };
    directory.into_os_string().into_string().map_err(|raw| {
        let shown = Path::new(&raw).display().to_string();
        Error::new(Code::InvalidParameter, format!("the working directory `{shown}` is not UTF-8"))
    })
}

fn variable(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        Some(_) | None => Err("expected NAME=VALUE".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use bpm_api::{TaskState, TaskStatus};
    use std::process::ExitCode;

    use super::{exit_code, variable};

    fn ended(exit_code: Option<i32>, signal: Option<&str>) -> TaskStatus {
        TaskStatus {
            task_id: "t1".to_owned(),
            name: None,
            command: "x".to_owned(),
            cwd: "/".to_owned(),
            state: TaskState::Failed,
            exit_code,
            signal: signal.map(str::to_owned),
            pid: None,
            ready: None,
            pty: false,
            started: String::new(),
            seconds: 0.0,
            ended_ago_seconds: Some(0.0),
            kill_requested: None,
            kill_in_seconds: None,
            survivors: Vec::new(),
            note: None,
            by: "cli ann".to_owned(),
            sample: None,
        }
    }

    #[test]
    fn the_exit_code_is_the_tasks_as_a_shell_has_it() {
        let rows = [
            (Some(0), None, 0),
            (Some(101), None, 101),
            (Some(255), None, 255),
            (None, Some("KILL"), 137),
            (None, Some("SEGV"), 139),
            (None, Some("TERM"), 143),
            (None, Some("nothing"), 1),
            (None, None, 1),
        ];
        for (code, signal, expected) in rows {
            let found = exit_code(&ended(code, signal));
            assert_eq!(
                format!("{found:?}"),
                format!("{:?}", ExitCode::from(expected)),
                "{code:?} {signal:?}"
            );
        }
    }

    #[test]
    fn a_variable_has_a_name_and_any_value() {
        assert_eq!(variable("A=b=c"), Ok(("A".to_owned(), "b=c".to_owned())));
        assert_eq!(variable("A="), Ok(("A".to_owned(), String::new())));
        for wrong in ["A", "=b", ""] {
            assert!(variable(wrong).is_err());
        }
    }
}
