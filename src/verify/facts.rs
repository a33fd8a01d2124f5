//! Facts that only some callers ask for of claims that were verified: who uses the token (RFC 8693 4.1), how the user was
//! authenticated (OpenID Connect Core 2, RFC 9470), which client, roles and permissions. Read from the verified text by the one strict
//! reader, so that no decision rests on a second one.

use serde_json::{Map, Value as Json, json};

use crate::json::{JsonError, Value};
use crate::policy::grant::ClaimPath;
use crate::token::claims::Claims;
use crate::whitespace::is_blank;

/// Where the facts stand whose place differs from provider to provider. Of several paths the first counts that the claims have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FactPaths {
    /// Roles.
    pub roles: Vec<ClaimPath>,
    /// Permissions.
    pub permissions: Vec<ClaimPath>,
    /// The client. Empty: `azp` and `client_id`, which must not disagree.
    pub client: Vec<ClaimPath>,
}

impl FactPaths {
    fn all(&self) -> impl Iterator<Item = &ClaimPath> {
        self.roles.iter().chain(&self.permissions).chain(&self.client)
    }
}

/// The current actor of a delegated token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Actor<'v> {
    /// `sub`.
    pub subject: Option<&'v str>,
    /// `client_id`.
    pub client: Option<&'v str>,
    /// `iss`, where it is not that of the token itself.
    pub issuer: Option<&'v str>,
}

impl<'v> Actor<'v> {
    /// Reads `act`. `None` if it is no object, names nobody, or has a member of the wrong type among those that name the actor.
    pub fn read(act: &'v Value<'_>, token_issuer: Option<&str>) -> Option<Self> {
        let Value::Object(_) = act else { return None };
        let text = |name| match act.member(name) {
            None => Some(None),
            Some(value) => value.as_str().filter(|text| !is_blank(text)).map(Some),
        };
        let (subject, client, issuer) = (text("sub")?, text("client_id")?, text("iss")?);
        (subject.is_some() || client.is_some()).then_some(Self {
            subject,
            client,
            issuer: issuer.filter(|issuer| Some(*issuer) != token_issuer),
        })
    }

    /// Whether `sub` is one that the token's own issuer has given (RFC 8693 4.1: `iss` and `sub` together name the actor).
    pub const fn is_of_the_tokens_issuer(&self) -> bool {
        self.issuer.is_none()
    }
}

/// The facts, as JSON text. What the claims do not say, or say in the wrong type, is not a member; of `act` a wrong type is
/// `"actor": false`, because a token whose actor cannot be read is not one of the user's own.
///
/// # Errors
/// [`JsonError`] for a text that is not that of verified claims.
pub fn facts(claims: &str, paths: &FactPaths) -> Result<String, JsonError> {
    let claims =
        Claims::parse(claims, |name| matches!(name, "act" | "acr") || paths.all().any(|path| path.starts_with(name)))?;
    let claim = |name: &str| claims.get(name);
    let granted = |paths: &[ClaimPath]| paths.iter().find_map(|path| path.granted(&claim)).unwrap_or_default();
    let client = match paths.client.as_slice() {
        [] => claims.client(),
        named => named.iter().find_map(|path| path.text(&claim)),
    };
    let mut facts = Map::new();
    let mut put = |name: &str, value: Option<Json>| value.map(|value| facts.insert(name.to_owned(), value));
    put("issuer", claims.text("iss").map(Json::from));
    put("clientId", client.map(Json::from));
    put("acr", claims.text("acr").map(Json::from));
    put(
        "authTime",
        match claims.get("auth_time") {
            // OpenID Connect Core 2: a number. Finite, or the reader would have refused it.
            Some(Value::Number(seconds)) => Some(json!(seconds)),
            _ => None,
        },
    );
    put("actor", claims.get("act").map(|act| Actor::read(act, claims.text("iss")).map_or(json!(false), named)));
    put("roles", Some(json!(granted(&paths.roles))));
    put("permissions", Some(json!(granted(&paths.permissions))));
    Ok(Json::Object(facts).to_string())
}

fn named(actor: Actor<'_>) -> Json {
    let members = [("subject", actor.subject), ("clientId", actor.client), ("issuer", actor.issuer)];
    members
        .into_iter()
        .filter_map(|(name, value)| Some((name.to_owned(), Json::from(value?))))
        .collect::<Map<_, _>>()
        .into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn paths() -> FactPaths {
        let dotted = |texts: &[&str]| texts.iter().map(|text| ClaimPath::dotted(text)).collect();
        FactPaths {
            roles: dotted(&["roles", "realm_access.roles"]),
            permissions: dotted(&["permissions"]),
            client: vec![],
        }
    }

    fn read(claims: &str) -> Json {
        serde_json::from_str(&facts(claims, &paths()).unwrap()).unwrap()
    }

    #[test]
    fn reads_each_fact_in_its_own_type_and_no_other() {
        let table = [
            (r#"{}"#, json!({})),
            (
                r#"{"iss":"i","azp":"c","acr":"gold","auth_time":5}"#,
                json!({"issuer":"i","clientId":"c","acr":"gold","authTime":5.0}),
            ),
            (r#"{"iss":1,"azp":["c"],"acr":1,"auth_time":"5"}"#, json!({})),
            (r#"{"acr":["gold"],"auth_time":null}"#, json!({})),
            (r#"{"azp":"a","client_id":"b"}"#, json!({})),
        ];
        for (claims, mut expected) in table {
            expected["roles"] = json!([]);
            expected["permissions"] = json!([]);
            assert_eq!(read(claims), expected, "{claims}");
        }
        assert!(facts(r#"{"acr":"a","acr":"b"}"#, &paths()).is_err());
    }

    #[test]
    fn of_several_places_the_first_counts_that_is_there() {
        let roles = |claims| read(claims)["roles"].clone();
        assert_eq!(roles(r#"{"roles":["a b"],"realm_access":{"roles":["c"]}}"#), json!(["a b"]));
        assert_eq!(roles(r#"{"realm_access":{"roles":["c"]}}"#), json!(["c"]));
        assert_eq!(roles(r#"{"roles":[],"realm_access":{"roles":["c"]}}"#), json!([]));
        let client = FactPaths { client: vec![ClaimPath::dotted("cid")], ..paths() };
        let text = facts(r#"{"cid":"x","azp":"y"}"#, &client).unwrap();
        assert!(text.contains(r#""clientId":"x""#), "{text}");
    }

    #[test]
    fn an_actor_is_an_object_that_names_somebody_or_cannot_be_read() {
        let table = [
            (r#"{"act":{"sub":"a"}}"#, json!({"subject":"a"})),
            (r#"{"act":{"sub":"a","act":{"sub":"b"}}}"#, json!({"subject":"a"})),
            (r#"{"iss":"i","act":{"sub":"a","iss":"i"}}"#, json!({"subject":"a"})),
            (r#"{"iss":"i","act":{"sub":"a","iss":"j"}}"#, json!({"subject":"a","issuer":"j"})),
            (r#"{"act":{"client_id":"c"}}"#, json!({"clientId":"c"})),
            (r#"{"act":{"act":{"sub":"b"}}}"#, json!(false)),
            (r#"{"act":{"sub":""}}"#, json!(false)),
            (r#"{"act":{"sub":1,"client_id":"c"}}"#, json!(false)),
            (r#"{"act":{"sub":"a","iss":["i"]}}"#, json!(false)),
            (r#"{"act":"a"}"#, json!(false)),
            (r#"{"act":null}"#, json!(false)),
            (r#"{"act":[{"sub":"a"}]}"#, json!(false)),
        ];
        for (claims, actor) in table {
            assert_eq!(read(claims)["actor"], actor, "{claims}");
        }
        assert_eq!(read("{}").get("actor"), None);
    }
}
