//! The claims rules look at (RFC 7519 4.1, RFC 9068 2.2), read once from the payload's text.

use crate::json::{JsonError, Value, read_object};
use crate::whitespace;

/// The members of a claims set that rules look at, untyped as they came. `None` is an absent member.
#[derive(Debug, Default)]
#[allow(missing_docs)]
pub struct Claims<'a> {
    pub iss: Option<Value<'a>>,
    pub aud: Option<Value<'a>>,
    pub exp: Option<Value<'a>>,
    pub nbf: Option<Value<'a>>,
    pub sub: Option<Value<'a>>,
    pub scp: Option<Value<'a>>,
    pub scope: Option<Value<'a>>,
    pub oid: Option<Value<'a>>,
    pub email: Option<Value<'a>>,
    pub preferred_username: Option<Value<'a>>,
    pub upn: Option<Value<'a>>,
    pub email_verified: Option<Value<'a>>,
    /// The claim the operator named as the e-mail address, if the policy names one.
    pub configured_email: Option<Value<'a>>,
}

const REGISTERED: [&str; 12] =
    ["iss", "aud", "exp", "nbf", "sub", "scp", "scope", "oid", "email", "preferred_username", "upn", "email_verified"];

impl<'a> Claims<'a> {
    /// Reads a payload. `email_claim` is the name of the claim the operator takes e-mail addresses from.
    ///
    /// # Errors
    /// [`JsonError`] when the text is not one JSON object with unique members.
    pub fn parse(text: &'a str, email_claim: Option<&str>) -> Result<Self, JsonError> {
        let mut claims = Self::default();
        let wanted = |name: &str| REGISTERED.contains(&name) || email_claim == Some(name);
        read_object(text, wanted, |name, value| {
            if email_claim == Some(name) {
                claims.configured_email = Some(value.clone());
            }
            let member = match name {
                "iss" => &mut claims.iss,
                "aud" => &mut claims.aud,
                "exp" => &mut claims.exp,
                "nbf" => &mut claims.nbf,
                "sub" => &mut claims.sub,
                "scp" => &mut claims.scp,
                "scope" => &mut claims.scope,
                "oid" => &mut claims.oid,
                "email" => &mut claims.email,
                "preferred_username" => &mut claims.preferred_username,
                "upn" => &mut claims.upn,
                "email_verified" => &mut claims.email_verified,
                _ => return,
            };
            *member = Some(value);
        })?;
        Ok(claims)
    }

    /// The scopes granted: `scp` unless it is absent or null, else `scope`; a string is split at white space, an array
    /// item by item. `Err` when the claim that counts is of any other shape.
    pub fn scopes(&self) -> Result<Vec<String>, MalformedScope> {
        let present = |value: &&Value<'_>| **value != Value::Null;
        let mut scopes = Vec::new();
        match self.scp.as_ref().filter(present).or(self.scope.as_ref()) {
            // LibreChat takes `false` for no scope at all, and any other type for an error.
            None | Some(Value::Null | Value::Bool(false)) => {}
            Some(Value::String(text)) => scopes.extend(whitespace::words(text).map(str::to_owned)),
            Some(Value::Array(items)) => {
                for item in items {
                    let text = item.as_str().ok_or(MalformedScope)?;
                    scopes.extend(whitespace::words(text).map(str::to_owned));
                }
            }
            Some(_) => return Err(MalformedScope),
        }
        Ok(scopes)
    }

    /// The subject as it stands, if it is a string that is not blank.
    pub fn subject(&self) -> Option<&str> {
        self.sub.as_ref()?.as_str().filter(|subject| !whitespace::is_blank(subject))
    }

    /// Where the e-mail address comes from: the configured claim, else the first usable of `email`,
    /// `preferred_username` and `upn`.
    pub fn email_candidate(&self, email_claim: Option<&str>) -> EmailCandidate<'_> {
        let text = |value: &'_ Option<Value<'a>>| -> bool {
            value.as_ref().and_then(Value::as_str).is_some_and(|text| !text.is_empty())
        };
        let problem = match (email_claim, &self.configured_email) {
            (None, _) => None,
            (Some(_), claim) if text(claim) => {
                let address = claim.as_ref().and_then(Value::as_str);
                return EmailCandidate { address, problem: None };
            }
            (Some(_), None | Some(Value::Null)) => Some("absent"),
            (Some(_), Some(other)) => Some(other.type_name()),
        };
        let address = [&self.email, &self.preferred_username, &self.upn]
            .into_iter()
            .find(|value| text(value))
            .and_then(|value| value.as_ref()?.as_str());
        EmailCandidate { address, problem }
    }
}

/// The scope claim is neither a string nor an array of strings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MalformedScope;

/// An e-mail address to look a user up by, and what was wrong with the claim the operator named for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EmailCandidate<'a> {
    /// Not empty.
    pub address: Option<&'a str>,
    /// `absent`, or what JavaScript's `typeof` says of what was there instead of a text.
    pub problem: Option<&'static str>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scopes(claims: &str) -> Result<Vec<String>, MalformedScope> {
        Claims::parse(claims, None).unwrap().scopes()
    }

    #[test]
    fn reads_scp_before_scope() {
        let table: [(&str, &[&str]); 8] = [
            (r#"{}"#, &[]),
            (r#"{"scope":"a b"}"#, &["a", "b"]),
            (r#"{"scp":"a","scope":"b"}"#, &["a"]),
            (r#"{"scp":null,"scope":"b"}"#, &["b"]),
            (r#"{"scp":"","scope":"b"}"#, &[]),
            (r#"{"scp":[],"scope":"b"}"#, &[]),
            (r#"{"scp":["a b","c"]}"#, &["a", "b", "c"]),
            ("{\"scope\":\"a\u{a0}b\u{85}c,d\"}", &["a", "b\u{85}c,d"]),
        ];
        for (claims, expected) in table {
            assert_eq!(scopes(claims).unwrap(), expected, "{claims}");
        }
        for claims in [r#"{"scope":1}"#, r#"{"scp":true}"#, r#"{"scp":{}}"#, r#"{"scp":["a",1]}"#, r#"{"scp":[null]}"#]
        {
            assert_eq!(scopes(claims), Err(MalformedScope), "{claims}");
        }
    }

    #[test]
    fn chooses_the_email_as_librechat_does() {
        let candidate = |claims: &str, name: Option<&str>| {
            let claims = Claims::parse(claims, name).unwrap();
            let EmailCandidate { address, problem } = claims.email_candidate(name);
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
}
