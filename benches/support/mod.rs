//! Keys, tokens and a policy for the benchmarks, and the crypto library's bare check of the same tokens.
#![allow(dead_code, reason = "each benchmark uses its own part")]

use std::sync::Arc;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeyPair as RsaKeyPair, KeySize};
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED, ECDSA_P384_SHA384_FIXED_SIGNING,
    ED25519, EcdsaKeyPair, Ed25519KeyPair, KeyPair, ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_SHA256,
    RSA_PSS_2048_8192_SHA256, RSA_PSS_SHA256, RsaPublicKeyComponents,
};
use remote_agent_auth::base64url::{decode, encode};
use remote_agent_auth::keys::KeySet;
use remote_agent_auth::policy::{MAX_TOKEN_BYTES, Policy, PolicyOptions};
use remote_agent_auth::time::UnixSeconds;
use remote_agent_auth::token::UnverifiedToken;
use remote_agent_auth::verify;
use serde_json::{Value, json};

pub const ALGORITHMS: [&str; 5] = ["RS256", "PS256", "ES256", "ES384", "EdDSA"];
pub const ISSUER: &str = "https://idp.example/realms/main";
pub const JWKS: &str = "https://idp.example/realms/main/keys";
const AUDIENCE: &str = "https://agents.example/api";
const KID: &str = "2026-7f3b5c1e9a";

/// What a benchmark of one algorithm works on.
pub struct Fixture {
    pub tokens: Vec<String>,
    pub jwks: String,
    pub keys: KeySet,
    pub policy: Arc<Policy>,
    pub now: UnixSeconds,
    bare: ParsedPublicKey,
    signed: Vec<(Vec<u8>, Vec<u8>)>,
}

impl Fixture {
    pub fn new(alg: &str, issuer: &str, audience: &str, jwks: &Value, tokens: Vec<String>) -> Self {
        let policy = Policy::parse(PolicyOptions {
            issuer: issuer.to_owned(),
            audience: vec![audience.to_owned()],
            jwks_uri: Some(JWKS.to_owned()),
            algorithms: Some(vec![alg.to_owned()]),
            ..PolicyOptions::default()
        })
        .unwrap();
        let signed = tokens
            .iter()
            .map(|token| {
                let (input, signature) = token.rsplit_once('.').unwrap();
                (input.as_bytes().to_vec(), decode(signature.as_bytes()).unwrap())
            })
            .collect();
        let text = jwks.to_string();
        Self {
            keys: KeySet::parse(text.as_bytes()).unwrap(),
            jwks: text,
            policy: Arc::new(policy),
            now: UnixSeconds::system_now(),
            bare: bare_key(alg, jwks),
            signed,
            tokens,
        }
    }

    /// Keys and tokens of its own.
    pub fn generate(alg: &str) -> Self {
        let signer = Signer::generate(alg);
        let header = encode(json!({ "alg": alg, "typ": "JWT", "kid": KID }).to_string().as_bytes());
        let tokens = (0..64)
            .map(|serial| {
                let input = format!("{header}.{}", encode(claims(serial).to_string().as_bytes()));
                format!("{input}.{}", encode(&signer.sign(input.as_bytes())))
            })
            .collect();
        Self::new(alg, ISSUER, AUDIENCE, &json!({ "keys": [signer.jwk()] }), tokens)
    }

    /// One of the tokens, by turns.
    pub fn token(&self, turn: usize) -> &str {
        &self.tokens[turn % self.tokens.len()]
    }

    /// The library's check and nothing else.
    pub fn check_bare(&self, turn: usize) {
        let (input, signature) = &self.signed[turn % self.signed.len()];
        self.bare.verify_sig(input, signature).unwrap();
    }

    /// From the token's bytes to checked claims.
    pub fn check_core(&self, turn: usize) -> verify::Verified {
        let token = Arc::new(UnverifiedToken::parse(self.token(turn), MAX_TOKEN_BYTES).unwrap());
        verify::verify(&token, &self.keys, &self.policy, self.now).unwrap()
    }
}

fn bare_key(alg: &str, jwks: &Value) -> ParsedPublicKey {
    let fits = |entry: &&Value| entry.get("alg").is_none_or(|of| of == alg);
    let jwk = jwks["keys"].as_array().unwrap().iter().find(fits).unwrap();
    let member = |name: &str| decode(jwk[name].as_str().unwrap().as_bytes()).unwrap();
    let point = || [&[4_u8], &member("x")[..], &member("y")[..]].concat();
    let rsa = |parameters| {
        RsaPublicKeyComponents { n: member("n"), e: member("e") }.to_parsed_public_key(parameters).unwrap()
    };
    match alg {
        "RS256" => rsa(&RSA_PKCS1_2048_8192_SHA256),
        "PS256" => rsa(&RSA_PSS_2048_8192_SHA256),
        "ES256" => ParsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point()).unwrap(),
        "ES384" => ParsedPublicKey::new(&ECDSA_P384_SHA384_FIXED, point()).unwrap(),
        _ => ParsedPublicKey::new(&ED25519, member("x")).unwrap(),
    }
}

enum Signer {
    Rsa(&'static str, Box<RsaKeyPair>),
    Ec(&'static str, EcdsaKeyPair),
    Ed(Ed25519KeyPair),
}

impl Signer {
    fn generate(alg: &str) -> Self {
        let rsa = || Box::new(RsaKeyPair::generate(KeySize::Rsa2048).unwrap());
        match alg {
            "RS256" => Self::Rsa("RS256", rsa()),
            "PS256" => Self::Rsa("PS256", rsa()),
            "ES256" => Self::Ec("P-256", EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap()),
            "ES384" => Self::Ec("P-384", EcdsaKeyPair::generate(&ECDSA_P384_SHA384_FIXED_SIGNING).unwrap()),
            _ => Self::Ed(Ed25519KeyPair::generate().unwrap()),
        }
    }

    fn sign(&self, input: &[u8]) -> Vec<u8> {
        let random = SystemRandom::new();
        match self {
            Self::Rsa(alg, pair) => {
                let mut signature = vec![0; pair.public_modulus_len()];
                let padding: &'static dyn aws_lc_rs::signature::RsaEncoding =
                    if *alg == "RS256" { &RSA_PKCS1_SHA256 } else { &RSA_PSS_SHA256 };
                pair.sign(padding, &random, input, &mut signature).unwrap();
                signature
            }
            Self::Ec(_, pair) => pair.sign(&random, input).unwrap().as_ref().to_vec(),
            Self::Ed(pair) => pair.sign(input).as_ref().to_vec(),
        }
    }

    fn jwk(&self) -> Value {
        match self {
            Self::Rsa(_, pair) => {
                // RFC 8017 A.1.1 for 2048 bits and exponent 65537: nine bytes before the modulus, two before the exponent.
                let der = pair.public_key().as_ref();
                json!({ "kty": "RSA", "kid": KID, "n": encode(&der[9..265]), "e": encode(&der[267..]) })
            }
            Self::Ec(curve, pair) => {
                let point = &pair.public_key().as_ref()[1..];
                let (x, y) = point.split_at(point.len() / 2);
                json!({ "kty": "EC", "crv": curve, "kid": KID, "x": encode(x), "y": encode(y) })
            }
            Self::Ed(pair) => {
                json!({ "kty": "OKP", "crv": "Ed25519", "kid": KID, "x": encode(pair.public_key().as_ref()) })
            }
        }
    }
}

/// About 900 bytes, as benchmark/tokens.js makes them.
fn claims(serial: u32) -> Value {
    let now = UnixSeconds::system_now().whole().get();
    json!({
        "exp": now + 86400.0, "iat": now - 5.0, "nbf": now - 5.0,
        "jti": format!("0d5b1c1e-7f0a-4b55-9c0e-{serial:012x}"),
        "iss": ISSUER,
        "aud": [AUDIENCE, "account"],
        "sub": format!("f:6a7f1a52-3c55-4f0e-8a53-cc2fa2b0f0a1:{serial}"),
        "typ": "Bearer",
        "azp": "agents-frontend",
        "sid": "8f9d8d0e-91c9-4f0c-9a8e-2ad6f7c4a1b2",
        "acr": "1",
        "allowed-origins": ["https://agents.example", "https://chat.example"],
        "realm_access": { "roles": ["default-roles-main", "offline_access", "uma_authorization", "agent-user", "reporting"] },
        "resource_access": {
            "agents": { "roles": ["use-agents", "read-history"] },
            "account": { "roles": ["manage-account", "manage-account-links", "view-profile"] },
        },
        "scope": "openid profile email agents:use offline_access",
        "email_verified": true,
        "name": "Ada King, Countess of Lovelace",
        "groups": ["/engineering/analytical", "/staff"],
        "preferred_username": format!("ada.{serial}"),
        "given_name": "Ada",
        "family_name": "King",
        "email": format!("ada.{serial}@example.com"),
    })
}
