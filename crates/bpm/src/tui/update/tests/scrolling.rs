//! Scrolling against a plain reckoning of rows: whatever was pressed, the panel shows what is at that place of the log,
//! at the cost of a screen.

use std::collections::HashMap;

use bpm_api::{Change, State};
use crossterm::event::KeyCode;
use proptest::prelude::{Just, Strategy, any, prop_assert, prop_assert_eq, prop_oneof, proptest};

use super::cases;
use super::manager::{Manager, process, status};
use super::world::World;
use crate::tui::message::Message;
use crate::tui::model::Panel;
use crate::tui::model::log::{MOST_BYTES, MOST_LINES};
use crate::tui::rows;
use crate::tui::update::log;

#[derive(Clone, Debug)]
enum Step {
    Key(KeyCode),
    Print(usize),
    Resize(u16, u16),
}

fn step() -> impl Strategy<Value = Step> {
    let keys = [
        KeyCode::PageUp,
        KeyCode::PageUp,
        KeyCode::PageDown,
        KeyCode::Up,
        KeyCode::Down,
        KeyCode::Home,
        KeyCode::End,
        KeyCode::Char('f'),
        KeyCode::Char('w'),
    ];
    prop_oneof![
        8 => (0..keys.len()).prop_map(move |key| Step::Key(keys[key])),
        1 => (1usize..400).prop_map(Step::Print),
        1 => (30u16..200, 8u16..70).prop_map(|(columns, rows)| Step::Resize(columns, rows)),
    ]
}

/// Every row of the log as a number of its line and of its row, as if the screen were endless.
struct Reckoning {
    rows: Vec<(u64, usize)>,
    /// The row that the panel begins with; none where it follows.
    top: Option<(u64, usize)>,
    height: usize,
    /// Rows of each line, by width and whether lines are wrapped.
    counted: HashMap<(usize, bool), Vec<usize>>,
}

impl Reckoning {
    fn new(world: &World, only: Option<&str>) -> Reckoning {
        let mut new = Reckoning { rows: Vec::new(), top: None, height: 0, counted: HashMap::new() };
        new.look(world, only);
        new
    }

    fn look(&mut self, world: &World, only: Option<&str>) {
        let (width, height) = log::size(&world.model);
        let lines = &world.manager.logs[&("api".to_owned(), false)][&1].lines;
        let wrap = world.model.log.wrap;
        let counted = self.counted.entry((width, wrap)).or_default();
        counted.extend(lines.iter().skip(counted.len()).map(|line| rows::count(line, width, wrap)));
        let shown = (1..).zip(lines.iter().zip(counted.iter()));
        let shown = shown.filter(|(_, (line, _))| only.is_none_or(|only| line.contains(only)));
        self.rows = shown.flat_map(|(number, (_, rows))| (0..*rows).map(move |row| (number, row))).collect();
        self.height = height;
    }

    fn at(&self) -> usize {
        let end = self.rows.len().saturating_sub(self.height);
        self.top.map_or(end, |top| self.rows.iter().rposition(|at| *at <= top).unwrap_or(0))
    }

    fn shown(&self) -> Vec<(u64, usize)> {
        self.rows.iter().skip(self.at()).take(self.height).copied().collect()
    }

    fn press(&mut self, key: KeyCode) {
        let (at, follows) = (self.at(), self.top.is_none());
        let last = self.rows.len().saturating_sub(self.height);
        let row = |at: usize| Some(self.rows.get(at).copied().unwrap_or((1, 0)));
        let up = |by: usize| if at == 0 && follows { None } else { row(at.saturating_sub(by)) };
        let down = |by: usize| if follows || at + by >= last { None } else { row(at + by) };
        self.top = match key {
            KeyCode::PageUp => up(self.height),
            KeyCode::Up => up(1),
            KeyCode::PageDown => down(self.height),
            KeyCode::Down => down(1),
            KeyCode::Home => row(0),
            KeyCode::Char('f') if follows => row(at),
            KeyCode::End | KeyCode::Char('f') => None,
            KeyCode::Char('w') => self.top.map(|(number, _)| (number, 0)),
            _ => self.top,
        };
    }
}

fn world(lines: usize, patience: u64) -> World {
    let mut manager = Manager::new(status(vec![process("api", State::Running)], Vec::new()));
    manager.patience = patience;
    manager.log("api", false, 1).lines = (0..lines).map(text).collect();
    let mut world = World::with(manager);
    world.connect();
    world.model.panel = Panel::Output;
    world
}

/// Every seventh is long, every third has a `3`'s worth of interest.
fn text(number: usize) -> String {
    let kind = if number.is_multiple_of(3) { "keep" } else { "drop" };
    let long = if number.is_multiple_of(7) { "long ".repeat(number % 40) } else { String::new() };
    format!("{kind} {number} {long}")
}

fn run(
    world: &mut World,
    steps: &[Step],
    only: Option<&str>,
) -> Result<(), proptest::test_runner::TestCaseError> {
    let mut reckoning = Reckoning::new(world, only);
    for step in steps {
        match step {
            Step::Key(key) => {
                world.press(*key);
                reckoning.press(*key);
            }
            Step::Print(lines) => {
                let log = world.manager.log("api", false, 1);
                let before = log.lines.len();
                log.lines.extend((before..before + lines).map(text));
                world.tell(Message::Change(Change::Log("api".to_owned())));
                world.pass(1000);
            }
            Step::Resize(columns, rows) => {
                world.tell(Message::Resized { columns: *columns, rows: *rows });
            }
        }
        reckoning.look(world, only);
        let (width, height) = log::size(&world.model);
        let lines = &world.model.log.lines;
        let shown = rows::places(&world.model.log, width, height);
        let shown: Vec<(u64, usize)> = shown.iter().map(|at| (lines[at.line].number, at.row)).collect();
        let expected = reckoning.shown();
        prop_assert_eq!(&shown, &expected, "after {:?}", step);
        for line in lines {
            let at = usize::try_from(line.number - 1).expect("a small number");
            prop_assert_eq!(&line.text, &text(at));
        }
        prop_assert!(lines.len() <= MOST_LINES && world.model.log.bytes <= MOST_BYTES);
    }
    Ok(())
}

proptest! {
    #![proptest_config(cases(48))]

    #[test]
    fn the_panel_shows_what_is_at_its_place(
        lines in 0usize..2500,
        wrapped in any::<bool>(),
        steps in proptest::collection::vec(step(), 1..40),
    ) {
        let mut world = world(lines, u64::MAX);
        world.model.log.wrap = wrapped;
        run(&mut world, &steps, None)?;
    }

    #[test]
    fn through_a_filter_too_though_searches_break_off(
        lines in 0usize..2500,
        patience in prop_oneof![Just(u64::MAX), 20u64..400],
        steps in proptest::collection::vec(step(), 1..40),
    ) {
        let mut world = world(lines, patience);
        world.keys("&keep\n");
        run(&mut world, &steps, Some("keep"))?;
    }
}

#[test]
fn a_log_of_a_million_lines_costs_what_a_screen_costs() {
    let mut world = world(1_000_000, u64::MAX);
    let keys =
        [KeyCode::Home, KeyCode::PageDown, KeyCode::End, KeyCode::PageUp, KeyCode::Up, KeyCode::Char('f')];
    for key in keys.into_iter().cycle().take(120) {
        world.manager.asked.clear();
        world.press(key);
        assert!(world.manager.asked.len() <= 2, "{key:?}: {:?}", world.manager.asked);
        assert!(world.model.log.lines.len() <= MOST_LINES);
    }
    world.press(KeyCode::End);
    for _ in 0..2000 {
        world.press(KeyCode::PageUp);
    }
    assert!(world.model.log.lines.len() <= MOST_LINES);
    assert!(world.model.log.bytes <= MOST_BYTES);
    world.press(KeyCode::End);
    assert_eq!(world.ends().1, text(999_999));
    world.press(KeyCode::Home);
    assert_eq!(world.ends().0, text(0));
}

#[test]
fn lines_as_long_as_they_may_be_keep_within_the_bytes() {
    let mut world = world(0, u64::MAX);
    let long = "é".repeat(20_000);
    world.manager.log("api", false, 1).lines = vec![long; 3000];
    world.tell(Message::Change(Change::Log("api".to_owned())));
    for key in [KeyCode::End, KeyCode::PageUp, KeyCode::PageUp, KeyCode::Home, KeyCode::PageDown]
        .iter()
        .cycle()
        .take(60)
    {
        world.press(*key);
        assert!(world.model.log.bytes <= MOST_BYTES && !world.model.log.lines.is_empty());
        assert!(!world.screen().is_empty());
    }
}
