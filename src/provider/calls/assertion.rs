//! The assertion by which a client proves who it is: a JWT that it signs itself (RFC 7523 2.2, OpenID Connect Core 1.0 9).

use serde_json::json;

use crate::base64url;
use crate::keys::signature::random;
use crate::policy::client_key::ClientKey;
use crate::policy::transport::Secret;
use crate::time::UnixSeconds;

/// `client_assertion_type` (RFC 7523 2.2).
pub const TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
/// Seconds for which one is good: longer than a call may take, and no longer than Keycloak accepts.
const LIFE: f64 = 60.0;

/// An assertion of `client_id` for `audience`, to be sent once. `None` where the crypto library fails.
pub fn sign(key: &ClientKey, client_id: &str, audience: &str, now: UnixSeconds) -> Option<Secret> {
    let issued_at = now.whole().get();
    // RFC 7523 3: `iss` and `sub` are the client; `jti`, by which a provider knows an assertion that comes again, cannot be guessed.
    key.sign(&json!({
        "iss": client_id,
        "sub": client_id,
        // One, as text: a list lets one server pass an assertion on to another that it names as well.
        "aud": audience,
        "jti": base64url::encode(&random()?),
        "iat": seconds(issued_at),
        "exp": seconds(issued_at + LIFE),
    }))
}

/// As a whole number: some parsers take no other.
#[allow(clippy::cast_possible_truncation, reason = "whole seconds of the wall clock are far from the bounds")]
const fn seconds(time: f64) -> i64 {
    time as i64
}
