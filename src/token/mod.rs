//! What the caller sent: a JWS in compact serialization (RFC 7515 3.1), taken apart but not believed.

pub mod claims;
pub mod email;
mod header;

use std::sync::Arc;

use thiserror::Error;

use crate::algorithm::Algorithm;
use crate::base64url;
use crate::key_id::{KeyId, MAX_KEY_ID_BYTES};
use header::Header;

/// The longest token looked at, in bytes, unless the caller says otherwise; the same as a policy's default.
pub const MAX_TOKEN_BYTES: usize = 16 * 1024;
/// Why a token was refused before any key was looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[allow(missing_docs)]
pub enum TokenError {
    #[error("the token is longer than the policy allows")]
    TooLarge,
    #[error("the token is not three parts of base64url")]
    Parts,
    #[error("the token has no parts: it is an opaque token or an API key")]
    Opaque,
    #[error("the token's header is not a JSON object of unique members")]
    Header,
    #[error("the token's `alg` is missing or is not a signature algorithm that is ever accepted")]
    Algorithm,
    #[error("the token's header has `crit`, and no extension is understood")]
    Critical,
    #[error("the token's `kid` is empty or longer than {MAX_KEY_ID_BYTES} bytes")]
    KeyId,
}

/// A token whose form is right and whose signature nobody has checked.
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
    /// Takes a compact JWS apart. Strict where RFC 7515 is: three parts, base64url without padding or spare bits, a
    /// header that is one JSON object with unique members.
    ///
    /// # Errors
    /// [`TokenError`]; nothing that fails here is worth a request to the provider.
    pub fn parse(text: &str) -> Result<Self, TokenError> {
        Self::parse_within(text, MAX_TOKEN_BYTES)
    }

    /// [`Self::parse`] with another limit on the token's length, in bytes.
    ///
    /// # Errors
    /// [`TokenError`].
    pub fn parse_within(text: &str, max_bytes: usize) -> Result<Self, TokenError> {
        if text.len() > max_bytes {
            return Err(TokenError::TooLarge);
        }
        let Some((header, rest)) = text.split_once('.') else {
            return Err(if is_opaque(text) { TokenError::Opaque } else { TokenError::Parts });
        };
        // A dot more would be in the payload, and base64url has none.
        let (payload, signature) = rest.rsplit_once('.').ok_or(TokenError::Parts)?;
        let signed_bytes = header.len().saturating_add(1).saturating_add(payload.len());
        let decode = |part: &str| base64url::decode(part.as_bytes()).map_err(|_| TokenError::Parts);
        let (payload, signature, header) = (decode(payload)?, decode(signature)?, header::parse(header)?);
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

    /// Whether this is the token of `text`, to the letter. How long that takes does not tell how much of it is right.
    pub fn is(&self, text: &str) -> bool {
        let differs = |a: &str| a.bytes().zip(text.bytes()).fold(0, |differs, (a, b)| differs | (a ^ b));
        self.text.len() == text.len() && differs(&self.text) == 0
    }
}

/// Whether a text without dots is a bearer token (RFC 6750 2.1, `b64token`) that is no JWS: one word.
fn is_opaque(text: &str) -> bool {
    let in_word = |byte: u8| byte.is_ascii_alphanumeric() || b"-_~+/=".contains(&byte);
    !text.is_empty() && text.bytes().all(in_word)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn splits_where_the_second_dot_is() {
        // {"alg":"RS256","kid":"k"} . {} . 0x00
        let token = UnverifiedToken::parse("eyJhbGciOiJSUzI1NiIsImtpZCI6ImsifQ.e30.AA").unwrap();
        assert_eq!(token.signing_input(), b"eyJhbGciOiJSUzI1NiIsImtpZCI6ImsifQ.e30");
        assert_eq!(token.untrusted_key_id().unwrap().as_str(), "k");
        assert_eq!((token.untrusted_payload(), token.signature()), (Some("{}"), &[0][..]));
        assert!(!format!("{token:?}").contains("eyJ"));
    }

    #[test]
    fn refuses_other_forms() {
        for text in ["", ".", "..", "a.b", "e30.e30.AA.", "e30.e30.AA.e30.e30", ".e30.AA", "e30 .e30.AA"] {
            assert!(matches!(
                UnverifiedToken::parse(text).unwrap_err(),
                TokenError::Parts | TokenError::Opaque | TokenError::Header | TokenError::Algorithm
            ));
        }
        let long = format!("{}.e30.AA", "A".repeat(MAX_TOKEN_BYTES));
        assert_eq!(UnverifiedToken::parse(&long).unwrap_err(), TokenError::TooLarge);
    }
}
