//! Waits in the runtime for a descriptor that is none of tokio's own kinds: a pidfd, inotify, a terminal.

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

    /// Resolves with what `look` finds. It says `None` where reading would have to wait, and is asked again when it need not.
    ///
    /// # Errors
    /// The runtime is ending.
    pub async fn find<T>(&self, mut look: impl FnMut() -> Option<T>) -> io::Result<T> {
        loop {
            let mut ready = self.0.readable().await?;
            match look() {
                Some(found) => return Ok(found),
                None => ready.clear_ready(),
            }
        }
    }
}

/// Something that becomes writable.
#[derive(Debug)]
pub struct Writable(AsyncFd<Arc<OwnedFd>>);

impl Writable {
    /// To be called in a tokio runtime.
    ///
    /// # Errors
    /// The descriptor cannot be polled.
    #[expect(
        deprecated,
        reason = "the unsafe twin asks that the descriptor stays open: a shared `OwnedFd` does"
    )]
    pub fn new(descriptor: Arc<OwnedFd>) -> io::Result<Writable> {
        AsyncFd::with_interest(descriptor, Interest::WRITABLE).map(Writable)
    }

    /// The same as [`Readable::find`].
    ///
    /// # Errors
    /// The runtime is ending.
    pub async fn find<T>(&self, mut look: impl FnMut() -> Option<T>) -> io::Result<T> {
        loop {
            let mut ready = self.0.writable().await?;
            match look() {
                Some(found) => return Ok(found),
                None => ready.clear_ready(),
            }
        }
    }
}
