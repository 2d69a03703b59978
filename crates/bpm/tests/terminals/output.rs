//! What a live run prints, byte by byte as it comes.

use std::time::{Duration, Instant};

use bpm::control::{Chunks, Control};
use bpm_api::{Code, Output, RunTask, SendInput, TaskState};

use crate::agent::{Agent, PATIENCE, named, pattern, project, shell};
use crate::lab::Lab;

async fn output(agent: &Agent, target: &str) -> Chunks {
    agent.client().output(Output { target: target.to_owned(), modes: false }).await.unwrap()
}

/// Reads up to the end.
async fn all(mut chunks: Chunks) -> Vec<u8> {
    let reading = async {
        let mut all = Vec::new();
        while let Some(chunk) = chunks.next().await {
            all.extend_from_slice(&chunk);
        }
        all
    };
    tokio::time::timeout(Duration::from_secs_f64(PATIENCE), reading).await.expect("an end")
}

async fn read_until(chunks: &mut Chunks, wanted: &str) -> String {
    let mut seen = String::new();
    let reading = async {
        while !seen.contains(wanted) {
            let chunk = chunks.next().await.expect("more");
            seen.push_str(&String::from_utf8_lossy(&chunk));
        }
    };
    let read = tokio::time::timeout(Duration::from_secs_f64(PATIENCE), reading).await;
    assert!(read.is_ok(), "waited in vain for {wanted:?}: {seen:?}");
    seen
}

async fn type_into(agent: &Agent, target: &str, text: &str) {
    let typed =
        SendInput { task_id: Some(target.to_owned()), text: Some(text.to_owned()), ..SendInput::default() };
    agent.ask(typed).await;
}

/// Waits for a line of input, then floods and ends.
fn flood(bytes: usize) -> String {
    format!(
        "echo before; read go; yes 'a line of the flood' | head -c {bytes}; printf 'no line feed'; exit 4"
    )
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flood_is_given_byte_by_byte_from_the_call_to_the_end() {
    const BYTES: usize = 5_000_000;
    let lab = Lab::up("");
    let agent = Agent::of(&lab).await;
    agent.ask(named("talk", shell(&flood(BYTES)))).await;
    agent.wait(pattern(&["talk"], "before")).await;
    let (one, slow) = (output(&agent, "talk").await, output(&agent, "talk").await);
    type_into(&agent, "talk", "go\n").await;
    let mut expected: Vec<u8> =
        "a line of the flood\n".as_bytes().iter().copied().cycle().take(BYTES).collect();
    expected.extend_from_slice(b"no line feed");
    assert!(all(one).await == expected, "what came before is not in it, all that came after is");
    // who has not read until now finds it all the same
    assert_eq!(agent.ended("talk").await.exit_code, Some(4));
    assert!(all(slow).await == expected);
    let error = agent.client().output(Output { target: "talk".to_owned(), modes: false }).await.unwrap_err();
    assert_eq!(error.code, Code::NotReady, "{error:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reader_that_does_not_read_holds_up_nobody_and_loses_what_is_evicted() {
    let lab = Lab::up("logs = { max_bytes = \"1M\" }\n");
    let agent = Agent::of(&lab).await;
    agent.ask(named("talk", shell(&flood(30_000_000)))).await;
    agent.wait(pattern(&["talk"], "before")).await;
    let slow = output(&agent, "talk").await;
    type_into(&agent, "talk", "go\n").await;
    assert_eq!(agent.ended("talk").await.state, TaskState::Failed);
    let read = all(slow).await;
    assert!(read.len() < 15_000_000, "{}", read.len());
    assert!(read.ends_with(b"no line feed"));
}

#[tokio::test]
async fn the_line_feeds_between_two_streams_are_not_the_programs() {
    let lab = Lab::up("");
    let agent = Agent::of(&lab).await;
    // each half of a line is held back for a while, then written
    let line = "echo before; read go; printf half; sleep 0.4; printf other >&2; sleep 0.4; printf ' line\\n'";
    agent.ask(named("talk", shell(line))).await;
    agent.wait(pattern(&["talk"], "before")).await;
    let chunks = output(&agent, "talk").await;
    type_into(&agent, "talk", "go\n").await;
    assert_eq!(String::from_utf8(all(chunks).await).unwrap(), "halfother line\n");
}

#[tokio::test]
async fn a_stream_ends_with_its_run_not_with_the_process() {
    let lab = Lab::up("[process.api]\ncommand = 'echo up; exec sleep 600'\n");
    lab.running("api");
    let agent = Agent::of(&lab).await;
    let chunks = output(&agent, "api").await;
    agent.ask(bpm_api::Stop { process: "api".to_owned(), timeout_seconds: None }).await;
    agent.ask(bpm_api::Start { process: "api".to_owned(), timeout_seconds: None }).await;
    assert!(!String::from_utf8(all(chunks).await).unwrap().contains("upup"));
}

/// There is a shim, a manager, its socket and a client on the way of a key and back.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_that_is_typed_is_shown_at_once() {
    let lab = Lab::up("");
    let agent = Agent::of(&lab).await;
    let cat = RunTask { pty: Some(true), ..named("cat", shell("echo up; exec cat")) };
    agent.ask(cat).await;
    agent.wait(pattern(&["cat"], "up")).await;
    let mut chunks = output(&agent, "cat").await;
    let mut took = Vec::new();
    for number in 0..200 {
        let key = char::from(b'a' + number % 26).to_string();
        let began = Instant::now();
        type_into(&agent, "cat", &key).await;
        read_until(&mut chunks, &key).await;
        took.push(began.elapsed());
    }
    took.sort();
    let (median, worst) = (took[took.len() / 2], took[took.len() - 1]);
    println!("a key is shown after {median:?} (median of {}; the longest {worst:?})", took.len());
    assert!(median < Duration::from_millis(100), "held back: {median:?}");
}

#[tokio::test]
async fn typing_is_told_once_and_not_key_by_key() {
    let lab = Lab::up("");
    let agent = Agent::of(&lab).await;
    agent.ask(RunTask { pty: Some(true), ..named("cat", shell("echo up; exec cat")) }).await;
    agent.wait(pattern(&["cat"], "up")).await;
    let mut chunks = output(&agent, "cat").await;
    for key in ["o", "n", "e", "\r"] {
        type_into(&agent, "cat", key).await;
    }
    read_until(&mut chunks, "one\r\none\r\n").await;
    let journal = |_: &Lab| {
        let files = std::fs::read_dir(project(&lab).events()).ok()?;
        let text: String =
            files.flatten().filter_map(|file| std::fs::read_to_string(file.path()).ok()).collect();
        text.contains("input requested").then_some(text)
    };
    let journal = lab.wait_for("the journal", journal);
    assert_eq!(journal.matches("input requested").count(), 1, "{journal}");
    let raw =
        SendInput { task_id: Some("cat".to_owned()), bytes: Some(vec![0xff, b'\r']), ..SendInput::default() };
    agent.ask(raw.clone()).await;
    let mut seen = Vec::new();
    while seen.iter().filter(|byte| **byte == 0xff).count() < 2 {
        seen.extend_from_slice(&chunks.next().await.unwrap());
    }
    let both = SendInput { text: Some("x".to_owned()), ..raw };
    assert_eq!(agent.try_ask(both).await.unwrap_err().code, Code::InvalidParameter);
}
