//! Real servers on this machine: HTTP, TLS with certificates made on the spot, and a proxy.
#![allow(dead_code, reason = "each test file uses its own part")]

use std::io::{self, Read, Write};
use std::net::{IpAddr, Ipv4Addr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair, date_time_ymd};
use remote_agent_auth::policy::endpoint::Endpoint;
use remote_agent_auth::policy::transport::Transport;
use remote_agent_auth::provider::fetch::{Document, Fetch, FetchError, HttpFetch, Lookup, Request, Resolver, Response};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig, ServerConnection, StreamOwned};

/// A certificate authority of its own.
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pub pem: String,
}

/// A certificate and its key, PEM.
pub struct Identity {
    pub cert: String,
    pub key: String,
}

impl Authority {
    pub fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let pem = params.self_signed(&key).unwrap().pem();
        Self { issuer: Issuer::new(params, key), pem }
    }

    pub fn identity(&self, name: &str) -> Identity {
        self.issue(CertificateParams::new(vec![name.to_owned()]).unwrap())
    }

    pub fn expired(&self, name: &str) -> Identity {
        let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        params.not_before = date_time_ymd(2019, 1, 1);
        params.not_after = date_time_ymd(2020, 1, 1);
        self.issue(params)
    }

    pub fn not_yet_valid(&self, name: &str) -> Identity {
        let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        params.not_before = date_time_ymd(3000, 1, 1);
        params.not_after = date_time_ymd(3001, 1, 1);
        self.issue(params)
    }

    pub fn issue(&self, params: CertificateParams) -> Identity {
        let key = KeyPair::generate().unwrap();
        Identity { cert: params.signed_by(&key, &self.issuer).unwrap().pem(), key: key.serialize_pem() }
    }
}

impl Identity {
    /// A certificate that is its own issuer.
    pub fn self_signed(params: &CertificateParams) -> Self {
        let key = KeyPair::generate().unwrap();
        Self { cert: params.self_signed(&key).unwrap().pem(), key: key.serialize_pem() }
    }

    /// A server that shows this certificate, and wants one signed by `clients`.
    pub fn server(&self, clients: Option<&Authority>) -> Arc<ServerConfig> {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider));
        let builder = builder.with_safe_default_protocol_versions().unwrap();
        let builder = match clients {
            None => builder.with_no_client_auth(),
            Some(authority) => {
                let mut roots = RootCertStore::empty();
                roots.add(CertificateDer::from_pem_slice(authority.pem.as_bytes()).unwrap()).unwrap();
                let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build().unwrap();
                builder.with_client_cert_verifier(verifier)
            }
        };
        let chain = vec![CertificateDer::from_pem_slice(self.cert.as_bytes()).unwrap()];
        let key = PrivateKeyDer::from_pem_slice(self.key.as_bytes()).unwrap();
        Arc::new(builder.with_single_cert(chain, key).unwrap())
    }
}

pub trait Stream: Read + Write {}
impl<T: Read + Write> Stream for T {}

/// What a server has seen.
#[derive(Default)]
pub struct Seen {
    pub connections: AtomicUsize,
    /// Bytes of bodies it got rid of.
    pub sent: AtomicU64,
    pub requests: Mutex<Vec<String>>,
}

pub struct Server {
    pub port: u16,
    pub seen: Arc<Seen>,
}

/// Answers each connection by `answer`, after reading the request's head. It runs until the test process ends.
pub fn serve(
    tls: Option<Arc<ServerConfig>>,
    answer: impl Fn(&mut dyn Stream, &Seen) -> io::Result<()> + Send + Sync + 'static,
) -> Server {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    let seen = Arc::new(Seen::default());
    let (shared, answer) = (Arc::clone(&seen), Arc::new(answer));
    thread::spawn(move || {
        for socket in listener.incoming().flatten() {
            shared.connections.fetch_add(1, Ordering::SeqCst);
            let (seen, answer, tls) = (Arc::clone(&shared), Arc::clone(&answer), tls.clone());
            thread::spawn(move || {
                let _ = match tls {
                    None => converse(&mut { socket }, &seen, &*answer),
                    Some(config) => {
                        let mut stream = StreamOwned::new(ServerConnection::new(config).unwrap(), socket);
                        let result = converse(&mut stream, &seen, &*answer);
                        stream.conn.send_close_notify();
                        let _ = stream.flush();
                        result
                    }
                };
            });
        }
    });
    Server { port, seen }
}

fn converse(
    stream: &mut dyn Stream,
    seen: &Seen,
    answer: &dyn Fn(&mut dyn Stream, &Seen) -> io::Result<()>,
) -> io::Result<()> {
    let head = read_head(stream)?;
    seen.requests.lock().unwrap().push(head);
    answer(stream, seen)
}

pub fn read_head(stream: &mut dyn Stream) -> io::Result<String> {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut byte)?;
        head.push(byte[0]);
    }
    Ok(String::from_utf8_lossy(&head).into_owned())
}

/// The rest of a request whose head was `head`.
pub fn read_body(stream: &mut dyn Stream, head: &str) -> io::Result<String> {
    let length = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse::<usize>().ok())?
    });
    let mut body = vec![0; length.unwrap_or(0)];
    stream.read_exact(&mut body)?;
    Ok(String::from_utf8_lossy(&body).into_owned())
}

pub fn reply(stream: &mut dyn Stream, head: &str, body: &[u8]) -> io::Result<()> {
    write!(stream, "HTTP/1.1 {head}\r\nconnection: close\r\ncontent-length: {}\r\n\r\n", body.len())?;
    stream.write_all(body)?;
    stream.flush()
}

/// A server that gives one answer.
pub fn answering(tls: Option<Arc<ServerConfig>>, head: &'static str, body: impl Into<Vec<u8>>) -> Server {
    let body = body.into();
    serve(tls, move |stream, _| reply(stream, head, &body))
}

/// A proxy: CONNECT to any port of this machine for `allowed`, an answer of its own to anything else.
pub fn proxy(credentials: Option<&'static str>) -> Server {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    let seen = Arc::new(Seen::default());
    let shared = Arc::clone(&seen);
    thread::spawn(move || {
        for mut socket in listener.incoming().flatten() {
            let seen = Arc::clone(&shared);
            seen.connections.fetch_add(1, Ordering::SeqCst);
            thread::spawn(move || {
                let head = read_head(&mut socket)?;
                seen.requests.lock().unwrap().push(head.clone());
                let let_in = credentials.is_none_or(|wanted| head.contains(wanted));
                if !let_in {
                    return reply(&mut socket, "407 Proxy Authentication Required", b"");
                }
                let Some(target) = head.strip_prefix("CONNECT ").and_then(|rest| rest.split(' ').next()) else {
                    return reply(&mut socket, "200 OK", b"{\"from\":\"proxy\"}");
                };
                let port: u16 = target.rsplit(':').next().unwrap().parse().unwrap();
                let upstream = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
                socket.write_all(b"HTTP/1.1 200 OK\r\n\r\n")?;
                let (mut from, mut to) = (socket.try_clone()?, upstream.try_clone()?);
                thread::spawn(move || io::copy(&mut from, &mut to));
                io::copy(&mut { upstream }, &mut socket)?;
                socket.shutdown(std::net::Shutdown::Both)
            });
        }
    });
    Server { port, seen }
}

/// Names of this machine; `canary.test` leads to a link-local address and `lan.test` to a private one. Whatever the rules let
/// pass, only loopback is ever connected to.
#[derive(Debug, Default)]
pub struct Names {
    pub admitted: Mutex<Vec<IpAddr>>,
}

impl Resolver for Names {
    fn lookup(&self, name: &str) -> Lookup {
        let addresses: Vec<IpAddr> = match name {
            "canary.test" => vec!["169.254.169.254".parse().unwrap()],
            "mapped.test" => vec!["::ffff:169.254.169.254".parse().unwrap()],
            // One good address does not excuse the other.
            "both.test" => vec![Ipv4Addr::LOCALHOST.into(), "169.254.169.254".parse().unwrap()],
            "lan.test" => vec!["10.0.0.1".parse().unwrap()],
            "canary.example.com" => vec!["169.254.169.254".parse().unwrap()],
            "lan.example.com" => vec!["10.0.0.1".parse().unwrap()],
            _ => vec![Ipv4Addr::LOCALHOST.into()],
        };
        Box::pin(async move { Ok(addresses) })
    }

    fn admit(&self, addresses: Vec<IpAddr>) -> Vec<IpAddr> {
        self.admitted.lock().unwrap().extend(&addresses);
        addresses.into_iter().filter(IpAddr::is_loopback).collect()
    }
}

/// The network as [`Names`] shows it.
pub fn network() -> (Arc<HttpFetch>, Arc<Names>) {
    let names = Arc::new(Names::default());
    (Arc::new(HttpFetch::with_resolver(names.clone())), names)
}

pub fn transport(authority: &Authority) -> Transport {
    Transport { extra_ca: Box::new([authority.pem.as_str().into()]), ..Transport::default() }
}

pub async fn get(fetch: &HttpFetch, url: &str, transport: Transport) -> Result<Response, FetchError> {
    let (url, transport) = (Endpoint::parse(url).unwrap(), Arc::new(transport));
    let deadline = tokio::time::Instant::now() + Duration::from_secs(10);
    let fetching = fetch.fetch(Request::get(&url, &transport, Document::Keys, deadline));
    tokio::time::timeout(Duration::from_secs(20), fetching).await.expect("an answer within 20 s")
}
