//! Launching shims, one at a time.

use std::io;
use std::path::Path;

use bpm_shim::launch::{self, Launched};
use bpm_shim::plan::Plan;
use tokio::sync::Semaphore;

static TURN: Semaphore = Semaphore::const_new(1);

/// Starts a shim. It takes well under a millisecond, less than handing it to another thread and back, so it is
/// done right here; but only one of the runtime's threads is ever busy with it, however many start at once.
///
/// # Errors
/// The run's directory is not fresh or cannot be written, or no process can be made.
pub async fn launch(executable: &Path, dir: &Path, plan: &Plan) -> io::Result<Launched> {
    let _turn = TURN.acquire().await.map_err(io::Error::other)?;
    launch::launch(executable, dir, plan)
}
