//! Bearer-token authentication: JWS access tokens checked against the keys of an OpenID provider.
//!
//! The trust model, in the order data is met:
//!
//! 1. **The operator** writes a [`policy`]. It is parsed once and then trusted: it names the issuer, where its keys
//!    come from and which algorithms may be used. Nothing else ever names a URL, a key or an algorithm family.
//! 2. **The caller** sends a [`token`]. Everything in it is unverified until [`verify`] has checked its signature;
//!    `iss`, `jku`, `jwk`, `x5u` and `x5c` in it are data, never instructions.
//! 3. **The provider** answers with metadata and [`keys`]. An answer is trusted only if it came over a connection the
//!    [`provider`] module allows and only entry by entry; a bad answer never displaces good keys.
//! 4. [`verify`] joins the three without any input or output of its own, and alone makes [`verify::Verified`] values.
//! 5. [`verifier`] decides when keys must be fetched and is what a server calls.
//!
//! Without the default feature `node` this is a plain library without any Node-API dependency.

#![deny(unsafe_code)]
#![warn(missing_docs)]
#![cfg_attr(
    not(test),
    deny(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::indexing_slicing,
        clippy::arithmetic_side_effects
    )
)]

pub mod algorithm;
pub mod base64url;
pub mod details;
pub mod error;
pub mod json;
pub mod key_id;
pub mod keys;
pub mod mismatch;
pub mod policy;
pub mod process;
pub mod provider;
pub mod revocation;
pub mod scope;
pub mod signature_cache;
pub mod threads;
pub mod time;
pub mod token;
pub mod verifier;
pub mod verify;
pub mod whitespace;

// In unit tests napi exports nothing, so that the whole module would be unused.
#[cfg(all(feature = "node", not(test)))]
mod node;
