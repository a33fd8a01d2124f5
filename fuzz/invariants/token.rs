//! A compact JWS (RFC 7515 3.1) as a caller sends it.

use std::sync::{Arc, LazyLock};

use remote_agent_auth::base64url::encode;
use remote_agent_auth::error::{Code, Refusal};
use remote_agent_auth::key_id::KeyId;
use remote_agent_auth::policy::{MAX_TOKEN_BYTES, Policy, PolicyOptions};
use remote_agent_auth::token::{TokenError, UnverifiedToken};
use remote_agent_auth::verify;

use super::slow_header::{self, Header};
use super::{bits, provider, reading};

static POLICY: LazyLock<Policy> = LazyLock::new(|| {
    provider::policy(PolicyOptions {
        issuer: "https://idp.example".to_owned(),
        audience: vec!["api".to_owned()],
        ..PolicyOptions::default()
    })
});

/// Everything that is read of a token before its signature is checked.
#[derive(Debug, Clone, PartialEq)]
struct Parts {
    signing_input: String,
    signature: Vec<u8>,
    header_text: String,
    payload: Option<String>,
    header: Header,
}

pub fn holds(input: &[u8]) -> bool {
    std::str::from_utf8(input).is_ok_and(check)
}

/// A text is a token exactly if it reads as one without any haste, says the same then, and is within the limit on its length.
/// What is signed is what the provider signed.
pub fn check(text: &str) -> bool {
    let expected = read(text);
    // The second time its header is one that was seen before.
    for _ in 0..2 {
        let parsed = UnverifiedToken::parse(text, text.len()).map(|token| parts(&token)).map_err(code);
        assert_eq!(parsed, expected, "{text:?}");
    }
    let too_long = text.len() > MAX_TOKEN_BYTES;
    assert_eq!(
        UnverifiedToken::parse(text, MAX_TOKEN_BYTES).err().map(code),
        if too_long { Some(Code::TokenTooLarge) } else { expected.clone().err() }
    );
    if let Some(less) = text.len().checked_sub(1) {
        assert_eq!(UnverifiedToken::parse(text, less).err(), Some(TokenError::TooLarge));
    }
    let Ok(parts) = expected else { return false };
    let token = Arc::new(UnverifiedToken::parse(text, text.len()).unwrap());
    assert_has_one_spelling(&token, &parts, text);
    assert_signed_by_the_provider_or_not_at_all(&token, &parts);
    !too_long
}

fn parts(token: &UnverifiedToken) -> Parts {
    Parts {
        signing_input: String::from_utf8(token.signing_input().to_vec()).unwrap(),
        signature: token.signature().to_vec(),
        header_text: token.untrusted_header().to_owned(),
        payload: token.untrusted_payload().map(str::to_owned),
        header: Header {
            algorithm: token.untrusted_algorithm().name().to_owned(),
            key_id: token.untrusted_key_id().map(|id| id.as_str().to_owned()),
            typ: token.untrusted_type().map(str::to_owned),
            has_nonce: token.untrusted_has_nonce(),
        },
    }
}

fn code(error: TokenError) -> Code {
    Refusal::from(error).code()
}

fn read(text: &str) -> Result<Parts, Code> {
    let parts: Vec<&str> = text.split('.').collect();
    let [header, payload, signature] = parts[..] else {
        let header = bits::strictly(parts[0]).and_then(|header| String::from_utf8(header).ok());
        let members = header.as_deref().and_then(|header| reading::agreed(header).ok());
        if let Some(members) = members.filter(|_| parts.len() > 1) {
            let is_encrypted = members.iter().any(|(name, value)| name == "enc" && value.as_str().is_some());
            return Err(if is_encrypted && parts.len() == 5 { Code::TokenEncrypted } else { Code::TokenMalformed });
        }
        let in_word = |letter: char| letter.is_ascii_alphanumeric() || "-_~+/=".contains(letter);
        let are_words = parts.iter().all(|part| !part.is_empty() && part.chars().all(in_word));
        return Err(if are_words { Code::TokenOpaque } else { Code::TokenMalformed });
    };
    let decoded = |part: &str| bits::strictly(part).ok_or(Code::TokenMalformed);
    let (header_bytes, payload_bytes) = (decoded(header)?, decoded(payload)?);
    let signature = decoded(signature)?;
    Ok(Parts {
        signing_input: format!("{header}.{payload}"),
        signature,
        header: slow_header::read(&header_bytes)?,
        header_text: String::from_utf8(header_bytes).unwrap(),
        payload: String::from_utf8(payload_bytes).ok(),
    })
}

fn assert_has_one_spelling(token: &UnverifiedToken, parts: &Parts, text: &str) {
    assert!(token.is(text) && !token.is(&format!("{text}A")) && !token.is(&text.replacen('.', "", 1)));
    if let Some(payload) = &parts.payload {
        let again = [parts.header_text.as_bytes(), payload.as_bytes(), &parts.signature].map(encode).join(".");
        assert_eq!(again, text);
    }
    // No part of a token is ever printed.
    assert_eq!(format!("{token:?}"), format!("UnverifiedToken {{ algorithm: {}, .. }}", parts.header.algorithm));
}

fn assert_signed_by_the_provider_or_not_at_all(token: &Arc<UnverifiedToken>, parts: &Parts) {
    let Header { algorithm, key_id, has_nonce, .. } = &parts.header;
    let is_named = key_id.as_deref() == Some(provider::KEY_ID);
    let expected = if !is_named && (key_id.is_some() || algorithm != "EdDSA") {
        Some(Code::KeyNotFound)
    } else if algorithm != "EdDSA" {
        Some(Code::KeyUnsuitable)
    } else if provider::signature(token.signing_input()) == parts.signature {
        None
    } else {
        Some(if *has_nonce { Code::GraphToken } else { Code::SignatureInvalid })
    };
    let signed = verify::check_signature(token, &provider::KEYS, &POLICY);
    let said = signed.as_ref().err().map(|error| Refusal::from(error.clone()).code());
    assert_eq!(said, expected, "{:?}", parts.signing_input);
    if let Ok(signed) = signed {
        assert!(verify::still_signed(&signed, &provider::KEYS, &POLICY));
        assert_eq!(key_id.as_deref().and_then(KeyId::new).as_ref(), token.untrusted_key_id());
    }
}
