//! Where keys come from and how long they are believed: one slot per source, shared by everybody in the process.
//!
//! Readers clone an `Arc` and never wait. A refresh is made by one task per slot; everybody else waits for that one. A
//! refresh that fails takes nothing away.

pub mod address;
pub mod budget;
pub mod discovery;
pub mod fetch;
pub mod freshness;
pub mod proxy;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::Duration;

use moka::sync::Cache;
use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::time::Instant;

use crate::key_id::KeyId;
use crate::keys::{KeySet, KeySetError};
use crate::policy::KeySource;
use crate::policy::endpoint::Endpoint;
use crate::policy::issuer::Issuer;
use crate::policy::source::Origin;
use crate::policy::transport::Transport;
use crate::time::Clock;
use budget::{Budgets, Pacing};
use discovery::{Discovery, DiscoveryError, Next};
use fetch::{Fetch, FetchError, Request, Response};
use freshness::{Advice, Facts, FailedRefresh, Lifetimes, advise, advised_life};

/// How long one refresh may take: metadata, redirects and keys together.
pub const REFRESH_DEADLINE: Duration = Duration::from_secs(10);
/// How much of it metadata may take when an older `jwks_uri` is known: broken discovery must not block keys.
const DISCOVERY_SHARE: Duration = Duration::from_secs(4);
/// How many sources are kept; the least used go first.
const MAX_SLOTS: u64 = 10_000;

/// Why a refresh brought no keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs)]
pub enum ProviderError {
    #[error("the provider's metadata could not be fetched: {0}")]
    DiscoveryFetch(FetchError),
    #[error(transparent)]
    Discovery(#[from] DiscoveryError),
    #[error("the provider's keys could not be fetched: {0}")]
    JwksFetch(FetchError),
    #[error("the provider answered the request for its keys with status {0}")]
    JwksStatus(u16),
    #[error(transparent)]
    JwksDocument(#[from] KeySetError),
    #[error("the refresh ended without an answer")]
    Lost,
}

/// A key set as it was fetched.
#[derive(Debug)]
pub struct Snapshot {
    keys: Arc<KeySet>,
    /// Where it came from and its entity tag, to ask whether it still stands.
    validator: Option<Validator>,
    /// When the refresh that brought it began.
    began: Duration,
    advised: Option<Duration>,
    refreshes: u64,
}

impl Snapshot {
    /// The keys.
    pub fn keys(&self) -> &KeySet {
        &self.keys
    }

    /// How many refreshes of the slot had succeeded when this one had.
    pub const fn refreshes(&self) -> u64 {
        self.refreshes
    }
}

/// Refreshes made, by how they ended.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counters {
    /// Refreshes begun.
    pub begun: u64,
    /// Refreshes that brought keys.
    pub succeeded: u64,
    /// Refreshes that brought none.
    pub failed: u64,
    /// Those of the successful ones that said: still the same keys (304).
    pub not_modified: u64,
}

type Outcome = Result<Arc<Snapshot>, ProviderError>;

/// What makes an answer of a URL recognisable (RFC 9110 8.8.3).
#[derive(Debug, Clone)]
struct Validator {
    url: Endpoint,
    etag: String,
}

/// A refresh somebody may wait for.
#[derive(Debug, Clone)]
pub struct Refresh {
    began: Duration,
    done: watch::Receiver<Option<Outcome>>,
}

impl Refresh {
    /// Waits until the refresh ends. It ends at [`REFRESH_DEADLINE`] at the latest.
    ///
    /// # Errors
    /// [`ProviderError`].
    pub async fn wait(mut self) -> Outcome {
        match self.done.wait_for(Option::is_some).await {
            Ok(outcome) => outcome.clone().unwrap_or(Err(ProviderError::Lost)),
            Err(_) => Err(ProviderError::Lost),
        }
    }

    /// When it began.
    pub const fn began(&self) -> Duration {
        self.began
    }
}

#[derive(Debug, Default)]
struct State {
    under_way: Option<Refresh>,
    failed: Option<(FailedRefresh, ProviderError)>,
    budgets: Budgets,
    /// The `jwks_uri` discovery found last, and when.
    learned: Option<(Endpoint, Duration)>,
    counters: Counters,
}

/// What is known of one source.
#[derive(Debug)]
pub struct Slot {
    source: Arc<KeySource>,
    ahead_percent: u32,
    snapshot: RwLock<Option<Arc<Snapshot>>>,
    state: Mutex<State>,
}

/// What a slot offers a request.
#[derive(Debug)]
pub enum Offer {
    /// Keys to use now.
    Keys(Arc<Snapshot>),
    /// Wait for this refresh, at most so long where keys are at hand, and use those then.
    Wait(Refresh, Option<(Duration, Arc<Snapshot>)>),
    /// Nothing; ask again in so long.
    Refused(ProviderError, Duration),
}

impl Slot {
    fn new(source: Arc<KeySource>, ahead_percent: u32, pacing: Pacing) -> Self {
        let state = State { budgets: Budgets::new(pacing), ..State::default() };
        Self { source, ahead_percent, snapshot: RwLock::new(None), state: Mutex::new(state) }
    }

    /// The keys at hand, whatever their age. Whether they may be used is for [`KeyStore::offer`] to say.
    fn snapshot(&self) -> Option<Arc<Snapshot>> {
        self.snapshot.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Every change under the lock is a plain assignment: a panic elsewhere leaves nothing half-done.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Slots, the network and the clock they live by.
pub struct KeyStore {
    slots: Cache<Arc<KeySource>, Arc<Slot>>,
    fetch: Arc<dyn Fetch>,
    clock: Arc<dyn Clock>,
    runtime: Handle,
    pacing: Pacing,
}

impl std::fmt::Debug for KeyStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("KeyStore").finish_non_exhaustive()
    }
}

impl KeyStore {
    /// A store of its own. Refreshes run on `runtime`.
    pub fn new(fetch: Arc<dyn Fetch>, clock: Arc<dyn Clock>, runtime: Handle, pacing: Pacing) -> Self {
        Self { slots: Cache::new(MAX_SLOTS), fetch, clock, runtime, pacing }
    }

    /// The store's time.
    pub fn now(&self) -> Duration {
        self.clock.monotonic()
    }

    /// The slot of a source.
    pub fn slot(&self, source: &Arc<KeySource>) -> Arc<Slot> {
        self.slots.get_with_by_ref(source, || {
            // Spread refreshes ahead over 75 to 85 % of a life, each slot always at the same point.
            let spread = self.clock.monotonic().subsec_nanos() % 11;
            Arc::new(Slot::new(Arc::clone(source), spread.saturating_add(75), self.pacing))
        })
    }

    /// Forgets everything. A refresh under way still answers its waiters; nothing of it is kept.
    pub fn clear(&self) {
        self.slots.invalidate_all();
    }

    /// Keys that may be used without asking anybody: the way nearly every request goes. Never fetches.
    pub fn fresh(&self, slot: &Slot, lifetimes: Lifetimes) -> Option<Arc<Snapshot>> {
        let snapshot = slot.snapshot()?;
        let facts = Facts {
            now: self.clock.monotonic(),
            keys: Some((snapshot.began, snapshot.advised)),
            under_way: None,
            failed: None,
            ahead_percent: slot.ahead_percent,
        };
        (advise(&facts, lifetimes) == Advice::Use).then_some(snapshot)
    }

    /// The keys at hand, whatever their age: to say why a token is refused, never to accept one.
    pub fn at_hand(&self, slot: &Slot) -> Option<Arc<Snapshot>> {
        slot.snapshot()
    }

    /// Whether keys that a request holds may answer still: time has passed since they were offered.
    pub fn may_serve(&self, snapshot: &Snapshot, lifetimes: Lifetimes) -> bool {
        self.clock.monotonic().saturating_sub(snapshot.began) < lifetimes.stale_bound
    }

    /// What `slot` offers a request now. Begins a refresh where the rule of [`freshness`] says so.
    pub fn offer(&self, slot: &Arc<Slot>, lifetimes: Lifetimes) -> Offer {
        let mut state = slot.state();
        // Read under the lock: a refresh ends under it, so that keys, failure and what is under way belong together.
        let now = self.clock.monotonic();
        let snapshot = slot.snapshot();
        let facts = Facts {
            now,
            keys: snapshot.as_ref().map(|snapshot| (snapshot.began, snapshot.advised)),
            under_way: state.under_way.as_ref().map(Refresh::began),
            failed: state.failed.map(|(failed, _)| failed),
            ahead_percent: slot.ahead_percent,
        };
        match (advise(&facts, lifetimes), snapshot) {
            (Advice::Use, Some(snapshot)) => Offer::Keys(snapshot),
            (Advice::UseAndRefresh, Some(snapshot)) => {
                self.join(slot, &mut state, now);
                Offer::Keys(snapshot)
            }
            (Advice::WaitThenUse(patience), Some(snapshot)) => {
                Offer::Wait(self.join(slot, &mut state, now), Some((patience, snapshot)))
            }
            (Advice::Refuse(again), _) => {
                Offer::Refused(state.failed.map_or(ProviderError::Lost, |(_, error)| error), again)
            }
            (_, _) => Offer::Wait(self.join(slot, &mut state, now), None),
        }
    }

    /// A refresh for a `kid` that is in no set at hand: joins one under way, or begins one if the budget allows.
    pub fn refresh_for_unknown_kid(&self, slot: &Arc<Slot>, key_id: &KeyId, seen: &Snapshot) -> Option<Refresh> {
        self.bought(slot, seen, |state, now| state.budgets.buy_for_unknown_kid(key_id, now, state.counters.succeeded))
    }

    /// A refresh because a signature failed under every key it could have been made with.
    pub fn refresh_for_failed_signature(&self, slot: &Arc<Slot>, seen: &Snapshot) -> Option<Refresh> {
        self.bought(slot, seen, |state, now| state.budgets.buy_for_failed_signature(now))
    }

    fn bought(
        &self,
        slot: &Arc<Slot>,
        seen: &Snapshot,
        buy: impl FnOnce(&mut State, Duration) -> bool,
    ) -> Option<Refresh> {
        let now = self.clock.monotonic();
        let mut state = slot.state();
        if let Some(refresh) = &state.under_way {
            return Some(refresh.clone());
        }
        // Somebody else's refresh ended since: its answer is newer than what this request has seen.
        if let Some(newer) = slot.snapshot().filter(|newer| newer.refreshes > seen.refreshes) {
            return Some(Refresh { began: newer.began, done: watch::channel(Some(Ok(newer))).1 });
        }
        buy(&mut state, now).then(|| self.join(slot, &mut state, now))
    }

    /// `key_id` stayed unknown although a refresh was made for it.
    pub fn remember_unknown(&self, slot: &Slot, key_id: &KeyId) {
        let state = slot.state();
        state.budgets.remember_unknown(key_id, self.clock.monotonic(), state.counters.succeeded);
    }

    /// The failure since the last success, if there is one: why a key that ought to be there may not be.
    pub fn last_failure(&self, slot: &Slot) -> Option<(ProviderError, Duration)> {
        let now = self.clock.monotonic();
        let with_keys = slot.snapshot().is_some();
        let (failed, error) = slot.state().failed?;
        Some((error, failed.pause_ends(with_keys).saturating_sub(now)))
    }

    /// Refreshes whatever the age of the keys at hand, joining a refresh under way.
    pub fn refresh(&self, slot: &Arc<Slot>) -> Refresh {
        self.join(slot, &mut slot.state(), self.clock.monotonic())
    }

    /// The refresh under way, or a new one.
    fn join(&self, slot: &Arc<Slot>, state: &mut State, now: Duration) -> Refresh {
        if let Some(refresh) = &state.under_way {
            return refresh.clone();
        }
        let (sender, done) = watch::channel(None);
        let refresh = Refresh { began: now, done };
        state.under_way = Some(refresh.clone());
        state.counters.begun = state.counters.begun.saturating_add(1);
        let (slot, fetch, clock) = (Arc::clone(slot), Arc::clone(&self.fetch), Arc::clone(&self.clock));
        let asking = Asking {
            fetch,
            transport: Arc::clone(slot.source.transport()),
            at_hand: slot.snapshot(),
            deadline: after(REFRESH_DEADLINE),
        };
        let learned = state.learned.clone();
        let task = self.runtime.spawn(fetch_keys(asking, Arc::clone(&slot.source), learned, now));
        self.runtime.spawn(async move {
            // A panic in the task is a refresh without an answer; nobody waits for ever.
            let answer = task.await.unwrap_or(Err(ProviderError::Lost));
            let outcome = settle(&slot, answer, now, clock.monotonic());
            sender.send_replace(Some(outcome));
        });
        refresh
    }

    /// One line of facts per source, for operators.
    pub fn report(&self) -> Vec<SlotReport> {
        let now = self.clock.monotonic();
        let report = |(_, slot): (_, Arc<Slot>)| {
            let snapshot = slot.snapshot();
            let state = slot.state();
            SlotReport {
                source: Arc::clone(&slot.source),
                age: snapshot.as_ref().map(|snapshot| now.saturating_sub(snapshot.began)),
                snapshot,
                last_failure: state.failed.map(|(failed, error)| (now.saturating_sub(failed.ended), error)),
                counters: state.counters,
            }
        };
        self.slots.iter().map(report).collect()
    }
}

/// What is known of one source, for operators.
#[derive(Debug)]
#[allow(missing_docs)]
pub struct SlotReport {
    pub source: Arc<KeySource>,
    pub age: Option<Duration>,
    pub snapshot: Option<Arc<Snapshot>>,
    pub last_failure: Option<(Duration, ProviderError)>,
    pub counters: Counters,
}

struct Fetched {
    keys: Arc<KeySet>,
    advised: Option<Duration>,
    validator: Option<Validator>,
    not_modified: bool,
    learned: Option<(Endpoint, Duration)>,
}

/// Puts an answer into the slot. Only one refresh of a slot is under way at a time, so an older answer can never
/// replace a newer one.
fn settle(slot: &Slot, answer: Result<Fetched, ProviderError>, began: Duration, now: Duration) -> Outcome {
    let mut state = slot.state();
    state.under_way = None;
    match answer {
        Ok(Fetched { keys, advised, validator, not_modified, learned }) => {
            state.counters.succeeded = state.counters.succeeded.saturating_add(1);
            state.counters.not_modified = state.counters.not_modified.saturating_add(u64::from(not_modified));
            state.failed = None;
            state.learned = learned;
            let refreshes = state.counters.succeeded;
            let snapshot = Arc::new(Snapshot { keys, validator, began, advised, refreshes });
            *slot.snapshot.write().unwrap_or_else(PoisonError::into_inner) = Some(Arc::clone(&snapshot));
            Ok(snapshot)
        }
        Err(error) => {
            state.counters.failed = state.counters.failed.saturating_add(1);
            let in_a_row = state.failed.map_or(0, |(failed, _)| failed.in_a_row).saturating_add(1);
            state.failed = Some((FailedRefresh { began, ended: now, in_a_row }, error));
            Err(error)
        }
    }
}

/// One refresh: metadata where the source needs it, then keys, all within [`REFRESH_DEADLINE`].
async fn fetch_keys(
    asking: Asking,
    source: Arc<KeySource>,
    learned: Option<(Endpoint, Duration)>,
    now: Duration,
) -> Result<Fetched, ProviderError> {
    match source.origin() {
        Origin::Jwks(url) => asking.jwks(url, None).await,
        Origin::Inline(_) | Origin::File(_) => Err(ProviderError::Lost),
        Origin::Discovery(issuer) => {
            // Metadata is believed as long as a key set is; a provider that moves its keys is followed.
            if let Some((url, since)) = &learned
                && now.saturating_sub(*since) < freshness::MIN_LIFE
                && let Ok(fetched) = asking.jwks(url, learned.clone()).await
            {
                return Ok(fetched);
            }
            let share = if learned.is_some() { DISCOVERY_SHARE } else { REFRESH_DEADLINE };
            match (asking.discover(issuer, after(share).min(asking.deadline)).await, learned) {
                (Ok(url), _) => asking.jwks(&url.clone(), Some((url, now))).await,
                (Err(_), Some((url, since))) => asking.jwks(&url.clone(), Some((url, since))).await,
                (Err(error), None) => Err(error),
            }
        }
    }
}

/// What every request of one refresh has in common.
struct Asking {
    fetch: Arc<dyn Fetch>,
    transport: Arc<Transport>,
    /// The keys an entity tag may confirm.
    at_hand: Option<Arc<Snapshot>>,
    deadline: Instant,
}

impl Asking {
    async fn discover(&self, issuer: &Issuer, deadline: Instant) -> Result<Endpoint, ProviderError> {
        let (mut discovery, mut next) = Discovery::begin(issuer)?;
        loop {
            match next {
                Next::Found(endpoint) => return Ok(endpoint),
                Next::Fetch(url) => {
                    let response = self.get(&url, None, deadline).await.map_err(ProviderError::DiscoveryFetch)?;
                    next = discovery.answer(&response)?;
                }
            }
        }
    }

    async fn jwks(&self, url: &Endpoint, learned: Option<(Endpoint, Duration)>) -> Result<Fetched, ProviderError> {
        // An entity tag means something at the URL it came from only.
        let known = self.at_hand.as_ref().and_then(|snapshot| {
            snapshot.validator.as_ref().filter(|validator| validator.url == *url).map(|validator| (snapshot, validator))
        });
        let etag = known.map(|(_, validator)| validator.etag.as_str());
        let response = self.get(url, etag, self.deadline).await.map_err(ProviderError::JwksFetch)?;
        let advised = response.cache_control.as_deref().map(advised_life);
        let validator = response.etag.map(|etag| Validator { url: url.clone(), etag });
        match (response.status, known) {
            (200..=299, _) => {
                let keys = Arc::new(KeySet::parse(&response.body)?);
                Ok(Fetched { keys, advised: advised.flatten(), validator, not_modified: false, learned })
            }
            // RFC 9110 15.4.5: what 304 does not say anew stands as it was.
            (304, Some((snapshot, sent))) => Ok(Fetched {
                keys: Arc::clone(&snapshot.keys),
                advised: advised.unwrap_or(snapshot.advised),
                validator: Some(validator.unwrap_or_else(|| sent.clone())),
                not_modified: true,
                learned,
            }),
            (status, _) => Err(ProviderError::JwksStatus(status)),
        }
    }

    async fn get(&self, url: &Endpoint, etag: Option<&str>, deadline: Instant) -> Result<Response, FetchError> {
        let fetching = self.fetch.fetch(Request { url, transport: &self.transport, if_none_match: etag });
        tokio::time::timeout_at(deadline, fetching).await.unwrap_or(Err(FetchError::Timeout))
    }
}

fn after(duration: Duration) -> Instant {
    let now = Instant::now();
    now.checked_add(duration).unwrap_or(now)
}
