//! Who shows the token is let in, who shows another one is not, wherever it comes from.

use bpm::client::{Client, Token, Url};
use bpm::control::Control;
use bpm::server::Access;
use bpm_api::{Code, GetStatus, Origin};
use hyper::{Method, StatusCode};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::access::ask_with;
use crate::support::{DEADLINE, Server};

const SECRET: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

fn server() -> Server {
    Server::with(Access::own_user().with_token(Some(Token::parse(SECRET).unwrap())))
}

fn initialize() -> Value {
    let client = json!({"name": "t", "version": "1"});
    let params = json!({"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": client});
    json!({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": params})
}

#[tokio::test]
async fn the_right_token_changes_nothing_for_the_same_user() {
    let server = server();
    let bearer = format!("Bearer {SECRET}");
    for headers in [vec![], vec![("authorization", bearer.as_str())]] {
        let mut client = server.client().await;
        for path in ["/v1", "/healthz"] {
            assert_eq!(client.send(Method::GET, path, &headers, "").await.status, StatusCode::OK);
        }
        assert_eq!(client.post(&headers, &initialize()).await.status, StatusCode::OK);
    }
}

#[tokio::test]
async fn a_wrong_token_is_refused_on_every_route_even_to_the_same_user() {
    let server = server();
    for wrong in ["Bearer 0123", "Bearer", "Basic YTpi", ""] {
        for path in ["/v1", "/v1/call", "/v1/watch", "/v1/output", "/mcp", "/healthz", "/nowhere"] {
            for method in [Method::GET, Method::POST] {
                let headers = [("authorization", wrong), ("content-type", "application/json")];
                let mut client = server.client().await;
                let answer = client.send(method, path, &headers, initialize().to_string()).await;
                assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{wrong:?} {path}");
                assert_eq!(answer.header("www-authenticate"), "Bearer");
                assert_eq!(answer.json()["code"], "forbidden");
                assert!(!answer.text.contains(SECRET) && !answer.text.contains("/state"), "{}", answer.text);
            }
        }
    }
    assert!(server.control.seen().is_empty());
}

#[tokio::test]
async fn a_token_is_no_way_round_the_rules_for_pages() {
    let server = server();
    let bearer = format!("Bearer {SECRET}");
    for other in
        [("host", "evil.example"), ("origin", "http://evil.example"), ("sec-fetch-site", "cross-site")]
    {
        let headers = [other, ("authorization", bearer.as_str())];
        let answer = server.client().await.send(Method::GET, "/v1", &headers, "").await;
        assert_eq!(answer.status, StatusCode::FORBIDDEN, "{other:?}");
    }
}

/// More than any buffer holds on the way: closing over it would lose the answer.
#[tokio::test]
async fn a_refusal_reaches_who_has_much_to_send() {
    let server = server();
    let headers = [("authorization", "Bearer wrong"), ("content-type", "application/json")];
    let body = vec![b' '; 20 << 20];
    let answer = server.client().await.send(Method::POST, "/v1/call", &headers, body).await;
    assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn a_client_shows_its_token_and_says_when_it_is_not_taken() {
    let server = server();
    let url: Url = format!("http://localhost:{}", server.port).parse().unwrap();
    let right = Token::parse(SECRET).unwrap();
    let client = Client::connect_url(&url, Some(right)).await.unwrap();
    client.ask(GetStatus::default(), Origin::new("tui", "ann")).await.unwrap();
    assert!(!format!("{client:?}").contains(SECRET));
    let error = Client::connect_url(&url, Some(Token::parse("wrong").unwrap())).await.unwrap_err();
    assert_eq!(error.code, Code::Forbidden);
    assert_eq!(error.message, format!("`{url}` does not take this token: the token is not this manager's"));
    assert!(error.hint.unwrap().contains("`--token-file`"));
}

/// What a manager answers whose peers cannot prove who they are, seen from the client.
#[tokio::test]
async fn a_client_without_a_token_says_that_one_is_wanted() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let body = r#"{"code":"forbidden","message":"uid 7 may not speak, and there is no token"}"#;
        let length = body.len();
        let head = "HTTP/1.1 401 Unauthorized\r\nwww-authenticate: Bearer\r\nconnection: close\r\n";
        let _ = stream.read(&mut [0; 4096]).await.unwrap();
        let answer = format!("{head}content-length: {length}\r\n\r\n{body}");
        stream.write_all(answer.as_bytes()).await.unwrap();
    });
    let url: Url = format!("http://localhost:{port}").parse().unwrap();
    let error = Client::connect_url(&url, None).await.unwrap_err();
    assert_eq!(error.code, Code::Forbidden);
    let said = format!("`{url}` wants a token: uid 7 may not speak, and there is no token");
    assert_eq!(error.message, said);
}

#[tokio::test]
async fn a_refused_connection_is_closed() {
    let server = server();
    let mut stream = TcpStream::connect(server.address()).await.unwrap();
    let request = format!(
        "GET /healthz HTTP/1.1\r\nHost: localhost:{}\r\nAuthorization: Bearer no\r\n\r\n",
        server.port
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    timeout(DEADLINE, stream.read_to_string(&mut answer)).await.expect("it stays open").unwrap();
    assert!(answer.starts_with("HTTP/1.1 401 Unauthorized\r\n"), "{answer}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs root to become another user"]
async fn needs_root_another_user_is_let_in_by_the_token_alone() {
    let server = server();
    let port = server.port;
    let ask = |header: String| tokio::task::spawn_blocking(move || ask_with(65534, port, &header));
    let refused = ask(String::new()).await.unwrap();
    assert!(refused.starts_with("HTTP/1.1 401 Unauthorized\r\n"), "{refused}");
    assert!(refused.to_lowercase().contains("\r\nwww-authenticate: bearer\r\n"), "{refused}");
    let (_, body) = refused.split_once("\r\n\r\n").unwrap();
    let error: Value = serde_json::from_str(body).unwrap();
    assert_eq!(error["code"], "forbidden");
    assert_eq!(error["message"], "uid 65534 may not speak to the manager of uid 0, and there is no token");
    let wrong = ask("Authorization: Bearer 0123\\r\\n".to_owned()).await.unwrap();
    assert!(wrong.starts_with("HTTP/1.1 401 Unauthorized\r\n"), "{wrong}");
    let right = ask(format!("Authorization: Bearer {SECRET}\\r\\n")).await.unwrap();
    assert!(right.starts_with("HTTP/1.1 200 OK\r\n") && right.ends_with("ok\n"), "{right}");
}

#[tokio::test]
async fn where_other_machines_are_let_in_the_same_user_shows_the_token_too() {
    let token = Token::parse(SECRET).unwrap();
    let server = Server::with(Access::own_user().with_token(Some(token)).everywhere(true));
    let bearer = format!("Bearer {SECRET}");
    for path in ["/v1", "/v1/call", "/mcp", "/healthz", "/nowhere"] {
        let answer = server.client().await.send(Method::GET, path, &[], "").await;
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{path}");
        assert_eq!(answer.json()["message"], "this address is open to other machines, and there is no token");
    }
    let mut client = server.client().await;
    for host in ["localhost", "build.example:3001", "192.168.1.4"] {
        let headers = [("host", host), ("authorization", bearer.as_str())];
        assert_eq!(client.send(Method::GET, "/v1", &headers, "").await.status, StatusCode::OK, "{host}");
        let page = [headers[0], headers[1], ("origin", "http://evil.example")];
        assert_eq!(client.send(Method::GET, "/v1", &page, "").await.status, StatusCode::FORBIDDEN);
    }
    // each request, not only the first
    let answer = client.send(Method::GET, "/v1", &[], "").await;
    assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn where_there_is_no_token_nobody_from_elsewhere_gets_in() {
    let server = Server::with(Access::own_user().everywhere(true));
    let bearer = format!("Bearer {SECRET}");
    for headers in [vec![], vec![("authorization", bearer.as_str())]] {
        let answer = server.client().await.send(Method::GET, "/v1", &headers, "").await;
        assert_eq!(answer.status, StatusCode::FORBIDDEN);
    }
}
