//! Awake time: what the kernel calls `CLOCK_MONOTONIC`. It stands still while the machine sleeps,
//! so no wait is over merely because a lid was closed.

use std::fmt;
use std::ops::Add;
use std::time::Duration;

/// A point of awake time, in nanoseconds since boot. Comparable between processes of one boot.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Time(u64);

impl Time {
    pub const ZERO: Time = Time(0);

    pub const fn from_nanos(nanos: u64) -> Time {
        Time(nanos)
    }

    pub const fn as_nanos(self) -> u64 {
        self.0
    }

    /// How long after `earlier` this is; zero when it is before.
    pub fn since(self, earlier: Time) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }

    /// How long it is from `now` until this; zero when it has passed.
    pub fn after(self, now: Time) -> Duration {
        self.since(now)
    }
}

impl Add<Duration> for Time {
    type Output = Time;

    /// Saturates: a wait of three hundred years is for ever.
    fn add(self, wait: Duration) -> Time {
        Time(self.0.saturating_add(u64::try_from(wait.as_nanos()).unwrap_or(u64::MAX)))
    }
}

impl fmt::Debug for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.1}s", Duration::from_nanos(self.0).as_secs_f64())
    }
}
