//! The provider's keys: a JWK Set (RFC 7517 5) and the choice of a key for a token.

pub mod jwk;
pub mod members;
pub mod signature;

use std::collections::BTreeMap;

use serde_json::Value;

use crate::algorithm::Algorithm;
use crate::key_id::KeyId;
use jwk::{Key, SkipReason};

/// How many entries of a set are looked at. Entra's common endpoint has about 20; platforms that sign for many tenants publish
/// some hundred. A set of so many RSA keys of 2048 bits takes about 5 MB of memory and 50 ms, on a thread of the runtime.
pub const MAX_KEYS: usize = 1000;
/// How many keys one token is tried against, with or without `kid`: a bound on the work that anybody can cause.
pub const MAX_CANDIDATES: usize = 8;
/// How many of the entries of a set without any usable key are named.
pub const MAX_NAMED: usize = 8;

/// Why an answer is not a JWK Set with usable keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs)]
pub enum KeySetError {
    #[error("the JWK Set is not JSON")]
    Json,
    #[error("the JWK Set has no array `keys`")]
    Shape,
    #[error("the JWK Set has no key that can be used{0}")]
    NoUsableKey(Unusable),
}

/// Why the first entries of a set are not used, where none is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Unusable {
    first: [Option<SkipReason>; MAX_NAMED],
}

impl Unusable {
    fn of(skipped: &[Skipped]) -> Self {
        let mut unusable = Self::default();
        for (place, entry) in unusable.first.iter_mut().zip(skipped) {
            *place = Some(entry.reason);
        }
        unusable
    }

    /// The reasons of the first [`MAX_NAMED`] entries, in the set's order from its first one on.
    pub fn reasons(&self) -> impl Iterator<Item = SkipReason> {
        self.first.into_iter().flatten()
    }
}

impl std::fmt::Display for Unusable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (index, reason) in self.reasons().enumerate() {
            let begin = if index == 0 { ":" } else { ";" };
            write!(f, "{begin} entry {index}: {reason}")?;
        }
        Ok(())
    }
}

/// The entries of a JWK Set (RFC 7517 5.1), as they stand.
///
/// # Errors
/// [`KeySetError::Json`], [`KeySetError::Shape`].
pub fn entries(document: &[u8]) -> Result<Vec<Value>, KeySetError> {
    let mut document: Value = serde_json::from_slice(document).map_err(|_| KeySetError::Json)?;
    match document.get_mut("keys").map(Value::take) {
        Some(Value::Array(entries)) => Ok(entries),
        _ => Err(KeySetError::Shape),
    }
}

/// A parsed JWK Set.
#[derive(Debug)]
pub struct KeySet {
    keys: Vec<Key>,
    /// Where the keys of each `kid` are, in the set's order.
    by_id: BTreeMap<KeyId, Vec<usize>>,
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
    /// The one key of the token's `kid` that fits its algorithm.
    Named(&'s Key),
    /// The keys to try, in the set's order, where there may be several: for a token without `kid`, or with a `kid` that the set
    /// gives to more than one key that fits. At most [`MAX_CANDIDATES`], never empty.
    Fitting(Vec<&'s Key>),
    /// No key of that `kid`, or no key at all that fits a token without one.
    NotFound,
    /// There are keys of that `kid`, and none may be used with the token's algorithm.
    Unsuitable,
}

impl KeySet {
    /// Parses a JWK Set entry by entry; one we cannot use is skipped with its reason.
    ///
    /// # Errors
    /// [`KeySetError`] if the answer as a whole is not a set with at least one usable key.
    pub fn parse(document: &[u8]) -> Result<Self, KeySetError> {
        Self::import(&entries(document)?)
    }

    /// Imports the entries of a JWK Set.
    ///
    /// # Errors
    /// [`KeySetError::NoUsableKey`].
    pub fn import(entries: &[Value]) -> Result<Self, KeySetError> {
        let mut set = Self { keys: Vec::new(), by_id: BTreeMap::new(), skipped: Vec::new() };
        for (index, entry) in entries.iter().enumerate().take(MAX_KEYS.saturating_add(1)) {
            let imported = if index < MAX_KEYS { Key::import(entry) } else { Err(SkipReason::TooMany) };
            if let Err(reason) = imported.and_then(|key| set.add(key)) {
                let key_id = entry.get("kid").and_then(Value::as_str).and_then(KeyId::new);
                set.skipped.push(Skipped { index, key_id, reason });
            }
        }
        if set.keys.is_empty() { Err(KeySetError::NoUsableKey(Unusable::of(&set.skipped))) } else { Ok(set) }
    }

    /// RFC 7517 4.5: several keys may share one `kid`. An entry that is the same as an earlier one of its `kid` is left
    /// out.
    fn add(&mut self, key: Key) -> Result<(), SkipReason> {
        if let Some(id) = key.id() {
            let places = self.by_id.entry(id.clone()).or_default();
            if places.iter().filter_map(|place| self.keys.get(*place)).any(|known| known.is_same(&key)) {
                return Err(SkipReason::DuplicateKeyId);
            }
            places.push(self.keys.len());
        }
        self.keys.push(key);
        Ok(())
    }

    /// The keys a token with this `alg` and `kid` may be checked with: those of the `kid` that fit the algorithm (RFC 7517 4.5
    /// chooses by `kty`, `alg` and `crv`; entries whose `use` or `key_ops` forbid it are no keys of the set), or for a token
    /// without `kid` all that fit.
    pub fn select(&self, algorithm: Algorithm, key_id: Option<&KeyId>) -> Selection<'_> {
        let Some(key_id) = key_id else {
            let fitting: Vec<_> = self.keys.iter().filter(|key| key.fits(algorithm)).take(MAX_CANDIDATES).collect();
            return if fitting.is_empty() { Selection::NotFound } else { Selection::Fitting(fitting) };
        };
        let Some(places) = self.by_id.get(key_id) else { return Selection::NotFound };
        let mut fitting = places
            .iter()
            .filter_map(|place| self.keys.get(*place))
            .filter(|key| key.fits(algorithm))
            .take(MAX_CANDIDATES);
        match (fitting.next(), fitting.next()) {
            (None, _) => Selection::Unsuitable,
            (Some(only), None) => Selection::Named(only),
            (Some(first), Some(second)) => Selection::Fitting([first, second].into_iter().chain(fitting).collect()),
        }
    }

    /// The keys of a `kid`, whatever they may be used with.
    pub fn of(&self, key_id: &KeyId) -> impl Iterator<Item = &Key> {
        self.by_id.get(key_id).into_iter().flatten().filter_map(|place| self.keys.get(*place))
    }

    /// Whether every token selects the same keys from both sets: the same usable keys in the same order.
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
