//! The end of a refresh: its answer goes into the slot, and keys into the snapshot file.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use moka::sync::Cache;

use super::freshness::FailedRefresh;
use super::refresh::{Answer, Fetched};
use super::slot::{Outcome, Slot, Snapshot};
use super::snapshot::{self, Kept, SnapshotError, SnapshotState};
use crate::policy::KeySource;
use crate::time::{Clock, Moment, UnixSeconds};

/// How long the snapshot file may take to read, so that a slow disk does not keep a request from its answer.
const SNAPSHOT_FILE_DEADLINE: Duration = Duration::from_secs(1);

/// What is done when a refresh ends.
pub struct Ending {
    pub slot: Arc<Slot>,
    pub changes: Arc<AtomicU64>,
    pub slots: Cache<Arc<KeySource>, Arc<Slot>>,
    pub clock: Arc<dyn Clock>,
    pub cleared: Arc<Mutex<Option<UnixSeconds>>>,
    pub began: Moment,
}

impl Ending {
    /// After a failure without keys at hand: what the snapshot file has, if there is one.
    pub async fn kept(&self, answer: &Answer) -> Option<Result<Kept, SnapshotError>> {
        let path = self.slot.source.snapshot_file()?.to_owned();
        if answer.fetched.is_ok() || self.slot.snapshot().is_some() {
            return None;
        }
        let (source, now) = (Arc::clone(&self.slot.source), self.clock.wall());
        let cleared = *self.cleared.lock().unwrap_or_else(PoisonError::into_inner);
        let reading = tokio::task::spawn_blocking(move || snapshot::read(&path, &source, now, cleared));
        let late = Err(SnapshotError::Read(std::io::ErrorKind::TimedOut));
        Some(tokio::time::timeout(SNAPSHOT_FILE_DEADLINE, reading).await.ok().and_then(Result::ok).unwrap_or(late))
    }

    /// Puts an answer into the slot. Only one refresh of a slot is under way at a time, so an older answer can never
    /// replace a newer one.
    pub fn settle(
        &self,
        answer: Answer,
        asked: Option<Box<str>>,
        kept: Option<Result<Kept, SnapshotError>>,
    ) -> Outcome {
        let (slot, now) = (&self.slot, self.clock.monotonic());
        let mut state = slot.state();
        state.under_way = None;
        let hold = |snapshot: Snapshot| {
            let snapshot = Arc::new(snapshot);
            let older = slot.snapshot.write().unwrap_or_else(PoisonError::into_inner).replace(Arc::clone(&snapshot));
            // Most refreshes bring what was there: with many sources, nothing would ever be worth remembering.
            if !older.is_some_and(|older| snapshot.confirms(&older)) {
                self.changes.fetch_add(1, Ordering::AcqRel);
            }
            snapshot
        };
        if answer.learned.is_some() {
            state.learned = answer.learned;
        }
        match answer.fetched {
            Ok(Fetched { keys, advised, validator, not_modified, public }) => {
                state.counters.succeeded = state.counters.succeeded.saturating_add(1);
                state.counters.not_modified = state.counters.not_modified.saturating_add(u64::from(not_modified));
                state.failed = None;
                state.failed_host = None;
                let refreshes = state.counters.succeeded;
                if !not_modified {
                    let older = slot.snapshot();
                    let began = self.began;
                    let older = older.as_ref().map(|older| older.keys());
                    state.budgets.missing.replaced(older, &keys, began);
                }
                let Moment { monotonic: began, wall: began_at } = self.began;
                Ok(hold(Snapshot { keys, validator, began, began_at, advised, refreshes, public }))
            }
            Err(error) => {
                state.counters.failed = state.counters.failed.saturating_add(1);
                let paid = state.paid;
                state.budgets.refund(paid);
                let in_a_row = state.failed.map_or(0, |(failed, _)| failed.in_a_row).saturating_add(1);
                state.failed = Some((FailedRefresh { began: self.began.monotonic, ended: now, in_a_row }, error));
                state.failed_at = Some(self.clock.wall());
                state.failed_host = asked.map(Arc::from);
                match kept {
                    None => {}
                    Some(Err(error)) => state.snapshot_file = Some(SnapshotState::Failed(error)),
                    Some(Ok(Kept { keys, fetched_at, age })) => {
                        state.snapshot_file = Some(SnapshotState::Used(fetched_at));
                        hold(Snapshot {
                            keys: Arc::new(keys),
                            validator: None,
                            // The stale bound counts from when the provider was asked, by whichever process.
                            began: now.saturating_sub(age),
                            began_at: fetched_at,
                            advised: None,
                            refreshes: state.counters.succeeded,
                            public: None,
                        });
                    }
                }
                // Whether keys out of a file are too old is for each asker to say: see `KeyStore::kept`.
                Err(error)
            }
        }
    }

    /// Writes the snapshot file, after everybody has their answer.
    pub async fn keep(&self, snapshot: &Arc<Snapshot>) {
        let Some((path, public)) = self.slot.source.snapshot_file().zip(snapshot.public.clone()) else { return };
        // A slot that was cleared away while it was asking is nobody's any more.
        if !self.slots.get(&self.slot.source).is_some_and(|slot| Arc::ptr_eq(&slot, &self.slot)) {
            return;
        }
        let (slot, path, fetched_at, refreshes) =
            (Arc::clone(&self.slot), path.to_owned(), self.began.wall, snapshot.refreshes);
        let write = move || {
            let mut written = slot.written.lock().unwrap_or_else(PoisonError::into_inner);
            if *written < refreshes {
                *written = refreshes;
                let result = snapshot::write(&path, &slot.source, fetched_at, public.to_vec());
                let state = result.map_or_else(SnapshotState::Failed, |()| SnapshotState::Written(fetched_at));
                slot.state().snapshot_file = Some(state);
            }
        };
        // It only fails by a panic, and then the file is as it was.
        let _ = tokio::task::spawn_blocking(write).await;
    }
}
