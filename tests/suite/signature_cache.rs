//! The signature cache: one signature check per token and key, never longer than the key is published, never across sources.

use crate::support;

use std::sync::Arc;

use crate::support::{ISSUER, JWKS, Signer, World, jwks, now, pass, policy};
use remote_agent_auth::error::Code;
use remote_agent_auth::policy::{Policy, PolicyOptions};
use remote_agent_auth::verifier::{Answer, Checked, Memory};
use serde_json::json;

const ELSEWHERE: &str = "https://idp.example/other";

async fn check(world: &World, token: &str, policy: &Arc<Policy>, memory: Memory) -> Answer {
    match world.verifier.check(token, policy, now(), memory) {
        Checked::Now(answer) => *answer,
        Checked::Later(future) => future.await,
    }
}

fn code(answer: &Answer) -> Option<Code> {
    answer.as_ref().err().map(remote_agent_auth::error::Refusal::code)
}

#[tokio::test(start_paused = true)]
async fn one_request_through_two_policies_of_one_source_is_one_signature_check_with_the_memory_on_and_off() {
    for memory in [Memory::Signatures, Memory::None] {
        let signer = Signer::new("k");
        let world = World::with_jwks_uri();
        world.network.answer(JWKS, jwks(&[&signer]));
        world.network.answer(ELSEWHERE, jwks(&[&signer]));
        let token = signer.token_with(json!({ "aud": ["api", "tenant"] }));
        let verified = check(&world, &token, &world.policy, memory).await.unwrap();
        let recheck = async |policy| match world.verifier.recheck(verified.signed().unwrap(), &policy, now()) {
            Checked::Now(answer) => *answer,
            Checked::Later(future) => future.await,
        };
        assert!(recheck(policy(Some(JWKS), "tenant")).await.is_ok());
        assert_eq!(world.verifier.work().signature_checks, 1, "{memory:?}");
        // Other keys, even if they are equal: another place vouches for them.
        assert!(recheck(policy(Some(ELSEWHERE), "tenant")).await.is_ok());
        assert_eq!(world.verifier.work().signature_checks, 2, "{memory:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_same_token_again_is_one_signature_check() {
    let signer = Signer::new("k");
    let world = World::with_jwks_uri();
    world.network.answer(JWKS, jwks(&[&signer]));
    let token = signer.token();
    for _ in 0..10 {
        assert!(check(&world, &token, &world.policy, Memory::Signatures).await.is_ok());
    }
    let work = world.verifier.work();
    assert_eq!((work.signature_checks, work.signatures_reused), (1, 9));
    for _ in 0..10 {
        assert!(check(&world, &token, &world.policy, Memory::None).await.is_ok());
    }
    assert_eq!(world.verifier.work().signature_checks, 11);
}

#[tokio::test(start_paused = true)]
async fn each_use_is_checked_anew() {
    let signer = Signer::new("k");
    let world = World::with_jwks_uri();
    world.network.answer(JWKS, jwks(&[&signer]));
    let token = signer.token_with(json!({ "exp": support::NOW + 10.0, "scope": "read" }));
    let options = || PolicyOptions {
        issuer: ISSUER.to_owned(),
        audience: vec!["api".to_owned()],
        jwks_uri: Some(JWKS.to_owned()),
        ..PolicyOptions::default()
    };
    let compiled = |options| Arc::new(Policy::parse(options).unwrap());
    let checked = async |options| code(&check(&world, &token, &compiled(options), Memory::Signatures).await);
    assert_eq!(checked(options()).await, None);
    assert_eq!(checked(PolicyOptions { audience: vec!["other".into()], ..options() }).await, Some(Code::TokenAudience));
    assert_eq!(checked(PolicyOptions { scope: Some("write".into()), ..options() }).await, Some(Code::ScopeMissing));
    assert_eq!(
        checked(PolicyOptions { algorithms: Some(vec!["RS256".into()]), ..options() }).await,
        Some(Code::TokenAlgorithm)
    );
    let later = remote_agent_auth::time::UnixSeconds::new(support::NOW + 10.0).unwrap();
    let Checked::Now(answer) = world.verifier.check(&token, &compiled(options()), later, Memory::Signatures) else {
        panic!("keys are at hand")
    };
    assert_eq!(code(&answer), Some(Code::TokenExpired));
    assert_eq!(world.verifier.work().signature_checks, 1);
}

/// S21: between two identical requests the policy, the keys or the tenant change; the second is checked by what is in force then.
#[tokio::test(start_paused = true)]
async fn nothing_remembered_survives_a_change_of_policy_keys_or_tenant() {
    let mut accepted = 0;
    let mut cases = 0;
    for change in ["key withdrawn", "key replaced under its kid", "other source", "other audience", "cleared"] {
        let (signer, other) = (Signer::new("k"), Signer::new("k"));
        let unrelated = Signer::new("unrelated");
        let world = World::with_jwks_uri();
        world.network.answer(JWKS, jwks(&[&signer]));
        world.network.answer(ELSEWHERE, jwks(&[&other]));
        let token = signer.token();
        for _ in 0..3 {
            assert!(check(&world, &token, &world.policy, Memory::Signatures).await.is_ok());
        }
        let mut current = Arc::clone(&world.policy);
        match change {
            "key withdrawn" => world.network.answer(JWKS, jwks(&[&unrelated])),
            "key replaced under its kid" => world.network.answer(JWKS, jwks(&[&other])),
            "other source" => current = policy(Some(ELSEWHERE), "api"),
            "other audience" => current = policy(Some(JWKS), "tenant"),
            _ => {
                world.verifier.clear();
                world.network.answer(JWKS, jwks(&[&other]));
            }
        }
        if change.starts_with("key") {
            // Within a key's life nobody asks; the first answer after the refresh already knows.
            world.verifier.prefetch(&world.policy).await.unwrap();
        }
        cases += 1;
        accepted += usize::from(check(&world, &token, &current, Memory::Signatures).await.is_ok());
        pass(0).await;
    }
    assert_eq!(accepted, 0);
    println!(
        "SCORE {{\"row\":\"S21\",\"figure\":\"{accepted} of {cases} changes survived by a remembered signature\",\"limit\":\"0\",\"ok\":true}}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_token_that_was_refused_is_not_remembered() {
    let (signer, forger) = (Signer::new("k"), Signer::new("k"));
    let world = World::with_jwks_uri();
    world.network.answer(JWKS, jwks(&[&signer]));
    let forged = forger.token();
    for _ in 0..3 {
        assert_eq!(
            code(&check(&world, &forged, &world.policy, Memory::Signatures).await),
            Some(Code::SignatureInvalid)
        );
    }
    assert_eq!(world.verifier.work().signatures_reused, 0);
}

/// What an answer says, as far as anybody can see.
fn said(answer: &Answer) -> String {
    match answer {
        Ok(verified) => format!(
            "{:?}",
            (
                (verified.claims(), verified.header(), verified.subject(), verified.scopes().collect::<Vec<_>>()),
                (verified.oid(), verified.email(), verified.email_problem(), verified.email_verified()),
                (verified.expires_at(), verified.holds()),
            )
        ),
        Err(refusal) => format!("{:?}", refusal.code()),
    }
}

#[tokio::test(start_paused = true)]
async fn claims_checked_before_give_the_same_answer_at_every_time_as_a_new_check() {
    let signer = Signer::new("k");
    let world = World::with_jwks_uri();
    world.network.answer(JWKS, jwks(&[&signer]));
    world.verifier.prefetch(&world.policy).await.unwrap();
    let start = support::NOW;
    let tokens = [
        json!({}),
        json!({ "exp": start + 10.5, "nbf": start + 0.5, "iat": start - 0.25 }),
        json!({ "exp": start + 20.0, "nbf": start + 5.0, "iat": start, "scope": "read write", "email": "a@b.example" }),
        json!({ "scp": ["read", "write x"], "sub": "a\u{e9}\"b", "oid": "o", "mail": "\\", "email_verified": true }),
        json!({ "exp": "soon" }),
        json!({ "iat": "once", "sub": "s\n" }),
        json!({ "aud": "other" }),
    ]
    .map(|claims| signer.token_with(claims));
    let options = PolicyOptions {
        issuer: ISSUER.to_owned(),
        audience: vec!["api".to_owned()],
        jwks_uri: Some(JWKS.to_owned()),
        ..PolicyOptions::default()
    };
    let policies = [
        options.clone(),
        PolicyOptions { clock_tolerance: Some(3.5), ..options.clone() },
        PolicyOptions { require_exp: Some(false), max_token_age: Some(12.0), ..options.clone() },
        PolicyOptions { max_token_lifetime: Some(15.0), clock_tolerance: Some(1.0), ..options.clone() },
        PolicyOptions { scope: Some("write".into()), email_claim: Some("mail".into()), ..options },
    ]
    .map(|options| Arc::new(Policy::parse(options).unwrap()));
    let at = |token: &str, policy: &Arc<Policy>, seconds: f64, memory| {
        let now = remote_agent_auth::time::UnixSeconds::new(start + seconds).unwrap();
        match world.verifier.check(token, policy, now, memory) {
            Checked::Now(answer) => said(&answer),
            Checked::Later(_) => panic!("keys are at hand"),
        }
    };
    for token in &tokens {
        // Whatever was found by one policy at one time, then asks another, then the first again.
        for (first, second) in policies.iter().flat_map(|a| policies.iter().map(move |b| (a, b))) {
            for step in -6..46 {
                let seconds = f64::from(step) * 0.5;
                for policy in [first, second, first, first] {
                    let remembered = at(token, policy, seconds, Memory::Signatures);
                    assert_eq!(remembered, at(token, policy, seconds, Memory::None), "{seconds} s, {policy:?}");
                }
            }
        }
    }
    assert!(world.verifier.work().signatures_reused > 1000);
}

#[tokio::test(start_paused = true)]
async fn other_bytes_with_the_end_of_a_known_token_find_no_signature() {
    let signer = Signer::new("k");
    let world = World::with_jwks_uri();
    world.network.answer(JWKS, jwks(&[&signer]));
    let token = signer.token();
    assert!(check(&world, &token, &world.policy, Memory::Signatures).await.is_ok());
    let end = token.len() - 32;
    for place in 0..end {
        let mut other = token.clone().into_bytes();
        other[place] = if other[place] == b'A' { b'B' } else { b'A' };
        let other = String::from_utf8(other).unwrap();
        assert!(check(&world, &other, &world.policy, Memory::Signatures).await.is_err(), "{place}");
    }
    for other in [format!("x{token}"), token[1..].to_owned(), token[end..].to_owned(), format!("{token}\n")] {
        assert!(check(&world, &other, &world.policy, Memory::Signatures).await.is_err());
    }
    assert_eq!(world.verifier.work().signatures_reused, 0);
    assert!(check(&world, &token, &world.policy, Memory::Signatures).await.is_ok());
    assert_eq!(world.verifier.work().signatures_reused, 1);
}

/// Microsoft's shared key sets say for which issuer each key vouches.
#[tokio::test(start_paused = true)]
async fn a_key_that_is_published_for_another_issuer_takes_its_signatures_along() {
    let signer = Signer::new("k");
    let world = World::with_jwks_uri();
    let published = |issuer: &str| {
        let mut key = signer.jwk();
        key["issuer"] = json!(issuer);
        support::ok(&json!({ "keys": [key] }))
    };
    let tenant = |name: &str| format!("https://idp.example/{name}/v2.0");
    let policy = Arc::new(
        Policy::parse(PolicyOptions {
            issuer: "https://idp.example/common/v2.0".to_owned(),
            audience: vec!["api".to_owned()],
            jwks_uri: Some(JWKS.to_owned()),
            allowed_tenants: Some(vec!["a".to_owned(), "b".to_owned()]),
            ..PolicyOptions::default()
        })
        .unwrap(),
    );
    let token = signer.token_with(json!({ "iss": tenant("a"), "tid": "a" }));
    world.network.answer(JWKS, published(&tenant("a")));
    for _ in 0..2 {
        assert_eq!(code(&check(&world, &token, &policy, Memory::Signatures).await), None);
    }
    world.network.answer(JWKS, published(&tenant("b")));
    world.verifier.prefetch(&policy).await.unwrap();
    assert_eq!(code(&check(&world, &token, &policy, Memory::Signatures).await), Some(Code::TokenIssuer));
}
