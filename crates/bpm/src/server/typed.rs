//! The typed API over HTTP, the same at every door: operations and streams as JSON. Knows nothing of who may speak,
//! nor how anything is carried out.

use std::sync::LazyLock;

use bpm_api::{Code, Error, Hello, Op, Origin, Output, Request as Operation, Watch, for_each_op};
use hyper::body::Incoming;
use hyper::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use hyper::{Method, Request, Response, StatusCode};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use tokio_util::sync::CancellationToken;

use super::respond::{self, Body, read_body};
use super::watching::{Showing, Watching};
use crate::control::Control;

/// A call may carry a whole environment, which the kernel lets be 2 MiB.
const BODY_BYTES: usize = 4 * 1024 * 1024;
/// A stream's request names no more than logs.
const STREAM_BYTES: usize = 256 * 1024;
/// On an answer: there is news for whoever asked.
const NEWS: HeaderName = HeaderName::from_static("bpm-news");

/// `GET /v1` and what is below it.
#[derive(Debug)]
pub(super) struct Typed<C> {
    control: C,
    /// Cancelled when streams are to end.
    streams: CancellationToken,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Call {
    origin: Origin,
    request: Operation,
}

impl<C: Control> Typed<C> {
    pub(super) fn new(control: C) -> Typed<C> {
        Typed { control, streams: CancellationToken::new() }
    }

    /// Streams that would go on by themselves end now.
    pub(super) fn end(&self) {
        self.streams.cancel();
    }

    pub(super) async fn answer(&self, request: Request<Incoming>) -> Response<Body> {
        let is_post = request.method() == Method::POST;
        match request.uri().path() {
            "/v1/call" if is_post => self.call(request.into_body()).await,
            "/v1/watch" if is_post => self.watch(request.into_body()).await,
            "/v1/output" if is_post => self.output(request.into_body()).await,
            "/v1/call" | "/v1/watch" | "/v1/output" => respond::not_allowed("POST"),
            "/v1" if matches!(*request.method(), Method::GET | Method::HEAD) => {
                respond::json(StatusCode::OK, &*HELLO)
            }
            "/v1" => respond::not_allowed("GET, HEAD"),
            _ => respond::not_found(),
        }
    }

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
        let what: Watch = match read(body, STREAM_BYTES).await {
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

    /// The answer's head says that what is printed from then on is in it.
    async fn output(&self, body: Incoming) -> Response<Body> {
        let of: Output = match read(body, STREAM_BYTES).await {
            Ok(of) => of,
            Err(refusal) => return refusal,
        };
        match self.control.output(of).await {
            Ok(chunks) => {
                let body = Showing::new(chunks, &self.streams);
                respond::held(respond::stream("application/octet-stream", body), self.control.presence())
            }
            Err(error) => respond::error(&error),
        }
    }
}

/// What this manager can do.
static HELLO: LazyLock<Hello> = LazyLock::new(|| {
    macro_rules! names {
        ($($op:ident),*) => { vec![$(<bpm_api::$op as Op>::NAME.to_owned()),*] };
    }
    Hello {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        operations: for_each_op!(names),
        streams: vec!["watch".to_owned(), "output".to_owned()],
    }
});

/// Whether a body is said to be JSON. A page of another origin cannot say so without asking first.
pub(super) fn is_json(headers: &HeaderMap) -> bool {
    let kind = headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    kind.split(';').next().is_some_and(|kind| kind.trim().eq_ignore_ascii_case("application/json"))
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
