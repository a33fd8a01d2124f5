//! Whatever the provider does and whenever callers come: keys serve as long as they may, no longer, and the provider is
//! asked no more often than the budgets allow. Random schedules against an independent reading of what happened.

use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use crate::support::{JWKS, NOW, Signer, TestClock, jwks, long, policy, status};
use proptest::prelude::*;
use proptest::test_runner::{Config, FileFailurePersistence, TestCaseError, TestRunner};
use remote_agent_auth::provider::fetch::{Fetch, FetchError, Fetching, Request, Response};
use remote_agent_auth::time::UnixSeconds;
use remote_agent_auth::verifier::{Checked, Memory, Verifier};
use tokio::time::{Instant, sleep};

const MIN_LIFE: Duration = Duration::from_secs(60);
const MAX_ADVISED: Duration = Duration::from_secs(600);
const STALE_BOUND: Duration = Duration::from_secs(4 * 60 * 60);
const MINUTE: Duration = Duration::from_secs(60);
const PATIENCE: Duration = Duration::from_secs(1);
const DEADLINE: Duration = Duration::from_secs(10);
/// How long the past of a provider may excuse keys past their life: a fetch that hangs until its deadline, and a failure
/// that is believed for a minute.
const EXCUSE: Duration = Duration::from_secs(10 + 60);

/// What a provider does for a while.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Mode {
    /// Answers after so many milliseconds, less than callers wait.
    Up(u16),
    /// Answers, but later than callers wait.
    Slow(u16),
    Refuses,
    Breaks,
    Hangs,
}

#[derive(Debug, Clone)]
enum Event {
    Pass(u64),
    Provider(Mode),
    /// The keys published from now on, by place; and the life advised, in seconds.
    Publish([bool; 3], bool, Option<u32>),
    /// A good token of this key.
    Request(usize),
    /// Sixteen at once.
    Burst(usize),
    /// A `kid` nobody has.
    Junk(u32),
    /// A signature that is not the key's.
    Forged,
    /// The wall clock is set to so many seconds from what it should be.
    WallClock(i32),
}

fn mode() -> impl Strategy<Value = Mode> {
    prop_oneof![
        4 => (0_u16..900).prop_map(Mode::Up),
        1 => (1100_u16..12_000).prop_map(Mode::Slow),
        1 => Just(Mode::Refuses),
        1 => Just(Mode::Breaks),
        1 => Just(Mode::Hangs),
    ]
}

fn event() -> impl Strategy<Value = Event> {
    let pass = prop_oneof![
        4 => 0_u64..2_000,
        6 => 1_000_u64..40_000,
        3 => 40_000_u64..100_000,
        1 => 100_000_u64..1_000_000,
        1 => 3_600_000_u64..18_000_000,
        // Around the ends of a life, of an advised life, of the stale bound.
        1 => (60_000_u64..60_002).prop_map(|ms| ms - 1),
        1 => 14_398_000_u64..14_401_000,
    ];
    let advice = prop_oneof![3 => Just(None), 1 => prop::sample::select(vec![0, 30, 300, 100_000]).prop_map(Some)];
    prop_oneof![
        8 => pass.prop_map(Event::Pass),
        2 => mode().prop_map(Event::Provider),
        2 => (any::<[bool; 3]>(), any::<bool>(), advice).prop_map(|(set, swap, life)| Event::Publish(set, swap, life)),
        8 => (0_usize..4).prop_map(Event::Request),
        1 => (0_usize..4).prop_map(Event::Burst),
        1 => (0_u32..50).prop_map(Event::Junk),
        1 => Just(Event::Forged),
        1 => (-400_000_000_i32..400_000_000).prop_map(Event::WallClock),
    ]
}

/// Three keys, and a fourth under the first one's `kid`; a good token of each, and tokens that are not good.
struct Cast {
    keys: [Signer; 4],
    tokens: [String; 4],
    forged: String,
}

fn cast() -> &'static Cast {
    static CAST: OnceLock<Cast> = OnceLock::new();
    CAST.get_or_init(|| {
        let keys = ["a", "b", "c", "a"].map(Signer::new);
        let tokens = [0, 1, 2, 3].map(|place| keys[place].token());
        Cast { keys, tokens, forged: Signer::new("b").token() }
    })
}

#[derive(Debug, Clone, Copy)]
struct Fetched {
    began: Duration,
    ended: Option<Duration>,
    /// The keys that came, and the life advised.
    answer: Option<([bool; 4], Option<u32>)>,
}

#[derive(Debug, Clone, Copy)]
struct World {
    mode: Mode,
    published: [bool; 4],
    advice: Option<u32>,
}

struct Provider {
    start: Instant,
    now: Mutex<World>,
    log: Mutex<Vec<Fetched>>,
}

/// A fetch ends when it is answered or given up.
struct Ended(Arc<Provider>, usize);

impl Drop for Ended {
    fn drop(&mut self) {
        self.0.log.lock().unwrap()[self.1].ended.get_or_insert(self.0.start.elapsed());
    }
}

struct Net(Arc<Provider>);

impl Fetch for Net {
    fn fetch(&self, request: Request<'_>) -> Fetching {
        let known = request.if_none_match.map(str::to_owned);
        let world = *self.0.now.lock().unwrap();
        let place = {
            let mut log = self.0.log.lock().unwrap();
            log.push(Fetched { began: self.0.start.elapsed(), ended: None, answer: None });
            log.len() - 1
        };
        let guard = Ended(Arc::clone(&self.0), place);
        Box::pin(async move {
            let guard = guard;
            match world.mode {
                Mode::Up(ms) | Mode::Slow(ms) => sleep(Duration::from_millis(ms.into())).await,
                Mode::Refuses => return Err(FetchError::Refused),
                Mode::Breaks => return Ok(status(500)),
                Mode::Hangs => std::future::pending().await,
            }
            let signers: Vec<_> =
                cast().keys.iter().zip(world.published).filter(|(_, is)| *is).map(|it| it.0).collect();
            let etag = format!("\"{:?}\"", world.published);
            let unchanged = known.as_ref() == Some(&etag);
            if !signers.is_empty() {
                let mut log = guard.0.log.lock().unwrap();
                // What 304 does not say anew stands as it was.
                let before = log.iter().rev().find_map(|fetch| fetch.answer).and_then(|(_, advice)| advice);
                let advice = world.advice.or(before.filter(|_| unchanged));
                log[guard.1].answer = Some((world.published, advice));
            }
            let answer = if unchanged { status(304) } else { jwks(&signers) };
            let cache_control = world.advice.map(|life| format!("max-age={life}"));
            Ok(Response { cache_control, etag: Some(etag), ..answer })
        })
    }
}

#[derive(Debug, Clone, Copy)]
struct Asked {
    key: usize,
    came: Duration,
    answered: Duration,
    accepted: bool,
}

/// When the provider was set to something.
type History = Vec<(Duration, World)>;

struct Run {
    fetches: Vec<Fetched>,
    asked: Vec<Asked>,
    history: History,
    /// When tokens came that may cause a fetch: of an unknown `kid`, or with a bad signature.
    causes: Vec<Duration>,
}

async fn play(events: &[Event]) -> Run {
    let start = Instant::now();
    let first = World { mode: Mode::Up(5), published: [true, true, false, false], advice: None };
    let provider = Arc::new(Provider { start, now: Mutex::new(first), log: Mutex::default() });
    let clock = Arc::new(TestClock::new(start));
    let verifier = Verifier::new(Arc::new(Net(Arc::clone(&provider))), clock, tokio::runtime::Handle::current());
    let policy = policy(Some(JWKS), "api");
    let asked = Arc::new(Mutex::new(Vec::new()));
    let (mut history, mut causes, mut wall, mut tasks) = (vec![(Duration::ZERO, first)], Vec::new(), NOW, Vec::new());
    let mut ask = |token: &str, key: Option<usize>, wall: f64| {
        let came = start.elapsed();
        let record = {
            let asked = Arc::clone(&asked);
            move |accepted: bool| {
                assert!(key.is_some() || !accepted, "a bad token passed");
                let answered = start.elapsed();
                asked.lock().unwrap().extend(key.map(|key| Asked { key, came, answered, accepted }));
            }
        };
        match verifier.check(token, &policy, UnixSeconds::new(wall).unwrap(), Memory::Signatures) {
            Checked::Now(answer) => record(answer.is_ok()),
            Checked::Later(future) => tasks.push(tokio::spawn(async move { record(future.await.is_ok()) })),
        }
    };
    for event in events {
        match event {
            Event::Pass(ms) => sleep(Duration::from_millis(*ms)).await,
            Event::Provider(mode) => provider.now.lock().unwrap().mode = *mode,
            Event::Publish(set, swap, advice) => {
                let mut world = provider.now.lock().unwrap();
                world.published = [set[0] && !swap, set[1], set[2], set[0] && *swap];
                world.advice = *advice;
            }
            Event::Request(key) => ask(&cast().tokens[*key], Some(*key), wall),
            Event::Burst(key) => (0..16).for_each(|_| ask(&cast().tokens[*key], Some(*key), wall)),
            Event::Junk(n) => {
                // Nobody looks at the signature of a `kid` that nobody has.
                let header =
                    remote_agent_auth::base64url::encode(format!(r#"{{"alg":"ES256","kid":"j{n}"}}"#).as_bytes());
                let rest = cast().tokens[0].split_once('.').unwrap().1;
                ask(&format!("{header}.{rest}"), None, wall);
                causes.push(start.elapsed());
            }
            Event::Forged => {
                ask(&cast().forged, None, wall);
                causes.push(start.elapsed());
            }
            Event::WallClock(seconds) => wall = NOW + f64::from(*seconds),
        }
        if matches!(event, Event::Provider(_) | Event::Publish(..)) {
            history.push((start.elapsed(), *provider.now.lock().unwrap()));
        }
    }
    for task in tasks {
        task.await.unwrap();
    }
    let fetches = provider.log.lock().unwrap().clone();
    let asked = asked.lock().unwrap().clone();
    Run { fetches, asked, history, causes }
}

fn life(advice: Option<u32>) -> Duration {
    MIN_LIFE.max(Duration::from_secs(advice.unwrap_or_default().into()).min(MAX_ADVISED))
}

impl Run {
    /// The answers that had come by `moment`, the last one first.
    fn answers(&self, moment: Duration) -> impl Iterator<Item = (&Fetched, [bool; 4], Duration)> {
        self.fetches.iter().rev().filter(move |fetch| fetch.ended.is_some_and(|ended| ended <= moment)).filter_map(
            |fetch| {
                let (keys, advice) = fetch.answer?;
                Some((fetch, keys, fetch.began + life(advice)))
            },
        )
    }

    /// Since when the provider has shown this, without a break up to `moment`; `None` if it does not show it then.
    fn since(&self, moment: Duration, shows: impl Fn(&World) -> bool) -> Option<Duration> {
        let past: Vec<_> = self.history.iter().filter(|(when, _)| *when <= moment).collect();
        let run = past.iter().rev().take_while(|(_, world)| shows(world)).count();
        (run > 0).then(|| past[past.len() - run].0)
    }

    fn check_acceptance(&self, asked: &Asked) -> Result<(), TestCaseError> {
        let holding = self.answers(asked.answered).find(|(_, keys, _)| keys[asked.key]);
        let Some((held, ..)) = holding else {
            return Err(TestCaseError::fail(format!("a key from nowhere: {asked:?}")));
        };
        let age = asked.answered - held.began;
        prop_assert!(age < STALE_BOUND, "served {age:?} after its fetch: {asked:?}");
        // The first request after a refresh that came without the key is refused.
        let newest = self.answers(asked.came).find(|(fetch, ..)| fetch.ended < Some(asked.came));
        let back = self
            .answers(asked.answered)
            .take_while(|(fetch, ..)| fetch.ended >= Some(asked.came))
            .any(|it| it.1[asked.key]);
        prop_assert!(
            newest.is_none_or(|it| it.1[asked.key]) || back,
            "served after its withdrawal was seen: {asked:?}"
        );
        // At a provider that answers, a withdrawn key lives its life and no longer.
        let reachable =
            self.since(asked.answered, |world| matches!(world.mode, Mode::Up(_)) && world.published.contains(&true));
        let withdrawn = self.since(asked.answered, |world| !world.published[asked.key]);
        if let (Some(reachable), Some(withdrawn)) = (reachable, withdrawn) {
            let ends =
                self.answers(asked.answered).filter(|it| it.1[asked.key]).map(|it| it.2).max().unwrap_or_default();
            let excused = reachable + EXCUSE;
            prop_assert!(
                asked.answered < ends || asked.answered <= excused,
                "withdrawn at {withdrawn:?}, its life ended at {ends:?}, reachable since {reachable:?}: {asked:?}"
            );
        }
        Ok(())
    }

    /// A key at hand before and after the longest wait serves within it.
    fn check_known(&self, asked: &Asked) -> Result<(), TestCaseError> {
        let until = asked.came + PATIENCE;
        let Some((held, keys, _)) = self.answers(asked.came).next() else { return Ok(()) };
        let stays = self.answers(until).take_while(|it| it.0.began > held.began).all(|it| it.1[asked.key]);
        if keys[asked.key] && stays && until < held.began + STALE_BOUND {
            prop_assert!(asked.accepted, "a known key was refused: {asked:?}");
            prop_assert!(asked.answered <= until + Duration::from_millis(2), "waited too long: {asked:?}");
        }
        Ok(())
    }

    fn check_fetches(&self) -> Result<usize, TestCaseError> {
        let mut caused = Vec::new();
        for (place, fetch) in self.fetches.iter().enumerate() {
            if place > 0 {
                let before = self.fetches[place - 1].ended;
                prop_assert!(before.is_some_and(|ended| ended <= fetch.began), "two fetches at once: {fetch:?}");
            }
            prop_assert!(fetch.ended.is_none_or(|ended| ended - fetch.began <= DEADLINE + Duration::from_millis(2)));
            if !self.due(place) {
                let near =
                    self.causes.iter().chain(self.asked.iter().map(|it| &it.came)).any(|when| *when <= fetch.began);
                prop_assert!(near, "a fetch for nobody: {fetch:?}");
                caused.push(fetch.began);
            }
        }
        for (place, first) in caused.iter().enumerate() {
            let within = caused[place..].iter().filter(|it| **it < *first + MINUTE).count();
            prop_assert!(within <= 12, "{within} caused in the minute from {first:?}");
        }
        Ok(caused.len())
    }

    /// Whether a fetch needs no token that causes it: no keys, or old ones, and no failure just before.
    fn due(&self, place: usize) -> bool {
        let began = self.fetches[place].began;
        let past = &self.fetches[..place];
        let last_good = past.iter().rposition(|fetch| fetch.answer.is_some());
        let failures = &past[last_good.map_or(0, |place| place + 1)..];
        let keys = last_good.map(|place| past[place]).filter(|good| began - good.began < STALE_BOUND);
        let pause_over = |longest: u64| {
            failures.last().is_none_or(|failed| {
                let pause = 250_u64.saturating_mul(1 << (failures.len() - 1).min(16)).min(longest);
                began >= failed.ended.unwrap() + Duration::from_millis(pause)
            })
        };
        let Some(good) = keys else { return pause_over(1_000) };
        let life = life(good.answer.unwrap().1);
        if began - good.began < life {
            return began - good.began >= life.mul_f64(0.75) && pause_over(30_000);
        }
        failures.last().is_none_or(|failed| failed.began < good.began + life) || pause_over(30_000)
    }

    fn check(&self) -> Result<usize, TestCaseError> {
        for asked in &self.asked {
            if asked.accepted {
                self.check_acceptance(asked)?;
            }
            self.check_known(asked)?;
            let waited = asked.answered - asked.came;
            prop_assert!(waited <= DEADLINE + Duration::from_millis(2), "waited {waited:?}: {asked:?}");
        }
        self.check_fetches()
    }
}

fn run(events: &[Event]) -> Run {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    runtime.block_on(play(events))
}

#[test]
fn keys_serve_as_long_as_they_may_and_no_longer_whatever_happens() {
    let cases = if long() { 20_000 } else { 500 };
    let config =
        Config { cases, failure_persistence: Some(Box::new(FileFailurePersistence::Off)), ..Config::default() };
    let mut runner = TestRunner::new(config);
    let (requests, fetches, caused) = (Mutex::new([0; 2]), Mutex::new(0), Mutex::new(0));
    let result = runner.run(&prop::collection::vec(event(), 1..120), |events| {
        let run = run(&events);
        *caused.lock().unwrap() += run.check()?;
        *fetches.lock().unwrap() += run.fetches.len();
        for asked in &run.asked {
            requests.lock().unwrap()[usize::from(asked.accepted)] += 1;
        }
        Ok(())
    });
    println!(
        "{cases} schedules, {:?} refused and accepted, {:?} fetches, {:?} of them caused",
        requests, fetches, caused
    );
    result.unwrap_or_else(|error| panic!("{error}"));
}
