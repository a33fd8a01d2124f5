//! A file of keys that the operator keeps (`jwksFile`).

use std::fs::{self, File};
use std::io::Read;
use std::path::Path;

/// Why a file of keys brought none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs)]
pub enum FileError {
    #[error("the file of keys cannot be read: {0}")]
    Unreadable(std::io::ErrorKind),
    #[error("the file of keys is not a regular file")]
    NotAFile,
    #[error("the file of keys is larger than is read")]
    TooLarge,
    #[error("the file of keys was not read in time")]
    Late,
}

/// Reads the file, at most `most` bytes. Links are followed: configuration is mounted that way. Nothing but a regular file
/// is opened, because opening a pipe would wait for its writer.
///
/// # Errors
/// [`FileError`].
pub fn read(path: &Path, most: usize) -> Result<Vec<u8>, FileError> {
    let unreadable = |error: std::io::Error| FileError::Unreadable(error.kind());
    if !fs::metadata(path).map_err(unreadable)?.is_file() {
        return Err(FileError::NotAFile);
    }
    let mut text = Vec::new();
    let limit = u64::try_from(most).unwrap_or(u64::MAX).saturating_add(1);
    File::open(path).map_err(unreadable)?.take(limit).read_to_end(&mut text).map_err(unreadable)?;
    if text.len() > most { Err(FileError::TooLarge) } else { Ok(without_mark(text)) }
}

/// RFC 8259 8.1: a byte order mark before a document may be passed over. Some editors and servers write one.
pub fn without_mark(mut document: Vec<u8>) -> Vec<u8> {
    if document.starts_with("\u{feff}".as_bytes()) {
        document.drain(.."\u{feff}".len());
    }
    document
}
