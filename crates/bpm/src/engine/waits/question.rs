//! What a wait is asked for: the parameters, checked, with what they imply. Knows no logs and no clock.

use std::sync::Arc;
use std::time::Duration;

use bpm_api::{Code, Condition, Error, WaitFor};
use bpm_logs::MAX_PATTERN_BYTES;
use regex_automata::meta::Regex;

use super::USUAL_WAIT;
use super::cursor::WaitCursor;
use super::decide::Wish;
use super::tail::Hunt;

const USUAL_QUIET: Duration = Duration::from_secs(2);

/// A wait whose parameters are checked.
#[derive(Debug)]
pub(super) struct Question {
    pub(super) wish: Wish,
    pub(super) hunt: Hunt,
    pub(super) cursor: Option<WaitCursor>,
    pub(super) wait: Duration,
}

impl Question {
    pub(super) fn new(ask: &WaitFor, longest: Duration) -> Result<Question, Error> {
        let mut until = ask.until.clone().unwrap_or_default();
        let implied = [
            (ask.pattern.is_some(), Condition::Pattern),
            (ask.port.is_some(), Condition::Port),
            (ask.quiet_seconds.is_some(), Condition::Quiet),
        ];
        let named = implied.iter().filter(|(given, _)| *given).map(|(_, condition)| *condition);
        until.extend(named.filter(|condition| !until.contains(condition)).collect::<Vec<_>>());
        if ask.until.is_none() {
            // whatever else is waited for, nothing more comes of what has ended
            let usual =
                if until.is_empty() { &[Condition::Ready, Condition::Exit][..] } else { &[Condition::Exit] };
            until.extend(
                usual.iter().filter(|condition| !until.contains(condition)).copied().collect::<Vec<_>>(),
            );
        }
        if until.is_empty() {
            return Err(invalid("`until` is empty, expected at least one condition"));
        }
        let pattern = match (&ask.pattern, until.contains(&Condition::Pattern)) {
            (None, true) => return Err(invalid("`until` has `pattern`, and there is no `pattern`")),
            (Some(pattern), _) => Some(Arc::new(regex("pattern", pattern)?)),
            (None, false) => None,
        };
        let seconds = |name: &str, seconds: Option<f64>, usual| match seconds.map(Duration::try_from_secs_f64)
        {
            None => Ok(usual),
            Some(Ok(duration)) => Ok(duration),
            Some(Err(_)) => Err(invalid(format!("`{name}` is not a number of seconds from 0 on"))),
        };
        Ok(Question {
            wish: Wish {
                port: ask.port,
                quiet: seconds("quiet_seconds", ask.quiet_seconds, USUAL_QUIET)?,
                until: until.clone(),
            },
            hunt: Hunt { pattern, errors: until.contains(&Condition::Error) },
            cursor: ask.cursor.as_deref().map(WaitCursor::parse).transpose()?,
            wait: seconds("timeout_seconds", ask.timeout_seconds, USUAL_WAIT)?.min(longest),
        })
    }

    pub(super) fn asks_for(&self, condition: Condition) -> bool {
        self.wish.until.contains(&condition)
    }

    pub(super) fn reads_logs(&self) -> bool {
        self.hunt.pattern.is_some() || self.hunt.errors || self.asks_for(Condition::Quiet)
    }
}

/// A regular expression, or a clear error.
///
/// # Errors
/// `invalid_parameter`, naming the parameter.
pub(in crate::engine) fn regex(name: &str, pattern: &str) -> Result<Regex, Error> {
    if pattern.len() > MAX_PATTERN_BYTES {
        let message = format!("`{name}` has {} bytes, expected at most {MAX_PATTERN_BYTES}", pattern.len());
        return Err(invalid(message).hint("wait for a part that tells the line apart"));
    }
    Regex::new(pattern).map_err(|error| {
        let why = error.syntax_error().map_or_else(|| error.to_string(), ToString::to_string);
        invalid(format!("`{name}` is no regular expression: {}", why.lines().last().unwrap_or(&why).trim()))
            .hint("Rust syntax; escape `( [ { . * + ? | ^ $ \\` where they are meant as they are")
            .detail(why)
    })
}

pub(super) fn invalid(message: impl Into<String>) -> Error {
    Error::new(Code::InvalidParameter, message)
}
