//! The e-mail address to look a user up by, and the claim it comes from.

use super::claims::Claims;
use crate::json::Value;

impl Claims<'_> {
    /// Where the e-mail address comes from: the configured claim, else the first usable of `email`,
    /// `preferred_username` and `upn`.
    pub fn email_candidate(&self, email_claim: Option<&str>) -> EmailCandidate<'_> {
        let usable = |name: &str| self.text(name).filter(|text| !text.is_empty());
        let problem = match email_claim.map(|name| (usable(name), self.get(name))) {
            None => None,
            Some((Some(address), _)) => {
                return EmailCandidate { address: Some(address), source: Some(EmailSource::Configured), problem: None };
            }
            Some((None, None | Some(Value::Null))) => Some("absent"),
            Some((None, Some(other))) => Some(other.type_name()),
        };
        let found = EmailSource::STANDARD.into_iter().find_map(|source| Some((usable(source.name())?, source)));
        EmailCandidate { address: found.map(|(address, _)| address), source: found.map(|(_, source)| source), problem }
    }
}

/// An e-mail address to look a user up by, and what was wrong with the claim the operator named for it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct EmailCandidate<'a> {
    /// Not empty.
    pub address: Option<&'a str>,
    /// Where the address was found.
    pub source: Option<EmailSource>,
    /// `absent`, or what JavaScript's `typeof` says of what was there instead of a text.
    pub problem: Option<&'static str>,
}

impl std::fmt::Debug for EmailCandidate<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("EmailCandidate")
            .field("source", &self.source)
            .field("problem", &self.problem)
            .finish_non_exhaustive()
    }
}

/// The claim an e-mail address was taken from. Of the standard claims only `email` is an address (OpenID Connect Core
/// 5.1); `preferred_username` and `upn` are names that a user may be free to choose.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EmailSource {
    /// The claim the operator names.
    Configured,
    /// `email`, whatever `email_verified` says of it.
    Email,
    /// `preferred_username`, which "the RP MUST NOT rely upon being unique" (OpenID Connect Core 5.1).
    PreferredUsername,
    /// Microsoft's user principal name.
    Upn,
}

impl EmailSource {
    /// The standard claims, in the order in which they are tried when the operator's claim has no address.
    const STANDARD: [Self; 3] = [Self::Email, Self::PreferredUsername, Self::Upn];

    /// Its name in JavaScript.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Configured => "configured",
            Self::Email => "email",
            Self::PreferredUsername => "preferred_username",
            Self::Upn => "upn",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prints_no_address() {
        let candidate = EmailCandidate { address: Some("ada@b.c"), source: Some(EmailSource::Email), problem: None };
        assert!(!format!("{candidate:?}").contains("ada"));
    }

    #[test]
    fn chooses_the_email_as_librechat_does() {
        let candidate = |claims: &str, name: Option<&str>| {
            let claims = Claims::parse(claims, |it| name == Some(it)).unwrap();
            let EmailCandidate { address, problem, .. } = claims.email_candidate(name);
            (address.map(str::to_owned), problem)
        };
        let a = Some("a".to_owned());
        assert_eq!(candidate(r#"{"email":"a","upn":"b"}"#, None), (a.clone(), None));
        assert_eq!(candidate(r#"{"email":"","preferred_username":"a"}"#, None), (a.clone(), None));
        assert_eq!(candidate(r#"{"email":1,"upn":"a"}"#, None), (a.clone(), None));
        assert_eq!(candidate("{}", None), (None, None));
        assert_eq!(candidate(r#"{"mail":"a","email":"b"}"#, Some("mail")), (a.clone(), None));
        assert_eq!(candidate(r#"{"email":"a"}"#, Some("email")), (a.clone(), None));
        for (value, problem) in
            [("null", "absent"), ("\"\"", "string"), ("[]", "object"), ("{}", "object"), ("0", "number")]
        {
            let claims = format!(r#"{{"mail":{value},"email":"a"}}"#);
            assert_eq!(candidate(&claims, Some("mail")), (a.clone(), Some(problem)), "{value}");
        }
        assert_eq!(candidate(r#"{"mail":{"x":"b"},"email":"a"}"#, Some("mail.x")), (a, Some("absent")));
    }

    #[test]
    fn tells_where_the_email_was_found() {
        use EmailSource::{Configured, Email, PreferredUsername, Upn};
        let source = |claims: &str, name: Option<&str>| {
            Claims::parse(claims, |it| name == Some(it)).unwrap().email_candidate(name).source
        };
        let table = [
            (r#"{}"#, None, None),
            (r#"{"email":"a","preferred_username":"b"}"#, None, Some(Email)),
            (r#"{"email":"","preferred_username":"b"}"#, None, Some(PreferredUsername)),
            (r#"{"email":null,"preferred_username":7,"upn":"b"}"#, None, Some(Upn)),
            (r#"{"email":"a","upn":"b"}"#, Some("upn"), Some(Configured)),
            (r#"{"email":"a"}"#, Some("email"), Some(Configured)),
            // A configured claim that is absent does not make another claim the configured one.
            (r#"{"preferred_username":"b"}"#, Some("email"), Some(PreferredUsername)),
            (r#"{"email":"","preferred_username":"b"}"#, Some("email"), Some(PreferredUsername)),
            (r#"{"preferred_username":"b"}"#, Some("upn"), Some(PreferredUsername)),
            (r#"{"email":"a"}"#, Some("mail"), Some(Email)),
        ];
        for (claims, name, expected) in table {
            assert_eq!(source(claims, name), expected, "{claims} {name:?}");
        }
    }
}
