//! Logs line by line, for whoever scrolls, and which of them are kept.

use bpm_api::{Code, Error, GetRuns, LogWindow, ReadLog, Runs};

use super::Handle;

impl Handle {
    pub(super) async fn read_log(&self, op: ReadLog) -> Result<LogWindow, Error> {
        Err(Error::new(Code::Internal, format!("{op:?}")))
    }

    pub(super) async fn get_runs(&self, op: GetRuns) -> Result<Runs, Error> {
        Err(Error::new(Code::Internal, format!("{op:?}")))
    }
}
