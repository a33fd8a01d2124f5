//! base64url without padding (RFC 7515 2), strictly: each value has exactly one encoding.
//!
//! Padding, other characters, an impossible length and trailing bits that are not zero (RFC 4648 3.5) are refused, so
//! that a signed token has no second encoding.

use thiserror::Error;

/// Why a text is not base64url.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[allow(missing_docs)]
pub enum Base64UrlError {
    #[error("a character outside the base64url alphabet")]
    Alphabet,
    #[error("a length no base64url text has")]
    Length,
    #[error("trailing bits that are not zero")]
    TrailingBits,
}

const INVALID: u8 = 0xff;

const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

const fn alphabet() -> [u8; 256] {
    let mut table = [INVALID; 256];
    let mut value = 0;
    #[allow(clippy::indexing_slicing, clippy::arithmetic_side_effects, reason = "evaluated by the compiler")]
    while value < LETTERS.len() {
        table[LETTERS[value] as usize] = value as u8;
        value += 1;
    }
    table
}

static VALUES: [u8; 256] = alphabet();

fn value(byte: u8) -> u8 {
    VALUES.get(usize::from(byte)).copied().unwrap_or(INVALID)
}

/// Encodes `bytes`.
pub fn encode(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len().div_ceil(3).saturating_mul(4));
    for chunk in bytes.chunks(3) {
        let byte = |place: usize| u32::from(chunk.get(place).copied().unwrap_or_default());
        let group = (byte(0) << 16) | (byte(1) << 8) | byte(2);
        for place in 0..=chunk.len() {
            let shift = 18_usize.saturating_sub(place.saturating_mul(6));
            text.extend(LETTERS.get((group >> shift) as usize & 63).map(|letter| char::from(*letter)));
        }
    }
    text
}

/// Decodes the variants found in JWK Sets: padding, the standard alphabet, spare bits. For key members only; a token
/// has one encoding.
pub fn decode_leniently(text: &str) -> Result<Vec<u8>, Base64UrlError> {
    let text = text.trim_end_matches('=').replace('+', "-").replace('/', "_");
    match decode(text.as_bytes()) {
        Err(Base64UrlError::TrailingBits) => {
            // The last character may carry two or four bits more than whole bytes need: they are read as zero.
            let spare = if text.len() % 4 == 2 { 0x30 } else { 0x3c };
            let mut bytes = text.into_bytes();
            if let Some(last) = bytes.last_mut() {
                let kept = usize::from(value(*last) & spare);
                *last = LETTERS.get(kept).copied().unwrap_or(b'A');
            }
            decode(&bytes)
        }
        decoded => decoded,
    }
}

/// Decodes `text`.
pub fn decode(text: &[u8]) -> Result<Vec<u8>, Base64UrlError> {
    if text.len() % 4 == 1 {
        return Err(Base64UrlError::Length);
    }
    // The crate only reports that something is wrong. The slow decoder finds out what.
    base64_simd::URL_SAFE_NO_PAD.decode_to_vec(text).map_err(|_| {
        let known = text.iter().all(|byte| value(*byte) != INVALID);
        if known { Base64UrlError::TrailingBits } else { Base64UrlError::Alphabet }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::collection::vec;
    use proptest::prelude::*;

    /// Byte by byte, as RFC 4648 5 describes it: tests compare the fast decoder with this one.
    fn decode_slowly(text: &[u8]) -> Result<Vec<u8>, Base64UrlError> {
        let mut bytes = Vec::with_capacity(text.len().div_ceil(4).saturating_mul(3));
        let (groups, rest) = text.as_chunks::<4>();
        // One check at the end instead of one per group: every invalid character sets the high bit.
        let mut seen = 0_u8;
        for &[a, b, c, d] in groups {
            let [a, b, c, d] = [value(a), value(b), value(c), value(d)];
            seen |= a | b | c | d;
            bytes.extend_from_slice(&[(a << 2) | (b >> 4), (b << 4) | (c >> 2), (c << 6) | d]);
        }
        let trailing = match *rest {
            [] => 0,
            [a, b] => {
                let [a, b] = [value(a), value(b)];
                seen |= a | b;
                bytes.push((a << 2) | (b >> 4));
                b & 0x0f
            }
            [a, b, c] => {
                let [a, b, c] = [value(a), value(b), value(c)];
                seen |= a | b | c;
                bytes.extend_from_slice(&[(a << 2) | (b >> 4), (b << 4) | (c >> 2)]);
                c & 0x03
            }
            _ => return Err(Base64UrlError::Length),
        };
        if seen & 0x80 != 0 {
            return Err(Base64UrlError::Alphabet);
        }
        if trailing != 0 {
            return Err(Base64UrlError::TrailingBits);
        }
        Ok(bytes)
    }

    #[test]
    fn decodes_every_length() {
        let table: [(&str, &[u8]); 6] =
            [("", b""), ("Zg", b"f"), ("Zm8", b"fo"), ("Zm9v", b"foo"), ("Zm9vYg", b"foob"), ("-_8", &[0xfb, 0xff])];
        for (text, bytes) in table {
            assert_eq!(decode(text.as_bytes()).as_deref(), Ok(bytes), "{text}");
            assert_eq!(encode(bytes), text);
        }
    }

    #[test]
    fn reads_other_spellings_where_they_are_allowed() {
        for text in ["Zg", "Zg==", "Zh", "Zv=="] {
            assert_eq!(decode_leniently(text).as_deref(), Ok(&b"f"[..]), "{text}");
        }
        for text in ["Zm8", "Zm9", "Zm-=", "Zm+"] {
            assert_eq!(decode_leniently(text).as_deref(), Ok(&b"fo"[..]), "{text}");
        }
        assert_eq!(decode_leniently("+/8=").as_deref(), Ok(&[0xfb, 0xff][..]));
        assert_eq!(decode_leniently("Z"), Err(Base64UrlError::Length));
        assert_eq!(decode_leniently("Z*8"), Err(Base64UrlError::Alphabet));
    }

    #[test]
    fn refuses_every_second_spelling() {
        let table = [
            ("Zg==", Base64UrlError::Alphabet),
            ("Zm8=", Base64UrlError::Alphabet),
            ("Zm9vYg==", Base64UrlError::Alphabet),
            ("Zh", Base64UrlError::TrailingBits),
            ("Zm9", Base64UrlError::TrailingBits),
            ("Z", Base64UrlError::Length),
            ("Zm9vY", Base64UrlError::Length),
            ("+/8A", Base64UrlError::Alphabet),
            ("Zm 9", Base64UrlError::Alphabet),
            ("Zm9\n", Base64UrlError::Alphabet),
            ("Zm9\u{e9}", Base64UrlError::Length),
        ];
        for (text, error) in table {
            assert_eq!(decode(text.as_bytes()), Err(error), "{text}");
        }
    }

    #[test]
    fn every_byte_outside_the_alphabet_is_refused_in_every_place() {
        for byte in 0..=255_u8 {
            let known = byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
            for place in 0..4 {
                let mut text = *b"AAAA";
                text[place] = byte;
                assert_eq!(decode(&text).is_ok(), known, "{byte:#x} at {place}");
            }
        }
    }

    #[test]
    fn agrees_with_the_slow_decoder_on_every_byte_in_every_place_of_every_length() {
        // Past two registers of the widest kind, so that the wide loop, its end and the last group all meet every byte.
        for length in 0..=97 {
            let text: Vec<u8> = (0..length).map(|place| LETTERS[place * 7 % 64]).collect();
            assert_eq!(decode(&text), decode_slowly(&text), "{length}");
            for place in 0..length {
                for byte in 0..=255 {
                    let mut text = text.clone();
                    text[place] = byte;
                    assert_eq!(decode(&text), decode_slowly(&text), "{byte:#x} at {place} of {length}");
                }
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]

        #[test]
        fn what_is_encoded_is_decoded_and_has_no_second_spelling(
            bytes in vec(any::<u8>(), 0..300),
            changes in vec((any::<prop::sample::Index>(), any::<u8>()), 0..4),
        ) {
            let text = encode(&bytes);
            prop_assert_eq!(decode(text.as_bytes()), Ok(bytes.clone()));
            let mut other = text.clone().into_bytes();
            for (place, byte) in changes {
                if !other.is_empty() {
                    let place = place.index(other.len());
                    other[place] = byte;
                }
            }
            let decoded = decode(&other);
            prop_assert_eq!(&decoded, &decode_slowly(&other));
            prop_assert!(decoded != Ok(bytes) || other == text.as_bytes());
        }

        #[test]
        fn agrees_with_the_slow_decoder_on_random_bytes(text in vec(any::<u8>(), 0..200)) {
            prop_assert_eq!(decode(&text), decode_slowly(&text));
        }
    }
}
