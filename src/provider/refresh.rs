//! One refresh of a source: what is asked for, where, and within which time.

use std::fs::{self, File};
use std::io::Read;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use tokio::time::Instant;

use super::asker::Asker;
use super::discovery::Metadata;
use super::fetch::{Document, Request};
use super::freshness::{self, advised_life};
use super::{EXCHANGE_DEADLINE, FileError, ProviderError, Snapshot, snapshot};
use crate::keys::KeySet;
use crate::policy::KeySource;
use crate::policy::endpoint::Endpoint;
use crate::policy::issuer::Issuer;
use crate::policy::source::Origin;
use crate::time::Moment;

/// How much of a refresh metadata may take when an older `jwks_uri` is known: broken discovery must not block keys.
const DISCOVERY_SHARE: Duration = Duration::from_secs(4);

/// What makes an answer of a URL recognisable (RFC 9110 8.8.3).
#[derive(Debug, Clone)]
pub struct Validator {
    url: Endpoint,
    etag: String,
}

/// What a refresh brought.
pub struct Fetched {
    pub keys: Arc<KeySet>,
    /// The life the provider advises.
    pub advised: Option<Duration>,
    pub validator: Option<Validator>,
    /// Whether the provider said: still the same.
    pub not_modified: bool,
    /// The keys as published, where a snapshot file wants them.
    pub public: Option<Arc<Vec<Value>>>,
}

impl Fetched {
    fn of(keys: KeySet) -> Self {
        let keys = Arc::new(keys);
        Self { keys, advised: None, validator: None, not_modified: false, public: None }
    }
}

/// How a refresh ended.
pub struct Answer {
    pub fetched: Result<Fetched, ProviderError>,
    /// The metadata discovery found, and when: kept for the next refresh, even if this one got no keys by them.
    pub learned: Option<Learned>,
}

/// Metadata that discovery found, and when.
pub type Learned = (Arc<Metadata>, Moment);

/// A refresh about to begin.
pub struct Asking {
    pub asker: Asker,
    pub source: Arc<KeySource>,
    /// The keys an entity tag may confirm.
    pub at_hand: Option<Arc<Snapshot>>,
    /// The metadata discovery found last, and when.
    pub learned: Option<Learned>,
    /// When it begins.
    pub now: Moment,
    /// When it ends, whatever happens.
    pub deadline: Instant,
}

impl Asking {
    /// Metadata where the source needs it, then keys.
    pub async fn run(self) -> Answer {
        let (fetched, learned) = match self.source.origin() {
            Origin::Jwks(url) => (self.jwks(url).await, None),
            Origin::Discovery(issuer) => self.discovered(issuer).await,
            Origin::Inline(text) => (KeySet::parse(text.as_bytes()).map(Fetched::of).map_err(Into::into), None),
            Origin::File(path) => (self.file(path).await, None),
        };
        Answer { fetched, learned }
    }

    async fn file(&self, path: &Path) -> Result<Fetched, ProviderError> {
        let (path, most) = (path.to_owned(), self.source.transport().max_body_bytes);
        let reading = tokio::task::spawn_blocking(move || read_file(&path, most));
        let text = tokio::time::timeout_at(self.within(EXCHANGE_DEADLINE), reading).await;
        let text = text.map_err(|_| FileError::Late)?.map_err(|_| ProviderError::Lost)??;
        Ok(Fetched::of(KeySet::parse(&text)?))
    }

    async fn discovered(&self, issuer: &Issuer) -> (Result<Fetched, ProviderError>, Option<Learned>) {
        // Metadata is believed as long as a key set is; a provider that moves its keys is followed.
        if let Some((metadata, since)) = &self.learned
            && since.age_at(self.now) < freshness::MIN_LIFE
            && let Ok(fetched) = self.jwks(&metadata.keys).await
        {
            return (Ok(fetched), self.learned.clone());
        }
        let share = if self.learned.is_some() { DISCOVERY_SHARE } else { EXCHANGE_DEADLINE };
        let learned = match (self.asker.metadata(issuer, self.within(share)).await, &self.learned) {
            (Ok(metadata), _) => (Arc::new(metadata), self.now),
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
        let transport = self.source.transport();
        let request = Request { if_none_match: etag, ..Request::get(url, transport, Document::Keys, deadline) };
        let response = self.asker.send(request).await.map_err(ProviderError::JwksFetch)?;
        let advised = response.cache_control.as_deref().map(advised_life);
        let validator = response.etag.map(|etag| Validator { url: url.clone(), etag });
        match (response.status, known) {
            (200..=299, _) => {
                let keys = KeySet::parse(&response.body)?;
                let wanted = self.source.snapshot_file().is_some();
                let public = wanted.then(|| Arc::new(snapshot::public_keys(&response.body, &keys)));
                Ok(Fetched { advised: advised.flatten(), validator, public, ..Fetched::of(keys) })
            }
            // RFC 9110 15.4.5: what 304 does not say anew stands as it was.
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
}

/// A file of keys. Links are followed: configuration is mounted that way. Nothing but a regular file is opened, because
/// opening a pipe would wait for its writer.
fn read_file(path: &Path, most: usize) -> Result<Vec<u8>, FileError> {
    if !fs::metadata(path).map_err(|error| FileError::Unreadable(error.kind()))?.is_file() {
        return Err(FileError::NotAFile);
    }
    let mut text = Vec::new();
    let file = File::open(path).map_err(|error| FileError::Unreadable(error.kind()))?;
    file.take(u64::try_from(most).unwrap_or(u64::MAX).saturating_add(1))
        .read_to_end(&mut text)
        .map_err(|error| FileError::Unreadable(error.kind()))?;
    if text.len() > most { Err(FileError::TooLarge) } else { Ok(text) }
}

/// The moment so far from now.
pub fn after(duration: Duration) -> Instant {
    let now = Instant::now();
    now.checked_add(duration).unwrap_or(now)
}
