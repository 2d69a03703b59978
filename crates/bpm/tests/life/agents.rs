//! What `bpm install` writes, read by the agents themselves: their own lists of servers show bpm connected,
//! and do not know it any more after `--remove`. Run by `scripts/test`, which installs them.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use crate::conformance;
use crate::lab::text;

/// Where `scripts/test` puts them.
fn package(name: &str) -> PathBuf {
    let all = Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name("mcp-agents/node_modules");
    let machine = if cfg!(target_arch = "aarch64") { "arm64" } else { "x64" };
    let path = all.join(name.replace("MACHINE", machine));
    assert!(path.exists(), "{} is missing; `scripts/test` installs it", path.display());
    path
}

/// A home directory with a project in it, and bpm on the `PATH`.
struct Desk {
    dir: tempfile::TempDir,
}

impl Desk {
    fn new() -> Desk {
        let desk = Desk { dir: tempfile::tempdir().unwrap() };
        for dir in [desk.project(), desk.home().join("bin")] {
            fs::create_dir(dir).unwrap();
        }
        fs::create_dir(desk.project().join(".git")).unwrap();
        std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_bpm"), desk.home().join("bin/bpm")).unwrap();
        desk
    }

    fn home(&self) -> PathBuf {
        self.dir.path().canonicalize().unwrap()
    }

    fn project(&self) -> PathBuf {
        self.home().join("project")
    }

    /// Nothing of this machine's user, and no way to the network.
    fn command(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        let path = format!("{}:{}", self.home().join("bin").display(), std::env::var("PATH").unwrap());
        command
            .env_clear()
            .env("HOME", self.home())
            .env("PATH", path)
            .env("TERM", "dumb")
            .env("NO_COLOR", "1");
        for name in ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"] {
            command.env(name, "http://127.0.0.1:9");
        }
        command.env("NO_PROXY", "localhost").current_dir(self.project()).stdin(Stdio::null());
        for (name, value) in [
            ("CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC", "1"),
            ("DISABLE_AUTOUPDATER", "1"),
            ("DISABLE_TELEMETRY", "1"),
            ("GEMINI_TELEMETRY_ENABLED", "false"),
            ("OPENCODE_DISABLE_AUTOUPDATE", "1"),
            ("OPENCODE_DISABLE_MODELS_FETCH", "1"),
        ] {
            command.env(name, value);
        }
        command
    }

    fn install(&self, args: &[&str]) {
        let mut command = self.command(Path::new(env!("CARGO_BIN_EXE_bpm")));
        let output = command.arg("install").args(args).output().unwrap();
        assert!(output.status.success(), "{}", said(&output));
    }

    /// The agent's list of servers with bpm, and then without.
    fn lists(&self, client: &str, list: impl Fn(&Desk) -> Command) -> (String, String) {
        self.install(&[client]);
        let with = list(self).output().unwrap();
        self.install(&[client, "--remove"]);
        let without = list(self).output().unwrap();
        assert!(with.status.success() && without.status.success(), "{}\n{}", said(&with), said(&without));
        (said(&with), said(&without))
    }
}

/// Answered by a manager, which is started for it if there is none.
const STATUS: &str = r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"get_status","arguments":{},"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}}}}"#;

impl Drop for Desk {
    fn drop(&mut self) {
        // The server that the agent started may have begun to start a manager; one that is not there yet cannot be
        // ended, and would stay.
        let bpm = Path::new(env!("CARGO_BIN_EXE_bpm"));
        let mut command = self.command(bpm);
        command.arg("mcp").stdin(Stdio::piped()).stdout(Stdio::piped());
        if let Ok(mut server) = command.spawn() {
            let written = server.stdin.as_mut().map(|input| writeln!(input, "{STATUS}"));
            if let (Some(Ok(())), Some(output)) = (written, server.stdout.take()) {
                let _ = BufReader::new(output).read_line(&mut String::new());
            }
            drop(server.stdin.take());
            let _ = server.wait();
        }
        let _ = self.command(bpm).arg("down").output();
    }
}

fn said(output: &Output) -> String {
    format!("{}{}", text(&output.stdout), text(&output.stderr))
}

/// The line of a list that is about bpm.
fn line(list: &str) -> &str {
    list.lines().find(|line| line.contains("bpm")).unwrap_or_else(|| panic!("there is no bpm in:\n{list}"))
}

#[test]
#[ignore = "needs Claude Code"]
fn needs_agents_claude_code_lists_bpm_as_connected() {
    let desk = Desk::new();
    let claude = package("@anthropic-ai/claude-code-linux-MACHINE").join("claude");
    let (with, without) = desk.lists("claude-code", |desk| {
        let mut command = desk.command(&claude);
        command.args(["mcp", "list"]);
        command
    });
    assert_eq!(line(&with), "bpm: bpm mcp - ✔ Connected", "{with}");
    assert!(!without.contains("bpm"), "{without}");
}

#[test]
#[ignore = "needs Gemini CLI"]
fn needs_agents_gemini_lists_bpm_as_connected() {
    let desk = Desk::new();
    let gemini = package("@google/gemini-cli").join("bundle/gemini.js");
    // it starts servers in folders only that somebody has said he trusts
    fs::create_dir(desk.home().join(".gemini")).unwrap();
    let trusted = serde_json::json!({ desk.project().to_str().unwrap(): "TRUST_FOLDER" });
    fs::write(desk.home().join(".gemini/trustedFolders.json"), trusted.to_string()).unwrap();
    let (with, without) = desk.lists("gemini", |desk| {
        let mut command = desk.command(Path::new(conformance::node().get_program()));
        command.arg(&gemini).args(["mcp", "list"]);
        command
    });
    assert_eq!(line(&with), "✓ bpm: bpm mcp (stdio) - Connected", "{with}");
    assert!(!without.contains("bpm"), "{without}");
}

#[test]
#[ignore = "needs opencode"]
fn needs_agents_opencode_lists_bpm_as_connected() {
    let desk = Desk::new();
    // for x64 the one that runs on every processor
    let name =
        if cfg!(target_arch = "aarch64") { "opencode-linux-arm64" } else { "opencode-linux-x64-baseline" };
    let opencode = package(name).join("bin/opencode");
    let (with, without) = desk.lists("opencode", |desk| {
        let mut command = desk.command(&opencode);
        command.args(["mcp", "list"]);
        command
    });
    let line = line(&with);
    assert!(line.contains("✓ bpm") && line.contains("connected"), "{with}");
    assert!(!without.contains("bpm"), "{without}");
}
