//! Finds a run's shim: is it alive, and how is it reached? That this manager has no descriptor or memory left
//! for a look says nothing about the run, so an error is never an answer.

use std::io::{self, Write};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use bpm_shim::launch::{self, Presence};
use bpm_shim::protocol::{self, Message, Request};
use tokio::time::{Instant, sleep};

use super::{FIRST_PAUSE, LONGEST_PAUSE, Place};

/// How long a shim that is there may take to have its socket.
const ARRIVING: Duration = Duration::from_secs(5);

/// Looks until a look succeeds.
pub(super) async fn presence(place: &Place) -> Presence {
    let mut pause = FIRST_PAUSE;
    loop {
        let dir = place.dir.clone();
        let looked = tokio::task::spawn_blocking(move || launch::presence(&dir)).await;
        match looked.map_err(io::Error::other).flatten() {
            Ok(presence) => return presence,
            Err(error) => {
                tracing::warn!("{}: cannot look into {}: {error}", place.tag, place.dir.display());
            }
        }
        sleep(pause).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

/// Connects to a living shim. Its socket comes a moment after its lock, hence the tries. `None`: it is alive
/// no more.
///
/// # Errors
/// Its lock is held, yet nobody listens.
pub(super) async fn reach(place: &Place) -> io::Result<Option<UnixStream>> {
    let deadline = Instant::now() + ARRIVING;
    let mut pause = FIRST_PAUSE;
    loop {
        let dir = place.dir.clone();
        let tried = tokio::task::spawn_blocking(move || {
            let mut link = launch::connect(&dir)?;
            link.write_all(&Request::Hello { version: protocol::VERSION }.frame())?;
            Ok(link)
        });
        match tried.await.map_err(io::Error::other)? {
            Ok(link) => return Ok(Some(link)),
            Err(error) if says_nobody(&error) && Instant::now() > deadline => return Err(error),
            Err(_) => sleep(pause).await,
        }
        pause = (pause * 2).min(LONGEST_PAUSE);
        if presence(place).await != Presence::Alive {
            return Ok(None);
        }
    }
}

/// There is no socket, or nobody listens on it; other errors are this manager's own trouble.
fn says_nobody(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused)
}
