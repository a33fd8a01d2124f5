//! The claims rules look at (RFC 7519 4.1, RFC 9068 2.2), read once from the payload's text.

use std::borrow::Cow;

use crate::json::{JsonError, Value, read_object};
use crate::whitespace;

/// The claims that some rule of every policy looks at.
#[derive(Debug, Clone, Copy)]
#[rustfmt::skip]
enum Registered {
    Iss, Aud, Exp, Nbf, Iat, Sub, Scp, Scope, Oid, Tid, Azp, ClientId, Email, PreferredUsername, Upn, EmailVerified,
    TokenUse, Typ, TokenType, Type, Purpose, AtHash, CHash, Nonce, AuthTime, Events, Code, State, Jti,
    Sid, Cnf,
}

impl Registered {
    const COUNT: usize = 31;

    /// Matches bytes, which the compiler distinguishes by length and letter; strings it would compare one after the
    /// other.
    #[inline]
    fn from_name(name: &str) -> Option<Self> {
        Some(match name.as_bytes() {
            b"iss" => Self::Iss,
            b"aud" => Self::Aud,
            b"exp" => Self::Exp,
            b"nbf" => Self::Nbf,
            b"iat" => Self::Iat,
            b"sub" => Self::Sub,
            b"scp" => Self::Scp,
            b"scope" => Self::Scope,
            b"oid" => Self::Oid,
            b"tid" => Self::Tid,
            b"azp" => Self::Azp,
            b"client_id" => Self::ClientId,
            b"email" => Self::Email,
            b"preferred_username" => Self::PreferredUsername,
            b"upn" => Self::Upn,
            b"email_verified" => Self::EmailVerified,
            b"token_use" => Self::TokenUse,
            b"typ" => Self::Typ,
            b"token_type" => Self::TokenType,
            b"type" => Self::Type,
            b"purpose" => Self::Purpose,
            b"at_hash" => Self::AtHash,
            b"c_hash" => Self::CHash,
            b"nonce" => Self::Nonce,
            b"auth_time" => Self::AuthTime,
            b"events" => Self::Events,
            b"code" => Self::Code,
            b"state" => Self::State,
            b"jti" => Self::Jti,
            b"sid" => Self::Sid,
            b"cnf" => Self::Cnf,
            _ => return None,
        })
    }
}

/// The members of a claims set that rules look at, untyped as they came.
#[derive(Default)]
pub struct Claims<'a> {
    registered: [Option<Value<'a>>; Registered::COUNT],
    others: Vec<(Cow<'a, str>, Value<'a>)>,
}

impl std::fmt::Debug for Claims<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Neither subject nor address is ever printed.
        f.debug_struct("Claims").finish_non_exhaustive()
    }
}

impl<'a> Claims<'a> {
    /// Reads a payload. `also` names claims that only this policy looks at.
    ///
    /// # Errors
    /// [`JsonError`] when the text is not one JSON object with unique members.
    pub fn parse(text: &'a str, also: impl Fn(&str) -> bool) -> Result<Self, JsonError> {
        let mut claims = Self::default();
        let wanted = |name: &str| match Registered::from_name(name) {
            Some(registered) => Some(Some(registered)),
            None => also(name).then_some(None),
        };
        read_object(text, wanted, |registered, name, value| match registered {
            Some(registered) => {
                if let Some(place) = claims.registered.get_mut(registered as usize) {
                    *place = Some(value);
                }
            }
            None => claims.others.push((name, value)),
        })?;
        Ok(claims)
    }

    /// A top-level claim, if it is there and was asked for.
    #[inline]
    pub fn get(&self, name: &str) -> Option<&Value<'a>> {
        match Registered::from_name(name) {
            Some(registered) => self.registered.get(registered as usize)?.as_ref(),
            None => self.others.iter().find(|(known, _)| known == name).map(|(_, value)| value),
        }
    }

    /// A top-level claim that is a string.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.get(name)?.as_str()
    }

    /// The scopes granted, as words of one string: `scp` unless it is absent or null, else `scope`; a string as it is,
    /// an array's items joined. `Err` when the claim that counts has any other type.
    pub fn scopes(&self) -> Result<Cow<'_, str>, MalformedScope> {
        match self.get("scp").filter(|value| **value != Value::Null).or_else(|| self.get("scope")) {
            // As in LibreChat, a value that is falsy in JavaScript counts as no scope, and any other type is an error.
            None | Some(Value::Null | Value::Bool(false)) => Ok(Cow::Borrowed("")),
            Some(Value::Number(number)) if *number == 0.0 => Ok(Cow::Borrowed("")),
            Some(Value::String(text)) => Ok(Cow::Borrowed(text)),
            Some(Value::Array(items)) => match items.as_slice() {
                [] => Ok(Cow::Borrowed("")),
                [only] => only.as_str().map(Cow::Borrowed).ok_or(MalformedScope),
                several => {
                    let texts: Option<Vec<&str>> = several.iter().map(Value::as_str).collect();
                    texts.map(|texts| Cow::Owned(texts.join(" "))).ok_or(MalformedScope)
                }
            },
            Some(_) => Err(MalformedScope),
        }
    }

    /// The subject as it stands, if it is a string that is not blank.
    pub fn subject(&self) -> Option<&str> {
        self.text("sub").filter(|subject| !whitespace::is_blank(subject))
    }

    /// The client the token was issued to: `azp` (OpenID Connect Core 2) or `client_id` (RFC 9068 2.2). None if neither
    /// is there or they disagree.
    pub fn client(&self) -> Option<&str> {
        match (self.text("azp"), self.text("client_id")) {
            (Some(azp), Some(client_id)) if azp != client_id => None,
            (azp, client_id) => azp.or(client_id),
        }
    }

    /// Whether the token is bound to a key of its holder's: by DPoP (RFC 9449 6.1) or by a client certificate (RFC 8705 3.1).
    pub fn is_bound(&self) -> bool {
        self.get("cnf").is_some_and(|cnf| ["jkt", "x5t#S256"].iter().any(|name| cnf.member(name).is_some()))
    }

    /// Whether the e-mail address is verified: `None` if the claim is absent or null. Some providers write the flag as
    /// a string.
    pub fn email_verified(&self) -> Option<bool> {
        match self.get("email_verified") {
            None | Some(Value::Null) => None,
            Some(Value::Bool(flag)) => Some(*flag),
            Some(Value::String(text)) => Some(*text == "true"),
            // Any other value does not say that it is verified.
            Some(_) => Some(false),
        }
    }
}

/// The scope claim is neither a string nor an array of strings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MalformedScope;

#[cfg(test)]
mod tests {
    use super::*;

    fn scopes(claims: &str) -> Result<Vec<String>, MalformedScope> {
        let claims = Claims::parse(claims, |_| false).unwrap();
        claims.scopes().map(|scopes| whitespace::words(&scopes).map(str::to_owned).collect())
    }

    #[test]
    fn prints_no_claim() {
        let printed = format!("{:?}", Claims::parse(r#"{"sub":"ada","email":"ada@b.c","x":"ada"}"#, |_| true).unwrap());
        assert!(!printed.contains("ada"), "{printed}");
    }

    #[test]
    fn reads_scp_before_scope() {
        let table: [(&str, &[&str]); 12] = [
            (r#"{}"#, &[]),
            (r#"{"scope":"a b"}"#, &["a", "b"]),
            (r#"{"scp":"a","scope":"b"}"#, &["a"]),
            (r#"{"scp":null,"scope":"b"}"#, &["b"]),
            (r#"{"scp":"","scope":"b"}"#, &[]),
            (r#"{"scp":[],"scope":"b"}"#, &[]),
            (r#"{"scp":false,"scope":"b"}"#, &[]),
            (r#"{"scp":0,"scope":"b"}"#, &[]),
            (r#"{"scp":-0.0,"scope":"b"}"#, &[]),
            (r#"{"scope":0e9}"#, &[]),
            (r#"{"scp":["a b","c"]}"#, &["a", "b", "c"]),
            ("{\"scope\":\"a\u{a0}b\u{85}c,d\"}", &["a", "b\u{85}c,d"]),
        ];
        for (claims, expected) in table {
            assert_eq!(scopes(claims).unwrap(), expected, "{claims}");
        }
        for claims in [
            r#"{"scope":1}"#,
            r#"{"scp":true}"#,
            r#"{"scp":{}}"#,
            r#"{"scp":["a",1]}"#,
            r#"{"scp":[null]}"#,
            r#"{"scp":[0]}"#,
            r#"{"scp":1e-9}"#,
        ] {
            assert_eq!(scopes(claims), Err(MalformedScope), "{claims}");
        }
    }

    #[test]
    fn an_address_is_verified_only_where_exactly_that_is_said() {
        let verified = |value: &str| {
            let claims = format!(r#"{{"email_verified":{value}}}"#);
            Claims::parse(&claims, |_| false).unwrap().email_verified()
        };
        assert_eq!(Claims::parse("{}", |_| false).unwrap().email_verified(), None);
        assert_eq!(verified("null"), None);
        for yes in ["true", "\"true\""] {
            assert_eq!(verified(yes), Some(true), "{yes}");
        }
        for no in [
            "false",
            "0",
            "1",
            "\"false\"",
            "\"TRUE\"",
            "\"True\"",
            "\" true\"",
            "\"1\"",
            "\"yes\"",
            "\"\"",
            "[]",
            "[true]",
            "{}",
        ] {
            assert_eq!(verified(no), Some(false), "{no}");
        }
    }

    #[test]
    fn a_token_is_bound_where_it_names_a_key_of_its_holders() {
        let bound = |claims: &str| Claims::parse(claims, |_| false).unwrap().is_bound();
        for claims in [r#"{"cnf":{"jkt":"t"}}"#, r#"{"cnf":{"x5t#S256":"t"}}"#, r#"{"cnf":{"kid":"k","jkt":1}}"#] {
            assert!(bound(claims), "{claims}");
        }
        for claims in
            ["{}", r#"{"cnf":null}"#, r#"{"cnf":{}}"#, r#"{"cnf":"jkt"}"#, r#"{"cnf":["jkt"]}"#, r#"{"jkt":"t"}"#]
        {
            assert!(!bound(claims), "{claims}");
        }
    }

    #[test]
    fn names_the_client_only_if_there_is_one() {
        let client = |claims: &str| Claims::parse(claims, |_| false).unwrap().client().map(str::to_owned);
        assert_eq!(client(r#"{"azp":"a"}"#).as_deref(), Some("a"));
        assert_eq!(client(r#"{"client_id":"a"}"#).as_deref(), Some("a"));
        assert_eq!(client(r#"{"azp":"a","client_id":"a"}"#).as_deref(), Some("a"));
        assert_eq!(client(r#"{"azp":"a","client_id":"b"}"#), None);
        assert_eq!(client(r#"{"azp":["a"]}"#), None);
    }
}
