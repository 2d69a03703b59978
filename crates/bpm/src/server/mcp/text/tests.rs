//! Snapshots of what a model reads, and the bounds it is promised.

use bpm_api::{
    Alarm, Applied, Began, BuildProgress, BuildStatus, Code, Done, Error, EventLine, ExitStatus, LogLine,
    LogPage, ManagerStatus, Mode, Paths, ProcessKind, ProcessStatus, Reply, Sample, State, Status, Stream,
    WhyAnswer,
};

use super::{error, reply, structured, structured_error};

fn process(name: &str, state: State) -> ProcessStatus {
    ProcessStatus {
        name: name.to_owned(),
        kind: ProcessKind::Rust,
        state,
        why: "started by request".to_owned(),
        next: None,
        pid: None,
        run: None,
        recipe: None,
        uptime_seconds: None,
        restarts: 0,
        crashes: 0,
        restart_in_seconds: None,
        last_exit: None,
        last_build: None,
        building: None,
        sample: None,
        pty: false,
        keeps_artefact: true,
        events: Vec::new(),
    }
}

fn running(name: &str) -> ProcessStatus {
    ProcessStatus {
        pid: Some(41_234),
        run: Some(3),
        recipe: Some(Mode::Dev),
        uptime_seconds: Some(7_403.2),
        restarts: 2,
        last_exit: Some(ExitStatus {
            run: 2,
            code: None,
            signal: Some("TERM".to_owned()),
            lost: false,
            asked: true,
            ago_seconds: 7_403.0,
        }),
        last_build: Some(BuildStatus {
            build: 9,
            recipe: Mode::Dev,
            ok: Some(true),
            ago_seconds: Some(7_404.0),
            took_seconds: Some(41.0),
            progress: None,
            note: None,
        }),
        sample: Some(Sample {
            cpu_percent: 1.24,
            memory_bytes: 47_185_920,
            processes: 3,
            ports: vec![8080],
            age_ms: 10,
        }),
        events: vec![EventLine {
            time: "2026-01-02T03:04:05Z".to_owned(),
            text: "run 3 is up".to_owned(),
            by: Some("claude-code 2.1".to_owned()),
        }],
        ..process(name, State::Running)
    }
}

fn crashing(name: &str) -> ProcessStatus {
    ProcessStatus {
        why: "run 7 exited with 101 after 0.2 s, for the third time in a row".to_owned(),
        next: Some("restarts in 12.5 s; `search_logs` shows why it ended".to_owned()),
        restarts: 6,
        crashes: 3,
        restart_in_seconds: Some(12.5),
        last_exit: Some(ExitStatus {
            run: 7,
            code: Some(101),
            signal: None,
            lost: false,
            asked: false,
            ago_seconds: 7.5,
        }),
        ..process(name, State::BackingOff)
    }
}

fn status(processes: Vec<ProcessStatus>) -> Status {
    Status {
        mode: Mode::Dev,
        release_switch_in_seconds: Some(28_740.0),
        manager: ManagerStatus {
            pid: 812,
            version: "0.1.0".to_owned(),
            uptime_seconds: 10_920.0,
            mcp_url: Some("http://127.0.0.1:3001/mcp".to_owned()),
            bind: None,
            containment: "cgroup".to_owned(),
            closing: false,
            paths: Paths {
                project: "/home/ann/shop".to_owned(),
                config: "/home/ann/shop/.mcp-run".to_owned(),
                state: "/home/ann/.local/state/bpm/shop".to_owned(),
                socket: "/run/user/1000/bpm/shop.sock".to_owned(),
                token: Some("/home/ann/.local/state/bpm/shop/token".to_owned()),
            },
        },
        processes,
        tasks: Vec::new(),
        more_tasks: 0,
        alarms: Vec::new(),
    }
}

fn show(answer: &Reply) -> String {
    reply(answer)
}

#[test]
fn status_of_a_project_in_every_state() {
    let mut broken = running("web");
    broken.last_build = Some(BuildStatus {
        build: 10,
        recipe: Mode::Dev,
        ok: Some(false),
        ago_seconds: Some(4.0),
        took_seconds: None,
        progress: None,
        note: Some("2 errors".to_owned()),
    });
    "the new code does not build; run 3 still serves".clone_into(&mut broken.why);
    let mut building = process("jobs", State::Starting);
    building.building = Some(BuildStatus {
        build: 1,
        recipe: Mode::Release,
        ok: None,
        ago_seconds: None,
        took_seconds: Some(33.0),
        progress: Some(BuildProgress { done: 12, total: 40, what: "serde, toml".to_owned() }),
        note: Some("waits for cargo's lock".to_owned()),
    });
    let mut lost = process("mail", State::Ended);
    lost.last_exit =
        Some(ExitStatus { run: 1, code: None, signal: None, lost: true, asked: false, ago_seconds: 60.0 });
    let mut status = status(vec![running("api"), crashing("db"), broken, building, lost]);
    status.alarms.push(Alarm {
        process: Some("db".to_owned()),
        message: "12 lines lost, the disk was full".to_owned(),
    });
    insta::assert_snapshot!(show(&Reply::Status(Box::new(status))));
}

#[test]
fn status_of_one_process_has_its_events() {
    insta::assert_snapshot!(show(&Reply::Status(Box::new(status(vec![running("api")])))));
}

#[test]
fn status_of_nothing() {
    insta::assert_snapshot!(show(&Reply::Status(Box::new(status(Vec::new())))));
}

/// Both forms together: some clients show a model both.
#[test]
fn ten_processes_fit_in_1500_bytes() {
    let processes = (0..10).map(|index| running(&format!("service-{index}"))).collect();
    let reply = Reply::Status(Box::new(status(processes)));
    let (text, facts) = (show(&reply), structured(reply).unwrap().to_string());
    assert!(text.len() + facts.len() <= 1_500, "{} + {} bytes\n{text}\n{facts}", text.len(), facts.len());
}

#[test]
fn programs_get_the_same_facts() {
    let one = structured(Reply::Status(Box::new(status(vec![running("api")])))).unwrap();
    assert_eq!(one["processes"][0]["pid"], 41_234);
    assert_eq!(one["processes"][0]["events"][0]["text"], "run 3 is up");
    let two = structured(Reply::Status(Box::new(status(vec![running("api"), crashing("db")])))).unwrap();
    insta::assert_snapshot!(serde_json::to_string_pretty(&two).unwrap());
}

fn line(run: u64, number: u64, is_match: bool, text: &str, times: u64) -> LogLine {
    LogLine {
        process: None,
        run,
        number,
        time: format!("2026-01-02T03:04:{:02}Z", number % 60),
        stream: Stream::Stdout,
        is_match,
        text: text.to_owned(),
        times,
        alike: false,
        by_turns: false,
        last_number: None,
        skipped: None,
    }
}

fn page(lines: Vec<LogLine>) -> LogPage {
    LogPage {
        source: "api run 3 (running)".to_owned(),
        matches: lines.iter().filter(|line| line.is_match).count() as u64,
        lines,
        omitted_before: 0,
        omitted_between: 0,
        resumed: false,
        omitted_after: 0,
        lost_lines: 0,
        lost_bytes: 0,
        cursor: "3:120".to_owned(),
    }
}

#[test]
fn matches_are_marked_and_groups_are_apart() {
    let mut page = page(vec![
        line(3, 10, false, "connecting", 1),
        line(3, 11, true, "panic at src/db.rs:41", 1),
        line(3, 12, false, "retrying", 37),
        line(3, 49, false, "giving up", 1),
        line(3, 90, true, "panic at src/db.rs:41", 1),
        line(4, 91, true, "panic at src/db.rs:42", 1),
    ]);
    page.omitted_before = 12;
    page.lost_lines = 1;
    page.lost_bytes = 2_048;
    insta::assert_snapshot!(show(&Reply::LogPage(page)));
}

#[test]
fn several_processes_are_named_in_each_line() {
    let lines = ["api", "web"]
        .iter()
        .map(|name| LogLine { process: Some((*name).to_owned()), ..line(1, 1, true, "listening", 1) })
        .collect();
    insta::assert_snapshot!(show(&Reply::LogPage(page(lines))));
}

#[test]
fn nothing_found() {
    insta::assert_snapshot!(show(&Reply::LogPage(page(Vec::new()))));
    assert_eq!(structured(Reply::LogPage(page(Vec::new()))), None);
}

#[test]
fn short_answers() {
    let began = Began {
        process: "api".to_owned(),
        run: 4,
        pid: 4242,
        recipe: Mode::Dev,
        already: false,
        build: Some(12),
        warnings: 1,
    };
    let already = Began { already: true, build: None, warnings: 0, ..began.clone() };
    let why = WhyAnswer {
        status: crashing("db"),
        evidence: Some(page(vec![line(7, 1, true, "no such table: users", 1)])),
        survivors: vec!["4711 (postgres)".to_owned()],
    };
    let applied = Applied {
        added: vec!["a".to_owned(), "b".to_owned()],
        removed: Vec::new(),
        changed: vec!["c".to_owned()],
    };
    let answers = [
        Reply::Began(began),
        Reply::Began(already),
        Reply::Done(Done { message: "`api` has stopped".to_owned() }),
        Reply::Applied(applied),
        Reply::Applied(Applied::default()),
        Reply::Why(Box::new(why)),
    ];
    insta::assert_snapshot!(answers.each_ref().map(show).join("\n---\n"));
}

#[test]
fn an_error_says_its_code_the_next_step_and_the_detail() {
    let failed = Error::new(Code::BuildFailed, "`api` does not build: 1 error; run 3 still serves")
        .hint("fix it and call `restart` again")
        .detail("error[E0308]: mismatched types\n --> src/main.rs:3:5\n");
    insta::assert_snapshot!(error(&failed));
    assert_eq!(structured_error(failed)["detail"], "error[E0308]: mismatched types\n --> src/main.rs:3:5");
}

#[test]
fn a_long_detail_is_bounded() {
    let long = Error::new(Code::BuildFailed, "no").detail("é".repeat(100_000));
    let text = error(&long);
    assert!(text.len() < 8_400, "{}", text.len());
    assert!(text.ends_with("more"), "{}", &text[text.len() - 40..]);
}

mod tasks;
