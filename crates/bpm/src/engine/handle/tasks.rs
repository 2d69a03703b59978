//! Background tasks and input, as they are asked for: checked, handed over, and waited for.

use std::path::{Path, PathBuf};
use std::time::Duration;

use bpm_api::{
    Code, Condition, Done, EndTask, Error, GetTask, InputSent, LogPage, LogQuery, Met, Origin, Reply,
    RunTask, SendInput, TaskCommand, TaskList, TaskReady, TaskReport, TaskState, TaskStatus, WaitFor,
};
use bpm_core::fleet::{Outcome, Request, Typed};
use tokio::sync::oneshot;
use tokio::time::timeout;

use super::keys;
use super::{Handle, LONGEST_WAIT, Message, view, wait};
use crate::engine::asking::{Begun, Keystrokes};
use crate::engine::waits;
use crate::logbook::What;

/// How long a call waits for a task to be ready or to end, unless it says otherwise.
const FIRST_LOOK: Duration = Duration::from_secs(1);
/// How long `send_input` waits for what it is to wait for.
const USUAL_ECHO: Duration = Duration::from_secs(10);
/// The longest command line, in bytes, of all its words together: what one argument may have.
const MAX_COMMAND_BYTES: usize = 128 << 10;
/// Bytes that one call may type.
const MAX_INPUT_BYTES: usize = 32 << 10;
const USUAL_LINES: u32 = 50;
const MAX_NAME: usize = 64;

impl Handle {
    pub(super) async fn run_task(&self, ask: RunTask, origin: Origin) -> Result<Reply, Error> {
        let patience = match ask.timeout_seconds {
            Some(_) => wait(ask.timeout_seconds)?,
            None => FIRST_LOOK,
        };
        let cwd = check(&ask, &self.project().root)?;
        let has_ready = ask.ready.is_some();
        let Begun { id, outcome } = self.begin_task(ask, &cwd, origin).await?;
        let already = outcome.is_none();
        if let Some(outcome) = outcome {
            self.started(&id, outcome).await?;
        }
        self.first_end(&id, has_ready, patience).await?;
        let task = self.task(&id).await?;
        let output = self.output(&id).await;
        Ok(Reply::Task(Box::new(TaskReport { task, already, output })))
    }

    /// In a task of its own: whether it is ready is watched also where the caller goes away meanwhile.
    async fn begin_task(&self, ask: RunTask, cwd: &Path, origin: Origin) -> Result<Begun, Error> {
        let (reply, begun) = oneshot::channel();
        let has_ready = ask.ready.is_some();
        let (ask, cwd) = (Box::new(ask), cwd.display().to_string());
        self.send(Message::RunTask { ask, cwd, origin, reply })?;
        let handle = self.clone();
        let accepted = tokio::spawn(async move {
            let begun = begun.await.map_err(|_| ending())??;
            if has_ready && begun.outcome.is_some() {
                handle.watch_readiness(begun.id.to_string());
            }
            Ok(begun)
        });
        accepted.await.map_err(|_| ending())?
    }

    async fn started(&self, id: &str, outcome: oneshot::Receiver<Outcome>) -> Result<(), Error> {
        // a spawn takes a moment; what hinders it (a full machine) is no reason to wait for ever
        match timeout(super::USUAL_WAIT, outcome).await {
            Ok(Ok(Outcome::SpawnFailed { error, .. })) => {
                Err(Error::new(Code::SpawnFailed, format!("task {id} could not be started: {error}"))
                    .hint("check the command, `cwd` and `env`"))
            }
            // told to end before it was up: its status says by whom
            Ok(Ok(Outcome::Overtaken { .. })) | Err(_) => Ok(()),
            Ok(Ok(outcome)) => view::reply(id, outcome).map(drop),
            Ok(Err(_)) => Err(ending()),
        }
    }

    /// Waits until the task is ready or has ended, for a bounded time.
    async fn first_end(&self, id: &str, has_ready: bool, patience: Duration) -> Result<(), Error> {
        let mut until = vec![Condition::Exit];
        if has_ready {
            until.insert(0, Condition::Ready);
        }
        let ask = WaitFor {
            targets: vec![id.to_owned()],
            until: Some(until),
            timeout_seconds: Some(patience.as_secs_f64()),
            ..WaitFor::default()
        };
        self.wait_for(ask, LONGEST_WAIT).await.map(drop)
    }

    /// Looks for a task's `ready` condition for as long as it runs, whoever asks or does not.
    pub(in crate::engine) fn watch_readiness(&self, id: String) {
        let handle = self.clone();
        tokio::spawn(async move {
            if let Err(error) = handle.find_readiness(&id).await {
                tracing::warn!("cannot tell when task {id} is ready: {error}");
            }
        });
    }

    async fn find_readiness(&self, id: &str) -> Result<(), Error> {
        let condition = self.readiness_of(id).await?;
        let (pattern, port) = match condition {
            Some(TaskReady::Port(port)) => (None, Some(port)),
            Some(TaskReady::Pattern(pattern)) => (Some(pattern), None),
            None => return Ok(()),
        };
        let condition = if port.is_some() { Condition::Port } else { Condition::Pattern };
        let ask = WaitFor {
            targets: vec![id.to_owned()],
            until: Some(vec![condition, Condition::Exit]),
            pattern,
            port,
            timeout_seconds: Some(f64::from(u32::MAX)),
            ..WaitFor::default()
        };
        let answer = self.wait_for(ask, Duration::MAX).await?;
        match answer.met {
            Some(Met { condition: Condition::Exit, .. }) | None => Ok(()),
            Some(_) => self.send(Message::TaskReady(id.into())),
        }
    }

    /// Over when its tree is empty.
    pub(super) async fn end_task(&self, op: EndTask, origin: Origin) -> Result<Reply, Error> {
        let task = self.task(&op.task_id).await?;
        let id = task.task_id;
        if task.state == TaskState::Running || !task.survivors.is_empty() {
            let what = Request::Stop { process: id.as_str().into() };
            match self.carry_out(&id, what, origin, op.timeout_seconds).await {
                // it ended by itself in this moment
                Err(error) if error.code == Code::UnknownProcess => {}
                done => drop(done?),
            }
        }
        let task = self.task(&id).await?;
        let output = self.output(&id).await;
        Ok(Reply::Task(Box::new(TaskReport { task, already: false, output })))
    }

    pub(super) async fn get_task(&self, op: GetTask) -> Result<Reply, Error> {
        let Some(name) = op.task_id else {
            return Ok(Reply::Tasks(TaskList { tasks: self.tasks(None).await?, more: 0, output: None }));
        };
        let task = self.task(&name).await?;
        let lines = op.lines.unwrap_or(USUAL_LINES);
        let id = task.task_id.clone();
        let output = match op.cursor {
            Some(cursor) => Some(self.read(&id, lines, Some(cursor)).await?),
            None => self.read(&id, lines, None).await.ok(),
        };
        Ok(Reply::Tasks(TaskList { tasks: vec![task], more: 0, output }))
    }

    pub(super) async fn clear_tasks(&self, of: Option<String>) -> Result<Reply, Error> {
        let (reply, cleared) = oneshot::channel();
        self.send(Message::ClearTasks { of, reply })?;
        let count = cleared.await.map_err(|_| ending())??;
        let message = match count {
            0 => "there was no task that had ended".to_owned(),
            1 => "1 task is forgotten".to_owned(),
            _ => format!("{count} tasks are forgotten"),
        };
        Ok(Reply::Done(Done { message }))
    }

    /// One task, with what is left of its tree.
    async fn task(&self, name: &str) -> Result<TaskStatus, Error> {
        let mut tasks = self.tasks(Some(name.to_owned())).await?;
        let mut task = tasks.pop().ok_or_else(ending)?;
        if task.ended_ago_seconds.is_some() {
            task.survivors = self.survivors(&task.task_id).await;
        } else if let Some(pid) = task.pid {
            task.sample = self.sample_of(pid).await;
        }
        Ok(task)
    }

    pub(super) async fn tasks(&self, of: Option<String>) -> Result<Vec<TaskStatus>, Error> {
        let (reply, answer) = oneshot::channel();
        self.send(Message::Tasks { of, reply })?;
        answer.await.map_err(|_| ending())?
    }

    /// What it has printed so far, in brief; none where nothing can be read yet.
    async fn output(&self, id: &str) -> Option<LogPage> {
        let query = LogQuery { process: Some(id.to_owned()), ..LogQuery::default() };
        self.search(What::Runs, query).await.ok()
    }

    async fn read(&self, id: &str, lines: u32, cursor: Option<String>) -> Result<LogPage, Error> {
        let tail = cursor.is_none().then_some(lines);
        let head = cursor.is_some().then_some(lines);
        let query = LogQuery { process: Some(id.to_owned()), tail, head, cursor, ..LogQuery::default() };
        self.search(What::Runs, query).await
    }

    pub(super) async fn send_input(&self, op: SendInput, origin: Origin) -> Result<Reply, Error> {
        let target = match (op.task_id, op.process) {
            (Some(target), None) | (None, Some(target)) => target,
            (None, None) => return Err(invalid("`task_id` or `process` is missing")),
            (Some(_), Some(_)) => {
                return Err(invalid("`task_id` and `process` are both there, expected one"));
            }
        };
        let pattern = op.wait_for;
        if let Some(pattern) = &pattern {
            waits::regex("wait_for", pattern)?;
        }
        let patience = match op.timeout_seconds {
            Some(_) => wait(op.timeout_seconds)?,
            None => USUAL_ECHO,
        };
        let known = self.resolve(vec![target]).await?.pop().ok_or_else(ending)?;
        let id = known.id;
        let typed = match (op.text, op.bytes) {
            (Some(_), Some(_)) => return Err(invalid("`text` and `bytes` are both there, expected one")),
            (text, bytes) => text.map(String::into_bytes).or(bytes),
        };
        let keys = keystrokes(typed, op.key.as_deref(), known.pty)?;
        // read only for who waits: every key that is typed comes by here
        let before = match pattern {
            Some(_) => self.ends_of_logs(std::iter::once(id.clone())).await.pop().flatten(),
            None => None,
        };
        let bytes = keys.bytes.len() as u64;
        let (reply, outcome) = oneshot::channel();
        self.send(Message::Input { process: id.clone(), keys, origin, reply })?;
        let outcome = outcome.await.map_err(|_| ending())?;
        if matches!(outcome, Outcome::NoSuchProcess { .. }) {
            // its name was known a moment ago: a task that has ended
            return Err(Error::new(Code::NoInput, format!("`{id}` takes no input: it has ended"))
                .hint(format!("`bpm logs {id}` shows what it printed; `bpm run` runs a command anew")));
        }
        let unsure = outcome == Outcome::Typed(Typed::Before);
        view::reply(&id, outcome)?;
        let mut sent = InputSent { target: id.to_string(), bytes, unsure, seen: None, output: None };
        if let Some(pattern) = pattern {
            self.wait_for_echo(&mut sent, pattern, before, patience).await?;
        }
        Ok(Reply::Input(sent))
    }

    async fn wait_for_echo(
        &self,
        sent: &mut InputSent,
        pattern: String,
        before: Option<(u64, u64)>,
        patience: Duration,
    ) -> Result<(), Error> {
        let place = before.map(|(run, line)| format!("{}:{run}:{line}", sent.target));
        let ask = WaitFor {
            targets: vec![sent.target.clone()],
            until: Some(vec![Condition::Pattern, Condition::Exit]),
            pattern: Some(pattern),
            timeout_seconds: Some(patience.as_secs_f64()),
            cursor: place.clone(),
            ..WaitFor::default()
        };
        let answer = self.wait_for(ask, LONGEST_WAIT).await?;
        sent.seen = Some(answer.met.is_some_and(|met| met.condition == Condition::Pattern));
        let target = sent.target.clone();
        sent.output = match place {
            Some(cursor) => self.read(&target, USUAL_LINES, Some(cursor)).await.ok(),
            None => self.output(&target).await,
        };
        Ok(())
    }
}

fn ending() -> Error {
    Error::new(Code::Closing, "the manager is ending")
}

fn invalid(message: impl Into<String>) -> Error {
    Error::new(Code::InvalidParameter, message)
}

/// Refuses what cannot be run, and says in which directory the rest is.
fn check(ask: &RunTask, root: &Path) -> Result<PathBuf, Error> {
    let words: Vec<&str> = match &ask.command {
        TaskCommand::Shell(line) => vec![line],
        TaskCommand::Argv(argv) => argv.iter().map(String::as_str).collect(),
    };
    if words.first().is_none_or(|word| word.trim().is_empty()) {
        return Err(
            invalid("`command` is empty").hint("a shell line, or a list of a program and its arguments")
        );
    }
    let bytes: usize = words.iter().map(|word| word.len()).sum();
    if bytes > MAX_COMMAND_BYTES {
        return Err(invalid(format!("`command` has {bytes} bytes, expected at most {MAX_COMMAND_BYTES}"))
            .hint("write it into a file, and run that"));
    }
    let env = ask.env.iter().flatten();
    let bad_name = |name: &str| name.is_empty() || name.contains(['=', '\0']);
    if let Some((name, _)) = env.clone().find(|(name, value)| bad_name(name) || value.contains('\0')) {
        return Err(invalid(format!("`env` has `{}`, which no environment can have", clip(name))));
    }
    if words.iter().any(|word| word.contains('\0')) {
        return Err(invalid("`command` has a NUL byte, which no program can be given"));
    }
    if let Some(name) = &ask.name {
        check_name(name)?;
    }
    if let Some(TaskReady::Pattern(pattern)) = &ask.ready {
        waits::regex("ready", pattern)?;
    }
    if ask.ready == Some(TaskReady::Port(0)) {
        return Err(invalid("`ready` is port 0, expected 1 to 65535"));
    }
    match ask.kill_after_seconds.map(Duration::try_from_secs_f64) {
        Some(Ok(limit)) if limit.is_zero() => Err(invalid("`kill_after_seconds` is 0, expected more")),
        Some(Err(_)) => Err(invalid("`kill_after_seconds` is not a number of seconds above 0")),
        Some(Ok(_)) | None => directory(ask.cwd.as_deref(), root),
    }
}

fn check_name(name: &str) -> Result<(), Error> {
    let good = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
    let what = match name {
        "" => "is empty",
        _ if name.len() > MAX_NAME => "is too long, expected at most 64 characters",
        _ if bpm_core::ids::task_number(name).is_some() => "is how task ids look, expected another name",
        _ if !name.chars().all(good) || name.starts_with(['.', '-']) => {
            "is no name, expected letters, digits, `_`, `-` and `.`, not beginning with `.` or `-`"
        }
        _ => return Ok(()),
    };
    Err(invalid(format!("`name` `{}` {what}", clip(name))))
}

fn directory(cwd: Option<&str>, root: &Path) -> Result<PathBuf, Error> {
    let Some(cwd) = cwd else { return Ok(root.to_owned()) };
    let dir = root.join(cwd);
    let found = dir.canonicalize().map_err(|error| error.to_string());
    match found {
        Ok(dir) if dir.is_dir() => Ok(dir),
        Ok(_) => Err(invalid(format!("`cwd` is `{}`, which is not a directory", clip(cwd)))),
        Err(why) => Err(invalid(format!("`cwd` is `{}`, which cannot be used: {why}", clip(cwd)))
            .hint(format!("relative ones begin at `{}`", root.display()))),
    }
}

fn keystrokes(typed: Option<Vec<u8>>, key: Option<&str>, pty: bool) -> Result<Keystrokes, Error> {
    if typed.is_none() && key.is_none() {
        return Err(invalid("`text` and `key` are both missing, expected at least one"));
    }
    let mut bytes = typed.unwrap_or_default();
    let (mut end, mut signal) = (false, None);
    match key.map(keys::find).transpose()? {
        Some(keys::Key::Bytes(of_key)) => bytes.extend(of_key),
        Some(keys::Key::Enter) => bytes.push(if pty { b'\r' } else { b'\n' }),
        Some(keys::Key::Interrupt { byte, .. }) if pty => bytes.push(byte),
        Some(keys::Key::Interrupt { signal: of_key, .. }) => signal = Some(of_key),
        Some(keys::Key::End) => end = true,
        None => {}
    }
    if bytes.len() > MAX_INPUT_BYTES {
        return Err(invalid(format!("`text` has {} bytes, expected at most {MAX_INPUT_BYTES}", bytes.len()))
            .hint("send it in parts"));
    }
    Ok(Keystrokes { bytes, end, signal })
}

fn clip(text: &str) -> String {
    let shown: String = text.chars().filter(|c| !c.is_control()).take(80).collect();
    if shown.len() < text.len() { format!("{shown}…") } else { shown }
}
