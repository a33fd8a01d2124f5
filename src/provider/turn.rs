//! A request's wait for the next refresh that the budgets of its source allow.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::sync::watch;

use super::slot::Slot;

/// How many may wait at one slot; each holds a request of a caller open.
pub const MOST_WAITING: usize = 256;

/// A place among the requests that wait for the next refresh. The first to find that it may begin begins it, the others
/// join: any refresh that begins wakes them.
#[derive(Debug)]
pub struct Turn {
    left: Duration,
    begun: watch::Receiver<u64>,
    _place: Place,
}

impl Turn {
    /// A place, if one is free, for a refresh that may begin in `left`.
    pub(super) fn take(slot: &Arc<Slot>, left: Duration) -> Option<Self> {
        let place = Place::take(slot)?;
        Some(Self { left, begun: slot.begun.subscribe(), _place: place })
    }

    /// Waits until a refresh has begun, or may begin.
    pub async fn wait(mut self) {
        // The slot lives as long as the place, so that the sender is never gone.
        let _ = tokio::time::timeout(self.left, self.begun.changed()).await;
    }
}

#[derive(Debug)]
struct Place(Arc<Slot>);

impl Place {
    fn take(slot: &Arc<Slot>) -> Option<Self> {
        let more = |waiting: usize| waiting.checked_add(1).filter(|waiting| *waiting <= MOST_WAITING);
        slot.waiting.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more).ok()?;
        Some(Self(Arc::clone(slot)))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.waiting.fetch_sub(1, Ordering::Relaxed);
    }
}
