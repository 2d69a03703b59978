//! Answers that go on: to a watch, one line of JSON for each change; to a question for output, its bytes. Knows no routes.

use std::convert::Infallible;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use bpm_api::Change;
use bytes::Bytes;
use hyper::body::{Body, Frame};
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};

use crate::control::{Changes, Chunks};

/// Changes that are written together where many are there.
const TOGETHER: usize = 64;

/// Ends with the manager, with the door, or when the peer goes away (then it is dropped).
pub(super) struct Watching {
    changes: Changes,
    end: Pin<Box<WaitForCancellationFutureOwned>>,
}

impl Watching {
    pub(super) fn new(changes: Changes, end: &CancellationToken) -> Watching {
        Watching { changes, end: Box::pin(end.clone().cancelled_owned()) }
    }
}

impl Body for Watching {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if self.end.as_mut().poll(cx).is_ready() {
            return Poll::Ready(None);
        }
        let mut changes = Vec::new();
        match self.changes.0.poll_recv_many(cx, &mut changes, TOGETHER) {
            Poll::Pending => Poll::Pending,
            Poll::Ready(0) => Poll::Ready(None),
            Poll::Ready(_) => Poll::Ready(Some(Ok(Frame::data(lines(&changes))))),
        }
    }
}

/// Ends with the run, with the door, or when the peer goes away.
pub(super) struct Showing {
    chunks: Chunks,
    end: Pin<Box<WaitForCancellationFutureOwned>>,
}

impl Showing {
    pub(super) fn new(chunks: Chunks, end: &CancellationToken) -> Showing {
        Showing { chunks, end: Box::pin(end.clone().cancelled_owned()) }
    }
}

impl Body for Showing {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if self.end.as_mut().poll(cx).is_ready() {
            return Poll::Ready(None);
        }
        self.chunks.0.poll_recv(cx).map(|chunk| chunk.map(|bytes| Ok(Frame::data(bytes))))
    }
}

impl fmt::Debug for Showing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Showing").finish_non_exhaustive()
    }
}

fn lines(changes: &[Change]) -> Bytes {
    let mut lines = Vec::new();
    for change in changes {
        match serde_json::to_writer(&mut lines, change) {
            Ok(()) => lines.push(b'\n'),
            Err(fault) => tracing::error!(%fault, "cannot encode a change"),
        }
    }
    Bytes::from(lines)
}

impl fmt::Debug for Watching {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watching").finish_non_exhaustive()
    }
}
