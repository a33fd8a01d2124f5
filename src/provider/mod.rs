//! Where keys come from and how long they are trusted: one slot per source, shared by everybody in the process.
//!
//! Readers clone an `Arc` and never wait. A refresh is made by one task per slot; everybody else waits for that one. A
//! refresh that fails takes nothing away.

pub mod address;
mod asker;
pub mod budget;
pub mod calls;
mod client;
mod coding;
mod context;
mod dial;
pub mod discovery;
pub mod fault;
pub mod fetch;
pub mod freshness;
mod key_file;
mod missing;
pub mod proxy;
mod refresh;
pub mod shared_keys;
pub mod sharing;
mod slot;
pub mod snapshot_file;
mod store;
mod trust;
mod turn;

use std::time::Duration;

use tokio::time::Instant;

use crate::keys::KeySetError;
use discovery::DiscoveryError;
use fetch::FetchError;
pub use key_file::FileError;
pub use sharing::{KeyExchange, StoreTask};
pub use slot::{Counters, Refresh, Slot, SlotReport, Snapshot};
pub use store::{KeyStore, Look, Offer, SharedOffer};
pub use turn::Turn;

/// How long one exchange of a refresh may take: metadata, each of its redirects and its second place, or keys.
pub const EXCHANGE_DEADLINE: Duration = Duration::from_secs(10);
/// How long a refresh may take: metadata and keys together.
pub const REFRESH_DEADLINE: Duration = Duration::from_secs(15);
/// How long a request waits for better keys than those at hand, whatever it waits for.
pub const REQUEST_DEADLINE: Duration = Duration::from_secs(10);

/// The moment so far from now.
pub(crate) fn after(duration: Duration) -> Instant {
    let now = Instant::now();
    now.checked_add(duration).unwrap_or(now)
}

/// Why the provider is not asked for a key that is not at hand.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotAsked {
    /// It was asked for this `kid` and had none: it is not asked again for a while.
    #[error(
        "the provider's keys, fetched {} s ago, have none for the token's `kid`; it is not asked again for this one for {} s",
        .age.as_secs(), seconds(*.again)
    )]
    Absent {
        /// How old the keys at hand are.
        age: Duration,
        /// How long until this `kid` may cause another refresh.
        again: Duration,
    },
    /// The budgets for requests on behalf of callers are spent.
    #[error(
        "the token's `kid` is not known, and the provider, asked for unknown ones moments ago, is not asked again for {} s",
        seconds(*.0)
    )]
    TooOften(Duration),
}

/// Whole seconds, rounded up.
fn seconds(duration: Duration) -> u64 {
    duration.as_secs().saturating_add(u64::from(duration.subsec_nanos() > 0))
}

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
    #[error(
        "the provider answered the request for its keys with status {0}; open the key URL (`jwksUri`, or the one that the metadata names), and look at the provider's log"
    )]
    JwksStatus(u16),
    #[error(transparent)]
    JwksDocument(#[from] KeySetError),
    #[error(transparent)]
    File(#[from] FileError),
    #[error("the refresh ended without an answer")]
    Lost,
}

impl ProviderError {
    /// The stable word for a failure on the way to the provider, where that is the cause.
    pub const fn reason(&self) -> Option<&'static str> {
        match self {
            Self::DiscoveryFetch(error) | Self::JwksFetch(error) => Some(error.reason()),
            Self::Discovery(DiscoveryError::Status(_)) | Self::JwksStatus(_) => Some("status"),
            Self::Discovery(_) | Self::JwksDocument(_) | Self::File(_) | Self::Lost => None,
        }
    }

    /// The status that came, where that is the cause.
    pub const fn status(&self) -> Option<u16> {
        match self {
            Self::Discovery(DiscoveryError::Status(status)) | Self::JwksStatus(status) => Some(*status),
            _ => None,
        }
    }
}
