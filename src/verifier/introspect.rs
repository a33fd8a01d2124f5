//! Tokens that the provider is asked about (RFC 7662): those that say nothing themselves, and by a policy's wish all of them.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use super::{Answer, Checked, Later, Verifier};
use crate::error::Refusal;
use crate::policy::Policy;
use crate::policy::introspection::Introspection;
use crate::policy::transport::Secret;
use crate::provider::after;
use crate::provider::calls::{Known, is_bearer_token};
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
        let Some(asked) = policy.introspection().filter(|_| is_bearer_token(token)) else {
            return Checked::Now(Box::new(Err(TokenError::Opaque.into())));
        };
        if let Some(known) = self.calls.introspected(token, policy) {
            return Checked::Now(Box::new(self.judge(known, policy, now)));
        }
        let (this, policy, known) = (Arc::clone(self), Arc::clone(policy), self.ask(token, policy, asked));
        let future = async move { this.judge(known.await, &policy, now) };
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
        let Some(asked) = policy.introspection().filter(|asked| asked.also_jwts) else { return checked };
        let (future, offloaded): (Waiting, _) = match checked {
            Checked::Now(answer) if answer.is_err() => return Checked::Now(answer),
            Checked::Now(answer) => (Box::pin(async move { *answer }), None),
            Checked::Later(Later { future, offloaded }) => (future, offloaded),
        };
        let known = self.ask(token, policy, asked);
        let (this, policy) = (Arc::clone(self), Arc::clone(policy));
        // Asked only about a token that is good by itself.
        let future = async move {
            let verified = future.await?;
            match known.await {
                Ok(Some(answer)) => {
                    verify::agrees(&answer, &verified, &policy, now)?;
                    // It may have been revoked while the provider was asked.
                    this.unless_revoked(verified, &policy, now)
                }
                Ok(None) => Err(Refusal::Inactive),
                Err(error) => Err(Refusal::Introspection(error)),
            }
        };
        Checked::Later(Later { future: Box::pin(future), offloaded })
    }

    fn ask(
        self: &Arc<Self>,
        token: &str,
        policy: &Arc<Policy>,
        asked: &Introspection,
    ) -> impl Future<Output = Known> + Send + use<> {
        let (this, policy, asked) = (Arc::clone(self), Arc::clone(policy), asked.clone());
        let (token, learned) = (Secret::new(token), self.store.learned(policy.source()));
        async move { this.calls.introspect(token, &policy, &asked, learned, after(DEADLINE)).await }
    }

    fn judge(&self, known: Known, policy: &Policy, now: UnixSeconds) -> Answer {
        match known {
            Ok(Some(text)) => {
                let verified = verify::check_introspected(text, policy, now)?;
                self.unless_revoked(verified, policy, now)
            }
            Ok(None) => Err(Refusal::Inactive),
            Err(error) => Err(Refusal::Introspection(error)),
        }
    }
}
