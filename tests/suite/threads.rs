//! A check gives the same answer on the caller's thread and on a worker: the vector tables on both, and what the queue refuses.

use crate::support;

use std::sync::Arc;
use std::time::Duration;

use crate::support::{JWKS, Signer, World, jwks, now};
use remote_agent_auth::error::Code;
use remote_agent_auth::policy::source::KeyOptions;
use remote_agent_auth::policy::{Policy, PolicyOptions};
use remote_agent_auth::threads::budget::{Budget, Caller, EventLoop};
use remote_agent_auth::threads::queue::MOST_QUEUED;
use remote_agent_auth::time::UnixSeconds;
use remote_agent_auth::verifier::{Answer, Checked, Later, Memory, Verified};
use serde::Deserialize;
use serde_json::{Map, Value, json};

/// A caller who does nothing on its own thread.
fn busy(most_queued: usize) -> Caller {
    Caller { event_loop: Arc::new(EventLoop::with(Budget::new(Duration::ZERO))), most_queued }
}

#[derive(Deserialize)]
struct Row {
    name: String,
    policy: Map<String, Value>,
    keys: String,
    now: f64,
    token: String,
}

fn policy(row: &Row, keys: &str) -> Option<Arc<Policy>> {
    let text = |name: &str| row.policy.get(name).and_then(Value::as_str).map(str::to_owned);
    let list = |name: &str| {
        let list = row.policy.get(name)?.as_array()?;
        Some(list.iter().filter_map(Value::as_str).map(str::to_owned).collect::<Vec<_>>())
    };
    let options = PolicyOptions {
        issuer: text("issuer")?,
        audience: list("audience").or_else(|| Some(vec![text("audience")?]))?,
        scope: text("scope"),
        algorithms: list("algorithms"),
        require_exp: row.policy.get("requireExp").and_then(Value::as_bool),
        require_kid: row.policy.get("requireKid").and_then(Value::as_bool),
        clock_tolerance: row.policy.get("clockTolerance").and_then(Value::as_f64),
        email_claim: text("emailClaim"),
        keys: KeyOptions { jwks: Some(keys.to_owned()), ..KeyOptions::default() },
        ..PolicyOptions::default()
    };
    Policy::parse(options).ok().map(Arc::new)
}

/// All that an answer says.
fn said(answer: &Answer) -> Result<impl PartialEq + std::fmt::Debug + use<>, (Code, String)> {
    let all = |it: &Verified| {
        let texts = [it.claims(), it.header(), it.subject(), it.signed().unwrap().thumbprint()].map(str::to_owned);
        let email = (it.email().map(str::to_owned), it.email_problem(), it.email_verified());
        (
            texts,
            it.scopes().map(str::to_owned).collect::<Vec<_>>(),
            it.oid().map(str::to_owned),
            email,
            it.expires_at(),
            it.holds(),
        )
    };
    // Without the time until another try, which passes.
    answer.as_ref().map(all).map_err(|refusal| (refusal.code(), refusal.to_string()))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_vector_is_answered_alike_on_the_callers_thread_and_off_it() {
    #[derive(Deserialize)]
    struct KeySets {
        sets: std::collections::HashMap<String, String>,
    }
    let KeySets { sets } = serde_json::from_str(include_str!("../vectors/key-sets.json")).unwrap();
    let tables = [
        include_str!("../vectors/headers.json"),
        include_str!("../vectors/algorithms.json"),
        include_str!("../vectors/claims.json"),
        include_str!("../vectors/issuer-forms.json"),
        include_str!("../vectors/scopes.json"),
        include_str!("../vectors/limits.json"),
    ];
    let (world, caller) = (World::with_jwks_uri(), busy(MOST_QUEUED));
    let (mut rows, mut accepted, mut on_workers) = (0, 0, 0);
    for row in tables.iter().flat_map(|table| serde_json::from_str::<Vec<Row>>(table).unwrap()) {
        let Some(policy) = policy(&row, &sets[&row.keys]) else { continue };
        let at = UnixSeconds::new(row.now).unwrap();
        let _ = world.verifier.prefetch(&policy).await;
        let here = match world.verifier.check(&row.token, &policy, at, Memory::None) {
            Checked::Now(answer) => *answer,
            Checked::Later(future) => future.await,
        };
        // What the first check learned of an unknown `kid` would give the second another text.
        world.verifier.clear();
        let _ = world.verifier.prefetch(&policy).await;
        let there = match world.verifier.check_for(Some(&caller), &row.token, &policy, at, Memory::None) {
            Checked::Now(answer) => *answer,
            Checked::Later(Later { future, offloaded }) => {
                on_workers += usize::from(offloaded.is_some());
                tokio::spawn(future).await.unwrap()
            }
        };
        assert_eq!(said(&there), said(&here), "{}", row.name);
        (rows, accepted) = (rows + 1, accepted + usize::from(here.is_ok()));
    }
    println!("{rows} rows, {accepted} accepted, {on_workers} checked off the caller's thread");
    assert!(rows >= 650 && accepted >= 150 && on_workers >= 400, "{rows} {accepted} {on_workers}");
    assert_eq!(world.verifier.work().queued, 0);
}

async fn world() -> (World, Signer) {
    let (world, signer) = (World::with_jwks_uri(), Signer::new("k"));
    world.network.answer(JWKS, jwks(&[&signer]));
    world.verifier.prefetch(&world.policy).await.unwrap();
    (world, signer)
}

#[tokio::test(start_paused = true)]
async fn refuses_at_once_what_finds_the_queue_full() {
    let (world, signer) = world().await;
    let (token, caller) = (signer.token(), busy(2));
    let ask = || world.verifier.check_for(Some(&caller), &token, &world.policy, now(), Memory::None);
    let waiting = [ask(), ask()];
    assert_eq!(world.verifier.work().queued, 2);
    let Checked::Now(answer) = ask() else { panic!("it waits") };
    let refusal = answer.unwrap_err();
    assert_eq!((refusal.code(), refusal.retry_after()), (Code::Overloaded, Some(Duration::from_secs(1))));
    // A caller that may let more wait, waits.
    assert!(matches!(
        world.verifier.check_for(Some(&busy(3)), &token, &world.policy, now(), Memory::None),
        Checked::Later(_)
    ));
    for checked in waiting {
        let Checked::Later(Later { future, .. }) = checked else { panic!("it does not wait") };
        assert!(future.await.is_ok());
    }
    assert_eq!(world.verifier.work().queued, 0);
    assert!(matches!(ask(), Checked::Later(_)));
}

#[tokio::test(start_paused = true)]
async fn a_check_that_nobody_waits_for_gives_up_its_place() {
    let (world, signer) = world().await;
    let (token, caller) = (signer.token(), busy(1));
    let ask = || world.verifier.check_for(Some(&caller), &token, &world.policy, now(), Memory::None);
    drop(ask());
    assert!(matches!(ask(), Checked::Later(_)));
}

#[tokio::test(start_paused = true)]
async fn what_needs_no_signature_never_waits() {
    let (world, signer) = world().await;
    let (token, caller) = (signer.token(), busy(0));
    assert!(world.check(&token).await.is_ok());
    let ask = |token: &str| world.verifier.check_for(Some(&caller), token, &world.policy, now(), Memory::Signatures);
    let Checked::Now(answer) = ask(&token) else { panic!("a remembered token waits") };
    let verified = answer.unwrap();
    let again = world.verifier.recheck_for(Some(&caller), verified.signed().unwrap(), &world.policy, now());
    assert!(matches!(again, Checked::Now(answer) if answer.is_ok()));
    for (bad, code) in [("eyJ.b.c", Code::TokenMalformed), ("a.b.c", Code::TokenOpaque), ("opaque", Code::TokenOpaque)]
    {
        let Checked::Now(answer) = ask(bad) else { panic!("{bad} waits") };
        assert_eq!(answer.unwrap_err().code(), code);
    }
}

#[tokio::test(start_paused = true)]
async fn of_one_token_sent_many_times_the_signature_is_checked_once() {
    let (world, signer) = world().await;
    let (token, caller) = (signer.token(), busy(MOST_QUEUED));
    let ask = || world.verifier.check_for(Some(&caller), &token, &world.policy, now(), Memory::Signatures);
    let before = world.verifier.work().signature_checks;
    let waiting: Vec<_> = (0..20).map(|_| ask()).collect();
    for checked in waiting {
        let Checked::Later(Later { future, .. }) = checked else { panic!("it does not wait") };
        assert!(future.await.is_ok());
    }
    assert_eq!(world.verifier.work().signature_checks, before + 1);
}

#[tokio::test(start_paused = true)]
async fn a_key_withdrawn_while_a_check_waits_no_longer_counts() {
    let (world, signer) = world().await;
    let Checked::Later(Later { future, .. }) =
        world.verifier.check_for(Some(&busy(MOST_QUEUED)), &signer.token(), &world.policy, now(), Memory::None)
    else {
        panic!("it does not wait")
    };
    world.network.answer(JWKS, jwks(&[&Signer::new("other")]));
    world.verifier.prefetch(&world.policy).await.unwrap();
    assert_eq!(future.await.unwrap_err().code(), Code::KeyNotFound);
}

#[tokio::test(start_paused = true)]
async fn a_token_whose_own_claims_would_be_refused_waits_for_a_thread_like_any_other_while_the_provider_is_down() {
    let (world, signer) = world().await;
    let expired = signer.token_with(json!({ "exp": support::NOW - 1.0 }));
    let ask = |caller: &Caller| world.verifier.check_for(Some(caller), &expired, &world.policy, now(), Memory::None);
    world.network.answer(JWKS, support::status(503));
    // With keys that are fresh, and past their life.
    for seconds in [0, 70] {
        support::pass(seconds).await;
        let Checked::Now(answer) = ask(&busy(0)) else { panic!("it waits: {seconds}") };
        assert_eq!(answer.unwrap_err().code(), Code::Overloaded, "{seconds}");
        let Checked::Later(Later { future, .. }) = ask(&busy(1)) else { panic!("it does not wait: {seconds}") };
        assert_eq!(future.await.unwrap_err().code(), Code::TokenExpired, "{seconds}");
    }
    assert_eq!(world.network.fetches(), 1);
}
