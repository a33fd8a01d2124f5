//! An answer that comes later, as a promise.

use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};

use napi::bindgen_prelude::{JsValue, PromiseRaw, ToNapiValue};
use napi::{Env, Result};

use crate::error::Refusal;
use crate::verifier::Process;

/// A promise for `future`'s output, turned into a JavaScript value on the JavaScript thread by `convert`. The future runs
/// on the process's own threads: when the environment goes away first, napi drops the promise's half and the future ends
/// unheard. A panic in the future resolves to `lost`'s value.
pub fn promise<'env, T, J>(
    env: &'env Env,
    process: &Process,
    future: impl Future<Output = T> + Send + 'static,
    convert: impl FnOnce(T) -> J + Send + 'static,
    lost: impl FnOnce(Refusal) -> J + Send + 'static,
) -> Result<PromiseRaw<'env, J>>
where
    T: Send + 'static,
    J: ToNapiValue + 'static,
{
    let (deferred, promise) = env.create_deferred::<J, Box<dyn FnOnce(Env) -> Result<J> + Send>>()?;
    process.spawn(future, move |output| {
        deferred.resolve(Box::new(move |_| {
            // This runs in a callback of Node's, where nothing else would stop a panic.
            let converted = output.and_then(|output| catch_unwind(AssertUnwindSafe(|| convert(output))).ok());
            Ok(converted.unwrap_or_else(|| lost(Refusal::Internal("the check did not come to an end"))))
        }));
    });
    Ok(PromiseRaw::new(env.raw(), promise.raw()))
}
