//! Signatures checked with parsed public keys, and made with parsed private ones: the one module that names the crypto crate.

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::rand::{self, SystemRandom};
use aws_lc_rs::rsa::{KeyPairComponents, PublicKeyComponents};
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED, ECDSA_P384_SHA384_FIXED_SIGNING,
    ECDSA_P521_SHA512_FIXED, ECDSA_P521_SHA512_FIXED_SIGNING, ED25519, EcdsaKeyPair, EcdsaSigningAlgorithm,
    Ed25519KeyPair, ML_DSA_44, ML_DSA_65, ML_DSA_87, ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256,
    RSA_PKCS1_2048_8192_SHA384, RSA_PKCS1_2048_8192_SHA512, RSA_PKCS1_SHA256, RSA_PKCS1_SHA384, RSA_PKCS1_SHA512,
    RSA_PSS_2048_8192_SHA256, RSA_PSS_2048_8192_SHA384, RSA_PSS_2048_8192_SHA512, RSA_PSS_SHA256, RSA_PSS_SHA384,
    RSA_PSS_SHA512, RsaEncoding, RsaKeyPair, RsaParameters, RsaPublicKeyComponents, VerificationAlgorithm,
};
use std::sync::OnceLock;

use crate::algorithm::{Algorithm, KeyType};

/// The crypto library refused the key: a point off the curve, an impossible modulus.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the crypto library refuses this key")]
pub struct KeyRejected;

/// A public key, parsed once and checked by the crypto library.
pub struct PublicKey {
    key_type: KeyType,
    material: Material,
}

enum Material {
    Rsa(Box<Rsa>),
    Other(ParsedPublicKey),
}

/// One modulus serves six algorithms; each is prepared when first used.
struct Rsa {
    n: Box<[u8]>,
    e: Box<[u8]>,
    parsed: [OnceLock<Option<ParsedPublicKey>>; 6],
}

impl std::fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PublicKey").field("key_type", &self.key_type).finish_non_exhaustive()
    }
}

impl PublicKey {
    /// An RSA key from its big-endian modulus and exponent without leading zero bytes.
    ///
    /// # Errors
    /// [`KeyRejected`] unless the modulus has 2048 to 8192 bits and the numbers form a possible key.
    pub fn rsa(n: &[u8], e: &[u8]) -> Result<Self, KeyRejected> {
        let first = parse_rsa(n, e, &RSA_PKCS1_2048_8192_SHA256).ok_or(KeyRejected)?;
        let parsed: [OnceLock<_>; 6] = Default::default();
        if let Some(slot) = parsed.first() {
            slot.get_or_init(|| Some(first));
        }
        Ok(Self { key_type: KeyType::Rsa, material: Material::Rsa(Box::new(Rsa { n: n.into(), e: e.into(), parsed })) })
    }

    /// An elliptic-curve key from its coordinates, each exactly as long as the field.
    ///
    /// # Errors
    /// [`KeyRejected`] for a key type without a curve, a wrong length or a point that is not on the curve.
    pub fn ec(key_type: KeyType, x: &[u8], y: &[u8]) -> Result<Self, KeyRejected> {
        let algorithm: &'static dyn VerificationAlgorithm = match key_type {
            KeyType::P256 => &ECDSA_P256_SHA256_FIXED,
            KeyType::P384 => &ECDSA_P384_SHA384_FIXED,
            KeyType::P521 => &ECDSA_P521_SHA512_FIXED,
            KeyType::Rsa | KeyType::Ed25519 | KeyType::MlDsa44 | KeyType::MlDsa65 | KeyType::MlDsa87 => {
                return Err(KeyRejected);
            }
        };
        // SEC 1, 2.3.3: an uncompressed point.
        let point = [&[4_u8], x, y].concat();
        let parsed = ParsedPublicKey::new(algorithm, point).map_err(|_| KeyRejected)?;
        Ok(Self { key_type, material: Material::Other(parsed) })
    }

    /// An Ed25519 key from its 32 bytes (RFC 8032 5.1.5).
    ///
    /// # Errors
    /// [`KeyRejected`] for any other length.
    pub fn ed25519(x: &[u8]) -> Result<Self, KeyRejected> {
        let parsed = ParsedPublicKey::new(&ED25519, x).map_err(|_| KeyRejected)?;
        Ok(Self { key_type: KeyType::Ed25519, material: Material::Other(parsed) })
    }

    /// An ML-DSA key from its bytes (FIPS 204, algorithm 22). Signatures are checked with an empty context (RFC 9964 5).
    ///
    /// # Errors
    /// [`KeyRejected`] for a key type of another algorithm, and for any other length than that of its parameter set
    /// (FIPS 204, table 2): the crypto library would read a DER structure as well.
    pub fn ml_dsa(key_type: KeyType, bytes: &[u8]) -> Result<Self, KeyRejected> {
        let (length, algorithm): (usize, &'static dyn VerificationAlgorithm) = match key_type {
            KeyType::MlDsa44 => (1312, &ML_DSA_44),
            KeyType::MlDsa65 => (1952, &ML_DSA_65),
            KeyType::MlDsa87 => (2592, &ML_DSA_87),
            KeyType::Rsa | KeyType::P256 | KeyType::P384 | KeyType::P521 | KeyType::Ed25519 => return Err(KeyRejected),
        };
        if bytes.len() != length {
            return Err(KeyRejected);
        }
        let parsed = ParsedPublicKey::new(algorithm, bytes).map_err(|_| KeyRejected)?;
        Ok(Self { key_type, material: Material::Other(parsed) })
    }

    /// The kind of key this is.
    pub const fn key_type(&self) -> KeyType {
        self.key_type
    }

    /// How long an RSA modulus is, in bytes; zero for other keys.
    pub const fn modulus_bytes(&self) -> usize {
        match &self.material {
            Material::Rsa(key) => key.n.len(),
            Material::Other(_) => 0,
        }
    }

    /// Whether `signature` is `algorithm`'s signature of `message` under this key; false for an algorithm of another
    /// key type. ECDSA signatures are `r || s` (RFC 7518 3.4); a PSS salt is as long as the hash (3.5).
    pub fn verify(&self, algorithm: Algorithm, message: &[u8], signature: &[u8]) -> bool {
        if algorithm.key_type() != self.key_type {
            return false;
        }
        let parsed = match &self.material {
            Material::Other(parsed) => Some(parsed),
            Material::Rsa(key) => rsa_parameters(algorithm)
                .and_then(|(place, parameters)| {
                    key.parsed.get(place).map(|slot| slot.get_or_init(|| parse_rsa(&key.n, &key.e, parameters)))
                })
                .and_then(Option::as_ref),
        };
        parsed.is_some_and(|key| key.verify_sig(message, signature).is_ok())
    }
}

/// A private key of the operator's, parsed once and checked by the crypto library. Never shown.
pub struct PrivateKey {
    key_type: KeyType,
    pair: Pair,
}

enum Pair {
    Rsa(RsaKeyPair),
    Ec(EcdsaKeyPair),
    Ed25519(Ed25519KeyPair),
}

/// The numbers of an RSA private key of two primes (RFC 7518 6.3), big-endian.
#[allow(missing_docs)]
pub struct RsaNumbers<'n> {
    pub n: &'n [u8],
    pub e: &'n [u8],
    pub d: &'n [u8],
    pub p: &'n [u8],
    pub q: &'n [u8],
    pub dp: &'n [u8],
    pub dq: &'n [u8],
    pub qi: &'n [u8],
}

impl std::fmt::Debug for PrivateKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PrivateKey").field("key_type", &self.key_type).finish_non_exhaustive()
    }
}

impl PrivateKey {
    /// An RSA key from its numbers.
    ///
    /// # Errors
    /// [`KeyRejected`] unless it has 2048 to 8192 bits and the numbers belong together.
    pub fn rsa(numbers: &RsaNumbers<'_>) -> Result<Self, KeyRejected> {
        let RsaNumbers { n, e, d, p, q, dp, dq, qi } = *numbers;
        let public_key = PublicKeyComponents { n, e };
        let pair = RsaKeyPair::from_components(&KeyPairComponents { public_key, d, p, q, dP: dp, dQ: dq, qInv: qi });
        Ok(Self { key_type: KeyType::Rsa, pair: Pair::Rsa(pair.map_err(|_| KeyRejected)?) })
    }

    /// An elliptic-curve key from its number and its point's coordinates, each exactly as long as the field.
    ///
    /// # Errors
    /// [`KeyRejected`] for a key type without a curve, a wrong length, or a point that is not this number's.
    pub fn ec(key_type: KeyType, d: &[u8], x: &[u8], y: &[u8]) -> Result<Self, KeyRejected> {
        let algorithm = ecdsa(key_type).ok_or(KeyRejected)?;
        let point = [&[4_u8], x, y].concat();
        let pair = EcdsaKeyPair::from_private_key_and_public_key(algorithm, d, &point).map_err(|_| KeyRejected)?;
        Ok(Self { key_type, pair: Pair::Ec(pair) })
    }

    /// An Ed25519 key from its seed and the public key that belongs to it (RFC 8037 2).
    ///
    /// # Errors
    /// [`KeyRejected`].
    pub fn ed25519(seed: &[u8], x: &[u8]) -> Result<Self, KeyRejected> {
        let pair = Ed25519KeyPair::from_seed_and_public_key(seed, x).map_err(|_| KeyRejected)?;
        Ok(Self { key_type: KeyType::Ed25519, pair: Pair::Ed25519(pair) })
    }

    /// A key as PKCS #8, PKCS #1 or SEC 1 has it (RFC 5208, 8017, 5915), not encrypted.
    ///
    /// # Errors
    /// [`KeyRejected`] for any other, and for a type of key that no algorithm here has.
    pub fn der(der: &[u8]) -> Result<Self, KeyRejected> {
        if let Ok(pair) = RsaKeyPair::from_pkcs8(der).or_else(|_| RsaKeyPair::from_der(der)) {
            return Ok(Self { key_type: KeyType::Rsa, pair: Pair::Rsa(pair) });
        }
        let curves = [KeyType::P256, KeyType::P384, KeyType::P521];
        let on_curve = |key_type| Some((key_type, EcdsaKeyPair::from_private_key_der(ecdsa(key_type)?, der).ok()?));
        if let Some((key_type, pair)) = curves.into_iter().find_map(on_curve) {
            return Ok(Self { key_type, pair: Pair::Ec(pair) });
        }
        // OpenSSL writes these without the public key.
        let pair = Ed25519KeyPair::from_pkcs8_maybe_unchecked(der).map_err(|_| KeyRejected)?;
        Ok(Self { key_type: KeyType::Ed25519, pair: Pair::Ed25519(pair) })
    }

    /// The kind of key this is.
    pub const fn key_type(&self) -> KeyType {
        self.key_type
    }

    /// `algorithm`'s signature of `message`, in the form that [`PublicKey::verify`] takes. `None` for an algorithm of another key type,
    /// and where the crypto library fails.
    pub fn sign(&self, algorithm: Algorithm, message: &[u8]) -> Option<Vec<u8>> {
        if algorithm.key_type() != self.key_type {
            return None;
        }
        let random = SystemRandom::new();
        match &self.pair {
            Pair::Ec(pair) => pair.sign(&random, message).ok().map(|signature| signature.as_ref().to_vec()),
            Pair::Ed25519(pair) => Some(pair.sign(message).as_ref().to_vec()),
            Pair::Rsa(pair) => {
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(rsa_encoding(algorithm)?, &random, message, &mut signature).ok()?;
                Some(signature)
            }
        }
    }
}

fn ecdsa(key_type: KeyType) -> Option<&'static EcdsaSigningAlgorithm> {
    match key_type {
        KeyType::P256 => Some(&ECDSA_P256_SHA256_FIXED_SIGNING),
        KeyType::P384 => Some(&ECDSA_P384_SHA384_FIXED_SIGNING),
        KeyType::P521 => Some(&ECDSA_P521_SHA512_FIXED_SIGNING),
        KeyType::Rsa | KeyType::Ed25519 | KeyType::MlDsa44 | KeyType::MlDsa65 | KeyType::MlDsa87 => None,
    }
}

fn rsa_encoding(algorithm: Algorithm) -> Option<&'static dyn RsaEncoding> {
    Some(match algorithm {
        Algorithm::RS256 => &RSA_PKCS1_SHA256,
        Algorithm::RS384 => &RSA_PKCS1_SHA384,
        Algorithm::RS512 => &RSA_PKCS1_SHA512,
        Algorithm::PS256 => &RSA_PSS_SHA256,
        Algorithm::PS384 => &RSA_PSS_SHA384,
        Algorithm::PS512 => &RSA_PSS_SHA512,
        Algorithm::ES256 | Algorithm::ES384 | Algorithm::ES512 | Algorithm::EdDSA => return None,
        Algorithm::MlDsa44 | Algorithm::MlDsa65 | Algorithm::MlDsa87 => return None,
    })
}

/// 128 bits that nobody can guess; `None` where the system has no randomness.
pub fn random() -> Option<[u8; 16]> {
    let mut bytes = [0; 16];
    rand::fill(&mut bytes).ok().map(|()| bytes)
}

/// SHA-256 (FIPS 180-4), to compare byte strings.
pub fn sha256(bytes: &[u8]) -> [u8; 32] {
    let mut out = [0; 32];
    // The digest has exactly 32 bytes.
    out.iter_mut().zip(digest(&SHA256, bytes).as_ref()).for_each(|(to, from)| *to = *from);
    out
}

fn parse_rsa(n: &[u8], e: &[u8], parameters: &'static RsaParameters) -> Option<ParsedPublicKey> {
    RsaPublicKeyComponents { n, e }.to_parsed_public_key(parameters).ok()
}

fn rsa_parameters(algorithm: Algorithm) -> Option<(usize, &'static RsaParameters)> {
    Some(match algorithm {
        Algorithm::RS256 => (0, &RSA_PKCS1_2048_8192_SHA256),
        Algorithm::RS384 => (1, &RSA_PKCS1_2048_8192_SHA384),
        Algorithm::RS512 => (2, &RSA_PKCS1_2048_8192_SHA512),
        Algorithm::PS256 => (3, &RSA_PSS_2048_8192_SHA256),
        Algorithm::PS384 => (4, &RSA_PSS_2048_8192_SHA384),
        Algorithm::PS512 => (5, &RSA_PSS_2048_8192_SHA512),
        Algorithm::ES256 | Algorithm::ES384 | Algorithm::ES512 | Algorithm::EdDSA => return None,
        Algorithm::MlDsa44 | Algorithm::MlDsa65 | Algorithm::MlDsa87 => return None,
    })
}
