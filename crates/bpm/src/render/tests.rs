//! What people see, at the widths of two terminals.

use bpm_api::{
    Alarm, Applied, Began, BuildProgress, BuildStatus, Code, Condition, Error, EventLine, ExitStatus,
    KillRequest, LogLine, LogPage, ManagerStatus, Met, Mode, Paths, ProcessKind, ProcessStatus, Sample,
    State, Status, Stream, TargetState, TaskList, TaskReport, TaskState, TaskStatus, WaitAnswer, WhyAnswer,
};
use insta::assert_snapshot;

use super::Style;

const NARROW: Style = Style { color: false, width: Some(80) };
const WIDE: Style = Style { color: false, width: Some(120) };
const COLORED: Style = Style { color: true, width: Some(120) };

fn process(name: &str, state: State, why: &str) -> ProcessStatus {
    ProcessStatus {
        name: name.into(),
        kind: ProcessKind::Command,
        state,
        why: why.into(),
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
        keeps_artefact: false,
        events: Vec::new(),
    }
}

fn running(name: &str, pid: u32, ports: &[u16]) -> ProcessStatus {
    ProcessStatus {
        pid: Some(pid),
        run: Some(3),
        recipe: Some(Mode::Dev),
        uptime_seconds: Some(7265.0),
        restarts: 2,
        sample: Some(Sample {
            cpu_percent: 12.4,
            memory_bytes: 53 << 20,
            processes: 4,
            ports: ports.to_vec(),
            age_ms: 12,
        }),
        ..process(name, State::Running, "it was asked to run")
    }
}

fn crashed() -> ProcessStatus {
    ProcessStatus {
        next: Some("restart in 118 s".into()),
        run: Some(12),
        restarts: 11,
        crashes: 4,
        restart_in_seconds: Some(118.0),
        last_exit: Some(ExitStatus {
            run: 12,
            code: None,
            signal: Some("SEGV".into()),
            lost: false,
            asked: false,
            ago_seconds: 2.0,
        }),
        last_build: Some(BuildStatus {
            build: 9,
            recipe: Mode::Dev,
            ok: Some(false),
            ago_seconds: Some(61.0),
            took_seconds: Some(12.4),
            progress: None,
            note: Some("2 errors".into()),
        }),
        events: vec![EventLine {
            time: "2026-03-01T09:30:00.000Z".into(),
            text: "run 12 was ended by signal SEGV".into(),
            by: None,
        }],
        ..process("worker-with-a-long-name", State::BackingOff, "it crashed 4 times in a row")
    }
}

fn status(mode: Mode, processes: Vec<ProcessStatus>) -> Status {
    Status {
        mode,
        release_switch_in_seconds: (mode == Mode::Dev).then_some(10_740.0),
        manager: ManagerStatus {
            pid: 4711,
            version: "0.1.0".into(),
            uptime_seconds: 93_600.0,
            mcp_url: Some("http://127.0.0.1:3001/mcp".into()),
            bind: None,
            containment: "cgroup".into(),
            closing: false,
            paths: Paths {
                project: "/home/me/shop".into(),
                config: "/home/me/shop/.mcp-run".into(),
                state: "/home/me/.local/state/bpm/v1/0123456789abcdef".into(),
                socket: "/home/me/.local/state/bpm/v1/0123456789abcdef/s".into(),
                token: Some("/home/me/.local/state/bpm/v1/0123456789abcdef/token".into()),
            },
        },
        processes,
        tasks: Vec::new(),
        more_tasks: 0,
        alarms: Vec::new(),
    }
}

fn busy() -> Status {
    let building = ProcessStatus {
        building: Some(BuildStatus {
            build: 4,
            recipe: Mode::Dev,
            ok: None,
            ago_seconds: None,
            took_seconds: Some(3.2),
            progress: Some(BuildProgress { done: 12, total: 40, what: "serde, toml(build)".into() }),
            note: None,
        }),
        ..running("web", 4801, &[3000, 24_678])
    };
    let stopped = process("db", State::Stopped, "it was stopped by hand");
    Status {
        alarms: vec![Alarm {
            process: Some("api".into()),
            message: "the disk is full: 3 lines of log are lost".into(),
        }],
        ..status(Mode::Dev, vec![running("api", 4800, &[8080]), building, crashed(), stopped])
    }
}

#[test]
fn status_at_80_columns() {
    let text = super::status(&busy(), NARROW);
    assert!(text.lines().all(|line| line.chars().count() <= 80 || line.starts_with("    ")), "{text}");
    assert_snapshot!(text);
}

#[test]
fn status_at_120_columns() {
    assert_snapshot!(super::status(&busy(), WIDE));
}

#[test]
fn status_without_processes() {
    assert_snapshot!(super::status(&status(Mode::Release, Vec::new()), NARROW));
}

#[test]
fn colour_adds_nothing_but_escapes() {
    let colored = super::status(&busy(), COLORED);
    assert!(colored.contains("\x1b["));
    let mut plain = String::new();
    let mut rest = colored.as_str();
    while let Some((before, after)) = rest.split_once('\x1b') {
        plain.push_str(before);
        rest = after.split_once('m').unwrap().1;
    }
    plain.push_str(rest);
    assert_eq!(plain, super::status(&busy(), WIDE));
}

#[test]
fn welcome_says_where_and_what_next() {
    assert_snapshot!(super::welcome(&busy()));
}

fn line(process: Option<&str>, number: u64, is_match: bool, text: &str) -> LogLine {
    LogLine {
        process: process.map(Into::into),
        run: 3,
        number,
        time: "2026-03-01T09:30:00.000Z".into(),
        stream: Stream::Stdout,
        is_match,
        text: text.into(),
        times: 1,
        alike: false,
        by_turns: false,
        last_number: None,
        skipped: None,
    }
}

fn page(lines: Vec<LogLine>) -> LogPage {
    LogPage {
        source: "api run 3 (running)".into(),
        matches: lines.iter().filter(|line| line.is_match).count() as u64,
        lines,
        omitted_before: 0,
        omitted_between: 0,
        resumed: false,
        omitted_after: 0,
        lost_lines: 0,
        lost_bytes: 0,
        cursor: "api:3:41".into(),
    }
}

#[test]
fn a_search_marks_matches_and_separates_what_is_apart() {
    let mut lines = vec![
        line(None, 10, false, "connecting"),
        line(None, 11, true, "error: refused"),
        line(None, 31, false, "connecting"),
        line(None, 32, true, "error: refused"),
        line(None, 40, false, "giving up\x1b[2J"),
    ];
    lines[3].times = 8;
    let page = LogPage { omitted_after: 7, lost_lines: 2, lost_bytes: 90, ..page(lines) };
    assert_snapshot!(super::log_page(&page, true, NARROW));
}

#[test]
fn several_processes_are_labelled() {
    let lines = vec![
        line(Some("api"), 1, true, "up"),
        line(Some("web"), 1, true, "ready"),
        line(Some("api"), 2, true, "GET /"),
    ];
    let page = LogPage { source: "api run 3 (running), web run 9 (running)".into(), ..page(lines) };
    assert_snapshot!(super::log_page(&page, false, NARROW));
}

#[test]
fn a_search_that_finds_nothing_says_where_it_looked() {
    assert_snapshot!(super::log_page(&page(Vec::new()), true, NARROW));
}

#[test]
fn why_gives_reason_next_step_and_evidence() {
    let evidence = page(vec![
        line(None, 40, true, "thread 'main' panicked at src/db.rs:41"),
        line(None, 41, true, "no route"),
    ]);
    let answer =
        WhyAnswer { status: crashed(), evidence: Some(evidence), survivors: vec!["4812 (gradle)".into()] };
    assert_snapshot!(super::why(&answer, NARROW));
}

#[test]
fn an_error_has_its_hint_and_its_detail() {
    let error = Error::new(Code::BuildFailed, "build 4 of `api` failed: 1 error; run 3 goes on")
        .hint("mend it and `bpm restart api`; the whole text: `bpm build-log api`")
        .detail("error[E0308]: mismatched types\n --> src/main.rs:4:9\n  |\n4 |     \"no\"\n  |     ^^^^ expected `u8`\n");
    assert_snapshot!(super::error(&error, NARROW));
    assert_snapshot!(super::error(&Error::new(Code::Internal, "no\x1b]0;title\x07 hint"), NARROW), @r"error: no\u{1b}]0;title\u{7} hint");
}

#[test]
fn a_run_that_came_up() {
    let began = Began {
        process: "api".into(),
        run: 4,
        pid: 4900,
        recipe: Mode::Dev,
        already: false,
        build: Some(7),
        warnings: 1,
    };
    assert_snapshot!(super::restarted(&began, NARROW), @"▶ api restarted: run 4, pid 4900, dev recipe, build 7 with 1 warning");
    let began = Began { already: true, build: None, warnings: 0, ..began };
    assert_snapshot!(super::started(&began, NARROW), @"▶ api runs already: run 4, pid 4900, dev recipe");
}

#[test]
fn a_configuration_that_was_applied() {
    let applied =
        Applied { added: vec!["web".into()], removed: vec!["old".into()], changed: vec!["api".into()] };
    assert_snapshot!(super::applied(&applied), @r"
    + web
    - old
    ~ api (from the next start on)
    ");
    assert_snapshot!(super::applied(&Applied::default()), @"the configuration is in force; no process changed");
}

#[test]
fn a_failed_build_is_told_once() {
    let last_build = crashed().last_build;
    let failed =
        ProcessStatus { last_build, ..process("api", State::BuildFailed, "build 9 failed: 2 errors") };
    let text = super::status(&status(Mode::Dev, vec![failed]), NARROW);
    assert_eq!(text.matches("2 errors").count(), 1, "{text}");
}

fn task(id: &str, state: TaskState) -> TaskStatus {
    TaskStatus {
        task_id: id.into(),
        name: None,
        command: "cargo test --workspace".into(),
        cwd: "/home/ann/shop".into(),
        state,
        exit_code: None,
        signal: None,
        pid: Some(4711),
        ready: None,
        pty: false,
        started: "2026-11-21T08:00:00Z".into(),
        seconds: 63.2,
        ended_ago_seconds: None,
        kill_requested: None,
        kill_in_seconds: None,
        survivors: Vec::new(),
        note: None,
        by: "cli ann".into(),
        sample: None,
    }
}

fn tasks_in_every_state() -> Vec<TaskStatus> {
    let sample =
        Sample { cpu_percent: 1.0, memory_bytes: 40 << 20, processes: 2, ports: vec![5432], age_ms: 3 };
    let ended = |id: &str, state| TaskStatus { ended_ago_seconds: Some(12.0), ..task(id, state) };
    vec![
        TaskStatus {
            name: Some("db".into()),
            ready: Some(true),
            kill_in_seconds: Some(30.0),
            sample: Some(sample),
            ..task("t1", TaskState::Running)
        },
        ended("t2", TaskState::Completed),
        TaskStatus { exit_code: Some(101), ..ended("t3", TaskState::Failed) },
        TaskStatus {
            signal: Some("TERM".into()),
            kill_requested: Some(KillRequest { by: "mcp claude-code 2.1".into(), ago_seconds: 14.0 }),
            survivors: vec!["pid 99 (nfsd), in uninterruptible sleep".into()],
            ..ended("t4", TaskState::Killed)
        },
        TaskStatus { note: Some("its shim died".into()), ..ended("t\x1b[2J", TaskState::Lost) },
    ]
}

#[test]
fn tasks_are_a_table_and_one_is_told_in_words() {
    let list = TaskList { tasks: tasks_in_every_state(), more: 0, output: None };
    assert_snapshot!("tasks_narrow", super::tasks(&list, 3, NARROW));
    let told: Vec<String> = (list.tasks.into_iter())
        .map(|task| super::task(&TaskReport { task, already: false, output: None }, WIDE))
        .collect();
    assert_snapshot!("tasks_in_words", told.concat());
    assert_eq!(super::tasks(&TaskList::default(), 0, NARROW), "there are no tasks\n");
}

#[test]
fn a_wait_tells_what_held_or_where_all_stand() {
    let met = Met {
        condition: Condition::Exit,
        target: "t3".into(),
        what: "exited with 101 after 3.2 s".into(),
        bad: true,
        port_holder: Some("pid 7 (`node x.js`)".into()),
    };
    let stands =
        TargetState { target: "api".into(), state: "starting".into(), why: "it is being built".into() };
    let answer = WaitAnswer {
        met: Some(met),
        waited_seconds: 3.2,
        targets: vec![stands],
        lines: None,
        cursor: "c".into(),
    };
    assert_snapshot!(super::waited(&answer, NARROW), @r"
    ✗ t3 exited with 101 after 3.2 s (waited 3.2 s)
      the port is held by pid 7 (`node x.js`)
    ");
    assert_snapshot!(super::waited(&WaitAnswer { met: None, ..answer }, NARROW), @r"
    … nothing of it after 3.2 s
      api: starting: it is being built
    ");
}
