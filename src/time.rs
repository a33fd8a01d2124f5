//! Wall time for claims, monotonic time for ages.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Seconds since the Unix epoch (RFC 7519 2 `NumericDate`), always finite.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd)]
pub struct UnixSeconds(f64);

impl UnixSeconds {
    /// `None` unless `seconds` is finite.
    pub fn new(seconds: f64) -> Option<Self> {
        seconds.is_finite().then_some(Self(seconds))
    }

    /// The operating system's wall clock.
    pub fn system_now() -> Self {
        // A clock set before 1970 reads as 1970: every token is then "not yet valid", which is the safe side.
        Self(SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |age| age.as_secs_f64()))
    }

    /// The whole second this moment lies in. LibreChat's clock has no fractions.
    #[must_use]
    pub fn whole(self) -> Self {
        Self(self.0.floor())
    }

    /// The number itself.
    pub const fn get(self) -> f64 {
        self.0
    }
}

/// Where the key store reads the age of things: a clock that only ever goes forward, so that a step of the wall clock
/// neither revives nor kills keys.
pub trait Clock: Send + Sync {
    /// Time since some fixed moment.
    fn monotonic(&self) -> Duration;

    /// The wall clock, for what outlives the process: a file's time.
    fn wall(&self) -> UnixSeconds {
        UnixSeconds::system_now()
    }
}

/// The operating system's monotonic clock.
#[derive(Debug, Clone, Copy)]
pub struct SystemClock(Instant);

impl Default for SystemClock {
    fn default() -> Self {
        Self(Instant::now())
    }
}

impl Clock for SystemClock {
    fn monotonic(&self) -> Duration {
        self.0.elapsed()
    }
}
