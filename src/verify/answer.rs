//! The rules a policy has for what a provider answers about a token (RFC 7662).

use super::claims::{
    CheckedClaims, actor, audience, checked, granted_scopes, issuer_place, parse, refused_as, use_and_client,
};
use super::claims_error::ClaimsError;
use super::times::{Times, Window, timely_with};
use crate::policy::Policy;
use crate::time::UnixSeconds;
use crate::token::kind;

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

/// Checks what a provider says of an active JWT besides that it is active: what the answer names of times, audience, issuer and subject must
/// satisfy the policy too, and be of the same subject.
///
/// # Errors
/// [`ClaimsError`], the first rule that fails.
pub fn agrees(payload: &str, subject: &str, policy: &Policy, now: UnixSeconds) -> Result<(), ClaimsError> {
    let claims = parse(payload, policy)?;
    timely_with(&Times::of(&claims), policy, false, now)?;
    if claims.get("aud").is_some() {
        audience(&claims, policy)?;
    }
    if claims.get("iss").is_some() {
        issuer_place(&claims, policy)?;
    }
    match claims.get("sub") {
        Some(said) if said.as_str() != Some(subject) => Err(ClaimsError::Subject),
        _ => Ok(()),
    }
}
