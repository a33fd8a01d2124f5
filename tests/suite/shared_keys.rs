//! Keys that replicas share: several verifiers, each with its own network and clock, and a store between them.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use remote_agent_auth::error::Code;
use remote_agent_auth::policy::Policy;
use remote_agent_auth::provider::budget::Pacing;
use remote_agent_auth::provider::fetch::FetchError;
use remote_agent_auth::provider::shared_keys::NotTaken;
use remote_agent_auth::time::{Clock, UnixSeconds};
use remote_agent_auth::verifier::{Checked, Errand, KeyExchange, Memory, Verifier};
use serde_json::{Value, json};

use crate::support::{ISSUER, OIDC_METADATA};
use crate::support::{JWKS, NOW, Network, Reply, Signer, jwks, metadata, now, pass, policy, status};

thread_local! {
    /// When the test began, which has a thread of its own: at [`NOW`], by the wall clock of all its replicas.
    static BEGAN: tokio::time::Instant = tokio::time::Instant::now();
}

/// A clock that goes on as tokio's does, and the wall's beside it.
struct WallClock {
    started: tokio::time::Instant,
    began: tokio::time::Instant,
}

impl Clock for WallClock {
    fn monotonic(&self) -> Duration {
        self.started.elapsed()
    }

    fn wall(&self) -> UnixSeconds {
        UnixSeconds::new(NOW + self.began.elapsed().as_secs_f64()).unwrap()
    }
}

/// The store: the newest entry of each source, as it came.
type Store = Arc<Mutex<HashMap<String, String>>>;

struct Replica {
    verifier: Arc<Verifier>,
    exchange: Arc<KeyExchange>,
    policy: Arc<Policy>,
}

impl Replica {
    fn new(network: &Arc<Network>, policy: Arc<Policy>) -> Self {
        let clock = Arc::new(WallClock { started: tokio::time::Instant::now(), began: BEGAN.with(|began| *began) });
        let runtime = tokio::runtime::Handle::current();
        let verifier = Verifier::with_pacing(network.clone(), clock, runtime, Pacing::default());
        let exchange = verifier.share_keys();
        Self { verifier, exchange, policy }
    }

    /// One that does what is to be done with `store`.
    fn on(store: &Store, network: &Arc<Network>) -> Self {
        Self::of(store, network, policy(Some(JWKS), "api"))
    }

    fn of(store: &Store, network: &Arc<Network>, policy: Arc<Policy>) -> Self {
        let replica = Self::new(network, policy);
        let (store, verifier, exchange) = (store.clone(), replica.verifier.clone(), replica.exchange.clone());
        tokio::spawn(async move {
            while let Some(errands) = exchange.next().await {
                for errand in errands {
                    match errand {
                        Errand::Look(source) => {
                            let entry = store.lock().unwrap().get(&*source).cloned();
                            let offered = entry.map(|entry| verifier.offer_keys(&exchange, &source, &entry));
                            if offered.is_none_or(|offered| offered.is_awaited) {
                                exchange.ask_provider(&source);
                            }
                        }
                        Errand::Publish { source, text, .. } => {
                            store.lock().unwrap().insert(source.to_string(), text);
                        }
                        Errand::Failed(_) => {}
                    }
                }
            }
        });
        replica
    }

    async fn code(&self, token: &str) -> Option<Code> {
        let answer = match self.verifier.check(token, &self.policy, now(), Memory::None) {
            Checked::Now(answer) => *answer,
            Checked::Later(future) => future.await,
        };
        answer.err().map(|refusal| refusal.code())
    }

    /// Brings an entry as a message of another replica does.
    fn push(&self, source: &str, entry: &str) -> Option<NotTaken> {
        self.verifier.offer_keys(&self.exchange, source, entry).problem
    }

    fn imported(&self) -> u64 {
        self.verifier.report()[0].counters.imported
    }
}

/// The one entry of a store.
fn entry(store: &Store) -> (String, String) {
    let store = store.lock().unwrap();
    assert_eq!(store.len(), 1);
    store.iter().map(|(source, entry)| (source.clone(), entry.clone())).next().unwrap()
}

fn edited(entry: &str, change: impl FnOnce(&mut Value)) -> String {
    let mut document: Value = serde_json::from_str(entry).unwrap();
    change(&mut document);
    document.to_string()
}

#[tokio::test(start_paused = true)]
async fn what_one_replica_has_fetched_the_others_import() {
    let (store, network, signer) = (Store::default(), Arc::new(Network::default()), Signer::new("k"));
    network.answer(JWKS, jwks(&[&signer]));
    let replicas: Vec<_> = (0..50).map(|_| Replica::on(&store, &network)).collect();
    for replica in &replicas {
        assert_eq!(replica.code(&signer.token()).await, None);
        pass(0).await;
    }
    assert_eq!(network.fetches(), 1);
    assert_eq!(replicas[49].imported(), 1);
    // A minute later one of them asks the provider, and the others have it of that one.
    for _ in 0..10 {
        pass(50).await;
        for replica in &replicas {
            assert_eq!(replica.code(&signer.token()).await, None);
            pass(0).await;
        }
    }
    assert!(network.fetches() <= 12, "{}", network.fetches());
}

#[tokio::test(start_paused = true)]
async fn keys_found_by_discovery_are_shared_under_their_issuer() {
    let (store, network, signer) = (Store::default(), Arc::new(Network::default()), Signer::new("k"));
    network.answer(OIDC_METADATA, metadata(JWKS));
    network.answer(JWKS, jwks(&[&signer]));
    for _ in 0..3 {
        let replica = Replica::of(&store, &network, policy(None, "api"));
        assert_eq!(replica.code(&signer.token()).await, None);
        pass(0).await;
    }
    assert_eq!(network.asked(), [OIDC_METADATA, JWKS]);
    // Another source has another entry: its keys were never asked for.
    let other = Replica::of(&store, &network, policy(Some("https://idp.example/other"), "api"));
    assert!(other.code(&signer.token()).await.is_some());
    assert_eq!(store.lock().unwrap().len(), 1);
    let (source, entry) = entry(&store);
    assert!(!entry.contains(ISSUER) && !entry.contains(JWKS), "no address is shared: {entry}");
    assert_eq!(source.len(), 43);
}

#[tokio::test(start_paused = true)]
async fn an_entity_tag_is_shared_and_confirmed_keys_are_published_anew() {
    let (store, network, signer) = (Store::default(), Arc::new(Network::default()), Signer::new("k"));
    let tagged =
        |tag: &str, response| remote_agent_auth::provider::fetch::Response { etag: Some(tag.into()), ..response };
    network.answer(JWKS, tagged("\"1\"", jwks(&[&signer])));
    let first = Replica::on(&store, &network);
    assert_eq!(first.code(&signer.token()).await, None);
    pass(0).await;
    let second = Replica::on(&store, &network);
    assert_eq!(second.code(&signer.token()).await, None);
    let before = entry(&store).1;
    network.answer(JWKS, status(304));
    pass(61).await;
    assert_eq!(second.code(&signer.token()).await, None);
    pass(0).await;
    assert_eq!(network.tags(), [None, Some("\"1\"".to_owned())]);
    let after = entry(&store).1;
    assert_eq!(edited(&after, |it| it["fetchedAt"] = json!(0)), edited(&before, |it| it["fetchedAt"] = json!(0)));
    assert_ne!(after, before);
    // The first imports what the second has had confirmed.
    assert_eq!(first.code(&signer.token()).await, None);
    assert_eq!((network.fetches(), first.imported()), (2, 1));
}

#[tokio::test(start_paused = true)]
async fn an_unknown_kid_is_looked_for_in_the_store_before_the_provider_is_asked() {
    let (store, network) = (Store::default(), Arc::new(Network::default()));
    let (old, new) = (Signer::new("old"), Signer::new("new"));
    network.answer(JWKS, jwks(&[&old]));
    let (first, second) = (Replica::on(&store, &network), Replica::on(&store, &network));
    assert_eq!(first.code(&old.token()).await, None);
    pass(0).await;
    assert_eq!(second.code(&old.token()).await, None);
    pass(5).await;
    network.answer(JWKS, jwks(&[&old, &new]));
    assert_eq!(first.code(&new.token()).await, None);
    pass(0).await;
    assert_eq!(network.fetches(), 2);
    // No budget is spent on what the store has, and the provider is not asked by the second.
    assert_eq!(second.code(&new.token()).await, None);
    assert_eq!((network.fetches(), second.imported()), (2, 2));
    let junk: Vec<_> = (0..4).map(|n| Signer::new(&format!("junk{n}"))).collect();
    for signer in &junk[..3] {
        assert_eq!(second.code(&signer.token()).await, Some(Code::KeyNotFound));
    }
    assert_eq!(network.fetches(), 5, "three at once, as without sharing");
    let begun = tokio::time::Instant::now();
    assert_eq!(second.code(&junk[3].token()).await, Some(Code::KeyNotFound));
    assert!(begun.elapsed() >= Duration::from_secs(4), "{:?}", begun.elapsed());
}

#[tokio::test(start_paused = true)]
async fn keys_from_before_a_request_do_not_prove_its_kid_unknown() {
    let (store, network) = (Store::default(), Arc::new(Network::default()));
    let (old, new) = (Signer::new("old"), Signer::new("new"));
    network.answer(JWKS, jwks(&[&old]));
    let first = Replica::on(&store, &network);
    assert_eq!(first.code(&old.token()).await, None);
    pass(20).await;
    // Rotated since. A replica that starts finds the older keys in the store, and then asks.
    network.answer(JWKS, jwks(&[&old, &new]));
    let second = Replica::on(&store, &network);
    assert_eq!(second.code(&new.token()).await, None);
    assert_eq!((network.fetches(), second.imported()), (2, 1));
}

#[tokio::test(start_paused = true)]
async fn a_message_brings_a_rotation_and_an_older_entry_brings_nothing_back() {
    let (store, network) = (Store::default(), Arc::new(Network::default()));
    let (old, new) = (Signer::new("old"), Signer::new("new"));
    network.answer(JWKS, jwks(&[&old]));
    let (first, second) = (Replica::on(&store, &network), Replica::on(&store, &network));
    for replica in [&first, &second] {
        assert_eq!(replica.code(&old.token()).await, None);
        pass(1).await;
    }
    let (source, stolen) = entry(&store);
    network.answer(JWKS, jwks(&[&new]));
    first.verifier.prefetch(&first.policy).await.unwrap();
    pass(0).await;
    let (_, published) = entry(&store);
    let epoch = second.verifier.changes();
    assert_eq!(second.push(&source, &published), None);
    assert!(second.verifier.changes() > epoch, "nothing found before is used again");
    let fetches = network.fetches();
    assert_eq!(second.code(&new.token()).await, None);
    assert_eq!(second.code(&old.token()).await, Some(Code::KeyNotFound), "withdrawn, so nobody is asked");
    assert_eq!(network.fetches(), fetches);
    // Whoever kept the older entry cannot bring the withdrawn key back.
    assert_eq!(second.push(&source, &stolen), Some(NotTaken::NotNewer));
    assert_eq!(second.push(&source, &published), Some(NotTaken::NotNewer));
    assert_eq!(second.code(&old.token()).await, Some(Code::KeyNotFound));
    // Nor for another source, nor with a name that nobody has.
    assert_eq!(second.push("somebody", &stolen), None);
    assert_eq!(second.imported(), 2);
    // Written over in the store, it serves those that start no longer than keys live.
    store.lock().unwrap().insert(source.clone(), stolen);
    pass(61).await;
    let third = Replica::on(&store, &network);
    assert_eq!(third.code(&old.token()).await, Some(Code::KeyNotFound));
    assert_eq!(third.imported(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_message_ends_the_wait_for_a_turn() {
    let (store, network) = (Store::default(), Arc::new(Network::default()));
    let (old, new) = (Signer::new("old"), Signer::new("new"));
    network.answer(JWKS, jwks(&[&old]));
    let (first, second) = (Replica::on(&store, &network), Replica::on(&store, &network));
    assert_eq!(first.code(&old.token()).await, None);
    pass(1).await;
    for n in 0..3 {
        assert_eq!(second.code(&Signer::new(&format!("junk{n}")).token()).await, Some(Code::KeyNotFound));
    }
    network.answer(JWKS, jwks(&[&old, &new]));
    let begun = tokio::time::Instant::now();
    let waiting = tokio::spawn({
        let (verifier, policy, token) = (second.verifier.clone(), second.policy.clone(), new.token());
        async move {
            match verifier.check(&token, &policy, now(), Memory::None) {
                Checked::Now(answer) => answer.is_ok(),
                Checked::Later(future) => future.await.is_ok(),
            }
        }
    });
    pass(1).await;
    // It imports what the second has fetched for the junk, and asks for what came since.
    assert_eq!(first.code(&new.token()).await, None);
    pass(0).await;
    let fetches = network.fetches();
    let (source, published) = entry(&store);
    assert_eq!(second.push(&source, &published), None);
    assert!(waiting.await.unwrap());
    assert!(begun.elapsed() < Duration::from_secs(2), "{:?}", begun.elapsed());
    assert_eq!(network.fetches(), fetches);
}

#[tokio::test(start_paused = true)]
async fn a_store_that_never_answers_delays_a_refresh_and_refuses_nobody() {
    let (network, signer) = (Arc::new(Network::default()), Signer::new("k"));
    network.answer(JWKS, jwks(&[&signer]));
    let replica = Replica::new(&network, policy(Some(JWKS), "api"));
    let begun = tokio::time::Instant::now();
    assert_eq!(replica.code(&signer.token()).await, None);
    assert_eq!(begun.elapsed().as_secs(), 6);
    // With keys at hand a request waits a second, as for a provider that does not answer.
    pass(61).await;
    let begun = tokio::time::Instant::now();
    assert_eq!(replica.code(&signer.token()).await, None);
    assert_eq!(begun.elapsed().as_secs(), 1);
    assert_eq!(network.fetches(), 1);
    // Closed while a refresh waits: it asks the provider at once.
    let begun = tokio::time::Instant::now();
    replica.exchange.close();
    pass(0).await;
    assert_eq!(network.fetches(), 2);
    assert_eq!(replica.exchange.next().await, None);
    pass(61).await;
    assert_eq!(replica.code(&signer.token()).await, None);
    assert_eq!((network.fetches(), begun.elapsed().as_secs()), (3, 61));
}

#[tokio::test(start_paused = true)]
async fn of_several_exchanges_the_newest_serves_until_it_is_closed() {
    let (network, signer) = (Arc::new(Network::default()), Signer::new("k"));
    network.answer(JWKS, jwks(&[&signer]));
    let replica = Replica::new(&network, policy(Some(JWKS), "api"));
    let newer = replica.verifier.share_keys();
    let check = tokio::spawn({
        let (verifier, policy, token) = (replica.verifier.clone(), replica.policy.clone(), signer.token());
        async move {
            let Checked::Later(future) = verifier.check(&token, &policy, now(), Memory::None) else { return false };
            future.await.is_ok()
        }
    });
    let errands = newer.next().await.unwrap();
    let [Errand::Look(source)] = &errands[..] else { panic!("{errands:?}") };
    let source = Arc::clone(source);
    newer.ask_provider(&source);
    assert!(check.await.unwrap());
    newer.close();
    pass(61).await;
    let pending = replica.verifier.prefetch(&replica.policy);
    let pending = tokio::spawn(pending);
    assert_eq!(replica.exchange.next().await, Some(vec![Errand::Look(source.clone())]));
    replica.exchange.ask_provider(&source);
    pending.await.unwrap().unwrap();
}

#[tokio::test(start_paused = true)]
async fn keys_past_their_life_serve_only_while_the_provider_fails() {
    let (store, network, signer) = (Store::default(), Arc::new(Network::default()), Signer::new("k"));
    network.answer(JWKS, jwks(&[&signer]));
    assert_eq!(Replica::on(&store, &network).code(&signer.token()).await, None);
    pass(0).await;
    let (source, text) = entry(&store);
    let aged = |age: f64| edited(&text, |it| it["fetchedAt"] = json!(NOW - age));
    network.on(JWKS, Reply::Fail(FetchError::Refused));
    store.lock().unwrap().insert(source.clone(), aged(3_600.0));
    let replica = Replica::on(&store, &network);
    assert_eq!(replica.code(&signer.token()).await, None, "a start while the provider is down");
    assert_eq!(network.fetches(), 2, "it was asked first");
    assert!(replica.verifier.report()[0].last_failure.is_some());
    store.lock().unwrap().insert(source, aged(4.0 * 3_600.0));
    assert_eq!(
        Replica::on(&store, &network).code(&signer.token()).await,
        Some(Code::JwksFetch),
        "past the stale bound"
    );
    // Fetched by another one after the failure: the provider answers again.
    let (source, _) = entry(&store);
    pass(5).await;
    assert_eq!(replica.push(&source, &edited(&text, |it| it["fetchedAt"] = json!(NOW + 4.0))), None);
    assert!(replica.verifier.report()[0].last_failure.is_none());
}

#[tokio::test(start_paused = true)]
async fn clear_forgets_what_the_store_has_and_publishes_nothing_from_before() {
    let (store, network) = (Store::default(), Arc::new(Network::default()));
    let (old, new) = (Signer::new("old"), Signer::new("new"));
    network.answer(JWKS, jwks(&[&old]));
    let replica = Replica::on(&store, &network);
    assert_eq!(replica.code(&old.token()).await, None);
    pass(1).await;
    network.answer(JWKS, jwks(&[&new]));
    replica.verifier.clear();
    assert_eq!(replica.code(&new.token()).await, None, "the entry is from before");
    assert_eq!((network.fetches(), replica.imported()), (2, 0));
    pass(1).await;
    // A fetch begun before: its waiters have their answer, the others nothing.
    let before = entry(&store).1;
    network.on(JWKS, Reply::Slow(Duration::from_secs(2), jwks(&[&old])));
    let fetching = tokio::spawn(replica.verifier.prefetch(&replica.policy));
    pass(1).await;
    replica.verifier.clear();
    fetching.await.unwrap().unwrap();
    pass(1).await;
    assert_eq!(entry(&store).1, before);
}

#[tokio::test(start_paused = true)]
async fn a_clock_that_is_wrong_makes_no_key_younger() {
    let (store, network, signer) = (Store::default(), Arc::new(Network::default()), Signer::new("k"));
    network.answer(JWKS, jwks(&[&signer]));
    assert_eq!(Replica::on(&store, &network).code(&signer.token()).await, None);
    pass(0).await;
    let (source, text) = entry(&store);
    for (ahead, imported) in [(5.0, 1), (6.0, 0), (1e9, 0)] {
        store.lock().unwrap().insert(source.clone(), edited(&text, |it| it["fetchedAt"] = json!(NOW + ahead + 0.0)));
        let replica = Replica::on(&store, &network);
        assert_eq!(replica.code(&signer.token()).await, None, "{ahead}");
        assert_eq!(replica.imported(), imported, "{ahead}");
        let report = replica.verifier.report();
        assert!(report[0].age.unwrap() < Duration::from_secs(1));
    }
}
