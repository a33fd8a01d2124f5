//! Back-channel logout (OpenID Connect Back-Channel Logout 1.0): a logout token, checked, as the revocations it stands for.

use std::future::Future;
use std::sync::Arc;

use super::{Checked, Claim, Entry, Memory, Named, Verified, Verifier};
use crate::error::Refusal;
use crate::policy::Policy;
use crate::policy::issuer::Issuer;
use crate::time::UnixSeconds;

/// What a good logout token asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Logout {
    /// A name of its `jti` that tells nothing else, and is the same whenever the token comes. A token counts once (2.6).
    pub once: Named,
    /// What is revoked by it.
    pub revocations: Vec<Entry>,
}

/// What is revoked by a logout token that has both.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Extent {
    /// The session, where it is named; else all that the subject was issued before.
    Session,
    /// All that the subject was issued before, where it is named, and the session.
    Subject,
}

impl Verifier {
    /// Checks a logout token. `lasts`: the seconds after which no access token issued until now is good any more.
    ///
    /// # Errors
    /// [`Refusal`].
    pub fn check_logout(
        self: &Arc<Self>,
        token: &str,
        policy: &Policy,
        now: UnixSeconds,
        (extent, lasts): (Extent, f64),
    ) -> impl Future<Output = Result<Logout, Refusal>> + Send + use<> {
        let policy = Arc::new(policy.for_logout());
        let checked = self.check(token, &policy, now, Memory::None);
        async move {
            let verified = match checked {
                Checked::Now(answer) => (*answer)?,
                Checked::Later(future) => future.await?,
            };
            Logout::of(&verified, &policy, now, extent, lasts).ok_or(Refusal::Internal("a logout token names nobody"))
        }
    }
}

impl Logout {
    fn of(verified: &Verified, policy: &Policy, now: UnixSeconds, extent: Extent, lasts: f64) -> Option<Self> {
        let facts = verified.revocable();
        let once = Named::new(Claim::Jti, facts.issuer, facts.jti?)?;
        let until = now.get() + lasts;
        // Whoever logs in again gets later tokens: those pass. One of the very second of the logout does not.
        let before = facts.issued_at.map(|issued_at| issued_at.floor() + 1.0);
        let mut revocations = Vec::new();
        for issuer in names(policy, facts.issuer) {
            let named = |claim, value: Option<&str>| Named::new(claim, issuer, value?);
            // A session that has ended does not begin again.
            let session = named(Claim::Sid, facts.sid).and_then(|named| Entry::new(named, None, until));
            let subject = named(Claim::Sub, Some(facts.subject)).and_then(|named| Entry::new(named, before, until));
            match (extent, session) {
                (Extent::Session, Some(session)) => revocations.push(session),
                (_, session) => revocations.extend(session.into_iter().chain(subject)),
            }
        }
        (!revocations.is_empty()).then_some(Self { once, revocations })
    }
}

/// What the access tokens of the provider may call it: of a list each is a name of the one provider, and sessions and subjects are the same
/// under all of them. Of several tenants each has its own.
fn names<'p>(policy: &'p Policy, own: &'p str) -> Vec<&'p str> {
    if policy.issuers().is_multi_tenant() {
        return vec![own];
    }
    policy.issuers().all().map(Issuer::configured).collect()
}
