//! Issuer identifiers as LibreChat normalises and compares them.

use crate::whitespace::trim;

const DISCOVERY_SUFFIX: &str = "/.well-known/openid-configuration";

/// `text` without surrounding white space, trailing slashes and one discovery suffix; `None` if nothing is left.
/// Case is kept and nothing is parsed: this is a comparison form, not a URL.
pub fn normalise(text: &str) -> Option<&str> {
    let text = trim(text).trim_end_matches('/');
    let text = text.strip_suffix(DISCOVERY_SUFFIX).unwrap_or(text);
    (!text.is_empty()).then_some(text)
}

/// The issuer a policy trusts: the text as configured, and its normal form.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Issuer {
    configured: Box<str>,
    normal: Box<str>,
}

impl Issuer {
    /// `None` if the normal form is empty.
    pub fn parse(configured: &str) -> Option<Self> {
        let normal = normalise(configured)?.into();
        Some(Self { configured: configured.into(), normal })
    }

    /// Whether an `iss` value is this issuer: equal to the configured text or to its normal form, to the letter
    /// (RFC 7519 4.1.1). The value itself is not normalised: a token has one spelling.
    pub fn accepts(&self, iss: &str) -> bool {
        *iss == *self.configured || *iss == *self.normal
    }

    /// The text as configured.
    pub fn configured(&self) -> &str {
        &self.configured
    }

    /// The normal form.
    pub fn normal(&self) -> &str {
        &self.normal
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accepts_the_configured_text_and_its_normal_form_only() {
        let issuer = Issuer::parse("https://a/").unwrap();
        assert!(issuer.accepts("https://a/") && issuer.accepts("https://a"));
        assert!(!issuer.accepts("https://a//") && !issuer.accepts("HTTPS://a") && !issuer.accepts(""));
        assert!(!Issuer::parse("https://a").unwrap().accepts("https://a/"));
        assert_eq!(Issuer::parse(" / "), None);
    }
}
