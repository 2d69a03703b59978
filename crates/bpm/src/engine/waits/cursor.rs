//! The text that says how far a wait has seen: where each log was read to, as a log cursor has it, when, and what was
//! told or known of each target. `search_logs` takes it, too. Read strictly: it comes back from outside.

use bpm_api::{Code, Error};
use bpm_core::ids::Name;
use bpm_core::time::Time;

/// Up to where a log was read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::engine) struct Place {
    pub(in crate::engine) run: u64,
    /// The last line that has ended.
    pub(in crate::engine) line: u64,
    /// Bytes that were met of the line that has begun after it: a prompt.
    pub(in crate::engine) begun: u64,
}

/// What of a target is no news any more, by run and build; 0 for nothing. Numbers, since moments of different
/// clocks cannot be compared: what ends while an answer is on its way is neither lost nor told twice.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::engine) struct Mark {
    pub(in crate::engine) ready: u64,
    pub(in crate::engine) exit: u64,
    pub(in crate::engine) build: u64,
    /// It was told that nothing of it runs.
    pub(in crate::engine) down: bool,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::engine) struct WaitCursor {
    pub(in crate::engine) places: Vec<(String, Place)>,
    pub(in crate::engine) at: Time,
    pub(in crate::engine) marks: Vec<(String, Mark)>,
}

impl WaitCursor {
    pub(super) fn place(&self, name: &Name) -> Option<Place> {
        self.places.iter().find(|(of, _)| **of == **name).map(|(_, place)| *place)
    }

    pub(super) fn mark(&self, name: &Name) -> Option<Mark> {
        self.marks.iter().find(|(of, _)| **of == **name).map(|(_, mark)| *mark)
    }

    /// # Errors
    /// `invalid_parameter`.
    pub(super) fn parse(text: &str) -> Result<WaitCursor, Error> {
        read(text).ok_or_else(|| {
            let shown: String = text.chars().take(60).collect();
            Error::new(
                Code::InvalidParameter,
                format!(
                    "`cursor` is `{shown}`, expected one from an earlier answer such as `api:12:3456@99;api=r12`"
                ),
            )
            .hint("leave `cursor` out to begin anew")
        })
    }
}

impl std::fmt::Display for WaitCursor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (at, (name, Place { run, line, begun })) in self.places.iter().enumerate() {
            let between = if at == 0 { "" } else { "," };
            write!(f, "{between}{name}:{run}:{line}")?;
            if *begun > 0 {
                write!(f, "+{begun}")?;
            }
        }
        write!(f, "@{}", self.at.as_nanos() / 1_000_000)?;
        for (name, mark) in &self.marks {
            write!(f, ";{name}=")?;
            for (letter, number) in [('r', mark.ready), ('e', mark.exit), ('b', mark.build)] {
                if number > 0 {
                    write!(f, "{letter}{number}")?;
                }
            }
            if mark.down {
                f.write_str("d")?;
            }
        }
        Ok(())
    }
}

/// What of it is a log's cursor.
pub(in crate::engine) fn of_logs(cursor: &str) -> String {
    let places = cursor.split_once('@').map_or(cursor, |(places, _)| places);
    let lines = places.split(',').map(|place| place.split_once('+').map_or(place, |(line, _)| line));
    lines.collect::<Vec<_>>().join(",")
}

fn read(text: &str) -> Option<WaitCursor> {
    // a log's cursor has no moment: everything that is known now has been seen
    let (places, rest) = match text.split_once('@') {
        Some((places, rest)) => (places, Some(rest)),
        None => (text, None),
    };
    let mut rest = rest.into_iter().flat_map(|rest| rest.split(';'));
    let at = match rest.next() {
        Some(ms) => ms.parse::<u64>().ok()?.checked_mul(1_000_000)?,
        None => super::super::clock::now().as_nanos(),
    };
    let mut cursor = WaitCursor { at: Time::from_nanos(at), ..WaitCursor::default() };
    for part in places.split(',').filter(|part| !part.is_empty()) {
        let mut parts = part.rsplitn(3, ':');
        let (line, run, name) = (parts.next()?, parts.next()?, parts.next()?);
        let (line, begun) = line.split_once('+').unwrap_or((line, "0"));
        if name.is_empty() || cursor.places.len() >= super::MAX_TARGETS {
            return None;
        }
        let place = Place { run: run.parse().ok()?, line: line.parse().ok()?, begun: begun.parse().ok()? };
        cursor.places.push((name.to_owned(), place));
    }
    for part in rest {
        let (name, mark) = part.split_once('=')?;
        if name.is_empty() || cursor.marks.len() >= super::MAX_TARGETS {
            return None;
        }
        cursor.marks.push((name.to_owned(), read_mark(mark)?));
    }
    Some(cursor)
}

fn read_mark(text: &str) -> Option<Mark> {
    let mut mark = Mark::default();
    let mut rest = text;
    while let Some(letter) = rest.chars().next() {
        rest = &rest[letter.len_utf8()..];
        let end = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
        let (digits, after) = rest.split_at(end);
        rest = after;
        match letter {
            'r' => mark.ready = digits.parse().ok()?,
            'e' => mark.exit = digits.parse().ok()?,
            'b' => mark.build = digits.parse().ok()?,
            'd' if digits.is_empty() => mark.down = true,
            _ => return None,
        }
    }
    Some(mark)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_comes_back_as_it_was_given_out_to_the_millisecond() {
        let place = |run, line, begun| Place { run, line, begun };
        let places = vec![("api".to_owned(), place(3, 120, 0)), ("t5".to_owned(), place(1, 0, 7))];
        let marks = vec![
            ("api".to_owned(), Mark { ready: 3, exit: 2, build: 4, down: true }),
            ("t5".to_owned(), Mark::default()),
        ];
        let cursor = WaitCursor { places, at: Time::from_nanos(5_000_000), marks };
        assert_eq!(cursor.to_string(), "api:3:120,t5:1:0+7@5;api=r3e2b4d;t5=");
        assert_eq!(of_logs(&cursor.to_string()), "api:3:120,t5:1:0");
        assert_eq!(WaitCursor::parse(&cursor.to_string()), Ok(cursor));
        let empty = WaitCursor::default();
        assert_eq!(WaitCursor::parse(&empty.to_string()), Ok(empty));
        assert_eq!(of_logs("api:3:120@5"), "api:3:120");
        assert_eq!(of_logs("api:3:120"), "api:3:120");
        assert!(WaitCursor::parse("api:3:120").is_ok(), "a log's cursor will do");
    }

    #[test]
    fn anything_else_is_an_invalid_parameter() {
        for text in [
            "api@5",
            "api:1@5",
            "api:x:1@5",
            ":1:2@5",
            "api:1:2@",
            "api:1:2@-1",
            "x",
            "a:1:2+x@5",
            "a:1:2@5;",
            "a:1:2@5;a",
            "a:1:2@5;a=x1",
            "a:1:2@5;a=r",
            "a:1:2@5;=r1",
        ] {
            assert_eq!(WaitCursor::parse(text).unwrap_err().code, Code::InvalidParameter, "{text}");
        }
    }
}
