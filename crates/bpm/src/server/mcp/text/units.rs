//! Durations, sizes and counts in few characters.

/// `42s`, `3m10s`, `2h5m`, `3d4h`. Below ten seconds with a tenth.
pub(super) fn duration(seconds: f64) -> String {
    let seconds = if seconds.is_finite() { seconds.max(0.0) } else { 0.0 };
    if seconds < 9.95 {
        return format!("{seconds:.1}s");
    }
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "finite and not negative")]
    let whole = seconds.round() as u64;
    let (days, hours, minutes) = (whole / 86_400, whole / 3_600 % 24, whole / 60 % 60);
    match whole {
        0..60 => format!("{whole}s"),
        60..3_600 => two(minutes, "m", whole % 60, "s"),
        3_600..86_400 => two(hours, "h", minutes, "m"),
        _ => two(days, "d", hours, "h"),
    }
}

fn two(large: u64, large_unit: &str, small: u64, small_unit: &str) -> String {
    if small == 0 {
        format!("{large}{large_unit}")
    } else {
        format!("{large}{large_unit}{small}{small_unit}")
    }
}

/// `512 B`, `12 KB`, `3.4 MB`, in steps of 1024.
pub(super) fn bytes(bytes: u64) -> String {
    #[expect(clippy::cast_precision_loss, reason = "shown with two digits")]
    let mut size = bytes as f64;
    let mut unit = "B";
    for next in ["KB", "MB", "GB", "TB"] {
        if size < 999.5 {
            break;
        }
        size /= 1024.0;
        unit = next;
    }
    if unit == "B" || size >= 9.95 { format!("{size:.0} {unit}") } else { format!("{size:.1} {unit}") }
}

/// `1 line`, `2 lines`.
pub(super) fn count(count: u64, what: &str) -> String {
    let (plural_stem, plural_end) = match what {
        "match" | "crash" | "process" => (what, "es"),
        _ => (what, "s"),
    };
    if count == 1 { format!("1 {what}") } else { format!("{count} {plural_stem}{plural_end}") }
}

/// At most so many characters, on one line, with a mark where something is left out.
pub(super) fn clip(text: &str, chars: usize) -> String {
    let line: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    match line.char_indices().nth(chars) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line,
    }
}

/// At most `limit` bytes from the front, in whole lines where a line fits, and how much is left out.
pub(super) fn head(text: &str, limit: usize) -> String {
    if text.len() <= limit {
        return text.to_owned();
    }
    let mut end = limit;
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    let end = text[..end].rfind('\n').filter(|line_end| *line_end > limit / 2).unwrap_or(end);
    format!("{}\n… {} more", &text[..end], bytes((text.len() - end) as u64))
}

#[cfg(test)]
mod tests {
    use super::{bytes, count, duration, head};

    #[test]
    fn durations() {
        let shown = [0.0, 0.04, 3.12, 9.96, 59.4, 60.0, 190.0, 3_600.0, 7_500.0, 273_600.0, -1.0, f64::NAN]
            .map(duration);
        let expected =
            ["0.0s", "0.0s", "3.1s", "10s", "59s", "1m", "3m10s", "1h", "2h5m", "3d4h", "0.0s", "0.0s"];
        assert_eq!(shown, expected);
    }

    #[test]
    fn sizes() {
        let shown = [0, 512, 1_023, 12_288, 3_565_158, 47_185_920, u64::MAX].map(bytes);
        assert_eq!(shown, ["0 B", "512 B", "1.0 KB", "12 KB", "3.4 MB", "45 MB", "16777216 TB"]);
    }

    #[test]
    fn counts() {
        assert_eq!(
            [count(1, "match"), count(2, "match"), count(0, "line")],
            ["1 match", "2 matches", "0 lines"]
        );
    }

    #[test]
    fn a_long_text_is_cut_at_a_line_and_says_so() {
        assert_eq!(head("short", 10), "short");
        assert_eq!(head("first line\nsecond line", 15), "first line\n… 12 B more");
        assert_eq!(head("ééééé", 5), "éé\n… 6 B more");
    }
}
