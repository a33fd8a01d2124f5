//! How long a policy lets keys live. Policies with different settings share a slot of the key store, which therefore
//! has none.

use std::time::Duration;

use super::{PolicyError, expected};

/// The shortest life of a key set. A shorter one would let callers cause many requests to the provider.
pub const MIN_LIFE: Duration = Duration::from_secs(60);
/// The longest life an operator can configure or let the provider advise.
pub const MAX_LIFE: Duration = Duration::from_secs(24 * 60 * 60);
/// How far the provider's `Cache-Control: max-age` may lengthen a life, where the policy does not say.
pub const MAX_ADVISED_LIFE: Duration = Duration::from_secs(10 * 60);
/// How long keys answer while the provider cannot be reached, where the policy does not say.
pub const STALE_BOUND: Duration = Duration::from_secs(4 * 60 * 60);
/// The largest stale bound: while the provider cannot be reached, a withdrawn key is accepted that long.
pub const MAX_STALE_BOUND: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// How long a policy lets keys live.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lifetimes {
    /// The configured life, at least [`MIN_LIFE`].
    pub life: Duration,
    /// The age from which keys are not used at all. Never less than the configured life.
    pub stale_bound: Duration,
    /// How far the provider may lengthen the life.
    pub max_advised: Duration,
}

impl Default for Lifetimes {
    fn default() -> Self {
        Self { life: MIN_LIFE, stale_bound: STALE_BOUND, max_advised: MAX_ADVISED_LIFE }
    }
}

impl Lifetimes {
    /// What satisfies both.
    #[must_use]
    pub fn shortest(self, other: Self) -> Self {
        Self {
            life: self.life.min(other.life),
            stale_bound: self.stale_bound.min(other.stale_bound),
            max_advised: self.max_advised.min(other.max_advised),
        }
    }

    /// Reads the options `cacheMaxAge` (milliseconds), `maxStale` and `maxAdvisedAge` (seconds).
    ///
    /// # Errors
    /// [`PolicyError::Option`] names the one that is wrong.
    pub fn parse(
        cache_max_age: Option<f64>,
        max_stale: Option<f64>,
        max_advised_age: Option<f64>,
    ) -> Result<Self, PolicyError> {
        let duration = |seconds: Option<f64>, default, most: Duration| match seconds {
            None => Some(default),
            Some(seconds) => Duration::try_from_secs_f64(seconds).ok().filter(|duration| *duration <= most),
        };
        let life = duration(cache_max_age.map(|milliseconds| milliseconds / 1000.0), MIN_LIFE, MAX_LIFE)
            .ok_or_else(|| PolicyError::option("cacheMaxAge", expected::CACHE_MAX_AGE))?
            .max(MIN_LIFE);
        let stale_bound = duration(max_stale, STALE_BOUND, MAX_STALE_BOUND)
            .ok_or_else(|| PolicyError::option("maxStale", expected::MAX_STALE))?
            .max(life);
        let max_advised = duration(max_advised_age, MAX_ADVISED_LIFE, MAX_LIFE)
            .ok_or_else(|| PolicyError::option("maxAdvisedAge", expected::MAX_ADVISED_AGE))?;
        Ok(Self { life, stale_bound, max_advised })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn s(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn a_life_is_never_under_a_minute_and_never_past_the_stale_bound() {
        let of = |life, stale, advised| {
            let Lifetimes { life, stale_bound, max_advised } = Lifetimes::parse(life, stale, advised).unwrap();
            (life, stale_bound, max_advised)
        };
        assert_eq!(of(None, None, None), (s(60), s(14_400), s(600)));
        assert_eq!(of(Some(0.0), None, None), (s(60), s(14_400), s(600)));
        assert_eq!(of(Some(59_999.5), None, None), (s(60), s(14_400), s(600)));
        assert_eq!(of(Some(90_500.0), None, None), (Duration::from_millis(90_500), s(14_400), s(600)));
        assert_eq!(of(Some(86_400_000.0), None, Some(86_400.0)), (s(86_400), s(86_400), s(86_400)));
        assert_eq!(of(None, Some(0.0), Some(0.0)), (s(60), s(60), s(0)));
        assert_eq!(of(None, Some(604_800.0), None), (s(60), s(604_800), s(600)));
    }

    #[test]
    fn names_the_option_that_is_wrong() {
        for bad in [-1.0, f64::NAN, f64::INFINITY, 1e12] {
            for (place, name) in ["cacheMaxAge", "maxStale", "maxAdvisedAge"].into_iter().enumerate() {
                let value = |at| (at == place).then_some(bad);
                let error = Lifetimes::parse(value(0), value(1), value(2)).unwrap_err();
                assert!(matches!(error, PolicyError::Option { key, .. } if key == name), "{name} {bad}");
            }
        }
    }
}
