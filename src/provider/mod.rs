//! Where keys come from and how long they are believed: one slot per source, shared by everybody in the process.
//!
//! Readers clone an `Arc` and never wait. A refresh is made by one task per slot; everybody else waits for that one. A
//! refresh that fails takes nothing away.

pub mod address;
pub mod budget;
pub mod discovery;
mod ending;
pub mod fetch;
pub mod freshness;
pub mod proxy;
mod refresh;
mod slot;
pub mod snapshot;
mod store;

use std::time::Duration;

use crate::keys::KeySetError;
use discovery::DiscoveryError;
use fetch::FetchError;
pub use slot::{Counters, Refresh, Slot, SlotReport, Snapshot};
pub use store::{KeyStore, Offer};

/// How long one refresh may take: metadata, redirects and keys together.
pub const REFRESH_DEADLINE: Duration = Duration::from_secs(10);

/// Why a refresh brought no keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs)]
pub enum ProviderError {
    #[error("the provider's metadata could not be fetched: {0}")]
    DiscoveryFetch(FetchError),
    #[error(transparent)]
    Discovery(#[from] DiscoveryError),
    #[error("the provider's keys could not be fetched: {0}")]
    JwksFetch(FetchError),
    #[error("the provider answered the request for its keys with status {0}")]
    JwksStatus(u16),
    #[error(transparent)]
    JwksDocument(#[from] KeySetError),
    #[error(transparent)]
    File(#[from] FileError),
    #[error("the refresh ended without an answer")]
    Lost,
}

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
