//! The claims rules look at (RFC 7519 4.1, RFC 9068 2.2), read once from the payload's text.

use std::borrow::Cow;

use crate::json::{JsonError, Value, read_object};
use crate::whitespace;

/// The claims that some rule of every policy looks at.
#[derive(Debug, Clone, Copy)]
#[rustfmt::skip]
enum Registered {
    Iss, Aud, Exp, Nbf, Iat, Sub, Scp, Scope, Oid, Tid, Azp, ClientId, Email, PreferredUsername, Upn, EmailVerified,
    TokenUse, Typ, AtHash, Nonce,
}

impl Registered {
    const COUNT: usize = 20;

    /// Of bytes, which the compiler tells apart by length and letter; texts it would compare one after the other.
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
            b"at_hash" => Self::AtHash,
            b"nonce" => Self::Nonce,
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

/// What a token is, when it says that it is no access token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OtherKind {
    /// An ID token (OpenID Connect Core 2): it tells a client who logged in and is for nobody else.
    IdToken,
    /// A refresh token (RFC 6749 1.5): it is for the provider alone.
    RefreshToken,
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

    /// The scopes granted, as words of one text: `scp` unless it is absent or null, else `scope`; a string is taken as it
    /// stands, an array's items are put together. `Err` when the claim that counts is of any other shape.
    pub fn scopes(&self) -> Result<Cow<'_, str>, MalformedScope> {
        match self.get("scp").filter(|value| **value != Value::Null).or_else(|| self.get("scope")) {
            // LibreChat takes `false` for no scope at all, and any other type for an error.
            None | Some(Value::Null | Value::Bool(false)) => Ok(Cow::Borrowed("")),
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

    /// What the claims betray about a token that is no access token.
    pub fn other_kind(&self) -> Option<OtherKind> {
        match (self.text("typ"), self.text("token_use")) {
            // Keycloak's `typ` claim, Cognito's `token_use`.
            (Some("ID"), _) | (_, Some("id")) => Some(OtherKind::IdToken),
            (Some("Refresh" | "Offline"), _) | (_, Some("refresh")) => Some(OtherKind::RefreshToken),
            // Older Keycloak versions put `nonce` into access tokens as well.
            (Some("Bearer"), _) | (_, Some("access")) => None,
            // Only ID tokens carry them (OpenID Connect Core 2 and 3.1.3.6).
            _ if self.get("at_hash").is_some() || self.get("nonce").is_some() => Some(OtherKind::IdToken),
            _ => None,
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
    fn tells_what_is_no_access_token() {
        let table = [
            (r#"{}"#, None),
            (r#"{"typ":"Bearer","nonce":"n"}"#, None),
            (r#"{"token_use":"access","at_hash":"h"}"#, None),
            (r#"{"typ":"ID"}"#, Some(OtherKind::IdToken)),
            (r#"{"token_use":"id"}"#, Some(OtherKind::IdToken)),
            (r#"{"at_hash":"h"}"#, Some(OtherKind::IdToken)),
            (r#"{"nonce":"n"}"#, Some(OtherKind::IdToken)),
            (r#"{"typ":"Refresh"}"#, Some(OtherKind::RefreshToken)),
            (r#"{"typ":"Offline"}"#, Some(OtherKind::RefreshToken)),
            (r#"{"token_use":"refresh"}"#, Some(OtherKind::RefreshToken)),
        ];
        for (claims, kind) in table {
            assert_eq!(Claims::parse(claims, |_| false).unwrap().other_kind(), kind, "{claims}");
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
