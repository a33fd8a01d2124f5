//! What a server calls: an answer at once where the keys are at hand, a future where they must be fetched.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::time::Instant;

use crate::error::Refusal;
use crate::key_id::KeyId;
use crate::keys::{KeySet, Selection};
use crate::offload::{Place, estimate};
use crate::policy::Policy;
use crate::provider::budget::Pacing;
use crate::provider::fetch::{Fetch, FetchError};
use crate::provider::{KeyStore, Offer, ProviderError, REFRESH_DEADLINE, Refresh, Slot, Snapshot};
use crate::queue::{Queue, Waiting};
use crate::time::{Clock, UnixSeconds};
use crate::token::UnverifiedToken;
use crate::verdict::Verdicts;
use crate::verify::{self, SignatureError};

// What a caller of this module holds, so that nobody at the boundary needs to look deeper.
pub use crate::offload::{Away, Caller, EventLoop};
pub use crate::provider::SlotReport;
pub use crate::provider::fetch::trust_certificates;
pub use crate::provider::snapshot::SnapshotState;
pub use crate::queue::MOST_QUEUED;
pub use crate::verify::{SignedToken, Verified};

/// The verified token, or why it is refused.
pub type Answer = Result<Verified, Refusal>;

/// An answer, now or later.
pub enum Checked<F> {
    /// Nothing had to be fetched, and the caller's thread had the time.
    Now(Box<Answer>),
    /// Keys are being fetched, or the signature is checked on the thread that polls the future. It ends with the refresh's
    /// deadline at the latest.
    Later(F),
}

/// An answer to wait for.
#[derive(Debug)]
pub struct Later<F> {
    /// Gives the answer.
    pub future: F,
    /// Set where a signature is checked on another thread than the caller's; to be kept until the caller has the answer.
    pub away: Option<Away>,
}

impl<F> Checked<Later<F>> {
    fn future(self) -> Checked<F> {
        match self {
            Self::Now(answer) => Checked::Now(answer),
            Self::Later(later) => Checked::Later(later.future),
        }
    }
}

/// Verifies tokens against the keys of a [`KeyStore`].
#[derive(Debug)]
pub struct Verifier {
    store: KeyStore,
    verdicts: Verdicts,
    queue: Arc<Queue>,
    signature_checks: AtomicU64,
    verdicts_reused: AtomicU64,
}

/// Whether a check may use what an earlier one found out about the same bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Memory {
    /// Verdicts are remembered and reused.
    Verdicts,
    /// Every check verifies the signature.
    None,
}

/// What a verifier has done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Work {
    /// Tokens whose signature was checked.
    pub signature_checks: u64,
    /// Tokens whose signature was known from before.
    pub verdicts_reused: u64,
    /// Verdicts remembered now, roughly.
    pub verdicts: u64,
    /// Checks that wait for a thread or run on one.
    pub queued: usize,
}

/// One token against one policy.
#[derive(Debug, Clone)]
struct Job {
    token: Arc<UnverifiedToken>,
    /// Who is known to have signed it.
    signed: Option<SignedToken>,
    /// Whether that is, or will be, remembered.
    remembered: bool,
    policy: Arc<Policy>,
    now: UnixSeconds,
    slot: Arc<Slot>,
    /// When the request came, by the store's clock.
    arrived: Duration,
    /// A refresh begun since has been waited for: the provider publishes nothing newer.
    up_to_date: bool,
}

/// What a job waits for.
enum Wait {
    /// Keys; and what to use if they do not come soon.
    Keys(Refresh, Option<(Duration, Arc<Snapshot>)>),
    /// A fetch bought because the keys at hand gave this error.
    Better(Refresh, SignatureError),
    /// A thread that has time.
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
}

impl Verifier {
    /// A verifier with a store of its own. Its fetches run on `runtime`, and the futures of [`Self::check`] must be
    /// awaited within a tokio runtime.
    pub fn new(fetch: Arc<dyn Fetch>, clock: Arc<dyn Clock>, runtime: Handle) -> Arc<Self> {
        Self::with_pacing(fetch, clock, runtime, Pacing::default())
    }

    /// [`Self::new`] with budgets of one's own: for tests that rotate keys faster than any provider does.
    pub fn with_pacing(fetch: Arc<dyn Fetch>, clock: Arc<dyn Clock>, runtime: Handle, pacing: Pacing) -> Arc<Self> {
        let queue = Arc::new(Queue::new(runtime.metrics().num_workers().saturating_sub(1).max(1)));
        Arc::new(Self {
            store: KeyStore::new(fetch, clock, runtime, pacing),
            queue,
            verdicts: Verdicts::default(),
            signature_checks: AtomicU64::new(0),
            verdicts_reused: AtomicU64::new(0),
        })
    }

    /// Checks a token as it came from the caller, the signature always on the calling thread if keys are at hand.
    pub fn check(
        self: &Arc<Self>,
        token: &str,
        policy: &Arc<Policy>,
        now: UnixSeconds,
        memory: Memory,
    ) -> Checked<impl Future<Output = Answer> + Send + use<>> {
        self.check_for(None, token, policy, now, memory).future()
    }

    /// [`Self::check`] for a caller whose thread has other things to do: what its budget does not allow is checked by
    /// whoever polls the future.
    pub fn check_for(
        self: &Arc<Self>,
        caller: Option<&Caller>,
        token: &str,
        policy: &Arc<Policy>,
        now: UnixSeconds,
        memory: Memory,
    ) -> Checked<Later<impl Future<Output = Answer> + Send + use<>>> {
        if token.len() > policy.max_token_bytes() {
            return Checked::Now(Box::new(Err(Refusal::TOO_LARGE)));
        }
        let remembered = memory == Memory::Verdicts;
        let known = if remembered { self.verdicts.recall(token, policy.source()) } else { None };
        if let Some(signed) = known {
            return self.begin(caller, Arc::clone(signed.token()), Some(signed), remembered, policy, now);
        }
        match UnverifiedToken::parse_within(token, policy.max_token_bytes()) {
            Ok(token) => self.begin(caller, Arc::new(token), None, remembered, policy, now),
            Err(error) => Checked::Now(Box::new(Err(error.into()))),
        }
    }

    /// Checks a token that is known to be signed against another policy, or at another time. Its signature is only
    /// checked again if the policy leads to other keys, or the provider has withdrawn the one that signed.
    pub fn recheck(
        self: &Arc<Self>,
        signed: &SignedToken,
        policy: &Arc<Policy>,
        now: UnixSeconds,
    ) -> Checked<impl Future<Output = Answer> + Send + use<>> {
        self.recheck_for(None, signed, policy, now).future()
    }

    /// [`Self::recheck`] for a caller whose thread has other things to do.
    pub fn recheck_for(
        self: &Arc<Self>,
        caller: Option<&Caller>,
        signed: &SignedToken,
        policy: &Arc<Policy>,
        now: UnixSeconds,
    ) -> Checked<Later<impl Future<Output = Answer> + Send + use<>>> {
        self.begin(caller, Arc::clone(signed.token()), Some(signed.clone()), false, policy, now)
    }

    fn begin(
        self: &Arc<Self>,
        caller: Option<&Caller>,
        token: Arc<UnverifiedToken>,
        signed: Option<SignedToken>,
        remembered: bool,
        policy: &Arc<Policy>,
        now: UnixSeconds,
    ) -> Checked<Later<impl Future<Output = Answer> + Send + use<>>> {
        // What the policy refuses without any key never causes network traffic.
        if let Err(error) = verify::admissible(&token, policy) {
            return Checked::Now(Box::new(Err(error.into())));
        }
        let slot = self.store.slot(policy.source());
        let arrived = self.store.now();
        let mut job =
            Job { token, signed, remembered, policy: Arc::clone(policy), now, slot, arrived, up_to_date: false };
        match self.first_step(&mut job, caller) {
            Step::Done(answer) => Checked::Now(answer),
            Step::Wait(wait) => {
                let away = match (&wait, caller) {
                    (Wait::Thread(waiting), Some(caller)) => Some(Away::from(&caller.event_loop, waiting.estimate())),
                    _ => None,
                };
                Checked::Later(Later { future: Arc::clone(self).finish(job, wait), away })
            }
        }
    }

    fn first_step(&self, job: &mut Job, caller: Option<&Caller>) -> Step {
        if let Some(snapshot) = self.store.fresh(&job.slot, job.policy.lifetimes()) {
            return self.step(job, &snapshot, caller);
        }
        // A token that its own claims condemn buys no fetch. It is refused for the reason it would be refused for with
        // keys at hand.
        if let Err(claims) = verify::untrusted_plausible(&job.token, &job.policy, job.now) {
            let keys = self.store.at_hand(&job.slot);
            return match keys.map(|keys| self.signature(job, keys.keys(), caller)) {
                Some(Err(step)) => step,
                Some(Ok(Err(signature))) => Step::done(Err(signature.into())),
                Some(Ok(Ok(_))) | None => Step::done(Err(claims.into())),
            };
        }
        match self.store.offer(&job.slot, job.policy.lifetimes()) {
            Offer::Keys(snapshot) => self.step(job, &snapshot, caller),
            Offer::Wait(refresh, fallback) => Step::Wait(Wait::Keys(refresh, fallback)),
            Offer::Refused(error, again) => Step::done(Err(Refusal::Provider(error, again))),
        }
    }

    async fn finish(self: Arc<Self>, mut job: Job, mut wait: Wait) -> Answer {
        // A request that waits for one refresh and then for another gets its answer by the first one's deadline.
        let now = Instant::now();
        let deadline = now.checked_add(REFRESH_DEADLINE).unwrap_or(now);
        loop {
            let snapshot = match wait {
                Wait::Thread(waiting) => {
                    // Somebody else may have sent the same token meanwhile.
                    if job.signed.is_none() && job.remembered {
                        job.signed = self.verdicts.recall(job.token.text(), job.policy.source());
                    }
                    let step = self.first_step(&mut job, None);
                    drop(waiting);
                    match step {
                        Step::Done(answer) => return *answer,
                        Step::Wait(next) => wait = next,
                    }
                    continue;
                }
                Wait::Keys(refresh, None) => {
                    job.up_to_date = refresh.began() >= job.arrived;
                    match refresh.wait().await {
                        Ok(snapshot) => snapshot,
                        Err(error) => match self.store.kept(&job.slot, job.policy.lifetimes()) {
                            Some(snapshot) => snapshot,
                            None => return Err(self.provider_refusal(&job, error)),
                        },
                    }
                }
                Wait::Keys(refresh, Some((patience, at_hand))) => {
                    match tokio::time::timeout(patience, refresh.clone().wait()).await {
                        Ok(Ok(snapshot)) => {
                            job.up_to_date = refresh.began() >= job.arrived;
                            snapshot
                        }
                        Ok(Err(_)) | Err(_) if self.store.may_serve(&at_hand, job.policy.lifetimes()) => at_hand,
                        // They passed the stale bound meanwhile.
                        Ok(Err(error)) => return Err(self.provider_refusal(&job, error)),
                        Err(_) => {
                            wait = Wait::Keys(refresh, None);
                            continue;
                        }
                    }
                }
                Wait::Better(refresh, error) => {
                    let late = Err(ProviderError::JwksFetch(FetchError::Timeout));
                    match (tokio::time::timeout_at(deadline, refresh.wait()).await.unwrap_or(late), error) {
                        (Ok(snapshot), _) => snapshot,
                        // Only the provider knows whether this key exists, and it cannot be asked.
                        (Err(provider), SignatureError::KeyNotFound) => {
                            return Err(self.provider_refusal(&job, provider));
                        }
                        (Err(_), error) => return Err(error.into()),
                    }
                }
            };
            match self.step(&mut job, &snapshot, None) {
                Step::Done(answer) => return *answer,
                Step::Wait(next) => wait = next,
            }
        }
    }

    fn provider_refusal(&self, job: &Job, error: ProviderError) -> Refusal {
        Refusal::Provider(error, self.store.last_failure(&job.slot).map_or(Duration::ZERO, |(_, again)| again))
    }

    /// With keys at hand: an answer, a fetch that may bring better keys, or the wait for a thread.
    fn step(&self, job: &mut Job, snapshot: &Snapshot, caller: Option<&Caller>) -> Step {
        let reusable = job.signed.as_ref().filter(|signed| verify::still_signed(signed, snapshot.keys(), &job.policy));
        let signed = match reusable {
            Some(signed) => {
                self.verdicts_reused.fetch_add(1, Ordering::Relaxed);
                Ok(signed.clone())
            }
            None => {
                if let (Some(signed), true) = (&job.signed, job.remembered) {
                    self.verdicts.forget(signed);
                }
                match self.signature(job, snapshot.keys(), caller) {
                    Ok(signed) => signed,
                    Err(step) => return step,
                }
            }
        };
        let signed = match signed {
            Ok(signed) => signed,
            Err(error) => return self.better_keys(job, snapshot, error),
        };
        let is_new = reusable.is_none();
        let answer = verify::claims(signed, &job.policy, job.now).map_err(Refusal::from);
        if let (Ok(verified), true, true) = (&answer, job.remembered, is_new) {
            self.verdicts.remember(verified.signed().clone());
        }
        Step::done(answer)
    }

    /// Checks the signature here, if the caller's thread has the time; else the step to take instead.
    fn signature(
        &self,
        job: &Job,
        keys: &KeySet,
        caller: Option<&Caller>,
    ) -> Result<Result<SignedToken, SignatureError>, Step> {
        let place = caller.map(|caller| (caller, cost(&job.token, keys)));
        if let Some((caller, estimate)) = place
            && caller.event_loop.budget().place(estimate, job.arrived) == Place::Elsewhere
        {
            let waiting = self.queue.join(caller.most_queued, estimate);
            return Err(waiting.map_or_else(|| Step::done(Err(Refusal::Overloaded)), |it| Step::Wait(Wait::Thread(it))));
        }
        self.signature_checks.fetch_add(1, Ordering::Relaxed);
        let signed = verify::signature(&job.token, keys, &job.policy);
        if let Some((caller, _)) = place {
            caller.event_loop.budget().spent(self.store.now().saturating_sub(job.arrived));
        }
        Ok(signed)
    }

    fn better_keys(&self, job: &mut Job, snapshot: &Snapshot, error: SignatureError) -> Step {
        let unknown = match error {
            SignatureError::KeyNotFound => job.token.untrusted_key_id(),
            SignatureError::KeyUnsuitable | SignatureError::Invalid | SignatureError::GraphToken => None,
            SignatureError::AlgorithmNotAllowed | SignatureError::KeyIdRequired => {
                return Step::done(Err(error.into()));
            }
        };
        let could_be_good = || verify::untrusted_plausible(&job.token, &job.policy, job.now).is_ok();
        let refresh = match unknown {
            _ if job.up_to_date => None,
            _ if !could_be_good() => return Step::done(Err(error.into())),
            Some(key_id) => self.store.refresh_for_unknown_kid(&job.slot, key_id, snapshot),
            None => self.store.refresh_for_failed_signature(&job.slot, snapshot),
        };
        match refresh {
            Some(refresh) => {
                // One that somebody else began earlier may have missed what the provider published since; then one more
                // is waited for, and that one began after this request came.
                job.up_to_date = refresh.began() >= job.arrived;
                Step::Wait(Wait::Better(refresh, error))
            }
            None => Step::done(Err(self.still_missing(job, unknown, error))),
        }
    }

    /// The refusal when no fetch can help any more.
    fn still_missing(&self, job: &Job, unknown: Option<&KeyId>, error: SignatureError) -> Refusal {
        let Some(key_id) = unknown else { return error.into() };
        if job.up_to_date {
            self.store.remember_unknown(&job.slot, key_id);
        }
        // While the provider cannot be asked, nobody knows that the key does not exist.
        match self.store.last_failure(&job.slot) {
            Some((error, again)) => Refusal::Provider(error, again),
            None => error.into(),
        }
    }

    /// Fetches the keys of a policy before anybody needs them.
    ///
    /// # Errors
    /// [`Refusal::Provider`].
    pub fn prefetch(self: &Arc<Self>, policy: &Policy) -> impl Future<Output = Result<(), Refusal>> + Send + use<> {
        let slot = self.store.slot(policy.source());
        let refresh = self.store.refresh(&slot);
        let this = Arc::clone(self);
        async move {
            let again = |this: &Self| this.store.last_failure(&slot).map_or(Duration::ZERO, |(_, again)| again);
            refresh.wait().await.map(|_| ()).map_err(|error| Refusal::Provider(error, again(&this)))
        }
    }

    /// How long the keys of a policy can be used without another look.
    pub fn fresh_for(&self, policy: &Policy) -> Duration {
        self.store.fresh_for(&self.store.slot(policy.source()), policy.lifetimes())
    }

    /// Counts every change of any keys.
    pub fn changes(&self) -> u64 {
        self.store.changes()
    }

    /// Forgets every key and every verdict.
    pub fn clear(&self) {
        self.store.clear();
        self.verdicts.clear();
    }

    /// What has been done so far.
    pub fn work(&self) -> Work {
        Work {
            signature_checks: self.signature_checks.load(Ordering::Relaxed),
            verdicts_reused: self.verdicts_reused.load(Ordering::Relaxed),
            verdicts: self.verdicts.len(),
            queued: self.queue.len(),
        }
    }

    /// What is known of each source.
    pub fn report(&self) -> Vec<SlotReport> {
        self.store.report()
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
