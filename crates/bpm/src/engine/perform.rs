//! Performs the core's actions: each is a task of its own that sends back what came of it.

use std::collections::HashMap;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use bpm_core::config::{Config, Process};
use bpm_core::fleet::{Action, BuildFailure, BuildOutcome, Change, Event, Note, Signalled, Typed};
use bpm_core::ids::{BuildId, Mode, OpId, RunId, task_number};
use bpm_core::service::Artefact;
use bpm_shim::protocol::{InputOutcome, Survivor};
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;

use super::Message;
use super::asking::Keystrokes;
use super::tasks::Tasks;
use crate::exec::watch::{Command, Told};
use crate::exec::world::World;
use crate::exec::{build, retention, start, start_task};
use crate::store::asked;
use crate::store::build_progress::Progress;

/// How long a shim may take to say what became of input.
const SHIM_ANSWERS: Duration = Duration::from_secs(5);

#[derive(Debug)]
pub(super) struct Performer {
    world: Arc<World>,
    config: Arc<Config>,
    inbox: mpsc::UnboundedSender<Message>,
    runs: HashMap<RunId, mpsc::UnboundedSender<Command>>,
    builds: HashMap<BuildId, mpsc::UnboundedSender<Command>>,
}

impl Performer {
    pub(super) fn new(
        world: Arc<World>,
        config: Arc<Config>,
        inbox: mpsc::UnboundedSender<Message>,
    ) -> Performer {
        Performer { world, config, inbox, runs: HashMap::new(), builds: HashMap::new() }
    }

    pub(super) fn world(&self) -> &World {
        &self.world
    }

    pub(super) fn config(&self) -> &Config {
        &self.config
    }

    pub(super) fn configure(&mut self, config: Arc<Config>) {
        self.config = config;
    }

    pub(super) fn perform(&mut self, action: Action, tasks: &Tasks) {
        match action {
            Action::Build { build, recipe } => self.build(build, recipe),
            Action::CancelBuild { build } => tell(&self.builds, &build, Command::Signal(TERM)),
            Action::KillBuild { build } => tell(&self.builds, &build, Command::Kill),
            Action::Spawn { run, .. } if task_number(&run.process).is_some() => self.spawn_task(run, tasks),
            Action::Spawn { run, recipe, artefact } => self.spawn(run, recipe, artefact),
            Action::Terminate { run, signal } => tell(&self.runs, &run, Command::Signal(signal.number())),
            Action::Kill { run } => tell(&self.runs, &run, Command::Kill),
            Action::Signal { run, op, signal } => self.signal(&run, op, signal),
            Action::Input { .. } | Action::Finish { .. } | Action::Note(_) | Action::Quit => {}
        }
    }

    /// Asks a run's shim who is left of its tree. No answer comes where there is no shim.
    pub(super) fn survivors(&self, run: &RunId) -> oneshot::Receiver<Vec<Survivor>> {
        let (answer, survivors) = oneshot::channel();
        tell(&self.runs, run, Command::Survivors(answer));
        survivors
    }

    /// Lets go of what is over. `needed`: executables that the noted process may yet be started from.
    pub(super) fn noticed(&mut self, note: &Note, needed: &[Artefact]) {
        self.runs.retain(|_, commands| !commands.is_closed());
        self.builds.retain(|_, commands| !commands.is_closed());
        if let (Some(process), Change::Started { .. } | Change::BuildStarted { .. }) =
            (&note.process, &note.change)
            && let Some(process) = self.config.process(process)
        {
            retention::prune_later(&self.world.project, process, needed);
        }
        self.mark_as_asked(note);
    }

    /// For who lists runs and builds later. What is already gone needs no mark.
    fn mark_as_asked(&self, note: &Note) {
        let project = &self.world.project;
        let Some(process) = &note.process else { return };
        let (dir, number) = match note.change {
            Change::Ended { run, asked: true, .. } => (project.runs(process), run),
            Change::BuildCancelled { build } => (project.builds(process), build),
            _ => return,
        };
        if let Err(error) = asked::mark(&dir.join(number.to_string()))
            && error.kind() != io::ErrorKind::NotFound
        {
            tracing::warn!("cannot note that the end of {process} {number} was asked for: {error}");
        }
    }

    fn build(&mut self, id: BuildId, recipe: Mode) {
        let (commands, received) = mpsc::unbounded_channel();
        let inbox = self.inbox.clone();
        let done = move |build: BuildId, outcome| {
            let _ = inbox.send(Message::Core(Event::BuildDone { build, outcome }));
        };
        let Some(process) = self.process(&id.process) else {
            let reason = "the process is no longer configured".to_owned();
            return done(id, BuildOutcome::Failed(BuildFailure { reason }));
        };
        self.builds.insert(id.clone(), commands);
        let world = Arc::clone(&self.world);
        let progress = self.hearer(id.clone());
        tokio::spawn(async move {
            let outcome = build::run(&world, &process, id.number, recipe, received, progress).await;
            done(id, outcome);
        });
    }

    pub(super) fn adopt_build(&mut self, id: BuildId) {
        let (commands, received) = mpsc::unbounded_channel();
        self.builds.insert(id.clone(), commands);
        let (world, inbox) = (Arc::clone(&self.world), self.inbox.clone());
        let rust = self.process(&id.process).is_some_and(|process| build::leaves_executable(&process));
        let progress = self.hearer(id.clone());
        tokio::spawn(async move {
            let outcome = build::adopt(&world, &id.process, id.number, rust, received, progress).await;
            let _ = inbox.send(Message::Core(Event::BuildDone { build: id, outcome }));
        });
    }

    /// What passes on how far a build is.
    fn hearer(&self, build: BuildId) -> impl Fn(Progress) + Send + 'static {
        let inbox = self.inbox.clone();
        move |progress| {
            let _ = inbox.send(Message::Progress { build: build.clone(), progress });
        }
    }

    fn spawn(&mut self, id: RunId, recipe: Mode, artefact: Option<Artefact>) {
        let (commands, received) = mpsc::unbounded_channel();
        let tell = self.teller(id.clone());
        let Some(process) = self.process(&id.process) else {
            return tell(start::refused("the process is no longer configured"));
        };
        let number = id.number;
        self.runs.insert(id, commands);
        let world = Arc::clone(&self.world);
        tokio::spawn(async move {
            start::run(&world, &process, number, recipe, artefact, received, tell).await;
        });
    }

    fn spawn_task(&mut self, id: RunId, tasks: &Tasks) {
        let (commands, received) = mpsc::unbounded_channel();
        let tell = self.teller(id.clone());
        let Some(record) = tasks.get(&id.process).cloned() else {
            return tell(start::refused("what it was to run is not written down any more"));
        };
        let (number, log_max_bytes) = (id.number, self.config.logs.max_bytes);
        self.runs.insert(id, commands);
        let world = Arc::clone(&self.world);
        tokio::spawn(async move {
            start_task::run(&world, &record, number, log_max_bytes, received, tell).await;
        });
    }

    /// Sends input to a run's shim, and tells the core what became of it.
    pub(super) fn input(&self, run: &RunId, op: OpId, keys: Keystrokes) {
        let (answer, taken) = oneshot::channel();
        match keys {
            // nothing to type, only a signal
            Keystrokes { bytes, end: false, signal: Some(_) } if bytes.is_empty() => {
                let _ = answer.send(InputOutcome::Taken);
            }
            Keystrokes { bytes, end, .. } => tell(&self.runs, run, Command::Input { bytes, end, answer }),
        }
        if let Some(signal) = keys.signal {
            tell(&self.runs, run, Command::Signal(signal));
        }
        let inbox = self.inbox.clone();
        tokio::spawn(async move {
            let outcome = match timeout(SHIM_ANSWERS, taken).await {
                Ok(Ok(InputOutcome::Taken)) => Typed::Taken,
                Ok(Ok(InputOutcome::Full { room })) => Typed::Full { room },
                Ok(Ok(InputOutcome::NoInput)) => Typed::NoInput,
                // the run is over
                Ok(Ok(InputOutcome::Closed) | Err(_)) => Typed::Closed,
                // it is stopped, perhaps; one of a version without input never answers
                Err(_) => Typed::Unanswered,
            };
            let _ = inbox.send(Message::Core(Event::InputDone { op, outcome }));
        });
    }

    /// Sends a signal, and tells the core when the shim has seen to it.
    fn signal(&self, run: &RunId, op: OpId, signal: i32) {
        let (answer, seen_to) = oneshot::channel();
        let there = self.ear(run).is_some_and(|ear| ear.send(Command::Signal(signal)).is_ok());
        // answered in the order in which it is asked
        tell(&self.runs, run, Command::Survivors(answer));
        let (inbox, run) = (self.inbox.clone(), run.number);
        tokio::spawn(async move {
            let outcome = match timeout(SHIM_ANSWERS, seen_to).await {
                Err(_) => Signalled::Unanswered,
                Ok(Err(_)) if !there => Signalled::NotRunning,
                // with no answer the run is over, perhaps by this
                Ok(_) => Signalled::Sent { run },
            };
            let _ = inbox.send(Message::Core(Event::SignalDone { op, outcome }));
        });
    }

    /// The way to a run's shim, until the run is over.
    pub(super) fn ear(&self, run: &RunId) -> Option<mpsc::UnboundedSender<Command>> {
        self.runs.get(run).filter(|ear| !ear.is_closed()).cloned()
    }

    pub(super) fn adopt_run(&mut self, id: RunId) {
        let (commands, received) = mpsc::unbounded_channel();
        self.runs.insert(id.clone(), commands);
        let (world, tell) = (Arc::clone(&self.world), self.teller(id.clone()));
        let log_max_bytes = self.process(&id.process).map_or(1 << 30, |process| process.logs.max_bytes);
        tokio::spawn(async move {
            start::adopt(&world, &id.process, id.number, log_max_bytes, received, tell).await;
        });
    }

    fn teller(&self, run: RunId) -> impl Fn(Told) + Send + 'static {
        let inbox = self.inbox.clone();
        move |told| {
            let _ = inbox.send(Message::Run { run: run.clone(), told });
        }
    }

    /// Pretends to be a run.
    #[cfg(test)]
    pub(super) fn pretend(&mut self, run: RunId) -> mpsc::UnboundedReceiver<Command> {
        let (commands, received) = mpsc::unbounded_channel();
        self.runs.insert(run, commands);
        received
    }

    fn process(&self, name: &str) -> Option<Arc<Process>> {
        self.config.process(name).cloned().map(Arc::new)
    }
}

const TERM: i32 = 15;

/// A run that is over has no ear; its end is on its way to the core.
fn tell<K: std::hash::Hash + Eq>(
    ears: &HashMap<K, mpsc::UnboundedSender<Command>>,
    whom: &K,
    command: Command,
) {
    if let Some(ear) = ears.get(whom) {
        let _ = ear.send(command);
    }
}
