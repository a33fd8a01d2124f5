//! Key identifiers: the form in which a token's `kid` and a key's `kid` are compared.

/// The longest `kid` accepted, in bytes. Providers use thumbprints and UUIDs; some use URLs.
pub const MAX_KEY_ID_BYTES: usize = 256;

/// A key identifier (RFC 7515 4.1.4): not empty, at most [`MAX_KEY_ID_BYTES`].
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyId(Box<str>);

impl KeyId {
    /// `None` if `text` is empty or too long.
    pub fn new(text: &str) -> Option<Self> {
        (!text.is_empty() && text.len() <= MAX_KEY_ID_BYTES).then(|| Self(text.into()))
    }

    /// The identifier's text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}
