//! Snapshots of whole screens.

use bpm_api::{Code, Error, ReadOnly};
use insta::assert_snapshot;
use tui_input::Input;

use super::fixtures::{
    NOW, alarmed, gone, label, log_line, note, of_process, of_task, runs, search, shop, status, why,
    with_status,
};
use super::{styles, text};
use crate::tui::message::Now;
use crate::tui::model::log::{Anchor, Looking};
use crate::tui::model::{
    Deed, Level, Link, Look, Model, Overlay, Panel, Prompt, PromptKind, Question, Target,
};
use crate::tui::view::Scrolled;

#[test]
fn four_panels_at_three_sizes() {
    assert_snapshot!("shop_80x24", text(&shop(80, 24)));
    assert_snapshot!("shop_120x40", text(&shop(120, 40)));
    assert_snapshot!("shop_40x10", text(&shop(40, 10)));
}

#[test]
fn odd_sizes_keep_what_matters() {
    let sizes = [(300, 3), (12, 60), (20, 5), (7, 7), (2, 2), (1, 1)];
    let all: Vec<String> = sizes
        .map(|(columns, rows)| format!("{columns}x{rows}\n{}", text(&shop(columns, rows))))
        .into_iter()
        .collect();
    assert_snapshot!(all.join("\n"));
}

#[test]
fn what_happened_is_told_once() {
    let mut model = shop(120, 40);
    for events in model.events.values_mut() {
        // what is written about a build and about its process may be the same
        *events = events.iter().flat_map(|event| [event.clone(), event.clone()]).collect();
    }
    assert_eq!(text(&model), text(&shop(120, 40)));
}

#[test]
fn a_manager_that_has_gone() {
    assert_snapshot!("gone_80x24", text(&gone(80, 24)));
    assert_snapshot!("gone_40x10", text(&gone(40, 10)));
    let looks = styles(&gone(80, 24));
    let bright: Vec<&str> = looks
        .lines()
        .filter(|line| line.split_once(':').is_some_and(|(row, _)| row.parse::<u16>().unwrap() > 9))
        .filter(|line| !line.starts_with("23:") && !line.contains("DIM"))
        // but for the border of the panel that has the keyboard
        .filter(|line| !line.contains('│') && !line.contains('─'))
        .collect();
    assert_eq!(bright, Vec::<&str>::new(), "all that was known is dimmed");
    assert!(!looks.contains("Green"), "{looks}");
    let mut later = gone(80, 24);
    later.now.mono_ms += 1000;
    let below = |model: &Model| text(model).lines().skip(8).take(15).collect::<Vec<_>>().join("\n");
    assert_eq!(below(&later), below(&gone(80, 24)), "times do not go on");
    if let Link::Down { orderly, .. } = &mut later.link {
        *orderly = true;
    }
    assert_snapshot!("gone_in_order", text(&later));
}

#[test]
fn a_manager_that_is_not_there_yet() {
    let model = Model::new(Look::default(), label(), 80, 12, NOW);
    assert_snapshot!(text(&model));
}

#[test]
fn alarms_and_an_older_manager() {
    assert_snapshot!(text(&alarmed(120, 40)));
}

/// The upper half of a screen that is wide enough for all.
fn upper(mut model: Model) -> String {
    model.panel = Panel::Details;
    model.zoomed = true;
    text(&model)
}

#[test]
fn details_of_processes_in_every_state() {
    let all: Vec<String> = ["api", "web", "worker", "mailer", "search", "bench", "docs"]
        .map(|name| upper(of_process(90, 14, name)))
        .into_iter()
        .collect();
    assert_snapshot!(all.join("\n"));
}

#[test]
fn details_of_tasks_in_every_state() {
    let all: Vec<String> =
        ["t5", "t4", "t3", "t2", "t1"].map(|id| upper(of_task(70, 11, id))).into_iter().collect();
    assert_snapshot!(all.join("\n"));
}

#[test]
fn the_list_scrolls_to_what_is_selected() {
    let mut model = of_task(80, 14, "t1");
    model.list_top = 1;
    assert_snapshot!(text(&model));
}

#[test]
fn nothing_is_configured() {
    let mut model = shop(80, 16);
    let mut status = status();
    status.processes.clear();
    status.tasks.clear();
    with_status(&mut model, status);
    (model.selected, model.log.source) = (None, None);
    model.log.lines.clear();
    assert_snapshot!(text(&model));
}

// --- the output ------------------------------------------------------------------------------------

fn output(model: &mut Model) -> String {
    model.panel = Panel::Output;
    model.zoomed = true;
    text(model)
}

#[test]
fn a_search_in_a_log_that_is_paused() {
    let mut model = shop(80, 16);
    search(&mut model, "items/6[0-9]+", 12_320);
    model.log.anchor = Anchor::Line { number: 12_316, skip: 0 };
    model.log.times = true;
    model.log.error_at = Some(12_324);
    model.log.lost_lines = 7040;
    assert_snapshot!("search", output(&mut model));
    assert_snapshot!("search_styles", styles(&model));
    if let Some(search) = &mut model.log.search {
        search.looking = Some(Looking { backward: true, errors: false, at: 8000, whole: true, pieces: 0 });
    }
    let looking = output(&mut model);
    assert!(looking.contains("/items/6[0-9]+ looking … 35%"), "{looking}");
}

#[test]
fn a_filter_with_its_count() {
    let mut model = shop(80, 12);
    model.log.only = ReadOnly::Matching("ERROR".to_owned());
    model.log.lines.retain(|line| line.text.contains("ERROR"));
    model.log.more_before = false;
    assert_snapshot!("filter", output(&mut model));
    model.log.lines.clear();
    assert_snapshot!("filter_of_nothing", output(&mut model));
}

/// Lines that are hard to draw.
fn hard(columns: u16, rows: u16) -> Model {
    let mut model = of_process(columns, rows, "api");
    let texts = [
        "plain",
        "tab\there",
        "漢字漢字漢字漢字漢字漢字漢字漢字漢字漢字 wide",
        "combined e\u{301}e\u{301}e\u{301}, family 👩‍👩‍👧, zero\u{200b}width, dakuten ｶﾞ",
        "right to left \u{202e}gpj.exe\u{202c} שלום",
        "\u{1b}[1;33mbold yellow\u{1b}[0m \u{1b}[44mon blue\u{1b}[0m \u{1b}[38;5;208morange\u{1b}[0m",
        "control \u{7}\u{8}\r\u{0}\u{9b}2J characters",
        "a long line that goes on and on, far beyond the right edge of the panel that it is shown in, and further",
        "",
        "one that was clipped, long as it was, and so its end is not there any more, whatever it may have been",
        "after a gap",
    ];
    model.log.lines = texts.iter().zip(1..).map(|(text, number)| log_line(number, text)).collect();
    model.log.lines[9].clipped_bytes = 5_138_022;
    model.log.lines[10].number = 40;
    model.log.lines[10].open = true;
    (model.log.run, model.log.newest, model.log.next_line) = (2, 4, 40);
    model
}

#[test]
fn hard_lines_cut_wrapped_and_scrolled_to_the_right() {
    let mut model = hard(60, 15);
    assert_snapshot!("hard_cut", output(&mut model));
    model.log.column = 13;
    assert_snapshot!("hard_scrolled", output(&mut model));
    model.log.wrap = true;
    model.rows = 20;
    assert_snapshot!("hard_wrapped", output(&mut model));
    assert_snapshot!("hard_wrapped_styles", styles(&model));
    model.log.anchor = Anchor::Line { number: 8, skip: 1 };
    model.look.ascii = true;
    assert_snapshot!("hard_from_within_a_line", output(&mut model));
}

/// Far more of each line than is on the screen.
#[test]
fn what_is_far_beyond_the_edge_changes_nothing() {
    for part in ["x", "漢", "👩‍👩‍👧", "e\u{301}", "\u{1b}[31mx\u{1b}[0m", "\t"] {
        let drawn = [200, 4000].map(|times| {
            let mut model = of_process(60, 4, "api");
            model.log.lines.push_back(log_line(1, &part.repeat(times)));
            model.log.run = 1;
            model.log.column = 31;
            output(&mut model)
        });
        assert_eq!(drawn[0], drawn[1], "{part:?}");
        assert!(drawn[0].contains('›'), "{}", drawn[0]);
    }
}

#[test]
fn where_there_are_no_lines_it_says_why() {
    let mut said = Vec::new();
    let mut say = |change: fn(&mut Model), name: &str| {
        let mut model = of_process(60, 4, name);
        change(&mut model);
        said.push(output(&mut model));
    };
    say(|_| {}, "bench");
    say(|_| {}, "search");
    say(|model| model.log.run = 3, "api");
    say(|model| (model.log.run, model.log.ended) = (3, true), "api");
    say(|model| (model.log.run, model.log.cleared) = (3, Some((3, 9))), "api");
    say(|model| model.log.source.as_mut().unwrap().builds = true, "docs");
    say(|model| model.log.fresh = true, "api");
    let unknown =
        Error::new(Code::UnknownRun, "run 1 of `api` is no longer kept").hint("`R` lists those that are");
    let mut model = of_process(60, 4, "api");
    model.log.error = Some(unknown);
    said.push(output(&mut model));
    assert_snapshot!(said.join("\n"));
}

#[test]
fn a_build_that_is_shown() {
    let mut model = of_process(80, 8, "web");
    model.log.source.as_mut().unwrap().builds = true;
    (model.log.run, model.log.newest) = (8, 8);
    model.log.lines.push_back(log_line(1, "   Compiling serde v1.0.229"));
    assert!(output(&mut model).contains("Output web build 8 12/40"), "{}", text(&model));
    let mut model = of_process(80, 8, "search");
    model.log.source.as_mut().unwrap().builds = true;
    (model.log.run, model.log.newest, model.log.ended) = (2, 2, true);
    assert!(output(&mut model).contains("Output search build 2 failed"), "{}", text(&model));
}

// --- the foot ----------------------------------------------------------------------------------------

fn foot(model: &Model) -> String {
    text(model).lines().last().unwrap().to_owned()
}

fn typing(kind: PromptKind, value: &str, cursor: usize, error: Option<&str>) -> Prompt {
    Prompt {
        kind,
        target: Some(Target::Process("api".to_owned())),
        input: Input::new(value.to_owned()).with_cursor(cursor),
        error: error.map(str::to_owned),
        recalled: None,
    }
}

#[test]
fn what_is_typed_is_seen_with_the_cursor() {
    let mut feet = Vec::new();
    for columns in [80, 30] {
        for prompt in [
            typing(PromptKind::Search, "items/[0-9", 10, Some("regex: unclosed character class")),
            typing(PromptKind::Filter, "", 0, None),
            typing(
                PromptKind::Input,
                "漢字 e\u{301} and more than there is room for in a narrow one",
                3,
                None,
            ),
            typing(
                PromptKind::Input,
                "漢字 e\u{301} and more than there is room for in a narrow one",
                52,
                None,
            ),
            typing(PromptKind::Input, "bell \u{7} escape \u{1b}[2J", 6, None),
            typing(PromptKind::Signal, "HUPP", 4, Some("`HUPP` is no signal")),
            typing(PromptKind::Run, "cargo test", 5, None),
            typing(PromptKind::Confirm(Question::Stop), "", 0, None),
            typing(PromptKind::Confirm(Question::End), "", 0, None),
            typing(PromptKind::Confirm(Question::Forget), "", 0, None),
        ] {
            let mut model = shop(columns, 6);
            model.prompt = Some(prompt);
            feet.push(foot(&model));
        }
    }
    assert_snapshot!(feet.join("\n"));
}

#[test]
fn a_prompt_is_seen_where_there_is_no_foot() {
    let mut model = shop(20, 2);
    model.prompt = Some(typing(PromptKind::Run, "ls", 2, None));
    assert_eq!(foot(&model), "run: ls⎕");
}

#[test]
fn notes_give_way_to_what_is_under_way_and_that_to_keys() {
    let mut model = shop(80, 12);
    model.notes.push_back(note(Level::Bad, 2000, "restart web: the build failed; `b` shows the build's log"));
    let deed = |what: &str, ago: u64| Deed {
        what: what.to_owned(),
        target: None,
        since: Now { mono_ms: NOW.mono_ms - ago, ..NOW },
    };
    model.deeds.insert(7, deed("restart web", 12_000));
    model.deeds.insert(3, deed("stop docs", 61_000));
    let mut feet = vec![foot(&model)];
    model.now.mono_ms += 6001;
    feet.push(foot(&model));
    model.look.ascii = true;
    feet.push(foot(&model));
    model.deeds.clear();
    feet.push(foot(&model));
    assert_snapshot!(feet.join("\n"));
}

#[test]
fn a_key_puts_away_a_note_that_was_there_to_be_read() {
    let mut model = shop(80, 12);
    model.notes.push_back(note(Level::Bad, 600, "told"));
    assert!(foot(&model).contains("told"));
    model.pressed_at = model.now;
    assert!(!foot(&model).contains("told"));
    model.notes.push_back(note(Level::Bad, 0, "what the key did"));
    assert!(foot(&model).contains("what the key did"));
}

#[test]
fn the_keys_are_those_that_make_sense() {
    let mut feet = Vec::new();
    for name in ["api", "web", "worker", "search", "bench"] {
        feet.push(format!("{name}: {}", foot(&of_process(100, 10, name))));
    }
    for id in ["t5", "t4"] {
        feet.push(format!("{id}: {}", foot(&of_task(100, 10, id))));
    }
    let mut model = shop(100, 10);
    model.panel = Panel::Output;
    feet.push(format!("output: {}", foot(&model)));
    for columns in [60, 39, 20, 8, 1] {
        feet.push(format!("{columns}: {}", foot(&shop(columns, 10))));
    }
    assert_snapshot!(feet.join("\n"));
}

// --- what is in front ----------------------------------------------------------------------------------

fn api() -> Target {
    Target::Process("api".to_owned())
}

fn over(columns: u16, rows: u16, overlay: Overlay) -> String {
    let mut model = shop(columns, rows);
    model.overlay = Some(overlay);
    text(&model)
}

#[test]
fn help_has_two_columns_where_there_is_room() {
    assert_snapshot!("help_120x40", over(120, 40, Overlay::Help { top: 0 }));
    assert_snapshot!("help_80x24", over(80, 24, Overlay::Help { top: 30 }));
    assert_snapshot!("help_40x10", over(40, 10, Overlay::Help { top: usize::MAX }));
}

/// Whoever scrolls to the end sees the last line, and one step less far the one before.
#[test]
fn what_scrolls_ends_with_its_last_line() {
    for (columns, rows) in [(80, 24), (40, 10), (20, 8)] {
        let mut model = shop(columns, rows);
        model.overlay = Some(Overlay::Help { top: 0 });
        let last = Scrolled::Overlay.last_top(&model);
        let ends = [last, last - 1, last + 1].map(|top| {
            model.overlay = Some(Overlay::Help { top });
            text(&model)
        });
        assert!(ends[0].contains("running"), "{}", ends[0]);
        assert_ne!(ends[0], ends[1]);
        assert_eq!(ends[0], ends[2]);
    }
    let mut model = shop(80, 16);
    model.notes = (0..30).map(|number| note(Level::Info, 9000, &format!("note {number}."))).collect();
    model.notes_top = Scrolled::Notes.last_top(&model);
    model.details_top = Scrolled::Details.last_top(&model);
    let shown = text(&model);
    assert!(model.details_top > 0 && shown.contains("run 3 crashed"), "{shown}");
    model.zoomed = true;
    model.panel = Panel::Server;
    model.notes_top = Scrolled::Notes.last_top(&model);
    assert!(text(&model).contains("note 0."), "{}", text(&model));
}

#[test]
fn why_with_its_evidence() {
    let answer = Some(Box::new(Ok(why())));
    assert_snapshot!("why_80x24", over(80, 24, Overlay::Why { target: api(), answer, top: 0 }));
    let answer =
        Some(Box::new(Err(Error::new(Code::UnknownProcess, "no process `api`").hint("known: `web`"))));
    assert_snapshot!("why_error", over(60, 12, Overlay::Why { target: api(), answer, top: 0 }));
    let asking = over(60, 12, Overlay::Why { target: api(), answer: None, top: 9 });
    assert!(asking.contains("asking …"), "{asking}");
}

#[test]
fn runs_to_pick_from() {
    let pick = |selected, top| Overlay::Runs { target: api(), answer: Some(Ok(runs())), selected, top };
    assert_snapshot!("runs_80x24", over(80, 24, pick(1, 0)));
    assert_snapshot!("runs_40x10", over(40, 10, pick(99, 0)));
    let mut model = shop(80, 24);
    model.overlay = Some(pick(1, 0));
    let selected: Vec<String> =
        styles(&model).lines().filter(|line| line.contains("REVERSED")).map(str::to_owned).collect();
    assert_snapshot!("runs_selected", selected.join("\n"));
}

#[test]
fn a_long_text() {
    let text =
        "error[E0308]: mismatched types\n  \u{1b}[1;34m-->\u{1b}[0m src/main.rs:12:5\n\n漢字".repeat(9);
    let title = "restart api: the build failed".to_owned();
    assert_snapshot!(over(50, 12, Overlay::Text { title, text, top: 3 }));
}

// --- looks -----------------------------------------------------------------------------------------------

#[test]
fn nothing_but_ascii() {
    let mut model = shop(80, 24);
    model.look.ascii = true;
    assert_snapshot!("ascii", text(&model));
    model.overlay = Some(Overlay::Help { top: 0 });
    assert_snapshot!("ascii_help", text(&model));
    model.overlay = None;
    model.link = gone(80, 24).link;
    assert!(text(&model).is_ascii(), "{}", text(&model));
}

#[test]
fn colours_are_the_terminals_own() {
    let looks = styles(&shop(80, 24));
    assert_snapshot!("colours", looks);
    for hidden in ["Black", "White", "Blue", "Gray", "#", "Indexed"] {
        assert!(!looks.contains(&format!("[{hidden}")), "{hidden} is no colour for every terminal");
    }
}

#[test]
fn without_colours_nothing_is_lost() {
    let mut model = shop(80, 24);
    model.look.plain = true;
    search(&mut model, "items", 12_340);
    let looks = styles(&model);
    assert_snapshot!("plain", looks);
    for color in ["Green", "Red", "Yellow", "Cyan", "on "] {
        assert!(!looks.lines().any(|line| line.rsplit_once('[').unwrap().1.contains(color)), "{color}");
    }
}

#[test]
fn dragging_marks_rows() {
    let mut model = shop(60, 12);
    model.drag = Some((2, 1));
    let marked: Vec<String> = styles(&model)
        .lines()
        .filter(|line| line.contains("REVERSED") && line.contains("items"))
        .map(str::to_owned)
        .collect();
    assert_eq!(marked.len(), 2, "{marked:?}");
    model.drag = Some((0, u16::MAX));
    let _ = text(&model);
}

#[test]
fn a_link_to_elsewhere_shows_its_address() {
    let mut model = shop(80, 24);
    model.link = Link::Up { label: "http://dev:3001".to_owned(), hello: None, manager_pid: None, since: NOW };
    assert!(text(&model).contains("an older manager"), "{}", text(&model));
    assert!(text(&model).contains("● http://dev:3001"), "{}", text(&model));
}
