//! The rules LibreChat does not have: age, kind, client, roles, tenants. Each is off unless the policy asks for it.

use std::sync::Arc;

use crate::support::{ISSUER, JWKS, NOW, Signer, World, jwks, ok};
use remote_agent_auth::algorithm::Algorithm;
use remote_agent_auth::error::{Code, Refusal};
use remote_agent_auth::policy::grant::ClaimPath;
use remote_agent_auth::policy::{GrantOptions, Policy, PolicyOptions};
use remote_agent_auth::time::UnixSeconds;
use remote_agent_auth::verifier::{Checked, Memory};
use serde_json::{Value, json};

fn options() -> PolicyOptions {
    PolicyOptions {
        issuer: ISSUER.to_owned(),
        audience: vec!["api".to_owned()],
        jwks_uri: Some(JWKS.to_owned()),
        ..PolicyOptions::default()
    }
}

fn list(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

async fn code(options: PolicyOptions, header: Value, claims: Value) -> Option<Code> {
    refusal(options, header, claims).await.map(|refusal| refusal.code())
}

async fn refusal(options: PolicyOptions, header: Value, claims: Value) -> Option<Refusal> {
    let signer = Signer::new("k");
    let world = World::with_jwks_uri();
    world.network.answer(JWKS, jwks(&[&signer]));
    let mut all = json!({ "iss": ISSUER, "aud": "api", "sub": "user", "exp": NOW + 600.0 });
    for (name, value) in claims.as_object().unwrap() {
        all[name] = value.clone();
    }
    all.as_object_mut().unwrap().retain(|_, value| !value.is_null());
    let mut head = json!({ "alg": Algorithm::ES256.name(), "kid": "k" });
    for (name, value) in header.as_object().unwrap() {
        head[name] = value.clone();
    }
    let policy = Arc::new(Policy::parse(options).unwrap());
    world.check_with(&signer.sign(&head, &all), &policy).await.err()
}

#[tokio::test(start_paused = true)]
async fn limits_age_and_lifetime_to_the_second() {
    let age = |claims| code(PolicyOptions { max_token_age: Some(100.0), ..options() }, json!({}), claims);
    assert_eq!(age(json!({ "iat": NOW - 100.0 })).await, None);
    assert_eq!(age(json!({ "iat": NOW - 101.0 })).await, Some(Code::TokenTooOld));
    assert_eq!(age(json!({ "iat": NOW })).await, None);
    assert_eq!(age(json!({ "iat": NOW + 1.0 })).await, Some(Code::TokenNotYetValid));
    assert_eq!(age(json!({})).await, Some(Code::TokenClaims));
    assert_eq!(age(json!({ "iat": "now" })).await, Some(Code::TokenClaims));
    let life = |claims| code(PolicyOptions { max_token_lifetime: Some(700.0), ..options() }, json!({}), claims);
    assert_eq!(life(json!({ "iat": NOW - 100.0 })).await, None);
    assert_eq!(life(json!({ "iat": NOW - 101.0 })).await, Some(Code::TokenLifetime));
    assert_eq!(life(json!({})).await, Some(Code::TokenClaims));
    let both = PolicyOptions { max_token_lifetime: Some(700.0), require_exp: Some(false), ..options() };
    assert_eq!(code(both, json!({}), json!({ "iat": NOW, "exp": null })).await, Some(Code::TokenClaims));
    let tolerant = PolicyOptions { max_token_age: Some(100.0), clock_tolerance: Some(5.0), ..options() };
    assert_eq!(code(tolerant.clone(), json!({}), json!({ "iat": NOW - 105.0 })).await, None);
    assert_eq!(code(tolerant.clone(), json!({}), json!({ "iat": NOW - 106.0 })).await, Some(Code::TokenTooOld));
    assert_eq!(code(tolerant, json!({}), json!({ "iat": NOW + 5.0 })).await, None);
    assert_eq!(code(options(), json!({}), json!({ "iat": "never looked at" })).await, None);
}

#[tokio::test(start_paused = true)]
async fn says_by_how_many_seconds_a_time_misses_and_which_option_allows_for_it() {
    let aged = || PolicyOptions { max_token_age: Some(100.0), clock_tolerance: Some(2.0), ..options() };
    let table = [
        (options(), json!({ "nbf": NOW + 1.0 }), Code::TokenNotYetValid, "`nbf` at most 0 s", "1 s after", true),
        (options(), json!({ "nbf": NOW + 0.7 }), Code::TokenNotYetValid, "`nbf` at most 0 s", "0.7 s after", true),
        (aged(), json!({ "iat": NOW + 3.0 }), Code::TokenNotYetValid, "`iat` at most 2 s", "3 s after", true),
        (options(), json!({ "nbf": NOW + 301.0 }), Code::TokenNotYetValid, "`nbf`", "301 s after", false),
        (options(), json!({ "exp": NOW }), Code::TokenExpired, "`exp` after", "0 s before", true),
        (options(), json!({ "exp": NOW - 40.0 }), Code::TokenExpired, "`clockTolerance`", "40 s before", true),
        (options(), json!({ "exp": NOW - 3600.0 }), Code::TokenExpired, "`exp` after", "3600 s before", false),
        (aged(), json!({ "iat": NOW - 103.0 }), Code::TokenTooOld, "`maxTokenAge`", "103 s before", false),
    ];
    for (options, claims, code, expected, got, clocks) in table {
        let refusal = refusal(options, json!({}), claims.clone()).await.unwrap();
        let details = refusal.details().map(|details| details.all().map(|detail| detail.is_some()));
        let text = refusal.to_string();
        assert_eq!(refusal.code(), code, "{claims}");
        assert!(text.contains(expected) && text.contains(got), "{claims}: {text}");
        assert_eq!(text.contains("OPENID_REMOTE_CLOCK_TOLERANCE"), clocks, "{claims}: {text}");
        assert_eq!(details, Some([false, false, true, true]), "{claims}");
    }
    let far = refusal(options(), json!({}), json!({ "nbf": 1e300 })).await.unwrap().to_string();
    assert!(far.len() < 600, "{far}");
}

#[tokio::test(start_paused = true)]
async fn asks_the_type_as_much_as_the_policy_says() {
    let table = [
        ("off", None, None),
        ("off", Some("anything"), None),
        ("off", Some("logout+jwt"), Some(Code::LogoutToken)),
        ("off", Some("dpop+jwt"), Some(Code::TokenType)),
        ("off", Some("application/dpop+jwt; v=1"), Some(Code::TokenType)),
        ("off", Some("Refresh"), Some(Code::RefreshToken)),
        ("required", Some("at+jwt;v=1"), None),
        ("preferred", None, None),
        ("preferred", Some("JWT"), None),
        ("preferred", Some("application/jwt"), None),
        ("preferred", Some("at+jwt"), None),
        ("preferred", Some("anything"), Some(Code::TokenType)),
        ("preferred", Some("logout+jwt"), Some(Code::LogoutToken)),
        ("required", Some("logout+jwt"), Some(Code::LogoutToken)),
        ("required", None, Some(Code::TokenType)),
        ("required", Some("JWT"), Some(Code::TokenType)),
        ("required", Some("at+jwt"), None),
        ("required", Some("AT+JWT"), None),
        ("required", Some("application/at+jwt"), None),
        ("required", Some("at+jwt2"), Some(Code::TokenType)),
    ];
    for (rule, typ, expected) in table {
        let header = typ.map_or(json!({}), |typ| json!({ "typ": typ }));
        let options = PolicyOptions { typ: Some(rule.to_owned()), ..options() };
        assert_eq!(code(options, header, json!({})).await, expected, "{rule} {typ:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn names_the_wrong_kind_of_token() {
    let id = json!({ "at_hash": "h" });
    let wanting = PolicyOptions { typ: Some("preferred".to_owned()), ..options() };
    assert_eq!(code(wanting.clone(), json!({}), id.clone()).await, Some(Code::IdToken));
    assert_eq!(code(wanting, json!({}), json!({ "typ": "Refresh" })).await, Some(Code::RefreshToken));
    // LibreChat lets an ID token with the right audience pass; so does a policy that does not ask.
    assert_eq!(code(options(), json!({}), id).await, None);
    // One with the wrong audience hears the true reason.
    assert_eq!(code(options(), json!({}), json!({ "at_hash": "h", "aud": "client" })).await, Some(Code::IdToken));
    assert_eq!(code(options(), json!({}), json!({ "aud": "client" })).await, Some(Code::TokenAudience));
    let cognito = PolicyOptions { token_use: Some("access".to_owned()), ..options() };
    assert_eq!(code(cognito.clone(), json!({}), json!({ "token_use": "access" })).await, None);
    assert_eq!(code(cognito.clone(), json!({}), json!({ "token_use": "id" })).await, Some(Code::IdToken));
    assert_eq!(code(cognito.clone(), json!({}), json!({ "token_use": "other" })).await, Some(Code::TokenType));
    assert_eq!(code(cognito, json!({}), json!({})).await, Some(Code::TokenType));
}

#[tokio::test(start_paused = true)]
async fn refuses_another_kind_of_token_whatever_the_policy_asks() {
    let event = json!({ "http://schemas.openid.net/event/backchannel-logout": {} });
    let table = [
        (json!({ "events": event }), Code::LogoutToken),
        (json!({ "typ": "Logout" }), Code::LogoutToken),
        (json!({ "typ": "Refresh" }), Code::RefreshToken),
        (json!({ "typ": "Offline" }), Code::RefreshToken),
        (json!({ "token_use": "refresh" }), Code::RefreshToken),
        (json!({ "token_type": "refresh" }), Code::RefreshToken),
        (json!({ "typ": "Serialized-ID" }), Code::TokenType),
        (json!({ "code": "c", "state": "s" }), Code::AuthorizationResponse),
        (json!({ "sub": null, "code": "c" }), Code::AuthorizationResponse),
        (json!({ "exp": null, "email": "ada@idp.example" }), Code::UserinfoToken),
    ];
    for rule in [None, Some("preferred")] {
        for require_exp in [true, false] {
            let (typ, require_exp) = (rule.map(str::to_owned), Some(require_exp));
            for (claims, expected) in &table {
                let options = PolicyOptions { typ: typ.clone(), require_exp, ..options() };
                assert_eq!(code(options, json!({}), claims.clone()).await, Some(*expected), "{claims}");
            }
        }
    }
    // It causes no fetch either: its own claims show that it would be refused.
    let world = World::with_jwks_uri();
    let token = Signer::new("k").token_with(json!({ "events": event }));
    assert_eq!(world.code(&token).await, Some(Code::LogoutToken));
    assert_eq!(world.network.fetches(), 0);
}

/// A token without `exp` and without a sign of its kind is not known to be an access token.
#[tokio::test(start_paused = true)]
async fn refuses_a_token_without_exp_and_without_a_sign_of_access_where_typ_is_preferred() {
    let policy =
        |typ: Option<&str>| PolicyOptions { typ: typ.map(str::to_owned), require_exp: Some(false), ..options() };
    let dated = || json!({ "exp": null, "iat": NOW });
    assert_eq!(code(policy(None), json!({}), dated()).await, None);
    assert_eq!(code(policy(Some("preferred")), json!({}), dated()).await, Some(Code::TokenType));
    assert_eq!(code(policy(Some("preferred")), json!({ "typ": "at+jwt" }), dated()).await, None);
    // Nor is it distinguishable from a userinfo answer that names the subject alone.
    let bare = || json!({ "exp": null });
    for rule in [None, Some("preferred")] {
        assert_eq!(code(policy(rule), json!({}), bare()).await, Some(Code::UserinfoToken));
        assert_eq!(code(policy(rule), json!({ "typ": "at+jwt" }), bare()).await, None);
    }
    assert_eq!(code(policy(Some("preferred")), json!({}), json!({ "exp": null, "scope": "read" })).await, None);
}

#[tokio::test(start_paused = true)]
async fn an_issuer_of_a_list_is_known_by_its_place() {
    let (first, second) = ("https://sts.example/t/", "https://login.example/t/v2.0");
    let policy = || PolicyOptions { issuer: String::new(), issuers: list(&[first, second]), ..options() };
    for (iss, place) in [(first, Some(0)), (second, Some(1)), ("https://sts.example/t", None), (ISSUER, None)] {
        let signer = Signer::new("k");
        let world = World::with_jwks_uri();
        world.network.answer(JWKS, jwks(&[&signer]));
        let policy = Arc::new(Policy::parse(policy()).unwrap());
        let answer = world.check_with(&signer.token_with(json!({ "iss": iss })), &policy).await;
        assert_eq!(answer.as_ref().map(|verified| verified.issuer_place()).ok(), place, "{iss}");
        assert!(place.is_some() || answer.unwrap_err().code() == Code::TokenIssuer);
    }
}

#[tokio::test(start_paused = true)]
async fn says_that_a_graph_token_is_for_graph() {
    let (known, other) = (Signer::new("k"), Signer::new("k"));
    let world = World::with_jwks_uri();
    world.network.answer(JWKS, jwks(&[&known]));
    let claims = json!({ "iss": ISSUER, "aud": "00000003-0000-0000-c000-000000000000", "sub": "u", "exp": NOW + 60.0 });
    let token = other.sign(&json!({ "alg": "ES256", "kid": "k", "nonce": "n" }), &claims);
    assert_eq!(world.code(&known.token()).await, None);
    assert_eq!(world.code(&token).await, Some(Code::GraphToken));
    assert_eq!(world.code("opaque-token").await, Some(Code::TokenOpaque));
}

#[tokio::test(start_paused = true)]
async fn lets_in_the_clients_named() {
    let rule = || PolicyOptions { allowed_clients: Some(list(&["a", "b"])), ..options() };
    for (claims, expected) in [
        (json!({ "azp": "a" }), None),
        (json!({ "client_id": "b" }), None),
        (json!({ "azp": "a", "client_id": "b" }), Some(Code::TokenClient)),
        (json!({ "azp": "c" }), Some(Code::TokenClient)),
        (json!({}), Some(Code::TokenClient)),
        (json!({ "azp": ["a"] }), Some(Code::TokenClient)),
    ] {
        assert_eq!(code(rule(), json!({}), claims.clone()).await, expected, "{claims}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_missing_role_or_permission_is_a_matter_of_scope() {
    let all = |names: &[&str]| Some(GrantOptions { all: list(names), ..GrantOptions::default() });
    let roles = || PolicyOptions { required_roles: all(&["user"]), ..options() };
    let granted = json!({ "realm_access": { "roles": ["user"] } });
    assert_eq!(code(roles(), json!({}), granted).await, None);
    let missing = code(roles(), json!({}), json!({})).await.unwrap();
    assert_eq!((missing, missing.fault().name()), (Code::RoleMissing, "scope"));
    let app_roles = || PolicyOptions { required_app_roles: all(&["Task.Read"]), ..options() };
    assert_eq!(code(app_roles(), json!({}), json!({ "roles": ["Task.Read"] })).await, None);
    assert_eq!(code(app_roles(), json!({}), json!({ "roles": [] })).await, Some(Code::RoleMissing));
    let permissions = || PolicyOptions { required_permissions: all(&["read:agents"]), ..options() };
    assert_eq!(code(permissions(), json!({}), json!({ "permissions": ["read:agents"] })).await, None);
    let missing = code(permissions(), json!({}), json!({})).await.unwrap();
    assert_eq!((missing, missing.fault().name()), (Code::PermissionMissing, "scope"));
    let client = GrantOptions {
        any: list(&["x", "y"]),
        claim: Some(ClaimPath::of_names(&["resource_access", "my.client", "roles"])),
        ..GrantOptions::default()
    };
    let keycloak = PolicyOptions { required_roles: Some(client), ..options() };
    let granted = json!({ "resource_access": { "my.client": { "roles": ["y"] } } });
    assert_eq!(code(keycloak, json!({}), granted).await, None);
}

#[tokio::test(start_paused = true)]
async fn of_a_multi_tenant_provider_only_the_tenants_named_are_let_in() {
    const COMMON: &str = "https://login.example/common/v2.0";
    const TEMPLATE: &str = "https://login.example/{tenantid}/v2.0";
    let (shared, own) = (Signer::new("shared"), Signer::new("own"));
    let world = World::with_jwks_uri();
    let keys = "https://login.example/keys";
    let metadata = |issuer: &str| ok(&json!({ "issuer": issuer, "jwks_uri": keys }));
    let well_known = format!("{COMMON}/.well-known/openid-configuration");
    let mut other_tenants = own.jwk();
    other_tenants["issuer"] = json!("https://login.example/t2/v2.0");
    let mut everybodys = shared.jwk();
    everybodys["issuer"] = json!(TEMPLATE);
    world.network.answer(keys, ok(&json!({ "keys": [everybodys, other_tenants] })));
    world.network.answer(&well_known, metadata(TEMPLATE));
    let options = |tenants: Option<&[&str]>| PolicyOptions {
        issuer: COMMON.to_owned(),
        jwks_uri: None,
        allowed_tenants: tenants.map(list),
        ..options()
    };
    let policy = Arc::new(Policy::parse(options(Some(&["t1", "t2"]))).unwrap());
    let token = |signer: &Signer, tid: &str, iss: &str| {
        let iss = format!("https://login.example/{iss}/v2.0");
        signer.token_with(json!({ "iss": iss, "tid": tid, "email": "a@b.example" }))
    };
    let verified = world.check_with(&token(&shared, "t1", "t1"), &policy).await.unwrap();
    assert_eq!(verified.email(), None, "an address that any tenant can make up links nobody");
    for (signer, tid, iss, expected) in [
        (&shared, "t2", "t2", None),
        (&own, "t2", "t2", None),
        (&own, "t1", "t1", Some(Code::TokenIssuer)),
        (&shared, "t3", "t3", Some(Code::TokenIssuer)),
        (&shared, "t1", "t2", Some(Code::TokenIssuer)),
        (&shared, "common", "common", Some(Code::TokenIssuer)),
    ] {
        let code = world.check_with(&token(signer, tid, iss), &policy).await.err().map(|refusal| refusal.code());
        assert_eq!(code, expected, "{tid} {iss}");
    }
    // Without `allowedTenants` a template is another issuer's metadata.
    let single = Arc::new(Policy::parse(options(None)).unwrap());
    let common = shared.token_with(json!({ "iss": COMMON }));
    let refusal = world.check_with(&common, &single).await.unwrap_err();
    assert_eq!(refusal.code(), Code::DiscoveryIssuer);
}

#[tokio::test(start_paused = true)]
async fn without_an_audience_the_kind_and_the_scopes_decide() {
    let cognito = || PolicyOptions {
        audience: vec![],
        token_use: Some("access".to_owned()),
        scope: Some("agents/read".to_owned()),
        ..options()
    };
    let good = json!({ "aud": null, "token_use": "access", "scope": "openid agents/read" });
    assert_eq!(code(cognito(), json!({}), good.clone()).await, None);
    let mut other = good.clone();
    other["scope"] = json!("openid");
    assert_eq!(code(cognito(), json!({}), other).await, Some(Code::ScopeMissing));
    let mut id = good.clone();
    id["token_use"] = json!("id");
    assert_eq!(code(cognito(), json!({}), id).await, Some(Code::IdToken));
    assert_eq!(code(options(), json!({}), good).await, Some(Code::TokenAudience));
}

#[tokio::test(start_paused = true)]
async fn a_policy_may_take_longer_tokens_and_shorter_ones() {
    let padding = |length: usize| json!({ "p": "x".repeat(length) });
    let capped = |bytes: f64| PolicyOptions { max_token_bytes: Some(bytes), ..options() };
    assert_eq!(code(options(), json!({}), padding(20_000)).await, Some(Code::TokenTooLarge));
    assert_eq!(code(capped(65536.0), json!({}), padding(20_000)).await, None);
    assert_eq!(code(capped(65536.0), json!({}), padding(60_000)).await, Some(Code::TokenTooLarge));
    assert_eq!(code(capped(1024.0), json!({}), padding(1_000)).await, Some(Code::TokenTooLarge));
    assert_eq!(code(capped(1024.0), json!({}), padding(10)).await, None);
}

#[tokio::test(start_paused = true)]
async fn the_times_named_for_a_token_are_those_at_which_a_check_accepts_it() {
    let (signer, world) = (Signer::new("k"), World::with_jwks_uri());
    world.network.answer(JWKS, jwks(&[&signer]));
    world.verifier.prefetch(&world.policy).await.unwrap();
    let at = |token: &str, policy: &Arc<Policy>, now: f64| {
        let now = UnixSeconds::new(now).unwrap();
        let Checked::Now(answer) = world.verifier.check(token, policy, now, Memory::None) else { panic!("it waits") };
        answer.ok()
    };
    let mut held = 0;
    for tenth in 0..10 {
        let later = f64::from(tenth) / 10.0;
        let times = json!({ "iat": NOW - 1.0 - later, "nbf": NOW - 1.0 + later, "exp": NOW + 13.0 + later });
        let token = signer.token_with(times);
        // Sums that are whole on paper and not as doubles.
        for (tolerance, age) in [(0.3, 10.7), (0.1, 9.9), (5.3, 10.7), (0.7, 1e9), (0.3, 1e9), (0.0, 3.3)] {
            let limits = PolicyOptions { clock_tolerance: Some(tolerance), max_token_age: Some(age), ..options() };
            let policy = Arc::new(Policy::parse(limits).unwrap());
            let (from, until) = at(&token, &policy, NOW).unwrap().holds();
            for now in (-10..25).map(|second| NOW + f64::from(second)) {
                let holds = now >= from && now < until;
                assert_eq!(at(&token, &policy, now).is_some(), holds, "{later} {tolerance} {age} {}", now - NOW);
                held += usize::from(holds);
            }
        }
    }
    assert!(held > 500, "{held}");
}
