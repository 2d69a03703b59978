//! The crash rule: what happens after an exit that nobody asked for.
//!
//! Dev mode waits a fixed time, so that somebody can look into it. Release mode waits
//! `initial × 1.5^(n-1)`, capped; `n` counts crashes in a row and is forgotten after a run that was
//! ready for `max(10 s, 2 × the last wait)`. That is looked at when the next crash comes, so a
//! healthy process needs no timer.

use std::collections::VecDeque;
use std::time::Duration;

use super::{Around, Intent, Phase, Run, Service};
use crate::config::{GiveUp, RestartPolicy, Timing};
use crate::fleet::{Action, BuildFailure, Change, Ending, SpawnError};
use crate::ids::Mode;
use crate::time::Time;

const GROWTH: f64 = 1.5;
const LEAST_READY_TO_FORGET: Duration = Duration::from_secs(10);
/// Crashes in a row and the wait that they earned.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Backoff {
    /// Crashes in a row.
    pub crashes: u32,
    /// The wait after the last crash.
    pub last_wait: Duration,
    /// When the last artefact is started again.
    pub due: Option<Time>,
    /// When the last crashes were, for `give_up`.
    pub(crate) times: VecDeque<Time>,
}

/// Why nothing runs and nothing is due although the process is wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Rest {
    /// `give_up` was reached.
    CrashLooping { crashes: u32, within: Duration },
    /// It cannot be started, and trying again would not help.
    CannotStart { error: SpawnError },
    /// The first build failed, so there is nothing to run.
    BuildFailed { build: u64, failure: BuildFailure },
    /// It ended, and its `restart` policy says to leave it.
    Ended { ending: Ending },
}

impl Backoff {
    /// Somebody asked for a restart: all is forgiven.
    pub(super) fn forgive(&mut self) {
        *self = Backoff::default();
    }

    fn count(&mut self, at: Time, ready_for: Duration, give_up: Option<GiveUp>) {
        if self.crashes > 0 && ready_for >= LEAST_READY_TO_FORGET.max(self.last_wait * 2) {
            self.crashes = 0;
        }
        self.crashes = self.crashes.saturating_add(1);
        let Some(give_up) = give_up else { return self.times.clear() };
        self.times.push_back(at);
        let most = usize::try_from(give_up.crashes).unwrap_or(usize::MAX);
        while self
            .times
            .front()
            .is_some_and(|first| at.since(*first) > give_up.within || self.times.len() > most)
        {
            self.times.pop_front();
        }
    }

    fn within(&self, window: Duration, at: Time) -> u32 {
        let recent = self.times.iter().filter(|time| at.since(**time) <= window).count();
        u32::try_from(recent).unwrap_or(u32::MAX)
    }
}

/// The wait before the restart that follows the `crashes`-th crash in a row.
pub(super) fn wait_after(crashes: u32, mode: Mode, timing: &Timing) -> Duration {
    match mode {
        Mode::Dev => timing.dev_crash_wait,
        Mode::Release => {
            let exponent = i32::try_from(crashes.saturating_sub(1)).unwrap_or(i32::MAX);
            let seconds = timing.backoff_initial.as_secs_f64() * GROWTH.powi(exponent);
            let most = timing.backoff_max.as_secs_f64();
            // infinity and NaN (0 × infinity) are not durations: `min` against a finite cap, then clamp
            let capped = if seconds.is_nan() { 0.0 } else { seconds.min(most) };
            Duration::try_from_secs_f64(capped).unwrap_or(timing.backoff_max)
        }
    }
}

impl Service {
    pub(super) fn crashed(
        &mut self,
        ending: Ending,
        at: Time,
        ready_for: Duration,
        around: Around<'_>,
        out: &mut Vec<Action>,
    ) {
        if self.intent != Intent::Up || around.closing || self.leaving {
            return;
        }
        let again = match self.rules.restart {
            RestartPolicy::Always => true,
            RestartPolicy::OnFailure => !ending.is_success(),
            RestartPolicy::Never => false,
        };
        if again {
            self.schedule_restart(at, ready_for, around, out);
        } else {
            self.rest = Some(Rest::Ended { ending });
        }
    }

    /// Counts a crash and says when to start again, or parks the process where `give_up` says so.
    pub(super) fn schedule_restart(
        &mut self,
        at: Time,
        ready_for: Duration,
        around: Around<'_>,
        out: &mut Vec<Action>,
    ) {
        if self.intent != Intent::Up || around.closing || self.leaving {
            return;
        }
        self.backoff.count(at, ready_for, self.rules.give_up);
        if let Some(give_up) = self.rules.give_up
            && self.backoff.within(give_up.within, at) >= give_up.crashes
        {
            return self.park(Rest::CrashLooping { crashes: give_up.crashes, within: give_up.within }, out);
        }
        let wait = wait_after(self.backoff.crashes, around.mode, around.timing);
        self.backoff.last_wait = wait;
        self.backoff.due = Some(at + wait);
        let wait_ms = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX);
        self.note(out, Change::RestartIn { crash: self.backoff.crashes, wait_ms });
    }

    pub(super) fn park(&mut self, rest: Rest, out: &mut Vec<Action>) {
        self.backoff.due = None;
        self.note(out, Change::Parked { why: super::explain::rest_in_words(&rest) });
        self.rest = Some(rest);
    }

    /// A crash restart needs an empty place; a candidate that is being built does not hold it up.
    pub(super) fn may_spawn_crash_restart(&self) -> bool {
        self.intent == Intent::Up && self.live.is_none() && self.retiring.is_empty() && !self.leaving
    }

    /// Starts the last live run's recipe and artefact again when its time has come.
    pub(super) fn restart_when_due(&mut self, around: Around<'_>, out: &mut Vec<Action>) {
        if around.closing
            || !self.may_spawn_crash_restart()
            || self.backoff.due.is_none_or(|due| due > around.now)
        {
            return;
        }
        self.backoff.due = None;
        self.rest = None;
        let number = self.next_run;
        self.next_run += 1;
        let (of, recipe, artefact) = match self.last_live {
            Some(last) => (last.run, last.recipe, last.artefact),
            None => (number, around.mode, None),
        };
        self.live = Some(Run::new(number, recipe, artefact, Phase::Spawning));
        self.note(out, Change::CrashRestart { run: number, of });
        out.push(Action::Spawn { run: self.run_id(number), recipe, artefact });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn timing() -> Timing {
        Timing {
            dev_timeout: Duration::from_secs(3 * 3600),
            idle_exit: Duration::from_secs(1800),
            dev_crash_wait: Duration::from_secs(120),
            backoff_initial: Duration::from_secs(1),
            backoff_max: Duration::from_secs(300),
        }
    }

    #[test]
    fn release_waits_grow_by_half_up_to_the_maximum() {
        let waits: Vec<f64> =
            (1..=16).map(|n| wait_after(n, Mode::Release, &timing()).as_secs_f64()).collect();
        assert_eq!(&waits[..4], &[1.0, 1.5, 2.25, 3.375]);
        assert_eq!(waits[15], 300.0);
        assert_eq!(wait_after(u32::MAX, Mode::Release, &timing()), Duration::from_secs(300));
    }

    #[test]
    fn dev_waits_the_same_every_time() {
        assert_eq!(wait_after(1, Mode::Dev, &timing()), Duration::from_secs(120));
        assert_eq!(wait_after(99, Mode::Dev, &timing()), Duration::from_secs(120));
    }

    #[test]
    fn no_configured_wait_is_no_wait() {
        let none = Timing { backoff_initial: Duration::ZERO, backoff_max: Duration::ZERO, ..timing() };
        assert_eq!(wait_after(u32::MAX, Mode::Release, &none), Duration::ZERO);
    }
}
