//! The engine's face to everybody else: [`Control`] over its inbox, with the waits bounded.

use std::sync::Arc;
use std::time::Duration;

use bpm_api::{Code, Error, LogQuery, Origin, Reply, Request as Asked, Status, Watch, WhyAnswer};
use bpm_core::fleet::{Event, Outcome, Request};
use bpm_core::ids::{Mode, Name};
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;

use super::{Message, view};
use crate::control::{Changes, Control};
use crate::exec::world::World;
use crate::exec::{build_report, sample};
use crate::logbook::{self, Shape, What};
use crate::store::trust;

/// How long a call waits for its outcome unless it says otherwise: below the shortest limit that clients
/// set (60 s).
const USUAL_WAIT: Duration = Duration::from_secs(50);
const LONGEST_WAIT: Duration = Duration::from_secs(24 * 3600);
/// How long a shim may take to say who is left.
const SHIM_ANSWERS: Duration = Duration::from_secs(1);

/// Cheap to clone; all clones talk to one engine.
#[derive(Clone, Debug)]
pub struct Handle {
    inbox: mpsc::UnboundedSender<Message>,
    world: Arc<World>,
    samples: Arc<sample::Sampler>,
    /// Configurations are put into force in the order in which they were read.
    applying: Arc<tokio::sync::Mutex<()>>,
}

impl Control for Handle {
    async fn call(&self, request: Asked, origin: Origin) -> Result<Reply, Error> {
        if origin.face == "mcp" {
            self.send(Message::Core(Event::Activity))?;
        }
        match request {
            Asked::GetStatus(op) => Ok(Reply::Status(Box::new(self.status(op.process).await?))),
            Asked::Restart(op) => {
                let process = self.or_the_only(op.process).await?;
                let recipe = op.mode.map(|mode| match mode {
                    bpm_api::Mode::Dev => Mode::Dev,
                    bpm_api::Mode::Release => Mode::Release,
                });
                let what = Request::Restart { process: Name::from(process.as_str()), recipe };
                self.carry_out(&process, what, origin, op.timeout_seconds).await
            }
            Asked::Start(op) => {
                let what = Request::Start { process: Name::from(op.process.as_str()) };
                self.carry_out(&op.process, what, origin, op.timeout_seconds).await
            }
            Asked::Stop(op) => {
                let what = Request::Stop { process: Name::from(op.process.as_str()) };
                self.carry_out(&op.process, what, origin, op.timeout_seconds).await
            }
            Asked::SearchLogs(op) => Ok(Reply::LogPage(self.search(What::Runs, op.0).await?)),
            Asked::SearchBuildLog(op) => Ok(Reply::LogPage(self.search(What::Builds, op.0).await?)),
            Asked::Why(op) => Ok(Reply::Why(Box::new(self.why(op.process).await?))),
            Asked::Apply(op) => self.apply(op, origin).await,
            Asked::Shutdown(_) => {
                self.carry_out("", Request::Shutdown, origin, Some(LONGEST_WAIT.as_secs_f64())).await
            }
            Asked::RunTask(_)
            | Asked::GetTask(_)
            | Asked::EndTask(_)
            | Asked::ClearTasks(_)
            | Asked::SendInput(_)
            | Asked::WaitFor(_)
            | Asked::GetNews(_)
            | Asked::SubmitCall(_)
            | Asked::GetCall(_)
            | Asked::CancelCall(_) => Err(not_yet()),
        }
    }

    async fn watch(&self, _what: Watch) -> Result<Changes, Error> {
        Err(not_yet())
    }
}

impl Handle {
    pub(super) fn new(inbox: mpsc::UnboundedSender<Message>, world: Arc<World>) -> Handle {
        Handle { inbox, world, samples: Arc::default(), applying: Arc::default() }
    }

    /// The terminal or the system wants the manager to end; a second time kills at once.
    pub fn shut_down(&self) {
        let _ = self.inbox.send(Message::Shutdown);
    }

    fn send(&self, message: Message) -> Result<(), Error> {
        self.inbox.send(message).map_err(|_| Error::new(Code::Closing, "the manager is ending"))
    }

    async fn status(&self, process: Option<String>) -> Result<Status, Error> {
        let mut status = self.state(process).await?;
        self.name_lock_holders(&mut status).await;
        self.samples.fill(&mut status).await;
        Ok(status)
    }

    /// The status without CPU, memory and ports.
    async fn state(&self, process: Option<String>) -> Result<Status, Error> {
        let (reply, answer) = oneshot::channel();
        self.send(Message::Status { process, reply })?;
        answer.await.map_err(|_| Error::new(Code::Closing, "the manager is ending"))?
    }

    /// Says for whom a cargo waits that waits for a lock.
    async fn name_lock_holders(&self, status: &mut Status) {
        for process in status.processes.iter_mut().filter(|process| process.building.is_some()) {
            let Some(building) = &mut process.building else { continue };
            let dir = self.world.project.builds(&process.name).join(building.build.to_string());
            let waiting = tokio::task::spawn_blocking(move || build_report::waits_for(&dir)).await;
            building.note = waiting.ok().flatten().or_else(|| building.note.take());
        }
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

    /// Hands a request to the core and waits for its outcome, for a bounded time.
    async fn carry_out(
        &self,
        process: &str,
        what: Request,
        origin: Origin,
        wait_seconds: Option<f64>,
    ) -> Result<Reply, Error> {
        let wait = wait(wait_seconds)?;
        let (reply, outcome) = oneshot::channel();
        self.send(Message::Ask { what, origin, reply })?;
        match timeout(wait, outcome).await {
            Ok(Ok(outcome)) => self.reply(process, outcome).await,
            Ok(Err(_)) => Err(Error::new(Code::Closing, "the manager ended before this was done")),
            Err(_) => Err(self.goes_on(process, wait).await),
        }
    }

    /// The wait is over, the work is not.
    async fn goes_on(&self, process: &str, wait: Duration) -> Error {
        let what = if process.is_empty() { "it".to_owned() } else { format!("`{process}`") };
        let status = self.state(None).await.ok();
        let found = status.and_then(|status| status.processes.into_iter().find(|one| one.name == process));
        let why = found.map_or_else(String::new, |process| format!(": {}", process.why));
        let waited = wait.as_secs_f64();
        Error::new(Code::TimedOut, format!("{what} is not done after {waited} s and goes on{why}"))
            .hint("`bpm status` tells when it is; nothing was cancelled")
    }

    /// A failed build's reply carries what the compiler said.
    async fn reply(&self, process: &str, outcome: Outcome) -> Result<Reply, Error> {
        let (failed, built) = match &outcome {
            Outcome::BuildFailed { build, .. } => (Some(*build), None),
            Outcome::Up { build, .. } => (None, *build),
            _ => (None, None),
        };
        let dir = |build: u64| self.world.project.builds(process).join(build.to_string());
        let mut reply = view::reply(process, outcome);
        if let (Some(build), Err(error)) = (failed, &mut reply) {
            let dir = dir(build);
            let detail = tokio::task::spawn_blocking(move || build_report::failure_text(&dir)).await;
            error.detail = detail.ok().flatten();
        }
        if let (Some(build), Ok(Reply::Began(began))) = (built, &mut reply) {
            let dir = dir(build);
            let warnings = tokio::task::spawn_blocking(move || build_report::warnings(&dir)).await;
            began.warnings = warnings.unwrap_or(0);
        }
        reply
    }

    async fn search(&self, what: What, query: LogQuery) -> Result<bpm_api::LogPage, Error> {
        let (project, names) = (self.world.project.clone(), self.names().await?);
        let searched = tokio::task::spawn_blocking(move || {
            logbook::search(&project, what, &[], &query, &names, Shape::BRIEF)
        });
        searched.await.map_err(|error| Error::new(Code::Internal, format!("the search failed: {error}")))?
    }

    /// The state in words, and the last lines of what decided it.
    async fn why(&self, process: String) -> Result<WhyAnswer, Error> {
        let status = self.status(Some(process.clone())).await?;
        let Some(status) = status.processes.into_iter().next() else {
            return Err(logbook::unknown_process(&process, &[]));
        };
        let failed_build = status.last_build.as_ref().filter(|build| build.ok == Some(false));
        let (what, run) = match (status.state, failed_build, &status.last_exit) {
            (bpm_api::State::BuildFailed, Some(build), _) => (What::Builds, Some(build.build)),
            (bpm_api::State::Running, _, _) => (What::Runs, status.run),
            (_, _, Some(exit)) => (What::Runs, Some(exit.run)),
            _ => (What::Runs, None),
        };
        let survivors = self.survivors(&process).await;
        let query = LogQuery { process: Some(process), run, tail: Some(20), ..LogQuery::default() };
        let evidence = self.search(what, query).await.ok().filter(|page| !page.lines.is_empty());
        Ok(WhyAnswer { status, evidence, survivors })
    }

    /// What outlived KILL, by pid and name, as its shims say.
    async fn survivors(&self, process: &str) -> Vec<String> {
        let (reply, answers) = oneshot::channel();
        if self.send(Message::Survivors { process: process.to_owned(), reply }).is_err() {
            return Vec::new();
        }
        let mut survivors = Vec::new();
        for answer in answers.await.unwrap_or_default() {
            // a shim that is gone or stopped does not answer
            if let Ok(Ok(list)) = timeout(SHIM_ANSWERS, answer).await {
                survivors.extend(list.iter().map(view::survivor));
            }
        }
        survivors
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
        let what = Request::Apply { config: Arc::new(loaded.config) };
        let applied = self.carry_out("", what, origin.clone(), None).await?;
        self.world.set_notice(None);
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

fn not_yet() -> Error {
    Error::new(Code::Internal, "this manager cannot do that")
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
