//! The one door to a manager: implemented by the engine's handle and by the client over the socket.

use std::fmt;
use std::future::Future;

use bpm_api::{Change, Code, Error, Op, Origin, Output, Reply, Request, Watch};
use bytes::Bytes;
use tokio::sync::mpsc;

/// Something that carries out requests.
pub trait Control: Clone + Send + Sync + 'static {
    /// Carries out one request. Dropping the future abandons the wait, never the work.
    fn call(&self, request: Request, origin: Origin) -> impl Future<Output = Result<Reply, Error>> + Send;

    /// Whether [`GetNews`](bpm_api::GetNews) has something for this caller: costs nothing, so that it can be asked after each call.
    fn has_news(&self, _origin: &Origin) -> bool {
        false
    }

    /// What happens from now on. A watcher that does not read in time is told what it missed.
    fn watch(&self, what: Watch) -> impl Future<Output = Result<Changes, Error>> + Send;

    /// What a live run prints from now on, as bytes. A reader that is slow slows nobody; it gets what the log holds.
    fn output(&self, of: Output) -> impl Future<Output = Result<Chunks, Error>> + Send {
        let refusal = Error::new(Code::Internal, format!("the output of `{}` cannot be had here", of.target));
        async { Err(refusal) }
    }

    /// Says that a client is there until the answer is dropped: a manager with nothing to do stays for its clients.
    fn presence(&self) -> Presence {
        Presence::default()
    }

    /// The same with types: the request says what its answer is.
    fn ask<O: Op>(&self, op: O, origin: Origin) -> impl Future<Output = Result<O::Out, Error>> + Send {
        async {
            let reply = self.call(op.into_request(), origin).await?;
            O::from_reply(reply).ok_or_else(|| {
                Error::new(
                    Code::Internal,
                    format!("the manager answered `{}` with another operation's reply", O::NAME),
                )
                .hint("check that `bpm --version` is the same on both sides")
            })
        }
    }
}

/// A client that is there. Whoever counts clients puts something into it whose drop is noticed.
#[derive(Default)]
pub struct Presence(pub Option<Box<dyn Send + Sync>>);

impl fmt::Debug for Presence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Presence").field("counted", &self.0.is_some()).finish()
    }
}

/// Bytes as they come. Dropping it ends the reading; `None` means that the run has ended, or the manager has gone.
#[derive(Debug)]
pub struct Chunks(pub mpsc::Receiver<Bytes>);

impl Chunks {
    pub async fn next(&mut self) -> Option<Bytes> {
        self.0.recv().await
    }
}

/// Changes as they come. Dropping it ends the watch; `None` means that the manager has gone.
#[derive(Debug)]
pub struct Changes(pub mpsc::Receiver<Change>);

impl Changes {
    pub async fn next(&mut self) -> Option<Change> {
        self.0.recv().await
    }
}
