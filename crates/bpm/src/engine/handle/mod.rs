//! The engine's face to everybody else: [`Control`] over its inbox, with the waits bounded.

mod calls;
mod clients;
mod drift;
mod evidence;
mod keys;
mod look;
mod news;
mod reading;
mod tasks;
mod terminals;
mod up;
mod watching;

use std::sync::Arc;
use std::time::Duration;

use bpm_api::{Code, Error, Origin, Output, Reply, Request as Asked, Watch};
use bpm_core::config::Config;
use bpm_core::fleet::{Event, Request};
use bpm_core::ids::{Mode, Name};
use tokio::sync::{Semaphore, broadcast, mpsc, oneshot};

use self::drift::Drift;
use super::facts::{Facts, Known};
use super::hub::{Hub, Noted};
use super::log_hub::LogHub;
use super::{Message, view};
use crate::control::{Changes, Chunks, Control, Presence};
use crate::exec::sample;
use crate::exec::world::World;
use crate::logbook::{self, What};
use crate::store::paths::Project;
use crate::store::trust;

/// How long a call waits for its outcome unless it says otherwise: below the shortest limit that clients
/// set (60 s).
const USUAL_WAIT: Duration = Duration::from_secs(50);
const LONGEST_WAIT: Duration = Duration::from_secs(24 * 3600);
/// Cheap to clone; all clones talk to one engine.
#[derive(Clone, Debug)]
pub struct Handle {
    inbox: mpsc::UnboundedSender<Message>,
    world: Arc<World>,
    hub: Arc<Hub>,
    logs: Arc<LogHub>,
    filters: Arc<logbook::Filters>,
    news: Arc<news::News>,
    calls: calls::Shared,
    clients: Arc<clients::Clients>,
    waits: Arc<Semaphore>,
    samples: Arc<sample::Sampler>,
    ports: Arc<sample::Ports>,
    /// Configurations are put into force in the order in which they were read.
    applying: Arc<tokio::sync::Mutex<()>>,
    drift: Arc<Drift>,
}

/// What happens, as it happens.
pub(super) type Events = broadcast::Receiver<Arc<Noted>>;

impl Control for Handle {
    async fn call(&self, request: Asked, origin: Origin) -> Result<Reply, Error> {
        if origin.face == "mcp" {
            self.send(Message::Core(Event::Activity))?;
        }
        let session = origin.session.clone().filter(|_| !matches!(request, Asked::GetNews(_)));
        let Some(session) = session else { return self.carry_out_any(request, origin).await };
        self.news.begin(&session, &self.hub);
        let (from, about) = (self.hub.last(), subjects(&request));
        let outcome = self.carry_out_any(request, origin).await;
        let about = self.ids_of(about).await.into_iter().chain(outcome.iter().flat_map(subject_of)).collect();
        self.news.answered(&session, from, self.hub.last(), about);
        outcome
    }

    fn has_news(&self, origin: &Origin) -> bool {
        origin.session.as_ref().is_some_and(|session| self.news.is_there(session))
    }

    async fn watch(&self, what: Watch) -> Result<Changes, Error> {
        self.watch_changes(what).await
    }

    async fn output(&self, of: Output) -> Result<Chunks, Error> {
        self.output_of(of).await
    }

    fn presence(&self) -> Presence {
        Presence(Some(Box::new(self.clients.come(&self.inbox))))
    }
}

impl Handle {
    pub(super) fn new(
        inbox: mpsc::UnboundedSender<Message>,
        world: Arc<World>,
        hub: Arc<Hub>,
        config: Arc<Config>,
    ) -> Handle {
        Handle {
            inbox,
            world,
            hub,
            logs: Arc::default(),
            filters: Arc::default(),
            news: Arc::default(),
            calls: Arc::default(),
            clients: Arc::default(),
            waits: Arc::new(Semaphore::new(Handle::most_waits())),
            samples: Arc::default(),
            ports: Arc::default(),
            applying: Arc::default(),
            drift: Arc::new(Drift::new(config)),
        }
    }

    /// Carries out any request, for as long as it says. Who asks for a process that is not in force is told why not.
    async fn carry_out_any(&self, request: Asked, origin: Origin) -> Result<Reply, Error> {
        let meant = match &request {
            Asked::Start(op) => Some(op.process.clone()),
            Asked::Restart(op) => op.process.clone(),
            _ => None,
        };
        let outcome = self.carry_out_known(request, origin).await;
        let Err(error) = outcome else { return outcome };
        if error.code != Code::UnknownProcess {
            return Err(error);
        }
        if let Some(meant) = meant
            && self.resolve(vec![meant.clone()]).await.is_ok()
        {
            return Err(view::is_a_task(&meant));
        }
        Err(match self.world.notice() {
            Some(notice) => not_in_force(error, notice),
            None => error,
        })
    }

    async fn carry_out_known(&self, request: Asked, origin: Origin) -> Result<Reply, Error> {
        match request {
            Asked::GetStatus(op) => Ok(Reply::Status(Box::new(self.status(op).await?))),
            Asked::Restart(op) => {
                let process = self.or_the_only(op.process).await?;
                let recipe = op.mode.map(|mode| match mode {
                    bpm_api::Mode::Dev => Mode::Dev,
                    bpm_api::Mode::Release => Mode::Release,
                });
                let what = Request::Restart { process: Name::from(process.as_str()), recipe };
                self.bring_up(&process, what, origin, op.timeout_seconds).await
            }
            Asked::Start(op) => {
                let what = Request::Start { process: Name::from(op.process.as_str()) };
                self.bring_up(&op.process, what, origin, op.timeout_seconds).await
            }
            Asked::Stop(op) => self.stop(op, origin).await,
            Asked::SearchLogs(op) => Ok(Reply::LogPage(self.search(What::Runs, op.0).await?)),
            Asked::SearchBuildLog(op) => Ok(Reply::LogPage(self.search(What::Builds, op.0).await?)),
            Asked::Why(op) => Ok(Reply::Why(Box::new(self.why(op.process).await?))),
            Asked::Apply(op) => self.apply(op, origin).await,
            Asked::Shutdown(_) => {
                self.carry_out("", Request::Shutdown, origin, Some(LONGEST_WAIT.as_secs_f64())).await
            }
            Asked::RunTask(op) => self.run_task(op, origin).await,
            Asked::GetTask(op) => self.get_task(op).await,
            Asked::EndTask(op) => self.end_task(op, origin).await,
            Asked::ClearTasks(op) => self.clear_tasks(op.task_id).await,
            Asked::SendInput(op) => self.send_input(op, origin).await,
            Asked::WaitFor(op) => self.wait_for(op, LONGEST_WAIT).await.map(Reply::Wait),
            Asked::GetNews(_) => Ok(Reply::News(self.news_line(&origin).await)),
            Asked::SubmitCall(op) => self.submit(op, origin),
            Asked::GetCall(op) => self.call_status(&op.call_id),
            Asked::CancelCall(op) => self.cancel_call(&op.call_id),
            Asked::ReadLog(op) => self.read_log(op).await.map(Reply::Window),
            Asked::GetRuns(op) => self.get_runs(op).await.map(Reply::Runs),
            Asked::SendSignal(op) => self.send_signal(op, origin).await.map(Reply::Done),
            Asked::ResizeTerminal(op) => self.resize_terminal(op).await.map(Reply::Done),
        }
    }

    /// Events name tasks by their ids, whoever asks may use their names.
    async fn ids_of(&self, names: Vec<String>) -> Vec<String> {
        let mut ids = Vec::with_capacity(names.len());
        for name in names {
            match self.resolve(vec![name.clone()]).await {
                Ok(known) => ids.extend(known.into_iter().map(|known| known.id.to_string())),
                Err(_) => ids.push(name),
            }
        }
        ids
    }

    pub(super) fn project(&self) -> &Project {
        &self.world.project
    }

    pub(super) fn log_hub(&self) -> &Arc<LogHub> {
        &self.logs
    }

    pub(super) fn ports(&self) -> &sample::Ports {
        &self.ports
    }

    pub(super) fn follow_events(&self) -> Events {
        self.hub.follow()
    }

    pub(super) fn waits(&self) -> Arc<Semaphore> {
        Arc::clone(&self.waits)
    }

    fn calls(&self) -> &calls::Calls {
        &self.calls
    }

    pub(super) async fn resolve(&self, names: Vec<String>) -> Result<Vec<Known>, Error> {
        let (reply, known) = oneshot::channel();
        self.send(Message::Resolve { names, reply })?;
        known.await.map_err(|_| Error::new(Code::Closing, "the manager is ending"))?
    }

    pub(super) async fn facts(&self, names: Vec<Name>) -> Result<Vec<Option<Facts>>, Error> {
        let (reply, facts) = oneshot::channel();
        self.send(Message::Facts { names, reply })?;
        facts.await.map_err(|_| Error::new(Code::Closing, "the manager is ending"))
    }

    async fn readiness_of(&self, id: &str) -> Result<Option<bpm_api::TaskReady>, Error> {
        let (reply, ready) = oneshot::channel();
        self.send(Message::Readiness { task: id.into(), reply })?;
        ready.await.map_err(|_| Error::new(Code::Closing, "the manager is ending"))
    }

    /// The newest run of each process or task, and its last line.
    pub(super) async fn ends_of_logs(&self, names: impl Iterator<Item = Name>) -> Vec<Option<(u64, u64)>> {
        let (project, names) = (self.world.project.clone(), names.collect::<Vec<_>>());
        let count = names.len();
        let look = move || names.iter().map(|name| logbook::end_of(&project, name)).collect();
        tokio::task::spawn_blocking(look).await.unwrap_or_else(|_| vec![None; count])
    }

    /// CPU, memory and ports of one leader's tree.
    async fn sample_of(&self, pid: u32) -> Option<bpm_api::Sample> {
        self.samples.of(pid).await
    }

    /// The terminal or the system wants the manager to end; a second time kills at once.
    pub fn shut_down(&self) {
        let _ = self.inbox.send(Message::Shutdown);
    }

    fn send(&self, message: Message) -> Result<(), Error> {
        self.inbox.send(message).map_err(|_| Error::new(Code::Closing, "the manager is ending"))
    }

    async fn names(&self) -> Result<Vec<String>, Error> {
        Ok(self.state(None).await?.processes.into_iter().map(|process| process.name).collect())
    }

    async fn or_the_only(&self, process: Option<String>) -> Result<String, Error> {
        if let Some(process) = process {
            return Ok(process);
        }
        logbook::only_one(&self.names().await?).map(str::to_owned)
    }

    async fn apply(&self, op: bpm_api::Apply, origin: Origin) -> Result<Reply, Error> {
        let _turn = self.applying.lock().await;
        let project = self.world.project.clone();
        let loaded = tokio::task::spawn_blocking(move || crate::store::config::load(&project)).await;
        let loaded = loaded.map_err(|error| Error::new(Code::Internal, error.to_string()))??;
        trust::check(&self.world.project, &loaded.content)?;
        if let Some(env) = op.env {
            self.world.set_environment(env.into_iter().map(|(name, value)| (name.into(), value.into())));
        }
        let config = Arc::new(loaded.config);
        let what = Request::Apply { config: Arc::clone(&config) };
        let applied = self.carry_out("", what, origin.clone(), None).await?;
        self.world.set_notice(None);
        self.drift.applied(config);
        if op.fresh {
            self.start_what_was_stopped(&origin).await?;
        }
        Ok(applied)
    }

    async fn start_what_was_stopped(&self, origin: &Origin) -> Result<(), Error> {
        let status = self.state(None).await?;
        for process in status.processes.into_iter().filter(|process| process.state == bpm_api::State::Stopped)
        {
            let (reply, _) = oneshot::channel();
            let what = Request::Start { process: Name::from(process.name) };
            self.send(Message::Ask { what, origin: origin.clone(), reply })?;
        }
        Ok(())
    }
}

/// It may well be configured, in a configuration that is not in force.
fn not_in_force(mut error: Error, notice: String) -> Error {
    for (said, holds) in
        [(", and no other is configured", ""), ("no process is configured", "no process is in force")]
    {
        error.message = error.message.replace(said, holds);
    }
    let near = error.hint.take().filter(|hint| hint.starts_with("did you mean"));
    error.hint(near.unwrap_or(notice))
}

/// Whom a request is about.
fn subjects(request: &Asked) -> Vec<String> {
    match request {
        Asked::Restart(op) => op.process.iter().cloned().collect(),
        Asked::Start(op) => vec![op.process.clone()],
        Asked::Stop(op) => vec![op.process.clone()],
        Asked::EndTask(op) => vec![op.task_id.clone()],
        Asked::WaitFor(op) => op.targets.clone(),
        Asked::RunTask(op) => op.name.iter().cloned().collect(),
        Asked::SendInput(op) if op.wait_for.is_some() => {
            op.task_id.iter().chain(&op.process).cloned().collect()
        }
        _ => Vec::new(),
    }
}

fn subject_of(reply: &Reply) -> Vec<String> {
    match reply {
        Reply::Task(report) => vec![report.task.task_id.clone()],
        Reply::Began(began) => vec![began.process.clone()],
        _ => Vec::new(),
    }
}

fn wait(seconds: Option<f64>) -> Result<Duration, Error> {
    let Some(seconds) = seconds else { return Ok(USUAL_WAIT) };
    match Duration::try_from_secs_f64(seconds) {
        Ok(wait) if wait <= LONGEST_WAIT => Ok(wait),
        Ok(_) | Err(_) => Err(Error::new(
            Code::InvalidParameter,
            // with an exponent where there would be hundreds of digits
            format!(
                "`timeout_seconds` is {seconds:?}, expected a number from 0 to {}",
                LONGEST_WAIT.as_secs()
            ),
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_is_a_number_of_seconds_within_a_day() {
        assert_eq!(wait(None).unwrap(), USUAL_WAIT);
        assert_eq!(wait(Some(0.0)).unwrap(), Duration::ZERO);
        assert_eq!(wait(Some(0.25)).unwrap(), Duration::from_millis(250));
        assert_eq!(wait(Some(86_400.0)).unwrap(), LONGEST_WAIT);
        for wrong in [-1.0, f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 86_401.0, 1e308, -1e-308] {
            let error = wait(Some(wrong)).unwrap_err();
            assert_eq!(error.code, Code::InvalidParameter);
            assert!(error.message.contains("`timeout_seconds`") && error.message.len() < 80, "{error}");
        }
    }
}
