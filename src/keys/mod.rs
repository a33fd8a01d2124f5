//! The provider's keys: a JWK Set (RFC 7517 5) and the choice of a key for a token.

pub mod jwk;
pub mod signature;

use serde_json::Value;

use crate::algorithm::Algorithm;
use crate::key_id::KeyId;
use jwk::{Key, SkipReason};

/// How many entries of a set are looked at. The largest real sets (Entra's common endpoint) have about 20.
pub const MAX_KEYS: usize = 100;
/// How many keys a token without `kid` is tried against; more would be work bought by anybody.
pub const MAX_CANDIDATES: usize = 8;

/// Why an answer is not a JWK Set worth having.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs)]
pub enum KeySetError {
    #[error("the JWK Set is not JSON")]
    Json,
    #[error("the JWK Set has no array `keys`")]
    Shape,
    #[error("the JWK Set has no key that can be used")]
    NoUsableKey,
}

/// A parsed JWK Set.
#[derive(Debug)]
pub struct KeySet {
    keys: Vec<Key>,
    skipped: Vec<Skipped>,
}

/// An entry that is not used, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Skipped {
    /// Its place in the set, from zero.
    pub index: usize,
    /// Its `kid`, if it is one.
    pub key_id: Option<KeyId>,
    /// Why it is not used.
    pub reason: SkipReason,
}

/// What a set holds for a token.
#[derive(Debug)]
pub enum Selection<'s> {
    /// The key of the token's `kid`.
    Named(&'s Key),
    /// The keys to try for a token without `kid`, in order; never empty.
    Fitting(Vec<&'s Key>),
    /// No key of that `kid`, or no key at all that fits a token without one.
    NotFound,
    /// There is a key of that `kid`, and it must not be used with the token's algorithm.
    Unsuitable,
}

impl KeySet {
    /// Parses a JWK Set entry by entry; one we cannot use is skipped with its reason.
    ///
    /// # Errors
    /// [`KeySetError`] if the answer as a whole is not a set with at least one usable key.
    pub fn parse(document: &[u8]) -> Result<Self, KeySetError> {
        let document: Value = serde_json::from_slice(document).map_err(|_| KeySetError::Json)?;
        let entries = document.get("keys").and_then(Value::as_array).ok_or(KeySetError::Shape)?;
        let mut keys: Vec<Key> = Vec::new();
        let mut skipped = Vec::new();
        for (index, entry) in entries.iter().enumerate() {
            let imported = if index < MAX_KEYS { Key::import(entry) } else { Err(SkipReason::TooMany) };
            // LibreChat finds the first usable key of a `kid` and never tries another.
            let taken = |key: &Key| key.id().is_some() && keys.iter().any(|known| known.id() == key.id());
            match imported {
                Ok(key) if taken(&key) => {
                    skipped.push(Skipped { index, key_id: key.id().cloned(), reason: SkipReason::DuplicateKeyId });
                    // A token without `kid` is tried against every key, this one too.
                    if !keys.iter().any(|known| known.is_same_material(&key)) {
                        keys.push(key.without_id());
                    }
                }
                Ok(key) => keys.push(key),
                Err(reason) => {
                    let key_id = entry.get("kid").and_then(Value::as_str).and_then(KeyId::new);
                    skipped.push(Skipped { index, key_id, reason });
                }
            }
            if index >= MAX_KEYS {
                break;
            }
        }
        if keys.is_empty() { Err(KeySetError::NoUsableKey) } else { Ok(Self { keys, skipped }) }
    }

    /// The keys a token with this `alg` and `kid` may be checked with.
    pub fn select(&self, algorithm: Algorithm, key_id: Option<&KeyId>) -> Selection<'_> {
        if let Some(key_id) = key_id {
            return match self.keys.iter().find(|key| key.id() == Some(key_id)) {
                None => Selection::NotFound,
                Some(key) if key.fits(algorithm) => Selection::Named(key),
                Some(_) => Selection::Unsuitable,
            };
        }
        let fitting: Vec<_> = self.keys.iter().filter(|key| key.fits(algorithm)).take(MAX_CANDIDATES).collect();
        if fitting.is_empty() { Selection::NotFound } else { Selection::Fitting(fitting) }
    }

    /// Whether every token would find in it what it finds in `other`: the same usable keys in the same order.
    pub fn is_same(&self, other: &Self) -> bool {
        self.keys.len() == other.keys.len()
            && self.keys.iter().zip(&other.keys).all(|(ours, theirs)| ours.is_same(theirs))
    }

    /// The usable keys, in the set's order.
    pub fn keys(&self) -> &[Key] {
        &self.keys
    }

    /// The entries that are not used. Of those past [`MAX_KEYS`] only the first is named.
    pub fn skipped(&self) -> &[Skipped] {
        &self.skipped
    }
}
