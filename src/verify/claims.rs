//! The rules a policy has for a token's claims, all but those on time.

use std::ops::Range;

use super::answer;
use super::claims_error::ClaimsError;
use super::facts::Actor;
use super::granted::granted_scopes;
use super::logout;
use super::times::{Times, Window, timely};
use crate::json::{JsonError, JsonFault, Value};
use crate::mismatch::Mismatch;
use crate::policy::issuer::Issuer;
use crate::policy::{Expected, Policy, PolicyId, TypeRule};
use crate::time::UnixSeconds;
use crate::token::UnverifiedToken;
use crate::token::claims::Claims;
use crate::token::email::EmailSource;
use crate::token::kind::{self, OtherKind};

/// What one policy found in one token's claims. Since neither changes, all of it stays true except when the claims hold.
pub struct CheckedClaims {
    policy: PolicyId,
    times: Times,
    /// Which of the policy's issuers the token is from, by its place in the list.
    pub issuer: usize,
    pub subject: PayloadText,
    pub scopes: PayloadText,
    pub oid: Option<PayloadText>,
    pub email: Option<PayloadText>,
    pub email_source: Option<EmailSource>,
    pub email_problem: Option<&'static str>,
    pub email_verified: Option<bool>,
    /// It looks like an ID token, and the policy accepts one.
    pub looks_like_id_token: bool,
    /// It is bound to a key of its holder's, and the policy accepts it without a proof.
    pub is_bound: bool,
    /// What a revocation may name beside the subject.
    pub issuer_text: PayloadText,
    pub jti: Option<PayloadText>,
    pub sid: Option<PayloadText>,
}

impl std::fmt::Debug for CheckedClaims {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Neither subject nor address is ever printed.
        f.debug_struct("CheckedClaims").field("policy", &self.policy).finish_non_exhaustive()
    }
}

impl CheckedClaims {
    /// Whether it was `policy` that checked them.
    pub fn are_of(&self, policy: &Policy) -> bool {
        self.policy == policy.id()
    }

    /// The times at which the claims satisfy `policy`.
    ///
    /// # Errors
    /// [`ClaimsError`] if now is not one of them.
    pub fn holds(&self, policy: &Policy, now: UnixSeconds) -> Result<Window, ClaimsError> {
        timely(&self.times, policy, now)
    }

    /// `nbf`, `exp` and `iat`.
    pub(super) const fn times(&self) -> Times {
        self.times
    }

    /// `exp`, unchanged.
    pub const fn expires_at(&self) -> Option<f64> {
        self.times.expires_at()
    }

    /// `iat`, if it is a number.
    pub const fn issued_at(&self) -> Option<f64> {
        self.times.issued_at()
    }
}

/// A string of the claims: its place in the payload, or a copy where the payload spells it with escapes.
#[derive(Clone)]
pub enum PayloadText {
    Range(Range<usize>),
    Copy(Box<str>),
}

impl PayloadText {
    pub(super) fn new(text: &str, payload: &str) -> Self {
        let within = text.as_ptr().addr().checked_sub(payload.as_ptr().addr());
        let range = within.and_then(|begin| Some(begin..begin.checked_add(text.len())?));
        match range {
            Some(range) if payload.get(range.clone()) == Some(text) => Self::Range(range),
            _ => Self::Copy(text.into()),
        }
    }

    /// The string itself; `payload` is the one it was found in.
    pub fn of<'t>(&'t self, payload: &'t str) -> &'t str {
        match self {
            Self::Range(range) => payload.get(range.clone()).unwrap_or_default(),
            Self::Copy(text) => text,
        }
    }
}

/// Checks the claims of a token. `key_issuer` is the one issuer that the key which signed it vouches for, if it is limited
/// to one.
///
/// # Errors
/// [`ClaimsError`], the first rule that fails.
pub fn check(
    token: &UnverifiedToken,
    key_issuer: Option<&str>,
    policy: &Policy,
    now: UnixSeconds,
) -> Result<(CheckedClaims, Window), ClaimsError> {
    let (payload, claims) = read(token, policy)?;
    let times = Times::of(&claims);
    let holds = timely(&times, policy, now).map_err(|error| true_cause(error, token, &claims, payload, policy))?;
    let issuer = kind_audience_issuer(token, &claims, payload, policy)?;
    let iss = claims.text("iss").unwrap_or_default();
    if !policy.issuers().accepts_key(key_issuer, iss) {
        return Err(ClaimsError::KeyIssuer(Mismatch::new(key_issuer.unwrap_or_default(), iss)));
    }
    let text = |text: &str| PayloadText::new(text, payload);
    let (looks_like_id_token, scopes) = match policy.expects() {
        Expected::AccessToken => {
            let looks_like_id_token = kind::looks_like_id_token(&claims);
            if looks_like_id_token && policy.rules().want_access_token() {
                return Err(ClaimsError::IdToken);
            }
            access_token(token, &claims, policy)?;
            actor(&claims, policy)?;
            (looks_like_id_token, granted_scopes(&claims, policy, payload)?)
        }
        Expected::LogoutToken => {
            logout::check(token, &claims, &times, policy, now)?;
            (false, text(""))
        }
        Expected::IntrospectionAnswer => {
            answer::timely(&times, policy, now)?;
            (false, text(""))
        }
    };
    let subject = match claims.subject() {
        None if policy.require_subject() && policy.expects() == Expected::AccessToken => {
            return Err(ClaimsError::Subject);
        }
        subject => subject.unwrap_or_default(),
    };
    let looks = (looks_like_id_token, issuer, iss);
    checked(&claims, payload, policy, (times, scopes, subject), looks).map(|checked| (checked, holds))
}

/// What stays to be read of claims that the rules have passed.
pub(super) fn checked(
    claims: &Claims<'_>,
    payload: &str,
    policy: &Policy,
    (times, scopes, subject): (Times, PayloadText, &str),
    (looks_like_id_token, issuer, iss): (bool, usize, &str),
) -> Result<CheckedClaims, ClaimsError> {
    let text = |text: &str| PayloadText::new(text, payload);
    // RFC 9449 6.1, RFC 8705 3: without a proof of the key whoever has copied the token can use it.
    let is_bound = claims.is_bound();
    if is_bound && policy.rules().require_unbound {
        return Err(ClaimsError::Bound);
    }
    let email = claims.email_candidate(policy.email_claim());
    // Any tenant's administrator can write any address into a token: of several tenants, none is trusted.
    let trusted = !policy.issuers().is_multi_tenant();
    Ok(CheckedClaims {
        policy: policy.id(),
        times,
        issuer,
        subject: text(subject),
        scopes,
        oid: claims.text("oid").filter(|oid| !oid.is_empty()).map(text),
        email: email.address.filter(|_| trusted).map(text),
        email_source: email.source.filter(|_| trusted),
        email_problem: email.problem,
        email_verified: claims.email_verified(),
        looks_like_id_token,
        is_bound,
        issuer_text: text(iss),
        jti: claims.text("jti").map(text),
        sid: claims.text("sid").map(text),
    })
}

/// Whether an unverified token could be accepted at all: a token that its own claims rule out (`exp`, `nbf` and the rules on age, the kind
/// of token, `aud`, `iss`) causes no request to the provider. This saves requests and nothing else; a forger can always write better claims.
///
/// # Errors
/// The [`ClaimsError`] the token would end with.
pub fn untrusted_plausible(token: &UnverifiedToken, policy: &Policy, now: UnixSeconds) -> Result<(), ClaimsError> {
    let (payload, claims) = read(token, policy)?;
    timely(&Times::of(&claims), policy, now).map_err(|error| true_cause(error, token, &claims, payload, policy))?;
    kind_audience_issuer(token, &claims, payload, policy).map(drop)
}

/// When an unverified token says it was issued (`iat`, RFC 7519 4.1.6), if it says so.
pub fn untrusted_issued_at(token: &UnverifiedToken, policy: &Policy) -> Option<f64> {
    let (_, claims) = read(token, policy).ok()?;
    Times::of(&claims).issued_at()
}

/// The seconds by which an unverified token's own times miss the clock here: positive where it is not valid yet, negative where it
/// has expired. To say why a token is refused, never to accept one.
pub fn untrusted_clock_difference(token: &UnverifiedToken, policy: &Policy, now: UnixSeconds) -> Option<f64> {
    let (_, claims) = read(token, policy).ok()?;
    Times::of(&claims).difference(now)
}

fn read<'t>(token: &'t UnverifiedToken, policy: &Policy) -> Result<(&'t str, Claims<'t>), ClaimsError> {
    let payload = token.untrusted_payload().ok_or(ClaimsError::Malformed(JsonFault::NotUtf8))?;
    parse(payload, policy).map(|claims| (payload, claims))
}

pub(super) fn parse<'t>(payload: &'t str, policy: &Policy) -> Result<Claims<'t>, ClaimsError> {
    match Claims::parse(payload, |name| policy.looks_at(name)) {
        Ok(claims) => Ok(claims),
        Err(JsonError::Malformed(fault)) => Err(ClaimsError::Malformed(fault)),
        Err(JsonError::NotAnObject) => Err(ClaimsError::NotAnObject),
    }
}

/// The refusal of a token of another kind, which no policy accepts, whatever its option `typ` says (RFC 8725 3.11).
fn other_kind(token: &UnverifiedToken, claims: &Claims<'_>, payload: &str) -> Option<ClaimsError> {
    let said = token.untrusted_type().and_then(kind::of_type).or_else(|| kind::of_claims(claims, payload))?;
    Some(refused_as(said))
}

pub(super) fn refused_as(kind: OtherKind) -> ClaimsError {
    match kind {
        OtherKind::IdToken => ClaimsError::IdToken,
        OtherKind::RefreshToken => ClaimsError::RefreshToken,
        OtherKind::SecurityEvent => ClaimsError::SecurityEvent,
        OtherKind::UserInfo => ClaimsError::UserInfo,
        OtherKind::AuthorizationResponse => ClaimsError::AuthorizationResponse,
        OtherKind::Other(typ) => ClaimsError::OtherKind(Mismatch::of_names(&["at+jwt", "JWT"], &[&typ])),
    }
}

/// Some other kinds of token have no `exp`: where an access token is expected the kind is the cause to report, not the missing claim.
#[cold]
fn true_cause(
    error: ClaimsError,
    token: &UnverifiedToken,
    claims: &Claims<'_>,
    payload: &str,
    policy: &Policy,
) -> ClaimsError {
    match error {
        ClaimsError::Missing("exp") if policy.expects() == Expected::AccessToken => {
            other_kind(token, claims, payload).unwrap_or(error)
        }
        error => error,
    }
}

/// The kind of token, then `aud` (RFC 7519 4.1.3), then `iss` (4.1.1). The kind comes first, so that a token of the wrong
/// kind is refused as one and not for its audience. Returns the place of the token's issuer in the policy's list.
fn kind_audience_issuer(
    token: &UnverifiedToken,
    claims: &Claims<'_>,
    payload: &str,
    policy: &Policy,
) -> Result<usize, ClaimsError> {
    match policy.expects() {
        Expected::AccessToken => other_kind(token, claims, payload).map_or(Ok(()), Err)?,
        // By its claims, whatever the header says: a claim that names another kind comes first.
        Expected::LogoutToken if kind::of_claims(claims, payload) != Some(OtherKind::SecurityEvent) => {
            return Err(ClaimsError::Logout("its claims are not those of one"));
        }
        Expected::LogoutToken => {}
        Expected::IntrospectionAnswer => answer::typed(token)?,
    }
    let is_answer = policy.expects() == Expected::IntrospectionAnswer;
    if kind::is_bare(claims) && !is_answer && !is_of_type(token, "at+jwt") {
        return Err(ClaimsError::UserInfo);
    }
    audience(claims, policy)?;
    issuer_place(claims, policy)
}

/// `aud` (RFC 7519 4.1.3).
pub(super) fn audience(claims: &Claims<'_>, policy: &Policy) -> Result<(), ClaimsError> {
    let ours = |value: &Value<'_>| value.as_str().is_some_and(|audience| policy.accepts_audience(audience));
    let for_us = match claims.get("aud") {
        Some(Value::Array(audiences)) => audiences.iter().any(ours),
        Some(single) => ours(single),
        None => false,
    };
    // Nothing takes the place of `aud` in a logout token or an answer: without one it is for another client.
    if (policy.has_audience() || policy.expects() != Expected::AccessToken) && !for_us {
        return Err(other_audience(claims, policy));
    }
    Ok(())
}

/// `iss` (RFC 7519 4.1.1): its place among the policy's issuers.
pub(super) fn issuer_place(claims: &Claims<'_>, policy: &Policy) -> Result<usize, ClaimsError> {
    let tid = claims.text("tid");
    let iss = claims.text("iss");
    let place = iss.and_then(|iss| policy.issuers().place_of(iss, tid));
    place.ok_or_else(|| {
        let expected: Vec<&str> = policy.issuers().all().map(Issuer::configured).collect();
        ClaimsError::Issuer(Mismatch::of_names(&expected, &shown(claims, iss)))
    })
}

#[cold]
fn other_audience(claims: &Claims<'_>, policy: &Policy) -> ClaimsError {
    if kind::looks_like_id_token(claims) {
        return ClaimsError::IdToken;
    }
    let got: Vec<&str> = match claims.get("aud") {
        Some(Value::Array(audiences)) => audiences.iter().filter_map(Value::as_str).collect(),
        single => single.and_then(Value::as_str).into_iter().collect(),
    };
    let expected: Vec<&str> = policy.audiences().collect();
    ClaimsError::Audience(Mismatch::of_names(&expected, &shown(claims, got)))
}

/// What a claim has, as an operator may see it: the subject, which clients and audiences may be named by, is not shown.
pub(super) fn shown<'t>(claims: &'t Claims<'_>, got: impl IntoIterator<Item = &'t str>) -> Vec<&'t str> {
    let subject = claims.subject();
    got.into_iter().map(|text| if subject == Some(text) { "<subject>" } else { text }).collect()
}

fn is_of_type(token: &UnverifiedToken, name: &str) -> bool {
    token.untrusted_type().is_some_and(|typ| kind::media_type(typ).eq_ignore_ascii_case(name))
}

/// The rules that tell an access token: `typ`, `token_use`, and the client it was issued to.
fn access_token(token: &UnverifiedToken, claims: &Claims<'_>, policy: &Policy) -> Result<(), ClaimsError> {
    let rules = policy.rules();
    let typ = token.untrusted_type();
    let is = |name: &str| is_of_type(token, name);
    let (right, expected): (_, &[&str]) = match rules.typ {
        TypeRule::Off => (true, &[]),
        // Without `exp` and without any claim that grants something, nothing shows that it is an access token.
        TypeRule::Preferred => {
            let says_nothing = claims.get("exp").is_none() && !kind::grants(claims);
            (is("at+jwt") || ((typ.is_none() || is("jwt")) && !says_nothing), &["at+jwt", "JWT"])
        }
        TypeRule::Required => (is("at+jwt"), &["at+jwt"]),
    };
    if !right {
        return Err(ClaimsError::Type(Mismatch::of_names(expected, &shown(claims, typ))));
    }
    use_and_client(claims, policy)
}

/// `token_use`, and the client it was issued to.
pub(super) fn use_and_client(claims: &Claims<'_>, policy: &Policy) -> Result<(), ClaimsError> {
    let rules = policy.rules();
    let token_use = claims.text("token_use");
    if let Some(wanted) = rules.token_use.as_deref().filter(|wanted| token_use != Some(wanted)) {
        return Err(ClaimsError::Type(Mismatch::of_names(&[wanted], &shown(claims, token_use))));
    }
    let client = match rules.client_claim.as_deref() {
        Some(name) => claims.text(name),
        None => claims.client(),
    };
    let known = |clients: &Vec<String>| client.is_some_and(|client| clients.iter().any(|it| it == client));
    match rules.clients.as_ref().filter(|clients| !known(clients)) {
        None => Ok(()),
        Some(clients) => {
            let expected: Vec<&str> = clients.iter().map(String::as_str).collect();
            Err(ClaimsError::Client(Mismatch::of_names(&expected, &shown(claims, client))))
        }
    }
}

/// The current actor of a delegated token (RFC 8693 4.1) must be one the policy names; those of earlier steps, nested in it, decide
/// nothing there. A token that nobody else uses has no `act`. The error says nothing of the actor, which may be a person.
pub(super) fn actor(claims: &Claims<'_>, policy: &Policy) -> Result<(), ClaimsError> {
    let (Some(actors), Some(act)) = (&policy.rules().actors, claims.get("act")) else { return Ok(()) };
    let actor = Actor::read(act, claims.text("iss")).filter(Actor::is_of_the_tokens_issuer);
    let is_known = |subject: &str| actors.iter().any(|known| known == subject);
    match actor.and_then(|actor| actor.subject) {
        Some(subject) if is_known(subject) => Ok(()),
        _ => Err(ClaimsError::Actor),
    }
}
