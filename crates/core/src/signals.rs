//! The names of signals. Knows nothing of what they do.

use crate::config::nearest;

/// By the numbers of Linux on all but a few old machines, beginning with 1.
const NAMES: [&str; 31] = [
    "HUP", "INT", "QUIT", "ILL", "TRAP", "ABRT", "BUS", "FPE", "KILL", "USR1", "SEGV", "USR2", "PIPE",
    "ALRM", "TERM", "STKFLT", "CHLD", "CONT", "STOP", "TSTP", "TTIN", "TTOU", "URG", "XCPU", "XFSZ",
    "VTALRM", "PROF", "WINCH", "IO", "PWR", "SYS",
];
const OTHER_NAMES: [(&str, i32); 4] = [("CLD", 17), ("IOT", 6), ("POLL", 29), ("UNUSED", 31)];

/// Without `SIG`, for example `TERM`.
pub fn signal_name(number: i32) -> Option<&'static str> {
    let place = usize::try_from(number).ok()?.checked_sub(1)?;
    NAMES.get(place).copied()
}

/// The number of `HUP`, `SIGHUP`, `hup` or `1`.
pub fn signal_number(text: &str) -> Option<i32> {
    if let Ok(number) = text.parse::<i32>() {
        return signal_name(number).map(|_| number);
    }
    let upper = text.to_ascii_uppercase();
    let short = upper.strip_prefix("SIG").unwrap_or(&upper);
    let other = || OTHER_NAMES.iter().find(|(name, _)| *name == short).map(|(_, number)| *number);
    (1..).zip(NAMES).find(|(_, name)| *name == short).map(|(number, _)| number).or_else(other)
}

/// All names, by their numbers.
pub fn signal_names() -> impl Iterator<Item = &'static str> {
    NAMES.into_iter()
}

/// The one that was probably meant.
pub fn nearest_signal(text: &str) -> Option<&'static str> {
    let upper = text.to_ascii_uppercase();
    nearest(upper.strip_prefix("SIG").unwrap_or(&upper), NAMES)
}

#[cfg(test)]
mod tests {
    use super::{nearest_signal, signal_name, signal_names, signal_number};

    #[test]
    fn a_signal_has_a_number_a_name_and_a_long_name() {
        for (number, name) in (1..).zip(signal_names()) {
            assert_eq!(signal_name(number), Some(name));
            for written in [name.to_owned(), name.to_lowercase(), format!("SIG{name}"), number.to_string()] {
                assert_eq!(signal_number(&written), Some(number), "{written}");
            }
        }
        assert_eq!(
            (signal_number("TERM"), signal_number("WINCH"), signal_number("SYS")),
            (Some(15), Some(28), Some(31))
        );
        assert_eq!((signal_name(0), signal_name(32), signal_name(-1)), (None, None, None));
        for wrong in ["", "0", "32", "-1", "SIG", "SIGSIGHUP", "HUP ", "9.0", "99999999999"] {
            assert_eq!(signal_number(wrong), None, "{wrong}");
        }
        assert_eq!((nearest_signal("sighub"), nearest_signal("TREM")), (Some("HUP"), Some("TERM")));
        assert_eq!(nearest_signal("RELOAD"), None);
    }
}
