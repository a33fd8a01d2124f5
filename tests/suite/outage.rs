//! The provider is slow, down or answers nonsense; known keys keep working and nobody waits for ever.

use std::time::Duration;

use crate::support::{JWKS, Reply, Signer, World, jwks, long, now, ok, pass, score, status};
use remote_agent_auth::error::Code;
use remote_agent_auth::provider::fetch::FetchError;
use remote_agent_auth::provider::fetch::Response;
use remote_agent_auth::verifier::{Checked, Memory};
use serde_json::json;

const STALE_BOUND: u64 = 4 * 60 * 60;

#[tokio::test(start_paused = true)]
async fn keys_at_hand_outlive_the_provider_up_to_the_stale_bound() {
    let signer = Signer::new("k");
    let world = World::with_jwks_uri();
    world.network.answer(JWKS, jwks(&[&signer]));
    assert_eq!(world.code(&signer.token()).await, None);
    world.network.on(JWKS, Reply::Fail(FetchError::Refused));
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
    world.network.on(JWKS, Reply::Fail(FetchError::Refused));
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
    world.network.on(JWKS, Reply::Fail(FetchError::Refused));
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
        ("refused", Reply::Fail(FetchError::Refused)),
        ("timeout", Reply::Fail(FetchError::BodyTimeout)),
        ("too large", Reply::Fail(FetchError::TooLarge)),
        ("broken", Reply::Fail(FetchError::Reset)),
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
    let kinds = bad.len();
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
    let figure = format!("{kinds} kinds of bad answer, known keys kept working after each");
    score("S11", &figure, "20 kinds, known keys keep working", kinds >= 20);
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
    world.network.on(JWKS, Reply::Fail(FetchError::Refused));
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

// --- Rows of the scorecard ---

#[tokio::test(start_paused = true)]
async fn an_outage_refuses_nobody_up_to_the_stale_bound_and_everybody_after_it() {
    use remote_agent_auth::verifier::Memory;
    let signer = Signer::new("k");
    let step = if long() { 3_000 } else { 60_000 };
    let outages = [
        ("refuses", Reply::Fail(FetchError::Refused)),
        ("hangs", Reply::Hang),
        ("500", Reply::Answer(status(500))),
        ("too slow", Reply::Slow(Duration::from_secs(30), jwks(&[&signer]))),
    ];
    let (mut asked, mut refused, mut accepted_after, mut slowest) = (0_u64, 0_u64, 0_u64, Duration::ZERO);
    for (_, outage) in outages {
        let world = World::with_jwks_uri();
        world.network.answer(JWKS, jwks(&[&signer]));
        assert_eq!(world.code(&signer.token()).await, None);
        let fetched = tokio::time::Instant::now();
        world.network.on(JWKS, outage);
        let bound = fetched + Duration::from_secs(STALE_BOUND);
        let mut moment = fetched;
        loop {
            // Not in step with any pause, and once at the last moment.
            let next = moment + Duration::from_millis(step + asked % 977);
            let last_wait = bound - Duration::from_millis(1_050);
            moment = if moment < last_wait && next >= last_wait { last_wait } else { next };
            if moment > bound + Duration::from_secs(3 * 60) {
                break;
            }
            tokio::time::sleep_until(moment).await;
            let tokens: Vec<String> = vec![signer.token(); 64];
            let tasks: Vec<_> = tokens
                .iter()
                .map(|token| {
                    let begun = tokio::time::Instant::now();
                    let checked = world.verifier.check(token, &world.policy, now(), Memory::Signatures);
                    tokio::spawn(async move {
                        let answer = match checked {
                            Checked::Now(answer) => *answer,
                            Checked::Later(future) => future.await,
                        };
                        (answer.is_ok(), begun.elapsed())
                    })
                })
                .collect();
            for task in tasks {
                let (accepted, waited) = task.await.unwrap();
                asked += 1;
                if moment < bound {
                    refused += u64::from(!accepted);
                    slowest = slowest.max(waited);
                } else {
                    accepted_after += u64::from(accepted);
                }
            }
            moment = moment.max(tokio::time::Instant::now());
        }
    }
    let figure = format!(
        "{asked} requests, 64 at a time, in 4 kinds of outage: {refused} failed up to the stale bound, {accepted_after} accepted after it, longest wait {slowest:?}"
    );
    let ok = refused == 0 && accepted_after == 0 && slowest <= Duration::from_millis(1_002);
    score("S10", &figure, "0 failed up to the stale bound, 0 accepted after it", ok);
}

#[tokio::test(start_paused = true)]
async fn a_cold_start_without_a_provider_succeeds_within_a_second_of_its_return() {
    let signer = Signer::new("k");
    let token = signer.token();
    let (mut worst, mut starts) = (Duration::ZERO, 0);
    // However long it is away, and wherever in a pause it comes back.
    for away in (0..60).map(|n| n * 137).chain((0..40).map(|n| 60_000 + n * 53)) {
        for answers_in in [0, 5, 200] {
            starts += 1;
            let world = World::with_jwks_uri();
            world.network.on(JWKS, Reply::Fail(FetchError::Refused));
            let start = tokio::time::Instant::now();
            let back = start + Duration::from_millis(away);
            let mut is_back = false;
            loop {
                if !is_back && tokio::time::Instant::now() >= back {
                    is_back = true;
                    world.network.on(JWKS, Reply::Slow(Duration::from_millis(answers_in), jwks(&[&signer])));
                }
                if world.code(&token).await.is_none() {
                    break;
                }
                let next = tokio::time::Instant::now() + Duration::from_millis(20);
                tokio::time::sleep_until(if is_back { next } else { next.min(back.max(tokio::time::Instant::now())) })
                    .await;
                assert!(start.elapsed() < Duration::from_secs(120), "it never came back");
            }
            assert!(is_back);
            worst = worst.max(back.elapsed() - Duration::from_millis(answers_in));
        }
    }
    let figure =
        format!("{starts} cold starts, first success at most {worst:?} after the provider's return, answer time aside");
    score("S12", &figure, "within 1 s of recovery", worst <= Duration::from_secs(1));
}
