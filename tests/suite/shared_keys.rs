//! Keys that replicas share: several verifiers, each with its own network and clock, and a store between them.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use remote_agent_auth::error::Code;
use remote_agent_auth::policy::{Policy, PolicyOptions};
use remote_agent_auth::provider::budget::Pacing;
use remote_agent_auth::provider::fetch::FetchError;
use remote_agent_auth::provider::shared_keys::NotTaken;
use remote_agent_auth::time::{Clock, UnixSeconds};
use remote_agent_auth::verifier::{Checked, KeyExchange, Memory, StoreTask, Verifier};
use serde_json::{Value, json};

use crate::support::{ISSUER, OIDC_METADATA};
use crate::support::{JWKS, NOW, Network, Reply, Signer, jwks, metadata, now, options, pass, policy, status};

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
            while let Some(tasks) = exchange.next().await {
                for task in tasks {
                    match task {
                        StoreTask::Look(source) => {
                            let entry = store.lock().unwrap().get(&*source).cloned();
                            let offered = entry.map(|entry| verifier.offer_keys(&exchange, &source, &entry));
                            if offered.is_none_or(|offered| offered.is_awaited) {
                                exchange.ask_provider(&source);
                            }
                        }
                        StoreTask::Publish { source, text, .. } => {
                            store.lock().unwrap().insert(source.to_string(), text);
                        }
                        StoreTask::Failed(_) => {}
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
    let exchange = Arc::clone(&replica.exchange);
    tokio::spawn(async move { while exchange.next().await.is_some() {} });
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
    let tasks = newer.next().await.unwrap();
    let [StoreTask::Look(source)] = &tasks[..] else { panic!("{tasks:?}") };
    let source = Arc::clone(source);
    newer.ask_provider(&source);
    assert!(check.await.unwrap());
    newer.close();
    pass(61).await;
    let pending = replica.verifier.prefetch(&replica.policy);
    let pending = tokio::spawn(pending);
    assert_eq!(replica.exchange.next().await, Some(vec![StoreTask::Look(source.clone())]));
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

/// The name of the source that a refresh looks for.
async fn looked_for(exchange: &KeyExchange) -> Arc<str> {
    match exchange.next().await.as_deref() {
        Some([StoreTask::Look(source)]) => Arc::clone(source),
        other => panic!("{other:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn keys_of_one_url_are_not_taken_for_another() {
    // A query or a user decides which keys come: a tenant's, an application's.
    for (of_one, of_other) in [
        ("https://idp.example/jwks?p=one", "https://idp.example/jwks?p=other"),
        ("https://idp.example/jwks?p=one", "https://idp.example/jwks"),
        ("https://one:secret@idp.example/jwks", "https://other:secret@idp.example/jwks"),
    ] {
        let (store, network) = (Store::default(), Arc::new(Network::default()));
        let (one, other) = (Signer::new("k"), Signer::new("k"));
        network.answer(of_one, jwks(&[&one]));
        network.answer(of_other, jwks(&[&other]));
        let replica = Replica::of(&store, &network, policy(Some(of_one), "api"));
        assert_eq!(replica.code(&one.token()).await, None);
        pass(0).await;
        let replica = Replica::of(&store, &network, policy(Some(of_other), "api"));
        assert!(replica.code(&one.token()).await.is_some(), "{of_other} accepts keys of {of_one}");
        assert_eq!(replica.code(&other.token()).await, None);
        pass(0).await;
        assert_eq!(store.lock().unwrap().len(), 2);
    }
    // A password decides nothing, and nothing that is shared can be compared with guesses of it.
    let entries = ["one", "two"].map(|password| async move {
        let (store, network, url) =
            (Store::default(), Arc::new(Network::default()), format!("https://user:{password}@idp.example/jwks"));
        let signer = Signer::new("k");
        let reply = remote_agent_auth::provider::fetch::Response { etag: Some("\"1\"".into()), ..jwks(&[&signer]) };
        network.answer(&url, reply);
        assert_eq!(Replica::of(&store, &network, policy(Some(&url), "api")).code(&signer.token()).await, None);
        pass(0).await;
        let (source, entry) = entry(&store);
        (source, edited(&entry, |it| it["keys"] = json!([])))
    });
    let [one, two] = entries;
    assert_eq!(one.await, two.await);
}

#[tokio::test(start_paused = true)]
async fn keys_that_are_young_enough_for_one_policy_serve_no_stricter_one() {
    let (store, network, signer) = (Store::default(), Arc::new(Network::default()), Signer::new("k"));
    network.answer(JWKS, jwks(&[&signer]));
    assert_eq!(Replica::on(&store, &network).code(&signer.token()).await, None);
    pass(0).await;
    let (_, text) = entry(&store);
    let old = edited(&text, |it| it["fetchedAt"] = json!(NOW - 3_600.0));
    // The key has been withdrawn since.
    network.answer(JWKS, jwks(&[&Signer::new("new")]));
    let with = |change: fn(&mut PolicyOptions)| {
        let mut options = options(Some(JWKS), "api");
        change(&mut options);
        Arc::new(Policy::parse(options).unwrap())
    };
    let strict = with(|options| options.keys.max_stale = Some(60.0));
    let patient = with(|options| options.keys.cache_max_age = Some(86_400_000.0));
    // Whoever asks last: both wait for the one refresh.
    for order in [[&strict, &patient], [&patient, &strict]] {
        let replica = Replica::new(&network, Arc::clone(&strict));
        let checks = order.map(|policy| match replica.verifier.check(&signer.token(), policy, now(), Memory::None) {
            Checked::Now(answer) => panic!("{answer:?}"),
            Checked::Later(future) => tokio::spawn(async move { future.await.err().map(|refusal| refusal.code()) }),
        });
        let source = looked_for(&replica.exchange).await;
        assert_eq!(replica.push(&source, &old), None);
        replica.exchange.ask_provider(&source);
        for (check, policy) in checks.into_iter().zip(order) {
            let code = check.await.unwrap();
            assert!(!Arc::ptr_eq(policy, &strict) || code == Some(Code::KeyNotFound), "{code:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn keys_by_a_clock_that_is_ahead_do_not_prove_a_kid_unknown() {
    let (store, network) = (Store::default(), Arc::new(Network::default()));
    let (old, new) = (Signer::new("old"), Signer::new("new"));
    network.answer(JWKS, jwks(&[&old]));
    assert_eq!(Replica::on(&store, &network).code(&old.token()).await, None);
    pass(0).await;
    let (source, text) = entry(&store);
    // Rotated since; the entry says that it was fetched later than now.
    network.answer(JWKS, jwks(&[&old, &new]));
    store.lock().unwrap().insert(source, edited(&text, |it| it["fetchedAt"] = json!(NOW + 4.0)));
    let replica = Replica::on(&store, &network);
    assert_eq!(replica.code(&new.token()).await, None);
    assert_eq!(replica.imported(), 1);
}

#[tokio::test(start_paused = true)]
async fn keys_kept_for_a_failing_provider_are_as_old_as_they_are() {
    let (store, network, signer) = (Store::default(), Arc::new(Network::default()), Signer::new("k"));
    network.answer(JWKS, jwks(&[&signer]));
    assert_eq!(Replica::on(&store, &network).code(&signer.token()).await, None);
    pass(0).await;
    let (source, text) = entry(&store);
    network.on(JWKS, Reply::Fail(FetchError::Refused));
    let replica = Replica::new(&network, policy(Some(JWKS), "api"));
    let pending = tokio::spawn(replica.verifier.prefetch(&replica.policy));
    assert_eq!(*looked_for(&replica.exchange).await, *source);
    assert_eq!(replica.push(&source, &edited(&text, |it| it["fetchedAt"] = json!(NOW - 3_600.0))), None);
    pass(4).await;
    replica.exchange.ask_provider(&source);
    assert!(pending.await.unwrap().is_err());
    assert_eq!(replica.verifier.report()[0].age.unwrap().as_secs(), 3_604);
}

#[tokio::test(start_paused = true)]
async fn unknown_kids_do_not_have_the_store_looked_at_without_end() {
    let (network, signer) = (Arc::new(Network::default()), Signer::new("k"));
    let store = Store::default();
    network.answer(JWKS, jwks(&[&signer]));
    assert_eq!(Replica::on(&store, &network).code(&signer.token()).await, None);
    pass(0).await;
    let (_, text) = entry(&store);
    let replica = Arc::new(Replica::new(&network, policy(Some(JWKS), "api")));
    let looks = Arc::new(AtomicU64::new(0));
    // Many replicas are flooded, and each look finds keys that another one has fetched just now.
    tokio::spawn({
        let (replica, looks) = (Arc::clone(&replica), Arc::clone(&looks));
        async move {
            while let Some(tasks) = replica.exchange.next().await {
                for task in tasks {
                    let StoreTask::Look(source) = task else { continue };
                    looks.fetch_add(1, Ordering::Relaxed);
                    tokio::time::sleep(Duration::from_millis(1)).await;
                    let passed = BEGAN.with(|began| began.elapsed().as_secs_f64());
                    replica.push(&source, &edited(&text, |it| it["fetchedAt"] = json!(NOW + passed)));
                    replica.exchange.ask_provider(&source);
                }
            }
        }
    });
    let began = tokio::time::Instant::now();
    for n in 0.. {
        if began.elapsed() > Duration::from_secs(60) {
            break;
        }
        assert!(replica.code(&Signer::new(&format!("junk{n}")).token()).await.is_some());
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let looks = looks.load(Ordering::Relaxed);
    assert!(looks <= 60 + 24, "{looks} in a minute");
}

#[tokio::test(start_paused = true)]
async fn a_side_that_fetches_no_errands_delays_no_refresh_for_long_and_fills_no_memory() {
    let (network, signer) = (Arc::new(Network::default()), Signer::new("k"));
    network.answer(JWKS, jwks(&[&signer]));
    let replica = Replica::new(&network, policy(Some(JWKS), "api"));
    let prefetched = async || {
        let began = tokio::time::Instant::now();
        replica.verifier.prefetch(&replica.policy).await.unwrap();
        began.elapsed().as_secs()
    };
    assert_eq!(prefetched().await, 6);
    for _ in 0..3 {
        assert_eq!(prefetched().await, 0, "its thread is held up");
    }
    // It goes on.
    let source = looked_for_first(&replica.exchange).await;
    let pending = tokio::spawn(replica.verifier.prefetch(&replica.policy));
    assert_eq!(looked_for(&replica.exchange).await, source);
    replica.exchange.ask_provider(&source);
    pending.await.unwrap().unwrap();
}

/// The name in the first of several tasks.
async fn looked_for_first(exchange: &KeyExchange) -> Arc<str> {
    match exchange.next().await.as_deref() {
        Some([StoreTask::Look(source), ..]) => Arc::clone(source),
        other => panic!("{other:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn a_refresh_whose_keys_nobody_gets_gives_its_lock_back() {
    let (network, signer) = (Arc::new(Network::default()), Signer::new("k"));
    network.on(JWKS, Reply::Slow(Duration::from_secs(2), jwks(&[&signer])));
    let replica = Replica::new(&network, policy(Some(JWKS), "api"));
    let pending = tokio::spawn(replica.verifier.prefetch(&replica.policy));
    let source = looked_for(&replica.exchange).await;
    replica.exchange.ask_provider(&source);
    pass(1).await;
    replica.verifier.clear();
    pending.await.unwrap().unwrap();
    pass(0).await;
    let given_back = tokio::time::timeout(Duration::from_secs(1), replica.exchange.next()).await;
    assert_eq!(given_back.unwrap(), Some(vec![StoreTask::Failed(source)]));
}
