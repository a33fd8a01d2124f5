//! Where keys come from, and everything that decides which answer may be trusted.

use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::Value;

use super::endpoint::Endpoint;
use super::issuer::Issuer;
use super::lifetimes::Lifetimes;
use super::transport::{self, ClientCertificate, MAX_BODY_BYTES, ProxyOptions, Transport};
use super::{PolicyError, expected};

/// The smallest and the largest body cap an operator can ask for, in bytes.
pub(super) const BODY_CAPS: std::ops::RangeInclusive<f64> = 1024.0..=16_777_216.0;

/// What a policy says of its keys beyond `jwksUri`, as written.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct KeyOptions {
    /// The keys themselves: a JWK Set as JSON text.
    pub jwks: Option<String>,
    /// An absolute path to a JWK Set.
    pub jwks_file: Option<String>,
    /// An absolute path where the public keys are kept for a start without the provider.
    pub snapshot_file: Option<String>,
    /// How long keys live, in milliseconds; less than a minute counts as one. A minute if absent.
    pub cache_max_age: Option<f64>,
    /// How long keys answer while the provider cannot be reached, in seconds. 4 hours if absent.
    pub max_stale: Option<f64>,
    /// How far the provider's `Cache-Control` may lengthen a life, in seconds. 10 minutes if absent.
    pub max_advised_age: Option<f64>,
    /// Proxies. None if absent: the environment is not read.
    pub proxy: Option<ProxyOptions>,
    /// Certificates to trust besides Node's: PEM texts.
    pub ca: Option<Vec<String>>,
    /// Certificate and private key to show the provider: PEM texts.
    pub client_certificate: Option<(String, String)>,
    /// Whether private, loopback and carrier-grade addresses are refused over https. False if absent.
    pub refuse_private_addresses: Option<bool>,
    /// The largest body read, in bytes. 1 MiB if absent.
    pub max_body_bytes: Option<f64>,
}

impl KeyOptions {
    pub(super) fn lifetimes(&self) -> Result<Lifetimes, PolicyError> {
        Lifetimes::parse(self.cache_max_age, self.max_stale, self.max_advised_age)
    }

    /// Whether the keys come without any request, so that there is nothing to discover.
    pub(super) const fn is_local(&self) -> bool {
        self.jwks.is_some() || self.jwks_file.is_some()
    }

    /// `provider` is where the keys are if these options do not say.
    pub(super) fn source(self, provider: Origin) -> Result<KeySource, PolicyError> {
        let max_body_bytes = match self.max_body_bytes {
            None => MAX_BODY_BYTES,
            // In range, so that nothing is lost.
            #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
            Some(bytes) if BODY_CAPS.contains(&bytes) => bytes as usize,
            Some(_) => return Err(PolicyError::option("maxBodyBytes", expected::MAX_BODY_BYTES)),
        };
        let transport = Transport {
            proxies: self.proxy.as_ref().map(transport::proxies).transpose()?.unwrap_or_default(),
            extra_ca: transport::extra_ca(self.ca.as_deref().unwrap_or_default())?,
            client_certificate: self
                .client_certificate
                .as_ref()
                .map(|(cert, key)| ClientCertificate::parse(cert, key))
                .transpose()?,
            refuse_private_addresses: self.refuse_private_addresses.unwrap_or(false),
            max_body_bytes,
        };
        let snapshot = self.snapshot_file.as_deref().map(snapshot_file).transpose()?;
        let from_url = matches!(provider, Origin::Jwks(_));
        let origin = match (self.jwks, self.jwks_file) {
            (None, None) => return Ok(KeySource::new(provider, transport, snapshot)),
            (Some(_), Some(_)) => return Err(PolicyError::option("jwks", ONE_SOURCE)),
            (Some(_), None) if from_url => return Err(PolicyError::option("jwks", ONE_SOURCE)),
            (None, Some(_)) if from_url => return Err(PolicyError::option("jwksFile", ONE_SOURCE)),
            (Some(text), None) => Origin::Inline(inline(text, max_body_bytes)?),
            (None, Some(path)) => Origin::File(absolute("jwksFile", &path)?),
        };
        if snapshot.is_some() {
            return Err(PolicyError::option("snapshotFile", "left out where the keys come from `jwks` or `jwksFile`"));
        }
        Ok(KeySource::new(origin, transport, None))
    }
}

const ONE_SOURCE: &str = "the only source of keys: one of `jwksUri`, `jwks` and `jwksFile`";

/// Refuses what cannot be a JWK Set at all. Whether it has usable keys is found when it is imported.
fn inline(text: String, max_bytes: usize) -> Result<Arc<str>, PolicyError> {
    let set: Option<Value> = serde_json::from_str(&text).ok().filter(|_| text.len() <= max_bytes);
    match set.as_ref().and_then(|set| set.get("keys")).and_then(Value::as_array) {
        Some(keys) if !keys.is_empty() => Ok(text.into()),
        _ => Err(PolicyError::option("jwks", expected::KEY_SET)),
    }
}

/// A regular file, or a path where nothing is yet. Writing would replace anything else.
fn snapshot_file(path: &str) -> Result<PathBuf, PolicyError> {
    let path = absolute("snapshotFile", path)?;
    // Links are not followed. The check is repeated before the file is written.
    let other = path.file_name().is_none() || fs::symlink_metadata(&path).is_ok_and(|found| !found.is_file());
    let expected = "the path of a regular file, or of nothing yet: no folder, link, device, socket or pipe";
    if other { Err(PolicyError::option("snapshotFile", expected)) } else { Ok(path) }
}

fn absolute(key: &str, path: &str) -> Result<PathBuf, PolicyError> {
    if path.contains('\0') || !Path::new(path).is_absolute() {
        return Err(PolicyError::option(key, expected::PATH));
    }
    Ok(path.into())
}

/// Where the keys are.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Origin {
    /// A JWK Set at this URL.
    Jwks(Endpoint),
    /// Found through the metadata of this issuer (OpenID Connect Discovery 4, RFC 8414 3).
    Discovery(Issuer),
    /// In the policy itself.
    Inline(Arc<str>),
    /// In a file of this machine.
    File(PathBuf),
}

/// A source of keys. Equal sources share one slot of the key store.
#[derive(Debug, Clone)]
pub struct KeySource {
    origin: Origin,
    transport: Arc<Transport>,
    /// Where keys are kept for a start without the provider.
    snapshot_file: Option<PathBuf>,
    /// The hash of the fields above, computed once: inline sets and certificates are long, and every request looks up
    /// its slot.
    hash: u64,
}

impl KeySource {
    /// Keys from `origin`, reached by `transport`.
    pub fn new(origin: Origin, transport: Transport, snapshot_file: Option<PathBuf>) -> Self {
        let mut hasher = DefaultHasher::new();
        (&origin, &transport, &snapshot_file).hash(&mut hasher);
        Self { origin, transport: Arc::new(transport), snapshot_file, hash: hasher.finish() }
    }

    /// Where the keys are.
    pub const fn origin(&self) -> &Origin {
        &self.origin
    }

    /// How the provider is reached.
    pub const fn transport(&self) -> &Arc<Transport> {
        &self.transport
    }

    /// Where keys are kept for a start without the provider.
    pub fn snapshot_file(&self) -> Option<&Path> {
        self.snapshot_file.as_deref()
    }
}

impl PartialEq for KeySource {
    fn eq(&self, other: &Self) -> bool {
        self.hash == other.hash
            && self.origin == other.origin
            && self.transport == other.transport
            && self.snapshot_file == other.snapshot_file
    }
}

impl Eq for KeySource {}

impl Hash for KeySource {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.hash);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn provider() -> Origin {
        Origin::Discovery(Issuer::parse("https://idp.example").unwrap())
    }

    const SET: &str = r#"{"keys":[{"kty":"EC"}]}"#;

    #[test]
    fn names_the_option_that_is_wrong() {
        let text = |text: &str| Some(text.to_owned());
        let table: Vec<(&str, KeyOptions)> = vec![
            ("jwks", KeyOptions { jwks: text("{}"), ..KeyOptions::default() }),
            ("jwks", KeyOptions { jwks: text("nonsense"), ..KeyOptions::default() }),
            ("jwks", KeyOptions { jwks: text(r#"{"keys":[]}"#), ..KeyOptions::default() }),
            ("jwks", KeyOptions { jwks: text(SET), jwks_file: text("/f"), ..KeyOptions::default() }),
            (
                "jwks",
                KeyOptions {
                    jwks: Some(format!(r#"{{"keys":["{}"]}}"#, "x".repeat(1024))),
                    max_body_bytes: Some(1024.0),
                    ..KeyOptions::default()
                },
            ),
            ("jwksFile", KeyOptions { jwks_file: text("relative"), ..KeyOptions::default() }),
            ("jwksFile", KeyOptions { jwks_file: text("/a\0b"), ..KeyOptions::default() }),
            ("snapshotFile", KeyOptions { snapshot_file: text("relative"), ..KeyOptions::default() }),
            ("snapshotFile", KeyOptions { snapshot_file: text("/s"), jwks: text(SET), ..KeyOptions::default() }),
            ("maxBodyBytes", KeyOptions { max_body_bytes: Some(1.0), ..KeyOptions::default() }),
            ("maxBodyBytes", KeyOptions { max_body_bytes: Some(f64::NAN), ..KeyOptions::default() }),
            ("ca", KeyOptions { ca: Some(vec![String::new()]), ..KeyOptions::default() }),
            (
                "proxy",
                KeyOptions {
                    proxy: Some(ProxyOptions { http: text("ftp://x"), ..ProxyOptions::default() }),
                    ..KeyOptions::default()
                },
            ),
        ];
        for (name, options) in table {
            let error = options.clone().source(provider()).unwrap_err();
            assert!(matches!(&error, PolicyError::Option { key, .. } if key == name), "{name}: {error}");
        }
        let jwks = Origin::Jwks(Endpoint::parse("https://idp.example/jwks").unwrap());
        for options in [
            KeyOptions { jwks: text(SET), ..KeyOptions::default() },
            KeyOptions { jwks_file: text("/f"), ..KeyOptions::default() },
        ] {
            assert!(options.source(jwks.clone()).is_err());
        }
    }

    #[test]
    fn whatever_decides_about_the_answer_makes_another_source() {
        let plain = KeyOptions::default().source(provider()).unwrap();
        assert_eq!(plain, KeyOptions::default().source(provider()).unwrap());
        // How long keys live is a setting of the policy, not of the source.
        let patient = KeyOptions { cache_max_age: Some(1e6), max_stale: Some(1.0), ..KeyOptions::default() };
        assert_eq!(plain, patient.source(provider()).unwrap());
        let proxy = |http: &str, bypass: &str| ProxyOptions {
            http: Some(http.to_owned()),
            bypass: Some(bypass.to_owned()),
            ..ProxyOptions::default()
        };
        let others = [
            KeyOptions { proxy: Some(proxy("http://p:1", "")), ..KeyOptions::default() },
            KeyOptions { proxy: Some(proxy("http://u:p@p:1", "")), ..KeyOptions::default() },
            KeyOptions { proxy: Some(proxy("http://p:1", "*")), ..KeyOptions::default() },
            KeyOptions { refuse_private_addresses: Some(true), ..KeyOptions::default() },
            KeyOptions { max_body_bytes: Some(2048.0), ..KeyOptions::default() },
            KeyOptions { snapshot_file: Some("/s".into()), ..KeyOptions::default() },
            KeyOptions { jwks: Some(SET.into()), ..KeyOptions::default() },
            KeyOptions { jwks_file: Some("/f".into()), ..KeyOptions::default() },
        ]
        .map(|options| options.source(provider()).unwrap());
        for (place, other) in others.iter().enumerate() {
            assert_ne!(*other, plain);
            assert!(!others[..place].contains(other));
        }
    }
}
