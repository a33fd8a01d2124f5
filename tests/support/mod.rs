//! A provider without a network and a clock that stands still: what the tests of the key store share.
#![allow(dead_code, reason = "each test file uses its own part")]

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
use remote_agent_auth::base64url::encode;
use remote_agent_auth::error::Code;
use remote_agent_auth::policy::{Policy, PolicyOptions};
use remote_agent_auth::provider::budget::Pacing;
use remote_agent_auth::provider::fetch::{Fetch, FetchError, Fetching, Request, Response};
use remote_agent_auth::time::{Clock, UnixSeconds};
use remote_agent_auth::verifier::{Answer, Checked, Memory, Verifier};
use serde_json::{Value, json};

pub const ISSUER: &str = "https://idp.example/realm";
pub const JWKS: &str = "https://idp.example/jwks";
pub const OIDC_METADATA: &str = "https://idp.example/realm/.well-known/openid-configuration";
pub const OAUTH_METADATA: &str = "https://idp.example/.well-known/oauth-authorization-server/realm";
pub const NOW: f64 = 1_800_000_000.0;

/// An ES256 key of the provider.
pub struct Signer {
    pub kid: String,
    pair: EcdsaKeyPair,
}

impl Signer {
    pub fn new(kid: &str) -> Self {
        let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
        Self { kid: kid.to_owned(), pair }
    }

    pub fn jwk(&self) -> Value {
        let point = self.pair.public_key().as_ref();
        json!({ "kty": "EC", "crv": "P-256", "kid": self.kid, "x": encode(&point[1..33]), "y": encode(&point[33..]) })
    }

    pub fn sign(&self, header: &Value, claims: &Value) -> String {
        self.sign_text(&header.to_string(), &claims.to_string())
    }

    /// Signs texts as they stand, JSON or not.
    pub fn sign_text(&self, header: &str, claims: &str) -> String {
        let input = format!("{}.{}", encode(header.as_bytes()), encode(claims.as_bytes()));
        let signature = self.pair.sign(&SystemRandom::new(), input.as_bytes()).unwrap();
        format!("{input}.{}", encode(signature.as_ref()))
    }

    /// A good token.
    pub fn token(&self) -> String {
        self.token_with(json!({}))
    }

    /// A token with other claims; null removes one.
    pub fn token_with(&self, changes: Value) -> String {
        let mut claims = json!({ "iss": ISSUER, "aud": "api", "sub": "user", "exp": NOW + 1e9 });
        for (name, value) in changes.as_object().unwrap() {
            claims[name] = value.clone();
        }
        claims.as_object_mut().unwrap().retain(|_, value| !value.is_null());
        self.sign(&json!({ "alg": "ES256", "kid": self.kid }), &claims)
    }
}

pub fn jwks(signers: &[&Signer]) -> Response {
    ok(&json!({ "keys": signers.iter().map(|signer| signer.jwk()).collect::<Vec<_>>() }))
}

pub fn metadata(jwks_uri: &str) -> Response {
    ok(&json!({ "issuer": ISSUER, "jwks_uri": jwks_uri }))
}

pub fn ok(body: &Value) -> Response {
    Response { status: 200, body: body.to_string().into(), ..Response::default() }
}

pub fn status(status: u16) -> Response {
    Response { status, ..Response::default() }
}

/// What the provider does when asked for a URL.
#[derive(Clone)]
pub enum Reply {
    Answer(Response),
    Fail(FetchError),
    Hang,
    Panic,
    /// Answers after this much time.
    Slow(Duration, Response),
}

/// The network: replies by URL, and a list of what was asked for.
#[derive(Default)]
pub struct Network {
    replies: Mutex<HashMap<String, Reply>>,
    asked: Mutex<Vec<String>>,
    /// The entity tag each request was sent with.
    tags: Mutex<Vec<Option<String>>>,
    /// The token and the content each request was sent with.
    sent: Mutex<Vec<(Option<String>, Option<String>)>>,
}

impl Network {
    pub fn on(&self, url: &str, reply: Reply) {
        self.replies.lock().unwrap().insert(url.to_owned(), reply);
    }

    pub fn answer(&self, url: &str, response: Response) {
        self.on(url, Reply::Answer(response));
    }

    pub fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }

    pub fn tags(&self) -> Vec<Option<String>> {
        self.tags.lock().unwrap().clone()
    }

    pub fn sent(&self) -> Vec<(Option<String>, Option<String>)> {
        self.sent.lock().unwrap().clone()
    }

    pub fn fetches(&self) -> usize {
        self.asked.lock().unwrap().len()
    }
}

impl Fetch for Network {
    fn fetch(&self, Request { url, if_none_match, bearer, content, .. }: Request<'_>) -> Fetching {
        let sent = (bearer.map(|token| token.reveal().to_owned()), content.map(|it| it.body.reveal().to_owned()));
        self.sent.lock().unwrap().push(sent);
        self.tags.lock().unwrap().push(if_none_match.map(str::to_owned));
        self.asked.lock().unwrap().push(url.as_str().to_owned());
        let reply = self.replies.lock().unwrap().get(url.as_str()).cloned().unwrap_or(Reply::Answer(status(404)));
        Box::pin(async move {
            match reply {
                Reply::Answer(response) => Ok(response),
                Reply::Fail(error) => Err(error),
                Reply::Hang => std::future::pending().await,
                Reply::Panic => panic!("scripted"),
                Reply::Slow(delay, response) => {
                    tokio::time::sleep(delay).await;
                    Ok(response)
                }
            }
        })
    }
}

/// tokio's clock, which tests pause and move.
pub struct TestClock(tokio::time::Instant);

impl TestClock {
    pub fn new(start: tokio::time::Instant) -> Self {
        Self(start)
    }
}

impl Clock for TestClock {
    fn monotonic(&self) -> Duration {
        self.0.elapsed()
    }
}

/// A verifier with a network of its own. For tests under `#[tokio::test(start_paused = true)]`.
pub struct World {
    pub network: Arc<Network>,
    pub verifier: Arc<Verifier>,
    pub policy: Arc<Policy>,
}

impl World {
    /// With keys at a fixed URL.
    pub fn with_jwks_uri() -> Self {
        Self::new(Some(JWKS))
    }

    /// With keys found by discovery.
    pub fn with_discovery() -> Self {
        Self::new(None)
    }

    fn new(jwks_uri: Option<&str>) -> Self {
        Self::with_pacing(jwks_uri, Pacing::default())
    }

    /// With keys at a fixed URL and budgets of one's own.
    pub fn paced(pacing: Pacing) -> Self {
        Self::with_pacing(Some(JWKS), pacing)
    }

    fn with_pacing(jwks_uri: Option<&str>, pacing: Pacing) -> Self {
        let network = Arc::new(Network::default());
        let clock = Arc::new(TestClock(tokio::time::Instant::now()));
        let verifier = Verifier::with_pacing(network.clone(), clock, tokio::runtime::Handle::current(), pacing);
        let policy = policy(jwks_uri, "api");
        Self { network, verifier, policy }
    }

    /// Checks a token to the end.
    pub async fn check(&self, token: &str) -> Answer {
        self.check_with(token, &self.policy).await
    }

    pub async fn check_with(&self, token: &str, policy: &Arc<Policy>) -> Answer {
        match self.verifier.check(token, policy, now(), Memory::Signatures) {
            Checked::Now(answer) => *answer,
            Checked::Later(future) => future.await,
        }
    }

    /// The code a token is refused with, or `None` if it passes.
    pub async fn code(&self, token: &str) -> Option<Code> {
        self.check(token).await.err().map(|refusal| refusal.code())
    }

    /// The answer, if it comes without waiting.
    pub fn at_once(&self, token: &str) -> Option<Answer> {
        match self.verifier.check(token, &self.policy, now(), Memory::Signatures) {
            Checked::Now(answer) => Some(*answer),
            Checked::Later(_) => None,
        }
    }
}

pub fn policy(jwks_uri: Option<&str>, audience: &str) -> Arc<Policy> {
    Arc::new(Policy::parse(options(jwks_uri, audience)).unwrap())
}

pub fn options(jwks_uri: Option<&str>, audience: &str) -> PolicyOptions {
    PolicyOptions {
        issuer: ISSUER.to_owned(),
        audience: vec![audience.to_owned()],
        jwks_uri: jwks_uri.map(str::to_owned),
        ..PolicyOptions::default()
    }
}

pub fn now() -> UnixSeconds {
    UnixSeconds::new(NOW).unwrap()
}

pub async fn pass(seconds: u64) {
    tokio::time::advance(Duration::from_secs(seconds)).await;
    // Let what became due run.
    for _ in 0..20 {
        tokio::task::yield_now().await;
    }
}

/// Prints one row of the scorecard, which `npm run scorecard` collects, and fails where the row does.
pub fn score(row: &str, figure: &str, limit: &str, ok: bool) {
    println!("SCORE {}", json!({ "row": row, "figure": figure, "limit": limit, "ok": ok }));
    assert!(ok, "{row}: {figure} (limit: {limit})");
}

/// What went wrong, for the end of a figure; nothing where nothing did.
pub fn listed(wrong: &[String]) -> String {
    if wrong.is_empty() { String::new() } else { format!(": {}", wrong.join("; ")) }
}

/// Whether the long forms were asked for.
pub fn long() -> bool {
    std::env::var_os("REMOTE_AGENT_AUTH_LONG").is_some_and(|value| value == "1")
}

/// Numbers that are the same on every run (SplitMix64).
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Less than `bound`; 0 where `bound` is.
    pub fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound.max(1) as u64) as usize
    }
}
