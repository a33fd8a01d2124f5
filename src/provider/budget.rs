//! How many refreshes requests can cause: token buckets for each slot, and the `kid`s that are worth one.

use std::time::Duration;

use super::missing::MissingKids;

/// How many imports of keys that requests have caused cost them nothing, at once and one more each time. Junk that comes to many replicas
/// at once has each of them fetch, and what one has fetched is news to all others: without a bound each would read all of it.
const FREE_IMPORTS: u32 = 5;
const FREE_IMPORTS_REFILL: Duration = Duration::from_secs(1);

/// The budgets' sizes. The defaults are those of docs/design.md; tests of rotations under load use shorter times.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pacing {
    /// How many fetches unknown `kid`s may cause at once: after some junk a real rotation must not have to wait.
    pub unknown_kid_fetches: u32,
    /// How long until one of them is available again.
    pub unknown_kid_refill: Duration,
    /// How long a `kid` that a refresh lacked causes no further fetch. Doubles with every further refresh that was made
    /// for it and lacked it, up to twelve times this (`missing.rs`). The first waits are short, because a provider behind
    /// a cache may publish late.
    pub unknown_kid_memory: Duration,
    /// The pause between fetches caused by failed signatures.
    pub failed_signature_pause: Duration,
}

impl Default for Pacing {
    fn default() -> Self {
        Self {
            unknown_kid_fetches: 3,
            unknown_kid_refill: Duration::from_secs(5),
            unknown_kid_memory: Duration::from_secs(5),
            failed_signature_pause: Duration::from_secs(30),
        }
    }
}

impl Pacing {
    /// The bucket that keeps any minute within twelve fetches; the other one alone would allow a burst of three and
    /// twelve more. It holds 5, and one more every 7.5 s: 5 + 7 in the minute from the first one on.
    fn sustained(self) -> Bucket {
        Bucket::full(self.unknown_kid_fetches.saturating_add(2), self.longest_gap())
    }

    /// How far apart two permitted fetches are at most, and so how long a request waits for the next one at most: 7.5 s.
    pub fn longest_gap(self) -> Duration {
        self.unknown_kid_refill.mul_f64(1.5)
    }
}

/// What a refresh is begun for, which says what budget it takes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trigger {
    /// The keys' age requires it: it needs no budget.
    Scheduled,
    /// A `kid` that is in no set at hand.
    UnknownKid,
    /// A signature that failed under every key it could have been made with.
    FailedSignature,
    /// The same of a token that is older than the keys at hand: only what bounds any minute is asked, and the pause of the others
    /// is left to them.
    OldSignature,
}

/// A token bucket.
#[derive(Debug)]
struct Bucket {
    capacity: u32,
    refill: Duration,
    left: u32,
    /// When the bucket was last full, or the last refill.
    since: Duration,
}

impl Bucket {
    fn full(capacity: u32, refill: Duration) -> Self {
        // A refill of no time at all would never end.
        Self { capacity, refill: refill.max(Duration::from_millis(1)), left: capacity, since: Duration::ZERO }
    }

    fn fill(&mut self, now: Duration) {
        while self.left < self.capacity && now.saturating_sub(self.since) >= self.refill {
            self.left = self.left.saturating_add(1);
            self.since = self.since.saturating_add(self.refill);
        }
        if self.left == self.capacity {
            self.since = now;
        }
    }

    /// When something can be taken: `now`, or later.
    fn ready(&mut self, now: Duration) -> Duration {
        self.fill(now);
        if self.left > 0 { now } else { self.since.saturating_add(self.refill) }
    }

    /// Takes one, where there is one.
    fn take(&mut self, now: Duration) {
        self.fill(now);
        self.left = self.left.saturating_sub(1);
    }

    fn give_back(&mut self) {
        self.left = self.left.saturating_add(1).min(self.capacity);
    }
}

/// The budgets of one slot.
#[derive(Debug)]
pub struct Budgets {
    pacing: Pacing,
    unknown_kid: Bucket,
    /// Every refresh is taken from this one as well, so that one number bounds any minute. Scheduled ones do not wait
    /// for it.
    sustained: Bucket,
    failed_signature: Option<Duration>,
    /// Imports that cost requests nothing.
    imports: Bucket,
    /// The `kid`s that the newest keys lack.
    pub missing: MissingKids,
}

impl Default for Budgets {
    fn default() -> Self {
        Self::new(Pacing::default())
    }
}

impl Budgets {
    /// Full budgets.
    pub fn new(pacing: Pacing) -> Self {
        Self {
            pacing,
            unknown_kid: Bucket::full(pacing.unknown_kid_fetches, pacing.unknown_kid_refill),
            sustained: pacing.sustained(),
            failed_signature: None,
            imports: Bucket::full(FREE_IMPORTS, FREE_IMPORTS_REFILL),
            missing: MissingKids::new(pacing.unknown_kid_memory),
        }
    }

    /// From when on this budget allows a fetch: `now`, or later.
    pub fn ready(&mut self, trigger: Trigger, now: Duration) -> Duration {
        match trigger {
            Trigger::Scheduled => now,
            Trigger::UnknownKid => self.unknown_kid.ready(now).max(self.sustained.ready(now)),
            Trigger::OldSignature => self.sustained.ready(now),
            Trigger::FailedSignature => {
                let pause = self.pacing.failed_signature_pause;
                let own = self.failed_signature.map_or(now, |last| last.saturating_add(pause).max(now));
                own.max(self.sustained.ready(now))
            }
        }
    }

    /// Takes one fetch, which begins now, from the budget.
    pub fn take(&mut self, trigger: Trigger, now: Duration) {
        self.sustained.take(now);
        match trigger {
            Trigger::Scheduled | Trigger::OldSignature => {}
            Trigger::UnknownKid => self.unknown_kid.take(now),
            Trigger::FailedSignature => self.failed_signature = Some(now),
        }
    }

    /// Gives everything back: the keys came from another replica, and the provider was not asked. Not beyond [`FREE_IMPORTS`].
    pub fn cancel(&mut self, trigger: Trigger, now: Duration) {
        if trigger == Trigger::Scheduled {
            return self.refund(trigger);
        }
        if self.imports.ready(now) <= now {
            self.imports.take(now);
            self.refund(trigger);
            self.sustained.give_back();
        }
    }

    /// Gives a failed fetch back to its budget: what limits further ones is the pause after a failure. The bucket that
    /// bounds any minute keeps it, because the request was made.
    pub fn refund(&mut self, trigger: Trigger) {
        match trigger {
            Trigger::Scheduled => self.sustained.give_back(),
            Trigger::UnknownKid => self.unknown_kid.give_back(),
            Trigger::OldSignature => {}
            Trigger::FailedSignature => self.failed_signature = None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn ms(milliseconds: u64) -> Duration {
        Duration::from_millis(milliseconds)
    }

    const BEGINNING: Duration = Duration::from_secs(10_000);

    /// When fetches begin that are wanted all the time, in milliseconds from the beginning.
    fn begun(triggers: &[Trigger], until: u64, fails: impl Fn(u64) -> bool) -> Vec<u64> {
        let mut budgets = Budgets::default();
        let mut begun = Vec::new();
        for at in (0..until).step_by(100) {
            for trigger in triggers {
                let now = BEGINNING + ms(at);
                while budgets.ready(*trigger, now) <= now {
                    budgets.take(*trigger, now);
                    begun.push(at);
                    if fails(at) {
                        budgets.refund(*trigger);
                        break;
                    }
                }
            }
        }
        begun
    }

    fn most_in_a_minute(begun: &[u64]) -> usize {
        begun.iter().map(|first| begun.iter().filter(|it| (*first..first + 60_000).contains(it)).count()).max().unwrap()
    }

    #[test]
    fn any_minute_sees_at_most_twelve_and_no_gap_is_longer_than_a_request_waits() {
        use Trigger::{FailedSignature, UnknownKid};
        for triggers in [&[UnknownKid][..], &[UnknownKid, FailedSignature], &[FailedSignature, UnknownKid]] {
            let begun = begun(triggers, 1_200_000, |_| false);
            assert_eq!(begun[..3], [0, 0, 0]);
            assert_eq!(most_in_a_minute(&begun), 12, "{begun:?}");
            let gaps = begun.windows(2).map(|pair| pair[1] - pair[0]);
            assert!(gaps.max() <= Some(7_500), "{begun:?}");
        }
        assert_eq!(begun(&[UnknownKid], 30_000, |_| false), [0, 0, 0, 5_000, 10_000, 15_000, 20_000, 25_000]);
    }

    #[test]
    fn a_failed_fetch_leaves_the_burst_untouched_and_counts_for_the_minute() {
        let begun = begun(&[Trigger::UnknownKid], 600_000, |at| at < 1_000);
        assert_eq!(begun[..5], [0, 100, 200, 300, 400]);
        assert_eq!(most_in_a_minute(&begun), 12, "{begun:?}");
    }

    #[test]
    fn failed_signatures_have_a_pause_of_their_own() {
        assert_eq!(begun(&[Trigger::FailedSignature], 90_000, |_| false), [0, 30_000, 60_000]);
    }

    #[test]
    fn scheduled_refreshes_ask_nobody_and_count_for_the_minute() {
        let mut budgets = Budgets::default();
        for _ in 0..20 {
            assert_eq!(budgets.ready(Trigger::Scheduled, BEGINNING), BEGINNING);
            budgets.take(Trigger::Scheduled, BEGINNING);
        }
        assert_eq!(budgets.ready(Trigger::UnknownKid, BEGINNING), BEGINNING + ms(7_500));
        budgets.refund(Trigger::Scheduled);
        assert_eq!(budgets.ready(Trigger::UnknownKid, BEGINNING), BEGINNING);
    }
}
