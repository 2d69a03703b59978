//! Nobody but the same user's programs: no web page of another origin, no other user.

use std::io::Read;
use std::process::{Command, Stdio};

use hyper::{Method, StatusCode};
use serde_json::json;

use crate::support::Server;

const METHODS: [Method; 6] =
    [Method::GET, Method::POST, Method::DELETE, Method::OPTIONS, Method::HEAD, Method::PUT];

const PATHS: [&str; 9] = [
    "/mcp",
    "/healthz",
    "/v1",
    "/v1/call",
    "/v1/watch",
    "/v1/output",
    "/",
    "/nowhere",
    "/.well-known/oauth-protected-resource",
];

#[tokio::test]
async fn a_page_of_another_origin_can_do_nothing() {
    let server = Server::start();
    let other_port = format!("http://localhost:{}", server.port.wrapping_add(1));
    let secure = format!("https://localhost:{}", server.port);
    for origin in ["http://evil.example", "null", other_port.as_str(), secure.as_str()] {
        for path in PATHS {
            for method in METHODS {
                let mut client = server.client().await;
                let headers = [
                    ("origin", origin),
                    ("content-type", "application/json"),
                    ("accept", "application/json, text/event-stream"),
                    ("access-control-request-method", "POST"),
                ];
                let body = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/list"}).to_string();
                let answer = client.send(method.clone(), path, &headers, body).await;
                assert_eq!(answer.status, StatusCode::FORBIDDEN, "{method} {path} from {origin}");
                let allowing =
                    answer.headers.keys().filter(|name| name.as_str().starts_with("access-control"));
                assert_eq!(allowing.count(), 0);
            }
        }
    }
    assert!(server.control.seen().is_empty());
}

#[tokio::test]
async fn a_name_that_was_bound_to_loopback_is_no_way_in() {
    let server = Server::start();
    let rebound = format!("evil.example:{}", server.port);
    for path in PATHS {
        for method in METHODS {
            let answer = server.client().await.send(method, path, &[("host", &rebound)], "").await;
            assert_eq!(answer.status, StatusCode::FORBIDDEN);
        }
    }
    let origin = format!("http://{rebound}");
    let headers = [("host", rebound.as_str()), ("origin", origin.as_str())];
    let answer = server.client().await.send(Method::POST, "/mcp", &headers, "{}").await;
    assert_eq!(answer.status, StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn our_own_origin_and_programs_are_let_in() {
    let server = Server::start();
    let origin = format!("http://localhost:{}", server.port);
    for headers in [vec![], vec![("origin", origin.as_str())], vec![("sec-fetch-site", "none")]] {
        let answer = server.client().await.send(Method::GET, "/healthz", &headers, "").await;
        assert_eq!(answer.status, StatusCode::OK);
    }
}

#[tokio::test]
async fn both_loopback_addresses_serve() {
    let server = Server::start();
    for host in ["127.0.0.1", "[::1]"] {
        let Ok(stream) = tokio::net::TcpStream::connect(format!("{host}:{}", server.port)).await else {
            assert_eq!(host, "[::1]");
            assert!(std::net::TcpListener::bind("[::1]:0").is_err());
            continue;
        };
        let mut client = crate::support::Client::over(stream, format!("{host}:{}", server.port)).await;
        assert_eq!(client.send(Method::GET, "/healthz", &[], "").await.status, StatusCode::OK);
    }
}

/// What a user gets that connects with bash's own `/dev/tcp`, which needs no program that the user may lack.
fn ask_as(uid: u32, port: u16) -> String {
    ask_with(uid, port, "")
}

/// The same with a line among the headers.
pub(crate) fn ask_with(uid: u32, port: u16, header: &str) -> String {
    let script = format!(
        "exec 3<>/dev/tcp/127.0.0.1/{port} && printf 'GET /healthz HTTP/1.1\\r\\nHost: localhost:{port}\\r\\n{header}Connection: close\\r\\n\\r\\n' >&3 && cat <&3"
    );
    let mut command = Command::new("bash");
    if uid != rustix::process::geteuid().as_raw() {
        command = Command::new("setpriv");
        command.args([&format!("--reuid={uid}"), "--regid=65534", "--clear-groups", "bash"]);
    }
    let mut child = command.args(["-c", &script]).current_dir("/").stdout(Stdio::piped()).spawn().unwrap();
    let mut answer = String::new();
    child.stdout.take().unwrap().read_to_string(&mut answer).unwrap();
    child.wait().unwrap();
    answer
}

/// Another user can be played by root alone. Others show the rest of the path: their own connection is
/// looked up for real; the refusal on a table with a foreign row is a unit test of the look-up.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_user_of_the_machine_is_refused() {
    let server = Server::start();
    let own = rustix::process::geteuid().as_raw();
    let port = server.port;
    let answer = tokio::task::spawn_blocking(move || ask_as(own, port)).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 OK"), "{answer}");
    if own == 0 {
        let answer = tokio::task::spawn_blocking(move || ask_as(65534, port)).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 403 Forbidden"), "{answer}");
        assert!(answer.ends_with(
            r#"{"code":"forbidden","message":"uid 65534 may not speak to the manager of uid 0","hint":"run it as the user that the manager runs as"}"#
        ), "{answer}");
    }
}
