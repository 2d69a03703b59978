//! What comes over the socket as it happens: lines of JSON as changes, bytes as they are. Must not know from where.

use bpm_api::Change;
use bytes::{Buf, Bytes, BytesMut};
use http_body_util::BodyExt;
use hyper::body::Body;
use tokio::sync::mpsc;

use crate::control::{Changes, Chunks};

/// Changes that wait for whoever watches; what is over it waits in the socket, and then the manager counts.
const WAITING: usize = 256;
/// Pieces of output that wait for whoever reads; what is over it waits in the socket.
const WAITING_CHUNKS: usize = 4;
/// No change is longer than this.
const LONGEST_BYTES: usize = 1 << 20;

/// Reads a body until it ends, or until nobody watches any more; then `held` is dropped with it.
pub(super) fn changes<B>(mut body: B, held: impl Send + 'static) -> Changes
where
    B: Body<Data = Bytes> + Send + Unpin + 'static,
    B::Error: Send,
{
    let (told, changes) = mpsc::channel(WAITING);
    tokio::spawn(async move {
        let _held = held;
        let mut begun = BytesMut::new();
        loop {
            let frame = tokio::select! {
                frame = body.frame() => frame,
                () = told.closed() => return,
            };
            let Some(Ok(frame)) = frame else { return };
            let Ok(data) = frame.into_data() else { continue };
            begun.extend_from_slice(&data);
            while let Some(change) = next(&mut begun) {
                // a change that only a newer manager knows is nothing to us
                if let Ok(change) = change
                    && told.send(change).await.is_err()
                {
                    return;
                }
            }
            if begun.len() > LONGEST_BYTES {
                tracing::warn!("a change is longer than {LONGEST_BYTES} bytes: the watch ends");
                return;
            }
        }
    });
    Changes(changes)
}

/// Reads a body until it ends, or until nobody reads any more; then `held` is dropped with it.
pub(super) fn chunks<B>(mut body: B, held: impl Send + 'static) -> Chunks
where
    B: Body<Data = Bytes> + Send + Unpin + 'static,
    B::Error: Send,
{
    let (given, chunks) = mpsc::channel(WAITING_CHUNKS);
    tokio::spawn(async move {
        let _held = held;
        loop {
            let frame = tokio::select! {
                frame = body.frame() => frame,
                () = given.closed() => return,
            };
            let Some(Ok(frame)) = frame else { return };
            if let Ok(data) = frame.into_data()
                && given.send(data).await.is_err()
            {
                return;
            }
        }
    });
    Chunks(chunks)
}

/// Takes the next whole line.
fn next(begun: &mut BytesMut) -> Option<serde_json::Result<Change>> {
    let end = memchr::memchr(b'\n', begun)?;
    let change = serde_json::from_slice(&begun[..end]);
    begun.advance(end + 1);
    Some(change)
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;
    use std::pin::Pin;
    use std::task::{Context, Poll};

    use bpm_api::Change;
    use bytes::Bytes;
    use hyper::body::{Body, Frame};
    use tokio::sync::mpsc;

    use super::{LONGEST_BYTES, changes};

    struct Parts(mpsc::Receiver<Bytes>);

    impl Body for Parts {
        type Data = Bytes;
        type Error = Infallible;

        fn poll_frame(
            mut self: Pin<&mut Self>,
            cx: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
            self.0.poll_recv(cx).map(|part| part.map(|part| Ok(Frame::data(part))))
        }
    }

    #[tokio::test]
    async fn changes_come_however_the_bytes_are_cut() {
        let (out, body) = mpsc::channel(8);
        let mut watched = changes(Parts(body), ());
        for part in ["{\"log\":\"a", "pi\"}\n{\"log\":\"web\"}\n{\"not\":1}\n\n", "{\"missed\":3}", "\n{\"lo"]
        {
            out.send(Bytes::from_static(part.as_bytes())).await.unwrap();
        }
        drop(out);
        assert_eq!(watched.next().await, Some(Change::Log("api".to_owned())));
        assert_eq!(watched.next().await, Some(Change::Log("web".to_owned())));
        assert_eq!(watched.next().await, Some(Change::Missed(3)));
        assert_eq!(watched.next().await, None);
    }

    #[tokio::test]
    async fn a_line_without_an_end_ends_the_watch() {
        let (out, body) = mpsc::channel(8);
        let mut watched = changes(Parts(body), ());
        let part = Bytes::from(vec![b'x'; LONGEST_BYTES / 2]);
        while out.send(part.clone()).await.is_ok() {}
        assert_eq!(watched.next().await, None);
    }

    #[tokio::test]
    async fn who_stops_watching_ends_the_watch() {
        let (out, body) = mpsc::channel(8);
        drop(changes(Parts(body), ()));
        out.closed().await;
    }
}
