//! Runs one build under a shim of its own, so that it outlives the manager, and finds out what came of it.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use bpm_core::config::{Kind, Process};
use bpm_core::fleet::{BuildFailure, BuildOutcome, SpawnError};
use bpm_core::ids::Mode;
use bpm_shim::plan::Plan;
use bpm_shim::protocol::Status;
use tokio::sync::mpsc;

use super::cargo::Wanted;
use super::cargo_helper::{BuildResult, BuildSpec};
use super::environment::{self, Layers};
use super::recipe::Recipe;
use super::start::{environment_of, make_dir, of_line, place_of, told_to_end, working_directory};
use super::watch::{Command, Place, Told, Watch};
use super::world::World;
use super::{build_progress, build_report, launching};
use crate::store::build_progress::Progress;

/// Whether bpm's own cargo build makes the executable, and so knows where it is.
pub fn leaves_executable(process: &Process) -> bool {
    matches!(process.kind, Kind::Rust(_)) && process.build.dev.is_none() && process.build.release.is_none()
}

/// Builds, and waits for the end. `progress` hears how far it is, at most as often as the build says so.
pub async fn run(
    world: &World,
    process: &Process,
    number: u64,
    recipe: Mode,
    mut commands: mpsc::UnboundedReceiver<Command>,
    progress: impl Fn(Progress) + Send,
) -> BuildOutcome {
    let prepared = tokio::select! {
        prepared = prepare(world, process, number, recipe) => prepared,
        () = told_to_end(&mut commands) => return BuildOutcome::Cancelled,
    };
    let (plan, place) = match prepared {
        Ok(prepared) => prepared,
        Err(reason) => return failed(reason),
    };
    let launched = match launching::launch(&world.executable, &place.dir, &plan).await {
        Ok(launched) => launched,
        Err(error) => return failed(format!("cannot start a shim: {error}")),
    };
    let end = End::default();
    let dir = place.dir.clone();
    let over = Watch::new(place, false, end.listener()).follow(launched.control, commands);
    build_progress::during(over, &dir, progress).await;
    launching::reap(launched.child).await;
    conclude(dir, leaves_executable(process), end).await
}

/// Waits for the end of a build that the manager before began; `progress` as in [`run`].
pub async fn adopt(
    world: &World,
    process: &str,
    number: u64,
    leaves_executable: bool,
    commands: mpsc::UnboundedReceiver<Command>,
    progress: impl Fn(Progress) + Send,
) -> BuildOutcome {
    let dir = world.project.builds(process).join(number.to_string());
    if !dir.exists() {
        return BuildOutcome::NeverStarted;
    }
    let place = place_of(world, process, "build", number, dir.clone(), BUILD_LOG_BYTES).as_planned();
    let end = End::default();
    let over = Watch::new(place, true, end.listener()).adopt(commands);
    build_progress::during(over, &dir, progress).await;
    conclude(dir, leaves_executable, end).await
}

/// The hidden subcommand that runs a cargo build; `main` dispatches it before any runtime.
pub const SUBCOMMAND: &str = "__cargo-build";
const SPEC_FILE: &str = "build.json";
const BUILD_LOG_BYTES: u64 = 64 << 20;

/// How the build's program ended, as its watch heard it.
#[derive(Clone, Default)]
struct End(Arc<Mutex<Option<Heard>>>);

enum Heard {
    Status(Status),
    NotStarted(SpawnError),
    Lost,
    Never,
}

impl End {
    fn listener(&self) -> impl FnMut(Told) + Send + use<> {
        let end = self.clone();
        move |told| {
            let heard = match told {
                Told::Exited { status, .. } => Heard::Status(status),
                Told::SpawnFailed(error) => Heard::NotStarted(error),
                Told::Lost => Heard::Lost,
                Told::NeverStarted => Heard::Never,
                Told::Started { .. } | Told::TreeEmpty | Told::Alarm { .. } => return,
            };
            end.0.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(heard);
        }
    }

    fn take(self) -> Option<Heard> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

async fn conclude(dir: PathBuf, leaves_executable: bool, end: End) -> BuildOutcome {
    let status = match end.take() {
        Some(Heard::Status(status)) => status,
        Some(Heard::NotStarted(error)) => return failed(error.message),
        Some(Heard::Never) => return BuildOutcome::NeverStarted,
        Some(Heard::Lost) | None => return BuildOutcome::Lost,
    };
    let ok = status == Status::Code(0);
    let concluded = tokio::task::spawn_blocking(move || match (ok, leaves_executable) {
        (true, true) => keep_executable(&dir),
        (true, false) => BuildOutcome::Built { artefact: false },
        (false, _) => failed(build_report::summary(&dir, status)),
    });
    concluded.await.unwrap_or(BuildOutcome::Lost)
}

/// The build helper has kept the executable already; it becomes the recipe that runs take over.
fn keep_executable(dir: &Path) -> BuildOutcome {
    let result = match BuildResult::load(dir) {
        Ok(Some(result)) => result,
        Ok(None) => return failed("cargo succeeded, but left no result".to_owned()),
        Err(error) => return failed(format!("cargo succeeded, but its result cannot be read: {error}")),
    };
    if let Some(warning) = &result.warning {
        tracing::warn!("{}: {warning}", dir.display());
    }
    let Some(artefact) = result.artefact else {
        return failed("cargo succeeded, but named no executable".to_owned());
    };
    match (Recipe { artefact, cargo_env: result.cargo_env }).write(dir) {
        Ok(()) => BuildOutcome::Built { artefact: true },
        Err(error) => failed(format!("cannot write into `{}`: {error}", dir.display())),
    }
}

fn newest(dir: &Path) -> Option<PathBuf> {
    let entries = std::fs::read_dir(dir).ok()?.flatten();
    let newest = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<u64>().ok()).max()?;
    Some(dir.join(newest.to_string()))
}

async fn prepare(
    world: &World,
    process: &Process,
    number: u64,
    recipe: Mode,
) -> Result<(Plan, Place), String> {
    let cwd = working_directory(world, process).map_err(|error| error.message)?;
    let base = environment_of(world, &cwd).await.map_err(|error| error.message)?;
    let dir = world.project.builds(&process.name).join(number.to_string());
    make_dir(&dir).map_err(|error| format!("cannot make `{}`: {error}", dir.display()))?;
    let env_file = process.env_file.as_ref().map(|file| world.project.root.join(file));
    let layers = Layers {
        base: &base,
        cargo: None,
        env_file: env_file.as_deref(),
        env: &process.env,
        project: &world.project.root,
        process: &process.name,
        cwd: &cwd,
    };
    let env = environment::build(&layers).map_err(|error| error.to_string())?;
    let place =
        place_of(world, &process.name, "build", number, dir, BUILD_LOG_BYTES.min(process.logs.max_bytes));
    let mut plan = plan_of(world, process, recipe, &cwd, &place)?;
    plan.env = env.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
    plan.cgroup.clone_from(&place.cgroup);
    plan.log_max_bytes = place.log_max_bytes;
    plan.leave_behind = true;
    plan.open_files = world.open_files;
    Ok((plan, place))
}

fn plan_of(
    world: &World,
    process: &Process,
    recipe: Mode,
    cwd: &Path,
    place: &Place,
) -> Result<Plan, String> {
    if let Some(line) = process.build.get(recipe) {
        let (program, argv0, args) = of_line(line, &[]);
        let mut plan = Plan::new(place.tag.clone(), program, cwd);
        plan.argv0 = argv0;
        plan.args = args;
        return Ok(plan);
    }
    let Kind::Rust(target) = &process.kind else { return Err("it has no build".to_owned()) };
    let previous = newest(&world.project.runs(&process.name)).and_then(|run| Recipe::read(&run).ok());
    let spec = BuildSpec {
        dir: cwd.to_owned(),
        build_dir: place.dir.clone(),
        wanted: Wanted { package: target.package.clone(), bin: target.bin.clone() },
        features: target.features.clone(),
        profile: target.profile.get(recipe).clone(),
        previous: previous.map(|recipe| recipe.artefact),
    };
    let file = place.dir.join(SPEC_FILE);
    spec.save(&file).map_err(|error| format!("cannot write the build's plan: {error}"))?;
    let mut plan = Plan::new(place.tag.clone(), world.executable.clone(), cwd);
    plan.argv0 = Some("bpm".into());
    plan.args = vec![SUBCOMMAND.into(), file.into()];
    Ok(plan)
}

fn failed(reason: String) -> BuildOutcome {
    BuildOutcome::Failed(BuildFailure { reason })
}
