//! Asking the manager to do something.

use bpm_api::{
    Began, Change, Code, Error, EventKind, Mode, Reply, Request, State, TaskCommand, TaskReport, TaskState,
};
use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use super::manager::{build, task};
use super::world::{World, event};
use crate::tui::message::{Ask, Command, Message};
use crate::tui::model::{Level, Panel, PromptKind, Question};

fn press(world: &mut World, c: char) {
    world.say(Message::Key(KeyCode::Char(c).into()));
}

/// Answers the deed that is under way.
fn answer(world: &mut World, outcome: Result<Reply, Error>) {
    let at = world.pending.iter().position(|(ask, _)| matches!(ask, Ask::Deed(_))).expect("a deed");
    let (ask, _) = world.pending.remove(at).expect("it is there");
    world.say(Message::Answered { ask, outcome });
    world.answer();
}

#[test]
fn restart_start_and_stop_are_asked_for_and_wait_as_long_as_a_build_may_take() {
    let mut world = World::new();
    for (key, name) in [('r', "restart"), ('s', "start"), ('x', "stop")] {
        press(&mut world, key);
        if key == 'x' {
            assert_eq!(world.prompt(), Some((PromptKind::Confirm(Question::Stop), "")));
            press(&mut world, 'y');
        }
        let Some(request) = world.deed() else { panic!("{key} asks for nothing") };
        assert_eq!(request.name(), name);
        assert!(format!("{request:?}").contains("3600"), "{request:?}");
        assert_eq!(
            world.model.deeds.values().next().map(|deed| deed.what.clone()),
            Some(format!("{name} api"))
        );
        world.answer();
        assert!(world.model.deeds.is_empty());
        assert_eq!(world.note().0, Level::Good);
    }
}

#[test]
fn the_answer_is_told_with_its_facts() {
    let mut world = World::new();
    press(&mut world, 'r');
    let began = Began {
        process: "api".to_owned(),
        run: 4,
        pid: 123,
        recipe: Mode::Dev,
        already: false,
        build: None,
        warnings: 2,
    };
    answer(&mut world, Ok(Reply::Began(began)));
    assert_eq!(world.note(), (Level::Good, "api: run 4, pid 123, 2 warnings"));
    press(&mut world, 'r');
    answer(&mut world, Err(Error::new(Code::BuildFailed, "build 5 of `api` failed").detail("long")));
    assert_eq!(world.note(), (Level::Bad, "restart api: build 5 of `api` failed; `b` shows the build's log"));
    assert!(world.model.overlay.is_none(), "nothing comes up by itself");
}

#[test]
fn a_task_is_ended_when_that_is_confirmed() {
    let mut world = World::new();
    world.keys("jj");
    assert_eq!(world.selected(), "t1");
    world.keys("xn");
    assert_eq!(world.note().1, "not ended");
    world.keys("x");
    assert_eq!(world.prompt(), Some((PromptKind::Confirm(Question::End), "")));
    press(&mut world, 'y');
    assert!(matches!(world.deed(), Some(Request::EndTask(end)) if end.task_id == "t1"));
}

#[test]
fn a_process_that_does_not_run_is_stopped_without_a_question() {
    let mut world = World::new();
    world.manager.status.processes[0].pid = None;
    world.manager.status.processes[0].state = State::BackingOff;
    world.pass(1000);
    press(&mut world, 'x');
    assert!(matches!(world.deed(), Some(Request::Stop(stop)) if stop.process == "api"));
}

#[test]
fn a_task_is_not_restarted_but_its_command_is_offered() {
    let mut world = World::new();
    world.keys("jjr");
    assert_eq!(world.prompt(), Some((PromptKind::Run, "cargo test -p t1")));
}

#[test]
fn a_command_becomes_a_task_that_is_selected() {
    let mut world = World::new();
    world.keys(":echo hi");
    world.say(Message::Key(KeyCode::Enter.into()));
    let Some(Request::RunTask(run)) = world.deed() else { panic!("{:?}", world.pending) };
    assert_eq!(run.command, TaskCommand::Shell("echo hi".to_owned()));
    let began = task("t2", TaskState::Running, None);
    world.manager.status.tasks.push(began.clone());
    answer(&mut world, Ok(Reply::Task(Box::new(TaskReport { task: began, already: false, output: None }))));
    world.pass(1000);
    assert_eq!(world.selected(), "t2");
}

#[test]
fn input_goes_to_what_is_selected_with_a_line_feed() {
    let mut world = World::new();
    world.keys("i");
    assert!(world.note().1.starts_with("`api` has no input; `pty = true`"), "{}", world.note().1);
    world.manager.status.processes[0].pty = true;
    world.pass(1000);
    world.keys("i1 + 1");
    world.say(Message::Key(KeyCode::Enter.into()));
    let Some(Request::SendInput(sent)) = world.deed() else { panic!("{:?}", world.pending) };
    let (process, task) = (sent.process.as_deref(), sent.task_id.as_deref());
    assert_eq!((process, task), (Some("api"), None));
    assert_eq!((sent.text.as_deref(), sent.key.as_deref()), (Some("1 + 1"), Some("enter")));
}

#[test]
fn signals_go_to_what_runs() {
    let mut world = World::new();
    world.keys("XHUP");
    world.say(Message::Key(KeyCode::Enter.into()));
    assert!(
        matches!(world.deed(), Some(Request::SendSignal(sent)) if sent.signal == "HUP" && sent.target == "api")
    );
    world.answer();
    world.manager.status.processes[0].pid = None;
    world.pass(1000);
    world.keys("X");
    assert_eq!(world.note().1, "`api` does not run; `s` starts it");
}

#[test]
fn who_has_no_terminal_is_not_attached_to() {
    let mut world = World::new();
    world.keys("a");
    assert!(world.note().1.contains("has no terminal"));
    world.manager.status.processes[0].pty = true;
    world.pass(1000);
    world.keys("a");
    assert_eq!(world.done.last(), Some(&Command::Attach { target: "api".to_owned() }));
    world.tell(Message::Detached(Ok("left `api`".to_owned())));
    assert_eq!((world.note().1, world.done.last()), ("left `api`", Some(&Command::Redraw)));
}

#[test]
fn ended_tasks_are_forgotten_and_others_are_not() {
    let mut world = World::new();
    world.keys("D");
    assert!(world.note().1.contains("only tasks are forgotten"));
    world.keys("jjD");
    assert_eq!(world.note().1, "`t1` still runs; `x` ends it");
    world.manager.status.tasks[0] = task("t1", TaskState::Completed, Some(1.0));
    world.pass(1000);
    world.keys("D");
    assert_eq!(world.prompt(), Some((PromptKind::Confirm(Question::Forget), "")));
    world.press(KeyCode::Esc);
    assert_eq!(world.note().1, "not forgotten");
    world.keys("D");
    press(&mut world, 'y');
    assert!(
        matches!(world.deed(), Some(Request::ClearTasks(clear)) if clear.task_id.as_deref() == Some("t1"))
    );
}

#[test]
fn q_and_ctrl_c_quit_at_once_and_esc_when_nothing_is_open() {
    for key in [
        KeyEvent::new(KeyCode::Char('q'), KeyModifiers::NONE),
        KeyEvent::new(KeyCode::Char('c'), KeyModifiers::CONTROL),
        KeyEvent::new(KeyCode::Esc, KeyModifiers::NONE),
    ] {
        let mut world = World::new();
        world.tell(Message::Key(key));
        assert_eq!(world.done.last(), Some(&Command::Quit), "{key:?}");
    }
    let mut world = World::new();
    world.keys("?");
    world.press(KeyCode::Esc);
    assert!(world.model.overlay.is_none() && !world.done.contains(&Command::Quit));
}

#[test]
fn esc_ends_one_thing_after_the_other() {
    let mut world = World::new();
    world.press(KeyCode::Tab);
    world.keys("z&line\n/9\n");
    assert_eq!((world.model.panel, world.model.zoomed), (Panel::Output, true));
    world.press(KeyCode::Esc);
    assert!(world.model.log.search.is_none() && !world.model.log.only.is_all());
    world.press(KeyCode::Esc);
    assert!(world.model.log.only.is_all() && world.model.zoomed);
    world.press(KeyCode::Esc);
    assert_eq!((world.model.panel, world.model.zoomed), (Panel::Output, false));
    world.press(KeyCode::Esc);
    assert_eq!(world.model.panel, Panel::Processes);
    world.press(KeyCode::Esc);
    assert!(!world.done.contains(&Command::Quit), "twice in a moment is not meant so");
    world.pass(1000);
    world.press(KeyCode::Esc);
    assert_eq!(world.done.last(), Some(&Command::Quit));
}

#[test]
fn esc_puts_an_answer_away_before_it_quits() {
    let mut world = World::new();
    world.keys("i");
    assert!(world.model.note_shown().is_some_and(|note| note.is_answer));
    world.pass(1000);
    world.press(KeyCode::Esc);
    assert!(world.model.note_shown().is_none() && !world.done.contains(&Command::Quit));
    world.press(KeyCode::Esc);
    assert_eq!(world.done.last(), Some(&Command::Quit));
}

#[test]
fn q_closes_what_is_in_front_and_ctrl_c_quits_all_the_same() {
    let mut world = World::new();
    world.keys("?q");
    assert!(world.model.overlay.is_none() && !world.done.contains(&Command::Quit));
    world.keys("?");
    world.tell(Message::Key(KeyEvent::new(KeyCode::Char('c'), KeyModifiers::CONTROL)));
    assert_eq!(world.done.last(), Some(&Command::Quit));
}

#[test]
fn what_happens_by_itself_leaves_an_answer_its_time() {
    let mut world = World::new();
    world.keys("i");
    world.pass(100);
    world.happens(event("web", EventKind::Crashed, "crashed"));
    assert_eq!(world.note().1, "web: crashed");
    assert!(world.model.note_shown().is_some_and(|note| note.text.starts_with("`api` has no input")));
    world.pass(5000);
    assert!(world.model.note_shown().is_some_and(|note| note.text == "web: crashed"));
}

#[test]
fn a_task_is_run_anew_as_it_was() {
    let mut world = World::new();
    let mut ended = task("t1", TaskState::Failed, Some(1.0));
    (ended.name, ended.cwd, ended.pty) = (Some("top".to_owned()), "/srv".to_owned(), true);
    world.manager.status.tasks[0] = ended;
    world.pass(1000);
    world.keys("jjr");
    world.say(Message::Key(KeyCode::Enter.into()));
    let Some(Request::RunTask(run)) = world.deed() else { panic!("{:?}", world.pending) };
    assert_eq!((run.name.as_deref(), run.cwd.as_deref(), run.pty), (Some("top"), Some("/srv"), Some(true)));
}

#[test]
fn a_task_that_is_over_before_its_beginning_is_answered_is_not_said_to_run() {
    let mut world = World::new();
    world.keys(":true");
    world.say(Message::Key(KeyCode::Enter.into()));
    world.say(Message::Change(Change::Event(event(
        "t2",
        EventKind::TaskEnded,
        "run 1 ended by itself: exit code 0",
    ))));
    let begun = task("t2", TaskState::Running, None);
    answer(&mut world, Ok(Reply::Task(Box::new(TaskReport { task: begun, already: false, output: None }))));
    assert_eq!(world.note().1, "t2: run 1 ended by itself: exit code 0");
}

#[test]
fn what_is_being_built_is_stopped_only_when_that_is_confirmed() {
    let mut world = World::new();
    let api = &mut world.manager.status.processes[0];
    (api.pid, api.run, api.state, api.building) = (None, None, State::Starting, Some(build(1, None)));
    world.pass(1000);
    world.keys("a");
    assert_eq!(world.note().1, "`api` does not run; it is being started");
    world.keys("x");
    assert_eq!(world.prompt(), Some((PromptKind::Confirm(Question::Stop), "")));
}
