//! `kill -9` of managers and shims under tasks: what runs goes on, what ended is known, what was asked is done once.

use bpm_api::{Code, RunTask, SendInput, TaskState};
use rustix::process::Signal;

use crate::agent::{Agent, PATIENCE, argv, named, pattern, shell};
use crate::lab::{Lab, alive, puppet, send};

/// The shim of a program.
fn parent_of(pid: u32) -> u32 {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    stat[stat.rfind(')').unwrap() + 2..].split(' ').nth(1).unwrap().parse().unwrap()
}

async fn reborn(lab: &mut Lab) -> Agent {
    lab.kill_manager();
    lab.start();
    Agent::of(lab).await
}

#[tokio::test]
async fn a_running_task_its_output_and_its_input_survive_the_manager() {
    let mut lab = Lab::up("");
    let agent = Agent::of(&lab).await;
    let line = "echo begun; while read -r x; do echo \"got $x\"; test \"$x\" = end && exit 5; done";
    let before = agent.ask(named("reader", shell(line))).await.task;
    agent.wait(pattern(&["reader"], "begun")).await;
    for round in 0..3 {
        let agent = reborn(&mut lab).await;
        let after = agent.until("reader", |task| task.pid.is_some().then(|| task.clone())).await;
        assert_eq!(
            (&after.task_id, after.pid, after.state),
            (&before.task_id, before.pid, TaskState::Running)
        );
        assert_eq!((&after.by, &after.started), (&before.by, &before.started));
        let typed = SendInput {
            task_id: Some("reader".to_owned()),
            text: Some(format!("round {round}")),
            key: Some("enter".to_owned()),
            wait_for: Some(format!("got round {round}")),
            ..SendInput::default()
        };
        assert_eq!(agent.ask(typed).await.seen, Some(true));
    }
    let agent = reborn(&mut lab).await;
    let end = SendInput {
        task_id: Some("reader".to_owned()),
        text: Some("end\n".to_owned()),
        ..SendInput::default()
    };
    agent.ask(end).await;
    let ended = agent.ended("reader").await;
    assert_eq!((ended.state, ended.exit_code), (TaskState::Failed, Some(5)));
    assert_eq!(
        agent.lines("reader").await,
        ["begun", "got round 0", "got round 1", "got round 2", "got end"]
    );
}

#[tokio::test]
async fn what_ends_while_no_manager_runs_is_known_with_its_status() {
    let mut lab = Lab::up("");
    let agent = Agent::of(&lab).await;
    let waits = "until test -e end; do sleep 0.01; done; echo last words";
    let codes = agent.run(&format!("{waits}; exit 42")).await.task;
    let signal = agent.run(&format!("{waits}; kill -ABRT $$")).await.task;
    lab.kill_manager();
    lab.write("end", "");
    for pid in [codes.pid.unwrap(), signal.pid.unwrap()] {
        lab.wait_for("it has ended", |_| (!alive(pid)).then_some(()));
    }
    lab.start();
    let agent = Agent::of(&lab).await;
    let (codes, signal) = (agent.ended(&codes.task_id).await, agent.ended(&signal.task_id).await);
    assert_eq!((codes.state, codes.exit_code), (TaskState::Failed, Some(42)));
    assert_eq!((signal.state, signal.signal.as_deref()), (TaskState::Failed, Some("ABRT")));
    assert_eq!(agent.lines(&codes.task_id).await, ["last words"]);
}

#[tokio::test]
async fn a_task_whose_shim_is_killed_is_lost_and_nothing_of_it_is_left() {
    let lab = Lab::up("");
    let agent = Agent::of(&lab).await;
    let tree = argv(&[&puppet(), "--pids", "tree", "--name", "it", "setsid-child", "sleep"]);
    let task = agent.ask(tree).await.task;
    let pids = lab.pids("tree", 2);
    send(parent_of(task.pid.unwrap()), Signal::KILL);
    let ended = agent.ended(&task.task_id).await;
    assert_eq!((ended.state, ended.exit_code, ended.signal), (TaskState::Lost, None, None));
    lab.wait_for("its tree is gone", |_| pids.iter().all(|pid| !alive(*pid)).then_some(()));
    agent.until(&task.task_id, |task| task.survivors.is_empty().then_some(())).await;
}

#[tokio::test]
async fn ended_tasks_are_readable_after_an_orderly_end_and_numbers_go_on() {
    let mut lab = Lab::up("");
    let agent = Agent::of(&lab).await;
    agent.ask(named("done", RunTask { timeout_seconds: Some(PATIENCE), ..shell("echo it; exit 3") })).await;
    let running = agent.run("exec sleep 600").await.task;
    assert!(lab.bpm(&["down"]).status.success());
    assert!(lab.manager_ends());
    assert!(!alive(running.pid.unwrap()), "a shutdown ends tasks");
    lab.start();
    let agent = Agent::of(&lab).await;
    let done = agent.task("done").await;
    assert_eq!((done.state, done.exit_code), (TaskState::Failed, Some(3)));
    assert_eq!(agent.lines("done").await, ["it"]);
    let ended = agent.task(&running.task_id).await;
    assert_eq!(ended.state, TaskState::Killed);
    assert!(ended.kill_requested.is_some_and(|kill| kill.by.contains("shutdown")));
    assert_eq!(agent.run_to_end("true").await.task.task_id, "t3");
}

#[tokio::test]
async fn what_a_leader_left_keeps_its_place_and_its_time_limit_over_the_manager() {
    let mut lab = Lab::up("");
    let agent = Agent::of(&lab).await;
    let leaving = argv(&[&puppet(), "--pids", "left", "--name", "it", "setsid-child", "exit", "0"]);
    let kept = agent.ask(RunTask { timeout_seconds: Some(PATIENCE), ..leaving }).await.task.task_id;
    let leaving = argv(&[&puppet(), "--pids", "limited", "--name", "it", "setsid-child", "exit", "0"]);
    let limited = RunTask { timeout_seconds: Some(PATIENCE), kill_after_seconds: Some(1.0), ..leaving };
    agent.ask(limited).await;
    let (left, over) = (lab.pids("left", 2)[1], lab.pids("limited", 2)[1]);
    let agent = reborn(&mut lab).await;
    lab.wait_for("the time limit ends what was left", |_| (!alive(over)).then_some(()));
    assert!(alive(left), "it has no limit");
    let task = agent.until(&kept, |task| (!task.survivors.is_empty()).then(|| task.clone())).await;
    assert_eq!((task.state, task.exit_code), (TaskState::Completed, Some(0)));
    agent.end(&kept).await;
    assert!(!alive(left));
}

/// The manager dies at a random moment over a request, which is then sent again under the same key.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_that_is_sent_again_to_the_next_manager_starts_nothing_twice() {
    let mut lab = Lab::up("");
    for round in 0..12_u32 {
        let agent = Agent::of(&lab).await;
        let (key, line) = (format!("round {round}"), format!("echo begun >> begun-{round}; exec sleep 600"));
        let ask = || RunTask { timeout_seconds: Some(5.0), ..shell(&line) };
        let first = tokio::spawn({
            let (agent, key, ask) = (agent.clone(), key.clone(), ask());
            async move { agent.ask_with_key(&key, ask).await }
        });
        // from before it is heard to after it runs
        tokio::time::sleep(std::time::Duration::from_micros(u64::from(round) * 700)).await;
        let agent = reborn(&mut lab).await;
        let lost = first.await.unwrap();
        let report = agent.ask_with_key(&key, RunTask { timeout_seconds: Some(0.0), ..ask() }).await.unwrap();
        if let Ok(before) = lost {
            assert_eq!(before.task.task_id, report.task.task_id);
        }
        let id = report.task.task_id;
        let settled = |task: &bpm_api::TaskStatus| task.pid.is_some() || task.state != TaskState::Running;
        let task = agent.until(&id, |task| settled(task).then(|| task.clone())).await;
        if task.state == TaskState::Lost {
            // the manager died between the run's lock and its shim: that looks like a shim that was killed, and
            // nothing is begun that may have been begun before
            assert!(!lab.file(&format!("begun-{round}")).exists(), "{task:?}");
            continue;
        }
        assert_eq!(task.state, TaskState::Running, "{task:?}");
        lab.wait_for("it has begun", |lab| lab.file(&format!("begun-{round}")).exists().then_some(()));
        agent.end(&id).await;
        let begun = std::fs::read_to_string(lab.file(&format!("begun-{round}"))).unwrap();
        assert_eq!(begun, "begun\n", "round {round}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restart_that_is_sent_again_to_the_next_manager_builds_once() {
    let config = "[process.api]\nbuild = 'echo built >> builds; until test -e go; do sleep 0.01; done'\ncommand = 'echo run >> runs; exec sleep 600'\n";
    let mut lab = Lab::new(config);
    lab.write("go", "");
    lab.start();
    lab.running("api");
    std::fs::remove_file(lab.file("go")).unwrap();
    let agent = Agent::of(&lab).await;
    let restart =
        || bpm_api::Restart { process: Some("api".to_owned()), mode: None, timeout_seconds: Some(20.0) };
    let first = tokio::spawn({
        let agent = agent.clone();
        async move { agent.ask_with_key("restart", restart()).await }
    });
    lab.wait_for("it builds", |lab| lab.process("api").building);
    let agent = reborn(&mut lab).await;
    assert!(first.await.unwrap().is_err());
    let again = tokio::spawn({
        let agent = agent.clone();
        async move { agent.ask_with_key("restart", restart()).await }
    });
    lab.write("go", "");
    let began = again.await.unwrap().unwrap();
    assert_eq!(began.run, 2);
    assert_eq!(agent.ask_with_key("restart", restart()).await.unwrap().run, 2, "and once more");
    assert_eq!(std::fs::read_to_string(lab.file("builds")).unwrap(), "built\nbuilt\n");
    lab.wait_for("it runs", |lab| {
        (std::fs::read_to_string(lab.file("runs")).unwrap() == "run\nrun\n").then_some(())
    });
}

#[tokio::test]
async fn input_under_one_key_is_typed_once_also_by_the_next_manager() {
    let mut lab = Lab::up("");
    let agent = Agent::of(&lab).await;
    agent.ask(named("cat", shell("exec cat"))).await;
    let typed = |text: &str| SendInput {
        task_id: Some("cat".to_owned()),
        text: Some(text.to_owned()),
        ..SendInput::default()
    };
    for _ in 0..2 {
        agent.ask_with_key("k", typed("one\n")).await.unwrap();
    }
    let agent = reborn(&mut lab).await;
    agent.ask_with_key("k", typed("one\n")).await.unwrap();
    agent.ask_with_key("other", typed("two\n")).await.unwrap();
    agent.wait(pattern(&["cat"], "two")).await;
    assert_eq!(agent.lines("cat").await, ["one", "two"]);
    let end = SendInput { key: Some("ctrl-d".to_owned()), text: None, ..typed("") };
    agent.ask(end).await;
    assert_eq!(agent.ended("cat").await.state, TaskState::Completed);
    let late = agent.try_ask(typed("late")).await.unwrap_err();
    assert_eq!(late.code, Code::NoInput, "{late:?}");
}
