//! One refresh of a source: what is asked for, where, and within which time.

use std::fs::{self, File};
use std::io::Read;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde_json::Value;
use tokio::time::Instant;

use super::discovery::{Discovery, Next};
use super::fetch::{Document, Fetch, FetchError, Request, Response};
use super::freshness::{self, advised_life};
use super::{EXCHANGE_DEADLINE, FileError, ProviderError, Snapshot, proxy, snapshot};
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
    /// The `jwks_uri` discovery found, and when: kept for the next refresh, even if this one got no keys there.
    pub learned: Option<Learned>,
}

/// A `jwks_uri` that discovery found, and when.
pub type Learned = (Endpoint, Moment);

/// A refresh about to begin.
pub struct Asking {
    pub fetch: Arc<dyn Fetch>,
    pub source: Arc<KeySource>,
    /// The keys an entity tag may confirm.
    pub at_hand: Option<Arc<Snapshot>>,
    /// The `jwks_uri` discovery found last, and when.
    pub learned: Option<Learned>,
    /// When it begins.
    pub now: Moment,
    /// When it ends, whatever happens.
    pub deadline: Instant,
    /// Whom the last request went to, or the proxy that kept it from getting there: of a failure, who is to be looked at.
    pub asked: Arc<Mutex<Option<Box<str>>>>,
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
        if let Some((url, since)) = &self.learned
            && since.age_at(self.now) < freshness::MIN_LIFE
            && let Ok(fetched) = self.jwks(url).await
        {
            return (Ok(fetched), self.learned.clone());
        }
        let end = self.learned.is_some().then(|| self.within(DISCOVERY_SHARE));
        let learned = match (self.metadata(issuer, end).await, &self.learned) {
            (Ok(url), _) => (url, self.now),
            (Err(_), Some(learned)) => learned.clone(),
            (Err(error), None) => return (Err(error), None),
        };
        (self.jwks(&learned.0).await, Some(learned))
    }

    /// The moment so far from now, the end of the whole refresh at the latest.
    fn within(&self, duration: Duration) -> Instant {
        after(duration).min(self.deadline)
    }

    /// Where the keys are, found until `end`; without one each step has an exchange's time, and the refresh bounds all.
    async fn metadata(&self, issuer: &Issuer, end: Option<Instant>) -> Result<Endpoint, ProviderError> {
        let (mut discovery, mut next) = Discovery::begin(issuer)?;
        loop {
            match next {
                Next::Found(endpoint) => return Ok(endpoint),
                Next::Fetch(url) => {
                    let deadline = end.unwrap_or_else(|| self.within(EXCHANGE_DEADLINE));
                    let response = self
                        .get(&url, Document::Metadata, None, deadline)
                        .await
                        .map_err(ProviderError::DiscoveryFetch)?;
                    next = discovery.answer(&response)?;
                }
            }
        }
    }

    async fn jwks(&self, url: &Endpoint) -> Result<Fetched, ProviderError> {
        // An entity tag means something at the URL it came from only.
        let known = self.at_hand.as_ref().and_then(|snapshot| {
            snapshot.validator.as_ref().filter(|validator| validator.url == *url).map(|validator| (snapshot, validator))
        });
        let etag = known.map(|(_, validator)| validator.etag.as_str());
        let deadline = self.within(EXCHANGE_DEADLINE);
        let response = self.get(url, Document::Keys, etag, deadline).await.map_err(ProviderError::JwksFetch)?;
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

    async fn get(
        &self,
        url: &Endpoint,
        document: Document,
        etag: Option<&str>,
        deadline: Instant,
    ) -> Result<Response, FetchError> {
        self.remember_asking(url.url().host_str());
        let transport = self.source.transport();
        let fetching = self.fetch.fetch(Request { url, transport, if_none_match: etag, document, deadline });
        let answer = tokio::time::timeout_at(deadline, fetching).await.unwrap_or(Err(FetchError::BodyTimeout));
        if answer.as_ref().is_err_and(|error| error.is_the_proxys()) {
            self.remember_asking(proxy::choose(&transport.proxies, url.url()).and_then(|proxy| proxy.url().host_str()));
        }
        answer.map(|answer| Response { body: without_mark(answer.body), ..answer })
    }

    fn remember_asking(&self, host: Option<&str>) {
        *self.asked.lock().unwrap_or_else(PoisonError::into_inner) = host.map(Into::into);
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
    if text.len() > most { Err(FileError::TooLarge) } else { Ok(without_mark(text)) }
}

/// RFC 8259 8.1: a byte order mark before a document may be passed over. Some editors and servers write one.
fn without_mark(mut document: Vec<u8>) -> Vec<u8> {
    if document.starts_with("\u{feff}".as_bytes()) {
        document.drain(.."\u{feff}".len());
    }
    document
}

/// The moment so far from now.
pub fn after(duration: Duration) -> Instant {
    let now = Instant::now();
    now.checked_add(duration).unwrap_or(now)
}
