//! Waiting for the first of many conditions on many targets: woken by events, by logs that grow and by the
//! clock, never by asking over and over (only ports must be looked for: nobody tells when one is opened).

mod answer;
mod cursor;
mod decide;
mod question;
mod tail;

use std::collections::HashMap;
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
use super::log_hub::Ear;
use super::{clock, tasks};
use crate::exec::sample;

pub(super) use cursor::of_logs;
pub(super) use question::regex;

use cursor::Mark;
use decide::{Seen, Verdict, can_hold, decide, known_after, known_at_first, over};
use question::{Question, invalid};
use tail::Tail;

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
                return self.answer(Some(end)).await;
            }
            if self.question.asks_for(Condition::Port) && Instant::now() >= look_at_ports {
                self.look_at_ports().await;
                look_at_ports = Instant::now() + between_looks;
                between_looks = (between_looks * 2).min(LAST_LOOK);
            }
            if let Some(end) = self.decide().await {
                return self.answer(Some(end)).await;
            }
            if Instant::now() >= deadline || self.are_over() {
                return self.answer(None).await;
            }
            let ports = self.question.asks_for(Condition::Port).then_some(look_at_ports);
            let wake =
                [Some(deadline), ports, self.quiet_at()].into_iter().flatten().min().unwrap_or(deadline);
            if let Some(end) = self.sleep(&mut events, wake).await? {
                return self.answer(Some(end)).await;
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
                        let about = noted.event.process.as_deref();
                        if self.targets.iter().any(|target| Some(&*target.name) == about) {
                            return Ok(None);
                        }
                    }
                    Ok(Err(RecvError::Lagged(_))) => return Ok(None),
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
            target.facts = facts;
        }
        Ok(())
    }

    /// Reads what is new in every log that matters; the first hit ends the wait.
    async fn look_at_logs(&mut self) -> Result<Option<End>, Error> {
        if !self.question.reads_logs() {
            return Ok(None);
        }
        let _ = self.ear.take();
        let until = self.began + self.question.wait.max(READING);
        for index in 0..self.targets.len() {
            loop {
                let Some(mut tail) = self.targets[index].tail.take() else { break };
                let looked = tokio::task::spawn_blocking(move || (tail.look(), tail)).await;
                let (look, mut tail) =
                    looked.map_err(|error| Error::new(Code::Internal, error.to_string()))?;
                let mut look = look?;
                if let Some(dir) = tail.dir().filter(|dir| self.targets[index].heard.as_ref() != Some(*dir)) {
                    self.handle.log_hub().listen(dir, &self.ear).map_err(|error| {
                        Error::new(Code::System, format!("cannot watch `{}`: {error}", dir.display()))
                    })?;
                    self.targets[index].heard = Some(dir.clone());
                    // what came before that was not heard
                    look.more = true;
                }
                if look.hit.is_none() && !look.more && self.is_over(index, &tail) {
                    look.hit = tail.rest_of_error();
                }
                self.targets[index].tail = Some(tail);
                if let Some(hit) = look.hit {
                    return self.end_of_hit(index, hit).await.map(Some);
                }
                if !look.more {
                    break;
                }
                // there may be more than can be read in time, or a pattern that is slow: the cursor says how far it was
                if Instant::now() >= until {
                    self.is_behind = true;
                    return Ok(None);
                }
            }
        }
        self.note_silence();
        Ok(None)
    }

    /// Whether nothing more comes of the run that is read: an error that it ended with is whole.
    fn is_over(&self, index: usize, tail: &Tail) -> bool {
        let up = self.targets[index].facts.up;
        tail.place().is_some_and(|place| up.is_none_or(|up| up.run != place.run))
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

    async fn look_at_ports(&mut self) {
        let pids: Vec<u32> =
            self.targets.iter().filter_map(|target| target.facts.up.map(|up| up.pid)).collect();
        let ports = tokio::task::spawn_blocking(move || sample::ports_of_trees(&pids)).await;
        let ports: HashMap<u32, Vec<u16>> = ports.unwrap_or_default();
        for target in &mut self.targets {
            let of = target.facts.up.and_then(|up| ports.get(&up.pid).cloned());
            target.seen.ports = of.unwrap_or_default();
        }
    }

    async fn decide(&mut self) -> Option<End> {
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
        Some(self.end_of_verdict(index, verdict).await)
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
