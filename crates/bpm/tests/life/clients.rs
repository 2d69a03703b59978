//! The official TypeScript client and the Inspector's command line against a whole manager, over both
//! transports. Run by `scripts/test`, which installs them.

use std::path::Path;
use std::process::Output;

use serde_json::Value;

use crate::conformance::{clients, node};
use crate::lab::{Lab, text};

const CONFIG: &str = "mcp_port = \"auto\"\n[process.app]\ncommand = \"echo ready; exec sleep 1000\"\n";

fn lab() -> Lab {
    let lab = Lab::up(CONFIG);
    lab.running("app");
    lab.wait_for("app has said something", |lab| (lab.lines("app") == ["ready"]).then_some(()));
    lab
}

fn url(lab: &Lab) -> String {
    lab.status().manager.mcp_url.unwrap()
}

fn said(output: &Output) -> String {
    format!("{}{}", text(&output.stdout), text(&output.stderr))
}

fn typescript(lab: &Lab, era: &str, server: [&str; 2]) {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clients/typescript.mjs");
    let mut command = lab.in_project(node());
    command.current_dir(clients()).arg(script).arg(era).arg(lab.project()).args(server);
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}\nterminal: {}", said(&output), lab.terminal());
    assert_eq!(said(&output), "all of it held\n");
}

/// One call by the Inspector's command line, and the result that it prints.
fn inspect(lab: &Lab, server: &[&str], method: &str, more: &[&str]) -> Value {
    let inspector = clients().join("node_modules/.bin/mcp-inspector");
    let mut command = lab.in_project(node());
    // it keeps a catalogue there
    command.env("HOME", clients());
    command.arg(inspector).arg("--cli").args(server).args(["--method", method]).args(more);
    let output = command.output().unwrap();
    assert!(output.status.success(), "{method}: {}", said(&output));
    serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|fault| panic!("{method}: {fault}: {}", said(&output)))
}

fn each<'a>(result: &'a Value, list: &str, field: &str) -> Vec<&'a str> {
    result[list].as_array().unwrap().iter().map(|one| one[field].as_str().unwrap()).collect()
}

fn inspect_all(lab: &Lab, server: &[&str]) {
    let tools = inspect(lab, server, "tools/list", &[]);
    assert!(each(&tools, "tools", "name").contains(&"get_status"), "{tools}");
    let status =
        inspect(lab, server, "tools/call", &["--tool-name", "get_status", "--tool-arg", "process=app"]);
    assert_eq!(status["structuredContent"]["processes"][0]["state"], "running", "{status}");
    let resources = inspect(lab, server, "resources/list", &[]);
    assert!(each(&resources, "resources", "uri").contains(&"bpm://status"), "{resources}");
    let logs = inspect(lab, server, "resources/read", &["--uri", "bpm://process/app/logs"]);
    assert!(logs["contents"][0]["text"].as_str().unwrap().ends_with("ready"), "{logs}");
    let prompts = inspect(lab, server, "prompts/list", &[]);
    assert_eq!(each(&prompts, "prompts", "name"), ["diagnose", "status"], "{prompts}");
}

#[test]
#[ignore = "needs the TypeScript MCP client"]
fn needs_mcp_typescript_a_session_of_each_era_over_http() {
    let lab = lab();
    for era in ["modern", "legacy"] {
        typescript(&lab, era, ["http", &url(&lab)]);
    }
}

#[test]
#[ignore = "needs the MCP Inspector"]
fn needs_mcp_inspector_over_http() {
    let lab = lab();
    inspect_all(&lab, &[&url(&lab), "--transport", "http"]);
}

#[test]
#[ignore = "needs the TypeScript MCP client"]
fn needs_mcp_typescript_a_session_of_each_era_over_stdio() {
    let lab = lab();
    for era in ["modern", "legacy"] {
        typescript(&lab, era, ["stdio", env!("CARGO_BIN_EXE_bpm")]);
    }
}

#[test]
#[ignore = "needs the MCP Inspector"]
fn needs_mcp_inspector_over_stdio() {
    let lab = lab();
    // It passes on just a few variables by itself, as many clients do.
    let command = lab.command();
    let directories: Vec<String> = command
        .get_envs()
        .filter(|(name, _)| name.to_str().unwrap().starts_with("XDG_"))
        .map(|(name, value)| format!("{}={}", name.display(), value.unwrap().display()))
        .collect();
    let mut server: Vec<&str> = directories.iter().flat_map(|directory| ["-e", directory]).collect();
    server.extend([env!("CARGO_BIN_EXE_bpm"), "mcp", "--transport", "stdio"]);
    inspect_all(&lab, &server);
}
