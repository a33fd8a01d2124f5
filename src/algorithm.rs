//! The closed list of signature algorithms (RFC 7518 3.1, RFC 8037 3.1, RFC 9964 5).
//!
//! `none` and the HMAC family do not exist here, so that no configuration and no token can name them.

/// A JWS signature algorithm this crate can verify.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
#[allow(missing_docs)]
pub enum Algorithm {
    RS256,
    RS384,
    RS512,
    PS256,
    PS384,
    PS512,
    ES256,
    ES384,
    ES512,
    EdDSA,
    MlDsa44,
    MlDsa65,
    MlDsa87,
}

/// What kind of key an algorithm needs: `kty` and, where there is one, the curve or the parameter set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum KeyType {
    Rsa,
    P256,
    P384,
    P521,
    Ed25519,
    MlDsa44,
    MlDsa65,
    MlDsa87,
}

impl Algorithm {
    /// Every algorithm, in the order of RFC 7518, then those of later documents.
    pub const ALL: [Self; 13] = [
        Self::RS256,
        Self::RS384,
        Self::RS512,
        Self::PS256,
        Self::PS384,
        Self::PS512,
        Self::ES256,
        Self::ES384,
        Self::ES512,
        Self::EdDSA,
        Self::MlDsa44,
        Self::MlDsa65,
        Self::MlDsa87,
    ];

    /// The registered name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::RS256 => "RS256",
            Self::RS384 => "RS384",
            Self::RS512 => "RS512",
            Self::PS256 => "PS256",
            Self::PS384 => "PS384",
            Self::PS512 => "PS512",
            Self::ES256 => "ES256",
            Self::ES384 => "ES384",
            Self::ES512 => "ES512",
            Self::EdDSA => "EdDSA",
            Self::MlDsa44 => "ML-DSA-44",
            Self::MlDsa65 => "ML-DSA-65",
            Self::MlDsa87 => "ML-DSA-87",
        }
    }

    /// Names are case-sensitive (RFC 7515 4.1.1). `Ed25519` (RFC 9864 2.2) says of `EdDSA` which curve it is, the only one there is
    /// here: two names of one algorithm.
    pub fn from_name(name: &str) -> Option<Self> {
        match name {
            "Ed25519" => Some(Self::EdDSA),
            _ => Self::ALL.into_iter().find(|algorithm| algorithm.name() == name),
        }
    }

    /// The one kind of key this algorithm may be used with (RFC 8725 3.1).
    pub const fn key_type(self) -> KeyType {
        match self {
            Self::RS256 | Self::RS384 | Self::RS512 | Self::PS256 | Self::PS384 | Self::PS512 => KeyType::Rsa,
            Self::ES256 => KeyType::P256,
            Self::ES384 => KeyType::P384,
            Self::ES512 => KeyType::P521,
            Self::EdDSA => KeyType::Ed25519,
            Self::MlDsa44 => KeyType::MlDsa44,
            Self::MlDsa65 => KeyType::MlDsa65,
            Self::MlDsa87 => KeyType::MlDsa87,
        }
    }

    const fn bit(self) -> u16 {
        1 << self as u8
    }
}

/// A set of algorithms a policy allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AlgorithmSet(u16);

impl AlgorithmSet {
    /// LibreChat's nine: RS, PS and ES with 256, 384 and 512. The others must be asked for by name.
    pub const LIBRECHAT: Self = Self(0b1_1111_1111);

    /// Whether `algorithm` is allowed.
    pub const fn contains(self, algorithm: Algorithm) -> bool {
        self.0 & algorithm.bit() != 0
    }

    /// The names of those allowed.
    pub fn names(self) -> Vec<&'static str> {
        Algorithm::ALL.into_iter().filter(|algorithm| self.contains(*algorithm)).map(Algorithm::name).collect()
    }

    /// Whether nothing is allowed.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }
}

impl FromIterator<Algorithm> for AlgorithmSet {
    fn from_iter<I: IntoIterator<Item = Algorithm>>(algorithms: I) -> Self {
        Self(algorithms.into_iter().fold(0, |bits, algorithm| bits | algorithm.bit()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knows_no_unsigned_or_symmetric_algorithm() {
        for name in [
            "none",
            "None",
            "HS256",
            "HS384",
            "HS512",
            "rs256",
            "ES256K",
            "Ed448",
            "ed25519",
            "ml-dsa-44",
            "ML-DSA",
            "RSA-OAEP",
            "",
        ] {
            assert_eq!(Algorithm::from_name(name), None, "{name}");
        }
    }

    #[test]
    fn ed25519_is_another_name_of_eddsa() {
        assert_eq!(Algorithm::from_name("Ed25519"), Some(Algorithm::EdDSA));
    }

    #[test]
    fn default_set_is_librechats_nine() {
        for algorithm in Algorithm::ALL {
            assert_eq!(Algorithm::from_name(algorithm.name()), Some(algorithm));
            assert_eq!(AlgorithmSet::LIBRECHAT.contains(algorithm), algorithm.name().as_bytes()[1] == b'S');
            let only = AlgorithmSet::from_iter([algorithm]);
            assert_eq!(only.names(), [algorithm.name()]);
        }
    }
}
