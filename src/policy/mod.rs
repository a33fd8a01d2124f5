//! What the operator wants: options as written, parsed once into a [`Policy`] that is then trusted.

pub mod endpoint;
pub mod issuer;

use std::sync::Arc;

use crate::algorithm::{Algorithm, AlgorithmSet};
use crate::scope::RequiredScopes;
use crate::whitespace::is_blank;
use endpoint::Endpoint;
use issuer::Issuer;

/// The largest clock tolerance, in seconds. Machines that differ by more have no clock to speak of.
pub const MAX_CLOCK_TOLERANCE: f64 = 300.0;

/// A policy as written. The names are LibreChat's `oidc` block and this package's additions.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct PolicyOptions {
    /// The issuer: a URL.
    pub issuer: String,
    /// One or more audiences; a token must be for one of them.
    pub audience: Vec<String>,
    /// Where the keys are. Found by discovery if absent or empty.
    pub jwks_uri: Option<String>,
    /// Scopes that must all be granted, separated by spaces.
    pub scope: Option<String>,
    /// Names of the algorithms allowed; LibreChat's nine if absent.
    pub algorithms: Option<Vec<String>>,
    /// Whether `exp` must be there. True if absent.
    pub require_exp: Option<bool>,
    /// Whether the header must name its key. False if absent.
    pub require_kid: Option<bool>,
    /// Seconds by which clocks may differ, 0 to [`MAX_CLOCK_TOLERANCE`]. 0 if absent.
    pub clock_tolerance: Option<f64>,
    /// The claim that holds the e-mail address, before LibreChat's usual three.
    pub email_claim: Option<String>,
}

/// Why options are not a policy. The text names the key and what was expected.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs)]
pub enum PolicyError {
    #[error("`issuer` must be an https URL (or http to localhost)")]
    Issuer,
    #[error("`audience` must be a non-empty string or a list of them")]
    Audience,
    #[error("`jwksUri` must be an https URL (or http to localhost)")]
    JwksUri,
    #[error("`scope` must be a string of scopes separated by spaces")]
    Scope,
    #[error("`algorithms` must be a list of names out of RS, PS, ES with 256, 384, 512, and EdDSA")]
    Algorithms,
    /// Another option: its name and what was expected.
    #[error("`{key}` must be {expected}")]
    Option { key: String, expected: &'static str },
    /// An option nobody knows.
    #[error("`{key}` is not an option; the nearest one is `{nearest}`")]
    Unknown { key: String, nearest: &'static str },
    /// A setting where there are none.
    #[error("`{key}` is not a setting")]
    NotASetting { key: String },
}

impl PolicyError {
    /// The error for an option that is not among `known`.
    pub fn unknown(key: String, known: &[&'static str]) -> Self {
        let nearest = known.iter().min_by_key(|name| distance(&key, name)).copied().unwrap_or_default();
        Self::Unknown { key, nearest }
    }
}

/// The Levenshtein distance without regard to case: how many letters one must change to get from one name to the other.
fn distance(from: &str, to: &str) -> usize {
    let to: Vec<char> = to.to_lowercase().chars().collect();
    let mut row: Vec<usize> = (0..=to.len()).collect();
    // Option names are short; a longer text is no typing error worth measuring.
    for (place, letter) in from.to_lowercase().chars().take(64).enumerate() {
        let mut left = place.saturating_add(1);
        let mut next = vec![left];
        for (other, pair) in to.iter().zip(row.windows(2)) {
            let &[diagonal, above] = pair else { break };
            let replaced = diagonal.saturating_add(usize::from(*other != letter));
            left = replaced.min(above.saturating_add(1)).min(left.saturating_add(1));
            next.push(left);
        }
        row = next;
    }
    row.last().copied().unwrap_or_default()
}

/// Where the keys come from. Equal sources share one slot of the key store, so this holds everything that decides which
/// answer may be believed.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum KeySource {
    /// A JWK Set at this URL.
    Jwks(Endpoint),
    /// Found through the metadata of this issuer (OpenID Connect Discovery 4, RFC 8414 3).
    Discovery(Issuer),
}

/// A policy that was checked. Its fields cannot be changed: what was checked is what is used.
#[derive(Debug, Clone, PartialEq)]
pub struct Policy {
    issuer: Issuer,
    audience: Vec<String>,
    source: Arc<KeySource>,
    scope: RequiredScopes,
    algorithms: AlgorithmSet,
    require_exp: bool,
    require_kid: bool,
    clock_tolerance: f64,
    email_claim: Option<String>,
}

impl Policy {
    /// Checks `options`.
    ///
    /// # Errors
    /// [`PolicyError`] names the first option that is wrong.
    pub fn parse(options: PolicyOptions) -> Result<Self, PolicyError> {
        let PolicyOptions { issuer, audience, jwks_uri, scope, algorithms, .. } = options;
        Endpoint::parse(&issuer).ok_or(PolicyError::Issuer)?;
        let issuer = Issuer::parse(&issuer).ok_or(PolicyError::Issuer)?;
        if audience.is_empty() || audience.iter().any(String::is_empty) {
            return Err(PolicyError::Audience);
        }
        let source = match jwks_uri.as_deref() {
            None | Some("") => KeySource::Discovery(issuer.clone()),
            Some(uri) => KeySource::Jwks(Endpoint::parse(uri).ok_or(PolicyError::JwksUri)?),
        };
        let algorithms = match algorithms {
            None => AlgorithmSet::LIBRECHAT,
            Some(names) => names
                .iter()
                .map(|name| Algorithm::from_name(name))
                .collect::<Option<AlgorithmSet>>()
                .filter(|set| !set.is_empty())
                .ok_or(PolicyError::Algorithms)?,
        };
        let clock_tolerance = options.clock_tolerance.unwrap_or_default();
        if !(0.0..=MAX_CLOCK_TOLERANCE).contains(&clock_tolerance) {
            return Err(PolicyError::Option {
                key: "clockTolerance".to_owned(),
                expected: "a number of seconds from 0 to 300",
            });
        }
        Ok(Self {
            issuer,
            audience,
            source: Arc::new(source),
            scope: RequiredScopes::parse(scope.as_deref().unwrap_or_default()),
            algorithms,
            require_exp: options.require_exp.unwrap_or(true),
            require_kid: options.require_kid.unwrap_or(false),
            clock_tolerance,
            email_claim: options.email_claim.filter(|name| !is_blank(name)),
        })
    }

    /// The issuer whose tokens are accepted.
    pub const fn issuer(&self) -> &Issuer {
        &self.issuer
    }

    /// Whether a token for `audience` is for us: exact comparison (RFC 7519 4.1.3).
    pub fn accepts_audience(&self, audience: &str) -> bool {
        self.audience.iter().any(|known| known == audience)
    }

    /// Where the keys come from.
    pub const fn source(&self) -> &Arc<KeySource> {
        &self.source
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
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options() -> PolicyOptions {
        PolicyOptions {
            issuer: "https://idp.example/".to_owned(),
            audience: vec!["api".to_owned()],
            ..PolicyOptions::default()
        }
    }

    #[test]
    fn names_the_option_that_is_wrong() {
        let table: [(PolicyOptions, PolicyError); 9] = [
            (PolicyOptions { issuer: String::new(), ..options() }, PolicyError::Issuer),
            (PolicyOptions { issuer: "http://idp.example".into(), ..options() }, PolicyError::Issuer),
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
    fn names_the_nearest_option() {
        for (key, nearest) in [("audiance", "audience"), ("jwksuri", "jwksUri"), ("Issuer", "issuer"), ("", "scope")] {
            let error = PolicyError::unknown(key.to_owned(), &["issuer", "audience", "jwksUri", "scope"]);
            assert_eq!(error, PolicyError::Unknown { key: key.to_owned(), nearest });
        }
    }

    #[test]
    fn an_empty_jwks_uri_means_discovery() {
        let policy = Policy::parse(PolicyOptions { jwks_uri: Some(String::new()), ..options() }).unwrap();
        assert!(matches!(&**policy.source(), KeySource::Discovery(issuer) if issuer.normal() == "https://idp.example"));
    }
}
