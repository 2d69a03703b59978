//! What a web page of another origin, and a name that was rebound to loopback, can do in a real browser:
//! nothing. Run by `scripts/test`.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::process::{Command, Stdio};

use crate::lab::{Lab, shell, text};

fn lab() -> Lab {
    let config = format!("mcp_port = \"auto\"\n{}", shell("app", "exec sleep 1000", ""));
    let lab = Lab::up(&config);
    lab.running("app");
    lab
}

fn port(lab: &Lab) -> u16 {
    let url = lab.status().manager.mcp_url.unwrap();
    url.trim_end_matches("/mcp").rsplit(':').next().unwrap().parse().unwrap()
}

/// A call of `restart` as a client would send it.
const RESTART: &str = r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"restart","arguments":{"process":"app"},"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}}}}"#;

/// Tries all that a page may, on every name of loopback, and writes down what came of it.
const PAGE: &str = r#"<!doctype html><title>a page</title><pre id="told"></pre><script>
const restart = JSON.stringify(RESTART);
const told = [];
async function attempt(name, act) {
  let result;
  try {
    const answer = await act();
    result = answer.type === "opaque" ? "unreadable" : "READ " + answer.status + " " + await answer.text();
  } catch (error) { result = "blocked"; }
  told.push(name + ": " + result);
}
(async () => {
  await attempt("own", () => fetch("/own"));
  for (const host of ["127.0.0.1", "localhost", "[::1]"]) {
    const to = "http://" + host + ":PORT";
    const json = {"content-type": "application/json", "accept": "application/json, text/event-stream",
      "mcp-protocol-version": "2026-07-28", "mcp-method": "tools/call", "mcp-name": "restart"};
    await attempt(host + " get", () => fetch(to + "/healthz"));
    await attempt(host + " call", () => fetch(to + "/mcp", {method: "POST", headers: json, body: restart}));
    await attempt(host + " plain", () => fetch(to + "/mcp", {method: "POST", body: restart}));
    await attempt(host + " opaque", () => fetch(to + "/mcp", {method: "POST", mode: "no-cors", body: restart}));
    await attempt(host + " end", () => fetch(to + "/mcp", {method: "DELETE"}));
  }
  document.getElementById("told").textContent = told.join("\n") + "\nthat is all";
})();
</script>"#;

/// Answers every request with the page, or with `mine` under `/own`. Returns the port.
fn serve(page: String) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { return };
            let mut lines = BufReader::new(&stream).lines();
            let first = lines.next().and_then(Result::ok).unwrap_or_default();
            let _rest_of_head = lines.map_while(Result::ok).take_while(|line| !line.is_empty()).count();
            let body = if first.starts_with("GET /own ") { "mine" } else { &page };
            let head = "HTTP/1.1 200 OK\r\ncontent-type: text/html\r\nconnection: close\r\ncontent-length:";
            let _ = write!(stream, "{head} {}\r\n\r\n{body}", body.len());
        }
    });
    port
}

/// What a browser makes of the page at `url`.
fn browse(url: &str) -> String {
    let profile = tempfile::tempdir().unwrap();
    let output = Command::new("timeout")
        .args([
            "--signal=KILL",
            "90",
            "chromium",
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-quic",
        ])
        .args([
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
        ])
        .args(["--virtual-time-budget=20000", "--host-resolver-rules=MAP rebound.example 127.0.0.1"])
        .arg(format!("--user-data-dir={}", profile.path().display()))
        .args(["--dump-dom", url])
        .env("HOME", profile.path())
        .stdin(Stdio::null())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}{}", text(&output.stdout), text(&output.stderr));
    text(&output.stdout)
}

#[test]
#[ignore = "needs chromium"]
fn needs_chromium_a_page_of_another_origin_reads_nothing_and_restarts_nothing() {
    let lab = lab();
    let before = lab.process("app");
    let page = PAGE.replace("RESTART", RESTART).replace("PORT", &port(&lab).to_string());
    let dom = browse(&format!("http://127.0.0.1:{}/", serve(page)));
    assert!(dom.contains("own: READ 200 mine\n") && dom.contains("\nthat is all"), "{dom}");
    for host in ["127.0.0.1", "localhost", "[::1]"] {
        for blocked in ["get", "call", "plain", "end"] {
            assert!(dom.contains(&format!("\n{host} {blocked}: blocked\n")), "{host} {blocked} in {dom}");
        }
        // it got there, and all that the page learns is that somebody answered
        assert!(dom.contains(&format!("\n{host} opaque: unreadable\n")), "{dom}");
    }
    let after = lab.process("app");
    assert_eq!((after.pid, after.run, after.restarts), (before.pid, Some(1), 0));
}

#[test]
#[ignore = "needs chromium"]
fn needs_chromium_a_name_that_was_rebound_to_loopback_is_refused() {
    let lab = lab();
    let port = port(&lab);
    assert!(browse(&format!("http://localhost:{port}/healthz")).contains(">ok"));
    let dom = browse(&format!("http://rebound.example:{port}/healthz"));
    assert!(dom.contains("forbidden") && dom.contains("rebound.example") && !dom.contains(">ok"), "{dom}");
}
