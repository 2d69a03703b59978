//! MCP's messages as lines of a byte stream: bounded both ways, and deaf to nothing. A line that is no
//! message is answered and skipped. Knows no method.

use std::collections::HashSet;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rmcp::model::{
    ClientJsonRpcMessage, ClientNotification, ClientRequest, ErrorCode, ErrorData, GetMeta, JsonRpcMessage,
    ProtocolVersion, RequestId, ServerJsonRpcMessage,
};
use rmcp::service::{RoleServer, RxJsonRpcMessage, TxJsonRpcMessage};
use rmcp::transport::Transport;
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use id::IdScan;

/// More than any message needs.
const MAX_LINE_BYTES: usize = 8 * 1024 * 1024;
/// What a line's buffer may keep for the next one.
const KEPT_BYTES: usize = 64 * 1024;
/// Requests that are not answered yet; above it they are refused.
const MAX_REQUESTS: usize = 256;
/// Messages on their way out. A client that does not read makes us stop reading here.
const MAX_OUTGOING: usize = 64;
/// JSON-RPC leaves the codes around here to servers.
const BUSY: ErrorCode = ErrorCode(-32000);

/// A connection's two directions. `ended` is cancelled when no more can come in.
pub(super) struct Lines<R> {
    input: BufReader<R>,
    line: Vec<u8>,
    /// Of the line that is being read: whose it is, should it turn out to be no message.
    id: IdScan,
    skipping: bool,
    /// Whether the connection has chosen its protocol; what comes before that is only requests.
    open: bool,
    /// To be said before anything else is read.
    retort: Option<ServerJsonRpcMessage>,
    output: Option<mpsc::Sender<Vec<u8>>>,
    unanswered: Arc<Unanswered>,
    gone: CancellationToken,
    ended: CancellationToken,
}

#[derive(Default)]
struct Unanswered(Mutex<HashSet<RequestId>>);

enum Read {
    Line,
    TooLong,
    End,
}

impl<R: AsyncRead + Unpin + Send> Lines<R> {
    /// Spawns the task that writes.
    pub(super) fn new(
        input: R,
        output: impl AsyncWrite + Unpin + Send + 'static,
        ended: CancellationToken,
    ) -> Lines<R> {
        let (sender, outgoing) = mpsc::channel(MAX_OUTGOING);
        let gone = CancellationToken::new();
        tokio::spawn(write(outgoing, output, gone.clone()));
        Lines {
            input: BufReader::with_capacity(KEPT_BYTES, input),
            line: Vec::new(),
            id: IdScan::default(),
            skipping: false,
            open: false,
            retort: None,
            output: Some(sender),
            unanswered: Arc::default(),
            gone,
            ended,
        }
    }

    /// May be dropped while it waits: what was read stays.
    async fn read(&mut self) -> Read {
        loop {
            let Ok(bytes) = self.input.fill_buf().await else { return Read::End };
            if bytes.is_empty() && std::mem::take(&mut self.skipping) {
                return Read::TooLong;
            }
            if bytes.is_empty() {
                // A last line need not have an end.
                return if self.line.is_empty() { Read::End } else { Read::Line };
            }
            let end = memchr::memchr(b'\n', bytes);
            let taken = end.map_or(bytes.len(), |end| end + 1);
            if !self.skipping && self.line.len() + taken > MAX_LINE_BYTES {
                self.id = IdScan::default();
                self.id.feed(&std::mem::take(&mut self.line));
                self.skipping = true;
            }
            match self.skipping {
                true => self.id.feed(&bytes[..taken]),
                false => self.line.extend_from_slice(&bytes[..taken]),
            }
            self.input.consume(taken);
            if end.is_some() {
                return if std::mem::take(&mut self.skipping) { Read::TooLong } else { Read::Line };
            }
        }
    }

    fn take_line(&mut self) -> Option<ClientJsonRpcMessage> {
        let understood = understand(&self.line);
        self.line.clear();
        self.line.shrink_to(KEPT_BYTES);
        let message = match understood {
            Ok(message) => self.admit(message?),
            Err(error) => Err(error),
        };
        match message {
            Ok(message) => message,
            Err((error, id)) => {
                self.retort = Some(ServerJsonRpcMessage::error(error, id));
                None
            }
        }
    }

    /// `None`: there is nobody yet whom it could be for.
    fn admit(
        &mut self,
        mut message: ClientJsonRpcMessage,
    ) -> Result<Option<ClientJsonRpcMessage>, (ErrorData, Option<RequestId>)> {
        match &mut message {
            JsonRpcMessage::Request(request) => {
                self.open |= opens(&mut request.request);
                self.unanswered.begin(&request.id).map_err(|error| (error, Some(request.id.clone())))?;
            }
            JsonRpcMessage::Notification(notification) => {
                if let ClientNotification::CancelledNotification(cancelled) = &notification.notification
                    && let Some(id) = &cancelled.params.request_id
                {
                    // The SDK answers it no more.
                    self.unanswered.end(id);
                }
            }
            JsonRpcMessage::Response(_) | JsonRpcMessage::Error(_) => {}
        }
        let may_pass = self.open || matches!(message, JsonRpcMessage::Request(_));
        Ok(may_pass.then_some(message))
    }

    async fn next(&mut self) -> Option<ClientJsonRpcMessage> {
        loop {
            if self.retort.is_some() {
                let place = self.output.as_ref()?.reserve().await.ok()?;
                place.send(encode(&self.retort.take()?)?);
            }
            match self.read().await {
                Read::Line => {
                    if let Some(message) = self.take_line() {
                        return Some(message);
                    }
                }
                Read::TooLong => {
                    let error = format!(
                        "a message of more than {} MB was skipped; put what is long into a file and name the file",
                        MAX_LINE_BYTES >> 20
                    );
                    let error = ErrorData::invalid_request(error, None);
                    self.retort = Some(ServerJsonRpcMessage::error(error, self.id.found()));
                }
                Read::End => return None,
            }
        }
    }
}

impl<R: AsyncRead + Unpin + Send> Transport<RoleServer> for Lines<R> {
    type Error = io::Error;

    fn send(
        &mut self,
        message: TxJsonRpcMessage<RoleServer>,
    ) -> impl Future<Output = Result<(), io::Error>> + Send + 'static {
        let (output, unanswered) = (self.output.clone(), self.unanswered.clone());
        async move {
            let closed = || io::Error::from(io::ErrorKind::BrokenPipe);
            let place = output.ok_or_else(closed)?.reserve_owned().await.map_err(|_| closed())?;
            place.send(encode(&message).ok_or_else(|| io::Error::from(io::ErrorKind::InvalidData))?);
            match &message {
                JsonRpcMessage::Response(response) => unanswered.end(&response.id),
                JsonRpcMessage::Error(error) => error.id.iter().for_each(|id| unanswered.end(id)),
                JsonRpcMessage::Request(_) | JsonRpcMessage::Notification(_) => {}
            }
            Ok(())
        }
    }

    async fn receive(&mut self) -> Option<RxJsonRpcMessage<RoleServer>> {
        let gone = self.gone.clone();
        let message = tokio::select! {
            message = self.next() => message,
            () = gone.cancelled() => None,
        };
        if message.is_none() {
            self.ended.cancel();
        }
        message
    }

    /// What was sent before still gets out, and `gone` says when it has.
    async fn close(&mut self) -> Result<(), io::Error> {
        self.output = None;
        self.gone.cancelled().await;
        Ok(())
    }
}

impl Unanswered {
    fn begin(&self, id: &RequestId) -> Result<(), ErrorData> {
        let mut ids = self.ids();
        if ids.len() >= MAX_REQUESTS {
            let message = format!("{MAX_REQUESTS} requests are under way already; wait for one to end");
            return Err(ErrorData::new(BUSY, message, None));
        }
        if !ids.insert(id.clone()) {
            return Err(ErrorData::invalid_request("a request with this id is under way already", None));
        }
        Ok(())
    }

    fn end(&self, id: &RequestId) {
        self.ids().remove(id);
    }

    fn ids(&self) -> MutexGuard<'_, HashSet<RequestId>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether the SDK takes this for the beginning of a conversation; until then it ends at anything but a request.
fn opens(request: &mut ClientRequest) -> bool {
    match request {
        ClientRequest::InitializeRequest(_) => true,
        ClientRequest::DiscoverRequest(_) | ClientRequest::PingRequest(_) => false,
        other => {
            let meta = other.get_meta_mut();
            let known = meta.protocol_version().is_some_and(|v| ProtocolVersion::KNOWN_VERSIONS.contains(&v));
            known && meta.missing_required_keys(&ProtocolVersion::V_2026_07_28).is_empty()
        }
    }
}

/// `None`: nothing that wants an answer.
fn understand(line: &[u8]) -> Result<Option<ClientJsonRpcMessage>, (ErrorData, Option<RequestId>)> {
    let bad = |message: String| (ErrorData::parse_error(message, None), IdScan::of(line));
    let text = std::str::from_utf8(line).map_err(|fault| bad(format!("not UTF-8: {fault}")))?;
    let text = text.trim_start_matches('\u{feff}').trim();
    if text.is_empty() {
        return Ok(None);
    }
    if let Ok(message) = serde_json::from_str(text) {
        return Ok(Some(message));
    }
    let value: Value = serde_json::from_str(text).map_err(|fault| bad(format!("not JSON: {fault}")))?;
    let id = value.get("id").and_then(|id| serde_json::from_value(id.clone()).ok());
    let message = match (&value, value.get("method")) {
        // A notification that we do not know, or an answer to nothing that we asked.
        (Value::Object(object), Some(Value::String(_))) if !object.contains_key("id") => return Ok(None),
        (Value::Object(object), None) if object.contains_key("result") || object.contains_key("error") => {
            return Ok(None);
        }
        (Value::Array(_), _) => "batches are not served; send one message per line",
        _ => "not a JSON-RPC 2.0 message",
    };
    Err((ErrorData::invalid_request(message, None), id))
}

fn encode(message: &ServerJsonRpcMessage) -> Option<Vec<u8>> {
    let mut line = serde_json::to_vec(message)
        .inspect_err(|fault| tracing::error!(%fault, "a message could not be written as JSON"))
        .ok()?;
    line.push(b'\n');
    Some(line)
}

/// Writes until nobody sends any more, or nobody reads.
async fn write(
    mut outgoing: mpsc::Receiver<Vec<u8>>,
    mut output: impl AsyncWrite + Unpin,
    gone: CancellationToken,
) {
    let _gone = gone.drop_guard();
    while let Some(line) = outgoing.recv().await {
        if output.write_all(&line).await.is_err() {
            return;
        }
        if outgoing.is_empty() && output.flush().await.is_err() {
            return;
        }
    }
}

mod id;
#[cfg(test)]
mod tests;
