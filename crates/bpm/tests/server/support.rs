//! A server around a pretended control, and a small HTTP client.

use std::net::SocketAddr;
use std::time::Duration;

use bpm::server::{Access, Endpoint, bind, serve_tcp};
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::{HeaderMap, Method, Response, StatusCode};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

pub(crate) use crate::pretended::Pretended;

/// No condition in these tests takes longer, even on a busy machine.
pub(crate) const DEADLINE: Duration = Duration::from_secs(20);

/// A server on a port of its own.
pub(crate) struct Server {
    pub(crate) control: Pretended,
    pub(crate) port: u16,
    pub(crate) shutdown: CancellationToken,
    pub(crate) task: JoinHandle<()>,
}

impl Server {
    pub(crate) fn start() -> Server {
        Server::with(Access::own_user())
    }

    pub(crate) fn with(access: Access) -> Server {
        let Endpoint { listeners, port, .. } = bind(None, 0).unwrap();
        let (control, shutdown) = (Pretended::new(), CancellationToken::new());
        let task = tokio::spawn(serve_tcp(listeners, control.clone(), access, shutdown.clone()));
        Server { control, port, shutdown, task }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], self.port))
    }

    pub(crate) async fn client(&self) -> Client {
        let stream = TcpStream::connect(self.address()).await.unwrap();
        stream.set_nodelay(true).unwrap();
        Client::over(stream, format!("localhost:{}", self.port)).await
    }
}

/// One keep-alive connection.
pub(crate) struct Client {
    sender: SendRequest<Full<Bytes>>,
    pub(crate) connection: JoinHandle<()>,
    host: String,
}

pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) text: String,
}

impl Answer {
    /// The body, or the last event of a stream.
    pub(crate) fn json(&self) -> Value {
        let event = self.text.lines().filter_map(|line| line.strip_prefix("data:")).next_back();
        let text = event.unwrap_or(&self.text);
        serde_json::from_str(text)
            .unwrap_or_else(|fault| panic!("{fault}: {:?} in status {}", self.text, self.status))
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map(|value| value.to_str().unwrap()).unwrap_or_default()
    }
}

impl Client {
    pub(crate) async fn over(
        io: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
        host: String,
    ) -> Client {
        let (sender, connection) = handshake(TokioIo::new(io)).await.unwrap();
        let connection = tokio::spawn(async move {
            let _ = connection.await;
        });
        Client { sender, connection, host }
    }

    /// A `host` among the headers takes the place of the right one.
    pub(crate) async fn send(
        &mut self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: impl Into<Bytes>,
    ) -> Answer {
        let exchange = async {
            let (parts, body) = self.open(method, path, headers, body).await.into_parts();
            let body = body.collect().await.unwrap().to_bytes();
            Answer {
                status: parts.status,
                headers: parts.headers,
                text: String::from_utf8(body.to_vec()).unwrap(),
            }
        };
        timeout(DEADLINE, exchange).await.expect("no answer in time")
    }

    /// The same up to the answer's head.
    pub(crate) async fn open(
        &mut self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: impl Into<Bytes>,
    ) -> Response<Incoming> {
        let mut request = hyper::Request::builder().method(method).uri(path);
        if !headers.iter().any(|(name, _)| *name == "host") {
            request = request.header("host", &self.host);
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        // Its last answer may have ended a moment before its connection noticed.
        self.sender.ready().await.unwrap();
        self.sender.send_request(request.body(Full::new(body.into())).unwrap()).await.unwrap()
    }

    /// Posts a JSON-RPC message as MCP wants it.
    pub(crate) async fn post(&mut self, headers: &[(&str, &str)], message: &Value) -> Answer {
        let mut all =
            vec![("content-type", "application/json"), ("accept", "application/json, text/event-stream")];
        all.extend_from_slice(headers);
        self.send(Method::POST, "/mcp", &all, message.to_string()).await
    }

    /// A request of protocol 2026-07-28.
    pub(crate) async fn modern(&mut self, method: &str, params: Value) -> Answer {
        let (headers, message) = modern(method, params);
        let headers: Vec<(&str, &str)> =
            headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
        self.post(&headers, &message).await
    }

    /// The same, when the answer is a stream: one that has begun.
    pub(crate) async fn modern_stream(&mut self, method: &str, params: Value) -> Stream {
        let (headers, message) = modern(method, params);
        let mut all =
            vec![("content-type", "application/json"), ("accept", "application/json, text/event-stream")];
        all.extend(headers.iter().map(|(name, value)| (*name, value.as_str())));
        Stream::of(self.open(Method::POST, "/mcp", &all, message.to_string()).await)
    }

    /// Calls a tool, with protocol 2026-07-28.
    pub(crate) async fn call(&mut self, tool: &str, arguments: Value) -> Value {
        let answer = self.modern("tools/call", json!({"name": tool, "arguments": arguments})).await;
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
        answer.json()["result"].clone()
    }
}

fn modern(method: &str, mut params: Value) -> (Vec<(&'static str, String)>, Value) {
    let mut meta = json!({
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientCapabilities": {},
        "io.modelcontextprotocol/clientInfo": {"name": "tester", "version": "1.2"},
    });
    for (name, value) in params["_meta"].as_object().cloned().into_iter().flatten() {
        meta[name] = value;
    }
    params["_meta"] = meta;
    let mut headers =
        vec![("mcp-protocol-version", "2026-07-28".to_owned()), ("mcp-method", method.to_owned())];
    let name = ["name", "uri", "taskId"].iter().find_map(|name| params[name].as_str());
    headers.extend(name.map(|name| ("mcp-name", name.to_owned())));
    (headers, json!({"jsonrpc": "2.0", "id": 7, "method": method, "params": params}))
}

/// Messages as they come in a stream of events.
pub(crate) struct Stream {
    body: Incoming,
    text: String,
}

impl Stream {
    pub(crate) fn of(response: Response<Incoming>) -> Stream {
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        Stream { body: response.into_body(), text: String::new() }
    }

    /// The next message; `None` at the end.
    pub(crate) async fn next(&mut self) -> Option<Value> {
        loop {
            if let Some((event, rest)) = self.text.split_once("\n\n") {
                let data: Option<String> =
                    event.lines().find_map(|line| line.strip_prefix("data:")).map(str::to_owned);
                self.text = rest.to_owned();
                match data {
                    Some(data) if !data.trim().is_empty() => {
                        return Some(serde_json::from_str(&data).unwrap());
                    }
                    _ => continue,
                }
            }
            let frame = timeout(DEADLINE, self.body.frame()).await.expect("silence")?.unwrap();
            if let Some(data) = frame.data_ref() {
                self.text.push_str(std::str::from_utf8(data).unwrap());
            }
        }
    }
}

/// Waits until a counter gets there.
pub(crate) async fn reaches(counter: &watch::Sender<usize>, wanted: usize) {
    let mut counter = counter.subscribe();
    let there = counter.wait_for(|count| *count >= wanted);
    timeout(DEADLINE, there).await.expect("the counter stayed below").unwrap();
}
