//! What is asked of an issuer's endpoints beside its keys: userinfo, the on-behalf-of exchange, and Microsoft Graph. Over the same
//! transport as the keys; a user's token goes to nobody but whom [`host`] lets it, and follows no redirect.

mod answer;
mod assertion;
mod error;
mod host;
mod introspection;
mod introspection_answer;
mod metadata;

use std::sync::Arc;

use tokio::sync::SemaphorePermit;
use tokio::time::Instant;
use url::Url;

use super::fetch::{Content, Document, Fetch, Format, Request, Response};
use super::proxy;
use super::refresh::Learned;
use crate::policy::Policy;
use crate::policy::endpoint::Endpoint;
use crate::policy::transport::Secret;
use crate::time::Clock;
use metadata::{Line, Provider, Providers};

pub use answer::{Granted, GraphAnswer, is_bearer_token};
pub use error::{CallError, Cause, Unusable, Which};
pub use host::Refused;
pub use introspection::Known;
pub use introspection_answer::object_of;

/// The largest answer read, in bytes, where the policy allows no larger: 10,000 group ids of Graph are 400 KB.
const MAX_BODY_BYTES: usize = 1024 * 1024;
/// Microsoft's cloud for everybody; others are named by the operator.
const GRAPH: &str = "https://graph.microsoft.com";

/// The subject's claims are asked for (OpenID Connect Core 1.0 5.3).
#[derive(Debug)]
#[allow(missing_docs)]
pub struct Userinfo {
    pub token: Secret,
    /// Whose they must be, to the letter.
    pub subject: Box<str>,
    /// Hosts that may be asked though they are of another domain than the issuer's.
    pub hosts: Vec<String>,
}

/// A user's token is exchanged for one that we may use in the user's name (Microsoft's "on behalf of", which is RFC 7523's grant).
#[derive(Debug)]
#[allow(missing_docs)]
pub struct Exchange {
    pub token: Secret,
    pub scope: String,
    pub client_id: String,
    pub client_secret: Secret,
    /// As for [`Userinfo`].
    pub hosts: Vec<String>,
}

/// Microsoft Graph is asked.
#[derive(Debug)]
#[allow(missing_docs)]
pub struct Graph {
    pub token: Secret,
    /// A path, or a URL of the same origin.
    pub path: String,
    /// JSON: the request is then a POST. It must be one that only reads.
    pub content: Option<Secret>,
    /// The origin of another cloud.
    pub origin: Option<String>,
}

/// Calls providers.
pub struct Calls {
    fetch: Arc<dyn Fetch>,
    clock: Arc<dyn Clock>,
    providers: Providers,
    answers: introspection::Answers,
}

impl std::fmt::Debug for Calls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Calls").finish_non_exhaustive()
    }
}

impl Calls {
    /// Nobody has been called.
    pub fn new(fetch: Arc<dyn Fetch>, clock: Arc<dyn Clock>) -> Self {
        let providers = Providers::new(Arc::clone(&fetch), Arc::clone(&clock));
        Self { fetch, clock, providers, answers: introspection::Answers::default() }
    }

    /// Forgets all metadata, and what was said of tokens. A call under way goes on.
    pub fn clear(&self) {
        self.providers.clear();
        self.answers.clear();
    }

    /// The subject's claims, as the JSON text the provider sent. `learned` is the metadata that a refresh of the policy's keys found.
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn userinfo(
        &self,
        policy: &Policy,
        learned: Option<Learned>,
        asked: &Userinfo,
        deadline: Instant,
    ) -> Result<String, CallError> {
        check_token(&asked.token)?;
        let provider = self.providers.of(policy);
        let url = self.endpoint(&provider, policy, learned, (Which::Userinfo, &asked.hosts), deadline).await?;
        let call = Call { bearer: Some(&asked.token), ..Call::to(&url, deadline) };
        let response = self.send(&provider.own, policy, call).await?;
        answer::userinfo(response, &asked.subject).map_err(|cause| at(&url, cause))
    }

    /// A token in place of the user's.
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn exchange(
        &self,
        policy: &Policy,
        learned: Option<Learned>,
        asked: &Exchange,
        deadline: Instant,
    ) -> Result<Granted, CallError> {
        check_token(&asked.token)?;
        let provider = self.providers.of(policy);
        let url = self.endpoint(&provider, policy, learned, (Which::Token, &asked.hosts), deadline).await?;
        let content = Some(&Content { format: Format::Form, body: form(asked) });
        let response = self.send(&provider.own, policy, Call { content, ..Call::to(&url, deadline) }).await?;
        answer::exchange(&response).map_err(|cause| at(&url, cause))
    }

    /// What Microsoft Graph says.
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn graph(&self, policy: &Policy, asked: &Graph, deadline: Instant) -> Result<GraphAnswer, CallError> {
        check_token(&asked.token)?;
        let url = graph_url(asked)?;
        let provider = self.providers.of(policy);
        let content = asked.content.as_ref().map(|body| Content { format: Format::Json, body: body.clone() });
        let call = Call { bearer: Some(&asked.token), content: content.as_ref(), ..Call::to(&url, deadline) };
        let response = self.send(&provider.graph, policy, call).await?;
        answer::graph(response, self.clock.wall()).map_err(|cause| at(&url, cause))
    }

    /// The endpoint of the metadata that may have a user's token.
    async fn endpoint(
        &self,
        provider: &Arc<Provider>,
        policy: &Policy,
        learned: Option<Learned>,
        (which, hosts): (Which, &[String]),
        deadline: Instant,
    ) -> Result<Endpoint, CallError> {
        if !hosts.iter().all(|entry| host::is_host(entry)) {
            return Err(nowhere(Cause::Argument("`hosts` has an entry that is no `host` or `host:port`")));
        }
        let issuer = policy.issuers().first();
        let issuer_url = Endpoint::parse(issuer.normal()).filter(|_| !issuer.is_template());
        let issuer_url = issuer_url.ok_or_else(|| nowhere(Cause::NoMetadata))?;
        let metadata = self.providers.metadata(provider, policy, learned, deadline).await?;
        let of_the_issuer = |cause| at(&issuer_url, cause);
        let endpoints = metadata.endpoints.as_ref();
        let endpoints = endpoints.map_err(|error| of_the_issuer(Cause::NotStrict(error.clone())))?;
        let (which, named) = match which {
            Which::Userinfo => (which, &endpoints.untrusted_userinfo),
            Which::Token => (which, &endpoints.untrusted_token),
            // RFC 8705 5: where it is there, clients with a certificate use it; where not, the usual one.
            Which::CertifiedIntrospection if endpoints.untrusted_certified_introspection.is_some() => {
                (which, &endpoints.untrusted_certified_introspection)
            }
            Which::Introspection | Which::CertifiedIntrospection => {
                (Which::Introspection, &endpoints.untrusted_introspection)
            }
        };
        let named = named.as_deref().ok_or_else(|| of_the_issuer(Cause::Missing(which)))?;
        let refused = |(why, host)| CallError { cause: Cause::Refused(which, why), host };
        host::admit(named, &issuer_url, hosts).map_err(refused)
    }

    /// Takes a turn and asks.
    async fn send(&self, line: &Line, policy: &Policy, call: Call<'_>) -> Result<Response, CallError> {
        let turn = turn(line, call.url, call.deadline).await?;
        let answer = self.send_now(policy, call).await;
        drop(turn);
        answer
    }

    /// Asks, for whoever has a turn.
    async fn send_now(&self, policy: &Policy, call: Call<'_>) -> Result<Response, CallError> {
        let Call { url, document, bearer, basic, content, deadline } = call;
        let transport = policy.source().transport();
        let max_body_bytes = transport.max_body_bytes.max(MAX_BODY_BYTES);
        let request =
            Request { bearer, basic, content, max_body_bytes, ..Request::get(url, transport, document, deadline) };
        let answer = tokio::time::timeout_at(deadline, self.fetch.fetch(request)).await;
        let answer = answer.unwrap_or(Err(super::fetch::FetchError::BodyTimeout));
        answer.map_err(|error| {
            let proxy = proxy::choose(&transport.proxies, url.url()).filter(|_| error.is_the_proxys());
            let asked = proxy.map_or(url.url(), |proxy| proxy.url());
            CallError { cause: Cause::Fetch(error), host: asked.host_str().map(Into::into) }
        })
    }
}

/// A turn at a provider, which ends when it is dropped.
async fn turn<'l>(line: &'l Line, url: &Endpoint, deadline: Instant) -> Result<SemaphorePermit<'l>, CallError> {
    line.turn(deadline).await.ok_or_else(|| at(url, Cause::Overloaded))
}

struct Call<'c> {
    url: &'c Endpoint,
    document: Document,
    bearer: Option<&'c Secret>,
    basic: Option<&'c Secret>,
    content: Option<&'c Content>,
    deadline: Instant,
}

impl<'c> Call<'c> {
    /// By nobody, for an object.
    const fn to(url: &'c Endpoint, deadline: Instant) -> Self {
        Self { url, document: Document::Answer, bearer: None, basic: None, content: None, deadline }
    }
}

fn at(url: &Endpoint, cause: Cause) -> CallError {
    CallError { cause, host: url.url().host_str().map(Into::into) }
}

fn nowhere(cause: Cause) -> CallError {
    CallError { cause, host: None }
}

/// What is no token is not sent: it would end up in a header field.
fn check_token(token: &Secret) -> Result<(), CallError> {
    if answer::is_bearer_token(token.reveal()) {
        return Ok(());
    }
    Err(nowhere(Cause::Argument("the token has a character that no bearer token has (RFC 6750 2.1), or is too long")))
}

/// RFC 7523 2.1, and Microsoft's parameter that makes it an exchange.
fn form(asked: &Exchange) -> Secret {
    let mut form = url::form_urlencoded::Serializer::new(String::new());
    form.append_pair("grant_type", "urn:ietf:params:oauth:grant-type:jwt-bearer")
        .append_pair("client_id", &asked.client_id)
        .append_pair("client_secret", asked.client_secret.reveal())
        .append_pair("assertion", asked.token.reveal())
        .append_pair("scope", &asked.scope)
        .append_pair("requested_token_use", "on_behalf_of");
    Secret::new(form.finish())
}

/// Where Graph is asked: never elsewhere than at its origin, whatever the path says.
fn graph_url(asked: &Graph) -> Result<Endpoint, CallError> {
    let wrong =
        || nowhere(Cause::Argument("`graphBase` must be an https origin (or http to localhost), without a path"));
    let origin = Endpoint::parse(asked.origin.as_deref().unwrap_or(GRAPH)).filter(|base| is_origin(base.url()));
    let origin = origin.ok_or_else(wrong)?;
    let is_named = asked.path.starts_with('/') || asked.path.contains("://");
    let target = origin.url().join(&asked.path).ok().filter(|_| is_named);
    let target = target.and_then(|target| Endpoint::parse(target.as_str()));
    let has_credentials = |url: &Url| !url.username().is_empty() || url.password().is_some();
    target
        .filter(|target| target.url().origin() == origin.url().origin() && !has_credentials(target.url()))
        .ok_or_else(|| at(&origin, Cause::Elsewhere))
}

fn is_origin(url: &Url) -> bool {
    url.as_str().strip_suffix('/') == Some(&url.origin().ascii_serialization())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(path: &str, origin: Option<&str>) -> Result<String, Cause> {
        let graph =
            Graph { token: Secret::new("t"), path: path.to_owned(), content: None, origin: origin.map(str::to_owned) };
        graph_url(&graph).map(|url| url.as_str().to_owned()).map_err(|error| error.cause)
    }

    #[test]
    fn graph_is_asked_at_its_origin_only() {
        let good = "https://graph.microsoft.com/v1.0/me/getMemberGroups?$top=1";
        for path in
            ["/v1.0/me/getMemberGroups?$top=1", good, "https://graph.microsoft.com:443/v1.0/me/getMemberGroups?$top=1"]
        {
            assert_eq!(asked(path, None).as_deref(), Ok(good));
        }
        let base = Some("http://127.0.0.1:8080");
        assert_eq!(asked("/v1.0/x", base).as_deref(), Ok("http://127.0.0.1:8080/v1.0/x"));
        for path in [
            "//evil.example/v1.0",
            "/\\evil.example/v1.0",
            "\\\\evil.example/v1.0",
            "/\t/evil.example/v1.0",
            "https://evil.example/v1.0",
            "http://graph.microsoft.com/v1.0",
            "https://graph.microsoft.com:8443/v1.0",
            "https://graph.microsoft.com.evil.example/v1.0",
            "https://graph.microsoft.com@evil.example/v1.0",
            "https://user@graph.microsoft.com/v1.0",
            "v1.0/me",
            "",
            "data:text/plain,/v1.0",
        ] {
            assert_eq!(asked(path, None), Err(Cause::Elsewhere), "{path}");
        }
        for base in
            ["http://graph.example", "https://graph.example/v1.0", "https://a@graph.example", "graph.example", ""]
        {
            assert!(matches!(asked("/v1.0/x", Some(base)), Err(Cause::Argument(_))), "{base}");
        }
    }

    #[test]
    fn no_debug_output_shows_a_token_or_secret() {
        let shown = format!(
            "{:?} {:?}",
            Exchange {
                token: Secret::new("the-token"),
                scope: "user.read".to_owned(),
                client_id: "id".to_owned(),
                client_secret: Secret::new("the-secret"),
                hosts: Vec::new(),
            },
            Content { format: Format::Form, body: Secret::new("assertion=the-token&client_secret=the-secret") },
        );
        assert!(!shown.contains("the-token") && !shown.contains("the-secret"), "{shown}");
    }
}
