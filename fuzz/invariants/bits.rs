//! base64url read bit by bit, as RFC 4648 5 has it: what the decoders are compared with.

const ALPHABET: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// What `text` stands for: without padding, and bits that are left over are zero.
pub fn strictly(text: &str) -> Option<Vec<u8>> {
    let (bytes, left_over) = decoded(text)?;
    (left_over == 0).then_some(bytes)
}

/// What a member of a JWK stands for: padded or not, in either alphabet, whatever bits are left over.
pub fn leniently(text: &str) -> Option<Vec<u8>> {
    let text = text.trim_end_matches('=').replace('+', "-").replace('/', "_");
    decoded(&text).map(|(bytes, _)| bytes)
}

/// The bytes, and the bits after them.
fn decoded(text: &str) -> Option<(Vec<u8>, u32)> {
    if text.len() % 4 == 1 {
        return None;
    }
    let (mut bytes, mut bits, mut count) = (Vec::new(), 0_u32, 0);
    for letter in text.chars() {
        bits = (bits << 6) | u32::try_from(ALPHABET.find(letter)?).ok()?;
        count += 6;
        if count >= 8 {
            count -= 8;
            bytes.push(u8::try_from(bits >> count).ok()?);
            bits &= (1 << count) - 1;
        }
    }
    Some((bytes, bits))
}
