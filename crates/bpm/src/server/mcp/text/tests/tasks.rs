//! Tasks, input and waits, as a model reads them.

use bpm_api::{
    Condition, InputSent, KillRequest, Met, Reply, Sample, TargetState, TaskList, TaskReport, TaskState,
    TaskStatus, WaitAnswer,
};
use serde_json::Value;

use super::{line, page, running, show, status};
use crate::server::mcp::text::{for_a_model, reply, structured};

fn task(id: &str, state: TaskState) -> TaskStatus {
    TaskStatus {
        task_id: id.to_owned(),
        name: None,
        command: "cargo test --workspace".to_owned(),
        cwd: "/home/ann/shop".to_owned(),
        state,
        exit_code: None,
        signal: None,
        pid: None,
        ready: None,
        pty: false,
        started: "2026-01-02T03:04:05Z".to_owned(),
        seconds: 0.42,
        ended_ago_seconds: None,
        kill_requested: None,
        kill_in_seconds: None,
        survivors: Vec::new(),
        note: None,
        by: "claude-code 2.1".to_owned(),
        sample: None,
    }
}

fn server(id: &str) -> TaskStatus {
    TaskStatus {
        name: Some("web".to_owned()),
        command: "npm run dev".to_owned(),
        pid: Some(4242),
        ready: Some(true),
        sample: Some(Sample {
            cpu_percent: 3.0,
            memory_bytes: 47_185_920,
            processes: 1,
            ports: vec![5173],
            age_ms: 3,
        }),
        ..task(id, TaskState::Running)
    }
}

fn reports() -> Vec<TaskReport> {
    let failed = TaskStatus { exit_code: Some(101), ..task("t3", TaskState::Failed) };
    let crashed = TaskStatus { signal: Some("SEGV".to_owned()), ..task("t4", TaskState::Failed) };
    let done =
        TaskStatus { exit_code: Some(0), ended_ago_seconds: Some(190.0), ..task("t5", TaskState::Completed) };
    let killed = TaskStatus {
        signal: Some("TERM".to_owned()),
        kill_requested: Some(KillRequest { by: "cli ann".to_owned(), ago_seconds: 2.0 }),
        survivors: vec!["4711 (postgres)".to_owned()],
        ..task("t6", TaskState::Killed)
    };
    let unstarted =
        TaskStatus { note: Some("no such file: nope".to_owned()), ..task("t7", TaskState::Failed) };
    let waiting = TaskStatus { ready: Some(false), kill_in_seconds: Some(30.0), ..server("t8") };
    [server("t1"), failed, crashed, done, killed, task("t9", TaskState::Lost), unstarted, waiting]
        .into_iter()
        .map(|task| TaskReport { task, already: false, output: None })
        .collect()
}

#[test]
fn how_a_task_stands_comes_first() {
    let mut reports = reports();
    reports[0].already = true;
    reports[1].output = Some(page(vec![line(1, 1, true, "panicked at src/lib.rs:3", 1)]));
    let texts: Vec<String> = reports.into_iter().map(|report| show(&Reply::Task(Box::new(report)))).collect();
    insta::assert_snapshot!(texts.join("\n---\n"));
}

#[test]
fn a_list_has_a_line_for_each_and_one_task_is_shown_closely() {
    let tasks: Vec<TaskStatus> = reports().into_iter().map(|report| report.task).collect();
    let output = Some(page(vec![line(1, 1, true, "ready in 120 ms", 1)]));
    let lists = [
        TaskList::default(),
        TaskList { tasks: tasks.clone(), more: 0, output: None },
        TaskList { tasks: vec![server("t1")], more: 0, output },
    ];
    let texts = lists.each_ref().map(|list| show(&Reply::Tasks(list.clone())));
    insta::assert_snapshot!(texts.join("\n---\n"));
    let [_, several, one] = lists.map(|list| structured(Reply::Tasks(list)).unwrap());
    assert_eq!(
        (&several["tasks"][1]["state"], &several["tasks"][1]["exit_code"]),
        (&"failed".into(), &101.into())
    );
    assert_eq!((&one["task_id"], &one["ports"][0]), (&"t1".into(), &5173.into()));
    assert!(one["output"].as_str().unwrap().contains("ready in 120 ms"));
}

#[test]
fn the_status_has_running_tasks_and_counts_the_others() {
    let mut status = status(vec![running("api"), running("web")]);
    status.tasks = reports().into_iter().map(|report| report.task).collect();
    status.more_tasks = 4;
    let reply = Reply::Status(Box::new(status));
    insta::assert_snapshot!(show(&reply));
    let facts = structured(reply).unwrap();
    assert_eq!((facts["tasks"].as_array().unwrap().len(), &facts["ended_tasks"]), (2, &10.into()));
}

#[test]
fn what_was_typed_and_what_came_of_it() {
    let sent = |seen, output| {
        Reply::Input(InputSent { target: "t2".to_owned(), bytes: 6, unsure: false, seen, output })
    };
    let answers = [
        sent(None, None),
        sent(Some(true), Some(page(vec![line(1, 7, true, "42", 1)]))),
        sent(Some(false), Some(page(Vec::new()))),
        Reply::Input(InputSent { target: "t2".to_owned(), bytes: 6, unsure: true, seen: None, output: None }),
    ];
    insta::assert_snapshot!(answers.each_ref().map(show).join("\n---\n"));
}

fn wait(met: Option<Met>) -> WaitAnswer {
    let state = |target: &str, state: &str, why: &str| TargetState {
        target: target.to_owned(),
        state: state.to_owned(),
        why: why.to_owned(),
    };
    WaitAnswer {
        met,
        waited_seconds: 2.13,
        targets: vec![state("t3", "failed", "exited with 101"), state("api", "running", "")],
        lines: Some(page(vec![line(1, 9, true, "error: address already in use", 1)])),
        cursor: "w:77".to_owned(),
    }
}

#[test]
fn a_wait_says_what_held_then_the_lines_then_how_to_go_on() {
    let met = |condition, what: &str, bad| Met {
        condition,
        target: "t3".to_owned(),
        what: what.to_owned(),
        bad,
        port_holder: None,
    };
    let held = Met {
        port_holder: Some("pid 71 (node server.js), not run by bpm".to_owned()),
        ..met(Condition::Error, "printed an error", true)
    };
    let quiet =
        WaitAnswer { lines: None, ..wait(Some(met(Condition::Quiet, "has been quiet for 2 s", false))) };
    let answers = [
        wait(Some(met(Condition::Exit, "exited with 101 after 3.2 s", true))),
        wait(Some(held)),
        quiet,
        wait(None),
    ]
    .map(Reply::Wait);
    let texts = answers.each_ref().map(show);
    // One cursor, the wait's own.
    assert!(texts.iter().all(|text| text.contains("w:77") && !text.contains("3:120")));
    insta::assert_snapshot!(texts.join("\n---\n"));
    let [exit, .., timeout] = answers.map(|answer| structured(answer).unwrap());
    assert_eq!((&exit["met"]["condition"], &exit["met"]["bad"]), (&"exit".into(), &true.into()));
    assert!(exit["lines"].as_str().unwrap().contains("already in use"));
    assert!(timeout.get("met").is_none() && timeout["next"].as_str().unwrap().contains("w:77"));
    assert_eq!(timeout["cursor"], Value::from("w:77"));
}

#[test]
fn as_many_tasks_as_there_may_be_still_make_a_short_answer() {
    let tasks: Vec<TaskStatus> = (1..=256)
        .map(|number| TaskStatus { command: "x".repeat(200), ..server(&format!("t{number}")) })
        .collect();
    let list = Reply::Tasks(TaskList { tasks: tasks.clone(), more: 0, output: None });
    let list = reply(&for_a_model(Ok(list)).unwrap());
    assert!(list.len() <= 8 * 1024 && list.ends_with("226 tasks more; name one as `task_id`"), "{list}");
    let mut many = status(Vec::new());
    many.tasks = tasks;
    let status = reply(&for_a_model(Ok(Reply::Status(Box::new(many)))).unwrap());
    assert!(status.len() <= 8 * 1024 && status.contains("226 tasks more"), "{status}");
}
