//! The `intent` file: what must survive the manager, written before a step's actions are performed and
//! replaced as a whole. The only place that knows both the core's snapshot and its JSON.

use std::fs;
use std::io;
use std::path::Path;
use std::time::Duration;

use bpm_core::fleet::{BuildFailure, Ending, Snapshot, SpawnError};
use bpm_core::ids::Mode;
use bpm_core::service::{
    Artefact, Cause, Intent, LastBuild, LastExit, LastLive, Rest, ServiceSnapshot, SnapshotPhase,
    SnapshotRun, StopReason, TaskRules,
};
use bpm_core::time::Time;
use serde::{Deserialize, Serialize};

use super::paths::Project;

const VERSION: u32 = 1;

/// Writes the snapshot.
pub fn save(project: &Project, snapshot: &Snapshot) -> io::Result<()> {
    let file = IntentFile {
        version: VERSION,
        world: super::world_id().to_owned(),
        mode: mode_out(snapshot.mode),
        mode_since: snapshot.mode_since.as_nanos(),
        last_activity: snapshot.last_activity.as_nanos(),
        ended: snapshot.ended,
        services: snapshot.services.iter().map(service_out).collect(),
        next_task: snapshot.next_task,
        keys: snapshot.keys.iter().map(|(key, of)| (key.to_string(), of.to_string())).collect(),
    };
    let text = serde_json::to_vec(&file).map_err(io::Error::other)?;
    super::write_atomically(&project.intent(), &text)
}

/// Reads what the manager before left. Of another boot, machine or pid namespace, or after an orderly
/// end, only what is true at rest is taken over. `None`: there is none, or none that can be read.
pub fn load(project: &Project, now: Time) -> Option<Snapshot> {
    let path = project.intent();
    let file = match read(&path) {
        Ok(file) => file?,
        Err(error) => {
            tracing::warn!("cannot use {}: {error}; what is alive is looked for instead", path.display());
            return None;
        }
    };
    let same_world = file.world == super::world_id();
    let snapshot = Snapshot {
        mode: mode_in(file.mode),
        mode_since: Time::from_nanos(file.mode_since),
        last_activity: Time::from_nanos(file.last_activity),
        ended: file.ended,
        services: file.services.into_iter().map(service_in).collect(),
        next_task: file.next_task.max(1),
        keys: file.keys.into_iter().map(|(key, of)| (key.into(), of.into())).collect(),
    };
    Some(if same_world && !snapshot.ended { snapshot } else { snapshot.at_rest(now) })
}

fn read(path: &Path) -> io::Result<Option<IntentFile>> {
    let text = match fs::read(path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    // the version first: another one may have another shape
    match serde_json::from_slice(&text)? {
        Versioned { version: VERSION } => Ok(Some(serde_json::from_slice(&text)?)),
        Versioned { version } => Err(io::Error::other(format!("it is of version {version}"))),
    }
}

#[derive(Deserialize)]
struct Versioned {
    version: u32,
}

#[derive(Serialize, Deserialize)]
struct IntentFile {
    version: u32,
    world: String,
    mode: ModeDto,
    mode_since: u64,
    last_activity: u64,
    ended: bool,
    services: Vec<ServiceDto>,
    #[serde(default)]
    next_task: u64,
    #[serde(default)]
    keys: Vec<(String, String)>,
}

#[derive(Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum ModeDto {
    Dev,
    Release,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum IntentDto {
    Up,
    Idle,
    Down,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum CauseDto {
    Boot,
    Restart,
    Start,
    ReleaseSwitch,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum ReasonDto {
    Swap,
    Asked,
    TimeLimit,
    Shutdown,
    Leftovers,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum PhaseDto {
    Waiting,
    Started,
    Stopping(ReasonDto),
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum ArtefactDto {
    Build(u64),
    Run(u64),
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum EndingDto {
    Code(i32),
    Signal(i32),
    Lost,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum RestDto {
    CrashLooping { crashes: u32, within_ns: u64 },
    CannotStart { message: String, permanent: bool },
    BuildFailed { build: u64, reason: String },
    Ended { ending: EndingDto },
}

#[derive(Serialize, Deserialize)]
struct RunDto {
    number: u64,
    recipe: ModeDto,
    artefact: Option<ArtefactDto>,
    build: Option<u64>,
    phase: PhaseDto,
}

#[derive(Serialize, Deserialize)]
struct TaskDto {
    kill_after_ns: Option<u64>,
}

#[derive(Serialize, Deserialize)]
struct ServiceDto {
    name: String,
    /// A background task, and its time limit in nanoseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    task: Option<TaskDto>,
    intent: IntentDto,
    live: Option<RunDto>,
    retiring: Vec<RunDto>,
    next: Option<(ModeDto, CauseDto, Option<u64>)>,
    cancelling: Option<u64>,
    crashes: u32,
    last_wait_ns: u64,
    due: Option<u64>,
    crash_times: Vec<u64>,
    rest: Option<RestDto>,
    last_live: Option<(u64, ModeDto, Option<ArtefactDto>)>,
    last_exit: Option<(u64, EndingDto, u64, bool)>,
    last_build: Option<(u64, ModeDto, Option<String>, u64)>,
    /// Nanoseconds, like all times here.
    #[serde(default)]
    last_build_took: Option<u64>,
    #[serde(default)]
    build_since: Option<u64>,
    next_run: u64,
    next_build: u64,
    starts: u64,
}

fn service_out(service: &ServiceSnapshot) -> ServiceDto {
    ServiceDto {
        name: service.name.to_string(),
        task: service.task.map(|task| TaskDto { kill_after_ns: task.kill_after.map(nanos) }),
        intent: match service.intent {
            Intent::Up => IntentDto::Up,
            Intent::Idle => IntentDto::Idle,
            Intent::Down => IntentDto::Down,
        },
        live: service.live.map(run_out),
        retiring: service.retiring.iter().copied().map(run_out).collect(),
        next: service.next.map(|(mode, cause, build)| (mode_out(mode), cause_out(cause), build)),
        cancelling: service.cancelling,
        crashes: service.crashes,
        last_wait_ns: nanos(service.last_wait),
        due: service.due.map(Time::as_nanos),
        crash_times: service.crash_times.iter().map(|time| time.as_nanos()).collect(),
        rest: service.rest.as_ref().map(rest_out),
        last_live: service
            .last_live
            .map(|last| (last.run, mode_out(last.recipe), last.artefact.map(artefact_out))),
        last_exit: service
            .last_exit
            .as_ref()
            .map(|e| (e.run, ending_out(e.ending), e.at.as_nanos(), e.asked)),
        last_build: service.last_build.as_ref().map(|build| {
            let failure = build.failure.as_ref().map(|failure| failure.reason.clone());
            (build.number, mode_out(build.recipe), failure, build.at.as_nanos())
        }),
        last_build_took: service.last_build.as_ref().and_then(|build| build.took).map(nanos),
        build_since: service.build_since.map(Time::as_nanos),
        next_run: service.next_run,
        next_build: service.next_build,
        starts: service.starts,
    }
}

fn service_in(service: ServiceDto) -> ServiceSnapshot {
    ServiceSnapshot {
        name: service.name.into(),
        task: service.task.map(|task| TaskRules { kill_after: task.kill_after_ns.map(Duration::from_nanos) }),
        intent: match service.intent {
            IntentDto::Up => Intent::Up,
            IntentDto::Idle => Intent::Idle,
            IntentDto::Down => Intent::Down,
        },
        live: service.live.map(run_in),
        retiring: service.retiring.into_iter().map(run_in).collect(),
        next: service.next.map(|(mode, cause, build)| (mode_in(mode), cause_in(&cause), build)),
        cancelling: service.cancelling,
        crashes: service.crashes,
        last_wait: Duration::from_nanos(service.last_wait_ns),
        due: service.due.map(Time::from_nanos),
        crash_times: service.crash_times.into_iter().map(Time::from_nanos).collect(),
        rest: service.rest.map(rest_in),
        last_live: service.last_live.map(|(run, recipe, artefact)| LastLive {
            run,
            recipe: mode_in(recipe),
            artefact: artefact.map(|artefact| artefact_in(&artefact)),
        }),
        last_exit: service.last_exit.map(|(run, ending, at, asked)| LastExit {
            run,
            ending: ending_in(&ending),
            at: Time::from_nanos(at),
            asked,
        }),
        last_build: service.last_build.map(|(number, recipe, failure, at)| LastBuild {
            number,
            recipe: mode_in(recipe),
            failure: failure.map(|reason| BuildFailure { reason }),
            at: Time::from_nanos(at),
            took: service.last_build_took.map(Duration::from_nanos),
        }),
        build_since: service.build_since.map(Time::from_nanos),
        next_run: service.next_run,
        next_build: service.next_build,
        starts: service.starts,
    }
}

fn run_out(run: SnapshotRun) -> RunDto {
    let phase = match run.phase {
        SnapshotPhase::Waiting => PhaseDto::Waiting,
        SnapshotPhase::Started => PhaseDto::Started,
        SnapshotPhase::Stopping(StopReason::Swap) => PhaseDto::Stopping(ReasonDto::Swap),
        SnapshotPhase::Stopping(StopReason::Asked) => PhaseDto::Stopping(ReasonDto::Asked),
        SnapshotPhase::Stopping(StopReason::TimeLimit) => PhaseDto::Stopping(ReasonDto::TimeLimit),
        SnapshotPhase::Stopping(StopReason::Shutdown) => PhaseDto::Stopping(ReasonDto::Shutdown),
        SnapshotPhase::Stopping(StopReason::Leftovers) => PhaseDto::Stopping(ReasonDto::Leftovers),
    };
    RunDto {
        number: run.number,
        recipe: mode_out(run.recipe),
        artefact: run.artefact.map(artefact_out),
        build: run.build,
        phase,
    }
}

fn run_in(run: RunDto) -> SnapshotRun {
    let phase = match run.phase {
        PhaseDto::Waiting => SnapshotPhase::Waiting,
        PhaseDto::Started => SnapshotPhase::Started,
        PhaseDto::Stopping(ReasonDto::Swap) => SnapshotPhase::Stopping(StopReason::Swap),
        PhaseDto::Stopping(ReasonDto::Asked) => SnapshotPhase::Stopping(StopReason::Asked),
        PhaseDto::Stopping(ReasonDto::TimeLimit) => SnapshotPhase::Stopping(StopReason::TimeLimit),
        PhaseDto::Stopping(ReasonDto::Shutdown) => SnapshotPhase::Stopping(StopReason::Shutdown),
        PhaseDto::Stopping(ReasonDto::Leftovers) => SnapshotPhase::Stopping(StopReason::Leftovers),
    };
    SnapshotRun {
        number: run.number,
        recipe: mode_in(run.recipe),
        artefact: run.artefact.map(|artefact| artefact_in(&artefact)),
        build: run.build,
        phase,
    }
}

fn rest_out(rest: &Rest) -> RestDto {
    match rest {
        Rest::CrashLooping { crashes, within } => {
            RestDto::CrashLooping { crashes: *crashes, within_ns: nanos(*within) }
        }
        Rest::CannotStart { error } => {
            RestDto::CannotStart { message: error.message.clone(), permanent: error.permanent }
        }
        Rest::BuildFailed { build, failure } => {
            RestDto::BuildFailed { build: *build, reason: failure.reason.clone() }
        }
        Rest::Ended { ending } => RestDto::Ended { ending: ending_out(*ending) },
    }
}

fn rest_in(rest: RestDto) -> Rest {
    match rest {
        RestDto::CrashLooping { crashes, within_ns } => {
            Rest::CrashLooping { crashes, within: Duration::from_nanos(within_ns) }
        }
        RestDto::CannotStart { message, permanent } => {
            Rest::CannotStart { error: SpawnError { message, permanent } }
        }
        RestDto::BuildFailed { build, reason } => {
            Rest::BuildFailed { build, failure: BuildFailure { reason } }
        }
        RestDto::Ended { ending } => Rest::Ended { ending: ending_in(&ending) },
    }
}

fn mode_out(mode: Mode) -> ModeDto {
    match mode {
        Mode::Dev => ModeDto::Dev,
        Mode::Release => ModeDto::Release,
    }
}

fn mode_in(mode: ModeDto) -> Mode {
    match mode {
        ModeDto::Dev => Mode::Dev,
        ModeDto::Release => Mode::Release,
    }
}

fn cause_out(cause: Cause) -> CauseDto {
    match cause {
        Cause::Boot => CauseDto::Boot,
        Cause::Restart => CauseDto::Restart,
        Cause::Start => CauseDto::Start,
        Cause::ReleaseSwitch => CauseDto::ReleaseSwitch,
    }
}

fn cause_in(cause: &CauseDto) -> Cause {
    match cause {
        CauseDto::Boot => Cause::Boot,
        CauseDto::Restart => Cause::Restart,
        CauseDto::Start => Cause::Start,
        CauseDto::ReleaseSwitch => Cause::ReleaseSwitch,
    }
}

fn artefact_out(artefact: Artefact) -> ArtefactDto {
    match artefact {
        Artefact::Build(number) => ArtefactDto::Build(number),
        Artefact::Run(number) => ArtefactDto::Run(number),
    }
}

fn artefact_in(artefact: &ArtefactDto) -> Artefact {
    match artefact {
        ArtefactDto::Build(number) => Artefact::Build(*number),
        ArtefactDto::Run(number) => Artefact::Run(*number),
    }
}

fn ending_out(ending: Ending) -> EndingDto {
    match ending {
        Ending::Code(code) => EndingDto::Code(code),
        Ending::Signal(signal) => EndingDto::Signal(signal),
        Ending::Lost => EndingDto::Lost,
    }
}

fn ending_in(ending: &EndingDto) -> Ending {
    match ending {
        EndingDto::Code(code) => Ending::Code(*code),
        EndingDto::Signal(signal) => Ending::Signal(*signal),
        EndingDto::Lost => Ending::Lost,
    }
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
