//! Keys come, go and are replaced; callers with good tokens do not notice, others buy nothing.

mod support;

use remote_agent_auth::error::Code;
use serde_json::json;
use support::{JWKS, Signer, World, jwks, pass, policy};

#[tokio::test(start_paused = true)]
async fn follows_a_rotation_at_once() {
    let (old, new) = (Signer::new("old"), Signer::new("new"));
    let world = World::with_jwks_uri();
    world.network.answer(JWKS, jwks(&[&old]));
    assert_eq!(world.code(&old.token()).await, None);
    world.network.answer(JWKS, jwks(&[&new, &old]));
    assert_eq!(world.code(&new.token()).await, None);
    assert_eq!(world.network.fetches(), 2);
    assert!(world.at_once(&old.token()).unwrap().is_ok());
}

#[tokio::test(start_paused = true)]
async fn many_requests_share_one_fetch() {
    let (old, new) = (Signer::new("old"), Signer::new("new"));
    let world = World::with_jwks_uri();
    world.network.answer(JWKS, jwks(&[&old]));
    let first: Vec<_> = (0..64).map(|_| old.token()).collect();
    for answer in futures(&world, &first).await {
        assert!(answer.is_ok());
    }
    assert_eq!(world.network.fetches(), 1);
    world.network.answer(JWKS, jwks(&[&old, &new]));
    let second: Vec<_> = (0..64).map(|_| new.token()).collect();
    for answer in futures(&world, &second).await {
        assert!(answer.is_ok());
    }
    assert_eq!(world.network.fetches(), 2);
}

async fn futures(world: &World, tokens: &[String]) -> Vec<remote_agent_auth::verifier::Answer> {
    use remote_agent_auth::verifier::Checked;
    let mut tasks = Vec::new();
    for token in tokens {
        match world.verifier.check(token, &world.policy, support::now(), remote_agent_auth::verifier::Memory::Verdicts)
        {
            Checked::Now(answer) => tasks.push(tokio::spawn(async move { *answer })),
            Checked::Later(future) => tasks.push(tokio::spawn(future)),
        }
    }
    let mut answers = Vec::new();
    for task in tasks {
        answers.push(task.await.unwrap());
    }
    answers
}

#[tokio::test(start_paused = true)]
async fn junk_key_ids_buy_two_fetches_and_spare_the_next_rotation() {
    let (old, new) = (Signer::new("old"), Signer::new("new"));
    let world = World::with_jwks_uri();
    world.network.answer(JWKS, jwks(&[&old]));
    assert_eq!(world.code(&old.token()).await, None);
    for n in 0..100 {
        assert_eq!(world.code(&Signer::new(&format!("junk{n}")).token()).await, Some(Code::KeyNotFound));
    }
    assert_eq!(world.network.fetches(), 3);
    world.network.answer(JWKS, jwks(&[&new]));
    pass(30).await;
    assert_eq!(world.code(&new.token()).await, None);
}

#[tokio::test(start_paused = true)]
async fn one_junk_key_id_does_not_make_a_rotation_wait() {
    let (old, new) = (Signer::new("old"), Signer::new("new"));
    let world = World::with_jwks_uri();
    world.network.answer(JWKS, jwks(&[&old]));
    assert_eq!(world.code(&Signer::new("junk").token()).await, Some(Code::KeyNotFound));
    world.network.answer(JWKS, jwks(&[&new]));
    assert_eq!(world.code(&new.token()).await, None);
}

#[tokio::test(start_paused = true)]
async fn the_same_unknown_key_id_buys_nothing_for_thirty_seconds() {
    let (old, late) = (Signer::new("old"), Signer::new("late"));
    let world = World::with_jwks_uri();
    world.network.answer(JWKS, jwks(&[&old]));
    for _ in 0..10 {
        assert_eq!(world.code(&late.token()).await, Some(Code::KeyNotFound));
    }
    assert_eq!(world.network.fetches(), 1, "the first keys are as new as any");
    world.network.answer(JWKS, jwks(&[&old, &late]));
    pass(30).await;
    assert_eq!(world.code(&late.token()).await, None);
}

#[tokio::test(start_paused = true)]
async fn a_token_its_own_claims_condemn_buys_no_fetch() {
    let (known, other) = (Signer::new("known"), Signer::new("other"));
    let world = World::with_jwks_uri();
    world.network.answer(JWKS, jwks(&[&known]));
    let condemned = [
        (json!({ "exp": support::NOW }), Code::TokenExpired),
        (json!({ "exp": null }), Code::TokenClaims),
        (json!({ "nbf": support::NOW + 1.0 }), Code::TokenNotYetValid),
        (json!({ "aud": "other" }), Code::TokenAudience),
        (json!({ "iss": "https://other.example" }), Code::TokenIssuer),
    ];
    for (changes, code) in &condemned {
        assert_eq!(world.code(&other.token_with(changes.clone())).await, Some(*code), "cold: {changes}");
    }
    assert_eq!(world.network.fetches(), 0);
    assert_eq!(world.code(&known.token()).await, None);
    for (changes, _) in &condemned {
        assert_eq!(world.code(&other.token_with(changes.clone())).await, Some(Code::KeyNotFound), "warm: {changes}");
    }
    assert_eq!(world.network.fetches(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_key_replaced_under_its_key_id_is_fetched_once_per_thirty_seconds() {
    let (old, new, forged) = (Signer::new("k"), Signer::new("k"), Signer::new("k"));
    let world = World::with_jwks_uri();
    world.network.answer(JWKS, jwks(&[&old]));
    assert_eq!(world.code(&old.token()).await, None);
    world.network.answer(JWKS, jwks(&[&new]));
    assert_eq!(world.code(&new.token()).await, None);
    assert_eq!(world.code(&old.token()).await, Some(Code::SignatureInvalid));
    for _ in 0..10 {
        assert_eq!(world.code(&forged.token()).await, Some(Code::SignatureInvalid));
    }
    assert_eq!(world.network.fetches(), 2);
    pass(30).await;
    assert_eq!(world.code(&forged.token()).await, Some(Code::SignatureInvalid));
    assert_eq!(world.network.fetches(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_withdrawn_key_is_refused_after_its_life_even_after_an_idle_night() {
    let (old, new) = (Signer::new("old"), Signer::new("new"));
    for idle in [60, 3 * 60 * 60, 12 * 60 * 60] {
        let world = World::with_jwks_uri();
        world.network.answer(JWKS, jwks(&[&old]));
        assert_eq!(world.code(&old.token()).await, None);
        world.network.answer(JWKS, jwks(&[&new]));
        pass(idle).await;
        assert_eq!(world.code(&old.token()).await, Some(Code::KeyNotFound), "after {idle} s");
    }
}

#[tokio::test(start_paused = true)]
async fn a_failure_in_the_evening_does_not_excuse_a_withdrawn_key_at_night() {
    let (old, new) = (Signer::new("old"), Signer::new("new"));
    let world = World::with_jwks_uri();
    world.network.answer(JWKS, jwks(&[&old]));
    assert_eq!(world.code(&old.token()).await, None);
    pass(60).await;
    world.network.answer(JWKS, support::status(503));
    assert_eq!(world.code(&old.token()).await, None, "the provider is down");
    world.network.answer(JWKS, jwks(&[&new]));
    pass(3 * 60 * 60).await;
    assert_eq!(world.code(&old.token()).await, Some(Code::KeyNotFound));
}

#[tokio::test(start_paused = true)]
async fn keys_in_use_are_refreshed_ahead_in_the_background() {
    let (old, new) = (Signer::new("old"), Signer::new("new"));
    let world = World::with_jwks_uri();
    world.network.answer(JWKS, jwks(&[&old]));
    assert_eq!(world.code(&old.token()).await, None);
    world.network.answer(JWKS, jwks(&[&new, &old]));
    pass(44).await;
    assert!(world.at_once(&old.token()).unwrap().is_ok());
    assert_eq!(world.network.fetches(), 1);
    pass(8).await;
    assert!(world.at_once(&old.token()).unwrap().is_ok());
    pass(0).await;
    assert_eq!(world.network.fetches(), 2);
    assert!(world.at_once(&new.token()).unwrap().is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_second_policy_of_the_same_source_reuses_the_signature_and_no_longer_than_the_key_is_published() {
    use remote_agent_auth::verifier::Checked;
    let (old, new) = (Signer::new("k"), Signer::new("k"));
    let world = World::with_jwks_uri();
    world.network.answer(JWKS, jwks(&[&old]));
    let token = old.token_with(json!({ "aud": ["api", "tenant"] }));
    let verified = world.check(&token).await.unwrap();
    let recheck = async |policy| match world.verifier.recheck(verified.signed(), &policy, support::now()) {
        Checked::Now(answer) => *answer,
        Checked::Later(future) => future.await,
    };
    let code = |answer: remote_agent_auth::verifier::Answer| answer.err().map(|refusal| refusal.code());
    assert_eq!(code(recheck(policy(Some(JWKS), "tenant")).await), None);
    assert_eq!(code(recheck(policy(Some(JWKS), "other")).await), Some(Code::TokenAudience));
    // Another source has other keys: what one provider signed says nothing there.
    world.network.answer("https://idp.example/other", jwks(&[&new]));
    let elsewhere = policy(Some("https://idp.example/other"), "tenant");
    assert_eq!(code(recheck(elsewhere).await), Some(Code::SignatureInvalid));
    world.network.answer(JWKS, jwks(&[&new]));
    pass(60).await;
    assert_eq!(code(recheck(policy(Some(JWKS), "tenant")).await), Some(Code::SignatureInvalid));
}
