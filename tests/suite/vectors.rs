//! Every row of the vector tables through the pure path: policy, keys, token and time in, one answer out.
//! `__test__/journey/vectors.test.js` runs the same bytes through the native addon.

use std::collections::HashMap;
use std::sync::Arc;

use remote_agent_auth::error::Refusal;
use remote_agent_auth::keys::KeySet;
use remote_agent_auth::policy::grant::ClaimPath;
use remote_agent_auth::policy::{GrantOptions, MAX_TOKEN_BYTES, Policy, PolicyError, PolicyOptions};
use remote_agent_auth::time::UnixSeconds;
use remote_agent_auth::token::UnverifiedToken;
use remote_agent_auth::verify::{Verified, admissible, verify};
use serde::Deserialize;
use serde_json::Value;

#[derive(Deserialize)]
struct Row {
    name: String,
    policy: RowPolicy,
    keys: String,
    now: f64,
    token: String,
    expect: String,
    scopes: Option<Vec<String>>,
}

#[derive(Deserialize, Clone)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct RowPolicy {
    issuer: String,
    audience: Option<OneOrMore>,
    scope: Option<String>,
    algorithms: Option<Vec<String>>,
    require_exp: Option<bool>,
    require_kid: Option<bool>,
    clock_tolerance: Option<f64>,
    jwks_uri: Option<String>,
    email_claim: Option<String>,
    typ: Option<String>,
    token_use: Option<String>,
    allowed_clients: Option<Vec<String>>,
    client_claim: Option<String>,
    required_roles: Option<RowGrants>,
    required_permissions: Option<Vec<String>>,
}

#[derive(Deserialize, Clone)]
#[serde(deny_unknown_fields)]
struct RowGrants {
    #[serde(default)]
    any: Vec<String>,
    #[serde(default)]
    all: Vec<String>,
    claim: Option<OneOrMore>,
}

impl From<RowGrants> for GrantOptions {
    fn from(RowGrants { any, all, claim }: RowGrants) -> Self {
        let claim = claim.map(|claim| match claim {
            OneOrMore::One(path) => ClaimPath::dotted(&path),
            OneOrMore::More(names) => ClaimPath::of_names(&names),
        });
        Self { any, all, claim }
    }
}

#[derive(Deserialize, Clone)]
#[serde(untagged)]
enum OneOrMore {
    One(String),
    More(Vec<String>),
}

#[derive(Deserialize)]
struct KeySets {
    sets: HashMap<String, String>,
}

/// Keys come from the set, not from the network.
const JWKS_DOCUMENT: &str = "ERR_JWKS_DOCUMENT";

fn policy(row: &RowPolicy) -> Result<Policy, PolicyError> {
    let row = row.clone();
    Policy::parse(PolicyOptions {
        issuer: row.issuer,
        audience: match row.audience {
            None => Vec::new(),
            Some(OneOrMore::One(audience)) => vec![audience],
            Some(OneOrMore::More(audiences)) => audiences,
        },
        scope: row.scope,
        algorithms: row.algorithms,
        require_exp: row.require_exp,
        require_kid: row.require_kid,
        clock_tolerance: row.clock_tolerance,
        jwks_uri: row.jwks_uri,
        email_claim: row.email_claim,
        typ: row.typ,
        token_use: row.token_use,
        allowed_clients: row.allowed_clients,
        client_claim: row.client_claim,
        required_roles: row.required_roles.map(Into::into),
        required_permissions: row.required_permissions.map(|all| GrantOptions { all, ..GrantOptions::default() }),
        ..PolicyOptions::default()
    })
}

fn answer(row: &Row, keys: &str) -> Result<Verified, &'static str> {
    let name = |refusal: Refusal| refusal.code().name();
    let policy = policy(&row.policy).map_err(|error| name(error.into()))?;
    let token = Arc::new(UnverifiedToken::parse(&row.token, MAX_TOKEN_BYTES).map_err(|error| name(error.into()))?);
    admissible(&token, &policy).map_err(|error| name(error.into()))?;
    let keys = KeySet::parse(keys.as_bytes()).map_err(|_| JWKS_DOCUMENT)?;
    let now = UnixSeconds::new(row.now).expect("a finite time");
    verify(&token, &keys, &policy, now).map_err(|error| name(error.into()))
}

fn run_table(table: &str, at_least: usize) {
    let rows: Vec<Row> = serde_json::from_str(table).expect("a table of rows");
    assert!(rows.len() >= at_least, "only {} rows", rows.len());
    let KeySets { sets } = serde_json::from_str(include_str!("../vectors/key-sets.json")).expect("key sets");
    let mut wrong = Vec::new();
    for row in &rows {
        let answer = answer(row, &sets[&row.keys]);
        let said = answer.as_ref().map_or_else(|code| *code, |_| "ok");
        if said != row.expect {
            wrong.push(format!("{}: expected {}, got {said}", row.name, row.expect));
        } else if let Ok(verified) = answer {
            wrong.extend(contradictions(row, &verified));
        }
    }
    println!("{} rows", rows.len());
    assert!(wrong.is_empty(), "{} of {} rows:\n{}", wrong.len(), rows.len(), wrong.join("\n"));
}

/// What an accepted token says of itself, read by a parser that is not the core's.
fn contradictions(row: &Row, verified: &Verified) -> Vec<String> {
    let mut wrong = Vec::new();
    let payload = row.token.split('.').nth(1).expect("a payload");
    let text = remote_agent_auth::base64url::decode(payload.as_bytes()).expect("base64url");
    if verified.claims().as_bytes() != text {
        wrong.push(format!("{}: the claims are not the payload's bytes", row.name));
    }
    if let Some(scopes) = &row.scopes
        && verified.scopes().collect::<Vec<_>>() != *scopes
    {
        wrong.push(format!("{}: scopes {:?} instead of {scopes:?}", row.name, verified.scopes().collect::<Vec<_>>()));
    }
    // Numbers past a double's range are no JSON to serde_json; the rows that have them are compared by their code alone.
    if let Ok(claims) = serde_json::from_slice::<Value>(&text) {
        if claims.get("sub").and_then(Value::as_str) != Some(verified.subject()) {
            wrong.push(format!("{}: another subject", row.name));
        }
        if claims.get("exp").and_then(Value::as_f64) != verified.expires_at() {
            wrong.push(format!("{}: another exp", row.name));
        }
    }
    wrong
}

#[test]
fn answers_headers_and_encodings_as_the_table_says() {
    run_table(include_str!("../vectors/headers.json"), 90);
}

#[test]
fn answers_algorithms_and_keys_as_the_table_says() {
    run_table(include_str!("../vectors/algorithms.json"), 250);
}

#[test]
fn answers_claims_as_the_table_says() {
    run_table(include_str!("../vectors/claims.json"), 150);
}

#[test]
fn answers_issuer_forms_as_the_table_says() {
    run_table(include_str!("../vectors/issuer-forms.json"), 40);
}

#[test]
fn answers_scopes_as_the_table_says() {
    run_table(include_str!("../vectors/scopes.json"), 70);
}

#[test]
fn answers_limits_as_the_table_says() {
    run_table(include_str!("../vectors/limits.json"), 25);
}

#[test]
fn answers_tokens_of_providers_as_the_table_says() {
    run_table(include_str!("../vectors/profiles.json"), 45);
}

/// Rows that no Rust caller could write (a number for `scope`, an unknown option) are left to jest.
#[test]
fn answers_policies_as_the_table_says() {
    #[derive(Deserialize)]
    struct PolicyRow {
        name: String,
        policy: Value,
        expect: String,
    }
    let rows: Vec<PolicyRow> =
        serde_json::from_str(include_str!("../vectors/policies.json")).expect("a table of policies");
    let mut ran = 0;
    for row in &rows {
        let Ok(written) = serde_json::from_value::<RowPolicy>(row.policy.clone()) else { continue };
        let said = policy(&written).map_or_else(|error| Refusal::from(error).code().name(), |_| "ok");
        assert_eq!(said, row.expect, "{}", row.name);
        ran += 1;
    }
    println!("{ran} of {} policies", rows.len());
    assert!(ran >= 30, "only {ran} rows ran");
}
