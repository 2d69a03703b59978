//! Logs line by line, for whoever scrolls, and which of them are kept.

use std::sync::Arc;

use bpm_api::{Code, Error, GetRuns, LogWindow, ReadLog, Runs};

use super::Handle;
use crate::exec::build_report;
use crate::logbook::{self, Whose};

impl Handle {
    pub(super) async fn read_log(&self, ask: ReadLog) -> Result<LogWindow, Error> {
        let whose = self.whose_logs(&ask.target).await?;
        let (project, filters) = (self.project().clone(), Arc::clone(&self.filters));
        let _turn = self.log_hub().turn().await;
        let read = tokio::task::spawn_blocking(move || logbook::window(&project, &whose, &ask, &filters));
        read.await.map_err(|error| Error::new(Code::Internal, format!("the log was not read: {error}")))?
    }

    pub(super) async fn get_runs(&self, ask: GetRuns) -> Result<Runs, Error> {
        let whose = self.whose_logs(&ask.target).await?;
        let project = self.project().clone();
        let _turn = self.log_hub().turn().await;
        let look = move || logbook::runs(&project, &whose.id, build_report::summary);
        let told = tokio::task::spawn_blocking(look).await;
        told.map_err(|error| Error::new(Code::Internal, format!("the runs were not read: {error}")))?
    }

    /// A process or task, or a process of old that left its logs.
    pub(super) async fn whose_logs(&self, name: &str) -> Result<Whose, Error> {
        let label = name.to_owned();
        match self.resolve(vec![name.to_owned()]).await.map(|mut known| known.pop()) {
            Ok(Some(known)) => Ok(Whose { id: known.id.to_string(), label, errors: known.errors }),
            Ok(None) => Err(Error::new(Code::Internal, format!("nobody knows `{name}`"))),
            Err(error) if error.code == Code::UnknownTask => Err(error),
            Err(error) => {
                let project = self.project().clone();
                let on_disk = tokio::task::spawn_blocking(move || logbook::on_disk(&project)).await;
                match on_disk.is_ok_and(|names| names.is_ok_and(|names| names.contains(&label))) {
                    true => Ok(Whose { id: label.clone(), label, errors: Default::default() }),
                    false => Err(error),
                }
            }
        }
    }
}
