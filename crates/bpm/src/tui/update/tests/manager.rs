//! A manager made of data: it has processes, tasks and logs, and answers as the real one promises to.

use std::collections::BTreeMap;

use bpm_api::{
    BuildStatus, Code, Done, Error, KeptRun, LogWindow, ManagerStatus, Mode, Paths, ProcessKind,
    ProcessStatus, ReadFrom, ReadLog, ReadOnly, Reply, Request, Runs, State, Status, Stream, TaskState,
    TaskStatus, WindowLine,
};
use regex_automata::meta::Regex;

/// One run's output.
#[derive(Clone, Debug, Default)]
pub(super) struct Log {
    pub(super) lines: Vec<String>,
    /// Lines before this one are not kept.
    pub(super) first: u64,
    pub(super) ended: bool,
}

#[derive(Debug)]
pub(super) struct Manager {
    pub(super) status: Status,
    /// By name, and whether they are of builds; then by number.
    pub(super) logs: BTreeMap<(String, bool), BTreeMap<u64, Log>>,
    /// Lines that a search looks at before it breaks off.
    pub(super) patience: u64,
    /// What was asked, in words.
    pub(super) asked: Vec<String>,
}

pub(super) fn process(name: &str, state: State) -> ProcessStatus {
    let is_running = state == State::Running;
    ProcessStatus {
        name: name.to_owned(),
        kind: ProcessKind::Rust,
        state,
        why: String::new(),
        next: None,
        pid: is_running.then_some(100),
        run: is_running.then_some(1),
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
        ago_seconds: None,
        took_seconds: None,
        progress: None,
        note: None,
    }
}

pub(super) fn task(id: &str, state: TaskState, ended_ago: Option<f64>) -> TaskStatus {
    TaskStatus {
        task_id: id.to_owned(),
        name: None,
        command: format!("cargo test -p {id}"),
        cwd: "/".to_owned(),
        state,
        exit_code: ended_ago.map(|_| 0),
        signal: None,
        pid: ended_ago.is_none().then_some(7),
        ready: None,
        pty: false,
        started: String::new(),
        seconds: 1.0,
        ended_ago_seconds: ended_ago,
        kill_requested: None,
        kill_in_seconds: None,
        survivors: Vec::new(),
        note: None,
        by: "cli alice".to_owned(),
        sample: None,
    }
}

pub(super) fn status(processes: Vec<ProcessStatus>, tasks: Vec<TaskStatus>) -> Status {
    let path = String::new;
    Status {
        mode: Mode::Dev,
        release_switch_in_seconds: None,
        manager: ManagerStatus {
            pid: 1,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            uptime_seconds: 1.0,
            mcp_url: None,
            bind: None,
            containment: "cgroup".to_owned(),
            closing: false,
            paths: Paths { project: path(), config: path(), state: path(), socket: path(), token: None },
        },
        processes,
        tasks,
        more_tasks: 0,
        alarms: Vec::new(),
    }
}

impl Manager {
    pub(super) fn new(status: Status) -> Manager {
        Manager { status, logs: BTreeMap::new(), patience: u64::MAX, asked: Vec::new() }
    }

    /// The log of a run, made where there is none.
    pub(super) fn log(&mut self, name: &str, builds: bool, run: u64) -> &mut Log {
        let runs = self.logs.entry((name.to_owned(), builds)).or_default();
        runs.entry(run).or_insert_with(|| Log { first: 1, ..Log::default() })
    }

    pub(super) fn answer(&mut self, request: &Request) -> Result<Reply, Error> {
        self.asked.push(match request {
            Request::ReadLog(ask) => format!("{:?} of {:?}: {} lines", ask.from, ask.run, ask.lines),
            other => other.name().to_owned(),
        });
        match request {
            Request::GetStatus(ask) => {
                let mut status = self.status.clone();
                if let Some(name) = &ask.process {
                    status.processes.retain(|process| process.name == *name);
                }
                Ok(Reply::Status(Box::new(status)))
            }
            Request::ReadLog(ask) => self.read(ask).map(Reply::Window),
            Request::GetRuns(ask) => Ok(Reply::Runs(self.runs(&ask.target))),
            other => Ok(Reply::Done(Done { message: format!("{} is done", other.name()) })),
        }
    }

    fn runs(&self, name: &str) -> Runs {
        let of = |builds: bool| {
            let runs = self.logs.get(&(name.to_owned(), builds));
            let kept = |(number, log): (&u64, &Log)| KeptRun {
                number: *number,
                started: None,
                ended: None,
                how: if log.ended { "ended" } else { "running" }.to_owned(),
                bad: false,
                lines: log.lines.len() as u64,
                bytes: 0,
            };
            runs.into_iter().flatten().map(kept).collect()
        };
        Runs { runs: of(false), builds: of(true) }
    }

    fn read(&self, ask: &ReadLog) -> Result<LogWindow, Error> {
        let Some(runs) = self.logs.get(&(ask.target.clone(), ask.builds)) else {
            return Ok(LogWindow { first_line: 1, next_line: 1, ..LogWindow::default() });
        };
        let newest = runs.last_key_value().map_or(0, |(number, _)| *number);
        let run = ask.run.unwrap_or(newest);
        let Some(log) = runs.get(&run) else { return Err(Error::new(Code::UnknownRun, "no such run")) };
        let next = log.lines.len() as u64 + 1;
        let (lines, broke_off) = self.pick(log, ask);
        Ok(LogWindow {
            run,
            newest,
            ended: log.ended,
            first_line: log.first.min(next),
            next_line: next,
            lines,
            broke_off,
            ..LogWindow::default()
        })
    }

    fn pick(&self, log: &Log, ask: &ReadLog) -> (Vec<WindowLine>, Option<u64>) {
        let next = log.lines.len() as u64 + 1;
        let regex = match &ask.only {
            ReadOnly::All => None,
            ReadOnly::Matching(pattern) => Some(Regex::new(pattern).expect("a pattern")),
            ReadOnly::Errors => Some(Regex::new("^error").expect("a pattern")),
        };
        let (numbers, backward): (Box<dyn Iterator<Item = u64>>, bool) = match ask.from {
            ReadFrom::End => (Box::new((log.first..next).rev()), true),
            ReadFrom::Before(before) => (Box::new((log.first..before.min(next)).rev()), true),
            ReadFrom::After(after) => (Box::new(log.first.max(after.saturating_add(1))..next), false),
        };
        let (mut lines, mut broke_off, mut looked) = (Vec::new(), None, 0);
        for number in numbers {
            if lines.len() >= ask.lines as usize {
                break;
            }
            looked += 1;
            let text = &log.lines[usize::try_from(number - 1).expect("a small number")];
            if regex.as_ref().is_none_or(|regex| regex.is_match(text)) {
                lines.push(line(number, text));
            }
            if regex.is_some() && looked >= self.patience && lines.len() < ask.lines as usize {
                broke_off = Some(number);
                break;
            }
        }
        if backward {
            lines.reverse();
        }
        (lines, broke_off)
    }
}

pub(super) fn line(number: u64, text: &str) -> WindowLine {
    WindowLine {
        number,
        time: "2026-01-01T00:00:00Z".to_owned(),
        stream: Stream::Stdout,
        text: text.to_owned(),
        clipped_bytes: 0,
        open: false,
    }
}
