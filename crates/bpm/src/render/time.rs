//! Spans of time and amounts in words.

const MINUTE: u64 = 60;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;

/// A span with two units at most: `0.4 s`, `42 s`, `3 min 5 s`, `2 h 1 min`, `4 d 3 h`.
#[must_use]
pub fn seconds(span: f64) -> String {
    if span.is_nan() || span <= 0.0 {
        return "0 s".to_owned();
    }
    if span < 9.95 {
        let tenths = format!("{span:.1}");
        return format!("{} s", tenths.strip_suffix(".0").unwrap_or(&tenths));
    }
    // Saturates: far beyond any uptime.
    let whole = span.round() as u64;
    let (big, big_unit, small, small_unit) = match whole {
        0..MINUTE => return format!("{whole} s"),
        MINUTE..HOUR => (whole / MINUTE, "min", whole % MINUTE, "s"),
        HOUR..DAY => (whole / HOUR, "h", whole % HOUR / MINUTE, "min"),
        _ => (whole / DAY, "d", whole % DAY / HOUR, "h"),
    };
    match small {
        0 => format!("{big} {big_unit}"),
        _ => format!("{big} {big_unit} {small} {small_unit}"),
    }
}

/// Bytes in powers of 1024, three digits at most before the unit: `12M`, `1.5G`.
#[must_use]
pub fn bytes(amount: u64) -> String {
    const UNITS: [&str; 5] = ["B", "K", "M", "G", "T"];
    let mut value = amount as f64;
    let mut unit = 0;
    while value >= 1000.0 && unit + 1 < UNITS.len() {
        value /= 1024.0;
        unit += 1;
    }
    match unit > 0 && value < 9.95 {
        true => format!("{value:.1}{}", UNITS[unit]),
        false => format!("{value:.0}{}", UNITS[unit]),
    }
}

/// `1 line`, `2 lines`.
pub(super) fn count(number: u64, noun: &str) -> String {
    match number {
        1 => format!("1 {noun}"),
        _ => format!("{number} {noun}s"),
    }
}

/// The same where the plural is irregular.
pub(super) fn counted(number: u64, one: &str, many: &str) -> String {
    format!("{number} {}", if number == 1 { one } else { many })
}

#[cfg(test)]
mod tests {
    use super::{bytes, seconds};

    #[test]
    fn spans_have_two_units_at_most() {
        let cases = [
            (0.0, "0 s"),
            (-3.0, "0 s"),
            (f64::NAN, "0 s"),
            (0.44, "0.4 s"),
            (1.0, "1 s"),
            (9.94, "9.9 s"),
            (9.96, "10 s"),
            (59.4, "59 s"),
            (60.0, "1 min"),
            (185.0, "3 min 5 s"),
            (7260.0, "2 h 1 min"),
            (86_400.0, "1 d"),
            (356_400.0, "4 d 3 h"),
        ];
        for (span, text) in cases {
            assert_eq!(seconds(span), text, "{span}");
        }
        assert!(seconds(f64::INFINITY).ends_with(" h"));
    }

    #[test]
    fn amounts_stay_short() {
        let cases = [
            (0, "0B"),
            (999, "999B"),
            (1000, "1.0K"),
            (12 << 20, "12M"),
            (1536 << 20, "1.5G"),
            (u64::MAX, "16777216T"),
        ];
        for (amount, text) in cases {
            assert_eq!(bytes(amount), text, "{amount}");
        }
    }
}
