//! Keys that one replica hands to the others through a store: the text of an entry, and the rules by which an entry is taken.
//!
//! Whoever reads the store has checked that a replica wrote the entry. Everything else is checked here, as for a snapshot file:
//! it is of this source, not from the future, not from before the last `clear`, newer than the keys at hand, and its keys pass the
//! import of all others.

use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::freshness::{Lifetimes, wants_a_look};
use super::refresh::Validator;
use super::slot::Snapshot;
use super::snapshot_file::FRAME_BYTES;
use crate::keys::members::may_be_kept;
use crate::keys::{KeySet, KeySetError};
use crate::policy::KeySource;
use crate::policy::lifetimes::MAX_STALE_BOUND;
use crate::time::{Moment, UnixSeconds};

/// The value of an entry's `format`. Another format gets another name.
const FORMAT: &str = "remote-agent-auth/shared-keys/1";
/// How far ahead of the local clock an entry may be: synchronised clocks differ by less. Its keys are then fetched now, never later,
/// so that a wall clock makes no key younger by more than this.
pub const CLOCKS_DIFFER: Duration = Duration::from_secs(5);
/// The longest entity tag that is passed on, in bytes: it becomes a header of the next request.
const LONGEST_TAG: usize = 512;

/// Why the keys of an entry are not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs)]
pub enum NotTaken {
    #[error("it is longer than is read")]
    TooLarge,
    #[error("it is not in the format it is written in")]
    Format,
    #[error("it is of another source or transport")]
    Source,
    #[error("it is from the future: the clocks of the replicas differ")]
    Future,
    #[error("it is older than any stale bound")]
    TooOld,
    #[error("it is older than the last `clear`")]
    Cleared,
    #[error("it is not newer than the keys at hand")]
    NotNewer,
    #[error("it has members that no public key is shared with")]
    Members,
    #[error("its keys: {0}")]
    Keys(#[from] KeySetError),
}

impl NotTaken {
    /// Whether it says nothing against the entry: there are newer keys, or there will be.
    pub const fn is_harmless(self) -> bool {
        matches!(self, Self::NotNewer | Self::TooOld | Self::Cleared)
    }
}

/// The entry.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Entry {
    format: String,
    source: String,
    fetched_at: f64,
    /// Seconds.
    advised: Option<u64>,
    validator: Option<Validator>,
    keys: Vec<Value>,
}

/// Keys out of an entry.
#[derive(Debug)]
pub struct SharedKeys {
    /// The keys, imported like any others.
    pub keys: Arc<KeySet>,
    /// When they were fetched: now, where the entry says later.
    pub fetched_at: UnixSeconds,
    /// The same by the monotonic clock of the store of keys.
    pub began: Duration,
    /// How long ago that was when the entry was read.
    pub age: Duration,
    /// The life the provider advised.
    pub advised: Option<Duration>,
    /// What may confirm them.
    pub validator: Option<Validator>,
    /// As they were published: what a snapshot file gets.
    pub public: Arc<Vec<Value>>,
}

impl SharedKeys {
    /// Whether a refresh may end with these keys: they need none themselves. Older ones only serve if the provider fails.
    pub fn are_fresh(&self, ahead_percent: u32, lifetimes: Lifetimes) -> bool {
        self.age < wants_a_look(Duration::ZERO, self.advised, ahead_percent, lifetimes)
    }
}

/// What an entry is compared with.
#[derive(Debug, Clone, Copy)]
pub struct Known {
    /// Now, by the clock of the store of keys.
    pub now: Moment,
    /// When the store of keys was cleared last.
    pub cleared: Option<UnixSeconds>,
    /// When the keys at hand were fetched.
    pub at_hand: Option<UnixSeconds>,
}

/// The entry of keys that the provider has just given; none of keys whose public members were not kept.
pub fn write(binding: &str, snapshot: &Snapshot) -> Option<String> {
    let entry = Entry {
        format: FORMAT.to_owned(),
        source: binding.to_owned(),
        fetched_at: snapshot.began_at.get(),
        advised: snapshot.advised.map(|advised| advised.as_secs()),
        validator: snapshot.validator.clone().filter(|validator| validator.etag.len() <= LONGEST_TAG),
        keys: snapshot.public.as_ref()?.to_vec(),
    };
    serde_json::to_string(&entry).ok()
}

/// Reads an entry for the source that `binding` names.
///
/// # Errors
/// [`NotTaken`].
pub fn read(text: &str, source: &KeySource, binding: &str, known: Known) -> Result<SharedKeys, NotTaken> {
    if text.len() > source.transport().max_body_bytes.saturating_add(FRAME_BYTES) {
        return Err(NotTaken::TooLarge);
    }
    let entry: Entry = serde_json::from_str(text).map_err(|_| NotTaken::Format)?;
    let written_at = UnixSeconds::new(entry.fetched_at).ok_or(NotTaken::Format)?;
    if entry.format != FORMAT || entry.validator.as_ref().is_some_and(|it| it.etag.len() > LONGEST_TAG) {
        return Err(NotTaken::Format);
    }
    if entry.source != binding {
        return Err(NotTaken::Source);
    }
    if written_at.get() > known.now.wall.get() + CLOCKS_DIFFER.as_secs_f64() {
        return Err(NotTaken::Future);
    }
    let fetched_at = if written_at > known.now.wall { known.now.wall } else { written_at };
    if known.cleared.is_some_and(|cleared| fetched_at < cleared) {
        return Err(NotTaken::Cleared);
    }
    let age = Duration::try_from_secs_f64(known.now.wall.get() - fetched_at.get()).map_err(|_| NotTaken::TooOld)?;
    if age >= MAX_STALE_BOUND {
        return Err(NotTaken::TooOld);
    }
    if known.at_hand.is_some_and(|at_hand| fetched_at <= at_hand) {
        return Err(NotTaken::NotNewer);
    }
    let are_public = |key: &Value| key.as_object().is_some_and(|members| members.keys().all(|name| may_be_kept(name)));
    if !entry.keys.iter().all(are_public) {
        return Err(NotTaken::Members);
    }
    Ok(SharedKeys {
        keys: Arc::new(KeySet::import(&entry.keys)?),
        fetched_at,
        began: known.now.monotonic.saturating_sub(age),
        age,
        advised: entry.advised.map(Duration::from_secs),
        validator: entry.validator,
        public: Arc::new(entry.keys),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::endpoint::Endpoint;
    use crate::policy::lifetimes::{MIN_LIFE, STALE_BOUND};
    use crate::policy::source::Origin;
    use crate::policy::transport::Transport;
    use crate::provider::snapshot_file::binding;
    use serde_json::json;

    const NOW: f64 = 1_800_000_000.0;

    fn source(path: &str) -> KeySource {
        let url = Endpoint::parse(&format!("https://idp.example/{path}")).unwrap();
        let transport = Transport { max_body_bytes: 2048, ..Transport::default() };
        KeySource::new(Origin::Jwks(url), transport, None)
    }

    fn key(kid: &str) -> Value {
        json!({ "kty": "OKP", "crv": "Ed25519", "kid": kid, "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo" })
    }

    fn entry() -> Value {
        json!({
            "format": FORMAT, "source": binding(&source("jwks")), "fetchedAt": NOW - 10.0, "advised": null,
            "validator": { "url": "u", "etag": "\"1\"" }, "keys": [key("k")],
        })
    }

    fn known() -> Known {
        let now = Moment { monotonic: MAX_STALE_BOUND, wall: UnixSeconds::new(NOW).unwrap() };
        Known { now, cleared: None, at_hand: None }
    }

    fn at(seconds: f64) -> Option<UnixSeconds> {
        UnixSeconds::new(NOW + seconds)
    }

    fn taken(entry: &Value, known: Known) -> Result<SharedKeys, NotTaken> {
        let source = source("jwks");
        read(&entry.to_string(), &source, &binding(&source), known)
    }

    #[test]
    fn an_entry_is_taken_only_if_it_is_ours_newer_and_public() {
        let with = |changes: Value| {
            let mut changed = entry();
            for (name, value) in changes.as_object().unwrap() {
                changed[name] = value.clone();
            }
            changed
        };
        let private = |member: &str| {
            let mut key = key("k");
            key[member] = json!("AQ");
            with(json!({ "keys": [key] }))
        };
        let mut without = entry();
        without.as_object_mut().unwrap().remove("fetchedAt");
        let none = Err::<f64, _>;
        let table: Vec<(&str, Value, Known, Result<f64, NotTaken>)> = vec![
            ("as written", entry(), known(), Ok(10.0)),
            ("the clock of the writer is ahead", with(json!({ "fetchedAt": NOW + 5.0 })), known(), Ok(0.0)),
            ("too far ahead", with(json!({ "fetchedAt": NOW + 5.1 })), known(), none(NotTaken::Future)),
            ("at any time", with(json!({ "fetchedAt": 1e300 })), known(), none(NotTaken::Future)),
            ("before time", with(json!({ "fetchedAt": -1e300 })), known(), none(NotTaken::TooOld)),
            ("a day old", with(json!({ "fetchedAt": NOW - 86_400.0 })), known(), Ok(86_400.0)),
            ("a week old", with(json!({ "fetchedAt": NOW - 604_800.0 })), known(), none(NotTaken::TooOld)),
            ("older than at hand", entry(), Known { at_hand: at(-9.0), ..known() }, none(NotTaken::NotNewer)),
            ("the same as at hand", entry(), Known { at_hand: at(-10.0), ..known() }, none(NotTaken::NotNewer)),
            ("newer than at hand", entry(), Known { at_hand: at(-10.1), ..known() }, Ok(10.0)),
            (
                "ahead, and keys of this moment at hand",
                with(json!({ "fetchedAt": NOW + 3.0 })),
                Known { at_hand: at(0.0), ..known() },
                none(NotTaken::NotNewer),
            ),
            ("from before the clear", entry(), Known { cleared: at(-9.0), ..known() }, none(NotTaken::Cleared)),
            ("from after the clear", entry(), Known { cleared: at(-10.0), ..known() }, Ok(10.0)),
            ("another source", with(json!({ "source": binding(&source("other")) })), known(), none(NotTaken::Source)),
            ("no source", with(json!({ "source": "" })), known(), none(NotTaken::Source)),
            ("another format", with(json!({ "format": "remote-agent-auth/keys/1" })), known(), none(NotTaken::Format)),
            ("a member more", with(json!({ "more": 1 })), known(), none(NotTaken::Format)),
            ("a member less", without, known(), none(NotTaken::Format)),
            ("a time as text", with(json!({ "fetchedAt": "1" })), known(), none(NotTaken::Format)),
            ("a negative life", with(json!({ "advised": -1 })), known(), none(NotTaken::Format)),
            ("keys that are none", with(json!({ "keys": {} })), known(), none(NotTaken::Format)),
            ("a key that is none", with(json!({ "keys": [1] })), known(), none(NotTaken::Members)),
            (
                "a tag too long",
                with(json!({ "validator": { "url": "u", "etag": "x".repeat(513) } })),
                known(),
                none(NotTaken::Format),
            ),
            ("too long", with(json!({ "keys": [key(&"k".repeat(7_000))] })), known(), none(NotTaken::TooLarge)),
            ("a private member", private("d"), known(), none(NotTaken::Members)),
            ("a symmetric key", private("k"), known(), none(NotTaken::Members)),
            ("a member that is not kept", private("x5u"), known(), none(NotTaken::Members)),
            ("no entry", json!([]), known(), none(NotTaken::Format)),
        ];
        for (name, entry, known, expected) in table {
            assert_eq!(taken(&entry, known).map(|it| it.age.as_secs_f64().round()), expected, "{name}");
        }
        for empty in [json!([]), json!([{ "kty": "OKP" }])] {
            let refused = taken(&with(json!({ "keys": empty })), known());
            assert!(matches!(refused, Err(NotTaken::Keys(KeySetError::NoUsableKey(_)))), "{refused:?}");
        }
        let source = source("jwks");
        for text in ["", "{", "null", "\u{feff}{}"] {
            assert_eq!(read(text, &source, &binding(&source), known()).unwrap_err(), NotTaken::Format, "{text}");
        }
    }

    #[test]
    fn a_refresh_ends_with_keys_that_need_none_themselves() {
        let aged = |seconds: f64, advised: Value| {
            let mut entry = entry();
            entry["fetchedAt"] = json!(NOW - seconds);
            entry["advised"] = advised;
            taken(&entry, known()).unwrap().are_fresh(80, Lifetimes::default())
        };
        assert_eq!(MIN_LIFE.as_secs(), 60);
        for (seconds, advised, expected) in [
            (0.0, Value::Null, true),
            (47.0, Value::Null, true),
            (49.0, Value::Null, false),
            (239.0, json!(300), true),
            (241.0, json!(300), false),
            // What one provider, or whoever wrote for it, says is bounded by the policy.
            (481.0, json!(u64::MAX), false),
            (STALE_BOUND.as_secs_f64() + 1.0, json!(u64::MAX), false),
        ] {
            assert_eq!(aged(seconds, advised.clone()), expected, "{seconds} {advised}");
        }
    }
}
