//! Calls to the provider's endpoints beside its keys: arguments in, a promise of plain values out.

use std::time::Duration;

use napi::bindgen_prelude::{Either, PromiseRaw, Unknown};
use napi::{Env, Result};
use napi_derive::napi;

use super::policy::compiled;
use super::promises::promise;
use crate::details::printable;
use crate::error::{Code, Refusal};
use crate::policy::Policy;
use crate::policy::transport::Secret;
use crate::process::Process;
use crate::verifier::{CallError, Exchange, Granted, Graph, GraphAnswer, Userinfo, Verifier};

/// The longest message: a sentence and a host.
const MOST_CHARACTERS: usize = 600;

/// Why a call brought nothing.
#[napi(object, object_from_js = false)]
pub struct CallFailure {
    #[napi(ts_type = "false")]
    pub ok: bool,
    /// What to decide by.
    #[napi(ts_type = "'unauthorized' | 'subject_mismatch' | 'service_error'")]
    pub reason: String,
    /// The stable code.
    pub code: String,
    /// For the operator's log; never has any part of a token or secret.
    pub message: String,
    /// The host that was asked, or the proxy on the way to it.
    pub host: Option<String>,
    /// What happened to the connection, a stable word such as `tls-expired`.
    pub connection: Option<String>,
    /// The HTTP status, where one came.
    pub status: Option<u16>,
}

/// The claims of a subject.
#[napi(object, object_from_js = false)]
pub struct UserinfoAnswer {
    #[napi(ts_type = "true")]
    pub ok: bool,
    /// An object as JSON text, with unique members: exactly what the provider sent.
    pub claims: String,
}

/// Another token.
#[napi(object, object_from_js = false)]
pub struct ExchangeAnswer {
    #[napi(ts_type = "true")]
    pub ok: bool,
    pub access_token: String,
    /// Seconds.
    pub expires_in: Option<f64>,
}

/// What Microsoft Graph answered.
#[napi(object, object_from_js = false)]
pub struct GraphOutcome {
    #[napi(ts_type = "true")]
    pub ok: bool,
    pub status: u16,
    /// Seconds.
    pub retry_after: Option<f64>,
    /// An object with unique members, or null, as JSON text.
    pub body: String,
}

impl From<CallError> for CallFailure {
    fn from(error: CallError) -> Self {
        let host = error.host.as_deref().map(|host| String::from(printable(host, 200)));
        let suffix = host.as_deref().map(|host| format!(" (host {host})")).unwrap_or_default();
        Self {
            ok: false,
            reason: error.reason().to_owned(),
            code: Code::of_call(&error.cause).name().to_owned(),
            message: printable(&format!("{}{suffix}", error.cause), MOST_CHARACTERS).into(),
            connection: error.connection().map(str::to_owned),
            status: error.status(),
            host,
        }
    }
}

impl From<Refusal> for CallFailure {
    fn from(refusal: Refusal) -> Self {
        Self {
            ok: false,
            reason: "service_error".to_owned(),
            code: refusal.code().name().to_owned(),
            message: refusal.to_string(),
            host: None,
            connection: None,
            status: None,
        }
    }
}

impl From<String> for UserinfoAnswer {
    fn from(claims: String) -> Self {
        Self { ok: true, claims }
    }
}

impl From<Granted> for ExchangeAnswer {
    fn from(granted: Granted) -> Self {
        let expires_in = granted.expires_in.map(|time| time.as_secs_f64());
        Self { ok: true, access_token: granted.access_token.reveal().to_owned(), expires_in }
    }
}

impl From<GraphAnswer> for GraphOutcome {
    fn from(GraphAnswer { status, retry_after, body }: GraphAnswer) -> Self {
        Self { ok: true, status, retry_after: retry_after.map(|time| time.as_secs_f64()), body }
    }
}

/// Asks the issuer's userinfo endpoint for the claims of `subject`. What is listed in `hosts` may be asked though it is of
/// another domain than the issuer's.
#[napi(
    catch_unwind,
    ts_args_type = "policy: CompiledPolicy, token: string, subject: string, hosts: Array<string>, timeoutMs: number",
    ts_return_type = "Promise<UserinfoAnswer | CallFailure>"
)]
pub fn provider_userinfo<'env>(
    env: &'env Env,
    policy: Unknown<'env>,
    token: String,
    subject: String,
    hosts: Vec<String>,
    timeout_ms: f64,
) -> Result<PromiseRaw<'env, Either<UserinfoAnswer, CallFailure>>> {
    let asked = Userinfo { token: Secret::new(token), subject: subject.into(), hosts };
    answered(env, &policy, |verifier, policy| verifier.userinfo(policy, asked, milliseconds(timeout_ms)))
}

/// Exchanges a user's token at the issuer's token endpoint for one in the user's name.
#[napi(
    catch_unwind,
    ts_args_type = "policy: CompiledPolicy, token: string, scope: string, clientId: string, clientSecret: string, hosts: Array<string>, timeoutMs: number",
    ts_return_type = "Promise<ExchangeAnswer | CallFailure>"
)]
#[allow(clippy::too_many_arguments, reason = "an object would cost a call into the engine for each member")]
pub fn provider_exchange<'env>(
    env: &'env Env,
    policy: Unknown<'env>,
    token: String,
    scope: String,
    client_id: String,
    client_secret: String,
    hosts: Vec<String>,
    timeout_ms: f64,
) -> Result<PromiseRaw<'env, Either<ExchangeAnswer, CallFailure>>> {
    let (token, client_secret) = (Secret::new(token), Secret::new(client_secret));
    let asked = Exchange { token, scope, client_id, client_secret, hosts };
    answered(env, &policy, |verifier, policy| verifier.exchange(policy, asked, milliseconds(timeout_ms)))
}

/// Asks Microsoft Graph: GET, or POST of `body`, which is JSON text. `graphBase` is the origin of another cloud.
#[napi(
    catch_unwind,
    ts_args_type = "policy: CompiledPolicy, token: string, path: string, body: string | undefined, graphBase: string | undefined, timeoutMs: number",
    ts_return_type = "Promise<GraphOutcome | CallFailure>"
)]
pub fn provider_graph<'env>(
    env: &'env Env,
    policy: Unknown<'env>,
    token: String,
    path: String,
    body: Option<String>,
    graph_base: Option<String>,
    timeout_ms: f64,
) -> Result<PromiseRaw<'env, Either<GraphOutcome, CallFailure>>> {
    let asked = Graph { token: Secret::new(token), path, content: body.map(Secret::new), origin: graph_base };
    answered(env, &policy, |verifier, policy| verifier.graph(policy, asked, milliseconds(timeout_ms)))
}

fn milliseconds(timeout: f64) -> Duration {
    Duration::try_from_secs_f64(timeout / 1000.0).unwrap_or_default()
}

/// A promise of what `call` brings.
fn answered<'env, T, J, F>(
    env: &'env Env,
    policy: &Unknown<'env>,
    call: impl FnOnce(&std::sync::Arc<Verifier>, &std::sync::Arc<Policy>) -> F,
) -> Result<PromiseRaw<'env, Either<J, CallFailure>>>
where
    T: Send + 'static,
    F: Future<Output = std::result::Result<T, CallError>> + Send + 'static,
    J: From<T> + napi::bindgen_prelude::ToNapiValue + 'static,
{
    let failed = |refusal: Refusal| Either::B(CallFailure::from(refusal));
    let begun = Process::shared().and_then(|process| Ok((process, compiled(env, policy)?)));
    match begun {
        Ok((process, policy)) => {
            let convert = |answer: std::result::Result<T, CallError>| match answer {
                Ok(answer) => Either::A(J::from(answer)),
                Err(error) => Either::B(error.into()),
            };
            promise(env, process, None, call(process.verifier(), &policy), convert, failed)
        }
        Err(refusal) => PromiseRaw::resolve(env, failed(refusal)),
    }
}
