//! Whatever comes, in whatever order: no panic, everything within its bounds, one question at a time, and in the end
//! the panel still shows what there is.

use std::collections::{HashSet, VecDeque};
use std::time::Duration;

use bpm_api::{
    Change, Code, Error, Event, EventKind, Hello, LogWindow, ProcessStatus, Reply, Request, State, Status,
    TaskState, WindowLine,
};
use crossterm::event::KeyCode;
use proptest::prelude::{prop_assert, prop_assert_eq, proptest};
use proptest::test_runner::TestCaseError;

use super::cases;
use super::manager::{Manager, build, line, process, status, task};
use super::steps::{Odd, Step, step};
use super::world::{event, hello};
use crate::tui::layout::log_rows;
use crate::tui::message::{Ask, Command, LogPurpose, Message, Now};
use crate::tui::model::history::MOST_SAMPLES;
use crate::tui::model::log::{MOST_BYTES, MOST_LINES};
use crate::tui::model::{Look, MOST_DEEDS, MOST_EVENTS, MOST_NOTES, MOST_TYPED, Model};
use crate::tui::rows;
use crate::tui::update::update;

struct Run {
    model: Model,
    now: Now,
    manager: Manager,
    pending: VecDeque<(Ask, Request)>,
    asked: HashSet<u64>,
}

fn name(of: u8) -> String {
    if of < 4 { format!("p{of}") } else { format!("t{of}") }
}

fn of_process(of: u8, kind: u8) -> ProcessStatus {
    let states = [State::Running, State::Starting, State::BuildFailed, State::CrashLooping, State::Stopped];
    let mut it = process(&format!("p{of}"), states[usize::from(kind) % states.len()]);
    it.pty = kind & 1 != 0;
    it.building = (kind & 6 == 6).then(|| build(u64::from(kind), None));
    it.last_build = (kind & 8 != 0).then(|| build(u64::from(kind / 16), Some(kind & 16 != 0)));
    it.sample = None;
    it
}

fn becomes(processes: Vec<(u8, u8)>, tasks: Vec<(u8, u8)>) -> Status {
    let processes = processes.into_iter().map(|(of, kind)| of_process(of, kind)).collect();
    let of_task = |(of, kind): (u8, u8)| match kind & 1 {
        0 => task(&format!("t{of}"), TaskState::Running, None),
        _ => task(&format!("t{of}"), TaskState::Failed, Some(f64::from(kind))),
    };
    status(processes, tasks.into_iter().map(of_task).collect())
}

fn event_of(of: u8, kind: u8) -> Event {
    use EventKind as Kind;
    let kinds = [Kind::Crashed, Kind::BuildProgress, Kind::Started, Kind::TaskEnded, Kind::Requested];
    let event = event(&name(of), kinds[usize::from(kind) % kinds.len()], "build 6 1/2 what");
    Event {
        steps: Some((1, 2)),
        by: (kind & 1 == 0).then(|| "mcp agent".to_owned()),
        process: event.process.filter(|_| kind != 7),
        ..event
    }
}

fn window(lines: Vec<(u64, u16, bool)>, numbers: [u64; 4], broke_off: Option<u64>) -> LogWindow {
    let of = |(number, length, open): (u64, u16, bool)| WindowLine {
        open,
        ..line(number, &"é\t\u{1b}[31m".repeat(usize::from(length)))
    };
    LogWindow {
        run: numbers[0] % 4,
        newest: numbers[1] % 6,
        ended: numbers[0].is_multiple_of(2),
        first_line: numbers[2],
        next_line: numbers[3],
        lines: lines.into_iter().map(of).collect(),
        broke_off,
        lost_lines: numbers[1],
        lost_bytes: 0,
    }
}

impl Run {
    fn new() -> Run {
        let now = Now::default();
        let mut manager = Manager::new(status(vec![process("p0", State::Running)], Vec::new()));
        manager.patience = 100;
        let model = Model::new(Look::default(), "here".to_owned(), 80, 24, now);
        Run { model, now, manager, pending: VecDeque::new(), asked: HashSet::new() }
    }

    fn message(&mut self, step: Step) -> Option<Message> {
        Some(match step {
            Step::Key(key) => Message::Key(key),
            Step::Mouse(mouse) => Message::Mouse(mouse),
            Step::Paste(text) => Message::Paste(text),
            Step::Resize(columns, rows) => Message::Resized { columns, rows },
            Step::Pass(ms) => {
                self.now.mono_ms = self.now.mono_ms.saturating_add(ms);
                self.now.wall_ms = self.now.wall_ms.wrapping_add(ms.cast_signed());
                Message::Tick
            }
            Step::Connect(which) => {
                let hello = match which % 4 {
                    0 => None,
                    1 => Some(Hello::default()),
                    _ => Some(hello()),
                };
                self.pending.clear();
                Message::Connected { label: "here".to_owned(), hello, manager_pid: Some(which.into()) }
            }
            Step::Disconnect => {
                self.pending.clear();
                let error = Error::new(Code::NoManager, "gone");
                Message::Disconnected { error, again: Duration::MAX, orderly: false }
            }
            Step::Event(of, kind) => Message::Change(Change::Event(event_of(of, kind))),
            Step::Grown(of, true) => Message::Change(Change::Build(name(of))),
            Step::Grown(of, false) => Message::Change(Change::Log(name(of))),
            Step::Missed(number) => Message::Change(Change::Missed(number)),
            Step::Becomes(processes, tasks) => {
                self.manager.status = becomes(processes, tasks);
                return None;
            }
            Step::Prints(of, lines) => {
                self.print(&name(of), lines);
                return None;
            }
            Step::Answer(at, odd) => {
                if self.pending.is_empty() {
                    return None;
                }
                let (ask, request) = self.pending.remove(usize::from(at) % self.pending.len())?;
                let outcome = self.outcome(&request, odd);
                Message::Answered { ask, outcome }
            }
            Step::Late(number, kind) => {
                // a number that is under way is not late
                let number = number.max(1 << 40);
                let ask = match kind % 5 {
                    0 => Ask::Deed(number),
                    1 => Ask::Log { number, purpose: LogPurpose::End },
                    2 => Ask::Log { number, purpose: LogPurpose::Around { line: 3 } },
                    _ => Ask::Log { number, purpose: LogPurpose::Find { backward: true } },
                };
                Message::Answered {
                    ask,
                    outcome: Ok(Reply::Window(window(vec![(5, 5, true)], [1; 4], None))),
                }
            }
            Step::Detached => Message::Detached(Err(Error::new(Code::System, "the terminal broke"))),
        })
    }

    fn print(&mut self, name: &str, lines: u16) {
        for builds in [false, true] {
            let log = self.manager.log(name, builds, u64::from(lines % 3) + 1);
            let before = log.lines.len();
            log.lines.extend((before..before + usize::from(lines)).map(|number| format!("line {number}")));
        }
    }

    fn outcome(&mut self, request: &Request, odd: Odd) -> Result<Reply, Error> {
        match odd {
            Odd::Honest => self.manager.answer(request),
            Odd::Wrong => Ok(Reply::News(bpm_api::News::default())),
            Odd::Error(which) => {
                let codes = [Code::UnknownRun, Code::InvalidParameter, Code::Closing, Code::TimedOut];
                Err(Error::new(codes[usize::from(which) % codes.len()], "no"))
            }
            Odd::Window(lines, numbers, broke_off) => Ok(Reply::Window(window(lines, numbers, broke_off))),
        }
    }

    fn take(&mut self, message: Message) -> Result<(), TestCaseError> {
        let commands = update(&mut self.model, message, self.now);
        prop_assert!(commands.len() <= 8, "{commands:?}");
        for command in commands {
            if let Command::Ask { ask, request } = command {
                prop_assert!(self.model.link.is_up(), "{ask:?} of nobody");
                if let Ask::Log { number, .. } | Ask::Deed(number) = ask {
                    prop_assert!(self.asked.insert(number), "{ask:?} again");
                }
                self.pending.push_back((ask, request));
            }
        }
        Ok(())
    }

    fn check(&self) -> Result<(), TestCaseError> {
        let model = &self.model;
        match &model.selected {
            Some(selected) => prop_assert!(model.targets.contains(selected)),
            None => prop_assert!(model.targets.is_empty()),
        }
        prop_assert!(model.notes.len() <= MOST_NOTES);
        prop_assert!(model.events.len() <= model.targets.len() + 40);
        prop_assert!(model.events.values().all(|events| events.len() <= MOST_EVENTS));
        prop_assert!(model.deeds.len() <= MOST_DEEDS);
        prop_assert!(model.typed.values().all(|typed| typed.len() <= MOST_TYPED));
        prop_assert!(model.history.points.len() <= model.targets.len());
        prop_assert!(model.history.points.values().all(|points| points.len() <= MOST_SAMPLES));
        prop_assert!(model.prompt.as_ref().is_none_or(|prompt| prompt.input.value().len() <= 16 << 10));
        let log = &model.log;
        prop_assert!(log.lines.len() <= MOST_LINES && log.bytes <= MOST_BYTES);
        prop_assert_eq!(log.bytes, log.lines.iter().map(|line| line.text.len()).sum::<usize>());
        prop_assert!(log.lines.iter().is_sorted_by(|one, next| one.number < next.number));
        let source = log.source.as_ref().map(|source| &source.target);
        prop_assert_eq!(source, model.selected.as_ref());
        let (_, area) = log_rows(model);
        let places = rows::places(log, area.width.into(), area.height.into());
        prop_assert!(places.len() <= usize::from(area.height));
        for kind in ["log", "status", "details", "runs", "why"] {
            let under_way = self.pending.iter().filter(|(ask, _)| kind_of(*ask) == kind).count();
            prop_assert!(under_way <= 1, "{kind}: {:?}", self.pending);
        }
        let deeds = self.pending.iter().filter(|(ask, _)| kind_of(*ask) == "deed").count();
        prop_assert_eq!(deeds, model.deeds.len(), "each can be answered");
        Ok(())
    }

    /// All is well from now on, and shown.
    fn heal(&mut self) -> Result<(), TestCaseError> {
        self.pending.clear();
        self.manager.patience = u64::MAX;
        self.manager.status = status(vec![process("p0", State::Running)], Vec::new());
        self.manager.log("p0", false, 9).lines = (1..=300).map(|number| format!("line {number}")).collect();
        self.take(Message::Resized { columns: 80, rows: 24 })?;
        let up = Message::Connected { label: "here".to_owned(), hello: Some(hello()), manager_pid: Some(1) };
        self.take(up)?;
        self.answer()?;
        for code in [KeyCode::Esc, KeyCode::Esc, KeyCode::Esc, KeyCode::Esc, KeyCode::Esc] {
            self.take(Message::Key(code.into()))?;
            self.answer()?;
        }
        self.now.mono_ms = self.now.mono_ms.saturating_add(5000);
        for _ in 0..3 {
            self.take(Message::Tick)?;
            self.answer()?;
        }
        prop_assert!(
            self.model.deeds.is_empty() && self.model.prompt.is_none() && self.model.overlay.is_none()
        );
        prop_assert_eq!(self.model.targets.len(), 1);
        let source = self.model.log.source.clone().expect("something is selected");
        if source.builds {
            self.take(Message::Key(KeyCode::Char('b').into()))?;
        } else if source.run.is_some() {
            for _ in 0..2 {
                self.take(Message::Key(KeyCode::Char('b').into()))?;
            }
        }
        self.take(Message::Key(KeyCode::Char('G').into()))?;
        self.take(Message::Change(Change::Log("p0".to_owned())))?;
        self.answer()?;
        let shown = rows::places(&self.model.log, 40, 5);
        let last = shown.last().map(|at| self.model.log.lines[at.line].text.as_str());
        prop_assert_eq!(last, Some("line 300"), "{:?}", self.model.log);
        Ok(())
    }

    fn answer(&mut self) -> Result<(), TestCaseError> {
        for _ in 0..500 {
            let Some((ask, request)) = self.pending.pop_front() else { return Ok(()) };
            let outcome = self.manager.answer(&request);
            self.take(Message::Answered { ask, outcome })?;
        }
        Err(TestCaseError::fail(format!("questions without end: {:?}", self.pending)))
    }
}

fn kind_of(ask: Ask) -> &'static str {
    match ask {
        Ask::Log { .. } => "log",
        Ask::Status => "status",
        Ask::Details => "details",
        Ask::Runs => "runs",
        Ask::Why => "why",
        Ask::Deed(_) => "deed",
    }
}

proptest! {
    #![proptest_config(cases(96))]

    #[test]
    fn nothing_that_comes_breaks_the_model(steps in proptest::collection::vec(step(), 0..120)) {
        let mut run = Run::new();
        for step in steps {
            if let Some(message) = run.message(step) {
                run.take(message)?;
                run.check()?;
            }
        }
        run.heal()?;
    }
}
