//! Waiting for the first of many conditions on many targets: woken by events, by logs that grow and by the
//! clock, never by asking over and over (only ports must be looked for: nobody tells when one is opened).

mod answer;
mod cursor;
mod decide;
mod question;
mod tail;

use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bpm_api::{Code, Condition, Error, LogPage, Met, WaitAnswer, WaitFor};
use bpm_core::ids::Name;
use bpm_core::time::Time;
use tokio::sync::broadcast::error::RecvError;
use tokio::time::{Instant, timeout_at};

use super::facts::{Facts, Known};
use super::handle::Handle;
use super::log_hub::{Ear, LogHub};
use super::{clock, tasks};

pub(super) use cursor::of_logs;
pub(super) use question::regex;

use cursor::Mark;
use decide::{Seen, Verdict, can_hold, decide, known_after, known_at_first, over};
use question::{Question, invalid};
use tail::{Hit, Tail};

/// Targets of one wait.
pub(super) const MAX_TARGETS: usize = 64;
/// Waits at the same time.
const MAX_WAITS: usize = 1024;
pub(super) const USUAL_WAIT: Duration = Duration::from_secs(30);
/// The rest of an error that has begun comes within this, or not at all.
const REST_OF_ERROR: Duration = Duration::from_millis(250);
/// Between two looks for a port, doubling.
const FIRST_LOOK: Duration = Duration::from_millis(50);
const LAST_LOOK: Duration = Duration::from_secs(1);
/// A wait may read for so long what is there already, however short it is.
const READING: Duration = Duration::from_secs(2);

/// One target, and what was seen of it.
#[derive(Debug)]
struct Target {
    name: Name,
    label: String,
    tail: Option<Tail>,
    /// The directory that the ear listens to.
    heard: Option<PathBuf>,
    facts: Facts,
    seen: Seen,
    /// What is no news of it; `None` before the first look at one that the cursor does not know.
    known: Option<Mark>,
}

impl Target {
    fn look_again(&mut self) {
        self.tail.iter_mut().for_each(Tail::look_for_later_runs);
    }

    fn is_to_be_read(&self, written: &HashSet<PathBuf>) -> bool {
        self.tail.as_ref().is_some_and(Tail::looks_for_later_runs)
            || self.heard.as_ref().is_some_and(|dir| written.contains(dir))
    }

    /// Listens to what is written in `dir`, and no more where it did before. Whether that is new.
    fn listen(&mut self, dir: Option<&PathBuf>, logs: &Arc<LogHub>, ear: &Arc<Ear>) -> Result<bool, Error> {
        let Some(dir) = dir.filter(|dir| self.heard.as_ref() != Some(*dir)) else { return Ok(false) };
        logs.listen(dir, ear).map_err(|error| {
            Error::new(Code::System, format!("cannot watch `{}`: {error}", dir.display()))
                .hint("`fs.inotify.max_user_watches` or `max_user_instances` may be too low")
        })?;
        if let Some(left) = self.heard.replace(dir.clone()) {
            logs.leave(&left, ear);
        }
        Ok(true)
    }
}

impl Handle {
    /// Waits for the first condition that holds. Dropping it ends the wait and nothing else.
    pub(super) async fn wait_for(&self, ask: WaitFor, longest: Duration) -> Result<WaitAnswer, Error> {
        let Ok(_place) = self.waits().try_acquire_owned() else {
            return Err(Error::new(Code::LimitReached, format!("{MAX_WAITS} waits are under way already")));
        };
        if ask.targets.is_empty() || ask.targets.len() > MAX_TARGETS {
            let count = ask.targets.len();
            return Err(invalid(format!("`targets` has {count} entries, expected 1 to {MAX_TARGETS}"))
                .hint("`bpm status` lists processes and tasks"));
        }
        let question = Question::new(&ask, longest)?;
        let known = self.resolve(ask.targets.clone()).await?;
        Wait::new(self, question, ask.targets, known).run().await
    }

    pub(super) fn most_waits() -> usize {
        MAX_WAITS
    }
}

struct Wait<'h> {
    handle: &'h Handle,
    question: Question,
    targets: Vec<Target>,
    ear: Arc<Ear>,
    began: Instant,
    /// When the facts were taken.
    learnt: Time,
    /// There is more in a log than could be read in time.
    is_behind: bool,
}

/// What ended a wait.
struct End {
    met: Met,
    lines: Option<LogPage>,
}

impl<'h> Wait<'h> {
    fn new(handle: &'h Handle, question: Question, labels: Vec<String>, known: Vec<Known>) -> Wait<'h> {
        let project = handle.project();
        let targets = labels.into_iter().zip(known).map(|(label, Known { id, errors, .. })| {
            let from = question.cursor.as_ref().and_then(|cursor| cursor.place(&id));
            let known = question.cursor.as_ref().and_then(|cursor| cursor.mark(&id));
            Target {
                tail: Some(Tail::new(project, &id, &question.hunt, errors, from)),
                heard: None,
                label,
                name: id,
                facts: Facts::default(),
                seen: Seen::default(),
                known,
            }
        });
        let targets = targets.collect();
        Wait {
            handle,
            question,
            targets,
            ear: Arc::default(),
            began: Instant::now(),
            learnt: clock::now(),
            is_behind: false,
        }
    }

    async fn run(mut self) -> Result<WaitAnswer, Error> {
        let mut events = self.handle.follow_events();
        let deadline = self.began + self.question.wait;
        let mut between_looks = FIRST_LOOK;
        let mut look_at_ports = Instant::now();
        loop {
            self.learn().await?;
            self.can_hold()?;
            if let Some(end) = self.look_at_logs().await? {
                let cursor = self.cursor().await;
                return Ok(self.answer(Some(end), &cursor).await);
            }
            if self.question.asks_for(Condition::Port) && Instant::now() >= look_at_ports {
                // what others saw just now will do, so that all who wait do not each look on their own
                self.look_at_ports(between_looks / 2).await;
                look_at_ports = Instant::now() + between_looks;
                between_looks = (between_looks * 2).min(LAST_LOOK);
            }
            if let Some((target, verdict)) = self.decide() {
                // first: what is printed while the lines that show it are read comes after it
                let cursor = self.cursor().await;
                let end = self.end_of_verdict(target, verdict).await;
                return Ok(self.answer(Some(end), &cursor).await);
            }
            if Instant::now() >= deadline || self.are_over() {
                let cursor = self.cursor().await;
                return Ok(self.answer(None, &cursor).await);
            }
            let ports = self.question.asks_for(Condition::Port).then_some(look_at_ports);
            let wake =
                [Some(deadline), ports, self.quiet_at()].into_iter().flatten().min().unwrap_or(deadline);
            if let Some(end) = self.sleep(&mut events, wake).await? {
                let cursor = self.cursor().await;
                return Ok(self.answer(Some(end), &cursor).await);
            }
        }
    }

    /// Until something has happened, or `wake`. An error that nothing follows is whole.
    async fn sleep(
        &mut self,
        events: &mut super::handle::Events,
        wake: Instant,
    ) -> Result<Option<End>, Error> {
        let open =
            self.targets.iter().position(|target| target.tail.as_ref().is_some_and(Tail::is_in_an_error));
        let wake = if open.is_some() { wake.min(Instant::now() + REST_OF_ERROR) } else { wake };
        let ear = Arc::clone(&self.ear);
        loop {
            tokio::select! {
                () = ear.heard() => return Ok(None),
                event = timeout_at(wake, events.recv()) => match event {
                    Ok(Ok(noted)) => {
                        if self.something_happened_to(noted.event.process.as_deref()) {
                            return Ok(None);
                        }
                    }
                    Ok(Err(RecvError::Lagged(_))) => {
                        self.targets.iter_mut().for_each(Target::look_again);
                        return Ok(None);
                    }
                    Ok(Err(RecvError::Closed)) => return Err(Error::new(Code::Closing, "the manager is ending")),
                    Err(_) => {
                        let Some(open) = open else { return Ok(None) };
                        let hit = self.targets[open].tail.as_mut().and_then(Tail::rest_of_error);
                        return match hit {
                            Some(hit) => self.end_of_hit(open, hit).await.map(Some),
                            None => Ok(None),
                        };
                    }
                },
            }
        }
    }

    async fn learn(&mut self) -> Result<(), Error> {
        let names: Vec<Name> = self.targets.iter().map(|target| target.name.clone()).collect();
        self.learnt = clock::now();
        let facts = self.handle.facts(names).await?;
        for (target, facts) in self.targets.iter_mut().zip(facts) {
            let Some(facts) = facts else {
                return Err(Error::new(
                    Code::UnknownProcess,
                    format!(
                        "`{}` is there no more: removed from the configuration or forgotten",
                        target.label
                    ),
                ));
            };
            let known = target.known.get_or_insert_with(|| known_at_first(&facts));
            known.down &= facts.up.is_none() && !facts.under_way;
            // what it printed at last may not have been heard yet
            if target.facts != facts {
                target.look_again();
                target.facts = facts;
            }
        }
        Ok(())
    }

    /// Whether it is one of the targets.
    fn something_happened_to(&mut self, whom: Option<&str>) -> bool {
        let of = self.targets.iter_mut().filter(|target| Some(&*target.name) == whom);
        of.map(Target::look_again).count() > 0
    }

    /// Reads what is new in every log that matters; the first hit ends the wait.
    async fn look_at_logs(&mut self) -> Result<Option<End>, Error> {
        if !self.question.reads_logs() {
            return Ok(None);
        }
        let written = self.ear.take();
        let all = self.question.asks_for(Condition::Quiet);
        for index in 0..self.targets.len() {
            if (all || self.targets[index].is_to_be_read(&written))
                && let Some(hit) = self.look_at_log(index).await?
            {
                return self.end_of_hit(index, hit).await.map(Some);
            }
            if self.is_behind {
                return Ok(None);
            }
        }
        self.note_silence();
        Ok(None)
    }

    async fn look_at_log(&mut self, index: usize) -> Result<Option<Hit>, Error> {
        let logs = self.handle.log_hub();
        let until = self.began + self.question.wait.max(READING);
        while let Some(mut tail) = self.targets[index].tail.take() {
            let turn = logs.turn().await;
            let looked = tokio::task::spawn_blocking(move || (tail.look(), tail)).await;
            drop(turn);
            let (look, mut tail) = looked.map_err(|error| Error::new(Code::Internal, error.to_string()))?;
            let mut look = look?;
            // what came before that was not heard
            look.more |= self.targets[index].listen(tail.dir(), logs, &self.ear)?;
            if look.hit.is_none() && !look.more && self.is_over(index, &tail) {
                look.hit = tail.rest_of_error();
            }
            self.targets[index].tail = Some(tail);
            if look.hit.is_some() || !look.more {
                return Ok(look.hit);
            }
            // there may be more than can be read in time, or a pattern that is slow: the cursor says how far it was
            if Instant::now() >= until {
                self.is_behind = true;
                return Ok(None);
            }
        }
        Ok(None)
    }

    /// Whether nothing more comes of the run that is read: an error that it ended with is whole.
    fn is_over(&self, index: usize, tail: &Tail) -> bool {
        let Facts { up, under_way, .. } = self.targets[index].facts;
        // one that is starting prints, too; that a later one has begun is seen by the tail itself
        tail.place().is_some_and(|place| up.map_or(!under_way, |up| up.run != place.run))
    }

    /// For how long each target has printed nothing: since its last output, or since its start.
    fn note_silence(&mut self) {
        let now = clock::now();
        let since = self.question.cursor.as_ref().map(|cursor| cursor.at);
        for target in &mut self.targets {
            let Some(up) = target.facts.up else {
                target.seen.quiet_for = None;
                continue;
            };
            let printed = target
                .tail
                .as_ref()
                .and_then(Tail::printed_ns)
                .map(|ns| Duration::from_millis(tasks::now_ms().saturating_sub(ns / 1_000_000)));
            let alive = up.ready.map(|at| now.since(at));
            let quiet = printed.or(alive).unwrap_or_else(|| self.began.elapsed());
            let after_cursor = since.map_or(Duration::MAX, |since| now.since(since));
            target.seen.quiet_for = Some(quiet.min(after_cursor));
        }
    }

    /// When the first target will have been quiet for long enough.
    fn quiet_at(&self) -> Option<Instant> {
        if !self.question.asks_for(Condition::Quiet) {
            return None;
        }
        let left =
            |quiet: Duration| self.question.wish.quiet.saturating_sub(quiet) + Duration::from_millis(1);
        self.targets
            .iter()
            .filter_map(|target| target.seen.quiet_for)
            .map(|quiet| Instant::now() + left(quiet))
            .min()
    }

    async fn look_at_ports(&mut self, oldest: Duration) {
        let pids: Vec<u32> =
            self.targets.iter().filter_map(|target| target.facts.up.map(|up| up.pid)).collect();
        let ports = self.handle.ports().of_trees(pids, oldest).await;
        for target in &mut self.targets {
            let of = target.facts.up.and_then(|up| ports.get(&up.pid).cloned());
            target.seen.ports = of.unwrap_or_default();
        }
    }

    fn decide(&mut self) -> Option<(usize, Verdict)> {
        let counts = self.question.cursor.is_some();
        let verdict = self.targets.iter().enumerate().find_map(|(index, target)| {
            let known = target.known.filter(|_| counts);
            decide(&self.question.wish, known, &target.facts, &target.seen).map(|verdict| (index, verdict))
        });
        let (index, verdict) = match verdict {
            Some(verdict) => verdict,
            None => self.over()?,
        };
        let target = &mut self.targets[index];
        target.known = Some(known_after(target.known.unwrap_or_default(), verdict.condition, &target.facts));
        Some((index, verdict))
    }

    /// Tasks that have ended, all of them: nothing is left to wait for.
    fn are_over(&self) -> bool {
        !self.is_behind && self.targets.iter().all(|target| over(&target.facts).is_some())
    }

    /// Where all are over, the first end that was not told, whatever was waited for.
    fn over(&self) -> Option<(usize, Verdict)> {
        let counts = self.question.cursor.is_some();
        let is_told = |target: &Target| counts && target.known.is_some_and(|known| known.down);
        let untold = self.targets.iter().position(|target| !is_told(target)).filter(|_| self.are_over())?;
        Some((untold, over(&self.targets[untold].facts)?))
    }

    /// Nobody waits for what never comes.
    fn can_hold(&self) -> Result<(), Error> {
        if self.targets.iter().any(|target| can_hold(&self.question.wish.until, &target.facts)) {
            return Ok(());
        }
        let label = self.targets.first().map_or("", |target| &target.label);
        let until: Vec<&str> = self.question.wish.until.iter().map(|condition| condition.as_str()).collect();
        Err(invalid(format!(
            "`until` is {}, which never holds for `{label}`: a task is not built, and ready only if it was started with `ready`",
            until.join(" and ")
        ))
        .hint("wait for `exit`, `pattern`, `port`, `quiet` or `error`"))
    }
}
