//! Calls to a provider's endpoints: which requests are made, with which token, and what their metadata cost.

use std::sync::Arc;
use std::time::Duration;

use crate::support::{ISSUER, JWKS, Network, OIDC_METADATA, Reply, Signer, World, jwks, ok, options, pass, status};
use remote_agent_auth::error::Code;
use remote_agent_auth::policy::introspection::IntrospectionOptions;
use remote_agent_auth::policy::transport::Secret;
use remote_agent_auth::policy::{KeyOptions, Policy, PolicyOptions};
use remote_agent_auth::provider::fetch::FetchError;
use remote_agent_auth::verifier::{CallError, Exchange, Graph, Userinfo};
use serde_json::{Value, json};

const TOKEN: &str = "eyJ.user.token";
const USERINFO: &str = "https://idp.example/me";
const TOKENS: &str = "https://idp.example/token";
const LIMIT: Duration = Duration::from_secs(10);

fn described(more: &Value) -> Value {
    let mut all =
        json!({ "issuer": ISSUER, "jwks_uri": JWKS, "userinfo_endpoint": USERINFO, "token_endpoint": TOKENS });
    all.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    all
}

/// A provider that has everything, and keys at a fixed URL.
fn world() -> World {
    prepared(World::with_jwks_uri())
}

fn prepared(world: World) -> World {
    world.network.answer(OIDC_METADATA, ok(&described(&json!({}))));
    world.network.answer(USERINFO, ok(&json!({ "sub": "user", "email": "a@b.example" })));
    world.network.answer(TOKENS, ok(&json!({ "access_token": "other", "token_type": "Bearer", "expires_in": 3600 })));
    world
}

fn of_user() -> Userinfo {
    Userinfo { token: Secret::new(TOKEN), subject: "user".into(), hosts: Vec::new() }
}

async fn userinfo(world: &World) -> Result<String, CallError> {
    world.verifier.userinfo(&world.policy, of_user(), LIMIT).await
}

async fn code(world: &World) -> Option<Code> {
    userinfo(world).await.err().map(|error| Code::of_call(&error.cause))
}

/// Which requests had a token or content.
fn confidential(network: &Network) -> Vec<String> {
    let sent = network.sent();
    let all = network.asked().into_iter().zip(sent);
    all.filter(|(_, (token, content))| token.is_some() || content.is_some()).map(|(url, _)| url).collect()
}

#[tokio::test(start_paused = true)]
async fn userinfo_is_asked_where_the_metadata_say_and_nobody_else_sees_the_token() {
    for world in [World::with_jwks_uri(), World::with_discovery()] {
        let world = prepared(world);
        assert_eq!(userinfo(&world).await.as_deref(), Ok(r#"{"email":"a@b.example","sub":"user"}"#));
        assert_eq!(world.network.asked(), [OIDC_METADATA, USERINFO]);
        assert_eq!(world.network.sent()[1], (Some(TOKEN.to_owned()), None));
        assert_eq!(confidential(&world.network), [USERINFO]);
    }
    // Keys at hand do without a provider; its endpoints do not.
    let mut world = prepared(World::with_discovery());
    let keys = json!({ "keys": [Signer::new("k").jwk()] }).to_string();
    let keys = KeyOptions { jwks: Some(keys), ..KeyOptions::default() };
    world.policy = Arc::new(Policy::parse(PolicyOptions { keys, ..options(None, "api") }).unwrap());
    assert!(userinfo(&world).await.is_ok());
    assert_eq!(world.network.asked(), [OIDC_METADATA, USERINFO]);
}

#[tokio::test(start_paused = true)]
async fn an_exchange_sends_the_form_that_entra_wants() {
    let world = world();
    let asked = || Exchange {
        token: Secret::new(TOKEN),
        scope: "https://graph.microsoft.com/User.Read offline access&more".to_owned(),
        client_id: "id".to_owned(),
        client_secret: Secret::new("s&=cret+ é"),
        hosts: Vec::new(),
    };
    let granted = world.verifier.exchange(&world.policy, asked(), LIMIT).await.unwrap();
    assert_eq!(granted.access_token.reveal(), "other");
    assert_eq!(granted.expires_in, Some(Duration::from_secs(3600)));
    let form = concat!(
        "grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer&client_id=id",
        "&client_secret=s%26%3Dcret%2B+%C3%A9&assertion=eyJ.user.token",
        "&scope=https%3A%2F%2Fgraph.microsoft.com%2FUser.Read+offline+access%26more&requested_token_use=on_behalf_of"
    );
    assert_eq!(world.network.sent()[1], (None, Some(form.to_owned())));
    assert_eq!(world.network.asked(), [OIDC_METADATA, TOKENS]);

    world.network.answer(
        TOKENS,
        remote_agent_auth::provider::fetch::Response {
            status: 400,
            ..ok(&json!({ "error": "invalid_grant", "error_description": TOKEN }))
        },
    );
    let error = world.verifier.exchange(&world.policy, asked(), LIMIT).await.unwrap_err();
    assert_eq!(
        (error.reason(), error.status(), error.host.as_deref()),
        ("service_error", Some(400), Some("idp.example"))
    );
    let printed = format!("{error:?} {}", error.cause);
    assert!(printed.contains("invalid_grant") && !printed.contains(TOKEN), "{printed}");
}

#[tokio::test(start_paused = true)]
async fn graph_is_asked_without_any_metadata() {
    let world = world();
    let url = "https://graph.microsoft.com/v1.0/me/getMemberGroups";
    world.network.answer(url, ok(&json!({ "value": ["a"] })));
    let asked = |content: Option<&str>, path: &str| Graph {
        token: Secret::new(TOKEN),
        path: path.to_owned(),
        content: content.map(Secret::new),
        origin: None,
    };
    let body = r#"{"securityEnabledOnly":false}"#;
    let path = "/v1.0/me/getMemberGroups";
    let answer = world.verifier.graph(&world.policy, asked(Some(body), path), LIMIT).await.unwrap();
    assert_eq!((answer.status, &*answer.body), (200, r#"{"value":["a"]}"#));
    assert_eq!(world.network.sent(), [(Some(TOKEN.to_owned()), Some(body.to_owned()))]);
    let error = world.verifier.graph(&world.policy, asked(None, "https://evil.example/v1.0"), LIMIT).await.unwrap_err();
    assert_eq!(Code::of_call(&error.cause), Code::PolicyOption);
    assert_eq!(world.network.fetches(), 1);
}

#[tokio::test(start_paused = true)]
async fn an_endpoint_that_is_not_the_issuers_gets_no_request() {
    for (endpoint, expected) in [
        (json!("https://evil.example/me"), Code::EndpointRefused),
        (json!("https://idp.example.evil.test/me"), Code::EndpointRefused),
        (json!("http://idp.example/me"), Code::EndpointRefused),
        (json!("http://localhost/me"), Code::EndpointRefused),
        (json!("https://user:pw@idp.example/me"), Code::EndpointRefused),
        (json!("https://idp.example@evil.test/me"), Code::EndpointRefused),
        (json!("https://169.254.169.254/me"), Code::EndpointRefused),
        (json!("/me"), Code::EndpointRefused),
        (json!(""), Code::EndpointRefused),
        (json!(["https://idp.example/me"]), Code::EndpointRefused),
        (json!(null), Code::EndpointRefused),
    ] {
        let world = world();
        world.network.answer(OIDC_METADATA, ok(&described(&json!({ "userinfo_endpoint": endpoint }))));
        assert_eq!(code(&world).await, Some(expected), "{endpoint}");
        assert_eq!(world.network.asked(), [OIDC_METADATA], "{endpoint}");
    }
    let world = world();
    world.network.answer(OIDC_METADATA, ok(&json!({ "issuer": ISSUER, "jwks_uri": JWKS })));
    assert_eq!(code(&world).await, Some(Code::EndpointMissing));
    // What is listed is asked, and so is what the list spells otherwise than it should never.
    for (listed, expected) in [
        ("evil.example", None),
        ("EVIL.example:443", None),
        ("evil.example:8443", Some(Code::EndpointRefused)),
        ("https://evil.example", Some(Code::PolicyOption)),
        ("*", Some(Code::PolicyOption)),
    ] {
        let world = prepared(World::with_jwks_uri());
        let other = "https://evil.example/me";
        world.network.answer(OIDC_METADATA, ok(&described(&json!({ "userinfo_endpoint": other }))));
        world.network.answer(other, ok(&json!({ "sub": "user" })));
        let asked = Userinfo { hosts: vec![listed.to_owned()], ..of_user() };
        let answer = world.verifier.userinfo(&world.policy, asked, LIMIT).await;
        assert_eq!(answer.err().map(|error| Code::of_call(&error.cause)), expected, "{listed}");
    }
}

#[tokio::test(start_paused = true)]
async fn metadata_that_read_otherwise_elsewhere_lead_to_no_endpoint_but_to_keys() {
    let world = prepared(World::with_discovery());
    let signer = Signer::new("k");
    world.network.answer(JWKS, jwks(&[&signer]));
    let good = described(&json!({})).to_string();
    let twice = format!(r#"{},"userinfo_endpoint":"{USERINFO}"}}"#, good.strip_suffix('}').unwrap());
    world
        .network
        .answer(OIDC_METADATA, remote_agent_auth::provider::fetch::Response { body: twice.into(), ..status(200) });
    assert_eq!(world.code(&signer.token()).await, None);
    assert_eq!(code(&world).await, Some(Code::DiscoveryDocument));
    assert!(confidential(&world.network).is_empty());
    // Another issuer's metadata are nobody's.
    let world = prepared(World::with_jwks_uri());
    world.network.answer(OIDC_METADATA, ok(&described(&json!({ "issuer": "https://evil.example" }))));
    assert_eq!(code(&world).await, Some(Code::DiscoveryIssuer));
}

#[tokio::test(start_paused = true)]
async fn what_a_refresh_of_keys_has_learned_serves_calls_too() {
    let world = prepared(World::with_discovery());
    let signer = Signer::new("k");
    world.network.answer(JWKS, jwks(&[&signer]));
    assert_eq!(world.code(&signer.token()).await, None);
    assert!(userinfo(&world).await.is_ok());
    assert_eq!(world.network.asked(), [OIDC_METADATA, JWKS, USERINFO]);
    world.verifier.clear();
    assert!(userinfo(&world).await.is_ok());
    assert_eq!(world.network.asked()[3..], [OIDC_METADATA, USERINFO]);
}

fn discoveries(world: &World) -> usize {
    world.network.asked().iter().filter(|url| *url == OIDC_METADATA).count()
}

#[tokio::test(start_paused = true)]
async fn metadata_are_fetched_once_for_everybody_and_again_when_their_life_ends() {
    let world = world();
    world.network.on(OIDC_METADATA, Reply::Slow(Duration::from_secs(2), ok(&described(&json!({})))));
    let calls: Vec<_> =
        (0..50).map(|_| tokio::spawn(world.verifier.userinfo(&world.policy, of_user(), LIMIT))).collect();
    // A caller that is dropped leaves the call to the others.
    calls[0].abort();
    for call in calls.into_iter().skip(1) {
        assert!(call.await.unwrap().is_ok());
    }
    assert_eq!(discoveries(&world), 1);
    // Ahead of the end of their life nobody waits.
    pass(50).await;
    assert!(userinfo(&world).await.is_ok());
    pass(3).await;
    assert_eq!(discoveries(&world), 2);
    // The provider's metadata are gone, its endpoints are not.
    for (after, works) in [(120, true), (3600, true), (4 * 3600, false)] {
        world.network.on(OIDC_METADATA, Reply::Fail(FetchError::Refused));
        pass(after).await;
        let error = userinfo(&world).await.err();
        assert_eq!(error.is_none(), works, "after {after} s: {error:?}");
        if let Some(error) = error {
            assert_eq!(Code::of_call(&error.cause), Code::DiscoveryFetch);
            assert_eq!((error.connection(), error.host.as_deref()), (Some("refused"), Some("idp.example")));
        }
    }
    // Without any, it is not asked for every call.
    let asked = discoveries(&world);
    for _ in 0..100 {
        assert_eq!(code(&world).await, Some(Code::DiscoveryFetch));
    }
    assert!(discoveries(&world) <= asked + 1);
    world.network.answer(OIDC_METADATA, ok(&described(&json!({}))));
    pass(2).await;
    assert!(userinfo(&world).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_call_ends_in_its_time_wherever_it_hangs() {
    let begun = tokio::time::Instant::now();
    let world = world();
    world.network.on(USERINFO, Reply::Hang);
    let error = userinfo(&world).await.unwrap_err();
    assert_eq!((Code::of_call(&error.cause), error.connection()), (Code::EndpointFetch, Some("timeout-body")));
    assert_eq!(begun.elapsed(), LIMIT);
    let world = prepared(World::with_jwks_uri());
    world.network.on(OIDC_METADATA, Reply::Hang);
    let limit = Duration::from_millis(1500);
    let begun = tokio::time::Instant::now();
    let error = world.verifier.userinfo(&world.policy, of_user(), limit).await.unwrap_err();
    assert_eq!((Code::of_call(&error.cause), error.connection()), (Code::DiscoveryFetch, None));
    assert_eq!(begun.elapsed(), limit);
    // A refresh that ends badly ends.
    let world = prepared(World::with_jwks_uri());
    world.network.on(OIDC_METADATA, Reply::Panic);
    assert_eq!(code(&world).await, Some(Code::Internal));
    world.network.answer(OIDC_METADATA, ok(&described(&json!({}))));
    pass(2).await;
    assert!(userinfo(&world).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_provider_that_hangs_keeps_so_many_calls_and_refuses_the_rest() {
    let world = world();
    assert!(userinfo(&world).await.is_ok());
    world.network.on(USERINFO, Reply::Hang);
    let calls: Vec<_> =
        (0..2000).map(|_| tokio::spawn(world.verifier.userinfo(&world.policy, of_user(), LIMIT))).collect();
    let mut causes = [0, 0];
    for call in calls {
        match Code::of_call(&call.await.unwrap().unwrap_err().cause) {
            Code::EndpointFetch => causes[0] += 1,
            Code::Overloaded => causes[1] += 1,
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(causes, [64, 2000 - 64]);
    // Graph, which does not hang, was never in their way; nor are those who come later.
    world.network.answer(USERINFO, ok(&json!({ "sub": "user" })));
    assert!(userinfo(&world).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn what_is_no_token_and_what_is_no_issuer_ask_nobody() {
    let world = world();
    for token in ["", "a b", "a\r\nx: y", "é", "a,b", &"a".repeat(70_000)] {
        let asked = Userinfo { token: Secret::new(token), ..of_user() };
        let error = world.verifier.userinfo(&world.policy, asked, LIMIT).await.unwrap_err();
        assert_eq!((Code::of_call(&error.cause), error.reason()), (Code::PolicyOption, "service_error"));
        assert!(token.is_empty() || !format!("{error:?}{}", error.cause).contains(token));
    }
    let mut world = world;
    let mut named = options(Some(JWKS), "api");
    for issuer in ["urn:example:issuer", "https://login.example/{tenantid}/v2.0", "http://host/adfs/services/trust"] {
        named.issuer = issuer.to_owned();
        named.allowed_tenants = issuer.contains('{').then(|| vec!["t".to_owned()]);
        world.policy = Arc::new(Policy::parse(named.clone()).unwrap());
        assert_eq!(code(&world).await, Some(Code::PolicyIssuer), "{issuer}");
    }
    assert_eq!(world.network.fetches(), 0);
}

/// The provider may have said so long before its answer came.
#[tokio::test(start_paused = true)]
async fn an_answer_about_a_token_is_kept_from_when_it_was_asked_for() {
    const ENDPOINT: &str = "https://idp.example/introspect";
    let world = world();
    let introspection = IntrospectionOptions {
        endpoint: Some(ENDPOINT.to_owned()),
        client_id: "client".to_owned(),
        client_secret: Some(Secret::new("secret")),
        cache_ms: Some(10_000.0),
        ..IntrospectionOptions::default()
    };
    let options = PolicyOptions { introspection: Some(introspection), ..options(Some(JWKS), "api") };
    let policy = Arc::new(Policy::parse(options).unwrap());
    let said = |active: bool| ok(&json!({ "active": active, "iss": ISSUER, "aud": "api", "sub": "user" }));
    let code = async || world.check_with("an-opaque-token", &policy).await.err().map(|refusal| refusal.code());
    world.network.on(ENDPOINT, Reply::Slow(Duration::from_secs(9), said(true)));
    assert_eq!(code().await, None);
    world.network.answer(ENDPOINT, said(false));
    assert_eq!(code().await, None, "9 s after it was asked for");
    pass(2).await;
    assert_eq!(code().await, Some(Code::TokenInactive), "11 s after it was asked for");
}
