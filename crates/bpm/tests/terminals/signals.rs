//! Signals and sizes: who gets them, what they count as, and what is refused.

use bpm::control::Control;
use bpm_api::{Code, Done, EventKind, GetStatus, ResizeTerminal, SendSignal, State, Watch};

use crate::agent::{Agent, named, pattern, shell};
use crate::lab::Lab;

/// A parent and a child that both say which signals they get. They are ready when both have said so.
const FAMILY: &str = r#"
[process.api]
command = """
trap 'echo parent got HUP' HUP
sh -c 'trap "echo child got HUP" HUP; echo child is ready; while :; do sleep 0.02; done' &
echo parent is ready
while :; do sleep 0.02; done
"""
"#;

fn ready(lab: &Lab, name: &str) -> u64 {
    lab.wait_for("both are ready", |lab| {
        let lines = lab.lines(name);
        let has = |wanted: &str| lines.iter().any(|line| line == wanted);
        (has("parent is ready") && has("child is ready")).then_some(())
    });
    lab.running(name).run.unwrap()
}

fn has_line(lab: &Lab, name: &str, wanted: &str) {
    lab.wait_for(wanted, |lab| lab.lines(name).iter().any(|line| line == wanted).then_some(()));
}

#[test]
fn a_signal_reaches_parent_and_child_and_is_told_with_who_sent_it() {
    let lab = Lab::up(FAMILY);
    let run = ready(&lab, "api");
    for (time, name) in ["HUP", "SIGHUP", "hup", "1"].into_iter().enumerate() {
        let done: Done = lab.ask(&["signal", "api", name]);
        assert_eq!(done.message, format!("HUP sent to run {run} of `api`"));
        for who in ["parent", "child"] {
            lab.wait_for("each of them", |lab| {
                let line = format!("{who} got HUP");
                (lab.lines("api").iter().filter(|seen| **seen == line).count() == time + 1).then_some(())
            });
        }
    }
    let status = lab.process("api");
    assert_eq!((status.state, status.run, status.crashes), (State::Running, Some(run), 0));
    let event = status.events.iter().find(|event| event.text == format!("HUP sent to run {run}")).unwrap();
    assert!(event.by.as_ref().is_some_and(|by| by.starts_with("cli ")), "{event:?}");
}

#[test]
fn what_ends_by_a_signal_has_crashed_and_is_restarted() {
    let lab = Lab::up(FAMILY);
    let run = ready(&lab, "api");
    let done: Done = lab.ask(&["signal", "api", "KILL"]);
    assert!(done.message.starts_with("KILL sent"), "{}", done.message);
    let after = lab.running_other_than("api", run);
    assert_eq!(after.crashes, 1, "{after:?}");
    let exit = after.last_exit.unwrap();
    assert_eq!((exit.run, exit.signal.as_deref(), exit.asked), (run, Some("KILL"), false));
}

#[test]
fn what_cannot_be_signalled_is_refused_with_the_next_step() {
    let lab = Lab::up("[process.api]\ncommand = 'exec sleep 600'\nautostart = false\n");
    for (args, code, said, hint) in [
        (["signal", "api", "TERM"], Code::NotReady, "`api` is not running", "`bpm why api`"),
        (["signal", "apo", "TERM"], Code::UnknownProcess, "`apo`", "`api`"),
        (["signal", "t9", "TERM"], Code::UnknownTask, "`t9`", "`bpm tasks`"),
        (["signal", "api", "HUB"], Code::InvalidParameter, "`HUB`, expected one of HUP, INT,", "`HUP`"),
        (["signal", "api", "0"], Code::InvalidParameter, "`0`", ""),
        (["signal", "api", ""], Code::InvalidParameter, "``", ""),
    ] {
        let error = lab.refused(&args);
        assert_eq!(error.code, code, "{error:?}");
        assert!(error.message.contains(said), "{error:?}");
        assert!(error.hint.unwrap_or_default().contains(hint), "{args:?}");
    }
}

#[tokio::test]
async fn a_task_is_signalled_by_name_and_one_that_has_ended_is_not() {
    let lab = Lab::up("");
    let agent = Agent::of(&lab).await;
    let line = "trap 'echo got USR1; exit 3' USR1; echo ready; while :; do sleep 0.02; done";
    let task = agent.ask(named("talk", shell(line))).await.task;
    agent.wait(pattern(&["talk"], "ready")).await;
    let signal = || SendSignal { target: "talk".to_owned(), signal: "USR1".to_owned() };
    let mut events = agent.client().watch(Watch { events: true, ..Watch::default() }).await.unwrap();
    agent.ask(signal()).await;
    let ended = agent.ended("talk").await;
    assert_eq!((ended.exit_code, ended.kill_requested), (Some(3), None), "nobody asked it to end");
    assert!(agent.lines("talk").await.contains(&"got USR1".to_owned()));
    let told = async {
        loop {
            if let Some(bpm_api::Change::Event(event)) = events.next().await
                && event.kind == EventKind::Requested
            {
                return event;
            }
        }
    };
    let told = tokio::time::timeout(std::time::Duration::from_secs(20), told).await.unwrap();
    assert_eq!((told.text.as_str(), told.by.as_deref()), ("USR1 sent to run 1", Some("mcp tester")));
    let error = agent.try_ask(signal()).await.unwrap_err();
    assert_eq!(error.code, Code::NotReady, "{error:?}");
    assert!(error.hint.unwrap().contains(&format!("bpm logs {}", task.task_id)));
}

#[test]
fn a_program_at_a_terminal_sees_its_size_and_is_told_of_the_same_one_again() {
    let lab = Lab::up(
        "[process.ui]\npty = true\ncommand = \"\"\"trap 'stty size' WINCH\necho up\nwhile :; do sleep 0.02; done\"\"\"\n\
         [process.plain]\ncommand = 'exec sleep 600'\n",
    );
    has_line(&lab, "ui", "up");
    assert!(lab.process("ui").pty && !lab.running("plain").pty);
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let agent = runtime.block_on(Agent::of(&lab));
    let resize = |target: &str, columns, rows| {
        let ask = ResizeTerminal { target: target.to_owned(), columns, rows };
        runtime.block_on(agent.try_ask(ask))
    };
    resize("ui", 132, 50).unwrap();
    has_line(&lab, "ui", "50 132");
    resize("ui", 132, 50).unwrap();
    lab.wait_for("the same size again", |lab| {
        (lab.lines("ui").iter().filter(|line| *line == "50 132").count() == 2).then_some(())
    });
    for (columns, rows, name) in [(0, 1, "columns"), (4097, 1, "columns"), (1, 0, "rows"), (1, 4097, "rows")]
    {
        let error = resize("ui", columns, rows).unwrap_err();
        assert_eq!(error.code, Code::InvalidParameter);
        assert!(error.message.starts_with(&format!("`{name}` is ")), "{error}");
    }
    let error = resize("plain", 80, 24).unwrap_err();
    assert_eq!(error.code, Code::NoTerminal);
    assert!(error.hint.unwrap().contains("pty = true"));
}

/// What the configuration says now is for the next run.
#[test]
fn an_adopted_run_has_the_terminal_that_it_was_started_with() {
    let with = |pty| format!("[process.api]\npty = {pty}\ncommand = 'echo up; exec sleep 600'\n");
    for pty in [true, false] {
        let mut lab = Lab::up(&with(pty));
        has_line(&lab, "api", "up");
        let run = lab.running("api").run;
        lab.kill_manager();
        lab.configure(&with(!pty));
        lab.start();
        let status = lab.running("api");
        assert_eq!((status.run, status.pty), (run, pty));
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let agent = runtime.block_on(Agent::of(&lab));
        let ask = ResizeTerminal { target: "api".to_owned(), columns: 80, rows: 24 };
        assert_eq!(runtime.block_on(agent.try_ask(ask)).is_ok(), pty);
        let one = GetStatus { process: Some("api".to_owned()), brief: true, ..GetStatus::default() };
        assert_eq!(runtime.block_on(agent.ask(one)).processes[0].pty, pty);
    }
}
