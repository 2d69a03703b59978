//! Keep-alive connections to one manager: a call takes one that is idle, else a new one. Must not know what
//! travels over them.

use std::os::fd::OwnedFd;
use std::sync::{Mutex, PoisonError};

use bpm_api::{Code, Error};
use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HOST};
use hyper::{Method, Request, Response};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::{Semaphore, SemaphorePermit};

use super::address::Address;
use super::{not_sent, socket, tcp};

/// Connections of one client that are in use at the same time; a call over it waits.
const MOST: usize = 512;
/// Those that are kept for later.
const MOST_IDLE: usize = 16;

pub(super) type Sender = SendRequest<Full<Bytes>>;

pub(super) struct Pool {
    address: Address,
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
    Broke(hyper::Error),
}

/// The process at the other end, where its number means something here.
pub(super) type Process = (u32, OwnedFd);

impl Pool {
    pub(super) fn new(address: Address) -> Pool {
        Pool { address, idle: Mutex::default(), places: Semaphore::new(MOST) }
    }

    pub(super) fn address(&self) -> &Address {
        &self.address
    }

    /// A request to this manager, without a body that means anything where `body` is empty.
    pub(super) fn request(
        &self,
        method: Method,
        path: &'static str,
        body: Bytes,
    ) -> Result<Request<Full<Bytes>>, Error> {
        let mut request = Request::builder().method(method).uri(path).header(HOST, self.address.host());
        if let Address::Url { authorization: Some(bearer), .. } = &self.address {
            request = request.header(AUTHORIZATION, bearer);
        }
        if !body.is_empty() {
            request = request.header(CONTENT_TYPE, "application/json");
        }
        request.body(Full::new(body)).map_err(|error| not_sent(&error))
    }

    /// A connection that is kept for the next call, and whose it is.
    pub(super) async fn first(&self) -> Result<Option<Process>, Error> {
        let (sender, process) = self.open().await?;
        self.put_back(sender);
        Ok(process)
    }

    /// A connection that counts for nothing here and lives as long as its user wants.
    pub(super) async fn alone(&self) -> Result<Sender, Error> {
        self.open().await.map(|(sender, _)| sender)
    }

    async fn open(&self) -> Result<(Sender, Option<Process>), Error> {
        match &self.address {
            Address::Socket { path, root } => {
                let stream = socket::connect(path).await.map_err(|error| socket::no_way_in(root, &error))?;
                let process = socket::manager_of(&stream)?;
                Ok((begin(stream).await?, process))
            }
            Address::Url { url, .. } => Ok((begin(tcp::connect(url).await?).await?, None)),
        }
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
                    None => return Err(Unanswered::Broke(error.into_error())),
                },
            }
        }
        let mut sender = self.alone().await.map_err(Unanswered::NoWayIn)?;
        let response = sender.send_request(request).await.map_err(Unanswered::Broke)?;
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
async fn begin(stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static) -> Result<Sender, Error> {
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
