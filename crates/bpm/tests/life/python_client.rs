//! A session over MCP as an agent has it, by the official Python client: `python_client.py` drives the
//! built `bpm` and a real cargo project. Run by `scripts/test`, which installs the client.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::lab::{Lab, text};

const CONFIG: &str = r#"
mcp_port = "auto"
dev_crash_wait_seconds = 0.3
release_crash_backoff_initial_seconds = 300
[process.app]
type = "rust"
[process.worker]
build = "until test -e go; do sleep 0.05; done"
command = "echo working; exec sleep 1000"
[process.crashed]
command = "echo 'no such table: users' >&2; exit 7"
"#;

const MANIFEST: &str = "[package]\nname = \"app\"\nversion = \"0.1.0\"\nedition = \"2024\"\n";

/// Where `scripts/test` puts it.
fn python() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name("python").join("bin/python3")
}

/// Where the client finds the server.
enum Server {
    Http { host: &'static str },
    Stdio,
}

fn drive(mode: &str, server: &Server) {
    let mut lab = Lab::new(CONFIG);
    std::fs::create_dir(lab.file("src")).unwrap();
    lab.write("Cargo.toml", MANIFEST);
    lab.write("src/main.rs", "fn main() {\n    println!(\"one\");\n    std::thread::park();\n}\n");
    lab.write("go", "");
    lab.start();
    let server = match server {
        Server::Http { host } => lab.status().manager.mcp_url.unwrap().replace("127.0.0.1", host),
        Server::Stdio => env!("CARGO_BIN_EXE_bpm").to_owned(),
    };
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/life/python_client.py");
    let mut command = lab.in_project(Command::new(python()));
    command.arg(script).args([&server, mode]).arg(lab.project()).env_remove("PYTHONPATH");
    let output = command
        .output()
        .unwrap_or_else(|error| panic!("{}: {error}; `scripts/test` installs it", python().display()));
    let said = format!("{}{}", text(&output.stdout), text(&output.stderr));
    assert!(output.status.success(), "{said}\nterminal: {}", lab.terminal());
    // warnings of the client come on stderr
    assert_eq!(said, "all of it held\n");
}

#[test]
#[ignore = "needs python with the MCP client"]
fn needs_python_mcp_a_session_by_the_newest_protocol() {
    drive("auto", &Server::Http { host: "localhost" });
}

#[test]
#[ignore = "needs python with the MCP client"]
fn needs_python_mcp_a_session_by_the_protocol_with_a_handshake() {
    drive("legacy", &Server::Http { host: "127.0.0.1" });
}

#[test]
#[ignore = "needs python with the MCP client"]
fn needs_python_mcp_a_session_over_stdio_by_the_newest_protocol() {
    drive("auto", &Server::Stdio);
}

#[test]
#[ignore = "needs python with the MCP client"]
fn needs_python_mcp_a_session_over_stdio_by_the_protocol_with_a_handshake() {
    drive("legacy", &Server::Stdio);
}
