//! The first thing that is asked of a manager: what it can do. Tells a manager from what only looks like one. Must
//! not know what the operations do.

use std::time::Duration;

use bpm_api::{Code, Error, Hello};
use bytes::{Bytes, BytesMut};
use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;
use hyper::header::{ACCEPT, HeaderMap, HeaderValue};
use hyper::{Method, Response, StatusCode};
use serde::Deserialize;
use serde_json::json;
use tokio::time::timeout;

use super::address::Url;
use super::pool::{Pool, Unanswered};
use super::{refusal, went_away};

const HELLO_PATH: &str = "/v1";
const MCP_PATH: &str = "/mcp";
/// How long the manager of this machine may take; it may have much to do.
const NEAR: Duration = Duration::from_secs(30);
/// How long what is at a URL may take for each answer.
const FAR: Duration = Duration::from_secs(5);
/// No greeting is longer, in bytes; what is, is something else's.
const LONGEST: usize = 256 * 1024;
/// MCP's revision that servers of every age know.
const REVISION: &str = "2025-03-26";
const SESSION_HEADER: &str = "mcp-session-id";
/// Characters of a server's name and version that are shown.
const SHOWN: usize = 80;
/// What managers lack that do not say what they have: all of it is younger than saying it.
const YOUNGER: [&str; 5] = ["read_log", "get_runs", "send_signal", "resize_terminal", "output"];

/// Whether a manager that says this has an operation or a stream.
pub(super) fn has(hello: Option<&Hello>, name: &str) -> bool {
    match hello {
        Some(hello) => hello.operations.iter().chain(&hello.streams).any(|there| there == name),
        None => !YOUNGER.contains(&name),
    }
}

/// `None` from a manager that is too old to say.
pub(super) async fn over_socket(pool: &Pool) -> Result<Option<Hello>, Error> {
    let answer = timeout(NEAR, get(pool)).await.map_err(|_| {
        let text =
            format!("the manager of `{}` did not answer within {} s", pool.address().label(), NEAR.as_secs());
        Error::new(Code::TimedOut, text).hint("is it stopped, or the machine very busy?")
    })?;
    let (status, body) = answer.map_err(|unanswered| match unanswered {
        Unanswered::NoWayIn(error) => error,
        Unanswered::Broke(_) => went_away(pool.address(), "hello"),
    })?;
    match status {
        StatusCode::OK => serde_json::from_slice(&body).map(Some).map_err(|_| refusal(status, &body)),
        StatusCode::NOT_FOUND => Ok(None),
        _ => Err(refusal(status, &body)),
    }
}

pub(super) async fn over_url(pool: &Pool, url: &Url, with_token: bool) -> Result<Hello, Error> {
    pool.first().await?;
    let answer = timeout(FAR, get(pool)).await.map_err(|_| {
        let text = format!("`{url}` does not answer: connected, but silent for {} s", FAR.as_secs());
        Error::new(Code::NoManager, text).hint("is it a manager's port, and the manager not stopped?")
    })?;
    let (status, body) = answer.map_err(|unanswered| match unanswered {
        Unanswered::NoWayIn(error) => error,
        Unanswered::Broke(error) if error.is_parse() => is_no_manager(url, "does not speak HTTP"),
        Unanswered::Broke(_) => {
            let text = format!("`{url}` does not answer: it closed the connection");
            Error::new(Code::NoManager, text)
                .hint("`bpm status` on the manager's machine shows whether it runs")
        }
    })?;
    if status == StatusCode::OK
        && let Ok(hello) = serde_json::from_slice(&body)
    {
        return Ok(hello);
    }
    if let Ok(said) = serde_json::from_slice::<Error>(&body) {
        return Err(match status {
            StatusCode::UNAUTHORIZED => wants_token(url, with_token, &said),
            _ => Error { message: format!("`{url}`: {}", said.message), ..said },
        });
    }
    match initialize(pool).await {
        Some(server) => Err(is_only_mcp(url, &server)),
        None => {
            let what = format!("answers (status {}), but is neither bpm nor an MCP server", status.as_u16());
            Err(is_no_manager(url, &what))
        }
    }
}

async fn get(pool: &Pool) -> Result<(StatusCode, Bytes), Unanswered> {
    let request = pool.request(Method::GET, HELLO_PATH, Bytes::new()).map_err(Unanswered::NoWayIn)?;
    let (response, connection) = pool.send(request).await?;
    let status = response.status();
    match Limited::new(response.into_body(), LONGEST).collect().await {
        Ok(body) => {
            connection.keep();
            Ok((status, body.to_bytes()))
        }
        // too long, or cut off: its status says as much as there is to know
        Err(_) => Ok((status, Bytes::new())),
    }
}

fn wants_token(url: &Url, had_one: bool, said: &Error) -> Error {
    let text = match had_one {
        true => format!("`{url}` does not take this token: {}", said.message),
        false => format!("`{url}` wants a token: {}", said.message),
    };
    Error::new(Code::Forbidden, text).hint(
        "`bpm status --json` on the manager's machine says where its token is; bring it here with `--token-file`, or \
         in `BPM_TOKEN`",
    )
}

fn is_only_mcp(url: &Url, server: &Server) -> Error {
    let shown = |text: &str| text.chars().filter(|c| !c.is_control()).take(SHOWN).collect::<String>();
    let text = format!(
        "`{url}` is {} {}, an MCP server without bpm's API: status, logs and events as data are missing, so it cannot \
         be shown",
        shown(&server.name),
        shown(&server.version),
    );
    Error::new(Code::InvalidParameter, text).hint("run a newer bpm there, or use its MCP tools")
}

fn is_no_manager(url: &Url, what: &str) -> Error {
    Error::new(Code::InvalidParameter, format!("`{url}` {what}"))
        .hint("`bpm status` on the manager's machine shows its URL")
}

/// What an MCP server says of itself.
#[derive(Debug, PartialEq, Eq, Deserialize)]
struct Server {
    name: String,
    #[serde(default)]
    version: String,
}

/// Asks as an MCP client does; `None` where no MCP server answers.
async fn initialize(pool: &Pool) -> Option<Server> {
    let client = json!({"name": "bpm", "version": env!("CARGO_PKG_VERSION")});
    let params = json!({"protocolVersion": REVISION, "capabilities": {}, "clientInfo": client});
    let message = json!({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": params});
    let mut request = pool.request(Method::POST, MCP_PATH, message.to_string().into()).ok()?;
    let accepted = HeaderValue::from_static("application/json, text/event-stream");
    request.headers_mut().insert(ACCEPT, accepted);
    let asks = async {
        let (response, _connection) = pool.send(request).await.ok()?;
        let session = response.headers().get(SESSION_HEADER).cloned();
        Some((read_server(response).await, session))
    };
    let (server, session) = timeout(FAR, asks).await.ok()??;
    if let Some(session) = session {
        end_session(pool, session).await;
    }
    server
}

/// From the body, or from the first event of a stream that may go on.
async fn read_server(response: Response<Incoming>) -> Option<Server> {
    let is_stream = is_event_stream(response.headers());
    let (mut body, mut length) = (response.into_body(), 0);
    let (mut text, mut data) = (BytesMut::new(), Vec::new());
    while let Some(frame) = body.frame().await {
        let Ok(part) = frame.ok()?.into_data() else { continue };
        length += part.len();
        if length > LONGEST {
            return None;
        }
        text.extend_from_slice(&part);
        while is_stream && let Some(end) = memchr::memchr(b'\n', &text) {
            let line = text.split_to(end + 1);
            match line.trim_ascii_end() {
                b"" => {
                    if let Some(server) = in_message(&std::mem::take(&mut data)) {
                        return Some(server);
                    }
                }
                line => data.extend_from_slice(line.strip_prefix(b"data:").unwrap_or_default()),
            }
        }
    }
    in_message(if is_stream { &data } else { &text })
}

fn is_event_stream(headers: &HeaderMap) -> bool {
    let kind = headers.get(hyper::header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
    kind.is_some_and(|kind| kind.trim_start().to_ascii_lowercase().starts_with("text/event-stream"))
}

fn in_message(text: &[u8]) -> Option<Server> {
    #[derive(Deserialize)]
    struct Message {
        result: Initialized,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Initialized {
        server_info: Server,
    }
    serde_json::from_slice::<Message>(text).ok().map(|message| message.result.server_info)
}

/// Nobody comes back for it. A server that does not care for that has lost nothing.
async fn end_session(pool: &Pool, session: HeaderValue) {
    let Ok(mut request) = pool.request(Method::DELETE, MCP_PATH, Bytes::new()) else { return };
    request.headers_mut().insert(SESSION_HEADER, session);
    let _ = timeout(FAR, pool.send(request)).await;
}
