//! The Unix socket's door: every operation as JSON, for the command line and what runs beside it.
//! The kernel says who is at the other end.

use std::io;
use std::sync::Arc;

use bpm_api::{Code, Error, Origin, Request as Operation};
use hyper::body::Incoming;
use hyper::{Method, Request, Response, StatusCode};
use serde::Deserialize;
use tokio::net::{UnixListener, UnixStream};
use tokio_util::sync::CancellationToken;

use super::accept::{Accept, Gate, Room, serve};
use super::access::Access;
use super::respond::{self, Body, read_body};
use crate::control::Control;

/// A call may carry a whole environment, which the kernel lets be 2 MiB.
const BODY_BYTES: usize = 4 * 1024 * 1024;

/// Serves `POST /v1/call` and `GET /healthz` until `shutdown`, then ends within about a second. The caller
/// has given the socket its mode and owns its path.
pub async fn serve_unix(listener: UnixListener, control: impl Control, shutdown: CancellationToken) {
    let gate = Arc::new(UserGate { access: Access::own_user(), control });
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
            "/v1/call" => respond::not_allowed("POST"),
            "/healthz" => respond::health(request.method()),
            _ => respond::not_found(),
        }
    }
}

impl<C: Control> UserGate<C> {
    async fn call(&self, body: Incoming) -> Response<Body> {
        let body = match read_body(body, BODY_BYTES).await {
            Ok(body) => body,
            Err(bad) => return respond::json(bad.status, &bad.error),
        };
        let call: Call = match serde_json::from_slice(&body) {
            Ok(call) => call,
            Err(fault) => return respond::error(&malformed(&fault)),
        };
        match self.control.call(call.request, call.origin).await {
            Ok(reply) => respond::json(StatusCode::OK, &reply),
            Err(error) => respond::error(&error),
        }
    }
}

fn malformed(fault: &serde_json::Error) -> Error {
    Error::new(Code::InvalidParameter, format!("not a call: {fault}"))
        .hint("check that `bpm --version` is the same on both sides")
}
