//! A real manager reached by its URL: the same answers as over its socket, and its token.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;

use bpm::client::{Client, Token, Url};
use bpm::control::Control;
use bpm_api::{Change, Code, EventKind, GetStatus, Mode, Origin, Output, Restart, Status, Stop, Watch};
use tokio::time::timeout;

use crate::lab::{Lab, shell, text};

const PATIENCE: Duration = Duration::from_secs(40);

fn config() -> String {
    format!("mcp_port = \"auto\"\n{}", shell("app", "exec sleep 1000", ""))
}

fn url(lab: &Lab) -> Url {
    lab.status().manager.mcp_url.unwrap().parse().unwrap()
}

fn token(lab: &Lab) -> String {
    let paths = lab.status().manager.paths;
    assert_eq!(paths.token.as_deref(), lab.state().join("token").to_str());
    fs::read_to_string(paths.token.unwrap()).unwrap()
}

fn origin() -> Origin {
    Origin::new("tui", "ann")
}

async fn ask(client: &Client) -> Status {
    client.ask(GetStatus::default(), origin()).await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_url_gives_what_the_socket_gives() {
    let lab = Lab::up(&config());
    let before = lab.running("app");
    let client = Client::connect_url(&url(&lab), None).await.unwrap();
    assert_eq!(client.hello().unwrap().version, env!("CARGO_PKG_VERSION"));
    let here = ask(&client).await;
    assert_eq!(here.manager.paths, lab.status().manager.paths);
    assert_eq!((here.manager.pid, here.processes[0].pid), (lab.manager_pid(), before.pid));

    let mut watch = client.watch(Watch { events: true, ..Watch::default() }).await.unwrap();
    let done = client.ask(Stop { process: "app".to_owned(), timeout_seconds: None }, origin()).await.unwrap();
    assert!(done.message.contains("app"), "{}", done.message);
    let told = async {
        while let Some(change) = watch.next().await {
            if matches!(&change, Change::Event(event) if event.kind == EventKind::Stopped) {
                return true;
            }
        }
        false
    };
    assert!(timeout(PATIENCE, told).await.expect("no event of the end"));
    let again =
        client.ask(Restart { process: Some("nope".to_owned()), ..Restart::default() }, origin()).await;
    let error = again.unwrap_err();
    assert_eq!(error, lab.refused(&["restart", "nope"]));
    assert_eq!(error.code, Code::UnknownProcess);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_program_prints_comes_by_url_as_it_is_printed() {
    let lab = Lab::up(&format!(
        "mcp_port = \"auto\"\n{}",
        shell("app", "while read line; do echo got $line; done", "pty = true")
    ));
    lab.running("app");
    let client = Client::connect_url(&url(&lab), None).await.unwrap();
    let mut output = client.output(Output { target: "app".to_owned(), modes: false }).await.unwrap();
    assert!(lab.bpm(&["send", "app", "hello", "--key", "enter"]).status.success());
    let mut printed = Vec::new();
    let whole = async {
        while let Some(bytes) = output.next().await {
            printed.extend_from_slice(&bytes);
            if String::from_utf8_lossy(&printed).contains("got hello\r\n") {
                return true;
            }
        }
        false
    };
    assert!(timeout(PATIENCE, whole).await.expect("it is silent"), "{:?}", String::from_utf8_lossy(&printed));
    lab.bpm(&["stop", "app"]);
    let end = async { while output.next().await.is_some() {} };
    timeout(PATIENCE, end).await.expect("it goes on after the program");
    let error = client.output(Output { target: "nope".to_owned(), modes: false }).await.unwrap_err();
    assert_eq!(error.code, Code::UnknownProcess);
}

/// A person who looks on does not keep the project in dev mode.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn looking_on_does_not_put_off_the_switch_to_release_mode() {
    let lab = Lab::up(&config());
    lab.running("app");
    let _: bpm_api::Began = lab.ask(&["restart", "app"]);
    let client = Client::connect_url(&url(&lab), None).await.unwrap();
    let _watch = client.watch(Watch { events: true, ..Watch::default() }).await.unwrap();
    let left = |status: &Status| {
        assert_eq!(status.mode, Mode::Dev);
        status.release_switch_in_seconds.unwrap()
    };
    let first = left(&ask(&client).await);
    lab.wait_for("time goes by", |lab| (left(&lab.status()) < first - 0.2).then_some(()));
    assert!(left(&ask(&client).await) < first - 0.2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_token_is_private_and_outlives_its_manager() {
    let mut lab = Lab::up(&config());
    let first = token(&lab);
    assert_eq!(first.trim().len(), 64);
    let path = lab.state().join("token");
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    lab.kill_manager();
    lab.start();
    assert_eq!(token(&lab), first);
    let right = Token::from_file(&path).unwrap();
    ask(&Client::connect_url(&url(&lab), Some(right)).await.unwrap()).await;
    let wrong = Token::parse(&"0".repeat(64)).unwrap();
    let error = Client::connect_url(&url(&lab), Some(wrong)).await.unwrap_err();
    assert_eq!(error.code, Code::Forbidden);

    let shown = String::from_utf8(lab.bpm(&["--json", "status"]).stdout).unwrap();
    assert!(!shown.contains(first.trim()));
    assert!(!holds(&lab.state(), first.trim(), &path), "it is in another file, too");
    assert!(!lab.terminal().contains(first.trim()));
}

/// Whether a file below says this, apart from one.
fn holds(dir: &Path, text: &str, but: &Path) -> bool {
    fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()).any(|path| {
        if path.is_dir() {
            return holds(&path, text, but);
        }
        let content = if path.is_file() { fs::read(&path).unwrap_or_default() } else { Vec::new() };
        path != but && String::from_utf8_lossy(&content).contains(text)
    })
}

#[test]
fn without_a_port_there_is_no_token() {
    let lab = Lab::up(&shell("app", "exec sleep 1000", ""));
    assert_eq!(lab.status().manager.paths.token, None);
    assert!(!lab.state().join("token").exists());
}

/// Loopback reaches it, too, so that a test can.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bound_to_all_addresses_it_takes_nobody_without_the_token() {
    let lab = Lab::up(&format!("bind = \"0.0.0.0\"\n{}", config()));
    let url = url(&lab);
    assert!(url.to_string().starts_with("http://127.0.0.1:"), "{url}");
    let error = Client::connect_url(&url, None).await.unwrap_err();
    assert_eq!(error.code, Code::Forbidden);
    assert!(error.message.starts_with(&format!("`{url}` wants a token: ")), "{error}");
    let token = Token::parse(token(&lab).trim()).unwrap();
    let client = Client::connect_url(&url, Some(token)).await.unwrap();
    let manager = ask(&client).await.manager;
    assert_eq!((manager.pid, manager.bind.as_deref()), (lab.manager_pid(), Some("0.0.0.0")));
    assert!(text(&lab.bpm(&["status"]).stdout).contains(" (bound to 0.0.0.0)"));
    let told = |lab: &Lab| String::from_utf8(lab.bpm(&["up", "-d"]).stderr).unwrap();
    assert!(!told(&lab).contains("is another now"), "{}", told(&lab));
    lab.configure(&config());
    assert!(told(&lab).contains("`mcp_port` or `bind` is another now"), "{}", told(&lab));
}

#[test]
fn nobody_is_let_in_from_elsewhere_by_a_configuration_that_is_not_approved() {
    let lab = Lab::new("mcp_port = \"auto\"\nbind = \"0.0.0.0\"\n");
    assert!(lab.bpm(&["run", "--wait", "--", "true"]).status.success());
    let status = lab.status();
    assert_eq!(status.manager.mcp_url, None);
    assert!(status.alarms.iter().any(|alarm| alarm.message.contains("not approved")), "{:?}", status.alarms);
}
