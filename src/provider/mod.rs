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
mod refresh;
pub mod snapshot;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::Duration;

use moka::sync::Cache;
use tokio::runtime::Handle;
use tokio::sync::watch;

use crate::key_id::KeyId;
use crate::keys::{KeySet, KeySetError};
use crate::policy::KeySource;
use crate::policy::endpoint::Endpoint;
use crate::time::{Clock, UnixSeconds};
use budget::{Budgets, Pacing};
use discovery::DiscoveryError;
use fetch::{Fetch, FetchError};
use freshness::{Advice, Facts, FailedRefresh, Lifetimes, advise, life};
use refresh::{Asking, Fetched, Validator, after};
use snapshot::{Kept, SnapshotError, SnapshotState};

/// How long one refresh may take: metadata, redirects and keys together.
pub const REFRESH_DEADLINE: Duration = Duration::from_secs(10);
/// How long the snapshot file may take to read, so that a slow disk does not keep a request from its answer.
const SNAPSHOT_FILE_DEADLINE: Duration = Duration::from_secs(1);
/// What the store's clock shows at its beginning: more than any stale bound, so that keys out of a snapshot file have a
/// time of fetch on it.
const BEGINNING: Duration = Duration::from_secs(30 * 24 * 60 * 60);
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
    #[error(transparent)]
    File(#[from] FileError),
    #[error("the refresh ended without an answer")]
    Lost,
}

/// Why a file of keys brought none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs)]
pub enum FileError {
    #[error("the file of keys cannot be read: {0}")]
    Unreadable(std::io::ErrorKind),
    #[error("the file of keys is not a regular file")]
    NotAFile,
    #[error("the file of keys is larger than is read")]
    TooLarge,
    #[error("the file of keys was not read in time")]
    Late,
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
    /// The keys as published, where a snapshot file wants them.
    public: Option<Arc<Vec<serde_json::Value>>>,
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
    /// How long the last asker lets keys live.
    asked: Lifetimes,
    snapshot_file: Option<SnapshotState>,
}

/// What is known of one source.
#[derive(Debug)]
pub struct Slot {
    source: Arc<KeySource>,
    ahead_percent: u32,
    snapshot: RwLock<Option<Arc<Snapshot>>>,
    state: Mutex<State>,
    /// How many refreshes had succeeded when the snapshot file was written last: an older one never replaces a newer.
    written: Mutex<u64>,
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
        Self { source, ahead_percent, snapshot: RwLock::new(None), state: Mutex::new(state), written: Mutex::new(0) }
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

/// A clock that begins at [`BEGINNING`].
struct Shifted(Arc<dyn Clock>);

impl Clock for Shifted {
    fn monotonic(&self) -> Duration {
        self.0.monotonic().saturating_add(BEGINNING)
    }

    fn wall(&self) -> UnixSeconds {
        self.0.wall()
    }
}

/// Slots, the network and the clock they live by.
pub struct KeyStore {
    slots: Cache<Arc<KeySource>, Arc<Slot>>,
    fetch: Arc<dyn Fetch>,
    clock: Arc<dyn Clock>,
    runtime: Handle,
    pacing: Pacing,
    changes: Arc<AtomicU64>,
    /// When everything was forgotten last: what a snapshot file remembers from before counts as forgotten too.
    cleared: Arc<Mutex<Option<UnixSeconds>>>,
}

impl std::fmt::Debug for KeyStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("KeyStore").finish_non_exhaustive()
    }
}

impl KeyStore {
    /// A store of its own. Refreshes run on `runtime`.
    pub fn new(fetch: Arc<dyn Fetch>, clock: Arc<dyn Clock>, runtime: Handle, pacing: Pacing) -> Self {
        let clock = Arc::new(Shifted(clock));
        Self {
            slots: Cache::new(MAX_SLOTS),
            fetch,
            clock,
            runtime,
            pacing,
            changes: Arc::default(),
            cleared: Arc::default(),
        }
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
        *self.cleared.lock().unwrap_or_else(PoisonError::into_inner) = Some(self.clock.wall());
        self.slots.invalidate_all();
        self.changes.fetch_add(1, Ordering::AcqRel);
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

    /// How long the keys at hand can be used without another look; zero without keys.
    pub fn fresh_for(&self, slot: &Slot, lifetimes: Lifetimes) -> Duration {
        let look = |snapshot: Arc<Snapshot>| {
            freshness::wants_a_look(snapshot.began, snapshot.advised, slot.ahead_percent, lifetimes)
        };
        slot.snapshot().map_or(Duration::ZERO, |snapshot| look(snapshot).saturating_sub(self.clock.monotonic()))
    }

    /// Counts every change of any keys: what was found out before the last one has to be found out again.
    pub fn changes(&self) -> u64 {
        self.changes.load(Ordering::Acquire)
    }

    /// The keys at hand, whatever their age: to say why a token is refused, never to accept one.
    pub fn at_hand(&self, slot: &Slot) -> Option<Arc<Snapshot>> {
        slot.snapshot()
    }

    /// Keys at hand after a refresh has failed: those of the snapshot file, unless they are too old for the asker.
    pub fn kept(&self, slot: &Slot, lifetimes: Lifetimes) -> Option<Arc<Snapshot>> {
        slot.snapshot().filter(|snapshot| self.may_serve(snapshot, lifetimes))
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
        state.asked = lifetimes;
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
        let mut state = slot.state();
        let refreshes = state.counters.succeeded;
        state.budgets.remember_unknown(key_id, self.clock.monotonic(), refreshes);
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
        let asking = Asking {
            fetch: Arc::clone(&self.fetch),
            source: Arc::clone(&slot.source),
            at_hand: slot.snapshot(),
            learned: state.learned.clone(),
            now,
            deadline: after(REFRESH_DEADLINE),
        };
        let ending = Ending {
            changes: Arc::clone(&self.changes),
            slot: Arc::clone(slot),
            slots: self.slots.clone(),
            clock: Arc::clone(&self.clock),
            cleared: Arc::clone(&self.cleared),
            began: now,
            began_at: self.clock.wall(),
        };
        let task = self.runtime.spawn(asking.run());
        self.runtime.spawn(async move {
            // A panic in the task is a refresh without an answer; nobody waits for ever.
            let answer = task.await.unwrap_or(Err(ProviderError::Lost));
            let kept = ending.kept(&answer).await;
            let outcome = ending.settle(answer, kept);
            sender.send_replace(Some(outcome.clone()));
            if let Ok(snapshot) = outcome {
                ending.keep(&snapshot).await;
            }
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
                life_left: snapshot.as_ref().map(|snapshot| {
                    let life_ends = snapshot.began.saturating_add(life(snapshot.advised, state.asked));
                    life_ends.saturating_sub(now)
                }),
                snapshot,
                last_failure: state.failed.map(|(failed, error)| (now.saturating_sub(failed.ended), error)),
                counters: state.counters,
                snapshot_file: state.snapshot_file,
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
    /// Until the keys are asked for again, as the last asker lets them live.
    pub life_left: Option<Duration>,
    pub snapshot_file: Option<SnapshotState>,
}

/// What is done when a refresh ends.
struct Ending {
    slot: Arc<Slot>,
    changes: Arc<AtomicU64>,
    slots: Cache<Arc<KeySource>, Arc<Slot>>,
    clock: Arc<dyn Clock>,
    cleared: Arc<Mutex<Option<UnixSeconds>>>,
    began: Duration,
    began_at: UnixSeconds,
}

impl Ending {
    /// After a failure without keys at hand: what the snapshot file has, if there is one.
    async fn kept(&self, answer: &Result<Fetched, ProviderError>) -> Option<Result<Kept, SnapshotError>> {
        let path = self.slot.source.snapshot_file()?.to_owned();
        if answer.is_ok() || self.slot.snapshot().is_some() {
            return None;
        }
        let (source, now) = (Arc::clone(&self.slot.source), self.clock.wall());
        let cleared = *self.cleared.lock().unwrap_or_else(PoisonError::into_inner);
        let reading = tokio::task::spawn_blocking(move || snapshot::read(&path, &source, now, cleared));
        let late = Err(SnapshotError::Read(std::io::ErrorKind::TimedOut));
        Some(tokio::time::timeout(SNAPSHOT_FILE_DEADLINE, reading).await.ok().and_then(Result::ok).unwrap_or(late))
    }

    /// Puts an answer into the slot. Only one refresh of a slot is under way at a time, so an older answer can never
    /// replace a newer one.
    fn settle(&self, answer: Result<Fetched, ProviderError>, kept: Option<Result<Kept, SnapshotError>>) -> Outcome {
        let (slot, now) = (&self.slot, self.clock.monotonic());
        let mut state = slot.state();
        state.under_way = None;
        let hold = |snapshot: Snapshot| {
            let snapshot = Arc::new(snapshot);
            *slot.snapshot.write().unwrap_or_else(PoisonError::into_inner) = Some(Arc::clone(&snapshot));
            self.changes.fetch_add(1, Ordering::AcqRel);
            snapshot
        };
        match answer {
            Ok(Fetched { keys, advised, validator, not_modified, learned, public }) => {
                state.counters.succeeded = state.counters.succeeded.saturating_add(1);
                state.counters.not_modified = state.counters.not_modified.saturating_add(u64::from(not_modified));
                state.failed = None;
                state.learned = learned;
                let refreshes = state.counters.succeeded;
                Ok(hold(Snapshot { keys, validator, began: self.began, advised, refreshes, public }))
            }
            Err(error) => {
                state.counters.failed = state.counters.failed.saturating_add(1);
                let in_a_row = state.failed.map_or(0, |(failed, _)| failed.in_a_row).saturating_add(1);
                state.failed = Some((FailedRefresh { began: self.began, ended: now, in_a_row }, error));
                match kept {
                    None => {}
                    Some(Err(error)) => state.snapshot_file = Some(SnapshotState::Failed(error)),
                    Some(Ok(Kept { keys, fetched_at, age })) => {
                        state.snapshot_file = Some(SnapshotState::Used(fetched_at));
                        hold(Snapshot {
                            keys: Arc::new(keys),
                            validator: None,
                            // The stale bound counts from when the provider was asked, by whichever process.
                            began: now.saturating_sub(age),
                            advised: None,
                            refreshes: state.counters.succeeded,
                            public: None,
                        });
                    }
                }
                // Whether keys out of a file are too old is for each asker to say: see `KeyStore::kept`.
                Err(error)
            }
        }
    }

    /// Writes the snapshot file, after everybody has their answer.
    async fn keep(&self, snapshot: &Arc<Snapshot>) {
        let Some((path, public)) = self.slot.source.snapshot_file().zip(snapshot.public.clone()) else { return };
        // A slot that was cleared away while it was asking is nobody's any more.
        if !self.slots.get(&self.slot.source).is_some_and(|slot| Arc::ptr_eq(&slot, &self.slot)) {
            return;
        }
        let (slot, path, fetched_at, refreshes) =
            (Arc::clone(&self.slot), path.to_owned(), self.began_at, snapshot.refreshes);
        let write = move || {
            let mut written = slot.written.lock().unwrap_or_else(PoisonError::into_inner);
            if *written < refreshes {
                *written = refreshes;
                let result = snapshot::write(&path, &slot.source, fetched_at, public.to_vec());
                let state = result.map_or_else(SnapshotState::Failed, |()| SnapshotState::Written(fetched_at));
                slot.state().snapshot_file = Some(state);
            }
        };
        // It only fails by a panic, and then the file is as it was.
        let _ = tokio::task::spawn_blocking(write).await;
    }
}
