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

/// The clock by which the key store measures ages: it only goes forward, so that setting the wall clock never makes
/// keys younger. Some systems stop it while the machine sleeps or is paused (Linux, macOS); then the wall clock shows
/// the time that passed, see [`Moment::age_at`].
pub trait Clock: Send + Sync {
    /// Time since some fixed moment.
    fn monotonic(&self) -> Duration;

    /// The wall clock, for what outlives the process: a file's time.
    fn wall(&self) -> UnixSeconds {
        UnixSeconds::system_now()
    }
}

/// How far the wall clock may be ahead of the monotonic one before it counts: smaller differences come from adjustments
/// of the clock.
const CLOCK_SET: Duration = Duration::from_secs(5);

/// A moment by both clocks.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Moment {
    /// The monotonic clock.
    pub monotonic: Duration,
    /// The wall clock.
    pub wall: UnixSeconds,
}

impl Moment {
    /// Now.
    pub fn now(clock: &dyn Clock) -> Self {
        Self { monotonic: clock.monotonic(), wall: clock.wall() }
    }

    /// How long ago this was at a later moment: by the monotonic clock, or by the wall clock if that shows clearly
    /// more, because then the machine has slept. A wall clock that is set back makes nothing younger; one that is set
    /// forward makes things older, so that keys are fetched again.
    pub fn age_at(&self, later: Self) -> Duration {
        let age = later.monotonic.saturating_sub(self.monotonic);
        let by_wall = Duration::try_from_secs_f64(later.wall.get() - self.wall.get()).unwrap_or_default();
        if by_wall > age.saturating_add(CLOCK_SET) { by_wall } else { age }
    }

    /// This moment on the monotonic clock of a later one, so that its distance is its age.
    pub fn as_seen_at(&self, later: Self) -> Duration {
        later.monotonic.saturating_sub(self.age_at(later))
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
