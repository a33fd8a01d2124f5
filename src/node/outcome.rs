//! What crosses back: plain values, and a handle on what was verified.

#![allow(unsafe_code, reason = "ToNapiValue is an unsafe trait function; nothing unsafe is done in it")]

use napi::bindgen_prelude::{Either, JavaScriptClassExt, JsValue, ToNapiValue, Unknown};
use napi::{Env, Result, sys};
use napi_derive::napi;

use super::handles::{self, Entry, Handles};
use crate::details::Details;
use crate::error::{Code, Refusal};
use crate::verifier::{Answer, SignedToken, Verified};

thread_local! {
    static SIGNED: Handles<SignedToken> = Handles::default();
}

/// "These bytes are signed by that key of that source." Opaque to JavaScript; give it to `recheck`.
#[napi]
pub struct Verdict {
    entry: Entry<SignedToken>,
    holds: (f64, f64),
}

#[napi]
impl Verdict {
    /// When the claims satisfied the policy they were judged by: seconds of wall time, from the first on, before the second.
    #[napi(catch_unwind)]
    pub fn holds(&self) -> Vec<f64> {
        vec![self.holds.0, self.holds.1]
    }
}

/// What was verified, by the handle on it; `None` for anything else.
pub fn signed(env: &Env, verdict: &Unknown) -> Option<SignedToken> {
    handles::find(&SIGNED, env, verdict.raw())
}

/// What becomes a [`Verdict`] on the JavaScript thread.
pub struct NewVerdict {
    signed: SignedToken,
    holds: (f64, f64),
}

impl NewVerdict {
    pub fn of(verified: &Verified) -> Self {
        Self { signed: verified.signed().clone(), holds: verified.holds() }
    }
}

impl ToNapiValue for NewVerdict {
    unsafe fn to_napi_value(env: sys::napi_env, new: Self) -> Result<sys::napi_value> {
        let env = Env::from_raw(env);
        let instance = Verdict { entry: Entry::new(&SIGNED), holds: new.holds }.into_instance(&env)?;
        instance.entry.fill(&*instance, new.signed);
        Ok(instance.value)
    }
}

/// A token that is signed by the provider and whose claims satisfy the policy.
#[napi(object, object_from_js = false)]
pub struct Success {
    #[napi(ts_type = "true")]
    pub ok: bool,
    /// The claims as JSON text: the payload exactly as it was signed.
    pub claims: String,
    /// The JOSE header as JSON text.
    pub header: String,
    /// `sub`, verbatim; empty only where the policy does not require it.
    pub subject: String,
    /// `oid`, not empty.
    pub oid: Option<String>,
    /// The address to look a user up by.
    pub email: Option<String>,
    /// The claim `email` was taken from: the one the policy names, or which of the standard ones.
    #[napi(ts_type = "'configured' | 'email' | 'preferred_username' | 'upn'")]
    pub email_source: Option<String>,
    /// Set when the policy names an e-mail claim that could not be used: `absent`, or the `typeof` of what was there.
    pub email_claim_problem: Option<String>,
    /// `email_verified`: undefined if absent or null, true only if true or the text `true`.
    pub email_verified: Option<bool>,
    /// Which of the policy's issuers the token is of, by its place in the list; 0 where there is one.
    pub issuer_index: Option<u32>,
    /// Whether the token looks like an ID token, which the policy lets pass.
    pub looks_like_id_token: Option<bool>,
    /// `exp`, unchanged, in seconds since the epoch.
    pub expires_at: Option<f64>,
    /// The scopes granted.
    pub scopes: Vec<String>,
    #[napi(ts_type = "Verdict")]
    pub verdict: NewVerdict,
}

/// Why a token, a policy or an argument was refused.
#[napi(object, object_from_js = false)]
pub struct Failure {
    #[napi(ts_type = "false")]
    pub ok: bool,
    /// The stable code.
    pub code: String,
    /// Who can mend it.
    #[napi(ts_type = "'config' | 'request' | 'token' | 'scope' | 'upstream' | 'capacity' | 'internal'")]
    pub fault: String,
    /// For the operator's log; never has any part of the token.
    pub message: String,
    /// Seconds until another try is worth it, for `upstream` and `capacity`.
    pub retry_after: Option<f64>,
    /// The cause within the code, a stable word such as `tls-expired`.
    pub reason: Option<String>,
    /// The host that was asked, or the proxy on the way to it.
    pub host: Option<String>,
    /// What the policy wants; at most 200 characters.
    pub expected: Option<String>,
    /// What came instead, for the operator alone; at most 200 characters.
    pub got: Option<String>,
}

pub type Outcome = Either<Success, Failure>;

impl From<&Refusal> for Failure {
    fn from(refusal: &Refusal) -> Self {
        let code = refusal.code();
        let details = refusal.details().map_or([None; 4], Details::all);
        let [reason, host, expected, got] = details.map(|detail| detail.map(str::to_owned));
        Self {
            ok: false,
            code: code.name().to_owned(),
            fault: code.fault().name().to_owned(),
            message: refusal.to_string(),
            retry_after: refusal.retry_after().map(|again| again.as_secs_f64()),
            reason,
            host,
            expected,
            got,
        }
    }
}

impl From<Verified> for Success {
    fn from(verified: Verified) -> Self {
        Self {
            ok: true,
            claims: verified.claims().to_owned(),
            header: verified.header().to_owned(),
            subject: verified.subject().to_owned(),
            oid: verified.oid().map(str::to_owned),
            email: verified.email().map(str::to_owned),
            email_source: verified.email_source().map(|source| source.name().to_owned()),
            email_claim_problem: verified.email_problem().map(str::to_owned),
            email_verified: verified.email_verified(),
            issuer_index: u32::try_from(verified.issuer_place()).ok(),
            looks_like_id_token: Some(verified.looks_like_id_token()),
            expires_at: verified.expires_at(),
            scopes: verified.scopes().map(str::to_owned).collect(),
            verdict: NewVerdict::of(&verified),
        }
    }
}

pub fn outcome(answer: Answer) -> Outcome {
    match answer {
        Ok(verified) => Either::A(verified.into()),
        Err(refusal) => Either::B(Failure::from(&refusal)),
    }
}

pub fn refused(refusal: impl Into<Refusal>) -> Outcome {
    Either::B(Failure::from(&refusal.into()))
}

/// One stable error code.
#[napi(object, object_from_js = false)]
pub struct ErrorCode {
    pub code: String,
    #[napi(ts_type = "'config' | 'request' | 'token' | 'scope' | 'upstream' | 'capacity' | 'internal'")]
    pub fault: String,
    /// What happened.
    pub meaning: String,
    /// What to do about it.
    pub action: String,
}

/// Every error code there is, in the order of the documentation.
#[napi(catch_unwind)]
pub fn error_codes() -> Vec<ErrorCode> {
    let entry = |code: &Code| ErrorCode {
        code: code.name().to_owned(),
        fault: code.fault().name().to_owned(),
        meaning: code.meaning().to_owned(),
        action: code.action().to_owned(),
    };
    Code::ALL.iter().map(entry).collect()
}
