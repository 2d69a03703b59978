//! What clients are told without asking: news of what others did, events, logs that grow; and calls that go on without
//! whoever made them.

use std::time::Duration;

use bpm::control::{Changes, Control};
use bpm_api::{
    Answer, CallState, CancelCall, Change, Code, EventKind, GetCall, GetNews, GetStatus, Op, Reply, RunTask,
    SubmitCall, TaskState, Watch,
};

use crate::agent::{Agent, PATIENCE, named, shell, until};
use crate::lab::Lab;

async fn next(changes: &mut Changes) -> Change {
    let patience = Duration::from_secs_f64(PATIENCE);
    tokio::time::timeout(patience, changes.next()).await.expect("a change in time").expect("a manager")
}

async fn news(agent: &Agent) -> Option<String> {
    agent.ask(GetNews::default()).await.line
}

#[tokio::test]
async fn one_client_hears_once_what_another_did_and_nothing_of_its_own_doings() {
    let lab = Lab::up("");
    let (one, other) = (Agent::named(&lab, "one").await, Agent::named(&lab, "other").await);
    one.ask(GetStatus::default()).await;
    other.ask(GetStatus::default()).await;
    one.ask(named("srv", shell("exec sleep 600"))).await;
    one.ask(named("bad", RunTask { timeout_seconds: Some(PATIENCE), ..shell("exit 3") })).await;
    one.ask(GetStatus::default()).await;
    assert_eq!(news(&one).await, None);
    other.ask(GetStatus::default()).await;
    let line = news(&other).await.expect("news");
    assert!(line.contains("one") && line.contains("3"), "{line}");
    other.ask(GetStatus::default()).await;
    assert_eq!(news(&other).await, None, "once");
    // its own task's end is no news where it has just been answered, also under its name
    one.ask(named("soon", shell("until test -e go; do sleep 0.01; done; exit 4"))).await;
    lab.write("go", "");
    one.wait(until(&["soon"], &[bpm_api::Condition::Exit])).await;
    one.ask(GetStatus::default()).await;
    assert_eq!(news(&one).await, None, "the wait has told it");
    other.end("srv").await;
    one.ask(GetStatus::default()).await;
    let line = news(&one).await.expect("news");
    assert!(line.contains("by mcp other"), "{line}");
}

#[tokio::test]
async fn a_watcher_hears_events_and_that_logs_grow_and_is_told_what_it_missed() {
    let lab = Lab::up("");
    let agent = Agent::of(&lab).await;
    agent
        .ask(named("talk", shell("until test -e go; do sleep 0.01; done; echo hello; exec sleep 600")))
        .await;
    let watch = Watch { logs: vec!["talk".to_owned()], ..Watch::default() };
    let mut logs = agent.client().watch(watch).await.unwrap();
    let mut events = agent.client().watch(Watch { events: true, ..Watch::default() }).await.unwrap();
    let mut slow = agent.client().watch(Watch { events: true, ..Watch::default() }).await.unwrap();
    lab.write("go", "");
    assert_eq!(next(&mut logs).await, Change::Log("talk".to_owned()));
    agent.end("talk").await;
    let ended = loop {
        if let Change::Event(event) = next(&mut events).await
            && event.kind == EventKind::TaskEnded
        {
            break event;
        }
    };
    assert_eq!(ended.process.as_deref(), Some("t1"));
    // more than every queue on the way holds
    let config = "[process.api]\ncommand = 'exec sleep 600'\nautostart = false\n";
    lab.configure(config);
    assert!(lab.bpm(&["allow"]).status.success());
    agent.ask(bpm_api::Apply::default()).await;
    for _ in 0..1500 {
        agent.ask(bpm_api::Start { process: "api".to_owned(), timeout_seconds: None }).await;
    }
    let (mut last, mut missed, mut gaps) = (0, 0, 0);
    loop {
        match next(&mut slow).await {
            Change::Event(event) => {
                gaps += if last == 0 { 0 } else { event.seq - last - 1 };
                last = event.seq;
                if event.text.contains("stop") && event.process.as_deref() == Some("api") {
                    break;
                }
            }
            Change::Missed(count) => missed += count,
            Change::Log(name) | Change::Build(name) => panic!("{name} was not asked for"),
        }
        if last > 1500 {
            let stop = bpm_api::Stop { process: "api".to_owned(), timeout_seconds: None };
            agent.ask(stop).await;
        }
    }
    assert_eq!(gaps, missed, "what was not told is counted");
}

#[tokio::test]
async fn a_call_goes_on_over_the_manager_and_its_outcome_is_kept() {
    let mut lab = Lab::up("");
    let agent = Agent::of(&lab).await;
    let ask = RunTask {
        timeout_seconds: Some(PATIENCE),
        ..shell("echo begun >> begun; until test -e go; do sleep 0.01; done; exit 6")
    };
    let submit = || SubmitCall { request: Box::new(ask.clone().into_request()), keep_seconds: None };
    let call = agent.ask_with_key("call", submit()).await.unwrap();
    assert_eq!(call.state, CallState::Working);
    assert_eq!(agent.ask_with_key("call", submit()).await.unwrap().call_id, call.call_id, "the same call");
    lab.wait_for("it runs", |lab| lab.file("begun").exists().then_some(()));
    lab.kill_manager();
    lab.start();
    let agent = Agent::of(&lab).await;
    let status = || GetCall { call_id: call.call_id.clone() };
    assert_eq!(agent.ask(status()).await.state, CallState::Working);
    lab.write("go", "");
    agent.ended("t1").await;
    let done = loop {
        let now = agent.ask(status()).await;
        if now.state != CallState::Working {
            break now;
        }
        tokio::task::yield_now().await;
    };
    let Some(Answer::Reply(Reply::Task(report))) = done.answer.map(|answer| *answer) else {
        panic!("no report")
    };
    assert_eq!((report.task.state, report.task.exit_code), (TaskState::Failed, Some(6)));
    assert_eq!(std::fs::read_to_string(lab.file("begun")).unwrap(), "begun\n");
    lab.kill_manager();
    lab.start();
    let agent = Agent::of(&lab).await;
    assert_eq!(agent.ask(status()).await.state, CallState::Done, "the next manager knows it, too");
    let other =
        agent.ask(SubmitCall { request: Box::new(shell("exec sleep 600").into_request()), ..submit() }).await;
    let cancelled = agent.ask(CancelCall { call_id: other.call_id.clone() }).await;
    assert_ne!(cancelled.state, CallState::Working);
    let unknown = agent.try_ask(GetCall { call_id: "0".repeat(32) }).await.unwrap_err();
    assert_eq!(unknown.code, Code::UnknownCall);
}

#[tokio::test]
async fn a_new_call_takes_the_place_of_the_outcome_that_was_kept_the_longest() {
    const MOST: usize = 256;
    let lab = Lab::up("");
    let agent = Agent::of(&lab).await;
    let submit =
        || SubmitCall { request: Box::new(GetStatus::default().into_request()), keep_seconds: Some(3600.0) };
    let first = agent.ask(submit()).await.call_id;
    let over = |call_id: &String| GetCall { call_id: call_id.clone() };
    while agent.ask(over(&first)).await.state == CallState::Working {
        tokio::task::yield_now().await;
    }
    let mut last = String::new();
    for _ in 0..MOST {
        last = agent.ask(submit()).await.call_id;
        while agent.ask(over(&last)).await.state == CallState::Working {
            tokio::task::yield_now().await;
        }
    }
    assert_eq!(agent.try_ask(over(&first)).await.unwrap_err().code, Code::UnknownCall);
    assert_eq!(agent.ask(over(&last)).await.state, CallState::Done);
}
