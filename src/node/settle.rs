//! An answer that comes later, as a promise.

use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use napi::bindgen_prelude::{PromiseRaw, ToNapiValue};
use napi::{Env, Result};

use super::carrier::Carrier;
use crate::error::Refusal;
use crate::process::{Outbox, Process};
use crate::verifier::Away;

/// A promise for `future`'s output, turned into a JavaScript value on the JavaScript thread by `convert`. The future runs
/// on the process's own threads, in its turn if it is `away` for a signature: when the environment goes away first, the
/// future ends unheard. A panic in the future or in `convert` resolves to `lost`'s value.
pub fn promise<'env, T, J>(
    env: &'env Env,
    process: &Process,
    away: Option<Away>,
    future: impl Future<Output = T> + Send + 'static,
    convert: impl FnOnce(T) -> J + Send + 'static,
    lost: impl FnOnce(Refusal) -> J + Send + 'static,
) -> Result<PromiseRaw<'env, J>>
where
    T: Send + 'static,
    J: ToNapiValue + 'static,
{
    let carrier = Carrier::of(env)?;
    let (deferred, promise) = carrier.promise(env)?;
    let outbox = Arc::clone(&carrier);
    let estimate = away.as_ref().map(Away::estimate);
    let settle = move |output: Option<T>| {
        outbox.put(
            deferred,
            Box::new(move |env| {
                // The caller has its answer.
                drop(away);
                // This runs in a callback of Node's, where nothing else would stop a panic.
                let converted = output.and_then(|output| catch_unwind(AssertUnwindSafe(|| convert(output))).ok());
                let value = converted.unwrap_or_else(|| lost(Refusal::Internal("the check did not come to an end")));
                to_javascript(env, value)
            }),
        );
    };
    match estimate {
        Some(estimate) => process.offload(estimate, carrier, future, settle),
        None => process.spawn(future, move |output| {
            settle(output);
            carrier.flush();
        }),
    }
    Ok(PromiseRaw::new(env.raw(), promise))
}

#[allow(unsafe_code, reason = "napi's conversion is unsafe for the environment it is given")]
fn to_javascript(env: napi::sys::napi_env, value: impl ToNapiValue) -> Result<napi::sys::napi_value> {
    // SAFETY: the carrier calls this on the thread of `env`, while `env` is alive.
    unsafe { ToNapiValue::to_napi_value(env, value) }
}
