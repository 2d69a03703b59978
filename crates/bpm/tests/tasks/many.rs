//! Many at once: tasks up to the limit, and waits none of which is lost or told twice.

use std::time::{Duration, Instant};

use bpm_api::{Code, Condition, GetStatus, RunTask};
use tokio::task::JoinSet;

use crate::agent::{Agent, named, pattern, shell, until};
use crate::lab::Lab;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_hundred_waits_on_a_hundred_tasks_each_get_their_one_answer() {
    const TASKS: usize = 100;
    let lab = Lab::up("");
    let agent = Agent::of(&lab).await;
    let mut starts = JoinSet::new();
    for number in 0..TASKS {
        let agent = agent.clone();
        let line = format!("read -r x; echo \"line $x of {number}\"; read -r x; exit {}", number % 2);
        starts.spawn(async move { agent.ask(named(&format!("n{number}"), shell(&line))).await });
        if starts.len() > 8 {
            starts.join_next().await;
        }
    }
    while starts.join_next().await.is_some() {}
    let mut waits = JoinSet::new();
    for number in 0..2 * TASKS {
        let (agent, name, task) = (agent.clone(), format!("n{}", number / 2), number / 2);
        waits.spawn(async move {
            let first = agent.wait(pattern(&[&name], &format!("^line 1 of {task}$"))).await;
            assert_eq!(
                first.met.map(|met| (met.condition, met.target)),
                Some((Condition::Pattern, name.clone()))
            );
            let end = bpm_api::WaitFor {
                cursor: Some(first.cursor),
                ..until(&[&name], &[Condition::Pattern, Condition::Exit])
            };
            let end = agent.wait(bpm_api::WaitFor { pattern: Some("^line".to_owned()), ..end }).await;
            let met = end.met.unwrap();
            assert_eq!((met.condition, met.bad), (Condition::Exit, task % 2 == 1), "no line is met twice");
        });
    }
    let typed = |name: String, text: &str| bpm_api::SendInput {
        task_id: Some(name),
        text: Some(text.to_owned()),
        ..bpm_api::SendInput::default()
    };
    let mut took = Vec::new();
    for text in ["1\n", "2\n"] {
        for number in 0..TASKS {
            agent.ask(typed(format!("n{number}"), text)).await;
            let from = Instant::now();
            agent.ask(GetStatus::default()).await;
            took.push(from.elapsed());
        }
    }
    while let Some(wait) = waits.join_next().await {
        wait.unwrap();
    }
    took.sort_unstable();
    let of = |percent: usize| took[took.len() * percent / 100];
    println!("get_status among 200 waits and 100 tasks: p50 {:?}, p99 {:?}", of(50), of(99));
    assert!(of(99) < Duration::from_secs(20), "it is answered");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_more_task_than_there_may_be_is_refused_and_an_end_makes_room() {
    const MOST: usize = bpm_core::fleet::MAX_TASKS;
    let lab = Lab::up("");
    let agent = Agent::of(&lab).await;
    let ask = || RunTask { timeout_seconds: Some(0.0), ..shell("exec sleep 600") };
    let mut starts = JoinSet::new();
    for _ in 0..MOST {
        let (agent, ask) = (agent.clone(), ask());
        starts.spawn(async move { agent.ask(ask).await.task.task_id });
        if starts.len() > 8 {
            starts.join_next().await;
        }
    }
    while starts.join_next().await.is_some() {}
    let refused = agent.try_ask(ask()).await.unwrap_err();
    assert_eq!(refused.code, Code::LimitReached, "{refused:?}");
    assert!(refused.message.contains("256"), "{refused}");
    agent.end("t7").await;
    assert_eq!(agent.ask(ask()).await.task.task_id, "t257");
}
