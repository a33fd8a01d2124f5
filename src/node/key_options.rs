//! The part of a policy's options that says where keys come from, and how.

use napi::bindgen_prelude::Object;

use super::policy::named;
use crate::policy::{KeyOptions, PolicyError};

/// The names of these options.
pub const NAMES: [&str; 3] = ["cacheMaxAge", "maxStale", "maxAdvisedAge"];

const NUMBER: &str = "a number";

/// Reads them; what their values mean is for the policy to judge.
pub fn read(object: &Object) -> Result<KeyOptions, PolicyError> {
    Ok(KeyOptions {
        cache_max_age: named(object, "cacheMaxAge", NUMBER)?,
        max_stale: named(object, "maxStale", NUMBER)?,
        max_advised_age: named(object, "maxAdvisedAge", NUMBER)?,
    })
}
