//! One check: a step with the keys at hand; while that gives no answer, a wait for keys or for a worker, and another step.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::time::Instant;

use super::introspect::Waiting as Answering;
use super::{Answer, Caller, Checked, Later, Offloaded, SignedToken, Verified, Verifier};
use crate::error::Refusal;
use crate::key_id::KeyId;
use crate::keys::{KeySet, Selection};
use crate::policy::{Expected, Policy};
use crate::provider::fetch::FetchError;
use crate::provider::{Look, Offer, ProviderError, REQUEST_DEADLINE, Refresh, Slot, Snapshot, Turn};
use crate::threads::budget::{Place, estimate};
use crate::threads::queue::Waiting;
use crate::time::UnixSeconds;
use crate::token::UnverifiedToken;
use crate::verify::{self, SignatureError};

/// A token to check, and what is known of its signature.
pub(super) struct Presented {
    pub token: Arc<UnverifiedToken>,
    /// The token as it was found signed before, if it was.
    pub signed: Option<SignedToken>,
    /// Whether the signature cache serves this check.
    pub cached: bool,
}

/// One token against one policy.
struct Check {
    token: Arc<UnverifiedToken>,
    signed: Option<SignedToken>,
    cached: bool,
    policy: Arc<Policy>,
    now: UnixSeconds,
    slot: Arc<Slot>,
    /// When the request came, by the store's clock.
    arrived: Duration,
    /// A refresh begun since then has been waited for: the provider publishes nothing newer.
    up_to_date: bool,
    /// Until when it waits for its turn, once it has begun to.
    patience: Option<Duration>,
}

/// What a check waits for.
enum Wait {
    /// Keys; and what to use if they do not come soon.
    Keys(Refresh, Option<(Duration, Arc<Snapshot>)>),
    /// A refresh made because the keys at hand gave this error.
    RefreshedKeys(Refresh, Arc<Snapshot>, SignatureError),
    /// The next refresh that the budgets allow, because the keys at hand have none of the token's `kid`.
    Turn(Turn, Arc<Snapshot>),
    /// A worker.
    Thread(Waiting),
}

enum Step {
    Done(Box<Answer>),
    Wait(Wait),
}

impl Step {
    fn done(answer: Answer) -> Self {
        Self::Done(Box::new(answer))
    }

    fn refused(refusal: impl Into<Refusal>) -> Self {
        Self::done(Err(refusal.into()))
    }
}

impl Verifier {
    pub(super) fn begin(
        self: &Arc<Self>,
        caller: Option<&Caller>,
        presented: Presented,
        policy: &Arc<Policy>,
        now: UnixSeconds,
    ) -> Checked<Later<Answering>> {
        let Presented { token, signed, cached } = presented;
        // What the policy refuses without any key never causes network traffic.
        if let Err(error) = verify::admissible(&token, policy) {
            return Checked::Now(Box::new(Err(error.into())));
        }
        let slot = self.store.slot(policy.source());
        let arrived = self.store.now();
        let policy = Arc::clone(policy);
        let mut check = Check { token, signed, cached, policy, now, slot, arrived, up_to_date: false, patience: None };
        let begun = match self.first_step(&mut check, caller) {
            Step::Done(answer) => Checked::Now(answer),
            Step::Wait(wait) => {
                let offloaded = match (&wait, caller) {
                    (Wait::Thread(waiting), Some(caller)) => {
                        Some(Offloaded::from(&caller.event_loop, waiting.estimate()))
                    }
                    _ => None,
                };
                Checked::Later(Later { future: Arc::clone(self).finish(check, wait), offloaded })
            }
        };
        begun.boxed()
    }

    fn first_step(&self, check: &mut Check, caller: Option<&Caller>) -> Step {
        if let Some(snapshot) = self.store.fresh(&check.slot, check.policy.lifetimes()) {
            return self.step(check, &snapshot, caller);
        }
        // A token that its own claims rule out causes no fetch. It is refused for the reason it would be refused for with
        // keys at hand.
        if let Err(claims) = verify::untrusted_plausible(&check.token, &check.policy, check.now) {
            let keys = self.store.at_hand(&check.slot);
            return match keys.map(|keys| self.signature(check, keys.keys(), caller)) {
                Some(Err(step)) => step,
                Some(Ok(Err(signature))) => Step::refused(signature),
                Some(Ok(Ok(_))) | None => Step::refused(claims),
            };
        }
        match self.store.offer(&check.slot, check.policy.lifetimes()) {
            Offer::Keys(snapshot) => self.step(check, &snapshot, caller),
            Offer::Wait(refresh, fallback) => Step::Wait(Wait::Keys(refresh, fallback)),
            Offer::Refused(error, again) => Step::refused(self.refused_by(&check.slot, error, again)),
        }
    }

    async fn finish(self: Arc<Self>, mut check: Check, mut wait: Wait) -> Answer {
        // A request that waits for one refresh and then for another gets its answer by the first one's deadline.
        let now = Instant::now();
        let deadline = now.checked_add(REQUEST_DEADLINE).unwrap_or(now);
        loop {
            let step = match wait {
                Wait::Thread(waiting) => self.on_worker(&mut check, waiting),
                Wait::Keys(refresh, None) => self.with_keys(&mut check, refresh).await,
                Wait::Keys(refresh, Some((patience, at_hand))) => {
                    self.with_keys_soon(&mut check, refresh, patience, at_hand).await
                }
                Wait::Turn(turn, at_hand) => {
                    // Woken too early it takes another turn; past the deadline there is none left.
                    let _ = tokio::time::timeout_at(deadline, turn.wait()).await;
                    self.refresh_keys(&mut check, &at_hand, SignatureError::KeyNotFound)
                }
                Wait::RefreshedKeys(refresh, at_hand, error) => {
                    self.with_refreshed_keys(&mut check, deadline, refresh, &at_hand, error).await
                }
            };
            match step {
                Step::Done(answer) => return *answer,
                Step::Wait(next) => wait = next,
            }
        }
    }

    /// A worker has taken the check.
    fn on_worker(&self, check: &mut Check, waiting: Waiting) -> Step {
        // Another request may have brought the same token meanwhile.
        if check.signed.is_none() && check.cached {
            check.signed = self.signatures.recall(check.token.text(), check.policy.source());
        }
        let step = self.first_step(check, None);
        drop(waiting);
        step
    }

    async fn with_keys(&self, check: &mut Check, refresh: Refresh) -> Step {
        check.up_to_date = refresh.began() >= check.arrived;
        match refresh.wait().await {
            // Looked for by a policy whose keys live longer: another refresh.
            Ok(snapshot) if !self.store.is_alive(&snapshot, check.policy.lifetimes()) => self.first_step(check, None),
            Ok(snapshot) => {
                // Keys that came from another replica were fetched earlier.
                check.up_to_date = snapshot.began() >= check.arrived;
                self.step(check, &snapshot, None)
            }
            Err(error) => match self.store.kept(&check.slot, check.policy.lifetimes()) {
                Some(snapshot) => self.step(check, &snapshot, None),
                None => self.refused_by_provider(check, error),
            },
        }
    }

    /// Waits as long as `patience` allows, then uses the keys at hand.
    async fn with_keys_soon(
        &self,
        check: &mut Check,
        refresh: Refresh,
        patience: Duration,
        at_hand: Arc<Snapshot>,
    ) -> Step {
        let snapshot = match tokio::time::timeout(patience, refresh.clone().wait()).await {
            Ok(Ok(snapshot)) if self.store.is_alive(&snapshot, check.policy.lifetimes()) => {
                check.up_to_date = snapshot.began() >= check.arrived;
                snapshot
            }
            Ok(Ok(_)) => return self.first_step(check, None),
            Ok(Err(_)) | Err(_) if self.store.may_serve(&at_hand, check.policy.lifetimes()) => at_hand,
            // They passed the stale bound meanwhile.
            Ok(Err(error)) => return self.refused_by_provider(check, error),
            Err(_) => return Step::Wait(Wait::Keys(refresh, None)),
        };
        self.step(check, &snapshot, None)
    }

    async fn with_refreshed_keys(
        &self,
        check: &mut Check,
        deadline: Instant,
        refresh: Refresh,
        at_hand: &Arc<Snapshot>,
        error: SignatureError,
    ) -> Step {
        let late = Err(ProviderError::JwksFetch(FetchError::BodyTimeout));
        match (tokio::time::timeout_at(deadline, refresh.wait()).await.unwrap_or(late), &error) {
            (Ok(snapshot), _) => {
                check.up_to_date = snapshot.began() >= check.arrived;
                self.step(check, &snapshot, None)
            }
            // A refresh that another request began earlier says nothing about the provider now.
            (Err(_), SignatureError::KeyNotFound) if !check.up_to_date && Instant::now() < deadline => {
                self.refresh_keys(check, at_hand, error)
            }
            // Only the provider knows whether this key exists, and it cannot be asked.
            (Err(provider), SignatureError::KeyNotFound) => self.refused_by_provider(check, provider),
            (Err(_), _) => Step::refused(error),
        }
    }

    fn refused_by_provider(&self, check: &Check, error: ProviderError) -> Step {
        let again = self.store.last_failure(&check.slot).map_or(Duration::ZERO, |(_, again)| again);
        Step::refused(self.refused_by(&check.slot, error, again))
    }

    /// The refusal because the provider of a slot failed, with the host that failed.
    pub(super) fn refused_by(&self, slot: &Slot, error: ProviderError, again: Duration) -> Refusal {
        Refusal::provider(error, again, self.store.failed_host(slot).as_deref(), slot.issuer())
    }

    /// With keys at hand: an answer, a refresh that may bring the right key, or the wait for a worker.
    fn step(&self, check: &mut Check, snapshot: &Arc<Snapshot>, caller: Option<&Caller>) -> Step {
        let reusable =
            check.signed.as_ref().filter(|signed| verify::still_signed(signed, snapshot.keys(), &check.policy));
        let signed = match reusable {
            Some(signed) => {
                self.signatures_reused.fetch_add(1, Ordering::Relaxed);
                Ok(signed.clone())
            }
            None => {
                if let (Some(signed), true) = (&check.signed, check.cached) {
                    self.signatures.forget(signed);
                }
                match self.signature(check, snapshot.keys(), caller) {
                    Ok(signed) => signed,
                    Err(step) => return step,
                }
            }
        };
        let signed = match signed {
            Ok(signed) => signed,
            Err(error) => return self.refresh_keys(check, snapshot, error),
        };
        let is_new = reusable.is_none();
        let answer = verify::check_claims(signed, &check.policy, check.now).map_err(Refusal::from);
        let found = answer.as_ref().ok().and_then(Verified::signed).filter(|_| check.cached && is_new);
        if let Some(signed) = found {
            self.signatures.remember(signed.clone());
        }
        Step::done(answer.and_then(|verified| self.unless_revoked(verified, &check.policy, check.now)))
    }

    /// Asked on every use, whatever else is remembered of the token.
    pub(super) fn unless_revoked(&self, verified: Verified, policy: &Policy, now: UnixSeconds) -> Answer {
        // Who has been logged out can be logged out again; and an answer about a token is none.
        if policy.expects() != Expected::AccessToken {
            return Ok(verified);
        }
        match self.revocations.is_revoked(&verified.revocable(), now) {
            None => Ok(verified),
            Some(claim) => Err(Refusal::Revoked(claim.name())),
        }
    }

    /// Checks the signature here, if the caller's thread has the time; else the step to take instead.
    fn signature(
        &self,
        check: &Check,
        keys: &KeySet,
        caller: Option<&Caller>,
    ) -> Result<Result<SignedToken, SignatureError>, Step> {
        let place = caller.map(|caller| (caller, cost(&check.token, keys)));
        if let Some((caller, estimate)) = place
            && caller.event_loop.budget().place(estimate, check.arrived) == Place::Worker
        {
            let waiting = self.queue.join(caller.most_queued, estimate);
            return Err(waiting.map_or_else(|| Step::refused(Refusal::Overloaded), |it| Step::Wait(Wait::Thread(it))));
        }
        self.signature_checks.fetch_add(1, Ordering::Relaxed);
        let signed = verify::check_signature(&check.token, keys, &check.policy);
        if let Some((caller, _)) = place {
            caller.event_loop.budget().spent(self.store.now().saturating_sub(check.arrived));
        }
        Ok(signed)
    }

    /// A refresh that may bring the key that the keys at hand lack, or the refusal.
    fn refresh_keys(&self, check: &mut Check, snapshot: &Arc<Snapshot>, error: SignatureError) -> Step {
        let unknown = match error {
            SignatureError::KeyNotFound => check.token.untrusted_key_id(),
            SignatureError::KeyUnsuitable(_) | SignatureError::Invalid | SignatureError::GraphToken => None,
            SignatureError::AlgorithmNotAllowed(_) | SignatureError::KeyIdRequired => {
                return Step::refused(error);
            }
        };
        let signed_at = |check: &Check| verify::untrusted_issued_at(&check.token, &check.policy);
        if check.up_to_date {
            if let Some(key_id) = unknown {
                self.store.remember_unknown(&check.slot, key_id, signed_at(check));
            }
            return Step::refused(self.still_missing(check, unknown, error.into()));
        }
        if verify::untrusted_plausible(&check.token, &check.policy, check.now).is_err() {
            return Step::refused(error);
        }
        let look = match unknown {
            Some(key_id) => {
                let longest = self.store.now().saturating_add(self.store.longest_turn());
                let patience = *check.patience.get_or_insert(longest);
                self.store.look_for_unknown_kid(&check.slot, key_id, signed_at(check), snapshot, patience)
            }
            None => match self.store.refresh_for_failed_signature(&check.slot, signed_at(check), snapshot) {
                Some(refresh) => Look::Refresh(refresh),
                None => return Step::refused(error),
            },
        };
        match look {
            Look::Refresh(refresh) => {
                // One that somebody else began earlier may have missed what the provider published since; then one more
                // is waited for, and that one began after this request came.
                check.up_to_date = refresh.began() >= check.arrived;
                Step::Wait(Wait::RefreshedKeys(refresh, Arc::clone(snapshot), error))
            }
            Look::Turn(turn) => Step::Wait(Wait::Turn(turn, Arc::clone(snapshot))),
            Look::NotAsked(not_asked) => Step::refused(self.still_missing(check, unknown, not_asked.into())),
        }
    }

    /// The refusal when no fetch can help any more.
    fn still_missing(&self, check: &Check, unknown: Option<&KeyId>, refusal: Refusal) -> Refusal {
        // While the provider cannot be asked, nobody knows that the key does not exist.
        match self.store.last_failure(&check.slot).filter(|_| unknown.is_some()) {
            Some((error, again)) => self.refused_by(&check.slot, error, again),
            None => refusal,
        }
    }
}

/// About what it takes to check a token's signature with these keys.
fn cost(token: &UnverifiedToken, keys: &KeySet) -> Duration {
    let algorithm = token.untrusted_algorithm();
    match keys.select(algorithm, token.untrusted_key_id()) {
        Selection::Named(key) => estimate(algorithm, key.modulus_bytes()),
        Selection::Fitting(keys) => keys.iter().map(|key| estimate(algorithm, key.modulus_bytes())).sum(),
        Selection::NotFound | Selection::Unsuitable => Duration::ZERO,
    }
}
