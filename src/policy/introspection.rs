//! How a provider is asked about tokens (RFC 7662).

use std::time::Duration;

use super::PolicyError;
use super::endpoint::Endpoint;
use super::transport::Secret;
use crate::whitespace::is_blank;

/// The longest an answer is kept: a token that was revoked is refused within this time.
const LONGEST: Duration = Duration::from_secs(60);

/// As written.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct IntrospectionOptions {
    /// Where to ask; found in the issuer's metadata if absent.
    pub endpoint: Option<String>,
    /// Who asks.
    pub client_id: String,
    /// The secret of `basic` and `post`.
    pub client_secret: Option<Secret>,
    /// `basic`, `post` or `mtls`.
    pub auth: Option<String>,
    /// How long an answer is kept, in milliseconds, at most a minute. A minute if absent.
    pub cache_ms: Option<f64>,
    /// Whether JWTs are asked about too.
    pub also: Option<bool>,
}

/// How a client proves who it is (RFC 6749 2.3, RFC 8705 2).
#[derive(Debug, Clone, PartialEq)]
pub enum Credentials {
    /// In the header.
    Basic(Secret),
    /// In the body.
    Post(Secret),
    /// By the policy's client certificate.
    Certificate,
}

/// Checked.
#[derive(Debug, Clone, PartialEq)]
pub struct Introspection {
    /// Where the operator says that it is.
    pub endpoint: Option<Endpoint>,
    /// Who asks.
    pub client_id: String,
    /// With what proof.
    pub credentials: Credentials,
    /// How long an answer is kept at most.
    pub kept_for: Duration,
    /// Whether JWTs are asked about too.
    pub also_jwts: bool,
}

impl IntrospectionOptions {
    pub(super) fn check(self, has_certificate: bool) -> Result<Introspection, PolicyError> {
        let wrong = |expected| Err(PolicyError::option("introspection", expected));
        let endpoint = match self.endpoint.as_deref() {
            None => None,
            Some(text) => match Endpoint::parse(text) {
                Some(endpoint) => Some(endpoint),
                None => return wrong("an object whose `endpoint` is an https URL (or http to localhost)"),
            },
        };
        if is_blank(&self.client_id) {
            return wrong("an object with a `clientId`");
        }
        let secret = self.client_secret.filter(|secret| !secret.reveal().is_empty());
        let credentials = match (self.auth.as_deref(), secret) {
            (None | Some("basic"), Some(secret)) => Credentials::Basic(secret),
            (Some("post"), Some(secret)) => Credentials::Post(secret),
            (Some("mtls"), None) if has_certificate => Credentials::Certificate,
            (Some("mtls"), _) => {
                return wrong("without `clientSecret` where `auth` is \"mtls\", beside a `clientCertificate`");
            }
            _ => {
                return wrong(
                    "an object with `auth` \"basic\", \"post\" or \"mtls\", the first two with a `clientSecret`",
                );
            }
        };
        let kept_for = match self.cache_ms {
            None => LONGEST,
            Some(milliseconds) => match Duration::try_from_secs_f64(milliseconds / 1000.0) {
                Ok(kept_for) if kept_for <= LONGEST => kept_for,
                _ => return wrong("an object whose `cacheMs` is a number of milliseconds from 0 to 60000"),
            },
        };
        let also_jwts = self.also.unwrap_or_default();
        Ok(Introspection { endpoint, client_id: self.client_id, credentials, kept_for, also_jwts })
    }
}
