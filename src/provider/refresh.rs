//! One refresh of a slot: a look at what other replicas have, metadata where the source needs it, then keys, then the slot, the other
//! replicas and the snapshot file.

use std::path::Path;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::time::Instant;

use super::asker::Asker;
use super::context::RefreshContext;
use super::discovery::Metadata;
use super::fetch::{Document, Request};
use super::freshness::{self, FailedRefresh, advised_life};
use super::shared_keys::{self, SharedKeys};
use super::sharing::{Found, KeyExchange};
use super::slot::{RefreshResult, Slot, Snapshot, State};
use super::snapshot_file::{self, SnapshotFileError, SnapshotFileState, StoredKeys};
use super::{EXCHANGE_DEADLINE, FileError, ProviderError, REFRESH_DEADLINE, after, key_file};
use crate::base64url::encode;
use crate::keys::signature::sha256;
use crate::keys::{self, KeySet};
use crate::policy::endpoint::Endpoint;
use crate::policy::issuer::Issuer;
use crate::policy::source::Origin;
use crate::time::Moment;

/// How much of a refresh metadata may take when an older `jwks_uri` is known: broken discovery must not block keys.
const DISCOVERY_SHARE: Duration = Duration::from_secs(4);
/// How long the snapshot file may take to read, so that a slow disk does not keep a request from its answer.
const SNAPSHOT_FILE_DEADLINE: Duration = Duration::from_secs(1);

/// An entity tag (RFC 9110 8.8.3) and a digest of the URL it came from, without its password: replicas share this.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Validator {
    url: String,
    pub etag: String,
}

fn digest(url: &Endpoint) -> String {
    encode(&sha256(url.without_password().as_bytes()))
}

/// Keys that a refresh brought.
struct Fetched {
    keys: Arc<KeySet>,
    /// The life the provider advises.
    advised: Option<Duration>,
    validator: Option<Validator>,
    /// Whether the provider answered 304: the keys at hand are still the current ones.
    not_modified: bool,
    /// The keys as published, where a snapshot file or other replicas want them.
    public: Option<Arc<Vec<Value>>>,
}

impl Fetched {
    fn of(keys: KeySet) -> Self {
        let keys = Arc::new(keys);
        Self { keys, advised: None, validator: None, not_modified: false, public: None }
    }
}

/// Keys, from whom they came.
enum Brought {
    Provider(Result<Fetched, ProviderError>),
    Replica(SharedKeys),
}

/// What the requests of a refresh brought.
struct RefreshAnswer {
    brought: Brought,
    /// When the provider was asked.
    asked: Moment,
    /// Keys of another replica, for the case that the provider failed.
    fallback: Option<SharedKeys>,
    /// The metadata discovery found: kept for the next refresh, even if this one got no keys by it.
    learned: Option<Learned>,
}

/// Metadata that discovery found, and when.
pub type Learned = (Arc<Metadata>, Moment);

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
    /// Where replicas share keys, if they do.
    exchange: Option<Arc<KeyExchange>>,
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
            exchange: match slot.source.origin() {
                Origin::Jwks(_) | Origin::Discovery(_) => context.sharing.current(),
                // Each has its own already.
                Origin::Inline(_) | Origin::File(_) => None,
            },
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
            let lost = |_| RefreshAnswer {
                brought: Brought::Provider(Err(ProviderError::Lost)),
                asked: task.began,
                fallback: None,
                learned: None,
            };
            let answer = fetching.await.unwrap_or_else(lost);
            let stored = task.read_snapshot_file(&answer).await;
            let (result, is_news) = task.settle(answer, stored);
            done.send_replace(Some(result.clone()));
            task.share(&result, is_news);
            if let Ok(snapshot) = result {
                task.write_snapshot_file(&snapshot).await;
            }
        });
    }

    /// What other replicas have; else metadata where the source needs it, then keys.
    async fn fetch(self: Arc<Self>) -> RefreshAnswer {
        let (asked, fallback) = match &self.exchange {
            None => (self.began, None),
            Some(exchange) => match exchange.look(&self.slot).await {
                Found { fresh: Some(keys), .. } => {
                    let brought = Brought::Replica(keys);
                    return RefreshAnswer { brought, asked: self.began, fallback: None, learned: None };
                }
                Found { fresh: None, fallback } => (Moment::now(&*self.context.clock), fallback),
            },
        };
        let (fetched, learned) = match self.slot.source.origin() {
            Origin::Jwks(url) => (self.jwks(url).await, None),
            Origin::Discovery(issuer) => self.discovered(issuer).await,
            Origin::Inline(text) => (KeySet::parse(text.as_bytes()).map(Fetched::of).map_err(Into::into), None),
            Origin::File(path) => (self.file(path).await, None),
        };
        RefreshAnswer { brought: Brought::Provider(fetched), asked, fallback, learned }
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
        let here = digest(url);
        // Nor does one of keys that the others want and that were not kept as published.
        let is_whole = |snapshot: &&Arc<Snapshot>| self.exchange.is_none() || snapshot.public.is_some();
        let known = self.at_hand.as_ref().filter(is_whole).and_then(|snapshot| {
            snapshot.validator.as_ref().filter(|validator| validator.url == here).map(|validator| (snapshot, validator))
        });
        let etag = known.map(|(_, validator)| validator.etag.as_str());
        let deadline = self.within(EXCHANGE_DEADLINE);
        let transport = self.slot.source.transport();
        let request = Request { if_none_match: etag, ..Request::get(url, transport, Document::Keys, deadline) };
        let response = self.asker.send(request).await.map_err(ProviderError::JwksFetch)?;
        let advised = response.cache_control.as_deref().map(advised_life);
        let validator = response.etag.map(|etag| Validator { url: here.clone(), etag });
        match (response.status, known) {
            (200..=299, _) => {
                let entries = keys::entries(&response.body)?;
                let keys = KeySet::import(&entries)?;
                let wanted = self.slot.source.snapshot_file().is_some() || self.exchange.is_some();
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
        if !matches!(answer.brought, Brought::Provider(Err(_))) || self.slot.snapshot().is_some() {
            return None;
        }
        let (source, now) = (Arc::clone(&self.slot.source), self.context.clock.wall());
        let cleared = *self.context.cleared.lock().unwrap_or_else(PoisonError::into_inner);
        let reading = tokio::task::spawn_blocking(move || snapshot_file::read(&path, &source, now, cleared));
        let late = Err(SnapshotFileError::Read(std::io::ErrorKind::TimedOut));
        Some(tokio::time::timeout(SNAPSHOT_FILE_DEADLINE, reading).await.ok().and_then(Result::ok).unwrap_or(late))
    }

    /// Puts the answer into the slot, all of it under the slot's lock. Gives the result, and whether the provider's keys are news.
    fn settle(
        &self,
        answer: RefreshAnswer,
        stored: Option<Result<StoredKeys, SnapshotFileError>>,
    ) -> (RefreshResult, Option<bool>) {
        let now = self.context.clock.monotonic();
        let mut state = self.slot.state();
        state.under_way = None;
        if answer.learned.is_some() {
            state.learned = answer.learned;
        }
        match answer.brought {
            Brought::Replica(keys) => {
                let trigger = state.trigger;
                state.budgets.cancel(trigger, now);
                let taken = self.context.take_shared(&self.slot, &mut state, keys);
                (taken.or_else(|| self.slot.snapshot()).ok_or(ProviderError::Lost), None)
            }
            Brought::Provider(Ok(fetched)) => {
                let (snapshot, is_news) = self.succeed(&mut state, fetched, answer.asked);
                (Ok(snapshot), is_news)
            }
            Brought::Provider(Err(error)) => {
                self.fail(&mut state, error, now);
                if let Some(keys) = answer.fallback {
                    self.context.take_shared(&self.slot, &mut state, keys);
                }
                match stored {
                    None => {}
                    Some(Err(error)) => state.snapshot_file = Some(SnapshotFileState::Failed(error)),
                    Some(Ok(stored)) => self.use_stored(&mut state, stored, now),
                }
                // Whether stored keys are too old is for each asker to say: see `KeyStore::kept`.
                (Err(error), None)
            }
        }
    }

    fn succeed(&self, state: &mut State, fetched: Fetched, asked: Moment) -> (Arc<Snapshot>, Option<bool>) {
        let Fetched { keys, advised, validator, not_modified, public } = fetched;
        state.counters.succeeded = state.counters.succeeded.saturating_add(1);
        state.counters.not_modified = state.counters.not_modified.saturating_add(u64::from(not_modified));
        state.failed = None;
        state.failed_host = None;
        let older = self.slot.snapshot();
        // Another replica has asked the provider later, and its keys came first.
        if let Some(newer) = older.as_ref().filter(|older| older.began > asked.monotonic) {
            return (Arc::clone(newer), None);
        }
        let refreshes = state.counters.snapshots();
        if !not_modified {
            state.budgets.missing.replaced(older.as_ref().map(|older| older.keys()), &keys, asked);
        }
        let Moment { monotonic: began, wall: began_at } = asked;
        let snapshot =
            Snapshot { keys, validator, began, began_at, uncertain: Duration::ZERO, advised, refreshes, public };
        let (snapshot, is_news) = self.context.replace_snapshot(&self.slot, snapshot);
        (snapshot, Some(is_news))
    }

    /// Lets the other replicas know, after everybody here has their answer.
    fn share(&self, result: &RefreshResult, is_news: Option<bool>) {
        let Some(exchange) = &self.exchange else { return };
        let ours = result.as_ref().ok().zip(is_news).filter(|_| self.is_kept());
        let text = ours.and_then(|(snapshot, _)| shared_keys::write(self.slot.name(), snapshot));
        match text.zip(is_news) {
            Some((text, is_news)) => exchange.publish(&self.slot, text, is_news),
            None => exchange.failed(&self.slot),
        }
    }

    /// Whether the slot is still one of the store: that may have been cleared meanwhile.
    fn is_kept(&self) -> bool {
        self.context.slots.get(&self.slot.source).is_some_and(|slot| Arc::ptr_eq(&slot, &self.slot))
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
        if self.slot.snapshot().is_some_and(|at_hand| at_hand.began_at >= fetched_at) {
            return;
        }
        state.snapshot_file = Some(SnapshotFileState::Used(fetched_at));
        let stored = Snapshot {
            keys: Arc::new(keys),
            validator: None,
            // The stale bound counts from when the provider was asked, by whichever process.
            began: now.saturating_sub(age),
            began_at: fetched_at,
            uncertain: Duration::ZERO,
            advised: None,
            refreshes: state.counters.snapshots(),
            public: None,
        };
        self.context.replace_snapshot(&self.slot, stored);
    }

    /// Writes the snapshot file, after everybody has their answer.
    async fn write_snapshot_file(&self, snapshot: &Arc<Snapshot>) {
        let Some((path, public)) = self.slot.source.snapshot_file().zip(snapshot.public.clone()) else { return };
        if !self.is_kept() {
            return;
        }
        let (slot, path, fetched_at, refreshes) =
            (Arc::clone(&self.slot), path.to_owned(), snapshot.began_at, snapshot.refreshes);
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
