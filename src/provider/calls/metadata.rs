//! Metadata of the issuers whose endpoints are asked: what is at hand, the refresh under way, and how many calls may be.
//!
//! They live as key sets do, by the same rule: used within their life, asked for again ahead of its end, used past it where the
//! issuer does not answer, up to the stale bound. What a refresh of keys has learned serves here too.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use moka::sync::Cache;
use tokio::sync::{Semaphore, SemaphorePermit, watch};
use tokio::time::{Instant, timeout_at};

use super::error::{CallError, Cause};
use crate::policy::Policy;
use crate::policy::issuer::Issuer;
use crate::policy::transport::Transport;
use crate::provider::after;
use crate::provider::asker::Asker;
use crate::provider::discovery::Metadata;
use crate::provider::fetch::Fetch;
use crate::provider::freshness::{Advice, Facts, FailedRefresh, advise};
use crate::provider::refresh::Learned;
use crate::provider::{EXCHANGE_DEADLINE, ProviderError};
use crate::time::{Clock, Moment};

/// How many issuers' metadata are kept; the least used go first.
const MAX_PROVIDERS: u64 = 1_000;
/// How many calls to one provider, or by its policy to Graph, are under way at once: a connection each.
const MOST_AT_ONCE: usize = 64;
/// How many more may wait for their turn.
const MOST_WAITING: usize = 1024;
/// Which share of a life passes before a refresh ahead, in percent, as with keys.
const AHEAD_PERCENT: u32 = 80;

/// Whose metadata, and by which way.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Place {
    issuer: Issuer,
    transport: Arc<Transport>,
}

/// The providers that are known.
pub struct Providers {
    known: Cache<Place, Arc<Provider>>,
    fetch: Arc<dyn Fetch>,
    clock: Arc<dyn Clock>,
}

/// What is known of one.
#[derive(Debug, Default)]
pub struct Provider {
    state: Mutex<State>,
    /// For calls to its own endpoints.
    pub own: Line,
    /// For calls to Microsoft Graph, which may hang while the provider itself does not.
    pub graph: Line,
}

#[derive(Debug, Default)]
struct State {
    metadata: Option<Learned>,
    under_way: Option<UnderWay>,
    /// The failure since the last success, and who was asked.
    failed: Option<(FailedRefresh, Failure)>,
}

type Failure = (ProviderError, Option<Box<str>>);

#[derive(Debug, Clone)]
struct UnderWay {
    began: Duration,
    done: watch::Receiver<Option<Result<Arc<Metadata>, Failure>>>,
}

impl Providers {
    /// Nothing is known.
    pub fn new(fetch: Arc<dyn Fetch>, clock: Arc<dyn Clock>) -> Self {
        Self { known: Cache::new(MAX_PROVIDERS), fetch, clock }
    }

    /// Forgets everything.
    pub fn clear(&self) {
        self.known.invalidate_all();
    }

    /// The provider of a policy.
    pub fn of(&self, policy: &Policy) -> Arc<Provider> {
        let (issuer, transport) = (policy.issuers().first().clone(), Arc::clone(policy.source().transport()));
        self.known.get_with(Place { issuer, transport }, Arc::default)
    }

    /// The metadata of a policy's issuer, at hand or to be fetched. `learned` is what a refresh of its keys has found.
    ///
    /// # Errors
    /// [`Cause::Metadata`] and [`Cause::Late`].
    pub async fn metadata(
        &self,
        provider: &Arc<Provider>,
        policy: &Policy,
        learned: Option<Learned>,
        deadline: Instant,
    ) -> Result<Arc<Metadata>, CallError> {
        let failed = |(error, host): Failure| CallError { cause: Cause::Metadata(error), host };
        let (under_way, patience) = match self.offer(provider, policy, learned) {
            Offer::AtHand(metadata) => return Ok(metadata),
            Offer::Refused(failure) => return Err(failed(failure)),
            Offer::Wait(under_way, patience) => (under_way, patience),
        };
        let until = patience.as_ref().map_or(deadline, |(patience, _)| after(*patience).min(deadline));
        match (timeout_at(until, under_way.outcome()).await, patience) {
            (Ok(Ok(metadata)), _) | (_, Some((_, metadata))) => Ok(metadata),
            (Ok(Err(failure)), None) => Err(failed(failure)),
            (Err(_), None) => Err(CallError { cause: Cause::Late, host: None }),
        }
    }

    fn offer(&self, provider: &Arc<Provider>, policy: &Policy, learned: Option<Learned>) -> Offer {
        let now = Moment::now(&*self.clock);
        let mut state = provider.state();
        let newer =
            |learned: &Learned| state.metadata.as_ref().is_none_or(|(_, since)| learned.1.monotonic > since.monotonic);
        if let Some(learned) = learned.filter(newer) {
            state.metadata = Some(learned);
            state.failed = None;
        }
        let facts = Facts {
            now: now.monotonic,
            keys: state.metadata.as_ref().map(|(_, since)| (since.as_seen_at(now), None)),
            under_way: state.under_way.as_ref().map(|under_way| under_way.began),
            failed: state.failed.as_ref().map(|(failed, _)| *failed),
            ahead_percent: AHEAD_PERCENT,
        };
        let at_hand = state.metadata.as_ref().map(|(metadata, _)| Arc::clone(metadata));
        match (advise(&facts, policy.lifetimes()), at_hand) {
            (Advice::Use, Some(metadata)) => Offer::AtHand(metadata),
            (Advice::UseAndRefresh, Some(metadata)) => {
                self.join(provider, &mut state, policy, now);
                Offer::AtHand(metadata)
            }
            (Advice::WaitThenUse(patience), Some(metadata)) => {
                Offer::Wait(self.join(provider, &mut state, policy, now), Some((patience, metadata)))
            }
            (Advice::Refuse(_), _) => {
                let failure = state.failed.as_ref().map(|(_, failure)| failure.clone());
                Offer::Refused(failure.unwrap_or((ProviderError::Lost, None)))
            }
            (_, _) => Offer::Wait(self.join(provider, &mut state, policy, now), None),
        }
    }

    /// The refresh under way, or a new one.
    fn join(&self, provider: &Arc<Provider>, state: &mut State, policy: &Policy, began: Moment) -> UnderWay {
        if let Some(under_way) = &state.under_way {
            return under_way.clone();
        }
        let (sender, done) = watch::channel(None);
        let under_way = UnderWay { began: began.monotonic, done };
        state.under_way = Some(under_way.clone());
        let asked = Arc::default();
        let transport = Arc::clone(policy.source().transport());
        let asker = Asker { fetch: Arc::clone(&self.fetch), transport, asked: Arc::clone(&asked) };
        let issuer = policy.issuers().first().clone();
        let end = after(EXCHANGE_DEADLINE);
        let asking = tokio::spawn(async move { asker.metadata(&issuer, || end).await });
        let (provider, clock) = (Arc::clone(provider), Arc::clone(&self.clock));
        tokio::spawn(async move {
            // A panic in the task is a refresh without an answer; nobody waits for ever.
            let answer = asking.await.unwrap_or(Err(ProviderError::Lost));
            let host = asked.lock().unwrap_or_else(PoisonError::into_inner).take();
            let answer = answer.map(Arc::new).map_err(|error| (error, host));
            provider.settle(&answer, began, clock.monotonic());
            sender.send_replace(Some(answer));
        });
        under_way
    }
}

enum Offer {
    AtHand(Arc<Metadata>),
    /// Wait for this, at most so long where there is something to fall back on.
    Wait(UnderWay, Option<(Duration, Arc<Metadata>)>),
    Refused(Failure),
}

impl UnderWay {
    async fn outcome(mut self) -> Result<Arc<Metadata>, Failure> {
        let lost = || Err((ProviderError::Lost, None));
        match self.done.wait_for(Option::is_some).await {
            Ok(outcome) => outcome.clone().unwrap_or_else(lost),
            Err(_) => lost(),
        }
    }
}

impl Provider {
    fn state(&self) -> MutexGuard<'_, State> {
        // Every change under the lock is a plain assignment: a panic elsewhere leaves nothing half-done.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn settle(&self, answer: &Result<Arc<Metadata>, Failure>, began: Moment, ended: Duration) {
        let mut state = self.state();
        state.under_way = None;
        match answer {
            Ok(metadata) => {
                state.metadata = Some((Arc::clone(metadata), began));
                state.failed = None;
            }
            Err(failure) => {
                let in_a_row = state.failed.as_ref().map_or(0, |(failed, _)| failed.in_a_row).saturating_add(1);
                let failed = FailedRefresh { began: began.monotonic, ended, in_a_row };
                state.failed = Some((failed, failure.clone()));
            }
        }
    }
}

/// Those who call, so many at once and the others in their turn.
#[derive(Debug)]
pub struct Line {
    at_once: Semaphore,
    waiting: AtomicUsize,
}

impl Default for Line {
    fn default() -> Self {
        Self { at_once: Semaphore::new(MOST_AT_ONCE), waiting: AtomicUsize::new(0) }
    }
}

impl Line {
    /// A turn, to be kept for the call. `None` if it does not come in time, or too many wait for theirs.
    pub async fn turn(&self, deadline: Instant) -> Option<SemaphorePermit<'_>> {
        if let Ok(turn) = self.at_once.try_acquire() {
            return Some(turn);
        }
        let waiting = Waiting::begin(&self.waiting)?;
        let turn = timeout_at(deadline, self.at_once.acquire()).await;
        drop(waiting);
        // A turn that comes with the end of the time is none.
        turn.ok()?.ok().filter(|_| Instant::now() < deadline)
    }
}

/// A place among those who wait, given up in any case: a caller may go away.
struct Waiting<'l>(&'l AtomicUsize);

impl<'l> Waiting<'l> {
    fn begin(waiting: &'l AtomicUsize) -> Option<Self> {
        let one_more = |waiting: usize| (waiting < MOST_WAITING).then(|| waiting.saturating_add(1));
        waiting.fetch_update(Ordering::AcqRel, Ordering::Acquire, one_more).ok().map(|_| Self(waiting))
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn so_many_call_at_once_and_so_many_wait() {
        let line = Arc::new(Line::default());
        let soon = after(Duration::from_secs(1));
        let mut turns = Vec::new();
        for _ in 0..MOST_AT_ONCE {
            turns.push(line.turn(soon).await.unwrap());
        }
        assert!(line.turn(soon).await.is_none(), "its time is over");
        let late = after(Duration::from_secs(60));
        let waiting: Vec<_> = (0..MOST_WAITING)
            .map(|_| {
                let line = Arc::clone(&line);
                tokio::spawn(async move { line.turn(late).await.is_some() })
            })
            .collect();
        while line.waiting.load(Ordering::SeqCst) < MOST_WAITING {
            tokio::task::yield_now().await;
        }
        assert!(line.turn(late).await.is_none(), "one too many is refused at once");
        // Who goes away gives the place up.
        let (gone, staying) = waiting.split_at(1);
        gone[0].abort();
        while line.waiting.load(Ordering::SeqCst) == MOST_WAITING {
            tokio::task::yield_now().await;
        }
        drop(turns);
        for waiter in staying.iter().map(tokio::task::JoinHandle::abort_handle) {
            while !waiter.is_finished() {
                tokio::task::yield_now().await;
            }
        }
        assert_eq!(line.waiting.load(Ordering::SeqCst), 0);
        assert_eq!(line.at_once.available_permits(), MOST_AT_ONCE);
    }
}
