//! What a policy requires to be granted: scopes, roles, permissions.

use std::borrow::Cow;

use super::claims::{PayloadText, shown};
use super::claims_error::ClaimsError;
use crate::mismatch::Mismatch;
use crate::policy::Policy;
use crate::policy::grant::GrantKind;
use crate::token::claims::{Claims, MalformedScope};
use crate::token::kind;
use crate::whitespace::words;

/// What whoever sent an ID token should hear first.
#[cold]
fn id_token_note(claims: &Claims<'_>) -> Option<&'static str> {
    kind::looks_like_id_token(claims).then_some("this is an ID token: send the access token")
}

/// The scopes, among which must be those the policy requires.
pub(super) fn required_scopes<'c>(claims: &'c Claims<'_>, policy: &Policy) -> Result<Cow<'c, str>, ClaimsError> {
    // LibreChat looks at the scope claim only where scopes are required: otherwise a malformed one is no error.
    let scopes = match claims.scopes() {
        Err(MalformedScope) if !policy.scope().is_empty() => return Err(ClaimsError::ScopeMalformed),
        scopes => scopes.unwrap_or_default(),
    };
    match policy.scope().first_missing(&scopes) {
        None => Ok(scopes),
        Some(missing) => {
            let note = id_token_note(claims);
            let got = shown(claims, words(&scopes));
            Err(ClaimsError::ScopeMissing(Mismatch::of_names(&[missing], &got).noting(note)))
        }
    }
}

/// The scopes, which must be those the policy requires; then its required roles and permissions.
pub(super) fn granted_scopes(claims: &Claims<'_>, policy: &Policy, payload: &str) -> Result<PayloadText, ClaimsError> {
    let scopes = required_scopes(claims, policy)?;
    match policy.rules().grants.iter().find(|required| !required.satisfied(|name| claims.get(name))) {
        None => Ok(PayloadText::new(&scopes, payload)),
        Some(required) => {
            let shown = |granted: Vec<&str>| shown(claims, granted).iter().map(|text| (*text).to_owned()).collect();
            let mismatch = required.mismatch(|name| claims.get(name), shown, id_token_note(claims));
            Err(match required.kind {
                GrantKind::Role => ClaimsError::RoleMissing(mismatch),
                GrantKind::Permission => ClaimsError::PermissionMissing(mismatch),
            })
        }
    }
}
