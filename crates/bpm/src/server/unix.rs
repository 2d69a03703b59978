//! The Unix socket's door: every operation as JSON, for the command line and what runs beside it.
//! The kernel says who is at the other end.

use std::io;
use std::sync::Arc;

use bpm_api::{Code, Error, Origin, Request as Operation, Watch};
use hyper::body::Incoming;
use hyper::header::{HeaderName, HeaderValue};
use hyper::{Method, Request, Response, StatusCode};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use tokio::net::{UnixListener, UnixStream};
use tokio_util::sync::CancellationToken;

use super::accept::{Accept, Gate, Room, serve};
use super::access::Access;
use super::respond::{self, Body, read_body};
use super::watching::Watching;
use crate::control::Control;

/// A call may carry a whole environment, which the kernel lets be 2 MiB.
const BODY_BYTES: usize = 4 * 1024 * 1024;

/// A watch names no more than logs.
const WATCH_BYTES: usize = 256 * 1024;
/// On an answer: there is news for whoever asked.
const NEWS: HeaderName = HeaderName::from_static("bpm-news");

/// Serves `POST /v1/call`, `POST /v1/watch` and `GET /healthz` until `shutdown`, then ends within about a
/// second. The caller has given the socket its mode and owns its path.
pub async fn serve_unix(listener: UnixListener, control: impl Control, shutdown: CancellationToken) {
    let streams = CancellationToken::new();
    let gate = Arc::new(UserGate { access: Access::own_user(), control, streams });
    serve(Socket(listener), gate, Room::new(), shutdown).await;
}

struct Socket(UnixListener);

impl Accept for Socket {
    type Io = UnixStream;

    async fn accept(&self) -> io::Result<UnixStream> {
        self.0.accept().await.map(|(stream, _)| stream)
    }
}

struct UserGate<C> {
    access: Access,
    control: C,
    /// Cancelled when watches are to end.
    streams: CancellationToken,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Call {
    origin: Origin,
    request: Operation,
}

impl<C: Control> Gate<UnixStream> for UserGate<C> {
    type Peer = ();

    async fn admit(&self, io: &UnixStream) -> Result<(), Error> {
        let peer = io
            .peer_cred()
            .map_err(|fault| Error::new(Code::Forbidden, format!("cannot tell who connects: {fault}")))?;
        self.access.check_uid(peer.uid())
    }

    async fn answer(&self, (): (), request: Request<Incoming>) -> Response<Body> {
        match request.uri().path() {
            "/v1/call" if request.method() == Method::POST => self.call(request.into_body()).await,
            "/v1/watch" if request.method() == Method::POST => self.watch(request.into_body()).await,
            "/v1/call" | "/v1/watch" => respond::not_allowed("POST"),
            "/healthz" => respond::health(request.method()),
            _ => respond::not_found(),
        }
    }

    fn end_streams(&self) {
        self.streams.cancel();
    }
}

impl<C: Control> UserGate<C> {
    async fn call(&self, body: Incoming) -> Response<Body> {
        let Call { origin, request } = match read(body, BODY_BYTES).await {
            Ok(call) => call,
            Err(refusal) => return refusal,
        };
        let client = self.control.presence();
        let mut response = match self.control.call(request, origin.clone()).await {
            Ok(reply) => respond::json(StatusCode::OK, &reply),
            Err(error) => respond::error(&error),
        };
        if self.control.has_news(&origin) {
            response.headers_mut().insert(NEWS, HeaderValue::from_static("1"));
        }
        respond::held(response, client)
    }

    /// The answer's head says that the watch has begun: what happens from then on is in it.
    async fn watch(&self, body: Incoming) -> Response<Body> {
        let what: Watch = match read(body, WATCH_BYTES).await {
            Ok(what) => what,
            Err(refusal) => return refusal,
        };
        match self.control.watch(what).await {
            Ok(changes) => {
                let body = Watching::new(changes, &self.streams);
                respond::held(respond::stream("application/x-ndjson", body), self.control.presence())
            }
            Err(error) => respond::error(&error),
        }
    }
}

/// A whole body as what it is to be, or the answer that says why it is not.
async fn read<T: DeserializeOwned>(body: Incoming, limit: usize) -> Result<T, Response<Body>> {
    let body = read_body(body, limit).await.map_err(|bad| respond::json(bad.status, &bad.error))?;
    serde_json::from_slice(&body).map_err(|fault| respond::error(&malformed(&fault)))
}

fn malformed(fault: &serde_json::Error) -> Error {
    Error::new(Code::InvalidParameter, format!("not a request of bpm's: {fault}"))
        .hint("check that `bpm --version` is the same on both sides")
}
