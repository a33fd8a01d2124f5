//! A policy as JavaScript writes it, read into [`PolicyOptions`]: types are checked here, values by the policy.

use std::sync::Arc;

use napi::bindgen_prelude::{ClassInstance, Either, JavaScriptClassExt, JsValue, Object, Unknown};
use napi::{Env, Result as NapiResult};
use napi_derive::napi;

use super::handles::{self, Entry, Handles};
use super::members::{WrongType, list, member, option, refuse_unknown};
use super::wire::EncodedResult;
use crate::error::Refusal;
use crate::policy::expected;
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

/// The policy a compiled one stands for. No options: reading them would run their getters.
pub fn compiled(env: &Env, argument: &Unknown) -> Result<Arc<Policy>, PolicyError> {
    handles::find(&POLICIES, env, argument.raw())
        .ok_or_else(|| PolicyError::option("policy", expected::COMPILED_POLICY))
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
        require_exp: option(object, "requireExp", expected::FLAG)?,
        require_subject: option(object, "requireSubject", expected::FLAG)?,
        require_kid: option(object, "requireKid", expected::FLAG)?,
        clock_tolerance: option(object, "clockTolerance", expected::CLOCK_TOLERANCE)?,
        email_claim: option(object, "emailClaim", expected::EMAIL_CLAIM)?,
        max_token_bytes: option(object, "maxTokenBytes", expected::MAX_TOKEN_BYTES)?,
        max_token_age: option(object, "maxTokenAge", expected::SECONDS)?,
        max_token_lifetime: option(object, "maxTokenLifetime", expected::SECONDS)?,
        typ: option(object, "typ", expected::TYP)?,
        allowed_clients: names(object, "allowedClients", expected::CLIENTS)?,
        allowed_actors: names(object, "allowedActors", expected::ACTORS)?,
        client_claim: option(object, "clientClaim", expected::CLIENT_CLAIM)?,
        token_use: option(object, "tokenUse", expected::TOKEN_USE)?,
        require_unbound: option(object, "requireUnbound", expected::FLAG)?,
        allowed_tenants: names(object, "allowedTenants", expected::TENANTS)?,
        required_roles: grants(object, "requiredRoles")?,
        required_app_roles: grants(object, "requiredAppRoles")?,
        required_permissions: grants(object, "requiredPermissions")?,
        introspection: introspection(object)?,
        keys: key_options(object)?,
    })
}

fn names(object: &Object, key: &str, expected: &'static str) -> Result<Option<Vec<String>>, PolicyError> {
    list(object, key).map_err(|_| PolicyError::option(key, expected))
}

/// A list of names that must all be granted, or `{ any, all, claim }`; `claim` is a dotted path or a list of names.
fn grants(object: &Object, key: &str) -> Result<Option<GrantOptions>, PolicyError> {
    if let Ok(all) = list(object, key) {
        return Ok(all.map(|all| GrantOptions { all, ..GrantOptions::default() }));
    }
    let written =
        member::<Object>(object, key).ok().flatten().ok_or_else(|| PolicyError::option(key, expected::GRANTS))?;
    refuse_unknown(&written, &["any", "all", "claim"])?;
    let names = |part| {
        list(&written, part).map(Option::unwrap_or_default).map_err(|_| PolicyError::option(key, expected::GRANTS))
    };
    let claim = match member::<String>(&written, "claim") {
        Ok(text) => text.as_deref().map(ClaimPath::dotted),
        Err(WrongType) => list(&written, "claim")
            .map_err(|_| PolicyError::option(key, expected::GRANTS))?
            .as_deref()
            .map(ClaimPath::of_names),
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
        jwks: option(object, "jwks", expected::KEY_SET)?,
        jwks_file: option(object, "jwksFile", expected::PATH)?,
        snapshot_file: option(object, "snapshotFile", expected::PATH)?,
        cache_max_age: option(object, "cacheMaxAge", expected::CACHE_MAX_AGE)?,
        max_stale: option(object, "maxStale", expected::MAX_STALE)?,
        max_advised_age: option(object, "maxAdvisedAge", expected::MAX_ADVISED_AGE)?,
        proxy: proxy(object)?,
        ca: certificates(object)?,
        client_certificate: client_certificate(object)?,
        refuse_private_addresses: option(object, "refusePrivateAddresses", expected::FLAG)?,
        max_body_bytes: option(object, "maxBodyBytes", expected::MAX_BODY_BYTES)?,
    })
}

fn proxy(object: &Object) -> Result<Option<ProxyOptions>, PolicyError> {
    let Some(proxy) = option::<Object>(object, "proxy", expected::PROXY)? else { return Ok(None) };
    refuse_unknown(&proxy, &["http", "https", "bypass"])?;
    let text = |key| member(&proxy, key).map_err(|_| PolicyError::option("proxy", expected::PROXY));
    Ok(Some(ProxyOptions { http: text("http")?, https: text("https")?, bypass: text("bypass")? }))
}

const INTROSPECTION: &[&str] = &[
    "endpoint",
    "clientId",
    "clientSecret",
    "auth",
    "privateKey",
    "kid",
    "alg",
    "assertionAudience",
    "cacheMs",
    "opaque",
    "also",
    "signed",
];

fn introspection(object: &Object) -> Result<Option<IntrospectionOptions>, PolicyError> {
    const NAME: &str = "introspection";
    let Some(written) = option::<Object>(object, NAME, expected::INTROSPECTION)? else { return Ok(None) };
    refuse_unknown(&written, INTROSPECTION)?;
    let wrong = |_| PolicyError::option(NAME, expected::INTROSPECTION);
    let text = |key| member::<String>(&written, key).map_err(wrong);
    let flag = |key| member::<bool>(&written, key).map_err(wrong);
    Ok(Some(IntrospectionOptions {
        endpoint: text("endpoint")?,
        client_id: text("clientId")?.unwrap_or_default(),
        client_secret: text("clientSecret")?.map(Secret::new),
        auth: text("auth")?,
        private_key: text("privateKey")?.map(Secret::new),
        key_id: text("kid")?,
        algorithm: text("alg")?,
        assertion_audience: text("assertionAudience")?,
        cache_ms: member(&written, "cacheMs").map_err(wrong)?,
        opaque: flag("opaque")?,
        also: flag("also")?,
        signed: flag("signed")?,
    }))
}

fn certificates(object: &Object) -> Result<Option<Vec<String>>, PolicyError> {
    match member::<String>(object, "ca") {
        Ok(single) => Ok(single.map(|pem| vec![pem])),
        Err(_) => list(object, "ca").map_err(|_| PolicyError::option("ca", expected::CERTIFICATES)),
    }
}

fn client_certificate(object: &Object) -> Result<Option<(String, String)>, PolicyError> {
    let Some(pair) = option::<Object>(object, "clientCertificate", expected::CLIENT_CERTIFICATE)? else {
        return Ok(None);
    };
    refuse_unknown(&pair, &["cert", "key"])?;
    let text = |key| {
        member(&pair, key)
            .ok()
            .flatten()
            .ok_or_else(|| PolicyError::option("clientCertificate", expected::CLIENT_CERTIFICATE))
    };
    Ok(Some((text("cert")?, text("key")?)))
}
