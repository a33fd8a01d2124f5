//! Errors in a policy's options, in words for the operator.

use std::borrow::Cow;

/// Why options are not a policy. The text names the key and what was expected.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs)]
pub enum PolicyError {
    #[error(
        "`issuer` must be an https URL (or http to localhost), or a list that begins with one; with `jwksUri`, `jwks` or \
         `jwksFile` any text, or a list"
    )]
    Issuer,
    #[error("`audience` must be a non-empty string or a list of them")]
    Audience,
    #[error("`jwksUri` must be an https URL (or http to localhost)")]
    JwksUri,
    #[error("`scope` must be a string of scopes separated by spaces")]
    Scope,
    #[error(
        "`algorithms` must be a list of names out of RS, PS, ES with 256, 384, 512, EdDSA, and ML-DSA-44, -65, -87"
    )]
    Algorithms,
    /// Another option: its name and what was expected.
    #[error("`{key}` must be {expected}")]
    Option { key: String, expected: Cow<'static, str> },
    /// An option nobody knows.
    #[error("`{key}` is not an option{}", hint(*.nearest))]
    Unknown { key: String, nearest: Option<&'static str> },
}

/// More edits than that are no misspelling: another name would be a wrong hint.
const MOST_EDITS: usize = 2;

impl PolicyError {
    /// The error for the option `key`, which is not what was expected.
    pub fn option(key: &str, expected: impl Into<Cow<'static, str>>) -> Self {
        Self::Option { key: key.to_owned(), expected: expected.into() }
    }

    /// The error for an option that is not among `known`.
    pub fn unknown(key: String, known: &[&'static str]) -> Self {
        let near = known.iter().map(|name| (distance(&key, name), *name)).filter(|(edits, _)| *edits <= MOST_EDITS);
        let nearest = near.min_by_key(|(edits, _)| *edits).map(|(_, name)| name);
        Self::Unknown { key, nearest }
    }
}

fn hint(nearest: Option<&str>) -> String {
    nearest.map_or_else(String::new, |name| format!("; the nearest one is `{name}`"))
}

/// The Levenshtein distance without regard to case: how many letters one must change to get from one name to the other.
fn distance(from: &str, to: &str) -> usize {
    let to: Vec<char> = to.to_lowercase().chars().collect();
    let mut row: Vec<usize> = (0..=to.len()).collect();
    // Option names are short; a longer text is no misspelling of one.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_the_nearest_option_within_two_edits() {
        for (key, nearest) in [
            ("audiance", Some("audience")),
            ("jwksuri", Some("jwksUri")),
            ("Issuer", Some("issuer")),
            ("isuer1", Some("issuer")),
            ("", None),
            ("clients", None),
        ] {
            let error = PolicyError::unknown(key.to_owned(), &["issuer", "audience", "jwksUri", "scope"]);
            assert_eq!(error, PolicyError::Unknown { key: key.to_owned(), nearest });
        }
    }
}
