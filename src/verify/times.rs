//! When a token's claims hold, and by how much they miss.

use super::claims_error::ClaimsError;
use crate::json::Value;
use crate::mismatch::Mismatch;
use crate::policy::{MAX_CLOCK_TOLERANCE, Policy};
use crate::time::UnixSeconds;
use crate::token::claims::Claims;

/// The seconds of wall time at which the claims satisfy the policy: from the first on, before the second.
pub type Window = (f64, f64);

/// The claims of time (RFC 7519 4.1.4 to 4.1.6), as they stand.
#[derive(Clone, Copy)]
pub struct Times {
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
    /// Those of a token's claims.
    pub fn of(claims: &Claims<'_>) -> Self {
        let time = |name: &str| match claims.get(name) {
            None => Time::Absent,
            Some(Value::Number(seconds)) => Time::At(*seconds),
            Some(_) => Time::NotANumber,
        };
        Self { nbf: time("nbf"), exp: time("exp"), iat: time("iat") }
    }

    /// These, and of the others what is absent here.
    #[must_use]
    pub const fn or(self, others: Self) -> Self {
        Self { nbf: self.nbf.or(others.nbf), exp: self.exp.or(others.exp), iat: self.iat.or(others.iat) }
    }

    /// `exp`, unchanged.
    pub const fn expires_at(&self) -> Option<f64> {
        match self.exp {
            Time::At(exp) => Some(exp),
            Time::Absent | Time::NotANumber => None,
        }
    }

    /// `iat`, if it is a number.
    pub const fn issued_at(&self) -> Option<f64> {
        match self.iat {
            Time::At(iat) => Some(iat),
            Time::Absent | Time::NotANumber => None,
        }
    }
}

impl Times {
    /// By how many seconds they miss the time here: `nbf` that is to come, else an `exp` that has passed.
    pub fn difference(&self, now: UnixSeconds) -> Option<f64> {
        let now = now.whole().get();
        let ahead = |time: Time| match time {
            Time::At(seconds) => Some(to_milliseconds(seconds - now)),
            Time::Absent | Time::NotANumber => None,
        };
        ahead(self.nbf).filter(|ahead| *ahead > 0.0).or_else(|| ahead(self.exp).filter(|ahead| *ahead <= 0.0))
    }
}

impl Time {
    const fn or(self, other: Self) -> Self {
        match self {
            Self::Absent => other,
            Self::At(_) | Self::NotANumber => self,
        }
    }

    fn seconds(self, name: &'static str) -> Result<Option<f64>, ClaimsError> {
        match self {
            Self::Absent => Ok(None),
            Self::At(seconds) => Ok(Some(seconds)),
            Self::NotANumber => Err(ClaimsError::NotANumber(name)),
        }
    }
}

/// `nbf` (RFC 7519 4.1.5) and `exp` (4.1.4), in whole seconds: `exp` equal to now is expired, `nbf` equal to now is
/// valid. Then the limits on age and lifetime. Returns the times at which all of this holds.
///
/// # Errors
/// [`ClaimsError`], the first limit that is missed.
pub fn timely(times: &Times, policy: &Policy, now: UnixSeconds) -> Result<Window, ClaimsError> {
    timely_with(times, policy, policy.require_exp(), now)
}

/// [`timely`], where something else than the policy says whether `exp` must be there.
///
/// # Errors
/// [`ClaimsError`].
pub fn timely_with(times: &Times, policy: &Policy, require_exp: bool, now: UnixSeconds) -> Result<Window, ClaimsError> {
    let (now, tolerance) = (now.whole().get(), policy.clock_tolerance());
    // Each limit is computed once, and what is compared with it now is compared with it later: fractions are rounded alike.
    let nbf = times.nbf.seconds("nbf")?;
    let mut from = nbf.map_or(f64::NEG_INFINITY, |nbf| nbf - tolerance);
    if now < from {
        return Err(not_yet_valid("nbf", nbf.unwrap_or_default(), now, tolerance));
    }
    let exp = times.exp.seconds("exp")?;
    let mut until = exp.map_or(f64::INFINITY, |exp| exp + tolerance);
    match exp {
        None if require_exp => return Err(ClaimsError::Missing("exp")),
        Some(exp) if now >= until => return Err(expired(exp, now, tolerance)),
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
        return Err(not_yet_valid("iat", iat, now, tolerance));
    }
    // An age that is reached is still allowed, an `exp` is not.
    until = until.min(rules.max_age.map_or(f64::INFINITY, |max| (iat + max + tolerance).floor() + 1.0));
    if now >= until {
        return Err(too_old(iat, rules.max_age.unwrap_or_default(), now, tolerance));
    }
    match (rules.max_lifetime, exp) {
        (Some(_), None) => Err(ClaimsError::Missing("exp")),
        (Some(max), Some(exp)) if exp - iat > max => Err(too_long(exp - iat, max)),
        _ => Ok((from, until)),
    }
}

/// A difference of clocks that the option can make up for.
const CLOCKS: &str = "`clockTolerance` or OPENID_REMOTE_CLOCK_TOLERANCE allows for a difference of clocks";

/// The note for a miss by so many seconds that a difference of clocks would explain it.
fn about_clocks(seconds: f64) -> Option<&'static str> {
    (seconds <= MAX_CLOCK_TOLERANCE).then_some(CLOCKS)
}

/// Without the digits that are an artefact of binary fractions.
fn to_milliseconds(seconds: f64) -> f64 {
    (seconds * 1000.0).round() / 1000.0
}

#[cold]
fn not_yet_valid(name: &str, time: f64, now: f64, tolerance: f64) -> ClaimsError {
    let ahead = to_milliseconds(time - now);
    let expected = format!("`{name}` at most {tolerance} s (`clockTolerance`) after {now}, the time here");
    let got = format!("{time}, {ahead} s after it");
    ClaimsError::NotYetValid(Mismatch::new(&expected, &got).noting(about_clocks(ahead)))
}

#[cold]
fn expired(exp: f64, now: f64, tolerance: f64) -> ClaimsError {
    let behind = to_milliseconds(now - exp);
    let expected = format!("`exp` after {now}, the time here, or less than {tolerance} s (`clockTolerance`) before");
    let got = format!("{exp}, {behind} s before it");
    ClaimsError::Expired(Mismatch::new(&expected, &got).noting(about_clocks(behind)))
}

#[cold]
fn too_long(lifetime: f64, max: f64) -> ClaimsError {
    let expected = format!("`exp` at most {max} s (`maxTokenLifetime`) after `iat`");
    ClaimsError::Lifetime(Mismatch::new(&expected, &format!("{} s", to_milliseconds(lifetime))))
}

#[cold]
fn too_old(iat: f64, max_age: f64, now: f64, tolerance: f64) -> ClaimsError {
    let age = to_milliseconds(now - iat);
    let expected = format!(
        "`iat` at most {max_age} s (`maxTokenAge`) and {tolerance} s (`clockTolerance`) before {now}, the time here"
    );
    ClaimsError::TooOld(Mismatch::new(&expected, &format!("{iat}, {age} s before it")))
}
