//! A person at a terminal with a manager behind it.

use std::collections::VecDeque;
use std::time::Duration;

use bpm_api::{Change, Code, Error, Event, EventKind, Hello, Request, State, TaskState};
use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use super::manager::{Manager, process, status, task};
use crate::tui::message::{Ask, Command, Message, Now};
use crate::tui::model::{Level, Look, Model, PromptKind, Target};
use crate::tui::rows;
use crate::tui::update::{log, update};

#[derive(Debug)]
pub(super) struct World {
    pub(super) model: Model,
    pub(super) manager: Manager,
    pub(super) now: Now,
    /// Questions that are under way.
    pub(super) pending: VecDeque<(Ask, Request)>,
    /// Whatever else was to be done.
    pub(super) done: Vec<Command>,
}

pub(super) fn hello() -> Hello {
    let mut operations = Vec::new();
    macro_rules! names {
        ($($op:ident),*) => { $(operations.push(<bpm_api::$op as bpm_api::Op>::NAME.to_owned());)* };
    }
    bpm_api::for_each_op!(names);
    let streams = vec!["watch".to_owned(), "output".to_owned()];
    Hello { version: env!("CARGO_PKG_VERSION").to_owned(), operations, streams }
}

pub(super) fn event(process: &str, kind: EventKind, text: &str) -> Event {
    Event {
        seq: 1,
        time: "2026-01-01T00:00:00Z".to_owned(),
        process: Some(process.to_owned()),
        kind,
        text: text.to_owned(),
        by: None,
        steps: None,
    }
}

impl World {
    /// `api` and `web` run, the task `t1` too; `api` has printed `line 1` to `line 100`.
    pub(super) fn new() -> World {
        let processes = vec![process("api", State::Running), process("web", State::Running)];
        let mut manager = Manager::new(status(processes, vec![task("t1", TaskState::Running, None)]));
        manager.log("api", false, 1).lines = (1..=100).map(|number| format!("line {number}")).collect();
        manager.log("web", false, 1).lines = vec!["web line".to_owned()];
        let mut world = World::with(manager);
        world.connect();
        world
    }

    pub(super) fn with(manager: Manager) -> World {
        let now = Now { mono_ms: 1000, wall_ms: 1_000_000 };
        let model = Model::new(Look::default(), "here".to_owned(), 80, 24, now);
        World { model, manager, now, pending: VecDeque::new(), done: Vec::new() }
    }

    pub(super) fn connect(&mut self) {
        let hello = Some(hello());
        self.tell(Message::Connected { label: "here".to_owned(), hello, manager_pid: Some(1) });
    }

    pub(super) fn disconnect(&mut self) {
        let error = Error::new(Code::NoManager, "the manager has gone");
        self.tell(Message::Disconnected { error, again: Duration::from_millis(100), orderly: false });
    }

    /// Without answering what is asked.
    pub(super) fn say(&mut self, message: Message) {
        for command in update(&mut self.model, message, self.now) {
            match command {
                Command::Ask { ask, request } => self.pending.push_back((ask, request)),
                other => self.done.push(other),
            }
        }
    }

    /// And everything that is asked is answered.
    pub(super) fn tell(&mut self, message: Message) {
        self.say(message);
        self.answer();
    }

    pub(super) fn answer(&mut self) {
        for _ in 0..1000 {
            let Some((ask, request)) = self.pending.pop_front() else { return };
            let outcome = self.manager.answer(&request);
            self.say(Message::Answered { ask, outcome });
        }
        panic!("questions without end: {:?}", &self.manager.asked[self.manager.asked.len() - 5..]);
    }

    pub(super) fn press(&mut self, code: KeyCode) {
        self.tell(Message::Key(KeyEvent::new(code, KeyModifiers::NONE)));
    }

    pub(super) fn keys(&mut self, keys: &str) {
        for c in keys.chars() {
            self.press(if c == '\n' { KeyCode::Enter } else { KeyCode::Char(c) });
        }
    }

    /// So long passes, with a tick at its end.
    pub(super) fn pass(&mut self, ms: u64) {
        self.now.mono_ms += ms;
        self.now.wall_ms += i64::try_from(ms).expect("a short time");
        self.tell(Message::Tick);
    }

    /// Lines are printed, and that is said.
    pub(super) fn print(&mut self, name: &str, run: u64, lines: &[&str]) {
        self.manager.log(name, false, run).lines.extend(lines.iter().map(|&line| line.to_owned()));
        self.tell(Message::Change(Change::Log(name.to_owned())));
    }

    pub(super) fn happens(&mut self, event: Event) {
        self.tell(Message::Change(Change::Event(event)));
    }

    pub(super) fn selected(&self) -> &str {
        self.model.selected.as_ref().map_or("", Target::name)
    }

    /// What the output panel shows, a line a row.
    pub(super) fn screen(&self) -> Vec<&str> {
        let (width, height) = log::size(&self.model);
        let lines = &self.model.log.lines;
        rows::places(&self.model.log, width, height)
            .iter()
            .map(|place| lines[place.line].text.as_str())
            .collect()
    }

    /// Its first and its last row.
    pub(super) fn ends(&self) -> (&str, &str) {
        let screen = self.screen();
        (screen.first().copied().unwrap_or(""), screen.last().copied().unwrap_or(""))
    }

    pub(super) fn height(&self) -> usize {
        log::size(&self.model).1
    }

    pub(super) fn note(&self) -> (Level, &str) {
        self.model.notes.back().map_or((Level::Info, ""), |note| (note.level, note.text.as_str()))
    }

    /// The notes' texts.
    pub(super) fn notes(&self) -> Vec<&str> {
        self.model.notes.iter().map(|note| note.text.as_str()).collect()
    }

    pub(super) fn prompt(&self) -> Option<(PromptKind, &str)> {
        self.model.prompt.as_ref().map(|prompt| (prompt.kind, prompt.input.value()))
    }

    /// The request of a deed that is under way, alone.
    pub(super) fn deed(&self) -> Option<&Request> {
        self.pending.iter().find(|(ask, _)| matches!(ask, Ask::Deed(_))).map(|(_, request)| request)
    }
}
