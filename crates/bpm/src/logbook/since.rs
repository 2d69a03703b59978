//! Moments: how a user writes one, and how one is shown.

use bpm_api::{Code, Error};
use jiff::Timestamp;

use super::names::clip;

const SECOND_NS: f64 = 1e9;

/// The moment that `text` means, in nanoseconds since 1970: an age before `now_ns` or an RFC 3339 time.
pub(super) fn parse(text: &str, now_ns: u64) -> Result<u64, Error> {
    if let Some(age) = age_ns(text) {
        return Ok(now_ns.saturating_sub(age));
    }
    let time = text.parse::<Timestamp>().map_err(|_| {
        let expected = "an age such as `30s`, `10m`, `2h` or `1d`, or a time such as `2026-03-01T09:30:00Z`";
        Error::new(Code::InvalidParameter, format!("`since` is `{}`, expected {expected}", clip(text)))
    })?;
    // Before 1970 there are no logs.
    Ok(u64::try_from(time.as_nanosecond()).unwrap_or(if time < Timestamp::UNIX_EPOCH { 0 } else { u64::MAX }))
}

fn age_ns(text: &str) -> Option<u64> {
    let unit = match text.chars().next_back()? {
        's' => 1.0,
        'm' => 60.0,
        'h' => 3600.0,
        'd' => 86_400.0,
        _ => return None,
    };
    let amount = &text[..text.len() - 1];
    let plain = amount.starts_with(|c: char| c.is_ascii_digit())
        && amount.chars().all(|c| c.is_ascii_digit() || c == '.');
    let amount: f64 = plain.then(|| amount.parse().ok()).flatten()?;
    // Saturates.
    Some((amount * unit * SECOND_NS) as u64)
}

/// RFC 3339 in UTC, to the millisecond.
pub fn rfc3339(time_ns: u64) -> String {
    let time = Timestamp::from_nanosecond(i128::from(time_ns)).unwrap_or(Timestamp::MAX);
    format!("{time:.3}")
}

#[cfg(test)]
mod tests {
    use super::{parse, rfc3339};

    const NOW: u64 = 1_800_000_000_000_000_000;

    #[test]
    fn an_age_counts_back_from_now() {
        let ago = |text: &str| (NOW - parse(text, NOW).expect(text)) / 1_000_000;
        assert_eq!(ago("30s"), 30_000);
        assert_eq!(ago("1.5s"), 1_500);
        assert_eq!(ago("10m"), 600_000);
        assert_eq!(ago("2h"), 7_200_000);
        assert_eq!(ago("1d"), 86_400_000);
        assert_eq!(parse("99999999999999d", NOW), Ok(0));
    }

    #[test]
    fn a_time_is_taken_in_any_zone() {
        assert_eq!(parse("1970-01-01T00:00:01Z", NOW), Ok(1_000_000_000));
        assert_eq!(parse("1970-01-01T02:00:00+02:00", NOW), Ok(0));
        assert_eq!(parse("1901-01-01T00:00:00Z", NOW), Ok(0));
        assert_eq!(parse("9999-01-01T00:00:00Z", NOW), Ok(u64::MAX));
    }

    #[test]
    fn what_is_neither_says_what_would_be() {
        for text in [
            "",
            "s",
            "yesterday",
            "10",
            "-5s",
            "1e3s",
            "10 m",
            "1.2.3s",
            ".5s",
            "10µ",
            "2026-13-01T00:00:00Z",
        ] {
            let error = parse(text, NOW).expect_err(text);
            assert!(error.message.starts_with("`since` is `"), "{}", error.message);
        }
    }

    #[test]
    fn times_are_shown_to_the_millisecond() {
        assert_eq!(rfc3339(0), "1970-01-01T00:00:00.000Z");
        assert_eq!(rfc3339(1_234_567_890_123_456_789), "2009-02-13T23:31:30.123Z");
        assert!(rfc3339(u64::MAX).ends_with('Z'));
    }
}
