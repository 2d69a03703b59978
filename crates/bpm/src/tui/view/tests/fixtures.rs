//! Models as they are while somebody works: a shop of several programs, in all kinds of states.

use std::collections::VecDeque;

use bpm_api::{
    Alarm, BuildProgress, BuildStatus, Code, Error, Event, EventKind, EventLine, ExitStatus, Hello, KeptRun,
    KillRequest, LogLine, LogPage, ManagerStatus, Mode, Paths, ProcessKind, ProcessStatus, Runs, Sample,
    State, Status, Stream, TaskState, TaskStatus, WhyAnswer, WindowLine,
};
use regex_automata::meta::Regex;

use crate::tui::message::Now;
use crate::tui::model::history::Point;
use crate::tui::model::log::{Search, Source};
use crate::tui::model::{Level, Link, Look, Model, Note, Target};

/// 2026-11-21T09:05:31Z
pub(super) const NOW: Now = Now { mono_ms: 4_000_000, wall_ms: 1_795_251_931_000 };

pub(super) fn process(name: &str, state: State) -> ProcessStatus {
    ProcessStatus {
        name: name.to_owned(),
        kind: ProcessKind::Rust,
        state,
        why: String::new(),
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

pub(super) fn build(number: u64, ok: Option<bool>) -> BuildStatus {
    BuildStatus {
        build: number,
        recipe: Mode::Dev,
        ok,
        ago_seconds: ok.map(|_| 190.0),
        took_seconds: Some(12.0),
        progress: None,
        note: None,
    }
}

fn event(time: &str, text: &str, by: Option<&str>) -> EventLine {
    EventLine { time: time.to_owned(), text: text.to_owned(), by: by.map(str::to_owned) }
}

fn running() -> ProcessStatus {
    ProcessStatus {
        why: "up for 3 min 5 s".to_owned(),
        pid: Some(4821),
        run: Some(4),
        recipe: Some(Mode::Dev),
        uptime_seconds: Some(185.0),
        restarts: 3,
        last_exit: Some(ExitStatus {
            run: 3,
            code: Some(101),
            signal: None,
            lost: false,
            asked: false,
            ago_seconds: 186.0,
        }),
        last_build: Some(build(3, Some(true))),
        sample: Some(Sample {
            cpu_percent: 12.4,
            memory_bytes: 34 << 20,
            processes: 3,
            ports: vec![3000, 9229],
            age_ms: 20,
        }),
        ..process("api", State::Running)
    }
}

fn building() -> ProcessStatus {
    let progress = BuildProgress { done: 12, total: 40, what: "serde".to_owned() };
    ProcessStatus {
        why: "up for 2 h; dev build 8 is under way (restart)".to_owned(),
        pid: Some(4533),
        run: Some(7),
        recipe: Some(Mode::Dev),
        uptime_seconds: Some(7230.0),
        restarts: 6,
        building: Some(BuildStatus { progress: Some(progress), ..build(8, None) }),
        ..process("web", State::Running)
    }
}

fn backing_off() -> ProcessStatus {
    ProcessStatus {
        why: "run 9 ended with exit code 1 after 0.3 s".to_owned(),
        next: Some("restarts in 5 s (`restart_delay`); now: `bpm restart worker`".to_owned()),
        restarts: 8,
        crashes: 2,
        restart_in_seconds: Some(5.0),
        ..process("worker", State::BackingOff)
    }
}

fn crash_looping() -> ProcessStatus {
    ProcessStatus {
        why: "gave up after 10 crashes within 60 s (`give_up`)".to_owned(),
        next: Some("mend it, then `bpm restart mailer`".to_owned()),
        restarts: 10,
        crashes: 10,
        ..process("mailer", State::CrashLooping)
    }
}

fn build_failed() -> ProcessStatus {
    let note = Some("error[E0308]: mismatched types".to_owned());
    ProcessStatus {
        why: "build 2 failed: error[E0308]: mismatched types".to_owned(),
        next: Some("`bpm build-log search` shows it; mend it, then `bpm restart search`".to_owned()),
        last_build: Some(BuildStatus { note, ..build(2, Some(false)) }),
        ..process("search", State::BuildFailed)
    }
}

pub(super) fn task(id: &str, command: &str, state: TaskState) -> TaskStatus {
    TaskStatus {
        task_id: id.to_owned(),
        name: None,
        command: command.to_owned(),
        cwd: "/home/ada/shop".to_owned(),
        state,
        exit_code: None,
        signal: None,
        pid: None,
        ready: None,
        pty: false,
        started: "2026-11-21T09:01:00Z".to_owned(),
        seconds: 31.0,
        ended_ago_seconds: (state != TaskState::Running).then_some(240.0),
        kill_requested: None,
        kill_in_seconds: None,
        survivors: Vec::new(),
        note: None,
        by: "claude-code".to_owned(),
        sample: None,
    }
}

fn tasks() -> Vec<TaskStatus> {
    vec![
        TaskStatus {
            pid: Some(5100),
            ready: Some(false),
            pty: true,
            kill_in_seconds: Some(569.0),
            sample: Some(Sample {
                cpu_percent: 187.0,
                memory_bytes: 512 << 20,
                processes: 9,
                ports: Vec::new(),
                age_ms: 0,
            }),
            ..task("t5", "cargo test --workspace", TaskState::Running)
        },
        TaskStatus { name: Some("lint".to_owned()), ..task("t4", "cargo clippy", TaskState::Completed) },
        TaskStatus { exit_code: Some(101), ..task("t3", "cargo test -p shop", TaskState::Failed) },
        TaskStatus {
            signal: Some("TERM".to_owned()),
            kill_requested: Some(KillRequest { by: "cli ada".to_owned(), ago_seconds: 242.0 }),
            survivors: vec!["5044 chrome".to_owned()],
            ..task("t2", "npm run storybook", TaskState::Killed)
        },
        TaskStatus {
            note: Some("its shim was killed".to_owned()),
            ..task("t1", "tail -f /var/log/syslog", TaskState::Lost)
        },
    ]
}

pub(super) fn status() -> Status {
    Status {
        mode: Mode::Dev,
        release_switch_in_seconds: Some(1680.0),
        manager: ManagerStatus {
            pid: 4711,
            version: "0.1.0".to_owned(),
            uptime_seconds: 7260.0,
            mcp_url: Some("http://127.0.0.1:3001/mcp".to_owned()),
            bind: None,
            containment: "cgroup".to_owned(),
            closing: false,
            paths: Paths {
                project: "/home/ada/shop".to_owned(),
                config: "/home/ada/shop/.mcp-run".to_owned(),
                state: "/home/ada/.local/state/bpm/shop".to_owned(),
                socket: "/run/user/1000/bpm/shop.sock".to_owned(),
                token: None,
            },
        },
        processes: vec![
            running(),
            building(),
            backing_off(),
            crash_looping(),
            build_failed(),
            process("bench", State::Idle),
            ProcessStatus { why: "stopped by cli ada".to_owned(), ..process("docs", State::Stopped) },
        ],
        tasks: tasks(),
        more_tasks: 0,
        alarms: Vec::new(),
    }
}

pub(super) fn with_status(model: &mut Model, status: Status) {
    let processes = status.processes.iter().map(|process| Target::Process(process.name.clone()));
    let tasks = status.tasks.iter().map(|task| Target::Task(task.task_id.clone()));
    model.targets = processes.chain(tasks).collect();
    model.status = Some(status);
    model.status_at = model.now;
}

pub(super) fn select(model: &mut Model, target: Target) {
    model.log.source = Some(Source { target: target.clone(), builds: false, run: None, by_itself: false });
    model.selected = Some(target);
}

pub(super) fn log_line(number: u64, text: &str) -> WindowLine {
    WindowLine {
        number,
        time: format!("2026-11-21T09:05:{:02}.{:03}Z", number % 60, number * 37 % 1000),
        stream: Stream::Stdout,
        text: text.to_owned(),
        clipped_bytes: 0,
        open: false,
    }
}

/// What a server prints: requests in colour, some of them in red and on stderr.
fn requests(model: &mut Model, last: u64) {
    let first = last.saturating_sub(199).max(1);
    let lines = (first..=last).map(|number| {
        let took = number * 7 % 40;
        let mut line = log_line(
            number,
            &format!(
                "\u{1b}[2m{number:>7}\u{1b}[0m \u{1b}[32mGET\u{1b}[0m /items/{} 200 in {took} ms",
                number % 977
            ),
        );
        if number.is_multiple_of(13) {
            line.text = format!("\u{1b}[1;31mERROR\u{1b}[0m item {number}: timeout after 30 s");
            line.stream = Stream::Stderr;
        }
        line
    });
    model.log.lines = lines.collect();
    model.log.first_line = 1;
    model.log.next_line = last + 1;
    model.log.more_before = first > 1;
    (model.log.run, model.log.newest) = (4, 4);
}

pub(super) fn note(level: Level, ago_ms: u64, text: &str) -> Note {
    let at = Now { mono_ms: NOW.mono_ms - ago_ms, wall_ms: NOW.wall_ms - ago_ms as i64 };
    Note { at, level, text: text.to_owned(), is_answer: false }
}

pub(super) fn label() -> String {
    "/home/ada/shop".to_owned()
}

/// Of a manager of this version.
pub(super) fn hello() -> Hello {
    let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    Hello {
        version: "0.1.0".to_owned(),
        operations: names(&["read_log", "get_runs", "send_signal", "resize_terminal"]),
        streams: names(&["watch", "output"]),
    }
}

/// All is well but for some programs; `api` is selected, and its log followed.
pub(super) fn shop(columns: u16, rows: u16) -> Model {
    let look = Look { offset_seconds: 3600, home: Some("/home/ada".to_owned()), ..Look::default() };
    let mut model = Model::new(look, label(), columns, rows, NOW);
    model.link =
        Link::Up { label: label(), hello: Some(hello()), manager_pid: Some(4711), since: Now::default() };
    with_status(&mut model, status());
    select(&mut model, Target::Process("api".to_owned()));
    requests(&mut model, 12_345);
    model.notes = VecDeque::from([
        note(Level::Good, 3_000_000, "connected"),
        note(Level::Bad, 200_000, "api crashed: run 3 exited with 101"),
        note(Level::Good, 185_000, "restart api: run 4 is up"),
        note(Level::Warning, 60_000, "worker waits before it is started again"),
    ]);
    let api = Target::Process("api".to_owned());
    let points = (0..100_u32).map(|step| Point {
        cpu_percent: f64::from(step % 23) * 2.0,
        memory_bytes: u64::from(20 + step / 6) << 20,
    });
    model.history.points.insert(api, points.collect());
    let heard = |time: &str, kind: EventKind, text: &str, by: Option<&str>| Event {
        seq: 9,
        time: time.to_owned(),
        process: Some("api".to_owned()),
        kind,
        text: text.to_owned(),
        by: by.map(str::to_owned),
        steps: None,
    };
    let claude = Some("claude-code");
    let events = [
        heard("2026-11-20T23:02:12.101Z", EventKind::Crashed, "run 3 crashed: exited with 101", None),
        heard("2026-11-21T09:02:13.4Z", EventKind::BuildStarted, "build 3 (dev) started", claude),
        heard("2026-11-21T09:02:15Z", EventKind::BuildProgress, "build 3 12/40 serde", None),
        heard("2026-11-21T09:02:25.9Z", EventKind::Started, "run 4 started", claude),
        heard("2026-11-21T09:03:00Z", EventKind::Input, "5 bytes were typed into it", Some("tui ada")),
    ];
    model.events.insert("api".to_owned(), VecDeque::from(events));
    model
}

pub(super) fn selected(columns: u16, rows: u16, target: Target) -> Model {
    let mut model = shop(columns, rows);
    select(&mut model, target);
    model.log.lines.clear();
    (model.log.run, model.log.newest, model.log.next_line) = (0, 0, 1);
    model
}

pub(super) fn of_process(columns: u16, rows: u16, name: &str) -> Model {
    selected(columns, rows, Target::Process(name.to_owned()))
}

pub(super) fn of_task(columns: u16, rows: u16, id: &str) -> Model {
    selected(columns, rows, Target::Task(id.to_owned()))
}

pub(super) fn gone(columns: u16, rows: u16) -> Model {
    let mut model = shop(columns, rows);
    let later = |ms: u64| Now { mono_ms: NOW.mono_ms + ms, wall_ms: NOW.wall_ms };
    model.now = later(12_300);
    let error =
        Error::new(Code::NoManager, "no manager runs for `/home/ada/shop`").hint("`bpm up -d` starts one");
    model.link = Link::Down {
        label: label(),
        error,
        since: later(0),
        next_try: later(13_000),
        tries: 5,
        orderly: false,
    };
    model
}

pub(super) fn alarmed(columns: u16, rows: u16) -> Model {
    let mut model = shop(columns, rows);
    let mut status = status();
    status.alarms = vec![
        Alarm { process: None, message: "the disk is full: output of 2 runs is lost".to_owned() },
        Alarm { process: Some("docs".to_owned()), message: ".mcp-run:12: unknown key `prot`".to_owned() },
    ];
    status.manager.closing = true;
    with_status(&mut model, status);
    let hello = Hello {
        version: "0.0.9".to_owned(),
        operations: vec!["get_status".to_owned(), "read_log".to_owned()],
        streams: Vec::new(),
    };
    model.link = Link::Up { label: label(), hello: Some(hello), manager_pid: None, since: NOW };
    model
}

pub(super) fn search(model: &mut Model, pattern: &str, found: u64) {
    model.log.search = Some(Search {
        pattern: pattern.to_owned(),
        regex: Regex::new(pattern).unwrap(),
        found: Some(found),
        looking: None,
    });
}

pub(super) fn why() -> WhyAnswer {
    let line = |number: u64, text: &str, times: u64| LogLine {
        process: None,
        run: 9,
        number,
        time: "2026-11-21T09:05:30Z".to_owned(),
        stream: Stream::Stderr,
        is_match: true,
        text: text.to_owned(),
        times,
        alike: times > 1,
        by_turns: false,
        last_number: None,
        skipped: None,
    };
    let evidence = LogPage {
        source: "worker run 9 (exited with 1)".to_owned(),
        lines: vec![
            line(1, "connecting to redis://localhost:6379", 3),
            line(4, "thread 'main' panicked at src/main.rs:12:34:", 1),
            line(5, "called `Result::unwrap()` on an `Err` value: Connection refused (os error 111)", 1),
        ],
        matches: 5,
        omitted_before: 0,
        omitted_between: 0,
        omitted_after: 0,
        lost_lines: 0,
        lost_bytes: 0,
        cursor: "c".to_owned(),
        resumed: false,
    };
    let mut status = backing_off();
    status.events = vec![event("2026-11-21T09:05:30Z", "run 9 crashed: exited with 1", None)];
    WhyAnswer { status, evidence: Some(evidence), survivors: vec!["4888 redis-cli".to_owned()] }
}

pub(super) fn runs() -> Runs {
    let kept = |number: u64, how: &str, bad: bool| KeptRun {
        number,
        started: Some(format!("2026-11-2{}T08:0{number}:00Z", number.min(4) / 4)),
        ended: None,
        how: how.to_owned(),
        bad,
        lines: number.pow(7),
        bytes: number.pow(9),
    };
    Runs {
        runs: vec![
            kept(2, "exited with 0", false),
            kept(3, "exited with 101", true),
            kept(4, "running", false),
        ],
        builds: vec![kept(1, "succeeded", false), kept(2, "failed", true), kept(3, "succeeded", false)],
    }
}
