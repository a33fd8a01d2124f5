//! Calls to a policy's other endpoints, over the network the keys come by. Each ends `within` the time given, counted from when it is
//! asked for.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use super::{CallError, Exchange, Granted, Graph, GraphAnswer, Userinfo, Verifier};
use crate::policy::Policy;
use crate::provider::after;

impl Verifier {
    /// The claims of the token's subject, as the JSON text the provider sent.
    ///
    /// # Errors
    /// [`CallError`].
    pub fn userinfo(
        self: &Arc<Self>,
        policy: &Arc<Policy>,
        asked: Userinfo,
        within: Duration,
    ) -> impl Future<Output = Result<String, CallError>> + Send + use<> {
        let (this, policy, deadline) = (Arc::clone(self), Arc::clone(policy), after(within));
        let learned = self.store.learned(policy.source());
        async move { this.calls.userinfo(&policy, learned, &asked, deadline).await }
    }

    /// A token in place of the user's.
    ///
    /// # Errors
    /// [`CallError`].
    pub fn exchange(
        self: &Arc<Self>,
        policy: &Arc<Policy>,
        asked: Exchange,
        within: Duration,
    ) -> impl Future<Output = Result<Granted, CallError>> + Send + use<> {
        let (this, policy, deadline) = (Arc::clone(self), Arc::clone(policy), after(within));
        let learned = self.store.learned(policy.source());
        async move { this.calls.exchange(&policy, learned, &asked, deadline).await }
    }

    /// What Microsoft Graph says.
    ///
    /// # Errors
    /// [`CallError`].
    pub fn graph(
        self: &Arc<Self>,
        policy: &Arc<Policy>,
        asked: Graph,
        within: Duration,
    ) -> impl Future<Output = Result<GraphAnswer, CallError>> + Send + use<> {
        let (this, policy, deadline) = (Arc::clone(self), Arc::clone(policy), after(within));
        async move { this.calls.graph(&policy, &asked, deadline).await }
    }
}
