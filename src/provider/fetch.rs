//! One GET over the network, and the rules every connection obeys. The one module that names the HTTP client.

use std::future::Future;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use moka::sync::Cache;
use once_cell::sync::OnceCell;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

use super::address::{self, Reach};
use super::proxy;
use crate::policy::endpoint::Endpoint;
use crate::policy::transport::{ProxyUrl, Transport};

/// How long making a connection may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// How many clients are kept, one for each way of reaching a provider; the least used go first.
const MAX_CLIENTS: u64 = 256;
/// How long an idle connection is kept for the next refresh.
const IDLE_TIMEOUT: Duration = Duration::from_secs(90);

/// What came back, as far as anybody here looks at it.
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
    /// The body, at most [`Transport::max_body_bytes`].
    pub body: Vec<u8>,
}

/// Why there is no answer. Deliberately without the URL or any text of the other side.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs)]
pub enum FetchError {
    #[error("no connection could be made")]
    Connect,
    #[error("the answer did not come in time")]
    Timeout,
    #[error("the host's address is one that is never connected to")]
    Address,
    #[error("the body is larger than is read")]
    TooLarge,
    #[error("the connection broke or did not speak HTTP")]
    Exchange,
    #[error("no trusted certificates were handed over, so no https connection can be made")]
    NoTrust,
    #[error("the HTTP client could not be made")]
    Client,
}

/// What is asked for.
#[derive(Debug, Clone, Copy)]
pub struct Request<'r> {
    /// The document.
    pub url: &'r Endpoint,
    /// How it is reached.
    pub transport: &'r Arc<Transport>,
    /// The entity tag of the answer at hand (RFC 9110 13.1.2): 304 then says that it still stands.
    pub if_none_match: Option<&'r str>,
}

/// A fetch under way.
pub type Fetching = Pin<Box<dyn Future<Output = Result<Response, FetchError>> + Send>>;

/// The network, as an argument.
pub trait Fetch: Send + Sync {
    /// GETs a document. Follows no redirect, stores no cookie, decompresses nothing.
    fn fetch(&self, request: Request<'_>) -> Fetching;
}

static TRUST: OnceCell<Vec<CertificateDer<'static>>> = OnceCell::new();

/// Hands over the certificates that https connections are checked with, as PEM texts. The first call counts: the
/// process has one answer to whom it trusts. Texts without a certificate are passed over.
///
/// Gives back how many certificates are trusted.
pub fn trust_certificates<S: AsRef<str>>(pems: &[S]) -> usize {
    TRUST
        .get_or_init(|| {
            let parse = |pem: &S| CertificateDer::pem_slice_iter(pem.as_ref().as_bytes()).flatten().collect::<Vec<_>>();
            pems.iter().flat_map(parse).collect()
        })
        .len()
}

/// Names into addresses, as an argument.
pub trait Resolver: Send + Sync + std::fmt::Debug {
    /// Looks a name up.
    fn lookup(&self, name: &str) -> Lookup;

    /// Gets the addresses that passed every rule, before one of them is connected to, and gives back those that may be.
    /// Tests watch here, and keep to this machine whatever the rules let pass.
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

/// How one request leaves this machine.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Route {
    /// A connection to the host itself.
    Direct(Reach),
    /// Whatever the proxy does for us. Its own address is the operator's word and not judged.
    Through(ProxyUrl),
}

/// The network.
#[derive(Debug)]
pub struct HttpFetch {
    /// A client that could not be made is kept as its error: trying again would give the same.
    clients: Cache<(Arc<Transport>, Route), Result<reqwest::Client, FetchError>>,
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

    fn client(&self, url: &Endpoint, transport: &Arc<Transport>) -> Result<reqwest::Client, FetchError> {
        let reach = match (url.is_plain(), transport.refuse_private_addresses) {
            (true, _) => Reach::ThisMachine,
            (false, false) => Reach::Everywhere,
            (false, true) => Reach::PublicOnly,
        };
        // What the URL itself says is judged on every route; what a name leads to, only where we look it up.
        if address::is_refused_host(url.url(), reach) {
            return Err(FetchError::Address);
        }
        let route = match proxy::choose(&transport.proxies, url.url()) {
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
        // A plain request needs nobody's certificate, and must not wait for one.
        let speaks_tls = !url.is_plain() || matches!(&key.1, Route::Through(proxy) if proxy.url().scheme() == "https");
        // That there is no trust yet is the one failure that passes, so it is not kept.
        let roots = if speaks_tls { roots(transport)? } else { RootCertStore::empty() };
        self.clients.get_with_by_ref(&key, || self.build(&key, roots))
    }

    fn build(
        &self,
        (transport, route): &(Arc<Transport>, Route),
        roots: RootCertStore,
    ) -> Result<reqwest::Client, FetchError> {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let tls = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|_| FetchError::Client)?
            .with_root_certificates(roots);
        let tls = match &transport.client_certificate {
            None => tls.with_no_client_auth(),
            Some(ours) => {
                let (chain, key) = ours.der().ok_or(FetchError::Client)?;
                tls.with_client_auth_cert(chain, key).map_err(|_| FetchError::Client)?
            }
        };
        let client = reqwest::Client::builder()
            .use_preconfigured_tls(tls)
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .http1_only()
            .referer(false)
            .connect_timeout(CONNECT_TIMEOUT)
            .pool_idle_timeout(IDLE_TIMEOUT)
            .user_agent(concat!("remote-agent-auth/", env!("CARGO_PKG_VERSION")));
        let reach = match route {
            Route::Direct(reach) => *reach,
            Route::Through(_) => Reach::Unchecked,
        };
        let client = client.dns_resolver(Arc::new(CheckedResolver { reach, resolver: Arc::clone(&self.resolver) }));
        match route {
            Route::Direct(_) => client,
            Route::Through(proxy) => {
                client.proxy(reqwest::Proxy::all(proxy.url().clone()).map_err(|_| FetchError::Client)?)
            }
        }
        .build()
        .map_err(|_| FetchError::Client)
    }
}

/// Node's trust, and what the policy adds to it.
fn roots(transport: &Transport) -> Result<RootCertStore, FetchError> {
    let extra = transport.extra_ca.iter().flat_map(|pem| CertificateDer::pem_slice_iter(pem.as_bytes()).flatten());
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(TRUST.get().into_iter().flatten().cloned().chain(extra));
    if roots.is_empty() { Err(FetchError::NoTrust) } else { Ok(roots) }
}

impl Fetch for HttpFetch {
    fn fetch(&self, Request { url, transport, if_none_match }: Request<'_>) -> Fetching {
        let max_body_bytes = transport.max_body_bytes;
        let request = self
            .client(url, transport)
            .map(|client| client.get(url.url().clone()).header("accept", "application/json"))
            .map(|request| match if_none_match {
                Some(etag) => request.header("if-none-match", etag),
                None => request,
            });
        Box::pin(async move {
            let mut response = request?.send().await.map_err(|error| cause(&error))?;
            let text = |name: &str| Some(response.headers().get(name)?.to_str().ok()?.to_owned());
            let mut answer = Response {
                status: response.status().as_u16(),
                location: text("location"),
                cache_control: text("cache-control"),
                etag: text("etag"),
                body: Vec::new(),
            };
            while let Some(chunk) = response.chunk().await.map_err(|error| cause(&error))? {
                if answer.body.len().saturating_add(chunk.len()) > max_body_bytes {
                    return Err(FetchError::TooLarge);
                }
                answer.body.extend_from_slice(&chunk);
            }
            Ok(answer)
        })
    }
}

fn cause(error: &reqwest::Error) -> FetchError {
    let mut source = std::error::Error::source(error);
    while let Some(inner) = source {
        if inner.is::<RefusedAddress>() {
            return FetchError::Address;
        }
        source = inner.source();
    }
    if error.is_timeout() {
        FetchError::Timeout
    } else if error.is_connect() {
        FetchError::Connect
    } else {
        FetchError::Exchange
    }
}

/// Resolves names and checks every address: the address checked is the one connected to.
#[derive(Debug)]
struct CheckedResolver {
    reach: Reach,
    resolver: Arc<dyn Resolver>,
}

#[derive(Debug, thiserror::Error)]
#[error("refused address")]
struct RefusedAddress;

impl Resolve for CheckedResolver {
    fn resolve(&self, name: Name) -> Resolving {
        let (reach, resolver) = (self.reach, Arc::clone(&self.resolver));
        Box::pin(async move {
            let name = name.as_str().trim_end_matches('.').to_ascii_lowercase();
            let addresses: Vec<IpAddr> = if address::is_localhost_name(&name) {
                // RFC 6761 6.3: these names are this machine, whatever a resolver says.
                vec![Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()]
            } else {
                resolver.lookup(&name).await?
            };
            // One bad address condemns the name: which of them is used is not for an attacker's DNS to choose.
            if addresses.iter().any(|found| address::is_refused(*found, reach)) {
                return Err(Box::new(RefusedAddress) as Box<dyn std::error::Error + Send + Sync>);
            }
            Ok(Box::new(resolver.admit(addresses).into_iter().map(|ip| SocketAddr::new(ip, 0))) as Addrs)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn localhost_names_never_leave_this_machine() {
        let resolver = CheckedResolver { reach: Reach::ThisMachine, resolver: Arc::new(SystemResolver) };
        for name in ["localhost", "a.b.localhost"] {
            let addresses = resolver.resolve(name.parse().unwrap()).await.unwrap();
            assert!(addresses.map(|address| address.ip()).all(|ip| ip.is_loopback()));
        }
    }
}
