//! Whether a signature is checked on the caller's thread or on a worker. [`Budget`] is a pure rule, times are its arguments;
//! [`EventLoop`] shares one budget among the callers of a thread, behind a lock.
//!
//! A Node process runs all its users' JavaScript on one thread: what a check costs there, every request waits for. But
//! waking a worker takes longer than checking one RS256 signature. So each caller's thread has a budget: a burst of work,
//! then a small share of its time; the rest goes to workers. A caller that checks one token after the other gains nothing
//! from a worker. It is recognised by what happens while a check is offloaded: nobody else begins one. For such a caller the
//! budget grows; it falls back to the burst as soon as checks are concurrent.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::algorithm::{Algorithm, KeyType};

/// How much work a caller's thread may do at once: about what it takes to wake a worker and get its answer. A single check
/// that costs more than this never runs on the caller's thread.
pub const BURST: Duration = Duration::from_micros(250);
/// After the burst, the share of the thread's time that checks may take: one part in this many. It is for callers that have a
/// worker at work already: the next check costs it less than it costs this thread.
const SHARE: u32 = 100;
/// By which factor the budget grows for a caller without concurrent checks, and its limit: 64 times [`BURST`], 16 ms.
const GROWTH: u32 = 4;
const MOST_GROWN: u32 = 64;
/// How many other checks must begin while checks are offloaded for them to count as concurrent.
const CONCURRENT: u32 = 4;

/// Estimated cost of one signature check on a current server processor, right to a factor of two or three. That is enough:
/// the estimate only chooses the thread, and what the budget is charged is measured.
pub fn estimate(algorithm: Algorithm, modulus_bytes: usize) -> Duration {
    Duration::from_micros(match algorithm.key_type() {
        KeyType::Rsa => {
            let bytes = u64::try_from(modulus_bytes).unwrap_or(u64::MAX);
            // A verification is a few multiplications, whose cost grows with the square of the length; 2048 bits take 16 us.
            bytes.saturating_mul(bytes).saturating_mul(16) >> 16
        }
        KeyType::P256 => 45,
        KeyType::P384 => 160,
        KeyType::P521 => 400,
        KeyType::Ed25519 => 30,
        KeyType::MlDsa44 => 25,
        KeyType::MlDsa65 => 45,
        KeyType::MlDsa87 => 65,
    })
}

/// Where a check runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// On the caller's thread.
    Here,
    /// On a thread of the [`Pool`](super::pool::Pool).
    Worker,
}

/// How much of one thread's time its callers have used: a leaky bucket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Budget {
    burst: Duration,
    /// The bucket's size now.
    cap: Duration,
    level: Duration,
    /// When `level` was computed.
    at: Duration,
    /// Checks offloaded whose answers the caller does not have yet.
    offloaded: u32,
    /// Other checks begun since the first of those was offloaded.
    concurrent: u32,
}

impl Budget {
    /// A budget for `burst` of work at once; with zero every check goes to a worker.
    pub const fn new(burst: Duration) -> Self {
        let zero = Duration::ZERO;
        Self { burst, cap: burst, level: zero, at: zero, offloaded: 0, concurrent: 0 }
    }

    /// Where a check of this estimated cost runs that begins `now`.
    pub fn place(&mut self, estimate: Duration, now: Duration) -> Place {
        let idle = now.saturating_sub(self.at).checked_div(SHARE).unwrap_or_default();
        self.level = self.level.saturating_sub(idle);
        self.at = now;
        if self.offloaded > 0 {
            self.concurrent = self.concurrent.saturating_add(1);
            if self.concurrent >= CONCURRENT {
                self.cap = self.burst;
                self.level = self.level.min(self.cap);
            }
        }
        let fits = estimate <= self.burst && self.level.saturating_add(estimate) <= self.cap;
        if fits { Place::Here } else { Place::Worker }
    }

    /// Charges what a check on the caller's thread took, at most what the bucket holds: a thread that the operating system
    /// interrupted in the middle of a check must not be slowed by that.
    pub fn spent(&mut self, took: Duration) {
        self.level = self.level.saturating_add(took).min(self.cap);
    }

    /// A check is offloaded to a worker.
    pub const fn offload(&mut self) {
        if self.offloaded == 0 {
            self.concurrent = 0;
        }
        self.offloaded = self.offloaded.saturating_add(1);
    }

    /// The caller has the answer of an offloaded check.
    pub fn answered(&mut self) {
        self.offloaded = self.offloaded.saturating_sub(1);
        if self.offloaded == 0 && self.concurrent < CONCURRENT {
            self.cap = self.cap.saturating_mul(GROWTH).min(self.burst.saturating_mul(MOST_GROWN));
            self.level = Duration::ZERO;
        }
    }
}

/// A thread that must not be held up by checks, such as one that runs JavaScript.
#[derive(Debug)]
pub struct EventLoop(Mutex<Budget>);

impl Default for EventLoop {
    fn default() -> Self {
        Self::with(Budget::new(BURST))
    }
}

impl EventLoop {
    /// An event loop with the given budget.
    pub const fn with(budget: Budget) -> Self {
        Self(Mutex::new(budget))
    }

    /// Its budget.
    pub fn budget(&self) -> MutexGuard<'_, Budget> {
        // Every change under the lock is plain arithmetic: a panic elsewhere leaves nothing half-done.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Who asks for a check, and how long a queue it accepts.
#[derive(Debug, Clone)]
pub struct Caller {
    /// The thread it asks on.
    pub event_loop: Arc<EventLoop>,
    /// The check is refused instead of queued while so many checks of the process wait for a worker.
    pub most_queued: usize,
}

/// An offloaded check. To be dropped on the caller's thread when it has the answer, not when the worker has found it: only
/// then is a caller that begins many checks in one turn of its event loop seen as concurrent.
#[derive(Debug)]
pub struct Offloaded {
    event_loop: Arc<EventLoop>,
    estimate: Duration,
}

impl Offloaded {
    /// Counts one more offloaded check of this thread.
    pub fn from(event_loop: &Arc<EventLoop>, estimate: Duration) -> Self {
        event_loop.budget().offload();
        Self { event_loop: Arc::clone(event_loop), estimate }
    }

    /// Its estimated cost.
    pub const fn estimate(&self) -> Duration {
        self.estimate
    }
}

impl Drop for Offloaded {
    fn drop(&mut self) {
        self.event_loop.budget().answered();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn us(micros: u64) -> Duration {
        Duration::from_micros(micros)
    }

    const RS256: Duration = us(16);

    /// How many checks of this cost run here in a row, at one moment.
    fn here_in_a_row(budget: &mut Budget, cost: Duration, now: Duration) -> usize {
        (0..10_000)
            .take_while(|_| {
                let here = budget.place(cost, now) == Place::Here;
                if here {
                    budget.spent(cost);
                }
                here
            })
            .count()
    }

    /// One check is offloaded, and so many others are begun before it is answered.
    fn offload_beside(budget: &mut Budget, others: u32, now: Duration) {
        budget.offload();
        for _ in 0..others {
            budget.place(RS256, now);
        }
        budget.answered();
    }

    #[test]
    fn knows_roughly_what_each_algorithm_costs() {
        let table = [
            (Algorithm::RS256, 256, 16),
            (Algorithm::PS512, 256, 16),
            (Algorithm::RS256, 384, 36),
            (Algorithm::RS256, 512, 64),
            (Algorithm::RS256, 1024, 256),
            (Algorithm::ES256, 0, 45),
            (Algorithm::ES384, 0, 160),
            (Algorithm::ES512, 0, 400),
            (Algorithm::EdDSA, 0, 30),
            (Algorithm::MlDsa44, 0, 25),
            (Algorithm::MlDsa65, 0, 45),
            (Algorithm::MlDsa87, 0, 65),
        ];
        for (algorithm, modulus_bytes, expected) in table {
            assert_eq!(estimate(algorithm, modulus_bytes), us(expected), "{} {modulus_bytes}", algorithm.name());
        }
        assert!(estimate(Algorithm::RS256, usize::MAX) > BURST);
    }

    #[test]
    fn works_here_for_a_burst_and_then_for_a_hundredth_of_the_time() {
        // Idle before; how much fits after so much more time has passed.
        let table = [(0, 0), (5_000, 3), (10_000, 6), (25_000, 15), (1_000_000, 15)];
        for (pause, expected) in table {
            let mut budget = Budget::new(BURST);
            assert_eq!(here_in_a_row(&mut budget, RS256, us(7)), 15);
            let more = here_in_a_row(&mut budget, RS256, us(7 + pause));
            assert!(more.abs_diff(expected) <= 1, "{pause}: {more}");
        }
        let mut budget = Budget::new(BURST);
        let mut here = 0;
        for moment in (0..1_000_000).step_by(20) {
            if budget.place(RS256, us(moment)) == Place::Here {
                budget.spent(RS256);
                here += 16;
            }
        }
        assert!((10_000..11_000).contains(&here), "{here} us of a second");
    }

    #[test]
    fn never_does_here_what_costs_more_than_the_burst() {
        let mut budget = Budget::new(BURST);
        for (cost, place) in [(us(250), Place::Here), (us(251), Place::Worker), (us(400), Place::Worker)] {
            assert_eq!(budget.place(cost, us(0)), place);
        }
        // Not even for a caller without concurrent checks.
        for _ in 0..10 {
            offload_beside(&mut budget, 0, us(0));
            assert_eq!(budget.place(us(400), us(0)), Place::Worker);
        }
    }

    #[test]
    fn grows_for_a_caller_without_concurrent_checks_up_to_sixteen_milliseconds() {
        let mut budget = Budget::new(BURST);
        for expected in [62, 250, 1_000, 1_000] {
            here_in_a_row(&mut budget, RS256, us(0));
            offload_beside(&mut budget, 0, us(0));
            assert_eq!(here_in_a_row(&mut budget, RS256, us(0)), expected);
        }
    }

    #[test]
    fn counts_the_checks_begun_while_one_is_offloaded() {
        for (others, expected) in [(0, 62), (3, 62), (4, 0), (64, 0)] {
            let mut budget = Budget::new(BURST);
            here_in_a_row(&mut budget, RS256, us(0));
            offload_beside(&mut budget, others, us(0));
            assert_eq!(here_in_a_row(&mut budget, RS256, us(0)), expected, "{others}");
        }
    }

    #[test]
    fn falls_back_to_the_burst_when_checks_are_concurrent() {
        let mut budget = Budget::new(BURST);
        for _ in 0..5 {
            offload_beside(&mut budget, 0, us(0));
        }
        here_in_a_row(&mut budget, RS256, us(0));
        // The fourth of others, while the first is still offloaded.
        budget.offload();
        assert_eq!([0; 4].map(|_| budget.place(RS256, us(0))), [Place::Worker; 4]);
        // What was used before does not count against the smaller budget for longer than that one lasts.
        assert_eq!(here_in_a_row(&mut budget, RS256, us(25_000)), 15);
        budget.answered();
        assert_eq!(here_in_a_row(&mut budget, RS256, us(25_000)), 0);
    }

    #[test]
    fn counts_concurrent_checks_for_as_long_as_any_is_offloaded() {
        let mut budget = Budget::new(BURST);
        here_in_a_row(&mut budget, RS256, us(0));
        // Two in turn, without end: one is always offloaded, and together they are more than a few.
        budget.offload();
        for _ in 0..10 {
            assert_eq!(budget.place(RS256, us(0)), Place::Worker);
            budget.offload();
            budget.answered();
        }
        budget.answered();
        assert_eq!(budget.place(RS256, us(0)), Place::Worker);
    }

    #[test]
    fn forgives_a_thread_that_was_interrupted() {
        let mut budget = Budget::new(BURST);
        assert_eq!(budget.place(RS256, us(0)), Place::Here);
        budget.spent(Duration::from_secs(60));
        assert_eq!(budget.place(RS256, us(0)), Place::Worker);
        assert_eq!(budget.place(RS256, us(2_000)), Place::Here);
    }

    #[test]
    fn with_a_budget_of_zero_every_check_goes_to_a_worker() {
        let mut budget = Budget::new(Duration::ZERO);
        for _ in 0..10 {
            assert_eq!(budget.place(RS256, Duration::from_secs(1_000)), Place::Worker);
            offload_beside(&mut budget, 0, us(0));
        }
    }
}
