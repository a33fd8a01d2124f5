//! What a policy makes of a token's claims.

use std::ops::Range;

use crate::json::{JsonError, Value};
use crate::policy::grant::{GrantKind, RequiredGrants};
use crate::policy::{Policy, PolicyId, TypeRule};
use crate::time::UnixSeconds;
use crate::token::UnverifiedToken;
use crate::token::claims::{Claims, MalformedScope, OtherKind};
use crate::token::email::EmailSource;

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

/// The seconds of wall time at which the claims satisfy the policy: from the first on, before the second.
pub type Window = (f64, f64);

/// What one policy found of one token's claims. All of it but the time stays true for ever: neither changes.
pub struct Judgement {
    by: PolicyId,
    times: Times,
    pub subject: Text,
    pub scopes: Text,
    pub oid: Option<Text>,
    pub email: Option<Text>,
    pub email_source: Option<EmailSource>,
    pub email_problem: Option<&'static str>,
    pub email_verified: Option<bool>,
}

impl std::fmt::Debug for Judgement {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Neither subject nor address is ever printed.
        f.debug_struct("Judgement").field("by", &self.by).finish_non_exhaustive()
    }
}

impl Judgement {
    /// Whether this very policy judged.
    pub fn is_by(&self, policy: &Policy) -> bool {
        self.by == policy.id()
    }

    /// When the claims hold.
    ///
    /// # Errors
    /// [`ClaimsError`] if not now.
    pub fn holds(&self, policy: &Policy, now: UnixSeconds) -> Result<Window, ClaimsError> {
        timely(&self.times, policy, now)
    }

    /// `exp`, unchanged.
    pub const fn expires_at(&self) -> Option<f64> {
        match self.times.exp {
            Time::At(exp) => Some(exp),
            Time::Absent | Time::NotANumber => None,
        }
    }
}

/// A text of the claims: where in the payload it stands, or a copy where an escape stands for part of it.
#[derive(Clone)]
pub enum Text {
    Payload(Range<usize>),
    Copy(Box<str>),
}

impl Text {
    fn new(text: &str, payload: &str) -> Self {
        let within = text.as_ptr().addr().checked_sub(payload.as_ptr().addr());
        let range = within.and_then(|begin| Some(begin..begin.checked_add(text.len())?));
        match range {
            Some(range) if payload.get(range.clone()) == Some(text) => Self::Payload(range),
            _ => Self::Copy(text.into()),
        }
    }

    /// The text itself; `payload` is the one it was found in.
    pub fn of<'t>(&'t self, payload: &'t str) -> &'t str {
        match self {
            Self::Payload(range) => payload.get(range.clone()).unwrap_or_default(),
            Self::Copy(text) => text,
        }
    }
}

/// The claims of time (RFC 7519 4.1.4 to 4.1.6), as they stand.
#[derive(Clone, Copy)]
struct Times {
    nbf: Time,
    exp: Time,
    iat: Time,
}

#[derive(Clone, Copy)]
enum Time {
    Absent,
    At(f64),
    NotANumber,
}

impl Times {
    fn of(claims: &Claims<'_>) -> Self {
        let time = |name: &str| match claims.get(name) {
            None => Time::Absent,
            Some(Value::Number(seconds)) => Time::At(*seconds),
            Some(_) => Time::NotANumber,
        };
        Self { nbf: time("nbf"), exp: time("exp"), iat: time("iat") }
    }
}

impl Time {
    fn seconds(self, name: &'static str) -> Result<Option<f64>, ClaimsError> {
        match self {
            Self::Absent => Ok(None),
            Self::At(seconds) => Ok(Some(seconds)),
            Self::NotANumber => Err(ClaimsError::NotANumber(name)),
        }
    }
}

/// Judges the claims of a token whose signer vouches for `key_issuer`, if for anybody in particular.
///
/// # Errors
/// [`ClaimsError`], the first rule that fails.
pub fn judge(
    token: &UnverifiedToken,
    key_issuer: Option<&str>,
    policy: &Policy,
    now: UnixSeconds,
) -> Result<(Judgement, Window), ClaimsError> {
    let (payload, claims) = read(token, policy)?;
    let times = Times::of(&claims);
    let holds = timely(&times, policy, now)?;
    addressed(&claims, policy)?;
    let iss = claims.text("iss").unwrap_or_default();
    if !policy.issuer().accepts_key(key_issuer, iss) {
        return Err(ClaimsError::Issuer);
    }
    match wrong_kind(&claims) {
        Some(error) if policy.rules().want_access_token() => return Err(error),
        _ => access_token(token, &claims, policy)?,
    }
    let text = |text: &str| Text::new(text, payload);
    let scopes = granted(&claims, policy, payload)?;
    let subject = claims.subject().ok_or(ClaimsError::Subject)?;
    let email = claims.email_candidate(policy.email_claim());
    // Any tenant's administrator can write any address into a token: of several tenants, none is believed.
    let believed = !policy.issuer().is_multi_tenant();
    let judgement = Judgement {
        by: policy.id(),
        times,
        subject: text(subject),
        scopes,
        oid: claims.text("oid").filter(|oid| !oid.is_empty()).map(text),
        email: email.address.filter(|_| believed).map(text),
        email_source: email.source.filter(|_| believed),
        email_problem: email.problem,
        email_verified: claims.get("email_verified").map(|flag| *flag == Value::Bool(true)),
    };
    Ok((judgement, holds))
}

/// Whether a token that nobody has verified could be good at all: a token that its own claims condemn buys no request
/// to the provider. This saves requests and nothing else; a forger can always write better claims.
///
/// # Errors
/// The [`ClaimsError`] the token would end with.
pub fn untrusted_plausible(token: &UnverifiedToken, policy: &Policy, now: UnixSeconds) -> Result<(), ClaimsError> {
    let (_, claims) = read(token, policy)?;
    timely(&Times::of(&claims), policy, now)?;
    addressed(&claims, policy)
}

/// When a token that nobody has verified says it was issued (`iat`, RFC 7519 4.1.6), if it says so.
pub fn untrusted_issued_at(token: &UnverifiedToken, policy: &Policy) -> Option<f64> {
    let (_, claims) = read(token, policy).ok()?;
    Times::of(&claims).iat.seconds("iat").ok().flatten()
}

fn read<'t>(token: &'t UnverifiedToken, policy: &Policy) -> Result<(&'t str, Claims<'t>), ClaimsError> {
    let payload = token.untrusted_payload().ok_or(ClaimsError::Malformed)?;
    match Claims::parse(payload, |name| policy.looks_at(name)) {
        Ok(claims) => Ok((payload, claims)),
        Err(JsonError::Malformed) => Err(ClaimsError::Malformed),
        Err(JsonError::NotAnObject) => Err(ClaimsError::NotAnObject),
    }
}

/// `nbf` (RFC 7519 4.1.5) and `exp` (4.1.4), by the whole second: `exp` equal to now is expired, `nbf` equal to now is
/// valid. Then the limits on age and lifetime. Gives back when all of this holds.
fn timely(times: &Times, policy: &Policy, now: UnixSeconds) -> Result<Window, ClaimsError> {
    let (now, tolerance) = (now.whole().get(), policy.clock_tolerance());
    // Each limit is computed once, and what is compared with it now is compared with it later: fractions are rounded alike.
    let mut from = times.nbf.seconds("nbf")?.map_or(f64::NEG_INFINITY, |nbf| nbf - tolerance);
    if now < from {
        return Err(ClaimsError::NotYetValid);
    }
    let exp = times.exp.seconds("exp")?;
    let mut until = exp.map_or(f64::INFINITY, |exp| exp + tolerance);
    match exp {
        None if policy.require_exp() => return Err(ClaimsError::Missing("exp")),
        _ if now >= until => return Err(ClaimsError::Expired),
        _ => {}
    }
    let rules = policy.rules();
    if rules.max_age.is_none() && rules.max_lifetime.is_none() {
        // LibreChat never looks at `iat`, whatever it is.
        return Ok((from, until));
    }
    let iat = times.iat.seconds("iat")?.ok_or(ClaimsError::Missing("iat"))?;
    from = from.max(iat - tolerance);
    if now < from {
        return Err(ClaimsError::NotYetValid);
    }
    // An age that is reached is still allowed, an `exp` is not.
    until = until.min(rules.max_age.map_or(f64::INFINITY, |max| (iat + max + tolerance).floor() + 1.0));
    if now >= until {
        return Err(ClaimsError::TooOld);
    }
    match (rules.max_lifetime, exp) {
        (Some(_), None) => Err(ClaimsError::Missing("exp")),
        (Some(max), Some(exp)) if exp - iat > max => Err(ClaimsError::Lifetime),
        _ => Ok((from, until)),
    }
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
    let is = |name: &str| token.untrusted_type().is_some_and(|typ| is_media_type(typ, name));
    let right = match rules.typ {
        TypeRule::Off => true,
        TypeRule::Preferred => token.untrusted_type().is_none() || is("jwt") || is("at+jwt"),
        TypeRule::Required => is("at+jwt"),
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

/// RFC 7515 4.1.9: `application/` may be left out; media types ignore case (RFC 2045 5.1).
fn is_media_type(typ: &str, name: &str) -> bool {
    let prefix = "application/";
    let sub = typ.split_at_checked(prefix.len()).filter(|(start, _)| start.eq_ignore_ascii_case(prefix));
    sub.map_or(typ, |(_, rest)| rest).eq_ignore_ascii_case(name)
}

fn granted(claims: &Claims<'_>, policy: &Policy, payload: &str) -> Result<Text, ClaimsError> {
    // Where nothing is asked, nothing can be malformed: LibreChat does not look at the claim then.
    let scopes = match claims.scopes() {
        Err(MalformedScope) if !policy.scope().is_empty() => return Err(ClaimsError::ScopeMalformed),
        scopes => scopes.unwrap_or_default(),
    };
    if let Some(missing) = policy.scope().first_missing(&scopes) {
        return Err(ClaimsError::ScopeMissing(missing.to_owned()));
    }
    match policy.rules().grants.iter().find(|required| !required.satisfied(|name| claims.get(name))) {
        None => Ok(Text::new(&scopes, payload)),
        Some(RequiredGrants { kind: GrantKind::Role, .. }) => Err(ClaimsError::RoleMissing),
        Some(RequiredGrants { kind: GrantKind::Permission, .. }) => Err(ClaimsError::PermissionMissing),
    }
}
