//! A policy as JavaScript writes it, read into [`PolicyOptions`]: types are checked here, values by the policy.

use std::sync::Arc;

use napi::bindgen_prelude::{ClassInstance, Either, JavaScriptClassExt, JsValue, Object, Unknown};
use napi::{Env, Result as NapiResult};
use napi_derive::napi;

use super::handles::{self, Entry, Handles};
use super::members::{FLAG, WrongType, list, member, option, refuse_unknown, wrong};
use super::wire::EncodedResult;
use crate::error::Refusal;
use crate::policy::grant::ClaimPath;
use crate::policy::introspection::IntrospectionOptions;
use crate::policy::transport::Secret;
use crate::policy::{GrantOptions, KeyOptions, Policy, PolicyError, PolicyOptions, ProxyOptions};

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
#[napi(catch_unwind, ts_args_type = "options: PolicyOptions", ts_return_type = "CompiledPolicy | EncodedResult")]
pub fn compile_policy<'env>(
    env: &'env Env,
    options: Either<Object<'env>, Unknown<'env>>,
) -> NapiResult<Either<ClassInstance<'env, CompiledPolicy>, EncodedResult>> {
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
        Err(error) => Ok(Either::B(EncodedResult::refused(&Refusal::from(error)))),
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
    "allowedActors",
    "clientClaim",
    "tokenUse",
    "requireUnbound",
    "introspection",
    "allowedTenants",
    "requiredRoles",
    "requiredAppRoles",
    "requiredPermissions",
    "jwks",
    "jwksFile",
    "snapshotFile",
    "cacheMaxAge",
    "maxStale",
    "maxAdvisedAge",
    "proxy",
    "ca",
    "clientCertificate",
    "refusePrivateAddresses",
    "maxBodyBytes",
];

fn read(object: &Object) -> Result<Policy, PolicyError> {
    refuse_unknown(object, KNOWN)?;
    let (issuer, issuers) = issuers(object).ok_or(PolicyError::Issuer)?;
    Policy::parse(PolicyOptions {
        issuer,
        issuers,
        audience: audience(object).ok_or(PolicyError::Audience)?,
        jwks_uri: member(object, "jwksUri").map_err(|_| PolicyError::JwksUri)?,
        scope: member(object, "scope").map_err(|_| PolicyError::Scope)?,
        algorithms: list(object, "algorithms").map_err(|_| PolicyError::Algorithms)?,
        require_exp: option(object, "requireExp", FLAG)?,
        require_subject: option(object, "requireSubject", FLAG)?,
        require_kid: option(object, "requireKid", FLAG)?,
        clock_tolerance: option(object, "clockTolerance", "a number of seconds from 0 to 300")?,
        email_claim: option(object, "emailClaim", "the name of a claim")?,
        max_token_bytes: option(object, "maxTokenBytes", "a number of bytes from 1024 to 65536")?,
        max_token_age: option(object, "maxTokenAge", SECONDS)?,
        max_token_lifetime: option(object, "maxTokenLifetime", SECONDS)?,
        typ: option(object, "typ", "\"off\", \"preferred\" or \"required\"")?,
        allowed_clients: names(object, "allowedClients")?,
        allowed_actors: names(object, "allowedActors")?,
        client_claim: option(object, "clientClaim", "the name of a claim")?,
        token_use: option(object, "tokenUse", "a `token_use` value such as \"access\"")?,
        require_unbound: option(object, "requireUnbound", FLAG)?,
        allowed_tenants: names(object, "allowedTenants")?,
        required_roles: grants(object, "requiredRoles")?,
        required_app_roles: grants(object, "requiredAppRoles")?,
        required_permissions: grants(object, "requiredPermissions")?,
        introspection: introspection(object)?,
        keys: key_options(object)?,
    })
}

const SECONDS: &str = "a number of seconds above 0";
const NUMBER: &str = "a number";
const PATH: &str = "an absolute path";
const GRANTS: &str = "a list of names, or { any, all, claim } with at least one name";
const PROXY: &str = "{ http, https, bypass }: http or https URLs, and a list of hosts";
const INTROSPECTION: &str = "{ endpoint, clientId, clientSecret, auth, cacheMs, also }";
const CLIENT: &str = "{ cert, key }: a PEM certificate (chain) and its unencrypted PEM private key";

fn names(object: &Object, key: &str) -> Result<Option<Vec<String>>, PolicyError> {
    list(object, key).map_err(|_| wrong(key, "a list of strings"))
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
        Err(WrongType) => list(&written, "claim").map_err(|_| wrong(key, GRANTS))?.as_deref().map(ClaimPath::of_names),
    };
    Ok(Some(GrantOptions { any: names("any")?, all: names("all")?, claim }))
}

/// One issuer or a list that is not empty; `None` for anything else.
fn issuers(object: &Object) -> Option<(String, Vec<String>)> {
    match member::<String>(object, "issuer") {
        Ok(single) => single.map(|single| (single, Vec::new())),
        Err(WrongType) => {
            let list = list(object, "issuer").ok()?.filter(|issuers| !issuers.is_empty())?;
            Some((String::new(), list))
        }
    }
}

/// `None` if it is of the wrong type. An absent one is an empty list, which few policies may have.
fn audience(object: &Object) -> Option<Vec<String>> {
    match member::<String>(object, "audience") {
        Ok(single) => Some(single.into_iter().collect()),
        Err(WrongType) => list(object, "audience").ok()?.filter(|audiences| !audiences.is_empty()),
    }
}

/// Where keys come from, and how they are fetched.
fn key_options(object: &Object) -> Result<KeyOptions, PolicyError> {
    Ok(KeyOptions {
        jwks: option(object, "jwks", "a JWK Set as JSON text")?,
        jwks_file: option(object, "jwksFile", PATH)?,
        snapshot_file: option(object, "snapshotFile", PATH)?,
        cache_max_age: option(object, "cacheMaxAge", NUMBER)?,
        max_stale: option(object, "maxStale", NUMBER)?,
        max_advised_age: option(object, "maxAdvisedAge", NUMBER)?,
        proxy: proxy(object)?,
        ca: certificates(object)?,
        client_certificate: client_certificate(object)?,
        refuse_private_addresses: option(object, "refusePrivateAddresses", FLAG)?,
        max_body_bytes: option(object, "maxBodyBytes", NUMBER)?,
    })
}

fn proxy(object: &Object) -> Result<Option<ProxyOptions>, PolicyError> {
    let Some(proxy) = option::<Object>(object, "proxy", PROXY)? else { return Ok(None) };
    refuse_unknown(&proxy, &["http", "https", "bypass"])?;
    let text = |key| member(&proxy, key).map_err(|_| wrong("proxy", PROXY));
    Ok(Some(ProxyOptions { http: text("http")?, https: text("https")?, bypass: text("bypass")? }))
}

fn introspection(object: &Object) -> Result<Option<IntrospectionOptions>, PolicyError> {
    const NAME: &str = "introspection";
    let Some(written) = option::<Object>(object, NAME, INTROSPECTION)? else { return Ok(None) };
    refuse_unknown(&written, &["endpoint", "clientId", "clientSecret", "auth", "cacheMs", "also"])?;
    let text = |key| member::<String>(&written, key).map_err(|_| wrong(NAME, INTROSPECTION));
    Ok(Some(IntrospectionOptions {
        endpoint: text("endpoint")?,
        client_id: text("clientId")?.unwrap_or_default(),
        client_secret: text("clientSecret")?.map(Secret::new),
        auth: text("auth")?,
        cache_ms: member(&written, "cacheMs").map_err(|_| wrong(NAME, INTROSPECTION))?,
        also: member(&written, "also").map_err(|_| wrong(NAME, INTROSPECTION))?,
    }))
}

fn certificates(object: &Object) -> Result<Option<Vec<String>>, PolicyError> {
    match member::<String>(object, "ca") {
        Ok(single) => Ok(single.map(|pem| vec![pem])),
        Err(_) => list(object, "ca").map_err(|_| wrong("ca", "PEM text, or a list of such")),
    }
}

fn client_certificate(object: &Object) -> Result<Option<(String, String)>, PolicyError> {
    let Some(pair) = option::<Object>(object, "clientCertificate", CLIENT)? else { return Ok(None) };
    refuse_unknown(&pair, &["cert", "key"])?;
    let text = |key| member(&pair, key).ok().flatten().ok_or_else(|| wrong("clientCertificate", CLIENT));
    Ok(Some((text("cert")?, text("key")?)))
}
