//! Real sockets and real TLS on this machine: which answers are believed, and which connections are never made.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread;
use std::time::{Duration, Instant};

use crate::sockets::{Authority, answering, get, network, proxy, reply, serve, transport};
use crate::support::{Signer, jwks, now, options, score};
use remote_agent_auth::error::Code;
use remote_agent_auth::policy::transport::{ClientCertificate, Proxies, ProxyUrl, Transport};
use remote_agent_auth::policy::{KeyOptions, Policy};
use remote_agent_auth::provider::fetch::{FetchError, trust_certificates};
use remote_agent_auth::time::Clock;
use remote_agent_auth::verifier::{Checked, Memory, Verifier};
use serde_json::json;

/// Node's trust in these tests: an authority nobody here uses.
fn node() -> &'static Authority {
    static NODE: OnceLock<Authority> = OnceLock::new();
    NODE.get_or_init(|| {
        let authority = Authority::new();
        assert_eq!(trust_certificates(&[&authority.pem]), 1);
        authority
    })
}

#[tokio::test]
async fn s19_certificates_and_addresses_decide_who_is_believed() {
    node();
    let ours = Authority::new();
    let stranger = Authority::new();
    let good = answering(Some(ours.identity("idp.test").server(None)), "200 OK", "{}");
    let expired = answering(Some(ours.expired("idp.test").server(None)), "200 OK", "{}");
    let wrong_name = answering(Some(ours.identity("other.test").server(None)), "200 OK", "{}");
    let (fetch, names) = network();
    let of = |port: u16| format!("https://idp.test:{port}/jwks");

    assert_eq!(get(&fetch, &of(good.port), transport(&ours)).await.unwrap().body, b"{}");
    let mut refused = 0;
    for (server, trust, cause) in [
        (&good, Transport::default(), FetchError::TlsUntrusted),
        (&good, transport(&stranger), FetchError::TlsUntrusted),
        (&expired, transport(&ours), FetchError::TlsExpired),
        (&wrong_name, transport(&ours), FetchError::TlsName),
    ] {
        let answer = get(&fetch, &of(server.port), trust).await;
        assert_eq!(answer, Err(cause));
        refused += 1;
    }
    assert!(expired.seen.requests.lock().unwrap().is_empty() && wrong_name.seen.requests.lock().unwrap().is_empty());
    assert_eq!(good.seen.requests.lock().unwrap().len(), 1, "no request is sent to whom nobody vouches for");

    // From here on nothing may be connected to.
    names.admitted.lock().unwrap().clear();
    let mut canaries = 0;
    for url in [
        "https://canary.test/",
        "https://mapped.test/",
        "https://both.test/",
        "https://169.254.169.254/latest/meta-data",
        "https://[::ffff:169.254.169.254]/",
        "https://[fe80::1]/",
        "https://0xa9fea9fe/",
        "https://100.100.100.200/",
        "https://[fd00:ec2::254]/",
        "https://0.0.0.0/",
    ] {
        assert_eq!(get(&fetch, url, transport(&ours)).await, Err(FetchError::Address), "{url}");
        canaries += 1;
    }
    for url in ["https://lan.test/", "https://10.0.0.1/", "https://127.0.0.1/", "https://localhost/", "https://[::1]/"]
    {
        let strict = Transport { refuse_private_addresses: true, ..transport(&ours) };
        assert_eq!(get(&fetch, url, strict).await, Err(FetchError::Address), "{url}");
        canaries += 1;
    }
    let connections = names.admitted.lock().unwrap().len();

    // Plain http stays on this machine, whatever a name says.
    let plain = answering(None, "200 OK", "{}");
    assert!(get(&fetch, &format!("http://localhost:{}/", plain.port), Transport::default()).await.is_ok());

    let figure =
        format!("{refused} of 4 bad certificates refused, {canaries} canaries, {connections} connections to them");
    score("S19", &figure, "all refused, 0 connections", refused == 4 && connections == 0);
}

#[tokio::test]
async fn a_redirect_to_another_place_is_not_followed() {
    node();
    let ours = Authority::new();
    let canary = answering(None, "200 OK", "{}");
    let tls_canary = answering(Some(ours.identity("other.test").server(None)), "200 OK", "{}");
    for location in [
        format!("https://other.test:{}/", tls_canary.port),
        format!("http://localhost:{}/", canary.port),
        "https://169.254.169.254/latest".to_owned(),
        "https://canary.test/".to_owned(),
    ] {
        let tls = ours.identity("idp.test").server(None);
        let server =
            serve(Some(tls), move |stream, _| reply(stream, &format!("302 Found\r\nlocation: {location}"), b""));
        let (fetch, names) = network();
        let mut options = options(None, "api");
        options.issuer = format!("https://idp.test:{}", server.port);
        options.keys = KeyOptions { ca: Some(vec![ours.pem.clone()]), ..KeyOptions::default() };
        let policy = Arc::new(Policy::parse(options).unwrap());
        let clock = Arc::new(ShiftedClock::default());
        let verifier = Verifier::new(fetch, clock, tokio::runtime::Handle::current());
        assert_eq!(verifier.prefetch(&policy).await.unwrap_err().code(), Code::DiscoveryDocument);
        assert_eq!(server.seen.requests.lock().unwrap().len(), 1);
        assert!(names.admitted.lock().unwrap().iter().all(|address| address.is_loopback()));
    }
    assert_eq!(canary.seen.connections.load(Ordering::SeqCst), 0);
    assert_eq!(tls_canary.seen.connections.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn a_client_certificate_is_shown_to_who_asks_for_it() {
    node();
    let (ours, clients, stranger) = (Authority::new(), Authority::new(), Authority::new());
    let server = answering(Some(ours.identity("idp.test").server(Some(&clients))), "200 OK", "{}");
    let url = format!("https://idp.test:{}/", server.port);
    let (fetch, _) = network();
    let with = |authority: &Authority| {
        let identity = authority.identity("client.test");
        let certificate = ClientCertificate::parse(&identity.cert, &identity.key).unwrap();
        Transport { client_certificate: Some(certificate), ..transport(&ours) }
    };
    assert!(get(&fetch, &url, with(&clients)).await.is_ok());
    assert!(get(&fetch, &url, transport(&ours)).await.is_err());
    assert!(get(&fetch, &url, with(&stranger)).await.is_err());
    let (a, b) = (clients.identity("a.test"), clients.identity("b.test"));
    assert!(ClientCertificate::parse(&a.cert, &b.key).is_err(), "certificate and key must belong together");
    assert!(!format!("{:?}", with(&clients)).contains("PRIVATE"));
}

fn through(proxy: &str, bypass: &str) -> Proxies {
    Proxies { http: ProxyUrl::parse(proxy), https: None, bypass: bypass.into() }
}

#[tokio::test]
async fn https_goes_through_the_proxys_tunnel() {
    node();
    let ours = Authority::new();
    let server = answering(Some(ours.identity("idp.test").server(None)), "200 OK", "{}");
    let url = format!("https://idp.test:{}/", server.port);
    // user:p@ss, as a URL writes it; and as RFC 7617 does.
    let gate = proxy(Some("Basic dXNlcjpwQHNz"));
    let to = |credentials: &str| format!("http://{credentials}127.0.0.1:{}", gate.port);
    let (fetch, names) = network();
    let using = |proxies| Transport { proxies, ..transport(&ours) };

    assert!(get(&fetch, &url, using(through(&to("user:p%40ss@"), ""))).await.is_ok());
    let seen = gate.seen.requests.lock().unwrap().clone();
    assert!(seen[0].starts_with(&format!("CONNECT idp.test:{} ", server.port)), "{seen:?}");
    assert!(names.admitted.lock().unwrap().is_empty(), "the proxy looks the name up, not we");
    assert_eq!(get(&fetch, &url, using(through(&to("user:wrong@"), ""))).await, Err(FetchError::ProxyAuth));
    // The certificate is the provider's, whatever lies between.
    assert!(
        get(&fetch, &url, Transport { proxies: through(&to("user:p%40ss@"), ""), ..Transport::default() })
            .await
            .is_err()
    );

    let before = gate.seen.connections.load(Ordering::SeqCst);
    assert!(get(&fetch, &url, using(through(&to(""), "idp.test"))).await.is_ok());
    assert_eq!(gate.seen.connections.load(Ordering::SeqCst), before, "bypassed");
    // What the URL itself says is refused on every way.
    let literal = get(&fetch, "https://169.254.169.254/", using(through(&to("user:p%40ss@"), ""))).await;
    assert_eq!(literal, Err(FetchError::Address));
    assert_eq!(gate.seen.connections.load(Ordering::SeqCst), before);
}

#[tokio::test]
async fn plain_http_goes_to_the_proxy_whole() {
    let gate = proxy(Some("Basic dXNlcjpw"));
    let direct = answering(None, "200 OK", "{\"from\":\"server\"}");
    let url = format!("http://localhost:{}/jwks", direct.port);
    let (fetch, _) = network();
    let to = format!("http://user:p@127.0.0.1:{}", gate.port);
    let using = |bypass: &str| Transport { proxies: through(&to, bypass), ..Transport::default() };
    assert_eq!(get(&fetch, &url, using("")).await.unwrap().body, b"{\"from\":\"proxy\"}");
    let head = gate.seen.requests.lock().unwrap()[0].clone();
    assert!(head.starts_with(&format!("GET http://localhost:{}/jwks ", direct.port)), "{head}");
    assert_eq!(direct.seen.connections.load(Ordering::SeqCst), 0);
    let bypass = format!("localhost:{}", direct.port);
    assert_eq!(get(&fetch, &url, using(&bypass)).await.unwrap().body, b"{\"from\":\"server\"}");
}

/// The system's clock, which tests push forward.
struct ShiftedClock {
    started: Instant,
    ahead: AtomicU64,
}

impl Default for ShiftedClock {
    fn default() -> Self {
        Self { started: Instant::now(), ahead: AtomicU64::new(0) }
    }
}

impl Clock for ShiftedClock {
    fn monotonic(&self) -> Duration {
        self.started.elapsed() + Duration::from_secs(self.ahead.load(Ordering::SeqCst))
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s14_nobody_with_a_known_key_waits_for_a_provider_that_hangs_or_trickles() {
    node();
    let ours = Authority::new();
    let mut figures = Vec::new();
    let mut all = true;
    for trickles in [false, true] {
        let signer = Signer::new("k");
        let body = jwks(&[&signer]).body;
        let well = Arc::new(AtomicBool::new(true));
        let is_well = Arc::clone(&well);
        let server = serve(Some(ours.identity("idp.test").server(None)), move |stream, _| {
            if is_well.load(Ordering::SeqCst) {
                return reply(stream, "200 OK", &body);
            }
            if trickles {
                write!(stream, "HTTP/1.1 200 OK\r\ncontent-length: 1000000\r\n\r\n")?;
            }
            loop {
                thread::sleep(Duration::from_millis(50));
                if trickles {
                    stream.write_all(b" ")?;
                    stream.flush()?;
                }
            }
        });
        let mut options = options(Some(&format!("https://idp.test:{}/jwks", server.port)), "api");
        options.keys = KeyOptions { ca: Some(vec![ours.pem.clone()]), ..KeyOptions::default() };
        let policy = Arc::new(Policy::parse(options).unwrap());
        let clock = Arc::new(ShiftedClock::default());
        let verifier = Verifier::new(network().0, clock.clone(), tokio::runtime::Handle::current());
        verifier.prefetch(&policy).await.unwrap();
        let token = signer.token();
        well.store(false, Ordering::SeqCst);

        // A refresh ahead hangs, and nobody waits for it.
        clock.ahead.store(55, Ordering::SeqCst);
        let hanging = Instant::now();
        let mut waited = 0;
        for _ in 0..200 {
            match verifier.check(&token, &policy, now(), Memory::None) {
                Checked::Now(answer) => assert!(answer.is_ok()),
                Checked::Later(_) => waited += 1,
            }
        }
        // Past the life of the keys: at most a second.
        clock.ahead.store(60, Ordering::SeqCst);
        let begun = Instant::now();
        if let Checked::Later(answer) = verifier.check(&token, &policy, now(), Memory::None) {
            assert!(answer.await.is_ok());
        }
        let longest = begun.elapsed();
        let failed = || verifier.report()[0].counters.failed > 0;
        while !failed() && hanging.elapsed() < Duration::from_secs(15) {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        let ended = hanging.elapsed();
        all &=
            waited == 0 && longest < Duration::from_millis(1200) && failed() && ended < Duration::from_millis(10_500);
        figures.push(format!(
            "{}: {waited} of 200 waited, {:.2} s past the life, fetch ended after {:.1} s",
            if trickles { "trickles" } else { "hangs" },
            longest.as_secs_f64(),
            ended.as_secs_f64()
        ));
    }
    score("S14", &figures.join("; "), "0 waited; at most 1 s past the life; ended at the deadline of 10 s", all);
}

#[tokio::test]
async fn an_entity_tag_crosses_a_real_connection() {
    node();
    let ours = Authority::new();
    let signer = Signer::new("k");
    let body = jwks(&[&signer]).body;
    let server = serve(Some(ours.identity("idp.test").server(None)), move |stream, seen| {
        let again = seen.requests.lock().unwrap().last().unwrap().to_lowercase().contains("if-none-match: w/\"7\"");
        if again { reply(stream, "304 Not Modified", b"") } else { reply(stream, "200 OK\r\netag: W/\"7\"", &body) }
    });
    let mut options = options(Some(&format!("https://idp.test:{}/jwks", server.port)), "api");
    options.keys = KeyOptions { ca: Some(vec![ours.pem.clone()]), ..KeyOptions::default() };
    let policy = Arc::new(Policy::parse(options).unwrap());
    let verifier = Verifier::new(network().0, Arc::new(ShiftedClock::default()), tokio::runtime::Handle::current());
    for _ in 0..3 {
        verifier.prefetch(&policy).await.unwrap();
    }
    assert_eq!(json!(verifier.report()[0].counters.not_modified), 2);
}
