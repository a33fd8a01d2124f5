//! Token, keys, policy and time in; a verified token or the reason out. No input or output and no clock. A signed token
//! carries what a policy last found in its claims; the rules on time are applied on every use.

mod answer;
mod claims;
mod claims_error;
pub mod facts;
mod granted;
pub mod logout;
mod times;

use std::sync::{Arc, Mutex, PoisonError};

use crate::algorithm::Algorithm;
use crate::keys::jwk::Key;
use crate::keys::{KeySet, Selection};
use crate::mismatch::Mismatch;
use crate::policy::{KeySource, Policy};
use crate::revocation::RevocableClaims;
use crate::time::UnixSeconds;
use crate::token::UnverifiedToken;
use crate::whitespace;
use answer::Agreed;
use claims::CheckedClaims;

pub use crate::token::email::EmailSource;
pub use claims::{untrusted_clock_difference, untrusted_issued_at, untrusted_plausible};
pub use claims_error::ClaimsError;
pub use times::Window;

/// The keys did not confirm the token.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs)]
pub enum SignatureError {
    #[error("the policy does not allow the token's `alg`: {0}")]
    AlgorithmNotAllowed(Mismatch),
    #[error("the token has no `kid`, and the policy requires one")]
    KeyIdRequired,
    #[error("the provider, asked just now, publishes no usable key for this token")]
    KeyNotFound,
    #[error("no key of the token's `kid` may be used with the token's `alg`: {0}")]
    KeyUnsuitable(Mismatch),
    #[error("the signature is not one of the provider's keys'")]
    Invalid,
    #[error("the token is one for Microsoft Graph (`nonce` in its header), which nobody else can verify")]
    GraphToken,
}

impl SignatureError {
    /// What was expected and what came, where that says more.
    pub const fn mismatch(&self) -> Option<&Mismatch> {
        match self {
            Self::AlgorithmNotAllowed(mismatch) | Self::KeyUnsuitable(mismatch) => Some(mismatch),
            _ => None,
        }
    }
}

/// These bytes are signed by this key material: a fact that is independent of any one policy. Only [`check_signature`]
/// makes it.
#[derive(Debug, Clone)]
pub struct SignedToken(Arc<Signed>);

#[derive(Debug)]
struct Signed {
    token: Arc<UnverifiedToken>,
    source: Arc<KeySource>,
    thumbprint: Arc<str>,
    /// The issuer the key vouches for, where its entry said so.
    key_issuer: Option<Arc<str>>,
    /// What the last policy to check the claims found in them. It follows from the token and that policy alone, so that it
    /// saves work and decides nothing.
    cached_claims: Mutex<Option<Arc<CheckedClaims>>>,
}

impl SignedToken {
    /// The RFC 7638 thumbprint of the key that signed.
    pub fn thumbprint(&self) -> &str {
        &self.0.thumbprint
    }

    /// The token itself.
    pub fn token(&self) -> &Arc<UnverifiedToken> {
        &self.0.token
    }

    /// Where the key came from.
    pub fn source(&self) -> &Arc<KeySource> {
        &self.0.source
    }

    fn cached_claims(&self, policy: &Policy) -> Option<Arc<CheckedClaims>> {
        let cached = self.0.cached_claims.lock().unwrap_or_else(PoisonError::into_inner);
        cached.as_ref().filter(|claims| claims.are_of(policy)).cloned()
    }

    fn cache_claims(&self, claims: &Arc<CheckedClaims>) {
        *self.0.cached_claims.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::clone(claims));
    }
}

/// Why the claims are the provider's.
#[derive(Debug, Clone)]
enum Basis {
    Signed(SignedToken),
    /// The provider has answered so, over a connection of ours (RFC 7662).
    Introspected(Arc<str>),
}

/// A token that is signed by the provider, or that it has been asked about, and whose claims satisfy the policy. Only [`check_claims`]
/// and [`check_introspected`] make it.
#[derive(Debug, Clone)]
pub struct Verified {
    basis: Basis,
    claims: Arc<CheckedClaims>,
    holds: Window,
    /// What the provider has said of a JWT beside that it is active: the token itself need not show it.
    agreed: Option<Agreed>,
}

impl Verified {
    /// The signature's side of it, if it has one.
    pub const fn signed(&self) -> Option<&SignedToken> {
        match &self.basis {
            Basis::Signed(signed) => Some(signed),
            Basis::Introspected(_) => None,
        }
    }
    /// The claims as JSON text: the payload's very bytes, or the provider's answer.
    pub fn claims(&self) -> &str {
        match &self.basis {
            // There always is a payload: its claims were checked.
            Basis::Signed(signed) => signed.token().untrusted_payload().unwrap_or_default(),
            Basis::Introspected(text) => text,
        }
    }
    /// The header as JSON text.
    pub fn header(&self) -> &str {
        self.signed().map_or("{}", |signed| signed.token().untrusted_header())
    }
    /// `sub`, not trimmed; empty if it is missing or blank, which only a policy that does not require it lets pass.
    pub fn subject(&self) -> &str {
        self.claims.subject.of(self.claims())
    }
    /// The scopes granted: the words of [`Self::scope_text`].
    pub fn scopes(&self) -> impl Iterator<Item = &str> {
        whitespace::words(self.scope_text())
    }
    /// The scopes granted, separated by JavaScript's white space; of a JWT that the provider was asked about those that it still has.
    pub fn scope_text(&self) -> &str {
        let left = self.agreed.as_ref().and_then(|agreed| agreed.scopes.as_deref());
        left.unwrap_or_else(|| self.claims.scopes.of(self.claims()))
    }
    /// When the claims hold.
    pub const fn holds(&self) -> Window {
        self.holds
    }
    /// `exp`, unchanged.
    pub fn expires_at(&self) -> Option<f64> {
        self.claims.expires_at()
    }
    /// `oid` (Entra's object id), if it is a string that is not empty.
    pub fn oid(&self) -> Option<&str> {
        self.claims.oid.as_ref().map(|oid| oid.of(self.claims()))
    }
    /// The e-mail address to look a user up by.
    pub fn email(&self) -> Option<&str> {
        self.claims.email.as_ref().map(|email| email.of(self.claims()))
    }
    /// The claim that address was taken from.
    pub fn email_source(&self) -> Option<EmailSource> {
        self.claims.email_source
    }
    /// What was wrong with the claim the policy names for the e-mail address.
    pub fn email_problem(&self) -> Option<&'static str> {
        self.claims.email_problem
    }
    /// `email_verified`: true only if it is true or the text `true`, `None` if it is absent or null.
    pub fn email_verified(&self) -> Option<bool> {
        self.claims.email_verified
    }
    /// Which of the policy's issuers the token is of, by its place in the list.
    pub fn issuer_place(&self) -> usize {
        self.claims.issuer
    }
    /// Whether it is bound to a key of its holder's, of which no proof was asked for.
    pub fn is_bound(&self) -> bool {
        self.claims.is_bound || self.agreed.as_ref().is_some_and(|agreed| agreed.is_bound)
    }
    /// What a revocation may name.
    pub fn revocable(&self) -> RevocableClaims<'_> {
        let (claims, text) = (&*self.claims, self.claims());
        RevocableClaims {
            issuer: claims.issuer_text.of(text),
            jti: claims.jti.as_ref().map(|jti| jti.of(text)),
            sid: claims.sid.as_ref().map(|sid| sid.of(text)),
            subject: claims.subject.of(text),
            issued_at: claims.issued_at(),
        }
    }
    /// Whether it looks like an ID token, which the policy lets pass.
    pub fn looks_like_id_token(&self) -> bool {
        self.claims.looks_like_id_token
    }
}

/// What the policy can decide about a token without any key.
///
/// # Errors
/// [`SignatureError::AlgorithmNotAllowed`], [`SignatureError::KeyIdRequired`].
pub fn admissible(token: &UnverifiedToken, policy: &Policy) -> Result<(), SignatureError> {
    let algorithm = token.untrusted_algorithm();
    if !policy.algorithms().contains(algorithm) {
        let mismatch = Mismatch::of_names(&policy.algorithms().names(), &[algorithm.name()]);
        return Err(SignatureError::AlgorithmNotAllowed(mismatch));
    }
    if policy.require_kid() && token.untrusted_key_id().is_none() {
        return Err(SignatureError::KeyIdRequired);
    }
    Ok(())
}

/// Checks the signature with the provider's keys (RFC 7515 5.2).
///
/// # Errors
/// [`SignatureError`].
pub fn check_signature(
    token: &Arc<UnverifiedToken>,
    keys: &KeySet,
    policy: &Policy,
) -> Result<SignedToken, SignatureError> {
    admissible(token, policy)?;
    let algorithm = token.untrusted_algorithm();
    let selection = keys.select(algorithm, token.untrusted_key_id());
    let candidates = match &selection {
        Selection::Named(key) => std::slice::from_ref(key),
        Selection::Fitting(keys) => keys,
        Selection::NotFound => return Err(SignatureError::KeyNotFound),
        Selection::Unsuitable => return Err(unsuitable(keys, token)),
    };
    let signer = candidates.iter().find(|key| key.verify(algorithm, token.signing_input(), token.signature()));
    match signer {
        Some(key) => Ok(SignedToken(Arc::new(Signed {
            token: Arc::clone(token),
            source: Arc::clone(policy.source()),
            thumbprint: Arc::clone(key.thumbprint()),
            key_issuer: key.issuer().cloned(),
            cached_claims: Mutex::new(None),
        }))),
        None if token.untrusted_has_nonce() => Err(SignatureError::GraphToken),
        None => Err(SignatureError::Invalid),
    }
}

/// What the keys of the token's `kid` may be used with, and what the token asks of them.
#[cold]
fn unsuitable(keys: &KeySet, token: &UnverifiedToken) -> SignatureError {
    let fits =
        |algorithm: &Algorithm| token.untrusted_key_id().is_some_and(|id| keys.of(id).any(|key| key.fits(*algorithm)));
    let expected: Vec<&str> = Algorithm::ALL.into_iter().filter(fits).map(Algorithm::name).collect();
    SignatureError::KeyUnsuitable(Mismatch::of_names(&expected, &[token.untrusted_algorithm().name()]))
}

/// Whether a signature found valid earlier still counts under this policy: the policy leads to the same source, allows the
/// algorithm, and the source still publishes the same key. If not, [`check_signature`] decides again.
pub fn still_signed(signed: &SignedToken, keys: &KeySet, policy: &Policy) -> bool {
    let token = signed.token();
    if signed.source() != policy.source() || admissible(token, policy).is_err() {
        return false;
    }
    // The issuer a key vouches for is part of its identity: a set may publish the same material for another issuer.
    let is_signer =
        |key: &Key| **key.thumbprint() == *signed.thumbprint() && key.issuer() == signed.0.key_issuer.as_ref();
    match keys.select(token.untrusted_algorithm(), token.untrusted_key_id()) {
        Selection::Named(key) => is_signer(key),
        Selection::Fitting(keys) => keys.into_iter().any(is_signer),
        Selection::NotFound | Selection::Unsuitable => false,
    }
}

/// Checks the claims of a signed token (RFC 7519 4.1), in LibreChat's order: `nbf`, `exp`, `aud`, `iss`, scopes, `sub`. The
/// rules that LibreChat does not have come in between.
///
/// # Errors
/// [`ClaimsError`], the first rule that fails.
pub fn check_claims(signed: SignedToken, policy: &Policy, now: UnixSeconds) -> Result<Verified, ClaimsError> {
    let (claims, holds) = match signed.cached_claims(policy) {
        // The rules on time come before all others, so that whichever fails now is the one a full check would name.
        Some(claims) => {
            let holds = claims.holds(policy, now)?;
            (claims, holds)
        }
        None => {
            let (claims, holds) = claims::check(signed.token(), signed.0.key_issuer.as_deref(), policy, now)?;
            let claims = Arc::new(claims);
            signed.cache_claims(&claims);
            (claims, holds)
        }
    };
    Ok(Verified { basis: Basis::Signed(signed), claims, holds, agreed: None })
}

/// Checks what the provider has said of an active token (RFC 7662 2.2) by the same rules. The answer speaks for its issuer where it names
/// none, and for a time that has not ended where it names no end.
///
/// # Errors
/// [`ClaimsError`], the first rule that fails.
pub fn check_introspected(answer: Arc<str>, policy: &Policy, now: UnixSeconds) -> Result<Verified, ClaimsError> {
    let (claims, holds) = answer::check(&answer, policy, now)?;
    Ok(Verified { basis: Basis::Introspected(answer), claims: Arc::new(claims), holds, agreed: None })
}

/// Checks what the provider says of an active JWT: no other kind of token, of `exp`, `aud`, `iss` and `scope`, those that are there must
/// satisfy the policy, and `iss`, `sub` and `jti` be the JWT's. A token that either of them says is bound to a key is bound, and a scope
/// that either of them lacks is not granted.
///
/// # Errors
/// [`ClaimsError`], the first rule that fails.
pub fn agreed(answer: &str, verified: Verified, policy: &Policy, now: UnixSeconds) -> Result<Verified, ClaimsError> {
    let agreed = answer::agrees(answer, &verified, policy, now)?;
    Ok(Verified { agreed: Some(agreed), ..verified })
}

/// Signature, then, and only then, claims.
///
/// # Errors
/// [`VerifyError`], the first rule that fails.
pub fn verify(
    token: &Arc<UnverifiedToken>,
    keys: &KeySet,
    policy: &Policy,
    now: UnixSeconds,
) -> Result<Verified, VerifyError> {
    Ok(check_claims(check_signature(token, keys, policy)?, policy, now)?)
}

/// Why [`verify`] refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs)]
pub enum VerifyError {
    #[error(transparent)]
    Signature(#[from] SignatureError),
    #[error(transparent)]
    Claims(#[from] ClaimsError),
}
