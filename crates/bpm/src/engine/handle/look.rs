//! Questions that change nothing: status, logs, reasons and news.

use std::time::Duration;

use bpm_api::{Alarm, Code, Error, GetStatus, LogQuery, Origin, State, Status, WhyAnswer};
use tokio::sync::oneshot;
use tokio::time::timeout;

use super::{Handle, Message, evidence, news};
use crate::engine::{view, waits};
use crate::exec::{build_report, holder};
use crate::logbook::{self, Shape, What};

/// How long a shim may take to say who is left.
const SHIM_ANSWERS: Duration = Duration::from_secs(1);
const LAST_LINES: u32 = 20;

impl Handle {
    /// Lines of a build that say why it failed.
    pub(in crate::engine) async fn errors_of_build(
        &self,
        process: Option<String>,
        build: u64,
    ) -> Option<bpm_api::LogPage> {
        let query = LogQuery { process, run: Some(build), ..LogQuery::default() };
        let errors = LogQuery {
            pattern: Some(r"^\s*error".to_owned()),
            context_lines: Some(8),
            head: Some(40),
            ..query.clone()
        };
        let page = self.search(What::Builds, errors).await.ok().filter(|page| !page.lines.is_empty());
        match page {
            Some(page) => Some(page),
            None => self.search(What::Builds, LogQuery { tail: Some(LAST_LINES), ..query }).await.ok(),
        }
    }

    /// Who has a TCP port: pid, command, and whether bpm runs it.
    pub(in crate::engine) async fn port_holder(&self, port: u16) -> Option<String> {
        let project = self.world.project.id.clone();
        let look = move || holder::of_port(port).map(|holder| holder.describe(&project));
        tokio::task::spawn_blocking(look).await.ok().flatten()
    }

    pub(super) async fn status(&self, what: GetStatus) -> Result<Status, Error> {
        let mut status = self.told(what).await?;
        if self.world.notice().is_none() {
            let notice = self.drift.notice(&self.world.project).await;
            status.alarms.extend(notice.map(|message| Alarm { process: None, message }));
        }
        self.name_lock_holders(&mut status).await;
        self.samples.fill(&mut status).await;
        Ok(status)
    }

    /// The status without CPU, memory and ports.
    pub(super) async fn state(&self, process: Option<String>) -> Result<Status, Error> {
        self.told(GetStatus { process, brief: true, ended_tasks: None }).await
    }

    async fn told(&self, what: GetStatus) -> Result<Status, Error> {
        let (reply, answer) = oneshot::channel();
        self.send(Message::Status { what, reply })?;
        answer.await.map_err(|_| Error::new(Code::Closing, "the manager is ending"))?
    }

    /// Says for whom a cargo waits that waits for a lock.
    pub(super) async fn name_lock_holders(&self, status: &mut Status) {
        for process in status.processes.iter_mut().filter(|process| process.building.is_some()) {
            let Some(building) = &mut process.building else { continue };
            let dir = self.world.project.builds(&process.name).join(building.build.to_string());
            let waiting = tokio::task::spawn_blocking(move || build_report::waits_for(&dir)).await;
            building.note = waiting.ok().flatten().or_else(|| building.note.take());
        }
    }

    pub(in crate::engine) async fn search(
        &self,
        what: What,
        mut query: LogQuery,
    ) -> Result<bpm_api::LogPage, Error> {
        let (project, mut names) = (self.world.project.clone(), self.names().await?);
        if let Some(process) = &mut query.process
            && !names.contains(process)
        {
            // a task, which shares the name space, or a process of old that left its logs
            match self.resolve(vec![process.clone()]).await {
                Ok(known) => *process = known.first().map_or_else(String::new, |known| known.id.to_string()),
                Err(error) if error.code == Code::UnknownTask => return Err(error),
                Err(error) => {
                    if !logbook::on_disk(&project)?.contains(process) {
                        return Err(error);
                    }
                }
            }
            names.push(process.clone());
        }
        if let Some(cursor) = &mut query.cursor {
            *cursor = waits::of_logs(cursor);
        }
        let searched = tokio::task::spawn_blocking(move || {
            logbook::search(&project, what, &[], &query, &names, Shape::BRIEF)
        });
        searched.await.map_err(|error| Error::new(Code::Internal, format!("the search failed: {error}")))?
    }

    /// The state in words, and the last lines of what decided it.
    pub(super) async fn why(&self, process: String) -> Result<WhyAnswer, Error> {
        let asked = GetStatus { process: Some(process.clone()), ..GetStatus::default() };
        let status = self.status(asked).await?;
        let Some(status) = status.processes.into_iter().next() else {
            return Err(logbook::unknown_process(&process, &[]));
        };
        let failed_build = status.last_build.as_ref().filter(|build| build.ok == Some(false));
        let survivors = self.survivors(&process).await;
        let process = Some(process);
        let evidence = match (status.state, failed_build, &status.last_exit) {
            (State::BuildFailed, Some(build), _) => self.errors_of_build(process, build.build).await,
            (State::Running, ..) | (_, _, None) => {
                let last =
                    LogQuery { process, run: status.run, tail: Some(LAST_LINES), ..LogQuery::default() };
                self.search(What::Runs, last).await.ok()
            }
            (_, _, Some(exit)) => {
                let (run, tail) = (Some(exit.run), Some(evidence::LOOKED_AT));
                let max_bytes = Some(evidence::LOOKED_AT_BYTES);
                let last = LogQuery { process, run, tail, max_bytes, ..LogQuery::default() };
                self.search(What::Runs, last).await.ok().map(evidence::reduced)
            }
        };
        let evidence = evidence.filter(|page| !page.lines.is_empty());
        Ok(WhyAnswer { status, evidence, survivors })
    }

    /// What outlived KILL, by pid and name, as its shims say.
    pub(super) async fn survivors(&self, process: &str) -> Vec<String> {
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

    pub(super) async fn news_line(&self, origin: &Origin) -> bpm_api::News {
        let Some(session) = &origin.session else { return bpm_api::News::default() };
        let events = self.news.take(session);
        let tasks = self.tasks(None).await.unwrap_or_default();
        let project = self.world.project.clone();
        let line = tokio::task::spawn_blocking(move || {
            let task = |id: &str| tasks.iter().find(|task| task.task_id == id);
            news::line(&events, |process, run| logbook::last_error(&project, process, run), task)
        });
        bpm_api::News { line: line.await.ok().flatten() }
    }
}
