//! A provider's answers to the requests of a discovery (OpenID Connect Discovery 1.0 4, RFC 8414 3), separated by U+001E. An
//! answer is a status and a space before the `Location` of a redirect or the body; without them a body with status 200.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::LazyLock;

use remote_agent_auth::mismatch::Seen;
use remote_agent_auth::policy::endpoint::Endpoint;
use remote_agent_auth::policy::issuer::Issuer;
use remote_agent_auth::provider::address::{Reach, is_refused_host};
use remote_agent_auth::provider::discovery::{Discovery, DiscoveryError, Metadata, Next};
use remote_agent_auth::provider::fetch::Response;
use serde_json::Value;

/// An issuer, and the `issuer` values its metadata may have.
struct Asked {
    issuer: Issuer,
    origin: &'static str,
    names: &'static [&'static str],
}

static ASKED: LazyLock<[Asked; 3]> = LazyLock::new(|| {
    let issuer = |text: &str| Issuer::parse(text).unwrap();
    let tenants = Issuer::parse_multi_tenant("https://b.example/common/v2.0", &["t".to_owned()]).unwrap();
    [
        Asked {
            issuer: issuer("https://a.example/r/"),
            origin: "https://a.example",
            names: &["https://a.example/r/", "https://a.example/r"],
        },
        Asked {
            issuer: issuer("http://localhost:8080"),
            origin: "http://localhost:8080",
            names: &["http://localhost:8080"],
        },
        Asked {
            issuer: tenants,
            origin: "https://b.example",
            names: &["https://b.example/{tenantid}/v2.0", "https://b.example/{tenantid}/v2.0/"],
        },
    ]
});

/// Whatever a provider answers, it is asked for nothing outside its own origin and not for ever; keys are found only where
/// metadata of the very issuer say, at a URL that may be fetched, and then they are found.
pub fn holds(input: &[u8]) -> bool {
    let answers: Vec<Response> = input.split(|byte| *byte == 0x1e).map(response).collect();
    let found = ASKED.iter().filter(|asked| leads_to_keys(asked, &answers));
    found.count() > 0
}

fn response(answer: &[u8]) -> Response {
    let with_status = std::str::from_utf8(answer.get(..3).unwrap_or_default())
        .ok()
        .filter(|_| answer.get(3) == Some(&b' '))
        .and_then(|status| status.parse().ok());
    let Some(status) = with_status else {
        return Response { status: 200, body: answer.to_vec(), ..Response::default() };
    };
    let rest = &answer[4..];
    let location = (300..400).contains(&status).then(|| String::from_utf8_lossy(rest).into_owned());
    Response { status, location, body: rest.to_vec(), ..Response::default() }
}

fn leads_to_keys(asked: &Asked, answers: &[Response]) -> bool {
    let (mut discovery, mut next) = Discovery::begin(&asked.issuer).unwrap();
    assert!(matches!(&next, Next::Fetch(at) if at.as_str().starts_with(asked.origin)));
    let (mut requests, mut redirects) = (0, 0);
    for answer in answers {
        if matches!(next, Next::Found(_)) {
            break;
        }
        requests += 1;
        let expected = keys_at(asked, answer);
        match discovery.answer(answer) {
            Ok(Next::Found(found)) => {
                assert_may_be_fetched(&found.keys, None);
                assert_eq!(Ok(found.keys.as_str()), expected.as_ref().map(Endpoint::as_str));
                assert_endpoints_are_as_written(&found, answer);
                next = Next::Found(found);
            }
            Ok(Next::Fetch(at)) => {
                assert!(matches!(answer.status, 301 | 302 | 303 | 307 | 308 | 400..=499) && expected.is_err());
                assert_may_be_fetched(&at, Some(asked.origin));
                // Each of the two documents, and three redirects from each.
                redirects = if answer.status < 400 { redirects + 1 } else { 0 };
                assert!(redirects <= 3 && requests < 8);
                next = Next::Fetch(at);
            }
            Err(error) => {
                // Of two documents the first one's error is reported.
                assert!(expected.is_err_and(|own| own == error || requests > 1), "{answer:?}: {error}");
                return false;
            }
        }
    }
    matches!(next, Next::Found(_))
}

/// What the strict reading takes for an endpoint, every other one does too.
fn assert_endpoints_are_as_written(found: &Metadata, answer: &Response) {
    let Ok(endpoints) = &found.endpoints else { return };
    let document: Value = serde_json::from_slice(&answer.body).unwrap();
    let written = |name: &str| document.get(name).map(|value| value.as_str().unwrap_or_default());
    assert_eq!(endpoints.untrusted_userinfo.as_deref(), written("userinfo_endpoint"));
    assert_eq!(endpoints.untrusted_token.as_deref(), written("token_endpoint"));
}

/// Where the keys are, by this answer alone.
fn keys_at(asked: &Asked, answer: &Response) -> Result<Endpoint, DiscoveryError> {
    match answer.status {
        200..=299 => {}
        301 | 302 | 303 | 307 | 308 => return Err(DiscoveryError::Redirect),
        status => return Err(DiscoveryError::Status(status)),
    }
    let document: Value = serde_json::from_slice(&answer.body).map_err(|_| DiscoveryError::Json)?;
    let members = document.as_object().ok_or(DiscoveryError::Document)?;
    let is_his = |issuer: &Value| asked.names.iter().any(|name| issuer == name);
    if !members.get("issuer").is_some_and(is_his) {
        return Err(DiscoveryError::Issuer(Seen::instead_of(
            asked.issuer.configured(),
            members.get("issuer").and_then(Value::as_str).unwrap_or_default(),
        )));
    }
    match members.get("jwks_uri") {
        Some(Value::String(uri)) if !uri.is_empty() => Endpoint::parse(uri).ok_or(DiscoveryError::JwksUri),
        _ => Err(DiscoveryError::NoJwksUri),
    }
}

/// https, or http to this machine; at `origin`, if one is named; and no address of metadata services is ever connected to.
fn assert_may_be_fetched(endpoint: &Endpoint, origin: Option<&str>) {
    let url = endpoint.url();
    let host = url.host_str().unwrap();
    let is_this_machine = ["localhost", "127.0.0.1", "[::1]"].contains(&host) || host.ends_with(".localhost");
    assert!(!host.is_empty() && (url.scheme() == "https" || (url.scheme() == "http" && is_this_machine)), "{url}");
    assert_eq!(endpoint.is_plain(), url.scheme() == "http");
    assert!(origin.is_none_or(|origin| url.origin().ascii_serialization() == origin), "{url}");
    assert_eq!(Endpoint::parse(endpoint.as_str()).as_ref(), Some(endpoint));
    let shown = Endpoint::parse(&endpoint.without_credentials()).unwrap();
    assert!(shown.url().username().is_empty() && shown.url().password().is_none() && shown.url().query().is_none());
    let literal = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>().ok();
    if literal.is_some_and(is_link_local) {
        assert!(is_refused_host(url, Reach::Everywhere) && is_refused_host(url, Reach::PublicOnly), "{url}");
    }
}

/// 169.254.0.0/16, also inside `::ffff:0:0/96` and `64:ff9b::/96`, and fe80::/10.
fn is_link_local(address: IpAddr) -> bool {
    let v6 = match address {
        IpAddr::V4(v4) => v4.to_ipv6_mapped(),
        IpAddr::V6(v6) => v6,
    };
    let bits = u128::from(v6);
    let prefixes =
        [u128::from(Ipv4Addr::UNSPECIFIED.to_ipv6_mapped()), u128::from(Ipv6Addr::new(0x64, 0xff9b, 0, 0, 0, 0, 0, 0))];
    let is_embedded = prefixes.iter().any(|prefix| bits >> 32 == prefix >> 32);
    (is_embedded && (bits >> 16) & 0xffff == 0xa9fe) || bits >> 118 == 0xfe80 >> 6
}
