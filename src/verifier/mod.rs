//! The API for servers: an answer at once where the keys are at hand, a future where they must be fetched.

mod calls;
mod check;
mod evidence;
mod introspect;
mod logout;

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::runtime::Handle;

use crate::error::Refusal;
use crate::policy::Policy;
use crate::provider::KeyStore;
use crate::provider::budget::Pacing;
use crate::provider::calls::Calls;
use crate::provider::fetch::Fetch;
use crate::revocation::Revocations;
use crate::signature_cache::SignatureCache;
use crate::threads::queue::Queue;
use crate::time::{Clock, UnixSeconds};
use crate::token::{TokenError, UnverifiedToken};
use check::Presented;
pub use evidence::Evidence;

// The types of this module's API, so that the Node boundary imports nothing deeper.
pub use crate::provider::calls::{CallError, Exchange, Granted, Graph, GraphAnswer, Userinfo};
pub use crate::provider::fetch::trust_certificates;
pub use crate::provider::snapshot_file::SnapshotFileState;
pub use crate::provider::{KeyExchange, SharedOffer, SlotReport, StoreTask};
pub use crate::revocation::{Added, Claim, Entry, Named};
pub use crate::threads::budget::{Caller, EventLoop, Offloaded};
pub use crate::threads::queue::MOST_QUEUED;
pub use crate::token::untrusted_issuer;
pub use crate::verify::facts::{FactPaths, facts};
pub use crate::verify::{EmailSource, SignedToken, Verified};
pub use logout::{Extent, Logout};

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
    /// Set where a worker checks the signature; to be kept until the caller has the answer.
    pub offloaded: Option<Offloaded>,
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
    calls: Calls,
    signatures: SignatureCache,
    revocations: Revocations,
    queue: Arc<Queue>,
    signature_checks: AtomicU64,
    signatures_reused: AtomicU64,
}

/// Whether a check may use what an earlier one found out about the same bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Memory {
    /// Signatures found valid are remembered and reused.
    Signatures,
    /// Every check verifies the signature.
    None,
}

/// What a verifier has done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Work {
    /// Tokens whose signature was checked.
    pub signature_checks: u64,
    /// Tokens whose signature was known from before.
    pub signatures_reused: u64,
    /// Signatures remembered now, roughly.
    pub signatures: u64,
    /// Checks that wait for a thread or run on one.
    pub queued: usize,
}

impl Verifier {
    /// A verifier with a store of its own. Its fetches run on `runtime`, and the futures of [`Self::check`] must be
    /// awaited within a tokio runtime.
    pub fn new(fetch: Arc<dyn Fetch>, clock: Arc<dyn Clock>, runtime: Handle) -> Arc<Self> {
        Self::with_pacing(fetch, clock, runtime, Pacing::default())
    }

    /// [`Self::new`] with other budgets: for tests that rotate keys faster than any provider does.
    pub fn with_pacing(fetch: Arc<dyn Fetch>, clock: Arc<dyn Clock>, runtime: Handle, pacing: Pacing) -> Arc<Self> {
        let queue = Arc::new(Queue::new(runtime.metrics().num_workers().saturating_sub(1).max(1)));
        let store = KeyStore::new(Arc::clone(&fetch), clock, runtime, pacing);
        let calls = Calls::new(fetch, store.clock());
        Arc::new(Self {
            store,
            calls,
            queue,
            signatures: SignatureCache::default(),
            revocations: Revocations::default(),
            signature_checks: AtomicU64::new(0),
            signatures_reused: AtomicU64::new(0),
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

    /// [`Self::check`] for a caller whose thread must not be held up: a signature that its budget does not allow is
    /// checked by the thread that polls the future.
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
        let cached = memory == Memory::Signatures;
        let known = if cached { self.signatures.recall(token, policy.source()) } else { None };
        let presented = match known {
            Some(signed) => Presented { token: Arc::clone(signed.token()), signed: Some(signed), cached },
            None => match UnverifiedToken::parse(token, policy.max_token_bytes()) {
                Ok(token) => Presented { token: Arc::new(token), signed: None, cached },
                Err(error) if error == TokenError::Opaque && policy.introspection().is_some() => {
                    return self.check_opaque(token, policy, now);
                }
                Err(error) => return Checked::Now(Box::new(Err(error.into()))),
            },
        };
        let checked = self.begin(caller, presented, policy, now);
        self.also_introspected(token, policy, now, checked)
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

    /// [`Self::recheck`] for a caller whose thread must not be held up.
    pub fn recheck_for(
        self: &Arc<Self>,
        caller: Option<&Caller>,
        signed: &SignedToken,
        policy: &Arc<Policy>,
        now: UnixSeconds,
    ) -> Checked<Later<impl Future<Output = Answer> + Send + use<>>> {
        let presented = Presented { token: Arc::clone(signed.token()), signed: Some(signed.clone()), cached: false };
        let checked = self.begin(caller, presented, policy, now);
        self.also_introspected(signed.token().text(), policy, now, checked)
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
            refresh.wait().await.map(|_| ()).map_err(|error| this.refused_by(&slot, error, again(&this)))
        }
    }

    /// How long the keys of a policy can be used before they need a refresh.
    pub fn fresh_for(&self, policy: &Policy) -> Duration {
        self.store.fresh_for(&self.store.slot(policy.source()), policy.lifetimes())
    }

    /// Counts every change of any keys, and every revocation. Neither count ever goes back.
    pub fn changes(&self) -> u64 {
        self.store.changes().wrapping_add(self.revocations.changes())
    }

    /// Shares keys with other replicas, until the exchange is closed.
    pub fn share_keys(&self) -> Arc<KeyExchange> {
        self.store.share()
    }

    /// Offers an entry of keys that another replica has made.
    pub fn offer_keys(&self, exchange: &KeyExchange, source: &str, entry: &str) -> SharedOffer {
        self.store.offer_shared(exchange, source, entry)
    }

    /// The tokens that are refused before their end. [`Self::clear`] keeps them.
    pub const fn revocations(&self) -> &Revocations {
        &self.revocations
    }

    /// Forgets every key, every signature and all metadata.
    pub fn clear(&self) {
        self.store.clear();
        self.calls.clear();
        self.signatures.clear();
    }

    /// What has been done so far.
    pub fn work(&self) -> Work {
        Work {
            signature_checks: self.signature_checks.load(Ordering::Relaxed),
            signatures_reused: self.signatures_reused.load(Ordering::Relaxed),
            signatures: self.signatures.len(),
            queued: self.queue.len(),
        }
    }

    /// What is known of each source.
    pub fn report(&self) -> Vec<SlotReport> {
        self.store.report()
    }
}
