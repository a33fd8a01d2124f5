//! The `kid`s that the newest keys of a source lack, and from when on each is worth another refresh.
//!
//! A refresh that lacks a `kid` proves that it is unknown for now, even if other refreshes succeed afterwards. A `kid` that
//! was there and is gone has been withdrawn: tokens that still name it cause no refresh.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use crate::key_id::KeyId;
use crate::keys::KeySet;
use crate::policy::lifetimes::{MIN_LIFE, STALE_BOUND};
use crate::time::{Moment, UnixSeconds};

/// How many absent `kid`s, and how many withdrawn ones, are remembered per source.
const KIDS_REMEMBERED: usize = 1024;
/// The longest wait of an absent `kid`, as a multiple of the first: a minute where that is 5 s.
const LONGEST_ABSENCE: u32 = 12;
/// By how many seconds a token's `iat` must be later than the moment its key was found withdrawn to show that the
/// provider signs with that key again, and how far ahead of the local clock it may be: more than clocks differ by.
const CLOCKS_DIFFER: f64 = 10.0;
/// How old the newest keys must be for a withdrawn `kid` to be worth a refresh whatever its tokens say. Keys of the
/// shortest life are refreshed before they reach this age.
const WITHDRAWN_LOOK: Duration = MIN_LIFE;
/// A `kid` that disappears within this time after a refresh brought it has not been withdrawn: another node of the
/// provider answered, one that does not publish it yet.
const FLICKER: Duration = MIN_LIFE;

/// A `kid` that refreshes were made for and lacked.
#[derive(Debug, Clone, Copy)]
struct Absent {
    since: Duration,
    wait: Duration,
    /// How many refreshes of the slot had succeeded by then: those who waited for the same one count once.
    refreshes: u64,
}

/// A `kid` that was there and is gone.
#[derive(Debug, Clone, Copy)]
struct Withdrawn {
    /// When the refresh began that showed it.
    began: Duration,
    /// Since when it is known to be missing: tokens issued well after that contradict the withdrawal.
    lacking: UnixSeconds,
    /// It disappeared within [`FLICKER`] after it had appeared.
    flickered: bool,
}

impl Withdrawn {
    /// Whether a token was issued since, by its own `iat`.
    fn is_contradicted_by(&self, signed_at: Option<f64>, wall: UnixSeconds) -> bool {
        let times = self.lacking.get() + CLOCKS_DIFFER..=wall.get() + CLOCKS_DIFFER;
        signed_at.is_some_and(|signed_at| times.contains(&signed_at))
    }
}

/// What the newest keys lack. Plain maps: there may be ten thousand slots, and most have empty ones.
#[derive(Debug)]
pub struct MissingKids {
    first_wait: Duration,
    absent: HashMap<KeyId, Absent>,
    withdrawn: HashMap<KeyId, Withdrawn>,
    /// The `kid`s that came less than [`FLICKER`] ago, and when.
    newcomers: HashMap<KeyId, Duration>,
}

impl MissingKids {
    /// Empty. `first_wait` is how long a `kid` that was looked for and not found causes no further fetch.
    pub fn new(first_wait: Duration) -> Self {
        Self { first_wait, absent: HashMap::new(), withdrawn: HashMap::new(), newcomers: HashMap::new() }
    }

    /// From when on a token of this `kid` is worth a fetch: now, or later. `signed_at` is the token's unverified `iat`,
    /// which gives a forger no more than an invented `kid` does; `newest` is when the keys at hand were requested.
    pub fn worth_a_look(&self, key_id: &KeyId, now: Moment, signed_at: Option<f64>, newest: Duration) -> Duration {
        let gone = self.withdrawn.get(key_id);
        let Moment { monotonic: now, wall } = now;
        if gone.is_some_and(|gone| gone.is_contradicted_by(signed_at, wall)) {
            return now;
        }
        if let Some(absent) = self.absent.get(key_id) {
            let until = absent.since.saturating_add(absent.wait);
            if now < until {
                return until;
            }
        }
        match gone {
            Some(gone) if gone.flickered => gone.began.saturating_add(self.first_wait).max(now),
            Some(_) => newest.saturating_add(WITHDRAWN_LOOK).max(now),
            None => now,
        }
    }

    /// A refresh was made for a token of this `kid`, and it is still unknown.
    pub fn add_absent(&mut self, key_id: &KeyId, now: Moment, signed_at: Option<f64>, refreshes: u64) {
        let Moment { monotonic: now, wall } = now;
        if let Some(gone) = self.withdrawn.get_mut(key_id)
            && gone.is_contradicted_by(signed_at, wall)
        {
            gone.lacking = wall;
        }
        let longest = self.first_wait.saturating_mul(LONGEST_ABSENCE);
        let passed = |absent: &Absent| now.saturating_sub(absent.since);
        let wait = match self.absent.get(key_id) {
            Some(absent) if absent.refreshes == refreshes => return,
            // No token has named it for long: the waits begin again.
            Some(absent) if passed(absent) >= longest.saturating_mul(2) => self.first_wait,
            Some(absent) => absent.wait.saturating_mul(2).min(longest),
            None => self.first_wait,
        };
        if self.absent.len() >= KIDS_REMEMBERED {
            self.absent.retain(|_, absent| passed(absent) < absent.wait);
        }
        // Full of recent ones: this `kid` may cause a fetch again at once, within the buckets. Evicting another one for
        // it would let junk decide which are forgotten.
        if self.absent.len() < KIDS_REMEMBERED || self.absent.contains_key(key_id) {
            self.absent.insert(key_id.clone(), Absent { since: now, wait, refreshes });
        }
    }

    /// A refresh that began at `began` has replaced `older` keys by `newer` ones.
    pub fn replaced(&mut self, older: Option<&KeySet>, newer: &KeySet, began: Moment) {
        let ids = |set: &'_ KeySet| set.keys().iter().filter_map(|key| key.id().cloned()).collect::<HashSet<KeyId>>();
        let newer = ids(newer);
        for key_id in &newer {
            self.absent.remove(key_id);
            self.withdrawn.remove(key_id);
        }
        // What the first keys hold may be of any age.
        let Some(older) = older.map(ids) else { return };
        self.withdrawn.retain(|_, gone| began.monotonic.saturating_sub(gone.began) < STALE_BOUND);
        self.newcomers.retain(|_, came| began.monotonic.saturating_sub(*came) < FLICKER);
        for key_id in older.difference(&newer) {
            let flickered = self.newcomers.remove(key_id).is_some();
            self.add_withdrawn(key_id.clone(), began, flickered);
        }
        self.newcomers.extend(newer.difference(&older).map(|key_id| (key_id.clone(), began.monotonic)));
    }

    fn add_withdrawn(&mut self, key_id: KeyId, began: Moment, flickered: bool) {
        if self.withdrawn.len() >= KIDS_REMEMBERED {
            let oldest = self.withdrawn.iter().min_by_key(|(_, gone)| gone.began).map(|(key_id, _)| key_id.clone());
            oldest.map(|key_id| self.withdrawn.remove(&key_id));
        }
        self.withdrawn.insert(key_id, Withdrawn { began: began.monotonic, lacking: began.wall, flickered });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn s(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn kid(name: impl std::fmt::Display) -> KeyId {
        KeyId::new(&format!("k{name}")).unwrap()
    }

    fn set(names: &[usize]) -> KeySet {
        let entry = |name: &usize| {
            format!(
                r#"{{"kty":"OKP","crv":"Ed25519","kid":"k{name}","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}}"#
            )
        };
        KeySet::parse(format!(r#"{{"keys":[{}]}}"#, names.iter().map(entry).collect::<Vec<_>>().join(",")).as_bytes())
            .unwrap()
    }

    fn at(seconds: u64) -> Moment {
        Moment { monotonic: s(seconds), wall: UnixSeconds::new(1e9 + seconds as f64).unwrap() }
    }

    fn missing() -> MissingKids {
        MissingKids::new(s(5))
    }

    /// From when on a token of `k1` without a time may cause a refresh.
    fn look(missing: &MissingKids, name: usize, now: u64, newest: u64) -> u64 {
        missing.worth_a_look(&kid(name), at(now), None, s(newest)).as_secs()
    }

    #[test]
    fn an_absent_kid_waits_five_seconds_doubling_to_a_minute_whatever_refreshes_succeed() {
        let (mut missing, mut now) = (missing(), 100);
        for (refresh, wait) in [5, 10, 20, 40, 60, 60].into_iter().enumerate() {
            missing.add_absent(&kid(1), at(now), None, refresh as u64);
            // Another request that waited for the same refresh.
            missing.add_absent(&kid(1), at(now), None, refresh as u64);
            // A time of its own helps a `kid` nothing that nobody ever had.
            let late = missing.worth_a_look(&kid(1), at(now + wait - 1), Some(1e9 + (now + wait - 1) as f64), s(now));
            assert_eq!(late, s(now + wait));
            now += wait;
            assert_eq!(look(&missing, 1, now, now), now);
        }
        // After a long silence it begins anew.
        missing.add_absent(&kid(1), at(now + 120), None, 99);
        assert_eq!(look(&missing, 1, now + 120, now), now + 125);
    }

    #[test]
    fn a_full_memory_keeps_what_it_has_and_shuts_nobody_out() {
        let mut missing = missing();
        for n in 0..3 * KIDS_REMEMBERED {
            missing.add_absent(&kid(n), at(100), None, 5);
        }
        assert_eq!(missing.absent.len(), KIDS_REMEMBERED);
        assert_eq!(look(&missing, 0, 101, 100), 105);
        assert_eq!(look(&missing, 2 * KIDS_REMEMBERED, 101, 100), 101);
        missing.add_absent(&kid(9_999), at(105), None, 6);
        assert_eq!(missing.absent.len(), 1);
    }

    #[test]
    fn a_withdrawn_kid_causes_no_fetch_unless_its_token_is_newer_than_its_withdrawal() {
        let mut missing = missing();
        missing.replaced(None, &set(&[1, 2]), at(100));
        missing.replaced(Some(&set(&[1, 2])), &set(&[2]), at(130));
        let look = |missing: &MissingKids, signed_at: Option<f64>, now| {
            missing.worth_a_look(&kid(1), at(now), signed_at.map(|at| 1e9 + at), s(130)).as_secs()
        };
        for signed_at in [None, Some(100.0), Some(139.0), Some(151.0), Some(f64::NAN), Some(f64::INFINITY)] {
            assert_eq!(look(&missing, signed_at, 140), 190, "{signed_at:?}");
        }
        assert_eq!(look(&missing, Some(140.0), 140), 140);
        assert_eq!(look(&missing, None, 190), 190, "the keys at hand are a minute old");
        // A refresh that such a token caused, and that found nothing: the next one must be newer still.
        missing.add_absent(&kid(1), at(141), Some(1e9 + 140.0), 3);
        assert_eq!(look(&missing, Some(142.0), 142), 146);
        assert_eq!(look(&missing, Some(146.0), 146), 190);
        assert_eq!(look(&missing, Some(151.0), 151), 151);
        // It is back.
        missing.replaced(Some(&set(&[2])), &set(&[1]), at(150));
        assert_eq!(look(&missing, None, 150), 150);
    }

    #[test]
    fn a_kid_that_went_as_soon_as_it_came_is_looked_for_like_an_unknown_one() {
        let mut missing = missing();
        missing.replaced(Some(&set(&[1])), &set(&[1, 2]), at(100));
        missing.replaced(Some(&set(&[1, 2])), &set(&[1]), at(159));
        assert_eq!(look(&missing, 2, 160, 159), 164);
        missing.add_absent(&kid(2), at(164), None, 3);
        assert_eq!(look(&missing, 2, 165, 164), 169);
        missing.replaced(Some(&set(&[1])), &set(&[2]), at(200));
        missing.replaced(Some(&set(&[2])), &set(&[3]), at(260));
        assert_eq!(look(&missing, 2, 261, 260), 320, "it was there for a minute");
    }

    #[test]
    fn no_more_withdrawn_kids_are_kept_than_the_bound_nor_longer_than_old_keys_answer() {
        let mut missing = missing();
        for n in 0..1_100 {
            missing.add_withdrawn(kid(n), at(1_000 + n as u64), false);
        }
        assert_eq!(missing.withdrawn.len(), KIDS_REMEMBERED);
        assert!(!missing.withdrawn.contains_key(&kid(0)) && missing.withdrawn.contains_key(&kid(1_099)));
        missing.replaced(Some(&set(&[9_999])), &set(&[9_999]), at(1_090 + STALE_BOUND.as_secs()));
        assert!(!missing.withdrawn.contains_key(&kid(90)) && missing.withdrawn.contains_key(&kid(91)));
    }
}
