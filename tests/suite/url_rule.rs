//! Which URLs a policy may name, and how issuers are normalised: the tables that jest runs too.

use std::sync::Arc;

use crate::support::{JWKS, OIDC_METADATA, Signer, World, jwks, listed, metadata, score, status};
use remote_agent_auth::error::Code;
use remote_agent_auth::policy::endpoint::Endpoint;
use remote_agent_auth::policy::issuer::{Issuer, normalise};
use remote_agent_auth::policy::{Policy, PolicyError, PolicyOptions};
use remote_agent_auth::provider::fetch::{Document, Fetch, FetchError, HttpFetch, Request, Response};
use serde::Deserialize;
use serde_json::Value;

#[derive(Deserialize)]
struct UrlRow {
    value: Value,
    allowed: bool,
    #[serde(default)]
    unset: bool,
}

fn urls() -> Vec<(String, bool, bool)> {
    let rows: Vec<UrlRow> = serde_json::from_str(include_str!("../vectors/urls.json")).expect("a table of URLs");
    // Values that are not text can only come from JavaScript.
    let texts = rows.into_iter().filter_map(|row| Some((row.value.as_str()?.to_owned(), row.allowed, row.unset)));
    texts.collect()
}

fn options() -> PolicyOptions {
    PolicyOptions {
        issuer: "https://id.example".to_owned(),
        audience: vec!["api".to_owned()],
        ..PolicyOptions::default()
    }
}

#[test]
fn allows_https_anywhere_and_http_on_this_machine_only() {
    let rows = urls();
    assert!(rows.len() >= 110, "only {} rows", rows.len());
    let wrong: Vec<_> = rows
        .iter()
        .filter(|(text, allowed, _)| Endpoint::parse(text).is_some() != *allowed)
        .map(|(text, allowed, _)| format!("{text:?} should be {}", if *allowed { "allowed" } else { "refused" }))
        .collect();
    println!("{} URLs", rows.len());
    assert!(wrong.is_empty(), "{} of {} rows:\n{}", wrong.len(), rows.len(), wrong.join("\n"));
}

#[test]
fn a_policy_applies_the_rule_to_its_issuer() {
    for (issuer, allowed, _) in urls() {
        let parsed = Policy::parse(PolicyOptions { issuer: issuer.clone(), ..options() }).map(|_| ());
        assert_eq!(parsed, if allowed { Ok(()) } else { Err(PolicyError::Issuer) }, "{issuer:?}");
    }
}

#[test]
fn a_policy_applies_the_rule_to_its_jwks_uri() {
    for (uri, allowed, unset) in urls() {
        let parsed = Policy::parse(PolicyOptions { jwks_uri: Some(uri.clone()), ..options() }).map(|_| ());
        assert_eq!(parsed, if allowed || unset { Ok(()) } else { Err(PolicyError::JwksUri) }, "{uri:?}");
    }
}

#[test]
fn normalises_issuers_as_the_table_says() {
    #[derive(Deserialize)]
    struct IssuerRow {
        configured: String,
        normal: Option<String>,
        accepted: Vec<String>,
    }
    let rows: Vec<IssuerRow> =
        serde_json::from_str(include_str!("../vectors/issuers.json")).expect("a table of issuer forms");
    assert!(rows.len() >= 30, "only {} rows", rows.len());
    for row in &rows {
        assert_eq!(normalise(&row.configured), row.normal.as_deref(), "{:?}", row.configured);
        let Some(issuer) = Issuer::parse(&row.configured) else {
            assert!(row.accepted.is_empty(), "{:?} is no issuer", row.configured);
            continue;
        };
        // An `iss` of any form in the table is accepted exactly where the row lists it.
        for iss in rows.iter().flat_map(|other| std::iter::once(&other.configured).chain(&other.normal)) {
            assert_eq!(issuer.accepts_token(iss, None), row.accepted.contains(iss), "{iss:?} for {:?}", row.configured);
        }
    }
}

/// Row S18 of the scorecard. Nothing here can leave this machine, even if the code is wrong: the network is scripted, and
/// the real one is only asked for literals, without the trusted certificates without which it makes no client.
#[tokio::test(start_paused = true)]
async fn no_url_that_is_not_allowed_is_ever_asked_for() {
    let signer = Signer::new("k");
    let (mut wrong, mut cases) = (Vec::new(), 0);
    let rows = urls();
    // What the metadata say the keys are at.
    for (uri, allowed, unset) in &rows {
        cases += 1;
        let world = World::with_discovery();
        world.network.answer(OIDC_METADATA, metadata(uri));
        let code = world.code(&signer.token()).await;
        let elsewhere: Vec<_> = world.network.asked().into_iter().filter(|url| url != OIDC_METADATA).collect();
        let right = match (allowed, unset) {
            (true, false) => {
                code == Some(Code::JwksFetch) && elsewhere.len() == 1 && Endpoint::parse(&elsewhere[0]).is_some()
            }
            _ => code == Some(Code::DiscoveryDocument) && elsewhere.is_empty(),
        };
        if !right {
            wrong.push(format!("jwks_uri {uri:?}: {code:?}, asked for {elsewhere:?}"));
        }
    }
    // Where a redirect leads: to the same scheme, host and port, three times at most; the keys are never redirected.
    let redirect = |code, location: &str| Response { location: Some(location.to_owned()), ..status(code) };
    let canaries = [
        "http://idp.example/x",
        "https://evil.example/x",
        "//evil.example/x",
        "https://idp.example:8443/x",
        "https://idp.example.evil.example/",
        "http://127.0.0.1/x",
        "http://localhost/x",
        "https://169.254.169.254/latest",
        "https://[::ffff:169.254.169.254]/",
        "https://idp.example@evil.example/",
        "file:///etc/passwd",
        "data:application/json,{}",
        "javascript:1",
        "\\\\evil.example\\x",
        "https:\\\\evil.example",
        "http:x",
        "",
    ];
    for location in canaries {
        for code in [301, 302, 303, 307, 308] {
            cases += 2;
            let world = World::with_discovery();
            world.network.answer(OIDC_METADATA, redirect(code, location));
            let metadata_code = world.code(&signer.token()).await;
            // An empty location leads back to where it came from, until there were too many.
            let astray = world.network.asked().into_iter().filter(|url| url != OIDC_METADATA).count();
            let keys = World::with_jwks_uri();
            keys.network.answer(JWKS, redirect(code, location));
            let keys_code = keys.code(&signer.token()).await;
            if metadata_code != Some(Code::DiscoveryDocument)
                || astray > 0
                || keys_code != Some(Code::JwksFetch)
                || keys.network.fetches() != 1
            {
                wrong.push(format!("{code} to {location:?}: {metadata_code:?}, {astray} astray, keys {keys_code:?}"));
            }
        }
    }
    for (length, passes) in [(1, true), (3, true), (4, false)] {
        cases += 1;
        let world = World::with_discovery();
        let at = |n: usize| if n == 0 { OIDC_METADATA.to_owned() } else { format!("https://idp.example/{n}") };
        for n in 0..length {
            world.network.answer(&at(n), redirect(302, &at(n + 1)));
        }
        world.network.answer(&at(length), metadata(JWKS));
        world.network.answer(JWKS, jwks(&[&signer]));
        let code = world.code(&signer.token()).await;
        if code.is_none() != passes {
            wrong.push(format!("{length} redirects: {code:?}"));
        }
    }
    // Addresses that are never connected to, in every spelling a URL has for them.
    for literal in [
        "169.254.169.254",
        "169.254.0.1",
        "0xa9fea9fe",
        "2852039166",
        "0251.0376.0251.0376",
        "169.254.43518",
        "[::ffff:169.254.169.254]",
        "[::ffff:a9fe:a9fe]",
        "[64:ff9b::a9fe:a9fe]",
        "[64:ff9b::169.254.169.254]",
        "[fe80::1]",
        "[febf::1]",
        "[fd00:ec2::254]",
        "100.100.100.200",
        "168.63.129.16",
        "0.0.0.0",
        "0",
        "[::]",
        "224.0.0.1",
        "255.255.255.255",
        "[ff02::1]",
    ] {
        cases += 1;
        let url = Endpoint::parse(&format!("https://{literal}/keys")).expect("an https URL");
        let deadline = tokio::time::Instant::now() + std::time::Duration::from_secs(10);
        let transport = Arc::default();
        let request = Request::get(&url, &transport, Document::Keys, deadline);
        let answer = HttpFetch::default().fetch(request).await;
        if answer != Err(FetchError::Address) {
            wrong.push(format!("{literal}: {answer:?}"));
        }
    }
    let figure = format!("{cases} cases, {} wrong{}", wrong.len(), listed(&wrong));
    score("S18", &figure, "table exact, 0 requests to canaries", wrong.is_empty());
}
