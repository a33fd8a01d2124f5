//! The state of one source of keys: the keys at hand, how the last refresh ended, and the budgets for the next.

use std::sync::atomic::AtomicUsize;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, RwLock};
use std::time::Duration;

use tokio::sync::watch;

use super::ProviderError;
use super::budget::{Budgets, Pacing, Trigger};
use super::freshness::{FailedRefresh, Lifetimes, life};
use super::refresh::{Learned, Validator};
use super::snapshot_file::{SnapshotFileState, binding};
use crate::keys::jwk::SkipReason;
use crate::keys::{KeySet, KeySetError};
use crate::policy::KeySource;
use crate::policy::source::Origin;
use crate::time::{Moment, UnixSeconds};

/// A key set as it was fetched.
#[derive(Debug)]
pub struct Snapshot {
    pub(super) keys: Arc<KeySet>,
    /// Its entity tag and URL, to ask whether it is still current.
    pub(super) validator: Option<Validator>,
    /// When the refresh that brought it began to ask the provider, by both clocks; of a refresh of another process as well.
    pub(super) began: Duration,
    pub(super) began_at: UnixSeconds,
    /// By how much earlier that may have been: the clock of another replica says when.
    pub(super) uncertain: Duration,
    pub(super) advised: Option<Duration>,
    pub(super) refreshes: u64,
    /// The keys as published, where a snapshot file or other replicas want them.
    pub(super) public: Option<Arc<Vec<serde_json::Value>>>,
}

impl Snapshot {
    /// The keys.
    pub fn keys(&self) -> &KeySet {
        &self.keys
    }

    /// When the refresh began, on the monotonic clock as of `now`: if the machine has slept since, earlier than it was
    /// read then.
    pub(super) fn began_as_seen_at(&self, now: Moment) -> Duration {
        Moment { monotonic: self.began, wall: self.began_at }.as_seen_at(now)
    }

    /// Whether results based on `older` remain valid for as long as was computed then: the keys are the same and need a
    /// refresh no sooner. A life that was shortened by less than the time passed since ends no sooner.
    pub(super) fn confirms(&self, older: &Self) -> bool {
        let shortened = older.advised.unwrap_or_default().saturating_sub(self.advised.unwrap_or_default());
        self.began.checked_sub(older.began).is_some_and(|passed| shortened <= passed)
            && (Arc::ptr_eq(&self.keys, &older.keys) || self.keys.is_same(&older.keys))
    }

    /// How many snapshots the slot had had with this one.
    pub const fn refreshes(&self) -> u64 {
        self.refreshes
    }

    /// From when on, at the earliest, the provider was asked for it: what it published before is in it.
    pub const fn began(&self) -> Duration {
        self.began.saturating_sub(self.uncertain)
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
    /// Those of the successful ones that the provider answered with 304: the same keys.
    pub not_modified: u64,
    /// Keys that came from another replica instead.
    pub imported: u64,
}

impl Counters {
    /// How many snapshots there have been.
    pub(super) const fn snapshots(&self) -> u64 {
        self.succeeded.saturating_add(self.imported)
    }
}

/// How a refresh ended.
pub type RefreshResult = Result<Arc<Snapshot>, ProviderError>;

/// A refresh that can be waited for.
#[derive(Debug, Clone)]
pub struct Refresh {
    pub(super) began: Duration,
    pub(super) done: watch::Receiver<Option<RefreshResult>>,
}

impl Refresh {
    /// Waits until the refresh ends. It ends at [`super::REFRESH_DEADLINE`] at the latest.
    ///
    /// # Errors
    /// [`ProviderError`].
    pub async fn wait(mut self) -> RefreshResult {
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

/// What changes under the lock of a slot.
#[derive(Debug)]
pub(super) struct State {
    pub(super) under_way: Option<Refresh>,
    /// What the refresh under way was begun for, which says what budget it took from.
    pub(super) trigger: Trigger,
    pub(super) failed: Option<(FailedRefresh, ProviderError)>,
    /// When that was, by the wall clock.
    pub(super) failed_at: Option<UnixSeconds>,
    /// The host of that failure.
    pub(super) failed_host: Option<Arc<str>>,
    pub(super) budgets: Budgets,
    /// The metadata discovery found last, and when.
    pub(super) learned: Option<Learned>,
    pub(super) counters: Counters,
    /// The lifetimes of the policy that asked last.
    pub(super) asked: Lifetimes,
    /// The shortest lifetimes of the policies that wait for the refresh under way, as far as they are known.
    pub(super) waiting_for: Option<Lifetimes>,
    pub(super) snapshot_file: Option<SnapshotFileState>,
}

impl State {
    /// The failure since the last success, on the monotonic clock as of `now`: if the machine has slept since, earlier
    /// than it was read then.
    pub(super) fn failed_as_seen_at(&self, now: Moment) -> Option<(FailedRefresh, ProviderError)> {
        let ((failed, error), wall) = self.failed.zip(self.failed_at)?;
        let ended = Moment { monotonic: failed.ended, wall }.as_seen_at(now);
        let slept = failed.ended.saturating_sub(ended);
        Some((FailedRefresh { began: failed.began.saturating_sub(slept), ended, ..failed }, error))
    }
}

/// One source's keys and state.
#[derive(Debug)]
pub struct Slot {
    pub(super) source: Arc<KeySource>,
    /// What the source is called among replicas.
    name: OnceLock<Arc<str>>,
    pub(super) ahead_percent: u32,
    pub(super) snapshot: RwLock<Option<Arc<Snapshot>>>,
    pub(super) state: Mutex<State>,
    /// How many refreshes had succeeded when the snapshot file was written last: an older snapshot never replaces a
    /// newer one.
    pub(super) written: Mutex<u64>,
    /// Counts the refreshes begun, for those who wait for one.
    pub(super) begun: watch::Sender<u64>,
    /// How many wait for the next refresh that the budgets allow.
    pub(super) waiting: AtomicUsize,
}

impl Slot {
    pub(super) fn new(source: Arc<KeySource>, ahead_percent: u32, pacing: Pacing) -> Self {
        let state = State {
            under_way: None,
            trigger: Trigger::Scheduled,
            failed_host: None,
            failed: None,
            failed_at: None,
            budgets: Budgets::new(pacing),
            learned: None,
            counters: Counters::default(),
            asked: Lifetimes::default(),
            waiting_for: None,
            snapshot_file: None,
        };
        Self {
            source,
            name: OnceLock::new(),
            ahead_percent,
            snapshot: RwLock::new(None),
            state: Mutex::new(state),
            written: Mutex::new(0),
            begun: watch::Sender::new(0),
            waiting: AtomicUsize::new(0),
        }
    }

    /// The issuer whose metadata lead to the keys, where metadata do.
    pub fn issuer(&self) -> Option<&str> {
        match self.source.origin() {
            Origin::Discovery(issuer) => Some(issuer.configured()),
            Origin::Jwks(_) | Origin::Inline(_) | Origin::File(_) => None,
        }
    }

    /// The name of its source among replicas: a digest of everything that decides which answer may be trusted.
    pub(super) fn name(&self) -> &Arc<str> {
        self.name.get_or_init(|| binding(&self.source).into())
    }

    /// The keys at hand, whatever their age. Whether they may be used is for [`KeyStore::offer`] to say.
    pub(super) fn snapshot(&self) -> Option<Arc<Snapshot>> {
        self.snapshot.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        // Every change under the lock is a plain assignment: a panic elsewhere leaves nothing half-done.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Its report for operators.
    pub(super) fn report(&self, now: Moment) -> SlotReport {
        let began = |snapshot: &Arc<Snapshot>| snapshot.began_as_seen_at(now);
        let seen_at = now;
        let now = now.monotonic;
        let snapshot = self.snapshot();
        let state = self.state();
        SlotReport {
            source: Arc::clone(&self.source),
            age: snapshot.as_ref().map(|snapshot| now.saturating_sub(began(snapshot))),
            life_left: snapshot.as_ref().map(|snapshot| {
                let life_ends = began(snapshot).saturating_add(life(snapshot.advised, state.asked));
                life_ends.saturating_sub(now)
            }),
            stale_left: snapshot
                .as_ref()
                .map(|snapshot| began(snapshot).saturating_add(state.asked.stale_bound).saturating_sub(now)),
            under_way: state.under_way.is_some(),
            next_attempt: state
                .failed_as_seen_at(seen_at)
                .map(|(failed, _)| failed.pause_ends(snapshot.is_some()).saturating_sub(now)),
            snapshot,
            last_failure: state
                .failed_as_seen_at(seen_at)
                .map(|(failed, error)| (now.saturating_sub(failed.ended), error)),
            failed_host: state.failed_host.clone(),
            counters: state.counters,
            snapshot_file: state.snapshot_file,
        }
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
    /// The host of that failure: the provider's or the proxy's.
    pub failed_host: Option<Arc<str>>,
    pub counters: Counters,
    /// Until the keys' life ends, by the lifetimes of the policy that asked last.
    pub life_left: Option<Duration>,
    /// Until they are not used at all, by the same lifetimes.
    pub stale_left: Option<Duration>,
    /// Whether a refresh is under way.
    pub under_way: bool,
    /// After a failure: until the next scheduled refresh may begin, which a request or a good slot in use begins.
    pub next_attempt: Option<Duration>,
    pub snapshot_file: Option<SnapshotFileState>,
}

impl SlotReport {
    /// Why the entries of the newest set are not used, where none of them is: the first few, in the set's order.
    pub fn unusable(&self) -> impl Iterator<Item = SkipReason> {
        let reasons = match self.last_failure {
            Some((_, ProviderError::JwksDocument(KeySetError::NoUsableKey(reasons)))) => Some(reasons),
            _ => None,
        };
        reasons.unwrap_or_default().reasons().collect::<Vec<_>>().into_iter()
    }
}
