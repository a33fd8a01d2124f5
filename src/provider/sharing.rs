//! What replicas share: the refreshes that want to look for newer keys first, and the keys that others may have. Both wait here until
//! the side that can reach the store fetches them; nothing here calls anybody.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use tokio::sync::{Notify, oneshot};
use tokio::time::Instant;

use super::shared_keys::SharedKeys;
use super::slot::Slot;

/// How long a refresh waits for what others have. JavaScript answers sooner, unless its thread is held up; then the provider is asked.
/// The rest of [`super::REFRESH_DEADLINE`] is left for that.
const LOOK_DEADLINE: Duration = Duration::from_secs(6);
/// How many sources are known by name, and how many refreshes may wait for an answer: as many as there are slots.
const MOST_SOURCES: usize = 10_000;
/// How many entries wait to be published; each may be as long as a key set. What is beyond is published with its next refresh.
const MOST_PUBLICATIONS: usize = 1024;

/// What has to be done with the store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StoreTask {
    /// A refresh waits: are there newer keys of this source?
    Look(Arc<str>),
    /// The provider has given keys of this source. `is_news`: others than before.
    Publish {
        /// The source.
        source: Arc<str>,
        /// The entry.
        text: String,
        /// Whether the others must know at once.
        is_news: bool,
    },
    /// A refresh that had looked has ended, and has nothing to publish.
    Failed(Arc<str>),
}

/// What a refresh finds.
#[derive(Debug, Default)]
pub struct Found {
    /// Keys it may end with.
    pub fresh: Option<SharedKeys>,
    /// Keys that serve if the provider fails.
    pub fallback: Option<SharedKeys>,
}

/// The sharing of a key store: off until somebody opens it.
#[derive(Debug, Default)]
pub struct Sharing {
    /// The newest one that is open serves.
    open: Mutex<Vec<Arc<KeyExchange>>>,
    /// How many there are, so that nothing is locked while there is none.
    count: AtomicUsize,
}

impl Sharing {
    /// Opens one more exchange.
    pub fn open(&self) -> Arc<KeyExchange> {
        let exchange = Arc::new(KeyExchange::default());
        let mut open = self.lock();
        open.retain(|exchange| !exchange.state().is_closed);
        open.push(Arc::clone(&exchange));
        self.count.store(open.len(), Ordering::Release);
        exchange
    }

    /// The exchange that serves, if there is one.
    pub fn current(&self) -> Option<Arc<KeyExchange>> {
        if self.count.load(Ordering::Acquire) == 0 {
            return None;
        }
        let mut open = self.lock();
        open.retain(|exchange| !exchange.state().is_closed);
        self.count.store(open.len(), Ordering::Release);
        open.last().cloned()
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Arc<KeyExchange>>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Between the refreshes of a key store and one that reaches the store of the replicas.
#[derive(Debug, Default)]
pub struct KeyExchange {
    state: Mutex<State>,
    /// There is something to do, or it is closed.
    news: Notify,
}

#[derive(Debug, Default)]
struct State {
    is_closed: bool,
    tasks: VecDeque<StoreTask>,
    /// Since when the first of them waits.
    since: Option<Instant>,
    publications: usize,
    /// The slots that have looked, by the name of their source. Those with another body cap or snapshot file share a name.
    slots: HashMap<Arc<str>, Vec<Weak<Slot>>>,
    waiting: HashMap<Arc<str>, Vec<Waiting>>,
}

/// A refresh that waits.
#[derive(Debug)]
struct Waiting {
    slot: Weak<Slot>,
    found: oneshot::Sender<Found>,
    fallback: Option<SharedKeys>,
}

impl KeyExchange {
    fn state(&self) -> MutexGuard<'_, State> {
        // Every change under the lock leaves whole collections.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What has to be done, as soon as there is something; `None` once it is closed.
    pub async fn next(&self) -> Option<Vec<StoreTask>> {
        loop {
            // Made before the look, so that nothing added in between is missed.
            let news = self.news.notified();
            {
                let mut state = self.state();
                if state.is_closed {
                    return None;
                }
                if !state.tasks.is_empty() {
                    state.publications = 0;
                    state.since = None;
                    return Some(state.tasks.drain(..).collect());
                }
            }
            news.await;
        }
    }

    /// Ends it. Refreshes that wait ask the provider.
    pub fn close(&self) {
        let mut state = self.state();
        *state = State { is_closed: true, ..State::default() };
        drop(state);
        self.news.notify_one();
    }

    /// Waits for what others have of a slot's keys, at most [`LOOK_DEADLINE`].
    pub(super) async fn look(&self, slot: &Arc<Slot>) -> Found {
        let Some(found) = self.wait(slot) else { return Found::default() };
        // Dropped unanswered, when the exchange is closed or the time is over: the provider is asked.
        match tokio::time::timeout(LOOK_DEADLINE, found).await {
            Ok(found) => found.unwrap_or_default(),
            Err(_) => self.leave(slot),
        }
    }

    fn wait(&self, slot: &Arc<Slot>) -> Option<oneshot::Receiver<Found>> {
        let (sender, found) = oneshot::channel();
        let name = slot.name();
        let mut state = self.state();
        let is_full = state.waiting.len() >= MOST_SOURCES && !state.waiting.contains_key(name);
        // Nobody fetches what is to be done: a thread that is held up must neither delay each refresh nor fill the memory.
        let is_held_up = state.since.is_some_and(|since| since.elapsed() >= LOOK_DEADLINE);
        if state.is_closed || is_full || is_held_up || !state.knows(slot) {
            return None;
        }
        let waiting = state.waiting.entry(Arc::clone(name)).or_default();
        waiting.push(Waiting { slot: Arc::downgrade(slot), found: sender, fallback: None });
        if waiting.len() == 1 {
            state.add(StoreTask::Look(Arc::clone(name)));
        }
        drop(state);
        self.news.notify_one();
        Some(found)
    }

    /// Takes a refresh that has waited long enough out of those that wait.
    fn leave(&self, slot: &Arc<Slot>) -> Found {
        let fallback = self.taken(slot).and_then(|waiting| waiting.fallback);
        Found { fresh: None, fallback }
    }

    fn taken(&self, slot: &Arc<Slot>) -> Option<Waiting> {
        let mut state = self.state();
        let waiting = state.waiting.get_mut(slot.name())?;
        let place = waiting.iter().position(|waiting| std::ptr::eq(waiting.slot.as_ptr(), Arc::as_ptr(slot)))?;
        let taken = waiting.swap_remove(place);
        if waiting.is_empty() {
            state.waiting.remove(slot.name());
        }
        Some(taken)
    }

    /// The provider has given keys: the others may have them.
    pub(super) fn publish(&self, slot: &Slot, text: String, is_news: bool) {
        let mut state = self.state();
        if state.is_closed || state.publications >= MOST_PUBLICATIONS {
            return;
        }
        state.publications = state.publications.saturating_add(1);
        state.add(StoreTask::Publish { source: Arc::clone(slot.name()), text, is_news });
        drop(state);
        self.news.notify_one();
    }

    /// There is nothing to publish.
    pub(super) fn failed(&self, slot: &Slot) {
        let mut state = self.state();
        if state.is_closed || state.publications >= MOST_PUBLICATIONS {
            return;
        }
        state.publications = state.publications.saturating_add(1);
        state.add(StoreTask::Failed(Arc::clone(slot.name())));
        drop(state);
        self.news.notify_one();
    }

    /// The slots of a source, as far as they have looked and are still there.
    pub(super) fn slots(&self, name: &str) -> Vec<Arc<Slot>> {
        self.state().slots.get(name).into_iter().flatten().filter_map(Weak::upgrade).collect()
    }

    /// Hands keys to the refresh of a slot that waits. They come back where none does.
    pub(super) fn hand_over(&self, slot: &Arc<Slot>, keys: SharedKeys, are_fresh: bool) -> Result<(), SharedKeys> {
        if are_fresh {
            let Some(waiting) = self.taken(slot) else { return Err(keys) };
            let found = Found { fresh: Some(keys), fallback: None };
            return waiting.found.send(found).map_err(|found| found.fresh).or_else(|unsent| unsent.map_or(Ok(()), Err));
        }
        let mut state = self.state();
        let waiting = state.waiting.get_mut(slot.name()).into_iter().flatten();
        let mut of_slot = waiting.filter(|waiting| std::ptr::eq(waiting.slot.as_ptr(), Arc::as_ptr(slot)));
        match of_slot.next() {
            Some(waiting) => {
                waiting.fallback = Some(keys);
                Ok(())
            }
            None => Err(keys),
        }
    }

    /// Whether a refresh of this source still waits.
    pub fn is_awaited(&self, name: &str) -> bool {
        self.state().waiting.contains_key(name)
    }

    /// Nobody has newer keys: the refreshes of this source that wait ask the provider.
    pub fn ask_provider(&self, name: &str) {
        let waiting = self.state().waiting.remove(name).unwrap_or_default();
        for Waiting { found, fallback, .. } in waiting {
            // One that has given up waiting asks the provider already.
            let _ = found.send(Found { fresh: None, fallback });
        }
    }
}

impl State {
    fn add(&mut self, task: StoreTask) {
        self.since.get_or_insert_with(Instant::now);
        self.tasks.push_back(task);
    }

    /// Remembers a slot by the name of its source; false where there are too many.
    fn knows(&mut self, slot: &Arc<Slot>) -> bool {
        if self.slots.len() >= MOST_SOURCES && !self.slots.contains_key(slot.name()) {
            self.slots.retain(|_, slots| slots.iter().any(|slot| slot.strong_count() > 0));
            if self.slots.len() >= MOST_SOURCES {
                return false;
            }
        }
        let slots = self.slots.entry(Arc::clone(slot.name())).or_default();
        slots.retain(|known| known.strong_count() > 0);
        if !slots.iter().any(|known| std::ptr::eq(known.as_ptr(), Arc::as_ptr(slot))) {
            slots.push(Arc::downgrade(slot));
        }
        true
    }
}
