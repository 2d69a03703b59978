//! Where the keyboard is, what leads out of what is shown, and what the panels say of builds.

use bpm_api::{BuildProgress, BuildStatus, ProcessStatus, ReadOnly, State};
use insta::assert_snapshot;

use super::fixtures::{build, of_process, of_task, process, runs, search, shop, status, with_status};
use super::{styles, text};
use crate::tui::model::log::Anchor;
use crate::tui::model::{Link, Model, Overlay, Panel, Target};

fn foot(model: &Model) -> String {
    text(model).lines().last().unwrap().to_owned()
}

/// Where the keyboard is elsewhere, the list has a mark, and the foot says whose keys they are.
#[test]
fn the_list_without_the_keyboard() {
    let mut all = Vec::new();
    for (panel, ascii) in [(Panel::Output, false), (Panel::Details, true)] {
        let mut model = of_task(100, 24, "t3");
        (model.panel, model.look.ascii) = (panel, ascii);
        all.push(text(&model));
        let looks = styles(&model);
        assert!(!looks.contains("REVERSED"), "{looks}");
    }
    assert_snapshot!(all.join("\n"));
}

#[test]
fn what_is_shown_is_left_by_keys_that_are_offered() {
    let mut feet = Vec::new();
    let mut say = |panel: Panel, change: fn(&mut Model)| {
        let mut model = shop(100, 10);
        model.panel = panel;
        change(&mut model);
        feet.push(foot(&model));
    };
    for panel in [Panel::Processes, Panel::Output] {
        say(panel, |model| model.log.anchor = Anchor::Line { number: 12_316, skip: 0 });
        say(panel, |model| model.log.newest = 6);
        say(panel, |model| model.log.only = ReadOnly::Errors);
        say(panel, |model| search(model, "items", 12_320));
        say(panel, |model| model.zoomed = true);
        say(panel, |model| *model = of_process(100, 10, "docs"));
    }
    assert_snapshot!(feet.join("\n"));
}

#[test]
fn builds_are_told_apart_from_starts_and_their_failures_are_counted() {
    let mut model = shop(150, 24);
    let mut status = status();
    let progress = BuildProgress { done: 12, total: 40, what: String::new() };
    let under_way = BuildStatus { progress: Some(progress), ..build(2, None) };
    status.processes = vec![
        ProcessStatus { building: Some(under_way.clone()), ..process("first", State::Starting) },
        process("second", State::Starting),
        ProcessStatus {
            last_build: Some(build(3, Some(false))),
            uptime_seconds: Some(9.0),
            ..process("old", State::Running)
        },
        ProcessStatus {
            building: Some(under_way),
            uptime_seconds: Some(90.0),
            ..process("api", State::Running)
        },
    ];
    status.tasks.clear();
    with_status(&mut model, status);
    let shown = text(&model);
    assert!(shown.contains("Output api run 4 · building 12/40, b shows it"), "{shown}");
    assert!(shown.contains("running for 1 min 30 s · building for 12 s"), "{shown}");
    model.log.newest = 5;
    assert!(text(&model).contains("run 4 (-2) · building"), "{}", text(&model));
    (model.panel, model.zoomed) = (Panel::Server, true);
    let shown = text(&model);
    assert!(shown.contains("2 running, 1 building, 1 starting, 1 build failed"), "{shown}");
}

#[test]
fn an_address_is_told_with_its_project() {
    let mut model = shop(120, 40);
    if let Link::Up { label, .. } = &mut model.link {
        *label = "http://10.0.0.7:3001".to_owned();
    }
    let shown = text(&model);
    assert!(shown.contains("● http://10.0.0.7:3001") && shown.contains("│~/shop "), "{shown}");
}

#[test]
fn a_long_reason_leaves_room_for_the_lines_of_a_run() {
    let mut model = shop(80, 24);
    let mut runs = runs();
    let last = runs.runs.last_mut().unwrap();
    last.how = "exited with code 101 after a long time in which it said a lot about the weather".to_owned();
    let lines = format!("{} lines", last.lines);
    let target = Target::Process("api".to_owned());
    model.overlay = Some(Overlay::Runs { target, answer: Some(Ok(runs)), selected: 0, top: 0 });
    let shown = text(&model);
    let row = shown.lines().find(|line| line.contains("exited with code")).unwrap();
    assert!(row.contains('…') && row.replace(',', "").contains(&lines), "{shown}");
}
