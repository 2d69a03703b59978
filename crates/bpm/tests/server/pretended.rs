//! A control that only pretends: a project of a few processes and tasks, and what happens in it on demand.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use bpm::control::{Changes, Control, Presence};
use bpm_api::{
    Answer, Began, CallState, CallStatus, Change, Code, Done, Error, Event, EventKind, InputSent, LogLine,
    LogPage, ManagerStatus, Met, Mode, News, Origin, Paths, ProcessKind, ProcessStatus, Reply, Request,
    State, Status, Stream, SubmitCall, TargetState, TaskList, TaskReport, TaskState, TaskStatus, WaitAnswer,
    WaitFor, Watch, WhyAnswer,
};
use tokio::sync::{mpsc, watch};

/// Answers at once, but `restart` of `slow`, which waits for `open`.
#[derive(Clone)]
pub(crate) struct Pretended {
    seen: Arc<Mutex<Vec<(Request, Origin)>>>,
    open: watch::Sender<bool>,
    /// How many calls wait, and how many were dropped while they did.
    pub(crate) waiting: watch::Sender<usize>,
    pub(crate) dropped: watch::Sender<usize>,
    /// Clients that are there.
    pub(crate) present: watch::Sender<usize>,
    watchers: Arc<Mutex<Vec<mpsc::Sender<Change>>>>,
    /// How many watches were ever opened.
    pub(crate) watched: watch::Sender<usize>,
    project: Arc<Mutex<Project>>,
}

#[derive(Default)]
struct Project {
    processes: Vec<ProcessStatus>,
    tasks: Vec<TaskStatus>,
    calls: HashMap<String, CallStatus>,
    news: Option<String>,
}

struct Present(watch::Sender<usize>);

impl Drop for Present {
    fn drop(&mut self) {
        self.0.send_modify(|count| *count -= 1);
    }
}

struct Waiting<'a>(&'a Pretended);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        if !*self.0.open.borrow() {
            self.0.dropped.send_modify(|count| *count += 1);
        }
    }
}

impl Pretended {
    pub(crate) fn new() -> Pretended {
        Pretended {
            seen: Arc::default(),
            open: watch::Sender::new(false),
            waiting: watch::Sender::new(0),
            dropped: watch::Sender::new(0),
            present: watch::Sender::new(0),
            watchers: Arc::default(),
            watched: watch::Sender::new(0),
            project: Arc::default(),
        }
    }

    pub(crate) fn with_process(&self, name: &str, state: State) {
        self.project.lock().unwrap().processes.push(process(name, state));
    }

    pub(crate) fn with_task(&self, id: &str, name: Option<&str>, state: TaskState) {
        self.project.lock().unwrap().tasks.push(task(id, name, state));
    }

    pub(crate) fn with_news(&self, line: &str) {
        self.project.lock().unwrap().news = Some(line.to_owned());
    }

    /// A call that was handed over is done.
    pub(crate) fn finish(&self, call_id: &str, answer: Answer) {
        let mut project = self.project.lock().unwrap();
        let call = project.calls.get_mut(call_id).unwrap();
        call.state = CallState::Done;
        call.answer = Some(Box::new(answer));
    }

    /// An event of a process or task.
    pub(crate) async fn event(&self, process: &str, kind: EventKind, steps: Option<(u32, u32)>) {
        let event = Event {
            seq: 1,
            time: "2026-01-02T03:04:05Z".to_owned(),
            process: Some(process.to_owned()),
            kind,
            text: format!("{kind:?}"),
            by: None,
            steps,
        };
        self.happens(Change::Event(event)).await;
    }

    pub(crate) fn seen(&self) -> Vec<(Request, Origin)> {
        self.seen.lock().unwrap().clone()
    }

    pub(crate) fn let_go(&self) {
        self.open.send_replace(true);
    }

    /// Tells every watcher.
    pub(crate) async fn happens(&self, change: Change) {
        let watchers = self.watchers.lock().unwrap().clone();
        for watcher in watchers {
            // Who watches no more has no need of it.
            let _ = watcher.send(change.clone()).await;
        }
    }

    async fn restart(&self, process: Option<&str>) -> Result<Reply, Error> {
        match process {
            Some("broken") => Err(Error::new(Code::BuildFailed, "`broken` does not build: 1 error")
                .hint("`bpm build-log broken` shows all of it")
                .detail("error[E0308]: mismatched types")),
            Some("late") => Err(Error::new(Code::TimedOut, "`late` is still building")),
            Some("slow") => {
                let waiting = Waiting(self);
                self.waiting.send_modify(|count| *count += 1);
                self.open.subscribe().wait_for(|open| *open).await.unwrap();
                drop(waiting);
                Ok(began("slow"))
            }
            other => Ok(began(other.unwrap_or("api"))),
        }
    }
}

impl Pretended {
    fn status(&self) -> Status {
        let project = self.project.lock().unwrap();
        Status { processes: project.processes.clone(), tasks: project.tasks.clone(), ..status() }
    }

    fn why(&self, name: &str) -> Result<Reply, Error> {
        let status = self.status().processes.into_iter().find(|process| process.name == name);
        let unknown = || Error::new(Code::UnknownProcess, format!("there is no process `{name}`"));
        let answer =
            WhyAnswer { status: status.ok_or_else(unknown)?, evidence: Some(page()), survivors: Vec::new() };
        Ok(Reply::Why(Box::new(answer)))
    }

    /// For `slow` until it is let go; for anything else at once.
    async fn wait(&self, wait: &WaitFor) -> Result<Reply, Error> {
        let target = wait.targets.first().cloned().unwrap_or_default();
        if target == "slow" {
            let waiting = Waiting(self);
            self.waiting.send_modify(|count| *count += 1);
            self.open.subscribe().wait_for(|open| *open).await.unwrap();
            drop(waiting);
        }
        let met = Met {
            condition: bpm_api::Condition::Ready,
            target: target.clone(),
            what: "is ready".to_owned(),
            bad: false,
            port_holder: None,
        };
        let state = TargetState { target, state: "running".to_owned(), why: String::new() };
        Ok(Reply::Wait(WaitAnswer {
            met: Some(met),
            waited_seconds: 0.0,
            targets: vec![state],
            lines: Some(page()),
            cursor: "w:1".to_owned(),
        }))
    }

    /// A wait for `soon` is done before anybody can ask.
    fn submit(&self, call: &SubmitCall) -> CallStatus {
        let mut project = self.project.lock().unwrap();
        let is_soon = matches!(&*call.request, Request::WaitFor(wait) if wait.targets == ["soon"]);
        let answer = is_soon.then(|| Box::new(Answer::Reply(began("soon"))));
        let status = CallStatus {
            call_id: format!("call-{}", project.calls.len()),
            state: if is_soon { CallState::Done } else { CallState::Working },
            created: "2026-01-02T03:04:05Z".to_owned(),
            updated: "2026-01-02T03:04:15Z".to_owned(),
            keep_seconds: 300.0,
            message: "is waiting".to_owned(),
            answer,
        };
        project.calls.insert(status.call_id.clone(), status.clone());
        status
    }

    fn call_of(&self, call_id: &str) -> Result<CallStatus, Error> {
        let known = self.project.lock().unwrap().calls.get(call_id).cloned();
        known.ok_or_else(|| Error::new(Code::UnknownCall, format!("there is no call `{call_id}`")))
    }
}

impl Control for Pretended {
    async fn call(&self, request: Request, origin: Origin) -> Result<Reply, Error> {
        self.seen.lock().unwrap().push((request.clone(), origin));
        match &request {
            Request::GetStatus(_) => Ok(Reply::Status(Box::new(self.status()))),
            Request::GetNews(_) => {
                let line = self.project.lock().unwrap().news.take();
                Ok(Reply::News(News { line }))
            }
            Request::Why(why) => self.why(&why.process),
            Request::RunTask(_) => Ok(Reply::Task(Box::new(TaskReport {
                task: task("t9", None, TaskState::Running),
                already: false,
                output: Some(page()),
            }))),
            Request::EndTask(end) => Ok(Reply::Task(Box::new(TaskReport {
                task: task(&end.task_id, None, TaskState::Killed),
                already: false,
                output: None,
            }))),
            Request::GetTask(_) => {
                let tasks = self.project.lock().unwrap().tasks.clone();
                Ok(Reply::Tasks(TaskList { tasks, more: 0, output: None }))
            }
            Request::SendInput(_) => Ok(Reply::Input(InputSent {
                target: "t9".to_owned(),
                bytes: 3,
                unsure: false,
                seen: None,
                output: None,
            })),
            Request::WaitFor(wait) => self.wait(wait).await,
            Request::SubmitCall(call) => Ok(Reply::Call(self.submit(call))),
            Request::GetCall(call) => self.call_of(&call.call_id).map(Reply::Call),
            Request::CancelCall(call) => {
                self.call_of(&call.call_id)?;
                let mut project = self.project.lock().unwrap();
                let status = project.calls.get_mut(&call.call_id).unwrap();
                status.state = CallState::Cancelled;
                Ok(Reply::Call(status.clone()))
            }
            Request::SearchLogs(query) if query.0.process.as_deref() == Some("nope") => {
                Err(Error::new(Code::UnknownProcess, "there is no process `nope`, only `api`"))
            }
            Request::Restart(restart) => self.restart(restart.process.as_deref()).await,
            Request::Start(start) if start.process == "api" => Ok(began("api")),
            Request::Start(start) => Err(Error::new(
                Code::UnknownProcess,
                format!("there is no process `{}`, only `api`", start.process),
            )),
            Request::Stop(_) | Request::Shutdown(_) => {
                Ok(Reply::Done(Done { message: "stopped".to_owned() }))
            }
            Request::SearchLogs(_) | Request::SearchBuildLog(_) => Ok(Reply::LogPage(page())),
            _ => Err(Error::new(Code::Closing, "the manager is ending")),
        }
    }

    /// There is, for one session, and where a test said so.
    fn has_news(&self, origin: &Origin) -> bool {
        origin.session.as_deref() == Some("curious") || self.project.lock().unwrap().news.is_some()
    }

    fn presence(&self) -> Presence {
        self.present.send_modify(|count| *count += 1);
        Presence(Some(Box::new(Present(self.present.clone()))))
    }

    async fn watch(&self, what: Watch) -> Result<Changes, Error> {
        if !what.events && what.logs.is_empty() {
            return Err(Error::new(Code::InvalidParameter, "nothing to watch"));
        }
        let (told, changes) = mpsc::channel(8);
        self.watchers.lock().unwrap().push(told);
        self.watched.send_modify(|count| *count += 1);
        Ok(Changes(changes))
    }
}

fn began(process: &str) -> Reply {
    Reply::Began(Began {
        process: process.to_owned(),
        run: 4,
        pid: 4242,
        recipe: Mode::Dev,
        already: false,
        build: Some(7),
        warnings: 0,
    })
}

fn page() -> LogPage {
    let line = |number, is_match, text: &str| LogLine {
        process: None,
        run: 3,
        number,
        time: "2026-01-02T03:04:05Z".to_owned(),
        stream: Stream::Stdout,
        is_match,
        text: text.to_owned(),
        times: 1,
        alike: false,
        by_turns: false,
        last_number: None,
        skipped: None,
    };
    LogPage {
        source: "api run 3 (running)".to_owned(),
        lines: vec![line(1, false, "listening"), line(2, true, "panic")],
        matches: 1,
        omitted_before: 0,
        omitted_between: 0,
        resumed: false,
        omitted_after: 0,
        lost_lines: 0,
        lost_bytes: 0,
        cursor: "3:2".to_owned(),
    }
}

fn status() -> Status {
    let text = str::to_owned;
    Status {
        mode: Mode::Release,
        release_switch_in_seconds: None,
        manager: ManagerStatus {
            pid: 1,
            version: text("0.1.0"),
            uptime_seconds: 5.0,
            mcp_url: None,
            bind: None,
            containment: text("cgroup"),
            closing: false,
            paths: Paths {
                project: text("/p"),
                config: text("/p/.mcp-run"),
                state: text("/s"),
                socket: text("/s/sock"),
                token: None,
            },
        },
        processes: Vec::new(),
        tasks: Vec::new(),
        more_tasks: 0,
        alarms: Vec::new(),
    }
}

fn process(name: &str, state: State) -> ProcessStatus {
    ProcessStatus {
        name: name.to_owned(),
        kind: ProcessKind::Command,
        state,
        why: format!("{name} is {}", state.as_str()),
        next: None,
        pid: None,
        run: Some(3),
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

fn task(id: &str, name: Option<&str>, state: TaskState) -> TaskStatus {
    TaskStatus {
        task_id: id.to_owned(),
        name: name.map(str::to_owned),
        command: "sleep 60".to_owned(),
        cwd: "/p".to_owned(),
        state,
        exit_code: None,
        signal: None,
        pid: None,
        ready: None,
        pty: false,
        started: "2026-01-02T03:04:05Z".to_owned(),
        seconds: 1.0,
        ended_ago_seconds: None,
        kill_requested: None,
        kill_in_seconds: None,
        survivors: Vec::new(),
        note: None,
        by: "tester 1.2".to_owned(),
        sample: None,
    }
}
