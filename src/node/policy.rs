//! A JavaScript object into [`PolicyOptions`], each value checked for its kind.

use std::sync::Arc;

use napi::bindgen_prelude::{
    Array, ClassInstance, Either, Either3, FromNapiValue, JavaScriptClassExt, JsObjectValue, JsValue, Null, Object,
    TypeName, Unknown, ValidateNapiValue,
};
use napi::{Env, Result as NapiResult};
use napi_derive::napi;

use super::handles::{self, Entry, Handles};
use super::key_options;
use super::outcome::Failure;
use crate::error::Refusal;
use crate::policy::grant::ClaimPath;
use crate::policy::{GrantOptions, Policy, PolicyError, PolicyOptions};

thread_local! {
    static POLICIES: Handles<Arc<Policy>> = Handles::default();
}

/// A policy that was checked once. Opaque to JavaScript.
#[napi]
pub struct CompiledPolicy {
    entry: Entry<Arc<Policy>>,
}

/// A policy argument: compiled, as options, or something else.
pub type PolicyArgument<'a> = Either<Object<'a>, Unknown<'a>>;

/// Checks a policy's options once, for many calls.
#[napi(catch_unwind, ts_args_type = "options: PolicyOptions", ts_return_type = "CompiledPolicy | Failure")]
pub fn compile_policy<'env>(
    env: &'env Env,
    options: Either<Object<'env>, Unknown<'env>>,
) -> NapiResult<Either<ClassInstance<'env, CompiledPolicy>, Failure>> {
    let policy = match options {
        Either::A(options) => read(&options),
        Either::B(_) => Err(PolicyError::Issuer),
    };
    match policy {
        Ok(policy) => {
            let instance = CompiledPolicy { entry: Entry::new(&POLICIES) }.into_instance(env)?;
            instance.entry.fill(&*instance, Arc::new(policy));
            Ok(Either::A(instance))
        }
        Err(error) => Ok(Either::B(Failure::from(&Refusal::from(error)))),
    }
}

/// The policy an argument stands for.
pub fn resolve(env: &Env, argument: PolicyArgument) -> Result<Arc<Policy>, PolicyError> {
    match argument {
        Either::A(object) => match handles::find(&POLICIES, env, object.raw()) {
            Some(policy) => Ok(policy),
            None => read(&object).map(Arc::new),
        },
        Either::B(_) => Err(PolicyError::Issuer),
    }
}

/// The policy a compiled one stands for; `None` for anything else.
pub fn compiled(env: &Env, argument: &Unknown) -> Option<Arc<Policy>> {
    handles::find(&POLICIES, env, argument.raw())
}

const KNOWN: &[&str] = &[
    "issuer",
    "audience",
    "jwksUri",
    "scope",
    "enabled",
    "algorithms",
    "requireExp",
    "requireSubject",
    "requireKid",
    "clockTolerance",
    "emailClaim",
    "maxTokenBytes",
    "maxTokenAge",
    "maxTokenLifetime",
    "typ",
    "allowedClients",
    "tokenUse",
    "allowedTenants",
    "requiredRoles",
    "requiredAppRoles",
    "requiredPermissions",
];

fn read(object: &Object) -> Result<Policy, PolicyError> {
    refuse_unknown(object, &[KNOWN, &key_options::NAMES[..]].concat())?;
    let (issuer, issuers) = issuers(object).ok_or(PolicyError::Issuer)?;
    Policy::parse(PolicyOptions {
        issuer,
        issuers,
        audience: audience(object).ok_or(PolicyError::Audience)?,
        jwks_uri: member(object, "jwksUri").map_err(|_| PolicyError::JwksUri)?,
        scope: member(object, "scope").map_err(|_| PolicyError::Scope)?,
        algorithms: list(object, "algorithms").map_err(|_| PolicyError::Algorithms)?,
        require_exp: named(object, "requireExp", FLAG)?,
        require_subject: named(object, "requireSubject", FLAG)?,
        require_kid: named(object, "requireKid", FLAG)?,
        clock_tolerance: named(object, "clockTolerance", "a number of seconds from 0 to 300")?,
        email_claim: named(object, "emailClaim", "the name of a claim")?,
        max_token_bytes: named(object, "maxTokenBytes", "a number of bytes from 1024 to 65536")?,
        max_token_age: named(object, "maxTokenAge", SECONDS)?,
        max_token_lifetime: named(object, "maxTokenLifetime", SECONDS)?,
        typ: named(object, "typ", "\"off\", \"preferred\" or \"required\"")?,
        allowed_clients: named_list(object, "allowedClients")?,
        token_use: named(object, "tokenUse", "a `token_use` value such as \"access\"")?,
        allowed_tenants: named_list(object, "allowedTenants")?,
        required_roles: grants(object, "requiredRoles")?,
        required_app_roles: grants(object, "requiredAppRoles")?,
        required_permissions: grants(object, "requiredPermissions")?,
        keys: key_options::read(object)?,
    })
}

pub(super) const FLAG: &str = "true or false";
const SECONDS: &str = "a number of seconds above 0";
const NAMES: &str = "a list of strings";
const GRANTS: &str = "a list of names, or { any, all, claim } with at least one name";

pub(super) fn refuse_unknown(object: &Object, known: &[&'static str]) -> Result<(), PolicyError> {
    let keys = Object::keys(object).map_err(|_| PolicyError::Issuer)?;
    match keys.into_iter().find(|key| !known.contains(&key.as_str())) {
        Some(key) => Err(PolicyError::unknown(key, known)),
        None => Ok(()),
    }
}

pub(super) fn wrong(key: &str, expected: &'static str) -> PolicyError {
    PolicyError::Option { key: key.to_owned(), expected }
}

pub(super) fn named<T>(object: &Object, key: &str, expected: &'static str) -> Result<Option<T>, PolicyError>
where
    T: FromNapiValue + ValidateNapiValue + TypeName,
{
    member(object, key).map_err(|_| wrong(key, expected))
}

pub(super) fn named_list(object: &Object, key: &str) -> Result<Option<Vec<String>>, PolicyError> {
    list(object, key).map_err(|_| wrong(key, NAMES))
}

/// A list of names that must all be granted, or `{ any, all, claim }`; `claim` is a dotted path or a list of names.
fn grants(object: &Object, key: &str) -> Result<Option<GrantOptions>, PolicyError> {
    if let Ok(all) = list(object, key) {
        return Ok(all.map(|all| GrantOptions { all, ..GrantOptions::default() }));
    }
    let written = member::<Object>(object, key).ok().flatten().ok_or_else(|| wrong(key, GRANTS))?;
    refuse_unknown(&written, &["any", "all", "claim"])?;
    let names = |part| list(&written, part).map(Option::unwrap_or_default).map_err(|_| wrong(key, GRANTS));
    let claim = match member::<String>(&written, "claim") {
        Ok(text) => text.as_deref().map(ClaimPath::dotted),
        Err(WrongKind) => list(&written, "claim").map_err(|_| wrong(key, GRANTS))?.as_deref().map(ClaimPath::of_names),
    };
    Ok(Some(GrantOptions { any: names("any")?, all: names("all")?, claim }))
}

/// A value of another kind than the option wants.
pub(super) struct WrongKind;

/// An own member of kind `T`; undefined and null are absent. What an object inherits is not what the operator wrote.
pub(super) fn member<T>(object: &Object, key: &str) -> Result<Option<T>, WrongKind>
where
    T: FromNapiValue + ValidateNapiValue + TypeName,
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

pub(super) fn list(object: &Object, key: &str) -> Result<Option<Vec<String>>, WrongKind> {
    let Some(array) = member::<Array>(object, key)? else { return Ok(None) };
    let item = |index| match array.get::<Either<String, Unknown>>(index) {
        Ok(Some(Either::A(text))) => Ok(text),
        _ => Err(WrongKind),
    };
    (0..array.len()).map(item).collect::<Result<_, _>>().map(Some)
}

/// One issuer or a list that is not empty; `None` for anything else.
fn issuers(object: &Object) -> Option<(String, Vec<String>)> {
    match member::<String>(object, "issuer") {
        Ok(single) => single.map(|single| (single, Vec::new())),
        Err(WrongKind) => {
            let list = list(object, "issuer").ok()?.filter(|issuers| !issuers.is_empty())?;
            Some((String::new(), list))
        }
    }
}

/// `None` if it is of the wrong kind. An absent one is an empty list, which few policies may have.
fn audience(object: &Object) -> Option<Vec<String>> {
    match member::<String>(object, "audience") {
        Ok(single) => Some(single.into_iter().collect()),
        Err(WrongKind) => list(object, "audience").ok()?.filter(|audiences| !audiences.is_empty()),
    }
}
