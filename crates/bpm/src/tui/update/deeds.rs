//! What the user has the manager do: asked for, under way, done. Must not know which key it was, but to name it.

use bpm_api::{
    ClearTasks, Code, EndTask, Error, Event, EventKind, Reply, Request, Restart, RunTask, SendInput,
    SendSignal, Start, State, Stop, TaskCommand, TaskState, TaskStatus,
};

use super::super::message::{Ask, Command};
use super::super::model::{Deed, Level, MOST_DEEDS, Model, PromptKind, Question, Target};
use super::{link, notes, prompt, select};

/// How long an answer may take, in seconds: as long as a build does. What is under way is shown meanwhile.
const PATIENCE: Option<f64> = Some(3600.0);

pub(super) fn say_down(model: &mut Model) {
    notes::note(model, Level::Warning, "there is no manager to ask at the moment");
}

pub(super) fn say_lacking(model: &mut Model, what: &str) {
    let version = link::version(model).unwrap_or("without a version").to_owned();
    let text = format!(
        "the manager ({version}) is older and has no `{what}`: `bpm down` and `bpm up -d` replace it"
    );
    notes::note(model, Level::Warning, text);
}

pub(super) fn say_nothing_selected(model: &mut Model) {
    notes::info(model, "nothing is selected");
}

/// Whether this program is bringing it up, so that its build is of interest.
pub(super) fn brings_up(model: &Model, target: &Target) -> bool {
    model.deeds.values().any(|deed| {
        deed.target.as_ref() == Some(target)
            && (deed.what.starts_with("restart ") || deed.what.starts_with("start "))
    })
}

/// Whether this program is doing something to it.
pub(super) fn is_ours(model: &Model, name: &str) -> bool {
    model.deeds.values().any(|deed| deed.target.as_ref().is_none_or(|target| target.name() == name))
}

fn ask(
    model: &mut Model,
    what: String,
    target: Option<Target>,
    request: Request,
    commands: &mut Vec<Command>,
) {
    if !model.link.is_up() {
        return say_down(model);
    }
    if link::lacks(model, request.name()) {
        return say_lacking(model, request.name());
    }
    if model.deeds.len() >= MOST_DEEDS {
        return notes::note(
            model,
            Level::Warning,
            format!("{MOST_DEEDS} requests are under way: wait for one of them"),
        );
    }
    let number = model.next_ask;
    model.next_ask = number.wrapping_add(1);
    model.deeds.insert(number, Deed { what, target, since: model.now });
    commands.push(Command::Ask { ask: Ask::Deed(number), request });
}

/// The selected process, or what to do instead.
fn process(model: &mut Model, what: &str) -> Option<String> {
    match model.selected.clone() {
        Some(Target::Process(name)) => return Some(name),
        Some(Target::Task(_)) => {
            let task = model.task()?;
            let (id, command) = (task.task_id.clone(), task.command.clone());
            let target = Target::Task(id.clone());
            notes::info(model, format!("`{id}` is a task: there is no {what}; Enter runs its command anew"));
            prompt::open(model, PromptKind::Run, Some(target), &command);
        }
        None => say_nothing_selected(model),
    }
    None
}

pub(super) fn restart(model: &mut Model, commands: &mut Vec<Command>) {
    let Some(name) = process(model, "restart") else { return };
    let request =
        Request::Restart(Restart { process: Some(name.clone()), mode: None, timeout_seconds: PATIENCE });
    ask(model, format!("restart {name}"), Some(Target::Process(name)), request, commands);
}

pub(super) fn start(model: &mut Model, commands: &mut Vec<Command>) {
    let Some(name) = process(model, "start") else { return };
    let request = Request::Start(Start { process: name.clone(), timeout_seconds: PATIENCE });
    ask(model, format!("start {name}"), Some(Target::Process(name)), request, commands);
}

pub(super) fn stop(model: &mut Model, commands: &mut Vec<Command>) {
    match model.selected.clone() {
        Some(target @ Target::Process(_)) => match model.process() {
            Some(process) if process.pid.is_some() || process.building.is_some() => {
                confirm(model, Question::Stop, target);
            }
            // there is nothing to lose
            _ => do_it(model, Question::Stop, target, commands),
        },
        Some(target @ Target::Task(_)) => match model.task() {
            Some(task) if task.state == TaskState::Running || !task.survivors.is_empty() => {
                confirm(model, Question::End, target);
            }
            _ => notes::info(model, format!("`{}` has ended; `D` forgets it", target.name())),
        },
        None => say_nothing_selected(model),
    }
}

fn confirm(model: &mut Model, question: Question, target: Target) {
    if !model.link.is_up() {
        return say_down(model);
    }
    prompt::open(model, PromptKind::Confirm(question), Some(target), "");
}

/// The question was answered with yes, or need not be asked.
pub(super) fn do_it(model: &mut Model, question: Question, target: Target, commands: &mut Vec<Command>) {
    let name = target.name().to_owned();
    let (what, request) = match question {
        Question::Stop => ("stop", Request::Stop(Stop { process: name.clone(), timeout_seconds: PATIENCE })),
        Question::End => {
            ("end", Request::EndTask(EndTask { task_id: name.clone(), timeout_seconds: PATIENCE }))
        }
        Question::Forget => ("forget", Request::ClearTasks(ClearTasks { task_id: Some(name.clone()) })),
    };
    ask(model, format!("{what} {name}"), Some(target), request, commands);
}

/// The question was answered otherwise.
pub(super) fn leave_it(model: &mut Model, question: Question) {
    let what = match question {
        Question::Stop => "not stopped",
        Question::End => "not ended",
        Question::Forget => "not forgotten",
    };
    notes::info(model, what);
}

pub(super) fn forget(model: &mut Model) {
    match model.selected.clone() {
        Some(Target::Process(name)) => {
            notes::info(
                model,
                format!("`{name}` is a process of the configuration: only tasks are forgotten"),
            );
        }
        Some(target @ Target::Task(_)) => {
            let id = target.name().to_owned();
            if model.task().is_some_and(|task| task.state == TaskState::Running) {
                return notes::info(model, format!("`{id}` still runs; `x` ends it"));
            }
            confirm(model, Question::Forget, target);
        }
        None => say_nothing_selected(model),
    }
}

/// The selected target if it runs, and whether it has a terminal.
fn live(model: &mut Model) -> Option<(Target, bool)> {
    let Some(target) = model.selected.clone() else {
        say_nothing_selected(model);
        return None;
    };
    let live = match &target {
        Target::Process(_) => {
            model.process().filter(|process| process.pid.is_some()).map(|process| process.pty)
        }
        Target::Task(_) => model.task().filter(|task| task.state == TaskState::Running).map(|task| task.pty),
    };
    if live.is_none() {
        let is_starting = model.process().is_some_and(|process| process.state == State::Starting);
        let what = match &target {
            Target::Process(_) if is_starting => "it is being started",
            Target::Process(_) => "`s` starts it",
            Target::Task(_) => "`r` runs its command anew",
        };
        notes::info(model, format!("`{}` does not run; {what}", target.name()));
    }
    live.map(|pty| (target, pty))
}

pub(super) fn signal(model: &mut Model) {
    if link::lacks(model, "send_signal") {
        return say_lacking(model, "send_signal");
    }
    if let Some((target, _)) = live(model) {
        prompt::open(model, PromptKind::Signal, Some(target), "");
    }
}

pub(super) fn send_signal(model: &mut Model, target: Target, signal: &str, commands: &mut Vec<Command>) {
    let request = SendSignal { target: target.name().to_owned(), signal: signal.to_owned() };
    let what = format!("send {signal} to {}", target.name());
    ask(model, what, Some(target), Request::SendSignal(request), commands);
}

pub(super) fn input(model: &mut Model) {
    match live(model) {
        Some((Target::Process(name), false)) => {
            notes::info(
                model,
                format!("`{name}` has no input; `pty = true` in its configuration gives it a terminal"),
            );
        }
        Some((target, _)) => prompt::open(model, PromptKind::Input, Some(target), ""),
        None => {}
    }
}

pub(super) fn send_input(model: &mut Model, target: Target, text: &str, commands: &mut Vec<Command>) {
    let name = Some(target.name().to_owned());
    let (process, task_id) = match &target {
        Target::Process(_) => (name, None),
        Target::Task(_) => (None, name),
    };
    let text = Some(text.to_owned()).filter(|text| !text.is_empty());
    let request = SendInput { task_id, process, text, key: Some("enter".to_owned()), ..SendInput::default() };
    let what = format!("type into {}", target.name());
    ask(model, what, Some(target), Request::SendInput(request), commands);
}

pub(super) fn attach(model: &mut Model, commands: &mut Vec<Command>) {
    if !model.link.is_up() {
        return say_down(model);
    }
    for what in ["output", "resize_terminal"] {
        if link::lacks(model, what) {
            return say_lacking(model, what);
        }
    }
    match live(model) {
        Some((target, true)) => commands.push(Command::Attach { target: target.name().to_owned() }),
        Some((Target::Process(name), false)) => {
            notes::info(
                model,
                format!("`{name}` has no terminal; `pty = true` in its configuration gives it one"),
            );
        }
        Some((Target::Task(id), false)) => {
            notes::info(model, format!("`{id}` has no terminal; `i` types a line into it"));
        }
        None => {}
    }
}

/// A shell line; where it is that of a task that has ended, in the same way: by its name, in its directory, at a terminal.
pub(super) fn run(model: &mut Model, like: Option<&Target>, line: &str, commands: &mut Vec<Command>) {
    let tasks = model.status.as_ref().map_or(&[][..], |status| &status.tasks);
    let like = like.and_then(|target| tasks.iter().find(|task| target.name() == task.task_id));
    let request = RunTask {
        command: TaskCommand::Shell(line.to_owned()),
        name: like.filter(|task| task.state != TaskState::Running).and_then(|task| task.name.clone()),
        cwd: like.map(|task| task.cwd.clone()),
        env: None,
        ready: None,
        pty: like.map(|task| task.pty),
        timeout_seconds: Some(0.0),
        kill_after_seconds: None,
        base_env: None,
    };
    ask(model, format!("run {line}"), None, Request::RunTask(request), commands);
}

pub(super) fn answered(model: &mut Model, number: u64, outcome: Result<Reply, Error>) {
    // what is not known any more was given up when the manager went
    let Some(deed) = model.deeds.remove(&number) else { return };
    model.status_again = true;
    match outcome {
        Ok(reply) => done(model, &deed, reply),
        Err(error) if error.code == Code::TimedOut => {
            notes::note(model, Level::Warning, format!("{}: it goes on, after an hour", deed.what));
        }
        Err(error) => {
            notes::failed(model, &deed.what, &error);
            if error.code == Code::BuildFailed && deed.target == model.selected {
                select::show_failed_build(model);
            }
        }
    }
}

fn done(model: &mut Model, deed: &Deed, reply: Reply) {
    let (level, text) = match reply {
        Reply::Began(began) => {
            let already = if began.already { " ran already" } else { "" };
            let warnings = match usize::try_from(began.warnings).unwrap_or(usize::MAX) {
                0 => String::new(),
                number => format!(", {}", notes::count(number, "warning")),
            };
            let text = format!("{}: run {}{already}, pid {}{warnings}", began.process, began.run, began.pid);
            (Level::Good, text)
        }
        Reply::Done(done) => (Level::Good, done.message),
        Reply::Input(sent) => (Level::Good, format!("{}: {} typed", sent.target, bytes(sent.bytes))),
        Reply::Task(report) => {
            let task = &report.task;
            if deed.target.is_none() {
                model.wish = Some(Target::Task(task.task_id.clone()));
            }
            // its end has been told by then
            let ended = |event: &Event| event.kind == EventKind::TaskEnded;
            let heard = model.events.get(&task.task_id).is_some_and(|events| events.iter().any(ended));
            if heard && task.state == TaskState::Running {
                return;
            }
            (level(task), format!("{}: {}", task.task_id, stands(task)))
        }
        _ => (Level::Warning, format!("{}: the manager's answer is not understood", deed.what)),
    };
    notes::note(model, level, text);
}

fn bytes(number: u64) -> String {
    notes::count(usize::try_from(number).unwrap_or(usize::MAX), "byte")
}

fn level(task: &TaskStatus) -> Level {
    match task.state {
        TaskState::Running | TaskState::Completed | TaskState::Killed => Level::Good,
        TaskState::Failed | TaskState::Lost => Level::Bad,
    }
}

fn stands(task: &TaskStatus) -> String {
    let how = match (task.state, task.exit_code, &task.signal, task.pid) {
        (TaskState::Running, _, _, Some(pid)) => format!(", pid {pid}"),
        (_, Some(code), ..) => format!(", exit code {code}"),
        (_, None, Some(signal), _) => format!(", signal {signal}"),
        _ => String::new(),
    };
    let note = task.note.as_ref().map(|note| format!(": {note}")).unwrap_or_default();
    format!("{}{how}{note}", task.state.as_str())
}
