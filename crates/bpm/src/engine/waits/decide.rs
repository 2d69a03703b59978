//! Whether what is waited for holds, from facts alone. Pure.

use std::time::Duration;

use bpm_api::Condition;
use bpm_core::time::Time;

use super::super::facts::Facts;

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
    /// Only what came after this counts; `None`: what holds already, too.
    pub(super) since: Option<Time>,
}

/// The first of the conditions that holds. What a log says is not decided here.
pub(super) fn decide(wish: &Wish, facts: &Facts, seen: &Seen) -> Option<Verdict> {
    wish.until.iter().find_map(|condition| match condition {
        Condition::Ready => ready(wish, facts),
        Condition::Exit => exit(wish, facts),
        Condition::Build => build(wish, facts),
        Condition::Port => port(wish, facts, seen),
        Condition::Quiet => quiet(wish, facts, seen),
        Condition::Pattern | Condition::Error => None,
    })
}

/// While a new run is being prepared, the one that is up is not what is waited for.
fn ready(wish: &Wish, facts: &Facts) -> Option<Verdict> {
    let after = |at: Time| wish.since.is_none_or(|since| at > since);
    let failed = facts.build.as_ref().filter(|build| build.failure.is_some());
    let failed = failed.filter(|build| facts.up.is_none_or(|up| up.build < Some(build.number)));
    if facts.under_way {
        return None;
    }
    if let Some(build) = failed.filter(|build| after(build.at) && wish.since.is_some()) {
        return self::build(&Wish { until: vec![Condition::Build], ..wish.clone() }, facts)
            .filter(|_| after(build.at));
    }
    let up = facts.up.as_ref().filter(|up| up.ready.is_some_and(after))?;
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

/// Nothing of it runs; or something did, and ended after the cursor.
fn exit(wish: &Wish, facts: &Facts) -> Option<Verdict> {
    let gone = facts.up.is_none() && !facts.under_way;
    let newly = facts.exit.as_ref().filter(|exit| wish.since.is_some_and(|since| exit.at > since));
    let holds = match wish.since {
        None => gone,
        Some(_) => newly.is_some() || (gone && facts.exit.is_none()),
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

fn build(wish: &Wish, facts: &Facts) -> Option<Verdict> {
    let build = facts.build.as_ref()?;
    let holds = match wish.since {
        Some(since) => build.at > since,
        None => !facts.under_way,
    };
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
    use super::super::super::facts::{Build, Exit, Up};
    use super::*;

    fn at(seconds: u64) -> Time {
        Time::from_nanos(seconds * 1_000_000_000)
    }

    fn up(run: u64, ready: Option<u64>) -> Option<Up> {
        Some(Up { run, pid: 42, build: Some(run), ready: ready.map(at) })
    }

    fn exit_of(run: u64, seconds: u64) -> Option<Exit> {
        Some(Exit { run, how: "exited with 1".into(), at: at(seconds), good: false })
    }

    fn wish(until: &[Condition], since: Option<u64>) -> Wish {
        Wish { until: until.to_vec(), since: since.map(at), ..Wish::default() }
    }

    fn holds(until: Condition, since: Option<u64>, facts: &Facts) -> bool {
        decide(&wish(&[until], since), facts, &Seen::default()).is_some()
    }

    #[test]
    fn what_holds_already_answers_at_once_unless_there_is_a_cursor() {
        let running = Facts { up: up(3, Some(10)), ..Facts::default() };
        assert!(holds(Condition::Ready, None, &running));
        assert!(holds(Condition::Ready, Some(9), &running));
        assert!(!holds(Condition::Ready, Some(10), &running));
        assert!(!holds(Condition::Exit, None, &running));
    }

    #[test]
    fn an_earlier_exit_is_none_while_the_next_run_is_up_but_one_after_the_cursor_counts() {
        let back = Facts { up: up(4, Some(20)), exit: exit_of(3, 15), ..Facts::default() };
        assert!(!holds(Condition::Exit, None, &back));
        assert!(holds(Condition::Exit, Some(14), &back));
        assert!(!holds(Condition::Exit, Some(15), &back));
        let gone = Facts { exit: exit_of(3, 15), ..Facts::default() };
        assert!(holds(Condition::Exit, None, &gone));
        assert!(!holds(Condition::Exit, Some(15), &gone), "it was known");
    }

    #[test]
    fn the_old_run_is_not_ready_while_a_new_one_is_prepared() {
        let building = Facts { up: up(3, Some(10)), under_way: true, ..Facts::default() };
        assert!(!holds(Condition::Ready, None, &building));
        assert!(!holds(Condition::Exit, None, &building));
    }

    #[test]
    fn a_failed_build_ends_a_wait_for_readiness_with_bad_news() {
        let failed = Some(Build { number: 5, failure: Some("error".into()), at: at(30) });
        let kept = Facts { up: up(3, Some(10)), build: failed, ..Facts::default() };
        let verdict = decide(&wish(&[Condition::Ready], Some(20)), &kept, &Seen::default()).unwrap();
        assert_eq!((verdict.condition, verdict.bad), (Condition::Build, true));
        let verdict = decide(&wish(&[Condition::Ready], None), &kept, &Seen::default()).unwrap();
        assert_eq!((verdict.condition, verdict.bad), (Condition::Ready, true));
        assert!(!holds(Condition::Ready, Some(30), &kept), "it was known");
    }

    #[test]
    fn a_task_without_a_ready_condition_is_only_waited_to_its_end() {
        let task = Facts { is_task: true, up: up(1, None), ..Facts::default() };
        assert!(!holds(Condition::Ready, None, &task));
        let over = Facts { is_task: true, exit: exit_of(1, 3), ..Facts::default() };
        assert!(holds(Condition::Exit, None, &over));
    }

    #[test]
    fn ports_and_silence_are_what_was_seen() {
        let facts = Facts { up: up(1, Some(1)), ..Facts::default() };
        let seen = Seen { ports: vec![3000, 8080], quiet_for: Some(Duration::from_secs(3)) };
        let ask = |until, port| Wish { port, quiet: Duration::from_secs(2), ..wish(&[until], None) };
        assert!(decide(&ask(Condition::Port, Some(8080)), &facts, &seen).is_some());
        assert!(decide(&ask(Condition::Port, Some(80)), &facts, &seen).is_none());
        assert!(decide(&ask(Condition::Port, None), &facts, &seen).is_some());
        assert!(decide(&ask(Condition::Quiet, None), &facts, &seen).is_some());
        assert!(decide(&ask(Condition::Quiet, None), &facts, &Seen::default()).is_none());
    }
}
