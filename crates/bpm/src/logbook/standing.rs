//! Whether a run or build goes on, as far as its directory says.

use std::io;
use std::path::Path;

use bpm_shim::exit_record::{self, Recorded, Rest};
use bpm_shim::launch::{self, Presence};

/// As [`launch::presence`]; but a shim that has written its last word, and all output before it, counts as gone
/// although it may take it a moment to go.
///
/// # Errors
/// The lock or the record is there and cannot be read.
pub(super) fn presence(dir: &Path) -> io::Result<Presence> {
    let presence = launch::presence(dir)?;
    if presence == Presence::Alive
        && let Recorded::Ended(record) = exit_record::read(dir)?
        && record.rest != Rest::Running
    {
        return Ok(Presence::Ended(record));
    }
    Ok(presence)
}
