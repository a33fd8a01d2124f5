//! What is told of a token: one text and a few numbers.
//!
//! The text is the claims, followed by the small strings the rules have read from them; JavaScript cuts off what it wants,
//! when it wants it.

#![allow(unsafe_code, reason = "the raw Node-API calls that napi has no lean form of, each with its argument")]

use std::ptr;

use napi::bindgen_prelude::ToNapiValue;
use napi::{Error, Result, Status, sys};

use super::outcome::NewVerdict;
use crate::error::Refusal;
use crate::policy::Policy;
use crate::process::Process;
use crate::verifier::{Answer, EmailSource, Verified};

/// How many numbers cross. lib/verifier/outcome.js names them in this order.
pub const FACTS: usize = 13;
/// Where the verdict stands in a list: behind the text and the numbers.
const VERDICT_AT: u32 = 14;
/// The first number of a refusal, where that of a good token is the end of its claims.
const REFUSED: f64 = -1.0;
/// What is said of an address that is absent.
const ABSENT: f64 = -1.0;
/// Of the number that says several things: `email_verified` (false, true, absent), whether it looks like an ID token, and above that
/// which of the policy's issuers it is of.
const NOT_SAID: u64 = 2;
const LOOKS_LIKE_ID_TOKEN: u64 = 4;
const ISSUER: u64 = 8;

/// What is told about one token.
pub struct Told {
    pub text: String,
    pub facts: [f64; FACTS],
    pub verdict: Option<NewVerdict>,
}

impl Told {
    pub fn of(answer: &Answer, keep_verdict: bool) -> Self {
        match answer {
            Ok(verified) => Self { verdict: keep_verdict.then(|| NewVerdict::of(verified)), ..Self::good(verified) },
            Err(refusal) => Self::refused(refusal),
        }
    }

    pub fn refused(refusal: &Refusal) -> Self {
        let code = refusal.code();
        let mut parts = Parts::default();
        let (name, fault) = (parts.append(code.name()), parts.append(code.fault().name()));
        let message = parts.append(&refusal.to_string());
        let again = refusal.retry_after().map_or(f64::NAN, |again| again.as_secs_f64());
        let Some(details) = refusal.details() else { return Self::with(parts.text, [REFUSED, name, fault, again]) };
        // What is empty is not there.
        let [reason, host, expected, got] = details.all().map(|detail| parts.append(detail.unwrap_or_default()));
        Self::with(parts.text, [REFUSED, name, fault, again, message, reason, host, expected, got])
    }

    fn good(verified: &Verified) -> Self {
        let mut parts = Parts::default();
        parts.text.reserve(verified.claims().len().saturating_add(256));
        let ends = [
            parts.append(verified.claims()),
            parts.append(verified.subject()),
            // What is empty is not there: none of these is ever empty.
            parts.append(verified.oid().unwrap_or_default()),
            parts.append(verified.email().unwrap_or_default()),
            parts.append(verified.email_problem().unwrap_or_default()),
            // Claims are split into scopes at blanks, so that no scope has one in it.
            parts.append_words(verified.scopes()),
        ];
        let [claims, subject, oid, email, problem, scopes] = ends;
        let id_token = if verified.looks_like_id_token() { LOOKS_LIKE_ID_TOKEN } else { 0 };
        // A policy has a few issuers: far from saturating.
        let issuer = u64::try_from(verified.issuer_place()).unwrap_or(u64::MAX).saturating_mul(ISSUER);
        let several = exact(
            issuer.saturating_add(id_token).saturating_add(verified.email_verified().map_or(NOT_SAID, u64::from)),
        );
        let (from, until) = verified.holds();
        let expires_at = verified.expires_at().unwrap_or(f64::NAN);
        let email_source = verified.email_source().map_or(ABSENT, number_of);
        let told = [claims, subject, oid, email, problem, scopes, several, email_source, expires_at, from, until];
        Self::with(parts.text, told)
    }

    fn with<const N: usize>(text: String, told: [f64; N]) -> Self {
        let mut facts = [f64::NAN; FACTS];
        for (fact, value) in facts.iter_mut().zip(told) {
            *fact = value;
        }
        Self { text, facts, verdict: None }
    }

    /// Adds to a good answer for how long it is good as far as keys go. `epoch`: the count of key changes before the check.
    pub fn tell_freshness(&mut self, process: &Process, policy: &Policy, epoch: u64) {
        let [first, .., fresh_for, changes] = &mut self.facts;
        if *first < 0.0 {
            return;
        }
        *fresh_for = process.verifier().fresh_for(policy).as_secs_f64() * 1000.0;
        *changes = exact(epoch);
    }
}

/// Its place in the list of lib/verifier/outcome.js.
fn number_of(source: EmailSource) -> f64 {
    match source {
        EmailSource::Configured => 0.0,
        EmailSource::Email => 1.0,
        EmailSource::PreferredUsername => 2.0,
        EmailSource::Upn => 3.0,
    }
}

/// A text made of parts, and where each ends.
#[derive(Default)]
struct Parts {
    text: String,
    /// In UTF-16 units, as JavaScript counts.
    units: u32,
}

impl Parts {
    fn append(&mut self, part: &str) -> f64 {
        self.text.push_str(part);
        let units = if part.is_ascii() { part.len() } else { part.encode_utf16().count() };
        // Far from saturating: a part is no longer than a token.
        self.units = self.units.saturating_add(u32::try_from(units).unwrap_or(u32::MAX));
        f64::from(self.units)
    }

    /// The words with one blank after each.
    fn append_words<'w>(&mut self, words: impl Iterator<Item = &'w str>) -> f64 {
        for word in words {
            self.append(word);
            self.append(" ");
        }
        f64::from(self.units)
    }
}

/// A count as JavaScript has numbers.
pub fn exact(count: u64) -> f64 {
    // Exact up to 2^53.
    #[allow(clippy::cast_precision_loss)]
    let count = count as f64;
    count
}

/// A text on its way to JavaScript.
pub struct Text(pub String);

impl ToNapiValue for Text {
    unsafe fn to_napi_value(env: sys::napi_env, Self(text): Self) -> Result<sys::napi_value> {
        let length =
            isize::try_from(text.len()).map_err(|_| Error::new(Status::GenericFailure, "a text is too long"))?;
        let mut value = ptr::null_mut();
        // ASCII is Latin-1: one copy for the engine instead of decoding. Anything else crosses as what it is.
        let create = if text.is_ascii() { sys::napi_create_string_latin1 } else { sys::napi_create_string_utf8 };
        // SAFETY: `env` is that of the call under way; the engine copies `length` bytes from `text`.
        let status = unsafe { create(env, text.as_ptr().cast(), length, &raw mut value) };
        done(status).map(|()| value)
    }
}

impl ToNapiValue for Told {
    unsafe fn to_napi_value(env: sys::napi_env, told: Self) -> Result<sys::napi_value> {
        let length = FACTS.saturating_add(if told.verdict.is_some() { 2 } else { 1 });
        let mut list = ptr::null_mut();
        // SAFETY: `env` is that of the call under way, and every value was made in it just now.
        unsafe {
            done(sys::napi_create_array_with_length(env, length, &raw mut list))?;
            done(sys::napi_set_element(env, list, 0, Text::to_napi_value(env, Text(told.text))?))?;
            for (index, fact) in (1..).zip(told.facts) {
                let mut number = ptr::null_mut();
                done(sys::napi_create_double(env, fact, &raw mut number))?;
                done(sys::napi_set_element(env, list, index, number))?;
            }
            if let Some(verdict) = told.verdict {
                done(sys::napi_set_element(env, list, VERDICT_AT, NewVerdict::to_napi_value(env, verdict)?))?;
            }
        }
        Ok(list)
    }
}

fn done(status: sys::napi_status) -> Result<()> {
    if status == sys::Status::napi_ok { Ok(()) } else { Err(Error::new(Status::from(status), "Node-API refused")) }
}
