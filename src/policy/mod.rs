//! The operator's policy: options as written, parsed once into a [`Policy`] that is then trusted.

pub mod client_key;
pub mod endpoint;
mod error;
pub mod expected;
pub mod grant;
pub mod introspection;
pub mod issuer;
pub mod lifetimes;
mod options;
pub mod rules;
pub mod source;
pub mod transport;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::algorithm::AlgorithmSet;
use crate::scope::RequiredScopes;
use crate::whitespace::is_blank;
use introspection::Introspection;
use issuer::Issuers;

pub use error::PolicyError;
pub use lifetimes::Lifetimes;
pub use options::{MAX_CLOCK_TOLERANCE, MAX_TOKEN_BYTES, PolicyOptions};
pub use rules::{ClaimRules, GrantOptions, TypeRule};
pub use source::{KeyOptions, KeySource};
pub use transport::ProxyOptions;

/// The identity of one parsed policy: parsing equal options again gives another one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct PolicyId(u64);

impl PolicyId {
    fn next() -> Self {
        static LAST: AtomicU64 = AtomicU64::new(0);
        Self(LAST.fetch_add(1, Ordering::Relaxed))
    }
}

/// A policy whose options were checked. Its fields cannot be changed afterwards.
#[derive(Debug, Clone)]
pub struct Policy {
    id: PolicyId,
    issuers: Issuers,
    audience: Vec<String>,
    source: Arc<KeySource>,
    lifetimes: Lifetimes,
    scope: RequiredScopes,
    algorithms: AlgorithmSet,
    require_exp: bool,
    require_subject: bool,
    require_kid: bool,
    clock_tolerance: f64,
    email_claim: Option<String>,
    max_token_bytes: usize,
    rules: ClaimRules,
    introspection: Option<Introspection>,
    expects: Expected,
}

/// Which kind of token a policy is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expected {
    /// Every policy an operator writes.
    AccessToken,
    /// OpenID Connect Back-Channel Logout 1.0, 2.4. No such policy ever leaves the verifier, so that nobody is let in by one.
    LogoutToken,
    /// RFC 9701 5: what an introspection endpoint answers, signed. The same holds of these policies.
    IntrospectionAnswer,
}

impl Policy {
    /// Checks `options`.
    ///
    /// # Errors
    /// [`PolicyError`] names the first option that is wrong.
    pub fn parse(mut options: PolicyOptions) -> Result<Self, PolicyError> {
        let rules = rules::claim_rules(&options)?;
        let issuers = options.issuers()?;
        options.check_audience()?;
        let origin = options.origin(issuers.first())?;
        let lifetimes = options.keys.lifetimes()?;
        let has_certificate = options.keys.client_certificate.is_some();
        let introspection = options.introspection.take().map(|it| it.check(issuers.first(), has_certificate));
        let introspection = introspection.transpose()?;
        let source = std::mem::take(&mut options.keys).source(origin)?;
        Ok(Self {
            id: PolicyId::next(),
            issuers,
            source: Arc::new(source),
            lifetimes,
            scope: RequiredScopes::parse(options.scope.as_deref().unwrap_or_default()),
            algorithms: options.algorithms()?,
            require_exp: options.require_exp.unwrap_or(true),
            require_subject: options.require_subject.unwrap_or(true),
            require_kid: options.require_kid.unwrap_or(false),
            clock_tolerance: options.clock_tolerance()?,
            max_token_bytes: options.max_token_bytes()?,
            audience: options.audience,
            email_claim: options.email_claim.filter(|name| !is_blank(name)),
            rules,
            introspection,
            expects: Expected::AccessToken,
        })
    }

    /// A policy for the logout tokens of the same issuers and audiences, signed by the same keys.
    #[must_use]
    pub fn for_logout(&self) -> Self {
        Self { id: PolicyId::next(), expects: Expected::LogoutToken, introspection: None, ..self.clone() }
    }

    /// A policy for the signed answers of the same issuers' introspection endpoint to the client that asks (RFC 9701 5). Nothing that access
    /// tokens must satisfy is asked of the answer itself: that is asked of the object in it.
    #[must_use]
    pub fn for_introspection_answer(&self, client_id: &str) -> Self {
        // The RFC's own example names the resource server by its audience, and providers do by its client id.
        let audience = std::iter::once(client_id.to_owned()).chain(self.audience.iter().cloned()).collect();
        Self {
            id: PolicyId::next(),
            expects: Expected::IntrospectionAnswer,
            introspection: None,
            audience,
            scope: RequiredScopes::parse(""),
            require_exp: false,
            require_subject: false,
            email_claim: None,
            rules: ClaimRules::none(),
            ..self.clone()
        }
    }

    /// How the provider is asked about tokens, if it is.
    pub const fn introspection(&self) -> Option<&Introspection> {
        self.introspection.as_ref()
    }

    /// Which kind of token is expected.
    pub const fn expects(&self) -> Expected {
        self.expects
    }

    /// Which policy this is.
    pub const fn id(&self) -> PolicyId {
        self.id
    }

    /// The issuers whose tokens are accepted.
    pub const fn issuers(&self) -> &Issuers {
        &self.issuers
    }

    /// Whether `aud` is checked. If not, `token_use` and the scopes take its place.
    pub const fn has_audience(&self) -> bool {
        !self.audience.is_empty()
    }

    /// Whether a token for `audience` is for us: exact comparison (RFC 7519 4.1.3).
    pub fn accepts_audience(&self, audience: &str) -> bool {
        self.audience.iter().any(|known| known == audience)
    }

    /// The audiences of ours.
    pub fn audiences(&self) -> impl Iterator<Item = &str> {
        self.audience.iter().map(String::as_str)
    }

    /// Where the keys come from.
    pub const fn source(&self) -> &Arc<KeySource> {
        &self.source
    }

    /// How long those keys may live.
    pub const fn lifetimes(&self) -> Lifetimes {
        self.lifetimes
    }

    /// The scopes that must all be granted.
    pub const fn scope(&self) -> &RequiredScopes {
        &self.scope
    }

    /// The algorithms allowed.
    pub const fn algorithms(&self) -> AlgorithmSet {
        self.algorithms
    }

    /// Whether `exp` must be there.
    pub const fn require_exp(&self) -> bool {
        self.require_exp
    }

    /// Whether `sub` must be there.
    pub const fn require_subject(&self) -> bool {
        self.require_subject
    }

    /// Whether the header must name its key.
    pub const fn require_kid(&self) -> bool {
        self.require_kid
    }

    /// Seconds by which clocks may differ.
    pub const fn clock_tolerance(&self) -> f64 {
        self.clock_tolerance
    }

    /// The claim that holds the e-mail address, if one is named.
    pub fn email_claim(&self) -> Option<&str> {
        self.email_claim.as_deref()
    }

    /// The longest token looked at, in bytes.
    pub const fn max_token_bytes(&self) -> usize {
        self.max_token_bytes
    }

    /// What else the claims must satisfy.
    pub const fn rules(&self) -> &ClaimRules {
        &self.rules
    }

    /// Whether some rule of this policy alone looks at the top-level claim `name`.
    pub fn looks_at(&self, name: &str) -> bool {
        self.email_claim() == Some(name)
            || (name == "act" && self.rules.actors.is_some())
            || self.rules.client_claim.as_deref() == Some(name)
            || self.rules.grants.iter().any(|grants| grants.path.starts_with(name))
    }
}
