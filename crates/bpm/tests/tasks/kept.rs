//! Which runs and builds are kept and how they ended, and builds watched while they print.

use bpm::control::{Changes, Control};
use bpm_api::{Change, GetRuns, KeptRun, ReadFrom, ReadLog, Restart, Runs, Stop, Watch};

use crate::agent::{Agent, PATIENCE, named, shell};
use crate::lab::{self, Lab};
use crate::reading::{read, texts, until};

async fn kept(agent: &Agent, target: &str) -> Runs {
    agent.ask(GetRuns { target: target.to_owned() }).await
}

fn ends(runs: &[KeptRun]) -> Vec<(u64, &str, bool)> {
    runs.iter().map(|run| (run.number, run.how.as_str(), run.bad)).collect()
}

fn stop(process: &str) -> Stop {
    Stop { process: process.to_owned(), timeout_seconds: Some(PATIENCE) }
}

fn restart(process: &str, timeout_seconds: f64) -> Restart {
    Restart { process: Some(process.to_owned()), mode: None, timeout_seconds: Some(timeout_seconds) }
}

#[tokio::test]
async fn kept_runs_say_how_they_ended_and_what_nobody_wanted() {
    let mut lab = Lab::up(&lab::shell("app", "echo $$; echo more; exec sleep 600", "autostart = false"));
    let agent = Agent::of(&lab).await;
    let none = kept(&agent, "app").await;
    assert!(none.runs.is_empty() && none.builds.is_empty());
    agent.ask(restart("app", PATIENCE)).await;
    let log = until(&agent, &read("app", ReadFrom::End, 9), |window| window.lines.len() == 2).await;
    let one = kept(&agent, "app").await;
    assert_eq!(ends(&one.runs), [(1, "running", false)]);
    let run = &one.runs[0];
    assert_eq!((run.lines, run.bytes), (2, log.lines.iter().map(|line| line.text.len() as u64 + 1).sum()));
    assert!(run.started.as_ref().is_some_and(|started| *started <= log.lines[0].time) && run.ended.is_none());
    agent.ask(stop("app")).await;
    let one = kept(&agent, "app").await;
    assert_eq!(ends(&one.runs), [(1, "killed by TERM", false)], "somebody asked");
    assert!(one.runs[0].ended > one.runs[0].started);
    // The next manager knows it, too.
    lab.kill_manager();
    lab.start();
    let agent = Agent::of(&lab).await;
    assert_eq!(ends(&kept(&agent, "app").await.runs), [(1, "killed by TERM", false)]);
    agent.ask(named("bad", shell("exit 7"))).await;
    agent.ask(named("shot", shell("kill -SEGV $$"))).await;
    agent.ask(named("good", shell("true"))).await;
    for (name, how, bad) in
        [("bad", "exited with 7", true), ("shot", "killed by SEGV", true), ("good", "exited with 0", false)]
    {
        agent.ended(name).await;
        assert_eq!(ends(&kept(&agent, name).await.runs), [(1, how, bad)]);
    }
    let error = agent.try_ask(GetRuns { target: "nobody".to_owned() }).await.unwrap_err();
    assert_eq!(error.code, bpm_api::Code::UnknownProcess);
}

/// Returns while it builds.
async fn begin_restart(agent: &Agent) {
    let error = agent.try_ask(restart("app", 0.0)).await.unwrap_err();
    assert_eq!(error.code, bpm_api::Code::TimedOut, "{error}");
}

/// What is said of a build, within the time that a test has.
async fn said(changes: &mut Changes) {
    let patience = std::time::Duration::from_secs_f64(PATIENCE);
    let change = tokio::time::timeout(patience, changes.next()).await.expect("a change in time");
    assert_eq!(change, Some(Change::Build("app".to_owned())));
}

/// Reads the newest build each time that a watcher is told of it, until `look` likes it.
async fn told_until(agent: &Agent, changes: &mut Changes, look: impl Fn(&bpm_api::LogWindow) -> bool) {
    loop {
        said(changes).await;
        let window = agent.ask(ReadLog { builds: true, ..read("app", ReadFrom::End, 9) }).await;
        if look(&window) {
            return;
        }
    }
}

#[tokio::test]
async fn a_build_is_told_of_when_it_begins_prints_and_ends_and_the_next_one_too() {
    let build =
        "echo \"build of $(cat what)\"; until test -e go; do sleep 0.01; done; rm go; exit $(cat what)";
    let config = format!("{}build = {build:?}\n", lab::shell("app", "exec sleep 600", "autostart = false"));
    let lab = Lab::up(&config);
    let agent = Agent::of(&lab).await;
    let watch = || Watch { builds: vec!["app".to_owned()], ..Watch::default() };
    lab.write("what", "0");
    // Before there has ever been one.
    let mut early = agent.client().watch(watch()).await.unwrap();
    begin_restart(&agent).await;
    told_until(&agent, &mut early, |window| window.run == 1 && texts(window) == ["build of 0"]).await;
    assert_eq!(ends(&kept(&agent, "app").await.builds), [(1, "building", false)]);
    let mut late = agent.client().watch(watch()).await.unwrap();
    lab.write("go", "");
    told_until(&agent, &mut early, |window| window.ended).await;
    told_until(&agent, &mut late, |window| window.ended).await;
    let runs = kept(&agent, "app").await;
    assert_eq!(ends(&runs.builds), [(1, "succeeded", false)]);
    assert_eq!((runs.builds[0].lines, runs.builds[0].bytes), (1, 11));
    // The next one prints into another log.
    lab.running("app");
    lab.write("what", "3");
    begin_restart(&agent).await;
    told_until(&agent, &mut late, |window| window.run == 2 && texts(window) == ["build of 3"]).await;
    lab.write("go", "");
    told_until(&agent, &mut late, |window| window.run == 2 && window.ended).await;
    assert_eq!(ends(&kept(&agent, "app").await.builds)[1], (2, "failed: exit code 3", true));
    let first = agent.ask(ReadLog { builds: true, run: Some(1), ..read("app", ReadFrom::After(0), 9) }).await;
    assert_eq!((texts(&first), first.newest), (vec!["build of 0"], 2));
    // One that is cancelled is nobody's fault.
    begin_restart(&agent).await;
    told_until(&agent, &mut late, |window| window.run == 3).await;
    agent.ask(stop("app")).await;
    told_until(&agent, &mut late, |window| window.run == 3 && window.ended).await;
    assert_eq!(ends(&kept(&agent, "app").await.builds)[2], (3, "cancelled", false));
}

#[tokio::test]
async fn a_log_that_is_watched_under_two_names_is_told_of_under_both() {
    let lab = Lab::up("");
    let agent = Agent::of(&lab).await;
    agent
        .ask(named("talk", shell("until test -e go; do sleep 0.01; done; echo hello; exec sleep 600")))
        .await;
    let watch = Watch { logs: vec!["talk".to_owned(), "t1".to_owned()], ..Watch::default() };
    let mut changes = agent.client().watch(watch).await.unwrap();
    lab.write("go", "");
    let mut told = Vec::new();
    for _ in 0..2 {
        let patience = std::time::Duration::from_secs_f64(PATIENCE);
        told.push(tokio::time::timeout(patience, changes.next()).await.expect("a change in time").unwrap());
    }
    assert_eq!(told, [Change::Log("t1".to_owned()), Change::Log("talk".to_owned())]);
}
