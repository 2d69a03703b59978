//! Why a process is or is not running, and what unblocks it, in words.

use std::time::Duration;

use super::{Intent, Phase, Rest, Service, Step};
use crate::fleet::Ending;
use crate::ids::Mode;
use crate::time::Time;

/// One word for where a process stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum State {
    /// The first build is under way, or the program is being started.
    Starting,
    Running,
    Stopping,
    Stopped,
    /// `autostart = false` and never asked for.
    Idle,
    /// Crashed; its restart has a time.
    BackingOff,
    CrashLooping,
    BuildFailed,
    /// It cannot be started until something outside is put right.
    CannotStart,
    /// It ended and its policy leaves it.
    Ended,
    /// Some of it outlived KILL.
    Stuck,
}

/// The answer to "why?".
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Why {
    pub state: State,
    /// What is the case, in one sentence fragment.
    pub reason: String,
    /// What changes it: a time, or something to do. `None` where all is as wanted.
    pub unblocks: Option<String>,
}

impl Why {
    fn new(state: State, reason: impl Into<String>, unblocks: Option<String>) -> Why {
        Why { state, reason: reason.into(), unblocks }
    }
}

impl Service {
    pub fn explain(&self, mode: Mode, now: Time) -> Why {
        if let Some(why) = self.explain_stuck() {
            return why;
        }
        match &self.live {
            Some(run) => self.explain_live(run.phase, now),
            None if !self.retiring.is_empty() => self.explain_stopping(),
            None => self.explain_absent(mode, now),
        }
    }

    fn explain_stuck(&self) -> Option<Why> {
        let stuck = |phase: Phase| matches!(phase, Phase::Stuck { .. });
        let run = self.live.iter().chain(&self.retiring).find(|run| stuck(run.phase))?;
        let reason = format!("run {} outlived KILL; nothing is started beside it", run.number);
        let help =
            "a process in uninterruptible sleep ends when the kernel lets it; see which with `bpm why`";
        Some(Why::new(State::Stuck, reason, Some(help.to_owned())))
    }

    fn explain_live(&self, phase: Phase, now: Time) -> Why {
        match phase {
            Phase::Ready { since } => {
                let reason = format!("up for {}{}", in_words(now.since(since)), self.candidate_in_words());
                Why::new(State::Running, reason, None)
            }
            Phase::Waiting => Why::new(
                State::Starting,
                format!("waits until {} is gone", self.retiring_in_words()),
                Some(format!("KILL follows {} after the stop signal", in_words(self.rules.stop.grace))),
            ),
            Phase::Spawning => Why::new(State::Starting, "is being started", None),
            Phase::Leaderless { since } => {
                let gone = in_words(now.since(since));
                let reason = format!("its leader ended {gone} ago, and some of its tree lives on");
                Why::new(State::Running, reason, Some(format!("`bpm stop {}` ends it", self.name)))
            }
            Phase::Adopting => Why::new(State::Starting, "is being adopted from the manager before", None),
            Phase::Stopping { .. } | Phase::Killed { .. } | Phase::Stuck { .. } => self.explain_stopping(),
        }
    }

    fn explain_stopping(&self) -> Why {
        let help = format!("KILL follows {} after the stop signal", in_words(self.rules.stop.grace));
        Why::new(State::Stopping, format!("{} is being stopped", self.retiring_in_words()), Some(help))
    }

    fn explain_absent(&self, mode: Mode, now: Time) -> Why {
        let start = format!("`bpm start {}`", self.name);
        if let Some(due) = self.backoff.due {
            return self.explain_backoff(due, mode, now);
        }
        if let Some(rest) = &self.rest
            && self.intent == Intent::Up
            && self.next.is_none()
        {
            return self.explain_rest(rest);
        }
        if self.next.is_some() {
            return Why::new(State::Starting, format!("nothing runs yet{}", self.candidate_in_words()), None);
        }
        match self.intent {
            Intent::Down => Why::new(State::Stopped, "stopped by request", Some(start)),
            Intent::Idle => Why::new(State::Idle, "`autostart = false`, and nobody started it", Some(start)),
            Intent::Up => Why::new(State::Stopped, "nothing of it runs", Some(start)),
        }
    }

    fn explain_backoff(&self, due: Time, mode: Mode, now: Time) -> Why {
        let key = match mode {
            Mode::Dev => "dev_crash_wait_seconds",
            Mode::Release => "release_crash_backoff_initial_seconds",
        };
        let what = match &self.last_exit {
            Some(exit) => format!("run {} ended with {}", exit.run, exit.ending),
            None => "it could not be started".to_owned(),
        };
        let reason = format!(
            "crashed: {what}, {} ago (crash {} in a row){}",
            in_words(now.since(self.last_exit.as_ref().map_or(now, |exit| exit.at))),
            self.backoff.crashes,
            self.candidate_in_words(),
        );
        let help =
            format!("restarts in {} (`{key}`); now: `bpm restart {}`", in_words(due.after(now)), self.name);
        Why::new(State::BackingOff, reason, Some(help))
    }

    fn explain_rest(&self, rest: &Rest) -> Why {
        let restart = format!("`bpm restart {}`", self.name);
        let (state, help) = match rest {
            Rest::CrashLooping { .. } => (State::CrashLooping, format!("mend it, then {restart}")),
            Rest::CannotStart { .. } => (State::CannotStart, format!("put that right, then {restart}")),
            Rest::BuildFailed { .. } => (
                State::BuildFailed,
                format!("`bpm build-log {}` shows it; mend it, then {restart}", self.name),
            ),
            Rest::Ended { .. } => (State::Ended, format!("`bpm start {}`", self.name)),
        };
        Why::new(state, rest_in_words(rest), Some(help))
    }

    fn candidate_in_words(&self) -> String {
        match self.next.as_ref().map(|candidate| (candidate.step, candidate)) {
            None => String::new(),
            Some((Step::Queued, candidate)) => {
                format!("; a {} build waits until the one before has ended", candidate.recipe)
            }
            Some((Step::Building { build, .. }, candidate)) => {
                format!("; {} build {build} is under way ({})", candidate.recipe, candidate.cause.as_str())
            }
        }
    }

    fn retiring_in_words(&self) -> String {
        let stopping = self.live.iter().filter(|run| run.phase.stop_reason().is_some());
        let runs: Vec<String> =
            self.retiring.iter().chain(stopping).map(|run| run.number.to_string()).collect();
        format!("run {}", runs.join(", "))
    }
}

pub(super) fn rest_in_words(rest: &Rest) -> String {
    match rest {
        Rest::CrashLooping { crashes, within } => {
            format!("gave up after {crashes} crashes within {} (`give_up`)", in_words(*within))
        }
        Rest::CannotStart { error } => format!("cannot be started: {}", error.message),
        Rest::BuildFailed { build, failure } => format!("build {build} failed: {}", failure.reason),
        Rest::Ended { ending: Ending::Code(0) } => {
            "ended with exit code 0, and its `restart` policy leaves it".to_owned()
        }
        Rest::Ended { ending } => format!("ended with {ending}, and its `restart` policy leaves it"),
    }
}

/// `90 s`, `4.5 s`, `4 min 56 s`, `12 min`, `3 h 20 min`.
pub(crate) fn in_words(duration: Duration) -> String {
    let seconds = duration.as_secs();
    match seconds {
        0..10 => format!("{:.1} s", duration.as_secs_f64()),
        10..120 => format!("{seconds} s"),
        120..600 if !seconds.is_multiple_of(60) => format!("{} min {} s", seconds / 60, seconds % 60),
        120..7200 => format!("{} min", seconds / 60),
        7200..172_800 => format!("{} h {} min", seconds / 3600, seconds % 3600 / 60),
        _ => format!("{} days", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::in_words;

    #[test]
    fn a_wait_is_not_told_a_minute_short() {
        let told = [0, 9, 10, 119, 120, 299, 300, 599, 600, 659, 7_199, 7_200, 90_061, 172_800]
            .map(|seconds| in_words(Duration::from_secs(seconds)));
        let expected = [
            "0.0 s",
            "9.0 s",
            "10 s",
            "119 s",
            "2 min",
            "4 min 59 s",
            "5 min",
            "9 min 59 s",
            "10 min",
            "10 min",
            "119 min",
            "2 h 0 min",
            "25 h 1 min",
            "2 days",
        ];
        assert_eq!(told, expected);
    }
}
