//! Asking the provider whether its keys still stand (RFC 9110 13.1.2, 15.4.5), and how long a policy lets them live.

use std::sync::Arc;

use crate::support::{JWKS, OIDC_METADATA, Reply, Signer, World, jwks, metadata, options, pass, status};
use remote_agent_auth::error::Code;
use remote_agent_auth::policy::{KeyOptions, Policy};
use remote_agent_auth::provider::fetch::{FetchError, Response};

const TAG: &str = "\"v1\"";

fn tagged(signer: &Signer, tag: &str) -> Response {
    Response { etag: Some(tag.to_owned()), ..jwks(&[signer]) }
}

#[tokio::test(start_paused = true)]
async fn a_304_renews_the_keys_at_hand() {
    let signer = Signer::new("k");
    let world = World::with_jwks_uri();
    world.network.answer(JWKS, tagged(&signer, TAG));
    assert_eq!(world.code(&signer.token()).await, None);
    world.network.answer(JWKS, status(304));
    for round in 1..=3_u64 {
        pass(61).await;
        assert_eq!(world.code(&signer.token()).await, None);
        assert_eq!(world.network.tags().last().unwrap().as_deref(), Some(TAG), "the tag outlives a 304 without one");
        assert!(world.at_once(&signer.token()).unwrap().is_ok());
        let report = &world.verifier.report()[0];
        assert_eq!((report.counters.not_modified, report.counters.failed), (round, 0));
        assert_eq!(report.age.unwrap().as_secs(), 0);
    }
}

#[tokio::test(start_paused = true)]
async fn a_304_may_bring_a_new_tag_and_a_new_life() {
    let signer = Signer::new("k");
    let world = World::with_jwks_uri();
    world.network.answer(JWKS, tagged(&signer, TAG));
    assert_eq!(world.code(&signer.token()).await, None);
    let renewed = Response { etag: Some("\"v2\"".into()), cache_control: Some("max-age=300".into()), ..status(304) };
    world.network.answer(JWKS, renewed);
    pass(61).await;
    assert_eq!(world.code(&signer.token()).await, None);
    pass(200).await;
    assert!(world.at_once(&signer.token()).unwrap().is_ok());
    assert_eq!(world.network.fetches(), 2);
    pass(100).await;
    assert_eq!(world.code(&signer.token()).await, None);
    assert_eq!(world.network.tags().last().unwrap().as_deref(), Some("\"v2\""));
}

#[tokio::test(start_paused = true)]
async fn a_tag_is_sent_to_the_url_it_came_from_only() {
    let signer = Signer::new("k");
    let moved = "https://idp.example/moved";
    let world = World::with_discovery();
    world.network.answer(OIDC_METADATA, metadata(JWKS));
    world.network.answer(JWKS, tagged(&signer, TAG));
    assert_eq!(world.code(&signer.token()).await, None);
    world.network.answer(OIDC_METADATA, metadata(moved));
    world.network.answer(moved, status(304));
    pass(61).await;
    // The 304 of another URL renews nothing; the old keys answer as in any outage.
    assert_eq!(world.code(&signer.token()).await, None);
    assert_eq!(world.network.tags(), [None, None, None, None]);
    assert_eq!(world.verifier.report()[0].counters.failed, 1);
}

#[tokio::test(start_paused = true)]
async fn without_a_tag_nothing_is_revalidated() {
    let signer = Signer::new("k");
    let world = World::with_jwks_uri();
    world.network.answer(JWKS, jwks(&[&signer]));
    assert_eq!(world.code(&signer.token()).await, None);
    pass(61).await;
    assert_eq!(world.code(&signer.token()).await, None);
    assert_eq!(world.network.tags(), [None, None]);
}

fn with(keys: KeyOptions) -> Arc<Policy> {
    let mut options = options(Some(JWKS), "api");
    options.keys = keys;
    Arc::new(Policy::parse(options).unwrap())
}

#[tokio::test(start_paused = true)]
async fn lifetimes_belong_to_the_asker_and_keys_to_the_slot() {
    let signer = Signer::new("k");
    let world = World::with_jwks_uri();
    let patient = with(KeyOptions { cache_max_age: Some(600_000.0), ..KeyOptions::default() });
    world.network.answer(JWKS, jwks(&[&signer]));
    assert!(world.check_with(&signer.token(), &patient).await.is_ok());
    assert_eq!(world.network.fetches(), 1);
    pass(400).await;
    assert!(world.check_with(&signer.token(), &patient).await.is_ok());
    assert_eq!(world.network.fetches(), 1);
    // The same slot, asked by somebody who lets keys live a minute.
    assert_eq!(world.code(&signer.token()).await, None);
    assert_eq!(world.network.fetches(), 2);
    assert_eq!(world.verifier.report().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn the_stale_bound_and_the_advised_life_are_the_policys() {
    let signer = Signer::new("k");
    let world = World::with_jwks_uri();
    let strict = with(KeyOptions { max_stale: Some(120.0), max_advised_age: Some(0.0), ..KeyOptions::default() });
    world.network.answer(JWKS, Response { cache_control: Some("max-age=86400".into()), ..jwks(&[&signer]) });
    assert!(world.check_with(&signer.token(), &strict).await.is_ok());
    world.network.on(JWKS, Reply::Fail(FetchError::Refused));
    pass(61).await;
    assert!(world.check_with(&signer.token(), &strict).await.is_ok());
    assert_eq!(world.network.fetches(), 2, "the provider's advice counts for nothing here");
    pass(60).await;
    assert_eq!(world.check_with(&signer.token(), &strict).await.unwrap_err().code(), Code::JwksFetch);
    assert_eq!(world.code(&signer.token()).await, None, "another policy's bound is its own");
    let trusting = with(KeyOptions { max_advised_age: Some(86_400.0), ..KeyOptions::default() });
    pass(10_000).await;
    let before = world.network.fetches();
    assert!(world.check_with(&signer.token(), &trusting).await.is_ok());
    assert_eq!(world.network.fetches(), before);
}
