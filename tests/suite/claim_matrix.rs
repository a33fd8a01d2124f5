//! Every kind of value in every claim that a rule looks at: one code each, and the ends of a token's life to the second.
//! Row S9 of the scorecard.

use std::sync::Arc;

use crate::support::{ISSUER, JWKS, NOW, Signer, World, jwks, listed, score};
use remote_agent_auth::error::Code;
use remote_agent_auth::policy::{Policy, PolicyOptions};
use remote_agent_auth::time::UnixSeconds;
use remote_agent_auth::verifier::{Checked, Memory};
use serde_json::json;

/// What a letter of the table stands for.
fn code(letter: char) -> Option<Code> {
    Some(match letter {
        '.' => return None,
        'J' => Code::TokenMalformed,
        'C' => Code::TokenClaims,
        'X' => Code::TokenExpired,
        'N' => Code::TokenNotYetValid,
        'A' => Code::TokenAudience,
        'I' => Code::TokenIssuer,
        'S' => Code::TokenSubject,
        'M' => Code::ScopeMalformed,
        'm' => Code::ScopeMissing,
        other => panic!("{other}"),
    })
}

const CLAIMS: [&str; 6] = ["exp", "nbf", "aud", "iss", "sub", "scope"];

/// A value as JSON text (empty: the claim is absent), and its code as `exp`, `nbf`, `aud`, `iss`, `sub`, `scope`. The
/// token is valid at 1,800,000,000 for the audience `api`, and the policy asks for the scope `read`.
const TABLE: [(&str, &str); 33] = [
    ("", "C.AISm"),
    ("null", "CCAISm"),
    ("true", "CCAISM"),
    // LibreChat takes `false` and 0 for no scope at all.
    ("false", "CCAISm"),
    ("0", "X.AISm"),
    ("-0", "X.AISm"),
    ("1", "X.AISM"),
    ("-1", "X.AISM"),
    ("1799999999", "X.AISM"),
    ("1800000000", "X.AISM"),
    ("1800000000.5", ".NAISM"),
    ("1800000001", ".NAISM"),
    ("18e8", "X.AISM"),
    ("1e300", ".NAISM"),
    ("1e400", "JJJJJJ"),
    ("NaN", "JJJJJJ"),
    ("0x7fffffff", "JJJJJJ"),
    ("\"\"", "CCAISm"),
    ("\" \\t\\n\"", "CCAISm"),
    ("\"api\"", "CC.I.m"),
    ("\"API\"", "CCAI.m"),
    ("\"https://idp.example/realm\"", "CCA..m"),
    ("\"https://idp.example/realm/\"", "CCAI.m"),
    ("\"read\"", "CCAI.."),
    ("\"write read\"", "CCAI.."),
    ("\"1800000300\"", "CCAI.m"),
    ("\"\\ud800\"", "JJJJJJ"),
    ("[]", "CCAISm"),
    ("[\"x\",\"api\"]", "CC.ISm"),
    ("[\"https://idp.example/realm\"]", "CCAISm"),
    ("[\"write\",\"read\"]", "CCAIS."),
    ("[\"api\",\"read\",1]", "CC.ISM"),
    ("{\"api\":\"read\"}", "CCAISM"),
];

fn strict(tolerance: f64) -> Arc<Policy> {
    Arc::new(
        Policy::parse(PolicyOptions {
            issuer: ISSUER.to_owned(),
            audience: vec!["api".to_owned()],
            jwks_uri: Some(JWKS.to_owned()),
            scope: Some("read".to_owned()),
            clock_tolerance: Some(tolerance),
            ..PolicyOptions::default()
        })
        .unwrap(),
    )
}

/// The code of a check at a moment, as it stands at once: the keys are at hand.
fn said(world: &World, token: &str, policy: &Arc<Policy>, now: f64, memory: Memory) -> Option<Code> {
    match world.verifier.check(token, policy, UnixSeconds::new(now).unwrap(), memory) {
        Checked::Now(answer) => answer.err().map(|refusal| refusal.code()),
        Checked::Later(_) => panic!("the keys are at hand"),
    }
}

#[tokio::test(start_paused = true)]
async fn every_value_of_every_claim_has_its_code_to_the_second() {
    let signer = Signer::new("k");
    let world = World::with_jwks_uri();
    world.network.answer(JWKS, jwks(&[&signer]));
    assert_eq!(world.code(&signer.token()).await, None);
    let header = json!({ "alg": "ES256", "kid": "k" }).to_string();
    let mint = |name: &str, value: &str| {
        let usual = [
            ("iss", json!(ISSUER).to_string()),
            ("aud", "\"api\"".to_owned()),
            ("sub", "\"user\"".to_owned()),
            ("exp", "1800000300".to_owned()),
            ("scope", "\"read\"".to_owned()),
        ];
        let kept = usual.iter().filter(|(usual, _)| *usual != name).map(|(name, value)| format!("\"{name}\":{value}"));
        let changed = (!value.is_empty()).then(|| format!("\"{name}\":{value}"));
        signer.sign_text(&header, &format!("{{{}}}", kept.chain(changed).collect::<Vec<_>>().join(",")))
    };
    let (mut cells, mut wrong) = (0, Vec::new());
    let mut compare = |what: String, expected: Option<Code>, said: Option<Code>| {
        cells += 1;
        if said != expected {
            wrong.push(format!("{what}: {said:?} instead of {expected:?}"));
        }
    };
    let policy = strict(0.0);
    for (value, letters) in TABLE {
        for (name, letter) in CLAIMS.into_iter().zip(letters.chars()) {
            let token = mint(name, value);
            // Twice, the second time from what is remembered of the first where it passed.
            for memory in [Memory::Signatures, Memory::Signatures] {
                compare(format!("{name} {value}"), code(letter), said(&world, &token, &policy, NOW, memory));
            }
        }
    }
    // The ends, to the second; the wall clock's fractions are cut.
    for tolerance in [0.0, 1.0, 60.0, 300.0] {
        let policy = strict(tolerance);
        let (expiring, beginning) = (mint("exp", "1800000000"), mint("nbf", "1800000000"));
        let (last, first) = (NOW + tolerance, NOW - tolerance);
        for (token, moment, expected) in [
            (&expiring, last - 1.0, None),
            (&expiring, last - 0.001, None),
            (&expiring, last, Some(Code::TokenExpired)),
            (&expiring, last + 0.001, Some(Code::TokenExpired)),
            (&expiring, last + 1.0, Some(Code::TokenExpired)),
            (&beginning, first - 1.0, Some(Code::TokenNotYetValid)),
            (&beginning, first - 0.001, Some(Code::TokenNotYetValid)),
            (&beginning, first, None),
            (&beginning, first + 0.001, None),
            (&beginning, first + 1.0, None),
        ] {
            for memory in [Memory::None, Memory::Signatures] {
                compare(
                    format!("at {moment} with {tolerance} s"),
                    expected,
                    said(&world, token, &policy, moment, memory),
                );
            }
        }
    }
    let figure = format!(
        "{} values x 6 claims, {cells} cells with their edges, {} wrong{}",
        TABLE.len(),
        wrong.len(),
        listed(&wrong)
    );
    score("S9", &figure, "350 cells, exact codes, edges to the second", wrong.is_empty() && cells >= 350);
}
