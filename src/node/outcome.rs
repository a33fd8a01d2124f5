//! What crosses back: plain values, and a handle on what was verified.

use napi::bindgen_prelude::Either;
use napi_derive::napi;

use crate::error::{Code, Refusal};
use crate::verifier::{Answer, SignedToken, Verified};

/// "These bytes are signed by that key of that source." Opaque to JavaScript; give it to `recheck`.
#[napi]
pub struct Verdict {
    signed: SignedToken,
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

impl Verdict {
    /// What was verified.
    pub const fn signed(&self) -> &SignedToken {
        &self.signed
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
    /// `sub`, verbatim, never blank.
    pub subject: String,
    /// `oid`, not empty.
    pub oid: Option<String>,
    /// The address to look a user up by.
    pub email: Option<String>,
    /// Set when the policy names an e-mail claim that could not be used: `absent`, or the `typeof` of what was there.
    pub email_claim_problem: Option<String>,
    /// `email_verified`: undefined if absent, true only if exactly true.
    pub email_verified: Option<bool>,
    /// `exp`, unchanged, in seconds since the epoch.
    pub expires_at: Option<f64>,
    /// The scopes granted.
    pub scopes: Vec<String>,
    pub verdict: Verdict,
}

/// Why a token, a policy or an argument was refused.
#[napi(object, object_from_js = false)]
pub struct Failure {
    #[napi(ts_type = "false")]
    pub ok: bool,
    /// The stable code.
    pub code: String,
    /// Who can mend it.
    #[napi(ts_type = "'config' | 'request' | 'token' | 'scope' | 'upstream' | 'internal'")]
    pub fault: String,
    /// For the operator's log; never has any part of the token.
    pub message: String,
    /// Seconds until another try is worth it, for `upstream`.
    pub retry_after: Option<f64>,
}

pub type Outcome = Either<Success, Failure>;

impl From<&Refusal> for Failure {
    fn from(refusal: &Refusal) -> Self {
        let code = refusal.code();
        Self {
            ok: false,
            code: code.name().to_owned(),
            fault: code.fault().name().to_owned(),
            message: refusal.to_string(),
            retry_after: refusal.retry_after().map(|again| again.as_secs_f64()),
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
            email_claim_problem: verified.email_problem().map(str::to_owned),
            email_verified: verified.email_verified(),
            expires_at: verified.expires_at(),
            scopes: verified.scopes().to_vec(),
            verdict: Verdict { signed: verified.signed().clone(), holds: verified.holds() },
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
    #[napi(ts_type = "'config' | 'request' | 'token' | 'scope' | 'upstream' | 'internal'")]
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
