//! What an operator can compare beside a refusal: what the token says of itself, and which keys there are. It decides nothing, and
//! is asked for after the decision.

use std::time::Duration;

use super::Verifier;
use crate::details::{MOST_CHARACTERS, printable};
use crate::mismatch::without_address;
use crate::policy::Policy;
use crate::time::UnixSeconds;
use crate::token::UnverifiedToken;
use crate::verify::untrusted_clock_difference;

/// How many `kid`s of the provider are named: enough to see that the token's is not among them.
const MOST_KEY_IDS: usize = 8;

/// What is known of the keys a policy leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keys {
    /// They are within their life.
    Fresh,
    /// They are past it, and used because the provider does not answer.
    Stale,
    /// There are none that may be used.
    Missing,
}

impl Keys {
    /// Its name for operators.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Fresh => "fresh",
            Self::Stale => "stale",
            Self::Missing => "missing",
        }
    }
}

/// Evidence beside one decision. Texts are bounded and printable; none of them is a claim.
#[derive(Debug, Clone, PartialEq)]
pub struct Evidence {
    /// The token's `alg`, where its header could be read.
    pub algorithm: Option<&'static str>,
    /// The token's `kid`, as the token has it.
    pub key_id: Option<Box<str>>,
    /// The keys at hand.
    pub keys: Keys,
    /// Their `kid`s, at most [`MOST_KEY_IDS`].
    pub key_ids: Vec<Box<str>>,
    /// The seconds by which the token's own times miss the clock here.
    pub clock_difference: Option<f64>,
}

impl Verifier {
    /// What there is to compare about a token and a policy. Nothing is fetched, and no slot is made.
    pub fn evidence(&self, token: &str, policy: &Policy, now: UnixSeconds) -> Evidence {
        let token = UnverifiedToken::parse(token, policy.max_token_bytes()).ok();
        let report = self.store.report_of(policy.source());
        let usable = |left: Option<Duration>| left.is_some_and(|left| !left.is_zero());
        let keys = match &report {
            Some(report) if usable(report.life_left) => Keys::Fresh,
            Some(report) if usable(report.stale_left) => Keys::Stale,
            _ => Keys::Missing,
        };
        let snapshot = report.and_then(|report| report.snapshot);
        let key_ids = snapshot.iter().flat_map(|snapshot| snapshot.keys().keys()).filter_map(|key| key.id());
        Evidence {
            algorithm: token.as_ref().map(|token| token.untrusted_algorithm().name()),
            key_id: token.as_ref().and_then(|token| Some(shown(token.untrusted_key_id()?.as_str()))),
            keys,
            key_ids: key_ids.take(MOST_KEY_IDS).map(|id| shown(id.as_str())).collect(),
            clock_difference: token.as_ref().and_then(|token| untrusted_clock_difference(token, policy, now)),
        }
    }
}

fn shown(text: &str) -> Box<str> {
    printable(without_address(text), MOST_CHARACTERS)
}
