//! The only place where the manager reads a clock for the core.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bpm_core::time::Time;
use rustix::time::{ClockId, clock_gettime};

/// Awake time since boot.
pub(crate) fn now() -> Time {
    let read = clock_gettime(ClockId::Monotonic);
    let seconds = u64::try_from(read.tv_sec).unwrap_or(0);
    let nanos = u64::try_from(read.tv_nsec).unwrap_or(0);
    Time::from_nanos(seconds.saturating_mul(1_000_000_000).saturating_add(nanos))
}

/// RFC 3339, UTC, to the millisecond.
pub(crate) fn wall_text() -> String {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
    let millis = i64::try_from(since.as_millis()).unwrap_or(i64::MAX);
    jiff::Timestamp::from_millisecond(millis).map(|time| format!("{time:.3}")).unwrap_or_default()
}
