//! Content codings of a body (RFC 9110 8.4). None is asked for; gzip is decoded all the same, because some servers send it to
//! everybody.

use std::io::Read;

use flate2::bufread::GzDecoder;

use super::fault::{Coding, CodingName, FetchError};

/// What gzip data begins with (RFC 1952 2.3.1).
const GZIP: [u8; 2] = [0x1f, 0x8b];
/// What servers write into the field that is no coding: the body is as it is.
const NONE: [&str; 4] = ["identity", "none", "utf-8", "utf8"];

/// How a body is encoded, by what all `Content-Encoding` fields say.
pub fn named<'v>(values: impl Iterator<Item = &'v str>) -> Result<Encoded, FetchError> {
    let mut codings = values.flat_map(|value| value.split(',')).map(str::trim).filter(|name| !name.is_empty());
    let is_identity = |name: &&str| NONE.iter().any(|none| name.eq_ignore_ascii_case(none));
    let mut named = codings.by_ref().filter(|name| !is_identity(name));
    let Some(coding) = named.next() else { return Ok(Encoded::No) };
    if named.next().is_some() {
        return Err(FetchError::Encoding(Coding::Several));
    }
    let named = match coding.to_ascii_lowercase().as_str() {
        "gzip" | "x-gzip" => return Ok(Encoded::Gzip),
        "br" => Coding::Brotli,
        "deflate" => Coding::Deflate,
        "zstd" => Coding::Zstd,
        "compress" | "x-compress" => Coding::Compress,
        other => Coding::Other(CodingName::of(other)),
    };
    Err(FetchError::Encoding(named))
}

/// Whether there is something to decode.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encoded {
    /// The body is the document.
    No,
    /// RFC 1952.
    Gzip,
}

impl Encoded {
    /// The decoded document. It never gets longer than `most` bytes, however short the encoded body is.
    pub fn decode(self, body: Vec<u8>, most: usize) -> Result<Vec<u8>, FetchError> {
        // An answer without content, such as a 304 or an empty error page, has nothing to decode, whatever its header
        // says.
        if self == Self::No || body.is_empty() {
            return Ok(body);
        }
        let (mut document, mut rest) = (Vec::new(), &*body);
        loop {
            let left = u64::try_from(most.saturating_sub(document.len())).unwrap_or(u64::MAX).saturating_add(1);
            let mut member = GzDecoder::new(rest).take(left);
            member.read_to_end(&mut document).map_err(|_| FetchError::Encoding(Coding::BrokenGzip))?;
            if document.len() > most {
                return Err(FetchError::TooLarge);
            }
            rest = member.into_inner().into_inner();
            // Members may follow each other (RFC 1952 2.2); anything else behind one is passed over, as everybody does.
            if !rest.starts_with(&GZIP) {
                return Ok(document);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::*;

    fn gzip(text: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(text).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn gzip_is_decoded_within_the_cap_and_every_other_coding_named() {
        let of = |values: &[&str]| named(values.iter().copied());
        for none in [&[][..], &[""], &["identity"], &["Identity, "], &[" , "], &["UTF-8"], &["none"]] {
            assert_eq!(of(none), Ok(Encoded::No));
        }
        for one in [&["gzip"][..], &["GZIP"], &["x-gzip"], &["identity, gzip"], &["identity", "gzip"]] {
            assert_eq!(of(one), Ok(Encoded::Gzip));
        }
        for (values, coding) in [
            (&["br"][..], Coding::Brotli),
            (&["deflate"], Coding::Deflate),
            (&["zstd"], Coding::Zstd),
            (&["x-compress"], Coding::Compress),
            (&["gzip, gzip"], Coding::Several),
            (&["br", "gzip"], Coding::Several),
            (&["rot13"], Coding::Other(CodingName::of("rot13"))),
            (&["gzip;q=1"], Coding::Other(CodingName::of("gzip;q=1"))),
        ] {
            assert_eq!(of(values), Err(FetchError::Encoding(coding)), "{values:?}");
        }
    }

    #[test]
    fn a_small_body_never_becomes_a_large_document() {
        let text = vec![b' '; 50_000_000];
        let bomb = gzip(&text);
        assert!(bomb.len() < 60_000);
        assert_eq!(Encoded::Gzip.decode(bomb, 1024), Err(FetchError::TooLarge));
        for most in [3, 4] {
            assert_eq!(Encoded::Gzip.decode(gzip(b"abc"), most).unwrap(), b"abc");
        }
        assert_eq!(Encoded::Gzip.decode(gzip(b"abc"), 2), Err(FetchError::TooLarge));
        let two = [gzip(b"ab"), gzip(b"c")].concat();
        assert_eq!(Encoded::Gzip.decode(two.clone(), 3).unwrap(), b"abc");
        assert_eq!(Encoded::Gzip.decode(two.clone(), 2), Err(FetchError::TooLarge));
        for behind in [&[0; 9][..], b"\r\n", &[0x1f], b"garbage"] {
            assert_eq!(Encoded::Gzip.decode([&two, behind].concat(), 9).unwrap(), b"abc");
        }
        let broken = FetchError::Encoding(Coding::BrokenGzip);
        assert_eq!(Encoded::Gzip.decode(b"abc".to_vec(), 9), Err(broken));
        let whole = gzip(b"abc");
        assert_eq!(Encoded::Gzip.decode(whole[..whole.len() - 1].to_vec(), 9), Err(broken));
        assert_eq!(Encoded::Gzip.decode(Vec::new(), 9).unwrap(), b"");
    }
}
