//! Every refusal as a flat code and the party who can correct it.
//!
//! Stages raise errors of their own; here each variant gets its code in one match without wildcard, so that a new variant
//! does not compile until it has one. Codes are API: they are declared here once, and the JavaScript table, the types and
//! the `docs/errors.md` are generated from [`Code::ALL`].

use std::time::Duration;

use crate::details::Details;
use crate::json::JsonError;
use crate::keys::KeySetError;
use crate::mismatch::Mismatch;
use crate::policy::PolicyError;
use crate::provider::calls::{CallError, Cause};
use crate::provider::discovery::DiscoveryError;
use crate::provider::fetch::FetchError;
use crate::provider::{NotAsked, ProviderError};
use crate::token::TokenError;
use crate::verify::{ClaimsError, SignatureError, VerifyError};

/// Who can correct it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Fault {
    Config,
    Request,
    Token,
    Scope,
    Upstream,
    Capacity,
    Internal,
}

impl Fault {
    /// Its stable name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Config => "config",
            Self::Request => "request",
            Self::Token => "token",
            Self::Scope => "scope",
            Self::Upstream => "upstream",
            Self::Capacity => "capacity",
            Self::Internal => "internal",
        }
    }
}

macro_rules! codes {
    ($($variant:ident $name:literal $fault:ident $meaning:literal $action:literal;)*) => {
        /// A stable cause somebody can act on.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[allow(missing_docs)]
        pub enum Code { $($variant),* }

        impl Code {
            /// Every code, in the order of the documentation.
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];

            /// The name callers see.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name),* }
            }

            /// Who can mend it.
            pub const fn fault(self) -> Fault {
                match self { $(Self::$variant => Fault::$fault),* }
            }

            /// What happened, in a sentence.
            pub const fn meaning(self) -> &'static str {
                match self { $(Self::$variant => $meaning),* }
            }

            /// What to do about it.
            pub const fn action(self) -> &'static str {
                match self { $(Self::$variant => $action),* }
            }
        }
    };
}

codes! {
    PolicyIssuer "ERR_POLICY_ISSUER" Config "The policy's `issuer` is not a usable URL." "Write the issuer as an https URL, exactly as in the provider's metadata.";
    PolicyAudience "ERR_POLICY_AUDIENCE" Config "The policy's `audience` is missing or not text." "Write the audience the provider puts into `aud`.";
    PolicyJwksUri "ERR_POLICY_JWKS_URI" Config "The policy's `jwksUri` (or `OPENID_JWKS_URL`) is not a usable URL." "Use an https URL, or remove it and let discovery find the keys.";
    PolicyScope "ERR_POLICY_SCOPE" Config "The policy's `scope` is not text." "Write the scopes in one string, separated by spaces.";
    PolicyAlgorithms "ERR_POLICY_ALGORITHMS" Config "The policy's `algorithms` has a name that is not supported, or none." "Name some of RS256 to RS512, PS256 to PS512, ES256 to ES512, EdDSA, ML-DSA-44, ML-DSA-65, ML-DSA-87.";
    PolicyOption "ERR_POLICY_OPTION" Config "An option is unknown or of the wrong kind." "The message names the option and what was expected.";
    TokenArgument "ERR_TOKEN_ARGUMENT" Request "The token argument is not a string, or the handle given to `recheck` is not one." "Pass the token's text, without `Bearer`; to `recheck` the `verdict` of an accepted token.";
    CredentialsMissing "ERR_CREDENTIALS_MISSING" Request "The request has no bearer token." "Send `Authorization: Bearer` and the access token.";
    RequestMalformed "ERR_REQUEST_MALFORMED" Request "The request has more than one credential, or one that is no bearer token." "Send one `Authorization` header with one token, and no `access_token` elsewhere (RFC 6750 2).";
    TokenTooLarge "ERR_TOKEN_TOO_LARGE" Token "The token is longer than `maxTokenBytes` (16 KiB) allows." "Have the provider put fewer groups or claims into access tokens.";
    TokenMalformed "ERR_TOKEN_MALFORMED" Token "The token is not a JWS in compact form: three parts of strict base64url, JSON with unique members." "Send the access token unchanged; opaque and encrypted tokens cannot be checked here.";
    TokenOpaque "ERR_TOKEN_OPAQUE" Token "The token is no JWT: it is an opaque token or an API key." "Have the provider issue JWT access tokens for this audience, or set the policy's `introspection`; API keys belong to the API-key middleware.";
    TokenEncrypted "ERR_TOKEN_ENCRYPTED" Token "The token is encrypted (a JWE)." "Have the provider sign access tokens for this audience and not encrypt them.";
    TokenAlgorithm "ERR_TOKEN_ALGORITHM" Token "The token's `alg` is not allowed." "Sign with an algorithm the policy allows; `none` and HS256 never are.";
    TokenCritical "ERR_TOKEN_CRITICAL" Token "The token's header has `crit`." "No extension is understood; have the provider leave it out.";
    TokenKid "ERR_TOKEN_KID" Token "The token's `kid` is empty, too long, or missing where the policy requires one." "Check the provider's key identifiers.";
    KeyNotFound "ERR_KEY_NOT_FOUND" Token "The provider publishes no usable key for the token." "Check that the token is of this `issuer`, and that its `kid` is among the provider's keys now: rotated, withdrawn and skipped ones are not (`stats()` names them); get a new token.";
    KeyUnsuitable "ERR_KEY_UNSUITABLE" Token "The key the token names must not be used with the token's `alg`." "Check the key's `kty`, `crv` and `alg` at the provider.";
    SignatureInvalid "ERR_SIGNATURE_INVALID" Token "The signature does not belong to the token and the provider's key." "The token was changed or forged, or the provider replaced its key moments ago.";
    TokenClaims "ERR_TOKEN_CLAIMS" Token "The claims are not a JSON object, or `exp` or `nbf` is missing or no number." "Use an access token; `requireExp: false` allows tokens without `exp`.";
    TokenExpired "ERR_TOKEN_EXPIRED" Token "The token has expired." "Get a new token; if new ones are refused too, compare the clocks: `clockTolerance` or `OPENID_REMOTE_CLOCK_TOLERANCE` allows for a difference.";
    TokenNotYetValid "ERR_TOKEN_NOT_YET_VALID" Token "The token is not valid yet." "Compare the clocks; `clockTolerance` or `OPENID_REMOTE_CLOCK_TOLERANCE` allows for a difference.";
    TokenTooOld "ERR_TOKEN_TOO_OLD" Token "The token was issued longer ago than `maxTokenAge` allows." "Get a new token.";
    TokenLifetime "ERR_TOKEN_LIFETIME" Token "The token is valid for longer than `maxTokenLifetime` allows." "Shorten the lifetime of access tokens at the provider.";
    IdToken "ERR_ID_TOKEN" Token "The token is an ID token." "Send the access token; the ID token is for the client alone.";
    RefreshToken "ERR_REFRESH_TOKEN" Token "The token is a refresh token." "Exchange it at the provider and send the access token.";
    LogoutToken "ERR_LOGOUT_TOKEN" Token "The token is a logout token or another security event." "Send the access token; such tokens are for the client's back-channel logout alone.";
    LogoutInvalid "ERR_LOGOUT_INVALID" Token "What was sent to back-channel logout is no logout token that counts." "The message names the rule; compare it with OpenID Connect Back-Channel Logout 1.0, 2.4.";
    UserinfoToken "ERR_USERINFO_TOKEN" Token "The token is a signed answer of the userinfo endpoint." "Send the access token that the userinfo endpoint was asked with.";
    AuthorizationResponse "ERR_AUTHORIZATION_RESPONSE" Token "The token is an authorization answer (JARM)." "Exchange the code in it at the provider and send the access token.";
    GraphToken "ERR_GRAPH_TOKEN" Token "The token is one for Microsoft Graph, which nobody else can verify." "Request the token for this API's own scope or application id.";
    TokenType "ERR_TOKEN_TYPE" Token "`typ` or `token_use` says something else than that the token is an access token." "Send an access token; where the policy's `typ` or `tokenUse` asks for more than the provider writes, loosen it.";
    TokenClient "ERR_TOKEN_CLIENT" Token "The token was issued to a client that `allowedClients` does not name." "Add the client's id to the policy's `allowedClients`, or use another client.";
    TokenActor "ERR_TOKEN_ACTOR" Token "The token is used by an actor (`act`, RFC 8693) that `allowedActors` does not name, or by one that is not named at all." "Add the actor's subject to the policy's `allowedActors`, or send a token of the user's own.";
    TokenAudience "ERR_TOKEN_AUDIENCE" Token "`aud` does not name the policy's audience." "Request the token for this API, or correct the policy's `audience`.";
    TokenIssuer "ERR_TOKEN_ISSUER" Token "`iss` is not the policy's issuer." "Compare `iss` with the policy's `issuer`, to the letter.";
    TokenSubject "ERR_TOKEN_SUBJECT" Token "`sub` is missing or blank." "Have the provider put a subject into access tokens.";
    TokenBound "ERR_TOKEN_BOUND" Token "The token is bound to a key of its holder's (`cnf`), and the policy has `requireUnbound`." "Have the provider issue this client plain bearer tokens for this audience, without DPoP or certificate binding, or leave out the policy's `requireUnbound`.";
    TokenInactive "ERR_TOKEN_INACTIVE" Token "The provider, asked by introspection, does not call the token active." "Get a new token; check that the token is of this provider, and that the client may introspect it.";
    TokenRevoked "ERR_TOKEN_REVOKED" Token "The token, its session or its subject has been revoked." "Log in again; the details name the claim by which it was revoked.";
    ScopeMalformed "ERR_SCOPE_MALFORMED" Token "The scope claim is neither text nor a list of texts." "Check the provider's claim mapping for `scp` and `scope`.";
    ScopeMissing "ERR_SCOPE_MISSING" Scope "A required scope is not granted." "Request the token with the policy's `scope`; scopes are read from the claim `scp`, without it from `scope`, and nowhere else.";
    RoleMissing "ERR_ROLE_MISSING" Scope "A required role is not granted." "Grant the role at the provider; check the claim's place with `claim`.";
    PermissionMissing "ERR_PERMISSION_MISSING" Scope "A required permission is not granted." "Grant the permission at the provider; check the claim's place with `claim`.";
    ClaimMismatch "ERR_CLAIM_MISMATCH" Scope "A claim is not what the route's guard requires." "Compare the claim with the guard's value.";
    CheckRefused "ERR_CHECK_REFUSED" Scope "The route's own check did not return true." "Look at the function given to `check`.";
    AuthenticationLevel "ERR_AUTHENTICATION_LEVEL" Token "The user was authenticated in another way, or longer ago, than the route requires (RFC 9470)." "Authenticate the user again with the `acr_values` and `max_age` of the challenge.";
    DiscoveryFetch "ERR_DISCOVERY_FETCH" Upstream "The provider's metadata could not be fetched." "Check network, DNS, proxy and certificates between here and the `issuer`; with `jwksUri` the keys are found without discovery.";
    DiscoveryDocument "ERR_DISCOVERY_DOCUMENT" Upstream "The provider's metadata cannot be used." "Open the issuer's `/.well-known/openid-configuration`; it needs `issuer` and `jwks_uri`.";
    DiscoveryIssuer "ERR_DISCOVERY_ISSUER" Upstream "The provider's metadata names another issuer." "Write the policy's `issuer` as the metadata does.";
    JwksFetch "ERR_JWKS_FETCH" Upstream "The provider's keys could not be fetched." "Check network, DNS, proxy and certificates between here and the key URL, and `jwksUri` where it is set.";
    JwksDocument "ERR_JWKS_DOCUMENT" Upstream "The provider's key document has no usable key." "Open the key URL; it must be a JWK Set with a signature key: RSA of 2048 bits or more, EC, Ed25519 or ML-DSA, and no `use: enc`.";
    AddressRefused "ERR_ADDRESS_REFUSED" Upstream "The provider's host has an address that is never connected to." "Link-local and cloud-metadata addresses are refused; check DNS.";
    KeyNotAsked "ERR_KEY_NOT_ASKED" Upstream "The token's key is not known, and the provider has been asked for unknown keys as often as it is." "Try again after `retryAfter` seconds. If it lasts, somebody sends tokens with made-up `kid`s: look for whom.";
    EndpointMissing "ERR_ENDPOINT_MISSING" Upstream "The issuer's metadata name no such endpoint." "Open the issuer's `/.well-known/openid-configuration`; the message names the member that is missing.";
    EndpointRefused "ERR_ENDPOINT_REFUSED" Upstream "The issuer's metadata name an endpoint that no user's token is sent to." "Open the issuer's `/.well-known/openid-configuration`; if the endpoint there is right, list its host in `hosts`.";
    EndpointFetch "ERR_ENDPOINT_FETCH" Upstream "An endpoint of the provider, or Microsoft Graph, could not be reached." "Check network, DNS, proxy and certificates between here and the host.";
    EndpointStatus "ERR_ENDPOINT_STATUS" Upstream "An endpoint of the provider, or Microsoft Graph, answered with a redirect or an error." "Look at the provider's log; for an exchange or an introspection, at the client's credentials and permissions.";
    EndpointUnauthorized "ERR_ENDPOINT_UNAUTHORIZED" Token "An endpoint of the provider, or Microsoft Graph, does not accept the token." "Get a new token; check that it has the scopes the endpoint wants, `openid` for userinfo.";
    EndpointAnswer "ERR_ENDPOINT_ANSWER" Upstream "An endpoint's answer is not what it should be: a JSON object with unique members." "The message says what is wrong with it; look at what stands between here and the provider.";
    UserinfoSubject "ERR_USERINFO_SUBJECT" Upstream "The userinfo is another subject's than the token's." "Have the provider answer with the token's own `sub`; nothing of such an answer is used.";
    Overloaded "ERR_OVERLOADED" Capacity "More checks wait for a thread, or for the host's `resolvePolicy`, than can be answered in time." "Try again in a second. If it lasts, give this service more processors, sign with a cheaper algorithm than ES384 or ES512, or keep what `resolvePolicy` looks up.";
    Internal "ERR_INTERNAL" Internal "This package failed." "Please report it with the log line.";
}

/// A refusal, by the stage that raised it.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[allow(missing_docs)]
pub enum Refusal {
    #[error(transparent)]
    Policy(#[from] PolicyError),
    #[error("the token must be a string")]
    TokenArgument,
    #[error("`recheck` takes the `verdict` of an accepted token as its first argument")]
    HandleArgument,
    #[error(transparent)]
    Token(TokenError),
    #[error(transparent)]
    Signature(SignatureError),
    #[error(transparent)]
    Claims(ClaimsError),
    /// The provider's failure, and how long until another try is worth it.
    #[error("{0}")]
    Provider(ProviderError, Duration),
    /// The key is not at hand, and the provider is not asked for it now.
    #[error(transparent)]
    NotAsked(#[from] NotAsked),
    /// By which claim.
    #[error("the token is revoked by its `{0}`")]
    Revoked(&'static str),
    #[error("the provider does not call the token active")]
    Inactive,
    /// Nobody knows whether the token is good.
    #[error("the provider could not be asked about the token: {cause}", cause = .0.cause)]
    Introspection(CallError),
    #[error("too many checks wait for a thread")]
    Overloaded,
    #[error("{0}")]
    Internal(&'static str),
    /// One of the others, with what an operator can compare.
    #[error("{0}{1}")]
    Detailed(Box<Self>, Box<Details>),
}

impl From<VerifyError> for Refusal {
    fn from(error: VerifyError) -> Self {
        match error {
            VerifyError::Signature(error) => error.into(),
            VerifyError::Claims(error) => error.into(),
        }
    }
}

impl From<TokenError> for Refusal {
    fn from(error: TokenError) -> Self {
        let details = error.mismatch().map(compared).unwrap_or_default();
        Self::Token(error).with(details)
    }
}

impl From<SignatureError> for Refusal {
    fn from(error: SignatureError) -> Self {
        let details = error.mismatch().map(compared).unwrap_or_default();
        Self::Signature(error).with(details)
    }
}

impl From<ClaimsError> for Refusal {
    fn from(error: ClaimsError) -> Self {
        let details = error.mismatch().map(compared).unwrap_or_default();
        Self::Claims(error).with(details)
    }
}

fn compared(mismatch: &Mismatch) -> Details {
    Details::default().expected(mismatch.expected()).got(mismatch.got())
}

impl Refusal {
    /// The refusal of a token that is too long to be looked at.
    pub const TOO_LARGE: Self = Self::Token(TokenError::TooLarge);

    /// The refusal because the provider failed, with the cause and the host; `issuer` is the one its metadata should have named.
    pub fn provider(error: ProviderError, again: Duration, host: Option<&str>, issuer: Option<&str>) -> Self {
        let mut details = Details::default();
        if let Some(reason) = error.reason() {
            details = details.reason(reason);
        }
        if let Some(host) = host {
            details = details.host(host);
        }
        if let (ProviderError::Discovery(DiscoveryError::Issuer(seen)), Some(issuer)) = (error, issuer) {
            let mismatch = seen.beside(issuer);
            details = details.unsaid(mismatch.expected()).got(mismatch.got());
        }
        Self::Provider(error, again).with(details)
    }

    /// The refusal because the provider could not be asked about the token, with the cause and the host.
    pub fn introspection(error: CallError) -> Self {
        let mut details = Details::default();
        if let Some(reason) = error.connection().or_else(|| error.status().map(|_| "status")) {
            details = details.reason(reason);
        }
        if let Some(host) = error.host.as_deref() {
            details = details.host(host);
        }
        Self::Introspection(error).with(details)
    }

    /// The refusal with what an operator can compare. Its code and its time to retry stay the same.
    #[must_use]
    pub fn with(self, details: Details) -> Self {
        if details == Details::default() { self } else { Self::Detailed(Box::new(self), Box::new(details)) }
    }

    /// What an operator can compare, if there is anything.
    pub fn details(&self) -> Option<&Details> {
        match self {
            Self::Detailed(_, details) => Some(details),
            _ => None,
        }
    }

    /// Its code.
    pub const fn code(&self) -> Code {
        match self {
            Self::Policy(error) => policy_code(error),
            Self::TokenArgument | Self::HandleArgument => Code::TokenArgument,
            Self::Token(error) => token_code(error),
            Self::Signature(error) => signature_code(error),
            Self::Claims(error) => claims_code(error),
            Self::Provider(error, _) => provider_code(error),
            Self::NotAsked(error) => match error {
                NotAsked::Absent { .. } => Code::KeyNotFound,
                NotAsked::TooOften(_) => Code::KeyNotAsked,
            },
            Self::Revoked(_) => Code::TokenRevoked,
            Self::Inactive => Code::TokenInactive,
            Self::Introspection(error) => Code::of_call(&error.cause),
            Self::Overloaded => Code::Overloaded,
            Self::Internal(_) => Code::Internal,
            Self::Detailed(refusal, _) => refusal.code(),
        }
    }

    /// How long until another try is worth it, for failures of the provider and of our own capacity.
    pub const fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Provider(_, again) | Self::NotAsked(NotAsked::TooOften(again)) => Some(*again),
            Self::Overloaded => Some(Duration::from_secs(1)),
            Self::Detailed(refusal, _) => refusal.retry_after(),
            _ => None,
        }
    }
}

const fn provider_code(error: &ProviderError) -> Code {
    match error {
        ProviderError::DiscoveryFetch(error) => fetch_code(*error, Code::DiscoveryFetch),
        ProviderError::JwksFetch(error) => fetch_code(*error, Code::JwksFetch),
        ProviderError::Discovery(error) => match error {
            DiscoveryError::Status(_) => Code::DiscoveryFetch,
            DiscoveryError::Url
            | DiscoveryError::Redirect
            | DiscoveryError::Json
            | DiscoveryError::Document
            | DiscoveryError::NoJwksUri
            | DiscoveryError::JwksUri => Code::DiscoveryDocument,
            DiscoveryError::Issuer(_) => Code::DiscoveryIssuer,
        },
        ProviderError::JwksStatus(_) | ProviderError::File(_) => Code::JwksFetch,
        ProviderError::JwksDocument(error) => match error {
            KeySetError::Json | KeySetError::Shape | KeySetError::NoUsableKey(_) => Code::JwksDocument,
        },
        ProviderError::Lost => Code::Internal,
    }
}

impl Code {
    /// The code of a refresh that brought no keys.
    pub const fn of_provider(error: &ProviderError) -> Self {
        provider_code(error)
    }

    /// The code of a failed call to one of the provider's endpoints.
    pub const fn of_call(cause: &Cause) -> Self {
        match cause {
            Cause::Argument(_) | Cause::Elsewhere => Self::PolicyOption,
            Cause::NoMetadata => Self::PolicyIssuer,
            Cause::Metadata(error) => provider_code(error),
            Cause::Late => Self::DiscoveryFetch,
            Cause::NotStrict(_) => Self::DiscoveryDocument,
            Cause::Missing(_) => Self::EndpointMissing,
            Cause::Refused(..) => Self::EndpointRefused,
            Cause::Overloaded => Self::Overloaded,
            Cause::Fetch(error) => fetch_code(*error, Self::EndpointFetch),
            Cause::Redirect(_) | Cause::Status(..) | Cause::Client(..) => Self::EndpointStatus,
            Cause::Unauthorized(_) => Self::EndpointUnauthorized,
            Cause::Answer(_) | Cause::Unproven(_) => Self::EndpointAnswer,
            Cause::KeysLate => Self::JwksFetch,
            Cause::NotSigned => Self::Internal,
            Cause::Subject => Self::UserinfoSubject,
        }
    }
}

const fn fetch_code(error: FetchError, otherwise: Code) -> Code {
    match error {
        FetchError::Client => Code::Internal,
        FetchError::Address => Code::AddressRefused,
        _ => otherwise,
    }
}

const fn policy_code(error: &PolicyError) -> Code {
    match error {
        PolicyError::Issuer => Code::PolicyIssuer,
        PolicyError::Audience => Code::PolicyAudience,
        PolicyError::JwksUri => Code::PolicyJwksUri,
        PolicyError::Scope => Code::PolicyScope,
        PolicyError::Algorithms => Code::PolicyAlgorithms,
        PolicyError::Option { .. } | PolicyError::Unknown { .. } => Code::PolicyOption,
    }
}

const fn token_code(error: &TokenError) -> Code {
    match error {
        TokenError::TooLarge => Code::TokenTooLarge,
        TokenError::Opaque => Code::TokenOpaque,
        TokenError::Parts | TokenError::Header(_) | TokenError::Payload(JsonError::Malformed(_)) => {
            Code::TokenMalformed
        }
        TokenError::Payload(JsonError::NotAnObject) => Code::TokenClaims,
        TokenError::Encrypted => Code::TokenEncrypted,
        TokenError::Algorithm(_) => Code::TokenAlgorithm,
        TokenError::Critical => Code::TokenCritical,
        TokenError::KeyId => Code::TokenKid,
    }
}

const fn signature_code(error: &SignatureError) -> Code {
    match error {
        SignatureError::AlgorithmNotAllowed(_) => Code::TokenAlgorithm,
        SignatureError::KeyIdRequired => Code::TokenKid,
        SignatureError::KeyNotFound => Code::KeyNotFound,
        SignatureError::KeyUnsuitable(_) => Code::KeyUnsuitable,
        SignatureError::Invalid => Code::SignatureInvalid,
        SignatureError::GraphToken => Code::GraphToken,
    }
}

const fn claims_code(error: &ClaimsError) -> Code {
    match error {
        ClaimsError::Malformed(_) => Code::TokenMalformed,
        ClaimsError::NotAnObject | ClaimsError::NotANumber(_) | ClaimsError::Missing(_) => Code::TokenClaims,
        ClaimsError::Expired(_) => Code::TokenExpired,
        ClaimsError::NotYetValid(_) => Code::TokenNotYetValid,
        ClaimsError::TooOld(_) => Code::TokenTooOld,
        ClaimsError::Lifetime(_) => Code::TokenLifetime,
        ClaimsError::IdToken => Code::IdToken,
        ClaimsError::RefreshToken => Code::RefreshToken,
        ClaimsError::SecurityEvent => Code::LogoutToken,
        ClaimsError::UserInfo => Code::UserinfoToken,
        ClaimsError::AuthorizationResponse => Code::AuthorizationResponse,
        ClaimsError::OtherKind(_) | ClaimsError::Type(_) => Code::TokenType,
        ClaimsError::Client(_) => Code::TokenClient,
        ClaimsError::Actor => Code::TokenActor,
        ClaimsError::RoleMissing(_) => Code::RoleMissing,
        ClaimsError::PermissionMissing(_) => Code::PermissionMissing,
        ClaimsError::Audience(_) => Code::TokenAudience,
        ClaimsError::Issuer(_) | ClaimsError::KeyIssuer(_) => Code::TokenIssuer,
        ClaimsError::ScopeMalformed => Code::ScopeMalformed,
        ClaimsError::ScopeMissing(_) => Code::ScopeMissing,
        ClaimsError::Subject => Code::TokenSubject,
        ClaimsError::Bound => Code::TokenBound,
        ClaimsError::Logout(_) => Code::LogoutInvalid,
        ClaimsError::Introspection(_) => Code::EndpointAnswer,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_has_a_name_of_its_own_and_words_to_say() {
        for (place, code) in Code::ALL.iter().enumerate() {
            assert!(code.name().starts_with("ERR_"));
            assert!(code.meaning().ends_with('.') && code.action().ends_with('.'), "{}", code.name());
            assert!(!Code::ALL[..place].iter().any(|other| other.name() == code.name()));
        }
    }
}
