//! The import of one entry of a JWK Set (RFC 7517 4, RFC 7518 6, RFC 8037 2, RFC 9964 3): a key, or the reason why it is
//! skipped.
//!
//! Providers publish sets with entries that cannot or must not be used. Each is skipped alone; the others are imported.

use std::sync::Arc;

use jsonwebtoken::jwk::{Jwk, ThumbprintHash};
use serde_json::{Map, Value, json};

use super::members::{Kty, is_private};
use super::signature::{PublicKey, sha256};
use crate::algorithm::{Algorithm, KeyType};
use crate::base64url::{self, encode};
use crate::key_id::KeyId;

/// Smallest RSA modulus used, in bits (RFC 7518 3.3).
const MIN_RSA_BITS: usize = 2048;
/// Largest RSA modulus used, in bits: a check with a longer one takes milliseconds, and a forged token is free.
const MAX_RSA_BITS: usize = 8192;

/// Why an entry of a set is not used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs)]
pub enum SkipReason {
    #[error("not a JSON object")]
    NotAnObject,
    #[error("`kty` or `crv` is missing or not supported")]
    Type,
    #[error("`use` is not `sig`")]
    Use,
    #[error("`key_ops` does not have `verify`")]
    KeyOps,
    #[error("`alg` is not a signature algorithm for this type of key, or missing where this type needs one")]
    Algorithm,
    #[error("it holds private or symmetric key material")]
    Private,
    #[error("a member is missing, not a string or not base64url")]
    Encoding,
    #[error("`kid` is longer than 256 bytes")]
    KeyId,
    #[error("the RSA modulus has fewer than 2048 bits")]
    WeakRsa,
    #[error("the RSA modulus has more than 8192 bits")]
    HugeRsa,
    #[error("the RSA modulus or exponent is even or too small")]
    RsaNumbers,
    #[error("the Ed25519 point has a small order, so that anybody can sign for it")]
    SmallOrder,
    #[error("a coordinate is longer than the field of its curve")]
    CoordinateLength,
    #[error("`pub` is not as long as the public keys of its `alg`")]
    PublicLength,
    #[error("the crypto library refuses it (a point off the curve, for instance)")]
    Rejected,
    #[error("an earlier entry is the same key with the same `kid`")]
    DuplicateKeyId,
    #[error("the set has more than 1000 keys")]
    TooMany,
}

/// A key of a set, ready to check signatures.
#[derive(Debug)]
pub struct Key {
    id: Option<KeyId>,
    only: Option<Algorithm>,
    issuer: Option<Arc<str>>,
    thumbprint: Arc<str>,
    normalised: bool,
    public: PublicKey,
}

impl Key {
    /// Imports one entry.
    ///
    /// # Errors
    /// The [`SkipReason`].
    pub fn import(entry: &Value) -> Result<Self, SkipReason> {
        let entry = entry.as_object().ok_or(SkipReason::NotAnObject)?;
        // RFC 7517 4.2: LibreChat takes an absent `use` or exactly `sig`.
        if entry.get("use").is_some_and(|value| value != "sig") {
            return Err(SkipReason::Use);
        }
        // RFC 7517 4.3.
        let may_verify = |ops: &Value| ops.as_array().is_some_and(|ops| ops.iter().any(|op| op == "verify"));
        if entry.get("key_ops").is_some_and(|ops| !ops.is_null() && !may_verify(ops)) {
            return Err(SkipReason::KeyOps);
        }
        if entry.keys().any(|member| is_private(member)) {
            return Err(SkipReason::Private);
        }
        // A numeric `kid` never matches a token's; the key still serves tokens without one.
        let id = match entry.get("kid").and_then(Value::as_str) {
            None | Some("") => None,
            Some(text) => Some(KeyId::new(text).ok_or(SkipReason::KeyId)?),
        };
        let Imported { public, thumbprint, normalised } = import_material(entry)?;
        let only = match entry.get("alg") {
            None | Some(Value::Null) => None,
            Some(name) => {
                let algorithm = name.as_str().and_then(Algorithm::from_name);
                Some(algorithm.filter(|it| it.key_type() == public.key_type()).ok_or(SkipReason::Algorithm)?)
            }
        };
        let thumbprint = thumbprint.ok_or(SkipReason::Rejected)?.into();
        // Not a registered parameter: in Microsoft's shared key sets it names the issuer that the key may sign for.
        let issuer = entry.get("issuer").and_then(Value::as_str).map(Arc::from);
        Ok(Self { id, only, issuer, thumbprint, normalised, public })
    }

    /// `kid`, if it is usable as one.
    pub const fn id(&self) -> Option<&KeyId> {
        self.id.as_ref()
    }

    /// Whether it has the same key material for the same algorithms as `other`.
    pub fn is_same_material(&self, other: &Self) -> bool {
        self.thumbprint == other.thumbprint && self.only == other.only
    }

    /// Whether the two are the same for every token.
    pub fn is_same(&self, other: &Self) -> bool {
        self.is_same_material(other) && self.id == other.id && self.issuer == other.issuer
    }

    /// The RFC 7638 SHA-256 thumbprint, which identifies the key material.
    pub const fn thumbprint(&self) -> &Arc<str> {
        &self.thumbprint
    }

    /// The issuer this key vouches for, where its entry says so.
    pub const fn issuer(&self) -> Option<&Arc<str>> {
        self.issuer.as_ref()
    }

    /// Whether the entry had to be normalised: padding, leading zeros, a short coordinate.
    pub const fn normalised(&self) -> bool {
        self.normalised
    }

    /// Whether this key may be used with `algorithm`: its own type, and its own `alg` if it names one
    /// (RFC 8725 3.1).
    pub fn fits(&self, algorithm: Algorithm) -> bool {
        self.public.key_type() == algorithm.key_type() && self.only.is_none_or(|only| only == algorithm)
    }

    /// How long an RSA modulus is, in bytes; zero for other keys.
    pub const fn modulus_bytes(&self) -> usize {
        self.public.modulus_bytes()
    }

    /// Whether `signature` is `algorithm`'s signature of `message` under this key.
    pub fn verify(&self, algorithm: Algorithm, message: &[u8], signature: &[u8]) -> bool {
        self.fits(algorithm) && self.public.verify(algorithm, message, signature)
    }
}

struct Imported {
    public: PublicKey,
    /// RFC 7638: the same key material has the same one, however its entry is encoded.
    thumbprint: Option<String>,
    normalised: bool,
}

/// A member's bytes. Real providers use padding and the standard alphabet; that is accepted in a key set, never in a
/// token.
struct Bytes {
    bytes: Vec<u8>,
    respelled: bool,
}

fn bytes(entry: &Map<String, Value>, name: &str) -> Result<Bytes, SkipReason> {
    let text = entry.get(name).and_then(Value::as_str).ok_or(SkipReason::Encoding)?;
    match base64url::decode(text.as_bytes()) {
        Ok(bytes) => Ok(Bytes { bytes, respelled: false }),
        Err(_) => {
            let bytes = base64url::decode_leniently(text).map_err(|_| SkipReason::Encoding)?;
            Ok(Bytes { bytes, respelled: true })
        }
    }
}

/// RFC 7638 3.2: of the required members only, in their canonical encoding.
fn thumbprint_of(canonical: Value) -> Option<String> {
    serde_json::from_value::<Jwk>(canonical).ok()?.thumbprint(ThumbprintHash::SHA256).ok()
}

fn without_leading_zeros(bytes: &[u8]) -> &[u8] {
    let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
    bytes.get(zeros..).unwrap_or_default()
}

fn is_even(number: &[u8]) -> bool {
    number.last().is_none_or(|byte| byte & 1 == 0)
}

fn import_material(entry: &Map<String, Value>) -> Result<Imported, SkipReason> {
    let name = |member: &str| entry.get(member).and_then(Value::as_str).unwrap_or_default();
    match Kty::from_name(name("kty")) {
        Some(Kty::Rsa) => import_rsa(entry),
        Some(Kty::Ec) => match name("crv") {
            "P-256" => import_ec(entry, KeyType::P256, "P-256", 32),
            "P-384" => import_ec(entry, KeyType::P384, "P-384", 48),
            "P-521" => import_ec(entry, KeyType::P521, "P-521", 66),
            _ => Err(SkipReason::Type),
        },
        Some(Kty::Okp) => match name("crv") {
            "Ed25519" => import_ed25519(entry),
            _ => Err(SkipReason::Type),
        },
        Some(Kty::Akp) => import_akp(entry),
        Some(Kty::Oct) | None => Err(SkipReason::Type),
    }
}

/// RFC 9964 3: `alg` is required, and says what `pub` is.
fn import_akp(entry: &Map<String, Value>) -> Result<Imported, SkipReason> {
    let name = entry.get("alg").and_then(Value::as_str).ok_or(SkipReason::Algorithm)?;
    let algorithm = Algorithm::from_name(name).filter(|it| is_ml_dsa(it.key_type())).ok_or(SkipReason::Algorithm)?;
    let raw = bytes(entry, "pub")?;
    // Any bytes of the right number are a key (FIPS 204, algorithm 23).
    let public = PublicKey::ml_dsa(algorithm.key_type(), &raw.bytes).map_err(|_| SkipReason::PublicLength)?;
    // RFC 9964 6: `alg`, `kty` and `pub`, in this order. Neither name nor base64url has a character to escape.
    let canonical = format!(r#"{{"alg":"{}","kty":"AKP","pub":"{}"}}"#, algorithm.name(), encode(&raw.bytes));
    let thumbprint = Some(encode(&sha256(canonical.as_bytes())));
    Ok(Imported { public, thumbprint, normalised: raw.respelled })
}

const fn is_ml_dsa(key_type: KeyType) -> bool {
    matches!(key_type, KeyType::MlDsa44 | KeyType::MlDsa65 | KeyType::MlDsa87)
}

fn import_ed25519(entry: &Map<String, Value>) -> Result<Imported, SkipReason> {
    let x = bytes(entry, "x")?;
    // RFC 8032 does not forbid these keys, but anybody can write signatures that verify under one, for all messages or some.
    if has_small_order(&x.bytes) {
        return Err(SkipReason::SmallOrder);
    }
    let public = PublicKey::ed25519(&x.bytes).map_err(|_| SkipReason::Rejected)?;
    let thumbprint = thumbprint_of(json!({ "kty": "OKP", "crv": "Ed25519", "x": encode(&x.bytes) }));
    Ok(Imported { public, thumbprint, normalised: x.respelled })
}

/// The y-coordinates, least significant word first, of the eight points whose order divides the cofactor (RFC 8032 5.1), each
/// in every spelling that fits 255 bits: 0, 1 and -1, the two of order eight, and 0 and 1 with the field's prime added.
const SMALL_ORDER: [[u64; 4]; 7] = [
    [0, 0, 0, 0],
    [1, 0, 0, 0],
    [0xffff_ffff_ffff_ffec, u64::MAX, u64::MAX, u64::MAX >> 1],
    [0xb027_b2c2_8f95_e826, 0xf098_eff2_89f4_c345, 0x3933_c6d3_05ac_dfd5, 0x05fc_536d_8802_38b1],
    [0x4fd8_4d3d_706a_17c7, 0x0f67_100d_760b_3cba, 0xc6cc_392c_fa53_202a, 0x7a03_ac92_77fd_c74e],
    [0xffff_ffff_ffff_ffed, u64::MAX, u64::MAX, u64::MAX >> 1],
    [0xffff_ffff_ffff_ffee, u64::MAX, u64::MAX, u64::MAX >> 1],
];

/// Whether an Ed25519 key is one of those points. The sign of the other coordinate, the upmost bit, makes no difference.
fn has_small_order(x: &[u8]) -> bool {
    let (words, rest) = x.as_chunks::<8>();
    let mut y: Vec<u64> = words.iter().map(|word| u64::from_le_bytes(*word)).collect();
    if let Some(last) = y.last_mut() {
        *last &= u64::MAX >> 1;
    }
    rest.is_empty() && SMALL_ORDER.iter().any(|known| known[..] == y)
}

fn import_rsa(entry: &Map<String, Value>) -> Result<Imported, SkipReason> {
    let (raw_n, raw_e) = (bytes(entry, "n")?, bytes(entry, "e")?);
    let (n, e) = (without_leading_zeros(&raw_n.bytes), without_leading_zeros(&raw_e.bytes));
    let spare = n.first().map_or(0, |byte| byte.leading_zeros() as usize);
    let bits = n.len().saturating_mul(8).saturating_sub(spare);
    if bits < MIN_RSA_BITS {
        return Err(SkipReason::WeakRsa);
    }
    if bits > MAX_RSA_BITS {
        return Err(SkipReason::HugeRsa);
    }
    // RFC 8017 3.1: both are odd, and an exponent of one makes every signature valid.
    if is_even(n) || is_even(e) || e == [1] {
        return Err(SkipReason::RsaNumbers);
    }
    let normalised = raw_n.respelled || raw_e.respelled || n.len() != raw_n.bytes.len() || e.len() != raw_e.bytes.len();
    let public = PublicKey::rsa(n, e).map_err(|_| SkipReason::Rejected)?;
    let thumbprint = thumbprint_of(json!({ "kty": "RSA", "n": encode(n), "e": encode(e) }));
    Ok(Imported { public, thumbprint, normalised })
}

fn import_ec(
    entry: &Map<String, Value>,
    key_type: KeyType,
    curve: &str,
    field_bytes: usize,
) -> Result<Imported, SkipReason> {
    // RFC 7518 6.2.1.2 wants exactly the field's length; some libraries drop leading zeros or add one.
    let coordinate = |raw: &Bytes| -> Result<Vec<u8>, SkipReason> {
        let significant = without_leading_zeros(&raw.bytes);
        let missing = field_bytes.checked_sub(significant.len()).ok_or(SkipReason::CoordinateLength)?;
        Ok([&vec![0; missing][..], significant].concat())
    };
    let (raw_x, raw_y) = (bytes(entry, "x")?, bytes(entry, "y")?);
    let (x, y) = (coordinate(&raw_x)?, coordinate(&raw_y)?);
    let normalised = raw_x.respelled || raw_y.respelled || x != raw_x.bytes || y != raw_y.bytes;
    let public = PublicKey::ec(key_type, &x, &y).map_err(|_| SkipReason::Rejected)?;
    let thumbprint = thumbprint_of(json!({ "kty": "EC", "crv": curve, "x": encode(&x), "y": encode(&y) }));
    Ok(Imported { public, thumbprint, normalised })
}

#[cfg(test)]
mod tests {
    use super::*;

    // RFC 7638 3.1, example key and its thumbprint.
    const N: &str = "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw";
    const THUMBPRINT: &str = "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs";

    fn rsa(extra: Value) -> Value {
        let mut entry = json!({ "kty": "RSA", "n": N, "e": "AQAB" });
        for (name, value) in extra.as_object().unwrap() {
            entry[name] = value.clone();
        }
        entry
    }

    #[test]
    fn thumbprint_is_rfc_7638s_and_ignores_spelling() {
        assert_eq!(Key::import(&rsa(json!({ "kid": "a", "alg": "RS256" }))).unwrap().thumbprint().as_ref(), THUMBPRINT);
        let zero = encode(&[&[0][..], &base64url::decode(N.as_bytes()).unwrap()].concat());
        for entry in [json!({ "n": zero }), json!({ "n": format!("{N}==") }), json!({ "e": "AAEAAQ" })] {
            let key = Key::import(&rsa(entry)).unwrap();
            assert_eq!(key.thumbprint().as_ref(), THUMBPRINT);
            assert!(key.normalised());
        }
    }

    #[test]
    fn a_point_that_anybody_can_sign_for_is_no_key() {
        for known in SMALL_ORDER {
            for sign in [0, 0x80] {
                let mut x = known.map(u64::to_le_bytes).concat();
                x[31] |= sign;
                let entry = json!({ "kty": "OKP", "crv": "Ed25519", "x": encode(&x) });
                assert_eq!(Key::import(&entry).unwrap_err(), SkipReason::SmallOrder, "{entry}");
            }
        }
        // RFC 8037 A.2.
        let entry = json!({ "kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo" });
        assert!(Key::import(&entry).is_ok());
    }

    #[test]
    fn says_why_an_entry_is_skipped() {
        let table = [
            (Value::Null, SkipReason::NotAnObject),
            (json!([]), SkipReason::NotAnObject),
            (json!({}), SkipReason::Type),
            (json!({ "kty": "oct", "k": "AA" }), SkipReason::Private),
            (json!({ "kty": "oct" }), SkipReason::Type),
            (json!({ "kty": "OKP", "crv": "X25519", "x": "AA" }), SkipReason::Type),
            (json!({ "kty": "EC", "crv": "secp256k1", "x": "AA", "y": "AA" }), SkipReason::Type),
            (json!({ "kty": "EC", "crv": "P-256", "x": "AQ", "y": "AQ" }), SkipReason::Rejected),
            (json!({ "kty": "EC", "crv": "P-256", "x": N, "y": "AQ" }), SkipReason::CoordinateLength),
            (json!({ "kty": "OKP", "crv": "Ed25519", "x": "AQ" }), SkipReason::Rejected),
            (json!({ "kty": "AKP", "pub": "AQ" }), SkipReason::Algorithm),
            (json!({ "kty": "AKP", "alg": "ML-DSA-128", "pub": "AQ" }), SkipReason::Algorithm),
            (json!({ "kty": "AKP", "alg": "RS256", "pub": "AQ" }), SkipReason::Algorithm),
            (json!({ "kty": "AKP", "alg": "ML-DSA-44", "pub": 1 }), SkipReason::Encoding),
            (json!({ "kty": "AKP", "alg": "ML-DSA-44", "pub": "AQ" }), SkipReason::PublicLength),
            (json!({ "kty": "AKP", "alg": "ML-DSA-44", "priv": "AQ" }), SkipReason::Private),
            (rsa(json!({ "alg": "ML-DSA-44" })), SkipReason::Algorithm),
            (rsa(json!({ "use": "enc" })), SkipReason::Use),
            (rsa(json!({ "use": null })), SkipReason::Use),
            (rsa(json!({ "use": "SIG" })), SkipReason::Use),
            (rsa(json!({ "key_ops": ["sign"] })), SkipReason::KeyOps),
            (rsa(json!({ "key_ops": "verify" })), SkipReason::KeyOps),
            (rsa(json!({ "alg": "RSA-OAEP" })), SkipReason::Algorithm),
            (rsa(json!({ "alg": "ES256" })), SkipReason::Algorithm),
            (rsa(json!({ "alg": 1 })), SkipReason::Algorithm),
            (rsa(json!({ "d": "AQ" })), SkipReason::Private),
            (rsa(json!({ "n": 1 })), SkipReason::Encoding),
            (rsa(json!({ "n": "AQAB" })), SkipReason::WeakRsa),
            (rsa(json!({ "e": "AQ" })), SkipReason::RsaNumbers),
            (rsa(json!({ "e": "AA" })), SkipReason::RsaNumbers),
            (rsa(json!({ "e": "AQAA" })), SkipReason::RsaNumbers),
            (rsa(json!({ "kid": "k".repeat(257) })), SkipReason::KeyId),
        ];
        for (entry, reason) in table {
            assert_eq!(Key::import(&entry).unwrap_err(), reason, "{entry}");
        }
        for entry in
            [json!({ "kid": 7 }), json!({ "kid": "" }), json!({ "use": "sig", "key_ops": ["verify"], "x5c": "x" })]
        {
            assert!(Key::import(&rsa(entry)).unwrap().id().is_none());
        }
    }
}
