//! A pretended control, a server around it, and a small HTTP client.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bpm::control::{Changes, Control, Presence};
use bpm::server::{Access, Endpoint, bind, serve_tcp};
use bpm_api::{
    Began, Change, Code, Done, Error, LogLine, LogPage, ManagerStatus, Mode, Origin, Paths, Reply, Request,
    Status, Stream, Watch,
};
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::{HeaderMap, Method, Response, StatusCode};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

/// No condition in these tests takes longer, even on a busy machine.
pub(crate) const DEADLINE: Duration = Duration::from_secs(20);

/// Answers at once, but `restart` of `slow`, which waits for `open`.
#[derive(Clone)]
pub(crate) struct Pretended {
    seen: Arc<Mutex<Vec<(Request, Origin)>>>,
    open: watch::Sender<bool>,
    /// How many calls wait, and how many were dropped while they did.
    pub(crate) waiting: watch::Sender<usize>,
    pub(crate) dropped: watch::Sender<usize>,
    /// Clients that are there.
    pub(crate) present: watch::Sender<usize>,
    watchers: Arc<Mutex<Vec<mpsc::Sender<Change>>>>,
}

struct Present(watch::Sender<usize>);

impl Drop for Present {
    fn drop(&mut self) {
        self.0.send_modify(|count| *count -= 1);
    }
}

struct Waiting<'a>(&'a Pretended);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        if !*self.0.open.borrow() {
            self.0.dropped.send_modify(|count| *count += 1);
        }
    }
}

impl Pretended {
    pub(crate) fn new() -> Pretended {
        Pretended {
            seen: Arc::default(),
            open: watch::Sender::new(false),
            waiting: watch::Sender::new(0),
            dropped: watch::Sender::new(0),
            present: watch::Sender::new(0),
            watchers: Arc::default(),
        }
    }

    pub(crate) fn seen(&self) -> Vec<(Request, Origin)> {
        self.seen.lock().unwrap().clone()
    }

    pub(crate) fn let_go(&self) {
        self.open.send_replace(true);
    }

    /// Tells every watcher.
    pub(crate) async fn happens(&self, change: Change) {
        let watchers = self.watchers.lock().unwrap().clone();
        for watcher in watchers {
            watcher.send(change.clone()).await.unwrap();
        }
    }

    async fn restart(&self, process: Option<&str>) -> Result<Reply, Error> {
        match process {
            Some("broken") => Err(Error::new(Code::BuildFailed, "`broken` does not build: 1 error")
                .hint("`bpm build-log broken` shows all of it")
                .detail("error[E0308]: mismatched types")),
            Some("late") => Err(Error::new(Code::TimedOut, "`late` is still building")),
            Some("slow") => {
                let waiting = Waiting(self);
                self.waiting.send_modify(|count| *count += 1);
                self.open.subscribe().wait_for(|open| *open).await.unwrap();
                drop(waiting);
                Ok(began("slow"))
            }
            other => Ok(began(other.unwrap_or("api"))),
        }
    }
}

impl Control for Pretended {
    async fn call(&self, request: Request, origin: Origin) -> Result<Reply, Error> {
        self.seen.lock().unwrap().push((request.clone(), origin));
        match &request {
            Request::GetStatus(_) => Ok(Reply::Status(Box::new(status()))),
            Request::Restart(restart) => self.restart(restart.process.as_deref()).await,
            Request::Start(start) if start.process == "api" => Ok(began("api")),
            Request::Start(start) => Err(Error::new(
                Code::UnknownProcess,
                format!("there is no process `{}`, only `api`", start.process),
            )),
            Request::Stop(_) | Request::Shutdown(_) => {
                Ok(Reply::Done(Done { message: "stopped".to_owned() }))
            }
            Request::SearchLogs(_) | Request::SearchBuildLog(_) => Ok(Reply::LogPage(page())),
            _ => Err(Error::new(Code::Closing, "the manager is ending")),
        }
    }

    /// There is, for one session.
    fn has_news(&self, origin: &Origin) -> bool {
        origin.session.as_deref() == Some("curious")
    }

    fn presence(&self) -> Presence {
        self.present.send_modify(|count| *count += 1);
        Presence(Some(Box::new(Present(self.present.clone()))))
    }

    async fn watch(&self, what: Watch) -> Result<Changes, Error> {
        if !what.events {
            return Err(Error::new(Code::InvalidParameter, "nothing to watch"));
        }
        let (told, changes) = mpsc::channel(8);
        self.watchers.lock().unwrap().push(told);
        Ok(Changes(changes))
    }
}

fn began(process: &str) -> Reply {
    Reply::Began(Began {
        process: process.to_owned(),
        run: 4,
        pid: 4242,
        recipe: Mode::Dev,
        already: false,
        build: Some(7),
        warnings: 0,
    })
}

fn page() -> LogPage {
    let line = |number, is_match, text: &str| LogLine {
        process: None,
        run: 3,
        number,
        time: "2026-01-02T03:04:05Z".to_owned(),
        stream: Stream::Stdout,
        is_match,
        text: text.to_owned(),
        times: 1,
    };
    LogPage {
        source: "api run 3 (running)".to_owned(),
        lines: vec![line(1, false, "listening"), line(2, true, "panic")],
        matches: 1,
        omitted_before: 0,
        omitted_after: 0,
        lost_lines: 0,
        lost_bytes: 0,
        cursor: "3:2".to_owned(),
    }
}

fn status() -> Status {
    let text = str::to_owned;
    Status {
        mode: Mode::Release,
        release_switch_in_seconds: None,
        manager: ManagerStatus {
            pid: 1,
            version: text("0.1.0"),
            uptime_seconds: 5.0,
            mcp_url: None,
            containment: text("cgroup"),
            closing: false,
            paths: Paths {
                project: text("/p"),
                config: text("/p/.mcp-run"),
                state: text("/s"),
                socket: text("/s/sock"),
            },
        },
        processes: Vec::new(),
        tasks: Vec::new(),
        more_tasks: 0,
        alarms: Vec::new(),
    }
}

/// A server on a port of its own.
pub(crate) struct Server {
    pub(crate) control: Pretended,
    pub(crate) port: u16,
    pub(crate) shutdown: CancellationToken,
    pub(crate) task: JoinHandle<()>,
}

impl Server {
    pub(crate) fn start() -> Server {
        let Endpoint { listeners, port } = bind(0).unwrap();
        let (control, shutdown) = (Pretended::new(), CancellationToken::new());
        let task = tokio::spawn(serve_tcp(listeners, control.clone(), Access::own_user(), shutdown.clone()));
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
    pub(crate) async fn modern(&mut self, method: &str, mut params: Value) -> Answer {
        params["_meta"] = json!({
            "io.modelcontextprotocol/protocolVersion": "2026-07-28",
            "io.modelcontextprotocol/clientCapabilities": {},
            "io.modelcontextprotocol/clientInfo": {"name": "tester", "version": "1.2"},
        });
        let name = params["name"].as_str().map(str::to_owned);
        let mut headers = vec![("mcp-protocol-version", "2026-07-28"), ("mcp-method", method)];
        headers.extend(name.as_deref().map(|name| ("mcp-name", name)));
        let message = json!({"jsonrpc": "2.0", "id": 7, "method": method, "params": params});
        self.post(&headers, &message).await
    }

    /// Calls a tool, with protocol 2026-07-28.
    pub(crate) async fn call(&mut self, tool: &str, arguments: Value) -> Value {
        let answer = self.modern("tools/call", json!({"name": tool, "arguments": arguments})).await;
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
        answer.json()["result"].clone()
    }
}

/// Waits until a counter gets there.
pub(crate) async fn reaches(counter: &watch::Sender<usize>, wanted: usize) {
    let mut counter = counter.subscribe();
    let there = counter.wait_for(|count| *count >= wanted);
    timeout(DEADLINE, there).await.expect("the counter stayed below").unwrap();
}
