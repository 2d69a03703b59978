//! MCP over a byte stream, one message a line: what `bpm mcp` serves on its standard input and output.
//! Knows not whose they are.

use std::future::pending;
use std::time::Duration;

use rmcp::ServiceExt;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::channel;
use super::handler::Handler;
use super::identity::Identity;
use super::lines::Lines;
use crate::control::Control;

/// After the end of input: answers that are almost there get this long.
const GRACE: Duration = Duration::from_millis(80);

/// How one connection is served.
#[derive(Clone, Debug, Default)]
pub struct StdioOptions {
    /// Tells this client from others of its name, for its news: any text that is not used twice.
    pub session: String,
    /// Declare the experimental capability `claude/channel` and send it crashes, unasked.
    pub channel: bool,
}

/// Serves one client until its input ends, and at most 100 ms longer. Dropping the future ends it at once.
/// Calls that are still under way then are abandoned; what they began goes on.
///
/// Reads and writes nothing else; a reader and writer that need no thread are faster (17 µs instead of 43 µs a
/// call with the pipes that clients give).
pub async fn serve_stdio<C, R, W>(control: C, reader: R, writer: W, options: StdioOptions)
where
    C: Control,
    R: AsyncRead + Unpin + Send + 'static,
    W: AsyncWrite + Unpin + Send + 'static,
{
    let identity = Identity::fixed(options.session, options.channel);
    let own = identity.own();
    let handler = Handler::new(control.clone(), identity);
    let ended = CancellationToken::new();
    let lines = Lines::new(reader, writer, ended.clone());
    let stop = CancellationToken::new();
    let _stop = stop.clone().drop_guard();
    let session = async {
        match handler.serve_with_ct(lines, stop.clone()).await {
            Ok(running) => {
                let peer = running.peer().clone();
                let told = async {
                    if options.channel {
                        channel::run(control, peer, own).await;
                    }
                    pending::<()>().await;
                };
                tokio::select! {
                    // It has ended either way.
                    _ = running.waiting() => {}
                    () = told => {}
                }
            }
            Err(fault) => tracing::debug!(%fault, "a client left before it began"),
        }
    };
    tokio::pin!(session);
    tokio::select! {
        () = &mut session => return,
        () = ended.cancelled() => {}
    }
    let _ = timeout(GRACE, session).await;
}
