//! What the refreshes of a key store share, and how keys come into a slot.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use moka::sync::Cache;

use super::fetch::Fetch;
use super::shared_keys::{CLOCKS_DIFFER, SharedKeys};
use super::sharing::Sharing;
use super::slot::{Slot, Snapshot, State};
use crate::policy::KeySource;
use crate::time::{Clock, Moment, UnixSeconds};

/// What the refreshes of a key store share.
pub struct RefreshContext {
    pub slots: Cache<Arc<KeySource>, Arc<Slot>>,
    pub fetch: Arc<dyn Fetch>,
    pub clock: Arc<dyn Clock>,
    /// Counts the changes of keys, and of how long they can be used.
    pub changes: AtomicU64,
    /// When the store was cleared last: the keys of an older snapshot file are not used.
    pub cleared: Mutex<Option<UnixSeconds>>,
    /// What replicas share.
    pub sharing: Sharing,
}

impl RefreshContext {
    /// Puts keys of another replica into a slot, under its lock, unless it has newer ones by now. They come as if they had been
    /// fetched when they were.
    pub fn take_shared(&self, slot: &Slot, state: &mut State, keys: SharedKeys) -> Option<Arc<Snapshot>> {
        let SharedKeys { keys, fetched_at, began, age: _, advised, validator, public } = keys;
        let older = slot.snapshot();
        if older.as_ref().is_some_and(|older| older.began_at >= fetched_at) {
            return None;
        }
        state.counters.imported = state.counters.imported.saturating_add(1);
        // The provider has answered since: another replica.
        if state.failed.is_some_and(|(failed, _)| failed.ended <= began) {
            state.failed = None;
            state.failed_host = None;
        }
        let older = older.as_ref().map(|older| older.keys());
        state.budgets.missing.replaced(older, &keys, Moment { monotonic: began, wall: fetched_at });
        let refreshes = state.counters.snapshots();
        let public = Some(public);
        let snapshot = Snapshot {
            keys,
            validator,
            began,
            began_at: fetched_at,
            uncertain: CLOCKS_DIFFER,
            advised,
            refreshes,
            public,
        };
        Some(self.replace_snapshot(slot, snapshot).0)
    }

    /// The new snapshot, and whether it is a change.
    pub fn replace_snapshot(&self, slot: &Slot, snapshot: Snapshot) -> (Arc<Snapshot>, bool) {
        let snapshot = Arc::new(snapshot);
        let mut current = slot.snapshot.write().unwrap_or_else(PoisonError::into_inner);
        let older = current.replace(Arc::clone(&snapshot));
        drop(current);
        // Most refreshes bring what was there. They must not count as changes: with many sources nothing found before
        // could ever be used again.
        let is_change = !older.is_some_and(|older| snapshot.confirms(&older));
        if is_change {
            self.changes.fetch_add(1, Ordering::AcqRel);
        }
        (snapshot, is_change)
    }
}
