//! Starting, stopping and restarting, as it is asked for: handed to the core, and waited for as long as the caller likes.

use std::time::Duration;

use bpm_api::{Code, Error, EventKind, LogQuery, Origin, Reply};
use bpm_core::fleet::{Outcome, Request};
use bpm_core::ids::task_number;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::oneshot;
use tokio::time::timeout;

use super::{Events, Handle, Message, wait};
use crate::engine::view;
use crate::exec::build_report;
use crate::logbook::What;

/// A program that ends within this after its start did not come up.
const SETTLING: Duration = Duration::from_millis(150);
const LAST_LINES: u32 = 20;

impl Handle {
    pub(super) async fn stop(&self, op: bpm_api::Stop, origin: Origin) -> Result<Reply, Error> {
        let known = self.resolve(vec![op.process]).await?.pop();
        let Some(known) = known else { return Err(Error::new(Code::Internal, "a name was not resolved")) };
        if task_number(&known.id).is_some() {
            let end = bpm_api::EndTask { task_id: known.id.to_string(), timeout_seconds: op.timeout_seconds };
            let ended = self.end_task(end, origin).await?;
            let message = match ended {
                Reply::Task(report) => format!("task {} is {}", known.id, report.task.state.as_str()),
                _ => format!("task {} has ended", known.id),
            };
            return Ok(Reply::Done(bpm_api::Done { message }));
        }
        let what = Request::Stop { process: known.id.clone() };
        self.carry_out(&known.id, what, origin, op.timeout_seconds).await
    }

    /// Starts or restarts; a run that ends at once is no success.
    pub(super) async fn bring_up(
        &self,
        process: &str,
        what: Request,
        origin: Origin,
        wait_seconds: Option<f64>,
    ) -> Result<Reply, Error> {
        let mut events = self.follow_events();
        let reply = self.carry_out(process, what, origin, wait_seconds).await?;
        let Reply::Began(began) = &reply else { return Ok(reply) };
        if began.already {
            return Ok(reply);
        }
        let run = began.run;
        let Ok(how) = timeout(SETTLING, ends(&mut events, process, run)).await else { return Ok(reply) };
        let query = LogQuery {
            process: Some(process.to_owned()),
            run: Some(run),
            tail: Some(LAST_LINES),
            ..LogQuery::default()
        };
        let page = self.search(What::Runs, query).await.ok();
        let lines = page.iter().flat_map(|page| &page.lines).map(|line| line.text.as_str());
        let detail = lines.collect::<Vec<_>>().join("\n");
        Err(Error::new(Code::NotReady, format!("`{process}` came up and was gone at once: {how}"))
            .hint(format!("mend it and restart; all it printed: `bpm logs {process}`"))
            .detail(detail))
    }

    /// Hands a request to the core and waits for its outcome, for a bounded time.
    pub(super) async fn carry_out(
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
    pub(super) async fn goes_on(&self, process: &str, wait: Duration) -> Error {
        let what = if process.is_empty() { "it".to_owned() } else { format!("`{process}`") };
        let status = self.state(None).await.ok();
        let found = status.and_then(|status| status.processes.into_iter().find(|one| one.name == process));
        let why = found.map_or_else(String::new, |process| format!(": {}", process.why));
        let waited = wait.as_secs_f64();
        Error::new(Code::TimedOut, format!("{what} is not done after {waited} s and goes on{why}"))
            .hint("`bpm status` tells when it is; nothing was cancelled")
    }

    /// A failed build's reply carries what the compiler said.
    pub(super) async fn reply(&self, process: &str, outcome: Outcome) -> Result<Reply, Error> {
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
}

/// Resolves when this run has ended by itself, and says how.
async fn ends(events: &mut Events, process: &str, run: u64) -> String {
    loop {
        match events.recv().await {
            Ok(noted) => {
                let event = &noted.event;
                let of = event.process.as_deref() == Some(process) && noted.run == Some(run);
                if of && event.kind == EventKind::Crashed {
                    return event.text.clone();
                }
            }
            Err(RecvError::Lagged(_)) => {}
            Err(RecvError::Closed) => std::future::pending().await,
        }
    }
}
