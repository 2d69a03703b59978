//! The text that says how far an answer went: `api:12:3456` is line 3456 of run 12, `api:b12:3456` of
//! build 12; several are separated by commas. Read strictly: it comes back from outside.

use std::fmt;

use bpm_api::{Code, Error};

use super::names::clip;
use super::{What, kept};

/// Processes that a cursor may name.
const MAX_PLACES: usize = 10_000;

/// Up to where one log was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) process: String,
    pub(super) number: u64,
    /// The last line that was given out; 0: none.
    pub(super) line: u64,
}

/// One place for each process that was searched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Cursor {
    pub(super) what: What,
    pub(super) places: Vec<Place>,
}

impl Cursor {
    /// Reads what [`fmt::Display`] writes, and nothing else.
    pub(super) fn parse(text: &str, what: What) -> Result<Cursor, Error> {
        let mut places: Vec<Place> = Vec::new();
        if text.is_empty() {
            return Ok(Cursor { what, places });
        }
        for part in text.split(',') {
            let place = place(part, what).ok_or_else(|| malformed(text, what))?;
            if places.len() >= MAX_PLACES || places.iter().any(|known| known.process == place.process) {
                return Err(malformed(text, what));
            }
            places.push(place);
        }
        Ok(Cursor { what, places })
    }
}

fn place(text: &str, what: What) -> Option<Place> {
    let mut parts = text.rsplitn(3, ':');
    let (line, run, process) = (parts.next()?, parts.next()?, parts.next()?);
    let run = match what {
        What::Runs => run,
        What::Builds => run.strip_prefix('b')?,
    };
    let line = if line == "0" { 0 } else { kept::number(line)? };
    let process = (!process.is_empty()).then(|| process.to_owned())?;
    Some(Place { process, number: kept::number(run)?, line })
}

fn malformed(text: &str, what: What) -> Error {
    let expected = match what {
        What::Runs => "api:12:3456",
        What::Builds => "api:b12:3456",
    };
    Error::new(
        Code::InvalidParameter,
        format!("`cursor` is `{}`, expected one from an earlier answer such as `{expected}`", clip(text)),
    )
    .hint("leave `cursor` out to begin anew")
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mark = match self.what {
            What::Runs => "",
            What::Builds => "b",
        };
        for (at, Place { process, number, line }) in self.places.iter().enumerate() {
            let between = if at == 0 { "" } else { "," };
            write!(f, "{between}{process}:{mark}{number}:{line}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use bpm_api::Code;

    use super::{Cursor, Place};
    use crate::logbook::What;

    #[test]
    fn a_cursor_comes_back_as_it_was_given_out() {
        for what in [What::Runs, What::Builds] {
            let place = |process: &str, number, line| Place { process: process.into(), number, line };
            let places = vec![place("api", 12, 3456), place("a:b", 1, 0), place("web", u64::MAX, u64::MAX)];
            let cursor = Cursor { what, places };
            assert_eq!(Cursor::parse(&cursor.to_string(), what), Ok(cursor));
        }
    }

    #[test]
    fn anything_else_is_an_invalid_parameter() {
        let bad = [
            "api",
            "api:1",
            ":1:2",
            "api:x:2",
            "api:1:x",
            "api:1:-2",
            "api:01:2",
            "api:1:02",
            "api:0:2",
            "api:1:2,",
            ",api:1:2",
            "api:1:2,api:1:3",
            "api:b1:2",
            "api:1: 2",
            "api:1:99999999999999999999",
        ];
        for text in bad {
            let error = Cursor::parse(text, What::Runs).expect_err(text);
            assert_eq!(error.code, Code::InvalidParameter);
            assert!(error.message.starts_with("`cursor` is `"), "{}", error.message);
        }
        assert!(Cursor::parse("api:1:2", What::Builds).is_err());
    }
}
