//! Background tasks, input, requests that are sent again, and a manager with nothing to do.

use bpm_core::fleet::{Action, Change, Ending, Event, MAX_TASKS, Outcome, Request, Signalled, Typed};
use bpm_core::service::TaskRules;

use crate::support::rig::{Rig, does, finished, outcome, run};
use crate::support::{command, config, rust, secs};

fn with_nothing() -> Rig {
    Rig::booted(&config(Vec::new())).0
}

fn limited(seconds: f64) -> TaskRules {
    TaskRules { kill_after: Some(secs(seconds)) }
}

/// What was told of the end of the run: by itself or asked for.
fn end(actions: &[Action]) -> Option<(Ending, bool)> {
    actions.iter().find_map(|action| match action {
        Action::Note(note) => match note.change {
            Change::Ended { ending, asked, .. } => Some((ending, asked)),
            _ => None,
        },
        _ => None,
    })
}

fn running(rig: &mut Rig, rules: TaskRules) -> String {
    let (task, _, actions) = rig.run_task(rules);
    assert_eq!(does(&actions), [format!("spawn {task}#1 release")]);
    assert_eq!(outcome(&rig.spawned(&task, 1)), "up as run 1 (release)");
    task.to_string()
}

#[test]
fn a_task_is_run_once_and_is_gone_when_its_tree_is_empty() {
    let mut rig = with_nothing();
    let task = running(&mut rig, TaskRules::default());
    assert_eq!(task, "t1");
    let actions = rig.exits(&task, 1, 3);
    assert_eq!(end(&actions), Some((Ending::Code(3), false)));
    assert!(rig.fleet.service(&task).is_none());
    assert_eq!(does(&rig.wait_secs(60.0)), [""; 0], "nothing brings it back");
}

#[test]
fn what_a_task_leaves_behind_is_kept_until_it_is_ended() {
    let mut rig = with_nothing();
    let task = running(&mut rig, TaskRules::default());
    assert_eq!(does(&rig.exited(&task, 1, 0, false)), [""; 0]);
    assert_eq!(does(&rig.wait_secs(600.0)), [""; 0]);
    assert!(rig.fleet.service(&task).is_some());
    assert_eq!(does(&rig.stop(&task).1), ["TERM t1#1"]);
    assert_eq!(does(&rig.wait_secs(5.0)), ["KILL t1#1"]);
    assert_eq!(outcome(&rig.tree_empty(&task, 1)), "down");
    assert!(rig.fleet.service(&task).is_none());
}

#[test]
fn what_a_task_leaves_behind_may_also_end_by_itself() {
    let mut rig = with_nothing();
    let task = running(&mut rig, TaskRules::default());
    rig.exited(&task, 1, 0, false);
    rig.tree_empty(&task, 1);
    assert!(rig.fleet.service(&task).is_none());
}

#[test]
fn an_asked_for_end_is_told_apart_from_one_by_itself() {
    let mut rig = with_nothing();
    let task = running(&mut rig, TaskRules::default());
    rig.stop(&task);
    let actions = rig.exits(&task, 1, 0);
    assert_eq!(end(&actions), Some((Ending::Code(0), true)));
    assert_eq!(outcome(&actions), "down");
}

#[test]
fn a_time_limit_ends_the_whole_tree_with_the_usual_grace() {
    let mut rig = with_nothing();
    let task = running(&mut rig, limited(30.0));
    assert_eq!(does(&rig.wait_secs(29.9)), [""; 0]);
    assert_eq!(does(&rig.wait_secs(0.1)), ["TERM t1#1"]);
    assert_eq!(does(&rig.wait_secs(5.0)), ["KILL t1#1"]);
    assert_eq!(end(&rig.exits(&task, 1, 0)), Some((Ending::Code(0), true)));
}

#[test]
fn a_time_limit_holds_for_what_a_leader_left_behind_and_over_the_death_of_the_manager() {
    let mut rig = with_nothing();
    let task = running(&mut rig, limited(30.0));
    let started = rig.now;
    rig.wait_secs(10.0);
    rig.exited(&task, 1, 0, false);
    rig.die_and_restore(&config(Vec::new()));
    rig.adopted(&task, 1, started);
    rig.exited(&task, 1, 0, false);
    rig.boot();
    assert_eq!(does(&rig.wait_secs(19.9)), [""; 0]);
    assert_eq!(does(&rig.wait_secs(0.1)), ["TERM t1#1"]);
}

#[test]
fn tasks_survive_the_manager_and_numbers_are_never_used_twice() {
    let mut rig = with_nothing();
    let task = running(&mut rig, TaskRules::default());
    let started = rig.now;
    let (over, _, _) = rig.run_task(TaskRules::default());
    rig.spawned(&over, 1);
    rig.exits(&over, 1, 0);
    rig.die_and_restore(&config(Vec::new()));
    rig.adopted(&task, 1, started);
    assert_eq!(does(&rig.boot()), [""; 0]);
    assert_eq!(rig.ready(&task), Some(1));
    assert_eq!(&*rig.run_task(TaskRules::default()).0, "t3");
}

#[test]
fn a_task_that_the_manager_before_had_accepted_is_started_by_the_next_one() {
    let mut rig = with_nothing();
    let (task, _, _) = rig.run_task(TaskRules::default());
    rig.die_and_restore(&config(Vec::new()));
    rig.never_started(&task, 1);
    assert_eq!(does(&rig.boot()), ["spawn t1#2 release"]);
}

#[test]
fn a_task_that_cannot_be_started_is_over() {
    for permanent in [true, false] {
        let mut rig = with_nothing();
        let (task, _, _) = rig.run_task(TaskRules::default());
        assert!(outcome(&rig.spawn_failed(&task, 1, permanent)).starts_with("run 1 not started"));
        assert!(rig.fleet.service(&task).is_none());
    }
}

#[test]
fn a_lost_task_is_not_started_again() {
    let mut rig = with_nothing();
    let task = running(&mut rig, TaskRules::default());
    assert_eq!(end(&rig.lost(&task, 1)), Some((Ending::Lost, false)));
    assert!(rig.fleet.service(&task).is_none());
}

#[test]
fn a_task_is_neither_started_again_nor_restarted() {
    let mut rig = with_nothing();
    let task = running(&mut rig, TaskRules::default());
    assert_eq!(outcome(&rig.start(&task).1), "a task");
    assert_eq!(outcome(&rig.restart(&task).1), "a task");
    assert_eq!(rig.ready(&task), Some(1));
}

#[test]
fn another_configuration_leaves_tasks_alone_and_a_shutdown_ends_them() {
    let mut rig = Rig::up(&config(vec![command("web")]));
    let task = running(&mut rig, TaskRules::default());
    rig.apply(config(Vec::new()));
    assert_eq!(rig.ready(&task), Some(1));
    rig.exits("web", 1, 0);
    let (_, actions) = rig.shutdown();
    assert_eq!(does(&actions), ["TERM t1#1"]);
    assert_eq!(does(&rig.exits(&task, 1, 0)), ["quit"]);
}

#[test]
fn running_tasks_are_limited_and_ended_ones_do_not_count() {
    let mut rig = with_nothing();
    for number in 0..MAX_TASKS {
        let (task, _, _) = rig.run_task(TaskRules::default());
        rig.spawned(&task, 1);
        assert_eq!(*task, format!("t{}", number + 1));
    }
    let (_, _, refused) = rig.run_task(TaskRules::default());
    assert_eq!(outcome(&refused), "256 tasks run already");
    rig.exits("t7", 1, 0);
    let (_, _, accepted) = rig.run_task(TaskRules::default());
    assert_eq!(does(&accepted), ["spawn t257#1 release"]);
}

#[test]
fn input_goes_to_the_live_run_and_its_fate_is_the_outcome() {
    let mut rig = Rig::up(&config(vec![command("web")]));
    let (op, actions) = rig.ask(Request::Input { process: "web".into() });
    assert_eq!(does(&actions), [format!("input of op {} to web#1", op.0)]);
    for (time, fate) in
        [Typed::Taken, Typed::Full { room: 7 }, Typed::NoInput, Typed::Closed].into_iter().enumerate()
    {
        let op = if time == 0 { op } else { rig.ask(Request::Input { process: "web".into() }).0 };
        let actions = rig.step(Event::InputDone { op, outcome: fate.clone() });
        assert_eq!(finished(&actions), [(op, Outcome::Typed(fate))]);
    }
    let (_, actions) = rig.stop("web");
    rig.cooperate(actions);
    assert_eq!(outcome(&rig.ask(Request::Input { process: "web".into() }).1), "typed: Closed");
}

#[test]
fn what_was_typed_under_a_key_is_not_typed_again_not_even_by_the_next_manager() {
    let setup = config(vec![command("web")]);
    let mut rig = Rig::up(&setup);
    let type_once = |rig: &mut Rig| rig.ask_with_key("k", Request::Input { process: "web".into() }).1;
    assert_eq!(does(&type_once(&mut rig)).len(), 1);
    assert_eq!(outcome(&type_once(&mut rig)), "typed: Taken");
    let started = rig.now;
    rig.die_and_restore(&setup);
    rig.adopted("web", 1, started);
    rig.boot();
    assert_eq!(outcome(&type_once(&mut rig)), "typed: Before", "the manager may have died before it did");
}

fn signal_web(signal: i32) -> Request {
    Request::Signal { process: "web".into(), signal }
}

#[test]
fn a_signal_goes_to_the_live_run_and_its_fate_is_the_outcome() {
    let mut rig = Rig::up(&config(vec![command("web")]));
    let (op, actions) = rig.ask(signal_web(1));
    assert_eq!(does(&actions), [format!("signal 1 of op {} to web#1", op.0)]);
    let told = actions.iter().find_map(|action| match action {
        Action::Note(note) => Some(note.change.clone()),
        _ => None,
    });
    assert_eq!(told, Some(Change::Signalled { op, run: 1, signal: 1 }));
    for (time, fate) in
        [Signalled::Sent { run: 1 }, Signalled::Unanswered, Signalled::NotRunning].into_iter().enumerate()
    {
        let op = if time == 0 { op } else { rig.ask(signal_web(1)).0 };
        let done = || Event::SignalDone { op, outcome: fate.clone() };
        assert_eq!(finished(&rig.step(done())), [(op, Outcome::Signalled(fate.clone()))]);
        assert_eq!(finished(&rig.step(done())), [], "once");
    }
    let (_, actions) = rig.stop("web");
    rig.cooperate(actions);
    assert_eq!(outcome(&rig.ask(signal_web(9)).1), "signalled: NotRunning");
    let unknown = rig.ask(Request::Signal { process: "wbe".into(), signal: 1 }).1;
    assert_eq!(outcome(&unknown), "no such process (known: web)");
}

#[test]
fn a_signal_is_no_stop_and_an_end_that_follows_is_a_crash() {
    let mut rig = Rig::up(&config(vec![command("web")]));
    let (_, actions) = rig.ask(signal_web(9));
    rig.cooperate(actions);
    assert_eq!(rig.ready("web"), Some(1), "nothing is over before it is seen to be");
    let at = rig.now;
    let ended = Event::Exited { run: run("web", 1), ending: Ending::Signal(9), at, tree_empty: true };
    rig.step(ended);
    assert_eq!(rig.service("web").backoff().crashes, 1);
    assert!(rig.service("web").last_exit().is_some_and(|exit| !exit.asked));
}

#[test]
fn a_signal_that_is_asked_for_again_is_not_sent_again() {
    let setup = config(vec![command("web")]);
    let mut rig = Rig::up(&setup);
    let once = |rig: &mut Rig| rig.ask_with_key("k", signal_web(1)).1;
    assert_eq!(does(&once(&mut rig)).len(), 1);
    assert_eq!(outcome(&once(&mut rig)), "signalled: Before");
    let started = rig.now;
    rig.die_and_restore(&setup);
    rig.ask_with_key("other", signal_web(12));
    let found = rig.adopted("web", 1, started);
    assert_eq!(does(&found).len(), 1, "what came before its run was found waits for it: {found:?}");
    assert_eq!(outcome(&once(&mut rig)), "signalled: Before");
}

#[test]
fn a_signal_counts_as_use() {
    let mut rig = Rig::up(&config(vec![command("web")]));
    rig.ask(Request::Restart { process: "web".into(), recipe: None });
    let before = rig.fleet.release_switch_at();
    rig.wait_secs(60.0);
    rig.ask(signal_web(1));
    assert!(before.is_some() && rig.fleet.release_switch_at() > before);
}

fn restart_once(rig: &mut Rig) -> Vec<Action> {
    rig.ask_with_key("k", Request::Restart { process: "web".into(), recipe: None }).1
}

#[test]
fn a_restart_that_is_sent_again_joins_the_first_one_wherever_it_stands() {
    let mut rig = Rig::up(&config(vec![rust("web")]));
    assert_eq!(does(&restart_once(&mut rig)), ["build web#b2 dev"]);
    assert_eq!(does(&restart_once(&mut rig)), [""; 0], "no second build");
    rig.built("web", 2);
    rig.exits("web", 1, 0);
    assert_eq!(does(&restart_once(&mut rig)), [""; 0]);
    let up = finished(&rig.spawned("web", 2));
    assert_eq!(up.len(), 3, "everybody gets the outcome: {up:?}");
    assert_eq!(outcome(&restart_once(&mut rig)), "up as run 2 (dev)");
}

#[test]
fn a_restart_that_is_sent_again_is_told_that_the_build_failed() {
    let setup = config(vec![rust("web")]);
    let mut rig = Rig::up(&setup);
    restart_once(&mut rig);
    rig.build_failed("web", 2);
    assert_eq!(outcome(&restart_once(&mut rig)), "build 2 failed, run 1 still up");
}

#[test]
fn a_restart_that_is_sent_again_to_the_next_manager_builds_nothing_anew() {
    let setup = config(vec![rust("web")]);
    let mut rig = Rig::up(&setup);
    restart_once(&mut rig);
    let started = rig.now;
    rig.die_and_restore(&setup);
    rig.adopted("web", 1, started);
    rig.boot();
    assert_eq!(does(&restart_once(&mut rig)), [""; 0]);
    rig.built("web", 2);
    rig.exits("web", 1, 0);
    assert_eq!(outcome(&rig.spawned("web", 2)), "up as run 2 (dev)");
}

#[test]
fn another_key_is_another_request() {
    let mut rig = Rig::up(&config(vec![rust("web")]));
    restart_once(&mut rig);
    let (_, actions) = rig.ask_with_key("other", Request::Restart { process: "web".into(), recipe: None });
    assert_eq!(does(&actions), ["cancel web#b2"]);
}

#[test]
fn a_manager_with_nothing_to_do_and_nobody_to_do_it_for_ends_itself() {
    let mut rig = with_nothing();
    assert_eq!(does(&rig.wait_secs(1799.0)), [""; 0]);
    rig.step(Event::Clients { connected: 1 });
    assert_eq!(does(&rig.wait_secs(10_000.0)), [""; 0], "a client is there");
    let task = running(&mut rig, TaskRules::default());
    rig.step(Event::Clients { connected: 0 });
    assert_eq!(does(&rig.wait_secs(10_000.0)), [""; 0], "a task is there");
    rig.exits(&task, 1, 0);
    assert_eq!(does(&rig.wait_secs(1799.0)), [""; 0]);
    assert_eq!(does(&rig.wait_secs(1.0)), ["quit"]);
}

#[test]
fn a_manager_with_a_process_stays() {
    let mut rig = Rig::up(&config(vec![command("web")]));
    let (_, actions) = rig.stop("web");
    rig.cooperate(actions);
    assert_eq!(does(&rig.wait_secs(10_000.0)), [""; 0]);
}

#[test]
fn what_a_stop_left_when_its_manager_died_is_ended_by_the_next_one() {
    let mut rig = with_nothing();
    let task = running(&mut rig, TaskRules::default());
    rig.stop(&task);
    rig.die_and_restore(&config(Vec::new()));
    rig.exited(&task, 1, 0, false);
    rig.boot();
    assert_eq!(does(&rig.wait_secs(5.0)), ["KILL t1#1"], "it is no survivor to be kept");
}

#[test]
fn a_task_that_was_accepted_before_the_first_step_is_started_after_it_or_by_the_next_manager() {
    let nothing = config(Vec::new());
    let mut rig = Rig::new(&nothing);
    rig.run_task(TaskRules::default());
    assert_eq!(does(&rig.boot()), ["spawn t1#1 release"]);
    let mut rig = Rig::new(&nothing);
    rig.run_task(TaskRules::default());
    rig.die_and_restore(&nothing);
    assert_eq!(does(&rig.boot()), ["spawn t1#1 release"]);
}

#[test]
fn the_end_of_a_task_that_never_ran_is_told_too() {
    let unstarted = |actions: &[Action]| {
        let told = |action: &&Action| matches!(action, Action::Note(note) if matches!(note.change, Change::SpawnFailed { .. }));
        actions.iter().filter(told).count()
    };
    let mut rig = Rig::new(&config(Vec::new()));
    let (task, _, _) = rig.run_task(TaskRules::default());
    rig.stop(&task);
    assert_eq!(unstarted(&rig.boot()), 1);
    let mut rig = with_nothing();
    let (task, _, _) = rig.run_task(TaskRules::default());
    rig.stop(&task);
    rig.die_and_restore(&config(Vec::new()));
    rig.never_started(&task, 1);
    assert_eq!(unstarted(&rig.boot()), 1);
    assert!(rig.fleet.service(&task).is_none());
}

#[test]
fn input_ends_once_however_often_it_is_reported() {
    let mut rig = Rig::up(&config(vec![command("web")]));
    let (op, _) = rig.ask(Request::Input { process: "web".into() });
    let done = || Event::InputDone { op, outcome: Typed::Taken };
    assert_eq!(finished(&rig.step(done())).len(), 1);
    assert_eq!(finished(&rig.step(done())), []);
}

#[test]
fn input_for_a_run_that_is_yet_to_be_found_again_waits_and_is_typed_once() {
    let setup = config(vec![command("web")]);
    let mut rig = Rig::up(&setup);
    let started = rig.now;
    let input = || Request::Input { process: "web".into() };
    rig.die_and_restore(&setup);
    assert_eq!(finished(&rig.ask_with_key("k", input()).1), []);
    let (op, again) = rig.ask_with_key("k", input());
    assert_eq!(finished(&again), []);
    let found = rig.adopted("web", 1, started);
    assert_eq!(does(&found), [format!("input of op {} to web#1", op.0 - 1)]);
    assert_eq!(finished(&found), [(op, Outcome::Typed(Typed::Taken))], "the same request");
    rig.die_and_restore(&setup);
    rig.ask(input());
    let gone = rig.exits("web", 1, 0);
    assert!(finished(&gone).iter().any(|(_, outcome)| *outcome == Outcome::Typed(Typed::Closed)));
}
