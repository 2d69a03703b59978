//! Which lines a window may be of, ready to be used: some patterns take ten milliseconds to make, and who follows a log
//! asks ten times a second.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use bpm_api::{Code, Error, ReadOnly};
use bpm_core::config::ErrorRules;
use bpm_logs::Pattern;
use bpm_logs::errors::{Detector, Extra};
use bpm_logs::window::Only;

use super::fail::search_failed;

/// Few follow logs at the same time, and what is kept costs memory.
const KEPT: usize = 4;

/// The filters that were used last.
#[derive(Debug, Default)]
pub struct Filters {
    /// The newest last.
    kept: Mutex<VecDeque<(Key, Arc<Filter>)>>,
}

#[derive(Clone, Debug, PartialEq)]
enum Key {
    Pattern(String),
    Errors(ErrorRules),
}

#[derive(Debug)]
pub(super) enum Filter {
    All,
    Matching(Pattern),
    Errors(Detector),
}

impl Filter {
    pub(super) fn only(&self) -> Only<'_> {
        match self {
            Filter::All => Only::All,
            Filter::Matching(pattern) => Only::Matching(pattern),
            Filter::Errors(detector) => Only::Errors(detector),
        }
    }
}

impl Filters {
    /// `own`: what is an error there, beyond what everywhere is.
    pub(super) fn of(&self, only: &ReadOnly, own: &ErrorRules) -> Result<Arc<Filter>, Error> {
        let key = match only {
            ReadOnly::All => return Ok(Arc::new(Filter::All)),
            ReadOnly::Matching(pattern) => Key::Pattern(pattern.clone()),
            ReadOnly::Errors => Key::Errors(own.clone()),
        };
        if let Some(known) = self.take(&key) {
            self.keep(key, &known);
            return Ok(known);
        }
        // Not while others wait for theirs.
        let new = Arc::new(make(&key)?);
        self.keep(key, &new);
        Ok(new)
    }

    fn take(&self, key: &Key) -> Option<Arc<Filter>> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let at = kept.iter().position(|(known, _)| known == key)?;
        kept.remove(at).map(|(_, filter)| filter)
    }

    fn keep(&self, key: Key, filter: &Arc<Filter>) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.iter().any(|(known, _)| *known == key) {
            return;
        }
        if kept.len() == KEPT {
            kept.pop_front();
        }
        kept.push_back((key, Arc::clone(filter)));
    }
}

fn make(key: &Key) -> Result<Filter, Error> {
    match key {
        Key::Pattern(pattern) => {
            Pattern::new(pattern).map(Filter::Matching).map_err(|error| search_failed("", &error))
        }
        Key::Errors(own) => {
            let own = Extra { matches: own.matches.clone(), ignore: own.ignore.clone() };
            // Their syntax and size were checked with the configuration.
            let detector = Detector::new(&own).or_else(|_| Detector::new(&Extra::default()));
            detector
                .map(Filter::Errors)
                .map_err(|error| Error::new(Code::Internal, format!("cannot look for errors: {error}")))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_used_last_is_made_once_and_the_rest_forgotten() {
        let filters = Filters::default();
        let pattern =
            |text: &str| filters.of(&ReadOnly::Matching(text.to_owned()), &ErrorRules::default()).unwrap();
        let errors =
            |own| filters.of(&ReadOnly::Errors, &ErrorRules { matches: own, ignore: Vec::new() }).unwrap();
        let (a, b, plain) = (pattern("a"), pattern("b"), errors(Vec::new()));
        assert!(Arc::ptr_eq(&a, &pattern("a")) && Arc::ptr_eq(&plain, &errors(Vec::new())));
        assert!(!Arc::ptr_eq(&plain, &errors(vec!["oops".to_owned()])), "each configuration has its own");
        assert!(Arc::ptr_eq(&a, &pattern("a")));
        // `b` was used the longest ago.
        pattern("c");
        assert!(Arc::ptr_eq(&a, &pattern("a")) && !Arc::ptr_eq(&b, &pattern("b")));
        assert!(filters.of(&ReadOnly::Matching("(".to_owned()), &ErrorRules::default()).is_err());
        assert_eq!(filters.kept.lock().unwrap().len(), KEPT);
    }
}
