//! Why claims are refused, a variant for each rule.

use crate::json::JsonFault;
use crate::mismatch::Mismatch;

/// The claims are not what the policy asks for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs)]
pub enum ClaimsError {
    #[error("the claims cannot be read: {0}")]
    Malformed(JsonFault),
    #[error("the payload is not a JSON object")]
    NotAnObject,
    #[error("`{0}` is not a number")]
    NotANumber(&'static str),
    #[error("`{0}` is missing")]
    Missing(&'static str),
    #[error("the token has expired: {0}")]
    Expired(Mismatch),
    #[error("the token is not valid yet: {0}")]
    NotYetValid(Mismatch),
    #[error("the token was issued too long ago: {0}")]
    TooOld(Mismatch),
    #[error("the token is valid for too long a time: {0}")]
    Lifetime(Mismatch),
    #[error("`aud` names no audience of ours: {0}")]
    Audience(Mismatch),
    #[error("this is an ID token, not an access token")]
    IdToken,
    #[error("this is a refresh token, not an access token")]
    RefreshToken,
    #[error("this is a logout token or another security event, not an access token")]
    SecurityEvent,
    #[error("this is a signed userinfo answer, not an access token")]
    UserInfo,
    #[error("this is an authorization answer (JARM), not an access token")]
    AuthorizationResponse,
    #[error("the token says that it is something else than an access token: {0}")]
    OtherKind(Mismatch),
    #[error("the token's `typ` or `token_use` is not an access token's: {0}")]
    Type(Mismatch),
    #[error("the token was issued to a client that is not allowed: {0}")]
    Client(Mismatch),
    #[error("the token is used by an actor (`act`) that is not allowed")]
    Actor,
    #[error("`iss` is not the policy's issuer: {0}")]
    Issuer(Mismatch),
    #[error("the key that signed is not published for the token's issuer: {0}")]
    KeyIssuer(Mismatch),
    #[error("the scope claim is neither a string nor a list of strings")]
    ScopeMalformed,
    #[error("a required scope is not granted: {0}")]
    ScopeMissing(Mismatch),
    #[error("a required role is not granted: {0}")]
    RoleMissing(Mismatch),
    #[error("a required permission is not granted: {0}")]
    PermissionMissing(Mismatch),
    #[error("`sub` is missing or blank")]
    Subject,
    #[error("this is no logout token that counts: {0}")]
    Logout(&'static str),
    #[error("this is no introspection answer that counts: {0}")]
    Introspection(&'static str),
    #[error("the token is bound to a key of its holder's (`cnf`), and no proof of that key is asked for here")]
    Bound,
}

impl ClaimsError {
    /// What was expected and what came, where that says more.
    pub const fn mismatch(&self) -> Option<&Mismatch> {
        match self {
            Self::Expired(mismatch)
            | Self::NotYetValid(mismatch)
            | Self::TooOld(mismatch)
            | Self::Lifetime(mismatch)
            | Self::Audience(mismatch)
            | Self::OtherKind(mismatch)
            | Self::Type(mismatch)
            | Self::Client(mismatch)
            | Self::Issuer(mismatch)
            | Self::KeyIssuer(mismatch)
            | Self::ScopeMissing(mismatch)
            | Self::RoleMissing(mismatch)
            | Self::PermissionMissing(mismatch) => Some(mismatch),
            _ => None,
        }
    }
}
