//! The way to a manager, over its project's Unix socket or a URL: HTTP/1.1 that carries [`Request`]s, [`Reply`]s and
//! [`Change`](bpm_api::Change)s as JSON. Must not know what the operations do, nor how answers are shown.

mod address;
mod greeting;
mod persistent;
mod pool;
mod socket;
mod tcp;
mod wait;
mod watching;

use std::collections::HashSet;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bpm_api::{Code, Error, Hello, Origin, Output, Reply, Request, Watch};
use bytes::Bytes;
use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;
use hyper::{Method, Response, StatusCode};
use rustix::fd::OwnedFd;
use rustix::rand::{GetRandomFlags, getrandom};
use serde::Serialize;
use tokio::time::timeout;

pub use self::address::Url;
pub use self::persistent::{Persistent, Start};
pub use crate::readable::Readable;
pub use crate::token::{TOKEN_VARIABLE, Token};

use crate::control::{Changes, Chunks, Control};
use crate::store::paths::Project;
use address::Address;
use pool::{Pool, Sender, Unanswered};

/// Where calls go.
pub const CALL_PATH: &str = "/v1/call";
/// Where watches go.
pub const WATCH_PATH: &str = "/v1/watch";
/// Where questions for output go.
pub const OUTPUT_PATH: &str = "/v1/output";
/// A manager reads no request that is longer than this, in bytes.
pub const MAX_REQUEST_BYTES: usize = 4 << 20;
/// No answer of a manager is longer than this, in bytes.
const MAX_ANSWER_BYTES: usize = 64 << 20;
/// How long a manager may take to begin a stream.
const STREAM_BEGINS: Duration = Duration::from_secs(30);
/// An answer has it where there is news for its session.
const NEWS_HEADER: &str = "bpm-news";
/// Sessions whose news are remembered; more than one process has.
const MOST_SESSIONS: usize = 1024;

/// A way to a manager. Clones share it; each call that is under way has a connection of its own.
#[derive(Clone)]
pub struct Client {
    shared: Arc<Shared>,
}

struct Shared {
    /// The manager's process, where its number means something here.
    manager: Option<Manager>,
    pool: Pool,
    hello: Option<Hello>,
    /// Sessions for which there was news when their last answer was given.
    news: Mutex<HashSet<String>>,
}

struct Manager {
    pid: u32,
    handle: Arc<OwnedFd>,
}

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
        let pool = Pool::new(Address::Socket { path: project.socket(), root: project.root.clone() });
        let manager = pool.first().await?;
        let hello = greeting::over_socket(&pool).await?;
        let manager = manager.map(|(pid, handle)| Manager { pid, handle: Arc::new(handle) });
        Ok(Client::over(pool, manager, hello))
    }

    /// Connects to the manager whose endpoint is at `url`, wherever that is.
    ///
    /// # Errors
    /// [`Code::NoManager`] where nothing answers, [`Code::Forbidden`] where it wants a token, or another one, and
    /// [`Code::InvalidParameter`] where something else answers, an MCP server without bpm's API among it.
    pub async fn connect_url(url: &Url, token: Option<Token>) -> Result<Client, Error> {
        let pool = Pool::new(Address::of_url(url.clone(), token.as_ref())?);
        let hello = greeting::over_url(&pool, url, token.is_some()).await?;
        Ok(Client::over(pool, None, Some(hello)))
    }

    fn over(pool: Pool, manager: Option<Manager>, hello: Option<Hello>) -> Client {
        Client { shared: Arc::new(Shared { manager, pool, hello, news: Mutex::default() }) }
    }

    /// What the manager says it can do; `None` from one that is too old to say.
    #[must_use]
    pub fn hello(&self) -> Option<&Hello> {
        self.shared.hello.as_ref()
    }

    /// Which of these operations and streams the manager does not have.
    #[must_use]
    pub fn missing(&self, names: &[&str]) -> Vec<String> {
        let lacks = |name: &&&str| !greeting::has(self.hello(), name);
        names.iter().filter(lacks).map(|name| (*name).to_owned()).collect()
    }

    /// Where it is connected: the project's directory, or the URL.
    #[must_use]
    pub fn label(&self) -> String {
        self.shared.pool.address().label()
    }

    /// The manager's process id, if it is visible from here.
    #[must_use]
    pub fn manager_pid(&self) -> Option<u32> {
        self.shared.manager.as_ref().map(|manager| manager.pid)
    }

    /// Whether its process is seen to have ended, and took its socket away: everything was stopped before. One that was
    /// killed leaves it.
    #[must_use]
    pub fn ended_in_order(&self) -> bool {
        let Address::Socket { path, .. } = self.shared.pool.address() else { return false };
        self.manager_has_ended() && !path.exists()
    }

    /// Whether its process is seen to have ended.
    pub(crate) fn manager_has_ended(&self) -> bool {
        self.shared.manager.as_ref().is_some_and(|manager| wait::has_ended(&manager.handle))
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
        let body = encode(request.name(), &Call { origin, request })?;
        let (response, connection) = self
            .shared
            .pool
            .send(self.shared.pool.request(Method::POST, CALL_PATH, body)?)
            .await
            .map_err(|unanswered| self.unanswered(unanswered, request.name()))?;
        self.note_news(origin, &response);
        let (status, body) = self.read(request.name(), response).await?;
        connection.keep();
        if status == StatusCode::OK {
            return serde_json::from_slice(&body).map_err(|_| not_ours(status));
        }
        Err(refusal(status, &body))
    }

    /// Asks for a stream, over a connection of its own that lives as long as it is kept.
    async fn begin_stream(
        &self,
        name: &str,
        path: &'static str,
        what: &impl Serialize,
    ) -> Result<(Incoming, Sender), Error> {
        let request = self.shared.pool.request(Method::POST, path, encode(name, what)?)?;
        let begins = async {
            let mut connection = self.shared.pool.alone().await?;
            let response = connection.send_request(request).await.map_err(|_| self.died(name))?;
            if response.status() == StatusCode::OK {
                return Ok((response.into_body(), connection));
            }
            let (status, body) = self.read(name, response).await?;
            Err(refusal(status, &body))
        };
        timeout(STREAM_BEGINS, begins).await.unwrap_or_else(|_| {
            let seconds = STREAM_BEGINS.as_secs();
            let text = format!("the manager did not begin to send `{name}` within {seconds} s");
            Err(Error::new(Code::TimedOut, text).hint("`bpm status` shows what it is doing"))
        })
    }

    async fn read(&self, name: &str, response: Response<Incoming>) -> Result<(StatusCode, Bytes), Error> {
        let status = response.status();
        let body = Limited::new(response.into_body(), MAX_ANSWER_BYTES).collect().await;
        Ok((status, body.map_err(|_| self.died(name))?.to_bytes()))
    }

    fn note_news(&self, origin: &Origin, response: &Response<Incoming>) {
        let Some(session) = &origin.session else { return };
        let mut news = self.shared.news.lock().unwrap_or_else(PoisonError::into_inner);
        if !response.headers().contains_key(NEWS_HEADER) {
            news.remove(session);
        } else if news.len() < MOST_SESSIONS {
            news.insert(session.clone());
        }
    }

    fn unanswered(&self, unanswered: Unanswered, name: &str) -> Error {
        match unanswered {
            Unanswered::NoWayIn(error) => error,
            Unanswered::Broke(_) => self.died(name),
        }
    }

    fn died(&self, name: &str) -> Error {
        went_away(self.shared.pool.address(), name)
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

    fn has_news(&self, origin: &Origin) -> bool {
        let Some(session) = &origin.session else { return false };
        self.shared.news.lock().unwrap_or_else(PoisonError::into_inner).contains(session)
    }

    async fn watch(&self, what: Watch) -> Result<Changes, Error> {
        let (body, connection) = self.begin_stream("watch", WATCH_PATH, &what).await?;
        Ok(watching::changes(body, connection))
    }

    async fn output(&self, of: Output) -> Result<Chunks, Error> {
        let (body, connection) = self.begin_stream("output", OUTPUT_PATH, &of).await?;
        Ok(watching::chunks(body, connection))
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("to", &self.label()).field("manager", &self.manager_pid()).finish()
    }
}

/// Who asks, when it is a person at a shell.
#[must_use]
pub fn origin() -> Origin {
    let user = std::env::var("USER").ok().filter(|user| !user.is_empty());
    let who = user.unwrap_or_else(|| format!("uid {}", rustix::process::getuid().as_raw()));
    Origin::new("cli", who)
}

/// 128 random bits, in hexadecimal digits; `None` where the kernel has none yet.
#[must_use]
pub fn random_id() -> Option<String> {
    let mut bits = [0_u8; 16];
    let length = getrandom(&mut bits, GetRandomFlags::NONBLOCK).ok()?;
    (length == bits.len()).then(|| bits.iter().map(|byte| format!("{byte:02x}")).collect())
}

/// What is too long is not sent: the manager would refuse it, too.
fn encode(name: &str, message: &impl Serialize) -> Result<Bytes, Error> {
    let body = serde_json::to_vec(message).map_err(|error| not_sent(&error))?;
    if body.len() > MAX_REQUEST_BYTES {
        let (length, most) = (body.len(), MAX_REQUEST_BYTES);
        let text = format!("`{name}` would be a request of {length} bytes, expected at most {most}");
        return Err(
            Error::new(Code::LimitReached, text).hint("put what is long into a file and name the file")
        );
    }
    Ok(Bytes::from(body))
}

fn not_sent(error: &dyn fmt::Display) -> Error {
    Error::new(Code::Internal, format!("the request could not be written down: {error}"))
}

fn went_away(address: &Address, name: &str) -> Error {
    let (who, hint) = match address {
        Address::Socket { root, .. } => (
            format!("of `{}`", root.display()),
            "what was running goes on; `bpm up` starts a manager that takes it over",
        ),
        Address::Url { url, .. } => (
            format!("at `{url}`"),
            "what was running goes on; `bpm up` on its machine starts a manager that takes it over",
        ),
    };
    Error::new(Code::NoManager, format!("the manager {who} went away before it had answered `{name}`"))
        .hint(hint)
}

/// What the manager said instead of an answer.
fn refusal(status: StatusCode, body: &[u8]) -> Error {
    serde_json::from_slice::<Error>(body).unwrap_or_else(|_| not_ours(status))
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
