//! The rules a policy has for what a provider answers about a token (RFC 7662).

use super::Verified;
use super::claims::{CheckedClaims, actor, audience, checked, issuer_place, parse, refused_as, shown, use_and_client};
use super::claims_error::ClaimsError;
use super::granted::{granted_scopes, required_scopes};
use super::times::{Times, Window, timely_with};
use crate::mismatch::Mismatch;
use crate::policy::Policy;
use crate::policy::issuer::normalise;
use crate::time::UnixSeconds;
use crate::token::{UnverifiedToken, kind};
use crate::whitespace::words;

/// RFC 9701 5.
const SIGNED: &str = "token-introspection+jwt";
/// Seconds by which `iat` of a signed answer may miss the time here, beside `clockTolerance`: it was asked for just now. One that somebody
/// on the way has kept is refused after as long as answers are kept here at most.
const MOST_AGE: f64 = 60.0;

/// What makes a JWT the signed answer of an introspection endpoint (RFC 9701 5, 8.1), so that nothing else the provider signs passes for
/// one. Beside that its signature, `iss` and `aud` are checked as any JWT's; what the object in it says, as a plain answer's.
///
/// # Errors
/// [`ClaimsError::Type`].
pub fn typed(token: &UnverifiedToken) -> Result<(), ClaimsError> {
    let typ = token.untrusted_type().map(kind::media_type);
    if typ.is_some_and(|typ| typ.eq_ignore_ascii_case(SIGNED)) {
        return Ok(());
    }
    let got: Vec<&str> = typ.into_iter().collect();
    Err(ClaimsError::Type(Mismatch::of_names(&[SIGNED], &got)))
}

/// Whether such an answer was made just now (RFC 9701 5: `iat` is required).
///
/// # Errors
/// [`ClaimsError`].
pub fn timely(times: &Times, policy: &Policy, now: UnixSeconds) -> Result<(), ClaimsError> {
    let issued_at = times.issued_at().ok_or(ClaimsError::Missing("iat"))?;
    if (now.get() - issued_at).abs() > MOST_AGE + policy.clock_tolerance() {
        return Err(ClaimsError::Introspection("its `iat` is more than 60 s from the time here"));
    }
    Ok(())
}

/// Checks what a provider says of an active token (RFC 7662 2.2): the rules on time, kind, audience, issuer, client, actor, scopes and
/// subject. `exp` and `iss` may be left out there: the provider says that the token has not ended, and speaks for itself.
///
/// # Errors
/// [`ClaimsError`], the first rule that fails.
pub fn check(payload: &str, policy: &Policy, now: UnixSeconds) -> Result<(CheckedClaims, Window), ClaimsError> {
    let claims = parse(payload, policy)?;
    let times = Times::of(&claims);
    let holds = timely_with(&times, policy, false, now)?;
    if let Some(kind) = kind::of_claims(&claims, payload) {
        return Err(refused_as(kind));
    }
    audience(&claims, policy)?;
    let (issuer, iss) = match claims.get("iss") {
        // Of several, the answer has to say which one it is.
        None if !policy.issuers().is_multi_tenant() && policy.issuers().all().count() == 1 => {
            (0, policy.issuers().first().configured())
        }
        _ => (issuer_place(&claims, policy)?, claims.text("iss").unwrap_or_default()),
    };
    let looks_like_id_token = kind::looks_like_id_token(&claims);
    if looks_like_id_token && policy.rules().want_access_token() {
        return Err(ClaimsError::IdToken);
    }
    use_and_client(&claims, policy)?;
    actor(&claims, policy)?;
    let scopes = granted_scopes(&claims, policy, payload)?;
    let subject = match claims.subject() {
        None if policy.require_subject() => return Err(ClaimsError::Subject),
        subject => subject.unwrap_or_default(),
    };
    let looks = (looks_like_id_token, issuer, iss);
    checked(&claims, payload, policy, (times, scopes, subject), looks).map(|checked| (checked, holds))
}

/// What a provider says of an active JWT besides that it is active.
#[derive(Debug, Clone)]
pub struct Agreed {
    /// It calls the token bound to a key.
    pub is_bound: bool,
    /// The JWT's scopes that the answer has as well, where it names any: what is left of the grant.
    pub scopes: Option<Box<str>>,
}

/// Checks what a provider says of an active JWT besides that it is active: no other kind of token, and what the answer names of times,
/// audience, issuer, scope and subject must satisfy the policy too, and be of the same issuer, subject and token.
///
/// # Errors
/// [`ClaimsError`], the first rule that fails.
pub fn agrees(payload: &str, verified: &Verified, policy: &Policy, now: UnixSeconds) -> Result<Agreed, ClaimsError> {
    let (claims, jwt) = (parse(payload, policy)?, verified.revocable());
    // What it leaves out the JWT has said: the rules on age and lifetime want both `iat` and `exp`.
    timely_with(&Times::of(&claims).or(verified.claims.times()), policy, false, now)?;
    if let Some(kind) = kind::named_by_claims(&claims) {
        return Err(refused_as(kind));
    }
    let names = |name: &str| claims.get(name).is_some();
    if names("aud") {
        audience(&claims, policy)?;
    }
    if names("iss") {
        issuer_place(&claims, policy)?;
        // A subject is one issuer's own (RFC 7519 4.1.2): of several issuers or tenants another one has the same names for others.
        let said = claims.text("iss").unwrap_or_default();
        if normalise(said) != normalise(jwt.issuer) {
            return Err(ClaimsError::Issuer(Mismatch::of_names(&[jwt.issuer], &shown(&claims, [said]))));
        }
    }
    if claims.get("sub").is_some_and(|said| said.as_str() != Some(jwt.subject)) {
        return Err(ClaimsError::Subject);
    }
    let is_other = |said: &str| jwt.jti.is_some_and(|jti| jti != said);
    if claims.text("jti").is_some_and(is_other) {
        return Err(ClaimsError::Introspection("its `jti` is another token's"));
    }
    // The grant may have been narrowed since the token was signed.
    let scopes = if names("scope") || names("scp") {
        let granted = required_scopes(&claims, policy)?;
        let left: Vec<&str> = verified.scopes().filter(|scope| words(&granted).any(|other| other == *scope)).collect();
        Some(left.join(" ").into())
    } else {
        None
    };
    let is_bound = claims.is_bound();
    if is_bound && policy.rules().require_unbound {
        return Err(ClaimsError::Bound);
    }
    Ok(Agreed { is_bound, scopes })
}
