//! Which runs (or builds) of a process are kept, and which one a number or an index means.

use std::fmt::Write as _;
use std::fs;
use std::io;
use std::path::Path;

use bpm_api::{Code, Error};

use super::What;

/// Numbers of the kept directories, ascending.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Kept {
    pub(super) numbers: Vec<u64>,
}

impl Kept {
    /// What stands in a `runs` or `builds` directory; one that is not there holds nothing.
    pub(super) fn read(dir: &Path) -> Result<Kept, Error> {
        let entries = match fs::read_dir(dir) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Kept::default()),
            Err(error) => return Err(super::unreadable(dir, &error)),
        };
        let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
        let mut numbers: Vec<u64> = names.filter_map(|name| number(&name)).collect();
        numbers.sort_unstable();
        Ok(Kept { numbers })
    }

    pub(super) fn newest(&self) -> Option<u64> {
        self.numbers.last().copied()
    }

    /// The one with this number.
    pub(super) fn by_number(&self, wanted: u64, process: &str, what: What) -> Result<u64, Error> {
        match self.numbers.binary_search(&wanted) {
            Ok(_) => Ok(wanted),
            Err(_) => {
                Err(self.absent(&format!("`{process}` has no {} {wanted}", what.noun()), process, what))
            }
        }
    }

    /// -1 is the newest, -2 the one before; 0 the oldest that is kept, 1 the next.
    pub(super) fn by_index(&self, index: i64, process: &str, what: What) -> Result<u64, Error> {
        let distance = usize::try_from(index.unsigned_abs()).unwrap_or(usize::MAX);
        let at = match index {
            ..0 => self.numbers.len().checked_sub(distance),
            0.. => Some(distance),
        };
        at.and_then(|at| self.numbers.get(at).copied()).ok_or_else(|| {
            let text = format!("`{process}` has no {} at index {index}", what.noun());
            self.absent(&text, process, what)
        })
    }

    fn absent(&self, text: &str, process: &str, what: What) -> Error {
        if self.numbers.is_empty() {
            return Error::new(Code::UnknownRun, format!("`{process}` has no {} yet", what.noun())).hint(
                match what {
                    What::Runs => "`bpm status` shows what it is doing",
                    What::Builds => "only type \"rust\" and processes with `build` are built",
                },
            );
        }
        Error::new(Code::UnknownRun, format!("{text}: {}", self.said(what)))
            .hint("-1 is the newest, -2 the one before, 0 the oldest kept")
    }

    /// `run 3 is kept`, `runs 3, 5 to 12 are kept`.
    pub(super) fn said(&self, what: What) -> String {
        let mut spans: Vec<(u64, u64)> = Vec::new();
        for &number in &self.numbers {
            match spans.last_mut() {
                Some((_, last)) if last.checked_add(1) == Some(number) => *last = number,
                _ => spans.push((number, number)),
            }
        }
        let mut out = String::new();
        for (at, (first, last)) in spans.iter().enumerate() {
            let between = if at == 0 { "" } else { ", " };
            let _ = match first == last {
                true => write!(out, "{between}{first}"),
                false => write!(out, "{between}{first} to {last}"),
            };
        }
        match self.numbers.len() {
            0 => format!("no {} is kept", what.noun()),
            1 => format!("{} {out} is kept", what.noun()),
            _ => format!("{}s {out} are kept", what.noun()),
        }
    }
}

/// A directory's name as a number, if that is how bpm would write it.
pub(super) fn number(name: &str) -> Option<u64> {
    let plain = !name.is_empty() && !name.starts_with('0') && name.bytes().all(|byte| byte.is_ascii_digit());
    plain.then(|| name.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use bpm_api::Code;

    use super::{Kept, number};
    use crate::logbook::What;

    fn kept(numbers: &[u64]) -> Kept {
        Kept { numbers: numbers.to_vec() }
    }

    #[test]
    fn negative_indexes_count_from_the_newest_and_others_from_the_oldest() {
        let kept = kept(&[3, 4, 7]);
        let at = |index| kept.by_index(index, "api", What::Runs).ok();
        assert_eq!(at(-1), Some(7));
        assert_eq!(at(-2), Some(4));
        assert_eq!(at(-3), Some(3));
        assert_eq!(at(-4), None);
        assert_eq!(at(0), Some(3));
        assert_eq!(at(1), Some(4));
        assert_eq!(at(2), Some(7));
        assert_eq!(at(3), None);
        assert_eq!(at(i64::MIN), None);
        assert_eq!(at(i64::MAX), None);
    }

    #[test]
    fn what_is_not_kept_names_what_is() {
        let error = kept(&[3, 5, 6, 12]).by_number(4, "api", What::Runs).unwrap_err();
        assert_eq!(error.code, Code::UnknownRun);
        assert_eq!(error.message, "`api` has no run 4: runs 3, 5 to 6, 12 are kept");
        let error = kept(&[2]).by_index(-2, "api", What::Builds).unwrap_err();
        assert_eq!(error.message, "`api` has no build at index -2: build 2 is kept");
        let error = kept(&[]).by_index(-1, "api", What::Runs).unwrap_err();
        assert_eq!(error.message, "`api` has no run yet");
    }

    #[test]
    fn only_numbers_as_bpm_writes_them_are_runs() {
        assert_eq!(number("12"), Some(12));
        for name in ["", "0", "012", "+1", "-1", "1.tmp", "99999999999999999999999", "１"] {
            assert_eq!(number(name), None, "{name:?}");
        }
    }
}
