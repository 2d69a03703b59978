//! The one door to a manager: implemented by the engine's handle and by the client over the socket.

use std::future::Future;

use bpm_api::{Code, Error, Op, Origin, Reply, Request};

/// Something that carries out requests.
pub trait Control: Clone + Send + Sync + 'static {
    /// Carries out one request. Dropping the future abandons the wait, never the work.
    fn call(&self, request: Request, origin: Origin) -> impl Future<Output = Result<Reply, Error>> + Send;

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
