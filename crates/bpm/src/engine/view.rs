//! The only converter from the core's state to API types.

use std::time::Duration;

use bpm_api as api;
use bpm_core::config::Kind;
use bpm_core::fleet::{Ending, Outcome, Signalled, Typed, signal_name};
use bpm_core::ids::{BuildId, Mode, RunId};
use bpm_core::service::{Intent, LastExit, Service, State, Step};
use bpm_core::time::Time;
use bpm_shim::protocol::Survivor;

use super::Engine;
use crate::logbook;
use crate::store::build_progress::Progress;

/// Recent events in the status of all processes, and of one.
const FEW_EVENTS: usize = 3;
const MORE_EVENTS: usize = 20;
/// Where nothing is heard of a shim.
const STOPPED_SHIM: &str =
    "its `bpm-shim` process may be stopped (`kill -CONT` sets it going), or the machine is very busy";
/// Ended tasks in the status, where nobody says how many.
const ENDED_TASKS: usize = 3;

impl Engine {
    pub(super) fn status(&self, what: &api::GetStatus, now: Time) -> Result<api::Status, api::Error> {
        let process = what.process.as_deref();
        let meant = process.map(|name| self.resolve(name)).transpose()?.map(|known| known.id);
        let wanted = |service: &&Service| {
            service.rules().task.is_none() && meant.as_ref().is_none_or(|name| service.name() == name)
        };
        let (tasks, more_tasks) = self.tasks_shown(meant.as_deref(), what.ended_tasks, now);
        let one = process.is_some() || self.fleet.services().len() == 1;
        let most = match what.brief {
            _ if one => MORE_EVENTS,
            true => 0,
            false => FEW_EVENTS,
        };
        let processes = self
            .fleet
            .services()
            .iter()
            .filter(wanted)
            .map(|service| self.process_status(service, most, now))
            .collect();
        let world = self.performer.world();
        Ok(api::Status {
            mode: mode(self.fleet.mode()),
            release_switch_in_seconds: self.fleet.release_switch_at().map(|at| seconds(at.after(now))),
            manager: api::ManagerStatus {
                pid: std::process::id(),
                version: env!("CARGO_PKG_VERSION").to_owned(),
                uptime_seconds: seconds(now.since(self.started)),
                mcp_url: world.mcp_url.clone(),
                bind: world.bind.map(|address| address.to_string()),
                containment: if world.cgroup_base.is_some() { "cgroup" } else { "process tree" }.to_owned(),
                closing: self.fleet.is_closing(),
                paths: api::Paths {
                    project: world.project.root.display().to_string(),
                    config: world.project.config().display().to_string(),
                    state: world.project.state.display().to_string(),
                    socket: world.project.socket().display().to_string(),
                    token: world.mcp_url.is_some().then(|| world.project.token().display().to_string()),
                },
            },
            processes,
            tasks,
            more_tasks,
            alarms: self.alarms(),
        })
    }

    fn process_status(&self, service: &Service, events: usize, now: Time) -> api::ProcessStatus {
        let why = service.explain(self.fleet.mode(), now);
        let live = service.live().filter(|run| run.pid.is_some());
        let ready = live.filter(|run| run.is_ready());
        api::ProcessStatus {
            name: service.name().to_string(),
            kind: self.kind(service.name()),
            state: state(why.state),
            why: why.reason,
            next: why.unblocks,
            pid: live.and_then(|run| run.pid),
            run: live.map(|run| run.number),
            recipe: live.map(|run| mode(run.recipe)),
            uptime_seconds: ready.and_then(|run| run.started).map(|at| seconds(now.since(at))),
            restarts: service.starts().saturating_sub(1),
            crashes: service.backoff().crashes,
            restart_in_seconds: service.backoff().due.map(|at| seconds(at.after(now))),
            last_exit: service.last_exit().map(|exit| exit_status(exit, now)),
            last_build: service.last_build().map(|build| api::BuildStatus {
                build: build.number,
                recipe: mode(build.recipe),
                ok: Some(build.failure.is_none()),
                ago_seconds: Some(seconds(now.since(build.at))),
                took_seconds: build.took.map(seconds),
                progress: None,
                note: build.failure.as_ref().map(ToString::to_string),
            }),
            building: self.building(service, now),
            sample: None,
            pty: live.is_some_and(|run| {
                self.terminals.contains(&RunId { process: service.name().clone(), number: run.number })
            }),
            keeps_artefact: service.rules().keeps_artefact,
            events: self.notes.recent(service.name(), events),
        }
    }

    fn building(&self, service: &Service, now: Time) -> Option<api::BuildStatus> {
        let candidate = service.candidate()?;
        let (build, since, note) = match candidate.step {
            Step::Building { build, since } => (build, since, None),
            Step::Queued if service.intent() == Intent::Up => {
                let note = "waits until the build before has ended".to_owned();
                (service.cancelled_build()?, None, Some(note))
            }
            Step::Queued => return None,
        };
        let id = BuildId { process: service.name().clone(), number: build };
        let progress = self.progress.get(&id).filter(|_| note.is_none()).cloned();
        Some(api::BuildStatus {
            build,
            recipe: mode(candidate.recipe),
            ok: None,
            ago_seconds: None,
            took_seconds: since.map(|since| seconds(now.since(since))),
            progress: progress.map(|Progress { done, total, what }| api::BuildProgress { done, total, what }),
            note,
        })
    }

    /// All that run, and the last few that have ended; how many more there are. One process is shown alone.
    fn tasks_shown(
        &self,
        meant: Option<&str>,
        ended_tasks: Option<u32>,
        now: Time,
    ) -> (Vec<api::TaskStatus>, u64) {
        let most = ended_tasks.map_or(ENDED_TASKS, |most| most as usize);
        let all = match meant {
            Some(id) if bpm_core::ids::task_number(id).is_none() => Vec::new(),
            meant => self.task_statuses(meant, now).unwrap_or_default(),
        };
        let (running, mut ended): (Vec<_>, Vec<_>) =
            all.into_iter().partition(|task| task.state == api::TaskState::Running);
        let more = ended.len().saturating_sub(most) as u64;
        ended.truncate(most);
        (running.into_iter().chain(ended).collect(), more)
    }

    fn kind(&self, process: &str) -> api::ProcessKind {
        let config = self.performer.config();
        match config.process(process).map(|process| &process.kind) {
            Some(Kind::Rust(_)) => api::ProcessKind::Rust,
            Some(Kind::Npm) => api::ProcessKind::Npm,
            Some(Kind::Command) | None => api::ProcessKind::Command,
        }
    }

    fn alarms(&self) -> Vec<api::Alarm> {
        let disk = self.log_alarms.iter().map(|(run, errno)| api::Alarm {
            process: Some(run.process.to_string()),
            message: format!(
                "its log cannot be written ({}); output is dropped and counted until it can",
                std::io::Error::from_raw_os_error(*errno)
            ),
        });
        let save = self.save_error.iter().map(|error| api::Alarm {
            process: None,
            message: format!(
                "the state directory cannot be written ({error}); a crash of the manager now would lose track"
            ),
        });
        let dropped = Some(self.notes.dropped()).filter(|count| *count > 0).map(|count| api::Alarm {
            process: None,
            message: format!("{count} events are missing in the journal: the disk was too slow"),
        });
        let notice = self.performer.world().notice().map(|message| api::Alarm { process: None, message });
        disk.chain(save).chain(dropped).chain(notice).collect()
    }
}

pub(super) fn mode(mode: Mode) -> api::Mode {
    match mode {
        Mode::Dev => api::Mode::Dev,
        Mode::Release => api::Mode::Release,
    }
}

pub(super) fn state(state: State) -> api::State {
    match state {
        State::Starting => api::State::Starting,
        State::Running => api::State::Running,
        State::Stopping => api::State::Stopping,
        State::Stopped => api::State::Stopped,
        State::Idle => api::State::Idle,
        State::BackingOff => api::State::BackingOff,
        State::CrashLooping => api::State::CrashLooping,
        State::BuildFailed => api::State::BuildFailed,
        State::CannotStart => api::State::CannotStart,
        State::Ended => api::State::Ended,
        State::Stuck => api::State::Stuck,
    }
}

fn exit_status(exit: &LastExit, now: Time) -> api::ExitStatus {
    let (code, signal, lost) = match exit.ending {
        Ending::Code(code) => (Some(code), None, false),
        Ending::Signal(number) => {
            (None, Some(signal_name(number).map_or_else(|| number.to_string(), str::to_owned)), false)
        }
        Ending::Lost => (None, None, true),
    };
    api::ExitStatus {
        run: exit.run,
        code,
        signal,
        lost,
        asked: exit.asked,
        ago_seconds: seconds(now.since(exit.at)),
    }
}

/// What an operation's outcome means to who asked for it. `BuildFailed` still lacks the diagnostics.
pub(super) fn reply(process: &str, outcome: Outcome) -> Result<api::Reply, api::Error> {
    use api::{Code, Error};
    let done = |message: String| Ok(api::Reply::Done(api::Done { message }));
    match outcome {
        Outcome::Up { run, pid, build, recipe } => {
            Ok(api::Reply::Began(began(process, run, pid, recipe, build, false)))
        }
        Outcome::AlreadyUp { run, pid, recipe } => {
            Ok(api::Reply::Began(began(process, run, pid, recipe, None, true)))
        }
        Outcome::Down { was_running: true } => {
            done(format!("`{process}` is stopped; nothing of its tree is left"))
        }
        Outcome::Down { was_running: false } => {
            done(format!("`{process}` was not running; it stays stopped until it is started"))
        }
        Outcome::BuildFailed { build, failure, still_up } => {
            let goes_on = match still_up {
                Some(run) => format!("; run {run} goes on"),
                None => "; nothing of it runs".to_owned(),
            };
            Err(Error::new(
                Code::BuildFailed,
                format!("build {build} of `{process}` failed: {failure}{goes_on}"),
            )
            .hint(format!("mend it and restart; the whole log: `bpm build-log {process}`")))
        }
        Outcome::SpawnFailed { run, error } => Err(Error::new(
            Code::SpawnFailed,
            format!("run {run} of `{process}` could not be started: {error}"),
        )
        .hint(format!("put that right, then `bpm restart {process}`"))),
        Outcome::Stuck { run } => Err(Error::new(
            Code::Stuck,
            format!("some of run {run} of `{process}` outlived KILL; nothing is started beside it"),
        )
        .hint(format!("`bpm why {process}` names what is left"))),
        Outcome::Overtaken { by } => {
            Err(Error::new(Code::Overtaken, format!("{by} took the place of this request for `{process}`"))
                .hint("`bpm status` shows where it stands"))
        }
        Outcome::Applied(applied) => Ok(api::Reply::Applied(api::Applied {
            added: applied.added.iter().map(ToString::to_string).collect(),
            removed: applied.removed.iter().map(ToString::to_string).collect(),
            changed: applied.changed.iter().map(ToString::to_string).collect(),
        })),
        Outcome::Closing => {
            Err(Error::new(Code::Closing, "the manager is shutting down").hint("`bpm up` starts it again"))
        }
        Outcome::NoSuchProcess { known } => {
            let known: Vec<String> = known.iter().map(ToString::to_string).collect();
            Err(logbook::unknown_process(process, &known))
        }
        Outcome::IsTask => Err(is_a_task(process)),
        Outcome::TooManyTasks { limit } => Err(too_many_tasks(limit)),
        Outcome::Typed(typed) => typed_reply(process, &typed),
        Outcome::Signalled(signalled) => signalled_reply(process, &signalled),
        Outcome::Ended { stuck } if stuck.is_empty() => done("everything is stopped".to_owned()),
        Outcome::Ended { stuck } => {
            let names = stuck.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
            Err(Error::new(Code::Stuck, format!("some of {names} outlived KILL; all else is stopped")))
        }
    }
}

pub(super) fn is_a_task(name: &str) -> api::Error {
    api::Error::new(
        api::Code::InvalidParameter,
        format!("`{name}` is a task, which is run once, not a process"),
    )
    .hint("run its command again with `bpm run`")
}

/// `t3 (tests)`, or by its command where it has no name: `t3 (cargo test)`.
pub(super) fn task_label(task: &api::TaskStatus) -> String {
    const LONGEST: usize = 40;
    let mut called = task.name.clone().unwrap_or_else(|| task.command.chars().take(LONGEST).collect());
    if task.name.is_none() && task.command.chars().nth(LONGEST).is_some() {
        called.push('…');
    }
    format!("{} ({called})", task.task_id)
}

/// How a task ended: `failed: exited with 101`, `killed by TERM`.
pub(super) fn task_end_in_words(task: &api::TaskStatus) -> String {
    let state = task.state.as_str();
    match (&task.note, task.exit_code, &task.signal) {
        (Some(note), _, _) => format!("{state}: {note}"),
        (None, Some(code), _) if code != 0 => format!("{state}: exited with {code}"),
        (None, None, Some(signal)) if task.state == api::TaskState::Killed => format!("{state} by {signal}"),
        (None, None, Some(signal)) => format!("{state}: ended by {signal}"),
        _ => state.to_owned(),
    }
}

pub(super) fn too_many_tasks(limit: usize) -> api::Error {
    api::Error::new(api::Code::LimitReached, format!("{limit} tasks run already, as many as there may be"))
        .hint("end one first: `bpm tasks` lists them")
}

fn typed_reply(process: &str, typed: &Typed) -> Result<api::Reply, api::Error> {
    use api::{Code, Error};
    let no_input = |what: &str| Error::new(Code::NoInput, format!("`{process}` {what}"));
    match typed {
        Typed::Taken => Ok(api::Reply::Done(api::Done { message: "typed".to_owned() })),
        Typed::Full { room } => Err(Error::new(
            Code::LimitReached,
            format!("`{process}` does not read its input, and only {room} bytes more would fit"),
        )
        .hint("send less, or wait until it reads")),
        Typed::NoInput => Err(no_input("was started without an input")
            .hint("`pty = true` in its configuration gives it a terminal")),
        Typed::Unanswered => Err(Error::new(
            Code::TimedOut,
            format!("the shim of `{process}` did not take it in time; it may still be typed"),
        )
        .hint(STOPPED_SHIM)),
        Typed::Before => {
            let message = format!("asked for before; it may not have been typed into `{process}`");
            Ok(api::Reply::Done(api::Done { message }))
        }
        Typed::Closed => {
            Err(no_input("takes no input: it has ended, or closed it")
                .hint("`bpm status` shows whether it runs"))
        }
    }
}

fn signalled_reply(process: &str, signalled: &Signalled) -> Result<api::Reply, api::Error> {
    use api::{Code, Error};
    let done = |message: String| Ok(api::Reply::Done(api::Done { message }));
    match signalled {
        Signalled::Sent { run } => done(format!("sent to run {run} of `{process}`")),
        Signalled::Before => done(format!("asked for before, and not sent to `{process}` again")),
        Signalled::NotRunning => Err(not_running(process)),
        Signalled::Unanswered => Err(Error::new(
            Code::TimedOut,
            format!("the shim of `{process}` did not say in time that it was sent; it may still be"),
        )
        .hint(STOPPED_SHIM)),
    }
}

pub(super) fn not_running(process: &str) -> api::Error {
    let hint = match bpm_core::ids::task_number(process) {
        Some(_) => format!("`bpm logs {process}` shows what it printed; `bpm run` runs a command anew"),
        None => format!("`bpm why {process}` says why not"),
    };
    api::Error::new(api::Code::NotReady, format!("`{process}` is not running")).hint(hint)
}

/// `pid 123 (nfsd), in uninterruptible sleep`.
pub(super) fn survivor(survivor: &Survivor) -> String {
    let state = if survivor.state == 'D' { ", in uninterruptible sleep" } else { "" };
    format!("pid {} ({}){state}", survivor.pid, survivor.name)
}

fn began(process: &str, run: u64, pid: u32, recipe: Mode, build: Option<u64>, already: bool) -> api::Began {
    api::Began { process: process.to_owned(), run, pid, recipe: mode(recipe), already, build, warnings: 0 }
}

fn seconds(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 10.0).round() / 10.0
}
