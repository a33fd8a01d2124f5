//! Signatures found valid, so that the signature of a token that comes again is not checked twice.
//!
//! An entry states one fact: these bytes are signed by this key material of this source. It says nothing about the claims,
//! which are checked on every use, and it counts only while the source's current keys still hold that key material. So an
//! entry needs no time limit of its own: with its key it loses its effect.

use std::hash::{Hash, Hasher};
use std::sync::Arc;

use moka::Equivalent;
use moka::sync::Cache;

use crate::policy::KeySource;
use crate::token::UnverifiedToken;
use crate::verify::SignedToken;

/// How many bytes the tokens in the cache may take, roughly.
const MAX_BYTES: u64 = 64 * 1024 * 1024;
/// How many tokens are kept.
const MAX_ENTRIES: u64 = 100_000;
/// What an entry takes besides the token's own bytes, roughly: text, decoded parts, the cache's own bookkeeping.
const ENTRY_OVERHEAD: u32 = 600;

/// The key of an entry: the token's bytes and the source.
#[derive(Debug)]
struct EntryKey {
    token: Arc<UnverifiedToken>,
    source: Arc<KeySource>,
}

/// The same, borrowed for a look-up.
#[derive(Clone, Copy)]
struct LookUp<'a> {
    token: &'a str,
    source: &'a Arc<KeySource>,
}

/// The hash covers only the end of the token. An entry's end is a valid signature: no two of them are equal by chance, and
/// nobody but the provider can make tokens that collide. Other bytes with the same end find nothing, because equality
/// compares the whole token.
impl Hash for LookUp<'_> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        let bytes = self.token.as_bytes();
        state.write(bytes.last_chunk::<32>().map_or(bytes, |end| end));
        self.source.hash(state);
    }
}

impl Equivalent<EntryKey> for LookUp<'_> {
    fn equivalent(&self, key: &EntryKey) -> bool {
        *self.source == key.source && key.token.is(self.token)
    }
}

impl Hash for EntryKey {
    fn hash<H: Hasher>(&self, state: &mut H) {
        LookUp { token: self.token.text(), source: &self.source }.hash(state);
    }
}

impl PartialEq for EntryKey {
    fn eq(&self, other: &Self) -> bool {
        LookUp { token: self.token.text(), source: &self.source }.equivalent(other)
    }
}

impl Eq for EntryKey {}

/// The cache, bounded by entries and by bytes; the least used entries are evicted first.
pub struct SignatureCache(Cache<EntryKey, SignedToken>);

impl std::fmt::Debug for SignatureCache {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("SignatureCache").field(&self.len()).finish()
    }
}

impl Default for SignatureCache {
    fn default() -> Self {
        // An entry weighs at least its share of the bytes, which bounds their number as well.
        let share = u32::try_from(MAX_BYTES.div_euclid(MAX_ENTRIES)).unwrap_or(u32::MAX);
        let weigh = move |_: &EntryKey, signed: &SignedToken| {
            // The token's text and, decoded, three quarters of it again.
            let bytes = u32::try_from(signed.token().text().len().saturating_mul(2)).unwrap_or(u32::MAX);
            bytes.saturating_add(ENTRY_OVERHEAD).max(share)
        };
        Self(Cache::builder().max_capacity(MAX_BYTES).weigher(weigh).build())
    }
}

impl SignatureCache {
    /// The entry of these bytes, if there is one. It counts only once
    /// [`verify::still_signed`](crate::verify::still_signed) has confirmed it.
    pub fn recall(&self, token: &str, source: &Arc<KeySource>) -> Option<SignedToken> {
        self.0.get(&LookUp { token, source })
    }

    /// Adds a token that was accepted.
    pub fn remember(&self, signed: SignedToken) {
        let key = EntryKey { token: Arc::clone(signed.token()), source: Arc::clone(signed.source()) };
        self.0.insert(key, signed);
    }

    /// Removes an entry whose key no longer signs for its source.
    pub fn forget(&self, signed: &SignedToken) {
        self.0.invalidate(&LookUp { token: signed.token().text(), source: signed.source() });
    }

    /// Removes all entries.
    pub fn clear(&self) {
        self.0.invalidate_all();
    }

    /// How many entries there are, roughly.
    pub fn len(&self) -> u64 {
        self.0.entry_count()
    }

    /// Whether there is no entry.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}
