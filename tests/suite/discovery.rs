//! Keys found through the provider's metadata.

use crate::support;

use std::time::Duration;

use crate::support::{JWKS, OAUTH_METADATA, OIDC_METADATA, Reply, Signer, World, jwks, metadata, ok, pass, status};
use remote_agent_auth::error::Code;
use remote_agent_auth::provider::fetch::{FetchError, Response};
use serde_json::json;

const MOVED: &str = "https://keys.example/jwks";

#[tokio::test(start_paused = true)]
async fn finds_keys_by_openid_connect_and_by_rfc_8414() {
    let signer = Signer::new("k");
    for place in [OIDC_METADATA, OAUTH_METADATA] {
        let world = World::with_discovery();
        world.network.answer(place, metadata(JWKS));
        world.network.answer(JWKS, jwks(&[&signer]));
        assert_eq!(world.code(&signer.token()).await, None, "{place}");
    }
}

#[tokio::test(start_paused = true)]
async fn says_what_is_wrong_with_metadata() {
    let signer = Signer::new("k");
    let table = [
        (Reply::Fail(FetchError::Refused), Code::DiscoveryFetch),
        (Reply::Fail(FetchError::Address), Code::AddressRefused),
        (Reply::Hang, Code::DiscoveryFetch),
        (Reply::Answer(status(500)), Code::DiscoveryFetch),
        (Reply::Answer(status(404)), Code::DiscoveryFetch),
        (Reply::Answer(ok(&json!([]))), Code::DiscoveryDocument),
        (Reply::Answer(ok(&json!({ "issuer": support::ISSUER }))), Code::DiscoveryDocument),
        (Reply::Answer(ok(&json!({ "issuer": "https://idp.example", "jwks_uri": JWKS }))), Code::DiscoveryIssuer),
        (Reply::Answer(metadata("http://idp.example/jwks")), Code::DiscoveryDocument),
    ];
    for (reply, code) in table {
        let world = World::with_discovery();
        world.network.on(OIDC_METADATA, reply);
        world.network.answer(JWKS, jwks(&[&signer]));
        assert_eq!(world.code(&signer.token()).await, Some(code));
        assert!(!world.network.asked().contains(&JWKS.to_owned()), "no keys are fetched");
    }
}

#[tokio::test(start_paused = true)]
async fn follows_keys_to_their_new_place() {
    let (old, new) = (Signer::new("old"), Signer::new("new"));
    let world = World::with_discovery();
    world.network.answer(OIDC_METADATA, metadata(JWKS));
    world.network.answer(JWKS, jwks(&[&old]));
    assert_eq!(world.code(&old.token()).await, None);
    world.network.answer(OIDC_METADATA, metadata(MOVED));
    world.network.answer(MOVED, jwks(&[&new]));
    world.network.answer(JWKS, status(410));
    assert_eq!(world.code(&new.token()).await, None, "the old place is gone, so metadata is asked again");
}

#[tokio::test(start_paused = true)]
async fn broken_metadata_never_blocks_keys_whose_place_is_known() {
    let (old, new) = (Signer::new("old"), Signer::new("new"));
    for reply in
        [Reply::Hang, Reply::Fail(FetchError::Refused), Reply::Answer(status(500)), Reply::Answer(ok(&json!({})))]
    {
        let world = World::with_discovery();
        world.network.answer(OIDC_METADATA, metadata(JWKS));
        world.network.answer(JWKS, jwks(&[&old]));
        assert_eq!(world.code(&old.token()).await, None);
        world.network.on(OIDC_METADATA, reply);
        world.network.answer(JWKS, jwks(&[&new]));
        pass(3600).await;
        let begun = tokio::time::Instant::now();
        assert_eq!(world.code(&new.token()).await, None);
        assert!(begun.elapsed() < Duration::from_secs(10));
    }
}

#[tokio::test(start_paused = true)]
async fn metadata_is_not_asked_for_again_within_its_life() {
    let (old, new) = (Signer::new("old"), Signer::new("new"));
    let world = World::with_discovery();
    world.network.answer(OIDC_METADATA, metadata(JWKS));
    world.network.answer(JWKS, jwks(&[&old]));
    assert_eq!(world.code(&old.token()).await, None);
    world.network.answer(JWKS, jwks(&[&new]));
    assert_eq!(world.code(&new.token()).await, None);
    assert_eq!(world.network.asked(), [OIDC_METADATA, JWKS, JWKS]);
}

/// A10: metadata takes 6 s and keys 6 s.
#[tokio::test(start_paused = true)]
async fn a10_metadata_and_keys_have_a_deadline_each() {
    let signer = Signer::new("k");
    let world = World::with_discovery();
    let six = std::time::Duration::from_secs(6);
    world.network.on(OIDC_METADATA, Reply::Slow(six, metadata(JWKS)));
    world.network.on(JWKS, Reply::Slow(six, jwks(&[&signer])));
    let begun = tokio::time::Instant::now();
    assert_eq!(world.code(&signer.token()).await, None);
    assert_eq!(begun.elapsed().as_secs(), 12);
}

/// A10: what discovery found is not thrown away because the keys did not come.
#[tokio::test(start_paused = true)]
async fn a10_what_discovery_found_is_kept_for_the_next_attempt() {
    let signer = Signer::new("k");
    let world = World::with_discovery();
    let nine = std::time::Duration::from_secs(9);
    world.network.on(OIDC_METADATA, Reply::Slow(nine, metadata(JWKS)));
    world.network.on(JWKS, Reply::Slow(nine, jwks(&[&signer])));
    // Fifteen seconds are the bound for both: 6 of the 9 that the keys take are left.
    let begun = tokio::time::Instant::now();
    assert_eq!(world.code(&signer.token()).await, Some(Code::JwksFetch));
    assert_eq!(begun.elapsed().as_secs(), 15);
    pass(1).await;
    assert_eq!(world.code(&signer.token()).await, None);
    assert_eq!(begun.elapsed().as_secs(), 25);
    assert_eq!(world.network.asked(), [OIDC_METADATA, JWKS, JWKS]);
}

/// A10: each step of discovery has a deadline of its own, so that a slow second place, or a slow redirect, is reached at all.
#[tokio::test(start_paused = true)]
async fn a10_every_step_of_discovery_has_a_deadline_of_its_own() {
    let signer = Signer::new("k");
    let six = std::time::Duration::from_secs(6);
    let redirect = |to: &str| Response { status: 302, location: Some(to.to_owned()), ..Response::default() };
    let moved = "https://idp.example/moved";
    for (first, second) in [(status(404), OAUTH_METADATA), (redirect("/moved"), moved)] {
        let world = World::with_discovery();
        world.network.on(OIDC_METADATA, Reply::Slow(six, first));
        world.network.on(second, Reply::Slow(six, metadata(JWKS)));
        world.network.on(JWKS, Reply::Slow(six, jwks(&[&signer])));
        assert_eq!(world.code(&signer.token()).await, Some(Code::JwksFetch));
        pass(1).await;
        assert_eq!(world.code(&signer.token()).await, None);
        assert_eq!(world.network.asked(), [OIDC_METADATA, second, JWKS, JWKS]);
    }
}
