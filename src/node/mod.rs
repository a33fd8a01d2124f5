//! The Node boundary: convert, call, convert. No rule lives here.
//!
//! Expected failures cross as values and become errors in JavaScript, where they get a stack; a native throw is a bug. No
//! JavaScript function is kept and nothing that belongs to an environment outlives it. A panic in any export becomes a
//! JavaScript error.

mod carrier;
mod crossing;
mod engine;
mod handles;
mod key_options;
mod outcome;
#[cfg(feature = "panic-probe")]
mod panic_probe;
mod policy;
mod settle;
mod told;

use napi_derive::napi;

/// The version of this file. The loader refuses one that is not that of the JavaScript beside it.
#[napi(catch_unwind)]
pub fn version() -> &'static str {
    env!("CARGO_PKG_VERSION")
}
