//! A provider with one Ed25519 key, whose signatures follow from the message alone: what it signed can be distinguished from what it
//! did not by signing again.

use std::sync::{Arc, LazyLock};

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use remote_agent_auth::base64url::encode;
use remote_agent_auth::keys::KeySet;
use remote_agent_auth::policy::{Policy, PolicyOptions};
use remote_agent_auth::token::UnverifiedToken;

pub const KEY_ID: &str = "ed";

/// The key pair, from 32 bytes everybody may know.
static PAIR: LazyLock<Ed25519KeyPair> = LazyLock::new(|| Ed25519KeyPair::from_seed_unchecked(&[7; 32]).unwrap());

/// What the provider publishes.
pub static KEYS: LazyLock<KeySet> = LazyLock::new(|| {
    let x = encode(PAIR.public_key().as_ref());
    let set = format!(r#"{{"keys":[{{"kty":"OKP","crv":"Ed25519","kid":"{KEY_ID}","x":"{x}"}}]}}"#);
    KeySet::parse(set.as_bytes()).unwrap()
});

/// A policy for this provider; it allows every algorithm there is.
pub fn policy(options: PolicyOptions) -> Policy {
    let names = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"];
    let algorithms = Some(names.map(str::to_owned).to_vec());
    Policy::parse(PolicyOptions { algorithms, ..options }).unwrap()
}

/// The signature of a message.
pub fn signature(message: &[u8]) -> Vec<u8> {
    PAIR.sign(message).as_ref().to_vec()
}

/// A token with this payload, of the kind RFC 9068 2.1 describes.
pub fn token(payload: &[u8]) -> Arc<UnverifiedToken> {
    let header = format!(r#"{{"alg":"EdDSA","kid":"{KEY_ID}","typ":"at+jwt"}}"#);
    let input = format!("{}.{}", encode(header.as_bytes()), encode(payload));
    let text = format!("{input}.{}", encode(&signature(input.as_bytes())));
    Arc::new(UnverifiedToken::parse(&text, usize::MAX).unwrap())
}
