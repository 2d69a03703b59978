//! Keep-alive connections to one socket: a call takes one that is idle, else a new one. Must not know what
//! travels over them.

use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use bpm_api::{Code, Error};
use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::net::UnixStream;
use tokio::sync::{Semaphore, SemaphorePermit};

use super::socket;

/// Connections of one client that are in use at the same time; a call over it waits.
const MOST: usize = 512;
/// Those that are kept for later.
const MOST_IDLE: usize = 16;

pub(super) type Sender = SendRequest<Full<Bytes>>;

pub(super) struct Pool {
    socket: PathBuf,
    /// For messages.
    root: PathBuf,
    idle: Mutex<Vec<Sender>>,
    places: Semaphore,
}

/// One connection that carries a call. Dropped without [`Lease::keep`] it is closed, so that nothing of an
/// abandoned call is left for the next one.
pub(super) struct Lease<'p> {
    pool: &'p Pool,
    sender: Sender,
    _place: SemaphorePermit<'p>,
}

/// Why a request got no answer.
#[derive(Debug)]
pub(super) enum Unanswered {
    /// There is no connection, and nothing was sent.
    NoWayIn(Error),
    /// It broke after the request was on its way.
    Broke,
}

impl Pool {
    pub(super) fn new(socket: PathBuf, root: PathBuf) -> Pool {
        Pool { socket, root, idle: Mutex::default(), places: Semaphore::new(MOST) }
    }

    /// A new connection, by its stream.
    pub(super) async fn open(&self) -> Result<UnixStream, Error> {
        socket::connect(&self.socket).await.map_err(|error| socket::no_way_in(&self.root, &error))
    }

    /// Keeps a stream that was opened, for the next call.
    pub(super) async fn add(&self, stream: UnixStream) -> Result<(), Error> {
        let sender = begin(stream).await?;
        self.put_back(sender);
        Ok(())
    }

    /// A connection that counts for nothing here and lives as long as its user wants.
    pub(super) async fn alone(&self) -> Result<Sender, Error> {
        let stream = self.open().await?;
        socket::manager_of(&stream)?;
        begin(stream).await
    }

    /// Sends a request and returns the head of its answer. A connection that the manager closed while it was idle is
    /// replaced, as long as nothing of the request was sent on it.
    pub(super) async fn send(
        &self,
        mut request: Request<Full<Bytes>>,
    ) -> Result<(Response<Incoming>, Lease<'_>), Unanswered> {
        let closed = |_| Unanswered::NoWayIn(Error::new(Code::Internal, "the client has no connections"));
        let place = self.places.acquire().await.map_err(closed)?;
        while let Some(mut sender) = self.take() {
            if sender.ready().await.is_err() {
                continue;
            }
            match sender.try_send_request(request).await {
                Ok(response) => return Ok((response, Lease { pool: self, sender, _place: place })),
                Err(mut error) => match error.take_message() {
                    Some(unsent) => request = unsent,
                    None => return Err(Unanswered::Broke),
                },
            }
        }
        let mut sender = self.alone().await.map_err(Unanswered::NoWayIn)?;
        let response = sender.send_request(request).await.map_err(|_| Unanswered::Broke)?;
        Ok((response, Lease { pool: self, sender, _place: place }))
    }

    fn take(&self) -> Option<Sender> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop()
    }

    fn put_back(&self, sender: Sender) {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.len() < MOST_IDLE {
            idle.push(sender);
        }
    }
}

impl Lease<'_> {
    /// The answer was read to its end: the next call may have the connection.
    pub(super) fn keep(self) {
        if !self.sender.is_closed() {
            self.pool.put_back(self.sender);
        }
    }
}

/// Starts HTTP on a fresh stream. The task that moves the bytes ends with the connection.
async fn begin(stream: UnixStream) -> Result<Sender, Error> {
    let (sender, connection) = handshake(TokioIo::new(stream)).await.map_err(|error| {
        Error::new(Code::System, format!("the connection to the manager broke: {error}"))
            .hint("`bpm status` shows whether it is there")
    })?;
    tokio::spawn(async move {
        if let Err(error) = connection.await {
            tracing::debug!(%error, "the connection to the manager broke");
        }
    });
    Ok(sender)
}
