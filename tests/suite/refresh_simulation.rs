//! Rotations, roll-backs, stale clients, junk and outages on a clock of our own: which good tokens are refused, and how
//! often the provider is asked. First the schedules that were met in the field, then random ones.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::support::{JWKS, NOW, Signer, jwks, listed, long, policy, score};
use proptest::prelude::*;
use proptest::test_runner::{Config, FileFailurePersistence, TestCaseError, TestRunner};
use remote_agent_auth::base64url::encode;
use remote_agent_auth::error::Code;
use remote_agent_auth::provider::fetch::{Fetch, FetchError, Fetching, Request};
use remote_agent_auth::time::{Clock, UnixSeconds};
use remote_agent_auth::verifier::{Checked, Memory, Verifier};
use serde_json::json;
use tokio::time::{Instant, sleep};

const MINUTE: Duration = Duration::from_secs(60);

fn ms(milliseconds: u64) -> Duration {
    Duration::from_millis(milliseconds)
}

/// Both clocks go with tokio's.
struct SimClock(Instant);

impl Clock for SimClock {
    fn monotonic(&self) -> Duration {
        self.0.elapsed()
    }

    fn wall(&self) -> UnixSeconds {
        UnixSeconds::new(NOW + self.0.elapsed().as_secs_f64()).unwrap()
    }
}

/// What the provider does now.
#[derive(Clone)]
struct State {
    published: Vec<usize>,
    /// What a node that is behind shows; every second fetch meets it.
    behind: Option<Vec<usize>>,
    up: bool,
    delay: Duration,
}

#[derive(Debug, Clone, Copy)]
struct Fetched {
    began: Duration,
    /// When keys came.
    good: Option<Duration>,
}

struct Provider {
    start: Instant,
    keys: Mutex<Vec<Arc<Signer>>>,
    state: Mutex<State>,
    fetches: Mutex<Vec<Fetched>>,
}

struct Net(Arc<Provider>);

impl Fetch for Net {
    fn fetch(&self, _: Request<'_>) -> Fetching {
        let provider = Arc::clone(&self.0);
        let state = provider.state.lock().unwrap().clone();
        let place = {
            let mut fetches = provider.fetches.lock().unwrap();
            fetches.push(Fetched { began: provider.start.elapsed(), good: None });
            fetches.len() - 1
        };
        Box::pin(async move {
            sleep(state.delay).await;
            if !state.up {
                return Err(FetchError::Refused);
            }
            let shown = state.behind.filter(|_| place % 2 == 1).unwrap_or(state.published);
            let keys: Vec<_> = shown.iter().map(|key| Arc::clone(&provider.keys.lock().unwrap()[*key])).collect();
            provider.fetches.lock().unwrap()[place].good = Some(provider.start.elapsed());
            Ok(jwks(&keys.iter().map(Arc::as_ref).collect::<Vec<_>>()))
        })
    }
}

/// A good token that was refused.
#[derive(Debug, Clone)]
struct Refused {
    came: Duration,
    key: usize,
    code: Code,
}

/// One provider, one verifier, and callers.
struct Sim {
    provider: Arc<Provider>,
    verifier: Arc<Verifier>,
    policy: Arc<remote_agent_auth::policy::Policy>,
    refused: Arc<Mutex<Vec<Refused>>>,
    longest_wait: Arc<Mutex<Duration>>,
    tasks: Vec<tokio::task::JoinHandle<()>>,
    /// When each key was published last.
    published: HashMap<usize, Duration>,
    junk: usize,
    good: usize,
}

impl Sim {
    async fn new() -> Self {
        let start = Instant::now();
        let state = State { published: vec![0], behind: None, up: true, delay: ms(5) };
        let provider = Arc::new(Provider {
            start,
            keys: Mutex::new(vec![Arc::new(Signer::new("key-0"))]),
            state: Mutex::new(state),
            fetches: Mutex::default(),
        });
        let handle = tokio::runtime::Handle::current();
        let verifier = Verifier::new(Arc::new(Net(Arc::clone(&provider))), Arc::new(SimClock(start)), handle);
        let policy = policy(Some(JWKS), "api");
        let published = HashMap::from([(0, Duration::ZERO)]);
        let (refused, longest_wait) = (Arc::default(), Arc::default());
        let mut sim =
            Self { provider, verifier, policy, refused, longest_wait, tasks: Vec::new(), published, junk: 0, good: 0 };
        sim.good(0);
        sleep(ms(100)).await;
        sim
    }

    fn now(&self) -> Duration {
        self.provider.start.elapsed()
    }

    fn set(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.provider.state.lock().unwrap());
    }

    /// A new key, published instead of all others.
    fn rotate(&mut self) -> usize {
        let key = {
            let mut keys = self.provider.keys.lock().unwrap();
            let key = Signer::new(&format!("key-{}", keys.len()));
            keys.push(Arc::new(key));
            keys.len() - 1
        };
        self.publish(vec![key]);
        key
    }

    fn publish(&mut self, keys: Vec<usize>) {
        let now = self.now();
        self.published.retain(|key, _| keys.contains(key));
        for key in &keys {
            self.published.entry(*key).or_insert(now);
        }
        self.set(|state| state.published = keys);
    }

    /// A token of this key, signed now.
    fn token(&self, key: usize) -> String {
        let key = Arc::clone(&self.provider.keys.lock().unwrap()[key]);
        key.token_with(json!({ "iat": (NOW + self.now().as_secs_f64()).floor() }))
    }

    /// Sends a token of a published key, signed now, which ought to pass.
    fn good(&mut self, key: usize) {
        self.good += 1;
        let token = self.token(key);
        self.send(&token, Some(key));
    }

    /// Sends a `kid` that nobody ever had, in a token that could be good.
    fn junk(&mut self) {
        self.junk += 1;
        let rest = self.token(0).split_once('.').unwrap().1.to_owned();
        let header = encode(format!(r#"{{"alg":"ES256","kid":"junk-{}"}}"#, self.junk).as_bytes());
        self.send(&format!("{header}.{rest}"), None);
    }

    /// `good`: the published key it is of.
    fn send(&mut self, token: &str, good: Option<usize>) {
        let (came, start) = (self.now(), self.provider.start);
        let wall = UnixSeconds::new(NOW + came.as_secs_f64()).unwrap();
        let checked = self.verifier.check(token, &self.policy, wall, Memory::Signatures);
        let (refused, longest) = (Arc::clone(&self.refused), Arc::clone(&self.longest_wait));
        let provider = Arc::clone(&self.provider);
        let record = move |answer: remote_agent_auth::verifier::Answer| {
            // Withdrawn while it waited: then it is a good one no longer.
            let good = good.filter(|key| provider.state.lock().unwrap().published.contains(key));
            let mut longest = longest.lock().unwrap();
            *longest = (*longest).max(start.elapsed() - came);
            if let (Some(key), Err(refusal)) = (good, answer) {
                refused.lock().unwrap().push(Refused { came, key, code: refusal.code() });
            }
        };
        match checked {
            Checked::Now(answer) => record(*answer),
            Checked::Later(future) => self.tasks.push(tokio::spawn(async move { record(future.await) })),
        }
    }

    async fn end(&mut self) -> Vec<Refused> {
        for task in self.tasks.drain(..) {
            task.await.unwrap();
        }
        self.refused.lock().unwrap().clone()
    }

    /// The most fetches begun within any minute, those left out whose time had come: no keys, or old ones.
    fn most_caused(&self) -> usize {
        let fetches = self.provider.fetches.lock().unwrap();
        let mut caused = Vec::new();
        for (place, fetch) in fetches.iter().enumerate() {
            let newest = fetches[..place].iter().rev().find(|it| it.good.is_some_and(|good| good <= fetch.began));
            if newest.is_some_and(|newest| fetch.began - newest.began < ms(45_000)) {
                caused.push(fetch.began);
            }
        }
        most_in_a_minute(&caused)
    }

    fn most_begun(&self) -> usize {
        most_in_a_minute(&self.provider.fetches.lock().unwrap().iter().map(|it| it.began).collect::<Vec<_>>())
    }
}

fn most_in_a_minute(times: &[Duration]) -> usize {
    let within = |first: &Duration| times.iter().filter(|it| **it >= *first && **it < *first + MINUTE).count();
    times.iter().map(within).max().unwrap_or_default()
}

/// A1: every 75 s a new key, the old one deleted; one client per old generation keeps sending its unexpired token.
#[tokio::test(start_paused = true)]
async fn a1_stale_clients_of_eight_rotations_cost_good_tokens_nothing() {
    let mut sim = Sim::new().await;
    let (mut stale, mut newest) = (Vec::new(), 0);
    let mut quarters = 0_usize;
    for _ in 0..8 {
        for _ in 0..300 {
            sim.good(newest);
            if let Some(token) = stale.get(quarters % stale.len().max(1)).cloned() {
                let token: String = token;
                sim.send(&token, None);
            }
            quarters += 1;
            sleep(ms(250)).await;
        }
        stale.push(sim.token(newest));
        newest = sim.rotate();
    }
    for _ in 0..300 {
        sim.good(newest);
        let token = stale[quarters % stale.len()].clone();
        sim.send(&token, None);
        quarters += 1;
        sleep(ms(250)).await;
    }
    let refused = sim.end().await;
    let (most, begun, waited) = (sim.most_caused(), sim.most_begun(), *sim.longest_wait.lock().unwrap());
    let figure = format!(
        "8 rotations, {} good tokens, {} refused{}, longest wait {waited:?}, at most {most} fetches a minute caused by tokens, {begun} in all",
        sim.good,
        refused.len(),
        listed(&refused.iter().map(|it| format!("{it:?}")).take(3).collect::<Vec<_>>())
    );
    // One for each rotation, and nothing for those who are behind.
    let ok = refused.is_empty() && most <= 1 && waited < ms(100);
    score("S41", &figure, "8 rotations, 0 good tokens refused; stale clients cause no fetch", ok);
}

/// A2: the provider is down for 15 s while one client sends an unknown `kid`; it comes back with a new key.
#[tokio::test(start_paused = true)]
async fn a2_failed_fetches_are_not_charged_to_those_who_come_after() {
    for (restarts, every) in [(1, 250), (1, 1_000), (6, 250), (6, 3_000)] {
        let mut sim = Sim::new().await;
        let junk = sim.token(0).split_once('.').unwrap().1.to_owned();
        let junk = format!("{}.{junk}", encode(br#"{"alg":"ES256","kid":"unknown"}"#));
        let mut newest = 0;
        for _ in 0..restarts {
            sim.set(|state| state.up = false);
            for _ in 0..15_000 / every {
                sim.send(&junk, None);
                sleep(ms(every)).await;
            }
            sim.set(|state| state.up = true);
            newest = sim.rotate();
            for _ in 0..20_000 / 250 {
                sim.send(&junk, None);
                sim.good(newest);
                sleep(ms(250)).await;
            }
        }
        let refused = sim.end().await;
        assert!(refused.is_empty(), "{restarts} restarts, junk every {every} ms, key {newest}: {refused:?}");
        assert!(sim.most_caused() <= 12, "{}", sim.most_caused());
    }
}

/// A3: plausible junk `kid`s, five a second, for ever; a rotation every two minutes, an outage of 15 s.
#[tokio::test(start_paused = true)]
async fn a3_under_junk_no_good_token_is_refused_for_long() {
    let mut sim = Sim::new().await;
    let minutes = if long() { 60 } else { 10 };
    let mut newest = 0;
    for fifth in 0..minutes * 60 * 5 {
        if fifth % 600 == 300 {
            newest = sim.rotate();
        }
        // Seconds 260 to 275.
        sim.set(|state| state.up = !(1_300..1_375).contains(&fifth));
        sim.junk();
        sim.good(newest);
        sleep(ms(200)).await;
    }
    let refused = sim.end().await;
    let codes: Vec<_> = refused.iter().filter(|it| it.code != Code::KeyNotAsked).collect();
    let rotations = |key: usize| ms(60_000 + 120_000 * (key as u64 - 1) + 100);
    let longest = refused.iter().map(|it| it.came.saturating_sub(rotations(it.key))).max().unwrap_or_default();
    let figure = format!(
        "{} junk kids in {minutes} minutes, {} good tokens, {} refused, the last {longest:?} after its key was published; longest wait {:?}; at most {} fetches a minute",
        sim.junk,
        sim.good,
        refused.len(),
        sim.longest_wait.lock().unwrap(),
        sim.most_caused()
    );
    let ok = longest < ms(10_000) && codes.is_empty() && sim.most_caused() <= 12 && sim.most_begun() <= 13;
    score("S42", &figure, "longest refusal of a good token under 10 s; at most 12 fetches a minute", ok);
}

/// What happens next in a random schedule.
#[derive(Debug, Clone)]
enum Event {
    Pass(u64),
    /// A new key; whether the one before stays published.
    Rotate(bool),
    /// The key before this one is published instead of it.
    RollBack,
    /// Good tokens of the key that signs now.
    Good(usize),
    /// Old tokens of keys that are no longer published.
    Stale(usize),
    Delay(u64),
    Junk(usize),
    /// The provider is away for so long.
    Outage(u64),
    /// Every second fetch meets a node that shows the keys of now, until the next rotation but one.
    NodeFallsBehind,
    NodeCatchesUp,
}

/// Without junk, at a provider that is consistent. Keys change at most every 12 s: more often than any provider does.
fn quiet() -> BoxedStrategy<Vec<Event>> {
    let change = prop_oneof![3 => any::<bool>().prop_map(Event::Rotate), 1 => Just(Event::RollBack)];
    let change = (change, 1_usize..5, 12_000_u64..90_000)
        .prop_map(|(change, n, ms)| vec![change, Event::Good(n), Event::Pass(ms)]);
    let other = prop_oneof![
        4 => (0_u64..3_000).prop_map(|ms| vec![Event::Pass(ms)]),
        1 => (3_000_u64..60_000).prop_map(|ms| vec![Event::Pass(ms)]),
        4 => (1_usize..20).prop_map(|n| vec![Event::Good(n)]),
        4 => (1_usize..20).prop_map(|n| vec![Event::Stale(n), Event::Pass(250), Event::Stale(n)]),
        1 => (0_u64..900).prop_map(|ms| vec![Event::Delay(ms)]),
        1 => (900_u64..4_000).prop_map(|ms| vec![Event::Delay(ms)]),
    ];
    let events = prop_oneof![1 => change, 2 => other];
    prop::collection::vec(events, 1..60).prop_map(|events| events.concat()).boxed()
}

/// With everything that may happen.
fn wild() -> BoxedStrategy<Vec<Event>> {
    let other = prop_oneof![
        3 => (1_usize..40).prop_map(Event::Junk),
        1 => (200_usize..400).prop_map(Event::Junk),
        2 => (1_000_u64..60_000).prop_map(Event::Outage),
        1 => Just(Event::NodeFallsBehind),
        1 => Just(Event::NodeCatchesUp),
        4 => (100_u64..2_000).prop_map(Event::Pass),
    ];
    (quiet(), prop::collection::vec((any::<prop::sample::Index>(), other), 1..60))
        .prop_map(|(mut events, others)| {
            for (place, event) in others {
                events.insert(place.index(events.len()), event);
            }
            events
        })
        .boxed()
}

async fn play(events: &[Event], junk_all_the_time: bool) -> (Sim, Vec<Refused>) {
    let mut sim = Sim::new().await;
    let mut signing = vec![0_usize];
    let mut old: Vec<String> = Vec::new();
    for event in events {
        let now = *signing.last().unwrap();
        match event {
            Event::Pass(length) if junk_all_the_time => {
                for _ in 0..length / 200 {
                    sim.junk();
                    sim.good(now);
                    sleep(ms(200)).await;
                }
            }
            Event::Pass(length) => sleep(ms(*length)).await,
            Event::Rotate(stays) => {
                old.push(sim.token(now));
                let new = sim.rotate();
                if *stays {
                    sim.publish(vec![new, now]);
                }
                signing.push(new);
            }
            Event::RollBack if signing.len() > 1 => {
                old.push(sim.token(now));
                signing.pop();
                sim.publish(vec![*signing.last().unwrap()]);
            }
            Event::RollBack => {}
            Event::Good(n) => (0..*n).for_each(|_| sim.good(now)),
            Event::Stale(n) => {
                for place in 0..*n {
                    if let Some(token) = old.get(place % old.len().max(1)).cloned() {
                        sim.send(&token, None);
                    }
                }
            }
            Event::Delay(length) => sim.set(|state| state.delay = ms(*length)),
            Event::Junk(n) => (0..*n).for_each(|_| sim.junk()),
            Event::Outage(length) => {
                sim.set(|state| state.up = false);
                for _ in 0..length / 500 {
                    sim.junk();
                    sleep(ms(500)).await;
                }
                sim.set(|state| state.up = true);
            }
            Event::NodeFallsBehind => sim.set(|state| state.behind = Some(state.published.clone())),
            Event::NodeCatchesUp => sim.set(|state| state.behind = None),
        }
    }
    let refused = sim.end().await;
    (sim, refused)
}

fn schedules(
    cases: u32,
    events: &BoxedStrategy<Vec<Event>>,
    junk_all_the_time: bool,
    holds: impl Fn(&Sim, &[Refused]) -> Result<(), TestCaseError>,
) {
    let config =
        Config { cases, failure_persistence: Some(Box::new(FileFailurePersistence::Off)), ..Config::default() };
    let result = TestRunner::new(config).run(events, |events| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        let (sim, refused) = runtime.block_on(play(&events, junk_all_the_time));
        holds(&sim, &refused)
    });
    result.unwrap_or_else(|error| panic!("{error}"));
}

fn cases(few: u32) -> u32 {
    if long() { few * 20 } else { few }
}

#[test]
fn without_junk_no_good_token_of_a_published_key_is_refused() {
    schedules(cases(120), &quiet(), false, |sim, refused| {
        prop_assert!(refused.is_empty(), "{refused:?}");
        prop_assert!(sim.most_caused() <= 12);
        prop_assert!(*sim.longest_wait.lock().unwrap() <= ms(10_010));
        Ok(())
    });
}

#[test]
fn under_junk_none_is_refused_for_longer_than_ten_seconds_after_its_publication() {
    // Answers within a second: what a slow provider takes comes on top.
    let events =
        quiet().prop_map(|events| events.into_iter().filter(|it| !matches!(it, Event::Delay(900..))).collect());
    schedules(cases(12), &events.boxed(), true, |sim, refused| {
        for refused in refused {
            let Some(published) = sim.published.get(&refused.key) else { continue };
            prop_assert!(refused.came < *published + ms(10_000), "published at {published:?}: {refused:?}");
        }
        prop_assert!(sim.most_caused() <= 12, "{}", sim.most_caused());
        Ok(())
    });
}

#[test]
fn whatever_happens_the_provider_is_asked_at_most_twelve_times_a_minute_and_nobody_waits_past_the_deadline() {
    schedules(cases(60), &wild(), false, |sim, _| {
        prop_assert!(sim.most_caused() <= 12, "{}", sim.most_caused());
        // Beside them, those whose time has come: two in a minute, and more only after failures, which are paced.
        prop_assert!(sim.most_begun() <= 22, "{}", sim.most_begun());
        prop_assert!(*sim.longest_wait.lock().unwrap() <= ms(10_010));
        Ok(())
    });
}
