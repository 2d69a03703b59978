//! Which runs and builds are kept, and what became of each: a few reads for every one.

use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use bpm_api::{Error, KeptRun, Runs};
use bpm_core::fleet::signal_name;
use bpm_logs::RunLog;
use bpm_shim::exit_record::{ExitRecord, Outcome};
use bpm_shim::launch::{Presence, launched};
use bpm_shim::protocol::Status;

use super::What;
use super::kept::Kept;
use super::since::rfc3339;
use super::standing::presence;
use crate::store::asked;
use crate::store::paths::Project;

/// Of more the oldest are not told.
const MOST: usize = 1_000;

/// The kept runs and builds of a process or task, the newest last. `why_failed` says of a build's directory and its
/// program's end what went wrong.
///
/// # Errors
/// The state directory cannot be read.
pub fn runs(
    project: &Project,
    id: &str,
    why_failed: impl Fn(&Path, Status) -> String,
) -> Result<Runs, Error> {
    let of = |what: What| -> Result<Vec<KeptRun>, Error> {
        let dir = what.dir(project, id);
        let numbers = Kept::read(&dir)?.numbers;
        let newest = &numbers[numbers.len().saturating_sub(MOST)..];
        let told = newest.iter().filter_map(|number| {
            let words = |status| match what {
                What::Runs => ended(status),
                What::Builds => build_ended(&dir.join(number.to_string()), status, &why_failed),
            };
            one(what, *number, &dir.join(number.to_string()), words)
        });
        Ok(told.collect())
    };
    Ok(Runs { runs: of(What::Runs)?, builds: of(What::Builds)? })
}

/// `None`: it has just been dropped.
fn one(what: What, number: u64, dir: &Path, words: impl Fn(Status) -> String) -> Option<KeptRun> {
    let presence = presence(dir).ok()?;
    let log = RunLog::open(dir).ok()?;
    let (lines, bytes) = log
        .summary()
        .map_or((0, 0), |log| (log.next_line + u64::from(log.unterminated) - log.first_line, log.bytes));
    let (how, bad) = match &presence {
        Presence::Alive => (if what == What::Builds { "building" } else { "running" }.to_owned(), false),
        Presence::NeverStarted => ("not started".to_owned(), false),
        Presence::Lost => ("lost".to_owned(), true),
        Presence::Ended(record) => match &record.outcome {
            Outcome::Exited(status) => (words(*status), *status != Status::Code(0)),
            Outcome::SpawnFailed(failure) => (format!("could not be started: {}", failure.message), true),
        },
    };
    let asked = bad && asked::is_marked(dir);
    let (started, ended) = times(dir, &presence);
    Some(KeptRun {
        number,
        started: started.map(rfc3339),
        ended: ended.map(rfc3339),
        how: if asked && what == What::Builds { "cancelled".to_owned() } else { how },
        bad: bad && !asked,
        lines,
        bytes,
    })
}

/// When it was started and when it ended, in nanoseconds since 1970.
fn times(dir: &Path, presence: &Presence) -> (Option<u64>, Option<u64>) {
    match presence {
        Presence::Ended(record) => {
            let ExitRecord { started, ended, .. } = record.as_ref();
            (Some(started.wall_ns), Some(ended.wall_ns))
        }
        Presence::Alive | Presence::Lost => (launched(dir).ok().flatten().and_then(nanoseconds), None),
        Presence::NeverStarted => (None, None),
    }
}

fn nanoseconds(time: SystemTime) -> Option<u64> {
    u64::try_from(time.duration_since(UNIX_EPOCH).ok()?.as_nanos()).ok()
}

fn ended(status: Status) -> String {
    match status {
        Status::Code(code) => format!("exited with {code}"),
        Status::Signal { signal, .. } => match signal_name(signal) {
            Some(name) => format!("killed by {name}"),
            None => format!("killed by signal {signal}"),
        },
    }
}

fn build_ended(dir: &Path, status: Status, why_failed: impl Fn(&Path, Status) -> String) -> String {
    match status {
        Status::Code(0) => "succeeded".to_owned(),
        status => format!("failed: {}", why_failed(dir, status)),
    }
}
