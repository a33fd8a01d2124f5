//! The provider is slow, down or talks nonsense; known keys go on working and nobody waits for ever.

mod support;

use std::time::Duration;

use remote_agent_auth::error::Code;
use remote_agent_auth::provider::fetch::FetchError;
use remote_agent_auth::provider::fetch::Response;
use remote_agent_auth::verifier::{Checked, Memory};
use serde_json::json;
use support::{JWKS, Reply, Signer, World, jwks, now, ok, pass, status};

const STALE_BOUND: u64 = 4 * 60 * 60;

#[tokio::test(start_paused = true)]
async fn keys_at_hand_outlive_the_provider_up_to_the_stale_bound() {
    let signer = Signer::new("k");
    let world = World::with_jwks_uri();
    world.network.answer(JWKS, jwks(&[&signer]));
    assert_eq!(world.code(&signer.token()).await, None);
    world.network.on(JWKS, Reply::Fail(FetchError::Connect));
    let mut elapsed = 0;
    while elapsed + 97 < STALE_BOUND {
        pass(97).await;
        elapsed += 97;
        assert_eq!(world.code(&signer.token()).await, None, "after {elapsed} s");
    }
    pass(STALE_BOUND - elapsed).await;
    assert_eq!(world.code(&signer.token()).await, Some(Code::JwksFetch));
    world.network.answer(JWKS, jwks(&[&signer]));
    pass(1).await;
    assert_eq!(world.code(&signer.token()).await, None);
}

#[tokio::test(start_paused = true)]
async fn an_outage_costs_the_provider_at_most_a_request_per_thirty_seconds() {
    let signer = Signer::new("k");
    let world = World::with_jwks_uri();
    world.network.answer(JWKS, jwks(&[&signer]));
    assert_eq!(world.code(&signer.token()).await, None);
    world.network.on(JWKS, Reply::Fail(FetchError::Connect));
    pass(600).await;
    for _ in 0..20 {
        // Past the steep part of the back-off.
        assert_eq!(world.code(&signer.token()).await, None);
        pass(30).await;
    }
    let before = world.network.fetches();
    for _ in 0..600 {
        assert_eq!(world.code(&signer.token()).await, None);
        pass(1).await;
    }
    assert!(world.network.fetches() - before <= 21, "{}", world.network.fetches() - before);
}

#[tokio::test(start_paused = true)]
async fn a_cold_start_recovers_within_a_second_of_the_provider() {
    let signer = Signer::new("k");
    let world = World::with_jwks_uri();
    world.network.on(JWKS, Reply::Fail(FetchError::Connect));
    for _ in 0..200 {
        let refusal = world.check(&signer.token()).await.unwrap_err();
        assert_eq!(refusal.code(), Code::JwksFetch);
        assert!(refusal.retry_after().unwrap() <= Duration::from_secs(1));
        tokio::time::advance(Duration::from_millis(100)).await;
    }
    assert!(world.network.fetches() <= 24, "{} fetches in 20 s", world.network.fetches());
    world.network.answer(JWKS, jwks(&[&signer]));
    pass(1).await;
    assert_eq!(world.code(&signer.token()).await, None);
}

#[tokio::test(start_paused = true)]
async fn nobody_waits_for_a_hanging_refresh_longer_than_a_second() {
    let signer = Signer::new("k");
    let world = World::with_jwks_uri();
    world.network.answer(JWKS, jwks(&[&signer]));
    assert_eq!(world.code(&signer.token()).await, None);
    world.network.on(JWKS, Reply::Hang);
    pass(55).await;
    assert!(world.at_once(&signer.token()).unwrap().is_ok(), "refreshing ahead makes nobody wait");
    pass(5).await;
    let begun = tokio::time::Instant::now();
    assert_eq!(world.code(&signer.token()).await, None);
    assert_eq!(begun.elapsed(), Duration::from_secs(1));
    assert!(world.at_once(&signer.token()).unwrap().is_ok(), "the provider has shown that it hangs");
}

#[tokio::test(start_paused = true)]
async fn keys_that_pass_the_stale_bound_while_a_request_waits_are_not_served() {
    let signer = Signer::new("k");
    let world = World::with_jwks_uri();
    world.network.answer(JWKS, jwks(&[&signer]));
    assert_eq!(world.code(&signer.token()).await, None);
    world.network.on(JWKS, Reply::Hang);
    tokio::time::advance(Duration::from_secs(STALE_BOUND) - Duration::from_millis(500)).await;
    let begun = tokio::time::Instant::now();
    assert_eq!(world.code(&signer.token()).await, Some(Code::JwksFetch));
    assert!(begun.elapsed() <= Duration::from_millis(10_002));
}

#[tokio::test(start_paused = true)]
async fn a_request_that_waits_for_two_refreshes_is_answered_by_the_deadline_of_one() {
    let (known, new) = (Signer::new("known"), Signer::new("new"));
    let world = World::with_jwks_uri();
    world.network.answer(JWKS, jwks(&[&known]));
    assert_eq!(world.code(&known.token()).await, None);
    world.network.on(JWKS, Reply::Slow(Duration::from_secs(8), jwks(&[&known])));
    pass(55).await;
    assert!(world.at_once(&known.token()).unwrap().is_ok(), "begins a refresh");
    pass(1).await;
    // The first refresh takes 7 s more and was begun before the request; one more would take 8 s.
    let begun = tokio::time::Instant::now();
    assert_eq!(world.code(&new.token()).await, Some(Code::JwksFetch));
    assert!(begun.elapsed() <= Duration::from_millis(10_002), "{:?}", begun.elapsed());
}

#[tokio::test(start_paused = true)]
async fn without_keys_a_hanging_provider_is_given_up_at_the_deadline() {
    let signer = Signer::new("k");
    let world = World::with_jwks_uri();
    world.network.on(JWKS, Reply::Hang);
    let begun = tokio::time::Instant::now();
    assert_eq!(world.code(&signer.token()).await, Some(Code::JwksFetch));
    assert_eq!(begun.elapsed(), Duration::from_secs(10));
}

#[tokio::test(start_paused = true)]
async fn a_bad_answer_takes_no_key_away() {
    let signer = Signer::new("k");
    let weak = json!({ "kty": "RSA", "kid": "weak", "n": "AQAB", "e": "AQAB" });
    let bad: Vec<(&str, Reply)> = vec![
        ("refused", Reply::Fail(FetchError::Connect)),
        ("timeout", Reply::Fail(FetchError::Timeout)),
        ("too large", Reply::Fail(FetchError::TooLarge)),
        ("broken", Reply::Fail(FetchError::Exchange)),
        ("refused address", Reply::Fail(FetchError::Address)),
        ("a panic", Reply::Panic),
        ("404", Reply::Answer(status(404))),
        ("500", Reply::Answer(status(500))),
        ("redirect", Reply::Answer(Response { location: Some(JWKS.into()), ..status(302) })),
        ("304 that nobody asked for", Reply::Answer(status(304))),
        ("empty", Reply::Answer(status(200))),
        ("html", Reply::Answer(Response { body: b"<html>".to_vec(), ..status(200) })),
        ("not utf-8", Reply::Answer(Response { body: vec![0xff, 0xfe], ..status(200) })),
        ("null", Reply::Answer(ok(&json!(null)))),
        ("array", Reply::Answer(ok(&json!([])))),
        ("no keys", Reply::Answer(ok(&json!({})))),
        ("keys null", Reply::Answer(ok(&json!({ "keys": null })))),
        ("keys object", Reply::Answer(ok(&json!({ "keys": {} })))),
        ("empty set", Reply::Answer(ok(&json!({ "keys": [] })))),
        ("only junk", Reply::Answer(ok(&json!({ "keys": [null, 1, {}, weak] })))),
        ("deep", Reply::Answer(Response { body: b"[".repeat(100_000), ..status(200) })),
    ];
    for (name, reply) in bad {
        let world = World::with_jwks_uri();
        world.network.answer(JWKS, jwks(&[&signer]));
        assert_eq!(world.code(&signer.token()).await, None);
        world.network.on(JWKS, reply.clone());
        pass(61).await;
        assert_eq!(world.code(&signer.token()).await, None, "{name}");
        assert_eq!(world.network.fetches(), 2, "{name}");
        let cold = World::with_jwks_uri();
        cold.network.on(JWKS, reply);
        let fault = cold.check(&signer.token()).await.unwrap_err().code().fault().name();
        assert!(fault == "upstream" || name == "a panic" && fault == "internal", "{name}: {fault}");
    }
}

#[tokio::test(start_paused = true)]
async fn entries_that_cannot_be_used_are_skipped_one_by_one() {
    let signer = Signer::new("k");
    let world = World::with_jwks_uri();
    world.network.answer(JWKS, ok(&json!({ "keys": [null, { "kty": "X" }, signer.jwk(), 7] })));
    assert_eq!(world.code(&signer.token()).await, None);
    let report = world.verifier.report();
    assert_eq!(report[0].snapshot.as_ref().unwrap().keys().skipped().len(), 3);
}

#[tokio::test(start_paused = true)]
async fn an_unknown_key_during_an_outage_is_the_providers_fault() {
    let (known, new) = (Signer::new("known"), Signer::new("new"));
    let world = World::with_jwks_uri();
    world.network.answer(JWKS, jwks(&[&known]));
    assert_eq!(world.code(&known.token()).await, None);
    world.network.answer(JWKS, status(503));
    assert_eq!(world.code(&new.token()).await, Some(Code::JwksFetch));
    assert_eq!(world.code(&known.token()).await, None);
}

#[tokio::test(start_paused = true)]
async fn a_fetch_begun_before_clear_answers_its_waiters_and_is_not_kept() {
    let signer = Signer::new("k");
    let world = World::with_jwks_uri();
    world.network.on(JWKS, Reply::Slow(Duration::from_secs(2), jwks(&[&signer])));
    let Checked::Later(waiting) = world.verifier.check(&signer.token(), &world.policy, now(), Memory::None) else {
        panic!()
    };
    pass(0).await;
    world.verifier.clear();
    world.network.on(JWKS, Reply::Fail(FetchError::Connect));
    assert!(waiting.await.is_ok());
    assert_eq!(world.code(&signer.token()).await, Some(Code::JwksFetch));
}

#[tokio::test(start_paused = true)]
async fn prefetch_brings_keys_or_says_why_not() {
    let signer = Signer::new("k");
    let world = World::with_jwks_uri();
    world.network.answer(JWKS, status(500));
    assert_eq!(world.verifier.prefetch(&world.policy).await.unwrap_err().code(), Code::JwksFetch);
    world.network.answer(JWKS, jwks(&[&signer]));
    world.verifier.prefetch(&world.policy).await.unwrap();
    assert!(world.at_once(&signer.token()).unwrap().is_ok());
}
