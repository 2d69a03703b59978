//! Strangers at a door: how long they may stay, how many there may be, and what becomes of one that is known.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bpm_api::Error;
use hyper::body::Incoming;
use hyper::{Request, Response, StatusCode};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
use tokio::sync::{Mutex, mpsc};
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;

use super::{Accept, Gate, IDLE, INTRODUCTION, MAX_STRANGERS, Room, serve};
use crate::server::respond::{self, Body};

struct Queue(Mutex<mpsc::Receiver<DuplexStream>>);

impl Accept for Queue {
    type Io = DuplexStream;

    async fn accept(&self) -> io::Result<DuplexStream> {
        let next = self.0.lock().await.recv().await;
        next.ok_or_else(|| io::ErrorKind::ConnectionAborted.into())
    }
}

/// Knows whoever has asked for `/known`.
struct Doubtful;

impl Gate<DuplexStream> for Doubtful {
    type Peer = Arc<AtomicBool>;

    async fn admit(&self, _io: &DuplexStream) -> Result<Self::Peer, Error> {
        Ok(Arc::default())
    }

    fn is_stranger(&self, peer: &Self::Peer) -> bool {
        !peer.load(Ordering::Relaxed)
    }

    async fn answer(&self, peer: Self::Peer, request: Request<Incoming>) -> Response<Body> {
        if request.uri().path() == "/known" {
            peer.store(true, Ordering::Relaxed);
        }
        respond::text(StatusCode::OK, "ok\n")
    }
}

fn door() -> mpsc::Sender<DuplexStream> {
    let (connect, queue) = mpsc::channel(MAX_STRANGERS + 1);
    let queue = Queue(Mutex::new(queue));
    tokio::spawn(serve(queue, Arc::new(Doubtful), Room::new(), CancellationToken::new()));
    connect
}

async fn stranger(door: &mpsc::Sender<DuplexStream>) -> DuplexStream {
    let (ours, theirs) = duplex(4096);
    door.send(theirs).await.unwrap();
    ours
}

/// What comes back, up to the end of the connection or of what there is to say.
async fn ask(io: &mut DuplexStream, path: &str) -> String {
    io.write_all(format!("GET {path} HTTP/1.1\r\nhost: x\r\n\r\n").as_bytes()).await.unwrap();
    let mut answer = vec![0; 4096];
    let length = io.read(&mut answer).await.unwrap();
    String::from_utf8(answer[..length].to_vec()).unwrap()
}

async fn end_of(io: &mut DuplexStream) -> Duration {
    let begun = Instant::now();
    let mut rest = Vec::new();
    timeout(2 * IDLE, io.read_to_end(&mut rest)).await.expect("it is held for ever").unwrap();
    begun.elapsed()
}

#[tokio::test(start_paused = true)]
async fn who_does_not_show_who_it_is_has_to_go() {
    let door = door();
    let mut silent = stranger(&door).await;
    let stayed = end_of(&mut silent).await;
    assert!(stayed >= INTRODUCTION && stayed < 2 * INTRODUCTION, "{stayed:?}");
    let mut talks = stranger(&door).await;
    assert!(ask(&mut talks, "/other").await.starts_with("HTTP/1.1 200"));
    assert!(end_of(&mut talks).await < 2 * INTRODUCTION);
}

#[tokio::test(start_paused = true)]
async fn who_does_may_stay_as_long_as_anybody() {
    let door = door();
    let mut known = stranger(&door).await;
    assert!(ask(&mut known, "/known").await.starts_with("HTTP/1.1 200"));
    let stayed = end_of(&mut known).await;
    assert!(stayed >= IDLE, "{stayed:?}");
}

#[tokio::test(start_paused = true)]
async fn strangers_are_counted_and_keep_nobodys_place() {
    let door = door();
    let mut strangers = Vec::new();
    for _ in 0..MAX_STRANGERS {
        strangers.push(stranger(&door).await);
    }
    let refusal = ask(&mut stranger(&door).await, "/known").await;
    assert!(refusal.contains(&format!("{MAX_STRANGERS} strangers are connected already")), "{refusal}");
    // half of them become known, and make room for as many
    for io in &mut strangers[..MAX_STRANGERS / 2] {
        ask(io, "/known").await;
    }
    end_of(strangers.last_mut().unwrap()).await;
    assert!(ask(&mut strangers[0], "/other").await.starts_with("HTTP/1.1 200"));
    for _ in 0..MAX_STRANGERS {
        assert!(ask(&mut stranger(&door).await, "/other").await.starts_with("HTTP/1.1 200"));
    }
}
