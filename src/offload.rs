//! Whether a signature is checked on the thread that asks, or on another. Pure: times are arguments.
//!
//! A Node process has one thread for everything its users do. What a check costs there, everybody waits for; but waking
//! another thread takes longer than checking one RS256 signature. So a caller's thread has a budget: some work at once and
//! then a small share of its time; the rest goes to threads of our own. Whoever checks
//! one token after the other gains nothing from another thread, which shows: nobody else asked while the answer was away.
//! For such a caller the budget grows, and falls back at the first sign of company.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::algorithm::{Algorithm, KeyType};

/// How much a caller's thread may do at once: about what it takes to wake another thread and hear from it. A single check
/// dearer than this never runs on the caller's thread.
pub const BURST: Duration = Duration::from_micros(250);
/// Of the time after that, one part in so many.
const SHARE: u32 = 20;
/// How the budget grows for a caller who is alone, and how far: 64 times [`BURST`] makes it 16 ms.
const GROWTH: u32 = 4;
const MOST_GROWN: u32 = 64;
/// How many other checks begun while answers are away make company.
const COMPANY: u32 = 4;

/// About what one signature check costs, on a server's processor of our days: right to a factor of two or three, which is
/// enough, because what is charged is measured.
pub fn estimate(algorithm: Algorithm, modulus_bytes: usize) -> Duration {
    Duration::from_micros(match algorithm.key_type() {
        KeyType::Rsa => {
            let bytes = u64::try_from(modulus_bytes).unwrap_or(u64::MAX);
            // A verification is a few multiplications, which take the square of the length; 2048 bits take 16 us.
            bytes.saturating_mul(bytes).saturating_mul(16) >> 16
        }
        KeyType::P256 => 45,
        KeyType::P384 => 160,
        KeyType::P521 => 400,
        KeyType::Ed25519 => 30,
    })
}

/// Where a check runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// On the caller's thread.
    Here,
    /// On one of ours.
    Elsewhere,
}

/// What the callers of one thread have used of it: a bucket that leaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Budget {
    burst: Duration,
    /// How much the bucket holds now.
    cap: Duration,
    level: Duration,
    /// When the level was that.
    at: Duration,
    /// Checks that are elsewhere.
    away: u32,
    /// Other checks begun since the first of those left.
    company: u32,
}

impl Budget {
    /// A budget for `burst` of work at once; of zero, everything runs elsewhere.
    pub const fn new(burst: Duration) -> Self {
        let zero = Duration::ZERO;
        Self { burst, cap: burst, level: zero, at: zero, away: 0, company: 0 }
    }

    /// Where a check of this estimated cost runs that begins `now`.
    pub fn place(&mut self, estimate: Duration, now: Duration) -> Place {
        let idle = now.saturating_sub(self.at).checked_div(SHARE).unwrap_or_default();
        self.level = self.level.saturating_sub(idle);
        self.at = now;
        if self.away > 0 {
            self.company = self.company.saturating_add(1);
            if self.company >= COMPANY {
                self.cap = self.burst;
                self.level = self.level.min(self.cap);
            }
        }
        let fits = estimate <= self.burst && self.level.saturating_add(estimate) <= self.cap;
        if fits { Place::Here } else { Place::Elsewhere }
    }

    /// A check here took so long. More than the bucket holds is forgiven: a thread that was interrupted is not to blame.
    pub fn spent(&mut self, took: Duration) {
        self.level = self.level.saturating_add(took).min(self.cap);
    }

    /// A check goes elsewhere.
    pub const fn leave(&mut self) {
        if self.away == 0 {
            self.company = 0;
        }
        self.away = self.away.saturating_add(1);
    }

    /// One is done there.
    pub fn back(&mut self) {
        self.away = self.away.saturating_sub(1);
        if self.away == 0 && self.company < COMPANY {
            self.cap = self.cap.saturating_mul(GROWTH).min(self.burst.saturating_mul(MOST_GROWN));
            self.level = Duration::ZERO;
        }
    }
}

/// A thread that has other things to do than checks.
#[derive(Debug)]
pub struct EventLoop(Mutex<Budget>);

impl Default for EventLoop {
    fn default() -> Self {
        Self::with(Budget::new(BURST))
    }
}

impl EventLoop {
    /// One with a budget of one's own.
    pub const fn with(budget: Budget) -> Self {
        Self(Mutex::new(budget))
    }

    /// Its budget.
    pub fn budget(&self) -> MutexGuard<'_, Budget> {
        // Every change under the lock is plain arithmetic: nothing is left half-done.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Who asks: on which thread, and how many checks of the process may wait for this one to wait, too.
#[derive(Debug, Clone)]
pub struct Caller {
    /// The thread.
    pub event_loop: Arc<EventLoop>,
    /// At most so many.
    pub most_queued: usize,
}

/// A check that is elsewhere, until the caller's thread has its answer: to be dropped there, and not sooner, because a
/// caller who asks many times in one go hears nothing meanwhile.
#[derive(Debug)]
pub struct Away {
    event_loop: Arc<EventLoop>,
    estimate: Duration,
}

impl Away {
    /// One more goes elsewhere.
    pub fn from(event_loop: &Arc<EventLoop>, estimate: Duration) -> Self {
        event_loop.budget().leave();
        Self { event_loop: Arc::clone(event_loop), estimate }
    }

    /// About what it takes.
    pub const fn estimate(&self) -> Duration {
        self.estimate
    }
}

impl Drop for Away {
    fn drop(&mut self) {
        self.event_loop.budget().back();
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

    /// One check goes elsewhere, and so many more are begun before it is back.
    fn away_beside(budget: &mut Budget, others: u32, now: Duration) {
        budget.leave();
        for _ in 0..others {
            budget.place(RS256, now);
        }
        budget.back();
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
        ];
        for (algorithm, modulus_bytes, expected) in table {
            assert_eq!(estimate(algorithm, modulus_bytes), us(expected), "{} {modulus_bytes}", algorithm.name());
        }
        assert!(estimate(Algorithm::RS256, usize::MAX) > BURST);
    }

    #[test]
    fn works_here_for_a_burst_and_then_for_a_twentieth_of_the_time() {
        // Idle before; how much fits after so much more time has passed.
        let table = [(0, 0), (1_000, 3), (2_000, 6), (5_000, 15), (1_000_000, 15)];
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
        assert!((50_000..51_000).contains(&here), "{here} us of a second");
    }

    #[test]
    fn never_does_here_what_is_dearer_than_the_burst() {
        let mut budget = Budget::new(BURST);
        for (cost, place) in [(us(250), Place::Here), (us(251), Place::Elsewhere), (us(400), Place::Elsewhere)] {
            assert_eq!(budget.place(cost, us(0)), place);
        }
        // Not even for a caller who is alone.
        for _ in 0..10 {
            away_beside(&mut budget, 0, us(0));
            assert_eq!(budget.place(us(400), us(0)), Place::Elsewhere);
        }
    }

    #[test]
    fn grows_for_a_caller_who_is_alone_up_to_sixteen_milliseconds() {
        let mut budget = Budget::new(BURST);
        for expected in [62, 250, 1_000, 1_000] {
            here_in_a_row(&mut budget, RS256, us(0));
            away_beside(&mut budget, 0, us(0));
            assert_eq!(here_in_a_row(&mut budget, RS256, us(0)), expected);
        }
    }

    #[test]
    fn counts_who_else_asks_while_an_answer_is_away() {
        for (others, expected) in [(0, 62), (3, 62), (4, 0), (64, 0)] {
            let mut budget = Budget::new(BURST);
            here_in_a_row(&mut budget, RS256, us(0));
            away_beside(&mut budget, others, us(0));
            assert_eq!(here_in_a_row(&mut budget, RS256, us(0)), expected, "{others}");
        }
    }

    #[test]
    fn falls_back_at_the_first_sign_of_company() {
        let mut budget = Budget::new(BURST);
        for _ in 0..5 {
            away_beside(&mut budget, 0, us(0));
        }
        here_in_a_row(&mut budget, RS256, us(0));
        // The fourth of others, while the first is still away.
        budget.leave();
        assert_eq!([0; 4].map(|_| budget.place(RS256, us(0))), [Place::Elsewhere; 4]);
        // What was used before does not count against the smaller budget for longer than that one lasts.
        assert_eq!(here_in_a_row(&mut budget, RS256, us(5_000)), 15);
        budget.back();
        assert_eq!(here_in_a_row(&mut budget, RS256, us(5_000)), 0);
    }

    #[test]
    fn takes_company_for_the_whole_time_somebody_is_away() {
        let mut budget = Budget::new(BURST);
        here_in_a_row(&mut budget, RS256, us(0));
        // Two by turns, for ever: never nobody away, and in sum more than a few.
        budget.leave();
        for _ in 0..10 {
            assert_eq!(budget.place(RS256, us(0)), Place::Elsewhere);
            budget.leave();
            budget.back();
        }
        budget.back();
        assert_eq!(budget.place(RS256, us(0)), Place::Elsewhere);
    }

    #[test]
    fn forgives_a_thread_that_was_interrupted() {
        let mut budget = Budget::new(BURST);
        assert_eq!(budget.place(RS256, us(0)), Place::Here);
        budget.spent(Duration::from_secs(60));
        assert_eq!(budget.place(RS256, us(0)), Place::Elsewhere);
        assert_eq!(budget.place(RS256, us(400)), Place::Here);
    }

    #[test]
    fn a_budget_of_nothing_sends_everything_elsewhere() {
        let mut budget = Budget::new(Duration::ZERO);
        for _ in 0..10 {
            assert_eq!(budget.place(RS256, Duration::from_secs(1_000)), Place::Elsewhere);
            away_beside(&mut budget, 0, us(0));
        }
    }
}
