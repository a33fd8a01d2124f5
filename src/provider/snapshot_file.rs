//! The snapshot file: public keys kept for a start while the provider cannot be reached. docs/keys.md has its format.
//!
//! The file is written after a successful refresh and used only after a fetch has failed in this process. It must belong to
//! this user and be writable by nobody else, it must be made for this source, and its keys pass the same import as others.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::base64url::encode;
use crate::keys::members::may_be_kept;
use crate::keys::signature::sha256;
use crate::keys::{KeySet, KeySetError, MAX_KEYS};
use crate::policy::KeySource;
use crate::policy::lifetimes::MAX_STALE_BOUND;
use crate::policy::source::Origin;
use crate::policy::transport::ProxyUrl;
use crate::time::UnixSeconds;

/// The value of the file's `format`. Another format gets another name.
const FORMAT: &str = "remote-agent-auth/keys/1";
/// By how many bytes the file may be longer than the keys in it.
pub const FRAME_BYTES: usize = 4096;

/// Why the snapshot file is not used, or was not written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs)]
pub enum SnapshotFileError {
    #[error("there is no snapshot file yet")]
    Absent,
    #[error("`snapshotFile` is not a regular file; name one, or a path where there is nothing yet")]
    NotAFile,
    #[error("the snapshot file belongs to somebody else")]
    Owner,
    #[error("the snapshot file can be written by its group or by everybody")]
    Writable,
    #[error("the snapshot file cannot be read: {0}")]
    Read(io::ErrorKind),
    #[error("the snapshot file is too large")]
    TooLarge,
    #[error("the snapshot file is not in the format it is written in")]
    Format,
    #[error("the snapshot file is of another source or transport")]
    Source,
    #[error("the snapshot file is from the future")]
    Future,
    #[error("the snapshot file is older than any stale bound")]
    TooOld,
    #[error("the snapshot file is older than the last `clear`")]
    Cleared,
    #[error("the keys of the snapshot file: {0}")]
    Keys(#[from] KeySetError),
    #[error("the snapshot file cannot be written: {0}")]
    Write(io::ErrorKind),
}

/// How the snapshot file was used last.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum SnapshotFileState {
    /// It holds the keys fetched at this moment.
    Written(UnixSeconds),
    /// Its keys are in use, fetched at this moment by an earlier process or another one.
    Used(UnixSeconds),
    /// Neither, and why.
    Failed(SnapshotFileError),
}

/// The file.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct FileContent {
    format: String,
    source: String,
    fetched_at: f64,
    keys: Vec<Value>,
}

/// Keys out of a snapshot file.
#[derive(Debug)]
pub struct StoredKeys {
    /// The keys, imported like any others.
    pub keys: KeySet,
    /// When they were fetched.
    pub fetched_at: UnixSeconds,
    /// How long ago that is.
    pub age: Duration,
}

/// The entries of a set that are used, as they were published, without the members that must not be kept.
pub fn public_keys(entries: &[Value], set: &KeySet) -> Vec<Value> {
    let used = |(index, entry): (usize, &Value)| {
        let skipped = set.skipped().iter().any(|skipped| skipped.index == index);
        let members = entry.as_object().filter(|_| !skipped)?;
        let kept = members.iter().filter(|(name, _)| may_be_kept(name));
        Some(Value::Object(kept.map(|(name, value)| (name.clone(), value.clone())).collect()))
    };
    entries.iter().take(MAX_KEYS).enumerate().filter_map(used).collect()
}

/// The value that ties a file to its source: a digest of everything that decides which answer may be trusted. Passwords
/// and private keys do not decide that, and are left out.
pub fn binding(source: &KeySource) -> String {
    let origin = match source.origin() {
        Origin::Jwks(url) => json!({ "jwks": url.without_password() }),
        Origin::Discovery(issuer) => json!({ "issuer": issuer.configured() }),
        Origin::Inline(_) | Origin::File(_) => Value::Null,
    };
    let transport = source.transport();
    let proxy = |proxy: &Option<ProxyUrl>| proxy.as_ref().map(ProxyUrl::without_credentials);
    let description = json!([
        FORMAT,
        origin,
        proxy(&transport.proxies.http),
        proxy(&transport.proxies.https),
        transport.proxies.bypass,
        transport.extra_ca,
        transport.client_certificate.as_ref().map(|ours| ours.cert()),
        transport.refuse_private_addresses,
    ]);
    encode(&sha256(description.to_string().as_bytes()))
}

/// Reads the file, if it may be trusted.
///
/// # Errors
/// [`SnapshotFileError`].
pub fn read(
    path: &Path,
    source: &KeySource,
    now: UnixSeconds,
    cleared: Option<UnixSeconds>,
) -> Result<StoredKeys, SnapshotFileError> {
    let most = source.transport().max_body_bytes.saturating_add(FRAME_BYTES);
    let mut text = Vec::new();
    let file = open_ours(path)?;
    file.take(u64::try_from(most).unwrap_or(u64::MAX).saturating_add(1))
        .read_to_end(&mut text)
        .map_err(|error| SnapshotFileError::Read(error.kind()))?;
    if text.len() > most {
        return Err(SnapshotFileError::TooLarge);
    }
    let document: FileContent = serde_json::from_slice(&text).map_err(|_| SnapshotFileError::Format)?;
    let fetched_at = UnixSeconds::new(document.fetched_at).ok_or(SnapshotFileError::Format)?;
    if document.format != FORMAT {
        return Err(SnapshotFileError::Format);
    }
    if document.source != binding(source) {
        return Err(SnapshotFileError::Source);
    }
    if fetched_at > now {
        return Err(SnapshotFileError::Future);
    }
    if cleared.is_some_and(|cleared| fetched_at < cleared) {
        return Err(SnapshotFileError::Cleared);
    }
    let age = Duration::try_from_secs_f64(now.get() - fetched_at.get()).map_err(|_| SnapshotFileError::TooOld)?;
    if age >= MAX_STALE_BOUND {
        return Err(SnapshotFileError::TooOld);
    }
    let keys = KeySet::import(&document.keys)?;
    Ok(StoredKeys { keys, fetched_at, age })
}

/// Writes the file under another name in the same directory and then moves it into place in one step, so that nobody
/// ever reads a part of it.
///
/// # Errors
/// [`SnapshotFileError::Write`], and [`SnapshotFileError::NotAFile`] where something else than a regular file has that name.
pub fn write(
    path: &Path,
    source: &KeySource,
    fetched_at: UnixSeconds,
    keys: Vec<Value>,
) -> Result<(), SnapshotFileError> {
    let document =
        FileContent { format: FORMAT.to_owned(), source: binding(source), fetched_at: fetched_at.get(), keys };
    let text = serde_json::to_vec(&document).map_err(|_| SnapshotFileError::Format)?;
    let failed = |error: io::Error| SnapshotFileError::Write(error.kind());
    may_be_replaced(path)?;
    let (beside, mut file) = create_beside(path).map_err(failed)?;
    let written = file.write_all(&text).and_then(|()| file.sync_all()).map_err(failed);
    drop(file);
    let placed = written.and_then(|()| may_be_replaced(path)).and_then(|kind| match kind {
        // What is put there between that look and this step is replaced; a link is not followed. std has no rename on a condition, and whoever
        // puts something there may write in the directory and could replace the file themselves.
        Found::File => fs::rename(&beside, path).map_err(failed),
        // A hard link is only created where nothing has that name: whatever was created there since stays.
        Found::Nothing => fs::hard_link(&beside, path).or_else(|error| match error.kind() {
            io::ErrorKind::AlreadyExists => Err(SnapshotFileError::NotAFile),
            // Some file systems have no hard links.
            _ => fs::rename(&beside, path).map_err(failed),
        }),
    });
    // Where it was renamed, there is nothing left to remove.
    let _ = fs::remove_file(&beside);
    placed
}

/// What exists at the snapshot file's path.
enum Found {
    File,
    Nothing,
}

/// Whether nothing but a regular file would be replaced. Links are not followed.
fn may_be_replaced(path: &Path) -> Result<Found, SnapshotFileError> {
    match fs::symlink_metadata(path) {
        Ok(found) if found.is_file() => Ok(Found::File),
        Ok(_) => Err(SnapshotFileError::NotAFile),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Found::Nothing),
        Err(error) => Err(SnapshotFileError::Write(error.kind())),
    }
}

/// A new file, readable by us alone, in the directory of `path`.
fn create_beside(path: &Path) -> io::Result<(PathBuf, File)> {
    static SEQUENCE: AtomicU64 = AtomicU64::new(0);
    let name = path.file_name().ok_or(io::ErrorKind::InvalidInput)?;
    let mut beside = std::ffi::OsString::from(".");
    beside.push(name);
    beside.push(format!(".{}.{}", std::process::id(), SEQUENCE.fetch_add(1, Ordering::Relaxed)));
    let beside = path.with_file_name(beside);
    let mut options = OpenOptions::new();
    // `create_new` refuses whatever is there already, links included.
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    // A file left behind by an earlier process with the same process id.
    let file = options.open(&beside).or_else(|error| match error.kind() {
        io::ErrorKind::AlreadyExists => fs::remove_file(&beside).and_then(|()| options.open(&beside)),
        _ => Err(error),
    })?;
    Ok((beside, file))
}

/// Opens the file if it is a regular one, no link, and nobody but us can have written it.
#[cfg(unix)]
fn open_ours(path: &Path) -> Result<File, SnapshotFileError> {
    use std::os::unix::fs::MetadataExt;

    let failed = |error: io::Error| match error.kind() {
        io::ErrorKind::NotFound => SnapshotFileError::Absent,
        kind => SnapshotFileError::Read(kind),
    };
    let named = fs::symlink_metadata(path).map_err(failed)?;
    if !named.is_file() {
        return Err(SnapshotFileError::NotAFile);
    }
    let file = File::open(path).map_err(failed)?;
    let opened = file.metadata().map_err(failed)?;
    // The file opened must be the one that was checked: a link created in between would lead to another.
    if (opened.dev(), opened.ino()) != (named.dev(), named.ino()) {
        return Err(SnapshotFileError::NotAFile);
    }
    if opened.mode() & 0o022 != 0 {
        return Err(SnapshotFileError::Writable);
    }
    // The owner of a file created now is the effective user; this works on every Unix and needs no call into C.
    let (beside, ours) = create_beside(path).map_err(failed)?;
    let owner = ours.metadata().map(|metadata| metadata.uid());
    let _ = fs::remove_file(&beside);
    if owner.map_err(failed)? == opened.uid() { Ok(file) } else { Err(SnapshotFileError::Owner) }
}

/// Windows has no mode bits, and the standard library reads no ACLs: there the directory's permissions decide who may
/// write.
#[cfg(not(unix))]
fn open_ours(path: &Path) -> Result<File, SnapshotFileError> {
    let failed = |error: io::Error| match error.kind() {
        io::ErrorKind::NotFound => SnapshotFileError::Absent,
        kind => SnapshotFileError::Read(kind),
    };
    if !fs::symlink_metadata(path).map_err(failed)?.is_file() {
        return Err(SnapshotFileError::NotAFile);
    }
    File::open(path).map_err(failed)
}
