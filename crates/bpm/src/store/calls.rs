//! Calls that go on without their caller: what was asked and, once it is done, the answer. One file each.

use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::DirBuilderExt;

use bpm_api::{CallStatus, Origin, Request};
use serde::{Deserialize, Serialize};

use super::paths::Project;

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct CallRecord {
    pub status: CallStatus,
    /// When it was accepted, and when it was over; milliseconds since 1970.
    pub created_ms: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub over_ms: Option<u64>,
    pub origin: Origin,
    /// Until it is over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request: Option<Request>,
}

/// # Errors
/// The state directory cannot be written.
pub fn save(project: &Project, record: &CallRecord) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(project.calls())?;
    let text = serde_json::to_vec(record).map_err(io::Error::other)?;
    super::write_atomically(&project.calls().join(&record.status.call_id), &text)
}

pub fn load(project: &Project) -> Vec<CallRecord> {
    let entries = fs::read_dir(project.calls()).into_iter().flatten().flatten();
    let read = |entry: fs::DirEntry| {
        let record: CallRecord = serde_json::from_slice(&fs::read(entry.path()).ok()?).ok()?;
        (record.status.call_id.as_str() == entry.file_name().to_str()?).then_some(record)
    };
    entries.filter_map(read).collect()
}

pub fn remove(project: &Project, id: &str) {
    let _ = fs::remove_file(project.calls().join(id));
}
