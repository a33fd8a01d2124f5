//! The Node boundary: convert, call, convert. No rule lives here.
//!
//! Expected failures are passed as values and become errors in JavaScript, where they get a stack; a native throw is a bug. No
//! JavaScript function is kept, and nothing that belongs to an environment outlives it. A panic in any export becomes a
//! JavaScript error.

mod calls;
mod check;
mod evidence;
mod facts;
mod handles;
mod members;
#[cfg(feature = "panic-probe")]
mod panic_probe;
mod policy;
mod promises;
mod recheck_handle;
mod remote_agent_auth;
mod revocation;
mod sharing;
mod stats;
mod wire;

use napi_derive::napi;

use crate::error::Code;

/// The version of this file. The loader refuses one that is not that of the JavaScript beside it.
#[napi(catch_unwind)]
pub fn version() -> &'static str {
    env!("CARGO_PKG_VERSION")
}

/// One stable error code.
#[napi(object, object_from_js = false)]
pub struct ErrorCode {
    pub code: String,
    #[napi(ts_type = "RemoteAuthErrorFault")]
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
