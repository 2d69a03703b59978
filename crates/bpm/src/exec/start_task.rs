//! Starts the one run of a background task: the caller's environment, any directory, an input. Decides nothing.

use std::ffi::OsString;
use std::fs;
use std::path::Path;

use bpm_api::TaskCommand;
use bpm_core::config::{self, CommandLine};
use bpm_core::fleet::SpawnError;
use bpm_shim::plan::{Plan, Stdin};
use tokio::sync::mpsc;

use super::environment::{self, Env, Layers};
use super::refusal;
use super::start::{follow, make_dir, of_line, place_of};
use super::watch::{Command, Place, Told};
use super::world::World;
use crate::store::tasks::TaskRecord;

/// The size of a terminal that nobody has attached to: wide enough that few lines are broken.
pub(super) const TERMINAL: Stdin = Stdin::Terminal { rows: 40, columns: 160 };

/// Starts the run and stays with it until it is over.
pub async fn run(
    world: &World,
    task: &TaskRecord,
    number: u64,
    log_max_bytes: u64,
    commands: mpsc::UnboundedReceiver<Command>,
    tell: impl FnMut(Told) + Send,
) {
    let prepared = Box::pin(prepare(world, task, number, log_max_bytes));
    follow(world, prepared, commands, tell).await;
}

async fn prepare(
    world: &World,
    task: &TaskRecord,
    number: u64,
    log_max_bytes: u64,
) -> Result<(Plan, Place), SpawnError> {
    let id = task.id();
    let cwd = Path::new(&task.cwd);
    match fs::metadata(cwd) {
        Ok(meta) if meta.is_dir() => {}
        Ok(_) => return Err(refusal::lasting(format!("`{}` is not a directory", cwd.display()))),
        Err(error) => {
            return Err(refusal::of_io(&format!("cannot use the directory `{}`", cwd.display()), &error));
        }
    }
    let base = environment_of(world, task, cwd).await?;
    let dir = world.project.runs(&id).join(number.to_string());
    make_dir(&dir).map_err(|error| refusal::passing(format!("cannot make `{}`: {error}", dir.display())))?;
    let layers = Layers {
        base: &base,
        cargo: None,
        env_file: None,
        env: &config::Env(task.env.clone()),
        project: &world.project.root,
        process: &id,
        cwd,
    };
    let env = environment::build(&layers).map_err(|error| refusal::lasting(error.to_string()))?;
    let (program, argv0, args) = of_line(&command_line(&task.command), &[]);
    let place = place_of(world, &id, "task", number, dir, log_max_bytes);
    let mut plan = Plan::new(place.tag.clone(), program, cwd);
    plan.argv0 = argv0;
    plan.args = args;
    plan.env = env.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
    plan.cgroup.clone_from(&place.cgroup);
    plan.log_max_bytes = place.log_max_bytes;
    plan.open_files = world.open_files;
    plan.stdin = if task.pty { TERMINAL } else { Stdin::Pipe };
    Ok((plan, place))
}

fn command_line(command: &TaskCommand) -> CommandLine {
    match command {
        TaskCommand::Shell(line) => CommandLine::Shell(line.clone()),
        TaskCommand::Argv(argv) => CommandLine::Argv(argv.clone()),
    }
}

/// The caller's environment, or the manager's; with direnv's changes where an `.envrc` stands.
async fn environment_of(world: &World, task: &TaskRecord, cwd: &Path) -> Result<Env, SpawnError> {
    let base = match &task.base_env {
        Some(variables) => {
            let pairs = variables.iter().cloned();
            let env: Env = pairs.map(|(name, value)| (OsString::from(name), OsString::from(value))).collect();
            env.inheritable()
        }
        None => Env::clone(&world.environment()),
    };
    // the project's `.envrc` is no business of a task that runs elsewhere
    let root = &world.project.root;
    let scope = if cwd.starts_with(root) { root } else { cwd };
    let captured = world.direnv.environment(scope, cwd, &base).await;
    captured.map_err(|error| SpawnError { message: error.to_string(), permanent: error.is_lasting() })
}
