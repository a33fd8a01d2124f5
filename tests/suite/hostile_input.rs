//! Tokens that are almost good: changed, respelled, swapped, offering keys of their own, naming keys in strange ways.
//! Rows S1, S2, S5 and S7 of the scorecard.

use crate::support;

use std::collections::HashSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use crate::support::{JWKS, NOW, Random, Signer, World, jwks, listed, long, score, status};
use remote_agent_auth::algorithm::Algorithm;
use remote_agent_auth::base64url::{decode, encode};
use remote_agent_auth::error::Code;
use remote_agent_auth::keys::KeySet;
use remote_agent_auth::policy::{MAX_TOKEN_BYTES, Policy, PolicyOptions};
use remote_agent_auth::time::UnixSeconds;
use remote_agent_auth::token::UnverifiedToken;
use remote_agent_auth::verify::verify;
use serde::Deserialize;
use serde_json::{Value, json};

/// A token that passes, with what it passes under.
struct Good {
    token: String,
    policy: Arc<Policy>,
    keys: Arc<KeySet>,
    now: UnixSeconds,
}

impl Good {
    fn passes(&self, token: &str) -> bool {
        let Ok(token) = UnverifiedToken::parse(token, MAX_TOKEN_BYTES) else { return false };
        verify(&Arc::new(token), &self.keys, &self.policy, self.now).is_ok()
    }

    fn algorithm(&self) -> Algorithm {
        UnverifiedToken::parse(&self.token, MAX_TOKEN_BYTES).unwrap().untrusted_algorithm()
    }
}

/// Every token of the tables that passes with the set of all kinds of keys, under policies that allow every algorithm
/// and do not ask for `exp`: as little as possible stands in a forger's way but the signature.
fn good_tokens() -> Vec<Good> {
    #[derive(Deserialize)]
    struct Row {
        policy: Value,
        keys: String,
        now: f64,
        token: String,
        expect: String,
    }
    let tables = [
        include_str!("../vectors/algorithms.json"),
        include_str!("../vectors/headers.json"),
        include_str!("../vectors/claims.json"),
    ];
    let sets: Value = serde_json::from_str(include_str!("../vectors/key-sets.json")).unwrap();
    let keys = Arc::new(KeySet::parse(sets["sets"]["main"].as_str().unwrap().as_bytes()).unwrap());
    let rows = tables.iter().flat_map(|table| serde_json::from_str::<Vec<Row>>(table).unwrap());
    let good: Vec<_> = rows
        .filter(|row| row.expect == "ok" && row.keys == "main" && row.policy["audience"].is_string())
        .map(|row| {
            let text = |name: &str| row.policy[name].as_str().unwrap().to_owned();
            let options = PolicyOptions {
                issuer: text("issuer"),
                audience: vec![text("audience")],
                algorithms: Some(Algorithm::ALL.map(|algorithm| algorithm.name().to_owned()).to_vec()),
                require_exp: Some(false),
                clock_tolerance: Some(300.0),
                ..PolicyOptions::default()
            };
            let policy = Arc::new(Policy::parse(options).unwrap());
            Good { token: row.token, policy, keys: Arc::clone(&keys), now: UnixSeconds::new(row.now).unwrap() }
        })
        .collect();
    assert!(good.iter().all(|good| good.passes(&good.token)));
    for algorithm in Algorithm::ALL {
        assert!(good.iter().any(|good| good.algorithm() == algorithm), "{}", algorithm.name());
    }
    good
}

fn flip(random: &mut Random, bytes: &mut [u8]) {
    if !bytes.is_empty() {
        let place = random.below(bytes.len());
        bytes[place] ^= 1 << random.below(8);
    }
}

/// One change of a token's parts, or of their meaning.
fn mutated(random: &mut Random, token: &str, other: &str) -> String {
    let parts: Vec<&str> = token.split('.').collect();
    let mut parts: Vec<String> = parts.into_iter().map(str::to_owned).collect();
    let others: Vec<&str> = other.split('.').collect();
    let part = random.below(3);
    match random.below(14) {
        // A bit of what a part says.
        0..=2 => {
            let mut bytes = decode(parts[part].as_bytes()).unwrap();
            flip(random, &mut bytes);
            parts[part] = encode(&bytes);
        }
        // A bit of the text.
        3 => {
            let mut bytes = token.as_bytes().to_vec();
            flip(random, &mut bytes);
            return String::from_utf8_lossy(&bytes).into_owned();
        }
        // Two bytes of a part change places.
        4 => {
            let mut bytes = decode(parts[part].as_bytes()).unwrap();
            let (a, b) = (random.below(bytes.len()), random.below(bytes.len()));
            bytes.swap(a, b);
            parts[part] = encode(&bytes);
        }
        // The end is missing.
        5 => return token[..random.below(token.len())].to_owned(),
        6 => {
            let mut bytes = decode(parts[part].as_bytes()).unwrap();
            bytes.truncate(random.below(bytes.len()));
            parts[part] = encode(&bytes);
        }
        // A part of another good token.
        7 => others[part].clone_into(&mut parts[part]),
        // Two good parts of two tokens become one.
        8 => {
            let (mine, theirs) = (decode(parts[part].as_bytes()).unwrap(), decode(others[part].as_bytes()).unwrap());
            let cut = random.below(mine.len().min(theirs.len()));
            parts[part] = encode(&[&mine[..cut], &theirs[cut..]].concat());
        }
        // The header names another algorithm or key.
        9 | 10 => {
            let header = decode(parts[0].as_bytes()).unwrap();
            let Ok(mut header) = serde_json::from_slice::<Value>(&header) else { return format!("{token}.") };
            let names = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"];
            let more = ["none", "None", "HS256", "HS512", "rs256", "ES256K", "Ed448", ""];
            match random.below(4) {
                0 => header["alg"] = json!(names[random.below(names.len())]),
                1 => header["alg"] = json!(more[random.below(more.len())]),
                2 => header["kid"] = json!(["rsa-a", "rsa-b", "ec-256", "ec-521", "ed-25519", "x"][random.below(6)]),
                _ => drop(header.as_object_mut().unwrap().remove("kid")),
            }
            parts[0] = encode(header.to_string().as_bytes());
            if random.below(4) == 0 {
                parts[2].clear();
            }
        }
        // The claims say something else.
        11 | 12 => {
            let claims = decode(parts[1].as_bytes()).unwrap();
            let Ok(mut claims) = serde_json::from_slice::<Value>(&claims) else { return format!(".{token}") };
            let name = ["sub", "exp", "scope", "email", "tid", "roles"][random.below(6)];
            claims[name] = [json!("admin"), json!(9e9), json!(["a"]), json!(true)][random.below(4)].clone();
            parts[1] = encode(claims.to_string().as_bytes());
        }
        // The signature is a simple number.
        _ => {
            let length = decode(parts[2].as_bytes()).unwrap().len();
            let byte = [0, 1, 0x7f, 0xff][random.below(4)];
            let mut bytes = vec![byte; length];
            if random.below(2) == 0 {
                *bytes.last_mut().unwrap() = 1;
            }
            parts[2] = encode(&bytes);
        }
    }
    parts.join(".")
}

#[test]
fn no_changed_token_passes() {
    let seed = 0x5eed_0001;
    let wanted = if long() { 1_000_000 } else { 100_000 };
    let good = good_tokens();
    let originals: HashSet<&str> = good.iter().map(|good| good.token.as_str()).collect();
    // All algorithms get their share; those that cost more, a smaller one.
    let weight = |algorithm| match algorithm {
        Algorithm::ES512 => 1,
        Algorithm::ES384 => 2,
        Algorithm::ES256 => 6,
        Algorithm::MlDsa44 | Algorithm::MlDsa65 | Algorithm::MlDsa87 => 3,
        _ => 12,
    };
    let lots: Vec<(Algorithm, Vec<&Good>)> = Algorithm::ALL
        .into_iter()
        .map(|algorithm| (algorithm, good.iter().filter(|good| good.algorithm() == algorithm).collect()))
        .collect();
    let wheel: Vec<usize> =
        lots.iter().enumerate().flat_map(|(place, (algorithm, _))| vec![place; weight(*algorithm)]).collect();
    let mut random = Random::new(seed);
    let mut tried = [0_usize; Algorithm::ALL.len()];
    let (mut accepted, mut panics, mut reached) = (Vec::new(), 0, 0);
    while tried.iter().sum::<usize>() < wanted {
        let place = wheel[random.below(wheel.len())];
        let from = &lots[place].1;
        let good_one = from[random.below(from.len())];
        let other = &good[random.below(good.len())];
        let mut token = mutated(&mut random, &good_one.token, &other.token);
        if random.below(8) == 0
            && token.matches('.').count() == 2
            && token.split('.').all(|part| decode(part.as_bytes()).is_ok_and(|bytes| !bytes.is_empty()))
        {
            token = mutated(&mut random, &token, &other.token);
        }
        if originals.contains(token.as_str()) {
            continue;
        }
        tried[place] += 1;
        reached += usize::from(UnverifiedToken::parse(&token, MAX_TOKEN_BYTES).is_ok());
        match catch_unwind(AssertUnwindSafe(|| good_one.passes(&token))) {
            Ok(false) => {}
            Ok(true) => accepted.push(token),
            Err(_) => panics += 1,
        }
    }
    println!("seed {seed:#x}, by algorithm {tried:?}, {reached} reached the keys");
    assert!(reached * 3 > wanted, "most mutants must get as far as the keys: {reached}");
    let figure = format!("{wanted} mutants of {} tokens, {} accepted, {panics} panics", good.len(), accepted.len());
    score("S1", &figure, "100,000 tried (long: 1,000,000), 0 accepted, 0 panics", accepted.is_empty() && panics == 0);
}

/// Other texts that a lenient reader might take for this token.
fn spellings(token: &str) -> Vec<String> {
    let mut forms = Vec::new();
    let ends: Vec<usize> = {
        let dots: Vec<usize> = token.match_indices('.').map(|(place, _)| place).collect();
        vec![0, dots[0], dots[0] + 1, dots[1], dots[1] + 1, token.len()]
    };
    let blanks = [
        " ", "\t", "\n", "\r", "\r\n", "\u{b}", "\u{c}", "\0", "\u{85}", "\u{a0}", "\u{200b}", "\u{2028}", "\u{feff}",
        "=", "==", ".", "..", "+", "/", "%", "%3D", "\"", "'", ",", ";", "~", "*", "A\u{300}",
    ];
    for blank in blanks {
        for place in ends.iter().copied().chain([3, ends[1] + 5, ends[3] + 5]) {
            forms.push(format!("{}{blank}{}", &token[..place], &token[place..]));
        }
    }
    // Padding to whole groups, each part alone and all together.
    let parts: Vec<&str> = token.split('.').collect();
    let padded: Vec<String> =
        parts.iter().map(|part| format!("{part}{}", "=".repeat((4 - part.len() % 4) % 4))).collect();
    for (place, part) in padded.iter().enumerate() {
        let mut some: Vec<&str> = parts.clone();
        some[place] = part;
        forms.push(some.join("."));
    }
    forms.push(padded.join("."));
    // The bits that no byte needs.
    const LETTERS: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    for (place, part) in parts.iter().enumerate() {
        let spare = match part.len() % 4 {
            2 => 16,
            3 => 4,
            _ => 1,
        };
        let last = LETTERS.find(part.chars().last().unwrap()).unwrap();
        for bits in 1..spare {
            let mut some: Vec<String> = parts.iter().map(|part| (*part).to_owned()).collect();
            some[place].pop();
            some[place].push(char::from(LETTERS.as_bytes()[last ^ bits]));
            forms.push(some.join("."));
        }
    }
    forms.push(token.replace('-', "+").replace('_', "/"));
    forms.extend([token.to_uppercase(), token.to_lowercase(), format!("Bearer {token}"), format!("{token}.{token}")]);
    // Each character by another one whose low byte, or low seven bits, are the same; of a long token a few thousand of them.
    for (place, character) in token.char_indices().step_by(token.len() / 2_000 + 1) {
        for high in [0x80, 0x100, 0x1_0000] {
            let wide = char::from_u32(high + u32::from(character)).unwrap();
            forms.push(format!("{}{wide}{}", &token[..place], &token[place + 1..]));
        }
        forms.push(format!("{}%{:02x}{}", &token[..place], u32::from(character), &token[place + 1..]));
    }
    forms.retain(|form| form != token);
    forms
}

#[test]
fn no_other_spelling_of_a_good_token_passes() {
    let good = good_tokens();
    let (mut forms, mut accepted, mut fewest) = (0, Vec::new(), usize::MAX);
    for algorithm in Algorithm::ALL {
        let good = good.iter().find(|good| good.algorithm() == algorithm).unwrap();
        let spelled = spellings(&good.token);
        fewest = fewest.min(spelled.len());
        forms += spelled.len();
        accepted.extend(spelled.into_iter().filter(|form| good.passes(form)));
    }
    let figure = format!(
        "core: {forms} spellings of {} tokens, at least {fewest} each, {} accepted",
        Algorithm::ALL.len(),
        accepted.len()
    );
    score("S2", &figure, "200 forms each, 0 accepted", accepted.is_empty() && fewest >= 200);
}

#[tokio::test(start_paused = true)]
async fn no_key_or_url_of_a_token_is_ever_used() {
    let (ours, theirs) = (Signer::new("ours"), Signer::new("theirs"));
    let claims = json!({ "iss": support::ISSUER, "aud": "api", "sub": "user", "exp": NOW + 300.0 });
    let world = World::with_jwks_uri();
    world.network.answer(JWKS, jwks(&[&ours]));
    let evil = "https://evil.example/keys";
    world.network.answer(evil, jwks(&[&theirs]));
    let mut offers = vec![
        json!({ "jwk": theirs.jwk() }),
        json!({ "jwk": null }),
        json!({ "jwk": evil }),
        json!({ "jwk": [theirs.jwk()] }),
        json!({ "jwk": { "kty": "oct", "k": "AAAA" } }),
        json!({ "jwk": { "keys": [theirs.jwk()] } }),
        json!({ "x5c": ["MIIB"] }),
        json!({ "x5c": evil }),
        json!({ "x5t": "AAAA" }),
        json!({ "x5t#S256": "AAAA" }),
        json!({ "jku": evil, "x5u": evil, "jwk": theirs.jwk() }),
        json!({ "jwks_uri": evil }),
        json!({ "jwks": { "keys": [theirs.jwk()] } }),
        json!({ "iss": "https://evil.example" }),
        json!({ "url": evil }),
    ];
    for url in [evil, "https://evil.example/keys#x", "http://127.0.0.1:1/keys", "file:///etc/passwd", "data:,{}"] {
        offers.extend([json!({ "jku": url }), json!({ "x5u": url })]);
    }
    let (mut tried, mut accepted) = (0, 0);
    for offer in &offers {
        // Under the kid of a good key, of its own, of the URL, and without one.
        for kid in [json!("ours"), json!("theirs"), json!(evil), Value::Null] {
            let mut header = json!({ "alg": "ES256" });
            if !kid.is_null() {
                header["kid"] = kid;
            }
            for (name, value) in offer.as_object().unwrap() {
                header[name] = value.clone();
            }
            tried += 1;
            accepted += usize::from(world.check(&theirs.sign(&header, &claims)).await.is_ok());
        }
    }
    let elsewhere = world.network.asked().iter().filter(|url| *url != JWKS).count();
    let figure = format!("core: {tried} tokens, {accepted} accepted, {elsewhere} requests elsewhere");
    score("S5", &figure, "40 tokens, 0 accepted, 0 connections", tried >= 40 && accepted == 0 && elsewhere == 0);
}

#[tokio::test(start_paused = true)]
async fn every_form_of_kid_has_its_code_and_shapeless_ones_fetch_nothing() {
    use Code::{KeyNotFound, TokenKid, TokenMalformed, TokenTooLarge};
    let signer = Signer::new("k");
    let text = |text: &str| json!(text).to_string();
    // The `kid` as JSON text; the code, `None` where the token passes; whether it may cause a fetch.
    let mut rows: Vec<(String, Option<Code>, bool)> = vec![
        (text("k"), None, false),
        ("\"\\u006b\"".into(), None, false),
        // No text, so none: the token is tried against the keys at hand.
        ("null".into(), None, false),
        ("7".into(), None, false),
        ("true".into(), None, false),
        ("[]".into(), None, false),
        ("[\"k\"]".into(), None, false),
        ("{}".into(), None, false),
        ("{\"__proto__\":\"k\"}".into(), None, false),
        // No identifier, so no key.
        (text(""), Some(TokenKid), false),
        (text(&"x".repeat(257)), Some(TokenKid), false),
        (text(&"é".repeat(129)), Some(TokenKid), false),
        (text(&"x".repeat(9_000)), Some(TokenKid), false),
        (text(&"x".repeat(100_000)), Some(TokenTooLarge), false),
        // No JSON.
        ("\"\\ud800\"".into(), Some(TokenMalformed), false),
        ("\"a\nb\"".into(), Some(TokenMalformed), false),
        ("1e400".into(), Some(TokenMalformed), false),
        ("\"k\",\"kid\":\"k\"".into(), Some(TokenMalformed), false),
        ("k".into(), Some(TokenMalformed), false),
    ];
    for strange in [
        "K",
        " k",
        "k ",
        "k\0",
        "__proto__",
        "constructor",
        "toString",
        "a\r\nX-Evil: 1",
        "\r\n\r\n",
        "../../etc/passwd",
        "%2e%2e/",
        "https://evil.example/jwks",
        "'; drop table keys; --",
        "${jndi:ldap://evil}",
        "\u{202e}k",
        "к",
        "\u{feff}k",
        "k\u{301}",
        "*",
        "0",
    ] {
        rows.push((text(strange), Some(KeyNotFound), true));
    }
    rows.push((text(&"x".repeat(256)), Some(KeyNotFound), true));
    let claims = json!({ "iss": support::ISSUER, "aud": "api", "sub": "user", "exp": NOW + 300.0 });
    let mut wrong = Vec::new();
    for (kid, code, may_fetch) in &rows {
        let token = signer.sign_text(&format!("{{\"alg\":\"ES256\",\"kid\":{kid}}}"), &claims.to_string());
        let shown: String = kid.chars().take(30).collect();
        let world = World::with_jwks_uri();
        // Before any key is at hand only a token of good form is worth a fetch.
        if !may_fetch && code.is_some() {
            world.network.answer(JWKS, status(500));
            let said = world.code(&token).await;
            if said != *code || world.network.fetches() != 0 {
                wrong.push(format!("{shown} (cold): {said:?}, {} fetches", world.network.fetches()));
            }
        }
        world.network.answer(JWKS, jwks(&[&signer]));
        world.code(&signer.token()).await;
        let before = world.network.fetches();
        for _ in 0..3 {
            let said = world.code(&token).await;
            if said != *code {
                wrong.push(format!("{shown}: {said:?} instead of {code:?}"));
            }
        }
        let caused = world.network.fetches() - before;
        if caused > usize::from(*may_fetch) {
            wrong.push(format!("{shown}: {caused} fetches"));
        }
    }
    let figure = format!("{} forms, {} wrong codes or fetches{}", rows.len(), wrong.len(), listed(&wrong));
    score("S7", &figure, "right code; no fetch for shapeless ones", wrong.is_empty());
}
