//! The machine sleeps, or its wall clock is set: the monotonic clock stands still, the wall clock jumps.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::support::{ISSUER, JWKS, NOW, Network, Signer, jwks, ok, options, policy, status};
use remote_agent_auth::error::Code;
use remote_agent_auth::policy::introspection::IntrospectionOptions;
use remote_agent_auth::policy::transport::Secret;
use remote_agent_auth::policy::{Policy, PolicyOptions};
use remote_agent_auth::time::{Clock, UnixSeconds};
use remote_agent_auth::verifier::{Checked, Memory, Verifier};
use serde_json::json;

/// Both clocks as the test sets them.
#[derive(Default)]
struct Clocks {
    monotonic: Mutex<Duration>,
    wall: Mutex<f64>,
}

impl Clock for Clocks {
    fn monotonic(&self) -> Duration {
        *self.monotonic.lock().unwrap()
    }

    fn wall(&self) -> UnixSeconds {
        UnixSeconds::new(NOW + *self.wall.lock().unwrap()).unwrap()
    }
}

struct World {
    network: Arc<Network>,
    clocks: Arc<Clocks>,
    verifier: Arc<Verifier>,
}

impl World {
    fn new() -> Self {
        let (network, clocks) = (Arc::new(Network::default()), Arc::new(Clocks::default()));
        let verifier = Verifier::new(network.clone(), clocks.clone(), tokio::runtime::Handle::current());
        Self { network, clocks, verifier }
    }

    /// Both clocks advance.
    fn pass(&self, seconds: u64) {
        *self.clocks.monotonic.lock().unwrap() += Duration::from_secs(seconds);
        self.set_wall(seconds as f64);
    }

    /// Only the wall clock shows it.
    fn set_wall(&self, by: f64) {
        *self.clocks.wall.lock().unwrap() += by;
    }

    async fn code(&self, signer: &Signer) -> Option<Code> {
        let wall = UnixSeconds::new(NOW).unwrap();
        let policy = policy(Some(JWKS), "api");
        let answer = match self.verifier.check(&signer.token(), &policy, wall, Memory::Signatures) {
            Checked::Now(answer) => *answer,
            Checked::Later(future) => future.await,
        };
        answer.err().map(|refusal| refusal.code())
    }
}

#[tokio::test(start_paused = true)]
async fn a18_after_two_hours_of_sleep_keys_are_asked_for_again_and_a_withdrawn_one_is_refused() {
    let (old, new) = (Signer::new("old"), Signer::new("new"));
    for hours in [2.0, 30.0, 24.0 * 90.0] {
        let world = World::new();
        world.network.answer(JWKS, jwks(&[&old]));
        assert_eq!(world.code(&old).await, None);
        world.network.answer(JWKS, jwks(&[&new]));
        world.set_wall(hours * 3_600.0);
        assert_eq!(world.code(&old).await, Some(Code::KeyNotFound), "{hours} h");
        assert_eq!(world.code(&new).await, None);
        assert_eq!(world.network.fetches(), 2);
    }
}

#[tokio::test(start_paused = true)]
async fn a18_keys_older_than_the_stale_bound_by_sleep_answer_nothing() {
    let old = Signer::new("old");
    let world = World::new();
    world.network.answer(JWKS, jwks(&[&old]));
    assert_eq!(world.code(&old).await, None);
    world.network.answer(JWKS, status(503));
    world.set_wall(5.0 * 3_600.0);
    assert_eq!(world.code(&old).await, Some(Code::JwksFetch));
}

/// A failure before the machine slept shows nothing about the provider after it.
#[tokio::test(start_paused = true)]
async fn a18_a_failure_before_the_sleep_excuses_nothing_after_it() {
    let (old, new) = (Signer::new("old"), Signer::new("new"));
    let world = World::new();
    world.network.answer(JWKS, jwks(&[&old]));
    assert_eq!(world.code(&old).await, None);
    world.pass(61);
    world.network.answer(JWKS, status(503));
    assert_eq!(world.code(&old).await, None, "the provider is down");
    world.network.answer(JWKS, jwks(&[&new]));
    world.set_wall(3_600.0);
    assert_eq!(world.code(&old).await, Some(Code::KeyNotFound));
}

#[tokio::test(start_paused = true)]
async fn a18_setting_the_wall_clock_refuses_no_good_token_and_lengthens_no_life() {
    let (old, new) = (Signer::new("old"), Signer::new("new"));
    for by in [-1e9, -7_200.0, -3.0, 3.0, 7_200.0, 1e9] {
        let world = World::new();
        world.network.answer(JWKS, jwks(&[&old]));
        assert_eq!(world.code(&old).await, None);
        world.set_wall(by);
        for _ in 0..20 {
            assert_eq!(world.code(&old).await, None, "{by}");
            world.pass(1);
        }
        // One look more where it was set forward, and none where it was set back or but a little.
        assert_eq!(world.network.fetches(), if by > 60.0 { 2 } else { 1 }, "{by}");
        world.network.answer(JWKS, jwks(&[&new]));
        world.pass(60);
        assert_eq!(world.code(&old).await, Some(Code::KeyNotFound), "{by}: withdrawn a life ago");
    }
}

/// What a provider has said of a token before the machine slept says nothing after it: the token may have been revoked.
#[tokio::test(start_paused = true)]
async fn an_answer_about_a_token_is_no_younger_for_a_sleep() {
    const ENDPOINT: &str = "https://idp.example/introspect";
    let introspection = IntrospectionOptions {
        endpoint: Some(ENDPOINT.to_owned()),
        client_id: "client".to_owned(),
        client_secret: Some(Secret::new("secret")),
        ..IntrospectionOptions::default()
    };
    let options = PolicyOptions { introspection: Some(introspection), ..options(Some(JWKS), "api") };
    let policy = Arc::new(Policy::parse(options).unwrap());
    let said = |active: bool| json!({ "active": active, "iss": ISSUER, "aud": "api", "sub": "user", "scope": "a" });
    for (slept, expected) in [(3.0, None), (61.0, Some(Code::TokenInactive)), (-7_200.0, None)] {
        let world = World::new();
        let code = async || {
            let wall = UnixSeconds::new(NOW).unwrap();
            let answer = match world.verifier.check("an-opaque-token", &policy, wall, Memory::None) {
                Checked::Now(answer) => *answer,
                Checked::Later(future) => future.await,
            };
            answer.err().map(|refusal| refusal.code())
        };
        world.network.answer(ENDPOINT, ok(&said(true)));
        assert_eq!(code().await, None);
        world.network.answer(ENDPOINT, ok(&said(false)));
        world.set_wall(slept);
        assert_eq!(code().await, expected, "{slept} s");
        // Setting the clock lengthens no life.
        world.pass(61);
        assert_eq!(code().await, Some(Code::TokenInactive), "{slept} s");
    }
}
