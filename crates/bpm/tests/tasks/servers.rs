//! Language servers as tasks, through the tools of MCP: one that listens by itself, and one that `socat` puts behind a port.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::lab::Lab;
use crate::session::Session;

/// A port that was free a moment ago.
fn port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// `scripts/test` installs it beside the MCP client.
fn pylsp() -> String {
    let mut target = PathBuf::from(env!("CARGO_BIN_EXE_bpm"));
    assert!(target.pop() && target.pop());
    let path = target.join("python/bin/pylsp");
    assert!(path.exists(), "{} is missing; `scripts/test` installs it", path.display());
    path.display().to_string()
}

/// Asks an LSP server to initialize and returns what it can.
fn initialize(port: u16) -> Value {
    let mut server = TcpStream::connect(("127.0.0.1", port)).unwrap();
    server.set_read_timeout(Some(Duration::from_secs(40))).unwrap();
    let params = json!({"processId": null, "rootUri": null, "capabilities": {}});
    let request = json!({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": params});
    // a terminal as `socat` makes it hands over whole lines and has two line feeds for `\r\n`: white space makes up for both
    let request = format!("{request}\n\n");
    write!(server, "Content-Length: {}\r\n\r\n{request}", request.len()).unwrap();
    let (mut heard, mut chunk) = (Vec::new(), [0; 4096]);
    loop {
        let count = server.read(&mut chunk).unwrap();
        assert!(count > 0, "it hung up: {}", String::from_utf8_lossy(&heard));
        heard.extend_from_slice(&chunk[..count]);
        // a terminal echoes the request before the answer
        let text = String::from_utf8_lossy(&heard);
        let answer = text.match_indices('{').find_map(|(at, _)| {
            let mut values = serde_json::Deserializer::from_str(&text[at..]).into_iter::<Value>();
            values.next()?.ok().filter(|value| value["result"]["capabilities"].is_object())
        });
        if let Some(answer) = answer {
            return answer["result"]["capabilities"].clone();
        }
    }
}

/// Starts it, has an `initialize` answered, ends it, and the port is free.
fn serves(line: &str, port: u16) {
    let lab = Lab::new("");
    let mut session = Session::of(&lab);
    let begun = session.call(
        "run_background_task",
        json!({"command": line, "name": "lsp", "ready": port, "timeout_seconds": 40}),
    );
    assert_ne!(begun["isError"], true, "{begun}");
    assert_eq!(begun["structuredContent"]["ready"], true, "{begun}");
    assert!(initialize(port).is_object());
    let ended = session.call("end_background_task", json!({"task_id": "lsp"}));
    assert_ne!(ended["isError"], true, "{ended}");
    let deadline = Instant::now() + Duration::from_secs(20);
    while TcpStream::connect(("127.0.0.1", port)).is_ok() {
        assert!(Instant::now() < deadline, "somebody still answers on port {port}");
    }
}

#[test]
#[ignore = "needs pylsp"]
fn needs_pylsp_a_language_server_that_listens_answers_and_its_port_is_free_after_its_end() {
    let port = port();
    serves(&format!("{} --tcp --host 127.0.0.1 --port {port}", pylsp()), port);
}

#[test]
#[ignore = "needs socat"]
fn needs_socat_a_language_server_behind_a_port_answers_and_its_port_is_free_after_its_end() {
    let works =
        |mut command: Command| command.arg("--version").output().is_ok_and(|ran| ran.status.success());
    // the toolchain's, where it has one
    let server = if works(Command::new("rust-analyzer")) { "rust-analyzer".to_owned() } else { pylsp() };
    let port = port();
    serves(&format!("socat TCP-LISTEN:{port},reuseaddr,fork EXEC:'{server}',pty,stderr"), port);
}
