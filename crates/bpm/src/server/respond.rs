//! HTTP answers and bounded bodies, shared by both doors. Knows no routes.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bpm_api::{Code, Error};
use bytes::{Bytes, BytesMut};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full};
use hyper::body::{Frame, Incoming, SizeHint};
use hyper::header::{ALLOW, CONNECTION, CONTENT_TYPE, HeaderValue, WWW_AUTHENTICATE};
use hyper::{Method, Response, StatusCode};
use serde::Serialize;

use crate::control::Presence;

pub(super) type Body = BoxBody<Bytes, Infallible>;

/// A sender that stalls in the middle of a body holds its connection no longer than this.
const BODY_TIMEOUT: Duration = Duration::from_secs(30);
/// So much of a body that is too long is read and thrown away: whoever is still sending reads no answer.
const WASTE_BYTES: usize = 64 << 20;
/// As long as more of it comes within this time.
const WASTE_PAUSE: Duration = Duration::from_millis(250);

pub(super) fn text(status: StatusCode, text: &'static str) -> Response<Body> {
    with_type(status, "text/plain; charset=utf-8", Bytes::from_static(text.as_bytes()))
}

pub(super) fn json(status: StatusCode, value: &impl Serialize) -> Response<Body> {
    match serde_json::to_vec(value) {
        Ok(body) => with_type(status, "application/json", Bytes::from(body)),
        Err(fault) => {
            tracing::error!(%fault, "cannot encode an answer");
            text(StatusCode::INTERNAL_SERVER_ERROR, "cannot encode the answer\n")
        }
    }
}

pub(super) fn error(error: &Error) -> Response<Body> {
    json(StatusCode::from_u16(error.code.http_status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR), error)
}

/// The connection ends with it: whoever has nothing to show has no reason to stay.
pub(super) fn unauthorized(error: &Error) -> Response<Body> {
    let mut response = json(StatusCode::UNAUTHORIZED, error);
    response.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    response
}

pub(super) fn not_found() -> Response<Body> {
    text(StatusCode::NOT_FOUND, "not found\n")
}

pub(super) fn not_allowed(allowed: &'static str) -> Response<Body> {
    let mut response = text(StatusCode::METHOD_NOT_ALLOWED, "method not allowed\n");
    response.headers_mut().insert(ALLOW, HeaderValue::from_static(allowed));
    response
}

/// The answer of `/healthz`: whoever gets it talks to a manager that serves.
pub(super) fn health(method: &Method) -> Response<Body> {
    match *method {
        Method::GET | Method::HEAD => text(StatusCode::OK, "ok\n"),
        _ => not_allowed("GET, HEAD"),
    }
}

/// An answer that goes on after its head.
pub(super) fn stream(
    kind: &'static str,
    body: impl hyper::body::Body<Data = Bytes, Error = Infallible> + Send + Sync + 'static,
) -> Response<Body> {
    let mut response = Response::new(body.boxed());
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    response
}

/// The same answer; the client counts as present until the last of it is out.
pub(super) fn held(response: Response<Body>, client: Presence) -> Response<Body> {
    if client.0.is_none() {
        return response;
    }
    response.map(|body| Held { body, _client: client }.boxed())
}

struct Held {
    body: Body,
    _client: Presence,
}

impl hyper::body::Body for Held {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

fn with_type(status: StatusCode, kind: &'static str, body: Bytes) -> Response<Body> {
    let mut response = Response::new(Full::new(body).boxed());
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    response
}

/// A body that could not be read.
#[derive(Debug)]
pub(super) struct BadBody {
    pub(super) status: StatusCode,
    pub(super) error: Error,
}

/// Reads a whole body of at most `limit` bytes.
pub(super) async fn read_body(body: Incoming, limit: usize) -> Result<Bytes, BadBody> {
    match tokio::time::timeout(BODY_TIMEOUT, collect(body, limit)).await {
        Ok(Ok(Some(whole))) => Ok(whole),
        Ok(Ok(None)) => Err(BadBody {
            status: StatusCode::PAYLOAD_TOO_LARGE,
            error: Error::new(
                Code::LimitReached,
                format!("the request is longer than {limit} bytes, which is the most that is read"),
            )
            .hint("put what is long into a file and name the file"),
        }),
        Ok(Err(fault)) => Err(BadBody {
            status: StatusCode::BAD_REQUEST,
            error: Error::new(Code::InvalidParameter, format!("cannot read the request: {fault}")),
        }),
        Err(_) => Err(BadBody {
            status: StatusCode::REQUEST_TIMEOUT,
            error: Error::new(
                Code::InvalidParameter,
                format!("the request did not arrive within {} s", BODY_TIMEOUT.as_secs()),
            ),
        }),
    }
}

/// `None`: it is longer than `limit`.
async fn collect(mut body: Incoming, limit: usize) -> Result<Option<Bytes>, hyper::Error> {
    let mut whole = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame?.into_data() else { continue };
        if data.len() > limit.saturating_sub(whole.len()) {
            drop(whole);
            waste(body).await;
            return Ok(None);
        }
        whole.extend_from_slice(&data);
    }
    Ok(Some(whole.freeze()))
}

/// Reads the rest of a body and throws it away, as far as that is worth while.
pub(super) async fn waste(mut body: Incoming) {
    let mut length = 0;
    while let Ok(Some(Ok(frame))) = tokio::time::timeout(WASTE_PAUSE, body.frame()).await {
        length += frame.data_ref().map_or(0, Bytes::len);
        if length > WASTE_BYTES {
            return;
        }
    }
}
