//! One GET over the network, and the rules every connection obeys. The one module that names the HTTP client.

use std::future::Future;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use once_cell::sync::OnceCell;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use url::Host;

use crate::policy::endpoint::Endpoint;
use crate::policy::source::Transport;

/// How long making a connection may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
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

/// The network.
#[derive(Debug, Default)]
pub struct HttpFetch {
    plain: OnceCell<reqwest::Client>,
    secure: OnceCell<reqwest::Client>,
}

impl HttpFetch {
    fn client(&self, url: &Endpoint) -> Result<&reqwest::Client, FetchError> {
        if url.is_plain() {
            // It never speaks TLS, and the client wants to know how all the same: it trusts nobody.
            self.plain.get_or_try_init(|| build(Reach::ThisMachine, rustls::RootCertStore::empty()))
        } else {
            self.secure.get_or_try_init(|| build(Reach::Everywhere, trusted_roots()?))
        }
    }
}

fn build(reach: Reach, roots: rustls::RootCertStore) -> Result<reqwest::Client, FetchError> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let tls = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|_| FetchError::Client)?
        .with_root_certificates(roots)
        .with_no_client_auth();
    reqwest::Client::builder()
        .use_preconfigured_tls(tls)
        .redirect(reqwest::redirect::Policy::none())
        .no_proxy()
        .http1_only()
        .referer(false)
        .connect_timeout(CONNECT_TIMEOUT)
        .pool_idle_timeout(IDLE_TIMEOUT)
        .user_agent(concat!("remote-agent-auth/", env!("CARGO_PKG_VERSION")))
        .dns_resolver(Arc::new(CheckedResolver(reach)))
        .build()
        .map_err(|_| FetchError::Client)
}

fn trusted_roots() -> Result<rustls::RootCertStore, FetchError> {
    let certificates = TRUST.get().filter(|certificates| !certificates.is_empty()).ok_or(FetchError::NoTrust)?;
    let mut roots = rustls::RootCertStore::empty();
    roots.add_parsable_certificates(certificates.iter().cloned());
    Ok(roots)
}

impl Fetch for HttpFetch {
    fn fetch(&self, Request { url, transport, if_none_match }: Request<'_>) -> Fetching {
        let max_body_bytes = transport.max_body_bytes;
        let request = literal_address(url)
            .map_or(Ok(()), |address| if is_refused(address) { Err(FetchError::Address) } else { Ok(()) })
            .and_then(|()| self.client(url))
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

/// Where a client's connections may lead.
#[derive(Debug, Clone, Copy)]
enum Reach {
    /// Plain http: loopback addresses only, whatever a name resolves to.
    ThisMachine,
    /// https: anywhere but the addresses in [`is_refused`].
    Everywhere,
}

/// Resolves names and checks every address: the address checked is the one connected to.
#[derive(Debug)]
struct CheckedResolver(Reach);

#[derive(Debug, thiserror::Error)]
#[error("refused address")]
struct RefusedAddress;

impl Resolve for CheckedResolver {
    fn resolve(&self, name: Name) -> Resolving {
        let reach = self.0;
        Box::pin(async move {
            let name = name.as_str().trim_end_matches('.').to_ascii_lowercase();
            let addresses: Vec<SocketAddr> = if name == "localhost" || name.ends_with(".localhost") {
                // RFC 6761 6.3: these names are this machine, whatever a resolver says.
                vec![(Ipv4Addr::LOCALHOST, 0).into(), (Ipv6Addr::LOCALHOST, 0).into()]
            } else {
                tokio::net::lookup_host((name.as_str(), 0)).await?.collect()
            };
            let allowed = |address: &SocketAddr| match reach {
                Reach::ThisMachine => address.ip().is_loopback(),
                Reach::Everywhere => !is_refused(address.ip()),
            };
            // One bad address condemns the name: which of them is used is not for an attacker's DNS to choose.
            if addresses.iter().all(allowed) {
                Ok(Box::new(addresses.into_iter()) as Addrs)
            } else {
                Err(Box::new(RefusedAddress) as Box<dyn std::error::Error + Send + Sync>)
            }
        })
    }
}

fn literal_address(url: &Endpoint) -> Option<IpAddr> {
    match url.url().host()? {
        Host::Domain(_) => None,
        Host::Ipv4(address) => Some(address.into()),
        Host::Ipv6(address) => Some(address.into()),
    }
}

/// Addresses nothing may connect to: link-local ones, where clouds keep their instance credentials, the other
/// well-known metadata addresses, unspecified and multicast. Private ranges are allowed: company providers live there.
fn is_refused(address: IpAddr) -> bool {
    match unmapped(address) {
        IpAddr::V4(v4) => {
            v4.is_link_local()
                || v4.is_unspecified()
                || v4.is_multicast()
                || v4.is_broadcast()
                || [Ipv4Addr::new(100, 100, 100, 200), Ipv4Addr::new(168, 63, 129, 16)].contains(&v4)
        }
        IpAddr::V6(v6) => {
            v6.is_unicast_link_local()
                || v6.is_unspecified()
                || v6.is_multicast()
                || v6 == Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254)
        }
    }
}

/// The IPv4 address inside `::ffff:0:0/96` (RFC 4291 2.5.5.2) or `64:ff9b::/96` (NAT64, RFC 6052 2.1).
fn unmapped(address: IpAddr) -> IpAddr {
    let IpAddr::V6(v6) = address else { return address };
    match v6.segments() {
        [0, 0, 0, 0, 0, 0xffff, high, low] | [0x64, 0xff9b, 0, 0, 0, 0, high, low] => {
            let ([a, b], [c, d]) = (high.to_be_bytes(), low.to_be_bytes());
            Ipv4Addr::new(a, b, c, d).into()
        }
        _ => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refuses_metadata_and_link_local_addresses_in_every_spelling() {
        for text in [
            "169.254.169.254",
            "169.254.0.1",
            "0.0.0.0",
            "224.0.0.1",
            "255.255.255.255",
            "100.100.100.200",
            "168.63.129.16",
            "::",
            "fe80::1",
            "febf::1",
            "ff02::1",
            "fd00:ec2::254",
            "::ffff:169.254.169.254",
            "64:ff9b::a9fe:a9fe",
            "::ffff:0.0.0.0",
        ] {
            assert!(is_refused(text.parse().unwrap()), "{text}");
        }
        for text in
            ["127.0.0.1", "10.0.0.1", "192.168.1.1", "8.8.8.8", "::1", "fd00::1", "2001:db8::1", "::ffff:10.0.0.1"]
        {
            assert!(!is_refused(text.parse().unwrap()), "{text}");
        }
    }

    #[tokio::test]
    async fn a_refused_literal_is_never_connected_to() {
        // No network is touched: the answer comes before a client is made.
        for url in
            ["https://169.254.169.254/x", "https://[::ffff:169.254.169.254]/", "https://0xa9fea9fe/", "https://0/"]
        {
            let url = Endpoint::parse(url).unwrap();
            let fetch = HttpFetch::default();
            let transport = Arc::new(Transport::default());
            let request = Request { url: &url, transport: &transport, if_none_match: None };
            assert_eq!(fetch.fetch(request).await, Err(FetchError::Address), "{}", url.as_str());
            assert!(fetch.secure.get().is_none());
        }
    }

    #[tokio::test]
    async fn localhost_names_never_leave_this_machine() {
        let resolver = CheckedResolver(Reach::ThisMachine);
        for name in ["localhost", "a.b.localhost"] {
            let addresses = resolver.resolve(name.parse().unwrap()).await.unwrap();
            assert!(addresses.map(|address| address.ip()).all(|ip| ip.is_loopback()));
        }
    }
}
