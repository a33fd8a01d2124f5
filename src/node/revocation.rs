//! Revocations: arguments in, added to the list of the process.

use napi::bindgen_prelude::{Either, PromiseRaw, Unknown};
use napi::{Env, Result};
use napi_derive::napi;

use super::check::moment;
use super::policy::compiled;
use super::promises::promise;
use super::wire::EncodedResult;
use crate::error::Refusal;
use crate::process::Process;
use crate::time::UnixSeconds;
use crate::verifier::{Added, Claim, Entry, Extent, Logout, Named};

/// The text of a revocation, for [`add_revocations`] and for a shared store; null where a claim, a name or a time is none. `before` is
/// NaN where it does not matter when a token was issued.
#[napi(
    catch_unwind,
    ts_args_type = "claim: 'jti' | 'sid' | 'sub', issuer: string, value: string, before: number, until: number"
)]
pub fn revocation_text(claim: String, issuer: String, value: String, before: f64, until: f64) -> Option<String> {
    let claim = [Claim::Jti, Claim::Sid, Claim::Sub].into_iter().find(|known| known.name() == claim)?;
    let before = Some(before).filter(|before| !before.is_nan());
    Entry::new(Named::new(claim, &issuer, &value)?, before, until).map(Entry::to_text)
}

/// What became of texts added.
#[napi(object, object_from_js = false)]
pub struct AddedRevocations {
    /// How many count now.
    pub added: u32,
    /// How many of a full list have left for them.
    pub displaced: u32,
    /// How many texts are no revocations.
    pub refused: u32,
}

/// Adds what [`revocation_text`] wrote, here or elsewhere, at a time in seconds since 1970.
#[napi(catch_unwind)]
pub fn add_revocations(texts: Vec<String>, now: f64) -> Result<AddedRevocations> {
    let mut result = AddedRevocations { added: 0, displaced: 0, refused: 0 };
    let process = Process::shared().map_err(|refusal| napi::Error::from_reason(refusal.to_string()))?;
    let now = UnixSeconds::new(now).unwrap_or_else(UnixSeconds::system_now);
    for text in texts {
        let Some(entry) = Entry::parse(&text) else {
            result.refused = result.refused.saturating_add(1);
            continue;
        };
        match process.verifier().revocations().add(entry, now) {
            Added::New => result.added = result.added.saturating_add(1),
            Added::Displaced => {
                result.added = result.added.saturating_add(1);
                result.displaced = result.displaced.saturating_add(1);
            }
            Added::Known | Added::Ended => {}
        }
    }
    Ok(result)
}

/// What a good logout token asks for.
#[napi(object, object_from_js = false)]
pub struct LogoutAnswer {
    /// A name of its `jti`, which must not have been seen before.
    pub once: String,
    /// Texts for [`add_revocations`].
    pub revocations: Vec<String>,
}

/// Checks a logout token (OpenID Connect Back-Channel Logout 1.0, 2.6), all but that its `jti` is new. `policy` names the issuer, and the client
/// id as its audience. `lasts`: seconds after which no access token issued until now is good any more. A refusal comes as an outcome.
#[napi(
    catch_unwind,
    ts_args_type = "token: string, policy: CompiledPolicy, now: number, bySubject: boolean, lasts: number",
    ts_return_type = "Promise<LogoutAnswer | EncodedResult>"
)]
pub fn check_logout<'env>(
    env: &'env Env,
    token: String,
    policy: Unknown<'env>,
    now: f64,
    by_subject: bool,
    lasts: f64,
) -> Result<PromiseRaw<'env, Either<LogoutAnswer, EncodedResult>>> {
    let refused = |refusal: Refusal| Either::B(EncodedResult::refused(&refusal));
    let begun =
        compiled(env, &policy).map_err(Refusal::from).and_then(|policy| Ok((policy, moment(now)?, Process::shared()?)));
    let (policy, now, process) = match begun {
        Ok(begun) => begun,
        Err(refusal) => return PromiseRaw::resolve(env, refused(refusal)),
    };
    let extent = if by_subject { Extent::Subject } else { Extent::Session };
    let checked = process.verifier().check_logout(&token, &policy, now, (extent, lasts));
    let answer = move |checked: std::result::Result<Logout, Refusal>| match checked {
        Ok(Logout { once, revocations }) => Either::A(LogoutAnswer {
            once: once.to_text(),
            revocations: revocations.into_iter().map(Entry::to_text).collect(),
        }),
        Err(refusal) => refused(refusal),
    };
    promise(env, process, None, checked, answer, refused)
}
