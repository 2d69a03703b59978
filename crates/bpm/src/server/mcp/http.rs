//! MCP over Streamable HTTP: bodies in, answers out, for every protocol revision. What the messages mean
//! is the handler's.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::header::HeaderMap;
use hyper::http::request::Parts;
use hyper::{Method, Request, Response, StatusCode};
use rmcp::transport::streamable_http_server::session::local::LocalSessionManager;
use rmcp::transport::streamable_http_server::{StreamableHttpServerConfig, StreamableHttpService};
use serde::de::IgnoredAny;
use serde_json::json;
use tokio_util::sync::CancellationToken;

#[cfg(feature = "conformance-fixtures")]
use super::fixtures::Handler;
#[cfg(not(feature = "conformance-fixtures"))]
use super::handler::Handler;
use super::identity::{Identity, SESSION_HEADER};
use super::sessions::Sessions;
use crate::control::Control;
use crate::server::respond::{self, Body, read_body};
use crate::server::typed::is_json;

/// More than any tool call needs.
const BODY_BYTES: usize = 1024 * 1024;
/// Clients give a stream up that is silent for five minutes.
const STREAM_KEEP_ALIVE: Duration = Duration::from_secs(120);

/// JSON-RPC's own codes.
const PARSE_ERROR: i32 = -32700;
const INVALID_REQUEST: i32 = -32600;

pub(in crate::server) struct Mcp<C: Control> {
    service: StreamableHttpService<Handler<C>, LocalSessionManager>,
    sessions: Sessions,
    streams: CancellationToken,
}

impl<C: Control> Mcp<C> {
    pub(in crate::server) fn new(control: C) -> Mcp<C> {
        let handler = Handler::new(control, Identity::default());
        let sessions = Sessions::new();
        let streams = CancellationToken::new();
        let config = StreamableHttpServerConfig::default()
            // Host and Origin are checked before we are reached, for every route and more strictly.
            .disable_allowed_hosts()
            .with_json_response(true)
            .with_sse_keep_alive(Some(STREAM_KEEP_ALIVE))
            .with_sse_retry(None)
            .with_max_request_body_bytes(BODY_BYTES)
            .with_cancellation_token(streams.clone());
        // Made per session, or per request: it must be no more than a reference count.
        let service = StreamableHttpService::new(move || Ok(handler.clone()), sessions.manager(), config);
        Mcp { service, sessions, streams }
    }

    /// Ends sessions and streams.
    pub(in crate::server) fn end(&self) {
        self.streams.cancel();
    }

    pub(in crate::server) async fn answer(&self, parts: Parts, body: Incoming) -> Response<Body> {
        let body = match read_body(body, BODY_BYTES).await {
            Ok(body) => body,
            Err(bad) => return json_rpc_error(bad.status, INVALID_REQUEST, &bad.error.message),
        };
        let is_json_post = parts.method == Method::POST && is_json(&parts.headers);
        let session = session_of(&parts.headers);
        if let Some(session) = &session {
            match parts.method {
                Method::DELETE => self.sessions.ended(session),
                _ => self.sessions.used(session),
            }
        }
        let ends = parts.method == Method::DELETE;
        let mut response = self.service.handle(Request::from_parts(parts, Full::new(body.clone()))).await;
        if session.is_none()
            && let Some(begun) = session_of(response.headers())
        {
            self.sessions.begun(&begun).await;
        }
        // Clients take the SDK's 202 for a failure to end the session.
        if ends && response.status() == StatusCode::ACCEPTED {
            *response.status_mut() = StatusCode::NO_CONTENT;
        }
        if is_json_post && response.status() == StatusCode::UNSUPPORTED_MEDIA_TYPE {
            return unreadable(&body);
        }
        response
    }
}

fn session_of(headers: &HeaderMap) -> Option<Arc<str>> {
    headers.get(SESSION_HEADER)?.to_str().ok().map(Arc::from)
}

/// The SDK answers a body that it cannot read as a wrong media type; JSON-RPC has words for it.
fn unreadable(body: &Bytes) -> Response<Body> {
    if let Err(fault) = serde_json::from_slice::<IgnoredAny>(body) {
        return json_rpc_error(StatusCode::BAD_REQUEST, PARSE_ERROR, &format!("not JSON: {fault}"));
    }
    let message = match body.iter().find(|byte| !byte.is_ascii_whitespace()) {
        Some(b'[') => "batches are not served; send one message per request",
        _ => "not a JSON-RPC 2.0 message",
    };
    json_rpc_error(StatusCode::BAD_REQUEST, INVALID_REQUEST, message)
}

fn json_rpc_error(status: StatusCode, code: i32, message: &str) -> Response<Body> {
    // Whose request it was is not known; then MCP has no `id` at all, where JSON-RPC has null.
    respond::json(status, &json!({"jsonrpc": "2.0", "error": {"code": code, "message": message}}))
}
