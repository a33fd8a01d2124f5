//! Claim rules beyond LibreChat's: age, kind of token, client, roles and permissions. Each is off unless the operator
//! sets it.

use super::grant::{ClaimPath, GrantKind, RequiredGrants};
use super::{PolicyError, PolicyOptions, expected};
use crate::whitespace::is_blank;

/// A requirement on a list in the claims, as written.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct GrantOptions {
    /// One of these.
    pub any: Vec<String>,
    /// All of these.
    pub all: Vec<String>,
    /// Where the list stands, if not in the usual place.
    pub claim: Option<ClaimPath>,
}

/// How much the header's `typ` must say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TypeRule {
    /// Nothing: LibreChat does not look at it.
    Off,
    /// `at+jwt`, or nothing more than `JWT`.
    Preferred,
    /// `at+jwt` (RFC 9068 2.1).
    Required,
}

/// Limits that tighten what a token may claim. All off unless asked for.
#[derive(Debug, Clone, PartialEq)]
pub struct ClaimRules {
    /// The most seconds since `iat`.
    pub max_age: Option<f64>,
    /// The most seconds between `iat` and `exp`.
    pub max_lifetime: Option<f64>,
    /// How much `typ` must say.
    pub typ: TypeRule,
    /// The clients accepted; all if `None`.
    pub clients: Option<Vec<String>>,
    /// The actors accepted; all if `None`. An empty list accepts no delegated token.
    pub actors: Option<Vec<String>>,
    /// The claim that names the client; `azp` or `client_id` if `None`.
    pub client_claim: Option<String>,
    /// What `token_use` must be.
    pub token_use: Option<String>,
    /// Whether tokens bound to a key of their holder's are refused.
    pub require_unbound: bool,
    /// Required roles and permissions.
    pub grants: Vec<RequiredGrants>,
}

impl ClaimRules {
    /// No rule at all.
    pub(super) const fn none() -> Self {
        Self {
            max_age: None,
            max_lifetime: None,
            typ: TypeRule::Off,
            clients: None,
            actors: None,
            client_claim: None,
            token_use: None,
            require_unbound: false,
            grants: Vec::new(),
        }
    }

    /// Whether the policy asks for access tokens, by `typ` or by `token_use`.
    pub fn want_access_token(&self) -> bool {
        self.typ != TypeRule::Off || self.token_use.is_some()
    }
}

/// Checks what the options say of the claims.
pub(super) fn claim_rules(options: &PolicyOptions) -> Result<ClaimRules, PolicyError> {
    let seconds = |key, value: Option<f64>| match value {
        Some(seconds) if !(seconds.is_finite() && seconds > 0.0) => Err(PolicyError::option(key, expected::SECONDS)),
        value => Ok(value),
    };
    let typ = match options.typ.as_deref() {
        None | Some("off") => TypeRule::Off,
        Some("preferred") => TypeRule::Preferred,
        Some("required") => TypeRule::Required,
        Some(_) => return Err(PolicyError::option("typ", expected::TYP)),
    };
    if options
        .allowed_clients
        .as_ref()
        .is_some_and(|clients| clients.is_empty() || clients.iter().any(|it| is_blank(it)))
    {
        return Err(PolicyError::option("allowedClients", expected::CLIENTS));
    }
    if options.allowed_actors.iter().flatten().any(|it| is_blank(it)) {
        return Err(PolicyError::option("allowedActors", expected::ACTORS));
    }
    if options.client_claim.as_deref().is_some_and(is_blank) {
        return Err(PolicyError::option("clientClaim", "the name of a claim"));
    }
    if options.token_use.as_deref().is_some_and(is_blank) {
        return Err(PolicyError::option("tokenUse", expected::TOKEN_USE));
    }
    let grants = [
        ("requiredRoles", GrantKind::Role, &options.required_roles, "realm_access.roles"),
        ("requiredAppRoles", GrantKind::Role, &options.required_app_roles, "roles"),
        ("requiredPermissions", GrantKind::Permission, &options.required_permissions, "permissions"),
    ]
    .into_iter()
    .filter_map(|(key, kind, written, usual)| Some(required_grants(key, kind, written.as_ref()?, usual)))
    .collect::<Result<_, _>>()?;
    Ok(ClaimRules {
        max_age: seconds("maxTokenAge", options.max_token_age)?,
        max_lifetime: seconds("maxTokenLifetime", options.max_token_lifetime)?,
        typ,
        clients: options.allowed_clients.clone(),
        actors: options.allowed_actors.clone(),
        client_claim: options.client_claim.clone(),
        token_use: options.token_use.clone(),
        require_unbound: options.require_unbound.unwrap_or_default(),
        grants,
    })
}

fn required_grants(
    key: &str,
    kind: GrantKind,
    written: &GrantOptions,
    usual: &str,
) -> Result<RequiredGrants, PolicyError> {
    let GrantOptions { any, all, claim } = written;
    let path = claim.clone().unwrap_or_else(|| ClaimPath::dotted(usual));
    let mut names = any.iter().chain(all).peekable();
    if names.peek().is_none() || names.any(|name| is_blank(name)) || !path.is_valid() {
        return Err(PolicyError::option(key, expected::GRANTS));
    }
    Ok(RequiredGrants { kind, path, any: any.clone(), all: all.clone() })
}
