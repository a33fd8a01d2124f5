//! What a provider says of a token (RFC 7662): asked once for all who present it at once, kept for a time.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use moka::sync::Cache;
use tokio::sync::OnceCell;
use tokio::time::Instant;

use super::error::{CallError, Cause, Unusable};
use super::introspection_answer::{self as answer, Said};
use super::{Call, Calls, Which, assertion, at, turn};
use crate::keys::signature::sha256;
use crate::policy::endpoint::Endpoint;
use crate::policy::introspection::{AssertionAudience, Credentials, Introspection};
use crate::policy::transport::Secret;
use crate::policy::{Policy, PolicyId};
use crate::provider::fetch::{Content, Document, Format};
use crate::provider::refresh::Learned;
use crate::time::{Moment, UnixSeconds};

/// Answers kept. Each is at most as long as a token of the policy.
const MOST_ANSWERS: u64 = 4_096;
/// How long a token that is not active is not asked about again, and after a failure nobody is.
const INACTIVE: Duration = Duration::from_secs(5);
const FAILED: Duration = Duration::from_secs(1);

/// What is known of a token: the text of the answer, `None` where it is not active.
pub type Known = Result<Option<Arc<str>>, CallError>;

/// Which token, under which policy. Digests: no token is kept.
type Key = ([u8; 32], PolicyId);

/// An answer, since when it counts, and after how long it is asked for again.
struct Answered {
    since: Moment,
    kept_for: Duration,
    known: Known,
}

impl Answered {
    /// A machine that has slept has not asked meanwhile whether the token was revoked.
    fn is_over(&self, now: Moment) -> bool {
        self.since.age_at(now) >= self.kept_for
    }
}

/// One question, and its answer.
type Question = Arc<OnceCell<Answered>>;

/// The answers at hand.
pub struct Answers(Cache<Key, Question>);

impl Default for Answers {
    fn default() -> Self {
        Self(Cache::new(MOST_ANSWERS))
    }
}

impl Answers {
    /// Forgets all.
    pub fn clear(&self) {
        self.0.invalidate_all();
    }
}

impl Calls {
    /// What is known of a token without asking.
    pub fn introspected(&self, token: &str, policy: &Policy) -> Option<Known> {
        let question = self.answers.0.get(&key(token, policy))?;
        let answered = question.get()?;
        (!answered.is_over(Moment::now(&*self.clock))).then(|| answered.known.clone())
    }

    /// What the provider says of a token, at hand or asked for. `open` checks an answer that is a JWT and gives the object in it.
    ///
    /// # Errors
    /// [`CallError`]: then nobody knows whether the token is good.
    pub async fn introspect<F: Opening>(
        &self,
        token: Secret,
        policy: &Policy,
        learned: Option<Learned>,
        deadline: Instant,
        open: impl FnOnce(String) -> F + Send,
    ) -> Known {
        let now = Moment::now(&*self.clock);
        let is_over = |question: &Question| question.get().is_some_and(|answered| answered.is_over(now));
        let entry = self.answers.0.entry(key(token.reveal(), policy));
        let question = entry.or_insert_with_if(Question::default, is_over).into_value();
        // Whoever goes away while it asks leaves it to the next one who waits.
        let answered = question.get_or_init(|| self.ask(&token, policy, learned, deadline, open)).await;
        answered.known.clone()
    }

    async fn ask<F: Opening>(
        &self,
        token: &Secret,
        policy: &Policy,
        learned: Option<Learned>,
        deadline: Instant,
        open: impl FnOnce(String) -> F + Send,
    ) -> Answered {
        let answered = |kept_for, known| Answered { since: Moment::now(&*self.clock), kept_for, known };
        // Nobody asks by a policy that does not want it.
        let Some(asked) = policy.introspection() else { return answered(Duration::ZERO, Ok(None)) };
        let answer = self.answer_of(token, policy, asked, learned, deadline, open).await;
        match answer {
            Ok((_, Said::Inactive)) => answered(INACTIVE, Ok(None)),
            // It is no younger than the question: the token may have been revoked while the answer was on its way.
            Ok((since, Said::Active { text, expires_at })) => {
                let left = expires_at.map(|exp| exp - since.wall.get());
                let kept_for = left.map_or(asked.kept_for, |left| {
                    // One that has passed is no time at all.
                    Duration::try_from_secs_f64(left.min(asked.kept_for.as_secs_f64())).unwrap_or_default()
                });
                Answered { since, kept_for, known: Ok(Some(text.into())) }
            }
            Err(error) => answered(FAILED, Err(error)),
        }
    }

    async fn answer_of<F: Opening>(
        &self,
        token: &Secret,
        policy: &Policy,
        asked: &Introspection,
        learned: Option<Learned>,
        deadline: Instant,
        open: impl FnOnce(String) -> F + Send,
    ) -> Result<(Moment, Said), CallError> {
        super::check_token(token)?;
        let provider = self.providers.of(policy);
        let which = match asked.credentials {
            Credentials::Certificate => Which::CertifiedIntrospection,
            Credentials::Basic(_) | Credentials::Post(_) | Credentials::Key(..) => Which::Introspection,
        };
        let url = match &asked.endpoint {
            Some(named) => named.clone(),
            None => self.endpoint(&provider, policy, learned, (which, &[]), deadline).await?,
        };
        // An assertion costs a signature: strangers cause as many as they have turns.
        let turn = turn(&provider.own, &url, deadline).await?;
        let body = form(token, policy, asked, &url, self.clock.wall()).ok_or_else(|| at(&url, Cause::NotSigned))?;
        let content = Content { format: Format::Form, body };
        let basic = basic(asked);
        let document = if asked.signed { Document::SignedAnswer } else { Document::Answer };
        let call = Call { document, basic: basic.as_ref(), content: Some(&content), ..Call::to(&url, deadline) };
        let since = Moment::now(&*self.clock);
        let response = self.send_now(policy, call).await?;
        drop(turn);
        if response.body.len() > policy.max_token_bytes() {
            return Err(at(&url, Cause::Answer(Unusable::TooLong)));
        }
        let text = if asked.signed {
            match answer::introspection_jwt(response) {
                // Its keys may have to be fetched: within the time of this call.
                Ok(jwt) => tokio::time::timeout_at(deadline, open(jwt)).await.unwrap_or(Err(Cause::KeysLate)),
                Err(cause) => Err(cause),
            }
        } else {
            answer::introspection(response)
        };
        text.and_then(answer::said).map(|said| (since, said)).map_err(|cause| at(&url, cause))
    }
}

/// An answer that is being opened.
pub trait Opening: Future<Output = Result<String, Cause>> + Send {}

impl<F: Future<Output = Result<String, Cause>> + Send> Opening for F {}

fn key(token: &str, policy: &Policy) -> Key {
    (sha256(token.as_bytes()), policy.id())
}

/// RFC 7662 2.1. `None` where the client's assertion could not be signed.
fn form(token: &Secret, policy: &Policy, asked: &Introspection, url: &Endpoint, now: UnixSeconds) -> Option<Secret> {
    let mut form = url::form_urlencoded::Serializer::new(String::new());
    form.append_pair("token", token.reveal()).append_pair("token_type_hint", "access_token");
    match &asked.credentials {
        Credentials::Basic(_) => {}
        Credentials::Post(secret) => {
            form.append_pair("client_id", &asked.client_id).append_pair("client_secret", secret.reveal());
        }
        Credentials::Key(key, audience) => {
            let audience = match audience {
                AssertionAudience::Issuer => policy.issuers().first().identifier(),
                AssertionAudience::Endpoint => url.as_str(),
                AssertionAudience::Named(named) => named,
            };
            let assertion = assertion::sign(key, &asked.client_id, audience, now)?;
            // RFC 7521 4.2: `client_id` may be there, and some servers want it.
            form.append_pair("client_id", &asked.client_id)
                .append_pair("client_assertion_type", assertion::TYPE)
                .append_pair("client_assertion", assertion.reveal());
        }
        Credentials::Certificate => {
            form.append_pair("client_id", &asked.client_id);
        }
    }
    Some(Secret::new(form.finish()))
}

/// RFC 6749 2.3.1: both are form-encoded before they are joined.
fn basic(asked: &Introspection) -> Option<Secret> {
    let Credentials::Basic(secret) = &asked.credentials else { return None };
    let encoded = |text: &str| url::form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
    let pair = format!("{}:{}", encoded(&asked.client_id), encoded(secret.reveal()));
    Some(Secret::new(base64_simd::STANDARD.encode_to_string(pair)))
}
