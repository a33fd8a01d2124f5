//! The rules for logout tokens: OpenID Connect Back-Channel Logout 1.0, 2.4 and 2.6. Signature, issuer and audience are those of the
//! policy.

use super::claims_error::ClaimsError;
use super::times::Times;
use crate::json::Value;
use crate::mismatch::Mismatch;
use crate::policy::Policy;
use crate::time::UnixSeconds;
use crate::token::UnverifiedToken;
use crate::token::claims::Claims;
use crate::token::kind;

/// The event that makes it one.
const EVENT: &str = "http://schemas.openid.net/event/backchannel-logout";
/// Seconds that may have passed since `iat`: for so long a `jti` is remembered. Providers send a logout at once.
const MAX_AGE: f64 = 300.0;

/// Checks what makes a token a logout token, after the rules on `exp`, `nbf`, `aud` and `iss`.
///
/// # Errors
/// [`ClaimsError`], the first rule that fails.
pub fn check(
    token: &UnverifiedToken,
    claims: &Claims<'_>,
    times: &Times,
    policy: &Policy,
    now: UnixSeconds,
) -> Result<(), ClaimsError> {
    // 2.4 wants the type only of new providers; RFC 8725 3.11 keeps every other kind out.
    let typ = token.untrusted_type().map(kind::media_type);
    let is = |name: &str| typ.is_none_or(|typ| typ.eq_ignore_ascii_case(name));
    if !is("logout+jwt") && !is("JWT") {
        let got: Vec<&str> = typ.into_iter().collect();
        return Err(ClaimsError::Type(Mismatch::of_names(&["logout+jwt"], &got)));
    }
    // `exp` is required (2.4), and has been asked for unless the operator says that the provider leaves it out: its age bounds it as well.
    let issued_at = times.issued_at().ok_or(ClaimsError::Missing("iat"))?;
    let age = now.whole().get() - issued_at;
    let tolerance = policy.clock_tolerance();
    if age < -tolerance {
        return Err(ClaimsError::Logout("`iat` is in the future"));
    }
    if age > MAX_AGE + tolerance {
        return Err(ClaimsError::Logout("`iat` is more than 300 s ago"));
    }
    let event = claims.get("events").and_then(|events| events.member(EVENT));
    if !matches!(event, Some(Value::Object(_))) {
        return Err(ClaimsError::Logout("`events` has no back-channel logout that is an object"));
    }
    // So that no ID token passes for one, and this for none.
    if claims.get("nonce").is_some() {
        return Err(ClaimsError::Logout("it has a `nonce`"));
    }
    let is_text = |name: &str| claims.text(name).is_some_and(|text| !text.trim().is_empty());
    if !is_text("jti") {
        return Err(ClaimsError::Logout("`jti` is missing or no text"));
    }
    if ["sub", "sid"].iter().any(|name| claims.get(name).is_some() && !is_text(name)) {
        return Err(ClaimsError::Logout("`sub` or `sid` is no text"));
    }
    if claims.get("sub").is_none() && claims.get("sid").is_none() {
        return Err(ClaimsError::Logout("it has neither `sub` nor `sid`"));
    }
    Ok(())
}
