//! The client against a manager that answers what it is told.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bpm_api::{Code, Done, GetStatus, Reply, Shutdown, Stop};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};

use super::{Client, origin};
use crate::control::Control;
use crate::store::paths::Project;

/// What the manager does with one request.
#[derive(Clone)]
enum Answer {
    Say(u16, String),
    /// Answers, then closes the connection.
    SayAndClose(u16, String),
    HangUp,
}

/// To what it can do a manager that is too old to know the question.
const OLD: &[u8] = b"HTTP/1.1 404 Not Found\r\ncontent-length: 10\r\n\r\nnot found\n";

struct Fake {
    project: Project,
    connections: Arc<AtomicUsize>,
    _dir: TempDir,
}

fn project(state: PathBuf) -> Project {
    Project { root: PathBuf::from("/srv/shop"), id: "0".repeat(16), state }
}

/// Serves the answers in order, whatever is asked, over as many connections as are made.
fn manager(answers: Vec<Answer>) -> Fake {
    manager_in("", answers)
}

fn manager_in(below: &str, answers: Vec<Answer>) -> Fake {
    let dir = TempDir::new().unwrap();
    let state = dir.path().join(below);
    std::fs::create_dir_all(&state).unwrap();
    let project = project(state.clone());
    // Bound by a short name, since the path may be too long for an address.
    let handle = std::fs::File::open(&state).unwrap();
    let path = format!("/proc/self/fd/{}/s", std::os::fd::AsRawFd::as_raw_fd(&handle));
    let listener = UnixListener::bind(path).unwrap();
    let connections = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&connections);
    tokio::spawn(async move {
        let mut answers = answers.into_iter();
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            counter.fetch_add(1, Ordering::SeqCst);
            serve(stream, &mut answers).await;
        }
    });
    Fake { project, connections, _dir: dir }
}

async fn serve(mut stream: UnixStream, answers: &mut impl Iterator<Item = Answer>) {
    while let Some(request) = read_request(&mut stream).await {
        if request.starts_with("GET /v1 HTTP/1.1\r\n") {
            stream.write_all(OLD).await.unwrap();
            continue;
        }
        assert!(request.starts_with("POST /v1/call HTTP/1.1\r\n"), "{request}");
        let (status, body, close) = match answers.next() {
            Some(Answer::Say(status, body)) => (status, body, false),
            Some(Answer::SayAndClose(status, body)) => (status, body, true),
            Some(Answer::HangUp) | None => return,
        };
        let response = format!("HTTP/1.1 {status} X\r\ncontent-length: {}\r\n\r\n{body}", body.len());
        stream.write_all(response.as_bytes()).await.unwrap();
        if close {
            return;
        }
    }
}

async fn read_request(stream: &mut UnixStream) -> Option<String> {
    let mut bytes = Vec::new();
    loop {
        if let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&bytes[..end]).to_lowercase();
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
            let length: usize = length.map_or(0, |length| length.parse().unwrap());
            if bytes.len() >= end + 4 + length {
                return Some(String::from_utf8(bytes).unwrap());
            }
        }
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    }
}

fn done(message: &str) -> String {
    serde_json::to_string(&Reply::Done(Done { message: message.into() })).unwrap()
}

fn stop() -> Stop {
    Stop { process: "api".into(), timeout_seconds: None }
}

#[tokio::test]
async fn a_call_travels_as_origin_and_request_and_comes_back_typed() {
    let fake = manager(vec![Answer::Say(200, done("stopped"))]);
    let client = Client::connect(&fake.project).await.unwrap();
    let answer = client.ask(stop(), origin()).await.unwrap();
    assert_eq!(answer.message, "stopped");
    assert_eq!(client.manager_pid(), Some(std::process::id()));
}

#[tokio::test]
async fn a_manager_that_cannot_say_what_it_has_lacks_what_is_younger() {
    let fake = manager(Vec::new());
    let client = Client::connect(&fake.project).await.unwrap();
    assert_eq!(client.hello(), None);
    assert_eq!(client.label(), "/srv/shop");
    assert_eq!(client.missing(&["get_status", "read_log", "watch", "output"]), ["read_log", "output"]);
}

#[tokio::test]
async fn calls_share_one_connection() {
    let fake = manager(vec![Answer::Say(200, done("1")), Answer::Say(200, done("2"))]);
    let client = Client::connect(&fake.project).await.unwrap();
    let other = client.clone();
    assert_eq!(client.ask(stop(), origin()).await.unwrap().message, "1");
    assert_eq!(other.ask(stop(), origin()).await.unwrap().message, "2");
    assert_eq!(fake.connections.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn a_connection_that_was_closed_in_between_is_made_anew() {
    let fake = manager(vec![Answer::SayAndClose(200, done("1")), Answer::Say(200, done("2"))]);
    let client = Client::connect(&fake.project).await.unwrap();
    assert_eq!(client.ask(stop(), origin()).await.unwrap().message, "1");
    assert_eq!(client.ask(stop(), origin()).await.unwrap().message, "2");
    assert_eq!(fake.connections.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn an_abandoned_call_leaves_no_answer_for_the_next() {
    let fake = manager(vec![Answer::Say(200, done("1")), Answer::Say(200, done("2"))]);
    let client = Client::connect(&fake.project).await.unwrap();
    {
        let mut call = std::pin::pin!(client.ask(stop(), origin()));
        // Polled once: sent, or on its way.
        assert!(futures_poll_once(call.as_mut()).await.is_none());
    }
    let answer = client.ask(stop(), origin()).await.unwrap().message;
    assert!(answer == "1" || answer == "2", "{answer}");
    assert_eq!(fake.connections.load(Ordering::SeqCst), 2);
}

async fn futures_poll_once<F: Future>(mut future: std::pin::Pin<&mut F>) -> Option<F::Output> {
    std::future::poll_fn(|cx| {
        std::task::Poll::Ready(match future.as_mut().poll(cx) {
            std::task::Poll::Ready(output) => Some(output),
            std::task::Poll::Pending => None,
        })
    })
    .await
}

#[tokio::test]
async fn an_error_comes_back_as_the_manager_said_it() {
    let said =
        bpm_api::Error::new(Code::UnknownProcess, "there is no process `api`").hint("did you mean `app`?");
    let fake = manager(vec![Answer::Say(404, serde_json::to_string(&said).unwrap())]);
    let client = Client::connect(&fake.project).await.unwrap();
    assert_eq!(client.ask(stop(), origin()).await, Err(said));
}

#[tokio::test]
async fn what_is_not_bpms_protocol_is_said_to_be_so() {
    for (status, body) in [(200, "<html>"), (200, ""), (500, "oops"), (404, "{}")] {
        let fake = manager(vec![Answer::Say(status, body.into())]);
        let client = Client::connect(&fake.project).await.unwrap();
        let error = client.ask(stop(), origin()).await.unwrap_err();
        assert_eq!(error.code, Code::Internal, "{status} {body}");
        assert!(error.message.contains(&status.to_string()), "{}", error.message);
    }
    let fake = manager(vec![Answer::Say(200, done("another operation's"))]);
    let client = Client::connect(&fake.project).await.unwrap();
    let error = client.ask(GetStatus::default(), origin()).await.unwrap_err();
    assert_eq!(error.code, Code::Internal);
}

#[tokio::test]
async fn a_manager_that_dies_during_a_call_is_named_with_the_call() {
    let fake = manager(vec![Answer::HangUp]);
    let client = Client::connect(&fake.project).await.unwrap();
    let error = client.ask(Shutdown {}, origin()).await.unwrap_err();
    assert_eq!(error.code, Code::NoManager);
    assert_eq!(error.message, "the manager of `/srv/shop` went away before it had answered `shutdown`");
}

#[tokio::test]
async fn without_a_manager_the_error_says_how_to_start_one() {
    let dir = TempDir::new().unwrap();
    let project = project(dir.path().to_owned());
    let absent = Client::connect(&project).await.unwrap_err();
    assert_eq!(absent.code, Code::NoManager);
    assert_eq!(absent.message, "no manager runs for `/srv/shop`");
    assert_eq!(absent.hint.as_deref(), Some("`bpm up` or `bpm up -d` starts one"));
    // A socket that nobody listens on any more.
    drop(UnixListener::bind(project.socket()).unwrap());
    assert_eq!(Client::connect(&project).await.unwrap_err(), absent);
}

#[tokio::test]
async fn a_path_longer_than_an_address_is_reached() {
    let long = ["directory-with-a-long-name"; 6].join("/");
    let fake = manager_in(&long, vec![Answer::Say(200, done("here"))]);
    assert!(fake.project.socket().as_os_str().len() > 107);
    let client = Client::connect(&fake.project).await.unwrap();
    assert_eq!(client.ask(stop(), origin()).await.unwrap().message, "here");
}
