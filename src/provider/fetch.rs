//! One request over the network: the trait that tests replace, and the route a request takes.

use std::future::Future;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;

use moka::sync::Cache;
use tokio::time::Instant;

use super::address::{self, Reach};
use super::client::{Client, Route, Wanted};
pub use super::fault::{Coding, CodingName, FetchError, ProxyTrouble, Unusable};
use super::proxy;
pub use super::trust::trust_certificates;
use crate::policy::endpoint::Endpoint;
use crate::policy::transport::{Secret, Transport};

/// How many clients are kept, one for each way of reaching a provider; the least used go first.
const MAX_CLIENTS: u64 = 256;

/// The parts of an answer that are used.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Response {
    /// The status code.
    pub status: u16,
    /// `Location` (RFC 9110 10.2.2).
    pub location: Option<String>,
    /// `Cache-Control` (RFC 9111 5.2).
    pub cache_control: Option<String>,
    /// `ETag` (RFC 9110 8.8.3).
    pub etag: Option<String>,
    /// `Retry-After` (RFC 9110 10.2.3).
    pub retry_after: Option<String>,
    /// `Content-Type` (RFC 9110 8.3).
    pub content_type: Option<String>,
    /// The body, at most [`Request::max_body_bytes`].
    pub body: Vec<u8>,
}

/// What kind of document is asked for, and so in which formats.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Document {
    /// OpenID Connect Discovery 1.0 4.2, RFC 8414 3.2.
    Metadata,
    /// RFC 7517 8.5.2; some servers answer 406 to requests that do not ask for exactly this.
    Keys,
    /// What any other endpoint says: an object.
    Answer,
    /// What an introspection endpoint says, signed (RFC 9701 4).
    SignedAnswer,
}

impl Document {
    /// `Accept` (RFC 9110 12.5.1).
    pub const fn accept(self) -> &'static str {
        match self {
            Self::Metadata => "application/json, */*;q=0.1",
            Self::Keys => "application/jwk-set+json, application/json;q=0.9, */*;q=0.1",
            Self::Answer => "application/json",
            Self::SignedAnswer => "application/token-introspection+jwt",
        }
    }
}

/// What a request brings along: it is then a POST.
#[derive(Debug, Clone)]
pub struct Content {
    /// In which format.
    pub format: Format,
    /// The body, which may have tokens and secrets in it.
    pub body: Secret,
}

/// The format of a request's body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// `application/x-www-form-urlencoded` (RFC 6749 appendix B).
    Form,
    /// RFC 8259.
    Json,
}

impl Format {
    /// `Content-Type`.
    pub const fn media_type(self) -> &'static str {
        match self {
            Self::Form => "application/x-www-form-urlencoded",
            Self::Json => "application/json",
        }
    }
}

/// What is asked for.
#[derive(Debug, Clone, Copy)]
pub struct Request<'r> {
    /// The document.
    pub url: &'r Endpoint,
    /// How it is reached.
    pub transport: &'r Arc<Transport>,
    /// The entity tag of the answer at hand (RFC 9110 13.1.2): a 304 then says that it is still current.
    pub if_none_match: Option<&'r str>,
    /// What it is.
    pub document: Document,
    /// Who asks (RFC 6750 2.1).
    pub bearer: Option<&'r Secret>,
    /// Which client asks (RFC 7617 2): what stands behind `Basic`.
    pub basic: Option<&'r Secret>,
    /// What is sent with it.
    pub content: Option<&'r Content>,
    /// The largest body read, in bytes.
    pub max_body_bytes: usize,
    /// When the answer is no longer waited for.
    pub deadline: Instant,
}

impl<'r> Request<'r> {
    /// A GET by nobody in particular.
    pub fn get(url: &'r Endpoint, transport: &'r Arc<Transport>, document: Document, deadline: Instant) -> Self {
        let max_body_bytes = transport.max_body_bytes;
        Self {
            url,
            transport,
            if_none_match: None,
            document,
            bearer: None,
            basic: None,
            content: None,
            max_body_bytes,
            deadline,
        }
    }

    /// Whether somebody's token or secret is in it.
    const fn is_confidential(&self) -> bool {
        self.bearer.is_some() || self.basic.is_some() || self.content.is_some()
    }
}

/// A fetch under way.
pub type Fetching = Pin<Box<dyn Future<Output = Result<Response, FetchError>> + Send>>;

/// The network, as an argument.
pub trait Fetch: Send + Sync {
    /// GETs a document, or POSTs what the request brings along. Follows no redirect, stores no cookie, asks for no
    /// compression. A request may be sent a second time if nothing of an answer had come: it must be one that can be.
    fn fetch(&self, request: Request<'_>) -> Fetching;
}

/// Names into addresses, as an argument.
pub trait Resolver: Send + Sync + std::fmt::Debug {
    /// Looks a name up.
    fn lookup(&self, name: &str) -> Lookup;

    /// Called with the addresses that passed every rule, before one of them is connected to; returns those that may be.
    /// Tests observe them here and restrict them to this machine.
    fn admit(&self, addresses: Vec<IpAddr>) -> Vec<IpAddr> {
        addresses
    }
}

/// A name being looked up.
pub type Lookup = Pin<Box<dyn Future<Output = std::io::Result<Vec<IpAddr>>> + Send>>;

/// The operating system's resolver.
#[derive(Debug)]
struct SystemResolver;

impl Resolver for SystemResolver {
    fn lookup(&self, name: &str) -> Lookup {
        let name = name.to_owned();
        Box::pin(async move { Ok(tokio::net::lookup_host((&*name, 0)).await?.map(|address| address.ip()).collect()) })
    }
}

/// The network.
#[derive(Debug)]
pub struct HttpFetch {
    /// A client that could not be made is kept as its error: trying again would give the same.
    clients: Cache<(Arc<Transport>, Route), Result<Arc<Client>, FetchError>>,
    resolver: Arc<dyn Resolver>,
}

impl Default for HttpFetch {
    fn default() -> Self {
        Self::with_resolver(Arc::new(SystemResolver))
    }
}

impl HttpFetch {
    /// The network as `resolver` shows it.
    pub fn with_resolver(resolver: Arc<dyn Resolver>) -> Self {
        Self { clients: Cache::new(MAX_CLIENTS), resolver }
    }

    fn client(&self, request: &Request<'_>) -> Result<Arc<Client>, FetchError> {
        let (url, transport) = (request.url, request.transport);
        let reach = match (url.is_plain(), transport.refuse_private_addresses) {
            (true, _) => Reach::ThisMachine,
            (false, false) => Reach::Everywhere,
            (false, true) => Reach::PublicOnly,
        };
        // An address in the URL is checked on every route; what a name resolves to, only where it is looked up here.
        if address::is_refused_host(url.url(), reach) {
            return Err(FetchError::Address);
        }
        // Plain http is allowed because it stays on this machine: a secret in it does not leave by a proxy.
        let stays = url.is_plain() && request.is_confidential();
        let route = match proxy::choose(&transport.proxies, url.url()).filter(|_| !stays) {
            Some(proxy) => Route::Through(proxy.clone()),
            None => {
                if let Some(literal) = address::literal(url.url())
                    && self.resolver.admit(vec![literal]).is_empty()
                {
                    return Err(FetchError::Address);
                }
                Route::Direct(reach)
            }
        };
        let key = (Arc::clone(transport), route);
        if let Some(client) = self.clients.get(&key) {
            return client;
        }
        // A plain http request needs no certificates and must not fail for lack of them.
        let speaks_tls = !url.is_plain() || matches!(&key.1, Route::Through(proxy) if proxy.url().scheme() == "https");
        let made = Client::new(transport, key.1.clone(), Arc::clone(&self.resolver), speaks_tls).map(Arc::new);
        // A client without trusted certificates is the one failure that ends, when they are set; so it is not kept.
        if made.as_ref().is_err_and(|error| *error == FetchError::NoTrust) {
            return made;
        }
        self.clients.get_with_by_ref(&key, || made)
    }
}

impl Fetch for HttpFetch {
    fn fetch(&self, request: Request<'_>) -> Fetching {
        let client = self.client(&request);
        let wanted = Wanted {
            url: request.url.url().clone(),
            accept: request.document.accept(),
            if_none_match: request.if_none_match.map(str::to_owned),
            bearer: request.bearer.cloned(),
            basic: request.basic.cloned(),
            content: request.content.cloned(),
            max_body_bytes: request.max_body_bytes,
            deadline: request.deadline,
        };
        Box::pin(async move { client?.send(&wanted).await })
    }
}
