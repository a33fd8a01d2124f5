//! A handle on a verified token, so that JavaScript can have its claims checked by another policy.

#![allow(unsafe_code, reason = "ToNapiValue is an unsafe trait function; nothing unsafe is done in it")]

use napi::bindgen_prelude::{JavaScriptClassExt, JsValue, ToNapiValue, Unknown};
use napi::{Env, Result, sys};
use napi_derive::napi;

use super::handles::{self, Entry, Handles};
use crate::verifier::SignedToken;

thread_local! {
    static SIGNED: Handles<SignedToken> = Handles::default();
}

/// Stands for a token whose signature was verified. Opaque to JavaScript; give it to `recheck`.
#[napi]
pub struct RecheckHandle {
    entry: Entry<SignedToken>,
}

/// The token a handle stands for; `None` for anything else.
pub fn signed(env: &Env, handle: &Unknown) -> Option<SignedToken> {
    handles::find(&SIGNED, env, handle.raw())
}

/// A new handle, to be made on the JavaScript thread.
pub struct NewRecheckHandle(pub SignedToken);

impl ToNapiValue for NewRecheckHandle {
    unsafe fn to_napi_value(env: sys::napi_env, Self(signed): Self) -> Result<sys::napi_value> {
        let env = Env::from_raw(env);
        let instance = RecheckHandle { entry: Entry::new(&SIGNED) }.into_instance(&env)?;
        instance.entry.fill(&*instance, signed);
        Ok(instance.value)
    }
}
