//! Whether what is waited for holds, from facts alone. Pure.

use std::time::Duration;

use bpm_api::Condition;

use super::super::facts::Facts;
use super::cursor::Mark;

/// A condition that holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Verdict {
    pub(super) condition: Condition,
    pub(super) what: String,
    pub(super) bad: bool,
    pub(super) shows: Shows,
}

/// What to show for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shows {
    LastLines(Option<u64>),
    Build(u64),
}

/// What is looked at beside the facts, where it is asked for.
#[derive(Clone, Debug, Default)]
pub(super) struct Seen {
    /// TCP ports that the tree listens on.
    pub(super) ports: Vec<u16>,
    /// For how long it has printed nothing.
    pub(super) quiet_for: Option<Duration>,
}

/// What is asked.
#[derive(Clone, Debug, Default)]
pub(super) struct Wish {
    pub(super) until: Vec<Condition>,
    pub(super) port: Option<u16>,
    pub(super) quiet: Duration,
}

/// The first of the conditions that holds. `known`: that is no news; `None`: whatever holds already counts. What a log
/// says is not decided here.
pub(super) fn decide(wish: &Wish, known: Option<Mark>, facts: &Facts, seen: &Seen) -> Option<Verdict> {
    wish.until.iter().find_map(|condition| match condition {
        Condition::Ready => ready(known, facts),
        Condition::Exit => exit(known, facts),
        Condition::Build => build(known, facts),
        Condition::Port => port(wish, facts, seen),
        Condition::Quiet => quiet(wish, facts, seen),
        Condition::Pattern | Condition::Error => None,
    })
}

/// What is known when a wait begins that has no cursor. That nothing runs is news until it is told.
pub(super) fn known_at_first(facts: &Facts) -> Mark {
    let ready = facts.up.filter(|up| up.ready.is_some()).map_or(0, |up| up.run);
    let exit = facts.exit.as_ref().filter(|_| !is_gone(facts)).map_or(0, |exit| exit.run);
    Mark { ready, exit, build: facts.build.as_ref().map_or(0, |build| build.number), down: false }
}

/// What is known after this was told.
pub(super) fn known_after(known: Mark, condition: Condition, facts: &Facts) -> Mark {
    let build = facts.build.as_ref().map_or(0, |build| build.number);
    match condition {
        Condition::Ready => Mark { ready: facts.up.map_or(known.ready, |up| up.run), build, ..known },
        Condition::Exit => {
            let exit = facts.exit.as_ref().map_or(known.exit, |exit| exit.run);
            Mark { exit, down: is_gone(facts), ..known }
        }
        Condition::Build => Mark { build, ..known },
        Condition::Pattern | Condition::Error | Condition::Port | Condition::Quiet => known,
    }
}

fn is_gone(facts: &Facts) -> bool {
    facts.up.is_none() && !facts.under_way
}

/// Whether any of the conditions may ever hold.
pub(super) fn can_hold(until: &[Condition], facts: &Facts) -> bool {
    until.iter().any(|condition| match condition {
        Condition::Ready => !facts.never_ready,
        Condition::Build => !facts.is_task,
        Condition::Exit | Condition::Pattern | Condition::Error | Condition::Port | Condition::Quiet => true,
    })
}

/// Nothing more comes of a task that has ended, whatever is waited for.
pub(super) fn over(facts: &Facts) -> Option<Verdict> {
    let exit = facts.exit.as_ref().filter(|_| facts.is_task && is_gone(facts))?;
    Some(Verdict {
        condition: Condition::Exit,
        what: exit.how.clone(),
        bad: !exit.good,
        shows: Shows::LastLines(None),
    })
}

/// While a new run is being prepared, the one that is up is not what is waited for.
fn ready(known: Option<Mark>, facts: &Facts) -> Option<Verdict> {
    if facts.under_way {
        return None;
    }
    let failed = facts.build.as_ref().filter(|build| build.failure.is_some());
    let failed = failed.filter(|build| facts.up.is_none_or(|up| up.build < Some(build.number)));
    if let (Some(known), Some(failed)) = (known, failed)
        && failed.number > known.build
    {
        return build(Some(known), facts);
    }
    let up = facts.up.filter(|up| up.ready.is_some() && known.is_none_or(|known| up.run > known.ready))?;
    let mut what = match facts.is_task {
        true => format!("is ready, pid {}", up.pid),
        false => format!("run {} is ready, pid {}", up.run, up.pid),
    };
    if let Some(build) = failed {
        what = format!("build {} failed, so run {} of an older build goes on", build.number, up.run);
    }
    let shows = failed.map_or(Shows::LastLines(Some(up.run)), |build| Shows::Build(build.number));
    Some(Verdict { condition: Condition::Ready, what, bad: failed.is_some(), shows })
}

/// Nothing of it runs; or something did, and its end is news.
fn exit(known: Option<Mark>, facts: &Facts) -> Option<Verdict> {
    let gone = is_gone(facts);
    let holds = match known {
        None => gone,
        Some(known) => {
            let ended = facts.exit.as_ref().is_some_and(|exit| exit.run > known.exit);
            let by_its_exit = facts.exit.is_some() && facts.resting.is_none();
            ended || (gone && !known.down && !by_its_exit)
        }
    };
    if !holds {
        return None;
    }
    let verdict = |what: String, bad, run| Verdict {
        condition: Condition::Exit,
        what,
        bad,
        shows: Shows::LastLines(run),
    };
    Some(match (&facts.exit, &facts.resting) {
        (_, Some(why)) => verdict(format!("does not run, {}: {why}", facts.state), true, None),
        (Some(exit), None) if facts.is_task => verdict(exit.how.clone(), !exit.good, None),
        (Some(exit), None) => {
            let what = format!("run {} {}; now {}: {}", exit.run, exit.how, facts.state, facts.why);
            verdict(what, !exit.good, Some(exit.run))
        }
        (None, None) => verdict(format!("does not run, {}: {}", facts.state, facts.why), true, None),
    })
}

fn build(known: Option<Mark>, facts: &Facts) -> Option<Verdict> {
    let build = facts.build.as_ref()?;
    let holds = known.map_or(!facts.under_way, |known| build.number > known.build);
    let what = match &build.failure {
        None => format!("build {} succeeded", build.number),
        Some(why) => format!("build {} failed: {why}", build.number),
    };
    let bad = build.failure.is_some();
    holds.then_some(Verdict { condition: Condition::Build, what, bad, shows: Shows::Build(build.number) })
}

fn port(wish: &Wish, facts: &Facts, seen: &Seen) -> Option<Verdict> {
    let run = facts.up?.run;
    let port = match wish.port {
        Some(port) => seen.ports.contains(&port).then_some(port)?,
        None => *seen.ports.first()?,
    };
    let what = format!("listens on port {port}");
    Some(Verdict { condition: Condition::Port, what, bad: false, shows: Shows::LastLines(Some(run)) })
}

fn quiet(wish: &Wish, facts: &Facts, seen: &Seen) -> Option<Verdict> {
    let for_how_long = seen.quiet_for.filter(|quiet| *quiet >= wish.quiet)?;
    let run = facts.up.map(|up| up.run);
    let what = format!("has printed nothing for {:.1} s", for_how_long.as_secs_f64());
    Some(Verdict { condition: Condition::Quiet, what, bad: false, shows: Shows::LastLines(run) })
}

#[cfg(test)]
mod tests {
    use bpm_core::time::Time;

    use super::super::super::facts::{Build, Exit, Up};
    use super::*;

    fn at(seconds: u64) -> Time {
        Time::from_nanos(seconds * 1_000_000_000)
    }

    fn up(run: u64, ready: Option<u64>) -> Option<Up> {
        Some(Up { run, pid: 42, build: Some(run), ready: ready.map(at) })
    }

    fn exit_of(run: u64) -> Option<Exit> {
        Some(Exit { run, how: "exited with 1".into(), good: false })
    }

    fn ask(until: Condition, known: Option<Mark>, facts: &Facts) -> Option<Verdict> {
        decide(&Wish { until: vec![until], ..Wish::default() }, known, facts, &Seen::default())
    }

    fn holds(until: Condition, known: Option<Mark>, facts: &Facts) -> bool {
        ask(until, known, facts).is_some()
    }

    fn ready(run: u64) -> Option<Mark> {
        Some(Mark { ready: run, ..Mark::default() })
    }

    fn exited(run: u64) -> Option<Mark> {
        Some(Mark { exit: run, ..Mark::default() })
    }

    #[test]
    fn what_holds_already_answers_at_once_unless_it_is_known() {
        let running = Facts { up: up(3, Some(10)), ..Facts::default() };
        assert!(holds(Condition::Ready, None, &running));
        assert!(holds(Condition::Ready, ready(2), &running));
        assert!(!holds(Condition::Ready, ready(3), &running));
        assert!(!holds(Condition::Exit, None, &running));
        assert_eq!(known_at_first(&running).ready, 3);
    }

    #[test]
    fn an_earlier_exit_is_none_while_the_next_run_is_up_but_one_that_is_news_counts() {
        let back = Facts { up: up(4, Some(20)), exit: exit_of(3), ..Facts::default() };
        assert!(!holds(Condition::Exit, None, &back));
        assert!(holds(Condition::Exit, exited(2), &back));
        assert!(!holds(Condition::Exit, Some(known_at_first(&back)), &back));
        let gone = Facts { exit: exit_of(3), ..Facts::default() };
        assert!(holds(Condition::Exit, None, &gone));
        assert!(holds(Condition::Exit, Some(known_at_first(&gone)), &gone), "nobody was told");
        assert!(!holds(Condition::Exit, Some(known_after(Mark::default(), Condition::Exit, &gone)), &gone));
    }

    #[test]
    fn that_it_cannot_be_started_is_told_once_whatever_ended_before() {
        let parked = Facts { exit: exit_of(3), resting: Some("no such program".into()), ..Facts::default() };
        assert!(holds(Condition::Exit, exited(3), &parked));
        let told = known_after(Mark { exit: 3, ..Mark::default() }, Condition::Exit, &parked);
        assert!(!holds(Condition::Exit, Some(told), &parked));
    }

    #[test]
    fn the_old_run_is_not_ready_while_a_new_one_is_prepared() {
        let building = Facts { up: up(3, Some(10)), under_way: true, ..Facts::default() };
        assert!(!holds(Condition::Ready, None, &building));
        assert!(!holds(Condition::Exit, None, &building));
    }

    #[test]
    fn a_failed_build_ends_a_wait_for_readiness_with_bad_news() {
        let failed = Some(Build { number: 5, failure: Some("error".into()) });
        let kept = Facts { up: up(3, Some(10)), build: failed, ..Facts::default() };
        let verdict = ask(Condition::Ready, ready(3), &kept).unwrap();
        assert_eq!((verdict.condition, verdict.bad), (Condition::Build, true));
        let verdict = ask(Condition::Ready, None, &kept).unwrap();
        assert_eq!((verdict.condition, verdict.bad), (Condition::Ready, true));
        let told = known_after(Mark { ready: 3, ..Mark::default() }, Condition::Build, &kept);
        assert!(!holds(Condition::Ready, Some(told), &kept), "it is known");
    }

    #[test]
    fn a_task_without_a_ready_condition_is_only_waited_to_its_end() {
        let task = Facts { is_task: true, up: up(1, None), ..Facts::default() };
        assert!(!holds(Condition::Ready, None, &task));
        let over = Facts { is_task: true, exit: exit_of(1), ..Facts::default() };
        assert!(holds(Condition::Exit, None, &over));
    }

    #[test]
    fn what_never_comes_is_known_for_tasks_alone() {
        let task = Facts { is_task: true, never_ready: true, up: up(1, None), ..Facts::default() };
        assert!(!can_hold(&[Condition::Ready, Condition::Build], &task));
        assert!(can_hold(&[Condition::Ready, Condition::Exit], &task));
        assert!(can_hold(&[Condition::Ready], &Facts { never_ready: false, ..task.clone() }));
        assert!(can_hold(&[Condition::Build], &Facts::default()));
        assert!(over(&task).is_none());
        let ended = Facts { up: None, exit: exit_of(1), ..task };
        assert_eq!(
            over(&ended).map(|verdict| (verdict.condition, verdict.bad)),
            Some((Condition::Exit, true))
        );
        assert!(over(&Facts { is_task: false, ..ended }).is_none(), "a process comes back");
    }

    #[test]
    fn ports_and_silence_are_what_was_seen() {
        let facts = Facts { up: up(1, Some(1)), ..Facts::default() };
        let seen = Seen { ports: vec![3000, 8080], quiet_for: Some(Duration::from_secs(3)) };
        let asks = |until, port, seen: &Seen| {
            let wish = Wish { port, quiet: Duration::from_secs(2), until: vec![until] };
            decide(&wish, None, &facts, seen).is_some()
        };
        assert!(asks(Condition::Port, Some(8080), &seen));
        assert!(!asks(Condition::Port, Some(80), &seen));
        assert!(asks(Condition::Port, None, &seen));
        assert!(asks(Condition::Quiet, None, &seen));
        assert!(!asks(Condition::Quiet, None, &Seen::default()));
    }
}
