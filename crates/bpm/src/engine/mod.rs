//! The single writer: takes what happens out of one inbox, lets the core decide, performs what it says.
//!
//! Everything that waits is a task that sends a message back; nothing here waits for anything but the inbox and the
//! core's one deadline. Faces see [`Handle`], which implements [`Control`](crate::control::Control), and API types.

mod adopt;
mod asking;
mod clock;
mod facts;
mod found;
mod handle;
mod hub;
mod log_hub;
mod message;
mod notes;
mod perform;
mod tasks;
mod view;
mod waits;

pub use handle::Handle;
pub use notes::Feed;
pub(crate) use notes::in_words;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use bpm_api::Origin;
use bpm_core::config::Config;
use bpm_core::fleet::{Action, Boot, Change, Event, Fleet, Note, Outcome, Request, Snapshot};
use bpm_core::ids::{BuildId, Name, OpId, RunId, task_number};
use bpm_core::service::{Artefact, Phase, Run, Service};
use bpm_core::time::Time;
use bpm_shim::protocol::Survivor;
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

use crate::exec::watch::Told;
use crate::exec::world::World;
use crate::store;
use crate::store::build_progress::Progress;

use asking::Keystrokes;
use facts::LiveRun;
use hub::Hub;
use message::{Message, saved_after};
use notes::Notes;
use perform::Performer;
use tasks::Tasks;

/// How long facts that the next manager could find out by itself may wait to be written down.
const LAZY_SAVE: Duration = Duration::from_millis(100);
/// The same for the time of the last tool call, on which nothing depends for hours.
const ACTIVITY_SAVE: Duration = Duration::from_secs(5);
/// How long the first step waits for a shim that does not answer, stopped perhaps; what is heard of it later counts all the same.
const ADOPTION: Duration = Duration::from_secs(5);
/// Messages taken in one go before what they changed is written down and performed.
const BATCH: usize = 256;

/// Who waits for an operation.
#[derive(Debug)]
struct Asked {
    reply: Option<oneshot::Sender<Outcome>>,
    origin: Origin,
}

/// The engine's state. Consumed by [`Engine::run`].
#[derive(Debug)]
pub struct Engine {
    fleet: Fleet,
    inbox: mpsc::UnboundedReceiver<Message>,
    performer: Performer,
    notes: Notes,
    tasks: Tasks,
    asked: HashMap<OpId, Asked>,
    /// Input that the core has not yet said where to send.
    typing: HashMap<OpId, Keystrokes>,
    /// Who asked last for something about a task.
    asked_last: HashMap<Name, String>,
    next_op: u64,
    /// Runs of the manager before that are being looked up.
    adopting: HashSet<RunId>,
    boot: Option<Boot>,
    boot_at_latest: Instant,
    /// Who waits for the live run of a process or task.
    wanted_runs: Vec<(Name, oneshot::Sender<Option<LiveRun>>)>,
    /// Runs that have a terminal, by what their shims say.
    terminals: HashSet<RunId>,
    /// Disk errors of the logs that are being written.
    log_alarms: BTreeMap<RunId, i32>,
    /// The newest of each build under way that tells.
    progress: HashMap<BuildId, Progress>,
    save_error: Option<String>,
    saved: Option<Snapshot>,
    save_at: Option<Instant>,
    started: Time,
    quit: bool,
}

impl Engine {
    /// Takes over what the manager before left. Nothing new begins before [`Engine::run`].
    pub fn new(world: Arc<World>, config: &Arc<Config>, boot: Boot) -> (Engine, Handle) {
        let now = clock::now();
        let written = store::intent::load(&world.project, now);
        let found = found::beside(&world.project, written.as_ref());
        let snapshot = written.unwrap_or_else(|| Snapshot::empty(now)).and_found(found);
        let fleet = Fleet::restore(config, snapshot, now);
        let (sender, inbox) = mpsc::unbounded_channel();
        let hub = Hub::new();
        let notes = Notes::open(world.project.events(), Arc::clone(&hub));
        let tasks = Tasks::open(&world.project, |id| fleet.service(id).is_some());
        let handle = Handle::new(sender.clone(), Arc::clone(&world), hub, Arc::clone(config));
        let mut engine = Engine {
            fleet,
            inbox,
            performer: Performer::new(world, Arc::clone(config), sender),
            notes,
            tasks,
            asked: HashMap::new(),
            typing: HashMap::new(),
            asked_last: HashMap::new(),
            next_op: 1,
            adopting: HashSet::new(),
            boot: Some(boot),
            boot_at_latest: Instant::now() + ADOPTION,
            wanted_runs: Vec::new(),
            terminals: HashSet::new(),
            log_alarms: BTreeMap::new(),
            progress: HashMap::new(),
            save_error: None,
            saved: None,
            save_at: None,
            started: now,
            quit: false,
        };
        engine.adopt();
        let unready = |record: &&store::tasks::TaskRecord| record.end.is_none() && record.ready_ms.is_none();
        for record in engine.tasks.all().filter(unready).filter(|record| record.ready.is_some()) {
            handle.watch_readiness(record.id().to_string());
        }
        handle.resume_calls();
        (engine, handle)
    }

    /// Notes from now on, for the terminal. Who takes it must keep reading, or drop it.
    pub fn feed(&mut self) -> Feed {
        self.notes.feed()
    }

    /// Starts up, and runs until everything has ended after a shutdown.
    pub async fn run(mut self) {
        self.boot_when_adopted();
        let mut batch = Vec::with_capacity(BATCH);
        while !self.quit {
            let deadline = self.next_wake();
            tokio::select! {
                taken = self.inbox.recv_many(&mut batch, BATCH) => {
                    if taken == 0 {
                        return;
                    }
                }
                () = sleep_until(deadline) => {}
            }
            self.turn(&mut batch);
        }
        // who asked in the last moment is answered like everybody else
        self.inbox.close();
        batch.extend(std::iter::from_fn(|| self.inbox.try_recv().ok()));
        self.turn(&mut batch);
    }

    /// One turn: all that came in is decided, then written down, then performed.
    fn turn(&mut self, batch: &mut Vec<Message>) {
        let now = clock::now();
        let mut actions = Vec::new();
        for message in batch.drain(..) {
            self.save_within(saved_after(&message));
            self.take(message, now, &mut actions);
        }
        if self.fleet.next_deadline().is_some_and(|at| at <= now) {
            self.save_within(Some(LAZY_SAVE));
            actions.append(&mut self.fleet.step(Event::Tick, now));
        }
        self.carry_out(actions);
        self.answer_for_runs();
        self.boot_when_adopted();
    }

    fn take(&mut self, message: Message, now: Time, actions: &mut Vec<Action>) {
        match message {
            Message::Core(event) => {
                if let Event::BuildDone { build, .. } = &event {
                    self.progress.remove(build);
                }
                actions.append(&mut self.fleet.step(event, now));
            }
            Message::Progress { build, progress } => {
                self.notes.step(&build, &progress);
                self.progress.insert(build, progress);
            }
            Message::Run { run, told } => self.hear(run, told, now, actions),
            Message::Ask { what, origin, reply } => {
                let key = origin.key.as_deref().map(Into::into);
                let op = self.accept(origin, Some(reply));
                if let Request::Apply { config } = &what {
                    self.performer.configure(Arc::clone(config));
                }
                actions.append(&mut self.fleet.step(Event::Asked { op, key, what }, now));
                self.notes.keep(|process| self.fleet.service(process).is_some());
            }
            Message::Status { what, reply } => {
                let _ = reply.send(self.status(&what, now));
            }
            Message::Survivors { process, reply } => {
                let _ = reply.send(self.survivors(&process));
            }
            Message::RunTask { ask, cwd, origin, reply } => {
                let _ = reply.send(self.run_task(*ask, cwd, origin, now, actions));
            }
            Message::Input { process, keys, origin, reply } => {
                self.input(&process, keys, origin, reply, now, actions);
            }
            Message::Clients(connected) => {
                actions.append(&mut self.fleet.step(Event::Clients { connected }, now));
            }
            Message::TaskReady(id) => self.task_is_ready(&id),
            Message::Readiness { task, reply } => {
                let _ = reply.send(self.tasks.get(&task).and_then(|record| record.ready.clone()));
            }
            Message::ClearTasks { of, reply } => {
                let _ = reply.send(self.clear_tasks(of.as_deref()));
            }
            Message::Tasks { of, reply } => {
                let _ = reply.send(self.task_statuses(of.as_deref(), now));
            }
            Message::Resolve { names, reply } => {
                let _ = reply.send(names.iter().map(|name| self.resolve(name)).collect());
            }
            Message::LiveRun { process, reply } => self.wanted_runs.push((process, reply)),
            Message::Facts { names, reply } => {
                let _ = reply.send(names.iter().map(|name| self.facts(name, now)).collect());
            }
            Message::Shutdown => {
                let op = self.accept(Origin::new("signal", "the terminal or the system"), None);
                actions.append(
                    &mut self.fleet.step(Event::Asked { op, key: None, what: Request::Shutdown }, now),
                );
            }
        }
    }

    /// A shim has told something of its run.
    fn hear(&mut self, run: RunId, told: Told, now: Time, actions: &mut Vec<Action>) {
        if let Told::Alarm { errno } = told {
            return self.log_alarm(run, errno);
        }
        self.adopting.remove(&run);
        if let Told::Started { terminal: true, .. } = told {
            self.terminals.insert(run.clone());
        }
        if told.is_last() {
            self.log_alarms.remove(&run);
            self.terminals.remove(&run);
        }
        if let Some(event) = adopt::event_of(run, told) {
            actions.append(&mut self.fleet.step(event, now));
        }
    }

    fn accept(&mut self, origin: Origin, reply: Option<oneshot::Sender<Outcome>>) -> OpId {
        let op = OpId(self.next_op);
        self.next_op += 1;
        self.asked.insert(op, Asked { reply, origin });
        op
    }

    /// Writes down what must survive, then performs. What has no effect is saved lazily.
    fn carry_out(&mut self, actions: Vec<Action>) {
        if actions.iter().any(|action| has_effect(action) && !self.is_a_mere_key(action)) {
            self.save();
        }
        if self.save_at.is_some_and(|at| at <= Instant::now()) {
            self.save();
        }
        for action in actions {
            match action {
                Action::Finish { op, outcome } => self.finish(op, outcome),
                Action::Note(note) => self.note(&note),
                Action::Quit => {
                    self.performer.world().tidy_up();
                    self.quit = true;
                }
                Action::Input { run, op } => {
                    let keys = self.typing.remove(&op).unwrap_or_default();
                    self.performer.input(&run, op, keys);
                }
                effect => self.performer.perform(effect, &self.tasks),
            }
        }
    }

    /// Input that is not to be told from the same input sent again: nothing of it is written down. Somebody may be typing.
    fn is_a_mere_key(&self, action: &Action) -> bool {
        let Action::Input { op, .. } = action else { return false };
        self.asked.get(op).is_some_and(|asked| asked.origin.key.is_none())
    }

    fn finish(&mut self, op: OpId, outcome: Outcome) {
        self.typing.remove(&op);
        if let Some(reply) = self.asked.remove(&op).and_then(|asked| asked.reply) {
            let _ = reply.send(outcome); // who asked may have gone; the work is done all the same
        }
    }

    fn note(&mut self, note: &Note) {
        let by = match note.change {
            Change::Requested { op, .. } | Change::Signalled { op, .. } => {
                self.asked.get(&op).map(|asked| &asked.origin)
            }
            _ => None,
        };
        self.notes.tell(note, by);
        let by = by.map(notes::who);
        if let Some(id) = note.process.as_ref().filter(|name| task_number(name).is_some()) {
            self.note_task(id, &note.change, by);
        }
        let service = note.process.as_deref().and_then(|process| self.fleet.service(process));
        self.performer.noticed(note, &service.map_or_else(Vec::new, needed));
    }

    /// Its record is kept beside what the core knows, and longer.
    fn note_task(&mut self, id: &Name, change: &Change, by: Option<String>) {
        if let Some(by) = by {
            self.asked_last.insert(id.clone(), by);
        }
        let ended = self.tasks.note(id, change, self.asked_last.get(id).map(String::as_str));
        if ended {
            self.asked_last.remove(id);
            let lives = |id: &str| self.fleet.service(id).is_some();
            self.tasks.retire(self.performer.config().logs, lives);
            self.notes.keep(lives);
        }
    }

    fn save(&mut self) {
        self.save_at = None;
        let snapshot = self.fleet.snapshot();
        if self.saved.as_ref() == Some(&snapshot) {
            return;
        }
        match store::intent::save(&self.performer.world().project, &snapshot) {
            Ok(()) => {
                self.saved = Some(snapshot);
                self.save_error = None;
            }
            Err(error) => {
                tracing::error!("cannot write the intent file: {error}");
                self.save_error = Some(error.to_string());
                self.save_at = Some(Instant::now() + Duration::from_secs(1));
            }
        }
    }

    fn save_within(&mut self, wait: Option<Duration>) {
        let at = wait.map(|wait| Instant::now() + wait);
        self.save_at = self.save_at.into_iter().chain(at).min();
    }

    fn log_alarm(&mut self, run: RunId, errno: Option<i32>) {
        match errno {
            Some(errno) => self.log_alarms.insert(run, errno),
            None => self.log_alarms.remove(&run),
        };
    }

    fn survivors(&self, process: &str) -> Vec<oneshot::Receiver<Vec<Survivor>>> {
        let Some(service) = self.fleet.service(process) else { return Vec::new() };
        let killed = |run: &&Run| {
            matches!(run.phase, Phase::Killed { .. } | Phase::Stuck { .. } | Phase::Leaderless { .. })
        };
        let runs = service.live().into_iter().chain(service.retiring()).filter(killed);
        runs.map(|run| {
            self.performer.survivors(&RunId { process: service.name().clone(), number: run.number })
        })
        .collect()
    }

    fn next_wake(&self) -> Option<Instant> {
        let wait = self.fleet.next_deadline().map(|at| Instant::now() + at.after(clock::now()));
        let boot = self.boot.is_some().then_some(self.boot_at_latest);
        wait.into_iter().chain(self.save_at).chain(boot).min()
    }

    /// Begins once every run of the manager before has been heard of, or one of them lets everybody wait too long.
    fn boot_when_adopted(&mut self) {
        if !self.adopting.is_empty() && Instant::now() < self.boot_at_latest {
            return;
        }
        if let Some(boot) = self.boot.take() {
            self.save_within(Some(LAZY_SAVE));
            let actions = self.fleet.step(Event::Boot(boot), clock::now());
            self.carry_out(actions);
        }
    }
}

/// Where executables are kept that a run of the process may yet be started from.
fn needed(service: &Service) -> Vec<Artefact> {
    let runs = service.live().into_iter().chain(service.retiring());
    let last = service.last_live().and_then(|last| last.artefact);
    runs.filter_map(|run| run.artefact).chain(last).collect()
}

fn has_effect(action: &Action) -> bool {
    match action {
        Action::Build { .. }
        | Action::CancelBuild { .. }
        | Action::KillBuild { .. }
        | Action::Spawn { .. }
        | Action::Terminate { .. }
        | Action::Kill { .. }
        | Action::Input { .. }
        | Action::Signal { .. }
        | Action::Quit => true,
        Action::Finish { .. } | Action::Note(_) => false,
    }
}

async fn sleep_until(deadline: Option<Instant>) {
    match deadline {
        Some(at) => tokio::time::sleep_until(at).await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests;
