//! The threads that check signatures for others: a line of jobs, and how many work on it.
//!
//! What is dear about another thread is not the work but to be heard: waking a thread, and being woken by it, costs about as
//! much as an RS256 signature. So jobs stand in one line, a thread is woken only if those at work have enough to do, and
//! answers are told together: those of a moment at most, and at once when the line is empty.

use std::collections::VecDeque;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use tokio::runtime::Handle;

/// How long an answer may wait for others to be told with it.
const TELL: Duration = Duration::from_micros(100);
/// One more thread is woken when each one at work has so much before it.
const ENOUGH: Duration = Duration::from_micros(250);
/// How long a thread works before it looks after what else is to be done on it: keys are fetched by the same threads.
const TURN: Duration = Duration::from_millis(1);

/// Where a job puts its answer, to be told when `flush` is called.
pub trait Outbox: Send + Sync {
    /// Tells what there is.
    fn flush(&self);
}

struct Job {
    task: Pin<Box<dyn Future<Output = ()> + Send>>,
    outbox: Arc<dyn Outbox>,
    estimate: Duration,
}

#[derive(Default)]
struct Line {
    jobs: VecDeque<Job>,
    work: Duration,
    /// Threads at work.
    active: u32,
}

/// The line and its threads.
pub struct Workers {
    line: Mutex<Line>,
    runtime: Handle,
    most: u32,
}

impl std::fmt::Debug for Workers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Workers").field("most", &self.most).finish_non_exhaustive()
    }
}

impl Workers {
    /// At most so many of `runtime`'s threads, which should have one more for what else there is to do.
    pub fn new(runtime: Handle, most: usize) -> Self {
        Self { line: Mutex::default(), runtime, most: u32::try_from(most).unwrap_or(u32::MAX) }
    }

    fn line(&self) -> MutexGuard<'_, Line> {
        // Nothing that can panic runs under the lock.
        self.line.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts a job of this estimated cost into the line. A job that has to wait for something goes on as a task of its own.
    pub fn add(
        self: &Arc<Self>,
        estimate: Duration,
        outbox: Arc<dyn Outbox>,
        task: impl Future<Output = ()> + Send + 'static,
    ) {
        let mut line = self.line();
        line.jobs.push_back(Job { task: Box::pin(task), outbox, estimate });
        line.work = line.work.saturating_add(estimate);
        let busy = line.active == self.most || line.active > 0 && line.work <= ENOUGH.saturating_mul(line.active);
        if busy {
            return;
        }
        line.active = line.active.saturating_add(1);
        drop(line);
        self.runtime.spawn(Arc::clone(self).work());
    }

    /// The next job; without one this thread is no longer at work.
    fn next(&self) -> Option<Job> {
        let mut line = self.line();
        let job = line.jobs.pop_front();
        match &job {
            Some(job) => line.work = line.work.saturating_sub(job.estimate),
            None => line.active = line.active.saturating_sub(1),
        }
        job
    }

    async fn work(self: Arc<Self>) {
        let mut unheard = Unheard::default();
        let mut turn = Instant::now();
        while let Some(job) = self.next() {
            let now = self.run(job, &mut unheard);
            if now.saturating_duration_since(turn) >= TURN {
                unheard.tell();
                tokio::task::yield_now().await;
                turn = Instant::now();
            }
        }
    }

    fn run(&self, Job { mut task, outbox, .. }: Job, unheard: &mut Unheard) -> Instant {
        let mut context = Context::from_waker(Waker::noop());
        let polled = catch_unwind(AssertUnwindSafe(|| task.as_mut().poll(&mut context)));
        match polled {
            Ok(Poll::Pending) => {
                // Polled anew there, it is woken from then on.
                self.runtime.spawn(async move {
                    // Told of in any case, also if the task panics.
                    let mut alone = Unheard::default();
                    alone.add(outbox);
                    task.await;
                });
            }
            // A task that panicked has put into its outbox what there is to say.
            Ok(Poll::Ready(())) | Err(_) => unheard.add(outbox),
        }
        let now = Instant::now();
        unheard.tell_after(TELL, now);
        now
    }
}

/// Outboxes with answers nobody was told of. They are told when this goes.
#[derive(Default)]
struct Unheard {
    outboxes: Vec<Arc<dyn Outbox>>,
    since: Option<Instant>,
}

impl Unheard {
    fn add(&mut self, outbox: Arc<dyn Outbox>) {
        if !self.outboxes.iter().any(|known| Arc::ptr_eq(known, &outbox)) {
            self.outboxes.push(outbox);
        }
    }

    fn tell_after(&mut self, patience: Duration, now: Instant) {
        let since = *self.since.get_or_insert(now);
        if now.saturating_duration_since(since) >= patience {
            self.tell();
        }
    }

    fn tell(&mut self) {
        self.since = None;
        for outbox in self.outboxes.drain(..) {
            // Whatever happens there, this thread goes on with the line.
            let _ = catch_unwind(AssertUnwindSafe(|| outbox.flush()));
        }
    }
}

impl Drop for Unheard {
    fn drop(&mut self) {
        self.tell();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use tokio::sync::oneshot;

    use super::*;

    /// Counts how often it was told to flush.
    #[derive(Default)]
    struct Told(AtomicU32);

    impl Outbox for Told {
        fn flush(&self) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }

    impl Told {
        fn times(&self) -> u32 {
            self.0.load(Ordering::SeqCst)
        }
    }

    const CHEAP: Duration = Duration::from_micros(1);

    /// On this test's own thread: nothing runs before the test waits.
    fn workers() -> (Arc<Workers>, Arc<Told>) {
        (Arc::new(Workers::new(Handle::current(), 1)), Arc::default())
    }

    async fn settle() {
        for _ in 0..10 {
            tokio::task::yield_now().await;
        }
    }

    #[tokio::test]
    async fn answers_of_a_moment_are_told_together_and_at_once_when_the_line_is_empty() {
        let (workers, outbox) = workers();
        let done = Arc::new(AtomicU32::new(0));
        for _ in 0..3 {
            let done = Arc::clone(&done);
            workers.add(CHEAP, outbox.clone(), async move { _ = done.fetch_add(1, Ordering::SeqCst) });
        }
        assert_eq!((done.load(Ordering::SeqCst), outbox.times()), (0, 0));
        settle().await;
        assert_eq!(done.load(Ordering::SeqCst), 3);
        // A thread that was interrupted may have told some of them before.
        assert!((1..=3).contains(&outbox.times()));
        assert_eq!(workers.line().active, 0);
    }

    #[tokio::test]
    async fn every_outbox_is_told() {
        let (workers, first) = workers();
        let second = Arc::new(Told::default());
        for outbox in [&first, &second, &first] {
            workers.add(CHEAP, outbox.clone(), async {});
        }
        settle().await;
        assert!(first.times() >= 1 && second.times() >= 1);
    }

    #[tokio::test]
    async fn a_job_that_panics_is_told_of_and_stops_nobody() {
        let (workers, outbox) = workers();
        workers.add(CHEAP, outbox.clone(), async { panic!("scripted") });
        settle().await;
        assert_eq!((outbox.times(), workers.line().active), (1, 0));
        let (send, receive) = oneshot::channel();
        workers.add(CHEAP, outbox.clone(), async move { _ = send.send(()) });
        receive.await.unwrap();
    }

    #[tokio::test]
    async fn a_job_that_has_to_wait_holds_nobody_up_and_is_told_of_in_the_end() {
        let (workers, outbox) = workers();
        let (send, receive) = oneshot::channel::<()>();
        workers.add(CHEAP, outbox.clone(), async move { receive.await.unwrap() });
        let next = Arc::new(Told::default());
        workers.add(CHEAP, next.clone(), async {});
        settle().await;
        assert_eq!((outbox.times(), next.times()), (0, 1));
        send.send(()).unwrap();
        settle().await;
        assert_eq!(outbox.times(), 1);
        let (send, receive) = oneshot::channel::<()>();
        workers.add(CHEAP, outbox.clone(), async move { receive.await.expect("scripted") });
        settle().await;
        drop(send);
        settle().await;
        assert_eq!(outbox.times(), 2);
    }

    #[test]
    fn wakes_one_more_thread_only_for_enough_work_and_never_more_than_there_are() {
        // A runtime whose threads never come to it: what is counted is who was called.
        let blocked = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let workers = Arc::new(Workers::new(blocked.handle().clone(), 2));
        let outbox = Arc::new(Told::default());
        for (micros, active) in [(10, 1), (200, 1), (40, 1), (10, 2), (10_000, 2)] {
            workers.add(Duration::from_micros(micros), outbox.clone(), async {});
            assert_eq!(workers.line().active, active, "{micros}");
        }
        drop(workers);
        blocked.shutdown_background();
    }
}
