//! Token, keys, policy and time in; a verified token or the reason out. No input or output, no clock, no cache.

use std::sync::Arc;

use crate::json::{JsonError, Value};
use crate::keys::{KeySet, Selection};
use crate::policy::grant::{GrantKind, RequiredGrants};
use crate::policy::{KeySource, Policy, TypeRule};
use crate::time::UnixSeconds;
use crate::token::UnverifiedToken;
use crate::token::claims::{Claims, MalformedScope, OtherKind};

/// The keys did not confirm the token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs)]
pub enum SignatureError {
    #[error("the policy does not allow the token's `alg`")]
    AlgorithmNotAllowed,
    #[error("the token has no `kid`, and the policy requires one")]
    KeyIdRequired,
    #[error("the provider has no key for this token")]
    KeyNotFound,
    #[error("the key of the token's `kid` must not be used with the token's `alg`")]
    KeyUnsuitable,
    #[error("the signature is not one of the provider's keys'")]
    Invalid,
    #[error("the token is one for Microsoft Graph (`nonce` in its header), which nobody else can verify")]
    GraphToken,
}

/// The claims are not what the policy asks for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs)]
pub enum ClaimsError {
    #[error("the payload is not JSON with unique members")]
    Malformed,
    #[error("the payload is not a JSON object")]
    NotAnObject,
    #[error("`{0}` is not a number")]
    NotANumber(&'static str),
    #[error("`{0}` is missing")]
    Missing(&'static str),
    #[error("the token has expired")]
    Expired,
    #[error("the token is not valid yet")]
    NotYetValid,
    #[error("the token was issued too long ago")]
    TooOld,
    #[error("the token is valid for too long a time")]
    Lifetime,
    #[error("`aud` names no audience of ours")]
    Audience,
    #[error("this is an ID token, not an access token")]
    IdToken,
    #[error("this is a refresh token, not an access token")]
    RefreshToken,
    #[error("the token's `typ` or `token_use` is not an access token's")]
    Type,
    #[error("the token was issued to a client that is not allowed")]
    Client,
    #[error("`iss` is not the policy's issuer")]
    Issuer,
    #[error("the scope claim is neither a string nor a list of strings")]
    ScopeMalformed,
    #[error("the scope `{0}` is not granted")]
    ScopeMissing(String),
    #[error("a required role is not granted")]
    RoleMissing,
    #[error("a required permission is not granted")]
    PermissionMissing,
    #[error("`sub` is missing or blank")]
    Subject,
}

/// These bytes are signed by this key material: the fact that outlives one policy. Only [`signature`] makes it.
#[derive(Debug, Clone)]
pub struct SignedToken {
    token: Arc<UnverifiedToken>,
    source: Arc<KeySource>,
    thumbprint: Arc<str>,
    /// The issuer the key vouches for, where its entry said so.
    key_issuer: Option<Arc<str>>,
}

impl SignedToken {
    /// The RFC 7638 thumbprint of the key that signed.
    pub fn thumbprint(&self) -> &str {
        &self.thumbprint
    }

    /// The token itself.
    pub const fn token(&self) -> &Arc<UnverifiedToken> {
        &self.token
    }
}

/// A token that is signed by the provider and whose claims satisfy the policy. Only [`claims`] makes it.
#[derive(Debug, Clone)]
pub struct Verified {
    signed: SignedToken,
    subject: String,
    scopes: Vec<String>,
    expires_at: Option<f64>,
    oid: Option<String>,
    email: Option<String>,
    email_problem: Option<&'static str>,
    email_verified: Option<bool>,
    holds: Window,
}

/// The seconds of wall time at which the claims satisfy the policy: from the first on, before the second.
pub type Window = (f64, f64);

impl Verified {
    /// The signature's side of it.
    pub const fn signed(&self) -> &SignedToken {
        &self.signed
    }
    /// The claims as JSON text: the payload's very bytes.
    pub fn claims(&self) -> &str {
        // Checked when the claims were judged.
        std::str::from_utf8(self.signed.token.untrusted_payload()).unwrap_or_default()
    }
    /// The header as JSON text.
    pub fn header(&self) -> &str {
        self.signed.token.untrusted_header()
    }
    /// `sub`, not blank, not trimmed.
    pub fn subject(&self) -> &str {
        &self.subject
    }
    /// The scopes granted.
    pub fn scopes(&self) -> &[String] {
        &self.scopes
    }
    /// When the claims hold.
    pub const fn holds(&self) -> Window {
        self.holds
    }
    /// `exp`, unchanged.
    pub const fn expires_at(&self) -> Option<f64> {
        self.expires_at
    }
    /// `oid` (Entra's object id), if it is a string that is not empty.
    pub fn oid(&self) -> Option<&str> {
        self.oid.as_deref()
    }
    /// The e-mail address to look a user up by.
    pub fn email(&self) -> Option<&str> {
        self.email.as_deref()
    }
    /// What was wrong with the claim the policy names for the e-mail address.
    pub const fn email_problem(&self) -> Option<&'static str> {
        self.email_problem
    }
    /// `email_verified`: true only if it is exactly true, `None` if it is absent.
    pub const fn email_verified(&self) -> Option<bool> {
        self.email_verified
    }
}

/// What the policy can say of a token before any key is at hand.
///
/// # Errors
/// [`SignatureError::AlgorithmNotAllowed`], [`SignatureError::KeyIdRequired`].
pub fn admissible(token: &UnverifiedToken, policy: &Policy) -> Result<(), SignatureError> {
    if !policy.algorithms().contains(token.untrusted_algorithm()) {
        return Err(SignatureError::AlgorithmNotAllowed);
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
pub fn signature(token: &Arc<UnverifiedToken>, keys: &KeySet, policy: &Policy) -> Result<SignedToken, SignatureError> {
    admissible(token, policy)?;
    let algorithm = token.untrusted_algorithm();
    let candidates = match keys.select(algorithm, token.untrusted_key_id()) {
        Selection::Candidates(candidates) => candidates,
        Selection::NotFound => return Err(SignatureError::KeyNotFound),
        Selection::Unsuitable => return Err(SignatureError::KeyUnsuitable),
    };
    candidates
        .into_iter()
        .find(|key| key.verify(algorithm, token.signing_input(), token.signature()))
        .map(|key| SignedToken {
            token: Arc::clone(token),
            source: Arc::clone(policy.source()),
            thumbprint: Arc::clone(key.thumbprint()),
            key_issuer: key.issuer().cloned(),
        })
        .ok_or(if token.untrusted_has_nonce() { SignatureError::GraphToken } else { SignatureError::Invalid })
}

/// Whether a token that was found signed still is, as far as this policy goes: the policy leads to the same source,
/// allows the algorithm, and the source still publishes the very key that signed. If not, [`signature`] decides anew.
pub fn still_signed(signed: &SignedToken, keys: &KeySet, policy: &Policy) -> bool {
    let token = &signed.token;
    if signed.source != *policy.source() || admissible(token, policy).is_err() {
        return false;
    }
    match keys.select(token.untrusted_algorithm(), token.untrusted_key_id()) {
        Selection::Candidates(candidates) => candidates.iter().any(|key| *key.thumbprint() == signed.thumbprint),
        Selection::NotFound | Selection::Unsuitable => false,
    }
}

/// Judges the claims of a signed token (RFC 7519 4.1), in LibreChat's order: `nbf`, `exp`, `aud`, `iss`, scopes, `sub`.
/// The rules that LibreChat does not have stand between.
///
/// # Errors
/// [`ClaimsError`], the first rule that fails.
pub fn claims(signed: SignedToken, policy: &Policy, now: UnixSeconds) -> Result<Verified, ClaimsError> {
    let token = Arc::clone(&signed.token);
    let claims = read(&token, policy)?;
    let (expires_at, holds) = timely(&claims, policy, now)?;
    addressed(&claims, policy)?;
    let iss = claims.text("iss").unwrap_or_default();
    if !policy.issuer().accepts_key(signed.key_issuer.as_deref(), iss) {
        return Err(ClaimsError::Issuer);
    }
    match wrong_kind(&claims) {
        Some(error) if policy.rules().want_access_token() => return Err(error),
        _ => access_token(&token, &claims, policy)?,
    }
    let scopes = granted(&claims, policy)?;
    let subject = claims.subject().ok_or(ClaimsError::Subject)?.to_owned();
    let email = claims.email_candidate(policy.email_claim());
    // Any tenant's administrator can write any address into a token: of several tenants, none is believed.
    let address = email.address.filter(|_| !policy.issuer().is_multi_tenant());
    Ok(Verified {
        subject,
        scopes,
        expires_at,
        oid: claims.text("oid").filter(|oid| !oid.is_empty()).map(str::to_owned),
        email: address.map(str::to_owned),
        email_problem: email.problem,
        email_verified: claims.get("email_verified").map(|flag| *flag == Value::Bool(true)),
        holds,
        signed,
    })
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
    Ok(claims(signature(token, keys, policy)?, policy, now)?)
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

/// Whether a token that nobody has verified could be good at all: a token that its own claims condemn buys no request
/// to the provider. This saves requests and nothing else; a forger can always write better claims.
///
/// # Errors
/// The [`ClaimsError`] the token would end with.
pub fn untrusted_plausible(token: &UnverifiedToken, policy: &Policy, now: UnixSeconds) -> Result<(), ClaimsError> {
    let claims = read(token, policy)?;
    timely(&claims, policy, now)?;
    addressed(&claims, policy)
}

fn read<'t>(token: &'t UnverifiedToken, policy: &Policy) -> Result<Claims<'t>, ClaimsError> {
    let text = std::str::from_utf8(token.untrusted_payload()).map_err(|_| ClaimsError::Malformed)?;
    Claims::parse(text, |name| policy.looks_at(name)).map_err(|error| match error {
        JsonError::Malformed => ClaimsError::Malformed,
        JsonError::NotAnObject => ClaimsError::NotAnObject,
    })
}

fn number(claims: &Claims<'_>, name: &'static str) -> Result<Option<f64>, ClaimsError> {
    match claims.get(name) {
        None => Ok(None),
        Some(Value::Number(number)) => Ok(Some(*number)),
        Some(_) => Err(ClaimsError::NotANumber(name)),
    }
}

/// `nbf` (RFC 7519 4.1.5) and `exp` (4.1.4), by the whole second: `exp` equal to now is expired, `nbf` equal to now is
/// valid. Then the limits on age and lifetime. Gives back `exp`, and when all of this holds.
fn timely(claims: &Claims<'_>, policy: &Policy, now: UnixSeconds) -> Result<(Option<f64>, Window), ClaimsError> {
    let (now, tolerance) = (now.whole().get(), policy.clock_tolerance());
    let nbf = number(claims, "nbf")?;
    if nbf.is_some_and(|nbf| nbf > now + tolerance) {
        return Err(ClaimsError::NotYetValid);
    }
    let exp = number(claims, "exp")?;
    match exp {
        None if policy.require_exp() => return Err(ClaimsError::Missing("exp")),
        Some(exp) if now - tolerance >= exp => return Err(ClaimsError::Expired),
        _ => {}
    }
    let from = nbf.map_or(f64::NEG_INFINITY, |nbf| nbf - tolerance);
    let until = exp.map_or(f64::INFINITY, |exp| exp + tolerance);
    let rules = policy.rules();
    if rules.max_age.is_none() && rules.max_lifetime.is_none() {
        // LibreChat never looks at `iat`, whatever it is.
        return Ok((exp, (from, until)));
    }
    let iat = number(claims, "iat")?.ok_or(ClaimsError::Missing("iat"))?;
    if iat > now + tolerance {
        return Err(ClaimsError::NotYetValid);
    }
    if rules.max_age.is_some_and(|max| now - tolerance - iat > max) {
        return Err(ClaimsError::TooOld);
    }
    match (rules.max_lifetime, exp) {
        (Some(_), None) => return Err(ClaimsError::Missing("exp")),
        (Some(max), Some(exp)) if exp - iat > max => return Err(ClaimsError::Lifetime),
        _ => {}
    }
    // An age that is reached is still allowed, an `exp` is not.
    let too_old = rules.max_age.map_or(f64::INFINITY, |max| (iat + max + tolerance).floor() + 1.0);
    Ok((exp, (from.max(iat - tolerance), until.min(too_old))))
}

fn wrong_kind(claims: &Claims<'_>) -> Option<ClaimsError> {
    claims.other_kind().map(|kind| match kind {
        OtherKind::IdToken => ClaimsError::IdToken,
        OtherKind::RefreshToken => ClaimsError::RefreshToken,
    })
}

/// `aud` (RFC 7519 4.1.3), then `iss` (4.1.1). Whoever sends the wrong kind of token hears that, and not that its
/// audience is wrong.
fn addressed(claims: &Claims<'_>, policy: &Policy) -> Result<(), ClaimsError> {
    let ours = |value: &Value<'_>| value.as_str().is_some_and(|audience| policy.accepts_audience(audience));
    let for_us = match claims.get("aud") {
        Some(Value::Array(audiences)) => audiences.iter().any(ours),
        Some(single) => ours(single),
        None => false,
    };
    if policy.has_audience() && !for_us {
        return Err(wrong_kind(claims).unwrap_or(ClaimsError::Audience));
    }
    let tid = claims.text("tid");
    if claims.text("iss").is_some_and(|iss| policy.issuer().accepts_token(iss, tid)) {
        Ok(())
    } else {
        Err(ClaimsError::Issuer)
    }
}

/// What says that this is an access token, and whose.
fn access_token(token: &UnverifiedToken, claims: &Claims<'_>, policy: &Policy) -> Result<(), ClaimsError> {
    let rules = policy.rules();
    // RFC 7515 4.1.9: `application/` may be left out; media types ignore case (RFC 2045 5.1).
    let typ = token.untrusted_type().map(str::to_ascii_lowercase);
    let typ = typ.as_deref().map(|typ| typ.strip_prefix("application/").unwrap_or(typ));
    let right = match (rules.typ, typ) {
        (TypeRule::Off, _) | (TypeRule::Preferred, None | Some("jwt")) | (_, Some("at+jwt")) => true,
        (TypeRule::Preferred | TypeRule::Required, _) => false,
    };
    if !right || rules.token_use.as_deref().is_some_and(|wanted| claims.text("token_use") != Some(wanted)) {
        return Err(ClaimsError::Type);
    }
    let known = |clients: &Vec<String>| claims.client().is_some_and(|client| clients.iter().any(|it| it == client));
    if rules.clients.as_ref().is_some_and(|clients| !known(clients)) {
        return Err(ClaimsError::Client);
    }
    Ok(())
}

fn granted(claims: &Claims<'_>, policy: &Policy) -> Result<Vec<String>, ClaimsError> {
    // Where nothing is asked, nothing can be malformed: LibreChat does not look at the claim then.
    let scopes = match claims.scopes() {
        Err(MalformedScope) if !policy.scope().is_empty() => return Err(ClaimsError::ScopeMalformed),
        scopes => scopes.unwrap_or_default(),
    };
    if let Some(missing) = policy.scope().first_missing(&scopes) {
        return Err(ClaimsError::ScopeMissing(missing.to_owned()));
    }
    match policy.rules().grants.iter().find(|required| !required.satisfied(|name| claims.get(name))) {
        None => Ok(scopes),
        Some(RequiredGrants { kind: GrantKind::Role, .. }) => Err(ClaimsError::RoleMissing),
        Some(RequiredGrants { kind: GrantKind::Permission, .. }) => Err(ClaimsError::PermissionMissing),
    }
}
