//! Waits in the runtime for a descriptor that is none of tokio's own kinds: a pidfd, inotify.

use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;

use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// Something that becomes readable.
#[derive(Debug)]
pub struct Readable(AsyncFd<Arc<OwnedFd>>);

impl Readable {
    /// To be called in a tokio runtime.
    ///
    /// # Errors
    /// The descriptor cannot be polled.
    #[expect(
        deprecated,
        reason = "the unsafe twin asks that the descriptor stays open: a shared `OwnedFd` does"
    )]
    pub fn new(descriptor: Arc<OwnedFd>) -> io::Result<Readable> {
        AsyncFd::with_interest(descriptor, Interest::READABLE).map(Readable)
    }

    /// Resolves when there is something to read. All of it must be read before the next call.
    ///
    /// # Errors
    /// The runtime is ending.
    pub async fn wait(&self) -> io::Result<()> {
        self.0.readable().await?.clear_ready();
        Ok(())
    }
}
