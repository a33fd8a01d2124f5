//! One panic in each kind of export, so that a test can show that none reaches JavaScript as anything but an error.
#![allow(clippy::panic, reason = "panics are what this is for")]

use std::time::Duration;

use napi::bindgen_prelude::{Either, PromiseRaw};
use napi::{Env, Result};
use napi_derive::napi;

use super::check::caller;
use super::promises::promise;
use super::wire::EncodedResult;
use crate::error::Refusal;
use crate::process::Process;
use crate::verifier::Offloaded;

/// A plain function.
#[napi(catch_unwind)]
pub fn panic_in_function() {
    panic!("probe");
}

/// A class.
#[napi]
pub struct PanicProbe {}

#[napi]
impl PanicProbe {
    /// A probe, or a panic.
    #[napi(constructor, catch_unwind)]
    #[must_use]
    pub fn new(panics: bool) -> Self {
        assert!(!panics, "probe");
        Self {}
    }

    /// A method.
    #[napi(catch_unwind)]
    pub fn method(&self) {
        panic!("probe");
    }

    /// A getter.
    #[napi(getter, catch_unwind)]
    pub fn getter(&self) -> u32 {
        panic!("probe");
    }
}

fn lost(refusal: Refusal) -> Either<u32, EncodedResult> {
    Either::B(EncodedResult::refused(&refusal))
}

/// The future behind a promise.
#[napi(catch_unwind)]
pub fn panic_in_future(env: &Env) -> Result<PromiseRaw<'_, Either<u32, EncodedResult>>> {
    let process = Process::shared().map_err(|refusal| napi::Error::from_reason(refusal.to_string()))?;
    promise(env, process, None, async { panic!("probe") }, |()| Either::A(0), lost)
}

/// The future behind a promise that waits for a thread.
#[napi(catch_unwind)]
pub fn panic_in_line(env: &Env) -> Result<PromiseRaw<'_, Either<u32, EncodedResult>>> {
    let process = Process::shared().map_err(|refusal| napi::Error::from_reason(refusal.to_string()))?;
    let offloaded = Offloaded::from(&caller(1).event_loop, Duration::ZERO);
    promise(env, process, Some(offloaded), async { panic!("probe") }, |()| Either::A(0), lost)
}

/// What turns a future's output into a JavaScript value.
#[napi(catch_unwind)]
pub fn panic_in_conversion(env: &Env) -> Result<PromiseRaw<'_, Either<u32, EncodedResult>>> {
    let process = Process::shared().map_err(|refusal| napi::Error::from_reason(refusal.to_string()))?;
    promise(env, process, None, async {}, |()| panic!("probe"), lost)
}
