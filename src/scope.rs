//! Scopes (RFC 6749 3.3) as LibreChat reads them.

use crate::whitespace::words;

/// The scopes an operator requires: all of them must be granted. Never empty words, no duplicates.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RequiredScopes(Vec<String>);

impl RequiredScopes {
    /// Reads a space-separated list; blank means that nothing is required. Commas do not separate.
    pub fn parse(list: &str) -> Self {
        let mut scopes: Vec<String> = Vec::new();
        for word in words(list) {
            if !scopes.iter().any(|known| known == word) {
                scopes.push(word.to_owned());
            }
        }
        Self(scopes)
    }

    /// Whether nothing is required.
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The first required scope that is not among the words of `granted`. Comparison is exact and case-sensitive.
    pub fn first_missing(&self, granted: &str) -> Option<&str> {
        self.0.iter().map(String::as_str).find(|required| !words(granted).any(|scope| scope == *required))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requires_every_scope_and_splits_only_at_white_space() {
        let required = RequiredScopes::parse(" a\u{a0}b  a ");
        assert_eq!(required.first_missing("b a"), None);
        assert_eq!(required.first_missing("a"), Some("b"));
        assert_eq!(required.first_missing("A b"), Some("a"));
        assert_eq!(RequiredScopes::parse("a,b").first_missing("a b"), Some("a,b"));
        assert_eq!(RequiredScopes::parse(" \u{feff}").first_missing(""), None);
    }
}
