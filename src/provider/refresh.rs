//! One refresh of a slot: metadata where the source needs it, then keys, then the slot and the snapshot file.

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use moka::sync::Cache;
use serde_json::Value;
use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::time::Instant;

use super::asker::Asker;
use super::discovery::Metadata;
use super::fetch::{Document, Fetch, Request};
use super::freshness::{self, FailedRefresh, advised_life};
use super::slot::{RefreshResult, Slot, Snapshot, State};
use super::snapshot_file::{self, SnapshotFileError, SnapshotFileState, StoredKeys};
use super::{EXCHANGE_DEADLINE, FileError, ProviderError, REFRESH_DEADLINE, after, key_file};
use crate::keys::{self, KeySet};
use crate::policy::KeySource;
use crate::policy::endpoint::Endpoint;
use crate::policy::issuer::Issuer;
use crate::policy::source::Origin;
use crate::time::{Clock, Moment, UnixSeconds};

/// How much of a refresh metadata may take when an older `jwks_uri` is known: broken discovery must not block keys.
const DISCOVERY_SHARE: Duration = Duration::from_secs(4);
/// How long the snapshot file may take to read, so that a slow disk does not keep a request from its answer.
const SNAPSHOT_FILE_DEADLINE: Duration = Duration::from_secs(1);

/// An entity tag (RFC 9110 8.8.3) and the URL it came from.
#[derive(Debug, Clone)]
pub struct Validator {
    url: Endpoint,
    etag: String,
}

/// Keys that a refresh brought.
struct Fetched {
    keys: Arc<KeySet>,
    /// The life the provider advises.
    advised: Option<Duration>,
    validator: Option<Validator>,
    /// Whether the provider answered 304: the keys at hand are still the current ones.
    not_modified: bool,
    /// The keys as published, where a snapshot file wants them.
    public: Option<Arc<Vec<Value>>>,
}

impl Fetched {
    fn of(keys: KeySet) -> Self {
        let keys = Arc::new(keys);
        Self { keys, advised: None, validator: None, not_modified: false, public: None }
    }
}

/// What the requests of a refresh brought.
struct RefreshAnswer {
    fetched: Result<Fetched, ProviderError>,
    /// The metadata discovery found: kept for the next refresh, even if this one got no keys by it.
    learned: Option<Learned>,
}

/// Metadata that discovery found, and when.
pub type Learned = (Arc<Metadata>, Moment);

/// What the refreshes of a key store share.
pub struct RefreshContext {
    pub slots: Cache<Arc<KeySource>, Arc<Slot>>,
    pub fetch: Arc<dyn Fetch>,
    pub clock: Arc<dyn Clock>,
    /// Counts the changes of keys, and of how long they can be used.
    pub changes: AtomicU64,
    /// When the store was cleared last: the keys of an older snapshot file are not used.
    pub cleared: Mutex<Option<UnixSeconds>>,
}

/// One refresh of a slot. A slot has one at a time, so that an older answer never replaces a newer one.
pub struct RefreshTask {
    context: Arc<RefreshContext>,
    slot: Arc<Slot>,
    /// When it began.
    began: Moment,
    /// When its requests end, whatever happens.
    deadline: Instant,
    /// The keys an entity tag may confirm.
    at_hand: Option<Arc<Snapshot>>,
    /// What discovery found last.
    learned: Option<Learned>,
    asker: Asker,
}

impl RefreshTask {
    /// A refresh that begins at `began`.
    pub fn new(context: &Arc<RefreshContext>, slot: &Arc<Slot>, learned: Option<Learned>, began: Moment) -> Self {
        Self {
            context: Arc::clone(context),
            slot: Arc::clone(slot),
            began,
            deadline: after(REFRESH_DEADLINE),
            at_hand: slot.snapshot(),
            learned,
            asker: Asker {
                fetch: Arc::clone(&context.fetch),
                transport: Arc::clone(slot.source.transport()),
                asked: Arc::default(),
            },
        }
    }

    /// Runs the refresh on `runtime`; `done` gets its result before the snapshot file is written.
    pub fn spawn(self, runtime: &Handle, done: watch::Sender<Option<RefreshResult>>) {
        let task = Arc::new(self);
        let fetching = runtime.spawn(Arc::clone(&task).fetch());
        runtime.spawn(async move {
            // A panic in the requests is a refresh without an answer; nobody waits for ever.
            let lost = |_| RefreshAnswer { fetched: Err(ProviderError::Lost), learned: None };
            let answer = fetching.await.unwrap_or_else(lost);
            let stored = task.read_snapshot_file(&answer).await;
            let result = task.settle(answer, stored);
            done.send_replace(Some(result.clone()));
            if let Ok(snapshot) = result {
                task.write_snapshot_file(&snapshot).await;
            }
        });
    }

    /// Metadata where the source needs it, then keys.
    async fn fetch(self: Arc<Self>) -> RefreshAnswer {
        let (fetched, learned) = match self.slot.source.origin() {
            Origin::Jwks(url) => (self.jwks(url).await, None),
            Origin::Discovery(issuer) => self.discovered(issuer).await,
            Origin::Inline(text) => (KeySet::parse(text.as_bytes()).map(Fetched::of).map_err(Into::into), None),
            Origin::File(path) => (self.file(path).await, None),
        };
        RefreshAnswer { fetched, learned }
    }

    async fn file(&self, path: &Path) -> Result<Fetched, ProviderError> {
        let (path, most) = (path.to_owned(), self.slot.source.transport().max_body_bytes);
        let reading = tokio::task::spawn_blocking(move || key_file::read(&path, most));
        let text = tokio::time::timeout_at(self.within(EXCHANGE_DEADLINE), reading).await;
        let text = text.map_err(|_| FileError::Late)?.map_err(|_| ProviderError::Lost)??;
        Ok(Fetched::of(KeySet::parse(&text)?))
    }

    async fn discovered(&self, issuer: &Issuer) -> (Result<Fetched, ProviderError>, Option<Learned>) {
        // Metadata is used as long as a key set; a provider that moves its keys is followed at once.
        if let Some((metadata, since)) = &self.learned
            && since.age_at(self.began) < freshness::MIN_LIFE
            && let Ok(fetched) = self.jwks(&metadata.keys).await
        {
            return (Ok(fetched), self.learned.clone());
        }
        let end = self.learned.is_some().then(|| self.within(DISCOVERY_SHARE));
        let learned = match (
            self.asker.metadata(issuer, || end.unwrap_or_else(|| self.within(EXCHANGE_DEADLINE))).await,
            &self.learned,
        ) {
            (Ok(metadata), _) => (Arc::new(metadata), self.began),
            (Err(_), Some(learned)) => learned.clone(),
            (Err(error), None) => return (Err(error), None),
        };
        (self.jwks(&learned.0.keys).await, Some(learned))
    }

    /// The moment so far from now, the end of the whole refresh at the latest.
    fn within(&self, duration: Duration) -> Instant {
        after(duration).min(self.deadline)
    }

    async fn jwks(&self, url: &Endpoint) -> Result<Fetched, ProviderError> {
        // An entity tag means something at the URL it came from only.
        let known = self.at_hand.as_ref().and_then(|snapshot| {
            snapshot.validator.as_ref().filter(|validator| validator.url == *url).map(|validator| (snapshot, validator))
        });
        let etag = known.map(|(_, validator)| validator.etag.as_str());
        let deadline = self.within(EXCHANGE_DEADLINE);
        let transport = self.slot.source.transport();
        let request = Request { if_none_match: etag, ..Request::get(url, transport, Document::Keys, deadline) };
        let response = self.asker.send(request).await.map_err(ProviderError::JwksFetch)?;
        let advised = response.cache_control.as_deref().map(advised_life);
        let validator = response.etag.map(|etag| Validator { url: url.clone(), etag });
        match (response.status, known) {
            (200..=299, _) => {
                let entries = keys::entries(&response.body)?;
                let keys = KeySet::import(&entries)?;
                let wanted = self.slot.source.snapshot_file().is_some();
                let public = wanted.then(|| Arc::new(snapshot_file::public_keys(&entries, &keys)));
                Ok(Fetched { advised: advised.flatten(), validator, public, ..Fetched::of(keys) })
            }
            // RFC 9110 15.4.5: what a 304 does not say anew remains as it was.
            (304, Some((snapshot, sent))) => Ok(Fetched {
                keys: Arc::clone(&snapshot.keys),
                advised: advised.unwrap_or(snapshot.advised),
                validator: Some(validator.unwrap_or_else(|| sent.clone())),
                not_modified: true,
                public: snapshot.public.clone(),
            }),
            (status, _) => Err(ProviderError::JwksStatus(status)),
        }
    }

    /// Reads the snapshot file, if there is one, after a failure without keys at hand.
    async fn read_snapshot_file(&self, answer: &RefreshAnswer) -> Option<Result<StoredKeys, SnapshotFileError>> {
        let path = self.slot.source.snapshot_file()?.to_owned();
        if answer.fetched.is_ok() || self.slot.snapshot().is_some() {
            return None;
        }
        let (source, now) = (Arc::clone(&self.slot.source), self.context.clock.wall());
        let cleared = *self.context.cleared.lock().unwrap_or_else(PoisonError::into_inner);
        let reading = tokio::task::spawn_blocking(move || snapshot_file::read(&path, &source, now, cleared));
        let late = Err(SnapshotFileError::Read(std::io::ErrorKind::TimedOut));
        Some(tokio::time::timeout(SNAPSHOT_FILE_DEADLINE, reading).await.ok().and_then(Result::ok).unwrap_or(late))
    }

    /// Puts the answer into the slot, all of it under the slot's lock.
    fn settle(&self, answer: RefreshAnswer, stored: Option<Result<StoredKeys, SnapshotFileError>>) -> RefreshResult {
        let now = self.context.clock.monotonic();
        let mut state = self.slot.state();
        state.under_way = None;
        if answer.learned.is_some() {
            state.learned = answer.learned;
        }
        match answer.fetched {
            Ok(fetched) => Ok(self.succeed(&mut state, fetched)),
            Err(error) => {
                self.fail(&mut state, error, now);
                match stored {
                    None => {}
                    Some(Err(error)) => state.snapshot_file = Some(SnapshotFileState::Failed(error)),
                    Some(Ok(stored)) => self.use_stored(&mut state, stored, now),
                }
                // Whether stored keys are too old is for each asker to say: see `KeyStore::kept`.
                Err(error)
            }
        }
    }

    fn succeed(&self, state: &mut State, fetched: Fetched) -> Arc<Snapshot> {
        let Fetched { keys, advised, validator, not_modified, public } = fetched;
        state.counters.succeeded = state.counters.succeeded.saturating_add(1);
        state.counters.not_modified = state.counters.not_modified.saturating_add(u64::from(not_modified));
        state.failed = None;
        state.failed_host = None;
        let refreshes = state.counters.succeeded;
        if !not_modified {
            let older = self.slot.snapshot();
            state.budgets.missing.replaced(older.as_ref().map(|older| older.keys()), &keys, self.began);
        }
        let Moment { monotonic: began, wall: began_at } = self.began;
        self.replace_snapshot(Snapshot { keys, validator, began, began_at, advised, refreshes, public })
    }

    fn fail(&self, state: &mut State, error: ProviderError, now: Duration) {
        state.counters.failed = state.counters.failed.saturating_add(1);
        state.budgets.refund(state.trigger);
        let in_a_row = state.failed.map_or(0, |(failed, _)| failed.in_a_row).saturating_add(1);
        state.failed = Some((FailedRefresh { began: self.began.monotonic, ended: now, in_a_row }, error));
        state.failed_at = Some(self.context.clock.wall());
        let asked = self.asker.asked.lock().unwrap_or_else(PoisonError::into_inner).take();
        state.failed_host = asked.map(Arc::from);
    }

    fn use_stored(&self, state: &mut State, stored: StoredKeys, now: Duration) {
        let StoredKeys { keys, fetched_at, age } = stored;
        state.snapshot_file = Some(SnapshotFileState::Used(fetched_at));
        self.replace_snapshot(Snapshot {
            keys: Arc::new(keys),
            validator: None,
            // The stale bound counts from when the provider was asked, by whichever process.
            began: now.saturating_sub(age),
            began_at: fetched_at,
            advised: None,
            refreshes: state.counters.succeeded,
            public: None,
        });
    }

    fn replace_snapshot(&self, snapshot: Snapshot) -> Arc<Snapshot> {
        let snapshot = Arc::new(snapshot);
        let mut current = self.slot.snapshot.write().unwrap_or_else(PoisonError::into_inner);
        let older = current.replace(Arc::clone(&snapshot));
        drop(current);
        // Most refreshes bring what was there. They must not count as changes: with many sources nothing found before
        // could ever be used again.
        if !older.is_some_and(|older| snapshot.confirms(&older)) {
            self.context.changes.fetch_add(1, Ordering::AcqRel);
        }
        snapshot
    }

    /// Writes the snapshot file, after everybody has their answer.
    async fn write_snapshot_file(&self, snapshot: &Arc<Snapshot>) {
        let Some((path, public)) = self.slot.source.snapshot_file().zip(snapshot.public.clone()) else { return };
        // The store may have been cleared meanwhile: then the slot is no longer one of its own.
        if !self.context.slots.get(&self.slot.source).is_some_and(|slot| Arc::ptr_eq(&slot, &self.slot)) {
            return;
        }
        let (slot, path, fetched_at, refreshes) =
            (Arc::clone(&self.slot), path.to_owned(), self.began.wall, snapshot.refreshes);
        let write = move || {
            let mut written = slot.written.lock().unwrap_or_else(PoisonError::into_inner);
            if *written < refreshes {
                *written = refreshes;
                let result = snapshot_file::write(&path, &slot.source, fetched_at, public.to_vec());
                let state = result.map_or_else(SnapshotFileState::Failed, |()| SnapshotFileState::Written(fetched_at));
                slot.state().snapshot_file = Some(state);
            }
        };
        // It only fails by a panic, and then the file is as it was.
        let _ = tokio::task::spawn_blocking(write).await;
    }
}
