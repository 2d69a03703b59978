//! What becomes of commands: their output, exit codes and signals, names, time limits, trees, and what is kept.

use std::collections::BTreeMap;

use bpm_api::{Code, RunTask, TaskList, TaskState};
use tokio::task::JoinSet;

use crate::agent::{Agent, PATIENCE, argv, named, shell};
use crate::lab::{Lab, alive, puppet};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_first_and_the_last_line_of_a_command_that_is_gone_at_once_are_there() {
    const TIMES: usize = 200;
    let lab = Lab::up("");
    let agent = Agent::of(&lab).await;
    let mut under_way = JoinSet::new();
    for number in 0..TIMES {
        if under_way.len() == 8 {
            under_way.join_next().await.unwrap().unwrap();
        }
        let agent = agent.clone();
        under_way.spawn(async move {
            let line = format!("echo first {number}; echo last {number} >&2; exit {}", number % 3);
            let pty = number % 2 == 1;
            let ask = RunTask { pty: Some(pty), timeout_seconds: Some(PATIENCE), ..shell(&line) };
            let report = agent.ask(ask).await;
            let lines: Vec<String> = report.output.unwrap().lines.into_iter().map(|line| line.text).collect();
            assert_eq!(lines, [format!("first {number}"), format!("last {number}")], "pty: {pty}");
            let expected = if number % 3 == 0 { TaskState::Completed } else { TaskState::Failed };
            let code = i32::try_from(number % 3).unwrap();
            assert_eq!((report.task.state, report.task.exit_code), (expected, Some(code)));
        });
    }
    while let Some(done) = under_way.join_next().await {
        done.unwrap();
    }
}

#[tokio::test]
async fn a_signal_of_its_own_is_a_failure_and_told_by_name() {
    let lab = Lab::up("");
    let agent = Agent::of(&lab).await;
    for name in ["SEGV", "KILL", "USR1", "TERM"] {
        let task = agent.run_to_end(&format!("kill -{name} $$")).await.task;
        assert_eq!((task.state, task.signal.as_deref()), (TaskState::Failed, Some(name)), "{task:?}");
        assert_eq!((task.exit_code, task.kill_requested), (None, None));
    }
    let error = agent.try_ask(argv(&["/no/such/program"])).await.unwrap_err();
    assert_eq!(error.code, Code::SpawnFailed, "{error:?}");
    assert!(error.message.contains("/no/such/program"), "{error}");
}

#[tokio::test]
async fn a_name_that_runs_is_joined_if_nothing_differs_and_told_apart_if_something_does() {
    let lab = Lab::up("");
    std::fs::create_dir(lab.file("elsewhere")).unwrap();
    let agent = Agent::of(&lab).await;
    let ask = |env: &[(&str, &str)]| {
        let env: BTreeMap<String, String> =
            env.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        RunTask { env: Some(env), ..named("srv", argv(&[&puppet(), "sleep"])) }
    };
    let first = agent.ask(ask(&[("A", "1")])).await;
    let again = agent.ask(ask(&[("A", "1")])).await;
    assert!(!first.already && again.already);
    assert_eq!((&again.task.task_id, again.task.pid), (&first.task.task_id, first.task.pid));
    let others = [
        (ask(&[("A", "2")]), "A"),
        (RunTask { cwd: Some("elsewhere".to_owned()), ..ask(&[("A", "1")]) }, "directory"),
        (RunTask { pty: Some(true), ..ask(&[("A", "1")]) }, "terminal"),
        (RunTask { env: ask(&[("A", "1")]).env, ..named("srv", shell("exec sleep 600")) }, "command"),
    ];
    for (other, what) in others {
        let error = agent.try_ask(other).await.unwrap_err();
        assert_eq!(error.code, Code::NameTaken);
        assert!(error.message.contains(what), "{error}");
        assert!(error.message.contains("A") || what != "A", "no value is shown: {error}");
    }
    agent.end("srv").await;
    let next = agent.ask(ask(&[("A", "2")])).await;
    assert!(!next.already && next.task.task_id != first.task.task_id);
    // the name is the newest one's, the id stays the old one's
    assert_eq!(agent.task("srv").await.task_id, next.task.task_id);
    assert_eq!(agent.task(&first.task.task_id).await.state, TaskState::Killed);
}

#[tokio::test]
async fn a_time_limit_ends_it_and_is_not_the_wait_of_the_call() {
    let lab = Lab::up("");
    let agent = Agent::of(&lab).await;
    let limited = RunTask {
        kill_after_seconds: Some(0.3),
        ..argv(&[&puppet(), "ignore-term", "setsid-child", "sleep"])
    };
    let task = agent.ask(RunTask { timeout_seconds: Some(0.0), ..limited }).await.task;
    assert_eq!(task.state, TaskState::Running);
    let ended = agent.ended(&task.task_id).await;
    assert_eq!(ended.state, TaskState::Killed, "{ended:?}");
    let by = ended.kill_requested.unwrap().by;
    assert!(by.contains("kill_after_seconds"), "{by}");
    let unlimited = agent.run("exec sleep 600").await.task;
    assert_eq!((unlimited.state, unlimited.kill_in_seconds), (TaskState::Running, None));
}

#[tokio::test]
async fn the_end_is_the_end_of_the_whole_tree() {
    let lab = Lab::up("");
    let agent = Agent::of(&lab).await;
    let tree = argv(&[
        &puppet(),
        "--pids",
        "tree",
        "--name",
        "it",
        "fork-grandchild",
        "setsid-child",
        "daemon",
        "sleep",
    ]);
    let task = agent.ask(tree).await.task;
    let pids = lab.pids("tree", 4);
    assert!(pids.iter().filter(|pid| alive(**pid)).count() >= 3, "a daemon's parent ends");
    let report = agent.end(&task.task_id).await;
    assert_eq!(report.task.state, TaskState::Killed);
    assert!(report.task.kill_requested.unwrap().by.contains("tester"));
    assert!(report.task.survivors.is_empty());
    assert!(!pids.into_iter().any(alive));
    // ended is ended: asked again it says the same
    assert_eq!(agent.end(&task.task_id).await.task.state, TaskState::Killed);
}

#[tokio::test]
async fn what_a_leader_leaves_behind_is_listed_and_kept_until_it_is_ended() {
    let lab = Lab::up("");
    let agent = Agent::of(&lab).await;
    let leaving = argv(&[&puppet(), "--pids", "left", "--name", "it", "setsid-child", "exit", "4"]);
    let task = agent.ask(RunTask { timeout_seconds: Some(PATIENCE), ..leaving }).await.task;
    let left = lab.pids("left", 2)[1];
    assert_eq!((task.state, task.exit_code), (TaskState::Failed, Some(4)));
    let kept =
        agent.until(&task.task_id, |task| (!task.survivors.is_empty()).then(|| task.survivors.clone())).await;
    assert!(kept.iter().any(|survivor| survivor.contains(&left.to_string())), "{kept:?}");
    assert!(alive(left));
    let report = agent.end(&task.task_id).await;
    assert!(!alive(left));
    assert_eq!(
        (report.task.state, report.task.exit_code),
        (TaskState::Failed, Some(4)),
        "as it ended by itself"
    );
    assert!(report.task.survivors.is_empty());
}

#[tokio::test]
async fn ended_tasks_are_kept_by_number_and_the_oldest_go() {
    let lab = Lab::up("[logs]\nkeep_runs = 1\n");
    let agent = Agent::of(&lab).await;
    let running = agent.run("exec sleep 600").await.task.task_id;
    for number in 0..14 {
        agent.run_to_end(&format!("echo {number}")).await;
    }
    let list: TaskList = agent.ask(bpm_api::GetTask::default()).await;
    let ids: Vec<&str> = list.tasks.iter().map(|task| task.task_id.as_str()).collect();
    let expected: Vec<String> = (6..=15).rev().map(|number| format!("t{number}")).collect();
    assert_eq!(ids[..10], expected, "ten times `keep_runs`, the newest first");
    assert_eq!(ids[10..], [running.as_str()], "what runs is not counted");
    assert_eq!(agent.lines("t15").await, ["13"]);
    let error = agent.try_ask(crate::agent::get("t5")).await.unwrap_err();
    assert_eq!(error.code, Code::UnknownTask, "{error:?}");
    lab.wait_for("its files are gone, too", |lab| (!lab.state().join("tasks/t5").exists()).then_some(()));
    assert_eq!(agent.run_to_end("true").await.task.task_id, "t16", "numbers are never used twice");
}
