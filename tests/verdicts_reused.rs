//! Verdicts: one signature check per token and key, never longer than the key is published, never across sources.

mod support;

use std::sync::Arc;

use remote_agent_auth::error::Code;
use remote_agent_auth::policy::{Policy, PolicyOptions};
use remote_agent_auth::verifier::{Answer, Checked, Memory};
use serde_json::json;
use support::{ISSUER, JWKS, Signer, World, jwks, now, pass, policy};

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
    for memory in [Memory::Verdicts, Memory::None] {
        let signer = Signer::new("k");
        let world = World::with_jwks_uri();
        world.network.answer(JWKS, jwks(&[&signer]));
        world.network.answer(ELSEWHERE, jwks(&[&signer]));
        let token = signer.token_with(json!({ "aud": ["api", "tenant"] }));
        let verified = check(&world, &token, &world.policy, memory).await.unwrap();
        let recheck = async |policy| match world.verifier.recheck(verified.signed(), &policy, now()) {
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
        assert!(check(&world, &token, &world.policy, Memory::Verdicts).await.is_ok());
    }
    let work = world.verifier.work();
    assert_eq!((work.signature_checks, work.verdicts_reused), (1, 9));
    for _ in 0..10 {
        assert!(check(&world, &token, &world.policy, Memory::None).await.is_ok());
    }
    assert_eq!(world.verifier.work().signature_checks, 11);
}

#[tokio::test(start_paused = true)]
async fn each_use_is_judged_afresh() {
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
    let judged = async |options| code(&check(&world, &token, &compiled(options), Memory::Verdicts).await);
    assert_eq!(judged(options()).await, None);
    assert_eq!(judged(PolicyOptions { audience: vec!["other".into()], ..options() }).await, Some(Code::TokenAudience));
    assert_eq!(judged(PolicyOptions { scope: Some("write".into()), ..options() }).await, Some(Code::ScopeMissing));
    assert_eq!(
        judged(PolicyOptions { algorithms: Some(vec!["RS256".into()]), ..options() }).await,
        Some(Code::TokenAlgorithm)
    );
    let later = remote_agent_auth::time::UnixSeconds::new(support::NOW + 10.0).unwrap();
    let Checked::Now(answer) = world.verifier.check(&token, &compiled(options()), later, Memory::Verdicts) else {
        panic!("keys are at hand")
    };
    assert_eq!(code(&answer), Some(Code::TokenExpired));
    assert_eq!(world.verifier.work().signature_checks, 1);
}

/// S21: between two identical requests the policy, the keys or the tenant change; the second is judged by what is then.
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
            assert!(check(&world, &token, &world.policy, Memory::Verdicts).await.is_ok());
        }
        let mut judged_by = Arc::clone(&world.policy);
        match change {
            "key withdrawn" => world.network.answer(JWKS, jwks(&[&unrelated])),
            "key replaced under its kid" => world.network.answer(JWKS, jwks(&[&other])),
            "other source" => judged_by = policy(Some(ELSEWHERE), "api"),
            "other audience" => judged_by = policy(Some(JWKS), "tenant"),
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
        accepted += usize::from(check(&world, &token, &judged_by, Memory::Verdicts).await.is_ok());
        pass(0).await;
    }
    assert_eq!(accepted, 0);
    println!(
        "SCORE {{\"row\":\"S21\",\"figure\":\"{accepted} of {cases} changes survived by a verdict\",\"limit\":\"0\",\"ok\":true}}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_token_that_was_refused_is_not_remembered() {
    let (signer, forger) = (Signer::new("k"), Signer::new("k"));
    let world = World::with_jwks_uri();
    world.network.answer(JWKS, jwks(&[&signer]));
    let forged = forger.token();
    for _ in 0..3 {
        assert_eq!(code(&check(&world, &forged, &world.policy, Memory::Verdicts).await), Some(Code::SignatureInvalid));
    }
    assert_eq!(world.verifier.work().verdicts_reused, 0);
}
