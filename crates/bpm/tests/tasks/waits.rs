//! `wait_for` over real tasks: every condition, what wins, and cursors that lose nothing and tell nothing twice.

use std::collections::BTreeSet;

use bpm_api::{Condition, RunTask, SendInput, TaskReady, WaitAnswer, WaitFor};

use crate::agent::{Agent, PATIENCE, argv, named, pattern, shell, until};
use crate::lab::{Lab, puppet};

fn met(answer: &WaitAnswer) -> (Condition, &str, bool) {
    let met = answer.met.as_ref().unwrap_or_else(|| panic!("nothing was met: {answer:?}"));
    (met.condition, &met.target, met.bad)
}

fn texts(answer: &WaitAnswer) -> Vec<&str> {
    answer.lines.iter().flat_map(|page| &page.lines).map(|line| line.text.as_str()).collect()
}

fn after(answer: &WaitAnswer, ask: WaitFor) -> WaitFor {
    WaitFor { cursor: Some(answer.cursor.clone()), ..ask }
}

fn typed(target: &str, text: &str) -> SendInput {
    SendInput { task_id: Some(target.to_owned()), text: Some(text.to_owned()), ..SendInput::default() }
}

#[tokio::test]
async fn ready_exit_pattern_and_quiet_end_a_wait_and_the_first_wins() {
    let lab = Lab::up("");
    let agent = Agent::of(&lab).await;
    let gate = "until test -e go; do sleep 0.01; done";
    let ready = Some(TaskReady::Pattern("^up$".to_owned()));
    agent.ask(RunTask { ready, ..named("srv", shell(&format!("{gate}; echo up; exec sleep 600"))) }).await;
    agent.ask(named("job", shell("exec sleep 600"))).await;
    let nothing = agent
        .wait(WaitFor {
            timeout_seconds: Some(0.1),
            ..until(&["srv", "job"], &[Condition::Ready, Condition::Exit])
        })
        .await;
    assert!(
        nothing.met.is_none() && nothing.targets.iter().all(|target| target.state == "running"),
        "{nothing:?}"
    );
    let waiting = tokio::spawn({
        let agent = agent.clone();
        async move { agent.wait(until(&["job", "srv"], &[Condition::Ready, Condition::Exit])).await }
    });
    lab.write("go", "");
    assert_eq!(met(&waiting.await.unwrap()), (Condition::Ready, "srv", false));
    let quiet = WaitFor { quiet_seconds: Some(0.2), ..until(&["srv"], &[Condition::Quiet]) };
    assert_eq!(met(&agent.wait(quiet).await).0, Condition::Quiet);
    agent.ask(named("fails", shell("echo why; exit 9"))).await;
    let failed = agent.wait(until(&["job", "fails"], &[Condition::Exit])).await;
    assert_eq!(met(&failed), (Condition::Exit, "fails", true));
    assert_eq!(texts(&failed), ["why"]);
    let known = agent
        .wait(WaitFor {
            timeout_seconds: Some(0.1),
            ..after(&failed, until(&["job", "fails"], &[Condition::Exit]))
        })
        .await;
    assert!(known.met.is_none(), "it was told already: {known:?}");
}

#[tokio::test]
async fn a_port_that_the_tree_listens_on_ends_a_wait() {
    let lab = Lab::up("");
    let agent = Agent::of(&lab).await;
    agent.ask(named("srv", argv(&[&puppet(), "listen", "0"]))).await;
    let any = agent.wait(until(&["srv"], &[Condition::Port])).await;
    assert_eq!(met(&any), (Condition::Port, "srv", false));
    let port: u16 = agent.lines("srv").await.join(" ").rsplit(' ').next().unwrap().parse().unwrap();
    let this = agent.wait(WaitFor { port: Some(port), until: None, ..until(&["srv"], &[]) }).await;
    assert!(this.met.unwrap().what.contains(&port.to_string()));
}

#[tokio::test]
async fn a_pattern_that_is_printed_just_before_the_end_wins_over_the_end() {
    let lab = Lab::up("");
    let agent = Agent::of(&lab).await;
    for number in 0..30 {
        let name = format!("n{number}");
        agent.ask(named(&name, shell("echo one; echo last"))).await;
        let ask = WaitFor {
            pattern: Some("^last$".to_owned()),
            ..until(&[&name], &[Condition::Exit, Condition::Pattern])
        };
        let answer = agent.wait(ask).await;
        assert_eq!(met(&answer).0, Condition::Pattern);
        let end = agent.wait(after(&answer, until(&[&name], &[Condition::Exit]))).await;
        assert_eq!(met(&end), (Condition::Exit, name.as_str(), false));
    }
}

#[tokio::test]
async fn a_prompt_without_a_line_feed_is_met_once_and_what_follows_on_its_line_is_met_too() {
    let lab = Lab::up("");
    let agent = Agent::of(&lab).await;
    agent
        .ask(named("ask", shell("printf 'name? '; read -r x; echo \"hello $x\"; printf 'name? '; read -r x")))
        .await;
    let prompt = agent.wait(pattern(&["ask"], "name\\? $")).await;
    assert_eq!(met(&prompt).0, Condition::Pattern);
    let again = WaitFor { timeout_seconds: Some(0.1), ..pattern(&["ask"], "name\\?") };
    assert!(agent.wait(after(&prompt, again)).await.met.is_none(), "it was met already");
    let sent = agent.ask(SendInput { wait_for: Some("hello bob".to_owned()), ..typed("ask", "bob\n") }).await;
    assert_eq!(sent.seen, Some(true), "{sent:?}");
    let hello = agent.wait(after(&prompt, pattern(&["ask"], "^hello"))).await;
    assert_eq!(met(&hello).0, Condition::Pattern);
    assert_eq!(met(&agent.wait(after(&hello, pattern(&["ask"], "name\\?"))).await).0, Condition::Pattern);
}

#[tokio::test]
async fn an_error_comes_whole_also_when_the_program_ends_with_it() {
    let lab = Lab::up("");
    let agent = Agent::of(&lab).await;
    let trace = "Traceback (most recent call last):\\n  File \"a.py\", line 3, in <module>\\n    f()\\n  File \"a.py\", line 2, in f\\n    raise ValueError(\"no\")\\nValueError: no\\n";
    for (name, rest) in [("ends", "exit 1"), ("stays", "exec sleep 600")] {
        agent.ask(named(name, shell(&format!("echo ok; printf '{trace}'; {rest}")))).await;
        let answer = agent.wait(until(&[name], &[Condition::Error, Condition::Exit])).await;
        assert_eq!(met(&answer), (Condition::Error, name, true), "{answer:?}");
        let lines = texts(&answer);
        assert!(lines.iter().any(|line| line.starts_with("Traceback")), "{lines:?}");
        assert_eq!(lines.last(), Some(&"ValueError: no"), "{lines:?}");
    }
    let used = "echo 'Error: listen EADDRINUSE: address already in use 127.0.0.1:9'; exec sleep 600";
    agent.ask(named("port", shell(used))).await;
    assert_eq!(met(&agent.wait(until(&["port"], &[Condition::Error])).await).0, Condition::Error);
}

#[tokio::test]
async fn waits_in_a_loop_meet_each_numbered_line_exactly_once() {
    const LINES: usize = 60;
    let lab = Lab::up("");
    let agent = Agent::of(&lab).await;
    let slow = "for i in $(seq 1 60); do echo \"number $i\"; test $((i % 5)) = 0 && sleep 0.02; done; exec sleep 600";
    agent.ask(named("count", shell(slow))).await;
    let mut seen = Vec::new();
    let mut cursor = None;
    while seen.len() < LINES {
        let ask =
            WaitFor { timeout_seconds: Some(0.01), cursor: cursor.take(), ..pattern(&["count"], "^number ") };
        let answer = agent.wait(ask).await;
        if answer.met.is_some() {
            let page = answer.lines.as_ref().unwrap();
            seen.extend(page.lines.iter().filter(|line| line.is_match).map(|line| line.text.clone()));
        }
        cursor = Some(answer.cursor);
    }
    let expected: Vec<String> = (1..=LINES).map(|number| format!("number {number}")).collect();
    assert_eq!(seen, expected);
}

#[tokio::test]
async fn the_end_of_each_of_many_tasks_is_met_exactly_once() {
    const TASKS: usize = 24;
    let lab = Lab::up("");
    let agent = Agent::of(&lab).await;
    let names: Vec<String> = (0..TASKS).map(|number| format!("n{number}")).collect();
    for (number, name) in names.iter().enumerate() {
        agent
            .ask(named(name, shell(&format!("until test -e go; do sleep 0.01; done; exit {}", number % 2))))
            .await;
    }
    let targets: Vec<&str> = names.iter().map(String::as_str).collect();
    let all = || until(&targets, &[Condition::Exit]);
    let mut last = agent.wait(WaitFor { timeout_seconds: Some(0.0), ..all() }).await;
    lab.write("go", "");
    let mut ended = BTreeSet::new();
    while ended.len() < TASKS {
        let answer = agent.wait(WaitFor { timeout_seconds: Some(PATIENCE), ..after(&last, all()) }).await;
        let (_, target, _) = met(&answer);
        assert!(ended.insert(target.to_owned()), "{target} twice");
        last = answer;
    }
    let over = agent.wait(WaitFor { timeout_seconds: Some(0.1), ..after(&last, all()) }).await;
    assert!(over.met.is_none(), "{over:?}");
}

#[tokio::test]
async fn a_restart_during_a_wait_is_followed_into_the_next_run() {
    let lab = Lab::up(
        "[process.api]\ncommand = 'echo run; until test -e go; do sleep 0.01; done; echo changed; exec sleep 600'\n",
    );
    lab.running("api");
    let agent = Agent::of(&lab).await;
    let first = agent.wait(pattern(&["api"], "^run$")).await;
    assert_eq!(met(&first).1, "api");
    let waiting = tokio::spawn({
        let (agent, ask) = (agent.clone(), after(&first, pattern(&["api"], "^changed$")));
        async move { agent.wait(ask).await }
    });
    let ready = agent
        .wait(after(&first, WaitFor { timeout_seconds: Some(0.05), ..until(&["api"], &[Condition::Ready]) }))
        .await;
    assert!(ready.met.is_none(), "{ready:?}");
    assert!(lab.bpm(&["restart", "api"]).status.success());
    let ready = agent.wait(after(&ready, until(&["api"], &[Condition::Ready]))).await;
    assert_eq!(met(&ready).0, Condition::Ready);
    lab.write("go", "");
    let changed = waiting.await.unwrap();
    assert_eq!(changed.lines.unwrap().lines.last().unwrap().run, 2);
}
