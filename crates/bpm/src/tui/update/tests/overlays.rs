//! What is in front: the keys, runs, reasons.

use crossterm::event::KeyCode;

use bpm_api::{Code, Error, Reply, Request, WhyAnswer};

use super::world::World;
use crate::tui::keys::KEYS;
use crate::tui::message::{Ask, Message};
use crate::tui::model::Overlay;

#[test]
fn help_scrolls_within_its_lines_and_closes() {
    let mut world = World::new();
    world.keys("?");
    for _ in 0..500 {
        world.keys("j");
    }
    let Some(Overlay::Help { top: last }) = world.model.overlay else { panic!("no help") };
    assert!((10..KEYS.len() + 12).contains(&last), "{last}");
    world.keys("k");
    assert!(matches!(world.model.overlay, Some(Overlay::Help { top }) if top + 1 == last));
    world.keys("g");
    assert!(matches!(world.model.overlay, Some(Overlay::Help { top: 0 })));
    world.keys("?");
    assert!(world.model.overlay.is_none());
}

#[test]
fn a_key_for_what_is_behind_does_nothing() {
    let mut world = World::new();
    world.keys("?");
    world.say(Message::Key(KeyCode::Char('r').into()));
    assert!(world.deed().is_none());
    world.keys("j");
    assert_eq!(world.selected(), "api");
}

#[test]
fn a_run_is_picked() {
    let mut world = World::new();
    for run in 2..=4 {
        world.manager.log("api", false, run).lines = vec![format!("run {run}")];
    }
    world.manager.log("api", true, 9).lines = vec!["build 9".to_owned()];
    world.keys("\nR");
    let Some(Overlay::Runs { answer: Some(Ok(runs)), selected: 0, .. }) = &world.model.overlay else {
        panic!("{:?}", world.model.overlay)
    };
    assert_eq!((runs.runs.len(), runs.builds.len()), (4, 1));
    world.keys("j\n");
    assert_eq!(world.screen(), ["run 3"]);
    assert_eq!(world.model.log.source.as_ref().and_then(|source| source.run), Some(3));
    world.keys("RG\n");
    assert_eq!(world.screen(), ["build 9"]);
    world.keys("Rg\n");
    assert_eq!(world.screen(), ["run 4"]);
    assert_eq!(world.model.log.source.as_ref().and_then(|source| source.run), None, "the newest is followed");
    world.keys("R");
    world.press(KeyCode::Esc);
    assert!(world.model.overlay.is_none());
}

#[test]
fn an_answer_about_another_target_is_not_shown() {
    let mut world = World::new();
    world.say(Message::Key(KeyCode::Char('W').into()));
    let asked = world.pending.pop_front().expect("a question");
    assert!(matches!(&asked, (Ask::Why, Request::Why(why)) if why.process == "api"));
    for key in [KeyCode::Esc, KeyCode::Char('j'), KeyCode::Char('W')] {
        world.say(Message::Key(key.into()));
    }
    assert!(!world.pending.iter().any(|(ask, _)| *ask == Ask::Why), "one question at a time");
    let about_api = WhyAnswer {
        status: world.manager.status.processes[0].clone(),
        evidence: None,
        survivors: Vec::new(),
    };
    world.say(Message::Answered { ask: asked.0, outcome: Ok(Reply::Why(Box::new(about_api))) });
    assert!(matches!(world.model.overlay, Some(Overlay::Why { answer: None, .. })));
    let next = world.pending.iter().find(|(ask, _)| *ask == Ask::Why).expect("asked now");
    assert!(matches!(&next.1, Request::Why(why) if why.process == "web"));
    let outcome = Err(Error::new(Code::Internal, "no"));
    world.say(Message::Answered { ask: Ask::Why, outcome });
    assert!(
        matches!(&world.model.overlay, Some(Overlay::Why { answer: Some(answer), .. }) if answer.is_err())
    );
}

#[test]
fn why_of_a_task_is_what_its_status_says() {
    let mut world = World::new();
    world.keys("jjW");
    let Some(Overlay::Text { title, text, .. }) = &world.model.overlay else { panic!("no text") };
    assert_eq!(title, "t1");
    assert!(text.starts_with("cargo test -p t1\n") && text.contains("cli alice"), "{text}");
}

#[test]
fn what_is_about_a_target_goes_with_it() {
    let mut world = World::new();
    world.keys("R");
    world.manager.status.processes.remove(0);
    world.pass(1000);
    assert!(world.model.overlay.is_none());
    assert!(world.notes().contains(&"`api` is not there any more"));
}
