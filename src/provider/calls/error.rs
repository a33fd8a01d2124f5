//! Why a call to one of the issuer's endpoints brought nothing. No part of a token, a secret or an answer is in any of it.

use super::host;
use crate::json::JsonError;
use crate::provider::ProviderError;
use crate::provider::fetch::FetchError;

/// A failed call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CallError {
    /// What happened.
    pub cause: Cause,
    /// Who was asked, or was not because of it; the proxy, where that was in the way.
    pub host: Option<Box<str>>,
}

/// One of the metadata's endpoints.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Which {
    Userinfo,
    Token,
    Introspection,
    /// That for clients with a certificate (RFC 8705 5).
    CertifiedIntrospection,
}

impl Which {
    /// The name of its member in the metadata.
    pub const fn member(self) -> &'static str {
        match self {
            Self::Userinfo => "userinfo_endpoint",
            Self::Token => "token_endpoint",
            Self::Introspection => "introspection_endpoint",
            Self::CertifiedIntrospection => "mtls_endpoint_aliases.introspection_endpoint",
        }
    }
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Cause {
    /// An argument that cannot be right.
    #[error("{0}")]
    Argument(&'static str),
    /// The issuer is only compared, so that nothing can be found at it.
    #[error("the policy's issuer is not a URL at which metadata can be read")]
    NoMetadata,
    /// The metadata could not be had.
    #[error(transparent)]
    Metadata(ProviderError),
    /// The metadata are not to be had in the time the call has.
    #[error("the issuer's metadata did not come within the time of this call; look at the provider's load and log")]
    Late,
    /// The metadata read differently in different parsers.
    #[error("the issuer's metadata say nothing about endpoints that is sure: {0}")]
    NotStrict(JsonError),
    /// The metadata have no such member.
    #[error("the issuer's metadata have no `{member}`", member = .0.member())]
    Missing(Which),
    /// The endpoint gets nobody's token.
    #[error("the `{member}` of the issuer's metadata gets no token: {1}", member = .0.member())]
    Refused(Which, host::Refused),
    /// What Graph is asked for lies elsewhere than at its origin.
    #[error("what Microsoft Graph is asked for must be a path, or a URL of the origin `graphBase` names")]
    Elsewhere,
    /// Too many calls wait already.
    #[error("too many calls to this provider are under way")]
    Overloaded,
    /// No answer.
    #[error(transparent)]
    Fetch(FetchError),
    /// A redirect.
    #[error(
        "the answer is a redirect (status {0}), and no token follows one; have the metadata name the endpoint itself"
    )]
    Redirect(u16),
    /// 401 or 403 (RFC 6750 3.1).
    #[error("the token was not accepted there (status {0})")]
    Unauthorized(u16),
    /// A status that says no.
    #[error("the answer has status {0}{said}; look at the provider's log", said = in_brackets(*.1))]
    Status(u16, Option<&'static str>),
    /// A status about the client that asks, and not about the token (RFC 6749 5.2, RFC 7662 2.3).
    #[error(
        "the endpoint does not accept the client that asks (status {0}{said}); check its id, its secret, key or certificate, and what it may do",
        said = .1.map(|error| format!(", {error}")).unwrap_or_default()
    )]
    Client(u16, Option<&'static str>),
    /// An answer that cannot be used.
    #[error("the answer cannot be used: {0}")]
    Answer(Unusable),
    /// A signed answer (RFC 9701) that is not the provider's, or not for us, with why.
    #[error("the answer is a JWT that is not accepted: {0}")]
    Unproven(Box<str>),
    /// The keys for such an answer are not to be had in the time the call has.
    #[error("the keys for the signed answer did not come within the time of this call")]
    KeysLate,
    /// The crypto library has failed.
    #[error("the client's assertion could not be signed")]
    NotSigned,
    /// OpenID Connect Core 5.3.2: such an answer must not be used.
    #[error("the userinfo is another subject's than the token's, or no one's")]
    Subject,
}

/// Why an answer cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs)]
pub enum Unusable {
    #[error("it is signed or encrypted (`application/jwt`); have the client registered for userinfo in plain JSON")]
    Jwt,
    #[error(
        "it is a JWT (RFC 9701) that was not asked for; `signed: true` in the policy's `introspection` asks for one"
    )]
    IntrospectionJwt,
    #[error(
        "it is no JWT (`application/token-introspection+jwt`, RFC 9701), which `signed: true` in the policy's `introspection` wants"
    )]
    NoJwt,
    #[error(
        "it is encrypted, and nothing here can decrypt it; have the client registered without `introspection_encrypted_response_alg`"
    )]
    Encrypted,
    #[error("its JWT has no object `token_introspection` (RFC 9701 5)")]
    NoObject,
    #[error("its `Content-Type` is not JSON")]
    MediaType,
    #[error(transparent)]
    Json(#[from] JsonError),
    #[error("it has no `access_token` that can be sent as a bearer token")]
    AccessToken,
    #[error("its `token_type` is not Bearer")]
    TokenType,
    #[error("its `active` is neither true nor false")]
    Active,
    #[error("it is longer than the policy's `maxTokenBytes`")]
    TooLong,
}

fn in_brackets(error: Option<&str>) -> String {
    error.map(|error| format!(" ({error})")).unwrap_or_default()
}

impl CallError {
    /// What a caller decides by.
    pub const fn reason(&self) -> &'static str {
        match self.cause {
            Cause::Unauthorized(_) => "unauthorized",
            Cause::Subject => "subject_mismatch",
            _ => "service_error",
        }
    }

    /// The stable word for what happened to the connection, where that is the cause.
    pub const fn connection(&self) -> Option<&'static str> {
        match self.cause {
            Cause::Fetch(error)
            | Cause::Metadata(ProviderError::DiscoveryFetch(error) | ProviderError::JwksFetch(error)) => {
                Some(error.reason())
            }
            _ => None,
        }
    }

    /// The status that came, where that is the cause.
    pub const fn status(&self) -> Option<u16> {
        match self.cause {
            Cause::Redirect(status)
            | Cause::Unauthorized(status)
            | Cause::Status(status, _)
            | Cause::Client(status, _) => Some(status),
            Cause::Metadata(ref error) => error.status(),
            _ => None,
        }
    }
}
