//! The exported class and the functions that need no object.

use std::sync::Arc;

use napi::bindgen_prelude::{Either, Either3, Object, PromiseRaw, Undefined, Unknown};
use napi::{Env, Error, Result};
use napi_derive::napi;

use super::check::{self, Pending, Settled, caller, settle, units, with_text};
use super::members::{member, option, refuse_unknown};
use super::policy::{PolicyArgument, resolve};
use super::promises::promise;
use super::recheck_handle::signed;
use super::stats::stats;
use super::wire::EncodedResult;
use crate::error::Refusal;
use crate::policy::{Policy, PolicyError, expected};
use crate::process::Process;
use crate::time::UnixSeconds;
use crate::verifier::{self, Answer, Caller, MOST_QUEUED, Memory};

type Now<'a> = Option<Either3<f64, Undefined, Unknown<'a>>>;

/// The native verifier. All instances share the key store of the process.
#[napi]
pub struct RemoteAgentAuth {
    process: &'static Process,
    memory: Memory,
    caller: Caller,
}

impl RemoteAgentAuth {
    fn new(memory: Memory, most_queued: usize) -> std::result::Result<Self, Refusal> {
        Process::shared().map(|process| Self { process, memory, caller: caller(most_queued) })
    }

    /// The policy and the time that a call is given.
    fn arguments(
        env: &Env,
        policy: PolicyArgument,
        now: Now,
    ) -> std::result::Result<(Arc<Policy>, UnixSeconds), Refusal> {
        let policy = resolve(env, policy)?;
        let now = match now {
            None | Some(Either3::B(())) => UnixSeconds::system_now(),
            Some(Either3::A(seconds)) => check::moment(seconds)?,
            Some(Either3::C(_)) => check::moment(f64::NAN)?,
        };
        Ok((policy, now))
    }

    /// The result of a check, or why there was none, with a handle for `recheck`.
    fn settled<'env>(
        &self,
        env: &'env Env,
        checked: std::result::Result<Pending<impl Future<Output = Answer> + Send + 'static>, Refusal>,
    ) -> Result<Settled<'env>> {
        match checked {
            Ok(checked) => settle(env, self.process, checked, true, None),
            Err(refusal) => Ok(Either::A(EncodedResult::refused(&refusal))),
        }
    }
}

/// Makes a native verifier. A setting that is unknown or of the wrong type is thrown as an error with `code`
/// `ERR_POLICY_OPTION`.
#[napi(catch_unwind, ts_args_type = "settings?: { verdictCache?: boolean, maxQueued?: number }")]
pub fn create_remote_agent_auth(settings: Option<Object>) -> Result<RemoteAgentAuth, String> {
    let read = settings.map_or(Ok((Memory::Signatures, MOST_QUEUED)), |settings| read(&settings));
    let made = read.map_err(Refusal::from).and_then(|(memory, most_queued)| RemoteAgentAuth::new(memory, most_queued));
    made.map_err(|refusal| Error::new(refusal.code().name().to_owned(), refusal.to_string()))
}

fn read(settings: &Object) -> std::result::Result<(Memory, usize), PolicyError> {
    refuse_unknown(settings, &["verdictCache", "maxQueued"])?;
    let memory = match option(settings, "verdictCache", expected::FLAG)? {
        None | Some(true) => Memory::Signatures,
        Some(false) => Memory::None,
    };
    let most_queued = match member::<f64>(settings, "maxQueued") {
        Ok(None) => Some(MOST_QUEUED),
        // Whole and not negative, so that the cast changes nothing up to the bound.
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
        Ok(Some(most)) if most >= 0.0 && most.fract() == 0.0 => Some(most as usize),
        Ok(Some(_)) | Err(_) => None,
    };
    let most_queued = most_queued
        .filter(|most| *most <= MOST_QUEUED)
        .ok_or_else(|| PolicyError::option("maxQueued", format!("a whole number from 0 to {MOST_QUEUED}")))?;
    Ok((memory, most_queued))
}

/// Checks one token against one policy.
#[napi(
    catch_unwind,
    ts_args_type = "token: string, policy: PolicyOptions | CompiledPolicy, now?: number",
    ts_return_type = "Promise<EncodedResult>"
)]
pub fn verify_remote_token<'env>(
    env: &'env Env,
    token: Unknown<'env>,
    policy: PolicyArgument<'env>,
    now: Now<'env>,
) -> Result<PromiseRaw<'env, EncodedResult>> {
    let settled = match RemoteAgentAuth::new(Memory::Signatures, MOST_QUEUED) {
        Ok(auth) => auth.check(env, token, policy, now)?,
        Err(refusal) => Either::A(EncodedResult::refused(&refusal)),
    };
    match settled {
        Either::A(result) => PromiseRaw::resolve(env, result),
        Either::B(promise) => Ok(promise),
    }
}

#[napi]
impl RemoteAgentAuth {
    /// Checks a token: the result at once if nothing must be fetched, else a promise of it. `now` is in seconds since the
    /// epoch and finite; without it the system's clock counts.
    #[napi(
        catch_unwind,
        ts_args_type = "token: string, policy: PolicyOptions | CompiledPolicy, now?: number",
        ts_return_type = "EncodedResult | Promise<EncodedResult>"
    )]
    pub fn check<'env>(
        &self,
        env: &'env Env,
        token: Unknown<'env>,
        policy: PolicyArgument<'env>,
        now: Now<'env>,
    ) -> Result<Settled<'env>> {
        let checked = units(env, &token).and_then(|units| {
            let (policy, now) = Self::arguments(env, policy, now)?;
            with_text(env, &token, units, policy.max_token_bytes(), |token| {
                self.process.verifier().check_for(Some(&self.caller), token, &policy, now, self.memory)
            })
        });
        self.settled(env, checked)
    }

    /// Checks the claims of an accepted token by another policy. The signature is checked again only where that policy leads
    /// to other keys, or the provider has withdrawn the key.
    #[napi(
        catch_unwind,
        ts_args_type = "handle: RecheckHandle, policy: PolicyOptions | CompiledPolicy, now?: number",
        ts_return_type = "EncodedResult | Promise<EncodedResult>"
    )]
    pub fn recheck<'env>(
        &self,
        env: &'env Env,
        handle: Unknown<'env>,
        policy: PolicyArgument<'env>,
        now: Now<'env>,
    ) -> Result<Settled<'env>> {
        let checked = signed(env, &handle).ok_or(Refusal::HandleArgument).and_then(|signed| {
            let (policy, now) = Self::arguments(env, policy, now)?;
            Ok(self.process.verifier().recheck_for(Some(&self.caller), &signed, &policy, now))
        });
        self.settled(env, checked)
    }

    /// Fetches the keys of a policy before anybody needs them. Resolves to null, or to why it could not.
    #[napi(
        catch_unwind,
        ts_args_type = "policy: PolicyOptions | CompiledPolicy",
        ts_return_type = "Promise<EncodedResult | null>"
    )]
    pub fn prefetch<'env>(
        &self,
        env: &'env Env,
        policy: PolicyArgument<'env>,
    ) -> Result<PromiseRaw<'env, Option<EncodedResult>>> {
        let refused = |refusal: Refusal| Some(EncodedResult::refused(&refusal));
        match resolve(env, policy) {
            Ok(policy) => {
                let fetched = self.process.verifier().prefetch(&policy);
                promise(env, self.process, None, fetched, move |fetched| fetched.err().and_then(refused), refused)
            }
            Err(error) => PromiseRaw::resolve(env, refused(error.into())),
        }
    }

    /// Forgets every key of the process. A fetch under way still answers its waiters, but is not stored.
    #[napi(catch_unwind)]
    pub fn clear(&self) {
        self.process.verifier().clear();
    }

    /// What is known of each source of keys, as JSON text.
    #[napi(catch_unwind)]
    pub fn stats(&self) -> String {
        stats(self.process.verifier())
    }
}

/// Sets the certificates that https connections are checked with, as PEM texts, for the whole process. Only the first call
/// counts. Returns how many certificates are trusted.
#[napi(catch_unwind)]
pub fn trust_certificates(pems: Vec<String>) -> u32 {
    u32::try_from(verifier::trust_certificates(&pems)).unwrap_or(u32::MAX)
}
