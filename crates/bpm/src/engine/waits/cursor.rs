//! The text that says how far a wait has seen: where each log was read to, as a log cursor has it, and when.
//! `search_logs` takes it, too. Read strictly: it comes back from outside.

use bpm_api::{Code, Error};
use bpm_core::ids::Name;
use bpm_core::time::Time;

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::engine) struct WaitCursor {
    /// Target, run and line.
    pub(in crate::engine) places: Vec<(String, u64, u64)>,
    pub(in crate::engine) at: Time,
}

impl WaitCursor {
    pub(super) fn place(&self, name: &Name) -> Option<(u64, u64)> {
        self.places.iter().find(|(of, _, _)| **of == **name).map(|(_, run, line)| (*run, *line))
    }

    /// # Errors
    /// `invalid_parameter`.
    pub(super) fn parse(text: &str) -> Result<WaitCursor, Error> {
        read(text).ok_or_else(|| {
            let shown: String = text.chars().take(60).collect();
            Error::new(
                Code::InvalidParameter,
                format!(
                    "`cursor` is `{shown}`, expected one from an earlier answer such as `api:12:3456@99`"
                ),
            )
            .hint("leave `cursor` out to begin anew")
        })
    }
}

impl std::fmt::Display for WaitCursor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (at, (name, run, line)) in self.places.iter().enumerate() {
            let between = if at == 0 { "" } else { "," };
            write!(f, "{between}{name}:{run}:{line}")?;
        }
        write!(f, "@{}", self.at.as_nanos() / 1_000_000)
    }
}

/// Without the moment it is a log's cursor.
pub(in crate::engine) fn of_logs(cursor: &str) -> &str {
    cursor.rsplit_once('@').map_or(cursor, |(places, _)| places)
}

fn read(text: &str) -> Option<WaitCursor> {
    // a log's cursor has no moment: everything that is known now has been seen
    let (places, at) = match text.rsplit_once('@') {
        Some((places, ms)) => (places, ms.parse::<u64>().ok()?.checked_mul(1_000_000)?),
        None => (text, super::super::clock::now().as_nanos()),
    };
    let mut cursor = WaitCursor { places: Vec::new(), at: Time::from_nanos(at) };
    for part in places.split(',').filter(|part| !part.is_empty()) {
        let mut parts = part.rsplitn(3, ':');
        let (line, run, name) = (parts.next()?, parts.next()?, parts.next()?);
        if name.is_empty() || cursor.places.len() >= super::MAX_TARGETS {
            return None;
        }
        cursor.places.push((name.to_owned(), run.parse().ok()?, line.parse().ok()?));
    }
    Some(cursor)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_comes_back_as_it_was_given_out_to_the_millisecond() {
        let places = vec![("api".to_owned(), 3, 120), ("t5".to_owned(), 1, 0)];
        let cursor = WaitCursor { places, at: Time::from_nanos(5_000_000) };
        assert_eq!(cursor.to_string(), "api:3:120,t5:1:0@5");
        assert_eq!(WaitCursor::parse(&cursor.to_string()), Ok(cursor));
        let empty = WaitCursor::default();
        assert_eq!(WaitCursor::parse(&empty.to_string()), Ok(empty));
        assert_eq!(of_logs("api:3:120@5"), "api:3:120");
        assert_eq!(of_logs("api:3:120"), "api:3:120");
        assert!(WaitCursor::parse("api:3:120").is_ok(), "a log's cursor will do");
    }

    #[test]
    fn anything_else_is_an_invalid_parameter() {
        for text in ["api@5", "api:1@5", "api:x:1@5", ":1:2@5", "api:1:2@", "api:1:2@-1", "x"] {
            assert_eq!(WaitCursor::parse(text).unwrap_err().code, Code::InvalidParameter, "{text}");
        }
    }
}
