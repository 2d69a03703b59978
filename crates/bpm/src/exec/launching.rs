//! Launching shims, one at a time, and letting go of those that have left.

use std::io;
use std::path::Path;
use std::process::Child;
use std::sync::Arc;

use bpm_shim::launch::{self, Launched};
use bpm_shim::plan::Plan;
use rustix::process::{Pid, PidfdFlags, pidfd_open};
use tokio::sync::Semaphore;

use crate::readable::Readable;

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

/// Waits until a shim that is leaving has left, so that nothing of it stays as a zombie. Takes no thread: a
/// thousand may leave at once, and one that is stopped by a debugger may take for ever.
pub async fn reap(mut shim: Child) {
    let pidfd = pidfd_open(Pid::from_child(&shim), PidfdFlags::NONBLOCK);
    let left = match pidfd.map_err(io::Error::from).and_then(|pidfd| Readable::new(Arc::new(pidfd))) {
        Ok(pidfd) => pidfd.wait().await,
        Err(error) => Err(error),
    };
    let reaped = left.and_then(|()| shim.try_wait());
    if !matches!(reaped, Ok(Some(_))) {
        let _ = tokio::task::spawn_blocking(move || shim.wait()).await; // without a descriptor to spare
    }
}

#[cfg(test)]
mod tests {
    use std::process::{Command, Stdio};
    use std::time::Duration;

    use super::*;

    #[tokio::test]
    async fn who_has_left_leaves_no_zombie_and_who_has_not_is_waited_for() {
        let mut child = Command::new("cat").stdin(Stdio::piped()).spawn().unwrap();
        let (input, pid) = (child.stdin.take(), child.id());
        let reaped = tokio::spawn(reap(child));
        assert!(Path::new(&format!("/proc/{pid}")).exists());
        drop(input);
        tokio::time::timeout(Duration::from_secs(20), reaped).await.unwrap().unwrap();
        assert!(!Path::new(&format!("/proc/{pid}")).exists());
    }
}
