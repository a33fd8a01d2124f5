//! How many checks of the process may wait for a worker: bounded in number and in work, so that a check that is queued is
//! answered soon and any other is refused at once.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

/// How many checks may wait for a worker: about 30 MB of usual tokens, 200 MB of tokens at the default limit of 16 KiB.
pub const MOST_QUEUED: usize = 8_192;
/// How much work may wait for each worker: a check queued behind more would not be answered within a second.
const MOST_WORK: Duration = Duration::from_secs(1);

/// Counts the checks of the process that wait for a worker or run on one.
#[derive(Debug)]
pub struct Queue {
    jobs: AtomicUsize,
    micros: AtomicU64,
    most_micros: u64,
}

impl Queue {
    /// A queue for so many workers.
    pub fn new(threads: usize) -> Self {
        let threads = u32::try_from(threads).unwrap_or(u32::MAX);
        Self {
            jobs: AtomicUsize::new(0),
            micros: AtomicU64::new(0),
            most_micros: micros(MOST_WORK.saturating_mul(threads)),
        }
    }

    /// Queues a check of this estimated cost; `None` if the caller's own limit `most_queued` or one of the process is reached.
    pub fn join(self: &Arc<Self>, most_queued: usize, estimate: Duration) -> Option<Waiting> {
        let jobs = self.jobs.fetch_add(1, Ordering::Relaxed);
        let work = self.micros.fetch_add(micros(estimate), Ordering::Relaxed);
        if jobs >= most_queued.min(MOST_QUEUED) || work >= self.most_micros {
            self.leave(estimate);
            return None;
        }
        Some(Waiting { queue: Arc::clone(self), estimate })
    }

    fn leave(&self, estimate: Duration) {
        self.jobs.fetch_sub(1, Ordering::Relaxed);
        self.micros.fetch_sub(micros(estimate), Ordering::Relaxed);
    }

    /// How many checks are queued or running.
    pub fn len(&self) -> usize {
        self.jobs.load(Ordering::Relaxed)
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

/// A place in the [`Queue`], given up when dropped: when the check is done, or nobody waits for it any more.
#[derive(Debug)]
pub struct Waiting {
    queue: Arc<Queue>,
    estimate: Duration,
}

impl Waiting {
    /// The check's estimated cost.
    pub const fn estimate(&self) -> Duration {
        self.estimate
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.queue.leave(self.estimate);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn us(micros: u64) -> Duration {
        Duration::from_micros(micros)
    }

    const RS256: Duration = us(16);

    #[test]
    fn bounds_how_many_wait() {
        for most in [0, 1, 3] {
            let queue = Arc::new(Queue::new(2));
            let mut waiting: Vec<_> = (0..most).map(|_| queue.join(most, RS256).unwrap()).collect();
            assert!(queue.join(most, RS256).is_none());
            assert_eq!(queue.len(), most);
            if waiting.pop().is_some() {
                assert!(queue.join(most, RS256).is_some());
            }
        }
        // A caller's limit does not raise that of the process.
        let queue = Arc::new(Queue::new(2));
        let waiting: Vec<_> = (0..10_000).filter_map(|_| queue.join(usize::MAX, us(1))).collect();
        assert_eq!(waiting.len(), MOST_QUEUED);
        drop(waiting);
        assert!(queue.is_empty());
    }

    #[test]
    fn bounds_the_work_that_waits_for_each_worker() {
        for (threads, expected) in [(1, 2_500), (2, 5_000)] {
            let queue = Arc::new(Queue::new(threads));
            let waiting: Vec<_> = (0..10_000).filter_map(|_| queue.join(usize::MAX, us(400))).collect();
            assert_eq!(waiting.len(), expected);
        }
    }
}
