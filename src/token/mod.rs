//! What the caller sent: a JWS in compact serialization (RFC 7515 3.1), parsed but not verified.

pub mod claims;
pub mod email;
mod header;
pub mod kind;

use std::sync::Arc;

use thiserror::Error;

use crate::algorithm::Algorithm;
use crate::base64url;
use crate::json::{JsonError, JsonFault, Value, read_object};
use crate::key_id::{KeyId, MAX_KEY_ID_BYTES};
use crate::mismatch::Mismatch;
use header::Header;

/// Why a token was refused before any key was looked at.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[allow(missing_docs)]
pub enum TokenError {
    #[error("the token is longer than the policy allows")]
    TooLarge,
    #[error("the token is not three parts of base64url")]
    Parts,
    #[error("the token is no JWT: it is an opaque token or an API key")]
    Opaque,
    #[error("the token is encrypted (a JWE of five parts): only the provider's recipient can read it")]
    Encrypted,
    #[error("the token's header cannot be read: {0}")]
    Header(JsonError),
    #[error("the token's claims cannot be read: {0}")]
    Payload(JsonError),
    #[error("the token's `alg` is not a signature algorithm that is ever accepted: {0}")]
    Algorithm(Mismatch),
    #[error("the token's header has `crit`, and no extension is understood")]
    Critical,
    #[error("the token's `kid` is empty or longer than {MAX_KEY_ID_BYTES} bytes")]
    KeyId,
}

impl TokenError {
    /// What was expected and what came, where that says more.
    pub const fn mismatch(&self) -> Option<&Mismatch> {
        match self {
            Self::Algorithm(mismatch) => Some(mismatch),
            _ => None,
        }
    }
}

/// A well-formed token whose signature has not been checked.
#[derive(Clone)]
pub struct UnverifiedToken {
    text: Box<str>,
    signed_bytes: usize,
    header: Arc<Header>,
    /// `None` if it is not UTF-8.
    payload: Option<Box<str>>,
    signature: Vec<u8>,
}

impl std::fmt::Debug for UnverifiedToken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // No part of a token is ever printed.
        f.debug_struct("UnverifiedToken").field("algorithm", &self.header.algorithm).finish_non_exhaustive()
    }
}

impl UnverifiedToken {
    /// Takes a compact JWS of at most `max_bytes` apart. Strict where RFC 7515 is: three parts, base64url without padding
    /// or spare bits, a header that is one JSON object with unique members.
    ///
    /// # Errors
    /// [`TokenError`]; nothing that fails here is worth a request to the provider.
    pub fn parse(text: &str, max_bytes: usize) -> Result<Self, TokenError> {
        if text.len() > max_bytes {
            return Err(TokenError::TooLarge);
        }
        let parts = text.split_once('.').and_then(|(header, rest)| Some((header, rest.rsplit_once('.')?)));
        let Some((header, (payload, signature))) = parts else { return Err(other_form(text)) };
        // A further dot would be in the payload, and base64url has none.
        if payload.contains('.') {
            return Err(other_form(text));
        }
        let signed_bytes = header.len().saturating_add(1).saturating_add(payload.len());
        let decode = |part: &str| base64url::decode(part.as_bytes()).map_err(|_| other_thing(text));
        let (payload, signature) = (decode(payload)?, decode(signature)?);
        let header = header::parse(header).map_err(|error| match error {
            TokenError::Parts | TokenError::Header(JsonError::Malformed(_)) if is_no_header(header) => {
                other_thing(text)
            }
            error => error,
        })?;
        let payload = String::from_utf8(payload).ok().map(String::into_boxed_str);
        Ok(Self { text: text.into(), signed_bytes, header, payload, signature })
    }

    /// `alg` (RFC 7515 4.1.1). It chooses nothing: the policy must allow it and the key must fit it.
    pub fn untrusted_algorithm(&self) -> Algorithm {
        self.header.algorithm
    }

    /// `kid`, where the header has one that is a string. A `kid` of another type counts as none, as in LibreChat.
    pub fn untrusted_key_id(&self) -> Option<&KeyId> {
        self.header.key_id.as_ref()
    }

    /// `typ` (RFC 7515 4.1.9), where the header has one that is a string.
    pub fn untrusted_type(&self) -> Option<&str> {
        self.header.typ.as_deref()
    }

    /// Whether the header has `nonce`. Microsoft puts it into tokens for Graph, which it signs so that nobody else can
    /// verify them.
    pub fn untrusted_has_nonce(&self) -> bool {
        self.header.has_nonce
    }

    /// The header's JSON text.
    pub fn untrusted_header(&self) -> &str {
        &self.header.text
    }

    /// The decoded payload, if it is UTF-8, as JSON has to be (RFC 8259 8.1).
    pub fn untrusted_payload(&self) -> Option<&str> {
        self.payload.as_deref()
    }

    /// The token as it was sent.
    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// The bytes the signature is over (RFC 7515 5.1 step 5).
    pub fn signing_input(&self) -> &[u8] {
        // `signed_bytes` ends at the second dot of this very text.
        self.text.as_bytes().get(..self.signed_bytes).unwrap_or_default()
    }

    /// The decoded signature.
    pub fn signature(&self) -> &[u8] {
        &self.signature
    }

    /// Whether this token was sent as exactly `text`. The comparison takes the same time wherever the two differ.
    pub fn is(&self, text: &str) -> bool {
        let differs = |a: &str| a.bytes().zip(text.bytes()).fold(0, |differs, (a, b)| differs | (a ^ b));
        self.text.len() == text.len() && differs(&self.text) == 0
    }
}

/// The `iss` of a token of at most `max_bytes` that nothing has checked, if it is a text. It chooses among the operator's own policies,
/// each of which checks it again, and nothing else.
///
/// # Errors
/// [`TokenError`]; a payload that is not JSON with unique members counts as [`TokenError::Payload`].
pub fn untrusted_issuer(text: &str, max_bytes: usize) -> Result<Option<String>, TokenError> {
    let token = UnverifiedToken::parse(text, max_bytes)?;
    let payload = token.untrusted_payload().ok_or(TokenError::Payload(JsonError::Malformed(JsonFault::NotUtf8)))?;
    let mut issuer = None;
    let wanted = |name: &str| (name == "iss").then_some(());
    read_object(payload, wanted, |(), _, value| issuer = value.as_str().map(str::to_owned))
        .map_err(TokenError::Payload)?;
    Ok(issuer)
}

/// What a text is that has other than three parts.
#[cold]
fn other_form(text: &str) -> TokenError {
    let first = text.split('.').next().unwrap_or_default();
    let header = base64url::decode(first.as_bytes()).ok().and_then(|bytes| String::from_utf8(bytes).ok());
    let mut is_encrypted = false;
    let wanted = |name: &str| (name == "enc").then_some(());
    let is_header = header.is_some_and(|header| {
        read_object(&header, wanted, |(), _, value| is_encrypted = matches!(value, Value::String(_))).is_ok()
    });
    match text.split('.').count() {
        // RFC 7516 7.1, 4.1.2.
        5 if is_header && is_encrypted => TokenError::Encrypted,
        // A JWS that was cut or extended on its way; a single word can be anything.
        2.. if is_header => TokenError::Parts,
        _ if is_bearer_text(text) => TokenError::Opaque,
        _ => TokenError::Parts,
    }
}

/// What a text of three parts is that cannot be read: PASETO's `v4.public.…`, for one, is no JWS that came to harm.
#[cold]
fn other_thing(text: &str) -> TokenError {
    let header = text.split('.').next().unwrap_or_default();
    if is_no_header(header) && is_bearer_text(text) { TokenError::Opaque } else { TokenError::Parts }
}

/// Whether the first part of a text was never a JOSE header: it is not the base64url of a text.
fn is_no_header(part: &str) -> bool {
    // `{"` and what follows.
    !part.starts_with("ey")
        && base64url::decode(part.as_bytes()).ok().and_then(|it| String::from_utf8(it).ok()).is_none()
}

/// Whether a text can be a bearer token at all (RFC 6750 2.1, `b64token`). Opaque ones have dots at some providers.
fn is_bearer_text(text: &str) -> bool {
    let in_token = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~+/=".contains(&byte);
    let in_word = |byte: u8| in_token(byte) && byte != b'.';
    text.bytes().all(in_token) && text.split('.').all(|part| !part.is_empty() && part.bytes().all(in_word))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::MAX_TOKEN_BYTES;

    #[test]
    fn splits_where_the_second_dot_is() {
        // {"alg":"RS256","kid":"k"} . {} . 0x00
        let token = UnverifiedToken::parse("eyJhbGciOiJSUzI1NiIsImtpZCI6ImsifQ.e30.AA", MAX_TOKEN_BYTES).unwrap();
        assert_eq!(token.signing_input(), b"eyJhbGciOiJSUzI1NiIsImtpZCI6ImsifQ.e30");
        assert_eq!(token.untrusted_key_id().unwrap().as_str(), "k");
        assert_eq!((token.untrusted_payload(), token.signature()), (Some("{}"), &[0][..]));
        assert!(!format!("{token:?}").contains("eyJ"));
    }

    #[test]
    fn refuses_other_forms() {
        for text in ["", ".", "..", "a.b", "e30.e30.AA.", "e30.e30.AA.e30.e30", ".e30.AA", "e30 .e30.AA"] {
            assert!(matches!(
                UnverifiedToken::parse(text, MAX_TOKEN_BYTES).unwrap_err(),
                TokenError::Parts | TokenError::Opaque | TokenError::Header(_) | TokenError::Algorithm(_)
            ));
        }
        // {"alg":"dir","enc":"A256GCM"}, {"alg":"RS256"}
        let (encrypted, signed) = ("eyJhbGciOiJkaXIiLCJlbmMiOiJBMjU2R0NNIn0", "eyJhbGciOiJSUzI1NiJ9");
        let table = [
            (format!("{encrypted}..AAAA.AAAA.AAAA"), TokenError::Encrypted),
            (format!("{encrypted}.AAAA.AAAA"), TokenError::Algorithm(Mismatch::new("", ""))),
            (format!("{signed}.AAAA.AAAA.AAAA.AAAA"), TokenError::Parts),
            (format!("{signed}.AAAA"), TokenError::Parts),
            ("ory_at_AbC-1.x_Y".to_owned(), TokenError::Opaque),
            ("ya29.a0AfH.6SM".to_owned() + ".x", TokenError::Opaque),
            ("sk-0123".to_owned(), TokenError::Opaque),
            ("v4.public.eyJzdWIiOiJhIn0".to_owned(), TokenError::Opaque),
            ("v2.local.QAxIpVe-ECVNI1z4xQbm_qQYomyT3h8FtV8bxkz8pBJWkT8f7HtlOpbroPDEZUKop_vaglyp76CzYy375cHmKCW8e1CCkV0Lflu4GTDyXMqQdpZMM1E6OaoQW27gaRSvWBrR3IgbFIa0AkuUFw".to_owned(), TokenError::Opaque),
            ("ory_at_AbC-1.x_Y.zzz".to_owned(), TokenError::Opaque),
            ("a b.e30.AA".to_owned(), TokenError::Parts),
            (format!("{signed}.e30=.AA"), TokenError::Parts),
            ("a.".to_owned(), TokenError::Parts),
            ("a b.c".to_owned(), TokenError::Parts),
        ];
        for (text, error) in table {
            let same = |one: &TokenError, other| std::mem::discriminant(one) == std::mem::discriminant(other);
            assert!(
                same(&UnverifiedToken::parse(&text, MAX_TOKEN_BYTES).unwrap_err(), &error),
                "{text} is not {error:?}"
            );
        }
        let long = format!("{}.e30.AA", "A".repeat(MAX_TOKEN_BYTES));
        assert_eq!(UnverifiedToken::parse(&long, MAX_TOKEN_BYTES).unwrap_err(), TokenError::TooLarge);
    }
}
