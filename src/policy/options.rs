//! A policy's options as written, and their checks.

use super::endpoint::Endpoint;
use super::introspection::IntrospectionOptions;
use super::issuer::{Issuer, Issuers};
use super::source::Origin;
use super::{GrantOptions, KeyOptions, PolicyError, expected};
use crate::algorithm::{Algorithm, AlgorithmSet};
use crate::whitespace::is_blank;

/// The largest clock tolerance, in seconds. A clock that is further off has to be set.
pub const MAX_CLOCK_TOLERANCE: f64 = 300.0;
/// The longest token accepted, in bytes, unless the policy sets another limit. The largest real access tokens are about
/// 8 KiB (Entra with many groups).
pub const MAX_TOKEN_BYTES: usize = 16 * 1024;
/// The smallest and the largest such limit that a policy can set. Node accepts no longer header lines.
pub(super) const TOKEN_CAPS: std::ops::RangeInclusive<f64> = 1024.0..=65536.0;

/// A policy as written. The names are LibreChat's `oidc` block and this package's additions.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct PolicyOptions {
    /// The issuer: a URL, unless the keys come from elsewhere.
    pub issuer: String,
    /// Several issuers of one provider instead, each accepted to the letter. Keys are discovered through the first.
    pub issuers: Vec<String>,
    /// One or more audiences; a token must be for one of them. Empty only where `token_use` and `scope` stand in for it.
    pub audience: Vec<String>,
    /// Where the keys are. Found by discovery if absent or empty.
    pub jwks_uri: Option<String>,
    /// Scopes that must all be granted, separated by spaces.
    pub scope: Option<String>,
    /// Names of the algorithms allowed; LibreChat's nine if absent.
    pub algorithms: Option<Vec<String>>,
    /// Whether `exp` must be there. True if absent.
    pub require_exp: Option<bool>,
    /// Whether `sub` must be there. True if absent.
    pub require_subject: Option<bool>,
    /// Whether the header must name its key. False if absent.
    pub require_kid: Option<bool>,
    /// Seconds by which clocks may differ, 0 to [`MAX_CLOCK_TOLERANCE`]. 0 if absent.
    pub clock_tolerance: Option<f64>,
    /// The claim that holds the e-mail address, before LibreChat's usual three.
    pub email_claim: Option<String>,
    /// The longest token looked at, in bytes. 16 KiB if absent.
    pub max_token_bytes: Option<f64>,
    /// The most seconds that may have passed since `iat`.
    pub max_token_age: Option<f64>,
    /// The most seconds between `iat` and `exp`.
    pub max_token_lifetime: Option<f64>,
    /// `off`, `preferred` or `required`: whether `typ` must say that this is an access token (RFC 9068 2.1).
    pub typ: Option<String>,
    /// Clients whose tokens are accepted, by `azp` or `client_id`. All if absent.
    pub allowed_clients: Option<Vec<String>>,
    /// Actors whose delegated tokens are accepted, by `sub` of `act` (RFC 8693 4.1). All if absent.
    pub allowed_actors: Option<Vec<String>>,
    /// The claim that names the client instead (`cid` of Okta).
    pub client_claim: Option<String>,
    /// What `token_use` must be (Cognito).
    pub token_use: Option<String>,
    /// Whether tokens bound to a key of their holder's (`cnf`) are refused. False if absent.
    pub require_unbound: Option<bool>,
    /// Tenants of a multi-tenant provider whose tokens are accepted.
    pub allowed_tenants: Option<Vec<String>>,
    /// Required roles, by default in `realm_access.roles` (Keycloak).
    pub required_roles: Option<GrantOptions>,
    /// Required app roles, by default in `roles` (Entra ID).
    pub required_app_roles: Option<GrantOptions>,
    /// Required permissions, by default in `permissions` (Auth0).
    pub required_permissions: Option<GrantOptions>,
    /// How the provider is asked about tokens that say nothing themselves. Such are refused if absent.
    pub introspection: Option<IntrospectionOptions>,
    /// Where the keys come from and how, beyond `jwks_uri`.
    pub keys: KeyOptions,
}

impl PolicyOptions {
    /// Whether the provider's metadata say where the keys are.
    fn is_discovered(&self) -> bool {
        self.jwks_uri.as_deref().is_none_or(str::is_empty) && !self.keys.is_local()
    }

    /// The issuers. A URL that is fetched has to pass the rule; an issuer that is only compared is any text (RFC 7519 4.1.1,
    /// `StringOrURI`).
    pub(super) fn issuers(&self) -> Result<Issuers, PolicyError> {
        let parse = |text: &str| match &self.allowed_tenants {
            None => Issuer::parse(text).ok_or(PolicyError::Issuer),
            Some(tenants) => multi_tenant(text, tenants),
        };
        let issuers = if self.issuers.is_empty() {
            Issuers::one(parse(&self.issuer)?)
        } else {
            let all = self.issuers.iter().map(|text| parse(text)).collect::<Result<_, _>>()?;
            Issuers::listed(all).ok_or(PolicyError::Issuer)?
        };
        // A template leads nowhere; the rule on the origin of keys says so.
        let first = issuers.first();
        if self.is_discovered() && !first.is_template() && Endpoint::parse(first.configured()).is_none() {
            return Err(PolicyError::Issuer);
        }
        Ok(issuers)
    }

    /// An audience is required. Cognito's access tokens have no `aud`: there the kind of token and its scopes, which name the
    /// resource server, say for whom a token is.
    pub(super) fn check_audience(&self) -> Result<(), PolicyError> {
        let scopes_say = self.token_use.is_some() && !is_blank(self.scope.as_deref().unwrap_or_default());
        if (self.audience.is_empty() && !scopes_say) || self.audience.iter().any(String::is_empty) {
            return Err(PolicyError::Audience);
        }
        Ok(())
    }

    /// Where the keys are, if the other options on keys do not say.
    pub(super) fn origin(&self, issuer: &Issuer) -> Result<Origin, PolicyError> {
        match self.jwks_uri.as_deref() {
            // Nothing can be found at a URL that has a place for a tenant.
            None | Some("") if issuer.is_template() && !self.keys.is_local() => Err(PolicyError::JwksUri),
            None | Some("") => Ok(Origin::Discovery(issuer.clone())),
            Some(uri) => Endpoint::parse(uri).map(Origin::Jwks).ok_or(PolicyError::JwksUri),
        }
    }

    pub(super) fn algorithms(&self) -> Result<AlgorithmSet, PolicyError> {
        let Some(names) = &self.algorithms else { return Ok(AlgorithmSet::LIBRECHAT) };
        let set: Option<AlgorithmSet> = names.iter().map(|name| Algorithm::from_name(name)).collect();
        set.filter(|set| !set.is_empty()).ok_or(PolicyError::Algorithms)
    }

    pub(super) fn clock_tolerance(&self) -> Result<f64, PolicyError> {
        let seconds = self.clock_tolerance.unwrap_or_default();
        if (0.0..=MAX_CLOCK_TOLERANCE).contains(&seconds) {
            Ok(seconds)
        } else {
            Err(PolicyError::option("clockTolerance", expected::CLOCK_TOLERANCE))
        }
    }

    pub(super) fn max_token_bytes(&self) -> Result<usize, PolicyError> {
        match self.max_token_bytes {
            None => Ok(MAX_TOKEN_BYTES),
            // In range, so that nothing is lost.
            #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
            Some(bytes) if TOKEN_CAPS.contains(&bytes) => Ok(bytes as usize),
            Some(_) => Err(PolicyError::option("maxTokenBytes", expected::MAX_TOKEN_BYTES)),
        }
    }
}

fn multi_tenant(issuer: &str, tenants: &[String]) -> Result<Issuer, PolicyError> {
    let wrong = |tenant: &String| is_blank(tenant) || tenant.contains(['/', '{', '}']);
    if tenants.is_empty() || tenants.iter().any(wrong) {
        return Err(PolicyError::option("allowedTenants", expected::TENANTS));
    }
    Issuer::parse_multi_tenant(issuer, tenants)
        .ok_or_else(|| PolicyError::option("allowedTenants", "left out unless the issuer is one of several tenants"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::Policy;

    fn options() -> PolicyOptions {
        PolicyOptions {
            issuer: "https://idp.example/".to_owned(),
            audience: vec!["api".to_owned()],
            ..PolicyOptions::default()
        }
    }

    #[test]
    fn names_the_option_that_is_wrong() {
        let table: [(PolicyOptions, PolicyError); 12] = [
            (PolicyOptions { issuer: String::new(), ..options() }, PolicyError::Issuer),
            (PolicyOptions { issuer: "http://idp.example".into(), ..options() }, PolicyError::Issuer),
            (
                PolicyOptions { issuer: " / ".into(), jwks_uri: Some("https://a/k".into()), ..options() },
                PolicyError::Issuer,
            ),
            (PolicyOptions { issuers: vec!["http://a".into(), "https://b".into()], ..options() }, PolicyError::Issuer),
            (PolicyOptions { issuers: vec!["https://b".into(), String::new()], ..options() }, PolicyError::Issuer),
            (PolicyOptions { audience: vec![], ..options() }, PolicyError::Audience),
            (PolicyOptions { audience: vec![String::new()], ..options() }, PolicyError::Audience),
            (PolicyOptions { jwks_uri: Some("http://idp.example".into()), ..options() }, PolicyError::JwksUri),
            (PolicyOptions { jwks_uri: Some("  ".into()), ..options() }, PolicyError::JwksUri),
            (PolicyOptions { algorithms: Some(vec![]), ..options() }, PolicyError::Algorithms),
            (PolicyOptions { algorithms: Some(vec!["HS256".into()]), ..options() }, PolicyError::Algorithms),
            (
                PolicyOptions { algorithms: Some(vec!["RS256".into(), "none".into()]), ..options() },
                PolicyError::Algorithms,
            ),
        ];
        for (options, error) in table {
            assert_eq!(Policy::parse(options).unwrap_err(), error);
        }
        for tolerance in [-1.0, 300.5, f64::NAN, f64::INFINITY] {
            let options = PolicyOptions { clock_tolerance: Some(tolerance), ..options() };
            assert!(matches!(Policy::parse(options), Err(PolicyError::Option { key, .. }) if key == "clockTolerance"));
        }
    }

    #[test]
    fn names_the_rule_that_is_wrong() {
        let none = GrantOptions::default();
        let table = [
            (PolicyOptions { max_token_bytes: Some(1023.0), ..options() }, "maxTokenBytes"),
            (PolicyOptions { max_token_bytes: Some(1e9), ..options() }, "maxTokenBytes"),
            (PolicyOptions { max_token_bytes: Some(f64::NAN), ..options() }, "maxTokenBytes"),
            (PolicyOptions { max_token_age: Some(0.0), ..options() }, "maxTokenAge"),
            (PolicyOptions { max_token_age: Some(f64::NAN), ..options() }, "maxTokenAge"),
            (PolicyOptions { max_token_lifetime: Some(-1.0), ..options() }, "maxTokenLifetime"),
            (PolicyOptions { typ: Some("on".into()), ..options() }, "typ"),
            (PolicyOptions { allowed_clients: Some(vec![]), ..options() }, "allowedClients"),
            (PolicyOptions { allowed_clients: Some(vec![" ".into()]), ..options() }, "allowedClients"),
            (PolicyOptions { allowed_actors: Some(vec![String::new()]), ..options() }, "allowedActors"),
            (PolicyOptions { client_claim: Some(String::new()), ..options() }, "clientClaim"),
            (PolicyOptions { token_use: Some(String::new()), ..options() }, "tokenUse"),
            (PolicyOptions { allowed_tenants: Some(vec![]), ..options() }, "allowedTenants"),
            (PolicyOptions { allowed_tenants: Some(vec!["a/b".into()]), ..options() }, "allowedTenants"),
            (PolicyOptions { allowed_tenants: Some(vec!["t".into()]), ..options() }, "allowedTenants"),
            (PolicyOptions { required_roles: Some(none.clone()), ..options() }, "requiredRoles"),
            (PolicyOptions { required_permissions: Some(none), ..options() }, "requiredPermissions"),
        ];
        for (options, name) in table {
            let error = Policy::parse(options).unwrap_err();
            assert!(matches!(&error, PolicyError::Option { key, .. } if key == name), "{name}: {error:?}");
        }
        let template = PolicyOptions {
            issuer: "https://idp.example/{tenantid}/v2.0".into(),
            allowed_tenants: Some(vec!["t".into()]),
            ..options()
        };
        assert_eq!(Policy::parse(template).unwrap_err(), PolicyError::JwksUri);
    }

    #[test]
    fn only_token_use_and_scope_together_stand_in_for_an_audience() {
        let without = |token_use: Option<&str>, scope: Option<&str>| {
            let (token_use, scope) = (token_use.map(str::to_owned), scope.map(str::to_owned));
            Policy::parse(PolicyOptions { audience: vec![], token_use, scope, ..options() }).map(|_| ())
        };
        assert_eq!(without(Some("access"), Some("api/read")), Ok(()));
        for (token_use, scope) in [(None, None), (Some("access"), None), (None, Some("a")), (Some("access"), Some(" "))]
        {
            assert_eq!(without(token_use, scope), Err(PolicyError::Audience), "{token_use:?} {scope:?}");
        }
    }

    #[test]
    fn an_issuer_that_is_only_compared_need_not_be_a_url_that_may_be_fetched() {
        let jwks = || Some(r#"{"keys":[{"kty":"EC"}]}"#.to_owned());
        for issuer in ["http://host/adfs/services/trust", "http://idp.example", "urn:x", "accounts"] {
            let options = || PolicyOptions { issuer: issuer.to_owned(), ..options() };
            assert_eq!(Policy::parse(options()).unwrap_err(), PolicyError::Issuer);
            let elsewhere = [
                PolicyOptions { jwks_uri: Some("https://idp.example/jwks".into()), ..options() },
                PolicyOptions { keys: KeyOptions { jwks: jwks(), ..KeyOptions::default() }, ..options() },
                PolicyOptions {
                    keys: KeyOptions { jwks_file: Some("/f".into()), ..KeyOptions::default() },
                    ..options()
                },
            ];
            for options in elsewhere {
                assert_eq!(Policy::parse(options).unwrap().issuers().place_of(issuer, None), Some(0), "{issuer}");
            }
        }
        let list = vec!["https://a.example/".to_owned(), "http://b".to_owned()];
        let policy = Policy::parse(PolicyOptions { issuers: list, ..options() }).unwrap();
        assert!(
            matches!(policy.source().origin(), Origin::Discovery(issuer) if issuer.normal() == "https://a.example")
        );
    }

    #[test]
    fn an_empty_jwks_uri_means_discovery() {
        let policy = Policy::parse(PolicyOptions { jwks_uri: Some(String::new()), ..options() }).unwrap();
        assert!(
            matches!(policy.source().origin(), Origin::Discovery(issuer) if issuer.normal() == "https://idp.example")
        );
    }
}
