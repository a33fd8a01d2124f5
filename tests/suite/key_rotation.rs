//! Keys come, go and are replaced; callers with good tokens do not notice, others cause no fetch.

use crate::support;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::support::{JWKS, Reply, Signer, World, jwks, listed, long, ok, pass, policy, score, status};
use remote_agent_auth::base64url::encode;
use remote_agent_auth::error::Code;
use remote_agent_auth::provider::budget::Pacing;
use remote_agent_auth::provider::fetch::Response;
use remote_agent_auth::time::UnixSeconds;
use serde_json::json;

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

/// What remembers answers asks for this count, so it must rise with whatever may make one wrong.
#[tokio::test(start_paused = true)]
async fn changes_are_counted_and_confirmations_are_not() {
    let (a, b) = (Signer::new("a"), Signer::new("b"));
    let with = |member: &str, value: &str| {
        let mut entry = a.jwk();
        entry[member] = json!(value);
        ok(&json!({ "keys": [entry] }))
    };
    let advised = |signers: &[&Signer], seconds: u64| {
        let cache_control = Some(format!("max-age={seconds}"));
        Response { cache_control, ..jwks(signers) }
    };
    let world = World::with_jwks_uri();
    let steps = [
        ("the first keys", jwks(&[&a]), true),
        ("the same", jwks(&[&a]), false),
        ("one more", jwks(&[&a, &b]), true),
        ("another order", jwks(&[&b, &a]), true),
        ("one less", jwks(&[&a]), true),
        ("another key of the same kid", jwks(&[&Signer::new("a")]), true),
        ("the first again", jwks(&[&a]), true),
        ("the same key for one algorithm", with("alg", "ES256"), true),
        ("the same key for one issuer", with("issuer", "https://issuer.example/other"), true),
        ("the same key by another name", with("kid", "c"), true),
        ("the first once more", jwks(&[&a]), true),
        ("a longer life", advised(&[&a], 500), false),
        ("what is left of that life", advised(&[&a], 380), false),
        ("a life that ends sooner", advised(&[&a], 90), true),
        ("a failure", status(500), false),
        ("the same after a failure", advised(&[&a], 90), false),
    ];
    for (name, answer, counts) in steps {
        let before = world.verifier.changes();
        world.network.answer(JWKS, answer);
        let _ = world.verifier.prefetch(&world.policy).await;
        assert_eq!(world.verifier.changes() > before, counts, "{name}");
        pass(120).await;
    }
    let before = world.verifier.changes();
    world.verifier.clear();
    assert!(world.verifier.changes() > before);
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
        match world.verifier.check(
            token,
            &world.policy,
            support::now(),
            remote_agent_auth::verifier::Memory::Signatures,
        ) {
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
async fn junk_key_ids_cause_three_fetches_at_once_and_then_wait_for_one_every_five_seconds() {
    let (old, new) = (Signer::new("old"), Signer::new("new"));
    let world = World::with_jwks_uri();
    world.network.answer(JWKS, jwks(&[&old]));
    assert_eq!(world.code(&old.token()).await, None);
    let start = tokio::time::Instant::now();
    let mut waited = Vec::new();
    for n in 0..5 {
        assert_eq!(world.code(&Signer::new(&format!("junk{n}")).token()).await, Some(Code::KeyNotFound));
        waited.push(start.elapsed().as_secs());
    }
    assert_eq!((waited, world.network.fetches()), (vec![0, 0, 0, 5, 10], 6));
    // A rotation now: its tokens wait for the next fetch, which they share, and pass.
    world.network.answer(JWKS, jwks(&[&new]));
    let tokens: Vec<_> = (0..64).map(|_| new.token()).collect();
    assert!(futures(&world, &tokens).await.iter().all(Result::is_ok));
    assert_eq!((start.elapsed().as_secs(), world.network.fetches()), (15, 7));
}

#[tokio::test(start_paused = true)]
async fn requests_waiting_for_a_turn_are_bounded_and_the_others_are_refused_with_a_time() {
    use remote_agent_auth::error::Refusal;
    use remote_agent_auth::provider::NotAsked;
    let old = Signer::new("old");
    let world = World::with_jwks_uri();
    world.network.answer(JWKS, jwks(&[&old]));
    assert_eq!(world.code(&old.token()).await, None);
    let rest = old.token().split_once('.').unwrap().1.to_owned();
    let junk = |n: usize| format!("{}.{rest}", encode(format!(r#"{{"alg":"ES256","kid":"{n}"}}"#).as_bytes()));
    for n in 0..3 {
        assert_eq!(world.code(&junk(n)).await, Some(Code::KeyNotFound));
    }
    let start = tokio::time::Instant::now();
    let tokens: Vec<_> = (3..303).map(junk).collect();
    let answers = futures(&world, &tokens).await;
    let too_often = Refusal::NotAsked(NotAsked::TooOften(Duration::from_secs(5)));
    let refused: Vec<_> = answers.iter().filter_map(|answer| answer.as_ref().err()).collect();
    assert_eq!(refused.iter().filter(|it| ***it == too_often).count(), 44, "300 less 256");
    assert_eq!(refused.iter().filter(|it| it.code() == Code::KeyNotFound).count(), 256);
    assert_eq!((too_often.code(), too_often.retry_after()), (Code::KeyNotAsked, Some(Duration::from_secs(5))));
    assert!(too_often.to_string().ends_with("is not asked again for 5 s"), "{too_often}");
    assert_eq!((start.elapsed().as_secs(), world.network.fetches()), (5, 5));
    // Nobody waits any more: all places are free again.
    let more: Vec<_> = (1_000..1_256).map(junk).collect();
    assert!(futures(&world, &more).await.iter().all(|it| it.as_ref().is_err_and(|it| it.code() == Code::KeyNotFound)));
}

#[tokio::test(start_paused = true)]
async fn a_request_waiting_for_a_turn_shares_any_refresh_that_begins() {
    let (old, new) = (Signer::new("old"), Signer::new("new"));
    let world = Arc::new(World::with_jwks_uri());
    world.network.answer(JWKS, jwks(&[&old]));
    assert_eq!(world.code(&old.token()).await, None);
    for n in 0..3 {
        assert_eq!(world.code(&Signer::new(&format!("junk{n}")).token()).await, Some(Code::KeyNotFound));
    }
    let start = tokio::time::Instant::now();
    let waiting = tokio::spawn({
        let (world, token) = (Arc::clone(&world), new.token());
        async move { world.code(&token).await }
    });
    pass(1).await;
    world.network.answer(JWKS, jwks(&[&new]));
    world.verifier.prefetch(&world.policy).await.unwrap();
    assert_eq!(waiting.await.unwrap(), None);
    assert_eq!(start.elapsed().as_secs(), 1);
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
async fn the_same_unknown_key_id_causes_no_fetch_for_five_seconds_doubling_to_a_minute() {
    let (old, late) = (Signer::new("old"), Signer::new("late"));
    let world = World::with_jwks_uri();
    world.network.answer(JWKS, jwks(&[&old]));
    let mut at = Vec::new();
    let (start, mut fetches) = (tokio::time::Instant::now(), 0);
    let advised = Response { cache_control: Some("max-age=600".to_owned()), ..jwks(&[&old]) };
    world.network.answer(JWKS, advised.clone());
    while start.elapsed() < Duration::from_secs(200) {
        assert_eq!(world.code(&late.token()).await, Some(Code::KeyNotFound));
        if world.network.fetches() > fetches {
            fetches = world.network.fetches();
            at.push(start.elapsed().as_secs());
        }
        // Another's refresh that succeeds is no reason to ask for this one again.
        if start.elapsed().as_secs() == 9 {
            world.verifier.prefetch(&world.policy).await.unwrap();
            fetches += 1;
        }
        pass(1).await;
    }
    assert_eq!(at, [0, 5, 15, 35, 75, 135, 195], "the first keys are as new as any");
    let refused = world.check(&late.token()).await.unwrap_err().to_string();
    assert_eq!(
        refused,
        "the provider's keys, fetched 5 s ago, have none for the token's `kid`; it is not asked again for this one for 55 s"
    );
    world.network.answer(JWKS, jwks(&[&old, &late]));
    pass(55).await;
    assert_eq!(world.code(&late.token()).await, None);
}

#[tokio::test(start_paused = true)]
async fn a_token_whose_own_claims_would_be_refused_causes_no_fetch() {
    let (known, other) = (Signer::new("known"), Signer::new("other"));
    let world = World::with_jwks_uri();
    world.network.answer(JWKS, jwks(&[&known]));
    let would_be_refused = [
        (json!({ "exp": support::NOW }), Code::TokenExpired),
        (json!({ "exp": null }), Code::TokenClaims),
        (json!({ "nbf": support::NOW + 1.0 }), Code::TokenNotYetValid),
        (json!({ "aud": "other" }), Code::TokenAudience),
        (json!({ "iss": "https://other.example" }), Code::TokenIssuer),
    ];
    for (changes, code) in &would_be_refused {
        assert_eq!(world.code(&other.token_with(changes.clone())).await, Some(*code), "cold: {changes}");
    }
    assert_eq!(world.network.fetches(), 0);
    assert_eq!(world.code(&known.token()).await, None);
    for (changes, _) in &would_be_refused {
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
async fn both_of_two_keys_under_one_key_id_serve_and_a_third_time_the_same_is_left_out() {
    let (first, later) = (Signer::new("k"), Signer::new("k"));
    let world = World::with_jwks_uri();
    world.network.answer(JWKS, jwks(&[&first, &later, &later]));
    let claims = json!({ "iss": support::ISSUER, "aud": "api", "sub": "user", "exp": support::NOW + 300.0 });
    let nameless = |signer: &Signer| signer.sign(&json!({ "alg": "ES256" }), &claims);
    assert_eq!(world.code(&first.token()).await, None);
    assert_eq!(world.code(&nameless(&first)).await, None);
    assert_eq!(world.code(&nameless(&later)).await, None);
    assert_eq!(world.code(&later.token()).await, None);
    assert_eq!(world.code(&Signer::new("k").token()).await, Some(Code::SignatureInvalid));
    let report = world.verifier.report();
    let keys = report[0].snapshot.as_ref().unwrap().keys();
    assert_eq!((keys.keys().len(), keys.skipped().len()), (2, 1));
}

/// What is remembered of a token is true of the key that signed, not of its `kid`.
#[tokio::test(start_paused = true)]
async fn of_two_keys_under_one_key_id_the_withdrawn_one_takes_its_tokens_along() {
    let (first, later) = (Signer::new("k"), Signer::new("k"));
    let world = World::with_jwks_uri();
    world.network.answer(JWKS, jwks(&[&first, &later]));
    let (old, kept) = (first.token(), later.token());
    assert_eq!((world.code(&old).await, world.code(&kept).await), (None, None));
    world.network.answer(JWKS, jwks(&[&later]));
    pass(120).await;
    assert_eq!(world.code(&kept).await, None);
    assert_eq!(world.code(&old).await, Some(Code::SignatureInvalid));
}

#[tokio::test(start_paused = true)]
async fn finds_the_thousandth_key_of_a_set_and_none_beyond() {
    let signers: Vec<Signer> = (1..=1001).map(|number| Signer::new(&format!("k{number}"))).collect();
    let world = World::with_jwks_uri();
    world.network.answer(JWKS, jwks(&signers.iter().collect::<Vec<_>>()));
    for (number, code) in [(1, None), (101, None), (1000, None), (1001, Some(Code::KeyNotFound))] {
        assert_eq!(world.code(&signers[number - 1].token()).await, code, "{number}");
    }
    let nameless = |signer: &Signer| {
        let claims = json!({ "iss": support::ISSUER, "aud": "api", "sub": "user", "exp": support::NOW + 300.0 });
        signer.sign(&json!({ "alg": "ES256" }), &claims)
    };
    // A token without `kid` is tried against a few keys, however many there are.
    assert_eq!(world.code(&nameless(&signers[7])).await, None);
    assert_eq!(world.code(&nameless(&signers[8])).await, Some(Code::SignatureInvalid));
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
    let recheck = async |policy| match world.verifier.recheck(verified.signed().unwrap(), &policy, support::now()) {
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

// --- Rows of the scorecard ---

/// A hundred thousand junk `kid`s a minute, a good token every tenth of a second, a rotation in the middle.
#[tokio::test(start_paused = true)]
async fn a_flood_of_junk_key_ids_causes_few_fetches_and_refuses_no_good_token() {
    use remote_agent_auth::verifier::{Checked, Memory};
    const JUNK_PER_MINUTE: usize = 100_000;
    let mut waiting = Vec::new();
    let minutes = if long() { 10 } else { 2 };
    let (old, new) = (Signer::new("old"), Signer::new("new"));
    let world = World::with_jwks_uri();
    world.network.answer(JWKS, jwks(&[&old]));
    let (good, next) = (old.token(), new.token());
    let rest = good.split_once('.').unwrap().1.to_owned();
    let mut junk = (0_usize..).map(|n| {
        // Nobody looks at the signature of a `kid` that nobody has.
        format!("{}.{rest}", encode(format!(r#"{{"alg":"ES256","kid":"{n:x}"}}"#).as_bytes()))
    });
    let (mut sent, mut refused_good, mut by_minute) = (0_usize, 0_usize, Vec::new());
    let mut rotated: Option<Duration> = None;
    // When tokens of the new key were refused and accepted since it is published.
    let followed = Arc::new(std::sync::Mutex::new((Vec::new(), Vec::new())));
    let start = tokio::time::Instant::now();
    for minute in 0..minutes {
        let before = world.network.fetches();
        for tenth in 0..600 {
            let due = JUNK_PER_MINUTE * (tenth + 1) / 600 - JUNK_PER_MINUTE * tenth / 600;
            for token in junk.by_ref().take(due) {
                sent += 1;
                // Whoever gets no place among those who wait hears so at once.
                match world.verifier.check(&token, &world.policy, support::now(), Memory::Signatures) {
                    Checked::Now(answer) => assert_eq!(answer.unwrap_err().code(), Code::KeyNotAsked),
                    Checked::Later(future) => waiting.push(tokio::spawn(async move { drop(future.await) })),
                }
            }
            refused_good += usize::from(world.code(&good).await.is_some());
            // In the second minute the provider changes to a new key, and still publishes the old one.
            if minute == 1 && tenth == 100 {
                world.network.answer(JWKS, jwks(&[&new, &old]));
                rotated = Some(start.elapsed());
            }
            if rotated.is_some() {
                let (followed, checked) = (
                    Arc::clone(&followed),
                    world.verifier.check(&next, &world.policy, support::now(), Memory::Signatures),
                );
                waiting.push(tokio::spawn(async move {
                    let good = match checked {
                        Checked::Now(answer) => answer.is_ok(),
                        Checked::Later(future) => future.await.is_ok(),
                    };
                    let mut followed = followed.lock().unwrap();
                    (if good { &mut followed.1 } else { &mut followed.0 }).push(start.elapsed());
                }));
            }
            tokio::time::advance(Duration::from_millis(100)).await;
            tokio::task::yield_now().await;
        }
        by_minute.push(world.network.fetches() - before);
    }
    for waiting in waiting {
        waiting.await.unwrap();
    }
    let (refused, accepted) = std::mem::take(&mut *followed.lock().unwrap());
    let since =
        |times: &[Duration], pick: fn(&[Duration]) -> Option<&Duration>| pick(times).map(|at| *at - rotated.unwrap());
    let (first, last) = (since(&accepted, |it| it.iter().min()), since(&refused, |it| it.iter().max()));
    let ok = by_minute.iter().all(|fetches| *fetches <= 12)
        && refused_good == 0
        && first.is_some_and(|first| first <= Duration::from_secs(10))
        && last.unwrap_or_default() <= Duration::from_secs(10);
    let figure = format!(
        "{sent} junk kids in {minutes} minutes, fetches a minute {by_minute:?}, {refused_good} good tokens refused, a rotation followed after {:?}, last refused after {:?}",
        first.unwrap_or_default(),
        last.unwrap_or_default()
    );
    score(
        "S13",
        &figure,
        "100,000 a minute: at most 12 fetches a minute; good tokens 100 %; rotation within 10 s; withdrawn kids cause no fetch",
        ok,
    );
}

/// What an earlier set held and the newest lacks: those who keep sending it cause no fetch, and delay nobody.
#[tokio::test(start_paused = true)]
async fn a_withdrawn_key_id_causes_no_fetch() {
    let (old, new) = (Signer::new("old"), Signer::new("new"));
    let world = World::with_jwks_uri();
    let advised = |signers: &[&Signer]| Response { cache_control: Some("max-age=600".to_owned()), ..jwks(signers) };
    world.network.answer(JWKS, advised(&[&old]));
    assert_eq!(world.code(&old.token()).await, None);
    world.network.answer(JWKS, advised(&[&new]));
    assert_eq!(world.code(&new.token()).await, None);
    let (mut answers, mut refusal) = (Vec::new(), None);
    for _ in 0..590 {
        let answer = world.at_once(&old.token()).expect("nobody is asked");
        answers.extend(answer.as_ref().err().map(|it| it.code()));
        refusal = answer.err();
        pass(0).await;
        tokio::time::advance(Duration::from_millis(100)).await;
    }
    let caused = world.network.fetches() - 2;
    let ok = caused == 0 && answers == [Code::KeyNotFound; 590];
    score(
        "S13",
        &format!("590 tokens of a withdrawn kid in 59 s caused {caused} fetches"),
        "withdrawn kids cause no fetch",
        ok,
    );
    let refusal = refusal.unwrap().to_string();
    assert!(refusal.starts_with("the provider's keys, fetched 58 s ago, have none for the token's `kid`"), "{refusal}");
}

/// Some providers replace a key under its `kid`. Whoever still sends tokens of the one before must not spend what the next good
/// token needs; and where the provider turns back, a look a minute is enough to find out.
#[tokio::test(start_paused = true)]
async fn tokens_of_a_key_replaced_under_its_kid_leave_the_pause_to_those_of_the_next() {
    let keys = [Signer::new("k"), Signer::new("k"), Signer::new("k")];
    let world = World::with_jwks_uri();
    let publish = |n: usize| {
        let cache_control = Some("max-age=600".to_owned());
        world.network.answer(JWKS, Response { cache_control, ..jwks(&[&keys[n]]) });
    };
    let wall = UnixSeconds::system_now().get();
    let old = keys[0].token_with(json!({ "iat": wall - 120.0 }));
    let fresh = |n: usize| keys[n].token_with(json!({ "iat": wall }));
    publish(0);
    assert_eq!(world.code(&old).await, None);
    publish(1);
    assert_eq!(world.code(&fresh(1)).await, None);
    pass(35).await;
    for _ in 0..20 {
        assert_eq!(world.at_once(&old).expect("nobody is asked").unwrap_err().code(), Code::SignatureInvalid);
        pass(1).await;
    }
    assert_eq!(world.network.fetches(), 2);
    publish(2);
    assert_eq!(world.code(&fresh(2)).await, None);
    assert_eq!(world.network.fetches(), 3);
    publish(0);
    assert_eq!(world.code(&old).await, Some(Code::SignatureInvalid));
    pass(61).await;
    assert_eq!(world.code(&old).await, None);
    assert_eq!(world.network.fetches(), 4);
}

/// Thirty-two callers with tokens of the newest key, while keys are replaced every two seconds.
#[tokio::test(start_paused = true)]
async fn a_rotation_every_two_seconds_refuses_nobody() {
    use remote_agent_auth::verifier::{Checked, Memory};
    let rotations = if long() { 500 } else { 40 };
    let second = Duration::from_secs(1);
    let pacing = Pacing {
        unknown_kid_refill: second,
        unknown_kid_memory: second,
        failed_signature_pause: second,
        ..Pacing::default()
    };
    let mut figures = Vec::new();
    let mut spurious_in_all = 0;
    for same_kid in [false, true] {
        let world = Arc::new(World::paced(pacing));
        let keys: Vec<_> =
            (0..=rotations).map(|n| Signer::new(&if same_kid { "k".to_owned() } else { format!("k{n}") })).collect();
        let tokens: Arc<Vec<String>> = Arc::new(keys.iter().map(Signer::token).collect());
        let newest = Arc::new(AtomicU64::new(0));
        let publish = |n: usize| {
            // Under one `kid` only the newest key can be published; else the one before stays a while.
            let set: Vec<&Signer> =
                if same_kid { vec![&keys[n]] } else { keys[n.saturating_sub(1)..=n].iter().collect() };
            world.network.on(JWKS, Reply::Slow(Duration::from_millis(50), jwks(&set)));
            newest.store(n as u64, Ordering::SeqCst);
        };
        publish(0);
        let callers: Vec<_> = (0..32_u64)
            .map(|caller| {
                let (world, tokens, newest) = (Arc::clone(&world), Arc::clone(&tokens), Arc::clone(&newest));
                tokio::spawn(async move {
                    let (mut asked, mut refused) = (0_u64, Vec::new());
                    tokio::time::sleep(Duration::from_millis(3 * caller)).await;
                    loop {
                        let n = newest.load(Ordering::SeqCst) as usize;
                        if n == rotations {
                            return (asked, refused);
                        }
                        // Half the callers leave no memory behind; some hold the token of the key before.
                        let memory = if caller % 2 == 0 { Memory::Signatures } else { Memory::None };
                        let mine = if same_kid || caller % 4 != 1 { n } else { n.saturating_sub(1) };
                        let answer = match world.verifier.check(&tokens[mine], &world.policy, support::now(), memory) {
                            Checked::Now(answer) => *answer,
                            Checked::Later(future) => future.await,
                        };
                        asked += 1;
                        refused.extend(answer.err().map(|refusal| (caller, n, mine, refusal.code())));
                        tokio::time::sleep(Duration::from_millis(90 + caller)).await;
                    }
                })
            })
            .collect();
        for n in 1..=rotations {
            tokio::time::sleep(2 * second).await;
            publish(n);
        }
        let (mut asked, mut spurious) = (0, Vec::new());
        for caller in callers {
            let (count, refused) = caller.await.unwrap();
            asked += count;
            spurious.extend(refused);
        }
        println!("{spurious:?}");
        spurious_in_all += spurious.len();
        let kind = if same_kid { "one kid" } else { "new kids" };
        figures.push(format!(
            "{kind}: {asked} checks, {} refused, {} fetches",
            spurious.len(),
            world.network.fetches()
        ));
    }
    let figure = format!("{rotations} rotations each way; {}", figures.join("; "));
    score("S16", &figure, "0 spurious refusals", spurious_in_all == 0);
}

/// Where a provider that answers withdraws a key: by load, by what it advises, by how long nobody called.
#[tokio::test(start_paused = true)]
async fn a_withdrawn_key_outlives_its_life_nowhere() {
    use remote_agent_auth::verifier::{Checked, Memory};
    let (old, new) = (Signer::new("old"), Signer::new("new"));
    let token = old.token();
    let mut late = Vec::new();
    let mut worst = 0.0_f64;
    let mut cases = 0;
    for (advice, life) in
        [(None, 60), (Some("max-age=5"), 60), (Some("max-age=300"), 300), (Some("max-age=86400"), 600)]
    {
        let with = |response: remote_agent_auth::provider::fetch::Response| {
            let cache_control = advice.map(str::to_owned);
            remote_agent_auth::provider::fetch::Response { cache_control, ..response }
        };
        // Seconds from the fetch to the withdrawal, and between calls after it.
        for (withdrawn, every) in
            [(0, 0.1), (1, 1.0), (life / 2, 0.1), (life - 1, 0.5), (0, 7.0), (0, 61.0), (0, 3_600.0), (0, 28_800.0)]
        {
            cases += 1;
            let world = World::with_jwks_uri();
            world.network.answer(JWKS, with(jwks(&[&old, &new])));
            let start = tokio::time::Instant::now();
            let verified = world.check(&token).await.unwrap();
            tokio::time::sleep(Duration::from_secs(withdrawn)).await;
            world.network.answer(JWKS, with(jwks(&[&new])));
            let mut last = start.elapsed();
            let end = start.elapsed().as_secs_f64() + 2.5 * life as f64 + 2.0 * every;
            while start.elapsed().as_secs_f64() < end {
                tokio::time::sleep(Duration::from_secs_f64(every)).await;
                if world.code(&token).await.is_none() {
                    last = start.elapsed();
                }
            }
            worst = worst.max(last.as_secs_f64() / life as f64);
            if last > Duration::from_secs(life) {
                late.push(format!("{advice:?}, withdrawn after {withdrawn} s, called every {every} s: {last:?}"));
            }
            // What was once verified is not believed either, by the request's own handle or by the signature cache.
            let again = match world.verifier.recheck(verified.signed().unwrap(), &world.policy, support::now()) {
                Checked::Now(answer) => *answer,
                Checked::Later(future) => future.await,
            };
            let remembered = match world.verifier.check(&token, &world.policy, support::now(), Memory::Signatures) {
                Checked::Now(answer) => *answer,
                Checked::Later(future) => future.await,
            };
            if again.is_ok() || remembered.is_ok() {
                late.push(format!("{advice:?}: a remembered signature outlived its key"));
            }
        }
    }
    let figure = format!(
        "{cases} withdrawals, last accept at {:.0} % of life, {} late{}",
        100.0 * worst,
        late.len(),
        listed(&late)
    );
    score("S17", &figure, "last accept within the key's life, remembered signatures included", late.is_empty());
}
