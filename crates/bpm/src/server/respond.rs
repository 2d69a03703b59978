//! HTTP answers and bounded bodies, shared by both doors. Knows no routes.

use std::convert::Infallible;
use std::time::Duration;

use bpm_api::{Code, Error};
use bytes::Bytes;
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::body::Incoming;
use hyper::header::{ALLOW, CONTENT_TYPE, HeaderValue};
use hyper::{Method, Response, StatusCode};
use serde::Serialize;

pub(super) type Body = BoxBody<Bytes, Infallible>;

/// A sender that stalls in the middle of a body holds its connection no longer than this.
const BODY_TIMEOUT: Duration = Duration::from_secs(30);

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
    match tokio::time::timeout(BODY_TIMEOUT, Limited::new(body, limit).collect()).await {
        Ok(Ok(whole)) => Ok(whole.to_bytes()),
        Ok(Err(fault)) if fault.is::<LengthLimitError>() => Err(BadBody {
            status: StatusCode::PAYLOAD_TOO_LARGE,
            error: Error::new(Code::LimitReached, format!("the request is over {limit} bytes")),
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
