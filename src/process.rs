//! What a process has one of: the verifier, and the threads its fetches and its signature checks run on.

use std::future::Future;
use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;

use once_cell::sync::OnceCell;
use tokio::runtime::{Builder, Runtime};

use crate::error::Refusal;
use crate::provider::fetch::HttpFetch;
use crate::time::SystemClock;
use crate::verifier::Verifier;
use crate::workers::Workers;

pub use crate::workers::Outbox;

/// The verifier and its threads.
#[derive(Debug)]
pub struct Process {
    runtime: Runtime,
    workers: Arc<Workers>,
    verifier: Arc<Verifier>,
}

/// How many threads check signatures, where there are so many processors. One checks 6,000 (ES384) to 70,000
/// (RS256) tokens a second; a JavaScript thread can ask for 10,000 to 50,000.
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
                    // One more than check signatures: a flood of tokens never keeps keys from being fetched.
                    .worker_threads(threads.saturating_add(1))
                    .thread_name("remote-agent-auth")
                    // Sockets are looked at between any two turns of work: with the usual 61 a provider's answer would lie for 61
                    // of `workers::TURN` while tokens are checked.
                    .event_interval(1)
                    .enable_all()
                    .build()?;
                let fetch = Arc::new(HttpFetch::default());
                let verifier = Verifier::new(fetch, Arc::new(SystemClock::default()), runtime.handle().clone());
                let workers = Arc::new(Workers::new(runtime.handle().clone(), threads));
                Ok(Self { runtime, workers, verifier })
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

    /// The same for a check whose signature is to be checked by one of our threads, in its turn. What `settle` puts into
    /// `outbox` is told together with others.
    pub fn offload<T: Send + 'static>(
        &self,
        estimate: Duration,
        outbox: Arc<dyn Outbox>,
        future: impl Future<Output = T> + Send + 'static,
        settle: impl FnOnce(Option<T>) + Send + 'static,
    ) {
        self.workers.add(estimate, outbox, settled(future, settle));
    }
}

async fn settled<T>(future: impl Future<Output = T>, settle: impl FnOnce(Option<T>)) {
    let mut settling = Settling(Some(settle), PhantomData);
    settling.settle(Some(future.await));
}

/// Settles in any case: a future that panics is dropped by the runtime, and this with it.
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
