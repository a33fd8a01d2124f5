//! Kinds of token that are not access tokens. A provider signs ID tokens, logout tokens, userinfo and authorization
//! responses with the same keys as its access tokens; RFC 8725 3.11 requires that each kind is refused where another is
//! expected.

use super::claims::Claims;
use crate::details::printable;
use crate::json::{Value, read_object};

/// How much of a type's name is shown, in characters.
const MAX_TYPE: usize = 64;

/// What a token is, if it is not an access token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OtherKind {
    /// An ID token (OpenID Connect Core 2): it tells a client who logged in and is meant for that client alone.
    IdToken,
    /// A refresh token (RFC 6749 1.5): it is meant for the provider alone.
    RefreshToken,
    /// A logout token (OpenID Connect Back-Channel Logout 2.4) or another security event (RFC 8417).
    SecurityEvent,
    /// A signed answer of the userinfo endpoint (OpenID Connect Core 5.3.2).
    UserInfo,
    /// An authorization response as a JWT (JARM 2.1).
    AuthorizationResponse,
    /// What else `typ` says, printable and short.
    Other(Box<str>),
}

/// What a `typ` says the token is, if that is no access token. What RFC 8725 3.11 calls an explicit type counts: a media type that
/// ends with `+jwt`, other than RFC 9068's; so do the words by which providers name their refresh and logout tokens. `JWT`, which
/// says nothing, and names nobody registered are left to the policy.
pub fn of_type(typ: &str) -> Option<OtherKind> {
    let name = media_type(typ);
    if let Some(kind) = of_word(name) {
        return Some(kind);
    }
    let ends = |suffix: &str| {
        let from = name.len().checked_sub(suffix.len())?;
        name.get(from..).filter(|end| end.eq_ignore_ascii_case(suffix))
    };
    ends("+jwt").or_else(|| ends("+sd-jwt"))?;
    if name.eq_ignore_ascii_case("at+jwt") {
        return None;
    }
    let is = |known: &str| name.eq_ignore_ascii_case(known);
    if is("logout+jwt") || is("secevent+jwt") {
        return Some(OtherKind::SecurityEvent);
    }
    Some(OtherKind::Other(printable(name, MAX_TYPE)))
}

/// RFC 7515 4.1.9: `application/` may be left out; media types ignore case (RFC 2045 5.1) and may have parameters, which say
/// nothing of the kind.
pub fn media_type(typ: &str) -> &str {
    let prefix = "application/";
    let typ = typ.split(';').next().unwrap_or_default().trim();
    let sub = typ.split_at_checked(prefix.len()).filter(|(start, _)| start.eq_ignore_ascii_case(prefix));
    sub.map_or(typ, |(_, rest)| rest)
}

/// The claims in which providers write what kind of token it is: Keycloak, Cognito, Django's SimpleJWT, Flask's JWT extension, Curity.
const KIND_CLAIMS: [&str; 5] = ["typ", "token_use", "token_type", "type", "purpose"];
const REFRESH: [&str; 4] = ["refresh", "refresh_token", "offline", "offline_token"];
const LOGOUT: [&str; 2] = ["logout", "logout_token"];
const ID: [&str; 2] = ["id", "id_token"];

fn is_among(word: &str, words: &[&str]) -> bool {
    words.iter().any(|known| word.eq_ignore_ascii_case(known))
}

/// What a word says the token is, if that is never an access token.
fn of_word(word: &str) -> Option<OtherKind> {
    if is_among(word, &REFRESH) {
        return Some(OtherKind::RefreshToken);
    }
    is_among(word, &LOGOUT).then_some(OtherKind::SecurityEvent)
}

/// Whether one of the claims that name the kind has one of these words.
fn says(claims: &Claims<'_>, words: &[&str]) -> bool {
    KIND_CLAIMS.iter().any(|name| claims.text(name).is_some_and(|word| is_among(word, words)))
}

/// What the claims say the token is: explicitly, or by a claim that only that kind has. `text` is the payload they were
/// read from.
pub fn of_claims(claims: &Claims<'_>, text: &str) -> Option<OtherKind> {
    let named = named_by_claims(claims);
    if named.is_some() {
        return named;
    }
    // RFC 6749 4.1.2: parameters of an authorization response, which an access token never has together.
    if claims.text("code").is_some() && claims.text("state").is_some() {
        return Some(OtherKind::AuthorizationResponse);
    }
    // An access token has both (RFC 9068 2.2), so that only unusual tokens are read a second time.
    if claims.get("sub").is_some() && claims.get("exp").is_some() { None } else { incomplete(claims, text) }
}

/// What the claims say in so many words that the token is, however few they are.
pub fn named_by_claims(claims: &Claims<'_>) -> Option<OtherKind> {
    let named = KIND_CLAIMS.iter().find_map(|name| of_word(claims.text(name)?));
    let named = named.or_else(|| match claims.text("typ")? {
        typ if is_among(typ, &KEYCLOAKS_OTHERS) => Some(OtherKind::Other(typ.into())),
        typ => of_type(typ),
    });
    let is_event = || claims.get("events").is_some_and(is_events).then_some(OtherKind::SecurityEvent);
    named.or_else(is_event)
}

/// Tokens of Keycloak that are for Keycloak itself: those of registrations, sessions and the links in its mails.
const KEYCLOAKS_OTHERS: [&str; 9] = [
    "Serialized-ID",
    "InitialAccessToken",
    "RegistrationAccessToken",
    "reset-credentials",
    "verify-email",
    "update-email",
    "execute-actions",
    "idp-verify-account-via-email",
    "ORGIVT",
];

/// RFC 8417 2.2: an object whose members are URIs; earlier drafts had a list of them.
fn is_events(events: &Value<'_>) -> bool {
    let is_uri = |item: &Value<'_>| item.as_str().is_some_and(|item| item.contains("://") || item.starts_with("urn:"));
    match events {
        Value::Object(_) => true,
        Value::Array(items) => items.iter().any(is_uri),
        _ => false,
    }
}

/// Claims of the authorization endpoint's answers (RFC 6749 4.1.2, 4.2.2; OpenID Connect Core 3.3.2.5; JARM 2.1).
/// `session_state` is not one of them: it stands beside others, and in Keycloak's access tokens.
const ANSWERS: [&str; 6] = ["code", "state", "error", "access_token", "id_token", "response"];
/// Claims about a person (OpenID Connect Core 5.1).
const PROFILE: [&str; 19] = [
    "name",
    "given_name",
    "family_name",
    "middle_name",
    "nickname",
    "preferred_username",
    "profile",
    "picture",
    "website",
    "email",
    "email_verified",
    "gender",
    "birthdate",
    "zoneinfo",
    "locale",
    "phone_number",
    "phone_number_verified",
    "address",
    "updated_at",
];

/// What a token without `sub` or without `exp` is.
#[cold]
fn incomplete(claims: &Claims<'_>, text: &str) -> Option<OtherKind> {
    if says_access(claims) {
        return None;
    }
    let has_end = claims.get("exp").is_some();
    let (mut is_answer, mut is_profile) = (false, false);
    let wanted = |name: &str| {
        let kinds = (ANSWERS.contains(&name), PROFILE.contains(&name));
        (kinds != (false, false)).then_some(kinds)
    };
    read_object(text, wanted, |(answer, profile), _, value| {
        is_answer |= answer && value.as_str().is_some();
        is_profile |= profile;
    })
    .ok()?;
    if claims.get("sub").is_none() && is_answer {
        return Some(OtherKind::AuthorizationResponse);
    }
    // Clients are given the time of a login; Hydra's userinfo answers have it, with `iat` and `jti`.
    let tells_of_a_person = is_profile || claims.get("auth_time").is_some();
    (!has_end && tells_of_a_person && !grants(claims)).then_some(OtherKind::UserInfo)
}

/// Whether nothing says when the token begins, ends or was made, which one it is, or what it grants: that is how a userinfo answer
/// looks that tells of nobody but the subject, and no access token (RFC 9068 2.2).
pub fn is_bare(claims: &Claims<'_>) -> bool {
    ["exp", "iat", "nbf", "jti"].iter().all(|name| claims.get(name).is_none()) && !grants(claims)
}

/// Whether a claim says to which client the token was issued or what it grants, as only access tokens do.
pub fn grants(claims: &Claims<'_>) -> bool {
    ["scp", "scope", "client_id", "azp"].iter().any(|name| claims.get(name).is_some_and(|value| *value != Value::Null))
        || says_access(claims)
}

fn says_access(claims: &Claims<'_>) -> bool {
    matches!(claims.text("typ"), Some("Bearer" | "DPoP")) || claims.text("token_use") == Some("access")
}

/// Whether the token looks like an ID token: it says so, or has claims that only those have. Like LibreChat, many
/// policies accept one with the right audience.
pub fn looks_like_id_token(claims: &Claims<'_>) -> bool {
    if says(claims, &ID) {
        return true;
    }
    // Older Keycloak versions put `nonce` into access tokens as well.
    if says_access(claims) {
        return false;
    }
    // OpenID Connect Core 2, 3.1.3.6 and 3.3.2.11.
    if ["at_hash", "c_hash", "nonce"].iter().any(|name| claims.get(name).is_some()) {
        return true;
    }
    // It reports a login, was issued to the client that is its audience, and grants nothing.
    let is_for = |client: &str| match claims.get("aud") {
        Some(Value::Array(audiences)) => audiences.iter().any(|audience| audience.as_str() == Some(client)),
        Some(single) => single.as_str() == Some(client),
        None => false,
    };
    let grants_nothing = ["scp", "scope", "client_id"].iter().all(|name| claims.get(name).is_none());
    claims.get("auth_time").is_some() && grants_nothing && claims.text("azp").is_none_or(is_for)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(claims: &str) -> Option<OtherKind> {
        of_claims(&Claims::parse(claims, |_| false).unwrap(), claims)
    }

    fn other(name: &str) -> Option<OtherKind> {
        Some(OtherKind::Other(name.into()))
    }

    #[test]
    fn an_explicit_type_of_another_kind_is_not_taken_for_that_of_an_access_token() {
        for typ in [
            "JWT",
            "jwt",
            "at+jwt",
            "AT+JWT",
            "application/at+jwt",
            "Application/AT+JWT",
            "anything",
            "",
            "+",
            "jwt+x",
            "é+jw",
        ] {
            assert_eq!(of_type(typ), None, "{typ}");
        }
        for typ in ["logout+jwt", "LOGOUT+JWT", "application/logout+jwt", "secevent+jwt", " logout+jwt "] {
            assert_eq!(of_type(typ), Some(OtherKind::SecurityEvent), "{typ}");
        }
        for typ in [
            "dpop+jwt",
            "entity-statement+jwt",
            "oauth-authz-req+jwt",
            "token-introspection+jwt",
            "client-authentication+jwt",
            "kb+jwt",
            "vc+sd-jwt",
            "dc+sd-jwt",
            "okta-internal-at+jwt",
            "xat+jwt",
            "+jwt",
        ] {
            assert_eq!(of_type(typ), other(typ), "{typ}");
            assert_eq!(of_type(&format!("application/{typ}")), other(typ), "{typ}");
        }
        assert_eq!(of_type("DPoP+JWT"), other("DPoP+JWT"));
    }

    #[test]
    fn parameters_of_a_media_type_say_nothing_of_the_kind() {
        assert_eq!(of_type("at+jwt;v=1"), None);
        assert_eq!(of_type(" application/at+jwt ; charset=utf-8"), None);
        assert_eq!(of_type("application/logout+jwt; charset=utf-8"), Some(OtherKind::SecurityEvent));
        assert_eq!(of_type("dpop+jwt;v=1"), other("dpop+jwt"));
        assert_eq!(of_type("Refresh"), Some(OtherKind::RefreshToken));
        assert_eq!(of_type("logout"), Some(OtherKind::SecurityEvent));
    }

    #[test]
    fn a_token_that_says_nothing_of_time_or_grant_is_bare() {
        let bare = |claims: &str| is_bare(&Claims::parse(claims, |_| false).unwrap());
        assert!(bare(r#"{"iss":"i","aud":"a","sub":"u"}"#) && bare(r#"{"scope":null}"#));
        for claim in [r#""exp":1"#, r#""iat":1"#, r#""nbf":1"#, r#""jti":"j""#, r#""scope":"s""#, r#""typ":"Bearer""#] {
            assert!(!bare(&format!("{{{claim}}}")), "{claim}");
        }
    }

    #[test]
    fn tells_what_is_no_access_token_by_its_claims() {
        let whole = r#""sub":"u","exp":1,"#;
        let table = [
            (r#""x":1"#, None),
            (r#""typ":"Bearer""#, None),
            (r#""typ":"DPoP""#, None),
            (r#""typ":"ID""#, None),
            (r#""typ":"JWT""#, None),
            (r#""typ":"at+jwt""#, None),
            (r#""typ":"Refresh""#, Some(OtherKind::RefreshToken)),
            (r#""typ":"Offline""#, Some(OtherKind::RefreshToken)),
            (r#""token_use":"refresh""#, Some(OtherKind::RefreshToken)),
            (r#""typ":"REFRESH""#, Some(OtherKind::RefreshToken)),
            (r#""token_type":"refresh""#, Some(OtherKind::RefreshToken)),
            (r#""type":"refresh""#, Some(OtherKind::RefreshToken)),
            (r#""purpose":"refresh_token""#, Some(OtherKind::RefreshToken)),
            (r#""type":"user","purpose":"api","token_type":"Bearer""#, None),
            (r#""typ":"ORGIVT""#, other("ORGIVT")),
            (r#""typ":"Logout""#, Some(OtherKind::SecurityEvent)),
            (r#""typ":"logout+jwt""#, Some(OtherKind::SecurityEvent)),
            (r#""typ":"Serialized-ID""#, other("Serialized-ID")),
            (r#""typ":"dpop+jwt""#, other("dpop+jwt")),
            (r#""events":{"http://schemas.openid.net/event/backchannel-logout":{}}"#, Some(OtherKind::SecurityEvent)),
            (r#""events":{}"#, Some(OtherKind::SecurityEvent)),
            (r#""events":["http://schemas.openid.net/event/backchannel-logout"]"#, Some(OtherKind::SecurityEvent)),
            (r#""events":["urn:ietf:params:x"]"#, Some(OtherKind::SecurityEvent)),
            (r#""events":["read"]"#, None),
            (r#""events":"read""#, None),
            (r#""code":"c","state":"s""#, Some(OtherKind::AuthorizationResponse)),
            (r#""code":"c""#, None),
            (r#""state":"s""#, None),
            (r#""code":1,"state":"s""#, None),
        ];
        for (claims, expected) in table {
            assert_eq!(kind(&format!("{{{whole}{claims}}}")), expected, "{claims}");
        }
    }

    #[test]
    fn without_subject_or_end_an_answer_of_the_provider_shows() {
        let table = [
            (r#"{"exp":1,"code":"c"}"#, Some(OtherKind::AuthorizationResponse)),
            (r#"{"exp":1,"state":"s","error":"access_denied"}"#, Some(OtherKind::AuthorizationResponse)),
            (r#"{"exp":1,"access_token":"t","scope":"a"}"#, Some(OtherKind::AuthorizationResponse)),
            (r#"{"exp":1,"client_id":"c","scope":"a"}"#, None),
            (r#"{"exp":1,"error":1}"#, None),
            (r#"{"sub":"u","email":"e"}"#, Some(OtherKind::UserInfo)),
            (r#"{"sub":"u","name":"n","iat":1,"jti":"j"}"#, Some(OtherKind::UserInfo)),
            (r#"{"sub":"u","preferred_username":"n","updated_at":1}"#, Some(OtherKind::UserInfo)),
            (r#"{"sub":"u","email":"e","scope":"a"}"#, None),
            (r#"{"sub":"u","email":"e","azp":"c"}"#, None),
            (r#"{"sub":"u","email":"e","typ":"Bearer"}"#, None),
            (r#"{"sub":"u","iat":1,"jti":"j","auth_time":1}"#, Some(OtherKind::UserInfo)),
            (r#"{"exp":1,"typ":"Bearer","session_state":"s","state":"CA"}"#, None),
            (r#"{"exp":1,"session_state":"s","scope":"a"}"#, None),
            (r#"{"sub":"u"}"#, None),
            (r#"{"sub":"u","exp":1,"email":"e"}"#, None),
        ];
        for (claims, expected) in table {
            assert_eq!(kind(claims), expected, "{claims}");
        }
    }

    #[test]
    fn an_id_token_shows_by_what_only_those_have() {
        let table = [
            (r#"{}"#, false),
            (r#"{"typ":"Bearer","nonce":"n"}"#, false),
            (r#"{"token_use":"access","at_hash":"h"}"#, false),
            (r#"{"typ":"ID"}"#, true),
            (r#"{"token_use":"id"}"#, true),
            (r#"{"at_hash":"h"}"#, true),
            (r#"{"nonce":"n"}"#, true),
            (r#"{"auth_time":1,"azp":"c","aud":"c"}"#, true),
            (r#"{"auth_time":1,"azp":"c","aud":["x","c"]}"#, true),
            (r#"{"auth_time":1,"aud":"c"}"#, true),
            (r#"{"auth_time":1,"azp":"c","aud":"api"}"#, false),
            (r#"{"auth_time":1,"azp":"c","aud":"c","scope":"read"}"#, false),
            (r#"{"auth_time":1,"client_id":"c","aud":"c"}"#, false),
            (r#"{"azp":"c","aud":"c"}"#, false),
        ];
        for (claims, expected) in table {
            assert_eq!(looks_like_id_token(&Claims::parse(claims, |_| false).unwrap()), expected, "{claims}");
        }
    }
}
