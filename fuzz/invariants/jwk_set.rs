//! A JWK Set (RFC 7517 5) as a provider publishes it.

use remote_agent_auth::algorithm::Algorithm;
use remote_agent_auth::base64url::encode;
use remote_agent_auth::key_id::KeyId;
use remote_agent_auth::keys::jwk::{Key, SkipReason};
use remote_agent_auth::keys::signature::sha256;
use remote_agent_auth::keys::{KeySet, KeySetError, MAX_CANDIDATES, MAX_KEYS, MAX_NAMED, Selection};
use serde_json::{Map, Value};

use super::bits;

/// Each entry that is used is a public key as strong as the policy asks, under the thumbprint that RFC 7638 gives it, and for
/// its own algorithms alone. Each that is not has its reason. Nothing gets lost between the set and its entries.
pub fn holds(input: &[u8]) -> bool {
    let parsed = KeySet::parse(input);
    let Ok(document) = serde_json::from_slice::<Value>(input) else {
        assert_eq!(parsed.err(), Some(KeySetError::Json));
        return false;
    };
    let Some(entries) = document.get("keys").and_then(Value::as_array) else {
        assert_eq!(parsed.err(), Some(KeySetError::Shape));
        return false;
    };
    let imported: Vec<Result<Key, SkipReason>> = entries.iter().take(MAX_KEYS).map(Key::import).collect();
    for (entry, key) in entries.iter().zip(&imported) {
        match key {
            Ok(key) => assert_is_strong(key, entry.as_object().unwrap()),
            Err(reason) => assert!(is_true(*reason, entry), "{reason:?} of {entry:?}"),
        }
    }
    let Ok(set) = parsed else {
        let Err(KeySetError::NoUsableKey(unusable)) = parsed else { panic!("{parsed:?}") };
        let reasons = imported.iter().filter_map(|key| key.as_ref().err().copied());
        assert!(imported.iter().all(Result::is_err) && unusable.reasons().eq(reasons.take(MAX_NAMED)));
        return false;
    };
    assert_is_complete(&set, &imported, entries.len());
    assert_selects(&set, &imported);
    assert!(set.is_same(&KeySet::parse(input).unwrap()));
    true
}

/// A member's number or coordinate, without leading zeros.
fn bytes(entry: &Map<String, Value>, name: &str) -> Vec<u8> {
    let bytes = bits::leniently(entry[name].as_str().unwrap()).unwrap();
    bytes.into_iter().skip_while(|byte| *byte == 0).collect()
}

fn bit_length(number: &[u8]) -> usize {
    number.len() * 8 - number.first().map_or(0, |byte| byte.leading_zeros() as usize)
}

/// Whether an entry is what is said of it where it is left out: nobody loses a key that could be used.
fn is_true(reason: SkipReason, entry: &Value) -> bool {
    let Some(entry) = entry.as_object() else { return reason == SkipReason::NotAnObject };
    let text = |name: &str| entry.get(name).and_then(Value::as_str);
    let is_decodable = |name: &&str| text(name).is_some_and(|text| bits::leniently(text).is_some());
    match reason {
        SkipReason::Use => entry.get("use").is_some_and(|value| value != "sig"),
        SkipReason::KeyOps => !may_verify(entry),
        SkipReason::Private => PRIVATE.iter().any(|name| entry.contains_key(*name)),
        SkipReason::KeyId => text("kid").is_some_and(|id| id.len() > 256),
        SkipReason::Algorithm => {
            // RFC 9964 3: required of this type alone.
            let absent = kind(entry).0 == "AKP" && text("alg").is_none();
            absent || entry.get("alg").is_some_and(|alg| !algorithms(entry).iter().any(|name| alg == name))
        }
        SkipReason::Type => algorithms(entry).is_empty(),
        SkipReason::Encoding => !members(entry).iter().all(is_decodable),
        SkipReason::WeakRsa => bit_length(&bytes(entry, "n")) < 2048,
        SkipReason::HugeRsa => bit_length(&bytes(entry, "n")) > 8192,
        SkipReason::RsaNumbers => {
            let (n, e) = (bytes(entry, "n"), bytes(entry, "e"));
            e.is_empty() || e == [1] || [n, e].iter().any(|number| number.last().is_some_and(|byte| byte % 2 == 0))
        }
        SkipReason::CoordinateLength => members(entry).iter().any(|name| bytes(entry, name).len() > field_bytes(entry)),
        SkipReason::PublicLength => public_bytes(entry) != Some(bits::leniently(text("pub").unwrap()).unwrap().len()),
        // The crypto library's word, and that of the unit test.
        SkipReason::Rejected | SkipReason::SmallOrder => true,
        SkipReason::NotAnObject | SkipReason::DuplicateKeyId | SkipReason::TooMany => false,
    }
}

/// RFC 7517 4.3.
fn may_verify(entry: &Map<String, Value>) -> bool {
    let verifies = |ops: &Value| ops.is_null() || ops.as_array().is_some_and(|ops| ops.contains(&"verify".into()));
    entry.get("key_ops").is_none_or(verifies)
}

const PRIVATE: [&str; 9] = ["d", "p", "q", "dp", "dq", "qi", "oth", "k", "priv"];

fn kind(entry: &Map<String, Value>) -> (&str, &str) {
    let text = |name: &str| entry.get(name).and_then(Value::as_str).unwrap_or_default();
    (text("kty"), text("crv"))
}

/// The algorithms of a key's type; none where the type is unknown.
fn algorithms(entry: &Map<String, Value>) -> &'static [&'static str] {
    match kind(entry) {
        ("RSA", _) => &["RS256", "RS384", "RS512", "PS256", "PS384", "PS512"],
        ("EC", "P-256") => &["ES256"],
        ("EC", "P-384") => &["ES384"],
        ("EC", "P-521") => &["ES512"],
        // RFC 9864 2.2: two names of one algorithm.
        ("OKP", "Ed25519") => &["EdDSA", "Ed25519"],
        ("AKP", _) => &["ML-DSA-44", "ML-DSA-65", "ML-DSA-87"],
        _ => &[],
    }
}

/// Where the key is.
fn members(entry: &Map<String, Value>) -> &'static [&'static str] {
    match kind(entry) {
        ("RSA", _) => &["n", "e"],
        ("EC", _) => &["x", "y"],
        ("AKP", _) => &["pub"],
        _ => &["x"],
    }
}

fn field_bytes(entry: &Map<String, Value>) -> usize {
    match kind(entry).1 {
        "P-256" => 32,
        "P-384" => 48,
        _ => 66,
    }
}

fn assert_is_strong(key: &Key, entry: &Map<String, Value>) {
    assert!(entry.get("use").is_none_or(|value| value == "sig"));
    assert!(may_verify(entry));
    assert!(PRIVATE.iter().all(|name| !entry.contains_key(*name)));
    let id = entry.get("kid").and_then(Value::as_str).filter(|id| !id.is_empty());
    assert_eq!(key.id().map(KeyId::as_str), id);
    assert!(id.is_none_or(|id| id.len() <= 256));

    let thumbprint = match kind(entry) {
        ("RSA", _) => of_rsa(key, entry),
        ("EC", curve) => of_ec(entry, curve, field_bytes(entry)),
        ("AKP", _) => of_akp(entry),
        _ => of_ed25519(entry),
    };
    let algorithms = algorithms(entry);
    assert!(!algorithms.is_empty(), "a key of an unknown type: {entry:?}");
    assert_eq!(**key.thumbprint(), *thumbprint);
    let only = entry.get("alg").filter(|only| !only.is_null());
    for algorithm in Algorithm::ALL {
        let is_named = |only: &Value| only.as_str().and_then(Algorithm::from_name) == Some(algorithm);
        let fits = algorithms.contains(&algorithm.name()) && only.is_none_or(is_named);
        assert_eq!(key.fits(algorithm), fits, "{algorithm:?} for {entry:?}");
        assert_believes_no_empty_signature(key, algorithm);
    }
    assert!(only.is_none_or(|only| algorithms.iter().any(|name| only == name)));
    assert_eq!(key.modulus_bytes() != 0, entry["kty"] == "RSA");
}

/// RFC 7638 3.1: the required members in the order of their names, without white space.
fn thumbprint(canonical: &str) -> String {
    encode(&sha256(canonical.as_bytes()))
}

fn of_rsa(key: &Key, entry: &Map<String, Value>) -> String {
    let (n, e) = (bytes(entry, "n"), bytes(entry, "e"));
    assert!((2048..=8192).contains(&bit_length(&n)));
    assert!(n.last().unwrap() % 2 == 1 && e.last().unwrap() % 2 == 1 && e != [1]);
    assert_eq!(key.modulus_bytes(), n.len());
    thumbprint(&format!(r#"{{"e":"{}","kty":"RSA","n":"{}"}}"#, encode(&e), encode(&n)))
}

fn of_ec(entry: &Map<String, Value>, curve: &str, field_bytes: usize) -> String {
    let coordinate = |name| {
        let significant = bytes(entry, name);
        encode(&[vec![0; field_bytes.checked_sub(significant.len()).unwrap()], significant].concat())
    };
    let (x, y) = (coordinate("x"), coordinate("y"));
    thumbprint(&format!(r#"{{"crv":"{curve}","kty":"EC","x":"{x}","y":"{y}"}}"#))
}

fn of_ed25519(entry: &Map<String, Value>) -> String {
    let x = bits::leniently(entry["x"].as_str().unwrap()).unwrap();
    assert_eq!(x.len(), 32);
    thumbprint(&format!(r#"{{"crv":"Ed25519","kty":"OKP","x":"{}"}}"#, encode(&x)))
}

/// FIPS 204, table 2.
fn public_bytes(entry: &Map<String, Value>) -> Option<usize> {
    match entry.get("alg")?.as_str()? {
        "ML-DSA-44" => Some(1312),
        "ML-DSA-65" => Some(1952),
        "ML-DSA-87" => Some(2592),
        _ => None,
    }
}

/// RFC 9964 6.
fn of_akp(entry: &Map<String, Value>) -> String {
    let public = bits::leniently(entry["pub"].as_str().unwrap()).unwrap();
    assert_eq!(Some(public.len()), public_bytes(entry));
    thumbprint(&format!(r#"{{"alg":{},"kty":"AKP","pub":"{}"}}"#, entry["alg"], encode(&public)))
}

/// What anybody can write without the private key: zeros, and for Ed25519 the neutral point with them (RFC 8032 5.1.7). Several
/// messages, because a point of small order lets every second, fourth or eighth pass.
fn assert_believes_no_empty_signature(key: &Key, algorithm: Algorithm) {
    let length = match algorithm {
        Algorithm::ES256 | Algorithm::EdDSA => 64,
        Algorithm::ES384 => 96,
        Algorithm::ES512 => 132,
        // FIPS 204, table 2.
        Algorithm::MlDsa44 => 2420,
        Algorithm::MlDsa65 => 3309,
        Algorithm::MlDsa87 => 4627,
        _ => key.modulus_bytes(),
    };
    let (firsts, messages): (_, &[&[u8]]) = match algorithm {
        Algorithm::EdDSA => (0..=1, &[b"a", b"b", b"c", b"d", b"e", b"f", b"g", b"h"]),
        // The hash makes no difference to zeros, and each costs a look at the modulus.
        Algorithm::RS256 | Algorithm::ES256 | Algorithm::ES384 | Algorithm::ES512 => (0..=0, &[b"a"]),
        Algorithm::MlDsa44 | Algorithm::MlDsa65 | Algorithm::MlDsa87 => (0..=0, &[b"a"]),
        _ => return,
    };
    for first in firsts {
        let mut signature = vec![0; length];
        signature.iter_mut().take(1).for_each(|byte| *byte = first);
        let passes = |message: &&&[u8]| key.verify(algorithm, message, &signature);
        assert_eq!(messages.iter().find(passes), None, "anybody can sign for {:?}", key.thumbprint());
    }
}

fn assert_is_complete(set: &KeySet, imported: &[Result<Key, SkipReason>], entries: usize) {
    let usable: Vec<&Key> = imported.iter().flatten().collect();
    assert!(!set.keys().is_empty() && set.keys().len() <= usable.len());
    let is_in_the_set = |key: &&Key| set.keys().iter().any(|kept| kept.is_same_material(key));
    assert!(usable.iter().all(is_in_the_set));
    assert!(set.keys().iter().all(|kept| usable.iter().any(|key| key.is_same_material(kept))));

    let reason = |index: usize| set.skipped().iter().find(|skipped| skipped.index == index).map(|it| it.reason);
    for (index, key) in imported.iter().enumerate() {
        let earlier = imported.iter().take(index).flatten();
        let is_second = |key: &Key| key.id().is_some() && earlier.clone().any(|other| other.is_same(key));
        let expected = match key {
            Err(reason) => Some(*reason),
            Ok(key) => is_second(key).then_some(SkipReason::DuplicateKeyId),
        };
        assert_eq!(reason(index), expected, "entry {index}");
    }
    assert_eq!(reason(MAX_KEYS), (entries > MAX_KEYS).then_some(SkipReason::TooMany));
    assert!(set.skipped().iter().all(|skipped| skipped.index <= MAX_KEYS));
}

/// A `kid` finds every key that has it and fits the algorithm, up to a bound; a token without `kid` finds few.
fn assert_selects(set: &KeySet, imported: &[Result<Key, SkipReason>]) {
    for algorithm in Algorithm::ALL {
        for id in imported.iter().flatten().filter_map(Key::id) {
            let fitting: Vec<&Key> =
                set.keys().iter().filter(|key| key.id() == Some(id) && key.fits(algorithm)).collect();
            match set.select(algorithm, Some(id)) {
                Selection::Named(key) => assert!(fitting.len() == 1 && key.is_same(fitting[0])),
                Selection::Fitting(keys) => {
                    assert!(fitting.len() > 1 && keys.len() == fitting.len().min(MAX_CANDIDATES));
                    assert!(keys.iter().zip(&fitting).all(|(found, known)| found.is_same(known)));
                }
                Selection::Unsuitable => assert!(fitting.is_empty()),
                other @ Selection::NotFound => panic!("{other:?} for {id:?}"),
            }
        }
        let fitting = set.keys().iter().filter(|key| key.fits(algorithm)).count();
        match set.select(algorithm, None) {
            Selection::Fitting(keys) => {
                assert!(keys.iter().all(|key| key.fits(algorithm)) && keys.len() == fitting.min(MAX_CANDIDATES));
            }
            other => assert!(matches!(other, Selection::NotFound) && fitting == 0, "{other:?}"),
        }
    }
}
