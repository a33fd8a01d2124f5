//! What callers may make us ask the provider. The budgets share no counter: spending one never starves another.

use std::collections::HashMap;
use std::time::Duration;

use crate::key_id::KeyId;

/// How many unknown `kid`s are remembered per source.
const UNKNOWN_KIDS_REMEMBERED: usize = 1024;

/// How much callers may buy. The defaults are the design's; tests of rotations under load take shorter times.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pacing {
    /// How many fetches unknown `kid`s may buy at once: one junk `kid` must not make a real rotation wait.
    pub unknown_kid_fetches: u32,
    /// How long it takes to earn one of them back.
    pub unknown_kid_refill: Duration,
    /// How long an unknown `kid` stays known to be unknown, unless a refresh succeeds before.
    pub unknown_kid_memory: Duration,
    /// The pause between fetches bought by failed signatures.
    pub failed_signature_pause: Duration,
}

impl Default for Pacing {
    fn default() -> Self {
        Self {
            unknown_kid_fetches: 2,
            unknown_kid_refill: Duration::from_secs(30),
            unknown_kid_memory: Duration::from_secs(30),
            failed_signature_pause: Duration::from_secs(30),
        }
    }
}

/// A token bucket.
#[derive(Debug)]
struct Bucket {
    left: u32,
    /// When the bucket was last full, or the last refill.
    since: Duration,
}

impl Bucket {
    fn take(&mut self, now: Duration, capacity: u32, refill: Duration) -> bool {
        // A refill of no time at all would never end.
        let refill = refill.max(Duration::from_millis(1));
        while self.left < capacity && now.saturating_sub(self.since) >= refill {
            self.left = self.left.saturating_add(1);
            self.since = self.since.saturating_add(refill);
        }
        if self.left == capacity {
            self.since = now;
        }
        let may = self.left > 0;
        self.left = self.left.saturating_sub(1);
        may
    }
}

/// The `kid`s that stayed unknown although somebody asked. A plain map: a slot that nobody sends junk has an empty one,
/// and there may be ten thousand slots.
#[derive(Debug, Default)]
struct UnknownKids {
    /// When each was found to be unknown.
    since: HashMap<KeyId, Duration>,
    /// How many refreshes of the slot had succeeded by then.
    refreshes: u64,
}

impl UnknownKids {
    fn has(&self, key_id: &KeyId, now: Duration, memory: Duration, refreshes: u64) -> bool {
        self.refreshes == refreshes && self.since.get(key_id).is_some_and(|since| now.saturating_sub(*since) < memory)
    }

    fn add(&mut self, key_id: &KeyId, now: Duration, memory: Duration, refreshes: u64) {
        if self.refreshes != refreshes {
            self.since = HashMap::new();
            self.refreshes = refreshes;
        }
        if self.since.len() >= UNKNOWN_KIDS_REMEMBERED {
            self.since.retain(|_, since| now.saturating_sub(*since) < memory);
        }
        // Full of fresh ones: not remembering one more costs at most a fetch, and fetches have a budget.
        if self.since.len() < UNKNOWN_KIDS_REMEMBERED || self.since.contains_key(key_id) {
            self.since.insert(key_id.clone(), now);
        }
    }
}

/// The budgets of one slot.
#[derive(Debug)]
pub struct Budgets {
    pacing: Pacing,
    unknown_kid: Bucket,
    failed_signature: Option<Duration>,
    unknown: UnknownKids,
}

impl Default for Budgets {
    fn default() -> Self {
        Self::new(Pacing::default())
    }
}

impl Budgets {
    /// Budgets of which nothing is spent.
    pub fn new(pacing: Pacing) -> Self {
        Self {
            pacing,
            unknown_kid: Bucket { left: pacing.unknown_kid_fetches, since: Duration::ZERO },
            failed_signature: None,
            unknown: UnknownKids::default(),
        }
    }

    /// Whether a `kid` that is in no set at hand buys a fetch; if so it is paid for. `refreshes` counts the successful
    /// refreshes of the slot: each makes all unknown `kid`s worth another look.
    pub fn buy_for_unknown_kid(&mut self, key_id: &KeyId, now: Duration, refreshes: u64) -> bool {
        let remembered = self.unknown.has(key_id, now, self.pacing.unknown_kid_memory, refreshes);
        !remembered && self.unknown_kid.take(now, self.pacing.unknown_kid_fetches, self.pacing.unknown_kid_refill)
    }

    /// A fetch was made for this `kid` and it is still unknown.
    pub fn remember_unknown(&mut self, key_id: &KeyId, now: Duration, refreshes: u64) {
        self.unknown.add(key_id, now, self.pacing.unknown_kid_memory, refreshes);
    }

    /// Whether a signature that failed under a known key buys a fetch; if so it is paid for.
    pub fn buy_for_failed_signature(&mut self, now: Duration) -> bool {
        let may =
            self.failed_signature.is_none_or(|last| now.saturating_sub(last) >= self.pacing.failed_signature_pause);
        if may {
            self.failed_signature = Some(now);
        }
        may
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn s(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn kid(n: usize) -> KeyId {
        KeyId::new(&format!("k{n}")).unwrap()
    }

    #[test]
    fn junk_kids_buy_at_most_four_fetches_in_the_first_minute_and_two_a_minute_after() {
        let mut budgets = Budgets::default();
        let mut bought = [0; 4];
        for second in 0..240_u64 {
            for n in 0..50 {
                let known = budgets.buy_for_unknown_kid(&kid(second as usize * 50 + n), s(10_000 + second), 0);
                bought[second as usize / 60] += usize::from(known);
            }
        }
        assert!(bought[0] <= 4 && bought[1..].iter().all(|n| *n <= 2), "{bought:?}");
        assert!(bought[3] >= 1);
    }

    #[test]
    fn a_quiet_slot_has_two_fetches_and_no_more() {
        let mut budgets = Budgets::default();
        for start in [0, 100_000] {
            let bought = (0..10).filter(|n| budgets.buy_for_unknown_kid(&kid(*n), s(start), 0)).count();
            assert_eq!(bought, 2);
        }
    }

    #[test]
    fn an_unknown_kid_is_remembered_until_a_refresh_or_thirty_seconds() {
        let mut budgets = Budgets::default();
        budgets.remember_unknown(&kid(1), s(100), 5);
        assert!(!budgets.buy_for_unknown_kid(&kid(1), s(129), 5));
        assert!(budgets.buy_for_unknown_kid(&kid(1), s(129), 6));
        assert!(budgets.buy_for_unknown_kid(&kid(1), s(130), 5));
    }

    #[test]
    fn no_more_unknown_kids_are_remembered_than_the_bound_and_old_ones_make_room() {
        let mut budgets = Budgets::default();
        for n in 0..3 * UNKNOWN_KIDS_REMEMBERED {
            budgets.remember_unknown(&kid(n), s(100), 5);
        }
        assert_eq!(budgets.unknown.since.len(), UNKNOWN_KIDS_REMEMBERED);
        budgets.remember_unknown(&kid(0), s(120), 5);
        budgets.remember_unknown(&kid(9_999), s(130), 5);
        assert_eq!(budgets.unknown.since.len(), 2);
        budgets.remember_unknown(&kid(1), s(131), 6);
        assert_eq!(budgets.unknown.since.len(), 1);
    }

    #[test]
    fn failed_signatures_have_a_budget_of_their_own() {
        let mut budgets = Budgets::default();
        while budgets.buy_for_unknown_kid(&kid(1), s(0), 0) {}
        assert!(budgets.buy_for_failed_signature(s(0)));
        assert!(!budgets.buy_for_failed_signature(s(29)));
        assert!(budgets.buy_for_failed_signature(s(30)));
    }
}
