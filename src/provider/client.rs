//! HTTP over one route: how a connection is made, used, and kept for the next request. With `fault.rs` the only module
//! that names the HTTP library.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use http_body_util::{BodyExt, Empty, Full};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::header::{self, HeaderMap, HeaderName, HeaderValue};
use hyper::{Method, Request, StatusCode, Uri};
use hyper_util::rt::TokioIo;
use percent_encoding::percent_decode_str;
use rustls::pki_types::ServerName;
use tokio::time::{Instant, sleep_until, timeout_at};
use tokio_rustls::TlsConnector;
use url::{Origin, Url};

use super::address::Reach;
use super::after;
use super::coding;
use super::dial::{CheckedResolver, Stream, dial};
use super::fault::FetchError;
use super::fetch::{Content, Resolver, Response};
use super::trust::Trust;
use crate::policy::transport::{ProxyUrl, Secret, Transport};

/// How long making a connection may take, from looking up the name to the end of the TLS handshake.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// How long an idle connection is kept for the next refresh.
const IDLE_TIMEOUT: Duration = Duration::from_secs(90);
/// 408: the server closes the connection (RFC 9110 15.5.9).
const REQUEST_TIMEOUT: u16 = 408;
const USER_AGENT: &str = concat!("remote-agent-auth/", env!("CARGO_PKG_VERSION"));

/// How requests leave this machine.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Route {
    /// A connection to the host itself.
    Direct(Reach),
    /// A connection to a proxy. Its address comes from the operator and is not checked against the address policy.
    Through(ProxyUrl),
}

/// One request.
#[derive(Debug)]
#[allow(missing_docs)]
pub struct Wanted {
    pub url: Url,
    pub accept: &'static str,
    pub if_none_match: Option<String>,
    pub bearer: Option<Secret>,
    pub basic: Option<Secret>,
    pub content: Option<Content>,
    pub max_body_bytes: usize,
    pub deadline: Instant,
}

type Sender = SendRequest<Full<Bytes>>;

/// Connections by one route.
pub struct Client {
    route: Route,
    tls: Option<TlsConnector>,
    resolver: CheckedResolver,
    idle: Arc<Mutex<Waiting>>,
}

/// Connections that wait for the next request.
#[derive(Default)]
struct Waiting {
    connections: Vec<Idle>,
    /// Whether a task closes those that wait in vain.
    is_watched: bool,
}

/// One of them.
struct Idle {
    origin: Origin,
    sender: Sender,
    since: Instant,
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("route", &self.route).finish_non_exhaustive()
    }
}

/// A failed request: whether the head of an answer had come.
enum Broken {
    BeforeHead(FetchError),
    After(FetchError),
}

impl Client {
    /// A client without connections.
    ///
    /// # Errors
    /// [`FetchError::NoTrust`] and [`FetchError::Client`].
    pub fn new(
        transport: &Transport,
        route: Route,
        resolver: Arc<dyn Resolver>,
        speaks_tls: bool,
    ) -> Result<Self, FetchError> {
        let tls = if speaks_tls { Some(connector(transport)?) } else { None };
        let reach = match route {
            Route::Direct(reach) => reach,
            Route::Through(_) => Reach::Unchecked,
        };
        Ok(Self { route, tls, resolver: CheckedResolver { reach, resolver }, idle: Arc::default() })
    }

    /// Sends a request and reads the answer.
    ///
    /// # Errors
    /// [`FetchError`].
    pub async fn send(&self, wanted: &Wanted) -> Result<Response, FetchError> {
        if let Some(kept) = self.kept(&wanted.url.origin()) {
            match self.exchange(kept, wanted).await {
                // RFC 9110 15.5.9: so a server may say that it has closed a connection on which nothing came.
                Ok(response) if response.status == REQUEST_TIMEOUT => {}
                Ok(response) => return Ok(response),
                Err(Broken::After(error) | Broken::BeforeHead(error @ FetchError::BodyTimeout)) => return Err(error),
                // RFC 9112 9.3.1: a server may close a kept connection at any moment, and what is safe to repeat (RFC 9110 9.2.2) may be
                // sent again: a GET, and every POST that `Fetch` is for. Once: the next connection is a new one.
                Err(Broken::BeforeHead(_)) => {}
            }
        }
        let until = after(CONNECT_TIMEOUT).min(wanted.deadline);
        let sender = self.connect(&wanted.url, until).await?;
        self.exchange(sender, wanted).await.map_err(|(Broken::BeforeHead(error) | Broken::After(error))| error)
    }

    /// The connection to `origin` that was used last, if the server has not closed it meanwhile.
    fn kept(&self, origin: &Origin) -> Option<Sender> {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        let connections = &mut idle.connections;
        connections.retain(|kept| !kept.sender.is_closed() && kept.since.elapsed() < IDLE_TIMEOUT);
        let place = connections.iter().rposition(|kept| kept.origin == *origin && kept.sender.is_ready())?;
        Some(connections.remove(place).sender)
    }

    /// Keeps a connection. It is closed when nobody asks for it in time: one task sees to all of them, however often they are used.
    fn keep(&self, origin: Origin, sender: Sender) {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        idle.connections.push(Idle { origin, sender, since: Instant::now() });
        if !std::mem::replace(&mut idle.is_watched, true) {
            tokio::spawn(close_in_time(Arc::downgrade(&self.idle)));
        }
    }

    async fn exchange(&self, mut sender: Sender, wanted: &Wanted) -> Result<Response, Broken> {
        let request = self.request(wanted).ok_or(Broken::After(FetchError::Client))?;
        let answer = timeout_at(wanted.deadline, sender.send_request(request)).await;
        let answer = answer.map_err(|_| Broken::BeforeHead(FetchError::BodyTimeout))?;
        let answer = answer.map_err(|error| Broken::BeforeHead(FetchError::exchange(&error)))?;
        let late = |_| Broken::After(FetchError::BodyTimeout);
        // Only a proxy answers so (RFC 9110 15.5.8). To one that forwards, this request was its own.
        if self.forwards(&wanted.url).is_some() && answer.status() == StatusCode::PROXY_AUTHENTICATION_REQUIRED {
            return Err(Broken::After(FetchError::ProxyAuth));
        }
        let response = timeout_at(wanted.deadline, read(answer, wanted.max_body_bytes)).await.map_err(late)?;
        let response = response.map_err(Broken::After)?;
        if response.status != REQUEST_TIMEOUT {
            self.keep(wanted.url.origin(), sender);
        }
        Ok(response)
    }

    /// The proxy that makes a request for `url` itself, where there is one: for https it only passes bytes on.
    fn forwards(&self, url: &Url) -> Option<&ProxyUrl> {
        match &self.route {
            Route::Through(proxy) if url.scheme() == "http" => Some(proxy),
            _ => None,
        }
    }

    fn request(&self, wanted: &Wanted) -> Option<Request<Full<Bytes>>> {
        let url = &wanted.url;
        let target = match url.query() {
            Some(query) => format!("{}?{query}", url.path()),
            None => url.path().to_owned(),
        };
        let forwarded = self.forwards(url);
        // RFC 9112 3.2.1 and 3.2.2: a forwarding proxy gets the whole URL.
        let target = if forwarded.is_some() { format!("http://{}{target}", authority(url)?) } else { target };
        let method = if wanted.content.is_some() { Method::POST } else { Method::GET };
        let mut request = Request::builder().method(method).uri(target.parse::<Uri>().ok()?);
        let headers = request.headers_mut()?;
        let mut set = |name: HeaderName, value: &str| Some(headers.insert(name, HeaderValue::from_str(value).ok()?));
        set(header::HOST, &authority(url)?)?;
        set(header::USER_AGENT, USER_AGENT)?;
        set(header::ACCEPT, wanted.accept)?;
        // RFC 9110 12.5.3: without this field the server could choose any coding.
        set(header::ACCEPT_ENCODING, "identity")?;
        if let Some(etag) = &wanted.if_none_match {
            set(header::IF_NONE_MATCH, etag)?;
        }
        let credentials = match (&wanted.bearer, &wanted.basic) {
            (Some(token), _) => Some(format!("Bearer {}", token.reveal())),
            (None, Some(pair)) => Some(format!("Basic {}", pair.reveal())),
            (None, None) => basic(url),
        };
        if let Some(credentials) = credentials {
            set(header::AUTHORIZATION, &credentials)?;
        }
        if let Some(content) = &wanted.content {
            set(header::CONTENT_TYPE, content.format.media_type())?;
        }
        if let Some(credentials) = forwarded.and_then(|proxy| basic(proxy.url())) {
            set(header::PROXY_AUTHORIZATION, &credentials)?;
        }
        let body = wanted.content.as_ref().map(|content| Bytes::from(content.body.reveal().to_owned()));
        request.body(Full::new(body.unwrap_or_default())).ok()
    }

    /// A new connection, ready for requests to the host of `url`.
    async fn connect(&self, url: &Url, until: Instant) -> Result<Sender, FetchError> {
        let stream = match &self.route {
            Route::Direct(_) => {
                timeout_at(until, dial(&self.resolver, url)).await.unwrap_or(Err(FetchError::ConnectTimeout))
            }
            Route::Through(proxy) => {
                let reached = timeout_at(until, self.reach(proxy)).await.unwrap_or(Err(FetchError::ConnectTimeout));
                reached.map_err(FetchError::at_the_proxy)
            }
        }?;
        timeout_at(until, self.secured(stream, url, until)).await.unwrap_or(Err(FetchError::ConnectTimeout))
    }

    async fn reach(&self, proxy: &ProxyUrl) -> Result<Box<dyn Stream>, FetchError> {
        let stream = dial(&self.resolver, proxy.url()).await?;
        if proxy.url().scheme() == "https" { self.encrypt(stream, proxy.url()).await } else { Ok(stream) }
    }

    async fn secured(&self, stream: Box<dyn Stream>, url: &Url, until: Instant) -> Result<Sender, FetchError> {
        let stream = match &self.route {
            _ if url.scheme() != "https" => stream,
            Route::Direct(_) => self.encrypt(stream, url).await?,
            Route::Through(proxy) => {
                let silent = Err(FetchError::ConnectTimeout.at_the_proxy());
                let tunnel = timeout_at(until, tunnel(stream, proxy, url)).await.unwrap_or(silent)?;
                self.encrypt(tunnel, url).await?
            }
        };
        let (sender, connection) = handshake(TokioIo::new(stream)).await.map_err(|_| FetchError::Client)?;
        // An error that ends the connection also reaches the request under way.
        tokio::spawn(async move { drop(connection.await) });
        Ok(sender)
    }

    async fn encrypt(&self, stream: Box<dyn Stream>, url: &Url) -> Result<Box<dyn Stream>, FetchError> {
        let tls = self.tls.as_ref().ok_or(FetchError::Client)?;
        let host = url.host_str().unwrap_or_default();
        let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
        let name = ServerName::try_from(host.to_owned()).map_err(|_| FetchError::TlsName)?;
        let encrypted = tls.connect(name, stream).await.map_err(|error| FetchError::handshake(&error))?;
        Ok(Box::new(encrypted))
    }
}

/// Closes connections as their time ends, until there is none.
async fn close_in_time(idle: Weak<Mutex<Waiting>>) {
    let mut next = after(IDLE_TIMEOUT);
    loop {
        sleep_until(next).await;
        let Some(idle) = idle.upgrade() else { return };
        let mut idle = idle.lock().unwrap_or_else(PoisonError::into_inner);
        idle.connections.retain(|kept| kept.since.elapsed() < IDLE_TIMEOUT);
        let Some(oldest) = idle.connections.iter().map(|kept| kept.since).min() else {
            idle.is_watched = false;
            return;
        };
        next = oldest.checked_add(IDLE_TIMEOUT).unwrap_or_else(|| after(IDLE_TIMEOUT));
    }
}

fn connector(transport: &Transport) -> Result<TlsConnector, FetchError> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let trust = Trust::of(transport, Arc::clone(&provider))?;
    let tls = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|_| FetchError::Client)?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(trust));
    let tls = match &transport.client_certificate {
        None => tls.with_no_client_auth(),
        Some(ours) => {
            let (chain, key) = ours.der().ok_or(FetchError::Client)?;
            tls.with_client_auth_cert(chain, key).map_err(|_| FetchError::Client)?
        }
    };
    Ok(TlsConnector::from(Arc::new(tls)))
}

/// A way to the host of `url` through a proxy (RFC 9110 9.3.6).
async fn tunnel(stream: Box<dyn Stream>, proxy: &ProxyUrl, url: &Url) -> Result<Box<dyn Stream>, FetchError> {
    let at_the_proxy = |error: hyper::Error| FetchError::exchange(&error).at_the_proxy();
    let (mut sender, connection) = handshake::<_, Empty<Bytes>>(TokioIo::new(stream)).await.map_err(at_the_proxy)?;
    tokio::spawn(async move { drop(connection.with_upgrades().await) });
    let host = url.host_str().ok_or(FetchError::Client)?;
    let target = format!("{host}:{}", url.port_or_known_default().ok_or(FetchError::Client)?);
    let mut request = Request::builder()
        .method(Method::CONNECT)
        .uri(target.parse::<Uri>().map_err(|_| FetchError::Client)?)
        .header(header::HOST, &target)
        .header(header::USER_AGENT, USER_AGENT);
    if let Some(credentials) = basic(proxy.url()) {
        request = request.header(header::PROXY_AUTHORIZATION, credentials);
    }
    let request = request.body(Empty::new()).map_err(|_| FetchError::Client)?;
    let answer = sender.send_request(request).await.map_err(at_the_proxy)?;
    match answer.status().as_u16() {
        200..=299 => {
            let upgraded = hyper::upgrade::on(answer).await.map_err(at_the_proxy)?;
            Ok(Box::new(TokioIo::new(upgraded)))
        }
        407 => Err(FetchError::ProxyAuth),
        status => Err(FetchError::ProxyDenied(status)),
    }
}

/// Head and body of an answer, the body at most `most` bytes as they arrive and once decoded.
async fn read(mut answer: hyper::Response<Incoming>, most: usize) -> Result<Response, FetchError> {
    let text = |headers: &HeaderMap, name| Some(headers.get(name)?.to_str().ok()?.to_owned());
    let status = answer.status().as_u16();
    let headers = answer.headers();
    let codings = headers.get_all(header::CONTENT_ENCODING).iter().map(|value| value.to_str().unwrap_or("?"));
    // The body of any other status is not used.
    let encoded = if (200..=299).contains(&status) { coding::named(codings)? } else { coding::Encoded::No };
    let (location, cache_control) = (text(headers, header::LOCATION), text(headers, header::CACHE_CONTROL));
    let (etag, retry_after) = (text(headers, header::ETAG), text(headers, header::RETRY_AFTER));
    let content_type = text(headers, header::CONTENT_TYPE);
    let mut body = Vec::new();
    while let Some(frame) = answer.body_mut().frame().await {
        let frame = frame.map_err(|error| FetchError::body(&error))?;
        let Some(chunk) = frame.data_ref() else { continue };
        if body.len().saturating_add(chunk.len()) > most {
            return Err(FetchError::TooLarge);
        }
        body.extend_from_slice(chunk);
    }
    let body = encoded.decode(body, most)?;
    Ok(Response { status, location, cache_control, etag, retry_after, content_type, body })
}

/// Host and, where it is not the scheme's own, port (RFC 9110 7.2).
fn authority(url: &Url) -> Option<String> {
    let host = url.host_str()?;
    Some(url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}")))
}

/// The credentials in a URL (RFC 7617 2).
fn basic(url: &Url) -> Option<String> {
    if url.username().is_empty() && url.password().is_none() {
        return None;
    }
    let mut pair: Vec<u8> = percent_decode_str(url.username()).collect();
    pair.push(b':');
    pair.extend(percent_decode_str(url.password().unwrap_or_default()));
    Some(format!("Basic {}", base64_simd::STANDARD.encode_to_string(pair)))
}
