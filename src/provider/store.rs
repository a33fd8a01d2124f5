//! All slots of a process, and what each offers a request.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use moka::sync::Cache;
use tokio::runtime::Handle;
use tokio::sync::watch;

use super::budget::{Pacing, Trigger};
use super::context::RefreshContext;
use super::fetch::Fetch;
use super::freshness::{self, Advice, Facts, Lifetimes, advise};
use super::refresh::{Learned, RefreshTask};
use super::shared_keys::{self, Known, NotTaken};
use super::sharing::{KeyExchange, Sharing};
use super::slot::{Refresh, Slot, SlotReport, Snapshot, State};
use super::turn::Turn;
use super::{NotAsked, ProviderError};
use crate::key_id::KeyId;
use crate::policy::KeySource;
use crate::policy::lifetimes::MIN_LIFE;
use crate::time::{Clock, Moment, UnixSeconds};

/// What the store's clock shows at its beginning: more than any stale bound, so that the time at which keys of a
/// snapshot file were fetched is not negative.
const BEGINNING: Duration = Duration::from_secs(30 * 24 * 60 * 60);
/// How many sources are kept; the least used ones are evicted first.
const MAX_SLOTS: u64 = 10_000;

/// How many seconds before the keys at hand were asked for a token may have been issued and still be signed by a key that they
/// lack: the provider may stand behind a cache, and clocks differ.
const PUBLISHED_LATE: f64 = 60.0;
/// How old the keys at hand must be for a token older than that to cause a refresh: the provider may have turned back to a key.
const OLD_SIGNATURE_LOOK: Duration = MIN_LIFE;

/// What a slot offers a request.
#[derive(Debug)]
pub enum Offer {
    /// Keys to use now.
    Keys(Arc<Snapshot>),
    /// Wait for this refresh, at most so long where keys are at hand, and use those then.
    Wait(Refresh, Option<(Duration, Arc<Snapshot>)>),
    /// No keys: refused; retry after this long.
    Refused(ProviderError, Duration),
}

/// What a slot offers for a token whose key is not at hand.
#[derive(Debug)]
pub enum Look {
    /// A refresh that may bring it.
    Refresh(Refresh),
    /// A place among those who wait for the next refresh.
    Turn(Turn),
    /// No refresh.
    NotAsked(NotAsked),
}

/// What became of an entry that was offered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SharedOffer {
    /// Why its keys are not taken, by the first slot that does not take them.
    pub problem: Option<NotTaken>,
    /// Whether a refresh of the source still waits for newer ones.
    pub is_awaited: bool,
}

/// A clock that begins at [`BEGINNING`].
struct Shifted(Arc<dyn Clock>);

impl Clock for Shifted {
    fn monotonic(&self) -> Duration {
        self.0.monotonic().saturating_add(BEGINNING)
    }

    fn wall(&self) -> UnixSeconds {
        self.0.wall()
    }
}

/// Slots, the network and the clock they live by.
pub struct KeyStore {
    context: Arc<RefreshContext>,
    runtime: Handle,
    pacing: Pacing,
}

impl std::fmt::Debug for KeyStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("KeyStore").finish_non_exhaustive()
    }
}

impl KeyStore {
    /// A new store. Its refreshes run on `runtime`.
    pub fn new(fetch: Arc<dyn Fetch>, clock: Arc<dyn Clock>, runtime: Handle, pacing: Pacing) -> Self {
        let context = RefreshContext {
            slots: Cache::new(MAX_SLOTS),
            fetch,
            clock: Arc::new(Shifted(clock)),
            changes: AtomicU64::new(0),
            cleared: Mutex::default(),
            sharing: Sharing::default(),
        };
        Self { context: Arc::new(context), runtime, pacing }
    }

    /// The store's time.
    pub fn now(&self) -> Duration {
        self.context.clock.monotonic()
    }

    fn moment(&self) -> Moment {
        Moment::now(&*self.context.clock)
    }

    /// The slot of a source.
    pub fn slot(&self, source: &Arc<KeySource>) -> Arc<Slot> {
        self.context.slots.get_with_by_ref(source, || {
            // Spread refreshes ahead over 75 to 85 % of a life, each slot always at the same point.
            let spread = self.context.clock.monotonic().subsec_nanos() % 11;
            Arc::new(Slot::new(Arc::clone(source), spread.saturating_add(75), self.pacing))
        })
    }

    /// Drops all slots. A refresh under way still answers its waiters; nothing of it is kept.
    pub fn clear(&self) {
        *self.context.cleared.lock().unwrap_or_else(PoisonError::into_inner) = Some(self.context.clock.wall());
        self.context.slots.invalidate_all();
        self.context.changes.fetch_add(1, Ordering::AcqRel);
    }

    /// Keys that may be used without a refresh, as nearly every request finds them. Never fetches.
    pub fn fresh(&self, slot: &Slot, lifetimes: Lifetimes) -> Option<Arc<Snapshot>> {
        let snapshot = slot.snapshot()?;
        let now = self.moment();
        let facts = Facts {
            now: now.monotonic,
            keys: Some((snapshot.began_as_seen_at(now), snapshot.advised)),
            under_way: None,
            failed: None,
            ahead_percent: slot.ahead_percent,
        };
        (advise(&facts, lifetimes) == Advice::Use).then_some(snapshot)
    }

    /// How long the keys at hand can be used before they need a refresh; zero without keys.
    pub fn fresh_for(&self, slot: &Slot, lifetimes: Lifetimes) -> Duration {
        let now = self.moment();
        let look = |snapshot: Arc<Snapshot>| {
            freshness::wants_a_look(snapshot.began_as_seen_at(now), snapshot.advised, slot.ahead_percent, lifetimes)
        };
        slot.snapshot().map_or(Duration::ZERO, |snapshot| look(snapshot).saturating_sub(now.monotonic))
    }

    /// Counts every change of any keys, and of how long they can be used. A result from before the last change must not
    /// be reused. A refresh that brings the same keys is no change.
    pub fn changes(&self) -> u64 {
        self.context.changes.load(Ordering::Acquire)
    }

    /// The keys at hand, whatever their age: to say why a token is refused, never to accept one.
    pub fn at_hand(&self, slot: &Slot) -> Option<Arc<Snapshot>> {
        slot.snapshot()
    }

    /// Keys at hand after a refresh has failed: those of the snapshot file, unless they are too old for the policy.
    pub fn kept(&self, slot: &Slot, lifetimes: Lifetimes) -> Option<Arc<Snapshot>> {
        slot.snapshot().filter(|snapshot| self.may_serve(snapshot, lifetimes))
    }

    /// Whether keys that a refresh has brought are within their life by these lifetimes. Those of another replica may not be, where a
    /// policy of longer ones had asked for the refresh.
    pub fn is_alive(&self, snapshot: &Snapshot, lifetimes: Lifetimes) -> bool {
        let now = self.moment();
        now.monotonic.saturating_sub(snapshot.began_as_seen_at(now)) < freshness::life(snapshot.advised, lifetimes)
    }

    /// Whether keys offered to a request earlier may still be used.
    pub fn may_serve(&self, snapshot: &Snapshot, lifetimes: Lifetimes) -> bool {
        let now = self.moment();
        now.monotonic.saturating_sub(snapshot.began_as_seen_at(now)) < lifetimes.stale_bound
    }

    /// What `slot` offers a request now. Begins a refresh where the rule of [`freshness`] says so.
    pub fn offer(&self, slot: &Arc<Slot>, lifetimes: Lifetimes) -> Offer {
        let mut state = slot.state();
        // Read under the lock: a refresh ends under it, so that keys, failure and the refresh under way are of the same
        // moment.
        let moment = self.moment();
        let now = moment.monotonic;
        state.asked = lifetimes;
        let snapshot = slot.snapshot();
        let facts = Facts {
            now,
            keys: snapshot.as_ref().map(|snapshot| (snapshot.began_as_seen_at(moment), snapshot.advised)),
            under_way: state.under_way.as_ref().map(Refresh::began),
            failed: state.failed_as_seen_at(moment).map(|(failed, _)| failed),
            ahead_percent: slot.ahead_percent,
        };
        match (advise(&facts, lifetimes), snapshot) {
            (Advice::Use, Some(snapshot)) => Offer::Keys(snapshot),
            (Advice::UseAndRefresh, Some(snapshot)) => {
                self.join_for(slot, &mut state, now, lifetimes);
                Offer::Keys(snapshot)
            }
            (Advice::WaitThenUse(patience), Some(snapshot)) => {
                Offer::Wait(self.join_for(slot, &mut state, now, lifetimes), Some((patience, snapshot)))
            }
            (Advice::Refuse(again), _) => {
                Offer::Refused(state.failed.map_or(ProviderError::Lost, |(_, error)| error), again)
            }
            (_, _) => Offer::Wait(self.join_for(slot, &mut state, now, lifetimes), None),
        }
    }

    /// What is offered for a `kid` that is in no set at hand: a refresh under way, a new one, or the wait for the next
    /// one that the budgets allow, until `patience` at the latest. `signed_at` is the token's own `iat`.
    pub fn look_for_unknown_kid(
        &self,
        slot: &Arc<Slot>,
        key_id: &KeyId,
        signed_at: Option<f64>,
        seen: &Snapshot,
        patience: Duration,
    ) -> Look {
        let mut state = slot.state();
        let now = self.context.clock.monotonic();
        if let Some(refresh) = newer(slot, &state, seen) {
            return Look::Refresh(refresh);
        }
        let moment = Moment { monotonic: now, wall: self.context.clock.wall() };
        let worth = state.budgets.missing.worth_a_look(key_id, moment, signed_at, seen.began);
        if worth > now {
            let (age, again) = (now.saturating_sub(seen.began), worth.saturating_sub(now));
            return Look::NotAsked(NotAsked::Absent { age, again });
        }
        let ready = ready(&mut state, Trigger::UnknownKid, now);
        if ready <= now {
            return Look::Refresh(self.begin(slot, &mut state, now, Trigger::UnknownKid));
        }
        let left = ready.saturating_sub(now);
        let turn = if ready <= patience { Turn::take(slot, left) } else { None };
        turn.map_or(Look::NotAsked(NotAsked::TooOften(left)), Look::Turn)
    }

    /// How long a request waits for its turn at most: the longest time until the budgets allow another refresh.
    pub fn longest_turn(&self) -> Duration {
        self.pacing.longest_gap()
    }

    /// A refresh because a signature failed under every key it could have been made with. `signed_at` is when the token says it
    /// was issued: one from before the keys at hand were asked for is most likely signed with a key that another has replaced under
    /// the same `kid`. Such tokens share one look a minute and leave the pause to those that a newer key may have signed.
    pub fn refresh_for_failed_signature(
        &self,
        slot: &Arc<Slot>,
        signed_at: Option<f64>,
        seen: &Snapshot,
    ) -> Option<Refresh> {
        let mut state = slot.state();
        let now = self.context.clock.monotonic();
        newer(slot, &state, seen).or_else(|| {
            let may_be_newer = signed_at.is_none_or(|signed_at| signed_at >= seen.began_at.get() - PUBLISHED_LATE);
            let trigger = if may_be_newer { Trigger::FailedSignature } else { Trigger::OldSignature };
            let age = now.saturating_sub(seen.began);
            let ready = ready(&mut state, trigger, now);
            let is_due = may_be_newer || age >= OLD_SIGNATURE_LOOK;
            (is_due && ready <= now).then(|| self.begin(slot, &mut state, now, trigger))
        })
    }

    /// `key_id` stayed unknown although a refresh was made for a token of it.
    pub fn remember_unknown(&self, slot: &Slot, key_id: &KeyId, signed_at: Option<f64>) {
        let mut state = slot.state();
        let refreshes = state.counters.snapshots();
        let now = self.moment();
        state.budgets.missing.add_absent(key_id, now, signed_at, refreshes);
    }

    /// The failure since the last success, if there is one: a possible reason why a key is missing.
    pub fn last_failure(&self, slot: &Slot) -> Option<(ProviderError, Duration)> {
        let now = self.context.clock.monotonic();
        let with_keys = slot.snapshot().is_some();
        let (failed, error) = slot.state().failed?;
        Some((error, failed.pause_ends(with_keys).saturating_sub(now)))
    }

    /// The host of the last failure: the provider's or the proxy's.
    pub fn failed_host(&self, slot: &Slot) -> Option<Arc<str>> {
        slot.state().failed_host.clone()
    }

    /// Refreshes whatever the age of the keys at hand, joining a refresh under way.
    pub fn refresh(&self, slot: &Arc<Slot>) -> Refresh {
        self.join(slot, &mut slot.state(), self.context.clock.monotonic())
    }

    /// The same for a policy of these lifetimes: what another replica has must be young enough for it, too.
    fn join_for(&self, slot: &Arc<Slot>, state: &mut State, now: Duration, lifetimes: Lifetimes) -> Refresh {
        let refresh = self.join(slot, state, now);
        state.waiting_for = Some(state.waiting_for.map_or(lifetimes, |others| others.shortest(lifetimes)));
        refresh
    }

    /// The refresh under way, or a new one.
    fn join(&self, slot: &Arc<Slot>, state: &mut State, now: Duration) -> Refresh {
        match &state.under_way {
            Some(refresh) => refresh.clone(),
            None => self.begin(slot, state, now, Trigger::Scheduled),
        }
    }

    fn begin(&self, slot: &Arc<Slot>, state: &mut State, now: Duration, trigger: Trigger) -> Refresh {
        state.budgets.take(trigger, now);
        state.trigger = trigger;
        let began = Moment { monotonic: now, wall: self.context.clock.wall() };
        let (sender, done) = watch::channel(None);
        let refresh = Refresh { began: now, done };
        state.under_way = Some(refresh.clone());
        state.waiting_for = None;
        state.counters.begun = state.counters.begun.saturating_add(1);
        slot.begun.send_replace(state.counters.begun);
        RefreshTask::new(&self.context, slot, state.learned.clone(), began).spawn(&self.runtime, sender);
        refresh
    }

    /// Shares keys with other replicas from now on, until the exchange is closed: each refresh looks there first.
    pub fn share(&self) -> Arc<KeyExchange> {
        self.context.sharing.open()
    }

    /// Offers an entry that another replica has made for the source of this name. A refresh that waits gets it; else it
    /// takes the place of older keys at hand.
    pub fn offer_shared(&self, exchange: &KeyExchange, name: &str, text: &str) -> SharedOffer {
        let taken = exchange.slots(name).into_iter().map(|slot| self.offer_to(exchange, &slot, name, text));
        // Each is asked, whatever the others say.
        let problem = taken.fold(None, |first, taken| first.or(taken.err()));
        SharedOffer { problem, is_awaited: exchange.is_awaited(name) }
    }

    fn offer_to(&self, exchange: &KeyExchange, slot: &Arc<Slot>, name: &str, text: &str) -> Result<(), NotTaken> {
        let cleared = *self.context.cleared.lock().unwrap_or_else(PoisonError::into_inner);
        let at_hand = slot.snapshot().map(|snapshot| snapshot.began_at);
        let known = Known { now: self.moment(), cleared, at_hand };
        let keys = shared_keys::read(text, &slot.source, name, known)?;
        let lifetimes = {
            let state = slot.state();
            state.waiting_for.unwrap_or(state.asked)
        };
        let are_fresh = keys.are_fresh(slot.ahead_percent, lifetimes);
        let Err(keys) = exchange.hand_over(slot, keys, are_fresh) else { return Ok(()) };
        let mut state = slot.state();
        self.context.take_shared(slot, &mut state, keys);
        // Those who wait for their turn find it.
        slot.begun.send_replace(state.counters.begun);
        Ok(())
    }

    /// The metadata that the refreshes of a source found last, and when, by [`Self::clock`].
    pub fn learned(&self, source: &Arc<KeySource>) -> Option<Learned> {
        self.context.slots.get(source)?.state().learned.clone()
    }

    /// The store's clock.
    pub fn clock(&self) -> Arc<dyn Clock> {
        Arc::clone(&self.context.clock)
    }

    /// One line of facts per source, for operators.
    pub fn report_of(&self, source: &Arc<KeySource>) -> Option<SlotReport> {
        self.context.slots.get(source).map(|slot| slot.report(self.moment()))
    }

    /// What is known of each source, for operators.
    pub fn report(&self) -> Vec<SlotReport> {
        let now = self.moment();
        self.context.slots.iter().map(|(_, slot)| slot.report(now)).collect()
    }
}

/// A refresh that is newer than the keys a request has seen: one under way, or one that ended since.
fn newer(slot: &Slot, state: &State, seen: &Snapshot) -> Option<Refresh> {
    state.under_way.clone().or_else(|| {
        let newer = slot.snapshot().filter(|newer| newer.refreshes > seen.refreshes)?;
        Some(Refresh { began: newer.began, done: watch::channel(Some(Ok(newer))).1 })
    })
}

/// From when on the budgets allow a refresh of this kind: after a failure not before its pause is over.
fn ready(state: &mut State, trigger: Trigger, now: Duration) -> Duration {
    let pause_ends = state.failed.map_or(now, |(failed, _)| failed.pause_after_failures_ends());
    state.budgets.ready(trigger, now).max(pause_ends)
}
