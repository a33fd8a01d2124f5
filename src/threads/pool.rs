//! The workers: threads that check signatures for callers, and the backlog of jobs they share.
//!
//! The cost of offloading is waking a thread, not the work: waking a worker, and being woken by its answer, costs about as
//! much as an RS256 signature. So all workers share one backlog, another worker is woken only if those at work have enough
//! to do, the last one at work looks out for more before it sleeps, and answers are delivered in batches: after
//! [`FLUSH_AFTER`] at the latest, and at once when the backlog is empty.

use std::collections::VecDeque;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use tokio::runtime::Handle;

/// How long an answer may wait to be delivered together with others.
const FLUSH_AFTER: Duration = Duration::from_micros(100);
/// One more worker is woken when the backlog is more than this for each one at work.
const ENOUGH: Duration = Duration::from_micros(250);
/// How long the last worker at work looks out for another job before it sleeps: less than it takes to be woken, so that this
/// costs no more processor time than it saves. The requests of a busy server are 50 to 100 us apart.
pub const LOOK_OUT: Duration = Duration::from_micros(30);
/// How often it pauses between two readings of the clock.
const PAUSES: u32 = 8;
/// How long a worker runs jobs before it yields to the runtime: keys are fetched by the same threads.
const TURN: Duration = Duration::from_millis(1);

/// Collects the answers of jobs for one receiver.
pub trait Outbox: Send + Sync {
    /// Delivers the answers collected so far.
    fn flush(&self);
}

struct Job {
    task: Pin<Box<dyn Future<Output = ()> + Send>>,
    outbox: Arc<dyn Outbox>,
    estimate: Duration,
}

#[derive(Default)]
struct Backlog {
    jobs: VecDeque<Job>,
    /// The jobs' estimated cost together.
    work: Duration,
    /// Workers that take jobs now.
    active: u32,
}

/// The backlog and its workers.
pub struct Pool {
    backlog: Mutex<Backlog>,
    /// The jobs of the backlog, for those who look without its lock: whoever adds one must not wait for them.
    waiting: AtomicUsize,
    runtime: Handle,
    most: u32,
    look_out: Duration,
}

impl std::fmt::Debug for Pool {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pool").field("most", &self.most).finish_non_exhaustive()
    }
}

impl Pool {
    /// A pool of at most `most` of the runtime's threads. The runtime should have one more, so that keys can be fetched
    /// while all workers are busy. `look_out`: usually [`LOOK_OUT`]; zero where a worker that looks out would keep the only
    /// processor from whoever adds jobs.
    pub fn new(runtime: Handle, most: usize, look_out: Duration) -> Self {
        let most = u32::try_from(most).unwrap_or(u32::MAX);
        Self { backlog: Mutex::default(), waiting: AtomicUsize::new(0), runtime, most, look_out }
    }

    fn backlog(&self) -> MutexGuard<'_, Backlog> {
        // Nothing that can panic runs under the lock.
        self.backlog.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a job of this estimated cost. A job that has to wait for something goes on as a task of its own.
    pub fn add(
        self: &Arc<Self>,
        estimate: Duration,
        outbox: Arc<dyn Outbox>,
        task: impl Future<Output = ()> + Send + 'static,
    ) {
        let mut backlog = self.backlog();
        backlog.jobs.push_back(Job { task: Box::pin(task), outbox, estimate });
        backlog.work = backlog.work.saturating_add(estimate);
        self.waiting.store(backlog.jobs.len(), Ordering::Release);
        let enough = ENOUGH.saturating_mul(backlog.active);
        if backlog.active == self.most || backlog.active > 0 && backlog.work <= enough {
            return;
        }
        backlog.active = backlog.active.saturating_add(1);
        drop(backlog);
        self.runtime.spawn(Arc::clone(self).work());
    }

    fn next(&self) -> Option<Job> {
        let mut backlog = self.backlog();
        let job = backlog.jobs.pop_front()?;
        backlog.work = backlog.work.saturating_sub(job.estimate);
        self.waiting.store(backlog.jobs.len(), Ordering::Release);
        Some(job)
    }

    /// Whether there is another job for a worker that has found none. If not, it no longer counts as active.
    fn goes_on(&self) -> bool {
        if self.backlog().active == 1 {
            self.look_out();
        }
        let mut backlog = self.backlog();
        if backlog.jobs.is_empty() {
            backlog.active = backlog.active.saturating_sub(1);
            return false;
        }
        true
    }

    /// Returns when there is a job, or none has come in time.
    fn look_out(&self) {
        let begun = Instant::now();
        while self.waiting.load(Ordering::Acquire) == 0 && begun.elapsed() < self.look_out {
            for _ in 0..PAUSES {
                std::hint::spin_loop();
            }
        }
    }

    async fn work(self: Arc<Self>) {
        let mut undelivered = Undelivered::default();
        let mut turn = Instant::now();
        loop {
            while let Some(job) = self.next() {
                let now = self.run(job, &mut undelivered);
                if now.saturating_duration_since(turn) >= TURN {
                    undelivered.flush();
                    tokio::task::yield_now().await;
                    turn = Instant::now();
                }
            }
            undelivered.flush();
            if !self.goes_on() {
                return;
            }
        }
    }

    fn run(&self, Job { mut task, outbox, .. }: Job, undelivered: &mut Undelivered) -> Instant {
        let mut context = Context::from_waker(Waker::noop());
        let polled = catch_unwind(AssertUnwindSafe(|| task.as_mut().poll(&mut context)));
        match polled {
            Ok(Poll::Pending) => {
                // The new task polls it again, with a waker that works.
                self.runtime.spawn(async move {
                    // Dropped and so flushed in any case, also if the task panics.
                    let mut own = Undelivered::default();
                    own.add(outbox);
                    task.await;
                });
            }
            // A task that panicked has put the failure into its outbox.
            Ok(Poll::Ready(())) | Err(_) => undelivered.add(outbox),
        }
        let now = Instant::now();
        undelivered.flush_after(FLUSH_AFTER, now);
        now
    }
}

/// Outboxes with answers that are not delivered yet. They are flushed when this is dropped.
#[derive(Default)]
struct Undelivered {
    outboxes: Vec<Arc<dyn Outbox>>,
    since: Option<Instant>,
}

impl Undelivered {
    fn add(&mut self, outbox: Arc<dyn Outbox>) {
        if !self.outboxes.iter().any(|known| Arc::ptr_eq(known, &outbox)) {
            self.outboxes.push(outbox);
        }
    }

    fn flush_after(&mut self, patience: Duration, now: Instant) {
        let since = *self.since.get_or_insert(now);
        if now.saturating_duration_since(since) >= patience {
            self.flush();
        }
    }

    fn flush(&mut self) {
        self.since = None;
        for outbox in self.outboxes.drain(..) {
            // Whatever happens there, this worker goes on with the backlog.
            let _ = catch_unwind(AssertUnwindSafe(|| outbox.flush()));
        }
    }
}

impl Drop for Undelivered {
    fn drop(&mut self) {
        self.flush();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicU32;

    use tokio::sync::oneshot;

    use super::*;

    /// Counts how often it was flushed.
    #[derive(Default)]
    struct Flushes(AtomicU32);

    impl Outbox for Flushes {
        fn flush(&self) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }

    impl Flushes {
        fn times(&self) -> u32 {
            self.0.load(Ordering::SeqCst)
        }
    }

    const CHEAP: Duration = Duration::from_micros(1);

    /// On this test's own thread: nothing runs before the test waits.
    fn pool() -> (Arc<Pool>, Arc<Flushes>) {
        (Arc::new(Pool::new(Handle::current(), 1, Duration::ZERO)), Arc::default())
    }

    async fn settle() {
        for _ in 0..10 {
            tokio::task::yield_now().await;
        }
    }

    #[tokio::test]
    async fn answers_are_delivered_together_and_at_once_when_the_backlog_is_empty() {
        let (pool, outbox) = pool();
        let done = Arc::new(AtomicU32::new(0));
        for _ in 0..3 {
            let done = Arc::clone(&done);
            pool.add(CHEAP, outbox.clone(), async move { _ = done.fetch_add(1, Ordering::SeqCst) });
        }
        assert_eq!((done.load(Ordering::SeqCst), outbox.times()), (0, 0));
        settle().await;
        assert_eq!(done.load(Ordering::SeqCst), 3);
        // A worker that was interrupted may have delivered some of them before.
        assert!((1..=3).contains(&outbox.times()));
        assert_eq!(pool.backlog().active, 0);
    }

    #[tokio::test]
    async fn every_outbox_is_flushed() {
        let (pool, first) = pool();
        let second = Arc::new(Flushes::default());
        for outbox in [&first, &second, &first] {
            pool.add(CHEAP, outbox.clone(), async {});
        }
        settle().await;
        assert!(first.times() >= 1 && second.times() >= 1);
    }

    #[tokio::test]
    async fn a_job_that_panics_is_flushed_and_stops_no_other() {
        let (pool, outbox) = pool();
        pool.add(CHEAP, outbox.clone(), async { panic!("scripted") });
        settle().await;
        assert_eq!((outbox.times(), pool.backlog().active), (1, 0));
        let (send, receive) = oneshot::channel();
        pool.add(CHEAP, outbox.clone(), async move { _ = send.send(()) });
        receive.await.unwrap();
    }

    #[tokio::test]
    async fn a_job_that_has_to_wait_holds_no_other_up_and_is_flushed_in_the_end() {
        let (pool, outbox) = pool();
        let (send, receive) = oneshot::channel::<()>();
        pool.add(CHEAP, outbox.clone(), async move { receive.await.unwrap() });
        let next = Arc::new(Flushes::default());
        pool.add(CHEAP, next.clone(), async {});
        settle().await;
        assert_eq!((outbox.times(), next.times()), (0, 1));
        send.send(()).unwrap();
        settle().await;
        assert_eq!(outbox.times(), 1);
        let (send, receive) = oneshot::channel::<()>();
        pool.add(CHEAP, outbox.clone(), async move { receive.await.expect("scripted") });
        settle().await;
        drop(send);
        settle().await;
        assert_eq!(outbox.times(), 2);
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_worker_that_looks_out_takes_the_next_job_without_being_woken() {
        // It looks out for longer than this test takes: only a job ends that.
        let pool = Arc::new(Pool::new(Handle::current(), 1, Duration::from_secs(60)));
        let outbox = Arc::new(Flushes::default());
        for _ in 0..100 {
            let (send, receive) = oneshot::channel();
            pool.add(CHEAP, outbox.clone(), async move { _ = send.send(()) });
            receive.await.unwrap();
            assert_eq!(pool.backlog().active, 1);
        }
        // What is ready is delivered before the worker looks out.
        while outbox.times() == 0 {
            tokio::task::yield_now().await;
        }
        // One more than it has: the runtime does not end while a worker looks out.
        pool.waiting.store(1, Ordering::Release);
    }

    #[tokio::test]
    async fn a_worker_beside_another_does_not_look_out() {
        let pool = Pool::new(Handle::current(), 2, Duration::from_secs(60));
        pool.backlog().active = 2;
        assert!(!pool.goes_on());
        assert_eq!(pool.backlog().active, 1);
    }

    #[test]
    fn wakes_one_more_worker_only_for_enough_work_and_never_more_than_there_are() {
        // The runtime is never run: what is counted are the workers that were woken.
        let blocked = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let pool = Arc::new(Pool::new(blocked.handle().clone(), 2, Duration::ZERO));
        let outbox = Arc::new(Flushes::default());
        for (micros, active) in [(10, 1), (200, 1), (40, 1), (10, 2), (10_000, 2)] {
            pool.add(Duration::from_micros(micros), outbox.clone(), async {});
            assert_eq!(pool.backlog().active, active, "{micros}");
        }
        drop(pool);
        blocked.shutdown_background();
    }
}
