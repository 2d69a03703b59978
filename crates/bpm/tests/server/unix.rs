//! The Unix socket: operations as JSON.

use bpm::server::serve_unix;
use bpm_api::{Code, Error, GetStatus, Origin, Reply, Request, Restart};
use hyper::{Method, StatusCode};
use serde_json::{Value, json};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use tempfile::TempDir;
use tokio::net::{UnixListener, UnixStream};
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::support::{Answer, Client, DEADLINE, Pretended, reaches};

struct Server {
    control: Pretended,
    path: PathBuf,
    shutdown: CancellationToken,
    task: JoinHandle<()>,
    directory: TempDir,
}

impl Server {
    fn start() -> Server {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("socket");
        let listener = UnixListener::bind(&path).unwrap();
        let (control, shutdown) = (Pretended::new(), CancellationToken::new());
        let task = tokio::spawn(serve_unix(listener, control.clone(), shutdown.clone()));
        Server { control, path, shutdown, task, directory }
    }

    async fn client(&self) -> Client {
        Client::over(UnixStream::connect(&self.path).await.unwrap(), "bpm".to_owned()).await
    }
}

async fn call(client: &mut Client, request: &Request) -> Answer {
    let body = json!({"origin": {"face": "cli", "who": "ann"}, "request": request});
    client.send(Method::POST, "/v1/call", &[], body.to_string()).await
}

#[tokio::test]
async fn an_operation_goes_in_and_its_reply_comes_out() {
    let server = Server::start();
    let mut client = server.client().await;
    let request = Request::GetStatus(GetStatus { process: Some("api".to_owned()), ..GetStatus::default() });
    let answer = call(&mut client, &request).await;
    assert_eq!((answer.status, answer.header("content-type")), (StatusCode::OK, "application/json"));
    assert!(matches!(serde_json::from_str(&answer.text), Ok(Reply::Status(_))), "{}", answer.text);
    let origin = Origin::new("cli", "ann");
    assert_eq!(server.control.seen(), [(request, origin)]);
    let health = client.send(Method::GET, "/healthz", &[], "").await;
    assert_eq!((health.status, health.text.as_str()), (StatusCode::OK, "ok\n"));
}

#[tokio::test]
async fn an_error_has_its_status_and_everything_it_says() {
    let server = Server::start();
    let request = Request::Restart(Restart { process: Some("broken".to_owned()), ..Restart::default() });
    let answer = call(&mut server.client().await, &request).await;
    assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY);
    let error: Error = serde_json::from_str(&answer.text).unwrap();
    assert_eq!(error.code, Code::BuildFailed);
    assert_eq!(error.detail.as_deref(), Some("error[E0308]: mismatched types"));
}

#[tokio::test]
async fn garbage_is_refused_by_name_and_the_connection_lives_on() {
    let server = Server::start();
    let mut client = server.client().await;
    for body in
        ["", "nonsense", "{}", r#"{"origin":{"face":"cli","who":"a"},"request":{"op":"fly","with":{}}}"#]
    {
        let answer = client.send(Method::POST, "/v1/call", &[], body).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{body}");
        assert_eq!(answer.json()["code"], "invalid_parameter");
    }
    assert_eq!(client.send(Method::GET, "/v1/call", &[], "").await.status, StatusCode::METHOD_NOT_ALLOWED);
    assert_eq!(client.send(Method::POST, "/v1/nothing", &[], "").await.status, StatusCode::NOT_FOUND);
    for path in ["/v1/call", "/v1/watch"] {
        let large = client.send(Method::POST, path, &[], vec![b' '; 10_000_000]).await;
        assert_eq!(large.status, StatusCode::PAYLOAD_TOO_LARGE);
        assert_eq!(large.json()["code"], "limit_reached");
    }
    assert_eq!(client.send(Method::POST, "/v1/watch", &[], "[]").await.status, StatusCode::BAD_REQUEST);
    assert_eq!(call(&mut client, &Request::GetStatus(GetStatus::default())).await.status, StatusCode::OK);
}

#[tokio::test]
async fn a_client_that_goes_away_drops_its_wait() {
    let server = Server::start();
    let mut client = server.client().await;
    let connection = client.connection.abort_handle();
    let request = Request::Restart(Restart { process: Some("slow".to_owned()), ..Restart::default() });
    let waits = tokio::spawn(async move { call(&mut client, &request).await });
    reaches(&server.control.waiting, 1).await;
    connection.abort();
    waits.abort();
    reaches(&server.control.dropped, 1).await;
}

#[tokio::test]
async fn an_answer_under_way_gets_out_before_the_end() {
    let server = Server::start();
    let mut client = server.client().await;
    let request = Request::Restart(Restart { process: Some("slow".to_owned()), ..Restart::default() });
    let waits = tokio::spawn(async move { call(&mut client, &request).await });
    reaches(&server.control.waiting, 1).await;
    server.shutdown.cancel();
    server.control.let_go();
    assert_eq!(waits.await.unwrap().status, StatusCode::OK);
    timeout(DEADLINE, server.task).await.expect("the server did not end").unwrap();
}

/// A server whose socket all may open.
fn open_server() -> Server {
    let server = Server::start();
    let open = |path, mode| std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    open(server.directory.path(), 0o755);
    open(&server.path, 0o666);
    server
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_user_gets_in_where_the_socket_is_open_to_all() {
    let health = open_server().client().await.send(Method::GET, "/healthz", &[], "").await;
    assert_eq!(health.status, StatusCode::OK);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs root to become another user"]
async fn needs_root_another_user_is_refused_even_where_the_socket_is_open_to_all() {
    let server = open_server();
    let path = server.path.clone();
    let answer = tokio::task::spawn_blocking(move || ask_as_nobody(&path)).await.unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no answer: {answer:?}"));
    assert!(head.starts_with("HTTP/1.1 403 Forbidden"), "{head}");
    assert_eq!(serde_json::from_str::<Value>(body).unwrap()["code"], "forbidden");
    assert!(server.control.seen().is_empty());
}

fn ask_as_nobody(path: &std::path::Path) -> String {
    let script = "import socket, sys\n\
        s = socket.socket(socket.AF_UNIX)\n\
        s.connect(sys.argv[1])\n\
        s.sendall(b'GET /healthz HTTP/1.1\\r\\nHost: bpm\\r\\nConnection: close\\r\\n\\r\\n')\n\
        data = b''\n\
        while chunk := s.recv(4096):\n    data += chunk\n\
        sys.stdout.write(data.decode())";
    let output = std::process::Command::new("setpriv")
        .args(["--reuid=65534", "--regid=65534", "--clear-groups", "/usr/bin/python3", "-c", script])
        .arg(path)
        .current_dir("/")
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}
