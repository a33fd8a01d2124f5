//! What exists once in a process: the verifier, and the threads that its fetches and its signature checks run on.

use std::future::Future;
use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;

use once_cell::sync::OnceCell;
use tokio::runtime::{Builder, Runtime};

use crate::error::Refusal;
use crate::provider::fetch::HttpFetch;
use crate::threads::pool::{LOOK_OUT, Pool};
use crate::time::SystemClock;
use crate::verifier::Verifier;

pub use crate::threads::pool::Outbox;

/// The verifier and its threads.
#[derive(Debug)]
pub struct Process {
    runtime: Runtime,
    pool: Arc<Pool>,
    verifier: Arc<Verifier>,
}

/// The most workers, however many processors there are. One checks 6,000 (ES384) to 70,000 (RS256) tokens a second; a
/// JavaScript thread can ask for 10,000 to 50,000.
const MOST_THREADS: usize = 8;

static PROCESS: OnceCell<Process> = OnceCell::new();

impl Process {
    /// The process-wide verifier: every worker thread and every Jest realm shares its keys.
    ///
    /// # Errors
    /// [`Refusal::Internal`] if the system gives us no thread; the next call tries again.
    pub fn shared() -> Result<&'static Self, Refusal> {
        PROCESS
            .get_or_try_init(|| {
                let threads = std::thread::available_parallelism().map_or(1, usize::from).min(MOST_THREADS);
                let runtime = Builder::new_multi_thread()
                    // One more than the pool's workers: a flood of tokens never keeps keys from being fetched.
                    .worker_threads(threads.saturating_add(1))
                    .thread_name("remote-agent-auth")
                    // Polls sockets between any two tasks: with tokio's default of 61 a provider's answer would wait for 61 times
                    // `pool::TURN` while tokens are checked.
                    .event_interval(1)
                    .enable_all()
                    .build()?;
                let fetch = Arc::new(HttpFetch::default());
                let verifier = Verifier::new(fetch, Arc::new(SystemClock::default()), runtime.handle().clone());
                // On one processor a worker that looks out would keep the JavaScript thread from it.
                let look_out = if threads > 1 { LOOK_OUT } else { Duration::ZERO };
                let pool = Arc::new(Pool::new(runtime.handle().clone(), threads, look_out));
                Ok(Self { runtime, pool, verifier })
            })
            .map_err(|_: std::io::Error| Refusal::Internal("the operating system refused a thread"))
    }

    /// The verifier.
    pub const fn verifier(&self) -> &Arc<Verifier> {
        &self.verifier
    }

    /// Runs `future` to its end and hands its output to `settle`; `None` if it panicked.
    pub fn spawn<T: Send + 'static>(
        &self,
        future: impl Future<Output = T> + Send + 'static,
        settle: impl FnOnce(Option<T>) + Send + 'static,
    ) {
        self.runtime.spawn(settled(future, settle));
    }

    /// Like [`Self::spawn`], for a future that checks a signature: a worker runs it in its turn. What `settle` puts into
    /// `outbox` is delivered together with other answers.
    pub fn offload<T: Send + 'static>(
        &self,
        estimate: Duration,
        outbox: Arc<dyn Outbox>,
        future: impl Future<Output = T> + Send + 'static,
        settle: impl FnOnce(Option<T>) + Send + 'static,
    ) {
        self.pool.add(estimate, outbox, settled(future, settle));
    }
}

async fn settled<T>(future: impl Future<Output = T>, settle: impl FnOnce(Option<T>)) {
    let mut settling = Settling(Some(settle), PhantomData);
    settling.settle(Some(future.await));
}

/// Calls `settle` in any case: the runtime drops a future that panics, and this with it.
struct Settling<T, F: FnOnce(Option<T>)>(Option<F>, PhantomData<fn(T)>);

impl<T, F: FnOnce(Option<T>)> Settling<T, F> {
    fn settle(&mut self, output: Option<T>) {
        if let Some(settle) = self.0.take() {
            settle(output);
        }
    }
}

impl<T, F: FnOnce(Option<T>)> Drop for Settling<T, F> {
    fn drop(&mut self) {
        self.settle(None);
    }
}
