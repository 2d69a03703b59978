//! Connections: accepted, admitted, served, counted and ended. Knows no routes and no rule of access.

use std::convert::Infallible;
use std::future::{Future, pending};
use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use bpm_api::{Code, Error};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::respond::Body;

/// Open connections of one door.
const MAX_CONNECTIONS: usize = 512;
/// Connections that are being refused; above it they are closed without a word.
const MAX_REFUSALS: usize = 64;
/// How long a connection may wait for its next request. The one timer of an idle connection.
const IDLE: Duration = Duration::from_secs(60 * 60);
/// Most that one connection buffers of what it reads, and so the size of a request's head.
const BUFFER_BYTES: usize = 64 * 1024;
/// Connections of peers that have not shown who they are.
const MAX_STRANGERS: usize = 128;
/// How long they may take for it.
const INTRODUCTION: Duration = Duration::from_secs(10);
/// How long a refused peer may take to read why.
const REFUSAL: Duration = Duration::from_secs(2);
/// Without descriptors or memory, accepting again at once would only burn the processor.
const ACCEPT_BACKOFF: Duration = Duration::from_millis(100);
/// After the end was asked for: answers under way get this long.
const GRACE: Duration = Duration::from_millis(250);
/// Then streams are told to end, and get this long.
const LAST_GRACE: Duration = Duration::from_secs(1);

/// Where connections come from.
pub(super) trait Accept: Send + 'static {
    type Io: AsyncRead + AsyncWrite + Unpin + Send + Sync + 'static;

    fn accept(&self) -> impl Future<Output = io::Result<Self::Io>> + Send;
}

/// What is done with them.
pub(super) trait Gate<Io>: Send + Sync + 'static {
    /// What is known of the other end once it was let in.
    type Peer: Clone + Send + Sync + 'static;

    /// Whether this peer may speak: asked once, before its first request. One that has yet to show who it is counts
    /// as a stranger until it has.
    fn admit(&self, io: &Io) -> impl Future<Output = Result<Self::Peer, Error>> + Send;

    /// Whether it is still unknown who that is.
    fn is_stranger(&self, _peer: &Self::Peer) -> bool {
        false
    }

    /// Dropped when the peer goes away.
    fn answer(
        &self,
        peer: Self::Peer,
        request: Request<Incoming>,
    ) -> impl Future<Output = Response<Body>> + Send;

    /// Streams that would go on by themselves end now.
    fn end_streams(&self) {}
}

/// How many connections and refusals a door has, over all its listeners.
#[derive(Clone, Debug)]
pub(super) struct Room {
    connections: Arc<Semaphore>,
    strangers: Arc<Semaphore>,
    refusals: Arc<Semaphore>,
}

impl Room {
    pub(super) fn new() -> Room {
        Room {
            connections: Arc::new(Semaphore::new(MAX_CONNECTIONS)),
            strangers: Arc::new(Semaphore::new(MAX_STRANGERS)),
            refusals: Arc::new(Semaphore::new(MAX_REFUSALS)),
        }
    }
}

/// Serves until `shutdown`; then lets answers under way go out, for a bounded time.
pub(super) async fn serve<L, G>(listener: L, gate: Arc<G>, room: Room, shutdown: CancellationToken)
where
    L: Accept,
    G: Gate<L::Io>,
{
    let mut connections = JoinSet::new();
    loop {
        let io = tokio::select! {
            biased;
            () = shutdown.cancelled() => break,
            Some(ended) = connections.join_next(), if !connections.is_empty() => {
                if let Err(fault) = ended {
                    tracing::error!(%fault, "a connection's task failed");
                }
                continue;
            }
            accepted = listener.accept() => accepted,
        };
        match io {
            Ok(io) => {
                connections.spawn(serve_connection(io, gate.clone(), room.clone(), shutdown.clone()));
            }
            Err(fault) if is_of_one_connection(&fault) => {}
            Err(fault) => {
                tracing::warn!(%fault, "cannot accept a connection");
                sleep(ACCEPT_BACKOFF).await;
            }
        }
    }
    drop(listener);
    if timeout(GRACE, drain(&mut connections)).await.is_err() {
        gate.end_streams();
        let _ = timeout(LAST_GRACE, drain(&mut connections)).await;
    }
}

async fn drain(connections: &mut JoinSet<()>) {
    while connections.join_next().await.is_some() {}
}

fn is_of_one_connection(fault: &io::Error) -> bool {
    matches!(
        fault.kind(),
        io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset | io::ErrorKind::Interrupted
    )
}

async fn serve_connection<Io, G>(io: Io, gate: Arc<G>, room: Room, shutdown: CancellationToken)
where
    Io: AsyncRead + AsyncWrite + Unpin + Send + Sync + 'static,
    G: Gate<Io>,
{
    let Ok(place) = room.connections.clone().try_acquire_owned() else {
        return refuse(io, &full(MAX_CONNECTIONS, "connections are open"), &room).await;
    };
    let peer = match gate.admit(&io).await {
        Ok(peer) => peer,
        Err(error) => {
            drop(place);
            return refuse(io, &error, &room).await;
        }
    };
    let mut place = place;
    if gate.is_stranger(&peer) {
        place = match room.strangers.clone().try_acquire_owned() {
            Ok(place) => place,
            Err(_) => {
                drop(place);
                return refuse(io, &full(MAX_STRANGERS, "strangers are connected"), &room).await;
            }
        };
    }
    let stays = introduction(gate.clone(), peer.clone(), place, room);
    let service = service_fn(move |request| {
        let (gate, peer) = (gate.clone(), peer.clone());
        async move { Ok::<_, Infallible>(gate.answer(peer, request).await) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(IDLE)
        .max_buf_size(BUFFER_BYTES)
        .serve_connection(TokioIo::new(io), service);
    let mut connection = pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = stays => return,
        () = shutdown.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(fault) = ended {
        tracing::debug!(%fault, "a connection ended early");
    }
}

fn full(most: usize, what: &str) -> Error {
    Error::new(Code::LimitReached, format!("{most} {what} already"))
}

/// Holds a connection's place for as long as it is polled; returns when a stranger's time is over. One that showed in
/// time who it is gets a place among the others.
async fn introduction<Io, G: Gate<Io>>(gate: Arc<G>, peer: G::Peer, place: OwnedSemaphorePermit, room: Room) {
    let mut _place = place;
    if gate.is_stranger(&peer) {
        sleep(INTRODUCTION).await;
        if gate.is_stranger(&peer) {
            return;
        }
        if let Ok(place) = room.connections.try_acquire_owned() {
            _place = place;
        }
    }
    pending::<()>().await;
}

/// Says why once the peer has begun to ask (many clients take an answer before their question for garbage),
/// then closes. What it sends meanwhile is read and thrown away: closing over unread bytes would reset the
/// connection and lose the answer.
async fn refuse(mut io: impl AsyncRead + AsyncWrite + Unpin, error: &Error, room: &Room) {
    let Ok(_place) = room.refusals.try_acquire() else { return };
    tracing::debug!(%error, "a connection was refused");
    let answer = refusal(error);
    let say = async {
        let mut waste = [0; 1024];
        if io.read(&mut waste).await? == 0 {
            return Ok(());
        }
        io.write_all(answer.as_bytes()).await?;
        io.shutdown().await?;
        while io.read(&mut waste).await? > 0 {}
        Ok::<(), io::Error>(())
    };
    // A peer that is gone, or slow, has had its chance.
    let _ = timeout(REFUSAL, say).await;
}

fn refusal(error: &Error) -> String {
    let body = serde_json::to_string(error).unwrap_or_default();
    let status = error.code.http_status();
    let reason = hyper::StatusCode::from_u16(status).ok().and_then(|status| status.canonical_reason());
    format!(
        "HTTP/1.1 {status} {}\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
        reason.unwrap_or("Refused"),
        body.len()
    )
}

#[cfg(test)]
mod tests;
