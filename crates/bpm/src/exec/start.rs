//! Starts one run: finds out what to execute and with which environment, makes its directory, launches
//! its shim, and watches it.

use std::ffi::OsString;
use std::fs;
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use bpm_core::config::{CommandLine, Kind, Process};
use bpm_core::fleet::SpawnError;
use bpm_core::ids::Mode;
use bpm_core::service::Artefact as Kept;
use bpm_shim::plan::Plan;
use tokio::sync::mpsc;

use super::environment::{self, Env, Layers};
use super::recipe::Recipe;
use super::watch::{Command, Place, Told, Watch};
use super::world::World;
use super::{artefact, cgroups, launching, package_manager, refusal, start_task};

/// Starts the run and stays with it until it is over.
pub async fn run(
    world: &World,
    process: &Process,
    number: u64,
    recipe: Mode,
    kept: Option<Kept>,
    commands: mpsc::UnboundedReceiver<Command>,
    tell: impl FnMut(Told) + Send,
) {
    // boxed: what preparing needs is not to be carried along for the run's whole life
    let prepared = Box::pin(prepare(world, process, number, recipe, kept));
    follow(world, prepared, commands, tell).await;
}

/// Launches what is being prepared, and stays with it until it is over.
pub(super) async fn follow(
    world: &World,
    prepared: impl Future<Output = Result<(Plan, Place), SpawnError>> + Send,
    mut commands: mpsc::UnboundedReceiver<Command>,
    mut tell: impl FnMut(Told) + Send,
) {
    let prepared = tokio::select! {
        prepared = prepared => prepared,
        () = told_to_end(&mut commands) => Err(refusal::passing("it was told to stop before it was started")),
    };
    let (plan, place) = match prepared {
        Ok(prepared) => prepared,
        Err(error) => return tell(Told::SpawnFailed(error)),
    };
    let launched = launching::launch(&world.executable, &place.dir, &plan).await;
    drop(plan); // a whole environment
    match launched {
        Ok(launched) => {
            Watch::new(place, false, tell).follow(launched.control, commands).await;
            launching::reap(launched.child).await;
        }
        Err(error) => tell(Told::SpawnFailed(refusal::passing(format!("cannot start a shim: {error}")))),
    }
}

/// Resolves when the run or build is to end before there is anything to end.
pub async fn told_to_end(commands: &mut mpsc::UnboundedReceiver<Command>) {
    loop {
        match commands.recv().await {
            Some(Command::Signal(_) | Command::Kill) | None => return,
            // there is nobody yet
            Some(
                Command::Survivors(_) | Command::Input { .. } | Command::Resize { .. } | Command::Live(_),
            ) => {}
        }
    }
}

/// Stays with a run of the manager before until it is over.
pub async fn adopt(
    world: &World,
    process: &str,
    number: u64,
    log_max_bytes: u64,
    commands: mpsc::UnboundedReceiver<Command>,
    tell: impl FnMut(Told) + Send,
) {
    let dir = world.project.runs(process).join(number.to_string());
    let place = place_of(world, process, "run", number, dir, log_max_bytes).as_planned();
    Watch::new(place, true, tell).adopt(commands).await;
}

/// A run that cannot even be tried.
pub fn refused(why: &str) -> Told {
    Told::SpawnFailed(refusal::lasting(why))
}

/// What identifies a run or build on this machine, in its environment and its cgroup's name.
pub fn place_of(
    world: &World,
    process: &str,
    what: &str,
    number: u64,
    dir: PathBuf,
    log_max_bytes: u64,
) -> Place {
    let tag = format!("{}-{process}-{what}-{number}", world.project.id);
    let cgroup = world.cgroup_base.as_deref().map(|base| cgroups::of_run(base, &tag));
    Place { dir, tag, cgroup, log_max_bytes }
}

/// Makes the directory of a run or build; its number is free only if this succeeds.
pub fn make_dir(dir: &Path) -> io::Result<()> {
    if let Some(parent) = dir.parent() {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(parent)?;
    }
    fs::DirBuilder::new().mode(0o700).create(dir)
}

async fn prepare(
    world: &World,
    process: &Process,
    number: u64,
    recipe: Mode,
    kept: Option<Kept>,
) -> Result<(Plan, Place), SpawnError> {
    let cwd = working_directory(world, process)?;
    let base = environment_of(world, &cwd).await?;
    let runs = world.project.runs(&process.name);
    let dir = runs.join(number.to_string());
    make_dir(&dir).map_err(|error| refusal::passing(format!("cannot make `{}`: {error}", dir.display())))?;
    let built = match kept {
        Some(kept) => Some(take_artefact(world, process, kept, &dir)?),
        None => None,
    };
    let (program, argv0, args) = program(world, process, recipe, &cwd, built.as_ref())?;
    let env_file = process.env_file.as_ref().map(|file| world.project.root.join(file));
    let layers = Layers {
        base: &base,
        cargo: built.as_ref().map(|built| &built.cargo_env),
        env_file: env_file.as_deref(),
        env: &process.env,
        project: &world.project.root,
        process: &process.name,
        cwd: &cwd,
    };
    let env = environment::build(&layers).map_err(|error| refusal::lasting(error.to_string()))?;
    let place = place_of(world, &process.name, "run", number, dir, process.logs.max_bytes);
    let mut plan = Plan::new(place.tag.clone(), program, cwd);
    plan.argv0 = argv0;
    plan.args = args;
    plan.env = env.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
    plan.cgroup.clone_from(&place.cgroup);
    plan.log_max_bytes = place.log_max_bytes;
    plan.open_files = world.open_files;
    if process.pty {
        plan.stdin = start_task::TERMINAL;
    }
    Ok((plan, place))
}

/// The process's directory, checked so that a missing one is not taken for a missing program.
pub fn working_directory(world: &World, process: &Process) -> Result<PathBuf, SpawnError> {
    let root = &world.project.root;
    let cwd = process.cwd.as_ref().map_or_else(|| root.clone(), |cwd| root.join(cwd));
    match fs::metadata(&cwd) {
        Ok(meta) if meta.is_dir() => Ok(cwd),
        Ok(_) => Err(refusal::lasting(format!("`{}` is not a directory", cwd.display()))),
        Err(error) => Err(refusal::of_io(&format!("cannot use the directory `{}`", cwd.display()), &error)),
    }
}

/// The inherited environment with direnv's changes, where there is an `.envrc`.
pub async fn environment_of(world: &World, cwd: &Path) -> Result<Env, SpawnError> {
    let base = world.environment();
    let captured = world.direnv.environment(&world.project.root, cwd, &base).await;
    captured.map_err(|error| SpawnError { message: error.to_string(), permanent: error.is_lasting() })
}

/// What to execute: program, its `argv[0]` where that differs, arguments.
type Program = (OsString, Option<OsString>, Vec<OsString>);

fn program(
    world: &World,
    process: &Process,
    recipe: Mode,
    cwd: &Path,
    built: Option<&Recipe>,
) -> Result<Program, SpawnError> {
    if let Some(line) = process.command_line(recipe) {
        return Ok(of_line(line, &process.args));
    }
    match (&process.kind, built) {
        (Kind::Rust(_), Some(built)) => {
            let choice = artefact::choose(&built.artefact);
            let args = process.args.iter().map(OsString::from).collect();
            Ok((choice.path.into_os_string(), Some(choice.argv0.into_os_string()), args))
        }
        (Kind::Rust(_), None) => Err(refusal::lasting("no build of it has left an executable yet")),
        (Kind::Npm, _) => {
            let argv = package_manager::dev_command(&world.project.root, cwd, &process.args);
            let mut argv =
                argv.map_err(|error| refusal::lasting(error.to_string()))?.into_iter().map(OsString::from);
            Ok((argv.next().unwrap_or_default(), None, argv.collect()))
        }
        (Kind::Command, _) => Err(refusal::lasting("it has no `command`")),
    }
}

/// An argv gets `args` appended; a shell line gets them as its positional parameters at its end.
pub fn of_line(line: &CommandLine, args: &[String]) -> Program {
    let more = args.iter().map(OsString::from);
    match line {
        CommandLine::Argv(argv) => {
            let mut argv = argv.iter().map(OsString::from);
            let program = argv.next().unwrap_or_default();
            (program, None, argv.chain(more).collect())
        }
        CommandLine::Shell(text) if args.is_empty() => ("sh".into(), None, vec!["-c".into(), text.into()]),
        CommandLine::Shell(text) => {
            let line = OsString::from(format!("{text} \"$@\""));
            ("sh".into(), None, ["-c".into(), line, "sh".into()].into_iter().chain(more).collect())
        }
    }
}

/// Takes over the executable that a build or an earlier run keeps: linked, so that it lives as long as
/// any run that used it.
fn take_artefact(world: &World, process: &Process, kept: Kept, dir: &Path) -> Result<Recipe, SpawnError> {
    let from = match kept {
        Kept::Build(build) => world.project.builds(&process.name).join(build.to_string()),
        Kept::Run(run) => world.project.runs(&process.name).join(run.to_string()),
    };
    Recipe::take(&from, dir).map_err(|error| {
        refusal::of_io(&format!("cannot take over the executable kept in `{}`", from.display()), &error)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(line: &CommandLine, args: &[&str]) -> Vec<String> {
        let args: Vec<String> = args.iter().map(ToString::to_string).collect();
        let (program, argv0, args) = of_line(line, &args);
        assert_eq!(argv0, None);
        std::iter::once(program).chain(args).map(|word| word.into_string().unwrap()).collect()
    }

    #[test]
    fn an_argv_gets_its_arguments_at_its_end() {
        let argv = CommandLine::Argv(vec!["serve".to_owned(), "-v".to_owned()]);
        assert_eq!(words(&argv, &[]), ["serve", "-v"]);
        assert_eq!(words(&argv, &["a b", "$HOME"]), ["serve", "-v", "a b", "$HOME"]);
    }

    #[test]
    fn a_shell_line_gets_its_arguments_as_words_that_no_shell_reads_again() {
        let line = CommandLine::Shell("printf '%s|'".to_owned());
        assert_eq!(words(&line, &[]), ["sh", "-c", "printf '%s|'"]);
        let with = words(&line, &["a b", "$HOME", "'"]);
        assert_eq!(with, ["sh", "-c", "printf '%s|' \"$@\"", "sh", "a b", "$HOME", "'"]);
        let output = std::process::Command::new(&with[0]).args(&with[1..]).output().unwrap();
        assert_eq!(String::from_utf8(output.stdout).unwrap(), "a b|$HOME|'|");
    }

    #[tokio::test]
    async fn a_question_is_no_order_to_end() {
        let (commands, mut received) = mpsc::unbounded_channel();
        let (answer, nobody) = tokio::sync::oneshot::channel();
        commands.send(Command::Survivors(answer)).unwrap();
        let asked = tokio::time::timeout(std::time::Duration::from_millis(20), told_to_end(&mut received));
        assert!(asked.await.is_err());
        assert!(nobody.await.is_err(), "who asks is not kept waiting");
        commands.send(Command::Signal(15)).unwrap();
        told_to_end(&mut received).await;
        drop(commands);
        told_to_end(&mut received).await;
    }

    #[test]
    fn a_number_is_free_only_once() {
        let dir = tempfile::tempdir().unwrap();
        let run = dir.path().join("processes/web/runs/1");
        make_dir(&run).unwrap();
        assert_eq!(make_dir(&run).unwrap_err().kind(), io::ErrorKind::AlreadyExists);
    }
}
