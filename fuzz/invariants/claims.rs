//! A claims set (RFC 7519 4), from the payload's JSON text, under several policies at several moments.

use std::sync::LazyLock;

use remote_agent_auth::json::{JsonError, JsonFault, Value};
use remote_agent_auth::policy::grant::ClaimPath;
use remote_agent_auth::policy::{GrantOptions, Policy, PolicyOptions};
use remote_agent_auth::time::UnixSeconds;
use remote_agent_auth::verify::{self, ClaimsError, SignedToken};
use remote_agent_auth::whitespace::{is_blank, words};

use super::provider;
use super::reading::{self, Members};

const ISSUER: &str = "https://idp.example/realm";
const NOW: f64 = 1_800_000_000.0;
const JWKS: &str = "https://idp.example/jwks";

/// A policy, and what it asks for in plain words.
struct Asked {
    policy: Policy,
    audience: Option<&'static str>,
    /// Each token's issuer, where the tenants let in have each their own.
    tenants: &'static [&'static str],
    scopes: &'static [&'static str],
    require_exp: bool,
    tolerance: f64,
    max_age: Option<f64>,
    max_lifetime: Option<f64>,
    access_tokens_only: bool,
    token_use: Option<&'static str>,
    client: Option<&'static str>,
    role: Option<&'static str>,
    permissions: &'static [&'static str],
    email_claim: Option<&'static str>,
}

static ASKED: LazyLock<[Asked; 4]> = LazyLock::new(|| [plain(), tight(), without_audience(), of_tenants()]);

fn options(issuer: &str, audience: &[&str]) -> PolicyOptions {
    PolicyOptions {
        issuer: issuer.to_owned(),
        audience: audience.iter().map(|&name| name.to_owned()).collect(),
        jwks_uri: Some(JWKS.to_owned()),
        ..PolicyOptions::default()
    }
}

fn plain() -> Asked {
    Asked {
        policy: provider::policy(options(ISSUER, &["api"])),
        audience: Some("api"),
        tenants: &[],
        scopes: &[],
        require_exp: true,
        tolerance: 0.0,
        max_age: None,
        max_lifetime: None,
        access_tokens_only: false,
        token_use: None,
        client: None,
        role: None,
        permissions: &[],
        email_claim: None,
    }
}

/// Every rule that looks at a claim.
fn tight() -> Asked {
    let names = |all: &[&str]| all.iter().map(|&name| name.to_owned()).collect();
    let policy = provider::policy(PolicyOptions {
        scope: Some("read write".to_owned()),
        clock_tolerance: Some(5.0),
        email_claim: Some("mail".to_owned()),
        max_token_age: Some(3600.0),
        max_token_lifetime: Some(7200.0),
        typ: Some("required".to_owned()),
        allowed_clients: Some(vec!["agent".to_owned()]),
        required_roles: Some(GrantOptions { any: names(&["admin"]), ..GrantOptions::default() }),
        required_permissions: Some(GrantOptions {
            all: names(&["a", "b"]),
            claim: Some(ClaimPath::of_names(&["https://x.example/permissions"])),
            ..GrantOptions::default()
        }),
        ..options(ISSUER, &["api"])
    });
    Asked {
        policy,
        scopes: &["read", "write"],
        tolerance: 5.0,
        max_age: Some(3600.0),
        max_lifetime: Some(7200.0),
        access_tokens_only: true,
        client: Some("agent"),
        role: Some("admin"),
        permissions: &["a", "b"],
        email_claim: Some("mail"),
        ..plain()
    }
}

/// As Cognito's tokens are.
fn without_audience() -> Asked {
    let policy = provider::policy(PolicyOptions {
        scope: Some("read".to_owned()),
        token_use: Some("access".to_owned()),
        require_exp: Some(false),
        ..options(ISSUER, &[])
    });
    Asked {
        policy,
        audience: None,
        scopes: &["read"],
        require_exp: false,
        access_tokens_only: true,
        token_use: Some("access"),
        ..plain()
    }
}

fn of_tenants() -> Asked {
    let policy = provider::policy(PolicyOptions {
        allowed_tenants: Some(vec!["t1".to_owned(), "t2".to_owned()]),
        ..options("https://idp.example/{tenantid}/v2.0", &["api"])
    });
    Asked { policy, tenants: &["t1", "t2"], ..plain() }
}

/// The two readings agree; a policy accepts a claims set exactly if it is what the policy asks for, at any time; the same
/// question has the same answer, whether the claims are checked or what was found in them is kept; and what is handed out is what
/// stands in the claims.
pub fn holds(input: &[u8]) -> bool {
    let members =
        std::str::from_utf8(input).map_err(|_| JsonError::Malformed(JsonFault::NotUtf8)).and_then(reading::agreed);
    let members = match members {
        Ok(members) => members,
        Err(error) => {
            assert_refused(input, error);
            return false;
        }
    };
    let token = provider::token(input);
    let sign = || verify::check_signature(&token, &provider::KEYS, &ASKED[0].policy).unwrap();
    let (signed, mut accepted) = (sign(), false);
    for asked in ASKED.iter() {
        for now in moments(&members) {
            accepted |= check_at(&signed, asked, &members, now);
        }
    }
    accepted
}

fn assert_refused(input: &[u8], error: JsonError) {
    let expected = match error {
        JsonError::Malformed(fault) => ClaimsError::Malformed(fault),
        JsonError::NotAnObject => ClaimsError::NotAnObject,
    };
    let now = UnixSeconds::new(NOW).unwrap();
    let said = verify::untrusted_plausible(&provider::token(input), &ASKED[0].policy, now);
    assert_eq!(said, Err(expected));
}

/// Now, and about where the claims begin and cease to hold.
fn moments(members: &Members<'_>) -> Vec<f64> {
    let times = ["nbf", "exp"].into_iter().filter_map(|name| match member(members, name) {
        Some(Value::Number(seconds)) => Some([seconds - 1.0, *seconds]),
        _ => None,
    });
    std::iter::once(NOW).chain(times.flatten()).collect()
}

fn check_at(signed: &SignedToken, asked: &Asked, members: &Members<'_>, now: f64) -> bool {
    let moment = UnixSeconds::new(now).unwrap();
    let check = || verify::check_claims(signed.clone(), &asked.policy, moment);
    let plausible = verify::untrusted_plausible(signed.token(), &asked.policy, moment);
    let expected = accepts(asked, members, now.floor());
    // What was found in accepted claims is kept: the second answer comes from there.
    for _ in 0..2 {
        let verified = match check() {
            Err(error) => {
                assert!(!expected, "{members:?} at {now}: {error}");
                // What the unverified claims rule out is refused for the same reason.
                assert!(plausible.is_ok() || plausible == Err(error));
                return false;
            }
            Ok(verified) => verified,
        };
        assert!(expected && plausible.is_ok(), "{members:?} at {now}");
        let (from, until) = verified.holds();
        assert!(from <= now.floor() && now.floor() < until);
        let text = |name: &str| member(members, name).and_then(Value::as_str);
        assert_eq!(Some(verified.claims()), signed.token().untrusted_payload());
        assert_eq!(Some(verified.subject()), text("sub"));
        assert_eq!(verified.oid(), text("oid").filter(|oid| !oid.is_empty()));
        assert_eq!(
            verified.scopes().collect::<Vec<_>>(),
            words(&scopes(members).unwrap_or_default()).collect::<Vec<_>>()
        );
        assert_eq!(verified.expires_at(), number(members, "exp").unwrap());
        assert_eq!(verified.email(), email(asked, members));
        assert_eq!(
            verified.email_problem().is_some(),
            asked.email_claim.is_some_and(|name| address(members, name).is_none())
        );
        assert_eq!(verified.email_verified(), is_verified(members));
    }
    true
}

/// What is said of the address: the flag, the same as text, or something that is no word for it.
fn is_verified(members: &Members<'_>) -> Option<bool> {
    let flag = member(members, "email_verified").filter(|flag| **flag != Value::Null)?;
    Some(*flag == Value::Bool(true) || flag.as_str() == Some("true"))
}

fn member<'m, 'a>(members: &'m Members<'a>, name: &str) -> Option<&'m Value<'a>> {
    members.iter().find(|(known, _)| known == name).map(|(_, value)| value)
}

/// A number or nothing; `None` if it is something else.
fn number(members: &Members<'_>, name: &str) -> Option<Option<f64>> {
    match member(members, name) {
        None => Some(None),
        Some(Value::Number(number)) => Some(Some(*number)),
        Some(_) => None,
    }
}

/// The scopes as one text; `None` if they are no such thing.
fn scopes(members: &Members<'_>) -> Option<String> {
    let claim = match member(members, "scp") {
        None | Some(Value::Null) => member(members, "scope"),
        scp => scp,
    };
    match claim {
        None | Some(Value::Null | Value::Bool(false)) => Some(String::new()),
        Some(Value::Number(number)) if *number == 0.0 => Some(String::new()),
        Some(Value::String(text)) => Some(text.to_string()),
        Some(Value::Array(items)) => Some(items.iter().map(Value::as_str).collect::<Option<Vec<_>>>()?.join(" ")),
        Some(_) => None,
    }
}

/// An address that may be one.
fn address<'m>(members: &'m Members<'_>, name: &str) -> Option<&'m str> {
    text(members, name).filter(|address| !address.is_empty())
}

/// The address to look a user up by; of several tenants none is believed.
fn email<'m>(asked: &Asked, members: &'m Members<'_>) -> Option<&'m str> {
    let names = asked.email_claim.into_iter().chain(["email", "preferred_username", "upn"]);
    let found = names.map(|name| address(members, name)).find(Option::is_some)?;
    found.filter(|_| asked.tenants.is_empty())
}

/// What the policy asks for, rule by rule and in no order: all of it must be there.
fn accepts(asked: &Asked, members: &Members<'_>, now: f64) -> bool {
    is_timely(asked, members, now) == Some(true)
        && is_for_us(asked, members)
        && is_of_the_issuer(asked, members)
        && !is_never_one(members)
        && (!asked.access_tokens_only || !is_id_token(members))
        && is_granted(asked, members)
        && text(members, "sub").is_some_and(|subject| !is_blank(subject))
}

/// `None` where a time is something else than a number.
fn is_timely(asked: &Asked, members: &Members<'_>, now: f64) -> Option<bool> {
    let (nbf, exp) = (number(members, "nbf")?, number(members, "exp")?);
    let begun = |time: f64| now >= time - asked.tolerance;
    let within = nbf.is_none_or(begun) && exp.map_or(!asked.require_exp, |exp| now < exp + asked.tolerance);
    if asked.max_age.is_none() && asked.max_lifetime.is_none() {
        return Some(within);
    }
    let iat = number(members, "iat")??;
    let is_young = asked.max_age.is_none_or(|max| now < (iat + max + asked.tolerance).floor() + 1.0);
    let is_short = asked.max_lifetime.is_none_or(|max| exp.is_some_and(|exp| exp - iat <= max));
    Some(within && begun(iat) && is_young && is_short)
}

fn text<'m>(members: &'m Members<'_>, name: &str) -> Option<&'m str> {
    member(members, name).and_then(Value::as_str)
}

fn is_for_us(asked: &Asked, members: &Members<'_>) -> bool {
    asked.audience.is_none_or(|audience| match member(members, "aud") {
        Some(Value::Array(items)) => items.iter().any(|item| item.as_str() == Some(audience)),
        single => single.and_then(Value::as_str) == Some(audience),
    })
}

fn is_of_the_issuer(asked: &Asked, members: &Members<'_>) -> bool {
    let Some(iss) = text(members, "iss") else { return false };
    if asked.tenants.is_empty() {
        return iss == ISSUER;
    }
    let of = |tenant: &str| format!("https://idp.example/{tenant}/v2.0");
    text(members, "tid")
        .is_some_and(|tid| asked.tenants.contains(&tid) && (iss == of(tid) || iss == format!("{}/", of(tid))))
}

fn denies(members: &Members<'_>) -> bool {
    matches!(text(members, "typ"), Some("Bearer" | "DPoP")) || text(members, "token_use") == Some("access")
}

/// Whether it is an ID token, as far as it says or as only those look.
fn is_id_token(members: &Members<'_>) -> bool {
    let has = |name: &str| member(members, name).is_some();
    let says = text(members, "typ") == Some("ID") || text(members, "token_use") == Some("id");
    let is_ours = |client: &str| match member(members, "aud") {
        Some(Value::Array(items)) => items.iter().any(|item| item.as_str() == Some(client)),
        single => single.and_then(Value::as_str) == Some(client),
    };
    let of_a_login = has("auth_time")
        && !(has("scp") || has("scope") || has("client_id"))
        && text(members, "azp").is_none_or(is_ours);
    says || (!denies(members) && (has("at_hash") || has("nonce") || of_a_login))
}

/// Whether it is a kind of token that no policy accepts.
fn is_never_one(members: &Members<'_>) -> bool {
    let typ = text(members, "typ").unwrap_or_default();
    let name = typ.trim().to_lowercase();
    let name = name.strip_prefix("application/").unwrap_or(&name);
    let media = (name.ends_with("+jwt") || name.ends_with("+sd-jwt")) && name != "at+jwt";
    let keycloaks = [
        ["Refresh", "Offline", "Logout", "Serialized-ID", "InitialAccessToken"].contains(&typ),
        ["RegistrationAccessToken", "reset-credentials", "verify-email", "update-email"].contains(&typ),
        ["execute-actions", "idp-verify-account-via-email"].contains(&typ),
    ];
    let is_event = match member(members, "events") {
        Some(Value::Object(_)) => true,
        Some(Value::Array(items)) => {
            items.iter().filter_map(Value::as_str).any(|item| item.contains("://") || item.starts_with("urn:"))
        }
        _ => false,
    };
    let is_answer = text(members, "code").is_some() && text(members, "state").is_some();
    let profile = "name given_name family_name middle_name nickname preferred_username profile picture website email \
                   email_verified gender birthdate zoneinfo locale phone_number phone_number_verified address updated_at";
    let present = |name: &str| member(members, name).is_some_and(|value| *value != Value::Null);
    let is_userinfo = member(members, "exp").is_none()
        && profile.split_whitespace().any(|name| member(members, name).is_some())
        && !(denies(members) || ["scp", "scope", "client_id", "azp"].into_iter().any(present));
    media
        || keycloaks.contains(&true)
        || text(members, "token_use") == Some("refresh")
        || is_event
        || is_answer
        || is_userinfo
}

fn is_granted(asked: &Asked, members: &Members<'_>) -> bool {
    let scopes = scopes(members);
    let has_scope = |scope: &&str| scopes.as_deref().is_some_and(|granted| words(granted).any(|word| word == *scope));
    let client = match (text(members, "azp"), text(members, "client_id")) {
        (Some(azp), Some(client_id)) => (azp == client_id).then_some(azp),
        (azp, client_id) => azp.or(client_id),
    };
    // A top-level claim of the dotted name comes before the members of a claim.
    let roles = member(members, "realm_access.roles")
        .or_else(|| member(members, "realm_access").and_then(|access| access.member("roles")));
    let permissions = member(members, "https://x.example/permissions");
    asked.scopes.iter().all(has_scope)
        && asked.token_use.is_none_or(|token_use| text(members, "token_use") == Some(token_use))
        && asked.client.is_none_or(|known| client == Some(known))
        && asked.role.is_none_or(|role| lists(roles, role))
        && asked.permissions.iter().all(|permission| lists(permissions, permission))
}

fn lists(list: Option<&Value<'_>>, name: &str) -> bool {
    match list {
        Some(Value::String(text)) => words(text).any(|word| word == name),
        Some(Value::Array(items)) => items.iter().any(|item| item.as_str() == Some(name)),
        Some(Value::Object(roles)) => roles.iter().any(|(role, value)| {
            let denied = matches!(value, Value::Null | Value::Bool(false)) || value.as_str() == Some("");
            role == name && !denied && !matches!(value, Value::Number(number) if *number == 0.0)
        }),
        _ => false,
    }
}
