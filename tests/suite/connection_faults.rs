//! Every way in which an exchange with a provider can fail, against real listeners on this machine: each has a reason of its
//! own, names the host and says what to do.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::thread;

use crate::sockets::{Authority, Identity, Stream, answering, get, network, serve, transport};
use crate::support::{options, score};
use flate2::Compression;
use flate2::write::GzEncoder;
use rcgen::CertificateParams;
use remote_agent_auth::error::Code;
use remote_agent_auth::policy::transport::ProxyOptions;
use remote_agent_auth::policy::{KeyOptions, Policy};
use remote_agent_auth::provider::fetch::{FetchError, HttpFetch, Lookup, Resolver, trust_certificates};
use remote_agent_auth::time::SystemClock;
use remote_agent_auth::verifier::Verifier;

/// `nowhere.test` does not exist; every other name is this machine.
#[derive(Debug)]
struct Names;

impl Resolver for Names {
    fn lookup(&self, name: &str) -> Lookup {
        let known = name != "nowhere.test";
        Box::pin(async move {
            if known { Ok(vec![Ipv4Addr::LOCALHOST.into()]) } else { Err(io::ErrorKind::NotFound.into()) }
        })
    }
}

/// A server below HTTP: what it does with a socket.
fn raw(act: impl Fn(TcpStream) + Send + Sync + 'static) -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    let act = Arc::new(act);
    thread::spawn(move || {
        for socket in listener.incoming().flatten() {
            let act = Arc::clone(&act);
            thread::spawn(move || act(socket));
        }
    });
    port
}

/// Nothing listens there.
fn closed_port() -> u16 {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port()
}

/// A server that answers a TLS ClientHello with a fatal alert (RFC 8446 6).
fn alerting(description: u8) -> u16 {
    raw(move |mut socket| {
        let _ = socket.read(&mut [0; 4096]);
        let _ = socket.write_all(&[21, 3, 3, 0, 2, 2, description]);
        let _ = socket.read(&mut [0; 4096]);
    })
}

fn proxy_answering(head: &'static str) -> u16 {
    answering(None, head, "").port
}

struct Case {
    reason: &'static str,
    url: String,
    host: &'static str,
    advice: &'static str,
    proxy: Option<u16>,
}

impl Case {
    fn new(reason: &'static str, port: u16, advice: &'static str) -> Self {
        Self { reason, url: format!("https://idp.test:{port}/jwks"), host: "idp.test", advice, proxy: None }
    }

    fn at(self, url: &str, host: &'static str) -> Self {
        Self { url: url.to_owned(), host, ..self }
    }

    fn through(self, port: u16) -> Self {
        Self { proxy: Some(port), host: "127.0.0.1", ..self }
    }
}

#[allow(clippy::too_many_lines, reason = "one table")]
fn cases(ours: &Authority) -> Vec<Case> {
    let good = || Some(ours.identity("idp.test").server(None));
    let serving = |tls, answer: fn(&mut dyn Stream) -> io::Result<()>| serve(tls, move |stream, _| answer(stream)).port;
    let show = |identity: Identity| answering(Some(identity.server(None)), "200 OK", "{}").port;
    let self_signed = Identity::self_signed(&CertificateParams::new(vec!["idp.test".to_owned()]).unwrap());
    vec![
        Case::new("dns", 443, "DNS").at("https://nowhere.test/jwks", "nowhere.test"),
        Case::new("refused", closed_port(), "port"),
        // The broadcast address of the loopback network: the system refuses to connect to it.
        Case::new("unreachable", 443, "firewall").at("https://127.255.255.255/jwks", "127.255.255.255"),
        Case::new("timeout-connect", raw(|socket| drop((&socket).read_to_end(&mut Vec::new()))), "firewall"),
        Case::new(
            "timeout-body",
            serving(good(), |stream| {
                write!(stream, "HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n")?;
                stream.flush()?;
                stream.read(&mut [0]).map(drop)
            }),
            "load",
        ),
        Case::new("tls-untrusted", show(Authority::new().identity("idp.test")), "`ca` or NODE_EXTRA_CA_CERTS"),
        Case::new("tls-self-signed", show(self_signed), "`ca` or NODE_EXTRA_CA_CERTS"),
        Case::new("tls-expired", show(ours.expired("idp.test")), "renew"),
        Case::new("tls-not-yet-valid", show(ours.not_yet_valid("idp.test")), "clock"),
        Case::new("tls-name", show(ours.identity("other.test")), "subjectAltName"),
        // handshake_failure
        Case::new("tls-no-common", alerting(40), "TLS 1.3"),
        Case::new("not-tls", answering_any(b"HTTP/1.1 400 Bad Request\r\n\r\n"), "port"),
        Case::new("proxy-refused", 443, "proxy").through(closed_port()),
        Case::new("proxy-auth", 443, "user:password@").through(proxy_answering("407 Proxy Authentication Required")),
        Case::new("proxy-denied", 443, "NO_PROXY").through(proxy_answering("403 Forbidden")),
        Case::new("reset", serving(good(), |_| Ok(())), "log"),
        Case::new(
            "body-truncated",
            serving(good(), |stream| write!(stream, "HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n{{")),
            "broke off",
        ),
        Case::new("encoding", answering(good(), "200 OK\r\ncontent-encoding: br", "x").port, "gzip"),
        Case::new("too-large", answering(good(), "200 OK", vec![b' '; 2000]).port, "maxBodyBytes"),
        Case::new("status", answering(good(), "500 Internal Server Error", "").port, "500"),
    ]
}

fn answering_any(answer: &'static [u8]) -> u16 {
    raw(move |mut socket| {
        let _ = socket.read(&mut [0; 4096]);
        let _ = socket.write_all(answer);
    })
}

/// Reason, host and message of a failed fetch, as an operator gets them.
async fn reported(case: &Case, ours: &Authority) -> (Option<String>, Option<String>, String) {
    let fetch = Arc::new(HttpFetch::with_resolver(Arc::new(Names)));
    let verifier = Verifier::new(fetch, Arc::new(SystemClock::default()), tokio::runtime::Handle::current());
    let mut options = options(Some(&case.url), "api");
    let proxy = case.proxy.map(|port| format!("http://user:secret@127.0.0.1:{port}"));
    options.keys = KeyOptions {
        ca: Some(vec![ours.pem.clone()]),
        max_body_bytes: Some(1024.0),
        proxy: proxy.map(|http| ProxyOptions { http: Some(http), ..ProxyOptions::default() }),
        ..KeyOptions::default()
    };
    let policy = Policy::parse(options).unwrap();
    let refusal = verifier.prefetch(&policy).await.unwrap_err();
    assert_eq!(refusal.code(), Code::JwksFetch, "{}", case.reason);
    let [reason, host, ..] = refusal.details().unwrap().all().map(|detail| detail.map(str::to_owned));
    let report = verifier.report();
    assert_eq!(report[0].last_failure.unwrap().1.reason(), reason.as_deref());
    assert_eq!(report[0].failed_host.as_deref(), host.as_deref());
    (reason, host, refusal.to_string())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s43_every_connection_fault_is_named_with_its_host_and_what_to_do() {
    trust_certificates(&[&Authority::new().pem]);
    let ours = Arc::new(Authority::new());
    let cases = Arc::new(cases(&ours));
    let all = (0..cases.len()).map(|index| {
        let (cases, ours) = (Arc::clone(&cases), Arc::clone(&ours));
        tokio::spawn(async move { reported(&cases[index], &ours).await })
    });
    let mut good = 0;
    for (case, report) in cases.iter().zip(all.collect::<Vec<_>>()) {
        let (reason, host, message) = report.await.unwrap();
        assert_eq!((reason.as_deref(), host.as_deref()), (Some(case.reason), Some(case.host)), "{message}");
        assert!(message.contains(case.advice) && message.contains(case.host), "{}: {message}", case.reason);
        assert!(!message.contains("secret"));
        good += 1;
    }
    score("S43", &format!("{good} of 20 connection faults named, with host and what to do"), "20 of 20", good == 20);
}

#[tokio::test]
async fn a_proxys_refusal_failure_or_silence_is_not_taken_for_the_providers() {
    let ours = Authority::new();
    let silent = raw(|mut socket| drop(socket.read_to_end(&mut Vec::new())));
    let forwarding = Case::new("proxy-auth", 443, "user:password@").at("http://localhost:9/jwks", "");
    for case in [
        forwarding.through(proxy_answering("407 Proxy Authentication Required")),
        Case::new("proxy-denied", 443, "did not get through to the host (status 502)")
            .through(proxy_answering("502 Bad Gateway")),
        Case::new("proxy-denied", 443, "does not let the host through (status 403)")
            .through(proxy_answering("403 Forbidden")),
        Case::new("proxy-refused", 443, "did not answer in time").through(silent),
    ] {
        let (reason, host, message) = reported(&case, &ours).await;
        assert_eq!((reason.as_deref(), host.as_deref()), (Some(case.reason), Some(case.host)), "{message}");
        assert!(message.contains(case.advice), "{message}");
    }
}

async fn fault(port: u16, ours: &Authority) -> FetchError {
    get(&network().0, &format!("https://idp.test:{port}/"), transport(ours)).await.unwrap_err()
}

#[tokio::test]
async fn what_is_not_spoken_is_named_as_far_as_it_can_be_told() {
    let ours = Authority::new();
    // protocol_version; insufficient_security; unrecognized_name; certificate_required; internal_error
    for (alert, error) in [
        (70, FetchError::TlsVersion),
        (71, FetchError::TlsNoCommon),
        (112, FetchError::TlsName),
        (116, FetchError::TlsClientCertificate),
        (80, FetchError::TlsHandshake),
    ] {
        assert_eq!(fault(alerting(alert), &ours).await, error, "{alert}");
    }
    let mut common_name = CertificateParams::new(Vec::new()).unwrap();
    common_name.distinguished_name.push(rcgen::DnType::CommonName, "idp.test");
    let server = answering(Some(ours.issue(common_name).server(None)), "200 OK", "{}");
    assert_eq!(fault(server.port, &ours).await, FetchError::TlsCommonNameOnly);
    let strict = answering(Some(ours.identity("idp.test").server(Some(&Authority::new()))), "200 OK", "{}");
    assert_eq!(fault(strict.port, &ours).await, FetchError::TlsClientCertificate);
}

#[tokio::test]
async fn no_coding_is_asked_for_and_gzip_is_read_all_the_same() {
    let ours = Authority::new();
    let tls = || Some(ours.identity("idp.test").server(None));
    let gzip = |text: &[u8]| {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(text).unwrap();
        encoder.finish().unwrap()
    };
    let server = answering(tls(), "200 OK\r\nContent-Encoding: GZip", gzip(b"{\"keys\":[]}"));
    let url = format!("https://idp.test:{}/", server.port);
    assert_eq!(get(&network().0, &url, transport(&ours)).await.unwrap().body, b"{\"keys\":[]}");
    let head = server.seen.requests.lock().unwrap()[0].to_ascii_lowercase();
    assert!(head.contains("accept-encoding: identity\r\n"), "{head}");
    assert!(head.contains("accept: application/jwk-set+json, application/json;q=0.9, */*;q=0.1\r\n"), "{head}");
    // 40 MB out of 40 KB.
    let bomb = answering(tls(), "200 OK\r\ncontent-encoding: gzip", gzip(&vec![b' '; 40_000_000]));
    assert_eq!(fault(bomb.port, &ours).await, FetchError::TooLarge);
    // What nobody reads need not be decoded.
    let error = answering(tls(), "404 Not Found\r\ncontent-encoding: br", "x");
    let url = format!("https://idp.test:{}/", error.port);
    assert_eq!(get(&network().0, &url, transport(&ours)).await.unwrap().status, 404);
}

/// How a kept connection ends at its second use.
#[derive(Clone, Copy, Debug, PartialEq)]
enum End {
    /// A FIN once the answer is out.
    AfterTheAnswer,
    /// A FIN when the next request has come.
    AfterTheRequest,
    /// A RST when the next request has come.
    Reset,
    /// The beginning of an answer, then a FIN.
    WithinTheHead,
}

fn closing(end: End) -> (u16, Arc<std::sync::atomic::AtomicUsize>) {
    let connections = Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let counted = Arc::clone(&connections);
    let port = raw(move |mut socket| {
        counted.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
        let head = |socket: &mut TcpStream| {
            let mut head = Vec::new();
            let mut byte = [0];
            while !head.ends_with(b"\r\n\r\n") && socket.read(&mut byte).is_ok_and(|read| read == 1) {
                head.push(byte[0]);
            }
            head.len()
        };
        head(&mut socket);
        let _ = socket.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}");
        if end == End::AfterTheAnswer {
            return;
        }
        if end == End::Reset {
            // What is not read when a socket is closed turns the FIN into a RST.
            let _ = socket.peek(&mut [0]);
            return;
        }
        head(&mut socket);
        if end == End::WithinTheHead {
            let _ = socket.write_all(b"HTTP/1.1 200 OK\r\ncont");
        }
    });
    (port, connections)
}

#[tokio::test]
async fn a_kept_connection_that_ends_at_its_next_use_is_replaced_once() {
    for end in [End::AfterTheAnswer, End::AfterTheRequest, End::Reset, End::WithinTheHead] {
        let (port, connections) = closing(end);
        let (fetch, _) = network();
        let (url, transport) =
            (format!("http://localhost:{port}/"), remote_agent_auth::policy::transport::Transport::default());
        for _ in 0..3 {
            assert_eq!(get(&fetch, &url, transport.clone()).await.unwrap().body, b"{}", "{end:?}");
        }
        assert_eq!(connections.load(std::sync::atomic::Ordering::SeqCst), 3, "{end:?}");
    }
    // A connection that ends at its first use is not made again.
    let (fetch, _) = network();
    let connections = Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let counted = Arc::clone(&connections);
    let port = raw(move |socket| {
        counted.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
        let _ = socket.peek(&mut [0]);
    });
    let url = format!("http://localhost:{port}/");
    let answer = get(&fetch, &url, remote_agent_auth::policy::transport::Transport::default()).await;
    assert_eq!(answer, Err(FetchError::Reset));
    assert_eq!(connections.load(std::sync::atomic::Ordering::SeqCst), 1);
}

#[tokio::test]
async fn one_connection_serves_many_requests() {
    let connections = Arc::new(std::sync::Mutex::new(Vec::<SocketAddr>::new()));
    let seen = Arc::clone(&connections);
    let port = raw(move |mut socket| {
        seen.lock().unwrap().push(socket.peer_addr().unwrap());
        let mut bytes = [0; 4096];
        while socket.read(&mut bytes).is_ok_and(|read| read > 0) {
            let _ = socket.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}");
        }
    });
    let (fetch, _) = network();
    for _ in 0..5 {
        let url = format!("http://localhost:{port}/");
        assert!(get(&fetch, &url, remote_agent_auth::policy::transport::Transport::default()).await.is_ok());
    }
    assert_eq!(connections.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn a_self_signed_certificate_is_the_servers_own_where_it_is_listed_byte_for_byte() {
    let params =
        |names: &[&str]| CertificateParams::new(names.iter().map(|&name| name.to_owned()).collect::<Vec<_>>()).unwrap();
    let named = |mut params: CertificateParams, ca: bool| {
        params.distinguished_name.push(rcgen::DnType::CommonName, "the same name");
        params.is_ca =
            if ca { rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained) } else { rcgen::IsCa::ExplicitNoCa };
        params
    };
    let ask = |identity: &Identity, listed: &str| {
        let server = answering(Some(identity.server(None)), "200 OK", "{}");
        let extra_ca: Box<[Box<str>]> = Box::new([listed.into()]);
        let transport = remote_agent_auth::policy::transport::Transport { extra_ca, ..Default::default() };
        async move { get(&network().0, &format!("https://idp.test:{}/", server.port), transport).await.map(drop) }
    };
    for ca in [true, false] {
        let own = Identity::self_signed(&named(params(&["idp.test"]), ca));
        assert_eq!(ask(&own, &own.cert).await, Ok(()), "CA: {ca}");
        // The same names in it, and not the same bytes.
        let other = Identity::self_signed(&named(params(&["idp.test"]), ca));
        assert_eq!(ask(&own, &other.cert).await, Err(FetchError::TlsSelfSigned), "CA: {ca}");
        let wrong = Identity::self_signed(&named(params(&["other.test"]), ca));
        assert_eq!(ask(&wrong, &wrong.cert).await, Err(FetchError::TlsName), "CA: {ca}");
        let mut old = named(params(&["idp.test"]), ca);
        old.not_before = rcgen::date_time_ymd(2019, 1, 1);
        old.not_after = rcgen::date_time_ymd(2020, 1, 1);
        let old = Identity::self_signed(&old);
        assert_eq!(ask(&old, &old.cert).await, Err(FetchError::TlsExpired), "CA: {ca}");
        let mut early = named(params(&["idp.test"]), ca);
        early.not_before = rcgen::date_time_ymd(3000, 1, 1);
        early.not_after = rcgen::date_time_ymd(3001, 1, 1);
        let early = Identity::self_signed(&early);
        assert_eq!(ask(&early, &early.cert).await, Err(FetchError::TlsNotYetValid), "CA: {ca}");
        let mut client = named(params(&["idp.test"]), ca);
        client.extended_key_usages = vec![rcgen::ExtendedKeyUsagePurpose::ClientAuth];
        let client = Identity::self_signed(&client);
        assert!(matches!(ask(&client, &client.cert).await, Err(FetchError::TlsCertificate(_))), "CA: {ca}");
    }
}

#[tokio::test]
async fn a_listed_certificate_that_is_no_authority_issues_nothing() {
    // Its own issuer, and CA:FALSE: it may be shown, and whatever it signed may not.
    let key = rcgen::KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(vec!["idp.test".to_owned()]).unwrap();
    params.is_ca = rcgen::IsCa::ExplicitNoCa;
    let listed = params.self_signed(&key).unwrap().pem();
    let issuer = rcgen::Issuer::new(params, key);
    let leaf_key = rcgen::KeyPair::generate().unwrap();
    let mut leaf = CertificateParams::new(vec!["idp.test".to_owned()]).unwrap();
    leaf.distinguished_name.push(rcgen::DnType::CommonName, "leaf");
    let leaf = Identity { cert: leaf.signed_by(&leaf_key, &issuer).unwrap().pem(), key: leaf_key.serialize_pem() };
    let trusting = |pem: &str| {
        let extra_ca: Box<[Box<str>]> = Box::new([pem.into()]);
        remote_agent_auth::policy::transport::Transport { extra_ca, ..Default::default() }
    };
    let server = answering(Some(leaf.server(None)), "200 OK", "{}");
    let url = format!("https://idp.test:{}/", server.port);
    assert_eq!(get(&network().0, &url, trusting(&listed)).await, Err(FetchError::TlsUntrusted));
    // Nor does a leaf that is listed without its issuer stand for itself: Node wants the chain to end in a root.
    assert_eq!(get(&network().0, &url, trusting(&leaf.cert)).await, Err(FetchError::TlsUntrusted));
}
