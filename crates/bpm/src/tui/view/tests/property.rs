//! Whatever a model holds, and whatever the size of the screen: no panic, nothing outside, nothing that a terminal would
//! obey, and nothing but ASCII where it is asked for.

use std::collections::VecDeque;

use bpm_api::{
    Alarm, BuildProgress, BuildStatus, Code, Error, Event, EventKind, ExitStatus, Hello, KeptRun,
    KillRequest, Mode, ProcessStatus, ReadOnly, Runs, Sample, State, Stream, TaskState, TaskStatus,
    WindowLine,
};
use proptest::prelude::{ProptestConfig, any};
use proptest::{collection, prop_assert, proptest};
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::buffer::{Buffer, CellWidth};
use regex_automata::meta::Regex;
use tui_input::Input;

use super::super::view;
use super::fixtures::{build, process, status, task, why, with_status};
use crate::tui::message::Now;
use crate::tui::model::history::Point;
use crate::tui::model::log::{Anchor, Looking, Search, Source};
use crate::tui::model::{
    Deed, Level, Link, Look, Model, Note, Overlay, Panel, Prompt, PromptKind, Question, Target,
};

/// Choices, made by bytes that are given; 0 when they are used up, so that fewer make a simpler model.
struct Dice {
    bytes: std::vec::IntoIter<u8>,
}

const TEXTS: [&str; 18] = [
    "",
    "api",
    "plain words, and a few more of them",
    "\u{1b}[2J\u{1b}[31mred\u{1b}[0m\u{1b}]0;title\u{7}",
    "\u{1b}[",
    "\u{9b}31m\u{85}\u{0}\u{8}\u{7f}\r\n\t",
    "漢字漢字漢字",
    "e\u{301}\u{302}\u{303}a\u{200b}\u{200d}\u{feff}",
    "👩‍👩‍👧🏳️‍🌈⚠️",
    "\u{202e}gpj.exe\u{2066}\u{200f}שלום",
    "\u{2028}\u{2029}\u{ad}",
    "ｶﾞﾞﾟ",
    "ไทย हिन्दी ᄀᄀᄀ각ᆨᆨ",
    "…▶✗█─│",
    "\u{301}",
    "\u{1b}[38;5;300m\u{1b}[999999999999m\u{1b}[38;2;1;2m\u{1b}[;;;mx",
    "\u{10ffff}\u{e000}\u{fffd}",
    "a very long line that does not end where it should but goes on and on and on and on and on and on and on and on and on",
];

impl Dice {
    fn byte(&mut self) -> u8 {
        self.bytes.next().unwrap_or(0)
    }

    fn up_to(&mut self, most: usize) -> usize {
        usize::from(self.byte()) % (most + 1)
    }

    fn yes(&mut self) -> bool {
        self.byte() % 2 == 1
    }

    fn maybe<T>(&mut self, of: impl FnOnce(&mut Dice) -> T) -> Option<T> {
        self.yes().then(|| of(self))
    }

    fn many<T>(&mut self, most: usize, mut of: impl FnMut(&mut Dice) -> T) -> Vec<T> {
        (0..self.up_to(most)).map(|_| of(self)).collect()
    }

    fn one_of<T: Clone>(&mut self, all: &[T]) -> T {
        all[self.up_to(all.len() - 1)].clone()
    }

    fn text(&mut self) -> String {
        let words = self.up_to(3);
        (0..=words).map(|_| self.one_of(&TEXTS)).collect()
    }

    fn number(&mut self) -> u64 {
        let (byte, shift) = (u64::from(self.byte()), self.byte() % 64);
        if self.byte() == 255 { u64::MAX } else { byte << shift }
    }

    fn seconds(&mut self) -> f64 {
        let odd = [0.0, -1.0, f64::NAN, f64::INFINITY, f64::NEG_INFINITY, f64::MAX, 1e-9];
        if self.byte() > 200 { self.one_of(&odd) } else { self.number() as f64 / 7.0 }
    }

    fn now(&mut self) -> Now {
        Now { mono_ms: self.number(), wall_ms: self.number().cast_signed() }
    }

    fn time(&mut self) -> String {
        match self.byte() % 4 {
            0 => "2026-11-21T09:05:31.123Z".to_owned(),
            1 => "-009999-01-02T01:59:33Z".to_owned(),
            _ => self.text(),
        }
    }

    fn error(&mut self) -> Error {
        let error = Error::new(Code::System, self.text());
        if self.yes() { error.hint(self.text()) } else { error }
    }
}

fn sample(dice: &mut Dice) -> Sample {
    Sample {
        cpu_percent: dice.seconds(),
        memory_bytes: dice.number(),
        processes: u32::from(dice.byte()),
        ports: dice.many(9, |dice| u16::from(dice.byte()) << 8),
        age_ms: dice.number(),
    }
}

fn a_build(dice: &mut Dice) -> BuildStatus {
    let progress = |dice: &mut Dice| BuildProgress {
        done: dice.number() as u32,
        total: dice.number() as u32,
        what: dice.text(),
    };
    BuildStatus {
        ok: dice.maybe(Dice::yes),
        ago_seconds: dice.maybe(Dice::seconds),
        took_seconds: dice.maybe(Dice::seconds),
        progress: dice.maybe(progress),
        note: dice.maybe(Dice::text),
        ..build(dice.number(), None)
    }
}

const STATES: [State; 11] = [
    State::Running,
    State::Starting,
    State::Stopping,
    State::Stopped,
    State::Idle,
    State::BackingOff,
    State::CrashLooping,
    State::BuildFailed,
    State::CannotStart,
    State::Ended,
    State::Stuck,
];

fn a_process(dice: &mut Dice) -> ProcessStatus {
    let exit = |dice: &mut Dice| ExitStatus {
        run: dice.number(),
        code: dice.maybe(|dice| i32::from(dice.byte())),
        signal: dice.maybe(Dice::text),
        lost: dice.yes(),
        asked: dice.yes(),
        ago_seconds: dice.seconds(),
    };
    let (name, state) = (dice.text(), dice.one_of(&STATES));
    ProcessStatus {
        why: dice.text(),
        next: dice.maybe(Dice::text),
        pid: dice.maybe(|dice| u32::from(dice.byte())),
        run: dice.maybe(Dice::number),
        recipe: dice.maybe(|_| Mode::Release),
        uptime_seconds: dice.maybe(Dice::seconds),
        restarts: dice.number(),
        crashes: u32::from(dice.byte()),
        restart_in_seconds: dice.maybe(Dice::seconds),
        last_exit: dice.maybe(exit),
        last_build: dice.maybe(a_build),
        building: dice.maybe(a_build),
        sample: dice.maybe(sample),
        pty: dice.yes(),
        ..process(&name, state)
    }
}

fn a_task(dice: &mut Dice) -> TaskStatus {
    let states =
        [TaskState::Running, TaskState::Completed, TaskState::Failed, TaskState::Killed, TaskState::Lost];
    let (id, command, state) = (dice.text(), dice.text(), dice.one_of(&states));
    TaskStatus {
        name: dice.maybe(Dice::text),
        cwd: dice.text(),
        exit_code: dice.maybe(|dice| i32::from(dice.byte())),
        signal: dice.maybe(Dice::text),
        pid: dice.maybe(|_| 1),
        ready: dice.maybe(Dice::yes),
        pty: dice.yes(),
        seconds: dice.seconds(),
        ended_ago_seconds: dice.maybe(Dice::seconds),
        kill_requested: dice.maybe(|dice| KillRequest { by: dice.text(), ago_seconds: dice.seconds() }),
        kill_in_seconds: dice.maybe(Dice::seconds),
        survivors: dice.many(3, Dice::text),
        note: dice.maybe(Dice::text),
        by: dice.text(),
        sample: dice.maybe(sample),
        ..task(&id, &command, state)
    }
}

fn link(dice: &mut Dice) -> Link {
    let label = dice.text();
    match dice.byte() % 3 {
        0 => Link::Connecting { label },
        1 => Link::Down {
            label,
            error: dice.error(),
            since: dice.now(),
            next_try: dice.now(),
            tries: u32::from(dice.byte()),
            orderly: dice.byte().is_multiple_of(2),
        },
        _ => {
            let hello =
                |dice: &mut Dice| Hello { version: dice.text(), operations: Vec::new(), streams: Vec::new() };
            Link::Up { label, hello: dice.maybe(hello), manager_pid: None, since: dice.now() }
        }
    }
}

fn log(dice: &mut Dice, model: &mut Model) {
    let mut number = dice.number();
    let lines = dice.many(60, |dice| {
        number = number.saturating_add(dice.number().max(1));
        WindowLine {
            number,
            time: dice.time(),
            stream: if dice.yes() { Stream::Stderr } else { Stream::Stdout },
            text: if dice.byte() > 250 { dice.text().repeat(200) } else { dice.text() },
            clipped_bytes: dice.number() * u64::from(dice.byte() % 2),
            open: dice.yes(),
        }
    });
    let log = &mut model.log;
    log.lines = VecDeque::from(lines);
    log.source = model.selected.clone().map(|target| Source {
        target,
        builds: dice.yes(),
        run: dice.maybe(Dice::number),
        by_itself: dice.yes(),
    });
    (log.run, log.newest, log.first_line) = (dice.number(), dice.number(), dice.number());
    (log.next_line, log.lost_lines) = (dice.number(), dice.number());
    (log.wrap, log.times, log.ended, log.fresh) = (dice.yes(), dice.yes(), dice.yes(), dice.yes());
    (log.more_before, log.more_after) = (dice.yes(), dice.yes());
    log.column = if dice.byte() > 200 { usize::MAX } else { dice.up_to(60) };
    if dice.yes() {
        log.anchor = Anchor::Line { number: dice.number(), skip: dice.up_to(9) };
    }
    let looking = |dice: &mut Dice| Looking {
        backward: dice.yes(),
        errors: dice.yes(),
        at: dice.number(),
        whole: dice.yes(),
        pieces: 0,
    };
    log.search = dice.maybe(|dice| Search {
        pattern: dice.text(),
        regex: Regex::new(dice.one_of(&["a", ".", "", "漢|字", r"\w+", "(?-u:a)"])).unwrap(),
        found: dice.maybe(Dice::number),
        looking: dice.maybe(looking),
    });
    log.only = match dice.byte() % 3 {
        0 => ReadOnly::All,
        1 => ReadOnly::Errors,
        _ => ReadOnly::Matching(dice.text()),
    };
    (log.error_at, log.looking) = (dice.maybe(Dice::number), dice.maybe(looking));
    log.cleared = dice.maybe(|dice| (dice.number(), dice.number()));
    log.error = dice.maybe(Dice::error);
}

fn overlay(dice: &mut Dice) -> Option<Overlay> {
    let top = if dice.byte() > 200 { usize::MAX } else { dice.up_to(40) };
    let target = Target::Process(dice.text());
    let run = |dice: &mut Dice| KeptRun {
        number: dice.number(),
        started: dice.maybe(Dice::time),
        ended: None,
        how: dice.text(),
        bad: dice.yes(),
        lines: dice.number(),
        bytes: dice.number(),
    };
    match dice.byte() % 6 {
        0 | 1 => None,
        2 => Some(Overlay::Help { top }),
        3 => {
            let answer = dice.maybe(|dice| {
                let mut answer = why();
                answer.status = a_process(dice);
                answer.survivors = dice.many(3, Dice::text);
                for line in answer.evidence.iter_mut().flat_map(|page| &mut page.lines) {
                    line.text = dice.text();
                }
                Box::new(if dice.yes() { Ok(answer) } else { Err(dice.error()) })
            });
            Some(Overlay::Why { target, answer, top })
        }
        4 => {
            let answer = dice.maybe(|dice| match dice.yes() {
                true => Ok(Runs { runs: dice.many(30, run), builds: dice.many(3, run) }),
                false => Err(dice.error()),
            });
            Some(Overlay::Runs { target, answer, selected: dice.up_to(40), top })
        }
        _ => {
            let text = dice.many(30, Dice::text).join("\n");
            Some(Overlay::Text { title: dice.text(), text, top })
        }
    }
}

fn prompt(dice: &mut Dice) -> Prompt {
    let kinds = [
        PromptKind::Search,
        PromptKind::Filter,
        PromptKind::Input,
        PromptKind::Signal,
        PromptKind::Run,
        PromptKind::Confirm(Question::Stop),
        PromptKind::Confirm(Question::End),
        PromptKind::Confirm(Question::Forget),
    ];
    Prompt {
        kind: dice.one_of(&kinds),
        target: dice.maybe(|dice| Target::Task(dice.text())),
        input: Input::new(dice.text()).with_cursor(dice.up_to(80)),
        error: dice.maybe(Dice::text),
        recalled: None,
    }
}

fn side(dice: &mut Dice) -> u16 {
    match dice.byte() {
        0..60 => u16::from(dice.byte()) % 6,
        60..200 => u16::from(dice.byte()) % 60,
        _ => u16::from(dice.byte()),
    }
}

fn a_model(dice: &mut Dice) -> Model {
    let look = Look {
        ascii: dice.yes(),
        plain: dice.yes(),
        offset_seconds: dice.one_of(&[0, 3600, -50_400, i32::MAX, i32::MIN]),
        home: dice.maybe(Dice::text),
    };
    let (columns, rows, now) = (side(dice), side(dice), dice.now());
    let mut model = Model::new(look, dice.text(), columns, rows, now);
    model.link = link(dice);
    if dice.byte() > 20 {
        let mut known = status();
        known.processes = dice.many(5, a_process);
        known.tasks = dice.many(5, a_task);
        known.more_tasks = dice.number();
        known.alarms = dice.many(3, |dice| Alarm { process: dice.maybe(Dice::text), message: dice.text() });
        known.release_switch_in_seconds = dice.maybe(Dice::seconds);
        (known.manager.version, known.manager.mcp_url) = (dice.text(), dice.maybe(Dice::text));
        with_status(&mut model, known);
    }
    if dice.yes() {
        model.targets.push(Target::Process(dice.text()));
    }
    let place = dice.up_to(12);
    model.selected = model.targets.get(place).cloned();
    model.status_at = dice.now();
    (model.list_top, model.details_top, model.notes_top) = (dice.up_to(9), dice.up_to(40), dice.up_to(9));
    model.panel = dice.one_of(&Panel::ALL);
    model.zoomed = dice.yes();
    let levels = [Level::Info, Level::Good, Level::Warning, Level::Bad];
    let notes = dice.many(9, |dice| Note {
        at: dice.now(),
        level: dice.one_of(&levels),
        text: dice.text(),
        is_answer: dice.yes(),
    });
    model.notes = VecDeque::from(notes);
    if let Some(selected) = model.selected.clone() {
        let events = dice.many(9, |dice| Event {
            seq: 1,
            time: dice.time(),
            process: None,
            kind: EventKind::Other,
            text: dice.text(),
            by: dice.maybe(Dice::text),
            steps: None,
        });
        model.events.insert(selected.name().to_owned(), VecDeque::from(events));
        let points = dice.many(90, |dice| Point { cpu_percent: dice.seconds(), memory_bytes: dice.number() });
        model.history.points.insert(selected, VecDeque::from(points));
    }
    log(dice, &mut model);
    for _ in 0..dice.up_to(3) {
        let deed = Deed { what: dice.text(), target: None, since: dice.now() };
        model.deeds.insert(dice.number(), deed);
    }
    (model.overlay, model.prompt) = (overlay(dice), dice.maybe(prompt));
    model.drag = dice.maybe(|dice| (u16::from(dice.byte()), u16::from(dice.byte()) << 8));
    model
}

/// What is wrong with a screen.
fn faults(buffer: &Buffer, only_ascii: bool) -> Vec<String> {
    let mut faults = Vec::new();
    let obeyed = |c: char| {
        c.is_control()
            || matches!(c, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    for y in 0..buffer.area.height {
        for x in 0..buffer.area.width {
            let cell = &buffer[(x, y)];
            let symbol = cell.symbol();
            if symbol.contains(obeyed) {
                faults.push(format!("{x},{y}: {symbol:?} is obeyed"));
            }
            if only_ascii && !symbol.is_ascii() {
                faults.push(format!("{x},{y}: {symbol:?} is not ASCII"));
            }
            let wide = cell.cell_width();
            if wide == 0 || x + wide > buffer.area.width {
                faults.push(format!("{x},{y}: {symbol:?} has {wide} columns"));
            }
            for behind in x + 1..(x + wide).min(buffer.area.width) {
                if buffer[(behind, y)].symbol() != " " {
                    faults.push(format!("{behind},{y}: something is behind {symbol:?}"));
                }
            }
        }
    }
    faults
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 250, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_model_is_drawn_harmlessly_at_any_size(bytes in collection::vec(any::<u8>(), 0..3000)) {
        let mut dice = Dice { bytes: bytes.into_iter() };
        let mut model = a_model(&mut dice);
        let (mut columns, mut rows) = (model.columns, model.rows);
        // the terminal may have another size by now
        if dice.byte() > 200 {
            (columns, rows) = (side(&mut dice), side(&mut dice));
        }
        let mut terminal = Terminal::new(TestBackend::new(columns, rows)).unwrap();
        for ascii in [model.look.ascii, true] {
            model.look.ascii = ascii;
            terminal.draw(|frame| view(&model, frame)).unwrap();
            let faults = faults(terminal.backend().buffer(), ascii);
            prop_assert!(faults.is_empty(), "{:?}", faults);
        }
    }
}
