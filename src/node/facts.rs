//! What JavaScript asks of claims beyond a check: facts of verified ones, and the issuer of one that nothing has checked.

use napi::bindgen_prelude::{Either, Unknown};
use napi::{Env, Error, Result, Status};
use napi_derive::napi;

use super::check::{units, with_text};
use super::policy::compiled;
use super::wire::EncodedResult;
use crate::policy::grant::ClaimPath;
use crate::policy::issuer::Issuer;
use crate::verifier::{self, FactPaths};

/// The longest token whose issuer is read, in bytes: the longest that any policy can allow. The policy's own limit follows.
const MAX_TOKEN_BYTES: usize = 64 * 1024;

/// Facts of verified claims, as JSON text; `claims` is the text of an accepted token. Each path is dotted text, as in `claim` of
/// `requiredRoles`.
#[napi(catch_unwind)]
pub fn claim_facts(
    claims: String,
    roles: Vec<String>,
    permissions: Vec<String>,
    client: Vec<String>,
) -> Result<String> {
    let paths = |texts: Vec<String>| texts.iter().map(|text| ClaimPath::dotted(text)).collect();
    let paths = FactPaths { roles: paths(roles), permissions: paths(permissions), client: paths(client) };
    let unread = |_| Error::new(Status::InvalidArg, "claims: the text of claims that were verified");
    verifier::facts(&claims, &paths).map_err(unread)
}

/// `iss` of a token that nothing has checked: null where it has none, a refusal where the token cannot be read. It is good for
/// nothing but choosing which policy shall check the token.
#[napi(catch_unwind, ts_args_type = "token: string", ts_return_type = "string | null | EncodedResult")]
pub fn untrusted_issuer<'env>(env: &'env Env, token: Unknown<'env>) -> Either<Option<String>, EncodedResult> {
    let read = units(env, &token).and_then(|units| {
        with_text(env, &token, units, MAX_TOKEN_BYTES, |token| verifier::untrusted_issuer(token, MAX_TOKEN_BYTES))?
            .map_err(Into::into)
    });
    match read {
        Ok(issuer) => Either::A(issuer),
        Err(refusal) => Either::B(EncodedResult::refused(&refusal)),
    }
}

/// Every `iss` that a compiled policy can accept; null for anything else than a compiled policy.
#[napi(catch_unwind, ts_args_type = "policy: CompiledPolicy")]
pub fn policy_issuers<'env>(env: &'env Env, policy: Unknown<'env>) -> Option<Vec<String>> {
    compiled(env, &policy).ok().map(|policy| policy.issuers().all().flat_map(Issuer::accepted).collect())
}
