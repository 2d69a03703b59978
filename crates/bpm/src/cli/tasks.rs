//! `bpm tasks`

use std::process::ExitCode;

use bpm_api::{ClearTasks, Done, GetTask, TaskState};
use clap::Args;

use super::context::Context;
use super::failure::Failure;
use crate::render;

/// Ended tasks that are shown without `--all`.
const FEW_ENDED: usize = 10;

/// Show background tasks: those that run, and those that ended last
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  bpm tasks
  bpm tasks t3                  one, with its last lines
  bpm tasks --clear             forget those that have ended, with their logs
  bpm tasks --json | jq '.tasks[] | select(.state == \"failed\")'")]
pub(super) struct TasksArgs {
    /// Only this one, by id or name, with what it printed
    #[arg(value_name = "TASK", conflicts_with_all = ["all", "clear"])]
    task: Option<String>,
    /// All that are known
    #[arg(long, conflicts_with = "clear")]
    all: bool,
    /// Forget this one, or all that have ended, with their logs
    #[arg(long, value_name = "TASK", num_args = 0..=1, default_missing_value = "")]
    clear: Option<String>,
}

pub(super) async fn run(args: TasksArgs, cx: &Context) -> Result<ExitCode, Failure> {
    if let Some(clear) = args.clear {
        let done = cx.ask(ClearTasks { task_id: Some(clear).filter(|task| !task.is_empty()) }).await?;
        return cx.printer.show(&done, |Done { message }, _| format!("{}\n", render::safe_line(message)));
    }
    let one = args.task.is_some();
    let mut list = cx.ask(GetTask { task_id: args.task, ..GetTask::default() }).await?;
    let mut more = 0;
    if !args.all && !one {
        let mut ended = 0;
        let before = list.tasks.len();
        list.tasks.retain(|task| {
            ended += usize::from(task.state != TaskState::Running);
            task.state == TaskState::Running || ended <= FEW_ENDED
        });
        more = before - list.tasks.len();
    }
    cx.printer.show(&list, |list, style| render::tasks(list, more as u64, style))
}
