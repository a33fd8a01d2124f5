//! The members of a JWK by key type: which are public, which are private. One table, for the import and for the snapshot file.

macro_rules! key_types {
    ($($variant:ident $name:literal public $public:tt private $private:tt $reference:literal;)*) => {
        /// A JWK's `kty` (RFC 7517 4.1).
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Kty {
            $(#[doc = $reference] $variant),*
        }

        impl Kty {
            /// Every `kty` known here. Not all of them hold keys that can be used.
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];

            /// Its name in a JWK.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name),* }
            }

            /// The members with public key material.
            pub const fn public_members(self) -> &'static [&'static str] {
                match self { $(Self::$variant => &$public),* }
            }

            /// The members with private or symmetric key material.
            pub const fn private_members(self) -> &'static [&'static str] {
                match self { $(Self::$variant => &$private),* }
            }
        }
    };
}

key_types! {
    Rsa "RSA" public ["n", "e"] private ["d", "p", "q", "dp", "dq", "qi", "oth"] "RFC 7518 6.3.";
    Ec "EC" public ["crv", "x", "y"] private ["d"] "RFC 7518 6.2.";
    Okp "OKP" public ["crv", "x"] private ["d"] "RFC 8037 2.";
    Akp "AKP" public ["pub"] private ["priv"] "RFC 9964 3. Its `alg` is required as well: it says what `pub` is.";
    Oct "oct" public [] private ["k"] "RFC 7518 6.4.";
}

/// The members that any key may have and that restrict its use (RFC 7517 4, and Microsoft's `issuer`).
const COMMON_MEMBERS: [&str; 6] = ["kty", "use", "key_ops", "alg", "kid", "issuer"];

impl Kty {
    /// The key type of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|kty| kty.name() == name)
    }
}

/// Whether a member is private key material of any key type: an entry that has one is not a public key, whatever its `kty`.
pub fn is_private(member: &str) -> bool {
    Kty::ALL.iter().any(|kty| kty.private_members().contains(&member))
}

/// Whether a member may be kept outside this process: public material, and what restricts its use. Never one that is
/// private for any key type.
pub fn may_be_kept(member: &str) -> bool {
    let is_public = Kty::ALL.iter().any(|kty| kty.public_members().contains(&member));
    (is_public || COMMON_MEMBERS.contains(&member)) && !is_private(member)
}

#[cfg(test)]
mod tests {
    use serde_json::{Map, Value, json};

    use super::*;
    use crate::algorithm::{Algorithm, KeyType};
    use crate::keys::jwk::{Key, SkipReason};

    /// A public key of each type that signatures are checked with. A new one does not compile before it has a row here.
    fn sample(key_type: KeyType) -> Value {
        match key_type {
            // RFC 7638 3.1.
            KeyType::Rsa => {
                json!({ "kty": "RSA", "e": "AQAB", "n": "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw" })
            }
            // RFC 7515 A.3.1.
            KeyType::P256 => {
                json!({ "kty": "EC", "crv": "P-256", "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU", "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0" })
            }
            // The base point, FIPS 186-4 D.1.2.4.
            KeyType::P384 => {
                json!({ "kty": "EC", "crv": "P-384", "x": "qofKIr6LBTeOscce8yCtdG4dO2KLp5uYWfdB4IJUKjhVAvJdv1UpbDpUXjhydgq3", "y": "NhfeSpYmLG9dnpi_kpLcKfj0Hb0omhR86doxE7XwuMAKYLHOHX6BnXpDHXyQ6g5f" })
            }
            // The base point, FIPS 186-4 D.1.2.5.
            KeyType::P521 => {
                json!({ "kty": "EC", "crv": "P-521", "x": "AMaFjga3BATpzZ4-y2YjlbRCnGSBOQU_tSH4KK9ga009uqFLXnfv51ko_h3BJ6L_qN4zSLPBhWpCm_l-fjHC5b1m", "y": "ARg5KWp4mjvABFyKX7QsfRvZmPVESVebRGgXr70XJz5mLJfucple9CZAxVC5AT-tB2E1PHCGonLCQIi-lHaf0WZQ" })
            }
            // RFC 8037 A.2.
            KeyType::Ed25519 => {
                json!({ "kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo" })
            }
            KeyType::MlDsa44 => rfc_9964("ML-DSA-44"),
            KeyType::MlDsa65 => rfc_9964("ML-DSA-65"),
            KeyType::MlDsa87 => rfc_9964("ML-DSA-87"),
        }
    }

    /// RFC 9964 A.1.
    fn rfc_9964(alg: &str) -> Value {
        let examples: Value = serde_json::from_str(include_str!("../../tests/vectors/rfc-9964.json")).unwrap();
        let jwk = &examples["examples"][alg]["jwk"];
        json!({ "kty": "AKP", "alg": alg, "pub": jwk["pub"] })
    }

    fn kept(entry: &Value) -> Value {
        let members = entry.as_object().unwrap().iter().filter(|(name, _)| may_be_kept(name));
        Value::Object(members.map(|(name, value)| (name.clone(), value.clone())).collect::<Map<_, _>>())
    }

    #[test]
    fn of_every_key_type_the_public_members_are_kept_and_a_private_one_makes_it_no_key() {
        for algorithm in Algorithm::ALL {
            let entry = sample(algorithm.key_type());
            let kty = Kty::from_name(entry["kty"].as_str().unwrap()).unwrap();
            let key = Key::import(&entry).unwrap();
            assert!(key.fits(algorithm));
            for member in kty.public_members() {
                let mut without = entry.clone();
                assert!(without.as_object_mut().unwrap().remove(*member).is_some(), "{member} of {entry}");
                assert!(Key::import(&without).is_err(), "{member} of {entry}");
            }
            assert!(!kty.private_members().is_empty());
            for member in kty.private_members() {
                let mut private = entry.clone();
                private[member] = json!("AQ");
                assert_eq!(Key::import(&private).unwrap_err(), SkipReason::Private, "{member} of {entry}");
                // What is kept of it is the public key again.
                assert_eq!(kept(&private), entry);
            }
            assert!(Key::import(&kept(&entry)).unwrap().is_same(&key));
        }
    }

    #[test]
    fn no_member_is_public_for_one_key_type_and_private_for_another() {
        for member in Kty::ALL.iter().flat_map(|kty| kty.public_members()).chain(&COMMON_MEMBERS) {
            assert!(!is_private(member), "{member}");
        }
        for member in ["d", "p", "q", "dp", "dq", "qi", "oth", "k", "priv"] {
            assert!(is_private(member) && !may_be_kept(member), "{member}");
        }
        for member in ["x5c", "x5t", "x5t#S256", "x5u", "iat", "", "__proto__"] {
            assert!(!is_private(member) && !may_be_kept(member), "{member}");
        }
    }
}
