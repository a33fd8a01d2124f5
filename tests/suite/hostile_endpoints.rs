//! S47: metadata and answers that want a user's token, or our memory, or our time. Real sockets and TLS on this machine.

use crate::support;

use std::io::{self, Write};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::{Duration, Instant};

use crate::sockets::{Authority, Names, Server, Stream, answering, network, proxy, read_body, reply, serve};
use crate::support::{options, score};
use remote_agent_auth::error::Code;
use remote_agent_auth::policy::transport::Secret;
use remote_agent_auth::policy::{KeyOptions, Policy, ProxyOptions};
use remote_agent_auth::provider::fetch::trust_certificates;
use remote_agent_auth::time::SystemClock;
use remote_agent_auth::verifier::{CallError, Exchange, Graph, Userinfo, Verifier};
use rustls::ServerConfig;

const TOKEN: &str = "eyJhbGciOiJFUzI1NiJ9.the-users.token";
const SECRET: &str = "the-clients-secret";
/// Long enough for a handshake on a busy machine, short enough to wait for.
const LIMIT: Duration = Duration::from_millis(1500);
const PLENTY: Duration = Duration::from_secs(30);

type Answer = Arc<dyn Fn(&mut dyn Stream) -> io::Result<()> + Send + Sync>;

/// A provider whose metadata and endpoints answer as the test sets.
struct Provider {
    server: Server,
    /// Bodies it got at its own endpoints.
    bodies: Arc<Mutex<Vec<String>>>,
    port: Arc<OnceLock<u16>>,
}

impl Provider {
    /// `metadata` makes the document's further members of the provider's own port; `/me` and `/token` give `answer`.
    fn new(
        tls: Option<Arc<ServerConfig>>,
        host: &'static str,
        metadata: impl Fn(u16) -> String + Send + Sync + 'static,
        answer: Answer,
    ) -> Self {
        let port: Arc<OnceLock<u16>> = Arc::default();
        let bodies: Arc<Mutex<Vec<String>>> = Arc::default();
        let (own, kept, scheme) =
            (Arc::clone(&port), Arc::clone(&bodies), if tls.is_some() { "https" } else { "http" });
        let server = serve(tls, move |stream, seen| {
            let head = seen.requests.lock().unwrap().last().unwrap().clone();
            let port = *own.wait();
            if head.starts_with("GET /.well-known/openid-configuration ") {
                let members = metadata(port);
                let body = format!(
                    r#"{{"issuer":"{scheme}://{host}:{port}","jwks_uri":"{scheme}://{host}:{port}/jwks"{members}}}"#
                );
                return reply(stream, "200 OK\r\ncontent-type: application/json", body.as_bytes());
            }
            let body = read_body(stream, &head)?;
            kept.lock().unwrap().push(body);
            answer(stream)
        });
        port.set(server.port).unwrap();
        Self { server, bodies, port }
    }

    /// One that says where its endpoints are, all at its own host.
    fn honest(tls: Option<Arc<ServerConfig>>, host: &'static str, answer: Answer) -> Self {
        let scheme = if tls.is_some() { "https" } else { "http" };
        let at = move |port: u16, path: &str| format!("{scheme}://{host}:{port}/{path}");
        let members = move |port| {
            format!(r#","userinfo_endpoint":"{}","token_endpoint":"{}""#, at(port, "me"), at(port, "token"))
        };
        Self::new(tls, host, members, answer)
    }

    fn port(&self) -> u16 {
        *self.port.get().unwrap()
    }

    /// Whether its own endpoints were asked.
    fn was_asked(&self) -> bool {
        self.server.seen.requests.lock().unwrap().iter().any(|head| !head.starts_with("GET /.well-known/"))
    }
}

fn fixed(head: &'static str, body: impl Into<Vec<u8>>) -> Answer {
    let body = body.into();
    Arc::new(move |stream| reply(stream, head, &body))
}

fn own_claims() -> Answer {
    fixed("200 OK\r\ncontent-type: application/json", r#"{"sub":"user","access_token":"other"}"#)
}

struct Caller {
    verifier: Arc<Verifier>,
    names: Arc<Names>,
    policy: Arc<Policy>,
}

impl Caller {
    fn new(issuer: &str, keys: KeyOptions) -> Self {
        let mut options = options(Some("https://unused.example.com/jwks"), "api");
        options.issuer = issuer.to_owned();
        options.keys = keys;
        let (fetch, names) = network();
        let clock = Arc::new(SystemClock::default());
        let verifier = Verifier::new(fetch, clock, tokio::runtime::Handle::current());
        Self { verifier, names, policy: Arc::new(Policy::parse(options).unwrap()) }
    }

    async fn userinfo(&self, hosts: &[&str], limit: Duration) -> Result<String, CallError> {
        let hosts = hosts.iter().map(|&host| host.to_owned()).collect();
        let asked = Userinfo { token: Secret::new(TOKEN), subject: "user".into(), hosts };
        self.verifier.userinfo(&self.policy, asked, limit).await
    }

    async fn exchange(&self, hosts: &[&str], limit: Duration) -> Result<String, CallError> {
        let asked = Exchange {
            token: Secret::new(TOKEN),
            scope: "user.read".to_owned(),
            client_id: "id".to_owned(),
            client_secret: Secret::new(SECRET),
            hosts: hosts.iter().map(|&host| host.to_owned()).collect(),
        };
        let granted = self.verifier.exchange(&self.policy, asked, limit).await?;
        Ok(granted.access_token.reveal().to_owned())
    }

    async fn graph(&self, origin: &str, path: &str, content: Option<&str>) -> Result<(u16, String), CallError> {
        let asked = Graph {
            token: Secret::new(TOKEN),
            path: path.to_owned(),
            content: content.map(Secret::new),
            origin: Some(origin.to_owned()),
        };
        self.verifier.graph(&self.policy, asked, LIMIT).await.map(|answer| (answer.status, answer.body))
    }
}

fn node() -> &'static Authority {
    static NODE: OnceLock<Authority> = OnceLock::new();
    NODE.get_or_init(|| {
        let authority = Authority::new();
        assert_eq!(trust_certificates(&[&authority.pem]), 1);
        authority
    })
}

fn trusting(authority: &Authority) -> KeyOptions {
    KeyOptions { ca: Some(vec![authority.pem.clone()]), ..KeyOptions::default() }
}

/// What of the secrets a text has.
fn leaks(text: &str) -> bool {
    text.contains(TOKEN) || text.contains("the-users") || text.contains(SECRET)
}

fn printed(error: &CallError) -> String {
    format!("{error:?} {} {:?} {:?}", error.cause, error.host, error.connection())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s47_no_metadata_and_no_redirect_lead_a_token_elsewhere() {
    node();
    let ours = Authority::new();
    let tls = |name: &str| Some(ours.identity(name).server(None));
    let (canary, tls_canary) =
        (answering(None, "200 OK", r#"{"sub":"user"}"#), answering(tls("evil.com"), "200 OK", "{}"));
    let (plain_port, tls_port) = (canary.port, tls_canary.port);
    let mut rows = Vec::new();
    let mut wrong = Vec::new();

    // What the metadata name, what is listed, and why it gets nothing.
    let table: Vec<(String, &[&str], Code)> = vec![
        ("https://169.254.169.254/latest".to_owned(), &[], Code::EndpointRefused),
        ("https://169.254.169.254/latest".to_owned(), &["169.254.169.254"], Code::AddressRefused),
        ("https://[::ffff:169.254.169.254]/latest".to_owned(), &["[::ffff:169.254.169.254]"], Code::AddressRefused),
        ("https://[fe80::1]/".to_owned(), &["[fe80::1]"], Code::AddressRefused),
        ("https://0xa9fea9fe/".to_owned(), &["169.254.169.254"], Code::AddressRefused),
        // Of the issuer's own domain, and link-local all the same.
        ("https://canary.example.com/me".to_owned(), &[], Code::AddressRefused),
        ("https://canary.test/me".to_owned(), &["canary.test"], Code::AddressRefused),
        ("https://both.test/me".to_owned(), &["both.test"], Code::AddressRefused),
        (format!("https://evil.com:{tls_port}/me"), &[], Code::EndpointRefused),
        (format!("https://evil.com:{tls_port}/me"), &["evil.com"], Code::EndpointRefused),
        (format!("https://idp.example.com.evil.com:{tls_port}/me"), &[], Code::EndpointRefused),
        (format!("https://idp.example.com@evil.com:{tls_port}/me"), &[], Code::EndpointRefused),
        (format!("https://user:pw@idp.example.com:{tls_port}/me"), &[], Code::EndpointRefused),
        (format!("https://127.0.0.1:{tls_port}/me"), &[], Code::EndpointRefused),
        (format!("https://localhost:{tls_port}/me"), &[], Code::EndpointRefused),
        (format!("http://localhost:{plain_port}/me"), &[], Code::EndpointRefused),
        (format!("http://127.0.0.1:{plain_port}/me"), &["127.0.0.1:1"], Code::EndpointRefused),
        (format!("http://idp.example.com:{plain_port}/me"), &[], Code::EndpointRefused),
        (format!("//evil.com:{tls_port}/me"), &[], Code::EndpointRefused),
        (format!("file://evil.com:{tls_port}/me"), &[], Code::EndpointRefused),
        // A host whose certificate is another's gets no request.
        (format!("https://users.example.com:{tls_port}/me"), &[], Code::EndpointFetch),
    ];
    for (endpoint, hosts, expected) in table {
        let named = endpoint.clone();
        let members = move |_| format!(r#","userinfo_endpoint":"{named}","token_endpoint":"{named}""#);
        let provider = Provider::new(tls("idp.example.com"), "idp.example.com", members, own_claims());
        let caller = Caller::new(&format!("https://idp.example.com:{}", provider.port()), trusting(&ours));
        for (call, answer) in
            [("userinfo", caller.userinfo(hosts, PLENTY).await), ("exchange", caller.exchange(hosts, PLENTY).await)]
        {
            rows.push(endpoint.clone());
            let error = answer.expect_err(&endpoint);
            if Code::of_call(&error.cause) != expected || error.reason() != "service_error" || leaks(&printed(&error)) {
                wrong.push(format!("{call} {endpoint}: {}", printed(&error)));
            }
        }
        let strangers = caller.names.admitted.lock().unwrap().iter().filter(|address| !address.is_loopback()).count();
        if provider.was_asked() || strangers > 0 {
            wrong.push(format!(
                "{endpoint}: the provider was asked, or {strangers} addresses that are not this machine's"
            ));
        }
    }

    // Redirects, wherever they lead.
    for status in ["301 Moved", "302 Found", "303 See Other", "307 Temporary", "308 Permanent"] {
        for location in [
            format!("https://evil.com:{tls_port}/me"),
            format!("http://localhost:{plain_port}/me"),
            "/elsewhere".to_owned(),
            "https://169.254.169.254/latest".to_owned(),
        ] {
            let head = format!("{status}\r\nlocation: {location}");
            let answer: Answer = Arc::new(move |stream| reply(stream, &head, br#"{"sub":"user","access_token":"x"}"#));
            let provider = Provider::honest(tls("idp.example.com"), "idp.example.com", answer);
            let origin = format!("https://idp.example.com:{}", provider.port());
            let caller = Caller::new(&origin, trusting(&ours));
            for (call, answer) in [
                ("userinfo", caller.userinfo(&[], PLENTY).await),
                ("exchange", caller.exchange(&[], PLENTY).await),
                ("graph", caller.graph(&origin, "/v1.0/me", None).await.map(|(_, body)| body)),
            ] {
                rows.push(format!("{status} {location}"));
                let error = answer.expect_err(&location);
                let is_right = Code::of_call(&error.cause) == Code::EndpointStatus && error.status().is_some();
                if !is_right || leaks(&printed(&error)) {
                    wrong.push(format!("{call} {status} {location}: {}", printed(&error)));
                }
            }
            // Metadata, userinfo, exchange, Graph: nothing twice, nothing at /elsewhere.
            let seen = provider.server.seen.requests.lock().unwrap();
            if seen.len() != 4 || seen.iter().any(|head| head.contains("/elsewhere")) {
                wrong.push(format!("{status} {location}: {} requests", seen.len()));
            }
        }
    }
    let connections = [&canary, &tls_canary].map(|server| server.seen.connections.load(Ordering::SeqCst));
    let requests: usize = [&canary, &tls_canary].map(|server| server.seen.requests.lock().unwrap().len()).iter().sum();
    // The one certificate of a wrong name is looked at, by userinfo and exchange.
    let expected = [0, 2];
    let figure = format!(
        "{} calls, {} wrong, {requests} requests to canaries{}",
        rows.len(),
        wrong.len(),
        support::listed(&wrong)
    );
    let ok = wrong.is_empty() && connections == expected && requests == 0;
    score("S47", &figure, "each refused by its cause, 0 requests to canaries, no token in any text", ok);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_that_cannot_be_used_has_its_own_cause() {
    node();
    let ours = Authority::new();
    let gzip = |text: &[u8]| {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
        encoder.write_all(text).unwrap();
        encoder.finish().unwrap()
    };
    let json = "200 OK\r\ncontent-type: application/json";
    let bomb = gzip(&vec![b' '; 50_000_000]);
    let own = r#"{"sub":"user"}"#;
    let half: Answer = Arc::new(|stream| {
        write!(stream, "HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n{{\"sub\":\"user\"")?;
        stream.flush()
    });
    let hanging: Answer = Arc::new(|stream| {
        write!(stream, "HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n{{\"sub\":\"user\"")?;
        stream.flush()?;
        std::thread::sleep(PLENTY);
        Ok(())
    });
    let silent: Answer = Arc::new(|_| {
        std::thread::sleep(PLENTY);
        Ok(())
    });
    let trickling: Answer = Arc::new(|stream| {
        write!(stream, "HTTP/1.1 200 OK\r\ncontent-length: 1000000\r\n\r\n")?;
        loop {
            std::thread::sleep(Duration::from_millis(50));
            stream.write_all(b" ")?;
            stream.flush()?;
        }
    });
    let endless: Answer = Arc::new(|stream| {
        write!(stream, "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")?;
        loop {
            write!(stream, "10000\r\n")?;
            stream.write_all(&[b' '; 0x10000])?;
            write!(stream, "\r\n")?;
        }
    });
    let table: Vec<(&str, Answer, Code, Option<&str>)> = vec![
        ("half an answer", half, Code::EndpointFetch, Some("body-truncated")),
        ("a hanging body", hanging, Code::EndpointFetch, Some("timeout-body")),
        ("no answer", silent, Code::EndpointFetch, Some("timeout-body")),
        ("a trickle", trickling, Code::EndpointFetch, Some("timeout-body")),
        ("an endless body", endless, Code::EndpointFetch, Some("too-large")),
        ("closed at once", Arc::new(|_| Ok(())), Code::EndpointFetch, Some("reset")),
        (
            "no HTTP",
            Arc::new(|stream| stream.write_all(b"SSH-2.0-OpenSSH\r\n\r\n")),
            Code::EndpointFetch,
            Some("not-http"),
        ),
        ("a byte too many", fixed(json, vec![b' '; 1024 * 1024 + 1]), Code::EndpointFetch, Some("too-large")),
        (
            "a gzip bomb",
            Arc::new(move |stream| reply(stream, "200 OK\r\ncontent-encoding: gzip", &bomb)),
            Code::EndpointFetch,
            Some("too-large"),
        ),
        ("another coding", fixed("200 OK\r\ncontent-encoding: br", own), Code::EndpointFetch, Some("encoding")),
        ("members twice", fixed(json, r#"{"sub":"evil","sub":"user"}"#), Code::EndpointAnswer, None),
        ("members twice inside", fixed(json, r#"{"sub":"user","a":{"b":1,"\u0062":2}}"#), Code::EndpointAnswer, None),
        ("a page", fixed("200 OK\r\ncontent-type: text/html", own), Code::EndpointAnswer, None),
        ("a JWT", fixed("200 OK\r\ncontent-type: application/jwt", "a.b.c"), Code::EndpointAnswer, None),
        ("no object", fixed(json, r#"[{"sub":"user"}]"#), Code::EndpointAnswer, None),
        ("not UTF-8", fixed(json, b"{\"sub\":\"user\",\"a\":\"\xff\"}".to_vec()), Code::EndpointAnswer, None),
        ("a deep one", fixed(json, format!("{{\"a\":{}", "[".repeat(100_000))), Code::EndpointAnswer, None),
        ("nothing", fixed(json, ""), Code::EndpointAnswer, None),
        ("nobody's", fixed(json, "{}"), Code::UserinfoSubject, None),
        ("another's", fixed(json, r#"{"sub":"user2"}"#), Code::UserinfoSubject, None),
        ("401", fixed("401 Unauthorized", "{}"), Code::EndpointUnauthorized, None),
        ("403", fixed("403 Forbidden", "{}"), Code::EndpointUnauthorized, None),
        ("500", fixed("500 Oh", own), Code::EndpointStatus, None),
        (
            "the token again",
            fixed(json, format!(r#"{{"sub":"{TOKEN}","error":"{TOKEN}"}}"#)),
            Code::UserinfoSubject,
            None,
        ),
    ];
    for (what, answer, expected, connection) in table {
        let provider = Provider::honest(Some(ours.identity("idp.example.com").server(None)), "idp.example.com", answer);
        let caller = Caller::new(&format!("https://idp.example.com:{}", provider.port()), trusting(&ours));
        let limit = if connection == Some("timeout-body") { LIMIT } else { PLENTY };
        let begun = Instant::now();
        let error = caller.userinfo(&[], limit).await.expect_err(what);
        assert!(begun.elapsed() < PLENTY, "{what}");
        assert_eq!(
            (Code::of_call(&error.cause), error.connection()),
            (expected, connection),
            "{what}: {}",
            printed(&error)
        );
        assert_eq!(error.host.as_deref(), Some("idp.example.com"), "{what}");
        assert!(!leaks(&printed(&error)), "{what}: {}", printed(&error));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn secrets_go_by_the_tunnel_and_never_to_a_proxy() {
    node();
    let ours = Authority::new();
    let gate = proxy(None);
    let by_proxy = |keys: KeyOptions| {
        let to = format!("http://127.0.0.1:{}", gate.port);
        KeyOptions { proxy: Some(ProxyOptions { http: Some(to), ..ProxyOptions::default() }), ..keys }
    };
    let tls = Some(ours.identity("idp.example.com").server(None));
    let provider = Provider::honest(tls, "idp.example.com", own_claims());
    let caller = Caller::new(&format!("https://idp.example.com:{}", provider.port()), by_proxy(trusting(&ours)));
    assert!(caller.userinfo(&[], PLENTY).await.is_ok());
    assert_eq!(caller.exchange(&[], PLENTY).await.unwrap(), "other");
    let heads = gate.seen.requests.lock().unwrap().clone();
    assert!(!heads.is_empty() && heads.iter().all(|head| head.starts_with("CONNECT ") && !leaks(head)), "{heads:?}");
    assert!(provider.bodies.lock().unwrap().iter().any(|body| body.contains(SECRET)));

    // Plain http is for this machine: metadata may come by the proxy, a token stays.
    let plain = Provider::honest(None, "localhost", own_claims());
    let gate_before = gate.seen.requests.lock().unwrap().len();
    let origin = format!("http://localhost:{}", plain.port());
    let caller = Caller::new(&origin, by_proxy(KeyOptions::default()));
    let answer = caller.graph(&origin, "/v1.0/me", Some("{}")).await;
    assert!(answer.is_ok(), "{answer:?}");
    assert_eq!(gate.seen.requests.lock().unwrap().len(), gate_before);

    // A proxy that says no is who is to be looked at.
    let shut = proxy(Some("Basic never"));
    let to = format!("http://127.0.0.1:{}", shut.port);
    let keys =
        KeyOptions { proxy: Some(ProxyOptions { http: Some(to), ..ProxyOptions::default() }), ..trusting(&ours) };
    let caller = Caller::new(&format!("https://idp.example.com:{}", provider.port()), keys);
    let error = caller.userinfo(&[], PLENTY).await.unwrap_err();
    assert_eq!((error.connection(), error.host.as_deref()), (Some("proxy-auth"), Some("127.0.0.1")));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn private_addresses_and_certificates_are_decided_by_the_policy() {
    node();
    let ours = Authority::new();
    let provider =
        Provider::honest(Some(ours.identity("idp.example.com").server(None)), "idp.example.com", own_claims());
    let origin = format!("https://idp.example.com:{}", provider.port());
    let strict = KeyOptions { refuse_private_addresses: Some(true), ..trusting(&ours) };
    let error = Caller::new(&origin, strict).userinfo(&[], PLENTY).await.unwrap_err();
    assert_eq!(Code::of_call(&error.cause), Code::AddressRefused);
    let error = Caller::new(&origin, KeyOptions::default()).userinfo(&[], PLENTY).await.unwrap_err();
    assert_eq!((Code::of_call(&error.cause), error.connection()), (Code::DiscoveryFetch, Some("tls-untrusted")));
    let error = Caller::new(&origin, trusting(&ours)).graph("https://lan.example.com", "/v1.0/me", None).await;
    // Nobody here is connected to beyond this machine, so that a private address that may be asked is not found.
    assert_eq!(error.unwrap_err().connection(), Some("dns"));
    assert!(!provider.was_asked());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn graph_answers_cross_a_real_connection_that_is_kept() {
    // One connection, many requests; it is closed without a word after every third.
    let connections = Arc::new(Mutex::new(Vec::new()));
    let seen_by = Arc::clone(&connections);
    let server = serve(None, move |stream, seen| {
        let mut head = seen.requests.lock().unwrap().last().unwrap().clone();
        for answered in 1.. {
            let body = read_body(stream, &head)?;
            seen_by.lock().unwrap().push((head.lines().next().unwrap().to_owned(), body));
            let text = r#"{"value":["a"]}"#;
            let more = "content-type: application/json; odata.metadata=minimal\r\nretry-after: 7";
            write!(stream, "HTTP/1.1 200 OK\r\n{more}\r\ncontent-length: {}\r\n\r\n{text}", text.len())?;
            stream.flush()?;
            if answered == 3 {
                break;
            }
            head = String::new();
            let mut byte = [0];
            while !head.ends_with("\r\n\r\n") {
                stream.read_exact(&mut byte)?;
                head.push(char::from(byte[0]));
            }
        }
        Ok(())
    });
    let origin = format!("http://127.0.0.1:{}", server.port);
    let caller = Caller::new("http://127.0.0.1:1", KeyOptions::default());
    for _ in 0..10 {
        let answer = caller.graph(&origin, "/v1.0/me/getMemberGroups", Some(r#"{"a":1}"#)).await.unwrap();
        assert_eq!(answer, (200, r#"{"value":["a"]}"#.to_owned()));
    }
    let all = connections.lock().unwrap();
    assert_eq!(all.len(), 10, "each is answered once");
    assert!(all.iter().all(|(line, body)| line == "POST /v1.0/me/getMemberGroups HTTP/1.1" && body == r#"{"a":1}"#));
    assert!(server.seen.connections.load(Ordering::SeqCst) <= 5);
}
