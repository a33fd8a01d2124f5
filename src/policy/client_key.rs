//! The operator's private key, by which the server proves to a provider which client it is (RFC 7523 2.2).

use std::sync::Arc;

use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::pem::PemObject;
use serde_json::{Map, Value, json};

use super::transport::Secret;
use crate::algorithm::{Algorithm, KeyType};
use crate::base64url;
use crate::key_id::KeyId;
use crate::keys::signature::{PrivateKey, RsaNumbers};

/// What a key that cannot be used should have been.
const KEY: &str = "an object whose `privateKey` is an unencrypted PEM private key or a private JWK: RSA of 2048 to 8192 bits, P-256, \
                       P-384, P-521 or Ed25519";
const ALGORITHM: &str =
    "an object whose `alg` is an algorithm of its `privateKey`, and the key's own `alg` where that has one";
const KEY_ID: &str = "an object whose `kid` has 1 to 256 bytes";

/// A key, parsed once, with what its signatures name.
#[derive(Clone)]
pub struct ClientKey(Arc<Inner>);

struct Inner {
    key: PrivateKey,
    algorithm: Algorithm,
    key_id: Option<KeyId>,
}

impl std::fmt::Debug for ClientKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ClientKey").field("algorithm", &self.0.algorithm).finish_non_exhaustive()
    }
}

impl ClientKey {
    /// Reads a PEM text, or a JWK as JSON. `kid` and `alg` come from the JWK where they are not given; without either an RSA key signs
    /// with RS256, and any other with the one algorithm it has.
    ///
    /// # Errors
    /// What was expected.
    pub fn parse(text: &Secret, key_id: Option<&str>, algorithm: Option<&str>) -> Result<Self, &'static str> {
        let is_jwk = text.reveal().trim_start().starts_with('{');
        let jwk = is_jwk.then(|| serde_json::from_str::<Map<_, _>>(text.reveal())).transpose().map_err(|_| KEY)?;
        let key = match &jwk {
            Some(jwk) => from_jwk(jwk).ok_or(KEY)?,
            None => {
                let der = PrivateKeyDer::from_pem_slice(text.reveal().as_bytes()).map_err(|_| KEY)?;
                PrivateKey::der(der.secret_der()).map_err(|_| KEY)?
            }
        };
        let own = |name: &str| jwk.as_ref().and_then(|jwk| jwk.get(name)).filter(|value| !value.is_null());
        let algorithm = match (algorithm, own("alg")) {
            (None, None) => usual(key.key_type()),
            (Some(name), None) => Algorithm::from_name(name).ok_or(ALGORITHM)?,
            (name, Some(own)) => {
                let own = own.as_str().and_then(Algorithm::from_name).ok_or(ALGORITHM)?;
                // RFC 7517 4.4: a key that names its algorithm is meant for that one alone.
                if name.is_some_and(|name| Algorithm::from_name(name) != Some(own)) {
                    return Err(ALGORITHM);
                }
                own
            }
        };
        if algorithm.key_type() != key.key_type() {
            return Err(ALGORITHM);
        }
        let key_id = key_id.or_else(|| own("kid").and_then(Value::as_str));
        let key_id = key_id.map(|id| KeyId::new(id).ok_or(KEY_ID)).transpose()?;
        Ok(Self(Arc::new(Inner { key, algorithm, key_id })))
    }

    /// A signed JWT with these claims (RFC 7515 3.1). `None` where the crypto library fails.
    pub fn sign(&self, claims: &Value) -> Option<Secret> {
        let Inner { key, algorithm, key_id } = &*self.0;
        let mut header = json!({ "alg": algorithm.name(), "typ": "JWT" });
        if let (Some(header), Some(key_id)) = (header.as_object_mut(), key_id) {
            header.insert("kid".to_owned(), key_id.as_str().into());
        }
        let encode = |value: &Value| base64url::encode(value.to_string().as_bytes());
        let signed = format!("{}.{}", encode(&header), encode(claims));
        let signature = key.sign(*algorithm, signed.as_bytes())?;
        Some(Secret::new(format!("{signed}.{}", base64url::encode(&signature))))
    }
}

/// The algorithm of a key that names none: of RSA's six the one that every provider has.
const fn usual(key_type: KeyType) -> Algorithm {
    match key_type {
        KeyType::Rsa => Algorithm::RS256,
        KeyType::P256 => Algorithm::ES256,
        KeyType::P384 => Algorithm::ES384,
        KeyType::P521 => Algorithm::ES512,
        KeyType::Ed25519 => Algorithm::EdDSA,
        // No private key of these is read.
        KeyType::MlDsa44 => Algorithm::MlDsa44,
        KeyType::MlDsa65 => Algorithm::MlDsa65,
        KeyType::MlDsa87 => Algorithm::MlDsa87,
    }
}

/// RFC 7517 4.2 and 4.3, RFC 7518 6, RFC 8037 2.
fn from_jwk(jwk: &Map<String, Value>) -> Option<PrivateKey> {
    let text = |name: &str| jwk.get(name).and_then(Value::as_str);
    let may_sign = |ops: &Value| ops.as_array().is_some_and(|ops| ops.iter().any(|op| op == "sign"));
    let is_for_signatures =
        jwk.get("use").is_none_or(|value| value == "sig") && jwk.get("key_ops").is_none_or(may_sign);
    if !is_for_signatures {
        return None;
    }
    let bytes = |name: &str| base64url::decode(text(name)?.as_bytes()).ok();
    match (text("kty")?, text("crv")) {
        ("RSA", _) => {
            // The crypto library takes numbers without leading zero bytes.
            let number = |name: &str| {
                let bytes = bytes(name)?;
                let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
                bytes.get(zeros..).map(<[u8]>::to_vec)
            };
            let (n, e, d) = (number("n")?, number("e")?, number("d")?);
            let (p, q, dp, dq, qi) = (number("p")?, number("q")?, number("dp")?, number("dq")?, number("qi")?);
            let numbers = RsaNumbers { n: &n, e: &e, d: &d, p: &p, q: &q, dp: &dp, dq: &dq, qi: &qi };
            // Of more than two primes: no library makes such keys unasked.
            if jwk.contains_key("oth") { None } else { PrivateKey::rsa(&numbers).ok() }
        }
        ("EC", Some(curve)) => {
            let key_type = match curve {
                "P-256" => KeyType::P256,
                "P-384" => KeyType::P384,
                "P-521" => KeyType::P521,
                _ => return None,
            };
            PrivateKey::ec(key_type, &bytes("d")?, &bytes("x")?, &bytes("y")?).ok()
        }
        ("OKP", Some("Ed25519")) => PrivateKey::ed25519(&bytes("d")?, &bytes("x")?).ok(),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use rcgen::{KeyPair, PKCS_ECDSA_P256_SHA256, PKCS_ED25519};

    use super::*;
    use crate::keys::signature::PublicKey;

    fn parts(jwt: &Secret) -> (String, Value, Value, Vec<u8>) {
        let text = jwt.reveal();
        let (signed, signature) = text.rsplit_once('.').unwrap();
        let (header, payload) = signed.split_once('.').unwrap();
        let read = |part: &str| serde_json::from_slice(&base64url::decode(part.as_bytes()).unwrap()).unwrap();
        (signed.to_owned(), read(header), read(payload), base64url::decode(signature.as_bytes()).unwrap())
    }

    #[test]
    fn signs_what_its_public_key_verifies_and_shows_no_key() {
        let ec = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap();
        let ed = KeyPair::generate_for(&PKCS_ED25519).unwrap();
        let (x, y) = ec.public_key_raw()[1..].split_at(32);
        let publics = [PublicKey::ec(KeyType::P256, x, y).unwrap(), PublicKey::ed25519(ed.public_key_raw()).unwrap()];
        for ((pair, public), name) in [ec, ed].iter().zip(publics).zip(["ES256", "EdDSA"]) {
            let pem = pair.serialize_pem();
            let key = ClientKey::parse(&Secret::new(pem.as_str()), Some("k"), None).unwrap();
            let claims = json!({ "iss": "c", "exp": 1 });
            let (signed, header, payload, signature) = parts(&key.sign(&claims).unwrap());
            assert_eq!(header, json!({ "alg": name, "typ": "JWT", "kid": "k" }));
            assert_eq!(payload, claims);
            assert!(public.verify(Algorithm::from_name(name).unwrap(), signed.as_bytes(), &signature));
            assert!(!public.verify(Algorithm::from_name(name).unwrap(), b"other", &signature));
            let shown = format!("{key:?}");
            assert!(pem.lines().all(|line| !shown.contains(line)) && !shown.contains("kid"), "{shown}");
        }
    }

    #[test]
    fn says_what_was_expected() {
        let ec = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap().serialize_pem();
        let parse = |text: &str, kid, alg| ClientKey::parse(&Secret::new(text), kid, alg).unwrap_err();
        for text in ["", "a key", "{", "{}", "[]", r#"{"kty":"oct","k":"AA"}"#, r#"{"kty":"EC","crv":"P-256"}"#] {
            assert_eq!(parse(text, None, None), KEY, "{text}");
        }
        for alg in ["RS256", "ES384", "HS256", "none", ""] {
            assert_eq!(parse(&ec, None, Some(alg)), ALGORITHM, "{alg}");
        }
        for kid in ["", &"k".repeat(257)] {
            assert_eq!(parse(&ec, Some(kid), None), KEY_ID);
        }
    }
}
