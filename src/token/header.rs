//! Reading a token's header (RFC 7515 4), and a small cache of headers read before.

use std::cell::RefCell;
use std::sync::Arc;

use super::TokenError;
use crate::algorithm::Algorithm;
use crate::base64url;
use crate::json::{JsonError, JsonFault, Value, read_object};
use crate::key_id::KeyId;
use crate::mismatch::Mismatch;

/// What rules look at in a JOSE header, and its text.
pub struct Header {
    pub text: Box<str>,
    pub algorithm: Algorithm,
    pub key_id: Option<KeyId>,
    pub typ: Option<Box<str>>,
    pub has_nonce: bool,
}

impl std::fmt::Debug for Header {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // No part of a token is ever printed.
        f.debug_struct("Header").field("algorithm", &self.algorithm).finish_non_exhaustive()
    }
}

/// How many headers a thread keeps. A provider's tokens share one header per key.
const CACHED_HEADERS: usize = 16;
/// The longest header kept, in bytes of base64url; others are read each time.
const MAX_CACHED_BYTES: usize = 1024;

type CachedHeader = Option<(Box<str>, Arc<Header>)>;

thread_local! {
    /// Headers by their base64url text. What a header says follows from its bytes alone, whoever sent them and for
    /// whichever policy, so that a caller who fills this with other headers gains nothing.
    static CACHE: RefCell<[CachedHeader; CACHED_HEADERS]> = const { RefCell::new([const { None }; CACHED_HEADERS]) };
}

/// Reads a header from its base64url text.
pub fn parse(text: &str) -> Result<Arc<Header>, TokenError> {
    if text.len() > MAX_CACHED_BYTES {
        return read(text).map(Arc::new);
    }
    let place = place(text);
    let known = |cache: &RefCell<[CachedHeader; CACHED_HEADERS]>| match cache.borrow().get(place) {
        Some(Some((known, header))) if **known == *text => Some(Arc::clone(header)),
        _ => None,
    };
    // While a thread ends, its cache may be gone already.
    if let Ok(Some(header)) = CACHE.try_with(known) {
        return Ok(header);
    }
    let header = Arc::new(read(text)?);
    let _ = CACHE.try_with(|cache| {
        if let Some(entry) = cache.borrow_mut().get_mut(place) {
            *entry = Some((text.into(), Arc::clone(&header)));
        }
    });
    Ok(header)
}

fn place(text: &str) -> usize {
    let (words, rest) = text.as_bytes().as_chunks::<8>();
    let last = rest.iter().fold(text.len() as u64, |last, byte| (last << 8) | u64::from(*byte));
    // 64-bit FNV-1a's prime, a word at a time. Collisions that a caller provokes do no harm, see above.
    let mixed =
        words.iter().fold(last, |mixed, word| (mixed ^ u64::from_le_bytes(*word)).wrapping_mul(0x100_0000_01b3));
    (mixed.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32) as usize % CACHED_HEADERS
}

fn read(text: &str) -> Result<Header, TokenError> {
    let text = base64url::decode(text.as_bytes()).map_err(|_| TokenError::Parts)?;
    let text = String::from_utf8(text).map_err(|_| TokenError::Header(JsonError::Malformed(JsonFault::NotUtf8)))?;
    let text = text.into_boxed_str();
    let mut algorithm = Err(None);
    let mut critical = false;
    let mut key_id = None;
    let mut typ = None;
    let mut has_nonce = false;
    let wanted = |name: &str| matches!(name, "alg" | "crit" | "kid" | "typ" | "nonce").then_some(());
    read_object(&text, wanted, |(), name, value| match &*name {
        "alg" => algorithm = named(&value),
        // RFC 7515 4.1.11: what must be understood and is not must be refused. We understand no extension.
        "crit" => critical = true,
        "typ" => typ = value.as_str().map(Box::from),
        "nonce" => has_nonce = true,
        "kid" => {
            key_id = match value {
                Value::String(text) => Some(KeyId::new(&text).ok_or(TokenError::KeyId)),
                _ => None,
            };
        }
        _ => {}
    })
    .map_err(TokenError::Header)?;
    let algorithm = algorithm.map_err(|name| unknown_algorithm(name.as_deref()))?;
    if critical {
        return Err(TokenError::Critical);
    }
    Ok(Header { algorithm, key_id: key_id.transpose()?, typ, has_nonce, text })
}

/// The algorithm of that name, or what is there instead.
fn named(value: &Value<'_>) -> Result<Algorithm, Option<Box<str>>> {
    let Value::String(name) = value else { return Err(None) };
    Algorithm::from_name(name).ok_or_else(|| Some((**name).into()))
}

#[cold]
fn unknown_algorithm(name: Option<&str>) -> TokenError {
    let known = Algorithm::ALL.map(Algorithm::name);
    // Real names are short, and nothing else is shown: the header may hold whatever its writer likes.
    let is_plain = |letter: &char| letter.is_ascii_alphanumeric() || matches!(letter, '+' | '-');
    let shown: Option<String> = name.map(|name| name.chars().take_while(is_plain).take(20).collect());
    TokenError::Algorithm(Mismatch::of_names(&known, &shown.as_deref().into_iter().collect::<Vec<_>>()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base64url::encode;

    #[test]
    fn a_header_seen_before_reads_the_same_and_its_neighbours_do_not_disturb_it() {
        let text = |serial: usize| encode(format!(r#"{{"alg":"ES256","kid":"k{serial}"}}"#).as_bytes());
        // Many more than are remembered, so that they displace each other.
        for serial in (0..100).chain(0..100).chain([7, 7, 7]) {
            let header = parse(&text(serial)).unwrap();
            assert_eq!(header.key_id.as_ref().unwrap().as_str(), format!("k{serial}"));
            assert_eq!(encode(header.text.as_bytes()), text(serial));
        }
        assert!(Arc::ptr_eq(&parse(&text(7)).unwrap(), &parse(&text(7)).unwrap()));
        let long = encode(format!(r#"{{"alg":"ES256","x":"{}"}}"#, "x".repeat(1024)).as_bytes());
        assert!(!Arc::ptr_eq(&parse(&long).unwrap(), &parse(&long).unwrap()));
    }

    #[test]
    fn prints_no_part_of_a_token() {
        let printed = format!("{:?}", parse(&encode(br#"{"alg":"ES256","kid":"ada","typ":"ada"}"#)).unwrap());
        assert!(!printed.contains("ada"), "{printed}");
    }

    #[test]
    fn a_header_that_is_refused_is_refused_again() {
        let table = [
            (encode(br#"{"alg":"none"}"#), unknown_algorithm(Some("none"))),
            (encode(br#"{"alg":5}"#), unknown_algorithm(None)),
            (encode(br#"{"alg":"ES256","crit":[]}"#), TokenError::Critical),
            (encode(br#"{"alg":"ES256","kid":""}"#), TokenError::KeyId),
            (
                encode(br#"{"alg":"ES256","alg":"ES256"}"#),
                TokenError::Header(JsonError::Malformed(JsonFault::Duplicate("alg".into()))),
            ),
            (encode(b"[]"), TokenError::Header(JsonError::NotAnObject)),
            (encode(b"\xff"), TokenError::Header(JsonError::Malformed(JsonFault::NotUtf8))),
            ("e30=".to_owned(), TokenError::Parts),
        ];
        for (text, error) in table.iter().chain(&table) {
            assert_eq!(parse(text).unwrap_err(), *error, "{text}");
        }
    }
}
