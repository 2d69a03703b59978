//! What is sent to a shim that does not answer, to a run that is yet to be found again, or to a manager that died over it.

use std::fs;
use std::time::Duration;

use bpm::control::Control;
use bpm_api::{Code, Output, RunTask, SendInput, SendSignal};
use rustix::process::{Pid, Signal, kill_process};

use crate::agent::{Agent, named, pattern, shell};
use crate::lab::Lab;

fn typed(text: &str) -> SendInput {
    SendInput { task_id: Some("talk".to_owned()), text: Some(text.to_owned()), ..SendInput::default() }
}

async fn start(agent: &Agent) -> Pid {
    // a shell's `read` fails when a signal comes
    let line = "trap 'echo got HUP' HUP; echo ready; for n in 1 2 3 4 5 6 7 8; do read line && echo read $line; done";
    agent.ask(RunTask { pty: Some(true), ..named("talk", shell(line)) }).await;
    agent.wait(pattern(&["talk"], "ready")).await;
    let pid = agent.task("talk").await.pid.unwrap();
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let parent = stat.rsplit_once(')').unwrap().1.split_whitespace().nth(1).unwrap();
    Pid::from_raw(parent.parse().unwrap()).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_stopped_shim_has_not_taken_is_said_to_come_perhaps_and_comes_when_it_goes_on() {
    let lab = Lab::up("");
    let agent = Agent::of(&lab).await;
    let shim = start(&agent).await;
    kill_process(shim, Signal::STOP).unwrap();
    let signal = SendSignal { target: "talk".to_owned(), signal: "HUP".to_owned() };
    let (input, signal) = tokio::join!(agent.try_ask(typed("later\r")), agent.try_ask(signal));
    for (error, said) in [(input.unwrap_err(), "may still be typed"), (signal.unwrap_err(), "may still be")] {
        assert_eq!(error.code, Code::TimedOut, "{error:?}");
        assert!(error.message.contains(said), "{error:?}");
        assert!(error.hint.unwrap().contains("kill -CONT"));
    }
    kill_process(shim, Signal::CONT).unwrap();
    agent.wait(pattern(&["talk"], "read later")).await;
    assert!(agent.ask(typed("now\r")).await.bytes == 4, "the next is taken as ever");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_run_that_is_yet_to_be_found_again_is_waited_for() {
    let mut lab = Lab::up("");
    let agent = Agent::of(&lab).await;
    let shim = start(&agent).await;
    kill_process(shim, Signal::STOP).unwrap();
    lab.kill_manager();
    lab.start();
    let agent = Agent::of(&lab).await;
    let reader = agent.clone();
    let mut output = tokio::spawn(async move {
        reader.client().output(Output { target: "talk".to_owned(), modes: false }).await
    });
    let early = tokio::time::timeout(Duration::from_millis(300), &mut output).await;
    assert!(early.is_err(), "its shim has said nothing yet: {early:?}");
    kill_process(shim, Signal::CONT).unwrap();
    let mut chunks = output.await.unwrap().unwrap();
    agent.ask(typed("found\r")).await;
    let mut seen = String::new();
    while !seen.contains("read found") {
        let chunk = tokio::time::timeout(Duration::from_secs(30), chunks.next()).await.unwrap().unwrap();
        seen.push_str(&String::from_utf8_lossy(&chunk));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_manager_before_was_asked_to_type_is_not_said_to_be_typed() {
    let mut lab = Lab::up("");
    let agent = Agent::of(&lab).await;
    start(&agent).await;
    let once = || typed("once\r");
    assert!(!agent.ask_with_key("k", once()).await.unwrap().unsure);
    assert!(!agent.ask_with_key("k", once()).await.unwrap().unsure, "this manager knows that it was");
    agent.wait(pattern(&["talk"], "read once")).await;
    lab.kill_manager();
    lab.start();
    let agent = Agent::of(&lab).await;
    let again = agent.ask_with_key("k", once()).await.unwrap();
    assert!(again.unsure, "{again:?}");
    agent.ask(typed("end\r")).await;
    agent.wait(pattern(&["talk"], "read end")).await;
    let lines = agent.lines("talk").await;
    assert_eq!(lines.iter().filter(|line| *line == "read once").count(), 1, "{lines:?}");
}
