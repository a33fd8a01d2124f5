//! What an operator can compare beside a decision, as JSON text.

use napi::bindgen_prelude::Unknown;
use napi::{Env, Result};
use napi_derive::napi;
use serde_json::json;

use super::check::{moment, units, with_text};
use super::policy;
use crate::process::Process;
use crate::verifier::Evidence;

/// What a token says of its signature, which keys a compiled policy leads to, and by how much the token's times miss the clock: for
/// logs and events, after the decision. Text of `null` for what is no token and no policy.
#[napi(catch_unwind, ts_args_type = "token: string, policy: CompiledPolicy, now: number")]
pub fn token_evidence(env: &Env, token: Unknown, policy: Unknown, now: f64) -> Result<String> {
    let evidence = || -> Option<Evidence> {
        let process = Process::shared().ok()?;
        let policy = policy::compiled(env, &policy).ok()?;
        let now = moment(now).ok()?;
        let units = units(env, &token).ok()?;
        // A token that is too long says nothing; of its policy the keys are still known.
        let read = with_text(env, &token, units, policy.max_token_bytes(), |token| {
            process.verifier().evidence(token, &policy, now)
        });
        Some(read.unwrap_or_else(|_| process.verifier().evidence("", &policy, now)))
    };
    Ok(evidence().map_or_else(|| "null".to_owned(), |evidence| text(&evidence)))
}

fn text(evidence: &Evidence) -> String {
    json!({
        "algorithm": evidence.algorithm,
        "kid": evidence.key_id,
        "keys": evidence.keys.name(),
        "providerKids": evidence.key_ids,
        "clockDifference": evidence.clock_difference,
    })
    .to_string()
}
