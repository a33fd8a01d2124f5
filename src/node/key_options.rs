//! The part of a policy's options that says where keys come from, and how.

use napi::bindgen_prelude::Object;

use super::policy::{FLAG, list, member, named, refuse_unknown, wrong};
use crate::policy::{KeyOptions, PolicyError, ProxyOptions};

/// The names of these options.
pub const NAMES: [&str; 11] = [
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

const NUMBER: &str = "a number";
const PATH: &str = "an absolute path";
const PROXY: &str = "{ http, https, bypass }: http or https URLs, and a list of hosts";
const CLIENT: &str = "{ cert, key }: a PEM certificate (chain) and its unencrypted PEM private key";

/// Reads them; what their values mean is for the policy to judge.
pub fn read(object: &Object) -> Result<KeyOptions, PolicyError> {
    Ok(KeyOptions {
        jwks: named(object, "jwks", "a JWK Set as JSON text")?,
        jwks_file: named(object, "jwksFile", PATH)?,
        snapshot_file: named(object, "snapshotFile", PATH)?,
        cache_max_age: named(object, "cacheMaxAge", NUMBER)?,
        max_stale: named(object, "maxStale", NUMBER)?,
        max_advised_age: named(object, "maxAdvisedAge", NUMBER)?,
        proxy: proxy(object)?,
        ca: certificates(object)?,
        client_certificate: client_certificate(object)?,
        refuse_private_addresses: named(object, "refusePrivateAddresses", FLAG)?,
        max_body_bytes: named(object, "maxBodyBytes", NUMBER)?,
    })
}

fn proxy(object: &Object) -> Result<Option<ProxyOptions>, PolicyError> {
    let Some(proxy) = named::<Object>(object, "proxy", PROXY)? else { return Ok(None) };
    refuse_unknown(&proxy, &["http", "https", "bypass"])?;
    let text = |key| member(&proxy, key).map_err(|_| wrong("proxy", PROXY));
    Ok(Some(ProxyOptions { http: text("http")?, https: text("https")?, bypass: text("bypass")? }))
}

fn certificates(object: &Object) -> Result<Option<Vec<String>>, PolicyError> {
    match member::<String>(object, "ca") {
        Ok(single) => Ok(single.map(|pem| vec![pem])),
        Err(_) => list(object, "ca").map_err(|_| wrong("ca", "PEM text, or a list of such")),
    }
}

fn client_certificate(object: &Object) -> Result<Option<(String, String)>, PolicyError> {
    let Some(pair) = named::<Object>(object, "clientCertificate", CLIENT)? else { return Ok(None) };
    refuse_unknown(&pair, &["cert", "key"])?;
    let text = |key| member(&pair, key).ok().flatten().ok_or_else(|| wrong("clientCertificate", CLIENT));
    Ok(Some((text("cert")?, text("key")?)))
}
