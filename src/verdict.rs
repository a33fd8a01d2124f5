//! Signatures that were found good, so that the same token is not checked twice.
//!
//! A verdict is one fact: these bytes are signed by this key material of this source. It says nothing about claims, which
//! are judged on every use, and it is believed only while the source's current keys still hold that very material. So it
//! needs no time limit of its own: a key that goes takes its verdicts along.

use std::hash::{Hash, Hasher};
use std::sync::Arc;

use moka::Equivalent;
use moka::sync::Cache;

use crate::policy::KeySource;
use crate::token::UnverifiedToken;
use crate::verify::SignedToken;

/// How many bytes the remembered tokens may take, roughly.
const MAX_BYTES: u64 = 64 * 1024 * 1024;
/// How many tokens are remembered.
const MAX_ENTRIES: u64 = 100_000;
/// What an entry takes besides the token's own bytes, roughly: text, decoded parts, the cache's own bookkeeping.
const ENTRY_OVERHEAD: u32 = 600;

/// What a verdict is remembered under: the very bytes and the source.
#[derive(Debug)]
struct VerdictKey {
    token: Arc<UnverifiedToken>,
    source: Arc<KeySource>,
}

/// What a verdict is sought by.
#[derive(Clone, Copy)]
struct Sought<'a> {
    token: &'a str,
    source: &'a Arc<KeySource>,
}

/// Only tokens that were found signed are remembered, and the end of one is its signature: no two signed tokens share it
/// by chance, and nobody but the provider can make any that do. Whoever sends other bytes with the same end finds
/// nothing, because they are compared in full.
impl Hash for Sought<'_> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        let bytes = self.token.as_bytes();
        state.write(bytes.last_chunk::<32>().map_or(bytes, |end| end));
        self.source.hash(state);
    }
}

impl Equivalent<VerdictKey> for Sought<'_> {
    fn equivalent(&self, key: &VerdictKey) -> bool {
        *self.source == key.source && key.token.is(self.token)
    }
}

impl Hash for VerdictKey {
    fn hash<H: Hasher>(&self, state: &mut H) {
        Sought { token: self.token.text(), source: &self.source }.hash(state);
    }
}

impl PartialEq for VerdictKey {
    fn eq(&self, other: &Self) -> bool {
        Sought { token: self.token.text(), source: &self.source }.equivalent(other)
    }
}

impl Eq for VerdictKey {}

/// The verdicts remembered, bounded by entries and by bytes; the least used go first.
pub struct Verdicts(Cache<VerdictKey, SignedToken>);

impl std::fmt::Debug for Verdicts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Verdicts").field(&self.len()).finish()
    }
}

impl Default for Verdicts {
    fn default() -> Self {
        // An entry weighs at least its share of the bytes, which bounds their number as well.
        let share = u32::try_from(MAX_BYTES.div_euclid(MAX_ENTRIES)).unwrap_or(u32::MAX);
        let weigh = move |_: &VerdictKey, signed: &SignedToken| {
            // The token's text and, decoded, three quarters of it again.
            let bytes = u32::try_from(signed.token().text().len().saturating_mul(2)).unwrap_or(u32::MAX);
            bytes.saturating_add(ENTRY_OVERHEAD).max(share)
        };
        Self(Cache::builder().max_capacity(MAX_BYTES).weigher(weigh).build())
    }
}

impl Verdicts {
    /// Who signed these bytes, if that is remembered. Not to be believed before
    /// [`verify::still_signed`](crate::verify::still_signed) has confirmed it.
    pub fn recall(&self, token: &str, source: &Arc<KeySource>) -> Option<SignedToken> {
        self.0.get(&Sought { token, source })
    }

    /// Remembers a token that passed.
    pub fn remember(&self, signed: SignedToken) {
        let key = VerdictKey { token: Arc::clone(signed.token()), source: Arc::clone(signed.source()) };
        self.0.insert(key, signed);
    }

    /// Forgets one that is no longer true.
    pub fn forget(&self, signed: &SignedToken) {
        self.0.invalidate(&Sought { token: signed.token().text(), source: signed.source() });
    }

    /// Forgets all.
    pub fn clear(&self) {
        self.0.invalidate_all();
    }

    /// How many are remembered, roughly.
    pub fn len(&self) -> u64 {
        self.0.entry_count()
    }

    /// Whether none is remembered.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}
