//! Which URLs a policy may name, and how issuers are normalised: the tables that jest runs too.

use remote_agent_auth::policy::endpoint::Endpoint;
use remote_agent_auth::policy::issuer::{Issuer, normalise};
use remote_agent_auth::policy::{Policy, PolicyError, PolicyOptions};
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
    let rows: Vec<UrlRow> = serde_json::from_str(include_str!("vectors/urls.json")).expect("a table of URLs");
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
        serde_json::from_str(include_str!("vectors/issuers.json")).expect("a table of issuer forms");
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
