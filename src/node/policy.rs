//! A JavaScript object into [`PolicyOptions`], each value checked for its kind.

use std::sync::Arc;

use napi::bindgen_prelude::{Array, Either, Either3, JsObjectValue, Null, Object, Unknown};
use napi_derive::napi;

use super::outcome::Failure;
use crate::error::Refusal;
use crate::policy::{Policy, PolicyError, PolicyOptions};

/// A policy that was checked once. Opaque to JavaScript.
#[napi]
pub struct CompiledPolicy {
    policy: Arc<Policy>,
}

/// A policy argument: compiled, as options, or something else.
pub type PolicyArgument<'a> = Either3<&'a CompiledPolicy, Object<'a>, Unknown<'a>>;

/// Checks a policy's options once, for many calls.
#[napi(catch_unwind, ts_args_type = "options: PolicyOptions", ts_return_type = "CompiledPolicy | Failure")]
pub fn compile_policy(options: Either<Object, Unknown>) -> Either<CompiledPolicy, Failure> {
    let policy = match options {
        Either::A(options) => read(&options),
        Either::B(_) => Err(PolicyError::Issuer),
    };
    match policy {
        Ok(policy) => Either::A(CompiledPolicy { policy: Arc::new(policy) }),
        Err(error) => Either::B(Failure::from(&Refusal::from(error))),
    }
}

/// The policy an argument stands for.
pub fn resolve(argument: PolicyArgument) -> Result<Arc<Policy>, PolicyError> {
    match argument {
        Either3::A(compiled) => Ok(Arc::clone(&compiled.policy)),
        Either3::B(options) => read(&options).map(Arc::new),
        Either3::C(_) => Err(PolicyError::Issuer),
    }
}

const KNOWN: [&str; 10] = [
    "issuer",
    "audience",
    "jwksUri",
    "scope",
    "enabled",
    "algorithms",
    "requireExp",
    "requireKid",
    "clockTolerance",
    "emailClaim",
];

fn read(object: &Object) -> Result<Policy, PolicyError> {
    let keys = Object::keys(object).map_err(|_| PolicyError::Issuer)?;
    if let Some(key) = keys.into_iter().find(|key| !KNOWN.contains(&key.as_str())) {
        return Err(PolicyError::unknown(key, &KNOWN));
    }
    let wrong = |key: &str, expected| PolicyError::Option { key: key.to_owned(), expected };
    let flag = |key| match member::<bool>(object, key) {
        Ok(flag) => Ok(flag),
        Err(WrongKind) => Err(wrong(key, "true or false")),
    };
    Policy::parse(PolicyOptions {
        issuer: member(object, "issuer").ok().flatten().ok_or(PolicyError::Issuer)?,
        audience: audience(object).ok_or(PolicyError::Audience)?,
        jwks_uri: member(object, "jwksUri").map_err(|_| PolicyError::JwksUri)?,
        scope: member(object, "scope").map_err(|_| PolicyError::Scope)?,
        algorithms: list(object, "algorithms").map_err(|_| PolicyError::Algorithms)?,
        require_exp: flag("requireExp")?,
        require_kid: flag("requireKid")?,
        clock_tolerance: member(object, "clockTolerance")
            .map_err(|_| wrong("clockTolerance", "a number of seconds from 0 to 300"))?,
        email_claim: member(object, "emailClaim").map_err(|_| wrong("emailClaim", "the name of a claim"))?,
    })
}

struct WrongKind;

/// An own member of kind `T`; undefined and null are absent. What an object inherits is not what the operator wrote.
fn member<T>(object: &Object, key: &str) -> Result<Option<T>, WrongKind>
where
    T: napi::bindgen_prelude::FromNapiValue
        + napi::bindgen_prelude::ValidateNapiValue
        + napi::bindgen_prelude::TypeName,
{
    if !object.has_own_property(key).map_err(|_| WrongKind)? {
        return Ok(None);
    }
    match object.get::<Either3<T, Null, Unknown>>(key) {
        Ok(None | Some(Either3::B(Null))) => Ok(None),
        Ok(Some(Either3::A(value))) => Ok(Some(value)),
        Ok(Some(Either3::C(_))) | Err(_) => Err(WrongKind),
    }
}

fn list(object: &Object, key: &str) -> Result<Option<Vec<String>>, WrongKind> {
    let Some(array) = member::<Array>(object, key)? else { return Ok(None) };
    let item = |index| match array.get::<Either<String, Unknown>>(index) {
        Ok(Some(Either::A(text))) => Ok(text),
        _ => Err(WrongKind),
    };
    (0..array.len()).map(item).collect::<Result<_, _>>().map(Some)
}

fn audience(object: &Object) -> Option<Vec<String>> {
    match member::<String>(object, "audience") {
        Ok(single) => Some(vec![single?]),
        Err(WrongKind) => list(object, "audience").ok()?,
    }
}
