//! Tells cargo's line of progress, which it ends with a carriage return and writes over, from what it means to
//! stay. Pure: no process, file or clock.

use super::cargo_output::is_status;
use crate::store::build_progress::Progress;

/// Cargo shows its progress, though nobody sees a terminal, in lines of this width. By environment, not by
/// `--config`, which cargo before 1.63 refuses.
pub const ENVIRONMENT: [(&str, &str); 2] =
    [("CARGO_TERM_PROGRESS_WHEN", "always"), ("CARGO_TERM_PROGRESS_WIDTH", "132")];

/// Cargo right-aligns its verbs to this.
const VERB_COLUMNS: usize = 12;

/// A line that is written over.
#[derive(Debug, PartialEq, Eq)]
pub enum Passing {
    /// Units of the build that are done.
    Steps(Progress),
    /// Downloads, the index, deltas.
    Other,
}

/// What `text`, which came before a carriage return, is; `None`: nothing of cargo's, so it stays.
pub fn passing(text: &[u8]) -> Option<Passing> {
    let text = str::from_utf8(text).ok()?;
    let (verb, rest) = match text.as_bytes() {
        // without a verb where the configuration says `quiet`
        [b'[', ..] => ("Building", text),
        bytes if is_status(text) && bytes.get(VERB_COLUMNS) == Some(&b' ') => {
            (text[..VERB_COLUMNS].trim_start(), &text[VERB_COLUMNS + 1..])
        }
        _ => return None,
    };
    let bar = rest.strip_prefix('[').and_then(|rest| rest.split_once(']'));
    let bar = bar.filter(|(bar, _)| bar.chars().all(|char| "=> ".contains(char)));
    match bar {
        Some((_, stats)) if verb == "Building" => Some(steps(stats).map_or(Passing::Other, Passing::Steps)),
        None if text.starts_with('[') => None,
        Some(_) | None => Some(Passing::Other),
    }
}

/// ` 12/40: foo, bar(build)   `
fn steps(stats: &str) -> Option<Progress> {
    let stats = stats.trim();
    let (numbers, what) = stats.split_once(": ").unwrap_or((stats.trim_end_matches(':'), ""));
    let (done, total) = numbers.split_once('/')?;
    let (done, total) = (done.parse().ok()?, total.parse().ok()?);
    (done <= total && total > 0).then(|| Progress { done, total, what: what.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn steps(done: u32, total: u32, what: &str) -> Option<Passing> {
        Some(Passing::Steps(Progress { done, total, what: what.to_owned() }))
    }

    #[test]
    fn the_steps_of_a_build_are_read_in_every_shape() {
        let shapes: [(&str, _); 6] = [
            (
                "    Building [                             ] 0/6: a(build.rs)      ",
                steps(0, 6, "a(build.rs)"),
            ),
            ("    Building [====>   ] 12/40: foo, bar(build)...", steps(12, 40, "foo, bar(build)...")),
            ("    Building [=======>] 399/1040", steps(399, 1040, "")),
            ("    Building [=======>] 399/1040:", steps(399, 1040, "")),
            ("    Building [========] 6/6: app(bin)   ", steps(6, 6, "app(bin)")),
            ("[===>    ] 1/6: a, b   ", steps(1, 6, "a, b")),
        ];
        for (text, expected) in shapes {
            assert_eq!(passing(text.as_bytes()), expected, "{text}");
        }
    }

    #[test]
    fn other_progress_passes_too() {
        let others = [
            " Downloading 3 crates, remaining bytes: 1.2 MiB     ",
            "       Fetch [===>            ]  45.33%, 12.30MiB/s ",
            "    Updating [=>              ] 3 complete; 2 pending ",
            "    Building [=>  ] 7/6: more than all",
            "    Building [=>  ] 0/0: nothing",
            "    Building [=>  ] 1/99999999999: too many",
        ];
        for text in others {
            assert_eq!(passing(text.as_bytes()), Some(Passing::Other), "{text}");
        }
    }

    #[test]
    fn what_somebody_else_says_stays() {
        let kept = [
            "",
            "warning: x",
            "      Building [=>  ] 1/2: of a cargo below, in the text of an error",
            "    building [=>  ] 1/2: x",
            "[error] 1/2: x",
            "[",
            "{\"reason\":\"build-finished\"}",
            "   Compilingé x",
        ];
        for text in kept {
            assert_eq!(passing(text.as_bytes()), None, "{text}");
        }
        assert_eq!(passing(b"    Building [=>  ] 1/2: \xff"), None);
    }
}
