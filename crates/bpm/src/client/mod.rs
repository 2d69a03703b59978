//! The way to a project's manager over its Unix socket: one keep-alive HTTP/1.1 connection that carries
//! [`Request`]s and [`Reply`]s as JSON. Must not know what the operations do, nor how answers are shown.

mod socket;
mod wait;

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bpm_api::{Code, Error, Origin, Reply, Request, Watch};
use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::header::{CONTENT_TYPE, HOST};
use hyper::{Method, StatusCode};
use hyper_util::rt::TokioIo;
use rustix::fd::OwnedFd;
use serde::Serialize;
use tokio::net::UnixStream;
use tokio::sync::Mutex;
use tokio::time::timeout;

pub use crate::readable::Readable;

use crate::control::{Changes, Control};
use crate::store::paths::Project;

/// Where calls go.
pub const CALL_PATH: &str = "/v1/call";
/// No answer of a manager is longer than this, in bytes.
const MAX_ANSWER_BYTES: usize = 64 << 20;

/// A connection to a manager. Clones share it; calls take turns on it.
#[derive(Clone)]
pub struct Client {
    shared: Arc<Shared>,
}

struct Shared {
    socket: PathBuf,
    /// For messages.
    root: PathBuf,
    /// The manager's process, where its number means something here.
    manager: Option<Manager>,
    connection: Mutex<Option<Connection>>,
}

struct Manager {
    pid: u32,
    handle: Arc<OwnedFd>,
}

type Connection = SendRequest<Full<Bytes>>;

/// What travels to the manager.
#[derive(Serialize)]
struct Call<'a> {
    origin: &'a Origin,
    request: &'a Request,
}

impl Client {
    /// Connects to the manager of a project.
    ///
    /// # Errors
    /// [`Code::NoManager`] where none runs, [`Code::Forbidden`] where the socket is somebody else's.
    pub async fn connect(project: &Project) -> Result<Client, Error> {
        let socket = project.socket();
        let stream =
            socket::connect(&socket).await.map_err(|error| socket::no_way_in(&project.root, &error))?;
        let manager = socket::manager_of(&stream)?;
        let connection = begin(stream).await.map_err(|error| broken(&error))?;
        let shared = Shared {
            socket,
            root: project.root.clone(),
            manager: manager.map(|(pid, handle)| Manager { pid, handle: Arc::new(handle) }),
            connection: Mutex::new(Some(connection)),
        };
        Ok(Client { shared: Arc::new(shared) })
    }

    /// The manager's process id, if it is visible from here.
    #[must_use]
    pub fn manager_pid(&self) -> Option<u32> {
        self.shared.manager.as_ref().map(|manager| manager.pid)
    }

    /// Resolves when the manager's process has ended; at once where it is not visible from here.
    ///
    /// # Errors
    /// [`Code::TimedOut`] when it is still there after `patience`.
    pub async fn manager_gone(&self, patience: Duration) -> Result<(), Error> {
        let Some(manager) = &self.shared.manager else { return Ok(()) };
        match timeout(patience, wait::process_end(Arc::clone(&manager.handle))).await {
            Ok(ended) => ended,
            Err(_) => Err(Error::new(
                Code::TimedOut,
                format!("the manager, process {}, has not ended after {} s", manager.pid, patience.as_secs()),
            )
            .hint("`bpm status` shows what it waits for")),
        }
    }

    async fn exchange(&self, request: &Request, origin: &Origin) -> Result<Reply, Error> {
        let mut slot = self.shared.connection.lock().await;
        // A call that was abandoned half-way leaves nothing behind that another one could use.
        let mut connection = match slot.take() {
            Some(connection) => self.usable(connection).await?,
            None => self.reconnect().await?,
        };
        let reply = self.send(&mut connection, request, origin).await;
        if !connection.is_closed() {
            *slot = Some(connection);
        }
        reply
    }

    /// The connection itself, or a new one if the manager has closed it meanwhile.
    async fn usable(&self, mut connection: Connection) -> Result<Connection, Error> {
        match connection.ready().await {
            Ok(()) => Ok(connection),
            Err(_) => self.reconnect().await,
        }
    }

    async fn reconnect(&self) -> Result<Connection, Error> {
        let Shared { socket, root, .. } = &*self.shared;
        let stream = socket::connect(socket).await.map_err(|error| socket::no_way_in(root, &error))?;
        socket::manager_of(&stream)?;
        begin(stream).await.map_err(|error| broken(&error))
    }

    async fn send(
        &self,
        connection: &mut Connection,
        request: &Request,
        origin: &Origin,
    ) -> Result<Reply, Error> {
        let body = serde_json::to_vec(&Call { origin, request }).map_err(|error| not_sent(&error))?;
        let call = hyper::Request::builder()
            .method(Method::POST)
            .uri(CALL_PATH)
            .header(HOST, "bpm")
            .header(CONTENT_TYPE, "application/json")
            .body(Full::new(Bytes::from(body)))
            .map_err(|error| not_sent(&error))?;
        let response = connection.send_request(call).await.map_err(|_| self.died(request))?;
        self.receive(request, response).await
    }

    async fn receive(&self, request: &Request, response: hyper::Response<Incoming>) -> Result<Reply, Error> {
        let status = response.status();
        let body = Limited::new(response.into_body(), MAX_ANSWER_BYTES).collect().await;
        let body = body.map_err(|_| self.died(request))?.to_bytes();
        if status == StatusCode::OK {
            return serde_json::from_slice(&body).map_err(|_| not_ours(status));
        }
        Err(serde_json::from_slice::<Error>(&body).unwrap_or_else(|_| not_ours(status)))
    }

    fn died(&self, request: &Request) -> Error {
        let text = format!(
            "the manager of `{}` went away before it had answered `{}`",
            self.shared.root.display(),
            request.name()
        );
        Error::new(Code::NoManager, text)
            .hint("what was running goes on; `bpm up` starts a manager that takes it over")
    }
}

impl Control for Client {
    async fn call(&self, request: Request, origin: Origin) -> Result<Reply, Error> {
        let patience = wait::patience(&request);
        match timeout(patience, self.exchange(&request, &origin)).await {
            Ok(reply) => reply,
            Err(_) => Err(Error::new(
                Code::TimedOut,
                format!("the manager did not answer `{}` within {} s", request.name(), patience.as_secs()),
            )
            .hint("`bpm status` shows what it is doing")),
        }
    }

    async fn watch(&self, _what: Watch) -> Result<Changes, Error> {
        Err(Error::new(Code::Internal, "this client cannot watch"))
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Shared { socket, .. } = &*self.shared;
        f.debug_struct("Client").field("socket", socket).field("manager", &self.manager_pid()).finish()
    }
}

/// Who asks, when it is a person at a shell.
#[must_use]
pub fn origin() -> Origin {
    let user = std::env::var("USER").ok().filter(|user| !user.is_empty());
    let who = user.unwrap_or_else(|| format!("uid {}", rustix::process::getuid().as_raw()));
    Origin::new("cli", who)
}

/// Starts HTTP on a fresh stream. The task that moves the bytes ends with the connection.
async fn begin(stream: UnixStream) -> Result<Connection, hyper::Error> {
    let (sender, connection) = handshake(TokioIo::new(stream)).await?;
    tokio::spawn(async move {
        if let Err(error) = connection.await {
            tracing::debug!(%error, "the connection to the manager broke");
        }
    });
    Ok(sender)
}

fn broken(error: &hyper::Error) -> Error {
    Error::new(Code::System, format!("the connection to the manager broke: {error}"))
        .hint("`bpm status` shows whether it is there")
}

fn not_sent(error: &dyn fmt::Display) -> Error {
    Error::new(Code::Internal, format!("the request could not be written down: {error}"))
}

fn not_ours(status: StatusCode) -> Error {
    Error::new(
        Code::Internal,
        format!("the manager answered with status {} and something that is not bpm's", status.as_u16()),
    )
    .hint("a manager of another version? `bpm down`, then `bpm up`")
}

#[cfg(test)]
mod tests;
