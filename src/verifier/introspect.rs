//! Tokens that the provider is asked about (RFC 7662): those that say nothing themselves, and by a policy's wish all of them.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use super::{Answer, Checked, Later, Memory, Verified, Verifier};
use crate::error::Refusal;
use crate::policy::Policy;
use crate::policy::transport::Secret;
use crate::provider::after;
use crate::provider::calls::{Cause, Known, is_bearer_token, object_of};
use crate::time::UnixSeconds;
use crate::token::TokenError;
use crate::verify;

/// For one question, metadata included.
const DEADLINE: Duration = Duration::from_secs(10);

/// An answer to wait for, whichever way it is found.
pub(super) type Waiting = Pin<Box<dyn Future<Output = Answer> + Send>>;

impl<F: Future<Output = Answer> + Send + 'static> Checked<Later<F>> {
    pub(super) fn boxed(self) -> Checked<Later<Waiting>> {
        match self {
            Self::Now(answer) => Checked::Now(answer),
            Self::Later(Later { future, offloaded }) => Checked::Later(Later { future: Box::pin(future), offloaded }),
        }
    }
}

impl Verifier {
    /// A token that is no JWT, under a policy that has it asked about.
    pub(super) fn check_opaque(
        self: &Arc<Self>,
        token: &str,
        policy: &Arc<Policy>,
        now: UnixSeconds,
    ) -> Checked<Later<Waiting>> {
        if !policy.introspection().is_some_and(|asked| asked.opaque) || !is_bearer_token(token) {
            return Checked::Now(Box::new(Err(TokenError::Opaque.into())));
        }
        if let Some(known) = self.calls.introspected(token, policy) {
            return Checked::Now(Box::new(self.answer_for_opaque(known, policy, now)));
        }
        let (this, policy, known) = (Arc::clone(self), Arc::clone(policy), self.ask(token, policy, now));
        let future = async move { this.answer_for_opaque(known.await, &policy, now) };
        Checked::Later(Later { future: Box::pin(future), offloaded: None })
    }

    /// What a check has found, if the provider calls the token active as well, where the policy wants that asked.
    pub(super) fn also_introspected(
        self: &Arc<Self>,
        token: &str,
        policy: &Arc<Policy>,
        now: UnixSeconds,
        checked: Checked<Later<Waiting>>,
    ) -> Checked<Later<Waiting>> {
        if !policy.introspection().is_some_and(|asked| asked.also_jwts) {
            return checked;
        }
        let (future, offloaded): (Waiting, _) = match checked {
            Checked::Now(answer) => match (*answer, self.calls.introspected(token, policy)) {
                (Ok(verified), Some(known)) => {
                    return Checked::Now(Box::new(self.answer_for_jwt(known, verified, policy, now)));
                }
                (Ok(verified), None) => (Box::pin(async move { Ok(verified) }), None),
                (refused, _) => return Checked::Now(Box::new(refused)),
            },
            Checked::Later(Later { future, offloaded }) => (future, offloaded),
        };
        let known = self.ask(token, policy, now);
        let (this, policy) = (Arc::clone(self), Arc::clone(policy));
        // Asked only about a token that is good by itself.
        let future = async move {
            let verified = future.await?;
            this.answer_for_jwt(known.await, verified, &policy, now)
        };
        Checked::Later(Later { future: Box::pin(future), offloaded })
    }

    fn ask(
        self: &Arc<Self>,
        token: &str,
        policy: &Arc<Policy>,
        now: UnixSeconds,
    ) -> impl Future<Output = Known> + Send + use<> {
        let (this, policy) = (Arc::clone(self), Arc::clone(policy));
        let (token, learned) = (Secret::new(token), self.store.learned(policy.source()));
        async move {
            let (opener, by) = (Arc::clone(&this), Arc::clone(&policy));
            let open = move |jwt: String| async move { opener.open(&jwt, &by, now).await };
            this.calls.introspect(token, &policy, learned, after(DEADLINE), open).await
        }
    }

    /// The object in a signed answer (RFC 9701 5), once its JWT is found to be the provider's, for us, and of now. Its keys are those of the
    /// policy; it vouches for nothing before that.
    async fn open(self: Arc<Self>, jwt: &str, policy: &Policy, now: UnixSeconds) -> Result<String, Cause> {
        let client_id = policy.introspection().map_or("", |asked| &asked.client_id);
        let for_answers = Arc::new(policy.for_introspection_answer(client_id));
        let verified = match self.check(jwt, &for_answers, now, Memory::None) {
            Checked::Now(answer) => *answer,
            Checked::Later(future) => future.await,
        };
        let unproven = |refusal: Refusal| Cause::Unproven(format!("{}: {refusal}", refusal.code().name()).into());
        object_of(verified.map_err(unproven)?.claims())
    }

    fn answer_for_jwt(&self, known: Known, verified: Verified, policy: &Policy, now: UnixSeconds) -> Answer {
        match known {
            Ok(Some(answer)) => {
                let verified = verify::agreed(&answer, verified, policy, now)?;
                // It may have been revoked while the provider was asked.
                self.unless_revoked(verified, policy, now)
            }
            Ok(None) => Err(Refusal::Inactive),
            Err(error) => Err(Refusal::introspection(error)),
        }
    }

    fn answer_for_opaque(&self, known: Known, policy: &Policy, now: UnixSeconds) -> Answer {
        match known {
            Ok(Some(text)) => {
                let verified = verify::check_introspected(text, policy, now)?;
                self.unless_revoked(verified, policy, now)
            }
            Ok(None) => Err(Refusal::Inactive),
            Err(error) => Err(Refusal::introspection(error)),
        }
    }
}
