//! The exported functions and the class behind them.

use std::sync::Arc;
use std::time::Duration;

use napi::bindgen_prelude::{Either, Either3, Object, PromiseRaw, Undefined, Unknown};
use napi::{Env, Error, JsString, Result};
use napi_derive::napi;
use serde_json::json;

use super::outcome::{Failure, Outcome, outcome, refused, signed};
use super::policy::{FLAG, PolicyArgument, named, refuse_unknown, resolve};
use super::settle::promise;
use crate::error::Refusal;
use crate::policy::PolicyError;
use crate::policy::source::Origin;
use crate::process::Process;
use crate::time::UnixSeconds;
use crate::verifier::{
    self, Answer, Caller, Checked, EventLoop, Later, MOST_QUEUED, Memory, SlotReport, SnapshotState,
};

type Settled<'env> = Either<Outcome, PromiseRaw<'env, Outcome>>;
type Now<'a> = Option<Either3<f64, Undefined, Unknown<'a>>>;

thread_local! {
    /// This thread's budget, whichever verifier spends it.
    static EVENT_LOOP: Arc<EventLoop> = Arc::default();
}

/// The native verifier: one key store for the whole process behind every instance.
#[napi]
pub struct RemoteAgentAuth {
    process: &'static Process,
    memory: Memory,
    caller: Caller,
}

/// Who asks on this thread.
pub(super) fn caller(most_queued: usize) -> Caller {
    Caller { event_loop: EVENT_LOOP.with(Arc::clone), most_queued }
}

impl RemoteAgentAuth {
    fn begin(memory: Memory, most_queued: usize) -> std::result::Result<Self, Refusal> {
        Process::shared().map(|process| Self { process, memory, caller: caller(most_queued) })
    }
}

/// Makes a native verifier. A setting that is unknown or of the wrong kind is thrown as an error with `code`
/// `ERR_POLICY_OPTION`.
#[napi(catch_unwind, ts_args_type = "settings?: { verdictCache?: boolean, maxQueued?: number }")]
pub fn create_remote_agent_auth(settings: Option<Object>) -> Result<RemoteAgentAuth, String> {
    let read = settings.map_or(Ok((Memory::Verdicts, MOST_QUEUED)), |settings| read(&settings));
    let made =
        read.map_err(Refusal::from).and_then(|(memory, most_queued)| RemoteAgentAuth::begin(memory, most_queued));
    made.map_err(|refusal| Error::new(refusal.code().name().to_owned(), refusal.to_string()))
}

fn read(settings: &Object) -> std::result::Result<(Memory, usize), PolicyError> {
    refuse_unknown(settings, &["verdictCache", "maxQueued"])?;
    let memory = match named(settings, "verdictCache", FLAG)? {
        None | Some(true) => Memory::Verdicts,
        Some(false) => Memory::None,
    };
    let expected = "a whole number from 0 to 8192";
    let most_queued = match named::<f64>(settings, "maxQueued", expected)? {
        None => MOST_QUEUED,
        // What is whole and in the range is itself as an integer.
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
        Some(most) if (0.0..=8192.0).contains(&most) && most.fract() == 0.0 => most as usize,
        Some(_) => return Err(PolicyError::Option { key: "maxQueued".to_owned(), expected }),
    };
    Ok((memory, most_queued))
}

/// Checks one token against one policy.
#[napi(
    catch_unwind,
    ts_args_type = "token: string, policy: PolicyOptions | CompiledPolicy, now?: number",
    ts_return_type = "Promise<Success | Failure>"
)]
pub fn verify_remote_token<'env>(
    env: &'env Env,
    token: Either<JsString<'env>, Unknown<'env>>,
    policy: PolicyArgument<'env>,
    now: Now<'env>,
) -> Result<PromiseRaw<'env, Outcome>> {
    let settled = match RemoteAgentAuth::begin(Memory::Verdicts, MOST_QUEUED) {
        Ok(engine) => engine.check(env, token, policy, now)?,
        Err(refusal) => Either::A(refused(refusal)),
    };
    match settled {
        Either::A(outcome) => PromiseRaw::resolve(env, outcome),
        Either::B(promise) => Ok(promise),
    }
}

#[napi]
impl RemoteAgentAuth {
    /// Checks a token: the outcome at once if nothing must be fetched, else a promise of it. `now` is in seconds since the
    /// epoch and finite; without it the system's clock counts.
    #[napi(
        catch_unwind,
        ts_args_type = "token: string, policy: PolicyOptions | CompiledPolicy, now?: number",
        ts_return_type = "Success | Failure | Promise<Success | Failure>"
    )]
    pub fn check<'env>(
        &self,
        env: &'env Env,
        token: Either<JsString<'env>, Unknown<'env>>,
        policy: PolicyArgument<'env>,
        now: Now<'env>,
    ) -> Result<Settled<'env>> {
        let Either::A(token) = token else { return Ok(Either::A(refused(Refusal::TokenArgument))) };
        let (policy, now) = match resolve(env, policy).and_then(|policy| Ok((policy, moment(now)?))) {
            Ok(arguments) => arguments,
            Err(error) => return Ok(Either::A(refused(error))),
        };
        // Measured before it is copied. A text has at least as many bytes as UTF-16 units, and those V8 need not count.
        if token.utf16_len()? > policy.max_token_bytes() {
            return Ok(Either::A(refused(Refusal::TOO_LARGE)));
        }
        // UTF-8, never Latin-1: that would let U+0141 pass for `A`.
        let token = token.into_utf8()?;
        self.settle(
            env,
            self.process.verifier().check_for(Some(&self.caller), token.as_str()?, &policy, now, self.memory),
        )
    }

    /// Checks the claims of an already verified token against another policy. The signature is checked again only where
    /// that policy leads to other keys, or the provider has withdrawn the key.
    #[napi(
        catch_unwind,
        ts_args_type = "verdict: Verdict, policy: PolicyOptions | CompiledPolicy, now?: number",
        ts_return_type = "Success | Failure | Promise<Success | Failure>"
    )]
    pub fn recheck<'env>(
        &self,
        env: &'env Env,
        verdict: Unknown<'env>,
        policy: PolicyArgument<'env>,
        now: Now<'env>,
    ) -> Result<Settled<'env>> {
        let Some(signed) = signed(env, &verdict) else { return Ok(Either::A(refused(Refusal::TokenArgument))) };
        match resolve(env, policy).and_then(|policy| Ok((policy, moment(now)?))) {
            Ok((policy, now)) => {
                self.settle(env, self.process.verifier().recheck_for(Some(&self.caller), &signed, &policy, now))
            }
            Err(error) => Ok(Either::A(refused(error))),
        }
    }

    fn settle<'env>(
        &self,
        env: &'env Env,
        checked: Checked<Later<impl Future<Output = Answer> + Send + 'static>>,
    ) -> Result<Settled<'env>> {
        match checked {
            Checked::Now(answer) => Ok(Either::A(outcome(*answer))),
            Checked::Later(Later { future, away }) => {
                promise(env, self.process, away, future, outcome, refused).map(Either::B)
            }
        }
    }

    /// Fetches the keys of a policy before anybody needs them.
    #[napi(
        catch_unwind,
        ts_args_type = "policy: PolicyOptions | CompiledPolicy",
        ts_return_type = "Promise<{ ok: true } | Failure>"
    )]
    pub fn prefetch<'env>(
        &self,
        env: &'env Env,
        policy: PolicyArgument<'env>,
    ) -> Result<PromiseRaw<'env, Either<Done, Failure>>> {
        let failed = |refusal: Refusal| Either::B(Failure::from(&refusal));
        match resolve(env, policy) {
            Ok(policy) => {
                let convert = move |fetched: std::result::Result<(), Refusal>| match fetched {
                    Ok(()) => Either::A(Done { ok: true }),
                    Err(refusal) => failed(refusal),
                };
                promise(env, self.process, None, self.process.verifier().prefetch(&policy), convert, failed)
            }
            Err(error) => PromiseRaw::resolve(env, failed(error.into())),
        }
    }

    /// Counts every change of any keys: a judgement made before the last one has to be made again.
    #[napi(catch_unwind)]
    pub fn changes(&self) -> f64 {
        // Exact up to 2^53 changes.
        #[allow(clippy::cast_precision_loss)]
        let changes = self.process.verifier().changes() as f64;
        changes
    }

    /// For how many milliseconds the keys of a policy can be used without another look.
    #[napi(catch_unwind, ts_args_type = "policy: CompiledPolicy")]
    pub fn fresh_for(&self, env: &Env, policy: PolicyArgument<'_>) -> f64 {
        resolve(env, policy).map_or(0.0, |policy| self.process.verifier().fresh_for(&policy).as_secs_f64() * 1000.0)
    }

    /// Forgets every key of the process. A fetch under way still answers its waiters; nothing of it is kept.
    #[napi(catch_unwind)]
    pub fn clear(&self) {
        self.process.verifier().clear();
    }

    /// What is known of each source of keys, as JSON text.
    #[napi(catch_unwind)]
    pub fn stats(&self) -> String {
        let sources: Vec<_> = self.process.verifier().report().iter().map(source).collect();
        let work = self.process.verifier().work();
        json!({
            "sources": sources,
            "signatureChecks": work.signature_checks,
            "verdictsReused": work.verdicts_reused,
            "verdicts": work.verdicts,
            "queued": work.queued,
        })
        .to_string()
    }
}

/// Keys are at hand.
#[napi(object, object_from_js = false)]
pub struct Done {
    #[napi(ts_type = "true")]
    pub ok: bool,
}

fn moment(now: Now) -> std::result::Result<UnixSeconds, PolicyError> {
    match now {
        None | Some(Either3::B(())) => Some(UnixSeconds::system_now()),
        Some(Either3::A(seconds)) => UnixSeconds::new(seconds),
        Some(Either3::C(_)) => None,
    }
    .ok_or_else(|| PolicyError::Option { key: "now".to_owned(), expected: "a finite number of seconds" })
}

/// Hands over the certificates that https connections are checked with, as PEM texts. The first call counts, for the whole
/// process. Gives back how many certificates are trusted.
#[napi(catch_unwind)]
pub fn trust_certificates(pems: Vec<String>) -> u32 {
    u32::try_from(verifier::trust_certificates(&pems)).unwrap_or(u32::MAX)
}

fn source(report: &SlotReport) -> serde_json::Value {
    let seconds = |duration: Duration| duration.as_secs_f64();
    let (kind, url) = match report.source.origin() {
        Origin::Jwks(url) => ("jwks", url.without_credentials()),
        Origin::Discovery(issuer) => ("discovery", issuer.configured().to_owned()),
        Origin::Inline(_) => ("inline", String::new()),
        Origin::File(path) => ("file", path.display().to_string()),
    };
    let keys = report.snapshot.as_ref().map(|snapshot| {
        let used = snapshot.keys().keys().iter().map(|key| {
            json!({ "kid": key.id().map(|id| id.as_str()), "thumbprint": &**key.thumbprint(), "normalised": key.normalised() })
        });
        let skipped = snapshot.keys().skipped().iter().map(|entry| {
            let kid = entry.key_id.as_ref().map(|id| id.as_str());
            json!({ "index": entry.index, "kid": kid, "reason": entry.reason.to_string() })
        });
        (used.collect::<Vec<_>>(), skipped.collect::<Vec<_>>())
    });
    let (used, mut skipped) = keys.unwrap_or_default();
    let unusable: Vec<_> = report.unusable().map(|reason| reason.to_string()).collect();
    if !unusable.is_empty() {
        // The newest set has no key at all: its entries are what there is to mend.
        let entry = |(index, reason): (usize, &String)| json!({ "index": index, "kid": null, "reason": reason });
        skipped = unusable.iter().enumerate().map(entry).collect();
    }
    json!({
        "kind": kind,
        "url": url,
        "age": report.age.map(seconds),
        "lifeLeft": report.life_left.map(seconds),
        "lastFailure": report.last_failure.map(|(age, error)| {
            let details = [("reason", error.reason()), ("host", report.failed_host.as_deref())];
            let told = details.into_iter().filter_map(|(name, text)| Some((name.to_owned(), json!(text?))));
            let failure = [("age".to_owned(), json!(seconds(age))), ("message".to_owned(), json!(error.to_string()))];
            serde_json::Value::from_iter(failure.into_iter().chain(told))
        }),
        "refreshes": {
            "begun": report.counters.begun,
            "succeeded": report.counters.succeeded,
            "failed": report.counters.failed,
            "notModified": report.counters.not_modified,
        },
        "keys": used,
        "skipped": skipped,
        "snapshotFile": report.snapshot_file.map(|state| match state {
            SnapshotState::Written(at) => json!({ "state": "written", "fetchedAt": at.get() }),
            SnapshotState::Used(at) => json!({ "state": "used", "fetchedAt": at.get() }),
            SnapshotState::Failed(error) => json!({ "state": "failed", "message": error.to_string() }),
        }),
    })
}
