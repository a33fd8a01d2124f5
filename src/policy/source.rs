//! Where keys come from, and everything that decides which answer may be believed.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use super::PolicyError;
use super::endpoint::Endpoint;
use super::issuer::Issuer;
use super::lifetimes::Lifetimes;

/// The largest body read, in bytes, where the policy names no other. A set of 100 keys with certificate chains is about
/// 400 KiB.
pub const MAX_BODY_BYTES: usize = 1024 * 1024;

/// What a policy says of its keys beyond `jwksUri`, as written.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct KeyOptions {
    /// How long keys live, in milliseconds; less than a minute counts as one. A minute if absent.
    pub cache_max_age: Option<f64>,
    /// How long keys answer while the provider cannot be reached, in seconds. 4 hours if absent.
    pub max_stale: Option<f64>,
    /// How far the provider's `Cache-Control` may lengthen a life, in seconds. 10 minutes if absent.
    pub max_advised_age: Option<f64>,
}

impl KeyOptions {
    pub(super) fn lifetimes(&self) -> Result<Lifetimes, PolicyError> {
        Lifetimes::parse(self.cache_max_age, self.max_stale, self.max_advised_age)
    }

    pub(super) fn source(&self, origin: Origin) -> Result<KeySource, PolicyError> {
        Ok(KeySource::new(origin, Transport::default()))
    }
}

/// Where the keys are.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Origin {
    /// A JWK Set at this URL.
    Jwks(Endpoint),
    /// Found through the metadata of this issuer (OpenID Connect Discovery 4, RFC 8414 3).
    Discovery(Issuer),
}

/// How the provider is reached: what decides whose answer comes back.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Transport {
    /// The largest body read, in bytes.
    pub max_body_bytes: usize,
}

impl Default for Transport {
    fn default() -> Self {
        Self { max_body_bytes: MAX_BODY_BYTES }
    }
}

/// A source of keys. Equal sources share one slot of the key store.
#[derive(Debug, Clone)]
pub struct KeySource {
    origin: Origin,
    transport: Arc<Transport>,
    /// Of the fields above, computed once: inline sets and certificates are long, and every request looks its slot up.
    hash: u64,
}

impl KeySource {
    /// Keys from `origin`, reached by `transport`.
    pub fn new(origin: Origin, transport: Transport) -> Self {
        let mut hasher = DefaultHasher::new();
        (&origin, &transport).hash(&mut hasher);
        Self { origin, transport: Arc::new(transport), hash: hasher.finish() }
    }

    /// Where the keys are.
    pub const fn origin(&self) -> &Origin {
        &self.origin
    }

    /// How the provider is reached.
    pub const fn transport(&self) -> &Arc<Transport> {
        &self.transport
    }
}

impl PartialEq for KeySource {
    fn eq(&self, other: &Self) -> bool {
        self.hash == other.hash && self.origin == other.origin && self.transport == other.transport
    }
}

impl Eq for KeySource {}

impl Hash for KeySource {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.hash);
    }
}
