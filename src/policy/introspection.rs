//! How a provider is asked about tokens (RFC 7662).

use std::time::Duration;

use url::Url;

use super::PolicyError;
use super::client_key::ClientKey;
use super::endpoint::Endpoint;
use super::issuer::Issuer;
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
    /// `basic`, `post`, `private_key_jwt` or `mtls`.
    pub auth: Option<String>,
    /// The key of `private_key_jwt`: PEM, or a JWK as JSON.
    pub private_key: Option<Secret>,
    /// Its identifier at the provider.
    pub key_id: Option<String>,
    /// The algorithm it signs with.
    pub algorithm: Option<String>,
    /// For whom the client's assertions are: `issuer`, `endpoint` or a URL. `issuer` if absent.
    pub assertion_audience: Option<String>,
    /// How long an answer is kept, in milliseconds, at most a minute. A minute if absent.
    pub cache_ms: Option<f64>,
    /// Whether tokens that are no JWT are asked about. True if absent.
    pub opaque: Option<bool>,
    /// Whether JWTs are asked about too.
    pub also: Option<bool>,
    /// Whether answers must be JWTs that the provider has signed.
    pub signed: Option<bool>,
}

/// How a client proves who it is (RFC 6749 2.3, RFC 7523 2.2, RFC 8705 2).
#[derive(Debug, Clone)]
pub enum Credentials {
    /// In the header.
    Basic(Secret),
    /// In the body.
    Post(Secret),
    /// By an assertion that this key signs.
    Key(ClientKey, AssertionAudience),
    /// By the policy's client certificate.
    Certificate,
}

/// Whom a client's assertion names as its audience (RFC 7523 3, item 3).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AssertionAudience {
    /// The issuer: the one value that no other server can be (RFC 7523bis), and that every provider takes.
    Issuer,
    /// The endpoint that is asked.
    Endpoint,
    /// Another URL of the provider's, such as its token endpoint.
    Named(Box<str>),
}

/// Checked.
#[derive(Debug, Clone)]
pub struct Introspection {
    /// Where the operator says that it is.
    pub endpoint: Option<Endpoint>,
    /// Who asks.
    pub client_id: String,
    /// With what proof.
    pub credentials: Credentials,
    /// How long an answer is kept at most.
    pub kept_for: Duration,
    /// Whether tokens that are no JWT are asked about.
    pub opaque: bool,
    /// Whether JWTs are asked about too.
    pub also_jwts: bool,
    /// Whether answers must be JWTs (RFC 9701).
    pub signed: bool,
}

/// Where a server is asked, or by which it is named. What is written before its host or behind `#` is not sent to anybody as what it is: the
/// client has `clientSecret` for that (RFC 6749 3.2).
fn place(text: &str) -> Option<Endpoint> {
    let bare = |url: &Url| url.username().is_empty() && url.password().is_none() && url.fragment().is_none();
    Endpoint::parse(text).filter(|endpoint| bare(endpoint.url()))
}

fn wrong<T>(expected: &'static str) -> Result<T, PolicyError> {
    Err(PolicyError::option("introspection", expected))
}

impl IntrospectionOptions {
    pub(super) fn check(self, issuer: &Issuer, has_certificate: bool) -> Result<Introspection, PolicyError> {
        let endpoint = match self.endpoint.as_deref() {
            None => None,
            Some(text) => match place(text) {
                Some(endpoint) => Some(endpoint),
                None => {
                    return wrong(
                        "an object whose `endpoint` is an https URL (or http to localhost), without a user name or fragment",
                    );
                }
            },
        };
        if is_blank(&self.client_id) {
            return wrong("an object with a `clientId`");
        }
        let credentials = self.credentials(issuer, has_certificate)?;
        let kept_for = match self.cache_ms {
            None => LONGEST,
            Some(milliseconds) => match Duration::try_from_secs_f64(milliseconds / 1000.0) {
                Ok(kept_for) if kept_for <= LONGEST => kept_for,
                _ => return wrong("an object whose `cacheMs` is a number of milliseconds from 0 to 60000"),
            },
        };
        let (opaque, also_jwts) = (self.opaque.unwrap_or(true), self.also.unwrap_or_default());
        if !opaque && !also_jwts {
            return wrong("an object with `also: true` where `opaque` is false: otherwise no token is asked about");
        }
        let signed = self.signed.unwrap_or_default();
        Ok(Introspection { endpoint, client_id: self.client_id, credentials, kept_for, opaque, also_jwts, signed })
    }

    fn credentials(&self, issuer: &Issuer, has_certificate: bool) -> Result<Credentials, PolicyError> {
        let auth = self.auth.as_deref().unwrap_or("basic");
        let secret = self.client_secret.clone().filter(|secret| !secret.reveal().is_empty());
        if auth == "private_key_jwt" {
            return self.client_key(issuer);
        }
        let of_the_key = [&self.key_id, &self.algorithm, &self.assertion_audience];
        if self.private_key.is_some() || of_the_key.into_iter().any(Option::is_some) {
            return wrong(
                "without `privateKey`, `kid`, `alg` and `assertionAudience` unless its `auth` is \"private_key_jwt\"",
            );
        }
        match (auth, secret) {
            ("basic", Some(secret)) => Ok(Credentials::Basic(secret)),
            ("post", Some(secret)) => Ok(Credentials::Post(secret)),
            ("mtls", None) if has_certificate => Ok(Credentials::Certificate),
            ("mtls", _) => wrong("without `clientSecret` where `auth` is \"mtls\", beside a `clientCertificate`"),
            _ => wrong(
                "an object with `auth` \"basic\", \"post\", \"private_key_jwt\" or \"mtls\", the first two with a `clientSecret`",
            ),
        }
    }

    fn client_key(&self, issuer: &Issuer) -> Result<Credentials, PolicyError> {
        let (Some(text), None) = (&self.private_key, &self.client_secret) else {
            return wrong(
                "an object with a `privateKey`, and without `clientSecret`, where `auth` is \"private_key_jwt\"",
            );
        };
        let key = match ClientKey::parse(text, self.key_id.as_deref(), self.algorithm.as_deref()) {
            Ok(key) => key,
            Err(expected) => return wrong(expected),
        };
        let audience = match self.assertion_audience.as_deref() {
            // The metadata of several tenants name no issuer of theirs.
            None | Some("issuer") if issuer.is_multi_tenant() => {
                return wrong(
                    "an object whose `assertionAudience` is a URL where the issuer is one of several tenants",
                );
            }
            None | Some("issuer") => AssertionAudience::Issuer,
            Some("endpoint") => AssertionAudience::Endpoint,
            Some(text) if place(text).is_some() => AssertionAudience::Named(text.into()),
            Some(_) => {
                return wrong(
                    "an object whose `assertionAudience` is \"issuer\", \"endpoint\" or an https URL (or http to localhost)",
                );
            }
        };
        Ok(Credentials::Key(key, audience))
    }
}
